/* views.h - decoded messages as lines and tables.
 *
 * ROOM     services/cli. Plain domain structs in, text out: nothing here knows the wire.
 */
#ifndef KEEL_SERVICES_CLI_VIEWS_H
#define KEEL_SERVICES_CLI_VIEWS_H

#include "common/domain/allocation.h"
#include "common/domain/books.h"
#include "common/domain/estimate.h"
#include "common/domain/signal.h"
#include "services/cli/signal_books.h"
#include "services/cli/tables.h"

/* One line: time, certificate, volatility a year, turnover, why, then weights, largest first, as
 * many as the terminal's width takes (at most 12; the rest is counted). */
void keel_view_alloc_line(const keel_cli *cli, const keel_universe *universe, int64_t bar_ns,
                          int64_t event_ns, const keel_approved_allocation *a);

/* The headings of those lines. */
void keel_view_alloc_heading(const keel_cli *cli);

/* Everything about one allocation: certificate, reasons, weights with their boxes. */
void keel_view_alloc(const keel_cli *cli, const keel_universe *universe, int64_t bar_ns,
                     int64_t event_ns, const keel_approved_allocation *a);

/* One line for a change of trading state: stops, halts, re-arms. */
void keel_view_trading(const keel_cli *cli, int64_t event_ns, const keel_trading_state *t);

void keel_view_performance(const keel_cli *cli, const keel_universe *universe,
                           const keel_performance *p, const keel_trading_state *trading);
void keel_view_attribution(const keel_cli *cli, const keel_universe *universe,
                           const keel_attribution *a);
void keel_view_trades(const keel_cli *cli, const keel_universe *universe,
                      const keel_performance *p);
void keel_view_portfolio(const keel_cli *cli, const keel_universe *universe,
                         const keel_portfolio_state *state);

/* The estimated matrix up to 12 instruments; always the pairs with |correlation| >= above,
 * strongest first, at most `most`. */
void keel_view_correlation(const keel_cli *cli, const keel_universe *universe,
                           const keel_correlation *c, double above, int most);

/* Estimate, truth and difference of the pairs, largest difference first, and the root mean square
 * difference over all pairs. */
void keel_view_truth(const keel_cli *cli, const keel_universe *universe, const keel_correlation *c,
                     const keel_market_truth *truth, int most);

/* The headings of the lines of decisions and fills. */
void keel_view_signal_heading(const keel_cli *cli);

/* One line for a decision as it comes. `count`: its number among those of its kind, shown from 10
 * on; 0 = do not count. */
void keel_view_decision_line(const keel_cli *cli, const keel_universe *universe, int64_t event_ns,
                             const keel_decision *d, uint64_t count);

/* The same line for a decision from the books, after its number and signal_id; and its heading. */
void keel_view_decision_row_heading(const keel_cli *cli);
void keel_view_decision_row(const keel_cli *cli, const keel_universe *universe,
                            const keel_decision_row *row);

/* One line for a fill as it comes: the first part that belongs to a strategy. */
void keel_view_fill_line(const keel_cli *cli, const keel_universe *universe, const keel_fill *fill,
                         uint64_t count);

/* Everything about one decision: what was said, what came of it, the sizing rules with the one that
 * set the size. */
void keel_view_decision(const keel_cli *cli, const keel_universe *universe, int64_t event_ns,
                        const keel_decision *d);

/* What a decision led to: the fills that executed it, the end of its position, its P&L. */
void keel_view_trace(const keel_cli *cli, const keel_universe *universe, const keel_trace *trace);

/* The end of a demo: per strategy signals, refusals by reason, P&L and costs, and what netting
 * saved. `by_strategy` NULL: no books of strategies yet. */
void keel_view_strategy_results(const keel_cli *cli, const keel_strategy_report *report,
                                const keel_attribution *by_strategy);

/* What is known of a strategy, from three messages of the same run. */
typedef struct keel_strategy_view {
    const keel_strategy_status *status;
    const keel_trading_state *trading;
    const keel_book *book; /* of its name; NULL = not opened yet */
} keel_strategy_view;

void keel_view_strategies(const keel_cli *cli, const keel_strategy_view *views, int n);
void keel_view_strategy(const keel_cli *cli, const keel_universe *universe,
                        const keel_strategy_view *view);

/* P&L of a book since its beginning: realised and open, after fees. */
int64_t keel_book_pnl_micros(const keel_book *book);

/* Why a strategy's mode is not ACTIVE: its own reason when it has a mode of its own, else the
 * portfolio's. NULL when it trades. */
const keel_reason *keel_strategy_mode_reason(const keel_trading_state *trading,
                                             const char *strategy);

/* Refusals by reason, most frequent first, the rest added up: "conflict 12, expired 3, 5 others".
 */
void keel_refusals_text(const keel_strategy_status *status, int most, char *out, size_t cap);

/* Root mean square of estimate - truth over the pairs; both n x n packed. */
double keel_correlation_rmse(int n, const double *estimate, const double *truth);

#endif
