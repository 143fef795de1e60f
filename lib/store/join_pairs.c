/*
 * All pairs of one set. The rows are put in an order in which alike ones lie together (sketch.h), and cut into tiles of
 * so many by so many places; those near the diagonal come first, in a tile as well, so that lists have their floors
 * early. A cell is eight rows and 48; they meet by their sketches, and only where a pair of them may still matter by
 * their whole codes. Sketches tell nothing where rows have no directions in common: where three cells of four are met
 * twice, the tile goes on without them until the next trial.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "store/join.h"
#include "store/sketch.h"

enum {
  GROUP = RECSYS__PANEL_QUERIES,
  PANEL = RECSYS__PANEL_ROWS,
  SIDE_BYTES = 1 << 19, /* of whole codes on one side of a tile */
  MOST_PANELS = 40,     /* of a side */
  LEAST_SIDES = 16,     /* so that the diagonal keeps all threads busy */
  TURNS_PER_THREAD = 4, /* tiles, at least, between two calls of the progress function */
  TRIAL = 128,          /* cells before sketches are judged */
  TRIAL_EVERY = 8       /* diagonals of a tile */
};

/* The two sides of a tile in codes of one length, loaded as they are needed. */
typedef struct faces {
  size_t stride;
  recsys__panel panels[MOST_PANELS]; /* of one side */
  int8_t *codes;                     /* of the other one's rows, the queries */
  recsys__panel_query *facts;
  bool panel_loaded[MOST_PANELS], group_loaded[MOST_PANELS * PANEL / GROUP];
} faces;

/* A side: places, and their floors as last seen. */
typedef struct side {
  size_t first, count;
  float *floors;
} side;

/* Room that one thread works in. */
typedef struct bench {
  faces sketches, wholes;
  uint8_t *rows; /* of a panel, one after the other */
  float floors[2][MOST_PANELS * PANEL];
  side queries, others; /* the tile */
  bool sketched;
  size_t met, left; /* cells by sketches since the trial began, and those that they left */
  recsys__join_queue queue;
} bench;

typedef struct pairs {
  recsys__join *join;
  recsys__sketch sketch;   /* empty where it does not pay */
  recsys__join_row *facts; /* of sketches, by place */
  size_t side, sides;      /* places in a side, and sides */
  size_t first_tile;       /* of this turn */
  bench *benches;
  atomic_flag *taken;
} pairs;

static size_t row_at(const pairs *p, size_t place) {
  return p->sketch.order ? p->sketch.order[place] : place;
}

static recsys__join_row facts_at(const pairs *p, const faces *f, size_t place) {
  return f->stride == RECSYS__SKETCH_DIM && p->facts ? p->facts[place]
                                                     : recsys__join_row_of(p->join, p->join->rows, row_at(p, place));
}

/* -- loading */

static void load_panel(const pairs *p, bench *b, faces *f, size_t at) {
  size_t first = b->others.first + at * PANEL, left = b->others.count - at * PANEL, n = left < PANEL ? left : PANEL;
  for (size_t r = 0; r < PANEL; r++) {
    recsys__join_row row = facts_at(p, f, first + (r < n ? r : 0));
    memcpy(b->rows + r * f->stride, row.codes, f->stride);
    recsys__join_fill(&f->panels[at], r, row);
  }
  p->join->kernels->pack(&f->panels[at], b->rows, f->stride, PANEL);
  f->panel_loaded[at] = true;
}

static void load_group(const pairs *p, const bench *b, faces *f, size_t at) {
  for (size_t q = at * GROUP; q < (at + 1) * GROUP; q++) {
    size_t place = b->queries.first + (q < b->queries.count ? q : b->queries.count - 1);
    f->facts[q] = recsys__join_query(f->codes + q * f->stride, f->stride, facts_at(p, f, place));
  }
  f->group_loaded[at] = true;
}

/* `n` places, a multiple of PANEL; nothing reaches the floors of those past the side's end. */
static void see_floors(const pairs *p, const side *s, size_t from, size_t n) {
  for (size_t i = from; i < from + n; i++)
    s->floors[i] = i < s->count ? recsys__join_floor(p->join, row_at(p, s->first + i)) : INFINITY;
}

/* -- meeting */

/* The pairs of eight queries and a panel that may matter, as far as these faces tell; whether there are any. */
static bool meet(const pairs *p, bench *b, faces *f, uint64_t hits[GROUP], size_t query, size_t panel) {
  uint64_t all = 0;
  if (!f->panel_loaded[panel])
    load_panel(p, b, f, panel);
  if (!f->group_loaded[query / GROUP])
    load_group(p, b, f, query / GROUP);
  memcpy(f->panels[panel].floors, b->others.floors + panel * PANEL, PANEL * sizeof(float));
  for (size_t q = query; q < query + GROUP; q++)
    f->facts[q].floor = b->queries.floors[q];
  p->join->kernels->meet(hits, &f->panels[panel], f->codes + query * f->stride, f->stride, f->facts + query);
  for (size_t i = 0; i < GROUP; i++)
    all |= hits[i];
  return all != 0;
}

/* Returns how many pairs were put off. */
static size_t meet_cell(const pairs *p, bench *b, size_t query, size_t panel) {
  uint64_t hits[GROUP];
  size_t first = b->others.first + panel * PANEL, end = b->others.first + b->others.count, found = 0;
  if (b->sketched) {
    bool left = meet(p, b, &b->sketches, hits, query, panel);
    b->met++;
    b->left += left;
    b->sketched = b->met < TRIAL || b->left < b->met / 4 * 3;
    if (!left)
      return 0;
  }
  if (!meet(p, b, &b->wholes, hits, query, panel))
    return 0;
  for (size_t i = 0; i < GROUP && query + i < b->queries.count; i++)
    for (uint64_t left = hits[i]; left; left &= left - 1) {
      size_t place = b->queries.first + query + i, other = first + (size_t)__builtin_ctzll(left);
      if (other > place && other < end) {
        recsys__join_put_off(p->join, &b->queue, row_at(p, place), row_at(p, other));
        found++;
      }
    }
  return found;
}

/* A panel and as many queries. */
static void meet_square(const pairs *p, bench *b, size_t at, size_t panel) {
  size_t found = 0, first = at * PANEL;
  for (size_t q = first; q < first + PANEL && q < b->queries.count; q += GROUP)
    found += meet_cell(p, b, q, panel);
  if (found) {
    see_floors(p, &b->others, panel * PANEL, PANEL);
    see_floors(p, &b->queries, first, PANEL);
  }
}

static void meet_tile(const pairs *p, bench *b) {
  size_t squares = (b->queries.count + PANEL - 1) / PANEL, panels = (b->others.count + PANEL - 1) / PANEL;
  bool diagonal = b->queries.first == b->others.first;
  for (size_t apart = 0; apart < panels; apart++) {
    if (apart % TRIAL_EVERY == 0) {
      b->sketched = p->facts != NULL;
      b->met = b->left = 0;
    }
    for (size_t at = 0; at < squares; at++)
      if (!diagonal || at + apart < panels)
        meet_square(p, b, at, (at + apart) % panels);
  }
  recsys__join_score_waiting(p->join, &b->queue);
}

static void begin_faces(faces *f) {
  memset(f->panel_loaded, 0, sizeof f->panel_loaded);
  memset(f->group_loaded, 0, sizeof f->group_loaded);
}

static side side_at(const pairs *p, size_t at, float *floors) {
  size_t first = at * p->side, left = p->join->rows->count - first;
  return (side){first, left < p->side ? left : p->side, floors};
}

/* Tiles by diagonals: (0, 0), (1, 1), ..., then (0, 1), (1, 2), ... */
static void meet_part(void *context, size_t part) {
  const pairs *p = context;
  size_t tile = p->first_tile + part, apart = 0;
  for (; tile >= p->sides - apart; apart++)
    tile -= p->sides - apart;
  size_t at = recsys__join_take(p->taken, p->join->threads);
  bench *b = &p->benches[at];
  b->queries = side_at(p, tile, b->floors[0]);
  b->others = side_at(p, tile + apart, b->floors[apart ? 1 : 0]);
  see_floors(p, &b->queries, 0, p->side);
  see_floors(p, &b->others, 0, p->side);
  begin_faces(&b->sketches);
  begin_faces(&b->wholes);
  meet_tile(p, b);
  recsys__join_give_back(p->taken, at);
}

/* -- the whole */

static bool make_faces(const pairs *p, faces *f, size_t stride) {
  f->stride = stride;
  f->codes = recsys__alloc(p->side, stride);
  f->facts = recsys__alloc(p->side, sizeof *f->facts);
  bool ok = f->codes && f->facts;
  for (size_t i = 0; ok && i < p->side / PANEL; i++)
    ok = (f->panels[i].codes = recsys__alloc_aligned(64, PANEL, stride)) != NULL;
  return ok;
}

static bool make_sketches(pairs *p) {
  const recsys__rows *rows = p->join->rows;
  p->facts = recsys__alloc(rows->count, sizeof *p->facts);
  if (!p->facts || !recsys__sketch_make(&p->sketch, rows, p->join->threads))
    return false;
  for (size_t place = 0; place < rows->count; place++) {
    p->facts[place] = recsys__join_row_of(p->join, rows, p->sketch.order[place]);
    p->facts[place].codes = p->sketch.codes + place * RECSYS__SKETCH_DIM;
    p->facts[place].scale = p->sketch.scales[place];
    p->facts[place].error = p->sketch.errors[place];
    p->facts[place].tail = p->sketch.tails[place];
  }
  return true;
}

static size_t panels_of(size_t count, size_t stride, size_t threads) {
  size_t fit = SIDE_BYTES / stride / PANEL, sides = threads < LEAST_SIDES / 2 ? LEAST_SIDES : 2 * threads;
  size_t panels = count / PANEL / sides;
  panels = panels < fit ? panels : fit;
  return panels < 1 ? 1 : panels < MOST_PANELS ? panels : MOST_PANELS;
}

static bool begin(pairs *p) {
  const recsys__rows *rows = p->join->rows;
  size_t stride = rows->code_stride, n = p->join->threads;
  p->side = panels_of(rows->count, stride, n) * PANEL;
  p->sides = (rows->count + p->side - 1) / p->side;
  p->taken = recsys__calloc(n, sizeof *p->taken);
  p->benches = recsys__alloc_aligned(64, n, sizeof *p->benches);
  if (!p->taken || !p->benches)
    return false;
  memset(p->benches, 0, n * sizeof *p->benches);
  bool ok = !recsys__sketch_pays(rows) || make_sketches(p);
  for (size_t i = 0; ok && i < n; i++) {
    atomic_flag_clear(&p->taken[i]);
    p->benches[i].rows = recsys__alloc_aligned(64, PANEL, stride);
    ok = p->benches[i].rows && make_faces(p, &p->benches[i].wholes, stride) &&
         (!p->facts || make_faces(p, &p->benches[i].sketches, RECSYS__SKETCH_DIM));
  }
  return ok;
}

static void free_faces(faces *f) {
  recsys__free(f->codes);
  recsys__free(f->facts);
  for (size_t i = 0; i < MOST_PANELS; i++)
    recsys__free(f->panels[i].codes);
}

static void end(pairs *p) {
  for (size_t i = 0; p->benches && i < p->join->threads; i++) {
    recsys__free(p->benches[i].rows);
    free_faces(&p->benches[i].sketches);
    free_faces(&p->benches[i].wholes);
  }
  recsys__free(p->benches);
  recsys__free(p->taken);
  recsys__free(p->facts);
  recsys__sketch_free(&p->sketch);
}

static recsys_status meet_all(pairs *p, recsys_error *error) {
  size_t tiles = p->sides * (p->sides + 1) / 2, turn = (size_t)TURNS_PER_THREAD * p->join->threads;
  turn = turn < p->sides ? p->sides : turn;
  for (; p->first_tile < tiles; p->first_tile += turn) {
    size_t done = (size_t)((double)p->first_tile / (double)tiles * (double)p->join->rows->count);
    if (!recsys__join_goes_on(p->join, done))
      return recsys__join_cancelled(p->join, done, error);
    recsys__parallel(p->join->threads, tiles - p->first_tile < turn ? tiles - p->first_tile : turn, meet_part, p);
  }
  return RECSYS_OK;
}

recsys_status recsys__join_all_pairs(recsys__join *join, recsys_error *error) {
  pairs p = {.join = join};
  if (!recsys__join_goes_on(join, 0)) /* sketches of a million rows take seconds */
    return recsys__join_cancelled(join, 0, error);
  recsys_status status = begin(&p) ? meet_all(&p, error) : recsys__no_memory(error, "a search");
  end(&p);
  return status;
}
