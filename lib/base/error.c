/* Statuses and messages: the only way in which the library reports that something went wrong. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

recsys_status recsys__ok(recsys_error *error) {
  if (error != NULL) {
    error->status = RECSYS_OK;
    error->detail = 0;
    error->message[0] = '\0';
  }
  return RECSYS_OK;
}

/* Formats, cuts on a character boundary, and makes one line of valid UTF-8 whatever bytes a path or a file brought. */
static void make_message(char *message, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
static void make_message(char *message, size_t size, const char *format, va_list arguments) {
  int length = recsys__format(message, size, format, arguments);
  if (length < 0) {
    message[0] = '\0';
  } else if ((size_t)length >= size) {
    message[recsys__utf8_cut(message, size - 1)] = '\0';
  }
  recsys__utf8_clean(message);
}

recsys_status recsys__fail(recsys_error *error, recsys_status status, int32_t detail, const char *format, ...) {
  if (error != NULL) {
    char message[sizeof error->message]; /* an argument may be the old message */
    va_list arguments;
    va_start(arguments, format);
    make_message(message, sizeof message, format, arguments);
    va_end(arguments);
    error->status = status;
    error->detail = detail;
    memcpy(error->message, message, strlen(message) + 1);
  }
  return status;
}

recsys_status recsys__no_memory(recsys_error *error, const char *what) {
  return recsys__fail(error, RECSYS_ENOMEM, 0, "no memory for %s; free some, or ask for less at a time", what);
}

/* "read", "read the folder of", "open": everything else is writing. */
static bool is_reading(const char *doing) {
  return strncmp(doing, "read", 4) == 0 || strcmp(doing, "open") == 0;
}

static recsys_status status_of(int errnum, const char *doing) {
  switch (errnum) {
  case ENOENT:
    return RECSYS_ENOTFOUND;
  case ENOSPC:
  case EDQUOT:
    return RECSYS_EFULL;
  case EROFS:
    return RECSYS_EREADONLY;
  case EACCES:
  case EPERM:
    return is_reading(doing) ? RECSYS_EIO : RECSYS_EREADONLY;
  case ENOMEM:
    return RECSYS_ENOMEM;
  default:
    return RECSYS_EIO;
  }
}

static const char *remedy(int errnum) {
  switch (errnum) {
  case ENOENT:
  case ENOTDIR:
  case ENAMETOOLONG:
  case ELOOP:
    return "; check the path";
  case ENOSPC:
  case EDQUOT:
    return "; free some space";
  case EROFS:
  case EACCES:
  case EPERM:
    return "; check the permissions of the file and its folder";
  case EMFILE:
  case ENFILE:
    return "; close some files or raise the limit";
  case ENOMEM:
    return "; free some memory";
  case EIO:
    return "; check the disk";
  default:
    return "";
  }
}

recsys_status recsys__fail_errno(recsys_error *error, int errnum, const char *doing, const char *path) {
  locale_t locale = recsys__c_locale();
  const char *reason = locale != (locale_t)0 ? strerror_l(errnum, locale) : "system error";
  return recsys__fail(error, status_of(errnum, doing), errnum, "cannot %s '%s': %s%s", doing, recsys__path_shown(path),
                      reason, remedy(errnum));
}

void recsys__log_write(const recsys__log *log, int32_t level, const char *format, ...) {
  if (log == NULL || log->fn == NULL) {
    return;
  }
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  make_message(message, sizeof message, format, arguments);
  va_end(arguments);
  log->fn(log->user, level, message);
}
