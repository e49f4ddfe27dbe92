#include "services/feed/engine/table.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/domain/fixed.h"
#include "services/feed/engine/clean.h"

#include <stdlib.h>
#include <string.h>

typedef struct builder {
    const keel_table_cfg *cfg;
    keel_complaints *complaints;
    keel_err *err;
    keel_table *t;
    int64_t shift_ns[KEEL_FEED_FILES_MAX]; /* from the time written to the close */
    uint32_t *origin;                      /* owned; rows x n: record + 1, 0 = no bar */
    int *instrument_of;                    /* owned; files_n x KEEL_UNIVERSE_MAX, -1 = not picked */
} builder;

static int compare_i64(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Ascending without repeats; returns how many are left. */
static size_t sort_unique(int64_t *times, size_t n)
{
    size_t ascending = 1, left = 0;
    while (ascending < n && times[ascending - 1] <= times[ascending])
        ascending++;
    if (ascending < n)
        qsort(times, n, sizeof *times, compare_i64);
    for (size_t i = 0; i < n; i++)
        if (left == 0 || times[i] != times[left - 1])
            times[left++] = times[i];
    return left;
}

/* Of n >= 2 ascending times. */
static int64_t commonest_difference(const int64_t *times, size_t n, uint32_t *deviations)
{
    int64_t *gaps = keel_xcalloc(n - 1, sizeof *gaps);
    int64_t best = 0;
    size_t best_count = 0, run = 0;
    for (size_t i = 1; i < n; i++)
        gaps[i - 1] = times[i] - times[i - 1];
    qsort(gaps, n - 1, sizeof *gaps, compare_i64);
    for (size_t i = 0; i + 1 < n; i++) {
        run = i > 0 && gaps[i] == gaps[i - 1] ? run + 1 : 1;
        if (run > best_count) {
            best_count = run;
            best = gaps[i];
        }
    }
    *deviations = (uint32_t)(n - 1 - best_count);
    keel_free(&gaps);
    return best;
}

int64_t keel_table_file_bar_ns(const keel_csv *file, uint32_t *deviations)
{
    int64_t *times = keel_xcalloc(file->records_n, sizeof *times);
    for (uint32_t r = 0; r < file->records_n; r++)
        times[r] = file->records[r].time_ns;
    const size_t n = sort_unique(times, file->records_n);
    KEEL_ASSERT(n >= 2); /* keel_csv_new refuses a file of one time */
    const int64_t bar_ns = commonest_difference(times, n, deviations);
    keel_free(&times);
    return bar_ns;
}

static int64_t shift_of(const keel_csv *file, keel_stamp stamp, int64_t bar_ns)
{
    if (stamp == KEEL_STAMP_OPEN)
        return bar_ns;
    if (!file->has_time)
        return KEEL_NS_PER_DAY;
    return stamp == KEEL_STAMP_CLOSE ? 0 : bar_ns;
}

/* One bar length for all files. */
static keel_status find_bar(builder *b)
{
    const keel_csv *const *files = b->cfg->files;
    char one[KEEL_TIME_TEXT_MAX], other[KEEL_TIME_TEXT_MAX];
    uint32_t deviations;
    for (int f = 0; f < b->cfg->files_n; f++) {
        const int64_t bar_ns = keel_table_file_bar_ns(files[f], &deviations);
        if (f == 0)
            b->t->bar_ns = bar_ns;
        keel_duration_format(b->t->bar_ns, one);
        keel_duration_format(bar_ns, other);
        if (bar_ns > KEEL_TABLE_BAR_NS_MAX)
            return keel_err_set(b->err, KEEL_ERANGE, "%s has bars of %s; at most a year",
                                files[f]->name, other);
        if (bar_ns != b->t->bar_ns)
            return keel_err_set(b->err, KEEL_EINVAL,
                                "%s has bars of %s, %s of %s; files of one source need one length",
                                files[0]->name, one, files[f]->name, other);
        b->shift_ns[f] = shift_of(files[f], b->cfg->stamp, bar_ns);
    }
    return KEEL_OK;
}

static void map_instruments(builder *b)
{
    const size_t n = (size_t)b->cfg->files_n * KEEL_UNIVERSE_MAX;
    b->instrument_of = keel_xcalloc(n, sizeof *b->instrument_of);
    for (size_t i = 0; i < n; i++)
        b->instrument_of[i] = -1;
    for (int i = 0; i < b->cfg->pick->n; i++) {
        const keel_pick_item *item = &b->cfg->pick->items[i];
        b->instrument_of[item->file * KEEL_UNIVERSE_MAX + item->symbol] = i;
    }
}

static int instrument_of(const builder *b, int file, int symbol)
{
    return b->instrument_of[file * KEEL_UNIVERSE_MAX + symbol];
}

/* A line of a long file counts only for a picked symbol. */
static bool is_picked(const builder *b, int file, const keel_csv_record *r)
{
    return r->symbol < 0 || instrument_of(b, file, r->symbol) >= 0;
}

static keel_status join_times(builder *b)
{
    keel_table *t = b->t;
    size_t n = 0;
    for (int f = 0; f < b->cfg->files_n; f++)
        n += b->cfg->files[f]->records_n;
    t->close_ns = keel_xcalloc(n, sizeof *t->close_ns);
    n = 0;
    for (int f = 0; f < b->cfg->files_n; f++) {
        const keel_csv *file = b->cfg->files[f];
        for (uint32_t r = 0; r < file->records_n; r++)
            if (is_picked(b, f, &file->records[r]))
                t->close_ns[n++] = file->records[r].time_ns + b->shift_ns[f];
    }
    n = sort_unique(t->close_ns, n);
    if (n < 2)
        return keel_err_set(b->err, KEEL_ENOTFOUND,
                            "the picked symbols have %zu row(s); at least two are needed", n);
    if (n * (uint64_t)t->n > KEEL_TABLE_BARS_MAX)
        return keel_err_set(b->err, KEEL_ETOOBIG, "%zu rows of %d instruments; at most %llu bars",
                            n, t->n, (unsigned long long)KEEL_TABLE_BARS_MAX);
    t->rows = (uint32_t)n;
    const int64_t joined_ns = commonest_difference(t->close_ns, n, &t->bar_deviations);
    if (joined_ns < t->bar_ns && b->cfg->files_n > 1) {
        char one[KEEL_TIME_TEXT_MAX], other[KEEL_TIME_TEXT_MAX];
        keel_duration_format(t->bar_ns, one);
        keel_duration_format(joined_ns, other);
        return keel_err_set(b->err, KEEL_EINVAL,
                            "the files' bars of %s do not close together: joined they are %s apart",
                            one, other);
    }
    return KEEL_OK;
}

/* Which of the fields a picked file has. */
static bool any_file_has(const builder *b, keel_csv_field field)
{
    for (int i = 0; i < b->t->n; i++)
        if (b->cfg->files[b->cfg->pick->items[i].file]->field_columns[field] >= 0)
            return true;
    return false;
}

static void make_room(builder *b)
{
    keel_table *t = b->t;
    const size_t bars = (size_t)t->rows * (size_t)t->n;
    t->close_units = keel_xcalloc(bars, sizeof *t->close_units);
    if (any_file_has(b, KEEL_CSV_OPEN)) {
        t->open_units = keel_xcalloc(bars, sizeof *t->open_units);
        t->high_units = keel_xcalloc(bars, sizeof *t->high_units);
        t->low_units = keel_xcalloc(bars, sizeof *t->low_units);
    }
    if (any_file_has(b, KEEL_CSV_VOLUME))
        t->volume = keel_xcalloc(bars, sizeof *t->volume);
    t->missing = keel_xcalloc(t->rows, sizeof *t->missing);
    t->missing_through = keel_xcalloc(t->rows, sizeof *t->missing_through);
    t->held_through = keel_xcalloc(t->rows, sizeof *t->held_through);
    b->origin = keel_xcalloc(bars, sizeof *b->origin);
}

static size_t row_of(const keel_table *t, int64_t close_ns)
{
    size_t low = 0, high = t->rows;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (t->close_ns[middle] <= close_ns)
            low = middle;
        else
            high = middle;
    }
    KEEL_ASSERT(t->close_ns[low] == close_ns);
    return low;
}

/* Text of a price to units: exactly, or rounded once when it has more digits than the unit. */
static keel_complaint_kind price_of(const char *text, int price_exp, int64_t *units, bool *rounded)
{
    double real;
    keel_status status = keel_units_parse(text, price_exp, units);
    *rounded = status == KEEL_ERANGE;
    if (*rounded) {
        status = keel_text_real(text, &real);
        if (status == KEEL_OK)
            status = keel_units_of_real(real, price_exp, units);
    }
    if (status == KEEL_OK && *units > 0)
        return KEEL_COMPLAINT_KINDS;
    if (status == KEEL_OK)
        return *rounded && real > 0 ? KEEL_COMPLAINT_RANGE : KEEL_COMPLAINT_NONPOSITIVE;
    if (status == KEEL_ENONFINITE)
        return KEEL_COMPLAINT_NONFINITE;
    return status == KEEL_EOVERFLOW ? KEEL_COMPLAINT_RANGE : KEEL_COMPLAINT_NUMBER;
}

typedef struct bar_place {
    int file;
    uint32_t record;
    int symbol;
    int instrument;
    size_t row;
} bar_place;

/* Read one price; false when it is refused. A blank or absent one is 0. */
static bool read_price(builder *b, const bar_place *at, keel_csv_field field, int64_t *units)
{
    const keel_csv *file = b->cfg->files[at->file];
    const char *cell = keel_csv_value(file, at->record, at->symbol, field);
    bool rounded;
    *units = 0;
    if (cell == NULL || cell[0] == '\0')
        return true;
    const int price_exp = b->cfg->universe->instruments[at->instrument].price_exp;
    const keel_complaint_kind kind = price_of(cell, price_exp, units, &rounded);
    if (kind != KEEL_COMPLAINT_KINDS) {
        keel_csv_complain(file, at->record, cell, kind, b->complaints);
        return false;
    }
    b->complaints->rounded += rounded;
    return true;
}

static bool read_volume(builder *b, const bar_place *at, double *volume)
{
    const keel_csv *file = b->cfg->files[at->file];
    const char *cell = keel_csv_value(file, at->record, at->symbol, KEEL_CSV_VOLUME);
    *volume = 0;
    if (cell == NULL || cell[0] == '\0')
        return true;
    if (keel_text_real(cell, volume) == KEEL_OK && *volume >= 0)
        return true;
    keel_csv_complain(file, at->record, cell, KEEL_COMPLAINT_VOLUME, b->complaints);
    return false;
}

/* Read a bar into its place; it stays missing when any part of it is refused. */
static void read_bar(builder *b, const bar_place *at)
{
    keel_table *t = b->t;
    keel_bar bar;
    double volume;
    if (!read_price(b, at, KEEL_CSV_CLOSE, &bar.close_units) || bar.close_units == 0)
        return;
    if (!read_price(b, at, KEEL_CSV_OPEN, &bar.open_units) ||
        !read_price(b, at, KEEL_CSV_HIGH, &bar.high_units) ||
        !read_price(b, at, KEEL_CSV_LOW, &bar.low_units) || !read_volume(b, at, &volume))
        return;
    const size_t k = at->row * (size_t)t->n + (size_t)at->instrument;
    const bool closes_only = bar.open_units == 0 && bar.high_units == 0 && bar.low_units == 0;
    if (closes_only)
        bar.open_units = bar.high_units = bar.low_units = bar.close_units;
    t->close_units[k] = bar.close_units;
    if (t->open_units != NULL) {
        t->open_units[k] = bar.open_units;
        t->high_units[k] = bar.high_units;
        t->low_units[k] = bar.low_units;
    }
    if (t->volume != NULL)
        t->volume[k] = volume;
    b->origin[k] = at->record + 1;
}

static void read_file(builder *b, int f)
{
    const keel_csv *file = b->cfg->files[f];
    for (uint32_t r = 0; r < file->records_n; r++) {
        const keel_csv_record *record = &file->records[r];
        if (!is_picked(b, f, record))
            continue;
        bar_place at = {f, r, 0, 0, row_of(b->t, record->time_ns + b->shift_ns[f])};
        const int from = record->symbol < 0 ? 0 : record->symbol;
        const int to = record->symbol < 0 ? file->symbols_n : record->symbol + 1;
        for (at.symbol = from; at.symbol < to; at.symbol++) {
            at.instrument = instrument_of(b, f, at.symbol);
            if (at.instrument >= 0)
                read_bar(b, &at);
        }
    }
}

static void drop_bar(keel_table *t, size_t k)
{
    t->close_units[k] = 0;
    if (t->open_units != NULL)
        t->open_units[k] = t->high_units[k] = t->low_units[k] = 0;
    if (t->volume != NULL)
        t->volume[k] = 0;
}

/* Which price of a held bar a complaint names: the first that jumps. */
static keel_csv_field jumping_field(const keel_bar *bar, int64_t accepted_units)
{
    if (bar->high_units == 0 || keel_clean_is_jump(bar->close_units, accepted_units))
        return KEEL_CSV_CLOSE;
    return keel_clean_is_jump(bar->high_units, accepted_units) ? KEEL_CSV_HIGH : KEEL_CSV_LOW;
}

static void judge_bar(builder *b, keel_clean *clean, size_t row, int i)
{
    keel_table *t = b->t;
    const size_t k = row * (size_t)t->n + (size_t)i;
    keel_bar bar = {.close_units = t->close_units[k]};
    if (t->open_units != NULL)
        bar = (keel_bar){t->open_units[k], t->high_units[k], t->low_units[k], t->close_units[k]};
    const int64_t accepted_units = keel_clean_accepted_units(clean, i);
    const keel_verdict verdict = keel_clean_on_bar(clean, i, &bar);
    if (verdict == KEEL_VERDICT_ACCEPTED)
        return;
    const keel_pick_item *item = &b->cfg->pick->items[i];
    const keel_csv *file = b->cfg->files[item->file];
    const uint32_t record = b->origin[k] - 1;
    const bool held = verdict == KEEL_VERDICT_HELD;
    const keel_csv_field field = held ? jumping_field(&bar, accepted_units) : KEEL_CSV_CLOSE;
    const char *cell = keel_csv_value(file, record, item->symbol, field);
    keel_csv_complain(file, record, cell, held ? KEEL_COMPLAINT_JUMP : KEEL_COMPLAINT_SHAPE,
                      b->complaints);
    t->held_of[i] += held;
    drop_bar(t, k);
}

static void move_row(keel_table *t, size_t from, size_t to)
{
    const size_t n = (size_t)t->n;
    int64_t *const prices[] = {t->close_units, t->open_units, t->high_units, t->low_units};
    t->close_ns[to] = t->close_ns[from];
    for (size_t p = 0; p < sizeof prices / sizeof prices[0]; p++)
        if (prices[p] != NULL)
            memmove(prices[p] + to * n, prices[p] + from * n, n * sizeof *prices[p]);
    if (t->volume != NULL)
        memmove(t->volume + to * n, t->volume + from * n, n * sizeof *t->volume);
}

/* Judge every bar in time order and close the gaps that empty rows leave. */
static void clean_rows(builder *b)
{
    keel_table *t = b->t;
    keel_clean *clean = keel_clean_new(t->n);
    uint32_t left = 0;
    uint64_t missing_through = 0;
    const uint64_t held_before = b->complaints->held;
    for (uint32_t row = 0; row < t->rows; row++) {
        const size_t first = (size_t)row * (size_t)t->n;
        uint32_t missing = 0;
        for (int i = 0; i < t->n; i++) {
            if (t->close_units[first + (size_t)i] != 0)
                judge_bar(b, clean, row, i);
            missing += t->close_units[first + (size_t)i] == 0;
        }
        if (missing == (uint32_t)t->n)
            continue;
        if (left != row)
            move_row(t, row, left);
        missing_through += missing;
        t->missing[left] = missing;
        t->missing_through[left] = missing_through;
        t->held_through[left] = b->complaints->held - held_before;
        left++;
    }
    t->rows_empty = t->rows - left;
    t->rows = left;
    for (size_t k = 0; k < (size_t)left * (size_t)t->n; k++)
        t->missing_of[k % (size_t)t->n] += t->close_units[k] == 0;
    keel_clean_free(&clean);
}

static keel_status build(builder *b)
{
    map_instruments(b);
    KEEL_TRY(find_bar(b));
    KEEL_TRY(join_times(b));
    make_room(b);
    for (int f = 0; f < b->cfg->files_n; f++)
        read_file(b, f);
    clean_rows(b);
    if (b->t->rows < 2)
        return keel_err_set(b->err, KEEL_ENOTFOUND,
                            "%s: %u row(s) hold a usable price (%llu refused, %llu held back); at "
                            "least two are needed",
                            b->cfg->files[0]->name, b->t->rows,
                            (unsigned long long)b->complaints->refused,
                            (unsigned long long)b->complaints->held);
    return KEEL_OK;
}

keel_table *keel_table_new(const keel_table_cfg *cfg, keel_complaints *complaints, keel_err *err)
{
    KEEL_ASSERT(cfg->files_n >= 1 && cfg->files_n <= KEEL_FEED_FILES_MAX);
    KEEL_ASSERT(cfg->pick->n == cfg->universe->n);
    keel_table *t = keel_xcalloc(1, sizeof *t);
    builder b = {.cfg = cfg, .complaints = complaints, .err = err, .t = t};
    t->n = cfg->universe->n;
    t->universe_hash = cfg->universe->hash;
    if (build(&b) != KEEL_OK)
        keel_table_free(&t);
    keel_free(&b.origin);
    keel_free(&b.instrument_of);
    return t;
}

void keel_table_free(keel_table **table)
{
    keel_table *t = *table;
    if (t == NULL)
        return;
    keel_free(&t->close_ns);
    keel_free(&t->close_units);
    keel_free(&t->open_units);
    keel_free(&t->high_units);
    keel_free(&t->low_units);
    keel_free(&t->volume);
    keel_free(&t->missing);
    keel_free(&t->missing_through);
    keel_free(&t->held_through);
    keel_free(table);
}
