"""agree.py WORKBENCH [PROBLEMS [N_MAX [SEED]]] - Keel's optimizer against CVXOPT and HiGHS.

Random problems of five methods go through `keel-workbench --stream`, and through solvers that
share no code with it. A claim of Keel's is wrong, and this fails, where
  solved            a constraint is passed by more than 1e-9, or the numbers beside the weights are
                    not theirs, or the objective is worse than the peer's by more than 1e-7 of the
                    scale below and the linear programme at Keel's point agrees that it is, or the
                    linear part is missed by 1e-6 at the least
  infeasible        HiGHS meets the linear part, and CVXOPT finds room inside the cones
  unbounded, no_excess_return, no_risk    the linear programmes that say so do not
  anything else     said of these problems, all of which are convex
Scales: w'Sw for variances; risk for a return at a risk; risk aversion times w'Sw and the net
return for their difference; the ratio for the ratio. Exit 77 where a peer is not installed.
KEEL_LONG=1: 10,000 problems up to 300 names.
"""
import collections
import copy
import json
import os
import subprocess
import sys

try:
    import numpy as np
    import peer
except ImportError as error:
    print(f"skipped: {error}; install python3-cvxopt and python3-scipy")
    sys.exit(77)
import problems

SHORT, LONG = (400, 60), (10000, 300)
FEASIBLE, MUST_REFUSE, MUST_ANSWER = 1e-9, 1e-6, 1e-9
GAP = 1e-7
LIMITS_MAX = 0.005  # of problems that may end without a claim, and four more


def net(p, w):
    paid = p.cost @ np.abs(w - p.current) if p.cost is not None else 0
    return p.mean @ w - paid


def objective(p, w):
    """To be made small, and what a difference of it is measured in."""
    variance = max(w @ p.s @ w, 0)
    floor = 1e-6 * np.diag(p.s).max()
    risk = np.sqrt(max(variance, floor))
    if p.method == "mean_variance":
        worth = net(p, w)
        scale = p.risk_aversion * variance + abs(worth) + 1e-3 * risk
        return 0.5 * p.risk_aversion * variance - worth, scale
    if p.method == "target_risk":
        return -net(p, w), risk
    if p.method == "max_sharpe":
        ratio = (net(p, w) - p.risk_free) / np.sqrt(variance) if variance > 0 else np.inf
        return -ratio, max(abs(ratio), 1e-2)
    return 0.5 * variance, max(variance, floor)


def violation(p, w):
    """The largest, of rows over their largest coefficient, of cones over their size."""
    misses = [0, *(p.lower - w), *(w - p.upper)]
    if p.budget is not None:
        misses.append(abs(w.sum() - p.budget))
    for row, lo, hi in zip(p.rows, p.row_lo, p.row_hi):
        size = max(1, np.abs(row).max())
        misses += [(lo - row @ w) / size, (row @ w - hi) / size]
    if p.target_return is not None:
        misses.append((p.target_return - p.mean @ w) / max(np.abs(p.mean).max(), 1e-300))
    if p.gross_max is not None:
        misses.append(np.abs(w).sum() - p.gross_max)
    if p.turnover_max is not None:
        misses.append(np.abs(w - p.current).sum() - p.turnover_max)
    if p.tracking_error_max is not None:
        d = w - p.benchmark
        misses.append(np.sqrt(max(d @ p.s @ d, 0)) / p.tracking_error_max - 1)
    if p.target_risk is not None:
        misses.append(np.sqrt(max(w @ p.s @ w, 0)) / p.target_risk - 1)
    return max(misses)


def bound_of_gap(p, rows, w):
    """How much better any point of the set can be, at most: the tangent of the objective at w made
    small by HiGHS (Frank and Wolfe 1956). None where a cone, or no bound, is in the way."""
    if p.method == "target_risk" or p.tracking_error_max is not None:
        return None
    variance = w @ p.s @ w
    g, u = np.zeros(rows.size), np.zeros(rows.size)
    u[: p.n] = w
    if rows.trades:
        u[p.n : 2 * p.n] = np.abs(w - p.current)
    if rows.gross:
        u[-p.n :] = np.abs(w)
    if p.method == "max_sharpe":
        if variance <= 0:
            return None
        ratio = (net(p, w) - p.risk_free) / np.sqrt(variance)
        g = peer.net_costs(rows, p)
        g[: p.n] += ratio * (p.s @ w) / np.sqrt(variance)
        scale = np.sqrt(variance)
    elif p.method == "mean_variance":
        g = peer.net_costs(rows, p)
        g[: p.n] += p.risk_aversion * (p.s @ w)
        scale = 1
    else:
        g[: p.n] = p.s @ w
        scale = 1
    least = peer.least_linear(rows, g)
    return None if least is None else (g @ u - least) / scale


class Judge:
    def __init__(self):
        self.counts = collections.Counter()
        self.wrong = []
        self.worst = collections.defaultdict(float)

    def count(self, what, p=None):
        self.counts[what] += 1
        if p is not None:
            for kind in p.kinds:
                self.counts[f"  {kind}"] += 1

    def note(self, what, value):
        self.worst[what] = max(self.worst[what], value)

    def judge(self, p, answer):
        """None, or what is wrong with the answer."""
        outcome = answer["outcome"]
        self.count(f"{p.method} {outcome}", p)
        rows, factor = peer.Rows(p), peer.factor_of(p.s)
        missed = peer.least_violation(rows)
        if missed is None:
            self.count("HiGHS without an answer")
        if outcome == "solved":
            return self.judge_weights(p, rows, factor, missed, answer)
        return self.judge_outcome(p, rows, factor, missed, answer)


    def judge_outcome(self, p, rows, factor, missed, answer):
        outcome = answer["outcome"]
        if outcome == "infeasible":
            return self.judge_refusal(p, rows, factor, missed)
        if outcome == "iteration_limit":
            self.count("ended without a claim")
            return None
        if outcome == "unbounded":
            ok = peer.goes_on_for_ever(rows, p, factor)
            return None if ok else "unbounded: HiGHS finds no direction without end"
        if outcome == "no_excess_return":
            return self.judge_no_excess(p, rows)
        if outcome == "no_risk":
            return self.judge_no_risk(p, rows, factor)
        return f"said {outcome} of a convex problem: {answer['why_not']['text']}"

    def judge_weights(self, p, rows, factor, missed, answer):
        w = np.array([answer["weights"].get(f"A{i}", 0) for i in range(p.n)])
        passed = violation(p, w)
        self.note("violation of Keel's answers", passed)
        if passed > FEASIBLE:
            return f"solved: a constraint is passed by {passed:.3e}"
        if missed is not None and missed >= MUST_REFUSE:
            return f"solved: HiGHS misses the linear part by {missed:.3e} at the least"
        f, scale = objective(p, w)
        said = answer["objective"] * (-1 if p.method not in ("min_variance", "target_return")
                                      else 1)
        cancelled = np.abs(w) @ np.abs(p.s) @ np.abs(w)  # large long and short weights
        if abs(said - f) > 1e-9 * scale + 1e-14 * cancelled:
            return f"objective said {said!r}, of the weights {f!r}"
        other = peer.solve(p, rows, factor)
        if other is None:
            self.count("peer without an answer")
            return self.judge_alone(p, rows, w, scale)
        theirs, _ = objective(p, other[0][: p.n])
        gap = (f - theirs) / scale
        if gap <= GAP:
            self.note("gap of Keel above the peer", gap)
            if gap >= -GAP:
                self.count("agree to 1e-7")
                return None
            self.count("Keel the better by 1e-7")
            return self.judge_alone(p, rows, w, scale)
        return self.judge_peer(p, rows, w, scale, other, gap)

    def judge_alone(self, p, rows, w, scale):
        bound = bound_of_gap(p, rows, w)
        if bound is None:
            self.count("no tangent either: a cone")
            return None
        self.note("gap by HiGHS' tangent", bound / scale)
        return None if bound <= GAP * scale else f"solved: HiGHS improves by {bound / scale:.3e}"

    def judge_peer(self, p, rows, w, scale, other, gap):
        bound = bound_of_gap(p, rows, w)
        passed = violation(p, other[0][: p.n])
        if bound is not None and bound <= GAP * scale:
            self.count("peer outside or not exact, HiGHS' tangent sides with Keel")
            return None
        # what its tolerance lets it gain; it pays at most this much for standing outside
        if not other[1] or passed > 1e-8:
            self.count("not compared: the peer does not vouch for its answer")
            return None
        return f"solved: worse than CVXOPT by {gap:.3e}, whose answer passes by {passed:.1e}" + (
            "" if bound is None else f", than HiGHS' tangent by at most {bound / scale:.3e}")

    def judge_refusal(self, p, rows, factor, missed):
        if missed is None or missed > MUST_ANSWER:
            self.count("infeasible, HiGHS the same" if missed is not None else "infeasible alone")
            return None
        room = 0
        if p.tracking_error_max is not None:
            least = peer.least_risk(p, rows, factor, p.benchmark, False)
            room = max(room, np.inf if least is None else least / p.tracking_error_max - 1)
        if p.method == "target_risk" and room < MUST_REFUSE:
            cone = p.tracking_error_max is not None
            least = peer.least_risk(p, rows, factor, np.zeros(p.n), cone)
            room = max(room, np.inf if least is None else least / p.target_risk - 1)
        if room >= 1e-8:
            self.count("infeasible, CVXOPT's least risk the same")
            return None
        return f"infeasible: HiGHS meets the linear part within {missed:.1e}, cones have room"

    def judge_no_excess(self, p, rows):
        best = peer.least_linear(rows, peer.net_costs(rows, p))
        if best is None or -best - p.risk_free <= 1e-9 * np.abs(p.mean).max():
            return None
        if p.tracking_error_max is not None:
            factor = peer.factor_of(p.s)
            cone = (factor, factor @ p.benchmark, p.tracking_error_max)
            unit = np.abs(p.mean).max()
            out = peer.cone_program(np.zeros((0, 0)), peer.net_costs(rows, p) / unit, rows, [cone])
            if out is None or net(p, out[0][: p.n]) - p.risk_free <= 1e-7 * unit:
                return None
        return f"no_excess_return: HiGHS finds {-best!r} above {p.risk_free!r}"

    def judge_no_risk(self, p, rows, factor):
        flat = np.hstack([factor, np.zeros((len(factor), rows.size - p.n))])
        riskless = copy.copy(rows)
        riskless.e = np.vstack([rows.e, flat / np.abs(factor).max()])
        riskless.f = np.concatenate([rows.f, np.zeros(len(flat))])
        best = peer.least_linear(riskless, peer.net_costs(rows, p))
        if best is not None and -best > p.risk_free:
            return None
        return "no_risk: HiGHS finds no portfolio without risk that earns more"


def batches(total, n_max, seed):
    """Problems in the order of the stream; each third line is the one before, a bar later."""
    rng = np.random.default_rng(seed)
    p = None
    for k in range(total):
        if p is None or k % 3 != 2 or "short" in p.kinds:
            p = problems.draw(rng, n_max)
            name = f"p{k}"
        else:
            problems.moved(p, rng)
        yield name, p


def main():
    program = sys.argv[1]
    long = os.environ.get("KEEL_LONG") == "1"
    total, n_max = LONG if long else SHORT
    total = int(sys.argv[2]) if len(sys.argv) > 2 else total
    n_max = int(sys.argv[3]) if len(sys.argv) > 3 else n_max
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    print(f"{total} problems, up to {n_max} names, seed {seed}", flush=True)
    judge = Judge()
    with subprocess.Popen([program, "--stream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as keel:
        for k, (name, p) in enumerate(batches(total, n_max, seed)):
            text = json.dumps(p.as_json(name))
            print(text, file=keel.stdin, flush=True)
            wrong = judge.judge(p, json.loads(keel.stdout.readline()))
            if wrong:
                judge.wrong.append(k)
                print(f"WRONG problem {k}, {p.method}, n {p.n}, {sorted(p.kinds)}: {wrong}",
                      flush=True)
                keep(k, text)
    for what, count in sorted(judge.counts.items()):
        print(f"{count:7d} {what}")
    for what, value in sorted(judge.worst.items()):
        print(f"worst {what}: {value:.1e}")
    limits = judge.counts["ended without a claim"]
    if limits > 4 + LIMITS_MAX * total:
        print(f"{limits} problems ended without a claim, {4 + LIMITS_MAX * total:g} may")
    if judge.counts["agree to 1e-7"] < total // 3:
        print("fewer than a third were compared: the comparison is broken")
        sys.exit(1)
    print(f"{len(judge.wrong)} wrong claims")
    sys.exit(1 if judge.wrong or limits > 4 + LIMITS_MAX * total else 0)


def keep(k, text):
    """The problem, to be looked at: KEEL_PEERS_KEEP names a folder."""
    folder = os.environ.get("KEEL_PEERS_KEEP")
    if folder:
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/problem-{k}.json", "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
