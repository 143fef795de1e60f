/*
 * auto: what a shop wants without reading a paper. No ratings yet: `visual`; few: `content`; `popular` where items have
 * no pictures (features); else `ease` while its matrices fit the memory, else `als`. Chosen at every fit; describe says
 * what and why.
 */
#include <stdio.h>

#include "ranker/features.h"
#include "ranker/ranker.h"

enum { FEW_RATINGS = 1000, FEW_USERS = 20 };
static const recsys__parameter parameters[] = {{NULL}};

static recsys_status choose(const recsys__fitting *fitting, recsys__choice *choice, recsys_error *error) {
  static const recsys__feature_fields all = {NULL, NULL, NULL};
  const recsys__sparse *rows = &fitting->x.by_user;
  recsys__features f;
  uint64_t ratings = rows->offsets[rows->rows], need = recsys__ease_memory(rows->columns, true);
  if (ratings >= FEW_RATINGS && rows->rows >= FEW_USERS) {
    bool fits = need <= fitting->memory_limit;
    choice->algorithm = fits ? "ease" : "als";
    if (!fits && recsys__content_memory(rows->columns, recsys__view_item_count(fitting->view)) <= fitting->memory_limit)
      choice->new_items = 0.1;
    snprintf(choice->reason, sizeof choice->reason, "%llu ratings; ease needs %llu MiB of %llu",
             (unsigned long long)ratings, (unsigned long long)(need >> 20),
             (unsigned long long)(fitting->memory_limit >> 20));
    return RECSYS_OK;
  }
  recsys_status status = recsys__features_make(&f, fitting->view, fitting->ranker->fingerprint, &all, error);
  if (status)
    return status;
  int32_t space;
  bool seen = recsys__view_space(fitting->view, fitting->ranker->fingerprint, &space, NULL) == RECSYS_OK;
  choice->algorithm = ratings == 0 ? seen ? "visual" : "popular" : f.n ? "content" : "popular";
  snprintf(choice->reason, sizeof choice->reason, "%llu ratings by %zu users are few; %zu items have features",
           (unsigned long long)ratings, rows->rows, f.n);
  recsys__features_free(&f);
  return RECSYS_OK;
}

const recsys__algorithm recsys__auto = {.name = "auto", .parameters = parameters, .choose = choose};
