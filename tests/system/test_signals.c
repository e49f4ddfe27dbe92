/* G1-G4, P5, P8, S5 on real processes: nothing that was acknowledged is lost, nothing is decided or
 * filled twice, whatever is killed or stopped, Redis and the clients themselves included; a kill of
 * the log is a power cut, which takes from its file what was not synced.
 *
 *   live      three strategies signal all the time, a watcher reads: 200 kills in four minutes
 *             (KEEL_LONG=1: 2,000), then everything is held against the log and the books
 *   lockstep  three strategies that the market waits for: the decisions and the books end as those
 *             of a calm run
 *   mutations the live scene with one rule switched off, in a process of its own: it has to fail,
 *             for the reason that the rule is there for; and with none switched off, not to
 *
 * KEEL_SEED=n: another seed. Plain main: ends with "N passed, N failed". */
#include "common/base/rng.h"
#include "tests/support/verdict.h"
#include "tests/support/world/audit.h"
#include "tests/support/world/cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STRATEGIES = 3,
    WINDOW_MS = 10000,
    FREE_MS = 3500,
    WINDOWS = 14,
    KILLS_MIN = 200,
    LONG_FACTOR = 10,
    STOP_MS_MAX = 3000,
    ACKS_MIN = 50000,
    FILLS_MIN = 500,
    MUTANT_MS = 10000,
    MUTANT_DRAIN_MS = 10000,
    LOCKSTEP_ROWS = 1200,
    LOCKSTEP_KILLS = 40,
    DRAIN_MS = 60000,
    SERVICE_LEDGER = 2,
    SERVICE_FEED = 0
};

static const char *const strategies[STRATEGIES] = {"alpha", "beta", "gamma"};

/* ---- a scene ---- */

typedef struct scene {
    keel_cluster c;
    keel_history said;
    keel_recorded log;
    keel_rng rng;
    int64_t polled_ms;
    int kills[KEEL_CLUSTER_PLACES];
    int stops[KEEL_CLUSTER_PLACES];
    int kills_n, stops_n, doubles;
    uint64_t targets; /* bits of the processes that may be hit; 0 = all */
} scene;

static void write_config(const scene *s, bool lockstep, int rows)
{
    char path[128];
    snprintf(path, sizeof path, "%s/config.yaml", s->c.dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        abort();
    fprintf(
        f,
        "run: {id: test-world, dir: %s, mode: %s, pace: 50ms}\n"
        "universe:\n"
        "  name: main\n"
        "  bar: 1h\n"
        "  instruments:\n"
        "    - {symbol: A-SIM, sector: One, lot: 0.0001}\n"
        "    - {symbol: B-SIM, sector: One, lot: 0.0001}\n"
        "    - {symbol: C-SIM, sector: Two, lot: 0.0001}\n"
        "    - {symbol: D-SIM, sector: Two, lot: 0.0001}\n"
        "    - {symbol: E-SIM, sector: Two, lot: 0.0001, session: weekdays}\n"
        "portfolio: {max_positions: 0, correlation_window: 2, max_drawdown: 20%%,\n"
        "            rebalancing_frequency: 6h}\n"
        "capital: {core: 0.3, alpha: 0.2, beta: 0.2, gamma: 0.2}\n"
        "strategies: {alpha: {lockstep: true}, beta: {lockstep: true}, gamma: {lockstep: true}}\n"
        "risk_manager: {equity_usd: 1000000}\n"
        "feed: {source: simulator, rows: %d, seed: 7}\n"
        "correlation: {rows_min: 5}\n"
        "optimizer: {weight_max: 0.5}\n"
        "risk: {max_weight: 0.5, re_arm_after: 12h}\n"
        "strategy-coordinator: {conflict: %s}\n",
        s->c.dir, lockstep ? "lockstep" : "live", rows, lockstep ? "first_in_first_out" : "allow");
    fclose(f);
}

static void add_client(scene *s, const char *kind, const char *name, const char *rate)
{
    keel_cluster_client client = {0};
    snprintf(client.name, sizeof client.name, "%s", name);
    snprintf(client.words[0], sizeof client.words[0], "outsider");
    snprintf(client.words[1], sizeof client.words[1], "%s", kind);
    snprintf(client.words[2], sizeof client.words[2], "%s", s->c.dir);
    snprintf(client.words[3], sizeof client.words[3], "%s", name);
    snprintf(client.words[4], sizeof client.words[4], "%s", rate);
    keel_cluster_add_client(&s->c, &client);
}

static void begin(scene *s, bool lockstep, int rows, const char *fsync_rule, unsigned without)
{
    char rate[16] = "";
    if (!lockstep)
        snprintf(rate, sizeof rate, "%s",
                 getenv("KEEL_RATE") != NULL ? getenv("KEEL_RATE") : "150");
    keel_cluster_prepare(&s->c, false);
    write_config(s, lockstep, rows);
    s->c.without = without;
    keel_cluster_cut_power(&s->c, fsync_rule);
    for (int i = 0; i < STRATEGIES; i++)
        add_client(s, lockstep ? "lockstep" : "live", strategies[i], rate);
    add_client(s, "watch", "watcher", "");
    keel_history_open(&s->said, s->c.dir, STRATEGIES, strategies);
    keel_history_watch(&s->said, s->c.dir, "watcher");
    keel_recorded_open(&s->log, s->c.dir, STRATEGIES, strategies);
    keel_cluster_up(&s->c);
}

static void end(scene *s)
{
    keel_cluster_down(&s->c);
    keel_history_close(&s->said);
    keel_recorded_close(&s->log);
    if (getenv("KEEL_KEEP") == NULL)
        keel_cluster_remove(&s->c);
    else
        printf("  kept: %s\n", s->c.dir);
}

/* Go on for `ms`: read what there is to read; true when the last row is closed everywhere. */
static bool tend(scene *s, int ms)
{
    const int64_t until = keel_test_mono_ms() + ms;
    do {
        const int64_t left = until - keel_test_mono_ms();
        keel_cluster_watch(&s->c, left > 50 ? 50 : left > 0 ? (int)left : 0);
        keel_recorded_poll(&s->log);
        if (keel_test_mono_ms() - s->polled_ms >= 100) {
            keel_history_poll(&s->said);
            s->polled_ms = keel_test_mono_ms();
        }
        (void)keel_cluster_revive(&s->c);
    } while (keel_test_mono_ms() < until && !keel_cluster_done(&s->c));
    return keel_cluster_done(&s->c);
}

static int pick(scene *s)
{
    int i;
    do {
        i = (int)keel_rng_below(&s->rng, (uint64_t)keel_cluster_places(&s->c));
    } while (s->targets != 0 && (s->targets >> i & 1) == 0);
    return i;
}

/* Whoever was stopped least, so that everyone is. */
static int pick_to_stop(scene *s)
{
    int i = pick(s);
    for (int k = 0; k < keel_cluster_places(&s->c); k++)
        if (s->stops[k] < s->stops[i] && (s->targets == 0 || (s->targets >> k & 1) != 0))
            i = k;
    return i;
}

static void kill_one(scene *s, int i)
{
    if (i == KEEL_CLUSTER_LOG)
        keel_recorded_poll(&s->log);
    keel_cluster_kill(&s->c, i);
    if (i == KEEL_CLUSTER_LOG)
        keel_recorded_after_cut(&s->log);
    s->kills[i]++;
    s->kills_n++;
}

static void stop_one(scene *s, int i, int ms)
{
    keel_cluster_signal(&s->c, i, SIGSTOP);
    tend(s, ms);
    keel_cluster_signal(&s->c, i, SIGCONT);
    s->stops[i]++;
    s->stops_n++;
}

/* One kill, two at once, or a stop; everything is up again at the end. */
static void strike(scene *s)
{
    const uint64_t kind = keel_rng_below(&s->rng, 100);
    const int one = pick(s), other = pick(s);
    if (kind < 15) {
        const bool is_long = keel_rng_below(&s->rng, 8) == 0;
        stop_one(s, pick_to_stop(s),
                 50 + (int)keel_rng_below(&s->rng, is_long ? STOP_MS_MAX - 50 : 600));
        return;
    }
    kill_one(s, one);
    if (kind < 50 && other != one) {
        tend(s, (int)keel_rng_below(&s->rng, 60));
        kill_one(s, other);
        s->doubles++;
    }
    tend(s, (int)keel_rng_below(&s->rng, 300));
    keel_cluster_start_one(&s->c, one);
    if (kind < 50 && other != one)
        keel_cluster_start_one(&s->c, other);
}

static void print_kills(const scene *s)
{
    printf("  kills:");
    for (int i = 0; i < keel_cluster_places(&s->c); i++)
        printf(" %s %d", keel_cluster_place(&s->c, i), s->kills[i]);
    printf("\n  stops:");
    for (int i = 0; i < keel_cluster_places(&s->c); i++)
        printf(" %s %d", keel_cluster_place(&s->c, i), s->stops[i]);
    printf("\n  %d kills, %d of them two at once, %d stops; %llu bytes and %llu entries of the log "
           "cut off\n",
           s->kills_n, s->doubles, s->stops_n, (unsigned long long)s->c.cut_bytes,
           (unsigned long long)s->log.gone);
}

/* Whoever catches up is behind the rows that clients have seen: their signals wait for it. */
static bool nothing_was_early(const scene *s)
{
    size_t early = 0;
    for (size_t i = 0; i < s->log.decisions_n; i++)
        early += s->log.decisions[i].code == KEEL_REASON_FROM_THE_FUTURE;
    return early * 100 <= s->log.decisions_n; /* the feed may be silent for longer than is waited */
}

static void print_decisions(const scene *s)
{
    int counts[KEEL_HISTORY_CODES] = {0};
    for (size_t i = 0; i < s->log.decisions_n; i++)
        counts[s->log.decisions[i].code % KEEL_HISTORY_CODES]++;
    printf("  %zu receipts, %zu decisions:", s->log.receipts_n, s->log.decisions_n);
    for (int code = 0; code < KEEL_HISTORY_CODES; code++)
        if (counts[code] > 0)
            printf(" %s %d", keel_reason_name((keel_reason_code)code), counts[code]);
    printf(
        "\n  clients: %zu published, %llu acknowledged, %zu decisions heard; joined %llu, cut off "
        "%llu, refused %llu, superseded %llu\n",
        s->said.said_n, (unsigned long long)s->said.acks, s->said.heard_n,
        (unsigned long long)s->said.joined, (unsigned long long)s->said.cut_off,
        (unsigned long long)s->said.refused, (unsigned long long)s->said.superseded);
    printf("  %zu fills, %llu of them of strategies; the watcher saw %zu\n", s->log.fills_n,
           (unsigned long long)s->log.strategy_fills, s->said.fills_n);
    fflush(stdout);
}

static void print_standstill(const scene *s)
{
    for (int i = 0; i < KEEL_CLUSTER_SERVICES; i++)
        printf("  %s: step %llu, awaits '%s', state %d %s\n", keel_cluster_name(i),
               (unsigned long long)s->c.beats[i].step_done, s->c.beats[i].awaited,
               s->c.beats[i].state, s->c.beats[i].why);
}

static void judge(bool ok, const char *what, const char *why)
{
    if (why[0] != '\0')
        printf("  %s\n", why);
    keel_verdict(ok, what);
}

/* Everything is held against everything. */
static void audit(scene *s)
{
    char books[128];
    snprintf(books, sizeof books, "%s/books.sqlite", s->c.dir);
    (void)keel_audit_all(&s->said, &s->log, books, judge);
    keel_verdict(s->log.unreadable == 0 && s->said.broken_lines <= (uint64_t)s->kills_n,
                 "the log and the histories can be read");
    keel_verdict(s->c.restarts == 0, "nobody died by himself");
    keel_verdict(s->said.superseded == 0 && s->said.refused == 0, "no client was refused");
}

/* ---- live ---- */

/* All say what they have left; then the market stands still. */
static void drain(scene *s, int ms)
{
    char path[128];
    snprintf(path, sizeof path, "%s/drain", s->c.dir);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
    close(fd);
    const int64_t until = keel_test_mono_ms() + ms;
    while (keel_test_mono_ms() < until &&
           (!keel_history_is_drained(&s->said) || s->log.decisions_n < s->log.receipts_n))
        tend(s, 100);
    const bool drained = keel_history_is_drained(&s->said);
    tend(s, 1000);
    keel_cluster_kill(&s->c, SERVICE_FEED);
    tend(s, 1500);
    if (!drained)
        print_standstill(s);
    keel_verdict(drained, "every client gets rid of all it has said");
}

static bool window(scene *s, int number)
{
    const int64_t start = keel_test_mono_ms();
    const uint64_t acks_at_start = s->said.acks;
    while (keel_test_mono_ms() - start < WINDOW_MS - FREE_MS) {
        strike(s);
        tend(s, 50 + (int)keel_rng_below(&s->rng, 300));
    }
    tend(s, 0);
    const uint64_t acks = s->said.acks, fills = s->log.strategy_fills,
                   step = s->c.beats[SERVICE_LEDGER].step_done;
    tend(s, FREE_MS);
    const bool alive = s->said.acks > acks && s->log.strategy_fills > fills &&
                       s->c.beats[SERVICE_LEDGER].step_done > step;
    printf(
        "  window %d: %d kills, %llu + %llu acknowledged, fills %llu + %llu, step %llu + %llu%s\n",
        number, s->kills_n, (unsigned long long)(acks - acks_at_start),
        (unsigned long long)(s->said.acks - acks), (unsigned long long)fills,
        (unsigned long long)(s->log.strategy_fills - fills), (unsigned long long)step,
        (unsigned long long)(s->c.beats[SERVICE_LEDGER].step_done - step),
        alive ? "" : ": STANDS STILL");
    if (!alive)
        print_standstill(s);
    fflush(stdout);
    return alive;
}

static bool comes_to_life(scene *s)
{
    for (int i = 0; i < 200 && (s->said.acks == 0 || s->log.strategy_fills == 0); i++)
        tend(s, 100);
    if (s->log.strategy_fills == 0)
        print_standstill(s);
    return s->said.acks > 0 && s->log.strategy_fills > 0;
}

static void live(uint64_t seed, int windows, int factor)
{
    static scene s;
    int alive = 0, hit = 0;
    s.rng = keel_rng_seeded(seed);
    s.targets = getenv("KEEL_TARGETS") != NULL ? strtoull(getenv("KEEL_TARGETS"), NULL, 0) : 0;
    begin(&s, false, 10000000, "always", 0);
    keel_verdict(comes_to_life(&s), "signals are acknowledged and fill");
    for (int w = 1; w <= windows; w++)
        alive += window(&s, w);
    drain(&s, DRAIN_MS);
    print_kills(&s);
    print_decisions(&s);
    for (int i = 0; i < keel_cluster_places(&s.c); i++)
        hit += s.kills[i] > 0 && s.stops[i] > 0;
    keel_verdict(alive == windows, "every window with fault-free seconds acknowledges and fills");
    keel_verdict(nothing_was_early(&s), "hardly a signal is refused for coming early");
    keel_verdict(s.kills_n >= KILLS_MIN * factor, "200 kills, or ten times as many");
    keel_verdict(hit == keel_cluster_places(&s.c), "every process was killed and stopped");
    keel_verdict(s.said.acks >= (uint64_t)ACKS_MIN * (uint64_t)factor,
                 "50,000 acknowledged, or ten times");
    keel_verdict(s.log.strategy_fills >= (uint64_t)FILLS_MIN * (uint64_t)factor,
                 "500 fills, or ten times as many");
    audit(&s);
    end(&s);
}

/* ---- mutations ---- */

#define BIT(place)  (UINT64_C(1) << (place))
#define COORDINATOR BIT(6)
#define EXECUTION   BIT(1)
#define LEDGER      BIT(SERVICE_LEDGER)
#define LOG         BIT(KEEL_CLUSTER_LOG)
#define RELAY       BIT(KEEL_CLUSTER_RELAY)

typedef struct mutation {
    const char *name;
    const char *fsync;
    unsigned without;
    uint64_t targets;
    const char *must_fail; /* the verdict; NULL = all hold */
} mutation;

static const mutation mutations[] = {
    {"nothing switched off", "always", 0, COORDINATOR | EXECUTION | LEDGER | LOG | RELAY, NULL},
    {"acknowledge before EXEC", "always", KEEL_WITHOUT_G1, COORDINATOR | LOG,
     "every acknowledged signal has its receipt"},
    {"fsync each second", "everysec", 0, LOG, "every acknowledged signal has its receipt"},
    {"no sequence check", "always", KEEL_WITHOUT_G3, COORDINATOR | RELAY,
     "every acknowledged signal has its receipt"},
    {"decide without a receipt", "always", KEEL_WITHOUT_G2, COORDINATOR,
     "every receipt has exactly one decision"},
    {"fills named anew each time", "always", KEEL_WITHOUT_R3, LEDGER | EXECUTION,
     "nothing is filled twice"},
};
enum { MUTATIONS = sizeof mutations / sizeof mutations[0] };

/* In a process of its own: exit 1 when a verdict fails. */
static int run_mutant(const mutation *m, uint64_t seed)
{
    static scene s;
    s.rng = keel_rng_seeded(seed);
    s.targets = m->targets;
    begin(&s, false, 10000000, m->fsync, m->without);
    keel_verdict(comes_to_life(&s), "signals are acknowledged and fill");
    const int64_t until = keel_test_mono_ms() + MUTANT_MS;
    while (keel_test_mono_ms() < until) {
        strike(&s);
        tend(&s, 300);
    }
    tend(&s, 1000);
    drain(&s, m->must_fail != NULL ? MUTANT_DRAIN_MS : DRAIN_MS);
    print_kills(&s);
    print_decisions(&s);
    audit(&s);
    end(&s);
    return keel_verdicts_failed();
}

/* Its output is shown where it surprises. */
static void judge_mutant(const mutation *m, const char *path, int status)
{
    char line[512], wanted[128], what[128];
    bool found = m->must_fail == NULL;
    FILE *f = fopen(path, "r");
    snprintf(wanted, sizeof wanted, "FAIL %s\n", m->must_fail != NULL ? m->must_fail : "");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        found = found || strcmp(line, wanted) == 0;
    const bool ok = found && WIFEXITED(status) && WEXITSTATUS(status) == (m->must_fail != NULL);
    if (f != NULL)
        rewind(f);
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (!ok || strncmp(line, "FAIL", 4) == 0 || strstr(line, "the first:") != NULL)
            printf("    %s", line);
    if (f != NULL)
        fclose(f);
    snprintf(what, sizeof what, "%s: %s", m->name,
             m->must_fail != NULL ? "found out" : "the same scene passes");
    keel_verdict(ok, what);
}

static void mutate(const mutation *m)
{
    char path[] = "/tmp/keel-mutant-XXXXXX";
    int status = 0;
    const int fd = mkstemp(path);
    if (fd < 0)
        abort();
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
            _exit(127);
        execl("/proc/self/exe", "test_signals", "--mutation", m->name, (char *)NULL);
        _exit(127);
    }
    close(fd);
    if (waitpid(pid, &status, 0) != pid)
        abort();
    judge_mutant(m, path, status);
    unlink(path);
}

/* ---- lockstep ---- */

static void run_to_the_end(scene *s, int kills)
{
    const int64_t until = keel_test_mono_ms() + 240000;
    while (keel_test_mono_ms() < until && !tend(s, 50 + (int)keel_rng_below(&s->rng, 100)))
        if (s->kills_n < kills)
            strike(s);
    keel_recorded_poll(&s->log);
    tend(s, 0);
    keel_history_poll(&s->said);
    if (!keel_cluster_done(&s->c))
        print_standstill(s);
    keel_verdict(keel_cluster_done(&s->c), "the run comes to its end");
}

/* The next decision that is not about a repeat; NULL after the last. A client that begins again in
 * an open step may say again what the log already has of it. */
static const keel_recorded_decision *next_decision(const keel_recorded *r, size_t *at)
{
    while (*at < r->decisions_n && r->decisions[*at].code == KEEL_REASON_DUPLICATE)
        ++*at;
    return *at < r->decisions_n ? &r->decisions[(*at)++] : NULL;
}

/* What was decided, but for epochs and numbers. */
static bool same_decisions(const keel_recorded *a, const keel_recorded *b)
{
    size_t i = 0, k = 0;
    for (;;) {
        const keel_recorded_decision *x = next_decision(a, &i), *y = next_decision(b, &k);
        if (x == NULL || y == NULL)
            return x == y;
        if (x->id != y->id || x->accepted != y->accepted || x->code != y->code ||
            x->step != y->step || x->intent.target_qty_units != y->intent.target_qty_units ||
            x->intent.stop_units != y->intent.stop_units)
            return printf("  calm: %s of step %llu %s; hit: %s of step %llu %s\n", x->signal_id,
                          (unsigned long long)x->step, keel_reason_name(x->code), y->signal_id,
                          (unsigned long long)y->step, keel_reason_name(y->code)) < 0;
    }
}

static void lockstep(uint64_t seed)
{
    static scene calm, hit;
    bool closed = true;
    calm.rng = hit.rng = keel_rng_seeded(seed);
    begin(&calm, true, LOCKSTEP_ROWS, "always", 0);
    run_to_the_end(&calm, 0);
    print_decisions(&calm);
    char *books_calm = keel_cluster_money(&calm.c);
    keel_cluster_down(&calm.c);
    begin(&hit, true, LOCKSTEP_ROWS, "always", 0);
    tend(&hit, 500);
    run_to_the_end(&hit, LOCKSTEP_KILLS);
    print_kills(&hit);
    print_decisions(&hit);
    char *books_hit = keel_cluster_money(&hit.c);
    for (int i = 0; i < STRATEGIES; i++)
        closed = closed && hit.said.closed_step[i] == LOCKSTEP_ROWS;
    keel_verdict(closed, "every strategy has closed every step");
    keel_verdict(hit.kills_n >= LOCKSTEP_KILLS / 2, "20 kills on the way");
    keel_verdict(calm.log.decisions_n > 1000 && same_decisions(&calm.log, &hit.log),
                 "every decision is that of the calm run");
    keel_verdict(strlen(books_calm) > 1000 && strcmp(books_calm, books_hit) == 0,
                 "the books are those of the calm run, to the last unit");
    free(books_calm);
    free(books_hit);
    audit(&hit);
    end(&hit);
    keel_history_close(&calm.said);
    keel_recorded_close(&calm.log);
    keel_cluster_remove(&calm.c);
}

int main(int argc, char **argv)
{
    const int factor = getenv("KEEL_LONG") != NULL ? LONG_FACTOR : 1;
    const uint64_t seed =
        getenv("KEEL_SEED") != NULL ? strtoull(getenv("KEEL_SEED"), NULL, 10) : 30;
    const char *only = argc == 2 ? argv[1] : "";
    printf("seed %llu\n", (unsigned long long)seed);
    for (int m = 0; argc == 3 && m < MUTATIONS; m++)
        if (strcmp(argv[1], "--mutation") == 0 && strcmp(argv[2], mutations[m].name) == 0)
            return run_mutant(&mutations[m], seed);
    if (only[0] == '\0' || strcmp(only, "lockstep") == 0)
        lockstep(seed);
    if (only[0] == '\0' || strcmp(only, "live") == 0)
        live(seed, getenv("KEEL_WINDOWS") != NULL ? atoi(getenv("KEEL_WINDOWS")) : WINDOWS * factor,
             factor);
    for (int m = 0; m < MUTATIONS && (only[0] == '\0' || strcmp(only, "mutations") == 0); m++)
        mutate(&mutations[m]);
    return keel_verdicts_end();
}
