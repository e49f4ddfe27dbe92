/* OP17, RL10: a proposal is approved only when everything it claims is true. */
#include "tests/unit/risk/fixture.h"

#include <float.h>

static problem p;
static keel_risk_finding finding;

static keel_reason_code judge(void)
{
    keel_risk_verify(&p.evidence, &p.proposal, &finding);
    return finding.reason.code;
}

#define SHOULD_BE(code) cr_expect_eq(judge(), KEEL_REASON_##code, "%s", finding.reason.text)

Test(verify, takes_true_answers_of_many_problems)
{
    double worst = 0;
    int at_lower = 0, at_upper = 0, in_band = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        make_problem(&p, 6 + (int)(seed % 19), seed);
        cr_assert_eq(judge(), KEEL_REASON_VERIFIED, "seed %lu: %s", seed, finding.reason.text);
        cr_assert_eq(finding.certificate.kind, KEEL_CERTIFICATE_OPTIMAL);
        cr_assert_eq(finding.certificate.iterations, 7);
        worst = fmax(worst, fmax(finding.certificate.dual_residual, finding.certificate.gap));
        at_lower += find_pin(&p, -1) >= 0;
        at_upper += find_pin(&p, 1) >= 0;
        in_band += p.row_binds[1];
    }
    printf("seeds 1..200: worst residual %.2e; %d with a zero weight, %d at an upper bound, %d at "
           "the sector's cap\n",
           worst, at_lower, at_upper, in_band);
    cr_expect_leq(worst, 1e-12); /* a thousand times inside the tolerance */
    cr_expect(at_lower > 100 && at_upper > 100 && in_band > 100);
}

/* ---- one change, one reason -------------------------------------------------------------- */

static int zero, capped, inside; /* assets at the lower bound, at the upper bound, between */

static void other_universe(void)
{
    p.proposal.universe_hash++;
}
static void fewer_assets(void)
{
    p.proposal.n--;
}
static void weight_nan(void)
{
    p.w[inside] = NAN;
}
static void too_many_rows(void)
{
    p.proposal.constraints_n = KEEL_CONSTRAINTS_MAX + 1;
}
static void index_outside(void)
{
    p.indices[1][p.rows[1].n - 1] = p.n;
}
static void index_repeated(void)
{
    p.indices[0][1] = 0;
}
static void bounds_crossed(void)
{
    p.rows[1].lo = p.rows[1].hi + 1;
}
static void weight_alone(void)
{
    p.w[inside] += 1e-6;
}
static void cash_alone(void)
{
    p.proposal.cash_frac -= 1e-6;
}
static void short_weight(void)
{
    p.w[inside] += p.w[zero] + 1e-6;
    p.w[zero] = -1e-6;
}
static void no_price(void)
{
    p.prices[inside] = 0;
}
static void no_inputs(void)
{
    p.proposal.inputs_n = 0;
}
static void input_never_seen(void)
{
    p.proposal.inputs[0].step = 99;
}
static void input_of_the_future(void)
{
    p.proposal.inputs[0].step = 101;
}
static void input_of_another_topic(void)
{
    strcpy(p.proposal.inputs[0].topic, "v1.cov.1d.main.");
}
static void input_too_old_but_kept(void)
{
    p.inputs[0].ref.step = p.proposal.inputs[0].step = 97;
}
static void input_older_than_kept(void)
{
    p.proposal.inputs[0].step = 92;
}
static void input_changed(void)
{
    p.proposal.inputs[0].payload_hash ^= 1;
}
static void books_changed(void)
{
    p.proposal.inputs[1].payload_hash ^= UINT64_C(1) << 63;
}
static void no_covariance(void)
{
    p.proposal.inputs[0] = p.proposal.inputs[1];
}
static void claims_feasible(void)
{
    p.proposal.certificate.kind = KEEL_CERTIFICATE_FEASIBLE;
}
static void claims_nothing(void)
{
    p.proposal.certificate.kind = KEEL_CERTIFICATE_UNSPECIFIED;
}
static void did_not_solve(void)
{
    p.proposal.certificate.outcome = KEEL_OUTCOME_ITERATION_LIMIT;
}
static void equal_weight_claims_optimal(void)
{
    p.proposal.method = KEEL_METHOD_EQUAL_WEIGHT;
}
static void flattens(void)
{
    p.proposal.method = KEEL_METHOD_FLATTEN;
    p.proposal.certificate.kind = KEEL_CERTIFICATE_FEASIBLE;
}
static void admits_a_residual(void)
{
    p.proposal.certificate.dual_residual = 1e-8;
}
static void admits_a_nan(void)
{
    p.proposal.certificate.gap = NAN;
}
static void limit_of_weight(void)
{
    p.limits.max_weight = p.w[capped] - 1e-6;
}
static void limit_of_cash(void)
{
    p.limits.cash_min = p.proposal.cash_frac + 1e-6;
}
static void limit_of_positions(void)
{
    p.limits.max_positions = 1;
}
static void upper_bound_loose(void)
{
    p.upper[zero] = p.limits.max_weight + 1e-6;
}
static void lower_bound_short(void)
{
    p.lower[inside] = -1e-6;
}
static void budget_missing(void)
{
    p.proposal.constraints = p.rows + 1;
    p.proposal.constraints_n = 1;
}
static void sector_missing(void)
{
    p.proposal.constraints_n = 1;
}
static void sector_loose(void)
{
    p.rows[1].hi += 1e-6;
}
static void sector_of_other_members(void)
{
    p.rows[1].n--;
}
static void sector_diluted(void)
{
    p.coefficients[1][0] = 0.5;
}
static void above_its_bound(void)
{
    p.upper[capped] -= 1e-6;
}
static void below_its_bound(void)
{
    p.lower[inside] = p.w[inside] + 1e-6;
}
static void sector_violated(void)
{
    p.rows[1].hi -= 1e-6;
}
static void weight_against_cash(void)
{
    p.w[inside] -= 1e-6;
    p.proposal.cash_frac += 1e-6;
}
static void zero_not_zero(void)
{
    p.w[zero] += 1e-6;
    p.w[inside] -= 1e-6;
}
static void bound_sign_flipped(void)
{
    p.z[zero] = -p.z[zero];
}
static void upper_sign_flipped(void)
{
    p.z[capped] = -p.z[capped];
}
static void row_sign_flipped(void)
{
    p.rows[1].multiplier = -p.rows[1].multiplier;
}
static void budget_sign_flipped(void)
{
    p.rows[0].multiplier = -p.rows[0].multiplier; /* an equality may have either sign */
}
static void bound_multiplier_moved(void)
{
    p.z[zero] -= 1e-6 * largest_variance_of(&p);
}
static void row_multiplier_moved(void)
{
    p.rows[0].multiplier += 1e-6 * largest_variance_of(&p);
}
static void multiplier_inside(void)
{
    p.z[inside] = 1e-6 * largest_variance_of(&p);
}
static void covariance_singular(void)
{
    for (int i = 0; i < p.n; i++) /* asset 1 becomes a copy of asset 0 */
        p.s[keel_packed_at(p.n, i > 1 ? i : 1, i > 1 ? 1 : i)] = cov_at(&p, i, 0);
    p.s[keel_packed_at(p.n, 1, 1)] = cov_at(&p, 0, 0);
}
static void covariance_indefinite(void)
{
    p.s[keel_packed_at(p.n, 1, 0)] = 3 * sqrt(cov_at(&p, 0, 0) * cov_at(&p, 1, 1));
}

#define CASE(change, code)                                                                         \
    {                                                                                              \
#change, change, KEEL_REASON_##code                                                        \
    }

static const struct {
    const char *name;
    void (*change)(void);
    keel_reason_code code;
} changes[] = {
    CASE(other_universe, NOT_A_PORTFOLIO),
    CASE(fewer_assets, NOT_A_PORTFOLIO),
    CASE(weight_nan, NOT_A_PORTFOLIO),
    CASE(too_many_rows, NOT_A_PORTFOLIO),
    CASE(index_outside, NOT_A_PORTFOLIO),
    CASE(index_repeated, NOT_A_PORTFOLIO),
    CASE(bounds_crossed, NOT_A_PORTFOLIO),
    CASE(weight_alone, NOT_A_PORTFOLIO),
    CASE(cash_alone, NOT_A_PORTFOLIO),
    CASE(short_weight, NOT_A_PORTFOLIO),
    CASE(no_price, NO_BAR),
    CASE(no_inputs, UNKNOWN_INPUT),
    CASE(input_never_seen, UNKNOWN_INPUT),
    CASE(input_of_the_future, UNKNOWN_INPUT),
    CASE(input_of_another_topic, UNKNOWN_INPUT),
    CASE(no_covariance, UNKNOWN_INPUT),
    CASE(input_too_old_but_kept, STALE_INPUT),
    CASE(input_older_than_kept, STALE_INPUT),
    CASE(input_changed, INPUT_HASH_MISMATCH),
    CASE(books_changed, INPUT_HASH_MISMATCH),
    CASE(claims_feasible, CERTIFICATE_KIND),
    CASE(claims_nothing, CERTIFICATE_KIND),
    CASE(did_not_solve, CERTIFICATE_KIND),
    CASE(equal_weight_claims_optimal, CERTIFICATE_KIND),
    CASE(flattens, CERTIFICATE_KIND),
    CASE(admits_a_residual, CERTIFICATE_KIND),
    CASE(admits_a_nan, CERTIFICATE_KIND),
    CASE(limit_of_weight, MAX_WEIGHT),
    CASE(limit_of_cash, CASH_FLOOR),
    CASE(limit_of_positions, MAX_POSITIONS),
    CASE(upper_bound_loose, MISSING_CONSTRAINT),
    CASE(lower_bound_short, MISSING_CONSTRAINT),
    CASE(budget_missing, MISSING_CONSTRAINT),
    CASE(sector_missing, MISSING_CONSTRAINT),
    CASE(sector_loose, MISSING_CONSTRAINT),
    CASE(sector_of_other_members, MISSING_CONSTRAINT),
    CASE(sector_diluted, MISSING_CONSTRAINT),
    CASE(above_its_bound, CONSTRAINT_VIOLATED),
    CASE(below_its_bound, CONSTRAINT_VIOLATED),
    CASE(sector_violated, CONSTRAINT_VIOLATED),
    CASE(weight_against_cash, CONSTRAINT_VIOLATED),
    CASE(zero_not_zero, COMPLEMENTARITY),
    CASE(multiplier_inside, COMPLEMENTARITY),
    CASE(bound_sign_flipped, MULTIPLIER_SIGN),
    CASE(upper_sign_flipped, MULTIPLIER_SIGN),
    CASE(row_sign_flipped, MULTIPLIER_SIGN),
    CASE(budget_sign_flipped, STATIONARITY_VIOLATED),
    CASE(bound_multiplier_moved, STATIONARITY_VIOLATED),
    CASE(row_multiplier_moved, STATIONARITY_VIOLATED),
    CASE(covariance_singular, SINGULAR),
    CASE(covariance_indefinite, SINGULAR),
};

/* Assets of the three kinds, outside the sector, so that moving them leaves its sum. */
static void choose_assets(void)
{
    zero = capped = inside = -1;
    for (int i = 0; i < p.n; i++) {
        int *which = p.pin[i] < 0 ? &zero : p.pin[i] > 0 ? &capped : &inside;
        if (i % 3 != 0 && *which < 0)
            *which = i;
    }
}

/* The first problem that has all three kinds and a sector at its cap. */
static void make_base(void)
{
    uint64_t seed = 1;
    do {
        make_problem(&p, 15, seed++);
        choose_assets();
        cr_assert_leq(seed, 500);
    } while (zero < 0 || capped < 0 || inside < 0 || !p.row_binds[1] || p.pin[0] != 0);
}

Test(verify, names_every_change_by_its_own_reason)
{
    for (size_t c = 0; c < sizeof changes / sizeof changes[0]; c++) {
        make_base();
        SHOULD_BE(VERIFIED);
        changes[c].change();
        cr_expect_eq(judge(), changes[c].code, "%s: %s", changes[c].name, finding.reason.text);
        cr_expect_neq(finding.name[0], '\0', "%s names nothing", changes[c].name);
        cr_expect(isfinite(finding.value) && isfinite(finding.limit), "%s", changes[c].name);
    }
}

Test(verify, takes_an_input_of_the_allowed_age)
{
    make_base();
    p.inputs[0].ref.step = p.proposal.inputs[0].step = 98;
    SHOULD_BE(VERIFIED);
}

/* The flat way out: two rows that cancel in the gradient while each is a little slack. */
Test(verify, names_an_open_gap_that_hides_in_cancelling_rows)
{
    static keel_constraint rows[3];
    make_base();
    const double s = largest_variance_of(&p);
    rows[0] = p.rows[0];
    rows[1] = p.rows[1];
    rows[2] = p.rows[0];
    strcpy(rows[2].name, "twin");
    rows[0].multiplier += 1e3 * s;
    rows[2].multiplier = -1e3 * s;
    rows[2].lo -= 0.9e-9;
    rows[2].hi = 1;
    p.proposal.constraints = rows;
    p.proposal.constraints_n = 3;
    SHOULD_BE(GAP_TOO_LARGE);
    rows[2].lo = rows[0].lo;
    SHOULD_BE(VERIFIED); /* the same rows, tight */
}

/* ---- perturbations of random problems ------------------------------------------------------ */

static void expect_refused(uint64_t seed, const char *what, int i, int j)
{
    cr_assert_neq(judge(), KEEL_REASON_VERIFIED, "seed %lu: %s at %d, %d passed, residual %.2e",
                  seed, what, i, j, finding.certificate.dual_residual);
}

Test(verify, refuses_any_two_weights_moved_by_a_millionth)
{
    long moved = 0, by_gradient = 0;
    double weakest = INFINITY;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        make_problem(&p, 6 + (int)(seed % 19), seed);
        for (int i = 0; i < p.n; i++)
            for (int j = 0; j < p.n; j++) {
                if (i == j)
                    continue;
                const double wi = p.w[i], wj = p.w[j];
                p.w[i] += 1e-6;
                p.w[j] -= 1e-6;
                expect_refused(seed, "swap", i, j);
                p.w[i] = wi;
                p.w[j] = wj;
                moved++;
                if (finding.reason.code == KEEL_REASON_STATIONARITY_VIOLATED) {
                    by_gradient++;
                    weakest = fmin(weakest, finding.value);
                }
            }
    }
    printf("seeds 1..40: %ld swaps refused, %ld by the gradient alone, weakest residual %.2e\n",
           moved, by_gradient, weakest);
    cr_expect_gt(by_gradient, 200);
    cr_expect_gt(weakest, 2 * KEEL_RISK_DUAL_TOLERANCE);
}

Test(verify, refuses_any_multiplier_moved_by_a_millionth)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        make_problem(&p, 6 + (int)(seed % 19), seed);
        const double step = 1e-6 * largest_variance_of(&p);
        for (int sign = -1; sign <= 1; sign += 2) {
            for (int i = 0; i < p.n; i++) {
                const double z = p.z[i];
                p.z[i] += sign * step;
                expect_refused(seed, "bound multiplier", i, sign);
                p.z[i] = z;
            }
            for (int r = 0; r < ROWS; r++) {
                const double y = p.rows[r].multiplier;
                p.rows[r].multiplier += sign * step;
                expect_refused(seed, "row multiplier", r, sign);
                p.rows[r].multiplier = y;
            }
        }
    }
}

/* Two calm assets of correlation 0.9 beside a wild one, volatilities 1 : 30: the gradient moves by
 * 1e-10 of the largest variance, but by 3e-9 in its own scale. */
Test(verify, sees_a_swap_between_calm_assets_beside_a_wild_one)
{
    static const double v[] = {1, 1, 30};
    static const double correlation[3][3] = {{1, 0.9, 0.2}, {0.9, 1, 0.2}, {0.2, 0.2, 1}};
    memset(&p, 0, sizeof p);
    p.n = p.universe.n = 3;
    p.universe.hash = 1;
    p.limits.max_weight = 1;
    for (int i = 0; i < 3; i++) {
        p.upper[i] = 1;
        p.prices[i] = 1;
        strcpy(p.universe.instruments[i].sector, "wild");
        for (int j = 0; j <= i; j++)
            p.s[keel_packed_at(3, i, j)] = v[i] * v[j] * correlation[i][j];
    }
    make_rows(&p);
    p.rows[0].lo = p.rows[0].hi = 1;
    solve(&p);
    point_at(&p);
    p.proposal.constraints_n = 1;
    SHOULD_BE(VERIFIED);
    p.w[0] += 1e-6;
    p.w[1] -= 1e-6;
    SHOULD_BE(STATIONARITY_VIOLATED);
    cr_expect_float_eq(finding.value, 1e-6 * 0.1 / 30, 1e-11);
}

/* ---- invariants ---------------------------------------------------------------------------- */

static void scale_by(double f)
{
    for (size_t k = 0; k < keel_packed_len(p.n); k++)
        p.s[k] *= f;
    for (int i = 0; i < p.n; i++)
        p.z[i] *= f;
    for (int r = 0; r < ROWS; r++)
        p.rows[r].multiplier *= f;
}

Test(verify, sees_the_same_at_every_scale_of_the_covariance)
{
    static const double scales[] = {1e6, 1e-6, 0x1p20, 0x1p-20};
    for (size_t k = 0; k < sizeof scales / sizeof scales[0]; k++) {
        make_base();
        SHOULD_BE(VERIFIED);
        const double dual = finding.certificate.dual_residual, gap = finding.certificate.gap;
        scale_by(scales[k]);
        SHOULD_BE(VERIFIED);
        if (k >= 2) { /* powers of two are exact */
            cr_expect_eq(finding.certificate.dual_residual, dual);
            cr_expect_eq(finding.certificate.gap, gap);
        }
        cr_expect_leq(finding.certificate.dual_residual, 1e-12);
        p.w[inside] += 1e-6;
        p.w[zero] -= 1e-6;
        p.lower[zero] = -1e-6; /* as if it were allowed */
        cr_expect_neq(judge(), KEEL_REASON_VERIFIED);
    }
}

Test(verify, takes_feasible_methods_by_their_constraints_alone)
{
    static const keel_method methods[] = {KEEL_METHOD_EQUAL_WEIGHT, KEEL_METHOD_STATIC,
                                          KEEL_METHOD_INVERSE_VOLATILITY};
    for (size_t k = 0; k < sizeof methods / sizeof methods[0]; k++) {
        make_base();
        p.proposal.method = methods[k];
        p.proposal.certificate.kind = KEEL_CERTIFICATE_FEASIBLE;
        p.w[inside] -= 1e-4; /* not optimal, still feasible */
        p.w[zero] += 1e-4;
        SHOULD_BE(VERIFIED);
        cr_expect_eq(finding.certificate.kind, KEEL_CERTIFICATE_FEASIBLE);
        sector_violated();
        SHOULD_BE(CONSTRAINT_VIOLATED);
        cr_expect_str_eq(finding.name, "sector:calm");
    }
}

Test(limits, names_a_configuration_that_makes_no_sense)
{
    static const struct {
        double max_weight, cash_min;
        int max_positions;
        const char *sector;
        double min, max;
        keel_status status;
    } cases[] = {
        {0.35, 0, 0, "calm", 0, 1, KEEL_OK},       {1, 0.99, 5, "wild", 0.2, 0.2, KEEL_OK},
        {0, 0, 0, "calm", 0, 1, KEEL_ERANGE},      {1.01, 0, 0, "calm", 0, 1, KEEL_ERANGE},
        {NAN, 0, 0, "calm", 0, 1, KEEL_ERANGE},    {0.35, -0.1, 0, "calm", 0, 1, KEEL_ERANGE},
        {0.35, 1, 0, "calm", 0, 1, KEEL_ERANGE},   {0.35, 0, -1, "calm", 0, 1, KEEL_ERANGE},
        {0.35, 0, 0, "bonds", 0, 1, KEEL_EINVAL},  {0.35, 0, 0, "calm", 0.5, 0.4, KEEL_ERANGE},
        {0.35, 0, 0, "calm", 0, 1.1, KEEL_ERANGE},
    };
    make_problem(&p, 6, 1);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        keel_err err = {KEEL_OK, ""};
        keel_risk_limits limits = {cases[c].max_weight, cases[c].cash_min, cases[c].max_positions,
                                   1};
        strcpy(limits.sectors[0].sector, cases[c].sector);
        limits.sectors[0].min = cases[c].min;
        limits.sectors[0].max = cases[c].max;
        cr_expect_eq(keel_risk_limits_check(&limits, &p.universe, &err), cases[c].status,
                     "case %zu", c);
        cr_expect_eq(err.text[0] != '\0', cases[c].status != KEEL_OK, "case %zu", c);
    }
}
