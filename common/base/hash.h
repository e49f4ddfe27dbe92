/* hash.h - 64-bit content hashes and the CRC of journal records.
 *
 * ROOM     common/base.
 * MODEL    keel_hash: XXH3 64-bit (Collet, xxHash, 2020), for input references and universes: it
 *          finds accidents, not forgers. keel_crc32c: Castagnoli polynomial 0x1EDC6F41, reflected
 *          (Castagnoli, Braeuer, Herrmann 1993; RFC 3720 appendix B.4 has the test vectors).
 * THREADS  any.
 */
#ifndef KEEL_COMMON_BASE_HASH_H
#define KEEL_COMMON_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t keel_hash(const void *data, size_t len);

/* CRC32C of data; pass the result of an earlier part as `seed` to go on, 0 to start. */
uint32_t keel_crc32c(uint32_t seed, const void *data, size_t len);

#endif
