/* bench_signals - from a signal to its acknowledgement and to its decision, and how many a second.
 *
 * bench_signals [--short] [--seconds N]. Live, 100 assets, a row each 50 ms; every service, the
 * relay and two Redis as processes, this program as the only client, through the door (CURVE).
 *   paced   1,000 signals a second: each timed from the call of publish to the return of next with
 *           its ACKED, and with its DECISION
 *   closed  as fast as the credit allows for N seconds (20; --seconds 600 for the ten minutes):
 *           signals acknowledged and decided, and what the log's Redis uses, ten times on the way
 * Signals go round the universe, long then flat, so that all are asked of risk. The peers follow at
 * once, with the bytes of a receipt: one message at a time 1,000 times a second, then batches of 16
 * and 128 as fast as they are answered. */
#include "tests/bench/peers.h"

#include "common/base/timefmt.h"
#include "common/client/strategy.h"
#include "common/wire/wire.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ASSETS = 100,
    PER_S = 1000,
    WARM_ROWS = 150,
    AT_KEPT = 1 << 16, /* more than can be on their way */
    TOPS = 10,         /* looks at the log's memory */
    JOIN_MS = 10000,
    SILENCE_NS = 5,
    RECEIPT_BYTES = KEEL_SIGNAL_BYTES_MAX + 1024,
};

typedef struct client {
    keel_strategy *strategy; /* owned */
    int64_t *sent_ns;        /* owned: by seq % AT_KEPT */
    uint64_t sent;
    uint64_t acked;
    uint64_t decided;
    uint64_t accepted;
    bool is_timed;
    bench_samples ack_us;
    bench_samples decision_us;
    size_t receipt_bytes;
} client;

static void fill_next(keel_signal *signal, uint64_t i)
{
    *signal = (keel_signal){.side = i / ASSETS % 2 == 0 ? KEEL_SIDE_LONG : KEEL_SIDE_FLAT,
                            .confidence_frac = 0.7};
    snprintf(signal->symbol, sizeof signal->symbol, "A%03d-SIM", (int)(i % ASSETS));
}

static void publish(client *c)
{
    keel_signal signal;
    keel_err err = {0};
    fill_next(&signal, c->sent);
    const int64_t now_ns = bench_mono_ns();
    if (keel_strategy_publish(c->strategy, &signal, &err) != KEEL_OK)
        bench_die("a signal is refused: %s", err.text);
    if (signal.seq != c->sent + 1)
        bench_die("a signal has another number than expected");
    c->sent++;
    c->sent_ns[signal.seq % AT_KEPT] = now_ns;
}

/* Take everything that is there after waiting at most wait_ms for the first. */
static void take(client *c, int wait_ms)
{
    keel_event e;
    keel_status status;
    for (; (status = keel_strategy_next(c->strategy, wait_ms, &e)) == KEEL_OK; wait_ms = 0) {
        const int64_t now_ns = bench_mono_ns();
        if (e.kind == KEEL_EVENT_ACKED) {
            for (uint64_t seq = c->acked + 1; c->is_timed && seq <= e.seq; seq++)
                bench_add(&c->ack_us, (double)(now_ns - c->sent_ns[seq % AT_KEPT]) * 1e-3);
            c->acked = e.seq;
        } else if (e.kind == KEEL_EVENT_DECISION) {
            c->decided++;
            c->accepted += e.decision->accepted;
            if (c->is_timed)
                bench_add(&c->decision_us,
                          (double)(now_ns - c->sent_ns[e.decision->seq % AT_KEPT]) * 1e-3);
        } else if (e.kind == KEEL_EVENT_CUT_OFF || e.kind == KEEL_EVENT_REFUSED) {
            bench_die("the client is cut off or refused: %s", e.reason.text);
        }
    }
    if (status != KEEL_EUNAVAIL)
        bench_die("next: %s", keel_status_text(status));
}

/* Until everything that was sent is decided. */
static void settle(client *c)
{
    uint64_t seen = c->decided;
    int64_t since_ns = bench_mono_ns();
    while (c->decided < c->sent || c->acked < c->sent) {
        take(c, 10);
        if (c->decided != seen) {
            seen = c->decided;
            since_ns = bench_mono_ns();
        }
        if (bench_mono_ns() - since_ns > SILENCE_NS * KEEL_NS_PER_S)
            bench_die("%llu signals, %llu acknowledged, %llu decided; nothing for %d s",
                      (unsigned long long)c->sent, (unsigned long long)c->acked,
                      (unsigned long long)c->decided, SILENCE_NS);
    }
}

static void open_client(client *c, const keel_cluster *run)
{
    char secret[128];
    keel_err err = {0};
    keel_event e;
    snprintf(secret, sizeof secret, "%s/keys/bench.secret", run->dir);
    const keel_strategy_cfg cfg = {.name = "s000",
                                   .run_dir = run->dir,
                                   .secret_key = secret,
                                   .wants = KEEL_WANT_ALLOCATIONS,
                                   .join_timeout_ms = JOIN_MS};
    *c = (client){.sent_ns = keel_xcalloc(AT_KEPT, sizeof(int64_t))};
    c->strategy = keel_strategy_open(&cfg, &err);
    if (c->strategy == NULL)
        bench_die("%s", err.text);
    do {
        if (keel_strategy_next(c->strategy, JOIN_MS, &e) != KEEL_OK)
            bench_die("the coordinator does not answer");
    } while (e.kind != KEEL_EVENT_JOINED);
}

static void close_client(client *c)
{
    keel_strategy_close(&c->strategy);
    keel_free(&c->sent_ns);
    bench_free(&c->ack_us);
    bench_free(&c->decision_us);
}

static size_t receipt_bytes(void)
{
    uint8_t payload[KEEL_SIGNAL_BYTES_MAX], bytes[RECEIPT_BYTES];
    size_t len = 0;
    keel_signal signal;
    fill_next(&signal, 0);
    signal.seq = 100000;
    signal.epoch_ns = bench_wall_ns();
    signal.row_step = 1000;
    snprintf(signal.strategy, sizeof signal.strategy, "s000");
    snprintf(signal.signal_id, sizeof signal.signal_id, "%lld-%d", (long long)signal.epoch_ns,
             100000);
    keel_receipt receipt = {.epoch_ns = signal.epoch_ns, .seq = signal.seq, .step = 1000};
    snprintf(receipt.strategy, sizeof receipt.strategy, "s000");
    if (keel_wire_put_signal(&signal, payload, sizeof payload, &receipt.signal_len) != KEEL_OK)
        bench_die("a signal does not encode");
    receipt.signal = payload;
    if (keel_wire_put_receipt(&receipt, bytes, sizeof bytes, &len) != KEEL_OK)
        bench_die("a receipt does not encode");
    return len;
}

/* ---- paced ---- */

static void run_paced(client *c, int seconds)
{
    const int n = seconds * PER_S;
    const int64_t from_ns = bench_mono_ns();
    c->is_timed = true;
    for (int i = 0; i < n; i++) {
        const int64_t due_ns = from_ns + (int64_t)i * KEEL_NS_PER_S / PER_S;
        for (int64_t left_ns; (left_ns = due_ns - bench_mono_ns()) > 0;)
            take(c, (int)((left_ns + KEEL_NS_PER_MS - 1) / KEEL_NS_PER_MS));
        publish(c);
    }
    settle(c);
    c->is_timed = false;
}

static void print_paced(client *c, int seconds)
{
    printf("{\"bench\": \"signals\", \"what\": \"paced\", \"per_s\": %d, \"n\": %d, "
           "\"accepted\": %.2f, \"ack_p50_us\": %.0f, \"ack_p99_us\": %.0f, "
           "\"decision_p50_us\": %.0f, \"decision_p99_us\": %.0f, \"target_ack_p99_us\": 2000, "
           "\"target_decision_p50_us\": 1000, \"target_decision_p99_us\": 5000}\n",
           PER_S, seconds * PER_S, (double)c->accepted / (double)c->decided,
           bench_quantile(&c->ack_us, 0.5), bench_quantile(&c->ack_us, 0.99),
           bench_quantile(&c->decision_us, 0.5), bench_quantile(&c->decision_us, 0.99));
}

/* ---- processor time ---- */

enum { USERS = KEEL_CLUSTER_ALL + 2 };

typedef struct users {
    pid_t pids[USERS];
    double from_s[USERS];
} users;

static const char *user_name(int i)
{
    return i < KEEL_CLUSTER_ALL ? keel_cluster_name(i) : i == KEEL_CLUSTER_ALL ? "relay" : "client";
}

static void begin_use(users *u, const keel_cluster *run, pid_t relay)
{
    memcpy(u->pids, run->pids, sizeof run->pids);
    u->pids[KEEL_CLUSTER_ALL] = relay;
    u->pids[KEEL_CLUSTER_ALL + 1] = getpid();
    for (int i = 0; i < USERS; i++)
        u->from_s[i] = bench_cpu_s(u->pids[i]);
}

/* Other work on the machine disturbs it less than it does times. */
static void print_use(const users *u, uint64_t signals)
{
    double all = 0;
    for (int i = 0; i < USERS; i++) {
        const double us = (bench_cpu_s(u->pids[i]) - u->from_s[i]) * 1e6 / (double)signals;
        printf("\"cpu_us_%s\": %.1f, ", user_name(i), us);
        all += us;
    }
    printf("\"cpu_us\": %.1f, ", all);
}

/* ---- closed loop ---- */

static double used_mib(redisContext *log)
{
    redisReply *r = redisCommand(log, "INFO memory");
    const char *at =
        r != NULL && r->type == REDIS_REPLY_STRING ? strstr(r->str, "used_memory:") : NULL;
    if (at == NULL)
        bench_die("the log's redis does not say what it uses");
    const double mib = strtod(at + strlen("used_memory:"), NULL) / (1 << 20);
    freeReplyObject(r);
    return mib;
}

static void run_closed(client *c, const keel_cluster *run, pid_t relay, int seconds)
{
    double mib[TOPS];
    int looks = 0;
    users u;
    const uint64_t acked_before = c->acked, decided_before = c->decided;
    redisContext *log = redisConnectUnix(run->redis[0].socket);
    if (log == NULL || log->err != 0)
        bench_die("%s does not answer", run->redis[0].socket);
    const double idle_mib = used_mib(log);
    begin_use(&u, run, relay);
    const int64_t from_ns = bench_mono_ns();
    int64_t now_ns = from_ns;
    for (; now_ns - from_ns < seconds * KEEL_NS_PER_S; now_ns = bench_mono_ns()) {
        keel_strategy_link link;
        keel_strategy_look(c->strategy, &link);
        for (uint32_t i = 0; i < link.credit && link.waiting + (int)i < KEEL_OUTBOX_MAX; i++)
            publish(c);
        take(c, 10);
        if ((now_ns - from_ns) * TOPS / seconds >= (looks + 1) * KEEL_NS_PER_S)
            mib[looks++] = used_mib(log);
    }
    const double spent_s = (double)(now_ns - from_ns) * 1e-9;
    const uint64_t acked = c->acked - acked_before, decided = c->decided - decided_before;
    settle(c);
    keel_strategy_link link;
    keel_strategy_look(c->strategy, &link);
    printf("{\"bench\": \"signals\", \"what\": \"closed\", \"seconds\": %.0f, "
           "\"acked_per_s\": %.0f, \"decided_per_s\": %.0f, \"resent\": %llu, "
           "\"log_mib_before\": %.1f, \"log_mib\": [",
           spent_s, (double)acked / spent_s, (double)decided / spent_s,
           (unsigned long long)link.resent, idle_mib);
    for (int i = 0; i < looks; i++)
        printf("%s%.1f", i > 0 ? ", " : "", mib[i]);
    printf("], ");
    print_use(&u, c->decided - decided_before);
    printf("\"target_per_s\": 20000}\n");
    redisFree(log);
}

/* ---- peers ---- */

static void print_peer(const char *who, const bench_peer_load *load, const bench_peer_result *r)
{
    printf("{\"bench\": \"signals_peer\", \"who\": \"%s\", \"sync\": \"%s\", \"batch\": %d, "
           "\"bytes\": %zu, \"paced\": %d, \"per_s\": %.0f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
           who, r->sync, load->batch, load->bytes, load->per_s, r->per_s, r->p50_us, r->p99_us);
}

static void run_peers(int seconds)
{
    const bench_peer_load loads[] = {{.batch = 1, .per_s = PER_S}, {.batch = 16}, {.batch = 128}};
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        bench_peer_load load = loads[i];
        bench_peer_result r;
        load.bytes = receipt_bytes();
        load.seconds = seconds;
        bench_peer_redis(&load, &r);
        print_peer("redis", &load, &r);
        if (bench_peer_nats(&load, &r))
            print_peer("nats", &load, &r);
    }
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    const int seconds = bench_option(argc, argv, "--seconds", quick ? 2 : 20);
    const int paced_s = quick ? 1 : 10;
    const bench_world w = {.assets = ASSETS, .pace_ms = 50, .strategies = 1};
    keel_cluster run;
    client c;
    bench_start(&run, &w);
    bench_wait_step(&run, WARM_ROWS, 60);
    const pid_t relay = bench_relay_start(&run);
    open_client(&c, &run);
    run_paced(&c, paced_s);
    print_paced(&c, paced_s);
    fflush(stdout);
    run_closed(&c, &run, relay, seconds);
    fflush(stdout);
    close_client(&c);
    bench_relay_stop(&run, relay);
    bench_stop(&run);
    run_peers(quick ? 1 : 5);
    return 0;
}
