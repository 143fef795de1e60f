/*
 * Sets of rows: putting, replacing, removing and looking; snapshots that stay as they were while copies of them change;
 * and every allocation failing once.
 */
#include <check.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/random.h"
#include "rows_reference.h"
#include "store/chunks.h"

static void random_row(recsys__random *random, float *row, size_t dim) {
  for (size_t i = 0; i < dim; i++)
    row[i] = (float)(recsys__random_unit(random) + 0.01);
}

static size_t items_in(const reference *known) {
  size_t items = 0;
  for (size_t i = 0; i < known->count; i++) {
    bool seen = false;
    for (size_t j = 0; j < i && !seen; j++)
      seen = known->list[j].item == known->list[i].item;
    items += !seen;
  }
  return items;
}

/* The pictures of an item come in rising order, each with its row. */
static void expect_pictures(const recsys__rows *rows, const reference *known, int64_t item) {
  size_t count = 0, found = 0;
  int64_t last = -1, picture;
  const float *row;
  for (size_t i = 0; i < known->count; i++)
    count += known->list[i].item == item;
  for (; recsys__rows_picture(rows, item, found, &picture, &row); found++) {
    ck_assert_int_gt(picture, last);
    ck_assert_ptr_eq(row, recsys__rows_get(rows, item, picture));
    last = picture;
  }
  ck_assert_uint_eq(found, count);
}

static void expect_list(const recsys__rows *rows, const reference *known) {
  if (known->count == 0)
    return;
  int64_t ids[4];
  double scores[4];
  size_t count;
  reference_hit *hits = malloc(known->count * sizeof *hits);
  recsys__rows_query q = {.queries = known->list[0].row, .query_count = 1, .k = 4, .exclude = -1};
  size_t wanted = reference_search(known, &q, hits);
  ck_assert_int_eq(recsys__rows_search(rows, &q, 1, ids, scores, &count, NULL), RECSYS_OK);
  ck_assert_uint_eq(count, wanted);
  for (size_t i = 0; i < count; i++)
    ck_assert(ids[i] == hits[i].item && scores[i] == hits[i].score);
  free(hits);
}

/* The set is exactly what is known. */
static void expect_known(const recsys__rows *rows, const reference *known) {
  ck_assert_uint_eq(recsys__rows_dim(rows), known->dim);
  ck_assert_uint_eq(recsys__rows_count(rows), known->count);
  ck_assert_uint_eq(recsys__rows_item_count(rows), items_in(known));
  for (size_t i = 0; i < known->count; i++) {
    const float *row = recsys__rows_get(rows, known->list[i].item, known->list[i].picture);
    ck_assert_ptr_nonnull(row);
    ck_assert_mem_eq(row, known->list[i].row, known->dim * sizeof *row);
    expect_pictures(rows, known, known->list[i].item);
  }
  expect_list(rows, known);
}

static void put(recsys__rows *rows, reference *known, int64_t item, int64_t picture, recsys__random *random) {
  float *row = malloc(known->dim * sizeof *row);
  random_row(random, row, known->dim);
  ck_assert(recsys__rows_put(rows, item, picture, row));
  reference_put(known, item, picture, row);
  free(row);
}

static void take_away(recsys__rows *rows, reference *known, int64_t item, int64_t picture) {
  bool removed, was_there = reference_remove(known, item, picture);
  ck_assert(recsys__rows_remove(rows, item, picture, &removed));
  ck_assert_int_eq(removed, was_there);
}

static void copy_known(reference *to, const reference *from) {
  *to = (reference){.dim = from->dim};
  for (size_t i = 0; i < from->count; i++)
    reference_append(to, from->list[i].item, from->list[i].picture, from->list[i].row);
}

START_TEST(empty) {
  recsys__rows *rows = recsys__rows_new(7);
  int64_t picture;
  const float *row;
  double score;
  bool removed = true;
  ck_assert_uint_eq(recsys__rows_dim(rows), 7);
  ck_assert_uint_eq(recsys__rows_count(rows), 0);
  ck_assert_uint_eq(recsys__rows_item_count(rows), 0);
  ck_assert_uint_gt(recsys__rows_bytes(rows), 0);
  ck_assert_ptr_null(recsys__rows_get(rows, 1, 0));
  ck_assert(!recsys__rows_picture(rows, 1, 0, &picture, &row));
  ck_assert(!recsys__rows_likeness(rows, 1, 1, RECSYS_METRIC_COSINE, &score));
  ck_assert(recsys__rows_remove(rows, 1, 0, &removed));
  ck_assert(!removed);
  recsys__rows *copy = recsys__rows_copy(rows);
  ck_assert_uint_eq(recsys__rows_count(copy), 0);
  recsys__ref_release(rows);
  recsys__ref_release(copy);
}
END_TEST

START_TEST(likeness_is_that_of_the_best_pair) {
  /* By hand: (3, 4) and (8, 6) have the cosine 48 / 50, the other pairs have 0 or less. */
  static const float of_a[2][2] = {{3, 4}, {-1, 0}}, of_b[2][2] = {{8, 6}, {0, -2}};
  recsys__rows *rows = recsys__rows_new(2);
  for (int64_t i = 0; i < 2; i++)
    ck_assert(recsys__rows_put(rows, 1, i, of_a[i]) && recsys__rows_put(rows, 2, i, of_b[i]));
  double score;
  ck_assert(recsys__rows_likeness(rows, 1, 2, RECSYS_METRIC_COSINE, &score));
  ck_assert_double_eq_tol(score, 0.96, 1e-15);
  ck_assert(recsys__rows_likeness(rows, 2, 1, RECSYS_METRIC_COSINE, &score));
  ck_assert_double_eq_tol(score, 0.96, 1e-15);
  /* (-1, 0) to (0, -2): sqrt(1 + 4); (3, 4) to (8, 6): sqrt(25 + 4). */
  ck_assert(recsys__rows_likeness(rows, 1, 2, RECSYS_METRIC_EUCLIDEAN, &score));
  ck_assert_double_eq_tol(score, sqrt(5), 1e-15);
  ck_assert(recsys__rows_likeness(rows, 1, 1, RECSYS_METRIC_COSINE, &score));
  ck_assert(score == 1);
  ck_assert(recsys__rows_likeness(rows, 1, 1, RECSYS_METRIC_EUCLIDEAN, &score));
  ck_assert(score == 0 && !signbit(score));
  ck_assert(!recsys__rows_likeness(rows, 1, 3, RECSYS_METRIC_COSINE, &score));
  recsys__ref_release(rows);
}
END_TEST

START_TEST(scaled_rows_are_alike) {
  recsys__rows *rows = recsys__rows_new(3);
  static const float small[3] = {1e-45F, 3e-45F, 0}, large[3] = {1e38F, 3e38F, 0};
  double score;
  ck_assert(recsys__rows_put(rows, 1, 0, small) && recsys__rows_put(rows, 2, 0, large));
  ck_assert(recsys__rows_likeness(rows, 1, 2, RECSYS_METRIC_COSINE, &score));
  /* 1e-45 is the smallest denormal and 3e-45 twice that: (1, 2) and (1, 3) have the cosine 7 / sqrt(50). */
  ck_assert_double_eq_tol(score, 7 / sqrt(50), 1e-7);
  ck_assert(recsys__rows_likeness(rows, 2, 2, RECSYS_METRIC_COSINE, &score));
  ck_assert(score == 1);
  recsys__ref_release(rows);
}
END_TEST

/* -- many changes, over chunks of several shapes; some snapshots are held and looked at again at the end */

typedef struct snapshot {
  recsys__rows *rows;
  reference known;
} snapshot;

enum { HELD = 6 };

static void change_at_random(recsys__rows *rows, reference *known, recsys__random *random, size_t steps) {
  for (size_t i = 0; i < steps; i++) {
    int64_t item = recsys__random_below(random, 60), picture = recsys__random_below(random, 3);
    if (recsys__random_below(random, 5) < 3)
      put(rows, known, item, picture, random);
    else
      take_away(rows, known, item, picture);
  }
}

static void change_and_compare(size_t dim, size_t steps) {
  recsys__random random;
  recsys__random_seed(&random, dim, 4);
  snapshot held[HELD];
  recsys__rows *rows = recsys__rows_new((uint32_t)dim);
  reference known = {.dim = dim};
  for (size_t s = 0; s < HELD; s++) {
    change_at_random(rows, &known, &random, steps);
    expect_known(rows, &known);
    held[s].rows = rows;
    copy_known(&held[s].known, &known);
    rows = recsys__rows_copy(rows);
    ck_assert_ptr_nonnull(rows);
  }
  change_at_random(rows, &known, &random, steps);
  expect_known(rows, &known);
  for (size_t s = 0; s < HELD; s++) {
    expect_known(held[s].rows, &held[s].known);
    recsys__ref_release(held[s].rows);
    reference_free(&held[s].known);
  }
  while (known.count)
    take_away(rows, &known, known.list[known.count / 2].item, known.list[known.count / 2].picture);
  expect_known(rows, &known);
  put(rows, &known, 5, 5, &random);
  expect_known(rows, &known);
  recsys__ref_release(rows);
  reference_free(&known);
}

START_TEST(changes) {
  change_and_compare(3, 150);
}
END_TEST

START_TEST(changes_over_many_chunks) {
  change_and_compare(30000, 40); /* 69 rows a chunk */
}
END_TEST

START_TEST(changes_over_the_smallest_chunks) {
  change_and_compare(65536, 25); /* 32 rows a chunk */
}
END_TEST

/* Two copies of one snapshot append: each has its own rows, and the snapshot neither. */
START_TEST(copies_do_not_share_a_free_slot) {
  recsys__random random;
  recsys__random_seed(&random, 1, 1);
  reference base_known = {.dim = 4}, known[2];
  recsys__rows *base = recsys__rows_new(4), *copies[2];
  for (int64_t i = 0; i < 5; i++)
    put(base, &base_known, i, 0, &random);
  for (size_t c = 0; c < 2; c++) {
    copies[c] = recsys__rows_copy(base);
    copy_known(&known[c], &base_known);
  }
  for (int64_t i = 5; i < 9; i++)
    for (size_t c = 0; c < 2; c++)
      put(copies[c], &known[c], i, (int64_t)c, &random);
  ck_assert_ptr_eq(copies[0]->chunks[0], base->chunks[0]); /* the first to come got the slots without a copy */
  ck_assert_ptr_ne(copies[1]->chunks[0], base->chunks[0]);
  expect_known(base, &base_known);
  recsys__ref_release(base);
  for (size_t c = 0; c < 2; c++) {
    expect_known(copies[c], &known[c]);
    recsys__ref_release(copies[c]);
    reference_free(&known[c]);
  }
  reference_free(&base_known);
}
END_TEST

/* One change to many rows copies one chunk. */
START_TEST(a_change_copies_one_chunk) {
  recsys__random random;
  recsys__random_seed(&random, 3, 1);
  reference known = {.dim = 30000};
  recsys__rows *base = recsys__rows_new(30000);
  for (int64_t i = 0; i < 150; i++)
    put(base, &known, i, 0, &random);
  recsys__rows *copy = recsys__rows_copy(base);
  ck_assert_uint_eq(copy->chunk_count, 3);
  put(copy, &known, 100, 0, &random);
  for (size_t c = 0; c < 3; c++)
    ck_assert_int_eq(copy->chunks[c] == base->chunks[c], c != 1);
  const recsys__chunk *own = copy->chunks[1];
  put(copy, &known, 101, 0, &random);
  ck_assert_ptr_eq(copy->chunks[1], own); /* it is ours already */
  expect_known(copy, &known);
  size_t bytes = recsys__rows_bytes(copy);
  for (int64_t i = 0; i < 12; i++) /* 150 - 12 rows fill two chunks of 69 */
    take_away(copy, &known, i, 0);
  ck_assert_uint_eq(copy->chunk_count, 2);
  ck_assert_uint_lt(recsys__rows_bytes(copy), bytes * 3 / 4);
  expect_known(copy, &known);
  recsys__ref_release(base);
  recsys__ref_release(copy);
  reference_free(&known);
}
END_TEST

START_TEST(memory_is_counted) {
  recsys__random random;
  recsys__random_seed(&random, 3, 1);
  reference known = {.dim = 512};
  recsys__rows *rows = recsys__rows_new(512);
  for (int64_t i = 0; i < 5000; i++) {
    float row[512];
    random_row(&random, row, 512);
    ck_assert(recsys__rows_put(rows, i, 0, row));
  }
  size_t least = 5000 * (512 * 5 + 40);
  ck_assert_uint_ge(recsys__rows_bytes(rows), least);
  ck_assert_uint_le(recsys__rows_bytes(rows), 2 * least); /* two chunks of 4096, the second hardly used */
  recsys__ref_release(rows);
  reference_free(&known);
}
END_TEST

/* -- every allocation fails once, and the set is as it was */

static void put_without_memory(recsys__rows *rows, reference *known, int64_t item, int64_t picture) {
  float row[5] = {(float)item, 2, 3, 4, (float)picture};
  bool done = false;
  for (size_t n = 1; !done; n++) {
    recsys__fail_allocation(n, n % 2);
    done = recsys__rows_put(rows, item, picture, row);
    recsys__fail_allocation(0, false);
    if (!done)
      expect_known(rows, known);
    ck_assert_uint_lt(n, 100);
  }
  reference_put(known, item, picture, row);
  expect_known(rows, known);
}

static void remove_without_memory(recsys__rows *rows, reference *known, int64_t item, int64_t picture) {
  bool done = false, removed = true, there = recsys__rows_get(rows, item, picture) != NULL;
  for (size_t n = 1; !done; n++) {
    recsys__fail_allocation(n, n % 2);
    done = recsys__rows_remove(rows, item, picture, &removed);
    recsys__fail_allocation(0, false);
    ck_assert(done || !removed);
    if (!done)
      expect_known(rows, known);
    ck_assert_uint_lt(n, 100);
  }
  ck_assert_int_eq(removed, there);
  ck_assert_int_eq(there, reference_remove(known, item, picture));
  expect_known(rows, known);
}

static recsys__rows *copy_without_memory(const recsys__rows *rows) {
  recsys__rows *copy = NULL;
  for (size_t n = 1; !copy; n++) {
    recsys__fail_allocation(n, true);
    copy = recsys__rows_copy(rows);
    recsys__fail_allocation(0, false);
    ck_assert(n >= 3 || !copy); /* the set and its list of chunks */
  }
  return copy;
}

START_TEST(out_of_memory) {
  recsys__fail_allocation(1, false);
  ck_assert_ptr_null(recsys__rows_new(5));
  recsys__fail_allocation(0, false);
  recsys__rows *rows = recsys__rows_new(5), *copy;
  reference known = {.dim = 5}, known_then;
  for (int64_t i = 0; i < 40; i++)
    put_without_memory(rows, &known, i % 17, i % 5);
  copy_known(&known_then, &known);
  copy = copy_without_memory(rows);
  for (int64_t i = 0; i < 40; i++) {
    put_without_memory(copy, &known, i % 23, i % 4);
    remove_without_memory(copy, &known, i % 13, i % 3);
  }
  expect_known(rows, &known_then);
  recsys__ref_release(rows);
  recsys__ref_release(copy);
  reference_free(&known);
  reference_free(&known_then);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rows");
  TCase *rows = tcase_create("rows");
  tcase_add_test(rows, empty);
  tcase_add_test(rows, likeness_is_that_of_the_best_pair);
  tcase_add_test(rows, scaled_rows_are_alike);
  tcase_add_test(rows, changes);
  tcase_add_test(rows, changes_over_many_chunks);
  tcase_add_test(rows, changes_over_the_smallest_chunks);
  tcase_add_test(rows, copies_do_not_share_a_free_slot);
  tcase_add_test(rows, a_change_copies_one_chunk);
  tcase_add_test(rows, memory_is_counted);
  tcase_add_test(rows, out_of_memory);
  suite_add_tcase(suite, rows);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
