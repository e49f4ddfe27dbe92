#include "common/client/outbox_file.h"

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/base/text.h"
#include "common/wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_BYTES = 1024,
    HEAD_BYTES = 12, /* of a record: u32 length, u32 kind, u32 CRC of the two */
    TAIL_BYTES = 4,  /* u32 CRC of head and payload */
    PAYLOAD_MAX = KEEL_SIGNAL_BYTES_MAX,
    RECORD_MAX = HEAD_BYTES + PAYLOAD_MAX + TAIL_BYTES,
    FILE_MAX = 64 << 20,
    COMPACT_BYTES = 1 << 20, /* smaller files are left as they are */
    ARENA_BYTES = 32 << 10,
};

#define MAGIC "keel outbox 1"

typedef enum record_kind { IS_HEAD = 1, IS_SIGNAL, IS_DROP, IS_EPOCH } record_kind;

struct keel_outbox_file {
    char path[PATH_BYTES];
    char strategy[KEEL_NAME_MAX];
    int fd;
    int lock;
    off_t size;
    off_t compacted; /* size after the last rewriting */
    uint64_t put;
    uint64_t dropped;
    int64_t epoch_ns;
    bool dirty;  /* a signal or an epoch was put since the last sync */
    bool broken; /* the file cannot be trusted to hold what is put */
    uint8_t record[RECORD_MAX];
};

/* ---- records ---- */

static size_t make_record(uint8_t out[RECORD_MAX], record_kind kind, const uint8_t *payload,
                          size_t len)
{
    keel_packer p = keel_packer_over(out, RECORD_MAX);
    keel_pack_u32(&p, (uint32_t)len);
    keel_pack_u32(&p, (uint32_t)kind);
    keel_pack_u32(&p, keel_crc32c(0, out, 8));
    keel_pack_bytes(&p, payload, len);
    keel_pack_u32(&p, keel_crc32c(0, out, HEAD_BYTES + len));
    return p.len;
}

static size_t make_head(uint8_t out[RECORD_MAX], const char *strategy, uint64_t base)
{
    uint8_t payload[128];
    keel_packer p = keel_packer_over(payload, sizeof payload);
    keel_pack_str(&p, MAGIC);
    keel_pack_str(&p, strategy);
    keel_pack_u64(&p, base);
    return make_record(out, IS_HEAD, payload, p.len);
}

static size_t make_number(uint8_t out[RECORD_MAX], record_kind kind, uint64_t value)
{
    uint8_t payload[8];
    keel_packer p = keel_packer_over(payload, sizeof payload);
    keel_pack_u64(&p, value);
    return make_record(out, kind, payload, p.len);
}

/* ---- reading ---- */

typedef struct reader {
    const uint8_t *data;
    size_t len;
    const char *strategy;
    keel_arena arena;
    keel_outbox_scan *scan;
    uint64_t from; /* signals after this one are handed over */
    keel_outbox_found found;
    void *arg;
    keel_err *err;
} reader;

static bool is_blank(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != 0)
            return false;
    return true;
}

static keel_status damaged(const reader *r, const char *what)
{
    return keel_err_set(r->err, KEEL_EFORMAT, "damaged at byte %zu: %s", r->scan->end, what);
}

static keel_status read_signal(reader *r, const uint8_t *payload, size_t len)
{
    keel_signal signal;
    keel_arena_reset(&r->arena);
    if (keel_wire_get_signal(&r->arena, payload, len, &signal) != KEEL_OK)
        return damaged(r, "is not a signal");
    if (strcmp(signal.strategy, r->strategy) != 0)
        return damaged(r, "a signal of another strategy");
    r->scan->put++;
    if (r->found != NULL && r->scan->put > r->from)
        r->found(r->arg, &signal);
    return KEEL_OK;
}

static keel_status read_head(reader *r, keel_unpacker *u)
{
    char magic[sizeof MAGIC], strategy[KEEL_NAME_MAX];
    keel_unpack_str(u, magic, sizeof magic);
    keel_unpack_str(u, strategy, sizeof strategy);
    const uint64_t base = keel_unpack_u64(u);
    if (keel_unpacker_done(u) != KEEL_OK || strcmp(magic, MAGIC) != 0)
        return damaged(r, "is not the head of an outbox");
    if (strcmp(strategy, r->strategy) != 0)
        return keel_err_set(r->err, KEEL_EUNKNOWN,
                            "is the outbox of strategy \"%s\", not of \"%s\"", strategy,
                            r->strategy);
    r->scan->base = r->scan->put = r->scan->dropped = base;
    return KEEL_OK;
}

static keel_status read_record(reader *r, uint32_t kind, const uint8_t *payload, size_t len)
{
    keel_unpacker u = keel_unpacker_over(payload, len);
    if ((kind == IS_HEAD) != (r->scan->end == 0))
        return damaged(r, "the head is not at the start");
    if (kind == IS_HEAD)
        return read_head(r, &u);
    if (kind == IS_SIGNAL)
        return read_signal(r, payload, len);
    const uint64_t value = keel_unpack_u64(&u);
    if (keel_unpacker_done(&u) != KEEL_OK)
        return damaged(r, "a number of other length");
    if (kind == IS_DROP && value >= r->scan->dropped && value <= r->scan->put)
        r->scan->dropped = value;
    else if (kind == IS_EPOCH && value >= 1 && value <= INT64_MAX)
        r->scan->epoch_ns = (int64_t)value;
    else
        return damaged(r, "a number that cannot be");
    return KEEL_OK;
}

/* Read the record at scan->end; KEEL_EEND at the end, or where a killed process left the beginning
 * of a record: the last bytes of the file, or bytes that the disk never got. */
static keel_status take_record(reader *r)
{
    const uint8_t *at = r->data + r->scan->end;
    const size_t left = r->len - r->scan->end;
    keel_unpacker u = keel_unpacker_over(at, left);
    if (left < HEAD_BYTES || is_blank(at, left))
        return KEEL_EEND;
    const uint32_t len = keel_unpack_u32(&u);
    const uint32_t kind = keel_unpack_u32(&u);
    if (keel_unpack_u32(&u) != keel_crc32c(0, at, 8) || len > PAYLOAD_MAX)
        return damaged(r, r->scan->end == 0 ? "is not an outbox" : "no record begins here");
    const size_t whole = HEAD_BYTES + (size_t)len + TAIL_BYTES;
    if (whole > left)
        return KEEL_EEND;
    u.at = HEAD_BYTES + (size_t)len;
    if (keel_unpack_u32(&u) != keel_crc32c(0, at, HEAD_BYTES + (size_t)len))
        return whole == left ? KEEL_EEND : damaged(r, "the record is not what was written");
    KEEL_TRY(read_record(r, kind, at + HEAD_BYTES, len));
    r->scan->end += whole;
    return KEEL_OK;
}

/* A process killed while it made the file left the beginning of a head: anything else that is as
 * short is somebody's file, and must not be overwritten. */
static keel_status check_unborn(reader *r)
{
    uint8_t head[RECORD_MAX];
    const size_t n = make_head(head, r->strategy, 0);
    if (r->len > n || memcmp(head, r->data, r->len) != 0)
        return damaged(r, "is not an outbox");
    return KEEL_OK;
}

static keel_status read_all(reader *r)
{
    keel_status status;
    *r->scan = (keel_outbox_scan){0};
    keel_arena_init(&r->arena, ARENA_BYTES);
    do
        status = take_record(r);
    while (status == KEEL_OK);
    if (status == KEEL_EEND)
        status = r->scan->end == 0 && r->len > 0 ? check_unborn(r) : KEEL_OK;
    if (status == KEEL_OK && r->scan->put - r->scan->dropped > KEEL_OUTBOX_MAX)
        status = keel_err_set(r->err, KEEL_ETOOBIG, "more than %d signals wait", KEEL_OUTBOX_MAX);
    keel_arena_fini(&r->arena);
    return status;
}

keel_status keel_outbox_file_scan(const uint8_t *data, size_t len, const char *strategy,
                                  keel_outbox_scan *scan, keel_err *err)
{
    reader r = {.data = data, .len = len, .strategy = strategy, .scan = scan, .err = err};
    return read_all(&r);
}

/* ---- the file ---- */

static bool write_all(int fd, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        const ssize_t n = write(fd, data + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static bool read_whole(int fd, uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        const ssize_t n = pread(fd, data + at, len - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static keel_status append(keel_outbox_file *f, size_t len)
{
    if (f->broken)
        return KEEL_EIO;
    if (write_all(f->fd, f->record, len)) {
        f->size += (off_t)len;
        return KEEL_OK;
    }
    f->broken = ftruncate(f->fd, f->size) != 0;
    return KEEL_EIO;
}

/* A new name is durable when its folder is. */
static bool sync_folder(const char *path)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    const int len = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    snprintf(folder, sizeof folder, "%.*s", len, slash == NULL ? "." : path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool done = fsync(fd) == 0;
    close(fd);
    return done;
}

static keel_status lock_it(keel_outbox_file *f, keel_err *err)
{
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s.lock", f->path) >= (int)sizeof path)
        return keel_err_set(err, KEEL_ETOOBIG, "%.200s: the path is too long", f->path);
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock < 0)
        return keel_err_set(err, KEEL_EIO, "%.300s: %s", path, strerror(errno));
    if (flock(f->lock, LOCK_EX | LOCK_NB) != 0)
        return keel_err_set(err, KEEL_EEXIST, "%.300s: another process has this outbox", f->path);
    return KEEL_OK;
}

/* What lies in the file: its bytes, to be freed, and the scan of them. */
static keel_status load(keel_outbox_file *f, uint8_t **data, keel_outbox_scan *scan, keel_err *err)
{
    keel_err why = {0};
    struct stat facts;
    if (fstat(f->fd, &facts) != 0)
        return keel_err_set(err, KEEL_EIO, "%.300s: %s", f->path, strerror(errno));
    if (facts.st_size > FILE_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%.300s: larger than %d MiB", f->path,
                            FILE_MAX >> 20);
    *data = keel_xcalloc((size_t)facts.st_size + 1, 1);
    if (!read_whole(f->fd, *data, (size_t)facts.st_size))
        return keel_err_set(err, KEEL_EIO, "%.300s: %s", f->path, strerror(errno));
    f->size = facts.st_size;
    const keel_status status =
        keel_outbox_file_scan(*data, (size_t)facts.st_size, f->strategy, scan, &why);
    return status == KEEL_OK ? KEEL_OK
                             : keel_err_set(err, status, "%.300s: %.120s", f->path, why.text);
}

/* Cut off what a killed process left half written; write the head of a new file. */
static keel_status make_whole(keel_outbox_file *f, const keel_outbox_scan *scan, keel_err *err)
{
    bool done = true;
    if ((off_t)scan->end < f->size)
        done = ftruncate(f->fd, (off_t)scan->end) == 0;
    f->size = (off_t)scan->end;
    if (done && scan->end == 0)
        done = append(f, make_head(f->record, f->strategy, 0)) == KEEL_OK &&
               fdatasync(f->fd) == 0 && sync_folder(f->path);
    return done ? KEEL_OK : keel_err_set(err, KEEL_EIO, "%.300s: %s", f->path, strerror(errno));
}

static keel_status open_it(keel_outbox_file *f, keel_outbox_found found, void *arg, keel_err *err)
{
    uint8_t *data = NULL;
    keel_outbox_scan scan;
    KEEL_TRY(lock_it(f, err));
    f->fd = open(f->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (f->fd < 0)
        return keel_err_set(err, KEEL_EIO, "%.300s: %s", f->path, strerror(errno));
    keel_status status = load(f, &data, &scan, err);
    if (status == KEEL_OK)
        status = make_whole(f, &scan, err);
    if (status == KEEL_OK) {
        f->put = scan.put;
        f->dropped = scan.dropped;
        f->epoch_ns = scan.epoch_ns;
        reader again = {.data = data,
                        .len = scan.end,
                        .strategy = f->strategy,
                        .scan = &scan,
                        .from = scan.dropped,
                        .found = found,
                        .arg = arg};
        status = read_all(&again);
    }
    keel_free(&data);
    return status;
}

keel_outbox_file *keel_outbox_file_open(const char *path, const char *strategy,
                                        keel_outbox_found found, void *arg, keel_err *err)
{
    keel_outbox_file *f = keel_xcalloc(1, sizeof *f);
    f->fd = f->lock = -1;
    keel_status status = keel_text_copy(f->strategy, sizeof f->strategy, strategy);
    if (status == KEEL_OK)
        status = keel_text_copy(f->path, sizeof f->path, path);
    if (status != KEEL_OK)
        (void)keel_err_set(err, status, "outbox: path or strategy: too long");
    if (status == KEEL_OK)
        status = open_it(f, found, arg, err);
    if (status != KEEL_OK)
        keel_outbox_file_close(&f);
    return f;
}

void keel_outbox_file_close(keel_outbox_file **file)
{
    keel_outbox_file *f = *file;
    if (f == NULL)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->lock >= 0)
        close(f->lock);
    keel_free(file);
}

int64_t keel_outbox_file_epoch_ns(const keel_outbox_file *file)
{
    return file->epoch_ns;
}

keel_status keel_outbox_file_begin(keel_outbox_file *f, int64_t epoch_ns)
{
    KEEL_TRY(append(f, make_number(f->record, IS_EPOCH, (uint64_t)epoch_ns)));
    f->epoch_ns = epoch_ns;
    f->dirty = true;
    return keel_outbox_file_sync(f);
}

keel_status keel_outbox_file_put(keel_outbox_file *f, const keel_signal *signal)
{
    uint8_t payload[PAYLOAD_MAX];
    size_t len;
    KEEL_TRY(keel_wire_put_signal(signal, payload, sizeof payload, &len));
    KEEL_TRY(append(f, make_record(f->record, IS_SIGNAL, payload, len)));
    f->put++;
    f->dirty = true;
    return KEEL_OK;
}

keel_status keel_outbox_file_sync(keel_outbox_file *f)
{
    if (f->broken)
        return KEEL_EIO;
    if (!f->dirty)
        return KEEL_OK;
    /* After a failure the kernel may call pages clean that are not on the disk: no second try. */
    f->broken = fdatasync(f->fd) != 0;
    f->dirty = f->broken;
    return f->broken ? KEEL_EIO : KEEL_OK;
}

/* ---- writing it anew ---- */

typedef struct copying {
    int fd;
    off_t size;
    bool failed;
    uint8_t record[RECORD_MAX];
} copying;

static void copy_record(copying *to, size_t len)
{
    to->failed = to->failed || !write_all(to->fd, to->record, len);
    to->size += (off_t)len;
}

static void copy_signal(void *arg, const keel_signal *signal)
{
    copying *to = arg;
    uint8_t payload[PAYLOAD_MAX];
    size_t len;
    if (keel_wire_put_signal(signal, payload, sizeof payload, &len) != KEEL_OK)
        to->failed = true;
    else
        copy_record(to, make_record(to->record, IS_SIGNAL, payload, len));
}

static bool copy_waiting(const keel_outbox_file *f, const uint8_t *data, copying *to)
{
    keel_outbox_scan scan;
    reader r = {.data = data,
                .len = (size_t)f->size,
                .strategy = f->strategy,
                .scan = &scan,
                .from = f->dropped,
                .found = copy_signal,
                .arg = to};
    copy_record(to, make_head(to->record, f->strategy, f->dropped));
    if (f->epoch_ns > 0)
        copy_record(to, make_number(to->record, IS_EPOCH, (uint64_t)f->epoch_ns));
    return read_all(&r) == KEEL_OK && !to->failed && fdatasync(to->fd) == 0;
}

/* The old file stays in force when anything of this fails. */
static void compact(keel_outbox_file *f)
{
    char path[PATH_BYTES + 8];
    copying *to = keel_xcalloc(1, sizeof *to);
    uint8_t *data = keel_xcalloc((size_t)f->size, 1);
    snprintf(path, sizeof path, "%s.new", f->path);
    to->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (to->fd >= 0 && read_whole(f->fd, data, (size_t)f->size) && copy_waiting(f, data, to) &&
        rename(path, f->path) == 0) {
        close(f->fd);
        f->fd = to->fd;
        f->size = to->size;
        f->dirty = false;
        f->broken = !sync_folder(f->path); /* else what is put from now on might not be found */
    } else if (to->fd >= 0) {
        close(to->fd);
        unlink(path);
    }
    f->compacted = f->size;
    keel_free(&data);
    keel_free(&to);
}

keel_status keel_outbox_file_drop(keel_outbox_file *f, uint64_t n)
{
    if (n > f->put - f->dropped)
        return KEEL_EINVAL;
    KEEL_TRY(append(f, make_number(f->record, IS_DROP, f->dropped + n)));
    f->dropped += n;
    if (f->size >= COMPACT_BYTES && f->size >= 2 * f->compacted)
        compact(f);
    return KEEL_OK;
}
