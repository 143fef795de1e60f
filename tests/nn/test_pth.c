/*
 * The reader behind `recsys convert`: files that torch.save has written, files that somebody has made to do harm, and
 * damage at every byte. make_pth.py says what is in the files of pth/.
 */
#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "convert.h"
#include "pth.h"

#define PTH TESTS_DIR "/nn/pth/"

typedef struct bytes {
  uint8_t *data;
  size_t size;
} bytes;

static bytes slurp(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s%s", PTH, name);
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s", path);
  fseek(file, 0, SEEK_END);
  bytes b = {.size = (size_t)ftell(file)};
  rewind(file);
  b.data = malloc(b.size);
  ck_assert_uint_eq(fread(b.data, 1, b.size, file), b.size);
  fclose(file);
  return b;
}

static const recsys__tensor *find(const recsys__tensor *list, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(list[i].name, name) == 0)
      return &list[i];
  ck_abort_msg("no tensor %s", name);
  return NULL;
}

/* What make_pth.py's state() holds. */
static const struct expected {
  const char *name;
  recsys__dtype dtype;
  uint32_t rank;
  uint64_t shape[4];
} expected[] = {
    {"bfloat", RECSYS__BF16, 1, {5}},  {"bool", RECSYS__U8, 1, {3}},
    {"byte", RECSYS__U8, 1, {3}},      {"channels_last", RECSYS__F32, 4, {2, 3, 2, 2}},
    {"char", RECSYS__I8, 1, {3}},      {"double", RECSYS__F64, 1, {3}},
    {"empty", RECSYS__F32, 2, {0, 3}}, {"float", RECSYS__F32, 2, {2, 3}},
    {"half", RECSYS__F16, 1, {5}},     {"int", RECSYS__I32, 1, {3}},
    {"long", RECSYS__I64, 1, {3}},     {"parameter", RECSYS__F32, 2, {2, 2}},
    {"scalar", RECSYS__F32, 0, {0}},   {"shared", RECSYS__F32, 1, {6}},
    {"slice", RECSYS__F32, 2, {2, 5}}, {"transposed", RECSYS__F32, 2, {4, 3}},
};
enum { EXPECTED = sizeof expected / sizeof expected[0] };

/* Number i of a tensor, as the bytes of its type: i / 4 - 1, or i - 1. */
static void check_number(const struct expected *e, const uint8_t *p, uint64_t i) {
  static const uint16_t halves[5] = {0xbc00, 0xba00, 0xb800, 0xb400, 0},
                        brains[5] = {0xbf80, 0xbf40, 0xbf00, 0xbe80, 0};
  float f32 = (float)i / 4 - 1;
  double f64 = (double)i / 4 - 1;
  int64_t i64 = (int64_t)i - 1;
  int32_t i32 = (int32_t)i - 1;
  uint8_t u8 = strcmp(e->name, "bool") == 0 ? i % 2 == 1 : (uint8_t)(i - 1);
  const void *value = e->dtype == RECSYS__F32    ? (const void *)&f32
                      : e->dtype == RECSYS__F64  ? (const void *)&f64
                      : e->dtype == RECSYS__I64  ? (const void *)&i64
                      : e->dtype == RECSYS__I32  ? (const void *)&i32
                      : e->dtype == RECSYS__F16  ? (const void *)&halves[i]
                      : e->dtype == RECSYS__BF16 ? (const void *)&brains[i]
                                                 : (const void *)&u8;
  static const size_t sizes[] = {[RECSYS__F32] = 4, [RECSYS__F16] = 2, [RECSYS__BF16] = 2, [RECSYS__F64] = 8,
                                 [RECSYS__I64] = 8, [RECSYS__I32] = 4, [RECSYS__U8] = 1,   [RECSYS__I8] = 1};
  size_t size = sizes[e->dtype];
  ck_assert_msg(memcmp(p + i * size, value, size) == 0, "%s[%llu]", e->name, (unsigned long long)i);
}

static void check_all(const recsys__tensor *list, size_t count) {
  ck_assert_uint_eq(count, EXPECTED);
  for (size_t t = 0; t < EXPECTED; t++) {
    const struct expected *e = &expected[t];
    const recsys__tensor *tensor = find(list, count, e->name);
    uint64_t n = 1;
    ck_assert_int_eq(tensor->dtype, e->dtype);
    ck_assert_uint_eq(tensor->rank, e->rank);
    for (uint32_t i = 0; i < e->rank; i++) {
      ck_assert_uint_eq(tensor->shape[i], e->shape[i]);
      n *= e->shape[i];
    }
    for (uint64_t i = 0; i < n; i++)
      check_number(e, tensor->data, i);
  }
}

static const char *const good[] = {"good_zip.pth",           "good_old.pth",   "good_zip_protocol4.pth",
                                   "good_old_protocol4.pth", "nested_zip.pth", "nested_old.pth"};

START_TEST(torch_s_files_are_read) {
  char path[512];
  snprintf(path, sizeof path, "%s%s", PTH, good[_i]);
  pth file;
  recsys_error error;
  ck_assert_msg(pth_read(&file, path, &error) == RECSYS_OK, "%s: %s", good[_i], error.message);
  check_all(file.tensors, file.count);
  pth_free(&file);
}
END_TEST

START_TEST(python_2_s_files_are_read) {
  pth file;
  recsys_error error;
  ck_assert_msg(pth_read(&file, PTH "python2.pth", &error) == RECSYS_OK, "%s", error.message);
  ck_assert_uint_eq(file.count, 1);
  ck_assert_str_eq(file.tensors[0].name, "a");
  static const float values[4] = {-1, -0.75f, -0.5f, -0.25f};
  ck_assert_uint_eq(file.tensors[0].shape[1], 2);
  ck_assert_mem_eq(file.tensors[0].data, values, sizeof values);
  pth_free(&file);
}
END_TEST

static void expect_refusal(const char *name, const uint8_t *data, size_t size) {
  pth file;
  recsys_error error = {0};
  recsys_status status = pth_parse(&file, data, size, name, &error);
  ck_assert_msg(status < 0, "%s was read", name);
  ck_assert_int_eq(error.status, status);
  ck_assert_uint_gt(strlen(error.message), 20);
  for (const char *p = error.message; *p != '\0'; p++)
    ck_assert_msg((unsigned char)*p >= ' ', "%s: a control character in the message", name);
  ck_assert_ptr_null(file.tensors);
  ck_assert_ptr_null(file.storage);
  ck_assert_uint_eq(file.count, 0);
}

START_TEST(hostile_files_are_refused) {
  unlink("/tmp/recsys-was-here");
  DIR *folder = opendir(PTH);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strncmp(entry->d_name, "bad_", 4) != 0)
      continue;
    bytes b = slurp(entry->d_name);
    expect_refusal(entry->d_name, b.data, b.size);
    free(b.data);
    count++;
  }
  closedir(folder);
  ck_assert_int_ge(count, 70);
  ck_assert_int_ne(access("/tmp/recsys-was-here", F_OK), 0);
}
END_TEST

/* Each of these is refused for the reason that its name says. */
START_TEST(messages_say_why) {
  static const struct {
    const char *name;
    recsys_status status;
    const char *words;
  } table[] = {
      {"bad_os_system_zip.pth", RECSYS_EUNSUPPORTED, "asks for posix.system"},
      {"bad_os_system_old.pth", RECSYS_EUNSUPPORTED, "asks for posix.system"},
      {"bad_os_system_stack_global.pth", RECSYS_EUNSUPPORTED, "asks for os.system"},
      {"bad_strange_name.pth", RECSYS_EUNSUPPORTED, "asks for ?[31m.x"},
      {"bad_inst.pth", RECSYS_EUNSUPPORTED, "instruction 0x69"},
      {"bad_newobj.pth", RECSYS_EUNSUPPORTED, "instruction 0x81"},
      {"bad_deep_marks.pth", RECSYS_EFORMAT, "too deep"},
      {"bad_memo_huge.pth", RECSYS_EFORMAT, "memo index"},
      {"bad_memo_unmade.pth", RECSYS_EFORMAT, "never made"},
      {"bad_below_the_mark.pth", RECSYS_EFORMAT, "not there"},
      {"bad_text_huge.pth", RECSYS_EFORMAT, "string is longer"},
      {"bad_text_not_utf8.pth", RECSYS_EFORMAT, "not UTF-8"},
      {"bad_entry_is_int.pth", RECSYS_EUNSUPPORTED, "'epoch'"},
      {"bad_twice.pth", RECSYS_EFORMAT, "tensor 'a' twice"},
      {"bad_offset_beyond.pth", RECSYS_EFORMAT, "beyond its storage"},
      {"bad_stride_zero.pth", RECSYS_EFORMAT, "strides of a tensor overlap"},
      {"bad_strides_overlap.pth", RECSYS_EFORMAT, "strides of a tensor overlap"},
      {"bad_empty_overflow.pth", RECSYS_EFORMAT, "sizes are impossible"},
      {"bad_storage_kind.pth", RECSYS_EUNSUPPORTED, "torch.ComplexFloatStorage"},
      {"bad_storage_two_sizes.pth", RECSYS_EFORMAT, "two types or sizes"},
      {"bad_storage_huge.pth", RECSYS_EFORMAT, "not those that its pickle names"},
      {"bad_tail.pth", RECSYS_EFORMAT, "follows its last storage"},
      {"bad_amplified.pth", RECSYS_ELIMIT, "refused"},
      {"bad_big_endian.pth", RECSYS_EVERSION, "version of torch.save"},
      {"bad_protocol_0.pth", RECSYS_EFORMAT, "no file of torch.save"},
      {"bad_zip_compressed.pth", RECSYS_EUNSUPPORTED, "compressed"},
      {"bad_zip_no_pickle.pth", RECSYS_EFORMAT, "none that torch.save"},
      {"bad_zip_no_storage.pth", RECSYS_EFORMAT, "missing"},
      {"bad_zip_short_storage.pth", RECSYS_EFORMAT, "another size"},
      {"bad_zip_big_endian.pth", RECSYS_EUNSUPPORTED, "big-endian"},
      {"bad_zip_bit.pth", RECSYS_EFORMAT, "CRC-32"},
      {"bad_zip_comment.pth", RECSYS_EFORMAT, "no end record"},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    bytes b = slurp(table[i].name);
    pth file;
    recsys_error error;
    ck_assert_msg(pth_parse(&file, b.data, b.size, "x.pth", &error) == table[i].status, "%s: %s", table[i].name,
                  error.message);
    ck_assert_msg(strstr(error.message, table[i].words) != NULL, "%s: %s", table[i].name, error.message);
    free(b.data);
  }
}
END_TEST

START_TEST(every_truncation_is_refused) {
  bytes b = slurp(good[_i]);
  for (size_t n = 0; n < b.size; n++) {
    uint8_t *part = malloc(n > 0 ? n : 1);
    memcpy(part, b.data, n);
    expect_refusal("a truncated file", part, n);
    free(part);
  }
  free(b.data);
}
END_TEST

/* Any byte changed in one of three ways: read or refused, but nothing else. */
START_TEST(damage_does_no_harm) {
  bytes b = slurp(good[_i]);
  static const uint8_t masks[3] = {0x01, 0x80, 0xff};
  int refused = 0;
  for (size_t n = 0; n < b.size; n++) {
    pth file;
    b.data[n] ^= masks[n % 3];
    if (pth_parse(&file, b.data, b.size, "x.pth", NULL) != RECSYS_OK)
      refused++;
    pth_free(&file);
    b.data[n] ^= masks[n % 3];
  }
  ck_assert_int_gt(refused, 1000);
  free(b.data);
}
END_TEST

START_TEST(no_memory_leaves_nothing) {
  bytes b = slurp(good[_i]);
  size_t countdown = 1;
  for (;; countdown++) {
    pth file;
    recsys__fail_allocation(countdown, true);
    recsys_status status = pth_parse(&file, b.data, b.size, "x.pth", NULL);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK) {
      pth_free(&file);
      break;
    }
    ck_assert_int_eq(status, RECSYS_ENOMEM);
    ck_assert_ptr_null(file.storage);
  }
  ck_assert_uint_gt(countdown, 100);
  free(b.data);
}
END_TEST

static char output[64], names[64];

static void make_paths(void) {
  snprintf(output, sizeof output, "/tmp/test-pth-%d.safetensors", (int)getpid());
  snprintf(names, sizeof names, "/tmp/test-pth-%d.txt", (int)getpid());
}

static void remove_paths(void) {
  unlink(output);
  unlink(names);
}

static int run(const char *const *arguments) {
  char *argv[12] = {(char *)(uintptr_t) "convert"};
  int argc = 1;
  for (; arguments[argc - 1] != NULL; argc++)
    argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
  return recsys_cmd_convert(argc, argv);
}

START_TEST(command_writes_a_model_file) {
  FILE *file = fopen(names, "w");
  fputs("cat\r\ndog, \"small\"\n", file);
  fclose(file);
  const char *const arguments[] = {PTH "nested_zip.pth",
                                   output,
                                   "--architecture",
                                   "lenet5",
                                   "--recipe",
                                   "lenet",
                                   "--names",
                                   names,
                                   "--layer",
                                   "f6",
                                   NULL};
  ck_assert_int_eq(run(arguments), 0);
  recsys__tensors tensors;
  recsys_error error;
  ck_assert_msg(recsys__tensors_read(&tensors, output, &error) == RECSYS_OK, "%s", error.message);
  check_all(tensors.list, tensors.count);
  ck_assert_str_eq(recsys__tensors_metadata(&tensors, "recsys.architecture"), "lenet5");
  ck_assert_str_eq(recsys__tensors_metadata(&tensors, "recsys.recipe"), "lenet");
  ck_assert_str_eq(recsys__tensors_metadata(&tensors, "recsys.layer"), "f6");
  ck_assert_str_eq(recsys__tensors_metadata(&tensors, "recsys.class_names"), "[\"cat\",\"dog, \\\"small\\\"\"]");
  recsys__tensors_free(&tensors);
}
END_TEST

START_TEST(command_says_what_went_wrong) {
  const char *const hostile[] = {PTH "bad_os_system_zip.pth", output, NULL};
  ck_assert_int_eq(run(hostile), 1);
  ck_assert_int_ne(access(output, F_OK), 0);
  const char *const absent[] = {PTH "absent.pth", output, NULL};
  ck_assert_int_eq(run(absent), 1);
  const char *const nowhere[] = {PTH "good_zip.pth", "/nonexistent/x.safetensors", NULL};
  ck_assert_int_eq(run(nowhere), 1);
  const char *const no_names[] = {PTH "good_zip.pth", output, "--names", PTH "absent.txt", NULL};
  ck_assert_int_eq(run(no_names), 1);
  static const char *const wrong[][5] = {
      {"a", NULL}, {"a", "b", "c", NULL}, {"a", "b", "--names", NULL}, {"a", "b", "--frob", "x", NULL}};
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(run(wrong[i]), 2);
}
END_TEST

int main(void) {
  TCase *tests = tcase_create("pth");
  tcase_add_checked_fixture(tests, make_paths, remove_paths);
  tcase_add_loop_test(tests, torch_s_files_are_read, 0, 6);
  tcase_add_test(tests, python_2_s_files_are_read);
  tcase_add_test(tests, hostile_files_are_refused);
  tcase_add_test(tests, messages_say_why);
  tcase_add_loop_test(tests, every_truncation_is_refused, 0, 4);
  tcase_add_loop_test(tests, damage_does_no_harm, 0, 4);
  tcase_add_loop_test(tests, no_memory_leaves_nothing, 0, 2);
  tcase_add_test(tests, command_writes_a_model_file);
  tcase_add_test(tests, command_says_what_went_wrong);
  Suite *suite = suite_create("pth");
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
