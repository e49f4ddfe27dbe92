#include "common/domain/universe.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static keel_universe small(void)
{
    keel_universe u = {.id = "main", .n = 3};
    static const char *const symbols[] = {"BTC-SIM", "BRK.B", "EUR/USD"};
    for (int i = 0; i < u.n; i++) {
        keel_instrument *it = &u.instruments[i];
        strcpy(it->symbol, symbols[i]);
        strcpy(it->sector, "Layer 1");
        strcpy(it->currency, "USD");
        it->price_exp = 8;
        it->qty_exp = 8;
        it->lot_units = 1;
        it->session = KEEL_SESSION_CONTINUOUS;
    }
    return u;
}

Test(universe, seals_and_finds)
{
    keel_universe u = small();
    cr_assert_eq(keel_universe_seal(&u, NULL), KEEL_OK);
    cr_assert_neq(u.hash, 0);
    cr_assert_eq(keel_universe_find(&u, "BTC-SIM"), 0);
    cr_assert_eq(keel_universe_find(&u, "EUR/USD"), 2);
    cr_assert_eq(keel_universe_find(&u, "BTC"), -1);
    cr_assert_eq(keel_universe_find(&u, ""), -1);
}

static uint64_t hash_of(keel_universe *u)
{
    cr_assert_eq(keel_universe_seal(u, NULL), KEEL_OK);
    return u->hash;
}

Test(universe, hash_covers_every_field_and_the_order)
{
    keel_universe base = small();
    const uint64_t want = hash_of(&base);
    keel_universe same = small();
    memset(same.instruments[0].symbol, 'x', sizeof same.instruments[0].symbol);
    strcpy(same.instruments[0].symbol, "BTC-SIM"); /* what lies behind the NUL does not count */
    strcpy(same.id, "other");
    cr_assert_eq(hash_of(&same), want);

    keel_universe v[9];
    for (int i = 0; i < 9; i++)
        v[i] = small();
    strcpy(v[0].instruments[1].symbol, "BRK.A");
    strcpy(v[1].instruments[1].sector, "Layer 2");
    for (int i = 0; i < 3; i++)
        strcpy(v[2].instruments[i].currency, "EUR");
    v[3].instruments[2].price_exp = 2;
    v[4].instruments[2].qty_exp = 2;
    v[5].instruments[0].lot_units = 10;
    v[6].instruments[0].min_notional_micros = 1;
    v[7].instruments[0].session = KEEL_SESSION_WEEKDAYS;
    v[8].instruments[0] = base.instruments[1];
    v[8].instruments[1] = base.instruments[0];
    for (int i = 0; i < 9; i++) {
        cr_assert_neq(hash_of(&v[i]), want, "variant %d", i);
        for (int j = 0; j < i; j++)
            cr_assert_neq(v[i].hash, v[j].hash, "variants %d and %d", i, j);
    }
    keel_universe shorter = small();
    shorter.n = 2;
    cr_assert_neq(hash_of(&shorter), want);
}

static void break_symbol(keel_universe *u)
{
    strcpy(u->instruments[1].symbol, "a b");
}
static void break_empty(keel_universe *u)
{
    u->instruments[1].symbol[0] = '\0';
}
static void break_percent(keel_universe *u)
{
    strcpy(u->instruments[1].symbol, "BRK%2EB"); /* would collide with BRK.B as a topic key */
}
static void break_long(keel_universe *u)
{
    memset(u->instruments[1].symbol, 'A', KEEL_SYMBOL_MAX);
}
static void break_repeat(keel_universe *u)
{
    strcpy(u->instruments[2].symbol, "BTC-SIM");
}
static void break_sector(keel_universe *u)
{
    strcpy(u->instruments[1].sector, "line\nbreak");
}
static void break_sector_long(keel_universe *u)
{
    memset(u->instruments[1].sector, 'S', KEEL_NAME_MAX - 1); /* "sector:SSS..." would not fit */
}
static void break_currency(keel_universe *u)
{
    strcpy(u->instruments[2].currency, "EUR");
}
static void break_currency_case(keel_universe *u)
{
    strcpy(u->instruments[0].currency, "usd");
}
static void break_price_exp(keel_universe *u)
{
    u->instruments[1].price_exp = 13;
}
static void break_qty_exp(keel_universe *u)
{
    u->instruments[1].qty_exp = -1;
}
static void break_lot(keel_universe *u)
{
    u->instruments[1].lot_units = 0;
}
static void break_notional(keel_universe *u)
{
    u->instruments[1].min_notional_micros = -1;
}
static void break_session(keel_universe *u)
{
    u->instruments[1].session = KEEL_SESSION_UNSPECIFIED;
}
static void break_none(keel_universe *u)
{
    u->n = 0;
}
static void break_many(keel_universe *u)
{
    u->n = KEEL_UNIVERSE_MAX + 1;
}
static void break_id(keel_universe *u)
{
    u->id[0] = '\0';
}

Test(universe, refuses_by_name_and_keeps_the_old_hash)
{
    static const struct {
        void (*damage)(keel_universe *);
        keel_status want;
        const char *says;
    } cases[] = {
        {break_symbol, KEEL_EINVAL, "a b"},
        {break_empty, KEEL_EINVAL, "instrument 2"},
        {break_percent, KEEL_EINVAL, "BRK%2EB"},
        {break_long, KEEL_EINVAL, "instrument 2"},
        {break_repeat, KEEL_EEXIST, "BTC-SIM: given twice"},
        {break_sector, KEEL_EINVAL, "BRK.B: sector"},
        {break_sector_long, KEEL_EINVAL, "BRK.B: sector"},
        {break_currency, KEEL_EINVAL, "EUR/USD: currency EUR"},
        {break_currency_case, KEEL_EINVAL, "usd"},
        {break_price_exp, KEEL_ERANGE, "price_exp 13"},
        {break_qty_exp, KEEL_ERANGE, "qty_exp -1"},
        {break_lot, KEEL_ERANGE, "BRK.B: lot"},
        {break_notional, KEEL_ERANGE, "min_notional"},
        {break_session, KEEL_EINVAL, "session"},
        {break_none, KEEL_ERANGE, "0 instruments"},
        {break_many, KEEL_ERANGE, "513 instruments"},
        {break_id, KEEL_EINVAL, "universe"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static keel_universe u;
        keel_err err = {0};
        u = small();
        u.hash = 12345;
        cases[i].damage(&u);
        cr_assert_eq(keel_universe_seal(&u, &err), cases[i].want, "case %zu: %s", i, err.text);
        cr_assert_eq(err.status, cases[i].want);
        cr_assert_not_null(strstr(err.text, cases[i].says), "case %zu: %s", i, err.text);
        cr_assert_eq(u.hash, 12345);
        cr_assert_eq(keel_universe_seal(&u, NULL), cases[i].want);
    }
}

Test(universe, holds_the_largest_universe)
{
    static keel_universe u;
    u = (keel_universe){.id = "big", .n = KEEL_UNIVERSE_MAX};
    for (int i = 0; i < u.n; i++) {
        u.instruments[i] = small().instruments[0];
        snprintf(u.instruments[i].symbol, KEEL_SYMBOL_MAX, "%026d-SIM", i);
        snprintf(u.instruments[i].sector, KEEL_NAME_MAX, "%040d", i);
    }
    cr_assert_eq(keel_universe_seal(&u, NULL), KEEL_OK);
    const uint64_t before = u.hash;
    u.instruments[u.n - 1].session = KEEL_SESSION_WEEKDAYS; /* the very last field counts too */
    cr_assert_neq(hash_of(&u), before);
}

Test(universe, names)
{
    cr_assert(keel_name_ok("momentum-1_x:/@.", KEEL_NAME_MAX));
    cr_assert(keel_name_ok("abc", 4));
    cr_assert_not(keel_name_ok("abcd", 4));
    cr_assert_not(keel_name_ok("", 4));
    cr_assert_not(keel_name_ok(NULL, 4));
    cr_assert_not(keel_name_ok("a b", 8));
    cr_assert_not(keel_name_ok("\xc3\xa4", 8));
    cr_assert_not(keel_name_ok("a", 0));
}
