#include "common/wire/topics.h"

#include "common/base/assert.h"

#include <string.h>

#define TOPIC_ROW(name, template, class, payload, publisher)                                       \
    {#name, template, KEEL_CLASS_##class, KEEL_PAYLOAD_##payload, publisher},
static const keel_topic_info topics[KEEL_TOPIC_COUNT] = {KEEL_TOPIC_LIST(TOPIC_ROW)};

const keel_topic_info *keel_topic_describe(keel_topic topic)
{
    KEEL_ASSERT((unsigned)topic < KEEL_TOPIC_COUNT);
    return &topics[topic];
}

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_:/@-", c) != NULL);
}

keel_status keel_topic_key(const char *key, char *out, size_t cap)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = 0;
    if (key[0] == '\0')
        return KEEL_EINVAL;
    for (const char *c = key; *c != '\0'; c++) {
        const size_t need = is_plain(*c) ? 1 : 3;
        if (len + need >= cap)
            return KEEL_ETOOBIG;
        if (need == 1) {
            out[len++] = *c;
            continue;
        }
        out[len++] = '%';
        out[len++] = hex[(unsigned char)*c >> 4];
        out[len++] = hex[(unsigned char)*c & 15];
    }
    if (len >= cap)
        return KEEL_ETOOBIG;
    out[len] = '\0';
    return KEEL_OK;
}

/* `slot` is the text from the opening brace of a template on. */
static const char *key_of(const keel_topic_keys *keys, const char *slot)
{
    if (strncmp(slot, "{bar}", 5) == 0)
        return keys->bar;
    if (strncmp(slot, "{universe}", 10) == 0)
        return keys->universe;
    if (strncmp(slot, "{portfolio}", 11) == 0)
        return keys->portfolio;
    return keys->key;
}

keel_status keel_topic_make(keel_topic topic, const keel_topic_keys *keys, char out[KEEL_TOPIC_MAX])
{
    char text[KEEL_TOPIC_MAX];
    size_t len = 0;
    for (const char *c = keel_topic_describe(topic)->template_text; *c != '\0'; c++) {
        if (*c != '{') {
            if (len + 1 >= sizeof text)
                return KEEL_ETOOBIG;
            text[len++] = *c;
            continue;
        }
        const char *key = key_of(keys, c);
        if (key == NULL)
            return KEEL_EINVAL;
        KEEL_TRY(keel_topic_key(key, text + len, sizeof text - len));
        len += strlen(text + len);
        c = strchr(c, '}');
    }
    text[len] = '\0';
    memcpy(out, text, len + 1);
    return KEEL_OK;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Length of the character at text[0]: 1, 3 for %XX, 0 when it is not allowed. A byte that need not
 * be encoded must not be: every key has one spelling. */
static size_t key_char(const char *text, size_t left)
{
    if (is_plain(text[0]))
        return 1;
    if (text[0] != '%' || left < 3)
        return 0;
    const int high = hex_value(text[1]);
    const int low = hex_value(text[2]);
    if (high < 0 || low < 0 || high + low == 0 || is_plain((char)(high << 4 | low)))
        return 0;
    return 3;
}

static bool is_well_formed(const char *text, size_t len)
{
    if (len == 0 || len >= KEEL_TOPIC_MAX || text[0] == '.' || text[len - 1] != '.')
        return false;
    for (size_t i = 0; i < len;) {
        if (text[i] == '.') {
            if (i + 1 < len && text[i + 1] == '.')
                return false;
            i++;
            continue;
        }
        const size_t step = key_char(text + i, len - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

/* A slot of the template takes any one word. Most templates part from a text within a few bytes. */
static bool matches(const char *template, const char *text, size_t len)
{
    const char *end = text + len;
    while (*template != '\0' && text < end) {
        if (*template == '{') {
            template = strchr(template, '.');
            text = memchr(text, '.', (size_t)(end - text));
        } else if (*template ++ != *text++) {
            return false;
        }
    }
    return *template == '\0' && text == end;
}

keel_status keel_topic_find(const char *text, size_t len, keel_topic *topic)
{
    if (!is_well_formed(text, len))
        return KEEL_EFORMAT;
    for (int i = 0; i < KEEL_TOPIC_COUNT; i++) {
        if (matches(topics[i].template_text, text, len)) {
            *topic = (keel_topic)i;
            return KEEL_OK;
        }
    }
    return KEEL_EUNKNOWN;
}

#define PAYLOAD_NAME(name, number)                                                                 \
    case number:                                                                                   \
        return #name;
static const char *payload_name(int type)
{
    switch (type) {
        KEEL_PAYLOAD_LIST(PAYLOAD_NAME)
    default:
        return "";
    }
}

const char *keel_payload_name(keel_payload type)
{
    return payload_name((int)type);
}

bool keel_payload_is_known(int type)
{
    return payload_name(type)[0] != '\0';
}
