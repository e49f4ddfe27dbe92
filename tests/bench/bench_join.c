/* bench_join - how soon a late subscriber has its first last value.
 *
 * bench_join [--short]. The run has ended, so that nothing but last values is sent. Two ways in: a
 * client through the relay's door (CURVE, the welcome awaited), and a plain subscriber on the
 * outbox of risk. Times from the first call to the first value. */
#include "tests/bench/raw.h"

#include "common/client/client.h"

#include <zmq.h>

enum { RISK = 5, FRAME_BYTES = 1 << 20, LIMIT_MS = 5000 };

#define PREFIX "v1.alloc.approved."

/* ms from the first call to the first last value; *joined_ms: to the confirmed join. */
static double join_door(const char *dir, double *joined_ms)
{
    char out[128], in[128], server[128], secret[128];
    keel_err err = {0};
    keel_client_msg msg;
    snprintf(out, sizeof out, "ipc://%s/door-out.sock", dir);
    snprintf(in, sizeof in, "ipc://%s/door-in.sock", dir);
    snprintf(server, sizeof server, "%s/keys/door.public", dir);
    snprintf(secret, sizeof secret, "%s/keys/operator.secret", dir);
    const keel_client_cfg cfg = {.name = "bench",
                                 .out_endpoint = out,
                                 .in_endpoint = in,
                                 .server_key = server,
                                 .secret_key = secret,
                                 .run_id = "bench",
                                 .join_timeout_ms = LIMIT_MS};
    const int64_t from_ns = bench_mono_ns();
    keel_client *client = keel_client_open(&cfg, &err);
    if (client == NULL)
        bench_die("%s", err.text);
    *joined_ms = (double)(bench_mono_ns() - from_ns) * 1e-6;
    if (keel_client_subscribe(client, PREFIX) != KEEL_OK ||
        keel_client_next(client, LIMIT_MS, &msg) != KEEL_OK)
        bench_die("the door gives no last value");
    const double ms = (double)(bench_mono_ns() - from_ns) * 1e-6;
    keel_client_close(&client);
    return ms;
}

static double join_outbox(const char *dir, uint8_t *frame)
{
    char topic[KEEL_TOPIC_MAX];
    const int64_t from_ns = bench_mono_ns();
    void *ctx = zmq_ctx_new();
    void *sub = bench_read(ctx, dir, RISK, PREFIX);
    if (bench_next(sub, LIMIT_MS, topic, frame, FRAME_BYTES) == 0)
        bench_die("risk's outbox gives no last value");
    const double ms = (double)(bench_mono_ns() - from_ns) * 1e-6;
    zmq_close(sub);
    zmq_ctx_term(ctx);
    return ms;
}

static void print(const char *way, bench_samples *s)
{
    printf(
        "{\"bench\": \"join\", \"way\": \"%s\", \"n\": %d, \"p50_ms\": %.2f, \"p99_ms\": %.2f}\n",
        way, s->n, bench_quantile(s, 0.5), bench_quantile(s, 0.99));
    bench_free(s);
}

int main(int argc, char **argv)
{
    const bool quick = bench_is_short(argc, argv);
    const int n = quick ? 5 : 300;
    const bench_world w = {.assets = 14, .rows = quick ? 60 : 300};
    uint8_t *frame = keel_xcalloc(FRAME_BYTES, 1);
    bench_samples door = {0}, joined = {0}, outbox = {0};
    keel_cluster c;
    bench_start(&c, &w);
    bench_wait_step(&c, (uint64_t)w.rows, 120);
    const pid_t relay = bench_relay_start(&c);
    for (int i = 0; i < n; i++) {
        double joined_ms;
        bench_add(&door, join_door(c.dir, &joined_ms));
        bench_add(&joined, joined_ms);
        bench_add(&outbox, join_outbox(c.dir, frame));
    }
    print("door, to the first value", &door);
    print("door, to the confirmed join", &joined);
    print("outbox, to the first value", &outbox);
    bench_relay_stop(&c, relay);
    bench_stop(&c);
    keel_free(&frame);
    return 0;
}
