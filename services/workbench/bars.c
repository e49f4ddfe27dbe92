#include "services/workbench/bars.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/num/stats/moments.h"
#include "services/feed/engine/csv.h"
#include "services/workbench/read_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double days_per_year = 365.25;
/* Of distances that may differ from the middle one: weekends and holidays of daily bars are 22%. */
static const double odd_max_frac = 0.35;

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Months between bars whose middle distance is so many days; 0 = not whole months. */
static int whole_months(double days)
{
    if (days >= 28 && days <= 31)
        return 1;
    if (days >= 89 && days <= 92)
        return 3;
    return days >= 365 && days <= 366 ? 12 : 0;
}

static bool is_weekend(int64_t ns)
{
    return keel_time_weekday(ns) >= 5;
}

double keel_bars_calendar(const int64_t *times_ns, int count)
{
    bool weekend = false;
    int odd = 0;
    if (count < 3)
        return 0;
    int64_t *gaps = keel_xcalloc((size_t)count - 1, sizeof *gaps);
    for (int t = 1; t < count; t++) {
        gaps[t - 1] = times_ns[t] - times_ns[t - 1];
        weekend = weekend || is_weekend(times_ns[t]);
    }
    qsort(gaps, (size_t)count - 1, sizeof *gaps, by_size);
    const int64_t middle = gaps[(count - 1) / 2];
    const double days = (double)middle / (double)KEEL_NS_PER_DAY;
    const int months = whole_months(days);
    for (int t = 0; t < count - 1; t++)
        odd += fabs((double)gaps[t] / (double)middle - 1) > (months > 0 ? 0.15 : 0.01);
    keel_free(&gaps);
    if (middle <= 0 || odd > odd_max_frac * (count - 1))
        return 0;
    if (months > 0)
        return 12.0 / months;
    return days_per_year / days * (days < 7 && !weekend ? 5.0 / 7 : 1);
}

/* One row of values into out[n]; *missing where one is blank. */
static keel_status read_row(const keel_csv *csv, uint32_t record, bool prices, double *out,
                            bool *missing, keel_err *err)
{
    *missing = false;
    for (int i = 0; i < csv->symbols_n; i++) {
        const char *cell = keel_csv_cell(csv, record, i + 1);
        const uint32_t line = csv->records[record].line;
        if (cell[0] == '\0') {
            *missing = true;
            continue;
        }
        if (keel_text_real(cell, &out[i]) != KEEL_OK || fabs(out[i]) > KEEL_USABLE_MAX)
            return keel_err_set(err, KEEL_EFORMAT,
                                "%s:%u: %s: '%s' is not a number; leave a missing value blank",
                                csv->name, line, keel_csv_symbol(csv, i), cell);
        if (prices && out[i] <= 0)
            return keel_err_set(err, KEEL_ERANGE, "%s:%u: %s: %s: a price must be above 0",
                                csv->name, line, keel_csv_symbol(csv, i), cell);
    }
    return KEEL_OK;
}

/* Complete rows by rows, newest `keep` of them, and their times. */
typedef struct grid {
    double *values; /* owned; rows x n by rows */
    int64_t *times; /* owned */
    int rows;
    uint32_t left_out;
} grid;

static keel_status fill_grid(const keel_csv *csv, bool prices, grid *g, keel_err *err)
{
    const size_t n = (size_t)csv->symbols_n;
    g->values = keel_xcalloc((size_t)csv->records_n * n, sizeof(double));
    g->times = keel_xcalloc(csv->records_n, sizeof(int64_t));
    for (uint32_t record = 0; record < csv->records_n; record++) {
        bool missing;
        KEEL_TRY(read_row(csv, record, prices, g->values + (size_t)g->rows * n, &missing, err));
        g->times[g->rows] = csv->records[record].time_ns;
        g->rows += !missing;
        g->left_out += missing;
    }
    return KEEL_OK;
}

static keel_status make_bars(const keel_csv *csv, const grid *g, bool prices, int window,
                             keel_bars *bars, keel_err *err)
{
    const int n = csv->symbols_n, all = g->rows - prices;
    const int m = window > 0 && window < all ? window : all;
    if (m < 2)
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: %d complete rows; two returns are needed at least", csv->name,
                            g->rows);
    const int first = g->rows - m;
    bars->n = n;
    bars->m = m;
    bars->left_out = g->left_out;
    bars->bars_per_year = keel_bars_calendar(g->times, g->rows);
    bars->symbols = keel_xcalloc((size_t)n, KEEL_SYMBOL_MAX);
    bars->returns = keel_xcalloc((size_t)m * (size_t)n, sizeof(double));
    for (int i = 0; i < n; i++)
        snprintf(bars->symbols[i], KEEL_SYMBOL_MAX, "%s", keel_csv_symbol(csv, i));
    const double *value = g->values + (size_t)first * (size_t)n;
    for (size_t k = 0; k < (size_t)m * (size_t)n; k++)
        bars->returns[k] = prices ? value[k] / *(value + k - n) - 1 : value[k];
    return KEEL_OK;
}

static keel_status check_csv(const keel_csv *csv, const keel_complaints *complaints, keel_err *err)
{
    char text[KEEL_COMPLAINT_TEXT_MAX];
    if (csv->format != KEEL_CSV_WIDE)
        return keel_err_set(err, KEEL_EFORMAT,
                            "%s: one line per time and symbol; a wide file is expected: "
                            "date,BTC,ETH,...",
                            csv->name);
    if (complaints->refused_n == 0)
        return KEEL_OK;
    keel_complaint_format(&complaints->refused_first[0], text);
    return keel_err_set(err, KEEL_EFORMAT, "%s", text);
}

keel_status keel_bars_read(const char *path, bool prices, int window, keel_bars *bars,
                           keel_err *err)
{
    char *text;
    size_t len;
    grid g = {0};
    keel_complaints *complaints = keel_xcalloc(1, sizeof *complaints);
    keel_csv *csv = NULL;
    memset(bars, 0, sizeof *bars);
    keel_status status = keel_file_read(path, KEEL_CSV_BYTES_MAX, &text, &len, err);
    if (status != KEEL_OK)
        goto out;
    csv = keel_csv_new(path, text, len, complaints, err);
    keel_free(&text);
    status = csv != NULL ? check_csv(csv, complaints, err) : err->status;
    if (status == KEEL_OK)
        status = fill_grid(csv, prices, &g, err);
    if (status == KEEL_OK)
        status = make_bars(csv, &g, prices, window, bars, err);
out:
    keel_free(&g.values);
    keel_free(&g.times);
    keel_csv_free(&csv);
    keel_free(&complaints);
    return status;
}

void keel_bars_free(keel_bars *bars)
{
    keel_free(&bars->symbols);
    keel_free(&bars->returns);
    memset(bars, 0, sizeof *bars);
}
