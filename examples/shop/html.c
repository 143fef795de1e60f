#include "html.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void html_bytes(html *page, const char *bytes, size_t n) {
  if (page->length + n + 1 > page->capacity) {
    size_t capacity = 2 * (page->length + n) + 4096;
    char *more = realloc(page->bytes, capacity);
    if (!more) {
      page->failed = true;
      return;
    }
    page->bytes = more;
    page->capacity = capacity;
  }
  memcpy(page->bytes + page->length, bytes, n);
  page->length += n;
  page->bytes[page->length] = 0;
}

static void add_escaped(html *page, const char *text) {
  while (*text) {
    size_t plain = strcspn(text, "&<>\"'");
    html_bytes(page, text, plain);
    text += plain;
    const char *entity = *text == '&'    ? "&amp;"
                         : *text == '<'  ? "&lt;"
                         : *text == '>'  ? "&gt;"
                         : *text == '"'  ? "&quot;"
                         : *text == '\'' ? "&#39;"
                                         : "";
    html_bytes(page, entity, strlen(entity));
    text += *text != 0;
  }
}

/* One conversion, which ends with its letter; returns what follows it. */
static const char *add_conversion(html *page, const char *format, va_list *values) {
  size_t n = strcspn(format + 1, "sdufx%") + 2;
  char own[16], number[64] = "";
  snprintf(own, sizeof own, "%.*s", (int)n, format);
  char letter = format[n - 1];
  bool wide = strchr(own, 'l') || strchr(own, 'z');
  if (letter == '%')
    html_bytes(page, "%", 1);
  else if (letter == 's')
    add_escaped(page, va_arg(*values, const char *));
  else if (letter == 'f')
    snprintf(number, sizeof number, own, va_arg(*values, double));
  else if (wide)
    snprintf(number, sizeof number, own, va_arg(*values, int64_t));
  else
    snprintf(number, sizeof number, own, va_arg(*values, int));
  html_bytes(page, number, strlen(number));
  return format + n;
}

void html_add(html *page, const char *format, ...) {
  va_list values;
  va_start(values, format);
  while (*format) {
    size_t plain = strcspn(format, "%");
    html_bytes(page, format, plain);
    format += plain;
    if (*format)
      format = add_conversion(page, format, &values);
  }
  va_end(values);
}

void html_query(html *page, const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~", c);
    char code[4];
    snprintf(code, sizeof code, plain ? "%c" : "%%%02X", c);
    html_bytes(page, code, strlen(code));
  }
}

void html_free(html *page) {
  free(page->bytes);
  *page = (html){0};
}

const char *money(int64_t cents, char buffer[32]) {
  snprintf(buffer, 32, "%" PRId64 ".%02d", cents / 100, (int)(cents % 100));
  return buffer;
}

const char *day(int64_t time, char buffer[64]) {
  static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                       "July",    "August",   "September", "October", "November", "December"};
  time_t seconds = (time_t)time;
  struct tm t;
  gmtime_r(&seconds, &t);
  snprintf(buffer, 64, "%s, %d %s %d", days[t.tm_wday], t.tm_mday, months[t.tm_mon], t.tm_year + 1900);
  return buffer;
}
