/* node.c - the life of a service and its way along the line.
 *
 * A turn is: take frames in, answer resends, go on along the line as far as it goes, beat. The line
 * of step k: open -> for each entry before the end: wait, handle, flush -> on_step, flush, StepEnd
 * -> for each entry after the end: wait, handle -> the step is over. */
#include "common/service/node.h"

#include "common/base/assert.h"
#include "common/base/pack.h"
#include "common/base/timefmt.h"
#include "common/service/node_internal.h"
#include "common/wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t node_mono(const keel_service *n)
{
    return n->cfg.mono_ns(n->cfg.clock_arg);
}

bool node_is_lockstep(const keel_service *n)
{
    return n->cfg.settings->mode == KEEL_MODE_LOCKSTEP;
}

uint64_t node_open_step(const keel_service *n)
{
    return n->recall_step != 0 ? n->recall_step : n->done + 1;
}

int64_t node_next_epoch(const keel_service *n)
{
    const keel_node_cfg *c = &n->cfg;
    const int64_t now = (c->epoch_ns != NULL ? c->epoch_ns : c->wall_ns)(c->clock_arg);
    return now > n->epoch_ns ? now : n->epoch_ns + 1;
}

void node_stage(const keel_service *n, keel_stage stage)
{
    if (n->cfg.at_stage != NULL)
        n->cfg.at_stage(n->cfg.stage_arg, stage);
}

void node_state(keel_service *n, keel_service_state state, const char *why)
{
    if (n->state == state && strcmp(n->why, why) == 0)
        return;
    n->state = state;
    snprintf(n->why, sizeof n->why, "%s", why);
    keel_log(n->cfg.obs, state == KEEL_STATE_FAILED ? KEEL_LOG_ERROR : KEEL_LOG_INFO,
             "state_changed", "state=%s why=%s", keel_service_state_name(state),
             keel_obs_quote(n->cfg.obs, n->why));
    n->beat_due_ns = 0; /* tell at once */
}

void node_state_of(keel_service *n, keel_service_state state, const char *what, const char *reason)
{
    char text[KEEL_REASON_TEXT_MAX];
    if (reason[0] == '\0')
        snprintf(text, sizeof text, "%s", what);
    else
        snprintf(text, sizeof text, "%s (%s)", what, reason);
    node_state(n, state, text);
}

void node_call_count(keel_service *n, const char *what, keel_status status)
{
    char name[KEEL_NAME_MAX];
    if (status == KEEL_OK)
        return;
    snprintf(name, sizeof name, "%s_%s", what, keel_status_name(status));
    keel_count(n->cfg.obs, name, 1);
    keel_log(n->cfg.obs, KEEL_LOG_WARN, "input_refused", "what=%s status=%s step=%llu", what,
             keel_status_name(status), (unsigned long long)node_open_step(n));
}

/* ---- what an app may ask ---- */

uint8_t *keel_service_scratch(keel_service *svc, size_t *cap)
{
    *cap = KEEL_PAYLOAD_BYTES_MAX;
    return svc->scratch;
}

keel_arena *keel_service_arena(keel_service *svc)
{
    return &svc->arena;
}

int64_t keel_service_event_ns(const keel_service *svc)
{
    return svc->event_ns;
}

void keel_service_set_event_ns(keel_service *svc, int64_t event_ns)
{
    svc->event_ns = event_ns;
}

void keel_service_blame(keel_service *svc, const char *why)
{
    snprintf(svc->blame, sizeof svc->blame, "%s", why);
}

void keel_service_count(keel_service *svc, const char *name, uint64_t add)
{
    keel_count(svc->cfg.obs, name, add);
}

uint64_t keel_service_step(const keel_service *svc)
{
    return node_open_step(svc);
}

const keel_universe *keel_service_universe(const keel_service *svc)
{
    return svc->cfg.universe;
}

const keel_settings *keel_service_settings(const keel_service *svc)
{
    return svc->cfg.settings;
}

const keel_config *keel_service_config(const keel_service *svc)
{
    return svc->cfg.config;
}

const char *keel_service_run(const keel_service *svc)
{
    return svc->cfg.settings->run_id;
}

const char *keel_service_dir(const keel_service *svc)
{
    return svc->cfg.settings->dir;
}

/* ---- making one ---- */

static void subscribe(keel_service *n, keel_topic topic, const char *key)
{
    char text[KEEL_TOPIC_MAX];
    keel_topic_keys keys = n->keys;
    keys.key = key;
    KEEL_ASSERT(keel_topic_make(topic, &keys, text) == KEEL_OK);
    n->cfg.bus.ops->subscribe(n->cfg.bus.self, text);
}

/* A source in live mode is paced by the clock and waits for nobody. */
static bool has_line(const keel_service *n)
{
    return n->spec->line != NULL && !(n->spec->is_source && !node_is_lockstep(n));
}

/* Questions are counted in the step of who asks. */
static void add_calls(keel_service *n)
{
    const keel_sub *calls = n->spec->desk != NULL ? n->spec->desk->calls : NULL;
    for (; calls != NULL && calls->on != NULL; calls++) {
        const int asker = node_publisher_of(n, keel_topic_describe(calls->topic)->publisher);
        if (asker < 0 || !node_desk_counts(n, calls->topic))
            continue;
        node_publisher *p = &n->publishers[asker];
        KEEL_ASSERT(!p->has_calls && p->topics_n < KEEL_STEPS_TOPICS_MAX);
        KEEL_ASSERT(keel_topic_make(calls->topic, &n->keys, p->topics[p->topics_n]) == KEEL_OK);
        p->has_calls = true;
    }
}

static void make_line(keel_service *n)
{
    int topics[KEEL_STEPS_PUBLISHERS_MAX];
    for (const keel_line *l = n->spec->line; has_line(n) && l->publisher != NULL; l++) {
        KEEL_ASSERT(node_publisher_of(n, l->publisher) < 0); /* once each */
        node_publisher *p = &n->publishers[n->publishers_n++];
        *p = (node_publisher){.name = l->publisher, .delta = l->delta};
        subscribe(n, KEEL_TOPIC_STEP, l->publisher);
    }
    for (int i = 0; n->spec->subs != NULL && n->spec->subs[i].on != NULL; i++) {
        const keel_topic topic = n->spec->subs[i].topic;
        const int publisher = node_publisher_of(n, keel_topic_describe(topic)->publisher);
        KEEL_ASSERT(publisher >= 0); /* read = in the line */
        node_publisher *p = &n->publishers[publisher];
        KEEL_ASSERT(p->topics_n < KEEL_STEPS_TOPICS_MAX);
        KEEL_ASSERT(keel_topic_make(topic, &n->keys, p->topics[p->topics_n]) == KEEL_OK);
        n->cfg.bus.ops->subscribe(n->cfg.bus.self, p->topics[p->topics_n]);
        p->subs[p->topics_n++] = i;
    }
    add_calls(n);
    for (int p = 0; p < n->publishers_n; p++)
        topics[p] = n->publishers[p].topics_n + n->publishers[p].has_calls;
    if (n->publishers_n > 0)
        n->steps = keel_steps_new(n->publishers_n, topics);
}

static void make_pubs(keel_service *n)
{
    for (int i = 0; n->spec->pubs[i] != KEEL_TOPIC_COUNT; i++) {
        KEEL_ASSERT(n->pubs_n < NODE_PUBS_MAX);
        node_pub *p = &n->pubs[n->pubs_n++];
        p->topic = n->spec->pubs[i];
        KEEL_ASSERT(keel_topic_make(p->topic, &n->keys, p->text) == KEEL_OK);
    }
}

static void subscribe_control(keel_service *n)
{
    n->cfg.bus.ops->subscribe(n->cfg.bus.self, "v1.hb.");
    subscribe(n, KEEL_TOPIC_RESEND, n->spec->name);
    subscribe(n, KEEL_TOPIC_REQUEST, n->spec->name);
}

keel_service *keel_node_new(const keel_node_cfg *cfg, keel_err *err)
{
    keel_service *n = keel_xcalloc(1, sizeof *n);
    n->cfg = *cfg;
    n->spec = cfg->spec;
    n->app = keel_xcalloc(1, cfg->spec->app_size);
    n->keys = (keel_topic_keys){cfg->settings->bar, cfg->settings->universe,
                                cfg->settings->portfolio, NULL};
    n->ring =
        keel_ring_new(cfg->ring_steps > 0 ? cfg->ring_steps : KEEL_RING_STEPS, KEEL_RING_BYTES);
    n->open_outs.outs = keel_xcalloc(NODE_OUTS_MAX, sizeof(node_out));
    n->recall_outs.outs = keel_xcalloc(NODE_OUTS_MAX, sizeof(node_out));
    n->staged = &n->open_outs;
    n->scratch = keel_xcalloc(KEEL_PAYLOAD_BYTES_MAX, 1);
    n->frame = keel_xcalloc(KEEL_FRAME_BYTES_MAX, 1);
    keel_arena_init(&n->arena, NODE_ARENA_BYTES);
    keel_arena_init(&n->wire_arena, NODE_ARENA_BYTES);
    n->bound = UINT64_MAX;
    n->clients_due_ns = INT64_MAX;
    n->started_ns = cfg->wall_ns(cfg->clock_arg);
    n->epoch_ns = node_next_epoch(n);
    make_pubs(n);
    make_line(n);
    subscribe_control(n);
    node_desk_subscribe(n);
    node_state(n, KEEL_STATE_STARTING, "");
    /* A configuration that the app refuses is a refusal to start, not a state; a resource that is
     * not there now is opened by the recovery, which says so until it is. */
    keel_status opened = keel_config_bind(cfg->config, cfg->spec->cfg, n->app, err);
    if (opened == KEEL_OK)
        opened = cfg->spec->open(n, n->app, err);
    if (opened != KEEL_OK && opened != KEEL_EUNAVAIL) {
        keel_node_free(&n);
        return NULL;
    }
    n->app_open = n->pristine = opened == KEEL_OK;
    return n;
}

void keel_node_free(keel_service **svc)
{
    keel_service *n = *svc;
    if (n == NULL)
        return;
    if (n->app_open)
        n->spec->close(n->app);
    n->cfg.bus.ops->close(n->cfg.bus.self);
    n->cfg.log.ops->close(n->cfg.log.self);
    n->cfg.cache.ops->close(n->cfg.cache.self);
    for (int i = 0; i < n->pubs_n; i++)
        free(n->pubs[i].last);
    keel_steps_free(&n->steps);
    keel_ring_free(&n->ring);
    free(n->open_outs.bytes);
    free(n->recall_outs.bytes);
    keel_free(&n->open_outs.outs);
    keel_free(&n->recall_outs.outs);
    keel_free(&n->scratch);
    keel_free(&n->frame);
    keel_free(&n->app);
    for (int i = 0; i < NODE_CALLS_MAX; i++)
        keel_free(&n->desk.calls[i].frame);
    keel_arena_fini(&n->arena);
    keel_arena_fini(&n->wire_arena);
    keel_free(svc);
}

/* ---- along the line ---- */

static bool requests_of_step(keel_service *n, keel_msg *stored, bool *is_stored)
{
    *is_stored = false;
    if (n->spec->request_topic == KEEL_TOPIC_COUNT)
        return true;
    const keel_status found = node_stored_record(n, n->spec->request_topic, stored);
    if (found == KEEL_EUNAVAIL || found == KEEL_EFORMAT) {
        node_state_of(n, KEEL_STATE_DEGRADED, "log cannot be read; the step is not opened",
                      n->cfg.log.ops->why(n->cfg.log.self));
        return false;
    }
    *is_stored = found == KEEL_OK;
    if (!*is_stored) {
        memcpy(n->taken, n->queue, sizeof n->taken);
        n->taken_n = n->queue_n;
        n->queue_n = 0;
    }
    return true;
}

static void journal_open(keel_service *n, const keel_msg *stored)
{
    if (n->cfg.journal == NULL)
        return;
    keel_packer p = keel_packer_over(n->scratch, KEEL_PAYLOAD_BYTES_MAX);
    keel_pack_u64(&p, node_open_step(n));
    keel_pack_blob(&p, stored != NULL ? stored->data : NULL, stored != NULL ? stored->len : 0);
    keel_pack_u32(&p, (uint32_t)n->taken_n);
    for (int i = 0; i < n->taken_n; i++) {
        keel_pack_str(&p, n->taken[i].id);
        keel_pack_u32(&p, (uint32_t)n->taken[i].request.ask);
        keel_pack_str(&p, n->taken[i].request.reason);
        keel_pack_str(&p, n->taken[i].request.operator_name);
        keel_pack_str(&p, n->taken[i].request.strategy);
        keel_pack_str(&p, n->taken[i].request.asset);
    }
    KEEL_ASSERT(!p.failed);
    keel_journal_put(n->cfg.journal, KEEL_JOURNAL_OPEN, n->scratch, p.len);
}

static bool open_step(keel_service *n)
{
    const char *ids[NODE_REQUESTS_MAX];
    keel_request requests[NODE_REQUESTS_MAX];
    keel_msg stored;
    bool is_stored;
    if (n->spec->is_source && !node_is_lockstep(n)) {
        const int64_t now = node_mono(n);
        if (now < n->pace_due_ns)
            return false;
        n->pace_due_ns =
            (n->pace_due_ns > 0 && now - n->pace_due_ns < KEEL_NS_PER_S ? n->pace_due_ns : now) +
            n->cfg.settings->pace_ns;
    }
    if (!requests_of_step(n, &stored, &is_stored))
        return false;
    if (n->fresh && !node_is_lockstep(n) && !n->caught_up && node_catch_up(n) != KEEL_OK)
        return false;
    journal_open(n, is_stored ? &stored : NULL);
    for (int i = 0; i < n->taken_n; i++) {
        ids[i] = n->taken[i].id;
        requests[i] = n->taken[i].request;
    }
    if (n->spec->on_open != NULL)
        node_call_count(n, "open_refused",
                        n->spec->on_open(n, n->app, node_open_step(n), is_stored ? &stored : NULL,
                                         requests, ids, n->taken_n));
    keel_ring_begin(n->ring, node_open_step(n));
    n->opened = true;
    node_desk_open(n);
    return true;
}

/* In live mode decisions that do not come along the line are read from the log (R5), so what is
 * late of them is no news. */
static bool is_taken(const keel_service *n, keel_topic topic, bool late)
{
    if (!late)
        return true;
    return keel_topic_describe(topic)->topic_class == KEEL_CLASS_RECORD &&
           !node_is_cumulative(n, topic);
}

static void handle_messages(keel_service *n, int p, uint64_t step, bool late)
{
    const int count = keel_steps_count(n->steps, p, step);
    for (int i = 0; i < count; i++) {
        const keel_held h = keel_steps_at(n->steps, p, step, i);
        if (h.topic == n->publishers[p].topics_n) /* a question: it was answered */
            continue;
        const keel_sub *sub = &n->spec->subs[n->publishers[p].subs[h.topic]];
        if (is_taken(n, sub->topic, late))
            node_dispatch(n, sub, n->publishers[p].topics[h.topic], h.frame, h.len);
    }
}

/* R6: records of steps that were passed over are taken, by publisher and step, once they are there;
 * states are only replaced by newer ones. */
static void take_late(keel_service *n, int p)
{
    uint64_t late[KEEL_STEPS_AHEAD];
    const int m = keel_steps_late(n->steps, p, late, KEEL_STEPS_AHEAD);
    for (int i = 0; i < m; i++) {
        if (!keel_steps_closed(n->steps, p, late[i])) {
            node_ask_late(n, p, late[i], late[m - 1]);
            return; /* in order: an older one may still come */
        }
        handle_messages(n, p, late[i], true);
        keel_steps_release(n->steps, p, late[i]);
        keel_count(n->cfg.obs, "late_steps_taken", 1);
    }
}

static bool deadline_passed(keel_service *n, const keel_line *l)
{
    const bool row = strcmp(l->publisher, "feed") == 0; /* without a row there is no step */
    if (node_is_lockstep(n) || row || l->never_passed || n->known_ns == 0)
        return false;
    return node_mono(n) - n->known_ns >= n->cfg.settings->step_deadline_ns;
}

/* Live: the step is known of once its row is, or, by who reads no rows, anything of it. Nothing
 * else tells: decisions belong to the step that is open, and are made long before its row comes. */
static void note_known(keel_service *n)
{
    if (n->known_ns != 0 || node_is_lockstep(n))
        return;
    const int feed = node_publisher_of(n, "feed");
    for (int p = 0; p < n->publishers_n; p++)
        if ((feed < 0 || p == feed) && keel_steps_newest(n->steps, p) >= node_open_step(n)) {
            n->known_ns = node_mono(n);
            return;
        }
}

static bool pass_over(keel_service *n, const keel_line *l, int p, uint64_t step)
{
    char why[KEEL_REASON_TEXT_MAX];
    if (keel_steps_pass(n->steps, p, step) != KEEL_OK)
        return false; /* too many steps of it are open: wait for it */
    keel_journal_put_step(n->cfg.journal, KEEL_JOURNAL_PASSED, step, (uint32_t)n->entry);
    keel_count(n->cfg.obs, "steps_passed_over", 1);
    snprintf(why, sizeof why, "gone on without %s", l->publisher);
    if (!node_desk_is_tripped(n)) /* which says more */
        node_state(n, KEEL_STATE_DEGRADED, why);
    n->passed = true;
    return true;
}

/* One entry of the line; true when it is finished. */
static bool take_entry(keel_service *n)
{
    const keel_line *l = &n->spec->line[n->entry];
    const int p = node_publisher_of(n, l->publisher);
    const uint64_t step = node_open_step(n) + (uint64_t)(int64_t)l->delta;
    if (!n->handled) {
        const bool closed =
            (keel_steps_closed(n->steps, p, step) && node_desk_answered(n, p, step)) ||
            (n->cfg.without & KEEL_WITHOUT_S1 && keel_steps_count(n->steps, p, step) > 0);
        note_known(n);
        if (!closed && (!deadline_passed(n, l) || !pass_over(n, l, p, step))) {
            if (n->waiting_ns == 0)
                n->waiting_ns = node_mono(n);
            node_ask_again(n, n->entry);
            return false;
        }
        const int64_t start = node_mono(n);
        if (!node_is_lockstep(n)) {
            take_late(n, p);
            if (!node_read_cumulative(n, p, step - 1))
                return false; /* what this step has would be taken in their place */
        }
        n->waiting_ns = 0;
        if (closed) {
            handle_messages(n, p, step, false);
            node_note_cumulative(n, p, step);
        }
        keel_journal_put_step(n->cfg.journal, KEEL_JOURNAL_CLOSED, step, (uint32_t)n->entry);
        if (l->on_closed != NULL)
            node_call_count(n, "step_refused", l->on_closed(n, n->app, node_open_step(n)));
        if (closed)
            keel_steps_release(n->steps, p, step);
        const int64_t spent = node_mono(n) - start;
        n->handler_max_ns = spent > n->handler_max_ns ? spent : n->handler_max_ns;
        n->handled = true;
    }
    if (!node_flush(n))
        return false;
    n->handled = false;
    n->entry++;
    if ((n->cfg.without & KEEL_WITHOUT_S3) != 0)
        (void)node_snapshot(n);
    return true;
}

/* on_step, StepEnd; true when the step is closed. */
static bool close_step(keel_service *n)
{
    if (!n->stepped) {
        keel_journal_put_step(n->cfg.journal, KEEL_JOURNAL_STEP, node_open_step(n), 0);
        if (n->spec->on_step != NULL) {
            const int64_t start = node_mono(n);
            const keel_status status = n->spec->on_step(n, n->app, node_open_step(n));
            const int64_t spent = node_mono(n) - start;
            n->handler_max_ns = spent > n->handler_max_ns ? spent : n->handler_max_ns;
            if (status == KEEL_EEND) {
                n->ended = true;
                return false;
            }
            node_call_count(n, "step_refused", status);
        }
        n->stepped = true;
    }
    if (!node_flush(n))
        return false;
    node_answer_taken(n);
    node_stage(n, KEEL_STAGE_PUBLISH_END);
    node_end_step(n);
    n->closed = true;
    return true;
}

void node_say_working(keel_service *n)
{
    if (n->cache_lost)
        node_state_of(n, KEEL_STATE_DEGRADED, "cache cannot be used",
                      n->cfg.cache.ops->why(n->cfg.cache.self));
    else if (node_desk_is_tripped(n))
        node_state(n, KEEL_STATE_DEGRADED,
                   n->deadman.mode == KEEL_TRADING_HALTED
                       ? "risk has not been heard for 5 s: nothing is traded"
                       : "risk has not been heard for 1 s: no new exposure");
    else
        node_state(n, KEEL_STATE_RUNNING, "");
}

/* R6: a step that was passed over, and whose records are still to come, is not done with, nor is
 * any after it. */
static uint64_t whole_through(const keel_service *n)
{
    uint64_t whole = n->done, late[KEEL_STEPS_AHEAD];
    for (int p = 0; p < n->publishers_n && !node_is_lockstep(n); p++)
        if (keel_steps_late(n->steps, p, late, KEEL_STEPS_AHEAD) > 0 && late[0] <= whole)
            whole = late[0] - 1;
    return whole;
}

static void finish_step(keel_service *n)
{
    n->done++;
    n->whole_done = whole_through(n);
    n->opened = n->stepped = n->closed = n->handled = n->restaged = false;
    n->entry = 0;
    n->known_ns = 0;
    n->fresh = false;
    for (int i = 0; i < n->pubs_n; i++)
        n->pubs[i].count = 0;
    if (!n->passed && n->phase == NODE_WORKING && !n->log_lost)
        node_say_working(n);
    n->passed = false;
}

/* Live: what the log holds of the step that is open now, if the process died in it. */
static bool restage(keel_service *n)
{
    if (node_desk_restage(n) != KEEL_OK) {
        node_state_of(n, KEEL_STATE_DEGRADED, "log cannot be read; nothing is decided",
                      n->cfg.log.ops->why(n->cfg.log.self));
        return false;
    }
    n->restaged = true;
    return true;
}

/* Nothing of the desk keeps the step open. */
static bool desk_is_done(keel_service *n)
{
    return node_is_lockstep(n) ? node_desk_round(n)
                               : !node_desk_is_deciding(n) && node_desk_flush(n);
}

/* As far along the line as it goes; true when a step was finished. */
static bool advance(keel_service *n)
{
    if (!n->opened && (n->cfg.without & KEEL_WITHOUT_S3) == 0 && !node_snapshot(n)) /* S3 */
        return false;
    if (n->ended || (n->stopping && !n->opened))
        return false;
    if (!n->opened && !open_step(n))
        return false;
    if (!n->restaged && !restage(n))
        return false;
    while (has_line(n) && n->spec->line[n->entry].publisher != NULL &&
           !n->spec->line[n->entry].after_end && !n->closed)
        if (!take_entry(n))
            return false;
    if (!n->closed && !n->stepped && !desk_is_done(n))
        return false;
    if (!n->closed && !close_step(n))
        return false;
    while (has_line(n) && n->spec->line[n->entry].publisher != NULL)
        if (!take_entry(n))
            return false;
    finish_step(n);
    return true;
}

static void beat_if_due(keel_service *n)
{
    const int64_t now = node_mono(n);
    if (now < n->beat_due_ns)
        return;
    const bool lost = !n->cfg.cache.ops->tend(n->cfg.cache.self);
    if (lost != n->cache_lost && n->state != KEEL_STATE_STARTING) {
        n->cache_lost = lost;
        if (!n->log_lost && n->phase == NODE_WORKING)
            node_say_working(n);
    }
    n->beat_due_ns = now + NODE_BEAT_NS;
    node_beat(n);
}

/* Nothing to catch up with: running, though no step may be closing now. */
static void settle(keel_service *n)
{
    if (n->phase == NODE_WORKING &&
        (n->state == KEEL_STATE_STARTING || n->state == KEEL_STATE_WARMING))
        node_state(n, KEEL_STATE_RUNNING, "");
}

/* All of a turn in one write, after what others wait for has left. */
static void send_last_values(keel_service *n)
{
    if (n->cache_queued)
        (void)n->cfg.cache.ops->tend(n->cfg.cache.self);
    n->cache_queued = false;
}

/* What came from clients and from who asks. */
static bool desk_turn(keel_service *n)
{
    if (n->spec->desk == NULL)
        return false;
    if (n->spec->desk->on_turn != NULL)
        n->spec->desk->on_turn(n, n->app);
    const bool answered = node_desk_answer(n);
    return node_desk_live(n) || answered;
}

bool keel_node_turn(keel_service *svc)
{
    bool did = node_receive(svc);
    node_welcome(svc);
    if (svc->phase == NODE_RECOVERING && node_mono(svc) >= svc->recover_due_ns) {
        did = node_recover(svc) || did;
        svc->recover_due_ns = node_mono(svc) + NODE_BEAT_NS / 4;
    }
    if (svc->phase == NODE_WORKING) {
        node_serve(svc);
        node_desk_watch(svc);
        did = desk_turn(svc) || did;
        for (int i = 0; i < 64 && svc->phase == NODE_WORKING && advance(svc); i++)
            did = true;
        settle(svc);
    }
    send_last_values(svc);
    beat_if_due(svc);
    if (keel_journal_flush(svc->cfg.journal) != KEEL_OK)
        keel_count(svc->cfg.obs, "journal_failed", 1);
    return did;
}

int64_t keel_node_due_ns(const keel_service *svc)
{
    int64_t due = svc->beat_due_ns;
    const int64_t now = node_mono(svc);
    if (svc->phase == NODE_RECOVERING && svc->recover_due_ns < due)
        due = svc->recover_due_ns;
    if (svc->spec->is_source && !node_is_lockstep(svc) && !svc->ended && svc->pace_due_ns < due)
        due = svc->pace_due_ns;
    if (svc->waiting_ns != 0 && svc->fresh && now + NODE_ASK_NS / 5 < due)
        due = now + NODE_ASK_NS / 5;
    if (svc->known_ns != 0 && svc->waiting_ns != 0 &&
        svc->known_ns + svc->cfg.settings->step_deadline_ns < due)
        due = svc->known_ns + svc->cfg.settings->step_deadline_ns;
    if (svc->clients_due_ns < due)
        due = svc->clients_due_ns;
    if (svc->staged->flushing && now + NODE_BEAT_NS / 4 < due)
        due = now + NODE_BEAT_NS / 4;
    return due;
}

bool keel_node_stop(keel_service *svc)
{
    if (!svc->stopping) {
        svc->stopping = true;
        node_state(svc, KEEL_STATE_STOPPING, "");
    }
    if (svc->staged->flushing && !node_flush(svc))
        return false;
    send_last_values(svc);
    node_beat(svc);
    svc->phase = NODE_STOPPED;
    return true;
}

keel_service_state keel_node_state(const keel_service *svc)
{
    return svc->state;
}

const char *keel_node_why(const keel_service *svc)
{
    return svc->why;
}

const char *keel_node_awaited(const keel_service *svc)
{
    return svc->awaited;
}

uint64_t keel_node_done(const keel_service *svc)
{
    return svc->done;
}

bool keel_node_ended(const keel_service *svc)
{
    return svc->ended;
}

bool keel_node_wants_shutdown(const keel_service *svc)
{
    return svc->shutdown;
}
