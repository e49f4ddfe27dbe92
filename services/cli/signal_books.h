/* signal_books.h - what became of signals, from the books of a run.
 *
 * ROOM     services/cli. Reads the file that the ledger writes (docs/ledger-schema.md); it may be
 *          in use. Decisions are rows of `decisions`; what executed one is found among the fills:
 *          an intent holds from its decision's step until the next accepted decision for the same
 *          (strategy, instrument), so the parts of that book in the steps between are its own.
 * MEMORY   keel_decision_row and keel_trace are the caller's; reading one takes an arena and gives
 *          it back.
 * THREADS  one per object.
 */
#ifndef KEEL_SERVICES_CLI_SIGNAL_BOOKS_H
#define KEEL_SERVICES_CLI_SIGNAL_BOOKS_H

#include "common/domain/signal.h"

enum { KEEL_TRACE_FILLS_MAX = 32, KEEL_REPEATS_MAX = 16 };

typedef struct keel_signal_books keel_signal_books;

typedef struct keel_decision_row {
    uint64_t step;
    int64_t event_ns;
    keel_decision decision;
    const uint8_t *payload; /* the Decision message; valid until the next row */
    size_t payload_len;
} keel_decision_row;

/* A part of a fill of the decision's book. */
typedef struct keel_trace_fill {
    int64_t fill_no;
    uint64_t step;
    int64_t fill_ns;
    char fill_id[KEEL_ID_MAX];
    char order_id[KEEL_ID_MAX];
    int64_t qty_units; /* of this book */
    int64_t price_units;
    int64_t fee_micros;
    int64_t slippage_micros;
    int64_t realized_micros;
    int64_t held_units; /* the book's position after it */
    uint64_t closed_version;
    keel_reason reason;
} keel_trace_fill;

typedef struct keel_trace {
    keel_decision_row row; /* its payload is valid until the next call with these books */
    int repeats_n;         /* later decisions about the same signal_id, at most KEEL_REPEATS_MAX */
    uint64_t repeats[KEEL_REPEATS_MAX];
    int instrument;                              /* -1 = the decision has no intent */
    uint64_t replaced_by;                        /* decision_seq of the next intent; 0 = none yet */
    int fills_n;                                 /* that executed it, all counted ... */
    keel_trace_fill fills[KEEL_TRACE_FILLS_MAX]; /* ... the first of them */
    bool is_open;                                /* its position is not closed yet */
    bool is_closed;
    keel_trace_fill close; /* is_closed: the fill that did it; may be one of the above */
    int64_t pnl_micros;    /* realised less fees, from its first fill to the close or the last */
} keel_trace;

/* The books of run `run_id`. NULL and *err: KEEL_EIO the file cannot be opened or is no ledger,
 * KEEL_ENOTFOUND it does not know the run, KEEL_EVERSION it is older than signals. */
KEEL_MUST_CHECK keel_signal_books *keel_signal_books_open(const char *path, const char *run_id,
                                                          keel_err *err);
void keel_signal_books_close(keel_signal_books **books);

/* Symbols and exponents; nothing else is filled in. Valid until close. */
const keel_universe *keel_signal_books_universe(const keel_signal_books *books);

typedef enum keel_decisions_kind {
    KEEL_DECISIONS_ALL,
    KEEL_DECISIONS_ACCEPTED,
    KEEL_DECISIONS_REFUSED
} keel_decisions_kind;

typedef struct keel_decision_filter {
    const char *strategy; /* NULL = all */
    keel_decisions_kind kind;
    int64_t limit; /* the newest so many */
} keel_decision_filter;

typedef void (*keel_decision_each)(void *arg, const keel_decision_row *row);

/* Give the newest decisions in the order of their numbers. KEEL_EIO, KEEL_EFORMAT with *err. */
KEEL_MUST_CHECK keel_status keel_signal_books_list(keel_signal_books *books,
                                                   const keel_decision_filter *filter,
                                                   keel_decision_each each, void *arg,
                                                   keel_err *err);

/* Trace the first decision about a signal_id, or, when there is none and `id` is a number, the
 * decision of that number. `strategy` NULL = any. KEEL_ENOTFOUND, KEEL_EEXIST (two strategies have
 * that id), KEEL_EIO, KEEL_EFORMAT. */
KEEL_MUST_CHECK keel_status keel_signal_books_trace(keel_signal_books *books, const char *id,
                                                    const char *strategy, keel_trace *trace,
                                                    keel_err *err);

/* A row's Decision message as one line of JSON (owned); NULL when it has no payload. */
KEEL_MUST_CHECK char *keel_decision_row_json(const keel_decision_row *row);

#endif
