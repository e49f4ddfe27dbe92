/* outbox.h - what a strategy has said and the coordinator has not acknowledged yet.
 *
 * ROOM     common/client: pure. No socket, file or clock: messages and times are passed in, what
 *          is to be sent comes out.
 * MODEL    Go-back-N (Bertsekas and Gallager, Data Networks, 2nd ed. 1992, 2.4.2). Signals are
 *          numbered 1, 2, 3 ... in the order in which they were pushed; the coordinator takes only
 *          the next number and acknowledges cumulatively. Without progress for KEEL_RESEND_NS
 *          everything after the last acknowledged number is sent again, KEEL_RESEND_WINDOW at
 *          first and twice as many after each progress, so that a slow coordinator is not flooded.
 *          Nothing is sent beyond acknowledged number + credit, and nothing but a Hello before
 *          the first acknowledgement of the epoch. A new epoch numbers what is left from 1 again,
 *          under the same signal_ids: those who decide recognise a repeat by signal_id.
 *          Lockstep: the end of a step is sent after the signals of it, and again each
 *          KEEL_RESEND_NS until the coordinator has closed the step.
 * MEMORY   keel_outbox_new() takes all: KEEL_OUTBOX_MAX signals, near 5 MB, touched as used.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_CLIENT_OUTBOX_H
#define KEEL_COMMON_CLIENT_OUTBOX_H

#include "common/domain/signal.h"

#define KEEL_HELLO_NS      (100 * INT64_C(1000000))  /* until the epoch is acknowledged */
#define KEEL_HELLO_IDLE_NS (1000 * INT64_C(1000000)) /* afterwards, so that acks keep coming */
#define KEEL_RESEND_NS     (200 * INT64_C(1000000))

enum { KEEL_RESEND_WINDOW = 64 };

typedef struct keel_outbox keel_outbox;

typedef enum keel_outbox_state {
    KEEL_OUTBOX_HELLO,      /* this epoch is not acknowledged yet */
    KEEL_OUTBOX_SERVED,     /* signals flow, as far as the credit goes */
    KEEL_OUTBOX_REFUSED,    /* the strategy is not known, or not active; asked again each second */
    KEEL_OUTBOX_SUPERSEDED, /* a newer client of this strategy is at work: nothing is sent again */
} keel_outbox_state;

/* One thing to send. */
typedef enum keel_outbox_kind {
    KEEL_OUTBOX_NOTHING,
    KEEL_OUTBOX_SEND_HELLO,
    KEEL_OUTBOX_SEND_SIGNAL,
    KEEL_OUTBOX_SEND_STEP, /* the end of a step */
} keel_outbox_kind;

typedef struct keel_outbox_item {
    keel_outbox_kind kind;
    keel_hello hello;
    const keel_signal *signal; /* valid until the next call */
    uint64_t step;             /* SEND_STEP: this step ends ... */
    uint64_t mark;             /* ... after this number; 0 = no signal in this epoch */
} keel_outbox_item;

/* What an acknowledgement changed. */
enum {
    KEEL_OUTBOX_NOW_SERVED = 1 << 0,     /* was not served before */
    KEEL_OUTBOX_PROGRESS = 1 << 1,       /* signals were acknowledged */
    KEEL_OUTBOX_NOW_REFUSED = 1 << 2,    /* not known or not active: see the Ack */
    KEEL_OUTBOX_NOW_SUPERSEDED = 1 << 3, /* for ever */
    KEEL_OUTBOX_EPOCH_USED = 1 << 4,     /* numbers of this epoch were used by another client: the
                                            caller has to begin a later epoch */
};

/* An empty outbox of a strategy (a name, KEEL_NAME_MAX) in an epoch >= 1. Owned. */
KEEL_MUST_CHECK keel_outbox *keel_outbox_new(const char *strategy, int64_t epoch_ns);
void keel_outbox_free(keel_outbox **outbox);

/* Begin a later epoch: what is left is numbered from 1, and greets again. */
void keel_outbox_begin(keel_outbox *outbox, int64_t epoch_ns);

/* The link was made again: greet at once, then send again what is not acknowledged. */
void keel_outbox_rejoin(keel_outbox *outbox);

/* Append a signal; strategy, epoch and number are filled in, *seq (may be NULL) is its number.
 *   KEEL_ENOSPC    KEEL_OUTBOX_MAX are not acknowledged
 *   KEEL_EREFUSED  the coordinator does not know the strategy, or it is not active
 *   KEEL_ESTALE    superseded
 * Cost: one copy. */
KEEL_MUST_CHECK keel_status keel_outbox_push(keel_outbox *outbox, const keel_signal *signal,
                                             uint64_t *seq);

/* Lockstep: the strategy has said all it has to say up to this step. */
void keel_outbox_close_step(keel_outbox *outbox, uint64_t step);

/* The coordinator is known to have closed this step, by other means than an Ack. */
void keel_outbox_closed(keel_outbox *outbox, uint64_t step);

/* The next thing to send now; call until NOTHING. */
void keel_outbox_next(keel_outbox *outbox, int64_t now_ns, keel_outbox_item *item);

/* When keel_outbox_next may have something new without an Ack or a push; INT64_MAX = never. */
int64_t keel_outbox_due_ns(const keel_outbox *outbox);

/* Take an acknowledgement; those of other strategies and older epochs change nothing. Returns a set
 * of KEEL_OUTBOX_NOW_* and PROGRESS. */
unsigned keel_outbox_on_ack(keel_outbox *outbox, const keel_ack *ack, int64_t now_ns);

keel_outbox_state keel_outbox_state_of(const keel_outbox *outbox);
int64_t keel_outbox_epoch_ns(const keel_outbox *outbox);
uint64_t keel_outbox_last_seq(const keel_outbox *outbox);    /* pushed in this epoch */
uint64_t keel_outbox_acked_seq(const keel_outbox *outbox);   /* of this epoch */
uint64_t keel_outbox_closed_step(const keel_outbox *outbox); /* as acknowledged */
int keel_outbox_waiting(const keel_outbox *outbox);          /* not acknowledged */
uint32_t keel_outbox_credit(const keel_outbox *outbox);      /* signals that may be sent now */
uint64_t keel_outbox_resent(const keel_outbox *outbox);      /* signals sent more than once */

#endif
