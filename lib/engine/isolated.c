/* The parent's end of the socket pair: one request and its reply at a time, under the mutex. */
#include "engine/isolated.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/search.h"
#include "engine/spawn.h"
#include "engine/wire.h"
#include "nn/net.h"

struct recsys__isolated {
  char *engine;                /* the shared object */
  _Atomic uint64_t generation; /* of forks: whose child it is */
  pthread_mutex_t mutex;
  recsys__child child; /* its pid is 0 while there is none */
  void *memory;        /* common; NULL: none yet */
  uint64_t size;       /* of it */
  uint64_t births;     /* how many children there were: a network that was sent to an earlier one is not in this one */
  uint32_t last_id;
  char name[32], version[64];
  bool trains;
};

struct recsys__far_net {
  recsys__isolated *isolated;
  int file; /* the packed network */
  recsys__packed *packed;
  recsys_network network; /* TRAIN: the caller's, whose weights change */
  bool training;
  uint32_t id;
  uint64_t birth;   /* the child that has it */
  uint64_t picture; /* floats */
  uint64_t n, row;  /* of the run under way; floats in a row */
};

/* -- the child */

static void forget_child(recsys__isolated *s) {
  recsys__child_drop(&s->child);
  if (s->memory != NULL)
    munmap(s->memory, s->size);
  s->memory = NULL;
  s->size = 0;
}

/* How the child ended, for people. */
static recsys_status fail_ended(recsys__isolated *s, recsys_error *error) {
  char how[64];
  recsys__child_end(&s->child, how, sizeof how);
  forget_child(s);
  return recsys__fail(error, RECSYS_EENGINE, 0,
                      "the process of engine %.100s ended during a call (%s); the next call starts another one",
                      s->engine, how);
}

static recsys_status receive(recsys__isolated *s, recsys__reply *reply, recsys_error *error) {
  ssize_t got;
  while ((got = recv(s->child.socket, reply, sizeof *reply, 0)) < 0 && errno == EINTR) {
  }
  if (got != (ssize_t)sizeof *reply)
    return fail_ended(s, error);
  reply->error.message[sizeof reply->error.message - 1] = '\0';
  reply->info.device[sizeof reply->info.device - 1] = '\0';
  reply->info.detail[sizeof reply->info.detail - 1] = '\0';
  if (reply->error.status == RECSYS_OK)
    return recsys__ok(error);
  return recsys__fail(error, reply->error.status, reply->error.detail, "%.*s", (int)sizeof reply->error.message - 1,
                      reply->error.message);
}

/* With a file descriptor (-1: none). */
static recsys_status transmit(recsys__isolated *s, recsys__request *request, int file, recsys_error *error) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec data = {request, sizeof *request};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  request->memory = s->size;
  if (file >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control.room;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof file), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &file, sizeof file);
  }
  ssize_t sent;
  while ((sent = sendmsg(s->child.socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return sent == (ssize_t)sizeof *request ? RECSYS_OK : fail_ended(s, error);
}

static recsys_status ask(recsys__isolated *s, recsys__request *request, int file, recsys__reply *reply,
                         recsys_error *error) {
  recsys_status status = transmit(s, request, file, error);
  return status == RECSYS_OK ? receive(s, reply, error) : status;
}

static recsys_status start_child(recsys__isolated *s, recsys_error *error) {
  recsys__request hello = {.op = RECSYS__WIRE_HELLO};
  recsys__reply reply;
  recsys_status status = recsys__child_start(&s->child, s->engine, error);
  if (status != RECSYS_OK)
    return status;
  status = ask(s, &hello, -1, &reply, error);
  if (status != RECSYS_OK) {
    if (s->child.pid != 0)
      forget_child(s);
    else if (error != NULL)
      error->status = RECSYS_ENOENGINE; /* it ended before it said anything */
    return status == RECSYS_EENGINE ? RECSYS_ENOENGINE : status;
  }
  s->births++;
  snprintf(s->name, sizeof s->name, "%.*s", (int)sizeof reply.name - 1, reply.name);
  snprintf(s->version, sizeof s->version, "%.*s", (int)sizeof reply.version - 1, reply.version);
  s->trains = reply.answer != 0;
  return RECSYS_OK;
}

/* After a fork the mutex may be one that a thread of the parent holds for ever, and the child is the parent's. */
static void renew(void *context) {
  recsys__isolated *s = context;
  pthread_mutex_init(&s->mutex, NULL);
  s->child.pid = 0; /* not ours to wait for */
  forget_child(s);
}

static void adopt(recsys__isolated *s) {
  recsys__fork_renew(&s->generation, renew, s);
}

/* A child is there when it succeeds; the mutex is held then, and only then. */
static recsys_status enter(recsys__isolated *s, recsys_error *error) {
  adopt(s);
  pthread_mutex_lock(&s->mutex);
  if (s->child.pid != 0 && !recsys__child_lives(&s->child))
    forget_child(s);
  recsys_status status = s->child.pid != 0 ? RECSYS_OK : start_child(s, error);
  if (status != RECSYS_OK)
    pthread_mutex_unlock(&s->mutex);
  return status;
}

static recsys_status leave(recsys__isolated *s, recsys_status status) {
  pthread_mutex_unlock(&s->mutex);
  return status;
}

/* The common memory has at least `bytes`. */
static recsys_status grow(recsys__isolated *s, uint64_t bytes, recsys_error *error) {
  if (bytes <= s->size)
    return RECSYS_OK;
  int errnum = posix_fallocate(s->child.memory, 0, (off_t)bytes);
  void *memory = MAP_FAILED;
  if (errnum == 0 && (memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->child.memory, 0)) ==
                         MAP_FAILED) /* NOLINT(performance-no-int-to-ptr) */
    errnum = errno;
  if (errnum != 0)
    return recsys__fail(error, RECSYS_ENOMEM, errnum, "%llu bytes of memory to share with the engine's process: %s",
                        (unsigned long long)bytes, strerror(errnum));
  if (s->memory != NULL)
    munmap(s->memory, s->size);
  s->memory = memory;
  s->size = bytes;
  return RECSYS_OK;
}

recsys_status recsys__isolated_open(recsys__isolated **isolated, const char *engine, recsys_error *error) {
  *isolated = NULL;
  recsys__isolated *s = recsys__calloc(1, sizeof *s);
  if (s == NULL || (s->engine = recsys__strdup(engine)) == NULL) {
    recsys__free(s);
    return recsys__no_memory(error, "an isolated engine");
  }
  atomic_store(&s->generation, recsys__fork_generation());
  pthread_mutex_init(&s->mutex, NULL);
  recsys_status status = enter(s, error);
  if (status == RECSYS_OK) {
    *isolated = s;
    return leave(s, RECSYS_OK);
  }
  recsys__isolated_close(s);
  return status;
}

void recsys__isolated_close(recsys__isolated *isolated) {
  if (isolated == NULL)
    return;
  adopt(isolated);
  if (isolated->child.pid != 0)
    forget_child(isolated);
  pthread_mutex_destroy(&isolated->mutex);
  recsys__free(isolated->engine);
  recsys__free(isolated);
}

const char *recsys__isolated_name(const recsys__isolated *isolated) {
  return isolated->name;
}

bool recsys__isolated_trains(const recsys__isolated *isolated) {
  return isolated->trains;
}

const char *recsys__isolated_version(const recsys__isolated *isolated) {
  return isolated->version;
}

int32_t recsys__isolated_bfloat16(recsys__isolated *isolated, const char *device) {
  recsys__request request = {.op = RECSYS__WIRE_BFLOAT16};
  recsys__reply reply = {0};
  snprintf(request.device, sizeof request.device, "%s", device);
  recsys_error error;
  if (enter(isolated, &error) != RECSYS_OK)
    return 0;
  recsys_status status = ask(isolated, &request, -1, &reply, &error);
  leave(isolated, status);
  return status == RECSYS_OK && reply.answer != 0;
}

/* -- networks */

/* Sends the network where this child does not have it. The mutex is held. */
static recsys_status send_net(recsys__far_net *net, recsys_engine_net_info *info, recsys_error *error) {
  recsys__isolated *s = net->isolated;
  if (net->birth == s->births)
    return RECSYS_OK;
  recsys__request request = {.op = net->training ? RECSYS__WIRE_TRAIN : RECSYS__WIRE_LOAD, .id = net->id};
  recsys__reply reply;
  recsys_status status = ask(s, &request, net->file, &reply, error);
  if (status != RECSYS_OK)
    return status;
  net->birth = s->births;
  if (info != NULL)
    *info = reply.info;
  return RECSYS_OK;
}

recsys_status recsys__far_open(recsys__far_net **net, recsys__isolated *isolated, const recsys_network *network,
                               const recsys_engine_options *options, const recsys_engine_training *training,
                               recsys_engine_net_info *info, recsys_error *error) {
  *net = NULL;
  recsys__far_net *f = recsys__calloc(1, sizeof *f);
  if (f == NULL)
    return recsys__no_memory(error, "a network in another process");
  *f = (recsys__far_net){.isolated = isolated,
                         .file = -1,
                         .network = *network,
                         .training = training != NULL,
                         .picture = (uint64_t)network->height * network->width * network->channels};
  recsys_status status = recsys__wire_pack(network, options, training, &f->file, &f->packed, error);
  if (status == RECSYS_OK)
    status = enter(isolated, error);
  if (status == RECSYS_OK) {
    f->id = ++isolated->last_id;
    status = leave(isolated, send_net(f, info, error));
  }
  if (status == RECSYS_OK)
    *net = f;
  else
    recsys__far_close(f);
  return status;
}

void recsys__far_close(recsys__far_net *net) {
  recsys__isolated *s = net->isolated;
  adopt(s);
  pthread_mutex_lock(&s->mutex);
  if (net->birth != 0 && net->birth == s->births && s->child.pid != 0) {
    recsys__request request = {.op = RECSYS__WIRE_UNLOAD, .id = net->id};
    recsys__reply reply;
    ask(s, &request, -1, &reply, NULL); /* a child that has ended has unloaded it, too */
  }
  pthread_mutex_unlock(&s->mutex);
  recsys__wire_unmap(net->packed);
  if (net->file >= 0)
    close(net->file);
  recsys__free(net);
}

static uint64_t output_row(const recsys__far_net *net, uint64_t output) {
  const char *base = (const char *)net->packed;
  uint32_t op;
  if (net->training)
    op = net->packed->training.output;
  else
    memcpy(&op, base + (uintptr_t)net->packed->options.outputs + output * sizeof op, sizeof op);
  const recsys_op *ops = (const recsys_op *)(const void *)(base + (uintptr_t)net->packed->network.ops);
  return recsys__op_size(&ops[op]);
}

static uint64_t round_up(uint64_t bytes) {
  return (bytes + 4095) / 4096 * 4096;
}

/* Two arrays of floats in the common memory: room for both, the first one filled. */
static recsys_status place(recsys__far_net *net, recsys__request *request, const float *first, uint64_t first_count,
                           uint64_t second_count, recsys_error *error) {
  recsys__isolated *s = net->isolated;
  request->id = net->id;
  request->second = round_up(first_count * sizeof(float));
  recsys_status status = grow(s, round_up(request->second + second_count * sizeof(float)), error);
  if (status == RECSYS_OK)
    memcpy(s->memory, first, first_count * sizeof(float));
  return status;
}

recsys_status recsys__far_start(recsys__far_net *net, const float *input, uint64_t n, uint64_t output,
                                recsys_error *error) {
  recsys__isolated *s = net->isolated;
  recsys__request request = {.op = RECSYS__WIRE_RUN, .n = n, .output = output};
  recsys_status status = enter(s, error);
  if (status != RECSYS_OK)
    return status;
  net->n = n;
  net->row = output_row(net, output);
  status = send_net(net, NULL, error);
  if (status == RECSYS_OK)
    status = place(net, &request, input, n * net->picture, n * net->row, error);
  if (status == RECSYS_OK)
    status = transmit(s, &request, -1, error);
  return status == RECSYS_OK ? RECSYS_OK : leave(s, status); /* else recsys__far_wait leaves */
}

recsys_status recsys__far_wait(recsys__far_net *net, float *rows, recsys_error *error) {
  recsys__isolated *s = net->isolated;
  recsys__reply reply;
  recsys_status status = receive(s, &reply, error);
  if (status == RECSYS_OK)
    memcpy(rows, (const char *)s->memory + round_up(net->n * net->picture * sizeof(float)),
           net->n * net->row * sizeof(float));
  return leave(s, status);
}

recsys_status recsys__far_observe(recsys__far_net *net, const float *input, uint64_t output, float *ranges,
                                  recsys_error *error) {
  recsys__isolated *s = net->isolated;
  uint64_t count = 2 * (uint64_t)net->network.op_count;
  recsys__request request = {.op = RECSYS__WIRE_OBSERVE, .n = count, .output = output};
  recsys__reply reply;
  recsys_status status = enter(s, error);
  if (status != RECSYS_OK)
    return status;
  status = send_net(net, NULL, error);
  if (status == RECSYS_OK)
    status = place(net, &request, input, net->picture, count, error);
  if (status == RECSYS_OK)
    status = ask(s, &request, -1, &reply, error);
  for (uint64_t i = 0; status == RECSYS_OK && i < count; i++) {
    float seen = ((const float *)(const void *)((const char *)s->memory + request.second))[i];
    ranges[i] = seen > ranges[i] ? seen : ranges[i];
  }
  return leave(s, status);
}

/* -- training */

static uint64_t gradient_count(const recsys__far_net *net) {
  const char *trained = (const char *)net->packed + (uintptr_t)net->packed->training.trained;
  uint64_t count = 0;
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    count += trained[i] ? recsys__weight_values(&net->network.weights[i]) : 0;
  return count;
}

static void renew_weights(recsys__far_net *net) {
  const char *trained = (const char *)net->packed + (uintptr_t)net->packed->training.trained;
  for (uint32_t i = 0; i < net->network.weight_count; i++)
    if (trained[i]) {
      const recsys_weight *weight = &net->network.weights[i];
      memcpy(recsys__wire_weight(net->packed, i), weight->data, recsys__weight_values(weight) * sizeof(float));
    }
}

recsys_status recsys__far_forward(recsys__far_net *net, const float *input, uint64_t n, bool learn, float *rows,
                                  recsys_error *error) {
  recsys__isolated *s = net->isolated;
  recsys__request request = {.op = RECSYS__WIRE_FORWARD, .n = n, .learn = learn};
  recsys__reply reply;
  recsys_status status = enter(s, error);
  if (status != RECSYS_OK)
    return status;
  net->n = n;
  net->row = output_row(net, 0);
  renew_weights(net);
  status = send_net(net, NULL, error);
  if (status == RECSYS_OK)
    status = place(net, &request, input, n * net->picture, n * net->row, error);
  if (status == RECSYS_OK)
    status = ask(s, &request, -1, &reply, error);
  if (status == RECSYS_OK)
    memcpy(rows, (const char *)s->memory + request.second, n * net->row * sizeof(float));
  return leave(s, status);
}

recsys_status recsys__far_backward(recsys__far_net *net, const float *rows, float *const *gradients,
                                   recsys_error *error) {
  recsys__isolated *s = net->isolated;
  recsys__request request = {.op = RECSYS__WIRE_BACKWARD};
  recsys__reply reply;
  recsys_status status = enter(s, error);
  if (status != RECSYS_OK)
    return status;
  if (net->birth != s->births)
    return leave(s, recsys__fail(error, RECSYS_EENGINE, 0, "the engine's process ended between forward and backward"));
  status = place(net, &request, rows, net->n * net->row, gradient_count(net), error);
  if (status == RECSYS_OK)
    status = ask(s, &request, -1, &reply, error);
  const char *at = (const char *)s->memory + request.second;
  for (uint32_t i = 0; status == RECSYS_OK && i < net->network.weight_count; i++)
    if (gradients[i] != NULL) {
      size_t bytes = recsys__weight_values(&net->network.weights[i]) * sizeof(float);
      memcpy(gradients[i], at, bytes);
      at += bytes;
    }
  return leave(s, status);
}
