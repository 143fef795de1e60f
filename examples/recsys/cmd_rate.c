/* recsys rate: ratings or events from a CSV file into a store. The whole file is read before anything is stored. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "csv.h"
#include "json.h"
#include "keys.h"
#include "opening.h"
#include "progress.h"

static const args_option options[] = {
    {"user-column", "NAME", "default: user, user_id, userId, shopper, customer", "--user-column visitor"},
    {"item-column", "NAME", "default: item, item_id, itemId, movieId, sku, product, product_id, id",
     "--item-column ean"},
    {"rating-column", "NAME", "default: rating, stars, value, score", "--rating-column grade"},
    {"kind-column", "NAME",
     "the lines are events of this kind (view, cart, purchase, or the shop's own), not ratings;\n"
     "default: kind, event, event_type, action, where there is no rating",
     "--kind-column what"},
    {"time-column", "NAME", "whole seconds since 1970; default: time, timestamp; need not be there",
     "--time-column at"},
    {"ids", NULL, "users and items are the library's whole numbers, not keys", "--ids"},
    {"skip-bad-lines", NULL, "report bad lines and store the others; else one bad line stores nothing",
     "--skip-bad-lines"},
    {"json", NULL, "print one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_command command = {
    "rate",
    "STORE CSV [OPTION...]",
    "Stores the ratings of a CSV file (RFC 4180, UTF-8, with a header line; columns in any order; \"-\" is standard "
    "input):\n"
    "one rating for each user and item, a number, larger is better. A later one replaces an earlier one.\n"
    "A file with kinds and times instead of ratings holds events (views, purchases): each line adds one.",
    "recsys rate shop.recsys ratings.csv\n"
    "recsys rate shop.recsys clicks.csv --kind-column action\n"
    "recsys rate shop.recsys export.csv --user-column visitor --rating-column grade --skip-bad-lines",
    {options, args_general},
};

typedef struct ratings {
  keys users, items, kinds;
  uint32_t *user, *item; /* numbers of the keys */
  float *value;          /* of ratings */
  uint32_t *kind;        /* of events: numbers of the kinds' names */
  bool events;
  int64_t *time;
  size_t n, capacity, bad;
} ratings;

typedef struct columns {
  int user, item, rating, kind, time; /* -1: there is none */
} columns;

static int find_column(const args *a, const csv *c, const char *option, const char *const *usual) {
  const char *chosen[2] = {args_get(a, option, NULL), NULL};
  return csv_column(c, chosen[0] ? chosen : usual);
}

static bool find_columns(const args *a, const csv *c, columns *found) {
  static const char *const users[] = {"user", "user_id", "userId", "shopper", "customer", NULL};
  static const char *const items[] = {"item",    "item_id",    "itemId", "movieId", "sku",
                                      "product", "product_id", "id",     NULL};
  static const char *const values[] = {"rating", "stars", "value", "score", NULL};
  static const char *const kinds[] = {"kind", "event", "event_type", "action", NULL};
  static const char *const times[] = {"time", "timestamp", NULL};
  *found = (columns){find_column(a, c, "user-column", users), find_column(a, c, "item-column", items),
                     find_column(a, c, "rating-column", values), find_column(a, c, "kind-column", kinds),
                     find_column(a, c, "time-column", times)};
  if (found->rating >= 0 && !args_has(a, "kind-column"))
    found->kind = -1;
  bool events = found->kind >= 0 || args_has(a, "kind-column");
  const char *missing = found->user < 0                                             ? "user"
                        : found->item < 0                                           ? "item"
                        : events && found->kind < 0                                 ? "kind"
                        : !events && found->rating < 0                              ? "rating"
                        : found->time < 0 && (events || args_has(a, "time-column")) ? "time"
                                                                                    : NULL;
  if (missing)
    csv_complain(c, "no column holds the %s; name it with --%s-column (recsys rate --help lists the usual names)",
                 missing, missing);
  return !missing;
}

static bool is_whole(const char *string, int64_t *number) {
  char *end = NULL;
  errno = 0;
  *number = strtoll(string, &end, 10);
  return end != string && !*end && !errno;
}

static void make_room(ratings *r) {
  if (r->n < r->capacity)
    return;
  r->capacity = r->capacity ? 2 * r->capacity : 65536;
  r->user = need_more(r->user, r->capacity, sizeof *r->user);
  r->item = need_more(r->item, r->capacity, sizeof *r->item);
  r->value = need_more(r->value, r->capacity, sizeof *r->value);
  r->kind = need_more(r->kind, r->capacity, sizeof *r->kind);
  r->time = need_more(r->time, r->capacity, sizeof *r->time);
}

/* One record; false: it is bad, and why was said. */
static bool read_record(const args *a, const csv *c, const columns *at, ratings *r) {
  const char *user = csv_field(c, (size_t)at->user), *item = csv_field(c, (size_t)at->item);
  const char *rating = at->kind < 0 ? csv_field(c, (size_t)at->rating) : "1";
  const char *kind = at->kind < 0 ? "view" : csv_field(c, (size_t)at->kind);
  const char *time = at->time < 0 ? "" : csv_field(c, (size_t)at->time);
  char *end = NULL;
  double value = strtod(rating, &end);
  int64_t seconds = 0, id;
  const char *wrong = NULL;
  if (!*user || !*item || strlen(user) > 1024 || strlen(item) > 1024)
    wrong = "user and item must have 1 to 1024 bytes";
  else if (args_has(a, "ids") && (!is_whole(user, &id) || id < 0 || !is_whole(item, &id) || id < 0))
    wrong = "with --ids, user and item are whole numbers from 0 on";
  else if (end == rating || *end || !isfinite((float)value))
    wrong = "the rating is no number";
  else if (!*kind || strlen(kind) > 63)
    wrong = "the kind must have 1 to 63 bytes";
  else if ((*time || at->kind >= 0) && !is_whole(time, &seconds))
    wrong = "the time is no whole number of seconds";
  if (wrong) {
    csv_complain(c, "%s", wrong);
    return false;
  }
  make_room(r);
  r->user[r->n] = keys_number(&r->users, user);
  r->item[r->n] = keys_number(&r->items, item);
  r->value[r->n] = (float)value;
  r->kind[r->n] = keys_number(&r->kinds, kind);
  r->time[r->n++] = seconds;
  return true;
}

static int read_records(const args *a, csv *c, ratings *r, progress *p) {
  enum { TOLD = 20 };
  columns at;
  if (!find_columns(a, c, &at))
    return FAILED;
  r->events = at.kind >= 0;
  csv_status status;
  while ((status = csv_next(c)) != CSV_END) {
    if (status == CSV_BAD || status == CSV_BROKEN)
      csv_complain(c, "%s", csv_message(c));
    if (status == CSV_BROKEN)
      return FAILED;
    if (status == CSV_BAD || !read_record(a, c, &at, r))
      r->bad++;
    if (r->bad && !args_has(a, "skip-bad-lines") && r->bad == TOLD) {
      say("... and perhaps more");
      break;
    }
    if (progress_step(p, csv_position(c))) {
      say("stopped; nothing was stored");
      return FAILED;
    }
  }
  if (r->bad && !args_has(a, "skip-bad-lines")) {
    say("nothing was stored; --skip-bad-lines stores the good lines");
    return FAILED;
  }
  return DONE;
}

static int read_file(const args *a, ratings *r) {
  progress p;
  csv *c = csv_open(a->words[1]);
  if (!c)
    return FAILED;
  progress_begin(&p, "Reading", "bytes", 0, csv_size(c));
  int code = read_records(a, c, r, &p);
  progress_end(&p);
  csv_close(c);
  return code;
}

static int64_t *resolve(const args *a, recsys_store *store, int32_t kind, const keys *k) {
  recsys_error error = {0};
  int64_t *ids = need(k->n, sizeof *ids);
  if (args_has(a, "ids")) {
    for (size_t i = 0; i < k->n; i++)
      ids[i] = strtoll(k->strings[i], NULL, 10);
    return ids;
  }
  if (!k->n ||
      !recsys_store_resolve(store, kind, (const char *const *)k->strings, k->n, RECSYS_RESOLVE_CREATE, ids, &error))
    return ids;
  say_error(&error);
  free(ids);
  return NULL;
}

/* In blocks, each one transaction: a block at a time becomes visible, and Ctrl-C need not wait for all of them. */
static int store_blocks(recsys_store *store, const ratings *r, const int64_t *users, const int64_t *items,
                        uint64_t *unknown) {
  enum { BLOCK = 200000 };
  int64_t *user = need(BLOCK, sizeof *user), *item = need(BLOCK, sizeof *item);
  const char **kind = need(BLOCK, sizeof *kind);
  recsys_error error = {0};
  progress p;
  int code = DONE;
  progress_begin(&p, "Storing", r->events ? "events" : "ratings", 0, r->n);
  for (size_t at = 0; at < r->n && !code; at += BLOCK) {
    size_t n = r->n - at < BLOCK ? r->n - at : BLOCK;
    uint64_t here = 0;
    for (size_t i = 0; i < n; i++) {
      user[i] = users[r->user[at + i]];
      item[i] = items[r->item[at + i]];
      kind[i] = r->kinds.strings[r->kind[at + i]];
    }
    if (r->events ? recsys_store_put_events(store, user, item, kind, r->time + at, n, &here, &error)
                  : recsys_store_put_ratings(store, user, item, r->value + at, r->time + at, n, &here, &error))
      code = say_error(&error);
    *unknown += here;
    if (!code && progress_step(&p, at + n) && at + n < r->n) {
      say(r->events ? "stopped; %zu of %zu events are stored: the others are the last lines of the file"
                    : "stopped; %zu of %zu ratings are stored. The same command again stores all",
          at + n, r->n);
      code = FAILED;
    }
  }
  progress_end(&p);
  free(user);
  free(item);
  free(kind);
  return code;
}

static int store_ratings(const args *a, const ratings *r, uint64_t *unknown) {
  int code = FAILED;
  recsys_store *store = opening_store(a, a->words[0], 0);
  int64_t *users = store ? resolve(a, store, RECSYS_USERS, &r->users) : NULL;
  int64_t *items = users ? resolve(a, store, RECSYS_ITEMS, &r->items) : NULL;
  if (items)
    code = store_blocks(store, r, users, items, unknown);
  free(users);
  free(items);
  recsys_store_close(store);
  return code;
}

static void print_summary(const args *a, const ratings *r, uint64_t unknown) {
  if (args_has(a, "json")) {
    json_print(json_pack("{ss ss sI sI sI sI sI}", "command", "rate", "store", a->words[0],
                         r->events ? "events" : "ratings", (json_int_t)r->n, "users", (json_int_t)r->users.n, "items",
                         (json_int_t)r->items.n, "bad_lines", (json_int_t)r->bad,
                         r->events ? "events_of_unknown_items" : "ratings_of_unknown_items", (json_int_t)unknown));
    return;
  }
  printf("%zu %s of %zu items by %zu users stored", r->n, r->events ? "events" : "ratings", r->items.n, r->users.n);
  if (r->bad)
    printf("; %zu bad line%s skipped", r->bad, r->bad == 1 ? "" : "s");
  printf("\n");
  if (unknown)
    printf("%llu of them are for items that have neither picture nor label yet; they are kept\n",
           (unsigned long long)unknown);
}

int cmd_rate(int argc, char **argv) {
  args a;
  ratings r = {0};
  uint64_t unknown = 0;
  int code = args_parse(&a, &command, argc, argv, 2, 2);
  if (code != ARGS_GO_ON)
    return code;
  code = read_file(&a, &r);
  if (!code)
    code = store_ratings(&a, &r, &unknown);
  if (!code)
    print_summary(&a, &r, unknown);
  keys_free(&r.users);
  keys_free(&r.items);
  keys_free(&r.kinds);
  free(r.user);
  free(r.item);
  free(r.value);
  free(r.kind);
  free(r.time);
  args_free(&a);
  return code;
}
