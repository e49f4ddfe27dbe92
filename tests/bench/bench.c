#include "tests/bench/bench.h"

#include "common/base/timefmt.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS_ENDLESS = 10000000 };

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

void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
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
            "capital: {core: 0.9}\n"
            "risk_manager: {equity_usd: 10000000}\n"
            "feed: {source: simulator, rows: %d, seed: 7, jump_probability: 0}\n"
            "correlation: {rows_min: %d}\n"
            "optimizer: {weight_max: 0.35, drift_threshold: %s}\n"
            "risk: {max_weight: 0.35}\n",
            w->every_row ? "1h" : "daily", w->rows > 0 ? w->rows : ROWS_ENDLESS,
            w->assets < 100 ? 30 : 120, w->every_row ? "0" : "0.05");
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
