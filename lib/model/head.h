/* What a trained model knows of its head: where it stands, its labels by field, how well it tells them. */
#ifndef RECSYS_MODEL_HEAD_H
#define RECSYS_MODEL_HEAD_H

#include "recsys.h"
#include "train/labels.h"

typedef struct recsys__model_head {
  char *layer; /* of the network beneath, on which the head stands */
  uint32_t hidden;
  recsys__labels labels; /* fields and their number; without a matrix */
  recsys__field *fields;
  char **field_names;
  recsys_label_metrics *metrics; /* labels + 2 */
  char *report;                  /* JSON; NULL: none yet */
} recsys__model_head;

/* From the metadata of a file, `head` and `report`. `source` is its path, for messages. */
recsys_status recsys__model_head_parse(recsys__model_head **out, const char *head, const char *report,
                                       const char *source, recsys_error *error);
/* From a caller's labels, checked: fields stand together and say alike whether they are exclusive. No metrics yet. */
recsys_status recsys__model_head_make(recsys__model_head **out, const char *layer, uint32_t hidden,
                                      const recsys_label *labels, size_t count, recsys_error *error);
/* The same labels, without metrics and report; NULL: no memory. */
recsys__model_head *recsys__model_head_copy(const recsys__model_head *head);
void recsys__model_head_free(recsys__model_head *head);
/* The metadata `head`; freed with free(); NULL: no memory. */
char *recsys__model_head_dump(const recsys__model_head *head);

#endif
