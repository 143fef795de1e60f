/* Winograd's convolution: chunks of tiles, and who works on what. */
#include "engine/onednn/winograd.h"

/* Bytes: a chunk of one thread (of its second-level cache), one of all, and weights that stay beside the former. */
enum { OWN_CHUNK = 512 << 10, SHARED_CHUNK = 4 << 20, OWN_WEIGHTS = 640 << 10 };
/* Tiles: fewer for each time that large weights come from memory would make those products wait. */
enum { LEAST_TILES = 48 };
enum { LINE = 16, PAGE = 1024 /* floats */ };

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Floats from one point's transforms to the next one's, of a chunk: a line more than whole pages, so that the 36 do not
 * fall on each other in the caches. */
static size_t step_of(const winograd *w, int64_t channels) {
  return ((size_t)(channels * w->chunk) + PAGE - 1) / PAGE * PAGE + LINE;
}

static size_t chunk_floats(const winograd *w) {
  return WINOGRAD_POINTS * (step_of(w, w->src.channels) + step_of(w, w->dst.channels));
}

/* Each thread takes whole chunks of its own where the weights stay in its cache beside them, and there are tiles enough
 * for all. */
static void plan_chunks(winograd *w) {
  int64_t bytes = (w->src.channels + w->dst.channels) * WINOGRAD_POINTS * (int64_t)sizeof(float);
  int64_t weights = w->src.channels * w->dst.channels * WINOGRAD_POINTS * (int64_t)sizeof(float);
  int64_t rows = w->kernel->rows, threads = w->threads;
  w->alone = weights <= OWN_WEIGHTS && w->tiles >= rows * threads;
  int64_t most = w->alone ? OWN_CHUNK / bytes : SHARED_CHUNK / bytes < LEAST_TILES ? LEAST_TILES : SHARED_CHUNK / bytes;
  most = most < rows ? rows : most - most % rows;
  int64_t chunks = (w->tiles + most - 1) / most;
  if (w->alone)
    chunks = (chunks + threads - 1) / threads * threads;
  w->chunk = (w->tiles + chunks - 1) / chunks;
}

bool winograd_plan(winograd *w) {
  int64_t lanes = w->kernel->lanes;
  w->across = (w->dst.width + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
  w->tiles = w->batch * w->across * ((w->dst.height + WINOGRAD_OUT - 1) / WINOGRAD_OUT);
  if (w->tiles <= 0 || w->src.channels % lanes != 0 || w->dst.channels % lanes != 0 || w->src.block % lanes != 0 ||
      w->dst.block % lanes != 0)
    return false;
  plan_chunks(w);
  return true;
}

size_t winograd_scratch(const winograd *w) {
  return chunk_floats(w) * sizeof(float) * (w->alone ? w->threads : 1);
}

/* -- weights */

size_t winograd_weights_floats(int64_t outputs, int64_t padded_inputs) {
  return WINOGRAD_POINTS * (size_t)(outputs * padded_inputs);
}

void winograd_weights(const winograd_kernel *kernel, int64_t outputs, int64_t inputs, int64_t padded_inputs,
                      const float *weights, float *to, uint32_t threads) {
  int64_t panel = WINOGRAD_PANEL * kernel->lanes;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < inputs; i++)
    for (int64_t first = 0; first < outputs; first += panel) {
      int64_t width = least(panel, outputs - first);
      float *panel_at = to + first * padded_inputs + i * width;
      for (int64_t o = 0; o < width; o += kernel->lanes)
        kernel->filter(weights + ((first + o) * inputs + i) * 9, (size_t)inputs * 9, panel_at + o,
                       (size_t)(outputs * padded_inputs));
    }
}

/* -- running */

typedef struct running {
  const winograd *w;
  const float *src, *weights, *bias;
  float *dst, *in, *out; /* in, out: of a chunk, transformed */
  int64_t first, count;  /* tiles of the chunk */
  uint32_t thread, threads;
} running;

/* Thread t's share of n: from `first` to before `last`. */
static void share(const running *r, int64_t n, int64_t *first, int64_t *last) {
  *first = n * r->thread / r->threads;
  *last = n * (r->thread + 1) / r->threads;
}

/* Where `channel` at (y, x) of a picture lies. */
static size_t place_of(const winograd_map *map, int64_t picture, int64_t channel, int64_t y, int64_t x) {
  int64_t block = channel / map->block, rest = channel % map->block;
  int64_t blocks = map->channels / map->block;
  return (size_t)((((picture * blocks + block) * map->height + y) * map->width + x) * map->block + rest);
}

typedef struct position {
  int64_t picture, y, x; /* of the first result */
} position;

static position position_of(const winograd *w, int64_t tile) {
  int64_t down = (w->dst.height + WINOGRAD_OUT - 1) / WINOGRAD_OUT, row = tile / w->across;
  return (position){row / down, row % down * WINOGRAD_OUT, tile % w->across * WINOGRAD_OUT};
}

static void inside(int64_t from, int64_t size, int *first, int *last) {
  *first = from < 0 ? (int)-from : 0;
  *last = (int)least(WINOGRAD_IN, size - from);
}

static void transform_inputs(const running *r) {
  const winograd *w = r->w;
  int64_t lanes = w->kernel->lanes, first, last;
  share(r, w->src.channels / lanes * r->count, &first, &last);
  for (int64_t at = first; at < last; at++) {
    int64_t group = at / r->count, tile = at % r->count;
    position p = position_of(w, r->first + tile);
    int from[2], to[2];
    inside(p.y - w->pad[0], w->src.height, &from[0], &to[0]);
    inside(p.x - w->pad[1], w->src.width, &from[1], &to[1]);
    /* The patch's corner may lie before the picture: the kernel does not read there. */
    ptrdiff_t corner = (ptrdiff_t)place_of(&w->src, p.picture, group * lanes, 0, 0) +
                       ((p.y - w->pad[0]) * w->src.width + p.x - w->pad[1]) * w->src.block;
    w->kernel->input(r->src + corner, (size_t)w->src.block, (size_t)(w->src.block * w->src.width), from, to,
                     r->in + (group * w->chunk + tile) * lanes, step_of(w, w->src.channels));
  }
}

/* One point's product, of one panel of outputs. */
static void multiply_panel(const running *r, int64_t point, int64_t panel) {
  const winograd *w = r->w;
  int64_t lanes = w->kernel->lanes, inputs = w->src.channels, outputs = w->dst.channels;
  int64_t output = panel * WINOGRAD_PANEL * lanes, vectors = least(WINOGRAD_PANEL, (outputs - output) / lanes);
  const float *weights = r->weights + point * outputs * inputs + output * inputs;
  const float *in = r->in + (size_t)point * step_of(w, inputs);
  float *out = r->out + (size_t)point * step_of(w, outputs) + output * w->chunk;
  int64_t pieces = (r->count + w->kernel->rows - 1) / w->kernel->rows;
  for (int64_t i = 0; i < pieces; i++) {
    int64_t from = r->count * i / pieces, to = r->count * (i + 1) / pieces;
    w->kernel->multiply((size_t)(to - from), (size_t)(inputs / lanes), (int)vectors, in + from * lanes,
                        (size_t)(w->chunk * lanes), weights, out + from * lanes, (size_t)(w->chunk * lanes));
  }
}

static void multiply_all(const running *r) {
  const winograd *w = r->w;
  int64_t panel = WINOGRAD_PANEL * w->kernel->lanes, panels = (w->dst.channels + panel - 1) / panel, first, last;
  share(r, WINOGRAD_POINTS * panels, &first, &last);
  for (int64_t at = first; at < last; at++)
    multiply_panel(r, at / panels, at % panels);
}

static void transform_outputs(const running *r) {
  const winograd *w = r->w;
  int64_t lanes = w->kernel->lanes, first, last;
  share(r, w->dst.channels / lanes * r->count, &first, &last);
  for (int64_t at = first; at < last; at++) {
    int64_t group = at / r->count, tile = at % r->count;
    position p = position_of(w, r->first + tile);
    w->kernel->output(r->out + (group * w->chunk + tile) * lanes, step_of(w, w->dst.channels),
                      r->bias != NULL ? r->bias + group * lanes : NULL, w->add, w->relu,
                      (int)least(WINOGRAD_OUT, w->dst.height - p.y), (int)least(WINOGRAD_OUT, w->dst.width - p.x),
                      r->dst + place_of(&w->dst, p.picture, group * lanes, p.y, p.x), (size_t)w->dst.block,
                      (size_t)(w->dst.block * w->dst.width));
  }
}

static void run_alone(running r, float *scratch) {
  const winograd *w = r.w;
  int64_t chunks = (w->tiles + w->chunk - 1) / w->chunk, first, last;
  share(&r, chunks, &first, &last);
  r.in = scratch + r.thread * chunk_floats(w);
  r.out = r.in + WINOGRAD_POINTS * step_of(w, w->src.channels);
  r.thread = 0;
  r.threads = 1;
  for (int64_t c = first; c < last; c++) {
    r.first = c * w->chunk;
    r.count = least(w->chunk, w->tiles - r.first);
    transform_inputs(&r);
    multiply_all(&r);
    transform_outputs(&r);
  }
}

/* Inside a parallel region: the shares of one step, with a barrier behind them unless they are the last step's. */
static void together(running r, void (*work)(const running *r), bool last) {
  if (last) {
#pragma omp for schedule(static, 1) nowait
    for (uint32_t t = 0; t < r.w->threads; t++) {
      running mine = r;
      mine.thread = t;
      work(&mine);
    }
    return;
  }
#pragma omp for schedule(static, 1)
  for (uint32_t t = 0; t < r.w->threads; t++) {
    running mine = r;
    mine.thread = t;
    work(&mine);
  }
}

static void run_together(running r, float *scratch) {
  const winograd *w = r.w;
  r.in = scratch;
  r.out = r.in + WINOGRAD_POINTS * step_of(w, w->src.channels);
  for (r.first = 0; r.first < w->tiles; r.first += w->chunk) {
    r.count = least(w->chunk, w->tiles - r.first);
    together(r, transform_inputs, false);
    together(r, multiply_all, false);
    together(r, transform_outputs, true); /* nobody writes what it reads before the next barrier */
  }
}

/* Shares are of w->threads, however many threads there really are. */
void winograd_run(const winograd *w, const float *src, const float *weights, const float *bias, float *dst,
                  void *scratch) {
  const running r = {.w = w, .src = src, .weights = weights, .bias = bias, .dst = dst, .threads = w->threads};
  if (w->alone) {
#pragma omp parallel for num_threads(w->threads) schedule(static, 1)
    for (uint32_t t = 0; t < w->threads; t++) {
      running mine = r;
      mine.thread = t;
      run_alone(mine, scratch);
    }
    return;
  }
#pragma omp parallel num_threads(w->threads)
  run_together(r, scratch);
}
