/* service.h - what a service is made of, and what it may ask of the skeleton.
 *
 * ROOM     common/service. A service is a table (keel_service_spec): configuration rows, the line
 *          it waits for, a handler per topic, and callbacks. The skeleton does the rest: argv,
 *          configuration, sockets, step merge, records, journal, ring, resends, snapshots,
 *          heartbeats, built-in requests, shutdown. ARCHITECTURE.md, docs/protocol.md.
 * SHAPE    The same spec runs in its own process over ZeroMQ and Redis (keel_service_main) and
 *          beside all others in one process over in-memory twins (common/service/host.h).
 *          Handlers decode, call the engine, encode: no arithmetic on prices or weights, no
 *          waiting, no clock. All a handler publishes is journaled, made durable when it is a
 *          record, then sent, in the order of publishing, when its line entry is finished.
 * THREADS  one.
 */
#ifndef KEEL_COMMON_SERVICE_SERVICE_H
#define KEEL_COMMON_SERVICE_SERVICE_H

#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/domain/trading.h"
#include "common/domain/universe.h"
#include "common/wire/control.h"

typedef struct keel_service keel_service;
struct keel_out;
struct keel_settings;
struct keel_log_store;
struct keel_log_entry;

typedef struct keel_msg {
    keel_topic topic;
    const char *topic_text;
    keel_payload type;
    uint64_t step;
    uint32_t index;
    int64_t event_ns;
    keel_message_id id;
    const char *trace_id;
    const uint8_t *data; /* payload; valid during the handler */
    size_t len;
    uint64_t hash; /* keel_hash of the payload: what an InputRef names */
} keel_msg;

typedef keel_status (*keel_handler)(keel_service *svc, void *app, const keel_msg *msg);

/* A topic this service reads, and its handler. Handlers of one publisher's step run in the order of
 * this table, then by index. */
typedef struct keel_sub {
    keel_topic topic;
    keel_handler on;
} keel_sub;

/* One entry of the line (docs/protocol.md): wait until `publisher` has closed step k + delta,
 * call the handlers of its messages, then on_closed (may be NULL). Entries are taken strictly in
 * order; what they publish leaves when the entry is finished. */
typedef struct keel_line {
    const char *publisher; /* NULL ends the table */
    int delta;             /* 0 or -1 */
    bool after_end; /* taken after this service's own StepEnd(k): the step is over only then */
    keel_status (*on_closed)(keel_service *svc, void *app, uint64_t step);
    bool never_passed; /* live: waited for however long it takes: its records make the books */
} keel_line;

/* What a service does beside its line; the strategy coordinator takes and decides signals with it,
 * risk answers. docs/protocol.md, "Signals".
 *
 *   lockstep  line -> gather until KEEL_OK -> decide, answer, decide ... until KEEL_OK -> on_step
 *   live      the same round at every turn at which something was gathered; it ends in the step
 *             that it began in, and an answer that does not come in KEEL_ANSWER_NS is given up
 *
 * What gather takes (keel_service_take), what decide is called for and answers are journaled, so a
 * replay needs neither doors nor log. */
typedef struct keel_desk {
    /* Topics of clients, under any key: called on arrival, outside the steps, not journaled. Ended
     * by {0, NULL}; NULL = none. */
    const keel_sub *doors;
    /* Once a turn while at work: makes what came through the doors durable, then acknowledges. */
    void (*on_turn)(keel_service *svc, void *app);
    /* Hand what is to be decided in the open step to the handlers in `taken`. KEEL_EUNAVAIL: not
     * yet (keel_service_await names who is awaited). In live mode *any tells whether there is
     * anything. */
    keel_status (*gather)(keel_service *svc, void *app, uint64_t step, bool *any);
    const keel_sub *taken; /* what keel_service_take may hand over */
    /* Publish decisions, and at most one question. KEEL_EUNAVAIL: waits for its answer. */
    keel_status (*decide)(keel_service *svc, void *app, uint64_t step);
    /* Live: the answer did not come. decide is called next. */
    void (*give_up)(keel_service *svc, void *app, uint64_t step);
    /* Class CALL: questions or answers read, handled by step and index, each once. In lockstep a
     * question of step k is handled after one's own StepEnd(k). */
    const keel_sub *calls;
} keel_desk;

#define KEEL_ANSWER_NS (500 * INT64_C(1000000))

typedef struct keel_service_spec {
    const char *name; /* "correlation": also its configuration section and socket name */
    size_t app_size;  /* bytes of the app struct: zeroed, filled from cfg, then open() */
    const keel_cfg_row *cfg;
    const keel_line *line;
    const keel_sub *subs;   /* ended by {0, NULL} */
    const keel_topic *pubs; /* ended by KEEL_TOPIC_COUNT */
    bool snapshot_in_cache; /* P2: correlation's snapshots live in cache, the others' in log */
    bool is_source;         /* the feed: paced by the clock in live mode, ends with KEEL_EEND */
    keel_topic
        request_topic; /* P7: record that names the requests taken; KEEL_TOPIC_COUNT = none */

    /* KEEL_EUNAVAIL: what it needs is not there now, and it is called again; nothing may be held.
     * Any other status is a refusal to start. */
    keel_status (*open)(keel_service *svc, void *app, keel_err *err);
    void (*close)(void *app);
    /* Snapshot of everything between two steps; NULL = the service has none (feed, ledger). */
    keel_status (*save)(const void *app, uint8_t *buf, size_t cap, size_t *len);
    keel_status (*load)(void *app, const uint8_t *buf, size_t len);
    /* First call of step k, before any handler. `stored` is the record of request_topic that the
     * log already holds for this step (a replay takes its requests from there), else NULL and
     * requests[n] are taken now. May be NULL. */
    keel_status (*on_open)(keel_service *svc, void *app, uint64_t step, const keel_msg *stored,
                           const keel_request *requests, const char *const *request_ids, int n);
    /* Last call of step k before StepEnd(k). A source returns KEEL_EEND when it has no more rows.
     * May be NULL. */
    keel_status (*on_step)(keel_service *svc, void *app, uint64_t step);
    /* The ledger: make the step durable in one commit before anything of it is published. NULL:
     * records go to the log. */
    keel_status (*commit)(keel_service *svc, void *app, uint64_t step, const struct keel_out *outs,
                          int n);
    /* Adopt a record that the log holds instead of the one just computed (R1, live mode), or fold
     * one's own records after base_topic's newest at a start in live mode (P4). May be NULL. */
    keel_status (*on_own)(keel_service *svc, void *app, const keel_msg *msg);
    keel_topic base_topic; /* with on_own: the record that carries all state; else TOPIC_COUNT */
    /* Services that start from their own store: the last step that is complete there. */
    keel_status (*resume)(keel_service *svc, void *app, uint64_t *step_done);
    /* Publish the outputs of an old step again (feed: re-read; ledger: SQLite). KEEL_ENOTFOUND: it
     * cannot be had any more. NULL: old steps are replayed from a snapshot (P1). */
    keel_status (*recall)(keel_service *svc, void *app, uint64_t step);
    const keel_desk *desk; /* NULL = none */
    /* Live: the dead-man rule. ACTIVE, REDUCING after 1 s and HALTED after 5 s without a heartbeat
     * of risk, ACTIVE again after three. Called when it changes; NULL = not interested. */
    void (*on_deadman)(keel_service *svc, void *app, keel_trading_mode mode);
} keel_service_spec;

typedef struct keel_out {
    keel_topic topic;
    const char *topic_text;
    uint32_t index;
    int64_t event_ns;
    const uint8_t *data;
    size_t len;
} keel_out;

/* Publish a payload of the open step on one of spec->pubs (stream topics: at once, outside the
 * steps). cause may be NULL. The bytes are copied. KEEL_ETOOBIG past 8 MiB. */
KEEL_MUST_CHECK keel_status keel_service_publish(keel_service *svc, keel_topic topic,
                                                 const keel_msg *cause, const uint8_t *data,
                                                 size_t len);

/* Room to encode into, KEEL_PAYLOAD_BYTES_MAX bytes; valid until the handler returns. */
uint8_t *keel_service_scratch(keel_service *svc, size_t *cap);

/* For decoded messages; reset before every handler. */
keel_arena *keel_service_arena(keel_service *svc);

/* Market time of the open step; a source sets it before it publishes a row. */
int64_t keel_service_event_ns(const keel_service *svc);
void keel_service_set_event_ns(keel_service *svc, int64_t event_ns);

/* Why the commit or resume that is about to be refused is: shown with the service's state. */
void keel_service_blame(keel_service *svc, const char *why);

void keel_service_count(keel_service *svc, const char *name, uint64_t add);
uint64_t keel_service_step(const keel_service *svc); /* the open step */

const keel_universe *keel_service_universe(const keel_service *svc);
const struct keel_settings *keel_service_settings(const keel_service *svc);
const keel_config *keel_service_config(const keel_service *svc);
const char *keel_service_run(const keel_service *svc); /* run id */
const char *keel_service_dir(const keel_service *svc); /* run directory, for files of its own */

/* ---- for a desk ---- */

/* The log, for streams of the service's own that are not outputs of a step (receipts). */
const struct keel_log_store *keel_service_log(const keel_service *svc);

/* Hand an entry of the log to its handler in desk->taken, journaled as an input. */
KEEL_MUST_CHECK keel_status keel_service_take(keel_service *svc, keel_topic topic, const char *key,
                                              const struct keel_log_entry *entry);

/* The record of `topic` that the log already holds for the open step: KEEL_ENOTFOUND none,
 * KEEL_EUNAVAIL. Valid until the arena is reset. */
KEEL_MUST_CHECK keel_status keel_service_stored(keel_service *svc, keel_topic topic, keel_msg *msg);

/* Send a message outside the steps, under `key`: acknowledgements. */
void keel_service_send(keel_service *svc, keel_topic topic, const char *key, const uint8_t *data,
                       size_t len);

/* gather's KEEL_EUNAVAIL waits for `who`, shown like a service that is awaited. */
void keel_service_await(keel_service *svc, const char *who);

/* The log did not take what a desk wrote: DEGRADED, in its own words, until it is told that the log
 * is back. */
void keel_service_log_lost(keel_service *svc, bool lost);

/* Nobody needs records of steps before it any more (P3); 0 = not known. */
uint64_t keel_service_horizon(const keel_service *svc);

/* The newest step that a row is known of: from the line, or from the feed's heartbeat. */
uint64_t keel_service_newest_row(keel_service *svc);

/* KEEL_WITHOUT_* of a test; 0 in a program. */
unsigned keel_service_without(const keel_service *svc);

/* Whether the open step, or a later one, may have been decided in an earlier life: the log holds
 * records of it that were not folded yet. */
bool keel_service_is_replaying(const keel_service *svc);

bool keel_service_is_lockstep(const keel_service *svc);
int64_t keel_service_mono_ns(const keel_service *svc); /* for pacing of acknowledgements only */

/* The whole of a service program: returns its exit code (0 ok, 1 failed, 2 usage, 3 config). */
int keel_service_main(int argc, char **argv, const keel_service_spec *spec);

#endif
