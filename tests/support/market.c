#include "tests/support/market.h"

#include "tests/support/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = KEEL_MARKET_ASSETS_MAX, FIELDS = 128, ROWS_FIRST = 256 };

/* How to read the file, and where the reading stands. */
typedef struct reader {
    keel_market *market;
    const char *from, *to;
    double scale;
    bool are_returns;
    bool keeps_holes; /* a price of 0 is a hole */
    int cap;          /* rows that fit into market->at */
    bool started;
    double last[N], now[N];
} reader;

static void expect(bool good, const char *what, const char *which)
{
    if (good)
        return;
    fprintf(stderr, "market data: %s: %s\n", what, which);
    abort();
}

int keel_csv_cut(char *line, char **fields, int max)
{
    int count = 0;
    for (char *at = line; count < max; at++) {
        fields[count++] = at;
        at += strcspn(at, ",\r");
        if (*at != ',')
            break;
        *at = '\0';
    }
    fields[count - 1][strcspn(fields[count - 1], "\r")] = '\0';
    return count;
}

int keel_market_find(const keel_market *m, const char *name)
{
    for (int i = 0; i < m->n; i++) {
        if (strcmp(m->names[i], name) == 0)
            return i;
    }
    return -1;
}

static void name_asset(keel_market *m, const char *name)
{
    expect(m->n < N && strlen(name) < KEEL_MARKET_NAME_MAX, "one asset too many, or its name",
           name);
    snprintf(m->names[m->n++], KEEL_MARKET_NAME_MAX, "%s", name);
}

/* A row more of numbers, and of holes where they are kept. */
static int add_row(reader *r)
{
    keel_market *m = r->market;
    if (m->rows == r->cap) {
        r->cap = r->cap > 0 ? 2 * r->cap : ROWS_FIRST;
        const size_t size = (size_t)r->cap * (size_t)m->n;
        m->at = realloc(m->at, size * sizeof *m->at);
        m->present = r->keeps_holes ? realloc(m->present, size) : NULL;
        expect(m->at != NULL && (m->present != NULL || !r->keeps_holes), "memory", "none");
    }
    return m->rows++;
}

/* r->now holds a row of returns or of prices. */
static void take_row(reader *r)
{
    const int n = r->market->n;
    const int row = r->are_returns || r->started ? add_row(r) : -1;
    for (int i = 0; i < n && row >= 0; i++) {
        const size_t k = (size_t)row * (size_t)n + (size_t)i;
        const bool there = r->are_returns || (r->now[i] > 0 && r->last[i] > 0);
        expect(there || r->keeps_holes, "no price of", r->market->names[i]);
        r->market->at[k] = r->are_returns ? r->scale * r->now[i]
                           : there        ? r->now[i] / r->last[i] - 1
                                          : 0;
        if (r->keeps_holes)
            r->market->present[k] = there;
    }
    memcpy(r->last, r->now, sizeof r->last);
    r->started = true;
}

static bool is_asked_for(const reader *r, const char *date)
{
    return (r->from[0] == '\0' || strcmp(date, r->from) >= 0) &&
           (r->to[0] == '\0' || strcmp(date, r->to) <= 0);
}

static void find_columns(const keel_market *m, char **heads, int count, int *column_of)
{
    for (int i = 0; i < m->n; i++) {
        column_of[i] = -1;
        for (int k = 1; k < count; k++) {
            if (strcmp(heads[k], m->names[i]) == 0)
                column_of[i] = k;
        }
        expect(column_of[i] >= 1, "no column", m->names[i]);
    }
}

static void read_wide(reader *r, char *csv)
{
    int column_of[N];
    char *fields[FIELDS], *rest = csv;
    int count = keel_csv_cut(strsep(&rest, "\n"), fields, FIELDS);
    if (r->market->n == 0) {
        for (int k = 1; k < count; k++)
            name_asset(r->market, fields[k]);
    }
    find_columns(r->market, fields, count, column_of);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        bool whole = true;
        count = keel_csv_cut(line, fields, FIELDS);
        if (!is_asked_for(r, fields[0]))
            continue;
        for (int i = 0; i < r->market->n; i++) {
            const bool there = column_of[i] < count && fields[column_of[i]][0] != '\0';
            r->now[i] = there ? strtod(fields[column_of[i]], NULL) : 0;
            whole = whole && there;
        }
        if (whole || r->keeps_holes)
            take_row(r);
    }
}

/* Lines of one date stand together. */
static void read_long(reader *r, char *csv)
{
    char date[32] = "", *fields[FIELDS], *rest = csv;
    int held = 0;
    expect(keel_csv_cut(strsep(&rest, "\n"), fields, FIELDS) >= 6 &&
               strcmp(fields[5], "close") == 0,
           "column 5 is not", "close");
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        expect(keel_csv_cut(line, fields, FIELDS) >= 6, "a short line of", fields[0]);
        const int i = keel_market_find(r->market, fields[1]);
        if (!is_asked_for(r, fields[0]))
            continue;
        if (strcmp(date, fields[0]) != 0) {
            held = 0;
            snprintf(date, sizeof date, "%s", fields[0]);
        }
        if (i < 0)
            continue;
        r->now[i] = strtod(fields[5], NULL);
        if (++held == r->market->n)
            take_row(r);
    }
}

static void read_file(keel_market *market, const json_t *inputs, bool keeps_holes)
{
    const char *prices = keel_test_text(inputs, "prices");
    const char *returns = keel_test_text(inputs, "returns");
    reader r = {.market = market,
                .from = keel_test_text(inputs, "from"),
                .to = keel_test_text(inputs, "to"),
                .scale =
                    strcmp(keel_test_text(inputs, "scale"), "returns times 100") == 0 ? 100 : 1,
                .are_returns = prices[0] == '\0',
                .keeps_holes = keeps_holes};
    const char *path = keel_test_data(r.are_returns ? returns : prices);
    size_t len, k;
    json_t *name;
    memset(market, 0, sizeof *market);
    json_array_foreach(json_object_get(inputs, "assets"), k, name)
        name_asset(market, json_string_value(name));
    expect(path != NULL, "no file", r.are_returns ? returns : prices);
    char *csv = keel_test_read(path, &len);
    if (json_object_get(inputs, "symbols") != NULL)
        read_long(&r, csv);
    else
        read_wide(&r, csv);
    free(csv);
    expect(market->rows > 0, "no whole row in", r.are_returns ? returns : prices);
    expect((int)keel_test_number(inputs, "observations", market->rows) == market->rows,
           "rows differ from the case in", r.are_returns ? returns : prices);
}

void keel_market_read(keel_market *market, const json_t *inputs)
{
    read_file(market, inputs, false);
}

void keel_market_read_holes(keel_market *market, const json_t *inputs)
{
    read_file(market, inputs, true);
}

void keel_market_fini(keel_market *market)
{
    free(market->present);
    free(market->at);
    memset(market, 0, sizeof *market);
}
