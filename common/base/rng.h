/* rng.h - the random numbers that are passed in wherever chance is wanted.
 *
 * ROOM     common/base.
 * MODEL    xoshiro256++ (Blackman and Vigna, Scrambled linear pseudorandom number generators,
 *          ACM TOMS 47, 2021), seeded by splitmix64. Normals by the polar method (Marsaglia and
 *          Bray 1964); Student t as normal over root of chi-square / nu for integer nu.
 * SHAPE    State is 4 words, saved and restored as such: same seed, same numbers, any machine
 *          whose libm agrees (the integers always).
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_BASE_RNG_H
#define KEEL_COMMON_BASE_RNG_H

#include <stdint.h>

typedef struct keel_rng {
    uint64_t s[4];
} keel_rng;

keel_rng keel_rng_seeded(uint64_t seed);
uint64_t keel_rng_u64(keel_rng *rng);
double keel_rng_uniform(keel_rng *rng);                 /* [0, 1), 53 bits */
uint64_t keel_rng_below(keel_rng *rng, uint64_t bound); /* 0..bound-1 without bias; bound >= 1 */
double keel_rng_normal(keel_rng *rng);                  /* mean 0, variance 1 */
double keel_rng_student(keel_rng *rng, int nu);         /* nu >= 3, scaled to variance 1 */

#endif
