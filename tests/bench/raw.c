#include "tests/bench/raw.h"

#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/wire/wire.h"
#include "services/backtest/apps.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { FRAME_BYTES = 4 << 20, SURVEY_SECONDS = 120, REDIS_SECONDS = 5 };

/* ---- what the real one sends ---- */

static bench_flow *flow_of(bench_traffic *t, keel_topic topic, const char *text)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->flows[i].text, text) == 0)
            return &t->flows[i];
    if (t->n == BENCH_FLOWS_MAX)
        bench_die("more topics than expected");
    bench_flow *f = &t->flows[t->n++];
    *f = (bench_flow){.topic = topic};
    memcpy(f->text, text, strlen(text) + 1);
    return f;
}

static int service_number(const char *name)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        if (strcmp(keel_cluster_name(i), name) == 0)
            return i;
    return -1;
}

/* True when the frame was of the last step wanted. */
static bool note(bench_traffic *t, keel_arena *arena, const keel_bus_frame *f, uint64_t from,
                 uint64_t to)
{
    keel_topic topic;
    keel_envelope *e = keel_arena_take(arena, 1, sizeof *e);
    if (keel_topic_find(f->topic, strlen(f->topic), &topic) != KEEL_OK ||
        keel_wire_get_envelope(arena, f->frame, f->len, e) != KEEL_OK || e->step <= from ||
        e->step > to)
        return false;
    if (topic == KEEL_TOPIC_STEP) {
        const int i = service_number(e->id.source);
        if (i >= 0)
            t->end_bytes[i] = f->len;
        return e->step == to && strcmp(e->id.source, "strategy-coordinator") == 0;
    }
    bench_flow *flow = flow_of(t, topic, f->topic);
    flow->per_step += 1;
    flow->bytes += f->len;
    return false;
}

void bench_survey(const bench_world *w, uint64_t from, int steps, bench_traffic *out)
{
    const int64_t until = keel_test_mono_ms() + 1000 * SURVEY_SECONDS;
    keel_cluster c;
    keel_bus_frame f;
    bool over = false;
    *out = (bench_traffic){0};
    bench_start(&c, w);
    c.monitor.ops->subscribe(c.monitor.self, "v1.");
    while (!over) {
        if (keel_test_mono_ms() > until)
            bench_die("the survey did not reach step %llu", (unsigned long long)from);
        while (!over && c.monitor.ops->receive(c.monitor.self, &f) == KEEL_OK) {
            keel_arena_reset(&c.arena);
            over = note(out, &c.arena, &f, from, from + (uint64_t)steps);
        }
        (void)keel_bus_zmq_wait(&c.monitor, -1, 5);
    }
    bench_stop(&c);
    for (int i = 0; i < out->n; i++) {
        out->flows[i].bytes /= (size_t)out->flows[i].per_step;
        out->flows[i].per_step /= steps;
    }
}

/* ---- sockets ---- */

static void endpoint(const char *dir, int i, char out[128])
{
    snprintf(out, 128, "ipc://%s/%s.pub", dir, keel_cluster_name(i));
}

static void *new_socket(void *ctx, int type)
{
    const keel_socket_cfg cfg = {.hwm = KEEL_HWM_INSIDE, .msg_bytes_max = KEEL_MSG_BYTES_INSIDE};
    keel_err err = {0};
    void *s = keel_socket_new(ctx, type, &cfg, &err);
    if (s == NULL)
        bench_die("%s", err.text);
    return s;
}

static void read_from(void *sub, const char *dir, int i, const char *prefix)
{
    char at[128];
    keel_err err = {0};
    endpoint(dir, i, at);
    if (zmq_setsockopt(sub, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) != 0 ||
        keel_socket_connect(sub, at, &err) != KEEL_OK)
        bench_die("cannot read %s", at);
}

void *bench_read(void *ctx, const char *dir, int i, const char *prefix)
{
    void *sub = new_socket(ctx, ZMQ_SUB);
    read_from(sub, dir, i, prefix);
    return sub;
}

size_t bench_next(void *sub, int timeout_ms, char topic[KEEL_TOPIC_MAX], uint8_t *frame, size_t cap)
{
    zmq_pollitem_t item = {sub, 0, ZMQ_POLLIN, 0};
    int n = zmq_recv(sub, topic, KEEL_TOPIC_MAX - 1, ZMQ_DONTWAIT);
    if (n < 0 && (zmq_poll(&item, 1, timeout_ms) <= 0 ||
                  (n = zmq_recv(sub, topic, KEEL_TOPIC_MAX - 1, ZMQ_DONTWAIT)) < 0))
        return 0;
    topic[n < KEEL_TOPIC_MAX ? n : 0] = '\0';
    n = zmq_recv(sub, frame, cap, 0);
    return n > 0 && (size_t)n <= cap ? (size_t)n : 0;
}

/* ---- one of the seven ---- */

typedef struct role {
    const bench_traffic *traffic;
    const keel_service_spec *spec;
    int number;
    int pace_ms;
    const char *dir;
    void *pub;
    void *sub;
    uint64_t ended[KEEL_CLUSTER_SERVICES]; /* steps that each has closed */
    int64_t row_ns;
    redisContext *log;
    sqlite3 *db;
    sqlite3_stmt *insert;
    uint8_t *frame;
} role;

static bool is_mine(const role *r, const bench_flow *f)
{
    return strcmp(keel_topic_describe(f->topic)->publisher, r->spec->name) == 0;
}

/* Messages of a flow in this step, so that the average is kept. */
static int in_step(const bench_flow *f, uint64_t step)
{
    return (int)((double)step * f->per_step + 1e-9) -
           (int)((double)(step - 1) * f->per_step + 1e-9);
}

static void send_frame(role *r, const char *topic, size_t bytes, uint64_t step)
{
    bench_raw_head head = {r->row_ns, bench_wall_ns(), step};
    memcpy(r->frame, &head, sizeof head);
    if (bytes < sizeof head)
        bytes = sizeof head;
    if (zmq_send(r->pub, topic, strlen(topic), ZMQ_SNDMORE) >= 0)
        (void)zmq_send(r->pub, r->frame, bytes, 0);
}

static void wait_for(role *r, int number, uint64_t step)
{
    char topic[KEEL_TOPIC_MAX];
    bench_raw_head head;
    while (r->ended[number] < step) {
        if (bench_next(r->sub, -1, topic, r->frame, FRAME_BYTES) < sizeof head)
            continue;
        memcpy(&head, r->frame, sizeof head);
        if (head.row_ns > r->row_ns)
            r->row_ns = head.row_ns;
        if (strncmp(topic, "v1.step.", 8) != 0)
            continue;
        for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
            if (strncmp(topic + 8, keel_cluster_name(i), strlen(keel_cluster_name(i))) == 0)
                r->ended[i] = head.step;
    }
}

static void append_record(role *r, const bench_flow *f, uint64_t step, int index)
{
    char key[256], id[48];
    snprintf(key, sizeof key, "raw:rec:%s", f->text);
    snprintf(id, sizeof id, "%llu-%d", (unsigned long long)step, index);
    const char *argv[] = {"XADD", key, id, "p", (const char *)r->frame};
    const size_t lens[] = {4, strlen(key), strlen(id), 1, f->bytes};
    redisAppendCommandArgv(r->log, 5, argv, lens);
}

/* Are plans sent at this point, or everything else? */
static bool belongs(const bench_flow *f, bool plans)
{
    return (f->topic == KEEL_TOPIC_PLAN) == plans;
}

static void write_log(role *r, uint64_t step, bool plans)
{
    int n = 0;
    for (int i = 0; i < r->traffic->n; i++) {
        const bench_flow *f = &r->traffic->flows[i];
        if (!is_mine(r, f) || !belongs(f, plans) ||
            keel_topic_describe(f->topic)->topic_class != KEEL_CLASS_RECORD)
            continue;
        const int count = in_step(f, step);
        for (int k = 0; k < count; k++, n++) {
            if (n == 0)
                redisAppendCommand(r->log, "MULTI");
            append_record(r, f, step, k);
        }
    }
    if (n == 0)
        return;
    redisAppendCommand(r->log, "EXEC");
    for (int i = 0; i < n + 2; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(r->log, (void **)&reply) != REDIS_OK || reply->type == REDIS_REPLY_ERROR)
            bench_die("log: %s", reply != NULL ? reply->str : "lost");
        freeReplyObject(reply);
    }
}

static void insert_row(role *r, size_t bytes)
{
    sqlite3_bind_blob64(r->insert, 1, r->frame, bytes, SQLITE_STATIC);
    if (sqlite3_step(r->insert) != SQLITE_DONE)
        bench_die("%s", sqlite3_errmsg(r->db));
    sqlite3_reset(r->insert);
}

static void write_books(role *r, uint64_t step)
{
    if (sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        bench_die("%s", sqlite3_errmsg(r->db));
    for (int i = 0; i < r->traffic->n; i++) {
        const bench_flow *f = &r->traffic->flows[i];
        if (!is_mine(r, f) && f->topic != KEEL_TOPIC_FILL && f->topic != KEEL_TOPIC_TRADING &&
            f->topic != KEEL_TOPIC_ALLOC && f->topic != KEEL_TOPIC_RISK_REPORT)
            continue;
        const int count = in_step(f, step);
        for (int k = 0; k < count; k++)
            insert_row(r, f->bytes);
    }
    if (sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        bench_die("%s", sqlite3_errmsg(r->db));
}

static void send_all(role *r, uint64_t step, bool plans)
{
    for (int i = 0; i < r->traffic->n; i++) {
        const bench_flow *f = &r->traffic->flows[i];
        if (!is_mine(r, f) || !belongs(f, plans))
            continue;
        const int count = in_step(f, step);
        for (int k = 0; k < count; k++)
            send_frame(r, f->text, f->bytes, step);
    }
}

static void make_durable(role *r, uint64_t step, bool plans)
{
    if (r->db != NULL)
        write_books(r, step);
    else
        write_log(r, step, plans);
}

static void play_step(role *r, uint64_t step)
{
    char topic[64];
    const keel_line *l = r->spec->line;
    const bool execution = strcmp(r->spec->name, "execution") == 0;
    for (; l->publisher != NULL && !l->after_end; l++) {
        const bool feed_live = r->spec->is_source && r->pace_ms > 0;
        if (execution && l->delta == 0) {
            write_log(r, step, true);
            send_all(r, step, true);
        }
        if (!feed_live)
            wait_for(r, service_number(l->publisher), step + (uint64_t)(int64_t)l->delta);
    }
    if (r->spec->is_source && r->pace_ms > 0)
        nanosleep(&(struct timespec){0, r->pace_ms * KEEL_NS_PER_MS}, NULL);
    if (r->spec->is_source)
        r->row_ns = bench_wall_ns();
    make_durable(r, step, false);
    send_all(r, step, false);
    snprintf(topic, sizeof topic, "v1.step.%s.", r->spec->name);
    send_frame(r, topic, r->traffic->end_bytes[r->number], step);
    for (; l->publisher != NULL; l++)
        wait_for(r, service_number(l->publisher), step);
}

static void subscribe_line(role *r)
{
    char topic[64];
    for (const keel_line *l = r->spec->line; l->publisher != NULL; l++) {
        snprintf(topic, sizeof topic, "v1.step.%s.", l->publisher);
        read_from(r->sub, r->dir, service_number(l->publisher), topic);
    }
    for (const keel_sub *s = r->spec->subs; s->on != NULL; s++)
        for (int i = 0; i < r->traffic->n; i++)
            if (r->traffic->flows[i].topic == s->topic)
                zmq_setsockopt(r->sub, ZMQ_SUBSCRIBE, r->traffic->flows[i].text,
                               strlen(r->traffic->flows[i].text));
}

static void open_stores(role *r, const bench_raw *raw)
{
    char path[128];
    if (strcmp(r->spec->name, "ledger") == 0) {
        snprintf(path, sizeof path, "%s/raw.sqlite", raw->dir);
        if (sqlite3_open(path, &r->db) != SQLITE_OK ||
            sqlite3_exec(r->db,
                         "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                         "CREATE TABLE rows(id INTEGER PRIMARY KEY, payload BLOB)",
                         NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_prepare_v2(r->db, "INSERT INTO rows VALUES(NULL,?1)", -1, &r->insert, NULL) !=
                SQLITE_OK)
            bench_die("%s: %s", path, sqlite3_errmsg(r->db));
        return;
    }
    r->log = redisConnectUnixWithTimeout(raw->log.socket, (struct timeval){REDIS_SECONDS, 0});
    if (r->log == NULL || r->log->err != 0)
        bench_die("%s does not answer", raw->log.socket);
}

static _Noreturn void play(const bench_raw *raw, const bench_traffic *traffic, int number,
                           int pace_ms)
{
    char at[128];
    keel_err err = {0};
    role r = {.traffic = traffic,
              .spec = keel_app_find(keel_cluster_name(number)),
              .number = number,
              .pace_ms = pace_ms,
              .dir = raw->dir,
              .frame = calloc(1, FRAME_BYTES)};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    void *ctx = zmq_ctx_new();
    r.pub = new_socket(ctx, ZMQ_PUB);
    r.sub = new_socket(ctx, ZMQ_SUB);
    endpoint(raw->dir, number, at);
    if (keel_socket_bind(r.pub, at, &err) != KEEL_OK)
        bench_die("%s", err.text);
    open_stores(&r, raw);
    subscribe_line(&r);
    /* Nobody asks again here: let all join first. */
    nanosleep(&(struct timespec){1, 0}, NULL);
    for (uint64_t step = 1;; step++)
        play_step(&r, step);
}

void bench_raw_start(bench_raw *raw, const bench_traffic *traffic, int pace_ms)
{
    *raw = (bench_raw){0};
    keel_test_redis_start(&raw->log, true);
    snprintf(raw->dir, sizeof raw->dir, "%s", raw->log.dir);
    fflush(stdout);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        raw->pids[i] = fork();
        if (raw->pids[i] == 0)
            play(raw, traffic, i, pace_ms);
    }
}

void bench_raw_stop(bench_raw *raw)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        kill(raw->pids[i], SIGKILL);
        waitpid(raw->pids[i], NULL, 0);
    }
    keel_test_redis_stop(&raw->log);
}
