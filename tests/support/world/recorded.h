/* recorded.h - every record of the signals that the log has ever held for good.
 *
 * ROOM     tests/support/world. Streams are trimmed behind the horizon, so they are not asked:
 *          the append-only file of the log's redis-server is read while it grows, and also after
 *          the server has begun a new one. An entry counts from the end of the transaction that
 *          wrote it.
 * MEMORY   grows with the run.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_RECORDED_H
#define KEEL_TESTS_SUPPORT_WORLD_RECORDED_H

#include "common/base/mem.h"
#include "common/domain/signal.h"

enum { KEEL_RECORDED_STRATEGIES = 8 };

/* Where in the file the transaction ends that wrote an entry. */
typedef struct keel_recorded_at {
    int file;
    uint64_t end;
} keel_recorded_at;

typedef struct keel_recorded_receipt {
    int strategy;
    int64_t epoch_ns;
    uint64_t seq;
    uint64_t id; /* keel_recorded_id of its signal_id; 0 = unreadable */
    keel_recorded_at at;
} keel_recorded_receipt;

typedef struct keel_recorded_decision {
    int strategy;
    int64_t epoch_ns;
    uint64_t seq;
    uint64_t id;
    char signal_id[24];
    uint64_t decision_seq;
    uint64_t duplicate_of;
    bool accepted;
    keel_reason_code code;
    keel_intent intent; /* the first; version 0 = none */
    uint64_t step;
    keel_recorded_at at;
} keel_recorded_decision;

/* A plan that takes up an intent. */
typedef struct keel_recorded_plan {
    uint64_t version;
    uint64_t step;
    keel_recorded_at at;
} keel_recorded_plan;

typedef struct keel_recorded_fill {
    uint64_t id; /* keel_hash of the fill_id */
    bool of_strategy;
    keel_recorded_at at;
} keel_recorded_fill;

typedef struct keel_recorded {
    char dir[128]; /* appendonlydir */
    int strategies_n;
    char strategies[KEEL_RECORDED_STRATEGIES][KEEL_NAME_MAX];
    int file; /* 1, 2 ...: appendonly.aof.{file}.incr.aof */
    int fd;
    uint64_t pos; /* of the first byte that is not taken yet */
    uint8_t *bytes;
    keel_arena arena;

    keel_recorded_receipt *receipts;
    size_t receipts_n, receipts_cap;
    keel_recorded_decision *decisions;
    size_t decisions_n, decisions_cap;
    keel_recorded_fill *fills;
    size_t fills_n, fills_cap;
    keel_recorded_plan *plans;
    size_t plans_n, plans_cap;
    uint64_t strategy_fills;
    uint64_t gone; /* entries that were there and were cut off */
    uint64_t unreadable;
} keel_recorded;

/* Room for one more than the n elements of `size` bytes; as realloc, never NULL. */
void *keel_recorded_grown(void *array, size_t n, size_t *cap, size_t size);
/* A signal_id of the n-th strategy, as a number. */
uint64_t keel_recorded_id(int strategy, const char *signal_id);

/* dir: where the server's appendonlydir is. */
void keel_recorded_open(keel_recorded *r, const char *dir, int n, const char *const *strategies);
void keel_recorded_close(keel_recorded *r);

/* Take what was added; false when nothing was. */
bool keel_recorded_poll(keel_recorded *r);

/* The server was killed and its file may have been cut: forget what is not there any more. */
void keel_recorded_after_cut(keel_recorded *r);

#endif
