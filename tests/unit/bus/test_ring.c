/* P1: the ring of one's own outputs. */
#include "common/bus/ring.h"

#include <criterion/criterion.h>
#include <string.h>

static void add_step(keel_ring *r, uint64_t step, size_t len)
{
    uint8_t body[64] = {0};
    body[0] = (uint8_t)step;
    keel_ring_begin(r, step);
    keel_ring_add(r, "v1.a.", body, len);
    keel_ring_add(r, "v1.step.x.", body, 1);
}

Test(ring, gives_back_frames_in_order)
{
    keel_ring *r = keel_ring_new(8, 4096);
    cr_assert(keel_ring_is_empty(r));
    add_step(r, 5, 10);
    add_step(r, 6, 20);
    cr_assert_eq(keel_ring_oldest(r), 5);
    cr_assert_eq(keel_ring_newest(r), 6);
    cr_assert_eq(keel_ring_count(r, 6), 2);
    size_t at = 0;
    const keel_ring_frame a = keel_ring_next(r, 6, &at);
    const keel_ring_frame b = keel_ring_next(r, 6, &at);
    cr_assert_str_eq(a.topic, "v1.a.");
    cr_assert_eq(a.len, 20);
    cr_assert_eq(a.frame[0], 6);
    cr_assert_str_eq(b.topic, "v1.step.x.");
    cr_assert_eq(b.len, 1);
    cr_assert_eq(keel_ring_count(r, 4), 0);
    cr_assert_eq(keel_ring_count(r, 7), 0);
    keel_ring_free(&r);
    cr_assert_null(r);
}

Test(ring, drops_the_oldest_beyond_its_steps)
{
    keel_ring *r = keel_ring_new(3, 4096);
    for (uint64_t k = 1; k <= 10; k++)
        add_step(r, k, 8);
    cr_assert_eq(keel_ring_oldest(r), 8);
    cr_assert_eq(keel_ring_newest(r), 10);
    size_t at = 0;
    cr_assert_eq(keel_ring_next(r, 8, &at).frame[0], 8);
    keel_ring_free(&r);
}

Test(ring, drops_the_oldest_beyond_its_bytes_but_keeps_the_newest_whole)
{
    keel_ring *r = keel_ring_new(100, 200);
    for (uint64_t k = 1; k <= 20; k++)
        add_step(r, k, 40);
    cr_assert_leq(keel_ring_bytes(r), 200);
    cr_assert_eq(keel_ring_newest(r), 20);
    cr_assert_eq(keel_ring_count(r, 20), 2);
    keel_ring_clear(r);
    cr_assert(keel_ring_is_empty(r));
    cr_assert_eq(keel_ring_bytes(r), 0);
    add_step(r, 99, 8);
    cr_assert_eq(keel_ring_oldest(r), 99);
    keel_ring_free(&r);
}
