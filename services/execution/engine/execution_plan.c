/* Planning a step: what becomes of orders that wait, what books wish now, one order for each
 * instrument. Wishes of a book follow from its cell alone, so they are looked at twice: to see
 * whether a waiting order still says the same, and to make a new one. */
#include "services/execution/engine/execution.h"

#include "common/base/assert.h"
#include "common/base/text.h"
#include "common/domain/fixed.h"
#include "services/execution/engine/execution_internal.h"
#include "services/execution/engine/plan.h"

#include <stdlib.h>
#include <string.h>

static void skip(keel_execution *eng, keel_order_plan *plan, int i, int64_t qty_units,
                 keel_reason_code code)
{
    if (plan->skipped_n == EXECUTION_SKIPPED_MAX) {
        eng->unlisted++;
        return;
    }
    keel_skipped_order *s = &eng->skipped[plan->skipped_n++];
    *s = (keel_skipped_order){.instrument = i, .qty_units = qty_units};
    keel_reason_set(&s->reason, code, "%s", eng->universe.instruments[i].symbol);
}

/* Why nothing may trade: a state that was never heard is not the same as one that says no. */
static keel_reason_code closed_because(const keel_execution *eng)
{
    return eng->state.mode == KEEL_TRADING_UNSPECIFIED ? KEEL_REASON_STATE_UNKNOWN
                                                       : KEEL_REASON_NOT_TRADING;
}

/* The part of core's trade that the trading state lets pass. */
static int64_t core_allowed(const keel_execution *eng, int i, int64_t qty_units)
{
    return execution_allowed(execution_mode(eng, EXECUTION_CORE, i), eng->held[i], qty_units);
}

/* ---- intents ---- */

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Every intent that came since the last plan stands from now on. */
static void take_intents(keel_execution *eng, keel_order_plan *plan)
{
    const keel_cells before = eng->planned;
    int n = 0, kept = 0;
    eng->planned = eng->fresh;
    eng->fresh = before;
    eng->fresh.n = eng->fresh_new = 0;
    for (int k = 0; k < eng->planned.n; k++) {
        const keel_cell *it = &eng->planned.at[k];
        if (execution_apply(eng, it))
            eng->consumed[n++] = it->version;
        else
            skip(eng, plan, it->instrument, it->target_qty_units, KEEL_REASON_BUDGET_EXHAUSTED);
    }
    if (n > 0)
        qsort(eng->consumed, (size_t)n, sizeof eng->consumed[0], by_number);
    for (int k = 0; k < n; k++) /* a decision may have several intents */
        if (k == 0 || eng->consumed[k] != eng->consumed[kept - 1])
            eng->consumed[kept++] = eng->consumed[k];
    plan->consumed_n = kept;
    plan->consumed_decisions = kept > 0 ? eng->consumed : NULL;
    eng->state.consumed_decision = eng->state.decision_seq;
    if (eng->state.stopped)
        execution_override(eng);
}

/* ---- wishes ---- */

typedef struct wish {
    int cell;
    int64_t qty_units;
} wish;

typedef struct wishes {
    int n;
    wish at[KEEL_BOOK_PARTS_MAX]; /* ascending book */
} wishes;

/* Refuse what a cell wants; it keeps what it holds. Nothing changes while plan is NULL. */
static int64_t refuse(keel_execution *eng, keel_order_plan *plan, keel_cell *c,
                      keel_reason_code code)
{
    if (plan == NULL)
        return 0;
    skip(eng, plan, c->instrument, c->target_qty_units - c->held_units, code);
    c->target_qty_units = c->held_units;
    c->valid_until_ns = 0;
    if (c->held_units == 0)
        c->stop_units = c->take_units = 0;
    return 0;
}

static bool is_below_minimum(const keel_execution *eng, int i, int64_t qty_units)
{
    const keel_instrument *x = &eng->universe.instruments[i];
    int64_t worth;
    if (eng->closes[i] == 0 ||
        keel_worth_micros(eng->closes[i], x->price_exp, qty_units, x->qty_exp, &worth) != KEEL_OK)
        return false; /* without a price risk's own look at it stands */
    return (worth < 0 ? -worth : worth) < x->min_notional_micros;
}

/* What the trading state leaves of a wish. What reduces waits for a better state; an opening is not
 * remembered past a state that was heard. */
static int64_t hold_back(keel_execution *eng, keel_order_plan *plan, keel_cell *c, int64_t allowed)
{
    if (plan == NULL)
        return allowed;
    skip(eng, plan, c->instrument, c->target_qty_units - c->held_units - allowed,
         closed_because(eng));
    if (eng->state.mode != KEEL_TRADING_UNSPECIFIED && keel_cell_opens(c))
        keel_cell_give_up(c, KEEL_REASON_UNSPECIFIED, 0);
    return allowed;
}

/* The quantity that a cell asks the market for; 0 = none. */
static int64_t wish_of(keel_execution *eng, keel_order_plan *plan, keel_cell *c)
{
    const int64_t want = c->target_qty_units - c->held_units;
    const keel_trading_mode mode = execution_mode(eng, c->book, c->instrument);
    const int64_t allowed = execution_allowed(mode, c->held_units, want);
    if (allowed != want)
        return hold_back(eng, plan, c, allowed);
    if (want == 0 || want == -c->held_units) /* closing whole: lots and minimum do not count */
        return want;
    const int64_t lots = want - want % eng->universe.instruments[c->instrument].lot_units;
    if (lots == 0)
        return refuse(eng, plan, c, KEEL_REASON_BELOW_LOT);
    if (is_below_minimum(eng, c->instrument, lots))
        return refuse(eng, plan, c, KEEL_REASON_BELOW_MIN_NOTIONAL);
    if (plan != NULL)
        c->target_qty_units = c->held_units + lots;
    return lots;
}

/* Put a wish among those with older intents; returns the one that finds no room, cell -1 = none. */
static wish put_by_age(const keel_execution *eng, wishes *w, int room, wish it)
{
    wish out = {-1, 0};
    int at = w->n;
    while (at > 0 && eng->cells.at[w->at[at - 1].cell].version > eng->cells.at[it.cell].version)
        at--;
    if (at == room)
        return it;
    if (w->n == room)
        out = w->at[--w->n];
    memmove(&w->at[at + 1], &w->at[at], (size_t)(w->n - at) * sizeof it);
    w->at[at] = it;
    w->n++;
    return out;
}

static int by_cell(const void *a, const void *b)
{
    return ((const wish *)a)->cell - ((const wish *)b)->cell; /* cells lie in the order of books */
}

/* The wishes for an instrument that find room beside core's: oldest intents first, then by book.
 * plan NULL: only look. */
static void collect(keel_execution *eng, keel_order_plan *plan, int i, int64_t core, wishes *out)
{
    const int room = KEEL_BOOK_PARTS_MAX - (core != 0);
    out->n = 0;
    for (int k = eng->first[i]; k >= 0; k = eng->after[k]) {
        const wish it = {k, wish_of(eng, plan, &eng->cells.at[k])};
        if (it.qty_units == 0)
            continue;
        const wish left = put_by_age(eng, out, room, it);
        if (left.cell >= 0 && plan != NULL)
            skip(eng, plan, i, left.qty_units, KEEL_REASON_BUDGET_EXHAUSTED);
    }
    if (out->n > 1)
        qsort(out->at, (size_t)out->n, sizeof out->at[0], by_cell);
}

/* ---- orders that wait ---- */

static int64_t core_part(const keel_execution *eng, const keel_order *order)
{
    const int p = execution_part_of(eng, order, EXECUTION_CORE);
    return p < 0 ? 0 : order->books[p].qty_units;
}

/* True when the order's parts are core's and these wishes. */
static bool says_the_same(const keel_execution *eng, const keel_order *o, int64_t core,
                          const wishes *w)
{
    const int first = core != 0;
    if (o->books_n != w->n + first)
        return false;
    for (int k = 0; k < w->n; k++) {
        const keel_cell *c = &eng->cells.at[w->at[k].cell];
        const keel_book_target *part = &o->books[first + k];
        if (part->qty_units != w->at[k].qty_units || part->intent_version != c->version ||
            strcmp(part->book, eng->books[c->book].name) != 0)
            return false;
    }
    return true;
}

static keel_reason_code review_open(keel_execution *eng, int i)
{
    const keel_order *o = &eng->slots[i].order;
    const int64_t core = core_part(eng, o);
    wishes w;
    if (eng->state.fresh)
        return KEEL_REASON_SUPERSEDED;
    if (core != 0 && core_allowed(eng, i, core) != core)
        return closed_because(eng);
    collect(eng, NULL, i, core, &w);
    if (says_the_same(eng, o, core, &w))
        return KEEL_REASON_NO_BAR;
    eng->waiting[i] = *o; /* core's part goes on in the new order */
    eng->waiting[i].qty_units = core;
    if (o->reason.code == KEEL_REASON_NETTED && eng->state.why.code != KEEL_REASON_UNSPECIFIED)
        eng->waiting[i].reason = eng->state.why;
    return KEEL_REASON_SUPERSEDED;
}

/* Decide what becomes of the orders that are still there. */
static void review_slots(keel_execution *eng, keel_order_plan *plan)
{
    for (int i = 0; i < eng->n; i++) {
        slot *s = &eng->slots[i];
        eng->waiting[i].qty_units = 0;
        if (s->state == SLOT_EMPTY)
            continue;
        const keel_reason_code code =
            s->state == SLOT_UNPAID ? KEEL_REASON_FREE_CASH : review_open(eng, i);
        skip(eng, plan, i, s->order.qty_units, code);
        if (code != KEEL_REASON_NO_BAR)
            s->state = SLOT_EMPTY;
    }
}

static void list_given_up(keel_execution *eng, keel_order_plan *plan)
{
    for (int k = 0; k < eng->cells.n; k++) {
        keel_cell *c = &eng->cells.at[k];
        if (c->given_up == KEEL_REASON_UNSPECIFIED)
            continue;
        skip(eng, plan, c->instrument, c->given_up_units, c->given_up);
        c->given_up = KEEL_REASON_UNSPECIFIED;
        c->given_up_units = 0;
    }
}

/* ---- new orders ---- */

/* Core's wish from the approval; false = none. */
static bool size_core(keel_execution *eng, keel_order_plan *plan, int i, keel_order *out)
{
    keel_plan_answer answer;
    const keel_plan_ask ask = {
        .instrument = &eng->universe.instruments[i],
        .equity_micros = eng->state.equity_micros,
        .price_units = eng->fresh_weights.price_units[i],
        .weight = eng->fresh_weights.weight[i],
        .box_lower = eng->fresh_weights.lower[i],
        .box_upper = eng->fresh_weights.upper[i],
        .held_units = eng->held[i],
        .flatten = eng->state.flatten,
    };
    if (keel_plan_size(&ask, &answer) != KEEL_OK) { /* holdings grew past what was checked */
        skip(eng, plan, i, 0, KEEL_REASON_OUTSIDE_BOX);
        return false;
    }
    if (answer.qty_units == 0) {
        if (answer.skip != KEEL_REASON_UNSPECIFIED)
            skip(eng, plan, i, answer.wanted_units, answer.skip);
        return false;
    }
    const int64_t qty = core_allowed(eng, i, answer.qty_units);
    if (qty != answer.qty_units)
        skip(eng, plan, i, answer.qty_units - qty, closed_because(eng));
    out->qty_units = qty;
    out->reason = eng->state.why;
    out->limit_lo_units = answer.limit_lo_units;
    out->limit_hi_units = answer.limit_hi_units;
    return qty != 0;
}

static void add_part(keel_order *o, const char *book, int64_t qty_units, uint64_t version)
{
    keel_book_target *part = &o->books[o->books_n++];
    *part = (keel_book_target){.qty_units = qty_units, .intent_version = version};
    KEEL_ASSERT(keel_text_copy(part->book, sizeof part->book, book) == KEEL_OK);
}

/* Why strategies trade: the stop when it closes all of them, else their decisions. */
static void explain(const keel_execution *eng, const wishes *w, keel_reason *out)
{
    bool stopped = true;
    const keel_cell *c = &eng->cells.at[w->at[0].cell];
    for (int k = 0; k < w->n; k++)
        stopped = stopped && eng->cells.at[w->at[k].cell].stopped;
    if (stopped)
        keel_reason_set(out, KEEL_REASON_PORTFOLIO_STOP, "portfolio stop");
    else if (w->n == 1)
        keel_reason_set(out, KEEL_REASON_DECISION, "%s: decision %llu", eng->books[c->book].name,
                        (unsigned long long)c->version);
    else
        keel_reason_set(out, KEEL_REASON_DECISION, "decisions of %d books", w->n);
}

/* The parts of an order and their sum; false when it does not fit, which only core's can cause. */
static bool add_up(const keel_execution *eng, const wishes *w, int64_t core, keel_order *o)
{
    keel_i128 sum = core;
    o->books_n = 0;
    if (core != 0)
        add_part(o, eng->books[EXECUTION_CORE].name, core, 0);
    for (int k = 0; k < w->n; k++) {
        const keel_cell *c = &eng->cells.at[w->at[k].cell];
        add_part(o, eng->books[c->book].name, w->at[k].qty_units, c->version);
        sum += w->at[k].qty_units;
    }
    o->qty_units = (int64_t)sum;
    return sum <= KEEL_PLAN_UNITS_MAX && sum >= -KEEL_PLAN_UNITS_MAX;
}

/* Open the order of an instrument: core's part as given (qty 0 = none), and the wishes. */
static void open_order(keel_execution *eng, keel_order_plan *plan, int i, const keel_order *core)
{
    wishes w;
    size_t len = 0;
    slot *s = &eng->slots[i];
    keel_order *o = &s->order;
    collect(eng, plan, i, core->qty_units, &w);
    if (s->state == SLOT_OPEN || (w.n == 0 && core->qty_units == 0))
        return;
    *o = (keel_order){.instrument = i,
                      .limit_lo_units = -KEEL_PLAN_UNITS_MAX,
                      .limit_hi_units = KEEL_PLAN_UNITS_MAX};
    if (core->qty_units != 0) {
        o->reason = core->reason;
        o->limit_lo_units = core->limit_lo_units;
        o->limit_hi_units = core->limit_hi_units;
    } else {
        explain(eng, &w, &o->reason);
    }
    if (!add_up(eng, &w, core->qty_units, o)) {
        skip(eng, plan, i, 0, KEEL_REASON_OUTSIDE_BOX);
        w.n = 0;
        if (!add_up(eng, &w, core->qty_units, o))
            return;
    }
    if (o->qty_units == 0)
        keel_reason_set(&o->reason, KEEL_REASON_NETTED, "%d books cross whole", o->books_n);
    KEEL_ASSERT(keel_text_add(o->order_id, sizeof o->order_id, &len, "%s/%s", plan->plan_id,
                              eng->universe.instruments[i].symbol));
    s->state = SLOT_OPEN;
    eng->orders[plan->orders_n++] = *o;
}

static void open_orders(keel_execution *eng, keel_order_plan *plan)
{
    for (int i = 0; i < eng->n; i++) {
        keel_order *core = &eng->waiting[i]; /* qty 0 unless an order was made anew */
        if (eng->state.fresh && !size_core(eng, plan, i, core))
            core->qty_units = 0;
        open_order(eng, plan, i, core);
    }
}

/* Cash that follows from the approval: exact, because the ledger values holdings the same way. */
static void count_cash(keel_execution *eng)
{
    execution_state *s = &eng->state;
    keel_i128 cash = s->equity_micros;
    for (int i = 0; i < eng->n; i++) {
        const keel_instrument *x = &eng->universe.instruments[i];
        int64_t worth = 0;
        if (eng->held[i] != 0 && keel_worth_micros(eng->fresh_weights.price_units[i], x->price_exp,
                                                   eng->held[i], x->qty_exp, &worth) == KEEL_OK)
            cash -= worth;
    }
    s->cash_micros = cash > INT64_MAX ? INT64_MAX : cash < INT64_MIN ? INT64_MIN : (int64_t)cash;
    KEEL_ASSERT(keel_fraction_of(s->equity_micros, eng->cash_buffer, &s->keep_micros) == KEEL_OK);
}

static void name_plan(const keel_execution *eng, uint64_t step, char id[KEEL_ID_MAX])
{
    size_t len = 0;
    id[0] = '\0';
    KEEL_ASSERT(keel_text_add(id, EXECUTION_PLAN_ID_MAX, &len, "%s/%s/%llu/0", eng->run,
                              eng->portfolio, (unsigned long long)step));
}

keel_status keel_execution_plan(keel_execution *eng, uint64_t step, keel_order_plan *out)
{
    execution_state *s = &eng->state;
    keel_order_plan plan = {.orders = eng->orders, .skipped = eng->skipped};
    if (step <= s->planned_step)
        return KEEL_EORDER;
    name_plan(eng, step, plan.plan_id);
    KEEL_ASSERT(keel_text_copy(plan.portfolio, sizeof plan.portfolio, eng->portfolio) == KEEL_OK);
    eng->unlisted = 0;
    take_intents(eng, &plan);
    execution_chain(eng);
    review_slots(eng, &plan);
    list_given_up(eng, &plan);
    s->consumed_now = s->fresh;
    s->approval_before = s->approval_step;
    if (s->fresh)
        count_cash(eng);
    open_orders(eng, &plan);
    if (s->fresh) {
        plan.approval_hash = s->fresh_hash;
        s->approval_step = s->fresh_step;
        s->approval_hash = s->fresh_hash;
        s->hash_only = false;
        s->fresh = false;
    }
    execution_tidy(eng);
    s->planned_step = step;
    s->fills = 0;
    memcpy(s->plan_id, plan.plan_id, sizeof s->plan_id);
    *out = plan;
    return KEEL_OK;
}
