/* raw.h - the peer: the same hops, message sizes and awaited writes over ZeroMQ, no engine.
 *
 * ROOM     tests/bench.
 * SHAPE    bench_survey runs the real system for a while and notes what each service sends in a
 *          step: how many messages of which size on each topic, how large its StepEnd is.
 *          bench_raw_start then forks seven processes that send exactly this, each waiting for the line of the
 *          service it stands for and subscribing to what that reads. Awaited are: one MULTI of
 *          execution for plans and one for fills and PlanDone, one MULTI of risk (appendfsync
 *          always), one transaction of the ledger (WAL, synchronous=FULL) with as many rows and
 *          bytes as its outputs and fills. Nothing is written to the cache, no heartbeat is sent.
 */
#ifndef KEEL_TESTS_BENCH_RAW_H
#define KEEL_TESTS_BENCH_RAW_H

#include "tests/bench/bench.h"

enum { BENCH_FLOWS_MAX = 32 };

typedef struct bench_flow {
    keel_topic topic;
    char text[KEEL_TOPIC_MAX];
    double per_step; /* messages */
    size_t bytes;    /* of a frame, on average */
} bench_flow;

typedef struct bench_traffic {
    int n;
    bench_flow flows[BENCH_FLOWS_MAX];
    size_t end_bytes[KEEL_CLUSTER_SERVICES];
} bench_traffic;

/* What is sent in `steps` steps after step `from`. */
void bench_survey(const bench_world *w, uint64_t from, int steps, bench_traffic *out);

typedef struct bench_raw {
    char dir[64];
    keel_test_redis log;
    pid_t pids[KEEL_CLUSTER_SERVICES];
} bench_raw;

/* pace_ms as in the world: 0 = each step when the one before is over. */
void bench_raw_start(bench_raw *raw, const bench_traffic *traffic, int pace_ms);
void bench_raw_stop(bench_raw *raw);

/* A frame begins with this; the rest is filler. */
typedef struct bench_raw_head {
    int64_t row_ns; /* when the row of this step was sent, UTC */
    int64_t sent_ns;
    uint64_t step;
} bench_raw_head;

/* A SUB socket in ctx that reads `prefix` from service i's outbox. */
void *bench_read(void *ctx, const char *dir, int i, const char *prefix);
/* Next [topic][frame] into frame[cap], its length; 0 = nothing in timeout_ms. */
size_t bench_next(void *sub, int timeout_ms, char topic[KEEL_TOPIC_MAX], uint8_t *frame,
                  size_t cap);

#endif
