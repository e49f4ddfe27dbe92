/* R1 as it runs: the log syncs every write, the books are committed with synchronous=FULL, and a
 * record waits for the log's answer: an answer held back by 200 ms holds back every record by as
 * much. Plain main: ends with "N passed, N failed". */
#include "tests/support/verdict.h"
#include "tests/support/world/cluster.h"
#include "tests/support/world/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 8, HOLD_MS = 200, SEEN_MAX = KEEL_PROXY_SEEN };

static const char *const watched[] = {"v1.order.main.", "v1.plandone.main.", "v1.trading.main."};
enum { WATCHED = sizeof watched / sizeof watched[0] };

/* ---- what is asked of the running system ---- */

static void ask_redis(const char *path, const char *command, char *answer, size_t cap)
{
    const int fd = keel_proxy_connect(path);
    answer[0] = '\0';
    if (fd >= 0 && write(fd, command, strlen(command)) > 0) {
        const ssize_t n = read(fd, answer, cap - 1);
        answer[n > 0 ? n : 0] = '\0';
    }
    close(fd);
}

static void check_settings(const keel_cluster *c)
{
    char answer[256];
    ask_redis(c->redis[0].socket, "CONFIG GET appendfsync\r\n", answer, sizeof answer);
    keel_verdict(strstr(answer, "always") != NULL, "the log runs with appendfsync always");
    ask_redis(c->redis[0].socket, "CONFIG GET appendonly\r\n", answer, sizeof answer);
    keel_verdict(strstr(answer, "yes") != NULL, "and with an append-only file");
    const uint64_t full = keel_cluster_counter(c, "ledger", "opened_sync_full");
    const uint64_t other = keel_cluster_counter(c, "ledger", "opened_unsynced");
    keel_verdict(full >= 1 && full != UINT64_MAX && other == 0,
                 "the ledger's connection says synchronous=FULL");
}

/* publish_ns of the k-th message of each watched topic, from the journals. */
static void check_holding(const keel_cluster *c, keel_proxy *p)
{
    for (int w = 0; w < WATCHED; w++) {
        int64_t sent[SEEN_MAX], least = INT64_MAX;
        char text[160];
        const int64_t *asked_ns;
        const int n = keel_cluster_sent(c, watched[w], sent, SEEN_MAX);
        const int asked = keel_proxy_asked(p, w, &asked_ns);
        const int m = n < asked ? n : asked;
        for (int k = 0; k < m; k++)
            if (sent[k] - asked_ns[k] < least)
                least = sent[k] - asked_ns[k];
        printf("  %s %d records, the earliest left %lld ms after the log was asked\n", watched[w],
               m, m > 0 ? (long long)(least / 1000000) : -1);
        snprintf(text, sizeof text, "%s leaves only after the log's answer", watched[w]);
        keel_verdict(m >= ROWS - 1 && least >= HOLD_MS * INT64_C(1000000), text);
    }
}

int main(void)
{
    keel_cluster c;
    char in[128], out[128];
    keel_cluster_prepare(&c, true);
    snprintf(in, sizeof in, "%s/held.sock", c.dir);
    snprintf(out, sizeof out, "%s/log.sock", c.dir);
    keel_world_config(c.dir, ROWS, "");
    keel_cluster_override(&c, "run.log", in);
    keel_proxy *p = keel_proxy_start(in, out, HOLD_MS, watched, WATCHED);
    keel_cluster_up(&c);
    for (int i = 0; i < 300 && !keel_cluster_watch(&c, 100); i++) {
    }
    keel_verdict(keel_cluster_done(&c), "the run comes to its end behind a slow log");
    check_settings(&c);
    keel_cluster_down(&c);
    check_holding(&c, p);
    keel_proxy_stop(&p);
    keel_cluster_remove(&c);
    return keel_verdicts_end();
}
