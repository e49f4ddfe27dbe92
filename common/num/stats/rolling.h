/* rolling.h - covariance of the last W rows of n series, kept as rows come and go.
 *
 * ROOM     common/num/stats. Pure numbers.
 * MODEL    m = (1/k) sum x_t,  C = sum (x_t - m)(x_t - m)' over the k <= W rows held,
 *          covariance = C / (k - 1).
 *          A row that joins, or takes the place of the one that leaves, changes C by a fused
 *          update of rank two or three (Welford 1962, Chan, Golub and LeVeque 1983); after each W
 *          replacements C is computed again from the rows held, so that rounding cannot pile up.
 *          The moment of that rebuild follows from the number of pushes alone.
 *          Source: T. Chan, G. Golub, R. LeVeque, Algorithms for computing the sample variance:
 *          analysis and recommendations, The American Statistician 37 (1983).
 * SHAPE    n series, rows of n doubles. Symmetric matrices are packed lower triangles by columns:
 *          (i,j), i >= j, at j*(2n - j - 1)/2 + i.
 * MEMORY   keel_rolling_new takes n*W + n*n/2 doubles; no later call allocates.
 * THREADS  one thread per object. Same rows, same build, same bytes, also across save and load.
 */
#ifndef KEEL_COMMON_NUM_STATS_ROLLING_H
#define KEEL_COMMON_NUM_STATS_ROLLING_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    KEEL_ROLLING_N_MAX = 512,
    KEEL_ROLLING_ROWS_MAX = 8784, /* a leap year of hours */
};

typedef struct keel_rolling keel_rolling;

/* n series (1..KEEL_ROLLING_N_MAX), window of `rows` rows (2..KEEL_ROLLING_ROWS_MAX). NULL: out of
 * range. Owned; end with keel_rolling_free (safe on NULL and twice). */
KEEL_MUST_CHECK keel_rolling *keel_rolling_new(int n, int rows);
void keel_rolling_free(keel_rolling **rolling);

/* Take one row of n numbers; the oldest leaves when the window is full.
 * KEEL_ENONFINITE, state unchanged: a number is NaN, infinite or beyond +-1e100 (whose squares
 * would not be finite). Cost: n^2 multiply-adds, and once in W rows W times that. */
KEEL_MUST_CHECK keel_status keel_rolling_push(keel_rolling *rolling, const double *row);

/* Rows held, 0..W. Equal weights: this is the effective count too. */
int keel_rolling_count(const keel_rolling *rolling);

/* The means, n numbers; valid until the next push, load, reset or free. 0 while count is 0. */
const double *keel_rolling_mean(const keel_rolling *rolling);

/* Write the packed covariance, n(n+1)/2 numbers, diagonal >= 0.
 * KEEL_EUNAVAIL, `packed` untouched: fewer than 2 rows. Cost: n^2 / 2. */
KEEL_MUST_CHECK keel_status keel_rolling_covariance(const keel_rolling *rolling, double *packed);

/* Forget all rows. */
void keel_rolling_reset(keel_rolling *rolling);

/* Flat little-endian snapshot, versioned; the next outputs after load are the same to the bit.
 * save: KEEL_ENOSPC, *len = bytes needed (buf may be NULL to ask).
 * load: KEEL_EFORMAT on another version, n or window, or corrupt bytes; state unchanged. */
KEEL_MUST_CHECK keel_status keel_rolling_save(const keel_rolling *rolling, uint8_t *buf, size_t cap,
                                              size_t *len);
KEEL_MUST_CHECK keel_status keel_rolling_load(keel_rolling *rolling, const uint8_t *buf,
                                              size_t len);

#endif
