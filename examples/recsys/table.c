/* Tables for terminals. */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "command.h"

enum { GAP = 2, LEAST = 8 };

struct table {
  size_t columns, n; /* n: cells, the headings among them */
  const char *right;
  char **cells;
};

/* One character: its bytes (0 at the end), its columns; what cannot be shown has -1 columns and one byte. */
static size_t character(const char *string, int *columns) {
  wchar_t wide = 0;
  mbstate_t state = {0};
  size_t n = mbrtowc(&wide, string, MB_CUR_MAX, &state);
  bool bad = n == (size_t)-1 || n == (size_t)-2;
  *columns = bad ? -1 : wcwidth(wide);
  return bad ? 1 : n;
}

size_t table_width(const char *string) {
  size_t width = 0, n;
  int columns;
  for (; (n = character(string, &columns)); string += n)
    width += columns < 0 ? 1 : (size_t)columns;
  return width;
}

char *table_clean(const char *string) {
  textbuf clean = {0};
  size_t n;
  int columns;
  text_add(&clean, "", 0);
  for (; (n = character(string, &columns)); string += n) {
    if (columns < 0)
      text_puts(&clean, "?");
    else
      text_add(&clean, string, n);
  }
  return clean.bytes;
}

table *table_new(const char *const *headings, size_t columns, const char *right) {
  table *t = need(1, sizeof *t);
  *t = (table){.columns = columns, .right = right};
  for (size_t i = 0; i < columns; i++)
    table_cell(t, headings[i]);
  return t;
}

void table_cell(table *t, const char *string) {
  t->cells = need_more(t->cells, t->n + 1, sizeof *t->cells);
  t->cells[t->n++] = table_clean(string ? string : "");
}

void table_free(table *t) {
  for (size_t i = 0; t && i < t->n; i++)
    free(t->cells[i]);
  if (t)
    free(t->cells);
  free(t);
}

/* The columns of the terminal; 0: the output is none. */
static size_t terminal_width(void) {
  struct winsize size = {0};
  if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
    return 0;
  return size.ws_col;
}

/* Takes from the widest column until the table fits. */
static void fit(size_t *widths, size_t n, size_t available) {
  for (;;) {
    size_t all = GAP * (n - 1), widest = 0;
    for (size_t i = 0; i < n; i++) {
      all += widths[i];
      widest = widths[i] > widths[widest] ? i : widest;
    }
    if (all <= available || widths[widest] <= LEAST)
      return;
    widths[widest]--;
  }
}

/* Prints at most `width` columns of a text, with an ellipsis when it is cut; returns the columns printed. */
static size_t print_cut(const char *string, size_t width) {
  bool cut = table_width(string) > width;
  size_t used = 0, n;
  int columns;
  for (; (n = character(string, &columns)) && used + (size_t)columns + cut <= width; string += n) {
    fwrite(string, 1, n, stdout);
    used += (size_t)columns;
  }
  if (cut)
    fputs("…", stdout);
  return used + cut;
}

static void spaces(size_t n) {
  printf("%*s", (int)n, "");
}

static void print_row(const table *t, char *const *cells, const size_t *widths) {
  for (size_t i = 0; i < t->columns; i++) {
    size_t width = table_width(cells[i]);
    size_t missing = width < widths[i] ? widths[i] - width : 0;
    bool right = strchr(t->right, (int)('0' + i)) != NULL;
    if (i)
      spaces(GAP);
    if (right)
      spaces(missing);
    size_t used = print_cut(cells[i], widths[i]);
    if (!right && i + 1 < t->columns)
      spaces(widths[i] - used);
  }
  putchar('\n');
}

void table_print(table *t) {
  size_t *widths = need(t->columns, sizeof *widths), available = terminal_width();
  while (t->n % t->columns)
    table_cell(t, "");
  for (size_t i = 0; i < t->n; i++) {
    size_t width = table_width(t->cells[i]), column = i % t->columns;
    widths[column] = width > widths[column] ? width : widths[column];
  }
  if (available)
    fit(widths, t->columns, available);
  for (size_t row = 0; row < t->n; row += t->columns)
    print_row(t, t->cells + row, widths);
  free(widths);
}
