/* Options as the header's rule 4 has them: size-first structs, and "name key=value" strings. */
#ifndef RECSYS_BASE_OPTIONS_H
#define RECSYS_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

/* Copies a caller's struct (NULL: all zero) into ours of `size` bytes, zero-filling what an older caller lacks. A
 * larger one is RECSYS_EUNSUPPORTED unless its tail is zero; struct_size < 8 is RECSYS_EINVAL. `what` names it. */
recsys_status recsys__options_copy(void *ours, size_t size, const void *theirs, const char *what, recsys_error *error);

/* A parsed "name key=value key=\"quoted \\\" value\"" string. */
typedef struct recsys__params {
  char *storage;
  const char *name;
  struct recsys__param {
    const char *key, *value;
    bool used;
  } * list;
  size_t count;
} recsys__params;

/* Parses one algorithm string. Syntax errors and a key given twice are RECSYS_EINVAL with the place. */
recsys_status recsys__params_parse(recsys__params *params, const char *text, recsys_error *error);
void recsys__params_free(recsys__params *params);

/* The value of a key, or NULL; marks it as used. */
const char *recsys__params_text(recsys__params *params, const char *key);
/* *value keeps its default where the key is absent. Out of min..max or not a number: RECSYS_EINVAL naming both. */
recsys_status recsys__params_int(recsys__params *params, const char *key, int64_t min, int64_t max, int64_t *value,
                                 recsys_error *error);
recsys_status recsys__params_double(recsys__params *params, const char *key, double min, double max, double *value,
                                    recsys_error *error);
/* *value becomes the index of the given word in `words` (NULL-terminated); any other word is an error that lists them.
 */
recsys_status recsys__params_choice(recsys__params *params, const char *key, const char *const *words, int *value,
                                    recsys_error *error);
/* RECSYS_EINVAL naming the first unused key and listing `known` ("neighbours, metric, ..."). */
recsys_status recsys__params_finish(recsys__params *params, const char *known, recsys_error *error);

#endif
