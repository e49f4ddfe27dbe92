/* RL08, T9: the portfolio stop latches, closes everything, and re-arms by a person or by time. */
#include "services/risk/engine/stop.h"

#include <criterion/criterion.h>
#include <string.h>

#define HOUR INT64_C(3600000000000)

static const keel_stop_cfg cfg = {.max_drawdown = 0.05, .re_arm_ns = 24 * HOUR};
static const keel_stop_cfg by_hand = {.max_drawdown = 0.05, .re_arm_ns = 0};
static keel_stop stop;

static void step(const keel_stop_cfg *c, int64_t hour, int64_t equity, bool flat, const char *kind)
{
    const keel_stop_mark mark = {hour * HOUR, true, equity, flat};
    keel_taken_request request = {"cli/1/1", "", "looked at it", "ann"};
    if (kind != NULL)
        strcpy(request.kind, kind);
    cr_assert_eq(keel_stop_step(&stop, c, &mark, &request, kind != NULL), KEEL_OK);
}

#define IN(wanted) cr_assert_eq(stop.state, KEEL_STOP_##wanted, "state %d", stop.state)

/* The rules of docs/methods/portfolio-stop.md, written a second time by hand. */
Test(stop, table_decides_every_pair_as_documented)
{
    enum { A = KEEL_STOP_ACTIVE, R, S, H, HR, HS };
    static const int wanted[][KEEL_STOP_EVENTS] = {
        /*        BREACH FLAT HALT RESUME TIMER */
        [A] = {R, A, H, A, A},  [R] = {R, S, HR, A, R},     [S] = {S, S, HS, A, A},
        [H] = {HR, H, H, A, H}, [HR] = {HR, HS, HR, R, HR}, [HS] = {HS, HS, HS, S, HS},
    };
    cr_assert_eq(HS + 1, (int)KEEL_STOP_STATES);
    for (int s = A; s < (int)KEEL_STOP_STATES; s++)
        for (int e = 0; e < (int)KEEL_STOP_EVENTS; e++) {
            const keel_stop_state next = keel_stop_next((keel_stop_state)s, (keel_stop_event)e);
            cr_expect_neq(next, KEEL_STOP_UNDECIDED, "state %d, event %d: nobody decided", s, e);
            cr_expect_eq((int)next, wanted[s][e], "state %d, event %d", s, e);
            cr_expect_neq(keel_stop_mode((keel_stop_state)s), KEEL_TRADING_UNSPECIFIED);
        }
}

Test(stop, latches_closes_and_halts)
{
    keel_latch latches[KEEL_LATCHES_MAX];
    keel_stop_init(&stop);
    step(&cfg, 1, 1000000, false, NULL);
    step(&cfg, 2, 2000000, false, NULL);
    step(&cfg, 3, 1900000, false, NULL); /* 5 % exactly: not above */
    IN(ACTIVE);
    cr_expect_float_eq(keel_stop_drawdown(&stop), 0.05, 1e-15);
    step(&cfg, 4, 1899999, false, NULL);
    IN(REDUCING);
    cr_expect_eq(stop.stops, 1);
    cr_expect_eq(stop.reason.code, KEEL_REASON_DRAWDOWN_LIMIT);
    cr_assert_eq(keel_stop_latches(&stop, &cfg, latches), 1);
    cr_expect_eq(latches[0].since_ns, 4 * HOUR);
    cr_expect_eq(latches[0].re_arm_ns, 28 * HOUR);
    cr_expect_eq(latches[0].limit, 0.05);
    step(&cfg, 5, 2100000, false, NULL); /* recovered: the latch does not care */
    IN(REDUCING);
    step(&cfg, 6, 2100000, true, NULL);
    IN(STOPPED);
    cr_expect_eq(keel_stop_mode(stop.state), KEEL_TRADING_HALTED);
    cr_expect_eq(stop.stops, 1);
}

static void run_into_stop(const keel_stop_cfg *c)
{
    keel_stop_init(&stop);
    step(c, 1, 1000000, false, NULL);
    step(c, 2, 900000, false, NULL);
    IN(REDUCING);
}

Test(stop, re_arms_by_time_once_flat_and_resets_the_peak)
{
    run_into_stop(&cfg);
    step(&cfg, 26, 880000, false, NULL); /* due, but something is still held */
    IN(REDUCING);
    step(&cfg, 27, 880000, true, NULL);
    IN(STOPPED);
    step(&cfg, 28, 880000, true, NULL);
    IN(ACTIVE);
    cr_expect_eq(stop.reason.code, KEEL_REASON_TIMED_RE_ARM);
    cr_expect_eq(stop.peak_micros, 880000);
    cr_expect_eq(stop.samples, 1);
    step(&cfg, 29, 840000, false, NULL); /* 4.5 % from the new peak */
    IN(ACTIVE);
    step(&cfg, 30, 830000, false, NULL);
    IN(REDUCING);
    cr_expect_eq(stop.stops, 2);
}

Test(stop, waits_for_the_whole_time_and_for_ever_without_one)
{
    run_into_stop(&cfg);
    step(&cfg, 3, 890000, true, NULL);
    step(&cfg, 25, 890000, true, NULL);
    IN(STOPPED);
    step(&cfg, 26, 890000, true, NULL);
    IN(ACTIVE);
    run_into_stop(&by_hand);
    step(&by_hand, 3, 890000, true, NULL);
    step(&by_hand, 100000, 890000, true, NULL);
    IN(STOPPED);
}

Test(stop, re_arms_by_an_operator_with_a_reason)
{
    run_into_stop(&by_hand);
    step(&by_hand, 3, 890000, true, NULL);
    step(&by_hand, 4, 890000, true, "resume");
    IN(ACTIVE);
    cr_expect_eq(stop.reason.code, KEEL_REASON_OPERATOR_RESUME);
    cr_expect_str_eq(stop.reason.text, "looked at it");
    cr_expect_eq(stop.peak_micros, 890000);
    run_into_stop(&by_hand); /* also while it is still closing */
    step(&by_hand, 3, 890000, false, "resume");
    IN(ACTIVE);
}

Test(stop, halt_lies_over_everything_and_resume_lifts_it_first)
{
    keel_latch latches[KEEL_LATCHES_MAX];
    keel_stop_init(&stop);
    step(&cfg, 1, 1000000, false, "halt");
    IN(HALTED);
    cr_expect_eq(stop.reason.code, KEEL_REASON_OPERATOR_HALT);
    step(&cfg, 2, 990000, false, "resume");
    IN(ACTIVE);
    cr_expect_eq(stop.peak_micros, 1000000); /* nothing was latched: the peak stands */
    step(&cfg, 3, 990000, false, "halt");
    step(&cfg, 4, 900000, false, NULL);
    IN(HALTED_REDUCING);
    cr_expect_eq(stop.stops, 1);
    cr_expect_eq(stop.reason.code, KEEL_REASON_OPERATOR_HALT);
    cr_expect_eq(keel_stop_latches(&stop, &cfg, latches), 2);
    step(&cfg, 40, 900000, false, NULL); /* time re-arms nothing that a person halted */
    IN(HALTED_REDUCING);
    step(&cfg, 41, 900000, false, "resume");
    IN(REDUCING);
    cr_expect_eq(stop.reason.code, KEEL_REASON_DRAWDOWN_LIMIT);
    step(&by_hand, 42, 900000, true, "halt");
    IN(HALTED_STOPPED);
    step(&by_hand, 43, 900000, true, "resume");
    IN(STOPPED);
}

Test(stop, refuses_other_requests_and_ignores_stale_books)
{
    const keel_stop_mark stale = {HOUR, false, 1, true};
    const keel_taken_request odd = {"cli/1/1", "pause", "", ""};
    keel_stop_init(&stop);
    const keel_stop before = stop;
    cr_expect_eq(keel_stop_step(&stop, &cfg, &stale, &odd, 1), KEEL_EUNKNOWN);
    cr_expect_eq(memcmp(&before, &stop, sizeof stop), 0);
    cr_expect_eq(keel_stop_step(&stop, &cfg, &stale, NULL, 0), KEEL_OK);
    cr_expect_eq(keel_stop_drawdown(&stop), 0);
    IN(ACTIVE);
}

Test(stop, counts_a_lost_account_as_a_full_drawdown)
{
    keel_stop_init(&stop);
    step(&cfg, 1, 1000000, false, NULL);
    step(&cfg, 2, -500000, false, NULL);
    cr_expect_eq(keel_stop_drawdown(&stop), 1);
    IN(REDUCING);
}
