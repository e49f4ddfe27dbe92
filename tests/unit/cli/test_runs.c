#include "services/cli/demo_data.h"
#include "services/cli/run_config.h"
#include "services/cli/run_dir.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of its own for each test, where runs are made. */
static char *own_folder(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/kt-XXXXXX");
    cr_assert_not_null(mkdtemp(path));
    setenv("XDG_RUNTIME_DIR", path, 1);
    return path;
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out, "%s", path);
    fputs(text, out);
    fclose(out);
}

static void start_run(const keel_run *run, time_t started)
{
    char path[KEEL_PATH_CAP], text[128];
    const struct timespec when[2] = {{started, 0}, {started, 0}};
    snprintf(text, sizeof text, "run: {id: %s}\n", run->id);
    write_file(keel_run_file(run, "config.yaml", path), text);
    cr_assert_eq(utimensat(AT_FDCWD, path, when, 0), 0);
}

Test(runs, ids_hold_kind_time_and_chance)
{
    char id[KEEL_RUN_ID_CAP];
    keel_run_id("demo", INT64_C(1767323045) * 1000000000 + 999, 0x7f3a, id);
    cr_assert_str_eq(id, "demo-20260102T030405-7f3a");
}

Test(runs, the_one_started_last_is_the_newest)
{
    keel_run up, demo, found;
    keel_err err;
    own_folder();
    cr_assert_eq(keel_run_find(NULL, NULL, &found, &err), KEEL_ENOTFOUND);
    cr_assert_not_null(strstr(err.text, "keel demo"), "says what to do: %s", err.text);
    cr_assert_eq(keel_run_make("up", &up, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_run_make("demo", &demo, &err), KEEL_OK);
    cr_assert_leq(strlen(demo.dir), KEEL_RUN_DIR_MAX);
    start_run(&up, 2000);
    start_run(&demo, 1000);
    cr_assert_eq(keel_run_find(NULL, NULL, &found, &err), KEEL_OK);
    cr_assert_str_eq(found.id, up.id);
    cr_assert_eq(keel_run_find(NULL, "demo", &found, &err), KEEL_OK);
    cr_assert_str_eq(found.id, demo.id);
    cr_assert_eq(keel_run_find(demo.id, NULL, &found, &err), KEEL_OK, "by id");
    cr_assert_str_eq(found.dir, demo.dir);
    cr_assert_eq(keel_run_find(up.dir, NULL, &found, &err), KEEL_OK, "by path");
    cr_assert_str_eq(found.id, up.id);
    cr_assert_eq(keel_run_find("/nowhere/at/all", NULL, &found, &err), KEEL_ENOTFOUND);
}

Test(runs, a_second_holder_is_refused_by_name)
{
    keel_run run, live;
    keel_err err;
    char pid[32];
    int lock, other;
    own_folder();
    cr_assert_eq(keel_run_make("up", &run, &err), KEEL_OK);
    start_run(&run, 1000);
    cr_assert_eq(keel_run_holder(&run), 0);
    cr_assert_eq(keel_run_lock(&run, &lock, &err), KEEL_OK);
    cr_assert_eq(keel_run_holder(&run), getpid());
    cr_assert_eq(keel_run_lock(&run, &other, &err), KEEL_EEXIST);
    snprintf(pid, sizeof pid, "process %d", (int)getpid());
    cr_assert_not_null(strstr(err.text, pid), "%s", err.text);
    cr_assert_not_null(strstr(err.text, run.id), "%s", err.text);
    cr_assert_eq(keel_run_find_live(NULL, &live, &err), KEEL_OK);
    cr_assert_str_eq(live.id, run.id);
    close(lock);
    cr_assert_eq(keel_run_holder(&run), 0);
}

Test(runs, refuses_a_path_too_long_for_sockets)
{
    char path[128];
    keel_run run;
    keel_err err;
    snprintf(path, sizeof path, "%s/%s", own_folder(),
             "a-directory-name-that-is-much-too-long-for-an-ipc-socket");
    cr_assert_eq(keel_run_at(path, &run, &err), KEEL_ETOOBIG);
    cr_assert_not_null(strstr(err.text, "60"), "%s", err.text);
}

Test(runs, settings_are_read_as_the_services_read_them)
{
    keel_run run;
    keel_err err;
    char path[KEEL_PATH_CAP], out[KEEL_PATH_CAP];
    own_folder();
    cr_assert_eq(keel_run_make("up", &run, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_run_setting(&run, "relay.out", "ipc://{run}/door", "relay", out, &err),
                 KEEL_OK);
    cr_assert_str_eq(out + strlen("ipc://"), keel_run_file(&run, "door", path), "no configuration");
    write_file(keel_run_file(&run, "config.yaml", path),
               "run: {endpoint: \"tcp://{service}:7100\"}\nledger: {database: /b/x.sqlite}\n");
    cr_assert_eq(keel_run_setting(&run, "run.endpoint", "-", "risk", out, &err), KEEL_OK);
    cr_assert_str_eq(out, "tcp://risk:7100");
    cr_assert_eq(keel_run_setting(&run, "ledger.database", "-", "ledger", out, &err), KEEL_OK);
    cr_assert_str_eq(out, "/b/x.sqlite");
    cr_assert(keel_run_remove(&run));
}

Test(runs, old_ones_are_cleared_but_not_kept_or_used_ones)
{
    keel_run runs[5];
    keel_err err;
    char path[KEEL_PATH_CAP];
    int lock;
    own_folder();
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(keel_run_make("demo", &runs[i], &err), KEEL_OK);
        start_run(&runs[i], 1000 + i);
    }
    write_file(keel_run_file(&runs[0], "keep", path), "");
    cr_assert_eq(keel_run_lock(&runs[1], &lock, &err), KEEL_OK);
    cr_assert_eq(keel_runs_clear("demo", 1), 2);
    static const bool stays[] = {true, true, false, false, true};
    for (int i = 0; i < 5; i++)
        cr_assert_eq(access(runs[i].dir, F_OK) == 0, stays[i], "run %d", i);
    close(lock);
}

Test(run_config, lays_the_local_file_and_settings_over_the_base)
{
    char base[128], local[128], out[128];
    keel_err err;
    const char *dir = own_folder();
    snprintf(base, sizeof base, "%s/keel.yaml", dir);
    snprintf(local, sizeof local, "%s/keel.local.yaml", dir);
    snprintf(out, sizeof out, "%s/out.yaml", dir);
    write_file(base, "run: {id: dev, mode: lockstep}\nfeed:\n  rows: 5\n  files: [a, b]\n");
    write_file(local, "feed: {rows: 6, deep: {x: 1}}\nother: yes\n");
    keel_run_config *c = keel_run_config_read_local(base, &err);
    cr_assert_not_null(c, "%s", err.text);
    cr_assert_eq(keel_run_config_set(c, "feed.files", "[\"c d\"]", &err), KEEL_OK);
    cr_assert_eq(keel_run_config_set(c, "feed.deep.y", "2", &err), KEEL_OK);
    cr_assert_eq(keel_run_config_set_text(c, "run.id", "up: [1", &err), KEEL_OK);
    cr_assert_eq(keel_run_config_set(c, "new.part.key", "80%", &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_run_config_set(c, "feed.rows.x", "1", &err), KEEL_EFORMAT,
                 "a scalar holds no key");
    cr_assert_eq(keel_run_config_save(c, out, &err), KEEL_OK, "%s", err.text);
    keel_run_config_free(&c);
    c = keel_run_config_read(out, &err);
    cr_assert_not_null(c, "%s", err.text);
    static const char *const want[][2] = {
        {"run.id", "up: [1"},    {"run.mode", "lockstep"}, {"feed.rows", "6"},
        {"feed.deep.x", "1"},    {"feed.deep.y", "2"},     {"other", "yes"},
        {"new.part.key", "80%"},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const char *got = keel_run_config_get(c, want[i][0]);
        cr_assert(got != NULL && strcmp(got, want[i][1]) == 0, "%s: %s", want[i][0],
                  got != NULL ? got : "(none)");
    }
    cr_assert_null(keel_run_config_get(c, "feed.files"), "a list is no scalar");
    cr_assert_null(keel_run_config_get(c, "feed.nothing"));
    keel_run_config_free(&c);
}

Test(run_config, refuses_with_the_place)
{
    char path[128];
    keel_err err;
    snprintf(path, sizeof path, "%s/bad.yaml", own_folder());
    write_file(path, "run:\n  id: [1\n");
    cr_assert_null(keel_run_config_read(path, &err));
    cr_assert_not_null(strstr(err.text, "bad.yaml:3:1"), "%s", err.text);
    write_file(path, "- 1\n");
    cr_assert_null(keel_run_config_read(path, &err));
    cr_assert_not_null(strstr(err.text, "map"), "%s", err.text);
    write_file(path, "");
    cr_assert_null(keel_run_config_read(path, &err));
    cr_assert_null(keel_run_config_read("/nowhere.yaml", &err));
    cr_assert_eq(err.status, KEEL_EIO);
}

Test(demo_data, an_inspection_becomes_a_universe)
{
    char path[128];
    keel_err err;
    snprintf(path, sizeof path, "%s/c.yaml", own_folder());
    write_file(path, "universe: {bar: 1h, instruments: [{symbol: X}]}\n");
    keel_run_config *c = keel_run_config_read(path, &err);
    cr_assert_eq(
        keel_demo_use_inspection(
            "{\"bar\":\"1d\",\"rows\":5,\"instruments\":[{\"symbol\":\"BRK.B\",\"missing\":"
            "3,\"price_exp\":2,\"sector\":\"\",\"session\":\"weekdays\"}]}",
            c, &err),
        KEEL_OK, "%s", err.text);
    cr_assert_str_eq(keel_run_config_get(c, "universe.bar"), "1d");
    cr_assert_str_eq(keel_run_config_get(c, "feed.source"), "csv");
    cr_assert_eq(keel_run_config_save(c, path, &err), KEEL_OK);
    keel_run_config_free(&c);
    char text[512] = "";
    FILE *in = fopen(path, "r");
    cr_assert_gt(fread(text, 1, sizeof text - 1, in), 0);
    fclose(in);
    cr_assert_not_null(strstr(text, "BRK.B"), "%s", text);
    cr_assert_null(strstr(text, "missing"), "what is no setting stays out: %s", text);
    cr_assert_null(strstr(text, "sector"), "an empty sector stays out: %s", text);
    static const char *const bad[] = {"", "[]", "{\"bar\":\"1h\",\"instruments\":[]}",
                                      "{\"instruments\":[{\"symbol\":\"A\"}]}"};
    c = keel_run_config_read(path, &err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(keel_demo_use_inspection(bad[i], c, &err), KEEL_EFORMAT, "%s", bad[i]);
    keel_run_config_free(&c);
}
