/* Clients behind a network that loses, repeats and reorders, a log that is away at times, and a
 * coordinator that dies: every signal of a client's last epoch becomes durable once, in order, with
 * its bytes, and nothing that was acknowledged is ever missing. */
#include "services/strategy-coordinator/intake.h"

#include "common/base/mem.h"
#include "common/base/rng.h"

#include <criterion/criterion.h>
#include <string.h>

enum {
    CLIENTS = 3,
    TARGET = 3000,
    FRAMES_MAX = 4096,
    LOG_MAX = 40000,
    WINDOW = 64,
    TURNS_MAX = 40000
};

static const keel_intake_strategy names[CLIENTS] = {
    {"c0", true, true}, {"c1", false, true}, {"c2", true, true}};

typedef enum kind { HELLO, SIGNAL, STEP_END } kind;

typedef struct frame {
    kind kind;
    int client;
    int64_t epoch_ns;
    uint64_t seq; /* or mark */
    uint64_t step;
    uint64_t value; /* of the signal: what the client says, renumbered with each epoch */
} frame;

/* What it has to say are the values 1..TARGET; in an epoch seq 1 is value `first`. */
typedef struct client {
    int64_t epoch_ns;
    uint64_t first;
    uint64_t acked;
    uint64_t sent;
    uint32_t credit;
    bool is_known; /* its epoch was acknowledged */
    int silent;    /* turns without progress */
} client;

typedef struct entry {
    int client;
    int64_t epoch_ns;
    uint64_t seq;
    uint64_t value;
} entry;

typedef struct net {
    keel_rng rng;
    keel_intake_desk *desk;
    client clients[CLIENTS];
    frame frames[FRAMES_MAX];
    int frames_n;
    entry log[LOG_MAX];
    int log_n;
    int taken_n[CLIENTS]; /* receipts had from the desk, all epochs */
    int64_t now_ns;
    int deaths;
    bool is_unsure; /* whether the log has the batch */
} net;

static bool chance(net *n, double p)
{
    return keel_rng_uniform(&n->rng) < p;
}

static void send(net *n, const frame *f)
{
    if (chance(n, 0.2))
        return;
    for (int copies = 1 + chance(n, 0.1); copies > 0 && n->frames_n < FRAMES_MAX; copies--)
        n->frames[n->frames_n++] = *f;
}

static uint64_t last_seq(const client *c)
{
    return TARGET - c->first + 1;
}

static void client_turn(net *n, int i)
{
    client *c = &n->clients[i];
    frame f = {.client = i, .epoch_ns = c->epoch_ns};
    if (!c->is_known)
        send(n, &f);
    if (++c->silent > 6) { /* go back */
        c->sent = c->acked;
        c->silent = 0;
    }
    f.kind = SIGNAL;
    const uint64_t window = c->credit < WINDOW ? c->credit : WINDOW;
    while (c->sent < last_seq(c) && c->sent < c->acked + window) {
        f.seq = ++c->sent;
        f.value = c->first + f.seq - 1;
        send(n, &f);
    }
    f.kind = STEP_END;
    f.step = 1 + c->acked;
    f.seq = c->sent;
    if (chance(n, 0.1))
        send(n, &f);
}

/* Its process died: what is not acknowledged is said again under a new epoch. */
static void begin_again(client *c)
{
    c->epoch_ns++;
    c->first += c->acked;
    c->acked = c->sent = 0;
    c->is_known = false;
    c->credit = KEEL_OUTBOX_MAX;
}

static void deliver(net *n, const frame *f)
{
    keel_intake_verdict verdict = KEEL_INTAKE_BAD;
    keel_hello said = {.epoch_ns = f->epoch_ns};
    memcpy(said.strategy, names[f->client].name, sizeof said.strategy);
    switch (f->kind) {
    case HELLO:
        verdict = keel_intake_on_hello(n->desk, &said, n->now_ns);
        break;
    case STEP_END:
        verdict = keel_intake_on_step_end(n->desk, said.strategy, f->epoch_ns, f->step,
                                          (uint32_t)f->seq, n->now_ns);
        break;
    case SIGNAL:
        verdict = keel_intake_on_signal(n->desk, said.strategy, f->epoch_ns, f->seq, n->now_ns);
        if (verdict == KEEL_INTAKE_TAKE)
            keel_intake_put(n->desk, 1, 0, NULL, (const uint8_t *)&f->value, sizeof f->value);
    }
    cr_assert(verdict != KEEL_INTAKE_BAD && verdict != KEEL_INTAKE_UNKNOWN);
}

/* As Redis does: an entry that is not after the last of its stream is there already. */
static void append(net *n, int i, const keel_receipt *receipt)
{
    for (int k = n->log_n - 1; k >= 0; k--) {
        if (n->log[k].client != i)
            continue;
        if (receipt->epoch_ns < n->log[k].epoch_ns ||
            (receipt->epoch_ns == n->log[k].epoch_ns && receipt->seq <= n->log[k].seq))
            return;
        break;
    }
    entry *to = &n->log[n->log_n++];
    cr_assert(n->log_n < LOG_MAX && receipt->signal_len == sizeof to->value);
    *to = (entry){.client = i, .epoch_ns = receipt->epoch_ns, .seq = receipt->seq};
    memcpy(&to->value, receipt->signal, sizeof to->value);
}

static int client_of(const char *strategy)
{
    return strategy[1] - '0';
}

static void write_log(net *n)
{
    keel_receipt receipt;
    const int batch = keel_intake_batch_n(n->desk);
    if (!n->is_unsure && chance(n, 0.05)) {
        keel_intake_abandon(n->desk);
        return;
    }
    for (int i = 0; i < batch; i++) {
        keel_intake_batch_at(n->desk, i, &receipt);
        append(n, client_of(receipt.strategy), &receipt);
    }
    n->is_unsure = batch > 0 && chance(n, 0.05); /* its answer is lost: it is written again */
    if (!n->is_unsure)
        keel_intake_commit(n->desk);
}

static void hear_acks(net *n)
{
    keel_ack ack;
    while (keel_intake_next_ack(n->desk, n->now_ns, &ack)) {
        client *c = &n->clients[client_of(ack.strategy)];
        uint64_t durable = 0;
        for (int k = 0; k < n->log_n; k++)
            if (n->log[k].client == client_of(ack.strategy) && n->log[k].epoch_ns == ack.epoch_ns)
                durable = n->log[k].seq;
        cr_assert_leq(ack.seq, durable, "acknowledged what the log has not");
        if (chance(n, 0.2) || ack.epoch_ns != c->epoch_ns ||
            ack.refusal.code != KEEL_REASON_UNSPECIFIED)
            continue;
        c->is_known = true;
        c->credit = ack.credit;
        if (ack.seq > c->acked) {
            c->acked = ack.seq;
            c->sent = c->sent > c->acked ? c->sent : c->acked;
            c->silent = 0;
        }
    }
}

/* What is had is what the log has, in its order, each once. */
static void decide(net *n)
{
    keel_receipt receipt;
    keel_intake chosen;
    if (chance(n, 0.5))
        keel_intake_choose(n->desk, 50, &chosen);
    else
        keel_intake_choose_arrived(n->desk, &(keel_intake_moment){1, 1, 0}, 50);
    while (keel_intake_next(n->desk, &receipt)) {
        const int i = client_of(receipt.strategy);
        int skip = n->taken_n[i]++, k = 0;
        while (n->log[k].client != i || skip-- > 0)
            cr_assert_lt(++k, n->log_n);
        cr_assert(n->log[k].epoch_ns == receipt.epoch_ns && n->log[k].seq == receipt.seq);
        cr_assert_eq(memcmp(receipt.signal, &n->log[k].value, sizeof n->log[k].value), 0);
    }
}

/* The coordinator dies and reads the log: decided is what was had. */
static void die(net *n)
{
    const keel_intake_cfg cfg = {"main", CLIENTS, names, 1 << 20};
    int seen[CLIENTS] = {0};
    keel_intake_free(&n->desk);
    n->desk = keel_intake_new(&cfg, NULL);
    for (int k = 0; k < n->log_n; k++) {
        const entry *e = &n->log[k];
        keel_receipt receipt = {.epoch_ns = e->epoch_ns,
                                .seq = e->seq,
                                .signal = (const uint8_t *)&e->value,
                                .signal_len = sizeof e->value};
        memcpy(receipt.strategy, names[e->client].name, sizeof receipt.strategy);
        if (seen[e->client]++ < n->taken_n[e->client])
            cr_assert_eq(keel_intake_on_top(n->desk, receipt.strategy, e->epoch_ns, e->seq),
                         KEEL_OK);
        else
            cr_assert_eq(keel_intake_on_stored_receipt(n->desk, &receipt, 0, 0), KEEL_OK);
    }
    keel_intake_open(n->desk);
    n->is_unsure = false;
    n->deaths++;
}

static bool is_over(const net *n)
{
    for (int i = 0; i < CLIENTS; i++)
        if (n->clients[i].acked < last_seq(&n->clients[i]))
            return false;
    return true;
}

/* Values come in order; the first of a later epoch is at most one after what was durable. */
static void check_log(const net *n)
{
    uint64_t last[CLIENTS] = {0};
    entry before[CLIENTS];
    memset(before, 0, sizeof before);
    for (int k = 0; k < n->log_n; k++) {
        const entry *e = &n->log[k];
        const entry *b = &before[e->client];
        if (b->epoch_ns == e->epoch_ns)
            cr_assert(e->seq == b->seq + 1 && e->value == b->value + 1);
        else
            cr_assert(e->seq == 1 && e->value <= last[e->client] + 1);
        if (e->value > last[e->client])
            last[e->client] = e->value;
        before[e->client] = *e;
    }
    for (int i = 0; i < CLIENTS; i++)
        cr_assert_eq(last[i], TARGET);
}

static void turn(net *n)
{
    n->now_ns += 10 * INT64_C(1000000);
    for (int i = 0; i < CLIENTS; i++) {
        client_turn(n, i);
        if (chance(n, 0.005))
            begin_again(&n->clients[i]);
    }
    for (int left = n->frames_n - (int)keel_rng_below(&n->rng, 8); left > 0; left--) {
        const int at = chance(n, 0.7) ? 0 : (int)keel_rng_below(&n->rng, (uint64_t)n->frames_n);
        const frame f = n->frames[at];
        memmove(n->frames + at, n->frames + at + 1, (size_t)(--n->frames_n - at) * sizeof f);
        deliver(n, &f);
    }
    write_log(n);
    hear_acks(n);
    decide(n);
    if (chance(n, 0.005))
        die(n);
}

Test(gobackn, loses_nothing_and_doubles_nothing, .timeout = 100)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        net *n = keel_xcalloc(1, sizeof *n);
        n->rng = keel_rng_seeded(seed);
        for (int i = 0; i < CLIENTS; i++)
            n->clients[i] = (client){.epoch_ns = 1, .first = 1, .credit = KEEL_OUTBOX_MAX};
        die(n);
        int turns = 0;
        for (; !is_over(n) && turns < TURNS_MAX; turns++)
            turn(n);
        cr_assert(is_over(n), "seed %d: stuck", (int)seed);
        check_log(n);
        cr_expect_gt(n->deaths, 1);
        while (keel_intake_pending(n->desk) > 0)
            decide(n);
        int taken = 0;
        for (int i = 0; i < CLIENTS; i++)
            taken += n->taken_n[i];
        cr_expect_eq(taken, n->log_n);
        keel_intake_free(&n->desk);
        keel_free(&n);
    }
}
