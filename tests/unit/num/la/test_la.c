#include "common/num/la/la.h"

#include <criterion/criterion.h>
#include <math.h>

/* 2 x 3 in a leading dimension of 4; the 9s must not be read. */
static double numbers[12] = {1, 2, 9, 9, 3, 4, 9, 9, 5, 6, 9, 9};

static const keel_la_matrix a = {2, 3, numbers, 4};
static const keel_la_matrix empty = {0, 0, numbers, 1};

Test(la, matvec_both_ways)
{
    const double x[3] = {1, -1, 2}, u[2] = {1, 10};
    double y[2] = {100, 200}, v[3] = {1, 1, 1};
    keel_la_init();
    keel_la_matvec(a, 2, x, 1, y);
    cr_assert_float_eq(y[0], 100 + 2 * 8, 0);
    cr_assert_float_eq(y[1], 200 + 2 * 10, 0);
    keel_la_matvec_t(a, 1, u, -1, v);
    cr_assert_float_eq(v[0], 20, 0);
    cr_assert_float_eq(v[1], 42, 0);
    cr_assert_float_eq(v[2], 64, 0);
    keel_la_matvec((keel_la_matrix){2, 0, numbers, 4}, 1, x, 0.5, y);
    cr_assert_float_eq(y[0], 58, 0); /* no columns: only beta acts */
}

Test(la, rank_one_stays_inside_its_block)
{
    double m[8] = {0, 0, 7, 7, 0, 0, 7, 7};
    const double x[2] = {1, 2}, y[2] = {3, 5};
    const double expected[8] = {6, 12, 7, 7, 10, 20, 7, 7};
    keel_la_init();
    keel_la_rank_one((keel_la_matrix){2, 2, m, 4}, 2, x, y);
    cr_assert_arr_eq(m, expected, sizeof m);
}

Test(la, gram_and_dot)
{
    const double v[6] = {1, 2, 3, 4, 5, 6};
    double g[4] = {0, 0, 9, 0};
    keel_la_init();
    keel_la_gram(3, 2, v, g);
    cr_assert_float_eq(g[0], 14, 0);
    cr_assert_float_eq(g[1], 32, 0);
    cr_assert_float_eq(g[2], 9, 0); /* upper triangle untouched */
    cr_assert_float_eq(g[3], 77, 0);
    cr_assert_float_eq(keel_la_dot(3, v, v + 3), 32, 0);
    keel_la_add_scaled(3, -2, v, g);
    cr_assert_float_eq(g[1], 32 - 4, 0);
    cr_assert_float_eq(g[3], 77, 0);
    keel_la_add_scaled(0, 1, v, g);
}

Test(la, gram_between_two)
{
    const double v[6] = {1, 2, 3, 4, 5, 6}, w[3] = {1, 0, -1};
    double g[2] = {9, 9};
    keel_la_init();
    keel_la_gram_between(3, 2, 1, v, w, g);
    cr_assert_float_eq(g[0], -2, 0);
    cr_assert_float_eq(g[1], -2, 0);
    keel_la_gram_between(3, 1, 2, w, v, g);
    cr_assert_float_eq(g[1], -2, 0);
    keel_la_gram_between(0, 1, 2, w, v, g); /* an empty sum is 0 */
    cr_assert_float_eq(g[1], 0, 0);
    g[0] = 7;
    keel_la_gram_between(3, 0, 1, v, w, g);
    cr_assert_float_eq(g[0], 7, 0);
}

Test(la, empty_shapes_do_nothing)
{
    double y[1] = {5};
    keel_la_init();
    keel_la_matvec(empty, 1, numbers, 0, y);
    keel_la_rank_one(empty, 1, numbers, numbers);
    keel_la_gram(0, 0, numbers, y);
    cr_assert_float_eq(y[0], 5, 0);
    cr_assert_float_eq(keel_la_dot(0, numbers, numbers), 0, 0);
    keel_la_matvec_t((keel_la_matrix){0, 1, numbers, 1}, 1, numbers, 0, y); /* an empty sum is 0 */
    cr_assert_float_eq(y[0], 0, 0);
}

Test(la, finds_the_one_number_that_is_not_finite)
{
    const double bad[] = {NAN, INFINITY, -INFINITY};
    double x[37];
    keel_la_init();
    for (int i = 0; i < 37; i++)
        x[i] = i % 2 == 0 ? 1e308 : -1e308; /* the sum overflows, the numbers do not */
    cr_assert(keel_la_all_finite(37, x));
    cr_assert(keel_la_all_finite(0, x));
    for (int i = 0; i < 37; i++) {
        const double kept = x[i];
        for (int k = 0; k < 3; k++) {
            x[i] = bad[k];
            cr_assert_not(keel_la_all_finite(37, x), "place %d", i);
        }
        x[i] = kept;
    }
}
