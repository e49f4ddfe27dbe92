/* source.h - rows by step number, from files or from the simulator, the same again each time.
 *
 * ROOM     services/feed/engine: pure.
 * SHAPE    Steps 1..rows. Asking in order is cheap; any older step may be asked for again and gives
 *          the same bits: a table holds them all, the simulator goes back to the nearest of its
 *          snapshots, one every KEEL_SOURCE_CHECKPOINT steps, and runs on from there. Counts belong
 *          to a step too, so that a restart reports what the undisturbed run did.
 * MEMORY   the constructors take all storage; a checkpoint is 8 n + 100 bytes.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_FEED_ENGINE_SOURCE_H
#define KEEL_SERVICES_FEED_ENGINE_SOURCE_H

#include "services/feed/engine/simulate.h"
#include "services/feed/engine/table.h"

enum { KEEL_SOURCE_CHECKPOINT = 1024 };

typedef struct keel_feed_source keel_feed_source;

/* What one call gave. */
typedef struct keel_feed_out {
    bool has_truth; /* the simulator's rows have one */
    keel_bar_row row;
    keel_market_truth truth;
    /* Counts over steps 1..this one, but `refused`: over all files, known from the start. */
    uint64_t missing;
    uint64_t held;
    uint64_t refused;
} keel_feed_out;

/* Over a table or a simulator, which becomes owned: the argument is set to NULL. rows 0 = all of
 * the table; otherwise at most `rows`. `refused` is what reading the files refused. */
keel_feed_source *keel_feed_source_of_table(keel_table **table, uint64_t rows, uint64_t refused);

/* rows 1..KEEL_SIMULATOR_STEPS_MAX; the simulator must not have made a step yet. */
keel_feed_source *keel_feed_source_of_simulator(keel_simulator **sim, uint64_t rows);
void keel_feed_source_free(keel_feed_source **source);

uint64_t keel_feed_source_rows(const keel_feed_source *source); /* in all */

/* Step k, 1..rows. Arrays in *out are valid until the next call. KEEL_EEND for a later step,
 * KEEL_ERANGE for step 0. Cost: O(n), or O(KEEL_SOURCE_CHECKPOINT n) back in the simulator. */
KEEL_MUST_CHECK keel_status keel_feed_source_row(keel_feed_source *source, uint64_t step,
                                                 keel_feed_out *out);

#endif
