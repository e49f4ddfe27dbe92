/* nearest.h - the correlation matrix nearest to a symmetric matrix that is none.
 *
 * ROOM     common/num/la. Pure numbers.
 * MODEL    minimise |A - X|_F  subject to  X positive semidefinite, X_ii = 1,
 *          by alternating projections: onto the cone (negative eigenvalues become 0) and onto the
 *          matrices of unit diagonal, with Dykstra's correction of the first, without which they
 *          would end at some common point and not at the nearest. The objective is convex and the
 *          set closed and convex, so the answer is unique. With eigen_min > 0 the cone is
 *          X - eigen_min I semidefinite.
 *          A covariance is scaled to correlation, repaired and scaled back: variances are kept.
 *          Source: N. Higham, Computing the nearest correlation matrix: a problem from finance,
 *          IMA J. Numer. Anal. 22 (2002); eigen_min: N. Higham, N. Strabic, Anderson acceleration
 *          of the alternating projections method, Numer. Algorithms 72 (2016), section 3.
 * SHAPE    Packed lower triangles (sym.h).
 * MEMORY   Cold path: working memory of about 6 n^2 doubles is taken and given back.
 * THREADS  any, after keel_la_init().
 */
#ifndef KEEL_COMMON_NUM_LA_NEAREST_H
#define KEEL_COMMON_NUM_LA_NEAREST_H

#include "common/base/status.h"

typedef struct keel_nearest_cfg {
    double eigen_min;   /* 0 <= . < 1; above 0 the answer is positive definite */
    double tolerance;   /* relative change of an iteration that ends them, > 0 */
    int iterations_max; /* >= 1 */
} keel_nearest_cfg;

/* 1e-9 is far below what a correlation of any length of data is known to; linear convergence takes
 * 20 to 200 iterations to it. */
#define KEEL_NEAREST_DEFAULTS                                                                      \
    (keel_nearest_cfg)                                                                             \
    {                                                                                              \
        0, 1e-9, 1000                                                                              \
    }

typedef enum keel_nearest_outcome {
    KEEL_NEAREST_FOUND,
    KEEL_NEAREST_ITERATION_LIMIT, /* the matrix written is a correlation, but not the nearest */
} keel_nearest_outcome;

typedef struct keel_nearest {
    keel_nearest_outcome outcome;
    int iterations;  /* 0: it was a correlation matrix and is unchanged */
    double distance; /* |A - X|_F, both triangles, of the correlation form */
} keel_nearest;

/* Replace a packed symmetric matrix by the nearest correlation matrix: diagonal exactly 1,
 * smallest eigenvalue at least eigen_min up to rounding and tolerance.
 *   KEEL_EINVAL     cfg
 *   KEEL_ETOOBIG    n above KEEL_EIGEN_N_MAX
 *   KEEL_ENONFINITE an entry is NaN or infinite
 *   KEEL_ERANGE     an entry is beyond +-1e6
 * Outputs are untouched by a refusal. Cost about 10 n^3 an iteration. */
KEEL_MUST_CHECK keel_status keel_nearest_correlation(int n, double *packed,
                                                     const keel_nearest_cfg *cfg,
                                                     keel_nearest *out);

/* The same for a covariance; variances are kept, covariances with a variance of 0 become 0.
 *   KEEL_ERANGE     a variance is negative, or a correlation beyond +-1e6 */
KEEL_MUST_CHECK keel_status keel_nearest_covariance(int n, double *packed,
                                                    const keel_nearest_cfg *cfg, keel_nearest *out);

#endif
