#include "common/domain/fixed.h"
#include "common/wire/wire_internal.h"

enum { SOURCE_TEXT_MAX = 1024, REGIME_NAME_MAX = KEEL_NAME_MAX };

/* ---- universe ---- */

static const wire_field instrument_rows[] = {
    WIRE_ROW_TEXT(keel_instrument, Instrument, symbol, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_instrument, Instrument, sector, WIRE_ANY, WIRE_OPTIONAL),
    WIRE_ROW_TEXT(keel_instrument, Instrument, currency, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_INT(keel_instrument, Instrument, price_exp, KEEL_EXP_MAX),
    WIRE_ROW_INT(keel_instrument, Instrument, qty_exp, KEEL_EXP_MAX),
    WIRE_ROW_I64(keel_instrument, Instrument, lot_units, 1),
    WIRE_ROW_I64(keel_instrument, Instrument, min_notional_micros, 0),
    WIRE_ROW_ENUM(keel_instrument, Instrument, session, KEEL_SESSION_WEEKDAYS, NULL, WIRE_REQUIRED),
};
static const wire_type instrument =
    WIRE_MESSAGE(keel_instrument, keel__v1__instrument__descriptor, instrument_rows);

/* The hash is computed again: it is what every other message's arrays are tied to. */
static keel_status check_universe(const void *plain)
{
    const keel_universe *universe = plain;
    keel_universe copy = *universe;
    const keel_status status = keel_universe_seal(&copy, NULL);
    if (status != KEEL_OK)
        return status == KEEL_ERANGE ? KEEL_ERANGE : KEEL_EINVAL;
    return copy.hash == universe->hash ? KEEL_OK : KEEL_EINVAL;
}

static const wire_field universe_rows[] = {
    {.kind = WIRE_TEXT,
     .rule = WIRE_NAME,
     .need = WIRE_REQUIRED,
     .at = offsetof(keel_universe, id),
     .pb = offsetof(Keel__V1__Universe, universe_id),
     .cap = KEEL_NAME_MAX},
    {.kind = WIRE_U64,
     .need = WIRE_REQUIRED,
     .at = WIRE_AT(keel_universe, hash, uint64_t),
     .pb = WIRE_AT(Keel__V1__Universe, universe_hash, uint64_t)},
    WIRE_ROW_LIST(keel_universe, Universe, instruments, n, instrument, 1),
};
static const wire_type universe = WIRE_MESSAGE_WITH(keel_universe, keel__v1__universe__descriptor,
                                                    universe_rows, .check = check_universe);

static const wire_field universe_state_rows[] = {
    WIRE_ROW_PART_POINTER(keel_universe_state, UniverseState, universe, universe),
    WIRE_ROW_I64(keel_universe_state, UniverseState, bar_ns, 1),
};
const wire_type wire_universe_state =
    WIRE_MESSAGE(keel_universe_state, keel__v1__universe_state__descriptor, universe_state_rows);
WIRE_DEFINE(universe_state, keel_universe_state)

/* ---- rows ---- */

static keel_status check_bar_row(const void *plain)
{
    return keel_bar_row_check(plain);
}

static const wire_field bar_row_rows[] = {
    WIRE_ROW_U64(keel_bar_row, BarRow, universe_hash, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_bar_row, BarRow, close_ns, INT64_MIN),
    WIRE_ROW_I64(keel_bar_row, BarRow, bar_ns, 1),
    WIRE_ROW_I64S(keel_bar_row, BarRow, close_units, WIRE_ANY, WIRE_COUNTED),
    WIRE_ROW_I64S(keel_bar_row, BarRow, open_units, WIRE_ANY, WIRE_COUNTED_NONE),
    WIRE_ROW_I64S(keel_bar_row, BarRow, high_units, WIRE_ANY, WIRE_COUNTED_NONE),
    WIRE_ROW_I64S(keel_bar_row, BarRow, low_units, WIRE_ANY, WIRE_COUNTED_NONE),
    WIRE_ROW_REALS(keel_bar_row, BarRow, volume, WIRE_ANY, WIRE_COUNTED_NONE),
    WIRE_ROW_INT(keel_bar_row, BarRow, missing, KEEL_UNIVERSE_MAX),
};
const wire_type wire_bar_row = WIRE_MESSAGE_WITH(keel_bar_row, keel__v1__bar_row__descriptor,
                                                 bar_row_rows, .check = check_bar_row);
WIRE_DEFINE(bar_row, keel_bar_row)

/* ---- feed status and truth ---- */

static const wire_field feed_status_rows[] = {
    WIRE_ROW_ENUM(keel_feed_status, FeedStatus, phase, KEEL_FEED_PHASE_ENDED, NULL, WIRE_REQUIRED),
    WIRE_ROW_TEXT_POINTER(keel_feed_status, FeedStatus, source, WIRE_ANY, WIRE_REQUIRED,
                          SOURCE_TEXT_MAX),
    WIRE_ROW_U64(keel_feed_status, FeedStatus, rows_total, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_feed_status, FeedStatus, rows_sent, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_feed_status, FeedStatus, bars_missing, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_feed_status, FeedStatus, bars_refused, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_feed_status, FeedStatus, bars_quarantined, WIRE_OPTIONAL),
};
const wire_type wire_feed_status =
    WIRE_MESSAGE(keel_feed_status, keel__v1__feed_status__descriptor, feed_status_rows);
WIRE_DEFINE(feed_status, keel_feed_status)

static keel_status check_truth(const void *plain)
{
    const keel_market_truth *truth = plain;
    return wire_check_unit_diagonal(truth->correlation, truth->n);
}

static const wire_field market_truth_rows[] = {
    WIRE_ROW_U64(keel_market_truth, MarketTruth, universe_hash, WIRE_REQUIRED),
    WIRE_ROW_U32(keel_market_truth, MarketTruth, regime, WIRE_OPTIONAL),
    WIRE_ROW_TEXT_POINTER(keel_market_truth, MarketTruth, regime_name, WIRE_ANY, WIRE_REQUIRED,
                          REGIME_NAME_MAX),
    WIRE_ROW_SYMMETRIC(keel_market_truth, MarketTruth, correlation, WIRE_COSINE),
    WIRE_ROW_REALS(keel_market_truth, MarketTruth, volatility_ann, WIRE_NOT_NEG, WIRE_COUNTED_SAME),
};
const wire_type wire_market_truth = WIRE_MESSAGE_WITH(
    keel_market_truth, keel__v1__market_truth__descriptor, market_truth_rows, .check = check_truth);
WIRE_DEFINE(market_truth, keel_market_truth)
