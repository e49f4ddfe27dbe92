"""streams.py - one problem a bar: minimise 1/2 w'Sw - c'w, a w between rows' sides, w in a box."""
import numpy as np


class Stream:
    """Names with a market, ten sectors and own noise; EWMA covariance of decay 0.99, its
    off-diagonal shrunk by a tenth towards equal variances; budget, caps, bands of sectors. As
    tests/bench/bench_qp.c, from another generator of random numbers."""

    def __init__(self, n, seed, risk_aversion=0.0):
        self.n, self.rng, self.risk_aversion = n, np.random.default_rng(seed), risk_aversion
        self.sectors = 2 if n < 40 else 10
        rng = self.rng
        self.beta, self.load = 1 + 0.35 * rng.normal(size=n), 0.6 + 0.3 * rng.normal(size=n)
        self.own = np.exp(0.1 + 0.45 * rng.normal(size=n))
        self.upper, self.lower = np.full(n, min(0.4, max(0.02, 5 / n))), np.zeros(n)
        member = np.arange(n) % self.sectors
        self.a = np.vstack([np.ones(n), *(1.0 * (member == k) for k in range(self.sectors))])
        self.row_lo = np.array([1] + [0.5 / self.sectors] * self.sectors)
        self.row_hi = np.array([1] + [1.5 / self.sectors] * self.sectors)
        history = self.draw(750)
        self.moving = history.T @ history / 750
        self.mean = 0.03 * self.beta + 0.03 * rng.normal(size=n)
        self.c = np.zeros(n)
        self.move()

    def draw(self, rows):
        rng = self.rng
        market = 0.8 * rng.normal(size=(rows, 1))
        sector = np.tile(0.5 * rng.normal(size=(rows, self.sectors)),
                         (1, self.n // self.sectors + 1))[:, : self.n]
        return (self.beta * market + self.load * sector
                + self.own * rng.normal(size=(rows, self.n)))

    def move(self):
        row = self.draw(1)[0]
        self.moving = 0.99 * self.moving + 0.01 * np.outer(row, row)
        self.s = 0.9 * self.moving
        self.s[np.diag_indices(self.n)] += 0.1 * np.mean(np.diag(self.moving))
        self.mean = 0.98 * self.mean + 0.02 * 0.03 * self.beta + 0.004 * self.rng.normal(
            size=self.n)


class Relative(Stream):
    """minimise (w - b)'S(w - b): c = S b. b has names above the cap and sectors outside their
    bands, so that it is not the answer; most names are free."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed + 1)
        sectors = np.tile(np.exp(0.35 * rng.normal(size=10)), n // 10)
        b = np.exp(0.8 * rng.normal(size=n)) * sectors
        self.benchmark = b / b.sum()
        super().__init__(n, seed)

    def move(self):
        super().move()
        self.c = self.s @ self.benchmark


class Short(Stream):
    """The sample covariance of the last 250 rows of 500 names: singular."""

    ROWS = 250

    def move(self):
        if not hasattr(self, "window"):
            self.window = self.draw(self.ROWS)
        self.window = np.vstack([self.window[1:], self.draw(1)])
        self.s = np.cov(self.window.T)


class Utility(Stream):
    """minimise risk_aversion / 2 w'Sw - mean'w."""

    def move(self):
        super().move()
        self.c = self.mean / self.risk_aversion


class Sharpe(Stream):
    """The largest mean'w / sqrt(w'Sw), for quadratic solvers by y = k w: minimise 1/2 y'Sy with
    mean'y = 1 and every side multiplied by k = sum y. `homogenised` has those rows."""

    def homogenised(self):
        n, ones = self.n, np.ones(self.n)
        rows = [self.mean]
        lo, hi = [1.0], [1.0]
        for i in range(n):  # y_i <= upper_i sum y
            rows.append((np.arange(n) == i) - self.upper[i] * ones)
            lo.append(-np.inf)
            hi.append(0.0)
        for a, low, high in zip(self.a[1:], self.row_lo[1:], self.row_hi[1:]):
            rows += [a - low * ones, a - high * ones]
            lo += [0.0, -np.inf]
            hi += [np.inf, 0.0]
        return np.array(rows), np.array(lo), np.array(hi)
