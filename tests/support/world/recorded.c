#include "tests/support/world/recorded.h"

#include "common/base/hash.h"
#include "common/wire/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 32 << 20, ARGS_MAX = 16, STAGED_MAX = 4096 };

/* One command of the file; words point into the bytes read. */
typedef struct command {
    int n;
    const char *words[ARGS_MAX];
    size_t lens[ARGS_MAX];
} command;

uint64_t keel_recorded_id(int strategy, const char *signal_id)
{
    char text[KEEL_SIGNAL_ID_MAX + 16];
    snprintf(text, sizeof text, "%d/%.64s", strategy, signal_id);
    return keel_hash(text, strlen(text)) | 1;
}

void keel_recorded_open(keel_recorded *r, const char *dir, int n, const char *const *strategies)
{
    *r = (keel_recorded){.strategies_n = n, .file = 1, .fd = -1};
    snprintf(r->dir, sizeof r->dir, "%s/appendonlydir", dir);
    for (int i = 0; i < n; i++)
        snprintf(r->strategies[i], sizeof r->strategies[i], "%s", strategies[i]);
    r->bytes = keel_xcalloc(CHUNK, 1);
    keel_arena_init(&r->arena, 1 << 20);
}

void keel_recorded_close(keel_recorded *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->receipts);
    free(r->decisions);
    free(r->fills);
    free(r->plans);
    keel_free(&r->bytes);
    keel_arena_fini(&r->arena);
}

void *keel_recorded_grown(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    *cap = *cap == 0 ? 4096 : *cap * 2;
    array = realloc(array, *cap * size);
    if (array == NULL)
        abort();
    return array;
}

static int strategy_of(const keel_recorded *r, const char *name)
{
    for (int i = 0; i < r->strategies_n; i++)
        if (strcmp(r->strategies[i], name) == 0)
            return i;
    return -1;
}

/* ---- entries ---- */

static void take_receipt(keel_recorded *r, const uint8_t *data, size_t len, keel_recorded_at at)
{
    keel_receipt receipt;
    keel_signal signal;
    if (keel_wire_get_receipt(&r->arena, data, len, &receipt) != KEEL_OK) {
        r->unreadable++;
        return;
    }
    r->receipts =
        keel_recorded_grown(r->receipts, r->receipts_n, &r->receipts_cap, sizeof *r->receipts);
    keel_recorded_receipt *to = &r->receipts[r->receipts_n++];
    *to = (keel_recorded_receipt){.strategy = strategy_of(r, receipt.strategy),
                                  .epoch_ns = receipt.epoch_ns,
                                  .seq = receipt.seq,
                                  .at = at};
    if (keel_wire_get_signal(&r->arena, receipt.signal, receipt.signal_len, &signal) == KEEL_OK)
        to->id = keel_recorded_id(to->strategy, signal.signal_id);
}

static void take_decision(keel_recorded *r, const command *c, keel_recorded_at at)
{
    const uint8_t *data = (const uint8_t *)c->words[8];
    const size_t len = c->lens[8];
    keel_decision *d = keel_arena_take(&r->arena, 1, sizeof *d);
    if (keel_wire_get_decision(&r->arena, data, len, d) != KEEL_OK) {
        r->unreadable++;
        return;
    }
    r->decisions =
        keel_recorded_grown(r->decisions, r->decisions_n, &r->decisions_cap, sizeof *r->decisions);
    keel_recorded_decision *to = &r->decisions[r->decisions_n++];
    *to = (keel_recorded_decision){.strategy = strategy_of(r, d->strategy),
                                   .epoch_ns = d->epoch_ns,
                                   .seq = d->seq,
                                   .decision_seq = d->decision_seq,
                                   .duplicate_of = d->duplicate_of,
                                   .accepted = d->accepted,
                                   .code = d->reason.code,
                                   .step = strtoull(c->words[2], NULL, 10),
                                   .at = at};
    to->id = keel_recorded_id(to->strategy, d->signal_id);
    snprintf(to->signal_id, sizeof to->signal_id, "%.23s", d->signal_id);
    if (d->intents_n > 0)
        to->intent = d->intents[0];
}

static void take_fill(keel_recorded *r, const uint8_t *data, size_t len, keel_recorded_at at)
{
    keel_fill *f = keel_arena_take(&r->arena, 1, sizeof *f);
    if (keel_wire_get_fill(&r->arena, data, len, f) != KEEL_OK) {
        r->unreadable++;
        return;
    }
    r->fills = keel_recorded_grown(r->fills, r->fills_n, &r->fills_cap, sizeof *r->fills);
    keel_recorded_fill *to = &r->fills[r->fills_n++];
    *to = (keel_recorded_fill){.id = keel_hash(f->fill_id, strlen(f->fill_id)), .at = at};
    for (int b = 0; b < f->books_n; b++)
        to->of_strategy = to->of_strategy || strategy_of(r, f->books[b].book) >= 0;
    r->strategy_fills += to->of_strategy;
}

static void take_plan(keel_recorded *r, const command *c, keel_recorded_at at)
{
    keel_order_plan p;
    if (keel_wire_get_order_plan(&r->arena, (const uint8_t *)c->words[8], c->lens[8], &p) !=
        KEEL_OK) {
        r->unreadable++;
        return;
    }
    for (int k = 0; k < p.consumed_n; k++) {
        r->plans = keel_recorded_grown(r->plans, r->plans_n, &r->plans_cap, sizeof *r->plans);
        r->plans[r->plans_n++] =
            (keel_recorded_plan){p.consumed_decisions[k], strtoull(c->words[2], NULL, 10), at};
    }
}

static bool is_word(const command *c, int i, const char *word)
{
    return i < c->n && c->lens[i] == strlen(word) &&
           strncasecmp(c->words[i], word, c->lens[i]) == 0;
}

/* XADD keel:{run}:rec:{topic} ID t TYPE e EVENT p PAYLOAD */
static void take_command(keel_recorded *r, const command *c, keel_recorded_at at)
{
    if (!is_word(c, 0, "XADD") || c->n != 9)
        return;
    const char *topic = memmem(c->words[1], c->lens[1], ":rec:v1.", 8);
    if (topic == NULL)
        return;
    const uint8_t *data = (const uint8_t *)c->words[8];
    keel_arena_reset(&r->arena);
    if (strncmp(topic, ":rec:v1.receipt.", 16) == 0)
        take_receipt(r, data, c->lens[8], at);
    else if (strncmp(topic, ":rec:v1.decision.", 17) == 0)
        take_decision(r, c, at);
    else if (strncmp(topic, ":rec:v1.fill.", 13) == 0)
        take_fill(r, data, c->lens[8], at);
    else if (strncmp(topic, ":rec:v1.order.", 14) == 0)
        take_plan(r, c, at);
}

/* ---- the file ---- */

/* A number after `mark`, to the end of the line; false when the line is not whole. */
static bool read_number(const uint8_t **at, const uint8_t *end, char mark, size_t *value)
{
    const uint8_t *line = memchr(*at, '\n', (size_t)(end - *at));
    if (line == NULL)
        return false;
    if (**at != (uint8_t)mark) {
        fprintf(stderr, "append-only file: '%c' where '%c' belongs\n", **at, mark);
        abort();
    }
    *value = strtoul((const char *)*at + 1, NULL, 10);
    *at = line + 1;
    return true;
}

static bool read_command(const uint8_t **from, const uint8_t *end, command *c)
{
    const uint8_t *at = *from;
    size_t n;
    if (at == end || !read_number(&at, end, '*', &n))
        return false;
    c->n = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        if (at == end || !read_number(&at, end, '$', &len) || (size_t)(end - at) < len + 2)
            return false;
        if (c->n < ARGS_MAX) {
            c->words[c->n] = (const char *)at;
            c->lens[c->n++] = len;
        }
        at += len + 2;
    }
    *from = at;
    return true;
}

/* One command, or all of a transaction; false when it is not whole yet. */
static bool take_transaction(keel_recorded *r, const uint8_t **from, const uint8_t *end)
{
    static command staged[STAGED_MAX];
    int n = 0;
    const uint8_t *at = *from;
    bool multi = false;
    do {
        command *c = &staged[n];
        if (!read_command(&at, end, c))
            return false;
        if (is_word(c, 0, "MULTI"))
            multi = true;
        else if (is_word(c, 0, "EXEC"))
            multi = false;
        else if (++n == STAGED_MAX)
            abort();
    } while (multi);
    const keel_recorded_at where = {r->file, r->pos + (uint64_t)(at - *from)};
    for (int i = 0; i < n; i++)
        take_command(r, &staged[i], where);
    r->pos = where.end;
    *from = at;
    return true;
}

static bool open_file(keel_recorded *r, int file)
{
    char path[192];
    snprintf(path, sizeof path, "%s/appendonly.aof.%d.incr.aof", r->dir, file);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = fd;
    r->file = file;
    r->pos = 0;
    return true;
}

/* The server writes to the newest file only; the one before stays open here after it is gone. */
static bool poll_file(keel_recorded *r)
{
    bool any = false;
    for (ssize_t n; (n = pread(r->fd, r->bytes, CHUNK, (off_t)r->pos)) > 0;) {
        const uint8_t *at = r->bytes, *end = r->bytes + n;
        const uint64_t before = r->pos;
        while (take_transaction(r, &at, end))
            ;
        if (r->pos == before)
            break;
        any = true;
    }
    return any;
}

bool keel_recorded_poll(keel_recorded *r)
{
    bool any = false;
    char path[192];
    if (r->fd < 0 && !open_file(r, r->file))
        return false;
    for (;;) {
        snprintf(path, sizeof path, "%s/appendonly.aof.%d.incr.aof", r->dir, r->file + 1);
        const bool is_last = access(path, R_OK) != 0; /* asked first: then the old one is whole */
        any = poll_file(r) || any;
        if (is_last || !open_file(r, r->file + 1))
            return any;
    }
}

static bool is_gone(const keel_recorded *r, keel_recorded_at at, uint64_t size)
{
    return at.file == r->file && at.end > size;
}

void keel_recorded_after_cut(keel_recorded *r)
{
    struct stat now;
    uint64_t size = 0;
    if (r->fd < 0 || fstat(r->fd, &now) != 0 || (size = (uint64_t)now.st_size) >= r->pos)
        return;
    /* All that ends later goes; reading begins again after the last entry that is kept. */
    uint64_t kept = 0;
    for (; r->receipts_n > 0 && is_gone(r, r->receipts[r->receipts_n - 1].at, size); r->gone++)
        r->receipts_n--;
    for (; r->decisions_n > 0 && is_gone(r, r->decisions[r->decisions_n - 1].at, size); r->gone++)
        r->decisions_n--;
    for (; r->fills_n > 0 && is_gone(r, r->fills[r->fills_n - 1].at, size); r->gone++)
        r->strategy_fills -= r->fills[--r->fills_n].of_strategy;
    for (; r->plans_n > 0 && is_gone(r, r->plans[r->plans_n - 1].at, size); r->gone++)
        r->plans_n--;
    const keel_recorded_at ends[] = {
        r->plans_n > 0 ? r->plans[r->plans_n - 1].at : (keel_recorded_at){0},
        r->receipts_n > 0 ? r->receipts[r->receipts_n - 1].at : (keel_recorded_at){0},
        r->decisions_n > 0 ? r->decisions[r->decisions_n - 1].at : (keel_recorded_at){0},
        r->fills_n > 0 ? r->fills[r->fills_n - 1].at : (keel_recorded_at){0},
    };
    for (int i = 0; i < 4; i++)
        if (ends[i].file == r->file && ends[i].end > kept)
            kept = ends[i].end;
    r->pos = kept;
}
