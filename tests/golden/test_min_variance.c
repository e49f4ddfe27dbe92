/* Minimum variance against published and independently computed answers: every case of capability
 * opt.min_variance in the reference index is read, solved by keel_qp and compared.
 * Source: Roncalli (2010, 2012) and Bai, Scheinberg, Tutuncu (2016); computed cases: cvxopt
 * interior point with an active-set polish, with its KKT residuals in the case. Each case names its
 * own. */
#include "common/num/la/sym.h"
#include "common/num/solve/qp.h"
#include "common/num/stats/moments.h"
#include "tests/support/data.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 32, ROWS = 1024, FIELDS = 64, LEN = N * (N + 1) / 2 };

typedef struct returns {
    int n, rows;
    const char *names[N];
    double x[ROWS][N];
} returns;

static double number(const json_t *from, const char *key, double otherwise)
{
    const json_t *value = json_object_get(from, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static const char *text(const json_t *from, const char *key)
{
    const char *value = json_string_value(json_object_get(from, key));
    return value != NULL ? value : "";
}

static int asset_named(const returns *r, const char *name)
{
    for (int i = 0; i < r->n; i++) {
        if (strcmp(r->names[i], name) == 0)
            return i;
    }
    return -1;
}

/* Cuts one line of a CSV in place; returns the number of fields. */
static int cut(char *line, char *fields[FIELDS])
{
    int count = 0;
    for (char *at = line; count < FIELDS; at++) {
        fields[count++] = at;
        at += strcspn(at, ",");
        if (*at == '\0')
            break;
        *at = '\0';
    }
    return count;
}

static void add_prices(returns *r, double last[N], const double now[N])
{
    if (last[0] > 0) {
        cr_assert_lt(r->rows, ROWS);
        for (int i = 0; i < r->n; i++)
            r->x[r->rows][i] = now[i] / last[i] - 1;
        r->rows++;
    }
    memcpy(last, now, sizeof(double) * N);
}

/* One row for each date, one column for each asset; a row with a blank is left out. */
static void read_wide(returns *r, char *csv, const json_t *inputs)
{
    const bool are_returns =
        json_object_get(inputs, "returns") != NULL && json_object_get(inputs, "prices") == NULL;
    const double scale = strcmp(text(inputs, "scale"), "returns times 100") == 0 ? 100 : 1;
    int column_of[N];
    double last[N] = {0}, now[N] = {0};
    char *fields[FIELDS], *rest = csv;
    int count = cut(strsep(&rest, "\n"), fields);
    for (int i = 0; i < r->n; i++) {
        column_of[i] = -1;
        for (int k = 1; k < count; k++) {
            if (strcmp(fields[k], r->names[i]) == 0)
                column_of[i] = k;
        }
        cr_assert_geq(column_of[i], 1, "no column %s", r->names[i]);
    }
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        bool whole = true;
        count = cut(line, fields);
        if (json_object_get(inputs, "from") != NULL &&
            (strcmp(fields[0], text(inputs, "from")) < 0 ||
             strcmp(fields[0], text(inputs, "to")) > 0))
            continue;
        for (int i = 0; i < r->n; i++) {
            whole = whole && column_of[i] < count && fields[column_of[i]][0] != '\0';
            now[i] = whole ? scale * strtod(fields[column_of[i]], NULL) : 0;
        }
        if (whole && are_returns)
            memcpy(r->x[r->rows++], now, sizeof now);
        else if (whole)
            add_prices(r, last, now);
    }
}

/* One row for each (date, symbol), dates together; a date that lacks an asset is left out. */
static void read_long(returns *r, char *csv, const json_t *inputs)
{
    double last[N] = {0}, now[N] = {0};
    char date[32] = "", *fields[FIELDS], *rest = csv;
    int held = 0;
    strsep(&rest, "\n");
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        cr_assert_geq(cut(line, fields), 6);
        const int i = asset_named(r, fields[1]);
        if (strcmp(fields[0], text(inputs, "from")) < 0 ||
            strcmp(fields[0], text(inputs, "to")) > 0)
            continue;
        if (strcmp(date, fields[0]) != 0) {
            held = 0;
            snprintf(date, sizeof date, "%s", fields[0]);
        }
        if (i < 0)
            continue;
        now[i] = strtod(fields[5], NULL);
        if (++held == r->n)
            add_prices(r, last, now);
    }
}

static void covariance_of_file(const json_t *inputs, returns *r, double *packed)
{
    const bool has_prices = json_object_get(inputs, "prices") != NULL;
    const char *path = keel_test_data(text(inputs, has_prices ? "prices" : "returns"));
    size_t len;
    cr_assert_not_null(path);
    char *csv = keel_test_read(path, &len);
    if (json_object_get(inputs, "symbols") != NULL)
        read_long(r, csv, inputs);
    else
        read_wide(r, csv, inputs);
    free(csv);
    const double expected_rows = number(inputs, "observations", r->rows);
    cr_assert_float_eq(r->rows, expected_rows, 0, "rows %d, expected %g", r->rows, expected_rows);
    for (int j = 0; j < r->n; j++) {
        for (int i = j; i < r->n; i++)
            packed[keel_sym_at(r->n, i, j)] = keel_covariance(r->rows, &r->x[0][i], &r->x[0][j], N);
    }
}

static void read_inputs(const json_t *inputs, returns *r, double *packed)
{
    const json_t *cov = json_object_get(inputs, "cov"); /* numbers, or words that describe them */
    const json_t *matrix = json_is_array(cov) ? cov : NULL;
    const json_t *assets = json_object_get(inputs, "assets");
    memset(r, 0, sizeof *r);
    r->n = (int)json_array_size(matrix != NULL ? matrix : assets);
    cr_assert(r->n >= 1 && r->n <= N);
    for (int i = 0; i < r->n && assets != NULL; i++)
        r->names[i] = json_string_value(json_array_get(assets, (size_t)i));
    if (matrix == NULL) {
        covariance_of_file(inputs, r, packed);
        return;
    }
    for (int j = 0; j < r->n; j++) {
        for (int i = j; i < r->n; i++)
            packed[keel_sym_at(r->n, i, j)] =
                json_number_value(json_array_get(json_array_get(matrix, (size_t)i), (size_t)j));
    }
}

static double expected_weight(const json_t *weights, const returns *r, int i)
{
    const json_t *w = json_is_array(weights) ? json_array_get(weights, (size_t)i)
                                             : json_object_get(weights, r->names[i]);
    cr_assert(json_is_number(w));
    return json_number_value(w);
}

static void compare(const json_t *c, const returns *r, const keel_qp_answer *out)
{
    const json_t *expected = json_object_get(c, "expected");
    const json_t *tolerance = json_object_get(c, "tolerance");
    const char *id = text(c, "id");
    const double weights_abs = number(tolerance, "weights_abs", -1);
    cr_assert_gt(weights_abs, 0, "%s states no tolerance", id);
    double worst = 0;
    for (int i = 0; i < r->n; i++) {
        const double w = expected_weight(json_object_get(expected, "weights"), r, i);
        worst = fmax(worst, fabs(out->x[i] - w));
    }
    cr_expect_leq(worst, weights_abs, "%s: weights differ by %g", id, worst);
    const double variance = number(expected, "variance", -1), std = number(expected, "std", -1);
    if (variance > 0)
        cr_expect_leq(fabs(2 * out->objective / variance - 1),
                      number(tolerance, "objective_rel", 0), "%s: variance", id);
    if (std > 0)
        cr_expect_leq(fabs(sqrt(2 * out->objective) / std - 1), number(tolerance, "std_rel", 0),
                      "%s: standard deviation", id);
    fprintf(stderr, "%-40s n %2d  weights within %.1e of %.0e, residuals %.1e\n", id, r->n, worst,
            weights_abs, fmax(out->primal_residual, fmax(out->dual_residual, out->gap)));
}

static void run(const json_t *c)
{
    static returns r;
    double packed[LEN], lower[N], upper[N], ones[N];
    const json_t *inputs = json_object_get(c, "inputs");
    const double total = number(inputs, "sum", 1);
    read_inputs(inputs, &r, packed);
    for (int i = 0; i < r.n; i++) {
        lower[i] = number(inputs, "lower", -KEEL_QP_NO_BOUND);
        upper[i] = number(inputs, "upper", KEEL_QP_NO_BOUND);
        ones[i] = 1;
    }
    const keel_qp_problem p = {r.n, 1, packed, NULL, lower, upper, ones, &total, &total};
    keel_qp *qp = keel_qp_new(r.n, 1);
    keel_qp_answer out;
    cr_assert_eq(keel_qp_solve(qp, &p, &out), KEEL_OK, "%s", text(c, "id"));
    cr_assert_eq(out.outcome, KEEL_QP_OPTIMAL, "%s", text(c, "id"));
    compare(c, &r, &out);
    keel_qp_free(&qp);
}

static bool is_min_variance(const char *capability)
{
    static const char prefix[] = "opt.min_variance";
    return strncmp(capability, prefix, sizeof prefix - 1) == 0;
}

static int run_file(const char *file)
{
    int ran = 0;
    json_t *cases = keel_test_cases(file);
    if (cases == NULL)
        cr_skip_test("no reference data");
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *c = json_array_get(cases, k);
        if (!is_min_variance(text(c, "capability")))
            continue;
        run(c);
        ran++;
    }
    json_decref(cases);
    return ran;
}

/* Cases of the prefix in index.csv, and in *files the different files they are in. */
static int read_index(char files[8][64], int *file_count)
{
    const char *path = keel_test_data("reference/index.csv");
    size_t len;
    int listed = 0;
    *file_count = 0;
    if (path == NULL)
        cr_skip_test("no reference data");
    char *csv = keel_test_read(path, &len), *rest = csv, *fields[FIELDS];
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        int known = 0;
        if (cut(line, fields) < 4 || !is_min_variance(fields[1]))
            continue;
        listed++;
        while (known < *file_count && strcmp(files[known], fields[3]) != 0)
            known++;
        cr_assert_lt(known, 8);
        snprintf(files[known], sizeof files[known], "%s", fields[3]);
        *file_count = known == *file_count ? known + 1 : *file_count;
    }
    free(csv);
    return listed;
}

Test(min_variance, every_reference_case_is_within_its_tolerance)
{
    char files[8][64];
    int file_count, ran = 0;
    const int listed = read_index(files, &file_count);
    cr_assert_gt(listed, 0, "the index names no case of opt.min_variance");
    for (int k = 0; k < file_count; k++)
        ran += run_file(files[k]);
    cr_assert_eq(ran, listed, "%d of %d cases ran", ran, listed);
}
