/* alerts.h - one log line a second for each key and reason, however many frames are refused; and
 * how often the sender hears of it.
 *
 * ROOM     services/relay. Counters have the exact numbers; a line names who and why, and how many
 *          more there were since the line before. A key that floods does not silence the lines
 *          about others: each (key, reason) has a place of its own, found by hash; who meets
 *          another in its place takes it.
 * THREADS  one.
 */
#ifndef KEEL_SERVICES_RELAY_ALERTS_H
#define KEEL_SERVICES_RELAY_ALERTS_H

#include "common/keys/keys.h"
#include "common/obs/obs.h"

enum { RELAY_ALERTS_MAX = 1024 };

typedef struct relay_alert_place {
    char key[KEEL_NAME_MAX];
    const char *why; /* a literal */
    int64_t due_ms;
    int64_t tell_ms;
    uint64_t held;
} relay_alert_place;

/* Begins all zero. */
typedef struct relay_alerts {
    relay_alert_place places[RELAY_ALERTS_MAX];
} relay_alerts;

/* `key`: its name, or its text when it has none. `why` must outlive the alerts. True once in 100 ms
 * for each key and reason: the sender may be told. */
bool relay_alert(relay_alerts *alerts, keel_obs *obs, int64_t now_ms, const char *key,
                 const char *why);

#endif
