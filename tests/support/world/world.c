#include "tests/support/world/world.h"

#include "common/base/hash.h"
#include "common/wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct keel_payloads {
    uint64_t last_step;     /* later ones are not noted; 0 = all are */
    keel_payload_key *keys; /* open addressing by topic, step, index */
    size_t cap;
    int n;
    int conflicts;
    char conflict[128]; /* the first one */
    keel_arena arena;
};

keel_payloads *keel_payloads_new(uint64_t last_step)
{
    keel_payloads *p = keel_xcalloc(1, sizeof *p);
    p->last_step = last_step;
    p->cap = 1 << 12;
    p->keys = keel_xcalloc(p->cap, sizeof *p->keys);
    keel_arena_init(&p->arena, 1 << 20);
    return p;
}

void keel_payloads_free(keel_payloads **p)
{
    keel_arena_fini(&(*p)->arena);
    keel_free(&(*p)->keys);
    keel_free(p);
}

static keel_payload_key *slot(const keel_payloads *p, const keel_payload_key *k)
{
    size_t at = (k->topic_hash ^ k->step * 0x9e3779b97f4a7c15u ^ k->index) & (p->cap - 1);
    while (p->keys[at].topic_hash != 0 &&
           (p->keys[at].topic_hash != k->topic_hash || p->keys[at].step != k->step ||
            p->keys[at].index != k->index))
        at = (at + 1) & (p->cap - 1);
    return &p->keys[at];
}

static void grow(keel_payloads *p)
{
    keel_payload_key *old = p->keys;
    const size_t cap = p->cap;
    p->cap *= 2;
    p->keys = keel_xcalloc(p->cap, sizeof *p->keys);
    for (size_t i = 0; i < cap; i++)
        if (old[i].topic_hash != 0)
            *slot(p, &old[i]) = old[i];
    keel_free(&old);
}

void keel_payloads_note(keel_payloads *p, const char *topic, const uint8_t *frame, size_t len)
{
    keel_envelope e;
    keel_topic kind;
    keel_arena_reset(&p->arena);
    if (keel_topic_find(topic, strlen(topic), &kind) != KEEL_OK ||
        (keel_topic_describe(kind)->topic_class == KEEL_CLASS_CONTROL && kind != KEEL_TOPIC_STEP) ||
        keel_wire_get_envelope(&p->arena, frame, len, &e) != KEEL_OK || e.step == 0 ||
        (p->last_step != 0 && e.step > p->last_step))
        return;
    keel_payload_key k = {.topic_hash = keel_hash(topic, strlen(topic)) | 1,
                          .step = e.step,
                          .index = e.index,
                          .payload_hash = keel_hash(e.payload, e.payload_len)};
    snprintf(k.topic, sizeof k.topic, "%s", topic);
    keel_payload_key *s = slot(p, &k);
    if (s->topic_hash != 0) {
        if (s->payload_hash != k.payload_hash && p->conflicts++ == 0)
            snprintf(p->conflict, sizeof p->conflict, "%s step %llu index %u", topic,
                     (unsigned long long)e.step, e.index);
        return;
    }
    *s = k;
    if ((size_t)++p->n * 2 > p->cap)
        grow(p);
}

int keel_payloads_n(const keel_payloads *p)
{
    return p->n;
}

int keel_payloads_conflicts(const keel_payloads *p)
{
    return p->conflicts;
}

const char *keel_payloads_conflict(const keel_payloads *p)
{
    return p->conflict;
}

int keel_payloads_of(const keel_payloads *p, const char *topic_prefix)
{
    int n = 0;
    for (size_t i = 0; i < p->cap; i++)
        n += p->keys[i].topic_hash != 0 &&
             strncmp(p->keys[i].topic, topic_prefix, strlen(topic_prefix)) == 0;
    return n;
}

void keel_payloads_remove_one(keel_payloads *p, const char *topic_prefix)
{
    for (size_t at = 0; at < p->cap; at++)
        if (p->keys[at].topic_hash != 0 &&
            strncmp(p->keys[at].topic, topic_prefix, strlen(topic_prefix)) == 0) {
            p->keys[at].step += UINT64_C(1) << 40; /* found under no step of the run */
            return;
        }
}

static int missing_or_other(const keel_payloads *a, const keel_payloads *b, const char *what,
                            char *first, size_t cap)
{
    int n = 0;
    for (size_t i = 0; i < a->cap; i++) {
        const keel_payload_key *k = &a->keys[i];
        if (k->topic_hash == 0)
            continue;
        const keel_payload_key *other = slot(b, k);
        const bool there = other->topic_hash != 0;
        if (there && other->payload_hash == k->payload_hash)
            continue;
        if (n++ == 0 && first[0] == '\0')
            snprintf(first, cap, "%s %s step %llu index %u", there ? "differs:" : what, k->topic,
                     (unsigned long long)k->step, k->index);
    }
    return n;
}

int keel_payloads_differ(const keel_payloads *a, const keel_payloads *b, char *first, size_t cap)
{
    first[0] = '\0';
    const int n = missing_or_other(a, b, "missing:", first, cap);
    return n > 0 ? n : missing_or_other(b, a, "added:", first, cap);
}

void keel_payloads_spoil(keel_payloads *p, int i)
{
    for (size_t at = 0; at < p->cap; at++)
        if (p->keys[at].topic_hash != 0 && i-- == 0)
            p->keys[at].payload_hash ^= 1;
}

bool keel_payloads_in_every_tenth(const keel_payloads *p, const char *topic_prefix, uint64_t steps)
{
    unsigned tenths = 0;
    for (size_t i = 0; i < p->cap; i++)
        if (p->keys[i].topic_hash != 0 &&
            strncmp(p->keys[i].topic, topic_prefix, strlen(topic_prefix)) == 0)
            tenths |= 1u << ((p->keys[i].step - 1) * 10 / steps);
    return tenths == 0x3ff;
}

#define WORLD_UNIVERSE                                                                             \
    "universe:\n"                                                                                  \
    "  name: main\n"                                                                               \
    "  bar: 1h\n"                                                                                  \
    "  instruments:\n"                                                                             \
    "    - {symbol: A-SIM, sector: One, lot: 0.0001}\n"                                            \
    "    - {symbol: B-SIM, sector: One, lot: 0.0001}\n"                                            \
    "    - {symbol: C-SIM, sector: Two, lot: 0.0001}\n"                                            \
    "    - {symbol: D-SIM, sector: Two, lot: 0.0001}\n"                                            \
    "    - {symbol: E-SIM, sector: Two, lot: 0.0001, session: weekdays}\n"

static FILE *open_config(const char *dir)
{
    char path[512];
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        abort();
    return f;
}

/* What both modes have in common. */
static void write_services(FILE *f, int rows)
{
    fprintf(f,
            "risk_manager: {equity_usd: 1000000}\n"
            "feed: {source: simulator, rows: %d, seed: 7}\n"
            "correlation: {rows_min: 5}\n"
            "optimizer: {weight_max: 0.5}\n"
            "risk: {max_weight: 0.5, re_arm_after: 12h}\n",
            rows);
}

void keel_world_config(const char *dir, int rows, const char *extra)
{
    FILE *f = open_config(dir);
    fprintf(f,
            "run: {id: test-world, dir: %s, mode: lockstep}\n" WORLD_UNIVERSE
            "portfolio: {max_positions: 0, correlation_window: 2, max_drawdown: 2%%,\n"
            "            rebalancing_frequency: 3h}\n",
            dir);
    write_services(f, rows);
    fprintf(f, "%s%s", strstr(extra, "capital:") == NULL ? "capital: {core: 0.9}\n" : "", extra);
    fclose(f);
}

void keel_world_live(const char *dir, int rows, int pace_ms, const char *desks)
{
    FILE *f = open_config(dir);
    fprintf(f,
            "run: {id: test-world, dir: %s, mode: live, pace: %dms}\n" WORLD_UNIVERSE
            "portfolio: {max_positions: 0, correlation_window: 2, max_drawdown: 20%%,\n"
            "            rebalancing_frequency: 6h}\n",
            dir, pace_ms);
    write_services(f, rows);
    fputs(desks, f);
    fclose(f);
}

void keel_world_coins(const char *dir, const char *file, int rows, const char *extra)
{
    static const char *const coins[] = {"BTC", "ETH",  "BNB",   "XRP", "ADA", "SOL",  "LINK",
                                        "UNI", "AAVE", "MATIC", "LTC", "DOT", "ATOM", "TRX"};
    FILE *f = open_config(dir);
    fprintf(f,
            "run: {id: test-coins, dir: %s, mode: lockstep}\n"
            "universe:\n  name: main\n  bar: 1h\n  instruments:\n",
            dir);
    for (size_t i = 0; i < sizeof coins / sizeof coins[0]; i++)
        fprintf(f, "    - {symbol: %s, price_exp: 5, lot: 0.0001}\n", coins[i]);
    fprintf(f,
            "portfolio: {max_positions: 0, correlation_window: 7, max_drawdown: 10%%,\n"
            "            rebalancing_frequency: 6h}\n"
            "capital: {core: 0.7, momentum: 0.1, meanreversion: 0.1, breakout: 0.1}\n"
            "risk_manager: {equity_usd: 1000000}\n"
            "feed: {source: csv, files: ['%s'], rows: %d}\n"
            "optimizer: {weight_max: 0.3}\n"
            "risk: {max_weight: 0.3, re_arm_after: 24h}\n"
            "%s",
            file, rows, extra);
    fclose(f);
}
