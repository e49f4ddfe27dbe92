/* Loaded into a service: its wall clock is off by what the file KEEL_CLOCK/PROGRAM.clock says, in
 * nanoseconds; the test changes that while the service runs. Without the file it is right. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BILLION = 1000000000 };

static const volatile int64_t *offset_ns;

__attribute__((constructor)) static void open_offset(void)
{
    char path[512];
    const char *dir = getenv("KEEL_CLOCK");
    if (dir == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s.clock", dir, program_invocation_short_name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        offset_ns = page;
}

int clock_gettime(clockid_t which, struct timespec *t)
{
    const int rc = (int)syscall(SYS_clock_gettime, which, t);
    if (rc != 0 || which != CLOCK_REALTIME || offset_ns == NULL)
        return rc;
    const int64_t ns = (int64_t)t->tv_sec * BILLION + t->tv_nsec + *offset_ns;
    t->tv_sec = ns / BILLION;
    t->tv_nsec = ns % BILLION;
    return 0;
}
