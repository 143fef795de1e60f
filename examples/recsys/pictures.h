/* The picture files of a folder, found by content, and the item that each belongs to. */
#ifndef PICTURES_H
#define PICTURES_H

#include <stdbool.h>
#include <stddef.h>

#include "recsys.h"

typedef struct picture {
  char *path;
  char *key;         /* the file's name without its extension */
  const char *wrong; /* NULL, or why it cannot be used; static text */
} picture;

typedef struct pictures {
  picture *list; /* by name */
  size_t n;
  size_t others; /* files that neither are pictures nor are called like ones */
} pictures;

/* Pictures are files that begin like a JPEG or a PNG; whatever is called .jpg, .jpeg or .png is listed too, so that it
 * can be reported. Hidden files are passed over. false: the folder cannot be read (said already). */
bool pictures_list(pictures *p, const char *folder);
void pictures_free(pictures *p);

/* Why one picture, embedded or classified alone, could not be used: "PATH: reason", or the library's message when that
 * names the file itself. Allocated. */
char *pictures_reason(const char *path, const recsys_error *error);

#endif
