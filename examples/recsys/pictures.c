/* The picture files of a folder. */
#include "pictures.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

static bool is_called_like_one(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") || !strcasecmp(dot, ".png"));
}

static bool begins_like_one(const char *path) {
  unsigned char first[8];
  /* O_NONBLOCK: a FIFO without a writer must not hold us up. */
  int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0)
    return false;
  struct stat status;
  bool regular = !fstat(file, &status) && S_ISREG(status.st_mode);
  ssize_t n = regular ? read(file, first, sizeof first) : 0;
  close(file);
  return (n >= 3 && !memcmp(first, "\xFF\xD8\xFF", 3)) || (n == 8 && !memcmp(first, "\x89PNG\r\n\x1A\n", 8));
}

static const char *what_is_wrong(const char *key) {
  size_t length = strlen(key);
  if (length < 1 || length > 1024)
    return "the item's key, the name without its extension, must have 1 to 1024 bytes";
  if (text_utf8_part(key, length) != length)
    return "the file's name is not UTF-8";
  return NULL;
}

static void add(pictures *p, const char *name, char *path) {
  const char *dot = strrchr(name, '.');
  char *key = need_text("%.*s", (int)(dot && dot != name ? dot - name : (ptrdiff_t)strlen(name)), name);
  if ((p->n & (p->n - 1)) == 0) /* room doubles at each power of two */
    p->list = need_more(p->list, p->n ? 2 * p->n : 1, sizeof *p->list);
  p->list[p->n++] = (picture){.path = path, .key = key, .wrong = what_is_wrong(key)};
}

static int by_path(const void *a, const void *b) {
  const picture *x = a, *y = b;
  return strcmp(x->path, y->path);
}

static int by_key(const void *a, const void *b) {
  const picture *x = a, *y = b;
  int order = strcmp(x->key, y->key);
  return order ? order : strcmp(x->path, y->path);
}

/* a.jpg and a.png would be the same item's same picture: which one is stored must not depend on chance. Leaves the list
 * sorted by path. */
static void mark_twins(pictures *p) {
  if (!p->n)
    return;
  qsort(p->list, p->n, sizeof *p->list, by_key);
  for (size_t i = 1; i < p->n; i++) {
    if (!strcmp(p->list[i].key, p->list[i - 1].key))
      p->list[i].wrong = "another file has the same name but for its extension, and so the same item";
  }
  qsort(p->list, p->n, sizeof *p->list, by_path);
}

bool pictures_list(pictures *p, const char *folder) {
  *p = (pictures){0};
  DIR *directory = opendir(folder);
  if (!directory) {
    say("%s: %s", folder, strerror(errno));
    return false;
  }
  const struct dirent *entry;
  errno = 0;
  while ((entry = readdir(directory))) {
    if (entry->d_name[0] == '.')
      continue;
    char *path = need_text("%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", entry->d_name);
    if (is_called_like_one(entry->d_name) || begins_like_one(path)) {
      add(p, entry->d_name, path);
    } else {
      p->others++;
      free(path);
    }
    errno = 0;
  }
  bool complete = !errno;
  if (!complete)
    say("%s: %s", folder, strerror(errno));
  closedir(directory);
  mark_twins(p);
  return complete;
}

void pictures_free(pictures *p) {
  for (size_t i = 0; i < p->n; i++) {
    free(p->list[i].path);
    free(p->list[i].key);
  }
  free(p->list);
  *p = (pictures){0};
}

char *pictures_reason(const char *path, const recsys_error *error) {
  static const char number[] = "picture 0: "; /* of a batch of one: says nothing */
  const char *message = error->message;
  if (!strncmp(message, number, strlen(number)))
    message += strlen(number);
  if (!*message)
    message = recsys_status_name(error->status);
  return strstr(message, path) ? need_copy(message) : need_text("%s: %s", path, message);
}
