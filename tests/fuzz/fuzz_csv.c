/* fuzz_csv.c - any bytes as a price file: parsed, joined, cleaned, served, or refused by name.
 *
 * Beyond memory errors it holds these: what is served passes keel_bar_row_check, times ascend, a
 * refusal has a text, and counts agree.
 */
#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/domain/bar_row.h"
#include "services/feed/engine/inspect.h"
#include "services/feed/engine/source.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_source(keel_feed_source *source)
{
    keel_feed_out out;
    int64_t last_ns = INT64_MIN;
    uint64_t missing = 0;
    for (uint64_t k = 1; keel_feed_source_row(source, k, &out) == KEEL_OK; k++) {
        KEEL_ASSERT(keel_bar_row_check(&out.row) == KEEL_OK);
        KEEL_ASSERT(out.row.close_ns > last_ns);
        KEEL_ASSERT(out.row.missing < out.row.n);
        missing += (uint64_t)out.row.missing;
        KEEL_ASSERT(out.missing == missing);
        last_ns = out.row.close_ns;
    }
}

static void serve(const keel_csv *csv, const keel_complaints *read, keel_stamp stamp)
{
    const keel_csv *const files[] = {csv};
    const keel_feed_choice choice = {.stamp = stamp};
    keel_err err = {.status = KEEL_OK};
    keel_complaints complaints = *read;
    keel_pick *pick = keel_xcalloc(1, sizeof *pick);
    keel_inspection *in = keel_inspect_new(files, 1, &choice, read, "USD", &err);
    KEEL_ASSERT((in == NULL) == (err.status != KEEL_OK && err.text[0] != '\0'));
    if (in != NULL) {
        KEEL_ASSERT(keel_pick_make(files, 1, &choice, pick, &err) == KEEL_OK);
        const keel_table_cfg cfg = {files, 1, pick, &in->universe, stamp};
        keel_table *table = keel_table_new(&cfg, &complaints, &err);
        KEEL_ASSERT(table != NULL && table->rows == in->rows);
        keel_feed_source *source = keel_feed_source_of_table(&table, 0, complaints.refused);
        check_source(source);
        keel_feed_source_free(&source);
    }
    keel_inspect_free(&in);
    keel_free(&pick);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_err err = {.status = KEEL_OK};
    keel_complaints complaints = {.refused = 0};
    if (size == 0)
        return 0;
    keel_csv *csv = keel_csv_new("fuzz.csv", (const char *)data + 1, size - 1, &complaints, &err);
    KEEL_ASSERT((csv == NULL) == (err.status != KEEL_OK && err.text[0] != '\0'));
    if (csv != NULL)
        serve(csv, &complaints, (keel_stamp)(data[0] % 3));
    keel_csv_free(&csv);
    return 0;
}
