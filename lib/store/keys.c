/* From a key to its id: a map from hashes to the few ids (mostly one) whose keys have that hash. */
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "store/hash.h"
#include "store/records.h"

typedef struct bucket {
  recsys__ref ref;
  size_t count;
  int64_t ids[];
} bucket;

/* Map keys are >= 0. */
static int64_t place_of(const char *key) {
  return (int64_t)(recsys__hash(key, strlen(key), 0) >> 1);
}

static bucket *bucket_new(size_t count) {
  bucket *b = recsys__alloc(sizeof *b + count * sizeof b->ids[0], 1);
  if (!b)
    return NULL;
  atomic_init(&b->ref.count, 1);
  b->ref.free = recsys__free;
  b->count = count;
  return b;
}

bool recsys__keys_add(recsys__map *keys, const char *key, int64_t id) {
  int64_t place = place_of(key);
  const bucket *old = recsys__map_get(keys, place);
  size_t count = old ? old->count : 0;
  bucket *b = bucket_new(count + 1);
  if (!b)
    return false;
  if (old)
    memcpy(b->ids, old->ids, count * sizeof b->ids[0]);
  b->ids[count] = id;
  return recsys__map_set(keys, place, b);
}

bool recsys__keys_remove(recsys__map *keys, const char *key, int64_t id) {
  int64_t place = place_of(key);
  const bucket *old = recsys__map_get(keys, place);
  size_t at = 0;
  while (old && at < old->count && old->ids[at] != id)
    at++;
  if (!old || at == old->count)
    return true;
  if (old->count == 1)
    return recsys__map_remove(keys, place, NULL);
  bucket *b = bucket_new(old->count - 1);
  if (!b)
    return false;
  memcpy(b->ids, old->ids, at * sizeof b->ids[0]);
  memcpy(b->ids + at, old->ids + at + 1, (old->count - 1 - at) * sizeof b->ids[0]);
  return recsys__map_set(keys, place, b);
}

int64_t recsys__keys_find(const recsys__map *keys, const recsys__map *owners, const char *key) {
  const bucket *b = recsys__map_get(keys, place_of(key));
  for (size_t i = 0; b && i < b->count; i++) {
    const recsys__owner *owner = recsys__map_get(owners, b->ids[i]);
    if (owner && owner->key && strcmp(owner->key, key) == 0)
      return b->ids[i];
  }
  return -1;
}
