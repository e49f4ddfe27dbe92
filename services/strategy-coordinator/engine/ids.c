#include "common/base/assert.h"
#include "services/strategy-coordinator/engine/coordinator_internal.h"

#include <string.h>

enum { SEQ_BITS = 48 };

void coordinator_ids_init(coordinator_ids *ids, int strategies_n)
{
    const size_t n = strategies_n > 0 ? (size_t)strategies_n : 1;
    const size_t share = KEEL_COORDINATOR_IDS_MAX / n;
    ids->cap = (uint32_t)(share < KEEL_OUTBOX_MAX ? share : KEEL_OUTBOX_MAX);
    ids->slots_n = ids->cap + ids->cap / 3 + 1; /* three quarters full at most */
    ids->ages_n = (ids->cap + COORDINATOR_AGE_IDS - 1) / COORDINATOR_AGE_IDS;
    ids->hashes = keel_xcalloc(n * ids->cap, sizeof *ids->hashes);
    ids->seq_low = keel_xcalloc(n * ids->cap, sizeof *ids->seq_low);
    ids->seq_high = keel_xcalloc(n * ids->cap, sizeof *ids->seq_high);
    ids->slots = keel_xcalloc(n * ids->slots_n, sizeof *ids->slots);
    ids->ages = keel_xcalloc(n * ids->ages_n, sizeof *ids->ages);
    ids->rings = keel_xcalloc(n, sizeof *ids->rings);
}

void coordinator_ids_fini(coordinator_ids *ids)
{
    keel_free(&ids->hashes);
    keel_free(&ids->seq_low);
    keel_free(&ids->seq_high);
    keel_free(&ids->slots);
    keel_free(&ids->ages);
    keel_free(&ids->rings);
}

/* The parts of one strategy. */
typedef struct table {
    uint32_t cap;
    uint32_t slots_n;
    uint64_t *hashes;
    uint32_t *seq_low;
    uint16_t *seq_high;
    uint16_t *slots;
    coordinator_age *ages;
    coordinator_ring *ring;
} table;

static table table_of(const coordinator_ids *ids, int strategy)
{
    const size_t s = (size_t)strategy, first = s * ids->cap;
    return (table){ids->cap,
                   ids->slots_n,
                   ids->hashes + first,
                   ids->seq_low + first,
                   ids->seq_high + first,
                   ids->slots + s * ids->slots_n,
                   ids->ages + s * ids->ages_n,
                   ids->rings + s};
}

/* The high half decides, so that any number of slots does. */
static uint32_t home_of(const table *t, uint64_t hash)
{
    return (uint32_t)(((hash >> 32) * t->slots_n) >> 32);
}

static uint32_t after(const table *t, uint32_t slot)
{
    return slot + 1 == t->slots_n ? 0 : slot + 1;
}

/* The slot that holds the hash, or the free one where the search ends. */
static uint32_t slot_of(const table *t, uint64_t hash)
{
    uint32_t slot = home_of(t, hash);
    while (t->slots[slot] != 0 && t->hashes[t->slots[slot] - 1] != hash)
        slot = after(t, slot);
    return slot;
}

static uint64_t seq_at(const table *t, uint32_t place)
{
    return (uint64_t)t->seq_high[place] << 32 | t->seq_low[place];
}

uint64_t coordinator_ids_find(const coordinator_ids *ids, int strategy, uint64_t hash)
{
    const table t = table_of(ids, strategy);
    const uint32_t slot = slot_of(&t, hash);
    return t.slots[slot] == 0 ? 0 : seq_at(&t, t.slots[slot] - 1u);
}

/* Later members of the run move up when their home does not lie behind the hole. */
static void erase(const table *t, uint64_t hash)
{
    uint32_t hole = slot_of(t, hash);
    KEEL_ASSERT(t->slots[hole] != 0);
    for (uint32_t slot = after(t, hole); t->slots[slot] != 0; slot = after(t, slot)) {
        const uint32_t home = home_of(t, t->hashes[t->slots[slot] - 1]);
        const bool stays = hole < slot ? home > hole && home <= slot : home > hole || home <= slot;
        if (stays)
            continue;
        t->slots[hole] = t->slots[slot];
        hole = slot;
    }
    t->slots[hole] = 0;
}

static coordinator_age newer(coordinator_age a, coordinator_age b)
{
    return (coordinator_age){a.row_step > b.row_step ? a.row_step : b.row_step,
                             a.valid_until_ns > b.valid_until_ns ? a.valid_until_ns
                                                                 : b.valid_until_ns};
}

static void write_at(const table *t, uint32_t place, uint64_t hash, uint64_t decision_seq)
{
    t->hashes[place] = hash;
    t->seq_low[place] = (uint32_t)decision_seq;
    t->seq_high[place] = (uint16_t)(decision_seq >> 32);
    t->slots[slot_of(t, hash)] = (uint16_t)(place + 1);
}

void coordinator_ids_add(coordinator_ids *ids, int strategy, uint64_t hash, uint64_t decision_seq,
                         coordinator_age age)
{
    const table t = table_of(ids, strategy);
    coordinator_ring *ring = t.ring;
    const uint32_t place = ring->next, group = place / COORDINATOR_AGE_IDS;
    KEEL_ASSERT(decision_seq >> SEQ_BITS == 0);
    if (ring->n == t.cap) {
        erase(&t, t.hashes[place]);
        ring->n--;
    }
    if (place % COORDINATOR_AGE_IDS == 0) { /* the group begins anew: its old ids are going */
        ring->floor = newer(ring->floor, t.ages[group]);
        t.ages[group] = (coordinator_age){0, 0};
    }
    write_at(&t, place, hash, decision_seq);
    t.ages[group] = newer(t.ages[group], age);
    ring->n++;
    ring->next = place + 1 == t.cap ? 0 : place + 1;
}

bool coordinator_ids_is_forgotten(const coordinator_ids *ids, int strategy, coordinator_age age)
{
    const coordinator_age floor = ids->rings[strategy].floor;
    return age.row_step > 0 ? age.row_step < floor.row_step
                            : age.valid_until_ns > 0 && age.valid_until_ns < floor.valid_until_ns;
}

/* Groups that the next n ids begin anew: what their old ids say of age is lost with the first. */
static bool loses_age(const table *t, uint32_t n)
{
    uint32_t place = t->ring->next;
    for (uint32_t i = 0; i < n;) {
        const uint32_t into = place % COORDINATOR_AGE_IDS;
        const coordinator_age *age = &t->ages[place / COORDINATOR_AGE_IDS];
        if (into == 0 && (age->row_step > 0 || age->valid_until_ns > 0))
            return true;
        const uint32_t to_group = COORDINATOR_AGE_IDS - into, to_end = t->cap - place;
        const uint32_t step = to_group < to_end ? to_group : to_end;
        i += step;
        place = step == to_end ? 0 : place + step;
    }
    return false;
}

static uint32_t oldest_place(const table *t)
{
    return (t->ring->next + t->cap - t->ring->n) % t->cap;
}

bool coordinator_ids_may_forget(const coordinator_ids *ids, int strategy, uint64_t hash, uint32_t n)
{
    const table t = table_of(ids, strategy);
    const uint32_t going = t.ring->n + n > t.cap ? t.ring->n + n - t.cap : 0;
    const uint32_t slot = slot_of(&t, hash);
    if (loses_age(&t, n))
        return true;
    return t.slots[slot] != 0 && (t.slots[slot] - 1u + t.cap - oldest_place(&t)) % t.cap < going;
}

/* ---- snapshot: a ring from its oldest id on, numbers as differences ---- */

static void pack_varint(keel_packer *p, uint64_t value)
{
    while (value >= 0x80) {
        keel_pack_u8(p, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    keel_pack_u8(p, (uint8_t)value);
}

static uint64_t unpack_varint(keel_unpacker *u)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = keel_unpack_u8(u);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    u->failed = true;
    return 0;
}

static void pack_age(keel_packer *p, coordinator_age age)
{
    keel_pack_u64(p, age.row_step);
    keel_pack_i64(p, age.valid_until_ns);
}

static coordinator_age unpack_age(keel_unpacker *u)
{
    const uint64_t row_step = keel_unpack_u64(u);
    return (coordinator_age){row_step, keel_unpack_i64(u)};
}

void coordinator_ids_save(keel_packer *p, const coordinator_ids *ids, int strategy)
{
    const table t = table_of(ids, strategy);
    uint64_t last = 0;
    keel_pack_u32(p, t.ring->n);
    keel_pack_u32(p, t.ring->next);
    pack_age(p, t.ring->floor);
    for (uint32_t i = 0, place = oldest_place(&t); i < t.ring->n; i++) {
        const uint64_t seq = seq_at(&t, place);
        keel_pack_u64(p, t.hashes[place]);
        pack_varint(p, seq - last);
        last = seq;
        place = place + 1 == t.cap ? 0 : place + 1;
    }
    for (uint32_t i = 0; t.ring->n > 0 && i < ids->ages_n; i++)
        pack_age(p, t.ages[i]);
}

/* Into an empty table. */
void coordinator_ids_load(keel_unpacker *u, coordinator_ids *ids, int strategy, uint64_t last_seq)
{
    const table t = table_of(ids, strategy);
    coordinator_ring *ring = t.ring;
    uint64_t last = 0;
    ring->n = keel_unpack_u32(u);
    ring->next = keel_unpack_u32(u);
    ring->floor = unpack_age(u);
    if (u->failed || ring->n > t.cap || ring->next >= t.cap ||
        (ring->n < t.cap && ring->next != ring->n)) { /* a ring is not left before it is full */
        u->failed = true;
        return;
    }
    for (uint32_t i = 0, place = oldest_place(&t); i < ring->n && !u->failed; i++) {
        const uint64_t hash = keel_unpack_u64(u), step = unpack_varint(u);
        if (step == 0 || step > last_seq - last || coordinator_ids_find(ids, strategy, hash) != 0) {
            u->failed = true;
            return;
        }
        last += step;
        write_at(&t, place, hash, last);
        place = place + 1 == t.cap ? 0 : place + 1;
    }
    for (uint32_t i = 0; ring->n > 0 && i < ids->ages_n; i++)
        t.ages[i] = unpack_age(u);
}
