/* In lockstep waiting is the flow control: SIGSTOP of any one process of the line stops all
 * steps, and within 2 s the others' heartbeats name it. A stopped log does too, and is named as
 * such. Plain main: ends with "N passed, N failed". */
#include "tests/support/verdict.h"
#include "tests/support/world/cluster.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 100000, NAMED_MS = 2000 };

static bool somebody_awaits(const keel_cluster *c, const char *name)
{
    const size_t len = strlen(name);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        if (strncmp(c->beats[i].awaited, name, len) == 0 && c->beats[i].awaited[len] == ' ')
            return true;
    return false;
}

static bool somebody_says(const keel_cluster *c, const char *text)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        if (strstr(c->beats[i].why, text) != NULL)
            return true;
    return false;
}

static uint64_t furthest(const keel_cluster *c)
{
    uint64_t most = 0;
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        most = c->beats[i].step_done > most ? c->beats[i].step_done : most;
    return most;
}

static void stop_one(keel_cluster *c, int i)
{
    const char *name = keel_cluster_name(i);
    int64_t named_ms = -1;
    keel_cluster_signal(c, i, SIGSTOP);
    const int64_t start = keel_test_mono_ms();
    keel_cluster_watch(c, 500);
    const uint64_t then = furthest(c);
    while (named_ms < 0 && keel_test_mono_ms() - start < NAMED_MS + 1000) {
        keel_cluster_watch(c, 20);
        if (i < KEEL_CLUSTER_SERVICES ? somebody_awaits(c, name) : somebody_says(c, name))
            named_ms = keel_test_mono_ms() - start;
    }
    keel_verdict_why(furthest(c) == then, name, "all steps stand still");
    printf("  named after %lld ms\n", (long long)named_ms);
    keel_verdict_why(named_ms >= 0 && named_ms <= NAMED_MS, name, "it is named within 2 s");
    keel_cluster_signal(c, i, SIGCONT);
    keel_cluster_watch(c, 700);
    keel_verdict_why(furthest(c) > then, name, "steps go on when it does");
}

int main(void)
{
    keel_cluster c;
    keel_cluster_start(&c, ROWS, "", false);
    while (!keel_cluster_watch(&c, 20) && keel_cluster_step(&c) < 50) {
    }
    for (int i = 0; i <= KEEL_CLUSTER_LOG; i++)
        stop_one(&c, i);
    keel_cluster_down(&c);
    keel_cluster_remove(&c);
    return keel_verdicts_end();
}
