/* Live mode on the in-memory twins: clocks decide who is waited for, so a crashed run need not
 * equal an undisturbed one; but it comes to its end, nothing recorded is contradicted, lost or
 * done twice, and the books are those of the log (R1, R3, R6, P4). Without P4 some schedule fails.
 *
 * Each schedule runs in a child. KEEL_LONG=1 runs more, KEEL_SEEDS=N so many. Plain main: ends with
 * "N passed, N failed". */
#include "common/wire/wire.h"
#include "services/backtest/apps.h"
#include "services/cli/ledger_check.h"
#include "tests/support/verdict.h"
#include "tests/support/world/chaos.h"
#include "tests/support/world/world.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 150, TURNS_MAX = 60000, EVENTS_MAX = 10, FILLS_MAX = 4096 };

static const char *const records[] = {
    "v1.order.",         "v1.fill.", "v1.plandone.", "v1.trading.", "v1.capital.approved.",
    "v1.alloc.approved."};

static bool is_record(const char *topic)
{
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        if (strncmp(topic, records[i], strlen(records[i])) == 0)
            return true;
    return false;
}

/* ---- what was published, against the plans and the books ---- */

typedef struct filled {
    char fill_id[KEEL_ID_MAX];
    char order_id[KEEL_ID_MAX];
    int64_t qty_units;
} filled;

typedef struct ordered {
    char order_id[KEEL_ID_MAX];
    int64_t qty_units;
} ordered;

typedef struct audit {
    keel_payloads *payloads;
    keel_arena arena;
    filled *fills; /* FILLS_MAX, each id once */
    int n;
    ordered *orders; /* FILLS_MAX, each id once */
    int orders_n;
} audit;

static void note_fill(audit *a, const keel_envelope *e)
{
    keel_fill f;
    if (keel_wire_get_fill(&a->arena, e->payload, e->payload_len, &f) != KEEL_OK)
        abort();
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->fills[i].fill_id, f.fill_id) == 0)
            return;
    if (a->n == FILLS_MAX)
        abort();
    filled *x = &a->fills[a->n++];
    memcpy(x->fill_id, f.fill_id, sizeof x->fill_id);
    memcpy(x->order_id, f.order_id, sizeof x->order_id);
    x->qty_units = f.qty_units;
}

static void note_plan(audit *a, const keel_envelope *e)
{
    keel_order_plan p;
    if (keel_wire_get_order_plan(&a->arena, e->payload, e->payload_len, &p) != KEEL_OK)
        abort();
    for (int i = 0; i < p.orders_n; i++) {
        int k = 0;
        while (k < a->orders_n && strcmp(a->orders[k].order_id, p.orders[i].order_id) != 0)
            k++;
        if (k < a->orders_n || a->orders_n == FILLS_MAX)
            continue;
        memcpy(a->orders[k].order_id, p.orders[i].order_id, sizeof a->orders[k].order_id);
        a->orders[k].qty_units = p.orders[i].qty_units;
        a->orders_n++;
    }
}

static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    audit *a = arg;
    keel_envelope e;
    (void)service;
    if (!is_record(topic))
        return;
    keel_payloads_note(a->payloads, topic, frame, len);
    keel_arena_reset(&a->arena);
    if (keel_wire_get_envelope(&a->arena, frame, len, &e) != KEEL_OK)
        abort();
    if (e.type == KEEL_PAYLOAD_FILL)
        note_fill(a, &e);
    if (e.type == KEEL_PAYLOAD_ORDER_PLAN)
        note_plan(a, &e);
}

/* Orders filled beyond their size or on the other side, and fills without an order. */
static int wrong_fills(const audit *a)
{
    int wrong = 0;
    for (int i = 0; i < a->orders_n; i++) {
        int64_t sum = 0;
        for (int k = 0; k < a->n; k++)
            if (strcmp(a->fills[k].order_id, a->orders[i].order_id) == 0)
                sum += a->fills[k].qty_units;
        wrong += llabs(sum) > llabs(a->orders[i].qty_units) ||
                 (sum != 0 && (sum > 0) != (a->orders[i].qty_units > 0));
    }
    for (int k = 0; k < a->n; k++) {
        int i = 0;
        while (i < a->orders_n && strcmp(a->fills[k].order_id, a->orders[i].order_id) != 0)
            i++;
        wrong += i == a->orders_n;
    }
    return wrong;
}

/* Fills that were published and the books lack, and the other way round. */
static int compare_books(const audit *a, const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *row;
    int booked = 0, missing = 0;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "select count(*) from fills where fill_id = ?", -1, &row, NULL) !=
            SQLITE_OK)
        abort();
    for (int i = 0; i < a->n; i++) {
        sqlite3_bind_text(row, 1, a->fills[i].fill_id, -1, SQLITE_STATIC);
        missing += sqlite3_step(row) != SQLITE_ROW || sqlite3_column_int(row, 0) != 1;
        sqlite3_reset(row);
    }
    sqlite3_finalize(row);
    if (sqlite3_prepare_v2(db, "select count(*) from fills", -1, &row, NULL) != SQLITE_OK)
        abort();
    if (sqlite3_step(row) == SQLITE_ROW)
        booked = sqlite3_column_int(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return missing + abs(booked - a->n);
}

static void audit_run(const audit *a, keel_host *host, const char *dir, char *text, size_t cap)
{
    char path[128];
    snprintf(path, sizeof path, "%s/books.sqlite", dir);
    FILE *quiet = fopen("/dev/null", "w");
    if (quiet == NULL)
        abort();
    const int wrong = wrong_fills(a);
    const int apart = compare_books(a, path);
    const int check = keel_ledger_check(path, quiet, false);
    const int contradict = keel_payloads_conflicts(a->payloads);
    fclose(quiet);
    (void)host;
    if (wrong > 0 || apart > 0 || check != 0 || contradict > 0)
        snprintf(text, cap,
                 "%d fills of %d orders: %d wrong, %d apart from the books, check %d, %d records "
                 "contradict %s",
                 a->n, a->orders_n, wrong, apart, check, contradict,
                 keel_payloads_conflict(a->payloads));
}

/* ---- a run ---- */

static keel_log_level log_level = KEEL_LOG_ERROR;

static void run_disturbed(keel_host *host, keel_chaos *c, int events, char *text, size_t cap)
{
    uint64_t at[EVENTS_MAX];
    for (int i = 0; i < events; i++)
        at[i] = 1 + keel_chaos_below(c, 900);
    for (c->turn = 1; c->turn < TURNS_MAX; c->turn++) {
        for (int i = 0; i < events; i++)
            if (at[i] == c->turn)
                keel_chaos_strike(c, host);
        keel_chaos_mend(c, host);
        if (keel_host_run(host, 1) == KEEL_EEND)
            return;
    }
    snprintf(text, cap, "stuck");
    for (int i = 0; i < keel_apps_n; i++)
        snprintf(text + strlen(text), cap - strlen(text), " %s %llu (%s)", keel_apps[i]->name,
                 (unsigned long long)keel_host_done(host, keel_apps[i]->name),
                 keel_host_awaited(host, keel_apps[i]->name));
}

/* 0 = nothing wrong; seed 0 = undisturbed. */
static int run_world(uint64_t seed, unsigned without, bool quiet)
{
    static const double losses[] = {0, 0, 0.02, 0.1};
    char dir[] = "/tmp/keel-live-XXXXXX", path[64], command[64], text[512] = "";
    const char *const flags[] = {"--run.mode=live", "--run.pace=10ms", "--run.step_deadline=50ms"};
    keel_run run;
    keel_err err = {0};
    keel_chaos c = keel_chaos_seeded(seed);
    audit a = {.payloads = keel_payloads_new(0),
               .fills = keel_xcalloc(FILLS_MAX, sizeof(filled)),
               .orders = keel_xcalloc(FILLS_MAX, sizeof(ordered))};
    keel_arena_init(&a.arena, 1 << 20);
    if (mkdtemp(dir) == NULL)
        abort();
    keel_world_config(dir, ROWS, "");
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    if (!keel_run_load(path, 3, flags, &run))
        abort();
    keel_host_cfg cfg = {.specs = keel_apps,
                         .specs_n = keel_apps_n,
                         .config = run.config,
                         .settings = &run.settings,
                         .universe = run.universe,
                         .tap = tap,
                         .tap_arg = &a,
                         .judge = keel_chaos_judge,
                         .judge_arg = &c,
                         .epoch_ns = 1,
                         .without = without,
                         .snapshot_steps = 8,
                         .log_level = log_level};
    c.lose = seed != 0 ? losses[keel_chaos_below(&c, 4)] : 0;
    keel_host *host = keel_host_new(&cfg, &err);
    if (host == NULL) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    run_disturbed(host, &c, seed == 0 ? 0 : 1 + (int)keel_chaos_below(&c, EVENTS_MAX), text,
                  sizeof text);
    if (text[0] == '\0')
        audit_run(&a, host, dir, text, sizeof text);
    if (seed == 0)
        printf("  %d records, %d approvals, %d fills\n", keel_payloads_n(a.payloads),
               keel_payloads_of(a.payloads, "v1.alloc.approved."),
               keel_payloads_of(a.payloads, "v1.fill."));
    if (text[0] != '\0' && !quiet)
        printf("  seed %llu: %s\n", (unsigned long long)seed, text);
    fflush(stdout);
    keel_host_free(&host);
    keel_run_free(&run);
    keel_payloads_free(&a.payloads);
    keel_free(&a.fills);
    keel_free(&a.orders);
    keel_arena_fini(&a.arena);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        abort();
    return text[0] != '\0';
}

static int run_schedule(const keel_schedule *s)
{
    return run_world(s->seed, s->without, s->quiet);
}

static bool seed_passes(uint64_t seed, unsigned without, bool quiet)
{
    return keel_schedule_passes(&(keel_schedule){seed, without, 0, quiet}, run_schedule);
}

int main(int argc, char **argv)
{
    const uint64_t seeds = keel_schedules_n(60);
    uint64_t bad = 0, seed = 1;
    char text[160];
    if (argc == 2) {
        log_level = KEEL_LOG_INFO;
        return run_world(strtoull(argv[1], NULL, 10), 0, false);
    }
    keel_verdict(seed_passes(0, 0, false), "the undisturbed live run ends with its books in order");
    for (; seed <= seeds; seed++)
        bad += !seed_passes(seed, 0, false);
    snprintf(text, sizeof text, "%llu crash schedules: ended, nothing lost, contradicted or twice",
             (unsigned long long)seeds);
    keel_verdict(bad == 0, text);
    for (seed = 1; seed <= 60 && seed_passes(seed, KEEL_WITHOUT_P4, true);)
        seed++;
    snprintf(text, sizeof text, "without P4 a schedule fails (seed %llu)",
             (unsigned long long)seed);
    keel_verdict(seed <= 60, text);
    return keel_verdicts_end();
}
