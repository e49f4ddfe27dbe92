#include "common/base/rng.h"
#include "common/num/la/sym.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 9, LEN = N * (N + 1) / 2 };

static void fill(double *packed, uint64_t seed)
{
    keel_rng rng = keel_rng_seeded(seed);
    for (int k = 0; k < LEN; k++)
        packed[k] = keel_rng_normal(&rng);
}

Test(sym, index_runs_down_the_columns_without_a_hole)
{
    for (int n = 1; n <= 20; n++) {
        size_t next = 0;
        for (int j = 0; j < n; j++) {
            for (int i = j; i < n; i++)
                cr_assert_eq(keel_sym_at(n, i, j), next++);
        }
        cr_assert_eq(keel_sym_len(n), next);
    }
    cr_assert_eq(keel_sym_len(0), 0);
}

Test(sym, unpack_and_pack_are_inverse_with_any_leading_dimension)
{
    double packed[LEN], back[LEN], dense[N * (N + 3)];
    fill(packed, 1);
    keel_sym_unpack(N, packed, dense, N + 3);
    for (int j = 0; j < N; j++) {
        for (int i = 0; i < N; i++) {
            cr_assert_float_eq(dense[j * (N + 3) + i], keel_sym_get(N, packed, i, j), 0);
            cr_assert_float_eq(dense[i * (N + 3) + j], keel_sym_get(N, packed, i, j), 0);
        }
    }
    keel_sym_pack(N, dense, N + 3, back);
    cr_assert_arr_eq(back, packed, sizeof packed);
}

Test(sym, block_takes_the_rows_and_columns_named)
{
    const int pick[] = {1, 4, 5, 8};
    double packed[LEN], block[16] = {0};
    fill(packed, 2);
    keel_sym_block(N, packed, pick, 4, block);
    for (int j = 0; j < 4; j++) {
        for (int i = j; i < 4; i++)
            cr_assert_float_eq(block[j * 4 + i], keel_sym_get(N, packed, pick[i], pick[j]), 0);
    }
}

Test(sym, matvec_equals_the_plain_double_loop_for_sparse_and_full_vectors)
{
    double packed[LEN], x[N], y[N];
    int scratch[N];
    fill(packed, 3);
    for (unsigned mask = 0; mask < 1u << N; mask += 7) {
        for (int i = 0; i < N; i++)
            x[i] = mask >> i & 1 ? 0.3 * i - 1.1 : 0;
        keel_sym_matvec(N, packed, x, y, scratch);
        double quadratic = 0;
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int j = 0; j < N; j++)
                sum += keel_sym_get(N, packed, i, j) * x[j];
            cr_assert_float_eq(y[i], sum, 1e-13, "mask %x", mask);
            quadratic += sum * x[i];
        }
        cr_assert_float_eq(keel_sym_quadratic(N, packed, x), quadratic, 1e-12);
    }
}
