/* Any bytes as a configuration file: refused with a place, or a tree that binds, checks, prints. */
#include "common/base/assert.h"
#include "common/config/config_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct target {
    const char *name;
    double frac;
    int64_t dur_ns;
    int mode;
} target;

static const keel_cfg_row rows[] = {
    {KEEL_CFG_T_STR, "a.name", offsetof(target, name), "x", "1", "60", "", "a text"},
    {KEEL_CFG_T_FRAC, "a.frac", offsetof(target, frac), "0.5", NULL, NULL, "", "a fraction"},
    {KEEL_CFG_T_DUR, "a.dur", offsetof(target, dur_ns), "1h", "1s", "7d", "", "a duration"},
    {KEEL_CFG_T_ENUM, "a.mode", offsetof(target, mode), "live", "lockstep|live", NULL, "", "mode"},
    {KEEL_CFG_T_TREE, "tree", 0, NULL, NULL, NULL, "", "a tree"},
    {KEEL_CFG_T_LATER, "later", 0, "false", NULL, NULL, "", "not yet"},
    KEEL_CFG_END,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const keel_cfg_row *const tables[] = {rows};
    keel_err err = {0};
    target t;
    keel_config *config = config_new();
    keel_status status = config_add_yaml(config, "fuzz.yaml", data, size, &err);
    if (status == KEEL_OK)
        status = keel_config_check(config, tables, 1, NULL, 0, &err);
    if (status == KEEL_OK)
        status = keel_config_bind(config, rows, &t, &err);
    KEEL_ASSERT(status == err.status);
    KEEL_ASSERT(status == KEEL_OK || strncmp(err.text, "fuzz.yaml:", 10) == 0);
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    KEEL_ASSERT(to != NULL);
    keel_config_print(config, rows, true, (size & 1) != 0, to);
    fclose(to);
    free(text);
    keel_config_free(&config);
    return 0;
}
