#include "services/backtest/run.h"

#include "common/service/host.h"
#include "common/service/names.h"
#include "common/service/replay.h"
#include "services/backtest/apps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

extern char **environ;

bool keel_run_load(const char *file, int flags_n, const char *const *flags, keel_run *run)
{
    keel_err err = {0};
    const keel_cfg_row *tables[16];
    const keel_config_sources sources = {file, (const char *const *)environ, flags_n, flags};
    static const char *const others[] = {"relay"};
    int n = 0;
    *run = (keel_run){0};
    run->config = keel_config_load(&sources, &err);
    if (run->config == NULL)
        goto refused;
    run->universe = keel_xcalloc(1, sizeof *run->universe);
    tables[n++] = keel_settings_rows();
    for (int i = 0; i < keel_apps_n; i++)
        tables[n++] = keel_apps[i]->cfg;
    if (keel_config_check(run->config, tables, n, others, 1, &err) == KEEL_OK &&
        keel_settings_load(run->config, &run->settings, run->universe, &err) == KEEL_OK)
        return true;
refused:
    fprintf(stderr, "keel-backtest: %s\n", err.text);
    keel_run_free(run);
    return false;
}

void keel_run_free(keel_run *run)
{
    keel_free(&run->universe);
    keel_config_free(&run->config);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

int keel_run_host(const keel_run *run, const char *journal_dir, bool json)
{
    keel_err err = {0};
    struct timespec start;
    const keel_host_cfg cfg = {.specs = keel_apps,
                               .specs_n = keel_apps_n,
                               .config = run->config,
                               .settings = &run->settings,
                               .universe = run->universe,
                               .epoch_ns = 1,
                               .journal_dir = journal_dir};
    clock_gettime(CLOCK_MONOTONIC, &start);
    keel_host *host = keel_host_new(&cfg, &err);
    if (host == NULL) {
        fprintf(stderr, "keel-backtest: %s\n", err.text);
        return KEEL_EXIT_CONFIG;
    }
    const keel_status ended = keel_host_run(host, UINT64_MAX);
    const uint64_t steps = keel_host_done(host, "ledger");
    const double seconds = seconds_since(&start);
    printf(json ? "{\"steps\":%" PRIu64 ",\"seconds\":%.3f}\n" : "%" PRIu64 " steps in %.3f s\n",
           steps, seconds);
    keel_host_free(&host);
    return ended == KEEL_EEND ? 0 : KEEL_EXIT_FAILED;
}

static int64_t still(void *arg)
{
    (void)arg;
    return 1;
}

static void print_report(const char *journal, const keel_replay_report *r, bool json)
{
    if (json) {
        printf("{\"journal\":\"%s\",\"service\":\"%s\",\"run\":\"%s\",\"segments\":%" PRIu64
               ",\"steps\":%" PRIu64 ",\"inputs\":%" PRIu64 ",\"reproduced\":%" PRIu64
               ",\"differing\":%" PRIu64 ",\"first_difference\":\"%s\"}\n",
               journal, r->service, r->run_id, r->segments, r->steps, r->inputs, r->reproduced,
               r->differing, r->first_difference);
        return;
    }
    printf("%-22s %" PRIu64 " steps, %" PRIu64 " inputs, %" PRIu64 " payloads reproduced, %" PRIu64
           " differ%s%s\n",
           r->service, r->steps, r->inputs, r->reproduced, r->differing,
           r->first_difference[0] != '\0' ? ": " : "", r->first_difference);
}

int keel_run_replay(const keel_run *run, const char *journal, bool json)
{
    keel_err err = {0};
    keel_replay_report report;
    if (keel_replay_peek(journal, &report, &err) != KEEL_OK) {
        fprintf(stderr, "keel-backtest: %s\n", err.text);
        return KEEL_EXIT_FAILED;
    }
    const keel_service_spec *spec = keel_app_find(report.service);
    if (spec == NULL) {
        fprintf(stderr, "keel-backtest: %s: no service '%s' here\n", journal, report.service);
        return KEEL_EXIT_FAILED;
    }
    keel_obs *obs = keel_obs_new(spec->name, KEEL_LOG_ERROR, stderr, still, NULL);
    const keel_node_cfg cfg = {.spec = spec,
                               .config = run->config,
                               .settings = &run->settings,
                               .universe = run->universe,
                               .obs = obs,
                               .wall_ns = still,
                               .mono_ns = still};
    const keel_status status = keel_replay(journal, &cfg, &report, &err);
    if (status == KEEL_OK)
        print_report(journal, &report, json);
    else
        fprintf(stderr, "keel-backtest: %s\n", err.text);
    keel_obs_free(&obs);
    return status == KEEL_OK && report.differing == 0 ? 0 : KEEL_EXIT_FAILED;
}
