/* ids.h - the newest ids that were applied, so that none is applied twice.
 *
 * ROOM     services/ledger/engine: pure. Ids are kept as 64-bit hashes, the newest KEEL_IDS_MAX of
 *          them; all older ones are in the store, which the app asks too.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_LEDGER_ENGINE_IDS_H
#define KEEL_SERVICES_LEDGER_ENGINE_IDS_H

#include <stdbool.h>
#include <stdint.h>

enum { KEEL_IDS_MAX = 4096, KEEL_IDS_TABLE = 2 * KEEL_IDS_MAX };

typedef struct keel_ids {
    uint64_t ring[KEEL_IDS_MAX];
    uint64_t added;                 /* ever; the newest is at (added - 1) % KEEL_IDS_MAX */
    uint64_t table[KEEL_IDS_TABLE]; /* open addressing; 0 = empty */
} keel_ids;

/* Hash of an id, never 0. */
uint64_t keel_ids_hash(const char *id);

bool keel_ids_has(const keel_ids *ids, uint64_t hash);

/* Add one that is not there; the oldest is forgotten when full. */
void keel_ids_add(keel_ids *ids, uint64_t hash);

#endif
