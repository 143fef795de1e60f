/* train MODEL OUT FIELD LABEL=PICTURE...: teaches a network one field of labels, such as kind shoe=1.jpg bag=2.jpg */
#include <recsys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LABELS = 50 };

static int stop(const recsys_error *error) {
  fprintf(stderr, "train: %s\n", error->message);
  return 1;
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
  size_t n = argc > 4 ? (size_t)argc - 4 : 0, count = 0;
  size_t *label_of = calloc(n + 1, sizeof *label_of);
  recsys_image *images = calloc(n + 1, sizeof *images);
  int8_t *matrix = calloc(n + 1, MOST_LABELS);
  if (n == 0 || !label_of || !images || !matrix)
    return fprintf(stderr, "usage: train MODEL OUT FIELD LABEL=PICTURE...\n"), 2;
  for (size_t i = 0; i < n; i++) {
    char *value = argv[i + 4], *path = strchr(value, '=');
    if (!path)
      return fprintf(stderr, "train: %s has no =\n", value), 2;
    *path++ = '\0';
    images[i] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = path};
    while (label_of[i] < count && strcmp(labels[label_of[i]].value, value) != 0)
      label_of[i]++;
    if (label_of[i] == MOST_LABELS)
      return fprintf(stderr, "train: more than %d labels\n", MOST_LABELS), 2;
    if (label_of[i] == count)
      labels[count++] = (recsys_label){.field = argv[3], .value = value, .exclusive = 1};
  }
  for (size_t i = 0; i < n; i++)
    matrix[i * count + label_of[i]] = RECSYS_LABEL_PRESENT; /* all others are RECSYS_LABEL_ABSENT, 0 */

  recsys_train_options how = {
      .struct_size = sizeof how, .optimiser = RECSYS_OPTIMISER_ADAMW, .seed = 1, .progress = tell};
  recsys_label_metrics *metrics = calloc(count + 2, sizeof *metrics);
  if (!metrics || recsys_model_open(&model, argv[1], NULL, &error) ||
      recsys_model_train(model, argv[2], images, n, labels, count, matrix, &how, NULL, &error))
    return stop(&error);
  recsys_model_close(model);
  if (recsys_model_open(&model, argv[2], NULL, &error) || recsys_model_get_metrics(model, metrics, &error))
    return stop(&error);
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
