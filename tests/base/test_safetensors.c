/* safetensors: the corpus of make_corpus.py (written by Python's json and struct), the library's own files byte by
 * byte, and every failure of memory and of the operating system. */
#include "base/file.h"
#include "base/memory.h"
#include "base/safetensors.h"
#include "suite.h"

#include <errno.h>

#define CORPUS TESTS_DIR "/base/corpus_safetensors"

static char *folder;

static void set_up(void) {
  folder = make_folder();
}

static void tear_down(void) {
  recsys__fail_file(0, 0);
  recsys__fail_allocation(0, false);
  remove_folder(folder);
}

static recsys_status status_named(const char *file) {
  static const struct {
    const char *prefix;
    recsys_status status;
  } all[] = {{"ok_", RECSYS_OK},
             {"EFORMAT_", RECSYS_EFORMAT},
             {"EUNSUPPORTED_", RECSYS_EUNSUPPORTED},
             {"ELIMIT_", RECSYS_ELIMIT}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (strncmp(file, all[i].prefix, strlen(all[i].prefix)) == 0) {
      return all[i].status;
    }
  }
  ck_abort_msg("%s: its name says no status", file);
  return RECSYS_EINTERNAL;
}

/* From the file and from memory: the same status, and the same tensors. */
static void check_file(const char *name) {
  const char *path = path_in(CORPUS, name);
  recsys_status expected = status_named(name);
  recsys__tensors read, parsed;
  recsys_error error, second;
  size_t n;
  char *bytes = read_file(path, &n);
  recsys_status status = recsys__tensors_read(&read, path, &error);
  ck_assert_msg(status == expected, "%s: %d %s", name, status, error.message);
  status = recsys__tensors_parse(&parsed, bytes, n, path, &second);
  ck_assert_msg(status == expected, "%s from memory: %d %s", name, status, second.message);
  ck_assert_uint_eq(read.count, parsed.count);
  if (expected != RECSYS_OK) {
    ck_assert_str_eq(error.message, second.message);
    ck_assert(read.list == NULL && read.metadata == NULL && read.storage == NULL && read.count == 0);
  }
  for (size_t i = 0; i < read.count; i++) {
    ck_assert_str_eq(read.list[i].name, parsed.list[i].name);
    ck_assert_uint_eq(read.list[i].bytes, parsed.list[i].bytes);
    ck_assert_uint_eq((uintptr_t)read.list[i].data % recsys__dtype_size(read.list[i].dtype), 0);
    ck_assert_int_eq(memcmp(read.list[i].data, parsed.list[i].data, read.list[i].bytes), 0);
  }
  recsys__tensors_free(&read);
  recsys__tensors_free(&parsed);
  free(bytes);
}

START_TEST(corpus) {
  DIR *dir = opendir(CORPUS);
  int count = 0;
  ck_assert_ptr_nonnull(dir);
  for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    if (entry->d_name[0] != '.') {
      check_file(entry->d_name);
      count++;
    }
  }
  closedir(dir);
  ck_assert_int_ge(count, 65);
}
END_TEST

static void open_corpus(recsys__tensors *tensors, const char *name) {
  recsys_error error;
  ck_assert_msg(recsys__tensors_read(tensors, path_in(CORPUS, name), &error) == RECSYS_OK, "%s", error.message);
}

START_TEST(values) {
  recsys__tensors t;
  open_corpus(&t, "ok_one.bin");
  const recsys__tensor *w = recsys__tensors_find(&t, "w");
  static const float floats[6] = {1.5f, -2.0f, 3.25f, 0.0f, 1e-3f, 7.0f};
  ck_assert_ptr_nonnull(w);
  ck_assert(w->dtype == RECSYS__F32 && w->rank == 2 && w->shape[0] == 2 && w->shape[1] == 3 && w->bytes == 24);
  ck_assert_mem_eq(w->data, floats, sizeof floats);
  ck_assert_uint_eq((uintptr_t)w->data % 64, 0);
  ck_assert_ptr_null(recsys__tensors_find(&t, "W"));
  ck_assert_ptr_null(recsys__tensors_metadata(&t, "w"));
  recsys__tensors_free(&t);

  open_corpus(&t, "ok_metadata.bin");
  ck_assert_uint_eq(t.metadata_count, 2);
  ck_assert_str_eq(recsys__tensors_metadata(&t, "architecture"), "vgg16");
  ck_assert_str_eq(recsys__tensors_metadata(&t, "schön"), "日本 \"x\" \\ \n");
  recsys__tensors_free(&t);

  open_corpus(&t, "ok_scalar.bin");
  int64_t five;
  ck_assert_uint_eq(t.list[0].rank, 0);
  memcpy(&five, t.list[0].data, sizeof five);
  ck_assert_int_eq(five, -5);
  recsys__tensors_free(&t);

  open_corpus(&t, "ok_not_in_order.bin"); /* in file order, whatever the header's */
  ck_assert_str_eq(t.list[0].name, "y");
  ck_assert_float_eq(*(const float *)t.list[0].data, 1);
  ck_assert_str_eq(t.list[1].name, "z");
  ck_assert_float_eq(*(const float *)t.list[1].data, 2);
  recsys__tensors_free(&t);
}
END_TEST

START_TEST(values_at_odd_places) {
  recsys__tensors t;
  open_corpus(&t, "ok_odd_places.bin");
  ck_assert_mem_eq(t.list[0].data, "abc", 3);
  ck_assert_float_eq(((const float *)t.list[1].data)[0], 1.25f);
  ck_assert_float_eq(((const float *)t.list[1].data)[1], -8.0f);
  ck_assert_double_eq(*(const double *)t.list[2].data, 1e300);
  recsys__tensors_free(&t);

  open_corpus(&t, "ok_all_dtypes.bin");
  ck_assert_uint_eq(t.count, 8);
  ck_assert_double_eq(*(const double *)recsys__tensors_find(&t, "f64")->data, 2.5);
  ck_assert_int_eq(*(const int64_t *)recsys__tensors_find(&t, "i64")->data, INT64_C(1) << 40);
  ck_assert_float_eq(*(const float *)recsys__tensors_find(&t, "f32")->data, 0.5f);
  ck_assert_int_eq(*(const int32_t *)recsys__tensors_find(&t, "i32")->data, -7);
  ck_assert_uint_eq(*(const uint16_t *)recsys__tensors_find(&t, "f16")->data,
                    0x3E00); /* 1.5: sign 0, exponent 15, 1/2 */
  ck_assert_uint_eq(*(const uint16_t *)recsys__tensors_find(&t, "bf16")->data, 0x3FC0);
  ck_assert_uint_eq(*(const uint8_t *)recsys__tensors_find(&t, "u8")->data, 255);
  ck_assert_int_eq(*(const int8_t *)recsys__tensors_find(&t, "i8")->data, -128);
  recsys__tensors_free(&t);
}
END_TEST

START_TEST(messages_name_the_kind) {
  static const char *const cases[][2] = {{"EFORMAT_pickle.bin", "a pickle"},
                                         {"EFORMAT_zip.bin", "recsys convert"},
                                         {"EFORMAT_lfs.bin", "git lfs pull"},
                                         {"EFORMAT_html.bin", "a web page"},
                                         {"EFORMAT_html_lower.bin", "a web page"},
                                         {"EFORMAT_hdf5.bin", "HDF5"},
                                         {"EFORMAT_gzip.bin", "gzip"},
                                         {"EFORMAT_gguf.bin", "GGUF"},
                                         {"EFORMAT_json_index.bin", "JSON text"},
                                         {"EFORMAT_empty_file.bin", "empty"},
                                         {"EFORMAT_7_bytes.bin", "too short"},
                                         {"EFORMAT_truncated_header.bin", "truncated"},
                                         {"EFORMAT_truncated_data.bin", "truncated, 1 bytes"},
                                         {"EFORMAT_trailing_byte.bin", "follow the last tensor"},
                                         {"EFORMAT_duplicate_name.bin", "duplicate"},
                                         {"EFORMAT_not_utf8.bin", "decode byte 0xff"},
                                         {"EFORMAT_overlap.bin", "tensor 'b'"},
                                         {"EFORMAT_overflow_to_0.bin", "tensor 'w'"},
                                         {"EFORMAT_negative_size.bin", "not made of whole numbers"},
                                         {"EUNSUPPORTED_f8.bin", "F8_E4M3"},
                                         {"EFORMAT_noise.bin", "length of a header"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    recsys__tensors t;
    recsys_error error;
    recsys__tensors_read(&t, path_in(CORPUS, cases[i][0]), &error);
    ck_assert_msg(strstr(error.message, cases[i][1]) != NULL, "%s: %s", cases[i][0], error.message);
  }
  recsys__tensors t;
  recsys_error error;
  ck_assert_int_eq(recsys__tensors_read(&t, path_in(folder, "no"), &error), RECSYS_ENOTFOUND);
  ck_assert_int_eq(recsys__tensors_read(&t, NULL, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__tensors_read(&t, folder, &error), RECSYS_EFORMAT);
  recsys__tensors_free(&t);
}
END_TEST

START_TEST(every_truncation) {
  size_t n;
  char *whole = read_file(path_in(CORPUS, "ok_metadata.bin"), &n);
  const char *path = path_in(folder, "cut");
  for (size_t length = 0; length < n; length++) {
    recsys__tensors t;
    recsys_error error;
    char *cut = malloc(length > 0 ? length : 1); /* of exactly this length, for AddressSanitizer */
    memcpy(cut, whole, length);
    ck_assert_int_eq(recsys__tensors_parse(&t, cut, length, "cut", &error), RECSYS_EFORMAT);
    write_file(path, cut, length);
    ck_assert_int_eq(recsys__tensors_read(&t, path, &error), RECSYS_EFORMAT);
    free(cut);
  }
  free(whole);
}
END_TEST

/* A header of `n` bytes: `start`, then `unit` as often as it fits, then `end`, padded with spaces. */
static recsys_status try_long_header(size_t n, const char *start, const char *unit, const char *end, size_t data) {
  char *file = calloc(8 + n + data, 1);
  size_t length = strlen(start), unit_length = strlen(unit);
  uint64_t word = n;
  ck_assert_ptr_nonnull(file);
  memcpy(file, &word, 8);
  memcpy(file + 8, start, length);
  while (length + unit_length + strlen(end) <= n) {
    memcpy(file + 8 + length, unit, unit_length);
    length += unit_length;
  }
  memset(file + 8 + length, ' ', n - length);
  memcpy(file + 8 + length, end, strlen(end));
  recsys__tensors t;
  recsys_status status = recsys__tensors_parse(&t, file, 8 + n + data, "long", NULL);
  recsys__tensors_free(&t);
  free(file);
  return status;
}

START_TEST(limits) {
  /* 7,500,000 numbers would take half a gigabyte in a JSON parser. */
  ck_assert_int_eq(try_long_header(15000000, "{\"w\":[1", ",1", "]}", 0), RECSYS_ELIMIT);
  ck_assert_int_eq(try_long_header(8000000, "{\"w\":[1", ",[]", "]}", 0), RECSYS_ELIMIT);
  /* Quotes hide what is no structure, and an escaped quote does not end them. */
  ck_assert_int_eq(try_long_header(8000000, "{\"__metadata__\":{\"k\\\"\":\"", "[{,\\\"", "\"}}", 0), RECSYS_OK);
  ck_assert_int_eq(try_long_header(4000000, "{", "  ", "}", 0), RECSYS_OK);
}
END_TEST

START_TEST(too_many_tensors) {
  recsys__tensor *list = calloc(100001, sizeof *list);
  char *names = calloc(100001, 8);
  recsys_error error;
  const char *path = path_in(folder, "many");
  for (size_t i = 0; i < 100001; i++) {
    sprintf(names + 8 * i, "t%zu", i);
    list[i] = (recsys__tensor){
        .name = names + 8 * i, .dtype = RECSYS__U8, .rank = 1, .data = names + 8 * i, .shape = {1}, .bytes = 1};
  }
  ck_assert_int_eq(recsys__tensors_write(path, list, 100001, NULL, 0, &error), RECSYS_ELIMIT);
  ck_assert_int_eq(recsys__tensors_write(path, list, 100000, &(struct recsys__metadata){"k", "v"}, 1, &error),
                   RECSYS_OK);
  recsys__tensors t;
  ck_assert_int_eq(recsys__tensors_read(&t, path, &error), RECSYS_OK);
  ck_assert_uint_eq(t.count, 100000);
  recsys__tensors_free(&t);

  size_t n;
  char *bytes = read_file(path, &n), *more = malloc(n + 100);
  uint64_t header;
  memcpy(&header, bytes, 8);
  const char *extra = "{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},";
  uint64_t longer = header - 1 + strlen(extra);
  memcpy(more, &longer, 8);
  memcpy(more + 8, extra, strlen(extra));
  memcpy(more + 8 + strlen(extra), bytes + 9, n - 9);
  ck_assert_int_eq(recsys__tensors_parse(&t, more, n - 1 + strlen(extra), "more", &error), RECSYS_ELIMIT);
  free(bytes);
  free(more);
  free(names);
  free(list);
}
END_TEST

static const float four[4] = {1, 2, 3, 4};
static const uint16_t halves[3] = {1, 2, 3};
static const recsys__tensor sample[] = {
    {.name = "b", .dtype = RECSYS__F16, .rank = 1, .shape = {3}, .data = halves, .bytes = 6},
    {.name = "z", .dtype = RECSYS__F32, .rank = 2, .shape = {2, 2}, .data = four, .bytes = 16},
    {.name = "a\"\\\x01", .dtype = RECSYS__F32, .rank = 0, .data = four, .bytes = 4},
    {.name = "empty", .dtype = RECSYS__F64, .rank = 2, .shape = {0, 5}, .data = NULL, .bytes = 0}};
static const struct recsys__metadata words[] = {{"format", "pt"}, {"text", "line\nä"}};

/* By hand from the format's README: falling element size, then name; spaces up to a multiple of 8. */
START_TEST(written_bytes) {
  static const char header[] = "{\"__metadata__\":{\"format\":\"pt\",\"text\":\"line\\u000aä\"},"
                               "\"empty\":{\"dtype\":\"F64\",\"shape\":[0,5],\"data_offsets\":[0,0]},"
                               "\"a\\\"\\\\\\u0001\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                               "\"z\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[4,20]},"
                               "\"b\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[20,26]}}";
  const char *path = path_in(folder, "out");
  recsys_error error;
  ck_assert_int_eq(recsys__tensors_write(path, sample, 4, words, 2, &error), RECSYS_OK);
  size_t n, length = sizeof header - 1, padded = (length + 7) / 8 * 8;
  char *bytes = read_file(path, &n);
  uint64_t word;
  memcpy(&word, bytes, 8);
  ck_assert_uint_eq(word, padded);
  ck_assert_uint_eq(n, 8 + padded + 26);
  ck_assert_mem_eq(bytes + 8, header, length);
  for (size_t i = length; i < padded; i++) {
    ck_assert_int_eq(bytes[8 + i], ' ');
  }
  ck_assert_mem_eq(bytes + 8 + padded, four, 4);
  ck_assert_mem_eq(bytes + 8 + padded + 4, four, 16);
  ck_assert_mem_eq(bytes + 8 + padded + 20, halves, 6);
  free(bytes);

  recsys__tensors t;
  ck_assert_int_eq(recsys__tensors_read(&t, path, &error), RECSYS_OK);
  ck_assert_uint_eq(t.count, 4);
  ck_assert_mem_eq(recsys__tensors_find(&t, "z")->data, four, 16);
  ck_assert_str_eq(recsys__tensors_metadata(&t, "text"), "line\nä");
  recsys__tensors_free(&t);
  ck_assert_int_eq(recsys__tensors_write(path, NULL, 0, NULL, 0, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__tensors_read(&t, path, &error), RECSYS_OK);
  ck_assert_uint_eq(t.count, 0);
  recsys__tensors_free(&t);
}
END_TEST

START_TEST(impossible_tensors_are_not_written) {
  recsys__tensor bad[9];
  const char *path = path_in(folder, "out");
  recsys_error error;
  for (int i = 0; i < 9; i++) {
    bad[i] = sample[1];
  }
  bad[0].name = NULL;
  bad[1].name = "\xFF";
  bad[2].name = "__metadata__";
  bad[3].dtype = 0;
  bad[4].dtype = RECSYS__I8 + 1;
  bad[5].rank = RECSYS__MAX_RANK + 1;
  bad[6].bytes = 15;
  bad[7].data = NULL;
  bad[8].shape[0] = UINT64_MAX;
  for (int i = 0; i < 9; i++) {
    ck_assert_msg(recsys__tensors_write(path, &bad[i], 1, NULL, 0, &error) == RECSYS_EINVAL, "case %d", i);
  }
  recsys__tensor twice[2] = {sample[0], sample[1]};
  twice[0].name = "z"; /* of another dtype, so not beside it in the file */
  ck_assert_int_eq(recsys__tensors_write(path, twice, 2, NULL, 0, &error), RECSYS_EINVAL);
  const struct recsys__metadata same[2] = {{"a", "1"}, {"a", "2"}}, none[1] = {{"a", NULL}}, wrong[1] = {{"\xC3", "x"}};
  ck_assert_int_eq(recsys__tensors_write(path, sample, 4, same, 2, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__tensors_write(path, sample, 4, none, 1, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__tensors_write(path, sample, 4, wrong, 1, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__tensors_write(NULL, sample, 4, NULL, 0, &error), RECSYS_EINVAL);
  ck_assert_int_eq(count_files(folder), 0);
}
END_TEST

START_TEST(every_allocation_fails_once) {
  const char *path = path_in(folder, "out");
  recsys_error error;
  size_t failures[2] = {0, 0};
  for (size_t n = 1; n < 1000; n++) {
    recsys__fail_allocation(n, true);
    recsys_status status = recsys__tensors_write(path, sample, 4, words, 2, &error);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK) {
      break;
    }
    ck_assert_int_eq(status, RECSYS_ENOMEM);
    failures[0]++;
  }
  ck_assert_int_eq(count_files(folder), 1);
  for (size_t n = 1; n < 1000; n++) {
    recsys__tensors t;
    recsys__fail_allocation(n, true);
    recsys_status status = recsys__tensors_read(&t, path_in(CORPUS, "ok_odd_places.bin"), &error);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK) {
      recsys__tensors_free(&t);
      break;
    }
    ck_assert_int_eq(status, RECSYS_ENOMEM);
    ck_assert(t.storage == NULL && t.list == NULL && t.count == 0);
    failures[1]++;
  }
  ck_assert_uint_ge(failures[0], 5);
  ck_assert_uint_ge(failures[1], 8);
}
END_TEST

START_TEST(every_system_call_fails_once) {
  const char *path = path_in(folder, "out");
  recsys_error error;
  recsys__tensors t;
  write_file(path, "old", 3);
  recsys__fail_file(0, 0);
  ck_assert_int_eq(recsys__tensors_write(path_in(folder, "count"), sample, 4, words, 2, &error), RECSYS_OK);
  size_t writes = recsys__fail_file(0, 0);
  ck_assert_uint_eq(writes, 9); /* create; length, header, three tensors; fsync, rename, fsync */
  for (size_t n = 1; n <= writes; n++) {
    recsys__fail_file(n, ENOSPC);
    ck_assert_int_eq(recsys__tensors_write(path, sample, 4, words, 2, &error), RECSYS_EFULL);
    recsys__fail_file(0, 0);
    ck_assert_int_eq(recsys__tensors_read(&t, path, &error), n < writes ? RECSYS_EFORMAT : RECSYS_OK);
    ck_assert_int_eq(count_files(folder), 2);
  }
  recsys__tensors_free(&t);
  for (size_t n = 1; n <= 4; n++) { /* open; start, header, tensors */
    recsys__fail_file(n, EIO);
    ck_assert_int_eq(recsys__tensors_read(&t, path, &error), RECSYS_EIO);
    ck_assert_ptr_null(t.storage);
  }
}
END_TEST

/* A sparse file that says it holds 1 TiB is refused before memory is asked for. */
START_TEST(huge_files) {
  static const char header[] =
      "{\"w\":{\"dtype\":\"U8\",\"shape\":[1099511627776],\"data_offsets\":[0,1099511627776]}}";
  const char *path = path_in(folder, "huge");
  uint64_t n = sizeof header - 1;
  char start[8 + sizeof header];
  recsys__tensors t;
  recsys_error error;
  memcpy(start, &n, 8);
  memcpy(start + 8, header, sizeof header);
  write_file(path, start, 8 + n);
  ck_assert_int_eq(recsys__tensors_read(&t, path, &error), RECSYS_EFORMAT);
  if (truncate(path, (off_t)(8 + n + (UINT64_C(1) << 40))) == 0) {
    ck_assert_int_eq(recsys__tensors_read(&t, path, &error), RECSYS_ELIMIT);
  }
}
END_TEST

/* A header of 100,000,001 bytes that is really there, in a sparse file, is not even read. */
START_TEST(header_limit) {
  const char *path = path_in(folder, "long");
  recsys__tensors t;
  recsys_error error;
  write_file(path, "\x01\xe1\xf5\x05\0\0\0\0{}", 10);
  ck_assert_int_eq(truncate(path, 8 + 100000001), 0);
  recsys__fail_allocation(0, false);
  ck_assert_int_eq(recsys__tensors_read(&t, path, &error), RECSYS_EFORMAT);
  ck_assert_ptr_nonnull(strstr(error.message, "at most 100000000"));
  ck_assert_uint_eq(recsys__fail_allocation(0, false), 1); /* nothing for the header */
}
END_TEST

START_TEST(real_weights) {
  recsys__tensors t;
  recsys_error error;
  const char *path = SHARED_DATA_DIR "/weights/googlenet.safetensors";
  if (access(path, R_OK) != 0) {
    printf("skipped: no %s\n", path);
    return;
  }
  ck_assert_msg(recsys__tensors_read(&t, path, &error) == RECSYS_OK, "%s", error.message);
  uint64_t parameters = 0;
  for (size_t i = 0; i < t.count; i++) {
    ck_assert_int_eq(t.list[i].dtype, RECSYS__F32);
    parameters += t.list[i].bytes / 4;
  }
  ck_assert_uint_eq(parameters, 6998552); /* its README */
  recsys__tensors_free(&t);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {corpus,
                                values,
                                values_at_odd_places,
                                messages_name_the_kind,
                                every_truncation,
                                limits,
                                too_many_tensors,
                                written_bytes,
                                impossible_tensors_are_not_written,
                                every_allocation_fails_once,
                                every_system_call_fails_once,
                                huge_files,
                                header_limit,
                                real_weights};
  return run_suite_with("safetensors", tests, sizeof tests / sizeof tests[0], set_up, tear_down);
}
