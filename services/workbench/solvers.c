#include "services/workbench/solvers.h"

#include "common/base/assert.h"
#include "common/base/timefmt.h"
#include "services/workbench/answer_json.h"

#include <string.h>
#include <time.h>

typedef struct slot {
    char id[KEEL_STATED_ID_MAX];
    keel_solver *solver; /* owned; NULL = free */
    int n_max;
    int factors_max; /* 0 = of packed covariances */
    uint64_t used;   /* when, in calls */
} slot;

struct keel_solvers {
    uint64_t calls;
    slot slots[KEEL_SOLVERS_MAX];
};

keel_solvers *keel_solvers_new(void)
{
    return keel_xcalloc(1, sizeof(keel_solvers));
}

void keel_solvers_free(keel_solvers **solvers)
{
    if (*solvers == NULL)
        return;
    for (int i = 0; i < KEEL_SOLVERS_MAX; i++)
        keel_solver_free(&(*solvers)->slots[i].solver);
    keel_free(solvers);
}

/* The slot of this id, else a free one, else the longest unused. */
static slot *find_slot(keel_solvers *solvers, const char *id)
{
    slot *oldest = &solvers->slots[0];
    for (int i = 0; i < KEEL_SOLVERS_MAX; i++) {
        slot *s = &solvers->slots[i];
        if (s->solver != NULL && strcmp(s->id, id) == 0)
            return s;
        if (s->used < oldest->used)
            oldest = s;
    }
    keel_solver_free(&oldest->solver);
    return oldest;
}

/* Factors of a problem that is solved by them; a form without any takes room for one. */
static int factors_of(const keel_problem *p)
{
    return p->covariance != NULL ? 0 : p->factors > 0 ? p->factors : 1;
}

static bool has_room(const slot *s, const keel_problem *p)
{
    const int factors = factors_of(p);
    return s->n_max >= p->n && s->factors_max >= factors && (s->factors_max == 0) == (factors == 0);
}

static keel_solver *take_solver(keel_solvers *solvers, const char *id, const keel_problem *p)
{
    slot *s = find_slot(solvers, id);
    if (s->solver != NULL && !has_room(s, p))
        keel_solver_free(&s->solver);
    if (s->solver == NULL) {
        s->n_max = p->n;
        s->factors_max = factors_of(p);
        s->solver = s->factors_max > 0 ? keel_solver_new_factors(s->n_max, s->factors_max)
                                       : keel_solver_new(s->n_max);
        KEEL_ASSERT(s->solver != NULL); /* both were checked when the problem was read */
    }
    memcpy(s->id, id, strlen(id) + 1);
    s->used = ++solvers->calls;
    if (id[0] == '\0')
        keel_solver_reset(s->solver);
    return s->solver;
}

int64_t keel_solvers_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * KEEL_NS_PER_S + now.tv_nsec;
}

keel_status keel_solvers_solve(keel_solvers *solvers, const keel_stated *stated,
                               keel_problem_answer *answer, int64_t *solve_ns, keel_err *err)
{
    keel_solver *solver = take_solver(solvers, stated->id, &stated->problem);
    const int64_t begin = keel_solvers_clock_ns();
    const keel_status status = keel_solver_solve(solver, &stated->problem, answer, err);
    *solve_ns = keel_solvers_clock_ns() - begin;
    return status;
}

static json_t *answer_parsed(keel_solvers *solvers, const json_t *root, uint64_t line)
{
    keel_stated stated;
    keel_problem_answer answer;
    keel_err err = {.status = KEEL_OK};
    int64_t solve_ns;
    if (keel_stated_read(root, &stated, &err) != KEEL_OK)
        return keel_refusal_json(root, err.text, line);
    json_t *made = keel_solvers_solve(solvers, &stated, &answer, &solve_ns, &err) == KEEL_OK
                       ? keel_answer_json(&stated, &answer, solve_ns)
                       : keel_refusal_json(root, err.text, line);
    keel_stated_free(&stated);
    return made;
}

json_t *keel_solvers_answer(keel_solvers *solvers, const char *text, size_t len, uint64_t line)
{
    keel_err err = {.status = KEEL_OK};
    json_t *root = keel_problem_parse(text, len, &err);
    if (root == NULL)
        return keel_refusal_json(NULL, err.text, line);
    json_t *answer = answer_parsed(solvers, root, line);
    json_decref(root);
    return answer;
}
