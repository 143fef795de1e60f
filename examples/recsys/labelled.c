/* The CSV file is read into cells (picture, field, value); then the labels are chosen and the matrix is filled. */
#include "labelled.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "csv.h"
#include "keys.h"

const args_option labelled_options[] = {
    {"images", "DIR",
     "the pictures: every JPEG or PNG file in this folder; a picture's key is its name without extension",
     "--images photos/"},
    {"labels", "CSV",
     "their labels: a CSV file (RFC 4180, UTF-8, with a header line) with a column of keys; a cell may\n"
     "hold several labels, separated by |, and an empty one says that they are not known",
     "--labels items.csv"},
    {"part-column", "NAME",
     "a column that says which part a picture is in: its fold from 0 on, or, without folds, 0 to train and\n"
     "1 to validate; empty, negative or higher: it is left out. evaluate-model takes the pictures in part 2 alone",
     "--part-column part"},
    {"key-column", "NAME", "the column of keys (default: item, item_id, itemId, movieId, sku, product_id, id)",
     "--key-column ean"},
    {0},
};

typedef struct cell {
  uint32_t picture, field, value;
} cell;

typedef struct reading {
  const args *a;
  labelled *l;
  int key_column, part_column, *columns;
  int32_t *parts; /* by picture of the folder; -1: left out */
  char *const *fields;
  size_t n_fields;
  keys pictures, *values; /* values by field */
  cell *cells;
  size_t n_cells, capacity;
  bool *listed; /* pictures with a line */
} reading;

/* -- the file */

static int find_columns(reading *r, const csv *c) {
  static const char *const usual[] = {"item", "item_id", "itemId", "movieId", "sku", "product_id", "id", NULL};
  const char *chosen[2] = {args_get(r->a, "key-column", NULL), NULL};
  r->key_column = csv_column(c, chosen[0] ? chosen : usual);
  if (r->key_column < 0) {
    csv_complain(c, "no column holds the pictures' keys; name it with --key-column");
    return FAILED;
  }
  const char *part[2] = {args_get(r->a, "part-column", NULL), NULL};
  r->part_column = part[0] ? csv_column(c, part) : -1;
  if (part[0] && r->part_column < 0) {
    csv_complain(c, "there is no column \"%s\"", part[0]);
    return FAILED;
  }
  r->columns = need(r->n_fields, sizeof *r->columns);
  for (size_t f = 0; f < r->n_fields; f++) {
    const char *names[2] = {r->fields[f], NULL};
    r->columns[f] = csv_column(c, names);
    if (r->columns[f] < 0) {
      csv_complain(c, "there is no column \"%s\"", r->fields[f]);
      return FAILED;
    }
  }
  return DONE;
}

static void add_cell(reading *r, uint32_t owner, size_t field, const char *value, size_t length) {
  while (length > 0 && (value[0] == ' ' || value[0] == '\t'))
    value++, length--;
  while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
    length--;
  if (length == 0)
    return;
  if (r->n_cells == r->capacity) {
    r->capacity = r->capacity ? 2 * r->capacity : 4096;
    r->cells = need_more(r->cells, r->capacity, sizeof *r->cells);
  }
  char *copy = need_text("%.*s", (int)length, value);
  r->cells[r->n_cells++] = (cell){owner, (uint32_t)field, keys_number(&r->values[field], copy)};
  free(copy);
}

static void read_record(reading *r, const csv *c) {
  size_t known = r->pictures.n;
  uint32_t owner = keys_number(&r->pictures, csv_field(c, (size_t)r->key_column));
  if (owner >= known || owner >= r->l->pictures.n) {
    r->l->missing++;
    return;
  }
  r->listed[owner] = true;
  if (r->part_column >= 0) {
    const char *text = csv_field(c, (size_t)r->part_column);
    r->parts[owner] = *text ? (int32_t)strtol(text, NULL, 10) : -1;
  }
  for (size_t f = 0; f < r->n_fields; f++) {
    const char *value = csv_field(c, (size_t)r->columns[f]);
    for (;; value++) {
      size_t length = strcspn(value, "|");
      add_cell(r, owner, f, value, length);
      value += length;
      if (!*value)
        break;
    }
  }
}

static int read_lines(reading *r, csv *c) {
  csv_status status;
  int code = find_columns(r, c);
  while (!code && (status = csv_next(c)) != CSV_END) {
    if (status == CSV_RECORD) {
      read_record(r, c);
      continue;
    }
    csv_complain(c, "%s", csv_message(c));
    code = FAILED;
  }
  return code;
}

static int read_file(reading *r) {
  const char *folder = args_get(r->a, "images", NULL), *path = args_get(r->a, "labels", NULL);
  if (!folder || !path)
    return args_misuse(r->a, "give the pictures with --images DIR and their labels with --labels CSV");
  if (!pictures_list(&r->l->pictures, folder))
    return FAILED;
  for (size_t i = 0; i < r->l->pictures.n; i++)
    keys_number(&r->pictures, r->l->pictures.list[i].key); /* picture i is number i: keys are distinct, or wrong */
  r->listed = need(r->l->pictures.n, sizeof *r->listed);
  r->parts = need(r->l->pictures.n, sizeof *r->parts);
  csv *c = csv_open(path);
  if (!c)
    return FAILED;
  int code = read_lines(r, c);
  csv_close(c);
  return code;
}

/* -- labels */

static char *keep_string(labelled *l, const char *string) {
  l->strings = need_more(l->strings, l->n_strings + 1, sizeof *l->strings);
  return l->strings[l->n_strings++] = need_copy(string);
}

static void add_label(labelled *l, const char *field, const char *value, bool exclusive) {
  l->labels = need_more(l->labels, l->n_labels + 1, sizeof *l->labels);
  l->labels[l->n_labels++] = (recsys_label){.field = field, .value = value, .exclusive = exclusive};
}

static int by_string(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Cells stand by picture: those of one picture and field that name different values. */
static bool has_several(const reading *r, size_t field) {
  for (size_t i = 0; i < r->n_cells; i++)
    for (size_t k = i + 1; k < r->n_cells && r->cells[k].picture == r->cells[i].picture; k++)
      if (r->cells[i].field == field && r->cells[k].field == field && r->cells[i].value != r->cells[k].value)
        return true;
  return false;
}

static bool stands_in(const char *name, char *const *list, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!strcmp(name, list[i]))
      return true;
  return false;
}

static void choose_labels(reading *r, size_t field, uint64_t least, bool exclusive) {
  const keys *values = &r->values[field];
  uint64_t *counts = need(values->n, sizeof *counts);
  const char **kept = need(values->n, sizeof *kept);
  size_t n = 0;
  for (size_t i = 0; i < r->n_cells; i++)
    if (r->cells[i].field == field)
      counts[r->cells[i].value]++;
  for (size_t v = 0; v < values->n; v++)
    if (counts[v] >= least)
      kept[n++] = values->strings[v];
  qsort(kept, n, sizeof *kept, by_string);
  if (n < values->n)
    say("%s: %zu of %zu labels have fewer than %llu pictures and are left out", r->fields[field], values->n - n,
        values->n, (unsigned long long)least);
  const char *name = n > 0 ? keep_string(r->l, r->fields[field]) : NULL;
  for (size_t i = 0; i < n; i++)
    add_label(r->l, name, keep_string(r->l, kept[i]), exclusive && n > 1);
  free(counts);
  free(kept);
}

/* -- the matrix */

static void gather_pictures(reading *r) {
  labelled *l = r->l;
  l->of = need(l->pictures.n, sizeof *l->of);
  l->images = need(l->pictures.n, sizeof *l->images);
  l->parts = need(l->pictures.n, sizeof *l->parts);
  for (size_t i = 0; i < l->pictures.n; i++) {
    const picture *p = &l->pictures.list[i];
    if (p->wrong)
      say("%s: %s", p->path, p->wrong);
    else if (!r->listed[i])
      l->unlabelled++;
    else {
      l->of[l->n] = i;
      l->parts[l->n] = r->parts[i];
      l->images[l->n++] = (recsys_image){.kind = RECSYS_IMAGE_FILE, .path = p->path};
    }
  }
}

static size_t find_label(const labelled *l, const char *field, const char *value) {
  for (size_t c = 0; c < l->n_labels; c++)
    if (!strcmp(l->labels[c].field, field) && !strcmp(l->labels[c].value, value))
      return c;
  return l->n_labels;
}

static void fill_matrix(reading *r) {
  labelled *l = r->l;
  size_t *row = need(l->pictures.n, sizeof *row), **labels = need(r->n_fields, sizeof *labels);
  l->matrix = need(l->n, l->n_labels);
  memset(l->matrix, RECSYS_LABEL_UNKNOWN, l->n * l->n_labels);
  for (size_t i = 0; i < l->pictures.n; i++)
    row[i] = l->n;
  for (size_t i = 0; i < l->n; i++)
    row[l->of[i]] = i;
  for (size_t f = 0; f < r->n_fields; f++) {
    labels[f] = need(r->values[f].n, sizeof *labels[f]);
    for (size_t v = 0; v < r->values[f].n; v++)
      labels[f][v] = find_label(l, r->fields[f], r->values[f].strings[v]);
  }
  for (size_t i = 0; i < r->n_cells; i++) {
    const cell *c = &r->cells[i];
    int8_t *known = l->matrix + row[c->picture] * l->n_labels;
    if (row[c->picture] == l->n)
      continue;
    for (size_t k = 0; k < l->n_labels; k++)
      if (known[k] == RECSYS_LABEL_UNKNOWN && !strcmp(l->labels[k].field, r->fields[c->field]))
        known[k] = RECSYS_LABEL_ABSENT;
    if (labels[c->field][c->value] < l->n_labels)
      known[labels[c->field][c->value]] = RECSYS_LABEL_PRESENT;
  }
  for (size_t f = 0; f < r->n_fields; f++)
    free(labels[f]);
  free(labels);
  free(row);
}

static int finish(reading *r, int code) {
  if (!code && !r->l->n) {
    say("%s: no picture of the folder has a line in %s", args_get(r->a, "images", ""), args_get(r->a, "labels", ""));
    code = FAILED;
  }
  for (size_t f = 0; f < r->n_fields; f++)
    keys_free(&r->values[f]);
  keys_free(&r->pictures);
  free(r->values);
  free(r->columns);
  free(r->cells);
  free(r->listed);
  free(r->parts);
  if (!args_has(r->a, "part-column")) {
    free(r->l->parts);
    r->l->parts = NULL;
  }
  return code;
}

int labelled_read(labelled *l, const args *a, char *const *fields, size_t n_fields, uint64_t least,
                  char *const *multiple, size_t n_multiple) {
  reading r = {.a = a, .l = l, .fields = fields, .n_fields = n_fields, .values = need(n_fields, sizeof *r.values)};
  *l = (labelled){0};
  int code = read_file(&r);
  for (size_t f = 0; !code && f < n_fields; f++)
    choose_labels(&r, f, least, !stands_in(fields[f], multiple, n_multiple) && !has_several(&r, f));
  if (!code) {
    gather_pictures(&r);
    fill_matrix(&r);
  }
  return finish(&r, code);
}

int labelled_read_for(labelled *l, const args *a, recsys_model *model, uint64_t classes) {
  char field[256], value[256], **fields = NULL;
  size_t n_fields = 0;
  uint32_t exclusive;
  recsys_error error = {0};
  *l = (labelled){0};
  for (uint64_t c = 0; c < classes; c++) {
    if (recsys_model_get_class_field(model, c, field, sizeof field, NULL, &exclusive, &error) ||
        recsys_model_get_class_name(model, c, value, sizeof value, NULL, &error)) {
      free(fields);
      return say_error(&error);
    }
    if (!n_fields || strcmp(fields[n_fields - 1], field) != 0) {
      fields = need_more(fields, n_fields + 1, sizeof *fields);
      fields[n_fields++] = keep_string(l, field);
    }
    add_label(l, fields[n_fields - 1], keep_string(l, value), exclusive != 0);
  }
  reading r = {.a = a, .l = l, .fields = fields, .n_fields = n_fields, .values = need(n_fields, sizeof *r.values)};
  int code = read_file(&r);
  if (!code) {
    gather_pictures(&r);
    fill_matrix(&r);
  }
  code = finish(&r, code);
  free(fields);
  return code;
}

void labelled_free(labelled *l) {
  for (size_t i = 0; i < l->n_strings; i++)
    free(l->strings[i]);
  free(l->strings);
  free(l->labels);
  free(l->matrix);
  free(l->parts);
  free(l->images);
  free(l->of);
  pictures_free(&l->pictures);
  *l = (labelled){0};
}
