/* Pictures with known labels: a folder and a CSV file, as recsys_model_train and recsys_model_evaluate take them. */
#ifndef LABELLED_H
#define LABELLED_H

#include "args.h"
#include "pictures.h"
#include "recsys.h"

extern const args_option labelled_options[]; /* --images, --labels, --key-column, --part-column */

typedef struct labelled {
  pictures pictures; /* of the folder */
  size_t *of;        /* index in `pictures` of each picture below */
  recsys_image *images;
  size_t n;             /* pictures that the CSV file has a line for */
  recsys_label *labels; /* n_labels: fields in the order of their columns, values by name */
  size_t n_labels;
  int32_t *parts;      /* n, from --part-column; NULL: not given */
  int8_t *matrix;      /* n x n_labels */
  uint64_t missing;    /* lines whose picture is not in the folder */
  uint64_t unlabelled; /* pictures without a line */
  char **strings;      /* of the labels */
  size_t n_strings;
} labelled;

/* Labels from the columns `fields` (names, n_fields). A picture's labels of a field are unknown where its cell is
 * empty; else those in the cell (separated by |) are present and the others absent. Values with fewer than `least`
 * pictures are left out (said). A field in which no picture has two labels is exclusive, unless it stands in
 * `multiple`. */
int labelled_read(labelled *l, const args *a, char *const *fields, size_t n_fields, uint64_t least,
                  char *const *multiple, size_t n_multiple);
/* The same for the classes of a trained model, in their order. */
int labelled_read_for(labelled *l, const args *a, recsys_model *model, uint64_t classes);
void labelled_free(labelled *l);

#endif
