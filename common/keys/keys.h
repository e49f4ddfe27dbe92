/* keys.h - who may come in: CURVE key pairs and rights, as files of one folder.
 *
 * ROOM     common/keys: ZeroMQ's z85 and key generator, files. No socket.
 * SHAPE    A folder, mode 0700: NAME.public for everyone who may come in, one z85 key on a line;
 *          NAME.secret, mode 0600, the public and the secret key on two lines, is what its owner is
 *          given and need not stay; NAME.rights (rights.h) may be absent. door.public and
 *          door.secret are the door's own. Names are those of keel_name_ok without '/' and without
 *          a leading dot.
 *          What comes in is known by its key, not by its name: a name that is taken away and given
 *          to another key does not let the old one in.
 * MEMORY   A set is one block of its own; at most KEEL_KEYS_MAX keys.
 * THREADS  A loaded set never changes: any number of threads may look keys up.
 */
#ifndef KEEL_COMMON_KEYS_KEYS_H
#define KEEL_COMMON_KEYS_KEYS_H

#include "common/base/status.h"
#include "common/keys/rights.h"

enum { KEEL_KEYS_MAX = 1024, KEEL_KEY_TEXT = 41 };

#define KEEL_KEY_DOOR "door"

/* ---- pairs ---- */

typedef struct keel_key_pair {
    char public_key[KEEL_KEY_TEXT];
    char secret_key[KEEL_KEY_TEXT];
} keel_key_pair;

bool keel_key_name_ok(const char *name);

/* Make the folder (mode 0700, its parent too) when it is absent. KEEL_EIO with *err. */
KEEL_MUST_CHECK keel_status keel_keys_folder(const char *folder, keel_err *err);

/* The pair NAME, made when its secret is absent; NAME.public is written again from the secret.
 * KEEL_EIO, KEEL_EFORMAT, KEEL_ETOOBIG, or KEEL_EREFUSED for a secret that others may read. */
KEEL_MUST_CHECK keel_status keel_key_pair_have(const char *folder, const char *name,
                                               keel_key_pair *pair, keel_err *err);

/* Give a new key to NAME. It holds once NAME.public is there, which is written last: nobody sees
 * the key without its rights. KEEL_EEXIST when a file of this name is there, KEEL_EINVAL a name
 * that cannot be one. */
KEEL_MUST_CHECK keel_status keel_key_add(const char *folder, const char *name, bool is_operator,
                                         keel_err *err);

/* Take the key of NAME away: .public first, then .rights and .secret. KEEL_ENOTFOUND when there is
 * no NAME.public. */
KEEL_MUST_CHECK keel_status keel_key_revoke(const char *folder, const char *name, keel_err *err);

/* ---- the set ---- */

typedef struct keel_key {
    char name[KEEL_NAME_MAX];
    char public_key[KEEL_KEY_TEXT];
    keel_rights rights;
} keel_key;

typedef struct keel_keys {
    int n;
    keel_key *keys;   /* n, by name */
    uint32_t slots;   /* a power of two, at least 2 * n */
    int32_t *places;  /* slots; index + 1 of a key, by its public key; 0 = free */
    int refused_n;    /* files that are no key or no rights: who they would let in stays outside */
    keel_err refused; /* the first of them */
} keel_keys;

/* Every key of the folder but the door's. A bad file keeps its own key out and is told in
 * `refused`; nobody else is affected. NULL and *err when the folder cannot be read now (KEEL_EIO)
 * or holds more than KEEL_KEYS_MAX keys (KEEL_ETOOBIG). End with keel_keys_free. */
KEEL_MUST_CHECK keel_keys *keel_keys_load(const char *folder, keel_err *err);
KEEL_MUST_CHECK keel_keys *keel_keys_copy(const keel_keys *keys);
void keel_keys_free(keel_keys **keys);

/* The key's entry; NULL = nobody's. Cost: one lookup in a hash table. */
const keel_key *keel_keys_find(const keel_keys *keys, const char *public_key);
const keel_key *keel_keys_named(const keel_keys *keys, const char *name);

/* A number that changes when the folder does: names of files come or go. `whole`: also when a file
 * is written in place, at the cost of looking at each. 0 = cannot be read. */
uint64_t keel_keys_stamp(const char *folder, bool whole);

#endif
