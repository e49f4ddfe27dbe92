#include "services/relay/lvc.h"

#include "common/base/assert.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/domain/allocation.h"

#include <string.h>

typedef struct entry {
    char topic[KEEL_TOPIC_MAX];
    bool has_frame;
    uint64_t step;
    uint32_t index;
    zmq_msg_t frame;
} entry;

struct relay_lvc {
    int n;
    int max;
    int64_t bytes;
    int64_t bytes_max;
    entry *entries;  /* max, in the order of arrival */
    uint32_t slots;  /* a power of two, at least 2 * max */
    int32_t *places; /* slots; index + 1 of an entry, 0 = free */
};

relay_lvc *relay_lvc_new(int topics_max, int64_t bytes_max)
{
    KEEL_ASSERT(topics_max > 0 && bytes_max > 0);
    relay_lvc *lvc = keel_xcalloc(1, sizeof *lvc);
    lvc->max = topics_max;
    lvc->bytes_max = bytes_max;
    lvc->entries = keel_xcalloc((size_t)topics_max, sizeof *lvc->entries);
    for (lvc->slots = 2; lvc->slots < 2 * (uint32_t)topics_max; lvc->slots *= 2)
        ;
    lvc->places = keel_xcalloc(lvc->slots, sizeof *lvc->places);
    return lvc;
}

static void drop_frame(relay_lvc *lvc, entry *e)
{
    if (!e->has_frame)
        return;
    lvc->bytes -= (int64_t)zmq_msg_size(&e->frame);
    zmq_msg_close(&e->frame);
    e->has_frame = false;
}

void relay_lvc_free(relay_lvc **lvc)
{
    if (*lvc == NULL)
        return;
    for (int i = 0; i < (*lvc)->n; i++)
        drop_frame(*lvc, &(*lvc)->entries[i]);
    keel_free(&(*lvc)->entries);
    keel_free(&(*lvc)->places);
    keel_free(lvc);
}

static entry *entry_of(relay_lvc *lvc, const char *topic)
{
    const size_t len = strlen(topic);
    KEEL_ASSERT(len < KEEL_TOPIC_MAX);
    uint32_t at = (uint32_t)keel_hash(topic, len) & (lvc->slots - 1);
    for (; lvc->places[at] != 0; at = (at + 1) & (lvc->slots - 1)) {
        entry *e = &lvc->entries[lvc->places[at] - 1];
        if (strcmp(e->topic, topic) == 0)
            return e;
    }
    if (lvc->n == lvc->max)
        return NULL;
    entry *e = &lvc->entries[lvc->n++];
    memcpy(e->topic, topic, len + 1);
    lvc->places[at] = lvc->n;
    return e;
}

keel_status relay_lvc_put(relay_lvc *lvc, const char *topic, uint64_t step, uint32_t index,
                          zmq_msg_t *frame)
{
    entry *e = entry_of(lvc, topic);
    if (e == NULL)
        return KEEL_ENOSPC;
    if (e->has_frame && (e->step > step || (e->step == step && e->index > index)))
        return KEEL_ESTALE;
    drop_frame(lvc, e);
    const int64_t size = (int64_t)zmq_msg_size(frame);
    if (size > lvc->bytes_max - lvc->bytes)
        return KEEL_ENOSPC;
    zmq_msg_init(&e->frame);
    if (zmq_msg_copy(&e->frame, frame) != 0)
        return KEEL_ENOSPC;
    e->has_frame = true;
    e->step = step;
    e->index = index;
    lvc->bytes += size;
    return KEEL_OK;
}

int relay_lvc_send(relay_lvc *lvc, const char *prefix, size_t len, relay_lvc_each each, void *arg)
{
    int sent = 0;
    for (int i = 0; i < lvc->n; i++) {
        entry *e = &lvc->entries[i];
        if (!e->has_frame || strncmp(e->topic, prefix, len) != 0)
            continue;
        each(arg, e->topic, &e->frame);
        sent++;
    }
    return sent;
}

int relay_lvc_topics(const relay_lvc *lvc)
{
    return lvc->n;
}

int64_t relay_lvc_bytes(const relay_lvc *lvc)
{
    return lvc->bytes;
}
