/* redis.h - a private redis-server on a unix socket, and on loopback if asked, ended by process id.
 *
 * ROOM     tests/support.
 */
#ifndef KEEL_TESTS_SUPPORT_REDIS_H
#define KEEL_TESTS_SUPPORT_REDIS_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct keel_test_redis {
    pid_t pid;
    char dir[64];
    char socket[96];
    char tcp[40]; /* tcp://127.0.0.1:PORT; "" = the socket only */
    bool durable;
    const char *fsync;   /* appendfsync; NULL = always */
    const char *preload; /* NULL, or power_cut's library, ... */
    char synced[96];     /* ... and the file in which it notes what is synced */
} keel_test_redis;

/* Start in a new folder under /tmp; durable: append-only file, fsync always. Aborts on failure. */
void keel_test_redis_start(keel_test_redis *r, bool durable);
/* Likewise, on a port of the system's choice as well. */
void keel_test_redis_start_tcp(keel_test_redis *r, bool durable);
void keel_test_redis_kill(keel_test_redis *r);  /* kill -9; the folder stays */
void keel_test_redis_again(keel_test_redis *r); /* start over the same folder */
void keel_test_redis_stop(keel_test_redis *r);  /* kill and remove the folder */

#endif
