/* attribution.h - who earned the account's P&L: assets, sectors, books, strategies.
 *
 * ROOM     services/ledger/engine: pure.
 * MODEL    pnl = realized + unrealized - fees, in micros; the lines sum exactly to the account's
 *          contribution = pnl of the line / pnl of all; all 0 when that is 0
 *          Lines of strategies, and "netting" with what crossing saved, are those of their books:
 *          they sum to what the strategies earned, and contribute to the account's P&L.
 *          weight_mean = mean over bars of value / account equity
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_LEDGER_ENGINE_ATTRIBUTION_H
#define KEEL_SERVICES_LEDGER_ENGINE_ATTRIBUTION_H

#include "common/domain/books.h"

/* Running sums of one asset, book, or the account. */
typedef struct keel_tally {
    int64_t realized_micros;
    int64_t fees_micros;
    int64_t slippage_micros;
    uint32_t trades;
    uint32_t closing_trades;
    uint32_t wins;
    int64_t profit_micros; /* of winning closing trades, after fees */
    int64_t loss_micros;   /* of losing ones, >= 0 */
    double weight_sum;     /* over bars */
} keel_tally;

/* Count a trade with its P&L after its fee. */
void keel_tally_trade(keel_tally *tally, bool closing, int64_t pnl_micros);

/* Add the counts and sums of `from` to `to`. */
void keel_tally_add(keel_tally *to, const keel_tally *from);

/* One line from a tally and what it has not realised; contribution is left 0. */
void keel_attribution_line_set(keel_attribution_line *line, const char *name,
                               const keel_tally *tally, int64_t unrealized_micros, uint64_t bars);

/* Set every contribution and return the sum of P&L. */
int64_t keel_attribution_share(keel_attribution_line *lines, int n);

#endif
