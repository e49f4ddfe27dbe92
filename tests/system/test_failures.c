/* Failures on real processes: a store absent, killed, slow, full, read-only; a disk full; a
 * database locked; a service stopped or missing; snapshots and last values damaged; garbage on
 * the bus.
 *
 * One lockstep run takes them all, one after another. Each has to be named by who suffers from
 * it, and to be over when its cause is; in the end the books are those of an undisturbed run, to
 * the last unit.
 * KEEL_ONLY=TEXT: only scenarios whose name holds TEXT. Plain main: ends with "N passed, N
 * failed". */
#include "common/base/timefmt.h"
#include "common/wire/wire.h"
#include "tests/support/verdict.h"
#include "tests/support/world/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FEED,
    EXECUTION,
    LEDGER,
    CORRELATION,
    OPTIMIZER,
    RISK,
    COORDINATOR,
    LOG = KEEL_CLUSTER_LOG,
    CACHE = KEEL_CLUSTER_CACHE,
    ANY = -1,
    ROWS = 4000,
    SHORT_ROWS = 250,
    NAMED_MS = 2000,    /* a service that is missing is named within */
    WORDS_MS = 4000,    /* a cause is shown within */
    GOES_ON_MS = 10000, /* steps close again within */
};

typedef struct world {
    keel_cluster c;
    char detail[512]; /* why the scenario failed */
} world;

static bool fails(world *w, const char *what)
{
    size_t n = (size_t)snprintf(w->detail, sizeof w->detail, "%s;", what);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES && n < sizeof w->detail; i++)
        n += (size_t)snprintf(w->detail + n, sizeof w->detail - n, " %s %llu '%s' '%s'",
                              keel_cluster_name(i), (unsigned long long)w->c.beats[i].step_done,
                              w->c.beats[i].awaited, w->c.beats[i].why);
    return false;
}

/* ---- looking ---- */

static bool says(const world *w, int service, const char *text)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        if ((service == ANY || service == i) && strstr(w->c.beats[i].why, text) != NULL &&
            (w->c.beats[i].state == KEEL_STATE_DEGRADED ||
             w->c.beats[i].state == KEEL_STATE_WARMING))
            return true;
    return false;
}

/* DEGRADED or WARMING, and the text is in the reason. */
static bool shown(world *w, int service, const char *text)
{
    const int64_t until = keel_test_mono_ms() + WORDS_MS;
    while (keel_test_mono_ms() < until) {
        keel_cluster_watch(&w->c, 10);
        if (says(w, service, text))
            return true;
    }
    char what[128];
    snprintf(what, sizeof what, "nobody says '%.80s'", text);
    return fails(w, what);
}

static bool awaited(world *w, int service)
{
    const int64_t until = keel_test_mono_ms() + NAMED_MS;
    const size_t n = strlen(keel_cluster_name(service));
    while (keel_test_mono_ms() < until) {
        keel_cluster_watch(&w->c, 10);
        for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
            if (i != service && strncmp(w->c.beats[i].awaited, keel_cluster_name(service), n) == 0)
                return true;
    }
    return fails(w, "it is not named");
}

/* Steps close again, and nobody is degraded. */
static bool goes_on(world *w)
{
    const int64_t until = keel_test_mono_ms() + GOES_ON_MS;
    uint64_t from = 0;
    keel_cluster_watch(&w->c, 20);
    from = keel_cluster_step(&w->c);
    while (keel_test_mono_ms() < until) {
        bool running = true;
        keel_cluster_watch(&w->c, 10);
        for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
            running = running && w->c.beats[i].state == KEEL_STATE_RUNNING;
        if (running && (keel_cluster_step(&w->c) > from + 1 || keel_cluster_done(&w->c)))
            return keel_cluster_revive(&w->c) == 0 || fails(w, "a service died by itself");
    }
    return fails(w, "it does not go on");
}

/* ---- doing ---- */

static bool redis(world *w, int store, const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "redis-cli -s '%s/%s.sock' %s >/dev/null 2>&1", w->c.dir,
             keel_cluster_name(store), command);
    return system(line) == 0;
}

/* No file of the process grows past `bytes`: what a full disk does to it. RLIM_INFINITY ends it. */
static bool limit_files(const world *w, int i, rlim_t bytes)
{
    struct rlimit limit;
    if (prlimit(w->c.pids[i], RLIMIT_FSIZE, NULL, &limit) != 0)
        return false;
    limit.rlim_cur = bytes > limit.rlim_max ? limit.rlim_max : bytes;
    return prlimit(w->c.pids[i], RLIMIT_FSIZE, &limit, NULL) == 0;
}

static int64_t file_size(const world *w, const char *name)
{
    char path[192];
    struct stat file;
    snprintf(path, sizeof path, "%s/%s", w->c.dir, name);
    return stat(path, &file) == 0 ? (int64_t)file.st_size : 0;
}

/* How often the text stands in the log of a service. */
static int logged(const world *w, int i, const char *text)
{
    char path[192], line[1024];
    int n = 0;
    snprintf(path, sizeof path, "%s/%s.log", w->c.dir, keel_cluster_name(i));
    FILE *in = fopen(path, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        n += strstr(line, text) != NULL;
    if (in != NULL)
        fclose(in);
    return n;
}

/* ---- the log ---- */

static bool log_killed(world *w)
{
    keel_cluster_kill(&w->c, LOG);
    const bool named = shown(w, ANY, "log cannot be written");
    keel_cluster_start_one(&w->c, LOG);
    return named && goes_on(w);
}

static bool log_slow(world *w)
{
    const int64_t start = keel_test_mono_ms();
    keel_cluster_signal(&w->c, LOG, SIGSTOP);
    const bool named = shown(w, ANY, "no answer in time");
    while (keel_test_mono_ms() - start < 2000)
        keel_cluster_watch(&w->c, 20);
    keel_cluster_signal(&w->c, LOG, SIGCONT);
    return named && goes_on(w);
}

static bool log_refuses(world *w, const char *begin, const char *words, const char *end)
{
    if (!redis(w, LOG, begin))
        return fails(w, "redis-cli");
    const bool named = shown(w, ANY, words);
    return redis(w, LOG, end) && named && goes_on(w);
}

static bool log_out_of_memory(world *w)
{
    return log_refuses(w, "config set maxmemory 1000", "OOM command not allowed",
                       "config set maxmemory 0");
}

static bool log_without_replicas(world *w)
{
    return log_refuses(w, "config set min-replicas-to-write 1", "NOREPLICAS",
                       "config set min-replicas-to-write 0");
}

static bool log_read_only(world *w)
{
    return log_refuses(w, "replicaof 127.0.0.1 1", "READONLY", "replicaof no one");
}

/* With fsync at every write Redis ends itself when the disk is full; it comes back with what it
 * had. */
static bool log_disk_full(world *w)
{
    const int64_t size = file_size(w, "appendonlydir/appendonly.aof.1.incr.aof");
    if (size == 0 || !limit_files(w, LOG, (rlim_t)size + 3000))
        return fails(w, "no append-only file to limit");
    const bool named = shown(w, ANY, "log cannot be written");
    if (waitpid(w->c.pids[LOG], NULL, WNOHANG) != w->c.pids[LOG])
        return fails(w, "redis goes on with a full disk");
    w->c.pids[LOG] = 0;
    unlink(w->c.redis[0].socket);
    keel_cluster_start_one(&w->c, LOG);
    return named && goes_on(w);
}

/* Everything is started again, the log last. */
static bool log_absent_at_start(world *w)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        keel_cluster_kill(&w->c, i);
    keel_cluster_kill(&w->c, LOG);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        keel_cluster_start_one(&w->c, i);
    const bool named =
        shown(w, RISK, "log cannot be read") && shown(w, EXECUTION, "log cannot be read");
    keel_cluster_start_one(&w->c, LOG);
    return named && goes_on(w);
}

/* ---- the cache: nothing stands still for it ---- */

static bool steps_close(world *w, int n)
{
    const uint64_t from = keel_cluster_step(&w->c);
    const int64_t until = keel_test_mono_ms() + WORDS_MS;
    while (keel_test_mono_ms() < until && !keel_cluster_done(&w->c)) {
        keel_cluster_watch(&w->c, 10);
        if (keel_cluster_step(&w->c) >= from + (uint64_t)n)
            return true;
    }
    return keel_cluster_done(&w->c) || fails(w, "steps wait for the cache");
}

static bool cache_killed(world *w)
{
    keel_cluster_kill(&w->c, CACHE);
    const bool named = shown(w, CORRELATION, "cache cannot be used") && steps_close(w, 5);
    keel_cluster_start_one(&w->c, CACHE);
    return named && goes_on(w);
}

static bool cache_slow(world *w)
{
    keel_cluster_signal(&w->c, CACHE, SIGSTOP);
    const bool named = shown(w, CORRELATION, "no answer in time") && steps_close(w, 30);
    keel_cluster_signal(&w->c, CACHE, SIGCONT);
    return named && goes_on(w);
}

static bool cache_out_of_memory(world *w)
{
    if (!redis(w, CACHE, "config set maxmemory 1000"))
        return fails(w, "redis-cli");
    const bool named = shown(w, ANY, "OOM command not allowed") && steps_close(w, 5);
    return redis(w, CACHE, "config set maxmemory 0") && named && goes_on(w);
}

/* ---- the books and the journal ---- */

static bool books_locked(world *w)
{
    char path[192];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/books.sqlite", w->c.dir);
    bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    sqlite3_busy_timeout(db, 1000);
    ok = ok && sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    const bool named =
        ok && shown(w, LEDGER, "books cannot be written") && shown(w, LEDGER, "database is locked");
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    return named && goes_on(w);
}

/* The ledger starts while another process has the file to itself. */
static bool books_locked_at_start(world *w)
{
    char path[192];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/books.sqlite", w->c.dir);
    keel_cluster_kill(&w->c, LEDGER);
    bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
              sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE", NULL, NULL,
                           NULL) == SQLITE_OK;
    keel_cluster_start_one(&w->c, LEDGER);
    const bool named = ok && shown(w, LEDGER, "database is locked");
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    return named && goes_on(w);
}

/* The service then dies with half a record written; what it writes after its restart can be read.
 * */
static bool journal_disk_full(world *w)
{
    if (!limit_files(w, OPTIMIZER, (rlim_t)file_size(w, "optimizer.journal") + 700))
        return fails(w, "prlimit");
    const bool named = shown(w, OPTIMIZER, "journal cannot be written");
    keel_cluster_kill(&w->c, OPTIMIZER);
    keel_cluster_start_one(&w->c, OPTIMIZER);
    return named && goes_on(w);
}

/* ---- services ---- */

static uint64_t newest_step(const world *w)
{
    uint64_t newest = 0;
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        if (w->c.beats[i].step_done > newest)
            newest = w->c.beats[i].step_done;
    return newest;
}

static bool stopped(world *w, int service)
{
    keel_cluster_signal(&w->c, service, SIGSTOP);
    const bool named = awaited(w, service);
    const uint64_t from = newest_step(w);
    keel_cluster_watch(&w->c, 150);
    const bool stands = newest_step(w) == from;
    keel_cluster_signal(&w->c, service, SIGCONT);
    return named && (stands || fails(w, "steps go on without it")) && goes_on(w);
}

static bool all_stopped_in_turn(world *w)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        if (!stopped(w, i))
            return false;
    return true;
}

static bool missing(world *w)
{
    keel_cluster_kill(&w->c, CORRELATION);
    const bool named = awaited(w, CORRELATION);
    keel_cluster_start_one(&w->c, CORRELATION);
    return named && goes_on(w);
}

/* A second process of a service is refused and takes nothing away from the first. */
static bool started_twice(world *w)
{
    const pid_t first = w->c.pids[RISK];
    int status = 0;
    keel_cluster_start_one(&w->c, RISK);
    const pid_t second = w->c.pids[RISK];
    w->c.pids[RISK] = first;
    if (waitpid(second, &status, 0) != second || !WIFEXITED(status) || WEXITSTATUS(status) != 1)
        return fails(w, "the second process is not refused");
    if (logged(w, RISK, "another keel-risk is at work there") != 1)
        return fails(w, "the refusal is not named");
    return goes_on(w);
}

/* A file of the socket's name lies in the way. */
static bool stale_socket(world *w)
{
    char path[192];
    snprintf(path, sizeof path, "%s/execution.pub", w->c.dir);
    keel_cluster_kill(&w->c, EXECUTION);
    unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT, 0600);
    close(fd);
    keel_cluster_start_one(&w->c, EXECUTION);
    return goes_on(w);
}

/* ---- what was stored is damaged ---- */

/* Flip a byte in the middle of the newest snapshot; false when there is none. */
static bool flip_snapshot(world *w, int store, const char *service)
{
    char command[1200];
    snprintf(command, sizeof command,
             "eval \"local e=redis.call('XREVRANGE',KEYS[1],'+','-','COUNT',1)[1];"
             "local v=e[2];local id=e[1];"
             "for i=1,#v,2 do if v[i]=='p' then local m=math.floor(#v[i+1]*%d/100);"
             "v[i+1]=v[i+1]:sub(1,m-1)..string.char((v[i+1]:byte(m)+1)%%256)..v[i+1]:sub(m+1) "
             "end end;redis.call('XDEL',KEYS[1],id);local "
             "t=redis.call('XREVRANGE',KEYS[1],'+','-','COUNT',1)[1];"
             "redis.call('XSETID',KEYS[1],t and t[1] or '0-1');"
             "return redis.call('XADD',KEYS[1],id,unpack(v))\" 1 keel:test-world:snap:%s"
             " | grep -q '^[0-9]*-0$'",
             store == LOG ? 50 : 95, service);
    char line[1400];
    snprintf(line, sizeof line, "redis-cli -s '%s/%s.sock' %s", w->c.dir, keel_cluster_name(store),
             command);
    return system(line) == 0;
}

/* The cache keeps the newest four, the log what the horizon leaves. */
static bool has_snapshot(world *w, int store, const char *service)
{
    char command[256];
    snprintf(command, sizeof command, "xlen keel:test-world:snap:%s | grep -qv '^%s$'", service,
             store == CACHE ? "[01]" : "0");
    for (const int64_t until = keel_test_mono_ms() + WORDS_MS; keel_test_mono_ms() < until;) {
        keel_cluster_watch(&w->c, 50);
        if (redis(w, store, command))
            return true;
    }
    return fails(w, "no snapshot is ever written");
}

/* The step that the service's last start went on from. */
static unsigned long long recovered_step(const world *w, int i)
{
    char path[192], line[1024];
    unsigned long long step = 0;
    snprintf(path, sizeof path, "%s/%s.log", w->c.dir, keel_cluster_name(i));
    FILE *in = fopen(path, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        const char *at = strstr(line, "event=recovered step=");
        if (at != NULL)
            step = strtoull(at + strlen("event=recovered step="), NULL, 10);
    }
    if (in != NULL)
        fclose(in);
    return step;
}

static bool snapshot_damaged(world *w, int service, int store)
{
    if (!has_snapshot(w, store, keel_cluster_name(service)))
        return false;
    const int before = logged(w, service, "event=snapshot_refused");
    keel_cluster_kill(&w->c, service);
    if (!flip_snapshot(w, store, keel_cluster_name(service)))
        return fails(w, "the snapshot cannot be damaged");
    keel_cluster_start_one(&w->c, service);
    if (!goes_on(w))
        return false;
    if (logged(w, service, "event=snapshot_refused") <= before)
        return fails(w, "the damaged snapshot was taken");
    return store == LOG || recovered_step(w, service) > 0 ||
           fails(w, "the older snapshot was not tried");
}

static bool snapshots_damaged(world *w)
{
    return snapshot_damaged(w, RISK, LOG) && snapshot_damaged(w, EXECUTION, LOG) &&
           snapshot_damaged(w, OPTIMIZER, LOG) && snapshot_damaged(w, CORRELATION, CACHE);
}

static bool last_values_damaged(world *w)
{
    char line[512];
    keel_cluster_kill(&w->c, CORRELATION);
    keel_cluster_kill(&w->c, RISK);
    snprintf(line, sizeof line,
             "s='%s/cache.sock'; for k in $(redis-cli -s $s keys 'keel:*:last:*'); do "
             "redis-cli -s $s set $k garbage; done >/dev/null",
             w->c.dir);
    if (system(line) != 0)
        return fails(w, "redis-cli");
    keel_cluster_start_one(&w->c, CORRELATION);
    keel_cluster_start_one(&w->c, RISK);
    return goes_on(w);
}

/* ---- the bus ---- */

static void must(keel_status status)
{
    if (status == KEEL_OK)
        return;
    fprintf(stderr, "a message of the test: %s\n", keel_status_text(status));
    abort();
}

static void send_frame(world *w, const char *topic, const keel_envelope *e)
{
    static uint8_t frame[1 << 16];
    size_t len = 0;
    must(keel_wire_put_envelope(e, frame, sizeof frame, &len));
    w->c.monitor.ops->publish(w->c.monitor.self, topic, frame, len);
}

static keel_envelope letter(keel_payload type, const void *payload, size_t len)
{
    keel_envelope e = {.type = type,
                       .id = {.source = "relay", .epoch_ns = 1, .seq = 1},
                       .run_id = "test-world",
                       .payload = payload,
                       .payload_len = len};
    return e;
}

/* The value of a counter of a service, asked for as an operator would. */
static uint64_t counter_of(world *w, int service, const char *name)
{
    char topic[KEEL_TOPIC_MAX];
    uint8_t bytes[1024];
    size_t len = 0;
    uint64_t value = UINT64_MAX;
    keel_request r = {.ask = KEEL_ASK_STATUS};
    keel_bus_frame f;
    keel_arena room;
    snprintf(r.service, sizeof r.service, "%s", keel_cluster_name(service));
    snprintf(r.requester, sizeof r.requester, "relay");
    snprintf(topic, sizeof topic, "v1.request.%s.", r.service);
    must(keel_wire_put_request(&r, bytes, sizeof bytes, &len));
    const keel_envelope e = letter(KEEL_PAYLOAD_REQUEST, bytes, len);
    keel_arena_init(&room, 4 << 20);
    const int64_t start = keel_test_mono_ms();
    for (int64_t asked = 0; value == UINT64_MAX && keel_test_mono_ms() < start + 4000;) {
        if (keel_test_mono_ms() > asked + 300) { /* again: a connection may just be made anew */
            asked = keel_test_mono_ms();
            send_frame(w, topic, &e);
        }
        keel_envelope got;
        keel_arena_reset(&room);
        keel_reply *reply = keel_arena_take(&room, 1, sizeof *reply);
        (void)keel_bus_zmq_wait(&w->c.monitor, -1, 5);
        if (w->c.monitor.ops->receive(w->c.monitor.self, &f) != KEEL_OK ||
            keel_wire_get_envelope(&room, f.frame, f.len, &got) != KEEL_OK ||
            got.type != KEEL_PAYLOAD_REPLY || strcmp(got.id.source, r.service) != 0 ||
            keel_wire_get_reply(&room, got.payload, got.payload_len, reply) != KEEL_OK)
            continue;
        value = 0;
        for (int i = 0; i < reply->status.counters_n; i++)
            if (strcmp(reply->status.counters[i].name, name) == 0)
                value = reply->status.counters[i].value;
    }
    keel_arena_fini(&room);
    return value;
}

static void send_malformed(world *w, const char *topic)
{
    static uint8_t big[KEEL_FRAME_BYTES_MAX + 1];
    static const uint8_t nested[] = {0x0a, 0x0a, 0x0a, 0x08, 0x0a, 0x06,
                                     0x0a, 0x04, 0x0a, 0x02, 0x0a, 0x00};
    const keel_bus *b = &w->c.monitor;
    b->ops->publish(b->self, topic, (const uint8_t *)"", 0);
    b->ops->publish(b->self, topic, (const uint8_t *)"garbage", 7);
    b->ops->publish(b->self, topic, nested, sizeof nested);
    b->ops->publish(b->self, topic, big, sizeof big);
    uint8_t frame[512];
    size_t len = 0;
    keel_envelope e = letter(KEEL_PAYLOAD_STEP_END, "\xff\xff", 2);
    send_frame(w, topic, &e); /* for another topic */
    e = letter(KEEL_PAYLOAD_HEARTBEAT, "\xff\xff", 2);
    send_frame(w, "v1.hb.relay.", &e);
    e = letter(KEEL_PAYLOAD_RESEND, "\xff\xff", 2);
    snprintf(e.run_id, sizeof e.run_id, "another-run");
    send_frame(w, topic, &e);
    must(keel_wire_put_envelope(&e, frame, sizeof frame, &len));
    for (size_t i = 0; i < len; i++) { /* every byte in turn: versions, types, lengths */
        frame[i] ^= 0x5a;
        b->ops->publish(b->self, topic, frame, len);
        frame[i] ^= 0x5a;
        b->ops->publish(b->self, topic, frame, i);
    }
}

static void send_strangers(world *w)
{
    for (int i = 0; i < 40; i++) {
        uint8_t bytes[4096];
        size_t len = 0;
        keel_heartbeat h = {.state = KEEL_STATE_RUNNING, .step_done = 1u << 30, .pid = 1};
        snprintf(h.service, sizeof h.service, "stranger-%d", i);
        must(keel_wire_put_heartbeat(&h, bytes, sizeof bytes, &len));
        keel_envelope e = letter(KEEL_PAYLOAD_HEARTBEAT, bytes, len);
        memcpy(e.id.source, h.service, sizeof h.service);
        send_frame(w, "v1.hb.stranger.", &e);
    }
}

/* A resend of the first step, again and again: it may cost time, and nothing else. */
static void send_resends(world *w, int service)
{
    uint8_t bytes[256];
    char topic[KEEL_TOPIC_MAX];
    size_t len = 0;
    keel_resend r = {.from_step = 1, .to_step = 64};
    snprintf(r.publisher, sizeof r.publisher, "%s", keel_cluster_name(service));
    snprintf(r.requester, sizeof r.requester, "relay");
    snprintf(topic, sizeof topic, "v1.resend.%s.", r.publisher);
    must(keel_wire_put_resend(&r, bytes, sizeof bytes, &len));
    const keel_envelope e = letter(KEEL_PAYLOAD_RESEND, bytes, len);
    for (int i = 0; i < 20; i++)
        send_frame(w, topic, &e);
}

/* Under a publisher's name, on its topic, for the step that is next: a payload that does not
 * decode, of an epoch long past. */
static void send_impostor(world *w)
{
    const uint64_t step = keel_cluster_step(&w->c);
    keel_envelope e = letter(KEEL_PAYLOAD_BAR_ROW, "\x08\x01", 2);
    snprintf(e.id.source, sizeof e.id.source, "feed");
    for (uint64_t k = step; k < step + 40; k++) {
        e.step = k;
        e.index = (uint32_t)k % 3;
        send_frame(w, "v1.row.1h.main.", &e);
    }
}

static bool garbage_on_the_bus(world *w)
{
    char topic[KEEL_TOPIC_MAX];
    uint64_t before[KEEL_CLUSTER_SERVICES];
    w->c.monitor.ops->subscribe(w->c.monitor.self, "v1.reply.relay.");
    keel_cluster_watch(&w->c, 200);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        before[i] = counter_of(w, i, "malformed_dropped");
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        snprintf(topic, sizeof topic, "v1.request.%s.", keel_cluster_name(i));
        send_malformed(w, topic);
        keel_cluster_watch(&w->c, 20);
    }
    send_strangers(w);
    send_impostor(w);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        send_resends(w, i);
    keel_cluster_watch(&w->c, 300);
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++) {
        static const char *const counters[] = {
            "malformed_dropped",    "wrong_run_dropped", "wrong_type_dropped", "version_dropped",
            "unknown_type_dropped", "oversized_dropped", "strangers_dropped"};
        if (before[i] == UINT64_MAX)
            return fails(w, "no answer to STATUS");
        for (size_t k = 0; k < sizeof counters / sizeof counters[0]; k++) {
            const uint64_t n = counter_of(w, i, counters[k]);
            if (n == 0 || n == UINT64_MAX || (k == 0 && n < before[i] + 20)) {
                char text[128];
                snprintf(text, sizeof text, "%s: %s is %lld", keel_cluster_name(i), counters[k],
                         (long long)n);
                return fails(w, text);
            }
        }
    }
    return goes_on(w);
}

typedef struct scenario {
    const char *name;
    bool (*run)(world *w);
} scenario;

static const scenario scenarios[] = {
    {"garbage on the bus is counted and dropped", garbage_on_the_bus},
    {"log killed: held back, named, recovered", log_killed},
    {"log silent for 2 s", log_slow},
    {"log out of memory: named in its own words", log_out_of_memory},
    {"log without enough replicas", log_without_replicas},
    {"log read-only", log_read_only},
    {"log's disk full: it ends, and comes back", log_disk_full},
    {"cache killed: steps go on", cache_killed},
    {"cache silent: steps go on", cache_slow},
    {"cache out of memory: steps go on", cache_out_of_memory},
    {"books locked by another process", books_locked},
    {"books locked at the start", books_locked_at_start},
    {"journal's disk full", journal_disk_full},
    {"each service stopped: named within 2 s", all_stopped_in_turn},
    {"a service missing: named within 2 s", missing},
    {"a service started twice", started_twice},
    {"a file in the place of a socket", stale_socket},
    {"damaged snapshots are refused", snapshots_damaged},
    {"damaged last values are not sent on", last_values_damaged},
    {"log absent at the start", log_absent_at_start},
};

static bool finish(world *w)
{
    for (int i = 0; i < 600 && !keel_cluster_watch(&w->c, 100); i++)
        if (keel_cluster_revive(&w->c) > 0)
            return fails(w, "a service died by itself");
    return keel_cluster_done(&w->c) || fails(w, "the run does not come to its end");
}

static void compare(const world *calm, const world *hit)
{
    char first[160] = "", text[200];
    keel_payloads *a = keel_cluster_journals(&calm->c), *b = keel_cluster_journals(&hit->c);
    char *books_a = keel_cluster_books(&calm->c), *books_b = keel_cluster_books(&hit->c);
    const int n = keel_payloads_differ(a, b, first, sizeof first);
    snprintf(text, sizeof text, "%d payloads, %d conflicts %s", keel_payloads_n(a),
             keel_payloads_conflicts(b), first);
    keel_verdict_why(n == 0 && keel_payloads_conflicts(b) == 0 && keel_payloads_n(a) > ROWS,
                     "every payload is that of the undisturbed run", text);
    keel_verdict_why(strlen(books_a) > 1000 && strcmp(books_a, books_b) == 0,
                     "the books are those of the undisturbed run, to the last unit", "");
    free(books_a);
    free(books_b);
    keel_payloads_free(&a);
    keel_payloads_free(&b);
}

/* Rows of a table up to a step that only one of two runs has. */
static int only_in_one(sqlite3 *db, const char *table, int steps)
{
    char sql[512];
    sqlite3_stmt *row;
    int n = -1;
    snprintf(sql, sizeof sql,
             "select (select count(*) from (select * from main.%s where step <= %d except select * "
             "from calm.%s)) + (select count(*) from (select * from calm.%s where step <= %d "
             "except select * from main.%s))",
             table, steps, table, table, steps, table);
    if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW)
        n = sqlite3_column_int(row, 0);
    sqlite3_finalize(row);
    return n;
}

/* In a run without journals, so that only the books meet the limit. The undisturbed run is
 * longer: its first steps are compared. */
static bool books_disk_full(world *w, const world *calm)
{
    char path[192], attach[256];
    sqlite3 *db;
    if (!goes_on(w) || !limit_files(w, LEDGER, 8192))
        return fails(w, "prlimit");
    const bool named = shown(w, LEDGER, "books cannot be written");
    if (!limit_files(w, LEDGER, RLIM_INFINITY) || !named || !goes_on(w) || !finish(w))
        return false;
    keel_cluster_down(&w->c);
    snprintf(path, sizeof path, "%s/books.sqlite", w->c.dir);
    snprintf(attach, sizeof attach, "attach '%s/books.sqlite' as calm", calm->c.dir);
    bool same = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
                sqlite3_exec(db, attach, NULL, NULL, NULL) == SQLITE_OK;
    same = same && only_in_one(db, "fills", SHORT_ROWS) == 0 &&
           only_in_one(db, "transfers", SHORT_ROWS) == 0 &&
           only_in_one(db, "portfolio_states", SHORT_ROWS) == 0;
    sqlite3_close(db);
    return same || fails(w, "the books differ");
}

int main(void)
{
    static world calm, hit, full;
    const char *only = getenv("KEEL_ONLY");
    const int64_t start = keel_test_mono_ms();
    setvbuf(stdout, NULL, _IOLBF, 0); /* children inherit what is not written yet */
    keel_cluster_start(&calm.c, ROWS, "", true);
    keel_verdict_why(finish(&calm), "the undisturbed run ends", calm.detail);
    keel_cluster_down(&calm.c);
    printf("  %lld ms\n", (long long)(keel_test_mono_ms() - start));
    keel_cluster_start(&hit.c, ROWS, "", true);
    keel_verdict_why(goes_on(&hit), "the run starts", hit.detail);
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        const int64_t from = keel_test_mono_ms();
        if (only != NULL && strstr(scenarios[i].name, only) == NULL)
            continue;
        hit.detail[0] = '\0';
        const bool ok = !keel_cluster_done(&hit.c) && scenarios[i].run(&hit);
        keel_verdict_why(ok, scenarios[i].name, hit.detail);
        printf("  %lld ms, step %llu\n", (long long)(keel_test_mono_ms() - from),
               (unsigned long long)keel_cluster_step(&hit.c));
    }
    hit.detail[0] = '\0';
    keel_verdict_why(finish(&hit), "the disturbed run ends", hit.detail);
    keel_cluster_down(&hit.c);
    compare(&calm, &hit);
    keel_cluster_start(&full.c, SHORT_ROWS, "", false);
    keel_verdict_why(books_disk_full(&full, &calm), "books' disk full", full.detail);
    if (!keel_verdicts_failed()) {
        keel_cluster_remove(&calm.c);
        keel_cluster_remove(&hit.c);
        keel_cluster_remove(&full.c);
    } else {
        printf("  kept: %s %s %s\n", calm.c.dir, hit.c.dir, full.c.dir);
    }
    return keel_verdicts_end();
}
