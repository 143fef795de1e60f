/*
 * Engines as the library sees them: found, checked and opened at the first model call, and run on one thread of their
 * own, whatever thread the caller is on.
 */
#ifndef RECSYS_ENGINE_LOADER_H
#define RECSYS_ENGINE_LOADER_H

#include <stdbool.h>

#include "engine/engine.h"

/* An opened engine. In this process it stays for the life of the process: shared by all models, never closed. An
 * isolated one is its model's own. */
typedef struct recsys__engine recsys__engine;

/* `name`: NULL or "auto" (the first that works here: onednn, torch), or an engine's name. `path`: its shared object,
 * NULL to search: the environment's RECSYS_ENGINE_PATH (a file or a folder; not for set-user-id programs), beside the
 * library, where it was installed. RECSYS_ENOENGINE lists every path that was tried, or says why the engine cannot work
 * in this process; RECSYS_EVERSION names both ABI versions. */
recsys_status recsys__engine_open(recsys__engine **engine, const char *name, const char *path, recsys_error *error);
/* The same in a process of its own (engine/isolated.h). */
recsys_status recsys__engine_isolate(recsys__engine **engine, const char *name, const char *path, recsys_error *error);
void recsys__engine_close(recsys__engine *engine); /* ends an isolated one; NULL allowed */

const char *recsys__engine_name(const recsys__engine *engine);
const char *recsys__engine_version(const recsys__engine *engine);
const char *recsys__engine_path(const recsys__engine *engine);
bool recsys__engine_trains(const recsys__engine *engine); /* else it only runs networks */
int32_t recsys__engine_bfloat16(recsys__engine *engine, const char *device);

/* A network in an engine, and the one call that may be under way on it. */
typedef struct recsys__loaded recsys__loaded;

recsys_status recsys__loaded_open(recsys__loaded **loaded, recsys__engine *engine, const recsys_network *network,
                                  const recsys_engine_options *options, recsys_error *error);
const recsys_engine_net_info *recsys__loaded_info(const recsys__loaded *loaded);

/* Starts a run on the engine's thread and returns; every start is followed by one wait, on the same thread, before
 * anything else is asked of `loaded`. The arrays must live until then. In a process that was forked after the network
 * was loaded: RECSYS_EFORKED, and nothing to wait for. */
recsys_status recsys__loaded_start(recsys__loaded *loaded, const float *input, uint64_t n, uint64_t output, float *rows,
                                   recsys_error *error);
recsys_status recsys__loaded_wait(recsys__loaded *loaded, recsys_error *error);

/* Runs one picture, and raises the ranges (recsys_engine.observe): two for every operation. RECSYS_EUNSUPPORTED where
 * the engine does not run int8. Not between a start and its wait. */
recsys_status recsys__loaded_observe(recsys__loaded *loaded, const float *input, uint64_t output, float *ranges,
                                     recsys_error *error);

/* A network under training, with every call on the engine's thread. `network` and its weights stay the caller's, until
 * recsys__trainer_close. A process that was forked since: RECSYS_EFORKED. */
typedef struct recsys__trainer recsys__trainer;
recsys_status recsys__trainer_open(recsys__trainer **trainer, recsys__engine *engine, const recsys_network *network,
                                   const recsys_engine_training *options, recsys_error *error);
recsys_status recsys__trainer_forward(recsys__trainer *trainer, const float *input, uint64_t n, bool learn, float *rows,
                                      recsys_error *error);
recsys_status recsys__trainer_backward(recsys__trainer *trainer, const float *rows, float *const *gradients,
                                       recsys_error *error);
void recsys__trainer_close(recsys__trainer *trainer); /* NULL allowed */

/* Unloads on the engine's thread. What a fork has inherited is left alone. NULL allowed. */
void recsys__loaded_close(recsys__loaded *loaded);

#endif
