/* Addresses, and connections that nobody is made to wait for: unix sockets, loopback TCP. */
#include "common/cache/dial.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A listener on a loopback port of the system's choice; `waiting`: connections it keeps. */
static int listen_tcp(int waiting, int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    cr_assert(listen(fd, waiting) == 0);
    cr_assert(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static keel_dial *dial_port(const char *host, int port, int connect_ms)
{
    char text[64];
    snprintf(text, sizeof text, "tcp://%s:%d", host, port);
    return keel_dial_new(text, connect_ms);
}

Test(dial, addresses_are_taken_or_refused_with_a_reason)
{
    static const char *const good[] = {
        "/run/redis.sock", "log.sock", "tcp://log:6379", "tcp://127.0.0.1:1", "tcp://[::1]:65535",
    };
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"tcp://log", "tcp://host:port"},     {"tcp://:6379", "tcp://host:port"},
        {"tcp://log:", "1 to 65535"},         {"tcp://log:0", "1 to 65535"},
        {"tcp://log:65536", "1 to 65535"},    {"tcp://log:63x", "1 to 65535"},
        {"tcp://::1:6379", "brackets"},       {"tcp://[::1]6379", "tcp://host:port"},
        {"tcp://[::1", "tcp://host:port"},    {"redis://log:6379", "tcp://host:port"},
        {"tcp://[]:6379", "tcp://host:port"}, {"tcp://log:006379", "1 to 65535"},
    };
    char longest[300];
    keel_err err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert_eq(keel_address_check(good[i], &err), KEEL_OK, "%s: %s", good[i], err.text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(keel_address_check(bad[i].text, &err), KEEL_EINVAL, "%s", bad[i].text);
        cr_assert_not_null(strstr(err.text, bad[i].why), "%s: %s", bad[i].text, err.text);
    }
    memset(longest, 'x', sizeof longest);
    longest[108] = '\0';
    cr_assert_eq(keel_address_check(longest, &err), KEEL_ETOOBIG, "a path ends at 107");
    longest[108] = 'x';
    longest[sizeof longest - 1] = '\0';
    cr_assert_eq(keel_address_check(longest, &err), KEEL_ETOOBIG);
}

Test(dial, a_name_and_a_number_are_connected_and_the_descriptor_is_the_callers)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    int port, fd = -1;
    keel_err err;
    const int listener = listen_tcp(4, &port);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        keel_dial *d = dial_port(hosts[i], port, 2000);
        cr_assert_eq(keel_dial_try(d, 2000, &fd, &err), KEEL_OK, "%s: %s", hosts[i], err.text);
        cr_assert_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0, "its calls wait");
        cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        keel_dial_free(&d);
        cr_assert(d == NULL && fcntl(fd, F_GETFD) >= 0);
        close(fd);
    }
    close(listener);
}

Test(dial, a_unix_socket_is_connected_at_once)
{
    char path[] = "/tmp/keel-test-dial-XXXXXX", at[64];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = -1;
    keel_err err;
    cr_assert_not_null(mkdtemp(path));
    snprintf(at, sizeof at, "%s/s", path);
    snprintf(un.sun_path, sizeof un.sun_path, "%s", at);
    keel_dial *d = keel_dial_new(at, 1000);
    cr_assert_eq(keel_dial_try(d, 0, &fd, &err), KEEL_EIO);
    cr_assert_not_null(strstr(err.text, at), "%s", err.text);
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert(bind(listener, (struct sockaddr *)&un, sizeof un) == 0 && listen(listener, 1) == 0);
    cr_assert_eq(keel_dial_try(d, 0, &fd, &err), KEEL_OK, "%s", err.text);
    keel_dial_free(&d);
    close(fd);
    close(listener);
    unlink(at);
    rmdir(path);
}

Test(dial, what_is_refused_says_why_and_is_tried_again)
{
    int port, fd = -1;
    keel_err err;
    const int listener = listen_tcp(1, &port);
    close(listener);
    keel_dial *d = dial_port("127.0.0.1", port, 1000);
    cr_assert_eq(keel_dial_try(d, 1000, &fd, &err), KEEL_EIO);
    cr_assert_not_null(strstr(err.text, "refused"), "%s", err.text);
    cr_assert_eq(keel_dial_try(d, 1000, &fd, &err), KEEL_EIO, "again");
    keel_dial_free(&d);
    d = keel_dial_new("tcp://name.invalid:1", 1000);
    keel_status status = keel_dial_try(d, 10000, &fd, &err);
    cr_assert_eq(status, KEEL_EIO, "%s", keel_status_text(status));
    cr_assert_not_null(strstr(err.text, "name.invalid"), "%s", err.text);
    keel_dial_free(&d);
}

/* A listener whose queue is full swallows what comes, as a host that is gone does. */
Test(dial, a_host_that_swallows_packets_holds_nobody)
{
    int port, fd = -1, queued[3];
    keel_err err;
    const int listener = listen_tcp(0, &port);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < 3; i++) {
        queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(queued[i], (struct sockaddr *)&at, sizeof at);
    }
    keel_dial *d = dial_port("127.0.0.1", port, 300);
    const int64_t began = now_ms();
    keel_status status = keel_dial_try(d, 0, &fd, &err);
    cr_assert_eq(status, KEEL_EUNAVAIL, "looked at only: %s", err.text);
    cr_assert_lt(now_ms() - began, 200);
    cr_assert_eq(keel_dial_try(d, 100, &fd, &err), KEEL_EUNAVAIL, "waited as long as told");
    while ((status = keel_dial_try(d, 50, &fd, &err)) == KEEL_EUNAVAIL && now_ms() - began < 5000)
        ;
    cr_assert_eq(status, KEEL_EIO, "given up after connect_ms");
    cr_assert_not_null(strstr(err.text, "timed out"), "%s", err.text);
    keel_dial_free(&d);
    for (int i = 0; i < 3; i++)
        close(queued[i]);
    close(listener);
}

Test(dial, freed_while_under_way)
{
    int fd = -1;
    keel_err err;
    keel_dial *d = keel_dial_new("tcp://localhost:1", 1000);
    (void)!keel_dial_try(d, 0, &fd, &err);
    keel_dial_free(&d);
    keel_dial_free(&d);
    cr_assert_null(d);
}
