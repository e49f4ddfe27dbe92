#include "common/obs/obs.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"

#include <string.h>

enum {
    SERVICE_BYTES = 48,
    NAME_BYTES = 48,
    EVENTS_MAX = 64, /* the last one is shared by all that come later */
    BURST = 20,      /* lines of one event in one second */
    QUOTES = 4,
    QUOTE_BYTES = 512,
};

typedef struct event_rate {
    char name[NAME_BYTES];
    int64_t second;
    int lines;
    uint64_t held;
} event_rate;

typedef struct counter {
    char name[NAME_BYTES];
    uint64_t value;
} counter;

struct keel_obs {
    char service[SERVICE_BYTES];
    keel_log_level level;
    FILE *to; /* borrowed */
    int64_t (*now)(void *);
    void *now_arg;
    int events_n;
    event_rate events[EVENTS_MAX];
    int counters_n;
    counter counters[KEEL_OBS_COUNTERS_MAX];
    int quote_at;
    char quotes[QUOTES][QUOTE_BYTES];
};

static void copy_cut(char *to, size_t cap, const char *text)
{
    const size_t len = strnlen(text, cap - 1);
    memcpy(to, text, len);
    to[len] = '\0';
}

static const char *level_name(keel_log_level level)
{
    static const char *const names[] = {"none", "debug", "info", "warn", "error"};
    const bool known = level >= KEEL_LOG_DEBUG && level <= KEEL_LOG_ERROR;
    return names[known ? level : 0];
}

keel_obs *keel_obs_new(const char *service, keel_log_level level, FILE *to, int64_t (*now)(void *),
                       void *now_arg)
{
    keel_obs *obs = keel_xcalloc(1, sizeof *obs);
    copy_cut(obs->service, sizeof obs->service, service);
    obs->level = level;
    obs->to = to;
    obs->now = now;
    obs->now_arg = now_arg;
    return obs;
}

/* One line, one write: lines of several processes on one stream stay whole. */
static void put_line(keel_obs *obs, int64_t now_ns, keel_log_level level, const char *event,
                     const char *text)
{
    char line[KEEL_LOG_LINE_MAX], time[KEEL_TIME_TEXT_MAX];
    size_t len = 0;
    keel_time_format(now_ns, time);
    const bool whole =
        keel_text_add(line, sizeof line - 1, &len, "ts=%s level=%s svc=%s event=%s%s%s", time,
                      level_name(level), obs->service, event, text[0] != '\0' ? " " : "", text);
    for (size_t i = 1; !whole && i <= 3; i++)
        line[len - i] = '.';
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' ';
    line[len++] = '\n';
    fwrite(line, 1, len, obs->to);
    fflush(obs->to);
}

static event_rate *rate_of(keel_obs *obs, const char *event)
{
    char name[NAME_BYTES];
    copy_cut(name, sizeof name, event);
    for (int i = 0; i < obs->events_n; i++)
        if (strcmp(obs->events[i].name, name) == 0)
            return &obs->events[i];
    if (obs->events_n == EVENTS_MAX)
        return &obs->events[EVENTS_MAX - 1];
    event_rate *rate = &obs->events[obs->events_n++];
    copy_cut(rate->name, sizeof rate->name, obs->events_n == EVENTS_MAX ? "others" : name);
    return rate;
}

/* Report what a second that is over held back. */
static void release(keel_obs *obs, int64_t now_ns, int64_t second)
{
    for (int i = 0; i < obs->events_n; i++) {
        event_rate *rate = &obs->events[i];
        if (rate->held == 0 || rate->second == second)
            continue;
        char text[64];
        snprintf(text, sizeof text, "held=%llu", (unsigned long long)rate->held);
        rate->held = 0;
        put_line(obs, now_ns, KEEL_LOG_WARN, rate->name, text);
    }
}

void keel_log(keel_obs *obs, keel_log_level level, const char *event, const char *fmt, ...)
{
    if (level < obs->level)
        return;
    const int64_t now_ns = obs->now(obs->now_arg);
    const int64_t second = now_ns / KEEL_NS_PER_S;
    release(obs, now_ns, second);
    event_rate *rate = rate_of(obs, event);
    if (rate->second != second) {
        rate->second = second;
        rate->lines = 0;
    }
    if (rate->lines == BURST) {
        rate->held++;
        return;
    }
    rate->lines++;
    char text[KEEL_LOG_LINE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put_line(obs, now_ns, level, event, text);
}

void keel_obs_free(keel_obs **obs)
{
    if (*obs == NULL)
        return;
    const int64_t now_ns = (*obs)->now((*obs)->now_arg);
    release(*obs, now_ns, INT64_MIN);
    keel_free(obs);
}

void keel_obs_level(keel_obs *obs, keel_log_level level)
{
    obs->level = level;
}

const char *keel_obs_quote(keel_obs *obs, const char *text)
{
    char *to = obs->quotes[obs->quote_at];
    size_t n = 0;
    obs->quote_at = (obs->quote_at + 1) % QUOTES;
    to[n++] = '"';
    for (const char *c = text; *c != '\0' && n < QUOTE_BYTES - 4; c++) {
        const bool is_line = *c == '\n' || *c == '\r' || *c == '\t';
        if (*c == '"' || *c == '\\' || is_line)
            to[n++] = '\\';
        to[n++] = *c == '\n' ? 'n' : *c == '\r' ? 'r' : *c == '\t' ? 't' : *c;
    }
    to[n++] = '"';
    to[n] = '\0';
    return to;
}

static counter *find_counter(keel_obs *obs, const char *name)
{
    char cut[NAME_BYTES];
    copy_cut(cut, sizeof cut, name);
    for (int i = 0; i < obs->counters_n; i++)
        if (strcmp(obs->counters[i].name, cut) == 0)
            return &obs->counters[i];
    return NULL;
}

void keel_count(keel_obs *obs, const char *name, uint64_t add)
{
    counter *found = find_counter(obs, name);
    if (found == NULL && obs->counters_n < KEEL_OBS_COUNTERS_MAX) {
        /* the last place is kept for what finds none */
        const bool last = obs->counters_n == KEEL_OBS_COUNTERS_MAX - 1;
        found = &obs->counters[obs->counters_n++];
        copy_cut(found->name, sizeof found->name, last ? "counters_overflow" : name);
    } else if (found == NULL) {
        found = &obs->counters[KEEL_OBS_COUNTERS_MAX - 1];
    }
    found->value += add;
}

uint64_t keel_counted(const keel_obs *obs, const char *name)
{
    for (int i = 0; i < obs->counters_n; i++)
        if (strncmp(obs->counters[i].name, name, NAME_BYTES - 1) == 0)
            return obs->counters[i].value;
    return 0;
}

int keel_counters(const keel_obs *obs)
{
    return obs->counters_n;
}

const char *keel_counter_name(const keel_obs *obs, int i)
{
    KEEL_ASSERT(i >= 0 && i < obs->counters_n);
    return obs->counters[i].name;
}

uint64_t keel_counter_value(const keel_obs *obs, int i)
{
    KEEL_ASSERT(i >= 0 && i < obs->counters_n);
    return obs->counters[i].value;
}

void keel_counters_reset(keel_obs *obs)
{
    for (int i = 0; i < obs->counters_n; i++)
        obs->counters[i].value = 0;
}
