/* fixture.h - books over three instruments, fills that add up, a random market, a store.
 *
 * ROOM     tests/unit/ledger, tests/unit/cli. Prices have 2 decimals, quantities 4: worth in micros
 *          = price_units x qty_units.
 */
#ifndef KEEL_TESTS_UNIT_LEDGER_FIXTURE_H
#define KEEL_TESTS_UNIT_LEDGER_FIXTURE_H

#include "common/base/rng.h"
#include "services/ledger/engine/ledger.h"
#include "services/ledger/store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 3 };

#define USD     INT64_C(1000000)
#define INITIAL (1000 * USD)
#define HOUR_NS INT64_C(3600000000000)

static inline keel_universe *universe(void)
{
    static keel_universe u = {.id = "main", .hash = 77, .n = N};
    for (int i = 0; i < N; i++) {
        keel_instrument *x = &u.instruments[i];
        *x = (keel_instrument){.currency = "USD", .price_exp = 2, .qty_exp = 4, .lot_units = 1};
        snprintf(x->symbol, sizeof x->symbol, "%c", 'A' + i);
        snprintf(x->sector, sizeof x->sector, "%s", i == 2 ? "two" : "one");
    }
    return &u;
}

static const keel_book_share two_books[] = {{"core", 0.4}, {"momentum", 0.2}};

static inline keel_ledger *books(void)
{
    const keel_ledger_cfg c = {"run-1", "main", universe(), 2, two_books, INITIAL, HOUR_NS, 0.0};
    keel_err err = {0};
    keel_ledger *eng = keel_ledger_new(&c, &err);
    cr_assert_not_null(eng, "%s", err.text);
    return eng;
}

/* A fill of one or two books at `price`; fee as given, no slippage. */
static inline keel_fill fill_of(uint64_t step, int i, int64_t core, int64_t momentum, int64_t price,
                                int64_t fee)
{
    keel_fill f = {.instrument = i, .price_units = price, .reference_units = price};
    const int64_t qty[2] = {core, momentum};
    snprintf(f.order_id, sizeof f.order_id, "run-1/main/%lu/0/%c", (unsigned long)step, 'A' + i);
    snprintf(f.fill_id, sizeof f.fill_id, "%.150s/0", f.order_id);
    f.fill_ns = (int64_t)step * HOUR_NS;
    keel_reason_set(&f.reason, KEEL_REASON_REBALANCE, "test");
    for (int b = 0; b < 2; b++) {
        if (qty[b] == 0)
            continue;
        keel_book_fill *p = &f.books[f.books_n++];
        strcpy(p->book, two_books[b].book);
        p->qty_units = qty[b];
        p->cash_micros = -price * qty[b] - fee;
        p->fee_micros = fee;
        f.qty_units += qty[b];
        f.fee_micros += fee;
    }
    return f;
}

static inline keel_bar_row row_of(const int64_t *close, uint64_t step)
{
    keel_bar_row r = {77, (int64_t)step * HOUR_NS, HOUR_NS, N, close, NULL, NULL, NULL, NULL, 0};
    for (int i = 0; i < N; i++)
        r.missing += close[i] == 0;
    return r;
}

static inline keel_capital_allocation capital_of(const keel_book_share *shares, int n)
{
    keel_capital_allocation c = {.portfolio = "main", .books = n, .shares = shares};
    keel_reason_set(&c.reason, KEEL_REASON_VERIFIED, "shares hold");
    return c;
}

/* ---- a random market, the same for the same seed ---- */

typedef struct market {
    keel_rng rng;
    int64_t price[N];
} market;

static inline market market_of(uint64_t seed)
{
    return (market){keel_rng_seeded(seed), {10000, 20000, 50}};
}

/* What explains the fills of momentum: one decision for each instrument. */
static inline void decide_all(keel_store *store)
{
    for (int i = 0; i < N; i++) {
        keel_decision_note d = {.decision_seq = (uint64_t)i + 1, .accepted = true};
        snprintf(d.strategy, sizeof d.strategy, "momentum");
        snprintf(d.signal_id, sizeof d.signal_id, "m-%d", i);
        snprintf(d.symbol, sizeof d.symbol, "%c", 'A' + i);
        d.reason = KEEL_REASON_ACCEPTED;
        cr_assert_eq(keel_store_add_decision(store, &d), KEEL_OK);
    }
}

/* One step of the engine: capital at times, a row, fills at times, close; collected in `store` when
 * it is not NULL. */
static inline void market_step(market *m, uint64_t step, keel_ledger *eng, keel_store *store,
                               keel_ledger_out *out)
{
    int64_t close[N];
    keel_transfer t;
    keel_booked booked;
    bool made;
    if (step == 1 && store != NULL)
        decide_all(store);
    if (keel_rng_below(&m->rng, 5) == 0 || step == 1) {
        const keel_book_share s[2] = {{"core", 0.5 * keel_rng_uniform(&m->rng)},
                                      {"momentum", 0.5 * keel_rng_uniform(&m->rng)}};
        const keel_capital_allocation c = capital_of(s, 2);
        cr_assert_eq(keel_ledger_on_capital(eng, &c, step, &made, &t), KEEL_OK);
        if (made && store != NULL)
            cr_assert_eq(keel_store_add_transfer(store, &t), KEEL_OK);
    }
    for (int i = 0; i < N; i++) {
        m->price[i] += (int64_t)keel_rng_below(&m->rng, 21) - 10;
        m->price[i] = m->price[i] < 10 ? 10 : m->price[i];
        close[i] = step > 1 && keel_rng_below(&m->rng, 9) == 0 ? 0 : m->price[i];
    }
    const keel_bar_row r = row_of(close, step);
    cr_assert_eq(keel_ledger_on_row(eng, &r), KEEL_OK);
    for (int i = 0; i < N; i++) {
        const int64_t a = (int64_t)keel_rng_below(&m->rng, 2001) - 1000;
        const int64_t b = (int64_t)keel_rng_below(&m->rng, 2001) - 1000;
        if (keel_rng_below(&m->rng, 2) == 0 || a + b == 0)
            continue;
        const int64_t fee = (int64_t)keel_rng_below(&m->rng, 99);
        keel_fill f = fill_of(step, i, a, b, m->price[i], fee);
        if (b != 0 && step % 2 == 0)
            f.books[f.books_n - 1].closed_version = (uint64_t)i + 1;
        cr_assert_eq(keel_ledger_on_fill(eng, &f, &booked), KEEL_OK);
        if (store != NULL)
            cr_assert_eq(keel_store_add_fill(store, &f, &booked), KEEL_OK);
    }
    cr_assert_eq(keel_ledger_close(eng, step, out), KEEL_OK);
}

/* ---- a store ---- */

/* A fresh folder; the path of the file in it. */
static inline const char *fresh_path(void)
{
    static char path[128];
    char folder[] = "/tmp/keel-books-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/books.sqlite", folder);
    return path;
}

static inline keel_store_cfg store_cfg(const char *path)
{
    return (keel_store_cfg){path, "run-1", "main", universe(), INITIAL, HOUR_NS, "{}", 10000,
                            8192, 5000,    5000,   100,        10000,   10000,   4};
}

static inline keel_store *store_at(const char *path)
{
    keel_err err = {0};
    const keel_store_cfg c = store_cfg(path);
    keel_store *s = keel_store_open(&c, &err);
    cr_assert_not_null(s, "%s", err.text);
    return s;
}

static inline keel_status commit(keel_store *store, uint64_t step, keel_ledger *eng,
                                 const keel_ledger_out *out)
{
    uint8_t payload[8];
    memcpy(payload, &step, sizeof payload);
    const keel_out outs[2] = {
        {KEEL_TOPIC_PORTFOLIO, "v1.portfolio.main.", 0, (int64_t)step * HOUR_NS, payload, 8},
        {KEEL_TOPIC_PERFORMANCE, "v1.performance.main.", 0, (int64_t)step * HOUR_NS, payload, 4},
    };
    return keel_store_commit(store, step, eng, out, outs, 2);
}

static inline void same_books(const keel_ledger *a, const keel_ledger *b)
{
    static uint8_t one[1 << 20], two[1 << 20];
    size_t len, len2;
    cr_assert_eq(keel_ledger_save(a, false, one, sizeof one, &len), KEEL_OK);
    cr_assert_eq(keel_ledger_save(b, false, two, sizeof two, &len2), KEEL_OK);
    cr_assert_eq(len, len2);
    cr_assert_eq(memcmp(one, two, len), 0, "the books differ");
}

#endif
