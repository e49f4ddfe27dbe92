/* store.h - the books on disk: one SQLite file, one writer, one transaction per step.
 *
 * ROOM     services/ledger. The only caller of SQLite in the service. WAL, synchronous=FULL.
 * SHAPE    What handlers saw in a step is collected in memory and written by keel_store_commit()
 *          together with the step's outputs and the engine's snapshot: after a crash the file holds
 *          whole steps only. A commit that fails changes nothing and is asked again with the same
 *          step. Tables: docs/ledger-schema.md.
 * MEMORY   all storage is taken by keel_store_open().
 * THREADS  one.
 */
#ifndef KEEL_SERVICES_LEDGER_STORE_H
#define KEEL_SERVICES_LEDGER_STORE_H

#include "common/domain/signal.h"
#include "common/domain/trading.h"
#include "common/service/service.h"
#include "services/ledger/engine/ledger.h"

typedef struct keel_store keel_store;

enum {
    KEEL_STORE_SCHEMA = 2,            /* PRAGMA user_version */
    KEEL_STORE_STEPS_MIN = 4096,      /* states and outputs kept at least: P1 of docs/protocol.md */
    KEEL_STORE_TRANSFERS_MAX = 8,     /* of one step */
    KEEL_STORE_NOTES_MAX = 64,        /* allocations and risk messages of one step */
    KEEL_STORE_DECISIONS_MAX = 65536, /* decisions of one step ... */
    KEEL_STORE_DECISION_BYTES = 2560, /* ... of so many bytes on average */
};

typedef struct keel_store_cfg {
    const char *path;
    const char *run; /* run id */
    const char *portfolio;
    const keel_universe *universe; /* borrowed for the call */
    int64_t initial_micros;
    int64_t bar_ns;
    const char *configuration; /* text kept beside the run */
    int history_states;        /* >= KEEL_STORE_STEPS_MIN */
    int history_outputs;       /* >= KEEL_STORE_STEPS_MIN */
    int history_allocations;
    int history_risk;
    int history_optimizations;
    int history_returns;   /* steps, >= KEEL_STORE_STEPS_MIN */
    int history_decisions; /* refused ones; accepted ones are kept */
    int books_n;           /* with reserve and netting: sizes what a step may have */
} keel_store_cfg;

/* Open or create the file and find or register the run. NULL and *err: KEEL_EUNAVAIL the file
 * cannot be opened or written now, KEEL_EVERSION another schema (the file is left as it is),
 * KEEL_EINVAL the run is there with another universe, initial capital or bar. */
KEEL_MUST_CHECK keel_store *keel_store_open(const keel_store_cfg *cfg, keel_err *err);
void keel_store_close(keel_store **store);

/* Put the last committed step's state into a new engine; *step_done = 0 when there is none.
 * KEEL_EFORMAT what is stored does not fit together; KEEL_EUNAVAIL. */
KEEL_MUST_CHECK keel_status keel_store_resume(keel_store *store, keel_ledger *eng,
                                              uint64_t *step_done);

/* KEEL_EEXIST when the fill is committed, KEEL_OK when it is not and there is room to collect it,
 * KEEL_ENOSPC, KEEL_EUNAVAIL. Asked before the engine books it, so that it can be collected. */
KEEL_MUST_CHECK keel_status keel_store_check_fill(keel_store *store, const char *fill_id);

/* The same for a capital allocation of len bytes and its transfer. */
KEEL_MUST_CHECK keel_status keel_store_check_capital(const keel_store *store, size_t len);

/* KEEL_EEXIST when an approval of capital of this step or a later one is committed. */
KEEL_MUST_CHECK keel_status keel_store_check_approval(keel_store *store, uint64_t step);

/* Collect for the open step. KEEL_ENOSPC: more than a step may have. Copied. */
KEEL_MUST_CHECK keel_status keel_store_add_fill(keel_store *store, const keel_fill *fill,
                                                const keel_booked *booked);
KEEL_MUST_CHECK keel_status keel_store_add_transfer(keel_store *store,
                                                    const keel_transfer *transfer);

typedef enum keel_note_kind {
    KEEL_NOTE_CAPITAL,
    KEEL_NOTE_ALLOCATION,
    KEEL_NOTE_TRADING,
    KEEL_NOTE_REPORT,
} keel_note_kind;

/* One row of the history tables. */
typedef struct keel_note {
    keel_note_kind kind;
    uint64_t step; /* of the message: k-1 */
    uint32_t index;
    keel_method method;       /* ALLOCATION */
    keel_trading_mode mode;   /* TRADING */
    char book[KEEL_NAME_MAX]; /* ALLOCATION */
    keel_reason reason;
    int64_t equity_micros; /* ALLOCATION, TRADING */
    keel_certificate certificate;
    double expected_volatility;
    double turnover_frac;
    bool optimized;         /* ALLOCATION: of a proposal, not risk's own */
    const uint8_t *payload; /* borrowed for the call */
    size_t len;
} keel_note;

KEEL_MUST_CHECK keel_status keel_store_add_note(keel_store *store, const keel_note *note);

/* A decision about a signal: what explains the fills of a strategy's book. */
typedef struct keel_decision_note {
    uint64_t decision_seq;
    uint64_t step; /* of the message: k-1 */
    int64_t event_ns;
    char strategy[KEEL_NAME_MAX];
    char signal_id[KEEL_SIGNAL_ID_MAX];
    int64_t epoch_ns;
    uint64_t seq;
    char symbol[KEEL_SYMBOL_MAX];
    bool accepted;
    keel_reason_code reason;
    const uint8_t *payload; /* the Decision message; borrowed for the call */
    size_t len;
} keel_decision_note;

/* Collect one; a decision that is committed already stays as it is, whenever it comes. KEEL_ENOSPC:
 * more, or larger ones, than a step may have. Copied. */
KEEL_MUST_CHECK keel_status keel_store_add_decision(keel_store *store,
                                                    const keel_decision_note *note);

/* Write the step. KEEL_OK also when it is committed already. KEEL_EUNAVAIL: nothing was written and
 * all that was collected is still there; keel_store_error() says why. */
KEEL_MUST_CHECK keel_status keel_store_commit(keel_store *store, uint64_t step, keel_ledger *eng,
                                              const keel_ledger_out *state, const keel_out *outs,
                                              int outs_n);

/* PRAGMA synchronous as it is in force: 2 = FULL. The service counts it at start, so that what runs
 * can be read from outside. */
int keel_store_synchronous(keel_store *store);

/* Bound the file to `pages` pages; a commit past it is refused as on a full disk. */
void keel_store_limit(keel_store *store, int pages);

/* The last error of SQLite as text; valid until the next call. */
const char *keel_store_error(const keel_store *store);

/* Call `give` for each output of a committed step in the order of publishing. KEEL_ENOTFOUND: not
 * there (any more); KEEL_EUNAVAIL; or what `give` refused. */
typedef keel_status (*keel_store_give)(void *arg, const keel_out *out);
KEEL_MUST_CHECK keel_status keel_store_recall(keel_store *store, uint64_t step,
                                              keel_store_give give, void *arg);

#endif
