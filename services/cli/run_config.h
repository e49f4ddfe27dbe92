/* run_config.h - the effective configuration of a run: a base file, its .local neighbour,
 * overrides.
 *
 * ROOM     services/cli. Merges YAML (or JSON) trees and writes the result; it knows no key and
 *          checks no value: services do, when they load the file, with file:line:column.
 * SHAPE    Maps merge key by key; a scalar or a list replaces what was there.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_CLI_RUN_CONFIG_H
#define KEEL_SERVICES_CLI_RUN_CONFIG_H

#include "common/base/status.h"

typedef struct keel_run_config keel_run_config;

/* Read a file. NULL and *err (may be NULL): KEEL_EIO, KEEL_EFORMAT with file:line:column. */
KEEL_MUST_CHECK keel_run_config *keel_run_config_read(const char *path, keel_err *err);

/* As above, then lay "base.local.yaml" beside "base.yaml" over it when it is there. */
KEEL_MUST_CHECK keel_run_config *keel_run_config_read_local(const char *path, keel_err *err);
void keel_run_config_free(keel_run_config **config);

/* Set a dotted key. `yaml`: a scalar, a flow list or map, or JSON. KEEL_EFORMAT when it is not, or
 * when the key runs through something that is not a map. */
KEEL_MUST_CHECK keel_status keel_run_config_set(keel_run_config *config, const char *key,
                                                const char *yaml, keel_err *err);

/* As above, for text that must stay text (file names, ids): it is quoted. */
KEEL_MUST_CHECK keel_status keel_run_config_set_text(keel_run_config *config, const char *key,
                                                     const char *text, keel_err *err);

/* A scalar's text; NULL when absent or not a scalar. Valid until the config changes. */
const char *keel_run_config_get(const keel_run_config *config, const char *key);

/* How many keys the map at `key` has; 0 when there is none. */
int keel_run_config_count(const keel_run_config *config, const char *key);

/* The i-th key of the map at `key`, 0 <= i < count. Valid until the config changes. */
const char *keel_run_config_name(const keel_run_config *config, const char *key, int i);

/* Write to a new file that takes the place of `path` at once. Empties the config. KEEL_EIO. */
KEEL_MUST_CHECK keel_status keel_run_config_save(keel_run_config *config, const char *path,
                                                 keel_err *err);

#endif
