/*
 * Keras' .h5 weights (save_weights, or save of a whole model) of VGG16, VGG19 and ResNet-50, with or without top, as
 * tensors with torchvision's names and layouts.
 */
#ifndef KERAS_H
#define KERAS_H

#include "base/safetensors.h"
#include "recsys.h"

typedef struct keras {
  recsys__tensor *tensors;
  size_t count;
  const char *architecture; /* "vgg16", "vgg19", "resnet50_v1" */
} keras;

recsys_status keras_read(keras *k, const char *path, recsys_error *error);
void keras_free(keras *k);

#endif
