/* Starting again from one's own records (P4 of docs/protocol.md). What a record says is a fact: it
 * is folded in as it stands and nothing is planned or dealt again.
 */
#include "services/execution/engine/execution.h"

#include "common/domain/fixed.h"
#include "services/execution/engine/execution_internal.h"
#include "services/execution/engine/plan.h"

#include <string.h>

static bool units_ok(int64_t units)
{
    return units <= KEEL_PLAN_UNITS_MAX && units >= -KEEL_PLAN_UNITS_MAX;
}

static keel_status check_order(const keel_execution *eng, const keel_order *o)
{
    if (o->instrument < 0 || o->instrument >= eng->n)
        return KEEL_EUNKNOWN;
    return o->qty_units != 0 && units_ok(o->qty_units) ? KEEL_OK : KEEL_EINVAL;
}

static void take_order(keel_execution *eng, const keel_order *o)
{
    eng->slots[o->instrument] = (slot){.state = SLOT_OPEN, .order = *o};
}

static keel_status check_plan(const keel_execution *eng, uint64_t step, const keel_order_plan *plan)
{
    if (strcmp(plan->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    if (step < eng->state.planned_step)
        return KEEL_EORDER;
    for (int i = 0; i < plan->orders_n; i++)
        KEEL_TRY(check_order(eng, &plan->orders[i]));
    for (int i = 0; i < plan->skipped_n; i++) {
        if (plan->skipped[i].instrument < 0 || plan->skipped[i].instrument >= eng->n)
            return KEEL_EUNKNOWN;
    }
    return KEEL_OK;
}

/* The log holds another plan of this step than the one just made: take back what was made, and let
 * an approval that only the own plan consumed wait for the next. */
static void take_back(keel_execution *eng, const keel_order_plan *stored)
{
    execution_state *s = &eng->state;
    const size_t len = strlen(s->plan_id);
    for (int i = 0; i < eng->n; i++) {
        const char *id = eng->slots[i].order.order_id;
        if (strncmp(id, s->plan_id, len) == 0 && id[len] == '/')
            eng->slots[i].state = SLOT_EMPTY;
    }
    if (s->consumed_now && stored->approval_hash != s->approval_hash) {
        s->fresh = true;
        s->approval_step = s->approval_before;
    }
}

keel_status keel_execution_on_own_plan(keel_execution *eng, uint64_t step,
                                       const keel_order_plan *plan)
{
    execution_state *s = &eng->state;
    KEEL_TRY(check_plan(eng, step, plan));
    if (step == s->planned_step)
        take_back(eng, plan);
    for (int i = 0; i < plan->skipped_n; i++) {
        if (plan->skipped[i].reason.code != KEEL_REASON_NO_BAR)
            eng->slots[plan->skipped[i].instrument].state = SLOT_EMPTY;
    }
    for (int i = 0; i < plan->orders_n; i++)
        take_order(eng, &plan->orders[i]);
    if (plan->approval_hash != 0) {
        s->approval_hash = plan->approval_hash;
        s->hash_only = true;
        s->fresh = s->fresh && s->fresh_hash != plan->approval_hash;
    }
    s->planned_step = step;
    s->consumed_now = false;
    s->fills = 0;
    memcpy(s->plan_id, plan->plan_id, sizeof s->plan_id);
    return KEEL_OK;
}

keel_status keel_execution_on_own_fill(keel_execution *eng, const keel_fill *fill)
{
    keel_i128 cash = eng->state.cash_micros;
    if (fill->instrument < 0 || fill->instrument >= eng->n)
        return KEEL_EUNKNOWN;
    slot *s = &eng->slots[fill->instrument];
    if (s->state != SLOT_OPEN || strcmp(s->order.order_id, fill->order_id) != 0)
        return KEEL_ENOTFOUND;
    if (!units_ok(fill->qty_units) || !units_ok(eng->held[fill->instrument] + fill->qty_units))
        return KEEL_EINVAL;
    for (int b = 0; b < fill->books_n; b++)
        cash += strcmp(fill->books[b].book, eng->book) == 0 ? fill->books[b].cash_micros : 0;
    if (cash > INT64_MAX || cash < INT64_MIN)
        return KEEL_EINVAL;
    eng->held[fill->instrument] += fill->qty_units;
    eng->state.cash_micros = (int64_t)cash;
    if (fill->fill_ns > eng->state.row_ns)
        eng->state.row_ns = fill->fill_ns;
    s->state = SLOT_EMPTY;
    eng->state.fills++;
    return KEEL_OK;
}

static keel_status check_done(const keel_execution *eng, const keel_plan_done *done)
{
    if (strcmp(done->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    for (int i = 0; i < done->open_n; i++)
        KEEL_TRY(check_order(eng, &done->open_orders[i]));
    for (int i = 0; i < done->positions_n; i++) {
        const keel_held_position *p = &done->positions[i];
        if (p->instrument < 0 || p->instrument >= eng->n || strcmp(p->book, eng->book) != 0)
            return KEEL_EUNKNOWN;
        if (!units_ok(p->qty_units))
            return KEEL_EINVAL;
    }
    return KEEL_OK;
}

keel_status keel_execution_on_own_plan_done(keel_execution *eng, uint64_t step,
                                            const keel_plan_done *done)
{
    execution_state *s = &eng->state;
    KEEL_TRY(check_done(eng, done));
    for (int i = 0; i < eng->n; i++) {
        eng->held[i] = 0;
        eng->slots[i].state = SLOT_EMPTY;
    }
    for (int i = 0; i < done->positions_n; i++)
        eng->held[done->positions[i].instrument] = done->positions[i].qty_units;
    for (int i = 0; i < done->open_n; i++)
        take_order(eng, &done->open_orders[i]);
    s->planned_step = step;
    s->approval_step = done->approval_step;
    s->hash_only = false;
    s->fresh = s->fresh && s->fresh_step > done->approval_step;
    s->cash_micros = done->cash_micros;
    s->fills = done->fills;
    memcpy(s->plan_id, done->plan_id, sizeof s->plan_id);
    return KEEL_OK;
}
