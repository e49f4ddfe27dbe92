/* beats.h - heartbeats of all services, and the one that everyone waits for.
 *
 * ROOM     services/cli.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_CLI_BEATS_H
#define KEEL_SERVICES_CLI_BEATS_H

#include "common/client/client.h"
#include "services/cli/system.h"

enum { KEEL_BEATS_NAME_MAX = 160 };
enum { KEEL_BEAT_SILENT_MS = 1000 }; /* heartbeats come every 100 ms; awaited is set after 1 s */

typedef struct keel_beats {
    int64_t began_ns;                     /* monotonic: when listening began */
    int64_t heard_ns[KEEL_SERVICES_N];    /* monotonic; 0 = never */
    keel_heartbeat beat[KEEL_SERVICES_N]; /* the newest one */
} keel_beats;

keel_beats *keel_beats_new(void);

/* Take a message of KEEL_TOPIC_HEARTBEAT. Refused ones and those of others are ignored. */
void keel_beats_take(keel_beats *beats, const keel_envelope *envelope);

/* Has every service been heard? */
bool keel_beats_complete(const keel_beats *beats);

/* Has this service (index of keel_service_at) been silent for KEEL_BEAT_SILENT_MS? */
bool keel_beats_silent(const keel_beats *beats, int service, int64_t now_ns);

/* The service that the others wait for: one that is silent and awaited, else any silent one, else
 * the end of the chain of who awaits whom. -1 when nobody waits. */
int keel_beats_awaited(const keel_beats *beats, int64_t now_ns);

/* The name of that service; when it waits itself for someone who is no service, that too:
 * "strategy-coordinator, which waits for strategy momentum 17". */
const char *keel_beats_name(const keel_beats *beats, int service, char out[KEEL_BEATS_NAME_MAX]);

/* Read heartbeats until all were heard, or KEEL_BEAT_SILENT_MS passed, or, while some service says
 * that it waits, until that time too. The client must read KEEL_TOPIC_HEARTBEAT. */
void keel_beats_listen(keel_beats *beats, keel_client *client);

#endif
