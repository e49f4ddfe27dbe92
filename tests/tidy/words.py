"""What a tree that is finished does not say, and files that do not belong in it."""
import re

from tree import line_of

HERE = "tests/tidy/"  # spells the words to find them
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|(?i:\b(?:stub|placeholder)s?\b)")
WORKPLACE = re.compile(r"(?<![\w.}>])/(?:work|home|root|Users)/\w|\b(?:claude|chatgpt|copilot|"
                       r"anthropic|openai|llm)\b|\bAI agents?\b|\b(?:issue|ticket|session) #?\d",
                       re.I)
DATA = (".csv", ".csv.gz", ".parquet", ".feather", ".h5", ".sqlite", ".rdb", ".aof")
READ = (".c", ".h", ".py", ".proto", ".md", ".txt", ".cmake", ".yaml", ".yml", ".json", ".sh")


def check_text(path, text):
    if not path.endswith(".md"):
        for match in UNFINISHED.finditer(text):
            yield f"{path}:{line_of(text, match.start())}: '{match.group()}': unfinished"
    for match in WORKPLACE.finditer(text):
        yield f"{path}:{line_of(text, match.start())}: '{match.group()}': not about this program"


def check(tree):
    for path in tree.paths:
        if path.endswith(DATA):
            yield f"{path}: a data file; tests make theirs, or read KEEL_TEST_DATA"
        if path.endswith(READ) and not path.startswith(HERE):
            yield from check_text(path, tree.text(path))
