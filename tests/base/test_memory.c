/* Allocation: checked sizes, alignment, growing, and the seam that makes the n-th allocation fail. */
#include "base/memory.h"
#include "suite.h"

#include <stdint.h>

START_TEST(sizes_are_checked) {
  size_t out = 7;
  ck_assert(recsys__mul(SIZE_MAX / 2, 2, &out) && out == SIZE_MAX - 1);
  ck_assert(recsys__mul(0, SIZE_MAX, &out) && out == 0);
  out = 7;
  ck_assert(!recsys__mul(SIZE_MAX / 2 + 1, 2, &out) && out == 7);
  ck_assert(recsys__add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
  out = 7;
  ck_assert(!recsys__add(SIZE_MAX, 1, &out) && out == 7);
  ck_assert_ptr_null(recsys__alloc(SIZE_MAX / 4 + 1, 4));
  ck_assert_ptr_null(recsys__calloc(SIZE_MAX / 4 + 2, 4)); /* the product would be 4 */
  ck_assert_ptr_null(recsys__alloc_aligned(64, SIZE_MAX, 2));
  ck_assert_ptr_null(recsys__alloc(SIZE_MAX, 1));
}
END_TEST

START_TEST(empty_is_valid) {
  void *all[4] = {recsys__alloc(0, 8), recsys__calloc(8, 0), recsys__alloc_aligned(64, 0, 1), recsys__copy(NULL, 0, 4)};
  for (int i = 0; i < 4; i++) {
    ck_assert_ptr_nonnull(all[i]);
    recsys__free(all[i]);
  }
  void *shrunk = recsys__realloc(recsys__alloc(4, 4), 0, 4);
  ck_assert_ptr_nonnull(shrunk);
  recsys__free(shrunk);
  recsys__free(NULL);
}
END_TEST

START_TEST(contents) {
  for (size_t align = 8; align <= 4096; align *= 2) {
    void *aligned = recsys__alloc_aligned(align, 3, 5);
    ck_assert_uint_eq((uintptr_t)aligned % align, 0);
    recsys__free(aligned);
  }
  char *zero = recsys__calloc(100, 3);
  for (int i = 0; i < 300; i++) {
    ck_assert_int_eq(zero[i], 0);
  }
  recsys__free(zero);
  static const int numbers[3] = {1, -2, 3};
  int *copy = recsys__copy(numbers, 3, sizeof numbers[0]);
  ck_assert_mem_eq(copy, numbers, sizeof numbers);
  recsys__free(copy);
  char *text = recsys__strdup("schön");
  ck_assert_str_eq(text, "schön");
  recsys__free(text);
}
END_TEST

START_TEST(growing) {
  void *array = NULL;
  size_t capacity = 0, moves = 0;
  for (size_t n = 1; n <= 100000; n++) {
    size_t before = capacity;
    ck_assert(recsys__grow(&array, &capacity, n, sizeof(int)));
    ck_assert_uint_ge(capacity, n);
    moves += capacity != before;
    ((int *)array)[n - 1] = (int)n;
  }
  ck_assert_uint_lt(moves, 20); /* doubling: log2(100,000) = 17 */
  for (int i = 0; i < 100000; i++) {
    ck_assert_int_eq(((int *)array)[i], i + 1);
  }
  void *same = array;
  size_t kept = capacity;
  ck_assert(!recsys__grow(&array, &capacity, SIZE_MAX / 2, sizeof(int)));
  ck_assert(array == same && capacity == kept);
  recsys__free(array);
}
END_TEST

START_TEST(nth_allocation_fails) {
  recsys__fail_allocation(3, false);
  void *one = recsys__alloc(1, 1), *two = recsys__strdup("x"), *three = recsys__calloc(1, 1),
       *four = recsys__alloc(1, 1);
  ck_assert(one != NULL && two != NULL && three == NULL && four != NULL);
  ck_assert_uint_eq(recsys__fail_allocation(1, true), 4);
  ck_assert_ptr_null(recsys__alloc(1, 1));
  ck_assert_ptr_null(recsys__realloc(one, 2, 1)); /* `one` stays valid */
  ck_assert_ptr_null(recsys__alloc_aligned(64, 2, 1));
  ck_assert_uint_eq(recsys__fail_allocation(0, false), 3);
  void *five = recsys__alloc(1, 1);
  ck_assert_ptr_nonnull(five);
  recsys__free(one);
  recsys__free(two);
  recsys__free(four);
  recsys__free(five);
}
END_TEST

/* Growing tries the exact size where twice the size is not to be had. */
START_TEST(growing_falls_back) {
  void *array = NULL;
  size_t capacity = 0;
  ck_assert(recsys__grow(&array, &capacity, 100, 1));
  recsys__fail_allocation(1, false);
  ck_assert(recsys__grow(&array, &capacity, 101, 1));
  ck_assert_uint_eq(capacity, 101);
  recsys__fail_allocation(1, true);
  ck_assert(!recsys__grow(&array, &capacity, 102, 1));
  ck_assert_uint_eq(capacity, 101);
  recsys__fail_allocation(0, false);
  recsys__free(array);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {sizes_are_checked, empty_is_valid,       contents,
                                growing,           nth_allocation_fails, growing_falls_back};
  return run_suite("memory", tests, sizeof tests / sizeof tests[0]);
}
