"""peer.py - the same problems by other people's solvers: CVXOPT's cone programs, SciPy's HiGHS.

A problem becomes linear rows over u = (w, t, g), t >= |w - current| where trades cost or are
bounded, g >= |w| where the gross exposure is, and second order cones for tracking error and risk.
The best Sharpe ratio is that of the homogenised problem (Charnes and Cooper, Programming with
linear fractional functionals, Naval Res. Logist. Quart. 9, 1962), in which every side is multiplied
by one more variable.
"""
import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from cvxopt import matrix, solvers
from scipy.linalg import qr
from scipy.optimize import linprog

solvers.options.update(show_progress=False, abstol=1e-10, reltol=1e-10, feastol=1e-10,
                       maxiters=100)
HIGHS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class Rows:
    """a u <= b (elastic, but for those of t and g) and e u = f, each row scaled to a largest 1."""

    def __init__(self, p):
        n = p.n
        self.p = p
        self.trades = p.cost is not None or p.turnover_max is not None
        self.gross = p.gross_max is not None
        self.size = n * (1 + self.trades + self.gross)
        self.a, self.b, self.e, self.f, self.stiff = [], [], [], [], []
        eye = np.eye(n)
        for i in range(n):
            self.range(eye[i], p.lower[i], p.upper[i])
        if p.budget is not None:
            self.range(np.ones(n), p.budget, p.budget)
        for row, lo, hi in zip(p.rows, p.row_lo, p.row_hi):
            self.range(row, lo, hi)
        if p.target_return is not None:
            self.range(p.mean, p.target_return, np.inf)
        if p.turnover_max is not None:
            self.less(np.concatenate([np.zeros(n), np.ones(n)]), p.turnover_max)
        if self.trades:
            self.lengths(p.current, n)
        if self.gross:
            at = n * (1 + self.trades)
            self.less(np.concatenate([np.zeros(at), np.ones(n)]), p.gross_max)
            self.lengths(np.zeros(n), at)
        self.a, self.b = np.reshape(self.a, (-1, self.size)), np.array(self.b, float)
        self.e, self.f = np.reshape(self.e, (-1, self.size)), np.array(self.f, float)

    def wide(self, a):
        out = np.zeros(self.size)
        out[: len(a)] = a
        return out

    def lengths(self, start, at):
        """u[at : at + n] >= |w - start|."""
        for i in range(self.p.n):
            for sign in (1, -1):
                row = np.zeros(self.size)
                row[i], row[at + i] = sign, -1
                self.less(row, sign * start[i], stiff=True)

    def less(self, a, b, stiff=False):
        scale = np.abs(a).max() or 1
        self.a.append(self.wide(a) / scale)
        self.b.append(b / scale)
        self.stiff.append(stiff)

    def range(self, a, lo, hi):
        if lo == hi:
            scale = np.abs(a).max() or 1
            self.e.append(self.wide(a) / scale)
            self.f.append(lo / scale)
            return
        if np.isfinite(hi):
            self.less(a, hi)
        if np.isfinite(lo):
            self.less(-np.asarray(a), -lo)


def least_violation(rows):
    """The smallest sum by which the linear part is missed."""
    a, e = rows.a, rows.e
    soft = np.flatnonzero(~np.array(rows.stiff, bool))
    slack = np.zeros((len(a), len(soft)))
    slack[soft, np.arange(len(soft))] = -1
    left = np.hstack([a, slack, np.zeros((len(a), 2 * len(e)))])
    equal = np.hstack([e, np.zeros((len(e), len(soft))), np.eye(len(e)), -np.eye(len(e))])
    cost = np.concatenate([np.zeros(rows.size), np.ones(len(soft) + 2 * len(e))])
    bounds = [(None, None)] * rows.size + [(0, None)] * (len(soft) + 2 * len(e))
    out = linprog(cost, left, rows.b, equal if len(e) else None, rows.f if len(e) else None,
                  bounds, method="highs", options=HIGHS)
    return out.fun if out.status == 0 else None


def least_linear(rows, g):
    """min g'u over the linear part: value, or None where it has none."""
    scale = np.abs(g).max() or 1
    out = linprog(g / scale, rows.a, rows.b, rows.e if len(rows.e) else None,
                  rows.f if len(rows.f) else None, [(None, None)] * rows.size, method="highs",
                  options=HIGHS)
    return out.fun * scale if out.status == 0 else None


def goes_on_for_ever(rows, p, factor):
    """A direction of the set without risk along which the objective falls without end."""
    n, ones = p.n, [(-1, 1)] * rows.size
    flat = np.hstack([factor, np.zeros((len(factor), rows.size - n))])
    g = net_costs(rows, p)
    equal = np.vstack([rows.e, flat]) if p.risk_aversion != 0 else rows.e
    out = linprog(g / (np.abs(g).max() or 1), rows.a, np.zeros(len(rows.a)),
                  equal if len(equal) else None, np.zeros(len(equal)) if len(equal) else None, ones,
                  method="highs", options={**HIGHS, "primal_feasibility_tolerance": 1e-9})
    return out.status == 0 and out.fun < -1e-6


def net_costs(rows, p):
    """-net return as a function of u."""
    g = np.zeros(rows.size)
    g[: p.n] = -p.mean
    if p.cost is not None:
        g[p.n : 2 * p.n] = p.cost
    return g


def factor_of(s):
    """F with F'F = s, for cones."""
    values, vectors = np.linalg.eigh(s)
    keep = values > 1e-14 * values.max()
    return (vectors[:, keep] * np.sqrt(values[keep])).T


def independent(e, f):
    """Rows of full rank; a contradiction among the others is left to who asks for feasibility."""
    if len(e) == 0:
        return e, f
    _, r, order = qr(e.T, mode="economic", pivoting=True)
    rank = int((np.abs(np.diag(r)) > 1e-10 * abs(r[0, 0])).sum()) if r.size else 0
    return e[order[:rank]], f[order[:rank]]


def cone_program(quadratic, linear, rows, cones, sharpe=None):
    """min 1/2 u'Qu + l'u over the rows and |F w - g| <= r of each cone; `sharpe`, the row of
    -net return: over the homogenised set, with the excess return at least one. None: no answer."""
    a, b, e, f = rows.a, rows.b, rows.e, rows.f
    size = rows.size
    if sharpe is not None:
        a, e = np.hstack([a, -b[:, None]]), np.hstack([e, -f[:, None]])
        b, f = np.zeros(len(a) + 2), np.zeros(len(e))
        a = np.vstack([a, np.append(np.zeros(size), -1), sharpe])
        b[-1] = -1
        size += 1
    blocks, sides, dims = [a], [b], {"l": len(a), "q": [], "s": []}
    for factor, g, r in cones:
        block = np.zeros((1 + len(factor), size))
        block[1:, : factor.shape[1]] = -factor
        h = np.concatenate([[r], -g])
        if sharpe is not None:
            block[:, -1], h = -h, np.zeros(len(h))
        blocks.append(block)
        sides.append(h)
        dims["q"].append(len(h))
    e, f = independent(e, f)
    q = np.zeros((size, size))
    q[: quadratic.shape[0], : quadratic.shape[1]] = quadratic
    lin = np.zeros(size)
    lin[: len(linear)] = linear
    equal = (matrix(e), matrix(f)) if len(e) else (None, None)
    try:
        out = solvers.coneqp(matrix(q), matrix(lin), matrix(np.vstack(blocks)),
                             matrix(np.concatenate(sides)), dims, *equal)
    except (ValueError, ArithmeticError, ZeroDivisionError):
        return None
    if out["x"] is None:
        return None
    u = np.array(out["x"]).ravel()
    trusted = out["status"] == "optimal"
    if sharpe is not None:
        if u[-1] < 1e-9:
            return None
        u = u[:-1] / u[-1]
    return u, trusted


def solve(p, rows, factor):
    """Weights of the peer and whether it vouches for them; None: it has none."""
    unit = np.sqrt(np.mean(np.diag(p.s))) or 1
    s, f = p.s / unit**2, factor / unit
    cones = []
    if p.tracking_error_max is not None:
        cones.append((f, f @ p.benchmark, p.tracking_error_max / unit))
    net = net_costs(rows, p) / unit
    none, zero = np.zeros((0, 0)), np.zeros(0)
    if p.method == "target_risk":
        return cone_program(none, net, rows, cones + [(f, np.zeros(len(f)), p.target_risk / unit)])
    if p.method == "mean_variance":
        # in units in which the larger of the two terms is near 1
        scale = max(p.risk_aversion * unit, np.abs(net).max())
        return cone_program(s * p.risk_aversion * unit / scale, net / scale, rows, cones)
    if p.method == "max_sharpe":
        return cone_program(s, zero, rows, cones, np.append(net, p.risk_free / unit))
    return cone_program(s, zero, rows, cones)


def least_risk(p, rows, factor, around, with_cone):
    """The smallest sqrt((w - around)' S (w - around)) of the set; None where the peer has none."""
    unit = np.sqrt(np.mean(np.diag(p.s))) or 1
    f = factor / unit
    cones = [(f, f @ p.benchmark, p.tracking_error_max / unit)] if with_cone else []
    out = cone_program(f.T @ f, -f.T @ (f @ around), rows, cones)
    return None if out is None else float(np.linalg.norm(factor @ (out[0][: p.n] - around)))
