#include "services/cli/format.h"

#include "common/base/timefmt.h"
#include "common/domain/fixed.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *keel_money_text(int64_t micros, char out[KEEL_FORMAT_MAX])
{
    char digits[24];
    const uint64_t magnitude = micros < 0 ? 0 - (uint64_t)micros : (uint64_t)micros;
    const uint64_t cents = (magnitude + 5000) / 10000;
    const int n = snprintf(digits, sizeof digits, "%" PRIu64, cents / 100);
    int at = 0;
    if (micros < 0 && cents > 0)
        out[at++] = '-';
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    snprintf(out + at, (size_t)(KEEL_FORMAT_MAX - at), ".%02" PRIu64, cents % 100);
    return out;
}

const char *keel_percent_text(double fraction, int decimals, char out[KEEL_FORMAT_MAX])
{
    snprintf(out, KEEL_FORMAT_MAX, "%.*f", decimals, 100.0 * fraction);
    if (out[0] == '-' && strpbrk(out, "123456789") == NULL)
        memmove(out, out + 1, strlen(out));
    const size_t len = strlen(out);
    snprintf(out + len, KEEL_FORMAT_MAX - len, "%%");
    return out;
}

const char *keel_moment_text(int64_t ns, char out[KEEL_FORMAT_MAX])
{
    char full[KEEL_TIME_TEXT_MAX];
    keel_time_format(ns, full);
    if (strlen(full) < 19 || full[10] != 'T') {
        snprintf(out, KEEL_FORMAT_MAX, "%s", full);
        return out;
    }
    full[10] = ' ';
    const int len = strncmp(full + 16, ":00", 3) == 0 ? 16 : 19;
    snprintf(out, KEEL_FORMAT_MAX, "%.*s", len, full);
    return out;
}

const char *keel_span_text(int64_t ns, char out[KEEL_FORMAT_MAX])
{
    const double s = (double)ns / (double)KEEL_NS_PER_S;
    if (s < 1.0)
        snprintf(out, KEEL_FORMAT_MAX, "%.0f ms", s * 1e3);
    else if (s < 120.0)
        snprintf(out, KEEL_FORMAT_MAX, "%.1f s", s);
    else
        snprintf(out, KEEL_FORMAT_MAX, "%.1f min", s / 60.0);
    return out;
}

const char *keel_bytes_text(uint64_t bytes, char out[KEEL_FORMAT_MAX])
{
    const double mb = (double)bytes / (1024.0 * 1024.0);
    if (mb < 1024.0)
        snprintf(out, KEEL_FORMAT_MAX, "%.1f MB", mb);
    else
        snprintf(out, KEEL_FORMAT_MAX, "%.1f GB", mb / 1024.0);
    return out;
}

const char *keel_price_text(int64_t units, int exp, char out[KEEL_FORMAT_MAX])
{
    enum { DIGITS = 6, DECIMALS_MIN = 2 };
    const double price = fabs(keel_real_of_units(units, exp));
    int decimals = DIGITS;
    for (double top = 1.0; decimals > DECIMALS_MIN && price >= top; top *= 10.0)
        decimals--;
    for (double low = 0.1; decimals < KEEL_EXP_MAX && price > 0.0 && price < low; low /= 10.0)
        decimals++;
    const int most = exp > DECIMALS_MIN ? exp : DECIMALS_MIN; /* no digit that the unit has not */
    snprintf(out, KEEL_FORMAT_MAX, "%.*f", decimals < most ? decimals : most,
             keel_real_of_units(units, exp));
    return out;
}

const char *keel_reason_words(keel_reason_code code, char out[KEEL_FORMAT_MAX])
{
    snprintf(out, KEEL_FORMAT_MAX, "%s", keel_reason_name(code));
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '_' ? ' ' : (char)tolower((unsigned char)*p);
    return out;
}

double keel_bars_per_year(const keel_universe *universe, int64_t bar_ns)
{
    const double all = 365.25 * (double)KEEL_NS_PER_DAY / (double)bar_ns;
    for (int i = 0; i < universe->n; i++)
        if (universe->instruments[i].session != KEEL_SESSION_WEEKDAYS)
            return all;
    return all * 5.0 / 7.0;
}
