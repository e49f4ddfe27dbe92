/* Shrinkage towards a target F, sum over entries of squares everywhere:
 *
 *   a = max(0, min(1, (pi - rho) / (T gamma))),   gamma = |F - S|^2
 *   pi  = sum of asymptotic variances of sqrt(T) S_ij,  mean(c_i^2 c_j^2) - S_ij^2
 *   rho = sum of asymptotic covariances of sqrt(T) S_ij with sqrt(T) F_ij
 *
 * Every fourth moment that the papers write as an n x n matrix is needed in sum only, and sums over
 * i and j of products separate: sum_ij mean_t(u_ti v_tj) = mean_t((sum_i u_ti)(sum_j v_tj)). So the
 * intensity costs T n after S, which costs T n^2. */
#include "common/base/mem.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/stats/covariance_internal.h"
#include "common/num/stats/moments.h"

#include <float.h>
#include <math.h>

/* A market whose variance is this far below the series' own holds rounding only. */
#define MARKET_MIN (64 * DBL_EPSILON)

typedef struct moments {
    int rows, n;
    const double *x; /* centred series */
    const double *s; /* packed S, divisor T */
    double trace;    /* sum S_ii */
    double squares;  /* sum over all i,j of S_ij^2 */
    double own;      /* sum S_ii^2 */
    double fourth;   /* sum over i of mean(c_i^4) */
    double pi;
    double *rows_squared; /* rows: sum over i of c_ti^2; owned */
} moments;

static const double *series_of(const moments *m, int i)
{
    return m->x + (size_t)i * (size_t)m->rows;
}

/* sum over all i,j of (S_ij - F_ij)^2 */
static double distance_squared(int n, const double *s, const double *target)
{
    double total = 0;
    for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int i = j; i < n; i++) {
            const size_t k = keel_sym_at(n, i, j);
            const double d = target != NULL ? s[k] - target[k] : s[k];
            sum += i == j ? 0.5 * d * d : d * d;
        }
        total += 2 * sum;
    }
    return total;
}

static moments moments_of(const sample_series *series, const double *s)
{
    moments m = {.rows = series->rows, .n = series->n, .x = series->x, .s = s};
    m.rows_squared = keel_xcalloc((size_t)m.rows, sizeof *m.rows_squared);
    for (int i = 0; i < m.n; i++) {
        const double *c = series_of(&m, i), own = s[keel_sym_at(m.n, i, i)];
        double fourth = 0;
        for (int t = 0; t < m.rows; t++) {
            const double square = c[t] * c[t];
            m.rows_squared[t] += square;
            fourth += square * square;
        }
        m.trace += own;
        m.own += own * own;
        m.fourth += fourth / m.rows;
    }
    m.squares = distance_squared(m.n, s, NULL);
    m.pi = keel_la_dot(m.rows, m.rows_squared, m.rows_squared) / m.rows - m.squares;
    return m;
}

/* x'S x */
static double quadratic(const moments *m, const double *x)
{
    return keel_sym_quadratic(m->n, m->s, x);
}

static void identity_target(const moments *m, double *target)
{
    for (int i = 0; i < m->n; i++)
        target[keel_sym_at(m->n, i, i)] = m->trace / m->n;
}

/* Chen, Wiesel, Eldar and Hero, equation 23, without the terms 2 / n: their n is the dimension,
 * and the terms vanish with it. */
static double oas_intensity(const moments *m)
{
    const double trace2 = m->trace * m->trace;
    const double below = (m->rows + 1) * (m->squares - trace2 / m->n);
    return below > 0 ? fmin((m->squares + trace2) / below, 1) : 0;
}

/* F_ij = r sqrt(S_ii S_jj); returns rho. */
static double constant_correlation(const moments *m, double *target, double *mean_correlation)
{
    const int n = m->n;
    double *root = keel_xcalloc((size_t)n, sizeof *root);
    double *cubes = keel_xcalloc(2 * (size_t)m->rows, sizeof *cubes), *sums = cubes + m->rows;
    for (int i = 0; i < n; i++)
        root[i] = sqrt(m->s[keel_sym_at(n, i, i)]);
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            const double both = root[i] * root[j];
            target[keel_sym_at(n, i, j)] = both > 0 ? m->s[keel_sym_at(n, i, j)] / both : 0;
        }
    }
    const double r = keel_mean_off_diagonal(n, target);
    for (int j = 0; j < n; j++) {
        target[keel_sym_at(n, j, j)] = m->s[keel_sym_at(n, j, j)];
        for (int i = j + 1; i < n; i++)
            target[keel_sym_at(n, i, j)] = r * root[i] * root[j];
    }
    for (int i = 0; i < n; i++) {
        const double *c = series_of(m, i);
        for (int t = 0; t < m->rows && root[i] > 0; t++)
            cubes[t] += c[t] * c[t] * c[t] / root[i];
        keel_la_add_scaled(m->rows, root[i], c, sums);
    }
    const double moved = keel_la_dot(m->rows, cubes, sums) / m->rows - m->fourth;
    const double steady = quadratic(m, root) - m->own;
    *mean_correlation = r;
    keel_free(&cubes);
    keel_free(&root);
    return m->fourth - m->own + r * (moved - steady);
}

/* The market, and with it for each row: its return, and the sum of c_ti times cov(c_i, market). */
typedef struct market {
    double variance;
    double *cov;  /* n */
    double *at;   /* rows */
    double *load; /* rows */
} market;

static market market_of(const moments *m)
{
    market k = {.cov = keel_xcalloc((size_t)m->n, sizeof(double)),
                .at = keel_xcalloc((size_t)m->rows, sizeof(double)),
                .load = keel_xcalloc((size_t)m->rows, sizeof(double))};
    for (int i = 0; i < m->n; i++)
        keel_la_add_scaled(m->rows, 1.0 / m->n, series_of(m, i), k.at);
    k.variance = keel_la_dot(m->rows, k.at, k.at) / m->rows;
    for (int i = 0; i < m->n; i++) {
        k.cov[i] = keel_la_dot(m->rows, series_of(m, i), k.at) / m->rows;
        keel_la_add_scaled(m->rows, k.cov[i], series_of(m, i), k.load);
    }
    return k;
}

/* The part of rho off the diagonal: 2 v1 - v3 of Ledoit and Wolf's appendix. */
static double market_rho(const moments *m, const market *k)
{
    const double v = k->variance;
    double first = 0, third = 0;
    for (int t = 0; t < m->rows; t++) {
        const double both = k->at[t] * k->load[t];
        first += m->rows_squared[t] * both / m->rows;
        third += both * both / m->rows;
    }
    const double loaded = quadratic(m, k->cov);
    first -= loaded;
    third -= v * loaded;
    for (int i = 0; i < m->n; i++) {
        const double *c = series_of(m, i), own = m->s[keel_sym_at(m->n, i, i)];
        double cubes = 0, squares = 0;
        for (int t = 0; t < m->rows; t++) {
            const double with = c[t] * k->at[t];
            cubes += c[t] * c[t] * with / m->rows;
            squares += with * with / m->rows;
        }
        first -= (cubes - k->cov[i] * own) * k->cov[i];
        third -= (squares - v * own) * k->cov[i] * k->cov[i];
    }
    return 2 * first / v - third / (v * v);
}

/* F_ij = cov(i, market) cov(j, market) / variance of the market; returns rho. */
static double single_factor(const moments *m, double *target)
{
    const int n = m->n;
    market k = market_of(m);
    const bool moves = k.variance > MARKET_MIN * m->trace / n;
    for (int j = 0; j < n; j++) {
        target[keel_sym_at(n, j, j)] = m->s[keel_sym_at(n, j, j)];
        for (int i = j + 1; i < n; i++)
            target[keel_sym_at(n, i, j)] = moves ? k.cov[i] * k.cov[j] / k.variance : 0;
    }
    const double rho = m->fourth - m->own + (moves ? market_rho(m, &k) : 0);
    keel_free(&k.load);
    keel_free(&k.at);
    keel_free(&k.cov);
    return rho;
}

static double intensity(const moments *m, double rho, const double *target)
{
    const double gamma = distance_squared(m->n, m->s, target);
    return gamma > 0 ? fmin(fmax((m->pi - rho) / gamma / m->rows, 0), 1) : 0;
}

/* Write the target of the estimator; returns how much of it to take. */
static double aim(const covariance_work *w, const moments *m, double *target)
{
    double rho = 0; /* a target that is one number has none: Ledoit and Wolf 2004a */
    if (w->cfg->estimator == KEEL_COVARIANCE_LEDOIT_WOLF_CONSTANT_CORRELATION)
        rho = constant_correlation(m, target, &w->report->mean_correlation);
    else if (w->cfg->estimator == KEEL_COVARIANCE_LEDOIT_WOLF_SINGLE_FACTOR)
        rho = single_factor(m, target);
    else
        identity_target(m, target);
    return w->cfg->estimator == KEEL_COVARIANCE_OAS ? oas_intensity(m) : intensity(m, rho, target);
}

keel_status covariance_shrunk(covariance_work *w)
{
    sample_series *s = &w->series;
    const size_t len = keel_sym_len(s->n);
    double *target = keel_xcalloc(len, sizeof *target);
    sample_center(s);
    covariance_gram(s->rows, s->n, s->x, s->rows, w->packed);
    moments m = moments_of(s, w->packed);
    const double frac = aim(w, &m, target);
    for (size_t k = 0; k < len; k++)
        w->packed[k] = frac * target[k] + (1 - frac) * w->packed[k];
    w->report->shrinkage_frac = frac;
    keel_free(&m.rows_squared);
    keel_free(&target);
    return KEEL_OK;
}
