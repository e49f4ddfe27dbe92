/* stats_internal.h - what rolling.c and ewma.c share; nobody else includes it. */
#ifndef KEEL_COMMON_NUM_STATS_STATS_INTERNAL_H
#define KEEL_COMMON_NUM_STATS_STATS_INTERNAL_H

#include "common/base/pack.h"

/* Exactly `count` finite numbers are left in u, which is not moved: asked before a load() writes
 * the first of them into its state. */
bool stats_reals_follow(keel_unpacker u, size_t count);

#endif
