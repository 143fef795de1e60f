/* recsys_ranker_compare: what two items have in common, in the terms that `content` and `ease` work with. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ranker/features.h"
#include "ranker/ranker.h"
#include "ranker/words.h"

typedef struct pair {
  const recsys__view *view;
  int64_t a, b;
} pair;

static bool append(json_t *list, json_t *entry) {
  return entry && !json_array_append_new(list, entry);
}

static bool add_labels(json_t *list, const pair *p) {
  const recsys__label *a, *b;
  size_t n = recsys__view_all_labels(p->view, p->a, &a), m = recsys__view_all_labels(p->view, p->b, &b);
  bool ok = true;
  for (size_t i = 0; i < n && ok; i++)
    for (size_t j = 0; j < m && ok; j++)
      if (a[i].value == b[j].value)
        ok = append(list, json_pack("{s:s, s:s}", "field", recsys__view_field_name(p->view, a[i].field), "value",
                                    recsys__view_value_name(p->view, a[i].value)));
  return ok;
}

static bool add_numbers(json_t *list, const pair *p) {
  int32_t field, other;
  double x, y;
  bool ok = true;
  for (size_t i = 0; ok && recsys__view_number_at(p->view, p->a, i, &field, &x); i++)
    for (size_t j = 0; ok && recsys__view_number_at(p->view, p->b, j, &other, &y); j++)
      if (field == other)
        ok = append(list,
                    json_pack("{s:s, s:f, s:f}", "field", recsys__view_field_name(p->view, field), "a", x, "b", y));
  return ok;
}

static bool collect_words(recsys__words *words, const pair *p, uint32_t which) {
  const char *text;
  int32_t field;
  bool ok = true;
  for (size_t i = 0; ok && (text = recsys__view_text_at(p->view, which ? p->b : p->a, i, &field)); i++)
    ok = !recsys__features_is_name(p->view, NULL, field) || recsys__words_add(words, which, text);
  return ok;
}

/* Words and adjacent pairs of words that both have. */
static bool add_words(json_t *list, const pair *p) {
  recsys__words words = {0};
  bool ok = collect_words(&words, p, 0) && collect_words(&words, p, 1);
  recsys__words_sort(&words);
  for (size_t i = 0; i + 1 < words.count && ok; i++)
    if (!strcmp(words.list[i].text, words.list[i + 1].text) && words.list[i].item != words.list[i + 1].item)
      ok = append(list, json_string(words.list[i].text));
  recsys__words_free(&words);
  return ok;
}

static json_t *compare(const recsys_ranker *ranker, const pair *p) {
  json_t *labels = json_array(), *numbers = json_array(), *words = json_array(), *json = NULL;
  int32_t space;
  double cosine;
  bool seen = !recsys__view_space(p->view, ranker->fingerprint, &space, NULL) &&
              recsys__view_likeness(p->view, space, p->a, p->b, RECSYS_METRIC_COSINE, &cosine);
  if (add_labels(labels, p) && add_numbers(numbers, p) && add_words(words, p))
    json = json_pack("{s:O, s:O, s:O, s:o}", "labels", labels, "numbers", numbers, "words", words, "pictures",
                     seen ? json_real(cosine) : json_null());
  json_decref(labels);
  json_decref(numbers);
  json_decref(words);
  return json;
}

recsys_status recsys_ranker_compare(recsys_ranker *ranker, int64_t a, int64_t b, char *buffer, size_t size,
                                    size_t *length, recsys_error *error) {
  if (!ranker || (size && !buffer))
    return recsys__fail(error, RECSYS_EINVAL, 0, "ranker or buffer is NULL");
  pair p = {recsys__store_core_view(ranker->core), a, b};
  bool known = recsys__view_has_item(p.view, a) && recsys__view_has_item(p.view, b);
  json_t *json = known ? compare(ranker, &p) : NULL;
  recsys__view_release(p.view);
  if (!known)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "the store has no item %lld or no item %lld", (long long)a,
                        (long long)b);
  char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
  json_decref(json);
  if (!text)
    return recsys__no_memory(error, "the comparison");
  recsys__fill(buffer, size, length, text, strlen(text));
  free(text);
  return recsys__ok(error);
}
