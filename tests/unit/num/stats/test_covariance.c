#include "common/num/la/eigen.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/stats/covariance.h"
#include "common/num/stats/ewma.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void setup(void)
{
    keel_la_init();
}

TestSuite(covariance, .init = setup);

enum { ROWS = 8, N = 3, LEN = 6 };

/* Small enough to follow by hand; the third series is the first one backwards. */
static const double at[ROWS * N] = {1, 2,  3, -1, 0, 4, 2, 1, -3, 0, -1, 1,
                                    1, -2, 0, -3, 1, 2, 4, 0, -1, 3, 1,  1};
static const keel_sample sample = {.rows = ROWS, .n = N, .at = at};

static keel_status estimate(const keel_covariance_cfg *cfg, const keel_sample *s, double *packed,
                            keel_covariance_report *report)
{
    keel_err err = {KEEL_OK, ""};
    const keel_status status = keel_covariance_estimate(cfg, s, packed, report, &err);
    cr_assert_eq(status, err.status, "every refusal has its text: %s", err.text);
    cr_assert(status == KEEL_OK || err.text[0] != '\0');
    return status;
}

static keel_covariance_cfg cfg_of(keel_covariance_estimator estimator)
{
    keel_covariance_cfg cfg = KEEL_COVARIANCE_DEFAULTS;
    cfg.estimator = estimator;
    return cfg;
}

Test(covariance, names_and_estimators_are_one_to_one)
{
    for (unsigned k = 0; k < KEEL_COVARIANCE_COUNT; k++) {
        keel_covariance_estimator found = KEEL_COVARIANCE_COUNT;
        const char *name = keel_covariance_name((keel_covariance_estimator)k);
        cr_assert_gt(strlen(name), 0);
        cr_assert_eq(keel_covariance_parse(name, &found), KEEL_OK);
        cr_assert_eq((unsigned)found, k);
    }
    keel_covariance_estimator kept = KEEL_COVARIANCE_OAS;
    cr_assert_eq(keel_covariance_parse("ledoit_wolf", &kept), KEEL_EUNKNOWN);
    cr_assert_eq(keel_covariance_parse("", &kept), KEEL_EUNKNOWN);
    cr_assert_eq(kept, KEEL_COVARIANCE_OAS);
    cr_assert_str_eq(keel_covariance_name(KEEL_COVARIANCE_COUNT), "");
    cr_assert_str_eq(keel_covariance_name(KEEL_COVARIANCE_LEDOIT_WOLF_CONSTANT_CORRELATION),
                     "ledoit_wolf_constant_correlation");
}

Test(covariance, sample_by_hand)
{
    const double two[] = {1, 10, 2, 30, 6, 20};
    double packed[3];
    keel_covariance_report report;
    const keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SAMPLE);
    const keel_sample s = {.rows = 3, .n = 2, .at = two};
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
    cr_assert_float_eq(packed[0], 7, 1e-14);   /* (4 + 1 + 9) / 2 */
    cr_assert_float_eq(packed[1], 5, 1e-14);   /* (20 - 10 + 0) / 2 */
    cr_assert_float_eq(packed[2], 100, 1e-13); /* (100 + 100 + 0) / 2 */
    cr_assert_eq(report.rows, 3);
    cr_assert_eq(report.rows_effective, 3);
    cr_assert_eq(report.shrinkage_frac, 0);
    cr_assert_not(report.repaired);
}

Test(covariance, ewma_is_that_of_the_running_one)
{
    double packed[LEN], running[LEN];
    keel_covariance_report report;
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_EWMA);
    keel_ewma *e = keel_ewma_new(N, 0.9);
    cfg.lambda = 0.9;
    for (int t = 0; t < ROWS; t++)
        cr_assert_eq(keel_ewma_push(e, at + t * N), KEEL_OK);
    cr_assert_eq(keel_ewma_covariance(e, running), KEEL_OK);
    cr_assert_eq(estimate(&cfg, &sample, packed, &report), KEEL_OK);
    for (int k = 0; k < LEN; k++)
        cr_assert_float_eq(packed[k], running[k], 1e-14);
    cr_assert_float_eq(report.rows_effective, keel_ewma_count_effective(e), 1e-12);
    keel_ewma_free(&e);
}

Test(covariance, ewma_may_start_from_a_sample_covariance)
{
    double packed[LEN], expected[LEN], first[LEN];
    keel_covariance_report report;
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SAMPLE);
    const keel_sample start = {.rows = 5, .n = N, .at = at};
    cr_assert_eq(estimate(&cfg, &start, first, &report), KEEL_OK);
    memcpy(expected, first, sizeof expected);
    for (int t = 5; t < ROWS; t++) {
        for (int j = 0; j < N; j++) {
            for (int i = j; i < N; i++) {
                double *s = &expected[keel_sym_at(N, i, j)];
                *s = 0.8 * *s + 0.2 * at[t * N + i] * at[t * N + j];
            }
        }
    }
    cfg = cfg_of(KEEL_COVARIANCE_EWMA);
    cfg.lambda = 0.8;
    cfg.start_rows = 5;
    cr_assert_eq(estimate(&cfg, &sample, packed, &report), KEEL_OK);
    for (int k = 0; k < LEN; k++)
        cr_assert_float_eq(packed[k], expected[k], 1e-14);
    cr_assert_eq(estimate(&cfg, &start, packed, &report), KEEL_OK); /* no row after the start */
    for (int k = 0; k < LEN; k++)
        cr_assert_float_eq(packed[k], first[k], 1e-14);
    cfg.start_rows = 9;
    cr_assert_eq(estimate(&cfg, &sample, packed, &report), KEEL_EUNAVAIL);
}

Test(covariance, semi_counts_what_is_below_only)
{
    const double two[] = {-1, -2, 3, -4, -5, 6, 0, 0};
    double packed[3];
    keel_covariance_report report;
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SEMI);
    const keel_sample s = {.rows = 4, .n = 2, .at = two};
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
    cr_assert_float_eq(packed[0], 26 / 4.0, 1e-14);
    cr_assert_float_eq(packed[1], 2 / 4.0, 1e-14);
    cr_assert_float_eq(packed[2], 20 / 4.0, 1e-14);
    cfg.semi_below = 1;
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
    cr_assert_float_eq(packed[0], (4 + 36 + 1) / 4.0, 1e-14);
    cr_assert_float_eq(packed[1], (2 * 3 + 1) / 4.0, 1e-14);
    cfg.semi_below = -1e100; /* nothing is below */
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
    cr_assert_eq(packed[0], 0);
    cfg.semi_below = 1e100; /* all is, and far */
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
    cr_assert_float_eq(packed[0] / 1e200, 1, 1e-14);
}

/* Gerber et al.: with threshold 0.5, deviations of the first series 2.3, of the second 1.3. */
Test(covariance, gerber_counts_moves_of_both)
{
    double packed[LEN], plain[LEN];
    keel_covariance_report report;
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SAMPLE);
    cr_assert_eq(estimate(&cfg, &sample, plain, &report), KEEL_OK);
    cfg = cfg_of(KEEL_COVARIANCE_GERBER);
    cr_assert_eq(estimate(&cfg, &sample, packed, &report), KEEL_OK);
    /* series 0 moves at 2 -3 4 3 (rows 2 5 6 7), series 1 at 2 1 -1 -2 1 1 (0 2 3 4 5 7);
       rows 2 and 7 agree, 5 does not, only row 1 has neither */
    const double statistic = (2 - 1) / (8 - 1.0);
    cr_assert_float_eq(packed[0], plain[0], 1e-14);
    cr_assert_float_eq(packed[1], statistic * sqrt(plain[0] * plain[3]), 1e-14);
    cr_assert_not(report.repaired);
}

Test(covariance, denoised_is_diagonal_when_nothing_stands_out)
{
    double plain[LEN], packed[LEN];
    keel_covariance_report report;
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SAMPLE);
    cr_assert_eq(estimate(&cfg, &sample, plain, &report), KEEL_OK);
    cfg = cfg_of(KEEL_COVARIANCE_DENOISED); /* the edge for 3 series of 8 rows is 2.6 */
    cr_assert_eq(estimate(&cfg, &sample, packed, &report), KEEL_OK);
    cr_assert_eq(report.factors, 0);
    for (int j = 0; j < N; j++) {
        for (int i = j; i < N; i++) {
            const size_t k = keel_sym_at(N, i, j);
            cr_assert_float_eq(packed[k], i == j ? plain[k] : 0, 1e-14);
        }
    }
}

Test(covariance, denoised_keeps_one_factor)
{
    enum { WIDE = 6, LONG = 200 };
    double rows[LONG * WIDE], plain[WIDE * (WIDE + 1) / 2], packed[WIDE * (WIDE + 1) / 2];
    keel_covariance_report report;
    for (int t = 0; t < LONG; t++) {
        for (int i = 0; i < WIDE; i++) /* a wave, and waves of other lengths of its own each */
            rows[t * WIDE + i] = (i + 1) * (sin(0.3 * t) + sin((0.5 + 0.37 * i) * t));
    }
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SAMPLE);
    const keel_sample s = {.rows = LONG, .n = WIDE, .at = rows};
    cr_assert_eq(estimate(&cfg, &s, plain, &report), KEEL_OK);
    cfg = cfg_of(KEEL_COVARIANCE_DENOISED);
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
    cr_assert_eq(report.factors, 1);
    for (int j = 0; j < WIDE; j++) {
        for (int i = j; i < WIDE; i++) { /* one half is common to all */
            const size_t k = keel_sym_at(WIDE, i, j);
            cr_assert_float_eq(packed[k] / ((i + 1) * (j + 1)), i == j ? 1 : 0.5, 0.02);
        }
    }
}

Test(covariance, shrinks_to_its_target_when_the_target_is_all_there_is)
{
    static const keel_covariance_estimator all[] = {
        KEEL_COVARIANCE_LEDOIT_WOLF_IDENTITY, KEEL_COVARIANCE_LEDOIT_WOLF_CONSTANT_CORRELATION,
        KEEL_COVARIANCE_LEDOIT_WOLF_SINGLE_FACTOR, KEEL_COVARIANCE_OAS};
    const double one[] = {1, 2, 6}, still[] = {5, 5, 5, 5, 5, 5};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        double packed[3];
        keel_covariance_report report;
        const keel_covariance_cfg cfg = cfg_of(all[k]);
        cr_assert_eq(estimate(&cfg, &(keel_sample){.rows = 3, .n = 1, .at = one}, packed, &report),
                     KEEL_OK);
        cr_assert_float_eq(packed[0], 14 / 3.0, 1e-14, "divisor T");
        cr_assert_eq(
            estimate(&cfg, &(keel_sample){.rows = 3, .n = 2, .at = still}, packed, &report),
            KEEL_OK);
        for (int i = 0; i < 3; i++)
            cr_assert_eq(packed[i], 0);
    }
}

Test(covariance, a_series_that_does_not_move_has_exactly_nothing)
{
    double rows[ROWS * N], packed[LEN];
    keel_covariance_report report;
    memcpy(rows, at, sizeof rows);
    for (int t = 0; t < ROWS; t++)
        rows[t * N + 1] = 0.1; /* a sixth of its sum of six is another number */
    for (unsigned k = 0; k < KEEL_COVARIANCE_COUNT; k++) {
        const keel_covariance_cfg cfg = cfg_of((keel_covariance_estimator)k);
        const keel_sample s = {.rows = 6, .n = N, .at = rows};
        cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
        if (k == KEEL_COVARIANCE_EWMA || k == KEEL_COVARIANCE_LEDOIT_WOLF_IDENTITY ||
            k == KEEL_COVARIANCE_OAS)
            continue; /* about 0, or pulled to the mean variance */
        cr_assert_eq(packed[1], 0, "%s", keel_covariance_name(cfg.estimator));
        cr_assert_eq(packed[3], 0, "%s", keel_covariance_name(cfg.estimator));
        cr_assert_eq(packed[4], 0, "%s", keel_covariance_name(cfg.estimator));
    }
}

Test(covariance, common_rows_are_those_without_a_hole)
{
    double with[LEN], without[LEN], rows[ROWS * N], fewer[(ROWS - 2) * N];
    unsigned char present[ROWS * N];
    memset(present, 1, sizeof present);
    memcpy(rows, at, sizeof rows);
    present[2 * N + 1] = 0;
    present[5 * N] = 0;
    rows[2 * N + 1] = NAN; /* not read */
    for (int t = 0, to = 0; t < ROWS; t++) {
        if (t != 2 && t != 5)
            memcpy(fewer + to++ * N, at + t * N, N * sizeof(double));
    }
    for (unsigned k = 0; k < KEEL_COVARIANCE_COUNT; k++) {
        const keel_covariance_cfg cfg = cfg_of((keel_covariance_estimator)k);
        keel_covariance_report report;
        const keel_sample holes = {.rows = ROWS, .n = N, .at = rows, .present = present};
        const keel_sample whole = {.rows = ROWS - 2, .n = N, .at = fewer};
        cr_assert_eq(estimate(&cfg, &holes, with, &report), KEEL_OK);
        cr_assert_eq(report.rows, ROWS - 2);
        cr_assert_eq(estimate(&cfg, &whole, without, &report), KEEL_OK);
        cr_assert_arr_eq(with, without, sizeof with);
    }
}

Test(covariance, pairwise_repairs_what_pairs_contradict)
{
    /* a and b agree where c is away, b and c where a is away, a and c are opposite: impossible */
    const double rows[6 * N] = {1, 1, 0, -1, -1, 0, 0, 1, 1, 0, -1, -1, 1, 0, -1, -1, 0, 1};
    const unsigned char present[6 * N] = {1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1};
    double packed[LEN];
    keel_covariance_report report;
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SAMPLE);
    const keel_sample s = {.rows = 6, .n = N, .at = rows, .present = present};
    cfg.missing = KEEL_MISSING_PAIRWISE;
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
    cr_assert(report.repaired);
    cr_assert_eq(report.rows, 2);
    /* two rows give covariance 2, four give variance 4/3: correlations of 3/2 in size are repaired
       to 1/2, six entries off by 1 */
    cr_assert_float_eq(report.repair.distance, sqrt(6), 1e-7);
    cr_assert_float_eq(packed[1] / sqrt(packed[0] * packed[3]), 0.5, 1e-7);
    cr_assert_float_eq(packed[2] / sqrt(packed[0] * packed[5]), -0.5, 1e-7);
    cr_assert_eq(keel_sym_check_semidefinite(N, packed, KEEL_SEMIDEFINITE_TOLERANCE, NULL),
                 KEEL_OK);
}

Test(covariance, too_few_rows_name_the_series)
{
    const char *names[N] = {"AAA", "BBB", "CCC"};
    unsigned char present[ROWS * N];
    double packed[LEN] = {7};
    keel_err err;
    keel_covariance_report report = {.rows = 77};
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SAMPLE);
    keel_sample s = sample;
    s.present = present;
    s.names = names;
    memset(present, 1, sizeof present);
    for (int t = 1; t < ROWS; t++)
        present[t * N + 1] = 0;
    cr_assert_eq(keel_covariance_estimate(&cfg, &s, packed, &report, &err), KEEL_EUNAVAIL);
    cr_assert_not_null(strstr(err.text, "BBB has the fewest, 1"), "%s", err.text);
    cfg.missing = KEEL_MISSING_PAIRWISE;
    cr_assert_eq(keel_covariance_estimate(&cfg, &s, packed, &report, &err), KEEL_EUNAVAIL);
    cr_assert_str_eq(err.text, "BBB has 1 rows, 2 are needed");
    memset(present, 1, sizeof present);
    for (int t = 0; t < ROWS; t++)
        present[t * N + 1 + t % 2] = 0; /* B and C are never there together */
    for (unsigned k = 0; k < KEEL_COVARIANCE_COUNT; k++) {
        cfg.estimator = (keel_covariance_estimator)k;
        const keel_status status = keel_covariance_estimate(&cfg, &s, packed, &report, &err);
        cr_assert(status == KEEL_EINVAL || strstr(err.text, "BBB and CCC") != NULL, "%s", err.text);
        cr_assert_eq(status, strstr(err.text, "needs rows") ? KEEL_EINVAL : KEEL_EUNAVAIL);
    }
    s.names = NULL;
    cfg.estimator = KEEL_COVARIANCE_GERBER;
    cr_assert_eq(keel_covariance_estimate(&cfg, &s, packed, &report, &err), KEEL_EUNAVAIL);
    cr_assert_str_eq(err.text, "series 1 and series 2 have 0 rows in common, 2 are needed");
    cr_assert_eq(packed[0], 7);
    cr_assert_eq(report.rows, 77);
}

Test(covariance, rows_that_faded_away_are_too_few)
{
    enum { LONG = 1500 };
    static double rows[LONG * 2];
    static unsigned char present[LONG * 2];
    double packed[3];
    keel_covariance_report report;
    keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_EWMA);
    for (int k = 0; k < LONG * 2; k++) {
        rows[k] = sin(k);
        present[k] = k < 8 || k % 2 == 0; /* the second ends after four rows */
    }
    const keel_sample s = {.rows = LONG, .n = 2, .at = rows, .present = present};
    cfg.missing = KEEL_MISSING_PAIRWISE;
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
    cfg.lambda = 0.5;
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_EUNAVAIL);
}

Test(covariance, refuses_configurations)
{
    static const struct {
        keel_covariance_cfg cfg;
        keel_status status;
    } rows[] = {
        {{KEEL_COVARIANCE_COUNT, KEEL_MISSING_COMMON, 2, 0.9, 0, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_SAMPLE, (keel_missing)2, 2, 0.9, 0, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_SAMPLE, KEEL_MISSING_COMMON, 1, 0.9, 0, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_SAMPLE, KEEL_MISSING_COMMON, 9, 0.9, 0, 0, 0.5}, KEEL_EUNAVAIL},
        {{KEEL_COVARIANCE_EWMA, KEEL_MISSING_COMMON, 2, 0, 0, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_EWMA, KEEL_MISSING_COMMON, 2, 1, 0, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_EWMA, KEEL_MISSING_COMMON, 2, NAN, 0, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_EWMA, KEEL_MISSING_COMMON, 2, 0.9, 1, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_EWMA, KEEL_MISSING_COMMON, 2, 0.9, -2, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_EWMA, KEEL_MISSING_PAIRWISE, 2, 0.9, 4, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_SEMI, KEEL_MISSING_COMMON, 2, 0.9, 0, NAN, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_SEMI, KEEL_MISSING_COMMON, 2, 0.9, 0, 1e101, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_GERBER, KEEL_MISSING_COMMON, 2, 0.9, 0, 0, -1}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_GERBER, KEEL_MISSING_COMMON, 2, 0.9, 0, 0, NAN}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_OAS, KEEL_MISSING_PAIRWISE, 2, 0.9, 0, 0, 0.5}, KEEL_EINVAL},
        {{KEEL_COVARIANCE_DENOISED, KEEL_MISSING_PAIRWISE, 2, 0.9, 0, 0, 0.5}, KEEL_EINVAL},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        double packed[LEN] = {7};
        keel_covariance_report report = {.rows = 77};
        cr_assert_eq(estimate(&rows[k].cfg, &sample, packed, &report), rows[k].status, "row %zu",
                     k);
        cr_assert_eq(packed[0], 7);
        cr_assert_eq(report.rows, 77);
    }
}

Test(covariance, refuses_samples)
{
    double rows[ROWS * N], packed[LEN] = {7};
    const double bad[] = {NAN, INFINITY, -INFINITY, 1.1e100};
    keel_covariance_report report;
    const keel_covariance_cfg cfg = cfg_of(KEEL_COVARIANCE_SAMPLE);
    keel_sample s = {.rows = ROWS, .n = N, .at = rows};
    for (int k = 0; k < 4; k++) {
        memcpy(rows, at, sizeof rows);
        rows[11] = bad[k];
        cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_ENONFINITE);
    }
    s.n = 0;
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_EINVAL);
    s = (keel_sample){.rows = -1, .n = N, .at = rows};
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_EINVAL);
    s = (keel_sample){.rows = ROWS, .n = KEEL_SAMPLE_N_MAX + 1, .at = rows};
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_ETOOBIG);
    s = (keel_sample){.rows = KEEL_SAMPLE_ROWS_MAX + 1, .n = N, .at = rows};
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_ETOOBIG);
    s = (keel_sample){.rows = 0, .n = N, .at = rows};
    cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_EUNAVAIL);
    cr_assert_eq(packed[0], 7);
    cr_assert_eq(keel_covariance_estimate(&cfg, &s, packed, &report, NULL), KEEL_EUNAVAIL);
}

Test(covariance, numbers_of_any_size_stay_finite)
{
    static const double sizes[] = {1e100, 1e-100, 1e-160, 1e-300};
    for (unsigned k = 0; k < KEEL_COVARIANCE_COUNT; k++) {
        for (int z = 0; z < 4; z++) {
            double rows[ROWS * N], packed[LEN];
            keel_covariance_report report;
            const keel_covariance_cfg cfg = cfg_of((keel_covariance_estimator)k);
            const keel_sample s = {.rows = ROWS, .n = N, .at = rows};
            for (int i = 0; i < ROWS * N; i++)
                rows[i] = at[i] / 4 * sizes[z];
            cr_assert_eq(estimate(&cfg, &s, packed, &report), KEEL_OK);
            for (int i = 0; i < LEN; i++)
                cr_assert(isfinite(packed[i]));
            cr_assert(packed[0] > 0 || sizes[z] < 1e-150);
            cr_assert(report.shrinkage_frac >= 0 && report.shrinkage_frac <= 1);
        }
    }
}
