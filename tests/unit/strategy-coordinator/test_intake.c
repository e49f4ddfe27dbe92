/* Frames come in any order, twice or not at all; receipts come out in order, once, and nothing is
 * acknowledged before the log has it. */
#include "services/strategy-coordinator/intake.h"

#include "common/base/mem.h"
#include "common/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)

static const keel_intake_strategy strategies[] = {
    {"slow", true, true},
    {"fast", true, true},
    {"free", false, true},
    {"asleep", true, false},
};

static keel_intake_desk *make_sized(size_t bytes, bool is_open)
{
    const keel_intake_cfg cfg = {"main", 4, strategies, bytes};
    keel_intake_desk *desk = keel_intake_new(&cfg, NULL);
    cr_assert_not_null(desk);
    if (is_open)
        keel_intake_open(desk);
    return desk;
}

static keel_intake_desk *make(void)
{
    return make_sized(0, true);
}

static keel_intake_verdict hello(keel_intake_desk *desk, const char *strategy, int64_t epoch_ns,
                                 int64_t now_ns)
{
    keel_hello said = {.epoch_ns = epoch_ns};
    snprintf(said.strategy, sizeof said.strategy, "%s", strategy);
    return keel_intake_on_hello(desk, &said, now_ns);
}

/* A signal whose bytes are its number. */
static keel_intake_verdict say(keel_intake_desk *desk, const char *strategy, int64_t epoch_ns,
                               uint64_t seq)
{
    const keel_intake_verdict verdict = keel_intake_on_signal(desk, strategy, epoch_ns, seq, 0);
    if (verdict == KEEL_INTAKE_TAKE)
        keel_intake_put(desk, 7, 0, NULL, (const uint8_t *)&seq, sizeof seq);
    return verdict;
}

/* All are durable at once. */
static void say_many(keel_intake_desk *desk, const char *strategy, int64_t epoch_ns,
                     uint64_t from_seq, uint64_t to_seq)
{
    for (uint64_t seq = from_seq; seq <= to_seq; seq++) {
        cr_assert_eq(say(desk, strategy, epoch_ns, seq), KEEL_INTAKE_TAKE, "%s %d", strategy,
                     (int)seq);
        if (keel_intake_batch_n(desk) == KEEL_INTAKE_BATCH_MAX)
            keel_intake_commit(desk);
    }
    keel_intake_commit(desk);
}

static void drop_acks(keel_intake_desk *desk, int64_t now_ns)
{
    keel_ack ack;
    while (keel_intake_next_ack(desk, now_ns, &ack))
        continue;
}

/* The one Ack that is due. */
static keel_ack the_ack(keel_intake_desk *desk, int64_t now_ns)
{
    keel_ack ack, more;
    cr_assert(keel_intake_next_ack(desk, now_ns, &ack));
    cr_assert_not(keel_intake_next_ack(desk, now_ns, &more));
    return ack;
}

static int take_all(keel_intake_desk *desk, char *to, size_t cap)
{
    keel_receipt receipt;
    size_t len = 0;
    int n = 0;
    for (; keel_intake_next(desk, &receipt); n++)
        len += (size_t)snprintf(to + len, len < cap ? cap - len : 0, "%s%c%d.%d", n > 0 ? " " : "",
                                receipt.strategy[1], (int)receipt.epoch_ns, (int)receipt.seq);
    return n;
}

/* ---- frames ---- */

Test(intake, takes_the_next_signal_and_no_other)
{
    keel_intake_desk *desk = make();
    cr_expect_eq(hello(desk, "free", 5, 0), KEEL_INTAKE_TAKE);
    cr_expect_eq(hello(desk, "free", 5, 0), KEEL_INTAKE_REPEAT);
    cr_expect_eq(say(desk, "free", 5, 2), KEEL_INTAKE_GAP);
    cr_expect_eq(say(desk, "free", 5, 1), KEEL_INTAKE_TAKE);
    cr_expect_eq(say(desk, "free", 5, 1), KEEL_INTAKE_REPEAT);
    cr_expect_eq(say(desk, "free", 5, 2), KEEL_INTAKE_TAKE);
    cr_expect_eq(say(desk, "free", 4, 3), KEEL_INTAKE_OLD_EPOCH);
    cr_expect_eq(say(desk, "nobody", 5, 1), KEEL_INTAKE_UNKNOWN);
    cr_expect_eq(say(desk, "asleep", 5, 1), KEEL_INTAKE_INACTIVE);
    const keel_intake_counts *counts = keel_intake_count(desk);
    cr_expect_eq(counts->frames[KEEL_INTAKE_TAKE], 3);
    cr_expect_eq(counts->frames[KEEL_INTAKE_REPEAT], 2);
    cr_expect_eq(counts->frames[KEEL_INTAKE_GAP], 1);
    cr_expect_eq(counts->frames[KEEL_INTAKE_UNKNOWN], 1);
    cr_expect_str_eq(keel_intake_verdict_name(KEEL_INTAKE_OLD_EPOCH), "old_epoch");
    keel_intake_free(&desk);
    keel_intake_free(&desk);
}

Test(intake, refuses_places_that_are_none)
{
    keel_intake_desk *desk = make();
    char longest[KEEL_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    cr_expect_eq(say(desk, "free", 5, 0), KEEL_INTAKE_BAD);
    cr_expect_eq(say(desk, "free", 5, UINT64_C(1) << 63), KEEL_INTAKE_BAD);
    cr_expect_eq(say(desk, "free", 0, 1), KEEL_INTAKE_BAD);
    cr_expect_eq(say(desk, "free", -5, 1), KEEL_INTAKE_BAD);
    cr_expect_eq(say(desk, "", 5, 1), KEEL_INTAKE_BAD);
    cr_expect_eq(say(desk, longest, 5, 1), KEEL_INTAKE_BAD);
    cr_expect_eq(hello(desk, "free", 0, 0), KEEL_INTAKE_BAD);
    cr_expect_eq(keel_intake_on_step_end(desk, "slow", 5, 0, 0, 0), KEEL_INTAKE_BAD);
    cr_expect_eq(keel_intake_on_step_end(desk, "slow", -1, 1, 0, 0), KEEL_INTAKE_BAD);
    cr_expect_eq(keel_intake_batch_n(desk), 0);
    keel_ack ack;
    cr_expect_not(keel_intake_next_ack(desk, 0, &ack));
    keel_intake_free(&desk);
}

Test(intake, drops_all_until_the_log_was_read)
{
    keel_intake_desk *desk = make_sized(0, false);
    cr_expect_eq(hello(desk, "free", 5, 0), KEEL_INTAKE_NOT_OPEN);
    cr_expect_eq(say(desk, "free", 5, 1), KEEL_INTAKE_NOT_OPEN);
    cr_expect_eq(keel_intake_on_step_end(desk, "slow", 5, 1, 0, 0), KEEL_INTAKE_NOT_OPEN);
    keel_intake_open(desk);
    cr_expect_eq(say(desk, "free", 5, 1), KEEL_INTAKE_TAKE);
    keel_intake_free(&desk);
}

Test(intake, begins_an_epoch_with_whatever_of_it_comes_first)
{
    keel_intake_desk *desk = make();
    say_many(desk, "free", 5, 1, 3);
    cr_expect_eq(say(desk, "free", 6, 4), KEEL_INTAKE_GAP); /* not its first */
    cr_expect_eq(say(desk, "free", 5, 4), KEEL_INTAKE_TAKE);
    cr_expect_eq(say(desk, "free", 6, 1), KEEL_INTAKE_TAKE);
    cr_expect_eq(say(desk, "free", 5, 5), KEEL_INTAKE_OLD_EPOCH);
    cr_expect_eq(keel_intake_on_step_end(desk, "slow", 8, 3, 0, 0), KEEL_INTAKE_TAKE);
    cr_expect_eq(keel_intake_on_step_end(desk, "slow", 7, 4, 0, 0), KEEL_INTAKE_OLD_EPOCH);
    cr_expect_eq(keel_intake_batch_n(desk), 2); /* 5.4 stays: the log may have it already */
    keel_intake_commit(desk);
    keel_intake chosen;
    char text[64];
    keel_intake_choose(desk, 100, &chosen);
    cr_expect_eq(chosen.ranges_n, 2);
    cr_expect_eq(take_all(desk, text, sizeof text), 5);
    cr_expect_str_eq(text, "r5.1 r5.2 r5.3 r5.4 r6.1");
    keel_intake_free(&desk);
}

/* ---- bytes ---- */

Test(intake, keeps_bytes_and_refusals_of_any_length)
{
    keel_intake_desk *desk = make();
    uint8_t bytes[KEEL_SIGNAL_BYTES_MAX + 1];
    keel_receipt receipt;
    uint64_t seq = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t len = 1; len <= KEEL_SIGNAL_BYTES_MAX; len += len < 600 ? 1 : 97) {
        keel_reason reason = {KEEL_REASON_UNSPECIFIED, ""};
        if (len % 3 == 0)
            keel_reason_set(&reason, KEEL_REASON_NONFINITE, "%.*s", (int)(len % 200),
                            "why it was refused, in many words: "
                            "why it was refused, in many words: why it was refused, in many words: "
                            "why it was refused, in many words: why it was refused, in many words");
        cr_assert_eq(keel_intake_on_signal(desk, "free", 1, ++seq, 0), KEEL_INTAKE_TAKE);
        keel_intake_put(desk, seq, 0, &reason, bytes, len);
        keel_intake_batch_at(desk, 0, &receipt);
        cr_assert_eq(receipt.signal_len, len);
        cr_assert_eq(memcmp(receipt.signal, bytes, len), 0);
        keel_intake_commit(desk);
        keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 1);
        cr_assert(keel_intake_next(desk, &receipt));
        cr_assert(receipt.seq == seq && receipt.epoch_ns == 1 && receipt.step == seq);
        cr_assert_eq(receipt.signal_len, len);
        cr_assert_eq(memcmp(receipt.signal, bytes, len), 0);
        cr_assert_eq(receipt.refusal.code, reason.code);
        cr_assert_str_eq(receipt.refusal.text, reason.text);
    }
    keel_intake_free(&desk);
}

Test(intake, refuses_what_is_too_large_or_empty_but_counts_its_place)
{
    keel_intake_desk *desk = make();
    static uint8_t bytes[KEEL_SIGNAL_BYTES_MAX + 1];
    keel_receipt receipt;
    cr_assert_eq(keel_intake_on_signal(desk, "free", 1, 1, 0), KEEL_INTAKE_TAKE);
    keel_intake_put(desk, 1, 0, NULL, bytes, sizeof bytes);
    cr_assert_eq(keel_intake_on_signal(desk, "free", 1, 2, 0), KEEL_INTAKE_TAKE);
    keel_intake_put(desk, 1, 0, NULL, NULL, 0);
    keel_intake_batch_at(desk, 0, &receipt);
    cr_expect_eq(receipt.refusal.code, KEEL_REASON_MALFORMED);
    cr_expect_not_null(strstr(receipt.refusal.text, "4097 bytes"));
    cr_expect_eq(receipt.signal_len, 0);
    keel_intake_batch_at(desk, 1, &receipt);
    cr_expect_eq(receipt.refusal.code, KEEL_REASON_MALFORMED);
    keel_intake_free(&desk);
}

/* ---- the log ---- */

Test(intake, acknowledges_what_the_log_has)
{
    keel_intake_desk *desk = make();
    hello(desk, "free", 5, 0);
    keel_ack ack = the_ack(desk, 0);
    cr_expect(ack.epoch_ns == 5 && ack.seq == 0 && ack.credit == KEEL_OUTBOX_MAX);
    say(desk, "free", 5, 1);
    say(desk, "free", 5, 2);
    cr_expect_not(keel_intake_next_ack(desk, 1, &ack));
    keel_intake_abandon(desk); /* the log was away */
    cr_expect_not(keel_intake_next_ack(desk, 1, &ack));
    cr_expect_eq(say(desk, "free", 5, 3), KEEL_INTAKE_GAP);
    cr_expect_eq(say(desk, "free", 5, 1), KEEL_INTAKE_TAKE);
    keel_intake_commit(desk);
    ack = the_ack(desk, 1);
    cr_expect(ack.seq == 1 && ack.credit == KEEL_OUTBOX_MAX - 1);
    cr_expect_eq(keel_intake_pending(desk), 1);
    keel_intake_free(&desk);
}

Test(intake, takes_a_batch_of_256_at_most)
{
    keel_intake_desk *desk = make();
    for (uint64_t seq = 1; seq <= KEEL_INTAKE_BATCH_MAX; seq++)
        cr_assert_eq(say(desk, "free", 1, seq), KEEL_INTAKE_TAKE);
    cr_expect_eq(say(desk, "free", 1, KEEL_INTAKE_BATCH_MAX + 1), KEEL_INTAKE_NO_CREDIT);
    keel_intake_commit(desk);
    cr_expect_eq(say(desk, "free", 1, KEEL_INTAKE_BATCH_MAX + 1), KEEL_INTAKE_TAKE);
    keel_intake_free(&desk);
}

/* Live: who sends one signal does not wait behind the thousands of a faster one. */
Test(intake, chooses_by_arrival_and_starves_nobody)
{
    keel_intake_desk *desk = make();
    char text[64];
    say_many(desk, "fast", 1, 1, 3000);
    say_many(desk, "slow", 1, 1, 1);
    say_many(desk, "free", 1, 1, 2);
    keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 4);
    cr_assert_eq(take_all(desk, text, sizeof text), 4);
    cr_expect_str_eq(text, "a1.1 a1.2 l1.1 r1.1"); /* a third each, then who is first */
    keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 1);
    cr_assert_eq(take_all(desk, text, sizeof text), 1);
    cr_expect_str_eq(text, "a1.3");
    keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 3);
    cr_assert_eq(take_all(desk, text, sizeof text), 3);
    cr_expect_str_eq(text, "a1.4 a1.5 r1.2");
    keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 10000);
    cr_expect_eq(take_all(desk, text, sizeof text), 2995);
    keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 10);
    cr_expect_eq(take_all(desk, text, sizeof text), 0);
    keel_intake_free(&desk);
}

/* ---- credit ---- */

Test(intake, gives_no_more_credit_than_one_outbox)
{
    keel_intake_desk *desk = make();
    char text[64];
    say_many(desk, "free", 1, 1, KEEL_OUTBOX_MAX);
    cr_expect_eq(keel_intake_credit(desk, "free"), 0);
    cr_expect_eq(say(desk, "free", 1, KEEL_OUTBOX_MAX + 1), KEEL_INTAKE_NO_CREDIT);
    cr_expect_eq(keel_intake_credit(desk, "slow"),
                 KEEL_OUTBOX_MAX); /* of others nothing is taken */
    cr_expect_eq(keel_intake_credit(desk, "nobody"), 0);
    drop_acks(desk, 0);
    keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 10);
    cr_assert_eq(take_all(desk, text, sizeof text), 10);
    const keel_ack ack = the_ack(desk, 1); /* it stood still: it hears at once */
    cr_expect_leq(ack.credit, 10);
    cr_expect_gt(ack.credit, 0);
    cr_expect_eq(say(desk, "free", 1, KEEL_OUTBOX_MAX + 1), KEEL_INTAKE_TAKE);
    keel_intake_free(&desk);
}

Test(intake, counts_closed_and_open_steps_apart_in_lockstep)
{
    keel_intake_desk *desk = make();
    say_many(desk, "slow", 1, 1, KEEL_OUTBOX_MAX); /* all that a step may hold */
    cr_expect_eq(say(desk, "slow", 1, KEEL_OUTBOX_MAX + 1), KEEL_INTAKE_NO_CREDIT);
    cr_expect_eq(keel_intake_on_step_end(desk, "slow", 1, 1, KEEL_OUTBOX_MAX, 0), KEEL_INTAKE_TAKE);
    cr_expect_eq(keel_intake_credit(desk, "slow"), 0); /* undecided, of a closed step */
    keel_intake chosen;
    char text[64];
    keel_intake_choose(desk, 1000, &chosen);
    cr_assert_eq(take_all(desk, text, sizeof text), 1000);
    cr_expect_eq(keel_intake_credit(desk, "slow"), 1000);
    say_many(desk, "slow", 1, KEEL_OUTBOX_MAX + 1, KEEL_OUTBOX_MAX + 500);
    cr_expect_eq(keel_intake_credit(desk, "slow"), 1000); /* the open step has its own */
    keel_intake_free(&desk);
}

Test(intake, gives_no_credit_that_its_memory_cannot_hold)
{
    keel_intake_desk *desk = make_sized(1, true); /* raised to 32 KiB: seven of the largest */
    static uint8_t bytes[KEEL_SIGNAL_BYTES_MAX];
    keel_receipt receipt;
    uint64_t seq = 0;
    cr_expect_lt(keel_intake_credit(desk, "free"), 10);
    while (keel_intake_on_signal(desk, "free", 1, seq + 1, 0) == KEEL_INTAKE_TAKE) {
        keel_intake_put(desk, 1, 0, NULL, bytes, sizeof bytes);
        keel_intake_commit(desk);
        seq++;
    }
    cr_expect_eq(keel_intake_credit(desk, "free"), 0);
    cr_expect_eq(keel_intake_credit(desk, "slow"), 0);
    cr_expect_gt(seq, 3);
    for (int round = 0; round < 100; round++) { /* blocks come back */
        keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 1);
        cr_assert(keel_intake_next(desk, &receipt));
        cr_assert_eq(keel_intake_on_signal(desk, "free", 1, seq + 1, 0), KEEL_INTAKE_TAKE);
        keel_intake_put(desk, 1, 0, NULL, bytes, sizeof bytes);
        keel_intake_commit(desk);
        seq++;
    }
    keel_intake_free(&desk);
}

/* ---- steps ---- */

static const char *missing(const keel_intake_desk *desk, uint64_t step)
{
    const char *who = "";
    return keel_intake_is_closed(desk, step, &who) ? "" : who;
}

Test(intake, waits_for_the_lockstep_strategies_and_all_their_signals)
{
    keel_intake_desk *desk = make();
    cr_expect_str_eq(missing(desk, 1), "fast"); /* the first by name; "free" is not waited for */
    keel_intake_on_step_end(desk, "fast", 1, 1, 0, 0);
    cr_expect_str_eq(missing(desk, 1), "slow");
    keel_intake_on_step_end(desk, "slow", 1, 1, 2, 0); /* its StepEnd came before its signals */
    cr_expect_str_eq(missing(desk, 1), "slow");
    say(desk, "slow", 1, 1);
    say(desk, "slow", 1, 2);
    cr_expect_str_eq(missing(desk, 1), "slow"); /* not durable */
    keel_intake_commit(desk);
    cr_expect_str_eq(missing(desk, 1), "");
    cr_expect_str_eq(missing(desk, 2), "fast");
    keel_intake_on_step_end(desk, "fast", 1, 9, 0, 0); /* closes all up to 9 */
    cr_expect_str_eq(missing(desk, 5), "slow");
    cr_expect_eq(keel_intake_on_step_end(desk, "fast", 1, 9, 0, 0), KEEL_INTAKE_REPEAT);
    cr_expect_eq(keel_intake_on_step_end(desk, "fast", 1, 8, 0, 0), KEEL_INTAKE_REPEAT);
    hello(desk, "fast", 2, 0); /* began again: it has closed nothing */
    cr_expect_str_eq(missing(desk, 1), "fast");
    keel_intake_free(&desk);
}

/* A mark has 32 bits of a seq. */
Test(intake, understands_marks_beyond_32_bits)
{
    keel_intake_desk *desk = make_sized(0, false);
    const uint64_t base = (UINT64_C(3) << 32) - 2;
    cr_assert_eq(keel_intake_on_top(desk, "slow", 1, base), KEEL_OK);
    cr_assert_eq(keel_intake_on_top(desk, "fast", 1, 1), KEEL_OK);
    keel_intake_open(desk);
    keel_intake_on_step_end(desk, "fast", 1, 3, 1, 0);
    keel_intake_on_step_end(desk, "slow", 1, 1, (uint32_t)base, 0);
    cr_expect_str_eq(missing(desk, 1), "");
    keel_intake_on_step_end(desk, "slow", 1, 2, (uint32_t)(base + 3), 0); /* 1, past the turn */
    cr_expect_str_eq(missing(desk, 2), "slow");
    say_many(desk, "slow", 1, base + 1, base + 3);
    cr_expect_str_eq(missing(desk, 2), "");
    keel_intake_free(&desk);
}

/* ---- choosing ---- */

Test(intake, chooses_by_strategy_epoch_and_seq_or_by_arrival)
{
    keel_intake_desk *desk = make();
    keel_intake chosen;
    char text[128];
    say_many(desk, "slow", 1, 1, 2);
    say_many(desk, "fast", 1, 1, 1);
    say_many(desk, "slow", 2, 1, 1);
    say_many(desk, "free", 3, 1, 2);
    keel_intake_choose(desk, 100, &chosen);
    cr_expect_str_eq(chosen.portfolio, "main");
    cr_assert_eq(chosen.ranges_n, 4);
    cr_expect_str_eq(chosen.ranges[0].strategy, "fast");
    cr_expect(chosen.ranges[1].from_seq == 1 && chosen.ranges[1].to_seq == 2);
    cr_expect_str_eq(chosen.ranges[2].strategy, "slow");
    cr_expect_eq(chosen.ranges[3].epoch_ns, 2);
    keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0},
                               2); /* the last choice counts */
    cr_assert_eq(take_all(desk, text, sizeof text), 2);
    cr_expect_str_eq(text, "l1.1 a1.1");
    keel_intake_choose(desk, 100, &chosen);
    cr_assert_eq(take_all(desk, text, sizeof text), 4);
    cr_expect_str_eq(text, "r3.1 r3.2 l1.2 l2.1");
    keel_intake_choose(desk, 100, &chosen);
    cr_expect_eq(chosen.ranges_n, 0);
    cr_expect_eq(take_all(desk, text, sizeof text), 0);
    keel_intake_free(&desk);
}

Test(intake, lets_no_strategy_starve_another)
{
    keel_intake_desk *desk = make();
    keel_intake chosen;
    char text[16];
    say_many(desk, "fast", 1, 1, 100);
    say_many(desk, "free", 1, 1, 3);
    say_many(desk, "slow", 1, 1, 100);
    keel_intake_choose(desk, 41, &chosen);
    cr_assert_eq(chosen.ranges_n, 3);
    cr_expect_eq(chosen.ranges[1].to_seq, 3);
    cr_expect_eq(chosen.ranges[0].to_seq + chosen.ranges[2].to_seq, 38);
    cr_expect_leq(chosen.ranges[0].to_seq, 20);
    cr_expect_eq(take_all(desk, text, sizeof text), 41);
    keel_intake_choose(desk, 1000, &chosen);
    cr_expect_eq(take_all(desk, text, sizeof text), 162);
    keel_intake_free(&desk);
}

/* A step may last a day: one that says as much as it can leaves the others their part of it. */
Test(intake, shares_a_step_of_live_mode)
{
    const keel_intake_cfg cfg = {"main", 4, strategies, .step_max = 400};
    keel_intake_desk *desk = keel_intake_new(&cfg, NULL);
    static char text[4096];
    keel_intake_open(desk);
    say_many(desk, "fast", 1, 1, 500);
    say_many(desk, "free", 1, 1, 3);
    say_many(desk, "fast", 1, 501, 600);
    keel_intake_choose_arrived(desk, &(keel_intake_moment){7, 7, 0}, 256);
    cr_assert_eq(take_all(desk, text, sizeof text), 103);
    cr_expect_not_null(strstr(text, "a1.100 r1.1 r1.2 r1.3"));
    keel_intake_choose_arrived(desk, &(keel_intake_moment){7, 7, 0}, 256);
    cr_expect_eq(take_all(desk, text, sizeof text), 0);
    say_many(desk, "free", 1, 4, 4);
    keel_intake_choose_arrived(desk, &(keel_intake_moment){7, 7, 0}, 256);
    cr_expect_eq(take_all(desk, text, sizeof text), 1);
    keel_intake_choose_arrived(desk, &(keel_intake_moment){8, 8, 0}, 256);
    cr_expect_eq(take_all(desk, text, sizeof text), 100);
    cr_expect_eq(strncmp(text, "a1.101 ", 7), 0);
    keel_intake_free(&desk);
}

/* A signal of `row_step`, durable at `mono_ns`. */
static void say_of_row(keel_intake_desk *desk, const char *strategy, uint64_t seq,
                       uint64_t row_step, int64_t mono_ns)
{
    cr_assert_eq(keel_intake_on_signal(desk, strategy, 1, seq, mono_ns), KEEL_INTAKE_TAKE);
    keel_intake_put(desk, 7, row_step, NULL, (const uint8_t *)&seq, sizeof seq);
    keel_intake_commit(desk);
}

static void expect_chosen(keel_intake_desk *desk, keel_intake_moment at, const char *expected)
{
    char text[256] = "";
    keel_intake_choose_arrived(desk, &at, 100);
    (void)take_all(desk, text, sizeof text);
    cr_expect_str_eq(text, expected, "at step %d: %s", (int)at.step, text);
}

/* Whoever catches up is behind the rows that its clients have seen. */
Test(intake, early_signals_wait_for_their_step)
{
    keel_intake_desk *desk = make();
    say_of_row(desk, "free", 1, 7, 0);
    say_of_row(desk, "free", 2, 9, 0);
    say_of_row(desk, "free", 3, 7, 0); /* in the order of its stream */
    say_of_row(desk, "fast", 1, 7, 0);
    expect_chosen(desk, (keel_intake_moment){7, 9, 0}, "r1.1 a1.1");
    expect_chosen(desk, (keel_intake_moment){8, 9, 60000 * MS}, "");
    cr_expect_eq(keel_intake_pending(desk), 2);
    expect_chosen(desk, (keel_intake_moment){9, 9, 60000 * MS}, "r1.2 r1.3");
    keel_intake_free(&desk);
}

Test(intake, a_row_that_nobody_knows_is_waited_for_five_seconds)
{
    keel_intake_desk *desk = make();
    say_of_row(desk, "free", 1, 1000, 100 * MS);
    say_of_row(desk, "free", 2, 7, 200 * MS);
    expect_chosen(desk, (keel_intake_moment){7, 7, 5099 * MS}, "");
    expect_chosen(desk, (keel_intake_moment){7, 7, 5100 * MS}, "r1.1 r1.2");
    keel_intake_free(&desk);
    desk = make_sized(0, false); /* and anew after a restart */
    const uint8_t byte = 1;
    const keel_receipt receipt = {
        .strategy = "free", .epoch_ns = 1, .seq = 1, .signal = &byte, .signal_len = 1};
    cr_assert_eq(keel_intake_on_stored_receipt(desk, &receipt, 1000, 9000 * MS), KEEL_OK);
    keel_intake_open(desk);
    expect_chosen(desk, (keel_intake_moment){7, 7, 13999 * MS}, "");
    expect_chosen(desk, (keel_intake_moment){7, 7, 14000 * MS}, "r1.1");
    keel_intake_free(&desk);
}

/* In lockstep a client says nothing of a row before its coordinator has the row. */
Test(intake, lockstep_waits_for_no_row)
{
    char text[64];
    keel_intake chosen;
    keel_intake_desk *desk = make();
    say_of_row(desk, "slow", 1, 1000, 0);
    keel_intake_choose(desk, 100, &chosen);
    cr_expect_eq(take_all(desk, text, sizeof text), 1);
    keel_intake_free(&desk);
}

/* ---- a start ---- */

Test(intake, goes_on_where_the_log_ends)
{
    keel_intake_desk *desk = make_sized(0, false);
    keel_receipt receipt = {.strategy = "free", .epoch_ns = 5, .seq = 8, .step = 3};
    const uint8_t bytes[] = {1, 2, 3};
    receipt.signal = bytes;
    receipt.signal_len = sizeof bytes;
    cr_assert_eq(keel_intake_on_top(desk, "free", 5, 7), KEEL_OK); /* decided up to here */
    cr_assert_eq(keel_intake_on_stored_receipt(desk, &receipt, 0, 0), KEEL_OK);
    cr_expect_eq(keel_intake_on_stored_receipt(desk, &receipt, 0, 0), KEEL_EORDER);
    receipt.seq = 9;
    cr_assert_eq(keel_intake_on_stored_receipt(desk, &receipt, 0, 0), KEEL_OK);
    snprintf(receipt.strategy, sizeof receipt.strategy, "nobody");
    cr_expect_eq(keel_intake_on_stored_receipt(desk, &receipt, 0, 0), KEEL_EUNKNOWN);
    cr_expect_eq(keel_intake_on_top(desk, "nobody", 1, 1), KEEL_EUNKNOWN);
    cr_expect_eq(keel_intake_on_top(desk, "free", 5, 3), KEEL_OK); /* known */
    keel_intake_open(desk);
    cr_expect_eq(keel_intake_on_top(desk, "free", 6, 1), KEEL_EREFUSED);
    cr_expect_eq(keel_intake_on_stored_receipt(desk, &receipt, 0, 0), KEEL_EREFUSED);
    keel_ack ack;
    cr_expect_not(keel_intake_next_ack(desk, 0, &ack)); /* nobody was heard yet */
    cr_expect_eq(say(desk, "free", 5, 9), KEEL_INTAKE_REPEAT);
    ack = the_ack(desk, 100 * MS);
    cr_expect_eq(ack.seq, 9);
    cr_expect_eq(ack.credit, KEEL_OUTBOX_MAX - 2);
    cr_expect_eq(say(desk, "free", 5, 10), KEEL_INTAKE_TAKE);
    keel_intake_commit(desk);
    char text[64];
    keel_intake_choose_arrived(desk, &(keel_intake_moment){1, 1, 0}, 9);
    cr_assert_eq(take_all(desk, text, sizeof text), 3);
    cr_expect_str_eq(text, "r5.8 r5.9 r5.10");
    keel_intake_free(&desk);
}

/* A restart finds what was pending, and what had left for the engine and was in no Intake yet. */
Test(intake, has_room_for_all_that_a_restart_finds)
{
    static uint8_t bytes[KEEL_SIGNAL_BYTES_MAX];
    keel_intake_desk *desk = make_sized(1, true);
    uint64_t pending = 0;
    while (keel_intake_on_signal(desk, "free", 1, pending + 1, 0) == KEEL_INTAKE_TAKE) {
        keel_intake_put(desk, 1, 0, NULL, bytes, sizeof bytes);
        keel_intake_commit(desk);
        pending++;
    }
    keel_intake_free(&desk);
    desk = make_sized(1, false);
    keel_receipt receipt = {.strategy = "free", .epoch_ns = 1};
    receipt.signal = bytes;
    receipt.signal_len = sizeof bytes;
    const uint64_t all = pending + KEEL_OUTBOX_MAX + KEEL_INTAKE_BATCH_MAX;
    for (receipt.seq = 1; receipt.seq <= all; receipt.seq++)
        cr_assert_eq(keel_intake_on_stored_receipt(desk, &receipt, 0, 0), KEEL_OK, "%d of %d",
                     (int)receipt.seq, (int)all);
    keel_intake_open(desk);
    cr_expect_eq(keel_intake_credit(desk, "free"), 0);
    keel_intake_free(&desk);
}

/* ---- acknowledgements ---- */

Test(intake, paces_acknowledgements)
{
    keel_intake_desk *desk = make();
    keel_ack ack;
    hello(desk, "free", 1, 0);
    the_ack(desk, 0);
    say_many(desk, "free", 1, 1, 1);
    the_ack(desk, 1 * MS); /* what is new is said at once */
    for (int i = 0; i < 50; i++)
        cr_assert_eq(keel_intake_on_signal(desk, "free", 1, 1, 2 * MS), KEEL_INTAKE_REPEAT);
    cr_expect_not(keel_intake_next_ack(desk, 20 * MS, &ack)); /* 50 repeats, one answer, later */
    the_ack(desk, 21 * MS);
    cr_expect_not(keel_intake_next_ack(desk, 520 * MS, &ack));
    the_ack(desk, 521 * MS); /* a lost one heals */
    the_ack(desk, 1021 * MS);
    the_ack(desk, 5002 * MS);
    cr_expect_not(keel_intake_next_ack(desk, 5503 * MS, &ack)); /* not heard of for 5 s */
    hello(desk, "free", 1, 6000 * MS);
    the_ack(desk, 6000 * MS);
    keel_intake_free(&desk);
}

Test(intake, tells_lockstep_strategies_which_step_is_closed)
{
    keel_intake_desk *desk = make();
    hello(desk, "slow", 1, 0);
    hello(desk, "free", 1, 0);
    drop_acks(desk, 0);
    keel_intake_on_closed(desk, 41);
    const keel_ack ack = the_ack(desk, 1);
    cr_expect_str_eq(ack.strategy, "slow");
    cr_expect_eq(ack.closed_step, 41);
    keel_intake_free(&desk);
}

Test(intake, tells_who_is_not_served_why)
{
    keel_intake_desk *desk = make();
    hello(desk, "free", 9, 0);
    drop_acks(desk, 0);
    static const struct {
        const char *strategy;
        keel_reason_code code;
    } cases[] = {{"free", KEEL_REASON_EPOCH_SUPERSEDED},
                 {"nobody", KEEL_REASON_UNKNOWN_STRATEGY},
                 {"asleep", KEEL_REASON_STRATEGY_INACTIVE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int k = 0; k < 5; k++) /* said once while it waits to be sent */
            hello(desk, cases[i].strategy, 8, 0);
        const keel_ack ack = the_ack(desk, 0);
        cr_expect_str_eq(ack.strategy, cases[i].strategy);
        cr_expect_eq(ack.epoch_ns, 8); /* the epoch it is about */
        cr_expect_eq(ack.refusal.code, cases[i].code);
        cr_expect_neq(ack.refusal.text[0], '\0');
        cr_expect_eq(ack.credit, 0);
    }
    for (int i = 0; i < 1000; i++) { /* unknown names cost a bounded list */
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        hello(desk, name, 1, 0);
    }
    keel_ack ack;
    int n = 0;
    while (keel_intake_next_ack(desk, 0, &ack))
        n++;
    cr_expect_eq(n, KEEL_INTAKE_REFUSALS_MAX);
    cr_expect_eq(keel_intake_count(desk)->refusals_dropped, 1000 - KEEL_INTAKE_REFUSALS_MAX);
    keel_intake_free(&desk);
}

Test(intake, refuses_a_configuration_that_makes_no_sense)
{
    keel_err err;
    const keel_intake_cfg nameless = {"", 4, strategies, 0};
    const keel_intake_cfg many = {"main", KEEL_STRATEGIES_MAX + 1, strategies, 0};
    cr_expect_null(keel_intake_new(&nameless, &err));
    cr_expect_null(keel_intake_new(&many, &err));
    cr_expect_not_null(strstr(err.text, "strategies"));
}

/* A client that begins an epoch with every signal needs a range for each. */
Test(intake, leaves_ranges_to_the_others)
{
    enum { EPOCHS = 200 };
    keel_intake_desk *desk = make();
    keel_intake intake;
    keel_receipt receipt;
    bool is_named = false;
    for (int epoch = 1; epoch <= EPOCHS; epoch++)
        say_many(desk, "fast", epoch, 1, 1);
    say_many(desk, "slow", 5, 1, 3);
    keel_intake_choose(desk, 4096, &intake);
    for (int r = 0; r < intake.ranges_n; r++)
        is_named = is_named ||
                   (strcmp(intake.ranges[r].strategy, "slow") == 0 && intake.ranges[r].to_seq == 3);
    cr_expect(is_named, "%d ranges, none of them slow's", intake.ranges_n);
    while (keel_intake_next(desk, &receipt))
        continue;
    cr_expect_eq(keel_intake_credit(desk, "slow"), KEEL_OUTBOX_MAX);
    cr_expect_gt(keel_intake_pending(desk), 0);
    for (int step = 0; step < EPOCHS; step++) { /* what was left comes in the next steps */
        keel_intake_choose(desk, 4096, &intake);
        while (keel_intake_next(desk, &receipt))
            continue;
    }
    cr_expect_eq(keel_intake_pending(desk), 0);
    keel_intake_free(&desk);
}
