#include "common/cache/dial.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PORT_MAX = 65535, PORT_TEXT = 6 };

typedef struct place {
    char host[KEEL_ADDRESS_MAX]; /* a unix socket's path when port is "" */
    char port[PORT_TEXT];
} place;

typedef enum stage { IDLE, RESOLVING, CONNECTING } stage;

struct keel_dial {
    place to;
    int connect_ms;
    stage stage;
    int64_t until_ms;          /* CONNECTING: then it has failed */
    struct addrinfo want;      /* what is asked of the resolver */
    struct gaicb question;     /* RESOLVING: the C library writes into it */
    struct addrinfo *found;    /* owned (freeaddrinfo) */
    const struct addrinfo *at; /* CONNECTING: tried now */
    int fd;                    /* CONNECTING: -1 before its first address */
    struct sockaddr_un un;     /* a unix socket needs no resolver: its one answer */
    struct addrinfo unix_answer;
};

static int64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- addresses ---- */

static keel_status read_port(const char *text, char out[PORT_TEXT], keel_err *err)
{
    int64_t port;
    if (keel_text_i64(text, &port) != KEEL_OK || port < 1 || port > PORT_MAX ||
        keel_text_copy(out, PORT_TEXT, text) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL, "the port is a number from 1 to %d", (int)PORT_MAX);
    return KEEL_OK;
}

/* host:port or [v6]:port, after "tcp://". */
static keel_status read_tcp(const char *text, place *p, keel_err *err)
{
    const bool bracket = text[0] == '[';
    const char *end = bracket ? strchr(text, ']') : strrchr(text, ':');
    const char *port = end != NULL && bracket ? end + 1 : end;
    const char *host = bracket ? text + 1 : text;
    if (end == NULL || end == host || *port != ':')
        return keel_err_set(err, KEEL_EINVAL, "it is tcp://host:port");
    if (!bracket && memchr(host, ':', (size_t)(end - host)) != NULL)
        return keel_err_set(err, KEEL_EINVAL, "an IPv6 address stands in brackets");
    memcpy(p->host, host, (size_t)(end - host));
    p->host[end - host] = '\0';
    return read_port(port + 1, p->port, err);
}

static keel_status read_address(const char *address, place *p, keel_err *err)
{
    static const char tcp[] = "tcp://";
    struct sockaddr_un un;
    memset(p, 0, sizeof *p);
    if (keel_text_copy(p->host, sizeof p->host, address) != KEEL_OK)
        return keel_err_set(err, KEEL_ETOOBIG, "more than %d bytes", (int)KEEL_ADDRESS_MAX - 1);
    if (strncmp(address, tcp, strlen(tcp)) == 0)
        return read_tcp(address + strlen(tcp), p, err);
    if (strstr(address, "://") != NULL)
        return keel_err_set(err, KEEL_EINVAL, "it is a unix socket's path or tcp://host:port");
    if (strlen(address) >= sizeof un.sun_path)
        return keel_err_set(err, KEEL_ETOOBIG, "a unix socket's path has at most %zu bytes",
                            sizeof un.sun_path - 1);
    return KEEL_OK;
}

keel_status keel_address_check(const char *address, keel_err *err)
{
    place p;
    return read_address(address, &p, err);
}

/* ---- attempts ---- */

keel_dial *keel_dial_new(const char *address, int connect_ms)
{
    keel_err err;
    keel_dial *d = keel_xcalloc(1, sizeof *d);
    const keel_status status = read_address(address, &d->to, &err);
    KEEL_ASSERT(status == KEEL_OK);
    d->connect_ms = connect_ms;
    d->fd = -1;
    d->want = (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (d->to.port[0] == '\0') {
        d->un.sun_family = AF_UNIX;
        memcpy(d->un.sun_path, d->to.host, strlen(d->to.host) + 1);
        d->unix_answer = (struct addrinfo){.ai_family = AF_UNIX,
                                           .ai_socktype = SOCK_STREAM,
                                           .ai_addr = (struct sockaddr *)&d->un,
                                           .ai_addrlen = sizeof d->un};
    }
    return d;
}

static void give_up(keel_dial *d)
{
    if (d->fd >= 0)
        close(d->fd);
    if (d->found != NULL)
        freeaddrinfo(d->found);
    d->fd = -1;
    d->found = NULL;
    d->at = NULL;
    d->stage = IDLE;
}

/* Take the question back, or wait a little for its answer; false when it is still being asked. */
static bool recall(keel_dial *d)
{
    const struct gaicb *const list[] = {&d->question};
    const struct timespec limit = {d->connect_ms / 1000, (long)(d->connect_ms % 1000) * 1000000};
    if (gai_cancel(&d->question) == EAI_NOTCANCELED)
        (void)gai_suspend(list, 1, &limit);
    const int code = gai_error(&d->question);
    if (code == 0)
        d->found = d->question.ar_result;
    return code != EAI_INPROGRESS;
}

void keel_dial_free(keel_dial **dial)
{
    keel_dial *d = *dial;
    *dial = NULL;
    if (d == NULL)
        return;
    /* What is still being asked is written into: the object is left to it. */
    if (d->stage == RESOLVING && !recall(d))
        return;
    give_up(d);
    keel_free(&d);
}

static void begin_connecting(keel_dial *d, const struct addrinfo *first)
{
    d->stage = CONNECTING;
    d->at = first;
    d->until_ms = monotonic_ms() + d->connect_ms;
}

static keel_status begin(keel_dial *d, keel_err *err)
{
    struct gaicb *const list[] = {&d->question};
    if (d->to.port[0] == '\0') {
        begin_connecting(d, &d->unix_answer);
        return KEEL_OK;
    }
    d->question =
        (struct gaicb){.ar_name = d->to.host, .ar_service = d->to.port, .ar_request = &d->want};
    const int code = getaddrinfo_a(GAI_NOWAIT, (struct gaicb **)list, 1, NULL);
    if (code != 0)
        return keel_err_set(err, KEEL_EIO, "%.80s: %s", d->to.host, gai_strerror(code));
    d->stage = RESOLVING;
    return KEEL_OK;
}

static keel_status resolve(keel_dial *d, int64_t end_ms, keel_err *err)
{
    const struct gaicb *const list[] = {&d->question};
    int code = gai_error(&d->question);
    for (int64_t left = end_ms - monotonic_ms(); code == EAI_INPROGRESS && left > 0;
         left = end_ms - monotonic_ms()) {
        const struct timespec limit = {left / 1000, (long)(left % 1000) * 1000000};
        (void)gai_suspend(list, 1, &limit);
        code = gai_error(&d->question);
    }
    if (code == EAI_INPROGRESS)
        return keel_err_set(err, KEEL_EUNAVAIL, "%.80s: its name is being resolved", d->to.host);
    if (code != 0) {
        d->stage = IDLE;
        return keel_err_set(err, KEEL_EIO, "%.80s: %s", d->to.host, gai_strerror(code));
    }
    d->found = d->question.ar_result;
    begin_connecting(d, d->found);
    return KEEL_OK;
}

/* Begin to connect to the address at hand; 0, EINPROGRESS or why not. */
static int knock(keel_dial *d)
{
    d->fd = socket(d->at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->fd < 0)
        return errno;
    return connect(d->fd, d->at->ai_addr, d->at->ai_addrlen) == 0 ? 0 : errno;
}

/* How the attempt to connect went by now: 0, EINPROGRESS or why it failed. */
static int look(const keel_dial *d, int64_t end_ms)
{
    struct pollfd ready = {d->fd, POLLOUT, 0};
    const int64_t left = (end_ms < d->until_ms ? end_ms : d->until_ms) - monotonic_ms();
    int error = 0;
    socklen_t size = sizeof error;
    if (poll(&ready, 1, left > 0 ? (int)left : 0) > 0)
        return getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
    return monotonic_ms() >= d->until_ms ? ETIMEDOUT : EINPROGRESS;
}

/* What a client wants: calls that wait, short commands sent at once, a dead peer found out. */
static bool make_ready(const keel_dial *d)
{
    const int on = 1;
    const int flags = fcntl(d->fd, F_GETFL);
    if (flags < 0 || fcntl(d->fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return false;
    return d->at->ai_family == AF_UNIX ||
           (setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
            setsockopt(d->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
}

static keel_status connect_one(keel_dial *d, int64_t end_ms, int *fd, keel_err *err)
{
    int code = d->fd < 0 ? knock(d) : EINPROGRESS;
    if (code == EINPROGRESS)
        code = look(d, end_ms);
    if (code == EINPROGRESS)
        return keel_err_set(err, KEEL_EUNAVAIL, "%.80s: being connected", d->to.host);
    if (code == 0 && !make_ready(d))
        code = errno;
    if (code != 0)
        return keel_err_set(err, KEEL_EIO, "%.80s%s%s: %s", d->to.host,
                            d->to.port[0] != '\0' ? ":" : "", d->to.port, strerror(code));
    *fd = d->fd;
    d->fd = -1;
    return KEEL_OK;
}

/* One address of the answer after the other. */
static keel_status connect_any(keel_dial *d, int64_t end_ms, int *fd, keel_err *err)
{
    keel_status status = KEEL_EIO;
    while (d->at != NULL) {
        status = connect_one(d, end_ms, fd, err);
        if (status != KEEL_EIO)
            break;
        if (d->fd >= 0)
            close(d->fd);
        d->fd = -1;
        d->at = monotonic_ms() < d->until_ms ? d->at->ai_next : NULL;
    }
    if (status != KEEL_EUNAVAIL)
        give_up(d);
    return status;
}

keel_status keel_dial_try(keel_dial *d, int wait_ms, int *fd, keel_err *err)
{
    const int64_t end_ms = monotonic_ms() + wait_ms;
    if (d->stage == IDLE)
        KEEL_TRY(begin(d, err));
    if (d->stage == RESOLVING)
        KEEL_TRY(resolve(d, end_ms, err));
    return connect_any(d, end_ms, fd, err);
}
