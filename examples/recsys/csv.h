/*
 * CSV files per RFC 4180 with a header line: UTF-8 with or without a byte order mark, quoted fields with commas, quotes
 * and line breaks, lines that end in LF, CRLF or CR. Columns are found by name. Any file that can be read from start to
 * end will do, also a pipe or "-" for standard input.
 */
#ifndef CSV_H
#define CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct csv csv;

typedef enum csv_status {
  CSV_RECORD, /* fields are there */
  CSV_END,
  CSV_BAD,   /* this line is no record: csv_message says why; the next call goes on after it */
  CSV_BROKEN /* the file cannot be read on: csv_message says why */
} csv_status;

/* Opens a file and reads its header line; NULL: said already. */
csv *csv_open(const char *path);
void csv_close(csv *c);

size_t csv_columns(const csv *c);
const char *csv_column_name(const csv *c, size_t column);
/* The index of the first of the names that is a column (case does not matter); -1: none of them. NULL ends the list. */
int csv_column(const csv *c, const char *const *names);

/* The next record. Its fields live until the next call. Empty lines are passed over. */
csv_status csv_next(csv *c);
const char *csv_field(const csv *c, size_t column);
/* The number of the line on which the record begins, from 1. */
uint64_t csv_line(const csv *c);
const char *csv_message(const csv *c);
/* Bytes consumed and the file's size (0: not known), for progress. */
uint64_t csv_position(const csv *c);
uint64_t csv_size(const csv *c);

/* Says what is wrong with the present line: "FILE, line 7: ...". */
__attribute__((format(printf, 2, 3))) void csv_complain(const csv *c, const char *format, ...);

#endif
