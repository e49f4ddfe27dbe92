/* strategy.h - what a strategy program is written on: rows in, signals out, decisions back.
 *
 * ROOM     common/client: ZeroMQ with CURVE, Keel envelopes. Programs outside this tree include it
 *          as <keel/strategy.h> and link libkeel. docs/strategies.md leads through it.
 * MODEL    A signal is published once and is delivered: it is kept, and sent again, until the
 *          coordinator has it in its log (outbox.h). A repeat is recognised by signal_id, so a
 *          program that starts again may say the same again. Every signal ends in exactly one
 *          decision. Rows are handed out in the order of their steps, none twice and none left
 *          out: what was missed is asked for again.
 *          lockstep  the market waits for this program: rows from row 1, and each step has to be
 *                    closed. After a restart the same program derives the same signals from the
 *                    same rows, under the same signal_ids; those of steps that the coordinator has
 *                    closed are not sent again.
 *          live      the market does not wait: rows from the newest one on, or from history_rows
 *                    before it.
 * SHAPE    Everything happens inside the calls of this object: no thread of its own calls back.
 *          Greetings, acknowledgements, resends and the making again of a lost link are done in
 *          keel_strategy_next, _wait, _publish and _close_step, so call next again and again.
 * MEMORY   keel_strategy_open() takes all, near 15 MB of which little is touched at first.
 *          Pointers of an event are valid until the next call of keel_strategy_next.
 * THREADS  one thread per object; objects share nothing.
 */
#ifndef KEEL_COMMON_CLIENT_STRATEGY_H
#define KEEL_COMMON_CLIENT_STRATEGY_H

#include "common/base/status.h"
#include "common/domain/allocation.h"
#include "common/domain/books.h"
#include "common/domain/signal.h"
#include "common/domain/universe.h"

#define KEEL_CUT_OFF_NS (1000 * INT64_C(1000000)) /* silence of the door that is told */

typedef struct keel_strategy keel_strategy;

typedef enum keel_strategy_pace {
    KEEL_PACE_OF_RUN, /* as the run is: the door tells */
    KEEL_PACE_LOCKSTEP,
    KEEL_PACE_LIVE,
} keel_strategy_pace;

/* What is wanted beside decisions and the state of the link; 0 = all three. */
enum {
    KEEL_WANT_ROWS = 1 << 0,
    KEEL_WANT_ALLOCATIONS = 1 << 1,
    KEEL_WANT_PORTFOLIO = 1 << 2,
};

typedef struct keel_strategy_cfg {
    const char *name; /* the strategy, as the run's configuration calls it; required */
    /* A run on this machine, or a client's folder, whose file `door` has two addresses. Fills in
     * the next four, as far as they are NULL: */
    const char *run_dir;
    const char *out_endpoint; /* ipc://{run_dir}/door-out.sock; or tcp://host:7180 */
    const char *in_endpoint;  /* ipc://{run_dir}/door-in.sock; or tcp://host:7181 */
    const char *server_key;   /* {run_dir}/keys/door.public: the door's public key */
    const char *secret_key;   /* {run_dir}/keys/{name}.secret: own public and secret key */
    const char *run_id;       /* NULL = whatever run is behind the door */
    keel_strategy_pace pace;
    unsigned wants;     /* set of KEEL_WANT_* */
    int history_rows;   /* live: rows before the newest one that are handed out first; >= 0 */
    int64_t epoch_ns;   /* names this start of the program, later than the last; 0 = now */
    const char *outbox; /* live: file that keeps signals over a kill of this program; NULL = none */
    bool outbox_no_sync; /* do not wait for the disk: a power cut may lose what a kill does not */
    int join_timeout_ms; /* how long open waits for the door; 0 = 2000 */
} keel_strategy_cfg;

typedef enum keel_event_kind {
    KEEL_EVENT_JOINED,     /* the coordinator serves this client: signals flow */
    KEEL_EVENT_ROW,        /* row; in lockstep its step is open until it is closed */
    KEEL_EVENT_DECISION,   /* decision about a signal of this strategy */
    KEEL_EVENT_ALLOCATION, /* allocation approved for a book, `core` among them */
    KEEL_EVENT_PORTFOLIO,  /* portfolio: books, positions, cash */
    KEEL_EVENT_ACKED,      /* seq: signals up to it are in the coordinator's log */
    KEEL_EVENT_CUT_OFF,    /* nothing was heard of the door for a second; JOINED follows one day */
    KEEL_EVENT_REFUSED,    /* reason: the strategy is unknown, or not active; JOINED if that ends */
    KEEL_EVENT_SUPERSEDED, /* a newer client of this strategy is at work; this one has ended */
} keel_event_kind;

/* One step of the market; arrays of n, in the order of keel_strategy_universe. */
typedef struct keel_market_row {
    uint64_t step;
    int64_t close_ns;    /* UTC */
    int64_t bar_ns;      /* length of a bar */
    int n;               /* instruments */
    const double *close; /* in currency; 0 = this instrument has no bar in this row */
    const double *open;  /* with high and low: NULL = the source has closes only */
    const double *high;
    const double *low;
    const double *volume; /* NULL = unknown */
    bool is_history;      /* live: older than the newest row at the start: do not trade on it */
} keel_market_row;

typedef struct keel_event {
    keel_event_kind kind;
    uint64_t step;      /* of the message; 0 = none */
    int64_t event_ns;   /* market time of the message; 0 = none */
    int64_t publish_ns; /* wall clock when it was sent, to judge its age; 0 = none */
    uint64_t seq;       /* ACKED */
    const keel_market_row *row;
    const keel_decision *decision;
    const keel_approved_allocation *allocation;
    const keel_portfolio_state *portfolio;
    keel_reason reason; /* REFUSED, SUPERSEDED, CUT_OFF: a code where there is one, a sentence */
} keel_event;

/* How things stand. */
typedef struct keel_strategy_link {
    bool connected; /* the door is heard */
    bool served;    /* the coordinator has answered this epoch */
    bool superseded;
    bool lockstep;
    int64_t epoch_ns;
    uint64_t last_seq;         /* last signal published in this epoch */
    uint64_t acked_seq;        /* last one that is in the coordinator's log */
    int waiting;               /* published and not acknowledged */
    uint32_t credit;           /* signals that would be sent at once */
    uint64_t row_step;         /* last row handed out */
    uint64_t closed_step;      /* last step that the coordinator says it has closed */
    uint64_t resent;           /* signals sent more than once */
    uint64_t said_before;      /* lockstep: signals of closed steps, not sent again */
    uint64_t rows_asked;       /* requests for rows */
    uint64_t dropped;          /* frames that could not be used */
    uint64_t decisions_missed; /* not fetched in time: keel_strategy_wait kept the newest 1,024 */
    uint64_t links_made;       /* 1 + how often the link was made again */
    char run_id[48];
} keel_strategy_link;

/* Join a run through its door. Waits until both directions are there and the run is known, also for
 * a door that is only being opened; the coordinator need not be there yet (JOINED tells).
 * NULL and *err (may be NULL):
 *   KEEL_EINVAL    a field of cfg, named
 *   KEEL_EUNAVAIL  nobody answers within join_timeout_ms, or the door has no key file yet
 *   KEEL_EREFUSED  the door does not accept the key
 *   KEEL_EEXIST, KEEL_EFORMAT, KEEL_EUNKNOWN, KEEL_ETOOBIG  the outbox: outbox_file.h
 *   KEEL_EIO       a key file, the outbox file, a socket
 *   KEEL_EFORMAT   also: {run_dir}/door does not hold two addresses
 * Owned: end with keel_strategy_close. */
KEEL_MUST_CHECK keel_strategy *keel_strategy_open(const keel_strategy_cfg *cfg, keel_err *err);

/* End it and set *strategy to NULL. What is not acknowledged stays in the outbox file, and is lost
 * without one. Safe on NULL. */
void keel_strategy_close(keel_strategy **strategy);

/* Publish a signal. symbol and side are required; strategy, epoch_ns and seq are filled in; also
 * filled in when absent: signal_id ({step}-{n} in lockstep, {epoch}-{seq} in live), row_step (the
 * last row). On KEEL_OK it is kept until it is acknowledged; it is on the wire when this call, or
 * with an outbox file the next one of wait, next or close_step, returns. seq 0 afterwards: its step
 * is closed already (lockstep, after a restart), it was decided before.
 * Waits up to a second for room when KEEL_OUTBOX_MAX signals are not acknowledged.
 *   KEEL_EINVAL, KEEL_ERANGE, KEEL_ENONFINITE  a field, named in *err (may be NULL)
 *   KEEL_EORDER    lockstep: no step is open
 *   KEEL_ENOSPC    still no room
 *   KEEL_EREFUSED  the coordinator does not know this strategy, or it is not active
 *   KEEL_ESTALE    superseded
 *   KEEL_EIO       the outbox file cannot be written: the signal is not accepted
 * Cost: one copy, one encoding; with an outbox file one write, and one fdatasync for all signals
 * published between two sendings. */
KEEL_MUST_CHECK keel_status keel_strategy_publish(keel_strategy *strategy, keel_signal *signal,
                                                  keel_err *err);

/* The next thing that happened.
 *   KEEL_EUNAVAIL  nothing within timeout_ms (-1 = for ever), or a signal interrupted the waiting
 *   KEEL_EORDER    lockstep: a step is open, so no row can come; close it first
 *   KEEL_ESTALE    superseded, after SUPERSEDED was told
 *   KEEL_EIO       the outbox file cannot be synced: nothing more is sent */
KEEL_MUST_CHECK keel_status keel_strategy_next(keel_strategy *strategy, int timeout_ms,
                                               keel_event *event);

/* Wait for the decision about a signal; rows and allocations are left to keel_strategy_next. Finds
 * also what was handed out lately. Statuses as keel_strategy_next; KEEL_EORDER: a lockstep signal
 * is decided after its step was closed. */
KEEL_MUST_CHECK keel_status keel_strategy_wait(keel_strategy *strategy, const char *signal_id,
                                               int timeout_ms, keel_decision *decision);

/* Lockstep: everything about this row has been said. In live: nothing to do, KEEL_OK.
 * KEEL_EORDER: not the open step. KEEL_EIO as above. */
KEEL_MUST_CHECK keel_status keel_strategy_close_step(keel_strategy *strategy, uint64_t step);

/* The instruments; NULL before the first row. Valid until keel_strategy_close; a row of another
 * universe is not handed out. */
const keel_universe *keel_strategy_universe(const keel_strategy *strategy);

void keel_strategy_look(const keel_strategy *strategy, keel_strategy_link *link);

#endif
