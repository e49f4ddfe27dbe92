#include "common/wire/topics.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const keel_topic_keys keys = {"1h", "main", "BRK.B", "risk"};

static keel_status find(const char *text, keel_topic *topic)
{
    return keel_topic_find(text, strlen(text), topic);
}

Test(topics, every_topic_is_made_found_and_fits_its_template)
{
    for (int t = 0; t < KEEL_TOPIC_COUNT; t++) {
        char text[KEEL_TOPIC_MAX];
        keel_topic found;
        cr_assert_eq(keel_topic_make((keel_topic)t, &keys, text), KEEL_OK);
        cr_assert_eq(text[strlen(text) - 1], '.');
        cr_assert_eq(strncmp(text, "v1.", 3), 0);
        cr_assert_null(strchr(text, '{'));
        cr_assert_eq(find(text, &found), KEEL_OK, "%s", text);
        cr_assert_eq(found, (keel_topic)t, "%s", text);
        cr_assert(keel_payload_is_known((int)keel_topic_describe(found)->payload));
    }
}

Test(topics, say_what_they_are)
{
    const keel_topic_info *row = keel_topic_describe(KEEL_TOPIC_ROW);
    char text[KEEL_TOPIC_MAX];
    cr_assert_str_eq(row->name, "ROW");
    cr_assert_eq(row->topic_class, KEEL_CLASS_STATE);
    cr_assert_eq(row->payload, KEEL_PAYLOAD_BAR_ROW);
    cr_assert_str_eq(row->publisher, "feed");
    cr_assert_eq(keel_topic_make(KEEL_TOPIC_ROW, &keys, text), KEEL_OK);
    cr_assert_str_eq(text, "v1.row.1h.main.");
    cr_assert_eq(keel_topic_make(KEEL_TOPIC_ALLOC, &keys, text), KEEL_OK);
    cr_assert_str_eq(text, "v1.alloc.approved.BRK%2EB.");
}

/* A subscription is a prefix: no topic may be received by who asked for another one. */
Test(topics, none_is_a_prefix_of_another)
{
    static char all[2 * KEEL_TOPIC_COUNT][KEEL_TOPIC_MAX];
    const keel_topic_keys longer = {"1h0", "main2", "BRK.BT", "risk2"};
    for (int t = 0; t < KEEL_TOPIC_COUNT; t++) {
        cr_assert_eq(keel_topic_make((keel_topic)t, &keys, all[2 * t]), KEEL_OK);
        cr_assert_eq(keel_topic_make((keel_topic)t, &longer, all[2 * t + 1]), KEEL_OK);
    }
    for (int i = 0; i < 2 * KEEL_TOPIC_COUNT; i++)
        for (int j = 0; j < 2 * KEEL_TOPIC_COUNT; j++)
            cr_assert(i == j || strncmp(all[i], all[j], strlen(all[i])) != 0, "%s %s", all[i],
                      all[j]);
}

Test(topics, keys_are_encoded_one_to_one)
{
    static const struct {
        const char *key, *text;
    } cases[] = {{"BTC-USD", "BTC-USD"},
                 {"a_b:c/d@e-f", "a_b:c/d@e-f"},
                 {".", "%2E"},
                 {"a b", "a%20b"},
                 {"100%", "100%25"},
                 {"\xc3\xa9", "%C3%A9"},
                 {"{bar}", "%7Bbar%7D"},
                 {"BRK.B", "BRK%2EB"},
                 {"BRK%2EB", "BRK%252EB"}};
    char out[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(keel_topic_key(cases[i].key, out, sizeof out), KEEL_OK);
        cr_assert_str_eq(out, cases[i].text);
    }
    for (int a = 1; a < 256; a++) { /* any byte: a topic that is found again, one spelling each */
        const char key[] = {(char)a, '\0'};
        char text[KEEL_TOPIC_MAX];
        keel_topic found;
        const keel_topic_keys one = {NULL, key, NULL, NULL};
        cr_assert_eq(keel_topic_make(KEEL_TOPIC_UNIVERSE, &one, text), KEEL_OK);
        cr_assert_eq(find(text, &found), KEEL_OK, "%s", text);
    }
}

Test(topics, the_limit_is_200_bytes_with_nul)
{
    char key[KEEL_TOPIC_MAX], text[KEEL_TOPIC_MAX], long_text[2 * KEEL_TOPIC_MAX];
    const size_t fixed = strlen("v1.universe..");
    keel_topic found;
    memset(key, 'a', sizeof key);
    key[KEEL_TOPIC_MAX - 1 - fixed] = '\0';
    const keel_topic_keys fits = {NULL, key, NULL, NULL};
    cr_assert_eq(keel_topic_make(KEEL_TOPIC_UNIVERSE, &fits, text), KEEL_OK);
    cr_assert_eq(strlen(text), KEEL_TOPIC_MAX - 1);
    cr_assert_eq(find(text, &found), KEEL_OK);
    key[KEEL_TOPIC_MAX - 1 - fixed] = 'a';
    key[KEEL_TOPIC_MAX - fixed] = '\0';
    strcpy(text, "untouched");
    cr_assert_eq(keel_topic_make(KEEL_TOPIC_UNIVERSE, &fits, text), KEEL_ETOOBIG);
    cr_assert_str_eq(text, "untouched");
    snprintf(long_text, sizeof long_text, "v1.universe.%s.", key);
    cr_assert_eq(find(long_text, &found), KEEL_EFORMAT);
    char out[4];
    cr_assert_eq(keel_topic_key("abc", out, sizeof out), KEEL_OK);
    cr_assert_eq(keel_topic_key("abcd", out, sizeof out), KEEL_ETOOBIG);
    cr_assert_eq(keel_topic_key("..", out, sizeof out), KEEL_ETOOBIG);
    cr_assert_eq(keel_topic_key("a", out, 0), KEEL_ETOOBIG);
}

Test(topics, missing_keys_are_refused)
{
    char text[KEEL_TOPIC_MAX];
    const keel_topic_keys none = {NULL, NULL, NULL, NULL}, empty = {"", "", "", ""};
    for (int t = 0; t < KEEL_TOPIC_COUNT; t++) {
        cr_assert_eq(keel_topic_make((keel_topic)t, &none, text), KEEL_EINVAL);
        cr_assert_eq(keel_topic_make((keel_topic)t, &empty, text), KEEL_EINVAL);
    }
    cr_assert_eq(keel_topic_key("", text, sizeof text), KEEL_EINVAL);
}

Test(topics, find_refuses)
{
    static const struct {
        const char *text;
        keel_status expected;
    } cases[] = {
        {"", KEEL_EFORMAT},
        {".", KEEL_EFORMAT},
        {"v1.row.1h.main", KEEL_EFORMAT},
        {"v1.row.1h..", KEEL_EFORMAT},
        {"v1.row..main.", KEEL_EFORMAT},
        {".v1.row.1h.main.", KEEL_EFORMAT},
        {"v1.row.1h.ma in.", KEEL_EFORMAT},
        {"v1.row.1h.ma%2.", KEEL_EFORMAT},
        {"v1.row.1h.ma%zz.", KEEL_EFORMAT},
        {"v1.row.1h.ma%2e.", KEEL_EFORMAT}, /* lower case: a second spelling */
        {"v1.row.1h.m%41.", KEEL_EFORMAT},  /* 'A' need not be encoded */
        {"v1.row.1h.m%00.", KEEL_EFORMAT},
        {"v1.row.1h.m\xc3.", KEEL_EFORMAT},
        {"v2.row.1h.main.", KEEL_EUNKNOWN},
        {"v1.rows.1h.main.", KEEL_EUNKNOWN},
        {"v1.row.main.", KEEL_EUNKNOWN},
        {"v1.row.1h.main.more.", KEEL_EUNKNOWN},
        {"v1.alloc.main.", KEEL_EUNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        keel_topic topic = KEEL_TOPIC_COUNT;
        cr_assert_eq(find(cases[i].text, &topic), cases[i].expected, "%s", cases[i].text);
        cr_assert_eq(topic, KEEL_TOPIC_COUNT, "untouched on refusal");
    }
    keel_topic topic;
    cr_assert_eq(keel_topic_find("v1.row.1h.ma\0n.", 15, &topic), KEEL_EFORMAT);
}
