/* answer_json.h - the answer to a problem as JSON: weights, proof, prices, why, or why not.
 *
 * ROOM     services/workbench. Fields: docs/schema/optimize-answer.schema.json.
 * MEMORY   what is returned is owned: json_decref.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_ANSWER_JSON_H
#define KEEL_SERVICES_WORKBENCH_ANSWER_JSON_H

#include "services/workbench/problem_json.h"

#include <stdint.h>

enum { KEEL_WHY_NOT_MAX = 1024 };

/* The solver's answer in the names of the problem. solve_ns: the solve alone. */
json_t *keel_answer_json(const keel_stated *stated, const keel_problem_answer *answer,
                         int64_t solve_ns);

/* The answer to what is no problem, outcome "invalid": `why` names field and fix. `root` (may be
 * NULL) is what was parsed, for its id; `line` of a stream, 0 = none. */
json_t *keel_refusal_json(const json_t *root, const char *why, uint64_t line);

/* Why there are no weights, as a sentence; "" of SOLVED. Names of a conflict are in the answer. */
const char *keel_why_not(const keel_stated *stated, const keel_problem_answer *answer,
                         char out[KEEL_WHY_NOT_MAX]);

/* The same sentence, and the names of a conflict, as the field `why_not`. Owned. */
json_t *keel_why_not_json(const keel_stated *stated, const keel_problem_answer *answer);

/* Name to weight. Owned. */
json_t *keel_weights_json(const keel_stated *stated, const double *weights);

/* A text that was cut inside a character, or quotes bytes that are none, for people and for JSON:
 * what is not UTF-8, and control bytes, become '?'. `out` is returned. */
const char *keel_plain_text(const char *text, char out[KEEL_WHY_NOT_MAX]);

/* One line of JSON, numbers with 17 digits, and its newline; false when it could not be written. */
bool keel_answer_write(const json_t *answer, FILE *to);

/* Does the answer hold the terms of the equation in problem.h? Those of closed forms do not. */
bool keel_answer_is_explained(const keel_problem_answer *answer);

/* What closes the equation of one asset. */
typedef struct keel_why {
    double rows;        /* share of the budget and of rows together, as in problem.h */
    double residual;    /* of the equation */
    const char *closes; /* "lower", "upper", "rows", "nothing" */
} keel_why;

keel_why keel_why_asset(const keel_problem_answer *answer, const keel_problem *problem, int i);

#endif
