/* Starting and ending the child process of an engine. */
#include "engine/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "engine/search.h"
#include "engine/wire.h"

/* The descriptor at a number that none of the child's can be; -1: errno says why. */
static int lift(int descriptor) {
  if (descriptor < 0)
    return -1;
  int lifted = fcntl(descriptor, F_DUPFD_CLOEXEC, 16);
  int errnum = errno;
  close(descriptor);
  errno = errnum;
  return lifted;
}

static int spawn(pid_t *pid, const char *program, const char *engine, int socket, int memory) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int errnum = posix_spawn_file_actions_init(&files);
  if (errnum != 0)
    return errnum;
  errnum = posix_spawnattr_init(&attributes);
  if (errnum == 0) {
    if ((errnum = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)) == 0 &&
        (errnum = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)) == 0 &&
        (errnum = posix_spawn_file_actions_adddup2(&files, socket, RECSYS__WIRE_SOCKET)) == 0 &&
        (errnum = posix_spawn_file_actions_adddup2(&files, memory, RECSYS__WIRE_MEMORY)) == 0 &&
        (errnum = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0 &&
        (errnum = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
        (errnum = posix_spawnattr_setsigdefault(&attributes, &all)) == 0) {
      char *arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)engine, NULL};
      errnum = posix_spawn(pid, program, &files, &attributes, arguments, environ);
    }
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&files);
  return errnum;
}

recsys_status recsys__child_start(recsys__child *child, const char *engine, recsys_error *error) {
  int pair[2] = {-1, -1};
  char *program;
  *child = (recsys__child){.socket = -1, .memory = -1};
  recsys_status status = recsys__engine_worker_find(&program, engine, error);
  if (status != RECSYS_OK)
    return status;
  int errnum = 0;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 || (pair[1] = lift(pair[1])) < 0 ||
      (child->memory = lift(memfd_create("recsys-rows", MFD_CLOEXEC))) < 0)
    errnum = errno;
  child->socket = pair[0];
  if (errnum == 0)
    errnum = spawn(&child->pid, program, engine, pair[1], child->memory);
  if (pair[1] >= 0)
    close(pair[1]);
  if (errnum != 0) {
    child->pid = 0;
    recsys__child_drop(child);
    status = recsys__fail(error, RECSYS_ENOENGINE, errnum, "cannot start the engine's process %s: %s", program,
                          strerror(errnum));
  }
  recsys__free(program);
  return status;
}

bool recsys__child_lives(recsys__child *child) {
  char byte;
  ssize_t got = recv(child->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* false: somebody else has waited for it, or the host ignores SIGCHLD. */
static bool wait_for(pid_t pid, int *state) {
  pid_t got;
  while ((got = waitpid(pid, state, 0)) < 0 && errno == EINTR) {
  }
  return got == pid;
}

void recsys__child_end(recsys__child *child, char *how, size_t size) {
  int state;
  if (!wait_for(child->pid, &state))
    snprintf(how, size, "its reason is not known");
  else if (WIFSIGNALED(state))
    snprintf(how, size, "signal %d, %s", WTERMSIG(state), sigabbrev_np(WTERMSIG(state)));
  else
    snprintf(how, size, "exit status %d", WEXITSTATUS(state));
  child->pid = 0;
}

void recsys__child_drop(recsys__child *child) {
  int state;
  if (child->socket >= 0)
    close(child->socket);
  if (child->memory >= 0)
    close(child->memory);
  if (child->pid != 0)
    wait_for(child->pid, &state);
  *child = (recsys__child){.socket = -1, .memory = -1};
}
