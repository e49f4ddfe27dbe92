/* Starting again from one's own records (P4 of docs/protocol.md). What a record says is a fact: it
 * is folded in as it stands and nothing is planned or dealt again.
 */
#include "services/execution/engine/execution.h"

#include "common/base/assert.h"
#include "common/domain/fixed.h"
#include "services/execution/engine/execution_internal.h"
#include "services/execution/engine/plan.h"

#include <string.h>

static bool units_ok(int64_t units)
{
    return units <= KEEL_PLAN_UNITS_MAX && units >= -KEEL_PLAN_UNITS_MAX;
}

static bool cell_units_ok(int64_t units)
{
    return units <= KEEL_CELL_UNITS_MAX && units >= -KEEL_CELL_UNITS_MAX;
}

static keel_status check_order(const keel_execution *eng, const keel_order *o)
{
    keel_i128 sum = 0;
    if (o->instrument < 0 || o->instrument >= eng->n)
        return KEEL_EUNKNOWN;
    if (o->books_n < 1 || o->books_n > KEEL_BOOK_PARTS_MAX || strlen(o->order_id) + 3 > KEEL_ID_MAX)
        return KEEL_EINVAL;
    for (int p = 0; p < o->books_n; p++) {
        const keel_book_target *part = &o->books[p];
        const int book = execution_find_book(eng, part->book);
        if (book < 0)
            return KEEL_EUNKNOWN;
        if (part->qty_units == 0 || (book == EXECUTION_CORE) != (part->intent_version == 0) ||
            (book != EXECUTION_CORE && !cell_units_ok(part->qty_units)))
            return KEEL_EINVAL;
        sum += part->qty_units;
    }
    return sum == o->qty_units && units_ok(o->qty_units) ? KEEL_OK : KEEL_EINVAL;
}

/* ---- a plan ---- */

static keel_status check_plan(const keel_execution *eng, uint64_t step, const keel_order_plan *plan)
{
    if (strcmp(plan->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    if (step < eng->state.planned_step)
        return KEEL_EORDER;
    if (strlen(plan->plan_id) >= EXECUTION_PLAN_ID_MAX)
        return KEEL_EINVAL;
    for (int i = 0; i < plan->orders_n; i++)
        KEEL_TRY(check_order(eng, &plan->orders[i]));
    for (int i = 0; i < plan->skipped_n; i++) {
        if (plan->skipped[i].instrument < 0 || plan->skipped[i].instrument >= eng->n)
            return KEEL_EUNKNOWN;
    }
    return KEEL_OK;
}

/* What the last plan considered waits again; what came later for the same pair stands. */
static void take_back_intents(keel_execution *eng)
{
    for (int k = 0; k < eng->planned.n; k++) {
        const keel_cell *p = &eng->planned.at[k];
        if (p->version <= eng->state.consumed_decision ||
            keel_cells_find(&eng->fresh, p->book, p->instrument) != NULL)
            continue;
        keel_cell *c = keel_cells_take(&eng->fresh, p->book, p->instrument);
        if (c != NULL)
            *c = *p;
    }
    eng->planned.n = 0;
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

static bool is_listed(const keel_order_plan *plan, uint64_t version)
{
    for (int k = 0; k < plan->consumed_n; k++)
        if (plan->consumed_decisions[k] == version)
            return true;
    return false;
}

/* Intents that the stored plan considered stand now; the others wait for the next plan. */
static void take_consumed(keel_execution *eng, const keel_order_plan *plan)
{
    execution_state *s = &eng->state;
    int kept = 0;
    for (int k = 0; k < eng->fresh.n; k++) {
        const keel_cell it = eng->fresh.at[k];
        if (!is_listed(plan, it.version) || !execution_apply(eng, &it))
            eng->fresh.at[kept++] = it;
    }
    eng->fresh.n = kept;
    for (int k = 0; k < plan->consumed_n; k++)
        if (plan->consumed_decisions[k] > s->consumed_decision)
            s->consumed_decision = plan->consumed_decisions[k];
    if (s->consumed_decision > s->decision_seq)
        s->decision_seq = s->consumed_decision;
    if (s->stopped)
        execution_override(eng);
}

/* An order in force. An intent that was not heard yet, newer than `known`, wants what its part
 * leads to; its prices and time come with its decision. An older one without a cell is given up. */
static void take_order(keel_execution *eng, const keel_order *o, uint64_t known)
{
    eng->slots[o->instrument] = (slot){.state = SLOT_OPEN, .order = *o};
    for (int p = 0; p < o->books_n; p++) {
        const keel_book_target *part = &o->books[p];
        const int book = execution_find_book(eng, part->book);
        if (part->intent_version <= known) /* core's is 0 */
            continue;
        keel_cell *c = keel_cells_take(&eng->cells, book, o->instrument);
        if (c == NULL || c->version >= part->intent_version ||
            !cell_units_ok(c->held_units + part->qty_units))
            continue;
        *c = (keel_cell){
            .book = book,
            .instrument = o->instrument,
            .held_units = c->held_units,
            .target_qty_units = c->held_units + part->qty_units,
            .version = part->intent_version,
            .bare = true,
        };
    }
}

/* An order that the plan says waits for a bar stays; any other that it speaks of is gone. */
static void take_skips(keel_execution *eng, const keel_order_plan *plan)
{
    bool waits[KEEL_UNIVERSE_MAX] = {false};
    for (int i = 0; i < plan->skipped_n; i++)
        if (plan->skipped[i].reason.code == KEEL_REASON_NO_BAR)
            waits[plan->skipped[i].instrument] = true;
    for (int i = 0; i < plan->skipped_n; i++)
        if (!waits[plan->skipped[i].instrument])
            eng->slots[plan->skipped[i].instrument].state = SLOT_EMPTY;
}

keel_status keel_execution_on_own_plan(keel_execution *eng, uint64_t step,
                                       const keel_order_plan *plan)
{
    execution_state *s = &eng->state;
    KEEL_TRY(check_plan(eng, step, plan));
    const uint64_t known = s->consumed_decision;
    if (step == s->planned_step)
        take_back(eng, plan);
    take_consumed(eng, plan);
    take_skips(eng, plan);
    for (int i = 0; i < plan->orders_n; i++)
        take_order(eng, &plan->orders[i], known);
    execution_tidy(eng);
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

/* ---- a fill ---- */

/* The cell of a part of a fill, or NULL for core's and netting's. */
static keel_cell *cell_of(const keel_execution *eng, const keel_fill *fill, int part)
{
    const int book = execution_find_book(eng, fill->books[part].book);
    return book > EXECUTION_CORE ? keel_cells_find(&eng->cells, book, fill->instrument) : NULL;
}

static keel_status check_fill_part(const keel_execution *eng, const keel_fill *fill, int p)
{
    const keel_book_fill *part = &fill->books[p];
    const int book = execution_find_book(eng, part->book);
    if (book < 0)
        return strcmp(part->book, "netting") == 0 ? KEEL_OK : KEEL_EUNKNOWN;
    if (!units_ok(part->qty_units))
        return KEEL_EINVAL;
    if (book == EXECUTION_CORE)
        return units_ok(eng->held[fill->instrument] + part->qty_units) ? KEEL_OK : KEEL_EINVAL;
    const keel_cell *c = cell_of(eng, fill, p);
    if (c == NULL)
        return KEEL_ENOTFOUND;
    return cell_units_ok(part->qty_units) && cell_units_ok(c->held_units + part->qty_units)
               ? KEEL_OK
               : KEEL_EINVAL;
}

static keel_status check_fill(const keel_execution *eng, const keel_fill *fill)
{
    keel_i128 cash = eng->state.cash_micros;
    if (fill->instrument < 0 || fill->instrument >= eng->n)
        return KEEL_EUNKNOWN;
    const slot *s = &eng->slots[fill->instrument];
    const bool exits = fill->reason.code == KEEL_REASON_TRIGGER;
    if (!exits && (s->state != SLOT_OPEN || strcmp(s->order.order_id, fill->order_id) != 0))
        return KEEL_ENOTFOUND;
    for (int p = 0; p < fill->books_n; p++) {
        KEEL_TRY(check_fill_part(eng, fill, p));
        if (strcmp(fill->books[p].book, eng->books[EXECUTION_CORE].name) == 0)
            cash += fill->books[p].cash_micros;
    }
    return cash > INT64_MAX || cash < INT64_MIN ? KEEL_EINVAL : KEEL_OK;
}

static void take_part(keel_execution *eng, const keel_fill *fill, int p)
{
    const keel_book_fill *part = &fill->books[p];
    keel_cell *c = cell_of(eng, fill, p);
    if (execution_find_book(eng, part->book) == EXECUTION_CORE) {
        eng->held[fill->instrument] += part->qty_units;
        eng->state.cash_micros += part->cash_micros;
    }
    if (c == NULL)
        return;
    c->held_units += part->qty_units;
    if (fill->reason.code == KEEL_REASON_TRIGGER)
        keel_cell_close(c);
    else if (c->held_units == c->target_qty_units)
        c->valid_until_ns = 0;
}

keel_status keel_execution_on_own_fill(keel_execution *eng, const keel_fill *fill)
{
    KEEL_TRY(check_fill(eng, fill));
    for (int p = 0; p < fill->books_n; p++)
        take_part(eng, fill, p);
    if (fill->fill_ns > eng->state.row_ns)
        eng->state.row_ns = fill->fill_ns;
    if (fill->reason.code != KEEL_REASON_TRIGGER)
        eng->slots[fill->instrument].state = SLOT_EMPTY;
    execution_tidy(eng);
    eng->state.fills++;
    return KEEL_OK;
}

/* ---- the end of a step ---- */

static keel_status check_position(const keel_execution *eng, const keel_held_position *p)
{
    const int book = execution_find_book(eng, p->book);
    if (p->instrument < 0 || p->instrument >= eng->n || book < 0)
        return KEEL_EUNKNOWN;
    if (book == EXECUTION_CORE)
        return p->intent_version == 0 && units_ok(p->qty_units) ? KEEL_OK : KEEL_EINVAL;
    return p->intent_version != 0 && cell_units_ok(p->qty_units) &&
                   cell_units_ok(p->target_qty_units) && p->stop_units >= 0 &&
                   p->target_units >= 0 && p->valid_until_ns >= 0
               ? KEEL_OK
               : KEEL_EINVAL;
}

static keel_status check_done(const keel_execution *eng, const keel_plan_done *done)
{
    int cells = 0;
    if (strcmp(done->portfolio, eng->portfolio) != 0)
        return KEEL_EUNKNOWN;
    if (strlen(done->plan_id) >= EXECUTION_PLAN_ID_MAX)
        return KEEL_EINVAL;
    for (int i = 0; i < done->open_n; i++)
        KEEL_TRY(check_order(eng, &done->open_orders[i]));
    for (int i = 0; i < done->positions_n; i++) {
        KEEL_TRY(check_position(eng, &done->positions[i]));
        cells += done->positions[i].intent_version != 0;
    }
    return cells > eng->cells.max ? KEEL_ENOSPC : KEEL_OK;
}

static void take_position(keel_execution *eng, const keel_held_position *p)
{
    const int book = execution_find_book(eng, p->book);
    if (book == EXECUTION_CORE) {
        eng->held[p->instrument] = p->qty_units;
        return;
    }
    keel_cell *c = keel_cells_take(&eng->cells, book, p->instrument);
    KEEL_ASSERT(c != NULL);
    *c = (keel_cell){
        .book = book,
        .instrument = p->instrument,
        .held_units = p->qty_units,
        .target_qty_units = p->target_qty_units,
        .version = p->intent_version,
        .stop_units = p->stop_units,
        .take_units = p->target_units,
        .valid_until_ns = p->valid_until_ns,
        .stopped = p->stopped,
    };
}

/* Intents newer than the record wait for a plan; older ones are in it. */
static void drop_consumed(keel_execution *eng)
{
    int kept = 0;
    for (int k = 0; k < eng->fresh.n; k++)
        if (eng->fresh.at[k].version > eng->state.consumed_decision)
            eng->fresh.at[kept++] = eng->fresh.at[k];
    eng->fresh.n = kept;
}

keel_status keel_execution_on_own_plan_done(keel_execution *eng, uint64_t step,
                                            const keel_plan_done *done)
{
    execution_state *s = &eng->state;
    KEEL_TRY(check_done(eng, done));
    memset(eng->held, 0, (size_t)eng->n * sizeof *eng->held);
    for (int i = 0; i < eng->n; i++)
        eng->slots[i].state = SLOT_EMPTY;
    eng->cells.n = 0;
    for (int i = 0; i < done->positions_n; i++)
        take_position(eng, &done->positions[i]);
    for (int i = 0; i < done->open_n; i++)
        take_order(eng, &done->open_orders[i], done->consumed_decision_seq);
    s->consumed_decision = done->consumed_decision_seq;
    if (s->decision_seq < s->consumed_decision)
        s->decision_seq = s->consumed_decision;
    take_back_intents(eng);
    drop_consumed(eng);
    execution_tidy(eng);
    s->planned_step = step;
    s->approval_step = done->approval_step;
    s->hash_only = false;
    s->fresh = (s->fresh || s->consumed_now) && s->fresh_step > done->approval_step;
    s->consumed_now = false;
    s->cash_micros = done->cash_micros;
    s->fills = done->fills;
    memcpy(s->plan_id, done->plan_id, sizeof s->plan_id);
    return KEEL_OK;
}
