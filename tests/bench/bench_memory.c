/* bench_memory - private memory of each process above that of an empty service, and its ring.
 *
 * bench_memory [--short]. 100 assets in lockstep; then the coordinator alone in a live run, when
 * each of 100 strategies has sent 1,000 signals, through the door, that were decided. Private is
 * Private_Clean + Private_Dirty of smaps_rollup; the ring (P1) is what the service itself reports.
 */
#include "tests/bench/raw.h"

#include "common/base/timefmt.h"
#include "common/client/strategy.h"
#include "common/wire/wire.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MS = 10000, BYTES = 8 << 10, COORDINATOR = 6, WARM_ROWS = 150 };

static double private_mib(pid_t pid)
{
    char path[64], text[128];
    long sum = 0, kb;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        bench_die("%s cannot be read", path);
    while (fgets(text, sizeof text, f) != NULL)
        if (sscanf(text, "Private_Clean: %ld kB", &kb) == 1 ||
            sscanf(text, "Private_Dirty: %ld kB", &kb) == 1)
            sum += kb;
    fclose(f);
    return (double)sum / 1024;
}

static pid_t start_empty(const keel_cluster *c)
{
    char program[512], config[128];
    const char *bin = getenv("KEEL_BIN_DIR");
    snprintf(program, sizeof program, "%s/keel-empty", bin != NULL ? bin : "bin");
    snprintf(config, sizeof config, "%s/config.yaml", c->dir);
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("OPENBLAS_NUM_THREADS", "1", 1);
        execl(program, program, "--config", config, "--log-level", "error", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void ask_status(keel_cluster *c, int i, uint64_t seq)
{
    char topic[KEEL_TOPIC_MAX];
    uint8_t payload[BYTES], frame[2 * BYTES];
    size_t len;
    const keel_topic_keys keys = {.key = keel_cluster_name(i)};
    keel_request request = {.requester = "bench", .ask = KEEL_ASK_STATUS};
    snprintf(request.service, sizeof request.service, "%s", keel_cluster_name(i));
    keel_envelope e = {.type = KEEL_PAYLOAD_REQUEST,
                       .id = {.source = "relay", .epoch_ns = 1, .seq = seq},
                       .run_id = "bench",
                       .publish_ns = bench_wall_ns(),
                       .payload = payload};
    if (keel_topic_make(KEEL_TOPIC_REQUEST, &keys, topic) != KEEL_OK ||
        keel_wire_put_request(&request, payload, sizeof payload, &e.payload_len) != KEEL_OK ||
        keel_wire_put_envelope(&e, frame, sizeof frame, &len) != KEEL_OK)
        bench_die("a request does not encode");
    c->monitor.ops->publish(c->monitor.self, topic, frame, len);
}

static double ring_mib(keel_cluster *c, int i)
{
    const int64_t until = keel_test_mono_ms() + LIMIT_MS;
    keel_reply *reply = keel_xcalloc(1, sizeof *reply);
    double mib = -1;
    keel_bus_frame f;
    ask_status(c, i, (uint64_t)i + 1);
    while (mib < 0 && keel_test_mono_ms() < until) {
        keel_envelope e;
        (void)keel_bus_zmq_wait(&c->monitor, -1, 5);
        while (c->monitor.ops->receive(c->monitor.self, &f) == KEEL_OK) {
            keel_arena_reset(&c->arena);
            if (keel_wire_get_envelope(&c->arena, f.frame, f.len, &e) == KEEL_OK &&
                e.type == KEEL_PAYLOAD_REPLY &&
                keel_wire_get_reply(&c->arena, e.payload, e.payload_len, reply) == KEEL_OK &&
                reply->has_status && strcmp(reply->status.service, keel_cluster_name(i)) == 0)
                mib = (double)reply->status.ring_bytes / (1 << 20);
        }
    }
    keel_free(&reply);
    if (mib < 0)
        bench_die("%s does not answer", keel_cluster_name(i));
    return mib;
}

static void print_row(const bench_world *w, uint64_t steps, int signals, keel_cluster *c, int i,
                      double base)
{
    const double ring = ring_mib(c, i), own = private_mib(c->pids[i]);
    printf("{\"bench\": \"memory\", \"assets\": %d, \"strategies\": %d, \"signals\": %d, "
           "\"steps\": %llu, \"service\": \"%s\", \"private_mib\": %.1f, "
           "\"empty_mib\": %.1f, \"ring_mib\": %.1f, \"above_mib\": %.1f, "
           "\"target_mib\": 10}\n",
           w->assets, w->strategies, signals, (unsigned long long)steps, keel_cluster_name(i), own,
           base, ring, own - base - ring);
}

/* As one strategy: n signals, until all are decided. */
static void say(const keel_cluster *c, int number, int n)
{
    char secret[128], name[KEEL_NAME_MAX];
    keel_err err = {0};
    keel_event e;
    snprintf(secret, sizeof secret, "%s/keys/bench.secret", c->dir);
    snprintf(name, sizeof name, "s%03d", number);
    const keel_strategy_cfg cfg = {.name = name,
                                   .run_dir = c->dir,
                                   .secret_key = secret,
                                   .wants = KEEL_WANT_ALLOCATIONS,
                                   .join_timeout_ms = LIMIT_MS};
    keel_strategy *s = keel_strategy_open(&cfg, &err);
    if (s == NULL)
        bench_die("%s: %s", name, err.text);
    for (int i = 0; i < n; i++) {
        keel_signal signal = {.side = KEEL_SIDE_LONG, .confidence_frac = 0.7};
        snprintf(signal.symbol, sizeof signal.symbol, "A%03d-SIM", i % 100);
        if (keel_strategy_publish(s, &signal, &err) != KEEL_OK)
            bench_die("%s: %s", name, err.text);
    }
    for (int decided = 0; decided < n; decided += e.kind == KEEL_EVENT_DECISION)
        if (keel_strategy_next(s, LIMIT_MS, &e) != KEEL_OK)
            bench_die("%s: %d of %d signals are decided", name, decided, n);
    keel_strategy_close(&s);
}

static void run_strategies(bool quick)
{
    const bench_world w = {.assets = 100, .pace_ms = 50, .strategies = 100};
    const int speakers = quick ? 4 : w.strategies, each = quick ? 100 : 1000;
    keel_cluster c;
    bench_start(&c, &w);
    const pid_t empty = start_empty(&c);
    bench_wait_step(&c, WARM_ROWS, 120);
    const pid_t relay = bench_relay_start(&c);
    for (int i = 0; i < speakers; i++)
        say(&c, i, each);
    bench_relay_stop(&c, relay);
    c.monitor.ops->subscribe(c.monitor.self, "v1.reply.bench.");
    keel_cluster_watch(&c, 2000); /* services connect to it again */
    print_row(&w, keel_cluster_step(&c), speakers * each, &c, COORDINATOR, private_mib(empty));
    kill(empty, SIGKILL);
    waitpid(empty, NULL, 0);
    bench_stop(&c);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    const bench_world w = {.assets = 100};
    const uint64_t steps = quick ? 30 : 2000;
    keel_cluster c;
    bench_start(&c, &w);
    c.monitor.ops->subscribe(c.monitor.self, "v1.reply.bench.");
    const pid_t empty = start_empty(&c);
    bench_wait_step(&c, steps, 600);
    const double base = private_mib(empty);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        print_row(&w, steps, 0, &c, i, base);
    kill(empty, SIGKILL);
    waitpid(empty, NULL, 0);
    bench_stop(&c);
    fflush(stdout);
    run_strategies(quick);
    return 0;
}
