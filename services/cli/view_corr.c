#include "services/cli/format.h"
#include "services/cli/views.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/base/timefmt.h"

#include <math.h>
#include <stdlib.h>

enum { MATRIX_MAX = 12 };

/* A pair of instruments and the number it is ranked by. */
typedef struct pair {
    int i, j; /* i > j */
    double rank;
} pair;

static int highest_first(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    return x->j != y->j ? x->j - y->j : x->i - y->i;
}

/* Every pair, ranked by |value|, or by |value - other| when `other` is given. Owned. */
static pair *rank_pairs(int n, const double *value, const double *other, int *count)
{
    pair *pairs = keel_xcalloc(keel_packed_len(n), sizeof *pairs);
    int k = 0;
    for (int j = 0; j < n; j++) {
        for (int i = j + 1; i < n; i++) {
            const size_t at = keel_packed_at(n, i, j);
            pairs[k++] = (pair){i, j, fabs(value[at] - (other != NULL ? other[at] : 0.0))};
        }
    }
    qsort(pairs, (size_t)k, sizeof *pairs, highest_first);
    *count = k;
    return pairs;
}

static void view_matrix(const keel_cli *cli, const keel_universe *u, const keel_correlation *c)
{
    char headers[MATRIX_MAX * (KEEL_SYMBOL_MAX + 2) + 8] = "";
    size_t len = 0;
    for (int j = 0; j < c->n; j++)
        keel_text_add(headers, sizeof headers, &len, "|>%s", u->instruments[j].symbol);
    keel_table *t = keel_table_new(headers);
    for (int i = 0; i < c->n; i++) {
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", u->instruments[i].symbol);
        for (int j = 0; j < c->n; j++) {
            const size_t at = i >= j ? keel_packed_at(c->n, i, j) : keel_packed_at(c->n, j, i);
            keel_table_cell(t, i == j ? KEEL_INK_DIM : KEEL_INK_PLAIN, "%.2f", c->correlation[at]);
        }
    }
    keel_table_print(t, cli);
    keel_table_free(&t);
}

void keel_view_correlation(const keel_cli *cli, const keel_universe *u, const keel_correlation *c,
                           double above, int most)
{
    char time[KEEL_FORMAT_MAX], window[KEEL_TIME_TEXT_MAX];
    int count, shown = 0;
    if (c->n != u->n)
        return; /* of another universe than the one known: the next message settles it */
    if (c->basis.window_ns % KEEL_NS_PER_DAY == 0) /* people count windows in days, not weeks */
        snprintf(window, sizeof window, "%d days", (int)(c->basis.window_ns / KEEL_NS_PER_DAY));
    else
        keel_duration_format(c->basis.window_ns, window);
    keel_table_title(cli, "Correlation at %s", keel_moment_text(c->as_of_ns, time));
    fprintf(cli->out, "  window %s, %d rows (effective %.0f), mean correlation %.2f\n\n",
            c->basis.window_ns > 0 ? window : "unbounded", c->basis.rows, c->basis.rows_effective,
            c->mean_correlation);
    if (c->n <= MATRIX_MAX)
        view_matrix(cli, u, c);
    pair *pairs = rank_pairs(c->n, c->correlation, NULL, &count);
    keel_table *t = keel_table_new("pair||>correlation");
    for (; shown < count && shown < most && pairs[shown].rank >= above; shown++) {
        const pair *p = &pairs[shown];
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", u->instruments[p->j].symbol);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", u->instruments[p->i].symbol);
        keel_table_cell(t, KEEL_INK_PLAIN, "%+.3f",
                        c->correlation[keel_packed_at(c->n, p->i, p->j)]);
    }
    if (shown > 0) {
        keel_table_title(cli, "Strongest pairs");
        keel_table_print(t, cli);
    }
    keel_table_free(&t);
    keel_free(&pairs);
}

double keel_correlation_rmse(int n, const double *estimate, const double *truth)
{
    double sum = 0.0;
    int count = 0;
    for (int j = 0; j < n; j++) {
        for (int i = j + 1; i < n; i++) {
            const size_t at = keel_packed_at(n, i, j);
            sum += (estimate[at] - truth[at]) * (estimate[at] - truth[at]);
            count++;
        }
    }
    return count > 0 ? sqrt(sum / count) : 0.0;
}

void keel_view_truth(const keel_cli *cli, const keel_universe *u, const keel_correlation *c,
                     const keel_market_truth *truth, int most)
{
    int count;
    if (c->n != u->n || truth->n != u->n)
        return;
    keel_table_title(cli, "Estimated against true correlation");
    fprintf(cli->out,
            "  regime '%s' at the end; estimate over %d rows; root mean square error %.3f over %d "
            "pairs\n\n",
            truth->regime_name, c->basis.rows,
            keel_correlation_rmse(c->n, c->correlation, truth->correlation), c->n * (c->n - 1) / 2);
    pair *pairs = rank_pairs(c->n, c->correlation, truth->correlation, &count);
    keel_table *t = keel_table_new("pair||>estimate|>truth|>difference");
    for (int k = 0; k < count && k < most; k++) {
        const size_t at = keel_packed_at(c->n, pairs[k].i, pairs[k].j);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", u->instruments[pairs[k].j].symbol);
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", u->instruments[pairs[k].i].symbol);
        keel_table_cell(t, KEEL_INK_PLAIN, "%+.3f", c->correlation[at]);
        keel_table_cell(t, KEEL_INK_PLAIN, "%+.3f", truth->correlation[at]);
        keel_table_cell(t, KEEL_INK_PLAIN, "%+.3f", c->correlation[at] - truth->correlation[at]);
    }
    keel_table_print(t, cli);
    if (count > most)
        fprintf(cli->out, "  ... and %d pairs that differ less\n", count - most);
    keel_table_free(&t);
    keel_free(&pairs);
}
