"""Topics: one list in the code, the same list in the docs, a publisher for each."""
import re

from tree import line_of, without_comments

LIST = "common/wire/topics.h"
PAGE = "docs/messages.md"
SELF = {"common/wire/topics.h", "common/wire/topics.c"}


class Topic:
    def __init__(self, name, template, kind, payload, publisher):
        self.name, self.template, self.publisher = name, template, publisher
        self.kind = kind.lower()
        self.payload = "".join(word.capitalize() for word in payload.split("_"))


def listed(text):
    row = r'\bX\((\w+), "([^"]+)", (\w+), (\w+), "([^"]+)"\)'
    return {m[0]: Topic(*m) for m in re.findall(row, without_comments(text))}


def check_page(topics, page):
    """Both ways: the table has every topic with its class, payload and publisher, and no other."""
    row = r"^\| `(v1\.[^`]+)` \| (\w+) \| (\w+)[^|]* \| ([^|]+) \|"
    rows = {m[0]: m[1:] for m in re.findall(row, page, re.M)}
    for t in topics.values():
        if t.template not in rows:
            yield f"{PAGE}: the table lacks {t.template}"
            continue
        kind, payload, publisher = rows[t.template]
        if (kind, payload) != (t.kind, t.payload):
            yield f"{PAGE}: {t.template} is {t.kind} {t.payload}, not {kind} {payload}"
        if t.publisher != "*" and publisher.strip() != t.publisher:
            yield f"{PAGE}: {t.template} is published by {t.publisher}, not {publisher.strip()}"
    known = {t.template for t in topics.values()}
    for template in sorted(rows.keys() - known):
        yield f"{PAGE}: {template} is not in {LIST}"


def table(code, name):
    """The topics of one table of an app.c: KEEL_TOPIC_ROW -> ROW."""
    found = re.search(rf"\b{name}\[\] = \{{(.*?)\}};", code, re.S)
    words = re.findall(r"\bKEEL_TOPIC_(\w+)", found.group(1) if found else "")
    return [word for word in words if word != "COUNT"]


def check_app(path, code, topics):
    service = path.split("/")[1]
    for name in table(code, "pubs") + table(code, "subs"):
        if name not in topics:
            yield f"{path}: {name} is no topic of {LIST}"
    for name in table(code, "pubs"):
        if name in topics and topics[name].publisher != service:
            yield f"{path}: {name} is published by {topics[name].publisher}"


def stem(template):
    """The fixed words that a template begins with: v1.risk.report."""
    return template.split("{")[0]


def check_card(path, text, code, topics):
    for name in table(code, "pubs") + table(code, "subs"):
        if name in topics and "`" + stem(topics[name].template) not in text:
            yield f"{path}: the card lacks `{topics[name].template}`"


def check_mentions(path, text, topics):
    known = {stem(t.template) for t in topics.values()}
    for match in re.finditer(r"`(v1\.[a-z.]+)\{[^`]*`", text):
        if match.group(1) not in known:
            yield f"{path}:{line_of(text, match.start())}: {match.group(1)} is no topic"


def check_spelled(path, text):
    for match in re.finditer(r'"v1\.[^"]*"', without_comments(text)):
        yield f"{path}:{line_of(text, match.start())}: {match.group()} is spelled outside {LIST}"


def check(tree):
    topics = listed(tree.text(LIST))
    yield from check_page(topics, tree.text(PAGE))
    sent = {}
    for path in [p for p in tree.under("services/", ends=("/app.c",))]:
        code = tree.code(path)
        sent[path.split("/")[1]] = table(code, "pubs")
        yield from check_app(path, code, topics)
        card = path.replace("app.c", "README.md")
        if card in tree.paths:
            yield from check_card(card, tree.text(card), code, topics)
    for t in topics.values():
        if t.publisher != "*" and t.name not in sent.get(t.publisher, []):
            yield f"{LIST}: {t.publisher} has no entry for {t.name} in its pubs"
    for path in tree.under("docs/", "services/", ends=(".md",)):
        yield from check_mentions(path, tree.text(path), topics)
    for path in tree.under("common/", "services/"):
        if path not in SELF:
            yield from check_spelled(path, tree.text(path))
