#include "common/base/rng.h"
#include "common/num/la/eigen.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 24, LEN = N * (N + 1) / 2 };

static void setup(void)
{
    keel_la_init();
}

TestSuite(eigen, .init = setup);

static void fill(int n, double *packed, uint64_t seed)
{
    keel_rng rng = keel_rng_seeded(seed);
    for (size_t k = 0; k < keel_sym_len(n); k++)
        packed[k] = keel_rng_normal(&rng);
}

/* Gram matrix of `rank` random vectors: semidefinite, of that rank. */
static void fill_gram(int n, int rank, double *packed, uint64_t seed)
{
    double v[N][N];
    keel_rng rng = keel_rng_seeded(seed);
    for (int i = 0; i < n; i++) {
        for (int f = 0; f < rank; f++)
            v[i][f] = keel_rng_normal(&rng);
    }
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            packed[keel_sym_at(n, i, j)] = 0;
            for (int f = 0; f < rank; f++)
                packed[keel_sym_at(n, i, j)] += v[i][f] * v[j][f];
        }
    }
}

Test(eigen, closed_form_of_the_second_difference_matrix)
{
    double a[N * N] = {0}, values[N], packed[LEN] = {0}, alone[N];
    for (int i = 0; i < N; i++) {
        a[i * N + i] = packed[keel_sym_at(N, i, i)] = 2;
        if (i + 1 < N)
            a[i * N + i + 1] = packed[keel_sym_at(N, i + 1, i)] = -1;
    }
    cr_assert_eq(keel_eigen_decompose(N, a, N, values), KEEL_OK);
    cr_assert_eq(keel_eigen_values(N, packed, alone), KEEL_OK);
    for (int k = 0; k < N; k++) {
        const double expected = 2 - 2 * cos((k + 1) * acos(-1) / (N + 1));
        cr_assert_float_eq(values[k], expected, 1e-13);
        cr_assert_float_eq(alone[k], expected, 1e-13);
    }
}

Test(eigen, vectors_are_orthonormal_solve_the_equation_and_compose_the_matrix)
{
    for (int n = 1; n <= N; n++) {
        double packed[LEN], back[LEN], v[N * N], values[N];
        fill(n, packed, (uint64_t)n);
        keel_sym_unpack(n, packed, v, n);
        cr_assert_eq(keel_eigen_decompose(n, v, n, values), KEEL_OK);
        for (int j = 0; j < n; j++) {
            int scratch[N];
            double image[N];
            keel_sym_matvec(n, packed, v + j * n, image, scratch);
            for (int i = 0; i < n; i++)
                cr_assert_float_eq(image[i], values[j] * v[j * n + i], 1e-12);
            for (int i = 0; i <= j; i++)
                cr_assert_float_eq(keel_la_dot(n, v + i * n, v + j * n), i == j, 1e-13);
            cr_assert(j == 0 || values[j] >= values[j - 1]);
        }
        fill_gram(n, n, packed, (uint64_t)n);
        keel_sym_unpack(n, packed, v, n);
        cr_assert_eq(keel_eigen_decompose(n, v, n, values), KEEL_OK);
        keel_eigen_compose(n, n, v, values, back);
        for (size_t k = 0; k < keel_sym_len(n); k++)
            cr_assert_float_eq(back[k], packed[k], 1e-12 * n);
    }
}

Test(eigen, composing_the_largest_only_is_the_nearest_of_that_rank)
{
    double packed[LEN], back[LEN], v[N * N], values[N];
    fill_gram(N, 3, packed, 4);
    keel_sym_unpack(N, packed, v, N);
    cr_assert_eq(keel_eigen_decompose(N, v, N, values), KEEL_OK);
    keel_eigen_compose(N, 3, v, values, back);
    for (int k = 0; k < LEN; k++)
        cr_assert_float_eq(back[k], packed[k], 1e-12);
}

Test(eigen, largest_entry_of_each_vector_is_positive)
{
    double packed[LEN], v[N * N], negated[N * N], values[N];
    fill(N, packed, 9);
    keel_sym_unpack(N, packed, v, N);
    cr_assert_eq(keel_eigen_decompose(N, v, N, values), KEEL_OK);
    for (int k = 0; k < LEN; k++) /* the same vectors in the reverse order */
        packed[k] = -packed[k];
    keel_sym_unpack(N, packed, negated, N);
    cr_assert_eq(keel_eigen_decompose(N, negated, N, values), KEEL_OK);
    for (int k = 0; k < N; k++) {
        double largest = 0;
        for (int i = 0; i < N; i++) {
            const double entry = v[k * N + i];
            largest = fabs(entry) > fabs(largest) ? entry : largest;
            cr_assert_float_eq(entry, negated[(N - 1 - k) * N + i], 1e-11);
        }
        cr_assert_gt(largest, 0);
    }
}

Test(eigen, refuses_and_leaves_the_matrix)
{
    double a[4] = {1, NAN, NAN, 1}, values[2] = {7, 7}, packed[3] = {1, INFINITY, 1};
    cr_assert_eq(keel_eigen_decompose(2, a, 2, values), KEEL_ENONFINITE);
    cr_assert_eq(a[0], 1);
    cr_assert_eq(keel_eigen_values(2, packed, values), KEEL_ENONFINITE);
    cr_assert_eq(values[0], 7);
    cr_assert_eq(keel_eigen_decompose(KEEL_EIGEN_N_MAX + 1, a, 2, values), KEEL_ETOOBIG);
    cr_assert_eq(keel_eigen_values(KEEL_EIGEN_N_MAX + 1, packed, values), KEEL_ETOOBIG);
    cr_assert_eq(keel_eigen_decompose(0, a, 1, values), KEEL_OK);
}

static keel_status definite(int n, const double *packed, double *smallest)
{
    return keel_sym_check_semidefinite(n, packed, KEEL_SEMIDEFINITE_TOLERANCE, smallest);
}

Test(eigen, semidefinite_of_any_rank_and_units_passes)
{
    for (int rank = 1; rank <= N; rank++) {
        double packed[LEN], smallest = 7;
        fill_gram(N, rank, packed, (uint64_t)rank);
        for (int j = 0; j < N; j++) {
            for (int i = j; i < N; i++) /* units from 1e-12 to 1e11 */
                packed[keel_sym_at(N, i, j)] *= pow(10, i - 12) * pow(10, j - 12);
        }
        cr_assert_eq(definite(N, packed, &smallest), KEEL_OK, "rank %d", rank);
        cr_assert_eq(smallest, 7, "written only with KEEL_ERANGE");
    }
}

Test(eigen, what_is_not_semidefinite_is_refused_in_any_units)
{
    static const struct {
        double packed[6], smallest;
    } rows[] = {
        {{1, 0.9, 0.9, 1, -0.9, 1}, -0.8},                /* 1 - 2 * 0.9 */
        {{1, 9e-6, 0.9, 1e-10, -9e-6, 1}, -0.8},          /* the same, other units */
        {{1, 0, 0, -1e-9, 0, 1}, -1},                     /* a negative variance */
        {{0, 1, 0, 1, 0, 1}, -0.61803398874989484820458}, /* covariance with a constant */
        {{1, 1.000001, 0, 1, 0, 1}, -1e-6},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        double smallest = 7;
        cr_assert_eq(definite(3, rows[k].packed, &smallest), KEEL_ERANGE, "row %zu", k);
        cr_assert_float_eq(smallest, rows[k].smallest, 1e-12, "row %zu: %g", k, smallest);
        cr_assert_eq(definite(3, rows[k].packed, NULL), KEEL_ERANGE);
    }
}

Test(eigen, edges_of_semidefinite)
{
    const double zero[6] = {0}, extreme[3] = {1e-320, 1e300, 1e-320}, bad[1] = {NAN};
    const double within[3] = {1, 1 + 5e-11, 1}, beyond[3] = {1, 1 + 2e-10, 1};
    double smallest = 0;
    cr_assert_eq(definite(3, zero, NULL), KEEL_OK);
    cr_assert_eq(definite(0, zero, NULL), KEEL_OK);
    cr_assert_eq(definite(2, within, NULL), KEEL_OK);
    cr_assert_eq(definite(2, beyond, NULL), KEEL_ERANGE);
    cr_assert_eq(definite(2, extreme, &smallest), KEEL_ERANGE);
    cr_assert(isfinite(smallest));
    cr_assert_eq(definite(1, bad, NULL), KEEL_ENONFINITE);
    cr_assert_eq(definite(KEEL_EIGEN_N_MAX + 1, zero, NULL), KEEL_ETOOBIG);
}
