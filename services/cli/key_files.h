/* key_files.h - keys of clients in the folder of a run.
 *
 * ROOM     services/cli.
 */
#ifndef KEEL_SERVICES_CLI_KEY_FILES_H
#define KEEL_SERVICES_CLI_KEY_FILES_H

#include "common/base/status.h"

/* Make folder/NAME.secret (mode 0600: public and secret key, a line each) and folder/NAME.public
 * when the secret is absent; the folder too, mode 0700. KEEL_EIO with *err naming the file. */
KEEL_MUST_CHECK keel_status keel_key_file_have(const char *folder, const char *name, keel_err *err);

#endif
