/* Bytes that nobody honest would send: refused or understood, never more. */
#include "common/base/rng.h"
#include "tests/support/wire_samples.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF = 1 << 20, ARENA = 4 << 20 };
static uint8_t bytes[BUF], again[BUF];
static union {
    max_align_t align;
    uint8_t bytes[KEEL_SAMPLE_STRUCT_MAX];
} plain;
static keel_arena arena;

static void open_arena(void)
{
    keel_arena_init(&arena, ARENA);
}
static void close_arena(void)
{
    keel_arena_fini(&arena);
}
TestSuite(hostile, .init = open_arena, .fini = close_arena);

/* What get accepts, put accepts, and the bytes of put are a fixed point. */
static keel_status try(const keel_sample_ops *sample, const uint8_t *data, size_t len)
{
    size_t one = 0, two = 0;
    keel_arena_reset(&arena);
    const keel_status status = sample->get(&arena, data, len, &plain);
    if (status != KEEL_OK)
        return status;
    static uint8_t first[BUF];
    cr_assert_eq(sample->put(&plain, first, BUF, &one), KEEL_OK, "%s", sample->name);
    keel_arena_reset(&arena);
    cr_assert_eq(sample->get(&arena, first, one, &plain), KEEL_OK, "%s", sample->name);
    cr_assert_eq(sample->put(&plain, again, BUF, &two), KEEL_OK, "%s", sample->name);
    cr_assert(one == two && memcmp(first, again, one) == 0, "%s", sample->name);
    return KEEL_OK;
}

Test(hostile, empty_is_never_a_message)
{
    keel_envelope envelope;
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        cr_assert_eq(try(&keel_samples[i], bytes, 0), KEEL_EFORMAT, "%s", keel_samples[i].name);
        cr_assert_eq(keel_wire_check(&arena, keel_samples[i].payload, NULL, 0), KEEL_EFORMAT);
    }
    cr_assert_eq(keel_wire_get_envelope(&arena, bytes, 0, &envelope), KEEL_EFORMAT);
    cr_assert_eq(keel_wire_check(&arena, KEEL_PAYLOAD_SPILLOVER, bytes, 1), KEEL_EUNKNOWN);
    cr_assert_eq(keel_wire_check(&arena, (keel_payload)7, bytes, 1), KEEL_EUNKNOWN);
}

/* Cut between two fields protobuf sees a shorter message. It may pass only as exactly that: what
 * was understood is what arrived, to the byte. */
Test(hostile, cut_at_every_byte)
{
    static uint8_t whole[BUF];
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const size_t len = keel_sample_encode(&keel_samples[i], 2, whole, BUF);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *copy = malloc(cut > 0 ? cut : 1); /* so that a sanitizer sees a read past it */
            memcpy(copy, whole, cut);
            if (try(&keel_samples[i], copy, cut) == KEEL_OK)
                cr_assert_arr_eq(again, whole, cut, "%s cut at %zu", keel_samples[i].name, cut);
            free(copy);
        }
    }
}

Test(hostile, cut_envelopes)
{
    keel_envelope in = {.type = KEEL_PAYLOAD_FILL,
                        .id = {"risk", 1, 2},
                        .run_id = "demo",
                        .event_ns = 5,
                        .payload = (const uint8_t *)"0123456789",
                        .payload_len = 10},
                  out;
    size_t len;
    cr_assert_eq(keel_wire_put_envelope(&in, bytes, BUF, &len), KEEL_OK);
    for (size_t cut = 0; cut < len; cut++) /* the payload is last here: every cut is noticed */
        cr_assert_neq(keel_wire_get_envelope(&arena, bytes, cut, &out), KEEL_OK, "%zu", cut);
    cr_assert_eq(keel_wire_get_envelope(&arena, bytes, len, &out), KEEL_OK);
}

Test(hostile, changed_bytes)
{
    static uint8_t whole[BUF];
    const uint64_t seed = 20260102;
    keel_rng rng = keel_rng_seeded(seed);
    long accepted = 0, refused = 0;
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const size_t len = keel_sample_encode(&keel_samples[i], 2, whole, BUF);
        for (int round = 0; round < 2000; round++) {
            memcpy(bytes, whole, len);
            for (uint64_t k = 0; k <= keel_rng_below(&rng, 3); k++)
                bytes[keel_rng_below(&rng, len)] = (uint8_t)keel_rng_u64(&rng);
            if (try(&keel_samples[i], bytes, len) == KEEL_OK)
                accepted++;
            else
                refused++;
        }
    }
    printf("seed %llu: %ld changed messages accepted, %ld refused\n", (unsigned long long)seed,
           accepted, refused);
    cr_assert(accepted > 100 && refused > 100);
}

Test(hostile, random_bytes)
{
    const uint64_t seed = 7;
    keel_rng rng = keel_rng_seeded(seed);
    printf("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 20000; round++) {
        const size_t len = keel_rng_below(&rng, 200);
        for (size_t b = 0; b < len; b++)
            bytes[b] = (uint8_t)keel_rng_u64(&rng);
        keel_envelope envelope;
        cr_assert_neq(try(&keel_samples[round % KEEL_SAMPLES], bytes, len), KEEL_OK);
        cr_assert_neq(keel_wire_get_envelope(&arena, bytes, len, &envelope), KEEL_OK);
    }
}

/* Half a million empty submessages: 63 MB of structs if anybody allocated them. */
Test(hostile, a_megabyte_of_empty_submessages)
{
    for (size_t b = 0; b < BUF; b += 2) {
        bytes[b] = 3 << 3 | 2; /* OrderPlan.orders, HeartBeat.why, ... of no bytes */
        bytes[b + 1] = 0;
    }
    for (int i = 0; i < KEEL_SAMPLES; i++)
        cr_assert_neq(try(&keel_samples[i], bytes, BUF), KEEL_OK, "%s", keel_samples[i].name);
    keel_arena_reset(&arena);
    cr_assert_eq(keel_wire_check(&arena, KEEL_PAYLOAD_ORDER_PLAN, bytes, BUF), KEEL_ETOOBIG);
    cr_assert_leq(arena.peak, ARENA);
}

/* 58 kB of one field within itself overflowed the stack of a recursive type; there is none here. */
Test(hostile, deep_nesting)
{
    for (int field = 1; field < 20; field++) {
        size_t at = BUF, len = 0;
        while (len < 60000) {
            uint8_t head[8];
            size_t n = 0, left = len;
            head[n++] = (uint8_t)(field << 3 | 2);
            if (field > 15) {
                head[0] = (uint8_t)((field << 3 | 2) | 0x80);
                head[n++] = (uint8_t)(field >> 4);
            }
            for (; left > 127; left >>= 7)
                head[n++] = (uint8_t)(left | 0x80);
            head[n++] = (uint8_t)left;
            at -= n;
            memcpy(bytes + at, head, n);
            len += n;
        }
        for (int i = 0; i < KEEL_SAMPLES; i++)
            cr_assert_neq(try(&keel_samples[i], bytes + at, len), KEEL_OK);
    }
}

Test(hostile, oversize_is_refused_before_it_is_read)
{
    static uint8_t huge[KEEL_PAYLOAD_BYTES_MAX + 1];
    for (int i = 0; i < KEEL_SAMPLES; i++)
        cr_assert_eq(keel_samples[i].get(&arena, huge, sizeof huge, &plain), KEEL_ETOOBIG);
    cr_assert_eq(arena.used, 0);
}

Test(hostile, an_arena_too_small_is_toobig)
{
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const size_t len = keel_sample_encode(&keel_samples[i], 3, bytes, BUF);
        for (size_t size = 0; size < 4096; size += 16) {
            keel_arena small;
            keel_arena_init(&small, size);
            const keel_status status = keel_samples[i].get(&small, bytes, len, &plain);
            cr_assert(status == KEEL_OK || status == KEEL_ETOOBIG, "%s %zu: %s",
                      keel_samples[i].name, size, keel_status_name(status));
            keel_arena_fini(&small);
        }
    }
}

Test(hostile, envelopes_with_tricks)
{
    keel_envelope in = {.type = KEEL_PAYLOAD_FILL,
                        .id = {"risk", 1, 2},
                        .run_id = "demo",
                        .payload = (const uint8_t *)"xyz",
                        .payload_len = 3},
                  out;
    size_t len;
    cr_assert_eq(keel_wire_put_envelope(&in, bytes, BUF, &len), KEEL_OK);
    static const struct {
        const char *what;
        uint8_t tail[12];
        size_t n;
        keel_status expected;
    } cases[] = {
        {"a second payload", {9 << 3 | 2, 1, 'a'}, 3, KEEL_EFORMAT},
        {"payload as a number", {9 << 3, 1}, 2, KEEL_EFORMAT},
        {"field 0", {2, 0}, 2, KEEL_EFORMAT},
        {"field 0, over-long", {0x82, 0x80, 0x00, 0}, 4, KEEL_EFORMAT},
        {"a group", {12 << 3 | 3, 12 << 3 | 4}, 2, KEEL_EFORMAT},
        {"length past the end", {12 << 3 | 2, 5, 'a'}, 3, KEEL_EFORMAT},
        {"a number of 65 bits",
         {10 << 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2},
         11,
         KEEL_EFORMAT},
        {"version 2", {1 << 3, 2}, 2, KEEL_EVERSION},
        {"unknown type", {2 << 3, 99}, 2, KEEL_EUNKNOWN},
        {"a field of a newer version", {12 << 3, 1}, 2, KEEL_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(bytes + len, cases[i].tail, cases[i].n);
        cr_assert_eq(keel_wire_get_envelope(&arena, bytes, len + cases[i].n, &out),
                     cases[i].expected, "%s", cases[i].what);
    }
    memset(bytes + len, 0, 2000); /* a long unknown field: the frame around a payload is small */
    bytes[len] = 12 << 3 | 2;
    bytes[len + 1] = 0xd0;
    bytes[len + 2] = 0x0f;
    cr_assert_eq(keel_wire_get_envelope(&arena, bytes, len + 3 + 2000, &out), KEEL_ETOOBIG);
}

/* protobuf-c keeps a text up to its first NUL: "s-1\0a" and "s-1\0b" would be the same signal. */
Test(hostile, a_nul_inside_a_text_of_a_client)
{
    keel_signal in = {.strategy = "momentum",
                      .signal_id = "s-1#a",
                      .seq = 1,
                      .epoch_ns = 1,
                      .symbol = "BTC#SIM",
                      .side = KEEL_SIDE_LONG,
                      .labels_n = 1,
                      .labels = {{.name = "why#", .value = "because#now"}}},
                out;
    keel_hello hello = {.strategy = "momentum", .epoch_ns = 1};
    keel_reason reason;
    size_t len, marks = 0;
    in.symbol[3] = '-';
    cr_assert_eq(keel_wire_put_signal(&in, bytes, BUF, &len), KEEL_OK);
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != '#')
            continue;
        marks++;
        bytes[i] = '\0';
        keel_arena_reset(&arena);
        cr_assert_eq(keel_wire_get_signal(&arena, bytes, len, &out), KEEL_EINVAL, "byte %zu", i);
        keel_wire_blame_signal(&arena, bytes, len, &reason);
        cr_assert_eq(reason.code, KEEL_REASON_MALFORMED);
        cr_assert(strstr(reason.text, "NUL") != NULL, "%s", reason.text);
        bytes[i] = '#';
    }
    cr_assert_eq(marks, 3);
    keel_arena_reset(&arena);
    cr_assert_eq(keel_wire_get_signal(&arena, bytes, len, &out), KEEL_OK);
    cr_assert_eq(keel_wire_put_hello(&hello, bytes, BUF, &len), KEEL_OK);
    ((uint8_t *)memmem(bytes, len, "momentum", 8))[7] = '\0';
    keel_hello heard;
    cr_assert_eq(keel_wire_get_hello(&arena, bytes, len, &heard), KEEL_EINVAL);
}
