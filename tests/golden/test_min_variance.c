/* Minimum variance against published and independently computed answers: every case of capability
 * opt.min_variance in the reference index is read, solved by keel_qp and compared.
 * Source: Roncalli (2010, 2012) and Bai, Scheinberg, Tutuncu (2016); computed cases: cvxopt
 * interior point with an active-set polish, with its KKT residuals in the case. Each case names its
 * own. */
#include "common/num/la/sym.h"
#include "common/num/solve/qp.h"
#include "common/num/stats/moments.h"
#include "tests/support/data.h"
#include "tests/support/market.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

enum { N = 32, LEN = N * (N + 1) / 2 };

/* The packed covariance of a case, and its assets when it names them. */
static void read_inputs(const json_t *inputs, keel_market *m, double *packed)
{
    const json_t *cov = json_object_get(inputs, "cov"); /* numbers, or words that describe them */
    if (!json_is_array(cov)) {
        keel_market_read(m, inputs);
        cr_assert_leq(m->n, N);
        for (int j = 0; j < m->n; j++) {
            for (int i = j; i < m->n; i++)
                packed[keel_sym_at(m->n, i, j)] =
                    keel_covariance(m->rows, m->at + i, m->at + j, m->n);
        }
        return;
    }
    m->n = (int)json_array_size(cov);
    cr_assert(m->n >= 1 && m->n <= N);
    for (int j = 0; j < m->n; j++) {
        for (int i = j; i < m->n; i++)
            packed[keel_sym_at(m->n, i, j)] =
                json_number_value(json_array_get(json_array_get(cov, (size_t)i), (size_t)j));
    }
}

static double expected_weight(const json_t *weights, const keel_market *m, int i)
{
    const json_t *w = json_is_array(weights) ? json_array_get(weights, (size_t)i)
                                             : json_object_get(weights, m->names[i]);
    cr_assert(json_is_number(w));
    return json_number_value(w);
}

static void compare(const json_t *c, const keel_market *m, const keel_qp_answer *out)
{
    const json_t *expected = json_object_get(c, "expected");
    const json_t *tolerance = json_object_get(c, "tolerance");
    const char *id = keel_test_text(c, "id");
    const double weights_abs = keel_test_number(tolerance, "weights_abs", -1);
    cr_assert_gt(weights_abs, 0, "%s states no tolerance", id);
    double worst = 0;
    for (int i = 0; i < m->n; i++) {
        const double w = expected_weight(json_object_get(expected, "weights"), m, i);
        worst = fmax(worst, fabs(out->x[i] - w));
    }
    cr_expect_leq(worst, weights_abs, "%s: weights differ by %g", id, worst);
    const double variance = keel_test_number(expected, "variance", -1),
                 std = keel_test_number(expected, "std", -1);
    if (variance > 0)
        cr_expect_leq(fabs(2 * out->objective / variance - 1),
                      keel_test_number(tolerance, "objective_rel", 0), "%s: variance", id);
    if (std > 0)
        cr_expect_leq(fabs(sqrt(2 * out->objective) / std - 1),
                      keel_test_number(tolerance, "std_rel", 0), "%s: standard deviation", id);
    fprintf(stderr, "%-40s n %2d  weights within %.1e of %.0e, residuals %.1e\n", id, m->n, worst,
            weights_abs, fmax(out->primal_residual, fmax(out->dual_residual, out->gap)));
}

static void run(const json_t *c)
{
    keel_market m = {0};
    double packed[LEN], lower[N], upper[N], ones[N];
    const json_t *inputs = json_object_get(c, "inputs");
    const double total = keel_test_number(inputs, "sum", 1);
    read_inputs(inputs, &m, packed);
    for (int i = 0; i < m.n; i++) {
        lower[i] = keel_test_number(inputs, "lower", -KEEL_QP_NO_BOUND);
        upper[i] = keel_test_number(inputs, "upper", KEEL_QP_NO_BOUND);
        ones[i] = 1;
    }
    const keel_qp_problem p = {m.n, 1, packed, NULL, lower, upper, ones, &total, &total};
    keel_qp *qp = keel_qp_new(m.n, 1);
    keel_qp_answer out;
    cr_assert_eq(keel_qp_solve(qp, &p, &out), KEEL_OK, "%s", keel_test_text(c, "id"));
    cr_assert_eq(out.outcome, KEEL_QP_OPTIMAL, "%s", keel_test_text(c, "id"));
    compare(c, &m, &out);
    keel_qp_free(&qp);
    keel_market_fini(&m);
}

Test(min_variance, every_reference_case_is_within_its_tolerance)
{
    if (keel_test_each_case("opt.min_variance", run) < 0)
        cr_skip_test("no reference data");
}
