"""Every configuration key is explained in its service's card and stands in keel.yaml.

In keel.yaml a key of one service stands as a comment with its default: `  # drift: 0.05  # why`.
"""
import re

from tree import without_comments

FILE = "deploy/config/keel.yaml"
STRING = r'"((?:\\.|[^"\\])*)"'
ROW = re.compile(r"\{\s*KEEL_CFG_T_(\w+),\s*" + STRING + r",\s*([^,]+|\w+\([^)]*\)),\s*(" + STRING
                 + r"|\w+)\s*,\s*([^,]+),")


class Row:
    def __init__(self, kind, key, default):
        self.kind, self.key, self.default = kind, key, default

    def has_default(self):
        return self.default is not None and self.kind not in ("TREE", "LATER")


def rows_of(text):
    """The rows of every table of a file; a default that is a macro counts as one not known."""
    text = without_comments(text)
    macros = dict(re.findall(r"#define (\w+)\s+" + STRING, text))
    found = []
    for kind, key, _, default, inner, _ in ROW.findall(text):
        if "." not in key and kind != "TREE":
            continue  # a member of a list that a service walks itself
        value = inner if default.startswith('"') else macros.get(default)
        found.append(Row(kind, key, value))
    return found


def yaml_keys(text):
    """Dotted path -> (value text, whether it is a comment). Block style only, as the file is."""
    found, path = {}, []
    for line in text.splitlines():
        mark = re.match(r"^( *)(# )?( *)([A-Za-z_][\w-]*):(?: +(.*))?$", line)
        if mark is None:
            continue
        indent = len(mark.group(1)) + len(mark.group(3))
        path = [p for p in path if p[0] < indent] + [(indent, mark.group(4))]
        value = re.sub(r"(?:^| +)#.*$", "", mark.group(5) or "").strip()
        found[".".join(p[1] for p in path)] = (value, mark.group(2) is not None)
    return found


def check_rows(path, rows, card, keys):
    """`card`: (path, text) of the page that explains the keys; None when there is none."""
    for row in rows:
        if card is not None and f"`{row.key}`" not in card[1]:
            yield f"{card[0]}: {row.key} of {path} is not explained"
        if not row.has_default():
            continue
        if row.key not in keys:
            yield f"{FILE}: {row.key} of {path} is missing"
            continue
        value, is_comment = keys[row.key]
        if is_comment and value.strip('"') != row.default:
            yield f"{FILE}: {row.key} is {value}, the default in {path} is {row.default}"


def check_known(keys, rows):
    """The other way: what stands in the file, comments included, is a key or leads to one."""
    trees = tuple(r.key for r in rows if r.kind in ("TREE", "LATER"))
    names = {r.key for r in rows}
    for key in keys:
        leads = any(name.startswith(key + ".") for name in names)
        below = any(key == t or key.startswith(t + ".") for t in trees)
        if key not in names and not leads and not below:
            yield f"{FILE}: {key} is no key of any service"


def check(tree):
    keys = yaml_keys(tree.text(FILE))
    every = []
    for path in tree.under("common/", "services/", ends=(".c",)):
        rows = rows_of(tree.text(path)) if path.startswith(("services/", "common/service")) else []
        every += rows
        if not rows:
            continue
        card = None
        if path.startswith("services/"):
            name = "/".join(path.split("/")[:2]) + "/README.md"
            if name not in tree.paths:
                yield f"{name}: missing; {path} has keys"
            else:
                card = (name, tree.text(name))
        yield from check_rows(path, rows, card, keys)
    yield from check_known(keys, every)
