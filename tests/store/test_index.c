/*
 * Indexes through the public functions: how much they find, that they follow the store, come back from their file, and
 * are never trusted where they are stale, damaged or another's. Scores are those of exact search in every case.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/random.h"
#include "fixture.h"

enum { LONG = 32, ITEMS = 6000, K = 10 };

/* Rows in 60 clusters. `seed` gives other rows of the same clusters. */
static void make_rows(uint64_t seed, size_t first, size_t n, float *rows) {
  recsys__random centre, own;
  for (size_t i = 0; i < n; i++) {
    recsys__random_seed(&centre, 1, (first + i) % 60);
    recsys__random_seed(&own, seed, first + i);
    for (size_t d = 0; d < LONG; d++)
      rows[i * LONG + d] = (float)(recsys__random_unit(&centre) - 0.5 + recsys__random_unit(&own) * 0.7);
  }
}

/* Items first..first + n - 1 with one picture, whose rows are those of the seed. */
static void put(recsys_store *store, uint64_t seed, size_t first, size_t n) {
  recsys_error error;
  float *rows = malloc(n * LONG * sizeof *rows);
  int64_t *items = malloc(n * sizeof *items);
  make_rows(seed, first, n, rows);
  for (size_t i = 0; i < n; i++)
    items[i] = (int64_t)(first + i);
  ck_ok(recsys_store_put_embeddings(store, "space", LONG, items, NULL, rows, n, &error));
  free(rows);
  free(items);
}

static void build(recsys_store *store) {
  recsys_error error;
  recsys_index_options options = {.struct_size = sizeof options};
  ck_ok(recsys_store_build_index(store, &options, &error));
}

static double recall_of(recsys_store *store, uint32_t effort, uint32_t metric) {
  recsys_error error;
  double recall = -1;
  recsys_search_options options = {.struct_size = sizeof options, .metric = metric, .effort = effort};
  ck_ok(recsys_store_measure_recall(store, 300, K, 7, &options, &recall, &error));
  return recall;
}

/* What describe says of the index; 0: there is none. */
static long long described(recsys_store *store, const char *key) {
  recsys_error error;
  char text[4096], name[32];
  ck_ok(recsys_store_describe(store, text, sizeof text, NULL, &error));
  const char *index = strstr(text, "\"index\":{");
  snprintf(name, sizeof name, "\"%s\":", key);
  const char *at = index ? strstr(index, name) : NULL;
  return at ? atoll(at + strlen(name)) : 0;
}

/* Every score of an approximate list is the exact one, and the list is in order. */
static void expect_exact_scores(recsys_store *store, const recsys_filter *filter) {
  recsys_error error;
  recsys_search_options options = {.struct_size = sizeof options, .filter = filter};
  enum { N = 40, MORE = 500 };
  int64_t items[N], ids[N * K], all[MORE];
  double scores[N * K], exact[MORE];
  uint32_t counts[N], count;
  for (size_t i = 0; i < N; i++)
    items[i] = (int64_t)(i * 149);
  options.approximate = 1;
  recsys_store_similar(store, items, N, K, &options, ids, scores, counts, NULL, &error);
  for (size_t i = 0; i < N; i++) {
    options.approximate = 0;
    if (recsys_store_similar(store, items + i, 1, MORE, &options, all, exact, &count, NULL, &error))
      continue;
    ck_assert_uint_eq(counts[i], count < K ? count : K);
    for (size_t j = 0; j < counts[i]; j++) {
      size_t at = 0;
      while (at < count && all[at] != ids[i * K + j])
        at++;
      ck_assert_msg(at < count, "item %lld is not among the %d nearest", (long long)ids[i * K + j], MORE);
      ck_assert(scores[i * K + j] == exact[at]);
      ck_assert(j == 0 || scores[i * K + j] <= scores[i * K + j - 1]);
    }
  }
}

START_TEST(finds_nearly_all) {
  recsys_store *store = open_store(":memory:");
  recsys_error error;
  double recall;
  put(store, 1, 0, ITEMS);
  ck_fails(recsys_store_measure_recall(store, 0, K, 1, NULL, &recall, &error), RECSYS_ENOTFOUND, "no index");
  ck_assert_int_eq(described(store, "rows"), 0);
  recsys_index_options options = {.struct_size = sizeof options, .metric = (uint32_t)_i};
  ck_ok(recsys_store_build_index(store, &options, &error));
  ck_assert_int_eq(described(store, "rows"), ITEMS);
  ck_assert_double_ge(recall_of(store, 0, (uint32_t)_i), 0.97);
  ck_assert_double_ge(recall_of(store, 150, (uint32_t)_i), 0.99);
  ck_assert_double_lt(recall_of(store, 20, (uint32_t)_i), 1);    /* or it would be exact */
  ck_assert_double_eq(recall_of(store, 0, 1 - (uint32_t)_i), 1); /* the other metric: exact */
  if (_i == RECSYS_METRIC_COSINE)
    expect_exact_scores(store, NULL);
  ck_ok(recsys_store_remove_index(store, NULL, &error));
  ck_fails(recsys_store_remove_index(store, NULL, &error), RECSYS_ENOTFOUND, "no index");
  recsys_store_close(store);
}
END_TEST

/* Added, changed and removed rows, without building anew. */
START_TEST(follows_changes) {
  recsys_store *store = open_store(":memory:");
  recsys_error error;
  put(store, 1, 0, ITEMS / 2);
  build(store);
  for (size_t i = ITEMS / 2; i < ITEMS; i += 500)
    put(store, 1, i, 500);
  ck_assert_int_eq(described(store, "rows"), ITEMS);
  ck_assert_double_ge(recall_of(store, 100, 0), 0.97);
  put(store, 2, 100, 800); /* other rows for items that were there */
  int64_t gone[900];
  for (int64_t i = 0; i < 900; i++)
    gone[i] = 3 * i;
  ck_ok(recsys_store_remove_embeddings(store, NULL, gone, NULL, 900, &error));
  ck_assert_int_eq(described(store, "rows"), ITEMS - 900);
  ck_assert_int_gt(described(store, "removed"), 1500);
  ck_assert_double_ge(recall_of(store, 100, 0), 0.96);
  expect_exact_scores(store, NULL);
  ck_ok(recsys_store_remove_space(store, "space", &error));
  put(store, 1, 0, 50);
  ck_assert_int_eq(described(store, "rows"), 0);
  recsys_store_close(store);
}
END_TEST

/* All rows of some clusters, then all rows, are replaced: new ones may find nothing but dead nodes beside them. */
START_TEST(replaced_rows_are_found) {
  recsys_store *store = open_store(":memory:");
  recsys_error error;
  put(store, 1, 0, ITEMS);
  build(store);
  float *rows = malloc(ITEMS * LONG * sizeof *rows);
  int64_t *items = malloc(ITEMS * sizeof *items);
  size_t n = 0;
  make_rows(1, 0, ITEMS, rows);
  for (size_t i = 0; i < ITEMS; i++)
    if (i % 60 < 20) { /* a third of the clusters, a little moved */
      memmove(rows + n * LONG, rows + i * LONG, LONG * sizeof *rows);
      rows[n * LONG + 3] += 0.01F;
      items[n++] = (int64_t)i;
    }
  ck_ok(recsys_store_put_embeddings(store, "space", LONG, items, NULL, rows, n, &error));
  ck_assert_int_eq(described(store, "removed"), (long long)n);
  recsys_search_options how = {.struct_size = sizeof how, .effort = 100};
  double scores[K], exact[K];
  int64_t ids[K], all[K];
  uint32_t count;
  size_t hits = 0;
  for (size_t i = 0; i < 100; i++) { /* what lies in these clusters */
    how.approximate = 1;
    ck_ok(recsys_store_search(store, rows + 17 * i * LONG, 1, LONG, K, &how, ids, scores, &count, &error));
    how.approximate = 0;
    ck_ok(recsys_store_search(store, rows + 17 * i * LONG, 1, LONG, K, &how, all, exact, &count, &error));
    for (size_t j = 0; j < K; j++)
      for (size_t x = 0; x < K; x++)
        hits += ids[j] == all[x];
  }
  ck_assert_uint_ge(hits, 960);
  put(store, 3, 0, ITEMS); /* all of them: the graph is built anew by itself */
  ck_assert_int_eq(described(store, "rows"), ITEMS);
  ck_assert_int_eq(described(store, "removed"), 0);
  ck_assert_double_ge(recall_of(store, 100, 0), 0.97);
  free(rows);
  free(items);
  recsys_store_close(store);
}
END_TEST

/* The index does not depend on the number of threads. */
START_TEST(same_for_any_threads) {
  recsys_error error;
  int64_t ids[2][200 * K], items[200];
  for (uint32_t i = 0; i < 2; i++) {
    recsys_store_options options = {.struct_size = sizeof options, .threads = 1 + 3 * i};
    recsys_search_options how = {.struct_size = sizeof how, .approximate = 1, .effort = 20};
    recsys_store *store;
    double scores[200 * K];
    uint32_t counts[200];
    ck_ok(recsys_store_open(&store, ":memory:", &options, &error));
    put(store, 1, 0, ITEMS);
    build(store);
    for (int64_t j = 0; j < 200; j++)
      items[j] = 7 * j;
    ck_ok(recsys_store_similar(store, items, 200, K, &how, ids[i], scores, counts, NULL, &error));
    recsys_store_close(store);
  }
  ck_assert_mem_eq(ids[0], ids[1], sizeof ids[0]);
}
END_TEST

/* A filter that few items pass still fills the list: the search looks at more, or at all. */
START_TEST(filters_fill_the_list) {
  static const size_t steps[] = {2, 10, 50, 400, 3000};
  recsys_store *store = open_store(":memory:");
  put(store, 1, 0, ITEMS);
  build(store);
  for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
    int64_t allow[ITEMS];
    recsys_filter filter = {.struct_size = sizeof filter, .flags = RECSYS_FILTER_ALLOW, .allow = allow};
    for (size_t i = 0; i < ITEMS; i += steps[s])
      allow[filter.n_allow++] = (int64_t)i;
    expect_exact_scores(store, &filter);
  }
  recsys_filter near = {.struct_size = sizeof near, .flags = RECSYS_FILTER_MIN_SIMILARITY, .min_similarity = 0.999};
  expect_exact_scores(store, &near);
  recsys_store_close(store);
}
END_TEST

/* -- the file */

static char index_path[160];

static recsys_store *stored(const char *path) {
  recsys_store *store = open_store(path);
  put(store, 1, 0, ITEMS);
  build(store);
  snprintf(index_path, sizeof index_path, "%s-index-1", path);
  ck_assert_int_eq(access(index_path, F_OK), 0);
  return store;
}

static char warnings[1024];

static void keep_warning(void *user, int32_t level, const char *message) {
  (void)user;
  ck_assert_int_eq(level, RECSYS_LOG_WARNING);
  snprintf(warnings, sizeof warnings, "%s", message);
}

typedef struct steps {
  uint64_t rows, stop;
} steps;

static int count_rows(void *user, const char *phase, uint64_t done, uint64_t total) {
  steps *s = user;
  if (strcmp(phase, "index") != 0)
    return 0;
  s->rows = total;
  return s->stop && done >= s->stop;
}

static recsys_store *open_watched(const char *path, steps *s) {
  recsys_error error;
  recsys_store *store = NULL;
  recsys_store_options options = {
      .struct_size = sizeof options, .log = keep_warning, .progress = count_rows, .progress_user = s};
  *warnings = 0;
  ck_ok(recsys_store_open(&store, path, &options, &error));
  return store;
}

static void close_and_remove(recsys_store *store, const char *path) {
  recsys_store_close(store);
  unlink(index_path);
  remove_path(path);
}

START_TEST(comes_back) {
  const char *path = fresh_path();
  recsys_store_close(stored(path));
  steps s = {0};
  recsys_store *store = open_watched(path, &s);
  ck_assert_str_eq(warnings, "");
  ck_assert_uint_eq(s.rows, 0); /* nothing was built */
  ck_assert_int_eq(described(store, "rows"), ITEMS);
  ck_assert_double_ge(recall_of(store, 100, 0), 0.98);
  put(store, 2, ITEMS - 100, 200); /* changed and new ones, saved when it is closed */
  recsys_store_close(store);
  store = open_watched(path, &s);
  ck_assert_uint_eq(s.rows, 0);
  ck_assert_int_eq(described(store, "rows"), ITEMS + 100);
  ck_assert_int_eq(described(store, "removed"), 0);
  ck_assert_double_ge(recall_of(store, 100, 0), 0.98);
  close_and_remove(store, path);
}
END_TEST

static void copy_file(const char *from, const char *to) {
  char command[400];
  snprintf(command, sizeof command, "cp %s %s", from, to);
  ck_assert_int_eq(system(command), 0);
}

/* An index file older than the store: what changed is taken in, and no more. */
START_TEST(catches_up) {
  const char *path = fresh_path();
  char old[200];
  recsys_store_close(stored(path));
  snprintf(old, sizeof old, "%s.old", index_path);
  copy_file(index_path, old);
  recsys_error error;
  recsys_store *store = open_store(path);
  put(store, 2, ITEMS - 300, 500);
  int64_t gone[200];
  for (int64_t i = 0; i < 200; i++)
    gone[i] = 5 * i;
  ck_ok(recsys_store_remove(store, RECSYS_ITEMS, gone, 200, &error));
  recsys_store_close(store);
  ck_assert_int_eq(rename(old, index_path), 0);
  steps s = {0};
  store = open_watched(path, &s);
  ck_assert_str_eq(warnings, "");
  ck_assert_uint_eq(s.rows, 500);
  ck_assert_int_eq(described(store, "rows"), ITEMS);
  ck_assert_double_ge(recall_of(store, 100, 0), 0.97);
  expect_exact_scores(store, NULL);
  close_and_remove(store, path);
}
END_TEST

/* Most of what the links led through was removed before the file was written: it is not taken as it is. */
START_TEST(removed_before_it_was_saved) {
  const char *path = fresh_path();
  recsys_error error;
  recsys_store *store = stored(path);
  int64_t gone[1900];
  for (int64_t i = 0; i < 1900; i++)
    gone[i] = 2 * i;
  ck_ok(recsys_store_remove(store, RECSYS_ITEMS, gone, 1900, &error));
  ck_assert_int_gt(described(store, "removed"), 1800);
  recsys_store_close(store);
  steps s = {0};
  store = open_watched(path, &s);
  ck_assert_uint_eq(s.rows, ITEMS - 1900);
  ck_assert_double_ge(recall_of(store, 100, 0), 0.97);
  close_and_remove(store, path);
}
END_TEST

static void overwrite(const char *path, long at, const void *bytes, size_t n) {
  FILE *file = fopen(path, "r+b");
  ck_assert_ptr_nonnull(file);
  fseek(file, at, at < 0 ? SEEK_END : SEEK_SET);
  ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
  fclose(file);
}

static void expect_rebuilt(const char *path, const char *words) {
  steps s = {0};
  recsys_store *store = open_watched(path, &s);
  ck_assert_msg(strstr(warnings, words) && strstr(warnings, "anew"), "'%s' lacks '%s'", warnings, words);
  ck_assert_uint_eq(s.rows, ITEMS);
  ck_assert_double_ge(recall_of(store, 100, 0), 0.98);
  recsys_store_close(store);
  store = open_watched(path, &s); /* and it was saved: nothing to do now */
  ck_assert_str_eq(warnings, "");
  recsys_store_close(store);
}

START_TEST(is_not_trusted) {
  const char *path = fresh_path();
  recsys_store *store = stored(path);
  recsys_store_close(store);
  struct stat facts;
  ck_assert_int_eq(stat(index_path, &facts), 0);
  switch (_i) {
  case 0:
    ck_assert_int_eq(truncate(index_path, facts.st_size / 2), 0);
    expect_rebuilt(path, "");
    break;
  case 1:
    overwrite(index_path, -9, "\1\2\3", 3);
    expect_rebuilt(path, "damaged");
    break;
  case 2:
    overwrite(index_path, facts.st_size / 2, "\377", 1);
    expect_rebuilt(path, "damaged");
    break;
  case 3:
    ck_assert_int_eq(truncate(index_path, 0), 0);
    expect_rebuilt(path, "");
    break;
  case 4: { /* a file that the reader refuses for its size, not its form */
    static const char header[] =
        "{\"items\":{\"dtype\":\"I64\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,8]}}      ";
    uint64_t length = sizeof header - 1;
    FILE *out = fopen(index_path, "wb");
    ck_assert_uint_eq(fwrite(&length, 1, 8, out) + fwrite(header, 1, length, out) + fwrite(header, 1, 8, out),
                      16 + length);
    fclose(out);
    expect_rebuilt(path, "");
    break;
  }
  default: {
    FILE *file = fopen(index_path, "r+b");
    char text[2000];
    ck_assert_uint_gt(fread(text, 1, sizeof text, file), 100);
    char *name = memmem(text, sizeof text, "\"fingerprint\":\"space\"", 21);
    ck_assert_ptr_nonnull(name);
    memcpy(name + 15, "spice", 5);
    rewind(file);
    fwrite(text, 1, sizeof text, file);
    fclose(file);
    expect_rebuilt(path, "another space");
  }
  }
  unlink(index_path);
  remove_path(path);
}
END_TEST

static size_t read_start(const char *path, char *text, size_t room) {
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  size_t n = fread(text, 1, room, file);
  fclose(file);
  return n;
}

/* What is damaged is built anew as it was; what a newer library has written is left alone. */
START_TEST(rebuilt_as_it_was) {
  const char *path = fresh_path();
  recsys_store *store = stored(path);
  recsys_error error;
  recsys_index_options options = {.struct_size = sizeof options, .metric = RECSYS_METRIC_EUCLIDEAN, .links = 8};
  ck_ok(recsys_store_build_index(store, &options, &error));
  recsys_store_close(store);
  overwrite(index_path, -9, "\1\2\3", 3);
  steps s = {0};
  store = open_watched(path, &s);
  ck_assert_ptr_nonnull(strstr(warnings, "anew"));
  ck_assert_int_eq(described(store, "links"), 8);
  ck_assert_double_lt(recall_of(store, 20, RECSYS_METRIC_EUCLIDEAN), 1); /* its metric still */
  recsys_store_close(store);

  char text[2000], after[2000];
  size_t n = read_start(index_path, text, sizeof text);
  char *format = memmem(text, n, "recsys-index-1", 14);
  ck_assert_ptr_nonnull(format);
  format[13] = '2';
  overwrite(index_path, format - text, format, 14);
  store = open_watched(path, &s);
  ck_assert_ptr_nonnull(strstr(warnings, "newer library"));
  ck_assert_int_eq(described(store, "rows"), 0);
  put(store, 2, 0, 10);
  recsys_store_close(store);
  ck_assert_uint_eq(read_start(index_path, after, sizeof after), n);
  ck_assert_mem_eq(text, after, n);
  store = open_watched(path, &s);
  ck_ok(recsys_store_remove_index(store, NULL, &error)); /* though it was never loaded */
  ck_assert_int_ne(access(index_path, F_OK), 0);
  close_and_remove(store, path);
}
END_TEST

/* Two handles, as two processes have them: who built or removed an index last has the last word. */
START_TEST(of_another_process) {
  const char *path = fresh_path();
  recsys_error error;
  recsys_store *one = open_store(path), *other;
  snprintf(index_path, sizeof index_path, "%s-index-1", path);
  put(one, 1, 0, ITEMS);
  other = open_store(path);
  build(other);
  ck_assert_int_eq(described(one, "rows"), 0);
  ck_ok(recsys_store_refresh(one, &error));
  ck_assert_int_eq(described(one, "rows"), ITEMS);
  recsys_index_options options = {.struct_size = sizeof options, .links = 24};
  ck_ok(recsys_store_build_index(other, &options, &error));
  put(one, 2, 0, 10); /* changes its own, which is not the file's any more */
  recsys_store_close(one);
  one = open_store(path);
  ck_assert_int_eq(described(one, "links"), 24);
  put(one, 3, 0, 10);
  ck_ok(recsys_store_remove_index(other, NULL, &error));
  recsys_store_close(one); /* with changes to its index: it does not bring the file back */
  ck_assert_int_ne(access(index_path, F_OK), 0);
  one = open_store(path);
  build(one);
  ck_ok(recsys_store_refresh(other, &error));
  ck_assert_int_eq(described(other, "rows"), ITEMS);
  ck_ok(recsys_store_remove_index(one, NULL, &error));
  ck_ok(recsys_store_refresh(other, &error));
  ck_assert_int_eq(described(other, "rows"), 0);
  recsys_store_close(other);
  close_and_remove(one, path);
}
END_TEST

/* The file lies beside the store, wherever the process has gone since. */
START_TEST(other_folder) {
  const char *path = fresh_path();
  char folder[160], *slash;
  snprintf(folder, sizeof folder, "%s", path);
  slash = strrchr(folder, '/');
  ck_assert_ptr_nonnull(slash);
  *slash = 0;
  ck_assert_int_eq(chdir(folder), 0);
  recsys_store *store = open_store(slash + 1);
  put(store, 1, 0, 500);
  ck_assert_int_eq(chdir("/"), 0);
  build(store);
  snprintf(index_path, sizeof index_path, "%s-index-1", path);
  ck_assert_int_eq(access(index_path, F_OK), 0);
  close_and_remove(store, path);
}
END_TEST

static int refuse_search(void *user, const char *phase, uint64_t done, uint64_t total) {
  (void)user;
  ck_assert_str_eq(phase, "search");
  return done <= total;
}

START_TEST(cancelled_and_wrong_options) {
  recsys_store *store = open_store(":memory:");
  recsys_error error;
  steps s = {.stop = 1000};
  recsys_index_options options = {.struct_size = sizeof options, .progress = count_rows, .progress_user = &s};
  ck_fails(recsys_store_build_index(store, &options, &error), RECSYS_ENOTFOUND, "no embeddings");
  put(store, 1, 0, ITEMS);
  ck_fails(recsys_store_build_index(store, &options, &error), RECSYS_ECANCELLED, "cancelled");
  ck_assert_int_eq(described(store, "rows"), 0);
  options = (recsys_index_options){.struct_size = sizeof options, .links = 1};
  ck_fails(recsys_store_build_index(store, &options, &error), RECSYS_EINVAL, "links");
  options = (recsys_index_options){.struct_size = sizeof options, .metric = 2};
  ck_fails(recsys_store_build_index(store, &options, &error), RECSYS_EINVAL, "metric");
  options = (recsys_index_options){.struct_size = sizeof options, .fingerprint = "none"};
  ck_fails(recsys_store_build_index(store, &options, &error), RECSYS_ENOTFOUND, "none");
  ck_fails(recsys_store_build_index(NULL, NULL, &error), RECSYS_EINVAL, "NULL");
  recsys_search_options how = {.struct_size = sizeof how, .approximate = 2};
  int64_t item = 1, id;
  double score;
  uint32_t count;
  ck_fails(recsys_store_similar(store, &item, 1, 1, &how, &id, &score, &count, NULL, &error), RECSYS_EINVAL,
           "approximate");
  int64_t items[20], lists[20];
  double worths[20];
  uint32_t counts[20];
  for (int64_t i = 0; i < 20; i++)
    items[i] = i;
  how = (recsys_search_options){.struct_size = sizeof how, .approximate = 1, .progress = refuse_search};
  ck_fails(recsys_store_similar(store, items, 20, 1, &how, lists, worths, counts, NULL, &error), RECSYS_ECANCELLED,
           "cancelled");
  how = (recsys_search_options){.struct_size = sizeof how};
  how.approximate = 1; /* without an index: exact */
  ck_ok(recsys_store_similar(store, &item, 1, 1, &how, &id, &score, &count, NULL, &error));
  ck_assert_uint_eq(count, 1);
  recsys_store_close(store);
}
END_TEST

/* A full folder: the index is told to be unsaved, and works. */
START_TEST(cannot_be_saved) {
  const char *path = fresh_path();
  recsys_store *store = open_store(path);
  recsys_error error;
  put(store, 1, 0, 500);
  snprintf(index_path, sizeof index_path, "%s-index-1", path);
  ck_assert_int_eq(mkdir(index_path, 0700), 0);
  ck_assert_int_eq(recsys_store_build_index(store, NULL, &error) < 0, 1);
  ck_assert_int_eq(described(store, "rows"), 0);
  ck_assert_int_eq(rmdir(index_path), 0);
  ck_ok(recsys_store_build_index(store, NULL, &error));
  recsys_store_close(store);
  unlink(index_path);
  remove_path(path);
}
END_TEST

/* A forked child searches with what it has inherited. */
START_TEST(forked_child) {
  recsys_store *store = open_store(":memory:");
  put(store, 1, 0, ITEMS);
  build(store);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    recsys_search_options how = {.struct_size = sizeof how, .approximate = 1};
    int64_t item = 5, ids[K];
    double scores[K];
    uint32_t count;
    recsys_error error;
    _exit(recsys_store_similar(store, &item, 1, K, &how, ids, scores, &count, NULL, &error) || count != K);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  recsys_store_close(store);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("index");
  TCase *index = tcase_create("index");
  tcase_set_timeout(index, 120);
  tcase_add_loop_test(index, finds_nearly_all, 0, 2);
  tcase_add_test(index, follows_changes);
  tcase_add_test(index, replaced_rows_are_found);
  tcase_add_test(index, same_for_any_threads);
  tcase_add_test(index, filters_fill_the_list);
  tcase_add_test(index, comes_back);
  tcase_add_test(index, catches_up);
  tcase_add_loop_test(index, is_not_trusted, 0, 6);
  tcase_add_test(index, removed_before_it_was_saved);
  tcase_add_test(index, rebuilt_as_it_was);
  tcase_add_test(index, of_another_process);
  tcase_add_test(index, other_folder);
  tcase_add_test(index, cancelled_and_wrong_options);
  tcase_add_test(index, cannot_be_saved);
  tcase_add_test(index, forked_child);
  suite_add_tcase(suite, index);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
