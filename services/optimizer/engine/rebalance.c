#include "services/optimizer/engine/rebalance.h"

#include "common/base/timefmt.h"

#include <math.h>

#define WEEK_NS   (7 * KEEL_NS_PER_DAY)
#define MONDAY_NS (4 * KEEL_NS_PER_DAY) /* 1970-01-05 00:00, the first Monday */

/* Number of the period that holds t: it grows by one exactly at a boundary. */
static int64_t period_of(const keel_rebalance_rule *rule, int64_t t_ns)
{
    if (rule->monthly)
        return keel_time_month(t_ns);
    const int64_t since = t_ns - (rule->period_ns % WEEK_NS == 0 ? MONDAY_NS : 0);
    return since / rule->period_ns - (since % rule->period_ns < 0);
}

static int64_t period_start(const keel_rebalance_rule *rule, int64_t period)
{
    if (rule->monthly)
        return keel_time_month_start((int)period);
    return period * rule->period_ns + (rule->period_ns % WEEK_NS == 0 ? MONDAY_NS : 0);
}

static bool has_schedule(const keel_rebalance_rule *rule)
{
    return rule->monthly || rule->period_ns > 0;
}

int64_t keel_rebalance_next(const keel_rebalance_rule *rule, int64_t t_ns)
{
    return has_schedule(rule) ? period_start(rule, period_of(rule, t_ns) + 1) : 0;
}

keel_rebalance_verdict keel_rebalance_judge(const keel_rebalance_rule *rule,
                                            const keel_rebalance_mark *mark, uint64_t step,
                                            int64_t event_ns, double drift_frac)
{
    keel_rebalance_verdict v = {KEEL_REASON_WITHIN_THRESHOLD, false,
                                keel_rebalance_next(rule, event_ns)};
    if (!mark->proposed) {
        v.code = KEEL_REASON_FIRST_ALLOCATION;
    } else if (has_schedule(rule) && period_of(rule, event_ns) > period_of(rule, mark->event_ns)) {
        v.code = KEEL_REASON_SCHEDULE_DUE;
    } else if (drift_frac > rule->threshold_frac) {
        v.code = KEEL_REASON_DRIFT_ABOVE_THRESHOLD;
        v.waits = step < mark->step + (uint64_t)rule->retry_steps;
    }
    return v;
}

double keel_rebalance_drift(int n, const double *a, const double *b, int *at)
{
    double largest = 0.0;
    *at = 0;
    for (int i = 0; i < n; i++) {
        const double d = fabs(a[i] - b[i]);
        if (d > largest) {
            largest = d;
            *at = i;
        }
    }
    return largest;
}
