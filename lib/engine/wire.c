/* Networks in memory files. */
#include "engine/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "nn/net.h"

/* -- packing: twice over the same steps, first to count the bytes, then to write them */

enum { ALIGN = 64, PAGE = 65536 };

typedef struct packer {
  char *base; /* NULL: only count */
  uint64_t at;
} packer;

/* Room for `size` bytes, with a copy of `data` (NULL: none); its offset. */
static uint64_t put(packer *p, const void *data, uint64_t size) {
  uint64_t at = (p->at + ALIGN - 1) / ALIGN * ALIGN;
  p->at = at + size;
  if (p->base != NULL && data != NULL)
    memcpy(p->base + at, data, size);
  return at;
}

static const void *as_pointer(uint64_t offset) {
  return (const void *)(uintptr_t)offset; /* NOLINT(performance-no-int-to-ptr): an offset in a pointer's place */
}

static const char *put_text(packer *p, const char *text) {
  return text == NULL ? NULL : as_pointer(put(p, text, strlen(text) + 1));
}

static const recsys_op *op_at(const recsys_network *network, uint32_t i) {
  return (const recsys_op *)((const char *)network->ops + (size_t)i * network->op_size);
}

static const recsys_weight *weight_at(const recsys_network *network, uint32_t i) {
  return (const recsys_weight *)((const char *)network->weights + (size_t)i * network->weight_size);
}

static void put_network(packer *p, recsys__packed *head, const recsys_network *network) {
  head->network = *network;
  uint64_t ops = put(p, NULL, (uint64_t)network->op_count * sizeof(recsys_op));
  uint64_t weights = put(p, NULL, (uint64_t)network->weight_count * sizeof(recsys_weight));
  for (uint32_t i = 0; i < network->op_count; i++) {
    recsys_op op = *op_at(network, i);
    op.name = put_text(p, op.name);
    if (p->base != NULL)
      memcpy(p->base + ops + i * sizeof op, &op, sizeof op);
  }
  uint64_t names = p->at;
  for (uint32_t i = 0; i < network->weight_count; i++)
    put_text(p, weight_at(network, i)->name);
  /* The child changes its copy of the pages before this. */
  p->at = (p->at + PAGE - 1) / PAGE * PAGE;
  packer again = {NULL, names};
  for (uint32_t i = 0; i < network->weight_count; i++) {
    recsys_weight weight = *weight_at(network, i);
    weight.name = put_text(&again, weight.name);
    weight.data = as_pointer(put(p, weight.data, recsys__weight_values(&weight) * sizeof(float)));
    if (p->base != NULL)
      memcpy(p->base + weights + i * sizeof weight, &weight, sizeof weight);
  }
  head->network.op_size = sizeof(recsys_op);
  head->network.weight_size = sizeof(recsys_weight);
  head->network.ops = as_pointer(ops);
  head->network.weights = as_pointer(weights);
}

static uint64_t put_all(char *base, const recsys_network *network, const recsys_engine_options *options,
                        const recsys_engine_training *training) {
  recsys__packed head = {0};
  packer p = {base, sizeof head};
  put_network(&p, &head, network);
  const char *device = options != NULL ? options->device : training->device;
  memcpy(head.device, device, strlen(device)); /* recsys__wire_pack has looked at its length */
  if (options != NULL) {
    head.options = *options;
    head.options.kept = NULL; /* the weights are ours no longer than the call */
    head.options.outputs = as_pointer(put(&p, options->outputs, options->output_count * sizeof *options->outputs));
  } else {
    head.training = *training;
    head.training.trained = as_pointer(put(&p, training->trained, network->weight_count));
  }
  head.bytes = p.at;
  if (base != NULL)
    memcpy(base, &head, sizeof head);
  return p.at;
}

static recsys_status fail_memory(int errnum, uint64_t bytes, recsys_error *error) {
  return recsys__fail(error, RECSYS_ENOMEM, errnum, "%llu bytes of memory to share with the engine's process: %s",
                      (unsigned long long)bytes, strerror(errnum));
}

recsys_status recsys__wire_pack(const recsys_network *network, const recsys_engine_options *options,
                                const recsys_engine_training *training, int *file, recsys__packed **packed,
                                recsys_error *error) {
  const char *device = options != NULL ? options->device : training->device;
  *packed = NULL;
  *file = -1;
  if (strlen(device) >= sizeof(*packed)->device)
    return recsys__fail(error, RECSYS_EINVAL, 0, "'%.40s...' is no device: use \"auto\", \"cpu\" or \"cuda\"", device);
  uint64_t bytes = put_all(NULL, network, options, training);
  int memory = memfd_create("recsys-network", MFD_CLOEXEC);
  /* posix_fallocate: that there is too little memory is told here, not by a signal while it is filled. */
  int errnum = memory < 0 ? errno : posix_fallocate(memory, 0, (off_t)bytes);
  void *base = MAP_FAILED;
  if (errnum == 0 &&
      (base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0)) == MAP_FAILED) /* NOLINT */
    errnum = errno;
  if (errnum != 0) {
    if (memory >= 0)
      close(memory);
    return fail_memory(errnum, bytes, error);
  }
  put_all(base, network, options, training);
  *file = memory;
  *packed = base;
  return RECSYS_OK;
}

void recsys__wire_unmap(recsys__packed *packed) {
  if (packed != NULL)
    munmap(packed, packed->bytes);
}

static void *at(recsys__packed *packed, const void *offset) {
  return offset == NULL ? NULL : (char *)packed + (uintptr_t)offset;
}

float *recsys__wire_weight(recsys__packed *packed, uint32_t weight) {
  const recsys_weight *weights = at(packed, packed->network.weights);
  return at(packed, weights[weight].data);
}

/* -- unpacking */

static void point(recsys__packed *packed) {
  recsys_network *network = &packed->network;
  recsys_op *ops = at(packed, network->ops);
  recsys_weight *weights = at(packed, network->weights);
  for (uint32_t i = 0; i < network->op_count; i++)
    ops[i].name = at(packed, ops[i].name);
  for (uint32_t i = 0; i < network->weight_count; i++) {
    weights[i].name = at(packed, weights[i].name);
    weights[i].data = at(packed, weights[i].data);
  }
  network->ops = ops;
  network->weights = weights;
  packed->options.device = packed->training.device = packed->device;
  packed->options.outputs = at(packed, packed->options.outputs);
  packed->training.trained = at(packed, packed->training.trained);
}

/* The tables lie before the names and numbers; pages that are written here become this process's own. */
recsys_status recsys__wire_unpack(int file, recsys__packed **packed, recsys_error *error) {
  struct stat info;
  *packed = NULL;
  if (fstat(file, &info) != 0 || (uint64_t)info.st_size < sizeof **packed)
    return recsys__fail(error, RECSYS_EINTERNAL, 0, "a network without its description came to the engine's process");
  size_t bytes = (size_t)info.st_size;
  recsys__packed *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  if (shared == MAP_FAILED) /* NOLINT(performance-no-int-to-ptr) */
    return fail_memory(errno, bytes, error);
  point(shared);
  *packed = shared;
  return RECSYS_OK;
}
