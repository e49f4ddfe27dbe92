/* verbs.h - the verbs of keel: one table, and the functions it names.
 *
 * ROOM     services/cli.
 */
#ifndef KEEL_SERVICES_CLI_VERBS_H
#define KEEL_SERVICES_CLI_VERBS_H

#include "services/cli/options.h"

/* Ended by a verb without a name. */
const keel_verb *keel_verbs(void);

/* Each returns an exit code. */
int keel_verb_demo(const keel_args *args, const keel_cli *cli);
int keel_verb_up(const keel_args *args, const keel_cli *cli);
int keel_verb_down(const keel_args *args, const keel_cli *cli);
int keel_verb_status(const keel_args *args, const keel_cli *cli);
int keel_verb_doctor(const keel_args *args, const keel_cli *cli);
int keel_verb_logs(const keel_args *args, const keel_cli *cli);
int keel_verb_alloc_get(const keel_args *args, const keel_cli *cli);
int keel_verb_alloc_watch(const keel_args *args, const keel_cli *cli);
int keel_verb_portfolio_show(const keel_args *args, const keel_cli *cli);
int keel_verb_corr(const keel_args *args, const keel_cli *cli);
int keel_verb_data_check(const keel_args *args, const keel_cli *cli);
int keel_verb_optimize(const keel_args *args, const keel_cli *cli);
int keel_verb_frontier(const keel_args *args, const keel_cli *cli);
int keel_verb_config_show(const keel_args *args, const keel_cli *cli);
int keel_verb_replay(const keel_args *args, const keel_cli *cli);
int keel_verb_ledger_check(const keel_args *args, const keel_cli *cli);
int keel_verb_signal_send(const keel_args *args, const keel_cli *cli);
int keel_verb_signal_ls(const keel_args *args, const keel_cli *cli);
int keel_verb_signal_trace(const keel_args *args, const keel_cli *cli);
int keel_verb_strategy_ls(const keel_args *args, const keel_cli *cli);
int keel_verb_strategy_show(const keel_args *args, const keel_cli *cli);
int keel_verb_halt(const keel_args *args, const keel_cli *cli);
int keel_verb_resume(const keel_args *args, const keel_cli *cli);
int keel_verb_key_add(const keel_args *args, const keel_cli *cli);
int keel_verb_key_ls(const keel_args *args, const keel_cli *cli);
int keel_verb_key_revoke(const keel_args *args, const keel_cli *cli);
int keel_verb_bus_tail(const keel_args *args, const keel_cli *cli);
int keel_verb_bus_bench(const keel_args *args, const keel_cli *cli);
int keel_verb_health(const keel_args *args, const keel_cli *cli);

#endif
