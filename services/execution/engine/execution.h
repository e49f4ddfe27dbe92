/* execution.h - approved allocations in, order plans and fills out: the paper broker of one book.
 *
 * ROOM     services/execution/engine: pure. No I/O, clock, thread, global or log call.
 * MODEL    What was approved in step k-1 is planned in step k and fills in row k: plan.h, broker.h.
 *          At most one order per instrument is open. An order whose instrument has no bar waits;
 *          a plan from a newer approval replaces every open order.
 *          cash = equity - worth of the holdings at the approved prices, when an approval is
 *          planned; then changed by each fill. In a row, orders that reduce a holding or sell fill
 *          first and whole, by instrument; buys that open share
 *              free = cash - cash_buffer x equity
 *          each scaled by free / cost of all of them, cut to lots: so buying never takes cash below
 *          zero. A buy that is cut ends; what is missing is for the next approval.
 *          Trading state: REDUCING lets only the reducing part of an order pass; HALTED and unknown
 *          cancel all orders. An approval planned then is consumed, not kept.
 * SHAPE    n instruments of the universe, index 0..n-1. Fills carry the parts of the books; with
 *          one book there is one part and no netting part.
 * MEMORY   keel_execution_new() takes all storage; no later call allocates. Pointers handed out are
 *          valid until the next call on the same engine.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_EXECUTION_ENGINE_EXECUTION_H
#define KEEL_SERVICES_EXECUTION_ENGINE_EXECUTION_H

#include "common/domain/bar_row.h"
#include "common/domain/orders.h"
#include "common/domain/trading.h"
#include "services/execution/engine/broker.h"

#include <stddef.h>

typedef struct keel_execution keel_execution;

typedef struct keel_execution_cfg {
    const char *run; /* run id; strings are copied */
    const char *portfolio;
    const char *book;              /* the book that approvals are for: "core" */
    const keel_universe *universe; /* copied */
    keel_broker_rates rates;
    double cash_buffer; /* fraction of the book's equity that buying leaves; 0..1 */
} keel_execution_cfg;

/* Build an engine. NULL and *err (may be NULL) on KEEL_EINVAL, KEEL_ERANGE. Owned by the caller. */
KEEL_MUST_CHECK keel_execution *keel_execution_new(const keel_execution_cfg *cfg, keel_err *err);

/* Free *eng and set it to NULL. Safe on NULL and twice. */
void keel_execution_free(keel_execution **eng);

/* Take an approval of `step`; the newest one is planned by the next keel_execution_plan().
 *   KEEL_EUNKNOWN  another portfolio, book or universe
 *   KEEL_EINVAL    n, or equity < 0
 *   KEEL_ESTALE    of a step at or before one already planned, or before the one waiting
 *   KEEL_ENONFINITE, KEEL_EOVERFLOW  a weight, box or price that cannot be sized
 * State unchanged on refusal. Cost: n. */
KEEL_MUST_CHECK keel_status keel_execution_on_approval(keel_execution *eng,
                                                       const keel_approved_allocation *approval,
                                                       uint64_t payload_hash, uint64_t step);

/* Take the trading state; a mode outside the enum counts as HALTED. KEEL_EUNKNOWN another
 * portfolio. */
KEEL_MUST_CHECK keel_status keel_execution_on_trading(keel_execution *eng,
                                                      const keel_trading_state *state);

/* Plan step `step`: always made, possibly empty. orders = the new ones, ascending; skipped = what
 * is not traded and why: SUPERSEDED, NOT_TRADING or STATE_UNKNOWN (open orders given up), FREE_CASH
 * (a buy of the last row that the cash did not pay at all), NO_BAR (an open order that waits), and
 * those of plan.h. KEEL_EORDER step not after the last one planned. Cost: n. */
KEEL_MUST_CHECK keel_status keel_execution_plan(keel_execution *eng, uint64_t step,
                                                keel_order_plan *out);

/* Fill open orders in the row. *fills (n of them) in the order in which they were dealt.
 *   KEEL_EUNKNOWN   row of another universe
 *   KEEL_EORDER     row not after the last one
 *   KEEL_EOVERFLOW  a deal that does not fit its integers
 * and those of keel_bar_row_check; state unchanged on refusal. Cost: n. */
KEEL_MUST_CHECK keel_status keel_execution_on_row(keel_execution *eng, const keel_bar_row *row,
                                                  const keel_fill **fills, int *fills_n);

/* Close the step: what is held and open now. Cost: n. */
void keel_execution_done(keel_execution *eng, keel_plan_done *out);

/* Start again from one's own records, oldest first (P4): a PlanDone replaces all state
 * but the trading mode; plans and fills after it are added. An approval that a plan consumed is not
 * planned again. KEEL_EUNKNOWN another portfolio, book or instrument; KEEL_ENOTFOUND a fill of an
 * order that is not open; KEEL_EORDER a plan before the last; KEEL_EINVAL. State unchanged on
 * refusal. A plan of the step planned last replaces it: what the log holds stands (R1). */
KEEL_MUST_CHECK keel_status keel_execution_on_own_plan(keel_execution *eng, uint64_t step,
                                                       const keel_order_plan *plan);
KEEL_MUST_CHECK keel_status keel_execution_on_own_fill(keel_execution *eng, const keel_fill *fill);
KEEL_MUST_CHECK keel_status keel_execution_on_own_plan_done(keel_execution *eng, uint64_t step,
                                                            const keel_plan_done *done);

/* Signed holding of an instrument; 0 <= instrument < n. */
int64_t keel_execution_held(const keel_execution *eng, int instrument);

/* Execution's own count of the book's cash, micros. */
int64_t keel_execution_cash(const keel_execution *eng);

/* Snapshot to, and restore from, a flat buffer (format in execution_save.c, versioned).
 * save: KEEL_ENOSPC if cap is short, with *len set to the size needed.
 * load: KEEL_EFORMAT bad magic, version, size, universe or value; eng then unchanged. */
KEEL_MUST_CHECK keel_status keel_execution_save(const keel_execution *eng, uint8_t *buf, size_t cap,
                                                size_t *len);
KEEL_MUST_CHECK keel_status keel_execution_load(keel_execution *eng, const uint8_t *buf,
                                                size_t len);

#endif
