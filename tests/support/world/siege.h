/* siege.h - a real relay, and what is needed to attack it: clients in every dress, frames that say
 * anything, and an ear on the inside.
 *
 * ROOM     tests/support/world. A folder of its own; the relay is a process, ended by its id. Names
 *          with a key: momentum, carry, desk, and the operator that the relay makes.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_SIEGE_H
#define KEEL_TESTS_SUPPORT_WORLD_SIEGE_H

#include "common/client/client.h"
#include "common/keys/keys.h"

#include <sys/types.h>

enum {
    SIEGE_WAIT_MS = 8000,
    SIEGE_FRAME_BYTES = 128 << 10,
    SIEGE_DESCRIPTORS = 2048, /* hard limit of the relay; its soft limit begins at 64 */
};

#define SIEGE_RUN "test-world"

typedef struct siege {
    char dir[64];
    bool tcp;             /* which of the ends clients use */
    char ends[2][2][128]; /* ipc, tcp: out, in */
    pid_t relay;
    void *ctx;
    void *inside; /* SUB on the relay's outbox */
    void *feed;   /* XPUB: the feed's outbox */
    uint64_t marks;
    char detail[256]; /* why a scenario failed, or what it measured */
} siege;

bool siege_open(siege *w);
/* Stop the relay; its wait status. The folder stays when `keep`. */
int siege_close(siege *w, bool keep);

bool siege_fails(siege *w, const char *fmt, ...) KEEL_PRINTF(2, 3); /* false */
int64_t siege_mono_ms(void);
void siege_pause_ms(int ms);

/* ---- clients ---- */

const char *siege_end_of(const siege *w, bool in);
const char *siege_file_of(const siege *w, const char *name, const char *suffix);
const char *siege_folder_of(const siege *w); /* of keys */
keel_client *siege_open_as(const siege *w, const char *name, keel_err *err);
bool siege_ping(keel_client *c);

/* A counter of the relay, as it tells the operator; wait until it is n. */
uint64_t siege_counted(siege *w, const char *name);
bool siege_counts_to(siege *w, const char *name, uint64_t n);

typedef enum siege_dress { SIEGE_CURVE, SIEGE_NO_KEY, SIEGE_PLAIN } siege_dress;

/* A socket dressed as somebody; `as` NULL = a key made up here. */
void *siege_socket_as(const siege *w, int type, siege_dress how, const char *as, bool in);
/* One that sends, joined: the door has subscribed to it. */
void *siege_sender_as(const siege *w, const char *as);
bool siege_hears(void *socket, int ms);
void siege_send_two(void *s, const char *topic, const void *frame, size_t len);

/* ---- frames ---- */

/* A frame by what it says. */
typedef struct siege_letter {
    const char *topic, *source, *run;
    keel_payload type;
    uint64_t seq;
    size_t len; /* of a payload of '?'; 0 = payload below */
    uint8_t payload[1024];
    size_t payload_len;
} siege_letter;

siege_letter siege_signal_of(const char *strategy, uint64_t seq);
size_t siege_write_letter(const siege_letter *l, uint8_t *frame); /* SIEGE_FRAME_BYTES */
void siege_post(void *s, const siege_letter *l);

/* ---- the inside ---- */

/* The next thing that passed, heartbeats aside: its seq, its topic. 0 = nothing within ms. */
uint64_t siege_next_inside(siege *w, int ms, char topic[KEEL_TOPIC_MAX]);

/* Did nothing but what was told pass? `want` seqs in order, then a mark that `by`, the sender of
 * momentum, sends now. */
bool siege_passed_only(siege *w, void *by, const uint64_t *want, int n);

#endif
