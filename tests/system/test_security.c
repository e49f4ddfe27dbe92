/* The door under attack: a real keel-relay, over ipc and over tcp, and clients that should not get
 * anything past it. Nothing passes that must not, each refusal is counted, and the others are
 * served meanwhile.
 *
 * The test stands in for the inside: it reads the relay's outbox, so that what passed is seen, and
 * not only what was counted. KEEL_ONLY=TEXT: only scenarios whose name holds TEXT. Plain main: ends
 * with "N passed, N failed". */
#include "common/wire/wire.h"
#include "services/relay/zap.h"
#include "tests/support/verdict.h"
#include "tests/support/world/siege.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum {
    QUIET_MS = 600, /* in which somebody who is refused gets nothing */
    HALF_OPEN = 1000,
    TRIP_MS = 100, /* a round trip of the others while somebody attacks */
    TRIPS = 200,
    FLOOD_PER_MS = 100,
};

static void verdict(bool ok, const char *how, const char *what, const char *detail)
{
    char text[256];
    snprintf(text, sizeof text, "%s %s", how, what);
    keel_verdict_why(ok, text, detail);
}

/* ---- scenarios ---- */

static bool stays_out(siege *w, siege_dress how, const char *counter)
{
    const uint64_t before = siege_counted(w, counter);
    void *reads = siege_socket_as(w, ZMQ_SUB, how, NULL, false);
    void *sends = siege_socket_as(w, ZMQ_XPUB, how, NULL, true);
    const siege_letter l = siege_signal_of("momentum", 1);
    siege_post(sends, &l);
    const bool silent = !siege_hears(reads, QUIET_MS) && !siege_hears(sends, 0);
    const bool known = siege_counts_to(w, counter, before + 2);
    zmq_close(reads);
    zmq_close(sends);
    void *good = siege_sender_as(w, "momentum");
    const bool only = silent && known && siege_passed_only(w, good, NULL, 0);
    zmq_close(good);
    return silent ? only : siege_fails(w, "it was let in");
}

static bool a_strangers_key(siege *w)
{
    return stays_out(w, SIEGE_CURVE, "keys_refused");
}

static bool no_key_at_all(siege *w)
{
    return stays_out(w, SIEGE_NO_KEY, "handshakes_refused");
}

static bool a_name_and_a_password(siege *w)
{
    return stays_out(w, SIEGE_PLAIN, "handshakes_refused");
}

static siege_letter request_of(keel_ask ask, const char *requester)
{
    siege_letter l = {
        "v1.request.risk.", "momentum", SIEGE_RUN, KEEL_PAYLOAD_REQUEST, 1, 0, {0}, 0};
    keel_request request = {.service = "risk", .ask = ask};
    snprintf(request.requester, sizeof request.requester, "%s", requester);
    if (ask == KEEL_ASK_HALT)
        snprintf(request.reason, sizeof request.reason, "because");
    if (keel_wire_put_request(&request, l.payload, sizeof l.payload, &l.payload_len) != KEEL_OK)
        abort();
    return l;
}

static siege_letter hello_of(const char *strategy)
{
    siege_letter l = {
        "v1.hello.momentum.", "momentum", SIEGE_RUN, KEEL_PAYLOAD_HELLO, 1, 0, {0}, 0};
    keel_hello hello = {.epoch_ns = 7};
    snprintf(hello.strategy, sizeof hello.strategy, "%s", strategy);
    if (keel_wire_put_hello(&hello, l.payload, sizeof l.payload, &l.payload_len) != KEEL_OK)
        abort();
    return l;
}

static siege_letter resend_of(const char *publisher, const char *requester)
{
    siege_letter l = {"v1.resend.feed.", "momentum", SIEGE_RUN, KEEL_PAYLOAD_RESEND, 1, 0, {0}, 0};
    keel_resend resend = {.from_step = 1, .to_step = 64};
    snprintf(resend.publisher, sizeof resend.publisher, "%s", publisher);
    snprintf(resend.requester, sizeof resend.requester, "%s", requester);
    if (keel_wire_put_resend(&resend, l.payload, sizeof l.payload, &l.payload_len) != KEEL_OK)
        abort();
    return l;
}

/* One forgery and the counter that must see it. */
static bool refused(siege *w, void *s, const char *what, siege_letter l, const char *counter)
{
    const uint64_t before = siege_counted(w, counter);
    siege_post(s, &l);
    if (!siege_counts_to(w, counter, before + 1) || !siege_passed_only(w, s, NULL, 0)) {
        char why[sizeof w->detail];
        memcpy(why, w->detail, sizeof why);
        return siege_fails(w, "%s: %.150s", what, why);
    }
    return true;
}

static siege_letter but_topic(siege_letter l, const char *topic)
{
    l.topic = topic;
    return l;
}

static siege_letter but_source(siege_letter l, const char *source)
{
    l.source = source;
    return l;
}

static siege_letter but_run(siege_letter l, const char *run)
{
    l.run = run;
    return l;
}

static siege_letter but_type(siege_letter l, keel_payload type)
{
    l.type = type;
    return l;
}

static siege_letter but_len(siege_letter l, size_t len)
{
    l.len = len;
    return l;
}

static bool forgeries(siege *w)
{
    const siege_letter good = siege_signal_of("momentum", 1);
    const struct {
        const char *what;
        siege_letter letter;
        const char *counter;
    } cases[] = {
        {"the topic of another", but_topic(good, "v1.signal.carry."), "in_forged"},
        {"the source of another", but_source(good, "carry"), "in_forged"},
        {"another strategy throughout", siege_signal_of("carry", 1), "in_no_right"},
        {"a service's step",
         but_type(but_topic(but_source(good, "risk"), "v1.step.risk."), KEEL_PAYLOAD_STEP_END),
         "in_no_right"},
        {"a service's record",
         but_type(but_topic(good, "v1.alloc.approved.main."), KEEL_PAYLOAD_APPROVED_ALLOCATION),
         "in_wrong_type"},
        {"the coordinator's ack", but_type(but_topic(good, "v1.ack.momentum."), KEEL_PAYLOAD_ACK),
         "in_wrong_type"},
        {"a type that is not the topic's", but_type(good, KEEL_PAYLOAD_HELLO), "in_wrong_type"},
        {"a topic of no kind", but_topic(good, "v1.signals.momentum."), "in_wrong_type"},
        {"a topic without its dot", but_topic(good, "v1.signal.momentum"), "in_malformed"},
        {"another run", but_run(good, "another-run"), "in_other_run"},
        {"sequence 2^63", siege_signal_of("momentum", 1ULL << 63), "in_bad_sequence"},
        {"sequence 2^64-1", siege_signal_of("momentum", UINT64_MAX), "in_bad_sequence"},
        {"a signal of 4097 bytes", but_len(good, KEEL_SIGNAL_BYTES_MAX + 1), "in_oversized"},
        {"a hello for another", hello_of("carry"), "in_forged"},
        {"a hello that is none", but_len(hello_of("momentum"), 9), "in_malformed"},
        {"a resend of the ledger's", resend_of("ledger", "momentum"), "in_forged"},
        {"a resend for risk", resend_of("feed", "risk"), "in_forged"},
        {"a resend elsewhere", but_topic(resend_of("feed", "momentum"), "v1.resend.risk."),
         "in_no_right"},
        {"a halt", request_of(KEEL_ASK_HALT, "momentum"), "in_no_right"},
        {"a shutdown", request_of(KEEL_ASK_SHUTDOWN, "momentum"), "in_no_right"},
        {"a ping in another's name", request_of(KEEL_ASK_PING, "cli-1"), "in_forged"},
        {"a request that is none", but_len(request_of(KEEL_ASK_PING, "momentum"), 30),
         "in_malformed"},
    };
    void *s = siege_sender_as(w, "momentum");
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof cases / sizeof cases[0]; i++)
        ok = refused(w, s, cases[i].what, cases[i].letter, cases[i].counter);
    zmq_close(s);
    return ok;
}

/* Sequence 0, which no encoder of ours writes: MessageId.seq is field 3. */
static size_t with_sequence_0(uint8_t *frame)
{
    const siege_letter l = siege_signal_of("momentum", 5);
    const size_t len = siege_write_letter(&l, frame);
    for (size_t i = 0; i + 1 < len; i++)
        if (frame[i] == 0x18 && frame[i + 1] == 5) {
            frame[i + 1] = 0;
            return len;
        }
    abort();
}

static bool garbage(siege *w)
{
    static uint8_t frame[SIEGE_FRAME_BYTES];
    static const char topic[] = "v1.signal.momentum.";
    const uint64_t before = siege_counted(w, "in_malformed");
    uint64_t sent = 0;
    uint64_t state = 42;
    void *s = siege_sender_as(w, "momentum");
    siege_send_two(s, topic, frame, with_sequence_0(frame));
    siege_send_two(s, topic, "", 0);
    siege_send_two(s, "", "x", 1);
    zmq_send(s, topic, strlen(topic), 0); /* one frame */
    zmq_send(s, topic, strlen(topic), ZMQ_SNDMORE);
    siege_send_two(s, topic, "three", 5);
    sent += 5;
    const siege_letter good = siege_signal_of("momentum", 1);
    const size_t len = siege_write_letter(&good, frame);
    for (size_t cut = 0; cut < len; cut++, sent++) /* the last bytes are its payload */
        siege_send_two(s, topic, frame, cut);
    for (int i = 0; i < 2000; i++, sent++) {
        uint8_t noise[64];
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] =
                (uint8_t)((state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 56);
        siege_send_two(s, topic, noise, sizeof noise);
    }
    const bool ok =
        siege_counts_to(w, "in_malformed", before + sent) && siege_passed_only(w, s, NULL, 0);
    zmq_close(s);
    return ok;
}

/* Too large for the socket: the link is cut, and comes back. */
static bool a_frame_too_large(siege *w)
{
    static uint8_t big[SIEGE_FRAME_BYTES];
    uint8_t message[8];
    const uint64_t before = siege_counted(w, "disconnected");
    void *s = siege_sender_as(w, "momentum");
    siege_send_two(s, "v1.signal.momentum.", big, sizeof big);
    bool ok = siege_hears(s, SIEGE_WAIT_MS) && zmq_recv(s, message, sizeof message, 0) >= 1;
    ok = ok ? siege_counts_to(w, "disconnected", before + 1) && siege_passed_only(w, s, NULL, 0)
            : siege_fails(w, "it did not come back");
    zmq_close(s);
    return ok;
}

/* The relay does not know what is new: the coordinator tells repeats by (strategy, epoch, seq). */
static bool a_frame_sent_twice_passes_twice(siege *w)
{
    static const uint64_t want[] = {11, 11, 12};
    const siege_letter first = siege_signal_of("momentum", 11),
                       second = siege_signal_of("momentum", 12);
    void *s = siege_sender_as(w, "momentum");
    siege_post(s, &first);
    siege_post(s, &first);
    siege_post(s, &second);
    const bool ok = siege_passed_only(w, s, want, 3);
    zmq_close(s);
    return ok;
}

/* Send a letter until it counts; what is written into a file takes a second to be seen. */
static bool becomes(siege *w, void *s, siege_letter l, const char *counter)
{
    const uint64_t before = siege_counted(w, counter);
    const int64_t until = siege_mono_ms() + SIEGE_WAIT_MS;
    while (siege_mono_ms() < until) {
        siege_post(s, &l);
        siege_pause_ms(50);
        if (siege_counted(w, counter) > before)
            return true;
    }
    return siege_fails(w, "%s does not count", counter);
}

static void drain_inside(siege *w)
{
    char topic[KEEL_TOPIC_MAX];
    while (siege_next_inside(w, 300, topic) != 0)
        ;
}

static bool revoked_in_use(siege *w)
{
    static const uint64_t first[] = {1};
    keel_err err = {0};
    char name[16];
    snprintf(name, sizeof name, "brief-%s", w->tcp ? "tcp" : "ipc");
    if (keel_key_add(siege_folder_of(w), name, false, &err) != KEEL_OK)
        return siege_fails(w, "%s", err.text);
    keel_client *known = NULL;
    for (int i = 0; i < 100 && known == NULL; i++, siege_pause_ms(20))
        known = siege_open_as(w, name, &err);
    keel_client_close(&known);
    void *good = siege_sender_as(w, "momentum"), *s = siege_sender_as(w, name);
    siege_letter l = siege_signal_of(name, 1);
    siege_post(s, &l);
    bool ok = siege_counts_to(w, "signals_in", 1) && siege_passed_only(w, good, first, 1);
    ok = ok && keel_key_revoke(siege_folder_of(w), name, &err) == KEEL_OK;
    ok = ok && becomes(w, s, l, "in_revoked");
    drain_inside(w);
    l = siege_signal_of(name, 2);
    for (int i = 0; i < 100; i++)
        siege_post(s, &l);
    ok = ok && siege_passed_only(w, good, NULL, 0);
    zmq_close(s);
    zmq_close(good);
    return ok;
}

static void write_rights(const siege *w, const char *name, const char *text)
{
    FILE *to = fopen(siege_file_of(w, name, ".rights"), "w"); /* in place, as an editor may */
    if (to == NULL)
        abort();
    fputs(text, to);
    fclose(to);
}

static bool rights_changed_in_use(siege *w)
{
    const siege_letter carry = siege_signal_of("carry", 3), own = siege_signal_of("desk", 4);
    write_rights(w, "desk", "strategy desk\n");
    void *good = siege_sender_as(w, "momentum"), *s = siege_sender_as(w, "desk");
    bool ok = becomes(w, s, carry, "in_no_right");
    write_rights(w, "desk", "strategy desk carry\n");
    ok = ok && becomes(w, s, carry, "signals_in");
    write_rights(w, "desk", "strategy desk\nrequests everything\n"); /* not understood */
    ok = ok && becomes(w, s, own, "in_revoked");
    drain_inside(w);
    siege_post(s, &carry);
    siege_post(s, &own);
    ok = ok && siege_passed_only(w, good, NULL, 0);
    write_rights(w, "desk", "strategy desk\n");
    ok = ok && becomes(w, s, own, "signals_in") && becomes(w, s, carry, "in_no_right");
    zmq_close(s);
    zmq_close(good);
    drain_inside(w);
    return ok;
}

/* ---- loads ---- */

typedef struct flood {
    const siege *w;
    atomic_bool stop;
    uint64_t sent;
} flood;

static void *run_flood(void *arg)
{
    static uint8_t good[SIEGE_FRAME_BYTES], bad[SIEGE_FRAME_BYTES];
    flood *f = arg;
    const siege_letter one = siege_signal_of("momentum", 1), other = siege_signal_of("carry", 1);
    const size_t good_len = siege_write_letter(&one, good),
                 bad_len = siege_write_letter(&other, bad);
    void *s = siege_sender_as(f->w, "momentum");
    const int64_t from = siege_mono_ms();
    while (!atomic_load(&f->stop)) {
        const uint64_t due = (uint64_t)(siege_mono_ms() - from) * FLOOD_PER_MS;
        for (; f->sent < due; f->sent += 2) {
            siege_send_two(s, one.topic, good, good_len);
            siege_send_two(s, other.topic, bad, bad_len);
        }
        siege_pause_ms(1);
    }
    zmq_close(s);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Round trips of a client that was there before: 99 of 100 within TRIP_MS. */
static bool others_are_served(siege *w, keel_client *c)
{
    static int64_t trips[TRIPS];
    for (int i = 0; i < TRIPS; i++) {
        const int64_t from = siege_mono_ms();
        if (!siege_ping(c))
            return siege_fails(w, "another client's ping was not answered");
        trips[i] = siege_mono_ms() - from;
        siege_pause_ms(5);
    }
    qsort(trips, TRIPS, sizeof trips[0], by_size);
    const int64_t p99 = trips[TRIPS * 99 / 100 - 1];
    siege_fails(w, "round trips of another: p50 %lld, p99 %lld, longest %lld ms",
                (long long)trips[TRIPS / 2], (long long)p99, (long long)trips[TRIPS - 1]);
    return p99 < TRIP_MS;
}

static bool one_who_floods(siege *w)
{
    keel_err err = {0};
    flood f = {.w = w};
    pthread_t thread;
    const uint64_t before = siege_counted(w, "in_no_right");
    keel_client *c = siege_open_as(w, "carry", &err);
    if (c == NULL || pthread_create(&thread, NULL, run_flood, &f) != 0)
        return siege_fails(w, "%s", err.text);
    const int64_t from = siege_mono_ms();
    bool ok = others_are_served(w, c);
    const int64_t ms = siege_mono_ms() - from;
    const uint64_t refused_n = siege_counted(w, "in_no_right") - before;
    atomic_store(&f.stop, true);
    pthread_join(thread, NULL);
    keel_client_close(&c);
    char trips[sizeof w->detail];
    memcpy(trips, w->detail, sizeof trips);
    siege_fails(w, "%llu frames a second sent, %llu of them judged; %.150s",
                (unsigned long long)(f.sent * 1000 / (uint64_t)ms),
                (unsigned long long)(2 * refused_n * 1000 / (uint64_t)ms), trips);
    drain_inside(w);
    return ok && refused_n > 0;
}

static void publish_row(siege *w, uint64_t step)
{
    static const char topic[] = "v1.row.1h.main.";
    static uint8_t frame[SIEGE_FRAME_BYTES];
    siege_letter l = {topic, "feed", SIEGE_RUN, KEEL_PAYLOAD_BAR_ROW, step, 8000, {0}, 0};
    siege_send_two(w->feed, topic, frame, siege_write_letter(&l, frame));
}

static bool one_who_stops_reading(siege *w)
{
    enum { ROWS = 20000 };
    keel_err err = {0};
    keel_client_msg msg;
    keel_client *c = siege_open_as(w, "carry", &err);
    void *stuck = siege_socket_as(w, ZMQ_SUB, SIEGE_CURVE, "momentum", false);
    uint64_t last = 0, got = 0;
    if (c == NULL || !siege_hears(stuck, SIEGE_WAIT_MS) ||
        keel_client_subscribe(c, "v1.row.") != KEEL_OK || !siege_ping(c))
        return siege_fails(w, "%s", err.text);
    const uint64_t base = (uint64_t)siege_mono_ms() * 1000;
    for (uint64_t step = 1; step <= ROWS; step++) {
        publish_row(w, base + step);
        while (keel_client_next(c, step % 64 == 0 ? 200 : 0, &msg) == KEEL_OK) {
            last = msg.envelope.id.seq;
            got += last > base;
            if (last == base + step)
                break;
        }
    }
    while (last != base + ROWS && keel_client_next(c, SIEGE_WAIT_MS, &msg) == KEEL_OK) {
        last = msg.envelope.id.seq;
        got += last > base;
    }
    const bool ok = last == base + ROWS && got == ROWS && others_are_served(w, c);
    if (!ok && got != ROWS)
        siege_fails(w, "%llu of %d rows came", (unsigned long long)got, ROWS);
    keel_client_close(&c);
    zmq_close(stuck);
    return ok;
}

static int raw_link(const siege *w, bool in)
{
    const char *colon = strrchr(w->ends[1][in], ':');
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    a.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Bytes that the other side has sent are read away; true once it has closed. */
static bool is_closed(int fd)
{
    uint8_t spare[256];
    for (;;) {
        const ssize_t n = recv(fd, spare, sizeof spare, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return true;
        if (n < 0)
            return false;
    }
}

static bool all_closed(siege *w, const int *fds, int n)
{
    const int64_t until = siege_mono_ms() + SIEGE_WAIT_MS;
    int open = n;
    while (open > 0 && siege_mono_ms() < until) {
        open = 0;
        for (int i = 0; i < n; i++)
            open += fds[i] >= 0 && !is_closed(fds[i]);
        siege_pause_ms(50);
    }
    return open == 0 || siege_fails(w, "%d of %d links are still open", open, n);
}

/* n links that do not finish their handshake: every other one says nothing, the rest the first ten
 * bytes of a greeting. Meanwhile who is in is served. */
static bool hold_links(siege *w, int n)
{
    static int fds[3 * SIEGE_DESCRIPTORS];
    keel_err err = {0};
    int held = 0;
    keel_client *c = siege_open_as(w, "carry", &err);
    if (c == NULL)
        return siege_fails(w, "%s", err.text);
    for (int i = 0; i < n; i++) {
        fds[i] = raw_link(w, i % 4 < 2);
        held += fds[i] >= 0;
        if (fds[i] >= 0 && i % 2 == 0 &&
            send(fds[i], "\xff\0\0\0\0\0\0\0\1\x7f", 10, MSG_NOSIGNAL) != 10)
            held--;
    }
    bool ok = held >= n * 9 / 10 ? others_are_served(w, c)
                                 : siege_fails(w, "only %d of %d links were made", held, n);
    keel_client_close(&c);
    ok = ok && all_closed(w, fds, n);
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    c = ok ? siege_open_as(w, "carry", &err) : NULL;
    ok = ok && (c != NULL || siege_fails(w, "nobody new comes in: %s", err.text));
    keel_client_close(&c);
    return ok;
}

static bool a_thousand_half_open_links(siege *w)
{
    return hold_links(w, HALF_OPEN);
}

/* More than the relay has descriptors: who is in stays, who comes waits until it is over. */
static bool more_links_than_descriptors(siege *w)
{
    return hold_links(w, SIEGE_DESCRIPTORS + SIEGE_DESCRIPTORS / 2);
}

/* 500 strategies at once, each with a key of its own. */
static bool five_hundred_keys(siege *w)
{
    enum { N = 500 };
    static void *sockets[N];
    static uint64_t seen[N];
    keel_err err = {0};
    char topic[KEEL_TOPIC_MAX], name[KEEL_NAME_MAX];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "s%03d", i);
        if (access(siege_file_of(w, name, ".public"), F_OK) != 0 &&
            keel_key_add(siege_folder_of(w), name, false, &err) != KEEL_OK)
            return siege_fails(w, "%s", err.text);
    }
    siege_pause_ms(500);
    const int64_t from = siege_mono_ms();
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "s%03d", i);
        sockets[i] = siege_socket_as(w, ZMQ_XPUB, SIEGE_CURVE, name, true);
    }
    int joined = 0;
    for (int i = 0; i < N; i++)
        joined += siege_hears(sockets[i], SIEGE_WAIT_MS);
    const int64_t joined_ms = siege_mono_ms() - from;
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "s%03d", i);
        const siege_letter l = siege_signal_of(name, (uint64_t)i + 1);
        siege_post(sockets[i], &l);
    }
    int arrived = 0;
    memset(seen, 0, sizeof seen);
    for (uint64_t seq; arrived < joined && (seq = siege_next_inside(w, SIEGE_WAIT_MS, topic)) != 0;)
        arrived += seq <= N && seen[seq - 1]++ == 0;
    for (int i = 0; i < N; i++)
        zmq_close(sockets[i]);
    siege_fails(w, "%d joined in %lld ms, signals of %d arrived", joined, (long long)joined_ms,
                arrived);
    return joined == N && arrived == N;
}

static bool relay_lives(siege *w)
{
    int status;
    if (waitpid(w->relay, &status, WNOHANG) == 0)
        return true;
    w->relay = 0;
    return siege_fails(w, "the relay ended: %s %d", WIFSIGNALED(status) ? "signal" : "exit",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- the key check's end ---- */

/* libzmq lets every key in when nobody answers it: without its key check a relay must not live. */
static bool dies_without_its_key_check(void)
{
    char dir[] = "/tmp/keel-security-XXXXXX";
    int status = 0;
    if (mkdtemp(dir) == NULL)
        return false;
    const pid_t pid = fork();
    if (pid == 0) {
        void *ctx = zmq_ctx_new();
        relay_zap *zap = relay_zap_start(ctx, dir, NULL);
        if (zap == NULL || freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        zmq_ctx_shutdown(ctx); /* its sockets fail now */
        siege_pause_ms(SIEGE_WAIT_MS);
        _exit(3);
    }
    const bool waited = waitpid(pid, &status, 0) == pid;
    rmdir(dir);
    return waited && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

typedef struct scenario {
    const char *name;
    bool (*run)(siege *w);
    bool tcp_only;
} scenario;

static const scenario scenarios[] = {
    {"a stranger's key stays out", a_strangers_key, false},
    {"no key stays out", no_key_at_all, false},
    {"a name and a password stay out", a_name_and_a_password, false},
    {"every forgery is refused and counted", forgeries, false},
    {"garbage is refused and counted", garbage, false},
    {"a frame too large cuts its own link", a_frame_too_large, false},
    {"a frame sent twice passes twice", a_frame_sent_twice_passes_twice, false},
    {"a key revoked in use", revoked_in_use, false},
    {"rights changed in use", rights_changed_in_use, false},
    {"500 keys at once", five_hundred_keys, false},
    {"one who floods", one_who_floods, false},
    {"one who stops reading", one_who_stops_reading, false},
    {"a thousand half-open links", a_thousand_half_open_links, true},
    {"more links than descriptors", more_links_than_descriptors, true},
};

static void run_all(siege *w)
{
    const char *only = getenv("KEEL_ONLY");
    for (int tcp = 0; tcp < 2; tcp++) {
        w->tcp = tcp != 0;
        for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
            const scenario *s = &scenarios[i];
            if ((s->tcp_only && !w->tcp) || (only != NULL && strstr(s->name, only) == NULL))
                continue;
            w->detail[0] = '\0';
            const bool ok = s->run(w);
            verdict(ok && relay_lives(w), w->tcp ? "tcp" : "ipc", s->name, w->detail);
            if (w->relay == 0)
                return;
        }
    }
}

int main(void)
{
    static siege w;
    struct rlimit limit;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    verdict(dies_without_its_key_check(), "   ", "without its key check it ends", "");
    const bool up = siege_open(&w);
    verdict(up, "   ", "with it it comes up", w.detail);
    if (up)
        run_all(&w);
    if (up && w.relay > 0) {
        const int status = siege_close(&w, keel_verdicts_failed());
        verdict(WIFEXITED(status) && WEXITSTATUS(status) == 0, "   ", "it stops when told", "");
    }
    return keel_verdicts_end();
}
