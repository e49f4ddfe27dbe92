/* A thousand bars in a row, every one solved exactly from the status of the one before: the
 * covariance moves, sometimes by a shock, the set stays. Each answer is judged by a checker that
 * shares no code with the solver. */
#include "common/base/rng.h"
#include "common/num/solve/qp.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 500, LEN = N * (N + 1) / 2, SECTORS = 10, ROWS = SECTORS + 1, HISTORY = 600 };

typedef struct market {
    int n;
    keel_rng rng;
    double beta[N], load[N], own[N];
    double s[LEN]; /* EWMA */
    double shrunk[LEN];
    double lower[N], upper[N], a[ROWS * N], row_lo[ROWS], row_hi[ROWS];
} market;

static size_t at(int n, int i, int j) /* i >= j */
{
    return (size_t)j * (size_t)(2 * n - j - 1) / 2 + (size_t)i;
}

static void add_bar(market *mk, double keep, double size)
{
    double row[N], sector[SECTORS];
    double *to = mk->s;
    const double all = size * keel_rng_normal(&mk->rng);
    for (int k = 0; k < SECTORS; k++)
        sector[k] = 0.5 * size * keel_rng_normal(&mk->rng);
    for (int i = 0; i < mk->n; i++)
        row[i] = 0.01 * (mk->beta[i] * all + mk->load[i] * sector[i % SECTORS] +
                         mk->own[i] * keel_rng_normal(&mk->rng));
    for (int j = 0; j < mk->n; j++)
        for (int i = j; i < mk->n; i++, to++)
            *to = keep * *to + (1 - keep) * row[i] * row[j];
}

static void shrink(market *mk)
{
    double mean = 0;
    for (int i = 0; i < mk->n; i++)
        mean += mk->s[at(mk->n, i, i)] / mk->n;
    for (size_t k = 0; k < (size_t)mk->n * (size_t)(mk->n + 1) / 2; k++)
        mk->shrunk[k] = 0.9 * mk->s[k];
    for (int i = 0; i < mk->n; i++)
        mk->shrunk[at(mk->n, i, i)] += 0.1 * mean;
}

static void make(market *mk, int n)
{
    mk->n = n;
    mk->rng = keel_rng_seeded(11 + (uint64_t)n);
    for (int i = 0; i < n; i++) {
        mk->beta[i] = 1 + 0.35 * keel_rng_normal(&mk->rng);
        mk->load[i] = 0.6 + 0.3 * keel_rng_normal(&mk->rng);
        mk->own[i] = exp(0.1 + 0.45 * keel_rng_normal(&mk->rng));
        mk->upper[i] = fmax(0.02, 5.0 / n);
        mk->a[i] = 1;
        mk->a[(1 + i % SECTORS) * n + i] = 1;
    }
    mk->row_lo[0] = mk->row_hi[0] = 1;
    for (int k = 1; k <= SECTORS; k++) {
        mk->row_lo[k] = 0.05;
        mk->row_hi[k] = 0.15;
    }
    for (int t = 0; t < HISTORY; t++)
        add_bar(mk, 0.99, 0.8);
}

/* What is left of stationarity and of the set, over the largest variance; signs included. */
static double kkt_error(const market *mk, const keel_qp_answer *out)
{
    static double gradient[N];
    const int n = mk->n;
    double scale = 0, worst = 0;
    for (int i = 0; i < n; i++) {
        gradient[i] = out->z[i];
        scale = fmax(scale, mk->shrunk[at(n, i, i)]);
        worst = fmax(worst, fmax(-out->x[i], out->x[i] - mk->upper[i]));
    }
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n && out->x[j] != 0; i++)
            gradient[i] += mk->shrunk[i >= j ? at(n, i, j) : at(n, j, i)] * out->x[j];
    for (int r = 0; r < ROWS; r++) {
        double value = 0;
        for (int i = 0; i < n; i++) {
            value += mk->a[r * n + i] * out->x[i];
            gradient[i] += mk->a[r * n + i] * out->y[r];
        }
        worst = fmax(worst, fmax(mk->row_lo[r] - value, value - mk->row_hi[r]));
        const double side = out->y[r] > 0 ? mk->row_hi[r] : mk->row_lo[r];
        worst = fmax(worst, fabs(out->y[r] * (side - value)) / scale);
    }
    for (int i = 0; i < n; i++) {
        const double side = out->z[i] > 0 ? mk->upper[i] : 0;
        worst = fmax(worst, fabs(gradient[i]) / scale);
        worst = fmax(worst, fabs(out->z[i] * (side - out->x[i])) / scale);
    }
    return worst;
}

static void thousand_bars(int n)
{
    market *mk = calloc(1, sizeof *mk);
    cr_assert_not_null(mk);
    make(mk, n);
    keel_qp *qp = keel_qp_new(n, ROWS);
    const keel_qp_problem p = {.n = n,
                               .m = ROWS,
                               .s = mk->shrunk,
                               .lower = mk->lower,
                               .upper = mk->upper,
                               .a = mk->a,
                               .row_lo = mk->row_lo,
                               .row_hi = mk->row_hi,
                               .checked = true};
    double worst = 0;
    int steps = 0, most = 0;
    for (int bar = 0; bar < 1000; bar++) {
        keel_qp_answer out;
        add_bar(mk, 0.97, bar % 100 == 99 ? 6 : 0.8); /* a crash in each hundred */
        shrink(mk);
        cr_assert_eq(keel_qp_solve(qp, &p, &out), KEEL_OK);
        cr_assert_eq(out.outcome, KEEL_QP_OPTIMAL, "bar %d: %d", bar, (int)out.outcome);
        const double error = kkt_error(mk, &out);
        cr_assert_lt(error, 1e-10, "bar %d: %g", bar, error);
        worst = fmax(worst, error);
        steps += out.iterations;
        most = out.iterations > most ? out.iterations : most;
    }
    fprintf(stderr, "n %d: 1000 bars, %.2f steps each, %d at most, worst KKT %.1e\n", n,
            steps / 1000.0, most, worst);
    keel_qp_free(&qp);
    free(mk);
}

Test(bars, a_thousand_of_250_names_without_a_failure)
{
    thousand_bars(250);
}

Test(bars, a_thousand_of_500_names_without_a_failure)
{
    thousand_bars(500);
}
