#include "services/cli/format.h"
#include "services/cli/views.h"

#include "common/base/text.h"
#include "common/domain/fixed.h"

#include <inttypes.h>
#include <string.h>

enum { LINE_BYTES = 320, REASONS_SHOWN = 3 };

static keel_ink ink_of(int64_t micros)
{
    return micros < 0 ? KEEL_INK_RED : KEEL_INK_PLAIN;
}

int64_t keel_book_pnl_micros(const keel_book *book)
{
    return book->realized_micros + book->unrealized_micros - book->fees_micros;
}

static const keel_scoped_mode *own_mode(const keel_trading_state *trading, const char *strategy)
{
    for (int i = 0; i < trading->strategies_n; i++)
        if (strcmp(trading->strategies[i].name, strategy) == 0)
            return &trading->strategies[i];
    return NULL;
}

const keel_reason *keel_strategy_mode_reason(const keel_trading_state *trading,
                                             const char *strategy)
{
    const keel_scoped_mode *own = own_mode(trading, strategy);
    const keel_trading_mode mode = keel_trading_mode_of(trading, strategy, NULL);
    if (mode == KEEL_TRADING_ACTIVE)
        return NULL;
    return own != NULL && own->mode == mode ? &own->reason : &trading->reason;
}

static uint64_t accepted_of(const keel_strategy_status *s)
{
    for (int i = 0; i < s->dispositions_n; i++)
        if (s->dispositions[i].code == KEEL_REASON_ACCEPTED)
            return s->dispositions[i].count;
    return 0;
}

/* The most frequent refusal that is not in `taken` yet; -1 when there is none. */
static int most_frequent(const keel_strategy_status *s, const bool *taken)
{
    int best = -1;
    for (int i = 0; i < s->dispositions_n; i++) {
        const keel_disposition_count *d = &s->dispositions[i];
        if (taken[i] || d->code == KEEL_REASON_ACCEPTED || d->count == 0)
            continue;
        if (best < 0 || d->count > s->dispositions[best].count)
            best = i;
    }
    return best;
}

void keel_refusals_text(const keel_strategy_status *s, int most, char *out, size_t cap)
{
    enum { CODES_MAX = 256 };
    bool taken[CODES_MAX] = {false};
    char words[KEEL_FORMAT_MAX];
    uint64_t rest = s->decided - accepted_of(s);
    size_t len = 0;
    out[0] = '\0';
    for (int shown = 0; shown < most && s->dispositions_n <= CODES_MAX; shown++) {
        const int at = most_frequent(s, taken);
        if (at < 0)
            break;
        taken[at] = true;
        rest -= s->dispositions[at].count;
        keel_text_add(out, cap, &len, "%s%s %" PRIu64, shown > 0 ? ", " : "",
                      keel_reason_words(s->dispositions[at].code, words),
                      s->dispositions[at].count);
    }
    if (rest > 0)
        keel_text_add(out, cap, &len, "%s%" PRIu64 " other%s", len > 0 ? ", " : "", rest,
                      rest > 1 ? "s" : "");
}

static const keel_attribution_line *line_of(const keel_attribution *a, const char *name)
{
    for (int i = 0; a != NULL && i < a->lines_n; i++)
        if (strcmp(a->lines[i].name, name) == 0)
            return &a->lines[i];
    return NULL;
}

static void count_cell(keel_table *t, uint64_t n)
{
    keel_table_cell(t, KEEL_INK_PLAIN, "%" PRIu64, n);
}

static void money_cells(keel_table *t, const keel_attribution_line *l)
{
    char text[KEEL_FORMAT_MAX];
    if (l == NULL) {
        for (int i = 0; i < 3; i++)
            keel_table_cell(t, KEEL_INK_DIM, "-");
        return;
    }
    keel_table_cell(t, ink_of(l->pnl_micros), "%s", keel_money_text(l->pnl_micros, text));
    keel_table_cell(t, KEEL_INK_PLAIN, "%s",
                    l->closing_trades > 0 ? keel_percent_text(l->win_rate_frac, 1, text) : "-");
    keel_table_cell(t, KEEL_INK_PLAIN, "%s",
                    keel_money_text(l->fees_micros + l->slippage_micros, text));
}

void keel_view_strategy_results(const keel_cli *cli, const keel_strategy_report *report,
                                const keel_attribution *by_strategy)
{
    char text[LINE_BYTES], money[KEEL_FORMAT_MAX];
    keel_table *t = keel_table_new("strategy|>share|>received|>accepted|>executed|>refused|>P&L|"
                                   ">win rate|>costs|refused for");
    keel_table_title(cli, "Per-strategy results");
    for (int i = 0; i < report->strategies_n; i++) {
        const keel_strategy_status *s = &report->strategies[i];
        const uint64_t accepted = accepted_of(s);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", s->strategy);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(s->share_frac, 1, money));
        count_cell(t, s->received);
        count_cell(t, accepted);
        count_cell(t, s->executed);
        count_cell(t, s->decided - accepted);
        money_cells(t, line_of(by_strategy, s->strategy));
        keel_refusals_text(s, REASONS_SHOWN, text, sizeof text);
        keel_table_cell(t, KEEL_INK_DIM, "%s", text);
    }
    keel_table_print(t, cli);
    keel_table_free(&t);
    const keel_attribution_line *netting = line_of(by_strategy, "netting");
    if (netting != NULL)
        fprintf(cli->out, "\n  netting saved %s: orders of books that met each other inside\n",
                keel_money_text(netting->pnl_micros, money));
}

/* ---- one run's strategies as they are now ---- */

static keel_trading_mode mode_of(const keel_strategy_view *v)
{
    return keel_trading_mode_of(v->trading, v->status->strategy, NULL);
}

static int positions_of(const keel_book *book)
{
    int n = 0;
    for (int i = 0; book != NULL && i < book->positions_n; i++)
        n += book->positions[i].qty_units != 0;
    return n;
}

static keel_ink mode_ink(keel_trading_mode mode)
{
    return mode == KEEL_TRADING_ACTIVE     ? KEEL_INK_GREEN
           : mode == KEEL_TRADING_REDUCING ? KEEL_INK_YELLOW
                                           : KEEL_INK_RED;
}

void keel_view_strategies(const keel_cli *cli, const keel_strategy_view *views, int n)
{
    char text[KEEL_FORMAT_MAX];
    keel_table *t = keel_table_new("strategy|mode|>share|>equity|>P&L|>received|>decided|>pending|"
                                   ">accepted|>executed|>active|>positions");
    for (int i = 0; i < n; i++) {
        const keel_strategy_view *v = &views[i];
        const keel_strategy_status *s = v->status;
        const int64_t pnl = v->book != NULL ? keel_book_pnl_micros(v->book) : 0;
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", s->strategy);
        keel_table_cell(t, s->active ? mode_ink(mode_of(v)) : KEEL_INK_DIM, "%s",
                        s->active ? keel_trading_mode_name(mode_of(v)) : "INACTIVE");
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(s->share_frac, 1, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s",
                        v->book != NULL ? keel_money_text(v->book->equity_micros, text) : "-");
        keel_table_cell(t, ink_of(pnl), "%s", v->book != NULL ? keel_money_text(pnl, text) : "-");
        count_cell(t, s->received);
        count_cell(t, s->decided);
        count_cell(t, s->pending);
        count_cell(t, accepted_of(s));
        count_cell(t, s->executed);
        count_cell(t, s->active_signals);
        count_cell(t, (uint64_t)positions_of(v->book));
    }
    keel_table_print(t, cli);
    keel_table_free(&t);
}

static void pair(keel_table *t, const char *name, const char *value)
{
    keel_table_cell(t, KEEL_INK_DIM, "%s", name);
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", value);
}

static void count_pair(keel_table *t, const char *name, uint64_t n)
{
    keel_table_cell(t, KEEL_INK_DIM, "%s", name);
    count_cell(t, n);
}

static void view_state(const keel_cli *cli, const keel_strategy_view *v)
{
    char text[LINE_BYTES], number[KEEL_FORMAT_MAX], other[KEEL_FORMAT_MAX], third[KEEL_FORMAT_MAX];
    const keel_strategy_status *s = v->status;
    const keel_reason *why = keel_strategy_mode_reason(v->trading, s->strategy);
    keel_table *t = keel_table_new("|");
    snprintf(text, sizeof text, "%s%s%s%s%s", keel_trading_mode_name(mode_of(v)),
             why != NULL ? ": " : "", why != NULL ? keel_reason_words(why->code, number) : "",
             why != NULL && why->text[0] != '\0' ? ": " : "", why != NULL ? why->text : "");
    pair(t, "mode", text);
    if (!s->active)
        pair(t, "", "not active: configured so; its signals are refused");
    pair(t, "share of capital", keel_percent_text(s->share_frac, 2, number));
    if (v->book != NULL) {
        snprintf(text, sizeof text, "%s, %s of it cash",
                 keel_money_text(v->book->equity_micros, number),
                 keel_money_text(v->book->cash_micros, other));
        pair(t, "equity", text);
        snprintf(text, sizeof text, "%s; fees %s, slippage inside prices %s",
                 keel_money_text(keel_book_pnl_micros(v->book), number),
                 keel_money_text(v->book->fees_micros, other),
                 keel_money_text(v->book->slippage_micros, third));
        pair(t, "P&L", text);
    }
    pair(t, "client", s->epoch_ns > 0 ? keel_moment_text(s->epoch_ns, number) : "never heard");
    pair(t, "steps", s->lockstep ? "closes them: a lockstep run waits for it" : "free");
    keel_table_print(t, cli);
    keel_table_free(&t);
}

static void view_counts(const keel_cli *cli, const keel_strategy_status *s)
{
    char words[KEEL_FORMAT_MAX];
    keel_table_title(cli, "Signals");
    keel_table *t = keel_table_new("|>");
    count_pair(t, "received", s->received);
    count_pair(t, "decided", s->decided);
    count_pair(t, "pending", s->pending);
    for (int i = 0; i < s->dispositions_n; i++) {
        keel_reason_words(s->dispositions[i].code, words);
        keel_table_cell(t, KEEL_INK_DIM, "  %s", words);
        count_cell(t, s->dispositions[i].count);
    }
    count_pair(t, "executed", s->executed);
    count_pair(t, "active now", s->active_signals);
    keel_table_print(t, cli);
    keel_table_free(&t);
}

static const keel_position *position_of(const keel_book *book, int instrument)
{
    for (int i = 0; book != NULL && i < book->positions_n; i++)
        if (book->positions[i].instrument == instrument)
            return &book->positions[i];
    return NULL;
}

static void symbol_row(keel_table *t, const keel_universe *u, const keel_symbol_count *c,
                       const keel_book *book)
{
    char text[KEEL_FORMAT_MAX], qty[KEEL_UNITS_TEXT_MAX] = "0";
    const int at = keel_universe_find(u, c->symbol);
    const keel_position *p = at >= 0 ? position_of(book, at) : NULL;
    if (p != NULL)
        keel_units_format(p->qty_units, u->instruments[at].qty_exp, 0, qty);
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", c->symbol[0] != '\0' ? c->symbol : "(unknown)");
    count_cell(t, c->decided);
    count_cell(t, c->accepted);
    count_cell(t, c->executed);
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", qty);
    keel_table_cell(t, KEEL_INK_PLAIN, "%s",
                    p != NULL ? keel_money_text(p->value_micros, text) : "0.00");
    const int64_t gain = p != NULL ? p->value_micros - p->cost_micros : 0;
    keel_table_cell(t, ink_of(gain), "%s", keel_money_text(gain, text));
}

void keel_view_strategy(const keel_cli *cli, const keel_universe *universe,
                        const keel_strategy_view *v)
{
    const keel_strategy_status *s = v->status;
    keel_table_title(cli, "Strategy %s", s->strategy);
    view_state(cli, v);
    view_counts(cli, s);
    if (s->symbols_n == 0)
        return;
    keel_table_title(cli, "By symbol");
    keel_table *t = keel_table_new("symbol|>decided|>accepted|>executed|>holds|>value|>unrealised");
    for (int i = 0; i < s->symbols_n; i++)
        symbol_row(t, universe, &s->symbols[i], v->book);
    keel_table_print(t, cli);
    keel_table_free(&t);
}
