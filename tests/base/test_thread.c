/* The pool: every part once, several callers, nesting, forks, signals; and what a cgroup grants. Meant for the thread
 * sanitizer, too. */
#include "base/cpu.h"
#include "base/thread.h"
#include "suite.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { PARTS = 1000 };

typedef struct tally {
  int done[PARTS]; /* plain: only the pool's own ordering makes them visible */
  _Atomic int total;
} tally;

static void count(void *context, size_t part) {
  tally *t = context;
  t->done[part]++;
  atomic_fetch_add(&t->total, 1);
}

static void check_once(uint32_t threads, size_t parts) {
  tally t = {0};
  recsys__parallel(threads, parts, count, &t);
  for (size_t i = 0; i < PARTS; i++) {
    ck_assert_int_eq(t.done[i], i < parts ? 1 : 0);
  }
}

START_TEST(every_part_once) {
  static const uint32_t threads[] = {0, 1, 2, 3, 8, 17, UINT32_MAX};
  for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
    check_once(threads[i], 0);
    check_once(threads[i], 1);
    check_once(threads[i], 2);
    check_once(threads[i] < 100 ? threads[i] : 64, PARTS);
  }
  for (int i = 0; i < 2000; i++) {
    check_once(1 + (uint32_t)i % 4, (size_t)i % 7);
  }
}
END_TEST

/* Part 0 waits for part 1: only another thread can run that. */
static void meet(void *context, size_t part) {
  _Atomic int *here = context;
  atomic_fetch_add(here, 1);
  while (part < 2 && atomic_load(here) < 2) {
    sched_yield();
  }
}

START_TEST(threads_run_beside_each_other) {
  for (int i = 0; i < 200; i++) {
    _Atomic int here = 0;
    recsys__parallel(2, 2, meet, &here);
    ck_assert_int_eq(here, 2);
    if (i % 50 == 0) { /* long enough for the pool's thread to fall asleep */
      nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
  }
}
END_TEST

typedef struct crowd {
  _Atomic int inside, most, came;
  int awaited; /* the first parts wait until so many are inside */
} crowd;

static void enter(void *context, size_t part) {
  crowd *c = context;
  (void)part;
  int now = atomic_fetch_add(&c->inside, 1) + 1;
  int most = atomic_load(&c->most);
  while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now)) {
  }
  atomic_fetch_add(&c->came, 1);
  while (atomic_load(&c->came) < c->awaited) {
    sched_yield();
  }
  nanosleep(&(struct timespec){0, 1000000}, NULL);
  atomic_fetch_sub(&c->inside, 1);
}

START_TEST(at_most_as_many_as_asked) {
  crowd c = {.awaited = 6};
  recsys__parallel(6, 12, enter, &c); /* the pool has 5 threads now */
  ck_assert_int_eq(c.most, 6);
  crowd two = {.awaited = 2};
  recsys__parallel(2, 12, enter, &two);
  ck_assert_int_eq(two.most, 2);
}
END_TEST

typedef struct nest {
  _Atomic int total, strangers;
} nest;

typedef struct nested_part {
  nest *all;
  pthread_t thread;
} nested_part;

static void inner(void *context, size_t part) {
  nested_part *p = context;
  (void)part;
  nanosleep(&(struct timespec){0, 50000}, NULL); /* time enough for another thread to come */
  atomic_fetch_add(&p->all->total, 1);
  atomic_fetch_add(&p->all->strangers, !pthread_equal(p->thread, pthread_self()));
}

static void outer(void *context, size_t part) {
  nested_part p = {context, pthread_self()};
  (void)part;
  recsys__parallel(4, 10, inner, &p);
}

START_TEST(nested_calls_run_inline) {
  nest n = {0};
  recsys__parallel(4, 20, outer, &n);
  ck_assert_int_eq(n.total, 200);
  ck_assert_int_eq(n.strangers, 0);
}
END_TEST

static void *call_often(void *context) {
  bool *good = context;
  *good = true;
  for (int i = 0; i < 500; i++) {
    tally t = {0};
    size_t parts = (size_t)i % 50;
    recsys__parallel(3, parts, count, &t);
    for (size_t p = 0; p < parts; p++) {
      *good = *good && t.done[p] == 1;
    }
    *good = *good && (size_t)t.total == parts;
  }
  return NULL;
}

START_TEST(several_callers) {
  pthread_t threads[8];
  bool good[8] = {0};
  for (int i = 0; i < 8; i++) {
    ck_assert_int_eq(recsys__thread_start(&threads[i], call_often, &good[i]), 0);
  }
  for (int i = 0; i < 8; i++) {
    pthread_join(threads[i], NULL);
    ck_assert(good[i]);
  }
}
END_TEST

/* 0 if the pool works in this process, with its own threads. */
static int works(void) {
  _Atomic int here = 0;
  tally t = {0};
  alarm(20); /* a pool that waits for threads of the parent would hang */
  recsys__parallel(2, 2, meet, &here);
  recsys__parallel(3, PARTS, count, &t);
  alarm(0);
  return here == 2 && t.total == PARTS ? 0 : 1;
}

/* AddressSanitizer does not take its locks before a fork: a thread that is just starting, or exiting, may leave one
 * locked in the child for ever. So wherever threads were started, it is given a moment. */
static void settle(void) {
#if defined(__SANITIZE_ADDRESS__)
  nanosleep(&(struct timespec){0, 100000000}, NULL);
#endif
}

static int child_status(pid_t child) {
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

START_TEST(works_after_a_fork) {
  ck_assert_int_eq(works(), 0);
  uint64_t before = recsys__fork_generation();
  for (int i = 0; i < 10; i++) {
    settle();
    pid_t child = fork();
    if (child == 0) {
      int bad = recsys__fork_generation() == before || works() != 0;
      settle();
      pid_t grandchild = bad ? 0 : fork();
      if (!bad && grandchild == 0) {
        _exit(works());
      }
      int status = 1;
      _exit(bad || waitpid(grandchild, &status, 0) != grandchild || !WIFEXITED(status) || WEXITSTATUS(status) != 0);
    }
    ck_assert_int_eq(child_status(child), 0);
    ck_assert_uint_eq(recsys__fork_generation(), before);
    ck_assert_int_eq(works(), 0);
  }
}
END_TEST

static _Atomic bool enough, ended;

static void *work_until_enough(void *unused) {
  while (!atomic_load(&enough)) {
    works();
  }
  atomic_store(&ended, true);
  return unused;
}

/* Other threads are inside the pool, and may hold its lock, at the moment of the fork. */
START_TEST(works_after_a_fork_amid_calls) {
  pthread_t thread;
  atomic_store(&enough, false);
  ck_assert_int_eq(works(), 0);
  ck_assert_int_eq(recsys__thread_start(&thread, work_until_enough, NULL), 0);
  pthread_detach(thread); /* gcc 12's thread sanitizer stops at a child's thread in the place of a joinable one */
  settle();
  for (int i = 0; i < 30; i++) {
    pid_t child = fork();
    if (child == 0) {
      _exit(works());
    }
    ck_assert_int_eq(child_status(child), 0);
  }
  atomic_store(&enough, true);
  while (!atomic_load(&ended)) {
    sched_yield();
  }
}
END_TEST

static void *read_mask(void *context) {
  pthread_sigmask(SIG_SETMASK, NULL, context);
  return NULL;
}

static void part_mask(void *context, size_t part) {
  sigset_t *masks = context;
  static _Atomic int here;
  read_mask(&masks[part]);
  atomic_fetch_add(&here, 1);
  while (atomic_load(&here) < 2) { /* so that two threads have one part each */
    sched_yield();
  }
}

START_TEST(signals_go_to_the_host) {
  static const int blocked[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGALRM, SIGUSR1, SIGPROF, SIGPIPE, SIGWINCH};
  static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  sigset_t before, after, masks[3];
  pthread_t thread;
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  ck_assert_int_eq(recsys__thread_start(&thread, read_mask, &masks[2]), 0);
  pthread_join(thread, NULL);
  recsys__parallel(2, 2, part_mask, masks);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  int with_all = 0;
  for (int i = 0; i < 3; i++) {
    with_all += sigismember(&masks[i], SIGTERM) == 1;
  }
  ck_assert_int_eq(with_all, 2); /* our thread and the pool's; not the caller */
  for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++) {
    ck_assert_int_eq(sigismember(&masks[2], blocked[i]), 1);
    ck_assert_int_eq(sigismember(&after, blocked[i]), sigismember(&before, blocked[i]));
  }
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
    ck_assert_int_eq(sigismember(&masks[2], open[i]), 0);
  }
}
END_TEST

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

START_TEST(idle_threads_sleep) {
  ck_assert_int_eq(works(), 0);
  nanosleep(&(struct timespec){0, 50000000}, NULL);
  double before = cpu_seconds();
  nanosleep(&(struct timespec){0, 400000000}, NULL);
  ck_assert_double_lt(cpu_seconds() - before, 0.05); /* one busy thread would use 0.4 s */
}
END_TEST

/* A process that may start no thread does everything on the calling one. */
START_TEST(no_threads_to_be_had) {
  pid_t child = fork();
  if (child == 0) {
    struct rlimit limit = {1, 1};
    tally t = {0};
    pthread_t thread;
    setrlimit(RLIMIT_NPROC, &limit);
    if (geteuid() == 0 && setuid(65534) != 0) { /* root is not limited */
      _exit(77);
    }
    if (recsys__thread_start(&thread, work_until_enough, NULL) != EAGAIN) {
      _exit(77);
    }
    recsys__parallel(4, PARTS, count, &t);
    _exit(t.total == PARTS ? 0 : 1);
  }
  int status = child_status(child);
  ck_assert(status == 0 || status == 77);
  if (status == 77) {
    printf("skipped: threads cannot be limited here\n");
  }
}
END_TEST

START_TEST(processors) {
  cpu_set_t all, one;
  uint32_t cpus = recsys__cpu_count();
  ck_assert_uint_ge(cpus, 1);
  ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
  ck_assert_uint_le(cpus, (uint32_t)CPU_COUNT(&all));
  ck_assert_uint_eq(recsys__thread_count(0), cpus);
  ck_assert_uint_eq(recsys__thread_count(3), 3);
  ck_assert_uint_eq(recsys__thread_count(UINT32_MAX), 1024);
  CPU_ZERO(&one);
  for (int i = 0; CPU_COUNT(&one) == 0; i++) {
    if (CPU_ISSET(i, &all)) {
      CPU_SET(i, &one);
    }
  }
  ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
  ck_assert_uint_eq(recsys__cpu_count(), 1);
  sched_setaffinity(0, sizeof all, &all);
}
END_TEST

static void put(const char *folder, const char *name, const char *text) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    mkdir(path, 0700);
    *slash = '/';
  }
  write_file(path, text, strlen(text));
}

/* The formats: Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst of Linux. */
START_TEST(cgroups) {
  char *folder = make_folder(), command[600];
  const char *self = path_in(folder, "self");
  put(folder, "self", "0::/a/b\n");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 0); /* no files at all */
  put(folder, "a/b/cpu.max", "max 100000\n");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 0);
  put(folder, "a/b/cpu.max", "400000 100000\n");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 4);
  put(folder, "a/cpu.max", "150000 100000\n"); /* the parent's binds, too; 1.5 is 2 */
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 2);
  put(folder, "cpu.max", "50000 100000\n"); /* in a container the mount is the group itself */
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 1);
  put(folder, "self", "0::/elsewhere/not/here\n");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 1);
  put(folder, "self", "0::/../../a/b\n"); /* outside of the namespace: only the mount can be seen */
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 1);
  put(folder, "cpu.max", "nonsense");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 0);
  put(folder, "cpu.max", "-5 0\n");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 0);

  put(folder, "self", "12:cpuset:/x\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/y\n");
  put(folder, "cpu/docker/1/cpu.cfs_quota_us", "300000\n");
  put(folder, "cpu/docker/1/cpu.cfs_period_us", "100000\n");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 3);
  put(folder, "cpu/docker/1/cpu.cfs_quota_us", "-1\n");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 0);
  put(folder, "self", "4:cpuacct:/docker/1\nnonsense\n\n:\n");
  ck_assert_uint_eq(recsys__cgroup_cpus(self, folder), 0);
  ck_assert_uint_eq(recsys__cgroup_cpus(path_in(folder, "no"), folder), 0);
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  ck_assert_int_eq(system(command), 0);
  free(folder);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {every_part_once,
                                threads_run_beside_each_other,
                                at_most_as_many_as_asked,
                                nested_calls_run_inline,
                                several_callers,
                                works_after_a_fork,
                                works_after_a_fork_amid_calls,
                                signals_go_to_the_host,
                                idle_threads_sleep,
                                no_threads_to_be_had,
                                processors,
                                cgroups};
  return run_suite("thread", tests, sizeof tests / sizeof tests[0]);
}
