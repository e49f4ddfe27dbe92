/* Loaded into redis-server: fsync and fdatasync as ever, and a note of what they have made safe. */
#include "tests/support/power_cut/power_cut.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static keel_synced *table;

__attribute__((constructor)) static void open_table(void)
{
    const char *path = getenv("KEEL_SYNCED");
    const int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page =
        mmap(NULL, KEEL_SYNCED_MAX * sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    table = page != MAP_FAILED ? page : NULL;
}

/* Several threads and the child that rewrites the file note at once. */
static void note(uint64_t inode, int64_t size)
{
    for (int i = 0; i < KEEL_SYNCED_MAX; i++) {
        uint64_t none = 0;
        keel_synced *s = &table[i];
        if (__atomic_load_n(&s->inode, __ATOMIC_SEQ_CST) != inode &&
            !__atomic_compare_exchange_n(&s->inode, &none, inode, 0, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST) &&
            none != inode)
            continue;
        __atomic_store_n(&s->size, size, __ATOMIC_SEQ_CST);
        return;
    }
    abort();
}

static int synced(int fd, long call)
{
    struct stat before;
    const int known = table != NULL && fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
    const int rc = (int)syscall(call, fd);
    if (rc == 0 && known)
        note(before.st_ino, before.st_size);
    return rc;
}

int fsync(int fd)
{
    return synced(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return synced(fd, SYS_fdatasync);
}
