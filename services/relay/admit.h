/* admit.h - what comes in from outside, judged and made ready for the inside.
 *
 * ROOM     services/relay. Knows no socket.
 * SHAPE    Only requests come in: v1.request.{service}. of a known service, this run, an envelope
 *          that decodes, from somebody whose key has a name. The name of the key goes into
 *          operator_name, whatever the client wrote there; ids, cause and trace stay, so that the
 *          reply finds its asker.
 * THREADS  one.
 */
#ifndef KEEL_SERVICES_RELAY_ADMIT_H
#define KEEL_SERVICES_RELAY_ADMIT_H

#include "common/base/mem.h"
#include "common/wire/control.h"
#include "services/relay/keys.h"

/* Each refusal has its own counter: code, counter */
#define RELAY_VERDICT_LIST(X)                                                                      \
    X(RELAY_ADMITTED, "requests_in")                                                               \
    X(RELAY_NO_IDENTITY, "in_no_identity")                                                         \
    X(RELAY_MALFORMED, "in_malformed")                                                             \
    X(RELAY_WRONG_TYPE, "in_wrong_type")                                                           \
    X(RELAY_OTHER_RUN, "in_other_run")                                                             \
    X(RELAY_UNKNOWN_SERVICE, "in_unknown_service")

#define RELAY_VERDICT_ENUM(code, counter) code,
typedef enum relay_verdict {
    RELAY_VERDICT_LIST(RELAY_VERDICT_ENUM) RELAY_VERDICT_COUNT
} relay_verdict;

const char *relay_verdict_counter(relay_verdict verdict);

typedef struct relay_knock {
    const char *user; /* User-Id of the frame, NULL = none */
    const uint8_t *topic;
    size_t topic_len;
    const uint8_t *frame;
    size_t frame_len;
} relay_knock;

/* Where it is judged. */
typedef struct relay_gate {
    const relay_keys *keys;
    const char *run_id;
    keel_arena *arena; /* reset for each frame */
    uint8_t *buf;      /* for the admitted envelope */
    size_t cap;
} relay_gate;

typedef struct relay_admission {
    char topic[KEEL_TOPIC_MAX];
    keel_envelope envelope; /* of the client; its payload is not the admitted one */
    keel_request request;   /* with the key's name in operator_name */
    size_t len;             /* bytes of the new envelope in gate->buf */
} relay_admission;

/* Judge one frame; ADMITTED fills *out and gate->buf. */
relay_verdict relay_admit(const relay_gate *gate, const relay_knock *knock, int64_t now_ns,
                          relay_admission *out);

#endif
