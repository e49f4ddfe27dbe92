#include "common/domain/fixed.h"
#include "common/wire/wire_internal.h"

#include <string.h>

enum {
    ORDERS_MAX = 4096,
    DECISIONS_MAX = 65536,
    POSITIONS_MAX = 16384 + KEEL_UNIVERSE_MAX, /* of strategies' books, and of core */
};

/* ---- orders ---- */

static const wire_field book_target_rows[] = {
    WIRE_ROW_TEXT(keel_book_target, BookTarget, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_book_target, BookTarget, qty_units, INT64_MIN),
    WIRE_ROW_U64(keel_book_target, BookTarget, intent_version, WIRE_OPTIONAL),
};
static const wire_type book_target =
    WIRE_MESSAGE(keel_book_target, keel__v1__book_target__descriptor, book_target_rows);

static keel_status check_order(const void *plain)
{
    const keel_order *order = plain;
    keel_i128 sum = 0;
    for (int i = 0; i < order->books_n; i++)
        sum += order->books[i].qty_units;
    return order->limit_lo_units > order->limit_hi_units || sum != order->qty_units ? KEEL_EINVAL
                                                                                    : KEEL_OK;
}

static const wire_field order_rows[] = {
    WIRE_ROW_TEXT(keel_order, Order, order_id, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_INSTRUMENT(keel_order, Order),
    WIRE_ROW_I64(keel_order, Order, qty_units, INT64_MIN),
    WIRE_ROW_PART(keel_order, Order, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_order, Order, books, books_n, book_target, 1),
    WIRE_ROW_I64(keel_order, Order, limit_lo_units, INT64_MIN),
    WIRE_ROW_I64(keel_order, Order, limit_hi_units, INT64_MIN),
};
static const wire_type order =
    WIRE_MESSAGE_WITH(keel_order, keel__v1__order__descriptor, order_rows, .check = check_order);

static const wire_field skipped_order_rows[] = {
    WIRE_ROW_INSTRUMENT(keel_skipped_order, SkippedOrder),
    WIRE_ROW_I64(keel_skipped_order, SkippedOrder, qty_units, INT64_MIN),
    WIRE_ROW_PART(keel_skipped_order, SkippedOrder, reason, wire_reason, WIRE_REQUIRED),
};
static const wire_type skipped_order =
    WIRE_MESSAGE(keel_skipped_order, keel__v1__skipped_order__descriptor, skipped_order_rows);

static keel_status check_order_plan(const void *plain)
{
    const keel_order_plan *plan = plain;
    for (int i = 1; i < plan->orders_n; i++) {
        if (plan->orders[i].instrument < plan->orders[i - 1].instrument)
            return KEEL_EINVAL;
    }
    return KEEL_OK;
}

static const wire_field order_plan_rows[] = {
    WIRE_ROW_TEXT(keel_order_plan, OrderPlan, plan_id, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_order_plan, OrderPlan, portfolio, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_LIST_POINTER(keel_order_plan, OrderPlan, orders, orders_n, order, 0, ORDERS_MAX),
    WIRE_ROW_LIST_POINTER(keel_order_plan, OrderPlan, skipped, skipped_n, skipped_order, 0,
                          ORDERS_MAX),
    WIRE_ROW_U64S(keel_order_plan, OrderPlan, consumed_decisions, consumed_n, DECISIONS_MAX),
    WIRE_ROW_U64(keel_order_plan, OrderPlan, approval_hash, WIRE_OPTIONAL),
};
const wire_type wire_order_plan = WIRE_MESSAGE_WITH(
    keel_order_plan, keel__v1__order_plan__descriptor, order_plan_rows, .check = check_order_plan);
WIRE_DEFINE(order_plan, keel_order_plan)

/* ---- fills ---- */

/* Books are charged what they would have paid alone; "netting" gets the difference, so only its
 * charges may be negative. */
static keel_status check_book_fill(const void *plain)
{
    const keel_book_fill *fill = plain;
    if (strcmp(fill->book, "netting") == 0)
        return KEEL_OK;
    return fill->fee_micros < 0 || fill->slippage_micros < 0 ? KEEL_ERANGE : KEEL_OK;
}

static const wire_field book_fill_rows[] = {
    WIRE_ROW_TEXT(keel_book_fill, BookFill, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_I64(keel_book_fill, BookFill, qty_units, INT64_MIN),
    WIRE_ROW_I64(keel_book_fill, BookFill, cash_micros, INT64_MIN),
    WIRE_ROW_I64(keel_book_fill, BookFill, fee_micros, INT64_MIN),
    WIRE_ROW_I64(keel_book_fill, BookFill, slippage_micros, INT64_MIN),
    WIRE_ROW_U64(keel_book_fill, BookFill, closed_version, WIRE_OPTIONAL),
};
static const wire_type book_fill = WIRE_MESSAGE_WITH(
    keel_book_fill, keel__v1__book_fill__descriptor, book_fill_rows, .check = check_book_fill);

/* What the market gave is what the books got. */
static keel_status check_fill(const void *plain)
{
    const keel_fill *fill = plain;
    keel_i128 sum = 0;
    for (int i = 0; i < fill->books_n; i++)
        sum += fill->books[i].qty_units;
    return sum == fill->qty_units ? KEEL_OK : KEEL_EINVAL;
}

static const wire_field fill_rows[] = {
    WIRE_ROW_TEXT(keel_fill, Fill, fill_id, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_TEXT(keel_fill, Fill, order_id, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_INSTRUMENT(keel_fill, Fill),
    WIRE_ROW_I64(keel_fill, Fill, qty_units, INT64_MIN),
    WIRE_ROW_I64(keel_fill, Fill, price_units, 0),
    WIRE_ROW_I64(keel_fill, Fill, reference_units, 0),
    WIRE_ROW_I64(keel_fill, Fill, fee_micros, 0),
    WIRE_ROW_I64(keel_fill, Fill, slippage_micros, 0),
    WIRE_ROW_I64(keel_fill, Fill, fill_ns, INT64_MIN),
    WIRE_ROW_PART(keel_fill, Fill, reason, wire_reason, WIRE_REQUIRED),
    WIRE_ROW_LIST(keel_fill, Fill, books, books_n, book_fill, 1),
};
const wire_type wire_fill =
    WIRE_MESSAGE_WITH(keel_fill, keel__v1__fill__descriptor, fill_rows, .check = check_fill);
WIRE_DEFINE(fill, keel_fill)

/* ---- end of a step ---- */

static const wire_field held_position_rows[] = {
    WIRE_ROW_TEXT(keel_held_position, HeldPosition, book, WIRE_NAME, WIRE_REQUIRED),
    WIRE_ROW_INSTRUMENT(keel_held_position, HeldPosition),
    WIRE_ROW_I64(keel_held_position, HeldPosition, qty_units, INT64_MIN),
    WIRE_ROW_U64(keel_held_position, HeldPosition, intent_version, WIRE_OPTIONAL),
    WIRE_ROW_I64(keel_held_position, HeldPosition, stop_units, 0),
    WIRE_ROW_I64(keel_held_position, HeldPosition, target_units, 0),
    WIRE_ROW_I64(keel_held_position, HeldPosition, target_qty_units, INT64_MIN),
    WIRE_ROW_I64(keel_held_position, HeldPosition, valid_until_ns, 0),
    WIRE_ROW_FLAG(keel_held_position, HeldPosition, stopped),
};

/* Only an intent has a target, prices to leave at, and a time. */
static keel_status check_held_position(const void *plain)
{
    const keel_held_position *p = plain;
    const bool bare = p->stop_units == 0 && p->target_units == 0 && p->target_qty_units == 0 &&
                      p->valid_until_ns == 0 && !p->stopped;
    return p->intent_version != 0 || bare ? KEEL_OK : KEEL_EINVAL;
}

static const wire_type held_position =
    WIRE_MESSAGE_WITH(keel_held_position, keel__v1__held_position__descriptor, held_position_rows,
                      .check = check_held_position);

static const wire_field plan_done_rows[] = {
    WIRE_ROW_TEXT(keel_plan_done, PlanDone, portfolio, WIRE_NAME, WIRE_REQUIRED),
    /* "" while nothing was ever planned */
    WIRE_ROW_TEXT(keel_plan_done, PlanDone, plan_id, WIRE_NAME, WIRE_OPTIONAL),
    WIRE_ROW_INT(keel_plan_done, PlanDone, fills, INT32_MAX),
    WIRE_ROW_LIST_POINTER(keel_plan_done, PlanDone, open_orders, open_n, order, 0, ORDERS_MAX),
    WIRE_ROW_LIST_POINTER(keel_plan_done, PlanDone, positions, positions_n, held_position, 0,
                          POSITIONS_MAX),
    WIRE_ROW_U64(keel_plan_done, PlanDone, consumed_decision_seq, WIRE_OPTIONAL),
    WIRE_ROW_U64(keel_plan_done, PlanDone, approval_step, WIRE_OPTIONAL),
    WIRE_ROW_I64(keel_plan_done, PlanDone, cash_micros, INT64_MIN),
};
const wire_type wire_plan_done =
    WIRE_MESSAGE(keel_plan_done, keel__v1__plan_done__descriptor, plan_done_rows);
WIRE_DEFINE(plan_done, keel_plan_done)
