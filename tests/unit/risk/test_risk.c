/* RL08, RL10, T9, P2, P7: the engine as a whole, step by step. */
#include "tests/unit/risk/driver.h"

#include <stdlib.h>

static double sum_of(const double *x)
{
    double sum = 0;
    for (int i = 0; i < p.n; i++)
        sum += x[i];
    return sum;
}

Test(risk, approves_what_verifies_with_boxes_prices_and_equity)
{
    keel_risk *risk = make();
    run(risk, 1, 1000 * MICROS, 0, true);
    cr_assert(out.made & KEEL_RISK_MADE_ALLOCATION, "%s", out.breaches[0].reason.text);
    const keel_approved_allocation *a = &out.allocation;
    cr_expect_eq(a->reason.code, KEEL_REASON_VERIFIED);
    cr_expect_eq(a->equity_micros, 400 * MICROS);
    cr_expect_float_eq(a->account_frac, 0.4, 1e-15);
    cr_expect_eq(a->proposal_hash, 77);
    cr_expect_eq(a->scale_frac, 1);
    cr_expect_float_eq(a->turnover_frac, 0.49, 1e-12);
    cr_expect_float_eq(sum_of(a->weights) + a->cash_frac, 1, 1e-12);
    cr_expect_eq(a->certificate.kind, KEEL_CERTIFICATE_OPTIMAL);
    double variance = 0;
    for (int i = 0; i < p.n; i++) {
        cr_expect_eq(a->weights[i], p.w[i]);
        cr_expect_eq(a->price_units[i], p.prices[i]);
        cr_expect(a->box_lower[i] <= a->weights[i] && a->weights[i] <= a->box_upper[i]);
        cr_expect(a->box_lower[i] >= p.lower[i] && a->box_upper[i] <= p.upper[i]);
        cr_expect(a->box_upper[i] - a->box_lower[i] <= 0.04 + 1e-15);
        if (p.w[i] == 0) /* exact: a pinned weight */
            cr_expect(a->box_lower[i] == 0 && a->box_upper[i] == 0);
        for (int j = 0; j < p.n; j++)
            variance += p.w[i] * p.w[j] * cov_at(&p, i, j);
    }
    cr_expect_float_eq(a->expected_volatility, sqrt(variance), 1e-15);
    cr_expect_eq(out.trading.mode, KEEL_TRADING_ACTIVE);
    cr_expect_eq(out.breaches_n, 0);
    cr_expect_eq(out.refused, 0);
    keel_risk_free(&risk);
    keel_risk_free(&risk);
}

Test(risk, refuses_a_lying_optimizer_in_public)
{
    keel_risk *risk = make();
    const int i = find_pin(&p, 0);
    p.w[i] += 1e-3; /* a better looking portfolio that does not add up to its certificate */
    p.proposal.cash_frac -= 1e-3;
    run(risk, 1, 1000 * MICROS, 0, true);
    cr_expect_eq(out.made & KEEL_RISK_MADE_ALLOCATION, 0);
    cr_assert_eq(out.breaches_n, 1);
    cr_expect_eq(out.refused, 1);
    cr_expect_neq(out.breaches[0].reason.code, KEEL_REASON_VERIFIED);
    cr_expect_neq(out.breaches[0].latch.name[0], '\0');
    cr_expect_eq(out.trading.mode, KEEL_TRADING_ACTIVE); /* refused, not latched */
    cr_expect_eq(out.trading.latches_n, 0);
    keel_risk_free(&risk);
}

Test(risk, judges_inputs_by_what_it_saw_itself)
{
    static const struct {
        uint64_t named;
        uint64_t hash;
        keel_reason_code code;
    } cases[] = {
        {12, 2012, KEEL_REASON_VERIFIED},
        {10, 2010, KEEL_REASON_VERIFIED},
        {9, 2009, KEEL_REASON_STALE_INPUT},
        {4, 2004, KEEL_REASON_STALE_INPUT},
        {13, 2013, KEEL_REASON_UNKNOWN_INPUT},
        {11, 2011, KEEL_REASON_UNKNOWN_INPUT},
        {12, 2013, KEEL_REASON_INPUT_HASH_MISMATCH},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        keel_risk *risk = make();
        for (uint64_t step = 1; step < 12; step++) {
            open_with(risk, step, NULL);
            give_row(risk, step);
            give_books(risk, step, 1000 * MICROS, 0);
            if (step != 11) /* a gap: nothing was published in step 11 */
                give_covariance(risk, step);
            close_step(risk);
        }
        open_with(risk, 12, NULL);
        give_inputs(risk, 12, 1000 * MICROS, 0);
        for (int i = 0; i < 2; i++)
            p.proposal.inputs[i].step = 12;
        p.proposal.inputs[1].payload_hash = 1012;
        p.proposal.inputs[0].step = cases[c].named;
        p.proposal.inputs[0].payload_hash = cases[c].hash;
        cr_assert_eq(keel_risk_on_allocation_proposal(risk, &p.proposal, 1), KEEL_OK);
        close_step(risk);
        const keel_reason_code code =
            out.breaches_n > 0 ? out.breaches[0].reason.code : out.allocation.reason.code;
        cr_expect_eq(code, cases[c].code, "case %zu: %d", c, (int)code);
        keel_risk_free(&risk);
    }
}

Test(risk, order_of_inputs_inside_a_step_does_not_matter)
{
    keel_risk *risk = make();
    open_with(risk, 1, NULL);
    propose(risk, 1);
    give_covariance(risk, 1);
    give_books(risk, 1, 1000 * MICROS, 0);
    give_row(risk, 1);
    close_step(risk);
    cr_expect(out.made & KEEL_RISK_MADE_ALLOCATION);
    keel_risk_free(&risk);
}

Test(risk, keeps_a_copy_of_a_proposal_whose_message_is_gone)
{
    keel_risk *risk = make();
    open_with(risk, 1, NULL);
    give_inputs(risk, 1, 1000 * MICROS, 0);
    propose(risk, 1);
    memset(p.w, 0xff, sizeof p.w);
    memset(p.z, 0xff, sizeof p.z);
    memset(p.rows, 0xff, sizeof p.rows);
    memset(p.indices, 0xff, sizeof p.indices);
    close_step(risk);
    cr_expect(out.made & KEEL_RISK_MADE_ALLOCATION);
    keel_risk_free(&risk);
}

Test(risk, refuses_a_proposal_of_wrong_sizes_without_reading_it)
{
    keel_risk *risk = make();
    p.proposal.n = KEEL_UNIVERSE_MAX;
    run(risk, 1, 1000 * MICROS, 0, true);
    cr_assert_eq(out.breaches_n, 1);
    cr_expect_eq(out.breaches[0].reason.code, KEEL_REASON_NOT_A_PORTFOLIO);
    keel_risk_free(&risk);
}

Test(risk, sizes_core_by_the_capital_approved_beside_it)
{
    keel_risk *risk = make();
    open_with(risk, 1, NULL);
    give_inputs(risk, 1, 1000 * MICROS, 0);
    propose_capital(risk, books, 2);
    propose(risk, 1);
    close_step(risk);
    cr_assert(out.made & KEEL_RISK_MADE_CAPITAL);
    cr_expect_eq(out.capital.books, 2);
    cr_expect_eq(out.capital.proposal_hash, 88);
    cr_expect_eq(out.allocation.equity_micros, 500 * MICROS);
    cr_expect_float_eq(out.allocation.account_frac, 0.5, 1e-15);
    keel_risk_free(&risk);
}

Test(risk, refuses_capital_that_is_no_share_of_the_account)
{
    static const struct {
        keel_book_share shares[2];
        keel_reason_code code;
    } cases[] = {
        {{{"core", 0.6}, {"momentum", 0.4}}, KEEL_REASON_VERIFIED},
        {{{"core", 0.6}, {"momentum", 0.400001}}, KEEL_REASON_SHARES_ABOVE_ONE},
        {{{"core", 1.1}, {"momentum", 0}}, KEEL_REASON_SHARES_ABOVE_ONE},
        {{{"core", 0.5}, {"momentum", -0.1}}, KEEL_REASON_NOT_A_PORTFOLIO},
        {{{"core", NAN}, {"momentum", 0.1}}, KEEL_REASON_NOT_A_PORTFOLIO},
        {{{"core", 0.5}, {"core", 0.1}}, KEEL_REASON_NOT_A_PORTFOLIO},
        {{{"core", 0.5}, {"stranger", 0.1}}, KEEL_REASON_UNKNOWN_STRATEGY},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        keel_risk *risk = make();
        open_with(risk, 1, NULL);
        give_inputs(risk, 1, 1000 * MICROS, 0);
        propose_capital(risk, cases[c].shares, 2);
        close_step(risk);
        const keel_reason_code code =
            out.breaches_n > 0 ? out.breaches[0].reason.code : out.capital.reason.code;
        cr_expect_eq(code, cases[c].code, "case %zu: %d", c, (int)code);
        keel_risk_free(&risk);
    }
}

Test(risk, stop_flattens_once_halts_when_flat_and_re_arms)
{
    keel_risk *risk = make();
    run(risk, 1, 1000 * MICROS, 300 * MICROS, false);
    cr_expect(out.made & KEEL_RISK_MADE_REPORT);
    run(risk, 2, 940 * MICROS, 240 * MICROS, true);
    cr_expect_eq(out.trading.mode, KEEL_TRADING_REDUCING);
    cr_expect(out.trading.changed);
    cr_expect_eq(out.trading.stops, 1);
    cr_assert_eq(out.breaches_n, 2); /* the stop, and the proposal that came too late */
    cr_expect_eq(out.breaches[0].reason.code, KEEL_REASON_PORTFOLIO_STOP);
    cr_expect_eq(out.breaches[1].reason.code, KEEL_REASON_NOT_TRADING);
    cr_assert(out.made & KEEL_RISK_MADE_ALLOCATION);
    cr_expect_eq(out.allocation.method, KEEL_METHOD_FLATTEN);
    cr_expect_eq(out.allocation.reason.code, KEEL_REASON_PORTFOLIO_STOP);
    cr_expect_eq(out.allocation.proposal_hash, 0);
    cr_expect_eq(sum_of(out.allocation.weights), 0);
    cr_expect_eq(sum_of(out.allocation.box_lower), 0);
    cr_expect_eq(sum_of(out.allocation.box_upper), 0);
    cr_expect_eq(out.allocation.cash_frac, 1);
    run(risk, 3, 940 * MICROS, 240 * MICROS, false);
    cr_expect_eq(out.trading.mode, KEEL_TRADING_REDUCING);
    cr_expect_not(out.trading.changed);
    cr_expect_eq(out.made & KEEL_RISK_MADE_ALLOCATION, 0); /* said once: it stays in force */
    run(risk, 4, 940 * MICROS, 9 * MICROS, false); /* dust below the smallest order is flat */
    cr_expect_eq(out.trading.mode, KEEL_TRADING_HALTED);
    cr_expect_eq(out.trading.latches_n, 1);
    run(risk, 5, 940 * MICROS, 0, false); /* three hours after the breach */
    cr_expect_eq(out.trading.mode, KEEL_TRADING_ACTIVE);
    cr_expect_eq(out.trading.reason.code, KEEL_REASON_TIMED_RE_ARM);
    cr_expect_eq(out.trading.peak_equity_micros, 940 * MICROS);
    cr_expect_eq(out.trading.drawdown_frac, 0);
    run(risk, 6, 940 * MICROS, 0, true);
    cr_expect(out.made & KEEL_RISK_MADE_ALLOCATION);
    keel_risk_free(&risk);
}

Test(risk, halts_and_resumes_by_request_and_names_it_in_the_record)
{
    keel_risk *risk = make();
    run(risk, 1, 1000 * MICROS, 0, false);
    cr_expect_eq(out.trading.requests_n, 0);
    open_with(risk, 2, "halt");
    give_inputs(risk, 2, 1000 * MICROS, 0);
    propose(risk, 2);
    close_step(risk);
    cr_expect_eq(out.trading.mode, KEEL_TRADING_HALTED);
    cr_assert_eq(out.trading.requests_n, 1);
    cr_expect_str_eq(out.trading.requests[0].kind, "halt");
    cr_expect_str_eq(out.trading.reason.text, "because");
    cr_expect_eq(out.breaches[0].reason.code, KEEL_REASON_NOT_TRADING);
    open_with(risk, 3, "resume");
    give_inputs(risk, 3, 1000 * MICROS, 0);
    propose(risk, 3);
    close_step(risk);
    cr_expect_eq(out.trading.mode, KEEL_TRADING_ACTIVE);
    cr_expect(out.made & KEEL_RISK_MADE_ALLOCATION);
    keel_risk_free(&risk);
}

Test(risk, handlers_refuse_what_does_not_belong_and_stay_as_they_were)
{
    keel_risk *risk = make();
    const keel_input_ref ref = {COV_TOPIC, 1, 1};
    keel_covariance covariance = {.universe_hash = p.universe.hash, .n = p.n, .covariance = p.s};
    keel_portfolio_state state = {.portfolio = "main", .universe_hash = p.universe.hash};
    keel_bar_row row = {p.universe.hash, HOUR, HOUR, p.n, p.prices};
    keel_taken_request odd = {.kind = "pause"};
    size_t before = 0, after = 0;
    static uint8_t was[1 << 20], is[1 << 20];

    cr_assert_eq(keel_risk_save(risk, was, sizeof was, &before), KEEL_OK);
    cr_expect_eq(keel_risk_on_step(risk, &out), KEEL_EORDER);
    cr_expect_eq(keel_risk_on_row(risk, &row), KEEL_EORDER);
    cr_expect_eq(keel_risk_on_covariance(risk, &covariance, &ref), KEEL_EORDER);
    cr_expect_eq(keel_risk_on_portfolio(risk, &state, &ref), KEEL_EORDER);
    cr_expect_eq(keel_risk_on_allocation_proposal(risk, &p.proposal, 1), KEEL_EORDER);
    cr_expect_eq(keel_risk_on_open(risk, 0, NULL, 0), KEEL_EORDER);
    cr_expect_eq(keel_risk_on_open(risk, 1, NULL, KEEL_TAKEN_MAX + 1), KEEL_ENOSPC);
    cr_expect_eq(keel_risk_on_open(risk, 1, &odd, 1), KEEL_EUNKNOWN);
    row.universe_hash++;
    state.universe_hash++;
    covariance.universe_hash++;
    cr_expect_eq(keel_risk_on_row(risk, &row), KEEL_EUNKNOWN);
    cr_expect_eq(keel_risk_on_portfolio(risk, &state, &ref), KEEL_EUNKNOWN);
    cr_expect_eq(keel_risk_on_covariance(risk, &covariance, &ref), KEEL_EUNKNOWN);
    cr_assert_eq(keel_risk_save(risk, is, sizeof is, &after), KEEL_OK);
    cr_expect_eq(before, after);
    cr_expect_eq(memcmp(was, is, before), 0);

    open_with(risk, 1, NULL);
    cr_expect_eq(keel_risk_save(risk, is, sizeof is, &after), KEEL_EORDER);
    covariance.universe_hash--;
    p.s[0] = 0;
    cr_expect_eq(keel_risk_on_covariance(risk, &covariance, &ref), KEEL_ENONFINITE);
    propose(risk, 1);
    cr_expect_eq(keel_risk_on_allocation_proposal(risk, &p.proposal, 1), KEEL_EEXIST);
    keel_risk_free(&risk);
}

Test(risk, names_a_configuration_that_makes_no_sense)
{
    keel_risk *risk = make();
    keel_err err = {KEEL_OK, ""};
    enum { BAD = 13 };
    const keel_risk_strategy twins[] = {{"one", 1}, {"one", 1}}, greedy[] = {{"one", 21}};
    const keel_risk_strategy nameless[] = {{"", 1}};
    keel_risk_cfg bad[BAD];
    for (int i = 0; i < BAD; i++)
        bad[i] = cfg_of();
    bad[0].stop.max_drawdown = 0;
    bad[1].stop.re_arm_ns = -1;
    bad[2].box_frac = 1.5;
    bad[3].max_input_age = KEEL_RISK_INPUT_STEPS;
    bad[4].limits.max_weight = 0;
    bad[5].books_n = KEEL_BOOKS_MAX + 1;
    bad[6].sizing.base_frac = 0;
    bad[7].sizing.correlation_threshold = 1;
    bad[8].sizing.max_portfolio_risk = NAN;
    bad[9].strategies_n = KEEL_STRATEGIES_MAX + 1;
    bad[10].strategies_n = 2;
    bad[10].strategies = twins;
    bad[11].strategies = greedy;
    bad[12].strategies = nameless;
    for (int i = 0; i < BAD; i++) {
        err.text[0] = '\0';
        cr_expect_null(keel_risk_new(&bad[i], &err), "case %d", i);
        cr_expect_neq(err.text[0], '\0', "case %d", i);
    }
    keel_risk_free(&risk);
}

/* ---- snapshots ----------------------------------------------------------------------------- */

enum { SNAPSHOT_MAX = 1 << 20 };
static uint8_t snapshot[SNAPSHOT_MAX], again[SNAPSHOT_MAX];

/* A run with a stop, a halt and approvals; step by step the same for both engines. */
static void scripted(keel_risk *risk, uint64_t step)
{
    static const int64_t equity[] = {1000, 1010, 940, 930, 935, 940, 945, 950, 960, 970};
    open_with(risk, step, step == 7 ? "halt" : step == 8 ? "resume" : NULL);
    give_inputs(risk, step, equity[step % 10] * MICROS, step == 2 ? 300 * MICROS : 0);
    propose(risk, step);
    close_step(risk);
}

static void expect_same_bytes(const void *a, const void *b, size_t len, uint64_t step)
{
    cr_assert_eq(memcmp(a, b, len), 0, "step %lu differs", step);
}

Test(risk, goes_on_to_the_bit_after_save_and_load)
{
    for (uint64_t cut = 1; cut < 20; cut++) {
        keel_risk *one = make();
        const keel_risk_cfg cfg = cfg_of();
        keel_risk *two = keel_risk_new(&cfg, NULL);
        size_t len = 0, len_again = 0;
        for (uint64_t step = 1; step <= cut; step++)
            scripted(one, step);
        cr_assert_eq(keel_risk_save(one, snapshot, sizeof snapshot, &len), KEEL_OK);
        cr_assert_eq(keel_risk_load(two, snapshot, len), KEEL_OK);
        for (uint64_t step = cut + 1; step <= cut + 3; step++) {
            static keel_risk_out first;
            static double weights[N_MAX];
            scripted(one, step);
            first = out;
            if (out.made & KEEL_RISK_MADE_ALLOCATION)
                memcpy(weights, out.allocation.weights, (size_t)p.n * sizeof weights[0]);
            scripted(two, step);
            expect_same_bytes(&first.trading, &out.trading, sizeof out.trading, step);
            expect_same_bytes(first.report.numbers, out.report.numbers, sizeof out.report.numbers,
                              step);
            expect_same_bytes(first.breaches, out.breaches, sizeof out.breaches, step);
            cr_assert_eq(first.made, out.made);
            if (out.made & KEEL_RISK_MADE_ALLOCATION) {
                expect_same_bytes(weights, out.allocation.weights, (size_t)p.n * sizeof weights[0],
                                  step);
                cr_assert_eq(first.allocation.expected_volatility,
                             out.allocation.expected_volatility);
            }
            cr_assert_eq(keel_risk_save(one, snapshot, sizeof snapshot, &len), KEEL_OK);
            cr_assert_eq(keel_risk_save(two, again, sizeof again, &len_again), KEEL_OK);
            cr_assert_eq(len, len_again);
            expect_same_bytes(snapshot, again, len, step);
        }
        keel_risk_free(&one);
        keel_risk_free(&two);
    }
}

Test(risk, load_refuses_corrupt_bytes_and_changes_nothing)
{
    keel_risk *risk = make();
    size_t len = 0, after = 0;
    int refused = 0;
    for (uint64_t step = 1; step <= 10; step++)
        scripted(risk, step);
    cr_expect_eq(keel_risk_save(risk, snapshot, 10, &len), KEEL_ENOSPC);
    cr_assert_leq(len, sizeof snapshot);
    cr_assert_eq(keel_risk_save(risk, snapshot, sizeof snapshot, &len), KEEL_OK);
    uint8_t *bytes = malloc(len + 1); /* its own block, so that ASan sees a read past the end */
    for (size_t cut = 0; cut <= len + 1; cut += cut < 64 || cut > len - 64 ? 1 : 61) {
        if (cut == len)
            continue;
        memcpy(bytes, snapshot, cut < len ? cut : len);
        bytes[len] = 0;
        cr_assert_eq(keel_risk_load(risk, bytes, cut), KEEL_EFORMAT, "cut at %zu", cut);
        refused++;
    }
    memcpy(bytes, snapshot, len);
    bytes[4] ^= 0x40;
    cr_expect_eq(keel_risk_load(risk, bytes, len), KEEL_EVERSION);
    memcpy(bytes, snapshot, len);
    bytes[8] ^= 1;
    cr_expect_eq(keel_risk_load(risk, bytes, len), KEEL_EUNKNOWN);
    cr_assert_eq(keel_risk_save(risk, again, sizeof again, &after), KEEL_OK);
    cr_expect_eq(after, len);
    cr_expect_eq(memcmp(snapshot, again, len), 0);
    cr_expect_gt(refused, 100);
    free(bytes);
    keel_risk_free(&risk);
}
