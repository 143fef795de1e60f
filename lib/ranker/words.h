/* Words and adjacent pairs of words, folded so that case and forms of writing do not matter. */
#ifndef RECSYS_RANKER_WORDS_H
#define RECSYS_RANKER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct recsys__word {
  char *text; /* "space", or a pair "space odyssey" */
  uint32_t item;
} recsys__word;

typedef struct recsys__words {
  recsys__word *list;
  size_t count, room;
} recsys__words;

/* Adds the words and pairs of a UTF-8 text: NFKC with case folding (Unicode Standard Annex 15); a word is a run of
 * letters, marks, digits and joining punctuation. Text that is not UTF-8 adds nothing. false: out of memory. */
bool recsys__words_add(recsys__words *words, uint32_t item, const char *text);
/* Sorts by text, then item, and drops repetitions. */
void recsys__words_sort(recsys__words *words);
void recsys__words_free(recsys__words *words);

#endif
