/* Carried factors against factors made anew from the changed matrix. */
#include "common/base/rng.h"
#include "common/num/la/chol_update.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 24, LD = 29, C = 5 };

#define PIVOT_MIN 1e-13

/* B B' + ridge I of order n, B of rank `rank`. */
static void make(double *a, int n, uint64_t seed, int rank, double ridge)
{
    keel_rng rng = keel_rng_seeded(seed);
    double b[N][N];
    for (int i = 0; i < N; i++) {
        for (int f = 0; f < N; f++)
            b[i][f] = f < rank ? keel_rng_normal(&rng) : 0;
    }
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++) {
            a[j * LD + i] = i == j ? ridge : 0;
            for (int f = 0; f < N; f++)
                a[j * LD + i] += b[i][f] * b[j][f];
        }
    }
}

/* Largest |L L' - A| over the largest |A|: what a backward stable factor keeps at rounding, however
 * ill-conditioned A is. */
static double misfit(int n, const double *l, const double *a)
{
    double worst = 0, largest = 0;
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            double sum = 0;
            for (int k = 0; k <= j; k++)
                sum += l[k * LD + i] * l[k * LD + j];
            worst = fmax(worst, fabs(sum - a[j * LD + i]));
            largest = fmax(largest, fabs(a[j * LD + i]));
        }
    }
    return worst / largest;
}

static void drop(double *a, int n, int at)
{
    double from[N * LD];
    memcpy(from, a, sizeof from);
    for (int j = 0; j < n - 1; j++) {
        for (int i = 0; i < n - 1; i++)
            a[j * LD + i] = from[(j + (j >= at)) * LD + i + (i >= at)];
    }
}

static void add_outer(double *a, int n, const double *x, double sign)
{
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++)
            a[j * LD + i] += sign * x[i] * x[j];
    }
}

static void random_vector(keel_rng *rng, int n, double unit, double *x)
{
    for (int i = 0; i < n; i++)
        x[i] = unit * keel_rng_normal(rng);
}

static const keel_la_matrix nothing = {0};

static void setup(void)
{
    keel_la_init();
}

TestSuite(chol_update, .init = setup);

Test(chol_update, grown_from_nothing_is_the_factor)
{
    static const double ridges[] = {1, 1e-6, 1e-10};
    for (int k = 0; k < 3; k++) {
        double a[N * LD], grown[N * LD], made[N * LD];
        make(a, N, 11 + (uint64_t)k, 6, ridges[k]);
        memcpy(made, a, sizeof made);
        cr_assert_eq(keel_chol_factor(N, made, LD, PIVOT_MIN), KEEL_CHOL_FACTORED);
        for (int n = 0; n < N; n++) {
            double column[N];
            for (int i = 0; i <= n; i++)
                column[i] = a[n * LD + i];
            cr_assert_eq(keel_chol_append(n, grown, LD, column, PIVOT_MIN), KEEL_CHOL_FACTORED);
        }
        cr_expect_lt(misfit(N, grown, a), 1e-14);
        for (int j = 0; j < N && ridges[k] > 0.5; j++) {
            for (int i = j; i < N; i++)
                cr_expect_float_eq(grown[j * LD + i], made[j * LD + i], 1e-12);
        }
    }
}

Test(chol_update, a_dependent_row_is_refused_and_nothing_changes)
{
    double l[N * LD], before[N * LD], a[N * LD], column[N];
    make(a, 8, 3, N, 0.5);
    memcpy(l, a, sizeof l);
    cr_assert_eq(keel_chol_factor(7, l, LD, PIVOT_MIN), KEEL_CHOL_FACTORED);
    memcpy(before, l, sizeof l);
    for (int i = 0; i < 7; i++) /* row 7 is row 2 again */
        column[i] = i >= 2 ? a[2 * LD + i] : a[i * LD + 2];
    column[7] = a[2 * LD + 2];
    cr_assert_eq(keel_chol_append(7, l, LD, column, PIVOT_MIN), KEEL_CHOL_NOT_DEFINITE);
    for (int j = 0; j < 7; j++)
        cr_assert_arr_eq(l + j * LD, before + j * LD, 7 * sizeof(double));
    column[7] *= 1 + 1e-10; /* its own part is small but there */
    cr_assert_eq(keel_chol_append(7, l, LD, column, PIVOT_MIN), KEEL_CHOL_FACTORED);
    const double none[1] = {0}, below[1] = {-1};
    cr_assert_eq(keel_chol_append(0, l, LD, none, 0), KEEL_CHOL_NOT_DEFINITE);
    cr_assert_eq(keel_chol_append(0, l, LD, below, 0), KEEL_CHOL_NOT_DEFINITE);
}

Test(chol_update, deleted_is_the_factor_of_what_is_left)
{
    static const double ridges[] = {1, 1e-9};
    for (int k = 0; k < 2; k++) {
        for (int at = 0; at < N; at++) {
            double a[N * LD], l[N * LD];
            make(a, N, 100 + (uint64_t)at, 5, ridges[k]);
            memcpy(l, a, sizeof l);
            cr_assert_eq(keel_chol_factor(N, l, LD, 0), KEEL_CHOL_FACTORED);
            keel_chol_delete(N, l, LD, at, nothing);
            drop(a, N, at);
            cr_expect_lt(misfit(N - 1, l, a), 1e-14, "at %d", at);
            for (int j = 0; j < N - 1; j++)
                cr_expect_gt(l[j * LD + j], 0);
        }
    }
    double one[1] = {2};
    keel_chol_delete(1, one, 1, 0, nothing);
}

/* L^-1 C, solved anew. */
static void expect_carried(int n, const double *l, const double *c, const double *b)
{
    double fresh[C * LD];
    memcpy(fresh, c, sizeof fresh);
    keel_tri_solve(n, C, l, LD, fresh, LD);
    for (int j = 0; j < C; j++) {
        for (int i = 0; i < n; i++)
            cr_expect_float_eq(b[j * LD + i], fresh[j * LD + i], 1e-10);
    }
}

Test(chol_update, a_long_walk_keeps_factor_and_carried_sides)
{
    double a[N * LD], sub[N * LD], l[N * LD], b[C * LD], c[C * LD], all[C * N];
    int held[N], k = 0;
    bool in[N] = {false};
    keel_rng rng = keel_rng_seeded(77);
    make(a, N, 78, 8, 0.05);
    random_vector(&rng, C * N, 1, all);
    for (int step = 0; step < 3000; step++) {
        const int i = (int)keel_rng_below(&rng, N);
        if (in[i]) {
            int at = 0;
            while (held[at] != i)
                at++;
            keel_chol_delete(k, l, LD, at, (keel_la_matrix){k, C, b, LD});
            memmove(held + at, held + at + 1, (size_t)(k - at - 1) * sizeof *held);
            k--;
        } else {
            double column[N], row[C];
            for (int j = 0; j < k; j++)
                column[j] = a[i * LD + held[j]];
            column[k] = a[i * LD + i];
            for (int j = 0; j < C; j++)
                row[j] = all[j * N + i];
            cr_assert_eq(keel_chol_append(k, l, LD, column, PIVOT_MIN), KEEL_CHOL_FACTORED);
            keel_chol_append_carried(l, LD, (keel_la_matrix){k, C, b, LD}, row);
            held[k++] = i;
        }
        in[i] = !in[i];
    }
    for (int j = 0; j < k; j++) {
        for (int i = 0; i < k; i++)
            sub[j * LD + i] = a[held[j] * LD + held[i]];
        for (int f = 0; f < C; f++)
            c[f * LD + j] = all[f * N + held[j]];
    }
    const double error = misfit(k, l, sub);
    fprintf(stderr, "3000 changes: misfit %.1e, order %d\n", error, k);
    cr_assert_gt(k, 2);
    cr_expect_lt(error, 1e-12);
    expect_carried(k, l, c, b);
}

Test(chol_update, updates_of_rank_one_and_more)
{
    static const double ridges[] = {1, 1e-8};
    for (int k = 0; k < 2; k++) {
        double a[N * LD], one[N * LD], many[N * LD], x[C * LD], copy[C * LD];
        keel_rng rng = keel_rng_seeded(5);
        make(a, N, 6, 4, ridges[k]);
        memcpy(one, a, sizeof one);
        cr_assert_eq(keel_chol_factor(N, one, LD, 0), KEEL_CHOL_FACTORED);
        memcpy(many, one, sizeof many);
        random_vector(&rng, C * LD, 3, x);
        memcpy(copy, x, sizeof copy);
        for (int q = 0; q < C; q++) {
            add_outer(a, N, x + q * LD, 1);
            keel_chol_update(N, one, LD, copy + q * LD);
        }
        keel_chol_update_many(N, many, LD, (keel_la_matrix){N, C, x, LD});
        cr_expect_lt(misfit(N, one, a), 1e-14);
        cr_expect_lt(misfit(N, many, a), 1e-14);
    }
}

Test(chol_update, a_downdate_takes_back_an_update)
{
    static const double ridges[] = {1, 1e-4, 1e-8};
    for (int k = 0; k < 3; k++) {
        double a[N * LD], l[N * LD], x[N], copy[N], work[2 * N];
        keel_rng rng = keel_rng_seeded(9 + (uint64_t)k);
        make(a, N, 10, 4, ridges[k]);
        memcpy(l, a, sizeof l);
        cr_assert_eq(keel_chol_factor(N, l, LD, 0), KEEL_CHOL_FACTORED);
        random_vector(&rng, N, 1, x);
        memcpy(copy, x, sizeof copy);
        keel_chol_update(N, l, LD, copy);
        cr_assert_eq(keel_chol_downdate(N, l, LD, x, PIVOT_MIN, work), KEEL_CHOL_FACTORED);
        cr_expect_lt(misfit(N, l, a), 1e-13, "ridge %g: %g", ridges[k], misfit(N, l, a));
    }
}

Test(chol_update, a_downdate_that_is_not_definite_is_refused)
{
    double a[N * LD] = {0}, l[N * LD], before[N * LD], x[N], work[2 * N];
    static const double sizes[] = {1, 1.0001, 50};
    make(a, N, 12, N, 0.1);
    memcpy(l, a, sizeof l);
    cr_assert_eq(keel_chol_factor(N, l, LD, 0), KEEL_CHOL_FACTORED);
    memcpy(before, l, sizeof l);
    for (int k = 0; k < 3; k++) {
        memset(x, 0, sizeof x); /* size L e_3: A - x x' is singular at size 1, indefinite above */
        for (int i = 3; i < N; i++)
            x[i] = sizes[k] * l[3 * LD + i];
        cr_expect_eq(keel_chol_downdate(N, l, LD, x, PIVOT_MIN, work), KEEL_CHOL_NOT_DEFINITE);
        cr_expect_arr_eq(l, before, sizeof l);
    }
    for (int i = 0; i < N; i++)
        x[i] = i >= 3 ? 0.999 * l[3 * LD + i] : 0;
    cr_expect_eq(keel_chol_downdate(N, l, LD, x, PIVOT_MIN, work), KEEL_CHOL_FACTORED);
}

Test(chol_update, a_downdate_does_not_depend_on_units)
{
    static const double units[] = {1e-8, 1, 1e8};
    for (int k = 0; k < 3; k++) {
        double l[1] = {sqrt(units[k])}, work[2];
        double x[1] = {sqrt(units[k]) * (1 - 1e-5)}, whole[1] = {l[0]};
        cr_expect_eq(keel_chol_downdate(1, l, 1, whole, PIVOT_MIN, work), KEEL_CHOL_NOT_DEFINITE);
        cr_expect_eq(keel_chol_downdate(1, l, 1, x, PIVOT_MIN, work), KEEL_CHOL_FACTORED);
        cr_expect_float_eq(l[0] * l[0] / units[k], 1 - (1 - 1e-5) * (1 - 1e-5), 1e-15);
    }
    cr_expect_eq(keel_chol_downdate(0, NULL, 1, NULL, 0, NULL), KEEL_CHOL_FACTORED);
}
