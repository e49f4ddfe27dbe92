#include "services/ledger/engine/ids.h"

#include "common/base/hash.h"

#include <string.h>

uint64_t keel_ids_hash(const char *id)
{
    const uint64_t hash = keel_hash(id, strlen(id));
    return hash != 0 ? hash : 1;
}

static uint64_t home(uint64_t hash)
{
    return hash % KEEL_IDS_TABLE;
}

/* Place of `hash`, or of the empty entry that ends its run. */
static uint64_t place(const keel_ids *ids, uint64_t hash)
{
    uint64_t i = home(hash);
    while (ids->table[i] != 0 && ids->table[i] != hash)
        i = (i + 1) % KEEL_IDS_TABLE;
    return i;
}

/* Take an entry out and move later ones of its run up, so that no search meets a false end
 * (Knuth, The Art of Computer Programming 3, section 6.4, algorithm R). */
static void forget(keel_ids *ids, uint64_t hash)
{
    uint64_t hole = place(ids, hash);
    for (uint64_t i = (hole + 1) % KEEL_IDS_TABLE; ids->table[i] != 0;
         i = (i + 1) % KEEL_IDS_TABLE) {
        const uint64_t from_home = (i - home(ids->table[i])) % KEEL_IDS_TABLE;
        const uint64_t from_hole = (i - hole) % KEEL_IDS_TABLE;
        if (from_home < from_hole)
            continue;
        ids->table[hole] = ids->table[i];
        hole = i;
    }
    ids->table[hole] = 0;
}

bool keel_ids_has(const keel_ids *ids, uint64_t hash)
{
    return ids->table[place(ids, hash)] != 0;
}

void keel_ids_add(keel_ids *ids, uint64_t hash)
{
    uint64_t *oldest = &ids->ring[ids->added % KEEL_IDS_MAX];
    if (ids->added >= KEEL_IDS_MAX)
        forget(ids, *oldest);
    *oldest = hash;
    ids->table[place(ids, hash)] = hash;
    ids->added++;
}
