/* intake.h - what comes through the doors, until it is decided: places, receipts, credit, acks.
 *
 * ROOM     services/strategy-coordinator: the shell's logic without its I/O.
 * MODEL    Per strategy: epoch of its client, last seq taken (next in order), last seq durable,
 *          last step closed with its mark. A frame is taken when it is the next one and there is
 *          credit; anything else is dropped and the client sends again (go-back-N).
 *            taken -> batch -> log says KEEL_OK -> commit: durable, acknowledged, pending
 *                           -> log is away      -> abandon: as if it had never come
 *            pending -> chosen -> next: handed to the engine
 *          Nothing is acknowledged before commit.
 *          Epochs: a Hello, a first signal (seq 1) or a StepEnd of a newer epoch begins it; so a
 *          client whose Hello was acknowledged by a coordinator that has since died needs no other.
 *          What was taken of the older epoch before stays in the batch.
 *          Until keel_intake_open all frames are dropped: first comes what the log holds, beyond
 *          the engine's marks. Steps that a replay takes from stored Intakes are read from the log
 *          by their ranges, and need nothing here. What was pending fits again, with what had left
 *          for the engine and was in no Intake when it died.
 * SHAPE    Credit = KEEL_OUTBOX_MAX - undecided; of a lockstep strategy in a lockstep run those of
 *          closed steps and those of its open step are counted apart, and the smaller credit holds.
 *          0 where the memory is short.
 * MEMORY   keel_intake_new takes all: cfg->bytes of 256-byte blocks, and 19 MiB that only a restart
 *          uses. Untouched blocks cost nothing.
 *          Pointers that a call gives are valid until the next call.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_STRATEGY_COORDINATOR_INTAKE_H
#define KEEL_SERVICES_STRATEGY_COORDINATOR_INTAKE_H

#include "common/domain/signal.h"

#include <stddef.h>

enum {
    KEEL_INTAKE_BATCH_MAX = 256,   /* receipts of one append */
    KEEL_INTAKE_REFUSALS_MAX = 64, /* refusals that wait to be sent */
    KEEL_INTAKE_BYTES = 64 << 20,  /* of blocks, when cfg->bytes is 0 */
};

#define KEEL_INTAKE_REPEAT_NS (500 * INT64_C(1000000))  /* an ack is repeated */
#define KEEL_INTAKE_HEARD_NS  (5 * INT64_C(1000000000)) /* to who was heard so recently */
#define KEEL_INTAKE_AGAIN_NS  (20 * INT64_C(1000000)) /* least time between acks of repeats, gaps */
#define KEEL_INTAKE_EARLY_NS  (5 * INT64_C(1000000000)) /* a row that is not known is waited for */

typedef struct keel_intake_desk keel_intake_desk;

typedef struct keel_intake_strategy {
    char name[KEEL_NAME_MAX];
    bool lockstep; /* closes its steps, and the run is in lockstep */
    bool active;   /* false: its client is refused, STRATEGY_INACTIVE */
} keel_intake_strategy;

typedef struct keel_intake_cfg {
    const char *portfolio;                  /* copied */
    int strategies_n;                       /* 0..KEEL_STRATEGIES_MAX */
    const keel_intake_strategy *strategies; /* copied */
    size_t bytes;                           /* 0 = KEEL_INTAKE_BYTES; at least 32 KiB are taken */
    int step_max;   /* live: chosen in one step; each strategy has an equal part of it. 0 = any */
    bool any_order; /* false; a test: what is not the next number is taken all the same */
} keel_intake_cfg;

typedef enum keel_intake_verdict {
    KEEL_INTAKE_TAKE,      /* new: a Hello or StepEnd was noted; a signal must be put now */
    KEEL_INTAKE_REPEAT,    /* had before */
    KEEL_INTAKE_GAP,       /* not the next seq */
    KEEL_INTAKE_OLD_EPOCH, /* refused: EPOCH_SUPERSEDED */
    KEEL_INTAKE_NO_CREDIT, /* no room, or the batch is full: comes again */
    KEEL_INTAKE_UNKNOWN,   /* refused: UNKNOWN_STRATEGY */
    KEEL_INTAKE_INACTIVE,  /* refused: STRATEGY_INACTIVE */
    KEEL_INTAKE_BAD,       /* epoch <= 0, seq 0 or >= 2^63, step 0: dropped */
    KEEL_INTAKE_NOT_OPEN,  /* before keel_intake_open: comes again */
    KEEL_INTAKE_VERDICTS,
} keel_intake_verdict;

const char *keel_intake_verdict_name(keel_intake_verdict verdict); /* "repeat"; "" outside */

/* Frames by verdict since the start, of all three kinds, and refusals that nobody was told of
 * because KEEL_INTAKE_REFUSALS_MAX waited. */
typedef struct keel_intake_counts {
    uint64_t frames[KEEL_INTAKE_VERDICTS];
    uint64_t refusals_dropped;
} keel_intake_counts;

/* NULL and *err (may be NULL) names the field. Owned. */
KEEL_MUST_CHECK keel_intake_desk *keel_intake_new(const keel_intake_cfg *cfg, keel_err *err);
void keel_intake_free(keel_intake_desk **desk);

/* ---- at a start ---- */

/* A receipt that the log holds and the engine has not decided, in ascending (epoch, seq) per
 * strategy: pending. row_step as for keel_intake_put. KEEL_EUNKNOWN its strategy; KEEL_EORDER;
 * KEEL_ENOSPC; KEEL_EREFUSED: open. */
KEEL_MUST_CHECK keel_status keel_intake_on_stored_receipt(keel_intake_desk *desk,
                                                          const keel_receipt *receipt,
                                                          uint64_t row_step, int64_t mono_ns);

/* The top of a strategy's stream in the log, or the engine's mark: what is durable, decided or not.
 * Older than what is known: nothing. KEEL_EUNKNOWN, KEEL_EREFUSED: open. */
KEEL_MUST_CHECK keel_status keel_intake_on_top(keel_intake_desk *desk, const char *strategy,
                                               int64_t epoch_ns, uint64_t seq);
void keel_intake_open(keel_intake_desk *desk);

/* ---- frames; mono_ns paces acknowledgements, and says since when an early signal waits ---- */

keel_intake_verdict keel_intake_on_hello(keel_intake_desk *desk, const keel_hello *hello,
                                         int64_t mono_ns);
/* The place of a signal. TAKE: keel_intake_put must follow before any other call. When the batch is
 * full, write and commit it before the next frame, or its client waits for its resend. */
keel_intake_verdict keel_intake_on_signal(keel_intake_desk *desk, const char *strategy,
                                          int64_t epoch_ns, uint64_t seq, int64_t mono_ns);
/* Its bytes, copied. *refusal (NULL or UNSPECIFIED = none) is what is wrong with them; more than
 * KEEL_SIGNAL_BYTES_MAX are refused here, MALFORMED, and not kept. `step` is the open one, row_step
 * the signal's (0 = none). */
void keel_intake_put(keel_intake_desk *desk, uint64_t step, uint64_t row_step,
                     const keel_reason *refusal, const uint8_t *data, size_t len);
/* last_seq: the low 32 bits of the last seq sent in this epoch, as the mark of a StepEnd has it. */
keel_intake_verdict keel_intake_on_step_end(keel_intake_desk *desk, const char *strategy,
                                            int64_t epoch_ns, uint64_t step, uint32_t last_seq,
                                            int64_t mono_ns);

/* ---- the log ---- */

int keel_intake_batch_n(const keel_intake_desk *desk);
void keel_intake_batch_at(keel_intake_desk *desk, int i, keel_receipt *receipt); /* i < batch_n */
/* The log has them all, newly or from before: durable and pending. */
void keel_intake_commit(keel_intake_desk *desk);
/* The log has none of them for certain: they are not acknowledged and come again. Where that is not
 * certain, write the same batch again: what the log has from before counts as written. */
void keel_intake_abandon(keel_intake_desk *desk);

/* ---- deciding ---- */

/* Whether every active lockstep strategy has closed `step` in its present epoch, and all signals up
 * to its mark are durable. *who = the first, by name, that has not. */
bool keel_intake_is_closed(const keel_intake_desk *desk, uint64_t step, const char **who);

size_t keel_intake_pending(const keel_intake_desk *desk);

/* Choose at most `room` pending receipts, to be had by keel_intake_next. In lockstep order
 * (strategy name, epoch, seq); where not all fit, each strategy gets as many as the others, so that
 * none starves. *intake names what was chosen; may be empty. */
void keel_intake_choose(keel_intake_desk *desk, int room, keel_intake *intake);
/* When a choice is made. */
typedef struct keel_intake_moment {
    uint64_t step;       /* the open one */
    uint64_t newest_row; /* that is known of; a coordinator that catches up is behind it */
    int64_t mono_ns;
} keel_intake_moment;

/* Live: at most `room` in order of arrival; where more wait, of each strategy as many as of the
 * others, so that nobody waits behind all that a faster one has sent. Those of a strategy that has
 * had its part of the step wait for the next one.
 * A signal of a row after the step is early, and its strategy's later ones wait with it: for its
 * step, if the row is known; else KEEL_INTAKE_EARLY_NS, and then the engine refuses it. */
void keel_intake_choose_arrived(keel_intake_desk *desk, const keel_intake_moment *at, int room);
/* The next chosen one, no longer pending; false after the last. */
bool keel_intake_next(keel_intake_desk *desk, keel_receipt *receipt);

/* ---- acknowledgements ---- */

/* The coordinator has closed `step`: lockstep strategies hear of it. */
void keel_intake_on_closed(keel_intake_desk *desk, uint64_t step);
/* The next Ack that is due now; false when none is. */
bool keel_intake_next_ack(keel_intake_desk *desk, int64_t mono_ns, keel_ack *ack);

uint32_t keel_intake_credit(const keel_intake_desk *desk, const char *strategy); /* 0 if unknown */
const keel_intake_counts *keel_intake_count(const keel_intake_desk *desk);

#endif
