/* config.h - typed configuration: default < file < local file < environment < argv.
 *
 * ROOM     common/config: YAML and JSON through libyaml's events. Knows no key by itself:
 *          every program brings its tables of rows.
 * SHAPE    A key is a dotted path ("feed.speed"). Every refusal names file:line:column (or the
 *          variable, or the flag), the key, the value and what is allowed; an unknown key gets the
 *          nearest known one. Keys given twice are refused. A `.local` file (keel.yaml ->
 *          keel.local.yaml) beside the file is laid over it. Environment: KEEL_FEED__SPEED for
 *          feed.speed. argv: --feed.speed=0 or --feed.speed 0.
 * MEMORY   keel_config_load takes everything; strings bound into structs live as long as it.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_CONFIG_CONFIG_H
#define KEEL_COMMON_CONFIG_CONFIG_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum keel_cfg_type {
    KEEL_CFG_T_END,
    KEEL_CFG_T_STR,   /* const char *; min/max = length bounds or NULL */
    KEEL_CFG_T_INT,   /* int */
    KEEL_CFG_T_I64,   /* int64_t */
    KEEL_CFG_T_REAL,  /* double */
    KEEL_CFG_T_FRAC,  /* double in [0, 1]: "0.8" or "80%"; a bare number above 1 is refused */
    KEEL_CFG_T_DUR,   /* int64_t nanoseconds: "250ms", "1h", "30d" */
    KEEL_CFG_T_BOOL,  /* bool: true false yes no on off */
    KEEL_CFG_T_ENUM,  /* int, index into min = "lockstep|live" */
    KEEL_CFG_T_TREE,  /* no field: a list or map the program walks itself (keel_config_at) */
    KEEL_CFG_T_LATER, /* a known key whose feature is not built yet: "not available yet" */
} keel_cfg_type;

typedef struct keel_cfg_row {
    keel_cfg_type type;
    const char *key;
    size_t field;             /* offsetof in the caller's struct */
    const char *default_text; /* NULL = required */
    const char *min;          /* in the type's own syntax; NULL = no bound; ENUM: the choices */
    const char *max;
    const char *unit; /* for people: "rows", "bps", "" */
    const char *help; /* one line */
} keel_cfg_row;

#define KEEL_CFG_END                                                                               \
    {                                                                                              \
        KEEL_CFG_T_END, NULL, 0, NULL, NULL, NULL, NULL, NULL                                      \
    }

typedef struct keel_config keel_config;

typedef struct keel_config_sources {
    const char *file;       /* NULL = none; its .local neighbour is used when present */
    const char *const *env; /* environ-like, NULL-terminated; NULL = none */
    int argc;               /* flags only: --a.b=c or --a.b c; anything else is refused */
    const char *const *argv;
} keel_config_sources;

/* Read and merge the sources. NULL and *err on any refusal. End with keel_config_free. */
KEEL_MUST_CHECK keel_config *keel_config_load(const keel_config_sources *sources, keel_err *err);
void keel_config_free(keel_config **config);

/* The key that a variable of the environment sets: the first `len` bytes of `name`,
 * KEEL_FEED__SPEED, give "feed.speed". False: no setting of ours (other prefix, no double
 * underscore) or cap short. */
bool keel_config_variable_key(const char *name, size_t len, char *key, size_t cap);

/* Bind one table into the struct at `base`: defaults, then values, with all checks.
 * KEEL_EINVAL, KEEL_ERANGE, KEEL_EFORMAT with *err; *base is then undefined. */
KEEL_MUST_CHECK keel_status keel_config_bind(const keel_config *config, const keel_cfg_row *rows,
                                             void *base, keel_err *err);

/* Refuse keys that no table of tables[n] knows. Top-level sections named in others[m] belong to
 * other programs and are skipped. KEEL_EUNKNOWN with *err and the nearest key. */
KEEL_MUST_CHECK keel_status keel_config_check(const keel_config *config,
                                              const keel_cfg_row *const *tables, int n,
                                              const char *const *others, int m, keel_err *err);

/* Walk a TREE key. A node is a scalar, a list or a map; the handles live as long as the config. */
typedef struct keel_config_node keel_config_node;

const keel_config_node *keel_config_at(const keel_config *config, const char *key); /* NULL: none */
int keel_config_count(const keel_config_node *node); /* children; 0 for a scalar */
const keel_config_node *keel_config_child(const keel_config_node *node, int i);
const char *keel_config_child_name(const keel_config_node *node, int i); /* "" in a list */
const char *keel_config_text(const keel_config_node *node); /* scalar's text; NULL otherwise */
const keel_config_node *keel_config_find(const keel_config_node *node, const char *name);

/* "demo.yaml:12:7" of a node, for the program's own refusals. */
const char *keel_config_where(const keel_config_node *node);

/* Parse a scalar's text as `type` (STR INT I64 REAL FRAC DUR BOOL) into *out with row-like bounds;
 * errors name where and `what`. */
KEEL_MUST_CHECK keel_status keel_config_parse(const keel_config_node *node, keel_cfg_type type,
                                              const char *min, const char *max, const char *what,
                                              void *out, keel_err *err);

/* Print every row of the table as YAML with its effective value and a comment: unit, range, help,
 * and where the value came from when `origin`. json: one object per key and line instead. Rows of
 * one section have to stand together in the table. */
void keel_config_print(const keel_config *config, const keel_cfg_row *rows, bool origin, bool json,
                       FILE *to);

#endif
