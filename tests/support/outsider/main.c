/* Programs outside a run, for the fault tests: a strategy that signals all the time, one that
 * follows a lockstep market, and a watcher. Each writes what it has said and heard to a file that
 * outlives it, one line each, ended by ';': kill -9 loses at most a line that was not written.
 *
 *   S id epoch seq          published, kept by the outbox
 *   A epoch seq ms          acknowledged up to seq; monotonic time
 *   D id decision accepted code
 *   K step                  this step was closed
 *   E                       asked to stop, and nothing waits any more
 *   J epoch | C | X code | U    joined, cut off, refused, superseded
 *   P step hash | F step id | R step strategy received decided pending [code=count ...]
 *                           a watcher: portfolio state, fill, counts of a strategy
 */
#include "common/base/hash.h"
#include "common/client/client.h"
#include "common/client/strategy.h"
#include "common/wire/wire.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TAIL = 1 << 16,
    REPEATS = 4,        /* so many of the newest signals are said again after a start */
    WAITING_MAX = 1500, /* then it waits, as a strategy would */
    BURST = 32,
    SYMBOLS = 5
};

static int history = -1;
static const char *dir, *name;

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

KEEL_PRINTF(1, 2)
static void note(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line - 3, format, args);
    va_end(args);
    n = n < (int)sizeof line - 3 ? n : (int)sizeof line - 4;
    memcpy(line + n, " ;\n", 3);
    if (write(history, line, (size_t)n + 3) != n + 3)
        abort();
}

/* Open the history; the number of the newest signal in it, 0 = none. */
static uint64_t open_history(void)
{
    char path[256];
    static char tail[TAIL + 1];
    uint64_t last = 0;
    snprintf(path, sizeof path, "%s/%s.history", dir, name);
    history = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (history < 0)
        abort();
    const off_t size = lseek(history, 0, SEEK_END);
    const ssize_t n = pread(history, tail, TAIL, size > TAIL ? size - TAIL : 0);
    tail[n > 0 ? n : 0] = '\0';
    for (const char *at = tail; (at = strstr(at, "\nS ")) != NULL; at++) {
        const char *dash = strchr(at, '-');
        const uint64_t no = dash != NULL ? strtoull(dash + 1, NULL, 10) : 0;
        last = no > last ? no : last;
    }
    if (write(history, "\n", 1) != 1) /* ends a line that was cut short */
        abort();
    return last;
}

static bool is_asked_to_stop(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/drain", dir);
    return access(path, F_OK) == 0;
}

/* ---- strategies ---- */

static const char *const symbols[SYMBOLS] = {"A-SIM", "B-SIM", "C-SIM", "D-SIM", "E-SIM"};

/* What a strategy says follows from its name and the number of the signal, but for the prices. */
static void make_signal(uint64_t no, const double *close, keel_signal *s)
{
    char text[96];
    snprintf(text, sizeof text, "%s %llu", name, (unsigned long long)no);
    const uint64_t h = keel_hash(text, strlen(text));
    const unsigned symbol = (unsigned)(h % SYMBOLS), side = (unsigned)(h >> 8) % 5;
    const double last = close[symbol];
    *s = (keel_signal){.confidence_frac = 0.25 + (double)(h >> 16 & 63) / 100};
    snprintf(s->symbol, sizeof s->symbol, "%s", symbols[symbol]);
    s->side = side == 4 ? KEEL_SIDE_FLAT : side % 2 == 0 ? KEEL_SIDE_LONG : KEEL_SIDE_SHORT;
    const double away = s->side == KEEL_SIDE_LONG ? -1 : 1;
    switch (h >> 24 & 15) {
    case 0:
        snprintf(s->symbol, sizeof s->symbol, "NONE");
        break;
    case 1:
        s->entry = last * 1.5;
        break;
    case 2:
        s->stop = s->side == KEEL_SIDE_FLAT ? 0 : last * (1 - away * 0.05);
        break;
    case 3:
    case 4:
    case 5:
        s->stop = s->side == KEEL_SIDE_FLAT ? 0 : last * (1 + away * 0.01);
        break;
    default:
        break;
    }
}

static void note_link_event(const keel_strategy *s, const keel_event *e)
{
    keel_strategy_link link;
    keel_strategy_look(s, &link);
    if (e->kind == KEEL_EVENT_JOINED)
        note("J %lld", (long long)link.epoch_ns);
    if (e->kind == KEEL_EVENT_JOINED || e->kind == KEEL_EVENT_ACKED)
        note("A %lld %llu %lld", (long long)link.epoch_ns, (unsigned long long)link.acked_seq,
             (long long)mono_ms());
    if (e->kind == KEEL_EVENT_CUT_OFF)
        note("C");
    if (e->kind == KEEL_EVENT_REFUSED)
        note("X %d", (int)e->reason.code);
    if (e->kind == KEEL_EVENT_SUPERSEDED)
        note("U");
    if (e->kind == KEEL_EVENT_DECISION)
        note("D %s %llu %d %d", e->decision->signal_id,
             (unsigned long long)e->decision->decision_seq, e->decision->accepted,
             (int)e->decision->reason.code);
}

static keel_strategy *join(keel_strategy_pace pace)
{
    char outbox[256];
    keel_err err = {0};
    snprintf(outbox, sizeof outbox, "%s/%s.outbox", dir, name);
    const keel_strategy_cfg cfg = {.name = name,
                                   .run_dir = dir,
                                   .pace = pace,
                                   .wants = KEEL_WANT_ROWS,
                                   .outbox = pace == KEEL_PACE_LIVE ? outbox : NULL,
                                   .outbox_no_sync = true};
    for (;;) {
        keel_strategy *s = keel_strategy_open(&cfg, &err);
        if (s != NULL)
            return s;
        fprintf(stderr, "%s: %s\n", name, err.text);
        pause_ms(50);
    }
}

static void publish(keel_strategy *s, uint64_t no, const double *close)
{
    keel_signal signal;
    keel_err err = {0};
    make_signal(no, close, &signal);
    snprintf(signal.signal_id, sizeof signal.signal_id, "%s-%08llu", name, (unsigned long long)no);
    const keel_status status = keel_strategy_publish(s, &signal, &err);
    if (status == KEEL_OK)
        note("S %s %lld %llu", signal.signal_id, (long long)signal.epoch_ns,
             (unsigned long long)signal.seq);
    else
        fprintf(stderr, "%s: %s: %s\n", name, signal.signal_id, err.text);
}

static void note_row(const keel_market_row *row, double close[SYMBOLS])
{
    for (int i = 0; i < SYMBOLS && i < row->n; i++)
        if (row->close[i] > 0)
            close[i] = row->close[i];
}

static int run_live(int per_second)
{
    double close[SYMBOLS] = {0};
    bool has_row = false, is_drained = false;
    uint64_t no = open_history();
    no = no > REPEATS ? no - REPEATS : 0;
    keel_strategy *s = join(KEEL_PACE_LIVE);
    keel_strategy_link link;
    const int64_t start_ms = mono_ms();
    int64_t said = 0;
    for (;;) {
        keel_event e;
        for (int wait = 5; keel_strategy_next(s, wait, &e) == KEEL_OK; wait = 0) {
            note_link_event(s, &e);
            if (e.kind == KEEL_EVENT_SUPERSEDED)
                return 1;
            if (e.kind == KEEL_EVENT_ROW) {
                note_row(e.row, close);
                has_row = close[0] > 0;
            }
        }
        keel_strategy_look(s, &link);
        const bool stops = is_asked_to_stop();
        if (stops && link.waiting == 0 && !is_drained)
            note("E");
        is_drained = stops && link.waiting == 0;
        const int64_t due = (mono_ms() - start_ms) * per_second / 1000;
        if (due - said > BURST) /* it was stopped, or waits: what was missed is not made up for */
            said = due - BURST;
        for (; !stops && has_row && said < due && link.waiting + (int)(due - said) < WAITING_MAX;
             said++)
            publish(s, ++no, close);
    }
}

/* 0 to 3 signals on each row, the same ones after every start. */
static void say_all(keel_strategy *s, const keel_market_row *row, const double *close)
{
    const int n = (int)(keel_hash(name, strlen(name)) + row->step * 7) % 4;
    for (int k = 0; k < n; k++) {
        keel_signal signal;
        keel_err err = {0};
        make_signal(row->step * 4 + (uint64_t)k, close, &signal);
        const keel_status status = keel_strategy_publish(s, &signal, &err);
        if (status != KEEL_OK)
            fprintf(stderr, "%s: step %llu: %s\n", name, (unsigned long long)row->step, err.text);
        else
            note("S %s %lld %llu", signal.signal_id, (long long)signal.epoch_ns,
                 (unsigned long long)signal.seq);
    }
}

static int run_lockstep(void)
{
    double close[SYMBOLS] = {0};
    (void)open_history();
    keel_strategy *s = join(KEEL_PACE_LOCKSTEP);
    for (;;) {
        keel_event e;
        if (keel_strategy_next(s, 20, &e) != KEEL_OK)
            continue;
        note_link_event(s, &e);
        if (e.kind == KEEL_EVENT_SUPERSEDED)
            return 1;
        if (e.kind != KEEL_EVENT_ROW)
            continue;
        note_row(e.row, close);
        say_all(s, e.row, close);
        const uint64_t step = e.row->step;
        if (keel_strategy_close_step(s, step) == KEEL_OK)
            note("K %llu", (unsigned long long)step);
    }
}

/* ---- the watcher ---- */

static void note_report(keel_arena *arena, const keel_envelope *e)
{
    keel_strategy_report report;
    if (keel_wire_get_strategy_report(arena, e->payload, e->payload_len, &report) != KEEL_OK)
        return;
    for (int i = 0; i < report.strategies_n; i++) {
        const keel_strategy_status *s = &report.strategies[i];
        char counts[1024] = "";
        size_t at = 0;
        for (int k = 0; k < s->dispositions_n && at + 40 < sizeof counts; k++)
            at += (size_t)snprintf(counts + at, sizeof counts - at, " %d=%llu",
                                   (int)s->dispositions[k].code,
                                   (unsigned long long)s->dispositions[k].count);
        note("R %llu %s %llu %llu %llu%s", (unsigned long long)e->step, s->strategy,
             (unsigned long long)s->received, (unsigned long long)s->decided,
             (unsigned long long)s->pending, counts);
    }
}

static void note_message(keel_arena *arena, const keel_client_msg *msg)
{
    const keel_envelope *e = &msg->envelope;
    keel_arena_reset(arena);
    if (e->type == KEEL_PAYLOAD_PORTFOLIO_STATE)
        note("P %llu %llu", (unsigned long long)e->step,
             (unsigned long long)keel_hash(e->payload, e->payload_len));
    keel_fill *fill = keel_arena_take(arena, 1, sizeof *fill);
    if (e->type == KEEL_PAYLOAD_FILL &&
        keel_wire_get_fill(arena, e->payload, e->payload_len, fill) == KEEL_OK)
        note("F %llu %s", (unsigned long long)e->step, fill->fill_id);
    if (e->type == KEEL_PAYLOAD_STRATEGY_REPORT)
        note_report(arena, e);
}

static int run_watch(void)
{
    char out[256], in[256], server[256], secret[256];
    keel_client *client = NULL;
    keel_arena arena;
    keel_err err = {0};
    (void)open_history();
    keel_arena_init(&arena, 4 << 20);
    snprintf(out, sizeof out, "ipc://%s/door-out.sock", dir);
    snprintf(in, sizeof in, "ipc://%s/door-in.sock", dir);
    snprintf(server, sizeof server, "%s/keys/door.public", dir);
    snprintf(secret, sizeof secret, "%s/keys/%s.secret", dir, name);
    const keel_client_cfg cfg = {.name = name,
                                 .out_endpoint = out,
                                 .in_endpoint = in,
                                 .server_key = server,
                                 .secret_key = secret};
    while ((client = keel_client_open(&cfg, &err)) == NULL) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        pause_ms(50);
    }
    if (keel_client_subscribe(client, "v1.fill.") != KEEL_OK ||
        keel_client_subscribe(client, "v1.portfolio.") != KEEL_OK ||
        keel_client_subscribe(client, "v1.strategy.") != KEEL_OK)
        return 1;
    note("J 0");
    for (;;) {
        keel_client_msg msg;
        if (keel_client_next(client, 100, &msg) == KEEL_OK)
            note_message(&arena, &msg);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: outsider live|lockstep|watch DIR NAME [SIGNALS_PER_SECOND]\n");
        return 2;
    }
    dir = argv[2];
    name = argv[3];
    if (strcmp(argv[1], "lockstep") == 0)
        return run_lockstep();
    if (strcmp(argv[1], "watch") == 0)
        return run_watch();
    return run_live(argc > 4 ? atoi(argv[4]) : 100);
}
