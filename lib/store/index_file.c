/* An index as a file beside the store (docs/formats.md): links and which row each node stands for, never the rows. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/safetensors.h"
#include "base/sha256.h"
#include "base/text.h"
#include "store/index.h"

#define FORMAT "recsys-index-1"

enum { TENSORS = 6 };

static const char *const names[TENSORS] = {"items", "pictures", "rows", "levels", "counts", "links"};

static bool path_of(const recsys_store *store, int64_t space, recsys__string *path) {
  recsys__string_printf(path, "%s-index-%" PRId64, store->file, space);
  return !path->failed;
}

/* -- whose file it is: every writer makes a new one and renames it */

/* The file that was last looked at. */
typedef struct recsys__index_mark {
  int64_t space;
  bool there, ours; /* ours: what it holds is, or was, the index in hand */
  struct stat is;
} recsys__index_mark;

/* false: nobody can tell now whether there is a file. */
static bool look(recsys_store *store, int64_t space, recsys__index_mark *mark) {
  recsys__string path = {0};
  *mark = (recsys__index_mark){.space = space};
  bool good = path_of(store, space, &path);
  mark->there = good && !stat(path.data, &mark->is);
  good = good && (mark->there || errno == ENOENT || errno == ENOTDIR);
  recsys__string_free(&path);
  return good;
}

static bool same_time(struct timespec a, struct timespec b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_file(const recsys__index_mark *a, const recsys__index_mark *b) {
  if (!a->there || !b->there)
    return a->there == b->there;
  return a->is.st_dev == b->is.st_dev && a->is.st_ino == b->is.st_ino && a->is.st_size == b->is.st_size &&
         same_time(a->is.st_mtim, b->is.st_mtim) && same_time(a->is.st_ctim, b->is.st_ctim);
}

/* What was last seen of the space's file; NULL: nothing. */
static recsys__index_mark *mark_of(const recsys_store *store, int64_t space) {
  for (size_t i = 0; i < store->core->index_mark_count; i++)
    if (store->core->index_marks[i].space == space)
      return &store->core->index_marks[i];
  return NULL;
}

bool recsys__index_remember(recsys_store *store, int64_t space, bool ours) {
  recsys__store_core *core = store->core;
  recsys__index_mark *mark = mark_of(store, space), now;
  if (!mark) {
    void *marks = core->index_marks;
    bool good = recsys__grow(&marks, &core->index_mark_room, core->index_mark_count + 1, sizeof *mark);
    core->index_marks = marks;
    if (!good)
      return false;
    mark = &core->index_marks[core->index_mark_count++];
    *mark = (recsys__index_mark){.space = space};
  }
  bool seen = look(store, space, &now);
  if (seen)
    *mark = now;
  mark->ours = ours;
  return seen;
}

void recsys__index_forget(recsys_store *store, int64_t space) {
  recsys__index_mark *mark = mark_of(store, space);
  if (mark)
    *mark = (recsys__index_mark){.space = space};
}

recsys__index_news recsys__index_news_of(recsys_store *store, int64_t space) {
  static const recsys__index_mark none = {0};
  const recsys__index_mark *was = mark_of(store, space) ? mark_of(store, space) : &none;
  recsys__index_mark now;
  if (!look(store, space, &now) || same_file(&now, was))
    return was->there && !was->ours ? RECSYS__FILE_ALIEN : RECSYS__FILE_SAME;
  return now.there ? RECSYS__FILE_CHANGED : RECSYS__FILE_GONE;
}

recsys_status recsys__index_unlink(recsys_store *store, int64_t space, recsys_error *error) {
  recsys__string path = {0};
  if (!path_of(store, space, &path))
    return recsys__no_memory(error, "the index's name");
  recsys_status status = unlink(path.data) ? recsys__fail_errno(error, errno, "remove", path.data) : RECSYS_OK;
  recsys__string_free(&path);
  if (!status || status == RECSYS_ENOTFOUND)
    recsys__index_remember(store, space, true);
  return status;
}

/* What a node's row looked like: of its codes, their scale and the row's length. */
static int64_t hash_of(const recsys__rows *rows, size_t row) {
  const recsys__chunk *chunk = recsys__chunk_of(rows, row);
  size_t slot = row % rows->chunk_rows;
  const uint8_t *codes = chunk->codes + slot * rows->code_stride;
  uint64_t h = 0x9e3779b97f4a7c15U, word;
  for (size_t i = 0; i < rows->code_stride; i += 8) {
    memcpy(&word, codes + i, 8);
    h = (h ^ word) * 0xff51afd7ed558ccdU;
    h ^= h >> 32;
  }
  memcpy(&word, &chunk->norms[slot], 8);
  h = (h ^ word) * 0xc4ceb9fe1a85ec53U;
  uint32_t scale;
  memcpy(&scale, &chunk->scales[slot], 4);
  h = (h ^ scale) * 0xff51afd7ed558ccdU;
  return (int64_t)(h ^ (h >> 29));
}

/* -- saving */

typedef struct columns {
  int64_t *items, *pictures, *hashes;
} columns;

static void fill_columns(const recsys__index *index, columns *c) {
  size_t n = 0;
  for (uint32_t node = 0; node < recsys__hnsw_count(index->graph); node++) {
    size_t row = index->row_of[node];
    if (row == SIZE_MAX)
      continue;
    const recsys__chunk *chunk = recsys__chunk_of(index->rows, row);
    c->items[n] = chunk->items[row % index->rows->chunk_rows];
    c->pictures[n] = chunk->pictures[row % index->rows->chunk_rows];
    c->hashes[n++] = hash_of(index->rows, row);
  }
}

/* Numbers of the metadata, and the space's fingerprint. */
typedef struct facts {
  recsys__hnsw_shape shape;
  uint32_t removed; /* rows that were in the graph and are gone */
  const char *fingerprint;
  bool told; /* the shape is a possible one */
} facts;

static void digest_of(const facts *f, const recsys__tensor *tensors, char hex[65]) {
  recsys__sha256 sha;
  uint32_t numbers[4] = {f->shape.metric, f->shape.links, f->shape.effort, f->removed};
  recsys__sha256_init(&sha);
  recsys__sha256_update(&sha, numbers, sizeof numbers);
  recsys__sha256_update(&sha, f->fingerprint, strlen(f->fingerprint));
  for (size_t i = 0; i < TENSORS; i++) {
    recsys__sha256_update(&sha, tensors[i].shape, sizeof *tensors[i].shape);
    recsys__sha256_update(&sha, tensors[i].data, (size_t)tensors[i].bytes);
  }
  recsys__sha256_hex(&sha, hex);
}

static recsys_status write_file(const char *path, const char *fingerprint, const recsys__index *index,
                                const recsys__hnsw_links *links, const columns *c, recsys_error *error) {
  facts f = {*recsys__hnsw_shape_of(index->graph), (uint32_t)recsys__hnsw_dead(index->graph), fingerprint, true};
  recsys__tensor tensors[TENSORS] = {
      {names[0], RECSYS__I64, 1, {links->nodes}, c->items, links->nodes * 8},
      {names[1], RECSYS__I64, 1, {links->nodes}, c->pictures, links->nodes * 8},
      {names[2], RECSYS__I64, 1, {links->nodes}, c->hashes, links->nodes * 8},
      {names[3], RECSYS__U8, 1, {links->nodes}, links->levels, links->nodes},
      {names[4], RECSYS__I32, 1, {links->lists}, links->counts, links->lists * 4},
      {names[5], RECSYS__I32, 1, {links->total}, links->links, links->total * 4},
  };
  char hex[65], number[4][16];
  digest_of(&f, tensors, hex);
  snprintf(number[0], sizeof number[0], "%u", f.shape.metric);
  snprintf(number[1], sizeof number[1], "%u", f.shape.links);
  snprintf(number[2], sizeof number[2], "%u", f.shape.effort);
  snprintf(number[3], sizeof number[3], "%u", f.removed);
  struct recsys__metadata metadata[] = {{"format", FORMAT},   {"fingerprint", fingerprint}, {"metric", number[0]},
                                        {"links", number[1]}, {"effort", number[2]},        {"removed", number[3]},
                                        {"digest", hex}};
  return recsys__tensors_write(path, tensors, TENSORS, metadata, sizeof metadata / sizeof *metadata, error);
}

static const char *fingerprint_of(recsys_store *store, int64_t space, char room[132]) {
  const recsys__view *view = recsys__store_view(store);
  room[0] = 0;
  for (size_t i = 0; i < view->space_count; i++)
    if (view->spaces[i].id == space)
      memcpy(room, view->spaces[i].fingerprint, 132);
  recsys__view_release(view);
  return room;
}

recsys_status recsys__index_save(recsys_store *store, const recsys__index *index, recsys_error *error) {
  recsys__hnsw_links links = {0};
  recsys__string path = {0};
  char fingerprint[132];
  bool good = path_of(store, index->space, &path) && recsys__hnsw_get_links(index->graph, &links);
  size_t n = links.nodes;
  columns c = {recsys__alloc(n, 8), recsys__alloc(n, 8), recsys__alloc(n, 8)};
  recsys_status status = RECSYS_OK;
  if (!good || !c.items || !c.pictures || !c.hashes) {
    status = recsys__no_memory(error, "the index's file");
  } else {
    fill_columns(index, &c);
    status = write_file(path.data, fingerprint_of(store, index->space, fingerprint), index, &links, &c, error);
  }
  if (!status)
    recsys__index_remember(store, index->space, true);
  recsys__free(c.items);
  recsys__free(c.pictures);
  recsys__free(c.hashes);
  recsys__hnsw_links_free(&links);
  recsys__string_free(&path);
  return status;
}

/* -- loading */

static recsys_status damaged(const char *path, const char *what, recsys_error *error) {
  return recsys__fail(error, RECSYS_EFORMAT, 0, "the index '%.120s' %s", path, what);
}

static bool number_of(const recsys__tensors *file, const char *key, uint32_t least, uint32_t most, uint32_t *value) {
  const char *text = recsys__tensors_metadata(file, key);
  char *end = NULL;
  errno = 0;
  unsigned long number = text && *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : ULONG_MAX;
  *value = (uint32_t)number;
  return end && !*end && !errno && number >= least && number <= most;
}

static bool tensors_of(const recsys__tensors *file, recsys__tensor out[TENSORS]) {
  static const recsys__dtype types[TENSORS] = {RECSYS__I64, RECSYS__I64, RECSYS__I64,
                                               RECSYS__U8,  RECSYS__I32, RECSYS__I32};
  for (size_t i = 0; i < TENSORS; i++) {
    const recsys__tensor *tensor = recsys__tensors_find(file, names[i]);
    if (!tensor || tensor->dtype != types[i] || tensor->rank != 1 ||
        (i < 4 && i && tensor->shape[0] != out[0].shape[0]))
      return false;
    out[i] = *tensor;
  }
  return out[0].shape[0] <= INT32_MAX;
}

static recsys_status check_file(const recsys__tensors *file, const char *path, const char *fingerprint,
                                recsys__tensor tensors[TENSORS], facts *f, recsys_error *error) {
  const char *format = recsys__tensors_metadata(file, "format");
  const char *of = recsys__tensors_metadata(file, "fingerprint"), *digest = recsys__tensors_metadata(file, "digest");
  char hex[65];
  if (format && !strncmp(format, FORMAT, strlen(FORMAT) - 1) && strtoul(format + strlen(FORMAT) - 1, NULL, 10) > 1)
    return recsys__fail(error, RECSYS_EVERSION, 0,
                        "the index '%.120s' has the format %.40s of a newer library; update this one", path, format);
  f->told = format && !strcmp(format, FORMAT) && number_of(file, "metric", 0, 1, &f->shape.metric) &&
            number_of(file, "links", 2, 128, &f->shape.links) && number_of(file, "effort", 1, 10000, &f->shape.effort);
  if (!f->told || !of || !digest || !tensors_of(file, tensors) ||
      !number_of(file, "removed", 0, INT32_MAX, &f->removed))
    return damaged(path, "is none of this library's", error);
  if (strcmp(of, fingerprint) != 0) {
    f->told = false;
    return damaged(path, "belongs to another space", error);
  }
  f->fingerprint = fingerprint;
  digest_of(f, tensors, hex);
  return strcmp(hex, digest) != 0 ? damaged(path, "is damaged", error) : RECSYS_OK;
}

typedef struct place {
  int64_t item, picture;
  size_t row;
} place;

static int by_picture(const void *a, const void *b) {
  const place *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  return x->picture < y->picture ? -1 : x->picture > y->picture;
}

/* The row of every node, where it is still as it was, else SIZE_MAX; returns how many are. */
static size_t find_rows(const recsys__rows *rows, const recsys__tensor tensors[TENSORS], size_t *numbers) {
  const int64_t *items = tensors[0].data, *pictures = tensors[1].data, *hashes = tensors[2].data;
  size_t n = (size_t)tensors[0].shape[0], found = 0;
  for (size_t node = 0; node < n; node++)
    numbers[node] = SIZE_MAX;
  place *nodes = recsys__alloc(n, sizeof *nodes);
  for (size_t node = 0; nodes && node < n; node++)
    nodes[node] = (place){items[node], pictures[node], node};
  if (nodes && n)
    qsort(nodes, n, sizeof *nodes, by_picture);
  for (size_t row = 0; nodes && row < rows->count; row++) {
    const recsys__chunk *chunk = recsys__chunk_of(rows, row);
    place key = {chunk->items[row % rows->chunk_rows], chunk->pictures[row % rows->chunk_rows], 0};
    const place *node = n ? bsearch(&key, nodes, n, sizeof *nodes, by_picture) : NULL;
    if (node && numbers[node->row] == SIZE_MAX && hashes[node->row] == hash_of(rows, row)) {
      numbers[node->row] = row;
      found++;
    }
  }
  recsys__free(nodes);
  return found;
}

/* The graph over the rows that are as they were; the others are added to it. */
static recsys_status restore(recsys_store *store, recsys__index *index, const recsys__space *space,
                             const recsys__tensor tensors[TENSORS], const size_t *numbers,
                             const recsys__watcher *watcher, recsys_error *error) {
  recsys__hnsw_links links = {.nodes = (size_t)tensors[0].shape[0],
                              .levels = (uint8_t *)(uintptr_t)tensors[3].data,
                              .counts = (uint32_t *)(uintptr_t)tensors[4].data,
                              .links = (uint32_t *)(uintptr_t)tensors[5].data,
                              .lists = (size_t)tensors[4].shape[0],
                              .total = (size_t)tensors[5].shape[0]};
  recsys_status status = recsys__hnsw_set_links(index->graph, &links, space->rows, numbers, error);
  return status ? status
                : recsys__index_adopt(index, space->rows, numbers, links.nodes, store->core->threads, watcher->progress,
                                      watcher->user, error);
}

bool recsys__index_is_like(recsys_store *store, const recsys__index *index, const char *fingerprint) {
  const recsys__hnsw_shape *ours = recsys__hnsw_shape_of(index->graph);
  recsys__string path = {0};
  recsys__tensors file = {0};
  recsys__tensor tensors[TENSORS] = {{0}};
  facts f = {0};
  bool like = path_of(store, index->space, &path) && !recsys__tensors_read(&file, path.data, NULL) &&
              !check_file(&file, path.data, fingerprint, tensors, &f, NULL) && f.shape.metric == ours->metric &&
              f.shape.links == ours->links && f.shape.effort == ours->effort;
  recsys__tensors_free(&file);
  recsys__string_free(&path);
  return like;
}

recsys_status recsys__index_load(recsys_store *store, const recsys__space *space, const recsys__watcher *watcher,
                                 recsys__index **index, recsys__hnsw_shape *shape, recsys_error *error) {
  recsys__string path = {0};
  recsys__tensors file = {0};
  recsys__tensor tensors[TENSORS] = {{0}};
  facts f = {0};
  *index = NULL;
  if (!path_of(store, space->id, &path))
    return recsys__no_memory(error, "the index's name");
  bool seen = recsys__index_remember(store, space->id, false);
  recsys_status status = recsys__tensors_read(&file, path.data, error);
  if (status == RECSYS_ENOTFOUND) {
    recsys__string_free(&path);
    return seen ? RECSYS_OK : recsys__no_memory(error, "the index's name");
  }
  if (!status)
    status = check_file(&file, path.data, space->fingerprint, tensors, &f, error);
  if (f.told)
    *shape = f.shape;
  size_t n = status ? 0 : (size_t)tensors[0].shape[0], *numbers = recsys__alloc(n, sizeof *numbers), found = 0;
  if (!status && (!numbers || !(*index = recsys__index_new(space->id, space->rows, &f.shape))))
    status = recsys__no_memory(error, "the index");
  if (!status)
    found = find_rows(space->rows, tensors, numbers);
  /* With many gone, before it was saved or since, the links that are left lead too few ways. */
  size_t all = status ? 0 : n + f.removed;
  if (!status && found >= all - all / 5)
    status = restore(store, *index, space, tensors, numbers, watcher, error);
  if (status) {
    recsys__ref_release(*index);
    *index = NULL;
  } else if (recsys__index_news_of(store, space->id) == RECSYS__FILE_ALIEN) /* and not replaced while it was read */
    recsys__index_remember(store, space->id, true);
  recsys__free(numbers);
  recsys__tensors_free(&file);
  recsys__string_free(&path);
  return status;
}
