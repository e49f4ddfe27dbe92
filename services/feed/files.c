#include "services/feed/files.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

enum { READ_BYTES_FIRST = 1 << 20 };

typedef struct text {
    char *bytes; /* owned */
    size_t len;
    size_t cap;
} text;

static void grow(text *t)
{
    const size_t cap = t->cap == 0 ? READ_BYTES_FIRST : t->cap * 2;
    char *bytes = keel_xcalloc(cap, 1);
    if (t->len > 0)
        memcpy(bytes, t->bytes, t->len);
    keel_free(&t->bytes);
    t->bytes = bytes;
    t->cap = cap;
}

static keel_status refuse_read(gzFile in, const char *path, keel_err *err)
{
    int code;
    const int system = errno;
    const char *why = gzerror(in, &code);
    if (code == Z_ERRNO)
        return keel_err_set(err, KEEL_EIO, "%s: cannot be read: %s", path, strerror(system));
    return keel_err_set(err, KEEL_EFORMAT, "%s: damaged or cut short gzip data (%s)", path, why);
}

static keel_status read_all(gzFile in, const char *path, text *t, keel_err *err)
{
    for (;;) {
        if (t->len == t->cap)
            grow(t);
        const int got = gzread(in, t->bytes + t->len, (unsigned)(t->cap - t->len));
        if (got < 0)
            return refuse_read(in, path, err);
        if (got == 0)
            break;
        t->len += (size_t)got;
        if (t->len > KEEL_CSV_BYTES_MAX)
            return keel_err_set(err, KEEL_ETOOBIG, "%s: more than %d bytes", path,
                                KEEL_CSV_BYTES_MAX);
    }
    int code;
    gzerror(in, &code); /* a stream that ends too early reads as 0 bytes and this */
    return code == Z_OK || code == Z_STREAM_END ? KEEL_OK : refuse_read(in, path, err);
}

keel_status keel_feed_read_text(const char *path, char **to, size_t *len, keel_err *err)
{
    text t = {NULL, 0, 0};
    errno = 0;
    gzFile in = gzopen(path, "rb");
    if (in == NULL)
        return keel_err_set(err, errno == ENOENT ? KEEL_ENOTFOUND : KEEL_EIO,
                            "%s: cannot be opened: %s", path, strerror(errno));
    keel_status status = read_all(in, path, &t, err);
    if (gzclose(in) != Z_OK && status == KEEL_OK)
        status = keel_err_set(err, KEEL_EFORMAT, "%s: damaged or cut short gzip data", path);
    if (status == KEEL_OK) {
        *to = t.bytes;
        *len = t.len;
        return KEEL_OK;
    }
    keel_free(&t.bytes);
    return status;
}

static keel_status open_one(const char *path, keel_feed_files *files, keel_err *err)
{
    keel_err inner = {.status = KEEL_OK};
    char *bytes;
    size_t len;
    KEEL_TRY(keel_feed_read_text(path, &bytes, &len, err));
    const keel_csv *csv = keel_csv_new(path, bytes, len, &files->complaints, &inner);
    keel_free(&bytes);
    if (csv == NULL)
        return keel_err_set(err, inner.status, "%s", inner.text);
    files->csvs[files->n++] = csv;
    return KEEL_OK;
}

keel_status keel_feed_files_open(const char *const *paths, int n, keel_feed_files *files,
                                 keel_err *err)
{
    memset(files, 0, sizeof *files);
    if (n < 1 || n > KEEL_FEED_FILES_MAX)
        return keel_err_set(err, KEEL_EINVAL, "%d price files; there must be 1 to %d", n,
                            KEEL_FEED_FILES_MAX);
    for (int i = 0; i < n; i++) {
        const keel_status status = open_one(paths[i], files, err);
        if (status != KEEL_OK) {
            keel_feed_files_close(files);
            return status;
        }
    }
    return KEEL_OK;
}

void keel_feed_files_close(keel_feed_files *files)
{
    for (int i = 0; i < files->n; i++) {
        keel_csv *csv = (keel_csv *)files->csvs[i];
        keel_csv_free(&csv);
    }
    files->n = 0;
}
