/* What the tests of every engine do: open it, make a network of ten classes, load it, or expect that it is refused. */
#ifndef TESTS_ENGINE_LOADING_H
#define TESTS_ENGINE_LOADING_H

#include <check.h>
#include <string.h>

#include "engine/loader.h"
#include "nn/net.h"

static recsys__engine *engine;
static recsys_error error;

static inline void open_engine(const char *name) {
  ck_assert_msg(recsys__engine_open(&engine, name, NULL, &error) == RECSYS_OK, "%s", error.message);
}

/* flags: RECSYS_ENGINE_... */
static inline recsys_status load_with(recsys__loaded **loaded, recsys__net *net, const char *device, uint32_t flags) {
  uint32_t outputs[1];
  ck_assert_int_eq(recsys__net_classifier(net, &outputs[0], &error), RECSYS_OK);
  recsys_engine_options options = {.struct_size = sizeof options,
                                   .precision = RECSYS_PRECISION_FLOAT32,
                                   .threads = 2,
                                   .flags = flags,
                                   .device = device,
                                   .outputs = outputs,
                                   .output_count = 1};
  return recsys__loaded_open(loaded, engine, &net->network, &options, &error);
}

static inline recsys_status load_on(recsys__loaded **loaded, recsys__net *net, const char *device) {
  return load_with(loaded, net, device, 0);
}

static inline recsys__net make_net(const char *architecture) {
  recsys__net net;
  ck_assert_int_eq(recsys__net_build(&net, architecture, 10, &error), RECSYS_OK);
  ck_assert_int_eq(recsys__net_randomise(&net, 1, &error), RECSYS_OK);
  return net;
}

static inline void expect_refused(recsys__net *net, const char *device, recsys_status expected, const char *part) {
  recsys__loaded *loaded;
  recsys_status status = load_on(&loaded, net, device);
  ck_assert_msg(status == expected, "%s: %s", recsys_status_name(status), error.message);
  ck_assert_msg(strstr(error.message, part) != NULL, "no \"%s\" in: %s", part, error.message);
  ck_assert_ptr_null(loaded);
}

#endif
