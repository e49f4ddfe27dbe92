#include "services/relay/alerts.h"

#include "common/base/hash.h"

#include <string.h>

enum { EVERY_MS = 1000, TELL_EVERY_MS = 100 };

bool relay_alert(relay_alerts *alerts, keel_obs *obs, int64_t now_ms, const char *key,
                 const char *why)
{
    const uint64_t hash = keel_hash(key, strlen(key)) ^ keel_hash(why, strlen(why));
    relay_alert_place *place = &alerts->places[hash & (RELAY_ALERTS_MAX - 1)];
    const bool same =
        place->why != NULL && strcmp(place->why, why) == 0 && strcmp(place->key, key) == 0;
    const bool tell = !same || now_ms >= place->tell_ms;
    if (tell)
        place->tell_ms = now_ms + TELL_EVERY_MS;
    if (same && now_ms < place->due_ms) {
        place->held++;
        return tell;
    }
    keel_log(obs, KEEL_LOG_WARN, "refused", "why=%s key=%s more=%llu", why,
             keel_obs_quote(obs, key), (unsigned long long)(same ? place->held : 0));
    snprintf(place->key, sizeof place->key, "%s", key);
    place->why = why;
    place->due_ms = now_ms + EVERY_MS;
    place->held = 0;
    return tell;
}
