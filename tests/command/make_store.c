/* make_store STORE: a small store whose likenesses can be worked out by hand (test_lists.py says them). */
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>

enum { ITEMS = 6, DIM = 4, RATINGS = 8 };

static recsys_error error;

static void must(recsys_status status) {
  if (!status)
    return;
  fprintf(stderr, "make_store: %s\n", error.message);
  exit(1);
}

static void put_items(recsys_store *store, int64_t *ids) {
  static const char *const keys[ITEMS] = {"a", "b", "c", "d", "e,f", "g"};
  static const float rows[4][DIM] = {{1, 0, 0, 0}, {0.8F, 0.6F, 0, 0}, {0.6F, 0.8F, 0, 0}, {0, 0, 1, 0}};
  static const char *const kind[ITEMS] = {"kind", "kind", "kind", "kind", "kind", "kind"};
  static const char *const kinds[ITEMS] = {"shirt", "shirt", "shoe", "shoe", "hat", "hat"};
  static const char *const colour[ITEMS] = {"colour", "colour", "colour", "colour", "colour", "colour"};
  static const char *const colours[ITEMS] = {"red", "blue", "red", "green, dark", "red", "blue"};
  static const char *const price[ITEMS] = {"price", "price", "price", "price", "price", "price"};
  static const double prices[ITEMS] = {10, 20, 30, 40, 50, 60};
  static const char *const title[ITEMS] = {"title", "title", "title", "title", "title", "title"};
  static const char *const titles[ITEMS] = {"Alpha <b>&\"", "Beta", "漢字 gamma", "D\xC3\xA9lta", "Epsilon", "Zeta"};
  must(recsys_store_resolve(store, RECSYS_ITEMS, keys, ITEMS, RECSYS_RESOLVE_CREATE, ids, &error));
  must(recsys_store_put_space(store, "by hand", DIM, "{\"model\":\"by hand\",\"trained\":false}", 0, &error));
  must(recsys_store_put_embeddings(store, "by hand", DIM, ids, NULL, rows[0], 4, &error));
  must(recsys_store_put_labels(store, ids, kind, kinds, NULL, ITEMS, &error));
  must(recsys_store_put_labels(store, ids, colour, colours, NULL, ITEMS, &error));
  must(recsys_store_put_numbers(store, ids, price, prices, ITEMS - 1, &error)); /* g has no price */
  must(recsys_store_put_texts(store, ids, title, titles, ITEMS, &error));
}

/* ann: a 5, c 3. bob: d 4, b 2. cy: g 5, e,f 4, d 5. dee: d 3. */
static void put_ratings(recsys_store *store, const int64_t *items) {
  static const char *const names[4] = {"ann", "bob", "cy", "dee"};
  static const int user[RATINGS] = {0, 0, 1, 1, 2, 2, 2, 3}, item[RATINGS] = {0, 2, 3, 1, 5, 4, 3, 3};
  static const float values[RATINGS] = {5, 3, 4, 2, 5, 4, 5, 3};
  int64_t ids[4], by_user[RATINGS], by_item[RATINGS];
  must(recsys_store_resolve(store, RECSYS_USERS, names, 4, RECSYS_RESOLVE_CREATE, ids, &error));
  for (int i = 0; i < RATINGS; i++) {
    by_user[i] = ids[user[i]];
    by_item[i] = items[item[i]];
  }
  must(recsys_store_put_ratings(store, by_user, by_item, values, NULL, RATINGS, NULL, &error));
}

int main(int argc, char **argv) {
  recsys_store *store = NULL;
  int64_t ids[ITEMS];
  if (argc != 2)
    return 2;
  must(recsys_store_open(&store, argv[1], NULL, &error));
  put_items(store, ids);
  put_ratings(store, ids);
  recsys_store_close(store);
  return 0;
}
