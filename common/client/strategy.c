#include "common/client/strategy.h"

#include "common/base/assert.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/client/strategy_internal.h"
#include "common/wire/wire.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    ARENA_BYTES = 8 << 20, /* the largest state that is read: positions of every book */
    CONTROL_ARENA_BYTES = 256 << 10,
    PAYLOAD_BYTES = 6 << 10, /* of what is sent */
    MOST_IN_A_TURN = 256,    /* acknowledgements read before anything is told */
};

#define ROOM_NS KEEL_NS_PER_S /* how long publish waits for room */

/* ---- out ---- */

void strategy_send(keel_strategy *s, keel_topic topic, const char *key, keel_envelope *e)
{
    char text[KEEL_TOPIC_MAX];
    const keel_topic_keys keys = {.key = key};
    memcpy(e->id.source, s->name, sizeof s->name);
    e->id.epoch_ns = keel_outbox_epoch_ns(s->outbox);
    if (e->id.seq == 0)
        e->id.seq = ++s->control_seq;
    if (keel_topic_make(topic, &keys, text) != KEEL_OK || link_send(&s->link, text, e) != KEEL_OK)
        s->link.dropped++;
}

static void send_hello(keel_strategy *s, const keel_hello *hello)
{
    uint8_t payload[PAYLOAD_BYTES];
    keel_envelope e = {.type = KEEL_PAYLOAD_HELLO, .payload = payload};
    if (keel_wire_put_hello(hello, payload, sizeof payload, &e.payload_len) == KEEL_OK)
        strategy_send(s, KEEL_TOPIC_HELLO, s->name, &e);
}

static void send_signal(keel_strategy *s, const keel_signal *signal)
{
    uint8_t payload[PAYLOAD_BYTES];
    keel_envelope e = {.type = KEEL_PAYLOAD_SIGNAL, .payload = payload, .event_ns = s->event_ns};
    e.id.seq = signal->seq;
    if (strlen(signal->signal_id) < sizeof e.trace_id)
        memcpy(e.trace_id, signal->signal_id, sizeof e.trace_id);
    KEEL_ASSERT(keel_wire_put_signal(signal, payload, sizeof payload, &e.payload_len) == KEEL_OK);
    strategy_send(s, KEEL_TOPIC_SIGNAL, s->name, &e);
}

static void send_step_end(keel_strategy *s, uint64_t step, uint64_t mark)
{
    uint8_t payload[PAYLOAD_BYTES];
    keel_step_end end = {.step = step, .marks_n = 1, .close_ns = s->event_ns};
    keel_envelope e = {
        .type = KEEL_PAYLOAD_STEP_END, .payload = payload, .step = step, .event_ns = s->event_ns};
    const keel_topic_keys keys = {.key = s->name};
    end.marks[0].count = (uint32_t)mark;
    if (keel_topic_make(KEEL_TOPIC_SIGNAL, &keys, end.marks[0].topic) == KEEL_OK &&
        keel_wire_put_step_end(&end, payload, sizeof payload, &e.payload_len) == KEEL_OK)
        strategy_send(s, KEEL_TOPIC_STEP, s->name, &e);
}

/* All that may be sent now. A signal leaves only after its file is on the disk. */
static keel_status send_due(keel_strategy *s, int64_t now_ns)
{
    keel_outbox_item item;
    if (s->broken)
        return KEEL_EIO;
    if (!s->link.sends_joined)
        return KEEL_OK;
    for (;;) {
        keel_outbox_next(s->outbox, now_ns, &item);
        switch (item.kind) {
        case KEEL_OUTBOX_NOTHING:
            return KEEL_OK;
        case KEEL_OUTBOX_SEND_HELLO:
            send_hello(s, &item.hello);
            break;
        case KEEL_OUTBOX_SEND_SIGNAL:
            s->broken = s->sync && keel_outbox_file_sync(s->file) != KEEL_OK;
            if (s->broken)
                return KEEL_EIO;
            send_signal(s, item.signal);
            break;
        case KEEL_OUTBOX_SEND_STEP:
            send_step_end(s, item.step, item.mark);
            break;
        }
    }
}

/* ---- control in ---- */

static void tell(keel_strategy *s, keel_event_kind kind)
{
    s->news |= 1u << kind;
}

static keel_status begin_epoch(keel_strategy *s, int64_t epoch_ns)
{
    keel_outbox_begin(s->outbox, epoch_ns);
    memset(s->decided, 0, sizeof s->decided);
    return s->file != NULL ? keel_outbox_file_begin(s->file, epoch_ns) : KEEL_OK;
}

static void on_ack(keel_strategy *s, const keel_envelope *e, int64_t now_ns)
{
    keel_ack ack;
    if (keel_wire_get_ack(&s->control_arena, e->payload, e->payload_len, &ack) != KEEL_OK) {
        s->link.dropped++;
        return;
    }
    const uint64_t acked = keel_outbox_acked_seq(s->outbox);
    const unsigned changed = keel_outbox_on_ack(s->outbox, &ack, now_ns);
    if ((changed & KEEL_OUTBOX_EPOCH_USED) != 0) {
        s->broken = begin_epoch(s, keel_outbox_epoch_ns(s->outbox) + 1) != KEEL_OK;
        return;
    }
    if ((changed & KEEL_OUTBOX_PROGRESS) != 0) {
        tell(s, KEEL_EVENT_ACKED);
        if (s->file != NULL)
            s->broken = keel_outbox_file_drop(s->file, ack.seq - acked) != KEEL_OK;
    }
    if ((changed & KEEL_OUTBOX_NOW_SERVED) != 0) {
        s->was_served = true;
        tell(s, KEEL_EVENT_JOINED);
    }
    if ((changed & (KEEL_OUTBOX_NOW_REFUSED | KEEL_OUTBOX_NOW_SUPERSEDED)) == 0)
        return;
    s->refusal = ack.refusal;
    if (s->refusal.code == KEEL_REASON_UNSPECIFIED) /* it is an ack of the newer client */
        keel_reason_set(&s->refusal, KEEL_REASON_EPOCH_SUPERSEDED,
                        "a client of %s that began later is served", s->name);
    if ((changed & KEEL_OUTBOX_NOW_REFUSED) != 0)
        tell(s, KEEL_EVENT_REFUSED);
    else
        tell(s, KEEL_EVENT_SUPERSEDED);
}

/* True the first time that this decision is seen: services that start again repeat theirs. */
static bool is_first(keel_strategy *s, const keel_decision *d)
{
    const uint64_t last = keel_outbox_last_seq(s->outbox);
    if (d->epoch_ns != keel_outbox_epoch_ns(s->outbox)) {
        const bool newer = d->decision_seq > s->decided_before;
        if (newer)
            s->decided_before = d->decision_seq;
        return newer;
    }
    if (d->seq > last || last - d->seq >= STRATEGY_DECIDED)
        return false;
    uint64_t *word = &s->decided[d->seq % STRATEGY_DECIDED / 64];
    const uint64_t bit = UINT64_C(1) << d->seq % 64;
    const bool first = (*word & bit) == 0;
    *word |= bit;
    return first;
}

static void forget_decided(keel_strategy *s, uint64_t seq)
{
    s->decided[seq % STRATEGY_DECIDED / 64] &= ~(UINT64_C(1) << seq % 64);
}

static void on_decision(keel_strategy *s, const keel_envelope *e)
{
    keel_decision *to = &s->decisions[s->decisions_put % STRATEGY_DECISIONS];
    keel_decision decision;
    if (keel_wire_get_decision(&s->control_arena, e->payload, e->payload_len, &decision) !=
        KEEL_OK) {
        s->link.dropped++;
        return;
    }
    if (strcmp(decision.strategy, s->name) != 0 || !is_first(s, &decision))
        return;
    if (s->decisions_put - s->decisions_out == STRATEGY_DECISIONS) {
        s->decisions_missed += !s->given[s->decisions_out % STRATEGY_DECISIONS];
        s->decisions_out++;
    }
    *to = decision;
    s->given[s->decisions_put % STRATEGY_DECISIONS] = false;
    s->decisions_put++;
}

static void on_beat(keel_strategy *s, const keel_envelope *e, int64_t now_ns)
{
    keel_heartbeat *beat = &s->link.beat;
    if (keel_wire_get_heartbeat(&s->control_arena, e->payload, e->payload_len, beat) != KEEL_OK)
        s->link.dropped++;
    else if (strcmp(beat->service, "feed") == 0)
        strategy_on_feed(s, beat->step_done, now_ns);
}

/* Read what the coordinator, the feed and the relay say. */
static void take_control(keel_strategy *s, int64_t now_ns)
{
    keel_envelope e;
    for (int i = 0; i < MOST_IN_A_TURN && link_take(&s->link, LINK_CONTROL, &e); i++) {
        keel_arena_reset(&s->control_arena);
        if (e.type == KEEL_PAYLOAD_ACK)
            on_ack(s, &e, now_ns);
        else if (e.type == KEEL_PAYLOAD_DECISION)
            on_decision(s, &e);
        else if (e.type == KEEL_PAYLOAD_HEARTBEAT)
            on_beat(s, &e, now_ns);
    }
}

/* The link: silent, made again, heard again. */
static void watch(keel_strategy *s, int64_t now_ns)
{
    link_watch(&s->link, now_ns);
    if (link_take_rejoined(&s->link))
        keel_outbox_rejoin(s->outbox);
    const bool silent = link_is_silent(&s->link, now_ns);
    if (silent && !s->told_silent) {
        keel_outbox_rejoin(s->outbox); /* served means nothing until somebody answers again */
        tell(s, KEEL_EVENT_CUT_OFF);
    }
    s->told_silent = silent;
}

/* ---- what is told ---- */

static bool take_news(keel_strategy *s, keel_event *event)
{
    static const keel_event_kind order[] = {KEEL_EVENT_SUPERSEDED, KEEL_EVENT_CUT_OFF,
                                            KEEL_EVENT_REFUSED, KEEL_EVENT_JOINED,
                                            KEEL_EVENT_ACKED};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if ((s->news & 1u << order[i]) == 0)
            continue;
        s->news &= ~(1u << order[i]);
        *event = (keel_event){.kind = order[i], .seq = keel_outbox_acked_seq(s->outbox)};
        if (order[i] == KEEL_EVENT_CUT_OFF)
            keel_reason_set(&event->reason, KEEL_REASON_UNSPECIFIED,
                            "nothing heard of the door for %d ms; the link is made again until "
                            "something is",
                            (int)(KEEL_CUT_OFF_NS / KEEL_NS_PER_MS));
        else if (order[i] == KEEL_EVENT_REFUSED || order[i] == KEEL_EVENT_SUPERSEDED)
            event->reason = s->refusal;
        return true;
    }
    return false;
}

static bool take_decision(keel_strategy *s, keel_event *event)
{
    while (s->decisions_out < s->decisions_put) {
        const size_t at = s->decisions_out++ % STRATEGY_DECISIONS;
        if (s->given[at])
            continue;
        s->given[at] = true;
        s->told = s->decisions[at];
        *event = (keel_event){.kind = KEEL_EVENT_DECISION, .decision = &s->told};
        return true;
    }
    return false;
}

/* Lockstep: rows wait in their socket until it is known which steps are closed. */
static bool may_read_market(const keel_strategy *s)
{
    return s->open_step == 0 && (!s->lockstep || (s->was_served && s->rows.feed_heard));
}

/* The last step that is closed for sure: the coordinator says so, or there is a row after it, which
 * in lockstep the feed gives out only then. What was said in it was decided in an earlier life. */
static uint64_t closed_before(const keel_strategy *s)
{
    const uint64_t acked = keel_outbox_closed_step(s->outbox);
    return s->rows.newest > acked + 1 ? s->rows.newest - 1 : acked;
}

static int64_t earliest(const keel_strategy *s, int64_t until_ns, bool market_too)
{
    const int64_t dues[] = {s->link.sends_joined ? keel_outbox_due_ns(s->outbox) : INT64_MAX,
                            market_too ? strategy_ask_due_ns(s) : INT64_MAX, link_due_ns(&s->link),
                            s->told_silent ? INT64_MAX
                                           : s->link.heard_ns[LINK_CONTROL] + KEEL_CUT_OFF_NS};
    for (size_t i = 0; i < sizeof dues / sizeof dues[0]; i++)
        if (dues[i] < until_ns)
            until_ns = dues[i];
    return until_ns;
}

/* Wait until something comes or is due; KEEL_EUNAVAIL when the time has passed. */
static keel_status sit(keel_strategy *s, int64_t until_ns, bool market_too)
{
    if (client_mono_ns() >= until_ns)
        return KEEL_EUNAVAIL;
    const int64_t wake_ns = earliest(s, until_ns, market_too);
    const int wait_ms = wake_ns == INT64_MAX ? -1 : client_left_ms(wake_ns);
    return link_wait(&s->link, market_too, wait_ms) ? KEEL_OK : KEEL_EUNAVAIL;
}

static int64_t deadline(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : client_mono_ns() + timeout_ms * KEEL_NS_PER_MS;
}

/* One turn of everything but the market. */
static keel_status turn(keel_strategy *s, int64_t now_ns, bool reads)
{
    if (reads)
        take_control(s, now_ns);
    watch(s, now_ns);
    if (keel_outbox_state_of(s->outbox) == KEEL_OUTBOX_SUPERSEDED)
        return (s->news & 1u << KEEL_EVENT_SUPERSEDED) != 0 ? KEEL_OK : KEEL_ESTALE;
    return send_due(s, now_ns);
}

keel_status keel_strategy_next(keel_strategy *s, int timeout_ms, keel_event *event)
{
    const int64_t until_ns = deadline(timeout_ms);
    for (;;) {
        const int64_t now_ns = client_mono_ns();
        /* What was read is told before more is: reading on would push it out. */
        KEEL_TRY(turn(s, now_ns, s->decisions_out == s->decisions_put));
        if (take_news(s, event) || take_decision(s, event))
            return KEEL_OK;
        if (s->open_step > 0)
            return KEEL_EORDER;
        if (may_read_market(s)) {
            if (strategy_take_market(s, now_ns, event))
                return KEEL_OK;
            strategy_ask_rows(s, now_ns);
        }
        KEEL_TRY(sit(s, until_ns, may_read_market(s)));
    }
}

static bool find_decision(keel_strategy *s, const char *signal_id, keel_decision *out)
{
    const uint64_t kept =
        s->decisions_put < STRATEGY_DECISIONS ? s->decisions_put : (uint64_t)STRATEGY_DECISIONS;
    for (uint64_t i = 1; i <= kept; i++) {
        const size_t at = (s->decisions_put - i) % STRATEGY_DECISIONS;
        if (strcmp(s->decisions[at].signal_id, signal_id) != 0)
            continue;
        s->given[at] = true;
        *out = s->decisions[at];
        return true;
    }
    return false;
}

keel_status keel_strategy_wait(keel_strategy *s, const char *signal_id, int timeout_ms,
                               keel_decision *decision)
{
    const int64_t until_ns = deadline(timeout_ms);
    for (;;) {
        KEEL_TRY(turn(s, client_mono_ns(), true));
        if (find_decision(s, signal_id, decision))
            return KEEL_OK;
        if (s->open_step > 0)
            return KEEL_EORDER;
        if (keel_outbox_state_of(s->outbox) == KEEL_OUTBOX_SUPERSEDED)
            return KEEL_ESTALE;
        KEEL_TRY(sit(s, until_ns, false));
    }
}

/* ---- publishing ---- */

static keel_status check_number(const char *name, double value, keel_err *err)
{
    if (!isfinite(value))
        return keel_err_set(err, KEEL_ENONFINITE, "%s: is not a finite number", name);
    if (value < 0.0)
        return keel_err_set(err, KEEL_ERANGE, "%s: %.6g is negative", name, value);
    return KEEL_OK;
}

static keel_status check_labels(const keel_signal *signal, keel_err *err)
{
    if (signal->labels_n < 0 || signal->labels_n > KEEL_LABELS_MAX)
        return keel_err_set(err, KEEL_ERANGE, "labels_n: %d is not in 0..%d", signal->labels_n,
                            KEEL_LABELS_MAX);
    for (int i = 0; i < signal->labels_n; i++)
        if (memchr(signal->labels[i].name, '\0', KEEL_NAME_MAX) == NULL ||
            memchr(signal->labels[i].value, '\0', KEEL_NAME_MAX) == NULL)
            return keel_err_set(err, KEEL_EINVAL, "labels[%d]: longer than %d bytes", i,
                                KEEL_NAME_MAX - 1);
    return KEEL_OK;
}

/* What the codec would refuse, by name. */
static keel_status check_signal(const keel_signal *signal, keel_err *err)
{
    uint8_t payload[PAYLOAD_BYTES];
    size_t len;
    if (memchr(signal->symbol, '\0', sizeof signal->symbol) == NULL ||
        !keel_name_ok(signal->symbol, KEEL_SYMBOL_MAX))
        return keel_err_set(err, KEEL_EINVAL, "symbol: needs 1 to %d of letters, digits and _:/@-.",
                            KEEL_SYMBOL_MAX - 1);
    if (signal->side != KEEL_SIDE_LONG && signal->side != KEEL_SIDE_SHORT &&
        signal->side != KEEL_SIDE_FLAT)
        return keel_err_set(err, KEEL_EINVAL, "side: needs long, short or flat");
    KEEL_TRY(check_number("entry", signal->entry, err));
    KEEL_TRY(check_number("stop", signal->stop, err));
    KEEL_TRY(check_number("target", signal->target, err));
    KEEL_TRY(check_number("confidence_frac", signal->confidence_frac, err));
    if (signal->confidence_frac > 1.0)
        return keel_err_set(err, KEEL_ERANGE, "confidence_frac: %.6g is not in 0..1",
                            signal->confidence_frac);
    if (signal->valid_until_ns < 0)
        return keel_err_set(err, KEEL_ERANGE, "valid_until_ns: is negative");
    KEEL_TRY(check_labels(signal, err));
    const keel_status status = keel_wire_put_signal(signal, payload, sizeof payload, &len);
    return status == KEEL_OK
               ? KEEL_OK
               : keel_err_set(err, status, "signal_id or labels: %s", keel_status_text(status));
}

static void fill_signal(const keel_strategy *s, keel_signal *signal)
{
    memcpy(signal->strategy, s->name, sizeof signal->strategy);
    signal->epoch_ns = keel_outbox_epoch_ns(s->outbox);
    signal->seq = keel_outbox_last_seq(s->outbox) + 1;
    if (signal->row_step == 0)
        signal->row_step = s->row_step;
    if (signal->signal_id[0] != '\0')
        return;
    if (s->lockstep)
        snprintf(signal->signal_id, sizeof signal->signal_id, "%" PRIu64 "-%u", s->open_step,
                 s->said + 1);
    else
        snprintf(signal->signal_id, sizeof signal->signal_id, "%" PRId64 "-%" PRIu64,
                 signal->epoch_ns, signal->seq);
}

/* Acknowledgements make room; what else comes meanwhile is told by the next call of next. */
static keel_status await_room(keel_strategy *s)
{
    const int64_t until_ns = client_mono_ns() + ROOM_NS;
    while (keel_outbox_waiting(s->outbox) == KEEL_OUTBOX_MAX) {
        KEEL_TRY(turn(s, client_mono_ns(), true));
        if (keel_outbox_waiting(s->outbox) < KEEL_OUTBOX_MAX)
            break;
        const keel_status status = sit(s, until_ns, false);
        if (status != KEEL_OK)
            return status == KEEL_EUNAVAIL ? KEEL_ENOSPC : status;
    }
    return KEEL_OK;
}

static keel_status may_publish(keel_strategy *s, keel_err *err)
{
    if (s->broken)
        return keel_err_set(err, KEEL_EIO, "the outbox file cannot be written any more");
    if (keel_outbox_state_of(s->outbox) == KEEL_OUTBOX_SUPERSEDED)
        return keel_err_set(err, KEEL_ESTALE, "a newer client of %s is at work", s->name);
    if (keel_outbox_state_of(s->outbox) == KEEL_OUTBOX_REFUSED)
        return keel_err_set(err, KEEL_EREFUSED, "%s: %s", s->name, s->refusal.text);
    if (s->lockstep && s->open_step == 0)
        return keel_err_set(err, KEEL_EORDER,
                            "no step is open: publish between a row and close_step");
    const keel_status status = await_room(s);
    if (status != KEEL_OK)
        return keel_err_set(err, status, "%d signals are not acknowledged", KEEL_OUTBOX_MAX);
    return KEEL_OK;
}

keel_status keel_strategy_publish(keel_strategy *s, keel_signal *signal, keel_err *err)
{
    keel_signal filled = *signal;
    KEEL_TRY(may_publish(s, err));
    fill_signal(s, &filled);
    KEEL_TRY(check_signal(&filled, err));
    s->said++;
    if (s->lockstep && s->open_step <= closed_before(s)) {
        s->said_before++; /* P8 */
        filled.seq = 0;
        *signal = filled;
        return KEEL_OK;
    }
    if (s->file != NULL && keel_outbox_file_put(s->file, &filled) != KEEL_OK)
        return keel_err_set(err, KEEL_EIO, "the outbox file cannot be written");
    KEEL_ASSERT(keel_outbox_push(s->outbox, &filled, NULL) == KEEL_OK);
    forget_decided(s, filled.seq);
    *signal = filled;
    return s->file != NULL ? KEEL_OK : send_due(s, client_mono_ns());
}

keel_status keel_strategy_close_step(keel_strategy *s, uint64_t step)
{
    if (!s->lockstep)
        return KEEL_OK;
    if (step == 0 || step != s->open_step)
        return KEEL_EORDER;
    s->open_step = 0;
    if (step > closed_before(s))
        keel_outbox_close_step(s->outbox, step);
    return send_due(s, client_mono_ns());
}

/* ---- open, close ---- */

static void keep_found(void *arg, const keel_signal *signal)
{
    KEEL_ASSERT(keel_outbox_push(arg, signal, NULL) == KEEL_OK);
}

static keel_status check_cfg(const keel_strategy_cfg *cfg, keel_err *err)
{
    if (cfg->name == NULL || !keel_name_ok(cfg->name, KEEL_NAME_MAX))
        return keel_err_set(err, KEEL_EINVAL, "name: needs 1 to %d of letters, digits and _:/@-.",
                            KEEL_NAME_MAX - 1);
    if ((cfg->wants & ~(unsigned)(KEEL_WANT_ROWS | KEEL_WANT_ALLOCATIONS | KEEL_WANT_PORTFOLIO)) !=
        0)
        return keel_err_set(err, KEEL_EINVAL, "wants: a bit that means nothing");
    if (cfg->history_rows < 0)
        return keel_err_set(err, KEEL_EINVAL, "history_rows: is negative");
    if (cfg->epoch_ns < 0)
        return keel_err_set(err, KEEL_EINVAL, "epoch_ns: is negative");
    if ((unsigned)cfg->pace > KEEL_PACE_LIVE)
        return keel_err_set(err, KEEL_EINVAL, "pace: not one of keel_strategy_pace");
    return KEEL_OK;
}

static keel_status want_topics(keel_strategy *s, keel_err *err)
{
    char topic[KEEL_TOPIC_MAX];
    const keel_topic_keys feed = {.key = "feed"}, own = {.key = s->name};
    if (keel_topic_make(KEEL_TOPIC_ACK, &own, topic) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL, "name: too long for a topic");
    link_want(&s->link, LINK_CONTROL, topic);
    link_want_all(&s->link, LINK_CONTROL, KEEL_TOPIC_DECISION);
    KEEL_TRY(keel_topic_make(KEEL_TOPIC_HEARTBEAT, &feed, topic));
    link_want(&s->link, LINK_CONTROL, topic);
    if ((s->wants & KEEL_WANT_ROWS) != 0) {
        link_want_all(&s->link, LINK_MARKET, KEEL_TOPIC_UNIVERSE);
        link_want_all(&s->link, LINK_MARKET, KEEL_TOPIC_ROW);
    }
    if ((s->wants & KEEL_WANT_ALLOCATIONS) != 0)
        link_want_all(&s->link, LINK_MARKET, KEEL_TOPIC_ALLOC);
    if ((s->wants & KEEL_WANT_PORTFOLIO) != 0)
        link_want_all(&s->link, LINK_MARKET, KEEL_TOPIC_PORTFOLIO);
    return KEEL_OK;
}

static keel_status settle_pace(keel_strategy *s, const keel_strategy_cfg *cfg, keel_err *err)
{
    s->lockstep =
        cfg->pace == KEEL_PACE_OF_RUN ? s->link.lockstep : cfg->pace == KEEL_PACE_LOCKSTEP;
    if (!s->lockstep)
        return KEEL_OK;
    if (s->file != NULL)
        return keel_err_set(err, KEEL_EINVAL,
                            "outbox: not in lockstep: after a restart the program derives its "
                            "signals again");
    if ((s->wants & KEEL_WANT_ROWS) == 0)
        return keel_err_set(err, KEEL_EINVAL, "wants: a lockstep strategy needs rows");
    s->rows.next = 1;
    return KEEL_OK;
}

static keel_status open_all(keel_strategy *s, const keel_strategy_cfg *cfg, keel_err *err)
{
    KEEL_TRY(want_topics(s, err));
    if (cfg->outbox != NULL) {
        s->file = keel_outbox_file_open(cfg->outbox, s->name, keep_found, s->outbox, err);
        if (s->file == NULL)
            return KEEL_EIO;
    }
    KEEL_TRY(link_open(&s->link, cfg, err));
    KEEL_TRY(settle_pace(s, cfg, err));
    int64_t epoch_ns = cfg->epoch_ns > 1 ? cfg->epoch_ns : client_wall_ns();
    if (s->file != NULL && epoch_ns <= keel_outbox_file_epoch_ns(s->file))
        epoch_ns = keel_outbox_file_epoch_ns(s->file) + 1;
    if (begin_epoch(s, epoch_ns) != KEEL_OK)
        return keel_err_set(err, KEEL_EIO, "%.300s: cannot be written", cfg->outbox);
    return KEEL_OK;
}

keel_strategy *keel_strategy_open(const keel_strategy_cfg *cfg, keel_err *err)
{
    if (check_cfg(cfg, err) != KEEL_OK)
        return NULL;
    keel_strategy *s = keel_xcalloc(1, sizeof *s);
    snprintf(s->name, sizeof s->name, "%s", cfg->name);
    s->wants = cfg->wants != 0
                   ? cfg->wants
                   : (unsigned)(KEEL_WANT_ROWS | KEEL_WANT_ALLOCATIONS | KEEL_WANT_PORTFOLIO);
    s->sync = cfg->outbox != NULL && !cfg->outbox_no_sync;
    s->history_rows = cfg->history_rows;
    s->outbox = keel_outbox_new(cfg->name, 1);
    s->universe = keel_xcalloc(1, sizeof *s->universe);
    s->prices = keel_xcalloc(4 * KEEL_UNIVERSE_MAX, sizeof *s->prices);
    s->decisions = keel_xcalloc(STRATEGY_DECISIONS, sizeof *s->decisions);
    keel_arena_init(&s->arena, ARENA_BYTES);
    keel_arena_init(&s->control_arena, CONTROL_ARENA_BYTES);
    if (open_all(s, cfg, err) != KEEL_OK)
        keel_strategy_close(&s);
    return s;
}

void keel_strategy_close(keel_strategy **strategy)
{
    keel_strategy *s = *strategy;
    if (s == NULL)
        return;
    link_close(&s->link);
    keel_outbox_file_close(&s->file);
    keel_outbox_free(&s->outbox);
    keel_arena_fini(&s->arena);
    keel_arena_fini(&s->control_arena);
    keel_free(&s->universe);
    keel_free(&s->prices);
    keel_free(&s->decisions);
    keel_free(strategy);
}

const keel_universe *keel_strategy_universe(const keel_strategy *strategy)
{
    return strategy->universe_known ? strategy->universe : NULL;
}

void keel_strategy_look(const keel_strategy *s, keel_strategy_link *link)
{
    const keel_outbox_state state = keel_outbox_state_of(s->outbox);
    *link = (keel_strategy_link){
        .connected = !link_is_silent(&s->link, client_mono_ns()),
        .served = state == KEEL_OUTBOX_SERVED,
        .superseded = state == KEEL_OUTBOX_SUPERSEDED,
        .lockstep = s->lockstep,
        .epoch_ns = keel_outbox_epoch_ns(s->outbox),
        .last_seq = keel_outbox_last_seq(s->outbox),
        .acked_seq = keel_outbox_acked_seq(s->outbox),
        .waiting = keel_outbox_waiting(s->outbox),
        .credit = keel_outbox_credit(s->outbox),
        .row_step = s->row_step,
        .closed_step = keel_outbox_closed_step(s->outbox),
        .resent = keel_outbox_resent(s->outbox),
        .said_before = s->said_before,
        .rows_asked = s->rows_asked,
        .dropped = s->link.dropped,
        .decisions_missed = s->decisions_missed,
        .links_made = s->link.made,
    };
    memcpy(link->run_id, s->link.run_id, sizeof link->run_id);
}
