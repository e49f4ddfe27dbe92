/* files.h - price files from disk, plain or gzip, parsed.
 *
 * ROOM     services/feed, app side: the one place that opens price files. keel-feed and the
 *          `data check` of keel-backtest use it.
 * MEMORY   keel_feed_files_open takes everything; end with keel_feed_files_close.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_FEED_FILES_H
#define KEEL_SERVICES_FEED_FILES_H

#include "services/feed/engine/pick.h"

typedef struct keel_feed_files {
    int n;
    const keel_csv *csvs[KEEL_FEED_FILES_MAX]; /* owned */
    keel_complaints complaints;                /* of reading them */
} keel_feed_files;

/* Read a whole file, unzipped when it is gzip, into *text (owned: keel_free). KEEL_ENOTFOUND and
 * KEEL_EIO as the system says, KEEL_EFORMAT gzip data that is cut short or damaged, KEEL_ETOOBIG
 * past KEEL_CSV_BYTES_MAX; *err (may be NULL) names the file. */
KEEL_MUST_CHECK keel_status keel_feed_read_text(const char *path, char **text, size_t *len,
                                                keel_err *err);

/* Read and parse paths[n]. KEEL_EINVAL n outside 1..KEEL_FEED_FILES_MAX; as above; as keel_csv_new.
 * Nothing stays open on refusal. */
KEEL_MUST_CHECK keel_status keel_feed_files_open(const char *const *paths, int n,
                                                 keel_feed_files *files, keel_err *err);
void keel_feed_files_close(keel_feed_files *files);

#endif
