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

/* Read a whole file, gunzipped when it is gzip; NUL-terminated, owned (free). Aborts on error. */
char *keel_test_read(const char *path, size_t *len);

#endif
