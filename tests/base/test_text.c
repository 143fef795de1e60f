/* UTF-8, text into buffers, numbers in any locale, and the growing string. */
#include "base/memory.h"
#include "base/text.h"
#include "suite.h"

#include <locale.h>
#include <math.h>
#include <sys/wait.h>

START_TEST(utf8) {
  /* Unicode 15, table 3-7: the edges of each row, inside and outside; RFC 3629 section 4. */
  static const struct {
    const char *text;
    bool valid;
  } cases[] = {{"", true},
               {"plain", true},
               {"\x7F", true},
               {"\xC2\x80", true},
               {"\xDF\xBF", true},
               {"\xE0\xA0\x80", true},
               {"\xED\x9F\xBF", true},
               {"\xEE\x80\x80", true},
               {"\xEF\xBF\xBF", true},
               {"\xF0\x90\x80\x80", true},
               {"\xF4\x8F\xBF\xBF", true},
               {"a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z", true},
               {"\x80", false},
               {"\xBF", false},
               {"\xC0\x80", false},         /* overlong NUL */
               {"\xC1\xBF", false},         /* overlong */
               {"\xE0\x9F\xBF", false},     /* overlong */
               {"\xF0\x8F\xBF\xBF", false}, /* overlong */
               {"\xED\xA0\x80", false},     /* surrogate */
               {"\xED\xBF\xBF", false},     /* surrogate */
               {"\xF4\x90\x80\x80", false}, /* above U+10FFFF */
               {"\xF5\x80\x80\x80", false},
               {"\xFF", false},
               {"\xC3", false},
               {"\xE2\x82", false},
               {"\xF0\x9F\x98", false},
               {"\xE2\x82z", false},
               {"\xC3(", false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    ck_assert_msg(recsys__utf8_valid(cases[i].text, strlen(cases[i].text)) == cases[i].valid, "case %zu", i);
  }
  ck_assert(!recsys__utf8_valid("a\0b", 3));
  char text[] = "ok \xC3\xA4 \xED\xA0\x80 \x01\x7F end\xE2";
  recsys__utf8_clean(text);
  ck_assert_str_eq(text, "ok \xC3\xA4 ??? ?? end?");
}
END_TEST

START_TEST(cutting) {
  const char *text = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* characters at 0, 1, 3, 6, 10 */
  static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
  for (size_t limit = 0; limit <= 11; limit++) {
    ck_assert_uint_eq(recsys__utf8_cut(text, limit), expected[limit]);
  }
  ck_assert_uint_eq(recsys__utf8_cut("\x80\x80\x80\x80\x80", 5), 5); /* no UTF-8: no better place */
}
END_TEST

START_TEST(filling) {
  char buffer[8];
  size_t length = 99;
  recsys__fill(buffer, sizeof buffer, &length, "abc", 3);
  ck_assert_str_eq(buffer, "abc");
  ck_assert_uint_eq(length, 3);
  recsys__fill(buffer, 4, &length, "abc", 3);
  ck_assert_str_eq(buffer, "abc");
  recsys__fill(buffer, 3, &length, "abc", 3);
  ck_assert_str_eq(buffer, "ab");
  ck_assert_uint_eq(length, 3);
  recsys__fill(buffer, 3, &length, "a\xC3\xA4", 3);
  ck_assert_str_eq(buffer, "a");
  buffer[0] = 'q';
  recsys__fill(buffer, 0, &length, "abc", 3);
  ck_assert_int_eq(buffer[0], 'q');
  recsys__fill(NULL, 0, &length, "abcd", 4);
  ck_assert_uint_eq(length, 4);
  recsys__fill(buffer, 1, NULL, "abc", 3);
  ck_assert_str_eq(buffer, "");
  recsys__fill(buffer, sizeof buffer, &length, NULL, 0);
  ck_assert_str_eq(buffer, "");
}
END_TEST

START_TEST(doubles) {
  static const struct {
    const char *text;
    double value;
  } good[] = {{"0", 0},     {"1.5", 1.5},  {"-2.25e3", -2250},     {"+4", 4},
              {".5", .5},   {"5.", 5},     {"1e-3", 1e-3},         {"1E+2", 100},
              {"0.1", 0.1}, {"1e-400", 0}, {"4.9e-324", 4.9e-324}, {"1.7976931348623157e308", 1.7976931348623157e308}};
  static const char *const bad[] = {"",    " 1",  "1 ",  "1,5",   "0x10", "1e",    "1e+",    "e5",    ".", "-",
                                    "--1", "inf", "nan", "1.2.3", "1f",   "1e400", "-1e999", "1_000", "١", "infinity"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    double value = -77;
    ck_assert_msg(recsys__parse_double(good[i].text, false, &value), "%s", good[i].text);
    ck_assert_msg(value == good[i].value, "%s", good[i].text);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    double value = -77;
    ck_assert_msg(!recsys__parse_double(bad[i], false, &value) && value == -77, "%s", bad[i]);
  }
  double value;
  ck_assert(recsys__parse_double("-inf", true, &value) && isinf(value) && value < 0);
  ck_assert(recsys__parse_double("Infinity", true, &value) && isinf(value) && value > 0);
  ck_assert(recsys__parse_double("NaN", true, &value) && isnan(value));
  ck_assert(!recsys__parse_double("nano", true, &value));
  ck_assert(!recsys__parse_double("1e400", true, &value));
  ck_assert(!recsys__parse_double(NULL, true, &value));
}
END_TEST

START_TEST(integers) {
  int64_t i = 5;
  uint64_t u = 5;
  ck_assert(recsys__parse_int64("-9223372036854775808", &i) && i == INT64_MIN);
  ck_assert(recsys__parse_int64("9223372036854775807", &i) && i == INT64_MAX);
  ck_assert(recsys__parse_int64("+12", &i) && i == 12);
  ck_assert(recsys__parse_int64("-0", &i) && i == 0);
  ck_assert(recsys__parse_uint64("18446744073709551615", &u) && u == UINT64_MAX);
  ck_assert(recsys__parse_uint64("007", &u) && u == 7);
  static const char *const bad[] = {"",
                                    "-",
                                    "+",
                                    "--5",
                                    "+-5",
                                    " 5",
                                    "5 ",
                                    "5.0",
                                    "1e3",
                                    "0x5",
                                    "9223372036854775808",
                                    "-9223372036854775809",
                                    "99999999999999999999999"};
  for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
    i = 5;
    ck_assert_msg(!recsys__parse_int64(bad[n], &i) && i == 5, "%s", bad[n]);
  }
  static const char *const bad_unsigned[] = {"", "-1", "+1", "-0", "18446744073709551616", "1 "};
  for (size_t n = 0; n < sizeof bad_unsigned / sizeof bad_unsigned[0]; n++) {
    u = 5;
    ck_assert_msg(!recsys__parse_uint64(bad_unsigned[n], &u) && u == 5, "%s", bad_unsigned[n]);
  }
  ck_assert(!recsys__parse_int64(NULL, &i) && !recsys__parse_uint64(NULL, &u));
}
END_TEST

START_TEST(strings_grow) {
  recsys__string s = {0};
  char expected[6001] = "";
  for (int i = 0; i < 1000; i++) {
    recsys__string_printf(&s, "%03d", i);
    recsys__string_append(&s, "-");
    recsys__string_append_n(&s, "+xyz", 1);
    sprintf(expected + strlen(expected), "%03d-+", i);
  }
  ck_assert(!s.failed);
  ck_assert_str_eq(s.data, expected);
  ck_assert_uint_eq(s.length, strlen(expected));
  recsys__fail_allocation(1, true);
  char *long_text = calloc(20000, 1);
  memset(long_text, 'x', 19999);
  recsys__string_append(&s, long_text);
  recsys__fail_allocation(0, false);
  ck_assert(s.failed);
  recsys__string_append(&s, "more"); /* stays as it was */
  recsys__string_printf(&s, "%d", 5);
  ck_assert(s.failed);
  ck_assert_str_eq(s.data, expected);
  recsys__string_free(&s);
  ck_assert(s.data == NULL && !s.failed);
  free(long_text);
}
END_TEST

/* A process whose locale has a decimal comma. 0: right, 1: wrong, 77: no such locale can be made here. */
static int in_comma_locale(const char *folder) {
  char command[700], text[32];
  snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' > '%s/log' 2>&1", folder, folder);
  if (system(command) == -1) {
    return 77;
  }
  setenv("LOCPATH", folder, 1);
  if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
    return 77;
  }
  snprintf(text, sizeof text, "%.1f", 1.5);
  double value;
  recsys__string s = {0};
  recsys__string_printf(&s, "%.2f %g", 1.25, 0.5);
  bool good = strcmp(text, "1,5") == 0 && recsys__parse_double("1.5", false, &value) && value == 1.5 &&
              !recsys__parse_double("1,5", false, &value) && strcmp(s.data, "1.25 0.5") == 0;
  recsys__string_free(&s);
  snprintf(text, sizeof text, "%.1f", 1.5); /* the host's locale is as it was */
  return good && strcmp(text, "1,5") == 0 ? 0 : 1;
}

START_TEST(comma_locale) {
  char *folder = make_folder();
  pid_t child = fork();
  if (child == 0) {
    _exit(in_comma_locale(folder));
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  char command[600];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  ck_assert_int_eq(system(command), 0);
  free(folder);
  ck_assert(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    printf("skipped: no locale with a decimal comma can be made here (localedef, the locales package)\n");
    return;
  }
  ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {utf8, cutting, filling, doubles, integers, strings_grow, comma_locale};
  return run_suite("text", tests, sizeof tests / sizeof tests[0]);
}
