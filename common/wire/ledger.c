/* Sums that define a message are checked here, in 128-bit integers: books that do not add up are
 * not books. */
#include "common/domain/fixed.h"
#include "common/wire/wire_internal.h"

enum { VERSIONS_MAX = 4096, LINES_MAX = 1024 };

/* ---- portfolio state ---- */

static const wire_field position_rows[] = {
    WIRE_ROW_INSTRUMENT(keel_position, Position),
    WIRE_ROW_I64(keel_position, Position, qty_units, INT64_MIN),
    WIRE_ROW_I64(keel_position, Position, cost_micros, INT64_MIN),
    WIRE_ROW_I64(keel_position, Position, value_micros, INT64_MIN),
    WIRE_ROW_I64(keel_position, Position, last_price_units, 0),
    WIRE_ROW_U32(keel_position, Position, stale_bars, WIRE_OPTIONAL),
};
static const wire_type position =
    WIRE_MESSAGE(keel_position, keel__v1__position__descriptor, position_rows);

static keel_status check_book(const void *plain)
{
    const keel_book *book = plain;
    keel_i128 equity = book->cash_micros;
    for (int i = 0; i < book->positions_n; i++) {
        if (i > 0 && book->positions[i].instrument <= book->positions[i - 1].instrument)
            return KEEL_EINVAL;
        equity += book->positions[i].value_micros;
    }
    return equity == book->equity_micros ? KEEL_OK : KEEL_EINVAL;
}

static const wire_field book_rows[] = {
    WIRE_ROW_TEXT(keel_book, Book, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_book, Book, cash_micros, INT64_MIN),
    WIRE_ROW_I64(keel_book, Book, equity_micros, INT64_MIN),
    WIRE_ROW_REAL(keel_book, Book, share_frac, WIRE_FRACTION),
    WIRE_ROW_REAL(keel_book, Book, scale_frac, WIRE_FRACTION),
    WIRE_ROW_I64(keel_book, Book, realized_micros, INT64_MIN),
    WIRE_ROW_I64(keel_book, Book, unrealized_micros, INT64_MIN),
    WIRE_ROW_I64(keel_book, Book, fees_micros, INT64_MIN),
    WIRE_ROW_I64(keel_book, Book, slippage_micros, INT64_MIN),
    WIRE_ROW_LIST_POINTER(keel_book, Book, positions, positions_n, position, 0, KEEL_UNIVERSE_MAX),
    WIRE_ROW_U64S(keel_book, Book, closed_versions, closed_n, VERSIONS_MAX),
};
static const wire_type book =
    WIRE_MESSAGE_WITH(keel_book, keel__v1__book__descriptor, book_rows, .check = check_book);

static keel_status check_portfolio_state(const void *plain)
{
    const keel_portfolio_state *state = plain;
    keel_i128 cash = 0, equity = 0;
    for (int i = 0; i < state->books_n; i++) {
        cash += state->books[i].cash_micros;
        equity += state->books[i].equity_micros;
    }
    return cash == state->cash_micros && equity == state->equity_micros ? KEEL_OK : KEEL_EINVAL;
}

static const wire_field portfolio_state_rows[] = {
    WIRE_ROW_TEXT(keel_portfolio_state, PortfolioState, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_U64(keel_portfolio_state, PortfolioState, universe_hash, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_portfolio_state, PortfolioState, as_of_ns, INT64_MIN),
    WIRE_ROW_I64(keel_portfolio_state, PortfolioState, cash_micros, INT64_MIN),
    WIRE_ROW_I64(keel_portfolio_state, PortfolioState, equity_micros, INT64_MIN),
    WIRE_ROW_I64(keel_portfolio_state, PortfolioState, peak_equity_micros, INT64_MIN),
    WIRE_ROW_LIST_POINTER(keel_portfolio_state, PortfolioState, books, books_n, book, 1,
                          KEEL_BOOKS_MAX + 1), /* and "netting" */
    WIRE_ROW_I64(keel_portfolio_state, PortfolioState, initial_micros, 0),
    WIRE_ROW_U64(keel_portfolio_state, PortfolioState, fills, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_portfolio_state, PortfolioState, archived_through_step, WIRE_OPTIONAL),
};
const wire_type wire_portfolio_state =
    WIRE_MESSAGE_WITH(keel_portfolio_state, keel__v1__portfolio_state__descriptor,
                      portfolio_state_rows, .check = check_portfolio_state);
WIRE_DEFINE(portfolio_state, keel_portfolio_state)

/* ---- transfers ---- */

static const wire_field transfer_leg_rows[] = {
    WIRE_ROW_TEXT(keel_transfer_leg, TransferLeg, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_transfer_leg, TransferLeg, cash_micros, INT64_MIN),
};
static const wire_type transfer_leg =
    WIRE_MESSAGE(keel_transfer_leg, keel__v1__transfer_leg__descriptor, transfer_leg_rows);

static keel_status check_transfer(const void *plain)
{
    const keel_transfer *transfer = plain;
    keel_i128 sum = 0;
    for (int i = 0; i < transfer->legs_n; i++)
        sum += transfer->legs[i].cash_micros;
    return sum == 0 ? KEEL_OK : KEEL_EINVAL;
}

static const wire_field transfer_rows[] = {
    WIRE_ROW_TEXT(keel_transfer, Transfer, transfer_id, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_transfer, Transfer, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_LIST_POINTER(keel_transfer, Transfer, legs, legs_n, transfer_leg, 1, KEEL_BOOKS_MAX),
    WIRE_ROW_PART(keel_transfer, Transfer, reason, wire_reason, WIRE_REQUIRED),
};
const wire_type wire_transfer = WIRE_MESSAGE_WITH(keel_transfer, keel__v1__transfer__descriptor,
                                                  transfer_rows, .check = check_transfer);
WIRE_DEFINE(transfer, keel_transfer)

/* ---- performance ---- */

static const wire_field trade_rows[] = {
    WIRE_ROW_TEXT(keel_trade, Trade, trade_id, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_INSTRUMENT(keel_trade, Trade),
    WIRE_ROW_I64(keel_trade, Trade, qty_units, INT64_MIN),
    WIRE_ROW_I64(keel_trade, Trade, price_units, 0),
    WIRE_ROW_I64(keel_trade, Trade, pnl_micros, INT64_MIN),
    WIRE_ROW_I64(keel_trade, Trade, fill_ns, INT64_MIN),
    WIRE_ROW_PART(keel_trade, Trade, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_trade, Trade, book, WIRE_NAME, WIRE_OPTIONAL),
};
static const wire_type trade = WIRE_MESSAGE(keel_trade, keel__v1__trade__descriptor, trade_rows);

static keel_status check_performance(const void *plain)
{
    const keel_performance *performance = plain;
    return performance->from_ns > performance->to_ns ? KEEL_EINVAL : KEEL_OK;
}

#define PERFORMANCE_REAL(f, rule) WIRE_ROW_REAL(keel_performance, Performance, f, rule)
static const wire_field performance_rows[] = {
    WIRE_ROW_TEXT(keel_performance, Performance, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_performance, Performance, from_ns, INT64_MIN),
    WIRE_ROW_I64(keel_performance, Performance, to_ns, INT64_MIN),
    WIRE_ROW_U32(keel_performance, Performance, bars, WIRE_OPTIONAL),
    PERFORMANCE_REAL(total_return, WIRE_ANY),
    PERFORMANCE_REAL(return_ann, WIRE_ANY),
    PERFORMANCE_REAL(volatility_ann, WIRE_NOT_NEG),
    PERFORMANCE_REAL(sharpe_ann, WIRE_ANY),
    PERFORMANCE_REAL(sortino_ann, WIRE_ANY),
    PERFORMANCE_REAL(calmar, WIRE_ANY),
    PERFORMANCE_REAL(max_drawdown_frac, WIRE_NOT_NEG),
    PERFORMANCE_REAL(win_rate_frac, WIRE_FRACTION),
    WIRE_ROW_U32(keel_performance, Performance, trades, WIRE_OPTIONAL),
    WIRE_ROW_U32(keel_performance, Performance, closing_trades, WIRE_OPTIONAL),
    WIRE_ROW_I64(keel_performance, Performance, fees_micros, INT64_MIN),
    WIRE_ROW_I64(keel_performance, Performance, slippage_micros, INT64_MIN),
    PERFORMANCE_REAL(turnover_frac, WIRE_NOT_NEG),
    PERFORMANCE_REAL(profit_factor, WIRE_NOT_NEG),
    WIRE_ROW_LIST(keel_performance, Performance, recent, recent_n, trade, 0),
    WIRE_ROW_PART(keel_performance, Performance, convention, wire_risk_convention, WIRE_OPTIONAL),
    PERFORMANCE_REAL(risk_free_ann, WIRE_ANY),
    WIRE_ROW_I64(keel_performance, Performance, equity_micros, INT64_MIN),
    WIRE_ROW_I64(keel_performance, Performance, initial_micros, 0),
};
const wire_type wire_performance =
    WIRE_MESSAGE_WITH(keel_performance, keel__v1__performance__descriptor, performance_rows,
                      .check = check_performance);
WIRE_DEFINE(performance, keel_performance)

/* ---- attribution ---- */

static const wire_field attribution_line_rows[] = {
    WIRE_ROW_TEXT(keel_attribution_line, AttributionLine, name, WIRE_ANY, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_attribution_line, AttributionLine, pnl_micros, INT64_MIN),
    WIRE_ROW_U32(keel_attribution_line, AttributionLine, trades, WIRE_OPTIONAL),
    WIRE_ROW_U32(keel_attribution_line, AttributionLine, closing_trades, WIRE_OPTIONAL),
    WIRE_ROW_REAL(keel_attribution_line, AttributionLine, win_rate_frac, WIRE_FRACTION),
    WIRE_ROW_REAL(keel_attribution_line, AttributionLine, contribution_frac, WIRE_ANY),
    WIRE_ROW_I64(keel_attribution_line, AttributionLine, fees_micros, INT64_MIN),
    WIRE_ROW_I64(keel_attribution_line, AttributionLine, slippage_micros, INT64_MIN),
    WIRE_ROW_REAL(keel_attribution_line, AttributionLine, weight_mean_frac, WIRE_ANY),
};
static const wire_type attribution_line = WIRE_MESSAGE(
    keel_attribution_line, keel__v1__attribution_line__descriptor, attribution_line_rows);

static keel_status check_attribution(const void *plain)
{
    const keel_attribution *attribution = plain;
    keel_i128 sum = 0;
    if (attribution->from_ns > attribution->to_ns)
        return KEEL_EINVAL;
    for (int i = 0; i < attribution->lines_n; i++)
        sum += attribution->lines[i].pnl_micros;
    return sum == attribution->pnl_micros ? KEEL_OK : KEEL_EINVAL;
}

static const wire_field attribution_rows[] = {
    WIRE_ROW_TEXT(keel_attribution, Attribution, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_ENUM(keel_attribution, Attribution, kind, KEEL_ATTRIBUTION_FACTOR, NULL,
                  WIRE_REQUIRED),
    WIRE_ROW_I64(keel_attribution, Attribution, from_ns, INT64_MIN),
    WIRE_ROW_I64(keel_attribution, Attribution, to_ns, INT64_MIN),
    WIRE_ROW_LIST_POINTER(keel_attribution, Attribution, lines, lines_n, attribution_line, 0,
                          LINES_MAX),
    WIRE_ROW_I64(keel_attribution, Attribution, pnl_micros, INT64_MIN),
};
const wire_type wire_attribution =
    WIRE_MESSAGE_WITH(keel_attribution, keel__v1__attribution__descriptor, attribution_rows,
                      .check = check_attribution);
WIRE_DEFINE(attribution, keel_attribution)
