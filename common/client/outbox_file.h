/* outbox_file.h - an outbox that outlives its process.
 *
 * ROOM     common/client: files. No socket, no clock.
 * SHAPE    Append-only: a head, then records {u32 length, u8 kind, bytes, u32 CRC32C of all before
 *          it}: the signals as they were published, "signals up to the n-th are acknowledged", and
 *          the epochs that were begun. One write(2) a record: a process killed at any byte leaves
 *          whole records and at most one cut one, which is dropped at the next start. Damage
 *          elsewhere is refused and named, never skipped. When little of it is still waiting the
 *          file is written anew beside itself and renamed over. Two processes cannot have one file:
 *          flock on FILE.lock, which ends with the process.
 * MEMORY   one buffer of a record.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_CLIENT_OUTBOX_FILE_H
#define KEEL_COMMON_CLIENT_OUTBOX_FILE_H

#include "common/domain/signal.h"

#include <stddef.h>
#include <stdint.h>

typedef struct keel_outbox_file keel_outbox_file;

/* Called for each signal that waits, oldest first; valid during the call. */
typedef void (*keel_outbox_found)(void *arg, const keel_signal *signal);

/* Open, making it when absent, and hand over what waits in it.
 *   KEEL_EEXIST    another process has it
 *   KEEL_EFORMAT   not an outbox, or damaged before its end; *err says where
 *   KEEL_EUNKNOWN  the outbox of another strategy
 *   KEEL_ETOOBIG   more waits than KEEL_OUTBOX_MAX
 *   KEEL_EIO       the system's reason in *err */
KEEL_MUST_CHECK keel_outbox_file *keel_outbox_file_open(const char *path, const char *strategy,
                                                        keel_outbox_found found, void *arg,
                                                        keel_err *err);
void keel_outbox_file_close(keel_outbox_file **file);

/* Newest epoch that was begun with this file; 0 = none. */
int64_t keel_outbox_file_epoch_ns(const keel_outbox_file *file);

/* Write down that this epoch begins. KEEL_EIO. */
KEEL_MUST_CHECK keel_status keel_outbox_file_begin(keel_outbox_file *file, int64_t epoch_ns);

/* Append a signal. KEEL_EIO: it is not in the file, which is as it was before. */
KEEL_MUST_CHECK keel_status keel_outbox_file_put(keel_outbox_file *file, const keel_signal *signal);

/* Make all that was put durable: fdatasync, unless nothing is new. KEEL_EIO is final. */
KEEL_MUST_CHECK keel_status keel_outbox_file_sync(keel_outbox_file *file);

/* The oldest n that wait are acknowledged. Not synced: what is lost of it is sent again and
 * recognised by signal_id. KEEL_EIO. */
KEEL_MUST_CHECK keel_status keel_outbox_file_drop(keel_outbox_file *file, uint64_t n);

/* The reader by itself, over bytes: what open() does without a file. *end = where the last whole
 * record ends. KEEL_EFORMAT, KEEL_EUNKNOWN, KEEL_ETOOBIG as above. Anything may stand in `data`. */
typedef struct keel_outbox_scan {
    uint64_t base;    /* signals before the first of this file */
    uint64_t put;     /* signals put so far, counted from the first file on */
    uint64_t dropped; /* acknowledged of them; base <= dropped <= put */
    int64_t epoch_ns;
    size_t end;
} keel_outbox_scan;

KEEL_MUST_CHECK keel_status keel_outbox_file_scan(const uint8_t *data, size_t len,
                                                  const char *strategy, keel_outbox_scan *scan,
                                                  keel_err *err);

#endif
