/* read_file.h - a whole file, plain or gzip, or standard input.
 *
 * ROOM     services/workbench.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_READ_FILE_H
#define KEEL_SERVICES_WORKBENCH_READ_FILE_H

#include "common/base/status.h"

#include <stddef.h>

/* Read `path` ("-" = standard input), unzipped when it is gzip, into *text: NUL-terminated, owned
 * (keel_free). KEEL_ENOTFOUND, KEEL_EIO, KEEL_EFORMAT of damaged gzip data, KEEL_ETOOBIG past
 * bytes_max; *err names the file. */
KEEL_MUST_CHECK keel_status keel_file_read(const char *path, size_t bytes_max, char **text,
                                           size_t *len, keel_err *err);

#endif
