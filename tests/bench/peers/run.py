#!/usr/bin/env python3
"""run.py [--install] [--rows M1,M1d,M2,small,short,e2e] [--bars N] [--build DIR] [--table FILE]

Keel's optimizer beside packaged solvers, in one process, bar by bar in turn, on one core and one
BLAS thread: JSON lines on stdout, a table in FILE (without it on stderr). --install makes a virtual
environment in build/peers and installs the peers there; what does not install is left out, by
name. Exit 1 where Keel is less accurate than a peer that it is faster than.

Keel is called through ctypes from build/bench/tests/libkeel_peers.so:
  cmake --preset release -DKEEL_TESTS=ON -B build/bench && ninja -C build/bench keel_peers keel
"""
import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(f"{HERE}/../../..")
VENV = f"{ROOT}/build/peers"
PACKAGES = ["numpy", "scipy", "daqp", "piqp", "proxsuite", "osqp", "clarabel", "highspy",
            "quadprog", "cvxopt", "pandas", "PyPortfolioOpt"]
THREADS = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
SLOW_MS = 20  # a peer whose first bars take longer has every fourth bar only
FLOOR = 1e-12  # accuracy below this is rounding, on either side


def install():
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    left_out = []
    for package in PACKAGES:
        done = subprocess.run([f"{VENV}/bin/pip", "install", "-q", "--disable-pip-version-check",
                               "--prefer-binary", package], check=False)
        if done.returncode != 0:
            left_out.append(package)
    if left_out:
        print(f"run.py: not installed, left out: {', '.join(left_out)}", file=sys.stderr)


def prepare(arguments):
    """In the environment of the peers, with one thread, before anything loads a BLAS."""
    if arguments.install:
        install()
    python = f"{VENV}/bin/python"
    if os.path.exists(python) and os.path.realpath(sys.prefix) != os.path.realpath(VENV):
        kept = [a for a in sys.argv[1:] if a != "--install"]
        environment = {**os.environ, **{name: "1" for name in THREADS}}
        os.execve(python, [python, "-B", __file__, *kept], environment)
    for name in THREADS:
        os.environ[name] = "1"
    sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries of C print is not among the results
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def read_arguments():
    parser = argparse.ArgumentParser(description="Keel's optimizer beside packaged solvers")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--rows", default="M1,M1d,M2,small,short,e2e")
    parser.add_argument("--bars", type=int, default=100)
    parser.add_argument("--build", default=f"{ROOT}/build/bench")
    parser.add_argument("--table")
    return parser.parse_args()


ARGUMENTS = read_arguments() if __name__ == "__main__" else None
if ARGUMENTS:
    prepare(ARGUMENTS)
sys.path.insert(0, HERE)

import numpy as np

import end_to_end
import keel
import solvers
import streams


class Side:
    """What one solver did over the bars."""

    def __init__(self, name, solver):
        self.name, self.solver = name, solver
        self.us, self.gap, self.violation, self.tangent = [], 0.0, 0.0, 0.0
        self.residual = 0.0  # what Keel says of its own answers
        self.failed = self.asked = 0

    def slow(self):
        return len(self.us) >= 2 and min(self.us) > 1e3 * SLOW_MS

    def run(self, timed):
        self.solver.take()
        begun = time.perf_counter_ns()
        self.solver.solve()
        took = 1e-3 * (time.perf_counter_ns() - begun)
        if timed:
            self.asked += 1
            self.us.append(took)
            if isinstance(self.solver, keel.Qp):
                self.residual = max(self.residual, self.solver.residual())
        return self.solver.weights()


def violation(s, w):
    value = s.a @ w
    return max(0.0, (s.lower - w).max(), (w - s.upper).max(), (s.row_lo - value).max(),
               (value - s.row_hi).max())


def tangent_bound(s, w, y):
    """min over the set of gradient(w)'u is at least this, for any row multipliers y."""
    g = s.s @ w - s.c
    d = g + s.a.T @ y
    return g, np.minimum(d * s.lower, d * s.upper).sum() - np.maximum(y * s.row_lo,
                                                                    y * s.row_hi).sum()


def judge_quadratic(s, side, w, y, best):
    """Gaps over the portfolio's variance. `best`: a lower bound of the objective, proved by Keel's
    multipliers. The tangent's gap is of first order in the distance from the optimum: the residual
    of stationarity and complementarity, the same measure for all."""
    risk = w @ s.s @ w if not isinstance(s, streams.Relative) else (
        (w - s.benchmark) @ s.s @ (w - s.benchmark))
    g, least = tangent_bound(s, w, y)
    side.gap = max(side.gap, abs(0.5 * w @ s.s @ w - s.c @ w - best) / risk)
    side.tangent = max(side.tangent, abs(g @ w - least) / risk)
    side.violation = max(side.violation, violation(s, w))


def judge_bar(stream, sides, found, reference):
    own = found[0]
    if own is None:
        raise SystemExit("Keel did not solve a bar")
    if isinstance(stream, streams.Sharpe):
        ratio = {i: stream.mean @ w / np.sqrt(w @ stream.s @ w) for i, w in found.items()
                 if w is not None}
        best = max(v for i, v in ratio.items() if violation(stream, found[i]) <= 1e-14)
        for i, value in ratio.items():
            side = sides[i]
            side.gap = max(side.gap, abs(best - value) / abs(best))
            side.violation = max(side.violation, violation(stream, found[i]))
            side.tangent = float("nan")
    else:
        reference.take()
        reference.solve()
        w, y = reference.weights(), reference.row_multipliers()
        g, least = tangent_bound(stream, w, y)
        best = 0.5 * w @ stream.s @ w - stream.c @ w - (g @ w - least)
        for i, w in found.items():
            if w is not None:
                judge_quadratic(stream, sides[i], w, y, best)
    for i, w in found.items():
        sides[i].failed += w is None


def measure(row, library, stream, own, warm, bars, block=1):
    """Each side has a block of bars in turn; of one bar unless a solve is so short that what ran
    before it would be most of its time."""
    sides = [Side("Keel", own)]
    for peer in solvers.ALL:
        try:
            sides.append(Side(peer.name, peer(stream, warm)))
        except ImportError as error:
            print(f"run.py: {peer.name} left out: {error}", file=sys.stderr)
    reference = keel.Qp(library, stream, False, True)
    for first in range(-block, bars, block):
        states = []
        for _ in range(block):
            stream.move()
            states.append(dict(s=stream.s, c=stream.c, mean=stream.mean))
        found = [{} for _ in states]
        for i, side in enumerate(sides):
            if first // block % 4 != 0 and side.slow():
                continue
            for state, weights in zip(states, found):
                vars(stream).update(state)
                weights[i] = side.run(first >= 0)
        for state, weights in zip(states, found):
            vars(stream).update(state)
            if first >= 0:
                judge_bar(stream, sides, weights, reference)
    return report(row, sides)


def report(row, sides):
    own = sides[0]
    lines = []
    for side in sides:
        line = {"bench": "peers", "row": row, "solver": side.name, "bars": side.asked,
                "failed": side.failed, "p50_us": float(np.median(side.us)),
                "p99_us": float(np.quantile(side.us, 0.99)),
                "gap": side.gap, "violation": side.violation, "tangent": side.tangent}
        line["ratio"] = line["p50_us"] / np.median(own.us)
        line["verdict"] = verdict(own, side)
        if side is own and isinstance(side.solver, keel.Qp):
            line["residual"] = side.residual
        lines.append(line)
        print(json.dumps(line), flush=True)
    return lines


def verdict(own, side):
    if side is own:
        return "FAIL" if side.failed else ""
    if side.failed == side.asked:
        return "no answer"
    if np.median(own.us) < np.median(side.us) and (
            own.gap > max(side.gap, FLOOR) or own.violation > max(side.violation, FLOOR)):
        return "FAIL"
    worse = side.failed or side.gap > 1e-9 or side.violation > 1e-8
    return "less accurate" if worse else ""


def rows_of(library, wanted, bars):
    def qp(name, stream, warm, semidefinite=False, times=1, block=1):
        own = keel.Qp(library, stream, warm, semidefinite)
        return measure(name, library, stream, own, warm, times * bars, block)

    def small(kind, method, aversion):
        s = kind(10, 6, aversion)
        own = keel.Solver(library, s, method, True)
        return measure(f"10, {method}, whole answer, warm", library, s, own, True, 5 * bars, 50)

    if "M1" in wanted:
        yield qp("M1 500, warm", streams.Stream(500, 1), True)
    if "M1d" in wanted:
        yield qp("M1d 500, benchmark-relative, warm", streams.Relative(500, 2), True)
    if "M2" in wanted:
        yield qp("M2 500, cold", streams.Stream(500, 3), False)
    if "short" in wanted:
        yield qp("T<N 500, 250 rows, warm", streams.Short(500, 4), True, True)
    if "small" in wanted:
        yield qp("10, min variance, QP, warm", streams.Stream(10, 5), True, times=5, block=50)
        yield qp("10, min variance, QP, cold", streams.Stream(10, 5), False, times=5, block=50)
        utility = streams.Utility(10, 6, 0.1)
        yield qp("10, mean variance, QP, warm", utility, True, times=5, block=50)
        yield small(streams.Stream, "min_variance", 0)
        yield small(streams.Utility, "mean_variance", 0.1)
        yield small(streams.Sharpe, "max_sharpe", 0)


def table(groups):
    out = ["| row | solver | bars | p50 us | p99 us | x Keel | gap | violation | tangent | |",
           "|---|---|---|---|---|---|---|---|---|---|"]
    for line in (line for group in groups for line in group):
        out.append(f"| {line['row']} | {line['solver']} | {line['bars']} | {line['p50_us']:.1f} | "
                   f"{line['p99_us']:.1f} | {line['ratio']:.1f} | {line['gap']:.0e} | "
                   f"{line['violation']:.0e} | {line['tangent']:.0e} | {line['verdict']}"
                   f"{', unsolved ' + str(line['failed']) if line['failed'] else ''} |")
    return "\n".join(out) + "\n"


def main():
    arguments = ARGUMENTS
    wanted = set(arguments.rows.split(","))
    library = keel.Library(f"{arguments.build}/tests/libkeel_peers.so")
    load = ", ".join(f"{v:.2f}" for v in os.getloadavg())
    machine = {"bench": "peers", "kernels": library.core(), "load": load,
               "core": min(os.sched_getaffinity(0)),
               "ctypes_call_us": 1e-3 * library.call_ns(time.perf_counter_ns)}
    print(json.dumps(machine), flush=True)
    groups = list(rows_of(library, wanted, arguments.bars))
    text = table(groups)
    if "e2e" in wanted:
        text += "\n" + end_to_end.run(f"{arguments.build}/bin", sys.executable)
    if arguments.table:
        with open(arguments.table, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stderr.write(text)
    failed = [line for group in groups for line in group if line["verdict"] == "FAIL"]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
