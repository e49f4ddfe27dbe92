#include "services/strategy-coordinator/intake.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/names.h"
#include "services/strategy-coordinator/intake_internal.h"

#include <string.h>

enum {
    SEQ_BITS = 63,
    CREDIT_STEP = KEEL_OUTBOX_MAX / 4, /* a client hears of so much new credit without asking */
};

static const char *const verdict_names[KEEL_INTAKE_VERDICTS] = {
    "take", "repeat", "gap", "old_epoch", "no_credit", "unknown", "inactive", "bad", "not_open",
};

const char *keel_intake_verdict_name(keel_intake_verdict verdict)
{
    return (unsigned)verdict < KEEL_INTAKE_VERDICTS ? verdict_names[verdict] : "";
}

/* ---- a new one ---- */

static keel_names names_of(const keel_intake_desk *desk)
{
    return (keel_names){desk->strategies->name, sizeof *desk->strategies, desk->n};
}

static uint32_t blocks_for(size_t len)
{
    const size_t more = len > INTAKE_FIRST_BYTES ? len - INTAKE_FIRST_BYTES : 0;
    return (uint32_t)(1 + (more + INTAKE_MORE_BYTES - 1) / INTAKE_MORE_BYTES);
}

keel_intake_desk *keel_intake_new(const keel_intake_cfg *cfg, keel_err *err)
{
    enum { BYTES_MIN = 32 << 10, BYTES_MAX = 1 << 30 };
    const size_t asked = cfg->bytes > 0 ? cfg->bytes : KEEL_INTAKE_BYTES;
    const size_t bytes = asked < BYTES_MIN ? BYTES_MIN : asked < BYTES_MAX ? asked : BYTES_MAX;
    if (cfg->strategies_n < 0 || cfg->strategies_n > KEEL_STRATEGIES_MAX) {
        (void)keel_err_set(err, KEEL_ERANGE, "strategies: %d; at most %d", cfg->strategies_n,
                           KEEL_STRATEGIES_MAX);
        return NULL;
    }
    if (strlen(cfg->portfolio) >= KEEL_NAME_MAX || cfg->portfolio[0] == '\0') {
        (void)keel_err_set(err, KEEL_EINVAL, "portfolio name: 1..%d bytes", KEEL_NAME_MAX - 1);
        return NULL;
    }
    const size_t n = (size_t)cfg->strategies_n;
    keel_intake_desk *desk = keel_xcalloc(1, sizeof *desk);
    memcpy(desk->portfolio, cfg->portfolio, strlen(cfg->portfolio) + 1);
    desk->n = cfg->strategies_n;
    desk->strategies = keel_xcalloc(n, sizeof *desk->strategies);
    desk->by_name = keel_xcalloc(n, sizeof *desk->by_name);
    desk->clients = keel_xcalloc(n, sizeof *desk->clients);
    desk->ranges = keel_xcalloc(n * INTAKE_RANGES_EACH, sizeof *desk->ranges);
    desk->kept_n = INTAKE_RESTART_MAX * blocks_for(INTAKE_RECEIPT_MAX);
    desk->blocks_n = (uint32_t)(bytes / INTAKE_BLOCK) + desk->kept_n;
    desk->blocks = keel_xcalloc(desk->blocks_n, INTAKE_BLOCK);
    desk->fresh = 1;
    desk->free_n = desk->blocks_n - 1;
    desk->put_strategy = -1;
    desk->any_order = cfg->any_order;
    desk->part_max = UINT32_MAX;
    if (cfg->step_max > 0 && n > 0)
        desk->part_max = (uint32_t)cfg->step_max / (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        desk->strategies[i] = cfg->strategies[i];
    keel_names_sort(names_of(desk), desk->by_name);
    return desk;
}

void keel_intake_free(keel_intake_desk **desk)
{
    if (desk == NULL || *desk == NULL)
        return;
    keel_free(&(*desk)->strategies);
    keel_free(&(*desk)->by_name);
    keel_free(&(*desk)->clients);
    keel_free(&(*desk)->ranges);
    keel_free(&(*desk)->blocks);
    keel_free(desk);
}

int intake_find(const keel_intake_desk *desk, const char *name)
{
    return keel_names_find(names_of(desk), desk->by_name, name);
}

/* ---- blocks ---- */

static uint32_t take_block(keel_intake_desk *desk)
{
    uint32_t at = desk->free;
    KEEL_ASSERT(desk->free_n > 0);
    if (at != 0)
        desk->free = desk->blocks[at].more.chain;
    else
        at = desk->fresh++;
    desk->free_n--;
    return at;
}

static void give_back(keel_intake_desk *desk, uint32_t at)
{
    while (at != 0) {
        const uint32_t next = desk->blocks[at].more.chain;
        desk->blocks[at].more.chain = desk->free;
        desk->free = at;
        desk->free_n++;
        at = next;
    }
}

_Static_assert(offsetof(intake_head, chain) == 0,
               "a chain goes on at the same place in every block");

/* Where byte `at` of a chain is, and how many follow it in its block. */
static uint8_t *room_in(keel_intake_desk *desk, uint32_t at, bool is_first, size_t *room)
{
    *room = is_first ? INTAKE_FIRST_BYTES : INTAKE_MORE_BYTES;
    return is_first ? desk->blocks[at].all + sizeof(intake_head) : desk->blocks[at].more.bytes;
}

static uint32_t store(keel_intake_desk *desk, const intake_head *receipt, const char *text,
                      const uint8_t *data)
{
    const size_t len = (size_t)receipt->text_len + receipt->signal_len;
    const uint32_t first = take_block(desk);
    uint32_t at = first;
    desk->blocks[first].receipt = *receipt;
    desk->blocks[first].receipt.chain = 0;
    for (size_t done = 0;;) {
        size_t room;
        uint8_t *to = room_in(desk, at, at == first, &room);
        for (size_t i = 0; i < room && done < len; i++, done++)
            to[i] = done < receipt->text_len ? (uint8_t)text[done] : data[done - receipt->text_len];
        if (done == len)
            return first;
        const uint32_t next = take_block(desk);
        desk->blocks[next].more.chain = 0;
        desk->blocks[at].more.chain = next;
        at = next;
    }
}

/* Bytes are copied into desk->bytes: a chain is not contiguous. */
void intake_hand_out(keel_intake_desk *desk, uint32_t first, keel_receipt *receipt)
{
    const intake_head *h = &desk->blocks[first].receipt;
    const size_t len = (size_t)h->text_len + h->signal_len;
    size_t done = 0;
    for (uint32_t at = first; at != 0 && done < len; at = desk->blocks[at].more.chain) {
        size_t room;
        const uint8_t *from = room_in(desk, at, at == first, &room);
        const size_t part = len - done < room ? len - done : room;
        memcpy(desk->bytes + done, from, part);
        done += part;
    }
    memset(receipt, 0, sizeof *receipt);
    memcpy(receipt->strategy, desk->strategies[h->strategy].name, sizeof receipt->strategy);
    receipt->epoch_ns = h->epoch_ns;
    receipt->seq = h->seq;
    receipt->step = h->step;
    receipt->refusal.code = (keel_reason_code)h->code;
    memcpy(receipt->refusal.text, desk->bytes, h->text_len);
    receipt->signal = desk->bytes + h->text_len;
    receipt->signal_len = h->signal_len;
}

/* ---- pending ---- */

static void add_pending(keel_intake_desk *desk, uint32_t at)
{
    intake_head *h = &desk->blocks[at].receipt;
    intake_client *c = &desk->clients[h->strategy];
    h->next = 0;
    h->later = 0;
    h->earlier = desk->arrived_last;
    if (desk->arrived_last != 0)
        desk->blocks[desk->arrived_last].receipt.later = at;
    else
        desk->arrived_first = at;
    desk->arrived_last = at;
    if (c->last != 0)
        desk->blocks[c->last].receipt.next = at;
    else
        c->first = at;
    c->last = at;
    if (c->pending == 0 || h->row_step > c->latest_row)
        c->latest_row = h->row_step;
    c->pending++;
    desk->pending++;
}

/* The first one of its strategy. */
void intake_drop_pending(keel_intake_desk *desk, uint32_t at)
{
    const intake_head *h = &desk->blocks[at].receipt;
    intake_client *c = &desk->clients[h->strategy];
    KEEL_ASSERT(c->first == at);
    if (h->earlier != 0)
        desk->blocks[h->earlier].receipt.later = h->later;
    else
        desk->arrived_first = h->later;
    if (h->later != 0)
        desk->blocks[h->later].receipt.earlier = h->earlier;
    else
        desk->arrived_last = h->earlier;
    c->first = h->next;
    if (c->first == 0)
        c->last = 0;
    if (h->epoch_ns == c->epoch_ns)
        c->chosen = h->seq;
    c->pending--;
    desk->pending--;
    give_back(desk, at);
}

/* ---- credit ---- */

static uint32_t left_of(uint32_t used)
{
    return used < KEEL_OUTBOX_MAX ? KEEL_OUTBOX_MAX - used : 0;
}

static uint32_t credit_of(const keel_intake_desk *desk, int i)
{
    const intake_client *c = &desk->clients[i];
    const uint32_t used = c->pending + c->batched;
    uint32_t credit = left_of(used);
    if (desk->strategies[i].lockstep) {
        const uint64_t from = c->mark > c->chosen ? c->mark : c->chosen;
        const uint64_t beyond = c->taken > from ? c->taken - from : 0;
        const uint32_t open = beyond < used ? (uint32_t)beyond : used;
        const uint32_t of_closed = left_of(used - open), of_open = left_of(open);
        credit = of_closed < of_open ? of_closed : of_open;
    }
    const uint32_t open_n = desk->free_n > desk->kept_n ? desk->free_n - desk->kept_n : 0;
    const uint32_t room = open_n / blocks_for(INTAKE_RECEIPT_MAX);
    return credit < room ? credit : room;
}

uint32_t keel_intake_credit(const keel_intake_desk *desk, const char *strategy)
{
    const int i = intake_find(desk, strategy);
    return i < 0 ? 0 : credit_of(desk, i);
}

/* A client that stood still for want of credit is not left waiting for the next repeat. */
void intake_tell_credit(keel_intake_desk *desk, int i)
{
    intake_client *c = &desk->clients[i];
    const uint32_t credit = credit_of(desk, i);
    if (credit > c->told_credit && (c->told_credit == 0 || credit - c->told_credit >= CREDIT_STEP))
        c->is_due = true;
}

/* ---- at a start ---- */

static bool is_after(const intake_client *c, int64_t epoch_ns, uint64_t seq)
{
    return epoch_ns > c->epoch_ns || (epoch_ns == c->epoch_ns && seq > c->taken);
}

static void begin_epoch(intake_client *c, int64_t epoch_ns)
{
    c->epoch_ns = epoch_ns;
    c->taken = c->durable = c->chosen = 0;
    c->closed_step = c->mark = 0;
}

/* Like begin_epoch, with what the log has of it. */
static void move_to(intake_client *c, int64_t epoch_ns, uint64_t seq)
{
    if (epoch_ns != c->epoch_ns) {
        begin_epoch(c, epoch_ns);
        c->chosen = seq - 1;
    }
    c->taken = c->durable = seq;
}

static bool is_place(int64_t epoch_ns, uint64_t seq)
{
    return epoch_ns > 0 && seq > 0 && seq >> SEQ_BITS == 0;
}

keel_status keel_intake_on_stored_receipt(keel_intake_desk *desk, const keel_receipt *receipt,
                                          uint64_t row_step, int64_t mono_ns)
{
    const int i = intake_find(desk, receipt->strategy);
    if (desk->is_open)
        return KEEL_EREFUSED;
    if (i < 0)
        return KEEL_EUNKNOWN;
    intake_client *c = &desk->clients[i];
    const size_t text_len = strlen(receipt->refusal.text);
    if (!is_place(receipt->epoch_ns, receipt->seq) || !is_after(c, receipt->epoch_ns, receipt->seq))
        return KEEL_EORDER;
    if (receipt->signal_len > KEEL_SIGNAL_BYTES_MAX)
        return KEEL_ETOOBIG;
    if (blocks_for(text_len + receipt->signal_len) > desk->free_n)
        return KEEL_ENOSPC;
    const intake_head h = {.seq = receipt->seq,
                           .epoch_ns = receipt->epoch_ns,
                           .step = receipt->step,
                           .row_step = row_step,
                           .since_ns = mono_ns,
                           .strategy = (uint16_t)i,
                           .code = (uint16_t)receipt->refusal.code,
                           .text_len = (uint16_t)text_len,
                           .signal_len = (uint16_t)receipt->signal_len};
    move_to(c, receipt->epoch_ns, receipt->seq);
    add_pending(desk, store(desk, &h, receipt->refusal.text, receipt->signal));
    return KEEL_OK;
}

keel_status keel_intake_on_top(keel_intake_desk *desk, const char *strategy, int64_t epoch_ns,
                               uint64_t seq)
{
    const int i = intake_find(desk, strategy);
    if (desk->is_open)
        return KEEL_EREFUSED;
    if (i < 0)
        return KEEL_EUNKNOWN;
    intake_client *c = &desk->clients[i];
    if (!is_place(epoch_ns, seq) || !is_after(c, epoch_ns, seq))
        return KEEL_OK;
    move_to(c, epoch_ns, seq);
    c->chosen = seq;
    return KEEL_OK;
}

void keel_intake_open(keel_intake_desk *desk)
{
    desk->is_open = true;
}

/* ---- frames ---- */

static void refuse(keel_intake_desk *desk, const char *strategy, int64_t epoch_ns,
                   keel_reason_code code)
{
    for (int i = 0; i < desk->refusals_n; i++) /* one that waits says it already */
        if (desk->refusals[i].epoch_ns == epoch_ns &&
            strcmp(desk->refusals[i].strategy, strategy) == 0)
            return;
    if (desk->refusals_n == KEEL_INTAKE_REFUSALS_MAX) {
        desk->counts.refusals_dropped++;
        return;
    }
    intake_refusal *to = &desk->refusals[desk->refusals_n++];
    memset(to, 0, sizeof *to);
    memcpy(to->strategy, strategy, strlen(strategy) + 1);
    to->epoch_ns = epoch_ns;
    to->code = code;
}

/* Whether the client may speak, and who it is; TAKE: it may. */
static keel_intake_verdict admit(keel_intake_desk *desk, const char *strategy, int64_t epoch_ns,
                                 int64_t mono_ns, int *i)
{
    if (epoch_ns <= 0 || strategy[0] == '\0' || strlen(strategy) >= KEEL_NAME_MAX)
        return KEEL_INTAKE_BAD;
    if (!desk->is_open)
        return KEEL_INTAKE_NOT_OPEN;
    *i = intake_find(desk, strategy);
    if (*i < 0) {
        refuse(desk, strategy, epoch_ns, KEEL_REASON_UNKNOWN_STRATEGY);
        return KEEL_INTAKE_UNKNOWN;
    }
    if (!desk->strategies[*i].active) {
        refuse(desk, strategy, epoch_ns, KEEL_REASON_STRATEGY_INACTIVE);
        return KEEL_INTAKE_INACTIVE;
    }
    intake_client *c = &desk->clients[*i];
    if (epoch_ns < c->epoch_ns) {
        refuse(desk, strategy, epoch_ns, KEEL_REASON_EPOCH_SUPERSEDED);
        return KEEL_INTAKE_OLD_EPOCH;
    }
    c->was_heard = true;
    c->heard_ns = mono_ns;
    return KEEL_INTAKE_TAKE;
}

/* What was taken of the older epoch stays: the log may have it already. */
static void begin_anew(intake_client *c, int64_t epoch_ns)
{
    begin_epoch(c, epoch_ns);
    c->is_due = true;
}

static keel_intake_verdict counted(keel_intake_desk *desk, keel_intake_verdict verdict)
{
    desk->counts.frames[verdict]++;
    return verdict;
}

keel_intake_verdict keel_intake_on_hello(keel_intake_desk *desk, const keel_hello *hello,
                                         int64_t mono_ns)
{
    int i;
    const keel_intake_verdict verdict = admit(desk, hello->strategy, hello->epoch_ns, mono_ns, &i);
    if (verdict != KEEL_INTAKE_TAKE)
        return counted(desk, verdict);
    intake_client *c = &desk->clients[i];
    c->is_due = true;
    if (hello->epoch_ns == c->epoch_ns)
        return counted(desk, KEEL_INTAKE_REPEAT);
    begin_anew(c, hello->epoch_ns);
    return counted(desk, KEEL_INTAKE_TAKE);
}

keel_intake_verdict keel_intake_on_signal(keel_intake_desk *desk, const char *strategy,
                                          int64_t epoch_ns, uint64_t seq, int64_t mono_ns)
{
    int i;
    KEEL_ASSERT(desk->put_strategy < 0);
    if (!is_place(epoch_ns, seq))
        return counted(desk, KEEL_INTAKE_BAD);
    const keel_intake_verdict verdict = admit(desk, strategy, epoch_ns, mono_ns, &i);
    if (verdict != KEEL_INTAKE_TAKE)
        return counted(desk, verdict);
    intake_client *c = &desk->clients[i];
    if (epoch_ns > c->epoch_ns && seq == 1)
        begin_anew(c, epoch_ns);
    if (epoch_ns > c->epoch_ns || (seq > c->taken + 1 && !desk->any_order)) {
        c->is_asked = epoch_ns == c->epoch_ns || c->is_asked;
        return counted(desk, KEEL_INTAKE_GAP);
    }
    if (seq <= c->taken) {
        c->is_asked = true;
        return counted(desk, KEEL_INTAKE_REPEAT);
    }
    if (desk->batch_n == KEEL_INTAKE_BATCH_MAX || credit_of(desk, i) == 0) {
        c->is_asked = true;
        return counted(desk, KEEL_INTAKE_NO_CREDIT);
    }
    desk->put_strategy = i;
    desk->put_seq = seq;
    desk->put_ns = mono_ns;
    return counted(desk, KEEL_INTAKE_TAKE);
}

void keel_intake_put(keel_intake_desk *desk, uint64_t step, uint64_t row_step,
                     const keel_reason *why, const uint8_t *data, size_t len)
{
    keel_reason reason = {KEEL_REASON_UNSPECIFIED, ""};
    KEEL_ASSERT(desk->put_strategy >= 0);
    intake_client *c = &desk->clients[desk->put_strategy];
    if (why != NULL)
        reason = *why;
    if (len > KEEL_SIGNAL_BYTES_MAX) {
        keel_reason_set(&reason, KEEL_REASON_MALFORMED, "%zu bytes; a signal has at most %d", len,
                        KEEL_SIGNAL_BYTES_MAX);
        len = 0;
    }
    if (len == 0 && reason.code == KEEL_REASON_UNSPECIFIED)
        keel_reason_set(&reason, KEEL_REASON_MALFORMED, "is empty");
    const intake_head h = {.seq = desk->put_seq,
                           .epoch_ns = c->epoch_ns,
                           .step = step,
                           .row_step = row_step,
                           .since_ns = desk->put_ns,
                           .strategy = (uint16_t)desk->put_strategy,
                           .code = (uint16_t)reason.code,
                           .text_len = (uint16_t)strlen(reason.text),
                           .signal_len = (uint16_t)len};
    desk->batch[desk->batch_n++] = store(desk, &h, reason.text, data);
    c->taken = desk->put_seq;
    c->batched++;
    desk->put_strategy = -1;
}

/* The seq whose low half is `low`, nearest to `near`. */
static uint64_t widen(uint32_t low, uint64_t near)
{
    const uint64_t half = UINT64_C(1) << 31, whole = UINT64_C(1) << 32;
    uint64_t seq = (near & ~(whole - 1)) | low;
    if (seq + half < near)
        seq += whole;
    else if (seq > near + half && seq >= whole)
        seq -= whole;
    return seq;
}

keel_intake_verdict keel_intake_on_step_end(keel_intake_desk *desk, const char *strategy,
                                            int64_t epoch_ns, uint64_t step, uint32_t last_seq,
                                            int64_t mono_ns)
{
    int i;
    if (step == 0)
        return counted(desk, KEEL_INTAKE_BAD);
    const keel_intake_verdict verdict = admit(desk, strategy, epoch_ns, mono_ns, &i);
    if (verdict != KEEL_INTAKE_TAKE)
        return counted(desk, verdict);
    intake_client *c = &desk->clients[i];
    if (epoch_ns > c->epoch_ns)
        begin_anew(c, epoch_ns);
    if (step <= c->closed_step) {
        c->is_asked = true;
        return counted(desk, KEEL_INTAKE_REPEAT);
    }
    const uint64_t mark = widen(last_seq, c->taken);
    c->closed_step = step;
    c->mark = mark > c->mark ? mark : c->mark;
    c->is_due = true; /* lockstep: it hears at once which steps are over */
    return counted(desk, KEEL_INTAKE_TAKE);
}

/* ---- the log ---- */

int keel_intake_batch_n(const keel_intake_desk *desk)
{
    return desk->batch_n;
}

void keel_intake_batch_at(keel_intake_desk *desk, int i, keel_receipt *receipt)
{
    KEEL_ASSERT(i >= 0 && i < desk->batch_n);
    intake_hand_out(desk, desk->batch[i], receipt);
}

void keel_intake_commit(keel_intake_desk *desk)
{
    for (int i = 0; i < desk->batch_n; i++) {
        const uint32_t at = desk->batch[i];
        const intake_head *h = &desk->blocks[at].receipt;
        intake_client *c = &desk->clients[h->strategy];
        if (h->epoch_ns == c->epoch_ns)
            c->durable = h->seq;
        c->batched--;
        c->is_due = true;
        add_pending(desk, at);
    }
    desk->batch_n = 0;
}

void keel_intake_abandon(keel_intake_desk *desk)
{
    for (int i = 0; i < desk->batch_n; i++) {
        const uint32_t at = desk->batch[i];
        intake_client *c = &desk->clients[desk->blocks[at].receipt.strategy];
        c->taken = c->durable;
        c->batched--;
        give_back(desk, at);
    }
    desk->batch_n = 0;
}

/* ---- acknowledgements ---- */

void keel_intake_on_closed(keel_intake_desk *desk, uint64_t step)
{
    desk->closed_step = step;
    for (int i = 0; i < desk->n; i++)
        if (desk->strategies[i].lockstep && desk->clients[i].epoch_ns > 0)
            desk->clients[i].is_due = true;
}

static bool is_ack_due(const intake_client *c, int64_t mono_ns)
{
    if (!c->was_heard || c->epoch_ns == 0)
        return false;
    const int64_t since_ns = mono_ns - c->acked_ns;
    return c->is_due || (c->is_asked && since_ns >= KEEL_INTAKE_AGAIN_NS) ||
           (since_ns >= KEEL_INTAKE_REPEAT_NS && mono_ns - c->heard_ns <= KEEL_INTAKE_HEARD_NS);
}

static void next_refusal(keel_intake_desk *desk, keel_ack *ack)
{
    const intake_refusal *first = &desk->refusals[0];
    memcpy(ack->strategy, first->strategy, sizeof ack->strategy);
    ack->epoch_ns = first->epoch_ns;
    if (first->code == KEEL_REASON_UNKNOWN_STRATEGY)
        keel_reason_set(&ack->refusal, first->code, "no strategy %s is configured",
                        first->strategy);
    else if (first->code == KEEL_REASON_STRATEGY_INACTIVE)
        keel_reason_set(&ack->refusal, first->code, "strategy %s is not active", first->strategy);
    else
        keel_reason_set(&ack->refusal, first->code, "a client of %s that began later is served",
                        first->strategy);
    desk->refusals_n--;
    memmove(desk->refusals, desk->refusals + 1, (size_t)desk->refusals_n * sizeof *first);
}

bool keel_intake_next_ack(keel_intake_desk *desk, int64_t mono_ns, keel_ack *ack)
{
    memset(ack, 0, sizeof *ack);
    if (desk->refusals_n > 0) {
        next_refusal(desk, ack);
        return true;
    }
    for (; desk->ack_turn < desk->n; desk->ack_turn++) {
        intake_client *c = &desk->clients[desk->ack_turn];
        if (!is_ack_due(c, mono_ns))
            continue;
        memcpy(ack->strategy, desk->strategies[desk->ack_turn].name, sizeof ack->strategy);
        ack->epoch_ns = c->epoch_ns;
        ack->seq = c->durable;
        ack->credit = credit_of(desk, desk->ack_turn);
        ack->closed_step = desk->closed_step;
        c->told_credit = ack->credit;
        c->is_due = c->is_asked = false;
        c->acked_ns = mono_ns;
        return true;
    }
    desk->ack_turn = 0;
    return false;
}

const keel_intake_counts *keel_intake_count(const keel_intake_desk *desk)
{
    return &desk->counts;
}
