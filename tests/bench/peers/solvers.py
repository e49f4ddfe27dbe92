"""solvers.py - other people's solvers on one stream: take() hands over a bar, solve() is timed.

What a caller must do at each bar because the covariance moved belongs to solve(): a new factor, a
new setup where the update is not exact. What is only format (sparse copies, stacking of rows) is
done in take(). Tolerances are the tightest that end. Each peer is optional.
"""
import importlib

import numpy as np


class Peer:
    needs = ()

    def __init__(self, stream, warm):
        self.stream, self.warm, self.x = stream, warm, None
        for name in self.needs:
            setattr(self, name.split(".")[-1], importlib.import_module(name))
        self.start()

    def start(self):
        pass

    def rows(self):
        """Rows and sides, box apart; of the homogenised problem where the stream has one."""
        s = self.stream
        if hasattr(s, "homogenised"):
            return *s.homogenised(), np.zeros(s.n), np.full(s.n, 1e30)
        return s.a, s.row_lo, s.row_hi, s.lower, s.upper

    def split(self):
        """Equalities e w = f, the rest of the rows."""
        a, lo, hi, lower, upper = self.rows()
        same = lo == hi
        return a[same], lo[same], a[~same], lo[~same], hi[~same], lower, upper

    def take(self):
        self.p, self.q = np.array(self.stream.s, order="F"), -self.stream.c

    def weights(self):
        if self.x is None or not np.all(np.isfinite(self.x)):
            return None
        x = np.array(self.x, float).ravel()[: self.stream.n]  # a copy: some hand out a view
        return x / x.sum() if hasattr(self.stream, "homogenised") else x


class Daqp(Peer):
    name, needs = "DAQP", ("daqp",)

    def start(self):
        self.model = None

    def take(self):
        self.p, self.q = np.ascontiguousarray(self.stream.s), np.array(-self.stream.c)
        a, lo, hi, lower, upper = self.rows()
        self.a = np.ascontiguousarray(a)
        self.up = np.concatenate([np.minimum(upper, 1e30), np.minimum(hi, 1e30)])
        self.low = np.concatenate([lower, np.maximum(lo, -1e30)])
        self.sense = np.concatenate([np.zeros(len(lower)), np.where(lo == hi, 5, 0)]).astype(
            np.int32)

    def solve(self):
        if self.warm and self.model is not None:
            if hasattr(self.stream, "homogenised"):
                flag = self.model.update(self.p, self.q, self.a, self.up, self.low)
            else:
                flag = self.model.update(H=self.p, f=self.q)
        else:
            self.model = self.daqp.Model()
            self.model.settings = {"primal_tol": 1e-10, "dual_tol": 1e-12}
            flag = self.model.setup(self.p, self.q, self.a, self.up, self.low, self.sense)
            flag = flag[0] if isinstance(flag, tuple) else flag
        out = self.model.solve() if flag >= 0 else (None, None, flag)
        self.x = out[0] if out[2] > 0 else None
        if self.x is None:
            self.model = None


class Piqp(Peer):
    """Warm: the same workspace with its scaling kept, which is its fastest; a bar that this does
    not solve is set up again, within the time. It has no warm start."""

    name, needs, epsilon = "PIQP 1e-12", ("piqp",), 1e-12

    def start(self):
        self.solver = None

    def take(self):
        super().take()
        e, f, g, lo, hi, lower, upper = self.split()
        self.data = (self.p, self.q, np.asfortranarray(e), f, np.asfortranarray(g),
                     np.maximum(lo, -1e30), np.minimum(hi, 1e30), lower, upper)

    def set_up(self):
        self.solver = self.piqp.DenseSolver()
        settings = self.solver.settings
        settings.eps_abs, settings.eps_rel = self.epsilon, 0
        settings.eps_duality_gap_abs, settings.eps_duality_gap_rel = self.epsilon, 0
        settings.preconditioner_reuse_on_update = True
        self.solver.setup(*self.data)
        return self.solver.solve()

    def solve(self):
        status = None
        if self.solver is not None and self.warm:
            if hasattr(self.stream, "homogenised"):
                self.solver.update(*self.data)
            else:
                self.solver.update(P=self.p, c=self.q)
            status = self.solver.solve()
        if status != self.piqp.PIQP_SOLVED:
            status = self.set_up()
        self.x = self.solver.result.x if status == self.piqp.PIQP_SOLVED else None


class PiqpLoose(Piqp):
    name, epsilon = "PIQP 1e-8", 1e-8


class Proxqp(Peer):
    name, needs = "ProxQP 1e-9", ("proxsuite",)

    def start(self):
        self.qp = None

    def take(self):
        super().take()
        e, f, g, lo, hi, lower, upper = self.split()
        g = np.vstack([g, np.eye(len(lower))])
        self.data = (self.p, self.q, e, f, g, np.concatenate([np.maximum(lo, -1e20), lower]),
                     np.concatenate([np.minimum(hi, 1e20), np.minimum(upper, 1e20)]))

    def solve(self):
        if self.qp is None or not self.warm:
            p, _, e, _, g, _, _ = self.data
            dense = self.proxsuite.proxqp.dense
            self.qp = dense.QP(len(p), len(e), len(g))
            self.qp.settings.eps_abs, self.qp.settings.eps_rel = 1e-9, 0
            if self.warm:
                self.qp.settings.initial_guess = (
                    self.proxsuite.proxqp.InitialGuess.WARM_START_WITH_PREVIOUS_RESULT)
            self.qp.init(*self.data)
        elif hasattr(self.stream, "homogenised"):
            self.qp.update(*self.data)
        else:
            self.qp.update(H=self.p, g=self.q)
        self.qp.solve()
        done = self.qp.results.info.status == self.proxsuite.proxqp.PROXQP_SOLVED
        self.x = self.qp.results.x if done else None


class Osqp(Peer):
    name, needs = "OSQP 1e-6", ("osqp", "scipy.sparse")

    def start(self):
        self.solver = None

    def take(self):
        a, lo, hi, lower, upper = self.rows()
        n = len(lower)
        self.p = self.sparse.csc_matrix(np.triu(self.stream.s))
        self.q = -self.stream.c
        self.a = self.sparse.csc_matrix(np.vstack([a, np.eye(n)]))
        self.low, self.up = np.concatenate([lo, lower]), np.concatenate([hi, upper])

    def solve(self):
        if self.solver is not None and self.warm and not hasattr(self.stream, "homogenised"):
            self.solver.update(Px=self.p.data, q=self.q)
        else:
            self.solver = self.osqp.OSQP()
            self.solver.setup(self.p, self.q, self.a, self.low, self.up, verbose=False,
                              eps_abs=1e-6, eps_rel=1e-6, max_iter=100000)
        out = self.solver.solve()
        self.x = out.x if out.info.status == "solved" else None


class Clarabel(Peer):
    name, needs = "Clarabel", ("clarabel", "scipy.sparse")

    def take(self):
        a, lo, hi, lower, upper = self.rows()
        same, eye = lo == hi, np.eye(len(lower))
        up, low = np.isfinite(hi) & ~same, np.isfinite(lo) & ~same
        box = upper < 1e20
        self.p, self.q = self.sparse.csc_matrix(np.triu(self.stream.s)), -self.stream.c
        self.g = self.sparse.csc_matrix(np.vstack([a[same], a[up], -a[low], eye[box], -eye]))
        self.h = np.concatenate([lo[same], hi[up], -lo[low], upper[box], -lower])
        self.equalities = int(same.sum())

    def solve(self):
        c = self.clarabel
        settings = c.DefaultSettings()
        settings.verbose = False
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
        cones = [c.ZeroConeT(self.equalities),
                 c.NonnegativeConeT(len(self.h) - self.equalities)]
        out = c.DefaultSolver(self.p, self.q, self.g, self.h, cones, settings).solve()
        self.x = out.x if str(out.status) == "Solved" else None


class Cvxopt(Peer):
    name, needs = "cvxopt", ("cvxopt",)

    def take(self):
        matrix = self.cvxopt.matrix
        e, f, g, lo, hi, lower, upper = self.split()
        up, low, box, eye = np.isfinite(hi), np.isfinite(lo), upper < 1e20, np.eye(len(lower))
        left = np.vstack([g[up], -g[low], eye[box], -eye])
        right = np.concatenate([hi[up], -lo[low], upper[box], -lower])
        self.data = (matrix(self.stream.s), matrix(-self.stream.c), matrix(left), matrix(right),
                     matrix(e), matrix(f))

    def solve(self):
        out = self.cvxopt.solvers.qp(*self.data, options={
            "show_progress": False, "abstol": 1e-10, "reltol": 1e-10, "feastol": 1e-10})
        self.x = np.array(out["x"]).ravel() if out["status"] == "optimal" else None


class Highs(Peer):
    name, needs = "HiGHS QP", ("highspy", "scipy.sparse")

    def take(self):
        a, lo, hi, lower, upper = self.rows()
        h, model = self.highspy, self.highspy.HighsModel()
        n, rows = len(lower), self.sparse.csc_matrix(a)
        lp = model.lp_
        lp.num_col_, lp.num_row_ = n, len(a)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = -self.stream.c, lower, np.minimum(upper, 1e30)
        lp.row_lower_, lp.row_upper_ = np.maximum(lo, -1e30), np.minimum(hi, 1e30)
        lp.a_matrix_.format_ = h.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = rows.indptr, rows.indices
        lp.a_matrix_.value_ = rows.data
        lower_half = self.sparse.csc_matrix(np.tril(self.stream.s))
        model.hessian_.dim_, model.hessian_.format_ = n, h.HessianFormat.kTriangular
        model.hessian_.start_, model.hessian_.index_ = lower_half.indptr, lower_half.indices
        model.hessian_.value_ = lower_half.data
        self.model = model

    def solve(self):
        solver = self.highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("qp_regularization_value", 0.0)
        solver.passModel(self.model)
        solver.run()
        done = solver.getModelStatus() == self.highspy.HighsModelStatus.kOptimal
        self.x = np.array(solver.getSolution().col_value) if done else None


class Quadprog(Peer):
    name, needs = "quadprog", ("quadprog",)

    def take(self):
        e, f, g, lo, hi, lower, upper = self.split()
        up, low, box, eye = np.isfinite(hi), np.isfinite(lo), upper < 1e20, np.eye(len(lower))
        self.c = np.asfortranarray(np.vstack([e, -g[up], g[low], eye, -eye[box]]).T)
        self.b = np.concatenate([f, -hi[up], lo[low], lower, -upper[box]])
        self.p, self.q, self.equalities = self.stream.s, np.array(self.stream.c), len(f)

    def solve(self):
        try:
            self.x = self.quadprog.solve_qp(self.p, self.q, self.c, self.b, self.equalities)[0]
        except ValueError:
            self.x = None


ALL = [Daqp, Piqp, PiqpLoose, Proxqp, Highs, Osqp, Clarabel, Cvxopt, Quadprog]
