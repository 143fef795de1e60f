/* Labels, numbers and texts of items: the CSV file is read whole, then what differs from the store is written. */
#include "labels.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "csv.h"
#include "items.h"
#include "keys.h"

const args_option labels_options[] = {
    {"labels", "CSV",
     "what is known about the items: a CSV file (RFC 4180, UTF-8, with a header line, columns in any order) with a\n"
     "column of keys and those that --fields, --numbers and --texts name",
     "--labels items.csv"},
    {"key-column", "NAME", "the column of keys (default: item, item_id, itemId, movieId, sku, product_id, id)",
     "--key-column ean"},
    {"fields", "NAME,...", "columns of labels; a cell may hold several, separated by |", "--fields kind,colour"},
    {"numbers", "NAME,...", "columns of numbers", "--numbers price,year"},
    {"texts", "NAME,...", "columns of texts; title is shown in lists", "--texts title"},
    {"skip-bad-lines", NULL, "report bad lines and use the others; else one bad line stores nothing",
     "--skip-bad-lines"},
    {0},
};

enum { LABEL, NUMBER, TEXT };

typedef struct column {
  size_t at; /* in the file */
  char *field;
  int kind;
} column;

/* One value of one item; empty: the item has none there. */
typedef struct cell {
  uint32_t item, column;
  size_t order; /* of reading */
  char *value;
} cell;

typedef struct job {
  const args *a;
  recsys_store *store;
  labels_result *result;
  int key_column;
  column *columns;
  size_t n_columns;
  keys items;
  cell *cells;
  size_t n_cells, capacity;
  int64_t *ids; /* of items */
} job;

/* One batch for one put or remove. */
typedef struct batch {
  int64_t *items;
  const char **fields, **values;
  double *numbers;
  size_t n, capacity;
} batch;

/* ---- Reading */

static int choose_column(job *j, const csv *c, const char *name, int kind) {
  const char *names[2] = {name, NULL};
  int at = csv_column(c, names);
  if (at < 0) {
    csv_complain(c, "there is no column \"%s\"", name);
    return FAILED;
  }
  for (size_t i = 0; i < j->n_columns; i++) {
    if (j->columns[i].at == (size_t)at)
      return args_misuse(j->a, "the column \"%s\" can only be used once", name);
  }
  j->columns = need_more(j->columns, j->n_columns + 1, sizeof *j->columns);
  j->columns[j->n_columns++] = (column){(size_t)at, need_copy(name), kind};
  return DONE;
}

static int choose_columns(job *j, const csv *c) {
  static const char *const options[] = {"fields", "numbers", "texts"};
  static const char *const usual[] = {"item", "item_id", "itemId", "movieId", "sku", "product_id", "id", NULL};
  const char *chosen[2] = {args_get(j->a, "key-column", NULL), NULL}, *value;
  j->key_column = csv_column(c, chosen[0] ? chosen : usual);
  if (j->key_column < 0) {
    csv_complain(c, "no column holds the items' keys; name it with --key-column");
    return FAILED;
  }
  for (int kind = LABEL; kind <= TEXT; kind++) {
    for (size_t at = 0; (value = args_next(j->a, options[kind], &at));) {
      size_t n = 0;
      char **names = args_list(value, &n);
      int code = DONE;
      for (size_t i = 0; i < n && !code; i++)
        code = choose_column(j, c, names[i], kind);
      args_free_list(names, n);
      if (code)
        return code;
    }
  }
  return DONE;
}

static void add_cell(job *j, uint32_t item, size_t column_index, const char *value, size_t length) {
  if (j->n_cells == j->capacity) {
    j->capacity = j->capacity ? 2 * j->capacity : 4096;
    j->cells = need_more(j->cells, j->capacity, sizeof *j->cells);
  }
  j->cells[j->n_cells] = (cell){item, (uint32_t)column_index, j->n_cells, need_text("%.*s", (int)length, value)};
  j->n_cells++;
}

static bool is_number(const char *string, double *number) {
  char *end = NULL;
  *number = strtod(string, &end);
  return end != string && !*end && isfinite(*number);
}

static bool read_record(job *j, const csv *c) {
  const char *key = csv_field(c, (size_t)j->key_column);
  double number;
  if (!*key || strlen(key) > 1024) {
    csv_complain(c, "the item's key must have 1 to 1024 bytes");
    return false;
  }
  for (size_t i = 0; i < j->n_columns; i++) {
    const char *value = csv_field(c, j->columns[i].at);
    if (j->columns[i].kind == NUMBER && *value && !is_number(value, &number)) {
      csv_complain(c, "%s is no number: \"%s\"", j->columns[i].field, value);
      return false;
    }
  }
  uint32_t item = keys_number(&j->items, key);
  for (size_t i = 0; i < j->n_columns; i++) {
    const char *value = csv_field(c, j->columns[i].at);
    if (j->columns[i].kind != LABEL) {
      add_cell(j, item, i, value, strlen(value));
      continue;
    }
    for (;; value++) {
      size_t length = strcspn(value, "|");
      add_cell(j, item, i, value, length);
      value += length;
      if (!*value)
        break;
    }
  }
  return true;
}

static int read_records(job *j, csv *c) {
  enum { TOLD = 20 };
  bool skip = args_has(j->a, "skip-bad-lines");
  csv_status status;
  int code = choose_columns(j, c);
  if (code)
    return code;
  while ((status = csv_next(c)) != CSV_END) {
    if (status != CSV_RECORD)
      csv_complain(c, "%s", csv_message(c));
    if (status == CSV_BROKEN)
      return FAILED;
    if (status == CSV_BAD || !read_record(j, c))
      j->result->bad++;
    if (!skip && j->result->bad == TOLD)
      break;
  }
  if (j->result->bad && !skip) {
    say("nothing was stored; --skip-bad-lines uses the good lines");
    return FAILED;
  }
  return DONE;
}

/* ---- Comparing and storing */

static void batch_add(batch *b, int64_t item, const char *field, const char *value, double number) {
  if (b->n == b->capacity) {
    b->capacity = b->capacity ? 2 * b->capacity : 1024;
    b->items = need_more(b->items, b->capacity, sizeof *b->items);
    b->fields = need_more(b->fields, b->capacity, sizeof *b->fields);
    b->values = need_more(b->values, b->capacity, sizeof *b->values);
    b->numbers = need_more(b->numbers, b->capacity, sizeof *b->numbers);
  }
  b->items[b->n] = item;
  b->fields[b->n] = field;
  b->values[b->n] = value;
  b->numbers[b->n++] = number;
}

static void batch_free(batch *b) {
  free(b->items);
  free(b->fields);
  free(b->values);
  free(b->numbers);
}

static int by_item_column_value(const void *a, const void *b) {
  const cell *x = a, *y = b;
  if (x->item != y->item)
    return x->item < y->item ? -1 : 1;
  if (x->column != y->column)
    return x->column < y->column ? -1 : 1;
  return x->order < y->order ? -1 : 1;
}

/* The group's values without empty and repeated ones, moved to its front; returns how many. */
static size_t distinct(cell *group, size_t n) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    bool is_new = group[i].value[0] != '\0';
    for (size_t k = 0; k < kept && is_new; k++)
      is_new = strcmp(group[k].value, group[i].value) != 0;
    if (is_new) {
      cell one = group[i];
      group[i] = group[kept];
      group[kept++] = one;
    }
  }
  return kept;
}

static bool labels_differ(const job *j, int64_t item, const char *field, const cell *values, size_t n) {
  for (uint32_t i = 0;; i++) {
    char value[4097];
    float score = 0;
    size_t length = 0, k = 0;
    if (recsys_store_get_label(j->store, item, field, i, value, sizeof value, &length, &score, NULL))
      return i != n;
    while (k < n && strcmp(values[k].value, value) != 0)
      k++;
    if (k == n || score != 1 || length >= sizeof value)
      return true;
  }
}

static bool number_differs(const job *j, int64_t item, const char *field, double number) {
  double stored = NAN;
  return recsys_store_get_number(j->store, item, field, &stored, NULL) || stored != number;
}

static bool text_differs(const job *j, int64_t item, const char *field, const char *value) {
  char *stored = items_text(j->store, item, field);
  bool differs = !stored || strcmp(stored, value) != 0;
  free(stored);
  return differs;
}

/* Is anything stored in this field that an empty cell must take away? */
static bool has_any(const job *j, int64_t item, const column *c) {
  double number;
  size_t length;
  if (c->kind == LABEL)
    return !recsys_store_get_label(j->store, item, c->field, 0, NULL, 0, &length, NULL, NULL);
  if (c->kind == NUMBER)
    return !recsys_store_get_number(j->store, item, c->field, &number, NULL);
  return !recsys_store_get_text(j->store, item, c->field, NULL, 0, &length, NULL);
}

typedef struct changes {
  batch removals, puts[3]; /* puts by kind */
} changes;

/* All values of one item in one field; true: something changes. */
static bool compare_group(const job *j, cell *group, size_t n, changes *all) {
  const column *c = &j->columns[group->column];
  int64_t item = j->ids[group->item];
  const char *last = group[n - 1].value;
  double number = 0;
  size_t values = c->kind == LABEL ? distinct(group, n) : last[0] != '\0';
  if (!values) {
    bool any = has_any(j, item, c);
    if (any)
      batch_add(&all->removals, item, c->field, NULL, 0);
    return any;
  }
  if (c->kind == LABEL) {
    if (!labels_differ(j, item, c->field, group, values))
      return false;
    batch_add(&all->removals, item, c->field, NULL, 0);
    for (size_t i = 0; i < values; i++)
      batch_add(&all->puts[LABEL], item, c->field, group[i].value, 0);
    return true;
  }
  bool differs = c->kind == NUMBER ? is_number(last, &number) && number_differs(j, item, c->field, number)
                                   : text_differs(j, item, c->field, last);
  if (differs)
    batch_add(&all->puts[c->kind], item, c->field, last, number);
  return differs;
}

static void compare(job *j, changes *all) {
  uint32_t changed_item = UINT32_MAX;
  if (j->n_cells)
    qsort(j->cells, j->n_cells, sizeof *j->cells, by_item_column_value);
  for (size_t at = 0; at < j->n_cells;) {
    size_t end = at + 1;
    uint32_t item = j->cells[at].item;
    while (end < j->n_cells && j->cells[end].item == item && j->cells[end].column == j->cells[at].column)
      end++;
    if (compare_group(j, j->cells + at, end - at, all) && changed_item != item) {
      changed_item = item;
      j->result->changed++;
    }
    at = end;
  }
}

static int store_changes(const job *j, const changes *all) {
  const batch *removals = &all->removals, *labels = &all->puts[LABEL], *numbers = &all->puts[NUMBER],
              *texts = &all->puts[TEXT];
  recsys_error error = {0};
  recsys_status status = RECSYS_OK;
  if (removals->n)
    status = recsys_store_remove_labels(j->store, removals->items, removals->fields, NULL, removals->n, &error);
  if (!status && labels->n)
    status = recsys_store_put_labels(j->store, labels->items, labels->fields, labels->values, NULL, labels->n, &error);
  if (!status && numbers->n)
    status = recsys_store_put_numbers(j->store, numbers->items, numbers->fields, numbers->numbers, numbers->n, &error);
  if (!status && texts->n)
    status = recsys_store_put_texts(j->store, texts->items, texts->fields, texts->values, texts->n, &error);
  return status ? say_error(&error) : DONE;
}

static int store_cells(job *j) {
  recsys_error error = {0};
  changes all = {0};
  j->result->items = j->items.n;
  if (!j->items.n)
    return DONE;
  j->ids = need(j->items.n, sizeof *j->ids);
  if (recsys_store_resolve(j->store, RECSYS_ITEMS, (const char *const *)j->items.strings, j->items.n,
                           RECSYS_RESOLVE_CREATE, j->ids, &error))
    return say_error(&error);
  compare(j, &all);
  int code = store_changes(j, &all);
  batch_free(&all.removals);
  for (int kind = LABEL; kind <= TEXT; kind++)
    batch_free(&all.puts[kind]);
  return code;
}

int labels_add(const args *a, recsys_store *store, labels_result *result) {
  job j = {.a = a, .store = store, .result = result};
  *result = (labels_result){0};
  csv *c = csv_open(args_get(a, "labels", ""));
  int code = c ? read_records(&j, c) : FAILED;
  if (!code)
    code = store_cells(&j);
  csv_close(c);
  for (size_t i = 0; i < j.n_cells; i++)
    free(j.cells[i].value);
  for (size_t i = 0; i < j.n_columns; i++)
    free(j.columns[i].field);
  free(j.cells);
  free(j.columns);
  free(j.ids);
  keys_free(&j.items);
  return code;
}
