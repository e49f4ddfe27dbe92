/* covariance.h - the covariance of a sample, by one of nine estimators.
 *
 * ROOM     common/num/stats. Pure numbers.
 * MODEL    T rows x_t of n series, m = their mean, c_t = x_t - m, S = (1/T) sum c_t c_t'.
 *          sample       sum c_t c_t' / (T - 1)
 *          ewma         sum w_t x_t x_t', w_t = lambda^age / sum of lambda^age: mean zero.
 *                       With start_rows = k: starts at the sample covariance of the first k rows,
 *                       then S <- lambda S + (1 - lambda) x x' (RiskMetrics 1996).
 *          semi         (1/T) sum d_t d_t', d = min(x - semi_below, 0) (Estrada 2008)
 *          ledoit_wolf_* and oas: (1 - a) S + a F, a in [0, 1], divisor T as in their papers:
 *            identity              F = (trace S / n) I (Ledoit and Wolf 2004a)
 *            constant_correlation  F_ij = r sqrt(S_ii S_jj), r = mean correlation (2004b)
 *            single_factor         F_ij = b_i b_j S_mm, F_ii = S_ii, m = equal-weighted mean (2003)
 *            oas                   F as identity; a = (tr S^2 + (tr S)^2) / ((T + 1) (tr S^2 -
 *                                  (tr S)^2 / n)), Chen et al. 2010 without their terms 2 / n
 *          denoised     sample correlation; eigenvalues below the Marchenko-Pastur edge
 *                       s (1 + sqrt(n / T))^2 become their mean, and s is that mean: found from
 *                       s = 1 downwards; then diagonal to 1 (Laloux et al. 1999, Lopez de Prado
 *                       2020, section 2.5). factors = eigenvalues kept.
 *          gerber       (concordant - discordant) / (T - neither), where a return counts as a move
 *                       if it is at least `gerber_threshold` standard deviations from 0, and a row
 *                       as neither if no one of the two moves; times the sample volatilities
 *                       (Gerber et al. 2022, the form with T - n_NN). Semidefinite: 1 / (T - n_NN)
 *                       is a power series of n_NN, a Gram matrix, with no negative coefficient.
 *          PAIRWISE estimates that are not semidefinite are replaced by the nearest that is.
 *          Sources with titles: docs/methods/covariance-estimators.md.
 * SHAPE    Packed lower triangle by columns (sym.h).
 * MEMORY   Cold path: each call takes working memory (T n + a few n^2 doubles) and gives it back.
 * THREADS  any, after keel_la_init(). Same sample, same build, same bytes.
 */
#ifndef KEEL_COMMON_NUM_STATS_COVARIANCE_H
#define KEEL_COMMON_NUM_STATS_COVARIANCE_H

#include "common/num/la/nearest.h"
#include "common/num/stats/sample.h"

/* code, name, has a PAIRWISE form */
#define KEEL_COVARIANCE_LIST(X)                                                                    \
    X(KEEL_COVARIANCE_SAMPLE, "sample", true)                                                      \
    X(KEEL_COVARIANCE_EWMA, "ewma", true)                                                          \
    X(KEEL_COVARIANCE_SEMI, "semi", true)                                                          \
    X(KEEL_COVARIANCE_LEDOIT_WOLF_IDENTITY, "ledoit_wolf_identity", false)                         \
    X(KEEL_COVARIANCE_LEDOIT_WOLF_CONSTANT_CORRELATION, "ledoit_wolf_constant_correlation", false) \
    X(KEEL_COVARIANCE_LEDOIT_WOLF_SINGLE_FACTOR, "ledoit_wolf_single_factor", false)               \
    X(KEEL_COVARIANCE_OAS, "oas", false)                                                           \
    X(KEEL_COVARIANCE_DENOISED, "denoised", false)                                                 \
    X(KEEL_COVARIANCE_GERBER, "gerber", true)

#define KEEL_COVARIANCE_ENUM(code, name, pairwise) code,
typedef enum keel_covariance_estimator {
    KEEL_COVARIANCE_LIST(KEEL_COVARIANCE_ENUM) KEEL_COVARIANCE_COUNT
} keel_covariance_estimator;

typedef struct keel_covariance_cfg {
    keel_covariance_estimator estimator;
    keel_missing missing;
    int rows_min;            /* fewer rows are refused; >= 2 */
    double lambda;           /* ewma: decay per row, 0 < . < 1 */
    int start_rows;          /* ewma: 0, or 2 and more; not with PAIRWISE */
    double semi_below;       /* semi: return, |.| <= 1e100 */
    double gerber_threshold; /* gerber: in standard deviations, >= 0; the paper has 0.5 */
} keel_covariance_cfg;

#define KEEL_COVARIANCE_DEFAULTS                                                                   \
    (keel_covariance_cfg)                                                                          \
    {                                                                                              \
        KEEL_COVARIANCE_SAMPLE, KEEL_MISSING_COMMON, 2, 0.94, 0, 0, 0.5                            \
    }

typedef struct keel_covariance_report {
    int rows;                /* used; PAIRWISE: of the pair that has the fewest */
    double rows_effective;   /* of equal weight that would know as much; rows but for ewma */
    double shrinkage_frac;   /* weight of the target; 0 for estimators without one */
    double mean_correlation; /* constant correlation: r; 0 for others */
    int factors;             /* denoised: eigenvalues kept; 0 for others */
    bool repaired;           /* PAIRWISE: not semidefinite before, now the nearest */
    keel_nearest repair;     /* how far away, if so */
} keel_covariance_report;

/* Name ("ledoit_wolf_identity"; "" outside the list), and the estimator of a name: KEEL_EUNKNOWN,
 * *estimator untouched, when there is none. */
const char *keel_covariance_name(keel_covariance_estimator estimator);
KEEL_MUST_CHECK keel_status keel_covariance_parse(const char *name,
                                                  keel_covariance_estimator *estimator);

/* Write the packed covariance and what it rests on; *err (may be NULL) says why not. Outputs are
 * untouched by a refusal. The answer is positive semidefinite up to rounding.
 *   KEEL_EINVAL     cfg or the shape of the sample; a PAIRWISE form that there is not
 *   KEEL_ETOOBIG    n or rows
 *   KEEL_ENONFINITE a number that is there is not finite or beyond +-1e100
 *   KEEL_EUNAVAIL   too few rows: the text names the series, or the pair, that lacks them; or an
 *                   eigenvalue iteration that did not converge
 * Cost: T n^2 (one matrix product); PAIRWISE 4 T n^2; denoised adds 10 n^3, a repair that
 * for each iteration. */
KEEL_MUST_CHECK keel_status keel_covariance_estimate(const keel_covariance_cfg *cfg,
                                                     const keel_sample *sample, double *packed,
                                                     keel_covariance_report *report, keel_err *err);

#endif
