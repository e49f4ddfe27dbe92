"""Calls that belong to few files, and those that belong to none."""
import re

from tree import line_of

PURE = ("common/num/", "common/domain/", "services/*/engine/")
ALL = ("common/", "services/")


class Rule:
    """`calls` are allowed in `rooms` only, as far as `scope` reaches."""

    def __init__(self, what, calls, rooms, scope=ALL):
        self.what, self.rooms = what, rooms
        self.calls = re.compile(rf"(?<![\w.>])(?:{calls.replace(' ', '|')})\s*\(")
        self.scope = [re.compile(s.replace("*", "[^/]+")) for s in scope]

    def reaches(self, path):
        return any(s.match(path) for s in self.scope) and not path.startswith(self.rooms)


RULES = [
    Rule("reads a clock", "time clock clock_gettime gettimeofday timespec_get localtime gmtime",
         ("common/cache/dial.c", "common/cache/redis.c", "common/client/frames.c",
          "common/service/main.c", "services/backtest/run.c", "services/cli/terminal.c",
          "services/relay/", "services/workbench/solvers.c")),
    Rule("draws random numbers", "rand random srand srandom drand48 lrand48 getrandom",
         ("services/cli/run_dir.c",)),
    Rule("reads the environment", "getenv secure_getenv",
         ("services/cli/run_dir.c", "services/cli/terminal.c")),
    Rule("prints", "printf vprintf puts putchar fprintf vfprintf fputs fputc putc fwrite perror "
         "dprintf",
         ("common/base/assert.c", "common/base/mem.c",  # last words before the abort
          "common/client/examples/", "services/strategies/run.c",
          "common/config/print.c", "common/obs/obs.c", "common/service/main.c",
          "services/backtest/", "services/cli/", "services/feed/report.c",
          "services/relay/main.c", "services/relay/selftest.c",
          "services/relay/zap.c", "services/workbench/")),
    Rule("sleeps", "sleep usleep nanosleep", ("services/cli/terminal.c", "services/relay/")),
    Rule("starts a program", "system popen fork vfork execv execvp execve execl execlp",
         ("services/cli/",)),
    Rule("is not safe to use", "strcpy strcat sprintf vsprintf gets atoi atol atoll atof strtok "
         "strtok_r alloca", ()),
    Rule("takes memory elsewhere than from keel_xcalloc",
         "malloc calloc realloc strdup strndup aligned_alloc", (), PURE),
]

# Why: docs and PITFALLS of the libraries; a process aborts, leaks or loses messages with each.
NOWHERE = [
    (r"\bZMQ_HEARTBEAT_\w+", "aborts the process when a queue fills"),
    (r"\bZMQ_XPUB_MANUAL\w*", "uses memory after it was freed"),
    (r"\bZMQ_XPUB_NODROP\b", "lets one slow reader stop all"),
    (r"\bZMQ_CONFLATE\b", "drops parts of messages"),
    (r"\bredisReconnect\w*", "forgets what was pending"),
    (r"\bZMQ_\w*HWM\s*,\s*0\b|\bhwm\s*=\s*0\b|\bKEEL_HWM_\w+\s*=\s*0\b",
     "a high-water mark of 0 is a queue without end"),
    (r"\bkeel_socket_cfg\s+\w+\s*=\s*\{(?![^}]*\.hwm\b)[^}]*\}",
     "a high-water mark left out is 0, a queue without end"),
    (r"\bgoto\s+(?!out\s*;|refused\s*;)\w+", "labels are `out` and `refused`"),
]


def check_file(path, code):
    for rule in RULES:
        if not rule.reaches(path):
            continue
        for match in rule.calls.finditer(code):
            call = match.group().rstrip("( \n")
            yield f"{path}:{line_of(code, match.start())}: {call}: {rule.what}"
    for pattern, why in NOWHERE:
        for match in re.finditer(pattern, code):
            what = " ".join(match.group().split())
            yield f"{path}:{line_of(code, match.start())}: {what}: {why}"


def check(tree):
    for path in tree.under("common/", "services/", "tests/"):
        yield from check_file(path, tree.code(path))
