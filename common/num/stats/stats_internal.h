/* stats_internal.h - what rolling.c and ewma.c share; nobody else includes it. */
#ifndef KEEL_COMMON_NUM_STATS_STATS_INTERNAL_H
#define KEEL_COMMON_NUM_STATS_STATS_INTERNAL_H

#include "common/base/pack.h"

/* The next `count` numbers of u are finite and within +-limit; moves u past them. A load() asks
 * this of a copy of its unpacker before it writes the first of them into its state. */
bool stats_reals_within(keel_unpacker *u, size_t count, double limit);

#endif
