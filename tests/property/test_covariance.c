/* Estimators of covariance on random samples: what must hold of any of them, and for those that
 * have no reference case their definition written out entry by entry, which shares no code. */
#include "common/base/rng.h"
#include "common/num/la/eigen.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/stats/covariance.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { T = 160, N = 40, LEN = N * (N + 1) / 2, ROUNDS = 40 };

typedef struct data {
    int rows, n;
    double x[T * N];
    unsigned char present[T * N];
} data;

static void setup(void)
{
    keel_la_init();
}

TestSuite(covariance_property, .init = setup);

/* A market, own parts with fat tails, means, volatilities a decade apart; one in 8 is missing. */
static void make(data *d, int rows, int n, uint64_t seed)
{
    keel_rng rng = keel_rng_seeded(seed);
    *d = (data){.rows = rows, .n = n};
    for (int t = 0; t < rows; t++) {
        const double market = keel_rng_student(&rng, 4);
        for (int i = 0; i < n; i++) {
            const double own = keel_rng_student(&rng, 4), size = pow(10, -2 + (i % 4) / 4.0);
            d->x[t * n + i] = size * (0.05 + market * (0.5 + 0.1 * (i % 5)) + own);
            d->present[t * n + i] = keel_rng_below(&rng, 8) > 0;
        }
    }
}

static keel_sample sample_of(const data *d, bool holes)
{
    return (keel_sample){
        .rows = d->rows, .n = d->n, .at = d->x, .present = holes ? d->present : NULL};
}

static keel_covariance_cfg cfg_of(unsigned estimator)
{
    keel_covariance_cfg cfg = KEEL_COVARIANCE_DEFAULTS;
    cfg.estimator = (keel_covariance_estimator)estimator;
    return cfg;
}

static void estimate(const keel_covariance_cfg *cfg, const keel_sample *s, double *packed,
                     keel_covariance_report *report)
{
    keel_err err = {KEEL_OK, ""};
    cr_assert_eq(keel_covariance_estimate(cfg, s, packed, report, &err), KEEL_OK, "%s", err.text);
}

static void check_close(int n, const double *a, const double *b, double tolerance, const char *what)
{
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            const size_t k = keel_sym_at(n, i, j);
            const double unit =
                sqrt(b[keel_sym_at(n, i, i)] * b[keel_sym_at(n, j, j)]); /* a correlation of 1 */
            cr_assert_leq(fabs(a[k] - b[k]), tolerance * unit, "%s (%d,%d): %g, expected %g", what,
                          i, j, a[k], b[k]);
        }
    }
}

/* rows from far fewer than series to far more */
static int rows_of(int round)
{
    return 4 + (T - 4) * round / (ROUNDS - 1);
}

Test(covariance_property, every_estimate_is_semidefinite_and_its_report_in_range)
{
    static data d;
    double packed[LEN];
    int refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        make(&d, rows_of(round), N, (uint64_t)round);
        for (unsigned k = 0; k < 2 * KEEL_COVARIANCE_COUNT; k++) {
            keel_covariance_cfg cfg = cfg_of(k % KEEL_COVARIANCE_COUNT);
            keel_covariance_report r;
            const keel_sample s = sample_of(&d, k >= KEEL_COVARIANCE_COUNT);
            cfg.missing = s.present != NULL ? KEEL_MISSING_PAIRWISE : KEEL_MISSING_COMMON;
            const keel_status status = keel_covariance_estimate(&cfg, &s, packed, &r, NULL);
            refused += status != KEEL_OK;
            if (status != KEEL_OK)
                continue;
            double smallest = 0;
            cr_assert_eq(
                keel_sym_check_semidefinite(N, packed, KEEL_SEMIDEFINITE_TOLERANCE, &smallest),
                KEEL_OK, "%s of %d rows: %g", keel_covariance_name(cfg.estimator), d.rows,
                smallest);
            cr_assert(r.shrinkage_frac >= 0 && r.shrinkage_frac <= 1);
            cr_assert(r.rows >= 2 && r.rows <= d.rows);
            cr_assert(r.rows_effective > 1 && r.rows_effective <= d.rows + 1e-9);
            cr_assert(r.factors >= 0 && r.factors <= N);
            cr_assert(!r.repaired || r.repair.outcome == KEEL_NEAREST_FOUND);
        }
    }
    /* five of nine have no pairwise form; the others refuse the shortest samples with holes */
    cr_assert(refused >= 5 * ROUNDS && refused <= 5 * ROUNDS + 16, "%d", refused);
}

Test(covariance_property, scaling_the_sample_scales_the_estimate_by_the_square)
{
    static data d, scaled;
    double one[LEN], other[LEN];
    for (unsigned k = 0; k < KEEL_COVARIANCE_COUNT; k++) {
        for (int power = 0; power < 2; power++) {
            const double c = power ? 1024 : 0.037;
            keel_covariance_cfg cfg = cfg_of(k);
            keel_covariance_report r, q;
            make(&d, 90, N, k);
            scaled = d;
            for (int m = 0; m < d.rows * N; m++)
                scaled.x[m] = c * d.x[m];
            cfg.semi_below = 0.001;
            estimate(&cfg, &(keel_sample){.rows = d.rows, .n = N, .at = d.x}, one, &r);
            cfg.semi_below *= c;
            estimate(&cfg, &(keel_sample){.rows = d.rows, .n = N, .at = scaled.x}, other, &q);
            for (int m = 0; m < LEN; m++)
                one[m] *= c * c;
            if (power) /* a power of two changes no digit */
                cr_assert_arr_eq(other, one, sizeof one, "%s", keel_covariance_name(cfg.estimator));
            check_close(N, other, one, 1e-9, keel_covariance_name(cfg.estimator));
            cr_assert_float_eq(r.shrinkage_frac, q.shrinkage_frac, 1e-9);
            cr_assert_eq(r.factors, q.factors);
        }
    }
}

Test(covariance_property, order_of_series_does_not_matter)
{
    static data d, turned;
    double one[LEN], other[LEN], back[LEN];
    for (unsigned k = 0; k < 2 * KEEL_COVARIANCE_COUNT; k++) {
        const bool holes = k >= KEEL_COVARIANCE_COUNT;
        keel_covariance_cfg cfg = cfg_of(k % KEEL_COVARIANCE_COUNT);
        keel_covariance_report r;
        make(&d, 120, N, k);
        turned = d;
        for (int t = 0; t < d.rows; t++) {
            for (int i = 0; i < N; i++) { /* 7 and 40 have no common factor */
                turned.x[t * N + i] = d.x[t * N + 7 * i % N];
                turned.present[t * N + i] = d.present[t * N + 7 * i % N];
            }
        }
        cfg.missing = holes ? KEEL_MISSING_PAIRWISE : KEEL_MISSING_COMMON;
        const keel_sample s = sample_of(&d, holes), u = sample_of(&turned, holes);
        if (keel_covariance_estimate(&cfg, &s, one, &r, NULL) != KEEL_OK)
            continue;
        estimate(&cfg, &u, other, &r);
        for (int j = 0; j < N; j++) {
            for (int i = j; i < N; i++)
                back[keel_sym_at(N, i, j)] = keel_sym_get(N, one, 7 * i % N, 7 * j % N);
        }
        check_close(N, other, back, r.repaired ? 1e-6 : 1e-11, keel_covariance_name(cfg.estimator));
    }
}

/* All correlations are above 0.2 and volatilities differ: identity is far from the truth. */
Test(covariance_property, shrinkage_to_a_target_that_is_wrong_falls_as_rows_grow)
{
    static const unsigned wrong[] = {KEEL_COVARIANCE_LEDOIT_WOLF_IDENTITY, KEEL_COVARIANCE_OAS};
    static data d;
    double packed[LEN];
    for (int k = 0; k < 2; k++) {
        const keel_covariance_cfg cfg = cfg_of(wrong[k]);
        double before = 1;
        for (int rows = 10; rows <= T; rows *= 4) {
            keel_covariance_report r;
            make(&d, rows, N, 3);
            const keel_sample s = sample_of(&d, false);
            estimate(&cfg, &s, packed, &r);
            cr_assert(r.shrinkage_frac > 0 && r.shrinkage_frac < 0.7 * before, "%d rows: %g", rows,
                      r.shrinkage_frac);
            before = r.shrinkage_frac;
        }
    }
}

/* Centred series and their covariance with divisor T, entry by entry. */
static void plain(const data *d, double c[T][N], double s[N][N])
{
    for (int i = 0; i < d->n; i++) {
        double mean = 0;
        for (int t = 0; t < d->rows; t++)
            mean += d->x[t * d->n + i] / d->rows;
        for (int t = 0; t < d->rows; t++)
            c[t][i] = d->x[t * d->n + i] - mean;
    }
    for (int i = 0; i < d->n; i++) {
        for (int j = 0; j < d->n; j++) {
            s[i][j] = 0;
            for (int t = 0; t < d->rows; t++)
                s[i][j] += c[t][i] * c[t][j] / d->rows;
        }
    }
}

/* Asymptotic covariance of S_ij with the sample covariance of series p and q of c. */
static double asymptotic(const data *d, double c[T][N], double s[N][N], const double *p, int i,
                         int j, double with)
{
    double sum = 0;
    for (int t = 0; t < d->rows; t++)
        sum += p[t] * c[t][i] * c[t][j] / d->rows;
    return sum - with * s[i][j];
}

/* Ledoit and Wolf 2003, appendix: market the mean of all series, target of one factor. */
static double single_factor(const data *d, double *packed)
{
    static double c[T][N], s[N][N], m[T], product[T], cov[N];
    double v = 0, pi = 0, rho = 0, gamma = 0;
    plain(d, c, s);
    memset(cov, 0, sizeof cov);
    for (int t = 0; t < d->rows; t++) {
        m[t] = 0;
        for (int i = 0; i < d->n; i++)
            m[t] += c[t][i] / d->n;
        v += m[t] * m[t] / d->rows;
        for (int i = 0; i < d->n; i++)
            cov[i] += c[t][i] * m[t] / d->rows;
    }
    for (int i = 0; i < d->n; i++) {
        for (int j = 0; j < d->n; j++) {
            const double f = i == j ? s[i][i] : cov[i] * cov[j] / v;
            for (int t = 0; t < d->rows; t++)
                product[t] = c[t][i] * c[t][j];
            const double own = asymptotic(d, c, s, product, i, j, s[i][j]);
            pi += own;
            gamma += (f - s[i][j]) * (f - s[i][j]);
            if (i == j) {
                rho += own;
                continue;
            }
            for (int t = 0; t < d->rows; t++)
                product[t] = m[t] * (cov[j] / v * c[t][i] + cov[i] / v * c[t][j] -
                                     cov[i] * cov[j] / (v * v) * m[t]);
            rho += asymptotic(d, c, s, product, i, j, f);
        }
    }
    const double a = fmin(fmax((pi - rho) / gamma / d->rows, 0), 1);
    for (int j = 0; j < d->n; j++) {
        for (int i = j; i < d->n; i++)
            packed[keel_sym_at(d->n, i, j)] =
                a * (i == j ? s[i][i] : cov[i] * cov[j] / v) + (1 - a) * s[i][j];
    }
    return a;
}

Test(covariance_property, single_factor_is_that_of_the_paper_entry_by_entry)
{
    static data d;
    double packed[LEN], expected[LEN];
    const keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_LEDOIT_WOLF_SINGLE_FACTOR);
    for (int round = 0; round < ROUNDS; round += 3) {
        keel_covariance_report r;
        make(&d, rows_of(round), round % 2 ? N : 7, (uint64_t)round);
        const keel_sample s = sample_of(&d, false);
        estimate(&cfg, &s, packed, &r);
        const double a = single_factor(&d, expected);
        cr_assert_float_eq(r.shrinkage_frac, a, 1e-9, "%g, expected %g", r.shrinkage_frac, a);
        check_close(d.n, packed, expected, 1e-10, "single factor");
    }
}

static bool there(const data *d, bool holes, int t, int i)
{
    return !holes || d->present[t * d->n + i];
}

static double deviation(const data *d, bool holes, int i)
{
    double mean = 0, sum = 0;
    int count = 0;
    for (int t = 0; t < d->rows; t++) {
        count += there(d, holes, t, i);
        mean += there(d, holes, t, i) ? d->x[t * d->n + i] : 0;
    }
    mean /= count;
    for (int t = 0; t < d->rows; t++)
        sum += there(d, holes, t, i) ? pow(d->x[t * d->n + i] - mean, 2) : 0;
    return sqrt(sum / (count - 1));
}

static double gerber(const data *d, bool holes, int i, int j)
{
    const double far_i = 0.5 * deviation(d, holes, i), far_j = 0.5 * deviation(d, holes, j);
    int rows = 0, agree = 0, differ = 0, neither = 0;
    for (int t = 0; t < d->rows; t++) {
        const double a = d->x[t * d->n + i], b = d->x[t * d->n + j];
        if (!there(d, holes, t, i) || !there(d, holes, t, j))
            continue;
        rows++;
        neither += fabs(a) < far_i && fabs(b) < far_j;
        agree += (a >= far_i && b >= far_j) || (a <= -far_i && b <= -far_j);
        differ += (a >= far_i && b <= -far_j) || (a <= -far_i && b >= far_j);
    }
    return (agree - differ) / (double)(rows - neither);
}

Test(covariance_property, gerber_counts_as_the_paper_does)
{
    static data d;
    double packed[LEN], expected[LEN];
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_GERBER);
    for (int holes = 0; holes < 2; holes++) {
        keel_covariance_report r;
        keel_nearest repair;
        make(&d, 100, N, 11);
        const keel_sample s = sample_of(&d, holes);
        cfg.missing = holes ? KEEL_MISSING_PAIRWISE : KEEL_MISSING_COMMON;
        estimate(&cfg, &s, packed, &r);
        for (int j = 0; j < N; j++) {
            for (int i = j; i < N; i++)
                expected[keel_sym_at(N, i, j)] = (i == j ? 1 : gerber(&d, holes, i, j)) *
                                                 deviation(&d, holes, i) * deviation(&d, holes, j);
        }
        cr_assert_eq(keel_nearest_covariance(N, expected, &KEEL_NEAREST_DEFAULTS, &repair),
                     KEEL_OK);
        cr_assert_eq(r.repaired, repair.iterations > 0);
        check_close(N, packed, expected, 1e-9, "gerber");
    }
}

static double over_pair(const data *d, unsigned estimator, int i, int j)
{
    double wi = 0, wj = 0, weight = 0, sum = 0;
    int count = 0;
    for (int t = 0; t < d->rows; t++) {
        if (!there(d, true, t, i) || !there(d, true, t, j))
            continue;
        const double a = d->x[t * d->n + i], b = d->x[t * d->n + j];
        const double w = estimator == KEEL_COVARIANCE_EWMA ? pow(0.94, d->rows - 1 - t) : 1;
        count++;
        weight += w;
        wi += a;
        wj += b;
        sum +=
            estimator == KEEL_COVARIANCE_SEMI ? fmin(a - 0.002, 0) * fmin(b - 0.002, 0) : w * a * b;
    }
    return estimator == KEEL_COVARIANCE_SAMPLE ? (sum - wi * wj / count) / (count - 1)
                                               : sum / weight;
}

Test(covariance_property, pairwise_uses_the_rows_of_each_pair)
{
    static data d;
    double packed[LEN], expected[LEN];
    for (unsigned k = KEEL_COVARIANCE_SAMPLE; k <= KEEL_COVARIANCE_SEMI; k++) {
        keel_covariance_cfg cfg = cfg_of(k);
        keel_covariance_report r;
        keel_nearest repair;
        make(&d, T, 9, k);
        const keel_sample s = sample_of(&d, true);
        cfg.missing = KEEL_MISSING_PAIRWISE;
        cfg.semi_below = 0.002;
        estimate(&cfg, &s, packed, &r);
        for (int j = 0; j < d.n; j++) {
            for (int i = j; i < d.n; i++)
                expected[keel_sym_at(d.n, i, j)] = over_pair(&d, k, i, j);
        }
        cr_assert_eq(keel_nearest_covariance(d.n, expected, &KEEL_NEAREST_DEFAULTS, &repair),
                     KEEL_OK);
        check_close(d.n, packed, expected, 1e-9, keel_covariance_name(cfg.estimator));
    }
}

/* The correlation that the cleaned one stands for has the trace of the sample's, its largest
 * eigenvectors, and is nearer to the truth than the sample's. */
Test(covariance_property, denoising_comes_nearer_to_the_truth)
{
    static data d;
    double packed[LEN], raw[LEN];
    double before = 0, after = 0;
    int one_factor = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        keel_covariance_report r;
        keel_rng rng = keel_rng_seeded(seed);
        d = (data){.rows = 80, .n = N};
        for (int t = 0; t < d.rows; t++) {
            const double market = keel_rng_normal(&rng);
            for (int i = 0; i < N; i++)
                d.x[t * N + i] = market + keel_rng_normal(&rng); /* correlation 1/2 */
        }
        const keel_sample s = sample_of(&d, false);
        const keel_covariance_cfg with = cfg_of(KEEL_COVARIANCE_DENOISED),
                                  without = cfg_of(KEEL_COVARIANCE_SAMPLE);
        estimate(&with, &s, packed, &r);
        one_factor += r.factors == 1;
        estimate(&without, &s, raw, &r);
        for (int j = 0; j < N; j++) {
            cr_assert_float_eq(packed[keel_sym_at(N, j, j)], raw[keel_sym_at(N, j, j)], 1e-12);
            for (int i = j + 1; i < N; i++) {
                const double unit = sqrt(raw[keel_sym_at(N, i, i)] * raw[keel_sym_at(N, j, j)]);
                before += pow(raw[keel_sym_at(N, i, j)] / unit - 0.5, 2);
                after += pow(packed[keel_sym_at(N, i, j)] / unit - 0.5, 2);
            }
        }
    }
    cr_assert_geq(one_factor, 18); /* the largest of the noise passes its limit now and then */
    cr_assert_lt(after, 0.7 * before, "%g of %g", after, before);
}
