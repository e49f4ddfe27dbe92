#include "services/cli/beats.h"
#include "services/cli/door.h"
#include "services/cli/format.h"
#include "services/cli/strategies.h"
#include "services/cli/tables.h"
#include "services/cli/verbs.h"

#include "common/base/timefmt.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* One line of the table. */
typedef struct row {
    keel_process process;
    char state[24];
    bool healthy;
    bool supervised; /* by keel on this machine; else only its heartbeat is known */
    bool has_beat;
    uint64_t step;
    const char *awaited; /* "" = nobody */
    const char *why;
} row;

static int service_index(const char *name)
{
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        if (strcmp(keel_service_at(i), name) == 0)
            return i;
    return -1;
}

static void set_state(row *r, bool healthy, const char *state, const char *why)
{
    r->healthy = healthy;
    snprintf(r->state, sizeof r->state, "%s", state);
    if (why != NULL)
        r->why = why;
}

static void judge_store(row *r, const keel_run *run)
{
    char path[KEEL_PATH_CAP];
    const bool is_log = strcmp(r->process.name, "redis-log") == 0;
    keel_run_file(run, is_log ? "log.sock" : "cache.sock", path);
    if (keel_store_answers(path, 300))
        set_state(r, true, "RUNNING", NULL);
    else
        set_state(r, false, "SILENT", "does not answer PING");
}

static void judge_service(row *r, const keel_beats *beats, bool door_open)
{
    const int at = service_index(r->process.name);
    const keel_heartbeat *beat = at >= 0 ? &beats->beat[at] : NULL;
    if (!door_open) {
        set_state(r, false, "UNREACHABLE", "the door does not answer");
        return;
    }
    if (at < 0 || keel_beats_silent(beats, at, keel_monotonic_ns()) || beats->heard_ns[at] == 0) {
        set_state(r, false, "SILENT", "no heartbeat for a second");
        return;
    }
    r->has_beat = at > 0; /* the relay takes part in no step */
    r->step = beat->step_done;
    r->awaited = beat->awaited;
    set_state(r, beat->state != KEEL_STATE_FAILED, keel_service_state_name(beat->state), beat->why);
}

static void judge(row *r, const keel_run *run, const keel_beats *beats, bool door_open)
{
    const bool is_strategy = keel_strategy_is_process(r->process.name);
    r->awaited = "";
    r->why = "";
    if (is_strategy && strcmp(r->process.state, "ended") == 0)
        set_state(r, true, "ENDED", "has nothing more to do"); /* the end of the rows */
    else if (r->supervised && strcmp(r->process.state, "running") != 0)
        set_state(r, false, strcmp(r->process.state, "ended") == 0 ? "ENDED" : "FAILED",
                  "not running any more; see 'keel logs'");
    else if (r->process.stopped)
        set_state(r, false, "STOPPED", "the process is stopped (SIGSTOP)");
    else if (is_strategy) /* a client: it sends no heartbeat; see keel strategy ls */
        set_state(r, true, "RUNNING", NULL);
    else if (strncmp(r->process.name, "redis-", 6) == 0)
        judge_store(r, run);
    else
        judge_service(r, beats, door_open);
}

static void print_json(const keel_cli *cli, const row *r)
{
    json_t *o = json_pack("{s:s,s:s,s:b,s:i,s:s,s:s}", "process", r->process.name, "state",
                          r->state, "healthy", r->healthy, "pid", (int)r->process.pid, "awaited",
                          r->awaited, "why", r->why);
    if (r->supervised) {
        json_object_set_new(o, "restarts", json_integer(r->process.restarts));
        json_object_set_new(o, "memory_bytes", json_integer((json_int_t)r->process.memory_bytes));
    }
    if (r->has_beat)
        json_object_set_new(o, "step", json_integer((json_int_t)r->step));
    json_dumpf(o, cli->out, JSON_COMPACT);
    fputc('\n', cli->out);
    json_decref(o);
}

/* What only the supervisor knows. */
static void cell_supervised(keel_table *t, const row *r)
{
    char text[KEEL_FORMAT_MAX];
    if (!r->supervised) {
        keel_table_cell(t, KEEL_INK_DIM, "-");
        keel_table_cell(t, KEEL_INK_DIM, "-");
        return;
    }
    keel_table_cell(t, r->process.restarts > 0 ? KEEL_INK_YELLOW : KEEL_INK_PLAIN, "%d",
                    r->process.restarts);
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_bytes_text(r->process.memory_bytes, text));
}

static void print_table(const keel_cli *cli, const row *rows, int n)
{
    keel_table *t = keel_table_new("process|>pid|state|>step|>restarts|>memory|awaits|why");
    for (int i = 0; i < n; i++) {
        const row *r = &rows[i];
        const bool warn = strcmp(r->state, "RUNNING") != 0;
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", r->process.name);
        keel_table_cell(t, KEEL_INK_DIM, "%d", (int)r->process.pid);
        keel_table_cell(t,
                        !r->healthy ? KEEL_INK_RED
                        : warn      ? KEEL_INK_YELLOW
                                    : KEEL_INK_GREEN,
                        "%s", r->state);
        if (r->has_beat)
            keel_table_cell(t, KEEL_INK_PLAIN, "%" PRIu64, r->step);
        else
            keel_table_cell(t, KEEL_INK_DIM, "-");
        cell_supervised(t, r);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", r->awaited);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", r->why);
    }
    keel_table_print(t, cli);
    keel_table_free(&t);
}

/* Name the process that everyone waits for, on stderr. A stopped store or relay is behind the
 * rest. */
static void tell_awaited(const keel_cli *cli, const row *rows, int n, const keel_beats *beats)
{
    for (int i = 0; i < n; i++) {
        if (!rows[i].healthy &&
            (strncmp(rows[i].process.name, "redis-", 6) == 0 || rows[i].process.stopped)) {
            fprintf(cli->err, "keel: everyone waits for %s: %s\n", rows[i].process.name,
                    rows[i].why);
            return;
        }
    }
    char name[KEEL_BEATS_NAME_MAX];
    const int at = keel_beats_awaited(beats, keel_monotonic_ns());
    if (at >= 0)
        fprintf(cli->err, "keel: everyone waits for %s%s\n", keel_beats_name(beats, at, name),
                keel_beats_silent(beats, at, keel_monotonic_ns()) ? ": no heartbeat for a second"
                                                                  : "");
}

/* The processes that keel supervises; without any, as in a cluster, the services by name. */
static int list_rows(const keel_run *run, const keel_beats *beats, row rows[KEEL_CHILDREN_MAX])
{
    keel_process processes[KEEL_CHILDREN_MAX];
    const int n = keel_processes_read(run, processes, KEEL_CHILDREN_MAX);
    for (int i = 0; i < n; i++)
        rows[i] = (row){.process = processes[i], .supervised = true};
    for (int i = 0; i < KEEL_SERVICES_N && n == 0; i++) {
        rows[i] = (row){.process.pid = (pid_t)beats->beat[i].pid};
        snprintf(rows[i].process.name, sizeof rows[i].process.name, "%s", keel_service_at(i));
    }
    return n > 0 ? n : KEEL_SERVICES_N;
}

static int show(const keel_run *run, bool door_open, const keel_beats *beats, bool json,
                const keel_cli *cli)
{
    row rows[KEEL_CHILDREN_MAX] = {0};
    const int n = list_rows(run, beats, rows);
    int healthy = 0;
    for (int i = 0; i < n; i++) {
        judge(&rows[i], run, beats, door_open);
        healthy += rows[i].healthy;
        if (json)
            print_json(cli, &rows[i]);
    }
    if (!json) {
        fprintf(cli->out, "run %s in %s\n\n", run->id, run->dir);
        print_table(cli, rows, n);
    }
    if (door_open)
        tell_awaited(cli, rows, n, beats);
    return healthy == n ? KEEL_EXIT_OK : KEEL_EXIT_FAILED;
}

int keel_verb_status(const keel_args *args, const keel_cli *cli)
{
    keel_run run;
    keel_err err;
    if (keel_run_find_live(keel_args_text(args, "run"), &run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    keel_client *client = keel_door_open(&run, 700, &err);
    const bool door_open =
        client != NULL && keel_door_read(client, KEEL_TOPIC_HEARTBEAT) == KEEL_OK;
    keel_beats *beats = keel_beats_new();
    if (door_open)
        keel_beats_listen(beats, client);
    int code = KEEL_EXIT_OK;
    if (door_open || keel_run_holder(&run) != 0)
        code = show(&run, door_open, beats, keel_args_on(args, "json"), cli);
    if (!door_open)
        code = keel_cli_fail(cli, &err);
    keel_client_close(&client);
    keel_free(&beats);
    return code;
}
