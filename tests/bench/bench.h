/* bench.h - what the bench programs share: samples, one JSON line for a result, a world of n
 * assets.
 *
 * ROOM     tests/bench. Plain programs; a wrong answer ends them, a slow one is only printed.
 */
#ifndef KEEL_TESTS_BENCH_BENCH_H
#define KEEL_TESTS_BENCH_BENCH_H

#include "tests/support/world/cluster.h"

#include <stdio.h>

typedef struct bench_samples {
    double *values; /* owned */
    int n;
    int cap;
} bench_samples;

void bench_add(bench_samples *s, double value);
/* Nearest rank; sorts the samples. 0 when there are none. */
double bench_quantile(bench_samples *s, double q);
void bench_free(bench_samples *s);

int64_t bench_mono_ns(void);
int64_t bench_wall_ns(void);

/* Processor time of a process since its start, user and system. */
double bench_cpu_s(pid_t pid);

/* "--short" among the arguments: sizes that only show that the program works. */
bool bench_is_short(int argc, char **argv);

/* Print a message and end with 1. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

typedef struct bench_world {
    int assets;
    int rows;       /* 0 = without end */
    int pace_ms;    /* 0 = lockstep; else live, one row each */
    bool every_row; /* every row is a rebalance; else daily, as the demo */
    int strategies; /* s000, s001 ..., none in lockstep; they share 40 % */
} bench_world;

/* Make a run directory with the configuration of the world, start all processes of it. */
void bench_start(keel_cluster *c, const bench_world *w);
void bench_stop(keel_cluster *c);

/* The relay, where the monitor's outbox was: nothing of the run can be watched meanwhile. With a
 * key `bench` that may do all. */
pid_t bench_relay_start(keel_cluster *c);
void bench_relay_stop(keel_cluster *c, pid_t relay);

/* "--NAME N" among the arguments, else what is given. */
int bench_option(int argc, char **argv, const char *name, int otherwise);

/* Wait until every service has closed `step` or reports RUNNING; dies after `seconds`. */
void bench_wait_step(keel_cluster *c, uint64_t step, int seconds);

#endif
