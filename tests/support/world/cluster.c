#include "tests/support/world/cluster.h"

#include "common/base/timefmt.h"
#include "common/keys/keys.h"
#include "common/service/journal.h"
#include "common/service/names.h"
#include "common/wire/wire.h"
#include "tests/support/power_cut/power_cut.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t keel_test_mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *keel_cluster_name(int i)
{
    return i == KEEL_CLUSTER_LOG     ? "log"
           : i == KEEL_CLUSTER_CACHE ? "cache"
           : i == KEEL_CLUSTER_RELAY ? "relay"
                                     : keel_step_services[i];
}

const char *keel_cluster_place(const keel_cluster *c, int i)
{
    return i >= KEEL_CLUSTER_CLIENT ? c->clients[i - KEEL_CLUSTER_CLIENT].name
                                    : keel_cluster_name(i);
}

int keel_cluster_places(const keel_cluster *c)
{
    return c->door ? KEEL_CLUSTER_CLIENT + c->clients_n : KEEL_CLUSTER_ALL;
}

/* In the child: its log, and its end with that of the test. */
static void become(const keel_cluster *c, int i)
{
    char log[128];
    snprintf(log, sizeof log, "%s/%s.log", c->dir, keel_cluster_place(c, i));
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd < 0 || dup2(fd, 2) < 0)
        _exit(127);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
}

static const char *bin_dir(void)
{
    const char *bin = getenv("KEEL_BIN_DIR");
    return bin != NULL ? bin : "bin";
}

static void exec_service(const keel_cluster *c, int i)
{
    char program[512], config[128];
    const bool journal = c->journals && i < KEEL_CLUSTER_SERVICES;
    snprintf(program, sizeof program, "%s/keel-%s", bin_dir(), keel_cluster_name(i));
    snprintf(config, sizeof config, "%s/config.yaml", c->dir);
    become(c, i);
    execl(program, program, "--config", config, journal ? "--journal" : NULL, c->dir, (char *)NULL);
    _exit(127);
}

static void exec_client(const keel_cluster *c, int i)
{
    char program[512];
    const keel_cluster_client *client = &c->clients[i - KEEL_CLUSTER_CLIENT];
    const char *argv[KEEL_CLUSTER_WORDS + 1];
    int n = 0;
    snprintf(program, sizeof program, "%s/../tests/%s", bin_dir(), client->words[0]);
    for (; n < KEEL_CLUSTER_WORDS && client->words[n][0] != '\0'; n++)
        argv[n] = client->words[n];
    argv[n] = NULL;
    become(c, i);
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void start_redis(keel_cluster *c, int i)
{
    keel_test_redis *r = &c->redis[i - KEEL_CLUSTER_LOG];
    char dir[sizeof c->dir];
    memcpy(dir, c->dir, sizeof dir);
    r->durable = i == KEEL_CLUSTER_LOG;
    snprintf(r->dir, sizeof r->dir, "%s", dir);
    snprintf(r->socket, sizeof r->socket, "%s/%s.sock", dir, keel_cluster_name(i));
    keel_test_redis_again(r);
    c->pids[i] = r->pid;
}

void keel_cluster_start_one(keel_cluster *c, int i)
{
    if (i == KEEL_CLUSTER_LOG || i == KEEL_CLUSTER_CACHE) {
        start_redis(c, i);
        return;
    }
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0 && i >= KEEL_CLUSTER_CLIENT)
        exec_client(c, i);
    if (pid == 0)
        exec_service(c, i);
    c->pids[i] = pid;
}

void keel_cluster_add_key(const keel_cluster *c, const char *name)
{
    char keys[128];
    keel_err err = {0};
    snprintf(keys, sizeof keys, "%s/keys", c->dir);
    if (keel_keys_folder(keys, &err) == KEEL_OK && keel_key_add(keys, name, false, &err) == KEEL_OK)
        return;
    fprintf(stderr, "%s: %s\n", name, err.text);
    abort();
}

void keel_cluster_add_client(keel_cluster *c, const keel_cluster_client *client)
{
    if (c->clients_n == KEEL_CLUSTER_CLIENTS)
        abort();
    keel_cluster_add_key(c, client->name);
    c->door = true;
    c->clients[c->clients_n++] = *client;
}

void keel_cluster_cut_power(keel_cluster *c, const char *fsync_rule)
{
    static char library[512];
    keel_test_redis *log = &c->redis[0];
    snprintf(library, sizeof library, "%s/../tests/libkeel_power_cut.so", bin_dir());
    snprintf(log->synced, sizeof log->synced, "%s/synced", c->dir);
    const int fd = open(log->synced, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, KEEL_SYNCED_MAX * sizeof(keel_synced)) != 0 ||
        access(library, R_OK) != 0)
        abort();
    close(fd);
    log->preload = library;
    log->fsync = fsync_rule;
    c->power_cuts = true;
}

/* How much of a file was synced. */
static int64_t synced_of(const keel_synced *table, uint64_t inode)
{
    for (int i = 0; i < KEEL_SYNCED_MAX && table[i].inode != 0; i++)
        if (table[i].inode == inode)
            return table[i].size;
    return 0;
}

/* After a kill of the log: its append-only file as a power cut would leave it. */
static void cut_log(keel_cluster *c)
{
    static keel_synced table[KEEL_SYNCED_MAX];
    char folder[128], path[512];
    struct stat at;
    snprintf(folder, sizeof folder, "%s/appendonlydir", c->dir);
    const int fd = open(c->redis[0].synced, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, table, sizeof table) != sizeof table)
        abort();
    close(fd);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (strstr(e->d_name, ".incr.aof") == NULL || stat(path, &at) != 0)
            continue;
        const int64_t size = synced_of(table, at.st_ino);
        if (size >= at.st_size)
            continue;
        c->cut_bytes += (uint64_t)(at.st_size - size);
        if (truncate(path, size) != 0)
            abort();
    }
    if (dir != NULL)
        closedir(dir);
}

void keel_cluster_monitor(keel_cluster *c)
{
    char endpoints[KEEL_CLUSTER_SERVICES][128], own[128];
    const char *peers[KEEL_CLUSTER_SERVICES];
    keel_err err = {0};
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        snprintf(endpoints[i], sizeof endpoints[i], "ipc://%s/%s.pub", c->dir,
                 keel_cluster_name(i));
        peers[i] = endpoints[i];
    }
    snprintf(own, sizeof own, "ipc://%s/%s.pub", c->dir, c->door ? "monitor" : "relay");
    const keel_bus_zmq_cfg cfg = {own, peers, KEEL_CLUSTER_SERVICES};
    if (keel_bus_zmq_open(&cfg, &c->monitor, &err) != KEEL_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    c->monitor.ops->subscribe(c->monitor.self, "v1.hb.");
    c->monitor.ops->subscribe(c->monitor.self, "v1.feed.");
    keel_arena_init(&c->arena, 4 << 20);
}

void keel_cluster_up(keel_cluster *c)
{
    signal(SIGPIPE, SIG_IGN);
    keel_cluster_monitor(c);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        keel_cluster_arm(c, i, 0, 0);
    for (int i = KEEL_CLUSTER_ALL - 1; i >= 0; i--)
        keel_cluster_start_one(c, i);
    for (int i = KEEL_CLUSTER_RELAY; i < keel_cluster_places(c); i++)
        keel_cluster_start_one(c, i);
}

void keel_cluster_prepare(keel_cluster *c, bool journals)
{
    *c = (keel_cluster){.journals = journals};
    snprintf(c->dir, sizeof c->dir, "/tmp/keel-cluster-XXXXXX");
    if (mkdtemp(c->dir) == NULL)
        abort();
}

void keel_cluster_start(keel_cluster *c, int rows, const char *extra, bool journals)
{
    keel_cluster_prepare(c, journals);
    keel_world_config(c->dir, rows, extra);
    keel_cluster_up(c);
}

void keel_cluster_signal(keel_cluster *c, int i, int signal_number)
{
    if (c->pids[i] > 0)
        kill(c->pids[i], signal_number);
}

void keel_cluster_kill(keel_cluster *c, int i)
{
    if (c->pids[i] <= 0)
        return;
    kill(c->pids[i], SIGKILL);
    waitpid(c->pids[i], NULL, 0);
    c->pids[i] = 0;
    if (i == KEEL_CLUSTER_LOG && c->power_cuts)
        cut_log(c);
    if (i == KEEL_CLUSTER_LOG || i == KEEL_CLUSTER_CACHE)
        unlink(c->redis[i - KEEL_CLUSTER_LOG].socket);
    else if (i < KEEL_CLUSTER_SERVICES)
        c->beats[i] = (keel_cluster_beat){0};
}

int keel_cluster_revive(keel_cluster *c)
{
    int n = 0;
    for (int i = 0; i < keel_cluster_places(c); i++) {
        int status;
        const bool is_store = i == KEEL_CLUSTER_LOG || i == KEEL_CLUSTER_CACHE;
        if (!is_store && c->pids[i] > 0 && waitpid(c->pids[i], &status, WNOHANG) == c->pids[i]) {
            fprintf(stderr, "%s died by itself: %s %d\n", keel_cluster_place(c, i),
                    WIFSIGNALED(status) ? "signal" : "exit",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            c->pids[i] = 0;
            keel_cluster_start_one(c, i);
            c->restarts++;
            n++;
        }
    }
    return n;
}

static void note_heartbeat(keel_cluster *c, const keel_envelope *e)
{
    keel_heartbeat *h = keel_arena_take(&c->arena, 1, sizeof *h);
    if (keel_wire_get_heartbeat(&c->arena, e->payload, e->payload_len, h) != KEEL_OK)
        return;
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        keel_cluster_beat *b = &c->beats[i];
        if (strcmp(h->service, keel_cluster_name(i)) != 0)
            continue;
        b->step_done = h->step_done;
        b->state = (int)h->state;
        b->seen++;
        b->seen_ns = keel_test_mono_ms() * KEEL_NS_PER_MS;
        snprintf(b->why, sizeof b->why, "%s", h->why);
        snprintf(b->awaited, sizeof b->awaited, "%s", h->awaited);
    }
}

static void note_frame(keel_cluster *c, const keel_bus_frame *f)
{
    keel_envelope e;
    keel_feed_status s;
    keel_arena_reset(&c->arena);
    if (keel_wire_get_envelope(&c->arena, f->frame, f->len, &e) != KEEL_OK)
        return;
    if (e.type == KEEL_PAYLOAD_HEARTBEAT)
        note_heartbeat(c, &e);
    if (e.type == KEEL_PAYLOAD_FEED_STATUS &&
        keel_wire_get_feed_status(&c->arena, e.payload, e.payload_len, &s) == KEEL_OK &&
        s.phase == KEEL_FEED_PHASE_ENDED) {
        c->ended = true;
        c->rows = s.rows_sent;
    }
}

uint64_t keel_cluster_step(const keel_cluster *c)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        least = c->beats[i].step_done < least ? c->beats[i].step_done : least;
    return least;
}

bool keel_cluster_done(const keel_cluster *c)
{
    return c->ended && keel_cluster_step(c) >= c->rows;
}

bool keel_cluster_watch(keel_cluster *c, int ms)
{
    const int64_t until = keel_test_mono_ms() + ms;
    keel_bus_frame f;
    do {
        while (c->monitor.ops->receive(c->monitor.self, &f) == KEEL_OK)
            note_frame(c, &f);
        if (keel_cluster_done(c))
            return true;
        (void)keel_bus_zmq_wait(&c->monitor, -1, 5);
    } while (keel_test_mono_ms() < until);
    return keel_cluster_done(c);
}

void keel_cluster_down(keel_cluster *c)
{
    for (int i = KEEL_CLUSTER_CLIENT; i < keel_cluster_places(c); i++)
        keel_cluster_kill(c, i);
    for (int i = 0; i < keel_cluster_places(c); i++)
        keel_cluster_signal(c, i, SIGCONT);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        keel_cluster_signal(c, i, SIGTERM);
    const int64_t until = keel_test_mono_ms() + 5000;
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        while (c->pids[i] > 0 && waitpid(c->pids[i], NULL, WNOHANG) == 0 &&
               keel_test_mono_ms() < until)
            nanosleep(&(struct timespec){0, 2000000}, NULL);
        if (keel_test_mono_ms() >= until)
            keel_cluster_kill(c, i);
        c->pids[i] = 0;
    }
    keel_cluster_kill(c, KEEL_CLUSTER_LOG);
    keel_cluster_kill(c, KEEL_CLUSTER_CACHE);
    keel_cluster_kill(c, KEEL_CLUSTER_RELAY);
    c->monitor.ops->close(c->monitor.self);
    keel_arena_fini(&c->arena);
}

void keel_cluster_remove(keel_cluster *c)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", c->dir);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", c->dir);
}

keel_payloads *keel_cluster_journals(const keel_cluster *c)
{
    keel_payloads *all = keel_payloads_new(c->rows);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        char path[128];
        keel_err err = {0};
        keel_journal_record rec;
        snprintf(path, sizeof path, "%s/%s.journal", c->dir, keel_cluster_name(i));
        keel_journal_reader *in = keel_journal_read(path, &err);
        if (in == NULL) {
            fprintf(stderr, "%s\n", err.text);
            abort();
        }
        while (keel_journal_next(in, &rec) == KEEL_OK) {
            const char *topic;
            const uint8_t *frame;
            size_t len;
            if ((rec.kind == KEEL_JOURNAL_OUTPUT || rec.kind == KEEL_JOURNAL_RECALLED) &&
                keel_journal_frame(&rec, &topic, &frame, &len) == KEEL_OK)
                keel_payloads_note(all, topic, frame, len);
        }
        keel_journal_reader_free(&in);
    }
    return all;
}

static void add_row(char **text, size_t *n, size_t *cap, sqlite3_stmt *row)
{
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        const char *value = (const char *)sqlite3_column_text(row, i);
        const size_t len = value != NULL ? strlen(value) : 0;
        while (*n + len + 2 > *cap)
            if ((*text = realloc(*text, *cap *= 2)) == NULL)
                abort();
        memcpy(*text + *n, value, len);
        *n += len;
        (*text)[(*n)++] = i + 1 < sqlite3_column_count(row) ? '|' : '\n';
    }
}

static char *rows_of(const keel_cluster *c, const char *const *queries, size_t n_queries)
{
    char path[128];
    size_t cap = 1 << 16, n = 0;
    char *text = malloc(cap);
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/books.sqlite", c->dir);
    if (text == NULL || sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        abort();
    for (size_t q = 0; q < n_queries; q++) {
        sqlite3_stmt *row;
        if (sqlite3_prepare_v2(db, queries[q], -1, &row, NULL) != SQLITE_OK) {
            fprintf(stderr, "%s: %s\n", queries[q], sqlite3_errmsg(db));
            abort();
        }
        while (sqlite3_step(row) == SQLITE_ROW)
            add_row(&text, &n, &cap, row);
        sqlite3_finalize(row);
    }
    sqlite3_close(db);
    text[n] = '\0';
    return text;
}

char *keel_cluster_books(const keel_cluster *c)
{
    static const char *const queries[] = {
        "select * from fills order by 1, 2, 3",
        "select * from transfers order by 1, 2, 3",
        "select * from lots order by 1, 2, 3, 4",
        "select * from portfolio_states order by 1, 2, 3",
    };
    return rows_of(c, queries, sizeof queries / sizeof queries[0]);
}

char *keel_cluster_money(const keel_cluster *c)
{
    static const char *const queries[] = {
        "select fill_no, step, fill_id, order_id, instrument, qty_units, price_units,"
        " reference_units, fee_micros, slippage_micros, fill_ns, reason from fills order by 1",
        "select fill_no, place, book, qty_units, cash_micros, fee_micros, slippage_micros,"
        " closed_units, realized_micros from fill_books order by 1, 2",
        "select * from transfer_legs order by 1, 2, 3",
        "select * from lots order by 1, 2, 3, 4",
        "select * from book_states order by 1, 2, 3",
    };
    return rows_of(c, queries, sizeof queries / sizeof queries[0]);
}

void keel_cluster_arm(keel_cluster *c, int i, keel_stage stage, int passes)
{
    char path[128];
    const int32_t words[3] = {(int32_t)stage, passes, (int32_t)c->without};
    snprintf(path, sizeof path, "%s/%s.fault", c->dir, keel_cluster_name(i));
    const int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || write(fd, words, sizeof words) != sizeof words)
        abort();
    close(fd);
}

void keel_cluster_override(const keel_cluster *c, const char *key, const char *value)
{
    char name[128] = "KEEL_";
    size_t at = strlen(name);
    (void)c;
    for (; *key != '\0' && at + 3 < sizeof name; key++) {
        if (*key == '.')
            name[at++] = '_';
        name[at++] = *key == '.' || *key == '-' ? '_' : (char)toupper((unsigned char)*key);
    }
    name[at] = '\0';
    setenv(name, value, 1);
}

static bool status_counter(keel_cluster *c, const keel_bus_frame *f, const char *service,
                           const char *counter, uint64_t *value)
{
    keel_envelope e;
    keel_arena_reset(&c->arena);
    keel_reply *r = keel_arena_take(&c->arena, 1, sizeof *r);
    if (keel_wire_get_envelope(&c->arena, f->frame, f->len, &e) != KEEL_OK ||
        e.type != KEEL_PAYLOAD_REPLY ||
        keel_wire_get_reply(&c->arena, e.payload, e.payload_len, r) != KEEL_OK || !r->has_status ||
        strcmp(r->status.service, service) != 0)
        return false;
    *value = 0;
    for (int i = 0; i < r->status.counters_n; i++)
        if (strcmp(r->status.counters[i].name, counter) == 0)
            *value = r->status.counters[i].value;
    return true;
}

uint64_t keel_cluster_counter(const keel_cluster *cluster, const char *service, const char *counter)
{
    keel_cluster *c = (keel_cluster *)(uintptr_t)cluster; /* only its scratch memory changes */
    uint8_t payload[1024], frame[2048];
    char topic[64];
    size_t len;
    keel_bus_frame f;
    uint64_t value = UINT64_MAX;
    keel_request r = {.ask = KEEL_ASK_STATUS};
    keel_envelope e = {.type = KEEL_PAYLOAD_REQUEST,
                       .id = {.source = "relay", .epoch_ns = 1, .seq = 1},
                       .payload = payload};
    snprintf(r.service, sizeof r.service, "%s", service);
    snprintf(r.requester, sizeof r.requester, "monitor");
    snprintf(e.run_id, sizeof e.run_id, "test-world");
    snprintf(topic, sizeof topic, "v1.request.%s.", service);
    if (keel_wire_put_request(&r, payload, sizeof payload, &e.payload_len) != KEEL_OK ||
        keel_wire_put_envelope(&e, frame, sizeof frame, &len) != KEEL_OK)
        abort();
    c->monitor.ops->subscribe(c->monitor.self, "v1.reply.monitor.");
    const int64_t until = keel_test_mono_ms() + 3000;
    while (value == UINT64_MAX && keel_test_mono_ms() < until) {
        c->monitor.ops->publish(c->monitor.self, topic, frame, len);
        nanosleep(&(struct timespec){0, 20000000}, NULL);
        while (value == UINT64_MAX && c->monitor.ops->receive(c->monitor.self, &f) == KEEL_OK)
            (void)status_counter(c, &f, service, counter, &value);
    }
    return value;
}

int keel_cluster_sent(const keel_cluster *c, const char *topic, int64_t *publish_ns, int cap)
{
    keel_arena arena;
    int n = 0;
    keel_arena_init(&arena, 1 << 20);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        char path[128];
        keel_err err = {0};
        keel_journal_record rec;
        snprintf(path, sizeof path, "%s/%s.journal", c->dir, keel_cluster_name(i));
        keel_journal_reader *in = keel_journal_read(path, &err);
        while (in != NULL && keel_journal_next(in, &rec) == KEEL_OK) {
            const char *name;
            const uint8_t *frame;
            size_t len;
            keel_envelope e;
            keel_arena_reset(&arena);
            if (rec.kind == KEEL_JOURNAL_OUTPUT && n < cap &&
                keel_journal_frame(&rec, &name, &frame, &len) == KEEL_OK &&
                strcmp(name, topic) == 0 &&
                keel_wire_get_envelope(&arena, frame, len, &e) == KEEL_OK)
                publish_ns[n++] = e.publish_ns;
        }
        keel_journal_reader_free(&in);
    }
    keel_arena_fini(&arena);
    return n;
}
