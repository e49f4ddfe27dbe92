/* seeds_outbox FOLDER - an outbox as it is written, whole and cut. */
#include "common/base/assert.h"
#include "common/client/outbox_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void ignore(void *arg, const keel_signal *signal)
{
    (void)arg;
    (void)signal;
}

int main(int argc, char **argv)
{
    char path[512], lock[520];
    keel_err err = {.status = KEEL_OK};
    keel_signal s = {.strategy = "momentum",
                     .symbol = "BTC-SIM",
                     .side = KEEL_SIDE_LONG,
                     .epoch_ns = 1,
                     .seq = 1};
    if (argc != 2)
        return 2;
    for (int n = 0; n < 4; n++) {
        snprintf(path, sizeof path, "%s/outbox-%d", argv[1], n);
        snprintf(lock, sizeof lock, "%s.lock", path);
        unlink(path);
        keel_outbox_file *f = keel_outbox_file_open(path, "momentum", ignore, NULL, &err);
        KEEL_ASSERT(f != NULL && keel_outbox_file_begin(f, 1000 + n) == KEEL_OK);
        for (int i = 0; i < n; i++) {
            snprintf(s.signal_id, sizeof s.signal_id, "s%d", i);
            KEEL_ASSERT(keel_outbox_file_put(f, &s) == KEEL_OK);
        }
        KEEL_ASSERT(n == 0 || keel_outbox_file_drop(f, 1) == KEEL_OK);
        keel_outbox_file_close(&f);
        unlink(lock);
        KEEL_ASSERT(n < 3 || truncate(path, 300) == 0);
    }
    return 0;
}
