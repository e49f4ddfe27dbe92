#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/config/config_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WORDS_MAX = 1024, SECTIONS_MAX = 128 };

static bool read_bool(const char *text, bool *out)
{
    const config_reading reading = {.type = KEEL_CFG_T_BOOL, .text = text, .where = "", .what = ""};
    return config_value(&reading, out, NULL) == KEEL_OK;
}

/* A feature that is not built yet may be configured to what it is now: its default. */
static keel_status refuse_later(const keel_config_node *node, const keel_cfg_row *row,
                                keel_err *err)
{
    bool given, standing;
    const bool has_default = row->default_text != NULL;
    if (node->kind == CONFIG_SCALAR && has_default) {
        if (strcmp(node->text, row->default_text) == 0)
            return KEEL_OK;
        if (read_bool(node->text, &given) && read_bool(row->default_text, &standing) &&
            given == standing)
            return KEEL_OK;
    }
    return keel_err_set(err, KEEL_EINVAL, "%s: %s: not available yet (%s)%s%s", node->where,
                        row->key, row->help, has_default ? "; today it is " : "",
                        has_default ? row->default_text : "");
}

static keel_status bind_row(const keel_config *config, const keel_cfg_row *row, void *base,
                            keel_err *err)
{
    const keel_config_node *node = keel_config_at(config, row->key);
    if (row->type == KEEL_CFG_T_LATER)
        return node != NULL && node->kind != CONFIG_NULL ? refuse_later(node, row, err) : KEEL_OK;
    if (row->type == KEEL_CFG_T_TREE)
        return KEEL_OK;
    void *field = (uint8_t *)base + row->field;
    config_reading reading = {row->type, row->default_text, row->min, row->max,
                              row->unit, "default",         row->key};
    if (node == NULL && row->default_text == NULL)
        return keel_err_set(err, KEEL_EINVAL, "%s: required, not given (%s)", row->key, row->help);
    if (node != NULL && node->kind != CONFIG_SCALAR)
        return keel_config_parse(node, row->type, NULL, NULL, row->key, field, err);
    if (node != NULL) {
        reading.text = node->text;
        reading.where = node->where;
    }
    return config_value(&reading, field, err);
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

/* Everything a key could have been meant to be. */
typedef struct vocabulary {
    const char *words[WORDS_MAX];
    size_t n;
    char sections[SECTIONS_MAX][64];
    size_t sections_n;
} vocabulary;

static void add_word(vocabulary *v, const char *word)
{
    if (v->n < WORDS_MAX)
        v->words[v->n++] = word;
}

static void add_table(vocabulary *v, const keel_cfg_row *row)
{
    for (; row->type != KEEL_CFG_T_END; row++) {
        const char *dot = strchr(row->key, '.');
        add_word(v, row->key);
        if (dot == NULL || v->sections_n == SECTIONS_MAX)
            continue;
        char *section = v->sections[v->sections_n++];
        snprintf(section, sizeof v->sections[0], "%.*s", (int)(dot - row->key), row->key);
        add_word(v, section);
    }
}

static keel_status unknown(const char *path, const keel_config_node *node, const vocabulary *v,
                           keel_err *err)
{
    const char *nearest = keel_text_nearest(path, v->words, v->n);
    return keel_err_set(err, KEEL_EUNKNOWN, "%s: \"%.200s\" is not a key%s%s%s", node->where, path,
                        nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                        nearest != NULL ? "?" : "");
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
        if (is == UNKNOWN) {
            vocabulary *words = keel_xcalloc(1, sizeof *words);
            for (int i = 0; i < n; i++)
                add_table(words, tables[i]);
            for (int i = 0; i < m; i++)
                add_word(words, others[i]);
            const keel_status status = unknown(path, child, words, err);
            keel_free(&words);
            return status;
        }
        if (is == PREFIX && child->kind != CONFIG_MAP && child->kind != CONFIG_NULL)
            return keel_err_set(err, KEEL_EINVAL, "%s: %s: is a section, it needs keys below it",
                                child->where, path);
        if (is == PREFIX && child->kind == CONFIG_MAP)
            stack[depth++] = (frame){child, 0, len};
    }
    return KEEL_OK;
}
