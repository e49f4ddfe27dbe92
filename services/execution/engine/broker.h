/* broker.h - the paper market: what an order pays in a row of bars.
 *
 * ROOM     services/execution/engine: pure.
 * MODEL    reference = the bar's open, or its close when the source has closes only
 *          price     = reference +- ceil(reference x slippage), worse for us, at least one unit
 *          gross     = price x qty, rounded half to even once
 *          fee       = |gross| x fee;  cash = -gross - fee
 *          slippage  = |gross - reference x qty|, inside the price already
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_EXECUTION_ENGINE_BROKER_H
#define KEEL_SERVICES_EXECUTION_ENGINE_BROKER_H

#include "common/base/status.h"
#include "common/domain/bar_row.h"
#include "common/domain/universe.h"

#include <stdint.h>

enum { KEEL_BROKER_MILLI_BPS_MAX = 1000000 }; /* 1,000 bps */

typedef struct keel_broker_rates {
    int64_t fee_milli_bps; /* 1 bp = 1,000; 0..KEEL_BROKER_MILLI_BPS_MAX */
    int64_t slippage_milli_bps;
} keel_broker_rates;

typedef struct keel_deal {
    int64_t qty_units;
    int64_t reference_units;
    int64_t price_units;
    int64_t cash_micros; /* signed change of cash, fee included */
    int64_t fee_micros;
    int64_t slippage_micros;
} keel_deal;

/* Deal qty_units (not 0) of instrument i of the row. KEEL_ENOTFOUND the row has no bar of it;
 * KEEL_EOVERFLOW. *out untouched then. */
KEEL_MUST_CHECK keel_status keel_broker_deal(const keel_broker_rates *rates,
                                             const keel_instrument *instrument,
                                             const keel_bar_row *row, int i, int64_t qty_units,
                                             keel_deal *out);

/* The same at a given market price > 0: a stop or target. KEEL_EOVERFLOW. */
KEEL_MUST_CHECK keel_status keel_broker_deal_at(const keel_broker_rates *rates,
                                                const keel_instrument *instrument,
                                                int64_t reference_units, int64_t qty_units,
                                                keel_deal *out);

/* The price at which a position of this side leaves in a row that has a bar of instrument i: the
 * stop before the target; *at_target tells which. 0 = it stays. stop and target 0 = none. */
typedef struct keel_exit_prices {
    int64_t stop_units;
    int64_t target_units;
} keel_exit_prices;
int64_t keel_broker_exit(const keel_exit_prices *prices, bool is_long, const keel_bar_row *row,
                         int i, bool *at_target);

#endif
