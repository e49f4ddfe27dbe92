/* market.h - the returns a reference case is about, read from the file that it names.
 *
 * ROOM     tests/support.
 * SHAPE    Simple returns, one row for each date, by rows; a date that lacks an asset is left out,
 *          and the next return then spans the gap. Files are wide (a column for each asset) or,
 *          where the case has "symbols", long (a line for each date and symbol, close in column 5).
 * MEMORY   Owned: end with keel_market_fini.
 */
#ifndef KEEL_TESTS_SUPPORT_MARKET_H
#define KEEL_TESTS_SUPPORT_MARKET_H

#include <jansson.h>

enum { KEEL_MARKET_ASSETS_MAX = 64, KEEL_MARKET_NAME_MAX = 24 };

typedef struct keel_market {
    int n, rows;
    char names[KEEL_MARKET_ASSETS_MAX][KEEL_MARKET_NAME_MAX];
    double *at;             /* (t,i) at t * n + i; owned */
    unsigned char *present; /* the same shape, 0 = hole; NULL unless read with holes; owned */
} keel_market;

/* Read what "inputs" of a case says: "prices" or "returns" names the file; "assets" picks columns,
 * and without it all are taken; "from" and "to" are dates, both included; "scale" may multiply
 * returns by 100. Aborts with the reason when the file is not as described, or when the number of
 * rows is not "observations". */
void keel_market_read(keel_market *market, const json_t *inputs);

/* The same of a wide file of prices, every date kept: a return is there where the asset has a price
 * on its date and on the one before. */
void keel_market_read_holes(keel_market *market, const json_t *inputs);

void keel_market_fini(keel_market *market);

/* Index of the asset, -1 when there is none. */
int keel_market_find(const keel_market *market, const char *name);

/* Cut one line of a CSV in place; returns the number of fields, at most `max`. */
int keel_csv_cut(char *line, char **fields, int max);

#endif
