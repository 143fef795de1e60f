/* Opening stores and models from the command line. */
#include "opening.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "fetch.h"
#include "json.h"
#include "progress.h"

const args_option opening_model_options[] = {
    {"model", "MODEL",
     "a safetensors file with a network's weights (recsys convert makes one from a .pth file), the name of\n"
     "published weights that recsys fetch has brought (resnet50), mini: the small network that comes along, or\n"
     "untrained:ARCHITECTURE[:SEED] for random weights, to try things out.\n"
     "A store remembers it: needed for the first pictures only",
     "--model resnet50.safetensors, --model untrained:squeezenet1_1:7"},
    {"architecture", "NAME", "of a file that does not name its network and cannot be recognised by its tensors",
     "--architecture vgg16"},
    {"layer", "NAME", "which activation is the embedding (default: the file's, else the architecture's usual one)",
     "--layer fc2"},
    {"recipe", "NAME", "how pixels become input: torchvision, keras, caffe, ... (default: as for --layer)",
     "--recipe keras"},
    {"precision", "KIND",
     "float32, bfloat16, int8 (of an int8 model), or auto: int8 of an int8 model, else bfloat16 where "
     "it is fast and agrees",
     "--precision float32"},
    {"engine", "NAME", "what runs the network: onednn, torch, or auto: the fastest of them that is here and can",
     "--engine torch"},
    {"convolution", "KIND", "auto, or direct: never Winograd's, which is faster and rounds otherwise",
     "--convolution direct"},
    {"scaled-jpeg", NULL, "decode large JPEGs at a fraction of their size: faster, the embedding changes slightly",
     "--scaled-jpeg"},
    {"isolation", "KIND", "none, or process: the engine runs in a child process, which may crash",
     "--isolation process"},
    {"threads", "N", "threads to use (default: every processor)", "--threads 4"},
    {0},
};

/* Only what a user should know: that something was damaged or left out. */
static void warn(void *user, int32_t level, const char *message) {
  (void)user;
  if (level <= RECSYS_LOG_WARNING)
    fprintf(stderr, "warning: %s\n", message);
}

recsys_store *opening_store(const args *a, const char *path, uint32_t flags) {
  recsys_store *store = NULL;
  recsys_error error = {0};
  progress p;
  progress_begin(&p, "Loading", "rows", 0, 0);
  recsys_store_options options = {
      .struct_size = sizeof options, .flags = flags, .progress = progress_callback, .progress_user = &p, .log = warn};
  uint64_t threads = 0;
  if (args_whole(a, "threads", 1, 4096, &threads)) {
    options.threads = (uint32_t)threads;
    if (recsys_store_open(&store, path, &options, &error))
      say_error(&error);
  }
  progress_end(&p);
  return store;
}

/* ---- What a store says about itself */

static char *copy_member(const json_t *object, const char *name) {
  return need_copy(json_string_value(json_object_get(object, name)));
}

static void read_description(store_facts *facts, const char *description) {
  json_t *object = description ? json_loads(description, 0, NULL) : NULL;
  const json_t *trained = json_object_get(object, "trained");
  facts->model = copy_member(object, "model");
  facts->layer = copy_member(object, "layer");
  facts->recipe = copy_member(object, "recipe");
  facts->untrained = trained && !json_is_true(trained);
  json_decref(object);
}

static void read_spaces(store_facts *facts, const json_t *spaces) {
  size_t i;
  const json_t *space;
  json_array_foreach(spaces, i, space) {
    const char *fingerprint = json_string_value(json_object_get(space, "fingerprint"));
    if (fingerprint && !strcmp(fingerprint, facts->info.fingerprint))
      read_description(facts, json_string_value(json_object_get(space, "description")));
  }
}

static size_t read_fields(store_facts *facts, const json_t *fields, const char *kind) {
  size_t i, before = facts->n_fields;
  const json_t *field;
  json_array_foreach(fields, i, field) {
    const char *name = json_string_value(json_object_get(field, "name"));
    const char *its_kind = json_string_value(json_object_get(field, "kind"));
    if (!name || !its_kind || strcmp(its_kind, kind) != 0)
      continue;
    facts->fields = need_more(facts->fields, facts->n_fields + 1, sizeof *facts->fields);
    facts->fields[facts->n_fields++] = need_copy(name);
  }
  return facts->n_fields - before;
}

char *opening_describe(recsys_store *store, recsys_error *error) {
  size_t length = 0;
  if (recsys_store_describe(store, NULL, 0, &length, error))
    return NULL;
  char *description = need(length + 1, 1);
  if (recsys_store_describe(store, description, length + 1, NULL, error)) {
    free(description);
    return NULL;
  }
  return description;
}

bool opening_facts(recsys_store *store, store_facts *facts) {
  recsys_error error = {0};
  *facts = (store_facts){.info = {.struct_size = sizeof facts->info}};
  char *description = NULL;
  if (recsys_store_get_info(store, &facts->info, &error) || !(description = opening_describe(store, &error))) {
    say_error(&error);
    return false;
  }
  json_t *object = json_loads(description, 0, NULL);
  read_spaces(facts, json_object_get(object, "spaces"));
  const json_t *fields = json_object_get(object, "fields");
  facts->n_labels = read_fields(facts, fields, "label");
  facts->n_numbers = read_fields(facts, fields, "number");
  read_fields(facts, fields, "text");
  json_decref(object);
  free(description);
  return true;
}

void opening_free_facts(store_facts *facts) {
  for (size_t i = 0; i < facts->n_fields; i++)
    free(facts->fields[i]);
  free(facts->fields);
  free(facts->model);
  free(facts->layer);
  free(facts->recipe);
  *facts = (store_facts){0};
}

/* ---- Models */

static const char untrained_word[] = "untrained:";

/* Cuts "untrained:ARCHITECTURE[:SEED]"; NULL: the seed is no number. */
static char *untrained_architecture(const char *spec, uint64_t *seed) {
  char *architecture = need_copy(spec + strlen(untrained_word)), *colon = strchr(architecture, ':'), *end = NULL;
  if (!colon)
    return architecture;
  *colon = '\0';
  errno = 0;
  *seed = strtoull(colon + 1, &end, 10);
  if (colon[1] >= '0' && colon[1] <= '9' && !*end && !errno)
    return architecture;
  free(architecture);
  return NULL;
}

static recsys_model *open_spec(const args *a, const char *spec, recsys_model_options *options, int *code) {
  recsys_model *model = NULL;
  recsys_error error = {0};
  recsys_status status;
  if (!strncmp(spec, untrained_word, strlen(untrained_word))) {
    char *architecture = untrained_architecture(spec, &options->seed);
    if (!architecture) {
      *code = args_misuse(a, "--model is untrained:ARCHITECTURE[:SEED] with a whole number as seed, not \"%s\"", spec);
      return NULL;
    }
    status = recsys_model_create(&model, architecture, options, &error);
    free(architecture);
  } else {
    status = recsys_model_open(&model, spec, options, &error);
  }
  if (status)
    *code = say_error(&error);
  return model;
}

/* One of `n` words, of which the first one is the default: its index. */
static bool read_word(const args *a, const char *option, const char *const *words, uint32_t n, uint32_t *index) {
  const char *word = args_get(a, option, words[0]);
  for (*index = 0; *index < n; (*index)++)
    if (!strcmp(word, words[*index]))
      return true;
  args_misuse(a, "--%s is not \"%s\": see recsys %s --help", option, word, a->command->name);
  return false;
}

static const char *const precisions[] = {"auto", "float32", "bfloat16", "int8"};

const char *opening_precision(uint32_t precision) {
  return precision < sizeof precisions / sizeof *precisions ? precisions[precision] : "unknown";
}

static bool read_running(const args *a, recsys_model_options *options) {
  static const char *const isolations[] = {"none", "process"}, *const convolutions[] = {"auto", "direct"};
  uint32_t direct = 0;
  if (!read_word(a, "convolution", convolutions, 2, &direct))
    return false;
  options->flags |= direct ? RECSYS_MODEL_DIRECT : 0;
  options->flags |= args_has(a, "scaled-jpeg") ? RECSYS_MODEL_SCALED_JPEG : 0;
  return read_word(a, "precision", precisions, 4, &options->precision) &&
         read_word(a, "isolation", isolations, 2, &options->isolation);
}

static const char *spec_of(const args *a, const store_facts *remembered) {
  return args_get(a, "model", remembered ? remembered->model : NULL);
}

recsys_model *opening_model(const args *a, const store_facts *remembered, recsys_model_info *info, int *code) {
  return opening_model_without(0, a, remembered, info, code);
}

recsys_model *opening_model_without(uint32_t flags, const args *a, const store_facts *remembered,
                                    recsys_model_info *info, int *code) {
  const char *spec = spec_of(a, remembered);
  char *fetched = NULL;
  uint64_t threads = 0;
  recsys_error error = {0};
  recsys_model_options options = {.struct_size = sizeof options,
                                  .architecture = args_get(a, "architecture", NULL),
                                  .layer = args_get(a, "layer", remembered ? remembered->layer : NULL),
                                  .recipe = args_get(a, "recipe", remembered ? remembered->recipe : NULL),
                                  .engine = args_get(a, "engine", NULL)};
  *code = MISUSED;
  if (!spec)
    args_misuse(a, "which network? Give --model FILE, or --model untrained:squeezenet1_1 to try things out");
  if (!spec || !read_running(a, &options) || !args_whole(a, "threads", 1, 4096, &threads))
    return NULL;
  options.threads = (uint32_t)threads;
  options.flags &= ~flags;
  if (access(spec, F_OK))
    fetched = fetch_find(spec);
  recsys_model *model = open_spec(a, fetched ? fetched : spec, &options, code);
  free(fetched);
  *info = (recsys_model_info){.struct_size = sizeof *info};
  if (model && recsys_model_get_info(model, info, &error)) {
    *code = say_error(&error);
    recsys_model_close(model);
    model = NULL;
  }
  return model;
}

char *opening_description(const args *a, const store_facts *remembered, const recsys_model_info *info) {
  const char *spec = spec_of(a, remembered);
  char *fetched = access(spec, F_OK) ? fetch_find(spec) : NULL;
  char *path = strncmp(spec, untrained_word, strlen(untrained_word)) ? realpath(fetched ? fetched : spec, NULL) : NULL;
  free(fetched);
  json_t *object = json_object();
  json_object_set_new(object, "model", json_text(path ? path : spec));
  json_object_set_new(object, "architecture", json_string(info->architecture));
  json_object_set_new(object, "layer", json_string(info->layer));
  json_object_set_new(object, "recipe", json_string(info->recipe));
  json_object_set_new(object, "trained", json_boolean(info->trained));
  char *description = json_dumps(object, JSON_COMPACT);
  json_decref(object);
  free(path);
  return description;
}
