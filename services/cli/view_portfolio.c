#include "services/cli/format.h"
#include "services/cli/views.h"

#include "common/domain/fixed.h"

#include <inttypes.h>

static keel_ink ink_of(int64_t micros)
{
    return micros < 0 ? KEEL_INK_RED : KEEL_INK_PLAIN;
}

static void row(keel_table *t, const char *name, const char *value, const char *name2,
                const char *value2)
{
    keel_table_cell(t, KEEL_INK_DIM, "%s", name);
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", value);
    keel_table_cell(t, KEEL_INK_DIM, "  %s", name2);
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", value2);
}

static const char *count_text(uint64_t n, char out[KEEL_FORMAT_MAX])
{
    snprintf(out, KEEL_FORMAT_MAX, "%" PRIu64, n);
    return out;
}

static const char *ratio_text(double x, char out[KEEL_FORMAT_MAX])
{
    snprintf(out, KEEL_FORMAT_MAX, "%.2f", x);
    return out;
}

void keel_view_performance(const keel_cli *cli, const keel_universe *universe,
                           const keel_performance *p, const keel_trading_state *trading)
{
    char a[KEEL_FORMAT_MAX], b[KEEL_FORMAT_MAX];
    const char *currency = universe->n > 0 ? universe->instruments[0].currency : "";
    keel_table_title(cli, "Portfolio performance");
    fprintf(cli->out, "  %s to %s, %" PRIu32 " bars, %s\n\n", keel_moment_text(p->from_ns, a),
            keel_moment_text(p->to_ns, b), p->bars, currency);
    keel_table *t = keel_table_new("|>||>");
    row(t, "equity", keel_money_text(p->equity_micros, a), "began with",
        keel_money_text(p->initial_micros, b));
    row(t, "total return", keel_percent_text(p->total_return, 2, a), "a year",
        keel_percent_text(p->return_ann, 2, b));
    row(t, "volatility a year", keel_percent_text(p->volatility_ann, 2, a), "Sharpe ratio",
        ratio_text(p->sharpe_ann, b));
    row(t, "max drawdown", keel_percent_text(p->max_drawdown_frac, 2, a), "portfolio stops",
        count_text(trading != NULL ? trading->stops : 0, b));
    row(t, "win rate", keel_percent_text(p->win_rate_frac, 1, a), "profit factor",
        ratio_text(p->profit_factor, b));
    row(t, "trades", count_text(p->trades, a), "closing trades", count_text(p->closing_trades, b));
    row(t, "fees", keel_money_text(p->fees_micros, a), "slippage",
        keel_money_text(p->slippage_micros, b));
    row(t, "costs", keel_money_text(p->fees_micros + p->slippage_micros, a), "turnover",
        keel_percent_text(p->turnover_frac, 0, b));
    keel_table_print(t, cli);
    keel_table_free(&t);
}

void keel_view_attribution(const keel_cli *cli, const keel_universe *universe,
                           const keel_attribution *a)
{
    char text[KEEL_FORMAT_MAX];
    keel_table *t =
        keel_table_new("asset|sector|>P&L|>trades|>win rate|>contribution|>mean weight|>costs");
    keel_table_title(cli, "Per-asset attribution");
    for (int i = 0; i < a->lines_n; i++) {
        const keel_attribution_line *l = &a->lines[i];
        const int at = keel_universe_find(universe, l->name);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", l->name);
        keel_table_cell(t, KEEL_INK_DIM, "%s", at >= 0 ? universe->instruments[at].sector : "");
        keel_table_cell(t, ink_of(l->pnl_micros), "%s", keel_money_text(l->pnl_micros, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%" PRIu32, l->trades);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(l->win_rate_frac, 1, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(l->contribution_frac, 1, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(l->weight_mean_frac, 1, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s",
                        keel_money_text(l->fees_micros + l->slippage_micros, text));
    }
    keel_table_cell(t, KEEL_INK_BOLD, "all");
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", "");
    keel_table_cell(t, ink_of(a->pnl_micros), "%s", keel_money_text(a->pnl_micros, text));
    keel_table_print(t, cli);
    keel_table_free(&t);
}

void keel_view_trades(const keel_cli *cli, const keel_universe *universe, const keel_performance *p)
{
    char text[KEEL_FORMAT_MAX], number[KEEL_UNITS_TEXT_MAX];
    keel_table *t = keel_table_new("time (UTC)|asset|side|>quantity|>price|>P&L|reason");
    keel_table_title(cli, "Last %d trades", p->recent_n);
    for (int i = 0; i < p->recent_n; i++) {
        const keel_trade *d = &p->recent[i];
        const bool known = d->instrument >= 0 && d->instrument < universe->n;
        const keel_instrument *in = known ? &universe->instruments[d->instrument] : NULL;
        keel_table_cell(t, KEEL_INK_DIM, "%s", keel_moment_text(d->fill_ns, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", known ? in->symbol : "?");
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", d->qty_units < 0 ? "sell" : "buy");
        keel_units_format(d->qty_units < 0 ? -d->qty_units : d->qty_units, known ? in->qty_exp : 0,
                          0, number);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", number);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s",
                        keel_price_text(d->price_units, known ? in->price_exp : 0, text));
        keel_table_cell(t, ink_of(d->pnl_micros), "%s", keel_money_text(d->pnl_micros, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_reason_words(d->reason.code, text));
    }
    keel_table_print(t, cli);
    keel_table_free(&t);
}

static void view_positions(const keel_cli *cli, const keel_universe *universe,
                           const keel_book *book)
{
    char text[KEEL_FORMAT_MAX], number[KEEL_UNITS_TEXT_MAX];
    keel_table *t = keel_table_new("asset|>quantity|>price|>value|>weight|>unrealised|note");
    for (int i = 0; i < book->positions_n; i++) {
        const keel_position *q = &book->positions[i];
        if (q->qty_units == 0 || q->instrument < 0 || q->instrument >= universe->n)
            continue;
        const keel_instrument *in = &universe->instruments[q->instrument];
        const double equity = (double)book->equity_micros;
        const double weight = book->equity_micros > 0 ? (double)q->value_micros / equity : 0.0;
        const int64_t gain = q->value_micros - q->cost_micros;
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", in->symbol);
        keel_units_format(q->qty_units, in->qty_exp, 0, number);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", number);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s",
                        keel_price_text(q->last_price_units, in->price_exp, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_money_text(q->value_micros, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(weight, 1, text));
        keel_table_cell(t, ink_of(gain), "%s", keel_money_text(gain, text));
        if (q->stale_bars > 0)
            keel_table_cell(t, KEEL_INK_YELLOW, "price is %" PRIu32 " bars old", q->stale_bars);
        else
            keel_table_cell(t, KEEL_INK_PLAIN, "%s", "");
    }
    if (keel_table_rows(t) > 0) {
        keel_table_title(cli, "Positions of %s", book->book);
        keel_table_print(t, cli);
    }
    keel_table_free(&t);
}

void keel_view_portfolio(const keel_cli *cli, const keel_universe *universe,
                         const keel_portfolio_state *state)
{
    char text[KEEL_FORMAT_MAX];
    keel_table *t = keel_table_new("book|>share|>equity|>cash|>realised|>unrealised|>fees");
    keel_table_title(cli, "%s at %s, %" PRIu64 " fills", state->portfolio,
                     keel_moment_text(state->as_of_ns, text), state->fills);
    for (int i = 0; i < state->books_n; i++) {
        const keel_book *b = &state->books[i];
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", b->book);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(b->share_frac, 1, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_money_text(b->equity_micros, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_money_text(b->cash_micros, text));
        keel_table_cell(t, ink_of(b->realized_micros), "%s",
                        keel_money_text(b->realized_micros, text));
        keel_table_cell(t, ink_of(b->unrealized_micros), "%s",
                        keel_money_text(b->unrealized_micros, text));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_money_text(b->fees_micros, text));
    }
    keel_table_cell(t, KEEL_INK_BOLD, "account");
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", "");
    keel_table_cell(t, KEEL_INK_BOLD, "%s", keel_money_text(state->equity_micros, text));
    keel_table_cell(t, KEEL_INK_BOLD, "%s", keel_money_text(state->cash_micros, text));
    keel_table_print(t, cli);
    keel_table_free(&t);
    for (int i = 0; i < state->books_n; i++)
        view_positions(cli, universe, &state->books[i]);
}
