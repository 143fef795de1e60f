/* Keys, titles and pictures of items and users. */
#include "items.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

char *items_key(recsys_store *store, int32_t kind, int64_t id) {
  char key[1025];
  if (recsys_store_get_key(store, kind, id, key, sizeof key, NULL, NULL))
    return need_text("%lld", (long long)id);
  return need_copy(key);
}

char *items_text(recsys_store *store, int64_t item, const char *field) {
  size_t length = 0;
  if (recsys_store_get_text(store, item, field, NULL, 0, &length, NULL))
    return NULL;
  char *string = need(length + 1, 1);
  if (recsys_store_get_text(store, item, field, string, length + 1, NULL, NULL)) {
    free(string);
    return NULL;
  }
  return string;
}

char *items_title(recsys_store *store, int64_t item, const args *a) {
  const char *chosen = args_get(a, "title-field", NULL);
  char *title = items_text(store, item, chosen ? chosen : "title");
  return title || chosen ? title : items_text(store, item, "name");
}

static bool parse_ids(const char *const *words, size_t n, int64_t *ids) {
  for (size_t i = 0; i < n; i++) {
    char *end = NULL;
    errno = 0;
    ids[i] = strtoll(words[i], &end, 10);
    if (words[i][0] < '0' || words[i][0] > '9' || *end || errno) {
      say("with --ids, items and users are whole numbers from 0 on, not \"%s\"", words[i]);
      return false;
    }
  }
  return true;
}

bool items_resolve(recsys_store *store, const args *a, int32_t kind, const char *const *words, size_t n, int64_t *ids) {
  recsys_error error = {0};
  if (args_has(a, "ids"))
    return parse_ids(words, n, ids);
  if (!n)
    return true;
  recsys_status status = recsys_store_resolve(store, kind, words, n, 0, ids, &error);
  if (status && status != RECSYS_EPARTIAL) {
    say_error(&error);
    return false;
  }
  return true;
}

bool items_resolve_all(recsys_store *store, const args *a, int32_t kind, const char *const *words, size_t n,
                       int64_t *ids) {
  if (!items_resolve(store, a, kind, words, n, ids))
    return false;
  for (size_t i = 0; i < n; i++) {
    if (ids[i] < 0) {
      say("there is no %s \"%s\" in this store; recsys list prints the keys that there are",
          kind == RECSYS_ITEMS ? "item" : "user", words[i]);
      return false;
    }
  }
  return true;
}
