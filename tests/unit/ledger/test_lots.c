#include "services/ledger/engine/lots.h"

#include "common/base/rng.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static keel_lot ring[KEEL_LOTS_MAX];

static keel_lots empty(void)
{
    return (keel_lots){.ring = ring};
}

typedef struct booking {
    int64_t qty, gross, realized, closed, held, cost;
} booking;

/* bought 10 at 100 and 10 at 110; sold 15 at 120: 10 x 20 + 5 x 10 = 250 */
static const booking long_table[] = {
    {10, 1000, 0, 0, 10, 1000},
    {10, 1100, 0, 0, 20, 2100},
    {-15, -1800, 250, 15, 5, 550},
    {-5, -400, -150, 5, 0, 0},
};
/* short 10 at 100, flip to long 5 at 90 */
static const booking flip_table[] = {
    {-10, -1000, 0, 0, -10, -1000},
    {15, 1350, 100, 10, 5, 450},
    {-5, -500, 50, 5, 0, 0},
};

static void walk(const booking *table, size_t n)
{
    keel_lots lots = empty();
    for (size_t i = 0; i < n; i++) {
        keel_lots_booked b;
        cr_assert_eq(keel_lots_book(&lots, table[i].qty, table[i].gross, i + 1, &b), KEEL_OK);
        cr_expect_eq(b.realized_micros, table[i].realized, "booking %zu: %ld", i,
                     b.realized_micros);
        cr_expect_eq(b.closed_units, table[i].closed);
        cr_expect_eq(lots.qty_units, table[i].held);
        cr_expect_eq(lots.cost_micros, table[i].cost);
    }
}

Test(lots, first_in_first_out_closed_forms)
{
    walk(long_table, sizeof long_table / sizeof long_table[0]);
    walk(flip_table, sizeof flip_table / sizeof flip_table[0]);
}

Test(lots, cost_moves_by_gross_and_realized_for_any_fills)
{
    keel_rng rng = keel_rng_seeded(5);
    keel_lots lots = empty();
    for (int i = 0; i < 20000; i++) {
        keel_lots_booked b;
        const int64_t qty = (int64_t)keel_rng_below(&rng, 2001) - 1000;
        const int64_t gross = qty * (int64_t)(1 + keel_rng_below(&rng, 999)) / 7;
        const int64_t cost = lots.cost_micros, held = lots.qty_units;
        if (qty == 0)
            continue;
        cr_assert_eq(keel_lots_book(&lots, qty, gross, (uint64_t)i, &b), KEEL_OK);
        cr_assert_eq(lots.cost_micros, cost + gross + b.realized_micros, "seed 5 fill %d", i);
        cr_assert_eq(lots.qty_units, held + qty);
        int64_t sum_qty = 0, sum_cost = 0;
        for (int k = 0; k < lots.count; k++) {
            sum_qty += keel_lots_at(&lots, k)->qty_units;
            sum_cost += keel_lots_at(&lots, k)->cost_micros;
            cr_assert_eq(keel_lots_at(&lots, k)->qty_units > 0, lots.qty_units > 0);
        }
        cr_assert_eq(sum_qty, lots.qty_units);
        cr_assert_eq(sum_cost, lots.cost_micros);
    }
}

Test(lots, a_full_queue_joins_the_newest)
{
    keel_lots lots = empty();
    keel_lots_booked b;
    for (int i = 0; i < KEEL_LOTS_MAX + 3; i++)
        cr_assert_eq(keel_lots_book(&lots, 1, 10, (uint64_t)i, &b), KEEL_OK);
    cr_assert_eq(lots.count, KEEL_LOTS_MAX);
    cr_assert_eq(keel_lots_at(&lots, KEEL_LOTS_MAX - 1)->qty_units, 4);
    cr_assert_eq(keel_lots_book(&lots, -KEEL_LOTS_MAX - 3, -11 * (KEEL_LOTS_MAX + 3), 9, &b),
                 KEEL_OK);
    cr_assert_eq(b.realized_micros, KEEL_LOTS_MAX + 3);
    cr_assert_eq(lots.count, 0);
}

Test(lots, refuses_and_stays)
{
    keel_lots lots = empty();
    keel_lots_booked b;
    cr_assert_eq(keel_lots_book(&lots, 0, 0, 1, &b), KEEL_EINVAL);
    cr_assert_eq(keel_lots_book(&lots, 5, -5, 1, &b), KEEL_EINVAL);
    cr_assert_eq(keel_lots_book(&lots, INT64_MAX, 5, 1, &b), KEEL_EOVERFLOW);
    cr_assert_eq(keel_lots_check(&lots, 5, INT64_MAX), KEEL_EOVERFLOW);
    cr_assert_eq(keel_lots_check(&lots, 5, 5), KEEL_OK);
    cr_assert_eq(lots.count, 0);
    const keel_lot mixed[] = {{5, 5, 1}, {-5, -5, 2}};
    cr_assert_eq(keel_lots_restore(&lots, &mixed[0]), KEEL_OK);
    cr_assert_eq(keel_lots_restore(&lots, &mixed[1]), KEEL_EFORMAT);
}
