/* A survey of a frontier: what is read off it is what the solver answers, what changes at a corner
 * is what changes, and where there is none the reason has names. */
#include "services/workbench/frontier_survey.h"

#include "common/num/la/la.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 8, TEXT_MAX = 8192 };

/* Eight assets with caps, a floor and two rows that bind on a part of the frontier. */
static const char eight[] =
    "{\"assets\":[\"A\",\"B\",\"C\",\"D\",\"E\",\"F\",\"G\",\"H\"],\"method\":\"%s\"%s,"
    "\"mean\":[0.012,0.010,0.009,0.0075,0.006,0.004,0.003,0.001],"
    "\"factors\":{\"loadings\":[[0.06,0.02],[0.05,-0.03],[0.05,0.01],[0.04,0.02],[0.03,-0.02],"
    "[0.02,0.01],[0.02,-0.01],[0.01,0.0]],"
    "\"idiosyncratic\":[0.004,0.003,0.0025,0.002,0.0015,0.001,0.0008,0.0002]},"
    "\"upper\":[0.4,0.3,0.4,0.4,0.4,0.4,0.4,0.4],\"lower\":[0,0,0,0.05,0,0,0,0],"
    "\"groups\":{\"X\":[\"A\",\"C\",\"E\"]},\"risk_free\":0.001,"
    "\"constraints\":[\"X <= 55%%\",\"G + H <= 60%%\"]}";

static void read_problem(const char *text, keel_stated *stated)
{
    keel_err err = {.status = KEEL_OK};
    keel_la_init();
    json_t *root = keel_problem_parse(text, strlen(text), &err);
    cr_assert_not_null(root, "%s", err.text);
    cr_assert_eq(keel_stated_read(root, stated, &err), KEEL_OK, "%s", err.text);
    json_decref(root);
}

static void read_eight(const char *method, const char *more, keel_stated *stated)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, eight, method, more);
    read_problem(text, stated);
}

static keel_survey make(const keel_stated *stated, int points, bool has_choice)
{
    keel_survey survey;
    keel_err err = {.status = KEEL_OK};
    cr_assert_eq(keel_survey_make(stated, points, has_choice, &survey, &err), KEEL_OK, "%s",
                 err.text);
    return survey;
}

static void expect_same(const keel_survey_place *place, const keel_problem_answer *answer,
                        const char *what)
{
    cr_assert_eq(answer->outcome, KEEL_PROBLEM_SOLVED, "%s", what);
    for (int i = 0; i < N; i++)
        cr_expect(fabs(place->weights[i] - answer->weights[i]) < 1e-9, "%s: %d: %.15g, %.15g", what,
                  i, place->weights[i], answer->weights[i]);
    cr_expect(fabs(place->expected_return - answer->expected_return) < 1e-9, "%s", what);
    cr_expect(fabs(place->volatility - answer->volatility) < 1e-9, "%s", what);
}

Test(frontier_survey, reads_off_what_the_solver_answers)
{
    keel_stated stated;
    read_eight("max_sharpe", "", &stated);
    keel_survey survey = make(&stated, 11, true);
    keel_solver *solver = keel_solver_new(N);
    keel_problem problem = stated.problem;
    keel_problem_answer answer;
    cr_assert(survey.whole);
    cr_assert_str_eq(keel_survey_outcome(&survey), "whole");
    cr_assert_gt(survey.walk.corners, 6);
    problem.method = KEEL_METHOD_MIN_VARIANCE;
    cr_assert_eq(keel_solver_solve(solver, &problem, &answer, NULL), KEEL_OK);
    expect_same(&survey.min_variance, &answer, "min_variance");
    problem.method = KEEL_METHOD_MAX_SHARPE;
    cr_assert_eq(keel_solver_solve(solver, &problem, &answer, NULL), KEEL_OK);
    expect_same(&survey.max_sharpe, &answer, "max_sharpe");
    expect_same(&survey.chosen.place, &answer, "chosen");
    problem.method = KEEL_METHOD_TARGET_RETURN;
    for (int k = 0; k < survey.points_n; k++) {
        problem.target_return = survey.points[k].expected_return;
        cr_assert_eq(keel_solver_solve(solver, &problem, &answer, NULL), KEEL_OK);
        if (k + 1 < survey.points_n) /* the last is the edge of what can be reached */
            expect_same(&survey.points[k], &answer, "target_return");
    }
    keel_solver_free(&solver);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}

Test(frontier_survey, points_are_equally_spaced)
{
    keel_stated stated;
    read_eight("min_variance", "", &stated);
    keel_survey survey = make(&stated, 7, false);
    const keel_survey_place top = keel_survey_corner(&survey, 0);
    const double low = survey.min_variance.expected_return;
    cr_assert_eq(survey.points_n, 7);
    cr_assert_not(survey.chosen.is_there);
    for (int k = 0; k < 7; k++) {
        const double wanted = low + (top.expected_return - low) * k / 6;
        cr_expect(fabs(survey.points[k].expected_return - wanted) < 1e-15, "%d", k);
        cr_expect(k == 0 || survey.points[k].volatility > survey.points[k - 1].volatility);
    }
    cr_expect_eq(survey.points[0].weights, survey.min_variance.weights);
    cr_expect_eq(survey.points[6].weights, top.weights);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}

/* What is held in the middle of each segment, from what was told of the corners above it. */
Test(frontier_survey, changes_lead_from_segment_to_segment)
{
    keel_stated stated;
    read_eight("min_variance", "", &stated);
    keel_survey survey = make(&stated, 2, false);
    const keel_survey_place top = keel_survey_corner(&survey, 0);
    bool held[N], at_upper[N];
    int entered = 0, left = 0, bound = 0;
    for (int i = 0; i < N; i++) {
        held[i] = top.weights[i] > 1e-9;
        at_upper[i] = fabs(top.weights[i] - stated.problem.upper[i]) < 1e-9;
    }
    for (int k = 0; k + 1 < survey.walk.corners; k++) {
        const double *a = keel_survey_corner(&survey, k).weights;
        const double *b = keel_survey_corner(&survey, k + 1).weights;
        for (int i = 0; i < N; i++) {
            const keel_survey_change change = keel_survey_asset_change(&survey, k, i);
            entered += change == KEEL_SURVEY_ENTERS;
            left += change == KEEL_SURVEY_LEAVES;
            cr_expect(!(change == KEEL_SURVEY_ENTERS && held[i]), "%d enters twice", i);
            held[i] = (held[i] || change == KEEL_SURVEY_ENTERS) && change != KEEL_SURVEY_LEAVES;
            at_upper[i] = (at_upper[i] || change == KEEL_SURVEY_TO_UPPER) &&
                          change != KEEL_SURVEY_OFF_UPPER && change != KEEL_SURVEY_LEAVES;
            cr_expect_eq(held[i], (a[i] + b[i]) / 2 > 1e-9, "corner %d, asset %d", k, i);
            cr_expect_eq(at_upper[i], fabs((a[i] + b[i]) / 2 - stated.problem.upper[i]) < 1e-9,
                         "corner %d, asset %d", k, i);
        }
        for (int row = 0; row < stated.problem.rows_n; row++)
            bound += keel_survey_row_change(&survey, k, row) == KEEL_SURVEY_BINDS;
    }
    cr_expect_gt(entered, 0);
    cr_expect_gt(left, 0);
    cr_expect_gt(bound, 0);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}

Test(frontier_survey, says_what_the_frontier_has_at_a_risk)
{
    keel_stated stated;
    read_eight("equal_weight", ",\"current\":{\"A\":0.5,\"B\":0.5}", &stated);
    keel_survey survey = make(&stated, 2, true);
    keel_solver *solver = keel_solver_new(N);
    keel_problem problem = stated.problem;
    keel_problem_answer answer;
    cr_assert(survey.current.is_there && survey.current.has_frontier);
    cr_assert(survey.chosen.is_there && survey.chosen.has_frontier);
    cr_expect(fabs(survey.current.place.expected_return - 0.011) < 1e-15);
    problem.method = KEEL_METHOD_TARGET_RISK;
    problem.target_risk = survey.chosen.place.volatility;
    cr_assert_eq(keel_solver_solve(solver, &problem, &answer, NULL), KEEL_OK);
    cr_expect(fabs(survey.chosen.frontier_return - answer.expected_return) < 1e-9);
    cr_expect_gt(survey.chosen.frontier_return, survey.chosen.place.expected_return);
    /* More risk than the riskiest: the highest return there is. */
    const keel_survey_place top = keel_survey_corner(&survey, 0);
    cr_expect_gt(survey.current.place.volatility, top.volatility);
    cr_expect_eq(survey.current.frontier_return, top.expected_return);
    keel_solver_free(&solver);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}

Test(frontier_survey, a_risk_below_all_has_no_return)
{
    keel_stated stated;
    read_eight("min_variance", ",\"current\":{\"H\":0.1}", &stated);
    keel_survey survey = make(&stated, 2, true);
    cr_assert(survey.current.is_there);
    cr_expect_not(survey.current.has_frontier);
    cr_expect(survey.chosen.has_frontier); /* within rounding of the end */
    cr_expect(fabs(survey.chosen.frontier_return - survey.min_variance.expected_return) < 1e-6);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}

/* Costs and turnover are of the choice. */
Test(frontier_survey, costs_leave_the_frontier_alone)
{
    keel_stated plain;
    read_eight("max_sharpe", "", &plain);
    keel_stated costly;
    read_eight("max_sharpe",
               ",\"current\":{\"H\":0.4,\"G\":0.2,\"F\":0.4},\"cost_bps\":50,"
               "\"turnover_max\":0.4",
               &costly);
    keel_survey a = make(&plain, 2, true), b = make(&costly, 2, true);
    cr_assert_eq(a.walk.corners, b.walk.corners);
    for (int i = 0; i < N; i++)
        cr_expect_eq(a.max_sharpe.weights[i], b.max_sharpe.weights[i]);
    cr_expect_gt(a.chosen.place.expected_return, b.chosen.place.expected_return);
    cr_expect_gt(b.chosen.frontier_return, b.chosen.place.expected_return);
    keel_survey_free(&a);
    keel_survey_free(&b);
    keel_stated_free(&plain);
    keel_stated_free(&costly);
}

#define TWO "{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\","

Test(frontier_survey, says_why_there_is_none)
{
    static const struct {
        const char *text, *outcome, *why;
    } cases[] = {
        {TWO "\"mean\":[1,2],\"covariance\":[[1,0],[0,1]],\"upper\":0.4}", "infeasible",
         "these cannot hold together: budget, upper:A, upper:B"},
        {TWO "\"mean\":[1,2],\"covariance\":[[1,0],[0,1]],\"constraints\":[\"A >= 60%\","
             "\"B >= 50%\"]}",
         "infeasible", "budget, A >= 0.6, B >= 0.5"},
        {TWO "\"mean\":[1,2],\"covariance\":[[1,2],[2,1]]}", "not_convex", "semidefinite"},
        {TWO "\"mean\":[1,2],\"covariance\":[[1,0],[0,1]],\"lower\":null,\"upper\":null}",
         "unbounded", "no maximum"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char why[KEEL_SURVEY_WHY_MAX];
        keel_stated stated;
        read_problem(cases[k].text, &stated);
        keel_survey survey = make(&stated, 5, true);
        cr_expect_not(survey.whole);
        cr_expect_str_eq(keel_survey_outcome(&survey), cases[k].outcome);
        cr_expect_not_null(strstr(keel_survey_why_not(&survey, why), cases[k].why), "%s",
                           keel_survey_why_not(&survey, why));
        keel_survey_free(&survey);
        keel_stated_free(&stated);
    }
}

Test(frontier_survey, refuses_what_has_no_mean)
{
    keel_stated stated;
    keel_survey survey;
    keel_err err;
    read_problem(TWO "\"covariance\":[[1,0],[0,1]]}", &stated);
    cr_assert_eq(keel_survey_make(&stated, 5, false, &survey, &err), KEEL_EINVAL);
    cr_assert_not_null(strstr(err.text, "mean: missing"));
    keel_stated_free(&stated);
}

Test(frontier_survey, one_portfolio_is_one_point)
{
    keel_stated stated;
    read_problem(TWO "\"mean\":[1,2],\"covariance\":[[1,0],[0,1]],\"constraints\":"
                     "[\"A = 40%\"],\"risk_free\":3}",
                 &stated);
    keel_survey survey = make(&stated, 20, false);
    cr_assert_eq(survey.points_n, 1);
    cr_assert_eq(survey.walk.corners, 1);
    cr_expect(fabs(survey.points[0].expected_return - 1.6) < 1e-12);
    cr_expect_eq(survey.sharpe_found, KEEL_FRONTIER_NO_EXCESS);
    cr_expect_eq(keel_survey_sharpe_outcome(&survey), KEEL_PROBLEM_NO_EXCESS_RETURN);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}

/* A and B are the same risk: of all that have it, the minimum variance portfolio expects most. */
Test(frontier_survey, of_equal_risks_the_better_is_told)
{
    keel_stated stated;
    read_problem(TWO "\"mean\":[1,2],\"covariance\":[[1,1],[1,1]]}", &stated);
    keel_survey survey = make(&stated, 20, false);
    double sharpe;
    cr_expect(fabs(survey.min_variance.weights[1] - 1) < 1e-12);
    cr_expect_eq(survey.points_n, 1);
    cr_assert(keel_survey_sharpe(&survey, &survey.min_variance, &sharpe));
    cr_expect(fabs(sharpe - 2) < 1e-12);
    cr_expect_eq(keel_survey_assets(&survey, survey.min_variance.weights), 1);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}

/* All may stay cash, without risk and return. Uncorrelated, so by hand: w in proportion to mean /
 * variance until a bound comes, and the same ratio, sqrt(sum mean^2 / variance), all that way. */
Test(frontier_survey, a_ray_from_cash_has_one_ratio)
{
    static const char text[] =
        TWO "\"mean\":[0.01,0.02],\"covariance\":[[0.01,0],[0,0.04]],\"budget\":null%s}";
    char with[512];
    keel_stated stated;
    double sharpe;
    snprintf(with, sizeof with, text, "");
    read_problem(with, &stated);
    keel_survey survey = make(&stated, 5, false);
    cr_assert_eq(survey.sharpe_found, KEEL_FRONTIER_FOUND);
    cr_assert(keel_survey_sharpe(&survey, &survey.max_sharpe, &sharpe));
    cr_expect(fabs(sharpe - sqrt(0.02)) < 1e-12);
    cr_expect(fabs(survey.max_sharpe.weights[0] / survey.max_sharpe.weights[1] - 2) < 1e-12);
    cr_expect_not(keel_survey_sharpe(&survey, &survey.min_variance, &sharpe));
    cr_expect_eq(keel_survey_assets(&survey, survey.min_variance.weights), 0);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
    snprintf(with, sizeof with, text, ",\"risk_free\":-0.001");
    read_problem(with, &stated);
    survey = make(&stated, 5, false);
    cr_expect_eq(keel_survey_sharpe_outcome(&survey), KEEL_PROBLEM_NO_RISK);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
}
