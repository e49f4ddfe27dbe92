/* The desk of a service: one asks and decides, one answers, over the in-memory twins (S4, S5, P7,
 * R1 of docs/protocol.md): what is asked and decided does not depend on loss or death; in live mode
 * an answer that does not come is given up, and a step that was open at a death goes on where the
 * log left it; the dead-man rule trips and clears by itself. */
#include "common/base/hash.h"
#include "common/base/rng.h"
#include "common/base/timefmt.h"
#include "common/service/host.h"
#include "common/service/replay.h"
#include "common/wire/wire.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 40, SEEN_MAX = 8192, TURNS = 400000, STOPS_MAX = 8 };

static keel_status publish(keel_service *svc, keel_topic topic, const char *text)
{
    return keel_service_publish(svc, topic, NULL, (const uint8_t *)text, strlen(text));
}

static keel_status open_nothing(keel_service *svc, void *arg, keel_err *err)
{
    (void)svc;
    (void)arg;
    (void)err;
    return KEEL_OK;
}

static void close_nothing(void *arg)
{
    (void)arg;
}

/* ---- feed and ledger ---- */

static keel_status feed_step(keel_service *svc, void *arg, uint64_t step)
{
    char text[32];
    (void)arg;
    if (step > STEPS)
        return KEEL_EEND;
    keel_service_set_event_ns(svc, (int64_t)step * KEEL_NS_PER_S);
    snprintf(text, sizeof text, "row %d", (int)step);
    return publish(svc, KEEL_TOPIC_ROW, text);
}

static keel_status feed_recall(keel_service *svc, void *arg, uint64_t step)
{
    return feed_step(svc, arg, step);
}

static const keel_line feed_line[] = {{"strategy-coordinator", -1, false, NULL, false},
                                      {NULL, 0, false, NULL, false}};
static const keel_topic feed_pubs[] = {KEEL_TOPIC_ROW, KEEL_TOPIC_COUNT};
static const keel_cfg_row no_cfg[] = {KEEL_CFG_END};
static const keel_service_spec feed = {.name = "feed",
                                       .app_size = 8,
                                       .cfg = no_cfg,
                                       .line = feed_line,
                                       .pubs = feed_pubs,
                                       .is_source = true,
                                       .request_topic = KEEL_TOPIC_COUNT,
                                       .base_topic = KEEL_TOPIC_COUNT,
                                       .open = open_nothing,
                                       .close = close_nothing,
                                       .on_step = feed_step,
                                       .recall = feed_recall};

static keel_status on_anything(keel_service *svc, void *arg, const keel_msg *msg)
{
    (void)svc;
    (void)arg;
    (void)msg;
    return KEEL_OK;
}

static const keel_line ledger_line[] = {{"strategy-coordinator", -1, false, NULL, false},
                                        {"feed", 0, false, NULL, false},
                                        {NULL, 0, false, NULL, false}};
static const keel_sub row_subs[] = {{KEEL_TOPIC_ROW, on_anything}, {0, NULL}};
static const keel_topic no_pubs[] = {KEEL_TOPIC_COUNT};
static const keel_service_spec ledger = {.name = "ledger",
                                         .app_size = 8,
                                         .cfg = no_cfg,
                                         .line = ledger_line,
                                         .subs = row_subs,
                                         .pubs = no_pubs,
                                         .request_topic = KEEL_TOPIC_COUNT,
                                         .base_topic = KEEL_TOPIC_COUNT,
                                         .open = open_nothing,
                                         .close = close_nothing};

/* ---- risk: answers with what it knows at the end of the step ---- */

typedef struct answering {
    uint64_t rows;
    uint64_t decisions;
} answering;

static keel_status risk_on_row(keel_service *svc, void *arg, const keel_msg *msg)
{
    (void)svc;
    (void)msg;
    ((answering *)arg)->rows++;
    return KEEL_OK;
}

static keel_status risk_on_decision(keel_service *svc, void *arg, const keel_msg *msg)
{
    (void)svc;
    (void)msg;
    ((answering *)arg)->decisions++;
    return KEEL_OK;
}

static keel_status risk_on_check(keel_service *svc, void *arg, const keel_msg *msg)
{
    char text[96];
    const answering *a = arg;
    snprintf(text, sizeof text, "answer to %.*s with %d rows %d decisions", (int)msg->len,
             (const char *)msg->data, (int)a->rows, (int)a->decisions);
    return publish(svc, KEEL_TOPIC_VERDICT, text);
}

static keel_status risk_save(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    *len = sizeof(answering);
    if (cap < *len)
        return KEEL_ENOSPC;
    memcpy(buf, arg, *len);
    return KEEL_OK;
}

static keel_status risk_load(void *arg, const uint8_t *buf, size_t len)
{
    memcpy(arg, buf, len);
    return KEEL_OK;
}

static const keel_line risk_line[] = {{"feed", 0, false, NULL, false},
                                      {"strategy-coordinator", 0, true, NULL, false},
                                      {NULL, 0, false, NULL, false}};
static const keel_sub risk_subs[] = {
    {KEEL_TOPIC_ROW, risk_on_row}, {KEEL_TOPIC_DECISION, risk_on_decision}, {0, NULL}};
static const keel_topic risk_pubs[] = {KEEL_TOPIC_VERDICT, KEEL_TOPIC_COUNT};
static const keel_sub risk_calls[] = {{KEEL_TOPIC_CHECK, risk_on_check}, {0, NULL}};
static const keel_desk risk_desk = {.calls = risk_calls};
static const keel_service_spec risk = {.name = "risk",
                                       .app_size = sizeof(answering),
                                       .cfg = no_cfg,
                                       .line = risk_line,
                                       .subs = risk_subs,
                                       .pubs = risk_pubs,
                                       .request_topic = KEEL_TOPIC_COUNT,
                                       .base_topic = KEEL_TOPIC_COUNT,
                                       .open = open_nothing,
                                       .close = close_nothing,
                                       .save = risk_save,
                                       .load = risk_load,
                                       .desk = &risk_desk};

/* ---- the coordinator: in each step step % 3 questions, a decision after each answer ---- */

typedef struct deciding {
    uint64_t decided;  /* the whole run */
    uint64_t own;      /* decisions of the log, folded */
    uint64_t asked;    /* in this round */
    uint64_t answered; /* in this round */
    uint64_t begun;    /* step of the round */
    uint64_t wanted;   /* questions of the round */
    uint64_t given_up;
    char answer[96];
} deciding;

static struct {
    bool locked; /* lockstep: gather waits */
    int pending; /* live: rounds that wait to be gathered */
    int burst;   /* so many decisions more, before and after the question of step 16 */
    int modes_n; /* the dead-man rule's calls */
    keel_trading_mode modes[STOPS_MAX];
} outside;

static void begin(deciding *d, uint64_t step, uint64_t wanted)
{
    d->begun = step;
    d->asked = d->answered = 0;
    d->wanted = wanted;
}

static keel_status gather(keel_service *svc, void *arg, uint64_t step, bool *any)
{
    deciding *d = arg;
    if (keel_service_is_lockstep(svc)) {
        if (outside.locked) {
            keel_service_await(svc, "momentum");
            return KEEL_EUNAVAIL;
        }
    } else {
        *any = outside.pending > 0;
        if (!*any)
            return KEEL_OK;
        outside.pending--;
    }
    if (!keel_service_is_lockstep(svc))
        begin(d, step, 1);
    return KEEL_OK;
}

static keel_status decide_one(keel_service *svc, deciding *d, const char *why)
{
    char text[160];
    snprintf(text, sizeof text, "decision %d: %s", (int)++d->decided, why);
    return publish(svc, KEEL_TOPIC_DECISION, text);
}

static keel_status decide(keel_service *svc, void *arg, uint64_t step)
{
    char text[64];
    deciding *d = arg;
    if (keel_service_is_lockstep(svc) && d->begun != step) /* a replay does not gather */
        begin(d, step, step % 3);
    if (d->asked > d->answered)
        return KEEL_EUNAVAIL;
    if (d->answered > 0)
        KEEL_TRY(decide_one(svc, d, d->answer));
    for (int i = 0; step == 16 && i < outside.burst; i++)
        KEEL_TRY(decide_one(svc, d, "one of many"));
    if (d->asked == d->wanted)
        return KEEL_OK;
    snprintf(text, sizeof text, "question %d.%d after %d", (int)step, (int)d->asked,
             (int)d->decided);
    KEEL_TRY(publish(svc, KEEL_TOPIC_CHECK, text));
    d->asked++;
    return KEEL_EUNAVAIL;
}

static void give_up(keel_service *svc, void *arg, uint64_t step)
{
    deciding *d = arg;
    (void)svc;
    (void)step;
    d->given_up++;
    d->answered++;
    snprintf(d->answer, sizeof d->answer, "no answer");
}

static keel_status on_verdict(keel_service *svc, void *arg, const keel_msg *msg)
{
    deciding *d = arg;
    (void)svc;
    if (d->asked == d->answered)
        return KEEL_ESTALE;
    d->answered++;
    snprintf(d->answer, sizeof d->answer, "%.*s", (int)msg->len, (const char *)msg->data);
    return KEEL_OK;
}

static keel_status on_own(keel_service *svc, void *arg, const keel_msg *msg)
{
    deciding *d = arg;
    (void)svc;
    (void)msg;
    d->decided++;
    d->own++;
    return KEEL_OK;
}

static void on_deadman(keel_service *svc, void *arg, keel_trading_mode mode)
{
    (void)svc;
    (void)arg;
    if (outside.modes_n < STOPS_MAX)
        outside.modes[outside.modes_n++] = mode;
}

static keel_status save(const void *arg, uint8_t *buf, size_t cap, size_t *len)
{
    *len = sizeof(deciding);
    if (cap < *len)
        return KEEL_ENOSPC;
    memcpy(buf, arg, *len);
    return KEEL_OK;
}

static keel_status load(void *arg, const uint8_t *buf, size_t len)
{
    memcpy(arg, buf, len);
    return KEEL_OK;
}

static const keel_line line[] = {{"feed", 0, false, NULL, false},
                                 {"risk", 0, false, NULL, false},
                                 {NULL, 0, false, NULL, false}};
static const keel_topic pubs[] = {KEEL_TOPIC_DECISION, KEEL_TOPIC_CHECK, KEEL_TOPIC_COUNT};
static const keel_sub calls[] = {{KEEL_TOPIC_VERDICT, on_verdict}, {0, NULL}};
static const keel_desk desk = {
    .gather = gather, .decide = decide, .give_up = give_up, .calls = calls};
static const keel_service_spec coordinator = {.name = "strategy-coordinator",
                                              .app_size = sizeof(deciding),
                                              .cfg = no_cfg,
                                              .line = line,
                                              .subs = row_subs,
                                              .pubs = pubs,
                                              .request_topic = KEEL_TOPIC_COUNT,
                                              .base_topic = KEEL_TOPIC_COUNT,
                                              .open = open_nothing,
                                              .close = close_nothing,
                                              .save = save,
                                              .load = load,
                                              .on_own = on_own,
                                              .desk = &desk,
                                              .on_deadman = on_deadman};

/* ---- the world ---- */

typedef struct seen {
    char topic[48];
    uint64_t step;
    uint32_t index;
    char text[200];
} seen;

static seen all[SEEN_MAX];
static int all_n;
static int conflicts;       /* decisions published twice with other bytes */
static int asked_otherwise; /* questions or answers; in live mode a restart may ask anew */
static keel_rng rng;
static double loss;
static const char *journals; /* directory; NULL = none */
static const char *lost;     /* topics that begin so never arrive; NULL = none */

/* One payload under each (topic, step, index), however often it is published. */
static void tap(void *arg, const char *service, const char *topic, const uint8_t *frame, size_t len)
{
    static keel_arena arena;
    keel_envelope e;
    (void)arg;
    (void)service;
    if (arena.base == NULL)
        keel_arena_init(&arena, 1 << 20);
    keel_arena_reset(&arena);
    if (keel_wire_get_envelope(&arena, frame, len, &e) != KEEL_OK || e.step == 0 ||
        e.type == KEEL_PAYLOAD_STEP_END || (e.step == 16 && outside.burst > 0))
        return;
    for (int i = 0; i < all_n; i++)
        if (strcmp(all[i].topic, topic) == 0 && all[i].step == e.step && all[i].index == e.index) {
            const bool other = strlen(all[i].text) != e.payload_len ||
                               memcmp(all[i].text, e.payload, e.payload_len) != 0;
            conflicts += other && e.type == KEEL_PAYLOAD_DECISION;
            asked_otherwise += other && e.type != KEEL_PAYLOAD_DECISION;
            return;
        }
    seen *s = &all[all_n++];
    cr_assert(all_n < SEEN_MAX && e.payload_len < sizeof s->text);
    snprintf(s->topic, sizeof s->topic, "%s", topic);
    s->step = e.step;
    s->index = e.index;
    memcpy(s->text, e.payload, e.payload_len);
    s->text[e.payload_len] = '\0';
}

static keel_hub_fate lossy(void *arg, int from, int to, const char *topic)
{
    (void)arg;
    (void)from;
    (void)to;
    if (lost != NULL && strncmp(topic, lost, strlen(lost)) == 0)
        return KEEL_HUB_LOSE;
    return keel_rng_uniform(&rng) < loss ? KEEL_HUB_LOSE : KEEL_HUB_DELIVER;
}

static const keel_service_spec *const specs[] = {&feed, &ledger, &risk, &coordinator};
static keel_config *config;
static keel_settings settings;
static keel_universe universe;
static keel_host *host;

/* `more`: further keys of section run. */
static void start_with(const char *mode, const char *more)
{
    static char path[] = "/tmp/keel-desk-XXXXXX";
    keel_err err = {0};
    const int fd = mkstemp(path);
    cr_assert(fd >= 0);
    dprintf(fd,
            "run: {id: t, mode: %s, pace: 100ms%s}\n"
            "universe: {bar: 1s, instruments: [{symbol: A}]}\n",
            mode, more);
    close(fd);
    const keel_config_sources sources = {path, NULL, 0, NULL};
    config = keel_config_load(&sources, &err);
    unlink(path);
    cr_assert_not_null(config, "%s", err.text);
    cr_assert_eq(keel_settings_load(config, &settings, &universe, &err), KEEL_OK, "%s", err.text);
    memset(&outside, 0, sizeof outside);
    all_n = conflicts = asked_otherwise = 0;
    rng = keel_rng_seeded(7);
    const keel_host_cfg cfg = {.specs = specs,
                               .specs_n = 4,
                               .config = config,
                               .settings = &settings,
                               .universe = &universe,
                               .tap = tap,
                               .judge = lossy,
                               .epoch_ns = 1,
                               .journal_dir = journals,
                               .snapshot_steps = 16,
                               .log_level = KEEL_LOG_ERROR};
    host = keel_host_new(&cfg, &err);
    cr_assert_not_null(host, "%s", err.text);
}

static void start(const char *mode)
{
    start_with(mode, "");
}

static void stop(void)
{
    keel_host_free(&host);
    keel_config_free(&config);
    loss = 0.0;
    lost = NULL;
}

static const char *text_of(const char *topic, uint64_t step, uint32_t index)
{
    for (int i = 0; i < all_n; i++)
        if (strncmp(all[i].topic, topic, strlen(topic)) == 0 && all[i].step == step &&
            all[i].index == index)
            return all[i].text;
    return "";
}

static int count_of(const char *topic)
{
    int n = 0;
    for (int i = 0; i < all_n; i++)
        n += strncmp(all[i].topic, topic, strlen(topic)) == 0;
    return n;
}

static void check_lockstep(void)
{
    int questions = 0;
    for (int step = 1; step <= STEPS; step++)
        questions += step % 3;
    cr_assert_eq(conflicts + asked_otherwise, 0);
    cr_assert_eq(count_of("v1.riskcheck."), questions);
    cr_assert_eq(count_of("v1.verdict."), questions);
    cr_assert_eq(count_of("v1.decision."), questions);
    /* the first question of step 5 comes after 1 + 2 + 0 + 1 decisions, all folded by risk; the
     * second after one more, which risk folds only when the step is closed */
    cr_assert_str_eq(text_of("v1.riskcheck.", 5, 0), "question 5.0 after 4");
    cr_assert_str_eq(text_of("v1.verdict.", 5, 0),
                     "answer to question 5.0 after 4 with 5 rows 4 decisions");
    cr_assert_str_eq(text_of("v1.verdict.", 5, 1),
                     "answer to question 5.1 after 5 with 5 rows 4 decisions");
    cr_assert_str_eq(text_of("v1.decision.", 5, 1),
                     "decision 6: answer to question 5.1 after 5 with 5 rows 4 decisions");
}

Test(desk, S5_questions_and_answers_are_messages_of_the_step, .fini = stop)
{
    start("lockstep");
    cr_assert_eq(keel_host_run(host, TURNS), KEEL_EEND);
    check_lockstep();
}

Test(desk, S4_a_lost_question_or_answer_is_asked_for_again, .fini = stop)
{
    start("lockstep");
    loss = 0.2;
    cr_assert_eq(keel_host_run(host, TURNS), KEEL_EEND);
    check_lockstep();
    cr_assert_gt(keel_host_counted(host, "risk", "calls_handled"), 0);
}

Test(desk, P5_deaths_change_no_question_answer_or_decision, .fini = stop)
{
    static const char *const victims[] = {"risk", "strategy-coordinator", "feed"};
    keel_err err = {0};
    int kills = 0;
    start("lockstep");
    loss = 0.02;
    for (int turn = 1; keel_host_done(host, "strategy-coordinator") < STEPS; turn++) {
        keel_host_turn(host);
        cr_assert_lt(turn, TURNS);
        if (keel_rng_uniform(&rng) > 0.02)
            continue;
        const char *victim = victims[keel_rng_below(&rng, 3)];
        keel_host_kill(host, victim);
        kills++;
        for (int i = 0; i < 5; i++)
            keel_host_turn(host);
        cr_assert_eq(keel_host_start(host, victim, &err), KEEL_OK);
    }
    cr_assert_gt(kills, 20);
    check_lockstep();
}

/* Risk begins anew and hears all of a step but its questions; then the coordinator begins anew too,
 * and asks them for an answer that it cannot have from anyone but risk. */
Test(desk, S5_a_step_is_not_over_before_its_questions_were_answered, .fini = stop)
{
    keel_err err = {0};
    start("lockstep");
    while (keel_host_done(host, "strategy-coordinator") < 9)
        keel_host_turn(host);
    keel_host_kill(host, "risk");
    cr_assert_eq(keel_host_start(host, "risk", &err), KEEL_OK);
    lost = "v1.riskcheck.";
    for (int i = 0; i < 2000; i++)
        keel_host_turn(host);
    lost = NULL;
    keel_host_kill(host, "strategy-coordinator");
    cr_assert_eq(keel_host_start(host, "strategy-coordinator", &err), KEEL_OK);
    cr_assert_eq(keel_host_run(host, TURNS), KEEL_EEND, "coordinator %d, awaits %s",
                 (int)keel_host_done(host, "strategy-coordinator"),
                 keel_host_awaited(host, "strategy-coordinator"));
    check_lockstep();
}

/* The step of a snapshot is asked for again, and the snapshot must have all of it (S3). */
Test(desk, S3_a_busy_step_of_a_snapshot_is_had_again, .fini = stop)
{
    keel_err err = {0};
    start("lockstep");
    outside.burst = 3000;
    while (keel_host_done(host, "strategy-coordinator") < 16)
        keel_host_turn(host);
    keel_host_kill(host, "feed");
    for (int i = 0; i < 300; i++)
        keel_host_turn(host);
    keel_host_kill(host, "strategy-coordinator");
    cr_assert_eq(keel_host_start(host, "strategy-coordinator", &err), KEEL_OK);
    cr_assert_eq(keel_host_start(host, "feed", &err), KEEL_OK);
    cr_assert_eq(keel_host_run(host, 20000), KEEL_EEND, "feed %d awaits %s",
                 (int)keel_host_done(host, "feed"), keel_host_awaited(host, "feed"));
    cr_assert_eq(conflicts, 0);
}

static int64_t still(void *arg)
{
    (void)arg;
    return 1;
}

/* A step leaves in many flushes; a replay has all of them in one. */
Test(desk, J2_a_step_of_many_flushes_is_replayed, .fini = stop)
{
    char dir[] = "/tmp/keel-desk-XXXXXX", path[96];
    keel_err err = {0};
    keel_replay_report report;
    cr_assert_not_null(mkdtemp(dir));
    journals = dir;
    start("lockstep");
    journals = NULL;
    outside.burst = 6000;
    cr_assert_eq(keel_host_run(host, TURNS), KEEL_EEND);
    keel_obs *obs = keel_obs_new("replay", KEEL_LOG_ERROR, stderr, still, NULL);
    const keel_node_cfg cfg = {.spec = &coordinator,
                               .config = config,
                               .settings = &settings,
                               .universe = &universe,
                               .obs = obs,
                               .wall_ns = still,
                               .mono_ns = still};
    snprintf(path, sizeof path, "%s/strategy-coordinator.journal", dir);
    cr_assert_eq(keel_replay(path, &cfg, &report, &err), KEEL_OK, "%s", err.text);
    cr_expect_eq(report.differing, 0, "%s", report.first_difference);
    cr_expect_gt(report.reproduced, 12000, "%d", (int)report.reproduced);
    keel_obs_free(&obs);
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s.journal", dir, specs[i]->name);
        unlink(path);
    }
    rmdir(dir);
}

Test(desk, a_strategy_that_is_awaited_is_named, .fini = stop)
{
    start("lockstep");
    outside.locked = true;
    for (int i = 0; i < 3000; i++)
        keel_host_turn(host);
    cr_assert_eq(keel_host_done(host, "strategy-coordinator"), 0);
    cr_assert_str_eq(keel_host_awaited(host, "strategy-coordinator"), "momentum 1");
    outside.locked = false;
    cr_assert_eq(keel_host_run(host, TURNS), KEEL_EEND);
    check_lockstep();
}

static void turn_for(int ms)
{
    for (int i = 0; i < ms; i++)
        keel_host_turn(host);
}

Test(desk, live_decides_on_arrival, .fini = stop)
{
    start("live");
    turn_for(1000);
    for (int i = 0; i < 10; i++) {
        outside.pending++;
        turn_for(20);
    }
    cr_assert_eq(count_of("v1.decision."), 10);
    cr_assert_eq(conflicts, 0);
    cr_assert_eq(keel_host_counted(host, "strategy-coordinator", "answers_given_up"), 0);
}

/* The ledger begins anew and has all steps sent again, to everyone. */
Test(desk, live_answers_no_question_twice, .fini = stop)
{
    keel_err err = {0};
    start("live");
    turn_for(500);
    for (int i = 0; i < 20; i++) {
        outside.pending++;
        turn_for(20);
    }
    const uint64_t handled = keel_host_counted(host, "risk", "calls_handled");
    cr_assert_eq(handled, 20);
    keel_host_kill(host, "ledger");
    cr_assert_eq(keel_host_start(host, "ledger", &err), KEEL_OK);
    turn_for(1000);
    cr_assert_eq(keel_host_counted(host, "risk", "calls_handled"), handled);
}

Test(desk, G2_live_gives_up_an_answer_that_does_not_come, .fini = stop)
{
    keel_err err = {0};
    start("live");
    turn_for(500);
    keel_host_kill(host, "risk");
    outside.pending = 1;
    turn_for(400);
    cr_assert_eq(count_of("v1.decision."), 0);
    turn_for(300);
    cr_assert_eq(count_of("v1.decision."), 1);
    bool given_up = false;
    for (int i = 0; i < all_n; i++)
        given_up = given_up || strcmp(all[i].text, "decision 1: no answer") == 0;
    cr_assert(given_up);
    cr_assert_eq(keel_host_start(host, "risk", &err), KEEL_OK);
    turn_for(300);
    outside.pending = 1;
    turn_for(100);
    cr_assert_eq(count_of("v1.decision."), 2);
}

/* The deadline counts from the row: a decision that is made between two rows, and belongs to the
 * step of the second, does not make its readers go on without those who wait for that row. */
Test(desk, live_nobody_is_passed_over_for_a_decision_before_the_row, .fini = stop)
{
    start_with("live", ", step_deadline: 20ms");
    turn_for(500);
    for (int i = 0; i < 10; i++) {
        outside.pending = 1;
        turn_for(100);
    }
    cr_assert_eq(count_of("v1.decision."), 10);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(keel_host_counted(host, specs[i]->name, "steps_passed_over"), 0, "%s",
                     specs[i]->name);
}

Test(desk, R1_live_an_open_step_goes_on_where_the_log_left_it, .fini = stop)
{
    keel_err err = {0};
    start("live");
    turn_for(500);
    for (int round = 0; round < 20; round++) {
        outside.pending += 2;
        turn_for(1 + 3 * round % 20);
        keel_host_kill(host, "strategy-coordinator");
        turn_for(3);
        cr_assert_eq(keel_host_start(host, "strategy-coordinator", &err), KEEL_OK);
        turn_for(400); /* it replays what it missed, and decides in no step that others have left */
        outside.pending = 0; /* what a death took along is not the point here */
    }
    turn_for(1000);
    cr_assert_eq(conflicts, 0, "a decision was published twice with other bytes");
    int last = 0;
    for (int i = 0; i < all_n; i++)
        if (strncmp(all[i].topic, "v1.decision.", 12) == 0) {
            const int number = atoi(all[i].text + strlen("decision "));
            cr_assert_eq(number, last + 1, "%s after %d", all[i].text, last);
            last = number;
        }
    cr_assert_geq(last, 20);
}

Test(desk, R6_live_decides_in_no_step_that_the_ledger_may_have_left, .fini = stop)
{
    keel_err err = {0};
    start("live");
    turn_for(500);
    keel_host_kill(host, "strategy-coordinator");
    turn_for(1000); /* the others go on without it */
    const uint64_t left = keel_host_done(host, "ledger");
    lost = "v1.hb.ledger.";
    cr_assert_eq(keel_host_start(host, "strategy-coordinator", &err), KEEL_OK);
    outside.pending = 1;
    turn_for(300);
    cr_assert_eq(count_of("v1.decision."), 0);
    lost = NULL;
    turn_for(1000);
    cr_assert_eq(count_of("v1.decision."), 1);
    for (int i = 0; i < all_n; i++)
        cr_assert(strncmp(all[i].topic, "v1.decision.", 12) != 0 || all[i].step > left,
                  "decided in step %d, the ledger left %d", (int)all[i].step, (int)left);
}

Test(desk, the_dead_man_rule_trips_and_clears, .fini = stop)
{
    keel_err err = {0};
    start("live");
    turn_for(2000);
    cr_assert_eq(outside.modes_n, 0);
    keel_host_kill(host, "risk");
    turn_for(900);
    cr_assert_eq(outside.modes_n, 0);
    turn_for(300);
    cr_assert_eq(outside.modes_n, 1);
    cr_assert_eq(outside.modes[0], KEEL_TRADING_REDUCING);
    turn_for(6000);
    cr_assert_eq(outside.modes_n, 2);
    cr_assert_eq(outside.modes[1], KEEL_TRADING_HALTED);
    cr_assert_eq(keel_host_start(host, "risk", &err), KEEL_OK);
    turn_for(1000);
    cr_assert_eq(outside.modes_n, 3);
    cr_assert_eq(outside.modes[2], KEEL_TRADING_ACTIVE);
}
