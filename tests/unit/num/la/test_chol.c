#include "common/base/rng.h"
#include "common/num/la/chol.h"
#include "common/num/la/la.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 12, LD = 15, RHS = 3 };

/* B B' + I with leading dimension LD; rank of B as given. */
static void make(double *a, uint64_t seed, int rank, double ridge)
{
    keel_rng rng = keel_rng_seeded(seed);
    double b[N][N];
    for (int i = 0; i < N; i++) {
        for (int f = 0; f < N; f++)
            b[i][f] = f < rank ? keel_rng_normal(&rng) : 0;
    }
    for (int j = 0; j < N; j++) {
        for (int i = 0; i < N; i++) {
            a[j * LD + i] = i == j ? ridge : 0;
            for (int f = 0; f < N; f++)
                a[j * LD + i] += b[i][f] * b[j][f];
        }
    }
}

static void setup(void)
{
    keel_la_init();
}

TestSuite(chol, .init = setup);

Test(chol, factor_times_its_transpose_is_the_matrix)
{
    double a[N * LD], l[N * LD];
    make(a, 5, N, 1);
    memcpy(l, a, sizeof a);
    cr_assert_eq(keel_chol_factor(N, l, LD, 0), KEEL_CHOL_FACTORED);
    for (int j = 0; j < N; j++) {
        for (int i = j; i < N; i++) {
            double sum = 0;
            for (int k = 0; k <= j; k++)
                sum += l[k * LD + i] * l[k * LD + j];
            cr_assert_float_eq(sum, a[j * LD + i], 1e-13);
        }
        for (int i = 0; i < j; i++) /* the upper triangle is not touched */
            cr_assert_float_eq(l[j * LD + i], a[j * LD + i], 0);
    }
    cr_assert_eq(keel_chol_factor(0, l, 1, 0), KEEL_CHOL_FACTORED);
}

Test(chol, solves_several_right_hand_sides)
{
    double a[N * LD], l[N * LD], b[RHS * LD], x[RHS * LD], half[RHS * LD];
    make(a, 6, N, 1);
    memcpy(l, a, sizeof a);
    for (int k = 0; k < RHS * LD; k++)
        b[k] = sin(k);
    memcpy(x, b, sizeof b);
    memcpy(half, b, sizeof b);
    cr_assert_eq(keel_chol_factor(N, l, LD, 0), KEEL_CHOL_FACTORED);
    keel_chol_solve(N, RHS, l, LD, x, LD);
    keel_tri_solve(N, RHS, l, LD, half, LD);
    keel_tri_solve_t(N, RHS, l, LD, half, LD);
    for (int r = 0; r < RHS; r++) {
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int j = 0; j < N; j++)
                sum += a[j * LD + i] * x[r * LD + j];
            cr_assert_float_eq(sum, b[r * LD + i], 1e-11);
            cr_assert_float_eq(half[r * LD + i], x[r * LD + i], 1e-14);
        }
    }
}

Test(chol, refuses_what_is_not_positive_definite)
{
    double a[N * LD];
    make(a, 7, N, 1);
    a[4 * LD + 4] = -1;
    cr_assert_eq(keel_chol_factor(N, a, LD, 0), KEEL_CHOL_NOT_DEFINITE);
    make(a, 7, 4, 0); /* rank 4 of 12: pivots are rounding, whatever their sign */
    cr_assert_eq(keel_chol_factor(N, a, LD, 1e-13), KEEL_CHOL_NOT_DEFINITE);
}

Test(chol, the_pivot_test_does_not_depend_on_units)
{
    const double units[] = {1e-8, 1, 1e8};
    for (int k = 0; k < 3; k++) {
        double near[4] = {units[k], units[k], units[k], units[k] * (1 + 1e-10)};
        double nearer[4] = {units[k], units[k], units[k], units[k] * (1 + 1e-14)};
        cr_assert_eq(keel_chol_factor(2, near, 2, 1e-13), KEEL_CHOL_FACTORED);
        cr_assert_eq(keel_chol_factor(2, nearer, 2, 1e-13), KEEL_CHOL_NOT_DEFINITE);
    }
}

Test(chol, inverse_of_the_factor)
{
    double a[N * LD], l[N * LD];
    make(a, 8, N, 1);
    cr_assert_eq(keel_chol_factor(N, a, LD, 0), KEEL_CHOL_FACTORED);
    memcpy(l, a, sizeof a);
    keel_tri_invert(N, l, LD);
    for (int j = 0; j < N; j++) {
        for (int i = j; i < N; i++) {
            double sum = 0;
            for (int k = j; k <= i; k++)
                sum += a[k * LD + i] * l[j * LD + k];
            cr_assert_float_eq(sum, i == j ? 1 : 0, 1e-13);
        }
    }
    keel_tri_invert(0, l, 1);
}

Test(chol, condition_of_a_diagonal_is_exact)
{
    double a[4] = {4, 0, 0, 1e-6}, work[6];
    int iwork[2];
    cr_assert_eq(keel_chol_factor(2, a, 2, 0), KEEL_CHOL_FACTORED);
    cr_assert_float_eq(keel_chol_rcond(2, a, 2, 4, work, iwork), 1e-6 / 4, 1e-18);
}
