/* report.h - an answer as a table that people read.
 *
 * ROOM     services/workbench.
 */
#ifndef KEEL_SERVICES_WORKBENCH_REPORT_H
#define KEEL_SERVICES_WORKBENCH_REPORT_H

#include "services/optimizer/engine/problem.h"
#include "services/workbench/problem_json.h"

/* What the answer's numbers are per. */
typedef struct keel_report_basis {
    double bars_per_year; /* 0 = unknown: nothing is annualised */
    int bars;             /* that were estimated from; 0 = unknown */
    unsigned left_out;    /* rows with a missing value */
} keel_report_basis;

/* The widest name, and the heading "asset". */
int keel_report_name_width(const keel_labels *assets);

/* In percent; 0 for what would be printed like -0. */
double keel_report_percent(double fraction);

/* How many bars, and what was left out; nothing where that is unknown. */
void keel_report_bars(const keel_report_basis *basis, FILE *to);

/* Weights, bounds, parts of the risk and trades; then return, volatility, Sharpe ratio, the proof
 * and the rules that bind; where `explain` is set, why each weight is what it is. SOLVED only. */
void keel_report_print(const keel_stated *stated, const keel_problem_answer *answer,
                       const keel_report_basis *basis, FILE *to);

#endif
