/* What all lists of one call share: the ranker that is asked, the view, the filter, the options. */
#ifndef RECSYS_RANKER_CALL_H
#define RECSYS_RANKER_CALL_H

#include "ranker/ranker.h"

typedef struct recsys__call {
  recsys_ranker *ranker;
  recsys__fitted *fitted, *outer; /* outer: of `auto`, which holds the ranker that is asked; NULL */
  const recsys__view *view;
  recsys__scale scale;
  recsys__filter *filter;
  recsys_recommend_options options;
} recsys__call;

/* Ended also after a failure. */
recsys_status recsys__call_begin(recsys__call *c, recsys_ranker *ranker, const recsys_recommend_options *options,
                                 recsys_error *error);
void recsys__call_end(recsys__call *c);
/* A request for one list of k; the history outlives it. user -1: the history was passed in. */
recsys__request recsys__call_request(const recsys__call *c, int64_t user, const recsys__history *history, size_t k);
/* A history that was passed in: no negative items, no rating that is not finite. */
recsys_status recsys__call_check_history(const int64_t *items, const float *ratings, size_t m, recsys_error *error);
/* Of a stored user, or one that was passed in; freed with recsys__history_free. */
recsys_status recsys__call_history(const recsys__call *c, recsys__history *h, int64_t user, recsys_error *error);
recsys_status recsys__call_history_from(const recsys__call *c, recsys__history *h, const int64_t *items,
                                        const float *ratings, const int64_t *times, size_t m, recsys_error *error);

/* Whether an item may be listed: neither rated (unless asked for) nor filtered out; the same, and the store has it; and
 * whether it is one of the given targets. */
bool recsys__call_is_wanted(const recsys__call *c, const recsys__request *r, int64_t item);
bool recsys__call_may_appear(const recsys__call *c, const recsys__request *r, int64_t item);
bool recsys__call_is_target(const recsys__request *r, int64_t item);

#endif
