/* recommend STORE ALGORITHM KEY...: what somebody who liked these items may like, and because of which of them. */
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void stop(const char *message) {
  fprintf(stderr, "recommend: %s\n", message);
  exit(1);
}

static const char *name_of(recsys_store *store, int64_t item, char buffer[256]) {
  if (recsys_store_get_key(store, RECSYS_ITEMS, item, buffer, 256, NULL, NULL))
    snprintf(buffer, 256, "everybody's taste");
  return buffer;
}

int main(int argc, char **argv) {
  recsys_error error = {0};
  recsys_store *store = NULL;
  recsys_ranker *ranker = NULL;
  if (argc < 4)
    return fprintf(stderr, "usage: recommend STORE ALGORITHM KEY...\n"), 2;
  recsys_store_options how = {.struct_size = sizeof how, .flags = RECSYS_STORE_MUST_EXIST};
  size_t n = (size_t)argc - 3;
  int64_t *history = calloc(n, sizeof *history), ids[10];
  if (!history)
    stop("no memory");
  if (recsys_store_open(&store, argv[1], &how, &error) ||
      recsys_store_resolve(store, RECSYS_ITEMS, (const char *const *)argv + 3, n, 0, history, &error) ||
      recsys_ranker_create(&ranker, store, argv[2], NULL, &error) || recsys_ranker_fit(ranker, NULL, &error))
    stop(error.message);

  uint64_t offsets[2] = {0, n}; /* one history */
  double scores[10];
  uint32_t count;
  recsys_status status;
  if (recsys_ranker_recommend_from(ranker, offsets, history, NULL, NULL, 1, 10, NULL, ids, scores, &count, &status,
                                   &error))
    stop(error.message);
  if (status == RECSYS_NOTE_FALLBACK_POPULAR)
    printf("some of these are only popular:\n");
  for (uint32_t i = 0; i < count; i++) {
    recsys_reason reason = {0};
    char name[256], because[256];
    size_t reasons;
    printf("%8.3f  %s", scores[i], name_of(store, ids[i], name));
    if (!recsys_ranker_explain_from(ranker, history, NULL, NULL, n, ids[i], NULL, &reason, 1, &reasons, NULL, &error) &&
        reasons > 0)
      printf("  because of %s (%.3f)", name_of(store, reason.item, because), reason.contribution);
    printf("\n");
  }
  free(history);
  recsys_ranker_close(ranker);
  recsys_store_close(store);
  return 0;
}
