/* rules.h - when to be long, short or out of one instrument: three rules over its last closes.
 *
 * ROOM     services/strategies/engine: pure. The same closes give the same answer.
 * MODEL    c[0..n-1] the last closes of the instrument, oldest first, n = lookback + 1
 *          m[0..n-1] the market at the same rows: m[t] = m[t-1] + mean over instruments of
 *                    ln(c[t] / c[t-1])
 *          s         standard deviation of ln(c[t] / c[t-1]) over the window
 *
 *   momentum       x = ln(c[n-1] / c[0]) / (s sqrt(n - 1)); long from x >= entry, short from
 *                  x <= -entry, out when x falls back through exit.
 *                  Source: Moskowitz, Ooi and Pedersen, Time series momentum, Journal of Financial
 *                  Economics 104 (2012).
 *   meanreversion  r[t] = ln c[t] - m[t], the part of the price that the market does not explain;
 *                  z = (r[n-1] - mean r) / sd r; short from z >= entry, long from z <= -entry, out
 *                  when |z| falls to exit.
 *                  Source: Gatev, Goetzmann and Rouwenhorst, Pairs trading, Review of Financial
 *                  Studies 19 (2006), with the market in place of the pair.
 *   breakout       long above the highest close of the window before this one, short below the
 *                  lowest; out when the newer half of the window is crossed the other way.
 *                  Source: Donchian's channel, in Lukac, Brorsen and Irwin, A test of futures
 *                  market disequilibrium using twelve different technical trading systems,
 *                  Applied Economics 20 (1988).
 *          Cross-asset check (`confirm`): momentum and breakout enter only in the direction in
 *          which the market itself went over the window.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_STRATEGIES_ENGINE_RULES_H
#define KEEL_SERVICES_STRATEGIES_ENGINE_RULES_H

#include "common/domain/signal.h"

enum { STRATEGIES_LOOKBACK_MIN = 2, STRATEGIES_LOOKBACK_MAX = 1000 };

typedef struct strategies_params {
    int lookback;       /* bars, STRATEGIES_LOOKBACK_MIN..MAX */
    double entry;       /* threshold of the rule's score; breakout: unused */
    double exit;        /* below entry; breakout: unused */
    double stop_vols;   /* distance of the stop, in s * price; 0 = none */
    double target_vols; /* distance of the target; 0 = none */
    bool confirm;
} strategies_params;

typedef struct strategies_view {
    const strategies_params *params;
    const double *closes; /* n, > 0 */
    const double *market; /* n */
    int n;
    double vol;     /* s, > 0 */
    keel_side held; /* FLAT = out */
} strategies_view;

typedef struct strategies_wish {
    keel_side side;         /* FLAT = be out */
    double confidence_frac; /* [0.5, 1] when not FLAT */
} strategies_wish;

typedef struct strategies_rule {
    const char *name; /* default name of the strategy */
    const char *what; /* one line for --help */
    strategies_params defaults;
    strategies_wish (*decide)(const strategies_view *view);
} strategies_rule;

extern const strategies_rule strategies_momentum;
extern const strategies_rule strategies_meanreversion;
extern const strategies_rule strategies_breakout;

#endif
