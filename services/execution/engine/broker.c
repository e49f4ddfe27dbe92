#include "services/execution/engine/broker.h"

#include "common/domain/fixed.h"

#include <stddef.h>

#define MILLI_BPS_PER_ONE INT64_C(10000000)

static keel_status worse_by_slippage(int64_t reference, int64_t milli_bps, bool buy, int64_t *price)
{
    const keel_i128 slip =
        ((keel_i128)reference * milli_bps + MILLI_BPS_PER_ONE - 1) / MILLI_BPS_PER_ONE;
    const keel_i128 p = buy ? reference + slip : reference - slip;
    if (p > INT64_MAX)
        return KEEL_EOVERFLOW;
    *price = p < 1 ? 1 : (int64_t)p;
    return KEEL_OK;
}

keel_status keel_broker_deal_at(const keel_broker_rates *rates, const keel_instrument *instrument,
                                int64_t reference_units, int64_t qty_units, keel_deal *out)
{
    keel_deal d = {.qty_units = qty_units, .reference_units = reference_units};
    int64_t gross, plain;
    KEEL_TRY(worse_by_slippage(d.reference_units, rates->slippage_milli_bps, qty_units > 0,
                               &d.price_units));
    KEEL_TRY(keel_worth_micros(d.price_units, instrument->price_exp, qty_units, instrument->qty_exp,
                               &gross));
    KEEL_TRY(keel_worth_micros(d.reference_units, instrument->price_exp, qty_units,
                               instrument->qty_exp, &plain));
    KEEL_TRY(keel_bps_of(gross < 0 ? -gross : gross, rates->fee_milli_bps, &d.fee_micros));
    const keel_i128 cash = -(keel_i128)gross - d.fee_micros;
    const keel_i128 slippage = gross > plain ? (keel_i128)gross - plain : (keel_i128)plain - gross;
    if (cash > INT64_MAX || cash < -(keel_i128)INT64_MAX || slippage > INT64_MAX)
        return KEEL_EOVERFLOW;
    d.cash_micros = (int64_t)cash;
    d.slippage_micros = (int64_t)slippage;
    *out = d;
    return KEEL_OK;
}

keel_status keel_broker_deal(const keel_broker_rates *rates, const keel_instrument *instrument,
                             const keel_bar_row *row, int i, int64_t qty_units, keel_deal *out)
{
    if (row->close_units[i] == 0)
        return KEEL_ENOTFOUND;
    const int64_t *from = row->open_units != NULL ? row->open_units : row->close_units;
    return keel_broker_deal_at(rates, instrument, from[i], qty_units, out);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t keel_broker_exit(const keel_exit_prices *prices, bool is_long, const keel_bar_row *row,
                         int i, bool *at_target)
{
    const bool closes = row->open_units == NULL;
    const int64_t close = row->close_units[i];
    const int64_t low = closes ? close : row->low_units[i];
    const int64_t high = closes ? close : row->high_units[i];
    const int64_t stop = prices->stop_units, target = prices->target_units;
    const bool stopped = stop > 0 && (is_long ? low <= stop : high >= stop);
    *at_target = !stopped && target > 0 && (is_long ? high >= target : low <= target);
    if (!stopped && !*at_target)
        return 0;
    if (closes)
        return close;
    /* a gap beyond the price fills at the open, for better or worse */
    const int64_t price = stopped ? stop : target;
    return is_long == stopped ? smaller(row->open_units[i], price)
                              : larger(row->open_units[i], price);
}
