#include "services/workbench/read_file.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { BYTES_FIRST = 1 << 16 };

static gzFile open_file(const char *path)
{
    if (strcmp(path, "-") != 0)
        return gzopen(path, "rb");
    const int fd = dup(STDIN_FILENO);
    return fd >= 0 ? gzdopen(fd, "rb") : NULL;
}

static void grow(char **bytes, size_t len, size_t *cap)
{
    char *more = keel_xcalloc(2 * *cap, 1);
    memcpy(more, *bytes, len);
    keel_free(bytes);
    *bytes = more;
    *cap *= 2;
}

static keel_status refuse(gzFile in, const char *path, keel_err *err)
{
    int code;
    const int system = errno;
    const char *why = gzerror(in, &code);
    if (code == Z_ERRNO)
        return keel_err_set(err, KEEL_EIO, "%s: cannot be read: %s", path, strerror(system));
    return keel_err_set(err, KEEL_EFORMAT, "%s: damaged or cut short gzip data (%s)", path, why);
}

static keel_status read_all(gzFile in, const char *path, size_t bytes_max, char **bytes,
                            size_t *len, keel_err *err)
{
    size_t cap = BYTES_FIRST;
    for (*len = 0;;) {
        const int got = gzread(in, *bytes + *len, (unsigned)(cap - *len - 1));
        if (got < 0)
            return refuse(in, path, err);
        if (got == 0)
            break;
        *len += (size_t)got;
        if (*len > bytes_max)
            return keel_err_set(err, KEEL_ETOOBIG, "%s: more than %zu bytes", path, bytes_max);
        if (cap - *len < 2)
            grow(bytes, *len, &cap);
    }
    (*bytes)[*len] = '\0';
    int code;
    gzerror(in, &code); /* a stream that ends too early reads as 0 bytes and this */
    return code == Z_OK || code == Z_STREAM_END ? KEEL_OK : refuse(in, path, err);
}

keel_status keel_file_read(const char *path, size_t bytes_max, char **text, size_t *len,
                           keel_err *err)
{
    const char *shown = strcmp(path, "-") == 0 ? "standard input" : path;
    errno = 0;
    gzFile in = open_file(path);
    if (in == NULL)
        return keel_err_set(err, errno == ENOENT ? KEEL_ENOTFOUND : KEEL_EIO,
                            "%s: cannot be opened: %s", shown, strerror(errno));
    char *bytes = keel_xcalloc(BYTES_FIRST, 1);
    keel_status status = read_all(in, shown, bytes_max, &bytes, len, err);
    if (gzclose(in) != Z_OK && status == KEEL_OK)
        status = keel_err_set(err, KEEL_EFORMAT, "%s: damaged or cut short gzip data", shown);
    if (status == KEEL_OK)
        *text = bytes;
    else
        keel_free(&bytes);
    return status;
}
