/* sample_internal.h - rows checked and turned into series, for the estimators of this room. */
#ifndef KEEL_COMMON_NUM_STATS_SAMPLE_INTERNAL_H
#define KEEL_COMMON_NUM_STATS_SAMPLE_INTERNAL_H

#include "common/num/stats/sample.h"

#include <stddef.h>

/* The rows to estimate from, series by series, scaled by a power of two so that the largest number
 * is in [1/2, 1): fourth powers then neither overflow nor vanish, and no digit is changed. */
typedef struct sample_series {
    int rows, n;
    double *x;    /* series i at x + i * rows; 0 in a hole; owned */
    double *mask; /* 1 = there, 0 = hole; NULL: no hole; owned */
    int *row_of;  /* rows numbers: which row of the sample; owned */
    int exponent; /* the sample is x * 2^exponent */
} sample_series;

/* Check the sample and gather it under the rule. End with sample_fini in every case.
 *   KEEL_EINVAL     n < 1, rows < 0, a rule outside the enum
 *   KEEL_ETOOBIG    n or rows beyond the maximum
 *   KEEL_ENONFINITE a number that is there is not finite or beyond +-1e100
 *   KEEL_EUNAVAIL   fewer than rows_min rows (COMMON), or of any one series (PAIRWISE) */
KEEL_MUST_CHECK keel_status sample_gather(const keel_sample *sample, keel_missing missing,
                                          int rows_min, sample_series *out, keel_err *err);
void sample_fini(sample_series *series);

/* Name of a series for a refusal, in a buffer of SAMPLE_NAME_MAX or the sample's own text. */
enum { SAMPLE_NAME_MAX = 32 };
const char *sample_name(const keel_sample *sample, int i, char *buffer);

/* Rows in which series i is there, and their mean. */
int sample_count(const sample_series *series, int i);
double sample_mean(const sample_series *series, int i);

/* lambda^age of each row, the last being of age 0. */
void sample_decay(int rows, double lambda, double *weights);

/* Below it, products of a sum of weights and numbers lose their digits: all rows are too old. */
#define SAMPLE_WEIGHT_MIN 1e-200

/* Scale by 2^exponent instead, if that is more: for numbers that another one is compared with. */
void sample_rescale(sample_series *series, int exponent);

/* Take each series' mean from it. One that does not move but for rounding becomes exactly 0. */
void sample_center(sample_series *series);

#endif
