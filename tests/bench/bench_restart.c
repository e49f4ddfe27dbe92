/* bench_restart - how soon a killed service is back, in a lockstep and in a live run.
 *
 * bench_restart [--short]. Each service in turn is ended by kill -9 and started again at once.
 * Times from exec to its heartbeat that says RUNNING, and to the next step it closes. */
#include "tests/bench/raw.h"

#include "common/base/timefmt.h"
#include "common/wire/wire.h"

#include <string.h>
#include <zmq.h>

enum { FRAME_BYTES = 1 << 20, LIMIT_MS = 30000 };

/* What was heard of each service since it was last started. */
typedef struct view {
    void *ctx;
    void *sub;
    uint8_t *frame;
    keel_arena arena;
    int64_t epoch_ns[KEEL_CLUSTER_SERVICES];
    bool running[KEEL_CLUSTER_SERVICES];
    uint64_t closed[KEEL_CLUSTER_SERVICES];
} view;

static void open_view(view *v, const char *dir)
{
    *v = (view){.ctx = zmq_ctx_new(), .frame = keel_xcalloc(FRAME_BYTES, 1)};
    keel_arena_init(&v->arena, 1 << 20);
    v->sub = bench_read(v->ctx, dir, 0, "v1.hb.");
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        char at[128];
        snprintf(at, sizeof at, "ipc://%s/%s.pub", dir, keel_cluster_name(i));
        if (i > 0 && zmq_connect(v->sub, at) != 0)
            bench_die("%s", at);
    }
    zmq_setsockopt(v->sub, ZMQ_SUBSCRIBE, "v1.step.", 8);
}

static void close_view(view *v)
{
    zmq_close(v->sub);
    zmq_ctx_term(v->ctx);
    keel_arena_fini(&v->arena);
    keel_free(&v->frame);
}

static void note(view *v, const keel_envelope *e)
{
    keel_heartbeat *h = keel_arena_take(&v->arena, 1, sizeof *h);
    int i = 0;
    while (i < KEEL_CLUSTER_SERVICES && strcmp(keel_cluster_name(i), e->id.source) != 0)
        i++;
    if (i == KEEL_CLUSTER_SERVICES || e->id.epoch_ns < v->epoch_ns[i])
        return;
    if (e->id.epoch_ns > v->epoch_ns[i])
        v->running[i] = false;
    v->epoch_ns[i] = e->id.epoch_ns;
    if (e->type == KEEL_PAYLOAD_STEP_END && e->step > v->closed[i])
        v->closed[i] = e->step;
    if (e->type == KEEL_PAYLOAD_HEARTBEAT &&
        keel_wire_get_heartbeat(&v->arena, e->payload, e->payload_len, h) == KEEL_OK)
        v->running[i] = h->state == KEEL_STATE_RUNNING;
}

static void look(view *v)
{
    char topic[KEEL_TOPIC_MAX];
    keel_envelope e;
    for (int i = 0; i < 64; i++) {
        const size_t len = bench_next(v->sub, 1, topic, v->frame, FRAME_BYTES);
        keel_arena_reset(&v->arena);
        if (len == 0)
            return;
        if (keel_wire_get_envelope(&v->arena, v->frame, len, &e) == KEEL_OK)
            note(v, &e);
    }
}

/* One kill of service i: ms to RUNNING and to the next closed step. */
static void strike(keel_cluster *c, view *v, int i, double *running_ms, double *closed_ms)
{
    const int64_t old_epoch = v->epoch_ns[i];
    const int64_t limit = keel_test_mono_ms() + LIMIT_MS;
    keel_cluster_kill(c, i);
    while (bench_next(v->sub, 0, (char[KEEL_TOPIC_MAX]){0}, v->frame, FRAME_BYTES) > 0)
        continue; /* what it had still sent */
    const uint64_t before = v->closed[i];
    const int64_t from_ns = bench_mono_ns();
    *running_ms = *closed_ms = -1;
    keel_cluster_start_one(c, i);
    while (*running_ms < 0 || *closed_ms < 0) {
        look(v);
        const double now_ms = (double)(bench_mono_ns() - from_ns) * 1e-6;
        const bool again = v->epoch_ns[i] > old_epoch;
        if (*running_ms < 0 && again && v->running[i])
            *running_ms = now_ms;
        if (*closed_ms < 0 && again && v->closed[i] > before)
            *closed_ms = now_ms;
        if (keel_test_mono_ms() > limit)
            bench_die("%s is not back; see %s", keel_cluster_name(i), c->dir);
    }
}

static void settle(view *v, int ms)
{
    const int64_t until = keel_test_mono_ms() + ms;
    while (keel_test_mono_ms() < until)
        look(v);
}

static void run(int pace_ms, uint64_t steps, int rounds)
{
    const bench_world w = {.assets = 14, .pace_ms = pace_ms};
    keel_cluster c;
    view v;
    bench_start(&c, &w);
    open_view(&v, c.dir);
    bench_wait_step(&c, steps, 600);
    bench_samples running[KEEL_CLUSTER_SERVICES] = {0}, closed[KEEL_CLUSTER_SERVICES] = {0};
    for (int k = 0; k < rounds; k++)
        for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
            double running_ms, closed_ms;
            settle(&v, 400);
            strike(&c, &v, i, &running_ms, &closed_ms);
            bench_add(&running[i], running_ms);
            bench_add(&closed[i], closed_ms);
        }
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        printf("{\"bench\": \"restart\", \"mode\": \"%s\", \"service\": \"%s\", \"after_steps\": "
               "%llu, \"n\": %d, \"running_p50_ms\": %.0f, \"running_max_ms\": %.0f, "
               "\"step_p50_ms\": %.0f, \"step_max_ms\": %.0f, \"target_ms\": 200}\n",
               pace_ms > 0 ? "live" : "lockstep", keel_cluster_name(i), (unsigned long long)steps,
               rounds, bench_quantile(&running[i], 0.5), bench_quantile(&running[i], 1),
               bench_quantile(&closed[i], 0.5), bench_quantile(&closed[i], 1));
        bench_free(&running[i]);
        bench_free(&closed[i]);
    }
    fflush(stdout);
    close_view(&v);
    bench_stop(&c);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    run(0, quick ? 50 : 3000, quick ? 1 : 7);
    run(20, quick ? 50 : 1000, quick ? 1 : 5);
    return 0;
}
