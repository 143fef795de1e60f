/* Published weights: where they are, and how a file comes over HTTP whole and unchanged, or not at all. */
#ifndef FETCH_H
#define FETCH_H

#include <stdbool.h>
#include <stdint.h>

/* The user's folder of models, $XDG_DATA_HOME/recsys or ~/.local/share/recsys; NULL: there is no home. Allocated. */
char *fetch_folder(void);
/* The file that `recsys fetch NAME` has left, else one that is installed beside recsys (mini); NULL: none. Allocated.
 */
char *fetch_find(const char *name);

typedef int (*fetch_progress)(void *user, uint64_t done, uint64_t total);

/* Downloads url to path: goes on with path.part where an earlier try has stopped, then checks that the file's SHA-256
 * begins with `digest` (8 to 64 hexadecimal digits). On a wrong digest nothing is kept; after a broken connection the
 * part is. false: said already. */
bool fetch_download(const char *url, const char *digest, const char *path, fetch_progress progress, void *user);

#endif
