/* Known series in, known calls out. SR06, SI19. */
#include "services/strategies/engine/engine.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROWS_MAX = 2000, CALLS_MAX = 200 };

typedef struct said {
    uint64_t step;
    strategies_call call;
} said;

static said calls[CALLS_MAX];
static int calls_n;

/* Run a rule over one series a column; collect what it calls. */
static void run(const strategies_rule *rule, const strategies_params *params, int n, int rows,
                double (*price)(int instrument, int t))
{
    keel_err err = {0};
    double close[8];
    strategies_out out;
    const strategies_cfg cfg = {rule, params != NULL ? *params : rule->defaults, n, NULL};
    strategies_engine *e = strategies_new(&cfg, &err);
    cr_assert_not_null(e, "%s", err.text);
    calls_n = 0;
    for (int t = 1; t <= rows; t++) {
        for (int i = 0; i < n; i++)
            close[i] = price(i, t);
        const strategies_row row = {(uint64_t)t, n, close, NULL, NULL};
        cr_assert_eq(strategies_on_row(e, &row, &out), KEEL_OK);
        for (int i = 0; i < out.n; i++) {
            cr_assert_lt(calls_n, CALLS_MAX, "it floods");
            calls[calls_n++] = (said){(uint64_t)t, out.calls[i]};
        }
    }
    strategies_free(&e);
    cr_assert_null(e);
}

/* What every call has to be, whatever the rule. */
static void check_calls(void)
{
    for (int i = 0; i < calls_n; i++) {
        const strategies_call *c = &calls[i].call;
        const bool flat = c->side == KEEL_SIDE_FLAT;
        const double sign = c->side == KEEL_SIDE_SHORT ? -1.0 : 1.0;
        cr_assert_gt(c->entry, 0.0);
        cr_assert(c->confidence_frac >= 0.5 && c->confidence_frac <= 1.0);
        cr_assert(flat ? c->stop == 0.0 : c->stop == 0.0 || (c->entry - c->stop) * sign > 0.0);
        cr_assert(flat ? c->target == 0.0
                       : c->target == 0.0 || (c->target - c->entry) * sign > 0.0);
    }
}

static double ripple(int t)
{
    return 0.002 * ((t * 7) % 5 - 2);
}

/* Up for 100 rows, then down for 100. */
static double hill(int i, int t)
{
    const double slope = t <= 100 ? 0.01 * t : 0.01 * (200 - t);
    return 100.0 * (i + 1) * exp(slope + ripple(t + i));
}

Test(strategies, momentum_goes_with_a_trend_and_turns_with_it)
{
    const strategies_params p = {.lookback = 20, .entry = 1.5, .exit = 0.5, .confirm = true};
    run(&strategies_momentum, &p, 1, 200, hill);
    check_calls();
    cr_assert_eq(calls_n, 3);
    cr_assert_eq(calls[0].step, 21, "as soon as the window is full");
    cr_assert_eq(calls[0].call.side, KEEL_SIDE_LONG);
    cr_assert_float_eq(calls[0].call.entry, hill(0, 21), 1e-12);
    cr_assert_eq(calls[1].call.side, KEEL_SIDE_FLAT);
    cr_assert_eq(calls[2].call.side, KEEL_SIDE_SHORT);
    cr_assert_gt(calls[1].step, 100);
    cr_assert_lt(calls[2].step, 125);
}

/* The first rises while the others fall more: alone it would be bought. */
static double against_the_market(int i, int t)
{
    return 100.0 * exp((i == 0 ? 0.01 : -0.02) * t + ripple(t + i));
}

Test(strategies, momentum_does_not_enter_against_the_market)
{
    strategies_params p = {.lookback = 20, .entry = 1.5, .exit = 0.5, .confirm = true};
    run(&strategies_momentum, &p, 3, 60, against_the_market);
    for (int i = 0; i < calls_n; i++)
        cr_assert_neq(calls[i].call.instrument, 0, "bought against the market");
    cr_assert_eq(calls_n, 2);
    p.confirm = false;
    run(&strategies_momentum, &p, 3, 60, against_the_market);
    cr_assert_eq(calls_n, 3);
    cr_assert_eq(calls[0].call.instrument, 0);
    cr_assert_eq(calls[0].call.side, KEEL_SIDE_LONG);
}

/* All move together; the first runs away at 60 and comes back by 80. */
static double stray(int i, int t)
{
    const double away = i == 0 && t > 60 && t < 80 ? 0.05 * (1.0 - (t - 60) / 20.0) : 0.0;
    return 100.0 * exp(0.1 * sin(t * 0.3) + 0.5 * ripple(t + 3 * i) + away);
}

Test(strategies, meanreversion_sells_what_ran_away_from_the_market_until_it_is_back)
{
    const strategies_params p = {.lookback = 40, .entry = 2.5, .exit = 0.5};
    run(&strategies_meanreversion, &p, 4, 120, stray);
    check_calls();
    int sold = 0, back = 0;
    for (int i = 0; i < calls_n; i++) {
        if (calls[i].call.instrument != 0)
            continue;
        if (calls[i].call.side == KEEL_SIDE_SHORT && calls[i].step == 61)
            sold++;
        if (calls[i].call.side == KEEL_SIDE_FLAT && sold > 0 && calls[i].step <= 85)
            back++;
    }
    cr_assert_eq(sold, 1);
    cr_assert_eq(back, 1);
}

/* Ten rows between 100 and 101, then out of it and back. */
static double box_then_out(int i, int t)
{
    static const double path[] = {103, 104, 105, 104.5, 104, 103.5, 103, 102, 101, 100};
    (void)i;
    return t <= 11 ? 100.0 + (t % 2) : path[t - 12];
}

Test(strategies, breakout_enters_above_the_window_and_leaves_below_its_newer_half)
{
    const strategies_params p = {.lookback = 10, .confirm = true};
    run(&strategies_breakout, &p, 1, 21, box_then_out);
    check_calls();
    cr_assert_geq(calls_n, 2);
    cr_assert_eq(calls[0].step, 12);
    cr_assert_eq(calls[0].call.side, KEEL_SIDE_LONG);
    cr_assert_eq(calls[1].call.side, KEEL_SIDE_FLAT);
    /* newer half of the ten before: at 18 (103) it is 104 105 104.5 104 103.5, so 103 is below */
    cr_assert_eq(calls[1].step, 18);
}

Test(strategies, breakout_goes_short_below_the_window)
{
    const strategies_params p = {.lookback = 10, .confirm = true};
    run(&strategies_breakout, &p, 1, 150, hill);
    int shorts = 0;
    for (int i = 0; i < calls_n; i++)
        shorts += calls[i].call.side == KEEL_SIDE_SHORT;
    cr_assert_eq(shorts, 1);
}

Test(strategies, stop_and_target_are_set_by_volatility)
{
    const strategies_params p = {
        .lookback = 20, .entry = 1.5, .exit = 0.5, .stop_vols = 3.0, .target_vols = 6.0};
    double mean = 0.0, variance = 0.0;
    run(&strategies_momentum, &p, 1, 30, hill);
    for (int t = 2; t <= 21; t++)
        mean += log(hill(0, t) / hill(0, t - 1)) / 20;
    for (int t = 2; t <= 21; t++)
        variance += pow(log(hill(0, t) / hill(0, t - 1)) - mean, 2) / 19;
    const double vol = sqrt(variance), price = hill(0, 21);
    cr_assert_geq(calls_n, 1);
    cr_assert_float_eq(calls[0].call.stop, price * (1 - 3 * vol), 1e-9);
    cr_assert_float_eq(calls[0].call.target, price * (1 + 6 * vol), 1e-9);
}

/* Rises; row 40 dips through any stop within its bar and closes where it would have. */
Test(strategies, a_stop_that_was_passed_puts_it_out_without_a_call)
{
    const strategies_params p = {.lookback = 20, .entry = 1.5, .exit = 0.5, .stop_vols = 2.0};
    const strategies_cfg cfg = {&strategies_momentum, p, 1, NULL};
    strategies_engine *e = strategies_new(&cfg, NULL);
    strategies_out out;
    int n = 0;
    keel_side last = KEEL_SIDE_UNSPECIFIED;
    for (int t = 1; t <= 220; t++) {
        const double close = hill(0, t), high = close, low = t == 40 ? close * 0.5 : close;
        const strategies_row row = {(uint64_t)t, 1, &close, &high, &low};
        cr_assert_eq(strategies_on_row(e, &row, &out), KEEL_OK);
        cr_assert(t <= 21 || t > 100 || out.n == 0, "called at %d", t);
        n += out.n;
        last = out.n > 0 ? out.calls[0].side : last;
    }
    cr_assert_eq(n, 2, "long; stopped without a call; short on the way down");
    cr_assert_eq(last, KEEL_SIDE_SHORT);
    strategies_free(&e);
}

/* A walk that is the same on every machine. */
static double walk(int i, int t)
{
    static double path[4][ROWS_MAX];
    static bool made;
    if (!made) {
        uint64_t x = 88172645463325252ULL;
        for (int k = 0; k < 4; k++)
            path[k][0] = 0.0;
        for (int s = 1; s < ROWS_MAX; s++)
            for (int k = 0; k < 4; k++) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                path[k][s] = path[k][s - 1] + 0.01 * ((double)(x % 2001) / 1000.0 - 1.0);
            }
        made = true;
    }
    return 100.0 * exp(path[i][t - 1]);
}

Test(strategies, all_three_call_all_sides_and_do_not_flood)
{
    const strategies_rule *const rules[] = {&strategies_momentum, &strategies_meanreversion,
                                            &strategies_breakout};
    for (int r = 0; r < 3; r++) {
        int sides[4] = {0};
        run(rules[r], NULL, 4, 1000, walk);
        check_calls();
        for (int i = 0; i < calls_n; i++)
            sides[calls[i].call.side]++;
        cr_assert(sides[KEEL_SIDE_LONG] > 0 && sides[KEEL_SIDE_SHORT] > 0 &&
                      sides[KEEL_SIDE_FLAT] > 0,
                  "%s: %d long, %d short, %d flat", rules[r]->name, sides[1], sides[2], sides[3]);
        cr_assert_lt(calls_n, 4 * 1000 / 20, "%s: %d calls", rules[r]->name, calls_n);
        cr_assert_not_null(rules[r]->what);
    }
}

Test(strategies, the_same_rows_give_the_same_calls)
{
    said first[CALLS_MAX];
    run(&strategies_meanreversion, NULL, 4, 1000, walk);
    const int n = calls_n;
    memcpy(first, calls, sizeof first);
    run(&strategies_meanreversion, NULL, 4, 1000, walk);
    cr_assert_eq(n, calls_n);
    for (int i = 0; i < n; i++) {
        cr_assert_eq(first[i].step, calls[i].step);
        cr_assert_eq(memcmp(&first[i].call, &calls[i].call, sizeof(strategies_call)), 0);
    }
}

static double with_gaps(int i, int t)
{
    return i == 1 && t % 3 == 0 ? 0.0 : hill(0, t);
}

Test(strategies, a_row_without_a_bar_leaves_the_instrument_alone)
{
    const strategies_params p = {.lookback = 20, .entry = 1.5, .exit = 0.5};
    run(&strategies_momentum, &p, 2, 200, with_gaps);
    uint64_t first[2] = {0, 0};
    for (int i = 0; i < calls_n; i++) {
        cr_assert(calls[i].call.instrument == 0 || calls[i].step % 3 != 0);
        if (first[calls[i].call.instrument] == 0)
            first[calls[i].call.instrument] = calls[i].step;
    }
    cr_assert_eq(first[0], 21);
    cr_assert_eq(first[1], 31, "its window is full after 21 bars of its own");
}

Test(strategies, refuses_parameters_and_rows_and_stays_as_it_was)
{
    keel_err err = {0};
    strategies_cfg cfg = {&strategies_momentum, strategies_momentum.defaults, 1, NULL};
    strategies_out out = {.n = 77};
    double close = 100.0;
    const struct {
        strategies_params params;
        const char *name;
    } bad[] = {{{.lookback = 1, .entry = 1}, "lookback"},
               {{.lookback = 2000, .entry = 1}, "lookback"},
               {{.lookback = 10, .entry = (double)NAN}, "entry"},
               {{.lookback = 10, .entry = 1, .exit = 2}, "exit"},
               {{.lookback = 10, .entry = 1, .stop_vols = -1}, "stop"},
               {{.lookback = 10, .entry = 1, .target_vols = 1e9}, "target"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cfg.params = bad[i].params;
        cr_assert_null(strategies_new(&cfg, &err));
        cr_assert_not_null(strstr(err.text, bad[i].name), "%s", err.text);
    }
    cfg.params = strategies_momentum.defaults;
    cfg.n = 0;
    cr_assert_null(strategies_new(&cfg, &err));
    cfg.n = 1;
    strategies_engine *e = strategies_new(&cfg, &err);
    strategies_row row = {5, 1, &close, NULL, NULL};
    cr_assert_eq(strategies_on_row(e, &row, &out), KEEL_OK);
    cr_assert_eq(out.n, 0);
    cr_assert_eq(strategies_on_row(e, &row, &out), KEEL_EORDER);
    row = (strategies_row){6, 2, &close, NULL, NULL};
    cr_assert_eq(strategies_on_row(e, &row, &out), KEEL_ERANGE);
    close = (double)NAN;
    row.n = 1;
    cr_assert_eq(strategies_on_row(e, &row, &out), KEEL_ENONFINITE);
    close = -1.0;
    cr_assert_eq(strategies_on_row(e, &row, &out), KEEL_ENONFINITE);
    close = 100.0;
    cr_assert_eq(strategies_on_row(e, &row, &out), KEEL_OK);
    strategies_free(&e);
    strategies_free(&e);
}
