/* Published portfolios through the whole of `keel optimize`: a file of returns or a covariance, as
 * JSON text, to the weights in the answer's text.
 * Source: Rmetrics fPortfolio on LPP2005 (rmetrics.json); Roncalli, Bai et al., Kwan and Yuan
 * (meanvar_literature.json), by KEEL_TEST_DATA.
 */
#include "services/workbench/answer_json.h"
#include "services/workbench/bars.h"
#include "services/workbench/solvers.h"
#include "tests/support/data.h"

#include "common/num/la/la.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text != NULL ? text : "";
}

/* The answer to a problem that is written and read as text; `problem` is taken. One of the
 * published matrices has an eigenvalue below 0 and is no covariance; NULL then. */
static json_t *answer(json_t *problem, const char *id)
{
    keel_la_init();
    char *text = json_dumps(problem, JSON_REAL_PRECISION(17));
    keel_solvers *solvers = keel_solvers_new();
    json_t *made = keel_solvers_answer(solvers, text, strlen(text), 0);
    keel_solvers_free(&solvers);
    json_decref(problem);
    free(text);
    const char *outcome = text_of(made, "outcome");
    const bool odd = strcmp(id, "kwan-yuan6-max-sharpe") == 0;
    cr_assert_str_eq(outcome, odd ? "not_convex" : "solved", "%s: %s", id,
                     text_of(json_object_get(made, "why_not"), "text"));
    if (!odd)
        return made;
    json_decref(made);
    return NULL;
}

static const char *method_of(const json_t *c)
{
    static const char *const methods[][2] = {
        {"opt.min_variance", "min_variance"},
        {"opt.max_sharpe", "max_sharpe"},
        {"opt.mean_variance_target_return", "target_return"},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(text_of(c, "capability"), methods[i][0]) == 0)
            return methods[i][1];
    return NULL;
}

/* Rows of the assets of the case, times 100 as the case says. */
static json_t *returns_of(const json_t *inputs)
{
    keel_bars bars;
    keel_err err = {.text = ""};
    const json_t *asset;
    size_t k;
    json_t *rows = json_array();
    const char *path = keel_test_data(text_of(inputs, "returns"));
    cr_assert_eq(keel_bars_read(path, false, 0, &bars, &err), KEEL_OK, "%s", err.text);
    for (int t = 0; t < bars.m; t++) {
        json_t *row = json_array();
        json_array_foreach(json_object_get(inputs, "assets"), k,
                           asset) for (int i = 0; i < bars.n;
                                       i++) if (strcmp(bars.symbols[i], json_string_value(asset)) ==
                                                0)
            json_array_append_new(row, json_real(100 * bars.returns[t * bars.n + i]));
        json_array_append_new(rows, row);
    }
    keel_bars_free(&bars);
    return rows;
}

static void copy_fields(json_t *to, const json_t *from)
{
    static const char *const fields[] = {"assets", "lower", "upper", "risk_free", "target_return"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (json_object_get(from, fields[i]) != NULL)
            json_object_set(to, fields[i], json_object_get(from, fields[i]));
}

Test(workbench, files_of_returns)
{
    json_t *cases = keel_test_cases("rmetrics.json");
    const json_t *c;
    size_t k;
    int compared = 0;
    if (cases == NULL)
        cr_skip_test();
    json_array_foreach(cases, k, c)
    {
        const char *method = method_of(c), *name;
        json_t *problem = json_object(), *expected;
        if (method != NULL) {
            const json_t *weights = json_object_get(json_object_get(c, "expected"), "weights");
            const double near =
                json_number_value(json_object_get(json_object_get(c, "tolerance"), "weights_abs"));
            json_object_set_new(problem, "method", json_string(method));
            json_object_set_new(problem, "returns", returns_of(json_object_get(c, "inputs")));
            copy_fields(problem, json_object_get(c, "inputs"));
            json_t *a = answer(json_incref(problem), text_of(c, "id"));
            json_object_foreach((json_t *)weights, name, expected)
            {
                const json_t *w = json_object_get(json_object_get(a, "weights"), name);
                cr_expect(fabs(json_number_value(w) - json_number_value(expected)) <= near,
                          "%s: %s: %.9g", text_of(c, "id"), name, json_number_value(w));
                compared++;
            }
            json_decref(a);
        }
        json_decref(problem);
    }
    cr_assert_geq(compared, 4 * 6);
    json_decref(cases);
}

Test(workbench, covariances_from_books)
{
    json_t *cases = keel_test_cases("meanvar_literature.json");
    const json_t *c, *expected;
    size_t k, i;
    int compared = 0;
    if (cases == NULL)
        cr_skip_test();
    json_array_foreach(cases, k, c)
    {
        const json_t *inputs = json_object_get(c, "inputs");
        const json_t *weights = json_object_get(json_object_get(c, "expected"), "weights");
        const json_t *near = json_object_get(json_object_get(c, "tolerance"), "weights_abs");
        if (method_of(c) == NULL || weights == NULL ||
            !json_is_array(json_object_get(inputs, "cov")))
            continue;
        json_t *problem = json_object(), *assets = json_array();
        for (i = 0; i < json_array_size(weights); i++)
            json_array_append_new(assets, json_sprintf("N%zu", i));
        json_object_set_new(problem, "assets", assets);
        json_object_set_new(problem, "method", json_string(method_of(c)));
        json_object_set(problem, "covariance", json_object_get(inputs, "cov"));
        if (json_object_get(inputs, "mean") != NULL)
            json_object_set(problem, "mean", json_object_get(inputs, "mean"));
        copy_fields(problem, inputs);
        json_t *a = answer(problem, text_of(c, "id"));
        compared++;
        if (a == NULL)
            continue;
        json_array_foreach(weights, i, expected)
        {
            char name[32];
            snprintf(name, sizeof name, "N%zu", i);
            const json_t *w = json_object_get(json_object_get(a, "weights"), name);
            cr_expect(fabs(json_number_value(w) - json_number_value(expected)) <=
                          json_number_value(near),
                      "%s: %s: %.9g", text_of(c, "id"), name, json_number_value(w));
        }
        json_decref(a);
    }
    cr_assert_geq(compared, 9);
    json_decref(cases);
}
