#include "common/base/hash.h"

#include <criterion/criterion.h>
#include <string.h>

/* RFC 3720 (iSCSI), appendix B.4; the CRC as the 32-bit number whose bytes go out least first. */
Test(hash, crc32c_gives_the_vectors_of_rfc_3720)
{
    static const uint8_t read_pdu[48] = {
        0x01, 0xc0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0,
        0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2,    0, 0, 0, 0, 0, 0, 0,
    };
    uint8_t zeros[32], ones[32], up[32], down[32];
    for (int i = 0; i < 32; i++) {
        zeros[i] = 0;
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    cr_assert_eq(keel_crc32c(0, zeros, 32), 0x8a9136aau);
    cr_assert_eq(keel_crc32c(0, ones, 32), 0x62a8ab43u);
    cr_assert_eq(keel_crc32c(0, up, 32), 0x46dd794eu);
    cr_assert_eq(keel_crc32c(0, down, 32), 0x113fdb5cu);
    cr_assert_eq(keel_crc32c(0, read_pdu, 48), 0xd9963a56u);
    cr_assert_eq(keel_crc32c(0, "123456789", 9), 0xe3069283u);
    cr_assert_eq(keel_crc32c(0, "", 0), 0);
}

Test(hash, crc32c_goes_on_from_an_earlier_part)
{
    const char text[] = "the books of one account, and of no other";
    const uint32_t whole = keel_crc32c(0, text, sizeof text);
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        const uint32_t part = keel_crc32c(0, text, cut);
        cr_assert_eq(keel_crc32c(part, text + cut, sizeof text - cut), whole);
    }
}

Test(hash, crc32c_finds_every_single_flipped_bit)
{
    uint8_t data[64];
    for (int i = 0; i < 64; i++)
        data[i] = (uint8_t)(i * 37);
    const uint32_t whole = keel_crc32c(0, data, sizeof data);
    for (int bit = 0; bit < 512; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_neq(keel_crc32c(0, data, sizeof data), whole);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

Test(hash, content_hash_is_xxh3_and_sees_every_byte_and_the_length)
{
    char data[100] = {0};
    cr_assert_eq(keel_hash("", 0), UINT64_C(0x2d06800538d394c2)); /* XXH3_64bits of nothing */
    const uint64_t whole = keel_hash(data, sizeof data);
    cr_assert_neq(keel_hash(data, sizeof data - 1), whole);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = 1;
        cr_assert_neq(keel_hash(data, sizeof data), whole);
        data[i] = 0;
    }
}
