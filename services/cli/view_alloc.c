#include "services/cli/format.h"
#include "services/cli/views.h"

#include "common/base/mem.h"
#include "common/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 1024,
    WEIGHTS_SHOWN = 12,
    WIDTH_OF_ONE_LINE = 140, /* below it the weights have a line of their own */
    INDENT = 18,
};

/* A weight and whose it is. */
typedef struct slice {
    double weight;
    int index;
} slice;

static int largest_first(const void *a, const void *b)
{
    const slice *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->index - y->index;
}

/* Weights that are not nothing, largest first. */
static int order_weights(const keel_approved_allocation *a, slice *slices)
{
    int n = 0;
    for (int i = 0; i < a->n; i++)
        if (fabs(a->weights[i]) >= 5e-5)
            slices[n++] = (slice){a->weights[i], i};
    qsort(slices, (size_t)n, sizeof *slices, largest_first);
    return n;
}

static const char *kind_name(keel_certificate_kind kind)
{
    static const char *const names[] = {"NONE", "OPTIMAL", "BOUNDED", "FEASIBLE"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "UNKNOWN";
}

static const char *certificate_text(const keel_certificate *c, char out[KEEL_FORMAT_MAX])
{
    const double kkt = fmax(c->primal_residual, c->dual_residual);
    if (c->kind == KEEL_CERTIFICATE_OPTIMAL || c->kind == KEEL_CERTIFICATE_BOUNDED)
        snprintf(out, KEEL_FORMAT_MAX, "%s kkt %.0e gap %.0e", kind_name(c->kind), kkt, c->gap);
    else
        snprintf(out, KEEL_FORMAT_MAX, "%s residual %.0e", kind_name(c->kind), c->primal_residual);
    return out;
}

static const char *symbol_of(const keel_universe *u, int i)
{
    return i >= 0 && i < u->n ? u->instruments[i].symbol : "?";
}

static void weights_text(const keel_cli *cli, const keel_universe *u,
                         const keel_approved_allocation *a, size_t used, char *out, size_t cap)
{
    slice slices[KEEL_UNIVERSE_MAX];
    char cash[32], one[64];
    size_t len = 0;
    const int n = order_weights(a, slices);
    const size_t room = cli->width > 0 ? (size_t)cli->width : cap - 1;
    snprintf(cash, sizeof cash, "cash %.1f", 100.0 * a->cash_frac);
    const size_t tail = strlen(cash) + sizeof "+999 more  ";
    int shown = 0;
    out[0] = '\0';
    for (; shown < n && shown < WEIGHTS_SHOWN; shown++) {
        const double percent = 100.0 * slices[shown].weight;
        snprintf(one, sizeof one, "%s %.1f  ", symbol_of(u, slices[shown].index), percent);
        if (used + len + strlen(one) + tail > room && shown > 0)
            break;
        keel_text_add(out, cap, &len, "%s", one);
    }
    if (shown < n)
        keel_text_add(out, cap, &len, "+%d more  ", n - shown);
    keel_text_add(out, cap, &len, "%s", cash);
}

static bool is_narrow(const keel_cli *cli)
{
    return cli->width > 0 && cli->width < WIDTH_OF_ONE_LINE;
}

void keel_view_alloc_heading(const keel_cli *cli)
{
    fprintf(cli->out, "%s%-16s  %-27s %6s  %8s  %-16s  %s%s\n",
            keel_ink_text(cli->out_colour, KEEL_INK_DIM), "time (UTC)", "certificate", "vol/yr",
            "turnover", "why", is_narrow(cli) ? "" : "weights %",
            keel_ink_text(cli->out_colour, KEEL_INK_PLAIN));
}

/* The reasons in few words: the column is narrow and the same few come again and again. */
static const char *short_reason(keel_reason_code code, char out[KEEL_FORMAT_MAX])
{
    if (code == KEEL_REASON_DRIFT_ABOVE_THRESHOLD)
        snprintf(out, KEEL_FORMAT_MAX, "drift");
    else if (code == KEEL_REASON_SCHEDULE_DUE)
        snprintf(out, KEEL_FORMAT_MAX, "schedule");
    else
        keel_reason_words(code, out);
    return out;
}

void keel_view_alloc_line(const keel_cli *cli, const keel_universe *universe, int64_t bar_ns,
                          int64_t event_ns, const keel_approved_allocation *a)
{
    char time[KEEL_FORMAT_MAX], certificate[KEEL_FORMAT_MAX], vol[KEEL_FORMAT_MAX],
        turnover[KEEL_FORMAT_MAX], why[KEEL_FORMAT_MAX], head[LINE_MAX_BYTES],
        weights[LINE_MAX_BYTES];
    const double year = bar_ns > 0 ? keel_bars_per_year(universe, bar_ns) : 0.0;
    const bool sound = a->certificate.kind == KEEL_CERTIFICATE_OPTIMAL;
    size_t len = 0;
    certificate_text(&a->certificate, certificate);
    keel_text_add(head, sizeof head, &len, " %6s  %8s  %-16s",
                  keel_percent_text(a->expected_volatility * sqrt(year), 1, vol),
                  keel_percent_text(a->turnover_frac, 1, turnover),
                  short_reason(a->rebalance_reason.code, why));
    const size_t used = is_narrow(cli) ? INDENT : INDENT + 27 + strlen(head) + 2;
    weights_text(cli, universe, a, used, weights, sizeof weights);
    fprintf(cli->out, "%-16s  %s%-27s%s%s", keel_moment_text(event_ns, time),
            keel_ink_text(cli->out_colour, sound ? KEEL_INK_GREEN : KEEL_INK_YELLOW), certificate,
            keel_ink_text(cli->out_colour, KEEL_INK_PLAIN), head);
    if (is_narrow(cli))
        fprintf(cli->out, "\n%*s%s", INDENT, "", weights);
    else
        fprintf(cli->out, "  %s", weights);
    if (a->scale_frac < 1.0)
        fprintf(cli->out, "  scaled %.3f", a->scale_frac);
    fputc('\n', cli->out);
}

void keel_view_alloc(const keel_cli *cli, const keel_universe *universe, int64_t bar_ns,
                     int64_t event_ns, const keel_approved_allocation *a)
{
    slice slices[KEEL_UNIVERSE_MAX];
    char text[KEEL_FORMAT_MAX], other[KEEL_FORMAT_MAX];
    const double year = bar_ns > 0 ? keel_bars_per_year(universe, bar_ns) : 0.0;
    const int n = order_weights(a, slices);
    keel_table_title(cli, "Allocation of %s/%s, approved for %s", a->portfolio, a->book,
                     keel_moment_text(event_ns, text));
    fprintf(cli->out, "  method       %s\n", keel_method_name(a->method));
    fprintf(cli->out, "  certificate  %s, %d iterations\n", certificate_text(&a->certificate, text),
            a->certificate.iterations);
    fprintf(cli->out, "  volatility   %s a year, expected\n",
            keel_percent_text(a->expected_volatility * sqrt(year), 2, text));
    fprintf(cli->out, "  turnover     %s of equity %s\n",
            keel_percent_text(a->turnover_frac, 2, text), keel_money_text(a->equity_micros, other));
    fprintf(cli->out, "  why          %s: %s\n", keel_reason_words(a->rebalance_reason.code, text),
            a->rebalance_reason.text);
    fprintf(cli->out, "  risk         %s: %s\n\n", keel_reason_words(a->reason.code, text),
            a->reason.text);
    keel_table *t = keel_table_new("asset|>weight|>at least|>at most");
    for (int i = 0; i < n; i++) {
        const int k = slices[i].index;
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", symbol_of(universe, k));
        keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(a->weights[k], 2, text));
        keel_table_cell(t, KEEL_INK_DIM, "%s", keel_percent_text(a->box_lower[k], 2, text));
        keel_table_cell(t, KEEL_INK_DIM, "%s", keel_percent_text(a->box_upper[k], 2, text));
    }
    keel_table_cell(t, KEEL_INK_PLAIN, "cash");
    keel_table_cell(t, KEEL_INK_PLAIN, "%s", keel_percent_text(a->cash_frac, 2, text));
    keel_table_print(t, cli);
    keel_table_free(&t);
}

void keel_view_trading(const keel_cli *cli, int64_t event_ns, const keel_trading_state *t)
{
    char time[KEEL_FORMAT_MAX], drawdown[KEEL_FORMAT_MAX], why[KEEL_FORMAT_MAX];
    const keel_ink ink = t->mode == KEEL_TRADING_ACTIVE ? KEEL_INK_GREEN : KEEL_INK_RED;
    fprintf(cli->out, "%-16s  %s%-27s%s  drawdown %s  %s: %s\n", keel_moment_text(event_ns, time),
            keel_ink_text(cli->out_colour, ink), keel_trading_mode_name(t->mode),
            keel_ink_text(cli->out_colour, KEEL_INK_PLAIN),
            keel_percent_text(t->drawdown_frac, 1, drawdown),
            keel_reason_words(t->reason.code, why), t->reason.text);
}
