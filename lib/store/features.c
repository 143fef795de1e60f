/* What a view knows about an item beyond its ratings: everything that rankers make features of. */
#include <string.h>

#include "store/store.h"

static const recsys__item *record_of(const recsys__view *view, int64_t item) {
  return item < 0 ? NULL : recsys__map_get(&view->items, item);
}

size_t recsys__view_all_labels(const recsys__view *view, int64_t item, const recsys__label **labels) {
  const recsys__item *record = record_of(view, item);
  *labels = record ? record->labels : NULL;
  return record ? record->label_count : 0;
}

bool recsys__view_number_at(const recsys__view *view, int64_t item, size_t index, int32_t *field, double *value) {
  const recsys__item *record = record_of(view, item);
  if (!record || index >= record->number_count)
    return false;
  *field = record->numbers[index].field;
  *value = record->numbers[index].value;
  return true;
}

const char *recsys__view_text_at(const recsys__view *view, int64_t item, size_t index, int32_t *field) {
  const recsys__item *record = record_of(view, item);
  if (!record || index >= record->text_count)
    return NULL;
  *field = record->texts[index].field;
  return record->texts[index].value;
}

const char *recsys__view_field_name(const recsys__view *view, int32_t field) {
  return recsys__vocabulary_text(&view->core->vocabulary, field);
}

uint32_t recsys__view_dim(const recsys__view *view, int32_t space) {
  return view->spaces[space].dim;
}

bool recsys__view_mean_row(const recsys__view *view, int32_t space, int64_t item, double *row) {
  const recsys__rows *rows = view->spaces[space].rows;
  const float *picture;
  int64_t id;
  size_t n = 0, dim = view->spaces[space].dim;
  memset(row, 0, dim * sizeof *row);
  for (; recsys__rows_picture(rows, item, n, &id, &picture); n++)
    for (size_t i = 0; i < dim; i++)
      row[i] += (double)picture[i];
  for (size_t i = 0; i < dim && n; i++)
    row[i] /= (double)n;
  return n > 0;
}
