/* Class names: a JSON array of strings in a model file's metadata. */
#include <jansson.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/model.h"

static recsys_status take_names(recsys_model *model, const json_t *array, recsys_error *error) {
  size_t n = json_array_size(array);
  model->class_names = recsys__calloc(n, sizeof *model->class_names);
  if (model->class_names == NULL)
    return recsys__no_memory(error, "the class names");
  model->class_name_count = n;
  for (size_t i = 0; i < n; i++) {
    const char *name = json_string_value(json_array_get(array, i));
    if (name == NULL)
      return recsys__fail(error, RECSYS_EFORMAT, 0, "class name %zu of %.120s is no string", i, model->source);
    model->class_names[i] = recsys__strdup(name);
    if (model->class_names[i] == NULL)
      return recsys__no_memory(error, "the class names");
  }
  return RECSYS_OK;
}

recsys_status recsys__class_names_parse(recsys_model *model, const char *json, recsys_error *error) {
  json_t *array = json_loads(json, 0, NULL);
  recsys_status status = json_is_array(array)
                             ? take_names(model, array, error)
                             : recsys__fail(error, RECSYS_EFORMAT, 0,
                                            "the class names of %.120s are no JSON array of strings", model->source);
  json_decref(array);
  return status;
}

char *recsys__class_names_dump(const recsys_model *model) {
  if (model->class_name_count == 0)
    return NULL;
  json_t *array = json_array();
  bool good = array != NULL;
  for (size_t i = 0; good && i < model->class_name_count; i++)
    good = json_array_append_new(array, json_string(model->class_names[i])) == 0;
  char *text = good ? json_dumps(array, JSON_COMPACT) : NULL;
  json_decref(array);
  return text;
}

void recsys__class_names_free(recsys_model *model) {
  for (size_t i = 0; i < model->class_name_count; i++)
    recsys__free(model->class_names[i]);
  recsys__free(model->class_names);
  model->class_names = NULL;
  model->class_name_count = 0;
}

recsys_status recsys_model_get_class_name(recsys_model *model, uint64_t index, char *buffer, size_t size,
                                          size_t *length, recsys_error *error) {
  recsys__fill(buffer, buffer != NULL ? size : 0, length, "", 0);
  if (model == NULL || (buffer == NULL && size > 0))
    return recsys__fail(error, RECSYS_EINVAL, 0, "recsys_model_get_class_name: %s is NULL",
                        model == NULL ? "model" : "buffer");
  if (index >= model->info.classes)
    return recsys__fail(error, RECSYS_EINVAL, 0, "class %llu does not exist: the model has %llu",
                        (unsigned long long)index, (unsigned long long)model->info.classes);
  if (model->class_name_count == 0)
    return recsys__fail(error, RECSYS_ENOTFOUND, 0, "the model file has no class names");
  recsys__fill(buffer, size, length, model->class_names[index], strlen(model->class_names[index]));
  return recsys__ok(error);
}
