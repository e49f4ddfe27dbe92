#include "common/bus/steps.h"

#include "common/base/assert.h"
#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    int topic;
    uint32_t index;
    size_t at; /* offset of the frame in the slot's bytes */
    size_t len;
} entry;

/* What has arrived of one publisher's step. */
typedef struct slot {
    bool ended;
    bool late;
    int publisher;
    uint64_t step;
    int64_t epoch_ns;
    uint32_t marks[KEEL_STEPS_TOPICS_MAX];
    uint32_t have[KEEL_STEPS_TOPICS_MAX];
    entry *entries; /* owned, sorted by (topic, index) */
    int n;
    int entries_cap;
    uint8_t *bytes; /* owned */
    size_t bytes_len;
    size_t bytes_cap;
} slot;

struct keel_steps {
    int publishers;
    int topics[KEEL_STEPS_PUBLISHERS_MAX];
    uint64_t floor[KEEL_STEPS_PUBLISHERS_MAX];  /* released up to here, late steps excepted */
    uint64_t newest[KEEL_STEPS_PUBLISHERS_MAX]; /* anything arrived */
    slot **slots;                               /* owned; the first `active` are in use */
    int slots_n;
    int active; /* few: a search looks at these only */
    size_t held;
};

keel_steps *keel_steps_new(int publishers, const int *topics)
{
    KEEL_ASSERT(publishers >= 1 && publishers <= KEEL_STEPS_PUBLISHERS_MAX);
    keel_steps *s = keel_xcalloc(1, sizeof *s);
    s->publishers = publishers;
    for (int p = 0; p < publishers; p++) {
        KEEL_ASSERT(topics[p] >= 0 && topics[p] <= KEEL_STEPS_TOPICS_MAX);
        s->topics[p] = topics[p];
    }
    /* Per publisher: the window ahead, as many late ones, and the step before the open one. */
    s->slots_n = publishers * (2 * KEEL_STEPS_AHEAD + 2);
    s->slots = keel_xcalloc((size_t)s->slots_n, sizeof(slot *));
    return s;
}

void keel_steps_free(keel_steps **steps)
{
    if (*steps == NULL)
        return;
    for (int i = 0; i < (*steps)->slots_n && (*steps)->slots[i] != NULL; i++) {
        free((*steps)->slots[i]->entries);
        free((*steps)->slots[i]->bytes);
        keel_free(&(*steps)->slots[i]);
    }
    keel_free(&(*steps)->slots);
    keel_free(steps);
}

static slot *find(const keel_steps *s, int publisher, uint64_t step)
{
    for (int i = 0; i < s->active; i++) {
        slot *l = s->slots[i];
        if (l->publisher == publisher && l->step == step)
            return l;
    }
    return NULL;
}

static bool complete(const keel_steps *s, const slot *l)
{
    if (l == NULL || !l->ended)
        return false;
    for (int t = 0; t < s->topics[l->publisher]; t++)
        if (l->have[t] < l->marks[t])
            return false;
    return true;
}

static void empty(keel_steps *s, slot *l)
{
    s->held -= (size_t)l->n;
    l->n = 0;
    l->bytes_len = 0;
    l->ended = false;
    memset(l->have, 0, sizeof l->have);
    memset(l->marks, 0, sizeof l->marks);
}

/* A slot for the step: the one last given back, so that few buffers are ever touched. */
static slot *claim(keel_steps *s, int publisher, uint64_t step, int64_t epoch_ns)
{
    if (s->active == s->slots_n)
        return NULL;
    if (s->slots[s->active] == NULL)
        s->slots[s->active] = keel_xcalloc(1, sizeof(slot));
    slot *l = s->slots[s->active++];
    l->late = false;
    l->publisher = publisher;
    l->step = step;
    l->epoch_ns = epoch_ns;
    return l;
}

static void give_back(keel_steps *s, slot *l)
{
    int i = 0;
    empty(s, l);
    while (s->slots[i] != l)
        i++;
    s->active--;
    s->slots[i] = s->slots[s->active];
    s->slots[s->active] = l;
}

/* The slot that takes something of this epoch, or NULL with the reason in *status. */
static slot *admit(keel_steps *s, int publisher, int64_t epoch_ns, uint64_t step,
                   keel_status *status)
{
    KEEL_ASSERT(publisher >= 0 && publisher < s->publishers);
    slot *l = find(s, publisher, step);
    *status = KEEL_EEXIST;
    if (l == NULL) {
        if (step <= s->floor[publisher])
            return NULL;
        *status = KEEL_ETOOBIG;
        if (step > s->floor[publisher] + KEEL_STEPS_AHEAD)
            return NULL;
        l = claim(s, publisher, step, epoch_ns);
        if (l == NULL)
            return NULL;
    }
    *status = KEEL_EEXIST;
    if (epoch_ns < l->epoch_ns || complete(s, l))
        return NULL;
    if (epoch_ns > l->epoch_ns) { /* S2 */
        empty(s, l);
        l->epoch_ns = epoch_ns;
    }
    if (step > s->newest[publisher])
        s->newest[publisher] = step;
    *status = KEEL_OK;
    return l;
}

/* Where (topic, index) is or belongs. */
static int place(const slot *l, int topic, uint32_t index, bool *there)
{
    int i = l->n;
    while (i > 0 && (l->entries[i - 1].topic > topic ||
                     (l->entries[i - 1].topic == topic && l->entries[i - 1].index >= index)))
        i--;
    *there = i < l->n && l->entries[i].topic == topic && l->entries[i].index == index;
    return i;
}

static bool grow(slot *l, size_t len)
{
    if (l->n == KEEL_STEP_MESSAGES_MAX || len > KEEL_STEP_BYTES_MAX - l->bytes_len)
        return false;
    if (l->n == l->entries_cap) {
        l->entries_cap = l->entries_cap > 0 ? 2 * l->entries_cap : 8;
        l->entries = realloc(l->entries, (size_t)l->entries_cap * sizeof *l->entries);
    }
    if (l->bytes_len + len > l->bytes_cap) {
        while (l->bytes_cap < l->bytes_len + len)
            l->bytes_cap = l->bytes_cap > 0 ? 2 * l->bytes_cap : 1024;
        l->bytes = realloc(l->bytes, l->bytes_cap);
    }
    KEEL_ASSERT(l->entries != NULL && (l->bytes != NULL || l->bytes_cap == 0));
    return true;
}

keel_status keel_steps_put(keel_steps *steps, int publisher, int64_t epoch_ns, uint64_t step,
                           const keel_held *message)
{
    keel_status status;
    bool there;
    KEEL_ASSERT(message->topic >= 0 && message->topic < steps->topics[publisher]);
    slot *l = admit(steps, publisher, epoch_ns, step, &status);
    if (l == NULL)
        return status;
    const int at = place(l, message->topic, message->index, &there);
    if (there)
        return KEEL_EEXIST;
    if (!grow(l, message->len))
        return KEEL_ETOOBIG;
    memmove(l->entries + at + 1, l->entries + at, (size_t)(l->n - at) * sizeof *l->entries);
    l->entries[at] = (entry){message->topic, message->index, l->bytes_len, message->len};
    if (message->len > 0)
        memcpy(l->bytes + l->bytes_len, message->frame, message->len);
    l->bytes_len += message->len;
    l->n++;
    l->have[message->topic]++;
    steps->held++;
    return KEEL_OK;
}

keel_status keel_steps_end(keel_steps *steps, int publisher, int64_t epoch_ns, uint64_t step,
                           const uint32_t *counts)
{
    keel_status status;
    slot *l = admit(steps, publisher, epoch_ns, step, &status);
    if (l == NULL)
        return status;
    if (l->ended)
        return KEEL_EEXIST;
    l->ended = true;
    memcpy(l->marks, counts, (size_t)steps->topics[publisher] * sizeof *counts);
    return KEEL_OK;
}

bool keel_steps_closed(const keel_steps *steps, int publisher, uint64_t step)
{
    return step == 0 || complete(steps, find(steps, publisher, step));
}

int keel_steps_count(const keel_steps *steps, int publisher, uint64_t step)
{
    const slot *l = find(steps, publisher, step);
    return l != NULL ? l->n : 0;
}

keel_held keel_steps_at(const keel_steps *steps, int publisher, uint64_t step, int i)
{
    const slot *l = find(steps, publisher, step);
    KEEL_ASSERT(l != NULL && i >= 0 && i < l->n);
    const entry *e = &l->entries[i];
    return (keel_held){e->topic, e->index, l->bytes + e->at, e->len};
}

void keel_steps_release(keel_steps *steps, int publisher, uint64_t step)
{
    slot *l = find(steps, publisher, step);
    if (l != NULL)
        give_back(steps, l);
    if (step > steps->floor[publisher])
        steps->floor[publisher] = step;
}

keel_status keel_steps_pass(keel_steps *steps, int publisher, uint64_t step)
{
    uint64_t late[KEEL_STEPS_AHEAD];
    slot *l = find(steps, publisher, step);
    if (keel_steps_late(steps, publisher, late, KEEL_STEPS_AHEAD) == KEEL_STEPS_AHEAD)
        return KEEL_ENOSPC;
    if (l == NULL)
        l = claim(steps, publisher, step, INT64_MIN);
    KEEL_ASSERT(l != NULL);
    l->late = true;
    if (step > steps->floor[publisher])
        steps->floor[publisher] = step;
    return KEEL_OK;
}

int keel_steps_late(const keel_steps *steps, int publisher, uint64_t *out, int cap)
{
    int n = 0;
    for (int i = 0; i < steps->active && n < cap; i++) {
        const slot *l = steps->slots[i];
        if (!l->late || l->publisher != publisher)
            continue;
        int at = n++;
        for (; at > 0 && out[at - 1] > l->step; at--)
            out[at] = out[at - 1];
        out[at] = l->step;
    }
    return n;
}

uint64_t keel_steps_newest(const keel_steps *steps, int publisher)
{
    return steps->newest[publisher];
}

void keel_steps_restart(keel_steps *steps, const uint64_t *first)
{
    while (steps->active > 0)
        give_back(steps, steps->slots[0]);
    for (int p = 0; p < steps->publishers; p++) {
        steps->floor[p] = first[p] > 0 ? first[p] - 1 : 0;
        steps->newest[p] = steps->floor[p];
    }
}

size_t keel_steps_held(const keel_steps *steps)
{
    return steps->held;
}
