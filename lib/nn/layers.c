/*
 * Layers by name.
 *
 * Operations carry the names of torchvision's modules where it has the network, else the paper's or Caffe's. On top of
 * them every network has these, of the last picture-shaped activation (C x H x W):
 *
 *   flatten   all of it, C * H * W floats in that order       vgg19: 25088
 *   avgpool   the mean of each channel, C floats              vgg19: 512, resnet50: 2048, googlenet: 1024
 *   maxpool   the largest value of each channel, C floats     resnet50: 2048
 *
 * and where there are dense layers: fc1, fc2 (after ReLU, as Keras has them: vgg16 4096), f6 (lenet5, 84). The full
 * table is docs/networks.md.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "nn/build.h"

uint64_t recsys__op_size(const recsys_op *op) {
  uint64_t places = op->height == 0 ? 1 : (uint64_t)op->height * op->width;
  return op->channels * places;
}

static int32_t find(const recsys__net *net, const char *name) {
  const recsys__net_storage *s = recsys__net_private(net);
  for (uint32_t i = 0; i < net->network.op_count; i++)
    if (s->ops[i].name != NULL && strcmp(s->ops[i].name, name) == 0)
      return (int32_t)i;
  for (size_t i = 0; i < s->alias_count; i++)
    if (strcmp(s->aliases[i].name, name) == 0)
      return s->aliases[i].op;
  return -1;
}

static void list_name(char *list, size_t size, const char *name) {
  size_t length = strlen(list);
  if (length + strlen(name) + 8 > size) {
    if (length >= 3 && strcmp(list + length - 3, "...") != 0)
      snprintf(list + length, size - length, ", ...");
    return;
  }
  snprintf(list + length, size - length, "%s%s", length > 0 ? ", " : "", name);
}

/* The aliases first, then from the last operation to the first: what people ask for comes before the list is cut. */
static void list_names(const recsys__net *net, char *list, size_t size) {
  const recsys__net_storage *s = recsys__net_private(net);
  list[0] = '\0';
  for (size_t i = s->alias_count; i-- > 0;)
    if (strchr(s->aliases[i].name, '.') == NULL)
      list_name(list, size, s->aliases[i].name);
  for (uint32_t i = net->network.op_count; i-- > 0;)
    if (s->ops[i].name != NULL)
      list_name(list, size, s->ops[i].name);
}

recsys_status recsys__net_layer(recsys__net *net, const char *name, uint32_t *op, recsys_error *error) {
  *op = 0;
  int32_t found = name != NULL ? find(net, name) : -1;
  if (found >= 0) {
    *op = (uint32_t)found;
    return recsys__ok(error);
  }
  char list[150];
  list_names(net, list, sizeof list);
  return recsys__fail(error, RECSYS_ENOTFOUND, 0, "%s has no layer '%.40s'; it has %s", net->architecture,
                      name != NULL ? name : "(NULL)", list);
}

recsys_status recsys__net_classifier(recsys__net *net, uint32_t *op, recsys_error *error) {
  const recsys__net_storage *s = recsys__net_private(net);
  *op = 0;
  if (s->classifier < 0)
    return recsys__fail(error, RECSYS_EUNSUPPORTED, 0, "this %s has no classifier: its weights end before it",
                        net->architecture);
  *op = (uint32_t)s->classifier;
  return recsys__ok(error);
}
