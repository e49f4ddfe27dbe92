/* J1, J2, J3: the same rows and signals through processes and through the in-process host give
 * byte-equal payloads of every state and record, and each process's journal gives them again. On
 * simulated data, and on 5,000 hourly rows of 14 coins where the reference data are there; with
 * Keel's three strategies as processes of their own, through the door. What the host is given is
 * (step, order, signal): receipts and intakes as the coordinator's journal has them.
 *
 * The comparison itself is tried: one bit of one payload, one StepEnd, the order of two handlers.
 * Plain main: ends with "N passed, N failed". */
#include "common/service/replay.h"
#include "common/wire/wire.h"
#include "services/backtest/apps.h"
#include "tests/support/data.h"
#include "tests/support/verdict.h"
#include "tests/support/world/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 1500, COIN_ROWS = 5000, REBALANCES_MIN = 200, FILLS_MIN = 1000, DECISIONS_MIN = 200 };

static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    (void)service;
    keel_payloads_note(arg, topic, frame, len);
}

static keel_run load(const char *dir, const char *other_dir)
{
    char path[128], flag[128];
    const char *flags[] = {flag, "--ledger.database=:memory:"};
    keel_run run;
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    snprintf(flag, sizeof flag, "--run.dir=%s", other_dir);
    if (!keel_run_load(path, 2, flags, &run))
        abort();
    return run;
}

/* ---- signals ---- */

static const char *const strategies[] = {"momentum", "meanreversion", "breakout"};

#define STRATEGIES                                                                                 \
    "strategies: {momentum: {lockstep: true}, meanreversion: {lockstep: true},\n"                  \
    "             breakout: {lockstep: true}}\n"

static void add_strategies(keel_cluster *c)
{
    for (int s = 0; s < 3; s++) {
        keel_cluster_client client = {.words = {"", "--run", "", "--quiet"}};
        snprintf(client.name, sizeof client.name, "%s", strategies[s]);
        snprintf(client.words[0], sizeof client.words[0], "../bin/keel-strategy-%s", strategies[s]);
        snprintf(client.words[2], sizeof client.words[2], "%s", c->dir);
        keel_cluster_add_client(c, &client);
    }
}

static void put(const keel_log_store *log, const char *topic, keel_payload type, uint64_t step,
                uint64_t index, const keel_envelope *e)
{
    const keel_log_entry entry = {topic,       (int)type,  step,          index,
                                  e->event_ns, e->payload, e->payload_len};
    bool held;
    if (log->ops->append(log->self, &entry, 1, &held) != KEEL_OK || held)
        abort();
}

/* A receipt that was decided, or the intake that names it, into the log of the host. */
static void copy_signal(const keel_log_store *log, keel_arena *arena, const char *topic,
                        const uint8_t *frame, size_t len)
{
    keel_envelope e;
    keel_receipt r;
    keel_arena_reset(arena);
    if (keel_wire_get_envelope(arena, frame, len, &e) != KEEL_OK)
        abort();
    if (e.type == KEEL_PAYLOAD_INTAKE)
        put(log, topic, KEEL_PAYLOAD_INTAKE, e.step, e.index, &e);
    if (e.type != KEEL_PAYLOAD_RECEIPT)
        return;
    if (keel_wire_get_receipt(arena, e.payload, e.payload_len, &r) != KEEL_OK)
        abort();
    put(log, topic, KEEL_PAYLOAD_RECEIPT, (uint64_t)r.epoch_ns, r.seq, &e);
}

static keel_twin *recorded_signals(const keel_cluster *c)
{
    char path[128];
    keel_err err = {0};
    keel_arena arena;
    keel_log_store log;
    keel_journal_record rec;
    keel_twin *twin = keel_twin_new();
    keel_arena_init(&arena, 1 << 20);
    keel_run run = load(c->dir, c->dir);
    keel_twin_log(twin, run.settings.run_id, &log);
    snprintf(path, sizeof path, "%s/strategy-coordinator.journal", c->dir);
    keel_journal_reader *in = keel_journal_read(path, &err);
    while (in != NULL && keel_journal_next(in, &rec) == KEEL_OK) {
        const char *topic;
        const uint8_t *frame;
        size_t len;
        if ((rec.kind == KEEL_JOURNAL_INPUT || rec.kind == KEEL_JOURNAL_OUTPUT) &&
            keel_journal_frame(&rec, &topic, &frame, &len) == KEEL_OK)
            copy_signal(&log, &arena, topic, frame, len);
    }
    keel_journal_reader_free(&in);
    log.ops->close(log.self);
    keel_run_free(&run);
    keel_arena_fini(&arena);
    return twin;
}

/* The configuration of `dir` in this process, with files of its own. */
static keel_payloads *in_process(const char *dir, uint64_t rows,
                                 const keel_service_spec *const *specs, keel_twin *signals)
{
    char own[] = "/tmp/keel-parity-XXXXXX", command[64];
    keel_err err = {0};
    if (mkdtemp(own) == NULL)
        abort();
    keel_run run = load(dir, own);
    keel_payloads *all = keel_payloads_new(rows);
    const keel_host_cfg cfg = {.specs = specs,
                               .specs_n = keel_apps_n,
                               .config = run.config,
                               .settings = &run.settings,
                               .universe = run.universe,
                               .tap = tap,
                               .tap_arg = all,
                               .twin = signals,
                               .epoch_ns = 1};
    keel_host *host = keel_host_new(&cfg, &err);
    if (host == NULL) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    if (keel_host_run(host, 4000000) != KEEL_EEND)
        printf("  the host did not come to the end\n");
    keel_host_free(&host);
    keel_run_free(&run);
    snprintf(command, sizeof command, "rm -rf %s", own);
    if (system(command) != 0)
        abort();
    return all;
}

static void compare(const keel_payloads *a, const keel_payloads *b, uint64_t steps,
                    const char *what)
{
    char first[128], text[256];
    const int n = keel_payloads_differ(a, b, first, sizeof first);
    printf("  %d payloads, %d rebalances, %d fills%s%s\n", keel_payloads_n(a),
           keel_payloads_of(a, "v1.alloc.approved."), keel_payloads_of(a, "v1.fill."),
           n > 0 ? "; " : "", first);
    snprintf(text, sizeof text, "%s: payloads equal, byte for byte", what);
    keel_verdict(n == 0 && keel_payloads_conflicts(a) == 0 && keel_payloads_conflicts(b) == 0,
                 text);
    snprintf(text, sizeof text, "%s: %d rebalances and %d fills at least, in every tenth", what,
             REBALANCES_MIN, FILLS_MIN);
    keel_verdict(keel_payloads_of(a, "v1.alloc.approved.") >= REBALANCES_MIN &&
                     keel_payloads_of(a, "v1.fill.") >= FILLS_MIN &&
                     keel_payloads_in_every_tenth(a, "v1.alloc.approved.", steps) &&
                     keel_payloads_in_every_tenth(a, "v1.fill.", steps),
                 text);
}

static int64_t still(void *arg)
{
    (void)arg;
    return 1;
}

static void replay_all(const keel_cluster *c)
{
    char own[] = "/tmp/keel-replay-XXXXXX", command[64], path[128];
    uint64_t reproduced = 0, differing = 0;
    bool ok = true;
    if (mkdtemp(own) == NULL)
        abort();
    keel_run run = load(c->dir, own);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        keel_err err = {0};
        keel_replay_report r;
        keel_obs *obs = keel_obs_new("replay", KEEL_LOG_ERROR, stderr, still, NULL);
        const keel_node_cfg cfg = {.spec = keel_app_find(keel_cluster_name(i)),
                                   .config = run.config,
                                   .settings = &run.settings,
                                   .universe = run.universe,
                                   .obs = obs,
                                   .wall_ns = still,
                                   .mono_ns = still};
        snprintf(path, sizeof path, "%s/%s.journal", c->dir, keel_cluster_name(i));
        const keel_status status = keel_replay(path, &cfg, &r, &err);
        if (status != KEEL_OK || r.differing > 0)
            printf("  %s: %s %s\n", keel_cluster_name(i), err.text, r.first_difference);
        ok = ok && status == KEEL_OK;
        reproduced += r.reproduced;
        differing += r.differing;
        keel_obs_free(&obs);
    }
    keel_run_free(&run);
    snprintf(command, sizeof command, "rm -rf %s", own);
    if (system(command) != 0)
        abort();
    printf("  %llu payloads reproduced\n", (unsigned long long)reproduced);
    keel_verdict(ok && differing == 0 && reproduced > 0,
                 "J2: every journal reproduces its payloads");
}

/* A comparison that cannot fail proves nothing. */
static void try_the_comparison(keel_payloads *host, const keel_payloads *processes)
{
    char first[128];
    keel_payloads_spoil(host, 77);
    keel_verdict(keel_payloads_differ(processes, host, first, sizeof first) > 0,
                 "one bit of one payload is noticed");
    keel_payloads_spoil(host, 77);
    keel_verdict(keel_payloads_differ(processes, host, first, sizeof first) == 0,
                 "and mended again");
    keel_verdict(keel_payloads_of(processes, "v1.step.") >= KEEL_CLUSTER_SERVICES * ROWS,
                 "every StepEnd is compared");
    keel_payloads_remove_one(host, "v1.step.risk.");
    keel_verdict(keel_payloads_differ(processes, host, first, sizeof first) > 0,
                 "one missing StepEnd is noticed");
}

/* Execution that fills the row before it plans: two entries of its line changed places. */
static void swap_two_handlers(const keel_cluster *c, const keel_payloads *processes)
{
    static const keel_service_spec *specs[KEEL_HOST_SERVICES_MAX];
    static keel_service_spec swapped;
    static keel_line line[8];
    char first[128];
    for (int i = 0; i < keel_apps_n; i++)
        specs[i] = keel_apps[i];
    for (int i = 0; i < keel_apps_n; i++) {
        if (strcmp(specs[i]->name, "execution") != 0)
            continue;
        swapped = *specs[i];
        for (int j = 0; j < 4; j++)
            line[j] = swapped.line[j];
        const keel_line held = line[1];
        line[1] = line[2];
        line[2] = held;
        swapped.line = line;
        specs[i] = &swapped;
    }
    keel_twin *signals = recorded_signals(c);
    keel_payloads *other = in_process(c->dir, c->rows, specs, signals);
    keel_twin_free(&signals);
    keel_verdict(keel_payloads_differ(processes, other, first, sizeof first) > 0,
                 "two handlers in another order are noticed");
    keel_payloads_free(&other);
}

static void run_processes(keel_cluster *c, int seconds)
{
    const int64_t start = keel_test_mono_ms();
    for (int i = 0; i < seconds * 10 && !keel_cluster_watch(c, 100); i++)
        if (keel_cluster_revive(c) > 0)
            keel_verdict(false, "a service died by itself");
    printf("  %llu steps in %lld ms\n", (unsigned long long)keel_cluster_step(c),
           (long long)(keel_test_mono_ms() - start));
    keel_verdict(keel_cluster_done(c), "the processes come to the end");
    keel_cluster_down(c);
}

static void compare_signals(const keel_payloads *processes, const char *what)
{
    char text[128];
    const int decisions = keel_payloads_of(processes, "v1.decision.");
    printf("  %d decisions, %d questions\n", decisions,
           keel_payloads_of(processes, "v1.riskcheck."));
    snprintf(text, sizeof text, "%s: %d decisions at least, answers as many as questions", what,
             DECISIONS_MIN);
    keel_verdict(decisions >= DECISIONS_MIN && keel_payloads_of(processes, "v1.verdict.") ==
                                                   keel_payloads_of(processes, "v1.riskcheck."),
                 text);
}

#define SHARES "capital: {core: 0.6, momentum: 0.1, meanreversion: 0.1, breakout: 0.1}\n"

static void simulated(void)
{
    keel_cluster c;
    printf("simulated market, %d rows\n", ROWS);
    keel_cluster_prepare(&c, true);
    keel_world_config(c.dir, ROWS, SHARES STRATEGIES);
    add_strategies(&c);
    keel_cluster_up(&c);
    run_processes(&c, 120);
    keel_twin *signals = recorded_signals(&c);
    keel_payloads *processes = keel_cluster_journals(&c);
    keel_payloads *host = in_process(c.dir, c.rows, keel_apps, signals);
    keel_twin_free(&signals);
    compare(processes, host, c.rows, "J3 simulated");
    compare_signals(processes, "J3 simulated");
    replay_all(&c);
    try_the_comparison(host, processes);
    swap_two_handlers(&c, processes);
    keel_payloads_free(&processes);
    keel_payloads_free(&host);
    keel_cluster_remove(&c);
}

static void coins(void)
{
    keel_cluster c;
    const char *file = keel_test_data("market/crypto14_hourly_close_2020_2023.csv.gz");
    if (file == NULL)
        return;
    printf("crypto14_hourly, %d rows\n", COIN_ROWS);
    keel_cluster_prepare(&c, true);
    keel_world_coins(c.dir, file, COIN_ROWS, STRATEGIES);
    add_strategies(&c);
    keel_cluster_up(&c);
    run_processes(&c, 240);
    keel_twin *signals = recorded_signals(&c);
    keel_payloads *processes = keel_cluster_journals(&c);
    keel_payloads *host = in_process(c.dir, c.rows, keel_apps, signals);
    keel_twin_free(&signals);
    compare(processes, host, c.rows, "J3 coins");
    compare_signals(processes, "J3 coins");
    replay_all(&c);
    keel_payloads_free(&processes);
    keel_payloads_free(&host);
    keel_cluster_remove(&c);
}

int main(void)
{
    simulated();
    coins();
    return keel_verdicts_end();
}
