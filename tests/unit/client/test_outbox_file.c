/* What a killed process leaves behind, byte by byte. */
#include "common/client/outbox_file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FOUND_MAX = KEEL_OUTBOX_MAX, COPY_MAX = 1 << 20 };

static char dir[] = "/tmp/keel-outbox-XXXXXX";
static char path[64], lock[64];
static int found_n;
static char found[FOUND_MAX][KEEL_SIGNAL_ID_MAX];

static void start(void)
{
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/box", dir);
    snprintf(lock, sizeof lock, "%s/box.lock", dir);
}

static void stop(void)
{
    unlink(path);
    unlink(lock);
    rmdir(dir);
}

TestSuite(outbox_file, .init = start, .fini = stop);

static void keep(void *arg, const keel_signal *signal)
{
    (void)arg;
    snprintf(found[found_n++], sizeof found[0], "%s", signal->signal_id);
}

static keel_outbox_file *reopen(keel_err *err)
{
    found_n = 0;
    return keel_outbox_file_open(path, "momentum", keep, NULL, err);
}

static keel_outbox_file *must_open(void)
{
    keel_err err = {0};
    keel_outbox_file *f = reopen(&err);
    cr_assert_not_null(f, "%s", err.text);
    return f;
}

static void put(keel_outbox_file *f, int n)
{
    keel_signal s = {.strategy = "momentum",
                     .symbol = "BTC-SIM",
                     .side = KEEL_SIDE_LONG,
                     .epoch_ns = 1,
                     .seq = 1,
                     .confidence_frac = 0.5};
    snprintf(s.signal_id, sizeof s.signal_id, "s%d", n);
    cr_assert_eq(keel_outbox_file_put(f, &s), KEEL_OK);
}

static size_t read_bytes(uint8_t *out)
{
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in);
    const size_t n = fread(out, 1, COPY_MAX, in);
    fclose(in);
    return n;
}

static void write_bytes(const uint8_t *data, size_t len)
{
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to);
    cr_assert_eq(fwrite(data, 1, len, to), len);
    fclose(to);
}

Test(outbox_file, gives_back_what_waits_in_order)
{
    keel_outbox_file *f = must_open();
    cr_assert_eq(found_n, 0);
    cr_assert_eq(keel_outbox_file_epoch_ns(f), 0);
    cr_assert_eq(keel_outbox_file_begin(f, 1234), KEEL_OK);
    for (int i = 1; i <= 5; i++)
        put(f, i);
    cr_assert_eq(keel_outbox_file_sync(f), KEEL_OK);
    cr_assert_eq(keel_outbox_file_drop(f, 2), KEEL_OK);
    cr_assert_eq(keel_outbox_file_drop(f, 4), KEEL_EINVAL, "three wait");
    keel_outbox_file_close(&f);
    keel_outbox_file_close(&f);
    f = must_open();
    cr_assert_eq(found_n, 3);
    cr_assert_str_eq(found[0], "s3");
    cr_assert_str_eq(found[2], "s5");
    cr_assert_eq(keel_outbox_file_epoch_ns(f), 1234);
    cr_assert_eq(keel_outbox_file_drop(f, 3), KEEL_OK);
    put(f, 6);
    keel_outbox_file_close(&f);
    f = must_open();
    cr_assert_eq(found_n, 1);
    cr_assert_str_eq(found[0], "s6");
    keel_outbox_file_close(&f);
}

/* Killed at any byte: what was whole is there, the cut record is not, and writing goes on. */
Test(outbox_file, survives_a_cut_at_every_byte)
{
    static uint8_t copy[COPY_MAX];
    size_t ends[8] = {0};
    uint8_t probe[COPY_MAX / 8];
    keel_outbox_file *f = must_open();
    ends[0] = read_bytes(copy);
    for (int i = 1; i <= 6; i++) {
        put(f, i);
        ends[i] = read_bytes(copy);
    }
    keel_outbox_file_close(&f);
    for (size_t cut = 0; cut <= ends[6]; cut++) {
        int whole = 0;
        while (whole < 6 && ends[whole + 1] <= cut)
            whole++;
        write_bytes(copy, cut);
        f = must_open();
        cr_assert_eq(found_n, whole, "cut at %zu: %d of %d", cut, found_n, whole);
        put(f, 100);
        keel_outbox_file_close(&f);
        f = must_open();
        cr_assert_eq(found_n, whole + 1);
        cr_assert_str_eq(found[whole], "s100");
        keel_outbox_file_close(&f);
    }
    /* A disk that never got the last bytes: zeros where the record should be. */
    memcpy(probe, copy, ends[6]);
    memset(probe + ends[5], 0, ends[6] - ends[5]);
    write_bytes(probe, ends[6]);
    f = must_open();
    cr_assert_eq(found_n, 5);
    keel_outbox_file_close(&f);
}

/* Damage is refused by its place, or it only cuts the last record; never is a signal changed or one
 * in the middle left out. */
Test(outbox_file, refuses_damage_before_the_end)
{
    static uint8_t copy[COPY_MAX], bad[COPY_MAX];
    keel_outbox_file *f = must_open();
    put(f, 1);
    put(f, 2);
    const size_t last = read_bytes(copy);
    put(f, 3);
    keel_outbox_file_close(&f);
    const size_t len = read_bytes(copy);
    for (size_t at = 0; at < len; at++) {
        keel_err err = {0};
        memcpy(bad, copy, len);
        bad[at] ^= 0x10;
        write_bytes(bad, len);
        f = reopen(&err);
        if (at < last) {
            cr_assert_null(f, "byte %zu", at);
            cr_assert_eq(err.status, KEEL_EFORMAT, "byte %zu: %s", at, err.text);
            cr_assert_not_null(strstr(err.text, path));
        } else if (f != NULL) {
            cr_assert_eq(found_n, 2, "byte %zu", at);
        }
        keel_outbox_file_close(&f);
    }
}

Test(outbox_file, never_writes_over_a_file_that_is_none)
{
    static const char *const others[] = {"hi", "a file of somebody else's that is long enough"};
    static uint8_t copy[COPY_MAX];
    for (int i = 0; i < 2; i++) {
        keel_err err = {0};
        write_bytes((const uint8_t *)others[i], strlen(others[i]));
        cr_assert_null(reopen(&err));
        cr_assert_eq(err.status, KEEL_EFORMAT, "%s", err.text);
        cr_assert_eq(read_bytes(copy), strlen(others[i]));
        cr_assert_eq(memcmp(copy, others[i], strlen(others[i])), 0);
    }
}

Test(outbox_file, belongs_to_one_strategy_and_one_process)
{
    keel_err err = {0};
    keel_outbox_file *f = must_open();
    put(f, 1);
    cr_assert_null(reopen(&err));
    cr_assert_eq(err.status, KEEL_EEXIST, "%s", err.text);
    const pid_t child = fork();
    if (child == 0)
        _exit(reopen(&err) == NULL && err.status == KEEL_EEXIST ? 0 : 1);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "another process got it");
    keel_outbox_file_close(&f);
    f = keel_outbox_file_open(path, "breakout", keep, NULL, &err);
    cr_assert_null(f);
    cr_assert_eq(err.status, KEEL_EUNKNOWN, "%s", err.text);
    f = must_open();
    cr_assert_eq(found_n, 1);
    keel_outbox_file_close(&f);
    cr_assert_null(keel_outbox_file_open("/nonexistent/box", "momentum", keep, NULL, &err));
    cr_assert_eq(err.status, KEEL_EIO);
    cr_assert_not_null(strstr(err.text, "/nonexistent/box"));
}

static off_t size_of(void)
{
    struct stat facts;
    cr_assert_eq(stat(path, &facts), 0);
    return facts.st_size;
}

Test(outbox_file, stays_small_and_loses_nothing_when_it_is_written_anew)
{
    keel_outbox_file *f = must_open();
    off_t most = 0;
    cr_assert_eq(keel_outbox_file_begin(f, 77), KEEL_OK);
    int n = 0;
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < 100; i++)
            put(f, ++n);
        cr_assert_eq(keel_outbox_file_drop(f, round == 0 ? 90 : 100), KEEL_OK);
        most = size_of() > most ? size_of() : most;
    }
    cr_assert_lt(most, 3 << 20, "%lld bytes", (long long)most);
    keel_outbox_file_close(&f);
    f = must_open();
    cr_assert_eq(found_n, 10);
    cr_assert_str_eq(found[0], "s39991");
    cr_assert_str_eq(found[9], "s40000");
    cr_assert_eq(keel_outbox_file_epoch_ns(f), 77);
    keel_outbox_file_close(&f);
}

Test(outbox_file, a_full_disk_refuses_the_signal_and_keeps_the_file)
{
    keel_outbox_file *f = must_open();
    put(f, 1);
    /* The limit of a process stands for the disk. */
    const pid_t child = fork();
    if (child == 0) {
        keel_signal s = {.strategy = "momentum",
                         .symbol = "B",
                         .side = KEEL_SIDE_LONG,
                         .epoch_ns = 1,
                         .seq = 1,
                         .signal_id = "too-much"};
        const struct rlimit limit = {(rlim_t)size_of() + 20, (rlim_t)size_of() + 20};
        signal(SIGXFSZ, SIG_IGN);
        _exit(setrlimit(RLIMIT_FSIZE, &limit) == 0 && keel_outbox_file_put(f, &s) == KEEL_EIO ? 0
                                                                                              : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    keel_outbox_file_close(&f);
    f = must_open();
    cr_assert_eq(found_n, 1, "the half-written record is gone");
    keel_outbox_file_close(&f);
}

static void killed_at_work(int out)
{
    keel_outbox_file *f = reopen(NULL);
    for (int i = 1; f != NULL && i < 1000000; i++) {
        keel_signal s = {
            .strategy = "momentum", .symbol = "B", .side = KEEL_SIDE_LONG, .epoch_ns = 1, .seq = 1};
        snprintf(s.signal_id, sizeof s.signal_id, "s%d", i);
        if (keel_outbox_file_put(f, &s) != KEEL_OK || write(out, &i, sizeof i) != sizeof i)
            _exit(1);
        if (i % 3 == 0 && keel_outbox_file_drop(f, 3) != KEEL_OK)
            _exit(1);
    }
    _exit(1);
}

Test(outbox_file, kill_9_loses_nothing_that_was_put, .timeout = 60)
{
    for (int round = 0; round < 20; round++) {
        int ends[2], last = 0, read_now;
        unlink(path);
        cr_assert_eq(pipe(ends), 0);
        const pid_t child = fork();
        if (child == 0)
            killed_at_work(ends[1]);
        close(ends[1]);
        while (last < 100 + 37 * round && read(ends[0], &read_now, sizeof read_now) > 0)
            last = read_now;
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(ends[0], &read_now, sizeof read_now) == sizeof read_now)
            last = read_now;
        close(ends[0]);
        keel_outbox_file *f = must_open();
        char want[16];
        snprintf(want, sizeof want, "s%d", last);
        bool there = last % 3 == 0 && found_n <= 1; /* it may be acknowledged */
        for (int i = 0; i < found_n; i++)
            there = there || strcmp(found[i], want) == 0;
        cr_assert(there, "round %d: s%d is gone, %d left", round, last, found_n);
        cr_assert_leq(found_n, 4);
        keel_outbox_file_close(&f);
    }
}
