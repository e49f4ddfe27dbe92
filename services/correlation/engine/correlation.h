/* correlation.h - rolling correlation and covariance of returns over a fixed universe.
 *
 * ROOM     services/correlation/engine: pure. No I/O, clock, thread, global or log call.
 *          The same rows in the same order give bit-identical output on one build.
 * MODEL    x[t,i] = ln(p[t,i] / p[t-1,i]), or p[t,i] / p[t-1,i] - 1; integer price units, so a
 *          return does not depend on the unit they are counted in.
 *          ROLLING   covariance of the last W return rows about their mean, divisor rows - 1
 *          EWMA      zero mean, weights lambda^age normalised over the rows seen
 *          DIAGONAL  the variances of ROLLING, all correlations 0
 *          v[i] = max(variance[i], floor), floor = max(1e-12, 1e-6 max_j variance[j]); an
 *          instrument below the floor has no correlation with any other.
 *          rows_effective = (sum of weights)^2 / sum of squared weights
 *          delta = max(1e-10, 1 - rows_effective / rows_full_trust)
 *          C[i,j] = (1 - delta) cov[i,j] / sqrt(v[i] v[j]),  S[i,j] = C[i,j] sqrt(v[i] v[j])
 *          so S = (1 - delta) PSD + delta diag(v): positive definite whatever the rows are.
 *          A row with a missing bar is dropped whole; the next return then spans the gap.
 *          Source: J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed. (1996), ch. 5;
 *          J. Schaefer, K. Strimmer, A shrinkage approach to large-scale covariance matrix
 *          estimation, Stat. Appl. Genet. Mol. Biol. 4 (2005), target D. See
 *          docs/methods/rolling-covariance.md.
 * SHAPE    n instruments, index 0..n-1 as the universe. Matrices: estimate.h.
 * MEMORY   keel_corr_new() takes all storage; no later call allocates.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_CORRELATION_ENGINE_CORRELATION_H
#define KEEL_SERVICES_CORRELATION_ENGINE_CORRELATION_H

#include "common/base/status.h"
#include "common/domain/bar_row.h"
#include "common/domain/estimate.h"

#define KEEL_CORR_VARIANCE_FLOOR 1e-12 /* per bar: a volatility of 0.01 bp, below any market's */
#define KEEL_CORR_CALM_FRAC      1e-6  /* of the largest variance; docs say what it is for */
#define KEEL_CORR_RIDGE          1e-10 /* least shrinkage: n * 2^-52 stays far below it */

enum { KEEL_CORR_CELLS_MAX = 800000 }; /* window x n: a snapshot stays under 8 MiB */

typedef struct keel_corr keel_corr;

typedef struct keel_corr_cfg {
    int n;                    /* instruments, 1..KEEL_UNIVERSE_MAX */
    uint64_t universe_hash;   /* rows of another universe are refused */
    int64_t bar_ns;           /* > 0; rows of another bar length are refused */
    keel_estimator estimator; /* ROLLING, EWMA or DIAGONAL */
    bool log_returns;         /* false: simple returns */
    int rows_window;          /* return rows, 2..KEEL_ROLLING_ROWS_MAX; EWMA: not used */
    double lambda;            /* EWMA: decay per bar, 0 < lambda < 1 */
    int rows_min;             /* complete return rows before the first output, >= 2 */
    double rows_full_trust; /* effective rows from which nothing is shrunk; 0 = the most that the */
                            /* estimator reaches (the window, or (1 + lambda) / (1 - lambda)), */
                            /* but at least 2 (n + 1) */
} keel_corr_cfg;

/* What one call produced. Test `made` before reading the rest. */
enum { KEEL_CORR_MADE_MATRIX = 1 << 0, KEEL_CORR_MADE_GAP = 1 << 1 };

typedef struct keel_corr_out {
    unsigned made;                /* set of KEEL_CORR_MADE_*; 0 = state advanced, nothing to send */
    int missing;                  /* MADE_GAP: instruments absent from the row that was dropped */
    keel_correlation correlation; /* MADE_MATRIX: diagonal exactly 1, |value| <= 1; arrays are */
    keel_covariance covariance;   /* valid until the next call on this engine */
} keel_corr_out;

/* Build an engine. NULL with *err (may be NULL) on KEEL_ERANGE or KEEL_EINVAL, naming the field.
 * The caller owns the result and ends it with keel_corr_free(). */
KEEL_MUST_CHECK keel_corr *keel_corr_new(const keel_corr_cfg *cfg, keel_err *err);

/* Free *eng and set it to NULL. Safe on NULL and twice. */
void keel_corr_free(keel_corr **eng);

/* Feed the row that closes a step; *out is always written.
 *   KEEL_OK          row taken, see out->made; a row with a missing bar is taken as a gap
 *   KEEL_EUNKNOWN    row of another universe; state unchanged, as in all below
 *   KEEL_EORDER      row not after the last one
 *   KEEL_EINVAL      another bar length; or what keel_bar_row_check refuses, with its status
 * Cost: n^2 multiply-adds. */
KEEL_MUST_CHECK keel_status keel_corr_on_row(keel_corr *eng, const keel_bar_row *row,
                                             keel_corr_out *out);

/* Rows dropped because a bar was missing, since new. */
uint64_t keel_corr_rows_gapped(const keel_corr *eng);

/* Snapshot to, and restore from, a flat buffer (format in correlation.c, versioned).
 * save: KEEL_ENOSPC if cap is short, with *len set to the size needed.
 * load: KEEL_EFORMAT on bad magic, version, size, universe or estimator; eng then unchanged. */
KEEL_MUST_CHECK keel_status keel_corr_save(const keel_corr *eng, uint8_t *buf, size_t cap,
                                           size_t *len);
KEEL_MUST_CHECK keel_status keel_corr_load(keel_corr *eng, const uint8_t *buf, size_t len);

#endif
