#include "tests/support/world/history.h"

#include "common/base/hash.h"
#include "tests/support/world/recorded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_file(keel_history *h, const char *dir, const char *name, int strategy)
{
    if (h->files_n == KEEL_HISTORY_FILES)
        abort();
    keel_history_file *f = &h->files[h->files_n++];
    snprintf(f->path, sizeof f->path, "%s/%s.history", dir, name);
    f->strategy = strategy;
}

void keel_history_open(keel_history *h, const char *dir, int n, const char *const *strategies)
{
    *h = (keel_history){.strategies_n = n, .strategies = strategies};
    for (int i = 0; i < n; i++)
        add_file(h, dir, strategies[i], i);
}

void keel_history_watch(keel_history *h, const char *dir, const char *watcher)
{
    add_file(h, dir, watcher, -1);
}

void keel_history_close(keel_history *h)
{
    free(h->said);
    free(h->heard);
    free(h->fills);
}

/* ---- lines ---- */

static bool take_said(keel_history *h, keel_history_file *f, const char *line)
{
    keel_said s = {.strategy = f->strategy};
    if (sscanf(line, "S %23s %" SCNd64 " %" SCNu64 " ;", s.signal_id, &s.epoch_ns, &s.seq) != 3)
        return false;
    s.id = keel_recorded_id(s.strategy, s.signal_id);
    h->said = keel_recorded_grown(h->said, h->said_n, &h->said_cap, sizeof s);
    h->said[h->said_n++] = s;
    f->drained = false;
    return true;
}

static bool take_acked(keel_history *h, const keel_history_file *f, const char *line)
{
    keel_acked a = {.strategy = f->strategy};
    int at = h->epochs_n - 1;
    if (sscanf(line, "A %" SCNd64 " %" SCNu64, &a.epoch_ns, &a.seq) != 2)
        return false;
    while (at >= 0 && (h->acked[at].strategy != a.strategy || h->acked[at].epoch_ns != a.epoch_ns))
        at--;
    if (at < 0) {
        if ((at = h->epochs_n++) == KEEL_HISTORY_EPOCHS)
            abort();
        h->acked[at] = (keel_acked){a.strategy, a.epoch_ns, 0};
    }
    if (a.seq > h->acked[at].seq) {
        h->acks += a.seq - h->acked[at].seq;
        h->acked[at].seq = a.seq;
    }
    return true;
}

static bool take_heard(keel_history *h, const keel_history_file *f, const char *line)
{
    keel_heard d = {.strategy = f->strategy};
    char id[80];
    int accepted;
    if (sscanf(line, "D %79s %" SCNu64 " %d %d", id, &d.decision_seq, &accepted, &d.code) != 4)
        return false;
    d.id = keel_recorded_id(f->strategy, id);
    d.accepted = accepted != 0;
    h->heard = keel_recorded_grown(h->heard, h->heard_n, &h->heard_cap, sizeof d);
    h->heard[h->heard_n++] = d;
    return true;
}

static bool take_closed(keel_history *h, const keel_history_file *f, const char *line)
{
    uint64_t step;
    if (sscanf(line, "K %" SCNu64, &step) != 1)
        return false;
    if (step == h->closed_step[f->strategy] + 1)
        h->closed_step[f->strategy] = step;
    return true;
}

static bool take_fill(keel_history *h, const char *line)
{
    char id[KEEL_ID_MAX];
    uint64_t step;
    if (sscanf(line, "F %" SCNu64 " %159s", &step, id) != 2)
        return false;
    h->fills = keel_recorded_grown(h->fills, h->fills_n, &h->fills_cap, sizeof *h->fills);
    h->fills[h->fills_n++] = keel_hash(id, strlen(id));
    return true;
}

static bool take_portfolio(keel_history *h, const char *line)
{
    uint64_t step, hash;
    if (sscanf(line, "P %" SCNu64 " %" SCNu64, &step, &hash) != 2)
        return false;
    if (step >= h->portfolio_step) {
        h->portfolio_step = step;
        h->portfolio_hash = hash;
    }
    return true;
}

static bool take_report(keel_history *h, const char *line)
{
    char name[KEEL_NAME_MAX];
    keel_reported r = {0};
    int at = 0, strategy = 0;
    if (sscanf(line, "R %" SCNu64 " %47s %" SCNu64 " %" SCNu64 " %" SCNu64 "%n", &r.step, name,
               &r.received, &r.decided, &r.pending, &at) != 5)
        return false;
    while (strategy < h->strategies_n && strcmp(h->strategies[strategy], name) != 0)
        strategy++;
    if (strategy == h->strategies_n || r.step < h->reports[strategy].step)
        return true;
    int code, n;
    uint64_t count;
    for (; sscanf(line + at, " %d=%" SCNu64 "%n", &code, &count, &n) == 2; at += n)
        if (code >= 0 && code < KEEL_HISTORY_CODES)
            r.counts[code] = count;
    h->reports[strategy] = r;
    return true;
}

static bool count_it(uint64_t *counter)
{
    (*counter)++;
    return true;
}

static bool take_line(keel_history *h, keel_history_file *f, const char *line)
{
    switch (line[0]) {
    case 'S':
        return take_said(h, f, line);
    case 'A':
        return take_acked(h, f, line);
    case 'D':
        return take_heard(h, f, line);
    case 'K':
        return take_closed(h, f, line);
    case 'F':
        return take_fill(h, line);
    case 'P':
        return take_portfolio(h, line);
    case 'R':
        return take_report(h, line);
    case 'E':
        return f->drained = true;
    case 'J':
        return count_it(&h->joined);
    case 'C':
        return count_it(&h->cut_off);
    case 'X':
        return count_it(&h->refused);
    case 'U':
        return count_it(&h->superseded);
    default:
        return false;
    }
}

static void poll_file(keel_history *h, keel_history_file *f)
{
    char line[KEEL_HISTORY_LINE];
    FILE *in = fopen(f->path, "r");
    if (in == NULL)
        return;
    if (fseek(in, (long)f->pos, SEEK_SET) != 0)
        abort();
    while (fgets(line, sizeof line, in) != NULL) {
        const size_t len = strlen(line);
        if (line[len - 1] != '\n')
            break; /* being written */
        f->pos += len;
        if (len > 1 && (len < 3 || line[len - 2] != ';' || !take_line(h, f, line)))
            h->broken_lines++;
    }
    fclose(in);
}

void keel_history_poll(keel_history *h)
{
    for (int i = 0; i < h->files_n; i++)
        poll_file(h, &h->files[i]);
}

bool keel_history_is_drained(const keel_history *h)
{
    for (int i = 0; i < h->files_n; i++)
        if (h->files[i].strategy >= 0 && !h->files[i].drained)
            return false;
    return true;
}
