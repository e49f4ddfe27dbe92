/* Any bytes as an outbox file: read, or refused by name; what is read is consistent, and reading
 * its whole records again gives the same. */
#include "common/base/assert.h"
#include "common/client/outbox_file.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keel_outbox_scan scan, again;
    keel_err err = {.status = KEEL_OK};
    const keel_status status = keel_outbox_file_scan(data, size, "momentum", &scan, &err);
    if (status != KEEL_OK) {
        KEEL_ASSERT(err.status == status && err.text[0] != '\0');
        return 0;
    }
    KEEL_ASSERT(scan.end <= size && scan.base <= scan.dropped && scan.dropped <= scan.put);
    KEEL_ASSERT(scan.put - scan.dropped <= KEEL_OUTBOX_MAX && scan.epoch_ns >= 0);
    KEEL_ASSERT(keel_outbox_file_scan(data, scan.end, "momentum", &again, &err) == KEEL_OK);
    KEEL_ASSERT(again.end == scan.end && again.put == scan.put && again.dropped == scan.dropped);
    return 0;
}
