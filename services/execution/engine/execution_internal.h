/* execution_internal.h - the engine's state, shared by its files.
 *
 * ROOM     services/execution/engine.
 */
#ifndef KEEL_SERVICES_EXECUTION_ENGINE_EXECUTION_INTERNAL_H
#define KEEL_SERVICES_EXECUTION_ENGINE_EXECUTION_INTERNAL_H

#include "services/execution/engine/cells.h"
#include "services/execution/engine/execution.h"

enum {
    KEEL_EXECUTION_RUN_MAX = 48,
    EXECUTION_CORE = 0,           /* its place among the books */
    EXECUTION_SKIPPED_MAX = 4096, /* as many as an OrderPlan holds */
    EXECUTION_PLAN_ID_MAX = 128,  /* run, portfolio, step; leaves room for symbol, book and more */
};

typedef enum slot_state {
    SLOT_EMPTY,
    SLOT_OPEN,
    SLOT_UNPAID, /* the cash did not pay a single lot of core's part; the next plan says so */
    SLOT_STATES
} slot_state;

typedef struct slot {
    slot_state state;
    keel_order order;
} slot;

/* What changes from step to step, without the arrays. */
typedef struct execution_state {
    keel_trading_mode mode;     /* of the portfolio; UNSPECIFIED = never heard */
    keel_trading_mode deadman;  /* ACTIVE until told otherwise */
    bool stopped;               /* a portfolio stop stands: every strategy's book is closed */
    uint64_t decision_seq;      /* newest decision taken */
    uint64_t consumed_decision; /* newest one that a plan has considered */
    uint64_t planned_step;
    uint64_t approval_step;   /* newest approval planned; the waiting one's is fresh_step */
    uint64_t approval_hash;   /* of the newest approval planned */
    bool hash_only;           /* started from a plan without its PlanDone: known by hash alone */
    bool consumed_now;        /* the last plan consumed an approval */
    uint64_t approval_before; /* approval_step before that */
    char plan_id[KEEL_ID_MAX];
    int64_t cash_micros;
    int64_t keep_micros; /* what buying leaves */
    int64_t row_ns;
    int fills; /* in this step */
    /* the approval that waits for its plan */
    bool fresh;
    bool flatten;
    uint64_t fresh_step;
    uint64_t fresh_hash;
    int64_t equity_micros;
    keel_reason why; /* of the orders it will make */
} execution_state;

/* Of the waiting approval; n each. */
typedef struct execution_weights {
    double *weight;
    double *lower;
    double *upper;
    int64_t *price_units;
} execution_weights;

typedef struct execution_book {
    char name[KEEL_NAME_MAX];
    keel_trading_mode mode; /* the strictest of the portfolio's and its own */
} execution_book;

/* What a row makes of a cell; filled before anything is changed. */
typedef struct cell_deal {
    keel_deal deal;      /* its part of an order; qty 0 = none */
    keel_deal exit;      /* at a stop or target; qty 0 = none */
    bool exit_at_target; /* else at the stop */
    bool expires;
} cell_deal;

struct keel_execution {
    char run[KEEL_EXECUTION_RUN_MAX];
    char portfolio[KEEL_NAME_MAX];
    int books_n;
    execution_book *books;     /* owned, books_n; core first */
    int *by_name;              /* owned, books_n: places of the books, by name */
    keel_trading_mode *assets; /* owned, n: the strictest of the portfolio's and its own */
    keel_universe universe;
    keel_broker_rates rates;
    double cash_buffer;
    int n;

    execution_state state;
    execution_weights fresh_weights; /* owned */
    int64_t *held;                   /* owned, n: of core */
    int64_t *closes;                 /* owned, n: last ones seen, 0 = none */
    slot *slots;                     /* owned, n */
    keel_cells cells;                /* of the other books; owned */
    keel_cells fresh;                /* intents no plan has considered; held is not used; owned */
    int fresh_new;                   /* of fresh: pairs that have no cell yet */
    keel_cells planned; /* those that the last plan considered, until the next; owned */

    /* outputs and scratch, owned */
    keel_order *orders;           /* n */
    keel_skipped_order *skipped;  /* EXECUTION_SKIPPED_MAX */
    uint64_t unlisted;            /* skips of the last plan for which there was no room */
    uint64_t *consumed;           /* cells */
    keel_fill *fills;             /* n + cells; pages never written stay untaken */
    keel_held_position *reported; /* n + cells */
    keel_deal *deals;             /* n, core's by instrument; qty 0 = none */
    cell_deal *cell_deals;        /* cells */
    int *first;                   /* n: first cell of an instrument, by book; -1 = none */
    int *after;                   /* cells: the next one; -1 = none */
    keel_order *waiting;          /* n: core's part of an order that is made anew; qty 0 = none */
};

/* The mode for a book and an instrument: the strictest of all that were told. */
keel_trading_mode execution_mode(const keel_execution *eng, int book, int instrument);

/* The part of a trade that a mode lets pass. */
int64_t execution_allowed(keel_trading_mode mode, int64_t held_units, int64_t qty_units);

/* The place of a book, -1 = none. Cost: log2 of the books. */
int execution_find_book(const keel_execution *eng, const char *name);

/* Drop cells that are done, and count again which waiting intents have none. */
void execution_tidy(keel_execution *eng);

/* Chain the cells of each instrument in the order of books. */
void execution_chain(keel_execution *eng);

/* A standing portfolio stop: no book wants anything, whatever was decided so far (R8). */
void execution_override(keel_execution *eng);

/* Let an intent stand in its cell; false when there is no room, which only happens after records of
 * the log have taken what was kept for it. */
bool execution_apply(keel_execution *eng, const keel_cell *intent);

/* The part of `order` of a book, or -1. */
int execution_part_of(const keel_execution *eng, const keel_order *order, int book);

#endif
