#include "services/cli/key_files.h"

#include "common/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { KEY_TEXT = 41, PATH_BYTES = 640 };

static keel_status write_lines(const char *path, mode_t mode, const char *first, const char *second,
                               keel_err *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return keel_err_set(err, KEEL_EIO, "%.400s: %s", path, strerror(errno));
    const int n =
        second != NULL ? dprintf(fd, "%s\n%s\n", first, second) : dprintf(fd, "%s\n", first);
    const bool written = n > 0 && fsync(fd) == 0;
    close(fd);
    if (!written)
        return keel_err_set(err, KEEL_EIO, "%.400s: cannot be written", path);
    return KEEL_OK;
}

/* The public key is written last: whoever finds it finds a whole pair. */
keel_status keel_key_file_have(const char *folder, const char *name, keel_err *err)
{
    char secret[PATH_BYTES], public[PATH_BYTES], keys[2][KEY_TEXT];
    snprintf(secret, sizeof secret, "%s/%s.secret", folder, name);
    snprintf(public, sizeof public, "%s/%s.public", folder, name);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return keel_err_set(err, KEEL_EIO, "%.400s: %s", folder, strerror(errno));
    if (access(secret, F_OK) == 0 && access(public, F_OK) == 0)
        return KEEL_OK;
    unlink(secret);
    unlink(public);
    if (zmq_curve_keypair(keys[0], keys[1]) != 0)
        return keel_err_set(err, KEEL_EIO, "%.400s: libzmq has no CURVE", secret);
    KEEL_TRY(write_lines(secret, 0600, keys[0], keys[1], err));
    return write_lines(public, 0644, keys[0], NULL, err);
}
