/* admit.h - what comes in from outside, judged and made ready for the inside.
 *
 * ROOM     services/relay. Knows no socket.
 * SHAPE    One table says which topics are open to the outside, how large their payloads may be and
 *          who judges them; anything else is refused. Every frame is judged by itself, by the key
 *          it came with: a decoding envelope of this run, of the topic's type, with a sequence of
 *          1 to 2^63 - 1, from the source that the topic names, which the key may speak for. No key
 *          speaks for a service.
 *          A signal's payload is not looked at: the coordinator says what is wrong with it. Hellos,
 *          step ends and resends (of the feed's rows only) must decode and name the same strategy.
 *          Those go in byte for byte. A request is packed anew with the name of the key in
 *          operator_name, whatever the client wrote there; ids, cause and trace stay, so that the
 *          reply finds its asker. Who is no operator asks under the name of its key, "NAME" or
 *          "NAME-...", or of its strategy, so that nobody forges the answer to another's question.
 * THREADS  one.
 */
#ifndef KEEL_SERVICES_RELAY_ADMIT_H
#define KEEL_SERVICES_RELAY_ADMIT_H

#include "common/base/mem.h"
#include "common/keys/keys.h"
#include "common/wire/control.h"

/* Each refusal has its own counter: code, counter */
#define RELAY_VERDICT_LIST(X)                                                                      \
    X(RELAY_ADMITTED, "admitted")                                                                  \
    X(RELAY_NO_IDENTITY, "in_no_identity")                                                         \
    X(RELAY_REVOKED, "in_revoked")                                                                 \
    X(RELAY_MALFORMED, "in_malformed")                                                             \
    X(RELAY_OVERSIZED, "in_oversized")                                                             \
    X(RELAY_WRONG_TYPE, "in_wrong_type")                                                           \
    X(RELAY_OTHER_RUN, "in_other_run")                                                             \
    X(RELAY_BAD_SEQUENCE, "in_bad_sequence")                                                       \
    X(RELAY_FORGED, "in_forged")                                                                   \
    X(RELAY_NO_RIGHT, "in_no_right")                                                               \
    X(RELAY_UNKNOWN_SERVICE, "in_unknown_service")

#define RELAY_VERDICT_ENUM(code, counter) code,
typedef enum relay_verdict {
    RELAY_VERDICT_LIST(RELAY_VERDICT_ENUM) RELAY_VERDICT_COUNT
} relay_verdict;

const char *relay_verdict_counter(relay_verdict verdict);

/* What is wrong with a strategy's frame, for its sender; NULL where nobody is told: who sends is
 * not known, or has no right to be told. */
const char *relay_verdict_sentence(relay_verdict verdict);

typedef struct relay_knock {
    const char *user; /* User-Id of the frame, the public key that it came with; NULL = none */
    const uint8_t *topic;
    size_t topic_len;
    const uint8_t *frame;
    size_t frame_len;
} relay_knock;

/* Where it is judged. */
typedef struct relay_gate {
    const keel_keys *keys;
    const char *run_id;
    keel_arena *arena; /* reset for each frame */
    uint8_t *buf;      /* for an admitted request's envelope */
    size_t cap;
} relay_gate;

typedef struct relay_admission {
    const keel_key *key; /* whose it is, of gate->keys; set on refusals too, NULL = nobody's */
    char topic[KEEL_TOPIC_MAX];
    keel_topic which;
    const char *counter;    /* of what was admitted: "signals_in" */
    keel_envelope envelope; /* of the client; a request's payload is not the admitted one. All zero
                             * where the frame is none */
    keel_request request;   /* requests: with the key's name in operator_name */
    size_t len;             /* requests: bytes of the new envelope in gate->buf; else 0 */
} relay_admission;

/* Judge one frame; ADMITTED fills *out, and gate->buf with a request. */
relay_verdict relay_admit(const relay_gate *gate, const relay_knock *knock, int64_t now_ns,
                          relay_admission *out);

/* Whose topic of signals, hellos or step ends it came on; NULL when it came on none, or its key may
 * not speak for the strategy. */
const char *relay_admission_strategy(const relay_admission *in);

#endif
