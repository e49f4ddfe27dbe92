/* The state machine by itself: every message and every time is passed in. */
#include "common/client/outbox.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)

static keel_outbox *box;
static int64_t now;

static void start(void)
{
    box = keel_outbox_new("momentum", 100);
    now = 1000 * MS;
}

static void stop(void)
{
    keel_outbox_free(&box);
    keel_outbox_free(&box);
}

TestSuite(outbox, .init = start, .fini = stop);

static keel_signal signal_of(const char *id)
{
    keel_signal s = {.side = KEEL_SIDE_LONG, .symbol = "BTC-SIM"};
    strcpy(s.signal_id, id);
    return s;
}

static void push(int n)
{
    for (int i = 0; i < n; i++) {
        char id[32];
        snprintf(id, sizeof id, "s%llu", (unsigned long long)keel_outbox_last_seq(box) + 1);
        const keel_signal s = signal_of(id);
        cr_assert_eq(keel_outbox_push(box, &s, NULL), KEEL_OK);
    }
}

static unsigned ack_with(int64_t epoch_ns, uint64_t seq, uint32_t credit, keel_reason_code refusal)
{
    keel_ack ack = {.strategy = "momentum", .epoch_ns = epoch_ns, .seq = seq, .credit = credit};
    ack.refusal.code = refusal;
    return keel_outbox_on_ack(box, &ack, now);
}

static unsigned ack(uint64_t seq, uint32_t credit)
{
    return ack_with(100, seq, credit, KEEL_REASON_UNSPECIFIED);
}

static keel_outbox_item next(void)
{
    keel_outbox_item item;
    keel_outbox_next(box, now, &item);
    return item;
}

/* Signals sent now, from..to; 0 when none; hellos and step ends are passed over. */
static uint64_t sent_from, sent_to;
static int hellos, steps;
static void drain(void)
{
    sent_from = sent_to = 0;
    hellos = steps = 0;
    for (keel_outbox_item item; (item = next()).kind != KEEL_OUTBOX_NOTHING;) {
        hellos += item.kind == KEEL_OUTBOX_SEND_HELLO;
        steps += item.kind == KEEL_OUTBOX_SEND_STEP;
        if (item.kind != KEEL_OUTBOX_SEND_SIGNAL)
            continue;
        if (sent_from == 0)
            sent_from = item.signal->seq;
        else
            cr_assert_eq(item.signal->seq, sent_to + 1);
        sent_to = item.signal->seq;
    }
}

static void serve(uint32_t credit)
{
    cr_assert_eq(ack(0, credit), KEEL_OUTBOX_NOW_SERVED);
}

Test(outbox, greets_each_100_ms_and_says_nothing_else_before_an_answer)
{
    push(3);
    keel_outbox_item item = next();
    cr_assert_eq(item.kind, KEEL_OUTBOX_SEND_HELLO);
    cr_assert_str_eq(item.hello.strategy, "momentum");
    cr_assert_eq(item.hello.epoch_ns, 100);
    cr_assert_eq(item.hello.waiting, 3);
    cr_assert_eq(next().kind, KEEL_OUTBOX_NOTHING);
    cr_assert_eq(keel_outbox_due_ns(box), now + 100 * MS);
    now += 100 * MS;
    cr_assert_eq(next().kind, KEEL_OUTBOX_SEND_HELLO);
    cr_assert_eq(next().kind, KEEL_OUTBOX_NOTHING);
    serve(10);
    drain();
    cr_assert_eq(sent_from, 1);
    cr_assert_eq(sent_to, 3);
}

Test(outbox, numbers_are_dense_and_name_the_strategy)
{
    keel_signal s = signal_of("x");
    uint64_t seq = 0;
    strcpy(s.strategy, "somebody");
    s.seq = 77;
    cr_assert_eq(keel_outbox_push(box, &s, &seq), KEEL_OK);
    cr_assert_eq(seq, 1);
    cr_assert_eq(keel_outbox_push(box, &s, &seq), KEEL_OK);
    cr_assert_eq(seq, 2);
    serve(10);
    const keel_outbox_item item = next();
    cr_assert_eq(item.signal->seq, 1);
    cr_assert_eq(item.signal->epoch_ns, 100);
    cr_assert_str_eq(item.signal->strategy, "momentum");
    cr_assert_str_eq(item.signal->signal_id, "x");
}

Test(outbox, credit_bounds_what_is_sent_and_4096_what_is_kept)
{
    const keel_signal s = signal_of("one-more");
    push(KEEL_OUTBOX_MAX);
    cr_assert_eq(keel_outbox_push(box, &s, NULL), KEEL_ENOSPC);
    cr_assert_eq(keel_outbox_waiting(box), KEEL_OUTBOX_MAX);
    serve(5);
    drain();
    cr_assert_eq(sent_to, 5);
    cr_assert_eq(keel_outbox_credit(box), 0);
    cr_assert_eq(ack(3, 4), KEEL_OUTBOX_PROGRESS);
    drain();
    cr_assert_eq(sent_from, 6);
    cr_assert_eq(sent_to, 7);
    cr_assert_eq(keel_outbox_push(box, &s, NULL), KEEL_OK);
    cr_assert_eq(ack(7, 0), KEEL_OUTBOX_PROGRESS); /* decided slowly: no credit for now */
    drain();
    cr_assert_eq(sent_from, 0);
    cr_assert_eq(ack(7, 1), 0u); /* decided: credit without progress */
    drain();
    cr_assert_eq(sent_from, 8);
    cr_assert_eq(sent_to, 8);
}

Test(outbox, sends_again_from_the_first_unacknowledged_after_200_ms_without_progress)
{
    push(10);
    serve(100);
    drain();
    now += 150 * MS;
    cr_assert_eq(ack(4, 100), KEEL_OUTBOX_PROGRESS);
    now += 150 * MS; /* 150 since the last progress */
    drain();
    cr_assert_eq(sent_from, 0);
    now += 50 * MS;
    drain();
    cr_assert_eq(sent_from, 5);
    cr_assert_eq(sent_to, 10);
    cr_assert_eq(hellos, 1, "who started again may not know the epoch");
    cr_assert_eq(keel_outbox_resent(box), 6);
    cr_assert_eq(ack(10, 100), KEEL_OUTBOX_PROGRESS);
    now += 400 * MS;
    drain();
    cr_assert_eq(sent_from, 0, "nothing waits");
}

Test(outbox, resends_few_at_first_and_more_with_each_progress)
{
    push(1000);
    serve(KEEL_OUTBOX_MAX);
    drain();
    cr_assert_eq(sent_to, 1000);
    now += 200 * MS;
    drain();
    cr_assert_eq(sent_from, 1);
    cr_assert_eq(sent_to, KEEL_RESEND_WINDOW);
    cr_assert_eq(ack(KEEL_RESEND_WINDOW, KEEL_OUTBOX_MAX), KEEL_OUTBOX_PROGRESS);
    drain();
    cr_assert_eq(sent_to, 3 * KEEL_RESEND_WINDOW);
    cr_assert_eq(ack(1000, KEEL_OUTBOX_MAX), KEEL_OUTBOX_PROGRESS,
                 "more was there than was sent again");
    cr_assert_eq(keel_outbox_waiting(box), 0);
    push(1);
    drain();
    cr_assert_eq(sent_from, 1001);
}

Test(outbox, old_and_foreign_acknowledgements_change_nothing)
{
    keel_ack foreign = {.strategy = "breakout", .epoch_ns = 100, .seq = 2, .credit = 5};
    push(5);
    serve(100);
    drain();
    cr_assert_eq(ack(3, 100), KEEL_OUTBOX_PROGRESS);
    cr_assert_eq(ack(2, 1), 0u);
    cr_assert_eq(keel_outbox_acked_seq(box), 3);
    cr_assert_eq(keel_outbox_credit(box), 98, "an overtaken Ack takes no credit away");
    cr_assert_eq(ack_with(99, 5, 100, KEEL_REASON_EPOCH_SUPERSEDED), 0u);
    cr_assert_eq(keel_outbox_on_ack(box, &foreign, now), 0u);
    cr_assert_eq(keel_outbox_acked_seq(box), 3);
}

Test(outbox, a_newer_client_ends_this_one)
{
    const keel_signal s = signal_of("late");
    push(2);
    serve(100);
    cr_assert_eq(ack_with(101, 0, 100, KEEL_REASON_UNSPECIFIED), KEEL_OUTBOX_NOW_SUPERSEDED);
    cr_assert_eq(keel_outbox_state_of(box), KEEL_OUTBOX_SUPERSEDED);
    now += 5000 * MS;
    cr_assert_eq(next().kind, KEEL_OUTBOX_NOTHING);
    cr_assert_eq(keel_outbox_due_ns(box), INT64_MAX);
    cr_assert_eq(keel_outbox_push(box, &s, NULL), KEEL_ESTALE);
    cr_assert_eq(ack(2, 100), 0u);
}

Test(outbox, a_refusal_of_this_epoch_as_superseded_ends_it_too)
{
    push(1);
    cr_assert_eq(ack_with(100, 0, 0, KEEL_REASON_EPOCH_SUPERSEDED), KEEL_OUTBOX_NOW_SUPERSEDED);
}

Test(outbox, an_ack_about_a_frame_that_stayed_outside_changes_nothing)
{
    push(2);
    serve(10);
    drain();
    cr_assert_eq(ack_with(100, 0, 0, KEEL_REASON_MALFORMED), 0u);
    cr_assert_eq(ack_with(0, 0, 0, KEEL_REASON_MALFORMED), 0u);
    cr_assert_eq(keel_outbox_state_of(box), KEEL_OUTBOX_SERVED);
    push(1);
    drain();
    cr_assert_eq(sent_to, 3, "its credit is what it was");
}

Test(outbox, an_unknown_strategy_is_told_once_and_asks_each_second)
{
    const keel_signal s = signal_of("x");
    push(1);
    drain();
    cr_assert_eq(ack_with(100, 0, 0, KEEL_REASON_UNKNOWN_STRATEGY), KEEL_OUTBOX_NOW_REFUSED);
    cr_assert_eq(ack_with(0, 0, 0, KEEL_REASON_UNKNOWN_STRATEGY), 0u);
    cr_assert_eq(keel_outbox_push(box, &s, NULL), KEEL_EREFUSED);
    now += 100 * MS;
    drain();
    cr_assert_eq(hellos, 1);
    now += 999 * MS;
    drain();
    cr_assert_eq(hellos, 0);
    now += 1 * MS;
    drain();
    cr_assert_eq(hellos, 1);
    serve(10); /* it is configured now */
    drain();
    cr_assert_eq(sent_to, 1);
}

Test(outbox, an_inactive_strategy_is_refused_until_it_is_active)
{
    const keel_signal s = signal_of("x");
    push(2);
    serve(10);
    drain();
    ack(1, 10);
    cr_assert_eq(ack_with(100, 0, 0, KEEL_REASON_STRATEGY_INACTIVE), KEEL_OUTBOX_NOW_REFUSED);
    cr_assert_eq(keel_outbox_push(box, &s, NULL), KEEL_EREFUSED);
    now += 500 * MS;
    drain();
    cr_assert_eq(sent_from, 0);
    cr_assert_eq(ack(1, 10), KEEL_OUTBOX_NOW_SERVED);
    now += 200 * MS;
    drain();
    cr_assert_eq(sent_from, 2, "what was kept is delivered");
}

Test(outbox, a_new_epoch_numbers_what_is_left_again_under_the_same_ids)
{
    push(5);
    serve(100);
    drain();
    cr_assert_eq(ack(2, 100), KEEL_OUTBOX_PROGRESS);
    keel_outbox_begin(box, 200);
    cr_assert_eq(keel_outbox_state_of(box), KEEL_OUTBOX_HELLO);
    cr_assert_eq(keel_outbox_last_seq(box), 3);
    drain();
    cr_assert_eq(sent_from, 0, "greets first");
    cr_assert_eq(ack(5, 100), 0u, "of the old epoch");
    cr_assert_eq(ack_with(200, 0, 100, KEEL_REASON_UNSPECIFIED), KEEL_OUTBOX_NOW_SERVED);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        const keel_outbox_item item = next();
        char id[32];
        snprintf(id, sizeof id, "s%llu", (unsigned long long)seq + 2);
        cr_assert_eq(item.signal->seq, seq);
        cr_assert_eq(item.signal->epoch_ns, 200);
        cr_assert_str_eq(item.signal->signal_id, id);
    }
}

Test(outbox, numbers_that_were_used_before_ask_for_a_later_epoch)
{
    push(2);
    cr_assert_eq(ack(7, 100), KEEL_OUTBOX_EPOCH_USED);
    keel_outbox_begin(box, 101);
    cr_assert_eq(ack_with(101, 0, 100, KEEL_REASON_UNSPECIFIED), KEEL_OUTBOX_NOW_SERVED);
    drain();
    cr_assert_eq(sent_to, 2);
}

Test(outbox, greets_again_on_a_new_link_and_then_sends_what_is_left)
{
    push(5);
    serve(100);
    drain();
    ack(3, 100);
    keel_outbox_rejoin(box);
    drain();
    cr_assert_eq(hellos, 1);
    cr_assert_eq(sent_from, 0);
    cr_assert_eq(ack(3, 100), KEEL_OUTBOX_NOW_SERVED);
    drain();
    cr_assert_eq(sent_from, 4);
    cr_assert_eq(sent_to, 5);
}

Test(outbox, a_step_ends_after_its_signals_and_again_until_it_is_closed)
{
    keel_ack closed = {.strategy = "momentum", .epoch_ns = 100, .credit = 100, .closed_step = 7};
    push(3);
    keel_outbox_close_step(box, 7);
    serve(2);
    drain();
    cr_assert_eq(steps, 0, "a signal of it has not been sent");
    ack(2, 100);
    cr_assert_eq(next().signal->seq, 3);
    const keel_outbox_item item = next();
    cr_assert_eq(item.kind, KEEL_OUTBOX_SEND_STEP);
    cr_assert_eq(item.step, 7);
    cr_assert_eq(item.mark, 3);
    ack(3, 100);
    now += 199 * MS;
    drain();
    cr_assert_eq(steps, 0);
    now += 1 * MS;
    drain();
    cr_assert_eq(steps, 1);
    cr_assert_eq(hellos, 1, "who started again may not know the epoch");
    closed.seq = 3;
    cr_assert_eq(keel_outbox_on_ack(box, &closed, now), 0u);
    cr_assert_eq(keel_outbox_closed_step(box), 7);
    now += 500 * MS;
    drain();
    cr_assert_eq(steps, 0);
    keel_outbox_close_step(box, 8);
    drain();
    cr_assert_eq(steps, 1);
    keel_outbox_closed(box, 8); /* a row came after it */
    now += 500 * MS;
    drain();
    cr_assert_eq(steps, 0);
}

Test(outbox, greets_once_a_second_when_nothing_is_to_be_said)
{
    serve(100);
    drain();
    int n = 0;
    for (int i = 0; i < 100; i++) {
        now += 100 * MS;
        drain();
        n += hellos;
    }
    cr_assert_eq(n, 10, "%d", n);
}
