/* Labels, numbers and texts of items, from a CSV file into a store. What is there already is not written again. */
#ifndef LABELS_H
#define LABELS_H

#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "recsys.h"

extern const args_option labels_options[];

typedef struct labels_result {
  uint64_t items, changed, bad; /* lines read, items whose labels changed, bad lines */
} labels_result;

/* Reads the whole file, then stores it; returns an exit code (said already). */
int labels_add(const args *a, recsys_store *store, labels_result *result);

#endif
