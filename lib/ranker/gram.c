/* One row of the product at a time: each item's users, and what they rated. */
#include "ranker/gram.h"

#include <string.h>

#include "base/matrix.h"
#include "base/thread.h"

typedef struct job {
  const recsys__sparse *a, *b;
  const double *w;
  bool lower;
  double *out;
} job;

static void one_row(void *context, size_t i) {
  const job *j = context;
  double *row = j->out + i * j->a->rows;
  memset(row, 0, j->a->rows * sizeof *row);
  for (uint64_t e = j->a->offsets[i]; e < j->a->offsets[i + 1]; e++) {
    uint32_t user = j->a->indices[e];
    double value = (double)j->a->values[e] * (j->w ? j->w[user] : 1);
    for (uint64_t c = j->b->offsets[user]; c < j->b->offsets[user + 1]; c++) {
      if (j->lower && j->b->indices[c] > i)
        break;
      row[j->b->indices[c]] += value * (double)j->b->values[c];
    }
  }
}

void recsys__gram(uint32_t threads, const recsys__sparse *a_by_item, const recsys__sparse *b_by_user, const double *w,
                  bool lower, double *out) {
  job j = {a_by_item, b_by_user, w, lower, out};
  recsys__parallel(threads, a_by_item->rows, one_row, &j);
  if (lower)
    recsys__mirror(threads, out, a_by_item->rows);
}
