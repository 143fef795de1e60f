/* Whole files out: written under another name in the same folder, synced, and renamed, so that the file of the wanted
 * name is the old or the new one, whole, whatever happens. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* The bytes of path up to and with its last slash: its folder, 0 where it has none. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* Where the bytes must go: what a symbolic link leads to, else the path itself. */
static char *resolve(const char *path) {
  struct stat info;
  char *real = NULL;
  if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
    real = realpath(path, NULL);
  }
  char *copy = recsys__strdup(real != NULL ? real : path);
  free(real);
  return copy;
}

/* A name that no other writer, thread or process is likely to use; O_EXCL settles the rest. It does not contain the
 * file's own name, which may be as long as a name can be. */
static void temporary_name(char *out, size_t size) {
  static _Atomic uint32_t counter;
  struct timespec now = {0};
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(out, size, ".recsys-%lx-%x-%lx.tmp", (long)getpid(), (unsigned)atomic_fetch_add(&counter, 1),
           (unsigned long)now.tv_nsec);
}

enum { NAME_SPACE = 64, ATTEMPTS = 100 };

static recsys_status create(recsys__writer *writer, recsys_error *error) {
  size_t folder = folder_length(writer->path);
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    temporary_name(writer->temporary + folder, NAME_SPACE);
    writer->fd =
        recsys__file_may(NULL) ? open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666) : -1;
    if (writer->fd >= 0) {
      return RECSYS_OK;
    }
    if (errno != EEXIST && errno != EINTR) {
      break;
    }
  }
  return recsys__fail_errno(error, errno, "create a file beside", writer->path);
}

recsys_status recsys__writer_open(recsys__writer *writer, const char *path, recsys_error *error) {
  struct stat info;
  *writer = (recsys__writer){.fd = -1};
  if (path == NULL || *path == '\0' || path[strlen(path) - 1] == '/') {
    return recsys__fail(error, RECSYS_EINVAL, 0, "'%s' is no name for a file; give the path of the file to write",
                        recsys__path_shown(path));
  }
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
    return recsys__fail(error, RECSYS_EINVAL, 0,
                        "cannot write '%s': it exists and is no regular file; choose another "
                        "name",
                        recsys__path_shown(path));
  }
  writer->path = resolve(path);
  size_t folder = writer->path != NULL ? folder_length(writer->path) : 0;
  char *temporary = writer->path != NULL ? recsys__alloc(folder + NAME_SPACE, 1) : NULL;
  if (temporary == NULL) {
    recsys__writer_close(writer);
    return recsys__no_memory(error, "a path");
  }
  memcpy(temporary, writer->path, folder);
  writer->temporary = temporary;
  recsys_status status = create(writer, error);
  if (status != RECSYS_OK) {
    recsys__free(writer->temporary); /* nothing was created: nothing to remove */
    writer->temporary = NULL;
    recsys__writer_close(writer);
  }
  return status;
}

static recsys_status not_open(recsys_error *error) {
  return recsys__fail(error, RECSYS_EINVAL, 0, "the file to write is not open");
}

recsys_status recsys__writer_write(recsys__writer *writer, const void *data, size_t n, recsys_error *error) {
  const char *at = data;
  if (writer->temporary == NULL || writer->fd < 0) {
    return not_open(error);
  }
  while (n > 0) {
    size_t ask = n < (size_t)1 << 30 ? n : (size_t)1 << 30;
    ssize_t done = recsys__file_may(&ask) ? write(writer->fd, at, ask) : -1;
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return recsys__fail_errno(error, done < 0 ? errno : EIO, "write", writer->path);
    }
    at += done;
    n -= (size_t)done;
  }
  return RECSYS_OK;
}

/* Makes the rename last through a power cut. File systems that cannot sync a folder say EINVAL; a folder that may be
 * written but not read cannot be opened. Both are no failure of ours. */
static recsys_status sync_folder(const char *path, recsys_error *error) {
  size_t n = folder_length(path);
  char *folder = recsys__copy(n > 0 ? path : "./", (n > 0 ? n : 2) + 1, 1);
  if (folder == NULL) {
    return recsys__no_memory(error, "a path");
  }
  folder[n > 0 ? n : 2] = '\0';
  recsys_status status = RECSYS_OK;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool failed = fd >= 0 ? !recsys__file_may(NULL) || fsync(fd) != 0 : errno != EACCES;
  if (failed && errno != EINVAL) {
    status = recsys__fail_errno(error, errno, "sync the folder of", path);
  }
  if (fd >= 0) {
    close(fd);
  }
  recsys__free(folder);
  return status;
}

recsys_status recsys__writer_commit(recsys__writer *writer, recsys_error *error) {
  if (writer->temporary == NULL || writer->fd < 0) {
    return not_open(error);
  }
  if (!recsys__file_may(NULL) || fsync(writer->fd) != 0) {
    return recsys__fail_errno(error, errno, "sync", writer->path);
  }
  int closed = close(writer->fd);
  writer->fd = -1;
  if (closed != 0 && errno != EINTR) { /* Linux: closed all the same; all bytes were synced before */
    return recsys__fail_errno(error, errno, "close", writer->path);
  }
  if (!recsys__file_may(NULL) || rename(writer->temporary, writer->path) != 0) {
    return recsys__fail_errno(error, errno, "rename a file to", writer->path);
  }
  recsys__free(writer->temporary); /* it has the other name now */
  writer->temporary = NULL;
  return sync_folder(writer->path, error);
}

void recsys__writer_close(recsys__writer *writer) {
  if (writer->temporary != NULL) {
    if (writer->fd >= 0) {
      close(writer->fd);
    }
    unlink(writer->temporary);
  }
  recsys__free(writer->temporary);
  recsys__free(writer->path);
  *writer = (recsys__writer){.fd = -1};
}
