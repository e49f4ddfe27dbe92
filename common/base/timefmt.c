#include "common/base/timefmt.h"

#include "common/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct unit {
    const char *name;
    int64_t ns;
} unit;

static const unit units[] = {
    {"w", 7 * KEEL_NS_PER_DAY},
    {"d", KEEL_NS_PER_DAY},
    {"h", KEEL_NS_PER_H},
    {"m", KEEL_NS_PER_MIN},
    {"s", KEEL_NS_PER_S},
    {"ms", KEEL_NS_PER_MS},
    {"us", 1000},
    {"ns", 1},
};
enum { UNITS = sizeof units / sizeof units[0] };

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t days_of_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    const int64_t era = floor_div(year, 400);
    const int64_t yoe = year - era * 400;
    const int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_of_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    const int64_t era = floor_div(days, 146097);
    const int64_t doe = days - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

/* Exactly n digits at *at; -1 if they are not there. */
static int digits(const char **at, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        const char c = (*at)[i];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    *at += n;
    return value;
}

static bool take(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* ":05", ".250", "Z" or "+00:00" after hours and minutes. */
static keel_status parse_seconds(const char **at, int64_t *ns)
{
    *ns = 0;
    if (take(at, ':')) {
        const int second = digits(at, 2);
        if (second < 0)
            return KEEL_EFORMAT;
        if (second > 59)
            return KEEL_ERANGE;
        *ns = second * KEEL_NS_PER_S;
        if (take(at, '.')) {
            int64_t scale = KEEL_NS_PER_S / 10;
            if (**at < '0' || **at > '9')
                return KEEL_EFORMAT;
            for (; **at >= '0' && **at <= '9'; ++*at, scale /= 10)
                *ns += (**at - '0') * scale;
        }
    }
    if (!take(at, 'Z') && strncmp(*at, "+00:00", 6) == 0)
        *at += 6;
    return KEEL_OK;
}

keel_status keel_time_parse(const char *text, int64_t *ns, bool *has_time)
{
    const char *at = text;
    const int year = digits(&at, 4);
    if (year < 0 || !take(&at, '-'))
        return KEEL_EFORMAT;
    const int month = digits(&at, 2);
    if (month < 0 || !take(&at, '-'))
        return KEEL_EFORMAT;
    const int day = digits(&at, 2);
    if (day < 0)
        return KEEL_EFORMAT;
    if (year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 ||
        day > month_days(year, month))
        return KEEL_ERANGE;
    int64_t of_day = 0;
    const bool timed = *at != '\0';
    if (timed) {
        int64_t seconds_ns;
        if (!take(&at, 'T') && !take(&at, ' '))
            return KEEL_EFORMAT;
        const int hour = digits(&at, 2);
        if (hour < 0 || !take(&at, ':'))
            return KEEL_EFORMAT;
        const int minute = digits(&at, 2);
        if (minute < 0)
            return KEEL_EFORMAT;
        KEEL_TRY(parse_seconds(&at, &seconds_ns));
        if (*at != '\0')
            return KEEL_EFORMAT;
        if (hour > 23 || minute > 59)
            return KEEL_ERANGE;
        of_day = hour * KEEL_NS_PER_H + minute * KEEL_NS_PER_MIN + seconds_ns;
    }
    *ns = days_of_civil(year, month, day) * KEEL_NS_PER_DAY + of_day;
    if (has_time != NULL)
        *has_time = timed;
    return KEEL_OK;
}

void keel_time_format(int64_t ns, char out[KEEL_TIME_TEXT_MAX])
{
    const int64_t days = floor_div(ns, KEEL_NS_PER_DAY);
    const int64_t past = ns % KEEL_NS_PER_DAY; /* days * a day would overflow at INT64_MIN */
    const int64_t rest = past < 0 ? past + KEEL_NS_PER_DAY : past;
    const int64_t second = rest / KEEL_NS_PER_S;
    int64_t fraction = rest % KEEL_NS_PER_S;
    int year, month, day;
    size_t len = 0;
    civil_of_days(days, &year, &month, &day);
    keel_text_add(out, KEEL_TIME_TEXT_MAX, &len, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day,
                  (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
    if (fraction != 0) {
        int width = 9;
        for (; fraction % 10 == 0; fraction /= 10)
            width--;
        keel_text_add(out, KEEL_TIME_TEXT_MAX, &len, ".%0*" PRId64, width, fraction);
    }
    keel_text_add(out, KEEL_TIME_TEXT_MAX, &len, "Z");
}

static const unit *unit_at(const char *at, size_t len)
{
    for (int i = 0; i < UNITS; i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, at, len) == 0)
            return &units[i];
    return NULL;
}

keel_status keel_duration_parse(const char *text, int64_t *ns)
{
    int64_t total = 0;
    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return KEEL_OK;
    }
    if (text[0] == '\0')
        return KEEL_EFORMAT;
    for (const char *at = text; *at != '\0';) {
        int64_t count = 0, part;
        const size_t n = strspn(at, "0123456789");
        if (n == 0)
            return KEEL_EFORMAT;
        if (n > 18)
            return KEEL_ERANGE;
        for (size_t i = 0; i < n; i++)
            count = count * 10 + (at[i] - '0');
        at += n;
        const size_t letters = strcspn(at, "0123456789");
        const unit *u = unit_at(at, letters);
        if (u == NULL)
            return KEEL_EFORMAT;
        if (__builtin_mul_overflow(count, u->ns, &part) ||
            __builtin_add_overflow(total, part, &total))
            return KEEL_ERANGE;
        at += letters;
    }
    *ns = total;
    return KEEL_OK;
}

void keel_duration_format(int64_t ns, char out[KEEL_TIME_TEXT_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    if (ns <= 0) {
        keel_text_add(out, KEEL_TIME_TEXT_MAX, &len, ns == 0 ? "0" : "%" PRId64 "ns", ns);
        return;
    }
    for (int i = 0; i < UNITS; i++) {
        if (ns / units[i].ns == 0)
            continue;
        keel_text_add(out, KEEL_TIME_TEXT_MAX, &len, "%" PRId64 "%s", ns / units[i].ns,
                      units[i].name);
        ns %= units[i].ns;
    }
}

int keel_time_weekday(int64_t ns)
{
    const int64_t days = floor_div(ns, KEEL_NS_PER_DAY); /* 1970-01-01 was a Thursday */
    return (int)((days % 7 + 10) % 7);
}

int keel_time_month(int64_t ns)
{
    int year, month, day;
    civil_of_days(floor_div(ns, KEEL_NS_PER_DAY), &year, &month, &day);
    return (year - 1970) * 12 + month - 1;
}

int64_t keel_time_month_start(int month)
{
    const int64_t year = 1970 + floor_div(month, 12);
    return days_of_civil(year, (int)(month - (year - 1970) * 12) + 1, 1) * KEEL_NS_PER_DAY;
}
