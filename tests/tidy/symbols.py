"""What libraries and programs show to each other, read with nm.

A name is public (`keel_x`), shared inside its room (`<room>_x`, or `<stem>_x` where the folder has
`<stem>_internal.h`), or static. Nothing that changes is global.
"""
import glob
import os
import re
import subprocess

PROGRAM_OF_ALL = "keel-backtest"
FAMILIES = {"strategies": "keel-strategy-"}  # one engine, several programs
BORROWERS = {"keel-workbench": ("optimizer", "feed")}  # engines without the services around them
SHARED_NOTHING = [  # a library, and those whose symbols it may not need
    ("services/risk/libkeel_risk_engine.a",
     ("common/num/solve/libkeel_num_solve.a", "common/num/la/libkeel_num_la.a",
      "services/optimizer/libkeel_optimizer_engine.a")),
    ("services/cli/libkeel_ledger_check.a", ("services/ledger/libkeel_ledger_engine.a",)),
]
MUTABLE = re.compile(r"^(?:\.data|\.bss|\*COM\*|\.tdata|\.tbss)(?!\.rel\.ro)")


class Symbol:
    def __init__(self, name, kind, section):
        self.name, self.kind, self.section = name, kind, section

    def defined(self):
        return self.kind not in "Uwv"

    def exported(self):
        return self.defined() and self.kind.isupper()


def read(path):
    """The symbols of a library or program, from `nm -f sysv`."""
    done = subprocess.run(["nm", "-f", "sysv", path], capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 7 and cells[2] and not cells[0].startswith(("__", ".", "_", "asan.")):
            found.append(Symbol(cells[0], cells[2], cells[6]))
    return found


def prefixes(tree, folder):
    """What names that leave a file of this folder may begin with."""
    rooms = [folder] + ([os.path.dirname(folder)] if folder.endswith("/engine") else [])
    words = {"keel"} | {os.path.basename(room).replace("-", "_") for room in rooms}
    for path in tree.under(folder + "/", ends=("_internal.h",)):
        if os.path.dirname(path) == folder:
            words.add(os.path.basename(path)[: -len("_internal.h")])
    return tuple(word + "_" for word in words)


def folder_of(library):
    """services/risk/libkeel_risk_engine.a -> services/risk/engine"""
    folder = os.path.dirname(library)
    return folder + "/engine" if library.endswith("_engine.a") else folder


def check_names(library, symbols, allowed):
    for s in symbols:
        if s.exported() and not s.name.startswith(allowed):
            yield f"{library}: {s.name} begins with none of {', '.join(sorted(allowed))}"
        if MUTABLE.match(s.section) and s.defined():
            yield f"{library}: {s.name} is a global that can change"


def owners(libraries):
    """Exported name -> the libraries that define it."""
    found = {}
    for path, symbols in libraries.items():
        for s in symbols:
            if s.exported():
                found.setdefault(s.name, []).append(path)
    return found


def check_twice(libraries):
    for name, paths in owners(libraries).items():
        if len(paths) > 1:
            yield f"{paths[0]}: {name} is also in {', '.join(paths[1:])}"


def check_shared(library, symbols, other, theirs):
    needed = {s.name for s in symbols if s.kind == "U"}
    for name in sorted(needed & {s.name for s in theirs if s.exported()}):
        yield f"{library}: needs {name} of {other}"


def check_program(program, symbols, engines):
    """`engines`: service -> symbols of its engine."""
    held = {s.name for s in symbols if s.exported()}
    for service, theirs in engines.items():
        if program == f"keel-{service}" or program == PROGRAM_OF_ALL:
            continue
        if service in BORROWERS.get(program, ()):
            continue
        if service in FAMILIES and program.startswith(FAMILIES[service]):
            continue
        for name in sorted(held & {s.name for s in theirs if s.exported()})[:3]:
            yield f"bin/{program}: holds {name} of the engine of {service}"


def check(tree):
    if tree.build is None:
        yield "symbols: needs --build"
        return
    paths = glob.glob("common/**/lib*.a", root_dir=tree.build, recursive=True)
    paths += glob.glob("services/*/lib*.a", root_dir=tree.build)
    libraries = {path: read(os.path.join(tree.build, path)) for path in sorted(paths)}
    if not libraries:
        yield f"{tree.build}: no library is built here"
    for path, symbols in libraries.items():
        yield from check_names(path, symbols, prefixes(tree, folder_of(path)))
    for path, others in SHARED_NOTHING:
        for other in others:
            if path not in libraries or other not in libraries:
                yield f"{path}: or {other} is not built"
                continue
            yield from check_shared(path, libraries[path], other, libraries[other])
    yield from check_twice(libraries)
    only = {name for name, paths in owners(libraries).items() if len(paths) == 1}
    engines = {os.path.basename(os.path.dirname(p)): [s for s in found if s.name in only]
               for p, found in libraries.items() if p.endswith("_engine.a")}
    for path in sorted(glob.glob(os.path.join(tree.build, "bin", "keel*"))):
        yield from check_program(os.path.basename(path), read(path), engines)
