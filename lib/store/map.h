/*
 * A persistent ordered map from int64_t to reference-counted values: copying a map costs nothing, changing a copy
 * copies the path to the change only (nodes that nobody else holds are changed in place). Snapshots of the store are
 * made of these.
 */
#ifndef RECSYS_STORE_MAP_H
#define RECSYS_STORE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every value starts with one of these. */
typedef struct recsys__ref {
  _Atomic uint32_t count;
  void (*free)(void *self);
} recsys__ref;
void recsys__ref_retain(void *value);  /* NULL allowed */
void recsys__ref_release(void *value); /* NULL allowed; the last one frees */

typedef struct recsys__map {
  struct recsys__map_node *root; /* NULL: empty */
  size_t count;
} recsys__map;

recsys__map recsys__map_copy(const recsys__map *map);
void recsys__map_free(recsys__map *map);
void *recsys__map_get(const recsys__map *map, int64_t key); /* borrowed; NULL: absent */
/* Takes over one reference of value, also on failure; false: out of memory, and the map is as it was. */
bool recsys__map_set(recsys__map *map, int64_t key, void *value);
/* Makes the path to `key` private to this map, so that *value (borrowed; NULL: absent) may be changed in place if its
 * reference count is 1. false: out of memory, unchanged. */
bool recsys__map_own(recsys__map *map, int64_t key, void **value);
bool recsys__map_remove(recsys__map *map, int64_t key, bool *removed);
/* The smallest key > after, with its value (borrowed); false: none. after = -1 starts (keys are >= 0). */
bool recsys__map_next(const recsys__map *map, int64_t after, int64_t *key, void **value);
/* Calls fn for every entry by rising key until it returns false. */
void recsys__map_each(const recsys__map *map, bool (*fn)(void *context, int64_t key, void *value), void *context);

#endif
