#include "common/base/mem.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

Test(mem, blocks_are_zeroed_and_never_null)
{
    unsigned char *p = keel_xcalloc(1000, 3);
    for (size_t i = 0; i < 3000; i++)
        cr_assert_eq(p[i], 0);
    keel_free(&p);
    cr_assert_null(p);
    keel_free(&p);
    p = keel_xcalloc(0, 8);
    cr_assert_not_null(p);
    keel_free(&p);
    p = keel_xcalloc(8, 0);
    cr_assert_not_null(p);
    keel_free(&p);
}

Test(mem, overflow_of_the_size_ends_the_process, .signal = SIGABRT)
{
    void *p = keel_xcalloc(SIZE_MAX / 2, 3);
    keel_free(&p);
}

Test(mem, arena_pieces_are_zeroed_aligned_and_apart)
{
    keel_arena arena;
    keel_arena_init(&arena, 1024);
    for (int round = 0; round < 2; round++) {
        unsigned char *last_end = NULL;
        for (size_t size = 1; size <= 33; size += 8) {
            unsigned char *p = keel_arena_take(&arena, size, 1);
            cr_assert_not_null(p);
            cr_assert_eq((uintptr_t)p % 16, 0);
            cr_assert(last_end == NULL || p >= last_end);
            for (size_t i = 0; i < size; i++)
                cr_assert_eq(p[i], 0, "round %d", round);
            memset(p, 0xaa, size);
            last_end = p + size;
        }
        keel_arena_reset(&arena);
        cr_assert_eq(arena.used, 0);
    }
    keel_arena_fini(&arena);
    cr_assert_null(arena.base);
    keel_arena_fini(&arena);
}

Test(mem, arena_says_when_it_is_full_and_keeps_its_peak)
{
    keel_arena arena;
    keel_arena_init(&arena, 100);
    cr_assert_not_null(keel_arena_take(&arena, 90, 1)); /* 96 with its padding */
    cr_assert_null(keel_arena_take(&arena, 5, 1));
    cr_assert_not_null(keel_arena_take(&arena, 4, 1)); /* the last piece needs no padding */
    cr_assert_null(keel_arena_take(&arena, 1, 1));
    cr_assert_eq(arena.peak, 100);
    keel_arena_reset(&arena);
    cr_assert_eq(arena.peak, 100);
    cr_assert_not_null(keel_arena_take(&arena, 1, 100));
    keel_arena_reset(&arena);
    cr_assert_null(keel_arena_take(&arena, SIZE_MAX / 2, 3)); /* the product overflows */
    cr_assert_null(keel_arena_take(&arena, 1, 101));
    cr_assert_eq(arena.used, 0);
    keel_arena_fini(&arena);
}
