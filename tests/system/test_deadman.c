/* The dead-man rule on real processes (live): risk is stopped, and who decides and who trades act
 * as REDUCING after a second, as HALTED after five, say so, and go on when it is heard again.
 *
 * Prices are written so that a stop is crossed in the very row that comes while risk is silent:
 * REDUCING sells, HALTED holds the stop back until risk is heard (docs/methods/paper-broker.md 14).
 * An opening that was accepted just before is not planned. Plain main: ends with "N passed, N
 * failed". */
#include "common/keys/keys.h"
#include "common/wire/wire.h"
#include "tests/support/verdict.h"
#include "tests/support/world/caller.h"
#include "tests/support/world/cluster.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    FEED,
    EXECUTION,
    RISK = 5,
    COORDINATOR,
    INSTRUMENTS = 4,
    PACE_MS = 400,
    FIRST_REST = 24,  /* the market is stopped after this row, and falls in the next one */
    REST_EVERY = 16,  /* and so on */
    ENTER_BEFORE = 9, /* rows */
    RESTS = 8,
    WAIT_MS = 40000,
    TRIES = 3, /* REDUCING lasts four seconds; a machine may be too slow for that */
    HALTED_AFTER_MS = 5000,
};

typedef struct world {
    keel_cluster c;
    void *ctx;
    keel_caller delta;
    uint64_t row;              /* newest */
    int fills[INSTRUMENTS];    /* of delta */
    int triggers[INSTRUMENTS]; /* those by a stop or target */
    int64_t held[INSTRUMENTS];
    int rests;
    int64_t silent_ms; /* since when risk is stopped */
    char detail[KEEL_WHY_MAX];
} world;

/* ---- the market ---- */

static uint64_t rest_row(int n)
{
    return FIRST_REST + (uint64_t)n * REST_EVERY;
}

/* All move a little; the first falls by a tenth after each rest. */
static void write_prices(const world *w)
{
    char path[128];
    uint64_t state = 12345;
    double price[INSTRUMENTS] = {100, 50, 80, 20};
    snprintf(path, sizeof path, "%s/prices.csv", w->c.dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        abort();
    fprintf(f, "time,A-SIM,B-SIM,C-SIM,D-SIM\n");
    for (uint64_t row = 1; row <= 24 * 365; row++) {
        const uint64_t hour = row - 1, day = hour / 24;
        for (int n = 0; n < RESTS; n++)
            if (row == rest_row(n) + 1)
                price[0] *= 0.9;
        fprintf(f, "2025-%02d-%02dT%02d:00:00Z", (int)(day / 28) % 12 + 1, (int)(day % 28) + 1,
                (int)(hour % 24));
        for (int i = 0; i < INSTRUMENTS; i++) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            fprintf(f, ",%.4f", price[i] * (1 + ((double)(state >> 40) / (1 << 24) - 0.5) * 0.004));
        }
        fputc('\n', f);
        if (day == 28 * 12 - 1 && hour % 24 == 23)
            break;
    }
    fclose(f);
}

static void write_config(const world *w)
{
    char path[128];
    snprintf(path, sizeof path, "%s/config.yaml", w->c.dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        abort();
    fprintf(f,
            "run: {id: test-world, dir: %s, mode: live, pace: %dms}\n"
            "universe:\n"
            "  name: main\n"
            "  bar: 1h\n"
            "  instruments:\n"
            "    - {symbol: A-SIM, lot: 0.0001}\n"
            "    - {symbol: B-SIM, lot: 0.0001}\n"
            "    - {symbol: C-SIM, lot: 0.0001}\n"
            "    - {symbol: D-SIM, lot: 0.0001}\n"
            "portfolio: {max_positions: 0, correlation_window: 2, max_drawdown: 40%%,\n"
            "            rebalancing_frequency: 240h}\n"
            "capital: {core: 0.1, delta: 0.5}\n"
            "strategies: {delta: {active: true}}\n"
            "risk_manager: {equity_usd: 1000000}\n"
            "feed: {source: csv, files: ['%s/prices.csv']}\n"
            "correlation: {rows_min: 5}\n",
            w->c.dir, PACE_MS, w->c.dir);
    fclose(f);
}

static void note_fill(world *w, keel_arena *arena, const keel_envelope *e)
{
    keel_fill *fill = keel_arena_take(arena, 1, sizeof *fill);
    if (fill == NULL || keel_wire_get_fill(arena, e->payload, e->payload_len, fill) != KEEL_OK ||
        fill->instrument >= INSTRUMENTS)
        return;
    for (int b = 0; b < fill->books_n; b++) {
        if (strcmp(fill->books[b].book, "delta") != 0)
            continue;
        w->fills[fill->instrument]++;
        w->triggers[fill->instrument] += fill->reason.code == KEEL_REASON_TRIGGER;
        w->held[fill->instrument] += fill->books[b].qty_units;
    }
}

static void on_more(void *arg, keel_arena *arena, const keel_envelope *e)
{
    world *w = arg;
    if (e->type == KEEL_PAYLOAD_BAR_ROW && e->step > w->row)
        w->row = e->step;
    if (e->type == KEEL_PAYLOAD_FILL)
        note_fill(w, arena, e);
}

static void tend(world *w, int ms)
{
    const int64_t until = keel_test_mono_ms() + ms;
    do {
        (void)keel_caller_hear(&w->delta, 2);
        keel_cluster_watch(&w->c, 1);
    } while (keel_test_mono_ms() < until);
}

#define AWAIT(w, condition)                                                                        \
    for (const int64_t until_ = keel_test_mono_ms() + WAIT_MS;                                     \
         !(condition) && keel_test_mono_ms() < until_;)                                            \
    tend(w, 5)

static bool is_settled(const world *w)
{
    for (int i = FEED + 1; i < KEEL_CLUSTER_SERVICES; i++)
        if (w->c.beats[i].step_done != w->row)
            return false;
    return true;
}

/* Stop the market at its next rest. */
static bool rest(world *w)
{
    while (w->rests < RESTS && rest_row(w->rests) <= w->row)
        w->rests++;
    if (w->rests == RESTS)
        return keel_fails(w->detail, "the market has no more rests");
    const uint64_t row = rest_row(w->rests++);
    AWAIT(w, w->row >= row);
    keel_cluster_signal(&w->c, FEED, SIGSTOP);
    AWAIT(w, is_settled(w));
    return (w->row == row && is_settled(w)) ||
           keel_fails(w->detail, "the market rests at row %llu, not %llu",
                      (unsigned long long)w->row, (unsigned long long)row);
}

/* ---- signals ---- */

static keel_signal signal_on(const char *symbol, keel_side side)
{
    keel_signal s = {.side = side, .confidence_frac = 0.8};
    snprintf(s.symbol, sizeof s.symbol, "%s", symbol);
    return s;
}

static bool is_decided(world *w, keel_signal signal, keel_reason_code code, const char *words)
{
    const uint64_t seq = keel_caller_signal(&w->delta, &signal);
    const keel_caller_told *t = keel_caller_decided(&w->delta, seq);
    if (t == NULL)
        return keel_fails(w->detail, "no decision about %s", signal.symbol);
    return (t->code == code && strstr(t->text, words) != NULL) ||
           keel_fails(w->detail, "%s %s: %s, not %s: %.200s", keel_side_name(signal.side),
                      signal.symbol, keel_reason_name(t->code), keel_reason_name(code), t->text);
}

/* Long of the first, with a stop that the next fall crosses; held before the market rests. */
static bool enter(world *w)
{
    int next = w->rests;
    while (next < RESTS && rest_row(next) <= w->row + ENTER_BEFORE / 2)
        next++;
    w->rests = next;
    AWAIT(w, w->row + ENTER_BEFORE >= rest_row(next));
    keel_signal s = signal_on("A-SIM", KEEL_SIDE_LONG);
    double price = 100;
    for (int n = 0; n < next; n++)
        price *= 0.9;
    s.stop = price * 0.95;
    const int64_t before = w->held[0];
    if (!is_decided(w, s, KEEL_REASON_ACCEPTED, ""))
        return false;
    AWAIT(w, w->held[0] > before);
    return w->held[0] > 0 || keel_fails(w->detail, "what was accepted does not fill");
}

/* ---- risk ---- */

static void silence(world *w)
{
    keel_cluster_signal(&w->c, RISK, SIGSTOP);
    w->silent_ms = keel_test_mono_ms();
}

static bool both_say(world *w, const char *words)
{
    return w->c.beats[EXECUTION].state == KEEL_STATE_DEGRADED &&
           w->c.beats[COORDINATOR].state == KEEL_STATE_DEGRADED &&
           strstr(w->c.beats[EXECUTION].why, words) != NULL &&
           strstr(w->c.beats[COORDINATOR].why, words) != NULL;
}

static bool shown(world *w, const char *words)
{
    AWAIT(w, both_say(w, words));
    return both_say(w, words) ||
           keel_fails(w->detail, "execution says '%s', the coordinator '%s', not '%s'",
                      w->c.beats[EXECUTION].why, w->c.beats[COORDINATOR].why, words);
}

static bool keel_status_says(world *w, const char *words)
{
    char line[1024];
    const char *bin = getenv("KEEL_BIN_DIR");
    snprintf(line, sizeof line,
             "%s/keel status --run '%s' 2>/dev/null | grep -E 'execution|strategy-coordinator' | "
             "grep -c '%s' | grep -q '^2$'",
             bin != NULL ? bin : "bin", w->c.dir, words);
    return system(line) == 0 || keel_fails(w->detail, "keel status does not say '%s'", words);
}

/* Heard again: the rule is over by itself, and a signal is accepted as before. */
static bool recovers(world *w)
{
    keel_cluster_signal(&w->c, RISK, SIGCONT);
    keel_cluster_signal(&w->c, FEED, SIGCONT);
    AWAIT(w, w->c.beats[EXECUTION].state == KEEL_STATE_RUNNING &&
                 w->c.beats[COORDINATOR].state == KEEL_STATE_RUNNING &&
                 w->c.beats[RISK].state == KEEL_STATE_RUNNING);
    const uint64_t step = keel_cluster_step(&w->c);
    AWAIT(w, keel_cluster_step(&w->c) > step + 3);
    if (keel_cluster_step(&w->c) <= step + 3)
        return keel_fails(w->detail, "steps do not go on");
    const int before = w->fills[3];
    const bool more = w->held[3] == 0;
    if (!is_decided(w, signal_on("D-SIM", more ? KEEL_SIDE_LONG : KEEL_SIDE_FLAT),
                    KEEL_REASON_ACCEPTED, ""))
        return false;
    AWAIT(w, w->fills[3] > before);
    return w->fills[3] > before ||
           keel_fails(w->detail, "what is accepted afterwards does not fill");
}

/* ---- scenarios ---- */

/* False with *late: the rule had gone on to HALTED before the fall was traded. */
static bool reduce_once(world *w, bool *late)
{
    *late = false;
    if (!enter(w) || !rest(w))
        return false;
    const int triggers = w->triggers[0], opened = w->fills[1];
    const uint64_t step = w->row;
    if (!is_decided(w, signal_on("B-SIM", KEEL_SIDE_LONG), KEEL_REASON_ACCEPTED, ""))
        return false;
    silence(w);
    if (!shown(w, "no new exposure") ||
        !is_decided(w, signal_on("C-SIM", KEEL_SIDE_LONG), KEEL_REASON_NOT_TRADING, "REDUCING"))
        return false;
    keel_cluster_signal(&w->c, FEED, SIGCONT);
    AWAIT(w, w->triggers[0] > triggers || w->c.beats[EXECUTION].step_done > step + 3);
    const int64_t after_ms = keel_test_mono_ms() - w->silent_ms;
    *late = after_ms > HALTED_AFTER_MS - 500;
    if (w->triggers[0] == triggers && !*late)
        return keel_fails(w->detail, "the stop does not fill while REDUCING");
    AWAIT(w, w->c.beats[EXECUTION].step_done > step + 3);
    if (w->fills[1] != opened)
        return keel_fails(w->detail, "an opening was filled without risk");
    if (!recovers(w))
        return false;
    if (w->fills[1] != opened)
        return keel_fails(w->detail, "an opening that was given up was filled afterwards");
    if (!*late)
        printf("  the stop filled %lld ms after risk fell silent\n", (long long)after_ms);
    return true;
}

static bool reducing(world *w)
{
    bool late = true;
    for (int i = 0; i < TRIES && late; i++)
        if (!reduce_once(w, &late))
            return false;
    return !late || keel_fails(w->detail, "too slow a machine to see REDUCING");
}

static bool halted(world *w)
{
    if (!enter(w) || !rest(w))
        return false;
    const int triggers = w->triggers[0];
    const uint64_t step = w->row;
    silence(w);
    if (!shown(w, "nothing is traded") || !keel_status_says(w, "nothing is traded") ||
        !is_decided(w, signal_on("C-SIM", KEEL_SIDE_LONG), KEEL_REASON_NOT_TRADING, "HALTED") ||
        !is_decided(w, signal_on("A-SIM", KEEL_SIDE_FLAT), KEEL_REASON_NOT_TRADING, "HALTED"))
        return false;
    keel_cluster_signal(&w->c, FEED, SIGCONT);
    AWAIT(w, w->c.beats[EXECUTION].step_done > step + 3);
    if (w->c.beats[EXECUTION].step_done <= step + 3)
        return keel_fails(w->detail, "execution does not go on without risk");
    if (w->triggers[0] != triggers)
        return keel_fails(w->detail, "a stop filled while HALTED");
    if (!recovers(w))
        return false;
    AWAIT(w, w->triggers[0] > triggers);
    return (w->triggers[0] == triggers + 1 && w->held[0] == 0) ||
           keel_fails(w->detail, "the stop that was held back: %d fills, %lld held",
                      w->triggers[0] - triggers, (long long)w->held[0]);
}

static bool begin(world *w)
{
    char keys[128];
    keel_err err = {0};
    keel_cluster_prepare(&w->c, false);
    snprintf(keys, sizeof keys, "%s/keys", w->c.dir);
    write_prices(w);
    write_config(w);
    if (keel_keys_folder(keys, &err) != KEEL_OK ||
        keel_key_add(keys, "delta", false, &err) != KEEL_OK)
        return keel_fails(w->detail, "%.300s", err.text);
    w->c.door = true;
    keel_cluster_up(&w->c);
    w->ctx = zmq_ctx_new();
    keel_client *operator_ = keel_operator_open(w->c.dir); /* the door is open */
    keel_client_close(&operator_);
    const keel_caller_cfg cfg = {.ctx = w->ctx,
                                 .dir = w->c.dir,
                                 .key = "delta",
                                 .more = "v1.",
                                 .on_more = on_more,
                                 .arg = w};
    return (keel_caller_open(&w->delta, &cfg) && keel_caller_join(&w->delta)) ||
           keel_fails(w->detail, "delta is not served");
}

static void run_one(world *w, const char *what, bool (*scenario)(world *w))
{
    const int64_t from = keel_test_mono_ms();
    w->detail[0] = '\0';
    const bool ok = scenario(w);
    keel_verdict_why(ok, what, w->detail);
    printf("  %lld ms, row %llu\n", (long long)(keel_test_mono_ms() - from),
           (unsigned long long)w->row);
    keel_cluster_signal(&w->c, RISK, SIGCONT);
    keel_cluster_signal(&w->c, FEED, SIGCONT);
}

int main(void)
{
    static world w;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const bool up = begin(&w);
    keel_verdict_why(up, "a strategy is served", w.detail);
    if (up) {
        run_one(&w, "a second without risk: exposure may only fall", reducing);
        run_one(&w, "five seconds without risk: nothing is traded", halted);
        keel_verdict_why(keel_cluster_revive(&w.c) == 0, "nobody died by himself", "");
    }
    if (w.delta.says != NULL)
        keel_caller_close(&w.delta);
    zmq_ctx_term(w.ctx);
    keel_cluster_down(&w.c);
    if (!keel_verdicts_failed())
        keel_cluster_remove(&w.c);
    else
        printf("  kept: %s\n", w.c.dir);
    return keel_verdicts_end();
}
