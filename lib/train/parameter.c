/* Tensors that are learned, and one step of an optimiser over them, in pieces that threads share. */
#include "train/parameter.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"

recsys_status recsys__parameter_init(recsys__parameter *p, const char *name, float *value, size_t n,
                                     recsys_error *error) {
  *p = (recsys__parameter){.name = name, .value = value, .n = n, .rate = 1, .borrowed = value != NULL};
  if (value == NULL)
    p->value = recsys__calloc(n, sizeof *p->value);
  p->gradient = recsys__calloc(n, sizeof *p->gradient);
  p->first = recsys__calloc(n, sizeof *p->first);
  p->second = recsys__calloc(n, sizeof *p->second);
  p->best = recsys__calloc(n, sizeof *p->best);
  if (p->value && p->gradient && p->first && p->second && p->best)
    return RECSYS_OK;
  recsys__parameter_free(p);
  return recsys__no_memory(error, "a tensor that is learned");
}

void recsys__parameter_free(recsys__parameter *p) {
  if (!p->borrowed)
    recsys__free(p->value);
  recsys__free(p->gradient);
  recsys__free(p->first);
  recsys__free(p->second);
  recsys__free(p->best);
  *p = (recsys__parameter){0};
}

void recsys__parameter_keep(recsys__parameter *p) {
  memcpy(p->best, p->value, p->n * sizeof *p->best);
}

void recsys__parameter_restore(recsys__parameter *p) {
  memcpy(p->value, p->best, p->n * sizeof *p->best);
}

/* -- one step */

enum { PIECE = 1 << 16 };

typedef struct stepping {
  const recsys__optimiser *optimiser;
  recsys__parameter *p;
  double rate;
} stepping;

/* v = momentum v + g + decay w; w -= rate v */
static void sgd(float *restrict w, const float *restrict g, float *restrict v, size_t n, float rate, float momentum,
                float decay) {
  for (size_t i = 0; i < n; i++) {
    v[i] = momentum * v[i] + (g[i] + decay * w[i]);
    w[i] -= rate * v[i];
  }
}

/* Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2. */
static void adamw(float *restrict w, const float *restrict g, float *restrict m, float *restrict v, size_t n,
                  float rate, float decay, float correction1, float correction2) {
  const float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float keep = 1 - rate * decay, step = rate / correction1, scale = 1 / sqrtf(correction2);
  for (size_t i = 0; i < n; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * g[i];
    v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
    w[i] = w[i] * keep - step * m[i] / (sqrtf(v[i]) * scale + epsilon);
  }
}

static void step_piece(void *context, size_t part) {
  const stepping *s = context;
  recsys__parameter *p = s->p;
  const recsys__optimiser *o = s->optimiser;
  size_t at = part * PIECE, n = p->n - at < PIECE ? p->n - at : PIECE;
  if (o->kind == RECSYS_OPTIMISER_ADAMW) {
    double steps = (double)o->steps;
    adamw(p->value + at, p->gradient + at, p->first + at, p->second + at, n, (float)s->rate, (float)o->weight_decay,
          (float)(1 - pow(0.9, steps)), (float)(1 - pow(0.999, steps)));
  } else {
    sgd(p->value + at, p->gradient + at, p->first + at, n, (float)s->rate, (float)o->momentum, (float)o->weight_decay);
  }
}

void recsys__optimise(uint32_t threads, recsys__optimiser *optimiser, double rate, recsys__parameter *const *list,
                      size_t count) {
  optimiser->steps++;
  for (size_t i = 0; i < count; i++) {
    stepping s = {optimiser, list[i], rate * list[i]->rate};
    recsys__parallel(threads, (list[i]->n + PIECE - 1) / PIECE, step_piece, &s);
  }
}
