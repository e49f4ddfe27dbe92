#include "services/cli/supervise.h"

#include "common/base/assert.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "services/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 512, EXIT_NOT_STARTED = 127, TAIL_BYTES = 16384 };

typedef struct child {
    keel_child seen;                     /* what others may read */
    char *argv[KEEL_CHILD_ARGS_MAX + 1]; /* owned */
    int64_t deaths_ns[KEEL_CHILD_DEATHS_MAX];
    int deaths;
    bool told; /* FAILED has been reported */
} child;

struct keel_supervisor {
    char log_dir[PATH_BYTES];
    char processes_file[PATH_BYTES];
    int n;
    child children[KEEL_CHILDREN_MAX];
};

const char *keel_child_state_name(keel_child_state state)
{
    static const char *const names[] = {"running", "ended", "failed"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "bug";
}

keel_supervisor *keel_supervisor_new(const char *log_dir, const char *processes_file)
{
    keel_supervisor *s = keel_xcalloc(1, sizeof *s);
    KEEL_ASSERT(keel_text_copy(s->log_dir, sizeof s->log_dir, log_dir) == KEEL_OK);
    if (processes_file != NULL)
        KEEL_ASSERT(keel_text_copy(s->processes_file, sizeof s->processes_file, processes_file) ==
                    KEEL_OK);
    return s;
}

void keel_supervisor_free(keel_supervisor **supervisor)
{
    if (supervisor == NULL || *supervisor == NULL)
        return;
    keel_supervisor_stop(*supervisor);
    for (int i = 0; i < (*supervisor)->n; i++)
        for (char **arg = (*supervisor)->children[i].argv; *arg != NULL; arg++)
            keel_free(arg);
    keel_free(supervisor);
}

static void write_processes(const keel_supervisor *s)
{
    char fresh[PATH_BYTES + 8];
    if (s->processes_file[0] == '\0')
        return;
    snprintf(fresh, sizeof fresh, "%s.new", s->processes_file);
    FILE *out = fopen(fresh, "we");
    if (out == NULL)
        return; /* a full disk must not stop the supervision */
    for (int i = 0; i < s->n; i++) {
        const keel_child *c = &s->children[i].seen;
        fprintf(out, "%s %d %s %d\n", c->name, (int)c->pid, keel_child_state_name(c->state),
                c->restarts);
    }
    if (fclose(out) == 0 && rename(fresh, s->processes_file) != 0)
        unlink(fresh);
}

/* Between fork and exec: only calls that are safe there. */
static _Noreturn void become(char *const *argv, pid_t parent, int log)
{
    sigset_t none;
    const int null = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(EXIT_NOT_STARTED);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execvp(argv[0], argv);
    static const char text[] = "keel: cannot be started: ";
    const char *why = errno == ENOENT ? "no such program: " : "exec failed: ";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    n += write(STDERR_FILENO, why, strlen(why));
    n += write(STDERR_FILENO, argv[0], strlen(argv[0]));
    n += write(STDERR_FILENO, "\n", 1);
    _exit(n > 0 ? EXIT_NOT_STARTED : EXIT_NOT_STARTED - 1);
}

static keel_status launch(const keel_supervisor *s, child *c, keel_err *err)
{
    char path[2 * PATH_BYTES];
    const pid_t parent = getpid();
    snprintf(path, sizeof path, "%s/%s.log", s->log_dir, c->seen.name);
    const int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return keel_err_set(err, KEEL_EIO, "%s: %s", path, strerror(errno));
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0)
        become(c->argv, parent, log);
    close(log);
    if (pid < 0)
        return keel_err_set(err, KEEL_EUNAVAIL, "%s: cannot fork: %s", c->seen.name,
                            strerror(errno));
    setpgid(pid, pid); /* both sides, whoever comes first */
    c->seen.pid = pid;
    c->seen.state = KEEL_CHILD_RUNNING;
    return KEEL_OK;
}

keel_status keel_supervisor_start(keel_supervisor *s, const char *name, int stage,
                                  const char *const *argv, keel_err *err)
{
    int n = 0;
    if (s->n == KEEL_CHILDREN_MAX)
        return keel_err_set(err, KEEL_ENOSPC, "more than %d processes", KEEL_CHILDREN_MAX);
    child *c = &s->children[s->n];
    KEEL_TRY(keel_text_copy(c->seen.name, sizeof c->seen.name, name));
    for (; argv[n] != NULL; n++) {
        KEEL_ASSERT(n < KEEL_CHILD_ARGS_MAX);
        c->argv[n] = keel_xcalloc(1, strlen(argv[n]) + 1);
        memcpy(c->argv[n], argv[n], strlen(argv[n]));
    }
    c->seen.stage = stage;
    s->n++;
    const keel_status status = launch(s, c, err);
    if (status != KEEL_OK)
        c->seen.state = KEEL_CHILD_FAILED;
    write_processes(s);
    return status;
}

/* Too many deaths within KEEL_CHILD_DEATHS_MS? Remembers this one. */
static bool dies_too_often(child *c)
{
    const int64_t now = keel_monotonic_ns();
    const int64_t oldest = c->deaths_ns[c->deaths % KEEL_CHILD_DEATHS_MAX];
    const bool full = c->deaths >= KEEL_CHILD_DEATHS_MAX;
    c->deaths_ns[c->deaths % KEEL_CHILD_DEATHS_MAX] = now;
    c->deaths++;
    return full && now - oldest < KEEL_CHILD_DEATHS_MS * KEEL_NS_PER_MS;
}

static void on_death(keel_supervisor *s, child *c, int wait_status)
{
    keel_err ignored;
    c->seen.pid = 0;
    c->seen.wait_status = wait_status;
    const bool again = WIFSIGNALED(wait_status) || WEXITSTATUS(wait_status) == 1;
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) {
        c->seen.state = KEEL_CHILD_ENDED;
    } else if (!again || dies_too_often(c)) {
        c->seen.state = KEEL_CHILD_FAILED;
    } else {
        c->seen.restarts++;
        if (launch(s, c, &ignored) != KEEL_OK)
            c->seen.state = KEEL_CHILD_FAILED;
    }
    write_processes(s);
}

keel_status keel_supervisor_poll(keel_supervisor *s, keel_err *err)
{
    char death[64];
    for (int i = 0; i < s->n; i++) {
        child *c = &s->children[i];
        int wait_status;
        if (c->seen.pid > 0 && waitpid(c->seen.pid, &wait_status, WNOHANG) == c->seen.pid)
            on_death(s, c, wait_status);
    }
    for (int i = 0; i < s->n; i++) {
        child *c = &s->children[i];
        if (c->seen.state != KEEL_CHILD_FAILED || c->told)
            continue;
        c->told = true;
        return keel_err_set(err, KEEL_EUNAVAIL, "%s: %s%s", c->seen.name,
                            keel_death_text(c->seen.wait_status, death),
                            c->seen.restarts > 0 ? ", again after its restarts" : "");
    }
    return KEEL_OK;
}

static int highest_stage(const keel_supervisor *s)
{
    int stage = -1;
    for (int i = 0; i < s->n; i++)
        if (s->children[i].seen.pid > 0 && s->children[i].seen.stage > stage)
            stage = s->children[i].seen.stage;
    return stage;
}

static int alive_in(keel_supervisor *s, int stage)
{
    int alive = 0;
    for (int i = 0; i < s->n; i++) {
        keel_child *c = &s->children[i].seen;
        if (c->pid <= 0 || c->stage != stage)
            continue;
        if (waitpid(c->pid, &c->wait_status, WNOHANG) == c->pid) {
            c->pid = 0;
            c->state = KEEL_CHILD_ENDED;
        }
        alive += c->pid > 0;
    }
    return alive;
}

static void signal_stage(const keel_supervisor *s, int stage, int number)
{
    for (int i = 0; i < s->n; i++)
        if (s->children[i].seen.pid > 0 && s->children[i].seen.stage == stage)
            kill(s->children[i].seen.pid, number);
}

int keel_supervisor_stop(keel_supervisor *s)
{
    int killed = 0;
    for (int stage; (stage = highest_stage(s)) >= 0;) {
        const int64_t end = keel_monotonic_ns() + KEEL_STOP_MS * KEEL_NS_PER_MS;
        signal_stage(s, stage, SIGTERM);
        signal_stage(s, stage, SIGCONT); /* a stopped process takes SIGTERM only when it goes on */
        while (alive_in(s, stage) > 0 && keel_monotonic_ns() < end)
            keel_pause_ms(5);
        killed += alive_in(s, stage);
        signal_stage(s, stage, SIGKILL);
        while (alive_in(s, stage) > 0)
            keel_pause_ms(1);
    }
    write_processes(s);
    return killed;
}

int keel_supervisor_count(const keel_supervisor *s)
{
    return s->n;
}

const keel_child *keel_supervisor_child(const keel_supervisor *s, int i)
{
    return &s->children[i].seen;
}

const char *keel_death_text(int wait_status, char out[64])
{
    if (WIFSIGNALED(wait_status))
        snprintf(out, 64, "killed by signal %d (%s)", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    else
        snprintf(out, 64, "exit code %d", WEXITSTATUS(wait_status));
    return out;
}

void keel_log_tail(const char *log_dir, const char *name, int lines, const char *indent, FILE *to)
{
    char path[2 * PATH_BYTES], text[TAIL_BYTES + 1];
    snprintf(path, sizeof path, "%s/%s.log", log_dir, name);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return;
    if (fseek(in, -TAIL_BYTES, SEEK_END) != 0)
        rewind(in);
    size_t len = fread(text, 1, TAIL_BYTES, in);
    fclose(in);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    const char *start = text + len;
    for (int n = 0; start > text; start--)
        if (start[-1] == '\n' && ++n == lines)
            break;
    for (char *line = (char *)start, *next; *line != '\0'; line = next) {
        const size_t n = strcspn(line, "\n");
        fprintf(to, "%s%.*s\n", indent, (int)n, line);
        next = line + n + (line[n] == '\n');
    }
}

int keel_signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int keel_signals_stop(int fd)
{
    struct signalfd_siginfo info;
    while (fd >= 0 && read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            return (int)info.ssi_signo;
    return 0;
}
