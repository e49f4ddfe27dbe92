/* node_out.c - what leaves: staged by handlers, journaled, made durable, sent, in that order. */
#include "common/base/assert.h"
#include "common/base/hash.h"
#include "common/service/node_internal.h"
#include "common/wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

node_pub *node_pub_of(keel_service *n, keel_topic topic)
{
    for (int i = 0; i < n->pubs_n; i++)
        if (n->pubs[i].topic == topic)
            return &n->pubs[i];
    return NULL;
}

uint64_t node_seq_next(keel_service *n, const char *topic)
{
    for (int i = 0; i < n->seqs_n; i++)
        if (strcmp(n->seqs[i].topic, topic) == 0) {
            n->seqs[i].changed = true;
            return ++n->seqs[i].seq;
        }
    if (n->seqs_n == NODE_SEQS_MAX) /* replies to many requesters: they need no marks */
        return 1;
    node_seq *s = &n->seqs[n->seqs_n++];
    snprintf(s->topic, sizeof s->topic, "%s", topic);
    s->changed = true;
    s->seq = 1;
    return 1;
}

void node_outs_reset(keel_service *n)
{
    n->staged->n = 0;
    n->staged->len = 0;
    n->staged->flushing = false;
}

static size_t hold_bytes(keel_service *n, const uint8_t *data, size_t len)
{
    if (n->staged->len + len > n->staged->cap) {
        while (n->staged->cap < n->staged->len + len)
            n->staged->cap = n->staged->cap > 0 ? 2 * n->staged->cap : 1 << 16;
        n->staged->bytes = realloc(n->staged->bytes, n->staged->cap);
        KEEL_ASSERT(n->staged->bytes != NULL);
    }
    const size_t at = n->staged->len;
    if (len > 0)
        memcpy(n->staged->bytes + at, data, len);
    n->staged->len += len;
    return at;
}

/* Frame of a payload in n->frame; its length. */
static size_t encode(keel_service *n, keel_envelope *e, const char *topic)
{
    size_t len = 0;
    memcpy(e->id.source, n->spec->name, strlen(n->spec->name) + 1);
    e->id.epoch_ns = n->epoch_ns;
    e->id.seq = node_seq_next(n, topic);
    snprintf(e->run_id, sizeof e->run_id, "%s", n->cfg.settings->run_id);
    e->publish_ns = n->cfg.wall_ns(n->cfg.clock_arg);
    KEEL_ASSERT(keel_wire_put_envelope(e, n->frame, KEEL_FRAME_BYTES_MAX, &len) == KEEL_OK);
    return len;
}

/* Before the frame leaves: what was published is in the journal, whenever the process dies. */
static void journal_output(keel_service *n, const char *topic, size_t len)
{
    if (n->cfg.journal == NULL)
        return;
    keel_journal_put_frame(n->cfg.journal,
                           n->recall_step == 0 ? KEEL_JOURNAL_OUTPUT : KEEL_JOURNAL_RECALLED, topic,
                           n->frame, len);
    if (keel_journal_flush(n->cfg.journal) != KEEL_OK)
        keel_count(n->cfg.obs, "journal_failed", 1);
}

void node_send(keel_service *n, keel_topic topic, const char *key, keel_payload type,
               const uint8_t *payload, size_t len)
{
    char text[KEEL_TOPIC_MAX];
    keel_topic_keys keys = n->keys;
    keys.key = key;
    if (keel_topic_make(topic, &keys, text) != KEEL_OK) {
        keel_count(n->cfg.obs, "topics_refused", 1);
        return;
    }
    keel_envelope e = {.type = type,
                       .event_ns = n->event_ns,
                       .step = topic == KEEL_TOPIC_STEP ? node_open_step(n) : 0,
                       .payload = payload,
                       .payload_len = len};
    const size_t frame_len = encode(n, &e, text);
    if (topic == KEEL_TOPIC_STEP) {
        journal_output(n, text, frame_len);
        if (n->recall_step == 0)
            keel_ring_add(n->ring, text, n->frame, frame_len);
    }
    n->cfg.bus.ops->publish(n->cfg.bus.self, text, n->frame, frame_len);
}

static keel_envelope envelope_of(const keel_service *n, const node_out *o)
{
    keel_envelope e = {.type = keel_topic_describe(o->topic)->payload,
                       .cause = o->cause,
                       .event_ns = o->event_ns,
                       .step = node_open_step(n),
                       .index = o->index,
                       .payload = n->staged->bytes + o->at,
                       .payload_len = o->len};
    memcpy(e.trace_id, o->trace_id, sizeof e.trace_id);
    return e;
}

keel_status keel_service_publish(keel_service *svc, keel_topic topic, const keel_msg *cause,
                                 const uint8_t *data, size_t len)
{
    const keel_topic_info *info = keel_topic_describe(topic);
    node_pub *pub = node_pub_of(svc, topic);
    KEEL_ASSERT(pub != NULL); /* not in the service's table of publications */
    if (len > KEEL_PAYLOAD_BYTES_MAX)
        return KEEL_ETOOBIG;
    if (info->topic_class == KEEL_CLASS_STREAM) {
        if (svc->recall_step == 0)
            node_send(svc, topic, NULL, info->payload, data, len);
        return KEEL_OK;
    }
    KEEL_ASSERT(svc->staged->n < NODE_OUTS_MAX && !svc->staged->flushing);
    node_out *o = &svc->staged->outs[svc->staged->n++];
    *o = (node_out){.topic = topic, .index = pub->count++, .event_ns = svc->event_ns, .len = len};
    if (cause != NULL)
        o->cause = cause->id;
    if (cause != NULL && cause->trace_id[0] != '\0')
        snprintf(o->trace_id, sizeof o->trace_id, "%s", cause->trace_id);
    else
        snprintf(o->trace_id, sizeof o->trace_id, "step-%llu",
                 (unsigned long long)node_open_step(svc));
    o->at = hold_bytes(svc, data, len);
    return KEEL_OK;
}

typedef struct stored_search {
    keel_service *node;
    node_out *out;
    bool found;
    bool differs;
} stored_search;

static bool match_stored(void *arg, const keel_log_entry *e)
{
    stored_search *s = arg;
    keel_service *n = s->node;
    node_out *o = s->out;
    if (e->index != o->index)
        return true;
    s->found = true;
    s->differs = e->len != o->len || memcmp(e->data, n->staged->bytes + o->at, e->len) != 0;
    if (s->differs) {
        o->at = hold_bytes(n, e->data, e->len);
        o->len = e->len;
        o->event_ns = e->event_ns;
    }
    return false;
}

/* R1: what the log refuses as already there is published as the log holds it. Different bytes in
 * lockstep are a bug: the same inputs in the same order give the same bytes. */
static keel_status take_stored(keel_service *n, node_out *o)
{
    const node_pub *pub = node_pub_of(n, o->topic);
    stored_search search = {n, o, false, false};
    const uint64_t step = node_open_step(n);
    KEEL_TRY(n->cfg.log.ops->read(n->cfg.log.self, pub->text, (keel_log_span){step, 0, step},
                                  match_stored, &search));
    keel_count(n->cfg.obs, "records_held", 1);
    if (!search.found) {
        /* In lockstep it was trimmed behind the horizon, and these are its bytes. In live mode it
         * may never have been: a replay that was given more than the first time. Then it must not
         * be now. */
        keel_count(n->cfg.obs, "records_absent", 1);
        if (!node_is_lockstep(n)) {
            o->absent = true;
            node_pub_of(n, o->topic)->count--;
        }
        return KEEL_OK;
    }
    if (!search.differs)
        return KEEL_OK;
    KEEL_ASSERT(!node_is_lockstep(n) || (n->cfg.without & KEEL_WITHOUT_R1) != 0);
    keel_envelope e = envelope_of(n, o);
    const size_t len = encode(n, &e, pub->text);
    keel_journal_put_frame(n->cfg.journal, KEEL_JOURNAL_HELD, pub->text, n->frame, len);
    if (n->spec->on_own != NULL && (n->cfg.without & KEEL_WITHOUT_P4) == 0) {
        keel_msg msg;
        KEEL_ASSERT(node_message(n, pub->text, n->frame, len, &msg) == KEEL_OK);
        node_call_count(n, "own_refused", n->spec->on_own(n, n->app, &msg));
    }
    return KEEL_OK;
}

/* Write the staged records in one MULTI. */
static keel_status make_durable(keel_service *n)
{
    const size_t most = (size_t)n->staged->n;
    keel_log_entry *entries = keel_arena_take(&n->wire_arena, most, sizeof *entries);
    bool *held = keel_arena_take(&n->wire_arena, most, sizeof *held);
    int *which = keel_arena_take(&n->wire_arena, most, sizeof *which);
    int m = 0;
    for (int i = 0; i < n->staged->n; i++) {
        const node_out *o = &n->staged->outs[i];
        const keel_topic_info *info = keel_topic_describe(o->topic);
        if (info->topic_class != KEEL_CLASS_RECORD)
            continue;
        which[m] = i;
        entries[m++] = (keel_log_entry){node_pub_of(n, o->topic)->text,
                                        (int)info->payload,
                                        node_open_step(n),
                                        o->index,
                                        o->event_ns,
                                        n->staged->bytes + o->at,
                                        o->len};
    }
    if (m == 0)
        return KEEL_OK;
    KEEL_TRY(n->cfg.log.ops->append(n->cfg.log.self, entries, m, held));
    for (int i = 0; i < m; i++) {
        node_pub *pub = node_pub_of(n, n->staged->outs[which[i]].topic);
        if (held[i] && (n->cfg.without & KEEL_WITHOUT_R1) == 0)
            KEEL_TRY(take_stored(n, &n->staged->outs[which[i]]));
        if (!pub->has_top || entries[i].step > pub->top_step ||
            (entries[i].step == pub->top_step && entries[i].index > pub->top_index)) {
            pub->has_top = true;
            pub->top_step = entries[i].step;
            pub->top_index = entries[i].index;
        }
    }
    return KEEL_OK;
}

/* The ledger's way: one commit of its own store, with all the outputs of the step. */
keel_status node_commit(keel_service *n)
{
    keel_out *outs = keel_arena_take(&n->wire_arena, (size_t)n->staged->n, sizeof *outs);
    for (int i = 0; i < n->staged->n; i++) {
        const node_out *o = &n->staged->outs[i];
        outs[i] = (keel_out){o->topic,    node_pub_of(n, o->topic)->text, o->index,
                             o->event_ns, n->staged->bytes + o->at,       o->len};
    }
    return n->spec->commit(n, n->app, node_open_step(n), outs, n->staged->n);
}

void node_keep_last(node_pub *pub, const uint8_t *frame, size_t len)
{
    if (len > pub->last_cap) {
        free(pub->last);
        pub->last = keel_xcalloc(len, 1);
        pub->last_cap = len;
    }
    memcpy(pub->last, frame, len);
    pub->last_len = len;
}

void node_welcome(keel_service *n)
{
    const char *beats = keel_topic_describe(KEEL_TOPIC_HEARTBEAT)->template_text;
    char prefix[KEEL_TOPIC_MAX];
    while (n->cfg.bus.ops->joined(n->cfg.bus.self, prefix, sizeof prefix) == KEEL_OK) {
        if (strncmp(beats, prefix, strlen(prefix)) == 0)
            n->beat_due_ns = 0; /* who starts waits for the ledger's place (P10) */
        for (int i = 0; i < n->pubs_n; i++) {
            const node_pub *p = &n->pubs[i];
            if (p->last_len > 0 && strncmp(p->text, prefix, strlen(prefix)) == 0)
                n->cfg.bus.ops->publish(n->cfg.bus.self, p->text, p->last, p->last_len);
        }
    }
}

/* Of the newest value for who comes late: questions and answers are not one. */
static bool has_last_value(keel_topic topic)
{
    return keel_topic_describe(topic)->topic_class != KEEL_CLASS_CALL;
}

static void send_out(keel_service *n, const node_out *o)
{
    node_pub *pub = node_pub_of(n, o->topic);
    keel_envelope e = envelope_of(n, o);
    const size_t len = encode(n, &e, pub->text);
    journal_output(n, pub->text, len);
    n->cfg.bus.ops->publish(n->cfg.bus.self, pub->text, n->frame, len);
    if (n->recall_step != 0)
        return;
    /* Live: what is asked is answered soon or not at all, and never again. */
    if (has_last_value(o->topic) || node_is_lockstep(n))
        keel_ring_add(n->ring, pub->text, n->frame, len);
    if (has_last_value(o->topic) &&
        e.step >= pub->guard_step) { /* P9: a replayed step does not overwrite a newer value */
        node_keep_last(pub, n->frame, len);
        pub->is_last_fresh = true;
        pub->guard_step = e.step;
    }
}

/* To the cache only the newest of each topic, however many left just now. */
static void queue_last_values(keel_service *n)
{
    for (int i = 0; i < n->pubs_n; i++) {
        node_pub *p = &n->pubs[i];
        if (!p->is_last_fresh)
            continue;
        n->cfg.cache.ops->set_last(n->cfg.cache.self, p->text, p->last, p->last_len);
        n->cache_queued = true;
        p->is_last_fresh = false;
    }
}

keel_status node_fold_frame(keel_service *n, const char *topic, const uint8_t *frame, size_t len)
{
    keel_msg msg;
    keel_arena_reset(&n->wire_arena);
    keel_arena_reset(&n->arena);
    KEEL_TRY(node_message(n, topic, frame, len, &msg));
    node_pub *pub = node_pub_of(n, msg.topic);
    if (pub == NULL)
        return KEEL_EFORMAT;
    pub->count++;
    if (n->spec->on_own != NULL)
        node_call_count(n, "own_refused", n->spec->on_own(n, n->app, &msg));
    return KEEL_OK;
}

void node_republish(keel_service *n, node_pub *pub, const keel_log_entry *entry)
{
    keel_envelope e = {.type = (keel_payload)entry->type,
                       .event_ns = entry->event_ns,
                       .step = node_open_step(n),
                       .index = pub->count,
                       .payload = entry->data,
                       .payload_len = entry->len};
    snprintf(e.trace_id, sizeof e.trace_id, "step-%llu", (unsigned long long)e.step);
    const size_t len = encode(n, &e, pub->text);
    keel_journal_put_frame(n->cfg.journal, KEEL_JOURNAL_RESTAGED, pub->text, n->frame, len);
    n->cfg.bus.ops->publish(n->cfg.bus.self, pub->text, n->frame, len);
    keel_ring_add(n->ring, pub->text, n->frame, len);
    KEEL_ASSERT(node_fold_frame(n, pub->text, n->frame, len) == KEEL_OK);
}

bool node_hold_back(keel_service *n, const char *what, const char *reason)
{
    char text[KEEL_REASON_TEXT_MAX];
    snprintf(text, sizeof text, "%s; nothing is published until it is recorded", what);
    n->log_lost = true;
    node_state_of(n, KEEL_STATE_DEGRADED, text, reason);
    return false;
}

/* Journal, then log or books. False: not now. */
static bool write_down(keel_service *n)
{
    const bool own_store = n->spec->commit != NULL;
    n->staged->flushing = true;
    keel_arena_reset(&n->wire_arena);
    if (keel_journal_flush(n->cfg.journal) != KEEL_OK)
        return node_hold_back(n, "journal cannot be written", strerror(errno));
    const keel_status status = own_store ? node_commit(n) : make_durable(n);
    if (status != KEEL_OK && (own_store || (n->cfg.without & KEEL_WITHOUT_R1) == 0))
        return own_store ? node_hold_back(n, "books cannot be written", n->blame)
                         : node_hold_back(n, "log cannot be written",
                                          n->cfg.log.ops->why(n->cfg.log.self));
    n->log_lost = false;
    return true;
}

bool node_flush(keel_service *n)
{
    const bool recalling = n->recall_step != 0;
    if (n->spec->commit != NULL && !n->stepped && !recalling)
        return true; /* the ledger: one commit at the end of the step */
    node_stage(n, KEEL_STAGE_BEFORE_RECORD);
    if (!recalling && (n->staged->n > 0 || n->spec->commit != NULL) && !write_down(n))
        return false;
    node_stage(n, KEEL_STAGE_RECORD_PUBLISH);
    for (int i = 0; i < n->staged->n; i++)
        if (!n->staged->outs[i].absent)
            send_out(n, &n->staged->outs[i]);
    queue_last_values(n);
    node_outs_reset(n);
    return true;
}

bool node_end_step(keel_service *n)
{
    keel_step_end end = {.step = node_open_step(n), .close_ns = n->event_ns};
    size_t len = 0;
    for (int i = 0; i < n->pubs_n; i++) {
        if (n->pubs[i].count == 0)
            continue;
        keel_step_mark *mark = &end.marks[end.marks_n++];
        memcpy(mark->topic, n->pubs[i].text, sizeof mark->topic);
        mark->count = n->pubs[i].count;
    }
    KEEL_ASSERT(keel_wire_put_step_end(&end, n->scratch, KEEL_PAYLOAD_BYTES_MAX, &len) == KEEL_OK);
    node_send(n, KEEL_TOPIC_STEP, n->spec->name, KEEL_PAYLOAD_STEP_END, n->scratch, len);
    return true;
}
