/* Strings as small numbers, by a hash table with linear probing. */
#include "keys.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"

/* FNV-1a, 64 bits (draft-eastlake-fnv), folded, since only low bits choose the slot. */
static size_t hash(const char *string) {
  uint64_t h = 14695981039346656037u;
  for (; *string; string++)
    h = (h ^ (unsigned char)*string) * 1099511628211u;
  return (size_t)(h ^ h >> 32);
}

static size_t find_slot(const keys *k, const char *string) {
  size_t slot = hash(string) & (k->n_slots - 1);
  while (k->slots[slot] && strcmp(k->strings[k->slots[slot] - 1], string) != 0)
    slot = (slot + 1) & (k->n_slots - 1);
  return slot;
}

static void grow(keys *k) {
  free(k->slots);
  k->n_slots = k->n_slots ? 2 * k->n_slots : 1024;
  k->slots = need(k->n_slots, sizeof *k->slots);
  k->strings = need_more(k->strings, k->n_slots / 2, sizeof *k->strings);
  for (size_t i = 0; i < k->n; i++)
    k->slots[find_slot(k, k->strings[i])] = (uint32_t)i + 1;
}

uint32_t keys_number(keys *k, const char *string) {
  if (k->n >= k->n_slots / 2)
    grow(k);
  size_t slot = find_slot(k, string);
  if (!k->slots[slot]) {
    k->strings[k->n] = need_copy(string);
    k->slots[slot] = (uint32_t)++k->n;
  }
  return k->slots[slot] - 1;
}

void keys_free(keys *k) {
  for (size_t i = 0; i < k->n; i++)
    free(k->strings[i]);
  free(k->strings);
  free(k->slots);
  *k = (keys){0};
}
