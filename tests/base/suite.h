/* What every suite of this folder needs: a main function's worth of Check, and a folder of its own for files. */
#ifndef TESTS_BASE_SUITE_H
#define TESTS_BASE_SUITE_H

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* set_up and tear_down surround each test; NULL: none. */
static inline int run_suite_with(const char *name, const TTest *const *tests, size_t count, void (*set_up)(void),
                                 void (*tear_down)(void)) {
  Suite *suite = suite_create(name);
  TCase *tcase = tcase_create(name);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  for (size_t i = 0; i < count; i++) {
    tcase_add_test(tcase, tests[i]);
  }
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner) + (srunner_ntests_run(runner) == 0);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}

static inline int run_suite(const char *name, const TTest *const *tests, size_t count) {
  return run_suite_with(name, tests, count, NULL, NULL);
}

/* An empty folder; removed, with its files, by remove_folder. */
static inline char *make_folder(void) {
  const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
  char path[512];
  snprintf(path, sizeof path, "%s/recsys-test-XXXXXX", base);
  ck_assert_ptr_nonnull(mkdtemp(path));
  return strdup(path);
}

static inline const char *path_in(const char *folder, const char *name) {
  static char paths[8][1024];
  static int next;
  next = (next + 1) % 8;
  snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
  return paths[next];
}

/* How many entries a folder has. */
static inline int count_files(const char *folder) {
  int count = 0;
  DIR *dir = opendir(folder);
  ck_assert_ptr_nonnull(dir);
  for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  }
  closedir(dir);
  return count;
}

static inline void remove_folder(char *folder) {
  DIR *dir = opendir(folder);
  for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL; entry = readdir(dir)) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      remove(path_in(folder, entry->d_name));
    }
  }
  if (dir != NULL) {
    closedir(dir);
  }
  rmdir(folder);
  free(folder);
}

static inline void write_file(const char *path, const void *data, size_t n) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, n, file), n);
  ck_assert_int_eq(fclose(file), 0);
}

/* The bytes of a file; freed with free. */
static inline char *read_file(const char *path, size_t *n) {
  struct stat info;
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(fstat(fileno(file), &info), 0);
  *n = (size_t)info.st_size;
  char *data = malloc(*n + 1);
  ck_assert_ptr_nonnull(data);
  ck_assert_uint_eq(fread(data, 1, *n, file), *n);
  data[*n] = '\0';
  fclose(file);
  return data;
}

#endif
