/* The command's parts that need no store: CSV, command lines, tables, keys. */
#include <check.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "command.h"
#include "csv.h"
#include "keys.h"
#include "table.h"

/* ---- CSV */

/* A file with these bytes, opened; the file itself is gone at once. */
static csv *open_bytes(const char *bytes, size_t n) {
  char path[] = "/tmp/recsys-csv-XXXXXX";
  int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  ck_assert_int_eq(write(file, bytes, n), (ssize_t)n);
  close(file);
  csv *c = csv_open(path);
  unlink(path);
  return c;
}

static csv *open_text(const char *bytes) {
  return open_bytes(bytes, strlen(bytes));
}

static void expect_record(csv *c, uint64_t line, const char *first, const char *second) {
  ck_assert_int_eq(csv_next(c), CSV_RECORD);
  ck_assert_uint_eq(csv_line(c), line);
  ck_assert_str_eq(csv_field(c, 0), first);
  ck_assert_str_eq(csv_field(c, 1), second);
}

static void expect_bad(csv *c, uint64_t line, const char *why) {
  ck_assert_int_eq(csv_next(c), CSV_BAD);
  ck_assert_uint_eq(csv_line(c), line);
  ck_assert_msg(strstr(csv_message(c), why) != NULL, "\"%s\" does not say \"%s\"", csv_message(c), why);
}

START_TEST(csv_reads_rfc_4180) {
  csv *c = open_text("\xEF\xBB\xBF"
                     "a,b\r\n1,2\r\n\"x,\"\"y\"\"\",\"two\r\nlines\"\r\n,\r\n\"\",\"\"\r\n\xC3\xA9,\xF0\x9F\x91\x97");
  ck_assert_ptr_nonnull(c);
  ck_assert_uint_eq(csv_columns(c), 2);
  ck_assert_str_eq(csv_column_name(c, 0), "a");
  expect_record(c, 2, "1", "2");
  expect_record(c, 3, "x,\"y\"", "two\r\nlines");
  expect_record(c, 5, "", "");
  expect_record(c, 6, "", "");
  expect_record(c, 7, "\xC3\xA9", "\xF0\x9F\x91\x97");
  ck_assert_int_eq(csv_next(c), CSV_END);
  ck_assert_uint_eq(csv_position(c), csv_size(c));
  csv_close(c);
}
END_TEST

START_TEST(csv_takes_any_line_end) {
  csv *c = open_text("a,b\n1,2\r3,4\r\n\n\r\n5,6\n");
  ck_assert_ptr_nonnull(c);
  expect_record(c, 2, "1", "2");
  expect_record(c, 3, "3", "4");
  expect_record(c, 6, "5", "6");
  ck_assert_int_eq(csv_next(c), CSV_END);
  csv_close(c);
}
END_TEST

START_TEST(csv_finds_columns_by_name) {
  static const char *const some[] = {"sku", "Item", NULL}, *const none[] = {"x", NULL};
  csv *c = open_text(" item ,\"the,rating\"\n");
  ck_assert_ptr_nonnull(c);
  ck_assert_int_eq(csv_column(c, some), 0);
  ck_assert_int_eq(csv_column(c, none), -1);
  ck_assert_str_eq(csv_column_name(c, 1), "the,rating");
  csv_close(c);
}
END_TEST

START_TEST(csv_goes_on_after_bad_lines) {
  csv *c = open_text("a,b\n1\n1,2,3\nx\"y,2\n\"x\"y,2\n\xFF,2\n\xC0\x80,2\n\xED\xA0\x80,2\n7,8\n\"open,9\n10,11\n");
  ck_assert_ptr_nonnull(c);
  expect_bad(c, 2, "1 fields");
  expect_bad(c, 3, "3 fields");
  expect_bad(c, 4, "quote stands inside field 1");
  expect_bad(c, 5, "quote stands inside field 1");
  expect_bad(c, 6, "UTF-8 (byte 1");
  expect_bad(c, 7, "UTF-8"); /* overlong */
  expect_bad(c, 8, "UTF-8"); /* a surrogate */
  expect_record(c, 9, "7", "8");
  expect_bad(c, 10, "never closed");
  expect_record(c, 11, "10", "11");
  ck_assert_int_eq(csv_next(c), CSV_END);
  csv_close(c);
}
END_TEST

START_TEST(csv_refuses_zero_bytes_and_endless_lines) {
  enum { LONG = 3 << 20 };
  csv *c = open_bytes("a,b\n1,\0\n3,4\n", 12);
  ck_assert_ptr_nonnull(c);
  expect_bad(c, 2, "zero");
  expect_record(c, 3, "3", "4");
  csv_close(c);

  char *bytes = malloc(LONG + 16);
  ck_assert_ptr_nonnull(bytes);
  memcpy(bytes, "a,b\n", 4);
  memset(bytes + 4, 'x', LONG);
  memcpy(bytes + 4 + LONG, "\n5,6\n", 5);
  c = open_bytes(bytes, LONG + 9);
  ck_assert_ptr_nonnull(c);
  expect_bad(c, 2, "longer than 1 MiB");
  expect_record(c, 3, "5", "6");
  ck_assert_int_eq(csv_next(c), CSV_END);
  csv_close(c);
  free(bytes);
}
END_TEST

START_TEST(csv_needs_a_header) {
  ck_assert_ptr_null(open_text(""));
  ck_assert_ptr_null(open_text("\n1,2\n"));
  ck_assert_ptr_null(open_text("\xEF\xBB\xBF"));
  ck_assert_ptr_null(csv_open("/tmp"));
  ck_assert_ptr_null(csv_open("/nonexistent/ratings.csv"));
}
END_TEST

/* Any bytes at all: it must come to an end, and never crash. Lines are cut from a small alphabet of trouble. */
START_TEST(csv_survives_noise) {
  static const char alphabet[] = "a,\"\n\r\xC3\xA9\xFF";
  uint64_t state = 1;
  for (int round = 0; round < 300; round++) {
    char bytes[400];
    for (size_t i = 0; i < sizeof bytes; i++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bytes[i] = alphabet[(state >> 33) % (sizeof alphabet - 1)];
    }
    memcpy(bytes, "a,b\n", 4);
    csv *c = open_bytes(bytes, sizeof bytes);
    ck_assert_ptr_nonnull(c);
    int records = 0;
    uint64_t line = 0;
    while (csv_next(c) != CSV_END) {
      ck_assert_uint_gt(csv_line(c), line);
      line = csv_line(c);
      ck_assert_int_lt(++records, 500);
    }
    csv_close(c);
  }
}
END_TEST

/* ---- Command lines */

static const args_option options[] = {
    {"k", "N", "a number", "-k 5"}, {"where", "X", "a text", NULL}, {"json", NULL, "a switch", NULL}, {0}};
static const args_command command = {"try", "WORD...", "Tries.", "recsys try", {options, args_general}};

static int parse(args *a, int argc, const char *const *argv) {
  char *copy[16];
  for (int i = 0; i < argc; i++)
    copy[i] = (char *)(uintptr_t)argv[i];
  return args_parse(a, &command, argc, copy, 1, 2);
}

START_TEST(args_reads_all_forms) {
  static const char *const argv[] = {"try", "-k",  "3",      "one", "--where=a=b", "--where",
                                     "c",   "-k7", "--json", "--",  "--k"};
  args a;
  size_t at = 0;
  uint64_t k = 0;
  ck_assert_int_eq(parse(&a, 11, argv), ARGS_GO_ON);
  ck_assert_uint_eq(a.n_words, 2);
  ck_assert_str_eq(a.words[0], "one");
  ck_assert_str_eq(a.words[1], "--k");
  ck_assert(args_whole(&a, "k", 1, 9, &k));
  ck_assert_uint_eq(k, 7);
  ck_assert_str_eq(args_next(&a, "where", &at), "a=b");
  ck_assert_str_eq(args_next(&a, "where", &at), "c");
  ck_assert_ptr_null(args_next(&a, "where", &at));
  ck_assert(args_has(&a, "json"));
  args_free(&a);
}
END_TEST

START_TEST(args_refuses_what_is_wrong) {
  static const char *const wrong[][3] = {{"try", "one", "--nothing"}, {"try", "one", "-k"},
                                         {"try", "one", "--json=1"},  {"try", "one", "--k=3"},
                                         {"try", "one", "-where"},    {"try", "one", "--progress=often"},
                                         {"try", "--json", "-k3"}};
  args a;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    ck_assert_int_eq(parse(&a, 3, wrong[i]), MISUSED);
}
END_TEST

START_TEST(args_checks_numbers) {
  static const char *const wrong[] = {"0", "10", "-1", "1.5", "x", "", " 3", "99999999999999999999"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    const char *argv[] = {"try", "one", "-k", wrong[i]};
    uint64_t k = 4;
    args a;
    ck_assert_int_eq(parse(&a, 4, argv), ARGS_GO_ON);
    ck_assert(!args_whole(&a, "k", 1, 9, &k));
    ck_assert_uint_eq(k, 4);
    args_free(&a);
  }
}
END_TEST

START_TEST(args_cuts_lists) {
  size_t n = 0;
  char **list = args_list("a,,b\\,c\\\\,d\\", &n);
  ck_assert_uint_eq(n, 4);
  ck_assert_str_eq(list[0], "a");
  ck_assert_str_eq(list[1], "");
  ck_assert_str_eq(list[2], "b,c\\");
  ck_assert_str_eq(list[3], "d\\");
  args_free_list(list, n);
}
END_TEST

/* ---- Tables and keys */

START_TEST(table_measures_and_cleans) {
  ck_assert_uint_eq(table_width("abc"), 3);
  ck_assert_uint_eq(table_width("\xC3\xA9"), 1);     /* é */
  ck_assert_uint_eq(table_width("\xE6\xBC\xA2"), 2); /* a Chinese character takes two columns */
  ck_assert_uint_eq(table_width("e\xCC\x81"), 1);    /* e and a combining accent */
  char *clean = table_clean("a\x1B[31m\n\xFF\xC3\xA9");
  ck_assert_str_eq(clean, "a?[31m??\xC3\xA9");
  free(clean);
}
END_TEST

START_TEST(keys_number_distinct_strings) {
  keys k = {0};
  char name[32];
  for (int round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < 5000; i++) {
      snprintf(name, sizeof name, "key %u", i);
      ck_assert_uint_eq(keys_number(&k, name), i);
    }
  }
  ck_assert_uint_eq(k.n, 5000);
  ck_assert_str_eq(k.strings[4999], "key 4999");
  keys_free(&k);
}
END_TEST

int main(void) {
  setlocale(LC_CTYPE, "C.UTF-8");
  Suite *suite = suite_create("command");
  TCase *parts = tcase_create("parts");
  tcase_add_test(parts, csv_reads_rfc_4180);
  tcase_add_test(parts, csv_takes_any_line_end);
  tcase_add_test(parts, csv_finds_columns_by_name);
  tcase_add_test(parts, csv_goes_on_after_bad_lines);
  tcase_add_test(parts, csv_refuses_zero_bytes_and_endless_lines);
  tcase_add_test(parts, csv_needs_a_header);
  tcase_add_test(parts, csv_survives_noise);
  tcase_add_test(parts, args_reads_all_forms);
  tcase_add_test(parts, args_refuses_what_is_wrong);
  tcase_add_test(parts, args_checks_numbers);
  tcase_add_test(parts, args_cuts_lists);
  tcase_add_test(parts, table_measures_and_cleans);
  tcase_add_test(parts, keys_number_distinct_strings);
  suite_add_tcase(suite, parts);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
