/* A stream: one answer for each line whatever it holds, and warm solvers that change no answer. */
#include "services/workbench/solvers.h"
#include "services/workbench/stream.h"

#include "common/num/la/la.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWERS_MAX = 128 };

/* Answers to the lines of text[len]; owned. */
static int run(const char *text, size_t len, json_t *answers[ANSWERS_MAX])
{
    char *out = NULL;
    size_t out_len;
    int n = 0;
    keel_la_init();
    FILE *from = fmemopen((void *)text, len, "r"), *to = open_memstream(&out, &out_len);
    cr_assert(keel_stream_run(from, to));
    fclose(from);
    fclose(to);
    for (char *at = out, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        answers[n] = json_loadb(at, (size_t)(end - at), 0, NULL);
        cr_assert_not_null(answers[n++]);
    }
    free(out);
    return n;
}

static void drop(json_t **answers, int n)
{
    for (int i = 0; i < n; i++)
        json_decref(answers[i]);
}

#define GOOD                                                                                       \
    "{\"id\":\"a\",\"assets\":[\"A\",\"B\"],\"method\":\"min_variance\","                          \
    "\"covariance\":[[1,0],[0,3]]}"

Test(stream, answers_every_line)
{
    static const char text[] = GOOD "\n"
                                    "\n"
                                    "not json\n"
                                    "{\"id\":\"b\"}\r\n"
                                    "\xff\x01\xfe\n"
                                    "[1,2]\n"
                                    "zero\0byte\n" GOOD;
    static const char *const outcomes[] = {"solved",  "invalid", "invalid", "invalid",
                                           "invalid", "invalid", "invalid", "solved"};
    json_t *answers[ANSWERS_MAX];
    const int n = run(text, sizeof text - 1, answers);
    cr_assert_eq(n, 8);
    for (int i = 0; i < n; i++) {
        const json_t *line = json_object_get(answers[i], "line");
        cr_expect_str_eq(json_string_value(json_object_get(answers[i], "outcome")), outcomes[i]);
        if (strcmp(outcomes[i], "invalid") == 0)
            cr_expect_eq(json_integer_value(line), i + 1);
    }
    cr_assert_str_eq(json_string_value(json_object_get(answers[3], "id")), "b");
    cr_assert(
        json_equal(json_object_get(answers[0], "weights"), json_object_get(answers[7], "weights")));
    drop(answers, n);
}

enum { MANY = KEEL_PROBLEM_N_MAX + 52, MANY_TEXT_MAX = 64 * MANY };

/* Loading and variance of asset i of many. */
static double loading_of(int i)
{
    return 0.01 * (1 + i % 7);
}

static double variance_of(int i)
{
    return 1e-4 * (1 + i % 5);
}

/* The minimum variance of one factor and more assets than a matrix may have, with short sales. */
static size_t put_many(char *text, double budget)
{
    size_t len = (size_t)sprintf(text, "{\"id\":\"a\",\"method\":\"min_variance\",\"assets\":[");
    for (int i = 0; i < MANY; i++)
        len += (size_t)sprintf(text + len, "%s\"N%d\"", i > 0 ? "," : "", i);
    len += (size_t)sprintf(text + len, "],\"lower\":-1,\"budget\":%g,\"factors\":{\"loadings\":[",
                           budget);
    for (int i = 0; i < MANY; i++)
        len += (size_t)sprintf(text + len, "%s[%.17g]", i > 0 ? "," : "", loading_of(i));
    len += (size_t)sprintf(text + len, "],\"idiosyncratic\":[");
    for (int i = 0; i < MANY; i++)
        len += (size_t)sprintf(text + len, "%s%.17g", i > 0 ? "," : "", variance_of(i));
    return len + (size_t)sprintf(text + len, "]}}\n");
}

/* Sherman and Morrison (1950): S^-1 1 = D^-1 1 - D^-1 b (b'D^-1 1) / (1 + b'D^-1 b). */
static void expect_closed_form(const json_t *answer)
{
    const json_t *weights = json_object_get(answer, "weights");
    double ones = 0, squares = 0, sum = 0;
    char name[16];
    for (int i = 0; i < MANY; i++) {
        ones += loading_of(i) / variance_of(i);
        squares += loading_of(i) * loading_of(i) / variance_of(i);
    }
    for (int i = 0; i < MANY; i++)
        sum += (1 - loading_of(i) * ones / (1 + squares)) / variance_of(i);
    for (int i = 0; i < MANY; i++) {
        const double w = (1 - loading_of(i) * ones / (1 + squares)) / variance_of(i) / sum;
        snprintf(name, sizeof name, "N%d", i);
        cr_expect_float_eq(json_real_value(json_object_get(weights, name)), w, 1e-12);
    }
}

/* Under one id: a matrix, factors that are too many for one, and a matrix again. */
Test(stream, more_assets_than_a_matrix_may_have_are_solved_by_their_factors)
{
    json_t *answers[ANSWERS_MAX];
    char *text = malloc(2 * MANY_TEXT_MAX + 2 * sizeof GOOD);
    size_t len = (size_t)sprintf(text, GOOD "\n");
    len += put_many(text + len, 1);
    len += put_many(text + len, 2 * MANY);
    len += (size_t)sprintf(text + len, GOOD "\n");
    const int n = run(text, len, answers);
    cr_assert_eq(n, 4);
    cr_expect_str_eq(json_string_value(json_object_get(answers[1], "outcome")), "solved");
    expect_closed_form(answers[1]);
    cr_expect_str_eq(json_string_value(json_object_get(answers[2], "outcome")), "iteration_limit");
    const json_t *why = json_object_get(json_object_get(answers[2], "why_not"), "text");
    cr_expect_not_null(strstr(json_string_value(why), "cannot hold together"));
    cr_expect(
        json_equal(json_object_get(answers[0], "weights"), json_object_get(answers[3], "weights")));
    drop(answers, n);
    free(text);
}

Test(stream, nothing_gives_nothing)
{
    json_t *answers[ANSWERS_MAX];
    cr_assert_eq(run("\n", 1, answers), 1);
    drop(answers, 1);
    char *out = NULL;
    size_t len;
    FILE *from = fopen("/dev/null", "r"), *to = open_memstream(&out, &len);
    cr_assert(keel_stream_run(from, to));
    fclose(from);
    fclose(to);
    cr_assert_eq(len, 0);
    free(out);
}

Test(stream, ends_when_nobody_reads)
{
    FILE *from = fmemopen((void *)GOOD "\n", sizeof GOOD, "r"), *to = fopen("/dev/full", "w");
    keel_la_init();
    cr_assert_not(keel_stream_run(from, to));
    fclose(from);
    fclose(to);
}

static void add_problem(char *to, size_t cap, const char *id, int t)
{
    snprintf(to, cap,
             "{\"id\":\"%s\",\"assets\":[\"A\",\"B\",\"C\"],\"method\":\"max_sharpe\","
             "\"mean\":[%.17g,0.02,0.03],\"upper\":0.5,"
             "\"covariance\":[[0.04,0.01,0],[0.01,%.17g,0.02],[0,0.02,0.16]]}\n",
             id, 0.01 + 0.0005 * t, 0.09 + 0.001 * t);
}

/* The weights of one problem, with a solver that has seen others of its id, or none. */
Test(stream, warm_and_cold_agree)
{
    enum { T = 40 };
    char *warm = calloc(T, 512), *cold = calloc(T, 512), line[512];
    json_t *a[ANSWERS_MAX], *b[ANSWERS_MAX];
    for (int t = 0; t < T; t++) {
        add_problem(line, sizeof line, "one", t);
        strcat(warm, line);
        add_problem(line, sizeof line, "", t);
        strcat(cold, line);
    }
    cr_assert_eq(run(warm, strlen(warm), a), T);
    cr_assert_eq(run(cold, strlen(cold), b), T);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < 3; i++) {
            const char *name = (const char *[]){"A", "B", "C"}[i];
            const json_t *x = json_object_get(json_object_get(a[t], "weights"), name);
            const json_t *y = json_object_get(json_object_get(b[t], "weights"), name);
            cr_expect(fabs(json_number_value(x) - json_number_value(y)) < 1e-9, "%d %s", t, name);
        }
    drop(a, T);
    drop(b, T);
    free(warm);
    free(cold);
}

/* More ids than solvers, and ids whose problems grow and shrink. */
Test(stream, more_ids_than_solvers)
{
    enum { LINES = 3 * KEEL_SOLVERS_MAX };
    char *text = calloc(LINES, 512), line[512], id[16];
    json_t *answers[ANSWERS_MAX];
    for (int k = 0; k < LINES; k++) {
        snprintf(id, sizeof id, "%d", k % (KEEL_SOLVERS_MAX + 3));
        add_problem(line, sizeof line, id, k);
        strcat(text, k % 5 == 1 ? GOOD "\n" : line);
    }
    const int n = run(text, strlen(text), answers);
    cr_assert_eq(n, LINES);
    for (int k = 0; k < n; k++)
        cr_expect_str_eq(json_string_value(json_object_get(answers[k], "outcome")), "solved");
    drop(answers, n);
    free(text);
}
