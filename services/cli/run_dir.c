#include "services/cli/run_dir.h"

#include "common/base/assert.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"
#include "common/bus/socket.h"
#include "services/cli/run_config.h"
#include "services/cli/terminal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUNS_MAX = 256, ID_TEXT = 26 }; /* ID_TEXT: "/" and an id of an automatic run */

/* A run directory and when it was last started. */
typedef struct found {
    keel_run run;
    int64_t started_ns;
} found;

void keel_run_id(const char *kind, int64_t now_ns, uint16_t chance, char out[KEEL_RUN_ID_CAP])
{
    char time[KEEL_TIME_TEXT_MAX], packed[KEEL_TIME_TEXT_MAX];
    size_t n = 0;
    keel_time_format(now_ns - now_ns % KEEL_NS_PER_S, time);
    for (const char *p = time; *p != '\0' && *p != 'Z'; p++)
        if (*p != '-' && *p != ':')
            packed[n++] = *p;
    packed[n] = '\0';
    snprintf(out, KEEL_RUN_ID_CAP, "%.16s-%.16s-%04x", kind, packed, chance);
}

/* The folder's path alone. /tmp also when the run directories below XDG_RUNTIME_DIR would be too
 * long for a socket. */
static void folder_path(char out[KEEL_PATH_CAP])
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    struct stat info;
    if (base == NULL || base[0] != '/' || stat(base, &info) != 0 || !S_ISDIR(info.st_mode))
        base = "/tmp";
    int n = snprintf(out, KEEL_PATH_CAP, "%s/keel-%u", base, (unsigned)getuid());
    if (n + ID_TEXT > KEEL_RUN_DIR_MAX)
        snprintf(out, KEEL_PATH_CAP, "/tmp/keel-%u", (unsigned)getuid());
}

keel_status keel_runs_folder(char out[KEEL_PATH_CAP], keel_err *err)
{
    struct stat info;
    folder_path(out);
    if (mkdir(out, 0700) != 0 && errno != EEXIST)
        return keel_err_set(err, KEEL_EIO, "%s: cannot be made: %s", out, strerror(errno));
    if (lstat(out, &info) != 0)
        return keel_err_set(err, KEEL_EIO, "%s: %s", out, strerror(errno));
    if (!S_ISDIR(info.st_mode) || info.st_uid != getuid())
        return keel_err_set(err, KEEL_EREFUSED, "%s: not a folder of user %u", out,
                            (unsigned)getuid());
    return KEEL_OK;
}

static keel_status make_inside(const keel_run *run, keel_err *err)
{
    static const char *const folders[] = {"", "log", "data", "data/log", "data/cache"};
    char path[KEEL_PATH_CAP];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (mkdir(keel_run_file(run, folders[i], path), 0700) != 0 && errno != EEXIST)
            return keel_err_set(err, KEEL_EIO, "%s: cannot be made: %s", path, strerror(errno));
    }
    return KEEL_OK;
}

static keel_status set_dir(keel_run *run, const char *path, keel_err *err)
{
    if (keel_text_copy(run->dir, sizeof run->dir, path) != KEEL_OK)
        return keel_err_set(err, KEEL_ETOOBIG,
                            "run directory %s: %zu bytes, at most %d are allowed (ipc paths end at "
                            "107); use a shorter one with --run",
                            path, strlen(path), KEEL_RUN_DIR_MAX);
    return KEEL_OK;
}

static uint16_t chance(void)
{
    uint16_t bytes = 0;
    if (getrandom(&bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        bytes = (uint16_t)getpid();
    return bytes;
}

keel_status keel_run_make(const char *kind, keel_run *run, keel_err *err)
{
    char folder[KEEL_PATH_CAP], path[2 * KEEL_PATH_CAP];
    KEEL_TRY(keel_runs_folder(folder, err));
    keel_run_id(kind, keel_wall_ns(), chance(), run->id);
    snprintf(path, sizeof path, "%s/%s", folder, run->id);
    KEEL_TRY(set_dir(run, path, err));
    return make_inside(run, err);
}

const char *keel_run_file(const keel_run *run, const char *name, char out[KEEL_PATH_CAP])
{
    const int n = snprintf(out, KEEL_PATH_CAP, "%s/%s", run->dir, name);
    KEEL_ASSERT(n > 0 && n < KEEL_PATH_CAP);
    return out;
}

keel_status keel_run_setting(const keel_run *run, const char *key, const char *standing,
                             const char *service, char out[KEEL_PATH_CAP], keel_err *err)
{
    char path[KEEL_PATH_CAP];
    keel_run_config *config = keel_run_config_read(keel_run_file(run, "config.yaml", path), NULL);
    const char *set = config != NULL ? keel_run_config_get(config, key) : NULL;
    const keel_status status =
        keel_endpoint_make(set != NULL ? set : standing, run->dir, service, out, KEEL_PATH_CAP);
    keel_run_config_free(&config);
    return status == KEEL_OK ? KEEL_OK : keel_err_set(err, status, "%s: %s is too long", path, key);
}

/* The id in the run's config.yaml, else the directory's own name when it is a legal id. */
static bool read_id(keel_run *run)
{
    char path[KEEL_PATH_CAP];
    const char *name = strrchr(run->dir, '/');
    keel_run_config *config = keel_run_config_read(keel_run_file(run, "config.yaml", path), NULL);
    const char *id = config != NULL ? keel_run_config_get(config, "run.id") : NULL;
    if (id == NULL || keel_text_copy(run->id, sizeof run->id, id) != KEEL_OK)
        run->id[0] = '\0';
    keel_run_config_free(&config);
    if (run->id[0] == '\0' && name != NULL && access(path, F_OK) == 0 &&
        keel_text_copy(run->id, sizeof run->id, name + 1) != KEEL_OK)
        run->id[0] = '\0';
    return run->id[0] != '\0';
}

keel_status keel_run_at(const char *path, keel_run *run, keel_err *err)
{
    char full[PATH_MAX];
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return keel_err_set(err, KEEL_EIO, "%s: cannot be made: %s", path, strerror(errno));
    if (realpath(path, full) == NULL)
        return keel_err_set(err, KEEL_EIO, "%s: %s", path, strerror(errno));
    KEEL_TRY(set_dir(run, full, err));
    if (!read_id(run))
        keel_run_id("up", keel_wall_ns(), chance(), run->id);
    return make_inside(run, err);
}

static bool look_at(const char *folder, const char *name, found *f)
{
    char path[KEEL_PATH_CAP];
    struct stat info;
    keel_err ignored;
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || n > KEEL_RUN_DIR_MAX || set_dir(&f->run, path, &ignored) != KEEL_OK)
        return false;
    if (keel_text_copy(f->run.id, sizeof f->run.id, name) != KEEL_OK)
        return false;
    if (stat(keel_run_file(&f->run, "config.yaml", path), &info) != 0)
        return false;
    f->started_ns = info.st_mtim.tv_sec * KEEL_NS_PER_S + info.st_mtim.tv_nsec;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const found *x = a, *y = b;
    if (x->started_ns != y->started_ns)
        return x->started_ns > y->started_ns ? -1 : 1;
    return strcmp(y->run.id, x->run.id);
}

/* Runs of a kind (NULL = any), newest first. */
static int list_runs(const char *kind, found list[RUNS_MAX])
{
    char folder[KEEL_PATH_CAP];
    int n = 0;
    folder_path(folder);
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL && n < RUNS_MAX;) {
        const size_t len = kind != NULL ? strlen(kind) : 0;
        if (e->d_name[0] == '.' ||
            (kind != NULL && (strncmp(e->d_name, kind, len) != 0 || e->d_name[len] != '-')))
            continue;
        n += look_at(folder, e->d_name, &list[n]);
    }
    closedir(dir);
    qsort(list, (size_t)n, sizeof *list, newest_first);
    return n;
}

static keel_status find_given(const char *given, keel_run *run, keel_err *err)
{
    char folder[KEEL_PATH_CAP], path[PATH_MAX], full[PATH_MAX];
    folder_path(folder);
    if (strchr(given, '/') != NULL || access(given, F_OK) == 0)
        snprintf(path, sizeof path, "%s", given);
    else
        snprintf(path, sizeof path, "%s/%s", folder, given);
    if (realpath(path, full) == NULL)
        return keel_err_set(err, KEEL_ENOTFOUND, "run %s: %s", path, strerror(errno));
    KEEL_TRY(set_dir(run, full, err));
    if (!read_id(run))
        return keel_err_set(err, KEEL_ENOTFOUND, "%s: not a run directory (no config.yaml)", full);
    return KEEL_OK;
}

keel_status keel_run_find(const char *given, const char *kind, keel_run *run, keel_err *err)
{
    found list[RUNS_MAX];
    if (given != NULL)
        return find_given(given, run, err);
    if (list_runs(kind, list) == 0) {
        char folder[KEEL_PATH_CAP];
        folder_path(folder);
        return keel_err_set(err, KEEL_ENOTFOUND,
                            "no %s%srun in %s; 'keel demo' or 'keel up' makes "
                            "one, --run DIR names another",
                            kind != NULL ? kind : "", kind != NULL ? " " : "", folder);
    }
    *run = list[0].run;
    return read_id(run) ? KEEL_OK : KEEL_ENOTFOUND;
}

keel_status keel_run_find_live(const char *given, keel_run *run, keel_err *err)
{
    found list[RUNS_MAX];
    const int n = given == NULL ? list_runs(NULL, list) : 0;
    for (int i = 0; i < n; i++) {
        if (keel_run_holder(&list[i].run) == 0)
            continue;
        *run = list[i].run;
        return read_id(run) ? KEEL_OK : KEEL_ENOTFOUND;
    }
    return keel_run_find(given, NULL, run, err);
}

/* *pid: what keel.pid says, 0 when it is not there. */
static void read_pid(const keel_run *run, pid_t *pid)
{
    char path[KEEL_PATH_CAP], text[32] = "";
    int64_t value;
    *pid = 0;
    FILE *in = fopen(keel_run_file(run, "keel.pid", path), "re");
    if (in == NULL)
        return;
    if (fgets(text, sizeof text, in) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        if (keel_text_i64(text, &value) == KEEL_OK && value > 0 && value <= INT32_MAX)
            *pid = (pid_t)value;
    }
    fclose(in);
}

keel_status keel_run_lock(const keel_run *run, int *fd, keel_err *err)
{
    char path[KEEL_PATH_CAP];
    const int lock = open(keel_run_file(run, "lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return keel_err_set(err, KEEL_EIO, "%s: %s", path, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        pid_t pid;
        close(lock);
        read_pid(run, &pid);
        return keel_err_set(err, KEEL_EEXIST,
                            "run %s is in use by process %d; stop it with: keel down --run %s",
                            run->id, (int)pid, run->dir);
    }
    FILE *out = fopen(keel_run_file(run, "keel.pid", path), "we");
    if (out != NULL) {
        fprintf(out, "%d\n", (int)getpid());
        fclose(out);
    }
    *fd = lock;
    return KEEL_OK;
}

pid_t keel_run_holder(const keel_run *run)
{
    char path[KEEL_PATH_CAP];
    pid_t pid = 0;
    const int lock = open(keel_run_file(run, "lock", path), O_RDWR | O_CLOEXEC);
    if (lock < 0)
        return 0;
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        read_pid(run, &pid);
    close(lock);
    return pid;
}

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *at)
{
    (void)info;
    (void)flag;
    (void)at;
    return remove(path);
}

bool keel_run_remove(const keel_run *run)
{
    return nftw(run->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

int keel_runs_clear(const char *kind, int keep)
{
    found list[RUNS_MAX];
    char path[KEEL_PATH_CAP];
    const int n = list_runs(kind, list);
    int removed = 0;
    for (int i = keep; i < n; i++) {
        const keel_run *run = &list[i].run;
        if (keel_run_holder(run) != 0 || access(keel_run_file(run, "keep", path), F_OK) == 0)
            continue;
        removed += keel_run_remove(run);
    }
    return removed;
}
