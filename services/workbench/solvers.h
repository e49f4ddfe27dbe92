/* solvers.h - a few warm solvers, one for each id, the longest unused one given away first.
 *
 * ROOM     services/workbench.
 * MEMORY   KEEL_SOLVERS_MAX solvers at most, each as large as its largest problem.
 * THREADS  one thread per object.
 */
#ifndef KEEL_SERVICES_WORKBENCH_SOLVERS_H
#define KEEL_SERVICES_WORKBENCH_SOLVERS_H

#include "services/workbench/problem_json.h"

#include <stdint.h>

enum { KEEL_SOLVERS_MAX = 16 };

typedef struct keel_solvers keel_solvers;

keel_solvers *keel_solvers_new(void);
void keel_solvers_free(keel_solvers **solvers);

/* Solve with the solver of this id, from its warm status; a problem without id starts cold.
 * *answer is valid until the next call; *solve_ns = monotonic time of the solve alone. Statuses of
 * keel_solver_solve. */
KEEL_MUST_CHECK keel_status keel_solvers_solve(keel_solvers *solvers, const keel_stated *stated,
                                               keel_problem_answer *answer, int64_t *solve_ns,
                                               keel_err *err);

/* Monotonic time, for how long a solve took. */
int64_t keel_solvers_clock_ns(void);

/* A line of a stream (borrowed), or a file: the answer to what it says, whatever it is. Owned. */
json_t *keel_solvers_answer(keel_solvers *solvers, const char *text, size_t len, uint64_t line);

#endif
