/* Random crash schedules on the in-memory twins end with the undisturbed result: S1-S4, R1-R4,
 * P1-P3 of the protocol, on the real services. With one rule switched off at a time some schedule
 * fails.
 *
 * Each schedule runs in a child, because a broken rule may end in an assertion. Seeds are printed.
 * KEEL_LONG=1 runs more, KEEL_SEEDS=N so many. Plain main: ends with "N passed, N failed". */
#include "services/backtest/apps.h"
#include "tests/support/verdict.h"
#include "tests/support/world/chaos.h"
#include "tests/support/world/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 90, TURNS_MAX = 60000, EVENTS_MAX = 12 };

/* What a schedule is judged by. */
typedef enum scene {
    QUIET,    /* no requests: all payloads equal those of the undisturbed run */
    SHARED,   /* as quiet, undisturbed, on stores that hold an earlier run (R4) */
    REQUESTS, /* halts and resumes: nothing is ever published twice with other bytes (P7) */
} scene;

typedef struct outcome {
    keel_payloads *payloads;
    char text[512]; /* "" = ran to the end */
} outcome;

static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    (void)service;
    keel_payloads_note(arg, topic, frame, len);
}

static void place_events(keel_chaos *c, int n, uint64_t span, uint64_t *at)
{
    for (int i = 0; i < n; i++)
        at[i] = 1 + keel_chaos_below(c, span);
}

static void ask(keel_host *host, keel_chaos *c)
{
    keel_request r = {.ask = keel_chaos_below(c, 2) != 0 ? KEEL_ASK_HALT : KEEL_ASK_RESUME};
    snprintf(r.service, sizeof r.service, "risk");
    snprintf(r.requester, sizeof r.requester, "test");
    snprintf(r.reason, sizeof r.reason, "turn %llu", (unsigned long long)c->turn);
    keel_host_ask(host, &r);
}

static void run_disturbed(keel_host *host, keel_chaos *c, outcome *o, int events, scene what)
{
    uint64_t at[EVENTS_MAX];
    place_events(c, events, 700, at);
    for (c->turn = 1; c->turn < TURNS_MAX; c->turn++) {
        if (what == REQUESTS && keel_chaos_below(c, 12) == 0)
            ask(host, c);
        for (int i = 0; i < events; i++)
            if (at[i] == c->turn)
                keel_chaos_strike(c, host);
        keel_chaos_mend(c, host);
        if (keel_host_run(host, 1) == KEEL_EEND)
            return;
    }
    snprintf(o->text, sizeof o->text, "stuck");
    for (int i = 0; i < keel_apps_n; i++)
        snprintf(o->text + strlen(o->text), sizeof o->text - strlen(o->text), " %s %llu (%s)",
                 keel_apps[i]->name, (unsigned long long)keel_host_done(host, keel_apps[i]->name),
                 keel_host_awaited(host, keel_apps[i]->name));
}

static keel_log_level log_level;

/* Another run, to its end, on the same stores. */
static void run_before(const keel_host_cfg *of, keel_twin *twin)
{
    keel_err err = {0};
    keel_settings settings = *of->settings;
    keel_host_cfg cfg = *of;
    char dir[] = "/tmp/keel-before-XXXXXX", command[64];
    if (mkdtemp(dir) == NULL)
        abort();
    settings.run_id = "an-earlier-run";
    settings.dir = dir;
    cfg.settings = &settings;
    cfg.twin = twin;
    cfg.tap = NULL;
    keel_host *host = keel_host_new(&cfg, &err);
    if (host == NULL || keel_host_run(host, TURNS_MAX) != KEEL_EEND)
        abort();
    keel_host_free(&host);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        abort();
}

/* One whole run; seed 0 = undisturbed. */
static outcome run_world(uint64_t seed, unsigned without, scene what)
{
    char dir[] = "/tmp/keel-world-XXXXXX", path[64], command[64];
    keel_run run;
    keel_err err = {0};
    outcome o = {.payloads = keel_payloads_new(ROWS)};
    keel_chaos c = keel_chaos_seeded(seed);
    static const double losses[] = {0, 0, 0.02, 0.1};
    static const int rings[] = {4, 8, 64};
    static const int snaps[] = {2, 3, 5, 8};
    if (mkdtemp(dir) == NULL)
        abort();
    keel_world_config(dir, ROWS, "");
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    if (!keel_run_load(path, 0, NULL, &run))
        abort();
    keel_host_cfg cfg = {.specs = keel_apps,
                         .specs_n = keel_apps_n,
                         .config = run.config,
                         .settings = &run.settings,
                         .universe = run.universe,
                         .tap = tap,
                         .tap_arg = o.payloads,
                         .judge = keel_chaos_judge,
                         .judge_arg = &c,
                         .epoch_ns = 1,
                         .without = without,
                         .busy_tick_ns = 5 * INT64_C(1000000), /* so that hearts beat */
                         .log_level = log_level};
    if (seed != 0) {
        c.lose = losses[keel_chaos_below(&c, 4)];
        cfg.ring_steps = rings[keel_chaos_below(&c, 3)];
        cfg.snapshot_steps = snaps[keel_chaos_below(&c, 4)];
    }
    keel_twin *shared = what == SHARED ? keel_twin_new() : NULL;
    if (shared != NULL) {
        c.lose = 0;
        run_before(&cfg, shared);
        cfg.twin = shared;
    }
    keel_host *host = keel_host_new(&cfg, &err);
    if (host == NULL) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    run_disturbed(host, &c, &o,
                  seed == 0 || what == SHARED ? 0 : 1 + (int)keel_chaos_below(&c, EVENTS_MAX),
                  what);
    keel_host_free(&host);
    keel_twin_free(&shared);
    keel_run_free(&run);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        abort();
    return o;
}

static const keel_payloads *reference;

/* In a child: 0 = equal to the undisturbed run. */
static int judge_seed(uint64_t seed, unsigned without, scene what, bool quiet)
{
    char first[128] = "";
    outcome o = run_world(seed, without, what);
    const int conflicts = keel_payloads_conflicts(o.payloads);
    if (o.text[0] == '\0') {
        const int n =
            what != REQUESTS ? keel_payloads_differ(reference, o.payloads, first, sizeof first) : 0;
        if (n > 0 || conflicts > 0)
            snprintf(o.text, sizeof o.text, "%d payloads differ, %d conflicts: %s", n, conflicts,
                     first);
    }
    if (o.text[0] != '\0' && !quiet)
        printf("  seed %llu: %s\n", (unsigned long long)seed, o.text);
    fflush(stdout);
    return o.text[0] == '\0' ? 0 : 1;
}

static int run_schedule(const keel_schedule *s)
{
    return judge_seed(s->seed, s->without, (scene)s->what, s->quiet);
}

static bool seed_passes(uint64_t seed, unsigned without, scene what, bool quiet)
{
    return keel_schedule_passes(&(keel_schedule){seed, without, (int)what, quiet}, run_schedule);
}

/* Everyone dies late in a run whose early steps the ledger has pruned: they meet at a common step.
 * */
static void restart_late(void)
{
    enum { LONG_ROWS = 6000, DIE_AT = 5500 };
    char dir[] = "/tmp/keel-late-XXXXXX", path[64], command[64];
    keel_run run;
    keel_err err = {0};
    keel_payloads *all = keel_payloads_new(LONG_ROWS);
    if (mkdtemp(dir) == NULL)
        abort();
    keel_world_config(dir, LONG_ROWS, "ledger: {history_outputs: 4096, history_states: 4096}\n");
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    if (!keel_run_load(path, 0, NULL, &run))
        abort();
    const keel_host_cfg cfg = {.specs = keel_apps,
                               .specs_n = keel_apps_n,
                               .config = run.config,
                               .settings = &run.settings,
                               .universe = run.universe,
                               .tap = tap,
                               .tap_arg = all,
                               .busy_tick_ns = 1000000,
                               .epoch_ns = 1};
    keel_host *host = keel_host_new(&cfg, &err);
    if (host == NULL)
        abort();
    while (keel_host_done(host, "ledger") < DIE_AT)
        keel_host_turn(host);
    for (int i = 0; i < keel_apps_n; i++)
        keel_host_kill(host, keel_apps[i]->name);
    for (int i = 0; i < keel_apps_n; i++)
        if (keel_host_start(host, keel_apps[i]->name, &err) != KEEL_OK)
            abort();
    keel_verdict(keel_host_run(host, TURNS_MAX) == KEEL_EEND && keel_payloads_conflicts(all) == 0,
                 "P3: all restarted after 5,500 steps, they go on from a common one");
    keel_host_free(&host);
    keel_run_free(&run);
    keel_payloads_free(&all);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        abort();
}

typedef struct rule {
    const char *name;
    unsigned without;
    scene what;
    int seeds; /* that may be needed until one fails */
} rule;

static const rule rules[] = {
    {"S1", KEEL_WITHOUT_S1, QUIET, 60},    {"S3", KEEL_WITHOUT_S3, QUIET, 60},
    {"S4", KEEL_WITHOUT_S4, QUIET, 60},    {"R1", KEEL_WITHOUT_R1, REQUESTS, 60},
    {"R4", KEEL_WITHOUT_R4, SHARED, 1},    {"P1", KEEL_WITHOUT_P1, QUIET, 60},
    {"P2", KEEL_WITHOUT_P2, REQUESTS, 60},
};

/* `test_recovery SEED quiet|requests`: one schedule, with the services' log on stderr. */
static int run_one(const char *seed, const char *what)
{
    return judge_seed(strtoull(seed, NULL, 10), 0, what[0] == 'q' ? QUIET : REQUESTS, false);
}

int main(int argc, char **argv)
{
    const uint64_t seeds = keel_schedules_n(60);
    char text[160];
    outcome undisturbed = run_world(0, 0, QUIET);
    reference = undisturbed.payloads;
    log_level = argc == 3 ? KEEL_LOG_INFO : KEEL_LOG_ERROR;
    if (argc == 3)
        return run_one(argv[1], argv[2]);
    keel_verdict(undisturbed.text[0] == '\0', "the undisturbed run ends");
    printf("  %d payloads, %d approvals, %d fills\n", keel_payloads_n(reference),
           keel_payloads_of(reference, "v1.alloc.approved."),
           keel_payloads_of(reference, "v1.fill."));
    keel_verdict(keel_payloads_of(reference, "v1.fill.") > 50, "it trades");
    uint64_t bad = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        bad += !seed_passes(seed, 0, QUIET, false);
    snprintf(text, sizeof text, "%llu crash schedules end with the undisturbed payloads",
             (unsigned long long)seeds);
    keel_verdict(bad == 0, text);
    bad = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        bad += !seed_passes(seed, 0, REQUESTS, false);
    snprintf(text, sizeof text, "%llu with halts and resumes never contradict themselves",
             (unsigned long long)seeds);
    keel_verdict(bad == 0, text);
    keel_verdict(seed_passes(1, 0, SHARED, false),
                 "a second run on the same stores is as it is alone");
    restart_late();
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
        uint64_t seed = 1;
        while (seed <= (uint64_t)rules[r].seeds &&
               seed_passes(seed, rules[r].without, rules[r].what, true))
            seed++;
        snprintf(text, sizeof text, "without %s a schedule fails (seed %llu)", rules[r].name,
                 (unsigned long long)seed);
        keel_verdict(seed <= (uint64_t)rules[r].seeds, text);
    }
    keel_payloads_free(&undisturbed.payloads);
    return keel_verdicts_end();
}
