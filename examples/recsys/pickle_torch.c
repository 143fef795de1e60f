/* The names that torch.save uses for tensors, and what they mean (torch/_utils.py, torch/serialization.py). */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "pickle_machine.h"

enum { MAX_STORAGES = 1 << 14 };

typedef enum meaning { ORDERED_DICT, REBUILD_V2, REBUILD, PARAMETER, STORAGE_TYPE } meaning;

static const struct {
  const char *module, *name;
  meaning meaning;
  recsys__dtype dtype;
} globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", REBUILD_V2, 0},
    {"torch._utils", "_rebuild_tensor", REBUILD, 0}, /* before torch 0.4 */
    {"torch._utils", "_rebuild_parameter", PARAMETER, 0},
    {"torch.nn.parameter", "Parameter", PARAMETER, 0}, /* before torch 0.4 */
    {"torch", "FloatStorage", STORAGE_TYPE, RECSYS__F32},
    {"torch", "HalfStorage", STORAGE_TYPE, RECSYS__F16},
    {"torch", "BFloat16Storage", STORAGE_TYPE, RECSYS__BF16},
    {"torch", "DoubleStorage", STORAGE_TYPE, RECSYS__F64},
    {"torch", "LongStorage", STORAGE_TYPE, RECSYS__I64},
    {"torch", "IntStorage", STORAGE_TYPE, RECSYS__I32},
    {"torch", "ByteStorage", STORAGE_TYPE, RECSYS__U8},
    {"torch", "BoolStorage", STORAGE_TYPE, RECSYS__U8},
    {"torch", "CharStorage", STORAGE_TYPE, RECSYS__I8},
};
enum { GLOBALS = sizeof globals / sizeof globals[0] };

uint64_t pickle_dtype_size(recsys__dtype dtype) {
  switch (dtype) {
  case RECSYS__F64:
  case RECSYS__I64:
    return 8;
  case RECSYS__F32:
  case RECSYS__I32:
    return 4;
  case RECSYS__F16:
  case RECSYS__BF16:
    return 2;
  default:
    return 1;
  }
}

/* A hostile name goes to a terminal: only plain characters of it. */
static void copy_plain(char *to, size_t size, const char *from) {
  size_t n = 0;
  for (; from[n] != '\0' && n + 1 < size; n++)
    to[n] = from[n] > ' ' && from[n] < 0x7f ? from[n] : '?';
  to[n] = '\0';
}

recsys_status pickle_global(pickle_machine *m, const char *module, const char *name, pickle_value **value) {
  for (int i = 0; i < GLOBALS; i++)
    if (strcmp(globals[i].module, module) == 0 && strcmp(globals[i].name, name) == 0) {
      *value = pickle_new(m, PICKLE_GLOBAL);
      if (*value == NULL)
        return pickle_no_memory(m);
      (*value)->integer = i;
      return RECSYS_OK;
    }
  char shown_module[48], shown_name[48];
  copy_plain(shown_module, sizeof shown_module, module);
  copy_plain(shown_name, sizeof shown_name, name);
  return recsys__fail(m->error, RECSYS_EUNSUPPORTED, 0,
                      "'%.60s' asks for %s.%s, which a file of weights does not need: refused, and nothing was run",
                      m->name, shown_module, shown_name);
}

static recsys_status bad_arguments(pickle_machine *m) {
  return pickle_damaged(m, "a tensor is not described as torch describes it");
}

static bool is_size(const pickle_value *value) {
  return value->kind == PICKLE_INT && value->integer >= 0;
}

/* A tuple of non-negative integers, as sizes and strides are. */
static bool read_sizes(const pickle_value *value, uint64_t sizes[RECSYS__MAX_RANK], uint32_t *rank) {
  if (value->kind != PICKLE_TUPLE || value->count > RECSYS__MAX_RANK)
    return false;
  *rank = (uint32_t)value->count;
  for (size_t i = 0; i < value->count; i++) {
    if (!is_size(value->items[i]))
      return false;
    sizes[i] = (uint64_t)value->items[i]->integer;
  }
  return true;
}

/* Does no number belong to two places of the tensor? Going from the smallest stride to the largest, each must be larger
 * than all that the smaller ones reach. *reach is the distance from the first number to the last. */
static bool strides_fit(const pickle_tensor *tensor, uint64_t *reach) {
  bool used[RECSYS__MAX_RANK] = {false};
  *reach = 0;
  for (uint32_t round = 0; round < tensor->rank; round++) {
    uint32_t smallest = tensor->rank;
    for (uint32_t i = 0; i < tensor->rank; i++)
      if (!used[i] && (smallest == tensor->rank || tensor->strides[i] < tensor->strides[smallest]))
        smallest = i;
    used[smallest] = true;
    uint64_t size = tensor->sizes[smallest], stride = tensor->strides[smallest], step;
    if (size <= 1)
      continue;
    if (stride <= *reach || __builtin_mul_overflow(size - 1, stride, &step) ||
        __builtin_add_overflow(*reach, step, reach))
      return false;
  }
  return true;
}

static recsys_status check_tensor(pickle_machine *m, const pickle_tensor *tensor) {
  uint64_t count = m->heap->storages[tensor->storage].count, reach;
  for (uint32_t i = 0; i < tensor->rank; i++)
    if (tensor->sizes[i] == 0)
      return RECSYS_OK;
  if (!strides_fit(tensor, &reach))
    return pickle_damaged(m, "the strides of a tensor overlap");
  if (tensor->offset >= count || reach >= count - tensor->offset)
    return pickle_damaged(m, "a tensor reaches beyond its storage");
  return RECSYS_OK;
}

/* (storage, offset, sizes, strides, ...) */
static recsys_status rebuild_tensor(pickle_machine *m, const pickle_value *arguments, size_t least,
                                    pickle_value **value) {
  if (arguments->count < least || arguments->items[0]->kind != PICKLE_STORAGE || !is_size(arguments->items[1]))
    return bad_arguments(m);
  *value = pickle_new(m, PICKLE_TENSOR);
  if (*value == NULL)
    return pickle_no_memory(m);
  pickle_tensor *tensor = (*value)->tensor = recsys__calloc(1, sizeof *tensor);
  if (tensor == NULL)
    return recsys__no_memory(m->error, "a tensor");
  uint32_t strides;
  tensor->storage = (size_t)arguments->items[0]->integer;
  tensor->offset = (uint64_t)arguments->items[1]->integer;
  if (!read_sizes(arguments->items[2], tensor->sizes, &tensor->rank) ||
      !read_sizes(arguments->items[3], tensor->strides, &strides) || strides != tensor->rank)
    return bad_arguments(m);
  return check_tensor(m, tensor);
}

/* OrderedDict() in Python 3; OrderedDict([[key, value], ...]) in Python 2. */
static recsys_status make_dict(pickle_machine *m, const pickle_value *arguments, pickle_value **value) {
  *value = pickle_new(m, PICKLE_DICT);
  if (*value == NULL)
    return pickle_no_memory(m);
  if (arguments->count == 0)
    return RECSYS_OK;
  const pickle_value *pairs = arguments->items[0];
  if (arguments->count != 1 || pairs->kind != PICKLE_LIST)
    return bad_arguments(m);
  for (size_t i = 0; i < pairs->count; i++) {
    const pickle_value *pair = pairs->items[i];
    if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->count != 2)
      return bad_arguments(m);
    if (!pickle_append(*value, pair->items[0]) || !pickle_append(*value, pair->items[1]))
      return recsys__no_memory(m->error, "the values of a pickle");
  }
  return RECSYS_OK;
}

/* (tensor, ...): the tensor itself. */
static recsys_status unwrap_parameter(pickle_machine *m, const pickle_value *arguments, pickle_value **value) {
  if (arguments->count < 1 || arguments->items[0]->kind != PICKLE_TENSOR)
    return bad_arguments(m);
  *value = arguments->items[0];
  return RECSYS_OK;
}

recsys_status pickle_reduce(pickle_machine *m, const pickle_value *function, const pickle_value *arguments,
                            pickle_value **value) {
  if (function->kind != PICKLE_GLOBAL || arguments->kind != PICKLE_TUPLE)
    return pickle_damaged(m, "it calls what is no function");
  switch (globals[function->integer].meaning) {
  case ORDERED_DICT:
    return make_dict(m, arguments, value);
  case REBUILD_V2:
    return rebuild_tensor(m, arguments, 6, value);
  case REBUILD:
    return rebuild_tensor(m, arguments, 4, value);
  case PARAMETER:
    return unwrap_parameter(m, arguments, value);
  default:
    return pickle_damaged(m, "it calls what is no function");
  }
}

static recsys_status add_storage(pickle_machine *m, const pickle_storage *storage, size_t *index) {
  pickle_heap *heap = m->heap;
  for (size_t i = 0; i < heap->storage_count; i++) {
    const pickle_storage *known = &heap->storages[i];
    if (strcmp(known->key, storage->key) != 0)
      continue;
    *index = i;
    if (known->dtype != storage->dtype || known->count != storage->count)
      return pickle_damaged(m, "one storage has two types or sizes");
    return RECSYS_OK;
  }
  if (heap->storage_count >= MAX_STORAGES)
    return recsys__fail(m->error, RECSYS_ELIMIT, 0, "'%.80s' has more than %d storages", m->name, MAX_STORAGES);
  if (!recsys__grow((void **)&heap->storages, &heap->storage_capacity, heap->storage_count + 1, sizeof *storage))
    return recsys__no_memory(m->error, "the storages of a file");
  *index = heap->storage_count++;
  heap->storages[*index] = *storage;
  return RECSYS_OK;
}

recsys_status pickle_persistent(pickle_machine *m, const pickle_value *id, pickle_value **value) {
  if (id->kind != PICKLE_TUPLE || id->count < 5 || id->count > 6)
    return bad_arguments(m);
  pickle_value *const *part = id->items;
  bool is_storage = part[0]->kind == PICKLE_TEXT && strcmp(part[0]->text, "storage") == 0 &&
                    part[1]->kind == PICKLE_GLOBAL && globals[part[1]->integer].meaning == STORAGE_TYPE &&
                    part[2]->kind == PICKLE_TEXT && is_size(part[4]);
  /* The sixth part, in the older layout, is a view into another storage: torch has not written one since 0.4. */
  if (!is_storage || (id->count == 6 && part[5]->kind != PICKLE_NONE))
    return bad_arguments(m);
  pickle_storage storage = {
      .key = part[2]->text, .dtype = globals[part[1]->integer].dtype, .count = (uint64_t)part[4]->integer};
  size_t index = 0;
  recsys_status status = add_storage(m, &storage, &index);
  if (status != RECSYS_OK)
    return status;
  *value = pickle_new(m, PICKLE_STORAGE);
  if (*value == NULL)
    return pickle_no_memory(m);
  (*value)->integer = (int64_t)index;
  return RECSYS_OK;
}
