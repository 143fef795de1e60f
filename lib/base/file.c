/* Whole regular files in. No memory maps: a file that is cut short while it is mapped kills the process. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

static _Atomic bool watched;
static _Atomic size_t made, countdown_left;
static _Atomic int failure;

size_t recsys__fail_file(size_t countdown, int errnum) {
  atomic_store(&watched, true);
  atomic_store(&failure, errnum);
  atomic_store(&countdown_left, countdown);
  return atomic_exchange(&made, 0);
}

bool recsys__file_may(size_t *n) {
  if (!atomic_load_explicit(&watched, memory_order_relaxed)) {
    return true;
  }
  atomic_fetch_add(&made, 1);
  size_t left = atomic_load(&countdown_left);
  if (left == 0 || (atomic_store(&countdown_left, left - 1), left > 1)) {
    return true;
  }
  errno = atomic_load(&failure);
  if (errno == 0 && n != NULL && *n > 1) {
    *n = 1;
  }
  return errno == 0;
}

static const char *kind_of(mode_t mode) {
  return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

static recsys_status not_a_file(const char *path, mode_t mode, recsys_error *error) {
  return recsys__fail(error, RECSYS_EFORMAT, 0, "cannot read '%s': it is %s; give a regular file",
                      recsys__path_shown(path), kind_of(mode));
}

recsys_status recsys__file_open(int *fd, uint64_t *size, const char *path, recsys_error *error) {
  struct stat info;
  *fd = -1;
  *size = 0;
  if (path == NULL || *path == '\0') {
    return recsys__fail(error, RECSYS_EINVAL, 0, "the path is empty; give the path of a file");
  }
  /* Looked at before it is opened, because opening some devices does something; and after it, because it may have been
   * replaced in between. */
  if (!recsys__file_may(NULL) || stat(path, &info) != 0) {
    return recsys__fail_errno(error, errno, "open", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return not_a_file(path, info.st_mode, error);
  }
  int opened = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (opened < 0) {
    return recsys__fail_errno(error, errno, "open", path);
  }
  recsys_status status = RECSYS_OK;
  if (fstat(opened, &info) != 0) {
    status = recsys__fail_errno(error, errno, "open", path);
  } else if (!S_ISREG(info.st_mode)) {
    status = not_a_file(path, info.st_mode, error);
  }
  if (status != RECSYS_OK) {
    close(opened);
    return status;
  }
  *fd = opened;
  *size = (uint64_t)info.st_size;
  return RECSYS_OK;
}

recsys_status recsys__file_read_at(int fd, void *buffer, size_t n, uint64_t offset, const char *path,
                                   recsys_error *error) {
  char *at = buffer;
  while (n > 0) {
    size_t ask = n < (size_t)1 << 30 ? n : (size_t)1 << 30; /* Linux reads 2 GiB at most */
    ssize_t got = recsys__file_may(&ask) ? pread(fd, at, ask, (off_t)offset) : -1;
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return recsys__fail_errno(error, errno, "read", path);
    }
    if (got == 0) {
      return recsys__fail(error, RECSYS_EFORMAT, 0,
                          "cannot read '%s': it ends at byte %llu, %zu bytes early; get it "
                          "whole",
                          recsys__path_shown(path), (unsigned long long)offset, n);
    }
    at += got;
    offset += (uint64_t)got;
    n -= (size_t)got;
  }
  return RECSYS_OK;
}

recsys_status recsys__file_read(void **data, size_t *size, const char *path, uint64_t limit, recsys_error *error) {
  int fd;
  uint64_t length;
  char *buffer = NULL;
  *data = NULL;
  *size = 0;
  recsys_status status = recsys__file_open(&fd, &length, path, error);
  if (status != RECSYS_OK) {
    return status;
  }
  if (length == 0) {
    status = recsys__fail(error, RECSYS_EFORMAT, 0, "cannot read '%s': it is empty; write it again",
                          recsys__path_shown(path));
    goto out;
  }
  if (length > limit || length > SIZE_MAX) {
    status = recsys__fail(error, RECSYS_ELIMIT, 0,
                          "cannot read '%s': it has %llu bytes, the limit is %llu; raise the "
                          "limit or give a smaller file",
                          recsys__path_shown(path), (unsigned long long)length, (unsigned long long)limit);
    goto out;
  }
  buffer = recsys__alloc((size_t)length, 1);
  if (buffer == NULL) {
    status = recsys__no_memory(error, "the content of a file");
    goto out;
  }
  status = recsys__file_read_at(fd, buffer, (size_t)length, 0, path, error);
out:
  close(fd);
  if (status != RECSYS_OK) {
    recsys__free(buffer);
    return status;
  }
  *data = buffer;
  *size = (size_t)length;
  return RECSYS_OK;
}
