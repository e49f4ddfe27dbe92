#include "services/feed/engine/inspect.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/domain/fixed.h"

#include <math.h>
#include <string.h>

enum { SESSION_DAYS_MIN = 7 };

/* Digits after the point of "12.340" (2), "5e-3" (3), "1200" (0). */
static int decimals_of(const char *text)
{
    int after = 0, needed = 0;
    bool point = false;
    int64_t exponent = 0;
    const char *at = text;
    for (; *at != '\0' && *at != 'e' && *at != 'E'; at++) {
        after += point && *at != '.';
        point |= *at == '.';
        if (*at != '0' && *at != '.')
            needed = after;
    }
    if (*at != '\0') {
        at += at[1] == '+' ? 2 : 1;
        if (keel_text_i64(at, &exponent) != KEEL_OK || exponent < -64 || exponent > 64)
            return 0; /* will be refused or rounded */
    }
    return needed > exponent ? needed - (int)exponent : 0;
}

static void widen(const char *cell, int *decimals, double *largest)
{
    double value;
    if (cell == NULL || keel_text_real(cell, &value) != KEEL_OK || value <= 0)
        return;
    const int d = decimals_of(cell);
    *decimals = d > *decimals ? d : *decimals;
    *largest = fmax(*largest, value);
}

static int price_exp_of(const keel_csv *file, int symbol)
{
    int decimals = KEEL_INSPECT_EXP_MIN;
    double largest = 0;
    for (uint32_t r = 0; r < file->records_n; r++) {
        const int of = file->records[r].symbol;
        if (of >= 0 && of != symbol)
            continue;
        for (int f = KEEL_CSV_OPEN; f <= KEEL_CSV_CLOSE; f++)
            widen(keel_csv_value(file, r, symbol, (keel_csv_field)f), &decimals, &largest);
    }
    int price_exp = decimals < KEEL_EXP_MAX ? decimals : KEEL_EXP_MAX;
    const double room = 9.2e18 / KEEL_INSPECT_GROWTH;
    while (price_exp > 0 && largest * (double)keel_pow10(price_exp) > room)
        price_exp--;
    return price_exp;
}

keel_status keel_inspect_universe(const keel_csv *const *files, const keel_pick *pick,
                                  const char *currency, keel_universe *universe, keel_err *err)
{
    keel_universe *u = keel_xcalloc(1, sizeof *u);
    keel_status status = keel_text_copy(u->id, sizeof u->id, "main");
    u->n = pick->n;
    for (int i = 0; i < pick->n && status == KEEL_OK; i++) {
        const keel_pick_item *item = &pick->items[i];
        keel_instrument *it = &u->instruments[i];
        it->price_exp = price_exp_of(files[item->file], item->symbol);
        it->qty_exp = KEEL_EXP_DEFAULT;
        it->lot_units = 1;
        it->session = KEEL_SESSION_CONTINUOUS;
        status = keel_text_copy(it->symbol, sizeof it->symbol, item->name);
        if (status == KEEL_OK)
            status = keel_text_copy(it->currency, sizeof it->currency, currency);
    }
    if (status == KEEL_OK)
        status = keel_universe_seal(u, err);
    else
        keel_err_set(err, status, "a symbol or the currency '%.20s' is too long", currency);
    if (status == KEEL_OK)
        *universe = *u;
    keel_free(&u);
    return status;
}

static void describe_file(const keel_csv *file, keel_inspected_file *to)
{
    memcpy(to->name, file->name, sizeof to->name);
    to->format = file->format;
    to->has_time = file->has_time;
    to->lines = file->records_n;
    to->refused = file->refused_n;
    to->symbols = file->symbols_n;
}

/* One pass over the bars of symbol i: its span, and whether a weekend is among them. */
static void describe_symbol(const keel_table *t, int i, keel_inspection *in)
{
    keel_inspected_symbol *symbol = &in->symbols[i];
    bool weekend = false;
    symbol->missing = t->missing_of[i];
    symbol->held = t->held_of[i];
    for (size_t k = 0; k < t->rows; k++) {
        if (t->close_units[k * (size_t)t->n + (size_t)i] == 0)
            continue;
        if (symbol->first_ns == 0)
            symbol->first_ns = t->close_ns[k];
        symbol->last_ns = t->close_ns[k];
        weekend |= keel_time_weekday(t->close_ns[k] - t->bar_ns) >= 5;
    }
    if (!weekend && t->bar_ns <= KEEL_NS_PER_DAY &&
        symbol->last_ns - symbol->first_ns >= SESSION_DAYS_MIN * KEEL_NS_PER_DAY)
        in->universe.instruments[i].session = KEEL_SESSION_WEEKDAYS;
}

static void describe_table(const keel_table *t, const keel_pick *pick, keel_inspection *in)
{
    in->rows = t->rows;
    in->rows_empty = t->rows_empty;
    in->first_ns = t->close_ns[0];
    in->last_ns = t->close_ns[t->rows - 1];
    in->bar_ns = t->bar_ns;
    in->bar_deviations = t->bar_deviations;
    in->has_ohlc = t->open_units != NULL;
    in->has_volume = t->volume != NULL;
    in->missing = t->missing_through[t->rows - 1];
    for (int i = 0; i < t->n; i++) {
        in->symbols[i].file = pick->items[i].file;
        describe_symbol(t, i, in);
    }
}

static keel_status inspect(const keel_csv *const *files, int files_n,
                           const keel_feed_choice *choice, keel_pick *pick, keel_inspection *in,
                           keel_err *err)
{
    const keel_table_cfg cfg = {files, files_n, pick, &in->universe, choice->stamp};
    keel_table *table = keel_table_new(&cfg, &in->complaints, err);
    if (table == NULL)
        return KEEL_EINVAL;
    describe_table(table, pick, in);
    keel_table_free(&table);
    return keel_universe_seal(&in->universe, err); /* again: with the sessions */
}

keel_inspection *keel_inspect_new(const keel_csv *const *files, int files_n,
                                  const keel_feed_choice *choice, const keel_complaints *read,
                                  const char *currency, keel_err *err)
{
    keel_inspection *in = keel_xcalloc(1, sizeof *in);
    keel_pick *pick = keel_xcalloc(1, sizeof *pick);
    in->complaints = *read;
    in->files_n = files_n;
    for (int f = 0; f < files_n; f++)
        describe_file(files[f], &in->files[f]);
    keel_status status = keel_pick_make(files, files_n, choice, pick, err);
    if (status == KEEL_OK)
        status = keel_inspect_universe(files, pick, currency, &in->universe, err);
    if (status == KEEL_OK)
        status = inspect(files, files_n, choice, pick, in, err);
    keel_free(&pick);
    if (status != KEEL_OK)
        keel_inspect_free(&in);
    return in;
}

void keel_inspect_free(keel_inspection **inspection)
{
    keel_free(inspection);
}
