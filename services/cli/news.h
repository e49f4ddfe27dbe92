/* news.h - decisions and fills as they come, and which of them are worth a line.
 *
 * ROOM     services/cli.
 * SHAPE    A run decides thousands of signals. Shown are the first few of each kind and then ever
 *          fewer: accepted signals and fills 1..5, 10, 20 .. 100, 200 ..., refusals of each reason
 *          1, 2, 10, 100, 1000 ...: at most some ten lines per kind and power of ten.
 * MEMORY   One message at a time: decision and fill are valid until the next keel_news_take().
 * THREADS  one per object.
 */
#ifndef KEEL_SERVICES_CLI_NEWS_H
#define KEEL_SERVICES_CLI_NEWS_H

#include "common/base/mem.h"
#include "common/wire/wire.h"

enum { KEEL_NEWS_REASONS = 256 };

typedef struct keel_news {
    keel_arena arena;
    uint64_t accepted;
    uint64_t refused[KEEL_NEWS_REASONS];
    uint64_t fills;         /* with a part of a strategy's book */
    uint64_t count;         /* of this kind up to the message taken last, itself included */
    keel_decision decision; /* KEEL_TOPIC_DECISION was taken last */
    keel_fill fill;         /* KEEL_TOPIC_FILL was taken last */
} keel_news;

keel_news *keel_news_new(void);
void keel_news_free(keel_news **news);

/* Is the n-th of its kind (1, 2, 3 ...) worth a line? Up to `first`, then round numbers: with
 * `often` those of one digit and zeros, else powers of ten. */
bool keel_news_due(uint64_t n, uint64_t first, bool often);

/* Take a message. True when it is worth a line; never for other topics, what cannot be decoded,
 * and fills that concern no strategy. */
bool keel_news_take(keel_news *news, keel_topic topic, const keel_envelope *envelope);

/* The book belongs to a strategy: it is none of Keel's own three. */
bool keel_book_is_strategy(const char *book);

#endif
