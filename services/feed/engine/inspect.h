/* inspect.h - what is in a set of price files: the report behind `keel data check`.
 *
 * ROOM     services/feed/engine: pure.
 * MODEL    Runs the feed's own reading and cleaning over the files and counts. price_exp of a
 *          symbol = the most digits after the point that any of its prices has (trailing zeros
 *          apart), at least KEEL_INSPECT_EXP_MIN and at most KEEL_EXP_MAX, lowered until its
 *          largest price times KEEL_INSPECT_GROWTH fits 64 bits. A symbol with bars of a day or
 *          less that never open on a Saturday or Sunday is guessed to trade on weekdays; with fewer
 *          than seven days, or bars longer than a day, nothing can be told and it counts as
 *          continuous.
 * MEMORY   one object; the caller owns it.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_FEED_ENGINE_INSPECT_H
#define KEEL_SERVICES_FEED_ENGINE_INSPECT_H

#include "services/feed/engine/table.h"

enum { KEEL_INSPECT_EXP_MIN = 2, KEEL_INSPECT_GROWTH = 100 };

typedef struct keel_inspected_file {
    char name[KEEL_CSV_NAME_MAX];
    keel_csv_format format;
    bool has_time;
    uint32_t lines;   /* usable */
    uint32_t refused; /* lines refused as a whole */
    int symbols;
} keel_inspected_file;

typedef struct keel_inspected_symbol {
    int file;
    uint32_t missing; /* rows without a bar of it */
    uint32_t held;    /* of those: held back */
    int64_t first_ns; /* close of its first and last bar */
    int64_t last_ns;
} keel_inspected_symbol;

typedef struct keel_inspection {
    int files_n;
    keel_inspected_file files[KEEL_FEED_FILES_MAX];
    uint32_t rows;
    uint32_t rows_empty;
    int64_t first_ns; /* close of the first and last row */
    int64_t last_ns;
    int64_t bar_ns;
    uint32_t bar_deviations;
    bool has_ohlc;
    bool has_volume;
    uint64_t missing; /* over all rows and symbols */
    keel_complaints complaints;
    keel_inspected_symbol symbols[KEEL_UNIVERSE_MAX]; /* as universe.instruments */
    keel_universe universe;                           /* suggested, sealed */
} keel_inspection;

/* The universe that holds what is picked: price_exp and session from the data, qty_exp
 * KEEL_EXP_DEFAULT, one lot, no sector, all in `currency`. The session needs a table: see above.
 * KEEL_EINVAL and *err (may be NULL) from keel_universe_seal. */
KEEL_MUST_CHECK keel_status keel_inspect_universe(const keel_csv *const *files,
                                                  const keel_pick *pick, const char *currency,
                                                  keel_universe *universe, keel_err *err);

/* Inspect files[files_n]; *read (borrowed) holds the complaints of keel_csv_new about them. NULL
 * and *err (may be NULL) as keel_pick_make and keel_table_new. Owned: keel_inspect_free. */
KEEL_MUST_CHECK keel_inspection *keel_inspect_new(const keel_csv *const *files, int files_n,
                                                  const keel_feed_choice *choice,
                                                  const keel_complaints *read, const char *currency,
                                                  keel_err *err);
void keel_inspect_free(keel_inspection **inspection);

#endif
