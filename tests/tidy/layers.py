"""Who may include whom: the layers of ARCHITECTURE.md, and the owner of every library."""
import os

from tree import INCLUDE, line_of, without_comments

OUTER = ("common/base/", "common/domain/", "common/wire/")
ROOMS = {
    "common/base/": (),
    "common/num/": ("common/base/",),
    "common/domain/": ("common/base/", "common/num/"),
    "common/wire/": ("common/base/", "common/domain/", "keel/v1/"),
    "common/bus/": OUTER,
    "common/keys/": OUTER,
    "common/cache/": OUTER,
    "common/config/": ("common/base/",),
    "common/obs/": ("common/base/",),
    "common/client/": OUTER + ("common/bus/",),
    "common/service/": OUTER + ("common/bus/", "common/cache/", "common/config/", "common/obs/"),
}
ENGINE = ("common/base/", "common/num/", "common/domain/")
ALL_ENGINES = ("services/backtest/",)  # the one program that links them all
BORROWED = {  # programs that use an engine without the service around it
    "services/workbench/": ("services/optimizer/engine/", "services/feed/engine/"),
}

# Header (or its beginning) of a library -> the files and folders that know the library.
LIBRARIES = {
    "cblas.h": ("common/num/la/",),
    "hiredis/": ("common/cache/redis.c",),
    "jansson.h": ("common/wire/json.c", "services/backtest/", "services/cli/",
                  "services/feed/report.c", "services/workbench/"),
    "lapacke.h": ("common/num/la/",),
    "protobuf-c/": ("common/wire/",),
    "sqlite3.h": ("services/cli/ledger_check", "services/cli/signal_books.c",
                  "services/ledger/store"),
    "xxhash.h": ("common/base/hash.c",),
    "yaml.h": ("common/config/yaml.c", "services/cli/run_config.c"),
    "zlib.h": ("services/feed/files.c", "services/workbench/read_file.c"),
    "zmq.h": ("common/bus/", "common/client/", "common/keys/files.c", "services/relay/"),
}


def room_of(path):
    """(folder, what it may include beside itself); None for a folder that has no rule."""
    for room, allowed in ROOMS.items():
        if path.startswith(room):
            return room, allowed
    parts = path.split("/")
    if parts[0] != "services" or len(parts) < 3:
        return None
    service = "/".join(parts[:2]) + "/"
    if parts[2] == "engine":
        return service + "engine/", ENGINE
    if service in BORROWED:
        return service, ENGINE + BORROWED[service]
    return service, ("common/", "services/") if service in ALL_ENGINES else ("common/",)


def allowed_quoted(path, header):
    if header.endswith(".pb-c.h"):
        return path.startswith("common/wire/")
    if header.endswith("_internal.h"):
        folder = os.path.dirname(header) + "/"
        return path.startswith((folder, "tests/"))
    if path.startswith("tests/"):
        return True
    room = room_of(path)
    return room is not None and header.startswith((room[0],) + room[1])


def allowed_library(path, header):
    for library, owners in LIBRARIES.items():
        if header.startswith(library) and not path.startswith(owners + ("tests/",)):
            return False
    return True


def check_file(tree, path):
    text = without_comments(tree.text(path))
    own = path[:-2] + ".h"
    for count, match in enumerate(INCLUDE.finditer(text)):
        quoted, library = match.groups()
        where = f"{path}:{line_of(text, match.start())}: "
        if library is not None:
            if not allowed_library(path, library):
                yield where + f"<{library}> belongs to other files"
            continue
        if not allowed_quoted(path, quoted):
            yield where + f"{quoted} is out of this folder's layer"
        if quoted not in tree.paths and not quoted.endswith(".pb-c.h"):
            yield where + f"{quoted} is no path from the root"
        if quoted == own and count > 0:
            yield where + "a file includes its own header first"


def check(tree):
    for path in tree.under("common/", "services/"):
        if room_of(path) is None:
            yield f"{path}: this folder has no rule in tests/tidy/layers.py"
    for path in tree.under("common/", "services/", "tests/"):
        yield from check_file(tree, path)
