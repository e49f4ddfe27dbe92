#include "services/relay/keys.h"

#include "common/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { KEY_CHARS = RELAY_KEY_TEXT - 1, PATH_BYTES = 512, FOLDER_BYTES = 128 };

static keel_status fail(keel_err *err, keel_status status, const char *path, const char *why)
{
    return keel_err_set(err, status, "%.300s: %s", path, why);
}

static bool key_ok(const char *key)
{
    uint8_t raw[32];
    return strlen(key) == KEY_CHARS && zmq_z85_decode(raw, key) != NULL;
}

static keel_status write_key(const char *path, int mode, const char *public_key,
                             const char *secret_key, keel_err *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return fail(err, KEEL_EIO, path, strerror(errno));
    const int n = secret_key != NULL ? dprintf(fd, "%s\n%s\n", public_key, secret_key)
                                     : dprintf(fd, "%s\n", public_key);
    const bool written = fsync(fd) == 0 && n > 0;
    close(fd);
    return written ? KEEL_OK : fail(err, KEEL_EIO, path, "cannot be written");
}

/* Read one key a line; `lines` of them have to be there. */
static keel_status read_key(const char *path, int lines, char out[2][RELAY_KEY_TEXT], keel_err *err)
{
    char text[128];
    struct stat facts;
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return fail(err, KEEL_EIO, path, strerror(errno));
    const bool private = fstat(fileno(in), &facts) == 0 && (facts.st_mode & 077) == 0;
    const size_t n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    if (lines == 2 && !private)
        return fail(err, KEEL_EREFUSED, path, "others may read this secret; chmod 600 it");
    text[n] = '\0';
    char *rest = text;
    for (int i = 0; i < lines; i++) {
        const char *line = strsep(&rest, "\n");
        if (line == NULL || !key_ok(line))
            return fail(err, KEEL_EFORMAT, path, "is not a z85 key of 40 characters a line");
        memcpy(out[i], line, RELAY_KEY_TEXT);
    }
    return KEEL_OK;
}

/* The pair called `name`, made when its secret is not there. */
static keel_status load_pair(const char *folder, const char *name, char out[2][RELAY_KEY_TEXT],
                             keel_err *err)
{
    char secret[PATH_BYTES], public[PATH_BYTES];
    snprintf(secret, sizeof secret, "%s/%s.secret", folder, name);
    snprintf(public, sizeof public, "%s/%s.public", folder, name);
    if (access(secret, F_OK) != 0) {
        if (zmq_curve_keypair(out[0], out[1]) != 0)
            return fail(err, KEEL_EIO, secret, "libzmq has no CURVE");
        unlink(public); /* it would not fit the new secret */
        KEEL_TRY(write_key(secret, 0600, out[0], out[1], err));
    }
    KEEL_TRY(read_key(secret, 2, out, err));
    if (access(public, F_OK) != 0)
        return write_key(public, 0644, out[0], NULL, err);
    return KEEL_OK;
}

static keel_status add_client(const char *folder, const char *file, relay_keys *keys, keel_err *err)
{
    char path[PATH_BYTES], read[2][RELAY_KEY_TEXT];
    const char *dot = strrchr(file, '.');
    const size_t len = dot != NULL ? (size_t)(dot - file) : 0;
    if (len == 0 || strcmp(dot, ".public") != 0 || strcmp(file, "door.public") == 0)
        return KEEL_OK;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (keys->n == RELAY_CLIENTS_MAX)
        return fail(err, KEEL_ETOOBIG, path, "more than 64 client keys");
    relay_client_key *client = &keys->clients[keys->n];
    if (len >= sizeof client->name)
        return fail(err, KEEL_ETOOBIG, path, "the name is longer than 47 bytes");
    memcpy(client->name, file, len);
    client->name[len] = '\0';
    if (!keel_name_ok(client->name, sizeof client->name))
        return fail(err, KEEL_EINVAL, path, "the name has other than letters, digits and _:@-.");
    KEEL_TRY(read_key(path, 1, read, err));
    const char *same = relay_keys_name(keys, read[0]);
    if (same != NULL || strcmp(read[0], keys->door_public) == 0)
        return fail(err, KEEL_EEXIST, path, "this key already has a name");
    memcpy(client->public_key, read[0], RELAY_KEY_TEXT);
    keys->n++;
    return KEEL_OK;
}

static keel_status add_clients(const char *folder, relay_keys *keys, keel_err *err)
{
    keel_status status = KEEL_OK;
    DIR *list = opendir(folder);
    if (list == NULL)
        return fail(err, KEEL_EIO, folder, strerror(errno));
    for (struct dirent *entry; status == KEEL_OK && (entry = readdir(list)) != NULL;)
        status = add_client(folder, entry->d_name, keys, err);
    closedir(list);
    return status;
}

keel_status relay_keys_load(const char *dir, relay_keys *keys, keel_err *err)
{
    char folder[FOLDER_BYTES], pair[2][RELAY_KEY_TEXT];
    memset(keys, 0, sizeof *keys);
    const int n = snprintf(folder, sizeof folder, "%s/keys", dir);
    if (n < 0 || (size_t)n >= sizeof folder)
        return fail(err, KEEL_ETOOBIG, dir, "the path is too long");
    if ((mkdir(dir, 0700) != 0 && errno != EEXIST) || (mkdir(folder, 0700) != 0 && errno != EEXIST))
        return fail(err, KEEL_EIO, folder, strerror(errno));
    KEEL_TRY(load_pair(folder, "operator", pair, err));
    KEEL_TRY(load_pair(folder, "door", pair, err));
    memcpy(keys->door_public, pair[0], RELAY_KEY_TEXT);
    memcpy(keys->door_secret, pair[1], RELAY_KEY_TEXT);
    return add_clients(folder, keys, err);
}

const char *relay_keys_name(const relay_keys *keys, const char *public_key)
{
    for (int i = 0; i < keys->n; i++)
        if (strcmp(keys->clients[i].public_key, public_key) == 0)
            return keys->clients[i].name;
    return NULL;
}

bool relay_keys_knows(const relay_keys *keys, const char *name)
{
    for (int i = 0; i < keys->n; i++)
        if (strcmp(keys->clients[i].name, name) == 0)
            return true;
    return false;
}
