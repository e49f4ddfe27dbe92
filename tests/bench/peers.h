/* peers.h - what others take to make the same messages durable, without a bus of services.
 *
 * ROOM     tests/bench. One process sends, one server keeps:
 *            redis  one redis-server on a unix socket, appendfsync always; each batch is a MULTI of
 *                   XADDs to one stream, awaited
 *            nats   nats-server with JetStream on loopback, a file store; each batch is published
 *                   with a reply subject, all acknowledgements awaited. Used when it is in PATH.
 */
#ifndef KEEL_TESTS_BENCH_PEERS_H
#define KEEL_TESTS_BENCH_PEERS_H

#include "tests/bench/bench.h"

typedef struct bench_peer_load {
    int batch;    /* messages that are sent, then awaited; 1..BENCH_PEER_BATCH_MAX */
    size_t bytes; /* of one message */
    int seconds;  /* how long */
    int per_s;    /* batches begun in a second; 0 = one after the other */
} bench_peer_load;

enum { BENCH_PEER_BATCH_MAX = 256, BENCH_PEER_BYTES_MAX = 4096 };

typedef struct bench_peer_result {
    double per_s;  /* messages */
    double p50_us; /* of a batch, from its first byte to its last answer */
    double p99_us;
    const char *sync; /* "always"; "interval": the server has no setting for it */
} bench_peer_result;

void bench_peer_redis(const bench_peer_load *load, bench_peer_result *out);

/* False: there is no nats-server in PATH. */
bool bench_peer_nats(const bench_peer_load *load, bench_peer_result *out);

#endif
