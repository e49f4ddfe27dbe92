#include "common/base/mem.h"
#include "common/base/timefmt.h"
#include "common/wire/wire.h"
#include "services/cli/door.h"
#include "services/cli/format.h"
#include "services/cli/supervise.h"
#include "services/cli/system.h"
#include "services/cli/tables.h"
#include "services/cli/verbs.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    JSON_BYTES = 16 << 20,
    ARENA_BYTES = 32 << 20,
    BRIEF_MAX = 400, /* characters of a payload where the terminal's width is not known */
    HEAD_COLUMNS = 62,
    PINGS_MAX = 1 << 16,
    PING_MS = 500,
    DRAIN_MAX = 4096, /* frames read between two questions */
};

#define EVERYTHING ""

static int open_door(const keel_args *args, const keel_cli *cli, keel_client **client)
{
    keel_run run;
    keel_err err;
    if (keel_run_find_live(keel_args_text(args, "run"), &run, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    *client = keel_door_open(&run, 1500, &err);
    return *client != NULL ? KEEL_EXIT_OK : keel_cli_fail(cli, &err);
}

/* ---- tail ---- */

/* What a message is decoded in, taken once: messages come fast. */
typedef struct page {
    keel_arena arena;
    char *json; /* JSON_BYTES */
} page;

/* Control bytes do not reach a terminal. */
static void print_brief(const keel_cli *cli, const char *json)
{
    const size_t room =
        cli->width > HEAD_COLUMNS + 20 ? (size_t)(cli->width - HEAD_COLUMNS) : (size_t)BRIEF_MAX;
    const size_t len = strlen(json);
    const size_t shown = len <= room ? len : room - 3;
    for (size_t i = 0; i < shown; i++)
        fputc((unsigned char)json[i] < ' ' || json[i] == 0x7f ? '?' : json[i], cli->out);
    fputs(shown < len ? "...\n" : "\n", cli->out);
}

static void print_message(const keel_cli *cli, const keel_client_msg *msg, page *p, bool as_json)
{
    const keel_envelope *e = &msg->envelope;
    char sent[KEEL_TIME_TEXT_MAX];
    keel_arena_reset(&p->arena);
    keel_time_format(e->publish_ns, sent);
    const char *json = p->json;
    if (keel_wire_json(&p->arena, e->type, e->payload, e->payload_len, p->json, JSON_BYTES) !=
        KEEL_OK)
        json = "null"; /* a type that this version cannot show, or a payload that is damaged */
    if (as_json) {
        fprintf(cli->out,
                "{\"sent\":\"%s\",\"topic\":\"%s\",\"step\":%" PRIu64 ",\"index\":%" PRIu32
                ",\"type\":\"%s\",\"source\":\"%s\",\"bytes\":%zu,\"data\":%s}\n",
                sent, msg->topic, e->step, e->index, keel_payload_name(e->type), e->id.source,
                e->payload_len, json);
        return;
    }
    fprintf(cli->out, "%.12s %-28s %6" PRIu64 ".%-2" PRIu32 " %-20s ", sent + strlen("2026-01-02T"),
            msg->topic, e->step, e->index, keel_payload_name(e->type));
    print_brief(cli, json);
}

/* Whoever reads the output has had enough (| head): that is no failure. */
static bool is_cut_off(const keel_cli *cli)
{
    struct pollfd pipe_end = {.fd = fileno(cli->out), .events = 0};
    return ferror(cli->out) != 0 && poll(&pipe_end, 1, 0) == 1 &&
           (pipe_end.revents & POLLERR) != 0 && freopen("/dev/null", "w", cli->out) != NULL;
}

int keel_verb_bus_tail(const keel_args *args, const keel_cli *cli)
{
    const char *prefix = args->operands_n > 0 ? args->operands[0] : EVERYTHING;
    const int64_t count = keel_args_count(args, "count");
    const bool as_json = keel_args_on(args, "json");
    keel_client_msg msg;
    keel_client *client;
    page p;
    int code = open_door(args, cli, &client);
    if (code != KEEL_EXIT_OK)
        return code;
    const int signals = keel_signals_open();
    p.json = keel_xcalloc(1, JSON_BYTES);
    keel_arena_init(&p.arena, ARENA_BYTES);
    if (keel_client_subscribe(client, prefix) != KEEL_OK) {
        fprintf(cli->err, "keel: '%.80s' cannot begin a topic\n", prefix);
        code = KEEL_EXIT_USAGE;
    }
    for (int64_t shown = 0; code == KEEL_EXIT_OK && (count == 0 || shown < count);) {
        if (keel_signals_stop(signals) != 0 || is_cut_off(cli) || ferror(cli->out))
            break;
        if (keel_client_next(client, 0, &msg) != KEEL_OK) {
            fflush(cli->out);
            if (keel_client_next(client, 50, &msg) != KEEL_OK)
                continue;
        }
        print_message(cli, &msg, &p, as_json);
        shown++;
    }
    keel_arena_fini(&p.arena);
    keel_free(&p.json);
    keel_client_close(&client);
    return code;
}

/* ---- bench ---- */

/* Round trips to one service. */
typedef struct trips {
    int n;
    uint64_t lost;
    int64_t *ns; /* PINGS_MAX */
} trips;

typedef struct flow {
    uint64_t frames;
    uint64_t bytes;
} flow;

static void drain(keel_client *client, flow *f)
{
    keel_client_msg msg;
    for (int i = 0; i < DRAIN_MAX && keel_client_next(client, 0, &msg) == KEEL_OK; i++) {
        f->frames++;
        f->bytes += msg.envelope.payload_len;
    }
}

static void ping(keel_client *client, const char *service, trips *t, keel_reply *reply)
{
    keel_request request = {.ask = KEEL_ASK_PING};
    snprintf(request.service, sizeof request.service, "%s", service);
    const int64_t from = keel_monotonic_ns();
    if (keel_client_ask(client, &request, PING_MS, reply) != KEEL_OK || !reply->ok)
        t->lost++;
    else if (t->n < PINGS_MAX)
        t->ns[t->n++] = keel_monotonic_ns() - from;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest time that this share of the trips does not exceed, in ms. */
static double quantile_ms(const trips *t, int percent)
{
    if (t->n == 0)
        return 0.0;
    const int at = (int)(((int64_t)t->n * percent + 99) / 100);
    return (double)t->ns[at > 0 ? at - 1 : 0] / (double)KEEL_NS_PER_MS;
}

static void bench_json(const keel_cli *cli, const trips *all, const flow *f, double seconds)
{
    json_t *services = json_array();
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        json_array_append_new(
            services,
            json_pack("{s:s,s:i,s:I,s:f,s:f,s:f}", "service", keel_service_at(i), "pings", all[i].n,
                      "lost", (json_int_t)all[i].lost, "p50_ms", quantile_ms(&all[i], 50), "p99_ms",
                      quantile_ms(&all[i], 99), "max_ms", quantile_ms(&all[i], 100)));
    json_t *o = json_pack("{s:f,s:I,s:f,s:f,s:o}", "seconds", seconds, "frames",
                          (json_int_t)f->frames, "frames_per_s", (double)f->frames / seconds,
                          "bytes_per_s", (double)f->bytes / seconds, "services", services);
    json_dumpf(o, cli->out, JSON_COMPACT);
    fputc('\n', cli->out);
    json_decref(o);
}

static void bench_table(const keel_cli *cli, const trips *all, const flow *f, double seconds)
{
    char text[KEEL_FORMAT_MAX];
    keel_table *table = keel_table_new("service|>round trips|>lost|>p50 ms|>p99 ms|>max ms");
    for (int i = 0; i < KEEL_SERVICES_N; i++) {
        const trips *t = &all[i];
        keel_table_cell(table, KEEL_INK_PLAIN, "%s", keel_service_at(i));
        keel_table_cell(table, KEEL_INK_PLAIN, "%d", t->n);
        keel_table_cell(table, t->lost > 0 ? KEEL_INK_RED : KEEL_INK_PLAIN, "%" PRIu64, t->lost);
        for (int percent = 50; percent <= 100; percent += percent == 50 ? 49 : 1)
            keel_table_cell(table, KEEL_INK_PLAIN, "%.3f", quantile_ms(t, percent));
    }
    keel_table_title(cli, "Through the door: one client asks each service in turn");
    keel_table_print(table, cli);
    keel_table_free(&table);
    fprintf(cli->out,
            "\nread meanwhile: %" PRIu64 " frames in %.1f s, %.0f a second, %s a second\n",
            f->frames, seconds, (double)f->frames / seconds,
            keel_bytes_text((uint64_t)((double)f->bytes / seconds), text));
}

int keel_verb_bus_bench(const keel_args *args, const keel_cli *cli)
{
    trips all[KEEL_SERVICES_N] = {0};
    flow f = {0};
    uint64_t lost = 0;
    keel_client *client;
    int code = open_door(args, cli, &client);
    if (code != KEEL_EXIT_OK)
        return code;
    const int signals = keel_signals_open();
    keel_reply *reply = keel_xcalloc(1, sizeof *reply);
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        all[i].ns = keel_xcalloc(PINGS_MAX, sizeof *all[i].ns);
    if (keel_client_subscribe(client, EVERYTHING) != KEEL_OK)
        code = KEEL_EXIT_FAILED;
    const int64_t from = keel_monotonic_ns();
    const int64_t until = from + keel_args_count(args, "seconds") * KEEL_NS_PER_S;
    while (code == KEEL_EXIT_OK && keel_monotonic_ns() < until && keel_signals_stop(signals) == 0) {
        for (int i = 0; i < KEEL_SERVICES_N; i++) {
            ping(client, keel_service_at(i), &all[i], reply);
            drain(client, &f);
        }
    }
    const double seconds = (double)(keel_monotonic_ns() - from) / (double)KEEL_NS_PER_S;
    for (int i = 0; i < KEEL_SERVICES_N; i++) {
        qsort(all[i].ns, (size_t)all[i].n, sizeof *all[i].ns, by_size);
        lost += all[i].lost;
    }
    if (code == KEEL_EXIT_OK && keel_args_on(args, "json"))
        bench_json(cli, all, &f, seconds);
    else if (code == KEEL_EXIT_OK)
        bench_table(cli, all, &f, seconds);
    for (int i = 0; i < KEEL_SERVICES_N; i++)
        keel_free(&all[i].ns);
    keel_free(&reply);
    keel_client_close(&client);
    return code == KEEL_EXIT_OK && lost > 0 ? KEEL_EXIT_FAILED : code;
}
