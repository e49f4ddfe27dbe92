/* power_cut.h - what a power cut would have left of a process's files.
 *
 * ROOM     tests/support. kill -9 leaves what was written and not synced in the page cache; a power
 *          cut does not. The library power_cut.c, loaded into a process by LD_PRELOAD, notes in a
 *          mapped file (KEEL_SYNCED) how much of each file was on disk when fsync or fdatasync
 *          returned; after a kill the rest is cut off.
 */
#ifndef KEEL_TESTS_SUPPORT_POWER_CUT_H
#define KEEL_TESTS_SUPPORT_POWER_CUT_H

#include <stdint.h>

enum { KEEL_SYNCED_MAX = 512 };

typedef struct keel_synced {
    uint64_t inode; /* 0 = free */
    int64_t size;   /* bytes that are on disk */
} keel_synced;

#endif
