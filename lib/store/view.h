/*
 * What rankers see of a store: an immutable, reference-counted view of all its memory. Pointers that it gives out live
 * as long as the view is held. Nothing here touches SQLite or takes a lock that a writer holds for long.
 */
#ifndef RECSYS_STORE_VIEW_H
#define RECSYS_STORE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

typedef struct recsys__view recsys__view;

/* The store's newest view; never NULL. Released with recsys__view_release. A view keeps the memory that it needs, also
 * after the store was closed. */
const recsys__view *recsys__store_view(recsys_store *store);
void recsys__view_retain(const recsys__view *view);
void recsys__view_release(const recsys__view *view);
/* Rises with every change; equal numbers mean equal content. */
int64_t recsys__view_change(const recsys__view *view);

/* A handle that outlives recsys_store_close, for rankers: the store's shared core, reference-counted. Its view stays
 * the last one when the store is closed. */
typedef struct recsys__store_core recsys__store_core;
recsys__store_core *recsys__store_core_retain(recsys_store *store);
void recsys__store_core_release(recsys__store_core *core);
const recsys__view *recsys__store_core_view(recsys__store_core *core);
uint32_t recsys__store_core_threads(const recsys__store_core *core);
/* One more handle of the same core. */
recsys__store_core *recsys__store_core_share(recsys__store_core *core);
/* A core whose view is this one for good (retained); NULL: out of memory. */
recsys__store_core *recsys__store_core_over(const recsys__view *view);

/* -- users, items, ratings */
size_t recsys__view_item_count(const recsys__view *view);
size_t recsys__view_user_count(const recsys__view *view);
bool recsys__view_has_item(const recsys__view *view, int64_t item);
bool recsys__view_has_user(const recsys__view *view, int64_t user);
/* Up to n ids after `after`, rising; returns how many. */
size_t recsys__view_items(const recsys__view *view, int64_t after, int64_t *ids, size_t n);
size_t recsys__view_users(const recsys__view *view, int64_t after, int64_t *ids, size_t n);

typedef struct recsys__rating {
  int64_t item;
  int64_t time;
  float value;
} recsys__rating;
/* A user's ratings by rising item id; returns how many (0: unknown user, or none). */
size_t recsys__view_history(const recsys__view *view, int64_t user, const recsys__rating **ratings);
/* What a user did, by time, then in the order of putting; returns how many. */
typedef struct recsys__event {
  int64_t id, item, time;
  int32_t kind;
} recsys__event;
size_t recsys__view_events(const recsys__view *view, int64_t user, const recsys__event **events);
uint64_t recsys__view_event_count(const recsys__view *view);
int64_t recsys__view_newest_event(const recsys__view *view);                 /* INT64_MIN: there is none */
int32_t recsys__view_event_kind(const recsys__view *view, const char *kind); /* -1: never seen */

/* A view with only those ratings and events (asked with value NaN) for which keep returns true, everything else the
 * same; NULL: out of memory. */
const recsys__view *recsys__view_subset(const recsys__view *from,
                                        bool (*keep)(void *context, int64_t user, const recsys__rating *rating),
                                        void *context);

/* -- labels: fields and values as small numbers, the same in all views of one store */
/* -1: no such field / no such value in it. */
int32_t recsys__view_field(const recsys__view *view, const char *field);
int32_t recsys__view_value(const recsys__view *view, int32_t field, const char *value);
const char *recsys__view_value_name(const recsys__view *view, int32_t value);
typedef struct recsys__label {
  int32_t field, value;
  float score;
} recsys__label;
/* An item's labels in one field, by falling score, then by the value's text. */
size_t recsys__view_labels(const recsys__view *view, int64_t item, int32_t field, const recsys__label **labels);

/* -- everything that an item has, for features */
/* All labels by field; the index-th number and text (false, NULL: past the last); a field's name. */
size_t recsys__view_all_labels(const recsys__view *view, int64_t item, const recsys__label **labels);
bool recsys__view_number_at(const recsys__view *view, int64_t item, size_t index, int32_t *field, double *value);
const char *recsys__view_text_at(const recsys__view *view, int64_t item, size_t index, int32_t *field);
const char *recsys__view_field_name(const recsys__view *view, int32_t field);
/* The mean of an item's rows in a space (dim doubles); false: it has none. */
uint32_t recsys__view_dim(const recsys__view *view, int32_t space);
bool recsys__view_mean_row(const recsys__view *view, int32_t space, int64_t item, double *row);

/* -- filters */
typedef struct recsys__filter recsys__filter;
/* Checks and compiles a caller's filter (NULL: everything passes) against a view that outlives it. */
recsys_status recsys__filter_compile(recsys__filter **out, const recsys__view *view, const recsys_filter *source,
                                     recsys_error *error);
/* Clauses, allow and deny; not the similarity limits. A NULL filter passes everything. */
bool recsys__filter_passes(const recsys__filter *filter, int64_t item);
uint32_t recsys__filter_flags(const recsys__filter *filter);
void recsys__filter_free(recsys__filter *filter);

/* -- likeness */
/* Index of a space by fingerprint (NULL: the default one); RECSYS_ENOTFOUND where there is none. */
recsys_status recsys__view_space(const recsys__view *view, const char *fingerprint, int32_t *space,
                                 recsys_error *error);
bool recsys__view_has_embedding(const recsys__view *view, int32_t space, int64_t item);

/* The k items most like `item` (itself left out) that pass the filter (its similarity limits apply), best first: ids
 * and scores (cosine similarity, or Euclidean distance), k of room each; *count says how many. k at least the number of
 * items gives all of them. RECSYS_ENOTFOUND where the item has no embedding. */
recsys_status recsys__view_similar(const recsys__view *view, int32_t space, int64_t item, size_t k, uint32_t metric,
                                   const recsys__filter *filter, uint32_t threads, int64_t *ids, double *scores,
                                   size_t *count, recsys_error *error);

/* The similarity (cosine) or distance (Euclidean) of two items' best pair of pictures; false where one has none. */
bool recsys__view_likeness(const recsys__view *view, int32_t space, int64_t a, int64_t b, uint32_t metric,
                           double *score);

/* For every item with a picture (by rising id; there are recsys__view_pictured_count): the sum over n targets (rising
 * ids) of weight x similarity (1 / (1 + distance) for Euclidean); an item is not compared with itself. false: out of
 * memory. */
bool recsys__view_likeness_sums(const recsys__view *view, int32_t space, const int64_t *items, const double *weights,
                                size_t n, uint32_t metric, int64_t *ids, double *sums, size_t *count);
size_t recsys__view_pictured_count(const recsys__view *view, int32_t space);
/* Equal for two held views whose space has the same rows. */
const void *recsys__view_space_identity(const recsys__view *view, int32_t space);

#endif
