/* Signals on the in-memory twins: strategies over the client's real outbox, services that die.
 *
 * Lockstep: whatever services die, all payloads are those of the undisturbed run (S5, P5, P6, P7,
 * G1). When strategies die too (P8, G4), and in live mode (G1, G2, P5): no acknowledged signal is
 * lost, each is decided exactly once, decisions are numbered without a hole, the counts add up and
 * the books are those of the fills. Without G1, P5 or P7 a schedule fails. The journals of those
 * who have a part in it reproduce every payload, in live mode too (J1, J2).
 *
 * Each schedule runs in a child. KEEL_LONG=1 runs more, KEEL_SEEDS=N so many. Plain main: ends with
 * "N passed, N failed". */
#include "common/base/mem.h"
#include "common/service/replay.h"
#include "common/wire/wire.h"
#include "services/backtest/apps.h"
#include "services/cli/ledger_check.h"
#include "tests/support/verdict.h"
#include "tests/support/world/chaos.h"
#include "tests/support/world/script.h"
#include "tests/support/world/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 90, TURNS_MAX = 80000, EVENTS_MAX = 12, SCRIPTS = 3, DECISIONS_MAX = 8192 };

#define STRATEGIES                                                                                 \
    "capital: {core: 0.6, alpha: 0.1, beta: 0.1, gamma: 0.1}\n"                                    \
    "strategies: {alpha: {lockstep: true}, beta: {lockstep: true}, gamma: {lockstep: true}}\n"     \
    "strategy-coordinator: {validity: 6h}\n"

typedef enum scene {
    SERVICES, /* lockstep; services die: the undisturbed payloads */
    CLIENTS,  /* lockstep; strategies die too: audited */
    LIVE,     /* live; services and strategies die: audited */
} scene;

static const char *const names[SCRIPTS] = {"alpha", "beta", "gamma"};

/* ---- what was decided ---- */

typedef struct decided {
    char strategy[KEEL_NAME_MAX];
    char signal_id[KEEL_SIGNAL_ID_MAX];
    int64_t epoch_ns;
    uint64_t seq;
    bool duplicate;
    bool known; /* this decision_seq was seen */
} decided;

typedef struct audit {
    keel_payloads *payloads;
    keel_arena arena;
    decided *decisions; /* by decision_seq - 1 */
    uint64_t top;
    uint64_t accepted;
    uint64_t received; /* of the newest report */
    uint64_t counted;
    uint64_t executed;
} audit;

static void note_decision(audit *a, const keel_envelope *e)
{
    keel_decision d;
    if (keel_wire_get_decision(&a->arena, e->payload, e->payload_len, &d) != KEEL_OK ||
        d.decision_seq > DECISIONS_MAX)
        abort();
    decided *x = &a->decisions[d.decision_seq - 1];
    if (x->known)
        return;
    x->known = true;
    memcpy(x->strategy, d.strategy, sizeof x->strategy);
    memcpy(x->signal_id, d.signal_id, sizeof x->signal_id);
    x->epoch_ns = d.epoch_ns;
    x->seq = d.seq;
    x->duplicate = d.reason.code == KEEL_REASON_DUPLICATE;
    a->accepted += d.accepted;
    a->top = d.decision_seq > a->top ? d.decision_seq : a->top;
}

static void note_report(audit *a, const keel_envelope *e)
{
    keel_strategy_report r;
    if (keel_wire_get_strategy_report(&a->arena, e->payload, e->payload_len, &r) != KEEL_OK)
        abort();
    a->received = a->counted = a->executed = 0;
    for (int s = 0; s < r.strategies_n; s++) {
        a->received += r.strategies[s].received;
        a->counted += r.strategies[s].decided;
        a->executed += r.strategies[s].executed;
    }
}

static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    audit *a = arg;
    keel_envelope e;
    (void)service;
    keel_payloads_note(a->payloads, topic, frame, len);
    keel_arena_reset(&a->arena);
    if (keel_wire_get_envelope(&a->arena, frame, len, &e) != KEEL_OK)
        abort();
    if (e.type == KEEL_PAYLOAD_DECISION)
        note_decision(a, &e);
    if (e.type == KEEL_PAYLOAD_STRATEGY_REPORT)
        note_report(a, &e);
}

/* Decisions about this signal_id: the first ones, and the repeats. */
static void count_decisions(const audit *a, const char *strategy, const char *id, int *first,
                            int *repeats)
{
    *first = *repeats = 0;
    for (uint64_t i = 0; i < a->top; i++)
        if (strcmp(a->decisions[i].strategy, strategy) == 0 &&
            strcmp(a->decisions[i].signal_id, id) == 0) {
            *first += !a->decisions[i].duplicate;
            *repeats += a->decisions[i].duplicate;
        }
}

static int places_twice(const audit *a)
{
    int twice = 0;
    for (uint64_t i = 0; i < a->top; i++)
        for (uint64_t k = i + 1; k < a->top; k++)
            twice += a->decisions[i].seq == a->decisions[k].seq &&
                     a->decisions[i].epoch_ns == a->decisions[k].epoch_ns &&
                     strcmp(a->decisions[i].strategy, a->decisions[k].strategy) == 0;
    return twice;
}

static keel_log_level log_level = KEEL_LOG_ERROR;

/* `all`: the last report was made after the last decision. */
static void audit_run(const audit *a, const keel_script *scripts, const char *dir, bool all,
                      char *text, size_t cap)
{
    char path[128];
    int lost = 0, twice = 0, holes = 0, acked = 0;
    for (int s = 0; s < SCRIPTS; s++)
        for (int i = 0; i < scripts[s].said_n; i++) {
            int first, repeats;
            count_decisions(a, scripts[s].strategy, scripts[s].said[i].signal_id, &first, &repeats);
            acked += scripts[s].said[i].acked;
            lost += scripts[s].said[i].acked && first == 0;
            twice += first > 1;
        }
    for (uint64_t i = 0; i < a->top; i++)
        holes += !a->decisions[i].known;
    snprintf(path, sizeof path, "%s/books.sqlite", dir);
    FILE *said = fopen(log_level == KEEL_LOG_ERROR ? "/dev/null" : "/dev/stderr", "a");
    if (said == NULL)
        abort();
    const int check = keel_ledger_check(path, said, false);
    fclose(said);
    const int places = places_twice(a), contradict = keel_payloads_conflicts(a->payloads);
    const bool adds_up = (all ? a->counted == a->top : a->counted > 0 && a->counted <= a->top) &&
                         a->received >= a->counted;
    if (lost + twice + holes + places + check != 0 || !adds_up || acked == 0)
        snprintf(text, cap,
                 "%d acknowledged, %d lost, %d decided twice, %d places decided twice, %d holes in "
                 "%llu decisions, counts %llu of %llu, check %d, %d contradict %s",
                 acked, lost, twice, places, holes, (unsigned long long)a->top,
                 (unsigned long long)a->counted, (unsigned long long)a->received, check, contradict,
                 keel_payloads_conflict(a->payloads));
}

/* ---- a run ---- */

typedef struct world {
    keel_host *host;
    keel_run run;
    keel_chaos chaos;
    keel_script scripts[SCRIPTS];
    uint64_t down_until[SCRIPTS]; /* turn; 0 = up */
    int64_t epochs;
} world;

static void start_script(world *w, int s)
{
    keel_script_start(&w->scripts[s], w->host, &w->run, ++w->epochs);
}

static void kill_script(world *w, int s)
{
    if (!keel_script_is_up(&w->scripts[s]))
        return;
    keel_script_kill(&w->scripts[s]);
    w->down_until[s] = w->chaos.turn + 1 + keel_chaos_below(&w->chaos, 300);
}

static void turn_scripts(world *w)
{
    for (int s = 0; s < SCRIPTS; s++) {
        if (w->down_until[s] != 0 && w->chaos.turn >= w->down_until[s]) {
            w->down_until[s] = 0;
            start_script(w, s);
        }
        keel_script_turn(&w->scripts[s]);
    }
}

/* All that was said is acknowledged, and nobody is down: what is acknowledged is decided soon. */
static bool is_quiet(const world *w)
{
    for (int s = 0; s < SCRIPTS; s++)
        if (!keel_script_is_up(&w->scripts[s]) || keel_outbox_waiting(w->scripts[s].outbox) > 0)
            return false;
    return keel_chaos_is_calm(&w->chaos);
}

static void tell_stuck(const world *w, char *text, size_t cap)
{
    snprintf(text, cap, "stuck");
    for (int i = 0; i < keel_apps_n; i++)
        snprintf(text + strlen(text), cap - strlen(text), " %s %llu (%s)", keel_apps[i]->name,
                 (unsigned long long)keel_host_done(w->host, keel_apps[i]->name),
                 keel_host_awaited(w->host, keel_apps[i]->name));
    for (int s = 0; s < SCRIPTS && keel_script_is_up(&w->scripts[s]); s++)
        snprintf(text + strlen(text), cap - strlen(text), " %s row %llu waiting %d state %d",
                 w->scripts[s].strategy, (unsigned long long)w->scripts[s].next_row,
                 keel_outbox_waiting(w->scripts[s].outbox),
                 (int)keel_outbox_state_of(w->scripts[s].outbox));
}

static void run_disturbed(world *w, scene what, int events, char *text, size_t cap)
{
    enum { AFTER = 12000 }; /* turns, longer than an early signal waits: the last are decided */
    uint64_t at[EVENTS_MAX], quiet = 0;
    keel_chaos *c = &w->chaos;
    for (int i = 0; i < events; i++)
        at[i] = 1 + keel_chaos_below(c, 900);
    for (c->turn = 1; c->turn < TURNS_MAX; c->turn++) {
        for (int i = 0; i < events; i++) {
            if (at[i] != c->turn)
                continue;
            keel_chaos_strike(c, w->host);
            if (what != SERVICES)
                kill_script(w, (int)keel_chaos_below(c, SCRIPTS));
        }
        keel_chaos_mend(c, w->host);
        turn_scripts(w);
        keel_host_turn(w->host);
        const bool ended = keel_host_run(w->host, 0) == KEEL_EEND;
        if (what != LIVE && ended && keel_chaos_is_calm(c))
            return;
        quiet = what == LIVE && ended && is_quiet(w) ? quiet + 1 : 0;
        if (quiet > AFTER)
            return;
    }
    tell_stuck(w, text, cap);
}

/* Some are: writing them is most of the time of a schedule. */
static bool is_journaled(uint64_t seed)
{
    return seed % 4 == 1;
}

static void open_world(world *w, const char *dir, uint64_t seed, unsigned without, scene what,
                       audit *a)
{
    static const double losses[] = {0, 0, 0.02, 0.1};
    static const int snaps[] = {2, 3, 5, 8};
    const char *const flags[] = {"--run.mode=live", "--run.pace=10ms", "--run.step_deadline=50ms"};
    char path[64];
    keel_err err = {0};
    keel_world_config(dir, ROWS, STRATEGIES);
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    if (!keel_run_load(path, what == LIVE ? 3 : 0, flags, &w->run))
        abort();
    w->chaos = keel_chaos_seeded(seed);
    keel_host_cfg cfg = {.specs = keel_apps,
                         .specs_n = keel_apps_n,
                         .config = w->run.config,
                         .settings = &w->run.settings,
                         .universe = w->run.universe,
                         .tap = tap,
                         .tap_arg = a,
                         .judge = keel_chaos_judge,
                         .judge_arg = &w->chaos,
                         .epoch_ns = 1000,
                         .journal_dir = is_journaled(seed) ? dir : NULL,
                         .without = without,
                         .busy_tick_ns = what == LIVE ? 0 : 5 * INT64_C(1000000),
                         .log_level = log_level};
    if (seed != 0) {
        w->chaos.lose = losses[keel_chaos_below(&w->chaos, 4)];
        cfg.snapshot_steps = snaps[keel_chaos_below(&w->chaos, 4)];
    }
    w->host = keel_host_new(&cfg, &err);
    if (w->host == NULL) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    for (int s = 0; s < SCRIPTS; s++) {
        w->scripts[s] = (keel_script){.strategy = names[s], .seed = 40 + (uint64_t)s, .port = s};
        start_script(w, s);
    }
}

/* ---- J2 ---- */

static int64_t still(void *arg)
{
    (void)arg;
    return 1;
}

static void replay(const world *w, const char *dir, const char *service, char *text, size_t cap)
{
    char path[128];
    keel_err err = {0};
    keel_replay_report r;
    keel_obs *obs = keel_obs_new("replay", KEEL_LOG_ERROR, stderr, still, NULL);
    const keel_node_cfg cfg = {.spec = keel_app_find(service),
                               .config = w->run.config,
                               .settings = &w->run.settings,
                               .universe = w->run.universe,
                               .obs = obs,
                               .wall_ns = still,
                               .mono_ns = still};
    snprintf(path, sizeof path, "%s/%s.journal", dir, service);
    const keel_status status = keel_replay(path, &cfg, &r, &err);
    if (status != KEEL_OK || r.differing > 0 || r.reproduced == 0)
        snprintf(text, cap, "replay of %s: %s %s, %llu differ, %llu reproduced: %s", service,
                 keel_status_name(status), err.text, (unsigned long long)r.differing,
                 (unsigned long long)r.reproduced, r.first_difference);
    keel_obs_free(&obs);
}

static void replay_all(const world *w, const char *dir, char *text, size_t cap)
{
    static const char *const services[] = {"strategy-coordinator", "risk", "execution"};
    for (size_t i = 0; i < sizeof services / sizeof services[0] && text[0] == '\0'; i++)
        replay(w, dir, services[i], text, cap);
}

static keel_payloads *reference;

static void compare(const audit *a, char *text, size_t cap)
{
    char first[128] = "";
    const int n = keel_payloads_differ(reference, a->payloads, first, sizeof first);
    const int conflicts = keel_payloads_conflicts(a->payloads);
    if (n > 0 || conflicts > 0)
        snprintf(text, cap, "%d payloads differ, %d conflicts: %s %s", n, conflicts, first,
                 keel_payloads_conflict(a->payloads));
}

/* 0 = nothing wrong; seed 0 = undisturbed. Leaves the audit to the caller when it asks for it. */
static int run_world(uint64_t seed, unsigned without, scene what, bool quiet, audit *keep)
{
    char dir[] = "/tmp/keel-sign-XXXXXX", command[64], text[1024] = "";
    world w = {.epochs = 0};
    audit a = {.payloads = keel_payloads_new(what == LIVE ? 0 : ROWS),
               .decisions = keel_xcalloc(DECISIONS_MAX, sizeof(decided))};
    keel_arena_init(&a.arena, 4 << 20);
    if (mkdtemp(dir) == NULL)
        abort();
    open_world(&w, dir, seed, without, what, &a);
    run_disturbed(&w, what, seed == 0 ? 0 : 1 + (int)keel_chaos_below(&w.chaos, EVENTS_MAX), text,
                  sizeof text);
    if (text[0] == '\0')
        audit_run(&a, w.scripts, dir, what != LIVE, text, sizeof text);
    if (text[0] == '\0' && what == SERVICES && reference != NULL)
        compare(&a, text, sizeof text);
    if (text[0] == '\0' && is_journaled(seed))
        replay_all(&w, dir, text, sizeof text);
    if (text[0] != '\0' && !quiet)
        printf("  seed %llu: %s\n", (unsigned long long)seed, text);
    fflush(stdout);
    for (int s = 0; s < SCRIPTS; s++)
        keel_script_free(&w.scripts[s]);
    keel_host_free(&w.host);
    keel_run_free(&w.run);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        abort();
    if (keep != NULL) {
        *keep = a;
        return text[0] != '\0';
    }
    keel_payloads_free(&a.payloads);
    keel_free(&a.decisions);
    keel_arena_fini(&a.arena);
    return text[0] != '\0';
}

static int run_schedule(const keel_schedule *s)
{
    return run_world(s->seed, s->without, (scene)s->what, s->quiet, NULL);
}

static bool seed_passes(uint64_t seed, unsigned without, scene what, bool quiet)
{
    return keel_schedule_passes(&(keel_schedule){seed, without, (int)what, quiet}, run_schedule);
}

static void schedules(scene what, uint64_t seeds, const char *claim)
{
    static const uint64_t hard[] = {57, 101, 113}; /* failed once */
    char text[200];
    uint64_t bad = 0;
    for (size_t i = 0; i < sizeof hard / sizeof hard[0]; i++)
        bad += hard[i] > seeds && !seed_passes(hard[i], 0, what, false);
    for (uint64_t seed = 1; seed <= seeds; seed++)
        bad += !seed_passes(seed, 0, what, false);
    snprintf(text, sizeof text, "%llu crash schedules: %s", (unsigned long long)seeds, claim);
    keel_verdict(bad == 0, text);
}

static void without_rule(const char *name, unsigned without, scene what)
{
    enum { SEEDS = 60 };
    char text[160];
    uint64_t seed = 1;
    while (seed <= SEEDS && seed_passes(seed, without, what, true))
        seed++;
    snprintf(text, sizeof text, "without %s a schedule fails (seed %llu)", name,
             (unsigned long long)seed);
    keel_verdict(seed <= SEEDS, text);
}

/* `test_signals SEED services|clients|live`: one schedule, with the services' log on stderr. */
static int run_one(const char *seed, const char *what)
{
    log_level = KEEL_LOG_INFO;
    return run_world(strtoull(seed, NULL, 10), 0,
                     what[0] == 's'   ? SERVICES
                     : what[0] == 'c' ? CLIENTS
                                      : LIVE,
                     false, NULL);
}

int main(int argc, char **argv)
{
    const uint64_t seeds = keel_schedules_n(40);
    audit undisturbed;
    keel_verdict(run_world(0, 0, SERVICES, false, &undisturbed) == 0,
                 "the undisturbed run ends, every signal decided once");
    printf("  %llu decisions, %llu accepted, %llu executed, %d fills\n",
           (unsigned long long)undisturbed.top, (unsigned long long)undisturbed.accepted,
           (unsigned long long)undisturbed.executed,
           keel_payloads_of(undisturbed.payloads, "v1.fill."));
    keel_verdict(undisturbed.accepted > 80 && undisturbed.executed > 80, "signals trade");
    reference = undisturbed.payloads;
    if (argc == 3)
        return run_one(argv[1], argv[2]);
    schedules(SERVICES, seeds, "services die, all payloads as undisturbed");
    schedules(CLIENTS, seeds, "strategies die too, nothing acknowledged lost, nothing twice");
    schedules(LIVE, seeds, "live, nothing acknowledged lost, nothing twice");
    without_rule("G1", KEEL_WITHOUT_G1, LIVE);
    without_rule("P5", KEEL_WITHOUT_P5, LIVE);
    without_rule("P7", KEEL_WITHOUT_P7, CLIENTS);
    keel_payloads_free(&undisturbed.payloads);
    keel_free(&undisturbed.decisions);
    keel_arena_fini(&undisturbed.arena);
    return keel_verdicts_end();
}
