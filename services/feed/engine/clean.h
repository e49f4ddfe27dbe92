/* clean.h - whether a bar can be believed: the shape of one bar, and the jump against the last.
 *
 * ROOM     services/feed/engine: pure.
 * MODEL    A bar whose prices contradict each other is refused. A bar any price of which is
 *          KEEL_CLEAN_JUMP times the last accepted close, or a part of it as small, is held back:
 *          a slipped decimal point is far more common than such a move. Held bars whose closes do
 *          not jump against each other are consistent; the KEEL_CLEAN_PROOF-th in a row is
 *          accepted, and the level with it (a split, a redenomination). An accepted bar in between,
 *          or a jump among the held ones, starts the count anew; a missing bar does not.
 * SHAPE    State per instrument: last accepted close, last held close, count held.
 * MEMORY   keel_clean_new takes all storage.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_FEED_ENGINE_CLEAN_H
#define KEEL_SERVICES_FEED_ENGINE_CLEAN_H

#include "common/base/status.h"

#include <stdint.h>

enum { KEEL_CLEAN_JUMP = 10, KEEL_CLEAN_PROOF = 3 };

/* Prices in units of the instrument; open, high and low are 0 together: closes only. */
typedef struct keel_bar {
    int64_t open_units;
    int64_t high_units;
    int64_t low_units;
    int64_t close_units;
} keel_bar;

typedef enum keel_verdict {
    KEEL_VERDICT_ACCEPTED,
    KEEL_VERDICT_HELD,    /* treat as missing */
    KEEL_VERDICT_REFUSED, /* contradicts itself; state unchanged */
} keel_verdict;

typedef struct keel_clean keel_clean;

/* For n instruments, n >= 1. Owned; end with keel_clean_free. */
keel_clean *keel_clean_new(int n);
void keel_clean_free(keel_clean **clean);

/* Judge the next bar of an instrument, 0 <= instrument < n; close_units > 0. Cost: O(1). */
keel_verdict keel_clean_on_bar(keel_clean *clean, int instrument, const keel_bar *bar);

/* The last accepted close of an instrument, 0 before the first; and whether `units` jumps from it:
 * what a complaint about a held bar names. */
int64_t keel_clean_accepted_units(const keel_clean *clean, int instrument);
bool keel_clean_is_jump(int64_t units, int64_t accepted_units);

#endif
