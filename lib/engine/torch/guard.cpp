/* Statuses and messages of the engine. */
#include "engine/torch/guard.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace recsys_torch {

/* A message that was cut in the middle of a UTF-8 character loses that character. */
static void cut_on_character(char *text) {
  size_t n = std::strlen(text);
  while (n > 0 && (static_cast<unsigned char>(text[n - 1]) & 0xc0) == 0x80)
    n--;
  if (n > 0 && static_cast<unsigned char>(text[n - 1]) >= 0xc0)
    text[n - 1] = '\0';
}

recsys_status fail(recsys_error *error, recsys_status status, const char *format, ...) noexcept {
  if (error == nullptr)
    return status;
  error->status = status;
  error->detail = 0;
  va_list arguments;
  va_start(arguments, format);
  int length = std::vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  if (length >= static_cast<int>(sizeof error->message))
    cut_on_character(error->message);
  return status;
}

recsys_status fail_torch(recsys_error *error, const char *message) noexcept {
  static const char *const words[] = {"can't allocate memory", "out of memory", "not enough memory", "bad_alloc",
                                      "CUDNN_STATUS_ALLOC_FAILED"};
  for (const char *word : words)
    if (std::strstr(message, word) != nullptr)
      return fail(error, RECSYS_ENOMEM, "libtorch has no memory for the network: %.150s", message);
  return fail(error, RECSYS_EENGINE, "libtorch failed: %.200s", message);
}

} // namespace recsys_torch
