/* simulate.h - a market whose regimes, correlations and volatilities are known.
 *
 * ROOM     services/feed/engine: pure; chance comes from a keel_rng seeded by the configuration.
 * MODEL    docs/methods/market-simulator.md derives it. For bar t and instrument i in regime r:
 *            regime    Markov chain: left with probability 1 / duration_bars, for any other alike
 *            shock     z = l_i (sqrt(a) F + sqrt(w - a) S_sector) + sqrt(1 - l_i^2 w) u_i
 *                      corr(z_i, z_j) = l_i l_j w in one sector, l_i l_j a across; a = across_r,
 *                      w = within_r, loading 0.8 <= l_i <= 1; no sector = a sector of its own
 *            tails     e_i = z_i sqrt((nu - 2) / chi2_nu), one chi2 per bar: multivariate Student t
 *            clusters  h' = omega + alpha h mean(e^2) + beta h, omega = 1 - alpha - beta, E h = 1
 *            jumps     with probability p, of J bar volatilities times a normal, each by itself
 *            return    ln = mu dt - s^2 dt / 2 + s sqrt(dt) (sqrt(h) e_i + jump)
 *          so that over a regime volatility_ann = s sqrt(1 + p J^2) and a correlation is the one
 *          above / (1 + p J^2): both are published as the truth, exactly.
 *          Sources: Hamilton (1989), A New Approach to the Economic Analysis of Nonstationary Time
 *          Series; Bollerslev (1986), Generalized Autoregressive Conditional Heteroskedasticity;
 *          Merton (1976), Option Pricing When Underlying Stock Returns Are Discontinuous.
 * SHAPE    n instruments as the universe. An instrument of weekday session has no bar whose open
 *          is on a Saturday or Sunday; any bar but those of the first step may be absent by chance
 *          (its price moves on unseen). A time without any bar is no step.
 * MEMORY   keel_simulator_new takes all storage.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_FEED_ENGINE_SIMULATE_H
#define KEEL_SERVICES_FEED_ENGINE_SIMULATE_H

#include "common/base/status.h"
#include "common/domain/bar_row.h"
#include "common/domain/estimate.h"
#include "common/domain/universe.h"

#include <stddef.h>
#include <stdint.h>

enum { KEEL_SIMULATOR_REGIMES_MAX = 8, KEEL_SIMULATOR_STEPS_MAX = 10000000 };

typedef struct keel_regime_cfg {
    char name[KEEL_NAME_MAX];
    double duration_bars;      /* expected stay, >= 2 */
    double drift_ann;          /* expected simple return a year, -2..2 */
    double volatility_scale;   /* of every instrument's own volatility, 0.05..10 */
    double correlation_across; /* 0..correlation_within */
    double correlation_within; /* of one sector, < 1 */
} keel_regime_cfg;

typedef struct keel_simulator_cfg {
    const keel_universe *universe; /* sealed; copied */
    int64_t bar_ns;                /* 1 s .. 31 days */
    int64_t start_ns;              /* open of the first bar; UTC, 1970..2149 */
    uint64_t seed;
    int tail_nu;             /* degrees of freedom, 3..100; 5 has a kurtosis of 9 */
    double jump_probability; /* per bar and instrument, 0..0.05 */
    double jump_size;        /* J, bar volatilities, 0..20 */
    double missing_frac;     /* chance that a bar is absent, 0..0.5 */
    int regimes_n;           /* 1..KEEL_SIMULATOR_REGIMES_MAX; the run starts in the first */
    keel_regime_cfg regimes[KEEL_SIMULATOR_REGIMES_MAX];
} keel_simulator_cfg;

typedef struct keel_simulator keel_simulator;

/* Everything but universe, bar_ns and start_ns: calm, trend and stress; seed 1. */
void keel_simulator_defaults(keel_simulator_cfg *cfg);

/* NULL and *err (may be NULL) with KEEL_ERANGE or KEEL_EINVAL, naming the field. Owned. */
KEEL_MUST_CHECK keel_simulator *keel_simulator_new(const keel_simulator_cfg *cfg, keel_err *err);
void keel_simulator_free(keel_simulator **sim);

/* Make the next step. Arrays of *row and *truth are valid until the next call. KEEL_EEND when time
 * would leave 64 bits; state unchanged. Cost: O(n). */
KEEL_MUST_CHECK keel_status keel_simulator_next(keel_simulator *sim, keel_bar_row *row,
                                                keel_market_truth *truth);

uint64_t keel_simulator_steps(const keel_simulator *sim);   /* made so far */
uint64_t keel_simulator_missing(const keel_simulator *sim); /* missing bars in them */
uint64_t keel_simulator_empty(const keel_simulator *sim);   /* times passed over: no bar at all */
const char *keel_simulator_regime_name(const keel_simulator *sim, int regime);

/* Snapshot to, and restore from, a flat buffer (versioned).
 * save: KEEL_ENOSPC if cap is short, with *len set to the size needed.
 * load: KEEL_EFORMAT on bad magic, version, size, universe or seed; sim then unchanged. */
KEEL_MUST_CHECK keel_status keel_simulator_save(const keel_simulator *sim, uint8_t *buf, size_t cap,
                                                size_t *len);
KEEL_MUST_CHECK keel_status keel_simulator_load(keel_simulator *sim, const uint8_t *buf,
                                                size_t len);

#endif
