/* Memory stays bounded: the whole system in one process, thousands of steps, and its resident set
 * no larger at the end than after the warm-up, when rings and windows are full.
 *
 * 3,000 steps, 100,000 with KEEL_LONG=1. Plain main: ends with "N passed, N failed". */
#include "services/backtest/apps.h"
#include "tests/support/verdict.h"
#include "tests/support/world/world.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct size {
    uint64_t steps;
    uint64_t warm; /* steps after which nothing may grow */
    int ring_steps;
} size;

static const size small = {3000, 1500, 256}, large = {100000, 20000, 0}; /* 0: as in production */

enum { GROWTH_MAX = 1 << 20 };

typedef struct memory {
    long resident;
    long taken; /* from malloc */
} memory;

static memory memory_now(void)
{
    long pages = 0, resident = 0;
    malloc_trim(0);
    FILE *in = fopen("/proc/self/statm", "r");
    if (in == NULL || fscanf(in, "%ld %ld", &pages, &resident) != 2)
        abort();
    fclose(in);
    const struct mallinfo2 info = mallinfo2();
    return (memory){resident * sysconf(_SC_PAGESIZE), (long)(info.uordblks + info.hblkhd)};
}

static uint64_t fills;

static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    (void)arg, (void)service, (void)frame, (void)len;
    fills += strncmp(topic, "v1.fill.", strlen("v1.fill.")) == 0;
}

static void show(const char *when, uint64_t step, memory m)
{
    printf("  %-12s step %8llu  resident %6.2f MiB, from malloc %6.2f MiB\n", when,
           (unsigned long long)step, (double)m.resident / (1 << 20), (double)m.taken / (1 << 20));
    fflush(stdout);
}

static void soak(keel_host *host, const size *of)
{
    memory warm = {0};
    bool ended = false;
    while (!ended) {
        ended = keel_host_run(host, 1) == KEEL_EEND;
        if (warm.resident == 0 && keel_host_done(host, "ledger") >= of->warm) {
            warm = memory_now();
            show("warmed up", keel_host_done(host, "ledger"), warm);
        }
    }
    const memory last = memory_now();
    show("at the end", keel_host_done(host, "ledger"), last);
    keel_verdict(keel_host_done(host, "ledger") >= of->steps, "every step was closed");
    keel_verdict(fills > of->steps / 10, "it traded all the way");
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed, and shadows it */
    keel_verdict(last.resident - warm.resident < GROWTH_MAX,
                 "the resident set grew by less than 1 MiB");
#endif
    keel_verdict(last.taken - warm.taken < GROWTH_MAX,
                 "what malloc handed out grew by less than 1 MiB");
}

int main(void)
{
    const size *of = getenv("KEEL_LONG") != NULL ? &large : &small;
    char dir[] = "/tmp/keel-soak-XXXXXX", path[64], command[64];
    keel_run run;
    keel_err err = {0};
    if (mkdtemp(dir) == NULL)
        abort();
    keel_world_config(dir, (int)of->steps, "");
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    if (!keel_run_load(path, 0, NULL, &run))
        abort();
    const keel_host_cfg cfg = {.specs = keel_apps,
                               .specs_n = keel_apps_n,
                               .config = run.config,
                               .settings = &run.settings,
                               .universe = run.universe,
                               .tap = tap,
                               .epoch_ns = 1,
                               .busy_tick_ns = 5 * INT64_C(1000000), /* so that hearts beat */
                               .ring_steps = of->ring_steps};
    keel_host *host = keel_host_new(&cfg, &err);
    if (host == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    soak(host, of);
    keel_host_free(&host);
    keel_run_free(&run);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    keel_verdict(system(command) == 0, "its files are gone");
    return keel_verdicts_end();
}
