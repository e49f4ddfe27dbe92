/* data.h - where tests find reference answers and market data.
 *
 * ROOM     tests/support. The folder is named by KEEL_TEST_DATA, else ../shared/data beside the
 *          checkout. Where it is absent a test that needs it is skipped with the reason; with
 *          KEEL_TEST_DATA_REQUIRED=1 absence fails.
 */
#ifndef KEEL_TESTS_SUPPORT_DATA_H
#define KEEL_TESTS_SUPPORT_DATA_H

#include <jansson.h>
#include <stdbool.h>

/* Absolute path of `name` inside the data folder, in a static buffer; NULL and a printed reason
 * when it is not there. Aborts instead when KEEL_TEST_DATA_REQUIRED=1. */
const char *keel_test_data(const char *name);

/* Every case of reference/<file> as a jansson array (owned by the caller); NULL as above. */
json_t *keel_test_cases(const char *file);

/* Call run() for each case whose capability begins with `prefix`, file by file as
 * reference/index.csv lists them. Returns how many ran; -1 when there is no reference data. Aborts
 * when the index lists none, or when a file holds other cases of the prefix than the index. */
int keel_test_each_case(const char *prefix, void (*run)(const json_t *one));

/* Member `key` of an object: `otherwise` when it is no number, "" when it is no text. */
double keel_test_number(const json_t *from, const char *key, double otherwise);
const char *keel_test_text(const json_t *from, const char *key);

/* Read a whole file, gunzipped when it is gzip; NUL-terminated, owned (free). Aborts on error. */
char *keel_test_read(const char *path, size_t *len);

#endif
