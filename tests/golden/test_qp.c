/* Convex quadratic programs with published optima: every case of capability qp.convex in the
 * reference index. Most have a singular matrix.
 * Source: I. Maros, C. Meszaros, A repository of convex quadratic programming problems, Optim.
 * Methods Softw. 11 (1999), optima by BPMPD; more digits by an independent solver. */
#include "common/num/la/sym.h"
#include "common/num/solve/qp.h"
#include "tests/support/data.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* min 1/2 x'Px + q'x + r, l <= Ax <= u, lb <= x <= ub. */
typedef struct problem {
    int n, m;
    double *s, *c, *lower, *upper, *a, *row_lo, *row_hi, r;
} problem;

static double *numbers(size_t n)
{
    double *x = calloc(n > 0 ? n : 1, sizeof *x);
    cr_assert_not_null(x);
    return x;
}

/* null = no bound on that side. */
static double *read_sides(const json_t *list, int n, double none)
{
    double *x = numbers((size_t)n);
    for (int i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, (size_t)i);
        x[i] = json_is_number(one) ? json_number_value(one) : none;
    }
    return x;
}

static int whole(const json_t *list, size_t k)
{
    return (int)json_integer_value(json_array_get(list, k));
}

static void read_matrices(problem *p, const json_t *from)
{
    const json_t *P = json_object_get(from, "P"), *A = json_object_get(from, "A");
    const json_t *pi = json_object_get(P, "i"), *pj = json_object_get(P, "j");
    const json_t *ai = json_object_get(A, "i"), *aj = json_object_get(A, "j");
    for (size_t k = 0; k < json_array_size(pi); k++) {
        const int i = whole(pi, k), j = whole(pj, k), hi = i > j ? i : j, lo = i > j ? j : i;
        p->s[keel_sym_at(p->n, hi, lo)] =
            json_number_value(json_array_get(json_object_get(P, "v"), k));
    }
    for (size_t k = 0; k < json_array_size(ai); k++)
        p->a[(size_t)whole(ai, k) * (size_t)p->n + (size_t)whole(aj, k)] =
            json_number_value(json_array_get(json_object_get(A, "v"), k));
}

static void read_problem(problem *p, const json_t *from)
{
    p->n = (int)keel_test_number(from, "n", 0);
    p->m = (int)keel_test_number(from, "m", 0);
    p->r = keel_test_number(from, "r", 0);
    p->s = numbers(keel_sym_len(p->n));
    p->a = numbers((size_t)p->n * (size_t)p->m);
    p->c = read_sides(json_object_get(from, "q"), p->n, 0);
    for (int i = 0; i < p->n; i++)
        p->c[i] = -p->c[i];
    p->lower = read_sides(json_object_get(from, "lb"), p->n, -KEEL_QP_NO_BOUND);
    p->upper = read_sides(json_object_get(from, "ub"), p->n, KEEL_QP_NO_BOUND);
    p->row_lo = read_sides(json_object_get(from, "l"), p->m, -KEEL_QP_NO_BOUND);
    p->row_hi = read_sides(json_object_get(from, "u"), p->m, KEEL_QP_NO_BOUND);
    read_matrices(p, from);
}

static void free_problem(problem *p)
{
    double *owned[] = {p->s, p->c, p->lower, p->upper, p->a, p->row_lo, p->row_hi};
    for (size_t k = 0; k < sizeof owned / sizeof owned[0]; k++)
        free(owned[k]);
}

static json_t *find_problem(const json_t *inputs)
{
    static json_t *all;
    size_t len, k;
    json_t *one;
    if (all == NULL) {
        char *text = keel_test_read(keel_test_data(keel_test_text(inputs, "file")), &len);
        all = json_loadb(text, len, 0, NULL);
        free(text);
    }
    json_array_foreach(all, k, one)
    {
        if (strcmp(keel_test_text(one, "name"), keel_test_text(inputs, "name")) == 0)
            return one;
    }
    return NULL;
}

static void run(const json_t *c)
{
    problem p = {0};
    keel_qp_answer out;
    const char *id = keel_test_text(c, "id");
    const json_t *from = find_problem(json_object_get(c, "inputs"));
    const double expected =
        keel_test_number(json_object_get(c, "verified"), "independent_objective", NAN);
    const double within = keel_test_number(json_object_get(c, "tolerance"), "rel_to_max1", 0);
    cr_assert(from != NULL && isfinite(expected), "%s", id);
    read_problem(&p, from);
    keel_qp *qp = keel_qp_new(p.n, p.m);
    const keel_qp_problem view = {.n = p.n,
                                  .m = p.m,
                                  .s = p.s,
                                  .c = p.c,
                                  .lower = p.lower,
                                  .upper = p.upper,
                                  .a = p.a,
                                  .row_lo = p.row_lo,
                                  .row_hi = p.row_hi,
                                  .semidefinite = true};
    cr_assert_eq(keel_qp_solve(qp, &view, &out), KEEL_OK, "%s", id);
    const double got = out.objective + p.r, error = fabs(got - expected) / fmax(1, fabs(expected));
    fprintf(stderr,
            "%-16s n %4d m %4d  outcome %d  error %.1e  residuals %.0e %.0e %.0e  %d steps\n", id,
            p.n, p.m, (int)out.outcome, error, out.primal_residual, out.dual_residual, out.gap,
            out.iterations);
    cr_expect_eq(out.outcome, KEEL_QP_OPTIMAL, "%s: outcome %d", id, (int)out.outcome);
    cr_expect_leq(error, within, "%s: %.12g, expected %.12g", id, got, expected);
    keel_qp_free(&qp);
    free_problem(&p);
}

Test(qp, every_maros_meszaros_problem_has_its_published_optimum)
{
    if (keel_test_each_case("qp.", run) < 0)
        cr_skip_test("no reference data");
}
