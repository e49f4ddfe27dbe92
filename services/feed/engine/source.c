#include "services/feed/engine/source.h"

#include "common/base/assert.h"
#include "common/base/mem.h"

struct keel_feed_source {
    uint64_t rows;
    uint64_t refused;
    keel_table *table;    /* owned; NULL with a simulator */
    keel_simulator *sim;  /* owned; NULL with a table */
    uint8_t *checkpoints; /* owned; the state after step c * KEEL_SOURCE_CHECKPOINT at [c] */
    size_t checkpoint_len;
    uint64_t checkpoints_n; /* written so far, the first at step 0 */
};

keel_feed_source *keel_feed_source_of_table(keel_table **table, uint64_t rows, uint64_t refused)
{
    keel_feed_source *source = keel_xcalloc(1, sizeof *source);
    const uint64_t all = (*table)->rows;
    source->table = *table;
    source->rows = rows == 0 || rows > all ? all : rows;
    source->refused = refused;
    *table = NULL;
    return source;
}

/* Keep the state when it is the next checkpoint's. */
static void keep_state(keel_feed_source *source)
{
    const uint64_t steps = keel_simulator_steps(source->sim);
    size_t len;
    if (steps != source->checkpoints_n * KEEL_SOURCE_CHECKPOINT)
        return;
    uint8_t *to = source->checkpoints + source->checkpoints_n * source->checkpoint_len;
    const keel_status status = keel_simulator_save(source->sim, to, source->checkpoint_len, &len);
    KEEL_ASSERT(status == KEEL_OK);
    source->checkpoints_n++;
}

keel_feed_source *keel_feed_source_of_simulator(keel_simulator **sim, uint64_t rows)
{
    KEEL_ASSERT(rows >= 1 && rows <= KEEL_SIMULATOR_STEPS_MAX);
    KEEL_ASSERT(keel_simulator_steps(*sim) == 0);
    keel_feed_source *source = keel_xcalloc(1, sizeof *source);
    const keel_status sized = keel_simulator_save(*sim, NULL, 0, &source->checkpoint_len);
    KEEL_ASSERT(sized == KEEL_OK || sized == KEEL_ENOSPC);
    source->checkpoints = keel_xcalloc(rows / KEEL_SOURCE_CHECKPOINT + 1, source->checkpoint_len);
    source->rows = rows;
    source->sim = *sim;
    *sim = NULL;
    keep_state(source);
    return source;
}

void keel_feed_source_free(keel_feed_source **source)
{
    if (*source == NULL)
        return;
    keel_table_free(&(*source)->table);
    keel_simulator_free(&(*source)->sim);
    keel_free(&(*source)->checkpoints);
    keel_free(source);
}

uint64_t keel_feed_source_rows(const keel_feed_source *source)
{
    return source->rows;
}

static void table_row(const keel_feed_source *source, size_t k, keel_feed_out *out)
{
    const keel_table *t = source->table;
    const size_t first = k * (size_t)t->n;
    const bool closes_only = t->open_units == NULL;
    *out = (keel_feed_out){
        .row = {.universe_hash = t->universe_hash,
                .close_ns = t->close_ns[k],
                .bar_ns = t->bar_ns,
                .n = t->n,
                .close_units = t->close_units + first,
                .open_units = closes_only ? NULL : t->open_units + first,
                .high_units = closes_only ? NULL : t->high_units + first,
                .low_units = closes_only ? NULL : t->low_units + first,
                .volume = t->volume == NULL ? NULL : t->volume + first,
                .missing = (int)t->missing[k]},
        .missing = t->missing_through[k],
        .held = t->held_through[k],
        .refused = source->refused,
    };
}

/* Put the simulator before `step`, as near as its checkpoints allow. */
static void go_back(keel_feed_source *source, uint64_t step)
{
    uint64_t c = (step - 1) / KEEL_SOURCE_CHECKPOINT;
    if (c >= source->checkpoints_n)
        c = source->checkpoints_n - 1;
    const uint64_t steps = keel_simulator_steps(source->sim);
    if (steps < step && steps >= c * KEEL_SOURCE_CHECKPOINT)
        return;
    const keel_status status = keel_simulator_load(
        source->sim, source->checkpoints + c * source->checkpoint_len, source->checkpoint_len);
    KEEL_ASSERT(status == KEEL_OK);
}

static keel_status simulated_row(keel_feed_source *source, uint64_t step, keel_feed_out *out)
{
    go_back(source, step);
    while (keel_simulator_steps(source->sim) < step) {
        KEEL_TRY(keel_simulator_next(source->sim, &out->row, &out->truth));
        keep_state(source);
    }
    out->has_truth = true;
    out->missing = keel_simulator_missing(source->sim);
    out->held = 0;
    out->refused = 0;
    return KEEL_OK;
}

keel_status keel_feed_source_row(keel_feed_source *source, uint64_t step, keel_feed_out *out)
{
    if (step == 0)
        return KEEL_ERANGE;
    if (step > source->rows)
        return KEEL_EEND;
    if (source->sim != NULL)
        return simulated_row(source, step, out);
    table_row(source, step - 1, out);
    return KEEL_OK;
}
