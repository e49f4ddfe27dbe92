#include "common/service/replay.h"

#include "common/base/assert.h"
#include "common/base/pack.h"
#include "common/service/node_internal.h"
#include "common/wire/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- an outside that is not there ---- */

static void no_publish(void *self, const char *topic, const uint8_t *frame, size_t len)
{
    (void)self, (void)topic, (void)frame, (void)len;
}
static void no_subscribe(void *self, const char *prefix)
{
    (void)self, (void)prefix;
}
static keel_status no_receive(void *self, keel_bus_frame *out)
{
    (void)self, (void)out;
    return KEEL_EUNAVAIL;
}
static keel_status no_joined(void *self, char *out, size_t cap)
{
    (void)self, (void)out, (void)cap;
    return KEEL_EUNAVAIL;
}
static void no_close(void *self)
{
    (void)self;
}
static const keel_bus_ops no_bus = {no_publish, no_subscribe, no_receive, no_joined, no_close};

typedef struct replay {
    keel_service *node; /* owned; NULL before the first segment */
    const keel_node_cfg *cfg;
    keel_replay_report *report;
    keel_twin *twin; /* owned: stores of a node that are never asked */
    int compared;    /* staged outputs already compared */
} replay;

static void differ(replay *r, const char *what, const char *topic, uint64_t step, uint64_t at)
{
    r->report->differing++;
    if (r->report->first_difference[0] == '\0')
        snprintf(r->report->first_difference, sizeof r->report->first_difference,
                 "%s: %s of step %" PRIu64 ", at byte %" PRIu64 " of the journal", what, topic,
                 step, at);
}

static keel_status begin_segment(replay *r, const keel_journal_record *rec, keel_err *err)
{
    keel_unpacker u = keel_unpacker_over(rec->data, rec->len);
    size_t state_len;
    keel_unpack_str(&u, r->report->service, sizeof r->report->service);
    keel_unpack_str(&u, r->report->run_id, sizeof r->report->run_id);
    const int64_t epoch_ns = keel_unpack_i64(&u);
    const uint64_t done = keel_unpack_u64(&u);
    (void)keel_unpack_u8(&u);
    const int64_t event_ns = keel_unpack_i64(&u);
    const uint8_t *state = keel_unpack_blob(&u, &state_len);
    if (keel_unpacker_done(&u) != KEEL_OK)
        return keel_err_set(err, KEEL_EFORMAT, "segment at byte %" PRIu64 " is damaged", rec->at);
    if (r->cfg == NULL) /* a peek */
        return KEEL_EEND;
    keel_node_free(&r->node);
    keel_node_cfg cfg = *r->cfg;
    cfg.bus = (keel_bus){NULL, &no_bus};
    cfg.journal = NULL;
    keel_twin_log(r->twin, r->report->run_id, &cfg.log);
    keel_twin_cache(r->twin, r->report->run_id, &cfg.cache);
    r->node = keel_node_new(&cfg, err);
    if (r->node == NULL || !r->node->app_open)
        return KEEL_EINVAL;
    r->node->phase = NODE_WORKING;
    r->node->epoch_ns = epoch_ns;
    r->node->done = done;
    r->node->event_ns = event_ns;
    if (state_len > 0 && r->node->spec->load != NULL &&
        r->node->spec->load(r->node->app, state, state_len) != KEEL_OK)
        return keel_err_set(err, KEEL_EFORMAT, "state at byte %" PRIu64 " does not load", rec->at);
    r->report->segments++;
    r->compared = 0;
    return KEEL_OK;
}

/* The step before is over: what was staged and never published is dropped, as it was then. */
static keel_status open_step(replay *r, const keel_journal_record *rec)
{
    keel_service *n = r->node;
    const char *ids[NODE_REQUESTS_MAX];
    keel_request requests[NODE_REQUESTS_MAX] = {0};
    keel_unpacker u = keel_unpacker_over(rec->data, rec->len);
    keel_msg stored = {.trace_id = "", .topic = n->spec->request_topic};
    const uint64_t step = keel_unpack_u64(&u);
    stored.data = keel_unpack_blob(&u, &stored.len);
    const uint32_t m = keel_unpack_u32(&u);
    if (u.failed || m > NODE_REQUESTS_MAX || step == 0)
        return KEEL_EFORMAT;
    for (uint32_t i = 0; i < m; i++) {
        keel_unpack_str(&u, n->taken[i].id, sizeof n->taken[i].id);
        requests[i].ask = (keel_ask)keel_unpack_u32(&u);
        keel_unpack_str(&u, requests[i].reason, sizeof requests[i].reason);
        keel_unpack_str(&u, requests[i].operator_name, sizeof requests[i].operator_name);
        keel_unpack_str(&u, requests[i].strategy, sizeof requests[i].strategy);
        keel_unpack_str(&u, requests[i].asset, sizeof requests[i].asset);
        ids[i] = n->taken[i].id;
    }
    KEEL_TRY(keel_unpacker_done(&u));
    node_outs_reset(n);
    r->compared = 0;
    n->done = step - 1;
    for (int i = 0; i < n->pubs_n; i++)
        n->pubs[i].count = 0;
    r->report->steps++;
    if (n->spec->on_open != NULL)
        node_call_count(n, "open_refused",
                        n->spec->on_open(n, n->app, step, stored.len > 0 ? &stored : NULL, requests,
                                         ids, (int)m));
    return KEEL_OK;
}

static keel_status take_input(replay *r, const keel_journal_record *rec)
{
    const char *topic;
    const uint8_t *frame;
    size_t len;
    keel_topic kind;
    KEEL_TRY(keel_journal_frame(rec, &topic, &frame, &len));
    KEEL_TRY(keel_topic_find(topic, strlen(topic), &kind));
    const keel_desk *desk = r->node->spec->desk;
    const keel_sub *const tables[] = {r->node->spec->subs, desk != NULL ? desk->taken : NULL,
                                      desk != NULL ? desk->calls : NULL};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const keel_sub *s = tables[t]; s != NULL && s->on != NULL; s++)
            if (s->topic == kind) {
                node_dispatch(r->node, s, topic, frame, len);
                r->report->inputs++;
                return KEEL_OK;
            }
    return KEEL_EFORMAT;
}

/* What the desk was called for, beside its inputs. */
static keel_status desk_event(replay *r, const keel_journal_record *rec)
{
    keel_service *n = r->node;
    keel_unpacker u = keel_unpacker_over(rec->data, rec->len);
    const uint64_t step = keel_unpack_u64(&u);
    const uint32_t number = keel_unpack_u32(&u);
    const bool decides = n->spec->desk != NULL && n->spec->desk->decide != NULL;
    KEEL_TRY(keel_unpacker_done(&u));
    keel_arena_reset(&n->arena);
    if (rec->kind == KEEL_JOURNAL_DECIDE && decides) {
        const keel_status status = n->spec->desk->decide(n, n->app, step);
        if (status != KEEL_EUNAVAIL)
            node_call_count(n, "decide_refused", status);
        return KEEL_OK;
    }
    if (rec->kind == KEEL_JOURNAL_GAVE_UP && decides)
        n->spec->desk->give_up(n, n->app, step);
    else if (rec->kind == KEEL_JOURNAL_DEADMAN && n->spec->on_deadman != NULL)
        n->spec->on_deadman(n, n->app, (keel_trading_mode)number);
    else
        return KEEL_EFORMAT;
    return KEEL_OK;
}

/* A record of the open step that the log already held: folded, not made again. */
static keel_status take_restaged(replay *r, const keel_journal_record *rec)
{
    const char *topic;
    const uint8_t *frame;
    size_t len;
    KEEL_TRY(keel_journal_frame(rec, &topic, &frame, &len));
    return node_fold_frame(r->node, topic, frame, len);
}

static keel_status finish_entry(replay *r, const keel_journal_record *rec)
{
    const keel_service *n = r->node;
    keel_unpacker u = keel_unpacker_over(rec->data, rec->len);
    (void)keel_unpack_u64(&u);
    const uint32_t entry = keel_unpack_u32(&u);
    KEEL_TRY(keel_unpacker_done(&u));
    for (uint32_t i = 0; i <= entry; i++)
        if (n->spec->line[i].publisher == NULL)
            return KEEL_EFORMAT;
    if (n->spec->line[entry].on_closed != NULL)
        node_call_count(r->node, "step_refused",
                        n->spec->line[entry].on_closed(r->node, n->app, node_open_step(n)));
    return KEEL_OK;
}

static node_out *staged(replay *r, const keel_envelope *e, const char *topic)
{
    for (int i = 0; i < r->node->staged->n; i++)
        if (r->node->staged->outs[i].index == e->index &&
            strcmp(node_pub_of(r->node, r->node->staged->outs[i].topic)->text, topic) == 0)
            return &r->node->staged->outs[i];
    return NULL;
}

/* A payload of the journal beside the one just computed. HELD: adopt it instead. */
static keel_status take_output(replay *r, const keel_journal_record *rec, bool held)
{
    keel_service *n = r->node;
    const char *topic;
    const uint8_t *frame;
    size_t len;
    keel_msg msg;
    KEEL_TRY(keel_journal_frame(rec, &topic, &frame, &len));
    keel_arena_reset(&n->wire_arena);
    KEEL_TRY(node_message(n, topic, frame, len, &msg));
    if (msg.topic == KEEL_TOPIC_STEP)
        return KEEL_OK;
    keel_envelope e = {.index = msg.index};
    node_out *o = staged(r, &e, topic);
    if (o == NULL) {
        differ(r, "not made again", topic, msg.step, rec->at);
        return KEEL_OK;
    }
    if (held) {
        o->at = 0;
        o->len = 0; /* the bytes are the log's; only that there was such an output is proved */
        return n->spec->on_own != NULL ? n->spec->on_own(n, n->app, &msg) : KEEL_OK;
    }
    const bool adopted = o->len == 0 && msg.len > 0;
    if (!adopted && (o->len != msg.len || memcmp(n->staged->bytes + o->at, msg.data, msg.len) != 0))
        differ(r, "other bytes", topic, msg.step, rec->at);
    else
        r->report->reproduced++;
    if (++r->compared == n->staged->n) { /* a flush is over; a step has any number of them */
        node_outs_reset(n);
        r->compared = 0;
    }
    return KEEL_OK;
}

/* A service with a store of its own commits to the replay's, so that it collects no more than a
 * step; the configuration of a replay must name a store that is empty at every start. */
static keel_status finish_step(replay *r, keel_err *err)
{
    keel_service *n = r->node;
    if (n->spec->on_step != NULL) {
        const keel_status status = n->spec->on_step(n, n->app, node_open_step(n));
        if (status != KEEL_EEND)
            node_call_count(n, "step_refused", status);
    }
    if (n->spec->commit != NULL && node_commit(n) != KEEL_OK)
        return keel_err_set(err, KEEL_EIO, "the replay's own store refuses step %" PRIu64,
                            node_open_step(n));
    return KEEL_OK;
}

static keel_status take_record(replay *r, const keel_journal_record *rec, keel_err *err)
{
    if (rec->kind == KEEL_JOURNAL_SEGMENT)
        return begin_segment(r, rec, err);
    if (r->node == NULL)
        return KEEL_EFORMAT;
    switch (rec->kind) {
    case KEEL_JOURNAL_OPEN:
        return open_step(r, rec);
    case KEEL_JOURNAL_INPUT:
        return take_input(r, rec);
    case KEEL_JOURNAL_CLOSED:
        return finish_entry(r, rec);
    case KEEL_JOURNAL_STEP:
        return finish_step(r, err);
    case KEEL_JOURNAL_HELD:
        return take_output(r, rec, true);
    case KEEL_JOURNAL_OUTPUT:
        return take_output(r, rec, false);
    case KEEL_JOURNAL_DECIDE:
    case KEEL_JOURNAL_GAVE_UP:
    case KEEL_JOURNAL_DEADMAN:
        return desk_event(r, rec);
    case KEEL_JOURNAL_RESTAGED:
        return take_restaged(r, rec);
    case KEEL_JOURNAL_PASSED:
    case KEEL_JOURNAL_RECALLED:
    case KEEL_JOURNAL_OWN:
    case KEEL_JOURNAL_SEGMENT:
        return KEEL_OK;
    }
    return KEEL_EFORMAT;
}

keel_status keel_replay(const char *path, const keel_node_cfg *cfg, keel_replay_report *report,
                        keel_err *err)
{
    keel_journal_record rec;
    keel_status status;
    *report = (keel_replay_report){0};
    keel_journal_reader *in = keel_journal_read(path, err);
    if (in == NULL)
        return KEEL_EIO;
    replay r = {.cfg = cfg, .report = report, .twin = keel_twin_new()};
    while ((status = keel_journal_next(in, &rec)) == KEEL_OK) {
        status = take_record(&r, &rec, err);
        if (status != KEEL_OK)
            break;
    }
    if (status == KEEL_EFORMAT && (err == NULL || err->text[0] == '\0'))
        (void)keel_err_set(err, status, "%s: damaged at byte %" PRIu64, path, rec.at);
    report->cut = r.node != NULL && r.compared < r.node->staged->n;
    keel_node_free(&r.node);
    keel_twin_free(&r.twin);
    keel_journal_reader_free(&in);
    if (status == KEEL_EEND && report->service[0] == '\0')
        return keel_err_set(err, KEEL_EFORMAT, "%s: empty", path);
    return status == KEEL_EEND ? KEEL_OK : status;
}

keel_status keel_replay_peek(const char *path, keel_replay_report *report, keel_err *err)
{
    return keel_replay(path, NULL, report, err);
}
