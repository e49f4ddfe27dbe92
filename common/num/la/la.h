/* la.h - the door to BLAS: dense matrix and vector kernels in one thread.
 *
 * ROOM     common/num/la: the only caller of CBLAS and LAPACKE. Pure numbers.
 * SHAPE    Column-major; (i,j) of an m x n matrix at a[j * ld + i], ld >= m. Vectors have stride 1.
 * MEMORY   None is taken: all storage is the caller's.
 * THREADS  keel_la_init() once before the first call of a process; it makes OpenBLAS use one
 *          thread, which is faster below n about 800 and keeps the order of summation fixed.
 */
#ifndef KEEL_COMMON_NUM_LA_LA_H
#define KEEL_COMMON_NUM_LA_LA_H

#include <stdbool.h>

/* One BLAS thread from now on. Safe to call again. */
void keel_la_init(void);

/* A rectangle of numbers: borrowed storage and its shape. */
typedef struct keel_la_matrix {
    int m, n;   /* rows, columns; either may be 0 */
    double *at; /* (i,j) at at[j * ld + i] */
    int ld;     /* >= m */
} keel_la_matrix;

/* y = alpha A x + beta y. With beta = 0 the old y is not read. Cost 2mn. */
void keel_la_matvec(keel_la_matrix a, double alpha, const double *x, double beta, double *y);

/* y = alpha A'x + beta y: x has m numbers, y has n. Cost 2mn. */
void keel_la_matvec_t(keel_la_matrix a, double alpha, const double *x, double beta, double *y);

/* y = A x, A symmetric of n with its lower triangle in the square a, ld = n. Cost n^2, half of A is
 * read. */
void keel_la_symmetric(int n, const double *a, const double *x, double *y);

/* A += alpha x y'. Cost 2mn. */
void keel_la_rank_one(keel_la_matrix a, double alpha, const double *x, const double *y);

/* Lower triangle of G (n x n, ld = n) = V'V, V of k x n with ld = k. Cost k n^2. */
void keel_la_gram(int k, int n, const double *v, double *g);

/* G (m x n, ld = m) = V'W, V of k x m and W of k x n, both with ld = k. Cost 2kmn. */
void keel_la_gram_between(int k, int m, int n, const double *v, const double *w, double *g);

double keel_la_dot(int n, const double *x, const double *y);

/* y += alpha x. */
void keel_la_add_scaled(int n, double alpha, const double *x, double *y);

/* Largest |x|, 0 when there is none. */
double keel_la_largest(int n, const double *x);

/* Every number is finite. One pass at the speed of memory when they are. */
bool keel_la_all_finite(int n, const double *x);

#endif
