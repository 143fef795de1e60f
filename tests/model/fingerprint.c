/* For test_fingerprint.py: writes an untrained network to the file and prints its fingerprint. */
#include <stdio.h>

#include "recsys.h"

int main(int argc, char **argv) {
  recsys_error error;
  recsys_model *model;
  recsys_model_info info = {.struct_size = sizeof info};
  recsys_model_options options = {
      .struct_size = sizeof options, .engine = "fake", .engine_path = FAKES_DIR, .classes = 10, .seed = 5};
  if (argc != 3 || recsys_model_create(&model, argv[2], &options, &error) != RECSYS_OK ||
      recsys_model_get_info(model, &info, &error) != RECSYS_OK ||
      recsys_model_save(model, argv[1], &error) != RECSYS_OK) {
    fprintf(stderr, "%s\n", argc == 3 ? error.message : "usage: fingerprint FILE ARCHITECTURE");
    return 1;
  }
  puts(info.fingerprint);
  recsys_model_close(model);
  return 0;
}
