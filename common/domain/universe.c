#include "common/domain/universe.h"

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/domain/fixed.h"

#include <string.h>

/* A sector also names a constraint, "sector:Layer 1", which has to fit KEEL_NAME_MAX. */
enum { SECTOR_BYTES_MAX = KEEL_NAME_MAX - (int)sizeof "sector:" };

bool keel_name_ok(const char *name, int cap)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_:/@-.";
    if (name == NULL || cap < 1)
        return false;
    const size_t len = strnlen(name, (size_t)cap);
    return len > 0 && len < (size_t)cap && strspn(name, allowed) == len;
}

static bool currency_ok(const char *currency)
{
    const size_t len = strnlen(currency, KEEL_CURRENCY_MAX);
    return len > 0 && len < KEEL_CURRENCY_MAX &&
           strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len;
}

/* Printable, so that a sector can stand in a table and in a constraint's name. */
static bool sector_ok(const char *sector)
{
    const size_t len = strnlen(sector, KEEL_NAME_MAX);
    if (len > SECTOR_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)sector[i] < ' ' || sector[i] == 0x7f)
            return false;
    return true;
}

static keel_status check_names(const keel_universe *u, int i, keel_err *err)
{
    const keel_instrument *it = &u->instruments[i];
    if (!keel_name_ok(it->symbol, KEEL_SYMBOL_MAX))
        return keel_err_set(err, KEEL_EINVAL,
                            "instrument %d: symbol \"%.31s\" must be 1 to %d of letters, digits "
                            "and _:/@-.",
                            i + 1, it->symbol, KEEL_SYMBOL_MAX - 1);
    if (!sector_ok(it->sector))
        return keel_err_set(err, KEEL_EINVAL,
                            "instrument %s: sector must be at most %d printable bytes", it->symbol,
                            SECTOR_BYTES_MAX);
    if (!currency_ok(it->currency))
        return keel_err_set(err, KEEL_EINVAL,
                            "instrument %s: currency \"%.7s\" must be 1 to %d capitals or digits",
                            it->symbol, it->currency, KEEL_CURRENCY_MAX - 1);
    if (strcmp(it->currency, u->instruments[0].currency) != 0)
        return keel_err_set(err, KEEL_EINVAL,
                            "instrument %s: currency %s, but %s is in %s; one account has one "
                            "currency",
                            it->symbol, it->currency, u->instruments[0].symbol,
                            u->instruments[0].currency);
    return KEEL_OK;
}

static keel_status check_numbers(const keel_instrument *it, keel_err *err)
{
    if (it->price_exp < 0 || it->price_exp > KEEL_EXP_MAX)
        return keel_err_set(err, KEEL_ERANGE, "instrument %s: price_exp %d, allowed 0 to %d",
                            it->symbol, it->price_exp, KEEL_EXP_MAX);
    if (it->qty_exp < 0 || it->qty_exp > KEEL_EXP_MAX)
        return keel_err_set(err, KEEL_ERANGE, "instrument %s: qty_exp %d, allowed 0 to %d",
                            it->symbol, it->qty_exp, KEEL_EXP_MAX);
    if (it->lot_units < 1)
        return keel_err_set(err, KEEL_ERANGE, "instrument %s: lot must be at least one unit",
                            it->symbol);
    if (it->min_notional_micros < 0)
        return keel_err_set(err, KEEL_ERANGE, "instrument %s: min_notional must be 0 or more",
                            it->symbol);
    if (it->session != KEEL_SESSION_CONTINUOUS && it->session != KEEL_SESSION_WEEKDAYS)
        return keel_err_set(err, KEEL_EINVAL,
                            "instrument %s: session must be continuous or weekdays", it->symbol);
    return KEEL_OK;
}

static uint64_t content_hash(const keel_universe *u)
{
    /* Every field at its longest, with its length word. */
    const size_t row = KEEL_SYMBOL_MAX + KEEL_NAME_MAX + KEEL_CURRENCY_MAX + 64;
    const size_t cap = row * ((size_t)u->n + 1);
    uint8_t *buf = keel_xcalloc(cap, 1);
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, (uint32_t)u->n);
    for (int i = 0; i < u->n; i++) {
        const keel_instrument *it = &u->instruments[i];
        keel_pack_str(&p, it->symbol);
        keel_pack_str(&p, it->sector);
        keel_pack_str(&p, it->currency);
        keel_pack_u32(&p, (uint32_t)it->price_exp);
        keel_pack_u32(&p, (uint32_t)it->qty_exp);
        keel_pack_i64(&p, it->lot_units);
        keel_pack_i64(&p, it->min_notional_micros);
        keel_pack_u32(&p, (uint32_t)it->session);
    }
    const uint64_t hash = keel_hash(buf, p.len);
    keel_free(&buf);
    return hash;
}

keel_status keel_universe_seal(keel_universe *universe, keel_err *err)
{
    if (!keel_name_ok(universe->id, KEEL_NAME_MAX))
        return keel_err_set(err, KEEL_EINVAL,
                            "universe \"%.47s\" must be 1 to %d of letters, digits and _:/@-.",
                            universe->id, KEEL_NAME_MAX - 1);
    if (universe->n < 1 || universe->n > KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_ERANGE, "universe %s: %d instruments, allowed 1 to %d",
                            universe->id, universe->n, KEEL_UNIVERSE_MAX);
    for (int i = 0; i < universe->n; i++) {
        KEEL_TRY(check_names(universe, i, err));
        KEEL_TRY(check_numbers(&universe->instruments[i], err));
        /* Topic keys collide only when symbols are equal: '%' is in no symbol, so encoding the dot
         * as %2E keeps them apart. */
        const int first = keel_universe_find(universe, universe->instruments[i].symbol);
        if (first < i)
            return keel_err_set(err, KEEL_EEXIST, "instrument %s: given twice (places %d and %d)",
                                universe->instruments[i].symbol, first + 1, i + 1);
    }
    universe->hash = content_hash(universe);
    return KEEL_OK;
}

int keel_universe_find(const keel_universe *universe, const char *symbol)
{
    for (int i = 0; i < universe->n; i++)
        if (strcmp(universe->instruments[i].symbol, symbol) == 0)
            return i;
    return -1;
}
