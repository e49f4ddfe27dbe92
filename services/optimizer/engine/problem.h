/* problem.h - one portfolio problem as data; its answer, what proves it and what explains it.
 *
 * ROOM     services/optimizer/engine: pure. The same solver for `keel optimize`, for requests and
 *          for the steps of a run.
 * MODEL    Weights w are fractions of equity, cash = 1 - sum w. Everything is per bar.
 *            set       sum w = budget;  lower <= w <= upper;  lo <= a'w <= hi of each row;
 *                      sum |w| <= gross_max;  sum |w - current| <= turnover_max
 *                      (w - benchmark)' S (w - benchmark) <= tracking_error_max^2
 *            r(w)      = mean'w - sum cost |w - current|: what is expected, after costs
 *            EQUAL_WEIGHT        budget / n each; 1 / n where there is none
 *            INVERSE_VOLATILITY  w proportional to 1 / sqrt(S[i,i])
 *            STATIC              target_weights
 *                                outside the set: the nearest point of it (Euclid), FEASIBLE, and
 *                                the certificate's parent names the form
 *            MIN_VARIANCE        minimise 1/2 w'Sw
 *            TARGET_RETURN       minimise 1/2 w'Sw with mean'w >= target_return
 *            MEAN_VARIANCE       maximise r(w) - risk_aversion / 2 w'Sw, risk_aversion >= 0
 *            TARGET_RISK         maximise r(w) with sqrt(w'Sw) <= target_risk
 *            MAX_SHARPE          maximise (r(w) - risk_free) / sqrt(w'Sw); some w of the set must
 *                                expect more than risk_free, else NO_EXCESS_RETURN
 *          Source: H. Markowitz, Portfolio selection, J. Finance 7 (1952); the set's curved parts
 *          are met by their prices (Lagrange multipliers), each a root of a monotone function of
 *          one number: H. Everett, Generalized Lagrange multiplier method, Oper. Res. 11 (1963).
 *          Signs: the Lagrangian of a minimisation, as in common/domain/allocation.h.
 * MEMORY   keel_solver_new takes everything; no later call allocates. What an answer points to is
 *          valid until the next call.
 * THREADS  one thread per object. Bounded by iterations, never by a clock.
 */
#ifndef KEEL_SERVICES_OPTIMIZER_ENGINE_PROBLEM_H
#define KEEL_SERVICES_OPTIMIZER_ENGINE_PROBLEM_H

#include "common/domain/allocation.h"

enum {
    KEEL_PROBLEM_N_MAX = 2048,         /* with a packed covariance */
    KEEL_PROBLEM_FACTOR_N_MAX = 16384, /* with one in factor form */
    KEEL_PROBLEM_FACTORS_MAX = 512,
    KEEL_PROBLEM_ROWS_MAX = 60, /* beside those that the solver adds */
    KEEL_PRICES_MAX = KEEL_PROBLEM_ROWS_MAX + 6,
    KEEL_CONFLICT_MAX = 16,
    KEEL_FALLBACKS_MAX = 4,
};

typedef struct keel_problem_row {
    char name[KEEL_NAME_MAX];
    const double *a; /* n */
    double lo;       /* <= -KEEL_NO_BOUND: no lower side */
    double hi;       /* >= KEEL_NO_BOUND: no upper side; lo = hi: an equality */
} keel_problem_row;

typedef struct keel_problem {
    keel_method method;
    int n;                    /* 1..KEEL_PROBLEM_N_MAX or KEEL_PROBLEM_FACTOR_N_MAX */
    const double *covariance; /* packed lower triangle by columns, n(n+1)/2; semidefinite. NULL: S
                               * is diag(specific) + B B' */
    int factors;              /* columns of B, 0..KEEL_PROBLEM_FACTORS_MAX */
    const double *loadings;   /* B by rows: asset i, factor f at loadings[i * factors + f] */
    const double *specific;   /* n, variances >= 0 */
    const double *square; /* n x n: the same with both triangles; NULL = not to be had. Faster */
    bool checked; /* the covariance is known to be finite and semidefinite. Else it is looked at,
                   * and the solve begins cold for that */
    const double *mean;  /* n; NULL where the method needs none */
    const double *lower; /* n */
    const double *upper; /* n */
    double budget;       /* >= KEEL_NO_BOUND: none, cash may be borrowed or left */
    int rows_n;          /* 0..KEEL_PROBLEM_ROWS_MAX */
    const keel_problem_row *rows;
    const double *current;     /* n; NULL = zeros */
    const double *cost;        /* n, >= 0, of each unit of weight traded; NULL = none */
    double gross_max;          /* >= 0; >= KEEL_NO_BOUND: none */
    double turnover_max;       /* as gross_max */
    const double *benchmark;   /* n; NULL where there is no tracking_error_max */
    double tracking_error_max; /* > 0; >= KEEL_NO_BOUND: none */
    double target_return;
    double target_risk; /* > 0 */
    double risk_aversion;
    double risk_free;
    const double *target_weights;              /* STATIC: n */
    int fallbacks_n;                           /* 0..KEEL_FALLBACKS_MAX */
    keel_method fallbacks[KEEL_FALLBACKS_MAX]; /* tried in order while there is no answer */
} keel_problem;

typedef enum keel_problem_outcome {
    KEEL_PROBLEM_SOLVED,
    KEEL_PROBLEM_INFEASIBLE,       /* conflict: names that cannot hold together */
    KEEL_PROBLEM_NOT_CONVEX,       /* the covariance is not positive semidefinite */
    KEEL_PROBLEM_UNBOUNDED,        /* no finite weights are the best; a bound is missing */
    KEEL_PROBLEM_NO_EXCESS_RETURN, /* MAX_SHARPE: nothing expects more than risk_free */
    KEEL_PROBLEM_NO_RISK,          /* MAX_SHARPE: a portfolio without risk earns more than that */
    KEEL_PROBLEM_ITERATION_LIMIT,  /* neither an answer nor a proof passed its measurement */
} keel_problem_outcome;

/* Is the method made of expected returns? */
bool keel_problem_needs_mean(keel_method method);

const char *keel_problem_outcome_name(keel_problem_outcome outcome); /* "infeasible" */

/* A constraint and its price: how much the objective improves for each unit it gives way. */
typedef struct keel_price {
    char name
        [KEEL_NAME_MAX]; /* "budget", a row's, "gross_max", "turnover_max", "tracking_error_max",
                                 "target_return", "target_risk" */
    double lo, hi;
    double value;      /* reached */
    double multiplier; /* of f in f(w) minimised; > 0 the upper side binds, < 0 the lower */
    double slope;      /* in the units of return: multiplier / price_of_return */
} keel_price;

/* A method that had no answer. */
typedef struct keel_attempt {
    keel_method method;
    keel_problem_outcome outcome;
} keel_attempt;

typedef struct keel_problem_answer {
    keel_problem_outcome outcome; /* not SOLVED: that of the problem's own method */
    keel_method method;           /* the one that answers */
    int attempts_n;
    keel_attempt attempts[KEEL_FALLBACKS_MAX + 1]; /* without an answer, in order */
    const double *weights;                         /* n; SOLVED */
    double cash;                                   /* 1 - sum w */
    double objective;       /* as maximised or minimised above; 1/2 w'Sw of the closed forms */
    double expected_return; /* mean'w; 0 without a mean */
    double volatility;      /* sqrt(w'Sw) */
    double gross;           /* sum |w| */
    double turnover;        /* sum |w - current| */
    double cost_frac;       /* sum cost |w - current| */
    keel_certificate certificate;
    int prices_n;
    const keel_price *prices;
    const double *bound_multipliers; /* n */
    /* Why this weight, of SOLVED by optimising: for each asset
     *   price_of_return * (mean - cost_slope) - risk_price = sum of rows' multiplier * a + bound */
    double price_of_return;
    const double *risk_price; /* n: what the variance terms ask */
    const double *cost_slope; /* n: of |w - current|, in [-cost, cost]; prices of limits apart */
    const double *row_price;  /* n: sum over prices of multiplier * gradient */
    int conflict_n;
    char conflict[KEEL_CONFLICT_MAX][KEEL_NAME_MAX]; /* "budget", "sector:DeFi", "upper:3" */
    /* A relaxation each: if this one alone gave way by so much, these would hold together. */
    double conflict_by[KEEL_CONFLICT_MAX];
    double violation; /* INFEASIBLE: the least sum of violations among them */
} keel_problem_answer;

typedef struct keel_solver keel_solver;

/* Room for n_max assets, 1..KEEL_PROBLEM_N_MAX; NULL out of range. Owned. */
KEEL_MUST_CHECK keel_solver *keel_solver_new(int n_max);
/* Room for covariances in factor form only, as keel_qp_new_factors. */
KEEL_MUST_CHECK keel_solver *keel_solver_new_factors(int n_max, int factors_max);
void keel_solver_free(keel_solver **solver);

/* Solve, from the warm status of the last call where n, the rows and the method are the same; where
 * there is no answer, by the fallbacks in their order, each within the same set. What is wrong with
 * the problem is named in *err (may be NULL), the warm status unchanged:
 *   KEEL_ERANGE      n, rows_n, lower above upper, lo above hi, a negative cost or limit,
 *                    too many fallbacks
 *   KEEL_ENONFINITE  a number that is not finite
 *   KEEL_EINVAL      what the method, or a fallback, needs is not there
 * KEEL_OK: *answer is written, see its outcome.
 * Cost: one QP (qp.h); TARGET_RISK, MAX_SHARPE, gross_max, turnover_max and tracking_error_max some
 * ten warm ones each. */
KEEL_MUST_CHECK keel_status keel_solver_solve(keel_solver *solver, const keel_problem *problem,
                                              keel_problem_answer *answer, keel_err *err);

/* y = S x, in either form of S, of a problem that keel_solver_solve took. x, y: n; scratch: n. */
void keel_problem_times(const keel_problem *problem, const double *x, double *y, int *scratch);

/* Forget the warm status. */
void keel_solver_reset(keel_solver *solver);

#endif
