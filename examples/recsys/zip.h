/* The directory of a zip file in memory whose entries are stored, not compressed: what torch.save writes. */
#ifndef RECSYS_EXAMPLES_ZIP_H
#define RECSYS_EXAMPLES_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

typedef struct zip_entry {
  char *name;
  const uint8_t *data; /* inside the file's memory */
  uint64_t size;
  uint64_t start; /* of its local header in the file */
  uint32_t crc;
} zip_entry;

typedef struct zip_archive {
  zip_entry *entries;
  size_t count;
} zip_archive;

/* Reads and checks the whole directory: signatures, 64-bit sizes, places inside the file, no two entries over one
 * another. `data` must outlive the archive; `name` stands for the file in messages. */
recsys_status zip_parse(zip_archive *archive, const uint8_t *data, size_t size, const char *name, recsys_error *error);
void zip_free(zip_archive *archive);

/* NULL: no such entry. */
const zip_entry *zip_find(const zip_archive *archive, const char *name);
/* The entry's bytes have the checksum that the directory gives? */
recsys_status zip_verify(const zip_entry *entry, const char *name, recsys_error *error);

#endif
