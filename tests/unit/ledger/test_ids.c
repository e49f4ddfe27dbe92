#include "services/ledger/engine/ids.h"

#include <criterion/criterion.h>

Test(ids, remembers_the_newest_and_forgets_the_rest)
{
    static keel_ids ids;
    for (uint64_t i = 1; i <= 3 * KEEL_IDS_MAX; i++) {
        /* few homes, so that runs grow long and wrap around the end of the table */
        const uint64_t hash = i * KEEL_IDS_TABLE + (i % 64) + KEEL_IDS_TABLE - 32;
        cr_assert_not(keel_ids_has(&ids, hash), "%lu", (unsigned long)i);
        keel_ids_add(&ids, hash);
        cr_assert(keel_ids_has(&ids, hash));
        if (i % 512 != 0)
            continue;
        for (uint64_t j = 1; j <= i; j++) {
            const uint64_t old = j * KEEL_IDS_TABLE + (j % 64) + KEEL_IDS_TABLE - 32;
            cr_assert_eq(keel_ids_has(&ids, old), j + KEEL_IDS_MAX > i, "%lu after %lu",
                         (unsigned long)j, (unsigned long)i);
        }
    }
}

Test(ids, hashes_are_never_zero)
{
    cr_assert_neq(keel_ids_hash(""), 0);
    cr_assert_neq(keel_ids_hash("a"), keel_ids_hash("b"));
}
