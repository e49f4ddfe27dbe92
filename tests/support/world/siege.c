#include "tests/support/world/siege.h"

#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/wire/wire.h"
#include "tests/support/world/world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { MARK_SEQ = 1000000 }; /* signals that show how far the inside has read */

bool siege_fails(siege *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->detail, sizeof w->detail, fmt, args);
    va_end(args);
    return false;
}

int64_t siege_mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void siege_pause_ms(int ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- clients ---- */

const char *siege_end_of(const siege *w, bool in)
{
    return w->ends[w->tcp][in];
}

const char *siege_file_of(const siege *w, const char *name, const char *suffix)
{
    static char paths[4][160];
    static int at;
    char *to = paths[at++ % 4];
    snprintf(to, sizeof paths[0], "%s/keys/%s%s", w->dir, name, suffix);
    return to;
}

const char *siege_folder_of(const siege *w)
{
    return siege_file_of(w, "", "");
}

keel_client *siege_open_as(const siege *w, const char *name, keel_err *err)
{
    char server[160], secret[160];
    snprintf(server, sizeof server, "%s", siege_file_of(w, "door", ".public"));
    snprintf(secret, sizeof secret, "%s", siege_file_of(w, name, ".secret"));
    const keel_client_cfg cfg = {
        name,      siege_end_of(w, false), siege_end_of(w, true), server, secret,
        SIEGE_RUN, SIEGE_WAIT_MS};
    return keel_client_open(&cfg, err);
}

bool siege_ping(keel_client *c)
{
    static keel_reply reply;
    const keel_request request = {.service = "relay", .ask = KEEL_ASK_PING};
    return keel_client_ask(c, &request, SIEGE_WAIT_MS, &reply) == KEEL_OK && reply.ok;
}

/* A counter of the relay, as it tells the operator. */
uint64_t siege_counted(siege *w, const char *name)
{
    static keel_reply reply;
    const keel_request request = {.service = "relay", .ask = KEEL_ASK_STATUS};
    keel_err err = {0};
    uint64_t value = 0;
    keel_client *c = siege_open_as(w, "operator", &err);
    if (c == NULL || keel_client_ask(c, &request, SIEGE_WAIT_MS, &reply) != KEEL_OK)
        siege_fails(w, "the relay does not answer its operator: %s", err.text);
    else
        for (int i = 0; i < reply.status.counters_n; i++)
            if (strcmp(reply.status.counters[i].name, name) == 0)
                value = reply.status.counters[i].value;
    keel_client_close(&c);
    return value;
}

bool siege_counts_to(siege *w, const char *name, uint64_t n)
{
    const int64_t until = siege_mono_ms() + SIEGE_WAIT_MS;
    uint64_t now = 0;
    while (siege_mono_ms() < until && (now = siege_counted(w, name)) < n)
        siege_pause_ms(20);
    return now >= n || siege_fails(w, "%s is %llu, not %llu", name, (unsigned long long)now,
                                   (unsigned long long)n);
}

/* A socket dressed as somebody; `as` NULL = a key made up here. */
void *siege_socket_as(const siege *w, int type, siege_dress how, const char *as, bool in)
{
    keel_key_pair door, own;
    keel_socket_cfg cfg = {.hwm = 100000, .msg_bytes_max = KEEL_MSG_BYTES_INSIDE, .verbose = true};
    if (keel_key_pair_have(siege_folder_of(w), "door", &door, NULL) != KEEL_OK)
        abort();
    if (as != NULL ? keel_key_pair_have(siege_folder_of(w), as, &own, NULL) != KEEL_OK
                   : zmq_curve_keypair(own.public_key, own.secret_key) != 0)
        abort();
    if (how == SIEGE_CURVE) {
        cfg.server_public = door.public_key;
        cfg.client_public = own.public_key;
        cfg.client_secret = own.secret_key;
    }
    void *s = keel_socket_new(w->ctx, type, &cfg, NULL);
    if (s == NULL)
        abort();
    if (how == SIEGE_PLAIN)
        zmq_setsockopt(s, ZMQ_PLAIN_USERNAME, "operator", 8);
    if (how == SIEGE_PLAIN)
        zmq_setsockopt(s, ZMQ_PLAIN_PASSWORD, "x", 1);
    if (type == ZMQ_SUB)
        zmq_setsockopt(s, ZMQ_SUBSCRIBE, "", 0);
    if (keel_socket_connect(s, siege_end_of(w, in), NULL) != KEEL_OK)
        abort();
    return s;
}

bool siege_hears(void *socket, int ms)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    return zmq_poll(&item, 1, ms) == 1;
}

/* One that sends, joined: the door has subscribed to it. */
void *siege_sender_as(const siege *w, const char *as)
{
    uint8_t message[8];
    void *s = siege_socket_as(w, ZMQ_XPUB, SIEGE_CURVE, as, true);
    if (!siege_hears(s, SIEGE_WAIT_MS) || zmq_recv(s, message, sizeof message, 0) < 1)
        fprintf(stderr, "%s does not join\n", as);
    return s;
}

void siege_send_two(void *s, const char *topic, const void *frame, size_t len)
{
    zmq_send(s, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(s, frame, len, 0);
}

/* ---- frames ---- */

size_t siege_write_letter(const siege_letter *l, uint8_t *frame)
{
    static uint8_t marks[SIEGE_FRAME_BYTES];
    size_t len = 0;
    memset(marks, '?', sizeof marks);
    keel_envelope e = {.type = l->type};
    e.payload = l->len > 0 ? marks : l->payload;
    e.payload_len = l->len > 0 ? l->len : l->payload_len;
    snprintf(e.id.source, sizeof e.id.source, "%s", l->source);
    snprintf(e.run_id, sizeof e.run_id, "%s", l->run);
    e.id.epoch_ns = 7;
    e.id.seq = l->seq;
    if (keel_wire_put_envelope(&e, frame, SIEGE_FRAME_BYTES, &len) != KEEL_OK)
        abort();
    return len;
}

siege_letter siege_signal_of(const char *strategy, uint64_t seq)
{
    static char topics[32][64];
    static int at;
    siege_letter l = {topics[at++ % 32], strategy, SIEGE_RUN, KEEL_PAYLOAD_SIGNAL, seq, 20, {0}, 0};
    snprintf((char *)l.topic, sizeof topics[0], "v1.signal.%s.", strategy);
    return l;
}

void siege_post(void *s, const siege_letter *l)
{
    static uint8_t frame[SIEGE_FRAME_BYTES];
    siege_send_two(s, l->topic, frame, siege_write_letter(l, frame));
}

/* ---- the inside ---- */

/* The next thing that passed, heartbeats aside: its seq, its topic. 0 = nothing within ms. */
uint64_t siege_next_inside(siege *w, int ms, char topic[KEEL_TOPIC_MAX])
{
    static uint8_t frame[SIEGE_FRAME_BYTES];
    const int64_t until = siege_mono_ms() + ms;
    keel_arena arena;
    uint64_t seq = 0;
    keel_arena_init(&arena, 256 << 10);
    while (seq == 0 && siege_mono_ms() < until) {
        keel_envelope e;
        if (!siege_hears(w->inside, 50))
            continue;
        const int n = zmq_recv(w->inside, topic, KEEL_TOPIC_MAX - 1, 0);
        const int len = zmq_recv(w->inside, frame, sizeof frame, 0);
        topic[n > 0 ? n : 0] = '\0';
        keel_arena_reset(&arena);
        if (keel_wire_get_envelope(&arena, frame, (size_t)len, &e) != KEEL_OK)
            seq = UINT64_MAX;
        else if (e.type != KEEL_PAYLOAD_HEARTBEAT)
            seq = e.id.seq;
    }
    keel_arena_fini(&arena);
    return seq;
}

/* Did nothing but what was told pass? `want` seqs in order, then a mark that `by` sends now. */
bool siege_passed_only(siege *w, void *by, const uint64_t *want, int n)
{
    char topic[KEEL_TOPIC_MAX];
    const siege_letter mark = siege_signal_of("momentum", MARK_SEQ + ++w->marks);
    siege_post(by, &mark);
    for (int i = 0; i <= n; i++) {
        const uint64_t due = i < n ? want[i] : mark.seq;
        const uint64_t seq = siege_next_inside(w, SIEGE_WAIT_MS, topic);
        if (seq != due)
            return siege_fails(w, "inside came %s %llu, not %llu", topic, (unsigned long long)seq,
                               (unsigned long long)due);
    }
    return true;
}

/* ---- set up ---- */

static void free_port(char *to, size_t cap)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        abort();
    close(fd);
    snprintf(to, cap, "tcp://127.0.0.1:%d", ntohs(a.sin_port));
}

static pid_t start_relay(const siege *w)
{
    char program[512], config[128], log[128], out[160], in[160];
    const char *bin = getenv("KEEL_BIN_DIR");
    snprintf(program, sizeof program, "%s/keel-relay", bin != NULL ? bin : "bin");
    snprintf(config, sizeof config, "%s/config.yaml", w->dir);
    snprintf(log, sizeof log, "%s/relay.log", w->dir);
    snprintf(out, sizeof out, "--relay.out_tcp=%s", w->ends[1][0]);
    snprintf(in, sizeof in, "--relay.in_tcp=%s", w->ends[1][1]);
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit limit = {64, SIEGE_DESCRIPTORS};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && freopen(log, "a", stderr) != NULL)
            execl(program, program, "--config", config, out, in, (char *)NULL);
        _exit(127);
    }
    return pid;
}

bool siege_open(siege *w)
{
    static const char *const names[] = {"momentum", "carry", "desk"};
    const keel_socket_cfg cfg = {.hwm = 200000, .msg_bytes_max = KEEL_MSG_BYTES_INSIDE};
    keel_err err = {0};
    char end[128];
    snprintf(w->dir, sizeof w->dir, "/tmp/keel-security-XXXXXX");
    if (mkdtemp(w->dir) == NULL)
        return false;
    keel_world_config(w->dir, 10, "");
    if (keel_keys_folder(siege_folder_of(w), &err) != KEEL_OK)
        return siege_fails(w, "%s", err.text);
    for (int i = 0; i < 3; i++)
        if (keel_key_add(siege_folder_of(w), names[i], false, &err) != KEEL_OK)
            return siege_fails(w, "%s", err.text);
    for (int in = 0; in < 2; in++) {
        snprintf(w->ends[0][in], sizeof w->ends[0][in], "ipc://%s/door-%s.sock", w->dir,
                 in ? "in" : "out");
        free_port(w->ends[1][in], sizeof w->ends[1][in]);
    }
    w->relay = start_relay(w);
    w->ctx = zmq_ctx_new();
    zmq_ctx_set(w->ctx, ZMQ_MAX_SOCKETS, 2048);
    w->inside = keel_socket_new(w->ctx, ZMQ_SUB, &cfg, &err);
    w->feed = keel_socket_new(w->ctx, ZMQ_XPUB, &cfg, &err);
    snprintf(end, sizeof end, "ipc://%s/relay.pub", w->dir);
    zmq_setsockopt(w->inside, ZMQ_SUBSCRIBE, "", 0);
    bool ok = keel_socket_connect(w->inside, end, &err) == KEEL_OK;
    snprintf(end, sizeof end, "ipc://%s/feed.pub", w->dir);
    ok = ok && keel_socket_bind(w->feed, end, &err) == KEEL_OK &&
         siege_hears(w->inside, SIEGE_WAIT_MS) && siege_hears(w->feed, SIEGE_WAIT_MS);
    return ok || siege_fails(w, "the relay does not come up: %s", err.text);
}

int siege_close(siege *w, bool keep)
{
    int status = -1;
    char command[128];
    if (w->relay > 0) {
        kill(w->relay, SIGTERM);
        waitpid(w->relay, &status, 0);
    }
    zmq_close(w->inside);
    zmq_close(w->feed);
    zmq_ctx_term(w->ctx);
    if (keep)
        printf("log and keys stay in %s\n", w->dir);
    else if (snprintf(command, sizeof command, "rm -rf %s", w->dir) > 0 && system(command) != 0)
        printf("%s stays\n", w->dir);
    return status;
}
