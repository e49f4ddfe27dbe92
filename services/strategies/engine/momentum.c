#include "services/strategies/engine/rules.h"

#include <math.h>

static strategies_wish decide(const strategies_view *v)
{
    const int last = v->n - 1;
    const double score = log(v->closes[last] / v->closes[0]) / (v->vol * sqrt(last));
    const double market = v->market[last] - v->market[0];
    const double entry = v->params->entry;
    const double confidence = fmin(1.0, 0.5 * fabs(score) / entry);
    const bool confirmed = !v->params->confirm || score * market > 0.0;
    if (score >= entry && confirmed)
        return (strategies_wish){KEEL_SIDE_LONG, confidence};
    if (score <= -entry && confirmed)
        return (strategies_wish){KEEL_SIDE_SHORT, confidence};
    if (v->held == KEEL_SIDE_LONG && score > v->params->exit)
        return (strategies_wish){KEEL_SIDE_LONG, 0.5};
    if (v->held == KEEL_SIDE_SHORT && score < -v->params->exit)
        return (strategies_wish){KEEL_SIDE_SHORT, 0.5};
    return (strategies_wish){KEEL_SIDE_FLAT, 0.0};
}

const strategies_rule strategies_momentum = {
    .name = "momentum",
    .what = "long what rises steadily, short what falls steadily",
    .defaults = {.lookback = 48,
                 .entry = 1.5,
                 .exit = 0.5,
                 .stop_vols = 5.0,
                 .target_vols = 15.0,
                 .confirm = true},
    .decide = decide,
};
