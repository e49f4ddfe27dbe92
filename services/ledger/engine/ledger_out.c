/* Closing a step: valuing the books and writing what is published. */
#include "services/ledger/engine/ledger.h"

#include "common/base/assert.h"
#include "common/domain/fixed.h"
#include "services/ledger/engine/ledger_internal.h"

#include <stdlib.h>
#include <string.h>

/* A message holds KEEL_LEDGER_POSITIONS_MAX positions: those that are closed are listed while all
 * that ever were fit. */
static bool lists_closed(const keel_ledger *eng)
{
    int n = 0;
    for (size_t i = 0; i < (size_t)eng->books_n * (size_t)eng->n; i++)
        n += eng->lots[i].count > 0 || eng->lots[i].first_no > 0;
    return n <= KEEL_LEDGER_POSITIONS_MAX;
}

typedef struct listing {
    bool closed; /* also what was held */
    int64_t value;
    int64_t cost;
} listing;

/* Positions of a book into `to`; adds their values up. */
static int list_positions(const keel_ledger *eng, int book, keel_position *to, listing *sum)
{
    int n = 0;
    for (int i = 0; i < eng->n; i++) {
        const keel_lots *lots = ledger_lots(eng, book, i);
        if (lots->count == 0 && (lots->first_no == 0 || !sum->closed))
            continue;
        const int64_t worth = ledger_value(eng, i, lots->qty_units);
        to[n++] = (keel_position){
            .instrument = i,
            .qty_units = lots->qty_units,
            .cost_micros = lots->cost_micros,
            .value_micros = worth,
            .last_price_units = eng->marks[i].price_units,
            .stale_bars = eng->marks[i].stale_bars,
        };
        sum->value += worth;
        sum->cost += lots->cost_micros;
    }
    return n;
}

static int by_version(const void *a, const void *b)
{
    const ledger_closed *x = a, *y = b;
    if (x->book != y->book)
        return x->book - y->book;
    return x->version < y->version ? -1 : x->version > y->version;
}

/* The versions of every book, each once and ascending: one can be filled and closed in a step. */
static void list_closed(keel_ledger *eng)
{
    if (eng->closed_n > 0)
        qsort(eng->closed, (size_t)eng->closed_n, sizeof *eng->closed, by_version);
    for (int c = 0; c < eng->closed_n; c++) {
        keel_book *book = &eng->book_out[eng->closed[c].book];
        if (c > 0 && by_version(&eng->closed[c], &eng->closed[c - 1]) == 0)
            continue;
        if (book->closed_n == 0)
            book->closed_versions = &eng->closed_out[c];
        eng->closed_out[(book->closed_versions - eng->closed_out) + book->closed_n++] =
            eng->closed[c].version;
    }
}

static void state_book(const keel_ledger *eng, int book, listing sum, keel_position *positions,
                       keel_book *out)
{
    const ledger_book *b = &eng->books[book];
    const int n = list_positions(eng, book, positions, &sum);
    *out = (keel_book){
        .cash_micros = b->cash_micros,
        .equity_micros = b->cash_micros + sum.value,
        .share_frac = b->share_frac,
        .scale_frac = 1.0,
        .realized_micros = b->tally.realized_micros,
        .unrealized_micros = sum.value - sum.cost,
        .fees_micros = b->tally.fees_micros,
        .slippage_micros = b->tally.slippage_micros,
        .positions_n = n,
        .positions = positions,
    };
    memcpy(out->book, b->name, sizeof out->book);
    ledger_check_book(eng, book);
    KEEL_ASSERT(out->equity_micros == b->paid_in_micros + out->realized_micros +
                                          out->unrealized_micros - out->fees_micros);
}

/* A book above its share says by how much its owner has to shrink it. */
static void scale_books(const keel_ledger *eng, int64_t account)
{
    for (int b = 0; b < eng->reserve; b++) {
        int64_t target;
        keel_book *book = &eng->book_out[b];
        KEEL_ASSERT(keel_fraction_of(account, book->share_frac, &target) == KEEL_OK);
        if (book->equity_micros > target)
            book->scale_frac = target > 0 ? (double)target / (double)book->equity_micros : 0.0;
    }
}

static void state_portfolio(keel_ledger *eng, uint64_t step, keel_portfolio_state *out)
{
    int used = 0;
    const listing empty = {.closed = lists_closed(eng)};
    *out = (keel_portfolio_state){
        .universe_hash = eng->universe.hash,
        .as_of_ns = eng->row_ns,
        .books_n = eng->books_n,
        .books = eng->book_out,
        .initial_micros = eng->initial_micros,
        .fills = eng->fills,
        .archived_through_step = step,
    };
    memcpy(out->portfolio, eng->portfolio, sizeof out->portfolio);
    for (int b = 0; b < eng->books_n; b++) {
        state_book(eng, b, empty, &eng->positions[used], &eng->book_out[b]);
        used += eng->book_out[b].positions_n;
        out->cash_micros += eng->book_out[b].cash_micros;
        out->equity_micros += eng->book_out[b].equity_micros;
    }
    list_closed(eng);
    scale_books(eng, out->equity_micros);
    KEEL_ASSERT(out->cash_micros == eng->cash_micros);
}

/* What each book earned since the bar before, on what it had and was given meanwhile. */
static void state_returns(keel_ledger *eng, const keel_portfolio_state *state, keel_ledger_out *out)
{
    out->returns = eng->returns;
    for (int b = 0; b < eng->books_n; b++) {
        ledger_book *book = &eng->books[b];
        const int64_t equity = state->books[b].equity_micros;
        const int64_t base = book->bar_equity_micros + book->paid_in_micros - book->bar_paid_micros;
        book->bar_equity_micros = equity;
        book->bar_paid_micros = book->paid_in_micros;
        if (base == 0 && equity == 0)
            continue;
        eng->returns[out->returns_n++] = (keel_book_return){
            .book = b,
            .base_micros = base,
            .pnl_micros = equity - base,
            .ret_simple = base > 0 ? ((double)equity - (double)base) / (double)base : 0.0,
        };
    }
}

/* Weights of this bar enter the means; only once per row. */
static void add_bar(keel_ledger *eng, const keel_portfolio_state *state)
{
    const double equity = (double)state->equity_micros;
    keel_equity_path_add(&eng->path, eng->row_ns, state->equity_micros, eng->risk_free_ann);
    eng->marked = false;
    if (state->equity_micros <= 0)
        return;
    for (int i = 0; i < eng->n; i++)
        eng->marks[i].tally.weight_sum +=
            (double)ledger_value(eng, i, eng->marks[i].net_units) / equity;
    for (int b = 0; b < eng->books_n; b++)
        eng->books[b].tally.weight_sum += (double)state->books[b].equity_micros / equity;
}

static void state_performance(const keel_ledger *eng, keel_performance *out)
{
    const keel_equity_path *path = &eng->path;
    const keel_tally *t = &eng->account;
    const double years = (double)(path->to_ns - path->from_ns) / (double)KEEL_YEAR_NS;
    const double growth = (double)path->last_micros / (double)path->first_micros;
    const double bars = keel_equity_path_bars_per_year(path, eng->bar_ns);
    const bool a_day = path->to_ns - path->from_ns >= KEEL_YEAR_NS / 366;
    *out = (keel_performance){
        .from_ns = path->from_ns,
        .to_ns = path->to_ns,
        .bars = (uint32_t)path->bars,
        .total_return = growth - 1.0,
        .return_ann = a_day ? keel_annualized(growth, years) : 0.0,
        .volatility_ann = keel_returns_volatility(&path->returns, bars),
        .sharpe_ann = keel_returns_sharpe(&path->returns, bars),
        .sortino_ann = keel_returns_sortino(&path->returns, bars),
        .max_drawdown_frac = path->max_drawdown_frac,
        .trades = t->trades,
        .closing_trades = t->closing_trades,
        .fees_micros = t->fees_micros,
        .slippage_micros = t->slippage_micros,
        .recent_n = eng->recent_n,
        .convention = {KEEL_RISK_METHOD_HISTORICAL, eng->bar_ns, 0.0, (uint32_t)path->returns.n,
                       false},
        .risk_free_ann = eng->risk_free_ann,
        .equity_micros = path->last_micros,
        .initial_micros = eng->initial_micros,
    };
    memcpy(out->portfolio, eng->portfolio, sizeof out->portfolio);
    memcpy(out->recent, eng->recent, sizeof out->recent);
    if (path->max_drawdown_frac > 0.0)
        out->calmar = out->return_ann / path->max_drawdown_frac;
    if (t->closing_trades > 0)
        out->win_rate_frac = (double)t->wins / (double)t->closing_trades;
    if (t->loss_micros > 0)
        out->profit_factor = (double)t->profit_micros / (double)t->loss_micros;
    if (path->equity_sum > 0.0)
        out->turnover_frac = eng->traded_micros * (double)path->bars / (2.0 * path->equity_sum);
}

static int64_t asset_unrealized(const keel_ledger *eng, int instrument)
{
    int64_t sum = 0;
    for (int b = 0; b < eng->books_n; b++) {
        const keel_lots *lots = ledger_lots(eng, b, instrument);
        sum += ledger_value(eng, instrument, lots->qty_units) - lots->cost_micros;
    }
    return sum;
}

static keel_attribution attribution_of(const keel_ledger *eng, keel_attribution_kind kind,
                                       keel_attribution_line *lines, int n)
{
    keel_attribution a = {
        .kind = kind,
        .from_ns = eng->path.from_ns,
        .to_ns = eng->path.to_ns,
        .lines_n = n,
        .lines = lines,
        .pnl_micros = keel_attribution_share(lines, n),
    };
    memcpy(a.portfolio, eng->portfolio, sizeof a.portfolio);
    KEEL_ASSERT(kind == KEEL_ATTRIBUTION_STRATEGY ||
                a.pnl_micros == eng->path.last_micros - eng->initial_micros);
    return a;
}

/* The strategies' own lines among those of all books, and what crossing saved; contributions are
 * fractions of the account's P&L, as there. */
static keel_attribution attribute_strategies(const keel_ledger *eng,
                                             const keel_attribution_line *books)
{
    keel_attribution_line *lines = &eng->lines[2 * eng->n + eng->books_n];
    int n = 0;
    for (int b = 0; b < eng->books_n; b++)
        if (eng->books[b].is_strategy || b == eng->reserve + 1)
            lines[n++] = books[b];
    keel_attribution a = attribution_of(eng, KEEL_ATTRIBUTION_STRATEGY, lines, n);
    for (int b = 0, k = 0; b < eng->books_n; b++)
        if (eng->books[b].is_strategy || b == eng->reserve + 1)
            lines[k++].contribution_frac = books[b].contribution_frac;
    return a;
}

static void attribute(keel_ledger *eng, const keel_portfolio_state *state, keel_ledger_out *out)
{
    keel_attribution_line *assets = eng->lines, *sectors = &eng->lines[eng->n];
    keel_attribution_line *books = &sectors[eng->sectors_n];
    const uint64_t bars = eng->path.bars;
    for (int s = 0; s < eng->sectors_n; s++) {
        keel_tally sum = {0};
        int64_t unrealized = 0;
        for (int i = 0; i < eng->n; i++) {
            if (eng->marks[i].sector != s)
                continue;
            keel_tally_add(&sum, &eng->marks[i].tally);
            const int64_t open = asset_unrealized(eng, i);
            keel_attribution_line_set(&assets[i], eng->universe.instruments[i].symbol,
                                      &eng->marks[i].tally, open, bars);
            unrealized += open;
        }
        keel_attribution_line_set(&sectors[s], eng->sectors[s], &sum, unrealized, bars);
    }
    for (int b = 0; b < eng->books_n; b++)
        keel_attribution_line_set(&books[b], eng->books[b].name, &eng->books[b].tally,
                                  state->books[b].unrealized_micros, bars);
    out->attributions[0] = attribution_of(eng, KEEL_ATTRIBUTION_ASSET, assets, eng->n);
    out->attributions[1] = attribution_of(eng, KEEL_ATTRIBUTION_SECTOR, sectors, eng->sectors_n);
    out->attributions[2] = attribution_of(eng, KEEL_ATTRIBUTION_BOOK, books, eng->books_n);
    out->attributions_n = 3;
    if (eng->strategies_n > 0)
        out->attributions[out->attributions_n++] = attribute_strategies(eng, books);
}

keel_status keel_ledger_close(keel_ledger *eng, uint64_t step, keel_ledger_out *out)
{
    if (step <= eng->closed_step)
        return KEEL_EORDER;
    if (eng->row_ns == 0)
        return KEEL_ENOTFOUND;
    ledger_check_cash(eng);
    state_portfolio(eng, step, &out->portfolio);
    out->returns_n = 0;
    if (eng->marked) {
        state_returns(eng, &out->portfolio, out);
        add_bar(eng, &out->portfolio);
    } else /* a fill without a row still changes what is held */
        eng->path.last_micros = out->portfolio.equity_micros;
    out->portfolio.peak_equity_micros = eng->path.peak_micros;
    state_performance(eng, &out->performance);
    attribute(eng, &out->portfolio, out);
    for (int b = 0; b < eng->books_n; b++)
        eng->books[b].closed_n = 0; /* listed in `out` */
    eng->closed_n = 0;
    eng->closed_step = step;
    return KEEL_OK;
}
