"""clang-format decides the rest."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

BATCH = 24


def run(tree, paths):
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *paths], cwd=tree.root,
                          capture_output=True, text=True, check=False)
    found = {}
    for match in re.finditer(r"^(\S+?):(\d+):\d+: error", done.stderr, re.M):
        found.setdefault(match.group(1), match.group(2))
    if done.returncode != 0 and not found:
        found[paths[0]] = "1: " + done.stderr.strip()[:200]
    return [f"{path}:{line}: not as clang-format writes it" for path, line in found.items()]


def check(tree):
    paths = tree.under("common/", "services/", "tests/")
    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for problems in pool.map(lambda batch: run(tree, batch), batches):
            yield from problems
