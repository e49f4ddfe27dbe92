/* qp_internal.h - what the files of the QP solver share; nobody else includes it.
 *
 * SHAPE    One numbering for all that can bind: row r is r, the bound of variable i is m + i.
 *          status[k] is -1 when k holds at its lower side, 1 at its upper side, 0 when free.
 */
#ifndef KEEL_COMMON_NUM_SOLVE_QP_INTERNAL_H
#define KEEL_COMMON_NUM_SOLVE_QP_INTERNAL_H

#include "common/num/solve/qp.h"

/* A side is missed when it is passed by more than this (scaled): far above rounding, which is about
 * 1e-15, and far enough below KEEL_QP_TOLERANCE for the certificate to hold. */
#define QP_FEASIBLE 1e-12
/* A multiplier of the wrong sign counts from here; the certificate clips and re-measures. */
#define QP_SIGN 1e-12
/* Part of a pivot's diagonal that must remain: below it the block is singular to working precision
 * (n eps = 1e-13 for 512 variables). */
#define QP_PIVOT_MIN 1e-13
/* Part of a row's squared length that the rows before it must leave for it to be another row. */
#define QP_ROW_MIN 1e-12

typedef enum qp_step {
    QP_STEP_DONE, /* a status whose point and multipliers have the right signs */
    QP_STEP_UNSETTLED /* none found within the bound */,
    QP_STEP_SINGULAR, /* the free block has no Cholesky factor */
    QP_STEP_CONFLICT, /* y holds the row multipliers of a proof of infeasibility */
} qp_step;

struct keel_qp {
    int n_max, m_max;
    int n, m;            /* of the problem in hand, and of the warm status between calls */
    bool warm;           /* status and pieces came from an answer or a snapshot */
    bool was_singular;   /* that answer needed the proximal term */
    signed char *status; /* m + n */
    signed char *next;   /* m + n: what block pivoting changes the status to */
    signed char *best;   /* m + n: the status with the fewest wrong entries it has seen */
    signed char *kept;   /* m + n: to go back to */

    keel_qp_problem p; /* borrowed during the call */
    double *lo, *hi;   /* m + n; +-HUGE_VAL where there is no bound; of the pieces chosen */
    double *linear;    /* n: c, less the slopes of the pieces, with what the proximal term adds */
    double *row_size;  /* m: largest |a| of the row */
    double scale;      /* largest diagonal of S and |c| */
    double prox;       /* d of S + dI; 0 = none */
    int iterations;

    signed char *piece; /* n: 0..kinks_n, how many kinks lie below it; between calls too */
    double *center;     /* n: of the proximal term */
    double *slope;      /* n */

    double *x, *y, *z; /* answer: n, m, n */
    double *gradient;  /* n: S x - c + A'y */
    double *row_value; /* m: A x */
    int *conflict;     /* m + n */

    int *pick, *row_pick; /* free variables (n), rows held (m), as last factored */
    int free_n, held_n;
    int *scratch;    /* n */
    double *block;   /* n x n: free block, or J of the dual method; factor form: E, k x factors */
    double *columns; /* n x (m + 1) */
    double *gram;    /* m x m */
    double *rhs;     /* m */
    double *dx, *dy; /* n, m: what a solve adds to x and y */
    double *effect;  /* n: S dx */

    int factors_max; /* 0: S is packed */
    double *raw;     /* n x m: columns as they were, factor form */
    double *inner;   /* factors x factors: I + E'E, its Cholesky factor */
    double *inverse; /* n: 1 / sqrt of the specific variances that are free */
    double *along;   /* factors */
    keel_qp *dense;  /* factor form, up to KEEL_QP_N_MAX variables: what the steps did not settle */
    double *packed;  /* n(n+1)/2: S for it */
    double *triangle; /* n x n: R of the dual method; NULL in factor form */
    double *work;     /* 4 n + m + 1: vectors of the dual methods */
    int *active;      /* n: what the columns of R are */
    int *position;    /* n: index among the variables that can move, or -1 */
    bool *ignored;    /* m + n: missed by less than the tolerance and past mending */
};

/* y = (S + dI) x; the largest diagonal of S; the lower triangle of S + dI at pick[0..k), not in
 * factor form. */
void qp_times(keel_qp *qp, const double *x, double *y);
double qp_largest_diagonal(const keel_qp *qp);
void qp_block(keel_qp *qp, int k, double *block);

static inline bool qp_has_factors(const keel_qp *qp)
{
    return qp->p.s == NULL;
}

/* Factor S + dI of pick[0..free_n); false: it has no factor. */
bool qp_factor_free(keel_qp *qp);
/* B = L^-1 B of that factor; in factor form B = (S + dI)^-1 B, and what is to be done on the way
 * back is nothing. */
void qp_forward(keel_qp *qp, int nrhs, double *b);
void qp_backward(keel_qp *qp, double *b);

/* fmax without the call it costs on the hot path; no NaN gets here. */
static inline double qp_larger(double a, double b)
{
    return a > b ? a : b;
}

/* Largest |x| or 1: the size of the point, by which rounding in sums of it grows. */
double qp_point_size(const keel_qp *qp);

/* By how much k passes its side (scaled by the side's own size); <= 0 when it does not. */
double qp_missed(const keel_qp *qp, int k, double value, int side, double point_size);

bool qp_is_fixed(const keel_qp *qp, int k); /* both sides are one number */

void qp_set_side(keel_qp *qp, int k, double lo, double hi);

/* The problem as the steps see it: sides and slopes of the pieces in hand, or none of the kinks,
 * and the proximal term. */
void qp_choose(keel_qp *qp, bool with_kinks);
/* The pieces that x lies in. */
void qp_place_pieces(keel_qp *qp);
/* Let what stands at a kink against more than its slope change piece; how many did. */
int qp_change_pieces(keel_qp *qp);
/* Slopes of the answer: what a kink holds is taken from z. */
void qp_settle_slopes(keel_qp *qp);
/* 1/2 x'Sx - c'x and the kinks, from x'Sx. */
double qp_objective(const keel_qp *qp, double quadratic);

/* Solve the problem in qp->p from the warm status. */
keel_qp_outcome qp_outcome(keel_qp *qp, keel_qp_answer *answer);

/* Solve for the status as if all of it were equalities: x, y, gradient, row_value. Rows that depend
 * on the ones before are left out with y = 0. Cost k^3/3 + n k for k free. */
qp_step qp_equality_solve(keel_qp *qp);
/* The same but for the last digits, which qp_refine adds: enough to see what is wrong. */
qp_step qp_equality_guess(keel_qp *qp);
void qp_refine(keel_qp *qp);

/* The factors alone: S_FF in block, V in columns, V'V in gram. */
qp_step qp_factor(keel_qp *qp);

/* With the factors in hand: how x (n) and y (m) answer to a force along `normal`, the held
 * constraints kept. Returns normal'dx >= 0; about 0 when the normal depends on the held ones. */
double qp_direction(keel_qp *qp, const double *normal, double *dx, double *dy);

/* gradient and row_value of the x and y in hand, from nothing. */
void qp_refresh(keel_qp *qp);

/* A cold status from gradient steps. */
void qp_guess(keel_qp *qp);

/* Change every part of the status that is wrong at once, again while that helps. UNSETTLED leaves
 * the status that had the fewest wrong entries. */
qp_step qp_block_pivot(keel_qp *qp);

/* The side missed most by x, ties to the lowest number, sign 1 for a lower side and -1 for an upper
 * one; -1 when all hold. */
int qp_most_missed(const keel_qp *qp, double *sign);

/* Dual steps from the status in hand, once what has the wrong multiplier is let go. */
qp_step qp_repair(keel_qp *qp);

/* Goldfarb and Idnani from the unconstrained minimum; leaves the status of the answer. */
qp_step qp_dual_active_set(keel_qp *qp);

/* Fill residuals and gap of *answer from x, y, z; true when all are within tolerance. */
bool qp_certify(keel_qp *qp, keel_qp_answer *answer);

/* Fill conflict and violation from the multipliers y; true when they prove infeasibility. */
bool qp_certify_conflict(keel_qp *qp, keel_qp_answer *answer);

#endif
