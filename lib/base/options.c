/* Callers' option structs of any version into ours. */
#include "base/options.h"

#include <string.h>

#include "base/error.h"

enum { SMALLEST = 8, LARGEST = 65536 }; /* anything larger is memory that was never set */

static bool all_zero(const unsigned char *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (bytes[i] != 0) {
      return false;
    }
  }
  return true;
}

recsys_status recsys__options_copy(void *ours, size_t size, const void *theirs, const char *what, recsys_error *error) {
  memset(ours, 0, size);
  uint32_t given = 0;
  if (theirs != NULL) {
    memcpy(&given, theirs, sizeof given);
    if (given < SMALLEST || given > LARGEST) {
      return recsys__fail(error, RECSYS_EINVAL, 0,
                          "%s: struct_size is %u; set it to the size of the struct, and zero the rest", what, given);
    }
    if (given > size && !all_zero((const unsigned char *)theirs + size, given - size)) {
      return recsys__fail(error, RECSYS_EUNSUPPORTED, 0,
                          "%s: it sets fields that this version of the library (%d.%d.%d) does not have; leave what "
                          "follows byte %zu zero, or use a newer library",
                          what, RECSYS_VERSION_MAJOR, RECSYS_VERSION_MINOR, RECSYS_VERSION_PATCH, size);
    }
    memcpy(ours, theirs, given < size ? given : size);
  }
  uint32_t own = (uint32_t)size;
  memcpy(ours, &own, sizeof own);
  return RECSYS_OK;
}
