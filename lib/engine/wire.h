/*
 * What passes between a process and the child that its engine runs in: one request and one reply at a time over a
 * socket pair, pictures and rows in memory that both have mapped, and networks in memory files. Both ends are of one
 * build, so structs go as they are.
 */
#ifndef RECSYS_ENGINE_WIRE_H
#define RECSYS_ENGINE_WIRE_H

#include "engine/engine.h"

/* The child's file descriptors: the socket, and the memory that both have mapped. */
enum { RECSYS__WIRE_SOCKET = 3, RECSYS__WIRE_MEMORY = 4 };

typedef enum recsys__wire_op {
  RECSYS__WIRE_HELLO = 1, /* which engine is it? */
  RECSYS__WIRE_BFLOAT16,
  RECSYS__WIRE_LOAD,   /* with the file descriptor of a packed network */
  RECSYS__WIRE_RUN,    /* arrays: the pictures, the rows */
  RECSYS__WIRE_UNLOAD, /* a network or a trainer */
  RECSYS__WIRE_TRAIN,  /* as LOAD; the weights stay in the packed network, where the parent changes them */
  RECSYS__WIRE_FORWARD,
  RECSYS__WIRE_BACKWARD, /* arrays: the rows' derivative, all wanted gradients one after the other */
  RECSYS__WIRE_OBSERVE   /* arrays: one picture, the ranges from zero */
} recsys__wire_op;

typedef struct recsys__request {
  uint32_t op;
  uint32_t id;        /* of the network, chosen by the parent */
  uint64_t memory;    /* bytes of the common memory */
  uint64_t second;    /* where in it the second array begins; the first one begins at 0 */
  uint64_t n, output; /* as in recsys_engine.run */
  uint32_t learn, reserved;
  char device[64];
} recsys__request;

typedef struct recsys__reply {
  recsys_error error; /* its status is the call's */
  recsys_engine_net_info info;
  int32_t answer; /* BFLOAT16; HELLO: whether it trains */
  int32_t reserved;
  char name[32], version[64]; /* HELLO */
} recsys__reply;

/* A packed network, at the beginning of its memory file. Offsets are in bytes from there; in the tables they stand in
 * place of pointers, 0 for NULL. */
typedef struct recsys__packed {
  uint64_t bytes; /* of the whole file */
  recsys_network network;
  recsys_engine_options options;   /* LOAD */
  recsys_engine_training training; /* TRAIN */
  char device[64];
} recsys__packed;

/* Makes a memory file of a network with `options` or `training` (the other is NULL), and maps it. */
recsys_status recsys__wire_pack(const recsys_network *network, const recsys_engine_options *options,
                                const recsys_engine_training *training, int *file, recsys__packed **packed,
                                recsys_error *error);
void recsys__wire_unmap(recsys__packed *packed);

/* The weight's numbers in a packed network. */
float *recsys__wire_weight(recsys__packed *packed, uint32_t weight);

/* Maps a packed network and makes its offsets pointers, in a private copy of the tables (the weights are shared). */
recsys_status recsys__wire_unpack(int file, recsys__packed **packed, recsys_error *error);

#endif
