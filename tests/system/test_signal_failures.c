/* G1-G4, P5, R1: a live run with three strategies that signal all the time, and what may happen to
 * it: clients that stop, come twice, start with a wrong clock or lose the door; a log that is
 * absent, stopped, slow, full, read-only or killed; services whose clock steps back.
 *
 * Each failure is named at the client or in the services' state, and is over when its cause is.
 * While the log cannot be written nothing is acknowledged. In the end everything that was said,
 * acknowledged, decided and filled is held against everything else.
 * KEEL_ONLY=TEXT: only scenarios whose name holds TEXT. Plain main: ends with "N passed, N
 * failed". */
#include "common/base/timefmt.h"
#include "common/client/strategy.h"
#include "tests/support/verdict.h"
#include "tests/support/world/proxy.h"
#include "tests/support/world/scene.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    FEED,
    EXECUTION,
    LEDGER,
    CORRELATION,
    OPTIMIZER,
    RISK,
    COORDINATOR,
    LOG = KEEL_CLUSTER_LOG,
    RELAY = KEEL_CLUSTER_RELAY,
    ALPHA = KEEL_CLUSTER_CLIENT,
    ANY = -1,
    STRATEGIES = 4,
    PROGRAMS = 3, /* alpha, beta, gamma; delta is this test */
    RATE = 60,
    PACE_MS = 40,
    WORDS_MS = 20000, /* a cause is shown within */
    GOES_ON_MS = 40000,
    FLIGHT_MS = 500, /* what had left before: acknowledgements on their way to a file */
    HELD_MS = 1500,  /* so long nothing is acknowledged */
    HOLD_MS = 50,    /* a coordinator that begins anew reads each step of the log so */
    SLOW_SIGNALS = 8,
    DRAIN_MS = 60000,
};

#define HOUR_NS (INT64_C(3600) * KEEL_NS_PER_S)

static const char *const strategies[STRATEGIES] = {"alpha", "beta", "gamma", "delta"};

typedef struct world {
    keel_scene s;
    char detail[KEEL_WHY_MAX];
} world;

static int64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

static void print_standstill(const world *w)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        printf("  %s: step %llu, state %d, awaits '%s' %s\n", keel_cluster_name(i),
               (unsigned long long)w->s.c.beats[i].step_done, w->s.c.beats[i].state,
               w->s.c.beats[i].awaited, w->s.c.beats[i].why);
}

/* ---- looking ---- */

static bool says(const world *w, int service, const char *text)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        if ((service == ANY || service == i) && strstr(w->s.c.beats[i].why, text) != NULL &&
            (w->s.c.beats[i].state == KEEL_STATE_DEGRADED ||
             w->s.c.beats[i].state == KEEL_STATE_WARMING))
            return true;
    return false;
}

static bool shown(world *w, int service, const char *text)
{
    const int64_t until = keel_test_mono_ms() + WORDS_MS;
    while (!says(w, service, text) && keel_test_mono_ms() < until)
        keel_scene_tend(&w->s, 20);
    return says(w, service, text) || keel_fails(w->detail, "nobody says '%s'", text);
}

static bool all_run(const world *w)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        if (w->s.c.beats[i].state != KEEL_STATE_RUNNING)
            return false;
    return true;
}

/* Steps close, every service runs, signals are acknowledged, decided and filled again. */
static bool flows(world *w)
{
    const int64_t until = keel_test_mono_ms() + GOES_ON_MS;
    keel_scene_tend(&w->s, 50);
    const uint64_t acks = w->s.said.acks, fills = w->s.log.strategy_fills;
    const size_t decisions = w->s.log.decisions_n;
    const uint64_t step = keel_cluster_step(&w->s.c);
    bool alive = false;
    while (!(alive && all_run(w)) && keel_test_mono_ms() < until) {
        keel_scene_tend(&w->s, 20);
        alive = w->s.said.acks > acks + RATE / 4 && w->s.log.decisions_n > decisions &&
                w->s.log.strategy_fills > fills && keel_cluster_step(&w->s.c) > step + 3;
    }
    if (keel_cluster_revive(&w->s.c) > 0)
        return keel_fails(w->detail, "somebody died by himself");
    if (alive && all_run(w))
        return true;
    print_standstill(w);
    return keel_fails(w->detail, "it does not go on: %llu acknowledged, %llu fills",
                      (unsigned long long)(w->s.said.acks - acks),
                      (unsigned long long)(w->s.log.strategy_fills - fills));
}

/* What was under way has arrived; from then on nothing is acknowledged, and nothing recorded. */
static bool nothing_is_acknowledged(world *w)
{
    keel_scene_tend(&w->s, FLIGHT_MS);
    const uint64_t acks = w->s.said.acks;
    const size_t receipts = w->s.log.receipts_n;
    keel_scene_tend(&w->s, HELD_MS);
    if (w->s.said.acks == acks && w->s.log.receipts_n == receipts)
        return true;
    return keel_fails(w->detail, "%llu acknowledged, %zu receipts without a log",
                      (unsigned long long)(w->s.said.acks - acks), w->s.log.receipts_n - receipts);
}

/* ---- doing ---- */

static bool redis(const world *w, const char *command)
{
    char line[256];
    snprintf(line, sizeof line, "redis-cli -s '%s/log.sock' %s >/dev/null 2>&1", w->s.c.dir,
             command);
    return system(line) == 0;
}

static void start(world *w, int i)
{
    keel_cluster_start_one(&w->s.c, i);
}

static keel_strategy *join_as(world *w, int64_t epoch_ns, const char *outbox)
{
    char file[160];
    keel_err err = {0};
    snprintf(file, sizeof file, "%s/%s", w->s.c.dir, outbox != NULL ? outbox : "");
    const keel_strategy_cfg cfg = {.name = "delta",
                                   .run_dir = w->s.c.dir,
                                   .pace = KEEL_PACE_LIVE,
                                   .wants = KEEL_WANT_ROWS,
                                   .epoch_ns = epoch_ns,
                                   .outbox = outbox != NULL ? file : NULL,
                                   .join_timeout_ms = WORDS_MS};
    keel_strategy *s = keel_strategy_open(&cfg, &err);
    if (s == NULL)
        keel_fails(w->detail, "delta does not join: %.200s", err.text);
    return s;
}

static keel_status publish(keel_strategy *s, const char *id)
{
    keel_signal signal = {.side = KEEL_SIDE_FLAT, .symbol = "A-SIM", .confidence_frac = 0.5};
    snprintf(signal.signal_id, sizeof signal.signal_id, "%s", id);
    return keel_strategy_publish(s, &signal, NULL);
}

/* Events until one of this kind; false when it does not come. */
static bool hears(world *w, keel_strategy *s, keel_event_kind kind, keel_event *event)
{
    const int64_t until = keel_test_mono_ms() + WORDS_MS;
    while (keel_test_mono_ms() < until) {
        const keel_status status = keel_strategy_next(s, 20, event);
        if (status == KEEL_OK && event->kind == kind)
            return true;
        if (status == KEEL_ESTALE)
            return false;
        keel_scene_tend(&w->s, 0);
    }
    return false;
}

static bool acked(world *w, keel_strategy *s, uint64_t seq)
{
    const int64_t until = keel_test_mono_ms() + WORDS_MS;
    keel_strategy_link link;
    keel_event event;
    keel_strategy_look(s, &link);
    while (link.acked_seq < seq && keel_test_mono_ms() < until) {
        const keel_status status = keel_strategy_next(s, 20, &event);
        if (status != KEEL_OK && status != KEEL_EUNAVAIL)
            return keel_fails(w->detail, "delta: %s", keel_status_text(status));
        keel_scene_tend(&w->s, 0);
        keel_strategy_look(s, &link);
    }
    return link.acked_seq >= seq ||
           keel_fails(w->detail, "%llu acknowledged, not %llu; served %d, superseded %d",
                      (unsigned long long)link.acked_seq, (unsigned long long)seq, link.served,
                      link.superseded);
}

/* ---- clients ---- */

/* Who is stopped keeps nobody up, and goes on where it was. */
static bool client_stopped(world *w)
{
    keel_cluster_signal(&w->s.c, ALPHA, SIGSTOP);
    const uint64_t acks = w->s.said.acks;
    keel_scene_tend(&w->s, 3000);
    const bool others = w->s.said.acks > acks + RATE;
    keel_cluster_signal(&w->s.c, ALPHA, SIGCONT);
    return (others || keel_fails(w->detail, "the others are not acknowledged")) && flows(w);
}

static bool is_superseded(world *w, keel_strategy *s)
{
    keel_event event;
    if (!hears(w, s, KEEL_EVENT_SUPERSEDED, &event))
        return keel_fails(w->detail, "the older client is not told");
    if (event.reason.code != KEEL_REASON_EPOCH_SUPERSEDED || event.reason.text[0] == '\0')
        return keel_fails(w->detail, "it is told %s, '%s'", keel_reason_name(event.reason.code),
                          event.reason.text);
    if (publish(s, "too-late") != KEEL_ESTALE || keel_strategy_next(s, 0, &event) != KEEL_ESTALE)
        return keel_fails(w->detail, "the older client may go on");
    return true;
}

/* Two clients under one name: the newer one is served, the older one told. */
static bool client_superseded(world *w)
{
    keel_strategy *old = join_as(w, 0, NULL), *new = NULL;
    bool ok = old != NULL && publish(old, "old-1") == KEEL_OK && acked(w, old, 1);
    new = ok ? join_as(w, 0, NULL) : NULL;
    ok = new != NULL &&publish(new, "new-1") == KEEL_OK &&acked(w, new, 1);
    ok = ok && is_superseded(w, old) && publish(new, "new-2") == KEEL_OK && acked(w, new, 2);
    keel_strategy_close(&old);
    keel_strategy_close(&new);
    return ok && flows(w);
}

/* A start whose clock is behind that of the last one, without an outbox: it is told, at once. */
static bool client_clock_back(world *w)
{
    keel_event event;
    keel_strategy *s = join_as(w, wall_ns() - HOUR_NS, NULL);
    bool ok = s != NULL && publish(s, "an-hour-ago") == KEEL_OK;
    ok = ok &&
         (hears(w, s, KEEL_EVENT_SUPERSEDED, &event) || keel_fails(w->detail, "it is not told"));
    ok = ok && (event.reason.code == KEEL_REASON_EPOCH_SUPERSEDED ||
                keel_fails(w->detail, "it is told %s: %s", keel_reason_name(event.reason.code),
                           event.reason.text));
    ok = ok && (publish(s, "again") == KEEL_ESTALE || keel_fails(w->detail, "it may go on"));
    keel_strategy_close(&s);
    return ok && flows(w);
}

/* With an outbox file the epoch goes on from there, whatever the clock says, and what was not
 * acknowledged is sent again under the same ids. */
static bool client_clock_back_with_outbox(world *w)
{
    keel_strategy_link before, after;
    char id[32];
    keel_strategy *s = join_as(w, 0, "delta.outbox");
    bool ok = s != NULL && publish(s, "kept-0") == KEEL_OK && acked(w, s, 1);
    if (!ok)
        return false;
    keel_strategy_look(s, &before);
    keel_cluster_signal(&w->s.c, COORDINATOR, SIGSTOP);
    for (int i = 1; i <= 5; i++) {
        snprintf(id, sizeof id, "kept-%d", i);
        ok = ok && publish(s, id) == KEEL_OK;
    }
    keel_strategy_close(&s);
    keel_cluster_signal(&w->s.c, COORDINATOR, SIGCONT);
    s = join_as(w, wall_ns() - HOUR_NS, "delta.outbox");
    ok = ok && s != NULL && acked(w, s, 5);
    if (s != NULL)
        keel_strategy_look(s, &after);
    ok = ok && (after.epoch_ns == before.epoch_ns + 1 ||
                keel_fails(w->detail, "the epoch is not the next one"));
    keel_strategy_close(&s);
    return ok && flows(w);
}

static bool cut_off(world *w)
{
    const uint64_t cuts = w->s.said.cut_off, joins = w->s.said.joined;
    const int64_t until = keel_test_mono_ms() + WORDS_MS;
    keel_scene_kill(&w->s, RELAY);
    while (w->s.said.cut_off < cuts + PROGRAMS && keel_test_mono_ms() < until)
        keel_scene_tend(&w->s, 50);
    const bool told = w->s.said.cut_off >= cuts + PROGRAMS;
    start(w, RELAY);
    if (!told)
        return keel_fails(w->detail, "%llu of %d clients were told",
                          (unsigned long long)(w->s.said.cut_off - cuts), PROGRAMS);
    return flows(w) &&
           (w->s.said.joined >= joins + PROGRAMS || keel_fails(w->detail, "not all joined again"));
}

/* ---- the log ---- */

static bool log_killed(world *w)
{
    keel_scene_kill(&w->s, LOG);
    const bool ok = shown(w, COORDINATOR, "log cannot be written") && nothing_is_acknowledged(w);
    start(w, LOG);
    return ok && flows(w);
}

static bool log_stopped(world *w)
{
    keel_cluster_signal(&w->s.c, LOG, SIGSTOP);
    const bool ok = shown(w, COORDINATOR, "no answer in time") && nothing_is_acknowledged(w);
    keel_cluster_signal(&w->s.c, LOG, SIGCONT);
    return ok && flows(w);
}

static bool log_refuses(world *w, const char *begin, const char *words, const char *end)
{
    if (!redis(w, begin))
        return keel_fails(w->detail, "redis-cli");
    const bool ok = shown(w, COORDINATOR, words) && nothing_is_acknowledged(w);
    return redis(w, end) && ok && flows(w);
}

static bool log_full(world *w)
{
    return log_refuses(w, "config set maxmemory 1000", "OOM command not allowed",
                       "config set maxmemory 0");
}

static bool log_read_only(world *w)
{
    return log_refuses(w, "config set min-replicas-to-write 1", "NOREPLICAS",
                       "config set min-replicas-to-write 0");
}

/* Everything but the clients is started again, the log last. */
static bool log_absent_at_start(world *w)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        keel_scene_kill(&w->s, i);
    keel_scene_kill(&w->s, LOG);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        start(w, i);
    const bool ok = shown(w, COORDINATOR, "log cannot be read") && nothing_is_acknowledged(w);
    start(w, LOG);
    return ok && flows(w);
}

/* Each acknowledgement comes after the log has answered, and so late. */
static bool acks_wait(world *w, keel_proxy *p)
{
    const int64_t *asked_ns;
    int64_t least = INT64_MAX;
    char id[32];
    keel_strategy *s = join_as(w, 0, NULL);
    bool ok = s != NULL;
    for (int i = 0; ok && i < SLOW_SIGNALS; i++) {
        snprintf(id, sizeof id, "slow-%d", i);
        ok = publish(s, id) == KEEL_OK && acked(w, s, (uint64_t)i + 1);
        const int64_t now_ns = wall_ns();
        ok = ok && (keel_proxy_asked(p, 0, &asked_ns) > i ||
                    keel_fails(w->detail, "not written by the log"));
        if (ok && now_ns - asked_ns[i] < least)
            least = now_ns - asked_ns[i];
    }
    keel_strategy_close(&s);
    if (!ok)
        return false;
    printf("  the earliest acknowledgement came %lld ms after the log was asked\n",
           (long long)(least / KEEL_NS_PER_MS));
    return least >= HOLD_MS * KEEL_NS_PER_MS ||
           keel_fails(w->detail, "acknowledged before the log answered");
}

static bool log_slow(world *w)
{
    static const char *const watched[] = {"v1.receipt.delta."};
    char in[128], out[128];
    snprintf(in, sizeof in, "%s/held.sock", w->s.c.dir);
    snprintf(out, sizeof out, "%s/log.sock", w->s.c.dir);
    keel_proxy *p = keel_proxy_start(in, out, HOLD_MS, watched, 1);
    for (int i = 0; i < PROGRAMS; i++) /* turns are long now: they would only wait */
        keel_cluster_signal(&w->s.c, ALPHA + i, SIGSTOP);
    keel_scene_kill(&w->s, COORDINATOR);
    setenv("KEEL_RUN__LOG", in, 1);
    start(w, COORDINATOR);
    unsetenv("KEEL_RUN__LOG");
    const bool ok = acks_wait(w, p);
    keel_scene_kill(&w->s, COORDINATOR);
    start(w, COORDINATOR);
    keel_proxy_stop(&p);
    for (int i = 0; i < PROGRAMS; i++)
        keel_cluster_signal(&w->s.c, ALPHA + i, SIGCONT);
    return ok && flows(w);
}

/* ---- clocks ---- */

static void write_clock(const world *w, const char *program, int64_t offset_ns)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s.clock", w->s.c.dir, program);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, &offset_ns, sizeof offset_ns, 0) != sizeof offset_ns)
        abort();
    close(fd);
}

/* The service's clock steps back an hour while it runs, and it starts again an hour ago. */
static bool service_clock_back(world *w, int i)
{
    char program[32], clock[512];
    const char *bin = getenv("KEEL_BIN_DIR");
    snprintf(program, sizeof program, "keel-%s", keel_cluster_name(i));
    snprintf(clock, sizeof clock, "%s/../tests/libkeel_test_clock.so", bin != NULL ? bin : "bin");
    if (access(clock, R_OK) != 0)
        return keel_fails(w->detail, "%s is not there", clock);
    for (int64_t hours = 1; hours <= 2; hours++) {
        keel_scene_kill(&w->s, i);
        write_clock(w, program, 0);
        setenv("LD_PRELOAD", clock, 1);
        setenv("KEEL_CLOCK", w->s.c.dir, 1);
        write_clock(w, program, -hours * HOUR_NS);
        start(w, i);
        unsetenv("LD_PRELOAD");
        unsetenv("KEEL_CLOCK");
        keel_scene_tend(&w->s, 200);
        if (!flows(w)) {
            char why[sizeof w->detail];
            memcpy(why, w->detail, sizeof why);
            return keel_fails(w->detail, "%s started %lld h ago: %.300s", keel_cluster_name(i),
                              (long long)hours, why);
        }
    }
    write_clock(w, program, -9 * HOUR_NS); /* and while it runs */
    return flows(w);
}

#define CLOCK_BACK(name, service)                                                                  \
    static bool name(world *w)                                                                     \
    {                                                                                              \
        return service_clock_back(w, service);                                                     \
    }
CLOCK_BACK(coordinator_clock_back, COORDINATOR)
CLOCK_BACK(risk_clock_back, RISK)
CLOCK_BACK(ledger_clock_back, LEDGER)
CLOCK_BACK(execution_clock_back, EXECUTION)
CLOCK_BACK(feed_clock_back, FEED)
CLOCK_BACK(relay_clock_back, RELAY)

static const struct {
    const char *name;
    bool (*run)(world *w);
} scenarios[] = {
    {"a client stopped: the others go on, and so does it", client_stopped},
    {"a client superseded by a second one", client_superseded},
    {"a client whose clock is behind its last start", client_clock_back},
    {"the same with an outbox: nothing is lost", client_clock_back_with_outbox},
    {"the relay killed: clients are told, and join again", cut_off},
    {"log killed: nothing is acknowledged", log_killed},
    {"log stopped", log_stopped},
    {"log full", log_full},
    {"log without its replica", log_read_only},
    {"log slow", log_slow},
    {"log absent at the start", log_absent_at_start},
    {"the coordinator's clock steps back", coordinator_clock_back},
    {"risk's clock steps back", risk_clock_back},
    {"the ledger's clock steps back", ledger_clock_back},
    {"execution's clock steps back", execution_clock_back},
    {"the feed's clock steps back", feed_clock_back},
    {"the relay's clock steps back", relay_clock_back},
};

static void run_all(world *w)
{
    const char *only = getenv("KEEL_ONLY");
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        const int64_t from = keel_test_mono_ms();
        if (only != NULL && strstr(scenarios[i].name, only) == NULL)
            continue;
        w->detail[0] = '\0';
        const bool ok = scenarios[i].run(w);
        keel_verdict_why(ok, scenarios[i].name, w->detail);
        printf("  %lld ms, step %llu, %llu acknowledged\n", (long long)(keel_test_mono_ms() - from),
               (unsigned long long)keel_cluster_step(&w->s.c), (unsigned long long)w->s.said.acks);
    }
}

int main(void)
{
    static world w;
    const int64_t start_ms = keel_test_mono_ms();
    const keel_scene_cfg cfg = {
        .pace_ms = PACE_MS,
        .per_second = RATE,
        .strategies_n = STRATEGIES,
        .strategies = strategies,
        .programs_n = PROGRAMS,
        .desks =
            "capital: {core: 0.3, alpha: 0.2, beta: 0.2, gamma: 0.2, delta: 0.05}\n"
            "strategies: {alpha: {active: true}, beta: {active: true}, gamma: {active: true},\n"
            "             delta: {active: true}}\n"
            "strategy-coordinator: {conflict: allow}\n"};
    setvbuf(stdout, NULL, _IOLBF, 0);
    keel_scene_prepare(&w.s, &cfg);
    keel_cluster_up(&w.s.c);
    const bool up = flows(&w);
    keel_verdict_why(up, "signals are acknowledged, decided and filled", w.detail);
    if (up) {
        run_all(&w);
        const bool drained = keel_scene_drain(&w.s, DRAIN_MS);
        keel_verdict_why(drained, "every client gets rid of all it has said", "");
        printf("  %zu receipts, %zu decisions, %zu fills; %llu acknowledged, joined %llu, cut off "
               "%llu\n",
               w.s.log.receipts_n, w.s.log.decisions_n, w.s.log.fills_n,
               (unsigned long long)w.s.said.acks, (unsigned long long)w.s.said.joined,
               (unsigned long long)w.s.said.cut_off);
        (void)keel_scene_audit(&w.s, keel_verdict_why);
        keel_verdict_why(w.s.said.superseded == 0 && w.s.said.refused == 0 && w.s.c.restarts == 0,
                         "no other client was refused, and nobody died by himself", "");
    }
    keel_scene_end(&w.s, keel_verdicts_failed());
    printf("  %lld ms\n", (long long)(keel_test_mono_ms() - start_ms));
    return keel_verdicts_end();
}
