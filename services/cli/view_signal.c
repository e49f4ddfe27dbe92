#include "services/cli/format.h"
#include "services/cli/news.h"
#include "services/cli/views.h"

#include "common/base/text.h"
#include "common/domain/fixed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 512, COUNT_FROM = 10 };

static const keel_instrument *instrument_at(const keel_universe *u, int i)
{
    static const keel_instrument unknown = {.symbol = "?", .lot_units = 1};
    return i >= 0 && i < u->n ? &u->instruments[i] : &unknown;
}

static const char *qty_text(int64_t units, const keel_instrument *in, char out[KEEL_UNITS_TEXT_MAX])
{
    keel_units_format(units, in->qty_exp, 0, out);
    return out;
}

static const char *magnitude_text(int64_t units, const keel_instrument *in,
                                  char out[KEEL_UNITS_TEXT_MAX])
{
    return qty_text(units < 0 ? -units : units, in, out);
}

/* A line of a message that may hold any text: no control byte, and not wider than the terminal. */
static void print_line(const keel_cli *cli, keel_ink ink, char *line)
{
    for (char *p = line; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    size_t len = strlen(line);
    if (cli->width > 0 && len > (size_t)cli->width)
        len = (size_t)cli->width;
    while (len > 0 && ((unsigned char)line[len] & 0xC0) == 0x80)
        len--; /* not through a character */
    fprintf(cli->out, "%s%.*s%s\n", keel_ink_text(cli->out_colour, ink), (int)len, line,
            keel_ink_text(cli->out_colour, KEEL_INK_PLAIN));
}

/* "hold 0.0123, stop 93.10, target 99.20" */
static void intent_text(const keel_universe *u, const keel_intent *x, char *out, size_t cap)
{
    char qty[KEEL_UNITS_TEXT_MAX], price[KEEL_FORMAT_MAX];
    const keel_instrument *in = instrument_at(u, x->instrument);
    size_t len = 0;
    keel_text_add(out, cap, &len, "hold %s", qty_text(x->target_qty_units, in, qty));
    if (x->stop_units > 0)
        keel_text_add(out, cap, &len, ", stop %s",
                      keel_price_text(x->stop_units, in->price_exp, price));
    if (x->target_units > 0)
        keel_text_add(out, cap, &len, ", target %s",
                      keel_price_text(x->target_units, in->price_exp, price));
}

static const keel_sizing_rule *bound_rule(const keel_decision *d)
{
    for (int i = 0; i < d->sizing_n; i++)
        if (d->sizing[i].bound)
            return &d->sizing[i];
    return NULL;
}

static void outcome_text(const keel_universe *u, const keel_decision *d, char *out, size_t cap)
{
    char words[KEEL_FORMAT_MAX];
    size_t len = 0;
    const keel_sizing_rule *rule = bound_rule(d);
    out[0] = '\0';
    if (!d->accepted)
        keel_text_add(out, cap, &len, "%s%s%s", keel_reason_words(d->reason.code, words),
                      d->reason.text[0] != '\0' ? ": " : "", d->reason.text);
    else if (d->intents_n > 0)
        intent_text(u, &d->intents[0], out, cap);
    len = strlen(out);
    if (d->accepted && rule != NULL)
        keel_text_add(out, cap, &len, " (%s)", rule->name);
}

#define HEADING_FORMAT "%-16s  %-14s %-5s %-10s %-9s %s"

static void heading_text(char line[LINE_BYTES])
{
    snprintf(line, LINE_BYTES, HEADING_FORMAT, "time (UTC)", "strategy", "side", "symbol",
             "outcome", "size, or why not");
}

void keel_view_signal_heading(const keel_cli *cli)
{
    char line[LINE_BYTES];
    heading_text(line);
    print_line(cli, KEEL_INK_DIM, line);
}

static void decision_text(const keel_universe *universe, int64_t event_ns, const keel_decision *d,
                          uint64_t count, char line[2 * LINE_BYTES])
{
    char time[KEEL_FORMAT_MAX], outcome[LINE_BYTES];
    size_t len = 0;
    outcome_text(universe, d, outcome, sizeof outcome);
    keel_text_add(line, 2 * LINE_BYTES, &len, HEADING_FORMAT, keel_moment_text(event_ns, time),
                  d->strategy, keel_side_name(d->side), d->symbol,
                  d->accepted ? "accepted" : "refused", "");
    if (count >= COUNT_FROM)
        keel_text_add(line, 2 * LINE_BYTES, &len, "no. %" PRIu64 ": ", count);
    keel_text_add(line, 2 * LINE_BYTES, &len, "%s", outcome);
}

static keel_ink decision_ink(const keel_decision *d)
{
    return d->accepted ? KEEL_INK_PLAIN : KEEL_INK_DIM;
}

void keel_view_decision_line(const keel_cli *cli, const keel_universe *universe, int64_t event_ns,
                             const keel_decision *d, uint64_t count)
{
    char line[2 * LINE_BYTES];
    decision_text(universe, event_ns, d, count, line);
    print_line(cli, decision_ink(d), line);
}

void keel_view_decision_row_heading(const keel_cli *cli)
{
    char rest[LINE_BYTES], line[LINE_BYTES + 64];
    heading_text(rest);
    snprintf(line, sizeof line, "%8s  %-20s  %s", "decision", "signal", rest);
    print_line(cli, KEEL_INK_DIM, line);
}

void keel_view_decision_row(const keel_cli *cli, const keel_universe *universe,
                            const keel_decision_row *row)
{
    const keel_decision *d = &row->decision;
    char rest[2 * LINE_BYTES], line[2 * LINE_BYTES + 128];
    decision_text(universe, row->event_ns, d, 0, rest);
    snprintf(line, sizeof line, "%8" PRIu64 "  %-20s  %s", d->decision_seq, d->signal_id, rest);
    print_line(cli, decision_ink(d), line);
}

/* "filled", "stopped": what this part of a fill is to its book. */
static const char *fill_word(keel_reason_code code)
{
    if (code == KEEL_REASON_TRIGGER)
        return "triggered";
    return code == KEEL_REASON_PORTFOLIO_STOP ? "stopped" : "filled";
}

void keel_view_fill_line(const keel_cli *cli, const keel_universe *universe, const keel_fill *fill,
                         uint64_t count)
{
    char time[KEEL_FORMAT_MAX], price[KEEL_FORMAT_MAX], fee[KEEL_FORMAT_MAX],
        qty[KEEL_UNITS_TEXT_MAX], line[2 * LINE_BYTES];
    const keel_instrument *in = instrument_at(universe, fill->instrument);
    const keel_book_fill *part = NULL;
    int others = 0;
    size_t len = 0;
    for (int i = 0; i < fill->books_n; i++) {
        if (part == NULL && keel_book_is_strategy(fill->books[i].book))
            part = &fill->books[i];
        else
            others += strcmp(fill->books[i].book, "netting") != 0;
    }
    if (part == NULL)
        return;
    keel_text_add(line, sizeof line, &len, "%-16s  %-14s %-5s %-10s %-9s ",
                  keel_moment_text(fill->fill_ns, time), part->book,
                  part->qty_units < 0 ? "sell" : "buy", in->symbol, fill_word(fill->reason.code));
    if (count >= COUNT_FROM)
        keel_text_add(line, sizeof line, &len, "no. %" PRIu64 ": ", count);
    keel_text_add(line, sizeof line, &len, "%s at %s, fee %s",
                  magnitude_text(part->qty_units, in, qty),
                  keel_price_text(fill->price_units, in->price_exp, price),
                  keel_money_text(part->fee_micros, fee));
    if (part->closed_version > 0)
        keel_text_add(line, sizeof line, &len, ", decision %" PRIu64, part->closed_version);
    if (others > 0)
        keel_text_add(line, sizeof line, &len, ", netted with %d other book%s", others,
                      others > 1 ? "s" : "");
    print_line(cli, KEEL_INK_PLAIN, line);
}

static void view_sizing(const keel_cli *cli, const keel_universe *universe, const keel_decision *d)
{
    char qty[KEEL_UNITS_TEXT_MAX];
    const int at = keel_universe_find(universe, d->symbol);
    const keel_instrument *in = instrument_at(universe, at);
    if (d->sizing_n == 0)
        return;
    keel_table_title(cli, "Sizing rules");
    keel_table *t = keel_table_new("rule|>value|>allows|");
    for (int i = 0; i < d->sizing_n; i++) {
        const keel_sizing_rule *r = &d->sizing[i];
        const keel_ink ink = r->bound ? KEEL_INK_BOLD : KEEL_INK_PLAIN;
        keel_table_cell(t, ink, "%s", r->name);
        keel_table_cell(t, ink, "%.6g", r->value);
        keel_table_cell(t, ink, "%s", at >= 0 ? qty_text(r->qty_units, in, qty) : "-");
        keel_table_cell(t, ink, "%s",
                        !r->bound     ? ""
                        : d->accepted ? "sets the size"
                                      : "leaves nothing");
    }
    keel_table_print(t, cli);
    keel_table_free(&t);
}

static void pair(keel_table *t, const char *name, const char *value)
{
    keel_table_cell(t, KEEL_INK_DIM, "%s", name);
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", value);
}

void keel_view_decision(const keel_cli *cli, const keel_universe *universe, int64_t event_ns,
                        const keel_decision *d)
{
    char text[LINE_BYTES], words[KEEL_FORMAT_MAX];
    keel_table_title(cli, "Decision %" PRIu64 " about %s of %s", d->decision_seq,
                     d->signal_id[0] != '\0' ? d->signal_id : "(no id)", d->strategy);
    keel_table *t = keel_table_new("|");
    snprintf(text, sizeof text, "%s %s", keel_side_name(d->side), d->symbol);
    pair(t, "signal", d->symbol[0] != '\0' ? text : "(unreadable)");
    snprintf(text, sizeof text, "%" PRIu64 " of epoch %" PRId64, d->seq, d->epoch_ns);
    pair(t, "number", text);
    pair(t, "decided", keel_moment_text(event_ns, words));
    keel_reason_words(d->reason.code, words);
    snprintf(text, sizeof text, "%s%s%s%s", d->accepted ? "" : "refused: ", words,
             d->reason.text[0] != '\0' ? ": " : "", d->reason.text);
    pair(t, "outcome", text);
    if (d->duplicate_of > 0) {
        snprintf(text, sizeof text, "decision %" PRIu64 " said what holds", d->duplicate_of);
        pair(t, "repeats", text);
    }
    if (d->priority != KEEL_PRIORITY_UNSPECIFIED) {
        snprintf(text, sizeof text, "%s%s%s", keel_priority_name(d->priority),
                 d->priority_reason.text[0] != '\0' ? ": " : "", d->priority_reason.text);
        pair(t, "priority", text);
    }
    for (int i = 0; i < d->intents_n; i++) {
        intent_text(universe, &d->intents[i], text, sizeof text);
        pair(t, "intent", text);
    }
    keel_table_print(t, cli);
    keel_table_free(&t);
    view_sizing(cli, universe, d);
}

static void fill_row(keel_table *t, const keel_instrument *in, const keel_trace_fill *f)
{
    char text[KEEL_FORMAT_MAX], qty[KEEL_UNITS_TEXT_MAX];
    keel_table_cell(t, KEEL_INK_DIM, "%s", keel_moment_text(f->fill_ns, text));
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", f->qty_units < 0 ? "sell" : "buy");
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", magnitude_text(f->qty_units, in, qty));
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_price_text(f->price_units, in->price_exp, text));
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", qty_text(f->held_units, in, qty));
    keel_table_cell(t, KEEL_INK_PLAIN, "%s",
                    keel_money_text(f->fee_micros + f->slippage_micros, text));
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_money_text(f->realized_micros, text));
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_reason_words(f->reason.code, text));
    keel_table_cell(t, KEEL_INK_DIM, "%s", f->order_id);
}

static const char fill_columns[] =
    "time (UTC)|side|>quantity|>price|>held then|>costs|>realised|reason|order";

static void view_fills(const keel_cli *cli, const keel_instrument *in, const keel_trace *trace)
{
    const int shown = trace->fills_n < KEEL_TRACE_FILLS_MAX ? trace->fills_n : KEEL_TRACE_FILLS_MAX;
    keel_table *t = keel_table_new(fill_columns);
    keel_table_title(cli, "Fills that executed it");
    for (int i = 0; i < shown; i++)
        fill_row(t, in, &trace->fills[i]);
    keel_table_print(t, cli);
    keel_table_free(&t);
    if (trace->fills_n > shown)
        fprintf(cli->out, "  and %d more\n", trace->fills_n - shown);
}

static void view_end(const keel_cli *cli, const keel_instrument *in, const keel_trace *trace)
{
    char pnl[KEEL_FORMAT_MAX], time[KEEL_FORMAT_MAX], price[KEEL_FORMAT_MAX],
        words[KEEL_FORMAT_MAX];
    keel_money_text(trace->pnl_micros, pnl);
    if (trace->is_closed)
        fprintf(cli->out, "\n  Position closed at %s at %s (%s); P&L after fees %s\n",
                keel_moment_text(trace->close.fill_ns, time),
                keel_price_text(trace->close.price_units, in->price_exp, price),
                keel_reason_words(trace->close.reason.code, words), pnl);
    else if (trace->is_open)
        fprintf(cli->out, "\n  Position is open; realised after fees so far %s\n", pnl);
    if (trace->replaced_by > 0)
        fprintf(cli->out, "  Replaced by decision %" PRIu64 "\n", trace->replaced_by);
}

void keel_view_trace(const keel_cli *cli, const keel_universe *universe, const keel_trace *trace)
{
    const keel_instrument *in = instrument_at(universe, trace->instrument);
    for (int i = 0; i < trace->repeats_n; i++)
        fprintf(cli->out, "%s%" PRIu64, i == 0 ? "\n  sent again, decisions " : ", ",
                trace->repeats[i]);
    if (trace->repeats_n > 0)
        fputc('\n', cli->out);
    if (trace->instrument < 0)
        return;
    if (trace->fills_n > 0)
        view_fills(cli, in, trace);
    else
        fputs("\n  No fill has executed it.\n", cli->out);
    view_end(cli, in, trace);
}
