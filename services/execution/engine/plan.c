#include "services/execution/engine/plan.h"

#include "common/domain/fixed.h"

#include <math.h>

/* What keel_fraction_of takes; a box side beyond it is no bound at all. */
#define FRACTION_MAX 1e6

static keel_status units_of(const keel_plan_ask *ask, double fraction, int64_t *out)
{
    int64_t worth;
    if (!isfinite(fraction))
        return KEEL_ENONFINITE;
    if (fraction == 0.0) { /* exactly nothing needs no price */
        *out = 0;
        return KEEL_OK;
    }
    if (ask->price_units <= 0)
        return KEEL_ENONFINITE;
    if (fabs(fraction) > FRACTION_MAX)
        return KEEL_EOVERFLOW;
    KEEL_TRY(keel_fraction_of(ask->equity_micros, fraction, &worth));
    KEEL_TRY(keel_qty_of_worth(worth, ask->price_units, ask->instrument->price_exp,
                               ask->instrument->qty_exp, 1, out));
    return *out > KEEL_PLAN_UNITS_MAX || *out < -KEEL_PLAN_UNITS_MAX ? KEEL_EOVERFLOW : KEEL_OK;
}

/* A side too far away to be counted, or of something without a price, does not bind. */
static keel_status bound_of(const keel_plan_ask *ask, double fraction, int64_t *out)
{
    if (!isfinite(fraction))
        return KEEL_ENONFINITE;
    const keel_status status = units_of(ask, fraction, out);
    if (status != KEEL_OK)
        *out = fraction < 0.0 ? -KEEL_PLAN_UNITS_MAX : KEEL_PLAN_UNITS_MAX;
    return KEEL_OK;
}

static bool inside(const keel_plan_answer *a, int64_t units)
{
    return units >= a->limit_lo_units && units <= a->limit_hi_units;
}

/* Whole lots of the trade: the smaller number when it ends inside the box, else one lot more. */
static void take_lots(const keel_plan_ask *ask, keel_plan_answer *a)
{
    const int64_t lot = ask->instrument->lot_units;
    const int64_t fewer = a->wanted_units - a->wanted_units % lot;
    const int64_t more = fewer == a->wanted_units ? fewer
                         : a->wanted_units > 0    ? fewer + lot
                                                  : fewer - lot;
    const bool fewer_ok = inside(a, ask->held_units + fewer);
    if (fewer_ok || inside(a, ask->held_units + more)) {
        a->qty_units = fewer_ok ? fewer : more;
        a->skip = a->qty_units == 0 && a->wanted_units != 0 ? KEEL_REASON_BELOW_LOT
                                                            : KEEL_REASON_UNSPECIFIED;
        return;
    }
    a->qty_units = 0;
    a->skip = KEEL_REASON_OUTSIDE_BOX;
}

keel_status keel_plan_size(const keel_plan_ask *ask, keel_plan_answer *out)
{
    keel_plan_answer a = {.skip = KEEL_REASON_UNSPECIFIED};
    int64_t target, worth = 0;
    if (ask->flatten) {
        a.qty_units = a.wanted_units = -ask->held_units;
        *out = a;
        return KEEL_OK;
    }
    KEEL_TRY(units_of(ask, ask->weight, &target));
    KEEL_TRY(bound_of(ask, ask->box_lower, &a.limit_lo_units));
    KEEL_TRY(bound_of(ask, ask->box_upper, &a.limit_hi_units));
    a.wanted_units = target - ask->held_units;
    if (a.wanted_units != 0)
        take_lots(ask, &a);
    if (a.qty_units != 0 && ask->price_units > 0) {
        KEEL_TRY(keel_worth_micros(ask->price_units, ask->instrument->price_exp, a.qty_units,
                                   ask->instrument->qty_exp, &worth));
        a.notional_micros = worth < 0 ? -worth : worth;
    }
    if (a.qty_units != 0 && a.notional_micros < ask->instrument->min_notional_micros) {
        a.qty_units = 0;
        a.skip = KEEL_REASON_BELOW_MIN_NOTIONAL;
    }
    *out = a;
    return KEEL_OK;
}

int64_t keel_plan_reducing(int64_t held_units, int64_t qty_units)
{
    if ((held_units > 0) == (qty_units > 0) || held_units == 0)
        return 0;
    if (held_units > 0)
        return qty_units < -held_units ? -held_units : qty_units;
    return qty_units > -held_units ? -held_units : qty_units;
}
