/* PZ02, PZ06, RL05, RL07, RL10, RM11, T2, T3: questions of the coordinator and their answers. */
#include "tests/unit/risk/desk.h"

#include "common/base/rng.h"
#include "common/wire/wire.h"

#define EXPECT_CODE(answer, expected)                                                              \
    cr_expect_eq((answer)->reason.code, expected, "%s: %s",                                        \
                 keel_reason_name((answer)->reason.code), (answer)->reason.text)

Test(check, a_plain_signal_gets_the_base_size)
{
    desk_begin();
    const keel_risk_answer *answer = desk_ask_one("alpha", 0, KEEL_SIDE_LONG);
    cr_expect(answer->accepted);
    cr_expect_eq(answer->qty_units, PLAIN);
    cr_expect_str_eq(answer->signal_id, "alpha-0-1");
    cr_expect_str_eq(bound_of(answer), "base_size");
    cr_expect_str_eq(d.verdict.portfolio, "main");
    cr_expect_eq(d.verdict.request_step, d.step);
    cr_expect_eq(d.verdict.request_index, 0);
    cr_expect_eq(d.verdict.request_hash, 77);
    cr_expect_eq(desk_ask_one("alpha", 0, KEEL_SIDE_SHORT)->qty_units, -PLAIN);
    answer = desk_ask_one("alpha", 0, KEEL_SIDE_FLAT);
    cr_expect(answer->accepted);
    cr_expect_eq(answer->qty_units, 0);
    desk_end();
}

/* T2: correlation of side-adjusted returns. beta holds instrument 1; alpha asks for 0. */
Test(check, correlation_is_adjusted_by_the_sides)
{
    static const struct {
        double correlation;
        int held; /* side of beta's position */
        keel_side side;
        double factor;
    } cases[] = {
        {0.9, 1, KEEL_SIDE_LONG, 1 - 0.5 * 0.2 / 0.3},
        {0.9, -1, KEEL_SIDE_SHORT, 1 - 0.5 * 0.2 / 0.3},
        {0.9, 1, KEEL_SIDE_SHORT, 1}, /* a hedge is not cut */
        {0.9, -1, KEEL_SIDE_LONG, 1},
        {-0.9, 1, KEEL_SIDE_SHORT, 1 - 0.5 * 0.2 / 0.3},
        {-0.9, 1, KEEL_SIDE_LONG, 1},
        {0.7, 1, KEEL_SIDE_LONG, 1},
        {0, 1, KEEL_SIDE_LONG, 1},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        for (int stands = 0; stands < 2; stands++) { /* held by beta's book, or only decided */
            desk_set();
            *corr_of(0, 1) = cases[k].correlation;
            desk_build();
            if (stands != 0)
                desk_stand("beta", 1, cases[k].held * PIECE, 1, 0);
            else
                desk_hold("beta", 1, cases[k].held * PIECE);
            desk_step();
            const keel_risk_answer *answer = desk_ask_one("alpha", 0, cases[k].side);
            cr_expect_float_eq(rule_of(answer, "correlation_factor")->value, cases[k].factor, 1e-12,
                               "case %zu: %g", k, rule_of(answer, "correlation_factor")->value);
            desk_end();
        }
    }
}

Test(check, correlation_counts_the_largest_of_the_strategies_only)
{
    desk_set();
    *corr_of(0, 1) = 0.8;
    *corr_of(0, 2) = 0.9;
    *corr_of(0, 3) = 0.99;
    desk_build();
    desk_hold("beta", 1, PIECE);
    desk_hold("alpha", 2, PIECE); /* alpha's own position in another instrument counts as well */
    desk_hold("core", 3, PIECE);  /* core's holdings are the optimizer's business */
    desk_step();
    cr_expect_float_eq(
        rule_of(desk_ask_one("alpha", 0, KEEL_SIDE_LONG), "correlation_factor")->value,
        1 - 0.5 * 0.2 / 0.3, 1e-12);
    desk_end();
}

Test(check, the_same_instrument_of_another_strategy_is_correlated_by_one)
{
    desk_begin();
    desk_hold("beta", 0, PIECE);
    desk_step();
    cr_expect_eq(desk_ask_one("alpha", 0, KEEL_SIDE_LONG)->qty_units, PLAIN / 2);
    cr_expect_eq(desk_ask_one("alpha", 0, KEEL_SIDE_SHORT)->qty_units, -PLAIN);
    /* its own position is replaced, not added to */
    cr_expect_eq(desk_ask_one("beta", 0, KEEL_SIDE_LONG)->qty_units, PLAIN);
    desk_end();
}

Test(check, too_few_rows_or_no_covariance_shrink_correlation_to_zero)
{
    static const int rows[] = {0, 29, 30}, cut[] = {0, 0, 1};
    for (int k = 0; k < 3; k++) {
        desk_set();
        d.rows = rows[k];
        *corr_of(0, 1) = 1;
        desk_build();
        desk_hold("beta", 1, PIECE);
        desk_step();
        const keel_risk_answer *answer = desk_ask_one("alpha", 0, KEEL_SIDE_LONG);
        cr_expect_eq(answer->qty_units, cut[k] ? PLAIN / 2 : PLAIN, "%d rows", rows[k]);
        cr_expect_float_eq(rule_of(answer, "correlation_factor")->value, cut[k] ? 0.5 : 0, 1e-12);
        cr_expect_eq(strstr(answer->reason.text, "too few rows") == NULL, cut[k]);
        /* the diagonal of what was shrunk stays one */
        cr_expect_eq(desk_ask_one("alpha", 1, KEEL_SIDE_LONG)->qty_units, PLAIN / 2);
        desk_end();
    }
}

Test(check, heat_is_the_distance_to_the_stops_of_all_strategies)
{
    desk_set();
    d.cfg.sizing.max_portfolio_risk = 0.002; /* 2,000 */
    desk_build();
    desk_stand("alpha", 1, 100 * PIECE, 1, 9000); /* may lose 1,000 */
    desk_stand("beta", 2, -50 * PIECE, 2, 11000); /* may lose 500 */
    desk_step();
    keel_risk_check check = check_of("beta", 0, KEEL_SIDE_LONG);
    check.stop_units = 9000; /* 10 a piece: 50 pieces for the last 500 */
    const keel_risk_answer *answer = desk_ask(&check, 1);
    cr_expect_eq(answer->qty_units, 50 * PIECE);
    cr_expect_str_eq(bound_of(answer), "max_portfolio_risk");
    cr_expect_float_eq(rule_of(answer, "max_portfolio_risk")->value, 0.0015, 1e-12);
    check.stop_units = 0; /* the whole worth: 5 pieces */
    cr_expect_eq(desk_ask(&check, 1)->qty_units, 5 * PIECE);
    /* a position without an intent has no stop that risk knows: 1 piece is 100 */
    desk_hold("beta", 3, PIECE);
    desk_step();
    cr_expect_eq(desk_ask(&check, 1)->qty_units, 4 * PIECE);
    desk_hold("core", 3, 1000 * PIECE);
    desk_step();
    cr_expect_eq(desk_ask(&check, 1)->qty_units, 4 * PIECE);
    desk_end();
}

Test(check, what_has_no_stop_is_worth_its_close_and_what_is_not_reached_the_dearer_price)
{
    static const struct {
        int64_t close, held;
        double heat;
    } cases[] = {{12500, 0, 0.0125}, {8000, 0, 0.01}, {12500, 100, 0.0125}, {8000, 100, 0.008}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        desk_set();
        desk_build();
        d.closes[1] = cases[k].close;
        if (cases[k].held != 0)
            desk_hold("beta", 1, cases[k].held * PIECE);
        desk_stand("beta", 1, 100 * PIECE, 1, 0); /* entry 100.00 */
        desk_step();
        cr_expect_float_eq(
            rule_of(desk_ask_one("alpha", 0, KEEL_SIDE_LONG), "max_portfolio_risk")->value,
            cases[k].heat, 1e-12, "case %zu", k);
        desk_end();
    }
}

Test(check, gross_of_the_book_stays_inside_its_equity)
{
    desk_set();
    d.cash[0] = 15000 * MICROS;
    desk_build();
    desk_stand("alpha", 1, -80 * PIECE, 1, 0); /* 8,000 of 15,000 */
    desk_stand("beta", 1, 1000 * PIECE, 2, 0); /* another book's business */
    desk_step();
    const keel_risk_answer *answer = desk_ask_one("alpha", 0, KEEL_SIDE_LONG);
    cr_expect_eq(answer->qty_units, 70 * PIECE);
    cr_expect_str_eq(bound_of(answer), "strategy_gross");
    desk_end();
    d.strategies[1].max_gross = 0.6; /* 9,000 */
    desk_build();
    d.step = 0;
    desk_step();
    cr_expect_eq(desk_ask_one("alpha", 0, KEEL_SIDE_LONG)->qty_units, 10 * PIECE);
    desk_end();
}

/* max_gross 20 lifts the gross rule, so that cash decides. */
Test(check, free_cash_counts_what_standing_intents_still_need)
{
    static const struct {
        const char *what;
        int64_t cash;         /* of alpha */
        int64_t held, target; /* of instrument 1; target = held: no intent */
        int64_t own;          /* held of instrument 0 */
        int64_t qty;          /* pieces of a long in 0 */
    } cases[] = {
        {"nothing else", 5000, 0, 0, 0, 50},
        {"an intent to buy 20", 5000, 0, 20, 0, 30},
        {"an intent to short 20", 5000, 0, -20, 0, 30},
        {"10 of 20 bought", 5000, 10, 20, 0, 40},
        {"held needs nothing more", 5000, 20, 20, 0, 50},
        {"a sale frees nothing before it fills", 5000, 20, 0, 0, 50},
        {"a short of 20: proceeds and margin are kept", 7000, -20, -20, 0, 30},
        {"a short of 20 that will be 30", 7000, -20, -30, 0, 20},
        {"a short of 20 that will be closed", 7000, -20, 0, 0, 30},
        {"a long of 20 that will be a short of 10", 5000, 20, -10, 0, 40},
        {"its own position is given back", 3000, 0, 0, 20, 50},
        {"its own short is bought back first", 7000, 0, 0, -20, 50},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        desk_set();
        d.strategies[1].max_gross = 20;
        d.cash[0] = cases[k].cash * MICROS;
        desk_build();
        if (cases[k].held != 0)
            desk_hold("alpha", 1, cases[k].held * PIECE);
        if (cases[k].own != 0)
            desk_hold("alpha", 0, cases[k].own * PIECE);
        if (cases[k].target != cases[k].held)
            desk_stand("alpha", 1, cases[k].target * PIECE, 1, 0);
        desk_step();
        const keel_risk_answer *answer = desk_ask_one("alpha", 0, KEEL_SIDE_LONG);
        cr_expect_eq(answer->qty_units, cases[k].qty * PIECE, "%s: %ld", cases[k].what,
                     (long)answer->qty_units);
        cr_expect_str_eq(bound_of(answer), "free_cash", "%s", cases[k].what);
        desk_end();
    }
}

Test(check, max_positions_counts_distinct_instruments_of_all_strategies)
{
    desk_set();
    d.cfg.sizing.max_positions = 2;
    desk_build();
    desk_hold("alpha", 1, PIECE);
    desk_hold("beta", 1, PIECE);
    desk_hold("core", 3, PIECE);
    desk_step();
    cr_expect(desk_ask_one("alpha", 0, KEEL_SIDE_LONG)->accepted);
    desk_stand("beta", 2, PIECE, 1, 0);
    EXPECT_CODE(desk_ask_one("alpha", 0, KEEL_SIDE_LONG), KEEL_REASON_MAX_POSITIONS);
    cr_expect(desk_ask_one("alpha", 1, KEEL_SIDE_LONG)->accepted); /* held already */
    cr_expect(desk_ask_one("beta", 2, KEEL_SIDE_SHORT)->accepted);
    d.standing_n = 0;
    desk_stand("beta", 1, 0, 1, 0); /* closing */
    desk_stand("beta", 2, PIECE, 2, 0);
    EXPECT_CODE(desk_ask_one("alpha", 0, KEEL_SIDE_LONG), KEEL_REASON_MAX_POSITIONS);
    cr_expect(desk_ask_one("alpha", 2, KEEL_SIDE_LONG)->accepted);
    desk_end();
}

Test(check, answers_what_is_wrong_with_a_check_by_name)
{
    keel_risk_check checks[10];
    static const keel_reason_code codes[10] = {
        KEEL_REASON_UNKNOWN_STRATEGY, KEEL_REASON_UNKNOWN_STRATEGY, KEEL_REASON_UNKNOWN_SYMBOL,
        KEEL_REASON_UNKNOWN_SYMBOL,   KEEL_REASON_MALFORMED,        KEEL_REASON_MALFORMED,
        KEEL_REASON_CONFIDENCE_RANGE, KEEL_REASON_CONFIDENCE_RANGE, KEEL_REASON_STOP_WRONG_SIDE,
        KEEL_REASON_STOP_WRONG_SIDE};
    desk_begin();
    for (int k = 0; k < 10; k++)
        checks[k] = check_of("alpha", 0, k == 9 ? KEEL_SIDE_SHORT : KEEL_SIDE_LONG);
    strcpy(checks[0].strategy, "gamma");
    strcpy(checks[1].strategy, "core");
    checks[2].instrument = DESK_N;
    checks[3].instrument = -1;
    checks[4].side = KEEL_SIDE_UNSPECIFIED;
    checks[5].entry_units = 0;
    checks[6].confidence_frac = 1.01;
    checks[7].confidence_frac = NAN;
    checks[8].stop_units = ENTRY;
    checks[9].stop_units = ENTRY - 1;
    const keel_risk_answer *answers = desk_ask(checks, 10);
    for (int k = 0; k < 10; k++) {
        EXPECT_CODE(&answers[k], codes[k]);
        cr_expect_not(answers[k].accepted);
        cr_expect_eq(answers[k].qty_units, 0);
        cr_expect_eq(answers[k].rules_n, 0);
    }
    desk_end();
}

Test(check, refuses_a_question_that_can_not_be_asked)
{
    desk_begin();
    static keel_risk_check checks[KEEL_CHECKS_MAX + 1];
    keel_standing twins[2] = {{"alpha", 1, 5, 1, 5, 0}, {"alpha", 1, 6, 2, 5, 0}};
    const keel_risk_check_request good = {"main", 2, 1, checks, 1, twins};
    keel_risk_check_request bad = good;
    keel_risk_verdict verdict;
    cr_expect_eq(keel_risk_on_check(d.risk, &good, 1, 0, 0, &verdict), KEEL_OK);
    strcpy(bad.portfolio, "other");
    cr_expect_eq(keel_risk_on_check(d.risk, &bad, 1, 0, 0, &verdict), KEEL_EUNKNOWN);
    bad = good;
    bad.checks_n = 0;
    cr_expect_eq(keel_risk_on_check(d.risk, &bad, 1, 0, 0, &verdict), KEEL_ERANGE);
    bad.checks_n = KEEL_CHECKS_MAX + 1;
    cr_expect_eq(keel_risk_on_check(d.risk, &bad, 1, 0, 0, &verdict), KEEL_ERANGE);
    bad = good;
    bad.standing_n = KEEL_STANDING_MAX + 1;
    cr_expect_eq(keel_risk_on_check(d.risk, &bad, 1, 0, 0, &verdict), KEEL_ERANGE);
    bad.standing_n = 2;
    cr_expect_eq(keel_risk_on_check(d.risk, &bad, 1, 0, 0, &verdict), KEEL_EINVAL);
    twins[1].instrument = 0;
    cr_expect_eq(keel_risk_on_check(d.risk, &bad, 1, 0, 0, &verdict), KEEL_EINVAL);
    desk_end();
}

/* ---- batches ---- */

Test(check, an_accepted_check_stands_for_those_after_it)
{
    desk_set();
    d.cash[0] = 15000 * MICROS;
    d.cfg.sizing.max_positions = 2;
    desk_build();
    desk_step();
    keel_risk_check checks[5] = {
        check_of("alpha", 0, KEEL_SIDE_LONG), check_of("alpha", 1, KEEL_SIDE_LONG),
        check_of("alpha", 2, KEEL_SIDE_LONG), check_of("alpha", 0, KEEL_SIDE_FLAT),
        check_of("alpha", 2, KEEL_SIDE_LONG),
    };
    const keel_risk_answer *answers = desk_ask(checks, 5);
    cr_expect_eq(answers[0].qty_units, 100 * PIECE);
    cr_expect_eq(answers[1].qty_units, 50 * PIECE); /* what the first left of the book */
    cr_expect_str_eq(bound_of(&answers[1]), "strategy_gross");
    cr_expect_not(answers[2].accepted);
    cr_expect(answers[3].accepted);
    cr_expect_eq(answers[4].qty_units, 100 * PIECE); /* flat gave the place and the money back */
    const keel_risk_check first = checks[0];
    checks[0] = checks[1];
    checks[1] = first;
    answers = desk_ask(checks, 2);
    cr_expect_eq(answers[0].qty_units, 100 * PIECE); /* first come, first served */
    cr_expect_eq(answers[1].qty_units, 50 * PIECE);
    checks[0] = checks[1];
    answers = desk_ask(checks, 2);
    cr_expect_eq(answers[1].qty_units, 100 * PIECE); /* the same place is replaced, not added */
    desk_end();
}

Test(check, a_refused_check_stands_for_nobody)
{
    desk_begin();
    keel_risk_check checks[2] = {check_of("beta", 0, KEEL_SIDE_LONG),
                                 check_of("alpha", 0, KEEL_SIDE_LONG)};
    cr_expect_eq(desk_ask(checks, 2)[1].qty_units, PLAIN / 2);
    checks[0].stop_units = ENTRY + 1;
    cr_expect_eq(desk_ask(checks, 2)[1].qty_units, PLAIN);
    desk_end();
}

/* A verdict as bytes, so that everything in it is compared. */
static size_t encode(uint8_t *to, size_t cap)
{
    size_t len = 0;
    cr_assert_eq(keel_wire_put_risk_verdict(&d.verdict, to, cap, &len), KEEL_OK);
    return len;
}

enum { BYTES = 1 << 20 };
static uint8_t first[BYTES], second[BYTES];

Test(check, the_same_question_gets_the_same_bytes_and_changes_nothing)
{
    static uint8_t before[BYTES], after[BYTES];
    static keel_risk_check checks[KEEL_CHECKS_MAX];
    size_t was = 0, is = 0;
    desk_begin();
    desk_hold("beta", 1, -7 * PIECE);
    desk_step();
    desk_stand("alpha", 2, 3 * PIECE, 9, 9500);
    keel_rng rng = keel_rng_seeded(3);
    for (int k = 0; k < KEEL_CHECKS_MAX; k++) {
        checks[k] = check_of(k % 3 == 0 ? "beta" : "alpha", k % DESK_N,
                             KEEL_SIDE_LONG + (int)keel_rng_below(&rng, 3));
        checks[k].confidence_frac = keel_rng_uniform(&rng);
        if (k % 50 == 0)
            strcpy(checks[k].strategy, "gamma");
    }
    cr_assert_eq(keel_risk_save(d.risk, before, BYTES, &was), KEEL_OK);
    desk_ask(checks, KEEL_CHECKS_MAX);
    const size_t len = encode(first, BYTES);
    desk_ask_one("beta", 3, KEEL_SIDE_LONG);
    desk_ask(checks, KEEL_CHECKS_MAX);
    cr_expect_eq(encode(second, BYTES), len);
    cr_expect_eq(memcmp(first, second, len), 0);
    cr_assert_eq(keel_risk_save(d.risk, after, BYTES, &is), KEEL_OK);
    cr_expect(was == is && memcmp(before, after, was) == 0);

    keel_arena arena;
    keel_risk_verdict back;
    keel_arena_init(&arena, 4 << 20);
    cr_assert_eq(keel_wire_get_risk_verdict(&arena, first, len, &back), KEEL_OK);
    cr_expect_eq(back.answers_n, KEEL_CHECKS_MAX);
    keel_arena_fini(&arena);
    desk_end();
}

/* Instruments renamed: the answer moves with them. */
Test(check, a_permutation_of_the_instruments_permutes_the_answers)
{
    int64_t qty[2];
    for (int turn = 0; turn < 2; turn++) {
        const int one = turn == 0 ? 0 : 3, two = turn == 0 ? 1 : 2, three = turn == 0 ? 3 : 0;
        desk_set();
        *corr_of(one, two) = 0.85;
        *corr_of(one, three) = 0.8;
        d.cfg.sizing.max_portfolio_risk = 0.02;
        desk_build();
        desk_hold("alpha", two, 30 * PIECE);
        desk_hold("beta", three, 90 * PIECE);
        desk_step();
        qty[turn] = desk_ask_one("alpha", one, KEEL_SIDE_LONG)->qty_units;
        desk_end();
    }
    cr_expect_eq(qty[0], qty[1]);
    cr_expect_eq(qty[0], 75 * PIECE);
}

/* ---- trading states ---- */

static void request_of(keel_taken_request *to, const char *kind, const char *strategy,
                       const char *asset)
{
    *to = (keel_taken_request){"cli/1/1", "", "because", "ann", "", ""};
    strcpy(to->kind, kind);
    strcpy(to->strategy, strategy);
    strcpy(to->asset, asset);
}

static void desk_request(const char *kind, const char *strategy, const char *asset)
{
    keel_taken_request request;
    request_of(&request, kind, strategy, asset);
    desk_open(&request, 1);
    desk_close();
}

static void expect_modes(const char *what, bool alpha0, bool alpha1, bool beta0, bool beta1)
{
    const bool expected[4] = {alpha0, alpha1, beta0, beta1};
    for (int k = 0; k < 4; k++) {
        const keel_risk_answer *answer =
            desk_ask_one(k < 2 ? "alpha" : "beta", k % 2, KEEL_SIDE_LONG);
        cr_expect_eq(answer->accepted, expected[k], "%s: %d: %s", what, k, answer->reason.text);
        if (!expected[k])
            EXPECT_CODE(answer, KEEL_REASON_NOT_TRADING);
        answer = desk_ask_one(k < 2 ? "alpha" : "beta", k % 2, KEEL_SIDE_FLAT);
        cr_expect_eq(answer->accepted, expected[k], "%s: flat: %d", what, k);
    }
}

Test(check, before_the_first_step_nothing_is_traded)
{
    desk_set();
    desk_build();
    EXPECT_CODE(desk_ask_one("alpha", 0, KEEL_SIDE_FLAT), KEEL_REASON_NOT_TRADING);
    desk_end();
}

Test(check, a_halt_reaches_its_strategy_or_asset_alone)
{
    desk_begin();
    expect_modes("active", true, true, true, true);
    desk_request("halt", "alpha", "");
    expect_modes("alpha halted", false, false, true, true);
    cr_assert_eq(out.trading.strategies_n, 1);
    cr_expect_str_eq(out.trading.strategies[0].name, "alpha");
    cr_expect_eq(out.trading.strategies[0].mode, KEEL_TRADING_HALTED);
    cr_expect_eq(out.trading.strategies[0].reason.code, KEEL_REASON_OPERATOR_HALT);
    cr_expect_str_eq(out.trading.strategies[0].reason.text, "because");
    cr_expect_eq(out.trading.mode, KEEL_TRADING_ACTIVE);
    cr_expect_not(out.trading.changed);
    cr_expect_str_eq(out.trading.requests[0].strategy, "alpha");
    desk_request("halt", "", d.universe.instruments[0].symbol);
    desk_request("halt", "", d.universe.instruments[2].symbol);
    expect_modes("asset 0 halted too", false, false, false, true);
    cr_assert_eq(out.trading.assets_n, 2);
    cr_expect_str_eq(out.trading.assets[0].name, "X-SIM"); /* ascending names */
    cr_expect_str_eq(out.trading.assets[1].name, "Z-SIM");
    desk_request("resume", "alpha", "");
    expect_modes("alpha resumed", false, true, false, true);
    cr_expect_eq(out.trading.strategies_n, 0);
    desk_request("halt", "", "");
    expect_modes("all halted", false, false, false, false);
    desk_request("resume", "", "");
    expect_modes("a resume of all lifts no halt of one", false, true, false, true);
    desk_request("resume", "", d.universe.instruments[0].symbol);
    expect_modes("active", true, true, true, true);
    desk_request("halt", "beta", d.universe.instruments[0].symbol);
    expect_modes("both that it names", false, true, false, false);
    desk_end();
}

Test(check, a_request_about_nobody_changes_nothing_and_is_named)
{
    keel_taken_request requests[4];
    request_of(&requests[0], "halt", "gamma", "");
    request_of(&requests[1], "halt", "", "GOLD-SIM");
    request_of(&requests[2], "halt", "core", "");
    request_of(&requests[3], "halt", "beta", "");
    desk_begin();
    desk_open(requests, 4);
    desk_close();
    expect_modes("only beta", true, true, false, false);
    cr_expect_eq(out.trading.requests_n, 4);
    cr_expect_eq(out.ignored, 3);
    cr_assert_eq(out.breaches_n, 3);
    cr_expect_eq(out.breaches[0].reason.code, KEEL_REASON_UNKNOWN_STRATEGY);
    cr_expect_str_eq(out.breaches[0].latch.name, "gamma");
    cr_expect_eq(out.breaches[1].reason.code, KEEL_REASON_UNKNOWN_SYMBOL);
    cr_expect_eq(out.trading.mode, KEEL_TRADING_ACTIVE);
    request_of(&requests[0], "resume", "beta", "GOLD-SIM");
    desk_open(requests, 1);
    desk_close();
    expect_modes("what it names and is known is resumed", true, true, true, true);
    cr_expect_eq(out.ignored, 1);
    desk_end();
}

Test(check, reducing_allows_flat_and_less_of_what_is_held)
{
    desk_begin();
    desk_hold("alpha", 0, 300 * PIECE);
    desk_hold("alpha", 1, -300 * PIECE);
    desk_hold("alpha", 2, 50 * PIECE);
    d.equity_micros = 900000 * MICROS; /* a drawdown of 10 %: the portfolio stop */
    desk_step();
    cr_assert_eq(out.trading.mode, KEEL_TRADING_REDUCING);
    static const struct {
        int instrument;
        keel_side side;
        bool accepted;
    } cases[] = {
        {0, KEEL_SIDE_FLAT, true},   {3, KEEL_SIDE_FLAT, true},  {0, KEEL_SIDE_LONG, true},
        {0, KEEL_SIDE_SHORT, false}, {1, KEEL_SIDE_SHORT, true}, {1, KEEL_SIDE_LONG, false},
        {2, KEEL_SIDE_LONG, false},  {3, KEEL_SIDE_LONG, false},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const keel_risk_answer *answer = desk_ask_one("alpha", cases[k].instrument, cases[k].side);
        cr_expect_eq(answer->accepted, cases[k].accepted, "case %zu: %s", k, answer->reason.text);
        if (!cases[k].accepted)
            EXPECT_CODE(answer, KEEL_REASON_NOT_TRADING);
    }
    /* what already stands is nearer to zero than the size would be */
    desk_stand("alpha", 0, 10 * PIECE, 1, 0);
    EXPECT_CODE(desk_ask_one("alpha", 0, KEEL_SIDE_LONG), KEEL_REASON_NOT_TRADING);
    desk_end();
}

Test(check, a_stop_ends_only_when_all_books_are_flat)
{
    desk_begin();
    desk_hold("beta", 3, -PIECE);
    d.equity_micros = 900000 * MICROS;
    desk_step();
    cr_expect_eq(out.trading.mode, KEEL_TRADING_REDUCING);
    desk_step();
    cr_expect_eq(out.trading.mode, KEEL_TRADING_REDUCING); /* a strategy still holds a short */
    d.positions_n = 0;
    desk_step();
    cr_expect_eq(out.trading.mode, KEEL_TRADING_HALTED);
    desk_end();
}
