#include "common/base/rng.h"
#include "common/num/la/sym.h"
#include "common/num/stats/moments.h"

#include <criterion/criterion.h>
#include <math.h>

Test(moments, sum_keeps_what_plain_addition_loses)
{
    const double values[] = {1, 1e100, 1, -1e100};
    cr_assert_float_eq(keel_sum(4, values, 1), 2, 0);
    cr_assert_float_eq(keel_sum(0, values, 1), 0, 0);
    cr_assert_float_eq(keel_sum(2, values, 2), 2, 0);
}

Test(moments, mean_and_variance_of_known_numbers)
{
    /* NIST StRD NumAcc3: 1000000.2 then .1 and .3 in turn; exact mean and standard deviation */
    static double values[1001];
    values[0] = 1000000.2;
    for (int i = 1; i < 1001; i++)
        values[i] = i % 2 == 1 ? 1000000.1 : 1000000.3;
    cr_assert_float_eq(keel_mean(1001, values, 1), 1000000.2, 1e-9);
    cr_assert_float_eq(sqrt(keel_variance(1001, values, 1)), 0.1, 1e-10);
}

Test(moments, variance_does_not_depend_on_the_origin)
{
    const double small[] = {4, 7, 13, 16};
    const double far[] = {1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16};
    cr_assert_float_eq(keel_variance(4, small, 1), 30, 0);
    cr_assert_float_eq(keel_variance(4, far, 1), 30, 0);
}

Test(moments, covariance_is_bilinear_and_symmetric)
{
    const double x[] = {1, 2, 4, 8}, y[] = {3, -1, 2, 5};
    const double twice[] = {2, 4, 8, 16};
    const double xy = keel_covariance(4, x, y, 1);
    cr_assert_float_eq(xy, 15.25 / 3, 1e-14);
    cr_assert_float_eq(keel_covariance(4, y, x, 1), xy, 0);
    cr_assert_float_eq(keel_covariance(4, twice, y, 1), 2 * xy, 1e-14);
}

Test(moments, constant_series_have_no_variance)
{
    const double same[] = {0.1, 0.1, 0.1};
    cr_assert_float_eq(keel_variance(3, same, 1), 0, 1e-33);
    cr_assert_geq(keel_variance(3, same, 1), 0);
}

Test(moments, effective_count_of_weights)
{
    const double equal[] = {3, 3, 3, 3}, one[] = {0, 5, 0}, none[] = {0, 0};
    cr_assert_float_eq(keel_count_effective(4, equal), 4, 1e-15);
    cr_assert_float_eq(keel_count_effective(3, one), 1, 0);
    cr_assert_float_eq(keel_count_effective(2, none), 0, 0);
}

Test(moments, unusable_numbers_are_found)
{
    const double bad[] = {NAN, INFINITY, -INFINITY, 2e100, -2e100};
    for (int k = 0; k < 5; k++) {
        const double values[] = {1, bad[k], 2};
        cr_assert_not(keel_all_usable(3, values));
        cr_assert(keel_all_usable(1, values));
    }
    cr_assert(keel_all_usable(0, bad));
}

Test(moments, correlation_has_a_unit_diagonal_and_stays_within_one)
{
    enum { SERIES = 9, ROWS = 5 }; /* fewer rows than series: exact dependence, rounding past 1 */
    for (uint64_t seed = 1; seed <= 200; seed++) {
        keel_rng rng = keel_rng_seeded(seed);
        double rows[ROWS][SERIES], packed[SERIES * (SERIES + 1) / 2], vol[SERIES];
        for (int t = 0; t < ROWS; t++) {
            for (int i = 0; i < SERIES; i++)
                rows[t][i] = i == 8 ? -3 * rows[t][0] : keel_rng_normal(&rng);
        }
        for (int j = 0; j < SERIES; j++) {
            for (int i = j; i < SERIES; i++)
                packed[keel_sym_at(SERIES, i, j)] =
                    keel_covariance(ROWS, &rows[0][i], &rows[0][j], SERIES);
        }
        cr_assert_eq(keel_correlation_of(SERIES, packed, packed, vol), KEEL_OK);
        for (int j = 0; j < SERIES; j++) {
            cr_assert(packed[keel_sym_at(SERIES, j, j)] == 1);
            for (int i = j; i < SERIES; i++)
                cr_assert_leq(fabs(packed[keel_sym_at(SERIES, i, j)]), 1, "seed %d", (int)seed);
        }
        cr_assert_float_eq(packed[keel_sym_at(SERIES, 8, 0)], -1, 1e-15);
    }
}

Test(moments, correlation_of_a_known_matrix_and_of_a_dead_series)
{
    const double covariance[] = {4, 3, 0, 9, 0, 0};
    double correlation[6], vol[3];
    cr_assert_eq(keel_correlation_of(3, covariance, correlation, vol), KEEL_OK);
    cr_assert_float_eq(vol[0], 2, 0);
    cr_assert_float_eq(vol[1], 3, 0);
    cr_assert_float_eq(correlation[1], 0.5, 1e-16);
    cr_assert_float_eq(correlation[2], 0, 0);
    cr_assert_float_eq(correlation[5], 1, 0);
    cr_assert_float_eq(keel_mean_off_diagonal(3, correlation), 0.5 / 3, 1e-16);
    cr_assert_float_eq(keel_mean_off_diagonal(1, correlation), 0, 0);
}

Test(moments, correlation_refuses_a_negative_variance)
{
    const double covariance[] = {1, 0, -1e-9};
    double correlation[3] = {7, 7, 7}, vol[2] = {7, 7};
    cr_assert_eq(keel_correlation_of(2, covariance, correlation, vol), KEEL_ERANGE);
    cr_assert_float_eq(correlation[0], 7, 0);
    cr_assert_float_eq(vol[0], 7, 0);
}
