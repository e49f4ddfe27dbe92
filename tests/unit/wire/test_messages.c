#include "tests/support/wire_samples.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { BUF = 4 << 20 };
static uint8_t first[BUF], second[BUF];
static union {
    max_align_t align;
    uint8_t bytes[KEEL_SAMPLE_STRUCT_MAX];
} plain;
static keel_arena arena;

static void open_arena(void)
{
    keel_arena_init(&arena, 16 << 20);
}
static void close_arena(void)
{
    keel_arena_fini(&arena);
}
TestSuite(messages, .init = open_arena, .fini = close_arena);

/* The samples fill every field (python_roundtrip checks that), so equal bytes after a decode mean
 * that no field was lost on the way. */
static void round_trip(const keel_sample_ops *sample, int n)
{
    size_t len = keel_sample_encode(sample, n, first, BUF), again = 0;
    keel_arena_reset(&arena);
    cr_assert_eq(sample->get(&arena, first, len, &plain), KEEL_OK, "%s n=%d", sample->name, n);
    cr_assert_eq(sample->put(&plain, second, BUF, &again), KEEL_OK, "%s n=%d", sample->name, n);
    cr_assert_eq(len, again, "%s n=%d", sample->name, n);
    cr_assert_arr_eq(first, second, len, "%s n=%d", sample->name, n);
    cr_assert_eq(keel_wire_check(&arena, sample->payload, first, len), KEEL_OK);
}

Test(messages, come_back_as_they_were_sent)
{
    const int sizes[] = {1, 2, 14, 100, KEEL_UNIVERSE_MAX};
    for (int i = 0; i < KEEL_SAMPLES; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
            round_trip(&keel_samples[i], sizes[k]);
}

Test(messages, structs_without_pointers_come_back_equal)
{
    static const char *const flat[] = {
        "rebalance_decision", "trading_state", "limit_breach", "fill",    "performance",
        "heartbeat",          "step_end",      "resend",       "request", "reply"};
    static union {
        max_align_t align;
        uint8_t bytes[KEEL_SAMPLE_STRUCT_MAX];
    } sent;
    int seen = 0;
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        for (size_t k = 0; k < sizeof flat / sizeof flat[0]; k++) {
            if (strcmp(flat[k], keel_samples[i].name) != 0)
                continue;
            const size_t len = keel_sample_encode(&keel_samples[i], 3, first, BUF);
            memset(&sent, 0, sizeof sent);
            keel_samples[i].make(&sent, 3);
            memset(&plain, 0, sizeof plain);
            cr_assert_eq(keel_samples[i].get(&arena, first, len, &plain), KEEL_OK);
            /* through bytes again: padding inside the structs is not compared */
            size_t a, b;
            cr_assert_eq(keel_samples[i].put(&sent, first, BUF, &a), KEEL_OK);
            cr_assert_eq(keel_samples[i].put(&plain, second, BUF, &b), KEEL_OK);
            cr_assert(a == b && memcmp(first, second, a) == 0, "%s", flat[k]);
            seen++;
        }
    }
    cr_assert_eq(seen, 10);
}

Test(messages, arrays_and_numbers_are_what_was_sent)
{
    keel_bar_row row, row2;
    size_t len;
    keel_sample_bar_row(&row, 14);
    cr_assert_eq(keel_wire_put_bar_row(&row, first, BUF, &len), KEEL_OK);
    cr_assert_eq(keel_wire_get_bar_row(&arena, first, len, &row2), KEEL_OK);
    cr_assert_eq(row2.n, 14);
    cr_assert_eq(row2.missing, 1);
    cr_assert_arr_eq(row2.close_units, row.close_units, 14 * sizeof(int64_t));
    cr_assert_arr_eq(row2.low_units, row.low_units, 14 * sizeof(int64_t));
    cr_assert_arr_eq(row2.volume, row.volume, 14 * sizeof(double));

    keel_allocation_proposal p, p2;
    keel_sample_allocation_proposal(&p, 14);
    cr_assert_eq(keel_wire_put_allocation_proposal(&p, first, BUF, &len), KEEL_OK);
    cr_assert_eq(keel_wire_get_allocation_proposal(&arena, first, len, &p2), KEEL_OK);
    cr_assert_arr_eq(p2.constraints[0].indices, p.constraints[0].indices, 14 * sizeof(int));
    cr_assert_arr_eq(p2.current, p.current, 14 * sizeof(double));
    cr_assert_str_eq(p2.constraints[1].name, "sector:Layer 1");
    cr_assert_str_eq(p2.reason.text, p.reason.text);
    cr_assert_eq(p2.constraints[1].lo, -KEEL_NO_BOUND);
    cr_assert_str_eq(p2.inputs[1].topic, "v1.portfolio.main.");
    cr_assert_eq(p2.inputs[1].payload_hash, p.inputs[1].payload_hash);

    keel_portfolio_state s, s2;
    keel_sample_portfolio_state(&s, 14);
    cr_assert_eq(keel_wire_put_portfolio_state(&s, first, BUF, &len), KEEL_OK);
    cr_assert_eq(keel_wire_get_portfolio_state(&arena, first, len, &s2), KEEL_OK);
    cr_assert_eq(s2.books[0].positions[13].qty_units, 1013);
    cr_assert_eq(s2.books[0].closed_versions[1], UINT64_MAX);
    cr_assert_eq(s2.books[0].realized_micros, -17);
    cr_assert_null(s2.books[1].positions);
}

Test(messages, short_buffers_are_told_the_size)
{
    for (int i = 0; i < KEEL_SAMPLES; i++) {
        const size_t need = keel_sample_encode(&keel_samples[i], 3, first, BUF);
        keel_samples[i].make(&plain, 3);
        for (size_t cap = 0; cap < need; cap += 1 + need / 7) {
            size_t len = 0;
            memset(second, 0xa5, need);
            cr_assert_eq(keel_samples[i].put(&plain, second, cap, &len), KEEL_ENOSPC);
            cr_assert_eq(len, need);
            for (size_t b = 0; b < need; b++)
                cr_assert_eq(second[b], 0xa5, "%s wrote past its end", keel_samples[i].name);
        }
    }
}

Test(messages, negative_zero_is_sent_as_zero)
{
    double weights[3] = {-0.0, 0.25, -0.0}, zeros[3] = {0.0, 0.25, 0.0};
    keel_approved_allocation a, b;
    size_t la, lb;
    keel_sample_approved_allocation(&a, 3);
    a.box_lower = a.weights = zeros;
    a.box_upper = zeros;
    a.cash_frac = 0.0;
    b = a;
    b.weights = weights;
    b.cash_frac = -0.0;
    cr_assert_eq(keel_wire_put_approved_allocation(&a, first, BUF, &la), KEEL_OK);
    cr_assert_eq(keel_wire_put_approved_allocation(&b, second, BUF, &lb), KEEL_OK);
    cr_assert(la == lb && memcmp(first, second, la) == 0);
    cr_assert(signbit(weights[0]), "the caller's array is not touched");
}

/* Another writer may send -0.0: it is read as 0.0, alone and in arrays. */
Test(messages, negative_zero_is_read_as_zero)
{
    static const uint8_t minus[] = {0, 0, 0, 0, 0, 0, 0, 0x80};
    keel_performance performance;
    keel_approved_allocation approved;
    size_t len = keel_sample_encode(&keel_samples[28], 3, first, BUF);
    cr_assert_eq(keel_samples[28].payload, KEEL_PAYLOAD_PERFORMANCE);
    first[len] = 5 << 3 | 1; /* total_return, a double */
    memcpy(first + len + 1, minus, sizeof minus);
    cr_assert_eq(keel_wire_get_performance(&arena, first, len + 9, &performance), KEEL_OK);
    cr_assert(performance.total_return == 0.0 && !signbit(performance.total_return));

    keel_sample_approved_allocation(&approved, 3);
    double *weights = (double *)approved.weights;
    weights[0] = 3.0;
    cr_assert_eq(keel_wire_put_approved_allocation(&approved, first, BUF, &len), KEEL_OK);
    uint8_t *at = memmem(first, len, weights, sizeof(double));
    cr_assert_not_null(at);
    memcpy(at, minus, sizeof minus);
    cr_assert_eq(keel_wire_get_approved_allocation(&arena, first, len, &approved), KEEL_OK);
    cr_assert(approved.weights[0] == 0.0 && !signbit(approved.weights[0]));
}

Test(messages, a_large_matrix_with_negative_zeros_still_goes)
{
    static double packed[KEEL_UNIVERSE_MAX * (KEEL_UNIVERSE_MAX + 1) / 2];
    keel_covariance c, back;
    size_t len;
    keel_sample_covariance(&c, KEEL_UNIVERSE_MAX);
    memcpy(packed, c.covariance, sizeof packed);
    packed[1] = -0.0;
    c.covariance = packed;
    cr_assert_eq(keel_wire_put_covariance(&c, first, BUF, &len), KEEL_OK);
    cr_assert_eq(keel_wire_get_covariance(&arena, first, len, &back), KEEL_OK);
    cr_assert(!signbit(back.covariance[1]));
    cr_assert_gt(len, 1 << 20);
}

Test(messages, edges_of_absence)
{
    keel_bar_row row, row2;
    size_t len;
    keel_sample_bar_row(&row, 3);
    row.open_units = row.high_units = row.low_units = NULL; /* closes only */
    row.volume = NULL;
    cr_assert_eq(keel_wire_put_bar_row(&row, first, BUF, &len), KEEL_OK);
    cr_assert_eq(keel_wire_get_bar_row(&arena, first, len, &row2), KEEL_OK);
    cr_assert(row2.open_units == NULL && row2.volume == NULL && row2.n == 3);

    keel_approved_allocation flat, flat2;
    keel_sample_approved_allocation(&flat, 3);
    memset(&flat.rebalance_reason, 0, sizeof flat.rebalance_reason);
    memset(&flat.certificate, 0, sizeof flat.certificate);
    flat.method = KEEL_METHOD_FLATTEN;
    cr_assert_eq(keel_wire_put_approved_allocation(&flat, first, BUF, &len), KEEL_OK);
    cr_assert_eq(keel_wire_get_approved_allocation(&arena, first, len, &flat2), KEEL_OK);
    cr_assert_eq(flat2.rebalance_reason.code, KEEL_REASON_UNSPECIFIED);
    cr_assert_eq(flat2.certificate.kind, KEEL_CERTIFICATE_UNSPECIFIED);

    keel_risk_report report, report2;
    keel_sample_risk_report(&report, 3);
    report.component_risk_frac = NULL; /* nothing is held */
    cr_assert_eq(keel_wire_put_risk_report(&report, first, BUF, &len), KEEL_OK);
    cr_assert_eq(keel_wire_get_risk_report(&arena, first, len, &report2), KEEL_OK);
    cr_assert(report2.component_risk_frac == NULL && report2.n == 0);
}

Test(messages, every_ask_comes_back)
{
    for (int ask = KEEL_ASK_PING; ask <= KEEL_ASK_RESUME; ask++) {
        keel_request request = {.service = "risk", .requester = "cli", .ask = (keel_ask)ask}, back;
        size_t len;
        if (ask == KEEL_ASK_LOG_LEVEL)
            request.log_level = 4;
        if (ask == KEEL_ASK_HALT || ask == KEEL_ASK_RESUME)
            strcpy(request.reason, "why");
        cr_assert_eq(keel_wire_put_request(&request, first, BUF, &len), KEEL_OK, "%d", ask);
        cr_assert_eq(keel_wire_get_request(&arena, first, len, &back), KEEL_OK, "%d", ask);
        cr_assert(back.ask == request.ask && back.log_level == request.log_level);
        cr_assert_str_eq(back.reason, request.reason);
    }
}

static keel_envelope envelope(void)
{
    return (keel_envelope){.type = KEEL_PAYLOAD_STEP_END,
                           .id = {"risk", 1767312000000000000, 42},
                           .cause = {"ledger", 1767312000000000001, 41},
                           .trace_id = "row-17",
                           .run_id = "demo-20260102T030405-7f3a",
                           .event_ns = -1,
                           .publish_ns = 1767312000000000002,
                           .step = 17,
                           .index = 3,
                           .payload = (const uint8_t *)"payload",
                           .payload_len = 7};
}

Test(messages, envelope_points_at_its_payload)
{
    keel_envelope in = envelope(), out;
    size_t len, again;
    cr_assert_eq(keel_wire_put_envelope(&in, first, BUF, &len), KEEL_OK);
    cr_assert_eq(keel_wire_get_envelope(&arena, first, len, &out), KEEL_OK);
    cr_assert(out.payload > first && out.payload + out.payload_len <= first + len);
    cr_assert_arr_eq(out.payload, "payload", 7);
    cr_assert_str_eq(out.cause.source, "ledger");
    cr_assert_str_eq(out.run_id, in.run_id);
    cr_assert_eq(out.event_ns, -1);
    cr_assert_eq(out.index, 3);
    cr_assert_eq(keel_wire_put_envelope(&out, second, BUF, &again), KEEL_OK);
    cr_assert(len == again && memcmp(first, second, len) == 0);
    cr_assert_lt(len, in.payload_len + 160);
}

Test(messages, envelope_takes_the_largest_payload_and_no_more)
{
    keel_envelope in = envelope(), out;
    static uint8_t payload[KEEL_PAYLOAD_BYTES_MAX + 1], frame[KEEL_FRAME_BYTES_MAX + 1];
    size_t len;
    in.payload = payload;
    in.payload_len = KEEL_PAYLOAD_BYTES_MAX;
    cr_assert_eq(keel_wire_put_envelope(&in, frame, sizeof frame, &len), KEEL_OK);
    const size_t used = arena.used;
    cr_assert_eq(keel_wire_get_envelope(&arena, frame, len, &out), KEEL_OK);
    cr_assert_eq(out.payload_len, KEEL_PAYLOAD_BYTES_MAX);
    cr_assert_lt(arena.used - used, 4096, "the payload is not copied");
    cr_assert_eq(keel_wire_get_envelope(&arena, frame, sizeof frame, &out), KEEL_ETOOBIG);
    in.payload_len++;
    cr_assert_eq(keel_wire_put_envelope(&in, frame, sizeof frame, &len), KEEL_ETOOBIG);
}

Test(messages, envelope_refuses)
{
    static const struct {
        const char *what;
        keel_status expected;
    } cases[] = {{"type", KEEL_EINVAL},    {"source", KEEL_EINVAL}, {"epoch", KEEL_EINVAL},
                 {"seq", KEEL_EINVAL},     {"run", KEEL_EINVAL},    {"run chars", KEEL_EINVAL},
                 {"payload", KEEL_EINVAL}, {"cause", KEEL_EINVAL},  {"trace", KEEL_EINVAL},
                 {"negative", KEEL_ERANGE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        keel_envelope in = envelope();
        size_t len;
        switch (i) {
        case 0:
            in.type = (keel_payload)99;
            break;
        case 1:
            in.id.source[0] = '\0';
            break;
        case 2:
            in.id.epoch_ns = 0;
            break;
        case 3:
            in.id.seq = 0;
            break;
        case 4:
            in.run_id[0] = '\0';
            break;
        case 5:
            in.run_id[0] = '/';
            break;
        case 6:
            in.payload_len = 0;
            break;
        case 7:
            in.cause.source[0] = '\0';
            break;
        case 8:
            in.trace_id[0] = ' ';
            break;
        case 9:
            in.id.epoch_ns = -1;
            break;
        }
        cr_assert_eq(keel_wire_put_envelope(&in, first, BUF, &len), cases[i].expected, "%s",
                     cases[i].what);
    }
}
