/* RB01, RB02, RB06, RB07, AL01, AL11, AL12, CF09: what one step decides, proposes and says. */
#include "common/base/timefmt.h"
#include "services/optimizer/engine/optimizer.h"
#include "tests/unit/optimizer/fixture.h"

enum { N = 4, BOOKS = 3 };

#define EQUITY INT64_C(1000000000000) /* micros: a million */

static keel_universe universe;
static double lower[N], upper[N], sigma[N * (N + 1) / 2];
static const keel_book_share shares[BOOKS] = {{"core", 0.5}, {"momentum", 0.25}, {"swing", 0.05}};

static keel_optimizer_cfg cfg_of(keel_method method)
{
    const keel_rebalance_rule daily = {
        .period_ns = KEEL_NS_PER_DAY, .threshold_frac = 0.05, .retry_steps = 1};
    universe_of(&universe, N, NULL, 0);
    fill_with(lower, N, 0.0);
    fill_with(upper, N, 0.6);
    covariance_of(N, 3, sigma);
    return (keel_optimizer_cfg){
        .allocation = {.universe = &universe, .method = method, .lower = lower, .upper = upper},
        .portfolio = "main",
        .core = daily,
        .capital = daily,
        .covariance_age_max = 2,
        .apply = true,
        .cost_bps = 10,
        .method_why = "",
        .books_n = BOOKS,
        .books = shares,
    };
}

static keel_optimizer *must(const keel_optimizer_cfg *cfg)
{
    keel_err err = {KEEL_OK, ""};
    keel_optimizer *eng = keel_optimizer_new(cfg, &err);
    cr_assert_not_null(eng, "%s", err.text);
    return eng;
}

/* Books at their shares; core holds weights[N] of its equity (NULL = cash). */
static void feed_books(keel_optimizer *eng, uint64_t step, const double *weights,
                       const double *held_shares)
{
    keel_position positions[N];
    keel_book books[BOOKS + 1];
    memset(positions, 0, sizeof positions);
    memset(books, 0, sizeof books);
    for (int b = 0; b < BOOKS; b++) {
        memcpy(books[b].book, shares[b].book, sizeof books[b].book);
        books[b].equity_micros = (int64_t)llround((double)EQUITY * held_shares[b]);
    }
    for (int i = 0; weights != NULL && i < N; i++) {
        positions[i].instrument = i;
        positions[i].value_micros = (int64_t)llround((double)books[0].equity_micros * weights[i]);
    }
    books[0].positions = positions;
    books[0].positions_n = weights != NULL ? N : 0;
    const keel_portfolio_state state = {
        .portfolio = "main",
        .universe_hash = universe.hash,
        .equity_micros = EQUITY,
        .books_n = BOOKS,
        .books = books,
    };
    const keel_input_ref ref = {"v1.portfolio.main.", step, 1000 + step};
    cr_assert_eq(keel_optimizer_on_portfolio(eng, &state, &ref), KEEL_OK);
}

static const double at_share[BOOKS] = {0.5, 0.25, 0.05}, no_share[BOOKS] = {0, 0, 0};

static void feed_covariance(keel_optimizer *eng, uint64_t step)
{
    const keel_covariance c = {.universe_hash = universe.hash, .n = N, .covariance = sigma};
    const keel_input_ref ref = {"v1.cov.1h.main.", step, 2000 + step};
    cr_assert_eq(keel_optimizer_on_covariance(eng, &c, &ref), KEEL_OK);
}

/* Hour `step` of 2026-03-04: midnight is step 24. */
static keel_optimizer_out close_step(keel_optimizer *eng, uint64_t step)
{
    keel_optimizer_out out;
    int64_t ns = 0;
    cr_assert_eq(keel_time_parse("2026-03-04", &ns, NULL), KEEL_OK);
    cr_assert_eq(keel_optimizer_on_step(eng, step, ns + (int64_t)step * KEEL_NS_PER_H, &out),
                 KEEL_OK);
    return out;
}

/* First allocation at step 1; weights get what was proposed. */
static keel_optimizer *allocated(const keel_optimizer_cfg *cfg, double *weights)
{
    keel_optimizer *eng = must(cfg);
    feed_books(eng, 1, NULL, no_share);
    feed_covariance(eng, 1);
    const keel_optimizer_out out = close_step(eng, 1);
    cr_assert_eq(out.made, KEEL_OPTIMIZER_MADE_CAPITAL | KEEL_OPTIMIZER_MADE_ALLOCATION);
    memcpy(weights, out.allocation.weights, N * sizeof *weights);
    return eng;
}

Test(optimizer, first_step_proposes_capital_and_waits_for_a_covariance)
{
    const keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    keel_optimizer *eng = must(&cfg);
    keel_optimizer_out out = close_step(eng, 1);
    cr_expect_eq(out.made, 0u);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_WARMING_UP);
    feed_books(eng, 2, NULL, no_share);
    out = close_step(eng, 2);
    cr_expect_eq(out.made, (unsigned)KEEL_OPTIMIZER_MADE_CAPITAL);
    cr_expect_eq(out.capital.reason.code, KEEL_REASON_FIRST_ALLOCATION);
    cr_expect_eq(out.capital.method, KEEL_METHOD_STATIC);
    cr_expect_eq(out.capital.books, BOOKS);
    cr_expect_eq(out.capital.shares[0].share_frac, 0.5);
    cr_expect_eq(out.capital.inputs[0].payload_hash, 1002u);
    cr_expect(out.decision.due && !out.decision.applied);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_WARMING_UP);
    feed_books(eng, 3, NULL, at_share);
    feed_covariance(eng, 3);
    out = close_step(eng, 3);
    cr_expect_eq(out.made, (unsigned)KEEL_OPTIMIZER_MADE_ALLOCATION);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_FIRST_ALLOCATION);
    cr_expect(out.decision.due && out.decision.applied);
    keel_optimizer_free(&eng);
}

Test(optimizer, proposal_states_inputs_turnover_cost_and_certificate)
{
    const double held[N] = {0.2, 0.2, 0.0, 0.0};
    keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    cfg.allocation.cash_min = 0.1;
    keel_optimizer *eng = must(&cfg);
    feed_books(eng, 1, held, at_share);
    feed_covariance(eng, 1);
    const keel_optimizer_out out = close_step(eng, 1);
    const keel_allocation_proposal *p = &out.allocation;
    double traded = 0.0;
    for (int i = 0; i < N; i++) {
        cr_expect_float_eq(p->current[i], held[i], 1e-12);
        traded += fabs(p->weights[i] - held[i]);
    }
    cr_expect_str_eq(p->portfolio, "main");
    cr_expect_str_eq(p->book, "core");
    cr_expect_eq(p->universe_hash, universe.hash);
    cr_expect_eq(p->inputs_n, 2);
    cr_expect_str_eq(p->inputs[0].topic, "v1.cov.1h.main.");
    cr_expect_eq(p->inputs[0].payload_hash, 2001u);
    cr_expect_str_eq(p->inputs[1].topic, "v1.portfolio.main.");
    cr_expect_float_eq(p->turnover_frac, traded / 2, 1e-12);
    cr_expect_float_eq(p->cost_frac, traded * 0.001, 1e-12);
    cr_expect_float_eq(p->cash_frac, 0.1, 1e-9);
    cr_expect_float_eq(p->cash_frac + total(p->weights, N), 1.0, 1e-15);
    cr_expect_float_eq(p->objective, keel_half_variance(N, sigma, p->weights), 0.0);
    cr_expect_float_eq(p->expected_volatility, sqrt(2 * p->objective), 0.0);
    cr_expect_eq(p->certificate.kind, KEEL_CERTIFICATE_OPTIMAL);
    cr_expect_eq(out.decision.turnover_frac, p->turnover_frac);
    keel_optimizer_free(&eng);
}

/* RB01, RB02: at the target nothing happens; the calendar and drift trigger. */
Test(optimizer, schedule_and_drift_trigger_and_nothing_else_does)
{
    double weights[N], drifted[N];
    const keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    keel_optimizer *eng = allocated(&cfg, weights);
    feed_books(eng, 2, weights, at_share);
    keel_optimizer_out out = close_step(eng, 2);
    cr_expect_eq(out.made, 0u);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_WITHIN_THRESHOLD);
    cr_expect(!out.decision.due);

    memcpy(drifted, weights, sizeof drifted);
    drifted[1] += 0.07;
    feed_books(eng, 3, drifted, at_share);
    feed_covariance(eng, 3);
    out = close_step(eng, 3);
    cr_expect_eq(out.made, (unsigned)KEEL_OPTIMIZER_MADE_ALLOCATION);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_DRIFT_ABOVE_THRESHOLD);
    cr_expect_float_eq(out.decision.max_drift_frac, 0.07, 1e-9);
    cr_expect_not_null(strstr(out.decision.reason.text, "A1"), "%s", out.decision.reason.text);

    for (uint64_t step = 4; step < 24; step++) {
        feed_books(eng, step, weights, at_share);
        feed_covariance(eng, step);
        cr_expect_eq(close_step(eng, step).made, 0u, "step %d", (int)step);
    }
    feed_books(eng, 24, weights, at_share);
    feed_covariance(eng, 24);
    out = close_step(eng, 24);
    cr_expect_eq(out.made, KEEL_OPTIMIZER_MADE_ALLOCATION | KEEL_OPTIMIZER_MADE_CAPITAL);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_SCHEDULE_DUE);
    cr_expect_eq(out.capital.reason.code, KEEL_REASON_SCHEDULE_DUE);
    cr_expect_eq(out.decision.next_due_ns % KEEL_NS_PER_DAY, 0);
    keel_optimizer_free(&eng);
}

/* A refused proposal is not heard of: core stays flat and drift proposes again. */
Test(optimizer, proposes_again_while_core_stays_flat)
{
    double weights[N];
    keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    cfg.core.retry_steps = 3;
    keel_optimizer *eng = allocated(&cfg, weights);
    const bool applied[] = {false, false, true, false, false, true};
    for (uint64_t step = 2; step < 8; step++) {
        feed_books(eng, step, NULL, at_share);
        feed_covariance(eng, step);
        const keel_optimizer_out out = close_step(eng, step);
        cr_expect(out.decision.due);
        cr_expect_eq(out.decision.applied, applied[step - 2], "step %d", (int)step);
        cr_expect_eq(out.decision.reason.code, KEEL_REASON_DRIFT_ABOVE_THRESHOLD);
        cr_expect_eq(out.made != 0, applied[step - 2]);
    }
    keel_optimizer_free(&eng);
}

/* AL11: a book away from its share brings capital, and the weights of core with it. */
Test(optimizer, share_drift_proposes_capital_and_weights)
{
    double weights[N];
    const double off[BOOKS] = {0.56, 0.20, 0.05};
    const keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    keel_optimizer *eng = allocated(&cfg, weights);
    feed_books(eng, 2, weights, off);
    feed_covariance(eng, 2);
    const keel_optimizer_out out = close_step(eng, 2);
    cr_expect_eq(out.made, KEEL_OPTIMIZER_MADE_CAPITAL | KEEL_OPTIMIZER_MADE_ALLOCATION);
    cr_expect_eq(out.capital.reason.code, KEEL_REASON_DRIFT_ABOVE_THRESHOLD);
    cr_expect_not_null(strstr(out.capital.reason.text, "core"), "%s", out.capital.reason.text);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_DRIFT_ABOVE_THRESHOLD);
    cr_expect_not_null(strstr(out.decision.reason.text, "capital"));
    keel_optimizer_free(&eng);
}

/* RB07 */
Test(optimizer, decide_only_says_what_it_would_do)
{
    keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    cfg.apply = false;
    keel_optimizer *eng = must(&cfg);
    for (uint64_t step = 1; step <= 30; step++) {
        feed_books(eng, step, NULL, step == 1 ? no_share : at_share);
        feed_covariance(eng, step);
        const keel_optimizer_out out = close_step(eng, step);
        cr_expect_eq(out.made, step == 1 ? (unsigned)KEEL_OPTIMIZER_MADE_CAPITAL : 0u);
        cr_expect_eq(out.decision.reason.code, KEEL_REASON_DECIDE_ONLY);
        cr_expect(out.decision.due && !out.decision.applied);
        cr_expect_float_eq(out.decision.turnover_frac, 0.5, 1e-9);
    }
    keel_optimizer_free(&eng);
}

Test(optimizer, old_covariance_counts_as_none)
{
    double weights[N];
    const keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    keel_optimizer *eng = allocated(&cfg, weights);
    feed_books(eng, 3, NULL, at_share); /* covariance of step 1: age 2 is allowed */
    cr_expect(close_step(eng, 3).decision.applied);
    feed_books(eng, 4, NULL, at_share);
    const keel_optimizer_out out = close_step(eng, 4);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_WARMING_UP);
    cr_expect(out.decision.due && !out.decision.applied);
    keel_optimizer_free(&eng);
}

Test(optimizer, infeasible_and_singular_are_reasons_and_nothing_is_proposed)
{
    const char *const four[] = {"S0", "S1", "S2", "S3"};
    const keel_sector_band band[] = {
        {"S0", 0.1, 1}, {"S1", 0.1, 1}, {"S2", 0.1, 1}, {"S3", 0.1, 1}};
    keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    universe_of(&universe, N, four, 4);
    cfg.allocation.sectors_n = 4;
    cfg.allocation.sectors = band;
    cfg.allocation.positions_max = 3; /* four sectors want one each */
    keel_optimizer *eng = must(&cfg);
    feed_books(eng, 1, NULL, at_share);
    feed_covariance(eng, 1);
    keel_optimizer_out out = close_step(eng, 1);
    cr_expect_eq(out.made, (unsigned)KEEL_OPTIMIZER_MADE_CAPITAL);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_INFEASIBLE);
    cr_expect_not_null(strstr(out.decision.reason.text, "sector:S"), "%s",
                       out.decision.reason.text);
    cr_expect_not_null(strstr(out.decision.reason.text, "max_positions"));
    sigma[1] = 1.0;
    feed_books(eng, 2, NULL, at_share);
    feed_covariance(eng, 2);
    out = close_step(eng, 2);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_SINGULAR);
    cr_expect_eq(out.made, 0u);
    keel_optimizer_free(&eng);
}

/* CF09: the switches are named in method and reason. */
Test(optimizer, method_and_why_are_stated)
{
    const struct {
        keel_method method;
        const char *why;
    } cases[] = {
        {KEEL_METHOD_STATIC, "static weights because enable_optimization is false"},
        {KEEL_METHOD_INVERSE_VOLATILITY, "inverse volatility because enable_correlation is false"}};
    for (int k = 0; k < 2; k++) {
        double weights[N];
        keel_optimizer_cfg cfg = cfg_of(cases[k].method);
        cfg.method_why = cases[k].why;
        keel_optimizer *eng = allocated(&cfg, weights);
        feed_books(eng, 2, NULL, at_share);
        const keel_optimizer_out out = close_step(eng, 2);
        cr_expect_eq(out.allocation.method, cases[k].method);
        cr_expect_not_null(strstr(out.allocation.reason.text, cases[k].why), "%s",
                           out.allocation.reason.text);
        keel_optimizer_free(&eng);
    }
}

Test(optimizer, book_without_equity_holds_nothing)
{
    const double held[N] = {0.25, 0.25, 0.25, 0.25};
    const keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_EQUAL_WEIGHT);
    keel_optimizer *eng = must(&cfg);
    feed_books(eng, 1, held, no_share);
    feed_covariance(eng, 1);
    const keel_optimizer_out out = close_step(eng, 1);
    for (int i = 0; i < N; i++)
        cr_expect_eq(out.allocation.current[i], 0.0);
    keel_optimizer_free(&eng);
}

Test(optimizer, refuses_strangers_and_keeps_its_state)
{
    double weights[N];
    const keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    keel_optimizer *eng = allocated(&cfg, weights);
    const keel_input_ref ref = {"x.", 2, 2};
    keel_position position = {.instrument = N, .value_micros = 1};
    keel_book book = {.book = "core", .equity_micros = 1, .positions_n = 1, .positions = &position};
    keel_portfolio_state state = {.portfolio = "main",
                                  .universe_hash = universe.hash,
                                  .equity_micros = 1,
                                  .books_n = 1,
                                  .books = &book};
    cr_expect_eq(keel_optimizer_on_portfolio(eng, &state, &ref), KEEL_ERANGE);
    position.instrument = -1;
    cr_expect_eq(keel_optimizer_on_portfolio(eng, &state, &ref), KEEL_ERANGE);
    state.universe_hash++;
    cr_expect_eq(keel_optimizer_on_portfolio(eng, &state, &ref), KEEL_EUNKNOWN);
    state.universe_hash--;
    memcpy(state.portfolio, "other", 6);
    cr_expect_eq(keel_optimizer_on_portfolio(eng, &state, &ref), KEEL_EUNKNOWN);
    keel_covariance c = {.universe_hash = universe.hash + 1, .n = N, .covariance = sigma};
    cr_expect_eq(keel_optimizer_on_covariance(eng, &c, &ref), KEEL_EUNKNOWN);
    c.universe_hash--;
    sigma[0] = 0.0;
    cr_expect_eq(keel_optimizer_on_covariance(eng, &c, &ref), KEEL_ENONFINITE);
    sigma[0] = NAN;
    cr_expect_eq(keel_optimizer_on_covariance(eng, &c, &ref), KEEL_ENONFINITE);
    keel_optimizer_out out;
    cr_expect_eq(keel_optimizer_on_step(eng, 1, 0, &out), KEEL_EORDER);
    feed_books(eng, 2, weights, at_share);
    out = close_step(eng, 2);
    cr_expect_eq(out.decision.reason.code, KEEL_REASON_WITHIN_THRESHOLD);
    keel_optimizer_free(&eng);
}

/* AL12 */
Test(optimizer, refuses_a_configuration_that_makes_no_sense)
{
    static const keel_book_share heavy[] = {{"core", 0.7}, {"momentum", 0.4}};
    static const keel_book_share negative[] = {{"core", -0.1}};
    static const keel_book_share twice[] = {{"core", 0.1}, {"core", 0.1}};
    for (int k = 0; k < 11; k++) {
        keel_err err = {KEEL_OK, ""};
        keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
        switch (k) {
        case 0:
            cfg.books = heavy, cfg.books_n = 2;
            break;
        case 1:
            cfg.books = negative, cfg.books_n = 1;
            break;
        case 2:
            cfg.books = twice, cfg.books_n = 2;
            break;
        case 3:
            cfg.books_n = 0;
            break;
        case 4:
            cfg.core.threshold_frac = 1.5;
            break;
        case 5:
            cfg.capital.threshold_frac = NAN;
            break;
        case 6:
            cfg.core.retry_steps = 0;
            break;
        case 7:
            cfg.core.monthly = true;
            break;
        case 8:
            cfg.portfolio = "no such name!";
            break;
        case 9:
            cfg.covariance_age_max = -1;
            break;
        default:
            cfg.cost_bps = -1;
            break;
        }
        keel_optimizer *eng = keel_optimizer_new(&cfg, &err);
        cr_expect_null(eng, "case %d", k);
        cr_expect_neq(err.status, KEEL_OK);
        cr_expect_neq(err.text[0], '\0', "case %d", k);
        keel_optimizer_free(&eng);
    }
}

/* The same hours through one engine, and through one that is saved and loaded after each. */
Test(optimizer, snapshot_changes_nothing)
{
    static uint8_t snapshot[16384], broken[16384];
    double weights[N];
    size_t len = 0, need = 0;
    keel_optimizer_cfg cfg = cfg_of(KEEL_METHOD_MIN_VARIANCE);
    keel_optimizer *a = allocated(&cfg, weights);
    for (uint64_t step = 2; step < 60; step++) {
        keel_optimizer *b = must(&cfg);
        cr_assert_eq(keel_optimizer_save(a, NULL, 0, &need), KEEL_ENOSPC);
        cr_assert_eq(keel_optimizer_save(a, snapshot, need - 1, &len), KEEL_ENOSPC);
        cr_assert_eq(keel_optimizer_save(a, snapshot, sizeof snapshot, &len), KEEL_OK);
        cr_assert_eq(len, need);
        cr_assert_eq(keel_optimizer_load(b, snapshot, len), KEEL_OK);
        covariance_of(N, step, sigma);
        if (step % 3 == 0)
            weights[step % N] += 0.06;
        keel_optimizer *both[] = {a, b};
        keel_optimizer_out outs[2];
        for (int k = 0; k < 2; k++) {
            feed_books(both[k], step, weights, at_share);
            if (step % 5 != 0)
                feed_covariance(both[k], step);
            outs[k] = close_step(both[k], step);
        }
        cr_assert_eq(outs[0].made, outs[1].made);
        cr_assert_eq(memcmp(&outs[0].decision, &outs[1].decision, sizeof outs[0].decision), 0);
        if ((outs[0].made & KEEL_OPTIMIZER_MADE_ALLOCATION) != 0) {
            cr_assert_arr_eq(outs[0].allocation.weights, outs[1].allocation.weights,
                             N * sizeof(double));
            cr_assert_arr_eq(outs[0].allocation.bound_multipliers,
                             outs[1].allocation.bound_multipliers, N * sizeof(double));
            memcpy(weights, outs[0].allocation.weights, sizeof weights);
        }
        keel_optimizer_free(&b);
    }
    for (size_t cut = 0; cut < len; cut += 3)
        cr_expect_eq(keel_optimizer_load(a, snapshot, cut), KEEL_EFORMAT);
    for (size_t k = 0; k < 24; k++) { /* the head: magic, version, universe, sizes */
        memcpy(broken, snapshot, len);
        broken[k] ^= 0x10;
        cr_expect_eq(keel_optimizer_load(a, broken, len), KEEL_EFORMAT, "byte %zu", k);
    }
    keel_optimizer_free(&a);
    keel_optimizer_free(&a);
}
