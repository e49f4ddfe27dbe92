/* strategy.c - verbs about strategies of a running system. */
#include "services/cli/reader.h"
#include "services/cli/verbs.h"
#include "services/cli/views.h"

#include "common/base/text.h"

#include <jansson.h>
#include <string.h>

static const keel_topic wanted[] = {KEEL_TOPIC_STRATEGY, KEEL_TOPIC_TRADING, KEEL_TOPIC_PORTFOLIO,
                                    KEEL_TOPIC_COUNT};
static const keel_reading reading = {wanted, "strategy-coordinator", "report of the strategies",
                                     true};

static keel_strategy_view view_of(const keel_seen *seen, int i)
{
    keel_strategy_view v = {&seen->strategies.strategies[i], &seen->trading, NULL};
    for (int b = 0; b < seen->portfolio.books_n; b++)
        if (strcmp(seen->portfolio.books[b].book, v.status->strategy) == 0)
            v.book = &seen->portfolio.books[b];
    return v;
}

static void set_count(json_t *o, const char *key, uint64_t n)
{
    json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *symbols_json(const keel_strategy_status *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->symbols_n; i++) {
        const keel_symbol_count *c = &s->symbols[i];
        json_t *o = json_pack("{s:s}", "symbol", c->symbol);
        set_count(o, "decided", c->decided);
        set_count(o, "accepted", c->accepted);
        set_count(o, "executed", c->executed);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *positions_json(const keel_universe *u, const keel_book *book)
{
    json_t *list = json_array();
    for (int i = 0; i < book->positions_n; i++) {
        const keel_position *p = &book->positions[i];
        if (p->qty_units == 0 || p->instrument < 0 || p->instrument >= u->n)
            continue;
        json_array_append_new(list, json_pack("{s:s,s:I,s:I,s:I}", "symbol",
                                              u->instruments[p->instrument].symbol, "qty_units",
                                              (json_int_t)p->qty_units, "value_micros",
                                              (json_int_t)p->value_micros, "cost_micros",
                                              (json_int_t)p->cost_micros));
    }
    return list;
}

static json_t *book_json(const keel_universe *u, const keel_book *b)
{
    if (b == NULL)
        return json_null();
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:o}", "equity_micros", (json_int_t)b->equity_micros,
                     "cash_micros", (json_int_t)b->cash_micros, "pnl_micros",
                     (json_int_t)keel_book_pnl_micros(b), "fees_micros", (json_int_t)b->fees_micros,
                     "slippage_micros", (json_int_t)b->slippage_micros, "positions",
                     positions_json(u, b));
}

/* One object: counts as StrategyReport names them, mode and reason, the book. */
static void print_json(const keel_cli *cli, const keel_universe *u, const keel_strategy_view *v)
{
    const keel_strategy_status *s = v->status;
    const keel_reason *why = keel_strategy_mode_reason(v->trading, s->strategy);
    json_t *dispositions = json_object();
    for (int i = 0; i < s->dispositions_n; i++)
        set_count(dispositions, keel_reason_name(s->dispositions[i].code),
                  s->dispositions[i].count);
    json_t *o =
        json_pack("{s:s,s:s,s:s,s:s,s:b,s:b,s:f,s:I}", "strategy", s->strategy, "mode",
                  keel_trading_mode_name(keel_trading_mode_of(v->trading, s->strategy, NULL)),
                  "reason", why != NULL ? keel_reason_name(why->code) : "", "reason_text",
                  why != NULL ? why->text : "", "active", s->active, "lockstep", s->lockstep,
                  "share_frac", s->share_frac, "epoch_ns", (json_int_t)s->epoch_ns);
    set_count(o, "received", s->received);
    set_count(o, "decided", s->decided);
    set_count(o, "pending", s->pending);
    set_count(o, "executed", s->executed);
    set_count(o, "active_signals", s->active_signals);
    json_object_set_new(o, "dispositions", dispositions);
    json_object_set_new(o, "symbols", symbols_json(s));
    json_object_set_new(o, "book", book_json(u, v->book));
    json_dumpf(o, cli->out, JSON_COMPACT);
    fputc('\n', cli->out);
    json_decref(o);
}

static int begin(keel_reader *s, const keel_args *args, const keel_cli *cli)
{
    const int code = keel_reader_open(s, args, cli);
    return code == KEEL_EXIT_OK ? keel_reader_collect(s, &reading, args, cli) : code;
}

int keel_verb_strategy_ls(const keel_args *args, const keel_cli *cli)
{
    keel_reader s;
    const int code = begin(&s, args, cli);
    const int n =
        code == KEEL_EXIT_OK || code == KEEL_EXIT_STALE ? s.seen->strategies.strategies_n : 0;
    keel_strategy_view *views = keel_xcalloc((size_t)n + 1, sizeof *views);
    for (int i = 0; i < n; i++) {
        views[i] = view_of(s.seen, i);
        if (keel_args_on(args, "json"))
            print_json(cli, &s.seen->universe, &views[i]);
    }
    if (n > 0 && !keel_args_on(args, "json"))
        keel_view_strategies(cli, views, n);
    else if (n == 0 && code == KEEL_EXIT_OK)
        fputs("keel: no strategy is configured; name yours under strategies, and its share under "
              "capital\n",
              cli->err);
    keel_free(&views);
    keel_reader_close(&s);
    return code;
}

/* Index in the report; -1, and the names that there are are told. */
static int find_strategy(const keel_strategy_report *report, const char *name, const keel_cli *cli)
{
    const char *names[KEEL_STRATEGIES_MAX];
    for (int i = 0; i < report->strategies_n; i++) {
        if (strcmp(report->strategies[i].strategy, name) == 0)
            return i;
        names[i] = report->strategies[i].strategy;
    }
    const char *near = keel_text_nearest(name, names, (size_t)report->strategies_n);
    fprintf(cli->err, "keel: no strategy '%s'%s%s%s\n", name,
            near != NULL ? "; did you mean '" : "; see: keel strategy ls", near != NULL ? near : "",
            near != NULL ? "'?" : "");
    return -1;
}

int keel_verb_strategy_show(const keel_args *args, const keel_cli *cli)
{
    keel_reader s;
    int code = begin(&s, args, cli);
    if (code == KEEL_EXIT_OK || code == KEEL_EXIT_STALE) {
        const int at = find_strategy(&s.seen->strategies, args->operands[0], cli);
        const keel_strategy_view v = at >= 0 ? view_of(s.seen, at) : (keel_strategy_view){0};
        if (at < 0)
            code = KEEL_EXIT_USAGE;
        else if (keel_args_on(args, "json"))
            print_json(cli, &s.seen->universe, &v);
        else
            keel_view_strategy(cli, &s.seen->universe, &v);
    }
    keel_reader_close(&s);
    return code;
}
