/* solver_internal.h - what the files of keel_solver share; nobody else includes it.
 *
 * MODEL    All methods are points of one family,
 *            minimise  v/2 w'Bw + nu/2 (w - benchmark)'S(w - benchmark) - t r(w)
 *                      + kappa_0 sum |w| + kappa_1 sum |w - current|
 *                                                  over the linear part of the set,
 *          B = S, or I for the nearest point to a closed form. nu and kappa are the prices of
 *          tracking_error_max, gross_max and turnover_max, t that of return.
 */
#ifndef KEEL_SERVICES_OPTIMIZER_ENGINE_SOLVER_INTERNAL_H
#define KEEL_SERVICES_OPTIMIZER_ENGINE_SOLVER_INTERNAL_H

#include "common/num/solve/qp.h"
#include "services/optimizer/engine/problem.h"

enum { SOLVER_ROWS_MAX = KEEL_PROBLEM_ROWS_MAX + 2 }; /* budget, rows, target_return */

/* Limits on a sum of distances; the search for the price of the second has one for the first in
 * each of its steps. */
enum { SOLVER_GROSS, SOLVER_TURNOVER, SOLVER_LENGTHS };

typedef struct solver_prices {
    double v, t, nu, kappa[SOLVER_LENGTHS];
} solver_prices;

/* The search for the price of one of these limits. */
typedef struct solver_length {
    double most;               /* >= KEEL_NO_BOUND: no limit */
    const double *from;        /* n */
    double value;              /* sum |w - from| of the point in hand */
    double *slopes;            /* n: what the point in hand was asked for each unit of it */
    double *beyond;            /* n: the last point of a search that passes the limit */
    double *within, *within_y; /* n, m: the last one that keeps it, and its multipliers */
    solver_prices within_at;
} solver_length;

/* A root of a falling function: f > 0 at lo, f <= 0 at hi. All 0 but the tolerance begins one. */
typedef struct solver_root {
    double lo, f_lo, hi, f_hi;
    double weight_lo, weight_hi; /* of the ends in the next secant (Illinois) */
    bool has_lo, has_hi;
    double tolerance; /* of f */
    double floor;     /* of x: ends this near are one; 0 is where a jump may be */
    int steps;
} solver_root;

void solver_root_take(solver_root *root, double x, double f);
bool solver_root_has(const solver_root *root); /* both ends */
/* The next place to look; false: it is found as well as it can be. */
bool solver_root_next(solver_root *root, double *x);
double solver_root_best(const solver_root *root);
bool solver_root_is_settled(const solver_root *root); /* found, or both ends are as good as one */

struct keel_solver {
    int n_max;
    keel_qp *qp;
    const keel_problem *p; /* borrowed during a call */
    bool nearest;          /* B = I: a closed form is placed in the set */
    int m;
    int first;               /* of p->rows among the m: 1 behind the budget, 0 without one */
    double *a;               /* m x n */
    double *row_lo, *row_hi; /* SOLVER_ROWS_MAX */
    double *current;         /* n, zeros where there is none */
    double *target;          /* n: a closed form */
    double *bench;           /* n: S benchmark */
    int factors_max;         /* 0: packed covariances */
    double *variances;       /* n: the diagonal of S */
    double *matrix;          /* I + nu S, I, or zeros: packed, or specific variances */
    double *scaled;          /* n x factors: loadings times the root of nu */
    double *linear;          /* n */
    double *none;            /* n: zeros */
    solver_prices last;      /* where the last search ended: the next one begins there */

    solver_prices at;     /* of the point in hand */
    keel_qp_answer found; /* its QP, multipliers in the units of `unit` */
    double unit;          /* what the family's objective was divided by */
    double *w;            /* n */
    solver_length lengths[SOLVER_LENGTHS];
    double *y;                             /* m: multipliers of the family's problem */
    double *sw;                            /* n: S w */
    double variance, active, earned, cost; /* w'Sw, tracking variance,
                                                        mean'w, sum cost |w - current| */
    bool from_cash;                        /* MAX_SHARPE: the least variance is none */
    double least;                          /* TARGET_RISK: the least variance of the set */
    int iterations;
    int *scratch; /* n */

    double *z, *risk_price, *cost_slope, *gross_slope, *row_price; /* n, of the answer */
    keel_price prices[KEEL_PRICES_MAX];
};

/* Quadratic term of a QP, in one of the shapes of qp.h. */
typedef struct solver_form {
    const double *packed, *square;
    int factors;
    const double *loadings, *specific;
    bool checked;
} solver_form;

/* v B + nu S divided by *unit, which makes it S or I where one of the two is all there is. */
solver_form solver_form_of(keel_solver *s, solver_prices at, double *unit);

/* y = S x; the diagonal of S into s->variances. */
void solver_times(keel_solver *s, const double *x, double *y);
void solver_read_variances(keel_solver *s);

/* Solve the family at these prices; the point and all that is measured of it. */
keel_problem_outcome solver_evaluate(keel_solver *s, solver_prices at);

/* The best of the set for v and t: prices of the curved limits found. */
keel_problem_outcome solver_meet(keel_solver *s, double v, double t);

/* All that is measured of s->w. */
void solver_measure(keel_solver *s);

/* Fill the answer from the point in hand; the family's multipliers times `factor` are those of the
 * method's own objective. False when it does not pass its measurement. */
bool solver_answer(keel_solver *s, double factor, keel_problem_answer *answer);

/* By how much w leaves the set, scaled; 0 = not at all. */
double solver_violation(const keel_solver *s);

void solver_conflict(keel_solver *s, keel_problem_answer *answer);

#endif
