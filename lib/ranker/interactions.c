/* Building the matrices of ratings from a view. */
#include "ranker/interactions.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

void recsys__sparse_free(recsys__sparse *s) {
  recsys__free(s->offsets);
  recsys__free(s->indices);
  recsys__free(s->values);
  *s = (recsys__sparse){0};
}

void recsys__interactions_free(recsys__interactions *x) {
  recsys__free(x->users);
  recsys__free(x->items);
  recsys__free(x->times);
  recsys__sparse_free(&x->by_user);
  recsys__sparse_free(&x->by_item);
  *x = (recsys__interactions){0};
}

static bool sparse_new(recsys__sparse *s, size_t rows, size_t columns, size_t entries) {
  *s = (recsys__sparse){.rows = rows, .columns = columns};
  s->offsets = recsys__calloc(rows + 1, sizeof *s->offsets);
  s->indices = recsys__alloc(entries, sizeof *s->indices);
  s->values = recsys__alloc(entries, sizeof *s->values);
  if (s->offsets && s->indices && s->values)
    return true;
  recsys__sparse_free(s);
  return false;
}

bool recsys__sparse_like(recsys__sparse *out, const recsys__sparse *in) {
  size_t entries = (size_t)in->offsets[in->rows];
  if (!sparse_new(out, in->rows, in->columns, entries))
    return false;
  memcpy(out->offsets, in->offsets, (in->rows + 1) * sizeof *in->offsets);
  memcpy(out->indices, in->indices, entries * sizeof *in->indices);
  return true;
}

bool recsys__scaled_ratings(recsys__sparse *out, const recsys__interactions *x, bool binary) {
  if (!recsys__sparse_like(out, &x->by_user))
    return false;
  for (uint64_t e = 0; e < out->offsets[out->rows]; e++)
    out->values[e] = binary ? 1 : (float)((double)x->by_user.values[e] / x->largest);
  return true;
}

void recsys__subtract_row_means(recsys__sparse *s) {
  for (size_t r = 0; r < s->rows; r++) {
    double sum = 0, n = (double)(s->offsets[r + 1] - s->offsets[r]);
    for (uint64_t e = s->offsets[r]; e < s->offsets[r + 1]; e++)
      sum += (double)s->values[e];
    for (uint64_t e = s->offsets[r]; e < s->offsets[r + 1]; e++)
      s->values[e] -= (float)(sum / n);
  }
}

bool recsys__sparse_transpose(recsys__sparse *out, const recsys__sparse *in) {
  size_t entries = (size_t)in->offsets[in->rows];
  if (!sparse_new(out, in->columns, in->rows, entries))
    return false;
  uint64_t *next = recsys__alloc(in->columns, sizeof *next);
  if (!next) {
    recsys__sparse_free(out);
    return false;
  }
  for (size_t e = 0; e < entries; e++)
    out->offsets[in->indices[e] + 1]++;
  for (size_t c = 0; c < in->columns; c++) {
    out->offsets[c + 1] += out->offsets[c];
    next[c] = out->offsets[c];
  }
  for (size_t r = 0; r < in->rows; r++)
    for (uint64_t e = in->offsets[r]; e < in->offsets[r + 1]; e++) {
      uint64_t at = next[in->indices[e]]++;
      out->indices[at] = (uint32_t)r;
      out->values[at] = in->values[e];
    }
  recsys__free(next);
  return true;
}

/* -- from a view: items first get their place in the catalogue, then their place among the rated ones */

typedef struct making {
  const recsys__view *view;
  recsys__interactions *x;
  int64_t *catalogue; /* all item ids, rising */
  uint32_t *place;    /* of each, among the rated; before that: 1 where it is rated */
  size_t catalogue_count, users, items, entries;
} making;

static size_t catalogue_index(const making *m, int64_t item) {
  size_t low = 0, high = m->catalogue_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (m->catalogue[middle] < item)
      low = middle + 1;
    else
      high = middle;
  }
  return low < m->catalogue_count && m->catalogue[low] == item ? low : m->catalogue_count;
}

static void count(making *m) {
  const recsys__rating *ratings;
  int64_t user = -1;
  while (recsys__view_users(m->view, user, &user, 1) == 1) {
    size_t n = recsys__view_history(m->view, user, &ratings), known = 0;
    for (size_t i = 0; i < n; i++) {
      size_t at = catalogue_index(m, ratings[i].item);
      if (at < m->catalogue_count) {
        m->place[at] = 1;
        known++;
      }
    }
    m->users += known > 0;
    m->entries += known;
  }
  for (size_t i = 0; i < m->catalogue_count; i++)
    m->items += m->place[i];
}

static void fill_row(making *m, size_t row, const recsys__rating *ratings, size_t n, double *sum) {
  recsys__interactions *x = m->x;
  uint64_t at = x->by_user.offsets[row];
  for (size_t i = 0; i < n; i++) {
    size_t item = catalogue_index(m, ratings[i].item);
    if (item == m->catalogue_count)
      continue;
    x->by_user.indices[at] = m->place[item];
    x->by_user.values[at] = ratings[i].value;
    x->times[at++] = ratings[i].time;
    x->largest = (double)ratings[i].value > x->largest ? (double)ratings[i].value : x->largest;
    *sum += (double)ratings[i].value;
  }
  x->by_user.offsets[row + 1] = at;
}

static void fill(making *m) {
  recsys__interactions *x = m->x;
  const recsys__rating *ratings;
  int64_t user = -1;
  double sum = 0;
  size_t row = 0, place = 0;
  for (size_t i = 0; i < m->catalogue_count; i++)
    if (m->place[i]) {
      x->items[place] = m->catalogue[i];
      m->place[i] = (uint32_t)place++;
    }
  x->largest = 1e-30;
  while (row < m->users && recsys__view_users(m->view, user, &user, 1) == 1) {
    size_t n = recsys__view_history(m->view, user, &ratings);
    fill_row(m, row, ratings, n, &sum);
    if (x->by_user.offsets[row + 1] > x->by_user.offsets[row])
      x->users[row++] = user;
  }
  x->mean = m->entries ? sum / (double)m->entries : 0;
}

recsys_status recsys__interactions_make(recsys__interactions *x, const recsys__view *view, recsys_error *error) {
  making m = {.view = view, .x = x, .catalogue_count = recsys__view_item_count(view)};
  *x = (recsys__interactions){0};
  m.catalogue = recsys__alloc(m.catalogue_count, sizeof *m.catalogue);
  m.place = recsys__calloc(m.catalogue_count, sizeof *m.place);
  bool ok = m.catalogue && m.place;
  if (ok) {
    m.catalogue_count = recsys__view_items(view, -1, m.catalogue, m.catalogue_count);
    count(&m);
    x->users = recsys__alloc(m.users, sizeof *x->users);
    x->items = recsys__alloc(m.items, sizeof *x->items);
    x->times = recsys__alloc(m.entries, sizeof *x->times);
    ok = x->users && x->items && x->times && sparse_new(&x->by_user, m.users, m.items, m.entries);
  }
  if (ok) {
    fill(&m);
    ok = recsys__sparse_transpose(&x->by_item, &x->by_user);
  }
  recsys__free(m.catalogue);
  recsys__free(m.place);
  if (ok)
    return RECSYS_OK;
  recsys__interactions_free(x);
  return recsys__no_memory(error, "the matrix of ratings");
}
