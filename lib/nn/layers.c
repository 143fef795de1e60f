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
 * NAME@G is the picture-shaped layer NAME averaged over a grid of G x G places, C * G * G floats (inception_4a@3:
 * 4608): where things are is kept, coarsely. The windows are n - (G - 1) floor(n / G) wide and floor(n / G) apart.
 *
 * And where there are dense layers: fc1, fc2 (after ReLU, as Keras has them: vgg16 4096), f6 (lenet5, 84). The full
 * table is docs/networks.md.
 */
#include <stdio.h>
#include <stdlib.h>
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

/* The grid size of "layer@3", whose layer is picture-shaped and large enough; 0: it is none. *base: that layer. */
static uint32_t read_grid(const recsys__net *net, const char *name, int32_t *base) {
  const char *at = strchr(name, '@');
  char layer[64], *end;
  if (at == NULL || at == name || (size_t)(at - name) >= sizeof layer || at[1] < '1' || at[1] > '9')
    return 0;
  snprintf(layer, sizeof layer, "%.*s", (int)(at - name), name);
  *base = find(net, layer);
  unsigned long grid = strtoul(at + 1, &end, 10);
  const recsys_op *op = *base >= 0 ? &net->network.ops[*base] : NULL;
  bool good = op != NULL && *end == '\0' && grid <= op->height && grid <= op->width && op->height == op->width;
  return good ? (uint32_t)grid : 0;
}

/* Appends the operations of layer "name", the grid x grid means of `base`; -1: no memory. */
static int32_t add_grid(recsys__net *net, const char *name, int32_t base, uint32_t grid) {
  uint32_t side = net->network.ops[base].height, stride = side / grid;
  int32_t x =
      recsys__build_pool(net, RECSYS_OP_AVGPOOL, base, (recsys__window){side - (grid - 1) * stride, stride, 0, false});
  x = recsys__build_name(net, recsys__build_flat(net, RECSYS_OP_FLATTEN, x), recsys__build_text(net, "%s", name));
  return recsys__net_private(net)->failed == RECSYS_OK ? x : -1;
}

recsys_status recsys__net_layer(recsys__net *net, const char *name, uint32_t *op, recsys_error *error) {
  *op = 0;
  int32_t base, found = name != NULL ? find(net, name) : -1;
  uint32_t grid = name != NULL && found < 0 ? read_grid(net, name, &base) : 0;
  if (grid > 0 && (found = add_grid(net, name, base, grid)) < 0)
    return recsys__no_memory(error, "a layer");
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
