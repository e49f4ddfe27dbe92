/* G3, SI02-SI06: signals that are wrong in every way, through the door of a live run, as frames
 * that no library would send. Each ends in the reason of docs/methods/signal-decisions.md, or in a
 * counter of the relay that refuses it; what the coordinator reports adds up to what was sent; and
 * after each a good signal of the same and of another strategy is accepted. The market is still.
 * KEEL_ONLY=TEXT: only cases whose name holds TEXT. Plain main: ends with "N passed, N failed". */
#include "common/domain/fixed.h"
#include "common/wire/wire.h"
#include "tests/support/verdict.h"
#include "tests/support/world/caller.h"
#include "tests/support/world/cluster.h"
#include "tests/support/world/history.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    FEED,
    ALPHA = 0,
    BETA,
    DESKS,
    PACE_MS = 25,
    REST_MS = 2000,
    PAYLOAD = 70 << 10,
    STEPS_MIN = 12, /* prices and covariances are there */
    SYMBOLS = 5,
};

static const char *const names[DESKS] = {"alpha", "beta"};

typedef struct stage {
    keel_cluster c;
    void *ctx;
    keel_client *operator_;
    keel_caller desk[DESKS];
    uint64_t expected[DESKS][KEEL_HISTORY_CODES]; /* decisions by reason */
    keel_reported reported[DESKS];
    uint64_t step;         /* of the newest row */
    double close[SYMBOLS]; /* of it */
    keel_universe universe;
    int ids;
    char detail[KEEL_WHY_MAX];
} stage;

/* ---- a signal's bytes, whatever they say (proto/keel/v1/signal.proto) ---- */

typedef struct draft {
    uint8_t bytes[PAYLOAD];
    size_t len;
} draft;

static void put_varint(draft *d, uint64_t value)
{
    for (; value > 127; value >>= 7)
        d->bytes[d->len++] = (uint8_t)(value | 128);
    d->bytes[d->len++] = (uint8_t)value;
}

static void put_number(draft *d, int field, uint64_t value)
{
    put_varint(d, (uint64_t)field << 3);
    put_varint(d, value);
}

static void put_real(draft *d, int field, double value)
{
    put_varint(d, (uint64_t)field << 3 | 1);
    memcpy(d->bytes + d->len, &value, sizeof value);
    d->len += sizeof value;
}

static void put_bytes(draft *d, int field, const void *bytes, size_t len)
{
    put_varint(d, (uint64_t)field << 3 | 2);
    put_varint(d, len);
    memcpy(d->bytes + d->len, bytes, len);
    d->len += len;
}

static void put_text(draft *d, int field, const char *text)
{
    put_bytes(d, field, text, strlen(text));
}

/* What a case says otherwise than a good signal: long of A-SIM at confidence 0.5, no prices. */
typedef struct bad {
    const char *what;
    keel_reason_code code;
    const char *words; /* that the sentence holds; NULL = any */
    keel_side side;
    double entry, stop, target; /* times the last close */
    double confidence;
    const char *symbol; /* NULL = A-SIM */
    const char *strategy;
    const char *id; /* NULL = a new one */
    size_t id_len;  /* 0 = its length */
    uint64_t valid_until_ns;
    uint64_t rows_ahead;
    uint64_t seq_off;                      /* of the payload, from its place's */
    void (*write)(draft *d, uint64_t seq); /* NULL = the fields above */
    void (*finish)(draft *d);              /* appended; NULL = nothing */
} bad;

static void write_fields(stage *s, const keel_caller *c, const bad *b, uint64_t seq, draft *d)
{
    char id[32];
    const double close = s->close[0];
    const char *strategy = b->strategy != NULL ? b->strategy : c->strategy;
    d->len = 0;
    snprintf(id, sizeof id, "case-%d", ++s->ids);
    put_text(d, 1, strategy);
    if (b->id == NULL)
        put_text(d, 2, id);
    else
        put_bytes(d, 2, b->id, b->id_len > 0 ? b->id_len : strlen(b->id));
    put_number(d, 3, seq + b->seq_off);
    put_number(d, 4, (uint64_t)c->epoch_ns);
    put_text(d, 5, b->symbol != NULL ? b->symbol : "A-SIM");
    put_number(d, 6, (uint64_t)b->side);
    put_real(d, 7, b->entry * close);
    put_real(d, 8, b->stop * close);
    put_real(d, 9, b->target * close);
    put_real(d, 10, b->confidence);
    put_number(d, 11, b->valid_until_ns);
    put_number(d, 12, b->rows_ahead > 0 ? s->step + b->rows_ahead : 0);
    if (b->finish != NULL)
        b->finish(d);
}

/* ---- bytes that are no signal ---- */

static void write_garbage(draft *d, uint64_t seq)
{
    uint64_t state = seq + 77;
    for (d->len = 0; d->len < KEEL_SIGNAL_BYTES_MAX; d->len++)
        d->bytes[d->len] =
            (uint8_t)((state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 56);
}

static void write_one_byte(draft *d, uint64_t seq)
{
    (void)seq;
    d->bytes[0] = 0x0a;
    d->len = 1;
}

/* Messages in messages, 1,000 deep, in the place of a label. */
static void finish_nested(draft *d)
{
    enum { DEPTH = 1000 };
    uint8_t nest[4096];
    size_t at = sizeof nest;
    for (int i = 0; i < DEPTH; i++) {
        const size_t len = sizeof nest - at;
        if (len > 127)
            nest[--at] = (uint8_t)(len >> 7);
        nest[--at] = (uint8_t)(len > 127 ? len | 128 : len);
        nest[--at] = 0x0a;
    }
    put_bytes(d, 13, nest + at, sizeof nest - at);
}

/* Groups are a wire type that protobuf 3 does not have. */
static void finish_groups(draft *d)
{
    for (int i = 0; i < 1000; i++)
        put_varint(d, 14 << 3 | 3);
    for (int i = 0; i < 1000; i++)
        put_varint(d, 14 << 3 | 4);
}

static void finish_labels(draft *d)
{
    for (int i = 0; i < KEEL_LABELS_MAX + 1; i++)
        put_bytes(d, 13, "\x0a\x01x", 3);
}

static void finish_short(draft *d)
{
    d->len -= 5;
}

/* A length that runs past the end. */
static void finish_length(draft *d)
{
    put_varint(d, 13 << 3 | 2);
    put_varint(d, 1ULL << 31);
}

static void finish_big(draft *d)
{
    char value[2048];
    memset(value, 'x', sizeof value);
    put_bytes(d, 99, value, sizeof value);
    put_bytes(d, 99, value, KEEL_SIGNAL_BYTES_MAX - d->len - 4);
}

#define LONG  .side = KEEL_SIDE_LONG, .confidence = 0.5
#define SHORT .side = KEEL_SIDE_SHORT, .confidence = 0.5
#define FLAT  .side = KEEL_SIDE_FLAT, .confidence = 0.5

static const char id_65[] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg";

static const bad cases[] = {
    {"entry not a number", KEEL_REASON_NONFINITE, "entry", LONG, .entry = NAN},
    {"entry infinite", KEEL_REASON_NONFINITE, "entry", LONG, .entry = INFINITY},
    {"stop not a number", KEEL_REASON_NONFINITE, "stop", LONG, .stop = NAN},
    {"stop minus infinite", KEEL_REASON_NONFINITE, "stop", LONG, .stop = -INFINITY},
    {"target not a number", KEEL_REASON_NONFINITE, "target", LONG, .target = NAN},
    {"target infinite", KEEL_REASON_NONFINITE, "target", LONG, .target = INFINITY},
    {"confidence not a number", KEEL_REASON_NONFINITE, "confidence", .side = KEEL_SIDE_LONG,
     .confidence = NAN},
    {"confidence infinite", KEEL_REASON_NONFINITE, "confidence", .side = KEEL_SIDE_LONG,
     .confidence = INFINITY},
    {"confidence -0.1", KEEL_REASON_CONFIDENCE_RANGE, "-0.1", .side = KEEL_SIDE_LONG,
     .confidence = -0.1},
    {"confidence 1.1", KEEL_REASON_CONFIDENCE_RANGE, "1.1", .side = KEEL_SIDE_LONG,
     .confidence = 1.1},
    {"entry negative", KEEL_REASON_MALFORMED, "entry", LONG, .entry = -1},
    {"stop negative", KEEL_REASON_MALFORMED, "stop", LONG, .stop = -0.9},
    {"target negative", KEEL_REASON_MALFORMED, "target", LONG, .target = -1.1},
    {"entry above int64", KEEL_REASON_MALFORMED, "entry", LONG, .entry = 1e30},
    {"stop below a unit", KEEL_REASON_MALFORMED, "stop", LONG, .stop = 1e-30},
    {"stop of a long above", KEEL_REASON_STOP_WRONG_SIDE, "stop", LONG, .stop = 1.01},
    {"stop of a long at its entry", KEEL_REASON_STOP_WRONG_SIDE, "stop", LONG, .entry = 1,
     .stop = 1},
    {"stop of a short below", KEEL_REASON_STOP_WRONG_SIDE, "stop", SHORT, .stop = 0.99},
    {"stop of a short at its entry", KEEL_REASON_STOP_WRONG_SIDE, "stop", SHORT, .entry = 1,
     .stop = 1},
    {"target of a long below", KEEL_REASON_TARGET_WRONG_SIDE, "target", LONG, .target = 0.99},
    {"target of a long at its entry", KEEL_REASON_TARGET_WRONG_SIDE, "target", LONG, .entry = 1,
     .target = 1},
    {"target of a short above", KEEL_REASON_TARGET_WRONG_SIDE, "target", SHORT, .target = 1.01},
    {"target of a short at its entry", KEEL_REASON_TARGET_WRONG_SIDE, "target", SHORT, .entry = 1,
     .target = 1},
    {"entry 5.1 % above", KEEL_REASON_ENTRY_TOO_FAR, "5.1 %", LONG, .entry = 1.051},
    {"entry 5.1 % below", KEEL_REASON_ENTRY_TOO_FAR, "5.1 %", SHORT, .entry = 0.949},
    {"entry 4.9 % above", KEEL_REASON_ACCEPTED, NULL, LONG, .entry = 1.049},
    {"entry 4.9 % below", KEEL_REASON_ACCEPTED, NULL, LONG, .entry = 0.951},
    {"an unknown symbol", KEEL_REASON_UNKNOWN_SYMBOL, "NONE", LONG, .symbol = "NONE"},
    {"expired long ago", KEEL_REASON_EXPIRED, "valid until", LONG, .valid_until_ns = 1},
    {"valid until -1", KEEL_REASON_MALFORMED, "valid_until_ns", LONG, .valid_until_ns = UINT64_MAX},
    {"of a row to come", KEEL_REASON_FROM_THE_FUTURE, "row_step", LONG, .rows_ahead = 1000},
    {"of no side", KEEL_REASON_MALFORMED, "side", .side = KEEL_SIDE_UNSPECIFIED, .confidence = 0.5},
    {"of side 4", KEEL_REASON_MALFORMED, "side", .side = (keel_side)4, .confidence = 0.5},
    {"of another strategy inside", KEEL_REASON_MALFORMED, "not those of the envelope", LONG,
     .strategy = "beta"},
    {"of another number inside", KEEL_REASON_MALFORMED, "not those of the envelope", LONG,
     .seq_off = 1},
    {"an id of 65 bytes", KEEL_REASON_MALFORMED, "signal_id", LONG, .id = id_65},
    {"an id with a NUL inside", KEEL_REASON_MALFORMED, "NUL", LONG, .id = "a\0b", .id_len = 3},
    {"an id of broken UTF-8", KEEL_REASON_MALFORMED, "signal_id", LONG, .id = "\xc3\x28"},
    {"an id of control letters", KEEL_REASON_MALFORMED, "signal_id", LONG, .id = "\x1b[2J"},
    {"an empty symbol", KEEL_REASON_MALFORMED, "symbol", LONG, .symbol = ""},
    {"a symbol of broken UTF-8", KEEL_REASON_MALFORMED, "symbol", LONG, .symbol = "A\xff-SIM"},
    {"one byte", KEEL_REASON_MALFORMED, "not a Signal", .write = write_one_byte},
    {"4,096 bytes of noise", KEEL_REASON_MALFORMED, "not a Signal", .write = write_garbage},
    {"cut short", KEEL_REASON_MALFORMED, NULL, LONG, .finish = finish_short},
    {"a length past its end", KEEL_REASON_MALFORMED, "not a Signal", LONG, .finish = finish_length},
    {"messages nested 1,000 deep", KEEL_REASON_MALFORMED, NULL, LONG, .finish = finish_nested},
    {"groups nested 1,000 deep", KEEL_REASON_MALFORMED, "not a Signal", LONG,
     .finish = finish_groups},
    {"nine labels", KEEL_REASON_MALFORMED, "labels", LONG, .finish = finish_labels},
    {"4,096 bytes, most of a field to come", KEEL_REASON_ACCEPTED, NULL, LONG,
     .finish = finish_big},
    {"flat with wrong prices", KEEL_REASON_ACCEPTED, NULL, FLAT, .entry = 2, .stop = 3},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* ---- the run ---- */

static void note_row(stage *s, keel_arena *arena, const keel_envelope *e)
{
    keel_bar_row row;
    if (keel_wire_get_bar_row(arena, e->payload, e->payload_len, &row) != KEEL_OK ||
        e->step < s->step)
        return;
    s->step = e->step;
    for (int i = 0; i < row.n && i < SYMBOLS; i++)
        if (row.close_units[i] > 0)
            s->close[i] =
                keel_real_of_units(row.close_units[i], s->universe.instruments[i].price_exp);
}

static void note_report(stage *s, keel_arena *arena, const keel_envelope *e)
{
    keel_strategy_report report;
    if (keel_wire_get_strategy_report(arena, e->payload, e->payload_len, &report) != KEEL_OK)
        return;
    for (int i = 0; i < report.strategies_n; i++) {
        const keel_strategy_status *from = &report.strategies[i];
        for (int d = 0; d < DESKS; d++) {
            if (strcmp(from->strategy, names[d]) != 0)
                continue;
            s->reported[d] =
                (keel_reported){.step = e->step, from->received, from->decided, from->pending, {0}};
            for (int k = 0; k < from->dispositions_n; k++)
                s->reported[d].counts[from->dispositions[k].code] = from->dispositions[k].count;
        }
    }
}

static void on_more(void *arg, keel_arena *arena, const keel_envelope *e)
{
    stage *s = arg;
    keel_universe_state state;
    if (e->type == KEEL_PAYLOAD_BAR_ROW)
        note_row(s, arena, e);
    else if (e->type == KEEL_PAYLOAD_STRATEGY_REPORT)
        note_report(s, arena, e);
    else if (e->type == KEEL_PAYLOAD_UNIVERSE_STATE &&
             keel_wire_get_universe_state(arena, e->payload, e->payload_len, &state) == KEEL_OK)
        s->universe = *state.universe;
}

/* Every service but the feed has closed the step of the newest row. */
static bool is_settled(stage *s)
{
    for (int i = FEED + 1; i < KEEL_CLUSTER_SERVICES; i++)
        if (s->c.beats[i].step_done != s->step)
            return false;
    return s->close[0] > 0;
}

static void watch(stage *s)
{
    keel_cluster_watch(&s->c, 10);
    (void)keel_caller_hear(&s->desk[ALPHA], 10);
}

/* The feed may be stopped between a row and its StepEnd: nobody closes that step, and it is let go
 * on to the next one. */
static bool stand_still(stage *s)
{
    const int64_t until = keel_test_mono_ms() + 2 * KEEL_CALLER_MS;
    uint64_t row = STEPS_MIN;
    do {
        keel_cluster_signal(&s->c, FEED, SIGCONT);
        while (s->step < row && keel_test_mono_ms() < until)
            watch(s);
        keel_cluster_signal(&s->c, FEED, SIGSTOP);
        const int64_t rested = keel_test_mono_ms() + REST_MS;
        while (!is_settled(s) && keel_test_mono_ms() < rested)
            watch(s);
        row = s->step + 1;
    } while (!is_settled(s) && keel_test_mono_ms() < until);
    return is_settled(s) ||
           keel_fails(s->detail, "row %llu does not come to rest", (unsigned long long)s->step);
}

static bool begin(stage *s)
{
    keel_cluster_prepare(&s->c, false);
    keel_world_live(s->c.dir, 1000000, PACE_MS,
                    "capital: {core: 0.3, alpha: 0.3, beta: 0.3}\n"
                    "strategies: {alpha: {active: true}, beta: {active: true}, off: {active: "
                    "false}}\n"
                    "strategy-coordinator: {conflict: allow}\n");
    keel_cluster_add_key(&s->c, "alpha");
    keel_cluster_add_key(&s->c, "beta");
    keel_cluster_add_key(&s->c, "off");
    keel_cluster_add_key(&s->c, "ghost");
    s->c.door = true;
    keel_cluster_up(&s->c);
    s->ctx = zmq_ctx_new();
    s->operator_ = keel_operator_open(s->c.dir);
    for (int d = 0; d < DESKS; d++) {
        const keel_caller_cfg cfg = {.ctx = s->ctx,
                                     .dir = s->c.dir,
                                     .key = names[d],
                                     .more = d == ALPHA ? "v1." : NULL,
                                     .on_more = on_more,
                                     .arg = s};
        if (!keel_caller_open(&s->desk[d], &cfg) || !keel_caller_join(&s->desk[d]))
            return keel_fails(s->detail, "%s is not served", names[d]);
    }
    return s->operator_ != NULL && stand_still(s);
}

/* ---- what is expected of each ---- */

static bool was(stage *s, int desk, uint64_t seq, keel_reason_code code, const char *words)
{
    keel_caller *c = &s->desk[desk];
    const keel_caller_told *t = keel_caller_decided(c, seq);
    s->expected[desk][code]++;
    if (t == NULL)
        return keel_fails(s->detail, "%s %llu: no decision; acknowledged %llu", names[desk],
                          (unsigned long long)seq, (unsigned long long)c->ack.seq);
    if (t->code != code || (words != NULL && strstr(t->text, words) == NULL))
        return keel_fails(s->detail, "%s %llu: %s, not %s: %.200s", names[desk],
                          (unsigned long long)seq, keel_reason_name(t->code),
                          keel_reason_name(code), t->text);
    if (!keel_caller_acked(c, seq))
        return keel_fails(s->detail, "%s %llu: decided and not acknowledged", names[desk],
                          (unsigned long long)seq);
    return t->times == 1 || keel_fails(s->detail, "%s %llu: decided %u times", names[desk],
                                       (unsigned long long)seq, t->times);
}

static uint64_t say_good(stage *s, int desk)
{
    keel_signal good = {.side = KEEL_SIDE_LONG, .confidence_frac = 0.5};
    snprintf(good.symbol, sizeof good.symbol, "%s", desk == ALPHA ? "A-SIM" : "B-SIM");
    snprintf(good.signal_id, sizeof good.signal_id, "good-%d", ++s->ids);
    return keel_caller_signal(&s->desk[desk], &good);
}

static bool others_are_taken(stage *s)
{
    const uint64_t own = say_good(s, ALPHA), other = say_good(s, BETA);
    return was(s, ALPHA, own, KEEL_REASON_ACCEPTED, NULL) &&
           was(s, BETA, other, KEEL_REASON_ACCEPTED, NULL);
}

static bool run_case(stage *s, const bad *b)
{
    static draft d;
    keel_caller *c = &s->desk[ALPHA];
    const uint64_t seq = ++c->seq;
    if (b->write != NULL)
        b->write(&d, seq);
    else
        write_fields(s, c, b, seq, &d);
    keel_caller_say(c, seq, d.bytes, d.len);
    return was(s, ALPHA, seq, b->code, b->words) && others_are_taken(s);
}

/* ---- places ---- */

static bool counts(stage *s, const char *service, const char *counter, uint64_t n)
{
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    uint64_t now = 0;
    do {
        now = keel_operator_counter(s->operator_, service, counter);
    } while (now < n && keel_test_mono_ms() < until);
    return now == n || keel_fails(s->detail, "%s counts %s %llu, not %llu", service, counter,
                                  (unsigned long long)now, (unsigned long long)n);
}

/* Replace the first bytes that are `from` in a frame, for what no encoder of ours writes. */
static size_t replace(uint8_t *frame, size_t len, const char from[2], const char to[2], size_t n)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (frame[i] != (uint8_t)from[0] || frame[i + 1] != (uint8_t)from[1])
            continue;
        memcpy(frame + i, to, 2);
        memmove(frame + i + 2, frame + i + 2 + n, len - i - 2 - n);
        return len - n;
    }
    abort();
}

/* The relay refuses the frame, counts it and says why, once in 100 ms; nothing of it comes to the
 * coordinator, and the number is free. */
static bool stays_out(stage *s, const char *counter, const char *why, const uint8_t *frame,
                      size_t len)
{
    keel_caller *c = &s->desk[ALPHA];
    const uint64_t before = keel_operator_counter(s->operator_, "relay", counter);
    usleep(100000);
    c->refusal.refusal.code = KEEL_REASON_UNSPECIFIED;
    keel_caller_send(c, "v1.signal.alpha.", frame, len);
    if (!keel_caller_refused(c, KEEL_REASON_MALFORMED) ||
        strstr(c->refusal.refusal.text, why) == NULL)
        return keel_fails(s->detail, "the sender is told '%s'", c->refusal.refusal.text);
    return counts(s, "relay", counter, before + 1) && others_are_taken(s);
}

static const bad good_one = {"", KEEL_REASON_ACCEPTED, NULL, LONG};

static bool with_sequence(stage *s, uint64_t seq, const char *counter)
{
    static uint8_t frame[KEEL_CALLER_FRAME];
    static draft d;
    keel_caller *c = &s->desk[ALPHA];
    write_fields(s, c, &good_one, seq, &d);
    return stays_out(s, counter, "id.seq", frame, keel_caller_frame(c, seq, d.bytes, d.len, frame));
}

/* MessageId.seq is field 3. */
static bool sequence_0(stage *s)
{
    static uint8_t frame[KEEL_CALLER_FRAME];
    const size_t len = keel_caller_frame(&s->desk[ALPHA], 5, "?", 1, frame);
    return stays_out(s, "in_malformed", "no envelope", frame,
                     replace(frame, len, "\x18\x05", "\x18\0", 0));
}

/* Envelope.payload is field 9. */
static bool no_bytes(stage *s)
{
    static uint8_t frame[KEEL_CALLER_FRAME];
    keel_caller *c = &s->desk[ALPHA];
    const size_t len = keel_caller_frame(c, c->seq + 1, "?", 1, frame);
    return stays_out(s, "in_malformed", "no envelope", frame,
                     replace(frame, len, "\x4a\x01", "\x4a\0", 1));
}

static bool sequence_2_63(stage *s)
{
    return with_sequence(s, 1ULL << 63, "in_bad_sequence");
}

static bool sequence_2_64(stage *s)
{
    return with_sequence(s, UINT64_MAX, "in_bad_sequence");
}

/* The last number there is: far ahead, so never the next one. */
static bool sequence_2_63_less_1(stage *s)
{
    static draft d;
    keel_caller *c = &s->desk[ALPHA];
    const uint64_t before =
        keel_operator_counter(s->operator_, "strategy-coordinator", "signals_gap");
    write_fields(s, c, &good_one, INT64_MAX, &d);
    keel_caller_say(c, INT64_MAX, d.bytes, d.len);
    return counts(s, "strategy-coordinator", "signals_gap", before + 1) && others_are_taken(s);
}

static bool a_byte_too_many(stage *s)
{
    static uint8_t frame[KEEL_CALLER_FRAME];
    static draft d;
    keel_caller *c = &s->desk[ALPHA];
    write_garbage(&d, 1);
    d.len = KEEL_SIGNAL_BYTES_MAX + 1;
    return stays_out(s, "in_oversized", "larger", frame,
                     keel_caller_frame(c, c->seq + 1, d.bytes, d.len, frame));
}

/* Above the socket's own maximum: the link is cut, and comes back by itself. */
static bool a_frame_of_64_kib(stage *s)
{
    static uint8_t frame[KEEL_CALLER_FRAME];
    static draft d;
    keel_caller *c = &s->desk[ALPHA];
    const uint64_t before = keel_operator_counter(s->operator_, "relay", "disconnected");
    const uint64_t links = c->links;
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    d.len = 64 << 10;
    memset(d.bytes, '?', d.len);
    const size_t len = keel_caller_frame(c, c->seq + 1, d.bytes, d.len, frame);
    keel_caller_send(c, "v1.signal.alpha.", frame, len);
    while (c->links == links && keel_test_mono_ms() < until)
        (void)keel_caller_hear(c, 50);
    return counts(s, "relay", "disconnected", before + 1) && others_are_taken(s);
}

/* The first bytes under a place hold, whatever comes under it later. */
static bool the_same_place_again(stage *s)
{
    static draft d;
    keel_caller *c = &s->desk[ALPHA];
    const uint64_t before =
        keel_operator_counter(s->operator_, "strategy-coordinator", "signals_repeat");
    const uint64_t seq = say_good(s, ALPHA);
    if (!was(s, ALPHA, seq, KEEL_REASON_ACCEPTED, NULL))
        return false;
    const uint64_t first = c->told[seq % KEEL_CALLER_PLACES].decision_seq, acks = c->acks;
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    write_fields(s, c, &good_one, seq, &d);
    for (int i = 0; i < 3; i++)
        keel_caller_say(c, seq, d.bytes, d.len);
    keel_caller_say(c, seq, "?", 1);
    if (!counts(s, "strategy-coordinator", "signals_repeat", before + 4) || !others_are_taken(s))
        return false;
    while (c->acks == acks && keel_test_mono_ms() < until)
        (void)keel_caller_hear(c, 50);
    return (c->acks > acks && c->told[seq % KEEL_CALLER_PLACES].decision_seq == first) ||
           keel_fails(s->detail, "the place was decided again");
}

static bool a_gap_that_is_filled(stage *s)
{
    static draft ahead, next;
    keel_caller *c = &s->desk[ALPHA];
    const uint64_t before =
        keel_operator_counter(s->operator_, "strategy-coordinator", "signals_gap");
    const uint64_t seq = c->seq + 1;
    write_fields(s, c, &good_one, seq + 1, &ahead);
    write_fields(s, c, &good_one, seq, &next);
    keel_caller_say(c, seq + 1, ahead.bytes, ahead.len);
    if (!counts(s, "strategy-coordinator", "signals_gap", before + 1))
        return false;
    (void)keel_caller_hear(c, 100);
    if (c->ack.seq != seq - 1 || c->told[(seq + 1) % KEEL_CALLER_PLACES].times > 0)
        return keel_fails(s->detail, "what came too early was taken");
    keel_caller_say(c, seq, next.bytes, next.len);
    keel_caller_say(c, seq + 1, ahead.bytes, ahead.len);
    c->seq = seq + 1;
    return was(s, ALPHA, seq, KEEL_REASON_ACCEPTED, NULL) &&
           was(s, ALPHA, seq + 1, KEEL_REASON_ACCEPTED, NULL) && others_are_taken(s);
}

/* A client that starts again says what it is not sure of, under the same id. */
static bool the_same_id_in_a_new_epoch(stage *s)
{
    keel_caller *c = &s->desk[ALPHA];
    keel_signal signal = {.side = KEEL_SIDE_LONG, .symbol = "A-SIM", .confidence_frac = 0.5};
    snprintf(signal.signal_id, sizeof signal.signal_id, "kept-%d", ++s->ids);
    const uint64_t seq = keel_caller_signal(c, &signal);
    if (!was(s, ALPHA, seq, KEEL_REASON_ACCEPTED, NULL))
        return false;
    const uint64_t first = c->told[seq % KEEL_CALLER_PLACES].decision_seq;
    const int64_t old = c->epoch_ns;
    keel_caller_epoch(c, old + 1);
    if (!keel_caller_join(c))
        return keel_fails(s->detail, "the new epoch is not served");
    if (!was(s, ALPHA, keel_caller_signal(c, &signal), KEEL_REASON_DUPLICATE, signal.signal_id))
        return false;
    if (c->told[1].duplicate_of != first)
        return keel_fails(s->detail, "a repeat of %llu, not of %llu",
                          (unsigned long long)c->told[1].duplicate_of, (unsigned long long)first);
    return others_are_taken(s);
}

static bool an_old_epoch(stage *s)
{
    keel_caller *c = &s->desk[ALPHA];
    const int64_t now = c->epoch_ns;
    const uint64_t seq = c->seq;
    keel_signal signal = {.side = KEEL_SIDE_LONG, .symbol = "A-SIM", .confidence_frac = 0.5};
    keel_caller_epoch(c, 1000);
    (void)keel_caller_signal(c, &signal);
    bool ok = keel_caller_refused(c, KEEL_REASON_EPOCH_SUPERSEDED) ||
              keel_fails(s->detail, "an old epoch is not refused by name");
    keel_caller_epoch(c, now);
    c->seq = seq;
    ok = ok &&
         (keel_caller_join(c) || keel_fails(s->detail, "the newest epoch is not served any more"));
    return ok && others_are_taken(s);
}

static bool is_refused(stage *s, const char *key, keel_reason_code code)
{
    keel_caller c;
    keel_signal signal = {.side = KEEL_SIDE_LONG, .symbol = "A-SIM", .confidence_frac = 0.5};
    const keel_caller_cfg cfg = {.ctx = s->ctx, .dir = s->c.dir, .key = key};
    bool ok = keel_caller_open(&c, &cfg) || keel_fails(s->detail, "%s does not come in", key);
    (void)keel_caller_join(&c);
    ok = ok &&
         (keel_caller_refused(&c, code) || keel_fails(s->detail, "%s's hello is not refused", key));
    const uint64_t refusals = c.refusals;
    (void)keel_caller_signal(&c, &signal);
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    while (ok && c.refusals == refusals && keel_test_mono_ms() < until)
        (void)keel_caller_hear(&c, 50);
    ok = ok && (c.refusals > refusals || keel_fails(s->detail, "%s's signal is not refused", key));
    ok = ok && ((c.acks == 0 && c.decided == 0) || keel_fails(s->detail, "%s was served", key));
    keel_caller_close(&c);
    return ok && others_are_taken(s);
}

static bool an_unknown_strategy(stage *s)
{
    return is_refused(s, "ghost", KEEL_REASON_UNKNOWN_STRATEGY);
}

static bool an_inactive_strategy(stage *s)
{
    return is_refused(s, "off", KEEL_REASON_STRATEGY_INACTIVE);
}

static const struct {
    const char *what;
    bool (*run)(stage *s);
} places[] = {
    {"sequence 0", sequence_0},
    {"no bytes", no_bytes},
    {"sequence 2^63", sequence_2_63},
    {"sequence 2^64-1", sequence_2_64},
    {"sequence 2^63-1", sequence_2_63_less_1},
    {"4,097 bytes", a_byte_too_many},
    {"64 KiB", a_frame_of_64_kib},
    {"the same place again", the_same_place_again},
    {"a gap that is filled", a_gap_that_is_filled},
    {"the same id in a new epoch", the_same_id_in_a_new_epoch},
    {"an old epoch", an_old_epoch},
    {"a strategy that is not configured", an_unknown_strategy},
    {"a strategy that is not active", an_inactive_strategy},
};

/* ---- the end ---- */

/* With the next row the coordinator says what it has counted. */
static bool the_counts_add_up(stage *s)
{
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    uint64_t sent[DESKS] = {0};
    keel_cluster_signal(&s->c, FEED, SIGCONT);
    for (int d = 0; d < DESKS; d++)
        for (int k = 0; k < KEEL_HISTORY_CODES; k++)
            sent[d] += s->expected[d][k];
    while ((s->reported[ALPHA].decided < sent[ALPHA] || s->reported[BETA].decided < sent[BETA]) &&
           keel_test_mono_ms() < until)
        (void)keel_caller_hear(&s->desk[ALPHA], 50);
    for (int d = 0; d < DESKS; d++) {
        const keel_reported *r = &s->reported[d];
        if (r->received != sent[d] || r->decided != sent[d] || r->pending != 0)
            return keel_fails(s->detail, "%s: %llu received, %llu decided, %llu pending; sent %llu",
                              names[d], (unsigned long long)r->received,
                              (unsigned long long)r->decided, (unsigned long long)r->pending,
                              (unsigned long long)sent[d]);
        for (int k = 0; k < KEEL_HISTORY_CODES; k++)
            if (r->counts[k] != s->expected[d][k])
                return keel_fails(s->detail, "%s: %s %llu times, not %llu", names[d],
                                  keel_reason_name((keel_reason_code)k),
                                  (unsigned long long)r->counts[k],
                                  (unsigned long long)s->expected[d][k]);
    }
    snprintf(s->detail, sizeof s->detail, "%llu of alpha, %llu of beta",
             (unsigned long long)sent[ALPHA], (unsigned long long)sent[BETA]);
    return true;
}

static bool goes_on(stage *s)
{
    const uint64_t from = keel_cluster_step(&s->c);
    const int64_t until = keel_test_mono_ms() + KEEL_CALLER_MS;
    bool running = false;
    while ((!running || keel_cluster_step(&s->c) < from + 3) && keel_test_mono_ms() < until) {
        running = true;
        keel_cluster_watch(&s->c, 50);
        for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
            running = running && s->c.beats[i].state == KEEL_STATE_RUNNING;
    }
    if (keel_cluster_revive(&s->c) > 0)
        return keel_fails(s->detail, "a service died by itself");
    return running || keel_fails(s->detail, "not all services run");
}

static void run_all(stage *s)
{
    const char *only = getenv("KEEL_ONLY");
    for (int i = 0; i < CASES; i++) {
        if (only != NULL && strstr(cases[i].what, only) == NULL)
            continue;
        s->detail[0] = '\0';
        const bool ok = run_case(s, &cases[i]);
        keel_verdict_why(ok, cases[i].what, s->detail);
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (only != NULL && strstr(places[i].what, only) == NULL)
            continue;
        s->detail[0] = '\0';
        const bool ok = places[i].run(s);
        keel_verdict_why(ok, places[i].what, s->detail);
    }
}

int main(void)
{
    static stage s;
    const int64_t start = keel_test_mono_ms();
    setvbuf(stdout, NULL, _IOLBF, 0);
    const bool up = begin(&s);
    keel_verdict_why(up, "both strategies are served, and the market stands still", s.detail);
    if (up) {
        run_all(&s);
        s.detail[0] = '\0';
        const bool added = the_counts_add_up(&s);
        keel_verdict_why(added, "the reported counts are those of what was sent", s.detail);
        s.detail[0] = '\0';
        const bool well = goes_on(&s);
        keel_verdict_why(well, "every service runs as before", s.detail);
    }
    for (int d = 0; d < DESKS; d++)
        if (s.desk[d].says != NULL)
            keel_caller_close(&s.desk[d]);
    keel_client_close(&s.operator_);
    zmq_ctx_term(s.ctx);
    keel_cluster_down(&s.c);
    if (!keel_verdicts_failed())
        keel_cluster_remove(&s.c);
    else
        printf("  kept: %s\n", s.c.dir);
    printf("  %lld ms\n", (long long)(keel_test_mono_ms() - start));
    return keel_verdicts_end();
}
