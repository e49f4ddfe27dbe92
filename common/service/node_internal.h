/* node_internal.h - the inside of keel_service, shared by node*.c only. */
#ifndef KEEL_COMMON_SERVICE_NODE_INTERNAL_H
#define KEEL_COMMON_SERVICE_NODE_INTERNAL_H

#include "common/base/timefmt.h"
#include "common/bus/ring.h"
#include "common/bus/steps.h"
#include "common/service/node.h"

enum {
    NODE_PUBLISHERS_MAX = 16,
    NODE_LINE_MAX = 16,
    NODE_OUTS_MAX = 8192, /* messages of one flush; untouched ones cost no memory */
    NODE_PUBS_MAX = 16,
    NODE_REQUESTS_MAX = 16, /* state-changing requests waiting for a step */
    NODE_ASKS_MAX = 32,     /* resends of services to be answered in this turn */
    NODE_CLIENTS_MAX = KEEL_STRATEGIES_MAX + 1, /* each strategy, and whoever is none */
    NODE_FRAMES_PER_TURN = 256,
    NODE_SEQS_MAX = 64,
    NODE_RESEND_STEPS = 64, /* S4: at most so many in one answer */
    NODE_CALLS_MAX = 64,    /* questions or answers that wait to be handled */
};

#define NODE_BEAT_NS     (100 * INT64_C(1000000))
#define NODE_ASK_NS      (100 * INT64_C(1000000))  /* S4 */
#define NODE_CLIENT_NS   (10 * INT64_C(1000000))   /* a client is answered so often at most */
#define NODE_AWAITED_NS  (1000 * INT64_C(1000000)) /* a process awaited so long is named */
#define NODE_FULL_BEATS  10                        /* full list of marks each second */
#define NODE_ARENA_BYTES (16 << 20)

/* One publisher of the line: who, which of its topics are read. */
typedef struct node_publisher {
    const char *name;
    int delta;
    int topics_n;
    bool has_calls;                                     /* topics[topics_n] are its questions */
    int subs[KEEL_STEPS_TOPICS_MAX];                    /* index in spec->subs */
    char topics[KEEL_STEPS_TOPICS_MAX][KEEL_TOPIC_MAX]; /* filled */
    uint64_t asked_to;                                  /* S4: the last Resend that was sent */
    int64_t asked_ns;
    int64_t late_asked_ns;
    bool asked;
    uint64_t read_step; /* live: where a topic whose records all count is read on in the log */
    uint64_t read_index;
} node_publisher;

/* What heartbeats say of another process. */
typedef struct node_peer {
    char name[KEEL_SOURCE_MAX];
    int64_t epoch_ns;
    uint64_t step_done;
    uint64_t snapshot_step;
    uint64_t archived_step;
    int64_t heard_ns; /* monotonic; 0 = never */
    bool lockstep;
    bool recovered; /* it is at work: its steps are those of its store */
} node_peer;

/* A staged output: published by the app, not yet sent. */
typedef struct node_out {
    keel_topic topic;
    uint32_t index;
    keel_message_id cause;
    char trace_id[KEEL_TRACE_MAX];
    int64_t event_ns;
    size_t at; /* offset in the staged bytes */
    size_t len;
    bool absent; /* refused by the log and not in it: not published */
} node_out;

/* Outputs on their way out. */
typedef struct node_staged {
    node_out *outs; /* owned, NODE_OUTS_MAX */
    int n;
    uint8_t *bytes; /* owned; grows to the largest step */
    size_t len;
    size_t cap;
    bool flushing; /* they wait for the log */
} node_staged;

typedef struct node_pub {
    keel_topic topic;
    char text[KEEL_TOPIC_MAX];
    uint32_t count; /* messages of the open step */
    uint64_t
        guard_step;    /* P9: the stored last value is of this step; older ones do not replace it */
    uint64_t top_step; /* newest record in the log */
    uint64_t top_index;
    bool has_top;
    uint8_t *last; /* owned: the newest frame, sent again to who subscribes */
    size_t last_len;
    size_t last_cap;
    bool is_last_fresh; /* not yet queued to the cache */
} node_pub;

typedef struct node_seq {
    char topic[KEEL_TOPIC_MAX];
    uint64_t seq;
    bool changed;
} node_seq;

typedef struct node_request {
    keel_request request;
    char id[96];
    keel_message_id message;
} node_request;

typedef struct node_ask {
    uint64_t from;
    uint64_t to;
} node_ask;

/* The newest Resend of a client; to = 0: none waits. */
typedef struct node_client_ask {
    node_ask ask;
    int64_t due_ns; /* monotonic: not answered before */
} node_client_ask;

/* A question or an answer that has come. */
typedef struct node_call {
    const keel_sub *sub;
    uint64_t step;
    uint32_t index;
    int64_t epoch_ns;
    uint8_t *frame; /* owned, cap bytes */
    size_t len;
    size_t cap;
} node_call;

/* Beside the line (node_desk.c). */
typedef struct node_desk {
    node_call calls[NODE_CALLS_MAX]; /* those past calls_n only keep their buffers */
    int calls_n;
    uint32_t next_call; /* lockstep: the one of the open step to be handled next */
    bool deciding;      /* a round has begun */
    bool round_over;    /* lockstep: the open step's */
    int64_t waits_ns;   /* monotonic: since when a question waits; 0 = none does */
    int64_t asked_ns;
    char awaited[48]; /* who keeps it waiting; "" = nobody */
} node_desk;

/* Live: what is known of risk's heart. */
typedef struct node_deadman {
    keel_trading_mode mode; /* UNSPECIFIED = never tripped */
    int64_t since_ns;       /* last heartbeat, or when counting began */
    int beats;              /* since the rule tripped */
} node_deadman;

typedef enum node_phase {
    NODE_RECOVERING, /* needs log, cache or a peer before it can go on */
    NODE_WORKING,
    NODE_STOPPED,
} node_phase;

struct keel_service {
    keel_node_cfg cfg;
    const keel_service_spec *spec;
    void *app; /* owned, spec->app_size bytes */
    bool app_open;
    bool pristine; /* opened, nothing loaded or handled yet */
    int64_t epoch_ns;
    int64_t started_ns; /* UTC */

    node_phase phase;
    keel_service_state state;
    char why[KEEL_REASON_TEXT_MAX];
    uint64_t bound; /* P1: start from a snapshot at or before this step */
    bool ended;     /* source without more rows */
    bool stopping;
    bool shutdown;

    node_publisher publishers[NODE_PUBLISHERS_MAX];
    int publishers_n;
    keel_steps *steps; /* owned; NULL when there is no line */
    keel_ring *ring;   /* owned */
    node_pub pubs[NODE_PUBS_MAX];
    int pubs_n;
    keel_topic_keys keys;

    uint64_t done;        /* last step that is over */
    uint64_t recall_step; /* step that recall publishes; 0 = none */
    bool opened;          /* step done + 1 has been opened */
    bool restaged;        /* what the log holds of it was published again (live) */
    bool handled;         /* the messages of the line's entry were handled */
    bool stepped;         /* on_step was called */
    bool closed;          /* StepEnd was published */
    int entry;            /* in the line */
    int64_t known_ns;     /* live: when the open step was first heard of; 0 = not yet */
    int64_t waiting_ns;   /* since when it waits for the entry; 0 = it does not */
    int64_t event_ns;
    int64_t pace_due_ns;                   /* live source: monotonic time of the next row */
    node_request taken[NODE_REQUESTS_MAX]; /* in the open step: answered when it is recorded */
    int taken_n;
    node_request queue[NODE_REQUESTS_MAX];
    int queue_n;

    node_staged open_outs;   /* of the open step */
    node_staged recall_outs; /* of an old step that is published again meanwhile */
    node_staged *staged;     /* the one in use */

    node_peer peers[NODE_PUBLISHERS_MAX];
    int peers_n;
    node_ask asks[NODE_ASKS_MAX];
    int asks_n;
    node_client_ask client_asks[NODE_CLIENTS_MAX];
    int64_t clients_due_ns; /* the first of them; INT64_MAX = none waits */
    node_seq seqs[NODE_SEQS_MAX];
    int seqs_n;

    uint64_t snapshot_step; /* newest durable one */
    uint64_t whole_done;    /* of all steps up to it every record was taken, and is durable */
    uint64_t whole_step;    /* likewise, and in the newest snapshot */
    uint64_t horizon;
    int64_t beat_due_ns;
    int64_t recover_due_ns;
    int64_t recovered_ns; /* monotonic: begin of this life, or of what follows a rewind */
    uint64_t beats;
    int64_t handler_max_ns;
    bool cache_lost;
    bool cache_queued; /* last values to be sent at the end of the turn */
    bool log_lost;
    bool passed;    /* live: the last step was closed without somebody */
    bool fresh;     /* no step closed since the start */
    bool caught_up; /* live: the newest records were read from the log */

    node_desk desk;
    node_deadman deadman;

    keel_arena arena;      /* of handlers */
    keel_arena wire_arena; /* of the skeleton's own decoding */
    uint8_t *scratch;      /* owned: what handlers encode into */
    uint8_t *frame;        /* owned: envelopes are encoded here */
    char awaited[96];
    char blame[KEEL_REASON_TEXT_MAX]; /* the app's reason for refusing a commit or resume */
};

/* node.c */
int64_t node_mono(const keel_service *n);
void node_stage(const keel_service *n, keel_stage stage);
void node_state(keel_service *n, keel_service_state state, const char *why);
/* The same with "what (reason)"; the reason may be empty. */
void node_state_of(keel_service *n, keel_service_state state, const char *what, const char *reason);
bool node_is_lockstep(const keel_service *n);
void node_say_working(keel_service *n);
void node_call_count(keel_service *n, const char *what, keel_status status);
uint64_t node_open_step(const keel_service *n);
/* S2: what is sent from here on is of a later start than all before, also when the clock has
 * stepped back. */
int64_t node_next_epoch(const keel_service *n);

/* node_out.c: staging, records, frames */
void node_outs_reset(keel_service *n);
/* Journal, log, publish what is staged. False: not now (the state says why); call again. */
bool node_flush(keel_service *n);
/* DEGRADED, with the system's own reason; always false. */
bool node_hold_back(keel_service *n, const char *what, const char *reason);
bool node_end_step(keel_service *n);      /* StepEnd */
keel_status node_commit(keel_service *n); /* to the service's own store; KEEL_EUNAVAIL: not now */
void node_send(keel_service *n, keel_topic topic, const char *key, keel_payload type,
               const uint8_t *payload, size_t len);
node_pub *node_pub_of(keel_service *n, keel_topic topic);
uint64_t node_seq_next(keel_service *n, const char *topic);
void node_keep_last(node_pub *pub, const uint8_t *frame, size_t len);
/* Fold a record of the open step that the log holds (on_own). KEEL_EFORMAT: not one of its own. */
keel_status node_fold_frame(keel_service *n, const char *topic, const uint8_t *frame, size_t len);
/* Publish a record of the open step again as the log holds it, and fold it (on_own). */
void node_republish(keel_service *n, node_pub *pub, const keel_log_entry *entry);
void node_welcome(keel_service *n); /* last values to who has just subscribed */

/* node_in.c: frames from the bus */
bool node_receive(keel_service *n);
keel_status node_message(keel_service *n, const char *topic, const uint8_t *frame, size_t len,
                         keel_msg *msg); /* for a handler; strings live in wire_arena */
int node_publisher_of(const keel_service *n, const char *name); /* of the line; -1 = none */
/* A record of the log, as the frame that `source` would have sent. */
keel_status node_dispatch_entry(keel_service *n, const keel_sub *sub, const char *source,
                                const char *topic, const keel_log_entry *e);
void node_dispatch(keel_service *n, const keel_sub *sub, const char *topic, const uint8_t *frame,
                   size_t len);
node_peer *node_peer_of(keel_service *n, const char *name);
void node_clients_due(keel_service *n); /* which Resend of a client is to be answered first */

/* node_recover.c: start, snapshots, resends, trimming */
bool node_recover(keel_service *n); /* true once NODE_WORKING */
/* WARMING, with what is waited for; always false. */
bool node_wait_for(keel_service *n, const char *what, const char *reason);
bool node_wait_for_log(keel_service *n);
void node_rewind(keel_service *n, uint64_t bound);
/* P2: take the snapshot that is owed after this step. False: the log cannot be reached; call
 * again. */
bool node_snapshot(keel_service *n);
void node_serve(keel_service *n);                                               /* answer resends */
void node_ask_again(keel_service *n, int line);                                 /* S4 */
void node_ask_late(keel_service *n, int publisher, uint64_t from, uint64_t to); /* R6 */
/* R5, live: a topic whose records all count, not the newest alone: decisions. Hand over what the
 * log has of it beyond what was handled, up to a step; note what came along the line. So neither a
 * step that was passed over, nor one to which a publisher that started again has added, loses one.
 */
bool node_is_cumulative(const keel_service *n, keel_topic topic);
bool node_read_cumulative(keel_service *n, int publisher, uint64_t to_step);
void node_note_cumulative(keel_service *n, int publisher, uint64_t step);
/* R5, live: the newest record of every topic read, from the log, before the first step is opened.
 * */
keel_status node_catch_up(keel_service *n);
void node_trim(keel_service *n);
/* The record of `topic` that the log holds for the open step (P7). KEEL_ENOTFOUND: none;
 * KEEL_EUNAVAIL: cannot be known now. */
keel_status node_stored_record(keel_service *n, keel_topic topic, keel_msg *msg);
void node_send_resend(keel_service *n, const char *publisher, uint64_t from, uint64_t to);

/* node_books.c: false: waited for */
bool node_source_place(keel_service *n);      /* the feed goes on where the ledger is */
bool node_log_reaches_books(keel_service *n); /* P10 */

/* node_desk.c: clients, questions, rounds of deciding */
void node_desk_subscribe(keel_service *n);
/* True when the topic is one of the desk's doors. */
bool node_desk_door(keel_service *n, keel_topic kind, const char *topic, const uint8_t *frame,
                    size_t len);
void node_desk_call(keel_service *n, keel_topic kind, const keel_envelope *e, const uint8_t *frame,
                    size_t len);
void node_desk_open(keel_service *n);   /* a step begins */
bool node_desk_answer(keel_service *n); /* questions that have come; true when one was handled */
/* Lockstep: whether this service answers the questions of the topic, so that a step is not over
 * before all of them were. */
bool node_desk_counts(const keel_service *n, keel_topic topic);
/* Were all that are counted in the publisher's closed step? */
bool node_desk_answered(const keel_service *n, int publisher, uint64_t step);
bool node_desk_round(keel_service *n); /* lockstep: true when the step's round is over */
bool node_desk_live(keel_service *n);  /* live: true when something was done */
bool node_desk_is_deciding(const keel_service *n);
bool node_desk_flush(keel_service *n);
keel_status node_desk_restage(keel_service *n); /* KEEL_EUNAVAIL: the log cannot be read now */
void node_desk_watch(keel_service *n);          /* the dead-man rule */
bool node_desk_is_tripped(const keel_service *n);

/* node_control.c: heartbeats, requests */
void node_beat(keel_service *n);
void node_on_request(keel_service *n, const keel_envelope *envelope);
void node_answer_taken(keel_service *n);

#endif
