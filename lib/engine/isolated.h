/*
 * An engine in a process of its own: what it crashes, what it maps, and what it starts stays there. The child is
 * started when it is first needed, and again when it has ended or when this process is a fork of the one that started
 * it; a network that it no longer has is sent again.
 */
#ifndef RECSYS_ENGINE_ISOLATED_H
#define RECSYS_ENGINE_ISOLATED_H

#include <stdbool.h>

#include "engine/engine.h"

typedef struct recsys__isolated recsys__isolated;

/* `engine`: the shared object's path. Starts the child, which opens it. */
recsys_status recsys__isolated_open(recsys__isolated **isolated, const char *engine, recsys_error *error);
void recsys__isolated_close(recsys__isolated *isolated); /* NULL allowed */
const char *recsys__isolated_name(const recsys__isolated *isolated);
const char *recsys__isolated_version(const recsys__isolated *isolated);
bool recsys__isolated_trains(const recsys__isolated *isolated);
int32_t recsys__isolated_bfloat16(recsys__isolated *isolated, const char *device);

/* A network in the child: one to run, or one to train (the other options are NULL). A network to train stays the
 * caller's until it is closed: its weights are sent again before every forward. */
typedef struct recsys__far_net recsys__far_net;
recsys_status recsys__far_open(recsys__far_net **net, recsys__isolated *isolated, const recsys_network *network,
                               const recsys_engine_options *options, const recsys_engine_training *training,
                               recsys_engine_net_info *info, recsys_error *error);
void recsys__far_close(recsys__far_net *net);

/* As recsys_engine.run, in two steps, both on one thread; every successful start is followed by one wait. */
recsys_status recsys__far_start(recsys__far_net *net, const float *input, uint64_t n, uint64_t output,
                                recsys_error *error);
recsys_status recsys__far_wait(recsys__far_net *net, float *rows, recsys_error *error);

/* As recsys_engine.observe. */
recsys_status recsys__far_observe(recsys__far_net *net, const float *input, uint64_t output, float *ranges,
                                  recsys_error *error);

recsys_status recsys__far_forward(recsys__far_net *net, const float *input, uint64_t n, bool learn, float *rows,
                                  recsys_error *error);
recsys_status recsys__far_backward(recsys__far_net *net, const float *rows, float *const *gradients,
                                   recsys_error *error);

#endif
