/* A strategy with a valid key that does its worst, beside two honest ones, on the in-memory twins:
 * whatever it sends, the others' signals are decided, the run goes on through deaths, and nothing
 * dies of it (G1, G3, P5, NU04).
 *
 * Plain main: ends with "N passed, N failed". */
#include "common/base/mem.h"
#include "common/base/timefmt.h"
#include "common/wire/wire.h"
#include "services/backtest/apps.h"
#include "tests/support/verdict.h"
#include "tests/support/world/script.h"
#include "tests/support/world/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 120, TURNS_MAX = 60000, HONEST = 2, A_TURN = 250 };

static const char *const names[HONEST] = {"alpha", "beta"};

/* ---- the hostile one: frames by hand ---- */

typedef struct hostile {
    keel_bus bus;
    const keel_run *run;
    int64_t epoch_ns;
    uint64_t sent; /* of this epoch */
    uint64_t acked;
    uint64_t limit;
    uint64_t idle; /* turns without progress */
    uint64_t others;
    keel_arena arena;
} hostile;

typedef struct world {
    keel_host *host;
    keel_run run;
    keel_script honest[HONEST];
    hostile h;
    uint64_t turn;
} world;

static void send(hostile *h, keel_topic topic, uint64_t seq, uint64_t step, const void *payload,
                 size_t len)
{
    static uint8_t frame[16 << 10];
    char text[KEEL_TOPIC_MAX];
    size_t frame_len = 0;
    const keel_topic_keys keys = {.key = topic == KEEL_TOPIC_RESEND ? "feed" : "gamma"};
    keel_envelope e = {.type = keel_topic_describe(topic)->payload,
                       .id = {.source = "gamma", .epoch_ns = h->epoch_ns, .seq = seq},
                       .step = step,
                       .publish_ns = 1,
                       .payload = payload,
                       .payload_len = len};
    snprintf(e.run_id, sizeof e.run_id, "%s", h->run->settings.run_id);
    if (keel_topic_make(topic, &keys, text) != KEEL_OK ||
        keel_wire_put_envelope(&e, frame, sizeof frame, &frame_len) != KEEL_OK)
        abort();
    h->bus.ops->publish(h->bus.self, text, frame, frame_len);
}

static void say_hello(hostile *h)
{
    uint8_t payload[256];
    size_t len = 0;
    keel_hello hello = {.strategy = "gamma", .epoch_ns = h->epoch_ns};
    if (keel_wire_put_hello(&hello, payload, sizeof payload, &len) != KEEL_OK)
        abort();
    send(h, KEEL_TOPIC_HELLO, ++h->others, 0, payload, len);
}

static void hear(hostile *h)
{
    keel_bus_frame f;
    keel_topic which;
    keel_envelope e;
    keel_ack ack;
    h->idle++;
    while (h->bus.ops->receive(h->bus.self, &f) == KEEL_OK) {
        keel_arena_reset(&h->arena);
        if (keel_topic_find(f.topic, strlen(f.topic), &which) != KEEL_OK ||
            which != KEEL_TOPIC_ACK ||
            keel_wire_get_envelope(&h->arena, f.frame, f.len, &e) != KEEL_OK ||
            keel_wire_get_ack(&h->arena, e.payload, e.payload_len, &ack) != KEEL_OK ||
            ack.epoch_ns != h->epoch_ns || ack.seq < h->acked)
            continue;
        h->idle = ack.seq > h->acked ? 0 : h->idle;
        h->acked = ack.seq;
        h->sent = h->sent > h->acked ? h->sent : h->acked;
        h->limit = ack.seq + ack.credit;
    }
    if (h->idle > 100) { /* go back, as a client does */
        h->idle = 0;
        h->sent = h->acked;
        say_hello(h);
    }
}

/* As much rubbish, in signals as large as they may be, as there is credit for. */
static void flood(hostile *h)
{
    static uint8_t rubbish[KEEL_SIGNAL_BYTES_MAX];
    memset(rubbish, 0xff, sizeof rubbish);
    hear(h);
    for (int i = 0; i < A_TURN && h->sent < h->limit; i++)
        send(h, KEEL_TOPIC_SIGNAL, ++h->sent, 0, rubbish, sizeof rubbish);
}

/* ---- a run ---- */

static void open_world(world *w, const char *dir, const char *gamma, const char *const *flags)
{
    char path[64], extra[400];
    keel_err err = {0};
    snprintf(extra, sizeof extra,
             "capital: {core: 0.6, alpha: 0.1, beta: 0.1, gamma: 0.1}\n"
             "strategies: {alpha: {lockstep: true}, beta: {lockstep: true}, gamma: {%s}}\n",
             gamma);
    keel_world_config(dir, ROWS, extra);
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    if (!keel_run_load(path, flags != NULL ? 3 : 0, flags, &w->run))
        abort();
    const keel_host_cfg cfg = {.specs = keel_apps,
                               .specs_n = keel_apps_n,
                               .config = w->run.config,
                               .settings = &w->run.settings,
                               .universe = w->run.universe,
                               .epoch_ns = 1000,
                               .busy_tick_ns = KEEL_NS_PER_MS,
                               .log_level = KEEL_LOG_ERROR};
    w->host = keel_host_new(&cfg, &err);
    if (w->host == NULL)
        abort();
    for (int s = 0; s < HONEST; s++) {
        w->honest[s] = (keel_script){.strategy = names[s], .seed = 40 + (uint64_t)s, .port = s};
        keel_script_start(&w->honest[s], w->host, &w->run, 1);
    }
    w->h = (hostile){.run = &w->run, .epoch_ns = 1};
    keel_arena_init(&w->h.arena, 1 << 20);
    keel_host_outsider(w->host, HONEST, &w->h.bus);
    w->h.bus.ops->subscribe(w->h.bus.self, "v1.ack.gamma.");
    say_hello(&w->h);
}

static void close_world(world *w)
{
    for (int s = 0; s < HONEST; s++)
        keel_script_free(&w->honest[s]);
    keel_arena_fini(&w->h.arena);
    keel_host_free(&w->host);
    keel_run_free(&w->run);
}

static void turn(world *w)
{
    w->turn++;
    for (int s = 0; s < HONEST; s++)
        keel_script_turn(&w->honest[s]);
    keel_host_turn(w->host);
}

static uint64_t counted(const world *w, const char *counter)
{
    return keel_host_counted(w->host, "strategy-coordinator", counter);
}

static void begin_again(world *w, const char *service)
{
    keel_err err = {0};
    keel_host_kill(w->host, service);
    if (keel_host_start(w->host, service, &err) != KEEL_OK)
        abort();
}

static bool ends(world *w, void (*worst)(hostile *h))
{
    for (int i = 0; i < TURNS_MAX; i++) {
        if (worst != NULL)
            worst(&w->h);
        turn(w);
        if (keel_host_run(w->host, 0) == KEEL_EEND)
            return true;
    }
    printf("  stuck: coordinator %llu awaits \"%s\"\n",
           (unsigned long long)keel_host_done(w->host, "strategy-coordinator"),
           keel_host_awaited(w->host, "strategy-coordinator"));
    return false;
}

/* ---- scenes: true when all went well ---- */

/* More receipts since the last snapshot than are held in memory at once; then a death. */
static bool a_flood_is_replayed(const char *dir)
{
    enum { MANY = 17000 };
    world w = {.turn = 0};
    open_world(&w, dir, "", NULL);
    while (counted(&w, "receipts") < MANY && w.turn < TURNS_MAX) {
        flood(&w.h);
        turn(&w);
    }
    const uint64_t step = keel_host_done(w.host, "strategy-coordinator");
    begin_again(&w, "strategy-coordinator");
    const bool ok = w.turn < TURNS_MAX && step < ROWS && ends(&w, NULL);
    printf("  %llu receipts, dead in step %llu of %d\n",
           (unsigned long long)counted(&w, "receipts"), (unsigned long long)step, ROWS);
    close_world(&w);
    return ok;
}

/* 250 different Resends a turn, and services that need rows again meanwhile. */
static void ask_for_all(hostile *h)
{
    uint8_t payload[256];
    for (uint64_t i = 0; i < A_TURN; i++) {
        size_t len = 0;
        keel_resend r = {.publisher = "feed", .requester = "gamma", .from_step = 1 + i % ROWS};
        r.to_step = r.from_step + i % 64;
        if (keel_wire_put_resend(&r, payload, sizeof payload, &len) != KEEL_OK)
            abort();
        send(h, KEEL_TOPIC_RESEND, ++h->others, 0, payload, len);
    }
}

static bool resends_are_bounded(const char *dir)
{
    enum { EACH_NS = 10000000, SERVICES = 4000 }; /* answers that services and scripts need */
    world w = {.turn = 0};
    open_world(&w, dir, "", NULL);
    while (keel_host_done(w.host, "strategy-coordinator") < ROWS / 2 && w.turn < TURNS_MAX) {
        ask_for_all(&w.h);
        turn(&w);
    }
    begin_again(&w, "risk");
    begin_again(&w, "correlation");
    const bool ok = w.turn < TURNS_MAX && ends(&w, ask_for_all);
    const uint64_t answered = keel_host_counted(w.host, "feed", "resends_answered");
    const uint64_t most = (uint64_t)keel_host_now_ns(w.host) / EACH_NS + SERVICES;
    printf("  %llu resends answered, at most %llu, in %llu turns\n", (unsigned long long)answered,
           (unsigned long long)most, (unsigned long long)w.turn);
    close_world(&w);
    return ok && answered <= most;
}

/* No StepEnd of a service is taken for a client's, and nobody is told that it is not served. */
static bool services_are_no_clients(const char *dir)
{
    world w = {.turn = 0};
    open_world(&w, dir, "", NULL);
    const bool ok = ends(&w, NULL) && counted(&w, "steps_unknown") == 0;
    close_world(&w);
    return ok;
}

static void scene(bool (*play)(const char *dir), const char *claim)
{
    char dir[] = "/tmp/keel-host-XXXXXX", command[64];
    int status = 1;
    if (mkdtemp(dir) == NULL)
        abort();
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(600);
        const bool ok = play(dir);
        fflush(stdout);
        _exit(ok ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        abort();
    if (WIFSIGNALED(status))
        printf("  died of signal %d\n", WTERMSIG(status));
    const bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    keel_verdict(ok, claim);
}

int main(void)
{
    scene(a_flood_is_replayed, "P5 a flood of receipts is replayed, whatever memory there is");
    scene(resends_are_bounded, "NU04 one client's Resends neither flood nor starve the others");
    scene(services_are_no_clients, "G3 services are not taken for clients");
    return keel_verdicts_end();
}
