/* Field names and label values as small numbers, the same for every view of one store; they are never given up. */
#ifndef RECSYS_STORE_VOCABULARY_H
#define RECSYS_STORE_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

typedef struct recsys__vocabulary {
  recsys__lock lock;
  struct recsys__word {
    int32_t field; /* -1: this word is a field's name */
    char *text;
  } * words;
  size_t count, room;
  int32_t *slots; /* open addressing: index of a word + 1 */
  size_t slot_count;
} recsys__vocabulary;

void recsys__vocabulary_init(recsys__vocabulary *v);
void recsys__vocabulary_free(recsys__vocabulary *v);
/* The number of a word (field -1: of a field's name), or -1; `add` makes a new one, -1 then means out of memory. */
int32_t recsys__vocabulary_find(const recsys__vocabulary *v, int32_t field, const char *text);
int32_t recsys__vocabulary_add(recsys__vocabulary *v, int32_t field, const char *text);
/* The text of a word; it lives as long as the vocabulary. */
const char *recsys__vocabulary_text(const recsys__vocabulary *v, int32_t word);

#endif
