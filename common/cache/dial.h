/* dial.h - a connection to a server by address, made without waiting longer than asked.
 *
 * ROOM     common/cache. Knows addresses and sockets, nothing of Redis.
 * SHAPE    An address is the path of a unix socket, or "tcp://host:port" with a name that the
 *          system resolves, an IPv4 address, or an IPv6 address in brackets. Where a name server
 *          is silent a name takes seconds, so resolving goes on in a thread of the C library
 *          (getaddrinfo_a), and connecting in the kernel; both are looked at, and waited for only
 *          as long as the caller says. Every connection resolves anew: a server that was started
 *          again may have moved.
 * THREADS  one thread per object.
 */
#ifndef KEEL_COMMON_CACHE_DIAL_H
#define KEEL_COMMON_CACHE_DIAL_H

#include "common/base/status.h"

enum { KEEL_ADDRESS_MAX = 256 }; /* bytes with its NUL */

typedef struct keel_dial keel_dial;

/* Is the text an address? KEEL_EINVAL, KEEL_ETOOBIG with *err, which does not repeat the text. */
KEEL_MUST_CHECK keel_status keel_address_check(const char *address, keel_err *err);

/* `address` must have passed keel_address_check. connect_ms: an attempt to connect that takes
 * longer has failed. Connects nothing. */
keel_dial *keel_dial_new(const char *address, int connect_ms);
void keel_dial_free(keel_dial **dial);

/* Begin an attempt or go on with the one under way, for at most wait_ms (0 = look, do not wait).
 *   KEEL_OK        *fd is connected, blocking, closed on exec, and the caller's
 *   KEEL_EUNAVAIL  still under way; *err says what is waited for
 *   KEEL_EIO       the attempt has failed, *err says why; the next call begins another */
KEEL_MUST_CHECK keel_status keel_dial_try(keel_dial *dial, int wait_ms, int *fd, keel_err *err);

#endif
