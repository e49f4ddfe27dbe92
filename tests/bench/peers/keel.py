"""keel.py - the optimizer's C functions by ctypes: qp.h, problem.h, as the bench needs them."""
import ctypes
from ctypes import POINTER, Structure, byref, c_bool, c_char, c_double, c_int, c_void_p

import numpy as np

REALS = POINTER(c_double)
NO_BOUND = 1e30
OPTIMAL = SOLVED = 0
METHODS = {"min_variance": 3, "mean_variance": 5, "target_return": 6, "max_sharpe": 8}


class QpProblem(Structure):
    _fields_ = [("n", c_int), ("m", c_int), ("s", REALS), ("c", REALS), ("lower", REALS),
                ("upper", REALS), ("a", REALS), ("row_lo", REALS), ("row_hi", REALS),
                ("square", REALS), ("checked", c_bool), ("semidefinite", c_bool),
                ("kinks_n", c_int), ("kinks", c_void_p), ("factors", c_int), ("loadings", REALS),
                ("specific", REALS)]


class QpAnswer(Structure):
    _fields_ = [("outcome", c_int), ("iterations", c_int), ("x", REALS), ("y", REALS),
                ("z", REALS), ("slope", REALS), ("objective", c_double),
                ("primal_residual", c_double), ("dual_residual", c_double), ("gap", c_double),
                ("conflict", POINTER(c_int)), ("conflict_n", c_int), ("violation", c_double)]


class Row(Structure):
    _fields_ = [("name", c_char * 48), ("a", REALS), ("lo", c_double), ("hi", c_double)]


class Problem(Structure):
    _fields_ = [("method", c_int), ("n", c_int), ("covariance", REALS), ("square", REALS),
                ("checked", c_bool), ("mean", REALS), ("lower", REALS), ("upper", REALS),
                ("budget", c_double), ("rows_n", c_int), ("rows", POINTER(Row)),
                ("current", REALS), ("cost", REALS), ("turnover_max", c_double),
                ("benchmark", REALS), ("tracking_error_max", c_double),
                ("target_return", c_double), ("target_risk", c_double),
                ("risk_aversion", c_double), ("risk_free", c_double), ("target_weights", REALS)]


def reals(array):
    return array.ctypes.data_as(REALS)


def pack(square):
    """The lower triangle by columns."""
    return np.ascontiguousarray(square.T[np.triu_indices(len(square))])


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        self.c.keel_la_init()
        for name in ("keel_qp_new", "keel_solver_new"):
            getattr(self.c, name).restype = c_void_p
        self.c.keel_qp_solve.argtypes = [c_void_p, c_void_p, c_void_p]
        self.c.keel_qp_reset.argtypes = [c_void_p]
        self.c.keel_solver_solve.argtypes = [c_void_p, c_void_p, c_void_p, c_void_p]
        self.c.keel_solver_reset.argtypes = [c_void_p]
        self.c.keel_problem_outcome_name.restype = ctypes.c_char_p
        assert self.c.keel_problem_outcome_name(1) == b"infeasible"

    def core(self):
        """The kernels that OpenBLAS chose."""
        blas = ctypes.CDLL("libopenblas.so.0")
        blas.openblas_get_corename.restype = ctypes.c_char_p
        return blas.openblas_get_corename().decode()

    def call_ns(self, clock, times=2000):
        """Nanoseconds of a call with three pointers that does next to nothing: forget the status of
        an empty solver."""
        qp = c_void_p(self.c.keel_qp_new(1, 0))
        took = []
        for _ in range(times):
            begun = clock()
            self.c.keel_qp_reset(qp)
            took.append(clock() - begun)
        return float(np.median(took))


class Qp:
    """keel_qp_solve of one stream. The arrays are the caller's and stay where they are."""

    def __init__(self, library, stream, warm, semidefinite=False):
        self.c, self.stream, self.warm = library.c, stream, warm
        n, m = stream.n, len(stream.a)
        self.handle = c_void_p(self.c.keel_qp_new(n, m))
        self.kept = [np.ascontiguousarray(v) for v in
                     (stream.lower, stream.upper, stream.a, stream.row_lo, stream.row_hi)]
        lower, upper, a, lo, hi = (reals(v) for v in self.kept)
        self.packed, self.square, self.linear = np.zeros(n * (n + 1) // 2), np.zeros((n, n)), \
            np.zeros(n)
        self.problem = QpProblem(n=n, m=m, s=reals(self.packed), c=reals(self.linear), lower=lower,
                                 upper=upper, a=a, row_lo=lo, row_hi=hi,
                                 square=reals(self.square), checked=True,
                                 semidefinite=semidefinite)
        self.answer = QpAnswer()
        self.problem_at, self.answer_at = byref(self.problem), byref(self.answer)

    def take(self):
        self.square[:] = self.stream.s
        self.packed[:] = pack(self.square)
        self.linear[:] = self.stream.c
        if not self.warm:
            self.c.keel_qp_reset(self.handle)

    def solve(self):
        return self.c.keel_qp_solve(self.handle, self.problem_at, self.answer_at)

    def weights(self):
        if self.answer.outcome != OPTIMAL:
            return None
        return np.ctypeslib.as_array(self.answer.x, (self.stream.n,)).copy()

    def row_multipliers(self):
        return np.ctypeslib.as_array(self.answer.y, (len(self.stream.a),)).copy()

    def residual(self):
        a = self.answer
        return max(a.primal_residual, a.dual_residual, a.gap)


class Solver:
    """keel_solver_solve: the methods, with certificate, prices and explanation."""

    def __init__(self, library, stream, method, warm):
        self.c, self.stream, self.warm, n = library.c, stream, warm, stream.n
        self.handle = c_void_p(self.c.keel_solver_new(n))
        self.packed, self.square, self.mean = np.zeros(n * (n + 1) // 2), np.zeros((n, n)), \
            np.zeros(n)
        self.kept = [np.ascontiguousarray(v) for v in (stream.lower, stream.upper, stream.a[1:])]
        self.rows = (Row * (len(stream.a) - 1))()
        for r, row in enumerate(self.rows):
            row.name, row.a = f"sector:{r}".encode(), reals(self.kept[2][r])
            row.lo, row.hi = stream.row_lo[r + 1], stream.row_hi[r + 1]
        self.problem = Problem(method=METHODS[method], n=n, covariance=reals(self.packed),
                               square=reals(self.square), checked=True, mean=reals(self.mean),
                               lower=reals(self.kept[0]), upper=reals(self.kept[1]), budget=1,
                               rows_n=len(self.rows), rows=self.rows, turnover_max=NO_BOUND,
                               tracking_error_max=NO_BOUND, risk_aversion=stream.risk_aversion)
        self.answer = ctypes.create_string_buffer(1 << 16)  # larger than keel_problem_answer
        self.problem_at = byref(self.problem)

    def take(self):
        self.square[:] = self.stream.s
        self.packed[:] = pack(self.square)
        self.mean[:] = self.stream.mean
        if not self.warm:
            self.c.keel_solver_reset(self.handle)

    def solve(self):
        return self.c.keel_solver_solve(self.handle, self.problem_at, self.answer, None)

    def weights(self):
        if c_int.from_buffer(self.answer, 0).value != SOLVED:
            return None
        at = ctypes.cast(c_void_p.from_buffer(self.answer, 8), REALS)
        return np.ctypeslib.as_array(at, (self.stream.n,)).copy()
