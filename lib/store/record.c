/* Items and users as records of a view: private copies, and changes to one entry of them. */
#include <string.h>

#include "store/store.h"

static void item_free(void *self) {
  recsys__item *item = self;
  for (size_t i = 0; i < item->text_count; i++)
    recsys__free(item->texts[i].value);
  recsys__free(item->key);
  recsys__free(item->labels);
  recsys__free(item->numbers);
  recsys__free(item->texts);
  recsys__free(item);
}

static recsys__item *item_new(void) {
  recsys__item *item = recsys__calloc(1, sizeof *item);
  if (!item)
    return NULL;
  item->ref.free = item_free;
  atomic_init(&item->ref.count, 1);
  return item;
}

static recsys__item *item_copy(const recsys__item *from) {
  recsys__item *item = item_new();
  if (!item)
    return NULL;
  bool ok = !from->key || (item->key = recsys__strdup(from->key));
  ok = ok && (item->labels = recsys__copy(from->labels, from->label_count, sizeof *item->labels));
  ok = ok && (item->numbers = recsys__copy(from->numbers, from->number_count, sizeof *item->numbers));
  ok = ok && (item->texts = recsys__calloc(from->text_count, sizeof *item->texts));
  for (size_t i = 0; ok && i < from->text_count; i++) {
    item->texts[i].field = from->texts[i].field;
    item->text_count = i + 1;
    ok = (item->texts[i].value = recsys__strdup(from->texts[i].value)) != NULL;
  }
  if (!ok) {
    recsys__ref_release(item);
    return NULL;
  }
  item->label_count = from->label_count;
  item->number_count = from->number_count;
  return item;
}

static void user_free(void *self) {
  recsys__user *user = self;
  recsys__free(user->key);
  recsys__free(user->ratings);
  recsys__free(user->events);
  recsys__free(user);
}

static recsys__user *user_copy(const recsys__user *from) {
  recsys__user *user = recsys__calloc(1, sizeof *user);
  if (!user)
    return NULL;
  user->ref.free = user_free;
  atomic_init(&user->ref.count, 1);
  bool ok = !from || !from->key || (user->key = recsys__strdup(from->key));
  ok = ok && (!from || (user->ratings = recsys__copy(from->ratings, from->count, sizeof *user->ratings)));
  ok = ok && (!from || (user->events = recsys__copy(from->events, from->event_count, sizeof *user->events)));
  if (!ok) {
    recsys__ref_release(user);
    return NULL;
  }
  if (from) {
    user->count = user->room = from->count;
    user->event_count = user->event_room = from->event_count;
    user->newest_event_id = from->newest_event_id;
  }
  return user;
}

static bool is_private(void *record) {
  return atomic_load_explicit(&((recsys__ref *)record)->count, memory_order_acquire) == 1;
}

recsys__item *recsys__item_edit(recsys__map *items, int64_t id) {
  void *found;
  if (!recsys__map_own(items, id, &found))
    return NULL;
  if (found && is_private(found))
    return found;
  recsys__item *item = found ? item_copy(found) : item_new();
  return item && recsys__map_set(items, id, item) ? item : NULL;
}

recsys__user *recsys__user_edit(recsys__map *users, int64_t id) {
  void *found;
  if (!recsys__map_own(users, id, &found))
    return NULL;
  if (found && is_private(found))
    return found;
  recsys__user *user = user_copy(found);
  return user && recsys__map_set(users, id, user) ? user : NULL;
}

static bool comes_before(const recsys__label *a, const recsys__label *b, const recsys__vocabulary *words) {
  if (a->field != b->field)
    return a->field < b->field;
  if (a->score != b->score)
    return a->score > b->score;
  return strcmp(recsys__vocabulary_text(words, a->value), recsys__vocabulary_text(words, b->value)) < 0;
}

bool recsys__item_remove_label(recsys__item *item, int32_t field, int32_t value) {
  for (size_t i = 0; i < item->label_count; i++) {
    if (item->labels[i].field != field || item->labels[i].value != value)
      continue;
    memmove(item->labels + i, item->labels + i + 1, (item->label_count - i - 1) * sizeof *item->labels);
    item->label_count--;
    return true;
  }
  return false;
}

bool recsys__item_set_label(recsys__item *item, const recsys__vocabulary *words, int32_t field, int32_t value,
                            float score, bool *added) {
  recsys__label label = {field, value, score};
  void *grown = recsys__realloc(item->labels, item->label_count + 1, sizeof *item->labels);
  if (!grown)
    return false;
  item->labels = grown;
  *added = !recsys__item_remove_label(item, field, value);
  size_t at = 0;
  while (at < item->label_count && comes_before(&item->labels[at], &label, words))
    at++;
  memmove(item->labels + at + 1, item->labels + at, (item->label_count - at) * sizeof *item->labels);
  item->labels[at] = label;
  item->label_count++;
  return true;
}

bool recsys__item_set_number(recsys__item *item, int32_t field, double value) {
  recsys__item_remove_number(item, field);
  void *grown = recsys__realloc(item->numbers, item->number_count + 1, sizeof *item->numbers);
  if (!grown)
    return false;
  item->numbers = grown;
  item->numbers[item->number_count++] = (struct recsys__item_number){field, value};
  return true;
}

void recsys__item_remove_number(recsys__item *item, int32_t field) {
  for (size_t i = 0; i < item->number_count; i++)
    if (item->numbers[i].field == field) {
      item->numbers[i] = item->numbers[--item->number_count];
      return;
    }
}

bool recsys__item_set_text(recsys__item *item, int32_t field, const char *value) {
  char *copy = recsys__strdup(value);
  void *grown = copy ? recsys__realloc(item->texts, item->text_count + 1, sizeof *item->texts) : NULL;
  if (!grown) {
    recsys__free(copy);
    return false;
  }
  item->texts = grown;
  recsys__item_remove_text(item, field);
  item->texts[item->text_count++] = (struct recsys__item_text){field, copy};
  return true;
}

void recsys__item_remove_text(recsys__item *item, int32_t field) {
  for (size_t i = 0; i < item->text_count; i++)
    if (item->texts[i].field == field) {
      recsys__free(item->texts[i].value);
      item->texts[i] = item->texts[--item->text_count];
      return;
    }
}

/* The first rating of an item >= `item`. */
static size_t rating_at(const recsys__user *user, int64_t item) {
  size_t low = 0, high = user->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (user->ratings[middle].item < item)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool recsys__user_set_rating(recsys__user *user, const recsys__rating *rating, bool *added) {
  size_t at = rating_at(user, rating->item);
  *added = at == user->count || user->ratings[at].item != rating->item;
  if (*added) {
    if (!recsys__grow((void **)&user->ratings, &user->room, user->count + 1, sizeof *user->ratings))
      return false;
    memmove(user->ratings + at + 1, user->ratings + at, (user->count - at) * sizeof *user->ratings);
    user->count++;
  }
  user->ratings[at] = *rating;
  return true;
}

bool recsys__user_remove_rating(recsys__user *user, int64_t item) {
  size_t at = rating_at(user, item);
  if (at == user->count || user->ratings[at].item != item)
    return false;
  memmove(user->ratings + at, user->ratings + at + 1, (user->count - at - 1) * sizeof *user->ratings);
  user->count--;
  return true;
}
