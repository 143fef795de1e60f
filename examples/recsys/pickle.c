/* The instructions of pickle protocols 2 to 5 (Python's pickletools.py) that plain data needs. */
#include "pickle.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "pickle_machine.h"

/* Bounds far above what a file of weights needs, far below what would hurt. */
enum { MAX_VALUES = 1 << 21, MAX_STEPS = 1 << 24, MAX_DEPTH = 1 << 14, MAX_MEMO = 1 << 20, MAX_TEXT = 1 << 16 };

recsys_status pickle_damaged(pickle_machine *m, const char *what) {
  return recsys__fail(m->error, RECSYS_EFORMAT, 0, "'%.80s' is damaged near byte %zu of its pickle: %s", m->name, m->at,
                      what);
}

recsys_status pickle_no_memory(pickle_machine *m) {
  if (m->heap->value_count >= MAX_VALUES)
    return recsys__fail(m->error, RECSYS_ELIMIT, 0, "'%.80s' has more than %d values in its pickle", m->name,
                        MAX_VALUES);
  return recsys__no_memory(m->error, "the values of a pickle");
}

pickle_value *pickle_new(pickle_machine *m, pickle_kind kind) {
  if (m->heap->value_count >= MAX_VALUES)
    return NULL;
  pickle_value *value = recsys__calloc(1, sizeof *value);
  if (value == NULL)
    return NULL;
  value->kind = kind;
  value->previous = m->heap->last;
  m->heap->last = value;
  m->heap->value_count++;
  return value;
}

bool pickle_append(pickle_value *to, pickle_value *item) {
  if (!recsys__grow((void **)&to->items, &to->capacity, to->count + 1, sizeof *to->items))
    return false;
  to->items[to->count++] = item;
  return true;
}

void pickle_heap_free(pickle_heap *heap) {
  while (heap->last != NULL) {
    pickle_value *value = heap->last;
    heap->last = value->previous;
    recsys__free((void *)(uintptr_t)value->text);
    recsys__free(value->tensor);
    recsys__free(value->items);
    recsys__free(value);
  }
  recsys__free(heap->storages);
  *heap = (pickle_heap){0};
}

const pickle_value *pickle_get(const pickle_value *dict, const char *key) {
  if (dict == NULL || dict->kind != PICKLE_DICT)
    return NULL;
  for (size_t i = dict->count; i >= 2; i -= 2)
    if (dict->items[i - 2]->kind == PICKLE_TEXT && strcmp(dict->items[i - 2]->text, key) == 0)
      return dict->items[i - 1];
  return NULL;
}

/* ---- Reading and the stack ---- */

/* n bytes, or NULL at the end of the file. */
static const uint8_t *take(pickle_machine *m, uint64_t n) {
  if (n > m->size - m->at)
    return NULL;
  const uint8_t *p = m->data + m->at;
  m->at += n;
  return p;
}

static recsys_status ends_early(pickle_machine *m) {
  return pickle_damaged(m, "it ends early; download it again");
}

static bool take_number(pickle_machine *m, int bytes, uint64_t *value) {
  const uint8_t *p = take(m, (uint64_t)bytes);
  *value = 0;
  for (int i = bytes; p != NULL && i-- > 0;)
    *value = *value << 8 | p[i];
  return p != NULL;
}

static recsys_status push(pickle_machine *m, pickle_value *value) {
  if (value == NULL)
    return pickle_no_memory(m);
  if (m->depth >= MAX_DEPTH)
    return pickle_damaged(m, "its stack is too deep");
  if (!recsys__grow((void **)&m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack))
    return recsys__no_memory(m->error, "the stack of a pickle");
  m->stack[m->depth++] = value;
  return RECSYS_OK;
}

static recsys_status push_integer(pickle_machine *m, pickle_kind kind, int64_t integer) {
  pickle_value *value = pickle_new(m, kind);
  if (value != NULL)
    value->integer = integer;
  return push(m, value);
}

/* Values above the last mark belong to it: nothing else may take them or reach below it. */
static size_t floor_of(const pickle_machine *m) {
  return m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0;
}

static pickle_value *pop(pickle_machine *m) {
  return m->depth > floor_of(m) ? m->stack[--m->depth] : NULL;
}

static pickle_value *top(const pickle_machine *m) {
  return m->depth > floor_of(m) ? m->stack[m->depth - 1] : NULL;
}

static recsys_status empty(pickle_machine *m) {
  return pickle_damaged(m, "it takes a value that is not there");
}

/* Where the values above the last mark start; removes the mark. */
static bool pop_mark(pickle_machine *m, size_t *start) {
  if (m->mark_count == 0)
    return false;
  *start = m->marks[--m->mark_count];
  return true;
}

/* ---- Instructions ---- */

static recsys_status do_proto(pickle_machine *m, uint8_t op) {
  (void)op;
  uint64_t version;
  if (!take_number(m, 1, &version))
    return ends_early(m);
  return version >= 2 && version <= 5 ? RECSYS_OK : pickle_damaged(m, "its protocol is not one of 2 to 5");
}

static recsys_status do_frame(pickle_machine *m, uint8_t op) {
  (void)op;
  return take(m, 8) != NULL ? RECSYS_OK : ends_early(m);
}

static recsys_status do_constant(pickle_machine *m, uint8_t op) {
  return push_integer(m, op == 'N' ? PICKLE_NONE : PICKLE_BOOL, op == 0x88);
}

static recsys_status do_int(pickle_machine *m, uint8_t op) {
  uint64_t value;
  if (!take_number(m, op == 'J' ? 4 : op == 'M' ? 2 : 1, &value))
    return ends_early(m);
  return push_integer(m, PICKLE_INT, op == 'J' ? (int64_t)(int32_t)value : (int64_t)value);
}

/* LONG1: n bytes of two's complement; more than 64 bits are of no use here. */
static recsys_status do_long(pickle_machine *m, uint8_t op) {
  (void)op;
  uint64_t n, value;
  if (!take_number(m, 1, &n))
    return ends_early(m);
  if (n > 8)
    return pickle_damaged(m, "an integer has more than 64 bits");
  if (!take_number(m, (int)n, &value))
    return ends_early(m);
  if (n > 0 && n < 8 && (value >> (8 * n - 1)) != 0)
    value |= UINT64_MAX << (8 * n);
  return push_integer(m, PICKLE_INT, (int64_t)value);
}

/* Floats occur (a learning rate beside the weights) but are never used. */
static recsys_status do_float(pickle_machine *m, uint8_t op) {
  (void)op;
  return take(m, 8) != NULL ? push(m, pickle_new(m, PICKLE_FLOAT)) : ends_early(m);
}

static recsys_status push_text(pickle_machine *m, uint64_t length) {
  if (length > MAX_TEXT)
    return pickle_damaged(m, "a string is longer than 65536 bytes");
  const char *text = (const char *)take(m, length);
  if (text == NULL)
    return ends_early(m);
  if (!recsys__utf8_valid(text, length))
    return pickle_damaged(m, "a string is not UTF-8");
  pickle_value *value = pickle_new(m, PICKLE_TEXT);
  if (value == NULL)
    return pickle_no_memory(m);
  char *copy = recsys__calloc(length + 1, 1);
  if (copy == NULL)
    return recsys__no_memory(m->error, "a string of a pickle");
  memcpy(copy, text, length);
  value->text = copy;
  return push(m, value);
}

/* Length in 4 bytes: BINUNICODE, BINSTRING (Python 2); in 1: SHORT_BINUNICODE, SHORT_BINSTRING. */
static recsys_status do_text(pickle_machine *m, uint8_t op) {
  uint64_t length;
  if (!take_number(m, op == 'X' || op == 'T' ? 4 : 1, &length))
    return ends_early(m);
  return push_text(m, length);
}

static recsys_status do_empty(pickle_machine *m, uint8_t op) {
  return push(m, pickle_new(m, op == '}' ? PICKLE_DICT : op == ']' ? PICKLE_LIST : PICKLE_TUPLE));
}

static recsys_status do_mark(pickle_machine *m, uint8_t op) {
  (void)op;
  if (m->mark_count >= MAX_DEPTH)
    return pickle_damaged(m, "its stack is too deep");
  if (!recsys__grow((void **)&m->marks, &m->mark_capacity, m->mark_count + 1, sizeof *m->marks))
    return recsys__no_memory(m->error, "the stack of a pickle");
  m->marks[m->mark_count++] = m->depth;
  return RECSYS_OK;
}

/* Moves the values from stack place `start` on into `to`. */
static recsys_status move_items(pickle_machine *m, size_t start, pickle_value *to) {
  for (size_t i = start; i < m->depth; i++)
    if (!pickle_append(to, m->stack[i]))
      return recsys__no_memory(m->error, "the values of a pickle");
  m->depth = start;
  return RECSYS_OK;
}

static recsys_status make_tuple(pickle_machine *m, size_t start) {
  pickle_value *tuple = pickle_new(m, PICKLE_TUPLE);
  if (tuple == NULL)
    return pickle_no_memory(m);
  recsys_status status = move_items(m, start, tuple);
  return status == RECSYS_OK ? push(m, tuple) : status;
}

static recsys_status do_tuple(pickle_machine *m, uint8_t op) {
  (void)op;
  size_t start;
  return pop_mark(m, &start) ? make_tuple(m, start) : empty(m);
}

static recsys_status do_small_tuple(pickle_machine *m, uint8_t op) {
  size_t n = (size_t)(op - 0x84);
  return m->depth - floor_of(m) >= n ? make_tuple(m, m->depth - n) : empty(m);
}

/* Adds the values from `start` on to the container below them: pairs to a dictionary, single ones to a list. */
static recsys_status fill_container(pickle_machine *m, size_t start, pickle_kind kind) {
  if (start <= floor_of(m))
    return empty(m);
  pickle_value *to = m->stack[start - 1];
  if (to->kind != kind || (kind == PICKLE_DICT && (m->depth - start) % 2 != 0))
    return pickle_damaged(m, "it adds items to what cannot hold them");
  return move_items(m, start, to);
}

static recsys_status do_add(pickle_machine *m, uint8_t op) {
  size_t n = op == 's' ? 2 : 1;
  if (m->depth - floor_of(m) < n + 1)
    return empty(m);
  return fill_container(m, m->depth - n, op == 's' ? PICKLE_DICT : PICKLE_LIST);
}

static recsys_status do_add_many(pickle_machine *m, uint8_t op) {
  size_t start;
  if (!pop_mark(m, &start))
    return empty(m);
  return fill_container(m, start, op == 'u' ? PICKLE_DICT : PICKLE_LIST);
}

static recsys_status remember(pickle_machine *m, uint64_t index) {
  pickle_value *value = top(m);
  if (value == NULL)
    return empty(m);
  if (index >= MAX_MEMO)
    return pickle_damaged(m, "a memo index is too large");
  if (index >= m->memo_count) {
    if (!recsys__grow((void **)&m->memo, &m->memo_capacity, index + 1, sizeof *m->memo))
      return recsys__no_memory(m->error, "the memo of a pickle");
    memset(m->memo + m->memo_count, 0, (index + 1 - m->memo_count) * sizeof *m->memo);
    m->memo_count = index + 1;
  }
  m->memo[index] = value;
  return RECSYS_OK;
}

static recsys_status do_put(pickle_machine *m, uint8_t op) {
  uint64_t index;
  return take_number(m, op == 'r' ? 4 : 1, &index) ? remember(m, index) : ends_early(m);
}

static recsys_status do_memoize(pickle_machine *m, uint8_t op) {
  (void)op;
  return remember(m, m->memo_count);
}

static recsys_status do_get(pickle_machine *m, uint8_t op) {
  uint64_t index;
  if (!take_number(m, op == 'j' ? 4 : 1, &index))
    return ends_early(m);
  if (index >= m->memo_count || m->memo[index] == NULL)
    return pickle_damaged(m, "it asks for a memo that was never made");
  return push(m, m->memo[index]);
}

static bool take_line(pickle_machine *m, char *line, size_t size) {
  for (size_t n = 0; n < size && m->at < m->size; n++) {
    line[n] = (char)m->data[m->at++];
    if (line[n] == '\n') {
      line[n] = '\0';
      return true;
    }
  }
  return false;
}

static recsys_status push_global(pickle_machine *m, const char *module, const char *name) {
  pickle_value *value = NULL;
  recsys_status status = pickle_global(m, module, name, &value);
  return status == RECSYS_OK ? push(m, value) : status;
}

static recsys_status do_global(pickle_machine *m, uint8_t op) {
  (void)op;
  char module[128], name[128];
  if (!take_line(m, module, sizeof module) || !take_line(m, name, sizeof name))
    return pickle_damaged(m, "it asks for a name that does not end");
  return push_global(m, module, name);
}

static recsys_status do_stack_global(pickle_machine *m, uint8_t op) {
  (void)op;
  const pickle_value *name = pop(m), *module = pop(m);
  if (name == NULL || module == NULL || name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT)
    return empty(m);
  return push_global(m, module->text, name->text);
}

static recsys_status do_reduce(pickle_machine *m, uint8_t op) {
  (void)op;
  const pickle_value *arguments = pop(m), *function = pop(m);
  if (arguments == NULL || function == NULL)
    return empty(m);
  pickle_value *value = NULL;
  recsys_status status = pickle_reduce(m, function, arguments, &value);
  return status == RECSYS_OK ? push(m, value) : status;
}

/* The state of an OrderedDict (its _metadata) or of an old Parameter: nothing that is needed. */
static recsys_status do_build(pickle_machine *m, uint8_t op) {
  (void)op;
  const pickle_value *state = pop(m), *object = top(m);
  if (state == NULL || object == NULL)
    return empty(m);
  if (object->kind != PICKLE_DICT && object->kind != PICKLE_TENSOR)
    return pickle_damaged(m, "it sets the state of what has none");
  return RECSYS_OK;
}

static recsys_status do_persistent(pickle_machine *m, uint8_t op) {
  (void)op;
  const pickle_value *id = pop(m);
  if (id == NULL)
    return empty(m);
  pickle_value *value = NULL;
  recsys_status status = pickle_persistent(m, id, &value);
  return status == RECSYS_OK ? push(m, value) : status;
}

static recsys_status do_stop(pickle_machine *m, uint8_t op) {
  (void)op;
  m->stopped = true;
  return m->depth == 1 && m->mark_count == 0 ? RECSYS_OK : pickle_damaged(m, "it does not end with one value");
}

typedef recsys_status (*instruction)(pickle_machine *m, uint8_t op);

static const instruction instructions[256] = {
    [0x80] = do_proto,        [0x95] = do_frame,       ['N'] = do_constant, [0x88] = do_constant,
    [0x89] = do_constant,     ['J'] = do_int,          ['M'] = do_int,      ['K'] = do_int,
    [0x8a] = do_long,         ['G'] = do_float,        ['X'] = do_text,     ['T'] = do_text,
    ['U'] = do_text,          [0x8c] = do_text,        ['}'] = do_empty,    [']'] = do_empty,
    [')'] = do_empty,         ['('] = do_mark,         ['t'] = do_tuple,    [0x85] = do_small_tuple,
    [0x86] = do_small_tuple,  [0x87] = do_small_tuple, ['s'] = do_add,      ['a'] = do_add,
    ['u'] = do_add_many,      ['e'] = do_add_many,     ['q'] = do_put,      ['r'] = do_put,
    [0x94] = do_memoize,      ['h'] = do_get,          ['j'] = do_get,      ['c'] = do_global,
    [0x93] = do_stack_global, ['R'] = do_reduce,       ['b'] = do_build,    ['Q'] = do_persistent,
    ['.'] = do_stop,
};

static recsys_status run(pickle_machine *m) {
  recsys_status status = RECSYS_OK;
  for (int steps = 0; status == RECSYS_OK && !m->stopped; steps++) {
    const uint8_t *op = take(m, 1);
    if (op == NULL)
      return ends_early(m);
    if (steps >= MAX_STEPS)
      return recsys__fail(m->error, RECSYS_ELIMIT, 0, "'%.80s' has more than %d instructions in its pickle", m->name,
                          MAX_STEPS);
    if (instructions[*op] == NULL)
      return recsys__fail(m->error, RECSYS_EUNSUPPORTED, 0,
                          "'%.80s' uses pickle instruction 0x%02x, which a file of weights does not need: refused",
                          m->name, *op);
    status = instructions[*op](m, *op);
  }
  return status;
}

recsys_status pickle_load(pickle_heap *heap, const uint8_t *data, size_t size, size_t *at, const char *name,
                          pickle_value **value, recsys_error *error) {
  pickle_machine m = {.heap = heap, .data = data, .size = size, .at = *at, .name = name, .error = error};
  *value = NULL;
  recsys_status status = run(&m);
  if (status == RECSYS_OK)
    *value = m.stack[0];
  *at = m.at;
  recsys__free(m.stack);
  recsys__free(m.memo);
  recsys__free(m.marks);
  return status;
}
