/* Statuses, messages, log messages and the version. */
#include "base/error.h"
#include "base/text.h"
#include "suite.h"

#include <errno.h>

START_TEST(fail_and_ok) {
  recsys_error error;
  memset(&error, 0xAA, sizeof error);
  ck_assert_int_eq(recsys__fail(&error, RECSYS_EFORMAT, 17, "cannot read '%s': %d", "a.jpg", 5), RECSYS_EFORMAT);
  ck_assert_int_eq(error.status, RECSYS_EFORMAT);
  ck_assert_int_eq(error.detail, 17);
  ck_assert_str_eq(error.message, "cannot read 'a.jpg': 5");
  /* The old message may be an argument of the new one. */
  recsys__fail(&error, RECSYS_EIO, 0, "batch: %s", error.message);
  ck_assert_str_eq(error.message, "batch: cannot read 'a.jpg': 5");
  ck_assert_int_eq(recsys__ok(&error), RECSYS_OK);
  ck_assert_int_eq(error.status, 0);
  ck_assert_int_eq(error.detail, 0);
  ck_assert_str_eq(error.message, "");
  ck_assert_int_eq(recsys__fail(NULL, RECSYS_EIO, 0, "%s", "nobody reads it"), RECSYS_EIO);
  ck_assert_int_eq(recsys__ok(NULL), RECSYS_OK);
}
END_TEST

START_TEST(messages_are_one_line_of_utf8) {
  recsys_error error;
  char text[600];
  for (size_t shift = 0; shift < 4; shift++) { /* every place of the cut within a character of 4 bytes */
    memset(text, 'x', shift);
    text[shift] = '\0';
    for (int i = 0; i < 100; i++) {
      strcat(text, "\xF0\x9F\x98\x80");
    }
    recsys__fail(&error, RECSYS_EINVAL, 0, "%s", text);
    size_t n = strlen(error.message);
    ck_assert_uint_ge(n, 244);
    ck_assert_uint_le(n, 247);
    ck_assert(recsys__utf8_valid(error.message, n));
    ck_assert_mem_eq(error.message, text, n);
  }
  recsys__fail(&error, RECSYS_EINVAL, 0, "'%s'", "a\xFF\x80z\nnew\x1b[31m \xC3\xA4 \xE2\x82");
  ck_assert_str_eq(error.message, "'a??z?new?[31m \xC3\xA4 ?"
                                  "?'");
}
END_TEST

START_TEST(errno_to_status) {
  static const struct {
    int errnum;
    const char *doing;
    recsys_status status;
  } cases[] = {{ENOENT, "open", RECSYS_ENOTFOUND},
               {ENOSPC, "write", RECSYS_EFULL},
               {EDQUOT, "write", RECSYS_EFULL},
               {EROFS, "write", RECSYS_EREADONLY},
               {EACCES, "write", RECSYS_EREADONLY},
               {EPERM, "rename a file to", RECSYS_EREADONLY},
               {EACCES, "open", RECSYS_EIO},
               {EPERM, "read", RECSYS_EIO},
               {EACCES, "read the folder of", RECSYS_EIO},
               {ENOMEM, "read", RECSYS_ENOMEM},
               {EIO, "read", RECSYS_EIO},
               {EMFILE, "open", RECSYS_EIO}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    recsys_error error;
    ck_assert_int_eq(recsys__fail_errno(&error, cases[i].errnum, cases[i].doing, "/a/b"), cases[i].status);
    ck_assert_int_eq(error.status, cases[i].status);
    ck_assert_int_eq(error.detail, cases[i].errnum);
    ck_assert_ptr_nonnull(strstr(error.message, "'/a/b'"));
    ck_assert_ptr_nonnull(strstr(error.message, cases[i].doing));
    ck_assert_ptr_nonnull(strstr(error.message, ": ")); /* and the system's reason */
  }
  recsys_error error;
  recsys__fail_errno(&error, ENOSPC, "write", "x");
  ck_assert_str_eq(error.message, "cannot write 'x': No space left on device; free some space");
  char long_path[1000]; /* the reason stays readable */
  memset(long_path, 'd', sizeof long_path);
  strcpy(long_path + 900, "/\xC3\xA4.jpg");
  recsys__fail_errno(&error, ENOSPC, "write", long_path);
  ck_assert_ptr_nonnull(strstr(error.message, "dd/\xC3\xA4.jpg': No space left on device; free some space"));
  ck_assert_int_eq(recsys__no_memory(&error, "the row of 4096 floats"), RECSYS_ENOMEM);
  ck_assert_ptr_nonnull(strstr(error.message, "the row of 4096 floats"));
}
END_TEST

typedef struct heard {
  int count, level;
  char message[2000];
} heard;

static void hear(void *user, int32_t level, const char *message) {
  heard *h = user;
  h->count++;
  h->level = level;
  strcpy(h->message, message);
}

START_TEST(log_messages) {
  heard h = {0};
  recsys__log log = {hear, &h};
  recsys__log_write(&log, RECSYS_LOG_WARNING, "%d rows\n", 3);
  ck_assert_int_eq(h.count, 1);
  ck_assert_int_eq(h.level, RECSYS_LOG_WARNING);
  ck_assert_str_eq(h.message, "3 rows?"); /* one line: a newline is shown as what it is not */
  char text[5000];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  recsys__log_write(&log, RECSYS_LOG_INFO, "%s", text);
  ck_assert_uint_eq(strlen(h.message), 1023);
  recsys__log nobody = {0};
  recsys__log_write(&nobody, RECSYS_LOG_ERROR, "%s", "x");
  recsys__log_write(NULL, RECSYS_LOG_ERROR, "%s", "x");
  ck_assert_int_eq(h.count, 2);
}
END_TEST

START_TEST(names_of_statuses) {
  static const struct {
    recsys_status status;
    const char *name;
  } names[] = {{0, "RECSYS_OK"},
               {-1, "RECSYS_EINVAL"},
               {-2, "RECSYS_ENOMEM"},
               {-3, "RECSYS_EIO"},
               {-4, "RECSYS_EFORMAT"},
               {-5, "RECSYS_EVERSION"},
               {-6, "RECSYS_EUNSUPPORTED"},
               {-7, "RECSYS_ELIMIT"},
               {-8, "RECSYS_ENOTFOUND"},
               {-9, "RECSYS_EBUSY"},
               {-10, "RECSYS_EREADONLY"},
               {-11, "RECSYS_EFULL"},
               {-12, "RECSYS_EMISMATCH"},
               {-13, "RECSYS_ECANCELLED"},
               {-14, "RECSYS_EPARTIAL"},
               {-15, "RECSYS_ENOENGINE"},
               {-16, "RECSYS_EENGINE"},
               {-17, "RECSYS_EFORKED"},
               {-18, "RECSYS_ENOTFITTED"},
               {-19, "RECSYS_EINTERNAL"},
               {-20, "unknown status"},
               {1, "RECSYS_NOTE_FALLBACK_POPULAR"},
               {2, "RECSYS_NOTE_SHORT"},
               {3, "unknown status"},
               {INT32_MIN, "unknown status"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    ck_assert_str_eq(recsys_status_name(names[i].status), names[i].name);
  }
  ck_assert_uint_eq(recsys_version(),
                    RECSYS_VERSION_MAJOR * 1000000 + RECSYS_VERSION_MINOR * 1000 + RECSYS_VERSION_PATCH);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {fail_and_ok, messages_are_one_line_of_utf8, errno_to_status, log_messages,
                                names_of_statuses};
  return run_suite("error", tests, sizeof tests / sizeof tests[0]);
}
