#!/usr/bin/env python3
"""tidy.py CHECK [--source DIR] [--build DIR]: taste and structure as tests.

One module per check, each with `check(tree)`, which yields one line per problem. What breaks a
rule and may not be mended yet is in known.txt; a line there that is no longer needed is a problem.
"""
import argparse
import importlib
import os
import re
import sys

from tree import Tree

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKS = ("layers", "budgets", "symbols", "banned", "proto", "topics", "config", "words", "golden",
          "formatted")


def known(text, check):
    """The beginnings of problems of this check that known.txt excuses."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.split(" ", 1)[1] for line in lines if line.split(" ", 1)[0] == check]


def excused(problems, excuses):
    """Problems that no excuse covers, and excuses that cover no problem."""
    used = set()
    left = []
    for problem in problems:
        plain = re.sub(r":\d+: ", ": ", problem, count=1)
        excuse = next((e for e in excuses if plain.startswith(e)), None)
        used.add(excuse)
        if excuse is None:
            left.append(problem)
    return left + [f"known.txt: no longer needed: {e}" for e in excuses if e not in used]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check", choices=CHECKS + ("all",))
    parser.add_argument("--source", default=os.path.dirname(os.path.dirname(HERE)))
    parser.add_argument("--build", help="needed by symbols")
    args = parser.parse_args()
    tree = Tree(args.source, args.build)
    with open(os.path.join(HERE, "known.txt"), encoding="utf-8") as file:
        excuses = file.read()
    failed = 0
    for name in CHECKS if args.check == "all" else (args.check,):
        problems = list(importlib.import_module(name).check(tree))
        problems = excused(problems, known(excuses, name))
        for problem in problems:
            print(problem)
        print(f"tidy {name}: {len(problems)} problems")
        failed += len(problems)
    sys.exit(1 if failed > 0 else 0)


if __name__ == "__main__":
    main()
