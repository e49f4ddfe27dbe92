/* chaos.h - random misfortune for a host: deaths, lost stores, stalled and lossy links.
 *
 * ROOM     tests/support/world. All of it from one seed.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_CHAOS_H
#define KEEL_TESTS_SUPPORT_WORLD_CHAOS_H

#include "common/base/rng.h"
#include "common/service/host.h"

enum { KEEL_CHAOS_LINKS = KEEL_HUB_PORTS_MAX };

typedef struct keel_chaos {
    keel_rng rng;
    double lose; /* chance of a frame to be lost */
    uint64_t turn;
    uint64_t stalled_until[KEEL_CHAOS_LINKS][KEEL_CHAOS_LINKS];
    uint64_t service_until[KEEL_HOST_SERVICES_MAX]; /* down until this turn; 0 = up */
    uint64_t log_until;
    uint64_t cache_until;
    int kills;
} keel_chaos;

keel_chaos keel_chaos_seeded(uint64_t seed);
uint64_t keel_chaos_below(keel_chaos *c, uint64_t n);

/* For keel_host_cfg.judge, with the chaos as its argument. */
keel_hub_fate keel_chaos_judge(void *arg, int from, int to, const char *topic);

/* One event: one, several or all services die; stores go; links stall; an answer is lost. */
void keel_chaos_strike(keel_chaos *c, keel_host *host);

/* Bring back what has been down long enough. */
void keel_chaos_mend(keel_chaos *c, keel_host *host);

/* A schedule of misfortune, in a child of its own that may die of it; true when `run` returns 0. */
typedef struct keel_schedule {
    uint64_t seed;
    unsigned without; /* KEEL_WITHOUT_* */
    int what;         /* the test's own */
    bool quiet;       /* expected to fail */
} keel_schedule;
bool keel_schedule_passes(const keel_schedule *schedule, int (*run)(const keel_schedule *schedule));

/* How many schedules a test runs: 2,000 with KEEL_LONG, N with KEEL_SEEDS=N, else `usual`. */
uint64_t keel_schedules_n(uint64_t usual);

/* Nothing is down. */
bool keel_chaos_is_calm(const keel_chaos *c);

#endif
