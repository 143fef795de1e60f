/* The feature cache: a table of digests over files of rows. */
#include "model/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/safetensors.h"
#include "base/sha256.h"

enum { SHARD_BYTES = 32 << 20, MIN_TABLE = 1024 };

/* -- the table */

static size_t slot_of(const recsys__cache *cache, const recsys__digest *digest) {
  uint64_t hash;
  memcpy(&hash, digest->bytes, sizeof hash);
  size_t at = (size_t)(hash % cache->table_size);
  while (cache->table[at] != 0 && memcmp(&cache->entries[cache->table[at] - 1].digest, digest, sizeof *digest) != 0)
    at = (at + 1) % cache->table_size;
  return at;
}

uint32_t recsys__cache_find(const recsys__cache *cache, const recsys__digest *digest) {
  return cache->table_size == 0 ? UINT32_MAX : cache->table[slot_of(cache, digest)] - 1;
}

static bool grow_table(recsys__cache *cache) {
  if (cache->entry_count * 2 < cache->table_size)
    return true;
  size_t size = cache->table_size ? cache->table_size * 2 : MIN_TABLE;
  uint32_t *table = recsys__calloc(size, sizeof *table);
  if (table == NULL)
    return false;
  recsys__free(cache->table);
  cache->table = table;
  cache->table_size = size;
  for (size_t i = 0; i < cache->entry_count; i++)
    cache->table[slot_of(cache, &cache->entries[i].digest)] = (uint32_t)i + 1;
  return true;
}

static recsys_status add_entry(recsys__cache *cache, const recsys__digest *digest, uint32_t shard, uint32_t row,
                               recsys_error *error) {
  if (recsys__cache_find(cache, digest) != UINT32_MAX)
    return RECSYS_OK;
  if (!recsys__grow((void **)&cache->entries, &cache->entry_capacity, cache->entry_count + 1, sizeof *cache->entries))
    return recsys__no_memory(error, "the table of features");
  cache->entries[cache->entry_count++] = (recsys__cache_entry){*digest, shard, row};
  if (!grow_table(cache)) {
    cache->entry_count--;
    return recsys__no_memory(error, "the table of features");
  }
  cache->table[slot_of(cache, digest)] = (uint32_t)cache->entry_count;
  return RECSYS_OK;
}

/* -- files */

static recsys_status add_shard(recsys__cache *cache, recsys__shard shard, recsys_error *error) {
  if (!recsys__grow((void **)&cache->shards, &cache->shard_capacity, cache->shard_count + 1, sizeof *cache->shards))
    return recsys__no_memory(error, "the files of features");
  cache->shards[cache->shard_count++] = shard;
  return RECSYS_OK;
}

static bool all_finite(const float *rows, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += rows[i] * 0; /* NaN or infinite: NaN */
  return sum == 0;
}

/* The features of a file that fits this cache, else NULL. */
static const recsys__tensor *fitting(const recsys__cache *cache, const recsys__tensors *file) {
  const char *key = recsys__tensors_metadata(file, "recsys.features");
  const recsys__tensor *rows = recsys__tensors_find(file, "features"), *names = recsys__tensors_find(file, "digests");
  bool good = key && strcmp(key, cache->key) == 0 && rows && names && rows->dtype == RECSYS__F32 && rows->rank == 2 &&
              rows->shape[1] == cache->dim && names->dtype == RECSYS__U8 && names->rank == 2 && names->shape[1] == 32 &&
              names->shape[0] == rows->shape[0];
  return good && all_finite(rows->data, rows->shape[0] * cache->dim) ? rows : NULL;
}

/* The rows in memory, where the limit allows it, else the open file. */
static recsys_status keep_rows(recsys__cache *cache, const char *path, const float *rows, size_t count,
                               recsys_error *error) {
  size_t bytes = count * cache->dim * sizeof *rows;
  recsys__shard shard = {.fd = -1};
  if (cache->used + bytes <= cache->memory) {
    shard.rows = recsys__copy(rows, count, cache->dim * sizeof *rows);
    if (shard.rows == NULL)
      return recsys__no_memory(error, "features");
    cache->used += bytes;
  } else {
    uint64_t size;
    recsys_status status = recsys__file_open(&shard.fd, &size, path, error);
    if (status != RECSYS_OK)
      return status;
    shard.offset = size - bytes - count * sizeof(recsys__digest); /* the digests come last: see write_shard */
  }
  recsys_status status = add_shard(cache, shard, error);
  if (status != RECSYS_OK) {
    recsys__free(shard.rows);
    if (shard.fd >= 0)
      close(shard.fd);
  }
  return status;
}

static recsys_status load_shard(recsys__cache *cache, const char *path, recsys_error *error) {
  recsys__tensors file = {0};
  recsys_error reason;
  recsys_status status = recsys__tensors_read(&file, path, &reason);
  if (status == RECSYS_ENOMEM)
    return recsys__no_memory(error, "features");
  const recsys__tensor *rows = status == RECSYS_OK ? fitting(cache, &file) : NULL;
  status = RECSYS_OK;
  if (rows == NULL) {
    recsys__log_write(cache->log, RECSYS_LOG_WARNING, "%s holds no usable features; they are made again", path);
  } else {
    const recsys__digest *digests = recsys__tensors_find(&file, "digests")->data;
    status = keep_rows(cache, path, rows->data, rows->shape[0], error);
    for (size_t i = 0; status == RECSYS_OK && i < rows->shape[0]; i++)
      status = add_entry(cache, &digests[i], (uint32_t)cache->shard_count - 1, (uint32_t)i, error);
  }
  recsys__tensors_free(&file);
  return status;
}

/* Names of files start with a digest of the key: one folder can serve several networks. */
static void short_key(const recsys__cache *cache, char hex[65]) {
  recsys__sha256 sha;
  recsys__sha256_init(&sha);
  recsys__sha256_update(&sha, cache->key, strlen(cache->key));
  recsys__sha256_hex(&sha, hex);
  hex[16] = '\0';
}

static recsys_status load_folder(recsys__cache *cache, recsys_error *error) {
  char prefix[65], path[4096];
  short_key(cache, prefix);
  DIR *folder = opendir(cache->folder);
  if (folder == NULL)
    return recsys__fail_errno(error, errno, "open", cache->folder);
  recsys_status status = RECSYS_OK;
  for (const struct dirent *e; status == RECSYS_OK && (e = readdir(folder)) != NULL;) {
    size_t length = strlen(e->d_name), tail = strlen(".safetensors");
    if (strncmp(e->d_name, prefix, 16) != 0 || length < tail || strcmp(e->d_name + length - tail, ".safetensors") != 0)
      continue;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", cache->folder, e->d_name) < sizeof path)
      status = load_shard(cache, path, error);
  }
  closedir(folder);
  return status;
}

recsys_status recsys__cache_open(recsys__cache *cache, const char *folder, bool temporary, const char *key, size_t dim,
                                 uint64_t memory, const recsys__log *log, recsys_error *error) {
  *cache = (recsys__cache){.temporary = temporary, .dim = dim, .memory = memory, .log = log};
  cache->folder = recsys__strdup(folder);
  cache->key = recsys__strdup(key);
  cache->pending_room = SHARD_BYTES / (dim * sizeof(float)) + 1;
  cache->pending = recsys__alloc(cache->pending_room, sizeof *cache->pending);
  cache->pending_rows = recsys__alloc(cache->pending_room, dim * sizeof *cache->pending_rows);
  recsys_status status = RECSYS_OK;
  if (!cache->folder || !cache->key || !cache->pending || !cache->pending_rows || !grow_table(cache))
    status = recsys__no_memory(error, "the features");
  else if (!temporary && mkdir(folder, 0777) != 0 && errno != EEXIST)
    status = recsys__fail_errno(error, errno, "make the folder", folder);
  else if (!temporary)
    status = load_folder(cache, error);
  if (status != RECSYS_OK)
    recsys__cache_close(cache);
  return status;
}

/* The features first, the digests last: by falling size of an element. The name tells the content, so that processes
 * that share a folder never write different things under one name. */
static recsys_status write_shard(recsys__cache *cache, char *path, size_t size, recsys_error *error) {
  char prefix[65], name[65];
  recsys__sha256 sha;
  short_key(cache, prefix);
  recsys__sha256_init(&sha);
  recsys__sha256_update(&sha, cache->pending, cache->pending_count * sizeof *cache->pending);
  recsys__sha256_hex(&sha, name);
  if ((size_t)snprintf(path, size, "%s/%s-%.32s.safetensors", cache->folder, prefix, name) >= size)
    return recsys__fail(error, RECSYS_EINVAL, 0, "the cache folder's path is too long");
  if (cache->temporary && mkdir(cache->folder, 0700) != 0 && errno != EEXIST)
    return recsys__fail_errno(error, errno, "make the folder", cache->folder);
  uint64_t n = cache->pending_count;
  const recsys__tensor list[2] = {
      {"digests", RECSYS__U8, 2, {n, 32}, cache->pending, n * 32},
      {"features", RECSYS__F32, 2, {n, cache->dim}, cache->pending_rows, n * cache->dim * sizeof(float)}};
  const struct recsys__metadata metadata = {"recsys.features", cache->key};
  return recsys__tensors_write(path, list, 2, &metadata, 1, error);
}

recsys_status recsys__cache_flush(recsys__cache *cache, recsys_error *error) {
  char path[4096] = "";
  size_t n = cache->pending_count, bytes = n * cache->dim * sizeof(float);
  if (n == 0)
    return RECSYS_OK;
  recsys_status status = RECSYS_OK;
  if (!cache->temporary || cache->used + bytes > cache->memory)
    status = write_shard(cache, path, sizeof path, error);
  if (status == RECSYS_OK)
    status = keep_rows(cache, path, cache->pending_rows, n, error);
  for (size_t i = 0; status == RECSYS_OK && i < n; i++)
    status = add_entry(cache, &cache->pending[i], (uint32_t)cache->shard_count - 1, (uint32_t)i, error);
  cache->pending_count = 0;
  return status;
}

recsys_status recsys__cache_add(recsys__cache *cache, const recsys__digest *digest, const float *row,
                                recsys_error *error) {
  cache->pending[cache->pending_count] = *digest;
  memcpy(cache->pending_rows + cache->pending_count * cache->dim, row, cache->dim * sizeof *row);
  return ++cache->pending_count == cache->pending_room ? recsys__cache_flush(cache, error) : RECSYS_OK;
}

recsys_status recsys__cache_read(const recsys__cache *cache, uint32_t handle, float *row, recsys_error *error) {
  const recsys__cache_entry *e = &cache->entries[handle];
  const recsys__shard *shard = &cache->shards[e->shard];
  size_t bytes = cache->dim * sizeof *row;
  if (shard->rows == NULL)
    return recsys__file_read_at(shard->fd, row, bytes, shard->offset + e->row * bytes, cache->folder, error);
  memcpy(row, shard->rows + e->row * cache->dim, bytes);
  return RECSYS_OK;
}

/* Only what a temporary cache has made itself is in its folder. */
static void remove_folder(const char *name) {
  DIR *folder = opendir(name);
  for (const struct dirent *e; folder != NULL && (e = readdir(folder)) != NULL;)
    if (e->d_name[0] != '.')
      unlinkat(dirfd(folder), e->d_name, 0);
  if (folder != NULL)
    closedir(folder);
  rmdir(name);
}

void recsys__cache_close(recsys__cache *cache) {
  for (size_t i = 0; i < cache->shard_count; i++) {
    recsys__free(cache->shards[i].rows);
    if (cache->shards[i].fd >= 0)
      close(cache->shards[i].fd);
  }
  if (cache->temporary && cache->folder != NULL)
    remove_folder(cache->folder);
  recsys__free(cache->folder);
  recsys__free(cache->key);
  recsys__free(cache->shards);
  recsys__free(cache->entries);
  recsys__free(cache->table);
  recsys__free(cache->pending);
  recsys__free(cache->pending_rows);
  *cache = (recsys__cache){0};
}
