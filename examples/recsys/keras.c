/* A Keras file is a group for each layer, whose weights stand in a fixed order whatever they are called: kernel and
 * bias of a convolution or dense layer; gamma, beta, mean and variance of a batch norm. */
#include "keras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "command.h"

void keras_free(keras *k) {
  for (size_t i = 0; i < k->count; i++) {
    free((void *)(uintptr_t)k->tensors[i].name);
    free((void *)(uintptr_t)k->tensors[i].data);
  }
  free(k->tensors);
  *k = (keras){0};
}

#ifdef RECSYS_WITH_HDF5
#include <hdf5.h>

enum { MOST_LAYERS = 1024, MOST_WEIGHTS = 4 };

typedef struct layer {
  char *name;
  size_t n;
  float *values[MOST_WEIGHTS];
  uint64_t shape[MOST_WEIGHTS][4];
  uint32_t rank[MOST_WEIGHTS];
} layer;

typedef struct network {
  layer *layers;
  size_t n;
} network;

/* -- reading */

/* The strings of an attribute: fixed or variable length. n stays 0 where there is none. */
static char **read_strings(hid_t object, const char *name, size_t *n) {
  *n = 0;
  if (H5Aexists(object, name) <= 0)
    return NULL;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT), type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  hssize_t count = H5Sget_simple_extent_npoints(space);
  char **list = NULL;
  if (H5Tget_class(type) == H5T_STRING && count > 0 && count <= MOST_LAYERS) {
    bool variable = H5Tis_variable_str(type) > 0;
    size_t size = variable ? sizeof(char *) : H5Tget_size(type);
    char *bytes = need((size_t)count, size + 1);
    list = need((size_t)count, sizeof *list);
    hid_t memory = H5Tcopy(type);
    if (size < 4096 && H5Aread(attribute, memory, bytes) >= 0) {
      *n = (size_t)count;
      for (size_t i = 0; i < *n; i++) {
        const char *text = variable ? ((char **)(void *)bytes)[i] : bytes + i * size;
        list[i] = need_text("%.*s", variable ? 4096 : (int)size, text ? text : "");
      }
      if (variable)
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, bytes);
    }
    H5Tclose(memory);
    free(bytes);
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(attribute);
  return list;
}

static void free_strings(char **list, size_t n) {
  for (size_t i = 0; list && i < n; i++)
    free(list[i]);
  free(list);
}

static bool read_values(hid_t group, const char *name, layer *l) {
  hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
  if (set < 0)
    return false;
  hid_t space = H5Dget_space(set);
  hsize_t sides[H5S_MAX_RANK] = {0};
  int rank = H5Sget_simple_extent_ndims(space);
  hssize_t count = H5Sget_simple_extent_npoints(space);
  bool good = rank >= 1 && rank <= 4 && count > 0 && count < ((hssize_t)1 << 30);
  if (good) {
    H5Sget_simple_extent_dims(space, sides, NULL);
    l->rank[l->n] = (uint32_t)rank;
    for (int i = 0; i < rank; i++)
      l->shape[l->n][i] = sides[i];
    l->values[l->n] = need((size_t)count, sizeof(float));
    good = H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, l->values[l->n]) >= 0;
    l->n++;
  }
  H5Sclose(space);
  H5Dclose(set);
  return good;
}

static bool read_layer(hid_t root, const char *name, layer *l) {
  hid_t group = H5Gopen2(root, name, H5P_DEFAULT);
  size_t n = 0;
  if (group < 0)
    return false;
  char **weights = read_strings(group, "weight_names", &n);
  bool good = n <= MOST_WEIGHTS;
  l->name = need_copy(name);
  for (size_t i = 0; good && i < n; i++)
    good = read_values(group, weights[i], l);
  free_strings(weights, n);
  H5Gclose(group);
  return good;
}

static bool read_layers(hid_t root, network *net) {
  size_t n = 0;
  char **names = read_strings(root, "layer_names", &n);
  bool good = n > 0;
  net->layers = need(n, sizeof *net->layers);
  for (size_t i = 0; good && i < n; i++)
    good = read_layer(root, names[i], &net->layers[net->n++]);
  free_strings(names, n);
  return good;
}

static recsys_status read_network(const char *path, network *net, recsys_error *error) {
  H5E_auto2_t old;
  void *data;
  H5Eget_auto2(H5E_DEFAULT, &old, &data);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* it would print */
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  hid_t root = file >= 0 && H5Lexists(file, "model_weights", H5P_DEFAULT) > 0
                   ? H5Gopen2(file, "model_weights", H5P_DEFAULT)
               : file >= 0 ? H5Gopen2(file, "/", H5P_DEFAULT)
                           : -1;
  bool good = root >= 0 && read_layers(root, net);
  if (root >= 0)
    H5Gclose(root);
  if (file >= 0)
    H5Fclose(file);
  H5Eset_auto2(H5E_DEFAULT, old, data);
  if (good)
    return RECSYS_OK;
  return recsys__fail(error, RECSYS_EFORMAT, 0, "%.150s is no undamaged HDF5 file with Keras' weights", path);
}

static void free_network(network *net) {
  for (size_t i = 0; i < net->n; i++) {
    free(net->layers[i].name);
    for (size_t w = 0; w < net->layers[i].n; w++)
      free(net->layers[i].values[w]);
  }
  free(net->layers);
}

static const layer *find(const network *net, const char *name) {
  for (size_t i = 0; i < net->n; i++)
    if (!strcmp(net->layers[i].name, name) && net->layers[i].n > 0)
      return &net->layers[i];
  return NULL;
}

/* -- from Keras' layouts to torchvision's */

static uint64_t count_values(const uint64_t *shape, uint32_t rank) {
  uint64_t n = 1;
  for (uint32_t i = 0; i < rank; i++)
    n *= shape[i];
  return n;
}

/* Takes `values` over. */
static void add(keras *k, char *name, float *values, uint32_t rank, const uint64_t *shape) {
  k->tensors = need_more(k->tensors, k->count + 1, sizeof *k->tensors);
  recsys__tensor *t = &k->tensors[k->count++];
  *t = (recsys__tensor){.name = name, .dtype = RECSYS__F32, .rank = rank, .data = values};
  memcpy(t->shape, shape, rank * sizeof *shape);
  t->bytes = count_values(shape, rank) * sizeof(float);
}

static float *copy(const float *values, uint64_t n) {
  float *out = need(n, sizeof *out);
  memcpy(out, values, n * sizeof *out);
  return out;
}

static recsys_status fail_shape(const layer *l, recsys_error *error) {
  return recsys__fail(error, RECSYS_EMISMATCH, 0,
                      "layer '%.60s' of the Keras file has weights of another shape than expected", l->name);
}

/* H x W x I x O to O x I x H x W; the bias, where there is one, is returned and not added. */
static recsys_status add_filter(keras *k, const layer *l, const char *name, recsys_error *error) {
  const uint64_t *s = l->shape[0];
  if (l->n < 1 || l->rank[0] != 4 || (l->n > 1 && (l->rank[1] != 1 || l->shape[1][0] != s[3])))
    return fail_shape(l, error);
  float *out = need(count_values(s, 4), sizeof *out);
  for (uint64_t h = 0, at = 0; h < s[0]; h++)
    for (uint64_t w = 0; w < s[1]; w++)
      for (uint64_t i = 0; i < s[2]; i++)
        for (uint64_t o = 0; o < s[3]; o++, at++)
          out[((o * s[2] + i) * s[0] + h) * s[1] + w] = l->values[0][at];
  add(k, need_text("%s.weight", name), out, 4, (const uint64_t[4]){s[3], s[2], s[0], s[1]});
  return RECSYS_OK;
}

static recsys_status add_conv(keras *k, const layer *l, const char *name, recsys_error *error) {
  recsys_status status = l->n == 2 ? add_filter(k, l, name, error) : fail_shape(l, error);
  if (status == RECSYS_OK)
    add(k, need_text("%s.bias", name), copy(l->values[1], l->shape[1][0]), 1, l->shape[1]);
  return status;
}

/* I x O to O x I. places > 1: the inputs are a flattened picture, `places` x channels here and channels x places there.
 */
static recsys_status add_dense(keras *k, const layer *l, const char *name, uint64_t places, recsys_error *error) {
  const uint64_t *s = l->shape[0];
  if (l->n != 2 || l->rank[0] != 2 || l->rank[1] != 1 || l->shape[1][0] != s[1] || s[0] % places != 0)
    return fail_shape(l, error);
  uint64_t channels = s[0] / places;
  float *out = need(s[0] * s[1], sizeof *out);
  for (uint64_t i = 0; i < s[0]; i++)
    for (uint64_t o = 0; o < s[1]; o++)
      out[o * s[0] + i % channels * places + i / channels] = l->values[0][i * s[1] + o];
  add(k, need_text("%s.weight", name), out, 2, (const uint64_t[2]){s[1], s[0]});
  add(k, need_text("%s.bias", name), copy(l->values[1], s[1]), 1, l->shape[1]);
  return RECSYS_OK;
}

/* The convolution's bias goes into the mean, since torchvision's has none; and so does the difference of the epsilons
 * (1.001e-5 and 1e-5) into the variance. */
static recsys_status add_norm(keras *k, const layer *l, const layer *conv, const char *name, recsys_error *error) {
  static const char *const names[4] = {"weight", "bias", "running_mean", "running_var"};
  uint64_t n = l->n > 0 ? l->shape[0][0] : 0;
  if (l->n != 4 || (conv->n > 1 && conv->shape[1][0] != n))
    return fail_shape(l, error);
  for (size_t w = 0; w < 4; w++) {
    if (l->rank[w] != 1 || l->shape[w][0] != n)
      return fail_shape(l, error);
    float *out = copy(l->values[w], n);
    for (uint64_t i = 0; i < n; i++) {
      out[i] -= w == 2 && conv->n > 1 ? conv->values[1][i] : 0;
      out[i] += w == 3 ? 1e-8f : 0;
    }
    add(k, need_text("%s.%s", name, names[w]), out, 1, l->shape[w]);
  }
  return RECSYS_OK;
}

/* -- networks */

static recsys_status missing(const char *name, recsys_error *error) {
  return recsys__fail(error, RECSYS_EMISMATCH, 0,
                      "the Keras file has no layer '%.60s': only VGG16, VGG19 and ResNet-50 can be converted", name);
}

static recsys_status convert_vgg(keras *k, const network *net, bool nineteen, recsys_error *error) {
  static const char *const dense[3][2] = {
      {"fc1", "classifier.0"}, {"fc2", "classifier.3"}, {"predictions", "classifier.6"}};
  recsys_status status = RECSYS_OK;
  int at = 0;
  for (int block = 1; block <= 5; block++, at++)
    for (int i = 1; status == RECSYS_OK && i <= (block < 3 ? 2 : nineteen ? 4 : 3); i++, at += 2) {
      char name[32], ours[32];
      snprintf(name, sizeof name, "block%d_conv%d", block, i);
      snprintf(ours, sizeof ours, "features.%d", at);
      const layer *l = find(net, name);
      status = l ? add_conv(k, l, ours, error) : missing(name, error);
    }
  for (int i = 0; status == RECSYS_OK && i < 3; i++) {
    const layer *l = find(net, dense[i][0]);
    if (l)
      status = add_dense(k, l, dense[i][1], i == 0 ? 49 : 1, error);
  }
  k->architecture = nineteen ? "vgg19" : "vgg16";
  return status;
}

static recsys_status convert_pair(keras *k, const network *net, const char *conv, const char *norm,
                                  const char *our_conv, const char *our_norm, recsys_error *error) {
  const layer *c = find(net, conv), *n = find(net, norm);
  if (!c || !n)
    return missing(c ? norm : conv, error);
  recsys_status status = add_filter(k, c, our_conv, error);
  return status == RECSYS_OK ? add_norm(k, n, c, our_norm, error) : status;
}

/* Part 0 is the shortcut. Names of today (conv2_block1_1_conv) and of the first releases (res2a_branch2a). */
static recsys_status convert_part(keras *k, const network *net, int stage, int block, int part, bool old,
                                  recsys_error *error) {
  char conv[64], norm[64], our_conv[64], our_norm[64];
  if (old) {
    char place[16];
    snprintf(place, sizeof place, part ? "2%c" : "1", 'a' + part - 1);
    snprintf(conv, sizeof conv, "res%d%c_branch%s", stage + 2, 'a' + block, place);
    snprintf(norm, sizeof norm, "bn%d%c_branch%s", stage + 2, 'a' + block, place);
  } else {
    snprintf(conv, sizeof conv, "conv%d_block%d_%d_conv", stage + 2, block + 1, part);
    snprintf(norm, sizeof norm, "conv%d_block%d_%d_bn", stage + 2, block + 1, part);
  }
  if (part) {
    snprintf(our_conv, sizeof our_conv, "layer%d.%d.conv%d", stage + 1, block, part);
    snprintf(our_norm, sizeof our_norm, "layer%d.%d.bn%d", stage + 1, block, part);
  } else {
    snprintf(our_conv, sizeof our_conv, "layer%d.%d.downsample.0", stage + 1, block);
    snprintf(our_norm, sizeof our_norm, "layer%d.%d.downsample.1", stage + 1, block);
  }
  return convert_pair(k, net, conv, norm, our_conv, our_norm, error);
}

static recsys_status convert_resnet(keras *k, const network *net, bool old, recsys_error *error) {
  static const int blocks[4] = {3, 4, 6, 3};
  static const char *const tops[] = {"predictions", "probs", "fc1000"};
  recsys_status status =
      convert_pair(k, net, old ? "conv1" : "conv1_conv", old ? "bn_conv1" : "conv1_bn", "conv1", "bn1", error);
  for (int stage = 0; stage < 4; stage++)
    for (int block = 0; block < blocks[stage]; block++)
      for (int part = block ? 1 : 0; status == RECSYS_OK && part <= 3; part++)
        status = convert_part(k, net, stage, block, part, old, error);
  for (int i = 0; status == RECSYS_OK && i < 3; i++)
    if (find(net, tops[i]))
      status = add_dense(k, find(net, tops[i]), "fc", 1, error);
  k->architecture = "resnet50_v1";
  return status;
}

recsys_status keras_read(keras *k, const char *path, recsys_error *error) {
  network net = {0};
  *k = (keras){0};
  recsys_status status = read_network(path, &net, error);
  if (status == RECSYS_OK && find(&net, "block1_conv1"))
    status = convert_vgg(k, &net, find(&net, "block3_conv4") != NULL, error);
  else if (status == RECSYS_OK)
    status = convert_resnet(k, &net, find(&net, "bn_conv1") != NULL, error);
  free_network(&net);
  if (status != RECSYS_OK)
    keras_free(k);
  return status;
}
#else
recsys_status keras_read(keras *k, const char *path, recsys_error *error) {
  *k = (keras){0};
  return recsys__fail(error, RECSYS_EUNSUPPORTED, 0,
                      "%.150s: this recsys was built without libhdf5, and cannot read .h5 files", path);
}
#endif
