/* twin.c - log and cache in memory. Streams are arrays in id order, found by name in a short list:
 * a run has a few dozen. */
#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/cache/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAMS_MAX = 1024, NAME_MAX_BYTES = 256, CACHE_SNAPSHOTS = 4 };

typedef struct item {
    uint64_t step;
    uint64_t index;
    int type;
    int64_t event_ns;
    uint8_t *data; /* owned */
    size_t len;
} item;

typedef struct stream {
    char name[NAME_MAX_BYTES];
    item *items; /* owned */
    int n;
    int cap;
    uint64_t top_step; /* newest id ever written: trimming does not forget it */
    uint64_t top_index;
    bool written;
} stream;

typedef struct shelf {
    stream streams[STREAMS_MAX];
    int n;
} shelf;

struct keel_twin {
    shelf log;
    shelf cache;
    bool log_down;
    bool cache_down;
    bool lose_answer;
};

/* One process's view of the twin: everything is under its run id (R4). */
typedef struct view {
    keel_twin *twin;
    char run[64];
} view;

static stream *find(const view *v, shelf *s, const char *kind, const char *name, bool make)
{
    char full[NAME_MAX_BYTES];
    KEEL_ASSERT((size_t)snprintf(full, sizeof full, "%s:%s:%s", v->run, kind, name) < sizeof full);
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->streams[i].name, full) == 0)
            return &s->streams[i];
    if (!make)
        return NULL;
    KEEL_ASSERT(s->n < STREAMS_MAX);
    memcpy(s->streams[s->n].name, full, sizeof full);
    return &s->streams[s->n++];
}

static bool is_above_top(const stream *s, uint64_t step, uint64_t index)
{
    return !s->written || step > s->top_step || (step == s->top_step && index > s->top_index);
}

static void add(stream *s, const keel_log_entry *e)
{
    if (s->n == s->cap) {
        s->cap = s->cap > 0 ? 2 * s->cap : 16;
        s->items = realloc(s->items, (size_t)s->cap * sizeof *s->items);
        KEEL_ASSERT(s->items != NULL);
    }
    item *it = &s->items[s->n++];
    *it = (item){e->step, e->index, e->type, e->event_ns, keel_xcalloc(e->len, 1), e->len};
    if (e->len > 0)
        memcpy(it->data, e->data, e->len);
    s->top_step = e->step;
    s->top_index = e->index;
    s->written = true;
}

static void cut(stream *s, int first)
{
    for (int i = 0; i < first; i++)
        free(s->items[i].data);
    s->n -= first;
    if (first > 0 && s->n > 0)
        memmove(s->items, s->items + first, (size_t)s->n * sizeof *s->items);
}

static bool show(const stream *s, int i, const char *topic, keel_log_visit visit, void *arg)
{
    const item *it = &s->items[i];
    const keel_log_entry e = {topic,        it->type, it->step, it->index,
                              it->event_ns, it->data, it->len};
    return visit(arg, &e);
}

static keel_status log_append(void *self, const keel_log_entry *entries, int n, bool *held)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->log_down)
        return KEEL_EUNAVAIL;
    for (int i = 0; i < n; i++) {
        stream *s = find(v, &t->log, "rec", entries[i].topic, true);
        held[i] = !is_above_top(s, entries[i].step, entries[i].index);
        if (!held[i])
            add(s, &entries[i]);
    }
    if (t->lose_answer) {
        t->lose_answer = false;
        return KEEL_EUNAVAIL;
    }
    return KEEL_OK;
}

static bool is_before(const item *it, uint64_t step, uint64_t index)
{
    return it->step < step || (it->step == step && it->index < index);
}

static keel_status log_read(void *self, const char *topic, keel_log_span span, keel_log_visit visit,
                            void *arg)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->log_down)
        return KEEL_EUNAVAIL;
    const stream *s = find(v, &t->log, "rec", topic, false);
    for (int i = 0; s != NULL && i < s->n; i++)
        if (!is_before(&s->items[i], span.from_step, span.from_index) &&
            s->items[i].step <= span.to_step && !show(s, i, topic, visit, arg))
            break;
    return KEEL_OK;
}

static keel_status log_top(void *self, const char *topic, uint64_t *step, uint64_t *index)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->log_down)
        return KEEL_EUNAVAIL;
    const stream *s = find(v, &t->log, "rec", topic, false);
    if (s == NULL || !s->written)
        return KEEL_ENOTFOUND;
    *step = s->top_step;
    *index = s->top_index;
    return KEEL_OK;
}

static keel_status log_trim(void *self, const char *topic, uint64_t step, uint64_t index)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->log_down)
        return KEEL_EUNAVAIL;
    stream *s = find(v, &t->log, "rec", topic, false);
    int first = 0;
    while (s != NULL && first < s->n && is_before(&s->items[first], step, index))
        first++;
    if (s != NULL)
        cut(s, first);
    return KEEL_OK;
}

static void put_snapshot(const view *v, shelf *shelf_of, const char *service, uint64_t step,
                         const uint8_t *data, size_t len)
{
    stream *s = find(v, shelf_of, "snap", service, true);
    const keel_log_entry e = {service, 0, step, 0, 0, data, len};
    if (is_above_top(s, step, 0))
        add(s, &e);
}

static keel_status get_snapshot(const view *v, shelf *shelf_of, const char *service, uint64_t bound,
                                keel_log_visit visit, void *arg)
{
    const stream *s = find(v, shelf_of, "snap", service, false);
    for (int i = s != NULL ? s->n - 1 : -1; i >= 0; i--)
        if (s->items[i].step <= bound) {
            (void)show(s, i, service, visit, arg);
            return KEEL_OK;
        }
    return KEEL_ENOTFOUND;
}

static keel_status log_snapshot_put(void *self, const char *service, uint64_t step,
                                    const uint8_t *data, size_t len)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->log_down)
        return KEEL_EUNAVAIL;
    put_snapshot(v, &t->log, service, step, data, len);
    return KEEL_OK;
}

static keel_status log_snapshot_get(void *self, const char *service, uint64_t bound,
                                    keel_log_visit visit, void *arg)
{
    const view *v = self;
    keel_twin *t = v->twin;
    return t->log_down ? KEEL_EUNAVAIL : get_snapshot(v, &t->log, service, bound, visit, arg);
}

static keel_status log_snapshot_trim(void *self, const char *service, uint64_t horizon)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->log_down)
        return KEEL_EUNAVAIL;
    stream *s = find(v, &t->log, "snap", service, false);
    int first = 0;
    while (s != NULL && first + 1 < s->n && s->items[first + 1].step <= horizon)
        first++;
    if (s != NULL)
        cut(s, first);
    return KEEL_OK;
}

static void view_close(void *self)
{
    view *v = self;
    keel_free(&v); /* the twin outlives its users */
}

static view *view_new(keel_twin *twin, const char *run_id)
{
    view *v = keel_xcalloc(1, sizeof *v);
    v->twin = twin;
    KEEL_ASSERT((size_t)snprintf(v->run, sizeof v->run, "%s", run_id) < sizeof v->run);
    return v;
}

static const char *down_why(void *self)
{
    (void)self;
    return "the twin is down";
}

static const keel_log_ops log_ops = {log_append,        log_read,         log_top,
                                     log_trim,          log_snapshot_put, log_snapshot_get,
                                     log_snapshot_trim, down_why,         view_close};

static void cache_set_last(void *self, const char *topic, const uint8_t *frame, size_t len)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->cache_down)
        return;
    stream *s = find(v, &t->cache, "last", topic, true);
    const keel_log_entry e = {topic, 0, 0, 0, 0, frame, len};
    cut(s, s->n);
    add(s, &e);
}

static keel_status cache_get_last(void *self, const char *topic, uint8_t *data, size_t cap,
                                  size_t *len)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->cache_down)
        return KEEL_EUNAVAIL;
    const stream *s = find(v, &t->cache, "last", topic, false);
    if (s == NULL || s->n == 0)
        return KEEL_ENOTFOUND;
    *len = s->items[0].len;
    if (*len > cap)
        return KEEL_ENOSPC;
    memcpy(data, s->items[0].data, *len);
    return KEEL_OK;
}

static keel_status cache_snapshot_put(void *self, const char *service, uint64_t step,
                                      const uint8_t *data, size_t len)
{
    const view *v = self;
    keel_twin *t = v->twin;
    if (t->cache_down)
        return KEEL_EUNAVAIL;
    put_snapshot(v, &t->cache, service, step, data, len);
    stream *s = find(v, &t->cache, "snap", service, true);
    if (s->n > CACHE_SNAPSHOTS)
        cut(s, s->n - CACHE_SNAPSHOTS);
    return KEEL_OK;
}

static keel_status cache_snapshot_get(void *self, const char *service, uint64_t bound,
                                      keel_log_visit visit, void *arg)
{
    const view *v = self;
    keel_twin *t = v->twin;
    return t->cache_down ? KEEL_EUNAVAIL : get_snapshot(v, &t->cache, service, bound, visit, arg);
}

static bool cache_tend(void *self)
{
    return !((const view *)self)->twin->cache_down;
}

static const keel_cache_ops cache_ops = {cache_set_last,     cache_get_last, cache_snapshot_put,
                                         cache_snapshot_get, cache_tend,     down_why,
                                         view_close};

static void clear(shelf *s)
{
    for (int i = 0; i < s->n; i++) {
        cut(&s->streams[i], s->streams[i].n);
        free(s->streams[i].items);
    }
    memset(s, 0, sizeof *s);
}

keel_twin *keel_twin_new(void)
{
    return keel_xcalloc(1, sizeof(keel_twin));
}

void keel_twin_free(keel_twin **twin)
{
    if (*twin == NULL)
        return;
    clear(&(*twin)->log);
    clear(&(*twin)->cache);
    keel_free(twin);
}

void keel_twin_log(keel_twin *twin, const char *run_id, keel_log_store *log)
{
    *log = (keel_log_store){view_new(twin, run_id), &log_ops};
}

void keel_twin_cache(keel_twin *twin, const char *run_id, keel_cache_store *cache)
{
    *cache = (keel_cache_store){view_new(twin, run_id), &cache_ops};
}

void keel_twin_log_up(keel_twin *twin, bool up)
{
    twin->log_down = !up;
}

void keel_twin_cache_up(keel_twin *twin, bool up)
{
    twin->cache_down = !up;
    if (!up)
        clear(&twin->cache);
}

void keel_twin_lose_answer(keel_twin *twin)
{
    twin->lose_answer = true;
}
