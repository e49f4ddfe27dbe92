#include "services/cli/run_config.h"

#include "common/base/mem.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

enum { PAIRS_MAX = 256, KEY_MAX = 128 };

struct keel_run_config {
    yaml_document_t doc;
    bool loaded; /* doc is ours to delete */
};

static keel_status parse(yaml_parser_t *parser, const char *name, yaml_document_t *doc,
                         keel_err *err)
{
    if (yaml_parser_load(parser, doc) == 0)
        return keel_err_set(err, KEEL_EFORMAT, "%s:%zu:%zu: %s", name,
                            parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                            parser->problem != NULL ? parser->problem : "not YAML");
    if (yaml_document_get_root_node(doc) != NULL)
        return KEEL_OK;
    yaml_document_delete(doc);
    return keel_err_set(err, KEEL_EFORMAT, "%s:1:1: empty", name);
}

static keel_status parse_file(const char *path, yaml_document_t *doc, keel_err *err)
{
    yaml_parser_t parser;
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return keel_err_set(err, KEEL_EIO, "%s: %s", path, strerror(errno));
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_file(&parser, in);
    keel_status status = parse(&parser, path, doc, err);
    yaml_parser_delete(&parser);
    fclose(in);
    if (status == KEEL_OK && yaml_document_get_root_node(doc)->type != YAML_MAPPING_NODE) {
        yaml_document_delete(doc);
        status = keel_err_set(err, KEEL_EFORMAT, "%s:1:1: must be a map of sections", path);
    }
    return status;
}

/* Copy one node without what it holds; ids of a document count up from 1. */
static int copy_shell(yaml_document_t *to, const yaml_node_t *node)
{
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return yaml_document_add_scalar(to, node->tag, node->data.scalar.value,
                                        (int)node->data.scalar.length, node->data.scalar.style);
    case YAML_SEQUENCE_NODE:
        return yaml_document_add_sequence(to, node->tag, node->data.sequence.style);
    case YAML_MAPPING_NODE:
        return yaml_document_add_mapping(to, node->tag, node->data.mapping.style);
    case YAML_NO_NODE:
    default:
        return yaml_document_add_scalar(to, NULL, (const yaml_char_t *)"", 0,
                                        YAML_PLAIN_SCALAR_STYLE);
    }
}

static void copy_children(yaml_document_t *to, const yaml_node_t *node, int id, int offset)
{
    if (node->type == YAML_SEQUENCE_NODE)
        for (const int *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
            yaml_document_append_sequence_item(to, id, *i + offset);
    if (node->type == YAML_MAPPING_NODE)
        for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
             p < node->data.mapping.pairs.top; p++)
            yaml_document_append_mapping_pair(to, id, p->key + offset, p->value + offset);
}

/* Copy all nodes of a document behind those of another; returns the id its root has there. Two
 * passes over the flat node list need no recursion. */
static int copy_all(yaml_document_t *to, yaml_document_t *from)
{
    const int offset = (int)(to->nodes.top - to->nodes.start);
    const int n = (int)(from->nodes.top - from->nodes.start);
    for (int i = 0; i < n; i++)
        copy_shell(to, &from->nodes.start[i]);
    for (int i = 0; i < n; i++)
        copy_children(to, &from->nodes.start[i], offset + i + 1, offset);
    return offset + 1;
}

static bool same_text(const yaml_node_t *node, const char *text, size_t len)
{
    return node != NULL && node->type == YAML_SCALAR_NODE && node->data.scalar.length == len &&
           memcmp(node->data.scalar.value, text, len) == 0;
}

static yaml_node_pair_t *find_pair(yaml_document_t *doc, int map, const char *key, size_t len)
{
    const yaml_node_t *node = yaml_document_get_node(doc, map);
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++)
        if (same_text(yaml_document_get_node(doc, p->key), key, len))
            return p;
    return NULL;
}

static bool is_map(yaml_document_t *doc, int id)
{
    return yaml_document_get_node(doc, id)->type == YAML_MAPPING_NODE;
}

/* Lay map `over` of the same document on map `under`, maps inside maps included: a list of pairs
 * still to do takes the place of recursion. */
static keel_status overlay(yaml_document_t *doc, int under, int over, keel_err *err)
{
    int todo[PAIRS_MAX][2] = {{under, over}};
    int n = 1;
    for (int at = 0; at < n; at++) {
        const yaml_node_t *from = yaml_document_get_node(doc, todo[at][1]);
        const int count = (int)(from->data.mapping.pairs.top - from->data.mapping.pairs.start);
        for (int i = 0; i < count; i++) {
            const yaml_node_pair_t pair =
                yaml_document_get_node(doc, todo[at][1])->data.mapping.pairs.start[i];
            const yaml_node_t *key = yaml_document_get_node(doc, pair.key);
            if (key->type != YAML_SCALAR_NODE)
                return keel_err_set(err, KEEL_EFORMAT, "a key is not a word");
            yaml_node_pair_t *old = find_pair(
                doc, todo[at][0], (const char *)key->data.scalar.value, key->data.scalar.length);
            if (old == NULL)
                yaml_document_append_mapping_pair(doc, todo[at][0], pair.key, pair.value);
            else if (!is_map(doc, old->value) || !is_map(doc, pair.value))
                old->value = pair.value;
            else if (n == PAIRS_MAX)
                return keel_err_set(err, KEEL_ETOOBIG, "more than %d sections", PAIRS_MAX);
            else {
                todo[n][0] = old->value;
                todo[n++][1] = pair.value;
            }
        }
    }
    return KEEL_OK;
}

keel_run_config *keel_run_config_read(const char *path, keel_err *err)
{
    keel_run_config *config = keel_xcalloc(1, sizeof *config);
    if (parse_file(path, &config->doc, err) != KEEL_OK) {
        keel_free(&config);
        return NULL;
    }
    config->loaded = true;
    return config;
}

/* "a/keel.yaml" -> "a/keel.local.yaml". */
static bool local_name(const char *path, char *out, size_t cap)
{
    const char *dot = strrchr(path, '.');
    size_t len = 0;
    if (dot == NULL || strchr(dot, '/') != NULL)
        dot = path + strlen(path);
    return keel_text_add(out, cap, &len, "%.*s.local%s", (int)(dot - path), path, dot);
}

keel_run_config *keel_run_config_read_local(const char *path, keel_err *err)
{
    char beside[4096];
    yaml_document_t local;
    keel_run_config *config = keel_run_config_read(path, err);
    if (config == NULL || !local_name(path, beside, sizeof beside) || access(beside, F_OK) != 0)
        return config;
    keel_status status = parse_file(beside, &local, err);
    if (status == KEEL_OK) {
        status = overlay(&config->doc, 1, copy_all(&config->doc, &local), err);
        yaml_document_delete(&local);
    }
    if (status != KEEL_OK)
        keel_run_config_free(&config);
    return config;
}

void keel_run_config_free(keel_run_config **config)
{
    if (config == NULL || *config == NULL)
        return;
    if ((*config)->loaded)
        yaml_document_delete(&(*config)->doc);
    keel_free(config);
}

/* The map that holds the last word of `key`, made on the way; 0 when a scalar is in the way. */
static int walk(yaml_document_t *doc, const char *key, const char **last)
{
    int map = 1;
    for (const char *dot; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
        const size_t len = (size_t)(dot - key);
        const yaml_node_pair_t *pair = find_pair(doc, map, key, len);
        if (pair != NULL && !is_map(doc, pair->value))
            return 0;
        if (pair != NULL) {
            map = pair->value;
            continue;
        }
        const int name = yaml_document_add_scalar(doc, NULL, (const yaml_char_t *)key, (int)len,
                                                  YAML_ANY_SCALAR_STYLE);
        const int child = yaml_document_add_mapping(doc, NULL, YAML_BLOCK_MAPPING_STYLE);
        yaml_document_append_mapping_pair(doc, map, name, child);
        map = child;
    }
    *last = key;
    return map;
}

static keel_status put(keel_run_config *config, const char *key, int value, keel_err *err)
{
    const char *last = key;
    const int map = walk(&config->doc, key, &last);
    if (map == 0 || last[0] == '\0')
        return keel_err_set(err, KEEL_EFORMAT, "%s: not a key of a section", key);
    yaml_node_pair_t *pair = find_pair(&config->doc, map, last, strlen(last));
    if (pair != NULL) {
        pair->value = value;
        return KEEL_OK;
    }
    const int name = yaml_document_add_scalar(&config->doc, NULL, (const yaml_char_t *)last, -1,
                                              YAML_ANY_SCALAR_STYLE);
    yaml_document_append_mapping_pair(&config->doc, map, name, value);
    return KEEL_OK;
}

keel_status keel_run_config_set(keel_run_config *config, const char *key, const char *yaml,
                                keel_err *err)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const yaml_char_t *)yaml, strlen(yaml));
    const keel_status status = parse(&parser, key, &doc, err);
    yaml_parser_delete(&parser);
    KEEL_TRY(status);
    const int value = copy_all(&config->doc, &doc);
    yaml_document_delete(&doc);
    return put(config, key, value, err);
}

keel_status keel_run_config_set_text(keel_run_config *config, const char *key, const char *text,
                                     keel_err *err)
{
    const int value = yaml_document_add_scalar(&config->doc, NULL, (const yaml_char_t *)text, -1,
                                               YAML_DOUBLE_QUOTED_SCALAR_STYLE);
    return put(config, key, value, err);
}

/* The node at a dotted key; NULL when there is none. Libyaml reads documents through pointers that
 * are not const. */
static const yaml_node_t *node_at(const keel_run_config *config, const char *key)
{
    yaml_document_t *doc = (yaml_document_t *)&config->doc;
    int at = 1;
    for (;; key++) {
        const size_t len = strcspn(key, ".");
        const yaml_node_pair_t *pair = is_map(doc, at) ? find_pair(doc, at, key, len) : NULL;
        if (pair == NULL)
            return NULL;
        at = pair->value;
        key += len;
        if (*key == '\0')
            break;
    }
    return yaml_document_get_node(doc, at);
}

const char *keel_run_config_get(const keel_run_config *config, const char *key)
{
    const yaml_node_t *node = node_at(config, key);
    return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
                                                          : NULL;
}

int keel_run_config_count(const keel_run_config *config, const char *key)
{
    const yaml_node_t *node = node_at(config, key);
    if (node == NULL || node->type != YAML_MAPPING_NODE)
        return 0;
    return (int)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
}

const char *keel_run_config_name(const keel_run_config *config, const char *key, int i)
{
    const yaml_node_t *map = node_at(config, key);
    const yaml_node_t *name = yaml_document_get_node((yaml_document_t *)&config->doc,
                                                     map->data.mapping.pairs.start[i].key);
    return name->type == YAML_SCALAR_NODE ? (const char *)name->data.scalar.value : "";
}

keel_status keel_run_config_save(keel_run_config *config, const char *path, keel_err *err)
{
    char fresh[4096];
    yaml_emitter_t emitter;
    size_t len = 0;
    keel_text_add(fresh, sizeof fresh, &len, "%s.new", path);
    FILE *out = fopen(fresh, "we");
    if (out == NULL)
        return keel_err_set(err, KEEL_EIO, "%s: %s", fresh, strerror(errno));
    fputs("# Written by keel for this run: the base configuration with what was laid over it.\n",
          out);
    yaml_emitter_initialize(&emitter);
    yaml_emitter_set_output_file(&emitter, out);
    yaml_emitter_set_width(&emitter, 100);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_open(&emitter);
    bool written = yaml_emitter_dump(&emitter, &config->doc) != 0;
    config->loaded = false; /* dump deletes the document */
    written = yaml_emitter_close(&emitter) != 0 && written;
    yaml_emitter_delete(&emitter);
    written = fclose(out) == 0 && written;
    if (written && rename(fresh, path) == 0)
        return KEEL_OK;
    return keel_err_set(err, KEEL_EIO, "%s: cannot be written: %s", path, strerror(errno));
}
