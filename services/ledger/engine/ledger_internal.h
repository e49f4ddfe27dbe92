/* ledger_internal.h - the engine's state, shared by its files.
 *
 * ROOM     services/ledger/engine.
 */
#ifndef KEEL_SERVICES_LEDGER_ENGINE_LEDGER_INTERNAL_H
#define KEEL_SERVICES_LEDGER_ENGINE_LEDGER_INTERNAL_H

#include "services/ledger/engine/attribution.h"
#include "services/ledger/engine/ids.h"
#include "services/ledger/engine/ledger.h"
#include "services/ledger/engine/performance.h"

enum { KEEL_LEDGER_RUN_MAX = 48 };

/* Holdings and money stay inside +-2^61, so that sums of a few never overflow. */
#define LEDGER_MAX (INT64_C(1) << 61)

typedef struct ledger_book {
    char name[KEEL_NAME_MAX];
    int64_t cash_micros;
    int64_t paid_in_micros; /* transfers in less out; the reserve's holds the initial capital */
    double share_frac;
    keel_tally tally;
    int64_t bar_equity_micros; /* at the last bar */
    int64_t bar_paid_micros;   /* paid in at the last bar */
    bool is_strategy;          /* from the configuration, not saved */
    int closed_n;              /* in this step */
} ledger_book;

/* An intent version that a book filled or closed in this step. */
typedef struct ledger_closed {
    int book;
    uint64_t version;
} ledger_closed;

typedef struct ledger_mark {
    int64_t price_units; /* last known close; 0 = none */
    uint32_t stale_bars;
    int64_t net_units; /* sum of the net fills */
    int sector;        /* index into sectors; from the universe, not saved */
    keel_tally tally;
} ledger_mark;

struct keel_ledger {
    char run[KEEL_LEDGER_RUN_MAX];
    char portfolio[KEEL_NAME_MAX];
    keel_universe universe;
    int64_t initial_micros;
    int64_t bar_ns;
    double risk_free_ann;
    int n;
    int books_n;
    int reserve; /* its index; netting is the one after */
    int sectors_n;
    const char **sectors; /* owned, n at most; into universe */

    int strategies_n;

    ledger_book books[KEEL_LEDGER_BOOKS_MAX];
    ledger_mark *marks;    /* owned, n */
    keel_lots *lots;       /* owned, books x n: book * n + instrument; with a ring while open */
    keel_lot *rings;       /* owned, KEEL_LOTS_MAX for each of rings_n */
    keel_lot **free_rings; /* owned, rings_n; the last of free_n is taken next */
    int rings_n, free_n;
    ledger_closed *closed; /* owned, KEEL_LEDGER_CLOSED_MAX */
    int closed_n;
    keel_ids *ids;      /* owned */
    keel_tally account; /* counts per net fill */
    int64_t cash_micros;
    double traded_micros; /* sum of |gross|, for turnover */
    uint64_t fills;
    uint64_t closed_step;
    uint64_t transfer_step;
    uint32_t transfer_n; /* made in transfer_step */
    int64_t row_ns;
    bool marked; /* a row came since the last close */
    keel_equity_path path;
    int recent_n;
    keel_trade recent[KEEL_RECENT_TRADES_MAX]; /* oldest first */

    /* outputs and scratch, owned */
    keel_transfer_leg *legs;      /* books */
    keel_book *book_out;          /* books */
    keel_position *positions;     /* books x n */
    keel_attribution_line *lines; /* 2n + 2 books */
    int64_t *prices;              /* n */
    uint64_t *closed_out;         /* KEEL_LEDGER_CLOSED_MAX */
    keel_book_return *returns;    /* books */
};

static inline keel_lots *ledger_lots(const keel_ledger *eng, int book, int instrument)
{
    return &eng->lots[(size_t)book * (size_t)eng->n + (size_t)instrument];
}

/* Give a position room for lots, and take it back when it is closed. False: none is free. */
bool ledger_open_ring(keel_ledger *eng, keel_lots *lots);
void ledger_close_ring(keel_ledger *eng, keel_lots *lots);

/* Value of a holding at the mark, which on_row and on_fill have checked to fit. */
int64_t ledger_value(const keel_ledger *eng, int instrument, int64_t qty_units);

/* Cash and holdings of a book at the marks. Cost: n. */
int64_t ledger_book_equity(const keel_ledger *eng, int book);

int ledger_find_book(const keel_ledger *eng, const char *name); /* -1 = none */

/* The sums that must hold for a book, and over the books. */
void ledger_check_book(const keel_ledger *eng, int book);
void ledger_check_cash(const keel_ledger *eng);

#endif
