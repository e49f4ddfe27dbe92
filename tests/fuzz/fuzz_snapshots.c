/* Any bytes as the snapshot of an engine (first byte: which). What load refuses leaves the engine
 * as it was, to the byte; what it takes is a state that save writes and load takes again, and with
 * which the engine goes on: valid inputs are taken or refused, and no assertion of it fails. */
#include "common/base/assert.h"
#include "tests/fuzz/engines.h"

#include <string.h>

enum { FIRST = 5, STEPS = 5 }; /* steps given after a load */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *engines[FUZZ_ENGINES], *twins[FUZZ_ENGINES];
static uint8_t fresh[FUZZ_ENGINES][FUZZ_SNAPSHOT_MAX], one[FUZZ_SNAPSHOT_MAX],
    two[FUZZ_SNAPSHOT_MAX];
static size_t fresh_len[FUZZ_ENGINES];

static void start(void)
{
    fuzz_record();
    for (int e = 0; e < FUZZ_ENGINES; e++) {
        const fuzz_engine *is = &fuzz_engines[e];
        engines[e] = is->make();
        twins[e] = is->make();
        KEEL_ASSERT(engines[e] != NULL && twins[e] != NULL);
        KEEL_ASSERT(is->save(engines[e], fresh[e], sizeof fresh[e], &fresh_len[e]) == KEEL_OK);
    }
}

static void same_snapshot(const fuzz_engine *is, const void *engine, const uint8_t *as, size_t len)
{
    size_t got;
    KEEL_ASSERT(is->save(engine, two, sizeof two, &got) == KEEL_OK);
    KEEL_ASSERT(got == len && memcmp(two, as, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (engines[0] == NULL)
        start();
    if (size < 1)
        return 0;
    const int e = data[0] % FUZZ_ENGINES;
    const fuzz_engine *is = &fuzz_engines[e];
    size_t len;
    KEEL_ASSERT(is->load(engines[e], fresh[e], fresh_len[e]) == KEEL_OK);
    const keel_status status = is->load(engines[e], data + 1, size - 1);
    if (status != KEEL_OK) {
        KEEL_ASSERT(status == KEEL_EFORMAT || status == KEEL_EVERSION || status == KEEL_EUNKNOWN);
        same_snapshot(is, engines[e], fresh[e], fresh_len[e]);
        return 0;
    }
    KEEL_ASSERT(is->save(engines[e], one, sizeof one, &len) == KEEL_OK);
    KEEL_ASSERT(is->load(twins[e], one, len) == KEEL_OK);
    same_snapshot(is, twins[e], one, len);
    for (int k = FIRST; k < FIRST + STEPS; k++)
        is->step(engines[e], k);
    KEEL_ASSERT(is->save(engines[e], one, sizeof one, &len) == KEEL_OK);
    return 0;
}
