/* ring.h - one's own last outputs, to be sent again when somebody asks (P1).
 *
 * ROOM     common/bus: pure.
 * SHAPE    The last KEEL_RING_STEPS steps or KEEL_RING_BYTES, whichever is less; the newest step is
 *          always kept whole. Steps are added in order, without a hole; a step holds frames
 *          (topic, envelope) in the order of publishing and ends with its StepEnd.
 * MEMORY   one block per step, freed when the step leaves.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_BUS_RING_H
#define KEEL_COMMON_BUS_RING_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { KEEL_RING_STEPS = 4096, KEEL_RING_BYTES = 64 << 20 };

typedef struct keel_ring keel_ring;

typedef struct keel_ring_frame {
    const char *topic;    /* terminated; valid until the step leaves */
    const uint8_t *frame; /* envelope bytes */
    size_t len;
} keel_ring_frame;

/* steps, bytes: limits, at most the two above; tests make them small. */
KEEL_MUST_CHECK keel_ring *keel_ring_new(int steps, size_t bytes);
void keel_ring_free(keel_ring **ring);

/* Begin a step; it must follow the newest one, or the ring must be empty. */
void keel_ring_begin(keel_ring *ring, uint64_t step);
/* Add a frame to the newest step. The bytes are copied. */
void keel_ring_add(keel_ring *ring, const char *topic, const uint8_t *frame, size_t len);

bool keel_ring_is_empty(const keel_ring *ring);
uint64_t keel_ring_oldest(const keel_ring *ring); /* 0 when empty */
uint64_t keel_ring_newest(const keel_ring *ring);

/* Frames of a step that is in the ring; absent step: 0. */
int keel_ring_count(const keel_ring *ring, uint64_t step);
/* The next frame of a step, at most `count` times; *at begins with 0 and is this walk's own. */
keel_ring_frame keel_ring_next(const keel_ring *ring, uint64_t step, size_t *at);

void keel_ring_clear(keel_ring *ring);
size_t keel_ring_bytes(const keel_ring *ring);

#endif
