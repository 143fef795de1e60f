/* The engine's table. Every function is noexcept behind the guard, and runs on the engine's own thread. */
#define RECSYS_ENGINE_BUILD
#include "engine/engine.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <cstdio>
#include <memory>

#include "engine/torch/guard.h"
#include "engine/torch/net.h"
#include "engine/torch/train.h"

/* Weak, so that it is the one of whichever OpenMP libtorch itself has brought, and NULL where it has none. */
extern "C" void omp_set_num_threads(int) __attribute__((weak));

struct recsys_engine_net {
  recsys_torch::Net net;
};

struct recsys_engine_trainer {
  recsys_torch::Trainer trainer;
};

namespace recsys_torch {

/* at::set_num_threads would change the host's threads, too: libtorch keeps that number for every thread that starts
 * later. init_num_threads marks this thread as set up, after which only OpenMP's own, per-thread setting counts. */
static void use_threads(uint32_t threads) {
  at::init_num_threads();
  if (omp_set_num_threads != nullptr)
    omp_set_num_threads(static_cast<int>(threads));
}

static int32_t supports_bfloat16(const char *device) noexcept {
  if (device != nullptr && std::strncmp(device, "cuda", 4) == 0)
    return 1;
#if defined(__x86_64__)
  return at::hasMKLDNN() && __builtin_cpu_supports("avx512bf16") ? 1 : 0;
#else
  return 0;
#endif
}

static recsys_status load_net(recsys_engine_net **out, const recsys_network *network,
                              const recsys_engine_options *options, recsys_error *error) noexcept {
  return guard(error, [&] {
    *out = nullptr;
    c10::InferenceMode inference;
    at::NoTF32Guard exact;
    use_threads(options->threads);
    auto net = std::make_unique<recsys_engine_net>();
    recsys_status status = load(net->net, *network, *options, error);
    if (status == RECSYS_OK)
      *out = net.release();
    return status;
  });
}

static recsys_status info(recsys_engine_net *net, recsys_engine_net_info *info, recsys_error *error) noexcept {
  return guard(error, [&] {
    const Net &n = net->net;
    info->batch = n.batch;
    std::snprintf(info->device, sizeof info->device, "%s", n.device.str().c_str());
    std::snprintf(info->detail, sizeof info->detail, "%s, batch %u", layout_name(n.layout), n.batch);
    return static_cast<recsys_status>(RECSYS_OK);
  });
}

static recsys_status run(recsys_engine_net *net, const float *input, uint64_t n, uint64_t output, float *rows,
                         recsys_error *error) noexcept {
  return guard(error, [&] {
    c10::InferenceMode inference;
    at::NoTF32Guard exact;
    use_threads(net->net.threads);
    net->net.run(input, static_cast<int64_t>(n), output, rows);
    return static_cast<recsys_status>(RECSYS_OK);
  });
}

static void unload(recsys_engine_net *net) noexcept {
  guard(nullptr, [&] {
    delete net;
    return static_cast<recsys_status>(RECSYS_OK);
  });
}

static recsys_status train(recsys_engine_trainer **out, const recsys_network *network,
                           const recsys_engine_training *options, recsys_error *error) noexcept {
  return guard(error, [&] {
    *out = nullptr;
    use_threads(options->threads);
    auto trainer = std::make_unique<recsys_engine_trainer>();
    recsys_status status = start_training(trainer->trainer, *network, *options, error);
    if (status == RECSYS_OK)
      *out = trainer.release();
    return status;
  });
}

static recsys_status forward(recsys_engine_trainer *trainer, const float *input, uint64_t n, uint32_t learn,
                             float *rows, recsys_error *error) noexcept {
  return guard(error, [&] {
    at::NoTF32Guard exact;
    use_threads(trainer->trainer.threads);
    trainer->trainer.forward(input, static_cast<int64_t>(n), learn != 0, rows);
    return static_cast<recsys_status>(RECSYS_OK);
  });
}

static recsys_status backward(recsys_engine_trainer *trainer, const float *rows, float *const *gradients,
                              recsys_error *error) noexcept {
  return guard(error, [&] {
    at::NoTF32Guard exact;
    use_threads(trainer->trainer.threads);
    trainer->trainer.backward(rows, gradients);
    return static_cast<recsys_status>(RECSYS_OK);
  });
}

static void untrain(recsys_engine_trainer *trainer) noexcept {
  guard(nullptr, [&] {
    delete trainer;
    return static_cast<recsys_status>(RECSYS_OK);
  });
}

static const recsys_engine table = {sizeof(recsys_engine),
                                    RECSYS_ENGINE_ABI,
                                    "torch",
                                    TORCH_VERSION,
                                    supports_bfloat16,
                                    load_net,
                                    info,
                                    run,
                                    unload,
                                    train,
                                    forward,
                                    backward,
                                    untrain,
                                    nullptr};

} // namespace recsys_torch

const recsys_engine *recsys_engine_entry(uint32_t, const recsys_host *, recsys_error *) {
  return &recsys_torch::table;
}
