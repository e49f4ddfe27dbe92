/* universe.h - the instruments that everything is indexed by.
 *
 * ROOM     common/domain.
 * SHAPE    n instruments; index 0..n-1 is an instrument's name everywhere inside. The hash covers
 *          every field of every instrument in order; messages carry it, receivers compare it.
 * MEMORY   plain data in the caller's storage; strings are inside.
 */
#ifndef KEEL_COMMON_DOMAIN_UNIVERSE_H
#define KEEL_COMMON_DOMAIN_UNIVERSE_H

#include "common/base/status.h"

#include <stdint.h>

enum {
    KEEL_UNIVERSE_MAX = 512, /* instruments; bounds every n x n matrix near 1 MiB packed */
    KEEL_SYMBOL_MAX = 32,    /* bytes with NUL */
    KEEL_NAME_MAX = 48,      /* sectors, books, strategies, universes, portfolios; with NUL */
    KEEL_CURRENCY_MAX = 8,
};

typedef enum keel_session {
    KEEL_SESSION_UNSPECIFIED,
    KEEL_SESSION_CONTINUOUS,
    KEEL_SESSION_WEEKDAYS,
} keel_session;

typedef struct keel_instrument {
    char symbol[KEEL_SYMBOL_MAX];
    char sector[KEEL_NAME_MAX]; /* "" = none */
    char currency[KEEL_CURRENCY_MAX];
    int price_exp;               /* 0..KEEL_EXP_MAX; see fixed.h */
    int qty_exp;                 /* 0..KEEL_EXP_MAX */
    int64_t lot_units;           /* >= 1 */
    int64_t min_notional_micros; /* >= 0 */
    keel_session session;
} keel_instrument;

typedef struct keel_universe {
    char id[KEEL_NAME_MAX];
    uint64_t hash; /* set by keel_universe_seal */
    int n;
    keel_instrument instruments[KEEL_UNIVERSE_MAX];
} keel_universe;

/* Check every field, refuse repeated symbols and symbols whose topic keys collide, refuse a
 * second currency by name, then set the hash. KEEL_EINVAL, KEEL_ERANGE, KEEL_EEXIST with *err
 * (may be NULL) naming instrument and field; *universe keeps its old hash then. */
KEEL_MUST_CHECK keel_status keel_universe_seal(keel_universe *universe, keel_err *err);

/* Index of a symbol, -1 when absent. Cost: n. */
int keel_universe_find(const keel_universe *universe, const char *symbol);

/* Letters, digits, and _:/@-. within the length; what symbols, books and strategies are made of. */
bool keel_name_ok(const char *name, int cap);

#endif
