/* Zip files (PKWARE APPNOTE 6.3: sections 4.3.7 local header, 4.3.12 directory, 4.3.14 zip64, 4.3.16 end). */
#include "zip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { MAX_ENTRIES = 65536, LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR64 = 20 };

typedef struct file {
  const uint8_t *data;
  size_t size;
  const char *name;
  recsys_error *error;
} file;

/* Where the directory lies. */
typedef struct directory {
  uint64_t offset, size, count;
} directory;

static uint64_t number(const uint8_t *p, int bytes) {
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;)
    value = value << 8 | p[i];
  return value;
}

static recsys_status damaged(const file *f, const char *what) {
  return recsys__fail(f->error, RECSYS_EFORMAT, 0, "'%.80s' is a damaged zip file: %s; download it again", f->name,
                      what);
}

/* n bytes at `offset` with a signature, or NULL. */
static const uint8_t *record(const file *f, uint64_t offset, size_t n, const char signature[5]) {
  if (offset > f->size || f->size - offset < n || memcmp(f->data + offset, signature, 4) != 0)
    return NULL;
  return f->data + offset;
}

/* The end record, which a comment of up to 65535 bytes may follow. */
static const uint8_t *find_end(const file *f) {
  for (size_t comment = 0; comment <= 65535 && comment + END <= f->size; comment++) {
    const uint8_t *end = record(f, f->size - END - comment, END, "PK\5\6");
    if (end != NULL && number(end + 20, 2) == comment)
      return end;
  }
  return NULL;
}

static recsys_status find_directory(const file *f, directory *dir) {
  const uint8_t *end = find_end(f);
  if (end == NULL)
    return damaged(f, "it has no end record, so it was cut off");
  uint64_t at = (uint64_t)(end - f->data);
  *dir = (directory){.count = number(end + 10, 2), .size = number(end + 12, 4), .offset = number(end + 16, 4)};
  const uint8_t *locator = at >= LOCATOR64 ? record(f, at - LOCATOR64, LOCATOR64, "PK\6\7") : NULL;
  if (locator != NULL) {
    const uint8_t *end64 = record(f, number(locator + 8, 8), END64, "PK\6\6");
    if (end64 == NULL)
      return damaged(f, "its 64-bit end record is not where it should be");
    *dir = (directory){.count = number(end64 + 32, 8), .size = number(end64 + 40, 8), .offset = number(end64 + 48, 8)};
  }
  if (dir->offset > at || dir->size > at - dir->offset || dir->count > dir->size / CENTRAL)
    return damaged(f, "its directory lies outside of it");
  if (dir->count > MAX_ENTRIES)
    return recsys__fail(f->error, RECSYS_ELIMIT, 0, "'%.80s' has %llu entries; at most %d are read", f->name,
                        (unsigned long long)dir->count, MAX_ENTRIES);
  return RECSYS_OK;
}

/* Sizes and offset that do not fit into 32 bits stand in the extra field 1, in this order, only where needed. */
static bool read_extra(const uint8_t *extra, size_t n, uint64_t *const fields[3]) {
  while (n >= 4) {
    size_t length = number(extra + 2, 2);
    if (length > n - 4)
      return false;
    if (number(extra, 2) == 1) {
      const uint8_t *p = extra + 4;
      for (int i = 0; i < 3; i++) {
        if (*fields[i] != UINT32_MAX)
          continue;
        if (p + 8 > extra + 4 + length)
          return false;
        *fields[i] = number(p, 8);
        p += 8;
      }
    }
    extra += 4 + length;
    n -= 4 + length;
  }
  return true;
}

static recsys_status locate(const file *f, const directory *dir, const uint8_t *name, size_t length, zip_entry *entry) {
  const uint8_t *local = record(f, entry->start, LOCAL, "PK\3\4");
  if (local == NULL)
    return damaged(f, "an entry is not where the directory says");
  uint64_t names = number(local + 26, 2), skip = LOCAL + names + number(local + 28, 2);
  if (entry->start + skip > dir->offset || entry->size > dir->offset - entry->start - skip)
    return damaged(f, "an entry reaches into the directory");
  if (names != length || memcmp(local + LOCAL, name, length) != 0)
    return damaged(f, "an entry and the directory disagree about its name");
  entry->data = local + skip;
  return RECSYS_OK;
}

static recsys_status read_entry(const file *f, const directory *dir, const uint8_t *p, size_t left, zip_entry *entry,
                                size_t *used) {
  if (left < CENTRAL || memcmp(p, "PK\1\2", 4) != 0)
    return damaged(f, "its directory is broken");
  size_t length = number(p + 28, 2), extra = number(p + 30, 2);
  *used = CENTRAL + length + extra + number(p + 32, 2);
  if (*used > left)
    return damaged(f, "its directory is broken");
  uint64_t stored = number(p + 20, 4);
  entry->size = number(p + 24, 4);
  entry->start = number(p + 42, 4);
  entry->crc = (uint32_t)number(p + 16, 4);
  uint64_t *const fields[3] = {&entry->size, &stored, &entry->start};
  if (!read_extra(p + CENTRAL + length, extra, fields))
    return damaged(f, "its directory is broken");
  if (number(p + 10, 2) != 0 || (p[8] & 1) != 0 || stored != entry->size)
    return recsys__fail(f->error, RECSYS_EUNSUPPORTED, 0,
                        "'%.80s' is compressed or encrypted, which torch.save never does; load and save it with torch",
                        f->name);
  if (memchr(p + CENTRAL, 0, length) != NULL)
    return damaged(f, "an entry's name holds a zero byte");
  entry->name = recsys__calloc(length + 1, 1);
  if (entry->name == NULL)
    return recsys__no_memory(f->error, "a zip directory");
  memcpy(entry->name, p + CENTRAL, length);
  return locate(f, dir, p + CENTRAL, length, entry);
}

static int by_start(const void *a, const void *b) {
  uint64_t x = ((const zip_entry *)a)->start, y = ((const zip_entry *)b)->start;
  return x < y ? -1 : x > y;
}

static recsys_status check_overlap(const file *f, const zip_archive *archive) {
  qsort(archive->entries, archive->count, sizeof *archive->entries, by_start);
  for (size_t i = 1; i < archive->count; i++) {
    const zip_entry *before = &archive->entries[i - 1];
    if (f->data + archive->entries[i].start < before->data + before->size)
      return damaged(f, "two entries overlap");
  }
  return RECSYS_OK;
}

recsys_status zip_parse(zip_archive *archive, const uint8_t *data, size_t size, const char *name, recsys_error *error) {
  *archive = (zip_archive){0};
  file f = {data, size, name, error};
  directory dir = {0};
  recsys_status status = find_directory(&f, &dir);
  if (status != RECSYS_OK)
    return status;
  archive->entries = recsys__calloc(dir.count, sizeof *archive->entries);
  if (archive->entries == NULL)
    return recsys__no_memory(error, "a zip directory");
  const uint8_t *p = data + dir.offset, *end = p + dir.size;
  for (uint64_t i = 0; i < dir.count && status == RECSYS_OK; i++) {
    size_t used = 0;
    status = read_entry(&f, &dir, p, (size_t)(end - p), &archive->entries[archive->count++], &used);
    p += used;
  }
  if (status == RECSYS_OK)
    status = check_overlap(&f, archive);
  if (status != RECSYS_OK)
    zip_free(archive);
  return status;
}

void zip_free(zip_archive *archive) {
  for (size_t i = 0; i < archive->count; i++)
    recsys__free(archive->entries[i].name);
  recsys__free(archive->entries);
  *archive = (zip_archive){0};
}

const zip_entry *zip_find(const zip_archive *archive, const char *name) {
  for (size_t i = 0; i < archive->count; i++)
    if (strcmp(archive->entries[i].name, name) == 0)
      return &archive->entries[i];
  return NULL;
}

recsys_status zip_verify(const zip_entry *entry, const char *name, recsys_error *error) {
  uint32_t table[256], crc = UINT32_MAX;
  for (uint32_t i = 0; i < 256; i++) {
    table[i] = i;
    for (int k = 0; k < 8; k++)
      table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
  }
  for (uint64_t i = 0; i < entry->size; i++)
    crc = crc >> 8 ^ table[(crc ^ entry->data[i]) & 255];
  if (~crc == entry->crc)
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EFORMAT, 0,
                      "entry '%.60s' of '%.80s' is damaged (its CRC-32 is wrong); download it again", entry->name,
                      name);
}
