#include "services/optimizer/engine/allocate.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/base/text.h"
#include "common/domain/estimate.h"
#include "common/num/solve/qp.h"
#include "services/optimizer/engine/support.h"

#include <math.h>
#include <string.h>

enum { SNAPSHOT_MAGIC = 0x434f4c41 /* "ALOC" */, SNAPSHOT_VERSION = 1, STATUS_SLACK = 256 };
enum { CONFLICT_NAMES_MAX = 6 };

struct keel_allocator {
    int n;
    int m; /* rows: "budget" first, then the sectors */
    keel_method method;
    int positions_max; /* 1..n */
    bool has_static;
    double *fixed; /* n: STATIC */
    char (*symbols)[KEEL_SYMBOL_MAX];
    double *lower; /* n, as configured */
    double *upper;
    double *low; /* n, of the problem that is solved */
    double *high;
    double *rows; /* m x n */
    double *row_lo;
    double *row_hi;
    int *sector_of; /* n */
    keel_constraint constraints[KEEL_CONSTRAINTS_MAX];
    int *members;     /* m x n */
    double *ones;     /* n */
    double *identity; /* packed */
    double *target;   /* n: closed form before it is placed in the set */
    double *score;    /* n */
    bool *kept;       /* n */
    bool *demanded;   /* n */
    double *weights;  /* n */
    double *zeros;    /* n: multipliers of closed forms */
    keel_qp *full;    /* all instruments */
    keel_qp *reduced; /* a chosen support, or a projection */
    uint8_t *backup;  /* warm status of `full` while load() may still fail */
    size_t backup_cap;
};

double keel_half_variance(int n, const double *covariance, const double *weights)
{
    double sum = 0.0;
    for (int j = 0; j < n; j++) {
        const double *column = covariance + keel_packed_at(n, j, j);
        double inner = 0.5 * column[0] * weights[j];
        for (int i = j + 1; i < n; i++)
            inner += column[i - j] * weights[i];
        sum += inner * weights[j];
    }
    return sum;
}

static double sum_of(int n, const double *x)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static keel_support_problem support_problem(const keel_allocator *a)
{
    return (keel_support_problem){
        .n = a->n,
        .positions_max = a->positions_max,
        .budget = a->row_lo[0],
        .lower = a->lower,
        .upper = a->upper,
        .sectors_n = a->m - 1,
        .sector_lo = a->row_lo + 1,
        .sector_hi = a->row_hi + 1,
        .sector_of = a->sector_of,
    };
}

/* The bounds of the problem restricted to kept[]. */
static void restrict_bounds(keel_allocator *a)
{
    for (int i = 0; i < a->n; i++) {
        a->low[i] = a->kept[i] ? a->lower[i] : 0.0;
        a->high[i] = a->kept[i] ? a->upper[i] : 0.0;
    }
}

static void open_bounds(keel_allocator *a)
{
    memcpy(a->low, a->lower, (size_t)a->n * sizeof(double));
    memcpy(a->high, a->upper, (size_t)a->n * sizeof(double));
}

/* The largest violation of bounds and rows by w. */
static double violation_of(const keel_allocator *a, const double *w)
{
    double worst = 0.0;
    for (int i = 0; i < a->n; i++)
        worst = fmax(worst, fmax(a->low[i] - w[i], w[i] - a->high[i]));
    for (int r = 0; r < a->m; r++) {
        double sum = 0.0;
        for (int i = 0; i < a->n; i++)
            sum += a->rows[r * a->n + i] * w[i];
        worst = fmax(worst, fmax(a->row_lo[r] - sum, sum - a->row_hi[r]));
    }
    return worst;
}

static keel_qp_problem problem_over(const keel_allocator *a, const double *s, const double *c)
{
    return (keel_qp_problem){
        .n = a->n,
        .m = a->m,
        .s = s,
        .c = c,
        .lower = a->low,
        .upper = a->high,
        .a = a->rows,
        .row_lo = a->row_lo,
        .row_hi = a->row_hi,
    };
}

static void name_conflict(const keel_allocator *a, const keel_qp_answer *qp, bool limited,
                          char text[KEEL_REASON_TEXT_MAX])
{
    size_t len = 0;
    int named = 0;
    text[0] = '\0';
    for (int k = 0; k < qp->conflict_n && named < CONFLICT_NAMES_MAX; k++, named++) {
        const int id = qp->conflict[k];
        const char *comma = named > 0 ? ", " : "";
        if (id < a->m)
            (void)keel_text_add(text, KEEL_REASON_TEXT_MAX, &len, "%s%s", comma,
                                a->constraints[id].name);
        else
            (void)keel_text_add(text, KEEL_REASON_TEXT_MAX, &len, "%sbounds:%s", comma,
                                a->symbols[id - a->m]);
    }
    if (qp->conflict_n > named)
        (void)keel_text_add(text, KEEL_REASON_TEXT_MAX, &len, " and %d more",
                            qp->conflict_n - named);
    if (limited)
        (void)keel_text_add(text, KEEL_REASON_TEXT_MAX, &len, "%sportfolio.max_positions %d",
                            len > 0 ? ", " : "", a->positions_max);
}

static keel_outcome outcome_of(keel_qp_outcome outcome)
{
    switch (outcome) {
    case KEEL_QP_OPTIMAL:
        return KEEL_OUTCOME_SOLVED;
    case KEEL_QP_INFEASIBLE:
        return KEEL_OUTCOME_INFEASIBLE;
    case KEEL_QP_ITERATION_LIMIT:
        return KEEL_OUTCOME_ITERATION_LIMIT;
    case KEEL_QP_UNBOUNDED: /* a definite covariance always has a least variance */
        return KEEL_OUTCOME_ITERATION_LIMIT;
    case KEEL_QP_SINGULAR:
        return KEEL_OUTCOME_SINGULAR;
    }
    return KEEL_OUTCOME_UNSPECIFIED;
}

static void finish(keel_allocator *a, const double *covariance, keel_allocation_answer *out)
{
    out->weights = a->weights;
    out->lower = a->low;
    out->upper = a->high;
    out->constraints_n = a->m;
    out->constraints = a->constraints;
    out->objective = keel_half_variance(a->n, covariance, a->weights);
    for (int i = 0; i < a->n; i++)
        out->positions += a->weights[i] > 0.0;
}

static void set_multipliers(keel_allocator *a, const double *y)
{
    for (int r = 0; r < a->m; r++)
        a->constraints[r].multiplier = y != NULL ? y[r] : 0.0;
}

/* A free variable may end a rounding outside its bound, and a weight below 0 is no weight. The rows
 * then miss by as much, which the primal residual says. */
static void take_point(keel_allocator *a, const double *x)
{
    for (int i = 0; i < a->n; i++)
        a->weights[i] = fmin(a->high[i], fmax(a->low[i], x[i]));
}

/* One exact solve over low[], high[]. */
static keel_status solve_min_variance(keel_allocator *a, keel_qp *qp, const double *covariance,
                                      keel_allocation_answer *out)
{
    const keel_qp_problem problem = problem_over(a, covariance, NULL);
    keel_qp_answer answer;
    memset(out, 0, sizeof *out);
    KEEL_TRY(keel_qp_solve(qp, &problem, &answer));
    out->outcome = outcome_of(answer.outcome);
    if (answer.outcome == KEEL_QP_INFEASIBLE)
        name_conflict(a, &answer, qp == a->reduced, out->conflict);
    if (answer.outcome != KEEL_QP_OPTIMAL)
        return KEEL_OK;
    take_point(a, answer.x);
    set_multipliers(a, answer.y);
    out->bound_multipliers = answer.z;
    out->certificate = (keel_certificate){
        .kind = KEEL_CERTIFICATE_OPTIMAL,
        .outcome = KEEL_OUTCOME_SOLVED,
        .iterations = answer.iterations,
        .primal_residual = fmax(answer.primal_residual, violation_of(a, a->weights)),
        .dual_residual = answer.dual_residual,
        .gap = answer.gap,
    };
    finish(a, covariance, out);
    return KEEL_OK;
}

static keel_status min_variance(keel_allocator *a, const double *covariance,
                                keel_allocation_answer *out)
{
    open_bounds(a);
    KEEL_TRY(solve_min_variance(a, a->full, covariance, out));
    if (out->outcome != KEEL_OUTCOME_SOLVED || out->positions <= a->positions_max)
        return KEEL_OK;
    const keel_support_problem p = support_problem(a);
    memcpy(a->score, a->weights, (size_t)a->n * sizeof(double));
    keel_support_choose(&p, a->score, a->kept, a->demanded);
    restrict_bounds(a);
    return solve_min_variance(a, a->reduced, covariance, out);
}

/* The nearest point of the set to target[], as minimum of 1/2 |w|^2 - target'w. */
static keel_status project(keel_allocator *a, keel_allocation_answer *out)
{
    const keel_qp_problem problem = problem_over(a, a->identity, a->target);
    keel_qp_answer answer;
    KEEL_TRY(keel_qp_solve(a->reduced, &problem, &answer));
    out->outcome = outcome_of(answer.outcome);
    if (answer.outcome == KEEL_QP_INFEASIBLE)
        name_conflict(a, &answer, a->positions_max < a->n, out->conflict);
    if (answer.outcome == KEEL_QP_OPTIMAL)
        take_point(a, answer.x);
    out->certificate.iterations = answer.iterations;
    return KEEL_OK;
}

/* A closed form in target[], with low[] and high[] set: taken as it is, or projected. */
static keel_status place(keel_allocator *a, const double *covariance, keel_allocation_answer *out)
{
    memset(out, 0, sizeof *out);
    out->outcome = KEEL_OUTCOME_SOLVED;
    if (violation_of(a, a->target) <= KEEL_FEASIBLE_TOLERANCE) {
        memcpy(a->weights, a->target, (size_t)a->n * sizeof(double));
    } else {
        KEEL_TRY(project(a, out));
        const keel_status status = keel_text_copy(
            out->certificate.parent, sizeof out->certificate.parent, keel_method_name(a->method));
        KEEL_ASSERT(status == KEEL_OK);
    }
    if (out->outcome != KEEL_OUTCOME_SOLVED)
        return KEEL_OK;
    set_multipliers(a, NULL);
    out->bound_multipliers = a->zeros;
    out->certificate.kind = KEEL_CERTIFICATE_FEASIBLE;
    out->certificate.outcome = KEEL_OUTCOME_SOLVED;
    out->certificate.primal_residual = violation_of(a, a->weights);
    finish(a, covariance, out);
    return KEEL_OK;
}

/* target[] = budget shared in proportion to share_of over the support chosen by score[]. */
static void share_budget(keel_allocator *a, const double *share_of)
{
    const keel_support_problem p = support_problem(a);
    keel_support_choose(&p, a->score, a->kept, a->demanded);
    restrict_bounds(a);
    double sum = 0.0;
    for (int i = 0; i < a->n; i++)
        sum += a->kept[i] ? share_of[i] : 0.0;
    for (int i = 0; i < a->n; i++)
        a->target[i] = a->kept[i] ? a->row_hi[0] * share_of[i] / sum : 0.0;
}

static void equal_target(keel_allocator *a)
{
    for (int i = 0; i < a->n; i++)
        a->score[i] = -(double)i;
    share_budget(a, a->ones);
}

static void inverse_volatility_target(keel_allocator *a, const double *covariance)
{
    for (int i = 0; i < a->n; i++)
        a->score[i] = 1.0 / sqrt(covariance[keel_packed_at(a->n, i, i)]);
    share_budget(a, a->score);
}

static void static_target(keel_allocator *a)
{
    if (!a->has_static) {
        equal_target(a);
        return;
    }
    open_bounds(a);
    memcpy(a->target, a->fixed, (size_t)a->n * sizeof(double));
}

static keel_status check_covariance(const keel_allocator *a, const double *covariance)
{
    for (size_t k = 0; k < keel_packed_len(a->n); k++)
        if (!isfinite(covariance[k]))
            return KEEL_ENONFINITE;
    for (int i = 0; i < a->n; i++)
        if (covariance[keel_packed_at(a->n, i, i)] <= 0.0)
            return KEEL_ENONFINITE;
    return KEEL_OK;
}

keel_status keel_allocator_solve(keel_allocator *a, const double *covariance,
                                 keel_allocation_answer *answer)
{
    KEEL_TRY(check_covariance(a, covariance));
    if (a->method == KEEL_METHOD_MIN_VARIANCE)
        return min_variance(a, covariance, answer);
    if (a->method == KEEL_METHOD_EQUAL_WEIGHT)
        equal_target(a);
    else if (a->method == KEEL_METHOD_INVERSE_VOLATILITY)
        inverse_volatility_target(a, covariance);
    else
        static_target(a);
    return place(a, covariance, answer);
}

static keel_status check_numbers(const keel_allocator_cfg *c, keel_err *err)
{
    const int n = c->universe->n;
    if (n < 1 || n > KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_ERANGE, "%d instruments, allowed 1..%d", n,
                            KEEL_UNIVERSE_MAX);
    if (c->method < KEEL_METHOD_EQUAL_WEIGHT || c->method > KEEL_METHOD_STATIC)
        return keel_err_set(err, KEEL_EINVAL, "optimizer.method: not a method of the optimizer");
    if (!(c->cash_min >= 0.0 && c->cash_min < 1.0))
        return keel_err_set(err, KEEL_ERANGE, "optimizer.cash_min %g, allowed 0 <= cash < 1",
                            c->cash_min);
    if (c->positions_max < 0)
        return keel_err_set(err, KEEL_ERANGE, "portfolio.max_positions %d is negative",
                            c->positions_max);
    for (int i = 0; i < n; i++)
        if (!(c->lower[i] >= 0.0 && c->lower[i] <= c->upper[i] && c->upper[i] <= 1.0))
            return keel_err_set(err, KEEL_ERANGE,
                                "optimizer.bounds.%s: [%g, %g] is not inside [0, 1]",
                                c->universe->instruments[i].symbol, c->lower[i], c->upper[i]);
    return KEEL_OK;
}

static bool sector_has_member(const keel_universe *u, const char *name)
{
    for (int i = 0; i < u->n; i++)
        if (strcmp(u->instruments[i].sector, name) == 0)
            return true;
    return false;
}

static keel_status check_sectors(const keel_allocator_cfg *c, keel_err *err)
{
    if (c->sectors_n < 0 || c->sectors_n > KEEL_SECTORS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "optimizer.sectors: %d bands, at most %d",
                            c->sectors_n, KEEL_SECTORS_MAX);
    for (int s = 0; s < c->sectors_n; s++) {
        const keel_sector_band *b = &c->sectors[s];
        if (!(b->lo >= 0.0 && b->lo <= b->hi && b->hi <= 1.0))
            return keel_err_set(err, KEEL_ERANGE,
                                "optimizer.sectors.%s: [%g, %g] is not inside [0, 1]", b->name,
                                b->lo, b->hi);
        if (!sector_has_member(c->universe, b->name))
            return keel_err_set(err, KEEL_EUNKNOWN,
                                "optimizer.sectors.%s: no instrument has this sector", b->name);
        for (int t = 0; t < s; t++)
            if (strcmp(b->name, c->sectors[t].name) == 0)
                return keel_err_set(err, KEEL_EEXIST, "optimizer.sectors.%s: given twice", b->name);
    }
    return KEEL_OK;
}

static void take_arrays(keel_allocator *a)
{
    const size_t n = (size_t)a->n, m = (size_t)a->m;
    a->fixed = keel_xcalloc(n, sizeof(double));
    a->symbols = keel_xcalloc(n, sizeof *a->symbols);
    a->lower = keel_xcalloc(n, sizeof(double));
    a->upper = keel_xcalloc(n, sizeof(double));
    a->low = keel_xcalloc(n, sizeof(double));
    a->high = keel_xcalloc(n, sizeof(double));
    a->rows = keel_xcalloc(m * n, sizeof(double));
    a->row_lo = keel_xcalloc(m, sizeof(double));
    a->row_hi = keel_xcalloc(m, sizeof(double));
    a->sector_of = keel_xcalloc(n, sizeof(int));
    a->members = keel_xcalloc(m * n, sizeof(int));
    a->ones = keel_xcalloc(n, sizeof(double));
    a->identity = keel_xcalloc(keel_packed_len(a->n), sizeof(double));
    a->target = keel_xcalloc(n, sizeof(double));
    a->score = keel_xcalloc(n, sizeof(double));
    a->kept = keel_xcalloc(n, sizeof(bool));
    a->demanded = keel_xcalloc(n, sizeof(bool));
    a->weights = keel_xcalloc(n, sizeof(double));
    a->zeros = keel_xcalloc(n, sizeof(double));
    a->full = keel_qp_new(a->n, a->m);
    a->reduced = keel_qp_new(a->n, a->m);
    KEEL_ASSERT(a->full != NULL && a->reduced != NULL);
    a->backup_cap = n + m + STATUS_SLACK;
    a->backup = keel_xcalloc(a->backup_cap, 1);
}

/* Row r over the instruments whose sector_of is `sector` (-1 = all). */
static void add_row(keel_allocator *a, int r, int sector, double lo, double hi)
{
    keel_constraint *c = &a->constraints[r];
    int *members = a->members + r * a->n;
    for (int i = 0; i < a->n; i++) {
        if (sector >= 0 && a->sector_of[i] != sector)
            continue;
        a->rows[r * a->n + i] = 1.0;
        members[c->n++] = i;
    }
    c->indices = members;
    c->coefficients = a->ones;
    c->lo = a->row_lo[r] = lo;
    c->hi = a->row_hi[r] = hi;
}

static void name_row(keel_constraint *c, const char *kind, const char *name)
{
    size_t len = 0;
    const bool fits = keel_text_add(c->name, sizeof c->name, &len, "%s%s", kind, name);
    KEEL_ASSERT(fits);
}

static void fill(keel_allocator *a, const keel_allocator_cfg *c)
{
    const double budget = 1.0 - c->cash_min;
    for (int i = 0; i < a->n; i++) {
        memcpy(a->symbols[i], c->universe->instruments[i].symbol, KEEL_SYMBOL_MAX);
        a->lower[i] = c->lower[i];
        a->upper[i] = c->upper[i];
        a->ones[i] = 1.0;
        a->identity[keel_packed_at(a->n, i, i)] = 1.0;
        a->fixed[i] = a->has_static ? c->weights[i] : 0.0;
        a->sector_of[i] = -1;
        for (int s = 0; s < c->sectors_n; s++)
            if (strcmp(c->sectors[s].name, c->universe->instruments[i].sector) == 0)
                a->sector_of[i] = s;
    }
    add_row(a, 0, -1, a->has_static ? 0.0 : budget, budget);
    name_row(&a->constraints[0], "budget", "");
    for (int s = 0; s < c->sectors_n; s++) {
        add_row(a, s + 1, s, c->sectors[s].lo, c->sectors[s].hi);
        name_row(&a->constraints[s + 1], "sector:", c->sectors[s].name);
    }
}

static keel_status check_static(keel_allocator *a, keel_err *err)
{
    int positions = 0;
    open_bounds(a);
    for (int i = 0; i < a->n; i++) {
        if (!(a->fixed[i] >= a->lower[i] && a->fixed[i] <= a->upper[i]))
            return keel_err_set(err, KEEL_EINFEASIBLE,
                                "optimizer.weights.%s: %g is outside its bounds [%g, %g]",
                                a->symbols[i], a->fixed[i], a->lower[i], a->upper[i]);
        positions += a->fixed[i] > 0.0;
    }
    if (positions > a->positions_max)
        return keel_err_set(err, KEEL_EINFEASIBLE,
                            "optimizer.weights: %d positions, portfolio.max_positions is %d",
                            positions, a->positions_max);
    if (violation_of(a, a->fixed) > KEEL_FEASIBLE_TOLERANCE)
        return keel_err_set(
            err, KEEL_EINFEASIBLE,
            "optimizer.weights: sum %g; a sum above %g = 1 - optimizer.cash_min, or "
            "a sector outside its band of optimizer.sectors",
            sum_of(a->n, a->fixed), a->row_hi[0]);
    return KEEL_OK;
}

/* Can so few weights fill the budget? */
static keel_status check_support(keel_allocator *a, keel_err *err)
{
    const keel_support_problem p = support_problem(a);
    memset(a->score, 0, (size_t)a->n * sizeof(double));
    keel_support_choose(&p, a->score, a->kept, a->demanded);
    int kept = 0;
    for (int i = 0; i < a->n; i++)
        kept += a->kept[i];
    if (kept > a->positions_max)
        return keel_err_set(err, KEEL_EINFEASIBLE,
                            "portfolio.max_positions %d: %d lower bounds of weights are above 0",
                            a->positions_max, kept);
    const double reach = keel_support_capacity(&p, a->kept);
    if (reach < a->row_lo[0] - KEEL_FEASIBLE_TOLERANCE)
        return keel_err_set(err, KEEL_EINFEASIBLE,
                            "portfolio.max_positions %d: so many weights reach %g, below %g = 1 - "
                            "optimizer.cash_min: raise it, or optimizer.weight_max",
                            a->positions_max, reach, a->row_lo[0]);
    return KEEL_OK;
}

/* Is there any portfolio at all? Solved as a projection of 0, which names what conflicts. */
static keel_status check_feasible(keel_allocator *a, keel_err *err)
{
    keel_allocation_answer probe;
    if (a->has_static)
        return check_static(a, err);
    open_bounds(a);
    const double most = sum_of(a->n, a->upper);
    if (most < a->row_lo[0] - KEEL_FEASIBLE_TOLERANCE)
        return keel_err_set(err, KEEL_EINFEASIBLE,
                            "budget: the upper bounds of %d instruments sum to %g, below %g = 1 - "
                            "optimizer.cash_min: raise optimizer.weight_max or optimizer.cash_min",
                            a->n, most, a->row_lo[0]);
    memset(&probe, 0, sizeof probe);
    KEEL_TRY(project(a, &probe));
    if (probe.outcome != KEEL_OUTCOME_SOLVED)
        return keel_err_set(err, KEEL_EINFEASIBLE,
                            "optimizer: no weights satisfy the limits; in conflict: %s",
                            probe.conflict);
    return check_support(a, err);
}

keel_allocator *keel_allocator_new(const keel_allocator_cfg *cfg, keel_err *err)
{
    if (check_numbers(cfg, err) != KEEL_OK || check_sectors(cfg, err) != KEEL_OK)
        return NULL;
    keel_allocator *a = keel_xcalloc(1, sizeof *a);
    a->n = cfg->universe->n;
    a->m = cfg->sectors_n + 1;
    a->method = cfg->method;
    a->has_static = cfg->method == KEEL_METHOD_STATIC && cfg->weights != NULL;
    a->positions_max =
        cfg->positions_max > 0 && cfg->positions_max < a->n ? cfg->positions_max : a->n;
    take_arrays(a);
    fill(a, cfg);
    if (check_feasible(a, err) != KEEL_OK)
        keel_allocator_free(&a);
    else
        keel_qp_reset(a->reduced);
    return a;
}

void keel_allocator_free(keel_allocator **allocator)
{
    keel_allocator *a = *allocator;
    if (a == NULL)
        return;
    keel_qp_free(&a->full);
    keel_qp_free(&a->reduced);
    void *const owned[] = {a->fixed,    a->symbols,  a->lower,  a->upper,  a->low,
                           a->high,     a->rows,     a->row_lo, a->row_hi, a->members,
                           a->ones,     a->identity, a->target, a->score,  a->kept,
                           a->demanded, a->weights,  a->zeros,  a->backup, a->sector_of};
    for (size_t k = 0; k < sizeof owned / sizeof owned[0]; k++) {
        void *p = owned[k];
        keel_free(&p);
    }
    keel_free(allocator);
}

static size_t status_len(const keel_qp *qp)
{
    size_t len = 0;
    if (keel_qp_save(qp, NULL, 0, &len) == KEEL_OK)
        KEEL_ASSERT(len == 0);
    return len;
}

keel_status keel_allocator_save(const keel_allocator *a, uint8_t *buf, size_t cap, size_t *len)
{
    const keel_qp *parts[] = {a->full, a->reduced};
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, SNAPSHOT_MAGIC);
    keel_pack_u32(&p, SNAPSHOT_VERSION);
    for (int k = 0; k < 2; k++) {
        const size_t need = status_len(parts[k]);
        size_t wrote = 0;
        keel_pack_u32(&p, (uint32_t)need);
        if (!p.failed && p.cap - p.len >= need)
            KEEL_TRY(keel_qp_save(parts[k], p.buf + p.len, need, &wrote));
        else
            p.failed = true;
        p.len += need;
    }
    return keel_packer_done(&p, len);
}

keel_status keel_allocator_load(keel_allocator *a, const uint8_t *buf, size_t len)
{
    keel_unpacker u = keel_unpacker_over(buf, len);
    size_t full_len = 0, reduced_len = 0, backup_len = 0;
    const uint32_t magic = keel_unpack_u32(&u), version = keel_unpack_u32(&u);
    const uint8_t *full = keel_unpack_blob(&u, &full_len);
    const uint8_t *reduced = keel_unpack_blob(&u, &reduced_len);
    KEEL_TRY(keel_unpacker_done(&u));
    if (magic != SNAPSHOT_MAGIC || version != SNAPSHOT_VERSION)
        return KEEL_EFORMAT;
    keel_status status = keel_qp_save(a->full, a->backup, a->backup_cap, &backup_len);
    KEEL_ASSERT(status == KEEL_OK);
    KEEL_TRY(keel_qp_load(a->full, full, full_len));
    status = keel_qp_load(a->reduced, reduced, reduced_len);
    if (status != KEEL_OK) {
        const keel_status undone = keel_qp_load(a->full, a->backup, backup_len);
        KEEL_ASSERT(undone == KEEL_OK);
    }
    return status;
}
