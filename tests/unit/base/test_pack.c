#include "common/base/pack.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void pack_all(keel_packer *p)
{
    const double reals[] = {0.1, -0.0, 5e-324};
    const int64_t longs[] = {INT64_MIN, -1, INT64_MAX};
    keel_pack_u8(p, 0xab);
    keel_pack_u32(p, 0x01020304);
    keel_pack_u64(p, UINT64_C(0x1122334455667788));
    keel_pack_i64(p, -2);
    keel_pack_real(p, 1.5);
    keel_pack_bytes(p, "raw", 3);
    keel_pack_blob(p, "bl\0b", 4);
    keel_pack_str(p, "text");
    keel_pack_reals(p, reals, 3);
    keel_pack_i64s(p, longs, 3);
}

enum { ALL_LEN = 1 + 4 + 8 + 8 + 8 + 3 + (4 + 4) + (4 + 4) + 24 + 24 };

Test(pack, what_goes_in_comes_out)
{
    uint8_t buf[256];
    size_t len, blob_len;
    char raw[3], text[5];
    double reals[3];
    int64_t longs[3];
    keel_packer p = keel_packer_over(buf, sizeof buf);
    pack_all(&p);
    cr_assert_eq(keel_packer_done(&p, &len), KEEL_OK);
    cr_assert_eq(len, ALL_LEN);
    keel_unpacker u = keel_unpacker_over(buf, len);
    cr_assert_eq(keel_unpack_u8(&u), 0xab);
    cr_assert_eq(keel_unpack_u32(&u), 0x01020304);
    cr_assert_eq(keel_unpack_u64(&u), UINT64_C(0x1122334455667788));
    cr_assert_eq(keel_unpack_i64(&u), -2);
    const double real = keel_unpack_real(&u);
    cr_assert_float_eq(real, 1.5, 0);
    keel_unpack_bytes(&u, raw, 3);
    cr_assert_arr_eq(raw, "raw", 3);
    const uint8_t *blob = keel_unpack_blob(&u, &blob_len);
    cr_assert_eq(blob_len, 4);
    cr_assert_arr_eq(blob, "bl\0b", 4);
    keel_unpack_str(&u, text, sizeof text);
    cr_assert_str_eq(text, "text");
    keel_unpack_reals(&u, reals, 3);
    cr_assert(signbit(reals[1]) && reals[1] == 0 && reals[2] == 5e-324 && reals[0] == 0.1);
    keel_unpack_i64s(&u, longs, 3);
    cr_assert(longs[0] == INT64_MIN && longs[1] == -1 && longs[2] == INT64_MAX);
    cr_assert_eq(keel_unpacker_done(&u), KEEL_OK);
}

Test(pack, bytes_are_little_endian)
{
    const uint8_t expected[] = {4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f};
    uint8_t buf[12];
    size_t len;
    keel_packer p = keel_packer_over(buf, sizeof buf);
    keel_pack_u32(&p, 0x01020304);
    keel_pack_real(&p, 1.5);
    cr_assert_eq(keel_packer_done(&p, &len), KEEL_OK);
    cr_assert_arr_eq(buf, expected, sizeof expected);
}

Test(pack, a_short_buffer_is_refused_with_the_size_it_needs)
{
    uint8_t buf[ALL_LEN + 8];
    size_t len;
    for (size_t cap = 0; cap <= ALL_LEN; cap++) {
        memset(buf, 0x5a, sizeof buf);
        keel_packer p = keel_packer_over(buf, cap);
        pack_all(&p);
        cr_assert_eq(keel_packer_done(&p, &len), cap < ALL_LEN ? KEEL_ENOSPC : KEEL_OK);
        cr_assert_eq(len, ALL_LEN);
        for (size_t i = cap; i < sizeof buf; i++)
            cr_assert_eq(buf[i], 0x5a, "cap %zu wrote at %zu", cap, i);
    }
    keel_packer counting = keel_packer_over(NULL, 1000);
    pack_all(&counting);
    cr_assert_eq(keel_packer_done(&counting, &len), KEEL_ENOSPC);
    cr_assert_eq(len, ALL_LEN);
}

Test(pack, a_cut_buffer_fails_once_and_for_good)
{
    uint8_t buf[ALL_LEN];
    size_t len, blob_len;
    char raw[3] = "??", text[5];
    keel_packer p = keel_packer_over(buf, sizeof buf);
    pack_all(&p);
    cr_assert_eq(keel_packer_done(&p, &len), KEEL_OK);
    for (size_t cut = 0; cut < len; cut++) {
        double reals[3];
        int64_t longs[3];
        keel_unpacker u = keel_unpacker_over(buf, cut);
        keel_unpack_u8(&u);
        keel_unpack_u32(&u);
        keel_unpack_u64(&u);
        keel_unpack_i64(&u);
        keel_unpack_real(&u);
        keel_unpack_bytes(&u, raw, 3);
        keel_unpack_blob(&u, &blob_len);
        keel_unpack_str(&u, text, sizeof text);
        keel_unpack_reals(&u, reals, 3);
        keel_unpack_i64s(&u, longs, 3);
        cr_assert(u.failed);
        cr_assert_eq(keel_unpack_u64(&u), 0);
        cr_assert_eq(keel_unpacker_done(&u), KEEL_EFORMAT, "cut at %zu", cut);
    }
}

Test(pack, bytes_left_over_are_a_format_error)
{
    const uint8_t buf[2] = {1, 2};
    keel_unpacker u = keel_unpacker_over(buf, 2);
    keel_unpack_u8(&u);
    cr_assert_eq(keel_unpacker_done(&u), KEEL_EFORMAT);
    keel_unpack_u8(&u);
    cr_assert_eq(keel_unpacker_done(&u), KEEL_OK);
}

Test(pack, numbers_that_are_not_finite_are_refused)
{
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 3; k++) {
        uint8_t buf[8];
        keel_packer p = keel_packer_over(buf, sizeof buf);
        keel_pack_real(&p, bad[k]);
        keel_unpacker u = keel_unpacker_over(buf, sizeof buf);
        const double real = keel_unpack_real(&u);
        cr_assert_float_eq(real, 0, 0);
        cr_assert(u.failed);
    }
}

Test(pack, lengths_that_lie_are_refused)
{
    const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 'a', 'b'};
    const uint8_t holds_nul[] = {3, 0, 0, 0, 'a', 0, 'b'};
    const uint8_t not_utf8[] = {2, 0, 0, 0, 0xc0, 0xaf};
    const uint8_t fits_not[] = {4, 0, 0, 0, 'a', 'b', 'c', 'd'};
    char text[4] = "zzz";
    size_t len = 7;
    keel_unpacker u = keel_unpacker_over(huge, sizeof huge);
    cr_assert_null(keel_unpack_blob(&u, &len));
    cr_assert_eq(len, 0);
    u = keel_unpacker_over(holds_nul, sizeof holds_nul);
    keel_unpack_str(&u, text, sizeof text);
    cr_assert(u.failed);
    cr_assert_str_eq(text, "");
    u = keel_unpacker_over(not_utf8, sizeof not_utf8);
    keel_unpack_str(&u, text, sizeof text);
    cr_assert(u.failed);
    u = keel_unpacker_over(fits_not, sizeof fits_not);
    keel_unpack_str(&u, text, sizeof text);
    cr_assert(u.failed);
    cr_assert_str_eq(text, "");
}
