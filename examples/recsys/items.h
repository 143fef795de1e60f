/* What a store knows about an item or a user beyond its id: key, title, picture. And the way back, from words to ids.
 */
#ifndef ITEMS_H
#define ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "recsys.h"

/* Texts are allocated; NULL: there is none. kind: RECSYS_ITEMS or RECSYS_USERS. */
char *items_key(recsys_store *store, int32_t kind, int64_t id);
char *items_text(recsys_store *store, int64_t item, const char *field);
/* The text of --title-field, else of title, else of name. */
char *items_title(recsys_store *store, int64_t item, const args *a);

/* Ids of words: keys, or integers under --ids. Unknown keys: -1. false: said already. */
bool items_resolve(recsys_store *store, const args *a, int32_t kind, const char *const *words, size_t n, int64_t *ids);
/* The same; an unknown key is an error that names it. */
bool items_resolve_all(recsys_store *store, const args *a, int32_t kind, const char *const *words, size_t n,
                       int64_t *ids);

#endif
