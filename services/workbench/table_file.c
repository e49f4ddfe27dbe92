#include "services/workbench/options.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "services/workbench/problem_json.h"
#include "services/workbench/read_file.h"

#include <string.h>

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
        text[--len] = '\0';
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text[len - 1] = '\0';
        text++;
    }
    return text;
}

static keel_status add_weight(json_t *to, const char *asset, const char *text, keel_err *err)
{
    double value;
    if (keel_text_real(text, &value) != KEEL_OK)
        return keel_err_set(err, KEEL_EFORMAT, "'%.80s' is not a number", text);
    if (json_object_get(to, asset) != NULL)
        return keel_err_set(err, KEEL_EFORMAT, "'%.80s' is there twice", asset);
    json_object_set_new(to, asset, json_real(value));
    return KEEL_OK;
}

static void add_member(json_t *to, const char *asset, const char *group)
{
    json_t *members = json_object_get(to, group);
    if (members == NULL) {
        members = json_array();
        json_object_set_new(to, group, members);
    }
    json_array_append_new(members, json_string(asset));
}

/* One line, cut in place at its last comma. */
static keel_status add_line(json_t *to, char *line, bool group, bool first, keel_err *err)
{
    char *comma = strrchr(line, ',');
    if (line[strspn(line, " \t\r")] == '\0')
        return KEEL_OK;
    if (comma == NULL)
        return keel_err_set(err, KEEL_EFORMAT, "no comma; 'asset,%s' is expected",
                            group ? "group" : "weight");
    *comma = '\0';
    const char *asset = trim(line), *value = trim(comma + 1);
    if (first && strcmp(asset, "asset") == 0 && strcmp(value, group ? "group" : "weight") == 0)
        return KEEL_OK;
    if (!keel_text_is_utf8(asset, strlen(asset)) || !keel_text_is_utf8(value, strlen(value)))
        return keel_err_set(err, KEEL_EFORMAT, "not UTF-8");
    if (!group)
        return add_weight(to, asset, value, err);
    add_member(to, asset, value);
    return KEEL_OK;
}

static json_t *read_lines(const char *path, char *text, bool group, keel_err *err)
{
    json_t *to = json_object();
    keel_err inner = {.status = KEEL_OK};
    int number = 0;
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        number++;
        if (add_line(to, line, group, number == 1, &inner) == KEEL_OK)
            continue;
        keel_err_set(err, inner.status, "%s:%d: %.300s", path, number, inner.text);
        json_decref(to);
        return NULL;
    }
    return to;
}

json_t *keel_table_read(const char *path, bool group, keel_err *err)
{
    char *text;
    size_t len;
    keel_err inner = {.status = KEEL_OK};
    if (keel_file_read(path, KEEL_TABLE_BYTES_MAX, &text, &len, err) != KEEL_OK)
        return NULL;
    if (text[strspn(text, " \t\r\n")] != '{') {
        json_t *to = read_lines(path, text, group, err);
        keel_free(&text);
        return to;
    }
    json_t *to = keel_problem_parse(text, len, &inner);
    if (to == NULL)
        keel_err_set(err, inner.status, "%s: %.300s", path, inner.text);
    keel_free(&text);
    return to;
}
