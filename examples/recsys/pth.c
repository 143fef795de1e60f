/* The two layouts of torch.save (torch/serialization.py: _save, _legacy_save), and tensors out of storages. */
#include "pth.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "pickle.h"
#include "zip.h"

static const uint64_t max_file = (uint64_t)16 << 30;
enum { MAX_COPIES = 4, SPARE = 1 << 16 }; /* tensors may share storages; see check_total */

typedef struct private {
  void *memory; /* the file, where pth_read read it */
  pickle_heap heap;
  void **copies; /* tensors that were not row-major */
  size_t copy_count;
}
private;

typedef struct reader {
  const uint8_t *data;
  size_t size;
  const char *name;
  pickle_heap *heap;
  recsys_error *error;
} reader;

static recsys_status damaged(const reader *r, const char *what) {
  return recsys__fail(r->error, RECSYS_EFORMAT, 0, "'%.100s' is damaged: %s", r->name, what);
}

/* ---- The zip layout: PREFIX/data.pkl, PREFIX/data/KEY, PREFIX/byteorder ---- */

/* The place before "data.pkl" in the one entry of that name. */
static const zip_entry *find_pickle(const zip_archive *archive, size_t *prefix) {
  const size_t tail = strlen("data.pkl");
  for (size_t i = 0; i < archive->count; i++) {
    const char *name = archive->entries[i].name;
    size_t length = strlen(name);
    const char *slash = strchr(name, '/');
    *prefix = slash != NULL ? (size_t)(slash - name) + 1 : 0;
    if (length == *prefix + tail && strcmp(name + *prefix, "data.pkl") == 0)
      return &archive->entries[i];
  }
  return NULL;
}

static const zip_entry *find_part(const zip_archive *archive, const char *prefix, size_t length, const char *folder,
                                  const char *key) {
  for (size_t i = 0; i < archive->count; i++) {
    const char *name = archive->entries[i].name;
    if (strncmp(name, prefix, length) == 0 && strncmp(name + length, folder, strlen(folder)) == 0 &&
        strcmp(name + length + strlen(folder), key) == 0)
      return &archive->entries[i];
  }
  return NULL;
}

static recsys_status find_zip_storages(reader *r, const zip_archive *archive, const char *prefix, size_t length) {
  for (size_t i = 0; i < r->heap->storage_count; i++) {
    pickle_storage *storage = &r->heap->storages[i];
    const zip_entry *entry = find_part(archive, prefix, length, "data/", storage->key);
    uint64_t bytes;
    if (entry == NULL)
      return damaged(r, "a storage that its pickle names is missing");
    if (__builtin_mul_overflow(storage->count, pickle_dtype_size(storage->dtype), &bytes) || bytes != entry->size)
      return damaged(r, "a storage has another size than its pickle says");
    recsys_status status = zip_verify(entry, r->name, r->error);
    if (status != RECSYS_OK)
      return status;
    storage->data = entry->data;
  }
  return RECSYS_OK;
}

static recsys_status read_zip_parts(reader *r, const zip_archive *archive, pickle_value **root) {
  size_t prefix, at = 0;
  const zip_entry *pickle = find_pickle(archive, &prefix);
  if (pickle == NULL)
    return recsys__fail(r->error, RECSYS_EFORMAT, 0, "'%.100s' is a zip file, but none that torch.save has written",
                        r->name);
  const zip_entry *order = find_part(archive, pickle->name, prefix, "", "byteorder");
  if (order != NULL && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
    return recsys__fail(r->error, RECSYS_EUNSUPPORTED, 0, "'%.100s' was written by a big-endian machine", r->name);
  recsys_status status = zip_verify(pickle, r->name, r->error);
  if (status == RECSYS_OK)
    status = pickle_load(r->heap, pickle->data, pickle->size, &at, r->name, root, r->error);
  return status == RECSYS_OK ? find_zip_storages(r, archive, pickle->name, prefix) : status;
}

static recsys_status read_zip(reader *r, pickle_value **root) {
  zip_archive archive;
  recsys_status status = zip_parse(&archive, r->data, r->size, r->name, r->error);
  if (status == RECSYS_OK)
    status = read_zip_parts(r, &archive, root);
  zip_free(&archive);
  return status;
}

/* ---- The older layout: five pickles (magic, protocol, system, object, storage keys), then the storages ---- */

static const uint8_t magic[13] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

/* Where the magic number's pickle ends: PROTO n, from protocol 4 on a frame, and the number. 0: it is none. */
static size_t skip_magic(const uint8_t *data, size_t size) {
  size_t at = 2;
  if (size < 2 || data[0] != 0x80)
    return 0;
  if (size > at && data[at] == 0x95)
    at += 9;
  if (size < at + sizeof magic || memcmp(data + at, magic, sizeof magic) != 0)
    return 0;
  return at + sizeof magic;
}

static recsys_status read_storage(reader *r, const char *key, size_t *at) {
  pickle_storage *storage = NULL;
  for (size_t i = 0; i < r->heap->storage_count && storage == NULL; i++)
    if (strcmp(r->heap->storages[i].key, key) == 0)
      storage = &r->heap->storages[i];
  uint64_t count = 0, bytes;
  if (r->size - *at < 8)
    return damaged(r, "it ends early; download it again");
  for (int i = 8; i-- > 0;)
    count = count << 8 | r->data[*at + (size_t)i];
  *at += 8;
  if (storage == NULL || storage->data != NULL || storage->count != count ||
      __builtin_mul_overflow(count, pickle_dtype_size(storage->dtype), &bytes))
    return damaged(r, "its storages are not those that its pickle names");
  if (bytes > r->size - *at)
    return damaged(r, "it ends early; download it again");
  storage->data = r->data + *at;
  *at += bytes;
  return RECSYS_OK;
}

static recsys_status read_old_storages(reader *r, const pickle_value *keys, size_t at) {
  recsys_status status = keys->kind == PICKLE_LIST ? RECSYS_OK : damaged(r, "its list of storages is missing");
  for (size_t i = 0; status == RECSYS_OK && i < keys->count; i++)
    status = keys->items[i]->kind == PICKLE_TEXT ? read_storage(r, keys->items[i]->text, &at)
                                                 : damaged(r, "its list of storages is no list of names");
  if (status != RECSYS_OK)
    return status;
  for (size_t i = 0; i < r->heap->storage_count; i++)
    if (r->heap->storages[i].data == NULL)
      return damaged(r, "a storage that its pickle names is missing");
  return at == r->size ? RECSYS_OK : damaged(r, "something follows its last storage");
}

static recsys_status read_old(reader *r, size_t at, pickle_value **root) {
  pickle_value *parts[4] = {NULL}; /* protocol, system, object, storage keys */
  for (int i = 0; i < 4; i++) {
    recsys_status status = pickle_load(r->heap, r->data, r->size, &at, r->name, &parts[i], r->error);
    if (status != RECSYS_OK)
      return status;
  }
  const pickle_value *little = pickle_get(parts[1], "little_endian");
  if (parts[0]->kind != PICKLE_INT || parts[0]->integer != 1001 || little == NULL || little->integer != 1)
    return recsys__fail(r->error, RECSYS_EVERSION, 0,
                        "'%.100s' is of a version of torch.save that is not known; load and save it with torch",
                        r->name);
  *root = parts[2];
  return read_old_storages(r, parts[3], at);
}

/* ---- Tensors ---- */

static recsys_status find_root(reader *r, pickle_value **root) {
  if (r->size >= 4 && memcmp(r->data, "PK\3\4", 4) == 0)
    return read_zip(r, root);
  size_t at = skip_magic(r->data, r->size);
  if (at > 0)
    return read_old(r, at, root);
  return recsys__fail(r->error, RECSYS_EFORMAT, 0,
                      "'%.100s' is no file of torch.save (neither of its two layouts); what torch before 0.1.10 or "
                      "other programs wrote is not read",
                      r->name);
}

/* The state dictionary: the root, or what a training script has put beside its optimiser. */
static recsys_status find_state(const reader *r, const pickle_value *root, const pickle_value **state) {
  static const char *const names[] = {"state_dict", "model"};
  *state = root;
  for (int i = 0; i < 2; i++) {
    const pickle_value *inner = pickle_get(root, names[i]);
    if (inner != NULL && inner->kind == PICKLE_DICT)
      *state = inner;
  }
  if ((*state)->kind != PICKLE_DICT || (*state)->count == 0)
    return recsys__fail(r->error, RECSYS_EFORMAT, 0,
                        "'%.100s' holds no state dictionary: save it with torch.save(model.state_dict(), ...)",
                        r->name);
  return RECSYS_OK;
}

static bool is_row_major(const pickle_tensor *tensor) {
  uint64_t stride = 1;
  for (uint32_t i = tensor->rank; i-- > 0;) {
    if (tensor->sizes[i] > 1 && tensor->strides[i] != stride)
      return false;
    stride *= tensor->sizes[i];
  }
  return true;
}

/* Copies the numbers in row-major order, counting through the indices as an odometer does. */
static void gather(uint8_t *to, const pickle_tensor *tensor, const uint8_t *from, uint64_t size, uint64_t count) {
  uint64_t index[RECSYS__MAX_RANK] = {0}, place = tensor->offset;
  for (uint64_t n = 0; n < count; n++, to += size) {
    memcpy(to, from + place * size, size);
    for (uint32_t i = tensor->rank; i-- > 0;) {
      place += tensor->strides[i];
      if (++index[i] < tensor->sizes[i])
        break;
      place -= tensor->strides[i] * tensor->sizes[i];
      index[i] = 0;
    }
  }
}

static recsys_status add_tensor(const reader *r, pth *file, const char *name, const pickle_tensor *tensor) {
  private *p = file->storage;
  const pickle_storage *storage = &r->heap->storages[tensor->storage];
  uint64_t size = pickle_dtype_size(storage->dtype), count = 1;
  recsys__tensor *out = &file->tensors[file->count];
  *out = (recsys__tensor){.name = name, .dtype = storage->dtype, .rank = tensor->rank};
  for (uint32_t i = 0; i < tensor->rank; i++) {
    out->shape[i] = tensor->sizes[i];
    if (__builtin_mul_overflow(count, tensor->sizes[i], &count))
      return damaged(r, "a tensor's sizes are impossible");
  }
  out->bytes = count * size; /* a tensor without overlap is no larger than its storage */
  if (count == 0)
    out->data = r->data;
  else if (is_row_major(tensor))
    out->data = storage->data + tensor->offset * size;
  else {
    void *copy = recsys__alloc(count, size);
    if (copy == NULL)
      return recsys__no_memory(r->error, name);
    gather(copy, tensor, storage->data, size, count);
    out->data = p->copies[p->copy_count++] = copy;
  }
  file->count++;
  return RECSYS_OK;
}

/* Many tensors over one storage would make a small file into a huge one. */
static recsys_status check_total(const reader *r, uint64_t total) {
  if (total / MAX_COPIES <= r->size + SPARE)
    return RECSYS_OK;
  return recsys__fail(r->error, RECSYS_ELIMIT, 0, "'%.100s' has %zu bytes, but its tensors have %llu: refused", r->name,
                      r->size, (unsigned long long)total);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const recsys__tensor *)a)->name, ((const recsys__tensor *)b)->name);
}

static recsys_status check_names(const reader *r, pth *file) {
  qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
  for (size_t i = 1; i < file->count; i++)
    if (strcmp(file->tensors[i - 1].name, file->tensors[i].name) == 0)
      return recsys__fail(r->error, RECSYS_EFORMAT, 0, "'%.100s' has tensor '%.80s' twice", r->name,
                          file->tensors[i].name);
  return RECSYS_OK;
}

static recsys_status add_tensors(const reader *r, pth *file, const pickle_value *state) {
  private *p = file->storage;
  uint64_t total = 0;
  file->tensors = recsys__calloc(state->count / 2, sizeof *file->tensors);
  p->copies = recsys__calloc(state->count / 2, sizeof *p->copies);
  if (file->tensors == NULL || p->copies == NULL)
    return recsys__no_memory(r->error, "the list of tensors");
  for (size_t i = 0; i + 1 < state->count; i += 2) {
    const pickle_value *key = state->items[i], *value = state->items[i + 1];
    if (key->kind != PICKLE_TEXT || key->text[0] == '\0')
      return damaged(r, "a tensor has no name");
    if (value->kind != PICKLE_TENSOR)
      return recsys__fail(r->error, RECSYS_EUNSUPPORTED, 0,
                          "'%.80s' in '%.100s' is no tensor: is this a state dictionary?", key->text, r->name);
    const char *name = strncmp(key->text, "module.", 7) == 0 && key->text[7] != '\0' ? key->text + 7 : key->text;
    recsys_status status = add_tensor(r, file, name, value->tensor);
    if (status != RECSYS_OK)
      return status;
    total += file->tensors[file->count - 1].bytes;
    status = check_total(r, total);
    if (status != RECSYS_OK)
      return status;
  }
  return check_names(r, file);
}

recsys_status pth_parse(pth *file, const void *data, size_t size, const char *name, recsys_error *error) {
  *file = (pth){0};
  private *p = recsys__calloc(1, sizeof *p);
  if (p == NULL)
    return recsys__no_memory(error, "a file of weights");
  file->storage = p;
  reader r = {data, size, name, &p->heap, error};
  pickle_value *root = NULL;
  const pickle_value *state = NULL;
  recsys_status status = find_root(&r, &root);
  if (status == RECSYS_OK)
    status = find_state(&r, root, &state);
  if (status == RECSYS_OK)
    status = add_tensors(&r, file, state);
  if (status != RECSYS_OK)
    pth_free(file);
  return status;
}

recsys_status pth_read(pth *file, const char *path, recsys_error *error) {
  *file = (pth){0};
  void *data;
  size_t size;
  recsys_status status = recsys__file_read(&data, &size, path, max_file, error);
  if (status != RECSYS_OK)
    return status;
  status = pth_parse(file, data, size, path, error);
  if (status == RECSYS_OK)
    ((private *)file->storage)->memory = data;
  else
    recsys__free(data);
  return status;
}

void pth_free(pth *file) {
  private *p = file->storage;
  if (p != NULL) {
    for (size_t i = 0; i < p->copy_count; i++)
      recsys__free(p->copies[i]);
    recsys__free(p->copies);
    pickle_heap_free(&p->heap);
    recsys__free(p->memory);
    recsys__free(p);
  }
  recsys__free(file->tensors);
  *file = (pth){0};
}
