#include "common/base/text.h"
#include "common/config/config_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Code point of a UTF-8 character of two or three bytes. */
static unsigned code_of(const unsigned char *c, size_t len)
{
    return len == 2 ? (c[0] & 0x1fu) << 6 | (c[1] & 0x3fu)
                    : (c[0] & 0xfu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu);
}

/* What libyaml would refuse in a text, or fold as it does the end of a line. */
static bool must_be_escaped(unsigned code)
{
    return code < 0xa0 || code == 0x2028 || code == 0x2029 || code == 0xfeff || code >= 0xfffe;
}

static void put_quoted(const char *text, FILE *to)
{
    fputc('"', to);
    for (const char *at = text; *at != '\0';) {
        const unsigned char *c = (const unsigned char *)at;
        const size_t step = keel_text_utf8_step(at, strlen(at)), len = step > 0 ? step : 1;
        if (*c == '"' || *c == '\\')
            fprintf(to, "\\%c", *c);
        else if (*c == '\n')
            fputs("\\n", to);
        else if (*c < ' ' || *c == 0x7f)
            fprintf(to, "\\u%04x", *c);
        else if ((len == 2 || len == 3) && must_be_escaped(code_of(c, len)))
            fprintf(to, "\\u%04x", code_of(c, len));
        else
            fwrite(at, 1, len, to);
        at += len;
    }
    fputc('"', to);
}

/* Every scalar quoted: YAML's flow style and JSON at once. */
static void put_tree(const keel_config_node *root, FILE *to)
{
    struct {
        const keel_config_node *node;
        int at;
    } stack[CONFIG_DEPTH_MAX + 2];
    int depth = 0;
    const keel_config_node *node = root;
    for (;;) {
        if (node->kind == CONFIG_SCALAR) {
            put_quoted(node->text, to);
        } else if (node->kind == CONFIG_NULL) {
            fputs("null", to);
        } else {
            fputc(node->kind == CONFIG_MAP ? '{' : '[', to);
            stack[depth].node = node;
            stack[depth++].at = 0;
        }
        while (depth > 0 && stack[depth - 1].at == stack[depth - 1].node->n)
            fputc(stack[--depth].node->kind == CONFIG_MAP ? '}' : ']', to);
        if (depth == 0)
            return;
        const keel_config_node *parent = stack[depth - 1].node;
        node = parent->children[stack[depth - 1].at++];
        if (stack[depth - 1].at > 1)
            fputs(", ", to);
        if (parent->kind == CONFIG_MAP) {
            put_quoted(node->name, to);
            fputs(": ", to);
        }
    }
}

static const char *type_name(keel_cfg_type type)
{
    static const char *const names[] = {"",         "text",    "int",  "int",  "real", "fraction",
                                        "duration", "boolean", "enum", "tree", "later"};
    return names[type];
}

/* Words that YAML reads back as the same text without quotes. */
static bool is_plain(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_.%+-";
    return text[0] != '\0' && text[0] != '%' && text[0] != '-' && strcmp(text, "null") != 0 &&
           strspn(text, letters) == strlen(text);
}

typedef struct view {
    const keel_config_node *node; /* NULL: not given */
    const char *text;             /* effective scalar, NULL for none */
    const char *origin;
} view;

static view look(const keel_config *config, const keel_cfg_row *row)
{
    view v = {keel_config_at(config, row->key), row->default_text, "default"};
    if (v.node != NULL && v.node->kind == CONFIG_NULL)
        v.node = NULL;
    if (v.node != NULL) {
        v.text = v.node->text;
        v.origin = v.node->where;
    }
    return v;
}

static void print_json(const keel_cfg_row *row, const view *v, FILE *to)
{
    const struct {
        const char *name;
        const char *text;
    } members[] = {{"type", type_name(row->type)},
                   {"default", row->default_text},
                   {"min", row->min},
                   {"max", row->max},
                   {"unit", row->unit},
                   {"help", row->help},
                   {"origin", v->origin}};
    fputs("{\"key\": ", to);
    put_quoted(row->key, to);
    fputs(", \"value\": ", to);
    if (v->node != NULL)
        put_tree(v->node, to);
    else if (v->text != NULL)
        put_quoted(v->text, to);
    else
        fputs("null", to);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        fprintf(to, ", \"%s\": ", members[i].name);
        if (members[i].text != NULL)
            put_quoted(members[i].text, to);
        else
            fputs("null", to);
    }
    fputs("}\n", to);
}

/* "a.b.c" after "a.x": prints "  b:" and returns the depth of c. */
static int print_sections(const char *key, const char *last, FILE *to)
{
    int depth = 0;
    bool same = true;
    for (const char *word = key, *dot; (dot = strchr(word, '.')) != NULL; word = dot + 1) {
        const size_t upto = (size_t)(dot - key) + 1;
        same = same && strncmp(key, last, upto) == 0;
        if (!same)
            fprintf(to, "%*s%.*s:\n", 2 * depth, "", (int)(dot - word), word);
        depth++;
    }
    return depth;
}

static void print_comment(const keel_cfg_row *row, const view *v, bool origin, FILE *to)
{
    const char *separator = "  # ";
    if (row->type == KEEL_CFG_T_LATER) {
        fprintf(to, "%snot available yet", separator);
        separator = ": ";
    }
    if (row->type == KEEL_CFG_T_ENUM) {
        fprintf(to, "%s%s", separator, row->min);
        separator = "; ";
    } else if (row->min != NULL || row->max != NULL) {
        fprintf(to, "%s%s..%s", separator, row->min != NULL ? row->min : "",
                row->max != NULL ? row->max : "");
        separator = "; ";
    }
    if (row->unit != NULL && row->unit[0] != '\0') {
        fprintf(to, "%s%s", separator, row->unit);
        separator = "; ";
    }
    fprintf(to, "%s%s", separator, row->help);
    if (origin)
        fprintf(to, " [%s]", v->origin);
    fputc('\n', to);
}

static void print_yaml(const keel_cfg_row *row, const view *v, bool origin, const char *last,
                       FILE *to)
{
    const int depth = print_sections(row->key, last, to);
    const char *dot = strrchr(row->key, '.');
    const bool silent = v->node == NULL && v->text == NULL;
    fprintf(to, "%*s%s%s: ", 2 * depth, "", silent ? "# " : "", dot != NULL ? dot + 1 : row->key);
    if (v->node != NULL && v->node->kind != CONFIG_SCALAR)
        put_tree(v->node, to);
    else if (v->text != NULL && is_plain(v->text))
        fputs(v->text, to);
    else if (v->text != NULL)
        put_quoted(v->text, to);
    print_comment(row, v, origin, to);
}

void keel_config_print(const keel_config *config, const keel_cfg_row *rows, bool origin, bool json,
                       FILE *to)
{
    const char *last = "";
    for (const keel_cfg_row *row = rows; row->type != KEEL_CFG_T_END; row++) {
        const view v = look(config, row);
        if (json)
            print_json(row, &v, to);
        else
            print_yaml(row, &v, origin, last, to);
        last = row->key;
    }
}
