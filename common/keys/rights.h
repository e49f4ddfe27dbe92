/* rights.h - what the owner of a key may send through the door.
 *
 * ROOM     common/keys: pure, no file is touched.
 * SHAPE    NAME.rights is text, one right a line; '#' begins a comment:
 *            operator                 everything: any strategy, every request
 *            strategy NAME...         signals, hellos, step ends, resends of rows as this strategy
 *            requests ASK... | none   what services may be asked; without this line ping and status
 *          Without a file the key `operator` is an operator, any other the strategy of its name.
 *          A file says all: without a `strategy` line its key may only ask.
 * THREADS  any.
 */
#ifndef KEEL_COMMON_KEYS_RIGHTS_H
#define KEEL_COMMON_KEYS_RIGHTS_H

#include "common/domain/universe.h"
#include "common/wire/control.h"

enum { KEEL_RIGHTS_STRATEGIES_MAX = 32, KEEL_RIGHTS_BYTES_MAX = 4096 };

#define KEEL_KEY_OPERATOR "operator"

typedef struct keel_rights {
    bool is_operator; /* all that follows is then granted */
    unsigned asks;    /* set of 1u << keel_ask */
    int strategies_n;
    char strategies[KEEL_RIGHTS_STRATEGIES_MAX][KEEL_NAME_MAX];
} keel_rights;

/* Rights of a key that has no file. */
void keel_rights_default(const char *key_name, keel_rights *out);

/* Read the text of a file of rights. KEEL_EFORMAT a word or line that is not known, KEEL_EINVAL a
 * name, KEEL_ETOOBIG; *err names the line. *out is undefined on refusal. */
KEEL_MUST_CHECK keel_status keel_rights_read(const char *text, size_t len, keel_rights *out,
                                             keel_err *err);

bool keel_rights_strategy(const keel_rights *rights, const char *strategy);
bool keel_rights_ask(const keel_rights *rights, keel_ask ask);

/* The rights in a line, as a file would say them: "strategy momentum; requests ping status". Cut
 * with "..." when it does not fit. */
void keel_rights_text(const keel_rights *rights, char *out, size_t cap);

#endif
