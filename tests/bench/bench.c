#include "tests/bench/bench.h"

#include "common/base/timefmt.h"
#include "common/keys/keys.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROWS_ENDLESS = 10000000, RELAY_MS = 5000, LOOK_MS = 20 };

#define STRATEGIES_SHARE 0.4

void bench_add(bench_samples *s, double value)
{
    if (s->n == s->cap) {
        s->cap = s->cap > 0 ? 2 * s->cap : 1024;
        s->values = realloc(s->values, (size_t)s->cap * sizeof *s->values);
        if (s->values == NULL)
            abort();
    }
    s->values[s->n++] = value;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(bench_samples *s, double q)
{
    if (s->n == 0)
        return 0;
    qsort(s->values, (size_t)s->n, sizeof *s->values, by_size);
    const int at = (int)(q * s->n);
    return s->values[at < s->n ? at : s->n - 1];
}

void bench_free(bench_samples *s)
{
    free(s->values);
    *s = (bench_samples){0};
}

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

int64_t bench_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t bench_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

bool bench_is_short(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--short") == 0)
            return true;
    return false;
}

int bench_option(int argc, char **argv, const char *name, int otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return (int)strtol(argv[i + 1], NULL, 10);
    return otherwise;
}

void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* Strategies, and what the books get. */
static void write_books(FILE *f, int strategies)
{
    fprintf(f, "capital: {core: %s", strategies > 0 ? "0.5" : "0.9");
    for (int i = 0; i < strategies; i++)
        fprintf(f, ", s%03d: %.5f", i, STRATEGIES_SHARE / strategies);
    fprintf(f, "}\nstrategies: {");
    for (int i = 0; i < strategies; i++)
        fprintf(f, "%ss%03d: {}", i > 0 ? ", " : "", i);
    fprintf(f, "}\n");
}

/* Windows as in the demo: the estimate needs more rows than assets. No stop ends the run. */
static void write_config(const char *dir, const bench_world *w)
{
    char path[128];
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        bench_die("%s cannot be written", path);
    fprintf(f, "run: {id: bench, dir: %s, mode: %s", dir, w->pace_ms > 0 ? "live" : "lockstep");
    if (w->pace_ms > 0)
        fprintf(f, ", pace: %dms", w->pace_ms);
    fprintf(f, "}\nuniverse:\n  name: main\n  bar: 1h\n  instruments:\n");
    for (int i = 0; i < w->assets; i++)
        fprintf(f, "    - {symbol: A%03d-SIM, sector: S%d, lot: 0.0001}\n", i, i % 10);
    fprintf(f,
            "portfolio: {max_positions: 0, correlation_window: 30, max_drawdown: 99%%,\n"
            "            rebalancing_frequency: %s}\n"
            "risk_manager: {equity_usd: 10000000}\n"
            "feed: {source: simulator, rows: %d, seed: 7, jump_probability: 0}\n"
            "correlation: {rows_min: %d}\n"
            "optimizer: {weight_max: 0.35, drift_threshold: %s}\n"
            "risk: {max_weight: 0.35}\n",
            w->every_row ? "1h" : "daily", w->rows > 0 ? w->rows : ROWS_ENDLESS,
            w->assets < 100 ? 30 : 120, w->every_row ? "0" : "0.05");
    write_books(f, w->strategies);
    fclose(f);
}

void bench_start(keel_cluster *c, const bench_world *w)
{
    *c = (keel_cluster){0};
    snprintf(c->dir, sizeof c->dir, "/tmp/bench-keel-XXXXXX");
    if (mkdtemp(c->dir) == NULL)
        bench_die("no run directory in /tmp");
    write_config(c->dir, w);
    keel_cluster_up(c);
}

void bench_stop(keel_cluster *c)
{
    keel_cluster_down(c);
    keel_cluster_remove(c);
}

double bench_cpu_s(pid_t pid)
{
    char path[64];
    long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user,
                            &system) != 2)
        bench_die("%s cannot be read", path);
    fclose(f);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static pid_t run_relay(const keel_cluster *c)
{
    char program[512], config[128], log[128];
    const char *bin = getenv("KEEL_BIN_DIR");
    snprintf(program, sizeof program, "%s/keel-relay", bin != NULL ? bin : "bin");
    snprintf(config, sizeof config, "%s/config.yaml", c->dir);
    snprintf(log, sizeof log, "%s/relay.log", c->dir);
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (freopen(log, "a", stderr) != NULL)
            execl(program, program, "--config", config, (char *)NULL);
        _exit(127);
    }
    return pid;
}

pid_t bench_relay_start(keel_cluster *c)
{
    char folder[128], door[160];
    keel_err err = {0};
    snprintf(folder, sizeof folder, "%s/keys", c->dir);
    snprintf(door, sizeof door, "%s/door-in.sock", c->dir);
    c->monitor.ops->close(c->monitor.self);
    if (keel_keys_folder(folder, &err) != KEEL_OK ||
        keel_key_add(folder, "bench", true, &err) != KEEL_OK)
        bench_die("%s", err.text);
    const pid_t pid = run_relay(c);
    const int64_t until = keel_test_mono_ms() + RELAY_MS;
    while (access(door, F_OK) != 0) {
        if (keel_test_mono_ms() > until)
            bench_die("the relay opens no door; see %s", c->dir);
        nanosleep(&(struct timespec){0, LOOK_MS * KEEL_NS_PER_MS}, NULL);
    }
    nanosleep(&(struct timespec){1, 0}, NULL); /* services connect to it again */
    return pid;
}

void bench_relay_stop(keel_cluster *c, pid_t relay)
{
    kill(relay, SIGKILL);
    waitpid(relay, NULL, 0);
    keel_cluster_monitor(c);
}

void bench_wait_step(keel_cluster *c, uint64_t step, int seconds)
{
    const int64_t until = keel_test_mono_ms() + 1000 * (int64_t)seconds;
    while (keel_cluster_step(c) < step && !keel_cluster_done(c)) {
        if (keel_test_mono_ms() > until)
            bench_die("step %llu was not reached in %d s; see %s", (unsigned long long)step,
                      seconds, c->dir);
        keel_cluster_watch(c, 5);
        (void)keel_cluster_revive(c);
    }
}
