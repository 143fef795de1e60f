/* Numbers from text, the same in every locale of the host; and formatting in the C locale. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/text.h"

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

/* glibc's "C" is a static object: nothing is allocated and nothing leaks. */
static void make_locale(void) {
  c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

locale_t recsys__c_locale(void) {
  pthread_once(&locale_once, make_locale);
  return c_locale;
}

int recsys__format(char *buffer, size_t size, const char *format, va_list arguments) {
  locale_t ours = recsys__c_locale();
  locale_t before = ours != (locale_t)0 ? uselocale(ours) : (locale_t)0; /* of this thread only */
  int length = vsnprintf(buffer, size, format, arguments);
  if (before != (locale_t)0) {
    uselocale(before);
  }
  return length;
}

static bool digit(char c) {
  return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *text) {
  while (digit(*text)) {
    text++;
  }
  return text;
}

/* [+-] digits [. digits] [e [+-] digits], with at least one digit before the exponent, and nothing else. */
static bool is_decimal(const char *text) {
  text += *text == '+' || *text == '-';
  const char *end = skip_digits(text);
  size_t digits = (size_t)(end - text);
  if (*end == '.') {
    const char *fraction = end + 1;
    end = skip_digits(fraction);
    digits += (size_t)(end - fraction);
  }
  if (digits == 0) {
    return false;
  }
  if (*end == 'e' || *end == 'E') {
    end += end[1] == '+' || end[1] == '-' ? 2 : 1;
    const char *exponent = end;
    end = skip_digits(exponent);
    if (end == exponent) {
      return false;
    }
  }
  return *end == '\0';
}

static bool parse_special(const char *text, double *value) {
  bool negative = *text == '-';
  text += *text == '+' || *text == '-';
  double found;
  if (strcasecmp(text, "inf") == 0 || strcasecmp(text, "infinity") == 0) {
    found = INFINITY;
  } else if (strcasecmp(text, "nan") == 0) {
    found = NAN;
  } else {
    return false;
  }
  *value = negative ? -found : found;
  return true;
}

bool recsys__parse_double(const char *text, bool allow_special, double *value) {
  if (text == NULL) {
    return false;
  }
  if (!is_decimal(text)) {
    return allow_special && parse_special(text, value);
  }
  locale_t locale = recsys__c_locale();
  if (locale == (locale_t)0) {
    return false;
  }
  double parsed = strtod_l(text, NULL, locale);
  if (isinf(parsed)) {
    return false; /* too large; what is too small is the nearest number, zero or subnormal */
  }
  *value = parsed;
  return true;
}

bool recsys__parse_uint64(const char *text, uint64_t *value) {
  if (text == NULL || *text == '\0') {
    return false;
  }
  uint64_t parsed = 0;
  for (; *text != '\0'; text++) {
    if (!digit(*text) || __builtin_mul_overflow(parsed, (uint64_t)10, &parsed) ||
        __builtin_add_overflow(parsed, (uint64_t)(*text - '0'), &parsed)) {
      return false;
    }
  }
  *value = parsed;
  return true;
}

bool recsys__parse_int64(const char *text, int64_t *value) {
  if (text == NULL) {
    return false;
  }
  bool negative = *text == '-';
  uint64_t magnitude;
  if (!recsys__parse_uint64(text + (*text == '-' || *text == '+'), &magnitude)) {
    return false;
  }
  if (magnitude > (uint64_t)INT64_MAX + negative) {
    return false;
  }
  *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
  return true;
}
