/* frontier.h - the whole exact mean-variance frontier, corner by corner.
 *
 * ROOM     common/num/solve. Pure numbers, no finance word needed: asset = variable.
 * MODEL    for every t >= 0    minimise 1/2 w'Sw - t mean'w
 *          subject to          lower <= w <= upper,  row_lo <= A w <= row_hi
 *          A budget is a row with lo = hi. The answer w(t) is piecewise linear: at a corner a bound
 *          or a row begins or ceases to hold, between two corners w is linear in t. Along it
 *          variance' = 2 t mean', so that mean is linear and variance quadratic in between.
 *          KKT of a corner: S w - t mean + A'y + z = 0, y and z signed as in qp.h. Its residual is
 *          measured from the w, y and t that are handed out, in the scaled units of qp.h
 *          (docs/methods/efficient-frontier.md has each definition).
 *          The walk: a working set of bounds and rows; the equality problem of the set gives w and
 *          the multipliers linear in t; the next corner is where the first of them would get the
 *          wrong sign. Ties go one at a time to the lowest number (rows, then variables), without
 *          perturbation. The Cholesky factor of the free block is carried (chol_update.h). The
 *          first point comes from the same walk over a path of problems from one with a trivial
 *          answer to that of t = 0, which also proves that there is no point at all.
 *          Source: H. Markowitz, Portfolio Selection (1959); H. Markowitz and P. Todd,
 *          Mean-Variance Analysis in Portfolio Choice and Capital Markets (2000); M. Best, An
 *          algorithm for the solution of the parametric quadratic programming problem (1996);
 *          A. and D. Niedermayer, Applying Markowitz's critical line algorithm (2010).
 * SHAPE    n variables, m rows; S packed lower triangle (sym.h); A by rows, m x n.
 * MEMORY   keel_frontier_new takes all: about 2 n^2 + corners_max (n + m) doubles, of which a
 *          solve touches n (variables ever off their lower side) + corners (n + m).
 * THREADS  one thread per object. Bounded by steps, never by a clock; same problem, same bytes.
 */
#ifndef KEEL_COMMON_NUM_SOLVE_FRONTIER_H
#define KEEL_COMMON_NUM_SOLVE_FRONTIER_H

#include "common/base/status.h"

#define KEEL_FRONTIER_TOLERANCE 1e-10 /* scaled; four orders above what refined corners show */

enum {
    KEEL_FRONTIER_N_MAX = 2000,
    KEEL_FRONTIER_M_MAX = 64,
    KEEL_FRONTIER_CORNERS_MAX = 16384,
};

typedef struct keel_frontier keel_frontier;

typedef struct keel_frontier_problem {
    int n;
    int m;
    const double *s;      /* packed lower triangle, n(n+1)/2; all borrowed for the call */
    const double *mean;   /* n */
    const double *lower;  /* n, finite, or <= -KEEL_QP_NO_BOUND (qp.h) or -INFINITY */
    const double *upper;  /* n */
    const double *a;      /* m * n by rows */
    const double *row_lo; /* m */
    const double *row_hi; /* m */
} keel_frontier_problem;

typedef enum keel_frontier_outcome {
    KEEL_FRONTIER_WHOLE,       /* every corner, each within the tolerance */
    KEEL_FRONTIER_INFEASIBLE,  /* no w satisfies bounds and rows, proved; no corners */
    KEEL_FRONTIER_UNBOUNDED,   /* the mean has no maximum: after the last corner w grows for ever */
    KEEL_FRONTIER_UNCERTIFIED, /* a corner's residual is above the tolerance: it is corner 0, at */
                               /* which the walk stopped; those below it are proved */
    KEEL_FRONTIER_SINGULAR,    /* a variable without bounds depends on others: no corners */
    KEEL_FRONTIER_CORNERS_FULL, /* more than corners_max; those handed out are the low end */
    KEEL_FRONTIER_STEP_LIMIT,   /* ties did not end within the bound on steps; corners as above */
} keel_frontier_outcome;

typedef struct keel_frontier_answer {
    keel_frontier_outcome outcome;
    int corners;           /* handed out */
    int steps;             /* changes of the working set, of which start_steps */
    int start_steps;       /* were made to find the point of t = 0 */
    double worst_residual; /* of all corners handed out */
} keel_frontier_answer;

typedef struct keel_frontier_corner {
    double t;
    double mean, variance;
    double residual;       /* KKT, scaled */
    const double *weights; /* n; valid until the next solve */
    const double *y;       /* m row multipliers */
} keel_frontier_corner;

/* Whether a point that was asked for exists. In every case the point and its weights are written:
 * the one asked for, or the end of the frontier that is nearest to it. */
typedef enum keel_frontier_find {
    KEEL_FRONTIER_FOUND,
    KEEL_FRONTIER_BELOW,     /* less than the minimum variance end has: that end is the answer of */
                             /* "at least this mean"; no point has a variance so low */
    KEEL_FRONTIER_ABOVE,     /* more than the maximum return end has: that end is the answer of */
                             /* "at most this risk"; no point has a mean so high */
    KEEL_FRONTIER_NO_EXCESS, /* no point has a mean above the risk-free rate */
    KEEL_FRONTIER_RISKLESS,  /* variance 0 and a mean above the risk-free rate: no finite ratio */
} keel_frontier_find;

typedef struct keel_frontier_point {
    keel_frontier_find found;
    double t;
    double mean, variance;
} keel_frontier_point;

/* Room for problems up to n_max x m_max and corners_max corners (1..KEEL_FRONTIER_N_MAX,
 * 0..KEEL_FRONTIER_M_MAX, 2..KEEL_FRONTIER_CORNERS_MAX); NULL out of range. Up to 2 n corners are
 * usual. Owned; end with keel_frontier_free (safe on NULL and twice). */
KEEL_MUST_CHECK keel_frontier *keel_frontier_new(int n_max, int m_max, int corners_max);
void keel_frontier_free(keel_frontier **frontier);

/* Walk the frontier of *problem; the corners of the last solve are forgotten.
 *   KEEL_OK          *answer is written, see its outcome
 *   KEEL_ERANGE      n or m out of range, lower > upper, row_lo > row_hi, a diagonal of S < 0;
 *                    corners are kept
 *   KEEL_ENONFINITE  a number that is not finite, except infinite sides; corners are kept
 * Cost: per step O(k^2 + k r^2 + n (h + r)) for k free variables, h off their lower side and r
 * rows held; up to 4 (n + m) steps are usual. */
KEEL_MUST_CHECK keel_status keel_frontier_solve(keel_frontier *frontier,
                                                const keel_frontier_problem *problem,
                                                keel_frontier_answer *answer);

/* Corner 0 is the maximum return end, of the least variance there is at that mean; the last is the
 * minimum variance end, t = 0. index: 0..corners-1. Two corners may have the same weights: the
 * portfolio is best for each t between. Where S is singular two may have t = 0: the one of the
 * lower index has the higher mean at the same variance. */
keel_frontier_corner keel_frontier_corner_at(const keel_frontier *frontier, int index);

/* The read-offs. All need corners (KEEL_EUNAVAIL without) and a finite question (KEEL_ENONFINITE);
 * weights (n, the caller's buffer) may be NULL. After an outcome that is not WHOLE they speak of
 * the corners handed out. Exact within rounding: no search, no step. Cost: log(corners), and 2n
 * with weights. */

/* The answer of one t >= 0 (KEEL_ERANGE below); above the first corner's t that corner is it. */
KEEL_MUST_CHECK keel_status keel_frontier_at(const keel_frontier *frontier, double t,
                                             keel_frontier_point *point, double *weights);

/* Maximum of mean'w - aversion/2 w'Sw, aversion > 0 (KEEL_ERANGE): t = 1 / aversion. */
KEEL_MUST_CHECK keel_status keel_frontier_at_aversion(const keel_frontier *frontier,
                                                      double aversion, keel_frontier_point *point,
                                                      double *weights);

/* The least variance of a given mean: FOUND, BELOW or ABOVE. */
KEEL_MUST_CHECK keel_status keel_frontier_at_mean(const keel_frontier *frontier, double mean,
                                                  keel_frontier_point *point, double *weights);

/* The highest mean of a given variance >= 0 (KEEL_ERANGE): FOUND, BELOW or ABOVE. */
KEEL_MUST_CHECK keel_status keel_frontier_at_variance(const keel_frontier *frontier,
                                                      double variance, keel_frontier_point *point,
                                                      double *weights);

/* The highest (mean - risk_free) / standard deviation: FOUND, NO_EXCESS or RISKLESS. */
KEEL_MUST_CHECK keel_status keel_frontier_max_sharpe(const keel_frontier *frontier,
                                                     double risk_free, keel_frontier_point *point,
                                                     double *weights);

#endif
