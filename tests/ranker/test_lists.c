/* Every algorithm's lists against the NumPy statements of make_expected.py: the same scores, and the same items
 * wherever neighbouring scores of the reference differ by more than 1e-6 of their size. */
#include "catalogue.h"

enum { K = 10, LINE = 4096 };

typedef struct expectation {
  const char *algorithm; /* in the line */
  int64_t user, items[K];
  double scores[K];
  size_t n;
} expectation;

static bool parse_line(char *line, expectation *e) {
  char *bar = strchr(line, '|'), *second = bar ? strchr(bar + 1, '|') : NULL;
  if (!second)
    return false;
  *bar = *second = 0;
  e->algorithm = line;
  e->user = atoll(bar + 1);
  e->n = 0;
  for (char *entry = strtok(second + 1, " \n"); entry && e->n < K; entry = strtok(NULL, " \n")) {
    e->items[e->n] = atoll(entry);
    e->scores[e->n++] = atof(strchr(entry, ':') + 1);
  }
  return true;
}

static bool is_close(double a, double b, double relative) {
  return fabs(a - b) <= relative * fmax(fabs(a), fabs(b));
}

/* Whether the reference's order at i is certain. */
static bool is_clear(const expectation *e, size_t i) {
  return (i == 0 || !is_close(e->scores[i - 1], e->scores[i], 1e-6)) &&
         (i + 1 == e->n || !is_close(e->scores[i], e->scores[i + 1], 1e-6)) && (i + 1 < K || e->n < K);
}

static void compare(recsys_ranker *ranker, const expectation *e) {
  recsys_error error;
  int64_t ids[K];
  double scores[K];
  uint32_t count;
  recsys_status note;
  ck_ok(recsys_ranker_recommend(ranker, &e->user, 1, K, NULL, ids, scores, &count, &note, &error));
  ck_assert_uint_ge(count, e->n);
  for (size_t i = 0; i < e->n; i++) {
    ck_assert_msg(is_close(scores[i], e->scores[i], 2e-6), "%s, user %d, place %zu: %.9g, not %.9g", e->algorithm,
                  (int)e->user, i, scores[i], e->scores[i]);
    if (is_clear(e, i))
      ck_assert_msg(ids[i] == e->items[i], "%s, user %d, place %zu: item %d, not %d", e->algorithm, (int)e->user, i,
                    (int)ids[i], (int)e->items[i]);
  }
  for (size_t i = e->n; i < count; i++)
    ck_assert_double_eq(scores[i], 0); /* filled up with popular ones */
}

START_TEST(as_numpy_states_them) {
  char line[LINE], last[200] = "";
  size_t lists = 0, algorithms = 0;
  recsys_store *store = open_catalogue(":memory:");
  recsys_ranker *ranker = NULL;
  FILE *file = fopen(TESTS_DIR "/ranker/expected.txt", "r");
  ck_assert_ptr_nonnull(file);
  while (fgets(line, sizeof line, file)) {
    expectation e;
    ck_assert(parse_line(line, &e));
    if (strcmp(last, e.algorithm)) {
      recsys_ranker_close(ranker);
      ranker = open_ranker(store, e.algorithm);
      snprintf(last, sizeof last, "%.199s", e.algorithm);
      algorithms++;
    }
    compare(ranker, &e);
    lists++;
  }
  fclose(file);
  recsys_ranker_close(ranker);
  recsys_store_close(store);
  ck_assert_uint_ge(algorithms, 25);
  ck_assert_uint_ge(lists, 6 * algorithms);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("lists");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 100);
  tcase_add_test(all, as_numpy_states_them);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
