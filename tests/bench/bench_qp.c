/* bench_qp - microseconds of one minimum variance solve, warm and cold.
 *
 * Market and sector factors, EWMA covariance, shrunk by a tenth, that moves every bar; long-only
 * with a cap, budget, and a band for each sector. Prints one JSON line for each size, start and
 * shape of the covariance: the median and the 99th percentile over the bars, and the worst residual
 * of all answers.
 *
 * bench_qp [--short]. */
#include "common/base/rng.h"
#include "common/num/la/sym.h"
#include "common/num/solve/qp.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_MAX = 500, ROWS = 11, BARS = 200, HISTORY = 750 };

typedef struct market {
    int n, sectors;
    keel_rng rng;
    double beta[N_MAX], load[N_MAX], own[N_MAX];
    double s[N_MAX * (N_MAX + 1) / 2];                             /* EWMA of the rows */
    double packed[N_MAX * (N_MAX + 1) / 2], square[N_MAX * N_MAX]; /* shrunk, in both shapes */
    double c[N_MAX], lower[N_MAX], upper[N_MAX];
    double a[ROWS * N_MAX], row_lo[ROWS], row_hi[ROWS];
} market;

static void draw(market *mk, double *row)
{
    double sector[ROWS];
    const double all = 0.8 * keel_rng_normal(&mk->rng);
    for (int k = 0; k < mk->sectors; k++)
        sector[k] = 0.5 * keel_rng_normal(&mk->rng);
    for (int i = 0; i < mk->n; i++)
        row[i] = mk->beta[i] * all + mk->load[i] * sector[i % mk->sectors] +
                 mk->own[i] * keel_rng_normal(&mk->rng);
}

static void add_row(market *mk, double keep, double weight)
{
    double row[N_MAX];
    double *to = mk->s;
    draw(mk, row);
    for (int j = 0; j < mk->n; j++) {
        for (int i = j; i < mk->n; i++, to++)
            *to = keep * *to + weight * row[i] * row[j];
    }
}

/* A tenth of the mean variance in the place of a tenth of the matrix. */
static void shrink(market *mk)
{
    const int n = mk->n;
    double mean = 0;
    for (int i = 0; i < n; i++)
        mean += mk->s[keel_sym_at(n, i, i)] / n;
    for (int j = 0; j < n; j++)
        for (int i = j; i < n; i++) {
            const size_t at = keel_sym_at(n, i, j);
            mk->packed[at] = 0.9 * mk->s[at] + (i == j ? 0.1 * mean : 0);
            mk->square[(size_t)j * (size_t)n + (size_t)i] = mk->packed[at];
            mk->square[(size_t)i * (size_t)n + (size_t)j] = mk->packed[at];
        }
}

static void make(market *mk, int n)
{
    mk->n = n;
    mk->sectors = n < 40 ? 2 : 10;
    mk->rng = keel_rng_seeded(42 + (uint64_t)n);
    const double cap = fmin(0.4, fmax(0.02, 5.0 / n));
    for (int i = 0; i < n; i++) {
        mk->beta[i] = 1 + 0.35 * keel_rng_normal(&mk->rng);
        mk->load[i] = 0.6 + 0.3 * keel_rng_normal(&mk->rng);
        mk->own[i] = exp(0.1 + 0.45 * keel_rng_normal(&mk->rng));
        mk->upper[i] = cap;
        mk->a[i] = 1;
        mk->a[(size_t)(1 + i % mk->sectors) * (size_t)n + (size_t)i] = 1;
    }
    mk->row_lo[0] = mk->row_hi[0] = 1;
    for (int k = 1; k <= mk->sectors; k++) {
        mk->row_lo[k] = 0.5 / mk->sectors;
        mk->row_hi[k] = 1.5 / mk->sectors;
    }
    for (int t = 0; t < HISTORY; t++)
        add_row(mk, 1, 1.0 / HISTORY);
}

static void run(market *mk, bool warm, bool square, int bars)
{
    keel_qp *qp = keel_qp_new(mk->n, ROWS);
    bench_samples us = {0};
    double worst = 0;
    int iterations = 0, held = 0;
    const keel_qp_problem p = {.n = mk->n,
                               .m = mk->sectors + 1,
                               .s = mk->packed,
                               .square = square ? mk->square : NULL,
                               .checked = true, /* made of finite rows */
                               .c = mk->c,
                               .lower = mk->lower,
                               .upper = mk->upper,
                               .a = mk->a,
                               .row_lo = mk->row_lo,
                               .row_hi = mk->row_hi};
    for (int bar = -1; bar < bars; bar++) {
        keel_qp_answer out;
        add_row(mk, 0.99, 0.01);
        shrink(mk);
        if (!warm)
            keel_qp_reset(qp);
        const int64_t from = bench_mono_ns();
        if (keel_qp_solve(qp, &p, &out) != KEEL_OK || out.outcome != KEEL_QP_OPTIMAL) {
            fprintf(stderr, "n %d: outcome %d\n", mk->n, (int)out.outcome);
            exit(1);
        }
        const double took = 1e-3 * (double)(bench_mono_ns() - from);
        worst = fmax(worst, fmax(out.primal_residual, fmax(out.dual_residual, out.gap)));
        if (bar < 0)
            continue;
        bench_add(&us, took);
        iterations += out.iterations;
        held = 0;
        for (int i = 0; i < mk->n; i++)
            held += out.x[i] > 0;
    }
    printf("{\"bench\": \"qp\", \"n\": %d, \"m\": %d, \"start\": \"%s\", \"shape\": \"%s\", "
           "\"bars\": %d, \"held\": %d, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, \"steps\": %.2f, "
           "\"worst_residual\": %.1e}\n",
           mk->n, mk->sectors + 1, warm ? "warm" : "cold", square ? "square" : "packed", bars, held,
           bench_quantile(&us, 0.5), bench_quantile(&us, 0.99), bench_quantile(&us, 1),
           (double)iterations / bars, worst);
    bench_free(&us);
    keel_qp_free(&qp);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    static const int sizes[] = {8, 100, 500};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        for (int kind = 0; kind < 4; kind++) {
            market *mk = calloc(1, sizeof *mk);
            if (mk == NULL)
                return 1;
            make(mk, sizes[k]);
            run(mk, kind < 2, kind % 2 == 1, quick ? 5 : BARS);
            free(mk);
        }
    }
    return 0;
}
