/* UTF-8, text into callers' buffers, and a growing string. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* Bytes of the well-formed character at text (Unicode 15, table 3-7), 0 where there is none in n bytes. */
static size_t character_length(const unsigned char *text, size_t n) {
  unsigned char lead = text[0];
  if (lead < 0x80) {
    return lead != 0;
  }
  size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || n < length) {
    return 0;
  }
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (text[1] < low || text[1] > high) {
    return 0;
  }
  for (size_t i = 2; i < length; i++) {
    if ((text[i] & 0xC0) != 0x80) {
      return 0;
    }
  }
  return length;
}

bool recsys__utf8_valid(const char *text, size_t n) {
  const unsigned char *bytes = (const unsigned char *)text;
  for (size_t i = 0; i < n;) {
    size_t length = character_length(bytes + i, n - i);
    if (length == 0) {
      return false;
    }
    i += length;
  }
  return true;
}

void recsys__utf8_clean(char *text) {
  size_t n = strlen(text);
  for (size_t i = 0; i < n;) {
    size_t length = character_length((const unsigned char *)text + i, n - i);
    if (length == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7F) {
      text[i] = '?';
      length = 1;
    }
    i += length;
  }
}

size_t recsys__utf8_cut(const char *text, size_t limit) {
  for (size_t back = 1; back <= 3 && back <= limit; back++) {
    unsigned char byte = (unsigned char)text[limit - back];
    if ((byte & 0xC0) == 0x80) {
      continue; /* inside a character: look for its lead byte */
    }
    size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? limit - back : limit;
  }
  return limit;
}

const char *recsys__path_shown(const char *path) {
  enum { MOST = 120 };
  if (path == NULL) {
    return "";
  }
  size_t n = strlen(path);
  const char *shown = n > MOST ? path + (n - MOST) : path;
  while (shown > path && ((unsigned char)*shown & 0xC0) == 0x80) {
    shown++;
  }
  return shown;
}

void recsys__fill(char *buffer, size_t size, size_t *length, const char *text, size_t n) {
  if (length != NULL) {
    *length = n;
  }
  if (buffer == NULL || size == 0) {
    return;
  }
  size_t copied = n < size ? n : recsys__utf8_cut(text, size - 1);
  if (copied > 0) {
    memcpy(buffer, text, copied);
  }
  buffer[copied] = '\0';
}

/* Makes room for n more bytes and the NUL. */
static bool string_room(recsys__string *s, size_t n) {
  size_t need;
  void *data = s->data;
  if (s->failed || !recsys__add(s->length, n, &need) || !recsys__add(need, 1, &need) ||
      !recsys__grow(&data, &s->capacity, need, 1)) {
    s->failed = true;
    return false;
  }
  s->data = data;
  return true;
}

void recsys__string_append_n(recsys__string *s, const char *text, size_t n) {
  if (!string_room(s, n)) {
    return;
  }
  if (n > 0) {
    memcpy(s->data + s->length, text, n);
  }
  s->length += n;
  s->data[s->length] = '\0';
}

void recsys__string_append(recsys__string *s, const char *text) {
  recsys__string_append_n(s, text, strlen(text));
}

void recsys__string_printf(recsys__string *s, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int n = recsys__format(NULL, 0, format, arguments);
  if (n < 0) {
    s->failed = true;
  } else if (string_room(s, (size_t)n)) {
    recsys__format(s->data + s->length, (size_t)n + 1, format, again);
    s->length += (size_t)n;
  }
  va_end(again);
  va_end(arguments);
}

void recsys__string_free(recsys__string *s) {
  recsys__free(s->data);
  *s = (recsys__string){0};
}
