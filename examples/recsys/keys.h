/* Strings as small numbers: each distinct string gets the next number, from 0 on. */
#ifndef KEYS_H
#define KEYS_H

#include <stddef.h>
#include <stdint.h>

typedef struct keys {
  char **strings; /* by number */
  size_t n;
  uint32_t *slots; /* open addressing: number + 1, 0 is free */
  size_t n_slots;  /* a power of two */
} keys;

uint32_t keys_number(keys *k, const char *string);
void keys_free(keys *k);

#endif
