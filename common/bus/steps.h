/* steps.h - the step merge: what arrives in any order is given out in one order.
 *
 * ROOM     common/bus: pure. No socket, clock or thread; the caller moves the bytes.
 * MODEL    A publisher closes step k with a mark: how many messages it sent on each topic. The step
 *          is closed here when every message of the topics read has arrived (S1). All messages of
 *          one publisher's step come from one epoch; a newer epoch replaces an incomplete step and
 *          is a repeat of a complete one (S2). Given out by topic order, then by index.
 *          (A network of such processes is deterministic: G. Kahn, The semantics of a simple
 *          language for parallel programming, 1974.)
 * SHAPE    Publishers and topics are small numbers, given in new(). A step more than
 *          KEEL_STEPS_AHEAD after the newest one taken is refused: it will be sent again.
 * MEMORY   Buffers of steps are reused; they grow to the largest step seen, at most
 *          KEEL_STEP_BYTES_MAX each, and are kept.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_BUS_STEPS_H
#define KEEL_COMMON_BUS_STEPS_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    KEEL_STEPS_AHEAD = 128,
    KEEL_STEP_BYTES_MAX = 64 << 20,
    KEEL_STEP_MESSAGES_MAX = 40960,
    KEEL_STEPS_PUBLISHERS_MAX = 16,
    KEEL_STEPS_TOPICS_MAX = 16, /* per publisher */
};

typedef struct keel_steps keel_steps;

typedef struct keel_held {
    int topic; /* number of the topic at its publisher */
    uint32_t index;
    const uint8_t *frame; /* valid until the step is released */
    size_t len;
} keel_held;

/* publishers: 1..KEEL_STEPS_PUBLISHERS_MAX; topics[p]: how many topics of publisher p are read,
 * 0..KEEL_STEPS_TOPICS_MAX. */
KEEL_MUST_CHECK keel_steps *keel_steps_new(int publishers, const int *topics);
void keel_steps_free(keel_steps **steps);

/* A message of (publisher, step). The bytes are copied.
 *   KEEL_OK       held
 *   KEEL_EEXIST   a repeat, or of an older epoch, or of a step already released
 *   KEEL_ETOOBIG  too far ahead, or more than a step may hold: dropped, will be asked for again */
KEEL_MUST_CHECK keel_status keel_steps_put(keel_steps *steps, int publisher, int64_t epoch_ns,
                                           uint64_t step, const keel_held *message);

/* The mark of (publisher, step): counts[topic] messages on each topic that is read. Statuses as
 * put. */
KEEL_MUST_CHECK keel_status keel_steps_end(keel_steps *steps, int publisher, int64_t epoch_ns,
                                           uint64_t step, const uint32_t *counts);

/* True when the step is complete. Step 0 always is, with no messages. */
bool keel_steps_closed(const keel_steps *steps, int publisher, uint64_t step);

/* Messages held of a step, complete or not, in order: 0 <= i < keel_steps_count. */
int keel_steps_count(const keel_steps *steps, int publisher, uint64_t step);
keel_held keel_steps_at(const keel_steps *steps, int publisher, uint64_t step, int i);

/* The caller is done with the step (taken, or given up): its buffer is free for another, and
 * repeats of it and of anything before it are refused, but for steps kept late. */
void keel_steps_release(keel_steps *steps, int publisher, uint64_t step);

/* R6: go on without a step that is not complete. What arrives of it is still held, until it is
 * released. At most KEEL_STEPS_AHEAD late steps of a publisher: KEEL_ENOSPC past that. */
KEEL_MUST_CHECK keel_status keel_steps_pass(keel_steps *steps, int publisher, uint64_t step);

/* The late steps of a publisher, oldest first; returns how many were written to out[cap]. */
int keel_steps_late(const keel_steps *steps, int publisher, uint64_t *out, int cap);

/* The newest step of which anything has arrived from this publisher; 0 = nothing yet. */
uint64_t keel_steps_newest(const keel_steps *steps, int publisher);

/* Forget everything and start so that the next step to be taken of each publisher is first[p]. */
void keel_steps_restart(keel_steps *steps, const uint64_t *first);

size_t keel_steps_held(const keel_steps *steps); /* messages held now: the queue depth */

#endif
