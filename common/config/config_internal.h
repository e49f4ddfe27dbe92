/* config_internal.h - the tree behind a configuration, shared by the files of common/config.
 *
 * MEMORY   Nodes and texts lie in blocks of the config and are freed with it; nothing is freed
 *          alone. Limits below bound what a hostile file can cost.
 */
#ifndef KEEL_COMMON_CONFIG_CONFIG_INTERNAL_H
#define KEEL_COMMON_CONFIG_CONFIG_INTERNAL_H

#include "common/config/config.h"

enum {
    CONFIG_FILE_BYTES_MAX = 8 << 20,
    CONFIG_SCALAR_BYTES_MAX = 64 << 10,
    CONFIG_NODES_MAX = 100000,
    CONFIG_KEYS_MAX = 1024, /* in one map: repeated keys are found by comparing all */
    CONFIG_DEPTH_MAX = 8,   /* maps and lists inside each other */
    CONFIG_PATH_MAX = 512,  /* bytes of a dotted path with NUL */
};

typedef enum config_kind { CONFIG_NULL, CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP } config_kind;
typedef enum config_origin { CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_ARGV } config_origin;

struct keel_config_node {
    config_kind kind;
    config_origin origin;
    bool loose;        /* named by a variable: '_' may stand for '-' */
    const char *name;  /* "" in a list */
    const char *text;  /* scalar */
    const char *where; /* "keel.yaml:3:7", the variable or the flag */
    int n;
    int cap;
    struct keel_config_node **children;
};

typedef struct config_block {
    struct config_block *next;
    size_t used;
    size_t size;
    uint8_t bytes[];
} config_block;

struct keel_config {
    config_block *blocks; /* owned */
    int nodes;
    keel_config_node *root; /* a map */
};

keel_config *config_new(void);
void *config_take(keel_config *config, size_t size);
char *config_copy(keel_config *config, const char *text, size_t len);

/* NULL when the config already holds CONFIG_NODES_MAX. */
keel_config_node *config_node(keel_config *config, config_kind kind, config_origin origin,
                              const char *where);
void config_append(keel_config *config, keel_config_node *parent, keel_config_node *child);

/* Child of a map by name; see `loose`. `len` bytes of `name` count. */
keel_config_node *config_child(const keel_config_node *map, const char *name, size_t len,
                               bool loose);

/* Lay a file's tree over the config: maps merge, everything else replaces. `name` stands in
 * errors. What keel_config_load does with a file's bytes; the fuzzer comes in here. */
KEEL_MUST_CHECK keel_status config_add_yaml(keel_config *config, const char *name,
                                            const uint8_t *data, size_t len, keel_err *err);

/* A text and what it is to be; `where` and `what` begin the error. */
typedef struct config_reading {
    keel_cfg_type type;
    const char *text;
    const char *min; /* ENUM: the choices */
    const char *max;
    const char *unit;
    const char *where;
    const char *what;
} config_reading;

/* The text as a value of its type, bounds applied, to *out. */
KEEL_MUST_CHECK keel_status config_value(const config_reading *r, void *out, keel_err *err);

#endif
