/* A row: first everything that will happen is dealt without changing anything, so that a row that
 * does not fit is refused whole; then it happens. */
#include "services/execution/engine/execution.h"

#include "common/base/assert.h"
#include "common/base/text.h"
#include "common/domain/fixed.h"
#include "services/execution/engine/execution_internal.h"
#include "services/execution/engine/plan.h"

#include <string.h>

/* Money of an order with several parts; sums of what buys and sells stay inside 64 bits. */
#define MONEY_MAX (INT64_C(1) << 60)

static bool is_dealt(const keel_execution *eng, const keel_bar_row *row, int i)
{
    return eng->slots[i].state == SLOT_OPEN && row->close_units[i] != 0;
}

static int64_t core_part(const keel_execution *eng, int i)
{
    const keel_order *o = &eng->slots[i].order;
    const int p = execution_part_of(eng, o, EXECUTION_CORE);
    return p < 0 ? 0 : o->books[p].qty_units;
}

static bool opens_by_buying(const keel_execution *eng, int i)
{
    const int64_t qty = core_part(eng, i);
    return qty > 0 && keel_plan_reducing(eng->held[i], qty) != qty;
}

static keel_status deal_of(const keel_execution *eng, const keel_bar_row *row, int i,
                           int64_t qty_units, keel_deal *out)
{
    return keel_broker_deal(&eng->rates, &eng->universe.instruments[i], row, i, qty_units, out);
}

/* ---- what will happen; reads state only ---- */

/* The cell of a part, or NULL when the part is core's or its intent stands no more. */
static keel_cell *cell_of(const keel_execution *eng, int i, const keel_book_target *part)
{
    const int book = execution_find_book(eng, part->book);
    keel_cell *c = book > EXECUTION_CORE ? keel_cells_find(&eng->cells, book, i) : NULL;
    return c != NULL && c->version == part->intent_version ? c : NULL;
}

static keel_status deal_core(keel_execution *eng, const keel_bar_row *row, int i, keel_i128 *cash)
{
    const int64_t qty = core_part(eng, i);
    if (qty == 0)
        return KEEL_OK;
    KEEL_TRY(deal_of(eng, row, i, qty, &eng->deals[i]));
    const int64_t held = eng->held[i] + eng->deals[i].qty_units;
    if (held > KEEL_PLAN_UNITS_MAX || held < -KEEL_PLAN_UNITS_MAX)
        return KEEL_EOVERFLOW;
    *cash += eng->deals[i].cash_micros > 0 ? eng->deals[i].cash_micros : 0;
    return *cash > INT64_MAX ? KEEL_EOVERFLOW : KEEL_OK;
}

/* All that is bought, or sold, of an instrument together: if it fits, so do the parts, their net,
 * and what netting gets. */
static keel_status check_side(const keel_execution *eng, const keel_bar_row *row, int i,
                              keel_i128 units)
{
    keel_deal all;
    if (units == 0)
        return KEEL_OK;
    if (units > KEEL_PLAN_UNITS_MAX || units < -KEEL_PLAN_UNITS_MAX)
        return KEEL_EOVERFLOW;
    KEEL_TRY(deal_of(eng, row, i, (int64_t)units, &all));
    return all.cash_micros > MONEY_MAX || all.cash_micros < -MONEY_MAX ||
                   all.slippage_micros > MONEY_MAX
               ? KEEL_EOVERFLOW
               : KEEL_OK;
}

static keel_status deal_parts(keel_execution *eng, const keel_bar_row *row, int i)
{
    const keel_order *o = &eng->slots[i].order;
    keel_i128 bought = 0, sold = 0;
    if (o->books_n == 1 && core_part(eng, i) != 0)
        return KEEL_OK;
    for (int p = 0; p < o->books_n; p++) {
        const int64_t qty = o->books[p].qty_units;
        keel_cell *c = cell_of(eng, i, &o->books[p]);
        cell_deal *d = c != NULL ? &eng->cell_deals[c - eng->cells.at] : NULL;
        bought += qty > 0 ? qty : 0;
        sold += qty < 0 ? qty : 0;
        if (d == NULL || d->expires)
            continue;
        KEEL_TRY(deal_of(eng, row, i, qty, &d->deal));
        const int64_t held = c->held_units + qty;
        if (held > KEEL_CELL_UNITS_MAX || held < -KEEL_CELL_UNITS_MAX)
            return KEEL_EOVERFLOW;
    }
    KEEL_TRY(check_side(eng, row, i, bought));
    return check_side(eng, row, i, sold);
}

/* A stop or target, of a position that was there before the row and is still. */
static keel_status deal_exit(const keel_execution *eng, const keel_bar_row *row, int k)
{
    const keel_cell *c = &eng->cells.at[k];
    cell_deal *d = &eng->cell_deals[k];
    const int64_t left = c->held_units + d->deal.qty_units;
    const bool is_long = c->held_units > 0;
    const keel_exit_prices prices = {c->stop_units, c->take_units};
    if ((prices.stop_units == 0 && prices.target_units == 0) || c->held_units == 0 || left == 0 ||
        (left > 0) != is_long || (c->target_qty_units > 0) != is_long || c->target_qty_units == 0 ||
        row->close_units[c->instrument] == 0 ||
        execution_mode(eng, c->book, c->instrument) == KEEL_TRADING_HALTED)
        return KEEL_OK;
    const int64_t at = keel_broker_exit(&prices, is_long, row, c->instrument, &d->exit_at_target);
    if (at == 0)
        return KEEL_OK;
    return keel_broker_deal_at(&eng->rates, &eng->universe.instruments[c->instrument], at, -left,
                               &d->exit);
}

/* The whole deal of every open order that has a bar, and every exit. */
static keel_status deal_all(keel_execution *eng, const keel_bar_row *row)
{
    keel_i128 cash = eng->state.cash_micros;
    for (int k = 0; k < eng->cells.n; k++) {
        const keel_cell *c = &eng->cells.at[k];
        eng->cell_deals[k] = (cell_deal){
            .expires =
                c->valid_until_ns != 0 && row->close_ns > c->valid_until_ns && keel_cell_opens(c),
        };
    }
    for (int i = 0; i < eng->n; i++) {
        eng->deals[i] = (keel_deal){0};
        if (!is_dealt(eng, row, i))
            continue;
        KEEL_TRY(deal_core(eng, row, i, &cash));
        KEEL_TRY(deal_parts(eng, row, i));
    }
    for (int k = 0; k < eng->cells.n; k++)
        KEEL_TRY(deal_exit(eng, row, k));
    return KEEL_OK;
}

static bool worth_dealing(const keel_execution *eng, int i, const keel_deal *d)
{
    return -(keel_i128)d->cash_micros - d->fee_micros >=
           eng->universe.instruments[i].min_notional_micros;
}

/* Lots of a buy that `free` of `cost` pays for; the deal's own roundings can ask for a lot less. */
static keel_status cut_buy(keel_execution *eng, const keel_bar_row *row, int i, keel_i128 free,
                           keel_i128 cost)
{
    const int64_t lot = eng->universe.instruments[i].lot_units;
    keel_deal *d = &eng->deals[i];
    const int64_t share = (int64_t)(-(keel_i128)d->cash_micros * free / cost);
    /* qty < 2^63 and share / |cash| <= 1: the product stays inside 126 bits */
    int64_t qty = (int64_t)((keel_i128)d->qty_units * share / -(keel_i128)d->cash_micros);
    for (qty -= qty % lot; qty > 0; qty -= lot) {
        keel_deal smaller;
        KEEL_TRY(deal_of(eng, row, i, qty, &smaller));
        if (-smaller.cash_micros > share)
            continue;
        *d = worth_dealing(eng, i, &smaller) ? smaller : (keel_deal){0};
        return KEEL_OK;
    }
    *d = (keel_deal){0};
    return KEEL_OK;
}

/* Scale core's buys that open so that they leave the buffer. Changes deals only. */
static keel_status cut_buys(keel_execution *eng, const keel_bar_row *row)
{
    keel_i128 free = (keel_i128)eng->state.cash_micros - eng->state.keep_micros, cost = 0;
    for (int i = 0; i < eng->n; i++) {
        if (eng->deals[i].qty_units == 0)
            continue;
        if (opens_by_buying(eng, i))
            cost -= eng->deals[i].cash_micros;
        else
            free += eng->deals[i].cash_micros;
    }
    if (cost <= free)
        return KEEL_OK;
    for (int i = 0; i < eng->n; i++) {
        if (eng->deals[i].qty_units != 0 && opens_by_buying(eng, i))
            KEEL_TRY(cut_buy(eng, row, i, free < 0 ? 0 : free, cost));
    }
    return KEEL_OK;
}

/* ---- it happens ---- */

static void add_part(keel_fill *f, const char *book, const keel_deal *d, uint64_t closed)
{
    keel_book_fill *part = &f->books[f->books_n++];
    *part = (keel_book_fill){
        .qty_units = d->qty_units,
        .cash_micros = d->cash_micros,
        .fee_micros = d->fee_micros,
        .slippage_micros = d->slippage_micros,
        .closed_version = closed,
    };
    KEEL_ASSERT(keel_text_copy(part->book, sizeof part->book, book) == KEEL_OK);
    f->qty_units += d->qty_units;
}

/* Change a cell by its deal; returns the version when the intent is filled by it. */
static uint64_t take_deal(keel_cell *c, const keel_deal *d)
{
    c->held_units += d->qty_units;
    if (c->held_units != c->target_qty_units)
        return 0;
    c->valid_until_ns = 0;
    return c->version;
}

/* What the account pays for the net; what books paid beyond it, or less, is netting's. */
static void settle(const keel_execution *eng, const keel_bar_row *row, keel_fill *f)
{
    keel_deal net = {.price_units = f->reference_units, .reference_units = f->reference_units};
    if (f->qty_units != 0)
        KEEL_ASSERT(deal_of(eng, row, f->instrument, f->qty_units, &net) == KEEL_OK);
    f->price_units = net.price_units;
    f->fee_micros = net.fee_micros;
    f->slippage_micros = net.slippage_micros;
    keel_deal rest = {.cash_micros = net.cash_micros,
                      .fee_micros = net.fee_micros,
                      .slippage_micros = net.slippage_micros};
    for (int p = 0; p < f->books_n; p++) {
        rest.cash_micros -= f->books[p].cash_micros;
        rest.fee_micros -= f->books[p].fee_micros;
        rest.slippage_micros -= f->books[p].slippage_micros;
    }
    if (rest.cash_micros != 0 || rest.fee_micros != 0 || rest.slippage_micros != 0)
        add_part(f, "netting", &rest, 0);
}

/* Fill the order of an instrument; what core could not pay at all stays to be named. */
static void fill_order(keel_execution *eng, const keel_bar_row *row, int i)
{
    size_t len = 0;
    slot *s = &eng->slots[i];
    const keel_order *o = &s->order;
    const int64_t core = core_part(eng, i);
    keel_fill *f = &eng->fills[eng->state.fills];
    *f = (keel_fill){.instrument = i, .fill_ns = row->close_ns, .reason = o->reason};
    f->reference_units = row->open_units != NULL ? row->open_units[i] : row->close_units[i];
    memcpy(f->order_id, o->order_id, sizeof f->order_id);
    KEEL_ASSERT(keel_text_add(f->fill_id, sizeof f->fill_id, &len, "%s/0", f->order_id));
    if (eng->deals[i].qty_units != 0)
        add_part(f, eng->books[EXECUTION_CORE].name, &eng->deals[i], 0);
    for (int p = 0; p < o->books_n; p++) {
        keel_cell *c = cell_of(eng, i, &o->books[p]);
        const keel_deal *d = c != NULL ? &eng->cell_deals[c - eng->cells.at].deal : NULL;
        if (d != NULL && d->qty_units != 0)
            add_part(f, o->books[p].book, d, take_deal(c, d));
    }
    s->state = SLOT_EMPTY;
    if (f->books_n > 0) {
        settle(eng, row, f);
        eng->held[i] += eng->deals[i].qty_units;
        eng->state.cash_micros += eng->deals[i].cash_micros;
        eng->state.fills++;
    }
    if (core == 0 || eng->deals[i].qty_units != 0)
        return;
    s->order.books[0] = s->order.books[execution_part_of(eng, o, EXECUTION_CORE)];
    s->order.books_n = 1;
    s->order.qty_units = core;
    s->state = SLOT_UNPAID;
}

/* A stop or target is an order of its own, filled at once. */
static void fill_exit(keel_execution *eng, const keel_bar_row *row, int k)
{
    size_t len = 0;
    keel_cell *c = &eng->cells.at[k];
    const cell_deal *d = &eng->cell_deals[k];
    const char *symbol = eng->universe.instruments[c->instrument].symbol;
    const char *book = eng->books[c->book].name, *what = d->exit_at_target ? "target" : "stop";
    keel_fill *f = &eng->fills[eng->state.fills++];
    *f = (keel_fill){
        .instrument = c->instrument,
        .price_units = d->exit.price_units,
        .reference_units = d->exit.reference_units,
        .fee_micros = d->exit.fee_micros,
        .slippage_micros = d->exit.slippage_micros,
        .fill_ns = row->close_ns,
    };
    KEEL_ASSERT(keel_text_add(f->order_id, sizeof f->order_id, &len, "%s/%s/%s/%s",
                              eng->state.plan_id, symbol, book, what));
    len = 0;
    KEEL_ASSERT(keel_text_add(f->fill_id, sizeof f->fill_id, &len, "%s/0", f->order_id));
    keel_reason_set(&f->reason, KEEL_REASON_TRIGGER, "%s: %s of decision %llu", book, what,
                    (unsigned long long)c->version);
    add_part(f, book, &d->exit, c->version);
    c->held_units = 0;
    keel_cell_close(c);
}

static void fill_all(keel_execution *eng, const keel_bar_row *row)
{
    bool later[KEEL_UNIVERSE_MAX];
    for (int i = 0; i < eng->n; i++)
        later[i] = is_dealt(eng, row, i) && opens_by_buying(eng, i);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < eng->n; i++)
            if (is_dealt(eng, row, i) && later[i] == (pass == 1))
                fill_order(eng, row, i);
    for (int k = 0; k < eng->cells.n; k++) {
        keel_cell *c = &eng->cells.at[k];
        if (eng->cell_deals[k].expires)
            keel_cell_give_up(c, KEEL_REASON_EXPIRED, c->target_qty_units - c->held_units);
        if (eng->cell_deals[k].exit.qty_units != 0)
            fill_exit(eng, row, k);
    }
}

keel_status keel_execution_on_row(keel_execution *eng, const keel_bar_row *row,
                                  const keel_fill **fills, int *fills_n)
{
    KEEL_TRY(keel_bar_row_check(row));
    if (row->universe_hash != eng->universe.hash || row->n != eng->n)
        return KEEL_EUNKNOWN;
    if (row->close_ns <= eng->state.row_ns)
        return KEEL_EORDER;
    KEEL_TRY(deal_all(eng, row));
    KEEL_ASSERT(cut_buys(eng, row) == KEEL_OK); /* smaller than deals that fitted */
    eng->state.fills = 0;
    fill_all(eng, row);
    execution_tidy(eng);
    for (int i = 0; i < eng->n; i++)
        eng->closes[i] = row->close_units[i] != 0 ? row->close_units[i] : eng->closes[i];
    eng->state.row_ns = row->close_ns;
    *fills = eng->fills;
    *fills_n = eng->state.fills;
    return KEEL_OK;
}
