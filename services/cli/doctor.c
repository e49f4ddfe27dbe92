#include "services/cli/door.h"
#include "services/cli/format.h"
#include "services/cli/run_program.h"
#include "services/cli/system.h"
#include "services/cli/tables.h"
#include "services/cli/verbs.h"

#include "common/base/mem.h"
#include "common/base/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

enum { DETAIL_MAX = 400, SPACE_MB_MIN = 512, FILES_MIN = 1024, REDIS_MAJOR_MIN = 7 };

typedef enum verdict { FINE, CARE, BAD } verdict;

/* What has been found so far. */
typedef struct checkup {
    const keel_cli *cli;
    keel_table *table; /* NULL: JSON */
    int bad;
} checkup;

static void report(checkup *c, verdict v, const char *what, const char *fmt, ...) KEEL_PRINTF(4, 5);

static void report(checkup *c, verdict v, const char *what, const char *fmt, ...)
{
    static const char *const names[] = {"ok", "care", "bad"};
    static const keel_ink inks[] = {KEEL_INK_GREEN, KEEL_INK_YELLOW, KEEL_INK_RED};
    char detail[DETAIL_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    c->bad += v == BAD;
    if (c->table != NULL) {
        keel_table_cell(c->table, inks[v], "%s", names[v]);
        keel_table_cell(c->table, KEEL_INK_PLAIN, "%s", what);
        keel_table_cell(c->table, KEEL_INK_PLAIN, "%s", detail);
        return;
    }
    json_t *row = json_pack("{s:s,s:s,s:s}", "check", what, "verdict", names[v], "detail", detail);
    if (row != NULL)
        json_dumpf(row, c->cli->out, JSON_COMPACT);
    fputc('\n', c->cli->out);
    json_decref(row);
}

static bool is_installed(const char *package)
{
    const char *const words[] = {"dpkg-query", "-W", "-f", "${db:Status-Status}", package, NULL};
    keel_err ignored;
    int code;
    char *text = keel_program_read(words, KEEL_CAPTURE_OUT_QUIET, &code, &ignored);
    const bool yes = text != NULL && code == 0 && strcmp(text, "installed") == 0;
    keel_free(&text);
    return yes;
}

static void check_packages(checkup *c)
{
    char line[160], group[32], package[96], missing[DETAIL_MAX] = "";
    size_t len = 0;
    int n = 0, absent = 0;
    FILE *in = fopen(KEEL_PACKAGES_BUILT, "re");
    if (in == NULL) {
        report(c, CARE, "packages", "%s cannot be read", KEEL_PACKAGES_BUILT);
        return;
    }
    while (fgets(line, sizeof line, in) != NULL) {
        if (line[0] == '#' || sscanf(line, "%31s %95s", group, package) != 2 ||
            strcmp(group, "run") != 0)
            continue;
        n++;
        if (is_installed(package))
            continue;
        absent++;
        keel_text_add(missing, sizeof missing, &len, " %s", package);
    }
    fclose(in);
    if (absent > 0)
        report(c, BAD, "packages", "missing:%s; sudo apt-get install%s", missing, missing);
    else
        report(c, FINE, "packages", "all %d that running needs are installed", n);
}

static void check_redis(checkup *c)
{
    static const char *const words[] = {"redis-server", "--version", NULL};
    keel_err ignored;
    int code, major = 0;
    char *text = keel_program_read(words, KEEL_CAPTURE_OUT_QUIET, &code, &ignored);
    const char *at = text != NULL ? strstr(text, "v=") : NULL;
    if (at != NULL)
        major = (int)strtol(at + 2, NULL, 10); /* 0, too old, when it is no number */
    if (at == NULL)
        report(c, BAD, "redis-server", "not found; sudo apt-get install redis-server");
    else
        report(c, major >= REDIS_MAJOR_MIN ? FINE : BAD, "redis-server",
               "version %.*s, %d or newer is needed", (int)strcspn(at + 2, " "), at + 2,
               REDIS_MAJOR_MIN);
    keel_free(&text);
}

static void check_limits(checkup *c)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    report(c, files.rlim_cur >= FILES_MIN ? FINE : BAD, "open files",
           "limit %llu, %d are needed (ulimit -n)", (unsigned long long)files.rlim_cur, FILES_MIN);
}

static void check_folder(checkup *c)
{
    char folder[KEEL_PATH_CAP], text[KEEL_FORMAT_MAX];
    struct statvfs space;
    keel_err err;
    if (keel_runs_folder(folder, &err) != KEEL_OK) {
        report(c, BAD, "run folder", "%.300s", err.text);
        return;
    }
    report(c, FINE, "run folder", "%s: run directories of %zu bytes, at most %d", folder,
           strlen(folder) + sizeof "/demo-20260102T030405-7f3a" - 1, KEEL_RUN_DIR_MAX);
    if (statvfs(folder, &space) != 0)
        return;
    const uint64_t bytes = (uint64_t)space.f_bavail * space.f_frsize;
    report(c, bytes >= (uint64_t)SPACE_MB_MIN << 20 ? FINE : BAD, "disk space",
           "%s free in %s, %d MB are needed", keel_bytes_text(bytes, text), folder, SPACE_MB_MIN);
}

static void check_config(checkup *c, const char *config)
{
    char program[2 * KEEL_PATH_CAP];
    int refused = 0;
    for (int i = 0; i < KEEL_SERVICES_N; i++) {
        const char *const words[] = {program, "--config", config, "--check-config", NULL};
        keel_err err;
        int code = 0;
        if (keel_program_path(keel_service_at(i), program, &err) != KEEL_OK) {
            report(c, BAD, "programs", "%.300s", err.text);
            return;
        }
        char *text = keel_program_read(words, KEEL_CAPTURE_OUT_QUIET, &code, &err);
        keel_free(&text);
        refused += code != 0;
        if (code != 0)
            report(c, BAD, "configuration",
                   "keel-%s refuses %s; see: %s --config %s --check-config", keel_service_at(i),
                   config, program, config);
    }
    if (refused == 0)
        report(c, FINE, "configuration", "%s is accepted by all %d services", config,
               KEEL_SERVICES_N);
}

static void check_durability(checkup *c, const keel_run *run)
{
    char path[KEEL_PATH_CAP], fsync[64] = "";
    keel_run_file(run, "log.sock", path);
    if (!keel_store_setting(path, "appendfsync", fsync, sizeof fsync))
        report(c, BAD, "durability", "the log server does not answer on %s", path);
    else
        report(c, strcmp(fsync, "always") == 0 ? FINE : BAD, "durability",
               "the log server runs with appendfsync %s", fsync);
}

/* True when a run is supervised and its door does not open. */
static bool check_run(checkup *c, const keel_run *run)
{
    keel_err err;
    keel_client *client = keel_door_open(run, 1500, &err);
    const bool open = client != NULL;
    if (open)
        report(c, FINE, "door", "of run %s answers", run->id);
    else
        report(c, BAD, "door", "%.300s", err.text);
    keel_client_close(&client);
    check_durability(c, run);
    return !open;
}

int keel_verb_doctor(const keel_args *args, const keel_cli *cli)
{
    char config[KEEL_PATH_CAP];
    checkup c = {.cli = cli};
    keel_run run;
    keel_err err;
    bool shut = false;
    if (!keel_args_on(args, "json"))
        c.table = keel_table_new("|check|");
    check_packages(&c);
    check_redis(&c);
    check_limits(&c);
    check_folder(&c);
    const bool live = keel_run_find_live(keel_args_text(args, "run"), &run, &err) == KEEL_OK &&
                      keel_run_holder(&run) != 0;
    if (live)
        keel_run_file(&run, "config.yaml", config);
    if (live || keel_base_config(NULL, config, &err) == KEEL_OK)
        check_config(&c, config);
    else
        report(&c, BAD, "configuration", "%.300s", err.text);
    if (live)
        shut = check_run(&c, &run);
    else
        report(&c, FINE, "door", "nothing runs; 'keel up' or 'keel demo' starts");
    if (c.table != NULL)
        keel_table_print(c.table, cli);
    keel_table_free(&c.table);
    if (shut)
        return KEEL_EXIT_UNREACHABLE;
    return c.bad > 0 ? KEEL_EXIT_FAILED : KEEL_EXIT_OK;
}
