/* The registry of architectures: by name, by number, and guessed from the tensors of a file. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/build.h"

enum { MAX_CLASSES = 1 << 20 };

static const recsys__blueprint blueprints[] = {
    {{"vgg16", "fc2", "torchvision", 1000}, 3, 224, "classifier.6", {NULL}, recsys__build_vgg16},
    {{"vgg19", "fc2", "torchvision", 1000}, 3, 224, "classifier.6", {NULL}, recsys__build_vgg19},
    {{"vgg16_bn", "fc2", "torchvision", 1000}, 3, 224, "classifier.6", {NULL}, recsys__build_vgg16_bn},
    {{"vgg19_bn", "fc2", "torchvision", 1000}, 3, 224, "classifier.6", {NULL}, recsys__build_vgg19_bn},
    {{"resnet18", "avgpool", "torchvision", 1000}, 3, 224, "fc", {NULL}, recsys__build_resnet18},
    {{"resnet34", "avgpool", "torchvision", 1000}, 3, 224, "fc", {NULL}, recsys__build_resnet34},
    {{"resnet50", "avgpool", "torchvision", 1000}, 3, 224, "fc", {NULL}, recsys__build_resnet50},
    {{"resnet101", "avgpool", "torchvision", 1000}, 3, 224, "fc", {NULL}, recsys__build_resnet101},
    {{"resnet152", "avgpool", "torchvision", 1000}, 3, 224, "fc", {NULL}, recsys__build_resnet152},
    {{"googlenet", "avgpool", "caffe", 1000},
     3,
     224,
     "loss3/classifier",
     {"loss1/", "loss2/"},
     recsys__build_googlenet},
    {{"googlenet_bn", "avgpool", "inception", 1000}, 3, 224, "fc", {"aux1.", "aux2."}, recsys__build_googlenet_bn},
    {{"alexnet", "fc2", "torchvision", 1000}, 3, 224, "classifier.6", {NULL}, recsys__build_alexnet},
    {{"zfnet", "fc2", "torchvision", 1000}, 3, 224, "classifier.6", {NULL}, recsys__build_zfnet},
    {{"lenet5", "f6", "lenet", 10}, 1, 32, "output", {NULL}, recsys__build_lenet5},
    {{"squeezenet1_1", "avgpool", "torchvision", 1000}, 3, 227, "classifier.1", {NULL}, recsys__build_squeezenet1_1},
    {{"resnet50_v1", "avgpool", "keras", 1000}, 3, 224, "fc", {NULL}, recsys__build_resnet50_v1},
    {{"mini", "grid", "mini", 1000}, 3, 96, "classifier", {NULL}, recsys__build_mini},
};
enum { BLUEPRINTS = sizeof blueprints / sizeof blueprints[0] };

const recsys__blueprint *recsys__blueprint_find(const char *architecture) {
  for (size_t i = 0; architecture != NULL && i < BLUEPRINTS; i++)
    if (strcmp(blueprints[i].about.name, architecture) == 0)
      return &blueprints[i];
  return NULL;
}

const recsys__architecture *recsys__architecture_find(const char *name) {
  const recsys__blueprint *blueprint = recsys__blueprint_find(name);
  return blueprint != NULL ? &blueprint->about : NULL;
}

const recsys__architecture *recsys__architecture_at(size_t index) {
  return index < BLUEPRINTS ? &blueprints[index].about : NULL;
}

static recsys_status fail_unknown(const char *architecture, recsys_error *error) {
  char list[200] = "";
  for (size_t i = 0; i < BLUEPRINTS; i++) {
    if (i > 0)
      strcat(list, ", ");
    strcat(list, blueprints[i].about.name);
  }
  return recsys__fail(error, RECSYS_EINVAL, 0, "unknown architecture '%.40s'; there are %s",
                      architecture != NULL ? architecture : "(NULL)", list);
}

recsys_status recsys__net_build(recsys__net *net, const char *architecture, uint64_t classes, recsys_error *error) {
  *net = (recsys__net){0};
  const recsys__blueprint *blueprint = recsys__blueprint_find(architecture);
  if (blueprint == NULL)
    return fail_unknown(architecture, error);
  if (classes > MAX_CLASSES)
    return recsys__fail(error, RECSYS_EINVAL, 0, "a classifier of %llu classes is too large; at most %d are possible",
                        (unsigned long long)classes, MAX_CLASSES);
  recsys_status status = recsys__net_init(net, error);
  if (status != RECSYS_OK)
    return status;
  strcpy(net->architecture, blueprint->about.name);
  net->classes = classes;
  net->network.channels = blueprint->channels;
  net->network.height = net->network.width = blueprint->side;
  blueprint->build(net, (uint32_t)classes);
  status = recsys__net_private(net)->failed;
  if (status == RECSYS_OK)
    return recsys__ok(error);
  recsys__net_free(net);
  if (status == RECSYS_ENOMEM)
    return recsys__no_memory(error, "the operations of a network");
  return recsys__fail(error, status, 0, "the list of operations of %s is inconsistent; please report this",
                      architecture);
}

static bool same_shape(const recsys_weight *weight, const recsys__tensor *tensor) {
  if (tensor == NULL || tensor->rank != weight->rank)
    return false;
  return memcmp(tensor->shape, weight->shape, weight->rank * sizeof weight->shape[0]) == 0;
}

/* How many classes the file's classifier has, were it of this architecture; 0 where it has none. */
static uint64_t count_classes(const recsys__blueprint *blueprint, const recsys__tensors *tensors) {
  char name[64] = "";
  strcat(strcat(name, blueprint->classifier), ".weight");
  const recsys__tensor *tensor = recsys__tensors_find(tensors, name);
  return tensor != NULL && tensor->rank > 0 ? tensor->shape[0] : 0;
}

/* The number of weights of the architecture when the file has all of them in the right shapes, else 0. */
static uint32_t match(const recsys__blueprint *blueprint, const recsys__tensors *tensors, uint64_t classes) {
  recsys__net net;
  if (recsys__net_build(&net, blueprint->about.name, classes, NULL) != RECSYS_OK)
    return 0;
  uint32_t count = net.network.weight_count;
  for (uint32_t i = 0; i < net.network.weight_count && count > 0; i++) {
    const recsys_weight *weight = &net.network.weights[i];
    if (!same_shape(weight, recsys__tensors_find(tensors, weight->name)))
      count = 0;
  }
  recsys__net_free(&net);
  return count;
}

const recsys__architecture *recsys__architecture_guess(const recsys__tensors *tensors, uint64_t *classes) {
  const recsys__architecture *found = NULL;
  uint32_t most = 0;
  *classes = 0;
  /* ResNet-18 is a part of ResNet-34, and so on: the largest one whose weights are all there is meant. */
  for (size_t i = 0; i < BLUEPRINTS; i++) {
    uint64_t n = count_classes(&blueprints[i], tensors);
    uint32_t matched = match(&blueprints[i], tensors, n);
    if (matched > most) {
      most = matched;
      found = &blueprints[i].about;
      *classes = n;
    }
  }
  return found;
}
