/*
 * How fast do JPEG files become stored rows? embed FOLDER [ROUNDS [PICTURES [ARCHITECTURE...]]]
 *
 * For each architecture in float32 and bfloat16, three things take turns, ROUNDS (7) times: PICTURES (32) files of the
 * folder to rows in a store on disk through the public interface; the bare engine on as many ready inputs; and, where
 * python3-torch is installed, eager PyTorch in a process of its own (embed.py: channels-last, batch norm folded, batch
 * 8, as many threads). Prints medians in pictures a second, and the medians of each round's quotients: machines waver,
 * and the two halves of a quotient were measured within seconds of each other.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"
#include "model/model.h"

enum { MAX_ROUNDS = 101, MAX_PICTURES = 4096, BATCH = 8 };

static recsys_error error;

static void must(recsys_status status) {
  if (status == RECSYS_OK)
    return;
  fprintf(stderr, "embed: %s: %s\n", recsys_status_name(status), error.message);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(const double *values, int n) {
  double sorted[MAX_ROUNDS];
  memcpy(sorted, values, (size_t)n * sizeof *values);
  qsort(sorted, (size_t)n, sizeof *sorted, compare);
  return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double median_quotient(const double *a, const double *b, int n) {
  double quotients[MAX_ROUNDS];
  for (int i = 0; i < n; i++)
    quotients[i] = a[i] / b[i];
  return median(quotients, n);
}

/* ---- pictures ---- */

static recsys_image images[MAX_PICTURES];
static int64_t items[MAX_PICTURES];

static void find_pictures(const char *folder, size_t n) {
  DIR *dir = opendir(folder);
  struct dirent *entry;
  size_t found = 0;
  while (dir != NULL && found < n && (entry = readdir(dir)) != NULL) {
    const char *dot = strrchr(entry->d_name, '.');
    if (dot == NULL || strcmp(dot, ".jpg") != 0)
      continue;
    char *path = malloc(strlen(folder) + strlen(entry->d_name) + 2);
    sprintf(path, "%s/%s", folder, entry->d_name);
    images[found] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = path};
    items[found] = (int64_t)found;
    found++;
  }
  if (dir != NULL)
    closedir(dir);
  if (found < n) {
    fprintf(stderr, "embed: %s has %zu .jpg files, %zu are needed\n", folder, found, n);
    exit(1);
  }
}

/* ---- the three rates ---- */

static double files_to_rows(recsys_model *model, recsys_store *store, float *rows, size_t n) {
  double start = now();
  must(recsys_model_embed(model, images, n, NULL, rows, NULL, &error));
  must(recsys_store_put_embeddings(store, model->info.fingerprint, (uint32_t)model->info.dim, items, NULL, rows, n,
                                   &error));
  return (double)n / (now() - start);
}

static double bare_engine(recsys_model *model, const float *input, float *rows, size_t n) {
  double start = now();
  for (size_t i = 0; i < n; i += BATCH) {
    must(recsys__loaded_start(model->loaded, input, BATCH, RECSYS__OUTPUT_EMBEDDING, rows, &error));
    must(recsys__loaded_wait(model->loaded, &error));
  }
  return (double)n / (now() - start);
}

typedef struct peer {
  FILE *to, *from;
  pid_t pid;
} peer;

/* embed.py beside this file. */
static const char *script_path(void) {
  static char path[4096];
  int stem = (int)strlen(__FILE__) - (int)strlen("c");
  snprintf(path, sizeof path, "%.*spy", stem, __FILE__);
  return path;
}

/* Starts it; false where it cannot run. */
static bool start_peer(peer *p, const char *architecture, const char *precision, uint32_t threads) {
  int to[2], from[2];
  char count[16], line[64];
  snprintf(count, sizeof count, "%u", threads);
  if (pipe(to) != 0 || pipe(from) != 0)
    exit(1);
  p->pid = fork();
  if (p->pid == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    close(to[1]);
    close(from[0]);
    setenv("OMP_NUM_THREADS", count, 1);
    execl("/usr/bin/python3", "python3", script_path(), architecture, precision, count, (char *)NULL);
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  p->to = fdopen(to[1], "w");
  p->from = fdopen(from[0], "r");
  return fgets(line, sizeof line, p->from) != NULL && strcmp(line, "ready\n") == 0;
}

static double ask_peer(peer *p, size_t n) {
  char line[64];
  fprintf(p->to, "%zu\n", n);
  fflush(p->to);
  if (fgets(line, sizeof line, p->from) == NULL)
    exit(1);
  return (double)n / strtod(line, NULL);
}

static void stop_peer(peer *p) {
  fclose(p->to);
  fclose(p->from);
  waitpid(p->pid, NULL, 0);
}

/* ---- the table ---- */

static recsys_store *make_store(char *folder, char *path, size_t size) {
  recsys_store *store;
  strcpy(folder, "/tmp/recsys-bench-XXXXXX");
  if (mkdtemp(folder) == NULL)
    exit(1);
  snprintf(path, size, "%s/store", folder);
  must(recsys_store_open(&store, path, NULL, &error));
  return store;
}

static void remove_store(recsys_store *store, const char *folder, const char *path) {
  static const char *const tails[] = {"", "-wal", "-shm"};
  char file[128];
  recsys_store_close(store);
  for (int i = 0; i < 3; i++) {
    snprintf(file, sizeof file, "%s%s", path, tails[i]);
    unlink(file);
  }
  rmdir(folder);
}

static void measure(const char *architecture, uint32_t precision, int rounds, size_t n) {
  double rows_rate[MAX_ROUNDS], bare[MAX_ROUNDS], eager[MAX_ROUNDS];
  const char *name = precision == RECSYS_PRECISION_BFLOAT16 ? "bf16" : "f32";
  recsys_model *model;
  char folder[32], path[64];
  peer p;
  recsys_model_options options = {.struct_size = sizeof options, .precision = precision, .device = "cpu"};
  must(recsys_model_create(&model, architecture, &options, &error));
  bool has_peer = start_peer(&p, architecture, name, model->threads);
  recsys_store *store = make_store(folder, path, sizeof path);
  const recsys_network *shape = &model->net.network;
  size_t picture = (size_t)shape->height * shape->width * shape->channels;
  float *input = malloc(BATCH * picture * sizeof *input), *rows = malloc(n * model->info.dim * sizeof *rows);
  for (size_t i = 0; i < BATCH * picture; i++)
    input[i] = (float)(i % 251) / 125 - 1;
  files_to_rows(model, store, rows, BATCH); /* warm up */
  for (int i = 0; i < rounds; i++) {
    rows_rate[i] = files_to_rows(model, store, rows, n);
    bare[i] = bare_engine(model, input, rows, n);
    eager[i] = has_peer ? ask_peer(&p, n) : 0;
  }
  printf("| %s %s | %.1f | %.1f | %.2f |", architecture, name, median(rows_rate, rounds), median(bare, rounds),
         median_quotient(rows_rate, bare, rounds));
  if (has_peer)
    printf(" %.1f | %.2f |\n", median(eager, rounds), median_quotient(bare, eager, rounds));
  else
    printf(" - | - |\n");
  fflush(stdout);
  stop_peer(&p);
  remove_store(store, folder, path);
  recsys_model_close(model);
  free(input);
  free(rows);
}

int main(int argc, char **argv) {
  static char usual[3][16] = {"vgg16", "vgg19", "resnet50"};
  int rounds = argc > 2 ? atoi(argv[2]) : 7;
  size_t n = argc > 3 ? strtoull(argv[3], NULL, 10) : 32;
  if (argc < 2 || rounds < 1 || rounds > MAX_ROUNDS || n < BATCH || n > MAX_PICTURES || n % BATCH != 0) {
    fprintf(stderr, "usage: embed FOLDER [ROUNDS [PICTURES [ARCHITECTURE...]]]: pictures in eights, up to %d\n",
            MAX_PICTURES);
    return 2;
  }
  find_pictures(argv[1], n);
  printf("pictures a second, medians of %d alternating rounds of %zu pictures, %u threads\n\n", rounds, n,
         recsys__cpu_count());
  printf("| network | files to stored rows | bare engine | rows / bare | eager PyTorch | bare / eager |\n");
  printf("| --- | --- | --- | --- | --- | --- |\n");
  for (int i = 0; i < (argc > 4 ? argc - 4 : 3); i++) {
    const char *architecture = argc > 4 ? argv[4 + i] : usual[i];
    measure(architecture, RECSYS_PRECISION_FLOAT32, rounds, n);
    measure(architecture, RECSYS_PRECISION_BFLOAT16, rounds, n);
  }
  return 0;
}
