#include "services/cli/news.h"

#include <string.h>

enum { ARENA_BYTES = 1 << 20, ACCEPTED_FIRST = 5, REFUSED_FIRST = 2, FILLS_FIRST = 5 };

keel_news *keel_news_new(void)
{
    keel_news *news = keel_xcalloc(1, sizeof *news);
    keel_arena_init(&news->arena, ARENA_BYTES);
    return news;
}

void keel_news_free(keel_news **news)
{
    if (news == NULL || *news == NULL)
        return;
    keel_arena_fini(&(*news)->arena);
    keel_free(news);
}

bool keel_news_due(uint64_t n, uint64_t first, bool often)
{
    if (n <= first)
        return true;
    if (n < 10)
        return false;
    while (n % 10 == 0)
        n /= 10;
    return often ? n < 10 : n == 1;
}

bool keel_book_is_strategy(const char *book)
{
    return strcmp(book, "core") != 0 && strcmp(book, "reserve") != 0 &&
           strcmp(book, "netting") != 0;
}

static bool concerns_strategy(const keel_fill *fill)
{
    for (int i = 0; i < fill->books_n; i++)
        if (keel_book_is_strategy(fill->books[i].book))
            return true;
    return false;
}

static bool take_decision(keel_news *news, const keel_envelope *e)
{
    keel_decision *d = &news->decision;
    if (keel_wire_get_decision(&news->arena, e->payload, e->payload_len, d) != KEEL_OK)
        return false;
    const unsigned code = (unsigned)d->reason.code;
    uint64_t *count = d->accepted ? &news->accepted : &news->refused[code % KEEL_NEWS_REASONS];
    news->count = ++*count;
    return d->accepted ? keel_news_due(news->count, ACCEPTED_FIRST, true)
                       : keel_news_due(news->count, REFUSED_FIRST, false);
}

static bool take_fill(keel_news *news, const keel_envelope *e)
{
    if (keel_wire_get_fill(&news->arena, e->payload, e->payload_len, &news->fill) != KEEL_OK ||
        !concerns_strategy(&news->fill))
        return false;
    news->count = ++news->fills;
    return keel_news_due(news->count, FILLS_FIRST, true);
}

bool keel_news_take(keel_news *news, keel_topic topic, const keel_envelope *envelope)
{
    if (topic != KEEL_TOPIC_DECISION && topic != KEEL_TOPIC_FILL)
        return false;
    keel_arena_reset(&news->arena);
    return topic == KEEL_TOPIC_DECISION ? take_decision(news, envelope) : take_fill(news, envelope);
}
