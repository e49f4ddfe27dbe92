/* covariance_internal.h - what covariance*.c share: each estimator writes the covariance of series
 * that are scaled already (sample_internal.h), and its part of the report. */
#ifndef KEEL_COMMON_NUM_STATS_COVARIANCE_INTERNAL_H
#define KEEL_COMMON_NUM_STATS_COVARIANCE_INTERNAL_H

#include "common/num/stats/covariance.h"
#include "common/num/stats/sample_internal.h"

typedef struct covariance_work {
    const keel_covariance_cfg *cfg;
    const keel_sample *sample; /* for names */
    sample_series series;      /* an estimator may change them */
    double *packed;            /* the answer, n(n+1)/2 */
    keel_covariance_report *report;
    keel_err *err;
} covariance_work;

/* Packed sum of v_t v_t' / divisor of series v (ld = rows). */
void covariance_gram(int rows, int n, const double *v, double divisor, double *packed);

/* Series without holes. */
keel_status covariance_sample(covariance_work *w);
keel_status covariance_ewma(covariance_work *w);
keel_status covariance_semi(covariance_work *w);
keel_status covariance_shrunk(covariance_work *w); /* the three of Ledoit and Wolf, and oas */
keel_status covariance_denoised(covariance_work *w);
keel_status covariance_gerber(covariance_work *w); /* with holes too */

/* Series with holes: sample, ewma, semi. */
keel_status covariance_pairwise(covariance_work *w);

/* Packed numbers of rows that both series have, from the masks; KEEL_EUNAVAIL names the pair that
 * has fewer than cfg->rows_min. Sets report->rows. */
keel_status covariance_pair_rows(covariance_work *w, double *counts);

/* d = min(x - semi_below, 0), 0 in a hole. */
void covariance_below(covariance_work *w);

#endif
