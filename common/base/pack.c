#include "common/base/pack.h"

#include "common/base/assert.h"
#include "common/base/text.h"

#include <math.h>
#include <string.h>

keel_packer keel_packer_over(uint8_t *buf, size_t cap)
{
    return (keel_packer){buf, buf != NULL ? cap : 0, 0, false};
}

void keel_pack_bytes(keel_packer *p, const void *data, size_t len)
{
    if (p->len > p->cap || len > p->cap - p->len)
        p->failed = true;
    else if (len > 0)
        memcpy(p->buf + p->len, data, len);
    p->len += len;
}

void keel_pack_u8(keel_packer *p, uint8_t value)
{
    keel_pack_bytes(p, &value, 1);
}

void keel_pack_u32(keel_packer *p, uint32_t value)
{
    const uint8_t b[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                          (uint8_t)(value >> 24)};
    keel_pack_bytes(p, b, sizeof b);
}

void keel_pack_u64(keel_packer *p, uint64_t value)
{
    keel_pack_u32(p, (uint32_t)value);
    keel_pack_u32(p, (uint32_t)(value >> 32));
}

void keel_pack_i64(keel_packer *p, int64_t value)
{
    keel_pack_u64(p, (uint64_t)value);
}

void keel_pack_real(keel_packer *p, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    keel_pack_u64(p, bits);
}

void keel_pack_blob(keel_packer *p, const void *data, size_t len)
{
    KEEL_ASSERT(len <= UINT32_MAX);
    keel_pack_u32(p, (uint32_t)len);
    keel_pack_bytes(p, data, len);
}

void keel_pack_str(keel_packer *p, const char *text)
{
    keel_pack_blob(p, text, strlen(text));
}

void keel_pack_reals(keel_packer *p, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        keel_pack_real(p, values[i]);
}

void keel_pack_i64s(keel_packer *p, const int64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        keel_pack_i64(p, values[i]);
}

keel_status keel_packer_done(const keel_packer *p, size_t *len)
{
    *len = p->len;
    return p->failed ? KEEL_ENOSPC : KEEL_OK;
}

keel_unpacker keel_unpacker_over(const uint8_t *buf, size_t len)
{
    return (keel_unpacker){buf, len, 0, false};
}

/* The next n bytes, or NULL and failed. */
static const uint8_t *next(keel_unpacker *u, size_t n)
{
    if (u->failed || n > u->len - u->at) {
        u->failed = true;
        return NULL;
    }
    const uint8_t *p = u->buf + u->at;
    u->at += n;
    return p;
}

uint8_t keel_unpack_u8(keel_unpacker *u)
{
    const uint8_t *p = next(u, 1);
    return p != NULL ? p[0] : 0;
}

uint32_t keel_unpack_u32(keel_unpacker *u)
{
    const uint8_t *p = next(u, 4);
    if (p == NULL)
        return 0;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t keel_unpack_u64(keel_unpacker *u)
{
    const uint64_t low = keel_unpack_u32(u);
    return low | (uint64_t)keel_unpack_u32(u) << 32;
}

int64_t keel_unpack_i64(keel_unpacker *u)
{
    return (int64_t)keel_unpack_u64(u);
}

double keel_unpack_real(keel_unpacker *u)
{
    const uint64_t bits = keel_unpack_u64(u);
    double value;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) {
        u->failed = true;
        return 0;
    }
    return value;
}

void keel_unpack_bytes(keel_unpacker *u, void *to, size_t len)
{
    const uint8_t *p = next(u, len);
    if (p != NULL && len > 0)
        memcpy(to, p, len);
}

const uint8_t *keel_unpack_blob(keel_unpacker *u, size_t *len)
{
    const uint32_t n = keel_unpack_u32(u);
    const uint8_t *p = next(u, n);
    *len = p != NULL ? n : 0;
    return p;
}

void keel_unpack_str(keel_unpacker *u, char *to, size_t cap)
{
    size_t len;
    const uint8_t *p = keel_unpack_blob(u, &len);
    KEEL_ASSERT(cap > 0);
    to[0] = '\0';
    if (p == NULL)
        return;
    if (len >= cap || memchr(p, 0, len) != NULL || !keel_text_is_utf8((const char *)p, len)) {
        u->failed = true;
        return;
    }
    memcpy(to, p, len);
    to[len] = '\0';
}

void keel_unpack_reals(keel_unpacker *u, double *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = keel_unpack_real(u);
}

void keel_unpack_i64s(keel_unpacker *u, int64_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = keel_unpack_i64(u);
}

keel_status keel_unpacker_done(const keel_unpacker *u)
{
    return u->failed || u->at != u->len ? KEEL_EFORMAT : KEEL_OK;
}
