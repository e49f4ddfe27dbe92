/* frontier_report.h - a survey of a frontier as tables that people read.
 *
 * ROOM     services/workbench.
 */
#ifndef KEEL_SERVICES_WORKBENCH_FRONTIER_REPORT_H
#define KEEL_SERVICES_WORKBENCH_FRONTIER_REPORT_H

#include "services/workbench/frontier_survey.h"
#include "services/workbench/report.h"

/* Corners, points, the portfolios that have a name and their weights. A whole frontier only. */
void keel_survey_print(const keel_survey *survey, const keel_report_basis *basis, FILE *to);

#endif
