#include "common/base/rng.h"
#include "common/num/la/sym.h"
#include "common/num/stats/ewma.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 5, ROWS = 300, LEN = N * (N + 1) / 2, BYTES = 4096 };

static void draw(keel_rng *rng, double *row)
{
    for (int i = 0; i < N; i++)
        row[i] = 0.01 * keel_rng_normal(rng);
}

Test(ewma, equals_the_weighted_sum_of_its_definition)
{
    static double rows[ROWS][N];
    const double lambdas[] = {0.5, 0.94, 0.999};
    keel_rng rng = keel_rng_seeded(3);
    for (int t = 0; t < ROWS; t++)
        draw(&rng, rows[t]);
    for (size_t k = 0; k < 3; k++) {
        keel_ewma *e = keel_ewma_new(N, lambdas[k]);
        for (int t = 0; t < ROWS; t++) {
            double packed[LEN], weights = 0, squares = 0, sum = 0;
            cr_assert_eq(keel_ewma_push(e, rows[t]), KEEL_OK);
            cr_assert_eq(keel_ewma_covariance(e, packed), KEEL_OK);
            for (int s = 0; s <= t; s++) {
                const double w = pow(lambdas[k], t - s);
                weights += w;
                squares += w * w;
                sum += w * rows[s][1] * rows[s][3];
            }
            cr_assert_float_eq(packed[keel_sym_at(N, 3, 1)], sum / weights, 1e-16);
            cr_assert_float_eq(keel_ewma_count_effective(e), weights * weights / squares, 1e-8);
            cr_assert_eq(keel_ewma_count(e), (uint64_t)t + 1);
        }
        keel_ewma_free(&e);
        cr_assert_null(e);
        keel_ewma_free(&e);
    }
}

Test(ewma, the_first_row_alone_is_its_own_moment)
{
    double packed[3];
    keel_ewma *e = keel_ewma_new(2, 0.97);
    cr_assert_eq(keel_ewma_covariance(e, packed), KEEL_EUNAVAIL);
    cr_assert_float_eq(keel_ewma_count_effective(e), 0, 0);
    cr_assert_eq(keel_ewma_push(e, (double[]){2, -3}), KEEL_OK);
    cr_assert_eq(keel_ewma_covariance(e, packed), KEEL_OK);
    cr_assert_float_eq(packed[0], 4, 0);
    cr_assert_float_eq(packed[1], -6, 0);
    cr_assert_float_eq(packed[2], 9, 0);
    keel_ewma_reset(e);
    cr_assert_eq(keel_ewma_count(e), 0);
    cr_assert_eq(keel_ewma_covariance(e, packed), KEEL_EUNAVAIL);
    keel_ewma_free(&e);
}

Test(ewma, effective_count_tends_to_its_limit)
{
    keel_ewma *e = keel_ewma_new(1, 0.9);
    for (int t = 0; t < 500; t++)
        cr_assert_eq(keel_ewma_push(e, (double[]){1}), KEEL_OK);
    cr_assert_float_eq(keel_ewma_count_effective(e), 1.9 / 0.1, 1e-12);
    keel_ewma_free(&e);
}

Test(ewma, continues_to_the_bit_after_save_and_load)
{
    static uint8_t bytes[BYTES], again[BYTES];
    size_t len, len_again;
    keel_rng rng = keel_rng_seeded(8);
    double row[N];
    keel_ewma *a = keel_ewma_new(N, 0.97), *b = keel_ewma_new(N, 0.97);
    for (int t = 0; t < 60; t++) {
        draw(&rng, row);
        cr_assert_eq(keel_ewma_save(a, bytes, sizeof bytes, &len), KEEL_OK);
        cr_assert_eq(keel_ewma_load(b, bytes, len), KEEL_OK);
        cr_assert_eq(keel_ewma_push(a, row), KEEL_OK);
        cr_assert_eq(keel_ewma_push(b, row), KEEL_OK);
        cr_assert_eq(keel_ewma_save(a, bytes, sizeof bytes, &len), KEEL_OK);
        cr_assert_eq(keel_ewma_save(b, again, sizeof again, &len_again), KEEL_OK);
        cr_assert_eq(len, len_again);
        cr_assert_arr_eq(bytes, again, len);
    }
    keel_ewma_free(&a);
    keel_ewma_free(&b);
}

Test(ewma, refuses_bytes_that_are_not_its_own_and_keeps_its_state)
{
    static uint8_t bytes[BYTES], before[BYTES], after[BYTES];
    size_t len, len_before, len_after;
    keel_ewma *a = keel_ewma_new(2, 0.97), *b = keel_ewma_new(2, 0.97);
    keel_ewma *other = keel_ewma_new(2, 0.96), *wider = keel_ewma_new(3, 0.97);
    cr_assert_eq(keel_ewma_push(a, (double[]){1, 2}), KEEL_OK);
    cr_assert_eq(keel_ewma_push(b, (double[]){5, 6}), KEEL_OK);
    cr_assert_eq(keel_ewma_save(a, bytes, sizeof bytes, &len), KEEL_OK);
    cr_assert_eq(keel_ewma_save(b, before, sizeof before, &len_before), KEEL_OK);
    cr_assert_eq(keel_ewma_load(other, bytes, len), KEEL_EFORMAT);
    cr_assert_eq(keel_ewma_load(wider, bytes, len), KEEL_EFORMAT);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(keel_ewma_load(b, bytes, cut), KEEL_EFORMAT, "cut at %zu", cut);
    memset(bytes + len - 8, 0xff, 8);
    cr_assert_eq(keel_ewma_load(b, bytes, len), KEEL_EFORMAT);
    cr_assert_eq(keel_ewma_save(b, after, sizeof after, &len_after), KEEL_OK);
    cr_assert_eq(len_before, len_after);
    cr_assert_arr_eq(before, after, len_after);
    cr_assert_eq(keel_ewma_save(b, after, 3, &len_after), KEEL_ENOSPC);
    cr_assert_eq(len_after, len_before);
    keel_ewma_free(&a);
    keel_ewma_free(&b);
    keel_ewma_free(&other);
    keel_ewma_free(&wider);
}

Test(ewma, refuses_sums_that_no_rows_make)
{
    static const struct {
        size_t at;
        double value;
    } cases[] = {{24, 0.5}, {24, 1e9}, {32, 0.5}, {32, 7.0}, {40, -1.0}, {48, 1e300}, {56, -1.0}};
    static uint8_t bytes[BYTES];
    size_t len;
    keel_ewma *e = keel_ewma_new(2, 0.97);
    cr_assert_eq(keel_ewma_push(e, (double[]){1, 2}), KEEL_OK);
    cr_assert_eq(keel_ewma_push(e, (double[]){-3, 1}), KEEL_OK);
    cr_assert_eq(keel_ewma_save(e, bytes, sizeof bytes, &len), KEEL_OK);
    cr_assert_eq(len, 40 + 3 * 8);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bad[64];
        memcpy(bad, bytes, len);
        memcpy(bad + cases[i].at, &cases[i].value, 8);
        cr_assert_eq(keel_ewma_load(e, bad, len), KEEL_EFORMAT, "case %zu", i);
    }
    cr_assert_eq(keel_ewma_load(e, bytes, len), KEEL_OK);
    keel_ewma_free(&e);
}

Test(ewma, refuses_rows_and_shapes_it_cannot_use)
{
    const double bad_lambda[] = {0, 1, -0.5, 1.5, NAN};
    for (size_t k = 0; k < sizeof bad_lambda / sizeof bad_lambda[0]; k++)
        cr_assert_null(keel_ewma_new(2, bad_lambda[k]));
    cr_assert_null(keel_ewma_new(0, 0.9));
    cr_assert_null(keel_ewma_new(KEEL_EWMA_N_MAX + 1, 0.9));
    keel_ewma *e = keel_ewma_new(2, 0.9);
    cr_assert_eq(keel_ewma_push(e, (double[]){1, NAN}), KEEL_ENONFINITE);
    cr_assert_eq(keel_ewma_push(e, (double[]){INFINITY, 1}), KEEL_ENONFINITE);
    cr_assert_eq(keel_ewma_push(e, (double[]){1, -1e101}), KEEL_ENONFINITE);
    cr_assert_eq(keel_ewma_count(e), 0);
    keel_ewma_free(&e);
}
