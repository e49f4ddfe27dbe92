/* A frontier as JSON: numbers read back the same, and belong to the names of the problem. */
#include "services/workbench/frontier_json.h"

#include "common/num/la/la.h"
#include "services/workbench/answer_json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *make(const char *text, double bars_per_year)
{
    keel_stated stated;
    keel_survey survey;
    keel_err err = {.status = KEEL_OK};
    keel_la_init();
    json_t *root = keel_problem_parse(text, strlen(text), &err);
    cr_assert_eq(keel_stated_read(root, &stated, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_survey_make(&stated, 5, true, &survey, &err), KEEL_OK, "%s", err.text);
    json_t *made = keel_survey_json(&survey, bars_per_year);
    keel_survey_free(&survey);
    keel_stated_free(&stated);
    json_decref(root);
    return made;
}

static double number(const json_t *object, const char *field)
{
    const json_t *value = json_object_get(object, field);
    cr_assert(json_is_number(value), "%s is no number", field);
    return json_number_value(value);
}

static const char *word(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text != NULL ? text : "";
}

#define THREE                                                                                      \
    "{\"id\":\"three\",\"assets\":[\"A\",\"B\",\"C\"],\"mean\":[0.01,0.02,0.03],"                  \
    "\"covariance\":[[0.01,0,0],[0,0.04,0],[0,0,0.09]],"

Test(frontier_json, corners_have_names)
{
    json_t *f = make(THREE "\"method\":\"max_sharpe\",\"current\":[0.2,0.3,0.5]}", 252);
    const json_t *corners = json_object_get(f, "corners"), *first = json_array_get(corners, 0);
    const json_t *change = json_array_get(json_object_get(first, "changes"), 0);
    cr_assert_str_eq(word(f, "outcome"), "whole");
    cr_assert_str_eq(word(f, "id"), "three");
    cr_assert_eq(number(f, "bars_per_year"), 252);
    cr_assert_eq(json_array_size(json_object_get(f, "points")), 5);
    cr_assert(fabs(number(json_object_get(first, "weights"), "C") - 1) < 1e-12);
    cr_assert_eq(number(first, "assets"), 1);
    cr_assert(fabs(number(first, "sharpe") - 0.1) < 1e-12);
    /* Down from C alone, B is first: t (m_C - m_B) = S_CC, before t (m_C - m_A) = S_CC. */
    cr_assert(fabs(number(first, "t") - 9) < 1e-12);
    cr_assert_str_eq(word(change, "name"), "B");
    cr_assert_str_eq(word(change, "change"), "enters");
    /* Uncorrelated: the least variance has weights in proportion to 1 / variance. */
    const json_t *least = json_object_get(json_object_get(f, "min_variance"), "weights");
    cr_assert(fabs(number(least, "A") - 36.0 / 49) < 1e-12);
    const json_t *best = json_object_get(f, "max_sharpe"), *chosen = json_object_get(f, "chosen");
    cr_assert(fabs(number(best, "sharpe") - sqrt(0.03)) < 1e-12); /* sqrt(m' S^-1 m) */
    cr_assert_str_eq(word(chosen, "method"), "max_sharpe");
    cr_assert(fabs(number(chosen, "frontier_return") - number(best, "expected_return")) < 1e-9);
    cr_assert_gt(number(json_object_get(f, "current"), "frontier_return"),
                 number(json_object_get(f, "current"), "expected_return"));
    json_decref(f);
}

Test(frontier_json, numbers_read_back_the_same)
{
    char *text = NULL;
    size_t len;
    json_t *f = make(THREE "\"method\":\"min_variance\",\"upper\":0.6}", 0);
    FILE *to = open_memstream(&text, &len);
    cr_assert(keel_answer_write(f, to));
    fclose(to);
    json_t *again = json_loadb(text, len, 0, NULL);
    cr_assert(json_equal(f, again));
    cr_assert(json_is_null(json_object_get(f, "bars_per_year")));
    cr_assert(json_is_null(json_object_get(f, "current")));
    json_decref(again);
    json_decref(f);
    free(text);
}

Test(frontier_json, a_conflict_has_names)
{
    json_t *f = make(THREE "\"method\":\"min_variance\",\"upper\":0.3}", 0);
    const json_t *why = json_object_get(f, "why_not");
    cr_assert_str_eq(word(f, "outcome"), "infeasible");
    cr_assert_eq(json_array_size(json_object_get(why, "names")), 4);
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(why, "names"), 0)), "budget");
    cr_assert_null(json_object_get(f, "corners"));
    json_decref(f);
}

Test(frontier_json, a_choice_without_answer_leaves_the_frontier)
{
    json_t *f = make(THREE "\"method\":\"target_return\",\"target_return\":0.5}", 0);
    const json_t *chosen = json_object_get(f, "chosen");
    cr_assert_str_eq(word(f, "outcome"), "whole");
    cr_assert_str_eq(word(chosen, "outcome"), "infeasible");
    cr_assert_not_null(strstr(word(json_object_get(chosen, "why_not"), "text"), "target_return"));
    cr_assert_null(json_object_get(chosen, "weights"));
    json_decref(f);
}
