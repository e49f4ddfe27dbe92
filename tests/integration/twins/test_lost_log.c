/* A log that is not the books' own (P10): a run whose log is lost, or is an older one, while its
 * books are kept does not trade on as if nothing were held. It says why, the books stay as they
 * are, and with its own log back the run goes on. With P10 switched off it goes on.
 *
 * Plain main: ends with "N passed, N failed". */
#include "common/wire/wire.h"
#include "services/backtest/apps.h"
#include "services/cli/ledger_check.h"
#include "tests/support/verdict.h"
#include "tests/support/world/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 400, OLD = 60, BOOKED = 120, FURTHER = 40, TURNS = 4000, TURNS_MAX = 200000 };

/* ---- what was published ---- */

typedef struct seen {
    keel_arena arena;
    int orders; /* in plans */
    int fills;
    keel_heartbeat beats[3]; /* the newest of each owner of records */
} seen;

static const char *const owners[] = {"execution", "risk", "strategy-coordinator"};

static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    seen *s = arg;
    keel_envelope e;
    keel_order_plan plan;
    (void)topic;
    keel_arena_reset(&s->arena);
    if (keel_wire_get_envelope(&s->arena, frame, len, &e) != KEEL_OK)
        abort();
    s->fills += e.type == KEEL_PAYLOAD_FILL;
    if (e.type == KEEL_PAYLOAD_ORDER_PLAN &&
        keel_wire_get_order_plan(&s->arena, e.payload, e.payload_len, &plan) == KEEL_OK)
        s->orders += plan.orders_n;
    for (int i = 0; i < 3; i++)
        if (e.type == KEEL_PAYLOAD_HEARTBEAT && strcmp(service, owners[i]) == 0 &&
            keel_wire_get_heartbeat(&s->arena, e.payload, e.payload_len, &s->beats[i]) != KEEL_OK)
            abort();
}

/* ---- a run over books in `dir` and the stores of `twin` ---- */

typedef struct world {
    char dir[32];
    keel_run run;
    seen seen;
    keel_host *host;
} world;

static void make_world(world *w, bool is_live)
{
    char path[64];
    const char *const flags[] = {"--run.mode=live", "--run.pace=10ms", "--run.step_deadline=50ms"};
    snprintf(w->dir, sizeof w->dir, "/tmp/keel-lost-XXXXXX");
    if (mkdtemp(w->dir) == NULL)
        abort();
    keel_world_config(w->dir, ROWS, "");
    snprintf(path, sizeof path, "%s/config.yaml", w->dir);
    if (!keel_run_load(path, is_live ? 3 : 0, flags, &w->run))
        abort();
    keel_arena_init(&w->seen.arena, 16 << 20);
}

static void remove_world(world *w)
{
    char command[64];
    keel_run_free(&w->run);
    keel_arena_fini(&w->seen.arena);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    if (system(command) != 0)
        abort();
}

/* Everyone starts; before, what was seen is forgotten. */
static void begin(world *w, keel_twin *twin, unsigned without)
{
    keel_err err = {0};
    const keel_host_cfg cfg = {.specs = keel_apps,
                               .specs_n = keel_apps_n,
                               .config = w->run.config,
                               .settings = &w->run.settings,
                               .universe = w->run.universe,
                               .tap = tap,
                               .tap_arg = &w->seen,
                               .twin = twin,
                               .epoch_ns = 1,
                               .without = without,
                               .snapshot_steps = 8};
    w->seen.orders = w->seen.fills = 0;
    memset(w->seen.beats, 0, sizeof w->seen.beats);
    w->host = keel_host_new(&cfg, &err);
    if (w->host == NULL) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

static bool runs_to(world *w, uint64_t step)
{
    for (int i = 0; i < TURNS_MAX && keel_host_done(w->host, "ledger") < step; i++)
        keel_host_turn(w->host);
    return keel_host_done(w->host, "ledger") >= step;
}

static bool all_say(const world *w, uint64_t log_step, uint64_t books_step)
{
    char ends[96];
    snprintf(ends, sizeof ends, "it ends at step %llu, the books at step %llu;",
             (unsigned long long)log_step, (unsigned long long)books_step);
    for (int i = 0; i < 3; i++) {
        const keel_heartbeat *b = &w->seen.beats[i];
        if (b->state == KEEL_STATE_WARMING && strstr(b->why, "the log lacks") != NULL &&
            strstr(b->why, ends) != NULL)
            continue;
        printf("  %s is %s: %s\n", owners[i], keel_service_state_name(b->state), b->why);
        return false;
    }
    return true;
}

static bool books_agree(const world *w)
{
    char path[64];
    snprintf(path, sizeof path, "%s/books.sqlite", w->dir);
    FILE *quiet = fopen("/dev/null", "w");
    if (quiet == NULL)
        abort();
    const int code = keel_ledger_check(path, quiet, false);
    fclose(quiet);
    return code == 0;
}

/* Over this log nothing is traded, and everyone who writes records says why. */
static bool stands(world *w, keel_twin *twin, uint64_t log_step, uint64_t books_step)
{
    begin(w, twin, 0);
    for (int i = 0; i < TURNS; i++)
        keel_host_turn(w->host);
    const bool still = w->seen.orders == 0 && w->seen.fills == 0 &&
                       keel_host_done(w->host, "ledger") == books_step &&
                       keel_host_done(w->host, "execution") == 0;
    if (!still)
        printf("  %d orders, %d fills, ledger at %llu, execution at %llu\n", w->seen.orders,
               w->seen.fills, (unsigned long long)keel_host_done(w->host, "ledger"),
               (unsigned long long)keel_host_done(w->host, "execution"));
    const bool said = all_say(w, log_step, books_step);
    keel_host_free(&w->host);
    return still && said && books_agree(w);
}

static uint64_t newest_plan(keel_twin *twin)
{
    keel_log_store log;
    uint64_t step = 0, index = 0;
    keel_twin_log(twin, "test-world", &log);
    const keel_status top = log.ops->top(log.self, "v1.plandone.main.", &step, &index);
    log.ops->close(log.self);
    return top == KEEL_OK ? step : 0;
}

static void check_mode(const char *mode, bool is_live)
{
    world w = {0}, old = {0};
    keel_twin *own = keel_twin_new(), *older = keel_twin_new(), *empty = keel_twin_new();
    make_world(&w, is_live);
    make_world(&old, is_live);

    begin(&old, older, 0);
    const bool made_old = runs_to(&old, OLD);
    keel_host_free(&old.host);
    begin(&w, own, 0);
    keel_verdict_why(made_old && runs_to(&w, BOOKED) && w.seen.fills > 0, mode, "a new run trades");
    const uint64_t booked = keel_host_done(w.host, "ledger");
    keel_host_free(&w.host);

    keel_verdict_why(stands(&w, empty, 0, booked), mode,
                     "an empty log: nobody trades, the reason is told");
    keel_verdict_why(newest_plan(empty) == 0, mode, "nothing was written into the empty log");
    keel_verdict_why(stands(&w, older, newest_plan(older), booked), mode, "an older log: likewise");

    begin(&w, own, 0);
    keel_verdict_why(runs_to(&w, booked + FURTHER) && books_agree(&w), mode,
                     "with its own log it goes on");
    keel_host_free(&w.host);

    /* Off: the past is ordered once more, or execution goes on holding other than the books say. */
    begin(&w, empty, KEEL_WITHOUT_P10);
    bool harm = false;
    for (int i = 0; i < TURNS_MAX && !harm; i++) {
        keel_host_turn(w.host);
        harm = w.seen.orders > 0 || keel_host_counted(w.host, "ledger", "holdings_differ") > 0;
    }
    keel_verdict_why(harm, mode, "without P10 the empty log is gone on from");
    keel_host_free(&w.host);

    keel_twin_free(&own);
    keel_twin_free(&older);
    keel_twin_free(&empty);
    remove_world(&w);
    remove_world(&old);
}

int main(void)
{
    check_mode("lockstep", false);
    check_mode("live", true);
    return keel_verdicts_end();
}
