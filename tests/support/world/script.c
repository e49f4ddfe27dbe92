#include "tests/support/world/script.h"

#include "common/base/assert.h"
#include "common/base/rng.h"
#include "common/base/timefmt.h"
#include "common/wire/wire.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 4 << 20, RESEND_STEPS = 64 };

static bool is_lockstep(const keel_script *s)
{
    return s->run->settings.mode == KEEL_MODE_LOCKSTEP;
}

static void subscribe(keel_script *s, keel_topic topic, const char *key)
{
    char text[KEEL_TOPIC_MAX];
    const keel_settings *set = &s->run->settings;
    const keel_topic_keys keys = {set->bar, set->universe, set->portfolio, key};
    KEEL_ASSERT(keel_topic_make(topic, &keys, text) == KEEL_OK);
    s->bus.ops->subscribe(s->bus.self, text);
}

void keel_script_start(keel_script *s, keel_host *host, const keel_run *run, int64_t epoch_ns)
{
    s->host = host;
    s->run = run;
    s->epoch_ns = epoch_ns;
    s->next_row = is_lockstep(s) ? 1 : 0;
    s->heard_row = 0;
    s->outbox = keel_outbox_new(s->strategy, epoch_ns);
    if (s->arena.base == NULL) {
        keel_arena_init(&s->arena, ARENA_BYTES);
        s->said = keel_xcalloc(KEEL_SCRIPT_SAID_MAX, sizeof *s->said);
    }
    keel_host_outsider(host, s->port, &s->bus);
    subscribe(s, KEEL_TOPIC_ROW, NULL);
    subscribe(s, KEEL_TOPIC_ACK, s->strategy);
}

void keel_script_kill(keel_script *s)
{
    keel_outbox_free(&s->outbox);
}

bool keel_script_is_up(const keel_script *s)
{
    return s->outbox != NULL;
}

void keel_script_free(keel_script *s)
{
    if (s->outbox != NULL)
        keel_script_kill(s);
    keel_arena_fini(&s->arena);
    keel_free(&s->said);
}

/* ---- sending ---- */

static void send(keel_script *s, keel_topic topic, const char *key, const keel_envelope *of)
{
    static uint8_t frame[16 << 10];
    char text[KEEL_TOPIC_MAX];
    size_t len = 0;
    keel_envelope e = *of;
    const keel_topic_keys keys = {.key = key};
    e.type = keel_topic_describe(topic)->payload;
    e.id.epoch_ns = s->epoch_ns;
    e.publish_ns = 1;
    snprintf(e.id.source, sizeof e.id.source, "%s", s->strategy);
    snprintf(e.run_id, sizeof e.run_id, "%s", s->run->settings.run_id);
    KEEL_ASSERT(keel_topic_make(topic, &keys, text) == KEEL_OK);
    KEEL_ASSERT(keel_wire_put_envelope(&e, frame, sizeof frame, &len) == KEEL_OK);
    s->bus.ops->publish(s->bus.self, text, frame, len);
}

static void send_item(keel_script *s, const keel_outbox_item *item)
{
    uint8_t payload[8 << 10];
    keel_envelope e = {.payload = payload, .id = {.seq = ++s->hellos}};
    if (item->kind == KEEL_OUTBOX_SEND_HELLO) {
        KEEL_ASSERT(keel_wire_put_hello(&item->hello, payload, sizeof payload, &e.payload_len) ==
                    KEEL_OK);
        send(s, KEEL_TOPIC_HELLO, s->strategy, &e);
    } else if (item->kind == KEEL_OUTBOX_SEND_SIGNAL) {
        e.id.seq = item->signal->seq;
        KEEL_ASSERT(keel_wire_put_signal(item->signal, payload, sizeof payload, &e.payload_len) ==
                    KEEL_OK);
        send(s, KEEL_TOPIC_SIGNAL, s->strategy, &e);
    } else {
        keel_step_end end = {.step = item->step, .marks_n = 1};
        const keel_topic_keys keys = {.key = s->strategy};
        e.step = item->step;
        end.marks[0].count = (uint32_t)item->mark;
        KEEL_ASSERT(keel_topic_make(KEEL_TOPIC_SIGNAL, &keys, end.marks[0].topic) == KEEL_OK);
        KEEL_ASSERT(keel_wire_put_step_end(&end, payload, sizeof payload, &e.payload_len) ==
                    KEEL_OK);
        send(s, KEEL_TOPIC_STEP, s->strategy, &e);
    }
}

static void ask_for_rows(keel_script *s)
{
    uint8_t payload[256];
    keel_resend r = {.from_step = s->next_row, .to_step = s->next_row + RESEND_STEPS - 1};
    keel_envelope e = {.payload = payload, .id = {.seq = ++s->hellos}};
    snprintf(r.publisher, sizeof r.publisher, "feed");
    snprintf(r.requester, sizeof r.requester, "%s", s->strategy);
    KEEL_ASSERT(keel_wire_put_resend(&r, payload, sizeof payload, &e.payload_len) == KEEL_OK);
    send(s, KEEL_TOPIC_RESEND, "feed", &e);
    s->asked_ns = keel_host_now_ns(s->host);
}

/* ---- what it says ---- */

static double price_of(const keel_script *s, const keel_bar_row *row, int i)
{
    return (double)row->close_units[i] / pow(10.0, s->run->universe->instruments[i].price_exp);
}

static void fill_signal(keel_script *s, keel_rng *rng, const keel_bar_row *row, uint64_t step,
                        keel_signal *out)
{
    const int i = (int)keel_rng_below(rng, (uint64_t)s->run->universe->n);
    const double price = price_of(s, row, i), away = 0.01 + 0.05 * keel_rng_uniform(rng);
    const int folly = (int)keel_rng_below(rng, 12);
    out->side = (keel_side)(KEEL_SIDE_LONG + (int)keel_rng_below(rng, 3));
    out->confidence_frac = keel_rng_uniform(rng);
    out->row_step = is_lockstep(s) ? step : 0;
    snprintf(out->symbol, sizeof out->symbol, "%s", s->run->universe->instruments[i].symbol);
    const double sign = out->side == KEEL_SIDE_SHORT ? -1.0 : 1.0;
    if (price > 0 && keel_rng_below(rng, 3) > 0) {
        out->stop = price * (1.0 - sign * away);
        out->target = price * (1.0 + sign * 2.0 * away);
    }
    if (folly == 0)
        snprintf(out->symbol, sizeof out->symbol, "NOBODY");
    else if (folly == 1)
        out->entry = price * 1.2;
    else if (folly == 2)
        out->valid_until_ns = 1;
    else if (folly == 3 && out->stop > 0)
        out->stop = price * (1.0 + sign * away);
}

static void speak(keel_script *s, const keel_bar_row *row, uint64_t step)
{
    keel_rng rng = keel_rng_seeded(s->seed * 1000003 + step);
    const int n = (int)keel_rng_below(&rng, 3);
    for (int i = 0; i < n; i++) {
        keel_signal signal = {.side = KEEL_SIDE_UNSPECIFIED};
        fill_signal(s, &rng, row, step, &signal);
        /* now and then an id that was used before */
        const uint64_t named = keel_rng_below(&rng, 15) == 0 && step > 3 ? step - 3 : step;
        snprintf(signal.signal_id, sizeof signal.signal_id, "%d-%d", (int)named, i);
        KEEL_ASSERT(s->said_n < KEEL_SCRIPT_SAID_MAX);
        keel_script_said *said = &s->said[s->said_n];
        if (keel_outbox_push(s->outbox, &signal, &said->seq) != KEEL_OK)
            continue;
        s->said_n++;
        said->epoch_ns = s->epoch_ns;
        memcpy(said->signal_id, signal.signal_id, sizeof said->signal_id);
    }
    if (is_lockstep(s))
        keel_outbox_close_step(s->outbox, step);
}

/* ---- what it hears ---- */

static void on_row(keel_script *s, const keel_envelope *e)
{
    keel_bar_row row;
    if (keel_wire_get_bar_row(&s->arena, e->payload, e->payload_len, &row) != KEEL_OK)
        return;
    if (!is_lockstep(s)) {
        if (e->step > s->heard_row)
            speak(s, &row, e->step);
        s->heard_row = e->step > s->heard_row ? e->step : s->heard_row;
        return;
    }
    if (e->step != s->next_row)
        return;
    /* P8: what the coordinator has closed already was said in an earlier life */
    if (e->step > keel_outbox_closed_step(s->outbox))
        speak(s, &row, e->step);
    s->next_row++;
    s->asked_ns = keel_host_now_ns(s->host);
}

static void on_ack(keel_script *s, const keel_ack *ack)
{
    (void)keel_outbox_on_ack(s->outbox, ack, keel_host_now_ns(s->host));
    const uint64_t acked = keel_outbox_acked_seq(s->outbox);
    for (int i = s->said_n - 1; i >= 0 && s->said[i].epoch_ns == s->epoch_ns && !s->said[i].acked;
         i--)
        s->said[i].acked = s->said[i].seq <= acked;
}

static void hear(keel_script *s)
{
    keel_bus_frame f;
    keel_topic which;
    keel_envelope e;
    keel_ack ack;
    while (s->bus.ops->receive(s->bus.self, &f) == KEEL_OK) {
        keel_arena_reset(&s->arena);
        if (keel_topic_find(f.topic, strlen(f.topic), &which) != KEEL_OK ||
            keel_wire_get_envelope(&s->arena, f.frame, f.len, &e) != KEEL_OK)
            continue;
        if (which == KEEL_TOPIC_ACK &&
            keel_wire_get_ack(&s->arena, e.payload, e.payload_len, &ack) == KEEL_OK)
            on_ack(s, &ack);
        else if (which == KEEL_TOPIC_ROW && keel_outbox_state_of(s->outbox) == KEEL_OUTBOX_SERVED)
            on_row(s, &e);
    }
}

void keel_script_turn(keel_script *s)
{
    keel_outbox_item item;
    const int64_t now_ns = keel_host_now_ns(s->host);
    if (!keel_script_is_up(s))
        return;
    hear(s);
    if (is_lockstep(s) && keel_outbox_state_of(s->outbox) == KEEL_OUTBOX_SERVED &&
        now_ns - s->asked_ns >= 100 * KEEL_NS_PER_MS)
        ask_for_rows(s);
    for (keel_outbox_next(s->outbox, now_ns, &item); item.kind != KEEL_OUTBOX_NOTHING;
         keel_outbox_next(s->outbox, now_ns, &item))
        send_item(s, &item);
}
