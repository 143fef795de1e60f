/* Labels and their metrics, from a report and as JSON. */
#include "label_table.h"

#include <stdio.h>

#include "table.h"

static void add_row(table *t, const json_t *m, const char *field, const char *value) {
  static const char *const columns[] = {"threshold", "accuracy", "precision", "recall", "f1", "average_precision"};
  char number[32];
  table_cell(t, field);
  table_cell(t, value);
  snprintf(number, sizeof number, "%lld", (long long)json_integer_value(json_object_get(m, "support")));
  table_cell(t, number);
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    snprintf(number, sizeof number, "%.3f", json_number_value(json_object_get(m, columns[i])));
    table_cell(t, number);
  }
}

void label_table_print(const json_t *report) {
  static const char *const headings[] = {"field",     "label",  "pictures", "threshold",        "accuracy",
                                         "precision", "recall", "F1",       "average precision"};
  table *t = table_new(headings, 9, "2345678");
  const json_t *labels = json_object_get(report, "labels");
  for (size_t i = 0; i < json_array_size(labels); i++) {
    const json_t *m = json_array_get(labels, i);
    add_row(t, m, json_string_value(json_object_get(m, "field")), json_string_value(json_object_get(m, "value")));
  }
  add_row(t, json_object_get(report, "micro"), "", "(micro)");
  add_row(t, json_object_get(report, "macro"), "", "(macro)");
  table_print(t);
  table_free(t);
}

static json_t *metrics_of(const recsys_label_metrics *m) {
  return json_pack("{sI sI sf sf sf sf sf sf}", "known", (json_int_t)m->known, "support", (json_int_t)m->support,
                   "threshold", m->threshold, "accuracy", m->accuracy, "precision", m->precision, "recall", m->recall,
                   "f1", m->f1, "average_precision", m->average_precision);
}

json_t *label_table_json(const recsys_label *labels, size_t n, const recsys_label_metrics *metrics) {
  json_t *list = json_array();
  for (size_t i = 0; i < n; i++) {
    json_t *one = metrics_of(&metrics[i]);
    json_object_set_new(one, "field", json_string(labels[i].field));
    json_object_set_new(one, "value", json_string(labels[i].value));
    json_array_append_new(list, one);
  }
  return json_pack("{so so so}", "labels", list, "micro", metrics_of(&metrics[n]), "macro",
                   metrics_of(&metrics[n + 1]));
}
