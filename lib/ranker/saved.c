/* The arrays of a fitted state. */
#include "ranker/saved.h"

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"

static void **slot(void *member) {
  return member;
}

static void add(recsys__arrays *a, const char *name, recsys__dtype dtype, void *member, size_t rows, size_t columns,
                bool needed) {
  recsys__array *one = &a->list[a->n++];
  *one = (recsys__array){.dtype = dtype, .data = slot(member), .rows = rows, .columns = columns, .needed = needed};
  snprintf(one->name, sizeof one->name, "%s%s", a->prefix, name);
}

static void add_sparse(recsys__arrays *a, const char *name, recsys__sparse *s, size_t entries, bool needed) {
  char part[24];
  snprintf(part, sizeof part, "%s.offsets", name);
  add(a, part, RECSYS__I64, &s->offsets, s->rows + 1, 0, needed);
  snprintf(part, sizeof part, "%s.indices", name);
  add(a, part, RECSYS__I32, &s->indices, entries, 0, needed);
  snprintf(part, sizeof part, "%s.values", name);
  add(a, part, RECSYS__F32, &s->values, entries, 0, needed);
}

static void add_learned(recsys__arrays *a, recsys__learned *l, const recsys__saved_sizes *s) {
  bool dense = l->shape == RECSYS__DENSE, linear = l->shape == RECSYS__SPARSE, users = l->shape == RECSYS__USERS;
  bool factors = l->shape == RECSYS__FACTORS, features = l->shape == RECSYS__FEATURES;
  size_t d = s->columns + l->factors;
  add(a, "scored", RECSYS__I64, &l->items, l->n, 0, true);
  add(a, "rated", RECSYS__I64, &l->rated, l->rated_count, 0, true);
  add(a, "dense", RECSYS__F32, &l->dense, features ? d : l->rated_count, features ? d : l->n, dense || features);
  add(a, "pictures", RECSYS__F32, &l->pictures, l->n, l->factors, features && l->factors > 0);
  add(a, "constant", RECSYS__F32, &l->constant, l->n, 0, false);
  add(a, "vectors", RECSYS__F32, &l->vectors, l->n, l->factors, factors);
  add(a, "gram", RECSYS__F64, &l->gram, l->factors, l->factors, factors && l->fold == RECSYS__IMPLICIT);
  add(a, "bias", RECSYS__F64, &l->bias, l->n, 0, false);
  add(a, "users", RECSYS__I64, &l->people.users, s->users, 0, users);
  add(a, "norms", RECSYS__F64, &l->norms, s->users, 0, users);
  add_sparse(a, "sparse", &l->sparse, s->entries, linear || features);
  add_sparse(a, "by_user", &l->people.by_user, s->people_entries, users);
  add_sparse(a, "by_item", &l->people.by_item, s->people_entries, users);
}

void recsys__saved_arrays(recsys__arrays *a, recsys__fitted *f, const recsys__saved_sizes *s) {
  add(a, "items", RECSYS__I64, &f->items, s->items, 0, true);
  add(a, "counts", RECSYS__F64, &f->counts, s->items, 0, true);
  add(a, "sums", RECSYS__F64, &f->sums, s->items, 0, true);
  add(a, "recent", RECSYS__F64, &f->recent, s->items, 0, false);
  if (f->learned)
    add_learned(a, f->learned, s);
}

uint64_t recsys__saved_bytes(const recsys__array *a) {
  return (uint64_t)a->rows * (a->columns ? a->columns : 1) * recsys__dtype_size(a->dtype);
}

void recsys__saved_digest(const recsys__arrays *a, char hex[65]) {
  recsys__sha256 sha;
  recsys__sha256_init(&sha);
  for (size_t i = 0; i < a->n; i++)
    if (*a->list[i].data)
      recsys__sha256_update(&sha, *a->list[i].data, (size_t)recsys__saved_bytes(&a->list[i]));
  recsys__sha256_hex(&sha, hex);
}
