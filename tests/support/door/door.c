#include "tests/support/door/door.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "common/domain/books.h"
#include "common/domain/fixed.h"
#include "common/wire/wire.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { FRAME = 64 << 10, ARENA = 1 << 20 };

#define RUN "the-run"

typedef struct client {
    char name[KEEL_NAME_MAX];
    int64_t epoch_ns;
    uint64_t seq;
    uint64_t step_end;
    uint64_t mark;
    bool waiting; /* its step end waits for signals */
} client;

struct door {
    door_cfg cfg;
    char dir[64];
    char server_public[41], server_secret[41];
    void *ctx, *out, *in;
    pthread_t thread;
    pthread_mutex_t lock;
    door_knobs knobs;
    door_counts counts;
    bool ends, restarts, allocates;
    uint64_t rows_wanted;
    uint64_t row;
    keel_universe universe;
    client clients[DOOR_STRATEGIES];
    int clients_n;
    int receipts_n, decided_n;
    uint64_t decision_seq;
    uint64_t seq;
    keel_arena arena;
    door_receipt *receipts;
    int64_t beat_ns;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * KEEL_NS_PER_S + t.tv_nsec;
}

/* ---- out ---- */

static void send_frame(door *d, const char *topic, keel_envelope *e, const char *source)
{
    static __thread uint8_t frame[FRAME + 1024];
    size_t len;
    snprintf(e->id.source, sizeof e->id.source, "%s", source);
    snprintf(e->run_id, sizeof e->run_id, RUN);
    e->id.epoch_ns = 7;
    e->id.seq = ++d->seq;
    KEEL_ASSERT(keel_wire_put_envelope(e, frame, sizeof frame, &len) == KEEL_OK);
    zmq_send(d->out, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(d->out, frame, len, 0);
}

static void send_beat(door *d, const char *who)
{
    uint8_t payload[4096];
    char topic[64];
    keel_heartbeat beat = {.state = KEEL_STATE_RUNNING, .pid = 1, .lockstep = d->cfg.lockstep};
    keel_envelope e = {.type = KEEL_PAYLOAD_HEARTBEAT, .payload = payload};
    snprintf(beat.service, sizeof beat.service, "%s", who);
    snprintf(topic, sizeof topic, "v1.hb.%s.", who);
    beat.step_done = strcmp(who, "feed") == 0 ? d->row : 0;
    KEEL_ASSERT(keel_wire_put_heartbeat(&beat, payload, sizeof payload, &e.payload_len) == KEEL_OK);
    send_frame(d, topic, &e, who);
}

static void send_universe(door *d)
{
    uint8_t payload[8192];
    const keel_universe_state state = {&d->universe, KEEL_NS_PER_H};
    keel_envelope e = {.type = KEEL_PAYLOAD_UNIVERSE_STATE, .payload = payload, .step = 1};
    KEEL_ASSERT(keel_wire_put_universe_state(&state, payload, sizeof payload, &e.payload_len) ==
                KEEL_OK);
    send_frame(d, "v1.universe.main.", &e, "feed");
}

static double plain_price(int instrument, uint64_t step)
{
    return 100.0 * (instrument + 1) + (double)(step % 50);
}

static void send_row(door *d, uint64_t step)
{
    uint8_t payload[4096];
    int64_t units[4][DOOR_INSTRUMENTS];
    double (*price)(int, uint64_t) = d->cfg.price != NULL ? d->cfg.price : plain_price;
    keel_bar_row row = {.universe_hash = d->universe.hash,
                        .close_ns = (int64_t)step * KEEL_NS_PER_H,
                        .bar_ns = KEEL_NS_PER_H,
                        .n = DOOR_INSTRUMENTS,
                        .close_units = units[0],
                        .open_units = units[1],
                        .high_units = units[2],
                        .low_units = units[3]};
    keel_envelope e = {
        .type = KEEL_PAYLOAD_BAR_ROW, .payload = payload, .step = step, .event_ns = row.close_ns};
    for (int i = 0; i < DOOR_INSTRUMENTS; i++) {
        KEEL_ASSERT(keel_units_of_real(price(i, step), 8, &units[0][i]) == KEEL_OK);
        units[1][i] = units[2][i] = units[3][i] = units[0][i];
        row.missing += units[0][i] == 0;
    }
    if (step == 1)
        send_universe(d);
    KEEL_ASSERT(keel_wire_put_bar_row(&row, payload, sizeof payload, &e.payload_len) == KEEL_OK);
    d->counts.rows++;
    if (d->knobs.drop_rows > 0)
        d->knobs.drop_rows--;
    else
        send_frame(d, "v1.row.1h.main.", &e, "feed");
}

static void send_ack(door *d, const client *c)
{
    uint8_t payload[1024];
    char topic[128];
    keel_ack ack = {.epoch_ns = c->epoch_ns, .seq = c->seq, .closed_step = d->counts.closed};
    keel_envelope e = {.type = KEEL_PAYLOAD_ACK, .payload = payload};
    const int undecided = d->receipts_n - d->decided_n;
    ack.credit = undecided < (int)d->knobs.credit ? d->knobs.credit - (uint32_t)undecided : 0;
    snprintf(ack.strategy, sizeof ack.strategy, "%s", c->name);
    if (d->knobs.refusal != KEEL_REASON_UNSPECIFIED)
        keel_reason_set(&ack.refusal, d->knobs.refusal, "so the test says");
    if (d->knobs.newer_epoch > 0)
        ack.epoch_ns = d->knobs.newer_epoch;
    if (d->knobs.drop_acks > 0) {
        d->knobs.drop_acks--;
        return;
    }
    snprintf(topic, sizeof topic, "v1.ack.%s.", c->name);
    KEEL_ASSERT(keel_wire_put_ack(&ack, payload, sizeof payload, &e.payload_len) == KEEL_OK);
    send_frame(d, topic, &e, "strategy-coordinator");
}

static void send_decision(door *d, const door_receipt *r, uint64_t duplicate_of)
{
    static __thread uint8_t payload[8192];
    keel_decision decision = {.epoch_ns = r->signal.epoch_ns,
                              .seq = r->signal.seq,
                              .decision_seq = ++d->decision_seq,
                              .accepted = r->accepted,
                              .side = r->signal.side,
                              .policy = KEEL_CONFLICT_FIRST_IN_FIRST_OUT,
                              .route = r->accepted ? KEEL_ROUTE_MARKET_NEXT_ROW : KEEL_ROUTE_NONE,
                              .duplicate_of = duplicate_of};
    keel_envelope e = {.type = KEEL_PAYLOAD_DECISION,
                       .payload = payload,
                       .step = r->decided_step,
                       .index = (uint32_t)d->decision_seq};
    memcpy(decision.strategy, r->signal.strategy, sizeof decision.strategy);
    memcpy(decision.signal_id, r->signal.signal_id, sizeof decision.signal_id);
    memcpy(decision.symbol, r->signal.symbol, sizeof decision.symbol);
    keel_reason_set(&decision.reason, r->accepted ? KEEL_REASON_ACCEPTED : KEEL_REASON_DUPLICATE,
                    "so the test says");
    KEEL_ASSERT(keel_wire_put_decision(&decision, payload, sizeof payload, &e.payload_len) ==
                KEEL_OK);
    send_frame(d, "v1.decision.main.", &e, "strategy-coordinator");
}

static void send_states(door *d)
{
    static __thread uint8_t payload[16384];
    const double weights[] = {0.5, 0.25, 0.25};
    const int64_t prices[] = {100, 200, 300};
    keel_approved_allocation a = {.portfolio = "main",
                                  .book = "core",
                                  .universe_hash = d->universe.hash,
                                  .method = KEEL_METHOD_STATIC,
                                  .n = DOOR_INSTRUMENTS,
                                  .weights = weights,
                                  .box_lower = weights,
                                  .box_upper = weights,
                                  .equity_micros = 1000000,
                                  .account_frac = 1.0,
                                  .price_units = prices,
                                  .scale_frac = 1.0,
                                  .proposal_hash = 5};
    const keel_book book = {.book = "core",
                            .cash_micros = 1000000,
                            .equity_micros = 1000000,
                            .share_frac = 1.0,
                            .scale_frac = 1.0};
    const keel_portfolio_state p = {.portfolio = "main",
                                    .universe_hash = d->universe.hash,
                                    .as_of_ns = KEEL_NS_PER_H,
                                    .cash_micros = 1000000,
                                    .equity_micros = 1000000,
                                    .peak_equity_micros = 1000000,
                                    .books_n = 1,
                                    .books = &book,
                                    .initial_micros = 1000000};
    keel_envelope e = {.payload = payload, .step = d->row};
    keel_reason_set(&a.reason, KEEL_REASON_VERIFIED, "so the test says");
    e.type = KEEL_PAYLOAD_APPROVED_ALLOCATION;
    KEEL_ASSERT(keel_wire_put_approved_allocation(&a, payload, sizeof payload, &e.payload_len) ==
                KEEL_OK);
    send_frame(d, "v1.alloc.approved.main.", &e, "risk");
    send_frame(d, "v1.alloc.approved.main.", &e, "risk"); /* a repeat */
    e.type = KEEL_PAYLOAD_PORTFOLIO_STATE;
    KEEL_ASSERT(keel_wire_put_portfolio_state(&p, payload, sizeof payload, &e.payload_len) ==
                KEEL_OK);
    send_frame(d, "v1.portfolio.main.", &e, "ledger");
}

/* ---- the coordinator ---- */

static client *client_of(door *d, const char *name)
{
    for (int i = 0; i < d->clients_n; i++)
        if (strcmp(d->clients[i].name, name) == 0)
            return &d->clients[i];
    KEEL_ASSERT(d->clients_n < DOOR_STRATEGIES);
    client *c = &d->clients[d->clients_n++];
    snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

static void decide_all(door *d, uint64_t step)
{
    for (; d->decided_n < d->receipts_n && !d->knobs.undecided; d->decided_n++) {
        door_receipt *r = &d->receipts[d->decided_n];
        uint64_t first = 0;
        for (int i = 0; i < d->decided_n && first == 0; i++)
            if (strcmp(d->receipts[i].signal.signal_id, r->signal.signal_id) == 0 &&
                strcmp(d->receipts[i].signal.strategy, r->signal.strategy) == 0)
                first = (uint64_t)i + 1;
        r->accepted = first == 0;
        r->decided_step = step;
        send_decision(d, r, first);
    }
}

/* Every strategy that is waited for has ended the open step. */
static bool all_ended(door *d)
{
    char names[128], *rest = names;
    snprintf(names, sizeof names, "%s", d->cfg.expects != NULL ? d->cfg.expects : "");
    for (const char *name; (name = strsep(&rest, ",")) != NULL;)
        if (name[0] != '\0') {
            const client *c = client_of(d, name);
            if (c->step_end < d->row || c->seq < c->mark)
                return false;
        }
    return true;
}

static void close_steps(door *d)
{
    if (!d->cfg.lockstep || d->row == 0 || d->counts.closed >= d->row || !all_ended(d))
        return;
    decide_all(d, d->row);
    d->counts.closed = d->row;
    for (int i = 0; i < d->clients_n; i++)
        send_ack(d, &d->clients[i]);
    if (d->cfg.rows_max == 0 || d->row < d->cfg.rows_max)
        send_row(d, ++d->row);
}

static void on_hello(door *d, const keel_envelope *e)
{
    keel_hello hello;
    KEEL_ASSERT(keel_wire_get_hello(&d->arena, e->payload, e->payload_len, &hello) == KEEL_OK);
    client *c = client_of(d, hello.strategy);
    d->counts.hellos++;
    if (hello.epoch_ns > c->epoch_ns) {
        const client fresh = {.epoch_ns = hello.epoch_ns};
        char name[KEEL_NAME_MAX];
        memcpy(name, c->name, sizeof name);
        *c = fresh;
        memcpy(c->name, name, sizeof name);
    }
    send_ack(d, c);
}

static void on_signal(door *d, const keel_envelope *e)
{
    keel_signal signal;
    d->counts.signals++;
    if (keel_wire_get_signal(&d->arena, e->payload, e->payload_len, &signal) != KEEL_OK) {
        d->counts.garbled++;
        return;
    }
    client *c = client_of(d, signal.strategy);
    const bool same = strcmp(e->id.source, signal.strategy) == 0 && e->id.seq == signal.seq &&
                      e->id.epoch_ns == signal.epoch_ns;
    if (!same)
        d->counts.garbled++;
    if (same && signal.epoch_ns == c->epoch_ns && signal.seq == c->seq + 1 &&
        d->receipts_n - d->decided_n < (int)d->knobs.credit && d->receipts_n < DOOR_RECEIPTS) {
        d->receipts[d->receipts_n++].signal = signal;
        c->seq++;
        if (!d->cfg.lockstep)
            decide_all(d, d->row + 1);
    }
    send_ack(d, c);
}

static void on_step(door *d, const keel_envelope *e)
{
    keel_step_end end;
    KEEL_ASSERT(keel_wire_get_step_end(&d->arena, e->payload, e->payload_len, &end) == KEEL_OK);
    client *c = client_of(d, e->id.source);
    d->counts.steps++;
    if (e->id.epoch_ns != c->epoch_ns || end.step <= c->step_end)
        return;
    c->step_end = end.step;
    c->mark = end.marks_n == 1 ? end.marks[0].count : 0;
}

static void on_resend(door *d, const keel_envelope *e)
{
    keel_resend r;
    KEEL_ASSERT(keel_wire_get_resend(&d->arena, e->payload, e->payload_len, &r) == KEEL_OK);
    KEEL_ASSERT(strcmp(r.publisher, "feed") == 0 && r.to_step - r.from_step < 64);
    d->counts.resends++;
    for (uint64_t step = r.from_step; step <= r.to_step && step <= d->row; step++)
        send_row(d, step);
}

static bool take_in(door *d)
{
    static __thread uint8_t frame[FRAME];
    char topic[KEEL_TOPIC_MAX];
    keel_envelope e;
    const int n = zmq_recv(d->in, topic, sizeof topic - 1, ZMQ_DONTWAIT);
    if (n < 0)
        return false;
    topic[n] = '\0';
    const int len = zmq_recv(d->in, frame, sizeof frame, 0);
    keel_arena_reset(&d->arena);
    KEEL_ASSERT(len > 0 && keel_wire_get_envelope(&d->arena, frame, (size_t)len, &e) == KEEL_OK);
    KEEL_ASSERT(strcmp(e.run_id, RUN) == 0);
    if (e.type == KEEL_PAYLOAD_RESEND)
        on_resend(d, &e);
    else if (d->knobs.deaf)
        return true;
    else if (e.type == KEEL_PAYLOAD_SIGNAL && d->knobs.drop_signals > 0)
        d->knobs.drop_signals--;
    else if (e.type == KEEL_PAYLOAD_SIGNAL)
        on_signal(d, &e);
    else if (e.type == KEEL_PAYLOAD_HELLO)
        on_hello(d, &e);
    else if (e.type == KEEL_PAYLOAD_STEP_END)
        on_step(d, &e);
    return true;
}

/* ---- the door ---- */

static void bind_all(door *d)
{
    char endpoint[128];
    const keel_socket_cfg cfg = {.hwm = 8192,
                                 .msg_bytes_max = KEEL_MSG_BYTES_INSIDE,
                                 .verbose = true,
                                 .welcome = "v1.welcome.relay.",
                                 .server_secret = d->server_secret,
                                 .zap_domain = "test"};
    d->out = keel_socket_new(d->ctx, ZMQ_XPUB, &cfg, NULL);
    d->in = keel_socket_new(d->ctx, ZMQ_SUB, &cfg, NULL);
    zmq_setsockopt(d->in, ZMQ_SUBSCRIBE, "", 0);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/door-out.sock", d->dir);
    KEEL_ASSERT(keel_socket_bind(d->out, endpoint, NULL) == KEEL_OK);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/door-in.sock", d->dir);
    KEEL_ASSERT(keel_socket_bind(d->in, endpoint, NULL) == KEEL_OK);
}

static void take_subscriptions(door *d)
{
    char message[KEEL_TOPIC_MAX + 1];
    for (int n; (n = zmq_recv(d->out, message, sizeof message - 1, ZMQ_DONTWAIT)) > 0;) {
        message[n] = '\0';
        if (message[0] != 1 || d->row == 0)
            continue;
        if (strncmp("v1.universe.main.", message + 1, (size_t)n - 1) == 0 &&
            !d->knobs.forget_universe)
            send_universe(d);
        if (strncmp("v1.row.1h.main.", message + 1, (size_t)n - 1) == 0)
            send_row(d, d->row);
    }
}

static void turn(door *d)
{
    if (d->restarts) {
        zmq_close(d->out);
        zmq_close(d->in);
        bind_all(d);
        d->restarts = false;
    }
    if (d->knobs.mute)
        return;
    take_subscriptions(d);
    for (; d->rows_wanted > 0; d->rows_wanted--)
        send_row(d, ++d->row);
    while (take_in(d))
        ;
    close_steps(d);
    if (!d->cfg.lockstep)
        decide_all(d, d->row + 1);
    if (d->allocates)
        send_states(d);
    d->allocates = false;
    if (now_ns() - d->beat_ns >= 100 * KEEL_NS_PER_MS) {
        d->beat_ns = now_ns();
        send_beat(d, "relay");
        send_beat(d, "feed");
        for (int i = 0; i < d->clients_n && !d->knobs.deaf; i++)
            send_ack(d, &d->clients[i]);
    }
}

static void *run(void *arg)
{
    door *d = arg;
    for (bool ends = false; !ends;) {
        zmq_pollitem_t items[] = {{d->in, 0, ZMQ_POLLIN, 0}, {d->out, 0, ZMQ_POLLIN, 0}};
        zmq_poll(items, 2, 5);
        pthread_mutex_lock(&d->lock);
        if (d->knobs.mute)
            usleep(2000);
        turn(d);
        ends = d->ends;
        pthread_mutex_unlock(&d->lock);
    }
    zmq_close(d->out);
    zmq_close(d->in);
    return NULL;
}

/* ---- what tests call ---- */

static void write_lines(const door *d, const char *name, const char *first, const char *second)
{
    char path[128];
    snprintf(path, sizeof path, "%s/keys/%s", d->dir, name);
    FILE *to = fopen(path, "w");
    KEEL_ASSERT(to != NULL);
    fprintf(to, "%s\n%s\n", first, second);
    fclose(to);
}

void door_key(const door *d, const char *name)
{
    char public_key[41], secret_key[41], file[96];
    KEEL_ASSERT(zmq_curve_keypair(public_key, secret_key) == 0);
    snprintf(file, sizeof file, "%s.secret", name);
    write_lines(d, file, public_key, secret_key);
}

static void make_universe(keel_universe *u)
{
    static const char *const symbols[] = {"AAA-SIM", "BBB-SIM", "CCC-SIM"};
    snprintf(u->id, sizeof u->id, "main");
    u->n = DOOR_INSTRUMENTS;
    for (int i = 0; i < u->n; i++) {
        keel_instrument *it = &u->instruments[i];
        snprintf(it->symbol, sizeof it->symbol, "%s", symbols[i]);
        snprintf(it->currency, sizeof it->currency, "USD");
        it->price_exp = it->qty_exp = 8;
        it->lot_units = 1;
        it->session = KEEL_SESSION_CONTINUOUS;
    }
    KEEL_ASSERT(keel_universe_seal(u, NULL) == KEEL_OK);
}

door *door_start(const door_cfg *cfg)
{
    char keys[96];
    door *d = keel_xcalloc(1, sizeof *d);
    d->cfg = *cfg;
    d->knobs.credit = KEEL_OUTBOX_MAX;
    d->rows_wanted = cfg->lockstep && cfg->rows > 1 ? 1 : cfg->rows;
    d->receipts = keel_xcalloc(DOOR_RECEIPTS, sizeof *d->receipts);
    keel_arena_init(&d->arena, ARENA);
    make_universe(&d->universe);
    snprintf(d->dir, sizeof d->dir, "/tmp/keel-door-XXXXXX");
    KEEL_ASSERT(mkdtemp(d->dir) != NULL);
    snprintf(keys, sizeof keys, "%s/keys", d->dir);
    KEEL_ASSERT(mkdir(keys, 0700) == 0);
    KEEL_ASSERT(zmq_curve_keypair(d->server_public, d->server_secret) == 0);
    write_lines(d, "door.public", d->server_public, "");
    d->ctx = zmq_ctx_new();
    bind_all(d);
    pthread_mutex_init(&d->lock, NULL);
    KEEL_ASSERT(pthread_create(&d->thread, NULL, run, d) == 0);
    return d;
}

void door_stop(door **door_at)
{
    door *d = *door_at;
    char command[128];
    pthread_mutex_lock(&d->lock);
    d->ends = true;
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    zmq_ctx_term(d->ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", d->dir);
    KEEL_ASSERT(system(command) == 0);
    pthread_mutex_destroy(&d->lock);
    keel_arena_fini(&d->arena);
    keel_free(&d->receipts);
    keel_free(door_at);
}

const char *door_dir(const door *d)
{
    return d->dir;
}

void door_set(door *d, const door_knobs *knobs)
{
    pthread_mutex_lock(&d->lock);
    d->knobs = *knobs;
    pthread_mutex_unlock(&d->lock);
}

door_knobs door_get(door *d)
{
    pthread_mutex_lock(&d->lock);
    const door_knobs knobs = d->knobs;
    pthread_mutex_unlock(&d->lock);
    return knobs;
}

door_counts door_count(door *d)
{
    pthread_mutex_lock(&d->lock);
    const door_counts counts = d->counts;
    pthread_mutex_unlock(&d->lock);
    return counts;
}

int door_receipts(door *d, door_receipt *out, int max)
{
    pthread_mutex_lock(&d->lock);
    const int n = d->receipts_n < max ? d->receipts_n : max;
    memcpy(out, d->receipts, (size_t)n * sizeof *out);
    pthread_mutex_unlock(&d->lock);
    return n;
}

void door_publish_rows(door *d, uint64_t n)
{
    pthread_mutex_lock(&d->lock);
    d->rows_wanted += n;
    pthread_mutex_unlock(&d->lock);
}

void door_kick(door *d)
{
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < d->clients_n; i++)
        d->clients[i].step_end = d->clients[i].mark = 0;
    pthread_mutex_unlock(&d->lock);
}

void door_restart(door *d)
{
    pthread_mutex_lock(&d->lock);
    d->restarts = true;
    pthread_mutex_unlock(&d->lock);
}

void door_allocate(door *d)
{
    pthread_mutex_lock(&d->lock);
    d->allocates = true;
    pthread_mutex_unlock(&d->lock);
}
