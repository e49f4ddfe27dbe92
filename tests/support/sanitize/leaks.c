/* A leak fails the program that has it. LeakSanitizer runs at the end of each process, but
 * Criterion takes no notice of how the child of a test ends once the test has passed: so a child
 * leaves a mark under its parent's id, and the parent, whose destructors run last, fails over it.
 * Linked into every test program of the asan preset. */
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <unistd.h>

enum { MARK_MAX = 64 };

static const char *mark_of(pid_t parent, char path[MARK_MAX])
{
    snprintf(path, MARK_MAX, "/tmp/keel-leak-%ld", (long)parent);
    return path;
}

__attribute__((constructor)) static void forget_marks(void)
{
    char path[MARK_MAX];
    unlink(mark_of(getpid(), path)); /* of an earlier process with this id */
}

__attribute__((destructor)) static void fail_on_leaks(void)
{
    char path[MARK_MAX];
    if (__lsan_do_recoverable_leak_check() != 0) {
        FILE *mark = fopen(mark_of(getppid(), path), "w");
        if (mark != NULL)
            fclose(mark);
        _exit(1);
    }
    if (unlink(mark_of(getpid(), path)) == 0) {
        fprintf(stderr, "a test above has leaked\n");
        _exit(1);
    }
}
