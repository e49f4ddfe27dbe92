#include "tests/support/world/chaos.h"

#include "services/backtest/apps.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

keel_hub_fate keel_chaos_judge(void *arg, int from, int to, const char *topic)
{
    keel_chaos *c = arg;
    (void)topic;
    if (c->lose > 0 && keel_rng_uniform(&c->rng) < c->lose)
        return KEEL_HUB_LOSE;
    return c->stalled_until[from][to] > c->turn ? KEEL_HUB_HOLD : KEEL_HUB_DELIVER;
}

uint64_t keel_chaos_below(keel_chaos *c, uint64_t n)
{
    return keel_rng_below(&c->rng, n);
}

static uint64_t pause_of(keel_chaos *c)
{
    static const uint64_t turns[] = {2, 20, 120, 500};
    return c->turn + turns[keel_chaos_below(c, 4)];
}

static void kill_one(keel_chaos *c, keel_host *host, int i)
{
    if (!keel_host_is_up(host, keel_apps[i]->name))
        return;
    keel_host_kill(host, keel_apps[i]->name);
    c->service_until[i] = pause_of(c);
    c->kills++;
}

void keel_chaos_strike(keel_chaos *c, keel_host *host)
{
    const double x = keel_rng_uniform(&c->rng);
    if (x < 0.5)
        kill_one(c, host, (int)keel_chaos_below(c, (uint64_t)keel_apps_n));
    else if (x < 0.7)
        for (int i = 0; i < 3; i++)
            kill_one(c, host, (int)keel_chaos_below(c, (uint64_t)keel_apps_n));
    else if (x < 0.76)
        for (int i = 0; i < keel_apps_n; i++)
            kill_one(c, host, i);
    if (x > 0.66 && x < 0.86) {
        keel_twin_cache_up(keel_host_twin(host), false);
        c->cache_until = pause_of(c);
    }
    if (x > 0.8 && x < 0.92) {
        keel_twin_log_up(keel_host_twin(host), false);
        c->log_until = pause_of(c);
    }
    if (x > 0.9)
        keel_twin_lose_answer(keel_host_twin(host));
    for (int i = 0; i < 4; i++)
        c->stalled_until[keel_chaos_below(c, 8)][keel_chaos_below(c, 8)] = pause_of(c);
}

void keel_chaos_mend(keel_chaos *c, keel_host *host)
{
    keel_err err;
    for (int i = 0; i < keel_apps_n; i++)
        if (c->service_until[i] != 0 && c->turn >= c->service_until[i]) {
            c->service_until[i] = 0;
            if (keel_host_start(host, keel_apps[i]->name, &err) != KEEL_OK)
                abort();
        }
    if (c->log_until != 0 && c->turn >= c->log_until) {
        c->log_until = 0;
        keel_twin_log_up(keel_host_twin(host), true);
    }
    if (c->cache_until != 0 && c->turn >= c->cache_until) {
        c->cache_until = 0;
        keel_twin_cache_up(keel_host_twin(host), true);
    }
}

bool keel_chaos_is_calm(const keel_chaos *c)
{
    bool calm = c->log_until == 0 && c->cache_until == 0;
    for (int i = 0; i < KEEL_HOST_SERVICES_MAX; i++)
        calm = calm && c->service_until[i] == 0;
    return calm;
}

keel_chaos keel_chaos_seeded(uint64_t seed)
{
    return (keel_chaos){.rng = keel_rng_seeded(seed)};
}

bool keel_schedule_passes(const keel_schedule *schedule, int (*run)(const keel_schedule *schedule))
{
    int status;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        if (schedule->quiet && freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        alarm(120);
        _exit(run(schedule));
    }
    waitpid(pid, &status, 0);
    if (!schedule->quiet && WIFSIGNALED(status))
        printf("  seed %llu: died of signal %d\n", (unsigned long long)schedule->seed,
               WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

uint64_t keel_schedules_n(uint64_t usual)
{
    const char *few = getenv("KEEL_SEEDS");
    if (getenv("KEEL_LONG") != NULL)
        return 2000;
    return few != NULL ? strtoull(few, NULL, 10) : usual;
}
