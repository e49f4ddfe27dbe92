#include "services/feed/engine/clean.h"

#include "common/base/assert.h"
#include "common/base/mem.h"

typedef struct level {
    int64_t accepted_units; /* 0 = none yet */
    int64_t held_units;     /* 0 = none */
    int held;               /* consistent bars held in a row */
} level;

struct keel_clean {
    int n;
    level *levels; /* owned */
};

keel_clean *keel_clean_new(int n)
{
    KEEL_ASSERT(n >= 1);
    keel_clean *clean = keel_xcalloc(1, sizeof *clean);
    clean->n = n;
    clean->levels = keel_xcalloc((size_t)n, sizeof *clean->levels);
    return clean;
}

void keel_clean_free(keel_clean **clean)
{
    if (*clean == NULL)
        return;
    keel_free(&(*clean)->levels);
    keel_free(clean);
}

static bool contradicts(const keel_bar *bar)
{
    if (bar->open_units == 0 && bar->high_units == 0 && bar->low_units == 0)
        return false;
    return bar->low_units <= 0 || bar->low_units > bar->open_units ||
           bar->low_units > bar->close_units || bar->high_units < bar->open_units ||
           bar->high_units < bar->close_units;
}

/* The extremes say it for all four prices. */
static bool bar_jumps(const keel_bar *bar, int64_t from_units)
{
    if (bar->high_units == 0)
        return keel_clean_is_jump(bar->close_units, from_units);
    return keel_clean_is_jump(bar->high_units, from_units) ||
           keel_clean_is_jump(bar->low_units, from_units);
}

keel_verdict keel_clean_on_bar(keel_clean *clean, int instrument, const keel_bar *bar)
{
    KEEL_ASSERT(instrument >= 0 && instrument < clean->n && bar->close_units > 0);
    level *l = &clean->levels[instrument];
    if (contradicts(bar))
        return KEEL_VERDICT_REFUSED;
    if (l->accepted_units != 0 && bar_jumps(bar, l->accepted_units)) {
        const bool consistent = l->held > 0 && !keel_clean_is_jump(bar->close_units, l->held_units);
        l->held = consistent ? l->held + 1 : 1;
        l->held_units = bar->close_units;
        if (l->held < KEEL_CLEAN_PROOF)
            return KEEL_VERDICT_HELD;
    }
    *l = (level){.accepted_units = bar->close_units};
    return KEEL_VERDICT_ACCEPTED;
}

int64_t keel_clean_accepted_units(const keel_clean *clean, int instrument)
{
    KEEL_ASSERT(instrument >= 0 && instrument < clean->n);
    return clean->levels[instrument].accepted_units;
}

/* Division keeps away from overflow: a >= 10 b is a / 10 >= b for whole b. */
bool keel_clean_is_jump(int64_t units, int64_t accepted_units)
{
    return units / KEEL_CLEAN_JUMP >= accepted_units || accepted_units / KEEL_CLEAN_JUMP >= units;
}
