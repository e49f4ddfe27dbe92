/* frontier_json.h - a survey of a frontier as JSON.
 *
 * ROOM     services/workbench. Fields: docs/schema/frontier.schema.json. Written by
 *          keel_answer_write, numbers with 17 digits.
 * THREADS  any.
 */
#ifndef KEEL_SERVICES_WORKBENCH_FRONTIER_JSON_H
#define KEEL_SERVICES_WORKBENCH_FRONTIER_JSON_H

#include "services/workbench/frontier_survey.h"

/* bars_per_year: 0 = unknown. Owned: json_decref. */
json_t *keel_survey_json(const keel_survey *survey, double bars_per_year);

#endif
