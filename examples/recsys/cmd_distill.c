/* recsys distill: a small network learns a large one's embeddings. */
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "command.h"
#include "opening.h"
#include "pictures.h"
#include "training_options.h"

static const args_option options[] = {
    {"teacher", "MODEL", "whose embeddings are learned", "--teacher googlenet.safetensors"},
    {"teacher-layer", "NAME", "which of its layers (default: its embedding)", "--teacher-layer inception_4a@3"},
    {"images", "DIR", "the pictures: every JPEG or PNG file in this folder", "--images drawings/"},
    {"out", "FILE", "the taught model", "--out mini.safetensors"},
    {0},
};

static const args_command command = {
    "distill",
    "--teacher MODEL --model MODEL --images DIR --out FILE [OPTION...]",
    "Teaches a network (--model) to give embeddings that tell what another network's (--teacher) tell. No labels\n"
    "are needed. An interrupted run goes on where it was.",
    "recsys distill --teacher googlenet.safetensors --model untrained:mini --images drawings/ --out mini.safetensors "
    "\\\n"
    "    --optimiser adamw --epochs 12 --half",
    {options, training_options, opening_model_options, args_general},
};

typedef struct job {
  const args *a;
  pictures pictures;
  recsys_image *images;
  size_t n;
  recsys_model *model;
  recsys_model_info info;
  recsys_train_options how;
} job;

static int list_pictures(job *j) {
  const char *folder = args_get(j->a, "images", NULL);
  if (!folder || !args_get(j->a, "out", NULL) || !args_get(j->a, "teacher", NULL))
    return args_misuse(
        j->a, "give the pictures with --images DIR, the teacher with --teacher MODEL, the result with --out FILE");
  if (!pictures_list(&j->pictures, folder))
    return FAILED;
  j->images = need(j->pictures.n, sizeof *j->images);
  for (size_t i = 0; i < j->pictures.n; i++)
    if (!j->pictures.list[i].wrong)
      j->images[j->n++] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = j->pictures.list[i].path};
  return DONE;
}

static int teach(job *j) {
  recsys_model *teacher = NULL;
  recsys_error error = {0};
  training_progress watched = {0};
  j->how.progress = training_tell;
  j->how.progress_user = &watched;
  const char *out = args_get(j->a, "out", NULL);
  recsys_model_options seen = {.struct_size = sizeof seen,
                               .layer = args_get(j->a, "teacher-layer", NULL),
                               .precision = j->info.precision == RECSYS_PRECISION_INT8 ? RECSYS_PRECISION_AUTO
                                                                                       : j->info.precision};
  recsys_status status = recsys_model_open(&teacher, args_get(j->a, "teacher", NULL), &seen, &error);
  if (!status)
    status = recsys_model_distill(j->model, teacher, out, j->images, j->n, &j->how, NULL, &error);
  training_end(&watched);
  recsys_model_close(teacher);
  if (status == RECSYS_EPARTIAL)
    say("%s", error.message);
  else if (status)
    return say_error(&error);
  printf("%s: %s, taught with %zu pictures; the loss (1 - cosine to the teacher's rows) was last %.4f, on held-out "
         "pictures %.4f\n",
         out, j->info.architecture, j->n, watched.training_loss, watched.validation_loss);
  return DONE;
}

int cmd_distill(int argc, char **argv) {
  args a;
  job j = {.a = &a};
  int code = args_parse(&a, &command, argc, argv, 0, 0);
  if (code != ARGS_GO_ON)
    return code;
  code = training_read(&a, &j.how) ? list_pictures(&j) : MISUSED;
  if (!code)
    j.model = opening_model(&a, NULL, &j.info, &code);
  if (j.model)
    code = teach(&j);
  recsys_model_close(j.model);
  pictures_free(&j.pictures);
  free(j.images);
  args_free(&a);
  return code;
}
