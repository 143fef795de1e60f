/*
 * The persistent map: a B-tree whose nodes are reference-counted. A change first makes the nodes on its path private
 * (copying those that another map holds) and splits full ones on the way down; both leave the content as it is, so that
 * running out of memory half-way does no harm. Removal never merges nodes: a leaf may become empty.
 */
#include "store/map.h"

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"

enum { FAN_OUT = 32 };

/* An inner node: child i holds the keys from keys[i] up to keys[i + 1]; keys[0] counts as minus infinity. */
struct recsys__map_node {
  _Atomic uint32_t references;
  uint16_t count;
  bool leaf;
  int64_t keys[FAN_OUT];
  void *slots[FAN_OUT]; /* values, or children */
};
typedef struct recsys__map_node node;

void recsys__ref_retain(void *value) {
  if (value)
    atomic_fetch_add_explicit(&((recsys__ref *)value)->count, 1, memory_order_relaxed);
}

void recsys__ref_release(void *value) {
  recsys__ref *ref = value;
  if (ref && atomic_fetch_sub_explicit(&ref->count, 1, memory_order_acq_rel) == 1)
    ref->free(ref);
}

static node *node_new(bool leaf) {
  node *n = recsys__calloc(1, sizeof *n);
  if (!n)
    return NULL;
  atomic_init(&n->references, 1);
  n->leaf = leaf;
  return n;
}

static void node_retain(node *n) {
  atomic_fetch_add_explicit(&n->references, 1, memory_order_relaxed);
}

static void node_release(node *n) {
  if (!n || atomic_fetch_sub_explicit(&n->references, 1, memory_order_acq_rel) != 1)
    return;
  for (size_t i = 0; i < n->count; i++) {
    if (n->leaf)
      recsys__ref_release(n->slots[i]);
    else
      node_release(n->slots[i]);
  }
  recsys__free(n);
}

/* Makes *slot private to this map; false: out of memory. */
static bool node_own(node **slot) {
  node *old = *slot;
  if (atomic_load_explicit(&old->references, memory_order_acquire) == 1)
    return true;
  node *copy = node_new(old->leaf);
  if (!copy)
    return false;
  copy->count = old->count;
  memcpy(copy->keys, old->keys, sizeof old->keys);
  memcpy(copy->slots, old->slots, sizeof old->slots);
  for (size_t i = 0; i < copy->count; i++) {
    if (copy->leaf)
      recsys__ref_retain(copy->slots[i]);
    else
      node_retain(copy->slots[i]);
  }
  *slot = copy;
  node_release(old);
  return true;
}

/* The number of keys <= key. */
static size_t upper_bound(const node *n, int64_t key) {
  size_t low = 0, high = n->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (n->keys[middle] <= key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static size_t child_of(const node *n, int64_t key) {
  size_t i = upper_bound(n, key);
  return i ? i - 1 : 0;
}

static void insert_at(node *n, size_t i, int64_t key, void *slot) {
  memmove(n->keys + i + 1, n->keys + i, (n->count - i) * sizeof *n->keys);
  memmove(n->slots + i + 1, n->slots + i, (n->count - i) * sizeof *n->slots);
  n->keys[i] = key;
  n->slots[i] = slot;
  n->count++;
}

/* Splits the full child i of the private node `parent`, which has room. Appending keeps the left half full. */
static bool split(node *parent, size_t i, bool at_end) {
  node *left = parent->slots[i];
  node *right = node_new(left->leaf);
  if (!right)
    return false;
  size_t keep = at_end ? FAN_OUT - 1 : FAN_OUT / 2;
  right->count = (uint16_t)(FAN_OUT - keep);
  memcpy(right->keys, left->keys + keep, right->count * sizeof *right->keys);
  memcpy(right->slots, left->slots + keep, right->count * sizeof *right->slots);
  left->count = (uint16_t)keep;
  insert_at(parent, i + 1, right->keys[0], right);
  return true;
}

static bool grow_root(recsys__map *map) {
  node *root = node_new(false);
  if (!root)
    return false;
  root->count = 1;
  root->keys[0] = map->root->keys[0];
  root->slots[0] = map->root;
  if (!split(root, 0, false)) {
    root->count = 0;
    node_release(root);
    return false;
  }
  map->root = root;
  return true;
}

/* The leaf for `key`, private and, where room is asked for, not full; NULL: out of memory. */
static node *own_leaf(recsys__map *map, int64_t key, bool room) {
  if (!map->root && !(map->root = node_new(true)))
    return NULL;
  if (!node_own(&map->root))
    return NULL;
  if (room && map->root->count == FAN_OUT && !grow_root(map))
    return NULL;
  node *n = map->root;
  while (!n->leaf) {
    size_t i = child_of(n, key);
    if (!node_own((node **)&n->slots[i]))
      return NULL;
    node *child = n->slots[i];
    if (room && child->count == FAN_OUT) {
      if (!split(n, i, key > child->keys[FAN_OUT - 1]))
        return NULL;
      i = child_of(n, key);
    }
    n = n->slots[i];
  }
  return n;
}

recsys__map recsys__map_copy(const recsys__map *map) {
  if (map->root)
    node_retain(map->root);
  return *map;
}

void recsys__map_free(recsys__map *map) {
  node_release(map->root);
  *map = (recsys__map){0};
}

void *recsys__map_get(const recsys__map *map, int64_t key) {
  const node *n = map->root;
  if (!n)
    return NULL;
  while (!n->leaf)
    n = n->slots[child_of(n, key)];
  size_t i = upper_bound(n, key);
  return i && n->keys[i - 1] == key ? n->slots[i - 1] : NULL;
}

bool recsys__map_own(recsys__map *map, int64_t key, void **value) {
  *value = NULL;
  if (!map->root)
    return true;
  node *leaf = own_leaf(map, key, false);
  if (!leaf)
    return false;
  size_t i = upper_bound(leaf, key);
  if (i && leaf->keys[i - 1] == key)
    *value = leaf->slots[i - 1];
  return true;
}

bool recsys__map_set(recsys__map *map, int64_t key, void *value) {
  node *leaf = own_leaf(map, key, true);
  if (!leaf) {
    recsys__ref_release(value);
    return false;
  }
  size_t i = upper_bound(leaf, key);
  if (i && leaf->keys[i - 1] == key) {
    recsys__ref_release(leaf->slots[i - 1]);
    leaf->slots[i - 1] = value;
  } else {
    insert_at(leaf, i, key, value);
    map->count++;
  }
  return true;
}

bool recsys__map_remove(recsys__map *map, int64_t key, bool *removed) {
  bool found = recsys__map_get(map, key) != NULL;
  if (removed)
    *removed = found;
  if (!found)
    return true;
  node *leaf = own_leaf(map, key, false);
  if (!leaf)
    return false;
  size_t i = upper_bound(leaf, key) - 1;
  recsys__ref_release(leaf->slots[i]);
  memmove(leaf->keys + i, leaf->keys + i + 1, (leaf->count - i - 1) * sizeof *leaf->keys);
  memmove(leaf->slots + i, leaf->slots + i + 1, (leaf->count - i - 1) * sizeof *leaf->slots);
  leaf->count--;
  map->count--;
  return true;
}

static bool next_in(const node *n, int64_t after, int64_t *key, void **value) {
  if (n->leaf) {
    size_t i = upper_bound(n, after);
    if (i == n->count)
      return false;
    *key = n->keys[i];
    *value = n->slots[i];
    return true;
  }
  for (size_t i = child_of(n, after); i < n->count; i++)
    if (next_in(n->slots[i], after, key, value))
      return true;
  return false;
}

bool recsys__map_next(const recsys__map *map, int64_t after, int64_t *key, void **value) {
  return map->root && next_in(map->root, after, key, value);
}

static bool each_in(const node *n, bool (*fn)(void *, int64_t, void *), void *context) {
  for (size_t i = 0; i < n->count; i++)
    if (!(n->leaf ? fn(context, n->keys[i], n->slots[i]) : each_in(n->slots[i], fn, context)))
      return false;
  return true;
}

void recsys__map_each(const recsys__map *map, bool (*fn)(void *context, int64_t key, void *value), void *context) {
  if (map->root)
    each_in(map->root, fn, context);
}
