/* Messages, memory, texts and files for all subcommands. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "progress.h"
#include "table.h"

void say(const char *format, ...) {
  va_list arguments;
  char *message = NULL;
  va_start(arguments, format);
  int length = vasprintf(&message, format, arguments);
  va_end(arguments);
  char *clean = table_clean(length < 0 ? "out of memory" : message); /* file names can hold anything */
  progress_clear();
  fflush(stdout);
  fprintf(stderr, "recsys: %s\n", clean);
  free(clean);
  free(message);
}

int say_error(const recsys_error *error) {
  say("%s", error->message[0] ? error->message : recsys_status_name(error->status));
  return FAILED;
}

static void *there_or_end(void *memory) {
  if (!memory) {
    fputs("recsys: out of memory\n", stderr);
    exit(FAILED);
  }
  return memory;
}

void *need(size_t count, size_t size) {
  return there_or_end(calloc(count ? count : 1, size));
}

void *need_more(void *memory, size_t count, size_t size) {
  return there_or_end(reallocarray(memory, count ? count : 1, size));
}

char *need_copy(const char *string) {
  return string ? there_or_end(strdup(string)) : NULL;
}

char *need_text(const char *format, ...) {
  va_list arguments;
  char *string = NULL;
  va_start(arguments, format);
  int length = vasprintf(&string, format, arguments);
  va_end(arguments);
  return there_or_end(length < 0 ? NULL : string);
}

void text_add(textbuf *t, const char *bytes, size_t n) {
  if (t->length + n + 1 > t->capacity) {
    t->capacity = (t->length + n + 1) * 2;
    t->bytes = need_more(t->bytes, t->capacity, 1);
  }
  memcpy(t->bytes + t->length, bytes, n);
  t->length += n;
  t->bytes[t->length] = '\0';
}

void text_puts(textbuf *t, const char *string) {
  text_add(t, string, strlen(string));
}

void text_printf(textbuf *t, const char *format, ...) {
  va_list arguments;
  char *string = NULL;
  va_start(arguments, format);
  int length = vasprintf(&string, format, arguments);
  va_end(arguments);
  there_or_end(length < 0 ? NULL : string);
  text_add(t, string, (size_t)length);
  free(string);
}

static char *read_open_file(int file, size_t limit, size_t *size) {
  struct stat status;
  if (fstat(file, &status))
    return NULL;
  if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > limit) {
    errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
    return NULL;
  }
  char *bytes = need((size_t)status.st_size + 1, 1);
  *size = 0;
  while (*size < (size_t)status.st_size) {
    ssize_t n = read(file, bytes + *size, (size_t)status.st_size - *size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    *size += (size_t)n;
  }
  return bytes;
}

char *read_whole_file(const char *path, size_t limit, size_t *size) {
  int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0)
    return NULL;
  char *bytes = read_open_file(file, limit, size);
  int reason = errno;
  close(file);
  errno = reason;
  return bytes;
}

/* Length of the UTF-8 sequence at s (RFC 3629: shortest form, no surrogates); 0: it is none. */
static size_t utf8_length(const unsigned char *s, size_t n) {
  if (s[0] < 0x80)
    return 1;
  size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  if (s[0] < 0xC2 || s[0] > 0xF4 || length > n)
    return 0;
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  }
  bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
  bool outside = (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
  return overlong || outside ? 0 : length;
}

size_t text_utf8_part(const char *bytes, size_t n) {
  size_t at = 0;
  while (at < n) {
    size_t length = utf8_length((const unsigned char *)bytes + at, n - at);
    if (!length || !bytes[at])
      break;
    at += length;
  }
  return at;
}
