/* A slot per item; lists are made by whoever needs them first. */
#include "ranker/looks.h"

struct recsys__looks {
  _Atomic uint32_t references;
  const recsys__view *view; /* held, so that what it is of cannot be taken for something else */
  const void *identity;
  int64_t *items; /* rising */
  size_t n;
  _Atomic(recsys__look_list *) lists[];
};

void recsys__looks_release(recsys__looks *looks) {
  if (!looks || atomic_fetch_sub_explicit(&looks->references, 1, memory_order_acq_rel) != 1)
    return;
  for (size_t i = 0; i < looks->n; i++)
    recsys__free(atomic_load_explicit(&looks->lists[i], memory_order_relaxed));
  recsys__view_release(looks->view);
  recsys__free(looks->items);
  recsys__free(looks);
}

static recsys__looks *looks_new(const recsys__view *view, const void *identity) {
  size_t bytes, n = recsys__view_item_count(view);
  if (!recsys__mul(n, sizeof(recsys__look_list *), &bytes) || !recsys__add(bytes, sizeof(recsys__looks), &bytes))
    return NULL;
  recsys__looks *looks = recsys__calloc(1, bytes);
  if (!looks)
    return NULL;
  looks->items = recsys__alloc(n, sizeof *looks->items);
  if (!looks->items) {
    recsys__free(looks);
    return NULL;
  }
  looks->n = recsys__view_items(view, -1, looks->items, n);
  atomic_init(&looks->references, 1);
  recsys__view_retain(view);
  looks->view = view;
  looks->identity = identity;
  return looks;
}

recsys__looks *recsys__looks_of(const recsys_ranker *ranker, const recsys__view *view, int32_t space, bool labels) {
  recsys__looks_slot *slot = ranker->looks;
  const void *identity = labels ? (const void *)view : recsys__view_space_identity(view, space);
  recsys__lock_take(&slot->lock);
  recsys__looks *looks = slot->looks, *old = NULL;
  if (!looks || looks->identity != identity) {
    recsys__looks *fresh = looks_new(view, identity);
    if (fresh) {
      old = looks;
      slot->looks = fresh;
    }
    looks = fresh;
  }
  if (looks)
    atomic_fetch_add(&looks->references, 1);
  recsys__lock_give(&slot->lock);
  recsys__looks_release(old);
  return looks;
}

const recsys__look_list *recsys__looks_get(recsys__looks *looks, int64_t item) {
  size_t at = recsys__place_of(looks->items, looks->n, item);
  return at < looks->n ? atomic_load_explicit(&looks->lists[at], memory_order_acquire) : NULL;
}

const recsys__look_list *recsys__looks_put(recsys__looks *looks, int64_t item, recsys__look_list *list) {
  size_t at = recsys__place_of(looks->items, looks->n, item);
  recsys__look_list *before = NULL;
  if (atomic_compare_exchange_strong_explicit(&looks->lists[at], &before, list, memory_order_acq_rel,
                                              memory_order_acquire))
    return list;
  recsys__free(list);
  return before;
}
