#include "common/bus/ring.h"

#include "common/base/assert.h"
#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct ring_step {
    uint8_t *bytes; /* owned; per frame: u32 topic length with NUL, u32 frame length, both */
    size_t len;
    size_t cap;
    int frames;
} ring_step;

struct keel_ring {
    ring_step *steps; /* owned; step k at k % cap */
    int cap;
    size_t bytes_max;
    size_t bytes;
    uint64_t oldest; /* 0 = empty */
    uint64_t newest;
};

enum { HEAD = 8 };

keel_ring *keel_ring_new(int steps, size_t bytes)
{
    KEEL_ASSERT(steps >= 1 && steps <= KEEL_RING_STEPS && bytes <= KEEL_RING_BYTES);
    keel_ring *r = keel_xcalloc(1, sizeof *r);
    r->steps = keel_xcalloc((size_t)steps, sizeof *r->steps);
    r->cap = steps;
    r->bytes_max = bytes;
    return r;
}

void keel_ring_free(keel_ring **ring)
{
    if (*ring == NULL)
        return;
    keel_ring_clear(*ring);
    keel_free(&(*ring)->steps);
    keel_free(ring);
}

static ring_step *at(const keel_ring *r, uint64_t step)
{
    return &r->steps[step % (uint64_t)r->cap];
}

static void drop_oldest(keel_ring *r)
{
    ring_step *s = at(r, r->oldest);
    r->bytes -= s->cap;
    free(s->bytes);
    *s = (ring_step){0};
    r->oldest++;
}

void keel_ring_clear(keel_ring *ring)
{
    while (ring->oldest != 0 && ring->oldest <= ring->newest)
        drop_oldest(ring);
    ring->oldest = 0;
    ring->newest = 0;
}

void keel_ring_begin(keel_ring *ring, uint64_t step)
{
    KEEL_ASSERT(step > 0 && (ring->oldest == 0 || step == ring->newest + 1));
    if (ring->oldest == 0)
        ring->oldest = step;
    ring->newest = step;
    while (ring->newest - ring->oldest >= (uint64_t)ring->cap)
        drop_oldest(ring);
}

void keel_ring_add(keel_ring *ring, const char *topic, const uint8_t *frame, size_t len)
{
    KEEL_ASSERT(ring->oldest != 0);
    ring_step *s = at(ring, ring->newest);
    const uint32_t topic_len = (uint32_t)strlen(topic) + 1;
    const uint32_t frame_len = (uint32_t)len;
    const size_t need = s->len + HEAD + topic_len + len;
    if (need > s->cap) {
        uint8_t *more = realloc(s->bytes, need);
        KEEL_ASSERT(more != NULL);
        ring->bytes += need - s->cap;
        s->bytes = more;
        s->cap = need;
    }
    memcpy(s->bytes + s->len, &topic_len, 4);
    memcpy(s->bytes + s->len + 4, &frame_len, 4);
    memcpy(s->bytes + s->len + HEAD, topic, topic_len);
    memcpy(s->bytes + s->len + HEAD + topic_len, frame, len);
    s->len = need;
    s->frames++;
    while (ring->bytes > ring->bytes_max && ring->oldest < ring->newest)
        drop_oldest(ring);
}

bool keel_ring_is_empty(const keel_ring *ring)
{
    return ring->oldest == 0;
}

uint64_t keel_ring_oldest(const keel_ring *ring)
{
    return ring->oldest;
}

uint64_t keel_ring_newest(const keel_ring *ring)
{
    return ring->newest;
}

int keel_ring_count(const keel_ring *ring, uint64_t step)
{
    if (ring->oldest == 0 || step < ring->oldest || step > ring->newest)
        return 0;
    return at(ring, step)->frames;
}

keel_ring_frame keel_ring_next(const keel_ring *ring, uint64_t step, size_t *place)
{
    uint32_t topic_len, frame_len;
    KEEL_ASSERT(keel_ring_count(ring, step) > 0 && *place < at(ring, step)->len);
    const uint8_t *p = at(ring, step)->bytes + *place;
    memcpy(&topic_len, p, 4);
    memcpy(&frame_len, p + 4, 4);
    *place += HEAD + topic_len + frame_len;
    return (keel_ring_frame){(const char *)p + HEAD, p + HEAD + topic_len, frame_len};
}

size_t keel_ring_bytes(const keel_ring *ring)
{
    return ring->bytes;
}
