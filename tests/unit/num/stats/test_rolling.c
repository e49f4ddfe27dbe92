/* CO02: the covariance of the window is that of the rows in it, whatever came before. */
#include "common/base/rng.h"
#include "common/num/la/sym.h"
#include "common/num/stats/moments.h"
#include "common/num/stats/rolling.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 7, W = 20, ROWS = 500, LEN = N * (N + 1) / 2, BYTES = 1 << 16 };

static double rows[ROWS][N];

static void fill(uint64_t seed, double scale)
{
    keel_rng rng = keel_rng_seeded(seed);
    for (int t = 0; t < ROWS; t++) {
        const double common = keel_rng_normal(&rng);
        for (int i = 0; i < N; i++)
            rows[t][i] = scale * (0.5 + common + keel_rng_normal(&rng));
    }
}

static void expect_window(const keel_rolling *r, int first, int count, double tolerance)
{
    double packed[LEN];
    cr_assert_eq(keel_rolling_count(r), count);
    cr_assert_eq(keel_rolling_covariance(r, packed), KEEL_OK);
    for (int j = 0; j < N; j++) {
        cr_assert_float_eq(keel_rolling_mean(r)[j], keel_mean(count, &rows[first][j], N),
                           tolerance);
        for (int i = j; i < N; i++)
            cr_assert_float_eq(packed[keel_sym_at(N, i, j)],
                               keel_covariance(count, &rows[first][i], &rows[first][j], N),
                               tolerance, "rows %d..%d entry %d,%d", first, first + count, i, j);
    }
}

Test(rolling, holds_the_sample_covariance_of_the_last_rows)
{
    fill(11, 1);
    keel_rolling *r = keel_rolling_new(N, W);
    for (int t = 0; t < ROWS; t++) {
        const int count = t + 1 < W ? t + 1 : W;
        cr_assert_eq(keel_rolling_push(r, rows[t]), KEEL_OK);
        if (count >= 2)
            expect_window(r, t + 1 - count, count, 1e-12);
    }
    keel_rolling_free(&r);
    cr_assert_null(r);
    keel_rolling_free(&r);
}

Test(rolling, forgets_a_wild_regime_that_left_the_window)
{
    fill(12, 1);
    for (int t = 0; t < 100; t++) {
        for (int i = 0; i < N; i++)
            rows[t][i] *= 1e6;
    }
    keel_rolling *r = keel_rolling_new(N, W);
    for (int t = 0; t < 100 + 2 * W; t++)
        cr_assert_eq(keel_rolling_push(r, rows[t]), KEEL_OK);
    /* at most W rows after the last wild one has left, the rebuild has removed its rounding */
    expect_window(r, 100 + W, W, 1e-12);
    keel_rolling_free(&r);
}

Test(rolling, scaling_the_rows_scales_the_covariance_by_the_square)
{
    double one[LEN], scaled[LEN];
    keel_rolling *a = keel_rolling_new(N, W), *b = keel_rolling_new(N, W);
    fill(13, 1);
    for (int t = 0; t < 90; t++) {
        double row[N];
        for (int i = 0; i < N; i++)
            row[i] = 0.25 * rows[t][i];
        cr_assert_eq(keel_rolling_push(a, rows[t]), KEEL_OK);
        cr_assert_eq(keel_rolling_push(b, row), KEEL_OK);
    }
    cr_assert_eq(keel_rolling_covariance(a, one), KEEL_OK);
    cr_assert_eq(keel_rolling_covariance(b, scaled), KEEL_OK);
    for (int k = 0; k < LEN; k++)
        cr_assert_float_eq(scaled[k], one[k] / 16, 0); /* a power of two: exact */
    keel_rolling_free(&a);
    keel_rolling_free(&b);
}

Test(rolling, continues_to_the_bit_after_save_and_load)
{
    static uint8_t bytes[BYTES], again[BYTES];
    size_t len, len_again;
    fill(14, 1);
    for (int stop = 0; stop < 75; stop += 5) {
        keel_rolling *a = keel_rolling_new(N, W), *b = keel_rolling_new(N, W);
        for (int t = 0; t < stop; t++)
            cr_assert_eq(keel_rolling_push(a, rows[t]), KEEL_OK);
        cr_assert_eq(keel_rolling_save(a, bytes, sizeof bytes, &len), KEEL_OK);
        cr_assert_eq(keel_rolling_load(b, bytes, len), KEEL_OK);
        for (int t = stop; t < stop + 60; t++) {
            cr_assert_eq(keel_rolling_push(a, rows[t]), KEEL_OK);
            cr_assert_eq(keel_rolling_push(b, rows[t]), KEEL_OK);
        }
        cr_assert_eq(keel_rolling_save(a, bytes, sizeof bytes, &len), KEEL_OK);
        cr_assert_eq(keel_rolling_save(b, again, sizeof again, &len_again), KEEL_OK);
        cr_assert_eq(len, len_again);
        cr_assert_arr_eq(bytes, again, len, "stopped after %d rows", stop);
        keel_rolling_free(&a);
        keel_rolling_free(&b);
    }
}

Test(rolling, refuses_bytes_that_are_not_its_own_and_keeps_its_state)
{
    static uint8_t bytes[BYTES], before[BYTES], after[BYTES];
    size_t len, len_before, len_after;
    fill(15, 1);
    keel_rolling *a = keel_rolling_new(N, W), *b = keel_rolling_new(N, W);
    keel_rolling *wider = keel_rolling_new(N + 1, W), *longer = keel_rolling_new(N, W + 1);
    for (int t = 0; t < W + 3; t++)
        cr_assert_eq(keel_rolling_push(a, rows[t]), KEEL_OK);
    cr_assert_eq(keel_rolling_push(b, rows[9]), KEEL_OK);
    cr_assert_eq(keel_rolling_save(a, bytes, sizeof bytes, &len), KEEL_OK);
    cr_assert_eq(keel_rolling_save(b, before, sizeof before, &len_before), KEEL_OK);
    cr_assert_eq(keel_rolling_load(wider, bytes, len), KEEL_EFORMAT);
    cr_assert_eq(keel_rolling_load(longer, bytes, len), KEEL_EFORMAT);
    for (size_t cut = 0; cut < len; cut += 7)
        cr_assert_eq(keel_rolling_load(b, bytes, cut), KEEL_EFORMAT, "cut at %zu", cut);
    for (size_t at = 0; at < 24; at++) { /* every byte of the header matters */
        bytes[at] ^= 0x80;
        cr_assert_eq(keel_rolling_load(b, bytes, len), KEEL_EFORMAT, "byte %zu", at);
        bytes[at] ^= 0x80;
    }
    memset(bytes + len - 8, 0xff, 8); /* a NaN */
    cr_assert_eq(keel_rolling_load(b, bytes, len), KEEL_EFORMAT);
    cr_assert_eq(keel_rolling_save(b, after, sizeof after, &len_after), KEEL_OK);
    cr_assert_eq(len_after, len_before);
    cr_assert_arr_eq(after, before, len_before);
    keel_rolling_free(&a);
    keel_rolling_free(&b);
    keel_rolling_free(&wider);
    keel_rolling_free(&longer);
}

Test(rolling, refuses_numbers_from_which_a_push_would_leave_the_doubles)
{
    static uint8_t bytes[BYTES];
    size_t len;
    fill(15, 1);
    keel_rolling *r = keel_rolling_new(N, W);
    for (int t = 0; t < W + 3; t++)
        cr_assert_eq(keel_rolling_push(r, rows[t]), KEEL_OK);
    cr_assert_eq(keel_rolling_save(r, bytes, sizeof bytes, &len), KEEL_OK);
    const struct {
        size_t at;
        double value;
    } cases[] = {{24, 1e101}, {24 + 8 * N, -1e300}, {len - 8, 1e101}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double good;
        memcpy(&good, bytes + cases[i].at, 8);
        memcpy(bytes + cases[i].at, &cases[i].value, 8);
        cr_assert_eq(keel_rolling_load(r, bytes, len), KEEL_EFORMAT, "case %zu", i);
        memcpy(bytes + cases[i].at, &good, 8);
    }
    cr_assert_eq(keel_rolling_load(r, bytes, len), KEEL_OK);
    keel_rolling_free(&r);
}

Test(rolling, says_how_much_room_a_snapshot_needs)
{
    uint8_t small[8];
    size_t len = 0;
    keel_rolling *r = keel_rolling_new(2, 3);
    cr_assert_eq(keel_rolling_save(r, NULL, 0, &len), KEEL_ENOSPC);
    cr_assert_eq(len, 24 + 8 * (2 + 3));
    cr_assert_eq(keel_rolling_save(r, small, sizeof small, &len), KEEL_ENOSPC);
    keel_rolling_free(&r);
}

Test(rolling, refuses_rows_and_shapes_it_cannot_use)
{
    const struct {
        int n, rows;
    } shapes[] = {{0, 5}, {KEEL_ROLLING_N_MAX + 1, 5}, {3, 1}, {3, KEEL_ROLLING_ROWS_MAX + 1}};
    const double bad[] = {NAN, INFINITY, -INFINITY, 1e101};
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
        cr_assert_null(keel_rolling_new(shapes[k].n, shapes[k].rows));
    keel_rolling *r = keel_rolling_new(2, 3);
    double packed[3] = {7, 7, 7};
    cr_assert_eq(keel_rolling_covariance(r, packed), KEEL_EUNAVAIL);
    cr_assert_eq(keel_rolling_push(r, (double[]){1, 2}), KEEL_OK);
    cr_assert_eq(keel_rolling_covariance(r, packed), KEEL_EUNAVAIL);
    cr_assert_float_eq(packed[0], 7, 0);
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
        cr_assert_eq(keel_rolling_push(r, (double[]){1, bad[k]}), KEEL_ENONFINITE);
    cr_assert_eq(keel_rolling_count(r), 1);
    cr_assert_eq(keel_rolling_push(r, (double[]){3, 2}), KEEL_OK);
    cr_assert_eq(keel_rolling_covariance(r, packed), KEEL_OK);
    cr_assert_float_eq(packed[0], 2, 0);
    cr_assert_float_eq(packed[2], 0, 0);
    keel_rolling_reset(r);
    cr_assert_eq(keel_rolling_count(r), 0);
    cr_assert_float_eq(keel_rolling_mean(r)[0], 0, 0);
    keel_rolling_free(&r);
}
