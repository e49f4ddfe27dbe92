/* fixture.h - minimum-variance problems with their true answer, made without Keel's solver.
 *
 * ROOM     tests/unit/risk. The free block is solved by Gaussian elimination, the active set by
 *          pinning and releasing one variable at a time.
 */
#ifndef KEEL_TESTS_UNIT_RISK_FIXTURE_H
#define KEEL_TESTS_UNIT_RISK_FIXTURE_H

#include "common/base/rng.h"
#include "common/domain/allocation.h"
#include "common/domain/estimate.h"
#include "common/domain/universe.h"
#include "services/risk/engine/certificate.h"
#include "services/risk/engine/verify.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_MAX = 24, ROWS = 2, KKT_MAX = N_MAX + ROWS };

typedef struct problem {
    int n;
    keel_universe universe;
    keel_risk_limits limits;
    double s[N_MAX * (N_MAX + 1) / 2];
    double w[N_MAX], lower[N_MAX], upper[N_MAX], z[N_MAX];
    int pin[N_MAX]; /* -1 at lower, 1 at upper, 0 free */
    int indices[ROWS][N_MAX];
    double coefficients[ROWS][N_MAX];
    keel_constraint rows[ROWS]; /* budget, then the sector's cap */
    bool row_binds[ROWS];
    int64_t prices[N_MAX];
    double scratch[N_MAX * (N_MAX + 5)];
    keel_risk_input inputs[2];
    keel_risk_evidence evidence;
    keel_allocation_proposal proposal;
} problem;

#define COV_TOPIC  "v1.cov.1h.main."
#define BOOK_TOPIC "v1.portfolio.main."

static inline double cov_at(const problem *p, int i, int j)
{
    return p->s[keel_packed_at(p->n, i > j ? i : j, i > j ? j : i)];
}

/* Two factors and own noise; volatilities from 0.4 % to 6 % per bar, as bonds beside coins. */
static inline void make_covariance(problem *p, keel_rng *rng)
{
    double vol[N_MAX], b[N_MAX], c[N_MAX];
    for (int i = 0; i < p->n; i++) {
        vol[i] = 0.004 * exp(2.7 * keel_rng_uniform(rng));
        b[i] = 0.3 + 0.6 * keel_rng_uniform(rng);
        c[i] = 0.3 * (keel_rng_uniform(rng) - 0.5);
    }
    for (int j = 0; j < p->n; j++)
        for (int i = j; i < p->n; i++) {
            const double own = i == j ? 1 - b[i] * b[i] - c[i] * c[i] : 0;
            p->s[keel_packed_at(p->n, i, j)] = vol[i] * vol[j] * (b[i] * b[j] + c[i] * c[j] + own);
        }
}

/* a x = b by elimination with row exchanges; b becomes x. */
static inline void eliminate(int m, double a[KKT_MAX][KKT_MAX], double b[KKT_MAX])
{
    for (int k = 0; k < m; k++) {
        int best = k;
        for (int r = k + 1; r < m; r++)
            best = fabs(a[r][k]) > fabs(a[best][k]) ? r : best;
        for (int c = 0; c < m; c++) {
            const double keep = a[k][c];
            a[k][c] = a[best][c];
            a[best][c] = keep;
        }
        const double keep = b[k];
        b[k] = b[best];
        b[best] = keep;
        for (int r = k + 1; r < m; r++) {
            const double f = a[r][k] / a[k][k];
            for (int c = k; c < m; c++)
                a[r][c] -= f * a[k][c];
            b[r] -= f * b[k];
        }
    }
    for (int k = m - 1; k >= 0; k--) {
        for (int c = k + 1; c < m; c++)
            b[k] -= a[k][c] * b[c];
        b[k] /= a[k][k];
    }
}

static inline double row_coefficient(const problem *p, int r, int i)
{
    for (int k = 0; k < p->rows[r].n; k++)
        if (p->rows[r].indices[k] == i)
            return p->rows[r].coefficients[k];
    return 0;
}

/* Weights of the free block and multipliers of the binding rows for the pins as they are. Solved
 * with S over its largest diagonal, so that all numbers are of order one. */
static inline void solve_pinned(problem *p)
{
    static double a[KKT_MAX][KKT_MAX], b[KKT_MAX];
    int at[KKT_MAX], m = 0;
    double s = 0;
    for (int i = 0; i < p->n; i++) {
        s = fmax(s, cov_at(p, i, i));
        p->w[i] = p->pin[i] < 0 ? p->lower[i] : p->pin[i] > 0 ? p->upper[i] : 0;
        if (p->pin[i] == 0)
            at[m++] = i;
    }
    const int free_n = m;
    for (int r = 0; r < ROWS; r++)
        if (p->row_binds[r])
            at[m++] = p->n + r;
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    for (int k = 0; k < free_n; k++) {
        for (int l = 0; l < free_n; l++)
            a[k][l] = cov_at(p, at[k], at[l]) / s;
        for (int i = 0; i < p->n; i++)
            b[k] -= p->pin[i] != 0 ? cov_at(p, at[k], i) / s * p->w[i] : 0;
    }
    for (int k = free_n; k < m; k++) {
        const int r = at[k] - p->n;
        for (int l = 0; l < free_n; l++)
            a[k][l] = a[l][k] = row_coefficient(p, r, at[l]);
        b[k] = p->rows[r].hi;
        for (int i = 0; i < p->n; i++)
            b[k] -= p->pin[i] != 0 ? row_coefficient(p, r, i) * p->w[i] : 0;
    }
    eliminate(m, a, b);
    for (int r = 0; r < ROWS; r++)
        p->rows[r].multiplier = 0;
    for (int k = 0; k < m; k++)
        if (k < free_n)
            p->w[at[k]] = b[k];
        else
            p->rows[at[k] - p->n].multiplier = b[k] * s;
    for (int i = 0; i < p->n; i++) {
        double g = 0;
        for (int j = 0; j < p->n; j++)
            g += cov_at(p, i, j) * p->w[j];
        for (int r = 0; r < ROWS; r++)
            g += row_coefficient(p, r, i) * p->rows[r].multiplier;
        p->z[i] = p->pin[i] != 0 ? -g : 0;
    }
}

/* Pin the worst violated bound, else release the worst sign, until neither is left. */
static inline void solve(problem *p)
{
    for (int round = 0; round < 500; round++) {
        int worst = -1, side = 0;
        double by = 1e-13;
        solve_pinned(p);
        for (int i = 0; i < p->n; i++) {
            const double below = p->lower[i] - p->w[i], above = p->w[i] - p->upper[i];
            if (p->pin[i] == 0 && fmax(below, above) > by) {
                by = fmax(below, above);
                worst = i;
                side = below > above ? -1 : 1;
            }
        }
        for (int i = 0; worst < 0 && i < p->n; i++)
            if (p->pin[i] * p->z[i] < 0) {
                worst = i;
                side = 0;
            }
        if (worst < 0)
            return;
        p->pin[worst] = side;
    }
    cr_assert_fail("the fixture found no answer");
}

static inline void make_rows(problem *p)
{
    for (int r = 0; r < ROWS; r++) {
        int n = 0;
        for (int i = 0; i < p->n; i++)
            if (r == 0 || strcmp(p->universe.instruments[i].sector, "calm") == 0) {
                p->indices[r][n] = i;
                p->coefficients[r][n++] = 1;
            }
        p->rows[r].n = n;
        p->rows[r].indices = p->indices[r];
        p->rows[r].coefficients = p->coefficients[r];
    }
    strcpy(p->rows[0].name, "budget");
    strcpy(p->rows[1].name, "sector:calm");
    p->rows[0].lo = p->rows[0].hi = 0.98;
    p->rows[1].lo = 0;
    p->rows[1].hi = 1;
    p->row_binds[0] = true;
    p->row_binds[1] = false;
}

static inline void point_at(problem *p)
{
    const int n = p->n;
    keel_allocation_proposal *a = &p->proposal;
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += p->w[i];
    memset(a, 0, sizeof *a);
    strcpy(a->portfolio, "main");
    strcpy(a->book, "core");
    a->universe_hash = p->universe.hash;
    a->method = KEEL_METHOD_MIN_VARIANCE;
    a->n = n;
    a->weights = p->w;
    a->cash_frac = 1 - sum;
    a->lower = p->lower;
    a->upper = p->upper;
    a->bound_multipliers = p->z;
    a->constraints_n = ROWS;
    a->constraints = p->rows;
    a->certificate = (keel_certificate){KEEL_CERTIFICATE_OPTIMAL, KEEL_OUTCOME_SOLVED, 7};
    a->inputs_n = 2;
    strcpy(a->inputs[0].topic, COV_TOPIC);
    strcpy(a->inputs[1].topic, BOOK_TOPIC);
    a->inputs[0].step = a->inputs[1].step = 100;
    a->inputs[0].payload_hash = 11;
    a->inputs[1].payload_hash = 22;
    p->inputs[0] = (keel_risk_input){a->inputs[0], p->s};
    p->inputs[1] = (keel_risk_input){a->inputs[1], NULL};
    p->evidence = (keel_risk_evidence){
        .universe = &p->universe,
        .limits = &p->limits,
        .step = 100,
        .max_input_age = 2,
        .inputs_n = 2,
        .inputs = p->inputs,
        .price_units = p->prices,
        .scratch = p->scratch,
    };
}

/* A solved problem of n >= 6 assets: the budget binds, the sector's cap and the largest weight's
 * upper bound bind where they can, weights at zero come by themselves. */
static inline void make_problem(problem *p, int n, uint64_t seed)
{
    keel_rng rng = keel_rng_seeded(seed);
    memset(p, 0, sizeof *p);
    p->n = n;
    p->universe.n = n;
    p->universe.hash = 0x5eed;
    for (int i = 0; i < n; i++) {
        keel_instrument *instrument = &p->universe.instruments[i];
        snprintf(instrument->symbol, sizeof instrument->symbol, "A%02d", i);
        strcpy(instrument->sector, i % 3 == 0 ? "calm" : "wild");
        instrument->min_notional_micros = 10 * 1000000;
        p->prices[i] = 100 + i;
        p->upper[i] = 0.6;
    }
    p->limits = (keel_risk_limits){.max_weight = 0.6, .cash_min = 0.02, .sectors_n = 1};
    strcpy(p->limits.sectors[0].sector, "calm");
    p->limits.sectors[0].max = 1;
    make_covariance(p, &rng);
    make_rows(p);
    solve(p);

    int largest = 0;
    double calm = 0;
    for (int i = 0; i < n; i++) {
        largest = p->w[i] > p->w[largest] ? i : largest;
        calm += row_coefficient(p, 1, i) * p->w[i];
    }
    p->upper[largest] = 0.8 * p->w[largest];
    p->row_binds[1] = calm > 0.05;
    p->rows[1].hi = p->row_binds[1] ? 0.7 * calm : 1;
    p->limits.sectors[0].max = p->rows[1].hi;
    solve(p);
    if (p->row_binds[1] && p->rows[1].multiplier < 0) { /* the new bound emptied the sector */
        p->row_binds[1] = false;
        p->rows[1].hi = p->limits.sectors[0].max = 1;
        solve(p);
    }
    point_at(p);
}

/* First asset with this pin, -1 = none. */
static inline int find_pin(const problem *p, int pin)
{
    for (int i = 0; i < p->n; i++)
        if (p->pin[i] == pin)
            return i;
    return -1;
}

static inline double largest_variance_of(const problem *p)
{
    double s = 0;
    for (int i = 0; i < p->n; i++)
        s = fmax(s, cov_at(p, i, i));
    return s;
}

#endif
