/*
 * blend: several rankers as one,
 *
 *   score(j) = sum over parts p of w_p z_p(j)
 *
 * z_p the part's scores of one history, standardised over all fitted items. The weights are given, or found by
 * coordinate search (blend_search.c). by=ranks is reciprocal-rank fusion instead, which needs no search (Cormack,
 * Clarke and Buettcher 2009): score(j) = sum of w_p / (60 + rank of j in p's list).
 */
#include "ranker/blend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const ways[] = {"scores", "ranks", NULL};
static const recsys__parameter parameters[] = {
    [RECSYS__BLEND_PARTS] = {"parts", RECSYS__TEXT, .min = 1},
    [RECSYS__BLEND_BY] = {"by", RECSYS__WORD, .words = ways},
    [RECSYS__BLEND_WEIGHTS] = {"weights", RECSYS__TEXTS},
    [RECSYS__BLEND_BY_LENGTH] = {"by_length", RECSYS__INTEGER, 0, 1, 0, NULL},
    [RECSYS__BLEND_K] = {"k", RECSYS__INTEGER, 1, 1000, 10, NULL},
    [RECSYS__BLEND_VALIDATION] = {"validation", RECSYS__NUMBER, 0.01, 0.9, 0.2, NULL},
    [RECSYS__BLEND_LIKED] = {"liked", RECSYS__NUMBER, 0, 1, 0.8, NULL},
    [RECSYS__BLEND_SEED] = {"seed", RECSYS__INTEGER, 0, 9007199254740991.0, 1, NULL},
    {NULL},
};

enum { RANK_OFFSET = 60 };

size_t recsys__blend_band(size_t length) {
  static const size_t ends[RECSYS__BANDS - 1] = {5, 20, 80};
  size_t band = 0;
  while (band < RECSYS__BANDS - 1 && length > ends[band])
    band++;
  return band;
}

/* -- fitting */

static bool add_part(recsys__fitted *f, recsys_ranker *part) {
  recsys_ranker **grown = recsys__realloc(f->parts, f->part_count + 1, sizeof(recsys_ranker *));
  if (!grown)
    return false;
  f->parts = grown;
  f->parts[f->part_count++] = part;
  return true;
}

static recsys_status make_part(const recsys__fitting *fitting, const char *text, size_t n, recsys_error *error) {
  recsys_ranker *part = NULL;
  char *copy = recsys__copy(text, n + 1, 1);
  if (!copy)
    return recsys__no_memory(error, "a part of the blend");
  copy[n] = 0;
  recsys_status status = recsys__part_new(fitting->ranker, copy, &part, error);
  recsys__free(copy);
  if (!status && (part->algorithm->choose || part->algorithm->compose))
    status = recsys__fail(error, RECSYS_EINVAL, 0, "'%s' cannot be a part of a blend; name what it would choose",
                          part->algorithm->name);
  if (!status && fitting->fitted->part_count == RECSYS__BLEND_MOST)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "a blend has at most %d parts", RECSYS__BLEND_MOST);
  if (!status && !add_part(fitting->fitted, part))
    status = recsys__no_memory(error, "a part of the blend");
  if (status)
    recsys_ranker_close(part);
  return status;
}

/* "ease; als factors=64", semicolons in quotes being part of a value. */
static recsys_status make_parts(const recsys__fitting *fitting, recsys_error *error) {
  const char *from = recsys__text(fitting->ranker, RECSYS__BLEND_PARTS);
  recsys_status status = RECSYS_OK;
  while (*from && !status) {
    size_t n = 0, blank = strspn(from, " \t\r\n");
    for (bool quoted = false; from[n] && (quoted || from[n] != ';'); n++)
      quoted ^= from[n] == '"';
    if (n > blank)
      status = make_part(fitting, from, n, error);
    from += n + (from[n] == ';');
  }
  if (!status && !fitting->fitted->part_count)
    status = recsys__fail(error, RECSYS_EINVAL, 0, "blend names no parts; parts=\"ease; als\" names two");
  return status;
}

recsys_status recsys__blend_fit_parts(const recsys__fitting *fitting, const recsys__view *view, recsys_error *error) {
  recsys__fitted *f = fitting->fitted;
  recsys_status status = RECSYS_OK;
  for (size_t i = 0; i < f->part_count && !status; i++)
    status = recsys__ranker_fit_on(f->parts[i], view, fitting->options, error);
  return status;
}

/* Weights that were given, the same for every length of history. */
static recsys_status given_weights(const recsys__fitting *fitting, const char *text, recsys_error *error) {
  recsys__fitted *f = fitting->fitted;
  size_t n = 0;
  double sum = 0;
  bool ok = true;
  for (const char *at = text; ok && (*at || n == 0); n++) {
    char number[40] = "";
    size_t digits = strcspn(at, ",");
    ok = n < f->part_count && digits < sizeof number;
    if (!ok)
      break;
    memcpy(number, at, digits);
    ok = recsys__parse_double(number, false, &f->weights[n]) && f->weights[n] >= 0 && f->weights[n] <= 1e9;
    sum += ok ? f->weights[n] : 0;
    at += digits + (at[digits] == ',');
  }
  if (!ok || n != f->part_count || !(sum > 0))
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "weights=%.60s: %zu parts need as many numbers, none negative and not all 0", text,
                        f->part_count);
  for (size_t i = f->part_count; i < RECSYS__BANDS * f->part_count; i++)
    f->weights[i] = f->weights[i % f->part_count];
  return RECSYS_OK;
}

static recsys_status compose(const recsys__fitting *fitting, recsys_error *error) {
  const recsys_ranker *ranker = fitting->ranker;
  recsys__fitted *f = fitting->fitted;
  const char *weights = recsys__text(ranker, RECSYS__BLEND_WEIGHTS);
  recsys_status status = make_parts(fitting, error);
  if (!status && !(f->weights = recsys__alloc(RECSYS__BANDS * f->part_count, sizeof *f->weights)))
    status = recsys__no_memory(error, "the blend's weights");
  for (size_t i = 0; i < RECSYS__BANDS * f->part_count && !status; i++)
    f->weights[i] = 1;
  if (!status && weights)
    status = given_weights(fitting, weights, error);
  else if (!status && recsys__number(ranker, RECSYS__BLEND_BY) == 0 && f->part_count > 1)
    status = recsys__blend_search(fitting, error);
  return status ? status : recsys__blend_fit_parts(fitting, fitting->view, error);
}

/* -- scoring */

/* What the part says; its candidates and reasons are freed by the caller. */
static recsys_status ask(const recsys__request *r, recsys_ranker *part, recsys__request *answer, recsys_error *error) {
  recsys__fitted *fitted = recsys__ranker_fitted(part);
  *answer = *r;
  answer->ranker = part;
  answer->fitted = fitted;
  answer->candidates = NULL;
  answer->reasons = NULL;
  answer->count = answer->room = answer->reason_count = answer->reason_room = 0;
  recsys_status status = recsys__request_score(answer, error);
  recsys__fitted_release(fitted);
  answer->fitted = NULL;
  return status;
}

static void standardise(const recsys__request *answer, const recsys__fitted *own, double silent, double *z,
                        recsys__standard *s) {
  double sum = 0, squares = 0;
  size_t next = 0;
  for (size_t i = 0; i < own->n; i++) {
    while (next < answer->count && answer->candidates[next].item < own->items[i])
      next++;
    bool said = next < answer->count && answer->candidates[next].item == own->items[i];
    z[i] = said ? answer->candidates[next].score : silent;
    sum += z[i];
  }
  s->mean = own->n ? sum / (double)own->n : 0;
  for (size_t i = 0; i < own->n; i++)
    squares += (z[i] - s->mean) * (z[i] - s->mean);
  s->deviation = own->n ? sqrt(squares / (double)own->n) : 0;
  for (size_t i = 0; i < own->n; i++)
    z[i] = s->deviation > 0 ? (z[i] - s->mean) / s->deviation : 0;
}

recsys_status recsys__blend_standardise(const recsys__request *r, recsys_ranker *part, const recsys__fitted *own,
                                        double *z, recsys__standard *s, recsys_error *error) {
  recsys__request answer;
  recsys_status status = ask(r, part, &answer, error);
  if (!status)
    standardise(&answer, own, part->algorithm->predicts ? own->global_mean : 0, z, s);
  recsys__free(answer.candidates);
  recsys__free(answer.reasons);
  return status;
}

/* z becomes w / (60 + rank): 0 for items that the part does not list. */
static recsys_status fuse(const recsys__request *r, recsys_ranker *part, const recsys__fitted *own, double weight,
                          double *sums, recsys_error *error) {
  recsys__request answer;
  recsys_status status = ask(r, part, &answer, error);
  size_t rank = 0;
  if (!status && answer.count)
    qsort(answer.candidates, answer.count, sizeof *answer.candidates, recsys__candidate_order);
  for (size_t i = 0; i < answer.count && !status; i++) {
    size_t at = recsys__fitted_index(own, answer.candidates[i].item);
    if (at < own->n && answer.candidates[i].score != 0)
      sums[at] += weight / (double)(RANK_OFFSET + ++rank);
  }
  recsys__free(answer.candidates);
  recsys__free(answer.reasons);
  return status;
}

/* Adds one part's reasons, on the blend's scale; what does not come from the history goes to *constant. */
static bool add_reasons(recsys__request *r, const recsys__request *answer, double scale, double *constant) {
  bool ok = true;
  if (answer->explained_score_set)
    *constant += scale * answer->explained_score;
  for (size_t i = 0; i < answer->reason_count && ok && !answer->explained_score_set; i++) {
    recsys_reason reason = answer->reasons[i];
    reason.contribution *= scale;
    size_t at = 0;
    while (at < r->reason_count && (r->reasons[at].kind != reason.kind || r->reasons[at].item != reason.item))
      at++;
    if (reason.kind == RECSYS_REASON_CONSTANT)
      *constant += reason.contribution;
    else if (at < r->reason_count)
      r->reasons[at].contribution += reason.contribution;
    else
      ok = recsys__request_reason(r, &reason);
  }
  return ok;
}

static recsys_status explain(recsys__request *r, const double *weights, recsys_error *error) {
  const recsys__fitted *f = r->fitted;
  double constant = 0, *z = recsys__alloc(f->n, sizeof *z);
  size_t at = recsys__fitted_index(f, r->explained);
  recsys_status status = z ? RECSYS_OK : recsys__no_memory(error, "the reasons");
  for (size_t p = 0; p < f->part_count && !status && at < f->n; p++) {
    double silent = f->parts[p]->algorithm->predicts ? f->global_mean : 0;
    recsys__request answer;
    recsys__standard s;
    recsys__candidate wanted = {.item = r->explained};
    status = ask(r, f->parts[p], &answer, error);
    if (!status)
      standardise(&answer, f, silent, z, &s);
    if (!status && s.deviation > 0) {
      bool said =
          answer.count && bsearch(&wanted, answer.candidates, answer.count, sizeof wanted, recsys__candidate_by_item);
      constant += weights[p] * ((said ? 0 : silent) - s.mean) / s.deviation;
      if (said && !add_reasons(r, &answer, weights[p] / s.deviation, &constant))
        status = recsys__no_memory(error, "the reasons");
    }
    recsys__free(answer.candidates);
    recsys__free(answer.reasons);
  }
  recsys__free(z);
  recsys_reason rest = {.kind = RECSYS_REASON_CONSTANT, .item = -1, .contribution = constant};
  if (!status && at < f->n && constant != 0 && !recsys__request_reason(r, &rest))
    status = recsys__no_memory(error, "the reasons");
  return status;
}

static recsys_status add_up(const recsys__request *r, const double *weights, double *sums, recsys_error *error) {
  const recsys__fitted *f = r->fitted;
  bool ranks = recsys__number(r->ranker, RECSYS__BLEND_BY) != 0;
  recsys__standard s;
  double *z = recsys__alloc(f->n, sizeof *z);
  recsys_status status = z ? RECSYS_OK : recsys__no_memory(error, "the scores");
  for (size_t p = 0; p < f->part_count && !status; p++) {
    if (weights[p] == 0)
      continue;
    status = ranks ? fuse(r, f->parts[p], f, weights[p], sums, error)
                   : recsys__blend_standardise(r, f->parts[p], f, z, &s, error);
    for (size_t i = 0; i < f->n && !status && !ranks; i++)
      sums[i] += weights[p] * z[i];
  }
  recsys__free(z);
  return status;
}

static recsys_status score(recsys__request *r, recsys_error *error) {
  const recsys__fitted *f = r->fitted;
  const double *weights = f->weights + recsys__blend_band(r->history_count) * f->part_count;
  if (!r->history_count)
    return RECSYS_OK;
  double *sums = recsys__calloc(f->n, sizeof *sums);
  recsys__request parts = *r;
  parts.explained = -1;
  recsys_status status = sums ? add_up(&parts, weights, sums, error) : recsys__no_memory(error, "the scores");
  if (!status && !(r->candidates = recsys__alloc(f->n, sizeof *r->candidates)))
    status = recsys__no_memory(error, "the scores");
  for (size_t i = 0; i < f->n && !status; i++)
    r->candidates[r->count++] = (recsys__candidate){f->items[i], sums[i]};
  r->room = r->count;
  if (!status && r->explained >= 0 && recsys__number(r->ranker, RECSYS__BLEND_BY) == 0) {
    status = explain(r, weights, error);
  } else if (!status && r->explained >= 0) {
    size_t at = recsys__fitted_index(f, r->explained);
    r->explained_score = at < f->n ? sums[at] : 0;
    r->explained_score_set = true;
  }
  recsys__free(sums);
  return status;
}

const recsys__algorithm recsys__blend = {.name = "blend", .parameters = parameters, .compose = compose, .score = score};
