/* bench_frontier - milliseconds of a whole exact frontier.
 *
 * The market of bench_qp (market and ten sector factors, sample covariance), long-only. Kinds: no
 * cap; a cap that does not divide the budget; the cap and a band for each of ten sectors. Prints
 * one JSON line for each size and kind: corners, steps, the median time, the worst KKT residual of
 * all corners, and the time of one minimum variance solve of keel_qp from nothing where it fits.
 *
 * bench_frontier [--short]. */
#include "common/base/rng.h"
#include "common/num/la/sym.h"
#include "common/num/solve/frontier.h"
#include "common/num/solve/qp.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_MAX = KEEL_FRONTIER_N_MAX, ROWS = 11, ROUNDS = 9, HISTORY = 750, CORNERS = 8192 };

typedef enum kind { KIND_PLAIN, KIND_CAP, KIND_BANDS, KIND_COUNT } kind;

static const char *const names[KIND_COUNT] = {"no cap", "cap", "cap and bands"};

typedef struct market {
    int n, sectors;
    keel_rng rng;
    double beta[N_MAX], load[N_MAX], own[N_MAX];
    double s[N_MAX * (N_MAX + 1) / 2];
    double mean[N_MAX], lower[N_MAX], upper[N_MAX];
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

static void add_row(market *mk, double weight)
{
    static double row[N_MAX];
    double *to = mk->s;
    draw(mk, row);
    for (int j = 0; j < mk->n; j++) {
        for (int i = j; i < mk->n; i++, to++)
            *to += weight * row[i] * row[j];
    }
}

static void make(market *mk, int n)
{
    const int history = 2 * n > HISTORY ? 2 * n : HISTORY;
    mk->n = n;
    mk->sectors = 10;
    mk->rng = keel_rng_seeded(42 + (uint64_t)n);
    for (int i = 0; i < n; i++) {
        mk->beta[i] = 1 + 0.35 * keel_rng_normal(&mk->rng);
        mk->load[i] = 0.6 + 0.3 * keel_rng_normal(&mk->rng);
        mk->own[i] = exp(0.1 + 0.45 * keel_rng_normal(&mk->rng));
        mk->mean[i] = 0.05 * mk->beta[i] + 0.05 * keel_rng_normal(&mk->rng);
        mk->a[i] = 1;
        mk->a[(size_t)(1 + i % mk->sectors) * (size_t)n + (size_t)i] = 1;
    }
    mk->row_lo[0] = mk->row_hi[0] = 1;
    for (int k = 1; k <= mk->sectors; k++) {
        mk->row_lo[k] = 0.5 / mk->sectors;
        mk->row_hi[k] = 1.5 / mk->sectors;
    }
    for (int t = 0; t < history; t++)
        add_row(mk, 1.0 / history);
}

static double ms_since(int64_t from)
{
    return 1e-6 * (double)(bench_mono_ns() - from);
}

/* Of samples that are not needed any more. */
static double median(bench_samples *ms)
{
    const double middle = bench_quantile(ms, 0.5);
    bench_free(ms);
    return middle;
}

static double qp_ms(const market *mk, int rows, int rounds)
{
    bench_samples ms = {0};
    const keel_qp_problem p = {mk->n,     rows,  mk->s,      NULL,      mk->lower,
                               mk->upper, mk->a, mk->row_lo, mk->row_hi};
    if (mk->n > KEEL_QP_N_MAX)
        return 0;
    keel_qp *qp = keel_qp_new(mk->n, ROWS);
    for (int k = 0; k < rounds; k++) {
        keel_qp_answer out;
        keel_qp_reset(qp);
        const int64_t from = bench_mono_ns();
        if (keel_qp_solve(qp, &p, &out) != KEEL_OK || out.outcome != KEEL_QP_OPTIMAL)
            exit(1);
        bench_add(&ms, ms_since(from));
    }
    keel_qp_free(&qp);
    return median(&ms);
}

static void run(market *mk, kind which, int rounds)
{
    bench_samples ms = {0};
    keel_frontier_answer out;
    const int rows = which == KIND_BANDS ? 1 + mk->sectors : 1;
    const double cap = 1.0637 * fmin(0.4, fmax(0.02, 5.0 / mk->n));
    for (int i = 0; i < mk->n; i++)
        mk->upper[i] = which == KIND_PLAIN ? 1 : cap;
    const keel_frontier_problem p = {mk->n,     rows,  mk->s,      mk->mean,  mk->lower,
                                     mk->upper, mk->a, mk->row_lo, mk->row_hi};
    keel_frontier *f = keel_frontier_new(mk->n, ROWS, CORNERS);
    for (int k = -1; k < rounds; k++) {
        const int64_t from = bench_mono_ns();
        if (keel_frontier_solve(f, &p, &out) != KEEL_OK || out.outcome != KEEL_FRONTIER_WHOLE) {
            fprintf(stderr, "n %d: outcome %d\n", mk->n, (int)out.outcome);
            exit(1);
        }
        if (k >= 0)
            bench_add(&ms, ms_since(from));
    }
    printf("{\"bench\": \"frontier\", \"n\": %d, \"kind\": \"%s\", \"corners\": %d, \"steps\": %d, "
           "\"start_steps\": %d, \"p50_ms\": %.3f, \"worst_residual\": %.1e, \"qp_ms\": %.3f}\n",
           mk->n, names[which], out.corners, out.steps, out.start_steps, median(&ms),
           out.worst_residual, qp_ms(mk, rows, rounds));
    keel_frontier_free(&f);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    static const int sizes[] = {50, 100, 250, 500, 1000, 2000};
    const size_t count = quick ? 2 : sizeof sizes / sizeof sizes[0];
    for (size_t k = 0; k < count; k++) {
        market *mk = calloc(1, sizeof *mk);
        if (mk == NULL)
            return 1;
        make(mk, sizes[k]);
        for (int which = 0; which < KIND_COUNT; which++)
            run(mk, (kind)which, quick ? 1 : ROUNDS);
        free(mk);
    }
    return 0;
}
