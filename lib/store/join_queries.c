/* Queries and the rows of another set: blocks of queries, one after the other, each met by all rows on all threads. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "store/join.h"

enum {
  BLOCK_BYTES = 1 << 18, /* of the queries' codes, which stay in the second-level cache */
  BLOCK_PANELS = 10      /* panels of rows in a task */
};

/* Room that one thread works in. */
typedef struct bench {
  recsys__panel panel;
  recsys__panel_query *facts; /* the block's, with floors of now */
  recsys__join_queue queue;
} bench;

typedef struct blocks {
  recsys__join *join;
  size_t stride, room; /* queries at a time */
  size_t first, n;     /* those in hand */
  int8_t *codes;       /* theirs, signed */
  recsys__panel_query *facts;
  bench *benches;
  atomic_flag *taken;
} blocks;

/* Some rows of one chunk. */
static void load_panel(const blocks *b, recsys__panel *panel, size_t first, size_t n) {
  const recsys__join *j = b->join;
  for (size_t r = 0; r < RECSYS__PANEL_ROWS; r++) {
    recsys__join_fill(panel, r, recsys__join_row_of(j, j->rows, first + (r < n ? r : 0)));
    panel->floors[r] = INFINITY; /* the queries' floors decide */
  }
  j->kernels->pack(panel, recsys__join_row_of(j, j->rows, first).codes, b->stride, n);
}

static void meet_panel(const blocks *b, bench *own, size_t first, size_t n) {
  recsys__join *j = b->join;
  uint64_t hits[RECSYS__PANEL_QUERIES], present = ((uint64_t)1 << n) - 1;
  load_panel(b, &own->panel, first, n);
  for (size_t q = 0; q < b->n; q += RECSYS__PANEL_QUERIES) {
    size_t count = b->n - q < RECSYS__PANEL_QUERIES ? b->n - q : RECSYS__PANEL_QUERIES;
    for (size_t i = 0; i < count; i++)
      own->facts[q + i].floor = recsys__join_floor(j, b->first + q + i);
    j->kernels->meet(hits, &own->panel, b->codes + q * b->stride, b->stride, own->facts + q);
    for (size_t i = 0; i < count; i++)
      for (uint64_t left = hits[i] & present; left; left &= left - 1)
        recsys__join_put_off(j, &own->queue, b->first + q + i, first + (size_t)__builtin_ctzll(left));
  }
}

/* Panels end where chunks do. */
static void meet_rows(void *context, size_t part) {
  const blocks *b = context;
  recsys__join *j = b->join;
  size_t each = BLOCK_PANELS * RECSYS__PANEL_ROWS, first = part * each;
  size_t end = first + each < j->rows->count ? first + each : j->rows->count;
  size_t at = recsys__join_take(b->taken, j->threads);
  bench *own = &b->benches[at];
  memcpy(own->facts, b->facts, b->room * sizeof *own->facts);
  while (first < end) {
    size_t left = j->rows->chunk_rows - first % j->rows->chunk_rows, n = end - first;
    n = n < left ? n : left;
    n = n < RECSYS__PANEL_ROWS ? n : RECSYS__PANEL_ROWS;
    meet_panel(b, own, first, n);
    first += n;
  }
  recsys__join_score_waiting(j, &own->queue);
  recsys__join_give_back(b->taken, at);
}

static void load_queries(blocks *b, size_t first) {
  const recsys__join *j = b->join;
  b->first = first;
  b->n = j->queries->count - first < b->room ? j->queries->count - first : b->room;
  for (size_t q = 0; q < b->n; q++)
    b->facts[q] =
        recsys__join_query(b->codes + q * b->stride, b->stride, recsys__join_row_of(j, j->queries, first + q));
}

static bool begin(blocks *b) {
  size_t fit = BLOCK_BYTES / b->stride / RECSYS__PANEL_QUERIES * RECSYS__PANEL_QUERIES, n = b->join->threads;
  b->room = fit ? fit : RECSYS__PANEL_QUERIES;
  b->codes = recsys__calloc(b->room, b->stride);
  b->facts = recsys__calloc(b->room, sizeof *b->facts);
  b->taken = recsys__calloc(n, sizeof *b->taken);
  b->benches = recsys__alloc_aligned(64, n, sizeof *b->benches);
  if (!b->codes || !b->facts || !b->taken || !b->benches)
    return false;
  memset(b->benches, 0, n * sizeof *b->benches);
  for (size_t i = 0; i < n; i++) {
    bench *own = &b->benches[i];
    atomic_flag_clear(&b->taken[i]);
    own->panel.codes = recsys__alloc_aligned(64, RECSYS__PANEL_ROWS, b->stride);
    own->facts = recsys__alloc(b->room, sizeof *own->facts);
    if (!own->panel.codes || !own->facts)
      return false;
  }
  return true;
}

static void end(blocks *b) {
  for (size_t i = 0; b->benches && i < b->join->threads; i++) {
    recsys__free(b->benches[i].panel.codes);
    recsys__free(b->benches[i].facts);
  }
  recsys__free(b->benches);
  recsys__free(b->taken);
  recsys__free(b->facts);
  recsys__free(b->codes);
}

recsys_status recsys__join_all_queries(recsys__join *join, recsys_error *error) {
  blocks b = {.join = join, .stride = join->rows->code_stride};
  size_t each = BLOCK_PANELS * RECSYS__PANEL_ROWS;
  recsys_status status = begin(&b) ? RECSYS_OK : recsys__no_memory(error, "a search");
  for (size_t first = 0; !status && first < join->queries->count; first += b.n) {
    if (!recsys__join_goes_on(join, first)) {
      status = recsys__join_cancelled(join, first, error);
      break;
    }
    load_queries(&b, first);
    recsys__parallel(join->threads, (join->rows->count + each - 1) / each, meet_rows, &b);
  }
  end(&b);
  return status;
}
