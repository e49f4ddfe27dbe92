#include "common/num/stats/stats_internal.h"

bool stats_reals_follow(keel_unpacker u, size_t count)
{
    for (size_t k = 0; k < count && !u.failed; k++)
        keel_unpack_real(&u);
    return keel_unpacker_done(&u) == KEEL_OK;
}
