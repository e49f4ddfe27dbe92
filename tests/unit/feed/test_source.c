#include "services/feed/engine/inspect.h"
#include "services/feed/engine/source.h"

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/timefmt.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { N = 3 };

static keel_feed_source *simulated(uint64_t rows)
{
    keel_universe *u = keel_xcalloc(1, sizeof *u);
    keel_simulator_cfg cfg;
    strcpy(u->id, "main");
    u->n = N;
    for (int i = 0; i < N; i++) {
        keel_instrument *it = &u->instruments[i];
        sprintf(it->symbol, "S%d-SIM", i);
        strcpy(it->currency, "USD");
        it->price_exp = it->qty_exp = 8;
        it->lot_units = 1;
        it->session = i == 0 ? KEEL_SESSION_WEEKDAYS : KEEL_SESSION_CONTINUOUS;
    }
    cr_assert_eq(keel_universe_seal(u, NULL), KEEL_OK);
    keel_simulator_defaults(&cfg);
    cfg.universe = u;
    cfg.bar_ns = KEEL_NS_PER_H;
    cfg.start_ns = 0;
    cfg.missing_frac = 0.1;
    keel_simulator *sim = keel_simulator_new(&cfg, NULL);
    keel_free(&u);
    keel_feed_source *source = keel_feed_source_of_simulator(&sim, rows);
    cr_assert_null(sim, "taken over");
    return source;
}

static keel_feed_source *from_text(const char *text, uint64_t rows)
{
    keel_complaints complaints = {.refused = 0};
    keel_err err;
    keel_csv *csv = keel_csv_new("p.csv", text, strlen(text), &complaints, &err);
    const keel_csv *const files[] = {csv};
    const keel_feed_choice choice = {.stamp = KEEL_STAMP_AUTO};
    keel_pick *pick = keel_xcalloc(1, sizeof *pick);
    keel_universe *u = keel_xcalloc(1, sizeof *u);
    cr_assert_eq(keel_pick_make(files, 1, &choice, pick, &err), KEEL_OK);
    cr_assert_eq(keel_inspect_universe(files, pick, "USD", u, &err), KEEL_OK);
    const keel_table_cfg cfg = {files, 1, pick, u, KEEL_STAMP_AUTO};
    keel_table *table = keel_table_new(&cfg, &complaints, &err);
    cr_assert_not_null(table, "%s", err.text);
    keel_feed_source *source = keel_feed_source_of_table(&table, rows, complaints.refused);
    cr_assert_null(table);
    keel_csv_free(&csv);
    keel_free(&pick);
    keel_free(&u);
    return source;
}

/* Every bit a step consists of. */
static uint64_t hash_of(const keel_feed_out *out)
{
    const keel_bar_row *r = &out->row;
    const size_t n = (size_t)r->n;
    uint64_t parts[12] = {r->universe_hash,     (uint64_t)r->close_ns, (uint64_t)r->bar_ns,
                          (uint64_t)r->missing, out->missing,          out->held,
                          out->refused};
    parts[7] = keel_hash(r->close_units, n * sizeof(int64_t));
    if (r->open_units != NULL)
        parts[8] = keel_hash(r->open_units, n * sizeof(int64_t)) ^
                   keel_hash(r->high_units, n * sizeof(int64_t)) * 3 ^
                   keel_hash(r->low_units, n * sizeof(int64_t)) * 5;
    if (r->volume != NULL)
        parts[9] = keel_hash(r->volume, n * sizeof(double));
    if (out->has_truth)
        parts[10] = keel_hash(out->truth.correlation, keel_packed_len(r->n) * sizeof(double)) +
                    out->truth.regime;
    return keel_hash(parts, sizeof parts);
}

static uint64_t at(keel_feed_source *source, uint64_t step)
{
    keel_feed_out out;
    cr_assert_eq(keel_feed_source_row(source, step, &out), KEEL_OK, "step %llu",
                 (unsigned long long)step);
    return hash_of(&out);
}

/* P1: whatever was asked for before, a step is the same to the bit. */
Test(source, gives_any_step_again)
{
    enum { ROWS = 5000, ASKED = 400, SEED = 11 };
    keel_feed_source *source = simulated(ROWS);
    uint64_t *hashes = keel_xcalloc(ROWS + 1, sizeof *hashes);
    for (uint64_t k = 1; k <= ROWS; k++)
        hashes[k] = at(source, k);
    for (uint64_t k = 2; k <= ROWS; k++)
        cr_assert_neq(hashes[k], hashes[k - 1]);
    keel_rng rng = keel_rng_seeded(SEED);
    for (int i = 0; i < ASKED; i++) {
        const uint64_t k = 1 + keel_rng_below(&rng, ROWS);
        cr_assert_eq(at(source, k), hashes[k], "seed %d, step %llu", SEED, (unsigned long long)k);
    }
    static const uint64_t edges[] = {1, 1024, 1025, 1024, 1023, 2049, 5000, 1, 2, 2048};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        cr_assert_eq(at(source, edges[i]), hashes[edges[i]], "step %llu",
                     (unsigned long long)edges[i]);
    /* and a new object, asked out of order from the first call on, agrees */
    keel_feed_source *fresh = simulated(ROWS);
    cr_assert_eq(at(fresh, 3000), hashes[3000]);
    cr_assert_eq(at(fresh, 17), hashes[17]);
    cr_assert_eq(at(fresh, 4999), hashes[4999]);
    keel_feed_source_free(&fresh);
    keel_feed_source_free(&source);
    keel_free(&hashes);
}

static const char prices[] = "date,A,B\n2020-01-01,100,1\n2020-01-02,1100,1\n2020-01-03,101,x\n"
                             "2020-01-04,,2\n2020-01-05,103,1\n";

Test(source, counts_belong_to_steps)
{
    keel_feed_source *source = from_text(prices, 0);
    keel_feed_out out;
    static const uint64_t missing[] = {0, 1, 2, 3, 3}, held[] = {0, 1, 1, 1, 1};
    cr_assert_eq(keel_feed_source_rows(source), 5u);
    for (int pass = 0; pass < 2; pass++)
        for (uint64_t k = 5; k >= 1; k--) {
            cr_assert_eq(keel_feed_source_row(source, k, &out), KEEL_OK);
            cr_expect_not(out.has_truth);
            cr_expect_eq(out.missing, missing[k - 1]);
            cr_expect_eq(out.held, held[k - 1]);
            cr_expect_eq(out.refused, 1u);
            cr_expect_eq(keel_bar_row_check(&out.row), KEEL_OK);
        }
    cr_assert_null(out.row.open_units);
    keel_feed_source_free(&source);
    cr_assert_null(source);
    keel_feed_source_free(&source);
}

Test(source, ends_after_its_rows)
{
    static const uint64_t asked[] = {0, 3, 5, 99}, given[] = {5, 3, 5, 5};
    keel_feed_out out;
    for (int i = 0; i < 4; i++) {
        keel_feed_source *source = from_text(prices, asked[i]);
        cr_expect_eq(keel_feed_source_rows(source), given[i]);
        cr_expect_eq(keel_feed_source_row(source, given[i], &out), KEEL_OK);
        cr_expect_eq(keel_feed_source_row(source, given[i] + 1, &out), KEEL_EEND);
        cr_expect_eq(keel_feed_source_row(source, 0, &out), KEEL_ERANGE);
        keel_feed_source_free(&source);
    }
    keel_feed_source *source = simulated(1);
    cr_expect_eq(keel_feed_source_row(source, 1, &out), KEEL_OK);
    cr_expect(out.has_truth);
    cr_expect_eq(keel_feed_source_row(source, 2, &out), KEEL_EEND);
    keel_feed_source_free(&source);
}
