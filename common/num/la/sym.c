#include "common/num/la/sym.h"

#include <cblas.h>
#include <string.h>

void keel_sym_unpack(int n, const double *packed, double *dense, int ld)
{
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            const double value = *packed++;
            dense[(size_t)j * (size_t)ld + (size_t)i] = value;
            dense[(size_t)i * (size_t)ld + (size_t)j] = value;
        }
    }
}

void keel_sym_pack(int n, const double *dense, int ld, double *packed)
{
    for (int j = 0; j < n; j++) {
        memcpy(packed, dense + (size_t)j * (size_t)ld + j, (size_t)(n - j) * sizeof *packed);
        packed += n - j;
    }
}

void keel_sym_block(int n, const double *packed, const int *pick, int k, double *block)
{
    for (int j = 0; j < k; j++) {
        const double *column = packed + keel_sym_at(n, pick[j], pick[j]) - pick[j];
        double *to = block + (size_t)j * (size_t)k;
        for (int i = j; i < k; i++)
            to[i] = column[pick[i]];
    }
}

void keel_sym_matvec(int n, const double *packed, const double *x, double *y, int *scratch)
{
    int held = 0, next = 0;
    for (int i = 0; i < n; i++) {
        y[i] = 0;
        if (x[i] != 0) /* exact: a bound at zero contributes nothing */
            scratch[held++] = i;
    }
    if (3 * held > n) {
        cblas_dspmv(CblasColMajor, CblasLower, n, 1, packed, x, 1, 0, y, 1);
        return;
    }
    for (int j = 0; j < n; j++) {
        const double *column = packed + keel_sym_at(n, j, j) - j;
        double sum = 0;
        if (next < held && scratch[next] == j) {
            next++;
            cblas_daxpy(n - j, x[j], column + j, 1, y + j, 1);
        }
        for (int s = next; s < held; s++)
            sum += column[scratch[s]] * x[scratch[s]];
        y[j] += sum;
    }
}

double keel_sym_quadratic(int n, const double *packed, const double *x)
{
    double total = 0;
    for (int j = 0; j < n; j++) {
        double sum = 0.5 * *packed++ * x[j];
        for (int i = j + 1; i < n; i++)
            sum += *packed++ * x[i];
        total += 2 * sum * x[j];
    }
    return total;
}
