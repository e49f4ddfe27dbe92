/* Problems as JSON: every field arrives where it belongs; each bad one is named with its fix. */
#include "services/workbench/problem_json.h"

#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "services/workbench/json_place.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static keel_status read_text(const char *text, keel_stated *stated, keel_err *err)
{
    keel_la_init();
    json_t *root = keel_problem_parse(text, strlen(text), err);
    if (root == NULL)
        return err->status;
    const keel_status status = keel_stated_read(root, stated, err);
    json_decref(root);
    return status;
}

static keel_stated must_read(const char *text)
{
    keel_stated stated;
    keel_err err = {.text = ""};
    cr_assert_eq(read_text(text, &stated, &err), KEEL_OK, "%s", err.text);
    return stated;
}

Test(problem_json, every_field)
{
    keel_stated s = must_read(
        "{\"id\":\"desk\",\"assets\":[\"A\",\"B\",\"C\"],\"method\":\"mean_variance\","
        "\"mean\":{\"C\":0.3,\"A\":0.1,\"B\":0.2},"
        "\"covariance\":[[1,0.1,0.2],[0.1,2,0.3],[0.2,0.3,3]],"
        "\"lower\":-0.5,\"upper\":[0.4,null,0.6],\"budget\":0.9,"
        "\"groups\":{\"G\":[\"A\",\"C\"]},\"group_bounds\":{\"G\":[null,0.7]},"
        "\"constraints\":[\"A + B >= 10%\"],\"current\":{\"B\":0.25},\"cost_bps\":[1,2,3],"
        "\"turnover_max\":0.5,\"benchmark\":[0.2,0.3,0.5],\"tracking_error_max\":0.02,"
        "\"risk_aversion\":4,\"risk_free\":0.001,\"options\":{\"explain\":true}}");
    const keel_problem *p = &s.problem;
    const double covariance[] = {1, 0.1, 0.2, 2, 0.3, 3};
    cr_assert_str_eq(s.id, "desk");
    cr_assert(p->n == 3 && p->method == KEEL_METHOD_MEAN_VARIANCE && s.explain);
    cr_assert_arr_eq(p->covariance, covariance, sizeof covariance);
    cr_assert(p->mean[0] == 0.1 && p->mean[1] == 0.2 && p->mean[2] == 0.3);
    cr_assert(p->lower[0] == -0.5 && p->lower[2] == -0.5);
    cr_assert(p->upper[0] == 0.4 && p->upper[1] >= KEEL_NO_BOUND && p->upper[2] == 0.6);
    cr_assert(p->budget == 0.9 && p->turnover_max == 0.5 && p->tracking_error_max == 0.02);
    cr_assert(p->current[0] == 0 && p->current[1] == 0.25 && p->benchmark[2] == 0.5);
    cr_assert(fabs(p->cost[2] - 3e-4) < 1e-18 && p->risk_aversion == 4 && p->risk_free == 0.001);
    cr_assert_eq(p->rows_n, 2);
    cr_assert(p->rows[0].a[0] == 1 && p->rows[0].a[1] == 0 && p->rows[0].a[2] == 1);
    cr_assert(p->rows[0].lo <= -KEEL_NO_BOUND && p->rows[0].hi == 0.7);
    cr_assert(p->rows[1].a[1] == 1 && p->rows[1].lo == 0.1);
    cr_assert_str_eq(s.row_names[0], "group:G");
    cr_assert_str_eq(s.row_names[1], "A + B >= 0.1");
    keel_stated_free(&s);
}

Test(problem_json, defaults)
{
    keel_stated s = must_read("{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\","
                              "\"covariance\":[[1,0],[0,1]]}");
    const keel_problem *p = &s.problem;
    cr_assert(p->lower[1] == 0 && p->upper[1] == 1 && p->budget == 1 && p->rows_n == 0);
    cr_assert(p->mean == NULL && p->current == NULL && p->cost == NULL && p->benchmark == NULL);
    cr_assert(p->turnover_max >= KEEL_NO_BOUND && p->tracking_error_max >= KEEL_NO_BOUND);
    cr_assert(p->square[0] == 1 && p->square[1] == 0 && p->square[3] == 1 && p->checked);
    cr_assert(p->risk_free == 0 && !s.explain && s.id[0] == '\0');
    keel_stated_free(&s);
}

/* The solver names what is no covariance: it is read, and not vouched for. */
Test(problem_json, checks_that_a_covariance_is_one)
{
    keel_stated s = must_read("{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\","
                              "\"covariance\":[[1,2],[2,1]]}");
    cr_assert_not(s.problem.checked);
    keel_stated_free(&s);
}

Test(problem_json, a_budget_of_null_is_none)
{
    keel_stated s = must_read("{\"assets\":[\"A\"],\"method\":\"min_variance\",\"budget\":null,"
                              "\"covariance\":[[1]]}");
    cr_assert_geq(s.problem.budget, KEEL_NO_BOUND);
    keel_stated_free(&s);
}

Test(problem_json, markowitz_is_max_sharpe)
{
    keel_stated s = must_read("{\"assets\":[\"A\"],\"method\":\"markowitz\",\"mean\":[1],"
                              "\"covariance\":[[1]]}");
    cr_assert_eq(s.problem.method, KEEL_METHOD_MAX_SHARPE);
    keel_stated_free(&s);
}

Test(problem_json, factors)
{
    keel_stated s = must_read("{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\","
                              "\"factors\":{\"loadings\":[[1,2],[3,-1]],"
                              "\"idiosyncratic\":{\"B\":0.5,\"A\":0.25}}}");
    const double expected[] = {5.25, 1, 10.5};
    for (int i = 0; i < 3; i++)
        cr_assert(fabs(s.problem.covariance[i] - expected[i]) < 1e-14);
    cr_assert(s.problem.checked && s.problem.square[1] == s.problem.covariance[1]);
    cr_assert(s.problem.square[2] == s.problem.covariance[1]);
    keel_stated_free(&s);
}

Test(problem_json, returns_give_mean_and_covariance)
{
    keel_stated s = must_read("{\"assets\":[\"A\",\"B\"],\"method\":\"max_sharpe\","
                              "\"returns\":[[1,2],[2,4],[6,0]]}");
    const double covariance[] = {7, -4, 4};
    cr_assert(s.problem.mean[0] == 3 && s.problem.mean[1] == 2);
    for (int i = 0; i < 3; i++)
        cr_assert(fabs(s.problem.covariance[i] - covariance[i]) < 1e-14);
    keel_stated_free(&s);
    s = must_read("{\"assets\":[\"A\",\"B\"],\"method\":\"max_sharpe\",\"mean\":[9,8],"
                  "\"returns\":[[1,2],[2,4],[6,0]]}");
    cr_assert(s.problem.mean[0] == 9 && s.problem.mean[1] == 8);
    keel_stated_free(&s);
}

Test(problem_json, the_same_constraint_twice_is_one)
{
    keel_stated s = must_read("{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\","
                              "\"covariance\":[[1,0],[0,1]],"
                              "\"constraints\":[\"A <= 0.4\",\"40% >= A\",\"A <= 0.3\"]}");
    cr_assert_eq(s.problem.rows_n, 2);
    keel_stated_free(&s);
}

Test(problem_json, names_of_the_solver_as_people_know_them)
{
    char out[KEEL_CONSTRAINT_NAME_MAX];
    keel_stated s = must_read("{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\","
                              "\"covariance\":[[1,0],[0,1]],\"constraints\":[\"A <= 0.4\"]}");
    cr_assert_str_eq(keel_stated_name(&s, "row:0", out), "A <= 0.4");
    cr_assert_str_eq(keel_stated_name(&s, "upper:1", out), "upper:B");
    cr_assert_str_eq(keel_stated_name(&s, "lower:0", out), "lower:A");
    cr_assert_str_eq(keel_stated_name(&s, "budget", out), "budget");
    cr_assert_str_eq(keel_stated_name(&s, "row:9", out), "row:9");
    keel_stated_free(&s);
}

Test(problem_json, largest)
{
    enum { N = KEEL_PROBLEM_N_MAX, CAP = 32 << 20 };
    char *text = calloc(1, CAP);
    size_t len = 0;
    len += (size_t)sprintf(text + len, "{\"method\":\"min_variance\",\"assets\":[");
    for (int i = 0; i < N; i++)
        len += (size_t)sprintf(text + len, "%s\"N%d\"", i > 0 ? "," : "", (i * 7) % N);
    len += (size_t)sprintf(text + len, "],\"covariance\":[");
    for (int i = 0; i < N; i++) {
        len += (size_t)sprintf(text + len, "%s[", i > 0 ? "," : "");
        for (int j = 0; j < N; j++)
            len += (size_t)sprintf(text + len, "%s%s", j > 0 ? "," : "", i == j ? "1" : "0.5");
        len += (size_t)sprintf(text + len, "]");
    }
    len += (size_t)sprintf(text + len, "],\"constraints\":[");
    for (int i = 0; i < KEEL_PROBLEM_ROWS_MAX; i++)
        len += (size_t)sprintf(text + len, "%s\"N%d <= 0.1\"", i > 0 ? "," : "", i);
    sprintf(text + len, "],\"current\":0.1,\"mean\":{},\"cost_bps\":1}");
    keel_err err;
    keel_stated s;
    cr_assert_eq(read_text(text, &s, &err), KEEL_EINVAL);
    cr_assert_str_eq(err.text, "mean: no number for 'N0'; every asset needs one");
    memcpy(strstr(text, "\"mean\":{}"), "\"mean\":[]", 9);
    cr_assert_eq(read_text(text, &s, &err), KEEL_EINVAL);
    memcpy(strstr(text, ",\"mean\":[]"), "          ", 10);
    s = must_read(text);
    cr_assert(s.problem.rows_n == KEEL_PROBLEM_ROWS_MAX && s.problem.n == N);
    cr_assert(keel_sym_get(N, s.problem.covariance, N - 1, 0) == 0.5);
    keel_stated_free(&s);
    free(text);
}

/* What is wrong with an otherwise good problem of three assets: `put` goes in front of the closing
 * brace, or replaces the field of that name. */
typedef struct bad {
    const char *put;  /* "field":value, ... */
    const char *said; /* beginning of the error, with the field */
    const char *fix;  /* in it as well */
} bad;

static const char *const base_fields[][2] = {
    {"assets", "[\"A\",\"B\",\"C\"]"},
    {"method", "\"min_variance\""},
    {"covariance", "[[1,0,0],[0,1,0],[0,0,1]]"},
};

static void build(const char *put, char *out, size_t cap)
{
    char key[64];
    size_t len = 0;
    len += (size_t)snprintf(out, cap, "{");
    for (size_t i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "\"%s\":", base_fields[i][0]);
        if (strstr(put, key) == NULL)
            len += (size_t)snprintf(out + len, cap - len, "%s%s,", key, base_fields[i][1]);
    }
    snprintf(out + len, cap - len, "%s}", put);
}

static const bad problems[] = {
    {"\"id\":7", "id: ", "a text is expected"},
    {"\"asets\":1", "asets: ", "did you mean 'assets'"},
    {"\"cvoariance\":1", "cvoariance: ", "did you mean 'covariance'"},
    {"\"xyzzy\":1", "xyzzy: ", "no such field"},
    {"\"assets\":\"A\"", "assets: ", "a list of names"},
    {"\"assets\":[]", "assets: ", "1 to 2048"},
    {"\"assets\":[\"A\",\"B\",3]", "assets[2]: ", "a name is expected"},
    {"\"assets\":[\"A\",\"B\",\"A\"]", "assets[2]: ", "'A' is there twice"},
    {"\"assets\":[\"A\",\"\",\"C\"]", "assets[1]: ", "1 to 63 bytes"},
    {"\"assets\":[\"A\",\"cash\",\"C\"]", "assets[1]: ", "rename the asset"},
    {"\"assets\":[\"A\",\"B\\n\",\"C\"]", "assets[1]: ", "control character"},
    {"\"method\":\"min_varance\"", "method: ", "did you mean 'min_variance'"},
    {"\"method\":3", "method: ", "min_variance"},
    {"\"method\":\"flatten\"", "method: ", "no 'flatten'"},
    {"\"covariance\":[[1,0,0],[0,1,0]]", "covariance: ", "2 rows for 3 assets"},
    {"\"covariance\":[[1,0,0],[0,1],[0,0,1]]", "covariance[1]: ", "2 numbers; 3 are expected"},
    {"\"covariance\":[[1,0,0],[0,1,0],5]", "covariance[2]: ", "a list of 3 numbers"},
    {"\"covariance\":7", "covariance: ", "a list of rows"},
    {"\"covariance\":[[1,0,0],[0,1,0],[0,\"x\",1]]", "covariance[2][1]: ", "a number is expected"},
    {"\"covariance\":[[1,0,0],[0,1,0],[0,null,1]]", "covariance[2][1]: ", "null"},
    {"\"covariance\":[[1,0,0.1],[0,1,0],[0.2,0,1]]",
     "covariance[2][0]: not symmetric: 0.2, and 0.1", "at [0][2]"},
    {"\"covariance\":[[1,0,0],[0,-1,0],[0,0,1]]", "covariance[1][1]: ", "at least 0"},
    {"\"covariance\":[[1,0,0],[0,1e101,0],[0,0,1]]", "covariance[1][1]: ", "1e100"},
    {"\"covariance\":[[1,0,0],[0,NaN,0],[0,0,1]]", "covariance[1][1]: ", "must be finite"},
    {"\"covariance\":[[1,0,0],[0,Infinity,0],[0,0,1]]", "covariance[1][1]: ", "must be finite"},
    {"\"covariance\":[[1,0,0],[0,1e999,0],[0,0,1]]", "covariance[1][1]: ", "must be finite"},
    {"\"returns\":[[1,2,3],[1,2,4]]", "returns: ", "one of covariance, factors, returns"},
    {"\"method\":\"max_sharpe\"", "mean: missing", "max_sharpe needs it"},
    {"\"method\":\"target_return\",\"mean\":[1,2,3]", "target_return: missing", "needs it"},
    {"\"method\":\"target_risk\",\"mean\":[1,2,3]", "target_risk: missing", "needs it"},
    {"\"method\":\"target_risk\",\"mean\":[1,2,3],\"target_risk\":0", "target_risk: ", "above 0"},
    {"\"method\":\"mean_variance\",\"mean\":[1,2,3]", "risk_aversion: missing", "needs it"},
    {"\"method\":\"mean_variance\",\"mean\":[1,2,3],\"risk_aversion\":-1",
     "risk_aversion: ", "at least 0"},
    {"\"method\":\"static\"", "weights: missing", "static needs it"},
    {"\"target_return\":0.1", "target_return: ", "min_variance does not use it"},
    {"\"target_risk\":0.1", "target_risk: ", "does not use it"},
    {"\"weights\":[1,0,0]", "weights: ", "does not use it"},
    {"\"mean\":[1,2]", "mean: ", "2 numbers for 3 assets"},
    {"\"mean\":0.1", "mean: ", "a list in the order of assets"},
    {"\"mean\":[1,2,true]", "mean[2]: ", "a number is expected"},
    {"\"mean\":[1,NaN,3]", "mean[1]: ", "must be finite"},
    {"\"mean\":{\"A\":1,\"B\":2}", "mean: ", "no number for 'C'"},
    {"\"mean\":{\"A\":1,\"B\":2,\"C\":3,\"D\":4}", "mean.D: ", "not among the assets"},
    {"\"lower\":0.5,\"upper\":0.4", "lower[0]: ", "above upper[0], 0.4, of 'A'"},
    {"\"lower\":[0,\"0\",0]", "lower[1]: ", "a number is expected"},
    {"\"upper\":{\"BB\":1}", "upper.BB: ", "did you mean 'B'"},
    {"\"budget\":\"1\"", "budget: ", "a number is expected"},
    {"\"current\":[0.1,0.2]", "current: ", "2 numbers for 3"},
    {"\"current\":[0.1,0.2,null]", "current[2]: ", "null"},
    {"\"cost_bps\":[1,-2,3]", "cost_bps[1]: ", "at least 0"},
    {"\"turnover_max\":-0.1", "turnover_max: ", "at least 0"},
    {"\"gross_max\":-0.1", "gross_max: ", "at least 0"},
    {"\"fallbacks\":\"min_variance\"", "fallbacks: ", "a list of at most 4"},
    {"\"fallbacks\":[\"hrp\"]", "fallbacks[0]: no 'hrp'", ""},
    {"\"fallbacks\":[\"equal_weight\",\"equal_weight\"]", "fallbacks[1]: ", "tried before"},
    {"\"fallbacks\":[\"target_risk\"]", "target_risk: missing", "target_risk needs it"},
    {"\"benchmark\":[1,0,0]", "benchmark: ", "tracking_error_max"},
    {"\"tracking_error_max\":0.1", "tracking_error_max: ", "give benchmark"},
    {"\"benchmark\":[1,0,0],\"tracking_error_max\":0", "tracking_error_max: ", "above 0"},
    {"\"risk_free\":[1]", "risk_free: ", "a number is expected"},
    {"\"groups\":[1]", "groups: ", "an object is expected"},
    {"\"groups\":{\"G\":[]}", "groups.G: ", "a list of names"},
    {"\"groups\":{\"G\":[\"A\",\"Q\"]}", "groups.G[1]: ", "'Q' is not among the assets"},
    {"\"groups\":{\"G\":[\"A\",\"A\"]}", "groups.G[1]: ", "twice"},
    {"\"groups\":{\"A\":[\"B\"]}", "groups.A: ", "rename the group"},
    {"\"groups\":{\"cash\":[\"B\"]}", "groups.cash: ", "rename the group"},
    {"\"group_bounds\":{\"G\":[0,1]}", "group_bounds.G: ", "add it to groups"},
    {"\"groups\":{\"Tech\":[\"A\"]},\"group_bounds\":{\"Tec\":[0,1]}",
     "group_bounds.Tec: ", "did you mean 'Tech'"},
    {"\"groups\":{\"G\":[\"A\"]},\"group_bounds\":{\"G\":[0]}", "group_bounds.G: ", "[lowest"},
    {"\"groups\":{\"G\":[\"A\"]},\"group_bounds\":{\"G\":[0.5,0.2]}", "group_bounds.G: ", "above"},
    {"\"groups\":{\"G\":[\"A\"]},\"group_bounds\":{\"G\":[0,\"x\"]}",
     "group_bounds.G[1]: ", "a number is expected"},
    {"\"constraints\":\"A <= 1\"", "constraints: ", "a list of texts"},
    {"\"constraints\":[3]", "constraints[0]: ", "a text is expected"},
    {"\"constraints\":[\"A <= 1\",\"A + Z <= 1\"]",
     "constraints[1]: A + Z <= 1:5: ", "no asset or group 'Z'"},
    {"\"options\":{\"explian\":true}", "options.explian: ", "there is explain"},
    {"\"options\":{\"explain\":1}", "options.explain: ", "true or false"},
    {"\"options\":true", "options: ", "an object is expected"},
    {"\"budget\":1,\"budget\":2", "budget: ", "duplicate"},
    {"\"budget\":", "budget: ", "not JSON"},
};

Test(problem_json, refuses_by_field)
{
    char text[1024];
    cr_assert_geq(sizeof problems / sizeof *problems, 60);
    build("\"budget\":1", text, sizeof text);
    keel_stated good = must_read(text);
    keel_stated_free(&good);
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        keel_stated s;
        keel_err err = {.text = ""};
        build(problems[i].put, text, sizeof text);
        cr_expect_neq(read_text(text, &s, &err), KEEL_OK, "%s", text);
        cr_expect_eq(strncmp(err.text, problems[i].said, strlen(problems[i].said)), 0, "%s: '%s'",
                     problems[i].put, err.text);
        cr_expect_not_null(strstr(err.text, problems[i].fix), "%s: '%s'", problems[i].put,
                           err.text);
    }
}

Test(problem_json, refuses_sources_by_field)
{
    static const bad sources[] = {
        {"", "covariance: missing", "factors"},
        {",\"returns\":[[1,2]]", "returns: ", "at least 2"},
        {",\"returns\":[[1,2],[1]]", "returns[1]: ", "2 are expected"},
        {",\"returns\":[[1,2],[1,\"\"]]", "returns[1][1]: ", "a number"},
        {",\"factors\":3", "factors: ", "loadings and idiosyncratic"},
        {",\"factors\":{\"loadings\":[[1],[2]]}", "factors.idiosyncratic: missing", "each asset"},
        {",\"factors\":{\"idiosyncratic\":[1,2]}", "factors.loadings: missing", "each asset"},
        {",\"factors\":{\"loadings\":[[1],[2]],\"idiosyncratic\":[1,-1]}",
         "factors.idiosyncratic[1]: ", "at least 0"},
        {",\"factors\":{\"loadings\":[[1],[2,3]],\"idiosyncratic\":[1,1]}",
         "factors.loadings[1]: ", "1 are expected"},
        {",\"factors\":{\"loadings\":[[1]],\"idiosyncratic\":[1,1]}",
         "factors.loadings: ", "1 rows for 2 assets"},
        {",\"factors\":{\"loadings\":[[1],[2]],\"specific\":[1,1]}",
         "factors.specific: ", "no such field"},
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        char text[512];
        keel_stated s;
        keel_err err = {.text = ""};
        snprintf(text, sizeof text, "{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\"%s}",
                 sources[i].put);
        cr_expect_neq(read_text(text, &s, &err), KEEL_OK, "%s", text);
        cr_expect_eq(strncmp(err.text, sources[i].said, strlen(sources[i].said)), 0, "%s: '%s'",
                     sources[i].put, err.text);
        cr_expect_not_null(strstr(err.text, sources[i].fix), "%s: '%s'", sources[i].put, err.text);
    }
}

Test(problem_json, refuses_what_is_no_problem)
{
    static const char *const texts[] = {"",         " ",
                                        "3",        "[]",
                                        "null",     "{",
                                        "}",        "\"x\"",
                                        "{}",       "{\"assets\":[\"A\"]} x",
                                        "\xff\xfe", "{\"id\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        keel_stated s;
        keel_err err = {.text = ""};
        cr_expect_neq(read_text(texts[i], &s, &err), KEEL_OK, "%s", texts[i]);
        cr_expect_gt(strlen(err.text), 10, "%s", texts[i]);
    }
}

/* Small differences of the two halves are averaged, at any scale. */
Test(problem_json, symmetric_to_the_last_digits)
{
    static const double scales[] = {1e-12, 1, 1e12};
    for (size_t i = 0; i < 3; i++) {
        char text[512];
        const double c = 0.5 * scales[i];
        keel_stated s;
        keel_err err;
        const char *form = "{\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\","
                           "\"covariance\":[[%.17g,%.17g],[%.17g,%.17g]]}";
        snprintf(text, sizeof text, form, scales[i], c * (1 + 1e-10), c, scales[i]);
        s = must_read(text);
        cr_assert(fabs(s.problem.covariance[1] / c - 1) < 1e-10);
        keel_stated_free(&s);
        snprintf(text, sizeof text, form, scales[i], c * (1 + 1e-8), c, scales[i]);
        cr_assert_eq(read_text(text, &s, &err), KEEL_EINVAL);
    }
}

Test(json_place, path_of_a_byte)
{
    static const struct {
        const char *before;
        const char *place;
    } cases[] = {
        {"", ""},
        {"{\"a\":", "a"},
        {"{\"a\":1,\"b\":[1,{\"c\":2},[3,", "b[2][1]"},
        {"{\"a\\\"b\":{\"c\":\"x,]\",\"d\":", "a\\\"b.d"},
        {"[[1,2],[3,", "[1][1]"},
        {"{\"a\":[1]},", "a"},
        {"{\"unclosed", "unclosed"},
        {"]]]}}}", ""},
        {"[[[[[[[[[[[[", "[0][0][0][0][0][0][0][0]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[KEEL_JSON_PLACE_MAX];
        keel_json_place(cases[i].before, strlen(cases[i].before), out);
        if (i != 5) /* past the end any place will do */
            cr_expect_str_eq(out, cases[i].place);
    }
}
