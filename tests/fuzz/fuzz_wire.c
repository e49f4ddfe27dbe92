/* Any bytes as the envelope (first byte 0) or as payload number first byte - 1: what get accepts,
 * put writes, and what put wrote is a fixed point of get and put; JSON never fails on what get
 * accepts. */
#include "common/base/assert.h"
#include "tests/support/wire_samples.h"

#include <stdlib.h>
#include <string.h>

enum { BUF = 4 << 20, ARENA = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static keel_arena arena;
static uint8_t first[BUF], second[BUF];
static char text[8 * BUF];
static union {
    max_align_t align;
    uint8_t bytes[KEEL_SAMPLE_STRUCT_MAX];
} plain;

static void fuzz_envelope(const uint8_t *data, size_t size)
{
    keel_envelope envelope, again;
    size_t one, two;
    if (keel_wire_get_envelope(&arena, data, size, &envelope) != KEEL_OK)
        return;
    KEEL_ASSERT(envelope.payload >= data && envelope.payload_len <= size);
    KEEL_ASSERT(keel_wire_put_envelope(&envelope, first, BUF, &one) == KEEL_OK);
    KEEL_ASSERT(keel_wire_get_envelope(&arena, first, one, &again) == KEEL_OK);
    KEEL_ASSERT(again.type == envelope.type && again.id.seq == envelope.id.seq);
    KEEL_ASSERT(again.payload_len == envelope.payload_len);
    KEEL_ASSERT(memcmp(again.payload, envelope.payload, again.payload_len) == 0);
    KEEL_ASSERT(keel_wire_put_envelope(&again, second, BUF, &two) == KEEL_OK);
    KEEL_ASSERT(one == two && memcmp(first, second, one) == 0);
    (void)keel_wire_check(&arena, envelope.type, envelope.payload, envelope.payload_len);
}

static void fuzz_payload(const keel_sample_ops *message, const uint8_t *data, size_t size)
{
    size_t one, two;
    const keel_status status = message->get(&arena, data, size, &plain);
    if (status != KEEL_OK)
        return;
    KEEL_ASSERT(message->put(&plain, first, BUF, &one) == KEEL_OK);
    KEEL_ASSERT(message->get(&arena, first, one, &plain) == KEEL_OK);
    KEEL_ASSERT(message->put(&plain, second, BUF, &two) == KEEL_OK);
    KEEL_ASSERT(one == two && memcmp(first, second, one) == 0);
    keel_arena_reset(&arena);
    KEEL_ASSERT(keel_wire_json(&arena, message->payload, data, size, text, sizeof text) == KEEL_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (arena.base == NULL)
        keel_arena_init(&arena, ARENA);
    if (size < 1)
        return 0;
    keel_arena_reset(&arena);
    const int which = data[0] % (KEEL_SAMPLES + 1);
    if (which == 0)
        fuzz_envelope(data + 1, size - 1);
    else
        fuzz_payload(&keel_samples[which - 1], data + 1, size - 1);
    return 0;
}
