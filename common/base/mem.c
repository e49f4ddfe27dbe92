#include "common/base/mem.h"

#include "common/base/assert.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *keel_xcalloc_at(size_t n, size_t size, const char *file, int line)
{
    size_t bytes;
    /* asked here and not left to calloc, which a sanitizer replaces with its own way to end */
    const bool fits = !__builtin_mul_overflow(n, size, &bytes);
    void *p = fits ? calloc(bytes > 0 ? bytes : 1, 1) : NULL;
    if (p == NULL) {
        fprintf(stderr, "keel: out of memory: %s:%d: %zu x %zu bytes\n", file, line, n, size);
        abort();
    }
    return p;
}

void keel_free_at(void *p_of_p)
{
    void *p;
    memcpy(&p, p_of_p, sizeof p);
    free(p);
    p = NULL;
    memcpy(p_of_p, &p, sizeof p);
}

void keel_arena_init(keel_arena *arena, size_t size)
{
    arena->base = keel_xcalloc(size, 1);
    arena->size = size;
    arena->used = 0;
    arena->peak = 0;
}

void keel_arena_fini(keel_arena *arena)
{
    keel_free(&arena->base);
    arena->size = 0;
    arena->used = 0;
}

void *keel_arena_take(keel_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > arena->size - arena->used)
        return NULL;
    void *p = arena->base + arena->used;
    memset(p, 0, bytes);
    const size_t rounded = (bytes + 15) & ~(size_t)15;
    arena->used = rounded > arena->size - arena->used ? arena->size : arena->used + rounded;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
    return p;
}

void keel_arena_reset(keel_arena *arena)
{
    arena->used = 0;
}
