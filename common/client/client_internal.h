/* client_internal.h - what the two clients of the door share: clocks, keys, frames.
 *
 * ROOM     common/client.
 */
#ifndef KEEL_COMMON_CLIENT_CLIENT_INTERNAL_H
#define KEEL_COMMON_CLIENT_CLIENT_INTERNAL_H

#include "common/base/mem.h"
#include "common/wire/control.h"

#include <zmq.h>

enum { CLIENT_KEY_TEXT = 41 };

#define CLIENT_WELCOME "v1.welcome.relay." /* first message of the door to a new reader */

typedef struct client_identity {
    char server[CLIENT_KEY_TEXT];
    char public_key[CLIENT_KEY_TEXT];
    char secret_key[CLIENT_KEY_TEXT];
} client_identity;

int64_t client_mono_ns(void);
int64_t client_wall_ns(void);

/* Milliseconds until then, rounded up, 0 when it has passed. */
int client_left_ms(int64_t until_ns);

/* The door's public key, and one's own pair. KEEL_EIO with *err naming the file. */
KEEL_MUST_CHECK keel_status client_read_keys(const char *server_file, const char *secret_file,
                                             client_identity *id, keel_err *err);

/* Ask a SUB socket for what begins with `prefix`. */
bool client_subscribe(void *socket, const char *prefix);

/* Take a whole message of `socket` without waiting; its last frame to *frame. How many frames there
 * were; 0 = nothing came. */
int client_take(void *socket, char topic[KEEL_TOPIC_MAX], zmq_msg_t *frame);

/* A topic and an envelope that fit each other, of this run (NULL = any). */
bool client_decode(keel_arena *arena, const char *topic, zmq_msg_t *frame, const char *run_id,
                   keel_envelope *out);

#endif
