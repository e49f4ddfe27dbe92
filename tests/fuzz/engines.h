/* engines.h - every engine that has a snapshot, with valid inputs for some steps.
 *
 * ROOM     tests/fuzz. A small market is run once through the chain of real engines, and what they
 *          say is kept on a tape; an engine under test is then given what its twin in that chain
 *          was given.
 */
#ifndef KEEL_TESTS_FUZZ_ENGINES_H
#define KEEL_TESTS_FUZZ_ENGINES_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_STEPS = 16, FUZZ_ENGINES = 10, FUZZ_SNAPSHOT_MAX = 1 << 20 };

typedef struct fuzz_engine {
    const char *name;
    void *(*make)(void);
    void (*drop)(void *engine);
    keel_status (*save)(const void *engine, uint8_t *buf, size_t cap, size_t *len);
    keel_status (*load)(void *engine, const uint8_t *buf, size_t len);
    /* The inputs of step k, 1..FUZZ_STEPS. An engine may refuse them (its own time is later); what
     * it makes goes through the codec. */
    void (*step)(void *engine, int k);
} fuzz_engine;

extern const fuzz_engine fuzz_engines[FUZZ_ENGINES];

/* Run the chain; before any step(). */
void fuzz_record(void);

#endif
