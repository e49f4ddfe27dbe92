"""How large things may grow: functions, files, lines, nesting, parameters."""
import re

from tree import functions, open_of

FUNCTION_LINES = 70
FILE_LINES = 800
COLUMNS = 100
NESTING = 3
PARAMETERS = 6
CONTROL = {"if", "for", "while", "switch"}


def opens_level(before, inside_initialiser):
    """Whether a brace after this text begins a level a reader has to keep in mind."""
    before = before.rstrip()
    if before.endswith(")"):
        word = re.search(r"(\w+)\s*$", before[: open_of(before)])
        return word is not None and (word.group(1) in CONTROL or word.group(1).isupper())
    if re.search(r"\b(?:else|do)$", before):
        return True
    return before == "" or (before[-1] in ";}" and not inside_initialiser)


def nesting(body):
    level, worst, stack = 0, 0, []
    for mark in re.finditer(r"[{}]", body):
        if mark.group() == "}":
            level -= stack.pop()
            continue
        begin = max(0, mark.start() - 400)
        before = body[begin : mark.start()]
        counts = opens_level(before, bool(stack) and not stack[-1])
        stack.append(counts)
        level += counts
        worst = max(worst, level)
    return worst


def check_functions(tree, path):
    for f in functions(tree.code(path)):
        where = f"{path}:{f.first}: function {f.name} "
        lines = f.last - f.first + 1
        if lines > FUNCTION_LINES:
            yield where + f"has {lines} lines, {FUNCTION_LINES} at most"
        if path.startswith("tests/"):
            continue
        if len(f.parameters) > PARAMETERS:
            yield where + f"has {len(f.parameters)} parameters, {PARAMETERS} at most"
        if nesting(f.body) > NESTING:
            yield where + f"nests {nesting(f.body)} deep, {NESTING} at most"


def check(tree):
    for path in tree.under("common/", "services/", "tests/", "proto/",
                           ends=(".c", ".h", ".proto", ".py")):
        lines = tree.text(path).splitlines()
        if len(lines) > FILE_LINES:
            yield f"{path}: {len(lines)} lines, {FILE_LINES} at most"
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                yield f"{path}:{number}: {len(line)} columns, {COLUMNS} at most"
    for path in tree.under("common/", "services/", "tests/"):
        yield from check_functions(tree, path)
