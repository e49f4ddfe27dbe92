#include "services/strategy-coordinator/app.h"

#include "common/base/hash.h"
#include "common/cache/store.h"
#include "common/service/node.h"
#include "common/service/settings.h"
#include "common/wire/wire.h"
#include "services/strategy-coordinator/engine/coordinator.h"
#include "services/strategy-coordinator/intake.h"

#include <string.h>

enum {
    DECIDED_MAX = 32768, /* in one step: readers hold a step in memory */
    ROUND_MAX = 256,     /* live: receipts of one round, one question to risk */
    MARKS_MAX = 8,       /* snapshots of which the decided receipts are remembered */
    RECEIPT_BYTES = KEEL_SIGNAL_BYTES_MAX + 1024,
    BATCH_BYTES = KEEL_INTAKE_BATCH_MAX * RECEIPT_BYTES,
};

/* Up to where receipts were decided when the snapshot of `step` was taken. */
typedef struct decided_mark {
    uint64_t step;     /* 0 = none */
    int64_t *epoch_ns; /* per strategy; owned */
    uint64_t *seq;
} decided_mark;

typedef struct app {
    int64_t validity_ns;
    double entry_tolerance;
    int conflict; /* 0 first_in_first_out, 1 allow */
    keel_coordinator *engine;
    keel_intake_desk *intake;
    int strategies_n;
    uint8_t *batch;            /* owned: receipts on their way to the log */
    bool doors_open;           /* the log was read to its end: clients are served */
    keel_intake_range *ranges; /* owned: what was taken in the open step */
    int ranges_n;
    keel_intake_range *named; /* owned: what a stored Intake names */
    uint64_t round_step;      /* of which the following is true */
    bool recorded;            /* lockstep: its Intake was published */
    int decided;              /* decisions of that step */
    uint32_t questions;       /* asked in that step */
    uint64_t asked_hash;      /* of the question that waits */
    int64_t acks_due_ns;
    uint64_t trimmed; /* receipts were trimmed up to the marks of this step */
    int marks_at;
    decided_mark marks[MARKS_MAX];
} app;

static const keel_cfg_row cfg[] = {
    {KEEL_CFG_T_DUR, "strategy-coordinator.validity", offsetof(app, validity_ns), "24h", "1s",
     "3660d", "", "event time that a signal is valid which names no time of its own"},
    {KEEL_CFG_T_FRAC, "strategy-coordinator.entry_tolerance", offsetof(app, entry_tolerance), "5%",
     "0.01%", "99%", "", "a signal's entry may be so far from the last close"},
    {KEEL_CFG_T_ENUM, "strategy-coordinator.conflict", offsetof(app, conflict),
     "first_in_first_out", "first_in_first_out|allow", NULL, "",
     "opposite signals of two strategies: the one that stands is kept, or both are"},
    KEEL_CFG_END,
};

static const keel_line line[] = {
    {"feed", 0, false, NULL, false},
    {"ledger", 0, false, NULL, false},
    {"risk", 0, false, NULL, false},
    {NULL, 0, false, NULL, false},
};
static const keel_topic pubs[] = {
    KEEL_TOPIC_INTAKE, KEEL_TOPIC_DECISION, KEEL_TOPIC_STRATEGY, KEEL_TOPIC_CHECK, KEEL_TOPIC_COUNT,
};

/* ---- along the line ---- */

static keel_status on_row(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_bar_row row;
    KEEL_TRY(keel_wire_get_bar_row(keel_service_arena(svc), msg->data, msg->len, &row));
    return keel_coordinator_on_row(a->engine, &row, msg->step);
}

static keel_status on_portfolio(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_portfolio_state state;
    KEEL_TRY(keel_wire_get_portfolio_state(keel_service_arena(svc), msg->data, msg->len, &state));
    return keel_coordinator_on_portfolio(a->engine, &state);
}

static keel_status on_trading(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_trading_state state;
    KEEL_TRY(keel_wire_get_trading_state(keel_service_arena(svc), msg->data, msg->len, &state));
    return keel_coordinator_on_trading(a->engine, &state);
}

static const keel_sub subs[] = {
    {KEEL_TOPIC_ROW, on_row},
    {KEEL_TOPIC_PORTFOLIO, on_portfolio},
    {KEEL_TOPIC_TRADING, on_trading},
    {0, NULL},
};

static void on_deadman(keel_service *svc, void *arg, keel_trading_mode mode)
{
    (void)svc;
    keel_coordinator_on_deadman(((app *)arg)->engine, mode);
}

/* ---- clients ---- */

static void count_verdict(keel_service *svc, const char *what, keel_intake_verdict verdict)
{
    char name[KEEL_NAME_MAX];
    if (verdict == KEEL_INTAKE_TAKE)
        return;
    snprintf(name, sizeof name, "%s_%s", what, keel_intake_verdict_name(verdict));
    keel_service_count(svc, name, 1);
}

/* What is wrong with the bytes of a signal whose place is right (G3), and its row. */
static void judge_bytes(keel_service *svc, const keel_msg *msg, keel_reason *refusal,
                        uint64_t *row_step)
{
    keel_signal signal;
    *row_step = 0;
    refusal->code = KEEL_REASON_UNSPECIFIED;
    refusal->text[0] = '\0';
    if (keel_wire_get_signal(keel_service_arena(svc), msg->data, msg->len, &signal) != KEEL_OK) {
        keel_wire_blame_signal(keel_service_arena(svc), msg->data, msg->len, refusal);
        return;
    }
    *row_step = signal.row_step;
    if (strcmp(signal.strategy, msg->id.source) != 0 || signal.seq != msg->id.seq ||
        signal.epoch_ns != msg->id.epoch_ns)
        keel_reason_set(refusal, KEEL_REASON_MALFORMED,
                        "strategy, epoch_ns or seq: not those of the envelope");
}

static keel_status on_signal(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_reason refusal;
    uint64_t row_step;
    const keel_intake_verdict verdict = keel_intake_on_signal(
        a->intake, msg->id.source, msg->id.epoch_ns, msg->id.seq, keel_service_mono_ns(svc));
    count_verdict(svc, "signals", verdict);
    if (verdict != KEEL_INTAKE_TAKE)
        return KEEL_OK;
    judge_bytes(svc, msg, &refusal, &row_step);
    keel_intake_put(a->intake, keel_service_step(svc), row_step, &refusal, msg->data, msg->len);
    return KEEL_OK;
}

static keel_status on_hello(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_hello hello;
    KEEL_TRY(keel_wire_get_hello(keel_service_arena(svc), msg->data, msg->len, &hello));
    if (strcmp(hello.strategy, msg->id.source) != 0)
        return KEEL_EINVAL;
    count_verdict(svc, "hellos",
                  keel_intake_on_hello(((app *)arg)->intake, &hello, keel_service_mono_ns(svc)));
    return KEEL_OK;
}

static keel_status on_client_step(keel_service *svc, void *arg, const keel_msg *msg)
{
    keel_step_end end;
    KEEL_TRY(keel_wire_get_step_end(keel_service_arena(svc), msg->data, msg->len, &end));
    const uint32_t last = end.marks_n > 0 ? end.marks[0].count : 0;
    count_verdict(svc, "steps",
                  keel_intake_on_step_end(((app *)arg)->intake, msg->id.source, msg->id.epoch_ns,
                                          end.step, last, keel_service_mono_ns(svc)));
    return KEEL_OK;
}

static const keel_sub doors[] = {
    {KEEL_TOPIC_SIGNAL, on_signal},
    {KEEL_TOPIC_HELLO, on_hello},
    {KEEL_TOPIC_STEP, on_client_step},
    {0, NULL},
};

static keel_status receipt_topic(const char *strategy, char out[KEEL_TOPIC_MAX])
{
    const keel_topic_keys keys = {.key = strategy};
    return keel_topic_make(KEEL_TOPIC_RECEIPT, &keys, out);
}

/* G1: the batch in one MULTI. A log that does not answer may have it or not: the same batch is
 * written again until it says so, and nothing of it is acknowledged before. */
static keel_status record_batch(keel_service *svc, app *a)
{
    static const keel_log_entry none = {0};
    char topics[KEEL_INTAKE_BATCH_MAX][KEEL_TOPIC_MAX];
    keel_log_entry entries[KEEL_INTAKE_BATCH_MAX];
    bool held[KEEL_INTAKE_BATCH_MAX];
    const int n = keel_intake_batch_n(a->intake);
    const keel_log_store *log = keel_service_log(svc);
    size_t at = 0, len = 0;
    for (int i = 0; i < n; i++) {
        keel_receipt receipt;
        keel_intake_batch_at(a->intake, i, &receipt);
        KEEL_TRY(receipt_topic(receipt.strategy, topics[i]));
        KEEL_TRY(keel_wire_put_receipt(&receipt, a->batch + at, RECEIPT_BYTES, &len));
        entries[i] = none;
        entries[i].topic = topics[i];
        entries[i].type = KEEL_PAYLOAD_RECEIPT;
        entries[i].step = (uint64_t)receipt.epoch_ns;
        entries[i].index = receipt.seq;
        entries[i].event_ns = keel_service_event_ns(svc);
        entries[i].data = a->batch + at;
        entries[i].len = len;
        at += len;
    }
    return log->ops->append(log->self, entries, n, held);
}

static void acknowledge(keel_service *svc, app *a)
{
    keel_ack ack;
    uint8_t buf[1024];
    size_t len = 0;
    while (keel_intake_next_ack(a->intake, keel_service_mono_ns(svc), &ack)) {
        if (keel_wire_put_ack(&ack, buf, sizeof buf, &len) == KEEL_OK)
            keel_service_send(svc, KEEL_TOPIC_ACK, ack.strategy, buf, len);
        keel_service_count(svc, "acks_out", 1);
    }
}

/* Receipts that no replay needs any more: decided when the horizon's snapshot was taken. The newest
 * one stays, so that the stream knows its top. */
static void trim(keel_service *svc, app *a)
{
    char topic[KEEL_TOPIC_MAX];
    const keel_log_store *log = keel_service_log(svc);
    const keel_settings *settings = keel_service_settings(svc);
    const decided_mark *best = NULL;
    for (int m = 0; m < MARKS_MAX; m++)
        if (a->marks[m].step > a->trimmed && a->marks[m].step <= keel_service_horizon(svc) &&
            (best == NULL || a->marks[m].step > best->step))
            best = &a->marks[m];
    if (best == NULL)
        return;
    for (int s = 0; s < a->strategies_n; s++)
        if (best->seq[s] > 0 && receipt_topic(settings->strategies[s].name, topic) == KEEL_OK &&
            log->ops->trim(log->self, topic, (uint64_t)best->epoch_ns[s], best->seq[s]) != KEEL_OK)
            return; /* the log is away: another time */
    a->trimmed = best->step;
}

/* ---- at a start ---- */

typedef struct stored {
    keel_service *svc;
    app *app;
    keel_status status;
} stored;

static bool take_stored(void *arg, const keel_log_entry *e)
{
    stored *s = arg;
    keel_receipt receipt;
    keel_signal signal;
    keel_arena *arena = keel_service_arena(s->svc);
    keel_arena_reset(arena);
    s->status = keel_wire_get_receipt(arena, e->data, e->len, &receipt);
    if (s->status != KEEL_OK)
        return false;
    const bool readable =
        keel_wire_get_signal(arena, receipt.signal, receipt.signal_len, &signal) == KEEL_OK;
    s->status = keel_intake_on_stored_receipt(
        s->app->intake, &receipt, readable ? signal.row_step : 0, keel_service_mono_ns(s->svc));
    return s->status == KEEL_OK;
}

/* P5: what the log holds beyond the decisions that are known is pending again. */
static keel_status recover_one(keel_service *svc, app *a, const char *strategy)
{
    char topic[KEEL_TOPIC_MAX];
    stored s = {svc, a, KEEL_OK};
    int64_t epoch_ns;
    uint64_t seq, top_epoch, top_seq;
    const keel_log_store *log = keel_service_log(svc);
    KEEL_TRY(receipt_topic(strategy, topic));
    KEEL_TRY(keel_coordinator_mark(a->engine, strategy, &epoch_ns, &seq));
    KEEL_TRY(keel_intake_on_top(a->intake, strategy, epoch_ns, seq));
    if ((keel_service_without(svc) & KEEL_WITHOUT_P5) != 0)
        epoch_ns = INT64_MAX;
    KEEL_TRY(log->ops->read(log->self, topic,
                            (keel_log_span){(uint64_t)epoch_ns, seq + 1, UINT64_MAX}, take_stored,
                            &s));
    KEEL_TRY(s.status);
    const keel_status top = log->ops->top(log->self, topic, &top_epoch, &top_seq);
    if (top == KEEL_ENOTFOUND)
        return KEEL_OK;
    KEEL_TRY(top);
    return keel_intake_on_top(a->intake, strategy, (int64_t)top_epoch, top_seq);
}

static keel_status make_intake(keel_service *svc, app *a, keel_err *err)
{
    const keel_settings *settings = keel_service_settings(svc);
    const size_t n = (size_t)settings->strategies_n;
    keel_intake_strategy *strategies = keel_xcalloc(n + 1, sizeof *strategies);
    for (size_t s = 0; s < n; s++) {
        memcpy(strategies[s].name, settings->strategies[s].name, sizeof strategies[s].name);
        strategies[s].active = settings->strategies[s].active;
        strategies[s].lockstep = settings->strategies[s].lockstep && keel_service_is_lockstep(svc);
    }
    const keel_intake_cfg c = {.portfolio = settings->portfolio,
                               .strategies_n = settings->strategies_n,
                               .strategies = strategies,
                               .step_max = DECIDED_MAX,
                               .any_order = (keel_service_without(svc) & KEEL_WITHOUT_G3) != 0};
    keel_intake_free(&a->intake);
    a->intake = keel_intake_new(&c, err);
    keel_free(&strategies);
    return a->intake != NULL ? KEEL_OK : KEEL_EINVAL;
}

/* Clients are served from where the replay of what was decided ends, and not before: what is
 * decided is not pending, however much it is. */
static keel_status open_doors(keel_service *svc, app *a)
{
    const keel_settings *settings = keel_service_settings(svc);
    if (a->doors_open)
        return KEEL_OK;
    KEEL_TRY(make_intake(svc, a, NULL)); /* the reading may have been begun before */
    for (int s = 0; s < a->strategies_n; s++)
        KEEL_TRY(recover_one(svc, a, settings->strategies[s].name));
    keel_intake_on_closed(a->intake, keel_service_step(svc) - 1);
    keel_intake_open(a->intake);
    a->doors_open = true;
    return KEEL_OK;
}

/* ---- a turn ---- */

static void on_turn(keel_service *svc, void *arg)
{
    app *a = arg;
    if (!keel_service_is_replaying(svc))
        (void)!open_doors(svc, a); /* the log is away: another time */
    const int n = keel_intake_batch_n(a->intake);
    if (n > 0) {
        const bool unwritten = (keel_service_without(svc) & KEEL_WITHOUT_G2) != 0;
        const keel_status status = unwritten ? KEEL_OK : record_batch(svc, a);
        keel_service_log_lost(svc, status != KEEL_OK);
        if (status == KEEL_OK || (keel_service_without(svc) & KEEL_WITHOUT_G1) != 0) {
            keel_intake_commit(a->intake);
            keel_service_count(svc, "receipts", (uint64_t)n);
        }
    }
    acknowledge(svc, a);
    if (a->strategies_n > 0)
        trim(svc, a);
}

/* ---- a round ---- */

static void begin_step(app *a, uint64_t step)
{
    if (a->round_step == step)
        return;
    a->round_step = step;
    a->recorded = false;
    a->decided = 0;
    a->questions = 0;
    a->ranges_n = 0;
}

/* Hand over what was chosen; each is an input like any other. */
static keel_status hand_over(keel_service *svc, app *a, bool *any)
{
    keel_receipt receipt;
    uint8_t buf[RECEIPT_BYTES];
    *any = false;
    while (keel_intake_next(a->intake, &receipt)) {
        keel_log_entry e = {.type = KEEL_PAYLOAD_RECEIPT, .data = buf};
        KEEL_TRY(keel_wire_put_receipt(&receipt, buf, sizeof buf, &e.len));
        KEEL_TRY(keel_service_take(svc, KEEL_TOPIC_RECEIPT, receipt.strategy, &e));
        *any = true;
    }
    return KEEL_OK;
}

/* A range of a stored Intake, being read. */
typedef struct replayed {
    keel_service *svc;
    const keel_intake_range *range;
    uint64_t next; /* seq */
    keel_status status;
} replayed;

static bool take_replayed(void *arg, const keel_log_entry *e)
{
    replayed *r = arg;
    if (e->index != r->next)
        return false;
    r->status = keel_service_take(r->svc, KEEL_TOPIC_RECEIPT, r->range->strategy, e);
    r->next++;
    return r->status == KEEL_OK && e->index < r->range->to_seq;
}

/* Straight from the log: a replay can have more of them than are ever pending. What was handed over
 * before the log went away is refused by the engine, which knows it. */
static keel_status take_named(keel_service *svc, app *a, const keel_intake *named)
{
    char topic[KEEL_TOPIC_MAX];
    const keel_log_store *log = keel_service_log(svc);
    const int n = named->ranges_n;
    keel_service_await(svc, "receipts in the log");
    if (n > KEEL_COORDINATOR_QUEUE_MAX)
        return KEEL_ETOOBIG;
    if (n > 0)
        memcpy(a->named, named->ranges, (size_t)n * sizeof *a->named);
    for (int i = 0; i < n; i++) {
        const keel_intake_range *range = &a->named[i];
        replayed r = {svc, range, range->from_seq, KEEL_OK};
        KEEL_TRY(receipt_topic(range->strategy, topic));
        KEEL_TRY(log->ops->read(
            log->self, topic,
            (keel_log_span){(uint64_t)range->epoch_ns, range->from_seq, (uint64_t)range->epoch_ns},
            take_replayed, &r));
        KEEL_TRY(r.status);
        if (r.next != range->to_seq + 1)
            return KEEL_ENOTFOUND; /* P9 */
    }
    return KEEL_OK;
}

/* P7: the receipts of a step are those that its Intake in the log names; where there is none yet,
 * those that are there when every lockstep strategy has closed the step. */
static keel_status choose_step(keel_service *svc, app *a, uint64_t step)
{
    keel_msg msg;
    keel_intake named;
    const char *who = "";
    const keel_status found = keel_service_stored(svc, KEEL_TOPIC_INTAKE, &msg);
    if (found == KEEL_OK && (keel_service_without(svc) & KEEL_WITHOUT_P7) == 0) {
        KEEL_TRY(keel_wire_get_intake(keel_service_arena(svc), msg.data, msg.len, &named));
        return take_named(svc, a, &named);
    }
    if (found != KEEL_ENOTFOUND && found != KEEL_OK)
        return found;
    KEEL_TRY(open_doors(svc, a));
    if (!keel_intake_is_closed(a->intake, step, &who)) {
        keel_service_await(svc, who);
        return KEEL_EUNAVAIL;
    }
    keel_intake_choose(a->intake, keel_coordinator_room(a->engine), &named);
    return KEEL_OK;
}

static keel_status gather(keel_service *svc, void *arg, uint64_t step, bool *any)
{
    app *a = arg;
    *any = false;
    if (a->strategies_n == 0)
        return KEEL_OK;
    begin_step(a, step);
    if (keel_service_is_lockstep(svc)) {
        KEEL_TRY(choose_step(svc, a, step));
        return hand_over(svc, a, any);
    }
    KEEL_TRY(open_doors(svc, a));
    const keel_intake_moment now = {step, keel_service_newest_row(svc), keel_service_mono_ns(svc)};
    const int room = keel_coordinator_room(a->engine);
    const int left = DECIDED_MAX - a->decided;
    keel_intake_choose_arrived(a->intake, &now,
                               room < ROUND_MAX && room < left ? room
                               : left < ROUND_MAX              ? left
                                                               : ROUND_MAX);
    return hand_over(svc, a, any);
}

static void note_range(app *a, const keel_receipt *receipt)
{
    keel_intake_range *last = a->ranges_n > 0 ? &a->ranges[a->ranges_n - 1] : NULL;
    if (last != NULL && strcmp(last->strategy, receipt->strategy) == 0 &&
        last->epoch_ns == receipt->epoch_ns && last->to_seq + 1 == receipt->seq) {
        last->to_seq++;
        return;
    }
    keel_intake_range *range = &a->ranges[a->ranges_n++];
    *range = (keel_intake_range){
        .epoch_ns = receipt->epoch_ns, .from_seq = receipt->seq, .to_seq = receipt->seq};
    memcpy(range->strategy, receipt->strategy, sizeof range->strategy);
}

static keel_status on_receipt(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_receipt receipt;
    keel_signal signal;
    begin_step(a, msg->step);
    KEEL_TRY(keel_wire_get_receipt(keel_service_arena(svc), msg->data, msg->len, &receipt));
    const bool readable = keel_wire_get_signal(keel_service_arena(svc), receipt.signal,
                                               receipt.signal_len, &signal) == KEEL_OK;
    KEEL_TRY(keel_coordinator_on_receipt(a->engine, &receipt, readable ? &signal : NULL));
    if (keel_service_is_lockstep(svc))
        note_range(a, &receipt);
    return KEEL_OK;
}

static const keel_sub taken[] = {{KEEL_TOPIC_RECEIPT, on_receipt}, {0, NULL}};

static keel_status publish_intake(keel_service *svc, app *a)
{
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    keel_intake intake = {.ranges_n = a->ranges_n, .ranges = a->ranges};
    snprintf(intake.portfolio, sizeof intake.portfolio, "%s",
             keel_service_settings(svc)->portfolio);
    KEEL_TRY(keel_wire_put_intake(&intake, buf, cap, &len));
    KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_INTAKE, NULL, buf, len));
    a->recorded = true;
    return KEEL_OK;
}

static keel_status publish_decisions(keel_service *svc, app *a, const keel_coordinator_out *out)
{
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    for (int i = 0; i < out->decisions_n; i++) {
        KEEL_TRY(keel_wire_put_decision(&out->decisions[i], buf, cap, &len));
        KEEL_TRY(keel_service_publish(svc, KEEL_TOPIC_DECISION, NULL, buf, len));
        keel_service_count(svc, out->decisions[i].accepted ? "accepted" : "refused", 1);
    }
    a->decided += out->decisions_n;
    return KEEL_OK;
}

static keel_status ask(keel_service *svc, app *a, const keel_risk_check_request *question)
{
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_wire_put_risk_check_request(question, buf, cap, &len));
    a->asked_hash = keel_hash(buf, len);
    a->questions++;
    keel_service_count(svc, "questions", 1);
    return keel_service_publish(svc, KEEL_TOPIC_CHECK, NULL, buf, len);
}

static keel_status decide(keel_service *svc, void *arg, uint64_t step)
{
    app *a = arg;
    keel_coordinator_out out;
    if (a->strategies_n == 0)
        return KEEL_OK;
    begin_step(a, step);
    if (keel_service_is_lockstep(svc) && !a->recorded)
        KEEL_TRY(publish_intake(svc, a));
    for (;;) {
        KEEL_TRY(keel_coordinator_decide(a->engine, step, &out));
        KEEL_TRY(publish_decisions(svc, a, &out));
        if (out.has_question)
            KEEL_TRY(ask(svc, a, &out.question));
        if (out.next == KEEL_COORDINATOR_ASKED)
            return KEEL_EUNAVAIL;
        if (out.next == KEEL_COORDINATOR_DONE)
            return KEEL_OK;
    }
}

static void give_up(keel_service *svc, void *arg, uint64_t step)
{
    (void)step;
    if (keel_coordinator_on_risk_unavailable(((app *)arg)->engine) == KEEL_OK)
        keel_service_count(svc, "risk_unavailable", 1);
}

/* An answer that risk should not have given is none. */
static keel_status on_verdict(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_risk_verdict verdict;
    KEEL_TRY(keel_wire_get_risk_verdict(keel_service_arena(svc), msg->data, msg->len, &verdict));
    if (verdict.request_step != a->round_step || verdict.request_index + 1 != a->questions ||
        verdict.request_hash != a->asked_hash)
        return KEEL_ESTALE;
    const keel_status status = keel_coordinator_on_verdict(a->engine, &verdict);
    if (status != KEEL_OK && status != KEEL_ENOTFOUND)
        give_up(svc, arg, msg->step);
    return status;
}

static const keel_sub calls[] = {{KEEL_TOPIC_VERDICT, on_verdict}, {0, NULL}};

static const keel_desk desk = {
    .doors = doors,
    .on_turn = on_turn,
    .gather = gather,
    .taken = taken,
    .decide = decide,
    .give_up = give_up,
    .calls = calls,
};

/* Live: a decision that the log holds of the step that is open (P5). */
static keel_status on_own(keel_service *svc, void *arg, const keel_msg *msg)
{
    app *a = arg;
    keel_decision decision;
    if (msg->topic != KEEL_TOPIC_DECISION)
        return KEEL_OK;
    begin_step(a, msg->step);
    KEEL_TRY(keel_wire_get_decision(keel_service_arena(svc), msg->data, msg->len, &decision));
    a->decided++;
    return keel_coordinator_on_own_decision(a->engine, &decision);
}

/* ---- the end of a step ---- */

static void note_marks(keel_service *svc, app *a, uint64_t step)
{
    const keel_settings *settings = keel_service_settings(svc);
    decided_mark *m = &a->marks[a->marks_at++ % MARKS_MAX];
    m->step = step;
    for (int s = 0; s < a->strategies_n; s++)
        if (keel_coordinator_mark(a->engine, settings->strategies[s].name, &m->epoch_ns[s],
                                  &m->seq[s]) != KEEL_OK)
            m->seq[s] = 0;
}

static keel_status on_step(keel_service *svc, void *arg, uint64_t step)
{
    app *a = arg;
    keel_strategy_report report;
    size_t cap = 0, len = 0;
    uint8_t *buf = keel_service_scratch(svc, &cap);
    KEEL_TRY(keel_coordinator_on_step(a->engine, step, NULL));
    if (a->strategies_n == 0)
        return KEEL_OK;
    keel_intake_on_closed(a->intake, step);
    if (step % KEEL_SNAPSHOT_STEPS == 0)
        note_marks(svc, a, step);
    if (!keel_coordinator_report(a->engine, &report))
        return KEEL_OK;
    KEEL_TRY(keel_wire_put_strategy_report(&report, buf, cap, &len));
    return keel_service_publish(svc, KEEL_TOPIC_STRATEGY, NULL, buf, len);
}

/* ---- the app ---- */

static double share_of(const keel_settings *settings, const char *book)
{
    for (int i = 0; i < settings->books_n; i++)
        if (strcmp(settings->books[i].book, book) == 0)
            return settings->books[i].share_frac;
    return 0.0;
}

static keel_status make_engine(keel_service *svc, app *a, keel_err *err)
{
    const keel_settings *settings = keel_service_settings(svc);
    const size_t n = (size_t)settings->strategies_n;
    keel_coordinator_strategy *strategies = keel_xcalloc(n + 1, sizeof *strategies);
    for (size_t s = 0; s < n; s++) {
        const keel_strategy_setting *from = &settings->strategies[s];
        memcpy(strategies[s].name, from->name, sizeof strategies[s].name);
        strategies[s].lockstep = from->lockstep;
        strategies[s].active = from->active;
        strategies[s].share_frac = share_of(settings, from->name);
    }
    const keel_coordinator_cfg c = {
        .universe = keel_service_universe(svc),
        .portfolio = settings->portfolio,
        .strategies_n = settings->strategies_n,
        .strategies = strategies,
        .validity_ns = a->validity_ns,
        .entry_tolerance_frac = a->entry_tolerance,
        .conflict = a->conflict == 0 ? KEEL_CONFLICT_FIRST_IN_FIRST_OUT : KEEL_CONFLICT_ALLOW,
    };
    a->engine = keel_coordinator_new(&c, err);
    keel_free(&strategies);
    return a->engine != NULL ? KEEL_OK : KEEL_EINVAL;
}

static void close_app(void *arg)
{
    app *a = arg;
    keel_coordinator_free(&a->engine);
    keel_intake_free(&a->intake);
    keel_free(&a->batch);
    keel_free(&a->ranges);
    keel_free(&a->named);
    for (int m = 0; m < MARKS_MAX; m++) {
        keel_free(&a->marks[m].epoch_ns);
        keel_free(&a->marks[m].seq);
    }
}

static keel_status open_app(keel_service *svc, void *arg, keel_err *err)
{
    app *a = arg;
    keel_err reason = {KEEL_EINVAL, ""};
    a->strategies_n = keel_service_settings(svc)->strategies_n;
    if (make_engine(svc, a, &reason) != KEEL_OK || make_intake(svc, a, &reason) != KEEL_OK) {
        close_app(a);
        return keel_err_set(err, reason.status, "strategy-coordinator: %s", reason.text);
    }
    a->batch = keel_xcalloc(BATCH_BYTES, 1);
    a->ranges = keel_xcalloc(KEEL_COORDINATOR_QUEUE_MAX, sizeof *a->ranges);
    a->named = keel_xcalloc(KEEL_COORDINATOR_QUEUE_MAX, sizeof *a->named);
    for (int m = 0; m < MARKS_MAX; m++) {
        a->marks[m].epoch_ns = keel_xcalloc((size_t)a->strategies_n + 1, sizeof(int64_t));
        a->marks[m].seq = keel_xcalloc((size_t)a->strategies_n + 1, sizeof(uint64_t));
    }
    return KEEL_OK;
}

static keel_status save_app(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    const app *a = arg;
    return keel_coordinator_save(a->engine, buf, cap, len);
}

static keel_status load_app(void *arg, const uint8_t *buf, size_t len)
{
    app *a = arg;
    return keel_coordinator_load(a->engine, buf, len);
}

const keel_service_spec keel_strategy_coordinator_spec = {
    .name = "strategy-coordinator",
    .app_size = sizeof(app),
    .cfg = cfg,
    .line = line,
    .subs = subs,
    .pubs = pubs,
    .request_topic = KEEL_TOPIC_COUNT,
    .base_topic = KEEL_TOPIC_COUNT,
    .open = open_app,
    .close = close_app,
    .save = save_app,
    .load = load_app,
    .on_step = on_step,
    .on_own = on_own,
    .desk = &desk,
    .on_deadman = on_deadman,
};
