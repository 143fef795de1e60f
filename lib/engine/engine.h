/*
 * The border between the library and an engine, a shared object that runs operation lists. An engine exports
 * recsys_engine_entry and nothing else, never links librecsys, lets no exception and no longjmp out, and speaks of
 * operation lists, weights and batches of rows only. Tables grow at their end; struct_size says how far they reach.
 */
#ifndef RECSYS_ENGINE_ENGINE_H
#define RECSYS_ENGINE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "nn/op.h"
#include "recsys.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RECSYS_ENGINE_ABI = 2 };

/* What the library gives to an engine. */
typedef struct recsys_host {
  uint32_t struct_size;
  uint32_t abi;
  void *(*alloc)(size_t align, size_t size);
  void (*free)(void *pointer);
} recsys_host;

enum { RECSYS_ENGINE_DIRECT = 1 }; /* no Winograd */

typedef struct recsys_engine_options {
  uint32_t struct_size;
  uint32_t precision;      /* RECSYS_PRECISION_FLOAT32, _BFLOAT16 or _INT8 (layers with ranges in int8) */
  uint32_t threads;        /* > 0 */
  uint32_t flags;          /* RECSYS_ENGINE_... */
  const char *device;      /* "auto", "cpu", "cuda", "cuda:N" */
  const uint32_t *outputs; /* the operations whose results will be asked for */
  uint64_t output_count;
  /* NULL, or a zero for each weight: the engine sets those to 1 whose numbers it goes on reading where they are. They
   * stay there, as they are, until unload. Where load fails it reads none. */
  uint8_t *kept;
} recsys_engine_options;

typedef struct recsys_engine_net recsys_engine_net;

typedef struct recsys_engine_net_info {
  uint32_t struct_size;
  uint32_t batch;      /* pictures per call that run fastest */
  char device[32];     /* where it runs: "cpu", "cuda:0" */
  char detail[96];     /* for people: kernels, layout */
  char winograd[1024]; /* the convolutions that run by Winograd: their weights' names up to the last point, with spaces
                          between; cut off where there are too many */
} recsys_engine_net_info;

/* Training: the engine makes rows and gradients, the library owns the weights and moves them. */
typedef struct recsys_engine_training {
  uint32_t struct_size;
  uint32_t threads;       /* > 0 */
  const char *device;     /* as above */
  uint32_t output;        /* the operation whose rows are learned from */
  uint32_t reserved;      /* zero */
  const uint8_t *trained; /* per weight: 1, its gradient is wanted; all others stay as they are */
} recsys_engine_training;

typedef struct recsys_engine_trainer recsys_engine_trainer;

/* What an engine gives to the library. Every function may be called from one thread at a time only (the library sees to
 * it) and from the same thread always: the engine's own. */
typedef struct recsys_engine {
  uint32_t struct_size;
  uint32_t abi;
  const char *name;    /* "torch" */
  const char *version; /* of the framework beneath: "1.13.1" */
  /* 1: bfloat16 is worth a try on this device and processor; 0: do not use it. */
  int32_t (*supports_bfloat16)(const char *device);
  /* Takes a network; it may keep no pointer into it after the call, but for what options->kept says. An operation that
   * it does not know is RECSYS_EUNSUPPORTED, naming it. */
  recsys_status (*load)(recsys_engine_net **net, const recsys_network *network, const recsys_engine_options *options,
                        recsys_error *error);
  recsys_status (*info)(recsys_engine_net *net, recsys_engine_net_info *info, recsys_error *error);
  /* n pictures (n x height x width x channels floats) to n rows of output number `output` of the options' list. A
   * C x H x W result is written in that order. */
  recsys_status (*run)(recsys_engine_net *net, const float *input, uint64_t n, uint64_t output, float *rows,
                       recsys_error *error);
  void (*unload)(recsys_engine_net *net);

  /* NULL, all four: the engine does not train.
   * Here the network and its weights stay the library's until untrain: every run reads the weights as they are then.
   * Batch norms use their running statistics, dropout does nothing. */
  recsys_status (*train)(recsys_engine_trainer **trainer, const recsys_network *network,
                         const recsys_engine_training *options, recsys_error *error);
  /* n pictures to n rows, as run has it; learn: a backward of the same n follows. */
  recsys_status (*forward)(recsys_engine_trainer *trainer, const float *input, uint64_t n, uint32_t learn, float *rows,
                           recsys_error *error);
  /* From the loss's derivative towards the rows to that towards every trained weight: gradients[i] has as many floats
   * as weight i and is overwritten; NULL for weights that are not trained. */
  recsys_status (*backward)(recsys_engine_trainer *trainer, const float *rows, float *const *gradients,
                            recsys_error *error);
  void (*untrain)(recsys_engine_trainer *trainer);

  /* NULL: the engine does not run int8.
   * Runs one picture as `run` does, and raises ranges[2 * i] to the largest magnitude of what goes into operation i and
   * ranges[2 * i + 1] to that of what comes out of it, for every convolution and dense layer that `output` needs. */
  recsys_status (*observe)(recsys_engine_net *net, const float *input, uint64_t output, float *ranges,
                           recsys_error *error);
} recsys_engine;

/* Returns the engine's table, even when `abi` is not its own (the library compares the tables' abi), or NULL with a
 * message when the engine cannot work here. */
typedef const recsys_engine *(*recsys_engine_entry_fn)(uint32_t abi, const recsys_host *host, recsys_error *error);
#if defined(RECSYS_ENGINE_BUILD)
RECSYS_API const recsys_engine *recsys_engine_entry(uint32_t abi, const recsys_host *host, recsys_error *error);
#endif

#ifdef __cplusplus
}
#endif
#endif
