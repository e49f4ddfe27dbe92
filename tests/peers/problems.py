"""problems.py - random portfolio problems: as JSON of keel optimize, and as plain arrays.

Each problem is held twice from its birth, so that nothing read back from the JSON enters the
comparison. Infeasible ones are made on purpose, some of them by a millionth only.
"""
import numpy as np

METHODS = ["min_variance", "mean_variance", "target_return", "target_risk", "max_sharpe"]
MISSES = [1e-6, 1e-5, 1e-3, 0.1]


class Problem:
    """Arrays; None where a part is absent; bounds of -inf and inf are none."""

    def __init__(self, method, n):
        self.method, self.n = method, n
        self.covariance_fields = {}
        self.mean = self.cost = self.benchmark = None
        self.gross_max = self.turnover_max = self.tracking_error_max = None
        self.budget = 1.0
        self.lower, self.upper = np.zeros(n), np.ones(n)
        self.current = np.zeros(n)
        self.rows, self.row_lo, self.row_hi = np.zeros((0, n)), np.zeros(0), np.zeros(0)
        self.groups = {}
        self.texts = []
        self.target_return = self.target_risk = self.risk_aversion = None
        self.risk_free = 0.0
        self.kinds = set()

    def add_row(self, a, lo, hi):
        self.rows = np.vstack([self.rows, a])
        self.row_lo, self.row_hi = np.append(self.row_lo, lo), np.append(self.row_hi, hi)

    def add_group(self, members, lo, hi):
        self.groups[f"G{len(self.groups)}"] = (sorted(members), lo, hi)
        self.add_row(np.isin(np.arange(self.n), members).astype(float), lo, hi)

    def add_text(self, terms, lo, hi):
        """terms: {asset: coefficient}"""
        a = np.zeros(self.n)
        for i, coefficient in terms.items():
            a[i] = coefficient
        left = " + ".join(f"{repr(float(c))}*A{i}" if c != 1 else f"A{i}"
                          for i, c in terms.items()).replace("+ -", "- ")
        if lo == hi:
            self.texts.append(f"{left} = {lo!r}")
        elif np.isinf(hi):
            self.texts.append(f"{left} >= {lo!r}")
        elif np.isinf(lo):
            self.texts.append(f"{left} <= {hi!r}")
        else:
            self.texts.append(f"{lo!r} <= {left} <= {hi!r}")
        self.add_row(a, lo, hi)

    def as_json(self, name):
        out = {"id": name, "assets": [f"A{i}" for i in range(self.n)], "method": self.method,
               "lower": side(self.lower), "upper": side(self.upper), "budget": self.budget,
               "current": self.current.tolist(), "risk_free": self.risk_free,
               **self.covariance_fields}
        optional = {"gross_max": self.gross_max, "turnover_max": self.turnover_max,
                    "target_return": self.target_return,
                    "target_risk": self.target_risk, "risk_aversion": self.risk_aversion,
                    "tracking_error_max": self.tracking_error_max}
        arrays = {"mean": self.mean, "benchmark": self.benchmark}
        out.update({k: v for k, v in optional.items() if v is not None})
        out.update({k: v.tolist() for k, v in arrays.items() if v is not None})
        if self.cost is not None:
            out["cost_bps"] = self.cost_bps.tolist()
        if self.groups:
            out["groups"] = {g: [f"A{i}" for i in m] for g, (m, _, _) in self.groups.items()}
            out["group_bounds"] = {g: side([lo, hi]) for g, (_, lo, hi) in self.groups.items()}
        if self.texts:
            out["constraints"] = self.texts
        return out


def side(values):
    return [float(v) if np.isfinite(v) else None for v in values]


def draw_market(p, rng):
    """Factors and own variances; or singular: fewer rows or factors than assets, or assets that
    are there twice."""
    n, scale = p.n, 10 ** rng.uniform(-3.5, -1)
    b = scale * rng.normal(size=(n, rng.integers(1, 6)))
    own = scale**2 * rng.uniform(0.05, 2, n)
    p.mean = scale * rng.normal(0.03, 0.1, n)
    if "round" in p.kinds:  # as people write them: ties, and answers at corners
        b, own = 0.01 * np.round(rng.normal(size=b.shape), 1), 1e-4 * np.round(10 * own / scale**2)
        p.mean = 1e-4 * np.round(rng.normal(3, 10, n))
    kind = rng.choice(["full", "factors", "short", "twice", "thin"], p=[0.4, 0.1, 0.2, 0.15, 0.15])
    if kind == "twice":
        for i in rng.choice(n, max(1, n // 4), replace=False):
            j = rng.integers(n)
            b[i], own[i], p.mean[i] = b[j], own[j], p.mean[j]
            if i != j:
                p.kinds.add("twice")
    p.s = b @ b.T + np.diag(own)
    if kind == "twice":
        same = (b[:, None, :] == b[None, :, :]).all(axis=2) & (own[:, None] == own[None, :])
        p.s = b @ b.T + np.where(same, own[:, None], 0)
    if kind == "thin":
        p.s = b @ b.T
        p.s = (p.s + p.s.T) / 2
    if kind == "factors":
        p.covariance_fields = {"factors": {"loadings": b.tolist(), "idiosyncratic": own.tolist()}}
    elif kind == "short":
        rows = rng.normal(size=(max(2, n // 2), b.shape[1])) @ b.T
        rows += np.sqrt(own) * rng.normal(size=rows.shape)
        p.s = np.atleast_2d(np.cov(rows.T))
        p.covariance_fields = {"returns": rows.tolist()}
    else:
        p.covariance_fields = {"covariance": p.s.tolist()}
    p.kinds.add(kind)


def draw_held(p, rng):
    other, far = rng.dirichlet(np.ones(p.n)), rng.choice([0, 0.1, 0.3, 1])
    p.current = far * other + (1 - far) * p.inside
    if rng.random() < 0.4:
        p.cost_bps = np.where(rng.random(p.n) < 0.3, 0, rng.uniform(0, 30, p.n))
        p.cost = p.cost_bps / 1e4
        p.kinds.add("cost")
    if rng.random() < 0.25:
        p.turnover_max = float(rng.choice([rng.uniform(0.05, 1), rng.uniform(0.2, 0.6)]))
        p.kinds.add("turnover")
    if "round" in p.kinds:
        p.current = np.round(p.current, 1)
        p.turnover_max = p.turnover_max and float(max(0.1, np.round(p.turnover_max, 1)))


def draw_bounds(p, rng):
    n = p.n
    p.upper = np.minimum(1, rng.uniform(1.2, 5, n) / n) if rng.random() < 0.7 else np.ones(n)
    p.lower = np.where(rng.random(n) < 0.2, -0.2, 0.0)
    if rng.random() < 0.1:
        p.upper = np.full(n, 1 / n)  # caps that divide the budget
        p.lower = np.zeros(n)
        p.kinds.add("caps")
    elif rng.random() < 0.15:
        p.upper = np.where(rng.random(n) < 0.5, np.inf, p.upper)
        p.lower = np.where(rng.random(n) < 0.3, -np.inf, p.lower)
        p.kinds.add("free")
    elif rng.random() < 0.1:
        p.lower = np.where(rng.random(n) < 0.2, p.upper, p.lower)
        p.upper = p.upper * max(1, 1.2 * np.maximum(p.lower, 0).sum())
        p.kinds.add("fixed")
    if rng.random() < 0.1:
        p.budget = None
        p.kinds.add("no budget")
    if rng.random() < 0.2:
        p.lower = np.where(rng.random(n) < 0.6, np.minimum(p.lower, -0.3), p.lower)
        p.gross_max = float(np.round(rng.uniform(1, 2), 1))
        p.kinds.add("gross")


def draw_rows(p, rng):
    """Around a point of the box: bands that hold there. Then rows that say nothing new."""
    n = p.n
    lower, upper = np.maximum(p.lower, -1), np.minimum(p.upper, 2)
    inside = lower + (upper - lower) * rng.random(n)
    if "caps" in p.kinds:
        inside = upper
    elif p.budget is not None and lower.sum() < 1 < upper.sum():
        far = lower if inside.sum() > 1 else upper
        inside += (1 - inside.sum()) / (far.sum() - inside.sum()) * (far - inside)
    p.inside = inside
    if n >= 4 and rng.random() < 0.5:
        sectors = rng.integers(2, min(10, n // 2) + 1)
        for k in range(sectors):
            members = np.arange(k, n, sectors)
            at = inside[members].sum()
            p.add_group(members, float(at - rng.uniform(0, 0.1)), float(at + rng.uniform(0, 0.1)))
        p.kinds.add("sectors")
    for _ in range(rng.integers(0, 4) if n > 2 else 0):
        chosen = rng.choice(n, rng.integers(1, min(n, 6)), replace=False)
        terms = {int(i): float(rng.choice([1, 1, -1, 0.5, 2])) for i in chosen}
        at = float(sum(c * inside[i] for i, c in terms.items()))
        lo, hi = [(at, at), (-np.inf, at), (at, np.inf), (at - 0.05, at + 0.05)][rng.integers(4)]
        p.add_text(terms, lo, hi)
        p.kinds.add("rows")
        if rng.random() < 0.3:
            p.add_text({i: 2 * c for i, c in terms.items()}, 2 * lo, 2 * hi)
            p.kinds.add("rows twice")


def draw_method(p, rng):
    risk = float(np.sqrt(np.mean(np.diag(p.s))))
    if p.method == "target_return":
        p.target_return = float(rng.choice([p.mean @ p.inside, np.quantile(p.mean, 0.6)]))
    elif p.method == "target_risk":
        p.target_risk = risk * float(10 ** rng.uniform(-0.5, 0.3))
    elif p.method == "mean_variance":
        p.risk_aversion = float(10 ** rng.uniform(-1, 1) * 0.1 / risk) if rng.random() < 0.9 else 0
    elif p.method == "max_sharpe":
        p.risk_free = float(rng.choice([0, 0.01 * risk]))
        p.lower, p.upper = np.maximum(p.lower, -1), np.minimum(p.upper, 2)
    if rng.random() < 0.25:
        p.benchmark = np.full(p.n, 1 / p.n) if rng.random() < 0.5 else np.maximum(p.inside, 0)
        p.tracking_error_max = risk * float(rng.uniform(0.2, 1.2))
        p.kinds.add("tracking")


def spoil(p, rng):
    """No answer any more, by a known miss; where the way chosen does not apply, left as it is."""
    miss, way = float(rng.choice(MISSES)), rng.integers(3)
    if way == 0 and p.budget is not None:
        p.lower = np.where(np.isfinite(p.lower), p.lower, 0)
        p.upper = np.maximum(p.lower, np.full(p.n, (1 - miss) / p.n))
    elif way == 1 and p.n > 2:
        members = np.arange(0, p.n, 2)
        p.add_group(members, 0.3 + miss, 0.6)
        p.add_text({int(i): 1 for i in members}, -np.inf, 0.3)
    elif way == 2 and p.method == "target_return":
        p.lower, p.upper, p.budget = np.zeros(p.n), np.ones(p.n), 1.0
        p.target_return = float(p.mean.max() + miss * np.abs(p.mean).max())
    else:
        return
    p.kinds.add(f"missed by {miss:g}")


def moved(p, rng):
    """The same problem a bar later: other means and covariance, the rest as it was. It shares the
    id, so the solver is warm."""
    same = np.array([np.argmax((p.s == line).all(axis=1)) for line in p.s])  # twins stay twins
    row = (rng.normal(size=p.n) * np.sqrt(np.diag(p.s)))[same]
    p.s = 0.97 * p.s + 0.03 * np.outer(row, row)
    p.covariance_fields = {"covariance": p.s.tolist()}
    p.mean = p.mean + 0.1 * np.abs(p.mean).mean() * rng.normal(size=p.n)[same]
    if p.target_return is not None:
        p.target_return = float(p.mean @ p.inside)
    p.kinds.discard("factors")
    p.kinds.add("warm")


def draw(rng, n_max):
    n = int(rng.integers(2, min(60, n_max) + 1))
    if n_max > 60 and rng.random() < 0.05:
        n = int(rng.integers(60, n_max + 1))
    small = rng.random() < 0.2
    p = Problem(METHODS[rng.integers(len(METHODS))], int(rng.integers(2, 9)) if small else n)
    if small:
        p.kinds.add("round")
    draw_market(p, rng)
    draw_bounds(p, rng)
    draw_rows(p, rng)
    draw_held(p, rng)
    draw_method(p, rng)
    if rng.random() < 0.1:
        spoil(p, rng)
    return p
