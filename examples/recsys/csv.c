/*
 * The CSV reader. A record is first delimited in a buffer, then cut into fields in place. When a record is bad, for
 * example because a quote is never closed, reading goes on at the line after the one on which it began.
 */
#include "csv.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

enum { MAX_RECORD = 1 << 20, MAX_FIELDS = 4096, BLOCK = 1 << 16 };

struct csv {
  char *path;
  int file;
  bool at_end;
  int reason; /* why reading failed; 0: it did not */
  char *buffer;
  size_t begin, end, capacity; /* what is not consumed lies in begin..end */
  uint64_t consumed, size;
  uint64_t line;      /* of the present record */
  uint64_t next_line; /* of the byte at begin */
  char *record;       /* the present record, cut into fields */
  size_t record_capacity;
  const char **fields;
  size_t n_fields;
  char **names;
  size_t n_names;
  char message[200];
};

__attribute__((format(printf, 3, 4))) static csv_status fail(csv *c, csv_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->message, sizeof c->message, format, arguments);
  va_end(arguments);
  return status;
}

/* Reads on; false at the end of the file, and on errors (reason says which). */
static bool fill(csv *c) {
  if (c->begin) {
    memmove(c->buffer, c->buffer + c->begin, c->end - c->begin);
    c->end -= c->begin;
    c->begin = 0;
  }
  if (c->capacity - c->end < BLOCK) {
    c->capacity += BLOCK + c->capacity;
    c->buffer = need_more(c->buffer, c->capacity, 1);
  }
  ssize_t n;
  do {
    n = read(c->file, c->buffer + c->end, BLOCK);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) {
    c->at_end = true;
    c->reason = n < 0 ? errno : 0;
    return false;
  }
  c->end += (size_t)n;
  return true;
}

/* Consumes n bytes and counts their lines. */
static void consume(csv *c, size_t n) {
  for (size_t i = 0; i < n; i++) {
    char byte = c->buffer[c->begin + i];
    bool is_crlf = byte == '\r' && i + 1 < n && c->buffer[c->begin + i + 1] == '\n';
    if ((byte == '\n' || byte == '\r') && !is_crlf)
      c->next_line++;
  }
  c->begin += n;
  c->consumed += n;
}

/* Where the line break at buffer offset `at` ends; needs one byte of look-ahead for CRLF. */
static size_t after_break(const csv *c, size_t at) {
  return at + 1 + (c->buffer[at] == '\r' && at + 1 < c->end && c->buffer[at + 1] == '\n');
}

/* Gives up on the present record: goes on after the first line break. */
static void skip_line(csv *c) {
  size_t at = c->begin;
  for (;;) {
    while (at < c->end && c->buffer[at] != '\n' && c->buffer[at] != '\r')
      at++;
    size_t length = at - c->begin;
    if (at + 1 < c->end || c->at_end || !fill(c)) {
      at = c->begin + length;
      consume(c, (at < c->end ? after_break(c, at) : c->end) - c->begin);
      return;
    }
    at = c->begin + length;
    if (length > MAX_RECORD) { /* one endless line: forget what was seen of it */
      consume(c, length);
      at = c->begin;
    }
  }
}

/* The byte at offset i of the record, -1 at the end of the file, -2 when the file cannot be read. */
static int byte_at(csv *c, size_t i) {
  while (c->begin + i >= c->end) {
    if (c->at_end || !fill(c))
      return c->reason ? -2 : -1;
  }
  return (unsigned char)c->buffer[c->begin + i];
}

static bool ends_field(int byte) {
  return byte == ',' || byte == '\n' || byte == '\r' || byte < 0;
}

/* Finds the end of the field at offset *i; says what is wrong with its quotes. */
static csv_status delimit_field(csv *c, size_t *i, size_t number) {
  bool quoted = byte_at(c, *i) == '"';
  for (*i += quoted;; ++*i) {
    int byte = byte_at(c, *i);
    if (*i >= MAX_RECORD)
      return fail(c, CSV_BAD,
                  quoted ? "a quote is opened and not closed within 1 MiB" : "the line is longer than 1 MiB");
    if (quoted && byte == -1)
      return fail(c, CSV_BAD, "a quote is opened and never closed");
    if (byte == -2 || (!quoted && ends_field(byte)))
      return CSV_RECORD;
    if (byte != '"')
      continue;
    if (quoted && byte_at(c, *i + 1) == '"') {
      ++*i;
    } else if (quoted && ends_field(byte_at(c, *i + 1))) {
      ++*i;
      return CSV_RECORD;
    } else {
      return fail(c, CSV_BAD, "a quote stands inside field %zu: a field with quotes is written \"like \"\"this\"\"\"",
                  number);
    }
  }
}

/* Finds the end of the record at begin: *length without, *whole with its line break. */
static csv_status delimit(csv *c, size_t *length, size_t *whole) {
  size_t i = 0, number = 1;
  for (;; i++) {
    csv_status status = delimit_field(c, &i, number++);
    if (status != CSV_RECORD)
      return status;
    int byte = byte_at(c, i);
    if (byte == ',')
      continue;
    if (byte == -2)
      return fail(c, CSV_BROKEN, "%s", strerror(c->reason));
    *length = i;
    *whole = i + (byte >= 0) + (byte == '\r' && byte_at(c, i + 1) == '\n');
    return CSV_RECORD;
  }
}

static csv_status check_bytes(csv *c, const char *record, size_t length) {
  size_t good = text_utf8_part(record, length);
  if (good == length)
    return CSV_RECORD;
  return fail(c, CSV_BAD,
              record[good] ? "the text is not UTF-8 (byte %zu of the line)" : "byte %zu of the line is zero", good + 1);
}

/* Unquotes the field at `at` in place; returns where the comma or NUL after it was. */
static char *cut_field(char *at) {
  if (*at != '"')
    return at + strcspn(at, ",");
  char *to = at;
  for (at++; !(at[0] == '"' && at[1] != '"'); at++) {
    at += *at == '"';
    *to++ = *at;
  }
  *to = '\0'; /* at the closing quote or before it */
  return at + 1;
}

static csv_status cut(csv *c) {
  char *at = c->record;
  c->n_fields = 0;
  for (;; at++) {
    if (c->n_fields == MAX_FIELDS)
      return fail(c, CSV_BAD, "there are more than %d fields", MAX_FIELDS);
    c->fields = need_more(c->fields, c->n_fields + 1, sizeof *c->fields);
    c->fields[c->n_fields++] = at;
    at = cut_field(at);
    if (!*at)
      return CSV_RECORD;
    *at = '\0';
  }
}

/* The next record, whatever its number of fields. */
static csv_status next_record(csv *c) {
  size_t length = 0, whole = 0;
  c->line = c->next_line;
  csv_status status = delimit(c, &length, &whole);
  if (status == CSV_RECORD && !whole)
    return CSV_END;
  if (status == CSV_RECORD)
    status = check_bytes(c, c->buffer + c->begin, length);
  if (status == CSV_RECORD) {
    if (c->record_capacity < length + 1)
      c->record = need_more(c->record, c->record_capacity = 2 * (length + 1), 1);
    memcpy(c->record, c->buffer + c->begin, length);
    c->record[length] = '\0';
    status = cut(c);
  }
  if (status == CSV_BAD)
    skip_line(c);
  else if (status == CSV_RECORD)
    consume(c, whole);
  return status;
}

csv_status csv_next(csv *c) {
  csv_status status;
  do {
    status = next_record(c);
  } while (status == CSV_RECORD && c->n_fields == 1 && !c->fields[0][0]);
  if (status == CSV_RECORD && c->n_fields != c->n_names)
    return fail(c, CSV_BAD, "there are %zu fields where the header line has %zu", c->n_fields, c->n_names);
  return status;
}

static void skip_byte_order_mark(csv *c) {
  while (c->end < 3 && fill(c))
    continue;
  if (c->end >= 3 && !memcmp(c->buffer, "\xEF\xBB\xBF", 3))
    consume(c, 3);
}

static char *trimmed(const char *name) {
  while (isspace((unsigned char)*name))
    name++;
  char *copy = need_copy(name);
  for (size_t n = strlen(copy); n && isspace((unsigned char)copy[n - 1]); n--)
    copy[n - 1] = '\0';
  return copy;
}

static bool read_header(csv *c) {
  skip_byte_order_mark(c);
  csv_status status = next_record(c);
  if (status == CSV_END || (status == CSV_RECORD && c->n_fields == 1 && !c->fields[0][0])) {
    say("%s: the first line must name the columns, but it is empty", c->path);
    return false;
  }
  if (status != CSV_RECORD) {
    csv_complain(c, "%s", c->message);
    return false;
  }
  c->names = need(c->n_fields, sizeof *c->names);
  for (; c->n_names < c->n_fields; c->n_names++)
    c->names[c->n_names] = trimmed(c->fields[c->n_names]);
  return true;
}

csv *csv_open(const char *path) {
  csv *c = need(1, sizeof *c);
  bool is_stdin = !strcmp(path, "-");
  struct stat status = {0};
  *c = (csv){.path = need_copy(is_stdin ? "standard input" : path), .line = 1, .next_line = 1};
  c->file = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
  if (c->file < 0 || fstat(c->file, &status)) {
    say("%s: %s", path, strerror(errno));
  } else if (S_ISDIR(status.st_mode)) {
    say("%s: this is a directory, not a CSV file", path);
  } else {
    c->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    if (read_header(c))
      return c;
  }
  csv_close(c);
  return NULL;
}

void csv_close(csv *c) {
  if (!c)
    return;
  if (c->file >= 0)
    close(c->file);
  for (size_t i = 0; i < c->n_names; i++)
    free(c->names[i]);
  free(c->names);
  free(c->fields);
  free(c->record);
  free(c->buffer);
  free(c->path);
  free(c);
}

size_t csv_columns(const csv *c) {
  return c->n_names;
}

const char *csv_column_name(const csv *c, size_t column) {
  return c->names[column];
}

int csv_column(const csv *c, const char *const *names) {
  for (; *names; names++) {
    for (size_t i = 0; i < c->n_names; i++) {
      if (!strcasecmp(c->names[i], *names))
        return (int)i;
    }
  }
  return -1;
}

const char *csv_field(const csv *c, size_t column) {
  return c->fields[column];
}

uint64_t csv_line(const csv *c) {
  return c->line;
}

const char *csv_message(const csv *c) {
  return c->message;
}

uint64_t csv_position(const csv *c) {
  return c->consumed;
}

uint64_t csv_size(const csv *c) {
  return c->size;
}

void csv_complain(const csv *c, const char *format, ...) {
  va_list arguments;
  char *message = NULL;
  va_start(arguments, format);
  int length = vasprintf(&message, format, arguments);
  va_end(arguments);
  say("%s, line %llu: %s", c->path, (unsigned long long)c->line, length < 0 ? "bad line" : message);
  free(message);
}
