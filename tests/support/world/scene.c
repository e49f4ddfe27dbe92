#include "tests/support/world/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FEED = 0, ROWS = 10000000, POLL_MS = 100 };

static void add_client(keel_scene *s, const char *kind, const char *name, int per_second)
{
    keel_cluster_client client = {0};
    snprintf(client.name, sizeof client.name, "%s", name);
    snprintf(client.words[0], sizeof client.words[0], "outsider");
    snprintf(client.words[1], sizeof client.words[1], "%s", kind);
    snprintf(client.words[2], sizeof client.words[2], "%s", s->c.dir);
    snprintf(client.words[3], sizeof client.words[3], "%s", name);
    if (per_second > 0)
        snprintf(client.words[4], sizeof client.words[4], "%d", per_second);
    keel_cluster_add_client(&s->c, &client);
}

void keel_scene_prepare(keel_scene *s, const keel_scene_cfg *cfg)
{
    keel_cluster_prepare(&s->c, false);
    keel_world_live(s->c.dir, ROWS, cfg->pace_ms, cfg->desks);
    keel_cluster_cut_power(&s->c, "always");
    for (int i = 0; i < cfg->programs_n; i++)
        add_client(s, "live", cfg->strategies[i], cfg->per_second);
    for (int i = cfg->programs_n; i < cfg->strategies_n; i++)
        keel_cluster_add_key(&s->c, cfg->strategies[i]);
    add_client(s, "watch", "watcher", 0);
    keel_history_open(&s->said, s->c.dir, cfg->programs_n, cfg->strategies);
    s->said.strategies_n = cfg->strategies_n; /* the others write no file, but are reported on */
    keel_history_watch(&s->said, s->c.dir, "watcher");
    keel_recorded_open(&s->log, s->c.dir, cfg->strategies_n, cfg->strategies);
}

void keel_scene_end(keel_scene *s, bool keep)
{
    keel_cluster_down(&s->c);
    keel_history_close(&s->said);
    keel_recorded_close(&s->log);
    if (keep)
        printf("  kept: %s\n", s->c.dir);
    else
        keel_cluster_remove(&s->c);
}

void keel_scene_tend(keel_scene *s, int ms)
{
    const int64_t until = keel_test_mono_ms() + ms;
    do {
        const int64_t left = until - keel_test_mono_ms();
        keel_cluster_watch(&s->c, left > 50 ? 50 : left > 0 ? (int)left : 0);
        keel_recorded_poll(&s->log);
        if (keel_test_mono_ms() - s->polled_ms >= POLL_MS) {
            keel_history_poll(&s->said);
            s->polled_ms = keel_test_mono_ms();
        }
    } while (keel_test_mono_ms() < until);
}

void keel_scene_kill(keel_scene *s, int place)
{
    if (place == KEEL_CLUSTER_LOG)
        keel_recorded_poll(&s->log);
    keel_cluster_kill(&s->c, place);
    if (place == KEEL_CLUSTER_LOG)
        keel_recorded_after_cut(&s->log);
}

bool keel_scene_drain(keel_scene *s, int ms)
{
    char path[128];
    snprintf(path, sizeof path, "%s/drain", s->c.dir);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
    close(fd);
    const int64_t until = keel_test_mono_ms() + ms;
    while (keel_test_mono_ms() < until &&
           (!keel_history_is_drained(&s->said) || s->log.decisions_n < s->log.receipts_n))
        keel_scene_tend(s, 100);
    const bool drained = keel_history_is_drained(&s->said);
    keel_scene_tend(s, 1000);
    keel_cluster_kill(&s->c, FEED);
    keel_scene_tend(s, 1500);
    return drained;
}

int keel_scene_audit(keel_scene *s, void (*tell)(bool ok, const char *what, const char *why))
{
    char books[128];
    snprintf(books, sizeof books, "%s/books.sqlite", s->c.dir);
    const int wrong = keel_audit_all(&s->said, &s->log, books, tell);
    const bool readable = s->log.unreadable == 0;
    tell(readable, "the log can be read", "");
    return wrong + !readable;
}
