/* OP04, OP10, OP17, OP18, OP19, UN06, UN07, AL01, AL12: the methods and their certificates. */
#include "tests/unit/optimizer/fixture.h"

#define N 8

static keel_universe universe;
static double lower[KEEL_UNIVERSE_MAX], upper[KEEL_UNIVERSE_MAX];
static double sigma[KEEL_UNIVERSE_MAX * (KEEL_UNIVERSE_MAX + 1) / 2];
static const char *const sector_names[] = {"Layer 1", "DeFi"};

static keel_allocator_cfg cfg_of(int n, keel_method method)
{
    universe_of(&universe, n, sector_names, 2);
    fill_with(lower, n, 0.0);
    fill_with(upper, n, 1.0);
    covariance_of(n, 1, sigma);
    return (keel_allocator_cfg){
        .universe = &universe, .method = method, .lower = lower, .upper = upper};
}

static keel_allocator *must(const keel_allocator_cfg *cfg)
{
    keel_err err = {KEEL_OK, ""};
    keel_allocator *a = keel_allocator_new(cfg, &err);
    cr_assert_not_null(a, "%s", err.text);
    return a;
}

static keel_allocation_answer solve(keel_allocator *a)
{
    keel_allocation_answer out;
    cr_assert_eq(keel_allocator_solve(a, sigma, &out), KEEL_OK);
    return out;
}

static void check_set(int n, const keel_allocation_answer *out)
{
    for (int i = 0; i < n; i++) {
        cr_expect_geq(out->weights[i], out->lower[i]);
        cr_expect_leq(out->weights[i], out->upper[i]);
    }
    for (int r = 0; r < out->constraints_n; r++) {
        const keel_constraint *c = &out->constraints[r];
        double sum = 0.0;
        for (int k = 0; k < c->n; k++)
            sum += c->coefficients[k] * out->weights[c->indices[k]];
        cr_expect(sum >= c->lo - 1e-9 && sum <= c->hi + 1e-9, "%s: %.12f", c->name, sum);
    }
}

/* KKT in unscaled per-bar units, from the published numbers alone: what risk recomputes. */
static double kkt_residual(int n, const keel_allocation_answer *out)
{
    double worst = 0.0, scale = 0.0;
    for (int i = 0; i < n; i++)
        scale = fmax(scale, at(n, sigma, i, i));
    for (int i = 0; i < n; i++) {
        double g = out->bound_multipliers[i];
        for (int j = 0; j < n; j++)
            g += at(n, sigma, i, j) * out->weights[j];
        for (int r = 0; r < out->constraints_n; r++)
            for (int k = 0; k < out->constraints[r].n; k++)
                if (out->constraints[r].indices[k] == i)
                    g += out->constraints[r].multiplier * out->constraints[r].coefficients[k];
        const double z = out->bound_multipliers[i];
        const double slack = z > 0   ? out->upper[i] - out->weights[i]
                             : z < 0 ? out->weights[i] - out->lower[i]
                                     : 0.0;
        worst = fmax(worst, fmax(fabs(g), fabs(z) * slack));
    }
    return worst / scale;
}

Test(allocate, two_assets_have_the_closed_form)
{
    keel_allocator_cfg cfg = cfg_of(2, KEEL_METHOD_MIN_VARIANCE);
    sigma[0] = 0.04, sigma[1] = 0.01, sigma[2] = 0.09;
    keel_allocator *a = must(&cfg);
    const keel_allocation_answer out = solve(a);
    const double w0 = (0.09 - 0.01) / (0.04 + 0.09 - 0.02);
    cr_expect_float_eq(out.weights[0], w0, 1e-12);
    cr_expect_float_eq(out.objective, 0.5 * (0.04 * 0.09 - 0.01 * 0.01) / 0.11, 1e-12);
    cr_expect_eq(out.certificate.kind, KEEL_CERTIFICATE_OPTIMAL);
    cr_expect_eq(out.positions, 2);
    keel_allocator_free(&a);
}

/* OP04, OP18: with bounds, sector bands and a cash floor the certificate holds as published. */
Test(allocate, min_variance_proves_itself_under_every_kind_of_limit)
{
    const keel_sector_band band[] = {{"Layer 1", 0.0, 0.3}, {"DeFi", 0.1, 0.9}};
    const struct {
        int n, sectors;
        double cap, cash;
    } cases[] = {{4, 0, 1.0, 0.0},  {8, 0, 0.2, 0.0},    {8, 2, 0.35, 0.0},
                 {8, 2, 0.35, 0.1}, {50, 2, 0.35, 0.05}, {1, 0, 1.0, 0.25}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        keel_allocator_cfg cfg = cfg_of(cases[k].n, KEEL_METHOD_MIN_VARIANCE);
        fill_with(upper, cases[k].n, cases[k].cap);
        cfg.cash_min = cases[k].cash;
        cfg.sectors_n = cases[k].sectors;
        cfg.sectors = band;
        keel_allocator *a = must(&cfg);
        const keel_allocation_answer out = solve(a);
        cr_assert_eq(out.outcome, KEEL_OUTCOME_SOLVED, "case %zu", k);
        check_set(cases[k].n, &out);
        cr_expect_float_eq(total(out.weights, cases[k].n), 1.0 - cases[k].cash, 1e-9);
        cr_expect_leq(kkt_residual(cases[k].n, &out), 1e-9, "case %zu", k);
        cr_expect_leq(out.certificate.primal_residual, 1e-9);
        cr_expect_leq(out.certificate.dual_residual, 1e-9);
        cr_expect_leq(out.certificate.gap, 1e-9);
        cr_expect_str_eq(out.constraints[0].name, "budget");
        if (cases[k].sectors == 2)
            cr_expect_str_eq(out.constraints[1].name, "sector:Layer 1");
        keel_allocator_free(&a);
    }
}

Test(allocate, min_variance_scales_with_the_covariance)
{
    keel_allocator_cfg cfg = cfg_of(N, KEEL_METHOD_MIN_VARIANCE);
    fill_with(upper, N, 0.35);
    keel_allocator *a = must(&cfg), *b = must(&cfg);
    const keel_allocation_answer one = solve(a);
    for (size_t k = 0; k < keel_packed_len(N); k++)
        sigma[k] *= 1024.0; /* a power of two: the same bits times 1024 */
    const keel_allocation_answer two = solve(b);
    cr_expect_arr_eq(one.weights, two.weights, N * sizeof(double));
    cr_expect_eq(two.constraints[0].multiplier, 1024.0 * one.constraints[0].multiplier);
    keel_allocator_free(&a);
    keel_allocator_free(&b);
}

Test(allocate, order_of_instruments_does_not_matter)
{
    const keel_method methods[] = {KEEL_METHOD_MIN_VARIANCE, KEEL_METHOD_INVERSE_VOLATILITY};
    static double reversed[N * (N + 1) / 2], kept[N];
    for (int m = 0; m < 2; m++) {
        keel_allocator_cfg cfg = cfg_of(N, methods[m]);
        fill_with(upper, N, 0.3);
        cfg.positions_max = 5;
        keel_allocator *a = must(&cfg);
        memcpy(kept, solve(a).weights, sizeof kept);
        for (int j = 0; j < N; j++)
            for (int i = j; i < N; i++)
                reversed[keel_packed_at(N, i, j)] = at(N, sigma, N - 1 - i, N - 1 - j);
        keel_allocation_answer out;
        cr_assert_eq(keel_allocator_solve(a, reversed, &out), KEEL_OK);
        for (int i = 0; i < N; i++)
            cr_expect_float_eq(out.weights[N - 1 - i], kept[i], 1e-9, "method %d, %d", m, i);
        keel_allocator_free(&a);
    }
}

/* UN06: no more positions than allowed, and the bounds that are stated are those solved. */
Test(allocate, max_positions_holds_for_every_method)
{
    const keel_method methods[] = {KEEL_METHOD_MIN_VARIANCE, KEEL_METHOD_INVERSE_VOLATILITY,
                                   KEEL_METHOD_EQUAL_WEIGHT, KEEL_METHOD_STATIC};
    for (int m = 0; m < 4; m++) {
        for (int most = 3; most <= 20; most++) {
            keel_allocator_cfg cfg = cfg_of(20, methods[m]);
            fill_with(upper, 20, 0.35);
            cfg.positions_max = most;
            keel_allocator *a = must(&cfg);
            const keel_allocation_answer out = solve(a);
            cr_assert_eq(out.outcome, KEEL_OUTCOME_SOLVED);
            cr_expect_leq(out.positions, most);
            cr_expect_float_eq(total(out.weights, 20), 1.0, 1e-9);
            check_set(20, &out);
            for (int i = 0; i < 20; i++)
                cr_expect(out.upper[i] == 0.35 || out.weights[i] == 0.0);
            if (methods[m] == KEEL_METHOD_MIN_VARIANCE)
                cr_expect_leq(kkt_residual(20, &out), 1e-9);
            keel_allocator_free(&a);
        }
    }
}

/* OP10 */
Test(allocate, equal_weight_takes_the_first_as_configured)
{
    keel_allocator_cfg cfg = cfg_of(N, KEEL_METHOD_EQUAL_WEIGHT);
    cfg.positions_max = 5;
    cfg.cash_min = 0.1;
    keel_allocator *a = must(&cfg);
    const keel_allocation_answer out = solve(a);
    for (int i = 0; i < N; i++)
        cr_expect_float_eq(out.weights[i], i < 5 ? 0.18 : 0.0, 1e-15);
    cr_expect_eq(out.certificate.kind, KEEL_CERTIFICATE_FEASIBLE);
    cr_expect_str_eq(out.certificate.parent, "");
    keel_allocator_free(&a);
}

Test(allocate, inverse_volatility_is_inverse_to_volatility)
{
    keel_allocator_cfg cfg = cfg_of(N, KEEL_METHOD_INVERSE_VOLATILITY);
    keel_allocator *a = must(&cfg);
    const keel_allocation_answer out = solve(a);
    const double k = out.weights[0] * sqrt(at(N, sigma, 0, 0));
    for (int i = 1; i < N; i++)
        cr_expect_float_eq(out.weights[i] * sqrt(at(N, sigma, i, i)), k, 1e-15);
    cr_expect_float_eq(out.objective, keel_half_variance(N, sigma, out.weights), 0.0);
    keel_allocator_free(&a);
}

/* A closed form outside the bounds becomes the nearest point inside and says so. */
Test(allocate, closed_form_outside_the_set_is_projected)
{
    keel_allocator_cfg cfg = cfg_of(4, KEEL_METHOD_EQUAL_WEIGHT);
    const keel_sector_band band[] = {{"Layer 1", 0.0, 0.3}};
    cfg.sectors_n = 1;
    cfg.sectors = band;
    keel_allocator *a = must(&cfg);
    const keel_allocation_answer out = solve(a);
    const double want[] = {0.15, 0.35, 0.15, 0.35}; /* equal steps out of and into each sector */
    for (int i = 0; i < 4; i++)
        cr_expect_float_eq(out.weights[i], want[i], 1e-12);
    cr_expect_str_eq(out.certificate.parent, "equal_weight");
    cr_expect_eq(out.certificate.kind, KEEL_CERTIFICATE_FEASIBLE);
    cr_expect_eq(out.bound_multipliers[0], 0.0);
    keel_allocator_free(&a);
}

/* AL01 */
Test(allocate, static_weights_stay_and_the_rest_is_cash)
{
    const double weights[] = {0.3, 0.0, 0.25, 0.25};
    keel_allocator_cfg cfg = cfg_of(4, KEEL_METHOD_STATIC);
    cfg.weights = weights;
    keel_allocator *a = must(&cfg);
    const keel_allocation_answer out = solve(a);
    cr_expect_arr_eq(out.weights, weights, sizeof weights);
    cr_expect_eq(out.positions, 3);
    check_set(4, &out);
    keel_allocator_free(&a);
}

/* Positions that the largest weights alone could not fill: the sector caps force an exchange. */
Test(allocate, limited_support_is_exchanged_until_it_can_fill_the_budget)
{
    keel_allocator_cfg cfg = cfg_of(6, KEEL_METHOD_MIN_VARIANCE);
    const keel_sector_band band[] = {{"Layer 1", 0.0, 0.5}, {"DeFi", 0.0, 0.6}};
    memset(sigma, 0, sizeof sigma);
    for (int i = 0; i < 6; i++) /* Layer 1 (even) calm, DeFi wild */
        sigma[keel_packed_at(6, i, i)] = i % 2 == 0 ? 1e-4 : 1e-2;
    cfg.sectors_n = 2;
    cfg.sectors = band;
    cfg.positions_max = 2;
    keel_allocator *a = must(&cfg);
    const keel_allocation_answer out = solve(a);
    cr_assert_eq(out.outcome, KEEL_OUTCOME_SOLVED, "%s", out.conflict);
    cr_expect_eq(out.positions, 2);
    check_set(6, &out);
    keel_allocator_free(&a);
}

Test(allocate, refuses_a_covariance_that_is_none)
{
    keel_allocator_cfg cfg = cfg_of(N, KEEL_METHOD_MIN_VARIANCE);
    keel_allocator *a = must(&cfg);
    keel_allocation_answer out;
    const double old = sigma[0];
    const double bad[] = {NAN, INFINITY, 0.0, -1e-4};
    for (int k = 0; k < 4; k++) {
        sigma[0] = bad[k];
        cr_expect_eq(keel_allocator_solve(a, sigma, &out), KEEL_ENONFINITE);
    }
    sigma[0] = old;
    sigma[1] = 10.0; /* finite, but no covariance */
    cr_assert_eq(keel_allocator_solve(a, sigma, &out), KEEL_OK);
    cr_expect_eq(out.outcome, KEEL_OUTCOME_SINGULAR);
    keel_allocator_free(&a);
}

/* AL12: limits that no weights can meet stop the start, by name. */
Test(allocate, refuses_limits_that_cannot_be_met)
{
    static const keel_sector_band both[] = {{"Layer 1", 0.0, 0.3}, {"DeFi", 0.0, 0.3}};
    static const keel_sector_band unknown[] = {{"Layer 9", 0.0, 0.3}};
    static const keel_sector_band twice[] = {{"DeFi", 0.0, 0.3}, {"DeFi", 0.0, 0.4}};
    static const keel_sector_band crossed[] = {{"DeFi", 0.5, 0.3}};
    static const double heavy[] = {0.6, 0.6, 0, 0}, three[] = {0.3, 0.3, 0.3, 0};
    static const double above[] = {0.9, 0.1, 0, 0};
    const struct {
        keel_method method;
        double lo, hi, cash;
        int positions, sectors;
        const keel_sector_band *bands;
        const double *weights;
        keel_status status;
        const char *names;
    } cases[] = {
        {KEEL_METHOD_MIN_VARIANCE, 0, .2, 0, 0, 0, NULL, NULL, KEEL_EINFEASIBLE, "weight_max"},
        {KEEL_METHOD_MIN_VARIANCE, .3, .4, 0, 0, 0, NULL, NULL, KEEL_EINFEASIBLE, "budget"},
        {KEEL_METHOD_MIN_VARIANCE, 0, 1, 0, 0, 2, both, NULL, KEEL_EINFEASIBLE, "sector:DeFi"},
        {KEEL_METHOD_EQUAL_WEIGHT, 0, .35, 0, 2, 0, NULL, NULL, KEEL_EINFEASIBLE, "max_positions"},
        {KEEL_METHOD_MIN_VARIANCE, .1, 1, 0, 2, 0, NULL, NULL, KEEL_EINFEASIBLE, "max_positions"},
        {KEEL_METHOD_MIN_VARIANCE, 0, 1, 0, 0, 1, unknown, NULL, KEEL_EUNKNOWN, "Layer 9"},
        {KEEL_METHOD_MIN_VARIANCE, 0, 1, 0, 0, 2, twice, NULL, KEEL_EEXIST, "DeFi"},
        {KEEL_METHOD_MIN_VARIANCE, 0, 1, 0, 0, 1, crossed, NULL, KEEL_ERANGE, "DeFi"},
        {KEEL_METHOD_MIN_VARIANCE, 0, 1, 1, 0, 0, NULL, NULL, KEEL_ERANGE, "cash_min"},
        {KEEL_METHOD_MIN_VARIANCE, 0, 1, NAN, 0, 0, NULL, NULL, KEEL_ERANGE, "cash_min"},
        {KEEL_METHOD_MIN_VARIANCE, 0, 1, 0, -1, 0, NULL, NULL, KEEL_ERANGE, "max_positions"},
        {KEEL_METHOD_MIN_VARIANCE, .5, .4, 0, 0, 0, NULL, NULL, KEEL_ERANGE, "A0"},
        {KEEL_METHOD_MIN_VARIANCE, 0, 1.1, 0, 0, 0, NULL, NULL, KEEL_ERANGE, "A0"},
        {KEEL_METHOD_FLATTEN, 0, 1, 0, 0, 0, NULL, NULL, KEEL_EINVAL, "method"},
        {KEEL_METHOD_STATIC, 0, 1, 0, 0, 0, NULL, heavy, KEEL_EINFEASIBLE, "weights"},
        {KEEL_METHOD_STATIC, 0, 1, 0, 2, 0, NULL, three, KEEL_EINFEASIBLE, "max_positions"},
        {KEEL_METHOD_STATIC, 0, .35, 0, 0, 0, NULL, above, KEEL_EINFEASIBLE, "A0"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        keel_err err = {KEEL_OK, ""};
        keel_allocator_cfg cfg = cfg_of(4, cases[k].method);
        fill_with(lower, 4, cases[k].lo);
        fill_with(upper, 4, cases[k].hi);
        cfg.cash_min = cases[k].cash;
        cfg.positions_max = cases[k].positions;
        cfg.sectors_n = cases[k].sectors;
        cfg.sectors = cases[k].bands;
        cfg.weights = cases[k].weights;
        keel_allocator *a = keel_allocator_new(&cfg, &err);
        cr_expect_null(a, "case %zu", k);
        cr_expect_eq(err.status, cases[k].status, "case %zu: %s", k, err.text);
        cr_expect_not_null(strstr(err.text, cases[k].names), "case %zu: %s", k, err.text);
        keel_allocator_free(&a);
    }
}

/* A choice of positions that greedy exchange cannot save is an outcome, not a weight. */
Test(allocate, support_that_cannot_fill_the_budget_is_infeasible_by_name)
{
    const char *const four[] = {"S0", "S1", "S2", "S3"};
    const keel_sector_band band[] = {
        {"S0", 0.0, 0.4}, {"S1", 0.0, 0.4}, {"S2", 0.0, 0.4}, {"S3", 0.15, 0.2}};
    keel_allocator_cfg cfg = cfg_of(4, KEEL_METHOD_MIN_VARIANCE);
    universe_of(&universe, 4, four, 4);
    cfg.sectors_n = 4;
    cfg.sectors = band;
    cfg.positions_max = 3; /* S3 must be in, and 0.2 + 0.4 + 0.4 is exactly the budget */
    keel_allocator *a = must(&cfg);
    keel_allocation_answer out = solve(a);
    cr_expect_eq(out.outcome, KEEL_OUTCOME_SOLVED);
    keel_allocator_free(&a);
    cfg.positions_max = 2;
    keel_err err = {KEEL_OK, ""};
    a = keel_allocator_new(&cfg, &err);
    cr_expect_null(a);
    cr_expect_not_null(strstr(err.text, "portfolio.max_positions 2"), "%s", err.text);
}

Test(allocate, warm_start_travels_bit_for_bit)
{
    static uint8_t snapshot[4096];
    size_t len = 0, need = 0;
    keel_allocator_cfg cfg = cfg_of(N, KEEL_METHOD_MIN_VARIANCE);
    fill_with(upper, N, 0.3);
    cfg.positions_max = 4;
    keel_allocator *a = must(&cfg), *b = must(&cfg);
    (void)solve(a);
    cr_assert_eq(keel_allocator_save(a, NULL, 0, &need), KEEL_ENOSPC);
    cr_assert_eq(keel_allocator_save(a, snapshot, need - 1, &len), KEEL_ENOSPC);
    cr_assert_eq(keel_allocator_save(a, snapshot, sizeof snapshot, &len), KEEL_OK);
    cr_expect_eq(len, need);
    cr_assert_eq(keel_allocator_load(b, snapshot, len), KEEL_OK);
    covariance_of(N, 2, sigma);
    const keel_allocation_answer one = solve(a), two = solve(b);
    cr_expect_arr_eq(one.weights, two.weights, N * sizeof(double));
    cr_expect_eq(one.certificate.iterations, two.certificate.iterations);
    for (size_t cut = 0; cut < len; cut++)
        cr_expect_eq(keel_allocator_load(b, snapshot, cut), KEEL_EFORMAT);
    snapshot[0] ^= 1;
    cr_expect_eq(keel_allocator_load(b, snapshot, len), KEEL_EFORMAT);
    keel_allocator_free(&a);
    keel_allocator_free(&a);
    keel_allocator_free(&b);
}
