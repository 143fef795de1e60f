/*
 * The ordered map of snapshots: a B+ tree of reference-counted nodes. A node that only this map holds is changed in
 * place, any other is copied first. Every step on the way down (copy a node, split one) leaves the same content, so a
 * failed allocation changes nothing that can be seen.
 */
#include "store/map.h"

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"

enum { FAN = 32, MERGED = 24 /* neighbours that fit into so many are merged */ };

/* Entries are values in a leaf and nodes elsewhere: both start with a recsys__ref. keys[i] of an inner node is at most
 * the smallest key under entry i, and above all keys under entry i - 1. */
typedef struct recsys__map_node {
  recsys__ref ref;
  uint32_t count;
  bool leaf;
  int64_t keys[FAN];
  void *entries[FAN];
} node;

void recsys__ref_retain(void *value) {
  if (value)
    atomic_fetch_add_explicit(&((recsys__ref *)value)->count, 1, memory_order_relaxed);
}

void recsys__ref_release(void *value) {
  recsys__ref *ref = value;
  if (ref && atomic_fetch_sub_explicit(&ref->count, 1, memory_order_acq_rel) == 1)
    ref->free(ref);
}

/* -- nodes */

static void node_free(void *self) {
  node *n = self;
  for (uint32_t i = 0; i < n->count; i++)
    recsys__ref_release(n->entries[i]);
  recsys__free(n);
}

static node *node_new(bool leaf) {
  node *n = recsys__alloc(1, sizeof *n);
  if (!n)
    return NULL;
  atomic_init(&n->ref.count, 1);
  n->ref.free = node_free;
  n->count = 0;
  n->leaf = leaf;
  return n;
}

/* Puts entries [from, to) of another node at the end; `shared`: the other one keeps its own references. */
static void append(node *to, const node *from, uint32_t first, uint32_t last, bool shared) {
  memcpy(to->keys + to->count, from->keys + first, (last - first) * sizeof *to->keys);
  memcpy(to->entries + to->count, from->entries + first, (last - first) * sizeof *to->entries);
  for (uint32_t i = first; shared && i < last; i++)
    recsys__ref_retain(from->entries[i]);
  to->count += last - first;
}

/* The acquire meets the release with which the last other holder let go. */
static bool is_ours(node *n) {
  return atomic_load_explicit(&n->ref.count, memory_order_acquire) == 1;
}

/* Makes the node in *slot one that only this map holds; false: out of memory. Its parent must be ours already. */
static bool make_ours(node **slot) {
  if (is_ours(*slot))
    return true;
  node *copy = node_new((*slot)->leaf);
  if (!copy)
    return false;
  append(copy, *slot, 0, (*slot)->count, true);
  recsys__ref_release(*slot);
  *slot = copy;
  return true;
}

/* The number of keys that are at most `key`. */
static uint32_t place_after(const node *n, int64_t key) {
  uint32_t low = 0, high = n->count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (n->keys[middle] <= key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* The entry under which `key` is, or would be. */
static uint32_t branch(const node *n, int64_t key) {
  uint32_t after = place_after(n, key);
  return after ? after - 1 : 0;
}

static void insert_at(node *n, uint32_t at, int64_t key, void *entry) {
  memmove(n->keys + at + 1, n->keys + at, (n->count - at) * sizeof *n->keys);
  memmove(n->entries + at + 1, n->entries + at, (n->count - at) * sizeof *n->entries);
  n->keys[at] = key;
  n->entries[at] = entry;
  n->count++;
}

/* Takes an entry out without releasing it. */
static void take_out(node *n, uint32_t at) {
  n->count--;
  memmove(n->keys + at, n->keys + at + 1, (n->count - at) * sizeof *n->keys);
  memmove(n->entries + at, n->entries + at + 1, (n->count - at) * sizeof *n->entries);
}

static node *child(const node *n, uint32_t at) {
  return n->entries[at];
}

/* -- the map */

recsys__map recsys__map_copy(const recsys__map *map) {
  recsys__ref_retain(map->root);
  return *map;
}

void recsys__map_free(recsys__map *map) {
  recsys__ref_release(map->root);
  *map = (recsys__map){0};
}

void *recsys__map_get(const recsys__map *map, int64_t key) {
  const node *n = map->root;
  while (n && !n->leaf)
    n = child(n, branch(n, key));
  if (!n || n->count == 0)
    return NULL;
  uint32_t at = branch(n, key);
  return n->keys[at] == key ? n->entries[at] : NULL;
}

/* Splits a full node of ours; the upper part is returned. Keys that come in rising order leave full nodes behind. */
static node *split(node *n, int64_t key) {
  node *upper = node_new(n->leaf);
  if (!upper)
    return NULL;
  uint32_t at = key > n->keys[FAN - 1] ? FAN - 1 : FAN / 2;
  append(upper, n, at, FAN, false);
  n->count = at;
  return upper;
}

/* A root with room for one more; false: out of memory. */
static bool grow_root(recsys__map *map, int64_t key) {
  if (!map->root) {
    map->root = node_new(true);
    return map->root != NULL;
  }
  if (!make_ours(&map->root))
    return false;
  if (map->root->count < FAN)
    return true;
  node *root = node_new(false), *upper = root ? split(map->root, key) : NULL;
  if (!upper) {
    recsys__ref_release(root);
    return false;
  }
  insert_at(root, 0, map->root->keys[0], map->root);
  insert_at(root, 1, upper->keys[0], upper);
  map->root = root;
  return true;
}

/* The child of n for `key`, ours and with room for one more; n is ours and has room too. NULL: out of memory. */
static node *child_with_room(node *n, int64_t key) {
  uint32_t at = branch(n, key);
  node *below = child(n, at);
  if (!make_ours(&below))
    return NULL;
  n->entries[at] = below;
  if (key < n->keys[at])
    n->keys[at] = key;
  if (below->count < FAN)
    return below;
  node *upper = split(below, key);
  if (!upper)
    return NULL;
  insert_at(n, at + 1, upper->keys[0], upper);
  return key < upper->keys[0] ? below : upper;
}

bool recsys__map_set(recsys__map *map, int64_t key, void *value) {
  node *n = grow_root(map, key) ? map->root : NULL;
  while (n && !n->leaf)
    n = child_with_room(n, key);
  if (!n) {
    recsys__ref_release(value);
    return false;
  }
  uint32_t after = place_after(n, key);
  if (after && n->keys[after - 1] == key) {
    recsys__ref_release(n->entries[after - 1]);
    n->entries[after - 1] = value;
    return true;
  }
  insert_at(n, after, key, value);
  map->count++;
  return true;
}

/* Lets entry `at` of n, which has become small, vanish or take over what a neighbour holds. Needs no memory. */
static void mend(node *n, uint32_t at) {
  node *small = child(n, at);
  if (small->count == 0) {
    recsys__ref_release(small);
    take_out(n, at);
    return;
  }
  uint32_t left = at + 1 < n->count ? at : at - 1; /* of the two to merge; wraps where there is no neighbour */
  if (n->count < 2 || child(n, left)->count + child(n, left + 1)->count > MERGED)
    return;
  node *keep = child(n, left), *gone = child(n, left + 1);
  if (!is_ours(keep))
    return; /* a neighbour that others hold stays as it is */
  append(keep, gone, 0, gone->count, true);
  recsys__ref_release(gone);
  take_out(n, left + 1);
}

/* Removes a key that is there from under n, which is ours; false: out of memory. */
static bool remove_under(node *n, int64_t key) {
  uint32_t at = branch(n, key);
  if (n->leaf) {
    recsys__ref_release(n->entries[at]);
    take_out(n, at);
    return true;
  }
  node *below = child(n, at);
  if (!make_ours(&below))
    return false;
  n->entries[at] = below;
  if (!remove_under(below, key))
    return false;
  if (below->count < FAN / 4)
    mend(n, at);
  return true;
}

/* A root with one child is that child; an empty root is no root. */
static void lower_root(recsys__map *map) {
  while (map->root && map->root->count <= 1 && !(map->root->leaf && map->root->count)) {
    node *old = map->root;
    map->root = old->count ? child(old, 0) : NULL;
    recsys__ref_retain(map->root);
    recsys__ref_release(old);
  }
}

bool recsys__map_remove(recsys__map *map, int64_t key, bool *removed) {
  if (removed)
    *removed = false;
  if (!recsys__map_get(map, key))
    return true;
  if (!make_ours(&map->root) || !remove_under(map->root, key))
    return false;
  map->count--;
  lower_root(map);
  if (removed)
    *removed = true;
  return true;
}

/* -- in order */

bool recsys__map_next(const recsys__map *map, int64_t after, int64_t *key, void **value) {
  const node *n = map->root, *right = NULL; /* the nearest subtree whose keys are all larger */
  while (n && !n->leaf) {
    uint32_t at = branch(n, after);
    if (at + 1 < n->count)
      right = child(n, at + 1);
    n = child(n, at);
  }
  uint32_t at = n ? place_after(n, after) : 0;
  if (!n || at == n->count) {
    for (n = right; n && !n->leaf;)
      n = child(n, 0);
    at = 0;
  }
  if (!n)
    return false;
  if (key)
    *key = n->keys[at];
  if (value)
    *value = n->entries[at];
  return true;
}

static bool each_under(const node *n, bool (*fn)(void *context, int64_t key, void *value), void *context) {
  for (uint32_t i = 0; i < n->count; i++)
    if (!(n->leaf ? fn(context, n->keys[i], n->entries[i]) : each_under(child(n, i), fn, context)))
      return false;
  return true;
}

void recsys__map_each(const recsys__map *map, bool (*fn)(void *context, int64_t key, void *value), void *context) {
  if (map->root)
    each_under(map->root, fn, context);
}
