/* A strategy's client against a run in a thread: door, feed, coordinator. */
#include "common/base/timefmt.h"
#include "common/client/strategy.h"
#include "tests/support/door/door.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

static door *run;
static keel_strategy *s;
static keel_event event;
static door_receipt receipts[DOOR_RECEIPTS];

static void stop(void)
{
    keel_strategy_close(&s);
    if (run != NULL)
        door_stop(&run);
}

TestSuite(strategy, .fini = stop, .timeout = 60);

static void start(bool lockstep, uint64_t rows)
{
    const door_cfg cfg = {.lockstep = lockstep, .rows = rows, .expects = "momentum"};
    run = door_start(&cfg);
    door_key(run, "momentum");
}

static keel_strategy_cfg cfg_of(void)
{
    const keel_strategy_cfg cfg = {
        .name = "momentum", .run_dir = door_dir(run), .join_timeout_ms = WAIT_MS};
    return cfg;
}

static void join_with(const keel_strategy_cfg *cfg)
{
    keel_err err = {0};
    s = keel_strategy_open(cfg, &err);
    cr_assert_not_null(s, "%s", err.text);
}

static void join(void)
{
    const keel_strategy_cfg cfg = cfg_of();
    join_with(&cfg);
}

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The next event of this kind; others are passed over. */
static void await(keel_event_kind kind)
{
    const int64_t until = mono_ms() + WAIT_MS;
    while (mono_ms() < until)
        if (keel_strategy_next(s, 50, &event) == KEEL_OK && event.kind == kind)
            return;
    cr_assert_fail("event %d did not come", (int)kind);
}

/* Let it work; rows stay where they are. */
static void poke(int ms)
{
    keel_decision decision;
    cr_assert_neq(keel_strategy_wait(s, "nobody-said-this", ms, &decision), KEEL_OK);
}

static void pump(int ms)
{
    const int64_t until = mono_ms() + ms;
    while (mono_ms() < until)
        poke(20);
}

static keel_signal signal_on(const char *symbol, keel_side side)
{
    keel_signal signal = {.side = side, .confidence_frac = 0.7};
    snprintf(signal.symbol, sizeof signal.symbol, "%s", symbol);
    return signal;
}

static keel_signal say(void)
{
    keel_err err = {0};
    keel_signal signal = signal_on("AAA-SIM", KEEL_SIDE_LONG);
    cr_assert_eq(keel_strategy_publish(s, &signal, &err), KEEL_OK, "%s", err.text);
    return signal;
}

static keel_strategy_link look(void)
{
    keel_strategy_link link;
    keel_strategy_look(s, &link);
    return link;
}

static void await_acked(uint64_t seq)
{
    const int64_t until = mono_ms() + WAIT_MS;
    while (look().acked_seq < seq && mono_ms() < until)
        poke(20);
    cr_assert_geq(look().acked_seq, seq, "%d wait", look().waiting);
}

/* ---- joining and publishing ---- */

Test(strategy, joins_publishes_and_gets_its_decision)
{
    keel_decision decision;
    start(false, 3);
    join();
    cr_assert_str_eq(look().run_id, "the-run");
    cr_assert_not(look().lockstep, "the pace of the run");
    const keel_signal signal = say();
    cr_assert_eq(signal.seq, 1);
    cr_assert_str_eq(signal.strategy, "momentum");
    cr_assert_neq(signal.signal_id[0], '\0');
    cr_assert_eq(keel_strategy_wait(s, signal.signal_id, WAIT_MS, &decision), KEEL_OK);
    cr_assert(decision.accepted);
    cr_assert_str_eq(decision.signal_id, signal.signal_id);
    cr_assert_str_eq(decision.symbol, "AAA-SIM");
    await(KEEL_EVENT_JOINED);
    cr_assert(look().served);
    await_acked(1);
    cr_assert_eq(look().waiting, 0);
    cr_assert_eq(door_count(run).garbled, 0);
    cr_assert_eq(keel_strategy_wait(s, signal.signal_id, 0, &decision), KEEL_OK,
                 "found again among the last");
    cr_assert_eq(keel_strategy_wait(s, "nobody-said-this", 30, &decision), KEEL_EUNAVAIL);
}

Test(strategy, hands_out_decisions_once_though_they_are_repeated)
{
    start(false, 1);
    join();
    for (int i = 0; i < 5; i++)
        say();
    for (int i = 1; i <= 5; i++) {
        await(KEEL_EVENT_DECISION);
        cr_assert_eq(event.decision->seq, (uint64_t)i);
    }
    door_publish_rows(run, 1);
    await(KEEL_EVENT_ROW);
    for (int i = 0; i < 10; i++)
        if (keel_strategy_next(s, 20, &event) == KEEL_OK)
            cr_assert_neq(event.kind, KEEL_EVENT_DECISION);
}

Test(strategy, hands_out_every_decision_however_late_it_is_asked)
{
    enum { N = 3000 };
    int told = 0;
    start(false, 1);
    join();
    await(KEEL_EVENT_JOINED);
    for (int i = 0; i < N; i++) {
        (void)say();
        if (i % 50 == 0 && keel_strategy_next(s, 0, &event) == KEEL_OK)
            told += event.kind == KEEL_EVENT_DECISION;
    }
    nanosleep(&(struct timespec){1, 0}, NULL); /* decisions pile up, unread */
    for (; told < N; told++)
        await(KEEL_EVENT_DECISION);
    cr_expect_eq(look().decisions_missed, 0);
}

Test(strategy, refuses_a_bad_signal_by_its_field)
{
    start(false, 1);
    join();
    keel_err err = {0};
    struct {
        keel_signal signal;
        keel_status status;
        const char *field;
    } bad[] = {
        {signal_on("", KEEL_SIDE_LONG), KEEL_EINVAL, "symbol"},
        {signal_on("A B", KEEL_SIDE_LONG), KEEL_EINVAL, "symbol"},
        {signal_on("A", KEEL_SIDE_UNSPECIFIED), KEEL_EINVAL, "side"},
        {signal_on("A", (keel_side)9), KEEL_EINVAL, "side"},
        {signal_on("A", KEEL_SIDE_LONG), KEEL_ENONFINITE, "entry"},
        {signal_on("A", KEEL_SIDE_LONG), KEEL_ERANGE, "stop"},
        {signal_on("A", KEEL_SIDE_LONG), KEEL_ENONFINITE, "target"},
        {signal_on("A", KEEL_SIDE_LONG), KEEL_ERANGE, "confidence_frac"},
        {signal_on("A", KEEL_SIDE_LONG), KEEL_ERANGE, "valid_until_ns"},
        {signal_on("A", KEEL_SIDE_LONG), KEEL_ERANGE, "labels_n"},
        {signal_on("A", KEEL_SIDE_LONG), KEEL_EFORMAT, "signal_id"},
    };
    bad[4].signal.entry = (double)NAN;
    bad[5].signal.stop = -1.0;
    bad[6].signal.target = (double)INFINITY;
    bad[7].signal.confidence_frac = 1.5;
    bad[8].signal.valid_until_ns = -1;
    bad[9].signal.labels_n = KEEL_LABELS_MAX + 1;
    strcpy(bad[10].signal.signal_id, "\x01\x02");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const keel_status status = keel_strategy_publish(s, &bad[i].signal, &err);
        cr_assert_neq(status, KEEL_OK, "case %zu", i);
        if (i < 10)
            cr_assert_eq(status, bad[i].status, "case %zu: %s", i, err.text);
        cr_assert_not_null(strstr(err.text, bad[i].field), "case %zu: %s", i, err.text);
    }
    cr_assert_eq(look().last_seq, 0, "nothing was numbered");
    say();
    await_acked(1);
}

Test(strategy, delivers_each_once_and_in_order_over_a_lossy_link)
{
    start(false, 1);
    join();
    door_knobs knobs = door_get(run);
    await(KEEL_EVENT_JOINED);
    knobs.drop_signals = 7;
    knobs.drop_acks = 25;
    door_set(run, &knobs);
    for (int i = 0; i < 100; i++) {
        say();
        if (i == 50) {
            knobs = door_get(run);
            knobs.drop_signals += 5;
            door_set(run, &knobs);
        }
    }
    await_acked(100);
    cr_assert_gt(look().resent, 0);
    cr_assert_eq(door_receipts(run, receipts, DOOR_RECEIPTS), 100);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(receipts[i].signal.seq, (uint64_t)i + 1);
}

Test(strategy, keeps_within_its_credit_and_waits_for_room)
{
    start(false, 1);
    door_knobs knobs = door_get(run);
    knobs.credit = 10;
    knobs.undecided = true;
    door_set(run, &knobs);
    join();
    await(KEEL_EVENT_JOINED);
    keel_err err = {0};
    for (int i = 0; i < KEEL_OUTBOX_MAX + 10; i++)
        say();
    keel_signal late = signal_on("AAA-SIM", KEEL_SIDE_LONG);
    pump(100);
    while (look().waiting < KEEL_OUTBOX_MAX)
        say();
    const int64_t from = mono_ms();
    cr_assert_eq(keel_strategy_publish(s, &late, &err), KEEL_ENOSPC, "%s", err.text);
    cr_assert_geq(mono_ms() - from, 900, "it waited for room");
    cr_assert_eq(door_receipts(run, receipts, DOOR_RECEIPTS), 10);
    knobs.credit = KEEL_OUTBOX_MAX;
    knobs.undecided = false;
    door_set(run, &knobs);
    await_acked(KEEL_OUTBOX_MAX + 10);
}

/* ---- refusals ---- */

Test(strategy, an_unknown_strategy_is_refused_and_heals_when_it_is_configured)
{
    start(false, 1);
    door_knobs knobs = door_get(run);
    knobs.refusal = KEEL_REASON_UNKNOWN_STRATEGY;
    door_set(run, &knobs);
    join();
    say(); /* kept: nobody has answered yet */
    await(KEEL_EVENT_REFUSED);
    cr_assert_eq(event.reason.code, KEEL_REASON_UNKNOWN_STRATEGY);
    keel_signal signal = signal_on("AAA-SIM", KEEL_SIDE_LONG);
    keel_err err = {0};
    cr_assert_eq(keel_strategy_publish(s, &signal, &err), KEEL_EREFUSED, "%s", err.text);
    knobs.refusal = KEEL_REASON_UNSPECIFIED;
    door_set(run, &knobs);
    await(KEEL_EVENT_JOINED);
    await_acked(1);
}

Test(strategy, a_newer_client_supersedes_an_older_one)
{
    start(false, 1);
    keel_strategy_cfg cfg = cfg_of();
    cfg.epoch_ns = 1000;
    join_with(&cfg);
    await(KEEL_EVENT_JOINED);
    keel_strategy *old = s;
    cfg.epoch_ns = 2000;
    join_with(&cfg);
    await(KEEL_EVENT_JOINED);
    keel_strategy *newer = s;
    s = old;
    await(KEEL_EVENT_SUPERSEDED);
    cr_assert_eq(event.reason.code, KEEL_REASON_EPOCH_SUPERSEDED);
    cr_assert(strstr(event.reason.text, "began later") != NULL, "%s", event.reason.text);
    cr_assert_eq(keel_strategy_next(s, 100, &event), KEEL_ESTALE);
    keel_signal signal = signal_on("AAA-SIM", KEEL_SIDE_LONG);
    keel_err err = {0};
    cr_assert_eq(keel_strategy_publish(s, &signal, &err), KEEL_ESTALE, "%s", err.text);
    cr_assert(look().superseded);
    keel_strategy_close(&s);
    s = newer;
    say();
    await_acked(1);
    cr_assert_eq(look().epoch_ns, 2000);
}

Test(strategy, an_epoch_whose_numbers_were_used_moves_on_by_itself)
{
    start(false, 1);
    keel_strategy_cfg cfg = cfg_of();
    cfg.epoch_ns = 1000;
    join_with(&cfg);
    say();
    await_acked(1);
    keel_strategy_close(&s);
    join_with(&cfg); /* as a program that fixes its epoch and starts again */
    say();
    await_acked(1);
    cr_assert_eq(look().epoch_ns, 1001);
    cr_assert_eq(door_receipts(run, receipts, DOOR_RECEIPTS), 2);
}

/* ---- the link ---- */

Test(strategy, says_cut_off_after_a_second_and_joins_again)
{
    start(false, 1);
    join();
    await(KEEL_EVENT_JOINED);
    door_knobs knobs = door_get(run);
    knobs.mute = true;
    door_set(run, &knobs);
    const int64_t from = mono_ms();
    say();
    await(KEEL_EVENT_CUT_OFF);
    cr_assert_geq(mono_ms() - from, 700);
    cr_assert_leq(mono_ms() - from, 3000);
    cr_assert_not(look().connected);
    cr_assert_neq(event.reason.text[0], '\0');
    knobs.mute = false;
    door_set(run, &knobs);
    await(KEEL_EVENT_JOINED);
    cr_assert(look().connected);
    await_acked(1);
    cr_assert_gt(look().links_made, 1, "the silent link was made again");
}

Test(strategy, goes_on_when_the_relay_was_started_again)
{
    start(false, 5);
    join();
    await(KEEL_EVENT_ROW);
    door_restart(run);
    for (int i = 0; i < 20; i++)
        say();
    door_publish_rows(run, 3);
    await_acked(20);
    for (uint64_t step = 6; step <= 8; step++) {
        await(KEEL_EVENT_ROW);
        cr_assert_eq(event.step, step);
    }
    cr_assert_eq(door_receipts(run, receipts, DOOR_RECEIPTS), 20);
}

Test(strategy, waits_for_a_coordinator_that_is_not_there_yet)
{
    start(false, 1);
    door_knobs knobs = door_get(run);
    knobs.deaf = true;
    door_set(run, &knobs);
    join();
    say();
    pump(400);
    cr_assert_not(look().served);
    cr_assert_eq(look().waiting, 1);
    knobs.deaf = false;
    door_set(run, &knobs);
    await_acked(1);
}

Test(strategy, says_what_is_wrong_with_its_configuration)
{
    keel_err err = {0};
    start(true, 1);
    keel_strategy_cfg cfg = cfg_of();
    const struct {
        keel_strategy_cfg cfg;
        keel_status status;
        const char *text;
    } cases[] = {
        {{.run_dir = cfg.run_dir}, KEEL_EINVAL, "name"},
        {{.name = "no good", .run_dir = cfg.run_dir}, KEEL_EINVAL, "name"},
        {{.name = "momentum"}, KEEL_EINVAL, "out_endpoint"},
        {{.name = "momentum", .run_dir = cfg.run_dir, .wants = 64}, KEEL_EINVAL, "wants"},
        {{.name = "momentum", .run_dir = cfg.run_dir, .history_rows = -1}, KEEL_EINVAL, "history"},
        {{.name = "momentum", .run_dir = cfg.run_dir, .epoch_ns = -1}, KEEL_EINVAL, "epoch_ns"},
        {{.name = "momentum", .run_dir = cfg.run_dir, .wants = KEEL_WANT_ALLOCATIONS},
         KEEL_EINVAL,
         "wants"},
        {{.name = "nobody", .run_dir = cfg.run_dir}, KEEL_EIO, "nobody.secret"},
        {{.name = "momentum", .run_dir = "/nonexistent", .join_timeout_ms = 50},
         KEEL_EUNAVAIL,
         "/nonexistent/keys/door.public"},
        {{.name = "momentum",
          .run_dir = cfg.run_dir,
          .in_endpoint = "ipc:///tmp/keel-nobody-is-here.sock",
          .join_timeout_ms = 100},
         KEEL_EUNAVAIL,
         "keel-nobody-is-here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_null(keel_strategy_open(&cases[i].cfg, &err), "case %zu", i);
        cr_assert_eq(err.status, cases[i].status, "case %zu: %s", i, err.text);
        cr_assert_not_null(strstr(err.text, cases[i].text), "case %zu: %s", i, err.text);
    }
}

/* A client's folder: keys and a file that names the door, which is elsewhere. */
Test(strategy, joins_through_the_door_that_a_folder_names)
{
    char dir[] = "/tmp/keel-folder-XXXXXX", path[64], keys[128], text[64];
    keel_err err = {0};
    start(false, 1);
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/door", dir);
    snprintf(keys, sizeof keys, "%s/keys", door_dir(run));
    snprintf(text, sizeof text, "%s/keys", dir);
    cr_assert_eq(symlink(keys, text), 0);
    keel_strategy_cfg cfg = cfg_of();
    cfg.run_dir = dir;
    for (int addresses = 1; addresses <= 3; addresses++) {
        static const char *const sockets[] = {"door-out.sock", "door-in.sock", "more"};
        FILE *f = fopen(path, "w");
        cr_assert_not_null(f);
        for (int i = 0; i < addresses; i++)
            fprintf(f, "ipc://%s/%s\n", door_dir(run), sockets[i]);
        fclose(f);
        s = keel_strategy_open(&cfg, &err);
        cr_assert_eq(s != NULL, addresses == 2, "%d addresses: %s", addresses, err.text);
        cr_assert(s != NULL || (err.status == KEEL_EFORMAT && strstr(err.text, path) != NULL),
                  "%d addresses: %s", addresses, err.text);
        keel_strategy_close(&s);
    }
    snprintf(text, sizeof text, "rm -rf %s", dir);
    cr_assert_eq(system(text), 0);
}

/* ---- rows ---- */

Test(strategy, live_begins_with_the_newest_row_and_has_prices_in_currency)
{
    start(false, 500);
    join();
    await(KEEL_EVENT_ROW);
    cr_assert_eq(event.row->step, 500);
    cr_assert_not(event.row->is_history);
    cr_assert_eq(event.row->n, DOOR_INSTRUMENTS);
    cr_assert_str_eq(keel_strategy_universe(s)->instruments[1].symbol, "BBB-SIM");
    cr_assert_float_eq(event.row->close[0], 100.0, 1e-9);
    cr_assert_float_eq(event.row->close[2], 300.0, 1e-9);
    cr_assert_eq(event.row->close_ns, 500 * KEEL_NS_PER_H);
    keel_signal signal = say();
    cr_assert_eq(signal.row_step, 500);
    door_publish_rows(run, 1);
    await(KEEL_EVENT_ROW);
    cr_assert_eq(event.row->step, 501);
}

Test(strategy, live_history_comes_first_and_is_marked)
{
    start(false, 300);
    keel_strategy_cfg cfg = cfg_of();
    cfg.history_rows = 150; /* more than two answers */
    join_with(&cfg);
    for (uint64_t step = 150; step <= 300; step++) {
        await(KEEL_EVENT_ROW);
        cr_assert_eq(event.row->step, step);
        cr_assert_eq(event.row->is_history, step < 300);
    }
}

Test(strategy, rows_that_are_lost_are_asked_for_and_come_in_order)
{
    start(false, 10);
    join();
    await(KEEL_EVENT_ROW);
    door_knobs knobs = door_get(run);
    knobs.drop_rows = 30;
    door_set(run, &knobs);
    door_publish_rows(run, 100);
    for (uint64_t step = 11; step <= 110; step++) {
        await(KEEL_EVENT_ROW);
        cr_assert_eq(event.row->step, step);
    }
    cr_assert_gt(look().rows_asked, 0);
}

Test(strategy, the_last_row_is_not_waited_for_in_vain)
{
    start(false, 10);
    join();
    await(KEEL_EVENT_ROW);
    door_knobs knobs = door_get(run);
    knobs.drop_rows = 1;
    door_set(run, &knobs);
    door_publish_rows(run, 1); /* nothing comes after it that would show the hole */
    await(KEEL_EVENT_ROW);
    cr_assert_eq(event.row->step, 11);
}

Test(strategy, learns_the_universe_from_the_feed_when_the_relay_forgot_it)
{
    start(false, 90);
    door_knobs knobs = door_get(run);
    knobs.forget_universe = true;
    door_set(run, &knobs);
    join();
    await(KEEL_EVENT_ROW);
    cr_assert_eq(event.row->step, 90);
    cr_assert_not_null(keel_strategy_universe(s));
}

Test(strategy, hands_out_allocations_and_portfolio_once)
{
    start(false, 5);
    join();
    await(KEEL_EVENT_ROW);
    door_allocate(run);
    await(KEEL_EVENT_ALLOCATION);
    cr_assert_str_eq(event.allocation->book, "core");
    cr_assert_eq(event.allocation->n, DOOR_INSTRUMENTS);
    await(KEEL_EVENT_PORTFOLIO);
    cr_assert_eq(event.portfolio->equity_micros, 1000000);
    for (int i = 0; i < 5; i++)
        if (keel_strategy_next(s, 20, &event) == KEEL_OK)
            cr_assert_neq(event.kind, KEEL_EVENT_ALLOCATION);
}

/* ---- lockstep ---- */

/* Signals of a step, from the row alone. */
static void say_of_row(void)
{
    keel_err err = {0};
    for (int i = 0; i < (int)(event.row->step % 3); i++) {
        keel_signal signal = signal_on("AAA-SIM", i == 0 ? KEEL_SIDE_LONG : KEEL_SIDE_FLAT);
        cr_assert_eq(keel_strategy_publish(s, &signal, &err), KEEL_OK, "%s", err.text);
    }
}

static void follow_to(uint64_t last)
{
    do {
        await(KEEL_EVENT_ROW);
        say_of_row();
        cr_assert_eq(keel_strategy_close_step(s, event.row->step), KEEL_OK);
    } while (event.row->step < last);
}

static int expected_to(uint64_t last)
{
    int n = 0;
    for (uint64_t step = 1; step <= last; step++)
        n += (int)(step % 3);
    return n;
}

static void await_closed(uint64_t step)
{
    const int64_t until = mono_ms() + WAIT_MS;
    while (door_count(run).closed < step && mono_ms() < until)
        poke(10);
    cr_assert_geq(door_count(run).closed, step);
}

/* Every signal that follows from the rows, once, decided in its own step. */
static void check_lockstep(uint64_t last)
{
    const int n = door_receipts(run, receipts, DOOR_RECEIPTS);
    int accepted = 0;
    for (int i = 0; i < n; i++) {
        unsigned long long step;
        unsigned nth;
        if (!receipts[i].accepted)
            continue;
        accepted++;
        cr_assert_eq(sscanf(receipts[i].signal.signal_id, "%llu-%u", &step, &nth), 2);
        cr_assert_eq(receipts[i].decided_step, step, "%s", receipts[i].signal.signal_id);
        cr_assert_eq(receipts[i].signal.row_step, step);
    }
    cr_assert_eq(accepted, expected_to(last), "%d accepted of %d", accepted, n);
}

Test(strategy, lockstep_reads_from_row_1_and_the_market_waits_for_it)
{
    keel_decision decision;
    start(true, 1);
    join();
    cr_assert(look().lockstep, "the pace of the run");
    keel_signal early = signal_on("AAA-SIM", KEEL_SIDE_LONG);
    cr_assert_eq(keel_strategy_publish(s, &early, NULL), KEEL_EORDER, "no step is open");
    await(KEEL_EVENT_ROW);
    cr_assert_eq(event.row->step, 1);
    say_of_row();
    cr_assert_eq(keel_strategy_close_step(s, 2), KEEL_EORDER);
    cr_assert_eq(keel_strategy_wait(s, "1-1", WAIT_MS, &decision), KEEL_EORDER,
                 "it is decided when the step is closed");
    while (keel_strategy_next(s, 100, &event) == KEEL_OK)
        ;
    cr_assert_eq(keel_strategy_next(s, 100, &event), KEEL_EORDER);
    cr_assert_eq(door_count(run).closed, 0);
    cr_assert_eq(keel_strategy_close_step(s, 1), KEEL_OK);
    cr_assert_eq(keel_strategy_wait(s, "1-1", WAIT_MS, &decision), KEEL_OK);
    cr_assert(decision.accepted);
    follow_to(200);
    await_closed(200);
    check_lockstep(200);
}

Test(strategy, lockstep_starts_again_from_row_1_and_says_nothing_twice)
{
    start(true, 1);
    join();
    follow_to(150);
    await_closed(150);
    await(KEEL_EVENT_ROW);
    say_of_row(); /* 151: said and not closed */
    pump(50);
    keel_strategy_close(&s);
    const int before = door_receipts(run, receipts, DOOR_RECEIPTS);
    join();
    follow_to(160);
    await_closed(160);
    check_lockstep(160);
    cr_assert_eq(look().said_before, (uint64_t)expected_to(150));
    cr_assert_leq(door_receipts(run, receipts, DOOR_RECEIPTS) - before, expected_to(160));
}

Test(strategy, lockstep_ends_a_step_again_for_a_coordinator_that_forgot)
{
    start(true, 1);
    join();
    door_knobs knobs = door_get(run);
    follow_to(5);
    await_closed(5);
    await(KEEL_EVENT_ROW);
    knobs.deaf = true;
    door_set(run, &knobs);
    say_of_row();
    cr_assert_eq(keel_strategy_close_step(s, 6), KEEL_OK);
    pump(300);
    knobs.deaf = false;
    door_set(run, &knobs);
    door_kick(run);
    await_closed(6);
    follow_to(10);
    await_closed(10);
    check_lockstep(10);
}

Test(strategy, lockstep_survives_lost_rows_signals_and_acks)
{
    start(true, 1);
    join();
    for (uint64_t to = 5; to <= 40; to += 5) {
        door_knobs knobs = door_get(run);
        knobs.drop_rows = (int)(to % 2);
        knobs.drop_signals = (int)(to % 3);
        knobs.drop_acks = 4;
        door_set(run, &knobs);
        follow_to(to);
    }
    await_closed(40);
    check_lockstep(40);
}

/* ---- the outbox file ---- */

Test(strategy, an_outbox_file_delivers_what_a_killed_program_had_published)
{
    char path[96];
    start(false, 1);
    door_knobs knobs = door_get(run);
    knobs.deaf = true; /* nothing is acknowledged in the first life */
    door_set(run, &knobs);
    snprintf(path, sizeof path, "%s/momentum.outbox", door_dir(run));
    keel_strategy_cfg cfg = cfg_of();
    cfg.outbox = path;
    const pid_t child = fork();
    if (child == 0) { /* before this process has a ZeroMQ context of its own */
        keel_err err = {0};
        s = keel_strategy_open(&cfg, &err);
        for (int i = 0; i < 10 && s != NULL; i++) {
            keel_signal signal = signal_on("AAA-SIM", KEEL_SIDE_LONG);
            snprintf(signal.signal_id, sizeof signal.signal_id, "life-1-%d", i);
            if (keel_strategy_publish(s, &signal, &err) != KEEL_OK)
                _exit(1);
        }
        kill(getpid(), SIGKILL);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status), "the child could not publish");
    knobs.deaf = false;
    door_set(run, &knobs);
    join_with(&cfg);
    await_acked(10);
    cr_assert_eq(door_receipts(run, receipts, DOOR_RECEIPTS), 10);
    cr_assert_str_eq(receipts[9].signal.signal_id, "life-1-9");
    keel_err err = {0};
    cr_assert_null(keel_strategy_open(&cfg, &err));
    cr_assert_eq(err.status, KEEL_EEXIST, "%s", err.text);
    keel_strategy_close(&s);
    join_with(&cfg); /* nothing is left in it */
    await(KEEL_EVENT_JOINED);
    cr_assert_eq(look().last_seq, 0);
}

Test(strategy, lockstep_takes_no_outbox_file)
{
    char path[96];
    keel_err err = {0};
    start(true, 1);
    snprintf(path, sizeof path, "%s/box", door_dir(run));
    keel_strategy_cfg cfg = cfg_of();
    cfg.outbox = path;
    cr_assert_null(keel_strategy_open(&cfg, &err));
    cr_assert_eq(err.status, KEEL_EINVAL);
    cr_assert_not_null(strstr(err.text, "outbox"), "%s", err.text);
}
