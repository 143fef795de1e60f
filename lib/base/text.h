/* UTF-8, numbers that do not depend on the locale, text into callers' buffers, and a growing string. */
#ifndef RECSYS_BASE_TEXT_H
#define RECSYS_BASE_TEXT_H

#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates) of n bytes, without NUL inside? */
bool recsys__utf8_valid(const char *text, size_t n);

/* Replaces every byte that is not part of a well-formed character, and every control character, by '?'. */
void recsys__utf8_clean(char *text);

/* The largest m <= limit such that text[0..m) does not end inside a character; text has at least `limit` bytes. */
size_t recsys__utf8_cut(const char *text, size_t limit);

/* What a message shows of a path: all of it, or the end (at most 120 bytes) of one that would leave no room for more.
 */
const char *recsys__path_shown(const char *path);

/* The header's rule for text: fills buffer (size may be 0), NUL-terminates, reports the full length n. */
void recsys__fill(char *buffer, size_t size, size_t *length, const char *text, size_t n);

/* The whole of text as a number, with '.', in any locale: decimal or exponent form, no hexadecimal; "inf", "nan" only
 * where allow_special. False if it is anything else or out of range. */
bool recsys__parse_double(const char *text, bool allow_special, double *value);
bool recsys__parse_int64(const char *text, int64_t *value);
bool recsys__parse_uint64(const char *text, uint64_t *value);

/* The C locale, for text that must not depend on the host's: messages, JSON, numbers. (locale_t)0 if it cannot be had.
 */
locale_t recsys__c_locale(void);
/* vsnprintf in the C locale. */
int recsys__format(char *buffer, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* A growing, always NUL-terminated string; zero-initialise. After a failed append `failed` stays true. */
typedef struct recsys__string {
  char *data;
  size_t length, capacity;
  bool failed;
} recsys__string;

void recsys__string_append(recsys__string *s, const char *text);
void recsys__string_append_n(recsys__string *s, const char *text, size_t n);
void recsys__string_printf(recsys__string *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void recsys__string_free(recsys__string *s);

#endif
