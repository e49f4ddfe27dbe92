/* node_recover.c - start is recovery (docs/protocol.md).
 *
 * State = a snapshot at step s + the steps after it. Order: snapshot, own records, subscribe,
 * Resend, go on. Whoever is asked for a step below its ring starts again from an older snapshot, or
 * from step 0, and replays; that cascades and ends at the feed's source and the ledger's store. */
#include "common/base/assert.h"
#include "common/base/hash.h"
#include "common/base/pack.h"
#include "common/base/timefmt.h"
#include "common/service/node_internal.h"
#include "common/wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SNAPSHOT_FORMAT = 1 };

static bool in_cache(const keel_service *n)
{
    return n->spec->snapshot_in_cache || (n->cfg.without & KEEL_WITHOUT_P2) != 0;
}

/* ---- the app's life ---- */

static void close_app(keel_service *n)
{
    if (n->app_open)
        n->spec->close(n->app);
    n->app_open = false;
}

static keel_status open_app(keel_service *n, keel_err *err)
{
    close_app(n);
    memset(n->app, 0, n->spec->app_size);
    KEEL_TRY(keel_config_bind(n->cfg.config, n->spec->cfg, n->app, err));
    KEEL_TRY(n->spec->open(n, n->app, err));
    n->app_open = true;
    return KEEL_OK;
}

/* ---- snapshots ---- */

typedef struct snapshot_load {
    keel_service *node;
    keel_status status;
    uint64_t step; /* of the snapshot that was looked at */
} snapshot_load;

/* Of everything that a restart takes from a snapshot, so that no flipped bit is taken for state,
 * nor sent again for an output. */
static uint64_t seal_of(const keel_snapshot_record *s)
{
    uint64_t seal[4] = {s->step, s->format, keel_hash(s->state, s->state_len), 0};
    for (int i = 0; i < s->outputs_n; i++) {
        const uint64_t chain[2] = {seal[3], keel_hash(s->outputs[i], s->outputs_len[i])};
        seal[3] = keel_hash(chain, sizeof chain);
    }
    return keel_hash(seal, sizeof seal);
}

static void restore_ring(keel_service *n, const keel_snapshot_record *s)
{
    keel_ring_clear(n->ring);
    if (s->step == 0)
        return;
    keel_ring_begin(n->ring, s->step);
    for (int i = 0; i < s->outputs_n; i++) {
        keel_unpacker u = keel_unpacker_over(s->outputs[i], s->outputs_len[i]);
        char topic[KEEL_TOPIC_MAX];
        keel_unpack_str(&u, topic, sizeof topic);
        if (!u.failed)
            keel_ring_add(n->ring, topic, u.buf + u.at, u.len - u.at);
    }
}

static bool load_one(void *arg, const keel_log_entry *e)
{
    snapshot_load *l = arg;
    keel_service *n = l->node;
    keel_arena_reset(&n->wire_arena);
    keel_snapshot_record *s = keel_arena_take(&n->wire_arena, 1, sizeof *s);
    l->step = e->step;
    l->status = keel_wire_get_snapshot_record(&n->wire_arena, e->data, e->len, s);
    if (l->status == KEEL_OK && (s->format != SNAPSHOT_FORMAT || s->state_hash != seal_of(s) ||
                                 s->step != e->step || strcmp(s->service, n->spec->name) != 0))
        l->status = KEEL_EFORMAT;
    if (l->status == KEEL_OK)
        l->status = n->spec->load(n->app, s->state, s->state_len);
    if (l->status != KEEL_OK)
        return false;
    restore_ring(n, s);
    n->done = s->step;
    n->snapshot_step = s->step;
    return false;
}

/* KEEL_ENOTFOUND: none; KEEL_EUNAVAIL: cannot be known now. A snapshot that does not load is
 * counted and the next older one is tried; without any, the replay begins at step 0. */
static keel_status load_snapshot(keel_service *n)
{
    uint64_t bound = n->bound;
    for (;;) {
        snapshot_load load = {n, KEEL_OK, 0};
        const keel_status found =
            in_cache(n) ? n->cfg.cache.ops->snapshot_get(n->cfg.cache.self, n->spec->name, bound,
                                                         load_one, &load)
                        : n->cfg.log.ops->snapshot_get(n->cfg.log.self, n->spec->name, bound,
                                                       load_one, &load);
        if (found == KEEL_EUNAVAIL || found == KEEL_ENOTFOUND)
            return found;
        if (found == KEEL_OK && load.status == KEEL_OK)
            return KEEL_OK;
        keel_count(n->cfg.obs, "snapshots_refused", 1);
        keel_log(n->cfg.obs, KEEL_LOG_WARN, "snapshot_refused", "step=%llu status=%s",
                 (unsigned long long)load.step,
                 keel_status_name(found != KEEL_OK ? found : load.status));
        if (found != KEEL_OK || load.step == 0)
            return KEEL_ENOTFOUND;
        bound = load.step - 1;
    }
}

static size_t pack_state(keel_service *n, uint8_t **state)
{
    size_t len = 0;
    const keel_status sized = n->spec->save(n->app, NULL, 0, &len);
    KEEL_ASSERT(sized == KEEL_ENOSPC || sized == KEEL_OK);
    *state = keel_xcalloc(len, 1);
    KEEL_ASSERT(n->spec->save(n->app, *state, len, &len) == KEEL_OK);
    return len;
}

/* Frames of the ring's newest step, each as topic and envelope, into one block. */
static uint8_t *pack_outputs(keel_service *n, keel_snapshot_record *s)
{
    size_t total = 0, at = 0, measured = 0, packed = 0;
    const int frames = keel_ring_count(n->ring, s->step);
    for (int i = 0; i < frames; i++) {
        const keel_ring_frame f = keel_ring_next(n->ring, s->step, &measured);
        total += 4 + strlen(f.topic) + f.len;
    }
    uint8_t *block = keel_xcalloc(total, 1);
    for (int i = 0; i < frames; i++) {
        const keel_ring_frame f = keel_ring_next(n->ring, s->step, &packed);
        keel_packer p = keel_packer_over(block + at, total - at);
        keel_pack_str(&p, f.topic);
        keel_pack_bytes(&p, f.frame, f.len);
        s->outputs[i] = block + at;
        s->outputs_len[i] = p.len;
        at += p.len;
    }
    s->outputs_n = frames;
    return block;
}

static keel_status store_snapshot(keel_service *n, uint64_t step, const uint8_t *data, size_t len)
{
    if (in_cache(n))
        return n->cfg.cache.ops->snapshot_put(n->cfg.cache.self, n->spec->name, step, data, len);
    return n->cfg.log.ops->snapshot_put(n->cfg.log.self, n->spec->name, step, data, len);
}

/* P2: everyone's snapshots are of the same steps, so that whoever has to go back finds all others
 * at the step it goes back to, and nobody is driven further back by them. */
static uint64_t snapshot_every(const keel_service *n)
{
    return n->cfg.snapshot_steps > 0 ? (uint64_t)n->cfg.snapshot_steps : KEEL_SNAPSHOT_STEPS;
}

static bool snapshot_owed(const keel_service *n)
{
    return n->spec->save != NULL && n->spec->commit == NULL && n->done > n->snapshot_step &&
           n->done % snapshot_every(n) == 0;
}

/* KEEL_ETOOBIG: more outputs, or bytes, than a snapshot has room for. Without all of them it would
 * be no place to start from: who asks for its step would be sent back to it for ever. */
static keel_status take_snapshot(keel_service *n)
{
    if (keel_ring_count(n->ring, n->done) > KEEL_SNAPSHOT_OUTPUTS_MAX)
        return KEEL_ETOOBIG;
    keel_snapshot_record *s = keel_xcalloc(1, sizeof *s);
    uint8_t *state = NULL;
    size_t len = 0;
    snprintf(s->service, sizeof s->service, "%s", n->spec->name);
    s->step = n->done;
    s->format = SNAPSHOT_FORMAT;
    s->state_len = pack_state(n, &state);
    s->state = state;
    uint8_t *outputs = pack_outputs(n, s);
    s->state_hash = seal_of(s);
    keel_status status = keel_wire_put_snapshot_record(s, n->scratch, KEEL_PAYLOAD_BYTES_MAX, &len);
    if (status == KEEL_OK)
        status = store_snapshot(n, s->step, n->scratch, len);
    keel_free(&state);
    keel_free(&outputs);
    keel_free(&s);
    return status;
}

bool node_snapshot(keel_service *n)
{
    if (!snapshot_owed(n))
        return true;
    const keel_status status = take_snapshot(n);
    if (status == KEEL_OK) {
        n->snapshot_step = n->done;
        n->whole_step = n->whole_done;
        n->log_lost = n->log_lost && in_cache(n);
        node_trim(n);
        return true;
    }
    keel_count(n->cfg.obs, "snapshots_failed", 1);
    /* The cache only saves a warm-up. What belongs into the log is waited for: a step that one
     * service skipped could drive all of them back to the start. */
    if (in_cache(n) || status != KEEL_EUNAVAIL)
        return true;
    return node_hold_back(n, "snapshot cannot be written", n->cfg.log.ops->why(n->cfg.log.self));
}

/* P3: trim only behind the horizon (the oldest of the newest snapshots) and what the ledger has. */
void node_trim(keel_service *n)
{
    static const char *const owners[] = {"execution", "optimizer", "risk", "strategy-coordinator"};
    uint64_t horizon = UINT64_MAX, archived = 0;
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        uint64_t step = n->whole_step;
        if (strcmp(owners[i], n->spec->name) != 0) {
            const node_peer *p = node_peer_of(n, owners[i]);
            step = p != NULL ? p->snapshot_step : 0;
        }
        horizon = step < horizon ? step : horizon;
    }
    const node_peer *ledger = node_peer_of(n, "ledger");
    archived = ledger != NULL ? ledger->archived_step : 0;
    if (archived < horizon)
        horizon = archived;
    if (horizon <= n->horizon || n->spec->commit != NULL || n->spec->is_source)
        return;
    for (int i = 0; i < n->pubs_n; i++) {
        node_pub *p = &n->pubs[i];
        if (p->has_top) /* the newest record of a topic always stays: who starts reads it */
            (void)!n->cfg.log.ops->trim(n->cfg.log.self, p->text,
                                        horizon < p->top_step ? horizon : p->top_step, 0);
    }
    if (!in_cache(n) && n->spec->save != NULL)
        (void)!n->cfg.log.ops->snapshot_trim(n->cfg.log.self, n->spec->name, horizon);
    n->horizon = horizon;
}

/* ---- own records ---- */

static keel_status read_tops(keel_service *n)
{
    for (int i = 0; i < n->pubs_n; i++) {
        node_pub *p = &n->pubs[i];
        if (keel_topic_describe(p->topic)->topic_class != KEEL_CLASS_RECORD ||
            n->spec->commit != NULL)
            continue;
        const keel_status top =
            n->cfg.log.ops->top(n->cfg.log.self, p->text, &p->top_step, &p->top_index);
        if (top != KEEL_OK && top != KEEL_ENOTFOUND)
            return top;
        p->has_top = top == KEEL_OK;
    }
    return KEEL_OK;
}

/* P9: what the cache holds of one's topics; a replayed step will not overwrite it. */
static void read_last_values(keel_service *n)
{
    for (int i = 0; i < n->pubs_n; i++) {
        node_pub *p = &n->pubs[i];
        keel_envelope e;
        size_t len;
        p->guard_step = 0;
        if (n->cfg.cache.ops->get_last(n->cfg.cache.self, p->text, n->frame, KEEL_FRAME_BYTES_MAX,
                                       &len) != KEEL_OK)
            continue;
        keel_arena_reset(&n->wire_arena);
        if (keel_wire_get_envelope(&n->wire_arena, n->frame, len, &e) == KEEL_OK) {
            p->guard_step = e.step;
            node_keep_last(p, n->frame, len);
        }
    }
}

static void make_own_msg(const keel_service *n, const node_pub *p, const keel_log_entry *e,
                         keel_msg *msg)
{
    *msg = (keel_msg){.topic = p->topic,
                      .topic_text = p->text,
                      .type = (keel_payload)e->type,
                      .step = e->step,
                      .index = (uint32_t)e->index,
                      .event_ns = e->event_ns,
                      .id = {.epoch_ns = n->epoch_ns},
                      .trace_id = "",
                      .data = e->data,
                      .len = e->len,
                      .hash = keel_hash(e->data, e->len)};
}

typedef struct own_fold {
    keel_service *node;
    const node_pub *pub;
} own_fold;

static bool fold_one(void *arg, const keel_log_entry *e)
{
    own_fold *f = arg;
    keel_service *n = f->node;
    keel_msg msg;
    make_own_msg(n, f->pub, e, &msg);
    keel_arena_reset(&n->arena);
    node_call_count(n, "own_refused", n->spec->on_own(n, n->app, &msg));
    if (f->pub->topic == n->spec->base_topic && e->step > n->done)
        n->done = e->step;
    return true;
}

/* P4, live: the last record that carries all state, then what was recorded after it. */
static keel_status fold_own(keel_service *n)
{
    if (n->spec->on_own == NULL || node_is_lockstep(n) || (n->cfg.without & KEEL_WITHOUT_P4) != 0)
        return KEEL_OK;
    const node_pub *base = node_pub_of(n, n->spec->base_topic);
    if (base == NULL || !base->has_top || base->top_step <= n->done)
        return KEEL_OK;
    own_fold fold = {n, base};
    keel_ring_clear(n->ring);
    return n->cfg.log.ops->read(n->cfg.log.self, base->text,
                                (keel_log_span){base->top_step, 0, base->top_step}, fold_one,
                                &fold);
}

typedef struct stored_record {
    keel_service *node;
    keel_log_entry entry;
    bool found;
} stored_record;

static bool keep_stored(void *arg, const keel_log_entry *e)
{
    stored_record *s = arg;
    uint8_t *data = keel_arena_take(&s->node->arena, e->len, 1);
    KEEL_ASSERT(data != NULL);
    memcpy(data, e->data, e->len);
    s->entry = *e;
    s->entry.data = data;
    s->found = true;
    return false;
}

keel_status node_stored_record(keel_service *n, keel_topic topic, keel_msg *msg)
{
    const node_pub *p = node_pub_of(n, topic);
    const uint64_t step = node_open_step(n);
    stored_record stored = {.node = n};
    if (p == NULL || !p->has_top || p->top_step < step)
        return KEEL_ENOTFOUND;
    keel_arena_reset(&n->arena);
    KEEL_TRY(n->cfg.log.ops->read(n->cfg.log.self, p->text, (keel_log_span){step, 0, step},
                                  keep_stored, &stored));
    if (!stored.found)
        return KEEL_ENOTFOUND;
    make_own_msg(n, p, &stored.entry, msg);
    return KEEL_OK;
}

/* ---- start ---- */

static void start_cumulative(keel_service *n, int publisher, uint64_t first);

static void restart_steps(keel_service *n)
{
    uint64_t first[KEEL_STEPS_PUBLISHERS_MAX];
    for (int p = 0; p < n->publishers_n; p++) {
        first[p] = n->done + 1 + (uint64_t)(int64_t)n->publishers[p].delta;
        n->publishers[p].asked = false;
        start_cumulative(n, p, first[p]);
    }
    if (n->steps != NULL)
        keel_steps_restart(n->steps, first);
}

static void clear_step(keel_service *n)
{
    node_outs_reset(n);
    n->opened = n->handled = n->stepped = n->closed = n->restaged = false;
    n->entry = 0;
    n->known_ns = 0;
    n->waiting_ns = 0;
    n->taken_n = 0;
    n->ended = false;
    node_desk_open(n);
    for (int i = 0; i < n->pubs_n; i++)
        n->pubs[i].count = 0;
}

static void journal_segment(keel_service *n)
{
    uint8_t *state = NULL;
    size_t state_len = 0;
    if (n->cfg.journal == NULL)
        return;
    if (n->spec->save != NULL)
        state_len = pack_state(n, &state);
    const size_t cap = state_len + 256;
    uint8_t *body = keel_xcalloc(cap, 1);
    keel_packer p = keel_packer_over(body, cap);
    keel_pack_str(&p, n->spec->name);
    keel_pack_str(&p, n->cfg.settings->run_id);
    keel_pack_i64(&p, n->epoch_ns);
    keel_pack_u64(&p, n->done);
    keel_pack_u8(&p, (uint8_t)n->cfg.settings->mode);
    keel_pack_i64(&p, n->event_ns);
    keel_pack_blob(&p, state, state_len);
    KEEL_ASSERT(!p.failed);
    keel_journal_put(n->cfg.journal, KEEL_JOURNAL_SEGMENT, body, p.len);
    keel_free(&body);
    keel_free(&state);
}

bool node_wait_for(keel_service *n, const char *what, const char *reason)
{
    node_state_of(n, KEEL_STATE_WARMING, what, reason);
    return false;
}

bool node_wait_for_log(keel_service *n)
{
    return node_wait_for(n, "log cannot be read", n->cfg.log.ops->why(n->cfg.log.self));
}

/* Live: which steps came late before the start is not known, but no more than are held ahead. One
 * at least: none says that nothing was archived (P10). */
static uint64_t whole_at_start(const keel_service *n, uint64_t step)
{
    if (node_is_lockstep(n) || step == 0)
        return step;
    return step > KEEL_STEPS_AHEAD ? step - KEEL_STEPS_AHEAD : 1;
}

bool node_recover(keel_service *n)
{
    keel_err err = {0};
    clear_step(n);
    keel_ring_clear(n->ring);
    n->done = 0;
    n->event_ns = 0;
    n->snapshot_step = 0;
    const keel_status opened = n->pristine ? KEEL_OK : open_app(n, &err);
    if (opened == KEEL_EUNAVAIL) /* a resource, not the configuration: it may come back */
        return node_wait_for(n, "cannot open", err.text);
    if (opened != KEEL_OK) {
        node_state(n, KEEL_STATE_FAILED, err.text);
        return false;
    }
    if ((n->spec->is_source && !node_source_place(n)) || !node_log_reaches_books(n)) {
        n->pristine = true; /* tried again soon; nothing was done to the app */
        return false;
    }
    n->pristine = false;
    if (n->spec->resume != NULL && n->spec->resume(n, n->app, &n->done) != KEEL_OK)
        return node_wait_for(n, "books cannot be read", n->blame);
    if (n->spec->load != NULL && n->spec->commit == NULL) {
        const keel_status found = load_snapshot(n);
        if (found == KEEL_EUNAVAIL && !in_cache(n)) /* without a cache: from step 0 */
            return node_wait_for_log(n);
    }
    if (read_tops(n) != KEEL_OK)
        return node_wait_for_log(n);
    if (fold_own(n) != KEEL_OK)
        return node_wait_for_log(n);
    read_last_values(n);
    node_stage(n, KEEL_STAGE_RECOVERING);
    n->epoch_ns = node_next_epoch(n);
    n->whole_step = whole_at_start(n, n->snapshot_step);
    n->whole_done = whole_at_start(n, n->done);
    n->recovered_ns = node_mono(n);
    n->fresh = true;
    n->caught_up = false;
    restart_steps(n);
    journal_segment(n);
    n->phase = NODE_WORKING;
    keel_log(n->cfg.obs, KEEL_LOG_INFO, "recovered", "step=%llu", (unsigned long long)n->done);
    return true;
}

void node_rewind(keel_service *n, uint64_t bound)
{
    keel_log(n->cfg.obs, KEEL_LOG_INFO, "rewound", "asked_step=%llu", (unsigned long long)bound);
    keel_count(n->cfg.obs, "rewinds", 1);
    n->bound = bound;
    n->phase = NODE_RECOVERING;
}

/* ---- resends ---- */

static void send_ring_step(keel_service *n, uint64_t step)
{
    size_t at = 0;
    for (int i = keel_ring_count(n->ring, step); i > 0; i--) {
        const keel_ring_frame f = keel_ring_next(n->ring, step, &at);
        n->cfg.bus.ops->publish(n->cfg.bus.self, f.topic, f.frame, f.len);
    }
}

static bool stage_stored(void *arg, const keel_log_entry *e)
{
    own_fold *f = arg;
    f->node->event_ns = e->event_ns;
    if (f->node->staged->n == NODE_OUTS_MAX) /* what is recalled waits for nothing */
        (void)node_flush(f->node);
    return keel_service_publish(f->node, f->pub->topic, NULL, e->data, e->len) == KEEL_OK;
}

/* A service whose outputs are all records has every closed step in the log. In live mode it is
 * enough for the others too: states of a step that is long over are replaced by newer ones. */
static keel_status recall_records(keel_service *n, uint64_t step)
{
    const node_pub *base = node_pub_of(n, n->spec->base_topic);
    for (int i = 0; i < n->pubs_n; i++) {
        own_fold fold = {n, &n->pubs[i]};
        if (keel_topic_describe(n->pubs[i].topic)->topic_class != KEEL_CLASS_RECORD)
            continue;
        KEEL_TRY(n->cfg.log.ops->read(n->cfg.log.self, n->pubs[i].text,
                                      (keel_log_span){step, 0, step}, stage_stored, &fold));
    }
    return base == NULL || base->count > 0 ? KEEL_OK : KEEL_ENOTFOUND; /* trimmed, or not closed */
}

/* The app publishes an old step again; counts and event time of the open one are set aside. */
static bool recall_step(keel_service *n, uint64_t step)
{
    uint32_t counts[NODE_PUBS_MAX];
    const int64_t event_ns = n->event_ns;
    for (int i = 0; i < n->pubs_n; i++) {
        counts[i] = n->pubs[i].count;
        n->pubs[i].count = 0;
    }
    n->recall_step = step;
    n->staged =
        &n->recall_outs; /* the open step may be staged, and may wait for this very answer */
    keel_arena_reset(&n->arena);
    const bool found = (n->spec->recall != NULL ? n->spec->recall(n, n->app, step)
                                                : recall_records(n, step)) == KEEL_OK;
    if (found && node_flush(n))
        node_end_step(n);
    node_outs_reset(n);
    n->staged = &n->open_outs;
    n->recall_step = 0;
    n->event_ns = event_ns;
    for (int i = 0; i < n->pubs_n; i++)
        n->pubs[i].count = counts[i];
    return found;
}

/* Live: nobody goes back for who asks. A replay would not be what was, and would lack what has been
 * trimmed since; what counts of an old step are its records, and those are in the log. */
static bool can_recall(const keel_service *n)
{
    return n->spec->recall != NULL || !node_is_lockstep(n) ||
           (n->spec->on_own != NULL && n->spec->base_topic != KEEL_TOPIC_COUNT);
}

static bool serve_step(keel_service *n, uint64_t step)
{
    if (keel_ring_count(n->ring, step) > 0) {
        send_ring_step(n, step);
        return true;
    }
    if (step > n->done)
        return false; /* not there yet: it will be published */
    if (can_recall(n) && recall_step(n, step))
        return true;
    if (n->spec->recall != NULL || !node_is_lockstep(n))
        keel_count(n->cfg.obs, "recalls_failed", 1); /* P9: it cannot be had any more */
    else if ((n->cfg.without & KEEL_WITHOUT_P1) == 0)
        node_rewind(n, step);
    return false;
}

static void serve(keel_service *n, const node_ask *ask)
{
    const uint64_t most = NODE_RESEND_STEPS - 1;
    const uint64_t to = ask->to - ask->from > most ? ask->from + most : ask->to;
    for (uint64_t step = ask->from; step <= to; step++)
        if (!serve_step(n, step))
            break;
    keel_count(n->cfg.obs, "resends_answered", 1);
}

static void serve_clients(keel_service *n)
{
    const int64_t now = node_mono(n);
    if (now < n->clients_due_ns)
        return;
    for (int i = 0; i < NODE_CLIENTS_MAX && n->phase == NODE_WORKING; i++) {
        node_client_ask *c = &n->client_asks[i];
        if (c->ask.to == 0 || c->due_ns > now)
            continue;
        serve(n, &c->ask);
        *c = (node_client_ask){.due_ns = now + NODE_CLIENT_NS};
    }
    node_clients_due(n);
}

void node_serve(keel_service *n)
{
    for (int i = 0; i < n->asks_n && n->phase == NODE_WORKING; i++)
        serve(n, &n->asks[i]);
    n->asks_n = 0;
    serve_clients(n);
}

void node_send_resend(keel_service *n, const char *publisher, uint64_t from, uint64_t to)
{
    keel_resend r = {.from_step = from, .to_step = to};
    size_t len = 0;
    snprintf(r.publisher, sizeof r.publisher, "%s", publisher);
    snprintf(r.requester, sizeof r.requester, "%s", n->spec->name);
    KEEL_ASSERT(keel_wire_put_resend(&r, n->scratch, KEEL_PAYLOAD_BYTES_MAX, &len) == KEEL_OK);
    node_send(n, KEEL_TOPIC_RESEND, publisher, KEEL_PAYLOAD_RESEND, n->scratch, len);
    keel_count(n->cfg.obs, "resends_asked", 1);
}

void node_ask_late(keel_service *n, int publisher, uint64_t from, uint64_t to)
{
    node_publisher *p = &n->publishers[publisher];
    const int64_t now = node_mono(n);
    if (now - p->late_asked_ns < NODE_ASK_NS)
        return;
    p->late_asked_ns = now;
    node_send_resend(n, p->name, from,
                     to < from + NODE_RESEND_STEPS ? to : from + NODE_RESEND_STEPS - 1);
}

typedef struct newest_record {
    keel_service *node;
    const keel_sub *sub;
    const char *topic;
} newest_record;

static bool hand_over(void *arg, const keel_log_entry *e)
{
    newest_record *r = arg;
    const char *source = keel_topic_describe(r->sub->topic)->publisher;
    KEEL_ASSERT(node_dispatch_entry(r->node, r->sub, source, r->topic, e) == KEEL_OK);
    return true;
}

/* ---- records that do not replace each other (R5) ---- */

bool node_is_cumulative(const keel_service *n, keel_topic topic)
{
    return topic == KEEL_TOPIC_DECISION && !node_is_lockstep(n);
}

/* The topic of a publisher whose records all count; -1 = none. */
static int cumulative_topic(const keel_service *n, int publisher)
{
    const node_publisher *p = &n->publishers[publisher];
    for (int t = 0; t < p->topics_n; t++)
        if (node_is_cumulative(n, n->spec->subs[p->subs[t]].topic))
            return t;
    return -1;
}

typedef struct cumulative_read {
    newest_record record;
    node_publisher *publisher;
} cumulative_read;

static bool hand_over_next(void *arg, const keel_log_entry *e)
{
    cumulative_read *c = arg;
    c->publisher->read_step = e->step;
    c->publisher->read_index = e->index + 1;
    return hand_over(&c->record, e);
}

bool node_read_cumulative(keel_service *n, int publisher, uint64_t to_step)
{
    node_publisher *p = &n->publishers[publisher];
    const int t = cumulative_topic(n, publisher);
    if (t < 0 || to_step < p->read_step)
        return true;
    cumulative_read c = {{n, &n->spec->subs[p->subs[t]], p->topics[t]}, p};
    const keel_log_span span = {p->read_step, p->read_index, to_step};
    if (n->cfg.log.ops->read(n->cfg.log.self, p->topics[t], span, hand_over_next, &c) == KEEL_OK)
        return true;
    keel_count(n->cfg.obs, "log_unread", 1); /* read on from here when the log is back */
    return false;
}

void node_note_cumulative(keel_service *n, int publisher, uint64_t step)
{
    node_publisher *p = &n->publishers[publisher];
    const int t = cumulative_topic(n, publisher);
    if (t < 0)
        return;
    p->read_step = step;
    p->read_index = 0;
    for (int i = 0; i < keel_steps_count(n->steps, publisher, step); i++)
        p->read_index += keel_steps_at(n->steps, publisher, step, i).topic == t;
}

/* At a start: a step that was passed over before the death may have records that were never heard
 * of. They are read as far back as steps are kept late; who knows one refuses it by its number. */
static void start_cumulative(keel_service *n, int publisher, uint64_t first)
{
    node_publisher *p = &n->publishers[publisher];
    p->read_step = first > KEEL_STEPS_AHEAD ? first - KEEL_STEPS_AHEAD : 0;
    p->read_index = 0;
}

keel_status node_catch_up(keel_service *n)
{
    for (int p = 0; p < n->publishers_n; p++)
        for (int t = 0; t < n->publishers[p].topics_n; t++) {
            newest_record r = {n, &n->spec->subs[n->publishers[p].subs[t]],
                               n->publishers[p].topics[t]};
            const keel_topic_info *info = keel_topic_describe(r.sub->topic);
            const uint64_t line = n->done + (uint64_t)(int64_t)n->publishers[p].delta;
            uint64_t step;
            uint64_t index;
            if (info->topic_class != KEEL_CLASS_RECORD || node_is_cumulative(n, r.sub->topic))
                continue;
            const keel_status top = n->cfg.log.ops->top(n->cfg.log.self, r.topic, &step, &index);
            if (top == KEEL_ENOTFOUND || (top == KEEL_OK && step > line))
                continue; /* it will come along the line */
            KEEL_TRY(top);
            KEEL_TRY(n->cfg.log.ops->read(n->cfg.log.self, r.topic, (keel_log_span){step, 0, step},
                                          hand_over, &r));
        }
    n->caught_up = true;
    return KEEL_OK;
}

/* S4: who waits asks again, for exactly what is missing; the next 64 at once when an answer was
 * used up and the publisher is known to be further. */
void node_ask_again(keel_service *n, int line)
{
    const keel_line *entry = &n->spec->line[line];
    node_publisher *p = &n->publishers[node_publisher_of(n, entry->publisher)];
    const int64_t now = node_mono(n);
    const uint64_t step = node_open_step(n) + (uint64_t)(int64_t)entry->delta;
    const node_peer *peer = node_peer_of(n, entry->publisher);
    const bool used_up = p->asked && step > p->asked_to && peer != NULL && peer->step_done >= step;
    const bool first = !p->asked && n->fresh && now - n->waiting_ns >= NODE_ASK_NS / 5;
    const int64_t since = p->asked && p->asked_ns > n->waiting_ns ? p->asked_ns : n->waiting_ns;
    if (!used_up && !first && now - since < NODE_ASK_NS)
        return;
    if ((n->cfg.without & KEEL_WITHOUT_S4) != 0 && p->asked)
        return;
    uint64_t to = step;
    if (peer != NULL && peer->step_done > step)
        to = peer->step_done < step + NODE_RESEND_STEPS ? peer->step_done
                                                        : step + NODE_RESEND_STEPS - 1;
    node_send_resend(n, entry->publisher, step, to);
    p->asked = true;
    p->asked_to = to;
    p->asked_ns = now;
}
