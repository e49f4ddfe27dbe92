#include "common/num/la/sym.h"
#include "common/num/solve/qp.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define NONE KEEL_QP_NO_BOUND

static const double ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
static const double zeros[8] = {0};
static const double one = 1;

/* Long only, fully invested. */
static keel_qp_problem portfolio(int n, const double *s)
{
    return (keel_qp_problem){n, 1, s, NULL, zeros, ones, ones, &one, &one};
}

static keel_qp_answer solved(keel_qp *qp, const keel_qp_problem *p)
{
    keel_qp_answer out;
    cr_assert_eq(keel_qp_solve(qp, p, &out), KEEL_OK);
    return out;
}

static void expect_x(const keel_qp_answer *out, int n, const double *x)
{
    cr_assert_eq(out->outcome, KEEL_QP_OPTIMAL);
    for (int i = 0; i < n; i++)
        cr_assert_float_eq(out->x[i], x[i], 1e-12, "x[%d] = %.17g, not %.17g", i, out->x[i], x[i]);
}

Test(qp, uncorrelated_assets_are_held_by_inverse_variance)
{
    const double s[] = {1, 0, 0, 2, 0, 4};
    const double x[] = {4.0 / 7, 2.0 / 7, 1.0 / 7};
    keel_qp *qp = keel_qp_new(3, 1);
    const keel_qp_problem p = portfolio(3, s);
    const keel_qp_answer out = solved(qp, &p);
    expect_x(&out, 3, x);
    cr_assert_float_eq(out.objective, 0.5 * 4 / 7, 1e-15);
    cr_assert_float_eq(out.y[0], -4.0 / 7, 1e-15); /* the budget binds from below */
    cr_assert_float_eq(out.z[0], 0, 0);
    keel_qp_free(&qp);
    cr_assert_null(qp);
    keel_qp_free(&qp);
}

Test(qp, multipliers_have_the_sign_of_the_side_that_holds)
{
    const double s[] = {1, 0, 0, 1, 0, 1}, c[] = {3, -3, 0.5};
    const double lower[] = {-1, -1, -1}, upper[] = {1, 1, 1}, x[] = {1, -1, 0.5};
    const keel_qp_problem p = {3, 0, s, c, lower, upper, NULL, NULL, NULL};
    keel_qp *qp = keel_qp_new(3, 0);
    const keel_qp_answer out = solved(qp, &p);
    expect_x(&out, 3, x);
    cr_assert_float_eq(out.z[0], 2, 1e-15);
    cr_assert_float_eq(out.z[1], -2, 1e-15);
    cr_assert_float_eq(out.z[2], 0, 0);
    keel_qp_free(&qp);
}

Test(qp, sector_bands_that_overlap)
{
    /* four alike assets; the first three at most 0.6 together, the last three at least 0.9 */
    const double s[] = {1, 0, 0, 0, 1, 0, 0, 1, 0, 1};
    const double a[] = {1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1};
    const double lo[] = {1, -NONE, 0.9}, hi[] = {1, 0.6, INFINITY};
    const double x[] = {0.1, 0.25, 0.25, 0.4};
    const keel_qp_problem p = {4, 3, s, NULL, zeros, ones, a, lo, hi};
    keel_qp *qp = keel_qp_new(4, 3);
    const keel_qp_answer out = solved(qp, &p);
    expect_x(&out, 4, x);
    cr_assert_gt(out.y[1], 0);
    cr_assert_lt(out.y[2], 0);
    keel_qp_free(&qp);
}

Test(qp, repeated_and_empty_rows_do_no_harm)
{
    const double s[] = {1, 0, 2};
    const double a[] = {1, 1, 2, 2, 1, 1, 0, 0};
    const double lo[] = {1, 2, 1, 0}, hi[] = {1, 2, 1, 0}, x[] = {2.0 / 3, 1.0 / 3};
    const keel_qp_problem p = {2, 4, s, NULL, zeros, ones, a, lo, hi};
    keel_qp *qp = keel_qp_new(2, 4);
    const keel_qp_answer out = solved(qp, &p);
    expect_x(&out, 2, x);
    keel_qp_free(&qp);
}

Test(qp, a_vertex_where_more_holds_than_needed)
{
    /* caps of 0.25 leave one point; sector and budget hold there too */
    const double s[] = {1, 0.5, 0, 0, 2, 0.1, 0, 3, 0, 4};
    const double caps[] = {0.25, 0.25, 0.25, 0.25};
    const double a[] = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1};
    const double lo[] = {1, 0.5, 0}, hi[] = {1, 1, 0.5};
    const keel_qp_problem p = {4, 3, s, NULL, zeros, caps, a, lo, hi};
    keel_qp *qp = keel_qp_new(4, 3);
    for (int call = 0; call < 3; call++) { /* cold, then warm twice */
        const keel_qp_answer out = solved(qp, &p);
        expect_x(&out, 4, caps);
    }
    keel_qp_free(&qp);
}

Test(qp, fixed_variables_stay_where_they_are)
{
    const double s[] = {1, 0, 0, 1, 0, 0}; /* the third has no variance: cash, held at 0.2 */
    const double lower[] = {0, 0, 0.2}, upper[] = {1, 1, 0.2}, x[] = {0.4, 0.4, 0.2};
    const keel_qp_problem p = {3, 1, s, NULL, lower, upper, ones, &one, &one};
    keel_qp *qp = keel_qp_new(3, 1);
    const keel_qp_answer out = solved(qp, &p);
    expect_x(&out, 3, x);
    keel_qp_free(&qp);
}

Test(qp, one_variable_alone)
{
    const double s[] = {2}, c[] = {1}, lower[] = {-NONE}, upper[] = {NONE}, x[] = {0.5};
    const keel_qp_problem p = {1, 0, s, c, lower, upper, NULL, NULL, NULL};
    keel_qp *qp = keel_qp_new(KEEL_QP_N_MAX, KEEL_QP_M_MAX);
    const keel_qp_answer out = solved(qp, &p);
    expect_x(&out, 1, x);
    keel_qp_free(&qp);
}

Test(qp, caps_that_cannot_carry_the_budget_are_named)
{
    const double s[] = {1, 0, 0, 2, 0, 4}, caps[] = {0.3, 0.3, 0.25};
    keel_qp *qp = keel_qp_new(3, 1);
    keel_qp_problem p = portfolio(3, s);
    p.upper = caps;
    const keel_qp_answer out = solved(qp, &p);
    cr_assert_eq(out.outcome, KEEL_QP_INFEASIBLE);
    cr_assert_eq(out.conflict_n, 4);
    for (int k = 0; k < 4; k++)
        cr_assert_eq(out.conflict[k], k); /* the budget and all three caps */
    cr_assert_float_eq(out.violation, 0.15, 1e-12);
    keel_qp_free(&qp);
}

Test(qp, a_conflict_leaves_out_what_has_no_part_in_it)
{
    /* rows: budget; x0 + x1 <= 0.2; x0 + x1 >= 0.5. The budget and the bounds are innocent. */
    const double s[] = {1, 0, 0, 1, 0, 1};
    const double a[] = {1, 1, 1, 1, 1, 0, 1, 1, 0};
    const double lo[] = {1, -NONE, 0.5}, hi[] = {1, 0.2, NONE};
    const keel_qp_problem p = {3, 3, s, NULL, zeros, ones, a, lo, hi};
    keel_qp *qp = keel_qp_new(3, 3);
    const keel_qp_answer out = solved(qp, &p);
    cr_assert_eq(out.outcome, KEEL_QP_INFEASIBLE);
    cr_assert_eq(out.conflict_n, 2);
    cr_assert_eq(out.conflict[0], 1);
    cr_assert_eq(out.conflict[1], 2);
    cr_assert_float_eq(out.violation, 0.3, 1e-12);
    keel_qp_free(&qp);
}

Test(qp, an_empty_row_can_be_the_whole_conflict)
{
    const double s[] = {1, 0, 1}, lo[] = {1}, hi[] = {2};
    const keel_qp_problem p = {2, 1, s, NULL, zeros, ones, zeros, lo, hi};
    keel_qp *qp = keel_qp_new(2, 1);
    const keel_qp_answer out = solved(qp, &p);
    cr_assert_eq(out.outcome, KEEL_QP_INFEASIBLE);
    cr_assert_eq(out.conflict_n, 1);
    cr_assert_eq(out.conflict[0], 0);
    cr_assert_float_eq(out.violation, 1, 1e-15);
    keel_qp_free(&qp);
}

Test(qp, misses_below_the_tolerance_are_no_conflict)
{
    const double s[] = {1, 0, 1};
    const double caps[] = {0.5 - 1e-11, 0.5 - 1e-11}, short_caps[] = {0.5 - 1e-8, 0.5 - 1e-8};
    keel_qp *qp = keel_qp_new(2, 1);
    keel_qp_problem p = portfolio(2, s);
    p.upper = caps;
    keel_qp_answer out = solved(qp, &p);
    cr_assert_eq(out.outcome, KEEL_QP_OPTIMAL);
    cr_assert_leq(out.primal_residual, KEEL_QP_TOLERANCE);
    p.upper = short_caps;
    out = solved(qp, &p);
    cr_assert_eq(out.outcome, KEEL_QP_INFEASIBLE);
    cr_assert_float_eq(out.violation, 2e-8, 1e-14);
    keel_qp_free(&qp);
}

Test(qp, a_matrix_without_full_rank_is_singular)
{
    const double rank_one[] = {1, 2, 4}, no_variance[] = {1, 0, 0}, indefinite[] = {1, 2, 1};
    const double *const matrices[] = {rank_one, no_variance, indefinite, zeros};
    keel_qp *qp = keel_qp_new(2, 1);
    for (int k = 0; k < 4; k++) {
        const keel_qp_problem p = portfolio(2, matrices[k]);
        cr_assert_eq(solved(qp, &p).outcome, KEEL_QP_SINGULAR, "matrix %d", k);
    }
    keel_qp_free(&qp);
}

Test(qp, an_answer_after_a_refusal_is_as_if_it_were_the_first)
{
    const double s[] = {1, 0.2, 0, 2, 0.1, 4}, caps[] = {0.3, 0.3, 0.25};
    keel_qp *qp = keel_qp_new(3, 1), *fresh = keel_qp_new(3, 1);
    keel_qp_problem p = portfolio(3, s);
    const keel_qp_answer first = solved(fresh, &p);
    p.upper = caps;
    cr_assert_eq(solved(qp, &p).outcome, KEEL_QP_INFEASIBLE);
    p.upper = ones;
    const keel_qp_answer after = solved(qp, &p);
    cr_assert_eq(after.iterations, first.iterations);
    cr_assert_arr_eq(after.x, first.x, 3 * sizeof(double));
    keel_qp_free(&qp);
    keel_qp_free(&fresh);
}

Test(qp, a_warm_start_takes_one_step_when_nothing_moved)
{
    const double s[] = {1, 0.9, 0, 0, 1, 0, 0, 1, 0, 9}, upper[] = {0.4, 0.4, 0.4, 0.4};
    keel_qp *qp = keel_qp_new(4, 1);
    keel_qp_problem p = portfolio(4, s);
    p.upper = upper;
    const int cold = solved(qp, &p).iterations;
    cr_assert_eq(solved(qp, &p).iterations, 1);
    keel_qp_reset(qp);
    cr_assert_eq(solved(qp, &p).iterations, cold);
    cr_assert_gt(cold, 1);
    keel_qp_free(&qp);
}

Test(qp, a_remembered_bound_that_went_away_is_forgotten)
{
    const double s[] = {1, 0, 1}, c[] = {9, -9}, far[] = {NONE, NONE}, deep[] = {-NONE, -NONE};
    keel_qp *qp = keel_qp_new(2, 0);
    keel_qp_problem p = {2, 0, s, c, zeros, ones, NULL, NULL, NULL};
    expect_x(&(keel_qp_answer){.x = solved(qp, &p).x}, 2, (double[]){1, 0});
    p.lower = deep;
    p.upper = far;
    const keel_qp_answer out = solved(qp, &p);
    expect_x(&out, 2, c);
    keel_qp_free(&qp);
}

Test(qp, refuses_shapes_and_numbers)
{
    const double s[] = {1, 0, 1}, s_nan[] = {1, NAN, 1}, s_inf[] = {1, 0, INFINITY};
    const double bad[] = {0, NAN}, crossed[] = {0, -1e-6}, minus_none[] = {0, -NONE};
    const double inf_lower[] = {0, INFINITY}, below = 0.5, nan_row = NAN;
    const keel_qp_problem good = portfolio(2, s);
    struct {
        keel_qp_problem p;
        keel_status status;
    } rows[12];
    for (int k = 0; k < 12; k++)
        rows[k].p = good;
    rows[0].p.n = 0, rows[0].status = KEEL_ERANGE;
    rows[1].p.n = 3, rows[1].status = KEEL_ERANGE;
    rows[2].p.m = 2, rows[2].status = KEEL_ERANGE;
    rows[3].p.m = -1, rows[3].status = KEEL_ERANGE;
    rows[4].p.s = s_nan, rows[4].status = KEEL_ENONFINITE;
    rows[5].p.s = s_inf, rows[5].status = KEEL_ENONFINITE;
    rows[6].p.c = bad, rows[6].status = KEEL_ENONFINITE;
    rows[7].p.a = bad, rows[7].status = KEEL_ENONFINITE;
    rows[8].p.lower = bad, rows[8].status = KEEL_ENONFINITE;
    rows[9].p.upper = crossed, rows[9].status = KEEL_ERANGE;
    rows[10].p.row_hi = &below, rows[10].status = KEEL_ERANGE;
    rows[11].p.row_lo = &nan_row, rows[11].status = KEEL_ENONFINITE;
    keel_qp *qp = keel_qp_new(2, 1);
    for (int k = 0; k < 12; k++) {
        keel_qp_answer out;
        memset(&out, 0x11, sizeof out);
        const keel_qp_answer before = out;
        cr_assert_eq(keel_qp_solve(qp, &rows[k].p, &out), rows[k].status, "row %d", k);
        cr_assert_arr_eq((char *)&out, (const char *)&before, sizeof out);
    }
    keel_qp_problem p = good;
    keel_qp_answer out;
    p.upper = minus_none;
    cr_assert_eq(keel_qp_solve(qp, &p, &out), KEEL_ERANGE);
    p = good;
    p.lower = inf_lower;
    cr_assert_eq(keel_qp_solve(qp, &p, &out), KEEL_ENONFINITE);
    keel_qp_free(&qp);
}

Test(qp, bounds_crossed_by_rounding_are_one_point)
{
    const double s[] = {1, 0, 1}, lower[] = {0.3 + 1e-10, 0}, upper[] = {0.3, 1};
    keel_qp *qp = keel_qp_new(2, 1);
    keel_qp_problem p = portfolio(2, s);
    p.lower = lower;
    p.upper = upper;
    const keel_qp_answer out = solved(qp, &p);
    cr_assert_eq(out.outcome, KEEL_QP_OPTIMAL);
    cr_assert_float_eq(out.x[0], 0.3, 1e-9);
    keel_qp_free(&qp);
}

Test(qp, new_refuses_sizes_out_of_range)
{
    cr_assert_null(keel_qp_new(0, 0));
    cr_assert_null(keel_qp_new(KEEL_QP_N_MAX + 1, 0));
    cr_assert_null(keel_qp_new(1, -1));
    cr_assert_null(keel_qp_new(1, KEEL_QP_M_MAX + 1));
}

Test(qp, load_refuses_what_save_did_not_write_and_stays_warm)
{
    const double s[] = {1, 0.9, 0, 0, 1, 0, 0, 1, 0, 9}, upper[] = {0.4, 0.4, 0.4, 0.4};
    uint8_t bytes[64], bad[64], small[4];
    size_t len, need;
    keel_qp *qp = keel_qp_new(4, 1), *narrow = keel_qp_new(3, 1);
    keel_qp_problem p = portfolio(4, s);
    p.upper = upper;
    solved(qp, &p);
    cr_assert_eq(keel_qp_save(qp, bytes, sizeof bytes, &len), KEEL_OK);
    cr_assert_eq(keel_qp_save(qp, small, sizeof small, &need), KEEL_ENOSPC);
    cr_assert_eq(need, len);
    cr_assert_eq(keel_qp_load(narrow, bytes, len), KEEL_EFORMAT);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(keel_qp_load(qp, bytes, cut), KEEL_EFORMAT);
    for (size_t at = 0; at < len; at++) {
        memcpy(bad, bytes, len);
        bad[at] ^= 0x40;
        cr_assert_eq(keel_qp_load(qp, bad, len), KEEL_EFORMAT, "byte %zu", at);
    }
    cr_assert_eq(solved(qp, &p).iterations, 1); /* still warm */
    keel_qp_free(&qp);
    keel_qp_free(&narrow);
}

Test(qp, an_empty_snapshot_makes_a_cold_object)
{
    const double s[] = {1, 0.9, 0, 0, 1, 0, 0, 1, 0, 9}, upper[] = {0.4, 0.4, 0.4, 0.4};
    uint8_t bytes[64];
    size_t len;
    keel_qp *qp = keel_qp_new(4, 1), *fresh = keel_qp_new(4, 1);
    keel_qp_problem p = portfolio(4, s);
    p.upper = upper;
    cr_assert_eq(keel_qp_save(fresh, bytes, sizeof bytes, &len), KEEL_OK);
    const int cold = solved(qp, &p).iterations;
    cr_assert_eq(keel_qp_load(qp, bytes, len), KEEL_OK);
    cr_assert_eq(solved(qp, &p).iterations, cold);
    keel_qp_free(&qp);
    keel_qp_free(&fresh);
}
