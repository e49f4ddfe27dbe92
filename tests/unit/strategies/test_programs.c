/* The three programs as processes, against a run in a thread: lockstep from row 1, restart, exit
 * codes. SR06, P8. */
#include "tests/support/door/door.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20000, STEPS = 600 };

static door *run;
static door_receipt first[4096], again[4096];

static void stop(void)
{
    if (run != NULL)
        door_stop(&run);
}

TestSuite(programs, .fini = stop, .timeout = 120);

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waves of different length, so that every rule finds something. */
static double waves(int i, uint64_t step)
{
    const double t = (double)step;
    return 100.0 * exp(0.2 * sin(t / (40.0 + 15.0 * i)) +
                       0.004 * (double)((step * 7 + (uint64_t)i) % 5) + 0.03 * sin(t / 7.0 + i));
}

static pid_t spawn(const char *rule, const char *const *more)
{
    char program[512];
    const char *argv[16] = {program, "--run", door_dir(run)};
    int n = 3;
    snprintf(program, sizeof program, "%s/keel-strategy-%s", getenv("KEEL_BIN_DIR"), rule);
    for (; more != NULL && *more != NULL; more++)
        argv[n++] = *more;
    const pid_t child = fork();
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execv(program, (char *const *)argv);
        _exit(127);
    }
    cr_assert_gt(child, 0);
    return child;
}

static int end(pid_t child, int signal_number)
{
    int status;
    if (signal_number != 0)
        kill(child, signal_number);
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void await_closed(uint64_t step)
{
    const int64_t until = mono_ms() + WAIT_MS;
    while (door_count(run).closed < step) {
        cr_assert_lt(mono_ms(), until, "stands at step %llu",
                     (unsigned long long)door_count(run).closed);
        usleep(2000);
    }
}

/* The run may be over before a program that starts again has come so far as to look for signals to
 * end: one that has said hello does. */
static pid_t spawn_known(const char *rule)
{
    const uint64_t before = door_count(run).hellos;
    const int64_t until = mono_ms() + WAIT_MS;
    const pid_t child = spawn(rule, NULL);
    while (door_count(run).hellos == before) {
        cr_assert_lt(mono_ms(), until, "nobody said hello");
        usleep(2000);
    }
    return child;
}

static void start(bool lockstep, const char *rule)
{
    const door_cfg cfg = {.lockstep = lockstep,
                          .rows = lockstep ? 1 : 300,
                          .rows_max = STEPS,
                          .expects = rule,
                          .price = waves};
    run = door_start(&cfg);
    door_key(run, rule);
}

static bool same_signal(const keel_signal *a, const keel_signal *b)
{
    return strcmp(a->signal_id, b->signal_id) == 0 && strcmp(a->symbol, b->symbol) == 0 &&
           a->side == b->side && a->entry == b->entry && a->stop == b->stop &&
           a->target == b->target && a->confidence_frac == b->confidence_frac &&
           a->row_step == b->row_step;
}

/* One run undisturbed and one with a program killed three times: the same accepted signals. */
static void check_lockstep(const char *rule)
{
    start(true, rule);
    pid_t child = spawn(rule, NULL);
    await_closed(STEPS);
    cr_assert_eq(end(child, SIGTERM), 0);
    const int n = door_receipts(run, first, 4096);
    int sides[4] = {0};
    for (int i = 0; i < n; i++) {
        cr_assert(first[i].accepted);
        cr_assert_eq(first[i].decided_step, first[i].signal.row_step);
        sides[first[i].signal.side]++;
    }
    cr_assert(sides[KEEL_SIDE_LONG] > 0 && sides[KEEL_SIDE_SHORT] > 0 && sides[KEEL_SIDE_FLAT] > 0,
              "%s: %d long, %d short, %d flat", rule, sides[1], sides[2], sides[3]);
    door_stop(&run);
    start(true, rule);
    for (uint64_t step = 150; step <= 450; step += 150) {
        child = spawn(rule, NULL);
        await_closed(step);
        cr_assert_eq(end(child, SIGKILL), 128 + SIGKILL);
    }
    child = spawn_known(rule);
    await_closed(STEPS);
    cr_assert_eq(end(child, SIGTERM), 0);
    const int m = door_receipts(run, again, 4096);
    int k = 0;
    for (int i = 0; i < m; i++) {
        if (!again[i].accepted)
            continue;
        cr_assert_lt(k, n);
        cr_assert(same_signal(&first[k].signal, &again[i].signal), "%s: %s is not %s", rule,
                  again[i].signal.signal_id, first[k].signal.signal_id);
        k++;
    }
    cr_assert_eq(k, n);
}

Test(programs, momentum_says_the_same_after_kills)
{
    check_lockstep("momentum");
}

Test(programs, meanreversion_says_the_same_after_kills)
{
    check_lockstep("meanreversion");
}

Test(programs, breakout_says_the_same_after_kills)
{
    check_lockstep("breakout");
}

Test(programs, live_warms_up_on_history_and_speaks_only_of_new_rows)
{
    start(false, "momentum");
    const pid_t child = spawn("momentum", NULL);
    const int64_t until = mono_ms() + WAIT_MS;
    while (door_receipts(run, first, 4096) < 3) {
        cr_assert_lt(mono_ms(), until);
        door_publish_rows(run, 1);
        usleep(5000);
    }
    cr_assert_gt(first[0].signal.row_step, 299);
    cr_assert_eq(end(child, SIGINT), 0);
}

Test(programs, trade_the_assets_they_are_told)
{
    static const char *const one[] = {"--assets", "BBB-SIM", NULL};
    static const char *const none[] = {"--assets", "BBB-SIM,NOPE", NULL};
    start(true, "breakout");
    pid_t child = spawn("breakout", one);
    await_closed(STEPS);
    cr_assert_eq(end(child, SIGTERM), 0);
    const int n = door_receipts(run, first, 4096);
    cr_assert_gt(n, 0);
    for (int i = 0; i < n; i++)
        cr_assert_str_eq(first[i].signal.symbol, "BBB-SIM");
    child = spawn("breakout", none);
    cr_assert_eq(end(child, 0), 2, "a symbol that is not there");
}

Test(programs, exit_codes_say_what_was_wrong)
{
    static const char *const bad[] = {"--lookback", "one", NULL};
    static const char *const odd[] = {"--exit", "9", NULL};
    static const char *const unknown[] = {"--colour", "red", NULL};
    static const char *const nowhere[] = {"--door-in", "ipc:///tmp/keel-nobody.sock", "--wait",
                                          "200", NULL};
    static const char *const help[] = {"--help", NULL};
    start(true, "momentum");
    cr_assert_eq(end(spawn("momentum", bad), 0), 2);
    cr_assert_eq(end(spawn("momentum", odd), 0), 2);
    cr_assert_eq(end(spawn("momentum", unknown), 0), 2);
    cr_assert_eq(end(spawn("momentum", help), 0), 0);
    cr_assert_eq(end(spawn("momentum", nowhere), 0), 4);
    door_knobs knobs = door_get(run);
    knobs.refusal = KEEL_REASON_UNKNOWN_STRATEGY;
    door_set(run, &knobs);
    cr_assert_eq(end(spawn("momentum", NULL), 0), 5, "not configured");
    knobs.refusal = KEEL_REASON_UNSPECIFIED;
    door_set(run, &knobs);
    const pid_t older = spawn("momentum", NULL);
    await_closed(50);
    const pid_t newer = spawn("momentum", NULL);
    cr_assert_eq(end(older, 0), 5, "superseded");
    await_closed(STEPS);
    cr_assert_eq(end(newer, SIGTERM), 0);
}
