#include "common/client/outbox.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"

#include <string.h>

struct keel_outbox {
    char strategy[KEEL_NAME_MAX];
    int64_t epoch_ns;
    keel_outbox_state state;
    bool inactive;        /* as the last Ack said */
    uint64_t last;        /* pushed */
    uint64_t acked;       /* cumulative */
    uint64_t sent;        /* acked <= sent <= last: sent since the last going back */
    uint64_t sent_most;   /* highest number ever sent in this epoch */
    uint64_t limit;       /* acked + credit */
    uint64_t window;      /* sent - acked stays below it */
    int64_t progress_ns;  /* last progress, or first sending since there was nothing to wait for */
    int64_t hello_due_ns; /* INT64_MIN = at once */
    uint64_t end_step;    /* last step that the strategy ended; 0 = none */
    uint64_t ended_by_them; /* known to be closed by the coordinator */
    uint64_t closed_step;   /* as acknowledged */
    int64_t end_due_ns;
    uint64_t resent;
    keel_signal *signals; /* KEEL_OUTBOX_MAX: number s at (first + s - acked - 1) mod MAX */
    size_t first;
};

static keel_signal *slot(const keel_outbox *o, uint64_t seq)
{
    return &o->signals[(o->first + (size_t)(seq - o->acked - 1)) % KEEL_OUTBOX_MAX];
}

keel_outbox *keel_outbox_new(const char *strategy, int64_t epoch_ns)
{
    keel_outbox *o = keel_xcalloc(1, sizeof *o);
    KEEL_ASSERT(keel_text_copy(o->strategy, sizeof o->strategy, strategy) == KEEL_OK);
    o->signals = keel_xcalloc(KEEL_OUTBOX_MAX, sizeof *o->signals);
    keel_outbox_begin(o, epoch_ns);
    return o;
}

void keel_outbox_free(keel_outbox **outbox)
{
    if (*outbox == NULL)
        return;
    keel_free(&(*outbox)->signals);
    keel_free(outbox);
}

void keel_outbox_begin(keel_outbox *o, int64_t epoch_ns)
{
    const uint64_t waiting = o->last - o->acked;
    KEEL_ASSERT(epoch_ns > o->epoch_ns);
    o->epoch_ns = epoch_ns;
    o->state = KEEL_OUTBOX_HELLO;
    o->acked = o->sent = o->sent_most = 0;
    o->last = waiting;
    o->limit = 0;
    o->window = KEEL_OUTBOX_MAX;
    for (uint64_t seq = 1; seq <= waiting; seq++) {
        slot(o, seq)->seq = seq;
        slot(o, seq)->epoch_ns = epoch_ns;
    }
    o->hello_due_ns = o->end_due_ns = INT64_MIN;
}

/* Send again from the first number that is not acknowledged, a few at first. */
static void go_back(keel_outbox *o)
{
    o->sent = o->acked;
    o->window = KEEL_RESEND_WINDOW;
}

void keel_outbox_rejoin(keel_outbox *o)
{
    if (o->state == KEEL_OUTBOX_SERVED || o->state == KEEL_OUTBOX_REFUSED)
        o->state = KEEL_OUTBOX_HELLO; /* until somebody answers on the new link */
    o->hello_due_ns = o->end_due_ns = INT64_MIN;
    go_back(o);
}

keel_status keel_outbox_push(keel_outbox *o, const keel_signal *signal, uint64_t *seq)
{
    if (o->state == KEEL_OUTBOX_SUPERSEDED)
        return KEEL_ESTALE;
    if (o->state == KEEL_OUTBOX_REFUSED)
        return KEEL_EREFUSED;
    if (o->last - o->acked == KEEL_OUTBOX_MAX)
        return KEEL_ENOSPC;
    o->last++;
    keel_signal *own = slot(o, o->last);
    *own = *signal;
    memcpy(own->strategy, o->strategy, sizeof own->strategy);
    own->epoch_ns = o->epoch_ns;
    own->seq = o->last;
    if (seq != NULL)
        *seq = o->last;
    return KEEL_OK;
}

void keel_outbox_close_step(keel_outbox *o, uint64_t step)
{
    if (step <= o->end_step)
        return;
    o->end_step = step;
    o->end_due_ns = INT64_MIN;
}

void keel_outbox_closed(keel_outbox *o, uint64_t step)
{
    if (step > o->ended_by_them)
        o->ended_by_them = step;
}

/* ---- what to send ---- */

static bool step_is_open(const keel_outbox *o)
{
    return o->end_step > o->ended_by_them;
}

static uint64_t sendable_to(const keel_outbox *o)
{
    const uint64_t in_window = o->acked + o->window;
    const uint64_t to = o->limit < in_window ? o->limit : in_window;
    return to < o->last ? to : o->last;
}

static void take_hello(keel_outbox *o, int64_t now_ns, keel_outbox_item *item)
{
    item->kind = KEEL_OUTBOX_SEND_HELLO;
    memcpy(item->hello.strategy, o->strategy, sizeof item->hello.strategy);
    item->hello.epoch_ns = o->epoch_ns;
    item->hello.waiting = (uint32_t)(o->last - o->acked);
    o->hello_due_ns = now_ns + (o->state == KEEL_OUTBOX_HELLO ? KEEL_HELLO_NS : KEEL_HELLO_IDLE_NS);
}

static void take_signal(keel_outbox *o, int64_t now_ns, keel_outbox_item *item)
{
    if (o->sent == o->acked)
        o->progress_ns = now_ns; /* from here on an answer is waited for */
    o->sent++;
    if (o->sent <= o->sent_most)
        o->resent++;
    else
        o->sent_most = o->sent;
    item->kind = KEEL_OUTBOX_SEND_SIGNAL;
    item->signal = slot(o, o->sent);
}

void keel_outbox_next(keel_outbox *o, int64_t now_ns, keel_outbox_item *item)
{
    *item = (keel_outbox_item){.kind = KEEL_OUTBOX_NOTHING};
    if (o->state == KEEL_OUTBOX_SUPERSEDED)
        return;
    const bool served = o->state == KEEL_OUTBOX_SERVED;
    if (served && o->sent > o->acked && now_ns - o->progress_ns >= KEEL_RESEND_NS) {
        go_back(o);
        o->hello_due_ns = INT64_MIN; /* a coordinator that started again may not know the epoch */
    }
    if (now_ns >= o->hello_due_ns)
        take_hello(o, now_ns, item);
    else if (served && o->sent < sendable_to(o))
        take_signal(o, now_ns, item);
    else if (served && step_is_open(o) && now_ns >= o->end_due_ns && o->sent == o->last) {
        item->kind = KEEL_OUTBOX_SEND_STEP;
        item->step = o->end_step;
        item->mark = o->last;
        if (o->end_due_ns != INT64_MIN)
            o->hello_due_ns = INT64_MIN; /* as above */
        o->end_due_ns = now_ns + KEEL_RESEND_NS;
    }
}

int64_t keel_outbox_due_ns(const keel_outbox *o)
{
    if (o->state == KEEL_OUTBOX_SUPERSEDED)
        return INT64_MAX;
    int64_t due = o->hello_due_ns;
    if (o->state != KEEL_OUTBOX_SERVED)
        return due;
    if (o->sent < sendable_to(o))
        return INT64_MIN;
    if (o->sent > o->acked && o->progress_ns + KEEL_RESEND_NS < due)
        due = o->progress_ns + KEEL_RESEND_NS;
    if (step_is_open(o) && o->sent == o->last && o->end_due_ns < due)
        due = o->end_due_ns;
    return due;
}

/* ---- what was answered ---- */

static unsigned advance(keel_outbox *o, const keel_ack *ack, int64_t now_ns)
{
    if (ack->seq < o->acked)
        return 0; /* overtaken by a newer one */
    const uint64_t taken = ack->seq - o->acked;
    o->limit = ack->seq + ack->credit;
    if (taken == 0)
        return 0;
    o->first = (o->first + (size_t)taken) % KEEL_OUTBOX_MAX;
    o->acked = ack->seq;
    if (o->sent < o->acked)
        o->sent = o->acked;
    o->progress_ns = now_ns;
    o->window = o->window * 2 < KEEL_OUTBOX_MAX ? o->window * 2 : KEEL_OUTBOX_MAX;
    return KEEL_OUTBOX_PROGRESS;
}

static unsigned supersede(keel_outbox *o)
{
    o->state = KEEL_OUTBOX_SUPERSEDED;
    return KEEL_OUTBOX_NOW_SUPERSEDED;
}

static unsigned refuse(keel_outbox *o)
{
    const bool is_news = o->state != KEEL_OUTBOX_REFUSED;
    o->state = KEEL_OUTBOX_REFUSED;
    return is_news ? KEEL_OUTBOX_NOW_REFUSED : 0;
}

unsigned keel_outbox_on_ack(keel_outbox *o, const keel_ack *ack, int64_t now_ns)
{
    const keel_reason_code refusal = ack->refusal.code;
    if (o->state == KEEL_OUTBOX_SUPERSEDED || strcmp(ack->strategy, o->strategy) != 0)
        return 0;
    if (refusal == KEEL_REASON_MALFORMED) /* of a frame that the door kept out: it says no more */
        return 0;
    if (refusal == KEEL_REASON_UNKNOWN_STRATEGY || refusal == KEEL_REASON_STRATEGY_INACTIVE)
        return ack->epoch_ns == o->epoch_ns || ack->epoch_ns == 0 ? refuse(o) : 0;
    if (ack->epoch_ns > o->epoch_ns ||
        (ack->epoch_ns == o->epoch_ns && refusal == KEEL_REASON_EPOCH_SUPERSEDED))
        return supersede(o);
    if (ack->epoch_ns != o->epoch_ns)
        return 0;
    if (ack->seq > o->sent_most)
        return KEEL_OUTBOX_EPOCH_USED;
    const bool was_served = o->state == KEEL_OUTBOX_SERVED;
    unsigned changed = advance(o, ack, now_ns);
    if (ack->closed_step > o->closed_step)
        o->closed_step = ack->closed_step;
    keel_outbox_closed(o, o->closed_step);
    if (!was_served) {
        o->state = KEEL_OUTBOX_SERVED;
        o->hello_due_ns = now_ns + KEEL_HELLO_IDLE_NS;
        changed |= KEEL_OUTBOX_NOW_SERVED;
    }
    return changed;
}

/* ---- as it stands ---- */

keel_outbox_state keel_outbox_state_of(const keel_outbox *o)
{
    return o->state;
}

int64_t keel_outbox_epoch_ns(const keel_outbox *o)
{
    return o->epoch_ns;
}

uint64_t keel_outbox_last_seq(const keel_outbox *o)
{
    return o->last;
}

uint64_t keel_outbox_acked_seq(const keel_outbox *o)
{
    return o->acked;
}

uint64_t keel_outbox_closed_step(const keel_outbox *o)
{
    return o->closed_step;
}

int keel_outbox_waiting(const keel_outbox *o)
{
    return (int)(o->last - o->acked);
}

uint32_t keel_outbox_credit(const keel_outbox *o)
{
    if (o->state != KEEL_OUTBOX_SERVED || o->limit <= o->sent)
        return 0;
    return (uint32_t)(o->limit - o->sent);
}

uint64_t keel_outbox_resent(const keel_outbox *o)
{
    return o->resent;
}
