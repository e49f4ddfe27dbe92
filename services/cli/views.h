/* views.h - decoded messages as lines and tables.
 *
 * ROOM     services/cli. Plain domain structs in, text out: nothing here knows the wire.
 */
#ifndef KEEL_SERVICES_CLI_VIEWS_H
#define KEEL_SERVICES_CLI_VIEWS_H

#include "common/domain/allocation.h"
#include "common/domain/books.h"
#include "common/domain/estimate.h"
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

/* Root mean square of estimate - truth over the pairs; both n x n packed. */
double keel_correlation_rmse(int n, const double *estimate, const double *truth);

#endif
