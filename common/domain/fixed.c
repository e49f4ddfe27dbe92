#include "common/domain/fixed.h"

#include "common/base/assert.h"

#include <math.h>
#include <string.h>
#include <strings.h>

__extension__ typedef unsigned __int128 u128;

enum {
    MICROS_EXP = 6,
    MANTISSA_BITS = 53,
    EXPONENT_CLAMP = 10000, /* any |exponent| above the digits of an int64 gives the same answer */
    INT64_DIGITS = 19,
    MILLI_BPS_MAX = 100000 * 1000,
    MILLI_BPS_ONE = 10000 * 1000, /* a whole, in 1/1000 bp */
};

static const int64_t powers[] = {
    INT64_C(1),
    INT64_C(10),
    INT64_C(100),
    INT64_C(1000),
    INT64_C(10000),
    INT64_C(100000),
    INT64_C(1000000),
    INT64_C(10000000),
    INT64_C(100000000),
    INT64_C(1000000000),
    INT64_C(10000000000),
    INT64_C(100000000000),
    INT64_C(1000000000000),
    INT64_C(10000000000000),
    INT64_C(100000000000000),
    INT64_C(1000000000000000),
    INT64_C(10000000000000000),
    INT64_C(100000000000000000),
    INT64_C(1000000000000000000),
};

static bool exp_ok(int exp)
{
    return exp >= 0 && exp <= KEEL_EXP_MAX;
}

static keel_status narrow(keel_i128 value, int64_t *out)
{
    if (value > INT64_MAX || value < INT64_MIN)
        return KEEL_EOVERFLOW;
    *out = (int64_t)value;
    return KEEL_OK;
}

int64_t keel_pow10(int exp)
{
    KEEL_ASSERT(exp >= 0 && exp <= 18);
    return powers[exp];
}

keel_status keel_div_round(keel_i128 a, keel_i128 b, int64_t *out)
{
    KEEL_ASSERT(b > 0);
    keel_i128 quotient = a / b;
    const keel_i128 rest = a % b;
    const keel_i128 below = rest < 0 ? -rest : rest;
    const keel_i128 above = b - below; /* not 2 * below, which can leave 128 bits */
    if (below > above || (below == above && quotient % 2 != 0))
        quotient += a < 0 ? -1 : 1;
    return narrow(quotient, out);
}

keel_status keel_mul_div(int64_t a, int64_t b, int64_t c, int64_t *out)
{
    return keel_div_round((keel_i128)a * b, c, out);
}

keel_status keel_worth_micros(int64_t price_units, int price_exp, int64_t qty_units, int qty_exp,
                              int64_t *micros)
{
    KEEL_ASSERT(exp_ok(price_exp) && exp_ok(qty_exp));
    const int shift = price_exp + qty_exp - MICROS_EXP;
    keel_i128 product = (keel_i128)price_units * qty_units;
    if (shift >= 0)
        return keel_div_round(product, keel_pow10(shift), micros);
    if (__builtin_mul_overflow(product, (keel_i128)keel_pow10(-shift), &product))
        return KEEL_EOVERFLOW;
    return narrow(product, micros);
}

keel_status keel_qty_of_worth(int64_t micros, int64_t price_units, int price_exp, int qty_exp,
                              int64_t lot_units, int64_t *qty_units)
{
    KEEL_ASSERT(exp_ok(price_exp) && exp_ok(qty_exp) && price_units > 0 && lot_units >= 1);
    const int shift = price_exp + qty_exp - MICROS_EXP;
    keel_i128 above = micros < 0 ? -(keel_i128)micros : (keel_i128)micros;
    keel_i128 below = price_units;
    if (shift >= 0)
        above *= keel_pow10(shift); /* < 2^63 * 1e18 < 2^123 */
    else
        below *= keel_pow10(-shift);
    keel_i128 qty = above / below;
    qty -= qty % lot_units;
    return narrow(micros < 0 ? -qty : qty, qty_units);
}

/* |value| as mantissa * 2^exponent, exactly; the mantissa is below 2^53. */
static int64_t split(double value, int *exponent)
{
    const double part = frexp(value, exponent);
    *exponent -= MANTISSA_BITS;
    return (int64_t)ldexp(part, MANTISSA_BITS);
}

/* value / 2^bits half to even; |value| < 2^120 */
static keel_status shift_round(keel_i128 value, int bits, int64_t *out)
{
    if (bits > 122) { /* less than a quarter is left */
        *out = 0;
        return KEEL_OK;
    }
    return keel_div_round(value, (keel_i128)1 << bits, out);
}

keel_status keel_fraction_of(int64_t micros, double fraction, int64_t *out)
{
    int exponent;
    if (!isfinite(fraction))
        return KEEL_ENONFINITE;
    if (fabs(fraction) > 1e6)
        return KEEL_ERANGE;
    const int64_t mantissa = split(fraction, &exponent);
    /* |fraction| <= 1e6 < 2^20, so exponent <= -33 (zero splits to exponent -53) */
    return shift_round((keel_i128)micros * mantissa, -exponent, out);
}

keel_status keel_bps_of(int64_t micros, int64_t milli_bps, int64_t *out)
{
    if (milli_bps < 0 || milli_bps > MILLI_BPS_MAX)
        return KEEL_ERANGE;
    return keel_mul_div(micros, milli_bps, MILLI_BPS_ONE, out);
}

/* Digits of a decimal text: the number is mantissa * 10^low, and its first digit is worth 10^high.
 * The mantissa wraps past 38 digits, which is harmless: high or low then refuses the text. */
typedef struct decimal {
    bool negative;
    bool any;  /* a digit was seen */
    bool zero; /* no digit but 0 was seen */
    u128 mantissa;
    int low;
    int high;
} decimal;

static u128 times_pow10(u128 value, int n)
{
    for (int i = 0; i < n; i++)
        value *= 10;
    return value;
}

static void take_digit(decimal *d, int digit, int place)
{
    d->any = true;
    if (digit == 0)
        return;
    if (d->zero)
        d->high = place;
    else
        d->mantissa = times_pow10(d->mantissa, d->low - place);
    d->zero = false;
    d->mantissa = d->mantissa + (unsigned)digit;
    d->low = place;
}

static const char *read_digits(const char *text, decimal *d)
{
    const size_t whole = strspn(text, "0123456789");
    if (whole > EXPONENT_CLAMP)
        return NULL;
    for (size_t i = 0; i < whole; i++)
        take_digit(d, text[i] - '0', (int)(whole - i) - 1);
    text += whole;
    if (*text != '.')
        return text;
    text++;
    const size_t part = strspn(text, "0123456789");
    if (part > EXPONENT_CLAMP)
        return NULL;
    for (size_t i = 0; i < part; i++)
        take_digit(d, text[i] - '0', -(int)i - 1);
    return text + part;
}

static keel_status read_exponent(const char *text, int *exponent)
{
    int value = 0;
    const bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (*text == '\0')
        return KEEL_EFORMAT;
    for (; *text >= '0' && *text <= '9'; text++)
        if (value <= 2 * EXPONENT_CLAMP)
            value = value * 10 + (*text - '0');
    *exponent = negative ? -value : value;
    return *text == '\0' ? KEEL_OK : KEEL_EFORMAT;
}

static bool is_nonfinite_word(const char *text)
{
    return strcasecmp(text, "nan") == 0 || strcasecmp(text, "inf") == 0 ||
           strcasecmp(text, "infinity") == 0;
}

keel_status keel_units_parse(const char *text, int exp, int64_t *units)
{
    KEEL_ASSERT(exp_ok(exp));
    decimal d = {.zero = true};
    int exponent = 0;
    d.negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (is_nonfinite_word(text))
        return KEEL_ENONFINITE;
    text = read_digits(text, &d);
    if (text == NULL || !d.any)
        return KEEL_EFORMAT;
    if (*text == 'e' || *text == 'E')
        KEEL_TRY(read_exponent(text + 1, &exponent));
    else if (*text != '\0')
        return KEEL_EFORMAT;
    if (d.zero) {
        *units = 0;
        return KEEL_OK;
    }
    exponent += exp;
    if (d.high + exponent >= INT64_DIGITS)
        return KEEL_EOVERFLOW;
    if (d.low + exponent < 0)
        return KEEL_ERANGE;
    const keel_i128 value = (keel_i128)times_pow10(d.mantissa, d.low + exponent);
    return narrow(d.negative ? -value : value, units);
}

keel_status keel_units_of_real(double value, int exp, int64_t *units)
{
    KEEL_ASSERT(exp_ok(exp));
    int exponent;
    if (!isfinite(value))
        return KEEL_ENONFINITE;
    const keel_i128 scaled = (keel_i128)split(value, &exponent) * keel_pow10(exp);
    if (exponent <= 0) /* |scaled| < 2^53 * 1e12 < 2^93 */
        return shift_round(scaled, -exponent, units);
    if (exponent > 64 - MANTISSA_BITS) /* at least 2^64 */
        return KEEL_EOVERFLOW;
    return narrow(scaled * ((keel_i128)1 << exponent), units);
}

double keel_real_of_units(int64_t units, int exp)
{
    KEEL_ASSERT(exp_ok(exp));
    return (double)units / (double)keel_pow10(exp);
}

void keel_units_format(int64_t units, int exp, int decimals, char out[KEEL_UNITS_TEXT_MAX])
{
    KEEL_ASSERT(exp_ok(exp) && exp_ok(decimals));
    char reversed[KEEL_UNITS_TEXT_MAX];
    size_t n = 0;
    uint64_t rest = units < 0 ? -(uint64_t)units : (uint64_t)units;
    int places = exp;
    for (; places > decimals && rest % 10 == 0; places--)
        rest /= 10;
    for (int i = decimals; i > places; i--)
        reversed[n++] = '0';
    for (int i = 0; i < places; i++, rest /= 10)
        reversed[n++] = (char)('0' + rest % 10);
    if (n > 0)
        reversed[n++] = '.';
    do {
        reversed[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (units < 0)
        reversed[n++] = '-';
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    out[n] = '\0';
}
