#include "services/strategies/engine/rules.h"

#include <math.h>

static double residual(const strategies_view *v, int t)
{
    return log(v->closes[t]) - v->market[t];
}

static strategies_wish decide(const strategies_view *v)
{
    double mean = 0.0, variance = 0.0;
    for (int t = 0; t < v->n; t++)
        mean += residual(v, t) / v->n;
    for (int t = 0; t < v->n; t++) {
        const double d = residual(v, t) - mean;
        variance += d * d / (v->n - 1);
    }
    if (!(variance > 0.0))
        return (strategies_wish){KEEL_SIDE_FLAT, 0.0};
    const double z = (residual(v, v->n - 1) - mean) / sqrt(variance);
    const double confidence = fmin(1.0, 0.5 * fabs(z) / v->params->entry);
    if (z <= -v->params->entry)
        return (strategies_wish){KEEL_SIDE_LONG, confidence};
    if (z >= v->params->entry)
        return (strategies_wish){KEEL_SIDE_SHORT, confidence};
    if (v->held == KEEL_SIDE_LONG && z < -v->params->exit)
        return (strategies_wish){KEEL_SIDE_LONG, 0.5};
    if (v->held == KEEL_SIDE_SHORT && z > v->params->exit)
        return (strategies_wish){KEEL_SIDE_SHORT, 0.5};
    return (strategies_wish){KEEL_SIDE_FLAT, 0.0};
}

const strategies_rule strategies_meanreversion = {
    .name = "meanreversion",
    .what = "against what has run away from the market, until it is back",
    .defaults = {.lookback = 72,
                 .entry = 2.25,
                 .exit = 0.5,
                 .stop_vols = 6.0,
                 .target_vols = 6.0,
                 .confirm = false},
    .decide = decide,
};
