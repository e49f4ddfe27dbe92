/* pick.h - which columns of which files make the universe.
 *
 * ROOM     services/feed/engine: pure.
 * MODEL    All symbols of all files, or `assets` in the order given, without `exclude`. Every name
 *          asked for must be there, no symbol may come from two files, and what is picked must be a
 *          symbol (letters, digits, _:/@-.).
 * MEMORY   plain data in the caller's storage, pointing into the files.
 */
#ifndef KEEL_SERVICES_FEED_ENGINE_PICK_H
#define KEEL_SERVICES_FEED_ENGINE_PICK_H

#include "services/feed/engine/csv.h"

enum { KEEL_FEED_FILES_MAX = 64 };

typedef enum keel_stamp {
    KEEL_STAMP_AUTO,  /* open where a time of day is given, else the day closes at 24:00 UTC */
    KEEL_STAMP_OPEN,  /* the time is the bar's open */
    KEEL_STAMP_CLOSE, /* the time is the bar's close; a bare date closes at 24:00 UTC */
} keel_stamp;

/* What a person asked for. Borrowed names; empty assets = all. */
typedef struct keel_feed_choice {
    const char *const *assets;
    int assets_n;
    const char *const *exclude;
    int exclude_n;
    keel_stamp stamp;
} keel_feed_choice;

typedef struct keel_pick_item {
    int file;
    int symbol;       /* in that file */
    const char *name; /* borrowed from the file */
} keel_pick_item;

typedef struct keel_pick {
    int n;
    keel_pick_item items[KEEL_UNIVERSE_MAX];
} keel_pick;

/* Choose among files[files_n]. KEEL_EUNKNOWN a name that no file has (with the nearest),
 * KEEL_EEXIST a symbol in two files or asked for twice, KEEL_EINVAL a name that is no symbol,
 * KEEL_ENOTFOUND nothing left, KEEL_ETOOBIG more than KEEL_UNIVERSE_MAX; *err (may be NULL) names
 * it. */
KEEL_MUST_CHECK keel_status keel_pick_make(const keel_csv *const *files, int files_n,
                                           const keel_feed_choice *choice, keel_pick *pick,
                                           keel_err *err);

/* Put the picked symbols into the order of a universe. KEEL_EUNKNOWN a picked symbol that it does
 * not hold, KEEL_ENOTFOUND one of its instruments that is not picked; by name, *pick unchanged. */
KEEL_MUST_CHECK keel_status keel_pick_match(keel_pick *pick, const keel_universe *universe,
                                            keel_err *err);

#endif
