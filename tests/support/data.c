#include "tests/support/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

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
