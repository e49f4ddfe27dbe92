/* bars.h - returns from a wide file of returns or prices.
 *
 * ROOM     services/workbench. The file is read by services/feed/engine/csv.h: date,BTC,ETH,...
 * MODEL    A row with a missing value is left out whole and counted.
 *          returns  as they stand
 *          prices   simple returns between two rows that are left: p[t] / p[t-1] - 1
 * MEMORY   keel_bars_read takes everything; end with keel_bars_free.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_WORKBENCH_BARS_H
#define KEEL_SERVICES_WORKBENCH_BARS_H

#include "common/domain/universe.h"

#include <stdint.h>

typedef struct keel_bars {
    int n;                            /* assets */
    char (*symbols)[KEEL_SYMBOL_MAX]; /* owned */
    int m;                            /* bars of returns */
    double *returns;                  /* owned; m rows of n, oldest first */
    uint32_t left_out;                /* rows with a missing value */
    double bars_per_year;             /* 0 = the dates have no calendar */
} keel_bars;

/* Read `path`. window: the newest bars to keep, 0 = all. Refused with *err, nothing to free:
 * as keel_csv_new and the reader of files; KEEL_EFORMAT a value that is no number, a line that was
 * refused (by line and column), a long file; KEEL_ERANGE a price <= 0; KEEL_EINVAL fewer than two
 * bars are left. */
KEEL_MUST_CHECK keel_status keel_bars_read(const char *path, bool prices, int window,
                                           keel_bars *bars, keel_err *err);
void keel_bars_free(keel_bars *bars);

/* Bars a year, from close times (times_ns[count], ascending, in days where has_time is false):
 * a year of 365.25 days by the middle distance, 5 of 7 days where none is on a weekend, or whole
 * months. 0 when the distances are not alike. */
double keel_bars_calendar(const int64_t *times_ns, int count);

#endif
