/* rebalance.h - when to rebalance: the calendar, drift, and the first time.
 *
 * ROOM     services/optimizer/engine: pure.
 * MODEL    Schedule: boundaries on the calendar of event time, UTC. A period of whole weeks has
 *          them on Mondays 00:00 (anchor 1970-01-05); any other period on multiples of itself since
 *          1970-01-01 00:00, so that 24h is midnight; monthly on the first of the month. A step is
 *          due when a boundary lies in (last proposal, this step]: one boundary gives one
 *          rebalance, also when rows are missing around it.
 *          Drift: the largest |held - target| is above the threshold.
 *          Order: first allocation, schedule, drift.
 *          Source: requirements RB01, RB02, RB08, T4; W. Sharpe, Dynamic strategies for asset
 *          allocation, Financial Analysts Journal 44 (1988), on calendar and threshold rules.
 * THREADS  any; no state of its own.
 */
#ifndef KEEL_SERVICES_OPTIMIZER_ENGINE_REBALANCE_H
#define KEEL_SERVICES_OPTIMIZER_ENGINE_REBALANCE_H

#include "common/domain/reason.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct keel_rebalance_rule {
    int64_t period_ns;     /* > 0; 0 = no schedule, unless `monthly` */
    bool monthly;          /* then period_ns is 0 */
    double threshold_frac; /* drift above it is a trigger; >= 0 */
    int retry_steps;       /* >= 1: drift triggers again only so many steps after a proposal */
} keel_rebalance_rule;

/* What is remembered of the last proposal. */
typedef struct keel_rebalance_mark {
    bool proposed; /* false: nothing was ever proposed, the rest is 0 */
    uint64_t step;
    int64_t event_ns;
} keel_rebalance_mark;

typedef struct keel_rebalance_verdict {
    keel_reason_code code; /* FIRST_ALLOCATION SCHEDULE_DUE DRIFT_ABOVE_THRESHOLD, */
                           /* or WITHIN_THRESHOLD: nothing is due */
    bool waits;            /* drift is due but retry_steps have not passed */
    int64_t next_due_ns;   /* next boundary after this step; 0 = no schedule */
} keel_rebalance_verdict;

/* Judge one step; drift_frac is the largest |held - target|, not read before the first proposal. */
keel_rebalance_verdict keel_rebalance_judge(const keel_rebalance_rule *rule,
                                            const keel_rebalance_mark *mark, uint64_t step,
                                            int64_t event_ns, double drift_frac);

/* The first boundary after t_ns; 0 = no schedule. */
int64_t keel_rebalance_next(const keel_rebalance_rule *rule, int64_t t_ns);

/* The largest |a[i] - b[i]|, *at = its index (the lowest of equals; 0 when n = 0). */
double keel_rebalance_drift(int n, const double *a, const double *b, int *at);

#endif
