/* qp.h - convex quadratic programs with bounds, rows and kinks, solved exactly and proved.
 *
 * ROOM     common/num/solve. Pure numbers, no finance word needed: asset = variable.
 * MODEL    minimise 1/2 x'Sx - c'x + sum over kinks of rise max(x - at, 0) + fall max(at - x, 0)
 *          subject to  lower <= x <= upper,  row_lo <= A x <= row_hi
 *          S symmetric, packed lower triangle (estimate.h has the formula), positive definite; with
 *          `semidefinite` it may be singular, 0 too: then a linear programme.
 *          KKT of the answer: S x - c + k + A'y + z = 0, where y (rows) and z (bounds) are > 0 only
 *          on an active upper side, < 0 only on an active lower side, and k is a slope of the
 *          kinks: rise above, -fall below, between them where x stands still at one.
 *          row_lo = row_hi is an equality.
 *          Scaled units: s = the larger of the largest diagonal of S and the largest |c|, and
 *          X = max(1, largest |x|). Residuals are divided by what they are sums of, so that they
 *          are dimensionless (docs/methods/quadratic-programs.md has each definition); OPTIMAL is
 *          claimed only when primal residual, dual residual and gap recomputed from the returned
 *          numbers are all <= KEEL_QP_TOLERANCE.
 *          From the status of the last answer: block principal pivoting on the free block (Kunisch
 *          and Rendl, An infeasible active set method for quadratic problems with simple bounds,
 *          SIAM J. Optim. 14, 2003) while it lowers the number of wrong entries; then dual steps
 *          from the best status it saw; then all of it again from a cold status; then the dual
 *          method from nothing (Goldfarb and Idnani, A numerically stable dual method, Math.
 *          Programming 27, 1983), which ends in an answer or in a proof that there is none.
 *          S is tested as a whole only from a cold start. From a warm one the free block is: for
 *          S positive semidefinite the certificate proves the answer all the same, but a singular S
 *          may be answered warm and refused cold.
 *          Kinks: between two of them each variable has a box and a slope of its own, so a choice
 *          of pieces is a problem without kinks. A variable that stands at a kink with more force
 *          on it than the kink's slope changes piece; the point stays feasible and the objective
 *          falls, so this ends.
 *          Singular S: proximal points, S + dI around the last answer (Rockafellar, Monotone
 *          operators and the proximal point algorithm, SIAM J. Control Optim. 14, 1976), which end
 *          on quadratic programmes after finitely many; then once more without d where the free
 *          block allows. The certificate is that of the problem as stated.
 * SHAPE    n variables, m rows; A by rows as dense m x n (row r, variable i at a[r * n + i]).
 * MEMORY   keel_qp_new takes all; no later call allocates.
 * THREADS  one thread per object. Bounded by iterations, never by a clock; same problem and warm
 *          state, same bytes.
 */
#ifndef KEEL_COMMON_NUM_SOLVE_QP_H
#define KEEL_COMMON_NUM_SOLVE_QP_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

#define KEEL_QP_TOLERANCE 1e-9 /* scaled; two orders above what the factorisation leaves */
#define KEEL_QP_NO_BOUND  1e30

enum {
    KEEL_QP_N_MAX = 2048,
    KEEL_QP_M_MAX = 1024,
    KEEL_QP_KINKS_MAX = 2,
    KEEL_QP_FACTOR_N_MAX = 16384,
    KEEL_QP_FACTORS_MAX = 512,
};

typedef struct keel_qp keel_qp;

/* One kink of each variable: transaction costs around what is held, leverage around 0. */
typedef struct keel_qp_kink {
    const double *at;   /* n; where */
    const double *rise; /* n; slope above it, >= 0 */
    const double *fall; /* n; slope below it, >= 0 */
} keel_qp_kink;

typedef struct keel_qp_problem {
    int n;
    int m;
    const double *s;      /* packed lower triangle, n(n+1)/2; borrowed for the call. NULL: S is
                           * diag(specific) + B B' */
    const double *c;      /* n, or NULL = 0 */
    const double *lower;  /* n, finite or <= -KEEL_QP_NO_BOUND */
    const double *upper;  /* n */
    const double *a;      /* m * n by rows */
    const double *row_lo; /* m */
    const double *row_hi; /* m */
    const double *square; /* n x n: S once more, both triangles, ld = n; NULL = not to be had. Its
                           * columns are read where the packed ones would be gathered: at n = 500
                           * several times as fast */
    bool checked;         /* S is known to be finite and semidefinite: looking again would take as
                           * long as a solve */
    bool semidefinite;    /* S may be singular; false: that is refused, SINGULAR */
    int kinks_n;          /* 0..KEEL_QP_KINKS_MAX */
    const keel_qp_kink *kinks;
    int factors;            /* s is NULL: columns of B */
    const double *loadings; /* B by rows: variable i, factor f at loadings[i * factors + f] */
    const double *specific; /* n, >= 0 */
} keel_qp_problem;

typedef enum keel_qp_outcome {
    KEEL_QP_OPTIMAL,
    KEEL_QP_INFEASIBLE,      /* conflict[] names rows and variables that cannot hold together */
    KEEL_QP_ITERATION_LIMIT, /* no certified answer; x is the last point, see primal_residual */
    KEEL_QP_SINGULAR,        /* S is not positive definite; if it need not be: not semidefinite */
    KEEL_QP_UNBOUNDED,       /* semidefinite: the objective has no least value */
} keel_qp_outcome;

typedef struct keel_qp_answer {
    keel_qp_outcome outcome;
    int iterations;
    const double *x;        /* n; valid until the next call, as all pointers here */
    const double *y;        /* m row multipliers */
    const double *z;        /* n bound multipliers; INFEASIBLE: y, z prove it, A'y + z = 0 and */
                            /* sum of multiplier * its side = -violation < 0 */
    const double *slope;    /* n: k of the kinks; zeros without */
    double objective;       /* this and the next three: 0 unless OPTIMAL or ITERATION_LIMIT */
    double primal_residual; /* scaled, recomputed from x alone */
    double dual_residual;   /* scaled: stationarity, signs and complementarity, the largest */
    double gap;             /* scaled duality gap */
    const int *conflict;    /* INFEASIBLE: rows 0..m-1, and n bounds as m + i; a minimal set */
    int conflict_n;
    double violation; /* INFEASIBLE: the smallest total violation reachable in the conflict, > 0 */
} keel_qp_answer;

/* Room for problems up to n_max x m_max (1..KEEL_QP_N_MAX, 0..KEEL_QP_M_MAX); NULL out of range. */
KEEL_MUST_CHECK keel_qp *keel_qp_new(int n_max, int m_max);
/* Room for S in factor form only, up to KEEL_QP_FACTOR_N_MAX variables and KEEL_QP_FACTORS_MAX
 * factors: n (factors + m) numbers instead of n^2. What pivoting and repair do not settle, an
 * infeasible problem too, is solved with all of S up to KEEL_QP_N_MAX variables, and ends in
 * ITERATION_LIMIT beyond. */
KEEL_MUST_CHECK keel_qp *keel_qp_new_factors(int n_max, int m_max, int factors_max);
void keel_qp_free(keel_qp **qp);

/* Solve, starting from the status of the last call when n and m are the same.
 *   KEEL_OK          *answer is written, see its outcome
 *   KEEL_ERANGE      n, m or kinks_n out of range, lower > upper + tolerance of a variable,
 *                    row_lo > row_hi, a slope of a kink below 0
 *   KEEL_ENONFINITE  a number that is not finite; -INFINITY in a lower and INFINITY in an upper
 *                    side are allowed and mean no bound
 * Cost: warm and sparse O(k^3 + n k) for k free variables, cold O(n^3); with f factors
 * O(n f + k f^2) a step (M. Woodbury, Inverting modified matrices, 1950). */
KEEL_MUST_CHECK keel_status keel_qp_solve(keel_qp *qp, const keel_qp_problem *problem,
                                          keel_qp_answer *answer);

/* Forget the warm status: the next solve starts cold. */
void keel_qp_reset(keel_qp *qp);

/* The warm status as bytes (16 of header, then m + n signed chars: -1 lower, 0 free, 1 upper, and n
 * of pieces), so that a snapshot makes the next answer the same to the bit. save: KEEL_ENOSPC,
 * *len = bytes needed (buf may be NULL to ask); load: KEEL_EFORMAT, status unchanged. */
KEEL_MUST_CHECK keel_status keel_qp_save(const keel_qp *qp, uint8_t *buf, size_t cap, size_t *len);
KEEL_MUST_CHECK keel_status keel_qp_load(keel_qp *qp, const uint8_t *buf, size_t len);

#endif
