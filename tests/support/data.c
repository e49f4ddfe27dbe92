#include "tests/support/data.h"

#include "tests/support/market.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { FILES_MAX = 32, FIELDS = 8 };

const char *keel_test_data(const char *name)
{
    static char path[4096];
    const char *root = getenv("KEEL_TEST_DATA");
    const char *source = getenv("KEEL_SOURCE_DIR");
    const char *required = getenv("KEEL_TEST_DATA_REQUIRED");
    if (root != NULL && root[0] != '\0')
        snprintf(path, sizeof path, "%s/%s", root, name);
    else
        snprintf(path, sizeof path, "%s/../shared/data/%s", source != NULL ? source : ".", name);
    if (access(path, R_OK) == 0)
        return path;
    fprintf(stderr, "skipped: %s is not there (set KEEL_TEST_DATA)\n", path);
    if (required != NULL && strcmp(required, "1") == 0)
        abort();
    return NULL;
}

double keel_test_number(const json_t *from, const char *key, double otherwise)
{
    const json_t *value = json_object_get(from, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

const char *keel_test_text(const json_t *from, const char *key)
{
    const char *value = json_string_value(json_object_get(from, key));
    return value != NULL ? value : "";
}

char *keel_test_read(const char *path, size_t *len)
{
    size_t cap = 1 << 16, n = 0;
    char *text = malloc(cap);
    gzFile in = gzopen(path, "rb");
    if (in == NULL || text == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        abort();
    }
    for (int got; (got = gzread(in, text + n, (unsigned)(cap - n - 1))) > 0;) {
        n += (size_t)got;
        if (cap - n < 2 && (text = realloc(text, cap *= 2)) == NULL)
            abort();
    }
    gzclose(in);
    text[n] = '\0';
    *len = n;
    return text;
}

json_t *keel_test_cases(const char *file)
{
    char name[256];
    json_error_t error;
    snprintf(name, sizeof name, "reference/%s", file);
    const char *path = keel_test_data(name);
    if (path == NULL)
        return NULL;
    json_t *cases = json_load_file(path, 0, &error);
    if (cases == NULL) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        abort();
    }
    return cases;
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int run_file(const char *file, const char *prefix, void (*run)(const json_t *one))
{
    int ran = 0;
    size_t k;
    json_t *one, *cases = keel_test_cases(file);
    json_array_foreach(cases, k, one)
    {
        if (!begins_with(keel_test_text(one, "capability"), prefix))
            continue;
        run(one);
        ran++;
    }
    json_decref(cases);
    return ran;
}

/* Cases of the prefix in index.csv, and in files[] the different files they are in. */
static int read_index(char *csv, const char *prefix, const char *files[FILES_MAX], int *file_count)
{
    char *rest = csv, *fields[FIELDS];
    int listed = 0;
    *file_count = 0;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
        int known = 0;
        if (keel_csv_cut(line, fields, FIELDS) < 4 || !begins_with(fields[1], prefix))
            continue;
        listed++;
        while (known < *file_count && strcmp(files[known], fields[3]) != 0)
            known++;
        if (known == FILES_MAX)
            abort();
        files[known] = fields[3];
        *file_count = known == *file_count ? known + 1 : *file_count;
    }
    return listed;
}

int keel_test_each_case(const char *prefix, void (*run)(const json_t *one))
{
    const char *files[FILES_MAX], *path = keel_test_data("reference/index.csv");
    size_t len;
    int file_count, ran = 0;
    if (path == NULL)
        return -1;
    char *csv = keel_test_read(path, &len);
    const int listed = read_index(csv, prefix, files, &file_count);
    for (int k = 0; k < file_count; k++)
        ran += run_file(files[k], prefix, run);
    free(csv);
    if (listed == 0 || ran != listed) {
        fprintf(stderr, "%d cases of %s ran, the index lists %d\n", ran, prefix, listed);
        abort();
    }
    return ran;
}
