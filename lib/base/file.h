/* Whole files in, and whole files out through a temporary file and a rename. */
#ifndef RECSYS_BASE_FILE_H
#define RECSYS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

/* Opens a regular file for reading (never blocks on a FIFO; directories and devices are RECSYS_EFORMAT). *size is its
 * length. */
recsys_status recsys__file_open(int *fd, uint64_t *size, const char *path, recsys_error *error);

/* Reads exactly n bytes at `offset`, over short reads and EINTR; a file that ends early is RECSYS_EFORMAT. */
recsys_status recsys__file_read_at(int fd, void *buffer, size_t n, uint64_t offset, const char *path,
                                   recsys_error *error);

/* Reads a whole regular file of at most `limit` bytes (more: RECSYS_ELIMIT before allocating) into memory of its size,
 * freed with recsys__free. An empty file is RECSYS_EFORMAT. */
recsys_status recsys__file_read(void **data, size_t *size, const char *path, uint64_t limit, recsys_error *error);

/* A file that replaces `path` when it is finished, and is nothing until then: it is written beside it under a name of
 * its own. A symbolic link is followed; what is not a regular file is never replaced (RECSYS_EINVAL). Zero-initialise.
 */
typedef struct recsys__writer {
  int fd; /* -1 once it is closed; meaningless while temporary is NULL */
  char *path, *temporary;
} recsys__writer;

recsys_status recsys__writer_open(recsys__writer *writer, const char *path, recsys_error *error);
recsys_status recsys__writer_write(recsys__writer *writer, const void *data, size_t n, recsys_error *error);
/* fsync, rename, fsync of the folder. */
recsys_status recsys__writer_commit(recsys__writer *writer, recsys_error *error);
/* Removes the temporary file unless it was committed. Always call it; harmless after commit or a failed open. */
void recsys__writer_close(recsys__writer *writer);

/* Tests only: the countdown-th call to the operating system from now (1 = the next) by the functions above - open,
 * read, create, write, fsync, rename, fsync of the folder - fails with errnum; errnum 0 makes a read or write do one
 * byte only. 0 turns it off. Not thread-safe. Returns how many such calls were made since the last call. */
size_t recsys__fail_file(size_t countdown, int errnum);
/* The same seam, for file.c and writer.c: false (and errno set) where the next call must fail; *n is what to ask for.
 */
bool recsys__file_may(size_t *n);

#endif
