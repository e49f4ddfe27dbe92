#include "services/cli/run_program.h"

#include "common/base/mem.h"
#include "services/cli/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

keel_status keel_program_path(const char *service, char out[2 * KEEL_PATH_CAP], keel_err *err)
{
    char bin[KEEL_PATH_CAP];
    KEEL_TRY(keel_bin_dir(bin, err));
    snprintf(out, 2 * KEEL_PATH_CAP, "%s/keel-%s", bin, service);
    if (access(out, X_OK) == 0)
        return KEEL_OK;
    return keel_err_set(err, KEEL_EIO, "%s: %s; build it with: cmake --build --preset release", out,
                        strerror(errno));
}

int keel_program_become(const keel_cli *cli, const char *const *argv)
{
    fflush(NULL);
    execv(argv[0], (char *const *)argv);
    fprintf(cli->err, "keel: %s: %s\n", argv[0], strerror(errno));
    return KEEL_EXIT_FAILED;
}

static _Noreturn void become_writer(const char *const *argv, int out, keel_capture what)
{
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(what == KEEL_CAPTURE_ERR ? null : out, STDOUT_FILENO);
    if (what != KEEL_CAPTURE_OUT)
        dup2(what == KEEL_CAPTURE_ERR ? out : null, STDERR_FILENO);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

/* Everything up to the end of the pipe, at most KEEL_CAPTURE_MAX bytes. */
static char *read_all(int fd)
{
    size_t cap = 1 << 16, n = 0;
    char *text = keel_xcalloc(1, cap);
    for (ssize_t got; (got = read(fd, text + n, cap - n - 1)) != 0;) {
        if (got < 0 && errno != EINTR)
            break;
        n += got > 0 ? (size_t)got : 0;
        if (n + 1 < cap || cap >= KEEL_CAPTURE_MAX)
            continue;
        char *more = keel_xcalloc(1, 2 * cap);
        memcpy(more, text, n);
        keel_free(&text);
        text = more;
        cap *= 2;
    }
    text[n] = '\0';
    return text;
}

char *keel_program_read(const char *const *argv, keel_capture what, int *exit_code, keel_err *err)
{
    int ends[2], wait_status = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        keel_err_set(err, KEEL_EUNAVAIL, "%s: no pipe: %s", argv[0], strerror(errno));
        return NULL;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0)
        become_writer(argv, ends[1], what);
    close(ends[1]);
    char *text = pid > 0 ? read_all(ends[0]) : NULL;
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &wait_status, 0) < 0 && errno == EINTR)
        continue;
    *exit_code = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    if (text == NULL)
        keel_err_set(err, KEEL_EUNAVAIL, "%s: cannot fork: %s", argv[0], strerror(errno));
    return text;
}
