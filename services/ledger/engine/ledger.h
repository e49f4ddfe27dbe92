/* ledger.h - the books: cash, lots, transfers, P&L of every book, in integers.
 *
 * ROOM     services/ledger/engine: pure. No I/O, clock, thread, global or log call.
 * MODEL    Of every book, at every message, exactly:
 *            cash + cost of lots = transfers in - out + realized - fees
 *            equity = cash + value of lots at the last known close
 *          and over the books: sum of cash = cash of the account, sum of quantity per instrument =
 *          sum of the net fills. A difference is a bug and ends the process.
 *          Capital: each book's target is share x account equity, the reserve's the rest. Books
 *          above their target give free cash (cash > 0 only), books below take it; the smaller of
 *          both sums moves, divided in proportion, floor, one micro more in book order. A book
 *          still above its share publishes scale_frac = share x account equity / its equity.
 *          Return of a book over a bar: P&L of the bar / (equity at the bar before + transfers in
 *          less out since), 0 while that base is not above 0.
 *          lots.h, performance.h and attribution.h have the rest.
 * SHAPE    Books: the configured ones in their order, then "reserve", then "netting". All capital
 *          starts in the reserve.
 * MEMORY   keel_ledger_new() takes all storage; no later call allocates. Pointers handed out are
 *          valid until the next call on the same engine.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_LEDGER_ENGINE_LEDGER_H
#define KEEL_SERVICES_LEDGER_ENGINE_LEDGER_H

#include "common/domain/bar_row.h"
#include "common/domain/books.h"
#include "services/ledger/engine/lots.h"

#include <stddef.h>

enum {
    KEEL_LEDGER_BOOKS_MAX = KEEL_BOOKS_MAX + 1, /* reserve and netting included */
    KEEL_LEDGER_CLOSED_MAX = 32768,             /* intent versions filled or closed in a step */
    KEEL_LEDGER_CLOSED_BOOK_MAX = 4096,         /* of one book: as many as a message holds */
    /* Positions that can be open at once: execution's KEEL_CELLS_MAX and core's. 12 KB of address
     * space each; a position with few lots uses one page of it. */
    KEEL_LEDGER_POSITIONS_MAX = 16384 + KEEL_UNIVERSE_MAX,
    KEEL_LEDGER_ATTRIBUTIONS = 4, /* asset, sector, book; strategy where there is one */
};

typedef struct keel_ledger keel_ledger;

typedef struct keel_strategy_name {
    char name[KEEL_NAME_MAX];
} keel_strategy_name;

typedef struct keel_ledger_cfg {
    const char *run; /* run id; strings are copied */
    const char *portfolio;
    const keel_universe *universe; /* copied */
    int books_n;                   /* 1..KEEL_LEDGER_BOOKS_MAX - 2, without reserve and netting */
    const keel_book_share *books;  /* names only; copied */
    int64_t initial_micros;        /* > 0 */
    int64_t bar_ns;                /* > 0 */
    double risk_free_ann;          /* -1..1 */
    int strategies_n;              /* 0 = nothing is attributed to strategies */
    const keel_strategy_name *strategies; /* each the name of a book; copied */
} keel_ledger_cfg;

/* Build an engine. NULL and *err (may be NULL) on KEEL_EINVAL, KEEL_ERANGE. Owned by the caller. */
KEEL_MUST_CHECK keel_ledger *keel_ledger_new(const keel_ledger_cfg *cfg, keel_err *err);

/* Free *eng and set it to NULL. Safe on NULL and twice. */
void keel_ledger_free(keel_ledger **eng);

/* Move free cash towards the approved shares. *made = false when nothing can or need move; *out is
 * then untouched.
 *   KEEL_EUNKNOWN  another portfolio, or a book that is not there
 *   KEEL_EINVAL    a share outside 0..1, a book twice, shares above 1 together
 *   KEEL_EORDER    a step that is closed already
 * State unchanged on refusal. Cost: books x n. */
KEEL_MUST_CHECK keel_status keel_ledger_on_capital(keel_ledger *eng,
                                                   const keel_capital_allocation *capital,
                                                   uint64_t step, bool *made, keel_transfer *out);

/* What a fill did, for the store. */
typedef struct keel_booked {
    uint64_t fill_no; /* 1, 2, 3 ... */
    int parts_n;
    struct {
        int book;
        int64_t realized_micros;
        int64_t closed_units;
    } parts[KEEL_FILL_PARTS_MAX];
} keel_booked;

/* Book a fill.
 *   KEEL_EEXIST    its id is among the newest KEEL_IDS_MAX applied
 *   KEEL_EUNKNOWN  instrument or book
 *   KEEL_EINVAL    parts that do not add up to the net fill in quantity, cash, fee and slippage, a
 *                  book twice, a sign, price, fee or slippage that is not possible, a quantity of
 *                  netting or none of another book, a net of 0 that is not crossed by two books
 *   KEEL_ENOSPC    more than KEEL_LEDGER_CLOSED_MAX intents closed in a step, or
 *                  KEEL_LEDGER_POSITIONS_MAX positions are open
 *   KEEL_EOVERFLOW
 * State unchanged on refusal. */
KEEL_MUST_CHECK keel_status keel_ledger_on_fill(keel_ledger *eng, const keel_fill *fill,
                                                keel_booked *out);

/* Mark to market. KEEL_EUNKNOWN another universe; KEEL_EORDER not after the last row;
 * KEEL_EOVERFLOW a holding's worth; those of keel_bar_row_check. State unchanged on refusal.
 * Cost: books x n. */
KEEL_MUST_CHECK keel_status keel_ledger_on_row(keel_ledger *eng, const keel_bar_row *row);

/* What a book earned in a bar. */
typedef struct keel_book_return {
    int book;
    int64_t base_micros; /* what it had to earn it with */
    int64_t pnl_micros;
    double ret_simple; /* pnl / base; 0 while base <= 0 */
} keel_book_return;

typedef struct keel_ledger_out {
    keel_portfolio_state portfolio; /* archived_through_step = the step: it is stored before it is
                                       published */
    keel_performance performance;
    int attributions_n;
    keel_attribution attributions[KEEL_LEDGER_ATTRIBUTIONS];
    int returns_n; /* 0 when no row came since the last close; books without money are left out */
    const keel_book_return *returns; /* ascending book */
} keel_ledger_out;

/* Close a step: the books as they stand at the last row. KEEL_ENOTFOUND no row yet; KEEL_EORDER not
 * after the last step closed; state unchanged then. Cost: books x n. */
KEEL_MUST_CHECK keel_status keel_ledger_close(keel_ledger *eng, uint64_t step,
                                              keel_ledger_out *out);

/* True when execution holds what the books hold, each of them. Cost: positions + books x n. */
bool keel_ledger_agrees(const keel_ledger *eng, const keel_plan_done *done);

/* What the store reads beside the outputs. */
int keel_ledger_books(const keel_ledger *eng);
const char *keel_ledger_book(const keel_ledger *eng, int book);
const keel_lots *keel_ledger_lots(const keel_ledger *eng, int book, int instrument);
const int64_t *keel_ledger_marks(const keel_ledger *eng); /* n last known closes, 0 = none */
uint64_t keel_ledger_step(const keel_ledger *eng);        /* last one closed */
void keel_ledger_settle(keel_ledger *eng);                /* all changed lots are stored */

/* Snapshot to, and restore from, a flat buffer (format in ledger_save.c, versioned). `core` leaves
 * out the lots and the ids, which a store keeps by themselves.
 * save: KEEL_ENOSPC if cap is short, with *len set to the size needed.
 * load: KEEL_EFORMAT bad magic, version, size, configuration or value; eng then unchanged. After a
 * core load the lots are put back oldest first, the ids oldest first, and keel_ledger_restored()
 * checks the sums (KEEL_EFORMAT: the engine must not be used). */
KEEL_MUST_CHECK keel_status keel_ledger_save(const keel_ledger *eng, bool core, uint8_t *buf,
                                             size_t cap, size_t *len);
KEEL_MUST_CHECK keel_status keel_ledger_load(keel_ledger *eng, const uint8_t *buf, size_t len);
KEEL_MUST_CHECK keel_status keel_ledger_restore_lot(keel_ledger *eng, const char *book,
                                                    int instrument, const keel_lot *lot);
void keel_ledger_restore_id(keel_ledger *eng, const char *fill_id);
KEEL_MUST_CHECK keel_status keel_ledger_restored(const keel_ledger *eng);

#endif
