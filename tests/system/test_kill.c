/* P1, P2, R1, R3, S2, S4 on real processes: kill -9 and SIGSTOP of every process, Redis included,
 * during a lockstep run; the books end as those of an undisturbed run, to the last unit, and so
 * does every payload of every state and record.
 *
 * Deaths are placed at four stages of each service (test builds can be told where to die) and
 * counted from what really happened. KEEL_LONG=1: many more. Plain main: ends with "N passed, N
 * failed". */
#include "common/base/rng.h"
#include "tests/support/verdict.h"
#include "tests/support/world/cluster.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { ROWS = 1500, STAGES = 4, OTHER_DOWN_MIN = 15, STRIKES_MIN = 60, STOP_MS_MAX = 3000 };

static const char *const stage_names[STAGES] = {"before the record", "between record and publish",
                                                "between publish and StepEnd", "during a restart"};

typedef struct tally {
    int hits[KEEL_CLUSTER_SERVICES][STAGES];
    int redis[2];
    int stops[KEEL_CLUSTER_ALL];
    int strikes;
    int other_down; /* deaths while another process was down */
} tally;

/* Wait for a death that was armed; false when the run ended, or it did not come, first. */
static bool wait_death(keel_cluster *c, int i, int ms)
{
    const int64_t until = keel_test_mono_ms() + ms;
    while (keel_test_mono_ms() < until && !keel_cluster_done(c)) {
        if (waitpid(c->pids[i], NULL, WNOHANG) == c->pids[i]) {
            c->pids[i] = 0;
            c->beats[i] = (keel_cluster_beat){0};
            return true;
        }
        keel_cluster_watch(c, 2);
    }
    return false;
}

/* Service i dies at the stage; true when it did. It is left down. */
static bool die_at(keel_cluster *c, int i, int stage, int passes)
{
    if (stage + 1 == KEEL_STAGE_RECOVERING) {
        keel_cluster_kill(c, i);
        keel_cluster_arm(c, i, KEEL_STAGE_RECOVERING, 1);
        keel_cluster_start_one(c, i);
        return wait_death(c, i, 4000);
    }
    keel_cluster_arm(c, i, (keel_stage)(stage + 1), passes);
    if (wait_death(c, i, 4000))
        return true;
    keel_cluster_arm(c, i, 0, 0);
    return false;
}

/* With another process down the steps soon stand still and the stage may not come: then plain
 * kill. */
static void strike_beside(keel_cluster *c, keel_rng *rng, tally *t, int i, int stage)
{
    const int other =
        (i + 1 + (int)keel_rng_below(rng, KEEL_CLUSTER_SERVICES - 1)) % KEEL_CLUSTER_SERVICES;
    keel_cluster_kill(c, other);
    if (stage + 1 == KEEL_STAGE_RECOVERING && die_at(c, i, stage, 1))
        t->hits[i][stage]++;
    else
        keel_cluster_kill(c, i);
    t->other_down++;
    t->strikes += 2;
    keel_cluster_start_one(c, other);
    keel_cluster_start_one(c, i);
}

static void strike_service(keel_cluster *c, keel_rng *rng, tally *t, int i, int stage)
{
    if (keel_rng_below(rng, 3) == 0)
        strike_beside(c, rng, t, i, stage);
    if (!die_at(c, i, stage, 1 + (int)keel_rng_below(rng, 30)))
        return;
    t->hits[i][stage]++;
    t->strikes++;
    nanosleep(&(struct timespec){0, (long)keel_rng_below(rng, 60) * 1000000}, NULL);
    keel_cluster_start_one(c, i);
}

static void strike_redis(keel_cluster *c, keel_rng *rng, tally *t, int which)
{
    const int i = KEEL_CLUSTER_SERVICES + which;
    keel_cluster_kill(c, i);
    nanosleep(&(struct timespec){0, (long)keel_rng_below(rng, 80) * 1000000}, NULL);
    keel_cluster_start_one(c, i);
    t->redis[which]++;
    t->strikes++;
}

static void stop_and_continue(keel_cluster *c, keel_rng *rng, tally *t, int i, int ms)
{
    (void)rng;
    keel_cluster_signal(c, i, SIGSTOP);
    keel_cluster_watch(c, ms);
    keel_cluster_signal(c, i, SIGCONT);
    t->stops[i]++;
    t->strikes++;
}

/* Every stage of every service, the stores, and a stop of everyone, in random order. */
static void one_round(keel_cluster *c, keel_rng *rng, tally *t)
{
    int order[KEEL_CLUSTER_SERVICES * STAGES + KEEL_CLUSTER_ALL + 4];
    int n = 0;
    for (; n < (int)(sizeof order / sizeof order[0]); n++) {
        const int at = (int)keel_rng_below(rng, (uint64_t)n + 1);
        order[n] = order[at];
        order[at] = n;
    }
    for (int k = 0; k < n && !keel_cluster_done(c); k++) {
        const int what = order[k];
        const int stops = what - KEEL_CLUSTER_SERVICES * STAGES;
        if (stops < 0)
            strike_service(c, rng, t, what / STAGES, what % STAGES);
        else if (stops < KEEL_CLUSTER_ALL)
            stop_and_continue(c, rng, t, stops, stops == 0 ? STOP_MS_MAX : 100);
        else
            strike_redis(c, rng, t, stops % 2);
        keel_cluster_watch(c, 20);
        if (keel_cluster_revive(c) > 0)
            keel_verdict(false, "a service died by itself");
    }
}

static void print_tally(const tally *t)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        printf("  %-21s", keel_cluster_name(i));
        for (int s = 0; s < STAGES; s++)
            printf(" %s %d%s", stage_names[s], t->hits[i][s], s + 1 < STAGES ? "," : "\n");
    }
    printf("  log %d, cache %d kills; %d strikes, %d deaths while another was down\n", t->redis[0],
           t->redis[1], t->strikes, t->other_down);
}

static void check_tally(const tally *t)
{
    bool all = t->redis[0] > 0 && t->redis[1] > 0, stopped = true;
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        for (int s = 0; s < STAGES; s++)
            all = all && t->hits[i][s] > 0;
    for (int i = 0; i < KEEL_CLUSTER_ALL; i++)
        stopped = stopped && t->stops[i] > 0;
    keel_verdict(all, "every stage of every process was hit");
    keel_verdict(stopped, "every process was stopped and continued");
    keel_verdict(t->strikes >= STRIKES_MIN, "at least 60 strikes");
    keel_verdict(t->other_down >= OTHER_DOWN_MIN,
                 "at least 15 deaths while another process was down");
}

static void finish(keel_cluster *c, int seconds)
{
    for (int i = 0; i < seconds * 10 && !keel_cluster_watch(c, 100); i++)
        if (keel_cluster_revive(c) > 0)
            keel_verdict(false, "a service died by itself");
    if (!keel_cluster_done(c))
        for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
            printf("  %s: step %llu, awaits '%s', state %d %s\n", keel_cluster_name(i),
                   (unsigned long long)c->beats[i].step_done, c->beats[i].awaited,
                   c->beats[i].state, c->beats[i].why);
    keel_verdict(keel_cluster_done(c), "the run comes to its end");
    keel_cluster_down(c);
}

int main(void)
{
    keel_cluster calm, hit;
    tally t = {0};
    char first[128] = "";
    const bool is_long = getenv("KEEL_LONG") != NULL;
    const uint64_t seed =
        getenv("KEEL_SEED") != NULL ? strtoull(getenv("KEEL_SEED"), NULL, 10) : 20;
    const int rows = is_long ? 20 * ROWS : ROWS;
    keel_rng rng = keel_rng_seeded(seed);
    printf("seed %llu, %d rows\n", (unsigned long long)seed, rows);
    keel_cluster_start(&calm, rows, "", true);
    finish(&calm, is_long ? 1200 : 60);
    keel_cluster_start(&hit, rows, "", true);
    while (!keel_cluster_watch(&hit, 5) && keel_cluster_step(&hit) < 20) {
    }
    for (int round = 0; round < (is_long ? 30 : 2) && !keel_cluster_done(&hit); round++)
        one_round(&hit, &rng, &t);
    printf("  struck down to step %llu\n", (unsigned long long)keel_cluster_step(&hit));
    finish(&hit, is_long ? 1200 : 120);
    print_tally(&t);
    check_tally(&t);
    keel_payloads *a = keel_cluster_journals(&calm), *b = keel_cluster_journals(&hit);
    const int n = keel_payloads_differ(a, b, first, sizeof first);
    printf("  %d payloads, %d rebalances, %d fills %s\n", keel_payloads_n(a),
           keel_payloads_of(a, "v1.alloc.approved."), keel_payloads_of(a, "v1.fill."), first);
    keel_verdict(n == 0 && keel_payloads_conflicts(b) == 0,
                 "every payload is that of the calm run");
    keel_verdict(keel_payloads_of(a, "v1.alloc.approved.") >= 200 &&
                     keel_payloads_of(a, "v1.fill.") >= 1000,
                 "it holds 200 rebalances and 1000 fills");
    char *books_a = keel_cluster_books(&calm), *books_b = keel_cluster_books(&hit);
    keel_verdict(strlen(books_a) > 1000 && strcmp(books_a, books_b) == 0,
                 "the books are those of the calm run, to the last unit");
    free(books_a);
    free(books_b);
    keel_payloads_free(&a);
    keel_payloads_free(&b);
    keel_cluster_remove(&calm);
    keel_cluster_remove(&hit);
    return keel_verdicts_end();
}
