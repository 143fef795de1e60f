/* Telling what a file is that is no safetensors file. */
#ifndef RECSYS_BASE_SAFETENSORS_KIND_H
#define RECSYS_BASE_SAFETENSORS_KIND_H

#include <stddef.h>
#include <stdint.h>

enum { RECSYS__KIND_BYTES = 512 }; /* how much of a file's beginning is worth looking at */

/* What the first n bytes of a file look like, and what would mend it, as the end of a sentence: "it is ...; ...".
 * NULL: nothing that is known. */
const char *recsys__tensors_kind(const unsigned char *start, size_t n);

#endif
