#include "common/keys/files_internal.h"

#include "common/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

keel_status files_fail(keel_err *err, keel_status status, const char *path, const char *why)
{
    return keel_err_set(err, status, "%.300s: %s", path, why);
}

bool keel_key_name_ok(const char *name)
{
    return keel_name_ok(name, KEEL_NAME_MAX) && name[0] != '.' && strchr(name, '/') == NULL;
}

keel_status files_path(const char *folder, const char *name, const char *suffix,
                       char out[FILES_PATH_MAX], keel_err *err)
{
    const int n = snprintf(out, FILES_PATH_MAX, "%s/%s%s", folder, name, suffix);
    return n > 0 && n < FILES_PATH_MAX ? KEEL_OK
                                       : files_fail(err, KEEL_ETOOBIG, folder, "is too long");
}

static keel_status status_of(int error)
{
    if (error == ENOENT)
        return KEEL_ENOTFOUND;
    return error == EMFILE || error == ENFILE || error == ENOMEM ? KEEL_EUNAVAIL : KEEL_EIO;
}

/* Without waiting: a pipe that somebody put here would keep everybody outside. */
keel_status files_read(const char *path, bool is_secret, char text[FILES_TEXT_MAX], size_t *len,
                       keel_err *err)
{
    struct stat facts;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return files_fail(err, status_of(errno), path, strerror(errno));
    ssize_t n = -1;
    const bool is_file = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
    if (is_file)
        n = read(fd, text, FILES_TEXT_MAX);
    close(fd);
    if (!is_file)
        return files_fail(err, KEEL_EFORMAT, path, "is not a file");
    if (n < 0)
        return files_fail(err, KEEL_EIO, path, "cannot be read");
    if (n == FILES_TEXT_MAX)
        return files_fail(err, KEEL_ETOOBIG, path, "is too large to be a key or its rights");
    if (is_secret && (facts.st_mode & 077) != 0)
        return files_fail(err, KEEL_EREFUSED, path, "others may read this secret; chmod 600 it");
    text[n] = '\0';
    *len = (size_t)n;
    return KEEL_OK;
}

bool files_keys(char *text, int lines, char out[][KEEL_KEY_TEXT])
{
    uint8_t raw[32];
    for (int i = 0; i < lines; i++) {
        const char *line = strsep(&text, "\n");
        if (line == NULL || strlen(line) != KEEL_KEY_TEXT - 1 || zmq_z85_decode(raw, line) == NULL)
            return false;
        memcpy(out[i], line, KEEL_KEY_TEXT);
    }
    return true;
}

/* A new file, whole or not at all: written beside its place and linked there, which fails with
 * KEEL_EEXIST where one is. */
static keel_status write_new(const char *path, mode_t mode, const char *text, keel_err *err)
{
    char beside[FILES_PATH_MAX + 8];
    snprintf(beside, sizeof beside, "%s.%d", path, (int)getpid());
    const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return files_fail(err, KEEL_EIO, beside, strerror(errno));
    const size_t len = strlen(text);
    const bool written = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    close(fd);
    const bool linked = written && link(beside, path) == 0;
    const int error = errno;
    unlink(beside);
    if (linked)
        return KEEL_OK;
    return files_fail(err, error == EEXIST ? KEEL_EEXIST : KEEL_EIO, path,
                      written ? strerror(error) : "cannot be written");
}

static keel_status write_public(const char *folder, const char *name, const char *key,
                                keel_err *err)
{
    char path[FILES_PATH_MAX], text[KEEL_KEY_TEXT + 1];
    snprintf(text, sizeof text, "%s\n", key);
    KEEL_TRY(files_path(folder, name, FILES_PUBLIC, path, err));
    return write_new(path, 0644, text, err);
}

/* A new pair, its secret on disk. */
static keel_status make_pair(const char *folder, const char *name, keel_key_pair *pair,
                             keel_err *err)
{
    char path[FILES_PATH_MAX], text[2 * KEEL_KEY_TEXT + 1];
    KEEL_TRY(files_path(folder, name, FILES_SECRET, path, err));
    if (zmq_curve_keypair(pair->public_key, pair->secret_key) != 0)
        return files_fail(err, KEEL_EIO, path, "libzmq has no CURVE");
    snprintf(text, sizeof text, "%s\n%s\n", pair->public_key, pair->secret_key);
    const keel_status status = write_new(path, 0600, text, err);
    explicit_bzero(text, sizeof text);
    return status;
}

static keel_status read_pair(const char *path, keel_key_pair *pair, keel_err *err)
{
    char text[FILES_TEXT_MAX], keys[2][KEEL_KEY_TEXT];
    size_t len;
    KEEL_TRY(files_read(path, true, text, &len, err));
    const bool sound = files_keys(text, 2, keys);
    explicit_bzero(text, sizeof text);
    if (!sound)
        return files_fail(err, KEEL_EFORMAT, path, "is not a z85 key of 40 characters a line");
    memcpy(pair->public_key, keys[0], KEEL_KEY_TEXT);
    memcpy(pair->secret_key, keys[1], KEEL_KEY_TEXT);
    explicit_bzero(keys, sizeof keys);
    return KEEL_OK;
}

keel_status keel_keys_folder(const char *folder, keel_err *err)
{
    char parent[FILES_PATH_MAX];
    KEEL_TRY(keel_text_copy(parent, sizeof parent, folder) == KEEL_OK
                 ? KEEL_OK
                 : files_fail(err, KEEL_ETOOBIG, folder, "is too long"));
    char *slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent) {
        *slash = '\0';
        if (mkdir(parent, 0700) != 0 && errno != EEXIST)
            return files_fail(err, KEEL_EIO, parent, strerror(errno));
    }
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return files_fail(err, KEEL_EIO, folder, strerror(errno));
    return KEEL_OK;
}

keel_status keel_key_pair_have(const char *folder, const char *name, keel_key_pair *pair,
                               keel_err *err)
{
    char secret[FILES_PATH_MAX], public[FILES_PATH_MAX];
    KEEL_TRY(files_path(folder, name, FILES_SECRET, secret, err));
    KEEL_TRY(files_path(folder, name, FILES_PUBLIC, public, err));
    if (access(secret, F_OK) != 0) {
        unlink(public); /* it would not fit the new secret */
        KEEL_TRY(make_pair(folder, name, pair, err));
    } else {
        KEEL_TRY(read_pair(secret, pair, err));
    }
    return access(public, F_OK) == 0 ? KEEL_OK : write_public(folder, name, pair->public_key, err);
}

static keel_status refuse_known(const char *folder, const char *name, keel_err *err)
{
    static const char *const suffixes[] = {FILES_PUBLIC, FILES_SECRET, FILES_RIGHTS};
    char path[FILES_PATH_MAX];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        KEEL_TRY(files_path(folder, name, suffixes[i], path, err));
        if (access(path, F_OK) == 0)
            return files_fail(err, KEEL_EEXIST, path,
                              "is there already; revoke it, or take "
                              "another name");
    }
    return KEEL_OK;
}

keel_status keel_key_add(const char *folder, const char *name, bool is_operator, keel_err *err)
{
    char rights[FILES_PATH_MAX];
    keel_key_pair pair;
    if (!keel_key_name_ok(name) || strcmp(name, KEEL_KEY_DOOR) == 0)
        return keel_err_set(err, KEEL_EINVAL,
                            "\"%.60s\" cannot name a key: 1 to %d letters, digits and _:@-., not "
                            "the door's own name",
                            name, KEEL_NAME_MAX - 1);
    KEEL_TRY(refuse_known(folder, name, err));
    KEEL_TRY(files_path(folder, name, FILES_RIGHTS, rights, err));
    KEEL_TRY(make_pair(folder, name, &pair, err));
    keel_status status = KEEL_OK;
    if (is_operator && strcmp(name, KEEL_KEY_OPERATOR) != 0)
        status = write_new(rights, 0600, "operator\n", err);
    if (status == KEEL_OK)
        status = write_public(folder, name, pair.public_key, err);
    explicit_bzero(&pair, sizeof pair);
    return status;
}

keel_status keel_key_revoke(const char *folder, const char *name, keel_err *err)
{
    static const char *const suffixes[] = {FILES_PUBLIC, FILES_RIGHTS, FILES_SECRET};
    char path[FILES_PATH_MAX];
    if (!keel_key_name_ok(name) || strcmp(name, KEEL_KEY_DOOR) == 0)
        return keel_err_set(err, KEEL_ENOTFOUND, "no client has a key named \"%.60s\"", name);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        KEEL_TRY(files_path(folder, name, suffixes[i], path, err));
        if (unlink(path) == 0)
            continue;
        if (errno != ENOENT)
            return files_fail(err, KEEL_EIO, path, strerror(errno));
        if (i == 0)
            return files_fail(err, KEEL_ENOTFOUND, path, "is not there: nobody has this key");
    }
    return KEEL_OK;
}
