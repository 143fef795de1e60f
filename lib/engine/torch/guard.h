/* The one guard around everything that the engine exports: any exception becomes a status and a message. */
#ifndef RECSYS_ENGINE_TORCH_GUARD_H
#define RECSYS_ENGINE_TORCH_GUARD_H

#include <c10/util/Exception.h>

#include <exception>
#include <new>

#include "recsys.h"

namespace recsys_torch {

/* As recsys__fail in the library, which an engine must not link. */
recsys_status fail(recsys_error *error, recsys_status status, const char *format, ...) noexcept
    __attribute__((format(printf, 3, 4)));

/* libtorch reports a failed allocation as an ordinary c10::Error; only its words tell. */
recsys_status fail_torch(recsys_error *error, const char *message) noexcept;

template <typename Body> recsys_status guard(recsys_error *error, Body &&body) noexcept {
  try {
    return body();
  } catch (const c10::Error &e) {
    return fail_torch(error, e.what_without_backtrace());
  } catch (const std::bad_alloc &) {
    return fail(error, RECSYS_ENOMEM, "no memory for the network's weights or activations");
  } catch (const std::exception &e) {
    return fail_torch(error, e.what());
  } catch (...) {
    return fail(error, RECSYS_EENGINE, "libtorch threw something that is no std::exception");
  }
}

} // namespace recsys_torch

#endif
