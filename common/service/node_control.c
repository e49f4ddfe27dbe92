/* node_control.c - heartbeats, and the requests that every service answers. */
#include "common/base/assert.h"
#include "common/service/node_internal.h"
#include "common/wire/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void fill_marks(keel_service *n, keel_heartbeat *h)
{
    const bool full = n->beats % NODE_FULL_BEATS == 0;
    for (int i = 0; i < n->seqs_n && h->marks_n < KEEL_MARKS_MAX; i++) {
        if (!full && !n->seqs[i].changed)
            continue;
        keel_topic_mark *m = &h->marks[h->marks_n++];
        memcpy(m->topic, n->seqs[i].topic, sizeof m->topic);
        m->seq = n->seqs[i].seq;
        n->seqs[i].changed = false;
    }
    for (int i = 0; i < n->pubs_n && h->records_n < 16; i++) { /* R5 */
        if (!n->pubs[i].has_top)
            continue;
        keel_record_mark *r = &h->records[h->records_n++];
        memcpy(r->topic, n->pubs[i].text, sizeof r->topic);
        snprintf(r->last_id, sizeof r->last_id, "%" PRIu64 "-%" PRIu64, n->pubs[i].top_step,
                 n->pubs[i].top_index);
    }
}

static void note_awaited(keel_service *n)
{
    n->awaited[0] = '\0';
    const int64_t since = n->desk.waits_ns != 0 ? n->desk.waits_ns : n->waiting_ns;
    if (n->phase != NODE_WORKING || since == 0 || n->ended ||
        node_mono(n) - since < NODE_AWAITED_NS)
        return;
    if (n->desk.awaited[0] != '\0') {
        snprintf(n->awaited, sizeof n->awaited, "%s %" PRIu64, n->desk.awaited, node_open_step(n));
        return;
    }
    const keel_line *l = &n->spec->line[n->entry];
    if (l->publisher != NULL)
        snprintf(n->awaited, sizeof n->awaited, "%s %" PRIu64, l->publisher,
                 node_open_step(n) + (uint64_t)(int64_t)l->delta);
}

void node_beat(keel_service *n)
{
    size_t len = 0;
    keel_arena_reset(&n->wire_arena);
    keel_heartbeat *h = keel_arena_take(&n->wire_arena, 1, sizeof *h);
    note_awaited(n);
    snprintf(h->service, sizeof h->service, "%s", n->spec->name);
    h->state = n->state;
    snprintf(h->why, sizeof h->why, "%s", n->why);
    h->step_done = n->done;
    h->snapshot_step = n->whole_step;
    fill_marks(n, h);
    h->handler_max_ns = n->handler_max_ns;
    h->queue_depth = n->steps != NULL ? (uint32_t)keel_steps_held(n->steps) : 0;
    snprintf(h->awaited, sizeof h->awaited, "%s", n->awaited);
    h->archived_through_step = n->spec->commit != NULL ? n->whole_done : 0;
    h->lockstep = node_is_lockstep(n);
    h->pid = getpid();
    KEEL_ASSERT(keel_wire_put_heartbeat(h, n->scratch, KEEL_PAYLOAD_BYTES_MAX, &len) == KEEL_OK);
    node_send(n, KEEL_TOPIC_HEARTBEAT, n->spec->name, KEEL_PAYLOAD_HEARTBEAT, n->scratch, len);
    n->handler_max_ns = 0;
    n->beats++;
}

static void fill_status(keel_service *n, keel_status_report *s)
{
    snprintf(s->service, sizeof s->service, "%s", n->spec->name);
    s->state = n->state;
    snprintf(s->why, sizeof s->why, "%s", n->why);
    s->step_done = n->done;
    s->snapshot_step = n->snapshot_step;
    s->started_ns = n->started_ns;
    s->pid = getpid();
    snprintf(s->awaited, sizeof s->awaited, "%s", n->awaited);
    snprintf(s->version, sizeof s->version, "%s", KEEL_VERSION);
    s->ring_bytes = keel_ring_bytes(n->ring);
    for (int i = 0; i < keel_counters(n->cfg.obs) && s->counters_n < KEEL_COUNTERS_MAX; i++) {
        keel_counter *c = &s->counters[s->counters_n++];
        snprintf(c->name, sizeof c->name, "%s", keel_counter_name(n->cfg.obs, i));
        c->value = keel_counter_value(n->cfg.obs, i);
    }
}

static void answer(keel_service *n, const keel_request *r, const char *id, const char *error,
                   uint64_t taken_step)
{
    size_t len = 0;
    keel_reply *reply = keel_xcalloc(1, sizeof *reply);
    snprintf(reply->requester, sizeof reply->requester, "%s", r->requester);
    snprintf(reply->request_id, sizeof reply->request_id, "%s", id);
    snprintf(reply->error, sizeof reply->error, "%s", error);
    reply->ok = error[0] == '\0';
    reply->taken_step = taken_step;
    reply->has_status = reply->ok && r->ask == KEEL_ASK_STATUS;
    if (reply->has_status)
        fill_status(n, &reply->status);
    if (keel_wire_put_reply(reply, n->scratch, KEEL_PAYLOAD_BYTES_MAX, &len) == KEEL_OK)
        node_send(n, KEEL_TOPIC_REPLY, r->requester, KEEL_PAYLOAD_REPLY, n->scratch, len);
    keel_free(&reply);
}

void node_answer_taken(keel_service *n)
{
    for (int i = 0; i < n->taken_n; i++)
        answer(n, &n->taken[i].request, n->taken[i].id, "", node_open_step(n));
    n->taken_n = 0;
}

/* What a halt or resume names must be there; "" = it is, else what to say. */
static const char *unknown_scope(const keel_service *n, const keel_request *r, char *text,
                                 size_t cap)
{
    const keel_settings *s = n->cfg.settings;
    int at = 0;
    while (at < s->strategies_n && strcmp(s->strategies[at].name, r->strategy) != 0)
        at++;
    text[0] = '\0';
    if (r->strategy[0] != '\0' && at == s->strategies_n)
        snprintf(text, cap, "strategy: \"%s\" is not configured; keel strategy ls", r->strategy);
    else if (r->asset[0] != '\0' && keel_universe_find(n->cfg.universe, r->asset) < 0)
        snprintf(text, cap, "asset: \"%s\" is not in universe %s", r->asset, s->universe);
    return text;
}

/* Halt and resume wait for the next step, whose first record names them (P7). */
static void queue_change(keel_service *n, const keel_request *r, const char *id)
{
    if (n->spec->request_topic == KEEL_TOPIC_COUNT) {
        answer(n, r, id, "this service takes no such request; ask risk", 0);
        return;
    }
    if (r->reason[0] == '\0') {
        answer(n, r, id, "reason: required; say why, in one sentence", 0);
        return;
    }
    char unknown[KEEL_REASON_TEXT_MAX];
    if (unknown_scope(n, r, unknown, sizeof unknown)[0] != '\0') {
        answer(n, r, id, unknown, 0);
        return;
    }
    for (int i = 0; i < n->queue_n; i++)
        if (strcmp(n->queue[i].id, id) == 0)
            return; /* asked again while it waits */
    if (n->queue_n == NODE_REQUESTS_MAX) {
        answer(n, r, id, "too many requests wait for the next step; try again", 0);
        return;
    }
    node_request *q = &n->queue[n->queue_n++];
    q->request = *r;
    snprintf(q->id, sizeof q->id, "%s", id);
}

static void take(keel_service *n, const keel_request *r, const char *id)
{
    const char *error = "";
    switch (r->ask) {
    case KEEL_ASK_HALT:
    case KEEL_ASK_RESUME:
        queue_change(n, r, id);
        return;
    case KEEL_ASK_SNAPSHOT:
        if (n->snapshot_step == 0 || !node_snapshot(n))
            error = "no snapshot yet: all services save after the same steps, every 256";
        break;
    case KEEL_ASK_RESET_COUNTERS:
        keel_counters_reset(n->cfg.obs);
        break;
    case KEEL_ASK_LOG_LEVEL:
        keel_obs_level(n->cfg.obs, (keel_log_level)r->log_level);
        break;
    case KEEL_ASK_SHUTDOWN:
        n->shutdown = true;
        break;
    case KEEL_ASK_PING:
    case KEEL_ASK_STATUS:
        break;
    case KEEL_ASK_NONE:
        error = "ask: required";
        break;
    }
    answer(n, r, id, error, 0);
}

void node_on_request(keel_service *n, const keel_envelope *e)
{
    char id[96];
    keel_request *r = keel_arena_take(&n->wire_arena, 1, sizeof *r);
    if (r == NULL ||
        keel_wire_get_request(&n->wire_arena, e->payload, e->payload_len, r) != KEEL_OK ||
        strcmp(r->service, n->spec->name) != 0) {
        keel_count(n->cfg.obs, "malformed_dropped", 1);
        return;
    }
    snprintf(id, sizeof id, "%s/%" PRId64 "/%" PRIu64, e->id.source, e->id.epoch_ns, e->id.seq);
    keel_count(n->cfg.obs, "requests", 1);
    take(n, r, id);
}
