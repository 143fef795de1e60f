/* Whole files in, and whole files out through a temporary file and a rename. */
#ifndef RECSYS_BASE_FILE_H
#define RECSYS_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

/* Opens a regular file for reading (never blocks on a FIFO, refuses directories and devices). *size is its length. */
recsys_status recsys__file_open(int *fd, uint64_t *size, const char *path, recsys_error *error);

/* Reads exactly n bytes at `offset`, over short reads and EINTR; a file that ends early is RECSYS_EFORMAT. */
recsys_status recsys__file_read_at(int fd, void *buffer, size_t n, uint64_t offset, const char *path,
                                   recsys_error *error);

/* Reads a whole regular file of at most `limit` bytes (more: RECSYS_ELIMIT before allocating) into memory of its size,
 * freed with recsys__free. An empty file is RECSYS_EFORMAT. */
recsys_status recsys__file_read(void **data, size_t *size, const char *path, uint64_t limit, recsys_error *error);

/* A file that replaces `path` when it is finished, and is nothing until then. Zero-initialise. */
typedef struct recsys__writer {
  int fd;
  char *path, *temporary;
} recsys__writer;

recsys_status recsys__writer_open(recsys__writer *writer, const char *path, recsys_error *error);
recsys_status recsys__writer_write(recsys__writer *writer, const void *data, size_t n, recsys_error *error);
/* fsync, rename, fsync of the folder. */
recsys_status recsys__writer_commit(recsys__writer *writer, recsys_error *error);
/* Removes the temporary file unless it was committed. Always call it; harmless after commit or a failed open. */
void recsys__writer_close(recsys__writer *writer);

#endif
