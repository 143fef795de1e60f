/* What the pickle reader's two files share: pickle.c runs the instructions, pickle_torch.c understands torch's names.
 */
#ifndef RECSYS_EXAMPLES_PICKLE_MACHINE_H
#define RECSYS_EXAMPLES_PICKLE_MACHINE_H

#include "pickle.h"

typedef struct pickle_machine {
  pickle_heap *heap;
  const uint8_t *data;
  size_t size, at;
  const char *name;
  recsys_error *error;
  pickle_value **stack, **memo;
  size_t depth, stack_capacity, memo_count, memo_capacity;
  size_t *marks; /* depths */
  size_t mark_count, mark_capacity;
  bool stopped;
} pickle_machine;

/* "'FILE' ...": RECSYS_EFORMAT. */
recsys_status pickle_damaged(pickle_machine *m, const char *what);
/* A new value of the heap; NULL: no memory, or too many. */
pickle_value *pickle_new(pickle_machine *m, pickle_kind kind);
recsys_status pickle_no_memory(pickle_machine *m);
bool pickle_append(pickle_value *to, pickle_value *item);

/* A name of a module, as a value; any but torch's for tensors is refused. */
recsys_status pickle_global(pickle_machine *m, const char *module, const char *name, pickle_value **value);
/* What calling `function` with `arguments` would make. */
recsys_status pickle_reduce(pickle_machine *m, const pickle_value *function, const pickle_value *arguments,
                            pickle_value **value);
/* A persistent id: ("storage", type, key, place, count). */
recsys_status pickle_persistent(pickle_machine *m, const pickle_value *id, pickle_value **value);

#endif
