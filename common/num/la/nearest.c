#include "common/num/la/nearest.h"

#include "common/base/mem.h"
#include "common/num/la/eigen.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"

#include <math.h>
#include <string.h>

#define ENTRY_MAX    1e6   /* squares of n^2 of them stay exact enough to compare */
#define ALREADY_GOOD 1e-12 /* an eigenvalue this far below the least one is rounding */

/* All packed. Dykstra: `shifted` = y less the last correction, x = its projection onto the cone. */
typedef struct walk {
    int n;
    size_t len;
    double eigen_min;
    double *dense, *values;                /* n x n and n: the decomposition */
    double *given, *x, *y, *shifted, *old; /* old: the x before */
} walk;

static void walk_init(walk *w, int n, double eigen_min, const double *packed)
{
    *w = (walk){.n = n, .len = keel_sym_len(n), .eigen_min = eigen_min};
    w->dense = keel_xcalloc((size_t)n * (size_t)n, sizeof(double));
    w->values = keel_xcalloc((size_t)n, sizeof(double));
    w->given = keel_xcalloc(5 * w->len, sizeof(double));
    w->x = w->given + w->len;
    w->y = w->x + w->len;
    w->shifted = w->y + w->len;
    w->old = w->shifted + w->len;
    memcpy(w->given, packed, w->len * sizeof(double));
    memcpy(w->y, packed, w->len * sizeof(double));
    memcpy(w->shifted, packed, w->len * sizeof(double));
}

static void walk_fini(walk *w)
{
    keel_free(&w->given);
    keel_free(&w->values);
    keel_free(&w->dense);
}

/* |a - b|_F of two packed matrices; b may be NULL for 0. */
static double distance(int n, const double *a, const double *b)
{
    double total = 0;
    for (int j = 0; j < n; j++) {
        const double *to = b != NULL ? b + keel_sym_at(n, j, j) : NULL;
        const double *from = a + keel_sym_at(n, j, j);
        double sum = 0;
        for (int i = 0; i < n - j; i++) {
            const double d = to != NULL ? from[i] - to[i] : from[i];
            sum += i == 0 ? 0.5 * d * d : d * d;
        }
        total += 2 * sum;
    }
    return sqrt(total);
}

static bool has_unit_diagonal(int n, const double *packed)
{
    for (int i = 0; i < n; i++) {
        if (packed[keel_sym_at(n, i, i)] != 1) /* exact: the definition */
            return false;
    }
    return true;
}

/* x = projection of `shifted` onto the cone. */
static keel_status project_cone(walk *w)
{
    int above = 0;
    keel_sym_unpack(w->n, w->shifted, w->dense, w->n);
    KEEL_TRY(keel_eigen_decompose(w->n, w->dense, w->n, w->values));
    for (int k = 0; k < w->n; k++) {
        w->values[k] = fmax(w->values[k], w->eigen_min);
        above += w->values[k] > 0;
    }
    memcpy(w->old, w->x, w->len * sizeof(double));
    keel_eigen_compose(w->n, above, w->dense, w->values, w->x);
    return KEEL_OK;
}

/* One iteration; *change is the largest of the three relative changes that Higham tests. */
static keel_status step(walk *w, double *change)
{
    double moved = 0; /* of y, squared */
    KEEL_TRY(project_cone(w));
    for (size_t k = 0; k < w->len; k++)
        w->shifted[k] = w->x[k] - w->shifted[k]; /* the correction */
    for (int j = 0; j < w->n; j++) {
        for (int i = j; i < w->n; i++) {
            const size_t k = keel_sym_at(w->n, i, j);
            const double y = i == j ? 1 : w->x[k], d = y - w->y[k];
            moved += i == j ? d * d : 2 * d * d;
            w->shifted[k] = y - w->shifted[k];
            w->y[k] = y;
        }
    }
    const double size_y = distance(w->n, w->y, NULL), size_x = distance(w->n, w->x, NULL);
    *change = fmax(sqrt(moved), distance(w->n, w->x, w->y)) / size_y;
    *change = fmax(*change, distance(w->n, w->x, w->old) / size_x);
    return KEEL_OK;
}

/* x is in the cone, which scaling does not leave; its diagonal is 1 up to the tolerance. */
static void scale_diagonal(int n, double *x, double *root)
{
    for (int i = 0; i < n; i++)
        root[i] = sqrt(x[keel_sym_at(n, i, i)]);
    for (int j = 0; j < n; j++) {
        x[keel_sym_at(n, j, j)] = 1;
        for (int i = j + 1; i < n; i++) {
            const size_t k = keel_sym_at(n, i, j);
            x[k] = fmin(fmax(x[k] / (root[i] * root[j]), -1), 1);
        }
    }
}

static keel_status is_one_already(walk *w, bool *yes)
{
    KEEL_TRY(keel_eigen_values(w->n, w->given, w->values));
    *yes = has_unit_diagonal(w->n, w->given) && w->values[0] >= w->eigen_min - ALREADY_GOOD;
    return KEEL_OK;
}

static keel_status search(walk *w, const keel_nearest_cfg *cfg, keel_nearest *out)
{
    double change = INFINITY;
    int iterations = 0;
    while (iterations < cfg->iterations_max && change > cfg->tolerance) {
        KEEL_TRY(step(w, &change));
        iterations++;
    }
    scale_diagonal(w->n, w->x, w->values);
    out->outcome = change <= cfg->tolerance ? KEEL_NEAREST_FOUND : KEEL_NEAREST_ITERATION_LIMIT;
    out->iterations = iterations;
    out->distance = distance(w->n, w->given, w->x);
    return KEEL_OK;
}

static keel_status check(int n, const double *packed, const keel_nearest_cfg *cfg)
{
    if (!(cfg->eigen_min >= 0 && cfg->eigen_min < 1) || !(cfg->tolerance > 0) ||
        cfg->iterations_max < 1)
        return KEEL_EINVAL;
    if (n > KEEL_EIGEN_N_MAX)
        return KEEL_ETOOBIG;
    if (!keel_la_all_finite((int)keel_sym_len(n), packed))
        return KEEL_ENONFINITE;
    for (size_t k = 0; k < keel_sym_len(n); k++) {
        if (fabs(packed[k]) > ENTRY_MAX)
            return KEEL_ERANGE;
    }
    return KEEL_OK;
}

keel_status keel_nearest_correlation(int n, double *packed, const keel_nearest_cfg *cfg,
                                     keel_nearest *out)
{
    walk w;
    bool done = n == 0;
    keel_nearest found = {KEEL_NEAREST_FOUND, 0, 0};
    KEEL_TRY(check(n, packed, cfg));
    walk_init(&w, n, cfg->eigen_min, packed);
    keel_status status = done ? KEEL_OK : is_one_already(&w, &done);
    if (status == KEEL_OK && !done) {
        status = search(&w, cfg, &found);
        if (status == KEEL_OK)
            memcpy(packed, w.x, w.len * sizeof *packed);
    }
    if (status == KEEL_OK)
        *out = found;
    walk_fini(&w);
    return status;
}

/* The correlation form of a covariance: 0 against a variance of 0. */
static keel_status scale_down(int n, const double *covariance, double *correlation, double *root)
{
    for (int i = 0; i < n; i++) {
        const double variance = covariance[keel_sym_at(n, i, i)];
        if (!isfinite(variance))
            return KEEL_ENONFINITE;
        if (variance < 0)
            return KEEL_ERANGE;
        root[i] = sqrt(variance);
    }
    for (int j = 0; j < n; j++) {
        correlation[keel_sym_at(n, j, j)] = 1;
        for (int i = j + 1; i < n; i++) {
            const size_t k = keel_sym_at(n, i, j);
            const bool both = root[i] > 0 && root[j] > 0;
            if (!isfinite(covariance[k]))
                return KEEL_ENONFINITE;
            correlation[k] = both ? covariance[k] / root[i] / root[j] : 0;
            if (!isfinite(correlation[k]))
                return KEEL_ERANGE;
        }
    }
    return KEEL_OK;
}

keel_status keel_nearest_covariance(int n, double *packed, const keel_nearest_cfg *cfg,
                                    keel_nearest *out)
{
    if (n > KEEL_EIGEN_N_MAX)
        return KEEL_ETOOBIG;
    double *correlation = keel_xcalloc(keel_sym_len(n), sizeof *correlation);
    double *root = keel_xcalloc((size_t)n, sizeof *root);
    keel_nearest found;
    keel_status status = scale_down(n, packed, correlation, root);
    if (status == KEEL_OK)
        status = keel_nearest_correlation(n, correlation, cfg, &found);
    for (int j = 0; j < n && status == KEEL_OK && found.iterations > 0; j++) {
        for (int i = j + 1; i < n; i++)
            packed[keel_sym_at(n, i, j)] = correlation[keel_sym_at(n, i, j)] * root[i] * root[j];
    }
    if (status == KEEL_OK)
        *out = found;
    keel_free(&root);
    keel_free(&correlation);
    return status;
}
