/* train MODEL OUT FIELD LABEL=PICTURE...: teaches a network one field of labels, such as kind shoe=1.jpg bag=2.jpg */
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LABELS = 50 };

static _Noreturn void stop(const char *message) {
  fprintf(stderr, "train: %s\n", message);
  exit(1);
}

static int tell(void *user, const recsys_train_progress *now) {
  (void)user;
  if (now->epoch > 0 && now->step == now->steps)
    fprintf(stderr, "%s: epoch %u, training loss %.4f, validation loss %.4f\n", now->phase, now->epoch,
            now->training_loss, now->validation_loss);
  return 0;
}

int main(int argc, char **argv) {
  recsys_error error = {0};
  recsys_model *model = NULL;
  recsys_label labels[MOST_LABELS];
  if (argc < 5)
    return fprintf(stderr, "usage: train MODEL OUT FIELD LABEL=PICTURE...\n"), 2;
  size_t n = (size_t)argc - 4, count = 0;
  size_t *label_of = calloc(n, sizeof *label_of);
  recsys_image *images = calloc(n, sizeof *images);
  int8_t *matrix = calloc(n, MOST_LABELS);
  if (!label_of || !images || !matrix)
    stop("no memory");
  for (size_t i = 0; i < n; i++) {
    char *value = argv[i + 4], *path = strchr(value, '=');
    if (!path)
      stop("every picture is LABEL=PICTURE");
    *path++ = '\0';
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = path};
    while (label_of[i] < count && strcmp(labels[label_of[i]].value, value) != 0)
      label_of[i]++;
    if (label_of[i] == MOST_LABELS)
      stop("too many labels");
    if (label_of[i] == count)
      labels[count++] = (recsys_label){.field = argv[3], .value = value, .exclusive = 1};
  }
  for (size_t i = 0; i < n; i++)
    matrix[i * count + label_of[i]] = RECSYS_LABEL_PRESENT; /* all others are RECSYS_LABEL_ABSENT, 0 */

  recsys_train_options how = {
      .struct_size = sizeof how, .optimiser = RECSYS_OPTIMISER_ADAMW, .seed = 1, .progress = tell};
  recsys_label_metrics *metrics = calloc(count + 2, sizeof *metrics);
  if (!metrics)
    stop("no memory");
  if (recsys_model_open(&model, argv[1], NULL, &error) ||
      recsys_model_train(model, argv[2], images, n, labels, count, matrix, &how, NULL, &error))
    stop(error.message);
  recsys_model_close(model);
  if (recsys_model_open(&model, argv[2], NULL, &error) || recsys_model_get_metrics(model, metrics, &error))
    stop(error.message);
  for (size_t c = 0; c < count; c++)
    printf("%s=%s: F1 %.3f on %llu pictures that were held out\n", argv[3], labels[c].value, metrics[c].f1,
           (unsigned long long)metrics[c].support);
  recsys_model_close(model);
  free(metrics);
  free(label_of);
  free(images);
  free(matrix);
  return 0;
}
