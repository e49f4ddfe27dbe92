/* frontier_survey.h - the whole frontier of a stated problem, and where portfolios lie beside it.
 *
 * ROOM     services/workbench. The walk: common/num/solve/frontier.h; whether there is a frontier
 *          at all, and what cannot hold together: services/optimizer/engine/problem.h.
 * MODEL    The set is that of the problem without what is not linear: sum w = budget, bounds, rows.
 *          Costs, turnover and tracking error belong to the chosen portfolio alone. Per bar.
 *            corners        from the highest return, index 0, down to the least variance
 *            points         equally spaced in the expected return, both ends included
 *            minimum variance   of several with that variance the one that expects most
 *            sharpe         (expected_return - risk_free) / volatility
 * MEMORY   keel_survey_make takes everything; end with keel_survey_free.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_WORKBENCH_FRONTIER_SURVEY_H
#define KEEL_SERVICES_WORKBENCH_FRONTIER_SURVEY_H

#include "common/num/solve/frontier.h"
#include "services/workbench/problem_json.h"

#include <stdint.h>

enum {
    KEEL_SURVEY_POINTS_DEFAULT = 20,
    KEEL_SURVEY_POINTS_MIN = 2,
    KEEL_SURVEY_POINTS_MAX = 1000,
};

/* One portfolio: n weights, in the survey's memory. */
typedef struct keel_survey_place {
    double t; /* of what lies on the frontier */
    double expected_return;
    double volatility;
    const double *weights;
} keel_survey_place;

/* A portfolio that need not be on the frontier. */
typedef struct keel_survey_beside {
    bool is_there;
    keel_survey_place place; /* its t is 0 */
    bool has_frontier;       /* false: no portfolio of the set has a risk as low */
    double frontier_return;  /* the highest expected return at no more risk */
} keel_survey_beside;

typedef struct keel_survey {
    const keel_stated *stated; /* borrowed */
    bool whole;                /* what follows `walk` is there only then */
    keel_problem_answer least; /* minimum variance by the solver; its outcome and conflict alone */
    keel_frontier_answer walk;
    int64_t walk_ns;
    keel_frontier *frontier; /* owned */
    int lowest;              /* the corner that is the minimum variance portfolio */
    keel_survey_place min_variance;
    keel_frontier_find sharpe_found;
    keel_survey_place max_sharpe; /* of FOUND */
    int points_n;                 /* 1 where the frontier is one portfolio */
    keel_survey_place *points;    /* owned */
    keel_survey_beside current;
    bool has_choice;
    keel_problem_answer choice; /* of the problem's method */
    keel_survey_beside chosen;  /* is_there where that is SOLVED */
    double volatility_scale;    /* the largest of an asset: what is 0 beside it */
    double return_scale;
    keel_solver *solver; /* owned */
    keel_arena arena;    /* owned: weights */
} keel_survey;

/* Survey *stated, which stays the caller's and outlives the survey. has_choice: solve the problem
 * by its method too. Refused with *err, nothing is left to free: KEEL_EINVAL there is no mean;
 * KEEL_ETOOBIG more than KEEL_FRONTIER_N_MAX assets; statuses of keel_solver_solve. KEEL_OK: see
 * `whole`. Cost: one or two solves, the frontier, and n for each point. */
KEEL_MUST_CHECK keel_status keel_survey_make(const keel_stated *stated, int points, bool has_choice,
                                             keel_survey *survey, keel_err *err);
void keel_survey_free(keel_survey *survey);

/* Is there no frontier for what `least` says? */
bool keel_survey_is_refused(const keel_survey *survey);

/* "whole", "infeasible", "not_convex", "unbounded", "uncertified", "singular", ... */
const char *keel_survey_outcome(const keel_survey *survey);

/* Why there is no whole frontier, as a sentence; "" when there is. `out` or a constant. */
enum { KEEL_SURVEY_WHY_MAX = 1024 };
const char *keel_survey_why_not(const keel_survey *survey, char out[KEEL_SURVEY_WHY_MAX]);

/* The portfolio of a corner, 0..walk.corners-1. */
keel_survey_place keel_survey_corner(const keel_survey *survey, int index);

/* How many weights are not 0. */
int keel_survey_assets(const keel_survey *survey, const double *weights);

/* false where the volatility is 0, within rounding. */
bool keel_survey_sharpe(const keel_survey *survey, const keel_survey_place *place, double *out);

/* The outcome of the best ratio in words of problem.h: SOLVED, NO_EXCESS_RETURN or NO_RISK. */
keel_problem_outcome keel_survey_sharpe_outcome(const keel_survey *survey);

/* What happens at a corner on the way down: the path below it against the path above. */
typedef enum keel_survey_change {
    KEEL_SURVEY_STAYS,
    KEEL_SURVEY_ENTERS, /* its weight is 0 above, and not below */
    KEEL_SURVEY_LEAVES,
    KEEL_SURVEY_TO_LOWER, /* of a weight that is not 0 there */
    KEEL_SURVEY_OFF_LOWER,
    KEEL_SURVEY_TO_UPPER,
    KEEL_SURVEY_OFF_UPPER,
    KEEL_SURVEY_BINDS, /* a constraint comes to one of its sides */
    KEEL_SURVEY_LETS_GO,
} keel_survey_change;

const char *keel_survey_change_name(keel_survey_change change); /* "enters"; "" of STAYS */

/* Above the first corner and below the last the portfolio is that of the corner. */
keel_survey_change keel_survey_asset_change(const keel_survey *survey, int corner, int asset);
keel_survey_change keel_survey_row_change(const keel_survey *survey, int corner, int row);

#endif
