/* keys.h - who may knock at the door: CURVE key pairs as files.
 *
 * ROOM     services/relay.
 * SHAPE    {dir}/keys, mode 0700: door.public (give it to clients), door.secret, and NAME.public
 *          for everyone who may come in; operator.public and operator.secret are made when absent.
 *          A .public file holds one z85 key; a .secret file, mode 0600, the public key and the
 *          secret key on two lines.
 * THREADS  read-only once loaded, so the ZAP thread may look keys up.
 */
#ifndef KEEL_SERVICES_RELAY_KEYS_H
#define KEEL_SERVICES_RELAY_KEYS_H

#include "common/base/status.h"
#include "common/domain/universe.h"

enum { RELAY_CLIENTS_MAX = 64, RELAY_KEY_TEXT = 41 };

typedef struct relay_client_key {
    char name[KEEL_NAME_MAX];
    char public_key[RELAY_KEY_TEXT];
} relay_client_key;

typedef struct relay_keys {
    char door_public[RELAY_KEY_TEXT];
    char door_secret[RELAY_KEY_TEXT];
    int n;
    relay_client_key clients[RELAY_CLIENTS_MAX];
} relay_keys;

/* Load {dir}/keys, making what is absent. KEEL_EIO, KEEL_EFORMAT, KEEL_ETOOBIG, or KEEL_EREFUSED
 * for a secret that others may read; *err names the file. */
KEEL_MUST_CHECK keel_status relay_keys_load(const char *dir, relay_keys *keys, keel_err *err);

/* Name that a public key belongs to; NULL = nobody's. */
const char *relay_keys_name(const relay_keys *keys, const char *public_key);
bool relay_keys_knows(const relay_keys *keys, const char *name);

#endif
