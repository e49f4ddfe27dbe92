/* cluster.h - the real processes of a run, started, stopped and killed by a test.
 *
 * ROOM     tests/support/world. Two private redis-servers and every step service, in a folder of
 *          their own; ended by process id, and by the kernel when the test dies. A monitor reads
 *          heartbeats from the services' outboxes.
 *          With a door (keel_cluster_add_client): keel-relay and up to KEEL_CLUSTER_CLIENTS
 *          programs outside, each with a key of its name. Otherwise the monitor stands in the
 *          relay's place.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_CLUSTER_H
#define KEEL_TESTS_SUPPORT_WORLD_CLUSTER_H

#include "common/bus/bus.h"
#include "common/service/node.h"
#include "tests/support/redis.h"
#include "tests/support/world/world.h"

enum {
    KEEL_CLUSTER_SERVICES = 7,
    KEEL_CLUSTER_LOG = 7,
    KEEL_CLUSTER_CACHE = 8,
    KEEL_CLUSTER_ALL = 9, /* without a door */
    KEEL_CLUSTER_RELAY = 9,
    KEEL_CLUSTER_CLIENT = 10, /* the first one */
    KEEL_CLUSTER_CLIENTS = 4,
    KEEL_CLUSTER_PLACES = KEEL_CLUSTER_CLIENT + KEEL_CLUSTER_CLIENTS,
    KEEL_CLUSTER_WORDS = 8
};

/* A program outside: KEEL_BIN_DIR/../tests/ARGV[0] with ARGV and its log at dir/NAME.log. */
typedef struct keel_cluster_client {
    char name[32];
    char words[KEEL_CLUSTER_WORDS][64]; /* "" ends them */
} keel_cluster_client;

typedef struct keel_cluster_beat {
    uint64_t step_done;
    uint64_t seen;   /* heartbeats */
    int64_t seen_ns; /* monotonic */
    int state;
    char why[241];
    char awaited[96];
} keel_cluster_beat;

typedef struct keel_cluster {
    char dir[64];
    bool journals;
    pid_t pids[KEEL_CLUSTER_PLACES]; /* 0 = down */
    bool door;
    int clients_n;
    keel_cluster_client clients[KEEL_CLUSTER_CLIENTS];
    bool power_cuts; /* a kill of the log also takes from its file what was not synced */
    uint64_t cut_bytes;
    unsigned without;         /* KEEL_WITHOUT_* of every service */
    keel_test_redis redis[2]; /* log, cache */
    keel_bus monitor;
    keel_arena arena;
    keel_cluster_beat beats[KEEL_CLUSTER_SERVICES];
    bool ended; /* the feed has no more rows */
    uint64_t rows;
    uint64_t restarts;
} keel_cluster;

const char *keel_cluster_name(int i); /* "feed" ... "log", "cache", "relay" */
const char *keel_cluster_place(const keel_cluster *c, int i); /* clients too */
int keel_cluster_places(const keel_cluster *c);               /* how many processes there are */

/* Make the folder, write the configuration (keel_world_config with `extra`), start everything. */
void keel_cluster_start(keel_cluster *c, int rows, const char *extra, bool journals);
/* Make the folder only; the test writes dir/config.yaml. */
void keel_cluster_prepare(keel_cluster *c, bool journals);
/* Before keel_cluster_up: a key for a program of the test's own, in dir/keys. */
void keel_cluster_add_key(const keel_cluster *c, const char *name);
/* Before keel_cluster_up: open a door, and start this client beside the services. */
void keel_cluster_add_client(keel_cluster *c, const keel_cluster_client *client);
/* Before keel_cluster_up: what is not synced is lost with the log. fsync: "always", "everysec". */
void keel_cluster_cut_power(keel_cluster *c, const char *fsync);
/* Configuration is there already (dir/config.yaml). */
void keel_cluster_up(keel_cluster *c);
/* Listen to the heartbeats; keel_cluster_up does it. It binds the outbox of the relay where there
 * is no door. */
void keel_cluster_monitor(keel_cluster *c);
void keel_cluster_start_one(keel_cluster *c, int i);
void keel_cluster_kill(keel_cluster *c, int i); /* kill -9 */
void keel_cluster_signal(keel_cluster *c, int i, int signal);
/* The service dies at its `passes`-th pass of the stage from now (test builds of the services). */
void keel_cluster_arm(keel_cluster *c, int i, keel_stage stage, int passes);
/* Start again what has died by itself, the stores excepted; how many. */
int keel_cluster_revive(keel_cluster *c);

/* Read heartbeats for up to `ms`; returns early when all services have closed the last row. */
bool keel_cluster_watch(keel_cluster *c, int ms);
bool keel_cluster_done(const keel_cluster *c);
uint64_t keel_cluster_step(const keel_cluster *c); /* least step_done of all services */

/* SIGTERM to all, then kill; the folder stays. */
void keel_cluster_down(keel_cluster *c);
void keel_cluster_remove(keel_cluster *c);

/* Payloads published according to the journals of all services. */
keel_payloads *keel_cluster_journals(const keel_cluster *c);

/* The books as text: every row of the tables that hold money, in order, without run times. */
char *keel_cluster_books(const keel_cluster *c);
/* The same without seals and versions: decisions that only say DUPLICATE shift those. */
char *keel_cluster_money(const keel_cluster *c);

/* A key for every service, in the environment they are started with. */
void keel_cluster_override(const keel_cluster *c, const char *key, const char *value);

/* A counter of a running service, by a status request; UINT64_MAX when it does not answer. */
uint64_t keel_cluster_counter(const keel_cluster *c, const char *service, const char *counter);

/* publish_ns of the messages of a topic that the journals hold, in order; how many. */
int keel_cluster_sent(const keel_cluster *c, const char *topic, int64_t *publish_ns, int cap);

int64_t keel_test_mono_ms(void);

#endif
