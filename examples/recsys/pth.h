/*
 * A .pth file of torch.save as a list of tensors: the zip layout (torch 1.6 and later) and the older one. The file is
 * read by pickle.h's reader, so nothing in it can run. A state dictionary may stand under "state_dict" or "model".
 */
#ifndef RECSYS_EXAMPLES_PTH_H
#define RECSYS_EXAMPLES_PTH_H

#include "base/safetensors.h"
#include "recsys.h"

typedef struct pth {
  recsys__tensor *tensors; /* row-major; by name; a leading "module." (of DataParallel) is taken off */
  size_t count;
  void *storage; /* private */
} pth;

recsys_status pth_read(pth *file, const char *path, recsys_error *error);
/* The same from memory, which must outlive `file`; `name` stands for the path in messages. */
recsys_status pth_parse(pth *file, const void *data, size_t size, const char *name, recsys_error *error);
void pth_free(pth *file);

#endif
