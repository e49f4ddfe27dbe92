#include "common/keys/keys.h"

#include "common/base/mem.h"
#include "common/base/timefmt.h"
#include "common/service/names.h"
#include "services/cli/door.h"
#include "services/cli/tables.h"
#include "services/cli/verbs.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_BYTES = KEEL_PATH_CAP, RIGHTS_BYTES = 512, RELAY_MS = 1500 };

static bool is_folder(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

static keel_status join(const char *dir, const char *name, char out[FOLDER_BYTES], keel_err *err)
{
    const int n = snprintf(out, FOLDER_BYTES, "%s/%s", dir, name);
    return n > 0 && n < FOLDER_BYTES ? KEEL_OK
                                     : keel_err_set(err, KEEL_ETOOBIG, "--dir: path too long");
}

/* Where keys lie: in a folder, which may be that of a run. */
typedef struct place {
    char folder[FOLDER_BYTES];
    bool is_run;
    keel_run run;
} place;

/* What `--dir` means: a run by its id or directory, or a folder of keys; without it the run that is
 * up. */
static keel_status find_place(const keel_args *args, place *p, keel_err *err)
{
    const char *given = keel_args_text(args, "dir");
    char config[FOLDER_BYTES];
    keel_err none;
    memset(p, 0, sizeof *p);
    if (given == NULL) {
        KEEL_TRY(keel_run_find_live(NULL, &p->run, err));
        p->is_run = true;
        return join(p->run.dir, "keys", p->folder, err);
    }
    KEEL_TRY(join(given, "config.yaml", config, err));
    p->is_run = (access(config, F_OK) == 0 || !is_folder(given)) && strcmp(given, ".") != 0 &&
                keel_run_find(given, NULL, &p->run, &none) == KEEL_OK;
    if (p->is_run)
        return join(p->run.dir, "keys", p->folder, err);
    KEEL_TRY(join(given, "keys", p->folder, err));
    if (is_folder(p->folder) || access(config, F_OK) == 0)
        return KEEL_OK;
    const int n = snprintf(p->folder, sizeof p->folder, "%s", given);
    return n < FOLDER_BYTES ? KEEL_OK : keel_err_set(err, KEEL_ETOOBIG, "--dir: path too long");
}

/* How often the run's relay has read its keys; 0 = it does not say. */
static uint64_t times_read(const place *p, keel_client *client)
{
    keel_request request = {.ask = KEEL_ASK_STATUS};
    uint64_t times = 0;
    if (client == NULL || !p->is_run)
        return 0;
    keel_reply *reply = keel_xcalloc(1, sizeof *reply);
    snprintf(request.service, sizeof request.service, "relay");
    if (keel_client_ask(client, &request, RELAY_MS, reply) == KEEL_OK && reply->has_status)
        for (int i = 0; i < reply->status.counters_n; i++)
            if (strcmp(reply->status.counters[i].name, "keys_loaded") == 0)
                times = reply->status.counters[i].value;
    keel_free(&reply);
    return times;
}

/* A door to ask at, when the run is up; NULL otherwise. */
static keel_client *watch_relay(const place *p, uint64_t *times)
{
    keel_err none;
    keel_client *client = NULL;
    if (p->is_run && keel_run_holder(&p->run) != 0)
        client = keel_door_open(&p->run, RELAY_MS, &none);
    *times = times_read(p, client);
    return client;
}

/* Wait until the relay has read what was changed since watch_relay: twice, because the first time
 * may have begun before. True when it has. */
static bool relay_has_read(const place *p, keel_client **client, uint64_t times)
{
    const int64_t until = keel_monotonic_ns() + RELAY_MS * KEEL_NS_PER_MS;
    bool has_read = false;
    while (*client != NULL && times > 0 && !has_read && keel_monotonic_ns() < until) {
        keel_pause_ms(20);
        has_read = times_read(p, *client) >= times + 2;
    }
    keel_client_close(client);
    return has_read;
}

static void print_line(const keel_cli *cli, json_t *object)
{
    json_dumpf(object, cli->out, JSON_COMPACT);
    fputc('\n', cli->out);
    json_decref(object);
}

/* ---- add ---- */

/* A key of this name would be taken for somebody it is not. */
static keel_status check_name(const char *name, bool is_operator, keel_err *err)
{
    static const char *const taken[] = {"cli", "core", "reserve", "netting"};
    for (size_t i = 0; i < keel_all_services_n; i++)
        if (strcmp(keel_all_services[i], name) == 0)
            return keel_err_set(err, KEEL_EINVAL, "%s is a service's name; take another", name);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(taken[i], name) == 0)
            return keel_err_set(err, KEEL_EINVAL, "%s means something else here; take another name",
                                name);
    if (!is_operator && strcmp(name, KEEL_KEY_OPERATOR) == 0)
        return keel_err_set(err, KEEL_EINVAL,
                            "a key named operator is an operator's: say --operator");
    return KEEL_OK;
}

static void tell_added(const keel_cli *cli, const char *folder, const char *name, bool is_operator)
{
    fprintf(cli->out, "%s has a key now: %s\n", name,
            is_operator ? "an operator's, for everything"
                        : "it may send as the strategy of its name");
    fprintf(cli->out, "  secret       %s/%s.secret   (give it to %s and to nobody else)\n", folder,
            name, name);
    fprintf(cli->out, "  door's key   %s/%s.public\n", folder, KEEL_KEY_DOOR);
    fprintf(cli->out,
            "A client names both files (libkeel: secret_key and server_key). Other rights: "
            "%s/%s.rights\n",
            folder, name);
}

int keel_verb_key_add(const keel_args *args, const keel_cli *cli)
{
    place p;
    keel_key_pair door;
    keel_err err = {0};
    uint64_t times = 0;
    const char *name = args->operands[0];
    const bool is_operator = keel_args_on(args, "operator");
    if (check_name(name, is_operator, &err) != KEEL_OK) {
        fprintf(cli->err, "keel: %s\n", err.text);
        return KEEL_EXIT_USAGE;
    }
    if (find_place(args, &p, &err) != KEEL_OK || keel_keys_folder(p.folder, &err) != KEEL_OK ||
        keel_key_pair_have(p.folder, KEEL_KEY_DOOR, &door, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    explicit_bzero(&door, sizeof door);
    keel_client *relay = watch_relay(&p, &times);
    const keel_status status = keel_key_add(p.folder, name, is_operator, &err);
    const bool holds = relay_has_read(&p, &relay, times);
    if (status != KEEL_OK)
        return keel_cli_fail(cli, &err);
    if (keel_args_on(args, "json"))
        print_line(cli, json_pack("{s:s,s:s,s:s+++,s:s+,s:b}", "name", name, "role",
                                  is_operator ? "operator" : "strategy", "secret", p.folder, "/",
                                  name, ".secret", "door", p.folder, "/" KEEL_KEY_DOOR ".public",
                                  "holds", holds));
    else
        tell_added(cli, p.folder, name, is_operator);
    return KEEL_EXIT_OK;
}

/* ---- ls ---- */

static const char *role_of(const keel_rights *rights)
{
    if (rights->is_operator)
        return "operator";
    return rights->strategies_n > 0 ? "strategy" : "reader";
}

static void list_json(const keel_keys *keys, const keel_cli *cli)
{
    char rights[RIGHTS_BYTES];
    for (int i = 0; i < keys->n; i++) {
        const keel_key *key = &keys->keys[i];
        keel_rights_text(&key->rights, rights, sizeof rights);
        print_line(cli, json_pack("{s:s,s:s,s:s,s:s}", "name", key->name, "role",
                                  role_of(&key->rights), "key", key->public_key, "rights", rights));
    }
}

static void list_table(const keel_keys *keys, const keel_cli *cli)
{
    char rights[RIGHTS_BYTES];
    keel_table *table = keel_table_new("name|role|public key|rights");
    for (int i = 0; i < keys->n; i++) {
        const keel_key *key = &keys->keys[i];
        keel_rights_text(&key->rights, rights, sizeof rights);
        keel_table_cell(table, KEEL_INK_PLAIN, "%s", key->name);
        keel_table_cell(table, key->rights.is_operator ? KEEL_INK_YELLOW : KEEL_INK_PLAIN, "%s",
                        role_of(&key->rights));
        keel_table_cell(table, KEEL_INK_DIM, "%s", key->public_key);
        keel_table_cell(table, KEEL_INK_PLAIN, "%s", rights);
    }
    keel_table_print(table, cli);
    keel_table_free(&table);
}

int keel_verb_key_ls(const keel_args *args, const keel_cli *cli)
{
    place p;
    keel_err err = {0};
    if (find_place(args, &p, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    keel_keys *keys = keel_keys_load(p.folder, &err);
    if (keys == NULL)
        return keel_cli_fail(cli, &err);
    if (keel_args_on(args, "json"))
        list_json(keys, cli);
    else
        list_table(keys, cli);
    const int refused = keys->refused_n;
    if (refused > 0)
        fprintf(cli->err, "keel: %d of these files let nobody in; the first: %s\n", refused,
                keys->refused.text);
    keel_keys_free(&keys);
    return refused > 0 ? KEEL_EXIT_FAILED : KEEL_EXIT_OK;
}

/* ---- revoke ---- */

int keel_verb_key_revoke(const keel_args *args, const keel_cli *cli)
{
    place p;
    keel_err err = {0};
    uint64_t times = 0;
    const char *name = args->operands[0];
    if (find_place(args, &p, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    keel_client *relay = watch_relay(&p, &times);
    const keel_status status = keel_key_revoke(p.folder, name, &err);
    const bool holds = relay_has_read(&p, &relay, times);
    if (status != KEEL_OK)
        return keel_cli_fail(cli, &err);
    if (keel_args_on(args, "json"))
        print_line(cli,
                   json_pack("{s:s,s:s,s:b}", "name", name, "state", "revoked", "holds", holds));
    else
        fprintf(cli->out,
                "%s has no key any more.%s A link that is open goes on reading\n"
                "until it ends or the relay starts again.\n",
                name,
                holds ? " The relay refuses what it sends from now on."
                      : " A relay that runs refuses what it sends within a second.");
    if (strcmp(name, KEEL_KEY_OPERATOR) == 0)
        fputs("keel: keel itself asks with this key; for another: keel key add operator "
              "--operator\n",
              cli->err);
    return KEEL_EXIT_OK;
}
