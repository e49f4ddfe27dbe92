#include "common/config/config_internal.h"

#include "common/base/assert.h"
#include "common/base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 64 << 10 };

void *config_take(keel_config *config, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    config_block *block = config->blocks;
    if (block == NULL || size > block->size - block->used) {
        const size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = keel_xcalloc(1, sizeof *block + room);
        block->size = room;
        block->next = config->blocks;
        config->blocks = block;
    }
    void *p = block->bytes + block->used;
    block->used += size;
    return p;
}

char *config_copy(keel_config *config, const char *text, size_t len)
{
    char *copy = config_take(config, len + 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

keel_config_node *config_node(keel_config *config, config_kind kind, config_origin origin,
                              const char *where)
{
    if (config->nodes == CONFIG_NODES_MAX)
        return NULL;
    config->nodes++;
    keel_config_node *node = config_take(config, sizeof *node);
    memset(node, 0, sizeof *node);
    node->kind = kind;
    node->origin = origin;
    node->name = "";
    node->where = config_copy(config, where, strlen(where));
    return node;
}

void config_append(keel_config *config, keel_config_node *parent, keel_config_node *child)
{
    if (parent->n == parent->cap) {
        const int cap = parent->cap == 0 ? 4 : 2 * parent->cap;
        keel_config_node **grown = config_take(config, (size_t)cap * sizeof(keel_config_node *));
        for (int i = 0; i < parent->n; i++)
            grown[i] = parent->children[i];
        parent->children = grown;
        parent->cap = cap;
    }
    parent->children[parent->n++] = child;
}

static bool same_name(const char *a, const char *b, size_t len, bool loose)
{
    if (strlen(a) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        const bool stands_for =
            loose && (a[i] == '-' || a[i] == '_') && (b[i] == '-' || b[i] == '_');
        if (a[i] != b[i] && !stands_for)
            return false;
    }
    return true;
}

keel_config_node *config_child(const keel_config_node *map, const char *name, size_t len,
                               bool loose)
{
    if (map == NULL || map->kind != CONFIG_MAP)
        return NULL;
    for (int i = 0; i < map->n; i++)
        if (same_name(map->children[i]->name, name, len, false))
            return map->children[i];
    for (int i = 0; i < map->n; i++)
        if (same_name(map->children[i]->name, name, len, loose || map->children[i]->loose))
            return map->children[i];
    return NULL;
}

keel_config *config_new(void)
{
    keel_config *config = keel_xcalloc(1, sizeof *config);
    config->root = config_node(config, CONFIG_MAP, CONFIG_FROM_FILE, "configuration");
    return config;
}

void keel_config_free(keel_config **config)
{
    if (*config == NULL)
        return;
    for (config_block *block = (*config)->blocks; block != NULL;) {
        config_block *next = block->next;
        keel_free(&block);
        block = next;
    }
    keel_free(config);
}

/* The map that the next word of a path lies in: a null becomes one, a value or a list does not. */
static keel_status enter(keel_config_node *node, const char *where, const char *path, keel_err *err)
{
    if (node->kind == CONFIG_NULL)
        node->kind = CONFIG_MAP;
    if (node->kind != CONFIG_MAP)
        return keel_err_set(err, KEEL_EINVAL, "%s: %s: %s at %s is a %s, it has no keys below it",
                            where, path, node->name, node->where,
                            node->kind == CONFIG_LIST ? "list" : "value");
    return KEEL_OK;
}

/* Set the scalar at a dotted path, making the maps on the way. */
static keel_status set_path(keel_config *config, config_origin origin, const char *where,
                            const char *path, const char *value, keel_err *err)
{
    const bool loose = origin == CONFIG_FROM_ENV;
    keel_config_node *node = config->root;
    const char *word = path;
    for (int depth = 0; word != NULL; depth++) {
        const char *dot = strchr(word, '.');
        const size_t len = dot != NULL ? (size_t)(dot - word) : strlen(word);
        if (len == 0 || depth == CONFIG_DEPTH_MAX)
            return keel_err_set(err, KEEL_EFORMAT, "%s: \"%.200s\" is not a key such as feed.speed",
                                where, path);
        KEEL_TRY(enter(node, where, path, err));
        keel_config_node *child = config_child(node, word, len, loose);
        if (child == NULL) {
            child = config_node(config, CONFIG_NULL, origin, where);
            if (child == NULL || node->n >= CONFIG_KEYS_MAX)
                return keel_err_set(err, KEEL_ETOOBIG, "%s: too many keys", where);
            child->name = config_copy(config, word, len);
            child->loose = loose;
            config_append(config, node, child);
        }
        node = child;
        word = dot != NULL ? dot + 1 : NULL;
    }
    if (node->kind == CONFIG_SCALAR && node->origin == origin)
        return keel_err_set(err, KEEL_EEXIST, "%s: %s is given twice", where, path);
    if (node->kind == CONFIG_LIST || node->kind == CONFIG_MAP)
        return keel_err_set(err, KEEL_EINVAL, "%s: %s is a %s at %s, one value cannot replace it",
                            where, path, node->kind == CONFIG_LIST ? "list" : "map", node->where);
    node->kind = CONFIG_SCALAR;
    node->origin = origin;
    node->text = config_copy(config, value, strlen(value));
    node->where = config_copy(config, where, strlen(where));
    return KEEL_OK;
}

static keel_status check_value_size(const char *where, const char *value, keel_err *err)
{
    if (strlen(value) > CONFIG_SCALAR_BYTES_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%.200s: a value longer than 64 KiB", where);
    return KEEL_OK;
}

bool keel_config_variable_key(const char *name, size_t len, char *key, size_t cap)
{
    const size_t prefix = strlen("KEEL_");
    size_t n = 0;
    if (len >= cap || len < prefix || strncmp(name, "KEEL_", prefix) != 0 ||
        memmem(name + prefix, len - prefix, "__", 2) == NULL)
        return false;
    for (size_t i = prefix; i < len; i++) {
        const bool is_dot = name[i] == '_' && i + 1 < len && name[i + 1] == '_';
        key[n++] = is_dot ? '.' : (char)tolower((unsigned char)name[i]);
        i += is_dot;
    }
    key[n] = '\0';
    return true;
}

/* A variable without a double underscore is none of ours. */
static keel_status add_variable(keel_config *config, const char *variable, keel_err *err)
{
    char where[CONFIG_PATH_MAX], path[CONFIG_PATH_MAX];
    const char *equals = strchr(variable, '=');
    const size_t prefix = strlen("KEEL_");
    if (equals == NULL || strncmp(variable, "KEEL_", prefix) != 0)
        return KEEL_OK;
    const size_t len = (size_t)(equals - variable);
    if (len >= sizeof where && memmem(variable + prefix, len - prefix, "__", 2) != NULL)
        return keel_err_set(err, KEEL_ETOOBIG, "%.60s...: the name is too long", variable);
    if (!keel_config_variable_key(variable, len, path, sizeof path))
        return KEEL_OK;
    memcpy(where, variable, len);
    where[len] = '\0';
    KEEL_TRY(check_value_size(where, equals + 1, err));
    return set_path(config, CONFIG_FROM_ENV, where, path, equals + 1, err);
}

/* --a.b=c or --a.b c; *at moves behind what was taken. */
static keel_status add_flag(keel_config *config, const keel_config_sources *from, int *at,
                            keel_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-.";
    char where[CONFIG_PATH_MAX];
    const char *flag = from->argv[(*at)++];
    const size_t len = strncmp(flag, "--", 2) == 0 ? strspn(flag + 2, letters) : 0;
    const char after = len > 0 ? flag[2 + len] : ' ';
    if ((after != '=' && after != '\0') || len + 3 > sizeof where)
        return keel_err_set(err, KEEL_EINVAL,
                            "\"%.200s\" is not a flag; write --section.key=value or "
                            "--section.key value",
                            flag);
    snprintf(where, sizeof where, "%.*s", (int)(len + 2), flag);
    const char *value = flag + 2 + len + 1;
    if (after == '\0') {
        if (*at == from->argc || strncmp(from->argv[*at], "--", 2) == 0)
            return keel_err_set(err, KEEL_EINVAL, "%s: no value given", where);
        value = from->argv[(*at)++];
    }
    KEEL_TRY(check_value_size(where, value, err));
    return set_path(config, CONFIG_FROM_ARGV, where, where + 2, value, err);
}

static keel_status add_file(keel_config *config, const char *path, bool optional, keel_err *err)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        if (optional && errno == ENOENT)
            return KEEL_OK;
        return keel_err_set(err, KEEL_EIO, "%.300s: %s", path, strerror(errno));
    }
    const size_t cap = CONFIG_FILE_BYTES_MAX + 1;
    uint8_t *bytes = keel_xcalloc(cap, 1);
    const size_t len = fread(bytes, 1, cap, in);
    const bool failed = ferror(in) != 0;
    fclose(in);
    const keel_status status = failed ? keel_err_set(err, KEEL_EIO, "%.300s: cannot be read", path)
                                      : config_add_yaml(config, path, bytes, len, err);
    keel_free(&bytes);
    return status;
}

static keel_status add_files(keel_config *config, const char *file, keel_err *err)
{
    char local[4096];
    KEEL_TRY(add_file(config, file, false, err));
    const char *slash = strrchr(file, '/');
    const char *dot = strrchr(slash != NULL ? slash : file, '.');
    const size_t stem = dot != NULL ? (size_t)(dot - file) : strlen(file);
    const int n = snprintf(local, sizeof local, "%.*s.local%s", (int)stem, file, file + stem);
    if (n < 0 || (size_t)n >= sizeof local)
        return keel_err_set(err, KEEL_ETOOBIG, "%.200s...: the path is too long", file);
    return add_file(config, local, true, err);
}

static keel_status add_all(keel_config *config, const keel_config_sources *from, keel_err *err)
{
    if (from->file != NULL)
        KEEL_TRY(add_files(config, from->file, err));
    for (const char *const *v = from->env; v != NULL && *v != NULL; v++)
        KEEL_TRY(add_variable(config, *v, err));
    for (int at = 0; at < from->argc;)
        KEEL_TRY(add_flag(config, from, &at, err));
    return KEEL_OK;
}

keel_config *keel_config_load(const keel_config_sources *sources, keel_err *err)
{
    keel_config *config = config_new();
    if (add_all(config, sources, err) != KEEL_OK)
        keel_config_free(&config);
    return config;
}

const keel_config_node *keel_config_at(const keel_config *config, const char *key)
{
    const keel_config_node *node = config->root;
    for (const char *word = key; node != NULL && word != NULL;) {
        const char *dot = strchr(word, '.');
        const size_t len = dot != NULL ? (size_t)(dot - word) : strlen(word);
        node = config_child(node, word, len, false);
        word = dot != NULL ? dot + 1 : NULL;
    }
    return node;
}

int keel_config_count(const keel_config_node *node)
{
    return node->kind == CONFIG_LIST || node->kind == CONFIG_MAP ? node->n : 0;
}

const keel_config_node *keel_config_child(const keel_config_node *node, int i)
{
    KEEL_ASSERT(i >= 0 && i < keel_config_count(node));
    return node->children[i];
}

const char *keel_config_child_name(const keel_config_node *node, int i)
{
    return keel_config_child(node, i)->name;
}

const char *keel_config_text(const keel_config_node *node)
{
    return node->kind == CONFIG_SCALAR ? node->text : NULL;
}

const keel_config_node *keel_config_find(const keel_config_node *node, const char *name)
{
    return config_child(node, name, strlen(name), false);
}

const char *keel_config_where(const keel_config_node *node)
{
    return node->where;
}
