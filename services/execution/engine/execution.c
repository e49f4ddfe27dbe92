#include "services/execution/engine/execution.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/domain/fixed.h"
#include "services/execution/engine/execution_internal.h"
#include "services/execution/engine/plan.h"

#include <math.h>
#include <string.h>

static bool rate_ok(int64_t milli_bps)
{
    return milli_bps >= 0 && milli_bps <= KEEL_BROKER_MILLI_BPS_MAX;
}

static keel_status check_cfg(const keel_execution_cfg *cfg, keel_err *err)
{
    if (cfg->universe == NULL || cfg->universe->n < 1 || cfg->universe->n > KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_EINVAL, "execution: no instruments");
    if (!keel_name_ok(cfg->run, KEEL_EXECUTION_RUN_MAX))
        return keel_err_set(err, KEEL_EINVAL, "execution: run id '%s'", cfg->run);
    if (!keel_name_ok(cfg->portfolio, KEEL_NAME_MAX) || !keel_name_ok(cfg->book, KEEL_NAME_MAX))
        return keel_err_set(err, KEEL_EINVAL, "execution: portfolio or book name");
    if (!rate_ok(cfg->rates.fee_milli_bps) || !rate_ok(cfg->rates.slippage_milli_bps))
        return keel_err_set(err, KEEL_ERANGE, "execution: fee_bps and slippage_bps: 0..1000");
    if (!isfinite(cfg->cash_buffer) || cfg->cash_buffer < 0.0 || cfg->cash_buffer > 1.0)
        return keel_err_set(err, KEEL_ERANGE, "execution: cash_buffer: 0..1");
    return KEEL_OK;
}

keel_execution *keel_execution_new(const keel_execution_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    const size_t n = (size_t)cfg->universe->n;
    keel_execution *eng = keel_xcalloc(1, sizeof *eng);
    KEEL_ASSERT(keel_text_copy(eng->run, sizeof eng->run, cfg->run) == KEEL_OK);
    KEEL_ASSERT(keel_text_copy(eng->portfolio, sizeof eng->portfolio, cfg->portfolio) == KEEL_OK);
    KEEL_ASSERT(keel_text_copy(eng->book, sizeof eng->book, cfg->book) == KEEL_OK);
    eng->universe = *cfg->universe;
    eng->rates = cfg->rates;
    eng->cash_buffer = cfg->cash_buffer;
    eng->n = cfg->universe->n;
    eng->fresh.weight = keel_xcalloc(n, sizeof(double));
    eng->fresh.lower = keel_xcalloc(n, sizeof(double));
    eng->fresh.upper = keel_xcalloc(n, sizeof(double));
    eng->fresh.price_units = keel_xcalloc(n, sizeof(int64_t));
    eng->held = keel_xcalloc(n, sizeof *eng->held);
    eng->slots = keel_xcalloc(n, sizeof *eng->slots);
    eng->orders = keel_xcalloc(n, sizeof *eng->orders);
    eng->skipped = keel_xcalloc(2 * n, sizeof *eng->skipped);
    eng->fills = keel_xcalloc(n, sizeof *eng->fills);
    eng->reported = keel_xcalloc(n, sizeof *eng->reported);
    eng->deals = keel_xcalloc(n, sizeof *eng->deals);
    return eng;
}

void keel_execution_free(keel_execution **eng)
{
    if (*eng == NULL)
        return;
    keel_free(&(*eng)->fresh.weight);
    keel_free(&(*eng)->fresh.lower);
    keel_free(&(*eng)->fresh.upper);
    keel_free(&(*eng)->fresh.price_units);
    keel_free(&(*eng)->held);
    keel_free(&(*eng)->slots);
    keel_free(&(*eng)->orders);
    keel_free(&(*eng)->skipped);
    keel_free(&(*eng)->fills);
    keel_free(&(*eng)->reported);
    keel_free(&(*eng)->deals);
    keel_free(eng);
}

/* ---- inputs ---- */

static keel_plan_ask ask_of(const keel_execution *eng, const keel_approved_allocation *a, int i)
{
    return (keel_plan_ask){
        .instrument = &eng->universe.instruments[i],
        .equity_micros = a->equity_micros,
        .price_units = a->price_units[i],
        .weight = a->weights[i],
        .box_lower = a->box_lower[i],
        .box_upper = a->box_upper[i],
        .held_units = eng->held[i],
        .flatten = a->method == KEEL_METHOD_FLATTEN,
    };
}

static keel_status check_approval(const keel_execution *eng, const keel_approved_allocation *a,
                                  uint64_t payload_hash, uint64_t step)
{
    keel_plan_answer answer;
    int64_t worth;
    const execution_state *s = &eng->state;
    if (strcmp(a->portfolio, eng->portfolio) != 0 || strcmp(a->book, eng->book) != 0 ||
        a->universe_hash != eng->universe.hash)
        return KEEL_EUNKNOWN;
    if (a->n != eng->n || a->equity_micros < 0)
        return KEEL_EINVAL;
    if ((s->approval_step > 0 && step <= s->approval_step) || (s->fresh && step < s->fresh_step) ||
        (s->hash_only && payload_hash == s->approval_hash))
        return KEEL_ESTALE;
    for (int i = 0; i < eng->n; i++) {
        const keel_plan_ask ask = ask_of(eng, a, i);
        if (ask.price_units < 0)
            return KEEL_ENONFINITE;
        KEEL_TRY(keel_plan_size(&ask, &answer));
        KEEL_TRY(keel_worth_micros(ask.price_units, ask.instrument->price_exp, eng->held[i],
                                   ask.instrument->qty_exp, &worth));
    }
    return KEEL_OK;
}

/* A fill is explained by what asked for it: the stop that flattened, or the rebalance. */
static void explain(execution_state *s, const keel_approved_allocation *a)
{
    const bool flatten = a->method == KEEL_METHOD_FLATTEN;
    const char *text =
        flatten || a->rebalance_reason.text[0] == '\0' ? a->reason.text : a->rebalance_reason.text;
    keel_reason_set(&s->why, flatten ? KEEL_REASON_PORTFOLIO_STOP : KEEL_REASON_REBALANCE, "%s",
                    text);
}

keel_status keel_execution_on_approval(keel_execution *eng,
                                       const keel_approved_allocation *approval,
                                       uint64_t payload_hash, uint64_t step)
{
    execution_state *s = &eng->state;
    KEEL_TRY(check_approval(eng, approval, payload_hash, step));
    const size_t n = (size_t)eng->n;
    memcpy(eng->fresh.weight, approval->weights, n * sizeof(double));
    memcpy(eng->fresh.lower, approval->box_lower, n * sizeof(double));
    memcpy(eng->fresh.upper, approval->box_upper, n * sizeof(double));
    memcpy(eng->fresh.price_units, approval->price_units, n * sizeof(int64_t));
    s->fresh = true;
    s->flatten = approval->method == KEEL_METHOD_FLATTEN;
    s->fresh_step = step;
    s->fresh_hash = payload_hash;
    s->equity_micros = approval->equity_micros;
    explain(s, approval);
    return KEEL_OK;
}

keel_status keel_execution_on_trading(keel_execution *eng, const keel_trading_state *state)
{
    if (strcmp(state->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    const bool known = state->mode == KEEL_TRADING_ACTIVE || state->mode == KEEL_TRADING_REDUCING;
    eng->state.mode = known ? state->mode : KEEL_TRADING_HALTED;
    return KEEL_OK;
}

/* ---- plan ---- */

static void skip(keel_execution *eng, keel_order_plan *plan, int i, int64_t qty_units,
                 keel_reason_code code)
{
    KEEL_ASSERT(plan->skipped_n < 2 * eng->n);
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

/* The part of a trade that the trading state lets pass. */
static int64_t allowed(const keel_execution *eng, int i, int64_t qty_units)
{
    if (eng->state.mode == KEEL_TRADING_ACTIVE)
        return qty_units;
    return eng->state.mode == KEEL_TRADING_REDUCING ? keel_plan_reducing(eng->held[i], qty_units)
                                                    : 0;
}

/* Decide what becomes of the orders that are still there. */
static void review_slots(keel_execution *eng, keel_order_plan *plan)
{
    for (int i = 0; i < eng->n; i++) {
        slot *s = &eng->slots[i];
        keel_reason_code code = KEEL_REASON_NO_BAR;
        if (s->state == SLOT_EMPTY)
            continue;
        if (s->state == SLOT_UNPAID)
            code = KEEL_REASON_FREE_CASH;
        else if (eng->state.fresh)
            code = KEEL_REASON_SUPERSEDED;
        else if (allowed(eng, i, s->order.qty_units) != s->order.qty_units)
            code = closed_because(eng);
        skip(eng, plan, i, s->order.qty_units, code);
        if (code != KEEL_REASON_NO_BAR)
            s->state = SLOT_EMPTY;
    }
}

static void open_order(keel_execution *eng, keel_order_plan *plan, int i,
                       const keel_plan_answer *answer, int64_t qty_units)
{
    size_t len = 0;
    slot *s = &eng->slots[i];
    keel_order *o = &s->order;
    *o = (keel_order){
        .instrument = i,
        .qty_units = qty_units,
        .reason = eng->state.why,
        .books_n = 1,
        .limit_lo_units = answer->limit_lo_units,
        .limit_hi_units = answer->limit_hi_units,
    };
    o->books[0].qty_units = qty_units;
    KEEL_ASSERT(keel_text_copy(o->books[0].book, sizeof o->books[0].book, eng->book) == KEEL_OK);
    KEEL_ASSERT(keel_text_add(o->order_id, sizeof o->order_id, &len, "%s/%s", plan->plan_id,
                              eng->universe.instruments[i].symbol));
    s->state = SLOT_OPEN;
    eng->orders[plan->orders_n++] = *o;
}

static void plan_instrument(keel_execution *eng, keel_order_plan *plan, int i)
{
    keel_plan_answer answer;
    const keel_plan_ask ask = {
        .instrument = &eng->universe.instruments[i],
        .equity_micros = eng->state.equity_micros,
        .price_units = eng->fresh.price_units[i],
        .weight = eng->fresh.weight[i],
        .box_lower = eng->fresh.lower[i],
        .box_upper = eng->fresh.upper[i],
        .held_units = eng->held[i],
        .flatten = eng->state.flatten,
    };
    if (keel_plan_size(&ask, &answer) != KEEL_OK) { /* holdings grew past what was checked */
        skip(eng, plan, i, 0, KEEL_REASON_OUTSIDE_BOX);
        return;
    }
    if (answer.qty_units == 0) {
        if (answer.skip != KEEL_REASON_UNSPECIFIED)
            skip(eng, plan, i, answer.wanted_units, answer.skip);
        return;
    }
    const int64_t qty = allowed(eng, i, answer.qty_units);
    if (qty != answer.qty_units)
        skip(eng, plan, i, answer.qty_units - qty, closed_because(eng));
    if (qty != 0)
        open_order(eng, plan, i, &answer, qty);
}

/* Cash that follows from the approval: exact, because the ledger values holdings the same way. */
static void count_cash(keel_execution *eng)
{
    execution_state *s = &eng->state;
    keel_i128 cash = s->equity_micros;
    for (int i = 0; i < eng->n; i++) {
        const keel_instrument *x = &eng->universe.instruments[i];
        int64_t worth = 0;
        if (eng->held[i] != 0 && keel_worth_micros(eng->fresh.price_units[i], x->price_exp,
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
    KEEL_ASSERT(keel_text_add(id, KEEL_ID_MAX, &len, "%s/%s/%llu/0", eng->run, eng->portfolio,
                              (unsigned long long)step));
}

keel_status keel_execution_plan(keel_execution *eng, uint64_t step, keel_order_plan *out)
{
    execution_state *s = &eng->state;
    keel_order_plan plan = {.orders = eng->orders, .skipped = eng->skipped};
    if (step <= s->planned_step)
        return KEEL_EORDER;
    name_plan(eng, step, plan.plan_id);
    KEEL_ASSERT(keel_text_copy(plan.portfolio, sizeof plan.portfolio, eng->portfolio) == KEEL_OK);
    review_slots(eng, &plan);
    s->consumed_now = s->fresh;
    s->approval_before = s->approval_step;
    if (s->fresh) {
        count_cash(eng);
        for (int i = 0; i < eng->n; i++)
            plan_instrument(eng, &plan, i);
        plan.approval_hash = s->fresh_hash;
        s->approval_step = s->fresh_step;
        s->approval_hash = s->fresh_hash;
        s->hash_only = false;
        s->fresh = false;
    }
    s->planned_step = step;
    s->fills = 0;
    memcpy(s->plan_id, plan.plan_id, sizeof s->plan_id);
    *out = plan;
    return KEEL_OK;
}

/* ---- fills ---- */

static bool opens_by_buying(const keel_execution *eng, int i)
{
    const int64_t qty = eng->slots[i].order.qty_units;
    return qty > 0 && keel_plan_reducing(eng->held[i], qty) != qty;
}

static keel_status deal_of(const keel_execution *eng, const keel_bar_row *row, int i,
                           int64_t qty_units, keel_deal *out)
{
    return keel_broker_deal(&eng->rates, &eng->universe.instruments[i], row, i, qty_units, out);
}

/* The whole deal of every open order that has a bar. Reads state only. */
static keel_status deal_all(keel_execution *eng, const keel_bar_row *row)
{
    keel_i128 cash = eng->state.cash_micros;
    for (int i = 0; i < eng->n; i++) {
        eng->deals[i] = (keel_deal){0};
        if (eng->slots[i].state != SLOT_OPEN || row->close_units[i] == 0)
            continue;
        KEEL_TRY(deal_of(eng, row, i, eng->slots[i].order.qty_units, &eng->deals[i]));
        const int64_t held = eng->held[i] + eng->deals[i].qty_units;
        if (held > KEEL_PLAN_UNITS_MAX || held < -KEEL_PLAN_UNITS_MAX)
            return KEEL_EOVERFLOW;
        cash += eng->deals[i].cash_micros > 0 ? eng->deals[i].cash_micros : 0;
        if (cash > INT64_MAX)
            return KEEL_EOVERFLOW;
    }
    return KEEL_OK;
}

static bool worth_dealing(const keel_execution *eng, int i, const keel_deal *d)
{
    return -(keel_i128)d->cash_micros - d->fee_micros >=
           eng->universe.instruments[i].min_notional_micros;
}

/* Lots of a buy that `free` of `cost` pays for; the deal's own roundings can ask for a lot less. */
static keel_status cut_buy(const keel_execution *eng, const keel_bar_row *row, int i,
                           keel_i128 free, keel_i128 cost)
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

/* Scale the buys that open so that they leave the buffer. Reads state, changes deals only. */
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
        if (eng->deals[i].qty_units == 0 || !opens_by_buying(eng, i))
            continue;
        KEEL_TRY(cut_buy(eng, row, i, free < 0 ? 0 : free, cost));
        if (eng->deals[i].qty_units == 0)
            eng->slots[i].state = SLOT_UNPAID;
    }
    return KEEL_OK;
}

static void book_fill(keel_execution *eng, const keel_bar_row *row, int i)
{
    size_t len = 0;
    const keel_deal *d = &eng->deals[i];
    slot *s = &eng->slots[i];
    keel_fill *f = &eng->fills[eng->state.fills];
    *f = (keel_fill){
        .instrument = i,
        .qty_units = d->qty_units,
        .price_units = d->price_units,
        .reference_units = d->reference_units,
        .fee_micros = d->fee_micros,
        .slippage_micros = d->slippage_micros,
        .fill_ns = row->close_ns,
        .reason = s->order.reason,
        .books_n = 1,
    };
    memcpy(f->order_id, s->order.order_id, sizeof f->order_id);
    KEEL_ASSERT(keel_text_add(f->fill_id, sizeof f->fill_id, &len, "%s/0", f->order_id));
    f->books[0] = (keel_book_fill){
        .qty_units = d->qty_units,
        .cash_micros = d->cash_micros,
        .fee_micros = d->fee_micros,
        .slippage_micros = d->slippage_micros,
    };
    KEEL_ASSERT(keel_text_copy(f->books[0].book, sizeof f->books[0].book, eng->book) == KEEL_OK);
    eng->held[i] += d->qty_units;
    eng->state.cash_micros += d->cash_micros;
    s->state = SLOT_EMPTY;
    eng->state.fills++;
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
    for (int opening = 0; opening < 2; opening++) {
        for (int i = 0; i < eng->n; i++) {
            if (eng->deals[i].qty_units != 0 && eng->slots[i].state == SLOT_OPEN &&
                opens_by_buying(eng, i) == (opening == 1))
                book_fill(eng, row, i);
        }
    }
    eng->state.row_ns = row->close_ns;
    *fills = eng->fills;
    *fills_n = eng->state.fills;
    return KEEL_OK;
}

void keel_execution_done(keel_execution *eng, keel_plan_done *out)
{
    const execution_state *s = &eng->state;
    keel_plan_done done = {
        .fills = s->fills,
        .open_orders = eng->orders,
        .positions = eng->reported,
        .approval_step = s->approval_step,
        .cash_micros = s->cash_micros,
    };
    memcpy(done.portfolio, eng->portfolio, sizeof done.portfolio);
    memcpy(done.plan_id, s->plan_id, sizeof done.plan_id);
    for (int i = 0; i < eng->n; i++) {
        if (eng->slots[i].state == SLOT_OPEN)
            eng->orders[done.open_n++] = eng->slots[i].order;
        if (eng->held[i] == 0)
            continue;
        keel_held_position *p = &eng->reported[done.positions_n++];
        *p = (keel_held_position){.instrument = i, .qty_units = eng->held[i]};
        memcpy(p->book, eng->book, sizeof p->book);
    }
    *out = done;
}

int64_t keel_execution_held(const keel_execution *eng, int instrument)
{
    KEEL_ASSERT(instrument >= 0 && instrument < eng->n);
    return eng->held[instrument];
}

int64_t keel_execution_cash(const keel_execution *eng)
{
    return eng->state.cash_micros;
}
