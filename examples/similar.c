/* similar STORE KEY [FIELD VALUE]: the ten items most like this one, of those only whose FIELD is VALUE. */
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void stop(const char *message) {
  fprintf(stderr, "similar: %s\n", message);
  exit(1);
}

int main(int argc, char **argv) {
  recsys_error error = {0};
  recsys_store *store = NULL;
  if (argc != 3 && argc != 5)
    return fprintf(stderr, "usage: similar STORE KEY [FIELD VALUE]\n"), 2;
  recsys_store_options how = {.struct_size = sizeof how, .flags = RECSYS_STORE_MUST_EXIST | RECSYS_STORE_READ_ONLY};
  const char *key = argv[2];
  int64_t item, ids[10];
  if (recsys_store_open(&store, argv[1], &how, &error) ||
      recsys_store_resolve(store, RECSYS_ITEMS, &key, 1, 0, &item, &error))
    stop(error.message);

  const char *value = argc == 5 ? argv[4] : NULL;
  recsys_clause clause = {
      .field = argc == 5 ? argv[3] : NULL, .values = &value, .op = RECSYS_CLAUSE_ANY, .n_values = 1};
  recsys_filter filter = {.struct_size = sizeof filter, .clauses = &clause, .n_clauses = 1};
  recsys_search_options options = {.struct_size = sizeof options, .filter = value ? &filter : NULL};
  double scores[10];
  uint32_t count;
  if (recsys_store_similar(store, &item, 1, 10, &options, ids, scores, &count, NULL, &error))
    stop(error.message);
  for (uint32_t i = 0; i < count; i++) {
    char name[256];
    if (recsys_store_get_key(store, RECSYS_ITEMS, ids[i], name, sizeof name, NULL, &error))
      stop(error.message);
    printf("%6.3f  %s\n", scores[i], name);
  }
  recsys_store_close(store);
  return 0;
}
