/* Tables for terminals: columns are aligned by display width, and cut to the terminal's width when there is one. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct table table;

/* headings: names of the columns. Columns in `right` (a string of their digits, "02") are aligned to the right. */
table *table_new(const char *const *headings, size_t columns, const char *right);
/* The next cell of the present row; a new row begins by itself. The text is copied. */
void table_cell(table *t, const char *string);
void table_print(table *t);
void table_free(table *t);

/* A copy in which control characters and bytes that are not UTF-8 are shown as '?', so that a key cannot drive the
 * terminal. */
char *table_clean(const char *string);
/* Columns that the text takes on a terminal. */
size_t table_width(const char *string);

#endif
