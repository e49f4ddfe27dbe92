#include "common/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* First outputs of xoshiro256++ 1.0 from the state 1, 2, 3, 4 (reference C code of its authors). */
Test(rng, gives_the_sequence_of_the_reference_code)
{
    static const uint64_t expected[] = {
        UINT64_C(41943041),
        UINT64_C(58720359),
        UINT64_C(3588806011781223),
        UINT64_C(3591011842654386),
        UINT64_C(9228616714210784205),
        UINT64_C(9973669472204895162),
        UINT64_C(14011001112246962877),
        UINT64_C(12406186145184390807),
        UINT64_C(15849039046786891736),
        UINT64_C(10450023813501588000),
    };
    keel_rng rng = {{1, 2, 3, 4}};
    for (int i = 0; i < 10; i++)
        cr_assert_eq(keel_rng_u64(&rng), expected[i], "output %d", i);
}

Test(rng, seeds_by_splitmix64)
{
    /* splitmix64 from 1234567, as its author publishes it */
    static const uint64_t expected[] = {
        UINT64_C(6457827717110365317),
        UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431),
    };
    const keel_rng rng = keel_rng_seeded(1234567);
    cr_assert_arr_eq(rng.s, expected, sizeof expected);
}

Test(rng, a_copied_state_continues_the_same_way)
{
    keel_rng a = keel_rng_seeded(9);
    for (int i = 0; i < 100; i++)
        keel_rng_normal(&a);
    keel_rng b = a;
    for (int i = 0; i < 100; i++) {
        const double x = keel_rng_normal(&a), y = keel_rng_normal(&b);
        cr_assert_float_eq(x, y, 0);
    }
    const keel_rng other = keel_rng_seeded(10);
    cr_assert_neq(other.s[0], keel_rng_seeded(9).s[0]);
}

Test(rng, below_stays_below_and_is_even)
{
    static const uint64_t bounds[] = {1, 2, 3, 7, UINT64_C(1) << 63, UINT64_MAX};
    keel_rng rng = keel_rng_seeded(4);
    int counts[7] = {0};
    for (size_t k = 0; k < sizeof bounds / sizeof bounds[0]; k++) {
        for (int i = 0; i < 1000; i++)
            cr_assert_lt(keel_rng_below(&rng, bounds[k]), bounds[k]);
    }
    for (int i = 0; i < 70000; i++)
        counts[keel_rng_below(&rng, 7)]++;
    for (int k = 0; k < 7; k++)
        cr_assert_lt(abs(counts[k] - 10000), 500, "seed 4: %d came %d times", k, counts[k]);
}

/* Mean and variance within five standard errors. */
static void expect_moments(const double *x, int n, double variance_error)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i];
        squares += x[i] * x[i];
    }
    cr_assert_lt(fabs(sum / n), 5 / sqrt(n));
    cr_assert_lt(fabs(squares / n - 1), variance_error);
}

Test(rng, uniform_normal_and_student_have_their_moments)
{
    enum { DRAWS = 100000 };
    static double x[DRAWS];
    keel_rng rng = keel_rng_seeded(5);
    for (int i = 0; i < DRAWS; i++) {
        const double u = keel_rng_uniform(&rng);
        cr_assert(u >= 0 && u < 1);
        x[i] = (u - 0.5) * sqrt(12);
    }
    expect_moments(x, DRAWS, 0.02);
    for (int i = 0; i < DRAWS; i++)
        x[i] = keel_rng_normal(&rng);
    expect_moments(x, DRAWS, 0.03);
    for (int i = 0; i < DRAWS; i++)
        x[i] = keel_rng_student(&rng, 8);
    expect_moments(x, DRAWS, 0.05);
    double fourth = 0;
    for (int i = 0; i < DRAWS; i++)
        fourth += x[i] * x[i] * x[i] * x[i] / DRAWS;
    cr_assert_gt(fourth, 3.6); /* kurtosis 4.5 with 8 degrees of freedom, 3 for a normal */
}
