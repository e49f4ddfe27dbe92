/* Live mode on real processes: under kills and stops it stays alive (every window of 10 s with 3 s
 * free of faults closes steps), and ends with books that their fills explain, to the last unit.
 *
 * KEEL_LONG=1: ten minutes. Plain main: ends with "N passed, N failed". */
#include "common/base/rng.h"
#include "services/cli/ledger_check.h"
#include "tests/support/verdict.h"
#include "tests/support/world/cluster.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { WINDOW_MS = 10000, FREE_MS = 3500, PACE_MS = 20 };

static void strike(keel_cluster *c, keel_rng *rng)
{
    const int i = (int)keel_rng_below(rng, KEEL_CLUSTER_ALL);
    if (keel_rng_below(rng, 3) == 0) {
        keel_cluster_signal(c, i, SIGSTOP);
        keel_cluster_watch(c, 50 + (int)keel_rng_below(rng, 700));
        keel_cluster_signal(c, i, SIGCONT);
        return;
    }
    keel_cluster_kill(c, i);
    keel_cluster_watch(c, (int)keel_rng_below(rng, 300));
    keel_cluster_start_one(c, i);
}

static uint64_t ledger_step(const keel_cluster *c)
{
    return c->beats[2].step_done;
}

int main(void)
{
    keel_cluster c;
    char path[128];
    const int windows = getenv("KEEL_LONG") != NULL ? 60 : 3;
    keel_rng rng = keel_rng_seeded(11);
    int strikes = 0, alive = 0;
    keel_cluster_prepare(&c, false);
    keel_world_config(c.dir, 1000000, "");
    keel_cluster_override(&c, "run.mode", "live");
    keel_cluster_override(&c, "run.pace", "20ms");
    keel_cluster_up(&c);
    keel_cluster_watch(&c, 2000);
    keel_verdict(ledger_step(&c) > 20, "steps close by the clock");
    for (int w = 0; w < windows; w++) {
        const int64_t start = keel_test_mono_ms();
        while (keel_test_mono_ms() - start < WINDOW_MS - FREE_MS) {
            strike(&c, &rng);
            strikes++;
            (void)keel_cluster_revive(&c);
            keel_cluster_watch(&c, 100 + (int)keel_rng_below(&rng, 300));
        }
        const uint64_t before = ledger_step(&c);
        keel_cluster_watch(&c, FREE_MS);
        printf("  window %d: the ledger goes from step %llu to %llu\n", w + 1,
               (unsigned long long)before, (unsigned long long)ledger_step(&c));
        alive += ledger_step(&c) > before;
    }
    printf("  %d strikes, %llu services died by themselves\n", strikes,
           (unsigned long long)c.restarts);
    keel_verdict(alive == windows, "every window with fault-free seconds closes steps");
    keel_verdict(c.restarts == 0, "nobody died by himself");
    keel_cluster_down(&c);
    snprintf(path, sizeof path, "%s/books.sqlite", c.dir);
    keel_verdict(keel_ledger_check(path, stdout, false) == 0,
                 "the books are explained by their fills");
    keel_cluster_remove(&c);
    return keel_verdicts_end();
}
