/* How well labels are told, as a table and as JSON. */
#ifndef LABEL_TABLE_H
#define LABEL_TABLE_H

#include <jansson.h>
#include <stddef.h>

#include "recsys.h"

/* {labels: [{field, value, known, support, ...}], micro, macro}: as in a training's report. */
json_t *label_table_json(const recsys_label *labels, size_t n, const recsys_label_metrics *metrics);
void label_table_print(const json_t *report);

#endif
