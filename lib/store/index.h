/* What an index is, for the files that keep it up (index.c; all of a store: indexes.c), search it (index_search.c) and
 * store it (index_file.c). */
#ifndef RECSYS_STORE_INDEX_H
#define RECSYS_STORE_INDEX_H

#include "store/chunks.h"
#include "store/hnsw.h"
#include "store/store.h"

/* Searches never wait: one that comes while the graph is being changed is exact instead. */
typedef struct recsys__index {
  recsys__ref ref;
  struct recsys__index *next;
  int64_t space;
  _Atomic int64_t gate;        /* how many search; -1: it is being changed */
  _Atomic bool wanted;         /* somebody waits to change it */
  _Atomic bool broken;         /* a change has failed half-way: never search it again */
  _Atomic uint64_t generation; /* of forks */
  recsys__hnsw *graph;
  recsys__rows *rows; /* what it stands on, retained */
  size_t *row_of;     /* of every node; SIZE_MAX: dead */
  uint32_t *node_of;  /* of every row */
  size_t row_room, node_room;
  bool unsaved;
} recsys__index;

recsys__index *recsys__index_new(int64_t space, recsys__rows *rows, const recsys__hnsw_shape *shape);
/* Makes a private index stand on these rows: what is new is added, what is gone dies. Moves with progress "index". */
recsys_status recsys__index_update(recsys__index *index, recsys__rows *rows, uint32_t threads,
                                   recsys_progress_fn progress, void *user, recsys_error *error);
/* The same for an index whose graph has just got its links: its nodes are the rows numbers[n] (SIZE_MAX: left out). */
recsys_status recsys__index_adopt(recsys__index *index, recsys__rows *rows, const size_t *numbers, size_t n,
                                  uint32_t threads, recsys_progress_fn progress, void *user, recsys_error *error);
/* For a search: false where the index is being changed, or about to be. A true one is followed by a leave. */
bool recsys__index_enter(recsys__index *index);
void recsys__index_leave(recsys__index *index);
/* Around a change: waits until the searches under way have left; those that come are exact. */
void recsys__index_close_gate(recsys__index *index);
void recsys__index_open_gate(recsys__index *index);

/* With store->write held: replaces the index of its space; takes over the reference. */
void recsys__index_publish(recsys__store_core *core, recsys__index *index);
/* The index of a space, retained; NULL: none. */
recsys__index *recsys__index_of(recsys__store_core *core, int64_t space);

/* -- index_file.c */

/* Who is told how far it is; both may be NULL. */
typedef struct recsys__watcher {
  recsys_progress_fn progress;
  void *user;
} recsys__watcher;

typedef enum recsys__index_news {
  RECSYS__FILE_SAME,    /* it is the one that was last read or written here, or there is none and was none */
  RECSYS__FILE_ALIEN,   /* it is one that could not be used here: neither to be read again nor to be overwritten */
  RECSYS__FILE_CHANGED, /* another process has written it */
  RECSYS__FILE_GONE     /* another process has removed it */
} recsys__index_news;

recsys__index_news recsys__index_news_of(recsys_store *store, int64_t space);
/* The file as it is now has been seen; ours: its index is the one in hand, which may replace it.
 * false: out of memory, or nobody can tell; it will be looked at again. */
bool recsys__index_remember(recsys_store *store, int64_t space, bool ours);
/* It is to be looked at again. */
void recsys__index_forget(recsys_store *store, int64_t space);
/* Whether the file holds an index of this space with the same numbers. */
bool recsys__index_is_like(recsys_store *store, const recsys__index *index, const char *fingerprint);
/* Replaces the file, whoever has written it. */
recsys_status recsys__index_save(recsys_store *store, const recsys__index *index, recsys_error *error);
/* *index NULL and RECSYS_OK: there is no file. RECSYS_ENOMEM, RECSYS_ECANCELLED. RECSYS_EVERSION: a newer library's.
 * RECSYS_EIO, RECSYS_EREADONLY: it cannot be read. All else: it is damaged, or of another space; *shape is the index's
 * where the file still tells it, and else stays as it was. */
recsys_status recsys__index_load(recsys_store *store, const recsys__space *space, const recsys__watcher *watcher,
                                 recsys__index **index, recsys__hnsw_shape *shape, recsys_error *error);
/* Removes the file; RECSYS_ENOTFOUND: there was none. */
recsys_status recsys__index_unlink(recsys_store *store, int64_t space, recsys_error *error);

#endif
