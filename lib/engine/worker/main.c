/*
 * recsys-worker ENGINE: the process of an isolated engine. Started by the library with a socket and a memory file
 * (engine/wire.h); answers one request after the other, and ends when the socket is closed at the other side.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "engine/loader.h"
#include "engine/wire.h"
#include "nn/net.h"

/* A network that was sent: one of the two. */
typedef struct sent {
  struct sent *next;
  uint32_t id;
  recsys__loaded *loaded;
  recsys__trainer *trainer;
  recsys__packed *packed; /* of a trainer, which reads its weights there */
} sent;

typedef struct server {
  const char *path;
  recsys__engine *engine;
  recsys_status opened; /* how opening the engine went */
  recsys_error reason;
  sent *networks;
  char *memory;
  uint64_t size;
} server;

/* The request and, where one came with it, a file descriptor (else -1); false: the other side is gone. */
static bool receive(recsys__request *request, int *file) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec data = {request, sizeof *request};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
  ssize_t got;
  *file = -1;
  while ((got = recvmsg(RECSYS__WIRE_SOCKET, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  if (got != (ssize_t)sizeof *request)
    return false;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
      memcpy(file, CMSG_DATA(c), sizeof *file);
  return true;
}

static sent *find(server *s, uint32_t id) {
  sent *n = s->networks;
  while (n != NULL && n->id != id)
    n = n->next;
  return n;
}

static void drop(server *s, uint32_t id) {
  sent **link = &s->networks;
  while (*link != NULL && (*link)->id != id)
    link = &(*link)->next;
  sent *n = *link;
  if (n == NULL)
    return;
  *link = n->next;
  recsys__loaded_close(n->loaded);
  recsys__trainer_close(n->trainer);
  recsys__wire_unmap(n->packed);
  recsys__free(n);
}

static recsys_status take_network(server *s, const recsys__request *request, int file, recsys__reply *reply) {
  recsys_error *error = &reply->error;
  sent *n = recsys__calloc(1, sizeof *n);
  if (n == NULL)
    return recsys__no_memory(error, "a network");
  n->id = request->id;
  n->next = s->networks;
  s->networks = n;
  recsys_status status = recsys__wire_unpack(file, &n->packed, error);
  if (status == RECSYS_OK && request->op == RECSYS__WIRE_TRAIN) {
    status = recsys__trainer_open(&n->trainer, s->engine, &n->packed->network, &n->packed->training, error);
  } else if (status == RECSYS_OK) {
    status = recsys__loaded_open(&n->loaded, s->engine, &n->packed->network, &n->packed->options, error);
    recsys__wire_unmap(n->packed);
    n->packed = NULL;
    if (status == RECSYS_OK)
      reply->info = *recsys__loaded_info(n->loaded);
  }
  if (status != RECSYS_OK)
    drop(s, request->id);
  return status;
}

static recsys_status map_memory(server *s, uint64_t size, recsys_error *error) {
  if (size == s->size)
    return RECSYS_OK;
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, RECSYS__WIRE_MEMORY, 0);
  if (memory == MAP_FAILED) /* NOLINT(performance-no-int-to-ptr) */
    return recsys__fail(error, RECSYS_ENOMEM, errno, "the memory shared with the parent: %s", strerror(errno));
  if (s->memory != NULL)
    munmap(s->memory, s->size);
  s->memory = memory;
  s->size = size;
  return RECSYS_OK;
}

static recsys_status run(server *s, const sent *n, const recsys__request *request, recsys_error *error) {
  recsys_status status = recsys__loaded_start(n->loaded, (const float *)(const void *)s->memory, request->n,
                                              request->output, (float *)(void *)(s->memory + request->second), error);
  return status == RECSYS_OK ? recsys__loaded_wait(n->loaded, error) : status;
}

static recsys_status observe(server *s, const sent *n, const recsys__request *request, recsys_error *error) {
  float *ranges = (float *)(void *)(s->memory + request->second);
  memset(ranges, 0, request->n * sizeof *ranges);
  return recsys__loaded_observe(n->loaded, (const float *)(const void *)s->memory, request->output, ranges, error);
}

static recsys_status backward(server *s, const sent *n, const recsys__request *request, recsys_error *error) {
  const recsys_network *network = &n->packed->network;
  const uint8_t *trained = n->packed->training.trained;
  float **gradients = recsys__calloc(network->weight_count, sizeof *gradients);
  if (gradients == NULL)
    return recsys__no_memory(error, "gradients");
  float *at = (float *)(void *)(s->memory + request->second);
  for (uint32_t i = 0; i < network->weight_count; i++)
    if (trained[i]) {
      gradients[i] = at;
      at += recsys__weight_values(&network->weights[i]);
    }
  recsys_status status = recsys__trainer_backward(n->trainer, (const float *)(const void *)s->memory, gradients, error);
  recsys__free(gradients);
  return status;
}

static recsys_status use_network(server *s, const recsys__request *request, recsys_error *error) {
  const sent *n = find(s, request->id);
  bool runs = request->op == RECSYS__WIRE_RUN || request->op == RECSYS__WIRE_OBSERVE;
  if (n == NULL || (runs ? n->loaded == NULL : n->trainer == NULL))
    return recsys__fail(error, RECSYS_EINTERNAL, 0, "the engine's process has no network %u", request->id);
  recsys_status status = map_memory(s, request->memory, error);
  if (status != RECSYS_OK)
    return status;
  if (request->op == RECSYS__WIRE_RUN)
    return run(s, n, request, error);
  if (request->op == RECSYS__WIRE_OBSERVE)
    return observe(s, n, request, error);
  if (request->op == RECSYS__WIRE_FORWARD)
    return recsys__trainer_forward(n->trainer, (const float *)(const void *)s->memory, request->n, request->learn != 0,
                                   (float *)(void *)(s->memory + request->second), error);
  return backward(s, n, request, error);
}

static recsys_status hello(server *s, recsys__reply *reply) {
  if (s->engine == NULL)
    s->opened = recsys__engine_open(&s->engine, NULL, s->path, &s->reason);
  if (s->opened != RECSYS_OK) {
    reply->error = s->reason;
    return s->opened;
  }
  snprintf(reply->name, sizeof reply->name, "%s", recsys__engine_name(s->engine));
  snprintf(reply->version, sizeof reply->version, "%s", recsys__engine_version(s->engine));
  reply->answer = recsys__engine_trains(s->engine);
  return RECSYS_OK;
}

static recsys_status answer(server *s, const recsys__request *request, int file, recsys__reply *reply) {
  switch (request->op) {
  case RECSYS__WIRE_HELLO:
    return hello(s, reply);
  case RECSYS__WIRE_BFLOAT16:
    reply->answer = recsys__engine_bfloat16(s->engine, request->device);
    return RECSYS_OK;
  case RECSYS__WIRE_LOAD:
  case RECSYS__WIRE_TRAIN:
    return take_network(s, request, file, reply);
  case RECSYS__WIRE_UNLOAD:
    drop(s, request->id);
    return RECSYS_OK;
  default:
    return use_network(s, request, &reply->error);
  }
}

int main(int argc, char **argv) {
  if (argc != 2 ||
      getsockname(RECSYS__WIRE_SOCKET, &(struct sockaddr){0}, &(socklen_t){sizeof(struct sockaddr)}) != 0) {
    fputs("recsys-worker is started by librecsys, for models with isolation, and by nobody else\n", stderr);
    return 2;
  }
  syscall(SYS_close_range, RECSYS__WIRE_MEMORY + 1, ~0U, 0); /* what the parent has left open */
  signal(SIGINT, SIG_IGN); /* Ctrl-C is for the parent, which may want to end in good order */
  server s = {.path = argv[1]};
  recsys__request request;
  int file;
  while (receive(&request, &file)) {
    recsys__reply reply = {0};
    reply.error.status = answer(&s, &request, file, &reply);
    if (file >= 0)
      close(file);
    if (send(RECSYS__WIRE_SOCKET, &reply, sizeof reply, MSG_NOSIGNAL) != (ssize_t)sizeof reply)
      break;
  }
  _exit(0); /* without the frameworks' own ends, which take their time */
}
