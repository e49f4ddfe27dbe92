#include "common/keys/keys.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

static char dir[] = "/tmp/keel-keys-XXXXXX";

static char *file(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/keys/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *to = fopen(file(name), "w");
    cr_assert_not_null(to);
    fputs(text, to);
    fclose(to);
}

static void make_dir(void)
{
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(keel_keys_folder(file(""), NULL), KEEL_OK);
}

static void remove_dir(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

static mode_t mode_of(const char *name)
{
    struct stat facts;
    cr_assert_eq(stat(file(name), &facts), 0, "%s", name);
    return facts.st_mode & 0777;
}

static bool there(const char *name)
{
    return access(file(name), F_OK) == 0;
}

static keel_keys *load(void)
{
    keel_err err = {0};
    keel_keys *keys = keel_keys_load(file(""), &err);
    cr_assert_not_null(keys, "%s", err.text);
    return keys;
}

Test(keys, a_pair_is_made_once_and_private, .init = make_dir, .fini = remove_dir)
{
    keel_key_pair first, second;
    keel_err err = {0};
    cr_assert_eq(keel_key_pair_have(file(""), "door", &first, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(mode_of("door.secret"), 0600);
    cr_assert_eq(mode_of(""), 0700);
    unlink(file("door.public"));
    cr_assert_eq(keel_key_pair_have(file(""), "door", &second, &err), KEEL_OK, "%s", err.text);
    cr_assert_str_eq(first.secret_key, second.secret_key);
    cr_assert_str_eq(first.public_key, second.public_key);
    cr_assert(there("door.public"), "written again from the secret");
    chmod(file("door.secret"), 0640);
    cr_assert_eq(keel_key_pair_have(file(""), "door", &second, &err), KEEL_EREFUSED);
    cr_assert_not_null(strstr(err.text, "chmod 600"), "%s", err.text);
    write_file("door.secret", "short\n");
    chmod(file("door.secret"), 0600);
    cr_assert_eq(keel_key_pair_have(file(""), "door", &second, &err), KEEL_EFORMAT);
}

Test(keys, a_key_is_added_once_and_found_by_its_key, .init = make_dir, .fini = remove_dir)
{
    keel_key_pair door, pair;
    keel_err err = {0};
    cr_assert_eq(keel_key_pair_have(file(""), "door", &door, &err), KEEL_OK);
    cr_assert_eq(keel_key_add(file(""), "momentum", false, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_key_add(file(""), "boss", true, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_key_add(file(""), "operator", true, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_key_add(file(""), "momentum", true, &err), KEEL_EEXIST);
    cr_assert_not_null(strstr(err.text, "momentum.public"), "%s", err.text);
    cr_assert_eq(mode_of("momentum.secret"), 0600);
    cr_assert_not(there("momentum.rights"));
    cr_assert(there("boss.rights"));
    keel_keys *keys = load();
    cr_assert_eq(keys->n, 3, "the door is no client");
    cr_assert_eq(keys->refused_n, 0, "%s", keys->refused.text);
    cr_assert_eq(keel_key_pair_have(file(""), "momentum", &pair, &err), KEEL_OK);
    const keel_key *found = keel_keys_find(keys, pair.public_key);
    cr_assert_not_null(found);
    cr_assert_str_eq(found->name, "momentum");
    cr_assert_not(found->rights.is_operator);
    cr_assert(keel_rights_strategy(&found->rights, "momentum"));
    cr_assert_eq(keel_keys_named(keys, "momentum"), found);
    cr_assert(keel_keys_named(keys, "boss")->rights.is_operator);
    cr_assert(keel_keys_named(keys, "operator")->rights.is_operator);
    cr_assert_null(keel_keys_find(keys, door.public_key));
    cr_assert_null(keel_keys_find(keys, ""));
    cr_assert_null(keel_keys_named(keys, "door"));
    keel_keys *copy = keel_keys_copy(keys);
    keel_keys_free(&keys);
    keel_keys_free(&keys);
    cr_assert_str_eq(keel_keys_find(copy, pair.public_key)->name, "momentum");
    keel_keys_free(&copy);
}

Test(keys, a_revoked_key_leaves_nothing_and_its_name_may_be_given_again, .init = make_dir,
     .fini = remove_dir)
{
    keel_key_pair old, fresh;
    keel_err err = {0};
    cr_assert_eq(keel_key_add(file(""), "boss", true, &err), KEEL_OK);
    cr_assert_eq(keel_key_pair_have(file(""), "boss", &old, &err), KEEL_OK);
    cr_assert_eq(keel_key_revoke(file(""), "boss", &err), KEEL_OK, "%s", err.text);
    cr_assert_not(there("boss.public") || there("boss.rights") || there("boss.secret"));
    cr_assert_eq(keel_key_revoke(file(""), "boss", &err), KEEL_ENOTFOUND);
    cr_assert_eq(keel_key_revoke(file(""), "door", &err), KEEL_ENOTFOUND);
    cr_assert_eq(keel_key_revoke(file(""), "../keys/x", &err), KEEL_ENOTFOUND);
    cr_assert_eq(keel_key_add(file(""), "boss", false, &err), KEEL_OK, "%s", err.text);
    cr_assert_eq(keel_key_pair_have(file(""), "boss", &fresh, &err), KEEL_OK);
    keel_keys *keys = load();
    cr_assert_null(keel_keys_find(keys, old.public_key), "the old key does not come in again");
    cr_assert_not(keel_keys_find(keys, fresh.public_key)->rights.is_operator);
    keel_keys_free(&keys);
}

Test(keys, names_that_leave_the_folder_are_refused, .init = make_dir, .fini = remove_dir)
{
    static const char *const bad[] = {
        "",     "door",    "a/b",
        "../x", ".hidden", "a b",
        "a\nb", "ä",       "a123456789012345678901234567890123456789012345678"};
    keel_err err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(keel_key_add(file(""), bad[i], false, &err), KEEL_EINVAL, "'%s'", bad[i]);
    keel_keys *keys = load();
    cr_assert_eq(keys->n, 0);
    keel_keys_free(&keys);
}

Test(keys, a_bad_file_keeps_its_own_key_out_and_is_named, .init = make_dir, .fini = remove_dir)
{
    static const struct {
        const char *name, *text, *says;
    } cases[] = {
        {"bob.public", "too short\n", "bob.public: is not a z85 key"},
        {"bob.public", "", "bob.public: is not a z85 key"},
        {"a b.public", "x", "a b.public: a key is named by"},
        {"alice.rights", "strategy momentum\nfly\n", "alice.rights: line 2: must be operator"},
        {"alice.rights", "requests halt", NULL},
    };
    keel_key_pair pair;
    keel_err err = {0};
    cr_assert_eq(keel_key_add(file(""), "alice", false, &err), KEEL_OK);
    cr_assert_eq(keel_key_add(file(""), "zoe", false, &err), KEEL_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file(cases[i].name, cases[i].text);
        keel_keys *keys = load();
        const bool good = cases[i].says == NULL;
        cr_assert_eq(keys->refused_n, !good, "case %zu: %s", i, keys->refused.text);
        cr_assert(good || strstr(keys->refused.text, cases[i].says) != NULL, "case %zu: %s", i,
                  keys->refused.text);
        cr_assert_not_null(keel_keys_named(keys, "zoe"), "the others are not affected");
        cr_assert_eq(keel_keys_named(keys, "alice") == NULL,
                     strstr(cases[i].name, "alice") && !good, "case %zu", i);
        keel_keys_free(&keys);
        unlink(file(cases[i].name));
    }
    /* One key under two names: the first by name has it, every time. */
    cr_assert_eq(keel_key_pair_have(file(""), "alice", &pair, &err), KEEL_OK);
    write_file("bob.public", pair.public_key);
    keel_keys *keys = load();
    cr_assert_str_eq(keel_keys_find(keys, pair.public_key)->name, "alice");
    cr_assert_not_null(strstr(keys->refused.text, "bob.public: this key already has a name"));
    keel_keys_free(&keys);
    unlink(file("bob.public"));
    cr_assert_eq(mkfifo(file("pipe.public"), 0600), 0);
    keys = load(); /* does not wait for a writer */
    cr_assert_eq(keys->refused_n, 1);
    keel_keys_free(&keys);
}

Test(keys, a_thousand_of_them_are_found_and_one_more_is_refused, .init = make_dir,
     .fini = remove_dir)
{
    static char names[KEEL_KEYS_MAX][16], keys_text[KEEL_KEYS_MAX][KEEL_KEY_TEXT];
    keel_err err = {0};
    for (int i = 0; i < KEEL_KEYS_MAX; i++) {
        char name[32];
        uint8_t raw[32] = {(uint8_t)i, (uint8_t)(i >> 8), 7};
        cr_assert_not_null(zmq_z85_encode(keys_text[i], raw, sizeof raw));
        snprintf(names[i], sizeof names[i], "s%04d", i);
        snprintf(name, sizeof name, "%s.public", names[i]);
        write_file(name, keys_text[i]);
    }
    keel_keys *keys = load();
    cr_assert_eq(keys->n, KEEL_KEYS_MAX);
    for (int i = 0; i < KEEL_KEYS_MAX; i++)
        cr_assert_str_eq(keel_keys_find(keys, keys_text[i])->name, names[i]);
    keel_keys_free(&keys);
    write_file("zz.public", "whatever");
    cr_assert_null(keel_keys_load(file(""), &err));
    cr_assert_eq(err.status, KEEL_ETOOBIG);
    cr_assert_null(keel_keys_load("/proc/nowhere", &err));
}

Test(keys, the_stamp_changes_with_the_folder, .init = make_dir, .fini = remove_dir)
{
    const uint64_t empty = keel_keys_stamp(file(""), false);
    cr_assert_neq(empty, 0);
    write_file("a.rights", "operator");
    const uint64_t one = keel_keys_stamp(file(""), false), whole = keel_keys_stamp(file(""), true);
    cr_assert_neq(one, empty);
    write_file("a.rights", "strategy a");
    cr_assert_neq(keel_keys_stamp(file(""), true), whole, "written in place");
    cr_assert_eq(keel_keys_stamp("/proc/nowhere", false), 0);
    cr_assert_eq(keel_keys_stamp("/proc/nowhere", true), 0);
}

/* ---- rights ---- */

static keel_status read_rights(const char *text, keel_rights *out, keel_err *err)
{
    return keel_rights_read(text, strlen(text), out, err);
}

Test(rights, are_read_line_by_line)
{
    keel_rights r;
    keel_err err = {0};
    cr_assert_eq(read_rights("# two of them\n strategy momentum carry # and more\r\n\n"
                             "strategy carry\nrequests ping halt\n",
                             &r, &err),
                 KEEL_OK, "%s", err.text);
    cr_assert_eq(r.strategies_n, 2);
    cr_assert(keel_rights_strategy(&r, "carry") && keel_rights_strategy(&r, "momentum"));
    cr_assert_not(keel_rights_strategy(&r, "other"));
    cr_assert(keel_rights_ask(&r, KEEL_ASK_HALT) && keel_rights_ask(&r, KEEL_ASK_PING));
    cr_assert_not(keel_rights_ask(&r, KEEL_ASK_STATUS));
    cr_assert_eq(read_rights("", &r, &err), KEEL_OK);
    cr_assert_eq(r.strategies_n, 0, "a file without a strategy gives none");
    cr_assert(keel_rights_ask(&r, KEEL_ASK_PING) && keel_rights_ask(&r, KEEL_ASK_STATUS));
    cr_assert_not(keel_rights_ask(&r, KEEL_ASK_SHUTDOWN));
    cr_assert_eq(read_rights("requests none", &r, &err), KEEL_OK);
    cr_assert_not(keel_rights_ask(&r, KEEL_ASK_PING));
    cr_assert_eq(read_rights("operator", &r, &err), KEEL_OK);
    cr_assert(keel_rights_strategy(&r, "any") && keel_rights_ask(&r, KEEL_ASK_SHUTDOWN));
}

Test(rights, what_is_not_understood_is_refused_by_line)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"operators", "line 1: must be operator, strategy or requests, not \"operators\""},
        {"operator yes", "line 1: operator stands alone"},
        {"\nstrategy", "line 2: strategy needs a name"},
        {"strategy a%b", "line 1: is not a strategy's name: \"a%b\""},
        {"requests", "line 1: requests needs their names"},
        {"requests pong", "line 1: there is no request \"pong\""},
        {"requests none ping", "line 1: none, and then \"ping\""},
    };
    keel_rights r;
    keel_err err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_neq(read_rights(cases[i].text, &r, &err), KEEL_OK, "%s", cases[i].text);
        cr_assert_not_null(strstr(err.text, cases[i].says), "%s", err.text);
    }
    cr_assert_eq(keel_rights_read("operator\0", 9, &r, &err), KEEL_EFORMAT);
    static char much[KEEL_RIGHTS_BYTES_MAX + 2];
    memset(much, '#', sizeof much - 1);
    cr_assert_eq(read_rights(much, &r, &err), KEEL_ETOOBIG);
    size_t n = 0;
    for (int i = 0; i <= KEEL_RIGHTS_STRATEGIES_MAX; i++)
        n += (size_t)snprintf(much + n, sizeof much - n, "strategy s%d\n", i);
    cr_assert_eq(read_rights(much, &r, &err), KEEL_ETOOBIG);
}

Test(rights, the_default_is_the_strategy_of_the_keys_name)
{
    keel_rights r;
    char text[64];
    keel_rights_default("momentum", &r);
    keel_rights_text(&r, text, sizeof text);
    cr_assert_str_eq(text, "strategy momentum; requests ping status");
    keel_rights_default("operator", &r);
    keel_rights_text(&r, text, sizeof text);
    cr_assert_str_eq(text, "operator");
    cr_assert_eq(read_rights("requests none", &r, NULL), KEEL_OK);
    keel_rights_text(&r, text, sizeof text);
    cr_assert_str_eq(text, "requests none");
    cr_assert_eq(read_rights("strategy abcdefghij", &r, NULL), KEEL_OK);
    keel_rights_text(&r, text, 16);
    cr_assert_str_eq(text, "strategy abc...");
}
