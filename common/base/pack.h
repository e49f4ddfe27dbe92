/* pack.h - flat little-endian buffers for snapshots and journals, bounds checked both ways.
 *
 * ROOM     common/base.
 * SHAPE    A writer or reader never runs past its end: the first step that does not fit sets
 *          `failed`, later steps do nothing, and the caller looks once, at the end. A writer over
 *          NULL counts the bytes needed. Doubles travel as their bit patterns.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_BASE_PACK_H
#define KEEL_COMMON_BASE_PACK_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct keel_packer {
    uint8_t *buf; /* borrowed; NULL = only count */
    size_t cap;
    size_t len; /* bytes needed so far, also past cap */
    bool failed;
} keel_packer;

keel_packer keel_packer_over(uint8_t *buf, size_t cap);
void keel_pack_u8(keel_packer *p, uint8_t value);
void keel_pack_u32(keel_packer *p, uint32_t value);
void keel_pack_u64(keel_packer *p, uint64_t value);
void keel_pack_i64(keel_packer *p, int64_t value);
void keel_pack_real(keel_packer *p, double value);
void keel_pack_bytes(keel_packer *p, const void *data, size_t len); /* raw, no length */
void keel_pack_blob(keel_packer *p, const void *data, size_t len);  /* u32 length, then bytes */
void keel_pack_str(keel_packer *p, const char *text);               /* as a blob, without NUL */
void keel_pack_reals(keel_packer *p, const double *values, size_t n);
void keel_pack_i64s(keel_packer *p, const int64_t *values, size_t n);

/* The end of a save(): *len = bytes needed; KEEL_ENOSPC if they did not fit. */
KEEL_MUST_CHECK keel_status keel_packer_done(const keel_packer *p, size_t *len);

typedef struct keel_unpacker {
    const uint8_t *buf; /* borrowed */
    size_t len;
    size_t at;
    bool failed;
} keel_unpacker;

keel_unpacker keel_unpacker_over(const uint8_t *buf, size_t len);
uint8_t keel_unpack_u8(keel_unpacker *u); /* these give 0 once failed */
uint32_t keel_unpack_u32(keel_unpacker *u);
uint64_t keel_unpack_u64(keel_unpacker *u);
int64_t keel_unpack_i64(keel_unpacker *u);
double keel_unpack_real(keel_unpacker *u); /* NaN and Inf set failed */
void keel_unpack_bytes(keel_unpacker *u, void *to, size_t len);
const uint8_t *keel_unpack_blob(keel_unpacker *u, size_t *len); /* points into buf; NULL: failed */
void keel_unpack_str(keel_unpacker *u, char *to,
                     size_t cap); /* terminated; too long, not UTF-8: failed */
void keel_unpack_reals(keel_unpacker *u, double *to, size_t n);
void keel_unpack_i64s(keel_unpacker *u, int64_t *to, size_t n);

/* The end of a load(): KEEL_EFORMAT if anything failed or bytes are left over. */
KEEL_MUST_CHECK keel_status keel_unpacker_done(const keel_unpacker *u);

#endif
