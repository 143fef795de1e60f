/*
 * The names of fields and the values of labels as small numbers, one table for all views of a store. It only grows:
 * one writer at a time adds, while any number of readers look without a lock.
 */
#ifndef RECSYS_STORE_WORDS_H
#define RECSYS_STORE_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum { RECSYS__NO_WORD = -1 };

/* Starts with a recsys__ref. */
typedef struct recsys__words recsys__words;

recsys__words *recsys__words_new(void); /* NULL: out of memory */
/* The number of a text in a field (RECSYS__NO_WORD: of a field's name), or RECSYS__NO_WORD where it is unknown. */
int32_t recsys__words_find(const recsys__words *words, int32_t field, const char *text, size_t length);
/* The same, added where it is unknown; RECSYS__NO_WORD: out of memory. */
int32_t recsys__words_add(recsys__words *words, int32_t field, const char *text, size_t length);
/* Of a number that this table gave out; the text lives as long as the table. */
const char *recsys__words_text(const recsys__words *words, int32_t word);
int32_t recsys__words_field(const recsys__words *words, int32_t word);
/* How many there are; all numbers are below. */
int32_t recsys__words_count(const recsys__words *words);

#endif
