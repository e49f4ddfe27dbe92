/* world.h - a whole system in one process, for tests: configuration from text, payloads collected.
 *
 * ROOM     tests/support (its own library: it links every engine).
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_H
#define KEEL_TESTS_SUPPORT_WORLD_H

#include "common/service/host.h"
#include "services/backtest/run.h"

/* Every payload of every state and record, by topic, step and index. */
typedef struct keel_payloads keel_payloads;

typedef struct keel_payload_key {
    uint64_t topic_hash;
    uint64_t step;
    uint32_t index;
    uint64_t payload_hash;
    char topic[48];
} keel_payload_key;

/* Steps after last_step are not noted (0 = all are): plans for a step that has no row may be made
 * or not when a run ends. */
keel_payloads *keel_payloads_new(uint64_t last_step);
void keel_payloads_free(keel_payloads **p);
/* Note a frame; frames outside the steps are passed by. A second payload under the same name that
 * differs is counted as a conflict. */
void keel_payloads_note(keel_payloads *p, const char *topic, const uint8_t *frame, size_t len);
int keel_payloads_n(const keel_payloads *p);
int keel_payloads_conflicts(const keel_payloads *p);
const char *keel_payloads_conflict(const keel_payloads *p); /* the first one; "" = none */
int keel_payloads_of(const keel_payloads *p, const char *topic_prefix); /* how many */
/* 0 when both hold the same; else how many are missing, added or other, the first one named. */
int keel_payloads_differ(const keel_payloads *a, const keel_payloads *b, char *first, size_t cap);
/* Change one bit of one payload's hash: a comparison must find it. */
void keel_payloads_spoil(keel_payloads *p, int i);
/* Forget one payload under the prefix. */
void keel_payloads_remove_one(keel_payloads *p, const char *topic_prefix);
/* Do payloads under the prefix exist in each tenth of steps 1..steps? */
bool keel_payloads_in_every_tenth(const keel_payloads *p, const char *topic_prefix, uint64_t steps);

/* Configuration of a small simulated market: `rows` hourly steps, a rebalance every few hours, all
 * files under `dir`. Extra lines are appended; a capital section there replaces {core: 0.9}.
 * Written to dir/config.yaml. */
void keel_world_config(const char *dir, int rows, const char *extra);

/* The same market in live mode, a row every pace_ms, for runs with signals: `desks` holds the
 * sections strategies and capital, and whatever else. */
void keel_world_live(const char *dir, int rows, int pace_ms, const char *desks);

/* The same for hourly closes of 14 coins from `file`, rebalanced every six hours. */
void keel_world_coins(const char *dir, const char *file, int rows, const char *extra);

#endif
