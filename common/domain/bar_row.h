/* bar_row.h - one step of market data.
 *
 * ROOM     common/domain.
 * SHAPE    Arrays of n, indexed as the universe. close_units 0 = the instrument has no bar in
 *          this row; then its open, high and low are 0 too.
 */
#ifndef KEEL_COMMON_DOMAIN_BAR_ROW_H
#define KEEL_COMMON_DOMAIN_BAR_ROW_H

#include "common/base/status.h"

#include <stdint.h>

typedef struct keel_bar_row {
    uint64_t universe_hash;
    int64_t close_ns; /* UTC; a bar bears its close time */
    int64_t bar_ns;   /* > 0 */
    int n;
    const int64_t *close_units;
    const int64_t *open_units; /* NULL with high and low: the source has closes only */
    const int64_t *high_units;
    const int64_t *low_units;
    const double *volume; /* NULL = unknown */
    int missing;          /* zeros in close_units */
} keel_bar_row;

/* KEEL_OK or the first thing wrong: KEEL_ERANGE n or bar_ns, KEEL_ENONFINITE a negative price or
 * a volume that is not finite and >= 0, KEEL_EINVAL high < low, open or close outside them,
 * prices beside a missing close, or a wrong count of missing. */
KEEL_MUST_CHECK keel_status keel_bar_row_check(const keel_bar_row *row);

#endif
