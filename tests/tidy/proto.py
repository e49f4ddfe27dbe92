#!/usr/bin/env python3
"""Proto files: rules that protoc does not know, and no change that breaks a reader.

`proto.py --update` writes what is there now to proto.lock.
"""
import os
import re
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

from tree import Tree, line_of, without_comments

HERE = os.path.dirname(os.path.abspath(__file__))
LOCK = os.path.join(HERE, "proto.lock")
FOLDER = "proto/keel/v1/"
FIELD = descriptor_pb2.FieldDescriptorProto
NUMBERS = {FIELD.TYPE_DOUBLE, FIELD.TYPE_FLOAT, FIELD.TYPE_INT32, FIELD.TYPE_INT64,
           FIELD.TYPE_UINT32, FIELD.TYPE_UINT64, FIELD.TYPE_SINT32, FIELD.TYPE_SINT64,
           FIELD.TYPE_FIXED32, FIELD.TYPE_FIXED64, FIELD.TYPE_SFIXED32, FIELD.TYPE_SFIXED64}
UNITS = ("ns", "ms", "bps", "frac", "ann", "units", "micros", "bytes", "exp", "bars", "hash",
         "step", "seq", "version", "rows")

# Numbers without a unit: counts, ratios, indices, or a unit that the comment has to give.
DIMENSIONLESS = set("""
    bars bound_multipliers box_lower box_upper calmar closed_versions closing_trades coefficients
    consumed_decisions correlation count credit current decided dual_residual entry executed
    expected_return expected_volatility fills format gap hi horizon_bars index indices instrument
    iterations lags limit lo lower mean mean_correlation missing multiplier n objective pid
    primal_residual probability profit_factor queue_depth received regime risk_aversion
    risk_tolerance rows rows_effective rows_min rows_sent rows_total samples seq share step stop
    stops target target_return target_risk total_return trades transition upper value version
    accepted active_signals duplicate_of pending request_index waiting
    volatility volume weights bars_missing bars_quarantined bars_refused step_done
""".split())


def descriptors(root):
    """The descriptor set of the tree's proto files."""
    names = sorted(n for n in os.listdir(os.path.join(root, FOLDER)) if n.endswith(".proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "set")
        subprocess.run(["protoc", "-I" + os.path.join(root, "proto"), "--descriptor_set_out=" + out,
                        *[os.path.join(root, FOLDER, n) for n in names]], check=True)
        with open(out, "rb") as file:
            return descriptor_pb2.FileDescriptorSet.FromString(file.read())


def type_of(field):
    kind = field.type_name.rsplit(".", 1)[-1] or FIELD.Type.Name(field.type)[5:].lower()
    return ("repeated " if field.label == FIELD.LABEL_REPEATED else "") + kind


def messages(found):
    return [m for file in found.file for m in file.message_type]


def lock_lines(found):
    """One line per field and per enum value: owner.name number type."""
    lines = []
    for file in found.file:
        for message in file.message_type:
            lines += [f"{message.name}.{f.name} {f.number} {type_of(f)}" for f in message.field]
        for enum in file.enum_type:
            lines += [f"{enum.name}.{v.name} {v.number} value" for v in enum.value]
    return sorted(lines)


def reserved(found):
    """owner -> (names, numbers) that must never come back."""
    kept = {}
    for file in found.file:
        for owner in list(file.message_type) + list(file.enum_type):
            # the end of a message's range is one past it, of an enum's it is the last
            past = 0 if owner in file.message_type else 1
            numbers = {n for r in owner.reserved_range for n in range(r.start, r.end + past)}
            kept[owner.name] = (set(owner.reserved_name), numbers)
    return kept


def check_lock(found, locked):
    now = {line.split(" ")[0]: line.split(" ", 2)[1:] for line in lock_lines(found)}
    by_number = {(name.split(".")[0], cells[0]): name for name, cells in now.items()}
    kept = reserved(found)
    for line in locked:
        name, number, kind = line.split(" ", 2)
        owner, member = name.split(".")
        names, numbers = kept.get(owner, (set(), set()))
        other = by_number.get((owner, number))
        if name not in now and other is not None:
            yield f"proto: {name} was renamed to {other}"
        elif name not in now and not (member in names and int(number) in numbers):
            yield f"proto: {name} was deleted; its name and its number {number} are not reserved"
        elif name in now and now[name][0] != number:
            yield f"proto: {name} had the number {number}, now {now[name][0]}"
        elif name in now and now[name][1] != kind:
            yield f"proto: {name} was {kind}, is now {now[name][1]}"


def check_fields(found):
    for message in messages(found):
        for f in message.field:
            where = f"proto: {message.name}.{f.name}: "
            if f.proto3_optional:
                yield where + "protobuf-c has no optional"
            has_unit = f.name.rsplit("_", 1)[-1] in UNITS and "_" in f.name
            if f.type in NUMBERS and not has_unit and f.name not in DIMENSIONLESS:
                yield where + "a number without a unit; name it, or list it in tests/tidy/proto.py"
    for file in found.file:
        for enum in file.enum_type:
            if not enum.value[0].name.endswith("_UNSPECIFIED") or enum.value[0].number != 0:
                yield f"proto: {enum.name}: the value 0 ends in _UNSPECIFIED"


def check_recursion(found):
    """A message that can hold itself lets a sender choose the reader's stack depth."""
    holds = {m.name: {f.type_name.rsplit(".", 1)[-1] for f in m.field} for m in messages(found)}
    for name in holds:
        seen, open_names = set(), set(holds[name])
        while open_names:
            one = open_names.pop()
            seen.add(one)
            open_names |= holds.get(one, set()) - seen
        if name in seen:
            yield f"proto: {name} can hold itself"


def check_next_free(path, text, found):
    used = {m.name: {f.number for f in m.field} for m in messages(found)}
    kept = reserved(found)
    code = without_comments(text)
    for match in re.finditer(r"^message (\w+) \{\n(.*?)^\}", code, re.M | re.S):
        name = match.group(1)
        taken = used.get(name, set()) | kept.get(name, (set(), set()))[1]
        free = next(n for n in range(1, len(taken) + 2) if n not in taken)
        last = text[match.start(2) : match.end(2)].rstrip().rsplit("\n", 1)[-1].strip()
        if last != f"// [next free field: {free}]":
            yield (f"{path}:{line_of(text, match.start())}: {name} does not end with "
                   f"// [next free field: {free}]")


def check(tree):
    found = descriptors(tree.root)
    yield from check_fields(found)
    yield from check_recursion(found)
    for path in tree.under(FOLDER, ends=(".proto",)):
        yield from check_next_free(path, tree.text(path), found)
    with open(LOCK, encoding="utf-8") as file:
        yield from check_lock(found, file.read().splitlines())


def update():
    found = descriptors(Tree(os.path.dirname(os.path.dirname(HERE))).root)
    with open(LOCK, "w", encoding="utf-8") as file:
        file.write("\n".join(lock_lines(found)) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit(__doc__)
    update()
