/* store.h - what outlives a process: the log of records and snapshots, the cache of last values.
 *
 * ROOM     common/cache. Two implementations of each: Redis (redis.c, the only file that knows
 *          hiredis) and in-memory twins (twin.c), which the in-process host runs on.
 * SHAPE    Everything is under the run id (R4):
 *            keel:{run}:rec:{topic}      log: stream, entry id step-index, fields t e p
 *                                        (receipts: epoch-seq)
 *            keel:{run}:snap:{service}   log or cache: stream, entry id step-0, field p
 *            keel:{run}:last:{topic}     cache: newest envelope of a state or record topic
 *          A call that cannot reach its server says KEEL_EUNAVAIL; it may then have happened or
 *          not, and is repeated: what is already there is reported as held, never written twice
 *          (R3).
 * MEMORY   Entries read are given to a visitor; bytes are valid during its call.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_CACHE_STORE_H
#define KEEL_COMMON_CACHE_STORE_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct keel_log_entry {
    const char *topic;
    int type; /* keel_payload */
    uint64_t step;
    uint64_t index;
    int64_t event_ns;
    const uint8_t *data;
    size_t len;
} keel_log_entry;

/* Entries with (step, index) from (from_step, from_index) to (to_step, max). */
typedef struct keel_log_span {
    uint64_t from_step;
    uint64_t from_index;
    uint64_t to_step;
} keel_log_span;

/* Return false to stop reading. */
typedef bool (*keel_log_visit)(void *arg, const keel_log_entry *entry);

typedef struct keel_log_ops {
    /* Write n entries in one MULTI. held[i] = true: refused, an entry with that id or a higher one
     * was there before. KEEL_OK means durable. */
    keel_status (*append)(void *self, const keel_log_entry *entries, int n, bool *held);
    /* Entries of a topic within a span, ascending. */
    keel_status (*read)(void *self, const char *topic, keel_log_span span, keel_log_visit visit,
                        void *arg);
    /* Step and index of the newest entry; KEEL_ENOTFOUND for an empty or absent stream. */
    keel_status (*top)(void *self, const char *topic, uint64_t *step, uint64_t *index);
    /* Drop entries of a topic before (step, index). */
    keel_status (*trim)(void *self, const char *topic, uint64_t step, uint64_t index);
    /* Snapshots: written like records under "snap:{service}". */
    keel_status (*snapshot_put)(void *self, const char *service, uint64_t step, const uint8_t *data,
                                size_t len);
    /* The newest snapshot at or before `bound`; KEEL_ENOTFOUND. */
    keel_status (*snapshot_get)(void *self, const char *service, uint64_t bound,
                                keel_log_visit visit, void *arg);
    /* Keep the newest snapshot at or before `horizon` and all later ones (P3). */
    keel_status (*snapshot_trim)(void *self, const char *service, uint64_t horizon);
    /* Why the last call that failed did: the server's own words, or the system's. Never NULL. */
    const char *(*why)(void *self);
    void (*close)(void *self);
} keel_log_ops;

typedef struct keel_log_store {
    void *self;
    const keel_log_ops *ops;
} keel_log_store;

typedef struct keel_cache_ops {
    /* Queue the newest envelope of a topic; tend sends it. Never waits for the server's answer.
     * Lost when it is down. */
    void (*set_last)(void *self, const char *topic, const uint8_t *frame, size_t len);
    /* The stored envelope of a topic: KEEL_ENOTFOUND, KEEL_EUNAVAIL. data: caller's buffer. */
    keel_status (*get_last)(void *self, const char *topic, uint8_t *data, size_t cap, size_t *len);
    keel_status (*snapshot_put)(void *self, const char *service, uint64_t step, const uint8_t *data,
                                size_t len);
    keel_status (*snapshot_get)(void *self, const char *service, uint64_t bound,
                                keel_log_visit visit, void *arg);
    /* Send what is queued, take answers that have arrived; true while the server answers and takes
     * what it is sent, and while it is first connected. */
    bool (*tend)(void *self);
    const char *(*why)(void *self); /* tend's false, in words; never NULL */
    void (*close)(void *self);
} keel_cache_ops;

typedef struct keel_cache_store {
    void *self;
    const keel_cache_ops *ops;
} keel_cache_store;

/* ---- Redis on a unix socket or over TCP ---- */
typedef struct keel_redis_cfg {
    const char *address; /* as keel_address_check (dial.h) takes it */
    const char *run_id;
    int timeout_ms; /* of one call; then the connection is given up and made anew */
} keel_redis_cfg;

/* Neither connects: the first call does, and every call tries again, at most each 50 ms. */
void keel_log_redis_open(const keel_redis_cfg *cfg, keel_log_store *log);
void keel_cache_redis_open(const keel_redis_cfg *cfg, keel_cache_store *cache);

/* ---- twins: shared by all processes of a host, so that they outlive each ---- */
typedef struct keel_twin keel_twin;

KEEL_MUST_CHECK keel_twin *keel_twin_new(void);
void keel_twin_free(keel_twin **twin);
void keel_twin_log(keel_twin *twin, const char *run_id, keel_log_store *log);
void keel_twin_cache(keel_twin *twin, const char *run_id, keel_cache_store *cache);
void keel_twin_log_up(keel_twin *twin, bool up);   /* while down: KEEL_EUNAVAIL */
void keel_twin_cache_up(keel_twin *twin, bool up); /* going down loses the contents */
/* The next append happens but its answer is lost: KEEL_EUNAVAIL. */
void keel_twin_lose_answer(keel_twin *twin);

#endif
