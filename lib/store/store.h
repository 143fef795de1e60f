/*
 * Inside the store: the database beneath, the records of a view, and how the one becomes the other. Writers hold
 * core->write; whatever they commit is folded into a new view by reading back the rows whose change number is new, so
 * that opening, refreshing and writing share one path.
 */
#ifndef RECSYS_STORE_STORE_H
#define RECSYS_STORE_STORE_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/memory.h"
#include "recsys.h"
#include "store/map.h"
#include "store/rows.h"
#include "store/view.h"
#include "store/vocabulary.h"

enum { RECSYS__SCHEMA_VERSION = 1, RECSYS__APPLICATION_ID = 0x52435359 };

typedef struct recsys__item {
  recsys__ref ref;
  char *key;             /* NULL: none */
  recsys__label *labels; /* by field, then falling score, then the value's text */
  struct recsys__item_number {
    int32_t field;
    double value;
  } * numbers;
  struct recsys__item_text {
    int32_t field;
    char *value;
  } * texts;
  size_t label_count, number_count, text_count;
} recsys__item;

typedef struct recsys__user {
  recsys__ref ref;
  char *key;
  recsys__rating *ratings; /* by item */
  size_t count, room;
  recsys__event *events; /* by time, then as they were put */
  size_t event_count, event_room;
  int64_t newest_event_id; /* the largest id that one of them ever had */
} recsys__user;

typedef struct recsys__space {
  int64_t id;
  char fingerprint[132];
  char *description; /* NULL: none */
  uint32_t dim;
  bool is_default;
  recsys__rows *rows;
} recsys__space;

/* The ids of all keys with one hash. */
typedef struct recsys__bucket {
  recsys__ref ref;
  size_t count;
  int64_t ids[];
} recsys__bucket;

struct recsys__view {
  recsys__ref ref;
  int64_t change;
  recsys__store_core *core; /* retained, for the vocabulary */
  recsys__map items, users;
  recsys__map item_keys, user_keys; /* hash of the key -> recsys__bucket */
  recsys__space *spaces;
  size_t space_count;
  uint64_t rating_count, label_count, event_count;
  int64_t newest_event; /* the latest time that an event ever had; INT64_MIN: none */
};

struct recsys__store_core {
  _Atomic uint32_t references; /* of views, and one for all handles together */
  _Atomic uint32_t handles;    /* the store and its rankers */
  recsys__vocabulary vocabulary;
  recsys__lock latch; /* around `view` and `indexes` */
  recsys__view *view;
  struct recsys__index *indexes;          /* a list, one of a space at most */
  struct recsys__index_mark *index_marks; /* which file of each space was last read or written */
  size_t index_mark_count, index_mark_room;
  uint32_t threads;
};

struct recsys_store {
  recsys__store_core *core;
  recsys__lock write; /* around db and everything that changes */
  sqlite3 *db;
  uint64_t generation; /* of forks, at which db was opened */
  int64_t change;      /* the last change number given out, while a transaction of ours is open */
  bool triggers;       /* whether they are on in it */
  bool stale;          /* memory may be behind the database: refresh before the next write */
  char *location;      /* as the caller has named it */
  char *file;          /* its absolute path, whatever becomes the working directory; NULL: in memory */
  recsys_store_options options;
  recsys__log log;
};

/* -- database (database.c) */
recsys_status recsys__db_open(recsys_store *store, recsys_error *error);
/* Maps an SQLite result to a status and a message: "cannot <doing> '<location>': <reason>". */
recsys_status recsys__db_fail(recsys_store *store, sqlite3 *db, int code, const char *doing, recsys_error *error);
recsys_status recsys__db_run(recsys_store *store, const char *sql, const char *doing, recsys_error *error);
recsys_status recsys__db_prepare(recsys_store *store, sqlite3_stmt **statement, const char *sql, recsys_error *error);
/* Steps a statement that returns no rows, and resets it. A parameter ":change" receives the next change number. */
recsys_status recsys__db_step(recsys_store *store, sqlite3_stmt *statement, recsys_error *error);
/* The right to use the connection, which is made anew where a fork has closed it; given back with
 * recsys__lock_give(&store->write).
 */
recsys_status recsys__db_take(recsys_store *store, recsys_error *error);
/* The same after a refresh, so that memory holds what the file does. */
recsys_status recsys__db_take_fresh(recsys_store *store, recsys_error *error);
/* An integer from a one-row query. */
recsys_status recsys__db_number(recsys_store *store, const char *sql, int64_t *value, recsys_error *error);
/* After large work: gives the pages that SQLite holds back to the system. */
void recsys__db_trim(recsys_store *store);
void recsys__db_disconnect(void *context);
const char *recsys__schema_sql(void);

/* -- writing (write.c): lock, begin; then commit (folds the change into a new view and publishes it) or roll back.
 * Every successful begin is followed by exactly one end. */
/* With triggers, which keep the change numbers, statements are some five times as slow; without them every statement
 * sets `change` to :change. */
recsys_status recsys__write_begin(recsys_store *store, bool triggers, recsys_error *error);
recsys_status recsys__write_end(recsys_store *store, recsys_status status, recsys_error *error);
/* Creates the rows of ids that do not exist. kind: RECSYS_ITEMS or RECSYS_USERS. */
recsys_status recsys__write_ids(recsys_store *store, int kind, const int64_t *ids, size_t n, recsys_error *error);

/* -- views (view.c, load.c) */
recsys__view *recsys__view_new(recsys__store_core *core);
recsys__view *recsys__view_copy(const recsys__view *from);
void recsys__view_publish(recsys__store_core *core, recsys__view *view); /* takes over the reference */
/* Folds everything with a change number above view->change into the private view. */
recsys_status recsys__load(recsys_store *store, recsys__view *view, bool progress, recsys_error *error);
recsys__store_core *recsys__core_new(uint32_t threads);
void recsys__core_release(recsys__store_core *core);
recsys__rows *recsys__view_rows(const recsys__view *view, int32_t space);
int64_t recsys__key_hash(const char *key);
/* The id of a key, or -1. */
int64_t recsys__view_resolve(const recsys__view *view, int kind, const char *key);

/* -- approximate search (index.c, indexes.c, index_file.c, index_search.c): graphs over the rows of a space. The
 * writers keep them up. */
/* Opens the indexes that lie beside the store. What is damaged is built anew. */
recsys_status recsys__indexes_open(recsys_store *store, recsys_error *error);
/* With store->write held, after a view was published: takes its changes into the indexes. */
void recsys__indexes_follow(recsys_store *store);
/* The same after a refresh, with what other processes have done to the files: built an index, replaced or removed one.
 */
void recsys__indexes_refresh(recsys_store *store);
/* With store->write held: writes those that have changed since they were. */
void recsys__indexes_save(recsys_store *store);
void recsys__indexes_free(recsys__store_core *core);
/* What describe says of a space's index: a new JSON object; NULL: there is none. */
struct json_t *recsys__index_json(recsys__store_core *core, int64_t space);

/* Whether there is one for this metric that can be searched now. */
bool recsys__index_usable(const recsys__view *view, int32_t space, uint32_t metric);
/* The list of a query by the space's index. false: it cannot tell, search exactly: there is no index for this metric,
 * it stands on other rows, or too few items pass. effort 0: the usual. */
bool recsys__index_search(const recsys__view *view, int32_t space, const recsys__rows *queries, const size_t *numbers,
                          size_t n, const recsys__rows_query *query, size_t effort, int64_t *ids, double *scores,
                          size_t *count);

/* -- records (record.c): private copies to change; false: out of memory */
recsys__item *recsys__item_edit(recsys__map *items, int64_t id);
recsys__user *recsys__user_edit(recsys__map *users, int64_t id);
bool recsys__item_set_label(recsys__item *item, const recsys__vocabulary *words, int32_t field, int32_t value,
                            float score, bool *added);
bool recsys__item_remove_label(recsys__item *item, int32_t field, int32_t value);
bool recsys__item_set_number(recsys__item *item, int32_t field, double value);
void recsys__item_remove_number(recsys__item *item, int32_t field);
bool recsys__item_set_text(recsys__item *item, int32_t field, const char *value);
void recsys__item_remove_text(recsys__item *item, int32_t field);
bool recsys__user_set_rating(recsys__user *user, const recsys__rating *rating, bool *added);
bool recsys__user_remove_rating(recsys__user *user, int64_t item);

/* -- events (events.c) */
enum { RECSYS__EVENT_KINDS = -2 }; /* their field in the vocabulary */
bool recsys__user_set_event(recsys__user *user, const recsys__event *event, bool *added);
/* Takes the events with these ids out of a private view; sorts them. */
bool recsys__view_drop_events(recsys__view *view, int64_t *dead, size_t n);
/* How many of the items have neither embedding nor label, number or text (put.c). */
uint64_t recsys__count_unknown(recsys_store *store, const int64_t *items, size_t n);

/* -- checks shared by the public functions */
recsys_status recsys__check_ids(const int64_t *ids, size_t n, const char *what, recsys_error *error);
recsys_status recsys__check_texts(const char *const *texts, size_t n, size_t limit, const char *what,
                                  recsys_error *error);

#endif
