/* Answers as JSON: what the solver found in the names of the problem, and why there is none. */
#include "services/workbench/answer_json.h"
#include "services/workbench/solvers.h"

#include "common/num/la/la.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *answer(const char *problem)
{
    keel_la_init();
    keel_solvers *solvers = keel_solvers_new();
    json_t *made = keel_solvers_answer(solvers, problem, strlen(problem), 0);
    keel_solvers_free(&solvers);
    return made;
}

static const char *word(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text != NULL ? text : "";
}

static double number(const json_t *object, const char *field, const char *inner)
{
    const json_t *value = json_object_get(object, field);
    value = inner != NULL ? json_object_get(value, inner) : value;
    cr_assert(json_is_number(value), "%s.%s is no number", field, inner != NULL ? inner : "");
    return json_number_value(value);
}

#define MEAN_VARIANCE ",\"method\":\"mean_variance\",\"risk_aversion\":4"
#define MAX_SHARPE    ",\"method\":\"max_sharpe\""

static const char desk[] =
    "{\"id\":\"desk\",\"assets\":[\"A\",\"B\",\"C\"],\"mean\":[0.10,0.08,0.01],"
    "\"covariance\":[[0.04,0.01,0],[0.01,0.09,0],[0,0,0.01]],"
    "\"upper\":[0.5,1,1],\"constraints\":[\"C <= 20%%\"],\"options\":{\"explain\":true}%s}";

static json_t *answer_desk(const char *more)
{
    char text[1024];
    snprintf(text, sizeof text, desk, more);
    return answer(text);
}

Test(answer_json, solved)
{
    json_t *a = answer_desk(MEAN_VARIANCE);
    cr_assert_str_eq(word(a, "outcome"), "solved");
    cr_assert_str_eq(word(a, "id"), "desk");
    cr_assert(fabs(number(a, "weights", "A") - 0.5) < 1e-12);
    cr_assert(fabs(number(a, "weights", "B") - 0.3) < 1e-12);
    cr_assert(fabs(number(a, "weights", "C") - 0.2) < 1e-12);
    cr_assert(fabs(number(a, "cash", NULL)) < 1e-12);
    cr_assert(fabs(number(a, "expected_return", NULL) - 0.076) < 1e-12);
    cr_assert(fabs(number(a, "volatility", NULL) - sqrt(0.01 + 0.0081 + 0.0004 + 0.003)) < 1e-12);
    cr_assert(fabs(number(a, "turnover", NULL) - 1) < 1e-12);
    cr_assert_str_eq(word(json_object_get(a, "certificate"), "kind"), "optimal");
    cr_assert(number(a, "multipliers", "upper:A") > 0 && number(a, "multipliers", "C <= 0.2") > 0);
    cr_assert_null(json_object_get(json_object_get(a, "multipliers"), "lower:B"));
    cr_assert(number(a, "time_us", NULL) >= 0 && number(a, "iterations", NULL) > 0);
    json_decref(a);
}

/* By hand, of A: mean - lambda (S w) - budget - upper = 0, budget from B, which is free. */
Test(answer_json, why_adds_up)
{
    json_t *a = answer_desk(MEAN_VARIANCE);
    const json_t *why = json_object_get(a, "why");
    const json_t *rows = json_object_get(why, "assets");
    const double budget = 0.08 - 4 * (0.01 * 0.5 + 0.09 * 0.3);
    const double upper = 0.10 - 4 * (0.04 * 0.5 + 0.01 * 0.3) - budget;
    cr_assert(fabs(number(why, "price_of_return", NULL) - 1) < 1e-12);
    cr_assert(fabs(number(rows, "A", "bound") - upper) < 1e-12);
    cr_assert_str_eq(word(json_object_get(rows, "A"), "closes"), "upper");
    cr_assert_str_eq(word(json_object_get(rows, "B"), "closes"), "rows");
    const json_t *shares = json_object_get(json_object_get(rows, "C"), "row_shares");
    cr_assert(fabs(number(shares, "budget", NULL) - budget) < 1e-12);
    cr_assert(fabs(number(shares, "budget", NULL) + number(shares, "C <= 0.2", NULL) -
                   number(rows, "C", "rows")) < 1e-12);
    json_decref(a);
}

/* The equation of each asset holds where costs, turnover and tracking have their prices too. */
Test(answer_json, why_has_no_residual)
{
    static const char *const more[] = {
        MAX_SHARPE ",\"current\":[0.3,0.5,0.2],\"cost_bps\":50",
        MAX_SHARPE ",\"current\":[0.3,0.5,0.2],\"turnover_max\":0.1",
        MEAN_VARIANCE,
        MEAN_VARIANCE ",\"current\":[0.3,0.5,0.2],\"cost_bps\":50",
        MEAN_VARIANCE ",\"current\":[0.3,0.5,0.2],\"turnover_max\":0.1",
        MEAN_VARIANCE ",\"current\":[0.3,0.5,0.2],\"cost_bps\":[10,20,30],\"turnover_max\":0.1",
        MEAN_VARIANCE ",\"benchmark\":[0.3,0.5,0.2],\"tracking_error_max\":0.02",
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        const char *name;
        json_t *row, *a = answer_desk(more[i]);
        cr_assert_str_eq(word(a, "outcome"), "solved", "%s", more[i]);
        json_object_foreach(json_object_get(json_object_get(a, "why"), "assets"), name, row)
            cr_expect(fabs(number(row, "residual", NULL)) < 1e-9, "%s: %s: residual %g", more[i],
                      name, number(row, "residual", NULL));
        json_decref(a);
    }
}

Test(answer_json, why_not)
{
    static const struct {
        const char *problem;
        const char *outcome;
        const char *text;
        const char *names[4];
    } cases[] = {
        {"{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\",\"covariance\":[[1,0],[0,1]],"
         "\"upper\":0.4}",
         "infeasible",
         "upper:A, upper:B",
         {"budget", "upper:A", "upper:B"}},
        {"{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\",\"covariance\":[[1,0],[0,1]],"
         "\"groups\":{\"G\":[\"A\",\"B\"]},\"group_bounds\":{\"G\":[null,0.5]}}",
         "infeasible",
         "group:G",
         {"budget", "group:G"}},
        {"{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\",\"covariance\":[[1,2],[2,1]]}",
         "not_convex",
         "positive semidefinite",
         {NULL}},
        {"{\"assets\":[\"A\",\"B\"],\"method\":\"max_sharpe\",\"mean\":[-1,-2],"
         "\"covariance\":[[1,0],[0,1]]}",
         "no_excess_return",
         "risk_free",
         {NULL}},
        {"{\"assets\":[\"A\",\"B\"],\"method\":\"max_sharpe\",\"mean\":[1,2],"
         "\"covariance\":[[0,0],[0,1]]}",
         "no_risk",
         "without risk",
         {NULL}},
        {"{\"assets\":[\"A\",\"B\"],\"method\":\"mean_variance\",\"risk_aversion\":0,"
         "\"mean\":[1,0],\"covariance\":[[1,0],[0,1]],\"lower\":null,\"upper\":null}",
         "unbounded",
         "lower, upper",
         {NULL}},
        {"{\"id\":\"x\",\"assets\":[]}", "invalid", "assets: ", {NULL}},
        {"{\"id\":", "invalid", "not JSON", {NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *a = answer(cases[i].problem);
        const json_t *why = json_object_get(a, "why_not");
        const json_t *names = json_object_get(why, "names");
        size_t n = 0;
        cr_expect_str_eq(word(a, "outcome"), cases[i].outcome);
        cr_expect_not_null(strstr(word(why, "text"), cases[i].text), "%s", word(why, "text"));
        for (; n < 4 && cases[i].names[n] != NULL; n++)
            cr_expect_str_eq(json_string_value(json_array_get(names, n)), cases[i].names[n]);
        cr_expect_eq(json_array_size(names), n);
        cr_expect_null(json_object_get(a, "weights"));
        json_decref(a);
    }
}

Test(answer_json, a_form_outside_the_set_says_so)
{
    json_t *a = answer("{\"assets\":[\"A\",\"B\"],\"method\":\"static\",\"weights\":[1,0],"
                       "\"upper\":0.6,\"covariance\":[[1,0],[0,1]]}");
    cr_assert_str_eq(word(json_array_get(json_object_get(a, "fallbacks"), 0), "outcome"),
                     "nearest_allowed");
    cr_assert_str_eq(word(json_object_get(a, "certificate"), "kind"), "feasible");
    cr_assert(fabs(number(a, "weights", "B") - 0.4) < 1e-12);
    cr_assert(json_is_null(json_object_get(a, "expected_return")));
    json_decref(a);
}

/* Nothing expects more than 0.2; the form of the first fallback is outside, so that it is moved. */
Test(answer_json, fallbacks_are_tried_in_order)
{
    json_t *a = answer_desk(MAX_SHARPE ",\"risk_free\":0.2,\"fallbacks\":[\"target_return\","
                                       "\"equal_weight\"],\"target_return\":0.15");
    const json_t *tried = json_object_get(a, "fallbacks");
    cr_assert_str_eq(word(a, "outcome"), "solved");
    cr_expect_str_eq(word(a, "method"), "equal_weight");
    cr_assert_eq(json_array_size(tried), 3);
    cr_expect_str_eq(word(json_array_get(tried, 0), "method"), "max_sharpe");
    cr_expect_str_eq(word(json_array_get(tried, 0), "outcome"), "no_excess_return");
    cr_expect_str_eq(word(json_array_get(tried, 1), "method"), "target_return");
    cr_expect_str_eq(word(json_array_get(tried, 1), "outcome"), "infeasible");
    cr_expect_str_eq(word(json_array_get(tried, 2), "outcome"), "nearest_allowed");
    json_decref(a);
}

Test(answer_json, without_an_answer_the_first_reason_is_told)
{
    json_t *a = answer_desk(MAX_SHARPE ",\"risk_free\":0.2,\"target_return\":0.15,"
                                       "\"fallbacks\":[\"target_return\"]");
    cr_assert_str_eq(word(a, "outcome"), "no_excess_return");
    cr_expect_str_eq(word(a, "method"), "max_sharpe");
    cr_expect_eq(json_array_size(json_object_get(a, "fallbacks")), 2);
    cr_expect_not_null(strstr(word(json_object_get(a, "why_not"), "text"), "risk_free, 0.2"));
    json_decref(a);
}

Test(answer_json, numbers_read_back_the_same)
{
    char *text = NULL;
    size_t len;
    json_t *a = answer_desk(MEAN_VARIANCE);
    FILE *to = open_memstream(&text, &len);
    cr_assert(keel_answer_write(a, to));
    fclose(to);
    cr_assert_eq(strchr(text, '\n'), text + len - 1);
    json_t *again = json_loadb(text, len, 0, NULL);
    cr_assert(json_equal(a, again));
    json_decref(again);
    json_decref(a);
    free(text);
}

Test(answer_json, any_bytes_become_a_text)
{
    char out[KEEL_WHY_NOT_MAX], longer[2 * KEEL_WHY_NOT_MAX];
    cr_assert_str_eq(keel_plain_text("caf\xc3\xa9 \xc3", out), "caf\xc3\xa9 ?");
    cr_assert_str_eq(keel_plain_text("\x1b[2J\n\xff\x7f", out), "?[2J???");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    cr_assert_lt(strlen(keel_plain_text(longer, out)), KEEL_WHY_NOT_MAX);
    json_t *a = answer("{\"assets\xce\":[\"\xce\"");
    cr_assert_not_null(strstr(word(json_object_get(a, "why_not"), "text"), "not JSON"));
    json_decref(a);
}

Test(answer_json, an_invalid_one_keeps_id_and_line)
{
    json_t *root = json_pack("{s:s}", "id", "mine");
    json_t *a = keel_refusal_json(root, "assets: missing", 7);
    cr_assert_str_eq(word(a, "id"), "mine");
    cr_assert_eq(number(a, "line", NULL), 7);
    json_decref(a);
    json_decref(root);
}
