/* files_internal.h - the files of a folder of keys.
 *
 * ROOM     common/keys.
 */
#ifndef KEEL_COMMON_KEYS_FILES_INTERNAL_H
#define KEEL_COMMON_KEYS_FILES_INTERNAL_H

#include "common/keys/keys.h"

enum { FILES_PATH_MAX = 512, FILES_TEXT_MAX = KEEL_RIGHTS_BYTES_MAX + 1 };

#define FILES_PUBLIC ".public"
#define FILES_SECRET ".secret"
#define FILES_RIGHTS ".rights"

/* folder/name + suffix; KEEL_ETOOBIG. */
KEEL_MUST_CHECK keel_status files_path(const char *folder, const char *name, const char *suffix,
                                       char out[FILES_PATH_MAX], keel_err *err);

keel_status files_fail(keel_err *err, keel_status status, const char *path, const char *why);

/* A regular file whole, NUL-terminated. KEEL_ENOTFOUND, KEEL_ETOOBIG from FILES_TEXT_MAX bytes on,
 * KEEL_EFORMAT not a file, KEEL_EREFUSED `is_secret` and others may read it, KEEL_EUNAVAIL the
 * system has no descriptor or memory now, KEEL_EIO. */
KEEL_MUST_CHECK keel_status files_read(const char *path, bool is_secret, char text[FILES_TEXT_MAX],
                                       size_t *len, keel_err *err);

/* The first `lines` lines of text are keys: copy them. */
bool files_keys(char *text, int lines, char out[][KEEL_KEY_TEXT]);

#endif
