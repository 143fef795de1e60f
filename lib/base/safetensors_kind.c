/* What people take for a safetensors file: each kind by its first bytes, with what to do instead. */
#include "base/safetensors_kind.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

typedef struct kind {
  const char *start;
  size_t length;
  const char *message;
} kind;

static const kind kinds[] = {
    {"PK\3\4", 4, "it is a zip archive, as a .pth of PyTorch is; convert it with 'recsys convert'"},
    {"\x89HDF\r\n\x1a\n", 8, "it is an HDF5 file, as an .h5 of Keras is; convert it to safetensors first"},
    {"version https://git-lfs.github.com/spec/", 40,
     "it is a git-lfs pointer, not the file itself; fetch it with 'git lfs pull'"},
    {"GGUF", 4, "it is a GGUF file; get the model as safetensors"},
    {"\x1f\x8b", 2, "it is compressed with gzip; decompress it first"},
    {"{", 1, "it is JSON text, perhaps the index of a divided model; give a safetensors file itself"},
};

static bool is_html(const unsigned char *start, size_t n) {
  size_t i = n >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  while (i < n && (start[i] == ' ' || (start[i] >= '\t' && start[i] <= '\r'))) {
    i++;
  }
  const char *at = (const char *)start + i;
  return (n - i >= 9 && strncasecmp(at, "<!doctype", 9) == 0) || (n - i >= 5 && strncasecmp(at, "<html", 5) == 0) ||
         (n - i >= 5 && strncasecmp(at, "<?xml", 5) == 0);
}

const char *recsys__tensors_kind(const unsigned char *start, size_t n) {
  if (n >= 2 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5) {
    return "it is a pickle, as an older .pth of PyTorch is, and could run code; convert it with 'recsys convert'";
  }
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (n >= kinds[i].length && memcmp(start, kinds[i].start, kinds[i].length) == 0) {
      return kinds[i].message;
    }
  }
  if (is_html(start, n)) {
    return "it is a web page, perhaps of an error or a login; download the file itself";
  }
  return NULL;
}
