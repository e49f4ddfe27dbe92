#include "services/workbench/frontier_survey.h"

#include "common/base/assert.h"
#include "common/num/la/sym.h"
#include "services/workbench/answer_json.h"
#include "services/workbench/solvers.h"

#include <math.h>
#include <string.h>

_Static_assert(KEEL_PROBLEM_ROWS_MAX + 1 <= KEEL_FRONTIER_M_MAX, "rows and the budget");
_Static_assert((int)KEEL_SURVEY_WHY_MAX == (int)KEEL_WHY_NOT_MAX, "one buffer for both");

/* Weights and rows that are nearer to a side than this are at it: corners are proved to
 * KEEL_FRONTIER_TOLERANCE at worst, and usually to 1e-15. */
static const double at_side = 1e-10;

/* What rounding leaves between the variance of the solver's answer and of the same corner. */
static const double variance_slack = 1e-9;

/* What rounding leaves of a risk or a return that is 0: this part of the largest of an asset. */
static const double rounding_frac = 1e-12;

enum { PLACES = 4, PIECES = 8 }; /* vectors of n beside the points; pieces of the arena */

static double *take(keel_survey *s)
{
    return keel_arena_take(&s->arena, (size_t)s->stated->problem.n, sizeof(double));
}

static keel_survey_place place_of(const keel_frontier_point *point, const double *weights)
{
    return (keel_survey_place){point->t, point->mean, sqrt(fmax(point->variance, 0)), weights};
}

keel_survey_place keel_survey_corner(const keel_survey *s, int index)
{
    const keel_frontier_corner corner = keel_frontier_corner_at(s->frontier, index);
    return (keel_survey_place){corner.t, corner.mean, sqrt(fmax(corner.variance, 0)),
                               corner.weights};
}

/* The minimum variance of the set, by the solver: it proves what the walk takes for granted, that
 * the covariance is semidefinite, and names what cannot hold together. */
static keel_status ask_least(keel_survey *s, keel_err *err)
{
    keel_problem least = s->stated->problem;
    least.method = KEEL_METHOD_MIN_VARIANCE;
    least.fallbacks_n = 0;
    least.current = NULL;
    least.cost = NULL;
    least.benchmark = NULL;
    least.gross_max = KEEL_NO_BOUND;
    least.turnover_max = KEEL_NO_BOUND;
    least.tracking_error_max = KEEL_NO_BOUND;
    return keel_solver_solve(s->solver, &least, &s->least, err);
}

bool keel_survey_is_refused(const keel_survey *s)
{
    return s->least.outcome == KEEL_PROBLEM_INFEASIBLE ||
           s->least.outcome == KEEL_PROBLEM_NOT_CONVEX;
}

static keel_status walk(keel_survey *s)
{
    const keel_problem *p = &s->stated->problem;
    const size_t n = (size_t)p->n;
    const bool has_budget = p->budget < KEEL_NO_BOUND;
    const int m = p->rows_n + has_budget;
    double *a = keel_xcalloc((size_t)(m + 1) * n, sizeof *a);
    double lo[KEEL_FRONTIER_M_MAX], hi[KEEL_FRONTIER_M_MAX];
    for (int k = 0; k < p->rows_n; k++) {
        memcpy(a + (size_t)k * n, p->rows[k].a, n * sizeof *a);
        lo[k] = p->rows[k].lo;
        hi[k] = p->rows[k].hi;
    }
    if (has_budget) {
        for (size_t i = 0; i < n; i++)
            a[(size_t)p->rows_n * n + i] = 1;
        lo[p->rows_n] = hi[p->rows_n] = p->budget;
    }
    const keel_frontier_problem problem = {p->n, m, p->covariance, p->mean, p->lower, p->upper, a,
                                           lo,   hi};
    s->frontier = keel_frontier_new(p->n, m, KEEL_FRONTIER_CORNERS_MAX);
    KEEL_ASSERT(s->frontier != NULL); /* n and m were checked */
    const int64_t begin = keel_solvers_clock_ns();
    const keel_status status = keel_frontier_solve(s->frontier, &problem, &s->walk);
    s->walk_ns = keel_solvers_clock_ns() - begin;
    keel_free(&a);
    return status;
}

/* Of corners with t = 0 the first: the same variance, and the highest mean. */
static void find_lowest(keel_survey *s)
{
    s->lowest = s->walk.corners - 1;
    while (s->lowest > 0 && keel_frontier_corner_at(s->frontier, s->lowest - 1).t <= 0)
        s->lowest--;
    s->min_variance = keel_survey_corner(s, s->lowest);
}

static keel_status find_points(keel_survey *s, int count)
{
    const keel_survey_place top = keel_survey_corner(s, 0);
    const double low = s->min_variance.expected_return, span = top.expected_return - low;
    s->points = keel_xcalloc((size_t)count, sizeof *s->points);
    s->points_n = span > 0 ? count : 1;
    s->points[0] = s->min_variance;
    for (int k = 1; k + 1 < s->points_n; k++) {
        keel_frontier_point point;
        double *weights = take(s);
        KEEL_TRY(keel_frontier_at_mean(s->frontier, low + span * k / (count - 1), &point, weights));
        s->points[k] = place_of(&point, weights);
    }
    if (s->points_n > 1)
        s->points[count - 1] = top;
    return KEEL_OK;
}

static bool is_riskless(const keel_survey *s, const keel_survey_place *place)
{
    return !(place->volatility > rounding_frac * s->volatility_scale);
}

static void measure(keel_survey *s)
{
    const keel_problem *p = &s->stated->problem;
    for (int i = 0; i < p->n; i++) {
        const double variance = p->covariance[keel_sym_at(p->n, i, i)];
        s->volatility_scale = fmax(s->volatility_scale, sqrt(fmax(variance, 0)));
        s->return_scale = fmax(s->return_scale, fabs(p->mean[i]));
    }
}

/* At a portfolio without risk there is no ratio. Where it expects more than risk_free none is the
 * largest. Where it expects just that, the ratio is the same all along the segment above it, and
 * the upper end of that is told. */
static void leave_riskless(keel_survey *s)
{
    const double excess = s->max_sharpe.expected_return - s->stated->problem.risk_free;
    if (excess > rounding_frac * s->return_scale)
        s->sharpe_found = KEEL_FRONTIER_RISKLESS;
    else if (s->lowest == 0)
        s->sharpe_found = KEEL_FRONTIER_NO_EXCESS;
    else
        s->max_sharpe = keel_survey_corner(s, s->lowest - 1);
}

static keel_status find_best(keel_survey *s)
{
    keel_frontier_point point;
    double *weights = take(s);
    KEEL_TRY(keel_frontier_max_sharpe(s->frontier, s->stated->problem.risk_free, &point, weights));
    s->sharpe_found = point.found;
    s->max_sharpe = place_of(&point, weights);
    if (point.found == KEEL_FRONTIER_FOUND && is_riskless(s, &s->max_sharpe))
        leave_riskless(s);
    return KEEL_OK;
}

/* Where a portfolio lies, and what the frontier has at its risk. */
static keel_status lay_beside(const keel_survey *s, const double *weights, keel_survey_beside *to)
{
    const keel_problem *p = &s->stated->problem;
    const double variance = fmax(keel_sym_quadratic(p->n, p->covariance, weights), 0);
    const double least = s->min_variance.volatility * s->min_variance.volatility;
    keel_frontier_point point;
    *to = (keel_survey_beside){.is_there = true};
    for (int i = 0; i < p->n; i++)
        to->place.expected_return += p->mean[i] * weights[i];
    to->place.volatility = sqrt(variance);
    to->place.weights = weights;
    KEEL_TRY(keel_frontier_at_variance(s->frontier, fmax(variance, least), &point, NULL));
    to->has_frontier = variance >= least * (1 - variance_slack);
    to->frontier_return = variance > least ? point.mean : s->min_variance.expected_return;
    return KEEL_OK;
}

static keel_status find_choice(keel_survey *s, keel_err *err)
{
    s->has_choice = true;
    keel_solver_reset(s->solver);
    KEEL_TRY(keel_solver_solve(s->solver, &s->stated->problem, &s->choice, err));
    if (s->choice.outcome != KEEL_PROBLEM_SOLVED)
        return KEEL_OK;
    double *weights = take(s);
    memcpy(weights, s->choice.weights, (size_t)s->stated->problem.n * sizeof *weights);
    return lay_beside(s, weights, &s->chosen);
}

static keel_status make_all(keel_survey *s, int points, bool has_choice, keel_err *err)
{
    const keel_problem *p = &s->stated->problem;
    s->solver = keel_solver_new(p->n);
    KEEL_ASSERT(s->solver != NULL); /* n was checked when the problem was read */
    KEEL_TRY(ask_least(s, err));
    if (keel_survey_is_refused(s))
        return KEEL_OK;
    KEEL_TRY(walk(s));
    s->whole = s->walk.outcome == KEEL_FRONTIER_WHOLE;
    if (!s->whole)
        return KEEL_OK;
    measure(s);
    find_lowest(s);
    KEEL_TRY(find_points(s, points));
    KEEL_TRY(find_best(s));
    if (p->current != NULL)
        KEEL_TRY(lay_beside(s, p->current, &s->current));
    return has_choice ? find_choice(s, err) : KEEL_OK;
}

keel_status keel_survey_make(const keel_stated *stated, int points, bool has_choice,
                             keel_survey *survey, keel_err *err)
{
    const keel_problem *p = &stated->problem;
    KEEL_ASSERT(points >= KEEL_SURVEY_POINTS_MIN && points <= KEEL_SURVEY_POINTS_MAX);
    memset(survey, 0, sizeof *survey);
    if (p->mean == NULL)
        return keel_err_set(err, KEEL_EINVAL,
                            "mean: missing; a frontier needs it (returns give it too)");
    if (p->n > KEEL_FRONTIER_N_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "assets: %d names; a frontier has at most %d", p->n,
                            KEEL_FRONTIER_N_MAX);
    survey->stated = stated;
    const size_t vectors = (size_t)points + PLACES;
    keel_arena_init(&survey->arena,
                    vectors * ((size_t)p->n * sizeof(double) + 16) + (size_t)PIECES * 16);
    const keel_status status = make_all(survey, points, has_choice, err);
    if (status != KEEL_OK)
        keel_survey_free(survey);
    return status;
}

void keel_survey_free(keel_survey *survey)
{
    keel_frontier_free(&survey->frontier);
    keel_solver_free(&survey->solver);
    keel_free(&survey->points);
    keel_arena_fini(&survey->arena);
    memset(survey, 0, sizeof *survey);
}

static const struct {
    const char *name;
    const char *why;
} outcomes[] = {
    [KEEL_FRONTIER_WHOLE] = {"whole", ""},
    [KEEL_FRONTIER_INFEASIBLE] = {"infeasible", "bounds and constraints cannot hold together"},
    [KEEL_FRONTIER_UNBOUNDED] = {"unbounded",
                                 "the expected return has no maximum; give lower, upper or a "
                                 "constraint that bounds the weights"},
    [KEEL_FRONTIER_UNCERTIFIED] = {"uncertified",
                                   "a corner is not exact enough to be vouched for; look at "
                                   "coefficients of very different sizes"},
    [KEEL_FRONTIER_SINGULAR] = {"singular",
                                "an asset without bounds depends on others; give it lower and "
                                "upper, or leave it out"},
    [KEEL_FRONTIER_CORNERS_FULL] = {"corners_full", "more corners than there is room for"},
    [KEEL_FRONTIER_STEP_LIMIT] = {"step_limit",
                                  "ties did not end within the bound on steps; look for "
                                  "constraints that are there twice, or a covariance of zeros"},
};

const char *keel_survey_outcome(const keel_survey *s)
{
    return keel_survey_is_refused(s) ? keel_problem_outcome_name(s->least.outcome)
                                     : outcomes[s->walk.outcome].name;
}

const char *keel_survey_why_not(const keel_survey *s, char out[KEEL_SURVEY_WHY_MAX])
{
    return keel_survey_is_refused(s) ? keel_why_not(s->stated, &s->least, out)
                                     : outcomes[s->walk.outcome].why;
}

static bool is_at(double value, double side)
{
    return fabs(value - side) <= at_side * fmax(1, fabs(side));
}

int keel_survey_assets(const keel_survey *s, const double *weights)
{
    int count = 0;
    for (int i = 0; i < s->stated->problem.n; i++)
        count += !is_at(weights[i], 0);
    return count;
}

bool keel_survey_sharpe(const keel_survey *s, const keel_survey_place *place, double *out)
{
    if (is_riskless(s, place))
        return false;
    *out = (place->expected_return - s->stated->problem.risk_free) / place->volatility;
    return true;
}

keel_problem_outcome keel_survey_sharpe_outcome(const keel_survey *s)
{
    if (s->sharpe_found == KEEL_FRONTIER_NO_EXCESS)
        return KEEL_PROBLEM_NO_EXCESS_RETURN;
    return s->sharpe_found == KEEL_FRONTIER_RISKLESS ? KEEL_PROBLEM_NO_RISK : KEEL_PROBLEM_SOLVED;
}

const char *keel_survey_change_name(keel_survey_change change)
{
    static const char *const names[] = {
        [KEEL_SURVEY_STAYS] = "",
        [KEEL_SURVEY_ENTERS] = "enters",
        [KEEL_SURVEY_LEAVES] = "leaves",
        [KEEL_SURVEY_TO_LOWER] = "at lower",
        [KEEL_SURVEY_OFF_LOWER] = "off lower",
        [KEEL_SURVEY_TO_UPPER] = "at upper",
        [KEEL_SURVEY_OFF_UPPER] = "off upper",
        [KEEL_SURVEY_BINDS] = "binds",
        [KEEL_SURVEY_LETS_GO] = "lets go",
    };
    return names[change];
}

/* What holds a value all along a segment, known from its ends: it is linear in between. Segment k
 * lies below corner k; above the first corner and below the last the path stands still. */
typedef enum side { BETWEEN, AT_ZERO, AT_LOWER, AT_UPPER } side;

static int upper_end(int segment)
{
    return segment < 0 ? 0 : segment;
}

static int lower_end(const keel_survey *s, int segment)
{
    return segment + 1 < s->walk.corners ? segment + 1 : s->walk.corners - 1;
}

static bool both_at(const double ends[2], double value)
{
    return is_at(ends[0], value) && is_at(ends[1], value);
}

static side asset_side(const keel_survey *s, int segment, int asset)
{
    const keel_problem *p = &s->stated->problem;
    const double ends[] = {keel_survey_corner(s, upper_end(segment)).weights[asset],
                           keel_survey_corner(s, lower_end(s, segment)).weights[asset]};
    if (both_at(ends, 0))
        return AT_ZERO;
    if (both_at(ends, p->lower[asset]))
        return AT_LOWER;
    return both_at(ends, p->upper[asset]) ? AT_UPPER : BETWEEN;
}

keel_survey_change keel_survey_asset_change(const keel_survey *s, int corner, int asset)
{
    const side above = asset_side(s, corner - 1, asset), below = asset_side(s, corner, asset);
    if (above == below)
        return KEEL_SURVEY_STAYS;
    if (above == AT_ZERO)
        return KEEL_SURVEY_ENTERS;
    if (below == AT_ZERO)
        return KEEL_SURVEY_LEAVES;
    if (below == BETWEEN)
        return above == AT_UPPER ? KEEL_SURVEY_OFF_UPPER : KEEL_SURVEY_OFF_LOWER;
    return below == AT_UPPER ? KEEL_SURVEY_TO_UPPER : KEEL_SURVEY_TO_LOWER;
}

static double row_value(const keel_survey *s, int corner, int row)
{
    const keel_problem *p = &s->stated->problem;
    const double *weights = keel_survey_corner(s, corner).weights;
    double value = 0;
    for (int i = 0; i < p->n; i++)
        value += p->rows[row].a[i] * weights[i];
    return value;
}

static side row_side(const keel_survey *s, int segment, int row)
{
    const keel_problem_row *r = &s->stated->problem.rows[row];
    const double ends[] = {row_value(s, upper_end(segment), row),
                           row_value(s, lower_end(s, segment), row)};
    if (both_at(ends, r->lo))
        return AT_LOWER;
    return both_at(ends, r->hi) ? AT_UPPER : BETWEEN;
}

keel_survey_change keel_survey_row_change(const keel_survey *s, int corner, int row)
{
    const side above = row_side(s, corner - 1, row), below = row_side(s, corner, row);
    if (above == below)
        return KEEL_SURVEY_STAYS;
    return below == BETWEEN ? KEEL_SURVEY_LETS_GO : KEEL_SURVEY_BINDS;
}
