/* bench_chain - from a row to the approved allocation of 100 assets, live, beside raw ZeroMQ.
 *
 * bench_chain [--short]. Every row is a rebalance. Measured at a reader outside, on risk's outbox:
 * the time from the row's publish_ns to the approval's publish_ns and to its arrival. Rounds run
 * the system, then its raw peer; medians over the rounds of each round's quantiles. */
#include "tests/bench/raw.h"

#include "common/base/timefmt.h"
#include "common/wire/wire.h"

#include <string.h>
#include <zmq.h>

enum { FEED = 0, RISK = 5, FRAME_BYTES = 4 << 20, ROWS_KEPT = 256, SILENCE_MS = 20000 };

#define ROW_PREFIX      "v1.row."
#define APPROVED_PREFIX "v1.alloc.approved."

typedef struct round_result {
    bench_samples sent_us;    /* to publish_ns of the approval */
    bench_samples arrived_us; /* to its arrival */
} round_result;

typedef struct quantiles {
    bench_samples p50, p99, sent_p50;
} quantiles;

static void close_round(round_result *r, quantiles *q)
{
    bench_add(&q->p50, bench_quantile(&r->arrived_us, 0.5));
    bench_add(&q->p99, bench_quantile(&r->arrived_us, 0.99));
    bench_add(&q->sent_p50, bench_quantile(&r->sent_us, 0.5));
    bench_free(&r->sent_us);
    bench_free(&r->arrived_us);
}

static void run_keel(const bench_world *w, uint64_t warm, int samples, quantiles *q)
{
    int64_t row_ns[ROWS_KEPT] = {0};
    char topic[KEEL_TOPIC_MAX];
    keel_cluster c;
    round_result r = {0};
    uint8_t *frame = keel_xcalloc(FRAME_BYTES, 1);
    bench_start(&c, w);
    void *ctx = zmq_ctx_new();
    void *rows = bench_read(ctx, c.dir, FEED, ROW_PREFIX);
    void *approvals = bench_read(ctx, c.dir, RISK, APPROVED_PREFIX);
    while (r.arrived_us.n < samples) {
        keel_envelope e;
        size_t len = bench_next(approvals, SILENCE_MS, topic, frame, FRAME_BYTES);
        const int64_t now_ns = bench_wall_ns();
        if (len == 0)
            bench_die("no allocation was approved in %d ms; see %s", SILENCE_MS, c.dir);
        keel_arena_reset(&c.arena);
        if (keel_wire_get_envelope(&c.arena, frame, len, &e) != KEEL_OK)
            bench_die("an approval does not decode");
        const uint64_t step = e.step;
        const int64_t sent_ns = e.publish_ns;
        while ((len = bench_next(rows, 0, topic, frame, FRAME_BYTES)) > 0)
            if (keel_wire_get_envelope(&c.arena, frame, len, &e) == KEEL_OK)
                row_ns[e.step % ROWS_KEPT] = e.publish_ns;
        if (step <= warm || row_ns[step % ROWS_KEPT] == 0)
            continue;
        bench_add(&r.sent_us, (double)(sent_ns - row_ns[step % ROWS_KEPT]) * 1e-3);
        bench_add(&r.arrived_us, (double)(now_ns - row_ns[step % ROWS_KEPT]) * 1e-3);
    }
    zmq_close(rows);
    zmq_close(approvals);
    zmq_ctx_term(ctx);
    bench_stop(&c);
    keel_free(&frame);
    close_round(&r, q);
}

static void run_raw(const bench_traffic *traffic, int pace_ms, int samples, quantiles *q)
{
    char topic[KEEL_TOPIC_MAX];
    bench_raw raw;
    round_result r = {0};
    uint8_t *frame = keel_xcalloc(FRAME_BYTES, 1);
    bench_raw_start(&raw, traffic, pace_ms);
    void *ctx = zmq_ctx_new();
    void *approvals = bench_read(ctx, raw.dir, RISK, APPROVED_PREFIX);
    for (int i = 0; r.arrived_us.n < samples; i++) {
        bench_raw_head head;
        if (bench_next(approvals, SILENCE_MS, topic, frame, FRAME_BYTES) < sizeof head)
            bench_die("the raw chain has stopped");
        const int64_t now_ns = bench_wall_ns();
        memcpy(&head, frame, sizeof head);
        if (i < 20) /* buffers, pages, the WAL */
            continue;
        bench_add(&r.sent_us, (double)(head.sent_ns - head.row_ns) * 1e-3);
        bench_add(&r.arrived_us, (double)(now_ns - head.row_ns) * 1e-3);
    }
    zmq_close(approvals);
    zmq_ctx_term(ctx);
    bench_raw_stop(&raw);
    keel_free(&frame);
    close_round(&r, q);
}

static void print_traffic(const bench_traffic *t)
{
    double messages = 0, bytes = 0;
    for (int i = 0; i < t->n; i++) {
        messages += t->flows[i].per_step;
        bytes += t->flows[i].per_step * (double)t->flows[i].bytes;
    }
    printf("\"messages_step\": %.1f, \"bytes_step\": %.0f, ", messages, bytes);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    const int rounds = quick ? 1 : 3, samples = quick ? 20 : 800;
    const bench_world w = {.assets = quick ? 8 : 100, .pace_ms = 20, .every_row = true};
    const uint64_t warm = quick ? 40 : 200; /* the estimate needs its rows first */
    bench_traffic traffic;
    quantiles keel = {0}, raw = {0};
    const bench_world survey = {.assets = w.assets, .every_row = true};
    bench_survey(&survey, warm, 64, &traffic);
    for (int i = 0; i < rounds; i++) {
        run_keel(&w, warm, samples, &keel);
        run_raw(&traffic, w.pace_ms, samples, &raw);
    }
    const double p50 = bench_quantile(&keel.p50, 0.5), raw50 = bench_quantile(&raw.p50, 0.5);
    const double p99 = bench_quantile(&keel.p99, 0.5), raw99 = bench_quantile(&raw.p99, 0.5);
    printf("{\"bench\": \"chain\", \"assets\": %d, \"pace_ms\": %d, \"n\": %d, \"rounds\": %d, ",
           w.assets, w.pace_ms, samples, rounds);
    print_traffic(&traffic);
    printf("\"p50_us\": %.0f, \"p99_us\": %.0f, \"sent_p50_us\": %.0f, \"raw_p50_us\": %.0f, "
           "\"raw_p99_us\": %.0f, \"ratio_p50\": %.2f, \"ratio_p99\": %.2f, "
           "\"target_p50_us\": 500, \"target_p99_us\": 2000}\n",
           p50, p99, bench_quantile(&keel.sent_p50, 0.5), raw50, raw99, p50 / raw50, p99 / raw99);
    return 0;
}
