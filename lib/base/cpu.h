/* How many processors a cgroup grants, apart from thread.h so that tests can give it files of their own. */
#ifndef RECSYS_BASE_CPU_H
#define RECSYS_BASE_CPU_H

#include <stdint.h>

/* The smallest quota among this process's cgroup and its parents, in whole processors, rounded up; 0: no quota.
 * `membership` is normally "/proc/self/cgroup" and `mount` "/sys/fs/cgroup". */
uint32_t recsys__cgroup_cpus(const char *membership, const char *mount);

#endif
