/* proxy.h - a unix socket before another one that holds back what the server answers.
 *
 * ROOM     tests/support/world. One thread of its own; 32 links, each of which ends with either of
 *          its sides.
 */
#ifndef KEEL_TESTS_SUPPORT_WORLD_PROXY_H
#define KEEL_TESTS_SUPPORT_WORLD_PROXY_H

#include <stdint.h>

enum { KEEL_PROXY_WATCHED = 4, KEEL_PROXY_SEEN = 64 };

typedef struct keel_proxy keel_proxy;

/* Listen at `in`, connect to `out`; each answer leaves hold_ms after it came. The first
 * KEEL_PROXY_SEEN times when a watched topic was to be written (XADD) are noted. Owned. */
keel_proxy *keel_proxy_start(const char *in, const char *out, int hold_ms,
                             const char *const *watched, int watched_n);
void keel_proxy_stop(keel_proxy **proxy);

/* When the log was asked to write the k-th record of a watched topic, UTC ns; how many. Valid until
 * keel_proxy_stop. */
int keel_proxy_asked(keel_proxy *proxy, int watched, const int64_t **asked_ns);

/* A connected unix socket; -1 when nobody is there. */
int keel_proxy_connect(const char *path);

#endif
