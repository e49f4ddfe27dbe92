/* Random schedules of loss, repetition, overtaking, and crashes on both sides, against a model of
 * the coordinator: nothing published is lost, nothing is accepted twice (G1, G3, G4, P8). */
#include "common/base/rng.h"
#include "common/client/outbox.h"
#include "common/client/outbox_file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WIRE_MAX = 512, TAKEN_MAX = 16384, SAID_MAX = 4096, STEPS = 12 };

#define MS INT64_C(1000000)

/* ---- a wire that loses, repeats and reorders ---- */

typedef struct message {
    keel_outbox_kind kind; /* NOTHING: an Ack */
    keel_signal signal;
    keel_hello hello;
    keel_ack ack;
    int64_t epoch_ns;
    uint64_t step, mark;
} message;

typedef struct wire {
    int n;
    int first;
    message messages[WIRE_MAX]; /* a ring */
} wire;

static keel_rng rng;
static int loss_percent;

static bool chance(int percent)
{
    return keel_rng_below(&rng, 100) < (uint64_t)percent;
}

static message *place(wire *w, int i)
{
    return &w->messages[(w->first + i) % WIRE_MAX];
}

static void transmit(wire *w, const message *m)
{
    for (int copies = 0; copies < 2; copies++)
        if (chance(loss_percent) == (copies == 1) && w->n < WIRE_MAX)
            *place(w, w->n++) = *m;
}

/* Any message mostly near the front: overtaking is common, but not the rule. */
static bool arrive(wire *w, message *m)
{
    if (w->n == 0)
        return false;
    const int window = w->n < 4 ? w->n : 4;
    const int at = loss_percent > 0 ? (int)keel_rng_below(&rng, (uint64_t)window) : 0;
    *m = *place(w, at);
    for (int i = at; i > 0; i--)
        *place(w, i) = *place(w, i - 1);
    w->first = (w->first + 1) % WIRE_MAX;
    w->n--;
    return true;
}

/* ---- the coordinator: receipts are durable, the rest is not ---- */

typedef struct taken {
    char id[KEEL_SIGNAL_ID_MAX];
    int64_t epoch_ns;
    uint64_t seq, step;
    bool accepted;
} taken;

typedef struct coordinator {
    int64_t epoch_ns; /* as the log tells: 0 after a crash without a receipt of it */
    uint64_t seq;
    int n, decided;
    taken log[TAKEN_MAX];
    uint64_t closed, ended, mark;
    uint32_t credit_most;
    bool lockstep;
} coordinator;

static wire to_coordinator, to_client;
static coordinator co;

static void send_ack(void)
{
    message m = {.kind = KEEL_OUTBOX_NOTHING};
    const uint32_t open = (uint32_t)(co.n - co.decided);
    strcpy(m.ack.strategy, "momentum");
    m.ack.epoch_ns = co.epoch_ns;
    m.ack.seq = co.seq;
    m.ack.credit = open < co.credit_most ? co.credit_most - open : 0;
    m.ack.closed_step = co.closed;
    transmit(&to_client, &m);
}

static void decide(int i, uint64_t step)
{
    taken *t = &co.log[i];
    t->accepted = true;
    t->step = step;
    for (int k = 0; k < i && t->accepted; k++)
        t->accepted = strcmp(co.log[k].id, t->id) != 0;
}

static void co_take(const message *m)
{
    if (m->kind == KEEL_OUTBOX_SEND_HELLO && m->hello.epoch_ns > co.epoch_ns) {
        co.epoch_ns = m->hello.epoch_ns;
        co.seq = co.ended = co.mark = 0;
    }
    if (m->kind == KEEL_OUTBOX_SEND_SIGNAL && m->epoch_ns == co.epoch_ns &&
        m->signal.seq == co.seq + 1 && co.n - co.decided < (int)co.credit_most) {
        taken *t = &co.log[co.n++];
        cr_assert_lt(co.n, TAKEN_MAX);
        strcpy(t->id, m->signal.signal_id);
        t->epoch_ns = m->epoch_ns;
        t->seq = ++co.seq;
    }
    if (m->kind == KEEL_OUTBOX_SEND_STEP && m->epoch_ns == co.epoch_ns && m->step > co.ended) {
        co.ended = m->step;
        co.mark = m->mark;
    }
    if (co.epoch_ns > 0)
        send_ack();
}

/* What is not in the log is gone: an epoch without a receipt, step ends. */
static void co_crash(void)
{
    co.epoch_ns = co.n > 0 ? co.log[co.n - 1].epoch_ns : 0;
    co.seq = co.n > 0 ? co.log[co.n - 1].seq : 0;
    co.ended = co.mark = 0;
    to_coordinator.n = to_client.n = 0;
}

static void co_work(uint64_t row)
{
    if (!co.lockstep && co.decided < co.n && chance(50))
        decide(co.decided++, 1);
    if (!co.lockstep || co.closed >= row || co.ended < row || co.seq < co.mark)
        return;
    while (co.decided < co.n)
        decide(co.decided++, row);
    co.closed = row;
    send_ack();
}

/* ---- the client ---- */

static keel_outbox *box;
static int64_t now;

static void send_due(void)
{
    keel_outbox_item item;
    for (;;) {
        keel_outbox_next(box, now, &item);
        message m = {.kind = item.kind, .epoch_ns = keel_outbox_epoch_ns(box)};
        if (item.kind == KEEL_OUTBOX_NOTHING)
            return;
        m.hello = item.hello;
        m.step = item.step;
        m.mark = item.mark;
        if (item.kind == KEEL_OUTBOX_SEND_SIGNAL)
            m.signal = *item.signal;
        transmit(&to_coordinator, &m);
    }
}

static void fill(keel_signal *s, const char *id)
{
    *s = (keel_signal){.side = KEEL_SIDE_FLAT, .epoch_ns = 1, .seq = 1};
    strcpy(s->strategy, "momentum");
    strcpy(s->symbol, "BTC-SIM");
    strcpy(s->signal_id, id);
}

static int times_accepted(const char *id, uint64_t *step)
{
    int n = 0;
    for (int i = 0; i < co.decided; i++)
        if (co.log[i].accepted && strcmp(co.log[i].id, id) == 0) {
            n++;
            if (step != NULL)
                *step = co.log[i].step;
        }
    return n;
}

static void begin_schedule(uint64_t seed, bool lockstep)
{
    rng = keel_rng_seeded(seed);
    loss_percent = (int)keel_rng_below(&rng, 40);
    to_coordinator.n = to_client.n = 0;
    memset(&co, 0, sizeof co);
    co.credit_most = 1 + (uint32_t)keel_rng_below(&rng, 60);
    co.lockstep = lockstep;
    now = 1000 * MS;
}

static void pass_time(void)
{
    now += (int64_t)keel_rng_below(&rng, 60) * MS;
}

/* ---- live, with an outbox file ---- */

static char path[] = "/tmp/keel-property-outbox-XXXXXX";
static char lock[64];
static keel_outbox_file *file;
static int said_n;

static void keep(void *arg, const keel_signal *signal)
{
    cr_assert_eq(keel_outbox_push(arg, signal, NULL), KEEL_OK);
}

static void client_start(int64_t epoch_ns)
{
    keel_err err = {0};
    box = keel_outbox_new("momentum", 1);
    file = keel_outbox_file_open(path, "momentum", keep, box, &err);
    cr_assert_not_null(file, "%s", err.text);
    if (epoch_ns <= keel_outbox_file_epoch_ns(file))
        epoch_ns = keel_outbox_file_epoch_ns(file) + 1;
    keel_outbox_begin(box, epoch_ns);
    cr_assert_eq(keel_outbox_file_begin(file, epoch_ns), KEEL_OK);
}

static void client_end(void)
{
    keel_outbox_free(&box);
    keel_outbox_file_close(&file);
}

static off_t size_of(void)
{
    struct stat facts;
    cr_assert_eq(stat(path, &facts), 0);
    return facts.st_size;
}

/* Publish; true when the client lives on. Killed in the middle of the write, it leaves a cut record
 * and the signal counts as never published. */
static bool client_publish(bool killed)
{
    keel_signal s;
    char id[32];
    if (keel_outbox_waiting(box) == KEEL_OUTBOX_MAX || said_n == SAID_MAX)
        return true;
    snprintf(id, sizeof id, "s%d", said_n);
    fill(&s, id);
    const off_t before = size_of();
    cr_assert_eq(keel_outbox_file_put(file, &s), KEEL_OK);
    if (killed) {
        const off_t cut = (off_t)keel_rng_below(&rng, (uint64_t)(size_of() - before));
        cr_assert_eq(truncate(path, before + cut), 0);
        return false;
    }
    said_n++;
    cr_assert_eq(keel_outbox_push(box, &s, NULL), KEEL_OK);
    return true;
}

static void client_hear(void)
{
    message m;
    while (chance(97) && arrive(&to_client, &m)) {
        const uint64_t acked = keel_outbox_acked_seq(box);
        const unsigned changed = keel_outbox_on_ack(box, &m.ack, now);
        cr_assert_eq(changed & (KEEL_OUTBOX_NOW_SUPERSEDED | KEEL_OUTBOX_EPOCH_USED), 0u);
        if ((changed & KEEL_OUTBOX_PROGRESS) != 0)
            cr_assert_eq(keel_outbox_file_drop(file, m.ack.seq - acked), KEEL_OK);
    }
}

static void client_restart(void)
{
    client_end();
    to_client.n = 0; /* its sockets are gone; what it sent may still arrive */
    client_start(now / MS);
}

static void live_turn(bool calm)
{
    message m;
    pass_time();
    if (!calm)
        for (int i = (int)keel_rng_below(&rng, 8); i > 0; i--)
            if (!client_publish(chance(2))) {
                client_restart();
                break;
            }
    if (!calm && chance(3))
        client_restart();
    if (!calm && chance(3))
        co_crash();
    send_due();
    while (chance(97) && arrive(&to_coordinator, &m))
        co_take(&m);
    co_work(0);
    client_hear();
}

Test(outbox_property, live_with_a_file_loses_nothing_and_nothing_counts_twice, .timeout = 300)
{
    const int schedules = getenv("KEEL_LONG") != NULL ? 3000 : 80;
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    snprintf(lock, sizeof lock, "%s.lock", path);
    uint64_t all = 0;
    for (int seed = 1; seed <= schedules; seed++) {
        begin_schedule((uint64_t)seed, false);
        unlink(path);
        said_n = 0;
        client_start(now / MS);
        for (int i = 0; i < 300; i++)
            live_turn(false);
        for (int i = 0; i < 60000 && (keel_outbox_waiting(box) > 0 || co.decided < co.n); i++)
            live_turn(true);
        cr_assert_eq(keel_outbox_waiting(box), 0, "seed %d: stuck with %d waiting", seed,
                     keel_outbox_waiting(box));
        for (int i = 0; i < said_n; i++) {
            char id[32];
            snprintf(id, sizeof id, "s%d", i);
            cr_assert_eq(times_accepted(id, NULL), 1, "seed %d: %s accepted %d times", seed, id,
                         times_accepted(id, NULL));
        }
        all += (uint64_t)said_n;
        client_end();
    }
    unlink(path);
    unlink(lock);
    cr_assert_gt(all, (uint64_t)schedules * 100);
    fprintf(stderr, "%llu signals in %d schedules\n", (unsigned long long)all, schedules);
}

/* ---- lockstep: a restarted client begins with row 1 and derives the same again ---- */

static uint64_t row, read_to;
static bool served;

static int signals_of(uint64_t step)
{
    return (int)(step * 7 % 5);
}

static void lockstep_start(int64_t epoch_ns)
{
    keel_outbox_free(&box);
    box = keel_outbox_new("momentum", epoch_ns);
    read_to = 0;
    served = false;
}

/* Read one row, say what follows from it, close its step. */
static void lockstep_read(void)
{
    keel_signal s;
    char id[32];
    if (!served || read_to >= row)
        return;
    const uint64_t step = ++read_to;
    const uint64_t acked = keel_outbox_closed_step(box);
    const uint64_t closed = row > acked + 1 ? row - 1 : acked;
    keel_outbox_closed(box, step - 1);
    for (int i = 1; i <= signals_of(step) && step > closed; i++) {
        snprintf(id, sizeof id, "%llu-%d", (unsigned long long)step, i);
        fill(&s, id);
        cr_assert_eq(keel_outbox_push(box, &s, NULL), KEEL_OK);
    }
    if (step > closed)
        keel_outbox_close_step(box, step);
}

static void lockstep_turn(void)
{
    message m;
    pass_time();
    if (chance(3)) {
        to_client.n = 0;
        lockstep_start(now / MS);
    }
    if (chance(3))
        co_crash();
    lockstep_read();
    send_due();
    while (chance(97) && arrive(&to_coordinator, &m))
        co_take(&m);
    co_work(row);
    if (co.closed == row && row < STEPS)
        row++;
    while (chance(97) && arrive(&to_client, &m))
        served = (keel_outbox_on_ack(box, &m.ack, now) & KEEL_OUTBOX_NOW_SERVED) != 0 || served;
}

Test(outbox_property, lockstep_decides_each_signal_once_in_its_own_step, .timeout = 300)
{
    const int schedules = getenv("KEEL_LONG") != NULL ? 5000 : 200;
    for (int seed = 1; seed <= schedules; seed++) {
        begin_schedule((uint64_t)seed + 1000000, true);
        co.credit_most = KEEL_OUTBOX_MAX;
        row = 1;
        lockstep_start(now / MS);
        for (int i = 0; i < 100000 && co.closed < STEPS; i++)
            lockstep_turn();
        cr_assert_eq(co.closed, STEPS, "seed %d: stuck at %llu", seed,
                     (unsigned long long)co.closed);
        for (uint64_t step = 1; step <= STEPS; step++)
            for (int i = 1; i <= signals_of(step); i++) {
                char id[32];
                uint64_t in = 0;
                snprintf(id, sizeof id, "%llu-%d", (unsigned long long)step, i);
                cr_assert_eq(times_accepted(id, &in), 1, "seed %d: %s", seed, id);
                cr_assert_eq(in, step, "seed %d: %s decided in %llu", seed, id,
                             (unsigned long long)in);
            }
    }
    keel_outbox_free(&box);
}
