/*
 * Ranked lists as the command shows them: ids with keys, titles, pictures and reasons. Built from a store and what the
 * library returned, then printed as tables, as JSON, or as a page.
 */
#ifndef LISTS_H
#define LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "opening.h"
#include "recsys.h"

extern const args_option lists_options[];

typedef struct shown_item {
  int64_t id;                  /* -1: none (a picture that is in no store) */
  char *key, *title, *picture; /* title and picture: NULL when there is none */
} shown_item;

typedef struct shown_reason {
  shown_item item;
  double contribution, similarity, rating;
  bool seen;    /* no rating: known by events */
  char *shared; /* "Drama, Thriller; 'red chair'"; NULL: nothing that has a name */
} shown_reason;

typedef struct shown_entry {
  shown_item item;
  double value;   /* its score; in a history, the rating */
  uint8_t source; /* RECSYS_SOURCE_... */
  shown_reason *reasons;
  size_t n_reasons;
} shown_entry;

typedef enum list_kind { LIST_SIMILAR, LIST_PICTURE, LIST_USER, LIST_GUEST } list_kind;

typedef struct list {
  list_kind kind;
  shown_item subject;   /* the item, the picture (key: its path), the user; a guest has no key */
  recsys_status status; /* a note (RECSYS_NOTE_...) or 0 */
  shown_entry *history; /* of a user or a guest: what was rated best */
  size_t n_history, n_rated, n_events;
  shown_entry *entries;
  size_t n_entries;
} list;

typedef struct report {
  const char *command; /* "similar" */
  const char *store;
  const char *measure; /* what the numbers are: "similarity", "distance" or "score" */
  const char *ranker;  /* NULL: none */
  const store_facts *facts;
  list *lists;
  size_t n_lists;
} report;

/* An item of the store, with what is known of it. */
shown_item lists_item(recsys_store *store, const args *a, int64_t id);
/* Adds a list of n entries; history and reasons are for the caller to fill. */
list *lists_add(report *r, recsys_store *store, const args *a, list_kind kind, const int64_t *ids, const double *scores,
                size_t n);
/* "Most like Red shirt (0004)", "For ana", ...; allocated. */
char *lists_heading(const report *r, const list *l);
/* "Red shirt (0004)" or "0004"; allocated. */
char *lists_name(const shown_item *item);
/* What a status note means to a reader; NULL: nothing. */
const char *lists_note(const list *l);
/* The sentence about untrained networks; NULL: the network is trained or not known. */
const char *lists_warning(const report *r);

/* "ratings", "features", "popular"; NULL: none. */
const char *lists_source(const shown_entry *entry);

/* Decimals that tell the entries' numbers apart: embeddings of one shop can be very much alike. */
int lists_digits(const list *l);
int lists_reason_digits(const shown_reason *reason);

/* Prints as --json or tables, and writes --html or --html-add; returns the exit code. */
int lists_show(const report *r, const args *a);
void lists_free(report *r);

/* The report as the JSON text that docs/formats-json.md describes, on stdout. */
void json_print_report(const report *r);
/* Writes a page, or adds sections to one that this function wrote; returns the exit code. */
int html_write(const report *r, const char *path, bool add, const char *title);

#endif
