#include "tests/support/wire_samples.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { BUF = 4 << 20 };
static uint8_t bytes[BUF];
static char text[BUF];
static keel_arena arena;

static void open_arena(void)
{
    keel_arena_init(&arena, 16 << 20);
}
static void close_arena(void)
{
    keel_arena_fini(&arena);
}
TestSuite(json, .init = open_arena, .fini = close_arena);

static json_t *parse(keel_payload type, size_t len)
{
    keel_arena_reset(&arena);
    cr_assert_eq(keel_wire_json(&arena, type, bytes, len, text, BUF), KEEL_OK);
    cr_assert_null(strchr(text, '\n'), "one line");
    /* 64-bit unsigned above INT64_MAX are valid JSON that jansson reads as reals */
    json_t *json = json_loads(text, JSON_DECODE_INT_AS_REAL, NULL);
    cr_assert_not_null(json, "%.200s", text);
    return json;
}

Test(json, every_message_is_one_line_of_json)
{
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const size_t len = keel_sample_encode(&keel_samples[i], 100, bytes, BUF);
        json_t *json = parse(keel_samples[i].payload, len);
        cr_assert(json_is_object(json));
        json_decref(json);
    }
}

Test(json, says_what_the_message_says)
{
    keel_fill fill;
    size_t len;
    keel_sample_fill(&fill, 1);
    strcpy(fill.reason.text, "a \"quote\" \\ tab\t \x01 \xe2\x82\xac");
    cr_assert_eq(keel_wire_put_fill(&fill, bytes, BUF, &len), KEEL_OK);
    json_t *json = parse(KEEL_PAYLOAD_FILL, len);
    cr_assert_str_eq(json_string_value(json_object_get(json, "order_id")), fill.order_id);
    json_t *reason = json_object_get(json, "reason");
    cr_assert_str_eq(json_string_value(json_object_get(reason, "code")), "REBALANCE");
    cr_assert_str_eq(json_string_value(json_object_get(reason, "text")), fill.reason.text);
    cr_assert_eq(json_array_size(json_object_get(json, "books")), 3);
    cr_assert_not_null(strstr(text, "\"qty_units\":-2500,"));
    cr_assert_not_null(strstr(text, "\"fill_ns\":1767312000000000000,"));
    json_decref(json);
}

Test(json, numbers_read_back_exactly)
{
    keel_covariance c;
    size_t len;
    keel_sample_covariance(&c, 14);
    cr_assert_eq(keel_wire_put_covariance(&c, bytes, BUF, &len), KEEL_OK);
    json_t *json = parse(KEEL_PAYLOAD_COVARIANCE_MATRIX, len);
    json_t *lower = json_object_get(json_object_get(json, "covariance"), "lower");
    cr_assert_eq(json_array_size(lower), keel_packed_len(14));
    for (size_t i = 0; i < keel_packed_len(14); i++)
        cr_assert_eq(json_real_value(json_array_get(lower, i)), c.covariance[i]);
    cr_assert_not_null(strstr(text, "\"universe_hash\":18364758544493064720,"));
    cr_assert_not_null(strstr(text, "\"estimator\":\"EWMA\",\"log_returns\":true,"));
    json_decref(json);
}

Test(json, bytes_are_base64_and_one_ask_is_shown)
{
    static const char *const expected[] = {"", "\"AQ==\"", "\"AQD/\"", "\"AQD/Bw==\""};
    static const size_t sizes[] = {0, 1, 3, 4};
    keel_snapshot_record record;
    keel_request request;
    size_t len;
    for (int i = 1; i < 4; i++) {
        keel_sample_snapshot_record(&record, 1);
        record.state_len = sizes[i];
        cr_assert_eq(keel_wire_put_snapshot_record(&record, bytes, BUF, &len), KEEL_OK);
        json_decref(parse(KEEL_PAYLOAD_SNAPSHOT_RECORD, len));
        cr_assert_not_null(strstr(text, expected[i]), "%s", text);
    }
    keel_sample_request(&request, 1);
    cr_assert_eq(keel_wire_put_request(&request, bytes, BUF, &len), KEEL_OK);
    json_decref(parse(KEEL_PAYLOAD_REQUEST, len));
    cr_assert_not_null(strstr(text, "\"halt\":{\"reason\":\"too wild\""));
    cr_assert_null(strstr(text, "\"ping\""));
}

Test(json, refuses_what_get_refuses_and_short_room)
{
    const size_t len = keel_sample_encode(&keel_samples[0], 2, bytes, BUF);
    cr_assert_eq(keel_wire_json(&arena, keel_samples[0].payload, bytes, len - 1, text, BUF),
                 KEEL_EFORMAT);
    cr_assert_eq(keel_wire_json(&arena, KEEL_PAYLOAD_SPILLOVER, bytes, len, text, BUF),
                 KEEL_EUNKNOWN);
    cr_assert_eq(keel_wire_json(&arena, keel_samples[0].payload, bytes, len, text, BUF), KEEL_OK);
    const size_t need = strlen(text) + 1;
    for (size_t cap = 0; cap < need; cap += 11) {
        text[cap] = '#';
        cr_assert_eq(keel_wire_json(&arena, keel_samples[0].payload, bytes, len, text, cap),
                     KEEL_ENOSPC);
        cr_assert_eq(text[cap], '#');
    }
    cr_assert_eq(keel_wire_json(&arena, keel_samples[0].payload, bytes, len, text, need), KEEL_OK);
}
