/* Many and fast strategies on real processes, live.
 *
 *   load  one strategy as fast as the library lets it, one flooder without a library that sends
 *         100,000 frames a second and minds no credit, one reader that never reads: the signals of
 *         a fourth are decided, half of them within a second, and the services stay of bounded
 *         size. The 99th of 100 is printed and not judged: on a busy machine it is above a second
 *   many  500 strategies configured, 100 clients of them at once (KEEL_LONG=1: 500), each with its
 *         key: every signal is acknowledged and decided exactly once
 *
 * Plain main: ends with "N passed, N failed". */
#include "common/base/timefmt.h"
#include "common/client/strategy.h"
#include "tests/support/verdict.h"
#include "tests/support/world/caller.h"
#include "tests/support/world/cluster.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

enum {
    RISK = 5,
    COORDINATOR,
    RELAY = KEEL_CLUSTER_RELAY,
    PACE_MS = 250,
    CALM_MS = 100,     /* between two signals of the calm one */
    CALM_SIGNALS = 40, /* KEEL_LONG: ten times */
    DECIDED_MS = 1000, /* half of the calm one's */
    LONGEST_MS = 15000,
    FLOOD_PER_MS = 100,
    GROWTH_MIB = 200, /* queues of 65,536 frames, blocks of 64 MiB */
    CONFIGURED = 500,
    CLIENTS = 100,
    SIGNALS_EACH = 4,
    AGAIN_MS = 1000,
    MANY_MS = 180000,
};

static bool is_long(void)
{
    return getenv("KEEL_LONG") != NULL;
}

static long resident_kib(pid_t pid)
{
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Up to where a signal on a symbol is decided with a size. */
static void warm_up(keel_cluster *c)
{
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    while (keel_cluster_step(c) < 12 && keel_test_mono_ms() < until)
        keel_cluster_watch(c, 50);
}

static bool all_run(keel_cluster *c)
{
    const int64_t until = keel_test_mono_ms() + 2 * KEEL_CALLER_MS;
    const uint64_t step = keel_cluster_step(c);
    bool running = false;
    while ((!running || keel_cluster_step(c) < step + 2) && keel_test_mono_ms() < until) {
        keel_cluster_watch(c, 50);
        running = true;
        for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
            running = running && c->beats[i].state == KEEL_STATE_RUNNING;
    }
    for (int i = 0; i < KEEL_CLUSTER_SERVICES && !running; i++)
        printf("  %s: step %llu, state %d %s\n", keel_cluster_name(i),
               (unsigned long long)c->beats[i].step_done, c->beats[i].state, c->beats[i].why);
    return running && keel_cluster_revive(c) == 0;
}

/* ---- load ---- */

typedef struct load {
    const char *dir;
    const char *name;
    atomic_bool stop;
    atomic_ulong sent;
    atomic_ulong acked;
} load;

static keel_strategy *join_as(const char *dir, const char *name)
{
    keel_err err = {0};
    const keel_strategy_cfg cfg = {.name = name,
                                   .run_dir = dir,
                                   .pace = KEEL_PACE_LIVE,
                                   .wants = KEEL_WANT_ROWS,
                                   .join_timeout_ms = KEEL_CALLER_MS};
    keel_strategy *s = keel_strategy_open(&cfg, &err);
    if (s == NULL)
        fprintf(stderr, "%s: %s\n", name, err.text);
    return s;
}

/* As fast as credit and library allow. */
static void *run_fast(void *arg)
{
    load *l = arg;
    keel_strategy *s = join_as(l->dir, l->name);
    keel_event event;
    keel_strategy_link link;
    while (s != NULL && !atomic_load(&l->stop)) {
        keel_signal flat = {.side = KEEL_SIDE_FLAT, .confidence_frac = 0.5};
        snprintf(flat.symbol, sizeof flat.symbol, "%c-SIM", 'A' + (int)(atomic_load(&l->sent) % 5));
        if (keel_strategy_publish(s, &flat, NULL) == KEEL_OK)
            atomic_fetch_add(&l->sent, 1);
        while (keel_strategy_next(s, 0, &event) == KEEL_OK) {
        }
        keel_strategy_look(s, &link);
        atomic_store(&l->acked, link.acked_seq);
    }
    keel_strategy_close(&s);
    return NULL;
}

/* One number after the other, whatever comes back. */
static void *run_flood(void *arg)
{
    load *l = arg;
    keel_caller c;
    void *ctx = zmq_ctx_new();
    const keel_caller_cfg cfg = {.ctx = ctx, .dir = l->dir, .key = l->name};
    if (keel_caller_open(&c, &cfg) && keel_caller_join(&c)) {
        const int64_t from = keel_test_mono_ms();
        while (!atomic_load(&l->stop)) {
            const uint64_t due = (uint64_t)(keel_test_mono_ms() - from) * FLOOD_PER_MS;
            if (atomic_load(&l->sent) + 10 * FLOOD_PER_MS < due) /* it cannot make up for more */
                atomic_store(&l->sent, due - 10 * FLOOD_PER_MS);
            for (; atomic_load(&l->sent) < due; atomic_fetch_add(&l->sent, 1)) {
                keel_signal flat = {
                    .side = KEEL_SIDE_FLAT, .symbol = "B-SIM", .confidence_frac = 0.5};
                (void)keel_caller_signal(&c, &flat);
            }
            (void)keel_caller_hear(&c, 1);
            atomic_store(&l->acked, c.ack.seq);
            if (c.seq > c.ack.seq + 8 * KEEL_OUTBOX_MAX) /* else its place is lost for good */
                c.seq = c.ack.seq;
        }
    }
    keel_caller_close(&c);
    zmq_ctx_term(ctx);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* How long each signal of the calm one took to its decision, sorted; how many came. */
static int measure(keel_cluster *c, keel_strategy *s, int64_t *took, int n)
{
    int decided = 0;
    for (int i = 0; i < n; i++) {
        keel_decision d;
        keel_event event;
        keel_signal flat = {.side = KEEL_SIDE_FLAT, .symbol = "C-SIM", .confidence_frac = 0.5};
        const int64_t from = keel_test_mono_ms();
        if (keel_strategy_publish(s, &flat, NULL) == KEEL_OK &&
            keel_strategy_wait(s, flat.signal_id, KEEL_CALLER_MS, &d) == KEEL_OK)
            took[decided++] = keel_test_mono_ms() - from;
        while (keel_strategy_next(s, 0, &event) == KEEL_OK) {
        }
        keel_cluster_watch(c, CALM_MS);
    }
    qsort(took, (size_t)decided, sizeof took[0], by_size);
    return decided;
}

static void *stuck_reader(const char *dir, void *ctx, keel_caller *c)
{
    const keel_caller_cfg cfg = {.ctx = ctx, .dir = dir, .key = "stuck", .more = "v1."};
    return keel_caller_open(c, &cfg) ? c : NULL;
}

static void judge_load(keel_cluster *c, load *fast, load *flood)
{
    static int64_t took[CALM_SIGNALS * 10];
    static const int places[] = {RELAY, COORDINATOR, RISK};
    char text[256];
    long before[3], after[3];
    const int n = is_long() ? CALM_SIGNALS * 10 : CALM_SIGNALS;
    pthread_t threads[2];
    keel_strategy *calm = join_as(c->dir, "calm");
    if (calm == NULL)
        abort();
    int decided = measure(c, calm, took, n / 10);
    printf("  at rest: p50 %lld, longest %lld ms\n", (long long)took[decided / 2],
           (long long)took[decided > 0 ? decided - 1 : 0]);
    for (int i = 0; i < 3; i++)
        before[i] = resident_kib(c->pids[places[i]]);
    const int64_t from = keel_test_mono_ms();
    if (pthread_create(&threads[0], NULL, run_fast, fast) != 0 ||
        pthread_create(&threads[1], NULL, run_flood, flood) != 0)
        abort();
    decided = measure(c, calm, took, n);
    const int64_t ms = keel_test_mono_ms() - from;
    for (int i = 0; i < 3; i++)
        after[i] = resident_kib(c->pids[places[i]]);
    atomic_store(&fast->stop, true);
    atomic_store(&flood->stop, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    keel_strategy_close(&calm);
    printf("  in %lld ms: the fast one said %lu, %lu acknowledged; the flood %lu, %lu "
           "acknowledged\n",
           (long long)ms, atomic_load(&fast->sent), atomic_load(&fast->acked),
           atomic_load(&flood->sent), atomic_load(&flood->acked));
    const int64_t p99 = decided > 0 ? took[decided * 99 / 100 - (decided >= 100)] : -1;
    snprintf(text, sizeof text, "%d of %d decided, p50 %lld, p99 %lld, longest %lld ms", decided, n,
             (long long)took[decided / 2], (long long)p99,
             (long long)took[decided > 0 ? decided - 1 : 0]);
    keel_verdict_why(decided == n && took[decided / 2] < DECIDED_MS &&
                         took[decided - 1] < LONGEST_MS,
                     "the calm one's signals are decided, half of them in a second", text);
    keel_verdict_why(atomic_load(&fast->acked) > 0 && atomic_load(&flood->acked) > 0,
                     "the fast ones are served too", "");
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "%ld MiB, then %ld MiB", before[i] / 1024, after[i] / 1024);
        keel_verdict_why((after[i] - before[i]) / 1024 < GROWTH_MIB, keel_cluster_name(places[i]),
                         text);
    }
}

static void loaded(void)
{
    static keel_cluster c;
    static load fast = {.name = "fast"}, flood = {.name = "flood"};
    static keel_caller stuck;
    static const char *const names[] = {"calm", "fast", "flood", "stuck"};
    keel_cluster_prepare(&c, false);
    keel_world_live(c.dir, 1000000, PACE_MS,
                    "capital: {core: 0.5, calm: 0.1, fast: 0.1, flood: 0.1}\n"
                    "strategies: {calm: {active: true}, fast: {active: true}, flood: {active: "
                    "true}}\n");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        keel_cluster_add_key(&c, names[i]);
    c.door = true;
    fast.dir = flood.dir = c.dir;
    keel_cluster_up(&c);
    warm_up(&c);
    void *ctx = zmq_ctx_new();
    keel_client *operator_ = keel_operator_open(c.dir);
    keel_verdict_why(operator_ != NULL && stuck_reader(c.dir, ctx, &stuck) != NULL,
                     "a reader that never reads comes in", "");
    judge_load(&c, &fast, &flood);
    const bool well = all_run(&c);
    keel_verdict_why(well, "every service runs as before", "");
    keel_client_close(&operator_);
    keel_caller_close(&stuck);
    zmq_ctx_term(ctx);
    keel_cluster_down(&c);
    keel_cluster_remove(&c);
}

/* ---- many ---- */

static void name_of(int i, char name[8])
{
    snprintf(name, 8, "s%03d", i);
}

static void many_config(const keel_cluster *c)
{
    static char text[CONFIGURED * 32 + 256];
    char name[8];
    size_t at = (size_t)snprintf(text, sizeof text, "capital: {core: 0.5}\nstrategies:\n");
    for (int i = 0; i < CONFIGURED; i++) {
        name_of(i, name);
        at += (size_t)snprintf(text + at, sizeof text - at, "  %s: {active: true}\n", name);
    }
    keel_world_live(c->dir, 1000000, PACE_MS, text);
}

static void say(keel_caller *c, uint64_t k)
{
    keel_signal flat = {.side = KEEL_SIDE_FLAT, .symbol = "A-SIM", .confidence_frac = 0.5};
    snprintf(flat.signal_id, sizeof flat.signal_id, "only-%llu", (unsigned long long)k);
    c->seq = k - 1;
    (void)keel_caller_signal(c, &flat);
}

/* What is not acknowledged is said again, as the library would. */
static void say_again(keel_caller *c)
{
    keel_caller_greet(c);
    for (uint64_t k = c->ack.seq + 1; k <= SIGNALS_EACH; k++)
        say(c, k);
}

static bool is_done(const keel_caller *c)
{
    return c->ack.seq == SIGNALS_EACH && c->decided == SIGNALS_EACH;
}

/* One decision each, heard once, and no refusal of the client. */
static bool once_each(const keel_caller *c, int *by_code)
{
    bool once = c->decided == SIGNALS_EACH && c->refusals == 0;
    for (uint64_t k = 1; k <= SIGNALS_EACH; k++) {
        by_code[c->told[k].code]++;
        if (c->told[k].times != 1)
            printf("  %s %llu: heard %u times\n", c->strategy, (unsigned long long)k,
                   c->told[k].times);
        once = once && c->told[k].times == 1;
    }
    return once;
}

static void judge_many(keel_cluster *c, keel_caller *all, int n)
{
    char text[256];
    int done = 0, once = 0, by_code[256] = {0};
    const int64_t from = keel_test_mono_ms();
    const long before = resident_kib(c->pids[COORDINATOR]), relay = resident_kib(c->pids[RELAY]);
    int64_t due = 0;
    while (done < n && keel_test_mono_ms() < from + MANY_MS) {
        const bool again = keel_test_mono_ms() >= due;
        if (again)
            due = keel_test_mono_ms() + AGAIN_MS;
        done = 0;
        for (int i = 0; i < n; i++) {
            (void)keel_caller_hear(&all[i], 0);
            done += is_done(&all[i]);
            if (again && !is_done(&all[i]))
                say_again(&all[i]);
        }
        keel_cluster_watch(c, 1);
    }
    for (int i = 0; i < n; i++)
        once += once_each(&all[i], by_code);
    snprintf(text, sizeof text,
             "%d of %d in %lld ms; coordinator %ld MiB, then %ld; relay %ld, then %ld", done, n,
             (long long)(keel_test_mono_ms() - from), before / 1024,
             resident_kib(c->pids[COORDINATOR]) / 1024, relay / 1024,
             resident_kib(c->pids[RELAY]) / 1024);
    keel_verdict_why(done == n, "every signal is acknowledged and decided", text);
    for (int code = 0; code < 256; code++)
        if (by_code[code] > 0)
            printf("  %s %d\n", keel_reason_name((keel_reason_code)code), by_code[code]);
    snprintf(text, sizeof text, "%d of %d", once, n);
    keel_verdict_why(once == n, "and decided exactly once", text);
}

static void many(void)
{
    static keel_cluster c;
    static keel_caller all[CONFIGURED];
    char name[8], text[128];
    const int n = is_long() ? CONFIGURED : CLIENTS;
    int joined = 0;
    keel_cluster_prepare(&c, false);
    many_config(&c);
    for (int i = 0; i < CONFIGURED; i++) {
        name_of(i, name);
        keel_cluster_add_key(&c, name);
    }
    c.door = true;
    keel_cluster_up(&c);
    warm_up(&c);
    void *ctx = zmq_ctx_new();
    zmq_ctx_set(ctx, ZMQ_MAX_SOCKETS, 4096);
    keel_client *operator_ = keel_operator_open(c.dir);
    const int64_t from = keel_test_mono_ms();
    for (int i = 0; i < n && operator_ != NULL; i++) {
        name_of(i, name);
        const keel_caller_cfg cfg = {.ctx = ctx, .dir = c.dir, .key = name};
        joined += keel_caller_open(&all[i], &cfg);
    }
    snprintf(text, sizeof text, "%d of %d in %lld ms, %d configured", joined, n,
             (long long)(keel_test_mono_ms() - from), CONFIGURED);
    keel_verdict_why(joined == n, "all clients come in", text);
    judge_many(&c, all, joined == n ? n : 0);
    const bool well = all_run(&c);
    keel_verdict_why(well, "every service runs as before", "");
    for (int i = 0; i < n; i++)
        if (all[i].says != NULL)
            keel_caller_close(&all[i]);
    keel_client_close(&operator_);
    zmq_ctx_term(ctx);
    keel_cluster_down(&c);
    keel_cluster_remove(&c);
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    const char *only = argc == 2 ? argv[1] : "";
    const int64_t start = keel_test_mono_ms();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (only[0] == '\0' || strcmp(only, "load") == 0)
        loaded();
    if (only[0] == '\0' || strcmp(only, "many") == 0)
        many();
    printf("  %lld ms\n", (long long)(keel_test_mono_ms() - start));
    return keel_verdicts_end();
}
