"""A golden test says in its first comment where its numbers come from."""
import re

SOURCE = re.compile(r"^ ?\*? ?Source: \S.{9,}", re.M)


def check(tree):
    for path in tree.under("tests/golden/", ends=(".c",)):
        head = re.match(r"\s*/\*.*?\*/", tree.text(path), re.S)
        if head is None or SOURCE.search(head.group().replace("/* ", "")) is None:
            yield f"{path}: the first comment has no line 'Source: <generator or work, version>'"
