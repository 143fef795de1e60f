/* How to train, from the command line, and its progress: for train and distill. */
#ifndef TRAINING_OPTIONS_H
#define TRAINING_OPTIONS_H

#include <stdbool.h>

#include "args.h"
#include "progress.h"
#include "recsys.h"

extern const args_option training_options[];

/* false: said already. */
bool training_read(const args *a, recsys_train_options *o);

/* Zero it; the library's callback gets it as `user`. */
typedef struct training_progress {
  progress bar;
  const char *phase; /* of the bar; NULL: none was begun */
  uint32_t fold;
  double training_loss, validation_loss; /* told last */
} training_progress;
int training_tell(void *user, const recsys_train_progress *now);
void training_end(training_progress *t);

#endif
