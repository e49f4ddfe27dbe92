#include "services/strategies/engine/rules.h"

#include <math.h>

typedef struct channel {
    double lo, hi;
} channel;

/* Lowest and highest close of [from, to). */
static channel channel_of(const strategies_view *v, int from, int to)
{
    channel c = {v->closes[from], v->closes[from]};
    for (int t = from + 1; t < to; t++) {
        c.lo = fmin(c.lo, v->closes[t]);
        c.hi = fmax(c.hi, v->closes[t]);
    }
    return c;
}

/* How far outside, in bar volatilities: one is enough to be sure. */
static double confidence_of(const strategies_view *v, double beyond)
{
    return 0.5 + fmin(0.5, 0.5 * beyond / (v->vol * v->closes[v->n - 1]));
}

static strategies_wish decide(const strategies_view *v)
{
    const int last = v->n - 1;
    const double close = v->closes[last];
    const channel whole = channel_of(v, 0, last), newer = channel_of(v, last / 2, last);
    const double market = v->market[last] - v->market[0];
    if (close > whole.hi && (!v->params->confirm || market > 0.0))
        return (strategies_wish){KEEL_SIDE_LONG, confidence_of(v, close - whole.hi)};
    if (close < whole.lo && (!v->params->confirm || market < 0.0))
        return (strategies_wish){KEEL_SIDE_SHORT, confidence_of(v, whole.lo - close)};
    if (v->held == KEEL_SIDE_LONG && close >= newer.lo)
        return (strategies_wish){KEEL_SIDE_LONG, 0.5};
    if (v->held == KEEL_SIDE_SHORT && close <= newer.hi)
        return (strategies_wish){KEEL_SIDE_SHORT, 0.5};
    return (strategies_wish){KEEL_SIDE_FLAT, 0.0};
}

const strategies_rule strategies_breakout = {
    .name = "breakout",
    .what = "with a new high or low of the window, until half of it is crossed back",
    .defaults = {.lookback = 96, .stop_vols = 5.0, .target_vols = 20.0, .confirm = true},
    .decide = decide,
};
