#include "services/feed/report.h"

#include "common/base/timefmt.h"

#include <inttypes.h>
#include <jansson.h>

static const char *format_name(keel_csv_format format)
{
    return format == KEEL_CSV_WIDE ? "wide" : "long";
}

static const char *session_name(keel_session session)
{
    return session == KEEL_SESSION_WEEKDAYS ? "weekdays" : "continuous";
}

static void text_files(const keel_inspection *in, FILE *to)
{
    for (int f = 0; f < in->files_n; f++) {
        const keel_inspected_file *file = &in->files[f];
        fprintf(to, "%s: %s format, %s, %d symbols, %u lines, %u refused\n", file->name,
                format_name(file->format), file->has_time ? "times of day" : "dates", file->symbols,
                file->lines, file->refused);
    }
}

static void text_rows(const keel_inspection *in, FILE *to)
{
    char first[KEEL_TIME_TEXT_MAX], last[KEEL_TIME_TEXT_MAX], bar[KEEL_TIME_TEXT_MAX];
    keel_time_format(in->first_ns, first);
    keel_time_format(in->last_ns, last);
    keel_duration_format(in->bar_ns, bar);
    fprintf(to, "\nrows             %u, closing %s to %s\n", in->rows, first, last);
    fprintf(to, "bar              %s, the commonest difference; %u differences deviate\n", bar,
            in->bar_deviations);
    fprintf(to, "prices           %s, %s\n", in->has_ohlc ? "open high low close" : "close",
            in->has_volume ? "volume" : "no volume");
    fprintf(to, "missing bars     %" PRIu64 "\n", in->missing);
    fprintf(to, "rows without any %u\n", in->rows_empty);
    fprintf(to, "refused          %" PRIu64 " lines or values\n", in->complaints.refused);
    fprintf(to, "held back        %" PRIu64 " bars, x10 from the last price\n",
            in->complaints.held);
    fprintf(to, "rounded          %" PRIu64 " prices, more digits than their unit\n",
            in->complaints.rounded);
}

static void text_complaints(const keel_complaint *first, int n, uint64_t all, const char *title,
                            FILE *to)
{
    char line[KEEL_COMPLAINT_TEXT_MAX];
    if (n == 0)
        return;
    fprintf(to, "\n%s (%d of %" PRIu64 ")\n", title, n, all);
    for (int i = 0; i < n; i++) {
        keel_complaint_format(&first[i], line);
        fprintf(to, "  %s\n", line);
    }
}

static void text_symbols(const keel_inspection *in, FILE *to)
{
    char first[KEEL_TIME_TEXT_MAX], last[KEEL_TIME_TEXT_MAX];
    fprintf(to, "\n%-16s %9s %9s  %-20s %-20s\n", "symbol", "missing", "held", "first", "last");
    for (int i = 0; i < in->universe.n; i++) {
        const keel_inspected_symbol *s = &in->symbols[i];
        keel_time_format(s->first_ns, first);
        keel_time_format(s->last_ns, last);
        fprintf(to, "%-16s %9u %9u  %-20s %-20s\n", in->universe.instruments[i].symbol, s->missing,
                s->held, first, last);
    }
}

static void text_universe(const keel_inspection *in, FILE *to)
{
    char bar[KEEL_TIME_TEXT_MAX];
    keel_duration_format(in->bar_ns, bar);
    fprintf(to, "\n# suggested configuration\nuniverse:\n  name: %s\n  bar: %s\n  currency: %s\n",
            in->universe.id, bar, in->universe.instruments[0].currency);
    fprintf(to, "  instruments:\n");
    for (int i = 0; i < in->universe.n; i++) {
        const keel_instrument *it = &in->universe.instruments[i];
        fprintf(to, "    - {symbol: \"%s\", price_exp: %d, qty_exp: %d, session: %s}\n", it->symbol,
                it->price_exp, it->qty_exp, session_name(it->session));
    }
}

void keel_feed_report_text(const keel_inspection *in, FILE *to)
{
    text_files(in, to);
    text_rows(in, to);
    text_symbols(in, to);
    text_complaints(in->complaints.refused_first, in->complaints.refused_n, in->complaints.refused,
                    "refused", to);
    text_complaints(in->complaints.held_first, in->complaints.held_n, in->complaints.held,
                    "held back", to);
    text_universe(in, to);
}

static json_t *json_of_time(int64_t ns)
{
    char text[KEEL_TIME_TEXT_MAX];
    keel_time_format(ns, text);
    return json_string(text);
}

/* File names and values may hold any bytes; what is not UTF-8 is shown as "?". */
static json_t *json_of_text(const char *text)
{
    json_t *value = json_string(text);
    return value != NULL ? value : json_string("?");
}

static json_t *json_of_files(const keel_inspection *in)
{
    json_t *list = json_array();
    for (int f = 0; f < in->files_n; f++) {
        const keel_inspected_file *file = &in->files[f];
        json_array_append_new(list,
                              json_pack("{so ss sb si si si}", "name", json_of_text(file->name),
                                        "format", format_name(file->format), "has_time",
                                        file->has_time, "lines", (int)file->lines, "lines_refused",
                                        (int)file->refused, "symbols", file->symbols));
    }
    return list;
}

static json_t *json_of_complaints(const keel_complaint *first, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list,
                              json_pack("{so si si ss ss so}", "file", json_of_text(first[i].file),
                                        "line", (int)first[i].line, "column", (int)first[i].column,
                                        "kind", keel_complaint_word(first[i].kind), "reason",
                                        keel_complaint_reason(first[i].kind), "value",
                                        json_of_text(first[i].value)));
    return list;
}

static json_t *json_of_instruments(const keel_inspection *in)
{
    json_t *list = json_array();
    for (int i = 0; i < in->universe.n; i++) {
        const keel_instrument *it = &in->universe.instruments[i];
        const keel_inspected_symbol *s = &in->symbols[i];
        json_t *one = json_pack("{ss ss si si ss}", "symbol", it->symbol, "currency", it->currency,
                                "price_exp", it->price_exp, "qty_exp", it->qty_exp, "session",
                                session_name(it->session));
        json_object_set_new(one, "missing", json_integer(s->missing));
        json_object_set_new(one, "held", json_integer(s->held));
        json_object_set_new(one, "first", json_of_time(s->first_ns));
        json_object_set_new(one, "last", json_of_time(s->last_ns));
        json_array_append_new(list, one);
    }
    return list;
}

void keel_feed_report_json(const keel_inspection *in, FILE *to)
{
    const keel_complaints *c = &in->complaints;
    char bar[KEEL_TIME_TEXT_MAX];
    keel_duration_format(in->bar_ns, bar);
    json_t *all = json_object();
    json_object_set_new(all, "files", json_of_files(in));
    json_object_set_new(all, "rows", json_integer(in->rows));
    json_object_set_new(all, "rows_empty", json_integer(in->rows_empty));
    json_object_set_new(all, "first", json_of_time(in->first_ns));
    json_object_set_new(all, "first_ns", json_integer(in->first_ns));
    json_object_set_new(all, "last", json_of_time(in->last_ns));
    json_object_set_new(all, "last_ns", json_integer(in->last_ns));
    json_object_set_new(all, "bar", json_string(bar));
    json_object_set_new(all, "bar_ns", json_integer(in->bar_ns));
    json_object_set_new(all, "bar_deviations", json_integer(in->bar_deviations));
    json_object_set_new(all, "has_ohlc", json_boolean(in->has_ohlc));
    json_object_set_new(all, "has_volume", json_boolean(in->has_volume));
    json_object_set_new(all, "bars_missing", json_integer((json_int_t)in->missing));
    json_object_set_new(all, "bars_refused", json_integer((json_int_t)c->refused));
    json_object_set_new(all, "bars_quarantined", json_integer((json_int_t)c->held));
    json_object_set_new(all, "prices_rounded", json_integer((json_int_t)c->rounded));
    json_object_set_new(all, "refused", json_of_complaints(c->refused_first, c->refused_n));
    json_object_set_new(all, "quarantined", json_of_complaints(c->held_first, c->held_n));
    json_object_set_new(all, "universe", json_string(in->universe.id));
    json_object_set_new(all, "instruments", json_of_instruments(in));
    json_dumpf(all, to, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', to);
    json_decref(all);
}
