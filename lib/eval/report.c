/* From what was gathered to means, intervals and tests; and recsys_evaluation_get, _describe, _close. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/thread.h"
#include "eval/evaluation.h"
#include "eval/statistics.h"

bool recsys__larger_is_better(const recsys__column *column) {
  return column->kind != RECSYS__RMSE && column->kind != RECSYS__MAE && column->kind != RECSYS__GINI;
}

static void column_name(const recsys__column *column, char *name, size_t size) {
  static const char *const names[] = {"", "auc", "rmse", "mae", "novelty", "diversity", "coverage", "gini"};
  const char *base = column->kind == RECSYS__CUT ? recsys__cut_metric_names[column->cut] : names[column->kind];
  if (column->k)
    snprintf(name, size, "%s@%u", base, column->k);
  else
    snprintf(name, size, "%s", base);
}

/* -- numbers */

typedef struct finishing {
  recsys_evaluation *e;
  uint64_t seed;
  _Atomic bool failed;
} finishing;

/* A user's mean over repeats; for errors of predicted values the plain sums, so that every rating counts alike. */
static size_t users_of(const recsys_evaluation *e, size_t cell, double *x, double *w) {
  const recsys__column *column = &e->columns[cell % e->column_count];
  bool ratio = column->kind == RECSYS__RMSE || column->kind == RECSYS__MAE;
  size_t n = 0;
  for (size_t u = 0; u < e->user_count; u++) {
    double sum = e->user_sums[cell * e->user_count + u], weight = e->user_weights[cell * e->user_count + u];
    if (weight == 0)
      continue;
    x[n] = ratio ? sum : sum / weight;
    w[n++] = ratio ? weight : 1;
  }
  return n;
}

static double finish_value(const recsys__column *column, double value) {
  return column->kind == RECSYS__RMSE ? sqrt(value) : value;
}

static void repeats_of(const recsys_evaluation *e, size_t cell, recsys_metric *m) {
  const recsys__column *column = &e->columns[cell % e->column_count];
  double *means = recsys__alloc(e->repeats, sizeof *means), sum = 0;
  size_t n = 0;
  for (size_t r = 0; means && r < e->repeats; r++)
    if (e->repeat_weights[cell * e->repeats + r] > 0) {
      means[n] = finish_value(column, e->repeat_sums[cell * e->repeats + r] / e->repeat_weights[cell * e->repeats + r]);
      sum += means[n++];
    }
  if (n) {
    m->deviation = recsys__corrected_deviation(means, n, e->test, e->train);
    m->repeat_mean = sum / (double)n;
    if (!m->users) /* coverage, Gini: of a repeat, not of a user */
      m->mean = m->low = m->high = sum / (double)n;
  }
  recsys__free(means);
}

static void finish_cell(void *context, size_t cell) {
  finishing *f = context;
  recsys_evaluation *e = f->e;
  recsys_metric *m = &e->results[cell];
  size_t ranker = cell / e->column_count / RECSYS__GROUPS, group = cell / e->column_count % RECSYS__GROUPS;
  const recsys__column *column = &e->columns[cell % e->column_count];
  double *x = recsys__alloc(e->user_count + 1, 2 * sizeof *x), *w = x + e->user_count + 1, sum = 0, weight = 0;
  *m = (recsys_metric){.struct_size = sizeof *m, .mean = NAN, .low = NAN, .high = NAN, .p_value = 1};
  m->seconds = e->seconds[ranker];
  if (!x) {
    f->failed = true;
    return;
  }
  for (size_t u = 0; u < e->user_count; u++)
    m->unscored += e->tested[u * RECSYS__GROUPS + group] == 1;
  m->users = (uint32_t)users_of(e, cell, x, w);
  for (size_t i = 0; i < m->users; i++) {
    sum += x[i];
    weight += w[i];
  }
  if (m->users) {
    m->mean = finish_value(column, sum / weight);
    if (!recsys__bootstrap(x, w, m->users, f->seed, &m->low, &m->high))
      f->failed = true;
    m->low = finish_value(column, m->low);
    m->high = finish_value(column, m->high);
  }
  recsys__free(x);
  repeats_of(e, cell, m);
}

/* The best ranker of a column, or ranker_count where nobody has a value. */
static size_t best_of(const recsys_evaluation *e, size_t group, size_t column) {
  size_t best = e->ranker_count;
  for (size_t r = 0; r < e->ranker_count; r++) {
    double mean = e->results[recsys__cell(e, r, group, column)].mean;
    double before = best < e->ranker_count ? e->results[recsys__cell(e, best, group, column)].mean : NAN;
    if (!isnan(mean) &&
        (isnan(before) || (recsys__larger_is_better(&e->columns[column]) ? mean > before : mean < before)))
      best = r;
  }
  return best;
}

/* Paired over the users that both have. */
static double paired_p(const recsys_evaluation *e, size_t a, size_t b, double *d, uint64_t seed) {
  size_t n = 0;
  for (size_t u = 0; u < e->user_count; u++) {
    double wa = e->user_weights[a * e->user_count + u], wb = e->user_weights[b * e->user_count + u];
    if (wa > 0 && wb > 0)
      d[n++] = e->user_sums[a * e->user_count + u] / wa - e->user_sums[b * e->user_count + u] / wb;
  }
  return n ? recsys__sign_flip(d, n, seed) : 1;
}

static void compare_column(void *context, size_t part) {
  finishing *f = context;
  recsys_evaluation *e = f->e;
  size_t group = part / e->column_count, column = part % e->column_count, best = best_of(e, group, column), n = 0;
  double *p = recsys__alloc(e->ranker_count, sizeof *p), *d = recsys__alloc(e->user_count, sizeof *d);
  if (!p || !d)
    f->failed = true;
  for (size_t r = 0; p && d && best < e->ranker_count && r < e->ranker_count; r++) {
    size_t cell = recsys__cell(e, r, group, column), other = recsys__cell(e, best, group, column);
    e->results[cell].difference = e->results[cell].mean - e->results[other].mean;
    if (r != best && !isnan(e->results[cell].mean))
      p[n++] = paired_p(e, cell, other, d, f->seed);
  }
  if (p && d && n && !recsys__holm(p, n))
    f->failed = true;
  for (size_t r = 0, i = 0; p && d && best < e->ranker_count && r < e->ranker_count; r++) {
    recsys_metric *m = &e->results[recsys__cell(e, r, group, column)];
    if (r != best && !isnan(m->mean))
      m->p_value = p[i++];
  }
  recsys__free(p);
  recsys__free(d);
}

bool recsys__evaluation_finish(recsys_evaluation *e, uint32_t threads, uint64_t seed) {
  finishing f = {.e = e, .seed = seed};
  recsys__parallel(threads, e->ranker_count * RECSYS__GROUPS * e->column_count, finish_cell, &f);
  recsys__parallel(threads, RECSYS__GROUPS * e->column_count, compare_column, &f);
  return !f.failed;
}

/* -- giving out */

void recsys_evaluation_close(recsys_evaluation *e) {
  if (!e)
    return;
  for (size_t i = 0; i < e->ranker_count; i++)
    recsys__free(e->rankers[i]);
  recsys__free(e->rankers);
  recsys__free(e->columns);
  recsys__free(e->users);
  recsys__free(e->k);
  recsys__free(e->user_sums);
  recsys__free(e->user_weights);
  recsys__free(e->repeat_sums);
  recsys__free(e->repeat_weights);
  recsys__free(e->seconds);
  recsys__free(e->tested);
  recsys__free(e->results);
  recsys__free(e);
}

static recsys_status no_metric(const recsys_evaluation *e, const char *metric, recsys_error *error) {
  char names[160] = "", name[32];
  for (size_t c = 0, length = 0; c < e->column_count && length + 24 < sizeof names; c++) {
    column_name(&e->columns[c], name, sizeof name);
    length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", c ? ", " : "", name);
  }
  return recsys__fail(error, RECSYS_ENOTFOUND, 0, "there is no metric '%.20s'; there are %s ...", metric, names);
}

recsys_status recsys_evaluation_get(recsys_evaluation *e, uint32_t ranker, const char *metric, const char *group,
                                    recsys_metric *result, recsys_error *error) {
  size_t g = 0, c = 0;
  char name[32] = "";
  if (!e || !metric || !result || result->struct_size < 8)
    return recsys__fail(error, RECSYS_EINVAL, 0, "evaluation, metric or result is NULL, or struct_size is not set");
  if (ranker >= e->ranker_count)
    return recsys__fail(error, RECSYS_EINVAL, (int32_t)ranker, "ranker is %u of %zu", ranker, e->ranker_count);
  while (group && g < RECSYS__GROUPS && strcmp(group, recsys__group_names[g]) != 0)
    g++;
  if (g == RECSYS__GROUPS)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "there is no group '%.40s'; there are all, new-users, new-items",
                        group);
  for (; c < e->column_count; c++) {
    column_name(&e->columns[c], name, sizeof name);
    if (!strcmp(name, metric))
      break;
  }
  if (c == e->column_count)
    return no_metric(e, metric, error);
  recsys_metric full = e->results[recsys__cell(e, ranker, g, c)];
  uint32_t size = result->struct_size;
  if (isnan(full.mean))
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "'%.20s' of '%.60s' was not measured for '%s'", metric,
                        e->rankers[ranker], recsys__group_names[g]);
  full.struct_size = size;
  memset(result, 0, size);
  memcpy(result, &full, size < sizeof full ? size : sizeof full);
  return recsys__ok(error);
}

static json_t *metric_json(const recsys_metric *m) {
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "mean", m->mean, "repeat_mean", m->repeat_mean, "low", m->low,
                   "high", m->high, "deviation", m->deviation, "difference", m->difference, "p_value", m->p_value);
}

static json_t *group_json(const recsys_evaluation *e, size_t ranker, size_t group) {
  json_t *metrics = json_object();
  const recsys_metric *first = &e->results[recsys__cell(e, ranker, group, 0)];
  char name[32];
  for (size_t c = 0; c < e->column_count; c++) {
    const recsys_metric *m = &e->results[recsys__cell(e, ranker, group, c)];
    column_name(&e->columns[c], name, sizeof name);
    if (!isnan(m->mean))
      json_object_set_new(metrics, name, metric_json(m));
  }
  return json_pack("{s:i, s:i, s:o}", "users", (int)first->users, "unscored", (int)first->unscored, "metrics", metrics);
}

recsys_status recsys_evaluation_describe(recsys_evaluation *e, char *buffer, size_t size, size_t *length,
                                         recsys_error *error) {
  if (!e || (size && !buffer))
    return recsys__fail(error, RECSYS_EINVAL, 0, "evaluation or buffer is NULL");
  json_t *rankers = json_array();
  for (size_t r = 0; r < e->ranker_count; r++) {
    json_t *groups = json_object();
    for (size_t g = 0; g < RECSYS__GROUPS; g++)
      json_object_set_new(groups, recsys__group_names[g], group_json(e, r, g));
    json_array_append_new(
        rankers, json_pack("{s:s, s:f, s:o}", "ranker", e->rankers[r], "seconds", e->seconds[r], "groups", groups));
  }
  json_t *json = json_pack("{s:I, s:f, s:f, s:o}", "repeats", (json_int_t)e->repeats, "test_ratings", e->test,
                           "training_ratings", e->train, "rankers", rankers);
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  json_decref(json);
  if (!text)
    return recsys__no_memory(error, "the description");
  recsys__fill(buffer, size, length, text, strlen(text));
  free(text);
  return recsys__ok(error);
}
