/* fixed.h - exact money: integer prices, quantities and cash, and the only roundings.
 *
 * ROOM     common/domain. Nobody else converts between double and these integers.
 * MODEL    price  = price_units * 10^-price_exp        (currency per instrument)
 *          qty    = qty_units   * 10^-qty_exp          (instruments, signed)
 *          cash   = cash_micros * 10^-6                (currency, signed)
 *          worth  = price * qty, products in 128-bit integers, rounded half to even once.
 *          Exponents belong to the instrument: a coin at 8.83e-6 needs other units than one at
 *          100,000.
 * THREADS  any.
 */
#ifndef KEEL_COMMON_DOMAIN_FIXED_H
#define KEEL_COMMON_DOMAIN_FIXED_H

#include "common/base/status.h"

#include <stdint.h>

enum { KEEL_EXP_MAX = 12, KEEL_EXP_DEFAULT = 8, KEEL_MICROS_PER_UNIT = 1000000 };

__extension__ typedef __int128 keel_i128; /* the one word for it that -Wpedantic accepts */

/* 10^exp for 0 <= exp <= 18. */
int64_t keel_pow10(int exp);

/* a / b rounded half to even; b > 0. KEEL_EOVERFLOW when the quotient leaves int64. */
KEEL_MUST_CHECK keel_status keel_div_round(keel_i128 a, keel_i128 b, int64_t *out);

/* a * b / c rounded half to even; c > 0. KEEL_EOVERFLOW. */
KEEL_MUST_CHECK keel_status keel_mul_div(int64_t a, int64_t b, int64_t c, int64_t *out);

/* Worth of a signed quantity in micros. KEEL_EOVERFLOW. */
KEEL_MUST_CHECK keel_status keel_worth_micros(int64_t price_units, int price_exp, int64_t qty_units,
                                              int qty_exp, int64_t *micros);

/* Quantity, in whole lots towards zero, whose worth does not exceed |micros|; sign of micros.
 * price_units > 0, lot_units >= 1. KEEL_EOVERFLOW. */
KEEL_MUST_CHECK keel_status keel_qty_of_worth(int64_t micros, int64_t price_units, int price_exp,
                                              int qty_exp, int64_t lot_units, int64_t *qty_units);

/* fraction of micros, rounded half to even. fraction finite, |fraction| <= 1e6. KEEL_ENONFINITE,
 * KEEL_ERANGE, KEEL_EOVERFLOW. */
KEEL_MUST_CHECK keel_status keel_fraction_of(int64_t micros, double fraction, int64_t *out);

/* bps of micros (1 bp = 1e-4), rounded half to even; bps 0..100000 given in 1/1000 bp.
 * KEEL_ERANGE, KEEL_EOVERFLOW. */
KEEL_MUST_CHECK keel_status keel_bps_of(int64_t micros, int64_t milli_bps, int64_t *out);

/* Decimal text ("12919.12", "1e-5" too) exactly to units of 10^-exp: KEEL_ERANGE when digits are
 * left that the unit cannot hold, KEEL_EFORMAT, KEEL_ENONFINITE (nan, inf), KEEL_EOVERFLOW. */
KEEL_MUST_CHECK keel_status keel_units_parse(const char *text, int exp, int64_t *units);

/* double -> units rounded half to even: KEEL_ENONFINITE, KEEL_EOVERFLOW. */
KEEL_MUST_CHECK keel_status keel_units_of_real(double value, int exp, int64_t *units);

/* The nearest double; exact division of the two integers' doubles. */
double keel_real_of_units(int64_t units, int exp);

enum { KEEL_UNITS_TEXT_MAX = 40 };

/* "12919.12": no exponent; zeros after the point are cut, or added, so that at least `decimals`
 * (0..KEEL_EXP_MAX) places stay. */
void keel_units_format(int64_t units, int exp, int decimals, char out[KEEL_UNITS_TEXT_MAX]);

#endif
