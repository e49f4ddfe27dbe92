/* link_internal.h - a strategy's connection to the door, made again when it has gone silent.
 *
 * ROOM     common/client.
 * SHAPE    Two readers, so that acknowledgements do not queue behind rows and a wait for a decision
 *          leaves rows where they are; one XPUB that sends. A TCP link that has gone half-open is
 *          only noticed by silence: the relay beats each 100 ms, and what has not brought a beat
 *          for LINK_SILENT_NS is closed and made again. A unix socket cannot be half-open: there a
 *          whole second of silence is waited for, because a new link misses what an old one had
 *          under way.
 */
#ifndef KEEL_COMMON_CLIENT_LINK_INTERNAL_H
#define KEEL_COMMON_CLIENT_LINK_INTERNAL_H

#include "common/client/client_internal.h"
#include "common/client/strategy.h"

#define LINK_SILENT_NS (300 * INT64_C(1000000))

enum { LINK_CONTROL, LINK_MARKET, LINK_READERS };

typedef struct client_link {
    char out_endpoint[256];
    char in_endpoint[256];
    char secret_file[512];
    client_identity id;
    char run_id[KEEL_RUN_MAX]; /* "" = not known yet */
    bool lockstep;             /* of the run, as the door says */
    char prefixes[LINK_READERS][8][KEEL_TOPIC_MAX];
    int prefixes_n[LINK_READERS];
    void *ctx;
    void *readers[LINK_READERS]; /* SUB */
    void *sends;                 /* XPUB */
    void *events;                /* PAIR: handshakes, during open only */
    bool reader_joined[LINK_READERS];
    bool sends_joined;
    bool rejoined; /* since link_take_rejoined */
    bool beat_heard;
    int64_t silent_ns;
    int64_t heard_ns[LINK_READERS]; /* last beat */
    int64_t made_ns;
    uint64_t made;
    uint64_t dropped;
    keel_arena arena;
    keel_heartbeat beat; /* decoded last */
    char topic[KEEL_TOPIC_MAX];
    zmq_msg_t frame;
} client_link;

/* Add a topic that `reader` asks for: filled, or all of its kind. Before link_open. */
void link_want(client_link *l, int reader, const char *prefix);
void link_want_all(client_link *l, int reader, keel_topic topic);

/* Connect and wait for both directions and the first beat. */
KEEL_MUST_CHECK keel_status link_open(client_link *l, const keel_strategy_cfg *cfg, keel_err *err);
void link_close(client_link *l);

/* The next message of a reader, valid until the next call; false when there is none. Beats of the
 * relay are taken in here. */
bool link_take(client_link *l, int reader, keel_envelope *out);

/* Make the link again when it is silent; look who has joined. Call when nothing is left to read. */
void link_watch(client_link *l, int64_t now_ns);
int64_t link_due_ns(const client_link *l); /* when link_watch will act */

bool link_is_silent(const client_link *l, int64_t now_ns); /* for KEEL_CUT_OFF_NS */
bool link_take_rejoined(client_link *l);

/* Wait for any of the sockets; false when interrupted. */
bool link_wait(client_link *l, bool market_too, int timeout_ms);

/* Send a payload; what nobody is there for is lost. */
KEEL_MUST_CHECK keel_status link_send(client_link *l, const char *topic, keel_envelope *envelope);

#endif
