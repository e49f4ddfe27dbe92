/* orders.h - plans, orders, fills.
 *
 * ROOM     common/domain. Quantities and prices are integers in the instrument's units (fixed.h);
 *          quantities are signed, > 0 buys.
 */
#ifndef KEEL_COMMON_DOMAIN_ORDERS_H
#define KEEL_COMMON_DOMAIN_ORDERS_H

#include "common/domain/allocation.h"

#include <stdint.h>

enum {
    KEEL_ID_MAX = 224,        /* run, portfolio, step, symbol, book and what else names a fill */
    KEEL_BOOK_PARTS_MAX = 64, /* books in one order */
    KEEL_FILL_PARTS_MAX = KEEL_BOOK_PARTS_MAX + 1, /* and "netting" */
};

typedef struct keel_book_target {
    char book[KEEL_NAME_MAX];
    int64_t qty_units;
    uint64_t intent_version; /* 0 = from an approved allocation */
} keel_book_target;

typedef struct keel_order {
    char order_id[KEEL_ID_MAX];
    int instrument;
    int64_t qty_units; /* of all parts together; 0 = they cross each other whole */
    keel_reason reason;
    int books_n;
    keel_book_target books[KEEL_BOOK_PARTS_MAX];
    int64_t limit_lo_units; /* holding after the fill stays inside [lo, hi] */
    int64_t limit_hi_units;
} keel_order;

typedef struct keel_skipped_order {
    int instrument;
    int64_t qty_units;
    keel_reason reason;
} keel_skipped_order;

typedef struct keel_order_plan {
    char plan_id[KEEL_ID_MAX];
    char portfolio[KEEL_NAME_MAX];
    int orders_n;
    const keel_order *orders; /* ascending instrument */
    int skipped_n;
    const keel_skipped_order *skipped;
    int consumed_n;
    const uint64_t *consumed_decisions;
    uint64_t approval_hash;
} keel_order_plan;

typedef struct keel_book_fill {
    char book[KEEL_NAME_MAX];
    int64_t qty_units;
    int64_t cash_micros; /* signed change of the book's cash, fee included */
    int64_t fee_micros;
    int64_t slippage_micros; /* inside the price already */
    uint64_t closed_version;
} keel_book_fill;

typedef struct keel_fill {
    char fill_id[KEEL_ID_MAX];
    char order_id[KEEL_ID_MAX];
    int instrument;
    int64_t qty_units;
    int64_t price_units;
    int64_t reference_units;
    int64_t fee_micros;
    int64_t slippage_micros;
    int64_t fill_ns;
    keel_reason reason;
    int books_n;
    keel_book_fill books[KEEL_FILL_PARTS_MAX];
} keel_fill;

typedef struct keel_held_position {
    char book[KEEL_NAME_MAX];
    int instrument;
    int64_t qty_units;
    uint64_t intent_version; /* 0 = from approved allocations; the three fields below are 0 then */
    int64_t stop_units;
    int64_t target_units;
    int64_t target_qty_units; /* what the book shall hold */
    int64_t valid_until_ns;   /* of the opening that is not filled yet; 0 = none or no limit */
    bool stopped;             /* a portfolio stop closes it */
} keel_held_position;

typedef struct keel_plan_done {
    char portfolio[KEEL_NAME_MAX];
    char plan_id[KEEL_ID_MAX];
    int fills;
    int open_n;
    const keel_order *open_orders;
    int positions_n;
    const keel_held_position *positions;
    uint64_t consumed_decision_seq;
    uint64_t approval_step;
    int64_t cash_micros; /* of the books it plans for, as execution counts it */
} keel_plan_done;

#endif
