/* performance.h - what the account earned and at what risk, in constant memory.
 *
 * ROOM     services/ledger/engine: pure.
 * MODEL    r[t] = E[t] / E[t-1] - 1 (simple, per bar); x[t] = r[t] - risk_free_ann x dt / year
 *          p    = returns x year / (to - from): bars per year as they really came
 *          volatility_ann = sd(r) sqrt(p)           sd with n - 1
 *          sharpe_ann     = mean(x) / sd(x) sqrt(p)
 *          sortino_ann    = mean(x) / sqrt(mean(min(x, 0)^2)) sqrt(p)
 *          return_ann     = (E / E0)^(year / (to - from)) - 1
 *          max_drawdown   = max over t of 1 - E[t] / max(E[s], s <= t)
 *          calmar         = return_ann / max_drawdown
 *          turnover       = sum |traded| / (2 mean(E))
 *          profit_factor  = gross profit / gross loss, win rate = wins / closing trades, both of
 *                           closing trades after their fees
 *          A ratio whose denominator is zero is 0. year = 365.25 days. Moments by Welford (1962),
 *          updated once per bar.
 *          Sources: Sharpe, The Sharpe Ratio, J. Portfolio Management (1994); Sortino and Price,
 *          Performance Measurement in a Downside Risk Framework, J. Investing (1994); Young, Calmar
 *          Ratio, Futures (1991).
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_LEDGER_ENGINE_PERFORMANCE_H
#define KEEL_SERVICES_LEDGER_ENGINE_PERFORMANCE_H

#include <stdint.h>

#define KEEL_YEAR_NS INT64_C(31557600000000000)

/* Plain data: saved and loaded field by field. */
typedef struct keel_returns {
    uint64_t n;
    double mean; /* of r */
    double m2;   /* sum of squared deviations */
    double excess_mean;
    double excess_m2;
    double below2; /* sum of min(x, 0)^2 */
} keel_returns;

/* Add one bar. excess = ret_simple less the risk-free return of the bar; both finite. */
void keel_returns_add(keel_returns *r, double ret_simple, double excess);

/* Per year with `bars_per_year` > 0; 0 with fewer than two returns. */
double keel_returns_volatility(const keel_returns *r, double bars_per_year);
double keel_returns_sharpe(const keel_returns *r, double bars_per_year);
double keel_returns_sortino(const keel_returns *r, double bars_per_year);

/* Growth factor over `years` as a return per year: 0 when years <= 0, when nothing is left, or when
 * it leaves the reals. */
double keel_annualized(double growth, double years);

typedef struct keel_equity_path {
    int64_t from_ns; /* close of the first bar; 0 = none yet */
    int64_t to_ns;
    uint64_t bars;
    int64_t first_micros; /* capital paid in */
    int64_t last_micros;
    int64_t peak_micros;
    double max_drawdown_frac;
    double equity_sum; /* over bars, micros */
    keel_returns returns;
} keel_equity_path;

/* Start with the capital paid in. */
void keel_equity_path_init(keel_equity_path *path, int64_t initial_micros);

/* Add a bar's closing equity; close_ns after the last. */
void keel_equity_path_add(keel_equity_path *path, int64_t close_ns, int64_t equity_micros,
                          double risk_free_ann);

/* Bars per year as they came; from bar_ns while there are fewer than two. */
double keel_equity_path_bars_per_year(const keel_equity_path *path, int64_t bar_ns);

#endif
