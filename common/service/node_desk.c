/* node_desk.c - what a service does beside its line (service.h, keel_desk).
 *
 * Frames of clients go to their handlers on arrival. A round of deciding is: gather, decide, then
 * answer and decide until nothing more is asked. In lockstep there is one round in a step, after
 * the line and before on_step; in live mode one whenever something was gathered. Questions and
 * answers are messages of the step; they stay in the ring with it, so a Resend brings them again.
 * In lockstep a step is not over for who answers before it has answered all that the asker's
 * StepEnd counts. */
#include "common/base/assert.h"
#include "common/service/node_internal.h"
#include "common/wire/wire.h"

#include <stdio.h>
#include <string.h>

#define DEADMAN_REDUCING_NS (1 * KEEL_NS_PER_S)
#define DEADMAN_HALTED_NS   (5 * KEEL_NS_PER_S)
enum { DEADMAN_BEATS = 3 }; /* so many heartbeats and it is over */

static const keel_sub *sub_of(const keel_sub *subs, keel_topic topic)
{
    for (const keel_sub *s = subs; s != NULL && s->on != NULL; s++)
        if (s->topic == topic)
            return s;
    return NULL;
}

static bool decides(const keel_service *n)
{
    return n->spec->desk != NULL && n->spec->desk->decide != NULL;
}

/* ---- doors ---- */

/* A subscription to every key of a topic: its fixed words. */
static void subscribe_stem(keel_service *n, keel_topic topic)
{
    char stem[KEEL_TOPIC_MAX];
    snprintf(stem, sizeof stem, "%s", keel_topic_describe(topic)->template_text);
    stem[strcspn(stem, "{")] = '\0';
    n->cfg.bus.ops->subscribe(n->cfg.bus.self, stem);
}

void node_desk_subscribe(keel_service *n)
{
    char text[KEEL_TOPIC_MAX];
    if (n->spec->desk == NULL)
        return;
    for (const keel_sub *s = n->spec->desk->doors; s != NULL && s->on != NULL; s++)
        subscribe_stem(n, s->topic);
    for (const keel_sub *s = n->spec->desk->calls; s != NULL && s->on != NULL; s++) {
        KEEL_ASSERT(keel_topic_make(s->topic, &n->keys, text) == KEEL_OK);
        n->cfg.bus.ops->subscribe(n->cfg.bus.self, text);
    }
}

bool node_desk_door(keel_service *n, keel_topic kind, const char *topic, const uint8_t *frame,
                    size_t len)
{
    keel_msg msg;
    const keel_sub *sub = n->spec->desk != NULL ? sub_of(n->spec->desk->doors, kind) : NULL;
    if (sub == NULL)
        return false;
    if (n->phase != NODE_WORKING) {
        keel_count(n->cfg.obs, "doors_closed", 1); /* it will be sent again */
        return true;
    }
    keel_arena_reset(&n->arena);
    if (node_message(n, topic, frame, len, &msg) == KEEL_OK)
        node_call_count(n, "clients_refused", sub->on(n, n->app, &msg));
    return true;
}

/* ---- calls ---- */

static void drop_call(keel_service *n, int i)
{
    node_call *c = &n->desk.calls[i];
    const node_call kept = *c; /* its buffer goes to the end of the list, to be used again */
    n->desk.calls_n--;
    memmove(c, c + 1, (size_t)(n->desk.calls_n - i) * sizeof *c);
    n->desk.calls[n->desk.calls_n] = kept;
}

static bool is_held(const keel_service *n, const node_call *call)
{
    for (int i = 0; i < n->desk.calls_n; i++) {
        const node_call *c = &n->desk.calls[i];
        if (c->sub == call->sub && c->step == call->step && c->index == call->index &&
            c->epoch_ns == call->epoch_ns)
            return true;
    }
    return false;
}

static void hold_call(keel_service *n, const node_call *call, const uint8_t *frame)
{
    if (n->desk.calls_n == NODE_CALLS_MAX) { /* it will be asked for again */
        keel_count(n->cfg.obs, "calls_dropped", 1);
        return;
    }
    node_call *c = &n->desk.calls[n->desk.calls_n++];
    uint8_t *buffer = c->frame;
    size_t cap = c->cap;
    if (call->len > cap) {
        keel_free(&buffer);
        buffer = keel_xcalloc(call->len, 1);
        cap = call->len;
    }
    *c = *call;
    c->frame = buffer;
    c->cap = cap;
    memcpy(c->frame, frame, call->len);
}

void node_desk_call(keel_service *n, keel_topic kind, const keel_envelope *e, const uint8_t *frame,
                    size_t len)
{
    const node_call call = {.sub =
                                n->spec->desk != NULL ? sub_of(n->spec->desk->calls, kind) : NULL,
                            .step = e->step,
                            .index = e->index,
                            .epoch_ns = e->id.epoch_ns,
                            .len = len};
    const bool late =
        node_is_lockstep(n) && (e->step < node_open_step(n) ||
                                (e->step == node_open_step(n) && e->index < n->desk.next_call));
    if (call.sub == NULL)
        keel_count(n->cfg.obs, "unread_dropped", 1);
    else if (late || is_held(n, &call))
        keel_count(n->cfg.obs, "repeats_dropped", 1);
    else
        hold_call(n, &call, frame);
}

/* Handle one call; the caller flushes what it published. */
static void dispatch_call(keel_service *n, int i)
{
    char topic[KEEL_TOPIC_MAX];
    const node_call *c = &n->desk.calls[i];
    KEEL_ASSERT(keel_topic_make(c->sub->topic, &n->keys, topic) == KEEL_OK);
    node_dispatch(n, c->sub, topic, c->frame, c->len);
    drop_call(n, i);
    n->desk.next_call++;
    keel_count(n->cfg.obs, "calls_handled", 1);
}

/* The call that is next: in lockstep by step and index, in live mode as they came. -1 = none. */
static int next_call(const keel_service *n)
{
    if (!node_is_lockstep(n))
        return n->desk.calls_n > 0 ? 0 : -1;
    for (int i = 0; i < n->desk.calls_n; i++)
        if (n->desk.calls[i].step == node_open_step(n) &&
            n->desk.calls[i].index == n->desk.next_call)
            return i;
    return -1;
}

bool node_desk_flush(keel_service *n)
{
    return (n->staged->n == 0 && !n->staged->flushing) || node_flush(n);
}

bool node_desk_answer(keel_service *n)
{
    bool did = false;
    if (n->spec->desk == NULL || decides(n)) /* its own answers are taken in its rounds */
        return false;
    for (int i; n->opened && !n->handled && !n->staged->flushing &&
                (n->closed || !node_is_lockstep(n)) && (i = next_call(n)) >= 0;
         did = true) {
        dispatch_call(n, i);
        if (!node_desk_flush(n))
            return true;
    }
    return did;
}

bool node_desk_counts(const keel_service *n, keel_topic topic)
{
    return node_is_lockstep(n) && n->spec->desk != NULL && !decides(n) &&
           sub_of(n->spec->desk->calls, topic) != NULL;
}

/* Who asks may have closed the step in an earlier life, and ask again in the next one: the answers
 * must be there, whatever became of the questions meanwhile. */
bool node_desk_answered(const keel_service *n, int publisher, uint64_t step)
{
    const node_publisher *p = &n->publishers[publisher];
    const int count = p->has_calls ? keel_steps_count(n->steps, publisher, step) : 0;
    uint32_t asked = 0;
    for (int i = 0; i < count; i++)
        asked += keel_steps_at(n->steps, publisher, step, i).topic == p->topics_n;
    return asked <= n->desk.next_call;
}

/* ---- rounds ---- */

void node_desk_open(keel_service *n)
{
    n->desk.next_call = 0;
    n->desk.deciding = false;
    n->desk.round_over = false;
    n->desk.waits_ns = 0;
    n->desk.awaited[0] = '\0';
    for (int i = n->desk.calls_n - 1; i >= 0; i--)
        if (node_is_lockstep(n) && n->desk.calls[i].step < node_open_step(n))
            drop_call(n, i);
}

static void decide(keel_service *n)
{
    keel_journal_put_step(n->cfg.journal, KEEL_JOURNAL_DECIDE, node_open_step(n), 0);
    keel_arena_reset(&n->arena);
    const keel_status status = n->spec->desk->decide(n, n->app, node_open_step(n));
    n->desk.waits_ns = 0;
    if (status == KEEL_EUNAVAIL) {
        n->desk.waits_ns = n->desk.asked_ns = node_mono(n);
        return;
    }
    node_call_count(n, "decide_refused", status);
    n->desk.deciding = false;
    n->desk.round_over = true;
}

static const char *answerer(const keel_service *n)
{
    return keel_topic_describe(n->spec->desk->calls->topic)->publisher;
}

/* S5, S4: the answer is a message of the answerer's step; who waits asks for it again. */
static void ask_for_answer(keel_service *n)
{
    const int64_t now = node_mono(n);
    snprintf(n->desk.awaited, sizeof n->desk.awaited, "%s", answerer(n));
    if (node_is_lockstep(n) && now - n->desk.asked_ns >= NODE_ASK_NS) {
        n->desk.asked_ns = now;
        node_send_resend(n, answerer(n), node_open_step(n), node_open_step(n));
    }
}

/* An answer that came, or that will not come any more; true when decide is to be called. */
static bool take_answer(keel_service *n)
{
    const int i = next_call(n);
    if (i >= 0) {
        dispatch_call(n, i);
        return true;
    }
    if (node_is_lockstep(n) || node_mono(n) - n->desk.waits_ns < KEEL_ANSWER_NS) {
        ask_for_answer(n);
        return false;
    }
    keel_journal_put_step(n->cfg.journal, KEEL_JOURNAL_GAVE_UP, node_open_step(n), 0);
    n->spec->desk->give_up(n, n->app, node_open_step(n));
    keel_count(n->cfg.obs, "answers_given_up", 1);
    return true;
}

/* Go on with the round as far as it goes; true when it is over and what it made has left. */
static bool go_on(keel_service *n)
{
    while (n->desk.deciding) {
        if (!node_desk_flush(n))
            return false;
        if (n->desk.waits_ns != 0 && !take_answer(n))
            return false;
        decide(n);
    }
    n->desk.awaited[0] = '\0';
    return node_desk_flush(n);
}

bool node_desk_round(keel_service *n)
{
    bool any = true;
    if (!decides(n) || n->desk.round_over)
        return node_desk_flush(n);
    if (!n->desk.deciding) {
        if (!node_desk_flush(n))
            return false;
        keel_arena_reset(&n->arena);
        const keel_status status = n->spec->desk->gather(n, n->app, node_open_step(n), &any);
        if (status != KEEL_OK) {
            n->waiting_ns = n->waiting_ns != 0 ? n->waiting_ns : node_mono(n);
            return false;
        }
        n->waiting_ns = 0;
        n->desk.deciding = true;
    }
    return go_on(n);
}

/* Does the log hold records of a step after `step`? */
static bool log_is_beyond(const keel_service *n, uint64_t step)
{
    for (int i = 0; i < n->pubs_n; i++)
        if (n->pubs[i].has_top && n->pubs[i].top_step > step)
            return true;
    return false;
}

/* Live: have the ledger or execution gone on without the open step? What is decided now would come
 * late to them; after a restart of theirs it would not come at all. Whoever begins anew may have
 * closed the step in an earlier life, and waits until the ledger has said how far it is. */
static bool is_passed_over(keel_service *n)
{
    const node_peer *ledger = node_peer_of(n, "ledger");
    const node_peer *execution = node_peer_of(n, "execution");
    const uint64_t step = node_open_step(n);
    return ledger == NULL || ledger->heard_ns <= n->recovered_ns || ledger->step_done > step ||
           (execution != NULL && execution->step_done > step);
}

bool node_desk_live(keel_service *n)
{
    bool any = false;
    if (!decides(n) || node_is_lockstep(n) || !n->opened || n->handled || n->stepped)
        return false;
    if (!n->restaged) /* what the log holds of this step comes first */
        return false;
    if (!n->desk.deciding) {
        if (!node_desk_flush(n) || log_is_beyond(n, node_open_step(n)) || is_passed_over(n))
            return false;
        keel_arena_reset(&n->arena);
        if (n->spec->desk->gather(n, n->app, node_open_step(n), &any) != KEEL_OK || !any)
            return false;
        n->desk.deciding = true;
        any = true;
    }
    const bool waited = n->desk.waits_ns != 0;
    (void)go_on(n);
    return any || (waited && n->desk.waits_ns == 0);
}

bool node_desk_is_deciding(const keel_service *n)
{
    return n->desk.deciding;
}

/* Live: a step that was open when the process died begins with what the log holds of it: published
 * again as it stands, and folded. */
typedef struct restage {
    keel_service *node;
    node_pub *pub;
} restage;

static bool publish_again(void *arg, const keel_log_entry *e)
{
    restage *r = arg;
    node_republish(r->node, r->pub, e);
    return true;
}

keel_status node_desk_restage(keel_service *n)
{
    if (!decides(n) || node_is_lockstep(n))
        return KEEL_OK;
    for (int i = 0; i < n->pubs_n; i++) {
        node_pub *p = &n->pubs[i];
        restage r = {n, p};
        const uint64_t step = node_open_step(n);
        if (!p->has_top || p->top_step < step)
            continue;
        p->count = 0; /* the reading may have been begun before */
        KEEL_TRY(n->cfg.log.ops->read(n->cfg.log.self, p->text, (keel_log_span){step, 0, step},
                                      publish_again, &r));
    }
    return KEEL_OK;
}

/* ---- the dead-man rule ---- */

static keel_trading_mode mode_at_age(int64_t age_ns)
{
    return age_ns >= DEADMAN_HALTED_NS     ? KEEL_TRADING_HALTED
           : age_ns >= DEADMAN_REDUCING_NS ? KEEL_TRADING_REDUCING
                                           : KEEL_TRADING_ACTIVE;
}

bool node_desk_is_tripped(const keel_service *n)
{
    return n->deadman.mode == KEEL_TRADING_REDUCING || n->deadman.mode == KEEL_TRADING_HALTED;
}

void node_desk_watch(keel_service *n)
{
    node_deadman *d = &n->deadman;
    if (n->spec->on_deadman == NULL || node_is_lockstep(n) || n->phase != NODE_WORKING)
        return;
    const int64_t now = node_mono(n);
    const node_peer *risk = node_peer_of(n, "risk");
    if (d->since_ns == 0)
        d->since_ns = now; /* never heard: counted from here */
    if (risk != NULL && risk->heard_ns > d->since_ns) {
        d->since_ns = risk->heard_ns;
        d->beats++;
    }
    keel_trading_mode mode = mode_at_age(now - d->since_ns);
    if (mode != KEEL_TRADING_ACTIVE)
        d->beats = 0;
    if (node_desk_is_tripped(n) && mode < d->mode)
        mode = d->beats >= DEADMAN_BEATS ? KEEL_TRADING_ACTIVE : d->mode;
    if (mode == d->mode || (d->mode == KEEL_TRADING_UNSPECIFIED && mode == KEEL_TRADING_ACTIVE))
        return;
    d->mode = mode;
    keel_journal_put_step(n->cfg.journal, KEEL_JOURNAL_DEADMAN, node_open_step(n), (uint32_t)mode);
    keel_log(n->cfg.obs, KEEL_LOG_WARN, "deadman", "mode=%s", keel_trading_mode_name(mode));
    n->spec->on_deadman(n, n->app, mode);
    if (!n->log_lost && !n->staged->flushing)
        node_say_working(n);
}

/* ---- what an app may ask ---- */

const keel_log_store *keel_service_log(const keel_service *svc)
{
    return &svc->cfg.log;
}

keel_status keel_service_take(keel_service *svc, keel_topic topic, const char *key,
                              const keel_log_entry *entry)
{
    char text[KEEL_TOPIC_MAX];
    keel_topic_keys keys = svc->keys;
    const keel_sub *sub = sub_of(svc->spec->desk->taken, topic);
    keel_log_entry taken = *entry;
    KEEL_ASSERT(sub != NULL);
    keys.key = key;
    KEEL_TRY(keel_topic_make(topic, &keys, text));
    taken.type = keel_topic_describe(topic)->payload;
    taken.step = node_open_step(svc);
    taken.index = 0;
    taken.event_ns = svc->event_ns;
    return node_dispatch_entry(svc, sub, svc->spec->name, text, &taken);
}

keel_status keel_service_stored(keel_service *svc, keel_topic topic, keel_msg *msg)
{
    return node_stored_record(svc, topic, msg);
}

void keel_service_send(keel_service *svc, keel_topic topic, const char *key, const uint8_t *data,
                       size_t len)
{
    node_send(svc, topic, key, keel_topic_describe(topic)->payload, data, len);
}

void keel_service_await(keel_service *svc, const char *who)
{
    snprintf(svc->desk.awaited, sizeof svc->desk.awaited, "%s", who);
}

void keel_service_log_lost(keel_service *svc, bool lost)
{
    if (lost)
        (void)node_hold_back(svc, "log cannot be written",
                             svc->cfg.log.ops->why(svc->cfg.log.self));
    else if (svc->log_lost && !svc->staged->flushing) {
        svc->log_lost = false;
        node_say_working(svc);
    }
}

uint64_t keel_service_horizon(const keel_service *svc)
{
    return svc->horizon;
}

uint64_t keel_service_newest_row(keel_service *svc)
{
    const int feed = node_publisher_of(svc, "feed");
    const node_peer *peer = node_peer_of(svc, "feed");
    const uint64_t taken = feed >= 0 ? keel_steps_newest(svc->steps, feed) : 0;
    const uint64_t said = peer != NULL ? peer->step_done : 0;
    return taken > said ? taken : said;
}

unsigned keel_service_without(const keel_service *svc)
{
    return svc->cfg.without;
}

bool keel_service_is_replaying(const keel_service *svc)
{
    const bool folded = !node_is_lockstep(svc) && svc->restaged; /* what the log has of this step */
    return log_is_beyond(svc, node_open_step(svc) - !folded);
}

bool keel_service_is_lockstep(const keel_service *svc)
{
    return node_is_lockstep(svc);
}

int64_t keel_service_mono_ns(const keel_service *svc)
{
    return node_mono(svc);
}
