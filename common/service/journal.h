/* journal.h - what a process took in and gave out, in order, so that it can be run again (J1, J2).
 *
 * ROOM     common/service.
 * SHAPE    A file of records: u32 length, u32 CRC32C of what follows, u8 kind, bytes. Frames are
 *          topic and envelope. Each start or rewind begins a segment that holds the state it starts
 *          from. keel_journal_flush is one write(2); it comes before the outputs leave.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_SERVICE_JOURNAL_H
#define KEEL_COMMON_SERVICE_JOURNAL_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef enum keel_journal_kind {
    KEEL_JOURNAL_SEGMENT = 1, /* service, run id, epoch, step done, mode, state bytes */
    KEEL_JOURNAL_OPEN,        /* step, requests taken (as Request payloads with their ids) */
    KEEL_JOURNAL_INPUT,       /* frame handed to a handler */
    KEEL_JOURNAL_CLOSED,      /* line entry number, step */
    KEEL_JOURNAL_PASSED,      /* line entry number, step: gone on without it (live) */
    KEEL_JOURNAL_STEP,        /* on_step of this step */
    KEEL_JOURNAL_HELD,        /* frame that the log held and that was published instead */
    KEEL_JOURNAL_OUTPUT,      /* frame published */
    KEEL_JOURNAL_RECALLED, /* frame of an old step, published again from the service's own store */
    KEEL_JOURNAL_OWN,      /* frame folded from one's own records at a start (live) */
    KEEL_JOURNAL_DECIDE,   /* the desk's decide, in this step */
    KEEL_JOURNAL_GAVE_UP,  /* an answer did not come (live) */
    KEEL_JOURNAL_DEADMAN,  /* the dead-man rule: mode, step (live) */
    KEEL_JOURNAL_RESTAGED, /* frame of the open step, published again as the log holds it (live) */
} keel_journal_kind;

typedef struct keel_journal keel_journal;

/* Append to {dir}/{service}.journal, made when absent. A last record that was cut off is removed,
 * so that what follows can be read. KEEL_EIO with *err. */
KEEL_MUST_CHECK keel_journal *keel_journal_open(const char *dir, const char *service,
                                                keel_err *err);
void keel_journal_close(keel_journal **journal);

/* Queue a record; NULL journals take nothing. */
void keel_journal_put(keel_journal *journal, keel_journal_kind kind, const uint8_t *data,
                      size_t len);
void keel_journal_put_frame(keel_journal *journal, keel_journal_kind kind, const char *topic,
                            const uint8_t *frame, size_t len);
void keel_journal_put_step(keel_journal *journal, keel_journal_kind kind, uint64_t step,
                           uint32_t entry);

/* Write what is queued. KEEL_EIO: the disk refuses; the caller degrades and tries again. */
KEEL_MUST_CHECK keel_status keel_journal_flush(keel_journal *journal);

/* ---- reading ---- */
typedef struct keel_journal_reader keel_journal_reader;

typedef struct keel_journal_record {
    keel_journal_kind kind;
    const uint8_t *data; /* valid until the next call */
    size_t len;
    uint64_t at; /* offset in the file, for complaints */
} keel_journal_record;

KEEL_MUST_CHECK keel_journal_reader *keel_journal_read(const char *path, keel_err *err);
void keel_journal_reader_free(keel_journal_reader **reader);

/* Next record: KEEL_EEND at the end (also after a record that was cut off by a kill), KEEL_EFORMAT
 * for a bad CRC or length in the middle. */
KEEL_MUST_CHECK keel_status keel_journal_next(keel_journal_reader *reader,
                                              keel_journal_record *record);

/* Split a frame record. KEEL_EFORMAT. */
KEEL_MUST_CHECK keel_status keel_journal_frame(const keel_journal_record *record,
                                               const char **topic, const uint8_t **frame,
                                               size_t *len);

#endif
