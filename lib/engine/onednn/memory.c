/* Where activations lie in one block of memory, and running a plan over it. */
#include <math.h>
#include <string.h>

#include "engine/onednn/net.h"

enum { ALIGNMENT = 64 };

void *net_room(const net *n, size_t count, size_t size) {
  return size != 0 && count > (size_t)-1 / size ? NULL : n->host->alloc(ALIGNMENT, count * size + ALIGNMENT);
}

void *net_alloc(const net *n, size_t count, size_t size) {
  void *memory = net_room(n, count, size);
  if (memory != NULL)
    memset(memory, 0, count * size);
  return memory;
}

void net_free(const net *n, void *memory) {
  if (memory != NULL)
    n->host->free(memory);
}

/* -- while the plan is made */

int32_t buffer_new(making *m, const dnn_shape *shape) {
  plan *p = m->plan;
  p->buffers[p->buffer_count] = (buffer){.shape = *shape, .bytes = dnn_bytes(shape)};
  return (int32_t)p->buffer_count++;
}

step *step_new(making *m, const dnn_made *made) {
  step *s = &m->plan->steps[m->plan->step_count++];
  *s = (step){.made = *made, .op = NONE};
  if (made->scratch > m->plan->scratch)
    m->plan->scratch = made->scratch;
  if (made->scratch > 0) {
    const int64_t bytes = (int64_t)made->scratch;
    const dnn_shape working = dnn_shape_of(&bytes, 1, dnnl_u8, DNN_PLAIN);
    step_add(m, s, DNNL_ARG_SCRATCHPAD, IN_SCRATCH, 0, &working);
  }
  return s;
}

void step_add(making *m, step *s, int argument, where kind, int32_t index, const dnn_shape *shape) {
  uint32_t now = m->plan->step_count - 1;
  s->places[s->place_count++] = (place){.argument = argument, .where = kind, .index = (uint32_t)index, .shape = *shape};
  if (kind != IN_BLOCK)
    return;
  buffer *b = &m->plan->buffers[index];
  b->first = b->used ? b->first : now;
  b->last = now;
  b->used = true;
}

/* -- placing: each buffer, in the order in which they are needed, at the lowest offset that is free all the time */

static bool overlap(const buffer *a, const buffer *b) {
  return a->used && b->used && a->first <= b->last && b->first <= a->last;
}

/* The lowest offset from `offset` on where `b` touches no placed buffer that lives at the same time. */
static size_t lowest(const plan *p, const buffer *b, const uint32_t *placed, uint32_t count) {
  size_t offset = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (uint32_t i = 0; i < count; i++) {
      const buffer *other = &p->buffers[placed[i]];
      if (overlap(b, other) && offset < other->offset + other->bytes && other->offset < offset + b->bytes) {
        offset = (other->offset + other->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        moved = true;
      }
    }
  }
  return offset;
}

static recsys_status place_buffers(net *n, plan *p, recsys_error *error) {
  uint32_t *placed = net_alloc(n, p->buffer_count, sizeof *placed), count = 0;
  if (placed == NULL)
    return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for its plan");
  for (uint32_t at = 0; at < p->step_count; at++)
    for (uint32_t i = 0; i < p->buffer_count; i++) {
      buffer *b = &p->buffers[i];
      if (!b->used || b->first != at)
        continue;
      b->offset = lowest(p, b, placed, count);
      placed[count++] = i;
      if (b->offset + b->bytes > p->bytes)
        p->bytes = b->offset + b->bytes;
    }
  net_free(n, placed);
  p->bytes = (p->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return RECSYS_OK;
}

static void *address(const net *n, const plan *p, const place *at) {
  switch (at->where) {
  case IN_BLOCK:
    return n->block + p->buffers[at->index].offset;
  case IN_SCRATCH:
    return n->block + p->bytes;
  case IN_WEIGHTS:
    return n->weights[at->index].data;
  default:
    return NULL; /* the caller's: set at every run */
  }
}

/* The block has moved: every place of every plan is told. */
static recsys_status bind(net *n, recsys_error *error) {
  for (uint32_t i = 0; i < n->plan_count; i++)
    for (uint32_t s = 0; s < n->plans[i].step_count; s++)
      for (uint32_t k = 0; k < n->plans[i].steps[s].place_count; k++) {
        place *at = &n->plans[i].steps[s].places[k];
        void *memory = address(n, &n->plans[i], at);
        dnnl_status_t status = at->memory == NULL ? dnn_memory(&at->memory, &at->shape, n->engine, memory)
                                                  : dnnl_memory_set_data_handle(at->memory, memory);
        if (status != dnnl_success)
          return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for its plan");
      }
  return RECSYS_OK;
}

recsys_status plan_place(net *n, plan *p, recsys_error *error) {
  recsys_status status = place_buffers(n, p, error);
  size_t need = p->bytes + p->scratch;
  if (status != RECSYS_OK)
    return status;
  if (need > n->block_bytes) {
    net_free(n, n->block);
    n->block_bytes = 0;
    n->block = n->host->alloc(ALIGNMENT, need);
    if (n->block == NULL)
      return dnn_fail(error, RECSYS_ENOMEM, "the onednn engine has no memory for %zu bytes of activations", need);
    memset(n->block, 0, need);
    n->block_bytes = need;
  }
  return bind(n, error);
}

/* -- running */

/* What is no operation of oneDNN's. */
static void run_own(const step *s) {
  void *src = NULL, *filters = NULL, *bias = NULL, *dst = NULL, *scratch = NULL;
  for (uint32_t k = 0; k < s->place_count; k++) {
    int argument = s->places[k].argument;
    void **at = argument == DNNL_ARG_SRC       ? &src
                : argument == DNNL_ARG_WEIGHTS ? &filters
                : argument == DNNL_ARG_BIAS    ? &bias
                : argument == DNNL_ARG_DST     ? &dst
                                               : &scratch;
    dnnl_memory_get_data_handle(s->places[k].memory, at);
  }
  if (s->linear != NULL)
    linear_run(s->linear, src, filters, bias, dst);
  else
    winograd_run(s->winograd, src, filters, bias, dst, scratch);
}

static recsys_status run_step(net *n, plan *p, uint32_t index, const float *input, float *rows, recsys_error *error) {
  step *s = &p->steps[index];
  dnnl_exec_arg_t arguments[STEP_PLACES];
  if (s->winograd != NULL || s->linear != NULL) {
    run_own(s);
    return RECSYS_OK;
  }
  for (uint32_t k = 0; k < s->place_count; k++) {
    place *at = &s->places[k];
    void *caller = at->where == IN_INPUT ? (void *)(uintptr_t)input : at->where == IN_OUTPUT ? rows : NULL;
    if (caller != NULL && dnnl_memory_set_data_handle(at->memory, caller) != dnnl_success)
      return dnn_fail(error, RECSYS_EENGINE, "oneDNN refuses the memory of a batch");
    arguments[k] = (dnnl_exec_arg_t){at->argument, at->memory};
  }
  dnnl_status_t status = dnnl_primitive_execute(s->made.primitive, n->stream, (int)s->place_count, arguments);
  if (status == dnnl_success)
    return RECSYS_OK;
  return dnn_fail(error, status == dnnl_out_of_memory ? RECSYS_ENOMEM : RECSYS_EENGINE,
                  "oneDNN stopped at step %u of %u (status %d)", index, p->step_count, (int)status);
}

/* Of a float32 place of the block; what fills up its blocks of channels is zeros. */
static void raise_range(const net *n, const plan *p, const step *s, int argument, float *range) {
  enum { LANES = 16 };
  float largest[LANES] = {0};
  for (uint32_t k = 0; k < s->place_count; k++) {
    const place *at = &s->places[k];
    if (at->argument != argument || at->where != IN_BLOCK)
      continue;
    const float *values = (const float *)(const void *)(n->block + p->buffers[at->index].offset);
    size_t count = dnn_bytes(&at->shape) / sizeof *values, whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
      for (size_t l = 0; l < LANES; l++)
        largest[l] = fabsf(values[i + l]) > largest[l] ? fabsf(values[i + l]) : largest[l];
    for (size_t i = whole; i < count; i++)
      largest[0] = fmaxf(largest[0], fabsf(values[i]));
  }
  for (size_t l = 0; l < LANES; l++)
    *range = fmaxf(*range, largest[l]);
}

recsys_status plan_run(net *n, plan *p, const float *input, float *rows, float *ranges, recsys_error *error) {
  recsys_status status = RECSYS_OK;
  for (uint32_t i = 0; status == RECSYS_OK && i < p->step_count; i++) {
    const step *s = &p->steps[i];
    bool observed = ranges != NULL && s->op >= 0;
    if (observed)
      raise_range(n, p, s, DNNL_ARG_SRC, &ranges[2 * s->op]);
    status = run_step(n, p, i, input, rows, error);
    if (observed && status == RECSYS_OK)
      status = dnnl_stream_wait(n->stream) == dnnl_success
                   ? RECSYS_OK
                   : dnn_fail(error, RECSYS_EENGINE, "oneDNN did not finish a run");
    if (observed && status == RECSYS_OK)
      raise_range(n, p, s, DNNL_ARG_DST, &ranges[2 * s->op + 1]);
  }
  if (status == RECSYS_OK && dnnl_stream_wait(n->stream) != dnnl_success)
    return dnn_fail(error, RECSYS_EENGINE, "oneDNN did not finish a run");
  return status;
}

void plan_free(net *n, plan *p) {
  for (uint32_t i = 0; i < p->step_count; i++) {
    for (uint32_t k = 0; k < p->steps[i].place_count; k++)
      if (p->steps[i].places[k].memory != NULL)
        dnnl_memory_destroy(p->steps[i].places[k].memory);
    dnn_unmake(&p->steps[i].made);
    net_free(n, p->steps[i].winograd);
    net_free(n, p->steps[i].linear);
  }
  net_free(n, p->steps);
  net_free(n, p->buffers);
  *p = (plan){0};
}
