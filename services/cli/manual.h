/* manual.h - help, bash completion and a man page, all made from the verb tables.
 *
 * ROOM     services/cli.
 */
#ifndef KEEL_SERVICES_CLI_MANUAL_H
#define KEEL_SERVICES_CLI_MANUAL_H

#include "services/cli/options.h"

/* Every verb with its one line. */
void keel_help_all(const keel_verb *verbs, FILE *to);

/* One verb: usage, options, examples. */
void keel_help_verb(const keel_verb *verb, FILE *to);

/* All verbs whose first word is `word` ("alloc"); false when there is none. */
bool keel_help_group(const keel_verb *verbs, const char *word, FILE *to);

/* The verbs as JSON: for `keel help --json`. */
void keel_help_json(const keel_verb *verbs, FILE *to);

void keel_completion_bash(const keel_verb *verbs, FILE *to);

/* keel(1) in man macros. */
void keel_man(const keel_verb *verbs, FILE *to);

#endif
