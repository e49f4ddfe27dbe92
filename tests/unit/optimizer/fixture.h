/* fixture.h - universes and covariances for the tests of this folder. */
#ifndef KEEL_TESTS_UNIT_OPTIMIZER_FIXTURE_H
#define KEEL_TESTS_UNIT_OPTIMIZER_FIXTURE_H

#include "common/base/rng.h"
#include "common/domain/estimate.h"
#include "services/optimizer/engine/allocate.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* n instruments A0..; sectors dealt in turn from names[sectors] (0 = none). */
static inline void universe_of(keel_universe *u, int n, const char *const *names, int sectors)
{
    memset(u, 0, sizeof *u);
    snprintf(u->id, sizeof u->id, "test");
    u->n = n;
    for (int i = 0; i < n; i++) {
        keel_instrument *x = &u->instruments[i];
        snprintf(x->symbol, sizeof x->symbol, "A%d", i);
        snprintf(x->sector, sizeof x->sector, "%s", sectors > 0 ? names[i % sectors] : "");
        snprintf(x->currency, sizeof x->currency, "USD");
        x->price_exp = 8;
        x->qty_exp = 8;
        x->lot_units = 1;
        x->session = KEEL_SESSION_CONTINUOUS;
    }
    u->hash = 77;
}

/* F F' + D: three factors, volatilities near 1 % a bar. */
static inline void covariance_of(int n, uint64_t seed, double *packed)
{
    static double f[KEEL_UNIVERSE_MAX][3];
    keel_rng rng = keel_rng_seeded(seed);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            f[i][k] = 0.006 * keel_rng_normal(&rng) + (k == 0 ? 0.006 : 0.0);
    for (int j = 0; j < n; j++)
        for (int i = j; i < n; i++) {
            double sum = i == j ? 1e-5 * (1.0 + keel_rng_uniform(&rng)) : 0.0;
            for (int k = 0; k < 3; k++)
                sum += f[i][k] * f[j][k];
            packed[keel_packed_at(n, i, j)] = sum;
        }
}

static inline double at(int n, const double *packed, int i, int j)
{
    return packed[i >= j ? keel_packed_at(n, i, j) : keel_packed_at(n, j, i)];
}

static inline void fill_with(double *x, int n, double value)
{
    for (int i = 0; i < n; i++)
        x[i] = value;
}

static inline double total(const double *x, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

#endif
