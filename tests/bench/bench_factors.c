/* bench_factors - microseconds of one solve with a covariance in factor form.
 *
 * Long-only, budget; specific variances, loadings and means drawn as in the portfolio class of the
 * OSQP benchmarks; each bar all variances and means move by a few percent. With means few assets
 * are held, without them (minimum variance) nearly all. Prints one JSON line for each.
 *
 * bench_factors [--short]. */
#include "common/base/rng.h"
#include "common/num/solve/qp.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BARS = 100, BARS_SHORT = 3 };

typedef struct market {
    int n, factors;
    keel_rng rng;
    double *loadings, *specific, *mean, *lower, *upper, *ones;
} market;

static double *numbers(size_t n)
{
    double *x = calloc(n, sizeof *x);
    if (x == NULL)
        abort();
    return x;
}

/* Half of the loadings are 0. */
static void make(market *mk, int n, int factors)
{
    mk->n = n;
    mk->factors = factors;
    mk->rng = keel_rng_seeded(7 + (uint64_t)n);
    mk->loadings = numbers((size_t)n * (size_t)factors);
    mk->specific = numbers((size_t)n);
    mk->mean = numbers((size_t)n);
    mk->lower = numbers((size_t)n);
    mk->upper = numbers((size_t)n);
    mk->ones = numbers((size_t)n);
    for (int i = 0; i < n; i++) {
        mk->specific[i] = keel_rng_uniform(&mk->rng) * sqrt(factors) + 1e-3;
        mk->mean[i] = keel_rng_normal(&mk->rng);
        mk->upper[i] = 1;
        mk->ones[i] = 1;
        for (int f = 0; f < factors; f++)
            mk->loadings[(size_t)i * (size_t)factors + (size_t)f] =
                keel_rng_below(&mk->rng, 2) ? keel_rng_normal(&mk->rng) : 0;
    }
}

static void move(market *mk)
{
    for (int i = 0; i < mk->n; i++) {
        mk->specific[i] *= exp(0.02 * keel_rng_normal(&mk->rng));
        mk->mean[i] += 0.02 * keel_rng_normal(&mk->rng);
    }
    for (int f = 0; f < mk->factors; f++) {
        const double by = exp(0.01 * keel_rng_normal(&mk->rng));
        for (int i = 0; i < mk->n; i++)
            mk->loadings[(size_t)i * (size_t)mk->factors + (size_t)f] *= by;
    }
}

static void drop(market *mk)
{
    free(mk->loadings);
    free(mk->specific);
    free(mk->mean);
    free(mk->lower);
    free(mk->upper);
    free(mk->ones);
}

static void run(int n, int factors, bool with_mean, bool warm, int bars)
{
    market mk = {0};
    const double one = 1;
    bench_samples us = {0};
    double worst = 0;
    int held = 0, iterations = 0;
    make(&mk, n, factors);
    keel_qp *qp = keel_qp_new_factors(n, 1, factors);
    const keel_qp_problem p = {.n = n,
                               .m = 1,
                               .factors = factors,
                               .loadings = mk.loadings,
                               .specific = mk.specific,
                               .checked = true, /* drawn here */
                               .c = with_mean ? mk.mean : NULL,
                               .lower = mk.lower,
                               .upper = mk.upper,
                               .a = mk.ones,
                               .row_lo = &one,
                               .row_hi = &one};
    for (int bar = -1; bar < bars; bar++) {
        keel_qp_answer out;
        move(&mk);
        if (!warm)
            keel_qp_reset(qp);
        const int64_t from = bench_mono_ns();
        if (keel_qp_solve(qp, &p, &out) != KEEL_OK || out.outcome != KEEL_QP_OPTIMAL) {
            fprintf(stderr, "n %d: outcome %d\n", n, (int)out.outcome);
            exit(1);
        }
        const double took = 1e-3 * (double)(bench_mono_ns() - from);
        worst = fmax(worst, fmax(out.primal_residual, fmax(out.dual_residual, out.gap)));
        if (bar < 0)
            continue;
        bench_add(&us, took);
        iterations += out.iterations;
        held = 0;
        for (int i = 0; i < n; i++)
            held += out.x[i] > 0;
    }
    printf("{\"bench\": \"factors\", \"n\": %d, \"factors\": %d, \"means\": \"%s\", \"start\": "
           "\"%s\", \"bars\": %d, "
           "\"held\": %d, \"p50_us\": %.1f, \"p99_us\": %.1f, \"steps\": %.2f, "
           "\"worst_residual\": %.1e}\n",
           n, factors, with_mean ? "yes" : "no", warm ? "warm" : "cold", bars, held,
           bench_quantile(&us, 0.5), bench_quantile(&us, 0.99), (double)iterations / bars, worst);
    bench_free(&us);
    keel_qp_free(&qp);
    drop(&mk);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    static const int sizes[][2] = {{500, 10}, {1000, 20}, {5000, 50}, {10000, 100}};
    for (size_t k = 0; k < (quick ? 2 : sizeof sizes / sizeof sizes[0]); k++)
        for (int kind = 0; kind < 4; kind++)
            run(sizes[k][0], sizes[k][1], kind < 2, kind % 2 == 0, quick ? BARS_SHORT : BARS);
    return 0;
}
