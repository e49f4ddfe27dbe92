/* CO02: rolling correlation of real prices against pandas and numpy: every case whose capability
 * begins with correlation.rolling in reference/estimators.json, within its own tolerance. Spearman
 * and Kendall of the same cases are other estimators and are not read.
 * Source: pandas 1.5.3 and numpy, as each case says; prices of market/ as the case names them. */
#include "common/base/timefmt.h"
#include "services/correlation/engine/correlation.h"
#include "tests/support/data.h"
#include "tests/support/market.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASSETS = 32, ROWS = 1200, FIELDS = 64 };

#define CAPABILITY  "correlation.rolling"
#define PRICE_UNITS 1e12 /* finer than any price printed, so that parsing costs no digits */
#define HASH        UINT64_C(1)

typedef struct prices {
    int n, rows;
    const char *names[ASSETS];
    char dates[ROWS][16];
    int64_t units[ROWS][ASSETS];
} prices;

static int asset_named(const prices *p, const char *name)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->names[i], name) == 0)
            return i;
    return -1;
}

/* The row of a date in [from, to], made when it is new; -1 outside. */
static int row_of(prices *p, const char *date, const char *from, const char *to)
{
    if (strcmp(date, from) < 0 || strcmp(date, to) > 0)
        return -1;
    if (p->rows > 0 && strcmp(p->dates[p->rows - 1], date) == 0)
        return p->rows - 1;
    cr_assert_lt(p->rows, ROWS);
    snprintf(p->dates[p->rows], sizeof p->dates[0], "%s", date);
    return p->rows++;
}

static void put(prices *p, int row, int asset, const char *field)
{
    if (row >= 0 && asset >= 0 && field[0] != '\0')
        p->units[row][asset] = (int64_t)llround(strtod(field, NULL) * PRICE_UNITS);
}

/* Long files name the symbol and close in each line; wide ones have a column for each asset. */
static void read_prices(prices *p, const json_t *inputs)
{
    size_t len = 0, i;
    json_t *name;
    char *fields[FIELDS], *heads[FIELDS];
    const char *from = json_string_value(json_object_get(inputs, "from"));
    const char *to = json_string_value(json_object_get(inputs, "to"));
    const bool is_long = json_object_get(inputs, "symbols") != NULL;
    memset(p, 0, sizeof *p);
    json_array_foreach(json_object_get(inputs, "assets"), i, name) p->names[p->n++] =
        json_string_value(name);
    char *csv =
        keel_test_read(keel_test_data(json_string_value(json_object_get(inputs, "prices"))), &len);
    char *rest = csv;
    const int columns = keel_csv_cut(strsep(&rest, "\n"), heads, FIELDS);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        cr_assert_eq(keel_csv_cut(line, fields, FIELDS), columns);
        const int row = row_of(p, fields[0], from, to);
        if (is_long)
            put(p, row, asset_named(p, fields[1]), fields[5]);
        for (int c = 1; !is_long && c < columns; c++)
            put(p, row, asset_named(p, heads[c]), fields[c]);
    }
    if (is_long)
        cr_assert_str_eq(heads[5], "close");
    free(csv);
}

static keel_corr *engine_for(const prices *p, int window)
{
    const keel_corr_cfg cfg = {.n = p->n,
                               .universe_hash = HASH,
                               .bar_ns = KEEL_NS_PER_DAY,
                               .estimator = KEEL_ESTIMATOR_ROLLING,
                               .rows_window = window,
                               .rows_min = window,
                               .rows_full_trust = window};
    keel_err err = {KEEL_OK, ""};
    keel_corr *eng = keel_corr_new(&cfg, &err);
    cr_assert_not_null(eng, "%s", err.text);
    return eng;
}

static keel_corr_out feed(keel_corr *eng, const prices *p, int t)
{
    keel_corr_out out;
    keel_bar_row row = {.universe_hash = HASH,
                        .close_ns = (t + 1) * KEEL_NS_PER_DAY,
                        .bar_ns = KEEL_NS_PER_DAY,
                        .n = p->n,
                        .close_units = p->units[t]};
    for (int i = 0; i < p->n; i++)
        row.missing += p->units[t][i] == 0;
    cr_assert_eq(keel_corr_on_row(eng, &row, &out), KEEL_OK);
    return out;
}

static double number(const json_t *from, const char *key)
{
    const json_t *value = json_object_get(from, key);
    cr_assert(json_is_number(value), "no number %s", key);
    return json_number_value(value);
}

/* [date, value] of the expected answers against the value at that date. */
static void compare_at(const json_t *expected, const char *key, const char *date, double value,
                       double tolerance, int *found)
{
    const json_t *pair = json_object_get(expected, key);
    if (strcmp(json_string_value(json_array_get(pair, 0)), date) != 0)
        return;
    ++*found;
    cr_expect_float_eq(value, json_number_value(json_array_get(pair, 1)), tolerance, "%s %s: %.12f",
                       key, date, value);
}

static void run_window(const prices *p, int window, size_t pair, const json_t *expected,
                       double tolerance)
{
    static const char *const keys[] = {"first", "middle", "last"};
    double least = 1, most = -1, sum = 0;
    int count = 0, found = 0;
    keel_corr *eng = engine_for(p, window);
    for (int t = 0; t < p->rows; t++) {
        const keel_corr_out out = feed(eng, p, t);
        if ((out.made & KEEL_CORR_MADE_MATRIX) == 0)
            continue;
        const double value = out.correlation.correlation[pair];
        if (count++ == 0)
            cr_expect_str_eq(p->dates[t], json_string_value(json_array_get(
                                              json_object_get(expected, "first"), 0)));
        for (int k = 0; k < 3; k++)
            compare_at(expected, keys[k], p->dates[t], value, tolerance, &found);
        least = fmin(least, value);
        most = fmax(most, value);
        sum += value;
    }
    cr_expect_eq(found, 3);
    cr_expect_float_eq(least, number(expected, "minimum"), tolerance);
    cr_expect_float_eq(most, number(expected, "maximum"), tolerance);
    cr_expect_float_eq(sum / count, number(expected, "mean"), tolerance);
    keel_corr_free(&eng);
}

/* Share of the largest eigenvalue, by power iteration from the vector of ones. */
static double largest_eigenvalue_share(int n, const double *packed)
{
    double v[ASSETS], w[ASSETS], norm = 0;
    for (int i = 0; i < n; i++)
        v[i] = 1 / sqrt(n);
    for (int k = 0; k < 500; k++) {
        norm = 0;
        for (int i = 0; i < n; i++) {
            w[i] = 0;
            for (int j = 0; j < n; j++)
                w[i] += packed[i >= j ? keel_packed_at(n, i, j) : keel_packed_at(n, j, i)] * v[j];
            norm += w[i] * w[i];
        }
        norm = sqrt(norm);
        for (int i = 0; i < n; i++)
            v[i] = w[i] / norm;
    }
    return norm / n;
}

static void run_case(const json_t *one)
{
    static prices p;
    size_t k;
    const char *window;
    json_t *expected_window;
    const json_t *inputs = json_object_get(one, "inputs");
    const json_t *expected = json_object_get(one, "expected");
    const json_t *names = json_object_get(inputs, "pair");
    const double tolerance = number(json_object_get(one, "tolerance"), "abs");
    read_prices(&p, inputs);
    const int rows = (int)number(inputs, "observations");
    const int a = asset_named(&p, json_string_value(json_array_get(names, 0)));
    const int b = asset_named(&p, json_string_value(json_array_get(names, 1)));
    const size_t pair = keel_packed_at(p.n, a > b ? a : b, a > b ? b : a);
    cr_assert(json_object_size(json_object_get(expected, "rolling_pearson")) > 0);
    json_object_foreach(json_object_get(expected, "rolling_pearson"), window, expected_window)
        run_window(&p, atoi(window), pair, expected_window, tolerance);

    keel_corr *eng = engine_for(&p, rows);
    keel_corr_out out = {0};
    for (k = 0; k < (size_t)p.rows; k++)
        out = feed(eng, &p, (int)k);
    cr_assert_eq(out.made, (unsigned)KEEL_CORR_MADE_MATRIX);
    cr_assert_eq(out.correlation.basis.rows, rows);
    cr_expect_float_eq(out.correlation.correlation[pair],
                       number(expected, "full_sample_correlation"), tolerance);
    cr_expect_float_eq(out.correlation.mean_correlation, number(expected, "mean_off_diagonal"),
                       tolerance);
    cr_expect_float_eq(largest_eigenvalue_share(p.n, out.correlation.correlation),
                       number(expected, "largest_eigenvalue_share"), tolerance);
    keel_corr_free(&eng);
}

Test(golden, rolling_correlation_equals_pandas)
{
    size_t k;
    json_t *one;
    int cases = 0;
    json_t *all = keel_test_cases("estimators.json");
    if (all == NULL)
        cr_skip_test("no reference data");
    json_array_foreach(all, k, one)
    {
        const char *capability = json_string_value(json_object_get(one, "capability"));
        if (strncmp(capability, CAPABILITY, strlen(CAPABILITY)) != 0)
            continue;
        printf("%s\n", json_string_value(json_object_get(one, "id")));
        run_case(one);
        cases++;
    }
    cr_assert_gt(cases, 0, "no case of " CAPABILITY);
    json_decref(all);
}
