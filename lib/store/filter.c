/* What may appear in a list: a caller's filter, checked and compiled to numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "store/filter.h"
#include "store/store.h"

typedef struct clause {
  uint32_t op;
  int32_t field;
  int32_t *values; /* those that the store knows */
  size_t count;
  bool impossible; /* ALL with a value that no item has */
  double min, max;
} clause;

struct recsys__filter {
  const recsys__view *view;
  recsys_filter source;
  clause *clauses;
  size_t clause_count;
  int64_t *allow, *deny;
};

static int compare(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static recsys_status copy_ids(int64_t **out, const int64_t *ids, uint64_t n, const char *what, recsys_error *error) {
  if (n && !ids)
    return recsys__fail(error, RECSYS_EINVAL, 0, "filter: %s is NULL, but its count is %llu", what,
                        (unsigned long long)n);
  *out = recsys__copy(n ? ids : (const int64_t *)"", (size_t)n, sizeof *ids);
  if (!*out)
    return recsys__no_memory(error, "the filter");
  qsort(*out, (size_t)n, sizeof **out, compare);
  return RECSYS_OK;
}

static recsys_status compile_clause(clause *c, const recsys__view *view, const recsys_clause *from,
                                    recsys_error *error) {
  if (!from->field || from->op < RECSYS_CLAUSE_ANY || from->op > RECSYS_CLAUSE_RANGE)
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "filter: a clause has no field, or op %u, which is none of ANY, ALL, NONE, RANGE", from->op);
  *c = (clause){.op = from->op, .field = recsys__view_field(view, from->field), .min = from->min, .max = from->max};
  if (from->op == RECSYS_CLAUSE_RANGE) {
    if (isnan(from->min) || isnan(from->max))
      return recsys__fail(error, RECSYS_EINVAL, 0, "filter: the range of '%.60s' holds NaN", from->field);
    return RECSYS_OK;
  }
  if (from->n_values && !from->values)
    return recsys__fail(error, RECSYS_EINVAL, 0, "filter: the values of '%.60s' are NULL", from->field);
  if (!(c->values = recsys__alloc(from->n_values, sizeof *c->values)))
    return recsys__no_memory(error, "the filter");
  for (uint32_t i = 0; i < from->n_values; i++) {
    int32_t value = from->values[i] ? recsys__view_value(view, c->field, from->values[i]) : -1;
    if (value >= 0)
      c->values[c->count++] = value;
    else
      c->impossible = from->op == RECSYS_CLAUSE_ALL;
  }
  return RECSYS_OK;
}

static recsys_status compile(recsys__filter *f, recsys_error *error) {
  const recsys_filter *source = &f->source;
  if (source->flags > 15)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "filter: flags %u are not known", source->flags);
  if (source->n_clauses && !source->clauses)
    return recsys__fail(error, RECSYS_EINVAL, 0, "filter: clauses is NULL, but n_clauses is not 0");
  if (((source->flags & RECSYS_FILTER_MIN_SIMILARITY) && !(fabs(source->min_similarity) <= 1)) ||
      ((source->flags & RECSYS_FILTER_MAX_DISTANCE) && !(source->max_distance >= 0)))
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "filter: min_similarity lies in -1..1 and max_distance is 0 or larger");
  f->clauses = recsys__calloc((size_t)source->n_clauses, sizeof *f->clauses);
  if (!f->clauses)
    return recsys__no_memory(error, "the filter");
  for (size_t i = 0; i < source->n_clauses; i++) {
    f->clause_count = i + 1;
    recsys_status status = compile_clause(&f->clauses[i], f->view, &source->clauses[i], error);
    if (status)
      return status;
  }
  recsys_status status = RECSYS_OK;
  if (source->flags & RECSYS_FILTER_ALLOW)
    status = copy_ids(&f->allow, source->allow, source->n_allow, "allow", error);
  if (!status && source->n_deny)
    status = copy_ids(&f->deny, source->deny, source->n_deny, "deny", error);
  return status;
}

recsys_status recsys__filter_compile(recsys__filter **out, const recsys__view *view, const recsys_filter *source,
                                     recsys_error *error) {
  *out = NULL;
  if (!source)
    return RECSYS_OK;
  recsys__filter *f = recsys__calloc(1, sizeof *f);
  if (!f)
    return recsys__no_memory(error, "the filter");
  f->view = view;
  recsys_status status = recsys__options_copy(&f->source, sizeof f->source, source, "recsys_filter", error);
  if (!status)
    status = compile(f, error);
  if (status)
    recsys__filter_free(f);
  else
    *out = f;
  return status;
}

static bool has_label(const recsys__label *labels, size_t n, int32_t value) {
  for (size_t i = 0; i < n; i++)
    if (labels[i].value == value)
      return true;
  return false;
}

static bool in_range(const recsys__filter *f, const clause *c, int64_t item) {
  const recsys__item *record = recsys__map_get(&f->view->items, item);
  for (size_t i = 0; record && i < record->number_count; i++)
    if (record->numbers[i].field == c->field)
      return record->numbers[i].value >= c->min && record->numbers[i].value <= c->max;
  return false;
}

static bool clause_passes(const recsys__filter *f, const clause *c, int64_t item) {
  const recsys__label *labels;
  if (c->op == RECSYS_CLAUSE_RANGE)
    return in_range(f, c, item);
  size_t n = recsys__view_labels(f->view, item, c->field, &labels), hits = 0;
  for (size_t i = 0; i < c->count; i++)
    hits += has_label(labels, n, c->values[i]);
  if (c->op == RECSYS_CLAUSE_ALL)
    return !c->impossible && hits == c->count;
  return c->op == RECSYS_CLAUSE_ANY ? hits > 0 : hits == 0;
}

bool recsys__filter_passes(const recsys__filter *f, int64_t item) {
  if (!f)
    return true;
  if (f->allow && !bsearch(&item, f->allow, (size_t)f->source.n_allow, sizeof item, compare))
    return false;
  if (f->deny && bsearch(&item, f->deny, (size_t)f->source.n_deny, sizeof item, compare))
    return false;
  for (size_t i = 0; i < f->clause_count; i++)
    if (!clause_passes(f, &f->clauses[i], item))
      return false;
  return true;
}

uint32_t recsys__filter_flags(const recsys__filter *f) {
  return f ? f->source.flags : 0;
}

bool recsys__filter_limit(const recsys__filter *f, uint32_t metric, double *limit) {
  if (!f)
    return false;
  *limit = metric == RECSYS_METRIC_COSINE ? f->source.min_similarity : f->source.max_distance;
  return f->source.flags & (metric == RECSYS_METRIC_COSINE ? RECSYS_FILTER_MIN_SIMILARITY : RECSYS_FILTER_MAX_DISTANCE);
}

void recsys__filter_free(recsys__filter *f) {
  if (!f)
    return;
  for (size_t i = 0; i < f->clause_count; i++)
    recsys__free(f->clauses[i].values);
  recsys__free(f->clauses);
  recsys__free(f->allow);
  recsys__free(f->deny);
  recsys__free(f);
}
