/* expected.h - expected returns of a sample, by one of four estimators.
 *
 * ROOM     common/num/stats. Pure numbers.
 * MODEL    T rows x_t of n series.
 *          mean         m_i = (1/T) sum x_ti, arithmetic
 *          ewma         sum w_t x_ti, w_t = lambda^age / sum of lambda^age; the last row has age 0
 *          capm         risk_free + b_i (mean of the market - risk_free),
 *                       b_i = cov(x_i, market) / var(market); the market is a series that is
 *                       given, or the equal-weighted mean of the n series
 *          james_stein  (1 - a) m_i + a g: g is the mean of the minimum variance portfolio,
 *                       g = 1'V m / 1'V 1,  a = (n + 2) / (n + 2 + T (m - g 1)'V(m - g 1)),
 *                       V = inverse of S (T - 1) / (T - n - 2), S with divisor T - 1, so that V
 *                       is unbiased. Needs T > n + 2.
 *          Source: W. Sharpe, Capital asset prices, Journal of Finance 19 (1964); P. Jorion,
 *          Bayes-Stein estimation for portfolio analysis, JFQA 21 (1986), equations 12 to 17.
 * SHAPE    n numbers, per row: not annualised.
 * MEMORY   Cold path: each call takes working memory and gives it back.
 * THREADS  any, after keel_la_init(). Same sample, same build, same bytes.
 */
#ifndef KEEL_COMMON_NUM_STATS_EXPECTED_H
#define KEEL_COMMON_NUM_STATS_EXPECTED_H

#include "common/num/stats/sample.h"

/* code, name, has a PAIRWISE form: each series over its own rows */
#define KEEL_EXPECTED_LIST(X)                                                                      \
    X(KEEL_EXPECTED_MEAN, "mean", true)                                                            \
    X(KEEL_EXPECTED_EWMA, "ewma", true)                                                            \
    X(KEEL_EXPECTED_CAPM, "capm", true)                                                            \
    X(KEEL_EXPECTED_JAMES_STEIN, "james_stein", false)

#define KEEL_EXPECTED_ENUM(code, name, pairwise) code,
typedef enum keel_expected_estimator {
    KEEL_EXPECTED_LIST(KEEL_EXPECTED_ENUM) KEEL_EXPECTED_COUNT
} keel_expected_estimator;

typedef struct keel_expected_cfg {
    keel_expected_estimator estimator;
    keel_missing missing; /* capm without a market series: COMMON only */
    int rows_min;         /* fewer rows are refused; >= 2 */
    double lambda;        /* ewma: decay per row, 0 < . < 1 */
    const double *market; /* capm: one number for each row of the sample; NULL: the mean series */
    double risk_free;     /* capm: return per row, |.| <= 1e100 */
} keel_expected_cfg;

#define KEEL_EXPECTED_DEFAULTS                                                                     \
    (keel_expected_cfg)                                                                            \
    {                                                                                              \
        KEEL_EXPECTED_MEAN, KEEL_MISSING_COMMON, 2, 0.94, NULL, 0                                  \
    }

typedef struct keel_expected_report {
    int rows;              /* used; PAIRWISE: of the series that has the fewest */
    double rows_effective; /* of equal weight that would know as much; rows but for ewma */
    double shrinkage_frac; /* james_stein: a; 0 for others */
    double common_return;  /* james_stein: g; capm: mean of the market, over all rows used */
} keel_expected_report;

/* As keel_covariance_name and keel_covariance_parse. */
const char *keel_expected_name(keel_expected_estimator estimator);
KEEL_MUST_CHECK keel_status keel_expected_parse(const char *name,
                                                keel_expected_estimator *estimator);

/* The decay whose weights have their mean age at (span - 1) / 2, as spans are usually given:
 * lambda = (span - 1) / (span + 1); 0 when span is not above 1. */
double keel_lambda_of_span(double span);

/* Write n expected returns and what they rest on; *err (may be NULL) says why not. Outputs are
 * untouched by a refusal.
 *   KEEL_EINVAL     cfg or the shape of the sample; a PAIRWISE form that there is not
 *   KEEL_ETOOBIG    n or rows
 *   KEEL_ENONFINITE a number that is there, or of the market, is not finite or beyond +-1e100
 *   KEEL_EUNAVAIL   too few rows: the text names the series that lacks them
 *   KEEL_ERANGE     capm: the market does not move; james_stein: a covariance that has no inverse
 * Cost: T n; james_stein T n^2 + n^3 / 3. */
KEEL_MUST_CHECK keel_status keel_expected_estimate(const keel_expected_cfg *cfg,
                                                   const keel_sample *sample, double *expected,
                                                   keel_expected_report *report, keel_err *err);

#endif
