/* One index: how it is built, follows its rows, and is closed to searches while it does. */
#include "store/index.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/thread.h"

/* -- one index */

static void index_free(void *self) {
  recsys__index *index = self;
  recsys__hnsw_free(index->graph);
  recsys__ref_release(index->rows);
  recsys__free(index->row_of);
  recsys__free(index->node_of);
  recsys__free(index);
}

recsys__index *recsys__index_new(int64_t space, recsys__rows *rows, const recsys__hnsw_shape *shape) {
  recsys__index *index = recsys__calloc(1, sizeof *index);
  if (!index)
    return NULL;
  index->ref.free = index_free;
  atomic_init(&index->ref.count, 1);
  atomic_init(&index->generation, recsys__fork_generation());
  index->space = space;
  index->graph = recsys__hnsw_new(rows, shape);
  index->rows = recsys__rows_new(rows->dim);
  if (index->graph && index->rows)
    return index;
  index_free(index);
  return NULL;
}

/* -- the gate */

/* In a forked child nobody searches, and what was being changed stays half-changed. */
static void after_fork(void *context) {
  recsys__index *index = context;
  if (atomic_load(&index->gate) < 0)
    atomic_store(&index->broken, true);
  atomic_store(&index->gate, 0);
  atomic_store(&index->wanted, false);
  recsys__hnsw_after_fork(index->graph);
}

bool recsys__index_enter(recsys__index *index) {
  recsys__fork_renew(&index->generation, after_fork, index);
  int64_t inside = atomic_load_explicit(&index->gate, memory_order_relaxed);
  while (inside >= 0 && !atomic_load_explicit(&index->wanted, memory_order_relaxed))
    if (atomic_compare_exchange_weak_explicit(&index->gate, &inside, inside + 1, memory_order_acquire,
                                              memory_order_relaxed))
      return true;
  return false;
}

void recsys__index_leave(recsys__index *index) {
  atomic_fetch_sub_explicit(&index->gate, 1, memory_order_release);
}

void recsys__index_close_gate(recsys__index *index) {
  recsys__fork_renew(&index->generation, after_fork, index);
  atomic_store(&index->wanted, true);
  int64_t nobody = 0;
  while (
      !atomic_compare_exchange_weak_explicit(&index->gate, &nobody, -1, memory_order_acquire, memory_order_relaxed)) {
    nobody = 0;
    sched_yield();
  }
}

void recsys__index_open_gate(recsys__index *index) {
  atomic_store_explicit(&index->gate, 0, memory_order_release);
  atomic_store(&index->wanted, false);
}

/* -- following the rows */

typedef struct gone_row {
  int64_t item, picture;
  size_t row;
  uint32_t node; /* UINT32_MAX: it stays, as the node of another row */
} gone_row;

typedef struct change {
  size_t *added; /* row numbers */
  size_t count, room;
  gone_row *gone;
  size_t gone_count, gone_room;
} change;

static void change_free(change *c) {
  recsys__free(c->added);
  recsys__free(c->gone);
}

static bool same_row(const recsys__rows *a, size_t i, const recsys__rows *b, size_t j) {
  const recsys__chunk *x = recsys__chunk_of(a, i), *y = recsys__chunk_of(b, j);
  size_t s = i % a->chunk_rows, t = j % b->chunk_rows;
  if (x == y && s == t)
    return true;
  return x->items[s] == y->items[t] && x->pictures[s] == y->pictures[t] &&
         !memcmp(recsys__chunk_row(a, x, s), recsys__chunk_row(b, y, t), a->float_stride * sizeof(float));
}

static bool note(change *c, size_t row) {
  void *added = c->added;
  bool good = recsys__grow(&added, &c->room, c->count + 1, sizeof *c->added);
  c->added = added;
  if (good)
    c->added[c->count++] = row;
  return good;
}

static bool note_gone(change *c, const recsys__index *index, size_t row) {
  const recsys__chunk *chunk = recsys__chunk_of(index->rows, row);
  size_t slot = row % index->rows->chunk_rows;
  void *gone = c->gone;
  bool good = recsys__grow(&gone, &c->gone_room, c->gone_count + 1, sizeof *c->gone);
  c->gone = gone;
  if (good)
    c->gone[c->gone_count++] = (gone_row){chunk->items[slot], chunk->pictures[slot], row, index->node_of[row]};
  return good;
}

/* Notes the row numbers that hold something else than before. Chunks that both share are the same as far as both count.
 */
static bool compare(const recsys__index *index, const recsys__rows *rows, change *c) {
  const recsys__rows *old = index->rows;
  size_t both = old->count < rows->count ? old->count : rows->count, each = rows->chunk_rows;
  size_t most = old->count > rows->count ? old->count : rows->count;
  for (size_t row = 0; row < most; row++) {
    size_t chunk = row / each;
    if (row % each == 0 && (chunk + 1) * each <= both && old->chunks[chunk] == rows->chunks[chunk]) {
      row += each - 1;
      continue;
    }
    if (row < both && same_row(old, row, rows, row))
      continue;
    if ((row < old->count && !note_gone(c, index, row)) || (row < rows->count && !note(c, row)))
      return false;
  }
  return true;
}

static int by_picture(const void *a, const void *b) {
  const gone_row *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  return x->picture < y->picture ? -1 : x->picture > y->picture;
}

/* Rows that only have another number now (a removal moves the last row into the hole) keep their nodes; the nodes of
 * what is really gone die. There is room. */
static void settle(recsys__index *index, const recsys__rows *rows, change *c) {
  size_t left = 0;
  if (c->gone_count)
    qsort(c->gone, c->gone_count, sizeof *c->gone, by_picture);
  for (size_t i = 0; i < c->count; i++) {
    size_t row = c->added[i];
    const recsys__chunk *chunk = recsys__chunk_of(rows, row);
    gone_row key = {chunk->items[row % rows->chunk_rows], chunk->pictures[row % rows->chunk_rows], 0, 0};
    gone_row *was = c->gone_count ? bsearch(&key, c->gone, c->gone_count, sizeof key, by_picture) : NULL;
    if (was && was->node != UINT32_MAX && same_row(index->rows, was->row, rows, row)) {
      index->node_of[row] = was->node;
      index->row_of[was->node] = row;
      was->node = UINT32_MAX;
    } else {
      c->added[left++] = row;
    }
  }
  c->count = left;
  for (size_t i = 0; i < c->gone_count; i++)
    if (c->gone[i].node != UINT32_MAX) {
      recsys__hnsw_kill(index->graph, c->gone[i].node);
      index->row_of[c->gone[i].node] = SIZE_MAX;
    }
}

/* Rows in the order of a store often lie beside others like them; a graph wants them mixed. */
static void shuffle(size_t *numbers, size_t n) {
  recsys__random random;
  recsys__random_seed(&random, n, 0x696e646578);
  for (size_t i = n; i > 1; i--) {
    size_t j = recsys__random_below(&random, (uint32_t)i), other = numbers[j];
    numbers[j] = numbers[i - 1];
    numbers[i - 1] = other;
  }
}

static bool make_room(recsys__index *index, size_t nodes, size_t rows) {
  void *row_of = index->row_of, *node_of = index->node_of;
  bool good = recsys__grow(&row_of, &index->row_room, nodes, sizeof *index->row_of);
  index->row_of = row_of;
  good = good && recsys__grow(&node_of, &index->node_room, rows, sizeof *index->node_of);
  index->node_of = node_of;
  return good;
}

/* Adds what was noted, and makes these rows those that the index stands on. */
static recsys_status add_rows(recsys__index *index, recsys__rows *rows, change *c, uint32_t threads,
                              recsys_progress_fn progress, void *user, recsys_error *error) {
  size_t first = recsys__hnsw_count(index->graph);
  if (!make_room(index, first + c->count, rows->count))
    return recsys__no_memory(error, "the index");
  if (c->count > 1)
    shuffle(c->added, c->count);
  recsys_status status = recsys__hnsw_add(index->graph, rows, c->added, c->count, threads, progress, user, error);
  if (status)
    return status;
  for (size_t i = 0; i < c->count; i++) {
    index->row_of[first + i] = c->added[i];
    index->node_of[c->added[i]] = (uint32_t)(first + i);
  }
  recsys__ref_retain(rows);
  recsys__ref_release(index->rows);
  index->rows = rows;
  return RECSYS_OK;
}

/* A graph of the same shape without nodes, and every row as one to be added. */
static bool start_anew(recsys__index *index, const recsys__rows *rows, change *c) {
  recsys__hnsw *empty = recsys__hnsw_new(rows, recsys__hnsw_shape_of(index->graph));
  c->count = 0;
  for (size_t row = 0; empty && row < rows->count; row++)
    if (!note(c, row)) {
      recsys__hnsw_free(empty);
      return false;
    }
  if (!empty)
    return false;
  recsys__hnsw_free(index->graph);
  index->graph = empty;
  return true;
}

recsys_status recsys__index_update(recsys__index *index, recsys__rows *rows, uint32_t threads,
                                   recsys_progress_fn progress, void *user, recsys_error *error) {
  change c = {0};
  if (rows == index->rows)
    return RECSYS_OK;
  size_t nodes = recsys__hnsw_count(index->graph);
  bool good = compare(index, rows, &c) && make_room(index, nodes + c.count, rows->count);
  if (good)
    settle(index, rows, &c);
  /* Each row is built anew at most twice for every one that goes. */
  if (good && recsys__hnsw_dead(index->graph) > rows->count / 2)
    good = start_anew(index, rows, &c);
  recsys_status status =
      good ? add_rows(index, rows, &c, threads, progress, user, error) : recsys__no_memory(error, "the index");
  change_free(&c);
  index->unsaved = true;
  return status;
}

recsys_status recsys__index_adopt(recsys__index *index, recsys__rows *rows, const size_t *numbers, size_t n,
                                  uint32_t threads, recsys_progress_fn progress, void *user, recsys_error *error) {
  change c = {0};
  size_t node = 0;
  bool good = make_room(index, n, rows->count);
  for (size_t row = 0; good && row < rows->count; row++)
    index->node_of[row] = UINT32_MAX;
  for (size_t i = 0; good && i < n; i++)
    if (numbers[i] != SIZE_MAX) {
      index->row_of[node] = numbers[i];
      index->node_of[numbers[i]] = (uint32_t)node++;
    }
  for (size_t row = 0; good && row < rows->count; row++)
    if (index->node_of[row] == UINT32_MAX)
      good = note(&c, row);
  index->unsaved = c.count > 0 || node < n;
  recsys_status status =
      good ? add_rows(index, rows, &c, threads, progress, user, error) : recsys__no_memory(error, "the index");
  change_free(&c);
  return status;
}
