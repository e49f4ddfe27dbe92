/* mem.h - the two ways to get memory: zeroed blocks that never fail, and arenas.
 *
 * ROOM     common/base.
 * MEMORY   keel_xcalloc aborts and names the call site when the system has none: a process that
 *          cannot hold its books must not go on. An arena hands out zeroed pieces of one block of
 *          fixed size and takes them all back at once; when it is full it says so (NULL).
 * THREADS  one thread per arena.
 */
#ifndef KEEL_COMMON_BASE_MEM_H
#define KEEL_COMMON_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed array of n elements of `size` bytes; never NULL (n * size = 0 gives a valid pointer);
 * overflow of n * size aborts. Owned: free with keel_free. */
void *keel_xcalloc_at(size_t n, size_t size, const char *file, int line);
#define keel_xcalloc(n, size) keel_xcalloc_at((n), (size), __FILE__, __LINE__)

/* Free what *p points to and set it to NULL. Safe on NULL and twice. */
#define keel_free(p) keel_free_at((void *)(p))
void keel_free_at(void *p_of_p);

typedef struct keel_arena {
    uint8_t *base; /* owned */
    size_t size;   /* bytes in all */
    size_t used;   /* bytes handed out */
    size_t peak;   /* most ever handed out, to size the next one by */
} keel_arena;

/* Take `size` bytes for *arena. End with keel_arena_fini. */
void keel_arena_init(keel_arena *arena, size_t size);
void keel_arena_fini(keel_arena *arena);

/* A zeroed piece, aligned to 16; NULL when it does not fit (count that and refuse the input).
 * Borrowed: valid until keel_arena_reset or keel_arena_fini. */
void *keel_arena_take(keel_arena *arena, size_t n, size_t size);
void keel_arena_reset(keel_arena *arena);

#endif
