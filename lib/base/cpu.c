/* The processors that this process may use: its affinity mask, and the quota of its cgroup (v2 and v1). */
#include "base/cpu.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"

enum { PATH_SPACE = 4096, MOST_THREADS = 1024 };

/* A small file as text; false where there is none. */
static bool read_small(const char *path, char *text, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  ssize_t n = read(fd, text, size - 1);
  close(fd);
  text[n > 0 ? n : 0] = '\0';
  return n > 0;
}

/* quota / period in whole processors, rounded up; 0: none. */
static uint32_t whole(long long quota, long long period) {
  if (quota <= 0 || period <= 0) {
    return 0;
  }
  long long cpus = quota / period + (quota % period != 0);
  return cpus > UINT32_MAX ? 0 : (uint32_t)cpus;
}

/* cpu.max of version 2: "max 100000" or "150000 100000". */
static uint32_t quota_v2(const char *folder) {
  char path[PATH_SPACE], text[128];
  long long quota, period;
  if (snprintf(path, sizeof path, "%s/cpu.max", folder) >= (int)sizeof path || !read_small(path, text, sizeof text) ||
      sscanf(text, "%lld %lld", &quota, &period) != 2) {
    return 0;
  }
  return whole(quota, period);
}

static bool read_number(const char *folder, const char *name, long long *value) {
  char path[PATH_SPACE], text[128];
  return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path && read_small(path, text, sizeof text) &&
         sscanf(text, "%lld", value) == 1;
}

static uint32_t quota_v1(const char *folder) {
  long long quota, period;
  if (!read_number(folder, "cpu.cfs_quota_us", &quota) || !read_number(folder, "cpu.cfs_period_us", &period)) {
    return 0;
  }
  return whole(quota, period);
}

/* The smallest quota from root + path upwards to root: every parent's quota binds too. */
static uint32_t smallest(const char *root, const char *path, uint32_t (*quota)(const char *folder)) {
  char folder[PATH_SPACE];
  size_t root_length = strlen(root);
  uint32_t least = 0;
  if (snprintf(folder, sizeof folder, "%s%s", root, strstr(path, "..") != NULL ? "" : path) >= (int)sizeof folder) {
    return 0;
  }
  for (;;) {
    uint32_t found = quota(folder);
    if (found != 0 && (least == 0 || found < least)) {
      least = found;
    }
    char *slash = strrchr(folder, '/');
    if (slash == NULL || slash < folder + root_length) {
      return least;
    }
    *slash = '\0';
  }
}

/* Is "cpu" one of the comma-separated controllers? */
static bool has_cpu(const char *controllers) {
  size_t n = strlen(controllers);
  for (const char *at = controllers; at <= controllers + n;) {
    size_t word = strcspn(at, ",");
    if (word == 3 && strncmp(at, "cpu", 3) == 0) {
      return true;
    }
    at += word + 1;
  }
  return false;
}

/* One line of /proc/self/cgroup: "0::/path" (version 2) or "4:cpu,cpuacct:/path" (version 1). */
static uint32_t line_cpus(char *line, const char *mount) {
  char root[PATH_SPACE];
  char *controllers = strchr(line, ':');
  char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
  if (path == NULL) {
    return 0;
  }
  controllers++;
  *path++ = '\0';
  path[strcspn(path, "\n")] = '\0';
  if (*controllers == '\0') {
    return smallest(mount, path, quota_v2);
  }
  if (!has_cpu(controllers) || snprintf(root, sizeof root, "%s/cpu", mount) >= (int)sizeof root) {
    return 0;
  }
  return smallest(root, path, quota_v1); /* "cpu" is a link to "cpu,cpuacct" where they are mounted together */
}

uint32_t recsys__cgroup_cpus(const char *membership, const char *mount) {
  char text[PATH_SPACE];
  uint32_t least = 0;
  if (!read_small(membership, text, sizeof text)) {
    return 0;
  }
  for (char *line = text, *next; line != NULL && *line != '\0'; line = next) {
    next = strchr(line, '\n');
    if (next != NULL) {
      *next++ = '\0';
    }
    uint32_t found = line_cpus(line, mount);
    if (found != 0 && (least == 0 || found < least)) {
      least = found;
    }
  }
  return least;
}

/* The affinity of the calling thread, which may change at any time; 0 where it cannot be asked. */
static uint32_t affinity_cpus(void) {
  for (int most = 1024; most <= 1 << 20; most *= 4) {
    cpu_set_t *set = CPU_ALLOC((size_t)most);
    if (set == NULL) {
      return 0;
    }
    size_t size = CPU_ALLOC_SIZE((size_t)most);
    int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (count > 0) {
      return (uint32_t)count;
    }
  }
  return 0;
}

static pthread_once_t quota_once = PTHREAD_ONCE_INIT;
static uint32_t quota_cpus; /* read once: several files, and searches ask for it */

static void read_quota(void) {
  quota_cpus = recsys__cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
}

uint32_t recsys__cpu_count(void) {
  pthread_once(&quota_once, read_quota);
  uint32_t cpus = affinity_cpus();
  if (cpus == 0) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    cpus = online > 0 ? (uint32_t)online : 1;
  }
  return quota_cpus != 0 && quota_cpus < cpus ? quota_cpus : cpus;
}

uint32_t recsys__thread_count(uint32_t threads) {
  uint32_t wanted = threads != 0 ? threads : recsys__cpu_count();
  return wanted < MOST_THREADS ? wanted : MOST_THREADS;
}
