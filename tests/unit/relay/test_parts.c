#include "common/wire/wire.h"
#include "services/relay/admit.h"
#include "services/relay/keys.h"
#include "services/relay/lvc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- last values ---- */

static keel_status put(relay_lvc *lvc, const char *topic, uint64_t step, uint32_t index,
                       size_t size)
{
    zmq_msg_t frame;
    zmq_msg_init_size(&frame, size);
    memset(zmq_msg_data(&frame), (int)step, size);
    const keel_status status = relay_lvc_put(lvc, topic, step, index, &frame);
    zmq_msg_close(&frame);
    return status;
}

typedef struct seen {
    int n;
    char topics[8][KEEL_TOPIC_MAX];
    uint8_t first[8];
} seen;

static void note(void *arg, const char *topic, zmq_msg_t *frame)
{
    seen *s = arg;
    strcpy(s->topics[s->n], topic);
    s->first[s->n++] = *(uint8_t *)zmq_msg_data(frame);
}

Test(lvc, keeps_the_newest_of_each_topic)
{
    relay_lvc *lvc = relay_lvc_new(8, 1000);
    seen s = {0};
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 1, 0, 10), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.cov.1h.a.", 3, 0, 10), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 2, 1, 20), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 2, 0, 10), KEEL_ESTALE);
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 1, 9, 10), KEEL_ESTALE);
    cr_assert_eq(put(lvc, "v1.row.1h.a.", 2, 1, 20), KEEL_OK, "the same again");
    cr_assert_eq(relay_lvc_topics(lvc), 2);
    cr_assert_eq(relay_lvc_bytes(lvc), 30);
    cr_assert_eq(relay_lvc_send(lvc, "v1.", 3, note, &s), 2);
    cr_assert_str_eq(s.topics[0], "v1.row.1h.a.");
    cr_assert_eq(s.first[0], 2);
    cr_assert_eq(s.first[1], 3);
    cr_assert_eq(relay_lvc_send(lvc, "v1.row.1h.a.", 12, note, &s), 1);
    cr_assert_eq(relay_lvc_send(lvc, "v1.row.1h.ab", 12, note, &s), 0);
    cr_assert_eq(relay_lvc_send(lvc, "", 0, note, &s), 2);
    relay_lvc_free(&lvc);
    relay_lvc_free(&lvc);
}

Test(lvc, is_bounded_in_topics_and_bytes)
{
    relay_lvc *lvc = relay_lvc_new(2, 100);
    seen s = {0};
    cr_assert_eq(put(lvc, "v1.a.", 1, 0, 60), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.b.", 1, 0, 41), KEEL_ENOSPC);
    cr_assert_eq(put(lvc, "v1.b.", 1, 0, 40), KEEL_OK);
    cr_assert_eq(put(lvc, "v1.c.", 1, 0, 1), KEEL_ENOSPC, "a third topic");
    cr_assert_eq(put(lvc, "v1.b.", 2, 0, 41), KEEL_ENOSPC);
    cr_assert_eq(relay_lvc_send(lvc, "v1.b.", 5, note, &s), 0, "a stale value is no last value");
    cr_assert_eq(relay_lvc_bytes(lvc), 60);
    cr_assert_eq(put(lvc, "v1.b.", 3, 0, 1), KEEL_OK);
    cr_assert_eq(relay_lvc_bytes(lvc), 61);
    relay_lvc_free(&lvc);
}

Test(lvc, finds_each_of_many_topics_again)
{
    relay_lvc *lvc = relay_lvc_new(1000, 1 << 20);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 1000; i++) {
            char topic[32];
            snprintf(topic, sizeof topic, "v1.t%d.", i);
            cr_assert_eq(put(lvc, topic, (uint64_t)round, 0, 8), KEEL_OK);
        }
    }
    cr_assert_eq(relay_lvc_topics(lvc), 1000);
    cr_assert_eq(relay_lvc_bytes(lvc), 8000);
    relay_lvc_free(&lvc);
}

/* ---- admission ---- */

static keel_arena arena;
static relay_keys keys;
static uint8_t frame[8192], out_frame[16384];
static relay_admission out;

static void start(void)
{
    keel_arena_init(&arena, 1 << 20);
    keys = (relay_keys){.n = 1};
    strcpy(keys.clients[0].name, "alice");
}

static void stop(void)
{
    keel_arena_fini(&arena);
}

typedef struct sending {
    const char *user, *topic, *service, *run_id, *operator_name;
    keel_payload type;
} sending;

static const sending good = {"alice",  "v1.request.risk.", "risk",
                             "test-1", "mallory",          KEEL_PAYLOAD_REQUEST};

static relay_verdict admit_bytes(const sending *s, const uint8_t *bytes, size_t len)
{
    const relay_knock knock = {s->user, (const uint8_t *)s->topic, strlen(s->topic), bytes, len};
    const relay_gate gate = {&keys, "test-1", &arena, out_frame, sizeof out_frame};
    return relay_admit(&gate, &knock, 777, &out);
}

static size_t build(const sending *s)
{
    uint8_t payload[1024];
    size_t len = 0;
    keel_request request = {.ask = KEEL_ASK_RESUME, .deadline_ms = 250};
    strcpy(request.service, s->service);
    strcpy(request.requester, "client-1");
    strcpy(request.reason, "checked by hand");
    strcpy(request.operator_name, s->operator_name);
    keel_envelope e = {.type = s->type, .event_ns = 5, .publish_ns = 6, .step = 9, .index = 3};
    cr_assert_eq(keel_wire_put_request(&request, payload, sizeof payload, &e.payload_len), KEEL_OK);
    e.payload = payload;
    strcpy(e.id.source, "client-1");
    e.id.epoch_ns = 11;
    e.id.seq = 12;
    strcpy(e.trace_id, "trace");
    strcpy(e.run_id, s->run_id);
    cr_assert_eq(keel_wire_put_envelope(&e, frame, sizeof frame, &len), KEEL_OK);
    return len;
}

Test(admit, the_keys_name_replaces_what_the_client_says, .init = start, .fini = stop)
{
    keel_envelope e;
    keel_request request;
    cr_assert_eq(admit_bytes(&good, frame, build(&good)), RELAY_ADMITTED);
    cr_assert_str_eq(out.topic, "v1.request.risk.");
    keel_arena_reset(&arena);
    cr_assert_eq(keel_wire_get_envelope(&arena, out_frame, out.len, &e), KEEL_OK);
    cr_assert_eq(keel_wire_get_request(&arena, e.payload, e.payload_len, &request), KEEL_OK);
    cr_assert_str_eq(request.operator_name, "alice");
    cr_assert_str_eq(request.requester, "client-1");
    cr_assert_str_eq(request.reason, "checked by hand");
    cr_assert_eq(request.deadline_ms, 250);
    cr_assert_str_eq(e.id.source, "client-1");
    cr_assert_eq(e.id.epoch_ns, 11);
    cr_assert_eq(e.id.seq, 12);
    cr_assert_str_eq(e.trace_id, "trace");
    cr_assert_eq(e.publish_ns, 777);
    cr_assert_eq(e.step, 0, "requests are outside the steps, whatever the client says");
    cr_assert_eq(e.index, 0);
}

Test(admit, refuses_for_a_named_reason, .init = start, .fini = stop)
{
#define BUT(member, value, want)                                                                   \
    do {                                                                                           \
        sending s = good;                                                                          \
        s.member = value;                                                                          \
        cr_assert_eq(admit_bytes(&s, frame, build(&s)), want, #member);                            \
    } while (0)
    BUT(user, NULL, RELAY_NO_IDENTITY);
    BUT(user, "mallory", RELAY_NO_IDENTITY);
    BUT(user, "", RELAY_NO_IDENTITY);
    BUT(topic, "v1.request.risk", RELAY_MALFORMED);
    BUT(topic, "v1.request.execution.", RELAY_MALFORMED);
    BUT(topic, "v1.reply.risk.", RELAY_WRONG_TYPE);
    BUT(topic, "v1.row.1h.main.", RELAY_WRONG_TYPE);
    BUT(topic, "v1.unheard.of.", RELAY_WRONG_TYPE);
    BUT(type, KEEL_PAYLOAD_FILL, RELAY_WRONG_TYPE);
    BUT(run_id, "other", RELAY_OTHER_RUN);
    BUT(service, "gateway-x", RELAY_UNKNOWN_SERVICE);
#undef BUT
    /* Step and index, two bytes each at the end, may be absent; nothing else may. */
    const size_t len = build(&good);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(admit_bytes(&good, frame, cut) == RELAY_ADMITTED,
                     cut == len - 2 || cut == len - 4, "%zu of %zu bytes", cut, len);
    static uint8_t big[(64 << 10) + 1];
    cr_assert_eq(admit_bytes(&good, big, sizeof big), RELAY_MALFORMED);
    for (int i = 0; i < RELAY_VERDICT_COUNT; i++)
        cr_assert_gt(strlen(relay_verdict_counter((relay_verdict)i)), 0);
}

/* ---- keys ---- */

static char dir[] = "/tmp/keel-keys-XXXXXX";

static char *file(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/keys/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *to = fopen(file(name), "w");
    cr_assert_not_null(to);
    fputs(text, to);
    fclose(to);
    chmod(file(name), mode);
}

static void make_dir(void)
{
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    static const char *const names[] = {"door.public",     "door.secret",  "operator.public",
                                        "operator.secret", "alice.public", "a b.public",
                                        "bob.public"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(file(names[i]));
    rmdir(file(""));
    rmdir(dir);
}

Test(keys, are_made_once_and_private, .init = make_dir, .fini = remove_dir)
{
    relay_keys first, second;
    keel_err err = {0};
    struct stat facts;
    cr_assert_eq(relay_keys_load(dir, &first, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(first.n, 1);
    cr_assert_str_eq(first.clients[0].name, "operator");
    cr_assert_eq(stat(file("door.secret"), &facts), 0);
    cr_assert_eq(facts.st_mode & 0777, 0600);
    cr_assert_eq(stat(file(""), &facts), 0);
    cr_assert_eq(facts.st_mode & 0777, 0700);
    unlink(file("door.public"));
    cr_assert_eq(relay_keys_load(dir, &second, &err), KEEL_OK, "%s", err.text);
    cr_assert_str_eq(first.door_secret, second.door_secret);
    cr_assert_str_eq(first.clients[0].public_key, second.clients[0].public_key);
    cr_assert_eq(stat(file("door.public"), &facts), 0, "written again from the secret");
    cr_assert_str_eq(relay_keys_name(&first, first.clients[0].public_key), "operator");
    cr_assert_null(relay_keys_name(&first, first.door_public));
    cr_assert(relay_keys_knows(&first, "operator"));
    cr_assert_not(relay_keys_knows(&first, "door"));
}

Test(keys, every_public_file_is_a_client_and_bad_ones_are_named, .init = make_dir,
     .fini = remove_dir)
{
    relay_keys loaded;
    keel_err err = {0};
    char public[41], secret[41];
    cr_assert_eq(zmq_curve_keypair(public, secret), 0);
    cr_assert_eq(relay_keys_load(dir, &loaded, &err), KEEL_OK);
    write_file("alice.public", public, 0644);
    cr_assert_eq(relay_keys_load(dir, &loaded, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(loaded.n, 2);
    cr_assert_str_eq(relay_keys_name(&loaded, public), "alice");
    write_file("bob.public", public, 0644);
    cr_assert_eq(relay_keys_load(dir, &loaded, &err), KEEL_EEXIST, "two names for a key");
    write_file("bob.public", "too short\n", 0644);
    cr_assert_eq(relay_keys_load(dir, &loaded, &err), KEEL_EFORMAT);
    cr_assert_not_null(strstr(err.text, "bob.public"), "%s", err.text);
    unlink(file("bob.public"));
    write_file("a b.public", public, 0644);
    cr_assert_eq(relay_keys_load(dir, &loaded, &err), KEEL_EINVAL);
    unlink(file("a b.public"));
    chmod(file("door.secret"), 0640);
    cr_assert_eq(relay_keys_load(dir, &loaded, &err), KEEL_EREFUSED);
    cr_assert_not_null(strstr(err.text, "chmod 600"), "%s", err.text);
}
