#include "common/base/rng.h"

#include "common/base/assert.h"

#include <math.h>

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

keel_rng keel_rng_seeded(uint64_t seed)
{
    keel_rng rng;
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        rng.s[i] = z ^ z >> 31;
    }
    return rng;
}

uint64_t keel_rng_u64(keel_rng *rng)
{
    uint64_t *s = rng->s;
    const uint64_t result = rotl(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double keel_rng_uniform(keel_rng *rng)
{
    return (double)(keel_rng_u64(rng) >> 11) * 0x1p-53;
}

uint64_t keel_rng_below(keel_rng *rng, uint64_t bound)
{
    KEEL_ASSERT(bound > 0);
    const uint64_t skip = -bound % bound; /* 2^64 mod bound: the biased remainder */
    uint64_t x;
    do {
        x = keel_rng_u64(rng);
    } while (x < skip);
    return x % bound;
}

double keel_rng_normal(keel_rng *rng)
{
    double u, r;
    do {
        u = 2 * keel_rng_uniform(rng) - 1;
        const double v = 2 * keel_rng_uniform(rng) - 1;
        r = u * u + v * v;
    } while (r >= 1 || r <= 0);
    return u * sqrt(-2 * log(r) / r);
}

double keel_rng_student(keel_rng *rng, int nu)
{
    KEEL_ASSERT(nu >= 3);
    const double z = keel_rng_normal(rng);
    double chi2 = 0;
    for (int i = 0; i < nu; i++) {
        const double x = keel_rng_normal(rng);
        chi2 += x * x;
    }
    return z / sqrt(chi2 / nu) * sqrt((nu - 2.0) / nu);
}
