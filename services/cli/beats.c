#include "services/cli/beats.h"

#include "common/base/timefmt.h"
#include "common/wire/wire.h"
#include "services/cli/door.h"
#include "services/cli/terminal.h"

#include <string.h>

enum { ARENA_BYTES = 1 << 20 };

static int index_of(const char *name, size_t len)
{
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        if (strlen(keel_service_at(i)) == len && strncmp(keel_service_at(i), name, len) == 0)
            return i;
    return -1;
}

keel_beats *keel_beats_new(void)
{
    keel_beats *beats = keel_xcalloc(1, sizeof *beats);
    beats->began_ns = keel_monotonic_ns();
    return beats;
}

void keel_beats_take(keel_beats *beats, const keel_envelope *envelope)
{
    keel_arena arena;
    keel_arena_init(&arena, ARENA_BYTES);
    keel_heartbeat *heard = keel_xcalloc(1, sizeof *heard);
    if (keel_wire_get_heartbeat(&arena, envelope->payload, envelope->payload_len, heard) ==
        KEEL_OK) {
        const int at = index_of(heard->service, strlen(heard->service));
        if (at >= 0) {
            beats->beat[at] = *heard;
            beats->heard_ns[at] = keel_monotonic_ns();
        }
    }
    keel_free(&heard);
    keel_arena_fini(&arena);
}

bool keel_beats_complete(const keel_beats *beats)
{
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        if (beats->heard_ns[i] == 0)
            return false;
    return true;
}

bool keel_beats_silent(const keel_beats *beats, int service, int64_t now_ns)
{
    const int64_t heard = beats->heard_ns[service];
    const int64_t since = heard > 0 ? heard : beats->began_ns;
    return now_ns - since >= KEEL_BEAT_SILENT_MS * KEEL_NS_PER_MS;
}

/* "correlation 17" -> its index. */
static int awaited_by(const keel_beats *beats, int service)
{
    const char *text = beats->beat[service].awaited;
    return beats->heard_ns[service] > 0 ? index_of(text, strcspn(text, " ")) : -1;
}

int keel_beats_awaited(const keel_beats *beats, int64_t now_ns)
{
    int waiting = -1, silent = -1;
    for (int i = KEEL_SERVICES_N - 1; i >= 0; i--) {
        const int on = keel_beats_silent(beats, i, now_ns) ? -1 : awaited_by(beats, i);
        if (keel_beats_silent(beats, i, now_ns))
            silent = i;
        if (on >= 0 && keel_beats_silent(beats, on, now_ns))
            return on;
        if (on >= 0)
            waiting = i;
    }
    if (silent >= 0 || waiting < 0)
        return silent;
    for (int hops = 0; hops < KEEL_SERVICES_N && awaited_by(beats, waiting) >= 0; hops++)
        waiting = awaited_by(beats, waiting);
    return waiting;
}

const char *keel_beats_name(const keel_beats *beats, int service, char out[KEEL_BEATS_NAME_MAX])
{
    const char *on = beats->heard_ns[service] > 0 ? beats->beat[service].awaited : "";
    const bool outside = on[0] != '\0' && awaited_by(beats, service) < 0;
    snprintf(out, KEEL_BEATS_NAME_MAX, "%s%s%s", keel_service_at(service),
             outside ? ", which waits for " : "", outside ? on : "");
    return out;
}

void keel_beats_listen(keel_beats *beats, keel_client *client)
{
    const int64_t end = beats->began_ns + (KEEL_BEAT_SILENT_MS + 150) * KEEL_NS_PER_MS;
    keel_client_msg msg;
    while (keel_monotonic_ns() < end) {
        if (keel_client_next(client, 50, &msg) == KEEL_OK &&
            keel_door_topic(&msg) == KEEL_TOPIC_HEARTBEAT)
            keel_beats_take(beats, &msg.envelope);
        if (keel_beats_complete(beats) && keel_beats_awaited(beats, keel_monotonic_ns()) < 0)
            return;
    }
}
