/* node_in.c - what arrives: checked at the door, then held by step, answered or noted. */
#include "common/base/assert.h"
#include "common/base/hash.h"
#include "common/service/names.h"
#include "common/service/node_internal.h"
#include "common/wire/wire.h"

#include <stdio.h>
#include <string.h>

node_peer *node_peer_of(keel_service *n, const char *name)
{
    for (int i = 0; i < n->peers_n; i++)
        if (strcmp(n->peers[i].name, name) == 0)
            return &n->peers[i];
    if (n->peers_n == NODE_PUBLISHERS_MAX)
        return NULL;
    node_peer *p = &n->peers[n->peers_n++];
    *p = (node_peer){0};
    snprintf(p->name, sizeof p->name, "%s", name);
    return p;
}

keel_status node_message(keel_service *n, const char *topic, const uint8_t *frame, size_t len,
                         keel_msg *msg)
{
    keel_envelope *e = keel_arena_take(&n->wire_arena, 1, sizeof *e);
    keel_topic kind;
    if (e == NULL)
        return KEEL_ETOOBIG;
    KEEL_TRY(keel_topic_find(topic, strlen(topic), &kind));
    KEEL_TRY(keel_wire_get_envelope(&n->wire_arena, frame, len, e));
    *msg = (keel_msg){.topic = kind,
                      .topic_text = topic,
                      .type = e->type,
                      .step = e->step,
                      .index = e->index,
                      .event_ns = e->event_ns,
                      .id = e->id,
                      .trace_id = e->trace_id,
                      .data = e->payload,
                      .len = e->payload_len,
                      .hash = keel_hash(e->payload, e->payload_len)};
    return KEEL_OK;
}

void node_dispatch(keel_service *n, const keel_sub *sub, const char *topic, const uint8_t *frame,
                   size_t len)
{
    keel_msg msg;
    keel_journal_put_frame(n->cfg.journal, KEEL_JOURNAL_INPUT, topic, frame, len);
    keel_arena_reset(&n->wire_arena);
    keel_arena_reset(&n->arena);
    KEEL_ASSERT(node_message(n, topic, frame, len, &msg) == KEEL_OK); /* was checked on arrival */
    if (!n->spec->is_source && msg.event_ns > n->event_ns)
        n->event_ns = msg.event_ns;
    node_call_count(n, "messages_refused", sub->on(n, n->app, &msg));
}

keel_status node_dispatch_entry(keel_service *n, const keel_sub *sub, const char *source,
                                const char *topic, const keel_log_entry *e)
{
    keel_envelope envelope = {.type = (keel_payload)e->type,
                              .id = {.epoch_ns = 1, .seq = 1},
                              .event_ns = e->event_ns,
                              .publish_ns = 1,
                              .step = e->step,
                              .index = (uint32_t)e->index,
                              .payload = e->data,
                              .payload_len = e->len};
    size_t len = 0;
    snprintf(envelope.id.source, sizeof envelope.id.source, "%s", source);
    snprintf(envelope.run_id, sizeof envelope.run_id, "%s", n->cfg.settings->run_id);
    KEEL_TRY(keel_wire_put_envelope(&envelope, n->frame, KEEL_FRAME_BYTES_MAX, &len));
    node_dispatch(n, sub, topic, n->frame, len);
    return KEEL_OK;
}

int node_publisher_of(const keel_service *n, const char *name)
{
    for (int p = 0; p < n->publishers_n; p++)
        if (strcmp(n->publishers[p].name, name) == 0)
            return p;
    return -1;
}

static int topic_at(const node_publisher *p, const char *topic)
{
    for (int t = 0; t < p->topics_n + p->has_calls; t++)
        if (strcmp(p->topics[t], topic) == 0)
            return t;
    return -1;
}

static void count_put(keel_service *n, keel_status status)
{
    if (status == KEEL_EEXIST)
        keel_count(n->cfg.obs, "repeats_dropped", 1);
    else if (status != KEEL_OK)
        keel_count(n->cfg.obs, "ahead_dropped", 1);
}

static void on_step_message(keel_service *n, const char *topic, const keel_envelope *e,
                            const uint8_t *frame, size_t len)
{
    const int p = node_publisher_of(n, e->id.source);
    const int t = p >= 0 ? topic_at(&n->publishers[p], topic) : -1;
    if (t < 0) {
        keel_count(n->cfg.obs, "unread_dropped", 1);
        return;
    }
    const keel_held held = {t, e->index, frame, len};
    count_put(n, keel_steps_put(n->steps, p, e->id.epoch_ns, e->step, &held));
}

/* The step only counts it: the desk has the bytes, and asks for them again. */
static void on_call(keel_service *n, keel_topic kind, const char *topic, const keel_envelope *e,
                    const uint8_t *frame, size_t len)
{
    if (node_desk_counts(n, kind))
        on_step_message(n, topic, e, frame, 0);
    node_desk_call(n, kind, e, frame, len);
}

static void on_step_end(keel_service *n, const keel_envelope *e)
{
    keel_step_end end;
    uint32_t counts[KEEL_STEPS_TOPICS_MAX] = {0};
    const int p = node_publisher_of(n, e->id.source);
    if (p < 0)
        return;
    if (keel_wire_get_step_end(&n->wire_arena, e->payload, e->payload_len, &end) != KEEL_OK ||
        end.step != e->step || end.step == 0) {
        keel_count(n->cfg.obs, "malformed_dropped", 1);
        return;
    }
    for (int i = 0; i < end.marks_n; i++) {
        const int t = topic_at(&n->publishers[p], end.marks[i].topic);
        if (t >= 0)
            counts[t] = end.marks[i].count;
    }
    count_put(n, keel_steps_end(n->steps, p, e->id.epoch_ns, end.step, counts));
}

static bool is_service(const char *name)
{
    for (size_t i = 0; i < keel_all_services_n; i++)
        if (strcmp(keel_all_services[i], name) == 0)
            return true;
    return false;
}

static void on_heartbeat(keel_service *n, const keel_envelope *e)
{
    keel_heartbeat *h = keel_arena_take(&n->wire_arena, 1, sizeof *h);
    if (h == NULL ||
        keel_wire_get_heartbeat(&n->wire_arena, e->payload, e->payload_len, h) != KEEL_OK ||
        strcmp(h->service, e->id.source) != 0) {
        keel_count(n->cfg.obs, "malformed_dropped", 1);
        return;
    }
    if (!is_service(h->service)) { /* the table has room for those that exist */
        keel_count(n->cfg.obs, "strangers_dropped", 1);
        return;
    }
    node_peer *p = node_peer_of(n, h->service);
    if (p == NULL || e->id.epoch_ns < p->epoch_ns)
        return;
    p->epoch_ns = e->id.epoch_ns;
    p->step_done = h->step_done;
    p->snapshot_step = h->snapshot_step;
    p->archived_step = h->archived_through_step;
    p->lockstep = h->lockstep;
    p->recovered = h->state == KEEL_STATE_RUNNING || h->state == KEEL_STATE_DEGRADED;
    p->heard_ns = node_mono(n);
}

void node_clients_due(keel_service *n)
{
    n->clients_due_ns = INT64_MAX;
    for (int i = 0; i < NODE_CLIENTS_MAX; i++)
        if (n->client_asks[i].ask.to != 0 && n->client_asks[i].due_ns < n->clients_due_ns)
            n->clients_due_ns = n->client_asks[i].due_ns;
}

/* What a client asks for goes to all who read, and it may ask as fast as it can: its newest Resend
 * waits until the last answer to it is old enough, and takes no place from those of services. */
static void on_client_resend(keel_service *n, const keel_resend *r)
{
    const keel_settings *s = n->cfg.settings;
    int at = 0;
    while (at < s->strategies_n && strcmp(s->strategies[at].name, r->requester) != 0)
        at++;
    node_client_ask *c = &n->client_asks[at < s->strategies_n ? at : NODE_CLIENTS_MAX - 1];
    c->ask = (node_ask){r->from_step, r->to_step};
    if (c->due_ns < n->clients_due_ns)
        n->clients_due_ns = c->due_ns;
}

static void on_resend(keel_service *n, const keel_envelope *e)
{
    keel_resend r;
    if (keel_wire_get_resend(&n->wire_arena, e->payload, e->payload_len, &r) != KEEL_OK ||
        strcmp(r.publisher, n->spec->name) != 0 || r.from_step == 0) {
        keel_count(n->cfg.obs, "malformed_dropped", 1);
        return;
    }
    if (!is_service(r.requester)) {
        on_client_resend(n, &r);
        return;
    }
    for (int i = 0; i < n->asks_n; i++) /* two that ask for the same are answered once */
        if (n->asks[i].from == r.from_step && n->asks[i].to >= r.to_step)
            return;
    if (n->asks_n < NODE_ASKS_MAX)
        n->asks[n->asks_n++] = (node_ask){r.from_step, r.to_step};
}

static void route(keel_service *n, keel_topic kind, const char *topic, const keel_envelope *e,
                  const uint8_t *frame, size_t len)
{
    const bool of_service = kind == KEEL_TOPIC_STEP && is_service(e->id.source);
    if (!of_service && node_desk_door(n, kind, topic, frame, len))
        return;
    if (kind == KEEL_TOPIC_STEP)
        on_step_end(n, e);
    else if (kind == KEEL_TOPIC_HEARTBEAT)
        on_heartbeat(n, e);
    else if (kind == KEEL_TOPIC_RESEND)
        on_resend(n, e);
    else if (kind == KEEL_TOPIC_REQUEST)
        node_on_request(n, e);
    else if (keel_topic_describe(kind)->topic_class == KEEL_CLASS_CALL)
        on_call(n, kind, topic, e, frame, len);
    else if (e->step > 0 && n->steps != NULL)
        on_step_message(n, topic, e, frame, len);
    else
        keel_count(n->cfg.obs, "unread_dropped", 1);
}

static void take_frame(keel_service *n, const keel_bus_frame *f)
{
    keel_topic kind;
    keel_arena_reset(&n->wire_arena);
    keel_envelope *e = keel_arena_take(&n->wire_arena, 1, sizeof *e);
    const keel_status status = keel_wire_get_envelope(&n->wire_arena, f->frame, f->len, e);
    if (status != KEEL_OK) {
        keel_count(n->cfg.obs,
                   status == KEEL_EVERSION   ? "version_dropped"
                   : status == KEEL_EUNKNOWN ? "unknown_type_dropped"
                   : status == KEEL_ETOOBIG  ? "oversized_dropped"
                                             : "malformed_dropped",
                   1);
        return;
    }
    if (strcmp(e->run_id, n->cfg.settings->run_id) != 0) {
        keel_count(n->cfg.obs, "wrong_run_dropped", 1);
        return;
    }
    if (keel_topic_find(f->topic, strlen(f->topic), &kind) != KEEL_OK ||
        keel_topic_describe(kind)->payload != e->type) {
        keel_count(n->cfg.obs, "wrong_type_dropped", 1);
        return;
    }
    route(n, kind, f->topic, e, f->frame, f->len);
}

bool node_receive(keel_service *n)
{
    keel_bus_frame f;
    int taken = 0;
    while (taken < NODE_FRAMES_PER_TURN &&
           n->cfg.bus.ops->receive(n->cfg.bus.self, &f) == KEEL_OK) {
        take_frame(n, &f);
        taken++;
    }
    return taken > 0;
}
