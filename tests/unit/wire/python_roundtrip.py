#!/usr/bin/python3
"""C and Python's protobuf read each other: every message, every field, and the JSON names.

usage: python_roundtrip.py PROGRAM PROTO_DIR WORK_DIR
"""
import base64
import importlib
import json
import pathlib
import shutil
import subprocess
import sys

PROGRAM, PROTO, WORK = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
passed = failed = 0


def check(good, what):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print("failed:", what)


def fresh(name):
    path = WORK / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def run(mode, path):
    done = subprocess.run([PROGRAM, mode, str(path)], stdout=subprocess.PIPE, text=True)
    check(done.returncode == 0, f"{mode}: {done.stdout}")


generated = fresh("generated")
files = sorted(str(p) for p in (PROTO / "keel/v1").glob("*.proto"))
subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={generated}", *files], check=True)
sys.path.insert(0, str(generated))
modules = [importlib.import_module("keel.v1." + pathlib.Path(f).stem + "_pb2") for f in files]
payload_types = importlib.import_module("keel.v1.envelope_pb2").PayloadType


def message_class(number):
    """PAYLOAD_TYPE_BAR_ROW -> BarRow: the names of types and messages are one."""
    words = payload_types.Name(number)[len("PAYLOAD_TYPE_"):].split("_")
    name = "".join(w.capitalize() for w in words)
    return next(getattr(m, name) for m in modules if hasattr(m, name))


# What no sample sets: not carried by the C structs yet, or another member of a oneof.
UNSET = {"AllocationProposal.fallbacks", "TradingState.strategies", "TradingState.assets",
         "Request.ping", "Request.status", "Request.snapshot", "Request.reset_counters",
         "Request.log_level", "Request.shutdown", "Request.resume", "Halt.portfolio",
         "Reply.ok",  # an error is shown, so ok is false
         }


def all_fields(message, seen):
    """Names of the fields that are set anywhere in the message."""
    for field, value in message.ListFields():
        seen.add(f"{message.DESCRIPTOR.name}.{field.name}")
        if field.type == field.TYPE_MESSAGE:
            for part in value if field.label == field.LABEL_REPEATED else [value]:
                all_fields(part, seen)


def declared(descriptor, into, visited):
    if descriptor.full_name in visited:
        return
    visited.add(descriptor.full_name)
    for field in descriptor.fields:
        name = f"{descriptor.name}.{field.name}"
        into.add(name)
        if field.message_type is not None and name not in UNSET:
            declared(field.message_type, into, visited)


def plain(field, value):
    """One value as keel_wire_json writes it."""
    if field.type == field.TYPE_MESSAGE:
        return as_json(value)
    if field.type == field.TYPE_ENUM:
        zero = field.enum_type.values_by_number[0].name
        return field.enum_type.values_by_number[value].name[len(zero) - len("UNSPECIFIED"):]
    if field.type == field.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return value


def as_json(message):
    out = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.label == field.LABEL_REPEATED:
            out[field.name] = [plain(field, v) for v in value]
        elif field.type != field.TYPE_MESSAGE or message.HasField(field.name):
            out[field.name] = plain(field, value)
    return out


from_c, from_python, hostile = fresh("from_c"), fresh("from_python"), fresh("edited")
run("write", from_c)
binaries = sorted(from_c.glob("*.bin"))
check(len(binaries) == 36, f"{len(binaries)} messages")
for path in binaries:
    name, number, _ = path.name.split(".")
    data = path.read_bytes()
    kind = message_class(int(number))
    message = kind.FromString(data)
    check(not message.UnknownFields(), f"{name}: unknown fields")
    check(message.SerializeToString(deterministic=True) == data, f"{name}: bytes differ")
    (from_python / path.name).write_bytes(message.SerializeToString(deterministic=True))
    want, seen = set(), set()
    declared(message.DESCRIPTOR, want, set())
    all_fields(message, seen)
    check(seen >= want - UNSET, f"{name}: not filled: {sorted(want - UNSET - seen)}")
    shown = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    check(shown == as_json(message), f"{name}: JSON differs")

run("same", from_python)

# Messages that Python alone made: built field by field, sent in another order, with a field that
# C has never heard of.
for path in binaries:
    message = message_class(int(path.name.split(".")[1])).FromString(path.read_bytes())
    parts = [type(message)() for _ in message.ListFields()]
    for part, (field, value) in zip(parts, message.ListFields()):
        if field.label == field.LABEL_REPEATED:
            getattr(part, field.name).extend(value)
        elif field.type == field.TYPE_MESSAGE:
            getattr(part, field.name).CopyFrom(value)
        else:
            setattr(part, field.name, value)
    reversed_fields = b"".join(p.SerializeToString() for p in reversed(parts))
    newer = b"\xfa\x3e\x03new"  # field 1007, length-delimited
    (hostile / path.name).write_bytes(reversed_fields + newer)
run("check", hostile)
run("same", hostile)

print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
