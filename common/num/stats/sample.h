/* sample.h - rows of several series as estimators take them, with holes.
 *
 * ROOM     common/num/stats. Pure numbers.
 * SHAPE    n series, rows of n doubles, oldest first: (t,i) at t * n + i. A hole is a 0 in
 *          `present`; the number there is not read. Every number that is read must be finite and
 *          within +-1e100.
 */
#ifndef KEEL_COMMON_NUM_STATS_SAMPLE_H
#define KEEL_COMMON_NUM_STATS_SAMPLE_H

#include "common/base/status.h"

enum {
    KEEL_SAMPLE_N_MAX = 2048,
    KEEL_SAMPLE_ROWS_MAX = 131072, /* fifteen years of hours */
};

typedef struct keel_sample {
    int rows, n;
    const double *at;             /* rows * n numbers; borrowed for the call */
    const unsigned char *present; /* the same shape; NULL: no hole */
    const char *const *names;     /* n, for the text of a refusal; NULL: "series 3" */
} keel_sample;

/* What becomes of a row with a hole. */
typedef enum keel_missing {
    KEEL_MISSING_COMMON,   /* it is left out: only rows where every series is there */
    KEEL_MISSING_PAIRWISE, /* each number uses all rows where the series it is about are there */
} keel_missing;

#endif
