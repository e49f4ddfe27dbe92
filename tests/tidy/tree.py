"""The tree as the checks see it: files, code without comments, functions.

Not a C parser: it relies on what the format check enforces (one declaration per statement, no
function made by a macro but Test()).
"""
import os
import re

TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\.|[^\n\\])*", re.M | re.S)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*(?:\"([^\"]+)\"|<([^>]+)>)", re.M)
FOLDERS = ("common", "deploy", "docs", "proto", "services", "tests")
SKIPPED = {"__pycache__", "build", "run"}


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def without_comments(text):
    """Comments become spaces; every line and column stays where it was."""
    return TOKEN.sub(lambda m: blank(m) if m.group()[0] == "/" else m.group(), text)


def without_strings(text):
    """Comments and the insides of strings become spaces."""

    def cut(match):
        spaces = blank(match)
        mark = match.group()[0]
        return spaces if mark == "/" else mark + spaces[2:] + mark

    return TOKEN.sub(cut, text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


class Tree:
    """The files of one source directory; `build` is where libraries and programs are."""

    def __init__(self, root, build=None):
        self.root = root
        self.build = build
        self._texts = {}
        self.paths = sorted(self._walk())

    def _walk(self):
        for name in os.listdir(self.root):
            if os.path.isfile(os.path.join(self.root, name)):
                yield name
        for folder in FOLDERS:
            for here, folders, names in os.walk(os.path.join(self.root, folder)):
                folders[:] = [f for f in folders if f not in SKIPPED]
                for name in names:
                    yield os.path.relpath(os.path.join(here, name), self.root)

    def under(self, *prefixes, ends=(".c", ".h")):
        return [p for p in self.paths if p.startswith(prefixes) and p.endswith(ends)]

    def full(self, path):
        return os.path.join(self.root, path)

    def text(self, path):
        if path not in self._texts:
            with open(self.full(path), encoding="utf-8", errors="replace") as file:
                self._texts[path] = file.read()
        return self._texts[path]

    def code(self, path):
        return without_strings(self.text(path))


class Function:
    """One definition: name, first and last line, parameters as texts, body between the braces."""

    def __init__(self, name, first, last, parameters, body):
        self.name, self.first, self.last = name, first, last
        self.parameters, self.body = parameters, body


def split_commas(text):
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return parts + [text[start:].strip()]


def open_of(text):
    """Where the parenthesis that the last character closes was opened; -1 when nowhere."""
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        depth += (text[at] == ")") - (text[at] == "(")
        if depth == 0:
            return at
    return -1


def heading(text):
    """(name, parameters) when the text before a brace begins a function, else None."""
    text = text.rstrip()
    at = open_of(text) if text.endswith(")") else -1
    name = re.search(r"(\w+)\s*$", text[: max(at, 0)])
    if name is None or "=" in text[:at]:
        return None
    parameters = [p for p in split_commas(text[at + 1 : -1]) if p not in ("", "void", "...")]
    return name.group(1), parameters


def functions(code):
    """Every function defined in code that has no comments and no strings."""
    code = DIRECTIVE.sub(blank, code)
    found, depth, start, brace, head = [], 0, 0, 0, None
    for mark in re.finditer(r"[{};]", code):
        if mark.group() == "{":
            if depth == 0:
                head, brace = heading(code[start : mark.start()]), mark.end()
            depth += 1
        elif mark.group() == "}":
            depth -= 1
            if depth == 0 and head is not None:
                begin = start + len(code[start:brace]) - len(code[start:brace].lstrip())
                found.append(Function(head[0], line_of(code, begin), line_of(code, mark.start()),
                                      head[1], code[brace : mark.start()]))
        if depth == 0:
            start = mark.end() if mark.group() != "{" else start
    return found
