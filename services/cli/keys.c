#include "common/keys/keys.h"
#include "common/base/mem.h"
#include "common/service/names.h"
#include "services/cli/door.h"
#include "services/cli/tables.h"
#include "services/cli/verbs.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_BYTES = KEEL_PATH_CAP, RIGHTS_BYTES = 512 };

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

/* Where the keys lie that `--dir` means: a run by its id or directory, or a folder of keys; without
 * it the run that is up. */
static keel_status find_folder(const keel_args *args, char out[FOLDER_BYTES], keel_err *err)
{
    const char *given = keel_args_text(args, "dir");
    char config[FOLDER_BYTES];
    keel_run run;
    if (given != NULL && strchr(given, '/') == NULL && !is_folder(given) &&
        keel_run_find(given, NULL, &run, err) == KEEL_OK)
        return join(run.dir, "keys", out, err);
    if (given == NULL) {
        KEEL_TRY(keel_run_find_live(NULL, &run, err));
        return join(run.dir, "keys", out, err);
    }
    KEEL_TRY(join(given, "keys", out, err));
    KEEL_TRY(join(given, "config.yaml", config, err));
    if (is_folder(out) || access(config, F_OK) == 0)
        return KEEL_OK;
    const int n = snprintf(out, FOLDER_BYTES, "%s", given);
    return n < FOLDER_BYTES ? KEEL_OK : keel_err_set(err, KEEL_ETOOBIG, "--dir: path too long");
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
            "A client names both files (libkeel: secret_key and server_key). A running "
            "relay lets it in\nwithin a second. Other rights: %s/%s.rights\n",
            folder, name);
}

int keel_verb_key_add(const keel_args *args, const keel_cli *cli)
{
    char folder[FOLDER_BYTES];
    keel_key_pair door;
    keel_err err = {0};
    const char *name = args->operands[0];
    const bool is_operator = keel_args_on(args, "operator");
    if (check_name(name, is_operator, &err) != KEEL_OK) {
        fprintf(cli->err, "keel: %s\n", err.text);
        return KEEL_EXIT_USAGE;
    }
    if (find_folder(args, folder, &err) != KEEL_OK || keel_keys_folder(folder, &err) != KEEL_OK ||
        keel_key_pair_have(folder, KEEL_KEY_DOOR, &door, &err) != KEEL_OK ||
        keel_key_add(folder, name, is_operator, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    explicit_bzero(&door, sizeof door);
    if (keel_args_on(args, "json"))
        print_line(cli, json_pack("{s:s,s:s,s:s+++,s:s+}", "name", name, "role",
                                  is_operator ? "operator" : "strategy", "secret", folder, "/",
                                  name, ".secret", "door", folder, "/" KEEL_KEY_DOOR ".public"));
    else
        tell_added(cli, folder, name, is_operator);
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
    char folder[FOLDER_BYTES];
    keel_err err = {0};
    if (find_folder(args, folder, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    keel_keys *keys = keel_keys_load(folder, &err);
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
    char folder[FOLDER_BYTES];
    keel_err err = {0};
    const char *name = args->operands[0];
    if (find_folder(args, folder, &err) != KEEL_OK ||
        keel_key_revoke(folder, name, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    if (keel_args_on(args, "json"))
        print_line(cli, json_pack("{s:s,s:s}", "name", name, "state", "revoked"));
    else
        fprintf(cli->out,
                "%s has no key any more. A running relay refuses what it sends from now "
                "on, on links that are\nopen too (within a second); such a link goes on "
                "reading until it ends or the relay starts again.\n",
                name);
    if (strcmp(name, KEEL_KEY_OPERATOR) == 0)
        fputs("keel: keel itself asked with this key; for another: keel key add operator "
              "--operator\n",
              cli->err);
    return KEEL_EXIT_OK;
}
