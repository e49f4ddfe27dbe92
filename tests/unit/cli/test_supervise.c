#include "services/cli/supervise.h"
#include "services/cli/terminal.h"

#include "common/base/timefmt.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

static char dir[64];

static keel_supervisor *fresh(void)
{
    char processes[96];
    snprintf(dir, sizeof dir, "/tmp/ks-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(processes, sizeof processes, "%s/processes", dir);
    return keel_supervisor_new(dir, processes);
}

static void start_script(keel_supervisor *s, const char *name, int stage, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    keel_err err;
    cr_assert_eq(keel_supervisor_start(s, name, stage, argv, &err), KEEL_OK, "%s", err.text);
}

/* Poll until child i has this state and at least so many restarts. The status of the first poll
 * that refused. */
static keel_status poll_until(keel_supervisor *s, int i, keel_child_state state, int restarts,
                              keel_err *err)
{
    keel_status refused = KEEL_OK;
    const int64_t end = keel_monotonic_ns() + PATIENCE_MS * KEEL_NS_PER_MS;
    for (;;) {
        const keel_status status = keel_supervisor_poll(s, refused == KEEL_OK ? err : NULL);
        refused = refused == KEEL_OK ? status : refused;
        const keel_child *c = keel_supervisor_child(s, i);
        if (c->state == state && c->restarts >= restarts)
            return refused;
        cr_assert_lt(keel_monotonic_ns(), end, "%s: still %s after %d restarts", c->name,
                     keel_child_state_name(c->state), c->restarts);
        keel_pause_ms(2);
    }
}

static void read_file(const char *name, char *text, size_t cap)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *in = fopen(path, "r");
    size_t n = in != NULL ? fread(text, 1, cap - 1, in) : 0;
    text[n] = '\0';
    if (in != NULL)
        fclose(in);
}

Test(supervise, restarts_what_a_signal_killed_and_writes_it_down)
{
    char text[256];
    keel_err err;
    keel_supervisor *s = fresh();
    start_script(s, "sleeper", 1, "exec sleep 60");
    const pid_t first = keel_supervisor_child(s, 0)->pid;
    kill(first, SIGKILL);
    cr_assert_eq(poll_until(s, 0, KEEL_CHILD_RUNNING, 1, &err), KEEL_OK);
    cr_assert_neq(keel_supervisor_child(s, 0)->pid, first);
    read_file("processes", text, sizeof text);
    cr_assert_not_null(strstr(text, " running 1\n"), "%s", text);
    keel_supervisor_free(&s);
    cr_assert_null(s);
}

Test(supervise, gives_up_after_five_restarts_and_shows_the_log)
{
    char tail[512];
    keel_err err = {0};
    keel_supervisor *s = fresh();
    start_script(s, "crasher", 1, "echo line one; echo line two >&2; kill -SEGV $$");
    cr_assert_eq(poll_until(s, 0, KEEL_CHILD_FAILED, KEEL_CHILD_DEATHS_MAX, &err), KEEL_EUNAVAIL);
    cr_assert_eq(keel_supervisor_child(s, 0)->restarts, KEEL_CHILD_DEATHS_MAX);
    cr_assert_not_null(strstr(err.text, "crasher: killed by signal 11"), "%s", err.text);
    cr_assert_eq(keel_supervisor_poll(s, &err), KEEL_OK, "told once");
    FILE *to = fmemopen(tail, sizeof tail, "w");
    keel_log_tail(dir, "crasher", 3, "| ", to);
    fclose(to);
    cr_assert_str_eq(tail, "| line two\n| line one\n| line two\n");
    keel_supervisor_free(&s);
}

Test(supervise, other_exit_codes_are_not_tried_again)
{
    keel_err err;
    keel_supervisor *s = fresh();
    start_script(s, "config", 1, "exit 3");
    start_script(s, "done", 1, "exit 0");
    cr_assert_eq(poll_until(s, 0, KEEL_CHILD_FAILED, 0, &err), KEEL_EUNAVAIL);
    cr_assert_not_null(strstr(err.text, "exit code 3"), "%s", err.text);
    cr_assert_eq(keel_supervisor_child(s, 0)->restarts, 0);
    cr_assert_eq(poll_until(s, 1, KEEL_CHILD_ENDED, 0, &err), KEEL_OK, "0 is an end, no failure");
    keel_supervisor_free(&s);
}

Test(supervise, a_program_that_is_not_there_is_named_in_the_log)
{
    char text[256];
    keel_err err;
    keel_supervisor *s = fresh();
    const char *const argv[] = {"/nowhere/keel-nothing", NULL};
    cr_assert_eq(keel_supervisor_start(s, "nothing", 1, argv, &err), KEEL_OK);
    cr_assert_eq(poll_until(s, 0, KEEL_CHILD_FAILED, 0, &err), KEEL_EUNAVAIL);
    read_file("nothing.log", text, sizeof text);
    cr_assert_not_null(strstr(text, "no such program: /nowhere/keel-nothing"), "%s", text);
    keel_supervisor_free(&s);
}

Test(supervise, stops_services_before_stores)
{
    char text[64] = "";
    keel_supervisor *s = fresh();
    char store[256], service[256];
    snprintf(store, sizeof store,
             "trap 'echo store >>%s/order; exit 0' TERM; echo up; while :; do sleep 0.02; done",
             dir);
    snprintf(service, sizeof service,
             "trap 'sleep 0.1; echo service >>%s/order; exit 0' TERM; echo up; "
             "while :; do sleep 0.02; done",
             dir);
    start_script(s, "store", 0, store);
    start_script(s, "service", 1, service);
    for (int i = 0; i < 500 && text[0] != 'u'; i++) { /* both must have set their traps */
        read_file("service.log", text, sizeof text);
        keel_pause_ms(5);
    }
    text[0] = '\0';
    for (int i = 0; i < 500 && text[0] != 'u'; i++) {
        read_file("store.log", text, sizeof text);
        keel_pause_ms(5);
    }
    cr_assert_eq(keel_supervisor_stop(s), 0, "nobody had to be killed");
    read_file("order", text, sizeof text);
    cr_assert_str_eq(text, "service\nstore\n");
    keel_supervisor_free(&s);
}

Test(supervise, children_have_their_own_group_and_die_with_the_supervisor)
{
    int ends[2];
    pid_t grandchild = 0;
    cr_assert_eq(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        keel_supervisor *s = fresh();
        start_script(s, "orphan", 1, "exec sleep 60");
        const pid_t child = keel_supervisor_child(s, 0)->pid;
        const ssize_t n = write(ends[1], &child, sizeof child);
        kill(getpid(), n > 0 ? SIGKILL : SIGABRT);
    }
    cr_assert_eq(read(ends[0], &grandchild, sizeof grandchild), (ssize_t)sizeof grandchild);
    waitpid(pid, NULL, 0);
    const int64_t end = keel_monotonic_ns() + PATIENCE_MS * KEEL_NS_PER_MS;
    while (kill(grandchild, 0) == 0 && keel_monotonic_ns() < end) {
        char path[64], stat[128] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)grandchild);
        FILE *in = fopen(path, "r");
        if (in == NULL || fgets(stat, sizeof stat, in) == NULL || strstr(stat, ") Z") != NULL)
            grandchild = 0; /* gone, or dead and not yet reaped by init */
        if (in != NULL)
            fclose(in);
        if (grandchild == 0)
            break;
        keel_pause_ms(5);
    }
    cr_assert(grandchild == 0 || kill(grandchild, 0) != 0, "%d is still alive", (int)grandchild);
}
