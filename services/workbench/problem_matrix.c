#include "services/workbench/problem_internal.h"

#include "common/num/la/eigen.h"
#include "common/num/la/la.h"
#include "common/num/la/sym.h"
#include "common/num/stats/moments.h"

#include <math.h>
#include <string.h>

enum { PLACE_MAX = 96 };

/* What the two halves may differ by, of the larger variance: the last digits of a matrix that was
 * computed twice, or printed with ten digits. */
static const double asymmetry_max_frac = 1e-9;

/* A list of lists of one length, `m` of `k` numbers each. */
typedef struct table {
    const char *place;
    const json_t *rows;
    int m, k;
} table;

static keel_status check_row(const problem_reading *r, const table *t, int i)
{
    const json_t *row = json_array_get(t->rows, (size_t)i);
    if (!json_is_array(row))
        return problem_refuse(r, "%s[%d]: %s; a list of %d numbers is expected", t->place, i,
                              problem_kind(row), t->k);
    if (json_array_size(row) != (size_t)t->k)
        return problem_refuse(r, "%s[%d]: %zu numbers; %d are expected", t->place, i,
                              json_array_size(row), t->k);
    return KEEL_OK;
}

static keel_status number_at(const problem_reading *r, const table *t, int i, int j, double *out)
{
    char place[PLACE_MAX];
    const json_t *value = json_array_get(json_array_get(t->rows, (size_t)i), (size_t)j);
    if (json_is_number(value) && fabs(json_number_value(value)) <= KEEL_USABLE_MAX) {
        *out = json_number_value(value);
        return KEEL_OK;
    }
    snprintf(place, sizeof place, "%s[%d][%d]", t->place, i, j);
    return problem_number(r, value, place, out);
}

static keel_status check_table(const problem_reading *r, const table *t)
{
    if (!json_is_array(t->rows))
        return problem_refuse(r, "%s: %s; a list of rows is expected", t->place,
                              problem_kind(t->rows));
    for (int i = 0; i < t->m; i++)
        KEEL_TRY(check_row(r, t, i));
    return KEEL_OK;
}

static keel_status check_count(const problem_reading *r, const table *t)
{
    if (json_is_array(t->rows) && json_array_size(t->rows) != (size_t)t->m)
        return problem_refuse(r, "%s: %zu rows for %d assets; give one for each", t->place,
                              json_array_size(t->rows), t->m);
    return KEEL_OK;
}

/* The mean of the two entries that should be one. */
static keel_status read_pair(const problem_reading *r, const table *t, int i, int j, double *packed)
{
    const double larger = fmax(packed[keel_sym_at(t->m, i, i)], packed[keel_sym_at(t->m, j, j)]);
    double below, above;
    KEEL_TRY(number_at(r, t, i, j, &below));
    KEEL_TRY(number_at(r, t, j, i, &above));
    if (fabs(below - above) > asymmetry_max_frac * larger)
        return problem_refuse(r, "%s[%d][%d]: not symmetric: %.10g, and %.10g at [%d][%d]",
                              t->place, i, j, below, above, j, i);
    packed[keel_sym_at(t->m, i, j)] = below == above ? below : (below + above) / 2;
    return KEEL_OK;
}

static keel_status read_matrix(const problem_reading *r, double *packed)
{
    const int n = r->to->assets.n;
    const table t = {"covariance", json_object_get(r->root, "covariance"), n, n};
    KEEL_TRY(check_count(r, &t));
    KEEL_TRY(check_table(r, &t));
    for (int i = 0; i < n; i++) {
        double variance;
        KEEL_TRY(number_at(r, &t, i, i, &variance));
        if (variance < 0)
            return problem_refuse(r, "%s[%d][%d]: %.10g; a variance is at least 0", t.place, i, i,
                                  variance);
        packed[keel_sym_at(n, i, i)] = variance;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            KEEL_TRY(read_pair(r, &t, i, j, packed));
    return KEEL_OK;
}

/* packed = scale V'V, V of k x n by columns. */
static void pack_gram(const problem_reading *r, int k, const double *v, double scale,
                      double *packed)
{
    const int n = r->to->assets.n;
    double *gram = problem_take(r, (size_t)n * (size_t)n);
    keel_la_gram(k, n, v, gram);
    keel_sym_pack(n, gram, n, packed);
    for (size_t i = 0; i < keel_sym_len(n); i++)
        packed[i] *= scale;
}

/* `factors` has been checked to be an object. Columns of its first row; 0 = none. */
static size_t factors_count(const json_t *root)
{
    const json_t *loadings = json_object_get(json_object_get(root, "factors"), "loadings");
    return json_array_size(json_array_get(loadings, 0));
}

static keel_status check_factor_fields(const problem_reading *r, json_t *factors)
{
    const char *key;
    json_t *value;
    if (!json_is_object(factors))
        return problem_refuse(r,
                              "factors: %s; an object with loadings and idiosyncratic is "
                              "expected",
                              problem_kind(factors));
    json_object_foreach(
        factors, key,
        value) if (strcmp(key, "loadings") != 0 &&
                   strcmp(key, "idiosyncratic") !=
                       0) return problem_refuse(r,
                                                "factors.%s: no such field; there are loadings and "
                                                "idiosyncratic",
                                                key);
    if (json_object_get(factors, "loadings") == NULL)
        return problem_refuse(r, "factors.loadings: missing; give one row for each asset");
    if (json_object_get(factors, "idiosyncratic") == NULL)
        return problem_refuse(r, "factors.idiosyncratic: missing; give a variance for each asset");
    return KEEL_OK;
}

static keel_status read_idiosyncratic(const problem_reading *r, json_t *factors, double *variances)
{
    const problem_vector how = {.field = "idiosyncratic", .is_whole = true};
    const problem_reading inner = {factors, r->to, r->err};
    const keel_status status = problem_read_vector(&inner, &how, variances);
    if (status != KEEL_OK) {
        char said[KEEL_ERR_TEXT_MAX - 16];
        snprintf(said, sizeof said, "%.*s", (int)sizeof said - 1, r->err->text);
        return problem_refuse(r, "factors.%s", said);
    }
    return KEEL_OK;
}

/* Factors as they are given, which is how a large problem is solved. */
static keel_status read_factors(const problem_reading *r)
{
    json_t *factors = json_object_get(r->root, "factors");
    const int n = r->to->assets.n;
    KEEL_TRY(check_factor_fields(r, factors));
    const size_t k = factors_count(r->root);
    if (k > KEEL_PROBLEM_FACTORS_MAX)
        return problem_refuse(r, "factors.loadings: %zu factors; there may be %d", k,
                              KEEL_PROBLEM_FACTORS_MAX);
    const table t = {"factors.loadings", json_object_get(factors, "loadings"), n, (int)k};
    KEEL_TRY(check_count(r, &t));
    KEEL_TRY(check_table(r, &t));
    double *loadings = problem_take(r, k * (size_t)n);
    double *specific = problem_take(r, (size_t)n);
    for (int i = 0; i < n; i++)
        for (int f = 0; f < t.k; f++)
            KEEL_TRY(number_at(r, &t, i, f, &loadings[(size_t)i * k + (size_t)f]));
    r->to->problem.factors = t.k;
    r->to->problem.loadings = loadings;
    r->to->problem.specific = specific;
    return read_idiosyncratic(r, factors, specific);
}

/* The whole matrix of the factors that were read, which is how a small problem is solved. */
static void pack_factors(const problem_reading *r, double *packed)
{
    const keel_problem *p = &r->to->problem;
    pack_gram(r, p->factors, p->loadings, 1, packed);
    for (int i = 0; i < p->n; i++)
        packed[keel_sym_at(p->n, i, i)] += p->specific[i];
}

static keel_status read_returns(const problem_reading *r, double *packed)
{
    const json_t *rows = json_object_get(r->root, "returns");
    const int n = r->to->assets.n;
    const size_t bars = json_array_size(rows);
    if (json_is_array(rows) && bars < 2)
        return problem_refuse(r, "returns: %zu rows; a covariance needs at least 2", bars);
    if (bars > KEEL_STATED_RETURNS_MAX / (size_t)n)
        return problem_refuse(r, "returns: more than %d numbers; estimate the covariance first",
                              KEEL_STATED_RETURNS_MAX);
    const table t = {"returns", rows, (int)bars, n};
    KEEL_TRY(check_table(r, &t));
    double *v = problem_take(r, bars * (size_t)n);
    double *mean = problem_take(r, (size_t)n);
    for (int i = 0; i < n; i++) {
        double *column = v + (size_t)i * bars;
        for (int b = 0; b < t.m; b++)
            KEEL_TRY(number_at(r, &t, b, i, &column[b]));
        mean[i] = keel_mean(t.m, column, 1);
        for (int b = 0; b < t.m; b++)
            column[b] -= mean[i];
    }
    pack_gram(r, t.m, v, 1 / (double)(t.m - 1), packed);
    r->to->problem.mean = mean;
    return KEEL_OK;
}

size_t problem_covariance_bytes(const problem_reading *r)
{
    const size_t n = (size_t)r->to->assets.n,
                 bars = json_array_size(json_object_get(r->root, "returns"));
    const size_t factors = factors_count(r->root);
    size_t numbers = 2 * n;
    if (n <= KEEL_PROBLEM_N_MAX)
        numbers += n * (n + 1) / 2 + 2 * n * n;
    if (factors <= KEEL_PROBLEM_FACTORS_MAX)
        numbers += factors * n;
    if (bars <= KEEL_STATED_RETURNS_MAX / n)
        numbers += bars * n;
    return numbers * sizeof(double);
}

/* One of the three sources. */
static keel_status find_source(const problem_reading *r, const char **source)
{
    static const char *const sources[] = {"covariance", "factors", "returns"};
    *source = NULL;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (json_object_get(r->root, sources[i]) == NULL)
            continue;
        if (*source != NULL)
            return problem_refuse(r,
                                  "%s: given beside %s; give one of covariance, factors, "
                                  "returns",
                                  sources[i], *source);
        *source = sources[i];
    }
    if (*source == NULL)
        return problem_refuse(r, "covariance: missing; give one of covariance, factors, returns");
    return KEEL_OK;
}

keel_status problem_read_covariance(const problem_reading *r)
{
    keel_problem *to = &r->to->problem;
    const char *source;
    KEEL_TRY(find_source(r, &source));
    const bool has_factors = strcmp(source, "factors") == 0;
    const bool has_matrix = strcmp(source, "covariance") == 0;
    if (has_factors)
        KEEL_TRY(read_factors(r));
    to->checked = !has_matrix; /* sums of squares; what is no covariance the solver names */
    if (to->n > KEEL_PROBLEM_N_MAX)
        return KEEL_OK;
    double *packed = problem_take(r, keel_sym_len(to->n));
    if (has_factors)
        pack_factors(r, packed);
    else
        KEEL_TRY(has_matrix ? read_matrix(r, packed) : read_returns(r, packed));
    double *square = problem_take(r, (size_t)to->n * (size_t)to->n);
    keel_sym_unpack(to->n, packed, square, to->n);
    to->covariance = packed;
    to->square = square;
    if (has_matrix)
        to->checked = keel_sym_check_semidefinite(to->n, packed, KEEL_SEMIDEFINITE_TOLERANCE,
                                                  NULL) == KEEL_OK;
    return KEEL_OK;
}
