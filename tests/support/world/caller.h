/* caller.h - a client of the door that is bound by no library: it says any bytes under any place,
 * and hears what is said to it.
 *
 * ROOM     tests/support/world. CURVE sockets of a context that the test makes; any number of
 *          callers share it, and its thread.
 * MODEL    keel_caller_say sends a frame and nothing else: no outbox, no resend, no credit. What
 *          came back is told by the fields; keel_caller_hear reads it.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_CALLER_H
#define KEEL_TESTS_SUPPORT_WORLD_CALLER_H

#include "common/client/client.h"
#include "common/domain/signal.h"

enum { KEEL_CALLER_PLACES = 1024, KEEL_CALLER_FRAME = 160 << 10, KEEL_CALLER_MS = 20000 };

#define KEEL_CALLER_RUN "test-world"

/* What was decided about a place. */
typedef struct keel_caller_told {
    uint32_t times; /* heard; services that start again repeat theirs */
    keel_reason_code code;
    bool accepted;
    uint64_t decision_seq;
    uint64_t duplicate_of;
    int64_t heard_ms;
    char text[KEEL_REASON_TEXT_MAX];
} keel_caller_told;

typedef struct keel_caller_cfg {
    void *ctx;            /* of ZeroMQ; borrowed */
    const char *dir;      /* the run */
    const char *key;      /* whose key: DIR/keys/KEY.secret */
    const char *strategy; /* as whom it speaks; NULL = the key's name */
    int64_t epoch_ns;     /* 0 = now */
    bool deaf;            /* to decisions: acknowledgements only */
    const char *more;     /* a topic that it reads beside; NULL = none */
    void (*on_more)(void *arg, keel_arena *arena, const keel_envelope *e);
    void *arg;
} keel_caller_cfg;

typedef struct keel_caller {
    keel_caller_cfg cfg;
    char strategy[KEEL_NAME_MAX];
    int64_t epoch_ns;
    uint64_t seq; /* last one that keel_caller_next was given a signal for */
    void *says;   /* XPUB */
    void *hears;  /* SUB */
    bool joined;  /* the door listens */
    uint64_t links;
    keel_ack ack; /* newest of this epoch; seq only grows */
    uint64_t acks;
    keel_ack refusal; /* newest that refuses; code UNSPECIFIED = none */
    uint64_t refusals;
    keel_caller_told *told; /* by seq of this epoch, the newest KEEL_CALLER_PLACES */
    uint64_t decided;       /* places of this epoch that were decided */
    uint64_t garbled;
    keel_arena arena;
} keel_caller;

/* Connect and wait until both directions are joined; false when that takes KEEL_CALLER_MS. */
bool keel_caller_open(keel_caller *c, const keel_caller_cfg *cfg);
void keel_caller_close(keel_caller *c);

/* Begin another epoch: what was told of the old one is forgotten. */
void keel_caller_epoch(keel_caller *c, int64_t epoch_ns);

/* ---- saying ---- */

void keel_caller_greet(keel_caller *c);
void keel_caller_end_step(keel_caller *c, uint64_t step);
/* Any bytes as the payload of the signal of this place. */
void keel_caller_say(keel_caller *c, uint64_t seq, const void *payload, size_t len);
/* Any bytes as a frame. */
void keel_caller_send(keel_caller *c, const char *topic, const void *frame, size_t len);
/* The frame of a place, to be damaged; KEEL_CALLER_FRAME bytes. */
size_t keel_caller_frame(keel_caller *c, uint64_t seq, const void *payload, size_t len,
                         uint8_t *frame);
/* A signal under the next place; strategy, epoch, seq and, when absent, signal_id are filled in.
 * Its seq. */
uint64_t keel_caller_signal(keel_caller *c, keel_signal *signal);

/* ---- hearing; all wait KEEL_CALLER_MS at most ---- */

/* Take what has come, waiting up to ms for the first; false when nothing came. */
bool keel_caller_hear(keel_caller *c, int ms);
/* Greet until the epoch is answered; true when it is served, false when refused or unanswered. */
bool keel_caller_join(keel_caller *c);
bool keel_caller_acked(keel_caller *c, uint64_t seq);
/* What was decided about a place; NULL when nothing is heard of it. */
const keel_caller_told *keel_caller_decided(keel_caller *c, uint64_t seq);
bool keel_caller_refused(keel_caller *c, keel_reason_code code);

/* ---- an operator ---- */

keel_client *keel_operator_open(const char *dir);
/* A counter of a service; UINT64_MAX when it does not answer. */
uint64_t keel_operator_counter(keel_client *client, const char *service, const char *counter);
bool keel_operator_ask(keel_client *client, const keel_request *request);

#endif
