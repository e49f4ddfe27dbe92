/* Any bytes as a configuration: two files, the second laid over the first ('\f' parts them), read,
 * bound, walked, checked, printed, or refused by name. What is printed reads back as the same
 * values. */
#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/config/config_internal.h"
#include "common/service/settings.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct values {
    const char *text;
    int64_t wide, length_ns;
    double real, frac;
    int small, choice;
    bool flag;
} values;

static const keel_cfg_row rows[] = {
    {KEEL_CFG_T_STR, "t.text", offsetof(values, text), "none", "1", "40", "", "a text"},
    {KEEL_CFG_T_INT, "t.small", offsetof(values, small), "1", "-5", "5000", "rows", "an int"},
    {KEEL_CFG_T_I64, "t.wide", offsetof(values, wide), "1", NULL, NULL, "", "a long int"},
    {KEEL_CFG_T_REAL, "t.real", offsetof(values, real), "1", "-1e6", "1e6", "", "a real"},
    {KEEL_CFG_T_FRAC, "t.frac", offsetof(values, frac), "80%", "0", "1", "", "a fraction"},
    {KEEL_CFG_T_DUR, "t.length", offsetof(values, length_ns), "1h", "1ms", "7d", "", "a duration"},
    {KEEL_CFG_T_BOOL, "t.flag", offsetof(values, flag), "true", NULL, NULL, "", "a switch"},
    {KEEL_CFG_T_ENUM, "t.choice", offsetof(values, choice), "red", "red|green", NULL, "", "one"},
    {KEEL_CFG_T_TREE, "t.tree", 0, "", NULL, NULL, "", "a tree"},
    {KEEL_CFG_T_LATER, "t.later", 0, "", NULL, NULL, "", "not yet"},
    KEEL_CFG_END,
};

static void refused_by_name(keel_status status, const keel_err *err)
{
    KEEL_ASSERT((status == KEEL_OK) || (err->status == status && err->text[0] != '\0'));
}

static keel_status read_file(keel_config *config, const char *name, const uint8_t *data, size_t len)
{
    keel_err err = {.status = KEEL_OK};
    const keel_status status = config_add_yaml(config, name, data, len, &err);
    refused_by_name(status, &err);
    return status;
}

/* Every node has a place and is reached again by its name. */
static void walk(const keel_config_node *root)
{
    const keel_config_node *stack[CONFIG_DEPTH_MAX + 1] = {root};
    int at[CONFIG_DEPTH_MAX + 1] = {0};
    for (int depth = 0; depth >= 0;) {
        const keel_config_node *node = stack[depth];
        KEEL_ASSERT(keel_config_where(node)[0] != '\0');
        if (at[depth] == keel_config_count(node)) {
            depth--;
            continue;
        }
        const int i = at[depth]++;
        const char *name = keel_config_child_name(node, i);
        const keel_config_node *child = keel_config_child(node, i);
        KEEL_ASSERT(name[0] == '\0' || keel_config_find(node, name) == child);
        KEEL_ASSERT(depth < CONFIG_DEPTH_MAX);
        stack[++depth] = child;
        at[depth] = 0;
    }
}

static bool same_values(const values *a, const values *b)
{
    return strcmp(a->text, b->text) == 0 && a->wide == b->wide && a->length_ns == b->length_ns &&
           a->real == b->real && a->frac == b->frac && a->small == b->small &&
           a->choice == b->choice && a->flag == b->flag;
}

static void print_and_read_back(const keel_config *config, const values *bound, bool origin)
{
    char *text = NULL;
    size_t len = 0;
    keel_err err = {.status = KEEL_OK};
    values again;
    FILE *to = open_memstream(&text, &len);
    KEEL_ASSERT(to != NULL);
    keel_config_print(config, rows, origin, false, to);
    fclose(to);
    keel_config *printed = config_new();
    KEEL_ASSERT(read_file(printed, "printed", (const uint8_t *)text, len) == KEEL_OK);
    KEEL_ASSERT(keel_config_bind(printed, rows, &again, &err) == KEEL_OK);
    KEEL_ASSERT(same_values(bound, &again));
    keel_config_free(&printed);
    free(text);
}

static void use(const keel_config *config)
{
    static keel_settings settings;
    static keel_universe universe;
    static FILE *nowhere;
    const keel_cfg_row *const tables[] = {rows, keel_settings_rows()};
    const char *const others[] = {"feed", "optimizer"};
    keel_err err = {.status = KEEL_OK};
    values bound;
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    walk(config->root);
    refused_by_name(keel_config_check(config, tables, 2, others, 2, &err), &err);
    keel_status status = keel_settings_load(config, &settings, &universe, &err);
    refused_by_name(status, &err);
    KEEL_ASSERT(status != KEEL_OK || (universe.n >= 1 && settings.books_n >= 1));
    keel_config_print(config, keel_settings_rows(), true, true, nowhere);
    status = keel_config_bind(config, rows, &bound, &err);
    refused_by_name(status, &err);
    if (status == KEEL_OK) {
        print_and_read_back(config, &bound, false);
        print_and_read_back(config, &bound, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *parting = size > 0 ? memchr(data, '\f', size) : NULL;
    const size_t first = parting != NULL ? (size_t)(parting - data) : size;
    keel_config *config = config_new();
    keel_status status = read_file(config, "keel.yaml", data, first);
    if (status == KEEL_OK && parting != NULL)
        status = read_file(config, "keel.local.yaml", parting + 1, size - first - 1);
    if (status == KEEL_OK)
        use(config);
    keel_config_free(&config);
    return 0;
}
