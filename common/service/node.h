/* node.h - a service without its sockets: the rules of docs/protocol.md in one object.
 *
 * ROOM     common/service. Everything outside comes through tables (bus, log, cache, clock), so the
 *          same object runs in a process (main.c), in the in-process host (host.c) and under tests
 *          that crash it at any point. keel_service is its type.
 * SHAPE    keel_node_turn does all that can be done now and returns: it takes frames in, goes on
 *          along the line, publishes, answers, beats. It never waits but for the answer of the log.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_SERVICE_NODE_H
#define KEEL_COMMON_SERVICE_NODE_H

#include "common/bus/bus.h"
#include "common/cache/store.h"
#include "common/obs/obs.h"
#include "common/service/journal.h"
#include "common/service/service.h"
#include "common/service/settings.h"

/* Rules that a test may switch off, to see that it then fails. Never set by a program. */
enum {
    KEEL_WITHOUT_S1 = 1 << 0,   /* handle what has arrived, do not wait for the marks */
    KEEL_WITHOUT_S3 = 1 << 1,   /* save in the middle of a step too */
    KEEL_WITHOUT_S4 = 1 << 2,   /* ask only once */
    KEEL_WITHOUT_R1 = 1 << 3,   /* publish before the log has the record, keep one's own bytes */
    KEEL_WITHOUT_R4 = 1 << 4,   /* keys without the run id (by the caller: one store, two runs) */
    KEEL_WITHOUT_P1 = 1 << 5,   /* no rewind when asked for a step below the ring */
    KEEL_WITHOUT_P2 = 1 << 6,   /* all snapshots in the cache */
    KEEL_WITHOUT_P4 = 1 << 7,   /* live: start from the snapshot and believe what was computed */
    KEEL_WITHOUT_G1 = 1 << 8,   /* acknowledge a receipt before the log has it */
    KEEL_WITHOUT_P5 = 1 << 9,   /* forget undecided receipts at a restart */
    KEEL_WITHOUT_P7 = 1 << 10,  /* a replayed step takes the receipts that happen to be there */
    KEEL_WITHOUT_G2 = 1 << 11,  /* decide what has no receipt */
    KEEL_WITHOUT_G3 = 1 << 12,  /* take signals in any order */
    KEEL_WITHOUT_R3 = 1 << 13,  /* ledger: fills are named anew each time they are heard */
    KEEL_WITHOUT_P10 = 1 << 14, /* start whatever the log lacks */
};

/* P2: every service saves its state after the steps that are multiples of it. */
enum { KEEL_SNAPSHOT_STEPS = 256 };

/* Where a crash hurts differently. Tests count that each was hit. */
typedef enum keel_stage {
    KEEL_STAGE_BEFORE_RECORD = 1, /* handled, nothing written yet */
    KEEL_STAGE_RECORD_PUBLISH,    /* durable, not yet sent */
    KEEL_STAGE_PUBLISH_END,       /* sent, step not yet closed */
    KEEL_STAGE_RECOVERING,        /* state loaded, not yet at work */
} keel_stage;

typedef struct keel_node_cfg {
    const keel_service_spec *spec;
    const keel_config *config;
    const keel_settings *settings;
    const keel_universe *universe;
    keel_bus bus;                  /* closed by keel_node_free */
    keel_log_store log;            /* closed by keel_node_free */
    keel_cache_store cache;        /* closed by keel_node_free */
    keel_obs *obs;                 /* borrowed */
    keel_journal *journal;         /* borrowed; NULL = none */
    int64_t (*wall_ns)(void *arg); /* UTC; publish_ns, epochs: never reaches an engine */
    int64_t (*mono_ns)(void *arg); /* for waiting */
    /* Names a start of the service: later than whatever it named before. NULL = wall_ns. */
    int64_t (*epoch_ns)(void *arg);
    void *clock_arg;
    void (*at_stage)(void *arg, keel_stage stage); /* NULL but in tests that crash there */
    void *stage_arg;
    unsigned without;   /* KEEL_WITHOUT_*; 0 */
    int ring_steps;     /* 0 = KEEL_RING_STEPS */
    int snapshot_steps; /* 0 = KEEL_SNAPSHOT_STEPS */
} keel_node_cfg;

/* Open the app; nothing is sent yet. NULL and *err when its configuration is refused. An app that
 * says
 * KEEL_EUNAVAIL is opened again by the recovery: WARMING until then. */
KEEL_MUST_CHECK keel_service *keel_node_new(const keel_node_cfg *cfg, keel_err *err);

/* Free without a word to anyone, as a crash would. */
void keel_node_free(keel_service **svc);

/* Do what can be done now; true when something was done. */
bool keel_node_turn(keel_service *svc);

/* Monotonic time of the next timer: turn again then at the latest. */
int64_t keel_node_due_ns(const keel_service *svc);

/* SIGTERM: no more steps are opened; finishes publishing what is staged, saves when between steps,
 * tells STOPPED. True when done. */
bool keel_node_stop(keel_service *svc);

keel_service_state keel_node_state(const keel_service *svc);
const char *keel_node_why(const keel_service *svc);
const char *
keel_node_awaited(const keel_service *svc);       /* "correlation 17" after a second, else "" */
uint64_t keel_node_done(const keel_service *svc); /* last step that is over */
bool keel_node_ended(const keel_service *svc);    /* a source that has no more rows */
bool keel_node_wants_shutdown(const keel_service *svc); /* a SHUTDOWN request was taken */

#endif
