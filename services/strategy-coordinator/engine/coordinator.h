/* coordinator.h - every signal ends in exactly one decision.
 *
 * ROOM     services/strategy-coordinator/engine: pure.
 * MODEL    Receipts are decided in the order in which they are handed over. Of the checks the first
 *          that fails is the reason:
 *            what is wrong with the bytes; STRATEGY_INACTIVE; DUPLICATE (signal_id known);
 *            UNKNOWN_SYMBOL; FROM_THE_FUTURE; EXPIRED; WARMING_UP (no price yet); MALFORMED (a
 *            price that is no number of units); ENTRY_TOO_FAR; STOP_WRONG_SIDE; TARGET_WRONG_SIDE;
 *            NOT_TRADING; CONFLICT; then what risk answers.
 *          What passes is asked about in questions of at most KEEL_CHECKS_MAX checks, one at a
 *          time. A question ends before a signal whose checks depend on an answer that is still
 *          awaited: the same (strategy, signal_id), the same (strategy, symbol), a conflict that
 *          the answer would make or end, or an id that those of the batch may push out. So every
 *          signal is judged as if the ones before it were decided already.
 *          docs/methods/signal-decisions.md.
 *          An accepted signal stands until its book has closed or left it, a later one of the same
 *          (strategy, symbol) replaces it, it lapses unfilled, or the portfolio stops: lifecycle.h.
 *          executed = the book holds what the signal asked for, counted once per decision (SI16).
 *          signal_id is known as 64 bits of keel_hash per strategy: the newest
 *          min(KEEL_OUTBOX_MAX, KEEL_COORDINATOR_IDS_MAX / strategies) ids, that is all 4096 up to
 *          97 strategies, 4000 of 100, 785 of 509 (G4). Older than what was forgotten = EXPIRED.
 *          Time is event time: the close of the newest row.
 * MEMORY   keel_coordinator_new takes all, below 10 MB for 100 strategies and 100 instruments
 *          (NU05). Pointers that a call gives are valid until the next call on the engine.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_STRATEGY_COORDINATOR_ENGINE_COORDINATOR_H
#define KEEL_SERVICES_STRATEGY_COORDINATOR_ENGINE_COORDINATOR_H

#include "common/domain/bar_row.h"
#include "common/domain/books.h"
#include "common/domain/signal.h"
#include "common/domain/trading.h"
#include "common/domain/universe.h"

#include <stddef.h>

enum {
    KEEL_COORDINATOR_QUEUE_MAX = KEEL_OUTBOX_MAX, /* receipts handed over and not decided */
    KEEL_COORDINATOR_DECISIONS_MAX = 256,         /* of one call */
    KEEL_COORDINATOR_IDS_MAX = 400000,            /* known signal_ids of all strategies */
    KEEL_COORDINATOR_LINES_MAX = 8192,            /* symbol lines of one report */
    KEEL_COORDINATOR_SAVE_MAX = 7 << 20,          /* bytes of a snapshot, with 100 strategies */
};

#define KEEL_COORDINATOR_VALIDITY_NS (24 * INT64_C(3600000000000))
#define KEEL_COORDINATOR_TOLERANCE   0.05

typedef struct keel_coordinator keel_coordinator;

typedef struct keel_coordinator_strategy {
    char name[KEEL_NAME_MAX];
    bool lockstep;
    bool active;       /* false: every signal is refused, STRATEGY_INACTIVE */
    double share_frac; /* of the account; reported only */
} keel_coordinator_strategy;

typedef struct keel_coordinator_cfg {
    const keel_universe *universe;               /* borrowed until keel_coordinator_free */
    const char *portfolio;                       /* copied */
    int strategies_n;                            /* 0..KEEL_STRATEGIES_MAX */
    const keel_coordinator_strategy *strategies; /* as configured, names unique; copied */
    int64_t validity_ns;         /* of a signal that names none; 0 = KEEL_COORDINATOR_VALIDITY_NS */
    double entry_tolerance_frac; /* |entry / close - 1| at most; 0 = KEEL_COORDINATOR_TOLERANCE */
    keel_conflict_policy conflict; /* UNSPECIFIED = FIRST_IN_FIRST_OUT; or ALLOW */
} keel_coordinator_cfg;

/* What is known at the end of a step. */
typedef struct keel_coordinator_view {
    uint64_t step; /* last closed; 0 = none */
    int64_t now_ns;
    int64_t equity_micros;  /* account, of the newest portfolio state; 0 before the first */
    keel_trading_mode mode; /* of the portfolio, without the dead-man; HALTED until risk spoke */
    uint32_t rows;          /* heard in this run */
    uint32_t mode_changes;
    uint64_t decision_seq; /* last one; 0 = none */
    uint32_t standing;     /* intents in force */
    uint32_t queued;       /* receipts handed over and not decided */
} keel_coordinator_view;

typedef enum keel_coordinator_next {
    KEEL_COORDINATOR_AGAIN, /* more can be decided now: publish the decisions and call again */
    KEEL_COORDINATOR_ASKED, /* waits for on_verdict or on_risk_unavailable */
    KEEL_COORDINATOR_DONE,  /* the queue is empty */
} keel_coordinator_next;

typedef struct keel_coordinator_out {
    int decisions_n; /* 0..KEEL_COORDINATOR_DECISIONS_MAX; none in a call that gives a question */
    const keel_decision *decisions; /* in the order of their decision_seq */
    bool has_question;              /* given once; `next` is ASKED then and until the answer */
    keel_risk_check_request question;
    keel_coordinator_next next;
} keel_coordinator_out;

/* NULL and *err (may be NULL) names the field: a portfolio or strategy name that is empty, too long
 * or twice, too many strategies, a validity below 0, a tolerance outside [0, 1), a policy that is
 * not FIRST_IN_FIRST_OUT or ALLOW. Owned. */
KEEL_MUST_CHECK keel_coordinator *keel_coordinator_new(const keel_coordinator_cfg *cfg,
                                                       keel_err *err);
void keel_coordinator_free(keel_coordinator **eng);

/* Inputs of a step, in the order of its line. KEEL_EUNKNOWN: another universe or portfolio;
 * KEEL_EORDER: a row not after the last, or of a step that is closed; a row's own errors as
 * keel_bar_row_check. State unchanged on refusal. on_portfolio closes and marks executed what the
 * books say of intents that were decided before the step of the newest row. Cost of on_portfolio:
 * books, positions and standing intents once. */
KEEL_MUST_CHECK keel_status keel_coordinator_on_row(keel_coordinator *eng, const keel_bar_row *row,
                                                    uint64_t step);
KEEL_MUST_CHECK keel_status keel_coordinator_on_portfolio(keel_coordinator *eng,
                                                          const keel_portfolio_state *portfolio);
KEEL_MUST_CHECK keel_status keel_coordinator_on_trading(keel_coordinator *eng,
                                                        const keel_trading_state *trading);

/* Live: what the dead-man rule allows; the stricter of it and the trading state holds. Not kept in
 * a snapshot. Outside the list = HALTED. ACTIVE until it is called. */
void keel_coordinator_on_deadman(keel_coordinator *eng, keel_trading_mode mode);

/* How many receipts the queue takes now. */
int keel_coordinator_room(const keel_coordinator *eng);

/* Queue a receipt. `signal` is its decoded payload; NULL only where receipt->refusal says what is
 * wrong with the bytes. receipt->step and ->signal are not looked at.
 *   KEEL_EUNKNOWN    a strategy that is not configured
 *   KEEL_EEXIST      (epoch, seq) is not after the last one queued or decided of its strategy
 *   KEEL_EINVAL      no refusal and no signal; a signal of another (strategy, epoch, seq); side
 *   KEEL_ENONFINITE  a price or the confidence is not finite; KEEL_ERANGE: outside its range
 *   KEEL_ENOSPC      KEEL_COORDINATOR_QUEUE_MAX wait
 * State unchanged on refusal. */
KEEL_MUST_CHECK keel_status keel_coordinator_on_receipt(keel_coordinator *eng,
                                                        const keel_receipt *receipt,
                                                        const keel_signal *signal);

/* Decide what can be decided in the open step. Call until next is DONE; at ASKED an answer comes
 * first. KEEL_EORDER: step is closed (state unchanged, *out untouched). Cost per signal: the sizes
 * of the question it is in, never the number of active signals, but one pass over the standing
 * intents per question. */
KEEL_MUST_CHECK keel_status keel_coordinator_decide(keel_coordinator *eng, uint64_t step,
                                                    keel_coordinator_out *out);

/* The answer to the question. The shell matches request_step, _index and _hash; here the answers
 * are held against the checks. KEEL_ENOTFOUND no question waits; KEEL_EUNKNOWN another portfolio;
 * KEEL_EINVAL another number of answers, another signal_id, a quantity on the wrong side, a reason
 * that does not fit. State unchanged on refusal. */
KEEL_MUST_CHECK keel_status keel_coordinator_on_verdict(keel_coordinator *eng,
                                                        const keel_risk_verdict *verdict);

/* Every check of the question that waits becomes REFUSED_RISK_UNAVAILABLE. KEEL_ENOTFOUND. */
KEEL_MUST_CHECK keel_status keel_coordinator_on_risk_unavailable(keel_coordinator *eng);

/* Live, at a start: fold a decision that the log holds, as if it had been made here in the step
 * that is open. KEEL_EEXIST: known already (decision_seq at or below the last); KEEL_EORDER: not
 * the next decision_seq, or not after the last (epoch, seq) of its strategy; KEEL_EUNKNOWN its
 * strategy, or the symbol of what it accepts; KEEL_EINVAL an intent of another book, side or
 * version; KEEL_ENOSPC no intent more can stand; KEEL_EREFUSED while receipts are queued. State
 * unchanged on refusal. The entry price is read from its sizing rule "entry"; a signal_id that is
 * known from here has no age. */
KEEL_MUST_CHECK keel_status keel_coordinator_on_own_decision(keel_coordinator *eng,
                                                             const keel_decision *decision);

/* (epoch, seq) of the last decided receipt of a strategy: what is in the log beyond it is still to
 * be decided. 0, 0 = none. KEEL_EUNKNOWN. */
KEEL_MUST_CHECK keel_status keel_coordinator_mark(const keel_coordinator *eng, const char *strategy,
                                                  int64_t *epoch_ns, uint64_t *seq);

/* True and *report when a count, an active signal or a mark changed since the last call; always at
 * the first. Symbols outside the universe count under "". Where all strategies together have more
 * than KEEL_COORDINATOR_LINES_MAX symbol lines, each lists the symbols it decided most often and
 * adds the rest to "". */
bool keel_coordinator_report(keel_coordinator *eng, keel_strategy_report *report);

/* Close step `step`. KEEL_EORDER: not after the last. KEEL_EREFUSED: receipts are queued. *view
 * (may be NULL) = what is known. */
KEEL_MUST_CHECK keel_status keel_coordinator_on_step(keel_coordinator *eng, uint64_t step,
                                                     keel_coordinator_view *view);

/* Snapshot, between two steps: what is queued is not in it and is handed over again. save:
 * KEEL_ENOSPC with *len = bytes needed. load: KEEL_EFORMAT, KEEL_EVERSION, KEEL_EUNKNOWN another
 * universe, portfolio or list of strategies (names, in order); state unchanged then. */
KEEL_MUST_CHECK keel_status keel_coordinator_save(const keel_coordinator *eng, uint8_t *buf,
                                                  size_t cap, size_t *len);
KEEL_MUST_CHECK keel_status keel_coordinator_load(keel_coordinator *eng, const uint8_t *buf,
                                                  size_t len);

#endif
