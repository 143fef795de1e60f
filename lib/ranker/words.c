/* Splitting and folding by utf8proc. */
#include "ranker/words.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"

static bool is_word(utf8proc_int32_t c) {
  switch (utf8proc_category(c)) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
  case UTF8PROC_CATEGORY_PC:
    return true;
  default:
    return false;
  }
}

/* One word, or two with a space between them. */
static bool add(recsys__words *words, uint32_t item, const utf8proc_uint8_t *first, size_t n,
                const utf8proc_uint8_t *second, size_t m) {
  char *text = recsys__alloc(n + m + 2, 1);
  if (!text || !recsys__grow((void **)&words->list, &words->room, words->count + 1, sizeof *words->list)) {
    recsys__free(text);
    return false;
  }
  memcpy(text, first, n);
  if (m) {
    text[n] = ' ';
    memcpy(text + n + 1, second, m);
  }
  text[n + (m ? m + 1 : 0)] = 0;
  words->list[words->count++] = (recsys__word){text, item};
  return true;
}

static bool split(recsys__words *words, uint32_t item, const utf8proc_uint8_t *text, size_t size) {
  const utf8proc_uint8_t *before = NULL;
  size_t before_size = 0;
  for (size_t at = 0; at < size;) {
    utf8proc_int32_t c;
    size_t start = at;
    while (at < size) {
      utf8proc_ssize_t n = utf8proc_iterate(text + at, (utf8proc_ssize_t)(size - at), &c);
      if (n <= 0 || !is_word(c)) {
        n = n <= 0 ? 1 : n;
        if (at == start)
          start = at + (size_t)n;
        else
          break;
      }
      at += (size_t)n;
    }
    if (at > start) {
      if (!add(words, item, text + start, at - start, NULL, 0) ||
          (before && !add(words, item, before, before_size, text + start, at - start)))
        return false;
      before = text + start;
      before_size = at - start;
    }
  }
  return true;
}

bool recsys__words_add(recsys__words *words, uint32_t item, const char *text) {
  utf8proc_uint8_t *folded = NULL;
  const utf8proc_option_t options =
      UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
  utf8proc_ssize_t size =
      utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strlen(text), &folded, options);
  bool ok = size != UTF8PROC_ERROR_NOMEM && (size < 0 || split(words, item, folded, (size_t)size));
  free(folded);
  return ok;
}

static int order(const void *a, const void *b) {
  const recsys__word *x = a, *y = b;
  int text = strcmp(x->text, y->text);
  return text ? text : (x->item > y->item) - (x->item < y->item);
}

void recsys__words_sort(recsys__words *words) {
  size_t n = 0;
  if (words->count)
    qsort(words->list, words->count, sizeof *words->list, order);
  for (size_t i = 0; i < words->count; i++) {
    if (n && !order(&words->list[n - 1], &words->list[i]))
      recsys__free(words->list[i].text);
    else
      words->list[n++] = words->list[i];
  }
  words->count = n;
}

void recsys__words_free(recsys__words *words) {
  for (size_t i = 0; i < words->count; i++)
    recsys__free(words->list[i].text);
  recsys__free(words->list);
  *words = (recsys__words){0};
}
