/* bench_lockstep - steps a second in lockstep: the real processes beside the raw chain.
 *
 * bench_lockstep [--short]. Each round runs the system, then its raw peer, so that both see the
 * same load of the machine; medians over the rounds. cpu_us_step: processor time of all processes
 * of the system for one step, which other work on the machine disturbs less. */
#include "tests/bench/raw.h"

#include <string.h>
#include <zmq.h>

enum { WARM_STEPS = 300, FRAME_BYTES = 4 << 20, LIMIT_S = 300 };

typedef struct result {
    bench_samples keel;
    bench_samples raw;
    bench_samples cpu_us;
} result;

static double cpu_all(const keel_cluster *c)
{
    double sum = 0;
    for (int i = 0; i < KEEL_CLUSTER_ALL; i++)
        sum += bench_cpu_s(c->pids[i]);
    return sum;
}

static void run_keel(const bench_world *w, int steps, result *out)
{
    keel_cluster c;
    bench_start(&c, w);
    bench_wait_step(&c, WARM_STEPS, LIMIT_S);
    const int64_t from_ns = bench_mono_ns();
    const double from_cpu = cpu_all(&c);
    const uint64_t from = keel_cluster_step(&c);
    bench_wait_step(&c, from + (uint64_t)steps, LIMIT_S);
    const double done = (double)(keel_cluster_step(&c) - from);
    bench_add(&out->keel, done * 1e9 / (double)(bench_mono_ns() - from_ns));
    bench_add(&out->cpu_us, (cpu_all(&c) - from_cpu) * 1e6 / done);
    bench_stop(&c);
}

static uint64_t next_step(void *sub, uint8_t *frame)
{
    char topic[KEEL_TOPIC_MAX];
    bench_raw_head head;
    if (bench_next(sub, 1000 * LIMIT_S, topic, frame, FRAME_BYTES) < sizeof head)
        bench_die("the raw chain has stopped");
    memcpy(&head, frame, sizeof head);
    return head.step;
}

static void run_raw(const bench_traffic *traffic, int steps, result *out)
{
    bench_raw raw;
    uint8_t *frame = keel_xcalloc(FRAME_BYTES, 1);
    bench_raw_start(&raw, traffic, 0);
    void *ctx = zmq_ctx_new();
    void *sub = bench_read(ctx, raw.dir, 6, "v1.step.");
    uint64_t step = 0;
    while (step < WARM_STEPS)
        step = next_step(sub, frame);
    const int64_t from_ns = bench_mono_ns();
    const uint64_t from = step;
    while (step < from + (uint64_t)steps)
        step = next_step(sub, frame);
    bench_add(&out->raw, (double)(step - from) * 1e9 / (double)(bench_mono_ns() - from_ns));
    zmq_close(sub);
    zmq_ctx_term(ctx);
    bench_raw_stop(&raw);
    keel_free(&frame);
}

static void run(int assets, bool every_row, int rounds, int steps)
{
    const bench_world w = {.assets = assets, .every_row = every_row};
    bench_traffic traffic;
    result r = {0};
    bench_survey(&w, WARM_STEPS, 96, &traffic);
    for (int i = 0; i < rounds; i++) {
        run_keel(&w, steps, &r);
        run_raw(&traffic, steps, &r);
    }
    const double keel = bench_quantile(&r.keel, 0.5), raw = bench_quantile(&r.raw, 0.5);
    printf("{\"bench\": \"lockstep\", \"assets\": %d, \"rebalance\": \"%s\", \"steps\": %d, "
           "\"rounds\": %d, \"steps_per_s\": %.0f, \"raw_steps_per_s\": %.0f, \"ratio\": %.2f, "
           "\"cpu_us_step\": %.0f, \"target\": %d}\n",
           assets, every_row ? "every row" : "daily", steps, rounds, keel, raw, keel / raw,
           bench_quantile(&r.cpu_us, 0.5), assets > 50 ? 1000 : 2000);
    fflush(stdout);
    bench_free(&r.keel);
    bench_free(&r.raw);
    bench_free(&r.cpu_us);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    const int rounds = quick ? 1 : 3;
    run(14, false, rounds, quick ? 100 : 2000);
    if (quick)
        return 0;
    run(100, false, rounds, 1000);
    run(100, true, rounds, 500);
    return 0;
}
