/* fuzz_problem.c - any bytes as a line of `keel optimize --stream`, or as a constraint.
 *
 * Beyond memory errors it holds these: every line has an answer with an outcome; one that is solved
 * has weights, one that is not says why; a constraint is read again from its canonical form as the
 * same row.
 */
#include "common/base/assert.h"
#include "common/num/la/la.h"
#include "services/workbench/answer_json.h"
#include "services/workbench/solvers.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { N = 3, GROUPS = 2, TEXT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const keel_vocabulary *words, const char *text)
{
    double a[N], again[N];
    keel_constraint_row row = {.a = a}, second = {.a = again};
    keel_err err = {.status = KEEL_OK};
    const keel_status status = keel_constraint_read(text, words, &row, &err);
    KEEL_ASSERT((status == KEEL_OK) == (err.text[0] == '\0'));
    if (status != KEEL_OK || row.name[0] == '\0')
        return;
    KEEL_ASSERT(row.lo <= row.hi);
    KEEL_ASSERT(keel_constraint_read(row.name, words, &second, &err) == KEEL_OK);
    KEEL_ASSERT(strcmp(row.name, second.name) == 0);
    KEEL_ASSERT(memcmp(a, again, sizeof a) == 0);
}

static void check_constraint(const uint8_t *data, size_t size)
{
    char names[N][KEEL_LABEL_MAX] = {"A", "B-1", "1INCH"}, groups[GROUPS][KEEL_LABEL_MAX] = {"G"};
    uint16_t order[N], group_order[GROUPS];
    const unsigned char is_member[GROUPS * N] = {1, 1, 0, 0, 0, 1};
    char text[TEXT_MAX];
    keel_labels assets = {N, names, order}, sets = {GROUPS, groups, group_order};
    const keel_vocabulary words = {&assets, &sets, is_member};
    const size_t len = size < sizeof text ? size : sizeof text - 1;
    memcpy(groups[1], "Big \"x\"", sizeof "Big \"x\"");
    KEEL_ASSERT(keel_labels_seal(&assets) < 0 && keel_labels_seal(&sets) < 0);
    memcpy(text, data, len);
    text[len] = '\0';
    check_row(&words, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_la_init();
    keel_solvers *solvers = keel_solvers_new();
    json_t *answer = keel_solvers_answer(solvers, (const char *)data, size, 1);
    const char *outcome = json_string_value(json_object_get(answer, "outcome"));
    KEEL_ASSERT(outcome != NULL);
    const json_t *weights = json_object_get(answer, "weights");
    const json_t *why = json_object_get(json_object_get(answer, "why_not"), "text");
    KEEL_ASSERT((strcmp(outcome, "solved") == 0) == (json_object_size(weights) > 0));
    KEEL_ASSERT((strcmp(outcome, "solved") == 0) == (json_string_length(why) == 0));
    json_decref(answer);
    keel_solvers_free(&solvers);
    check_constraint(data, size);
    return 0;
}
