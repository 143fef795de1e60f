/* Building the matrices of ratings from a view. */
#include "ranker/interactions.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ranker/learned.h"

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
  const recsys__scale *scale;
  recsys__interactions *x;
  int64_t *catalogue; /* all item ids, rising */
  uint32_t *place;    /* of each, among the rated; before that: 1 where it is rated */
  uint32_t *table;    /* id -> place in the catalogue + 1, where the ids lie close together; NULL */
  int64_t table_size;
  size_t catalogue_count, users, items, entries, row;
  double sum;
} making;

/* Ids of shops often are small numbers: one look instead of a search. */
static void make_table(making *m) {
  int64_t largest = m->catalogue_count ? m->catalogue[m->catalogue_count - 1] : 0;
  if ((uint64_t)largest >= 16 * (uint64_t)m->catalogue_count + 1024)
    return;
  m->table = recsys__calloc((size_t)largest + 1, sizeof *m->table);
  m->table_size = m->table ? largest + 1 : 0;
  for (size_t i = 0; m->table && i < m->catalogue_count; i++)
    m->table[m->catalogue[i]] = (uint32_t)i + 1;
}

static size_t place_of(const making *m, int64_t item, size_t *from) {
  if (!m->table)
    return recsys__place_after(m->catalogue, m->catalogue_count, item, from);
  uint32_t found = item >= 0 && item < m->table_size ? m->table[item] : 0;
  return found ? found - 1 : m->catalogue_count;
}

/* Calls fn for every user with a history; false: out of memory. */
static bool each_history(making *m, void (*fn)(making *m, int64_t user, const recsys__history *h)) {
  int64_t user = -1;
  while (recsys__view_users(m->view, user, &user, 1) == 1) {
    recsys__history h;
    bool ok = recsys__history_of(&h, m->scale, m->view, user);
    if (ok)
      fn(m, user, &h);
    recsys__history_free(&h);
    if (!ok)
      return false;
  }
  return true;
}

static void count_row(making *m, int64_t user, const recsys__history *h) {
  size_t known = 0, from = 0;
  (void)user;
  for (size_t i = 0; i < h->n; i++) {
    size_t at = place_of(m, h->entries[i].item, &from);
    if (at < m->catalogue_count) {
      m->place[at] = 1;
      known++;
    }
  }
  m->users += known > 0;
  m->entries += known;
}

static void fill_row(making *m, int64_t user, const recsys__history *h) {
  recsys__interactions *x = m->x;
  uint64_t first = x->by_user.offsets[m->row], at = first;
  size_t from = 0;
  for (size_t i = 0; i < h->n; i++) {
    size_t item = place_of(m, h->entries[i].item, &from);
    if (item == m->catalogue_count)
      continue;
    double value = (double)h->entries[i].value;
    x->by_user.indices[at] = m->place[item];
    x->by_user.values[at] = h->entries[i].value;
    x->times[at++] = h->entries[i].time;
    x->largest = value > x->largest ? value : x->largest;
    m->sum += value;
  }
  if (at == first)
    return;
  x->users[m->row++] = user;
  x->by_user.offsets[m->row] = at;
}

static bool fill(making *m) {
  recsys__interactions *x = m->x;
  size_t place = 0;
  for (size_t i = 0; i < m->catalogue_count; i++)
    if (m->place[i]) {
      x->items[place] = m->catalogue[i];
      m->place[i] = (uint32_t)place++;
    }
  x->largest = 1e-30;
  if (!each_history(m, fill_row))
    return false;
  x->mean = m->entries ? m->sum / (double)m->entries : 0;
  return true;
}

static void count_items(making *m) {
  for (size_t i = 0; i < m->catalogue_count; i++)
    m->items += m->place[i];
}

recsys_status recsys__interactions_make(recsys__interactions *x, const recsys__view *view, const recsys__scale *scale,
                                        recsys_error *error) {
  making m = {.view = view, .scale = scale, .x = x, .catalogue_count = recsys__view_item_count(view)};
  *x = (recsys__interactions){0};
  m.catalogue = recsys__alloc(m.catalogue_count, sizeof *m.catalogue);
  m.place = recsys__calloc(m.catalogue_count, sizeof *m.place);
  bool ok = m.catalogue && m.place;
  if (ok) {
    m.catalogue_count = recsys__view_items(view, -1, m.catalogue, m.catalogue_count);
    make_table(&m);
    ok = each_history(&m, count_row);
  }
  if (ok) {
    count_items(&m);
    x->users = recsys__alloc(m.users, sizeof *x->users);
    x->items = recsys__alloc(m.items, sizeof *x->items);
    x->times = recsys__alloc(m.entries, sizeof *x->times);
    ok = x->users && x->items && x->times && sparse_new(&x->by_user, m.users, m.items, m.entries) && fill(&m);
  }
  if (ok)
    ok = recsys__sparse_transpose(&x->by_item, &x->by_user);
  recsys__free(m.catalogue);
  recsys__free(m.place);
  recsys__free(m.table);
  if (ok)
    return RECSYS_OK;
  recsys__interactions_free(x);
  return recsys__no_memory(error, "the matrix of ratings");
}
