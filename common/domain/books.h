/* books.h - portfolio state, transfers, performance, attribution.
 *
 * ROOM     common/domain. Money in micros, quantities and prices in the instrument's units.
 */
#ifndef KEEL_COMMON_DOMAIN_BOOKS_H
#define KEEL_COMMON_DOMAIN_BOOKS_H

#include "common/domain/orders.h"
#include "common/domain/trading.h"

#include <stdint.h>

enum { KEEL_RECENT_TRADES_MAX = 10 };

typedef struct keel_position {
    int instrument;
    int64_t qty_units;
    int64_t cost_micros;
    int64_t value_micros;
    int64_t last_price_units;
    uint32_t stale_bars;
} keel_position;

typedef struct keel_book {
    char book[KEEL_NAME_MAX];
    int64_t cash_micros;
    int64_t equity_micros;
    double share_frac;
    double scale_frac;
    int64_t realized_micros;
    int64_t unrealized_micros;
    int64_t fees_micros;
    int64_t slippage_micros;
    int positions_n;
    const keel_position *positions; /* ascending instrument */
    int closed_n;
    const uint64_t *closed_versions;
} keel_book;

typedef struct keel_portfolio_state {
    char portfolio[KEEL_NAME_MAX];
    uint64_t universe_hash;
    int64_t as_of_ns;
    int64_t cash_micros;
    int64_t equity_micros;
    int64_t peak_equity_micros;
    int books_n;
    const keel_book *books;
    int64_t initial_micros;
    uint64_t fills;
    uint64_t archived_through_step;
} keel_portfolio_state;

typedef struct keel_transfer_leg {
    char book[KEEL_NAME_MAX];
    int64_t cash_micros;
} keel_transfer_leg;

typedef struct keel_transfer {
    char transfer_id[KEEL_ID_MAX];
    char portfolio[KEEL_NAME_MAX];
    int legs_n;
    const keel_transfer_leg *legs; /* sum exactly zero */
    keel_reason reason;
} keel_transfer;

typedef struct keel_trade {
    char trade_id[KEEL_ID_MAX];
    int instrument;
    int64_t qty_units;
    int64_t price_units;
    int64_t pnl_micros;
    int64_t fill_ns;
    keel_reason reason;
    char book[KEEL_NAME_MAX];
} keel_trade;

typedef struct keel_performance {
    char portfolio[KEEL_NAME_MAX];
    int64_t from_ns;
    int64_t to_ns;
    uint32_t bars;
    double total_return;
    double return_ann;
    double volatility_ann;
    double sharpe_ann;
    double sortino_ann;
    double calmar;
    double max_drawdown_frac;
    double win_rate_frac;
    uint32_t trades;
    uint32_t closing_trades;
    int64_t fees_micros;
    int64_t slippage_micros;
    double turnover_frac;
    double profit_factor;
    int recent_n;
    keel_trade recent[KEEL_RECENT_TRADES_MAX];
    keel_risk_convention convention;
    double risk_free_ann;
    int64_t equity_micros;
    int64_t initial_micros;
} keel_performance;

typedef enum keel_attribution_kind {
    KEEL_ATTRIBUTION_UNSPECIFIED,
    KEEL_ATTRIBUTION_ASSET,
    KEEL_ATTRIBUTION_SECTOR,
    KEEL_ATTRIBUTION_STRATEGY,
    KEEL_ATTRIBUTION_BOOK,
    KEEL_ATTRIBUTION_FACTOR,
} keel_attribution_kind;

typedef struct keel_attribution_line {
    char name[KEEL_NAME_MAX];
    int64_t pnl_micros;
    uint32_t trades;
    uint32_t closing_trades;
    double win_rate_frac;
    double contribution_frac;
    int64_t fees_micros;
    int64_t slippage_micros;
    double weight_mean_frac;
} keel_attribution_line;

typedef struct keel_attribution {
    char portfolio[KEEL_NAME_MAX];
    keel_attribution_kind kind;
    int64_t from_ns;
    int64_t to_ns;
    int lines_n;
    const keel_attribution_line *lines;
    int64_t pnl_micros;
} keel_attribution;

#endif
