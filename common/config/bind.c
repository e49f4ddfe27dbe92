#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/config/config_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WORDS_MAX = 1024 };

/* A feature that is not built yet may be configured to what it is now: its default. */
static keel_status refuse_later(const keel_config_node *node, const keel_cfg_row *row,
                                keel_err *err)
{
    bool given = false, standing = false;
    if (node->kind == CONFIG_NULL)
        return KEEL_OK;
    if (node->kind == CONFIG_SCALAR && row->default_text != NULL) {
        if (strcmp(node->text, row->default_text) == 0)
            return KEEL_OK;
        if (config_value(KEEL_CFG_T_BOOL, node->text, NULL, NULL, "", "", "", &given, NULL) ==
                KEEL_OK &&
            config_value(KEEL_CFG_T_BOOL, row->default_text, NULL, NULL, "", "", "", &standing,
                         NULL) == KEEL_OK &&
            given == standing)
            return KEEL_OK;
    }
    return keel_err_set(err, KEEL_EINVAL, "%s: %s: not available yet (%s)%s%s", node->where,
                        row->key, row->help, row->default_text != NULL ? "; today it is " : "",
                        row->default_text != NULL ? row->default_text : "");
}

static keel_status bind_row(const keel_config *config, const keel_cfg_row *row, void *base,
                            keel_err *err)
{
    const keel_config_node *node = keel_config_at(config, row->key);
    const bool given = node != NULL && node->kind != CONFIG_NULL;
    if (row->type == KEEL_CFG_T_LATER)
        return given ? refuse_later(node, row, err) : KEEL_OK;
    if (row->type == KEEL_CFG_T_TREE)
        return KEEL_OK;
    void *field = (uint8_t *)base + row->field;
    if (node == NULL && row->default_text == NULL)
        return keel_err_set(err, KEEL_EINVAL, "%s: required, not given (%s)", row->key, row->help);
    if (node == NULL)
        return config_value(row->type, row->default_text, row->min, row->max, row->unit, "default",
                            row->key, field, err);
    if (node->kind != CONFIG_SCALAR)
        return keel_config_parse(node, row->type, NULL, NULL, row->key, field, err);
    return config_value(row->type, node->text, row->min, row->max, row->unit, node->where, row->key,
                        field, err);
}

keel_status keel_config_bind(const keel_config *config, const keel_cfg_row *rows, void *base,
                             keel_err *err)
{
    for (const keel_cfg_row *row = rows; row->type != KEEL_CFG_T_END; row++)
        KEEL_TRY(bind_row(config, row, base, err));
    return KEEL_OK;
}

typedef enum standing { UNKNOWN, PREFIX, KEY, TREE } standing;

static bool matches(const char *path, const char *key, bool loose, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const bool stands_for =
            loose && (path[i] == '-' || path[i] == '_') && (key[i] == '-' || key[i] == '_');
        if (path[i] != key[i] && !stands_for)
            return false;
    }
    return true;
}

/* What a path is to the tables: a key, the section of some key, inside of a tree, or nothing. */
static standing stands(const char *path, bool loose, const keel_cfg_row *const *tables, int n)
{
    const size_t len = strlen(path);
    standing found = UNKNOWN;
    for (int t = 0; t < n; t++) {
        for (const keel_cfg_row *row = tables[t]; row->type != KEEL_CFG_T_END; row++) {
            const size_t own = strlen(row->key);
            const bool walks = row->type == KEEL_CFG_T_TREE || row->type == KEEL_CFG_T_LATER;
            if (own < len || !matches(path, row->key, loose, len))
                continue;
            if (own == len)
                return walks ? TREE : KEY;
            if (row->key[len] == '.')
                found = PREFIX;
        }
    }
    return found;
}

static bool is_other(const char *name, bool loose, const char *const *others, int m)
{
    for (int i = 0; i < m; i++)
        if (strlen(others[i]) == strlen(name) && matches(name, others[i], loose, strlen(name)))
            return true;
    return false;
}

static keel_status unknown(const char *path, const keel_config_node *node,
                           const keel_cfg_row *const *tables, int n, const char *const *others,
                           int m, keel_err *err)
{
    static const char *const none = "";
    const char **words = keel_xcalloc(WORDS_MAX, sizeof *words);
    char sections[WORDS_MAX / 8][64];
    size_t count = 0, sections_n = 0;
    for (int t = 0; t < n; t++) {
        for (const keel_cfg_row *row = tables[t]; row->type != KEEL_CFG_T_END; row++) {
            if (count < WORDS_MAX)
                words[count++] = row->key;
            const char *dot = strchr(row->key, '.');
            if (dot == NULL || count == WORDS_MAX || sections_n == WORDS_MAX / 8)
                continue;
            snprintf(sections[sections_n], sizeof sections[0], "%.*s", (int)(dot - row->key),
                     row->key);
            words[count++] = sections[sections_n++];
        }
    }
    for (int i = 0; i < m && count < WORDS_MAX; i++)
        words[count++] = others[i];
    const char *nearest = keel_text_nearest(path, words, count);
    const char *found = nearest != NULL ? nearest : none;
    const keel_status status =
        keel_err_set(err, KEEL_EUNKNOWN, "%s: \"%.200s\" is not a key%s%s%s", node->where, path,
                     nearest != NULL ? "; did you mean " : "", found, nearest != NULL ? "?" : "");
    keel_free(&words);
    return status;
}

typedef struct frame {
    const keel_config_node *map;
    int at;
    size_t len; /* of the path up to here */
} frame;

keel_status keel_config_check(const keel_config *config, const keel_cfg_row *const *tables, int n,
                              const char *const *others, int m, keel_err *err)
{
    char path[CONFIG_PATH_MAX * 3] = "";
    frame stack[CONFIG_DEPTH_MAX + 1] = {{config->root, 0, 0}};
    for (int depth = 1; depth > 0;) {
        frame *top = &stack[depth - 1];
        if (top->at == top->map->n) {
            depth--;
            continue;
        }
        const keel_config_node *child = top->map->children[top->at++];
        size_t len = top->len;
        if (depth == 1 && is_other(child->name, child->loose, others, m))
            continue;
        if (!keel_text_add(path, sizeof path, &len, "%s%s", top->len > 0 ? "." : "", child->name))
            return keel_err_set(err, KEEL_ETOOBIG, "%s: the key is too long", child->where);
        const standing is = strchr(child->name, '.') == NULL
                                ? stands(path, child->loose, tables, n)
                                : UNKNOWN; /* "a.b: 1" is not a section a with a key b */
        if (is == UNKNOWN)
            return unknown(path, child, tables, n, others, m, err);
        if (is == PREFIX && child->kind != CONFIG_MAP && child->kind != CONFIG_NULL)
            return keel_err_set(err, KEEL_EINVAL, "%s: %s: is a section, it needs keys below it",
                                child->where, path);
        if (is == PREFIX && child->kind == CONFIG_MAP)
            stack[depth++] = (frame){child, 0, len};
    }
    return KEEL_OK;
}
