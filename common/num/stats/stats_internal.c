#include "common/num/stats/stats_internal.h"

#include <math.h>

bool stats_reals_within(keel_unpacker *u, size_t count, double limit)
{
    bool within = true;
    for (size_t k = 0; k < count && !u->failed; k++)
        within = fabs(keel_unpack_real(u)) <= limit && within;
    return within && !u->failed;
}
