/* execution.h - approved allocations and intents in, order plans and fills out: the paper broker.
 *
 * ROOM     services/execution/engine: pure. No I/O, clock, thread, global or log call.
 * MODEL    What was approved and decided in step k-1 is planned in step k and fills in row k:
 *          plan.h, broker.h. Two kinds of books: `core` trades by approved weights; every other
 *          book by intents, which are absolute (hold target_qty_units), the newest for a (book,
 *          instrument) holding. At most one order per instrument is open: the net of the wishes of
 *          up to KEEL_BOOK_PARTS_MAX books, oldest intent first; who does not fit waits for the
 *          next plan. Opposite wishes cross: an order's quantity may be 0.
 *          Charges: each book pays what its part alone would have paid (keel_broker_deal), the
 *          account what the net quantity pays; "netting" gets account less books, exactly.
 *          The market gives every order whole, and only core's own buying can be cut, in core's
 *          part alone; so there is never a rest to share among the books.
 *          An order whose instrument has no bar waits; a plan from a newer approval, or with other
 *          wishes, replaces it.
 *          Core's cash = equity - worth of its holdings at the approved prices, when an approval is
 *          planned; then changed by each fill. In a row, orders that reduce a holding or sell fill
 *          first and whole, by instrument; core's buys that open share
 *              free = cash - cash_buffer x equity
 *          each scaled by free / cost of all of them, cut to lots: so buying never takes cash below
 *          zero. A buy that is cut ends; what is missing is for the next approval. Intents are
 *          sized by risk within their book's cash and are not cut.
 *          Stop and target of a book's position, after the orders of the row:
 *              long   low <= stop at min(open, stop), else high >= target at max(open, target)
 *              short  high >= stop at max(open, stop), else low <= target at min(open, target)
 *              closes only: a close beyond the price, at that close
 *          then slippage and fee. They look at positions that were there, on the same side, before
 *          the row: only rows after the one that opened it can close it. Each is an order and a
 *          fill of its own. Then the book's target is 0 under the version that closed; only a
 *          higher version opens it again (R8).
 *          Expiry: a row that closes after valid_until does not open what the intent still lacks;
 *          that is given up. What reduces is never given up.
 *          Trading state: the strictest of portfolio, strategy, asset and dead-man. REDUCING lets
 *          only the reducing part pass; HALTED and unknown cancel all orders, stops included. An
 *          approval planned then is consumed, not kept; an intent's opening is given up once a
 *          state was heard, what reduces waits. A portfolio stop (latch or reason DRAWDOWN_LIMIT)
 *          sets every strategy's target to 0, also of decisions that come while it stands.
 * SHAPE    n instruments of the universe, index 0..n-1; books by their place in the configuration,
 *          core first. Fills carry the parts in that order, then "netting" when it gets anything.
 *          At most KEEL_CELLS_MAX (book, instrument) pairs of strategies are in use.
 * MEMORY   keel_execution_new() takes all storage; no later call allocates. Pointers handed out are
 *          valid until the next call on the same engine. Room for the fills of a row, 6 KB each, is
 *          taken as address space and used only where fills are.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_EXECUTION_ENGINE_EXECUTION_H
#define KEEL_SERVICES_EXECUTION_ENGINE_EXECUTION_H

#include "common/domain/bar_row.h"
#include "common/domain/orders.h"
#include "common/domain/signal.h"
#include "common/domain/trading.h"
#include "services/execution/engine/broker.h"
#include "services/execution/engine/cells.h"

#include <stddef.h>

typedef struct keel_execution keel_execution;

typedef struct keel_execution_cfg {
    const char *run; /* run id; strings are copied */
    const char *portfolio;
    const char *book;              /* the book that approvals are for: "core" */
    const keel_universe *universe; /* copied */
    keel_broker_rates rates;
    double cash_buffer;           /* fraction of the book's equity that buying leaves; 0..1 */
    int books_n;                  /* 0..KEEL_BOOKS_MAX */
    const keel_book_share *books; /* names only: those that trade by intents; `book` is left out */
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
 * portfolio. Cost: books x scoped modes. */
KEEL_MUST_CHECK keel_status keel_execution_on_trading(keel_execution *eng,
                                                      const keel_trading_state *state);

/* Take a decision of `step`; what is accepted is considered by the next keel_execution_plan().
 *   KEEL_ESTALE    decision_seq was taken or consumed already, or a newer one was
 *   KEEL_EUNKNOWN  a book that does not trade by intents, or an instrument
 *   KEEL_EINVAL    a version that is not its decision_seq, one book and instrument twice
 *   KEEL_ERANGE    a price or time < 0
 *   KEEL_EOVERFLOW |target_qty_units| above KEEL_CELL_UNITS_MAX
 *   KEEL_ENOSPC    KEEL_CELLS_MAX pairs are in use
 * State unchanged on refusal. Cost: log2 of the pairs in use, or their number for a new one. */
KEEL_MUST_CHECK keel_status keel_execution_on_decision(keel_execution *eng,
                                                       const keel_decision *decision,
                                                       uint64_t step);

/* The dead-man's mode holds beside the trading state: the stricter one counts. */
void keel_execution_on_deadman(keel_execution *eng, keel_trading_mode mode);

/* Plan step `step`: always made, possibly empty. orders = the new ones, ascending; skipped = what
 * is not traded and why: SUPERSEDED, NOT_TRADING or STATE_UNKNOWN (open orders and openings given
 * up, reductions that wait), FREE_CASH (a buy of the last row that the cash did not pay at all),
 * NO_BAR (an open order that waits), EXPIRED (an opening that the last row gave up),
 * BUDGET_EXHAUSTED (the order is full; waits), and those of plan.h; an intent that is BELOW_LOT or
 * BELOW_MIN_NOTIONAL is given up. consumed_decisions: those whose intents are considered first now.
 * KEEL_EORDER step not after the last one planned. Cost: n + pairs in use. */
KEEL_MUST_CHECK keel_status keel_execution_plan(keel_execution *eng, uint64_t step,
                                                keel_order_plan *out);

/* Fill open orders in the row, then stops and targets by book and instrument. *fills (n of them) in
 * the order in which they were dealt.
 *   KEEL_EUNKNOWN   row of another universe
 *   KEEL_EORDER     row not after the last one
 *   KEEL_EOVERFLOW  a deal that does not fit its integers
 * and those of keel_bar_row_check; state unchanged on refusal. Cost: n + pairs in use. */
KEEL_MUST_CHECK keel_status keel_execution_on_row(keel_execution *eng, const keel_bar_row *row,
                                                  const keel_fill **fills, int *fills_n);

/* Close the step: what is held, wanted and open now. Cost: n + pairs in use. */
void keel_execution_done(keel_execution *eng, keel_plan_done *out);

/* The step of the last plan; 0 = none. */
uint64_t keel_execution_planned_step(const keel_execution *eng);

/* Start again from one's own records, oldest first (P4): a PlanDone replaces all state but the
 * trading mode and what was approved and decided after it; plans and fills after it are added. What
 * a plan consumed is not planned again. KEEL_EUNKNOWN another portfolio, book or instrument;
 * KEEL_ENOTFOUND a fill of an order that is not open; KEEL_EORDER a plan before the last;
 * KEEL_ENOSPC; KEEL_EINVAL. State unchanged on refusal. A plan of the step planned last replaces
 * it: what the log holds stands (R1); the PlanDone before it is to be given first when there are
 * intents. Not in the records: what the next plan would have skipped for the row before, and the
 * last closes (a minimum notional is not asked before the first row). */
KEEL_MUST_CHECK keel_status keel_execution_on_own_plan(keel_execution *eng, uint64_t step,
                                                       const keel_order_plan *plan);
KEEL_MUST_CHECK keel_status keel_execution_on_own_fill(keel_execution *eng, const keel_fill *fill);
KEEL_MUST_CHECK keel_status keel_execution_on_own_plan_done(keel_execution *eng, uint64_t step,
                                                            const keel_plan_done *done);

/* Core's signed holding of an instrument; 0 <= instrument < n. */
int64_t keel_execution_held(const keel_execution *eng, int instrument);

/* Signed holding of any book; 0 for one that is not there. */
int64_t keel_execution_book_held(const keel_execution *eng, const char *book, int instrument);

/* Skips of the last plan that found no room in it. */
uint64_t keel_execution_unlisted(const keel_execution *eng);

/* Execution's own count of core's cash, micros. */
int64_t keel_execution_cash(const keel_execution *eng);

/* Snapshot to, and restore from, a flat buffer (format in execution_save.c, versioned).
 * save: KEEL_ENOSPC if cap is short, with *len set to the size needed.
 * load: KEEL_EFORMAT bad magic, version, size, universe or value; eng then unchanged. */
KEEL_MUST_CHECK keel_status keel_execution_save(const keel_execution *eng, uint8_t *buf, size_t cap,
                                                size_t *len);
KEEL_MUST_CHECK keel_status keel_execution_load(keel_execution *eng, const uint8_t *buf,
                                                size_t len);

#endif
