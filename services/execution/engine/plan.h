/* plan.h - from an approved weight to the one order that trades towards it.
 *
 * ROOM     services/execution/engine: pure.
 * MODEL    target = weight x equity / price, truncated to one quantity unit towards zero; bounds
 *          [lo, hi] of the holding come from the approved box in the same way, so that a weight on
 *          its box stays inside it. The trade target - held is cut towards zero to whole lots; if
 *          the holding then misses the box, one lot more is tried. All products are exact
 *          (common/domain/fixed.h).
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_EXECUTION_ENGINE_PLAN_H
#define KEEL_SERVICES_EXECUTION_ENGINE_PLAN_H

#include "common/base/status.h"
#include "common/domain/reason.h"
#include "common/domain/universe.h"

#include <stdint.h>

/* Holdings and bounds stay inside +-2^62 units, so that their differences never overflow. */
#define KEEL_PLAN_UNITS_MAX (INT64_C(1) << 62)

typedef struct keel_plan_ask {
    const keel_instrument *instrument; /* borrowed for the call */
    int64_t equity_micros;             /* of the book; >= 0 */
    int64_t price_units;               /* the close the weight refers to; 0 = none */
    double weight;                     /* fractions of that equity, finite */
    double box_lower;
    double box_upper;
    int64_t held_units;
    bool flatten; /* close the whole position: lots and minimum notional do not count */
} keel_plan_ask;

typedef struct keel_plan_answer {
    int64_t qty_units; /* what to trade; 0 = nothing */
    int64_t limit_lo_units;
    int64_t limit_hi_units;
    keel_reason_code skip;   /* UNSPECIFIED, or why qty_units is 0 though something is wanted */
    int64_t wanted_units;    /* target - held before lots */
    int64_t notional_micros; /* |worth| of the lots at price_units */
} keel_plan_answer;

/* Size one order. skip: BELOW_LOT, BELOW_MIN_NOTIONAL, OUTSIDE_BOX.
 * KEEL_EOVERFLOW a target outside +-KEEL_PLAN_UNITS_MAX; KEEL_ENONFINITE a weight that is not
 * finite or an exposure without a price; *out untouched then. */
KEEL_MUST_CHECK keel_status keel_plan_size(const keel_plan_ask *ask, keel_plan_answer *out);

/* The part of a trade that brings |held| nearer to 0: all of it, what reaches 0, or 0. */
int64_t keel_plan_reducing(int64_t held_units, int64_t qty_units);

#endif
