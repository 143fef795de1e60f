/* Ranked lists: gathering what is shown, and the tables. */
#include "lists.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "items.h"
#include "table.h"

const args_option lists_options[] = {
    {"k", "N", "entries in a list (default 10)", "-k 20"},
    {"ids", NULL, "items and users are the library's whole numbers, not keys", "--ids"},
    {"title-field", "FIELD", "the text field that is shown as an item's title (default title, else name)",
     "--title-field productDisplayName"},
    {"json", NULL, "print one JSON object (docs/formats-json.md) instead of tables", "--json"},
    {"html", "FILE", "also write a page that shows the lists as pictures; it needs no other file", "--html lists.html"},
    {"html-add", "FILE", "add the lists to a page that --html wrote; write it if it is not there",
     "--html-add lists.html"},
    {"html-title", "TEXT", "the heading of a new page", "--html-title \"Autumn catalogue\""},
    {0},
};

shown_item lists_item(recsys_store *store, const args *a, int64_t id) {
  return (shown_item){.id = id,
                      .key = items_key(store, RECSYS_ITEMS, id),
                      .title = items_title(store, id, a),
                      .picture = items_text(store, id, "image")};
}

list *lists_add(report *r, recsys_store *store, const args *a, list_kind kind, const int64_t *ids, const double *scores,
                size_t n) {
  r->lists = need_more(r->lists, r->n_lists + 1, sizeof *r->lists);
  list *l = &r->lists[r->n_lists++];
  *l = (list){.kind = kind, .subject = {.id = -1}, .entries = need(n, sizeof *l->entries), .n_entries = n};
  for (size_t i = 0; i < n; i++)
    l->entries[i] = (shown_entry){.item = lists_item(store, a, ids[i]), .value = scores[i]};
  return l;
}

static void free_item(shown_item *item) {
  free(item->key);
  free(item->title);
  free(item->picture);
}

static void free_entries(shown_entry *entries, size_t n) {
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < entries[i].n_reasons; j++) {
      free_item(&entries[i].reasons[j].item);
      free(entries[i].reasons[j].shared);
    }
    free(entries[i].reasons);
    free_item(&entries[i].item);
  }
  free(entries);
}

void lists_free(report *r) {
  for (size_t i = 0; i < r->n_lists; i++) {
    free_item(&r->lists[i].subject);
    free_entries(r->lists[i].entries, r->lists[i].n_entries);
    free_entries(r->lists[i].history, r->lists[i].n_history);
  }
  free(r->lists);
  *r = (report){0};
}

char *lists_name(const shown_item *item) {
  return item->title ? need_text("%s (%s)", item->title, item->key) : need_copy(item->key);
}

char *lists_heading(const report *r, const list *l) {
  char *name = l->kind == LIST_GUEST ? NULL : lists_name(&l->subject);
  char *heading = NULL;
  if (l->kind == LIST_SIMILAR || l->kind == LIST_PICTURE)
    heading = need_text("Most like %s", name);
  else if (l->kind == LIST_USER && l->n_events)
    heading = need_text("For %s, who rated %zu item%s, with %zu event%s", name, l->n_rated, l->n_rated == 1 ? "" : "s",
                        l->n_events, l->n_events == 1 ? "" : "s");
  else if (l->kind == LIST_USER)
    heading = need_text("For %s, who rated %zu item%s", name, l->n_rated, l->n_rated == 1 ? "" : "s");
  else
    heading = need_text("For a guest with %zu item%s in the history", l->n_rated, l->n_rated == 1 ? "" : "s");
  if (r->ranker) {
    char *whole = need_text("%s (ranker %s)", heading, r->ranker);
    free(heading);
    heading = whole;
  }
  free(name);
  return heading;
}

const char *lists_note(const list *l) {
  if (l->status == RECSYS_NOTE_FALLBACK_POPULAR)
    return "Where nothing personal could be said (score 0), popular items stand instead.";
  if (l->status == RECSYS_NOTE_SHORT)
    return "Fewer items pass the conditions than were asked for.";
  if (l->status < 0)
    return "This item has no embedding, so nothing is known about its looks.";
  return l->n_entries ? NULL : "No item passes the conditions.";
}

const char *lists_warning(const report *r) {
  if (!r->facts->untrained)
    return NULL;
  return "The embeddings come from an UNTRAINED network (random weights): it tells colour and coarse pattern apart, "
         "and "
         "nothing more. Give pretrained weights with --model for lists by looks.";
}

const char *lists_source(const shown_entry *entry) {
  static const char *const names[] = {NULL, "ratings", "features", "popular"};
  return entry->source < sizeof names / sizeof *names ? names[entry->source] : NULL;
}

int lists_digits(const list *l) {
  double least = INFINITY, most = -INFINITY;
  int digits = 3;
  for (size_t i = 0; i < l->n_entries; i++) {
    least = fmin(least, l->entries[i].value);
    most = fmax(most, l->entries[i].value);
  }
  while (digits < 6 && most > least && (most - least) * pow(10, digits) < 2 * (double)l->n_entries)
    digits++;
  return digits;
}

int lists_reason_digits(const shown_reason *reason) {
  return reason->similarity > 0.98 ? 4 : 2;
}

static char *reasons_line(const shown_entry *entry) {
  textbuf line = {0};
  text_puts(&line, "");
  for (size_t i = 0; i < entry->n_reasons; i++) {
    const shown_reason *reason = &entry->reasons[i];
    text_printf(&line, "%s%s (", i ? "; " : "", reason->item.title ? reason->item.title : reason->item.key);
    if (reason->similarity != 0)
      text_printf(&line, "%.*f alike, ", lists_reason_digits(reason), reason->similarity);
    if (reason->seen)
      text_puts(&line, "seen");
    else
      text_printf(&line, "rated %g", reason->rating);
    text_printf(&line, "%s%s)", reason->shared ? ", both " : "", reason->shared ? reason->shared : "");
  }
  return line.bytes;
}

static void add_row(table *t, size_t rank, const shown_entry *entry, int digits, bool titles, bool sources,
                    bool reasons) {
  char number[32], score[32];
  snprintf(number, sizeof number, "%zu", rank);
  snprintf(score, sizeof score, "%.*f", digits, entry->value);
  table_cell(t, number);
  table_cell(t, score);
  table_cell(t, entry->item.key);
  if (titles)
    table_cell(t, entry->item.title);
  if (sources)
    table_cell(t, lists_source(entry));
  if (reasons) {
    char *line = reasons_line(entry);
    table_cell(t, line);
    free(line);
  }
}

static void print_list(const report *r, const list *l) {
  char *heading = lists_heading(r, l), *clean = table_clean(heading);
  bool titles = false, reasons = false, sources = false;
  const char *headings[6] = {"#", r->measure, "item"};
  size_t columns = 3;
  for (size_t i = 0; i < l->n_entries; i++) {
    titles |= l->entries[i].item.title != NULL;
    reasons |= l->entries[i].n_reasons > 0;
    sources |= l->entries[i].source != l->entries[0].source; /* all alike need no column */
  }
  if (titles)
    headings[columns++] = "title";
  if (sources)
    headings[columns++] = "by";
  if (reasons)
    headings[columns++] = "because of";
  printf("%s\n", clean);
  table *t = table_new(headings, columns, "01");
  for (size_t i = 0; i < l->n_entries; i++)
    add_row(t, i + 1, &l->entries[i], lists_digits(l), titles, sources, reasons);
  if (l->n_entries)
    table_print(t);
  if (lists_note(l))
    printf("%s\n", lists_note(l));
  table_free(t);
  free(clean);
  free(heading);
}

static void print_tables(const report *r) {
  for (size_t i = 0; i < r->n_lists; i++) {
    if (i)
      putchar('\n');
    print_list(r, &r->lists[i]);
  }
  if (lists_warning(r))
    printf("\n%s\n", lists_warning(r));
}

int lists_show(const report *r, const args *a) {
  const char *page = args_get(a, "html", NULL), *more = args_get(a, "html-add", NULL);
  if (args_has(a, "json"))
    json_print_report(r);
  else
    print_tables(r);
  if (page || more)
    return html_write(r, page ? page : more, !page, args_get(a, "html-title", NULL));
  return DONE;
}
