/* RL10, P6: nobody hides an intent from risk; what it remembers survives a restart. */
#include "tests/unit/risk/desk.h"

#include "common/base/rng.h"

#include <stdlib.h>

static keel_reason_code code_of(void)
{
    return desk_ask_one("beta", 3, KEEL_SIDE_LONG)->reason.code;
}

#define EXPECT_HONEST(what)                                                                        \
    cr_expect_eq(code_of(), KEEL_REASON_ACCEPTED, "%s: %s", what, d.verdict.answers[0].reason.text)
#define EXPECT_HIDDEN(what)                                                                        \
    cr_expect_eq(code_of(), KEEL_REASON_INPUT_HASH_MISMATCH, "%s: %s", what,                       \
                 d.verdict.answers[0].reason.text)

Test(fold, refuses_the_whole_question_that_hides_or_bends_an_intent)
{
    desk_begin();
    desk_decide("alpha", 1, 5 * PIECE, 4, 9000, 0);
    desk_step();
    static const struct {
        const char *what;
        uint64_t version;
        int64_t target, stop;
        bool is_honest;
    } cases[] = {
        {"as decided", 4, 5 * PIECE, 9000, true},
        {"missing", 0, 0, 0, false},
        {"an older version", 3, 5 * PIECE, 9000, false},
        {"another target", 4, 4 * PIECE, 9000, false},
        {"another stop", 4, 5 * PIECE, 9900, false},
        {"a newer one of the open step", 5, 6 * PIECE, 9100, true},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        d.standing_n = 0;
        d.decision_seq = 4;
        if (cases[k].version > 0)
            desk_stand("alpha", 1, cases[k].target, cases[k].version, cases[k].stop);
        if (cases[k].is_honest)
            EXPECT_HONEST(cases[k].what);
        else
            EXPECT_HIDDEN(cases[k].what);
    }
    d.decision_seq = 4; /* the list names version 5 */
    EXPECT_HIDDEN("a version beyond the coordinator's last decision");
    d.standing_n = 0;
    keel_risk_check checks[3] = {check_of("alpha", 0, KEEL_SIDE_FLAT),
                                 check_of("beta", 0, KEEL_SIDE_LONG),
                                 check_of("gamma", 0, KEEL_SIDE_LONG)};
    const keel_risk_answer *answers = desk_ask(checks, 3);
    for (int k = 0; k < 3; k++) {
        cr_expect_eq(answers[k].reason.code, KEEL_REASON_INPUT_HASH_MISMATCH);
        cr_expect_neq(answers[k].reason.text[0], '\0');
        cr_expect_eq(answers[k].qty_units, 0);
    }
    desk_stand("alpha", 1, 5 * PIECE, 4, 9000);
    desk_stand("gamma", 1, PIECE, 4, 0);
    EXPECT_HIDDEN("a book of nobody");
    desk_end();
}

Test(fold, one_left_out_before_between_or_after_the_listed_is_found)
{
    for (int out_of = 0; out_of < 3; out_of++) {
        static const char *const book[] = {"alpha", "alpha", "beta"};
        static const int instrument[] = {0, 2, 1};
        desk_begin();
        for (int k = 0; k < 3; k++)
            desk_decide(book[k], instrument[k], PIECE, 1 + (uint64_t)k, 0, 0);
        desk_step();
        for (int k = 0; k < 3; k++)
            if (k != out_of)
                desk_stand(book[k], instrument[k], PIECE, 1 + (uint64_t)k, 0);
        EXPECT_HIDDEN("one of three");
        desk_end();
    }
}

Test(fold, the_books_end_intents)
{
    static const struct {
        const char *what;
        int64_t target;  /* of version 1 */
        int64_t held[2]; /* in the two steps after the decision */
        int closes;      /* the step that closes the version; 0 = none */
        bool is_over;
    } cases[] = {
        {"on its way", 5, {0, 0}, 0, false},
        {"filled", 5, {5, 5}, 1, false},
        {"filled, then its stop was hit", 5, {5, 0}, 2, true},
        {"filled and stopped in one bar", 5, {0, 0}, 1, true},
        {"filled, position gone without a word", 5, {5, 0}, 1, true},
        {"held already, then gone", 5, {5, 0}, 0, true},
        {"another position, then none", 5, {3, 0}, 0, false},
        {"flat of a position", 0, {5, 5}, 0, false},
        {"flat, reached", 0, {5, 0}, 2, true},
        {"flat of nothing", 0, {0, 0}, 0, true},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        desk_begin();
        if (cases[k].target == 0 && cases[k].held[0] != 0) {
            desk_hold("alpha", 0, cases[k].held[0] * PIECE);
            desk_step();
        }
        desk_decide("alpha", 0, cases[k].target * PIECE, 1, 0, 0);
        for (int step = 0; step < 2; step++) {
            d.positions_n = 0;
            if (cases[k].held[step] != 0)
                desk_hold("alpha", 0, cases[k].held[step] * PIECE);
            d.closed[0] = 1;
            d.closed_n = cases[k].closes == step + 1;
            desk_step();
        }
        if (cases[k].is_over)
            EXPECT_HONEST(cases[k].what);
        else
            EXPECT_HIDDEN(cases[k].what);
        desk_stand("alpha", 0, cases[k].target * PIECE, 1, 0); /* listing it is never a lie */
        EXPECT_HONEST(cases[k].what);
        desk_end();
    }
}

Test(fold, what_is_over_counts_no_more_but_its_position_does)
{
    desk_begin();
    desk_decide("alpha", 3, PIECE, 1, 0, 0);
    d.closed[0] = 1;
    d.closed_n = 1;
    desk_step();
    desk_stand("alpha", 3, PIECE, 1, 0); /* closed in this step: the coordinator was too slow */
    cr_expect_eq(desk_ask_one("beta", 3, KEEL_SIDE_LONG)->qty_units, PLAIN);
    desk_hold("alpha", 3, PIECE);
    desk_step();
    cr_expect_eq(desk_ask_one("beta", 3, KEEL_SIDE_LONG)->qty_units, PLAIN / 2);
    desk_end();
}

Test(fold, a_newer_decision_replaces_and_a_refused_one_does_not)
{
    desk_begin();
    desk_decide("alpha", 1, 5 * PIECE, 1, 0, 0);
    desk_decide("alpha", 1, -2 * PIECE, 2, 0, 0);
    const keel_decision refused = {.decision_seq = 3};
    cr_assert_eq(keel_risk_on_decision(d.risk, &refused), KEEL_OK);
    d.decision_seq = 3;
    desk_step();
    desk_stand("alpha", 1, 5 * PIECE, 1, 0);
    EXPECT_HIDDEN("the replaced one");
    d.standing_n = 0;
    desk_stand("alpha", 1, -2 * PIECE, 3, 0);
    EXPECT_HIDDEN("the version of a refused decision");
    d.standing_n = 0;
    desk_stand("alpha", 1, -2 * PIECE, 2, 0);
    EXPECT_HONEST("the newest");
    desk_end();
}

Test(fold, an_intent_not_reached_in_time_is_over)
{
    desk_begin();
    desk_decide("alpha", 0, PIECE, 1, 0, 3 * HOUR);
    desk_decide("alpha", 1, 2 * PIECE, 2, 0, 3 * HOUR);
    desk_step(); /* 2 hours */
    desk_stand("alpha", 0, PIECE, 1, 0);
    EXPECT_HIDDEN("the second is on its way");
    desk_hold("alpha", 0, PIECE); /* the first is reached in time and stays */
    d.closed[0] = 1;
    d.closed_n = 1;
    desk_step(); /* 3 hours: just in time */
    EXPECT_HIDDEN("the second may be reached in this row");
    desk_hold("alpha", 1, PIECE); /* half of it, which is not reached */
    desk_step();
    EXPECT_HONEST("the second is over");
    d.standing_n = 0;
    EXPECT_HIDDEN("the first is not");
    desk_end();
}

Test(fold, a_portfolio_stop_ends_all)
{
    desk_begin();
    desk_decide("alpha", 0, PIECE, 1, 0, 0);
    desk_decide("beta", 1, PIECE, 2, 0, 0);
    d.equity_micros = 900000 * MICROS;
    desk_step();
    cr_assert_eq(out.trading.mode, KEEL_TRADING_REDUCING);
    desk_decide("alpha", 2, PIECE, 3, 0, 0); /* decided before the stop, heard after it */
    cr_expect_eq(desk_ask_one("alpha", 0, KEEL_SIDE_FLAT)->reason.code, KEEL_REASON_ACCEPTED);
    keel_taken_request resume = {"cli/1/1", "resume", "because", "ann", "", ""};
    desk_open(&resume, 1);
    desk_close();
    cr_assert_eq(out.trading.mode, KEEL_TRADING_ACTIVE);
    EXPECT_HONEST("older versions never resume");
    desk_end();
}

Test(fold, in_live_mode_an_end_that_risk_has_not_heard_of_is_no_lie)
{
    desk_begin();
    desk_decide("alpha", 3, PIECE, 1, 9000, 0);
    desk_step();
    EXPECT_HIDDEN("of this step");
    d.step++; /* the coordinator is a step ahead */
    const keel_risk_answer *answer = desk_ask_one("beta", 3, KEEL_SIDE_LONG);
    cr_expect_eq(answer->reason.code, KEEL_REASON_ACCEPTED);
    cr_expect_eq(answer->qty_units, PLAIN / 2); /* it counts all the same */
    desk_stand("alpha", 3, PIECE, 0, 9000);
    EXPECT_HIDDEN("an older version");
    d.standing_n = 0;
    d.step--;
    /* a decision that is heard only after the books closed it */
    d.closed[0] = 2;
    d.closed_n = 1;
    desk_step();
    desk_stand("alpha", 3, PIECE, 1, 9000);
    desk_decide("alpha", 1, PIECE, 2, 0, 0);
    EXPECT_HONEST("closed before it was decided");
    desk_end();
}

Test(fold, refuses_a_decision_that_can_not_be_and_stays_as_it_was)
{
    static const struct {
        const char *what;
        const char *book;
        uint64_t seq, version;
        int instrument, intents;
        bool accepted;
        int64_t stop;
        keel_status status;
    } cases[] = {
        {"a repeat", "alpha", 2, 2, 0, 1, true, 0, KEEL_EORDER},
        {"an older one", "alpha", 1, 1, 0, 1, true, 0, KEEL_EORDER},
        {"a book of nobody", "gamma", 3, 3, 0, 1, true, 0, KEEL_EUNKNOWN},
        {"core", "core", 3, 3, 0, 1, true, 0, KEEL_EUNKNOWN},
        {"an instrument of nobody", "alpha", 3, 3, DESK_N, 1, true, 0, KEEL_ERANGE},
        {"a negative stop", "alpha", 3, 3, 0, 1, true, -1, KEEL_ERANGE},
        {"a version of its own", "alpha", 3, 4, 0, 1, true, 0, KEEL_EINVAL},
        {"intents of a refusal", "alpha", 3, 3, 0, 1, false, 0, KEEL_EINVAL},
        {"too many intents", "alpha", 3, 3, 0, KEEL_INTENTS_MAX + 1, true, 0, KEEL_EINVAL},
    };
    static uint8_t before[1 << 16], after[1 << 16];
    size_t was = 0, is = 0;
    desk_begin();
    desk_decide("alpha", 1, PIECE, 2, 0, 0);
    cr_assert_eq(keel_risk_save(d.risk, before, sizeof before, &was), KEEL_OK);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        keel_decision decision = {.decision_seq = cases[k].seq,
                                  .accepted = cases[k].accepted,
                                  .intents_n = cases[k].intents};
        decision.intents[0] = (keel_intent){.instrument = cases[k].instrument,
                                            .target_qty_units = PIECE,
                                            .version = cases[k].version,
                                            .stop_units = cases[k].stop};
        strcpy(decision.intents[0].book, cases[k].book);
        cr_expect_eq(keel_risk_on_decision(d.risk, &decision), cases[k].status, "%s",
                     cases[k].what);
    }
    cr_assert_eq(keel_risk_save(d.risk, after, sizeof after, &is), KEEL_OK);
    cr_expect(was == is && memcmp(before, after, was) == 0);
    desk_end();
}

/* ---- snapshots ---- */

enum { SNAPSHOT_MAX = 1 << 17 };
static uint8_t snapshot[SNAPSHOT_MAX], again[SNAPSHOT_MAX];

/* Decisions, fills, halts and questions; the same for the same step. */
static void scripted(uint64_t step)
{
    keel_rng rng = keel_rng_seeded(step);
    keel_taken_request request = {"cli/1/1", "halt", "because", "ann", "alpha", ""};
    if (step % 5 == 4)
        strcpy(request.kind, "resume");
    if (step % 7 == 3) {
        request.strategy[0] = '\0';
        strcpy(request.asset, "Y-SIM");
    }
    d.step = step - 1;
    d.positions_n = 0;
    desk_hold("alpha", 0, (int64_t)(1 + step % 3) * PIECE);
    if (step % 4 != 0)
        desk_hold("beta", 1, -(int64_t)(1 + step % 2) * PIECE);
    d.closed[0] = step - 1;
    d.closed[1] = step + 40;
    d.closed_n = 2;
    *corr_of(0, 1) = 2 * keel_rng_uniform(&rng) - 1;
    desk_open(&request, step % 2 == 1);
    desk_close();
    desk_decide(step % 3 == 0 ? "beta" : "alpha", (int)(step % DESK_N),
                (int64_t)keel_rng_below(&rng, 9) * PIECE, step, 9000, 0);
}

static void same_answers(keel_risk *one, keel_risk *two)
{
    static keel_risk_answer kept[8];
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < DESK_N; i++) {
            const keel_risk_check check = check_of(b == 0 ? "alpha" : "beta", i,
                                                   i % 2 == 0 ? KEEL_SIDE_LONG : KEEL_SIDE_SHORT);
            d.risk = one;
            d.step++; /* so that nothing needs to be listed */
            kept[0] = desk_ask(&check, 1)[0];
            d.risk = two;
            cr_assert_eq(memcmp(&kept[0], desk_ask(&check, 1), sizeof kept[0]), 0);
            d.step--;
        }
}

Test(fold, goes_on_to_the_bit_after_save_and_load)
{
    for (uint64_t cut = 1; cut < 20; cut++) {
        size_t len = 0, len_again = 0;
        desk_set();
        desk_build();
        keel_risk *one = d.risk;
        desk_build();
        keel_risk *two = d.risk;
        d.risk = one;
        for (uint64_t step = 1; step <= cut; step++)
            scripted(step);
        cr_assert_eq(keel_risk_save(one, snapshot, SNAPSHOT_MAX, &len), KEEL_OK);
        cr_assert_eq(keel_risk_load(two, snapshot, len), KEEL_OK);
        same_answers(one, two);
        for (uint64_t step = cut + 1; step <= cut + 3; step++) {
            d.risk = one;
            scripted(step);
            d.risk = two;
            scripted(step);
            same_answers(one, two);
            cr_assert_eq(keel_risk_save(one, snapshot, SNAPSHOT_MAX, &len), KEEL_OK);
            cr_assert_eq(keel_risk_save(two, again, SNAPSHOT_MAX, &len_again), KEEL_OK);
            cr_assert(len == len_again && memcmp(snapshot, again, len) == 0, "cut %lu step %lu",
                      cut, step);
        }
        keel_risk_free(&one);
        keel_risk_free(&two);
    }
}

Test(fold, a_snapshot_knows_what_was_reached)
{
    size_t len = 0;
    desk_begin();
    desk_decide("alpha", 0, PIECE, 1, 0, 3 * HOUR);
    desk_hold("alpha", 0, PIECE);
    d.closed[0] = 1;
    d.closed_n = 1;
    desk_step();
    cr_assert_eq(keel_risk_save(d.risk, snapshot, SNAPSHOT_MAX, &len), KEEL_OK);
    desk_end();
    desk_build();
    cr_assert_eq(keel_risk_load(d.risk, snapshot, len), KEEL_OK);
    desk_step();
    desk_step(); /* 4 hours: too late for one that was not reached */
    EXPECT_HIDDEN("reached and held");
    d.positions_n = 0;
    desk_step();
    EXPECT_HONEST("reached and gone");
    desk_end();
}

Test(fold, a_snapshot_outlives_strategies_that_come_and_go)
{
    const keel_risk_strategy others[] = {{"zeta", 1}, {"beta", 1}, {"aleph", 1}};
    keel_taken_request halts[2] = {{"cli/1/1", "halt", "because", "ann", "alpha", ""},
                                   {"cli/1/2", "halt", "because", "ann", "", "W-SIM"}};
    size_t len = 0;
    desk_begin();
    desk_hold("alpha", 0, PIECE);
    desk_hold("beta", 1, PIECE);
    desk_open(halts, 2);
    desk_close();
    desk_decide("alpha", 2, PIECE, 1, 0, 0);
    desk_decide("beta", 3, PIECE, 2, 0, 0);
    cr_assert_eq(keel_risk_save(d.risk, snapshot, SNAPSHOT_MAX, &len), KEEL_OK);
    desk_end();
    d.cfg.strategies = others;
    d.cfg.strategies_n = 3;
    desk_build();
    cr_assert_eq(keel_risk_load(d.risk, snapshot, len), KEEL_OK);
    cr_expect_eq(desk_ask_one("aleph", 0, KEEL_SIDE_LONG)->reason.code,
                 KEEL_REASON_INPUT_HASH_MISMATCH); /* beta's intent is remembered */
    desk_stand("beta", 3, PIECE, 2, 0);
    cr_expect_eq(desk_ask_one("beta", 3, KEEL_SIDE_FLAT)->reason.code, KEEL_REASON_NOT_TRADING);
    cr_expect_eq(desk_ask_one("beta", 2, KEEL_SIDE_LONG)->reason.code, KEEL_REASON_ACCEPTED);
    cr_expect_eq(desk_ask_one("zeta", 2, KEEL_SIDE_LONG)->reason.code,
                 KEEL_REASON_BUDGET_EXHAUSTED); /* its book is not heard of yet */
    desk_end();
}

Test(fold, a_snapshot_keeps_the_matrices_that_may_still_be_named)
{
    size_t len = 0, sizes[3] = {0};
    static const int ages[] = {0, 4, 7};
    for (int k = 0; k < 3; k++) {
        desk_set();
        d.cfg.max_input_age = ages[k];
        desk_build();
        for (int step = 0; step < 12; step++)
            desk_step();
        cr_assert_eq(keel_risk_save(d.risk, snapshot, SNAPSHOT_MAX, &len), KEEL_OK);
        sizes[k] = len;
        desk_end();
    }
    const size_t matrix = sizeof(double) * DESK_N * (DESK_N + 1) / 2;
    cr_expect_eq(sizes[1] - sizes[0], 3 * matrix);
    cr_expect_eq(sizes[2] - sizes[0], 6 * matrix);
}

Test(fold, load_refuses_corrupt_bytes_and_changes_nothing)
{
    size_t len = 0, after = 0;
    desk_set();
    desk_build();
    for (uint64_t step = 1; step <= 9; step++)
        scripted(step);
    cr_assert_eq(keel_risk_save(d.risk, snapshot, SNAPSHOT_MAX, &len), KEEL_OK);
    uint8_t *bytes = malloc(len); /* its own block, so that ASan sees a read past the end */
    for (size_t cut = 0; cut < len; cut++) {
        memcpy(bytes, snapshot, cut);
        cr_assert_eq(keel_risk_load(d.risk, bytes, cut), KEEL_EFORMAT, "cut at %zu", cut);
    }
    memcpy(bytes, snapshot, len);
    bytes[4] = 1; /* version 1 knew no strategies */
    cr_expect_eq(keel_risk_load(d.risk, bytes, len), KEEL_EVERSION);
    cr_assert_eq(keel_risk_save(d.risk, again, SNAPSHOT_MAX, &after), KEEL_OK);
    cr_expect(len == after && memcmp(snapshot, again, len) == 0);
    free(bytes);
    desk_end();
}

static size_t find_bytes(const void *what, size_t size, size_t len)
{
    for (size_t at = 0; at + size <= len; at++)
        if (memcmp(snapshot + at, what, size) == 0)
            return at;
    cr_assert_fail("not in the snapshot");
    return 0;
}

Test(fold, load_refuses_what_no_engine_would_have_saved)
{
    const int64_t closes[DESK_N] = {ENTRY, ENTRY, ENTRY, ENTRY}, held = 7 * PIECE;
    size_t len = 0;
    desk_begin();
    desk_hold("alpha", 0, PIECE);
    desk_hold("alpha", 1, held);
    desk_step();
    cr_assert_eq(keel_risk_save(d.risk, snapshot, SNAPSHOT_MAX, &len), KEEL_OK);
    cr_assert_eq(keel_risk_load(d.risk, snapshot, len), KEEL_OK);
    const size_t close = find_bytes(closes, sizeof closes, len);
    snapshot[close + 7] ^= 0x80; /* a negative price */
    cr_expect_eq(keel_risk_load(d.risk, snapshot, len), KEEL_EFORMAT);
    snapshot[close + 7] ^= 0x80;
    /* a cell: u32 strategy, u32 instrument, i64 held */
    const uint32_t place[2] = {0, 1};
    uint8_t cell[sizeof place + sizeof held];
    memcpy(cell, place, sizeof place);
    memcpy(cell + sizeof place, &held, sizeof held);
    const size_t at = find_bytes(cell, sizeof cell, len);
    snapshot[at + 4] = 0; /* instrument 0 twice */
    cr_expect_eq(keel_risk_load(d.risk, snapshot, len), KEEL_EFORMAT);
    snapshot[at + 4] = DESK_N;
    cr_expect_eq(keel_risk_load(d.risk, snapshot, len), KEEL_EFORMAT);
    snapshot[at + 4] = 1;
    cr_expect_eq(keel_risk_load(d.risk, snapshot, len), KEEL_OK);
    desk_end();
}
