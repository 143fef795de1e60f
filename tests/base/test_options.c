/* Option structs of older and newer callers, and algorithm strings. */
#include "base/memory.h"
#include "base/options.h"
#include "suite.h"

#include <math.h>

typedef struct options {
  uint32_t struct_size, a;
  double b;
  uint64_t c;
} options;

START_TEST(structs_of_any_version) {
  options ours;
  recsys_error error;
  memset(&ours, 0xAA, sizeof ours);
  ck_assert_int_eq(recsys__options_copy(&ours, sizeof ours, NULL, "the options", &error), RECSYS_OK);
  ck_assert(ours.struct_size == sizeof ours && ours.a == 0 && ours.b == 0 && ours.c == 0);

  options same = {sizeof same, 1, 2.5, 3};
  ck_assert_int_eq(recsys__options_copy(&ours, sizeof ours, &same, "the options", &error), RECSYS_OK);
  ck_assert(ours.a == 1 && ours.b == 2.5 && ours.c == 3);

  options older = {offsetof(options, c), 1, 2.5, 99}; /* an older caller has no c: 99 is not to be looked at */
  ck_assert_int_eq(recsys__options_copy(&ours, sizeof ours, &older, "the options", &error), RECSYS_OK);
  ck_assert(ours.struct_size == sizeof ours && ours.a == 1 && ours.b == 2.5 && ours.c == 0);

  struct {
    options known;
    uint64_t more[3];
  } newer = {{sizeof newer, 1, 2.5, 3}, {0}};
  ck_assert_int_eq(recsys__options_copy(&ours, sizeof ours, &newer, "the options", &error), RECSYS_OK);
  ck_assert(ours.c == 3 && ours.struct_size == sizeof ours);
  ((unsigned char *)&newer)[sizeof newer - 1] = 1;
  ck_assert_int_eq(recsys__options_copy(&ours, sizeof ours, &newer, "the options", &error), RECSYS_EUNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(error.message, "the options"));
}
END_TEST

START_TEST(impossible_struct_sizes) {
  static const uint32_t sizes[] = {0, 1, 7, 65537, 0xAAAAAAAA, UINT32_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    options ours, theirs = {sizes[i], 1, 2, 3};
    recsys_error error;
    ck_assert_int_eq(recsys__options_copy(&ours, sizeof ours, &theirs, "recsys_x_options", &error), RECSYS_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.message, "recsys_x_options"));
  }
}
END_TEST

START_TEST(strings_are_parsed) {
  recsys__params p;
  recsys_error error;
  const char *text = " \tals  factors=64\nregularization=0.05 field=\"a \\\"b\\\\ ;=c\" empty=\"\" url=a=b/\xC3\xA4 ";
  ck_assert_int_eq(recsys__params_parse(&p, text, &error), RECSYS_OK);
  ck_assert_str_eq(p.name, "als");
  ck_assert_uint_eq(p.count, 5);
  ck_assert_str_eq(recsys__params_text(&p, "factors"), "64");
  ck_assert_str_eq(recsys__params_text(&p, "regularization"), "0.05");
  ck_assert_str_eq(recsys__params_text(&p, "field"), "a \"b\\ ;=c");
  ck_assert_str_eq(recsys__params_text(&p, "empty"), "");
  ck_assert_str_eq(recsys__params_text(&p, "url"), "a=b/\xC3\xA4");
  ck_assert_ptr_null(recsys__params_text(&p, "factor"));
  ck_assert_int_eq(recsys__params_finish(&p, "", &error), RECSYS_OK);
  recsys__params_free(&p);
  ck_assert_int_eq(recsys__params_parse(&p, "user-knn", &error), RECSYS_OK);
  ck_assert_str_eq(p.name, "user-knn");
  ck_assert_uint_eq(p.count, 0);
  recsys__params_free(&p);
  recsys__params_free(&p);
}
END_TEST

START_TEST(syntax_errors_name_the_place) {
  static const struct {
    const char *text, *part;
  } bad[] = {{"", "byte 1"},
             {"   ", "byte 4"},
             {"=5", "byte 1"},
             {"als 5=", "byte 7"},
             {"als =5", "byte 5"},
             {"als a", "byte 6"},
             {"als a =5", "byte 6"},
             {"als a=", "byte 7"},
             {"als a= b=1", "byte 7"},
             {"als a=\"x", "byte 9"},
             {"als a=\"x\\", "byte 10"},
             {"als a=\"x\\n\"", "byte 10"},
             {"als a=\"x\"y", "byte 10"},
             {"als a=x\"y\"", "byte 8"},
             {"als,b", "byte 4"},
             {"als; popular", "';' separates"},
             {"als a=1; popular", "';' separates"},
             {"als ; popular", "';' separates"},
             {"als a=1 b=2 a=3", "a is given twice"},
             {"als \xC3\xA4=1", "byte 5"},
             {"als a=\"\xFF\"", "UTF-8"},
             {"\"als\"", "byte 1"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    recsys__params p;
    recsys_error error;
    memset(&p, 0xAA, sizeof p);
    ck_assert_msg(recsys__params_parse(&p, bad[i].text, &error) == RECSYS_EINVAL, "%s", bad[i].text);
    ck_assert_msg(strstr(error.message, bad[i].part) != NULL, "%s: %s", bad[i].text, error.message);
    ck_assert(p.storage == NULL && p.list == NULL && p.count == 0 && p.name == NULL);
  }
  recsys__params p;
  ck_assert_int_eq(recsys__params_parse(&p, NULL, NULL), RECSYS_EINVAL);
}
END_TEST

START_TEST(too_many_parameters) {
  char text[8000] = "als";
  for (int i = 0; i < 257; i++) {
    sprintf(text + strlen(text), " p%d=%d", i, i);
  }
  recsys__params p;
  recsys_error error;
  ck_assert_int_eq(recsys__params_parse(&p, text, &error), RECSYS_EINVAL);
  *strrchr(text, ' ') = '\0';
  ck_assert_int_eq(recsys__params_parse(&p, text, &error), RECSYS_OK);
  ck_assert_uint_eq(p.count, 256);
  ck_assert_str_eq(recsys__params_text(&p, "p255"), "255");
  recsys__params_free(&p);
}
END_TEST

START_TEST(typed_values) {
  recsys__params p;
  recsys_error error;
  int64_t n = 7;
  double x = 0.5;
  int choice = 9;
  static const char *const metrics[] = {"cosine", "euclidean", NULL};
  ck_assert_int_eq(recsys__params_parse(&p, "visual n=40 x=1e-2 metric=euclidean bad=abc nan=nan", &error), RECSYS_OK);
  ck_assert_int_eq(recsys__params_int(&p, "absent", 1, 5, &n, &error), RECSYS_OK);
  ck_assert_int_eq(n, 7);
  ck_assert_int_eq(recsys__params_int(&p, "n", 40, 40, &n, &error), RECSYS_OK);
  ck_assert_int_eq(n, 40);
  ck_assert_int_eq(recsys__params_int(&p, "n", 41, 50, &n, &error), RECSYS_EINVAL);
  ck_assert_str_eq(error.message, "visual: n=40 must be a whole number from 41 to 50");
  ck_assert_int_eq(recsys__params_int(&p, "n", 1, 39, &n, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__params_int(&p, "x", 0, 39, &n, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__params_double(&p, "absent", 0, 1, &x, &error), RECSYS_OK);
  ck_assert_double_eq(x, 0.5);
  ck_assert_int_eq(recsys__params_double(&p, "x", 0, 1, &x, &error), RECSYS_OK);
  ck_assert_double_eq(x, 0.01);
  ck_assert_int_eq(recsys__params_double(&p, "x", 0.5, 1, &x, &error), RECSYS_EINVAL);
  ck_assert_str_eq(error.message, "visual: x=1e-2 must be a number from 0.5 to 1");
  ck_assert_int_eq(recsys__params_double(&p, "nan", -INFINITY, INFINITY, &x, &error), RECSYS_EINVAL);
  ck_assert_int_eq(recsys__params_double(&p, "bad", -INFINITY, INFINITY, &x, &error), RECSYS_EINVAL);
  ck_assert_double_eq(x, 0.01);
  ck_assert_int_eq(recsys__params_choice(&p, "absent", metrics, &choice, &error), RECSYS_OK);
  ck_assert_int_eq(choice, 9);
  ck_assert_int_eq(recsys__params_choice(&p, "metric", metrics, &choice, &error), RECSYS_OK);
  ck_assert_int_eq(choice, 1);
  ck_assert_int_eq(recsys__params_choice(&p, "bad", metrics, &choice, &error), RECSYS_EINVAL);
  ck_assert_str_eq(error.message, "visual: bad=abc must be one of: cosine, euclidean");
  recsys__params_free(&p);
}
END_TEST

START_TEST(unknown_parameters) {
  recsys__params p;
  recsys_error error;
  ck_assert_int_eq(recsys__params_parse(&p, "visual neighbours=4 neighbors=5", &error), RECSYS_OK);
  recsys__params_text(&p, "neighbours");
  ck_assert_int_eq(recsys__params_finish(&p, "neighbours, metric", &error), RECSYS_EINVAL);
  ck_assert_str_eq(error.message, "visual: there is no parameter neighbors; it takes neighbours, metric");
  recsys__params_text(&p, "neighbors");
  ck_assert_int_eq(recsys__params_finish(&p, "neighbours, metric", &error), RECSYS_OK);
  recsys__params_free(&p);
}
END_TEST

START_TEST(out_of_memory) {
  int failures = 0;
  for (size_t n = 1;; n++) {
    recsys__params p;
    recsys_error error;
    recsys__fail_allocation(n, false);
    recsys_status status = recsys__params_parse(&p, "a b=1 c=2 d=3 e=4 f=5 g=6 h=7 i=8 j=9 k=10", &error);
    recsys__fail_allocation(0, false);
    if (status == RECSYS_OK) {
      ck_assert_uint_eq(p.count, 10);
      recsys__params_free(&p);
      if (n > 3) { /* storage, list, larger list; growing may fall back from its third */
        break;
      }
      continue;
    }
    ck_assert_int_eq(status, RECSYS_ENOMEM);
    ck_assert(p.storage == NULL && p.list == NULL);
    failures++;
  }
  ck_assert_int_ge(failures, 1);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {structs_of_any_version, impossible_struct_sizes,
                                strings_are_parsed,     syntax_errors_name_the_place,
                                too_many_parameters,    typed_values,
                                unknown_parameters,     out_of_memory};
  return run_suite("options", tests, sizeof tests / sizeof tests[0]);
}
