/* The real processes, each killed once in a lockstep run, reach the last row, end within 5 s of
 * SIGTERM, and none of them leaves a report of a sanitizer or of a failed assertion in its log:
 * in the asan preset that is every access, conversion and leak of every service.
 *
 * 300 rows. Plain main: ends with "N passed, N failed". */
#include "tests/support/verdict.h"
#include "tests/support/world/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 300, LOOKS_MAX = 900, LOOK_MS = 100, KILL_EVERY = 12 };

static bool is_report(const char *line)
{
    static const char *const marks[] = {"runtime error:", "Sanitizer", "keel: bug:"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strstr(line, marks[i]) != NULL)
            return true;
    return false;
}

/* Lines of a service's log that report a bug; all are shown. */
static int reports_of(const keel_cluster *c, int i)
{
    char path[128], line[4096];
    int n = 0;
    snprintf(path, sizeof path, "%s/%s.log", c->dir, keel_cluster_name(i));
    FILE *in = fopen(path, "r");
    if (in == NULL)
        abort();
    while (fgets(line, sizeof line, in) != NULL) {
        n += is_report(line);
        if (n > 0)
            printf("  %s: %s", keel_cluster_name(i), line);
    }
    fclose(in);
    return n;
}

int main(void)
{
    static keel_cluster c;
    bool done = false;
    int killed = 0, reports = 0;
    keel_cluster_start(&c, ROWS, "", false);
    for (int i = 1; i <= LOOKS_MAX && !done; i++) {
        done = keel_cluster_watch(&c, LOOK_MS) && killed == KEEL_CLUSTER_SERVICES;
        if (i % KILL_EVERY == 0 && killed < KEEL_CLUSTER_SERVICES) {
            keel_cluster_kill(&c, killed);
            keel_cluster_start_one(&c, killed++);
        }
    }
    keel_verdict(killed == KEEL_CLUSTER_SERVICES, "every service was killed once");
    keel_verdict(done, "all of them closed the last row");
    const int64_t asked_ms = keel_test_mono_ms();
    keel_cluster_down(&c);
    keel_verdict(keel_test_mono_ms() - asked_ms < 5000, "they ended when they were told");
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        reports += reports_of(&c, i);
    keel_verdict(reports == 0, "no log holds a report");
    if (!keel_verdicts_failed())
        keel_cluster_remove(&c);
    else
        printf("  see %s\n", c.dir);
    return keel_verdicts_end();
}
