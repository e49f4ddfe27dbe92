#include "common/service/journal.h"

#include "common/base/assert.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 8, RECORD_MAX = 64 << 20 };

struct keel_journal {
    int fd;
    uint8_t *buf; /* owned; grows to the largest step */
    size_t len;
    size_t cap;
    size_t written; /* of buf, when a write was short */
};

/* Where the last whole record ends: a kill, or a full disk, cuts one off, and what is written
 * behind it could not be read. Only heads are looked at, for a journal may be long. */
static keel_status whole_records(int fd, uint64_t *end)
{
    uint64_t at = 0;
    struct stat file;
    if (fstat(fd, &file) != 0)
        return KEEL_EIO;
    const uint64_t size = (uint64_t)file.st_size;
    *end = 0;
    if (size == 0)
        return KEEL_OK;
    const uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return KEEL_EIO;
    while (size - at >= HEAD) {
        keel_unpacker u = keel_unpacker_over(bytes + at, HEAD);
        const uint32_t len = keel_unpack_u32(&u);
        if (len < 1 || len > RECORD_MAX || len > size - at - HEAD)
            break;
        at += HEAD + len;
    }
    munmap((void *)(uintptr_t)bytes, size);
    *end = at;
    return KEEL_OK;
}

keel_journal *keel_journal_open(const char *dir, const char *service, keel_err *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.journal", dir, service) >= (int)sizeof path) {
        (void)keel_err_set(err, KEEL_ETOOBIG, "journal path too long: %s", dir);
        return NULL;
    }
    uint64_t end = 0;
    const int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || whole_records(fd, &end) != KEEL_OK || ftruncate(fd, (off_t)end) != 0) {
        (void)keel_err_set(err, KEEL_EIO, "cannot open %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    keel_journal *j = keel_xcalloc(1, sizeof *j);
    j->fd = fd;
    return j;
}

void keel_journal_close(keel_journal **journal)
{
    if (*journal == NULL)
        return;
    const keel_status lost = keel_journal_flush(*journal); /* nobody is left to tell */
    (void)lost;
    close((*journal)->fd);
    free((*journal)->buf);
    keel_free(journal);
}

static uint8_t *room(keel_journal *j, size_t len)
{
    if (j->len + len > j->cap) {
        while (j->cap < j->len + len)
            j->cap = j->cap > 0 ? 2 * j->cap : 1 << 16;
        j->buf = realloc(j->buf, j->cap);
        KEEL_ASSERT(j->buf != NULL);
    }
    uint8_t *at = j->buf + j->len;
    j->len += len;
    return at;
}

/* Length and CRC go before a body of kind and bytes that is already in place. */
static void seal(uint8_t *head, size_t body)
{
    keel_packer p = keel_packer_over(head, HEAD);
    keel_pack_u32(&p, (uint32_t)body);
    keel_pack_u32(&p, keel_crc32c(0, head + HEAD, body));
}

void keel_journal_put(keel_journal *journal, keel_journal_kind kind, const uint8_t *data,
                      size_t len)
{
    if (journal == NULL)
        return;
    uint8_t *at = room(journal, HEAD + 1 + len);
    at[HEAD] = (uint8_t)kind;
    if (len > 0)
        memcpy(at + HEAD + 1, data, len);
    seal(at, 1 + len);
}

void keel_journal_put_frame(keel_journal *journal, keel_journal_kind kind, const char *topic,
                            const uint8_t *frame, size_t len)
{
    if (journal == NULL)
        return;
    const size_t topic_len = strlen(topic) + 1;
    uint8_t *at = room(journal, HEAD + 1 + topic_len + len);
    at[HEAD] = (uint8_t)kind;
    memcpy(at + HEAD + 1, topic, topic_len);
    memcpy(at + HEAD + 1 + topic_len, frame, len);
    seal(at, 1 + topic_len + len);
}

void keel_journal_put_step(keel_journal *journal, keel_journal_kind kind, uint64_t step,
                           uint32_t entry)
{
    uint8_t body[12];
    keel_packer p = keel_packer_over(body, sizeof body);
    keel_pack_u64(&p, step);
    keel_pack_u32(&p, entry);
    keel_journal_put(journal, kind, body, sizeof body);
}

keel_status keel_journal_flush(keel_journal *journal)
{
    if (journal == NULL)
        return KEEL_OK;
    while (journal->written < journal->len) {
        const ssize_t n =
            write(journal->fd, journal->buf + journal->written, journal->len - journal->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return KEEL_EIO;
        journal->written += (size_t)n;
    }
    journal->len = 0;
    journal->written = 0;
    return KEEL_OK;
}

struct keel_journal_reader {
    FILE *in;
    uint8_t *buf; /* owned */
    size_t cap;
    uint64_t at;
};

keel_journal_reader *keel_journal_read(const char *path, keel_err *err)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        (void)keel_err_set(err, KEEL_EIO, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    keel_journal_reader *r = keel_xcalloc(1, sizeof *r);
    r->in = in;
    return r;
}

void keel_journal_reader_free(keel_journal_reader **reader)
{
    if (*reader == NULL)
        return;
    fclose((*reader)->in);
    free((*reader)->buf);
    keel_free(reader);
}

keel_status keel_journal_next(keel_journal_reader *reader, keel_journal_record *record)
{
    uint8_t head[HEAD];
    if (fread(head, 1, HEAD, reader->in) != HEAD)
        return KEEL_EEND;
    keel_unpacker u = keel_unpacker_over(head, HEAD);
    const uint32_t len = keel_unpack_u32(&u);
    const uint32_t crc = keel_unpack_u32(&u);
    if (len < 1 || len > RECORD_MAX)
        return KEEL_EFORMAT;
    if (len > reader->cap) {
        reader->buf = realloc(reader->buf, len);
        KEEL_ASSERT(reader->buf != NULL);
        reader->cap = len;
    }
    if (fread(reader->buf, 1, len, reader->in) != len)
        return KEEL_EEND;
    if (keel_crc32c(0, reader->buf, len) != crc)
        return KEEL_EFORMAT;
    *record = (keel_journal_record){(keel_journal_kind)reader->buf[0], reader->buf + 1, len - 1,
                                    reader->at};
    reader->at += HEAD + len;
    return KEEL_OK;
}

keel_status keel_journal_frame(const keel_journal_record *record, const char **topic,
                               const uint8_t **frame, size_t *len)
{
    const uint8_t *end = memchr(record->data, 0, record->len);
    if (end == NULL)
        return KEEL_EFORMAT;
    *topic = (const char *)record->data;
    *frame = end + 1;
    *len = record->len - (size_t)(end + 1 - record->data);
    return KEEL_OK;
}
