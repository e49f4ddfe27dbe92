#include "common/keys/keys.h"

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/keys/files_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRIES_MAX = 8 * KEEL_KEYS_MAX };

/* What a folder is read into: the names first, then each key, in the order of names, so that of
 * two files with one key the same is refused every time. */
typedef struct reading {
    const char *folder;
    int n;
    char (*names)[KEEL_NAME_MAX]; /* KEEL_KEYS_MAX */
    char door[KEEL_KEY_TEXT];     /* "" = not known */
} reading;

static void refuse(keel_keys *keys, const keel_err *err)
{
    if (keys->refused_n++ == 0)
        keys->refused = *err;
}

/* True when `file` is NAME.public of a client, with its name. */
static bool is_client(const char *file, char name[KEEL_NAME_MAX], bool *name_ok)
{
    const size_t len = strlen(file), suffix = strlen(FILES_PUBLIC);
    if (len <= suffix || strcmp(file + len - suffix, FILES_PUBLIC) != 0 ||
        strcmp(file, KEEL_KEY_DOOR FILES_PUBLIC) == 0)
        return false;
    *name_ok = len - suffix < KEEL_NAME_MAX;
    if (*name_ok) {
        memcpy(name, file, len - suffix);
        name[len - suffix] = '\0';
        *name_ok = keel_key_name_ok(name);
    }
    return true;
}

static keel_status take_name(reading *r, keel_keys *keys, const char *file, keel_err *err)
{
    char name[KEEL_NAME_MAX], path[FILES_PATH_MAX];
    bool name_ok;
    if (!is_client(file, name, &name_ok))
        return KEEL_OK;
    KEEL_TRY(files_path(r->folder, file, "", path, err));
    if (!name_ok) {
        keel_err bad;
        (void)files_fail(&bad, KEEL_EINVAL, path,
                         "a key is named by 1 to 47 letters, digits and _:@-.");
        refuse(keys, &bad);
        return KEEL_OK;
    }
    if (r->n == KEEL_KEYS_MAX)
        return files_fail(err, KEEL_ETOOBIG, path, "more than 1024 keys");
    memcpy(r->names[r->n++], name, sizeof name);
    return KEEL_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static keel_status list_names(reading *r, keel_keys *keys, keel_err *err)
{
    keel_status status = KEEL_OK;
    int looked_at = 0;
    DIR *list = opendir(r->folder);
    if (list == NULL)
        return files_fail(err, KEEL_EIO, r->folder, strerror(errno));
    errno = 0;
    for (struct dirent *entry; status == KEEL_OK && (entry = readdir(list)) != NULL; errno = 0) {
        status = take_name(r, keys, entry->d_name, err);
        if (status == KEEL_OK && ++looked_at > ENTRIES_MAX)
            status = files_fail(err, KEEL_ETOOBIG, r->folder, "holds more than 8192 files");
    }
    if (status == KEEL_OK && errno != 0)
        status = files_fail(err, KEEL_EIO, r->folder, strerror(errno));
    closedir(list);
    qsort(r->names, (size_t)r->n, sizeof r->names[0], by_name);
    return status;
}

static keel_status read_public(const reading *r, const char *name, char out[KEEL_KEY_TEXT],
                               keel_err *err)
{
    char path[FILES_PATH_MAX], text[FILES_TEXT_MAX], key[1][KEEL_KEY_TEXT];
    size_t len;
    KEEL_TRY(files_path(r->folder, name, FILES_PUBLIC, path, err));
    KEEL_TRY(files_read(path, false, text, &len, err));
    if (!files_keys(text, 1, key))
        return files_fail(err, KEEL_EFORMAT, path, "is not a z85 key of 40 characters a line");
    memcpy(out, key[0], KEEL_KEY_TEXT);
    return KEEL_OK;
}

static keel_status read_rights(const reading *r, const char *name, keel_rights *out, keel_err *err)
{
    char path[FILES_PATH_MAX], text[FILES_TEXT_MAX];
    keel_err why;
    size_t len;
    KEEL_TRY(files_path(r->folder, name, FILES_RIGHTS, path, err));
    const keel_status status = files_read(path, false, text, &len, err);
    if (status == KEEL_ENOTFOUND) {
        keel_rights_default(name, out);
        return KEEL_OK;
    }
    KEEL_TRY(status);
    const keel_status read = keel_rights_read(text, len, out, &why);
    return read == KEEL_OK ? KEEL_OK : files_fail(err, read, path, why.text);
}

static int32_t *place_of(const keel_keys *keys, const char *public_key)
{
    const uint64_t hash = keel_hash(public_key, strlen(public_key));
    uint32_t at = (uint32_t)hash & (keys->slots - 1);
    while (keys->places[at] != 0 &&
           strcmp(keys->keys[keys->places[at] - 1].public_key, public_key) != 0)
        at = (at + 1) & (keys->slots - 1);
    return &keys->places[at];
}

/* One key with its rights; KEEL_EUNAVAIL when the system cannot read now, anything else is about
 * this key alone. */
static keel_status take_key(const reading *r, const char *name, keel_keys *keys, keel_err *err)
{
    char path[FILES_PATH_MAX];
    keel_key *key = &keys->keys[keys->n];
    KEEL_TRY(read_public(r, name, key->public_key, err));
    KEEL_TRY(read_rights(r, name, &key->rights, err));
    int32_t *place = place_of(keys, key->public_key);
    if (*place != 0 || strcmp(key->public_key, r->door) == 0) {
        KEEL_TRY(files_path(r->folder, name, FILES_PUBLIC, path, err));
        return files_fail(err, KEEL_EEXIST, path, "this key already has a name");
    }
    memcpy(key->name, name, KEEL_NAME_MAX);
    *place = ++keys->n;
    return KEEL_OK;
}

static keel_status take_keys(reading *r, keel_keys *keys, keel_err *err)
{
    keel_err bad = {0};
    if (read_public(r, KEEL_KEY_DOOR, r->door, &bad) != KEEL_OK)
        r->door[0] = '\0';
    for (int i = 0; i < r->n; i++) {
        const keel_status status = take_key(r, r->names[i], keys, &bad);
        if (status == KEEL_EUNAVAIL) {
            *err = bad;
            return status;
        }
        if (status != KEEL_OK && status != KEEL_ENOTFOUND) /* gone since the list was made */
            refuse(keys, &bad);
    }
    return KEEL_OK;
}

keel_keys *keel_keys_load(const char *folder, keel_err *err)
{
    reading r = {.folder = folder};
    keel_err why = {0};
    keel_keys *keys = keel_xcalloc(1, sizeof *keys);
    r.names = keel_xcalloc(KEEL_KEYS_MAX, sizeof *r.names);
    keel_status status = list_names(&r, keys, &why);
    if (status == KEEL_OK) {
        keys->keys = keel_xcalloc((size_t)r.n + 1, sizeof *keys->keys);
        for (keys->slots = 2; keys->slots < 2 * (uint32_t)r.n; keys->slots *= 2)
            ;
        keys->places = keel_xcalloc(keys->slots, sizeof *keys->places);
        status = take_keys(&r, keys, &why);
    }
    keel_free(&r.names);
    if (status != KEEL_OK) {
        keel_keys_free(&keys);
        if (err != NULL)
            *err = why;
    }
    return keys;
}

keel_keys *keel_keys_copy(const keel_keys *keys)
{
    keel_keys *copy = keel_xcalloc(1, sizeof *copy);
    *copy = *keys;
    copy->keys = keel_xcalloc((size_t)keys->n + 1, sizeof *copy->keys);
    copy->places = keel_xcalloc(keys->slots, sizeof *copy->places);
    memcpy(copy->keys, keys->keys, (size_t)keys->n * sizeof *copy->keys);
    memcpy(copy->places, keys->places, keys->slots * sizeof *copy->places);
    return copy;
}

void keel_keys_free(keel_keys **keys)
{
    if (*keys == NULL)
        return;
    keel_free(&(*keys)->keys);
    keel_free(&(*keys)->places);
    keel_free(keys);
}

const keel_key *keel_keys_find(const keel_keys *keys, const char *public_key)
{
    const int32_t place = *place_of(keys, public_key);
    return place != 0 ? &keys->keys[place - 1] : NULL;
}

static int to_name(const void *name, const void *key)
{
    return strcmp(name, ((const keel_key *)key)->name);
}

const keel_key *keel_keys_named(const keel_keys *keys, const char *name)
{
    return bsearch(name, keys->keys, (size_t)keys->n, sizeof *keys->keys, to_name);
}

/* ---- stamps ---- */

static uint64_t mix(uint64_t stamp, const char *name, const struct stat *facts)
{
    const uint64_t parts[] = {stamp,
                              keel_hash(name, strlen(name)),
                              (uint64_t)facts->st_ino,
                              (uint64_t)facts->st_size,
                              (uint64_t)facts->st_mtim.tv_sec,
                              (uint64_t)facts->st_mtim.tv_nsec,
                              (uint64_t)facts->st_ctim.tv_sec,
                              (uint64_t)facts->st_ctim.tv_nsec};
    return keel_hash(parts, sizeof parts);
}

uint64_t keel_keys_stamp(const char *folder, bool whole)
{
    struct stat facts;
    if (stat(folder, &facts) != 0)
        return 0;
    uint64_t stamp = mix(0, "", &facts);
    DIR *list = whole ? opendir(folder) : NULL;
    if (list == NULL)
        return whole ? 0 : stamp | 1;
    int looked_at = 0;
    for (struct dirent *entry; looked_at < ENTRIES_MAX && (entry = readdir(list)) != NULL;
         looked_at++)
        if (entry->d_name[0] != '.' && fstatat(dirfd(list), entry->d_name, &facts, 0) == 0)
            stamp = mix(stamp, entry->d_name, &facts);
    closedir(list);
    return stamp | 1;
}
