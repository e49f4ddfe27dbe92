/* table.h - files joined by time, in price units, cleaned: what the csv source serves rows from.
 *
 * ROOM     services/feed/engine: pure.
 * MODEL    A bar bears its close time. The time written in a file is the bar's open or its close
 *          (keel_stamp); a bare date is a UTC day and closes at its 24:00. The length of a bar is
 *          the commonest difference between neighbouring times (the shorter of two as common). All
 *          files of one table have one bar length and line up; rows are the union of their times
 *          (outer join), in order. Bars then pass keel_clean in that order; a row that is left
 *          without any bar is no step.
 * SHAPE    Arrays of rows x n, row k (from 0) at [k * n]; 0 = missing. Where only some of the files
 *          have open, high and low, the others' bars get them equal to the close, which trades the
 *          same (docs/methods/paper-broker.md).
 * MEMORY   keel_table_new takes everything; the files may be freed after it.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_FEED_ENGINE_TABLE_H
#define KEEL_SERVICES_FEED_ENGINE_TABLE_H

#include "common/base/timefmt.h"
#include "services/feed/engine/pick.h"

#define KEEL_TABLE_BARS_MAX   (UINT64_C(1) << 26) /* rows x n; bounds storage at 40 bytes each */
#define KEEL_TABLE_BAR_NS_MAX (366 * KEEL_NS_PER_DAY)

typedef struct keel_table {
    uint64_t universe_hash;
    int n;
    uint32_t rows;
    uint32_t rows_empty; /* times at which no instrument had a bar: no step */
    int64_t bar_ns;
    uint32_t bar_deviations; /* neighbouring times that are not bar_ns apart */
    int64_t *close_ns;       /* rows */
    int64_t *close_units;    /* rows x n */
    int64_t *open_units;     /* rows x n; NULL with high and low: closes only */
    int64_t *high_units;
    int64_t *low_units;
    double *volume;            /* rows x n; NULL: unknown */
    uint32_t *missing;         /* rows: zeros in close_units */
    uint64_t *missing_through; /* rows: missing bars of rows 0..k */
    uint64_t *held_through;    /* rows: bars held back so far */
    uint32_t missing_of[KEEL_UNIVERSE_MAX];
    uint32_t held_of[KEEL_UNIVERSE_MAX];
} keel_table;

/* The bar length of one file by itself; *deviations = differences that are not it. Cost: a sort. */
int64_t keel_table_file_bar_ns(const keel_csv *file, uint32_t *deviations);

typedef struct keel_table_cfg {
    const keel_csv *const *files; /* borrowed for the call, 1..KEEL_FEED_FILES_MAX */
    int files_n;
    const keel_pick *pick;         /* matched to the universe: keel_pick_match */
    const keel_universe *universe; /* sealed */
    keel_stamp stamp;
} keel_table_cfg;

/* Build. Bad cells are added to *complaints and are missing. NULL with *err (may be NULL) when the
 * files do not make a table: KEEL_ERANGE bars longer than KEEL_TABLE_BAR_NS_MAX, KEEL_EINVAL bar
 * lengths that differ or times that do not line up, KEEL_ETOOBIG more than KEEL_TABLE_BARS_MAX,
 * KEEL_ENOTFOUND fewer than two rows with a bar. Cost: O(bars) and a sort of the times. */
KEEL_MUST_CHECK keel_table *keel_table_new(const keel_table_cfg *cfg, keel_complaints *complaints,
                                           keel_err *err);
void keel_table_free(keel_table **table);

#endif
