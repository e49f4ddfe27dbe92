/* A file's tree from libyaml's events rather than its documents: events show anchors, aliases and
 * tags with their marks, and every limit is applied before anything is stored. */
#include "common/base/mem.h"
#include "common/config/config_internal.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

typedef struct builder {
    keel_config *config;
    const char *name; /* of the file */
    keel_config_node *stack[CONFIG_DEPTH_MAX];
    const char *key[CONFIG_DEPTH_MAX]; /* waiting for its value, in a map */
    int depth;
    keel_config_node *root;
    int documents;
    keel_err *err;
} builder;

static keel_status fail(const builder *b, keel_status status, yaml_mark_t mark, const char *text)
{
    return keel_err_set(b->err, status, "%s:%zu:%zu: %s", b->name, mark.line + 1, mark.column + 1,
                        text);
}

static keel_config_node *make(builder *b, config_kind kind, yaml_mark_t mark)
{
    char where[CONFIG_PATH_MAX];
    snprintf(where, sizeof where, "%s:%zu:%zu", b->name, mark.line + 1, mark.column + 1);
    return config_node(b->config, kind, CONFIG_FROM_FILE, where);
}

static keel_status place(builder *b, keel_config_node *node, yaml_mark_t mark)
{
    if (node == NULL)
        return fail(b, KEEL_ETOOBIG, mark, "more than 100000 values");
    if (b->depth == 0) {
        b->root = node;
        return KEEL_OK;
    }
    keel_config_node *parent = b->stack[b->depth - 1];
    if (parent->kind == CONFIG_MAP) {
        node->name = b->key[b->depth - 1];
        b->key[b->depth - 1] = NULL;
    }
    config_append(b->config, parent, node);
    return KEEL_OK;
}

static keel_status take_key(builder *b, const char *text, size_t len, yaml_mark_t mark)
{
    const keel_config_node *map = b->stack[b->depth - 1];
    char sentence[CONFIG_PATH_MAX];
    if (len == 0 || len > 128)
        return fail(b, KEEL_EFORMAT, mark, "a key must be 1 to 128 bytes");
    if (map->n >= CONFIG_KEYS_MAX)
        return fail(b, KEEL_ETOOBIG, mark, "more than 1024 keys in one map");
    const keel_config_node *first = config_child(map, text, len, false);
    if (first != NULL) {
        snprintf(sentence, sizeof sentence, "\"%.*s\" is given twice, first at %s", (int)len, text,
                 first->where);
        return fail(b, KEEL_EEXIST, mark, sentence);
    }
    b->key[b->depth - 1] = config_copy(b->config, text, len);
    return KEEL_OK;
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static keel_status on_scalar(builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    const size_t len = event->data.scalar.length;
    if (len > CONFIG_SCALAR_BYTES_MAX)
        return fail(b, KEEL_ETOOBIG, event->start_mark, "a value longer than 64 KiB");
    if (memchr(text, '\0', len) != NULL)
        return fail(b, KEEL_EFORMAT, event->start_mark, "a NUL byte in a value");
    if (b->depth > 0 && b->stack[b->depth - 1]->kind == CONFIG_MAP && b->key[b->depth - 1] == NULL)
        return take_key(b, text, len, event->start_mark);
    keel_config_node *node =
        make(b, is_null(event) ? CONFIG_NULL : CONFIG_SCALAR, event->start_mark);
    if (node != NULL)
        node->text = config_copy(b->config, text, len);
    return place(b, node, event->start_mark);
}

static keel_status on_open(builder *b, config_kind kind, yaml_mark_t mark)
{
    if (b->depth > 0 && b->stack[b->depth - 1]->kind == CONFIG_MAP && b->key[b->depth - 1] == NULL)
        return fail(b, KEEL_EFORMAT, mark, "a key must be plain text");
    if (b->depth == CONFIG_DEPTH_MAX)
        return fail(b, KEEL_ETOOBIG, mark, "maps and lists more than 8 deep");
    keel_config_node *node = make(b, kind, mark);
    KEEL_TRY(place(b, node, mark));
    b->stack[b->depth] = node;
    b->key[b->depth] = NULL;
    b->depth++;
    return KEEL_OK;
}

static keel_status refuse_extras(const builder *b, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        return fail(b, KEEL_EREFUSED, event->start_mark, "aliases (*name) are not taken here");
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL)
        return fail(b, KEEL_EREFUSED, event->start_mark, "anchors (&name) are not taken here");
    if (tag != NULL)
        return fail(b, KEEL_EREFUSED, event->start_mark, "tags (!name) are not taken here");
    return KEEL_OK;
}

static keel_status on_event(builder *b, const yaml_event_t *event)
{
    KEEL_TRY(refuse_extras(b, event));
    if (event->type == YAML_DOCUMENT_START_EVENT && ++b->documents > 1)
        return fail(b, KEEL_EREFUSED, event->start_mark, "a second document in one file");
    if (event->type == YAML_SCALAR_EVENT)
        return on_scalar(b, event);
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return on_open(b, CONFIG_LIST, event->start_mark);
    if (event->type == YAML_MAPPING_START_EVENT)
        return on_open(b, CONFIG_MAP, event->start_mark);
    if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT)
        b->depth--;
    return KEEL_OK;
}

static keel_status parse(builder *b, yaml_parser_t *parser)
{
    bool more = true;
    while (more) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            const bool reader = parser->error == YAML_READER_ERROR; /* has an offset, no mark */
            return fail(b, KEEL_EFORMAT, reader ? parser->mark : parser->problem_mark,
                        parser->problem != NULL ? parser->problem : "not YAML");
        }
        more = event.type != YAML_STREAM_END_EVENT;
        const keel_status status = on_event(b, &event);
        yaml_event_delete(&event);
        KEEL_TRY(status);
    }
    return KEEL_OK;
}

typedef struct pair {
    keel_config_node *into;
    const keel_config_node *from;
    int at;
} pair;

/* Maps merge key by key; a null says nothing; everything else replaces. */
static void merge(keel_config *config, keel_config_node *into, const keel_config_node *from)
{
    pair stack[CONFIG_DEPTH_MAX + 1] = {{into, from, 0}};
    for (int depth = 1; depth > 0;) {
        pair *top = &stack[depth - 1];
        if (top->at == top->from->n) {
            depth--;
            continue;
        }
        keel_config_node *child = top->from->children[top->at++];
        keel_config_node *old = config_child(top->into, child->name, strlen(child->name), false);
        if (old == NULL)
            config_append(config, top->into, child);
        else if (old->kind == CONFIG_MAP && child->kind == CONFIG_MAP)
            stack[depth++] = (pair){old, child, 0};
        else if (child->kind != CONFIG_NULL)
            *old = *child;
    }
}

keel_status config_add_yaml(keel_config *config, const char *name, const uint8_t *data, size_t len,
                            keel_err *err)
{
    builder b = {.config = config, .name = name, .err = err};
    yaml_parser_t parser;
    if (len > CONFIG_FILE_BYTES_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "%s: larger than 8 MiB", name);
    if (yaml_parser_initialize(&parser) == 0)
        return keel_err_set(err, KEEL_EIO, "%s: no memory to read it", name);
    yaml_parser_set_input_string(&parser, data, len);
    const keel_status status = parse(&b, &parser);
    yaml_parser_delete(&parser);
    KEEL_TRY(status);
    if (b.root == NULL || b.root->kind == CONFIG_NULL)
        return KEEL_OK; /* an empty file */
    if (b.root->kind != CONFIG_MAP)
        return keel_err_set(err, KEEL_EFORMAT, "%s: must be a map of sections", b.root->where);
    merge(config, config->root, b.root);
    return KEEL_OK;
}
