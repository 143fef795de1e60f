/* Sets of rows: which picture is where, and changes that leave every other snapshot as it was. */
#include "store/rows.h"

#include <string.h>

#include "base/memory.h"
#include "store/chunks.h"
#include "store/kernels.h"

enum { FIRST_ROWS = 16 /* room of a first chunk, doubled until it is a full one */ };

static void rows_free(void *self) {
  recsys__rows *rows = self;
  for (size_t i = 0; i < rows->chunk_count; i++)
    recsys__ref_release(rows->chunks[i]);
  recsys__free(rows->chunks);
  recsys__map_free(&rows->items);
  recsys__free(rows);
}

recsys__rows *recsys__rows_new(uint32_t dim) {
  recsys__rows *rows = recsys__calloc(1, sizeof *rows);
  if (!rows)
    return NULL;
  rows->ref.free = rows_free;
  atomic_init(&rows->ref.count, 1);
  recsys__chunk_shape(rows, dim);
  return rows;
}

recsys__rows *recsys__rows_copy(const recsys__rows *rows) {
  recsys__rows *copy = recsys__rows_new(rows->dim);
  if (!copy)
    return NULL;
  copy->chunks = recsys__copy(rows->chunks, rows->chunk_count, sizeof(void *));
  if (!copy->chunks) {
    recsys__ref_release(copy);
    return NULL;
  }
  copy->count = rows->count;
  copy->chunk_count = copy->chunk_room = rows->chunk_count;
  copy->items = recsys__map_copy(&rows->items);
  for (size_t i = 0; i < copy->chunk_count; i++)
    recsys__ref_retain(copy->chunks[i]);
  return copy;
}

/* -- chunks that may be written */

/* Nobody else holds it. The acquire meets the release with which the last other holder let go. */
static bool is_ours(recsys__chunk *chunk) {
  return atomic_load_explicit(&chunk->ref.count, memory_order_acquire) == 1;
}

static size_t rows_in_chunk(const recsys__rows *rows, size_t index) {
  size_t left = rows->count - index * rows->chunk_rows;
  return left < rows->chunk_rows ? left : rows->chunk_rows;
}

/* Replaces chunk `index` by a copy of our rows in it, with room for `capacity`. */
static bool take_copy(recsys__rows *rows, size_t index, size_t capacity) {
  recsys__chunk *copy = recsys__chunk_new(rows, capacity, rows->chunks[index], rows_in_chunk(rows, index));
  if (!copy)
    return false;
  recsys__ref_release(rows->chunks[index]);
  rows->chunks[index] = copy;
  return true;
}

/* The chunk of an existing row, for changing it; NULL: out of memory. */
static recsys__chunk *writable(recsys__rows *rows, size_t row) {
  size_t index = row / rows->chunk_rows;
  if (!is_ours(rows->chunks[index]) && !take_copy(rows, index, rows->chunks[index]->capacity))
    return NULL;
  return rows->chunks[index];
}

static bool add_chunk(recsys__rows *rows) {
  size_t capacity = rows->chunk_count || rows->chunk_rows < FIRST_ROWS ? rows->chunk_rows : FIRST_ROWS;
  void *list = rows->chunks;
  bool grown = recsys__grow(&list, &rows->chunk_room, rows->chunk_count + 1, sizeof(void *));
  rows->chunks = list;
  recsys__chunk *chunk = grown ? recsys__chunk_new(rows, capacity, NULL, 0) : NULL;
  if (!chunk)
    return false;
  rows->chunks[rows->chunk_count++] = chunk;
  return true;
}

/* Makes slot rows->count ours to fill. A chunk may be shared: whoever holds it sees only the rows that it counts, all
 * below `used`, so a slot at `used` is nobody's, and the compare-and-exchange gives it to one of several copies. */
static bool reserve_slot(recsys__rows *rows) {
  size_t index = rows->count / rows->chunk_rows, slot = rows->count % rows->chunk_rows;
  if (index == rows->chunk_count && !add_chunk(rows))
    return false;
  recsys__chunk *chunk = rows->chunks[index];
  if (slot == chunk->capacity) {
    size_t twice = 2 * slot;
    return take_copy(rows, index, twice < rows->chunk_rows ? twice : rows->chunk_rows);
  }
  uint32_t expected = (uint32_t)slot;
  if (is_ours(chunk) || atomic_compare_exchange_strong(&chunk->used, &expected, expected + 1))
    return true;
  return take_copy(rows, index, chunk->capacity);
}

/* -- pictures of an item */

/* The index of the first picture that is not below `picture`. */
static size_t place_of(const recsys__pictures *pictures, int64_t picture) {
  size_t low = 0, high = pictures ? pictures->count : 0;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (pictures->places[middle].picture < picture)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static bool has_place(const recsys__pictures *pictures, size_t at, int64_t picture) {
  return pictures && at < pictures->count && pictures->places[at].picture == picture;
}

static recsys__pictures *pictures_new(size_t count) {
  size_t bytes;
  if (!recsys__mul(count, sizeof(struct recsys__place), &bytes) ||
      !recsys__add(bytes, sizeof(recsys__pictures), &bytes))
    return NULL;
  recsys__pictures *pictures = recsys__alloc(bytes, 1);
  if (!pictures)
    return NULL;
  pictures->ref.free = recsys__free;
  atomic_init(&pictures->ref.count, 1);
  pictures->count = count;
  return pictures;
}

/* A copy with a new place at index `at`. */
static recsys__pictures *with_place(const recsys__pictures *old, size_t at, int64_t picture, size_t row) {
  size_t count = old ? old->count : 0;
  recsys__pictures *pictures = pictures_new(count + 1);
  if (!pictures)
    return NULL;
  if (old) {
    memcpy(pictures->places, old->places, at * sizeof *old->places);
    memcpy(pictures->places + at + 1, old->places + at, (count - at) * sizeof *old->places);
  }
  pictures->places[at] = (struct recsys__place){picture, row};
  return pictures;
}

/* A copy without the place at index `at`. */
static recsys__pictures *without_place(const recsys__pictures *old, size_t at) {
  recsys__pictures *pictures = pictures_new(old->count - 1);
  if (!pictures)
    return NULL;
  memcpy(pictures->places, old->places, at * sizeof *old->places);
  memcpy(pictures->places + at, old->places + at + 1, (old->count - 1 - at) * sizeof *old->places);
  return pictures;
}

/* -- changes */

bool recsys__rows_put(recsys__rows *rows, int64_t item, int64_t picture, const float *row) {
  const recsys__pictures *old = recsys__map_get(&rows->items, item);
  size_t at = place_of(old, picture);
  if (has_place(old, at, picture)) {
    size_t place = old->places[at].row;
    recsys__chunk *chunk = writable(rows, place);
    if (chunk)
      recsys__chunk_write(rows, chunk, place % rows->chunk_rows, item, picture, row);
    return chunk != NULL;
  }
  recsys__pictures *pictures = with_place(old, at, picture, rows->count);
  if (!pictures)
    return false;
  if (!reserve_slot(rows)) {
    recsys__ref_release(pictures);
    return false;
  }
  if (!recsys__map_set(&rows->items, item, pictures))
    return false;
  recsys__chunk *chunk = recsys__chunk_of(rows, rows->count);
  size_t slot = rows->count++ % rows->chunk_rows;
  recsys__chunk_write(rows, chunk, slot, item, picture, row);
  if (is_ours(chunk))
    atomic_store(&chunk->used, (uint32_t)slot + 1);
  return true;
}

/* Takes place `at` of `item` out of the map. */
static bool forget(recsys__map *items, int64_t item, size_t at) {
  const recsys__pictures *old = recsys__map_get(items, item);
  if (old->count == 1) {
    bool removed;
    return recsys__map_remove(items, item, &removed);
  }
  recsys__pictures *pictures = without_place(old, at);
  return pictures && recsys__map_set(items, item, pictures);
}

/* Says in the map that a picture is now in another row. */
static bool relocate(recsys__map *items, int64_t item, int64_t picture, size_t row) {
  const recsys__pictures *old = recsys__map_get(items, item);
  recsys__pictures *pictures = pictures_new(old->count);
  if (!pictures)
    return false;
  memcpy(pictures->places, old->places, old->count * sizeof *old->places);
  pictures->places[place_of(old, picture)].row = row;
  return recsys__map_set(items, item, pictures);
}

/* The last row moves into the hole, so that rows stay dense. */
static bool remove_row(recsys__rows *rows, int64_t item, size_t at, size_t hole) {
  size_t last = rows->count - 1, slot = last % rows->chunk_rows;
  recsys__map items = recsys__map_copy(&rows->items);
  bool done = forget(&items, item, at);
  if (done && hole != last) {
    recsys__chunk *to = writable(rows, hole), *from = recsys__chunk_of(rows, last);
    done = to && relocate(&items, from->items[slot], from->pictures[slot], hole);
    if (done)
      recsys__chunk_move(rows, to, hole % rows->chunk_rows, from, slot);
  }
  if (!done) {
    recsys__map_free(&items);
    return false;
  }
  recsys__map_free(&rows->items);
  rows->items = items;
  rows->count = last;
  if (slot == 0)
    recsys__ref_release(rows->chunks[--rows->chunk_count]);
  return true;
}

bool recsys__rows_remove(recsys__rows *rows, int64_t item, int64_t picture, bool *removed) {
  const recsys__pictures *old = recsys__map_get(&rows->items, item);
  size_t at = place_of(old, picture);
  if (removed)
    *removed = false;
  if (!has_place(old, at, picture))
    return true;
  bool done = remove_row(rows, item, at, old->places[at].row);
  if (removed)
    *removed = done;
  return done;
}

/* -- looking */

uint32_t recsys__rows_dim(const recsys__rows *rows) {
  return rows->dim;
}

size_t recsys__rows_count(const recsys__rows *rows) {
  return rows->count;
}

size_t recsys__rows_item_count(const recsys__rows *rows) {
  return rows->items.count;
}

size_t recsys__rows_bytes(const recsys__rows *rows) {
  size_t bytes = sizeof *rows + rows->chunk_room * sizeof(void *);
  for (size_t i = 0; i < rows->chunk_count; i++)
    bytes += rows->chunks[i]->bytes;
  bytes += rows->items.count * (sizeof(recsys__pictures) + sizeof(int64_t) + sizeof(void *));
  return bytes + rows->count * sizeof(struct recsys__place);
}

static const float *row_at(const recsys__rows *rows, size_t row) {
  return recsys__chunk_row(rows, recsys__chunk_of(rows, row), row % rows->chunk_rows);
}

const float *recsys__rows_get(const recsys__rows *rows, int64_t item, int64_t picture) {
  const recsys__pictures *pictures = recsys__map_get(&rows->items, item);
  size_t at = place_of(pictures, picture);
  return has_place(pictures, at, picture) ? row_at(rows, pictures->places[at].row) : NULL;
}

bool recsys__rows_picture(const recsys__rows *rows, int64_t item, size_t index, int64_t *picture, const float **row) {
  const recsys__pictures *pictures = recsys__map_get(&rows->items, item);
  if (!pictures || index >= pictures->count)
    return false;
  if (picture)
    *picture = pictures->places[index].picture;
  if (row)
    *row = row_at(rows, pictures->places[index].row);
  return true;
}
