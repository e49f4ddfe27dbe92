/* Lists kept by hand equal the generated ones: neither grows alone. */
#include "common/wire/wire_internal.h"
#include "tests/support/data.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const char *name;
    int value;
} entry;

#define ENTRY(name, number) {#name, number},
static const entry payloads[] = {{"UNSPECIFIED", 0}, KEEL_PAYLOAD_LIST(ENTRY)};
static const entry reasons[] = {KEEL_REASON_LIST(ENTRY)};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void equal(const ProtobufCEnumDescriptor *proto, const char *prefix, const entry *list,
                  size_t n)
{
    cr_assert_eq(proto->n_values, n, "%s: %u values in proto, %zu here", proto->name,
                 proto->n_values, n);
    for (size_t i = 0; i < n; i++) {
        char name[96];
        const ProtobufCEnumValue *value =
            protobuf_c_enum_descriptor_get_value(proto, list[i].value);
        snprintf(name, sizeof name, "%s%s", prefix, list[i].name);
        cr_assert_not_null(value, "%s", name);
        cr_assert_str_eq(value->name, name);
    }
}

Test(lists, payload_types_equal_the_proto)
{
    equal(&keel__v1__payload_type__descriptor, "PAYLOAD_TYPE_", payloads, COUNT(payloads));
    for (size_t i = 1; i < COUNT(payloads); i++) {
        cr_assert_str_eq(keel_payload_name((keel_payload)payloads[i].value), payloads[i].name);
        cr_assert(keel_payload_is_known(payloads[i].value));
    }
    cr_assert_str_eq(keel_payload_name(KEEL_PAYLOAD_UNSPECIFIED), "");
    cr_assert(!keel_payload_is_known(0) && !keel_payload_is_known(-1) &&
              !keel_payload_is_known(999));
}

Test(lists, reasons_equal_the_proto)
{
    equal(&keel__v1__reason_code__descriptor, "REASON_CODE_", reasons, COUNT(reasons));
}

#define SAME(prefix, name)                                                                         \
    {                                                                                              \
#name, prefix##_##name                                                                     \
    }
Test(lists, small_enums_equal_the_proto)
{
    static const entry sessions[] = {SAME(KEEL_SESSION, UNSPECIFIED),
                                     SAME(KEEL_SESSION, CONTINUOUS), SAME(KEEL_SESSION, WEEKDAYS)};
    static const entry kinds[] = {SAME(KEEL_CERTIFICATE, UNSPECIFIED),
                                  SAME(KEEL_CERTIFICATE, OPTIMAL), SAME(KEEL_CERTIFICATE, BOUNDED),
                                  SAME(KEEL_CERTIFICATE, FEASIBLE)};
    static const entry outcomes[] = {
        SAME(KEEL_OUTCOME, UNSPECIFIED), SAME(KEEL_OUTCOME, SOLVED),
        SAME(KEEL_OUTCOME, INFEASIBLE),  SAME(KEEL_OUTCOME, ITERATION_LIMIT),
        SAME(KEEL_OUTCOME, SINGULAR),    SAME(KEEL_OUTCOME, TOO_FEW_ROWS)};
    static const entry estimators[] = {
        SAME(KEEL_ESTIMATOR, UNSPECIFIED), SAME(KEEL_ESTIMATOR, ROLLING),
        SAME(KEEL_ESTIMATOR, EWMA),        SAME(KEEL_ESTIMATOR, LEDOIT_WOLF),
        SAME(KEEL_ESTIMATOR, OAS),         SAME(KEEL_ESTIMATOR, FACTOR),
        SAME(KEEL_ESTIMATOR, DIAGONAL)};
    static const entry phases[] = {SAME(KEEL_FEED_PHASE, UNSPECIFIED),
                                   SAME(KEEL_FEED_PHASE, RUNNING), SAME(KEEL_FEED_PHASE, ENDED)};
    static const entry modes[] = {SAME(KEEL_TRADING, UNSPECIFIED), SAME(KEEL_TRADING, ACTIVE),
                                  SAME(KEEL_TRADING, REDUCING), SAME(KEEL_TRADING, HALTED)};
    static const entry risk[] = {SAME(KEEL_RISK_METHOD, UNSPECIFIED),
                                 SAME(KEEL_RISK_METHOD, HISTORICAL), SAME(KEEL_RISK_METHOD, NORMAL),
                                 SAME(KEEL_RISK_METHOD, CORNISH_FISHER),
                                 SAME(KEEL_RISK_METHOD, EWMA)};
    static const entry attributions[] = {
        SAME(KEEL_ATTRIBUTION, UNSPECIFIED), SAME(KEEL_ATTRIBUTION, ASSET),
        SAME(KEEL_ATTRIBUTION, SECTOR),      SAME(KEEL_ATTRIBUTION, STRATEGY),
        SAME(KEEL_ATTRIBUTION, BOOK),        SAME(KEEL_ATTRIBUTION, FACTOR)};
    equal(&keel__v1__session__descriptor, "SESSION_", sessions, COUNT(sessions));
    equal(&keel__v1__certificate_kind__descriptor, "CERTIFICATE_KIND_", kinds, COUNT(kinds));
    equal(&keel__v1__solve_outcome__descriptor, "SOLVE_OUTCOME_", outcomes, COUNT(outcomes));
    equal(&keel__v1__covariance_estimator__descriptor, "COVARIANCE_ESTIMATOR_", estimators,
          COUNT(estimators));
    equal(&keel__v1__feed_phase__descriptor, "FEED_PHASE_", phases, COUNT(phases));
    equal(&keel__v1__trading_mode__descriptor, "TRADING_MODE_", modes, COUNT(modes));
    equal(&keel__v1__risk_method__descriptor, "RISK_METHOD_", risk, COUNT(risk));
    equal(&keel__v1__attribution_kind__descriptor, "ATTRIBUTION_KIND_", attributions,
          COUNT(attributions));
}

Test(lists, service_states_equal_the_proto)
{
    const ProtobufCEnumDescriptor *proto = &keel__v1__service_state__descriptor;
    cr_assert_eq(proto->n_values, KEEL_STATE_FAILED + 1);
    for (unsigned i = 0; i < proto->n_values; i++) {
        char name[64];
        snprintf(name, sizeof name, "SERVICE_STATE_%s",
                 keel_service_state_name((keel_service_state)i));
        cr_assert_str_eq(protobuf_c_enum_descriptor_get_value(proto, (int)i)->name, name);
    }
    cr_assert_str_eq(keel_service_state_name((keel_service_state)77), "");
}

/* Methods known here are a part of the proto's; a name here is the proto's in lower case. */
Test(lists, methods_are_named_as_in_the_proto)
{
    int known = 0;
    for (int m = 1; m < 64; m++) {
        const char *name = keel_method_name((keel_method)m);
        if (name[0] == '\0')
            continue;
        const ProtobufCEnumValue *value =
            protobuf_c_enum_descriptor_get_value(&keel__v1__allocation_method__descriptor, m);
        cr_assert_not_null(value, "%s", name);
        cr_assert_eq(strcasecmp(value->name + strlen("ALLOCATION_METHOD_"), name), 0, "%s", name);
        known++;
    }
    cr_assert_geq(known, 5);
}

Test(lists, asks_are_named_as_in_the_proto)
{
    for (int ask = KEEL_ASK_PING; ask <= KEEL_ASK_RESUME; ask++) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
            &keel__v1__request__descriptor, keel_ask_name((keel_ask)ask));
        cr_assert_not_null(field, "%d", ask);
        cr_assert(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
        cr_assert_eq(field->id, 9 + (unsigned)ask);
    }
    cr_assert_str_eq(keel_ask_name(KEEL_ASK_NONE), "none");
    cr_assert_str_eq(keel_ask_name((keel_ask)77), "");
}

/* Fields of the proto that no plain struct carries yet. A new field is a row or a line here. */
static const char *const not_carried[] = {
    "AllocationProposal.fallbacks",
    "TradingState.strategies",
    "TradingState.assets",
    "Request.ping",
    "Request.status",
    "Request.snapshot",
    "Request.reset_counters",
    "Request.log_level",
    "Request.shutdown",
    "Request.halt",
    "Request.resume",         /* hook */
    "SnapshotRecord.outputs", /* hook */
};

static bool has_row(const wire_type *type, const ProtobufCFieldDescriptor *field)
{
    for (size_t i = 0; i < type->fields_n; i++) {
        if (type->fields[i].pb == field->offset)
            return true;
    }
    char name[96];
    snprintf(name, sizeof name, "%s.%s", type->descriptor->short_name, field->name);
    for (size_t i = 0; i < COUNT(not_carried); i++) {
        if (strcmp(name, not_carried[i]) == 0)
            return true;
    }
    cr_log_error("%s has no row", name);
    return false;
}

static void check_type(const wire_type *type)
{
    for (unsigned i = 0; i < type->descriptor->n_fields; i++)
        cr_expect(has_row(type, &type->descriptor->fields[i]));
    for (size_t i = 0; i < type->fields_n; i++) {
        const wire_field *f = &type->fields[i];
        const ProtobufCFieldDescriptor *match = NULL;
        for (unsigned k = 0; k < type->descriptor->n_fields; k++) {
            if (type->descriptor->fields[k].offset == f->pb)
                match = &type->descriptor->fields[k];
        }
        cr_assert_not_null(match);
        if (f->part != NULL) {
            cr_expect_eq(match->descriptor, f->part->descriptor, "%s", match->name);
            check_type(f->part);
        }
    }
}

Test(lists, every_field_of_the_proto_has_a_row)
{
    for (size_t i = 0; i < COUNT(payloads); i++) {
        const wire_type *type = wire_type_of((keel_payload)payloads[i].value);
        if (type != NULL)
            check_type(type);
    }
    for (int t = 0; t < KEEL_TOPIC_COUNT; t++)
        cr_assert_not_null(wire_type_of(keel_topic_describe((keel_topic)t)->payload));
}

/* No message may hold itself, however deep: unpacking would follow the sender's bytes down. */
static int depth_of(const ProtobufCMessageDescriptor *message, int depth)
{
    int deepest = depth;
    cr_assert_lt(depth, 6, "%s is nested too deep", message->name);
    for (unsigned i = 0; i < message->n_fields; i++) {
        if (message->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        const int below = depth_of(message->fields[i].descriptor, depth + 1);
        deepest = below > deepest ? below : deepest;
    }
    return deepest;
}

Test(lists, no_message_holds_itself)
{
    for (size_t i = 0; i < COUNT(payloads); i++) {
        const wire_type *type = wire_type_of((keel_payload)payloads[i].value);
        if (type != NULL)
            cr_assert_leq(depth_of(type->descriptor, 1), 4);
    }
}

/* docs/messages.md names every topic with its payload and publisher, and every payload number. */
Test(lists, docs_name_every_topic_and_payload)
{
    const char *root = getenv("KEEL_SOURCE_DIR");
    char path[512], want[256];
    size_t len;
    snprintf(path, sizeof path, "%s/docs/messages.md", root != NULL ? root : ".");
    char *page = keel_test_read(path, &len);
    for (int t = 0; t < KEEL_TOPIC_COUNT; t++) {
        static const char *const classes[] = {"stream", "state", "record", "control", "call"};
        const keel_topic_info *info = keel_topic_describe((keel_topic)t);
        snprintf(want, sizeof want, "| `%s` | %s | %s (%d) | %s", info->template_text,
                 classes[info->topic_class], wire_type_of(info->payload)->descriptor->short_name,
                 (int)info->payload, info->publisher[0] == '*' ? "any" : info->publisher);
        cr_expect_not_null(strstr(page, want), "%s", want);
    }
    for (size_t i = 1; i < COUNT(payloads); i++) {
        snprintf(want, sizeof want, " (%d)", payloads[i].value);
        cr_expect_not_null(strstr(page, want), "%s", payloads[i].name);
    }
    free(page);
}
