/*
 * Lists as one page that needs no other file: pictures are data URIs, styles stand in the page, there is no script.
 * Sections can be added later: they go before the mark that ends the page's content.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "lists.h"
#include "page.h"

enum { MAX_PICTURE = 8 << 20, MAX_PAGE = 1 << 30 };

static const char end_mark[] = "<!-- recsys: more lists go here -->";

/* RFC 4648, section 4. */
static void put_base64(textbuf *page, const unsigned char *bytes, size_t n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < n; i += 3) {
    size_t left = n - i;
    unsigned triple =
        (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    char four[4] = {digits[triple >> 18], digits[triple >> 12 & 63], left > 1 ? digits[triple >> 6 & 63] : '=',
                    left > 2 ? digits[triple & 63] : '='};
    text_add(page, four, 4);
  }
}

/* The picture's type by its content; NULL: neither JPEG nor PNG. */
static const char *media_type(const char *bytes, size_t n) {
  if (n >= 3 && !memcmp(bytes, "\xFF\xD8\xFF", 3))
    return "image/jpeg";
  if (n >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1A\n", 8))
    return "image/png";
  return NULL;
}

static void put_picture(textbuf *page, const shown_item *item) {
  size_t size = 0;
  char *bytes = item->picture ? read_whole_file(item->picture, MAX_PICTURE, &size) : NULL;
  const char *type = bytes ? media_type(bytes, size) : NULL;
  if (type) {
    text_printf(page, "<img loading=\"lazy\" alt=\"");
    page_escaped(page, item->title ? item->title : item->key);
    text_printf(page, "\" src=\"data:%s;base64,", type);
    put_base64(page, (const unsigned char *)bytes, size);
    text_puts(page, "\">");
  } else {
    text_puts(page, "<div class=\"none\">no picture</div>");
  }
  free(bytes);
}

static void put_reasons(textbuf *page, const shown_entry *entry) {
  if (!entry->n_reasons)
    return;
  text_puts(page, "<p class=\"why\">because of ");
  for (size_t i = 0; i < entry->n_reasons; i++) {
    const shown_reason *reason = &entry->reasons[i];
    text_puts(page, i ? "; " : "");
    page_escaped(page, reason->item.title ? reason->item.title : reason->item.key);
    if (reason->seen)
      text_puts(page, " (seen)");
    else if (reason->similarity != 0)
      text_printf(page, " (%.*f alike, rated %g)", lists_reason_digits(reason), reason->similarity, reason->rating);
    else
      text_printf(page, " (rated %g)", reason->rating);
    if (reason->shared) {
      text_puts(page, ": both ");
      page_escaped(page, reason->shared);
    }
  }
  text_puts(page, "</p>");
}

/* One card. rank 0: it stands in a history, and its number is a rating. */
static void put_card(textbuf *page, const shown_entry *entry, size_t rank, const char *measure, int digits) {
  text_puts(page, "<li>");
  put_picture(page, &entry->item);
  text_puts(page, "<div class=\"words\"><div class=\"name\">");
  if (rank)
    text_printf(page, "%zu. ", rank);
  page_escaped(page, entry->item.title ? entry->item.title : entry->item.key);
  text_puts(page, "</div><div class=\"quiet\">");
  if (entry->item.title)
    page_escaped(page, entry->item.key);
  if (rank)
    text_printf(page, "</div><div class=\"score\">%s %.*f</div>", measure, digits, entry->value);
  else
    text_printf(page, "</div><div class=\"score\">rated %g</div>", entry->value);
  put_reasons(page, entry);
  text_puts(page, "</div></li>\n");
}

static void put_history(textbuf *page, const list *l) {
  if (!l->n_history)
    return;
  text_puts(page, l->n_history < l->n_rated ? "<h3>Rated best</h3>\n<ul>\n" : "<h3>Rated</h3>\n<ul>\n");
  for (size_t i = 0; i < l->n_history; i++)
    put_card(page, &l->history[i], 0, "", 0);
  text_puts(page, "</ul>\n<h3>The list</h3>\n");
}

static void put_subject(textbuf *page, const list *l) {
  if (l->kind != LIST_SIMILAR && l->kind != LIST_PICTURE)
    return;
  text_puts(page, "<ul class=\"subject\"><li>");
  put_picture(page, &l->subject);
  text_puts(page, "</li></ul>\n<h3>The list</h3>\n");
}

static void put_section(textbuf *page, const report *r, const list *l) {
  char *heading = lists_heading(r, l);
  text_puts(page, "<section>\n<h2>");
  page_escaped(page, heading);
  text_puts(page, "</h2>\n");
  put_subject(page, l);
  put_history(page, l);
  text_puts(page, "<ol>\n");
  for (size_t i = 0; i < l->n_entries; i++)
    put_card(page, &l->entries[i], i + 1, r->measure, lists_digits(l));
  text_puts(page, "</ol>\n");
  if (lists_note(l)) {
    text_puts(page, "<p class=\"quiet\">");
    page_escaped(page, lists_note(l));
    text_puts(page, "</p>\n");
  }
  text_puts(page, "</section>\n");
  free(heading);
}

static void put_beginning(textbuf *page, const report *r, const char *title) {
  page_begin(page, title);
  text_printf(page, "<p class=\"quiet\">%llu items, %llu users, %llu ratings", (unsigned long long)r->facts->info.items,
              (unsigned long long)r->facts->info.users, (unsigned long long)r->facts->info.ratings);
  if (r->facts->model) {
    text_puts(page, "; pictures seen by ");
    page_escaped(page, r->facts->model);
  }
  text_puts(page, ".</p>\n");
  if (lists_warning(r))
    text_printf(page, "<p class=\"warn\" role=\"note\">%s</p>\n", lists_warning(r));
  text_puts(page, "</header>\n<main>\n");
}

/* What stands before the end mark of an existing page; false: no page of ours (said already). */
static bool put_existing(textbuf *page, const char *path, bool *exists) {
  size_t size = 0;
  char *bytes = read_whole_file(path, MAX_PAGE, &size), *mark = NULL, *next = bytes;
  *exists = bytes != NULL || errno != ENOENT;
  if (!*exists)
    return true;
  while (bytes && (next = strstr(next, end_mark)))
    mark = next++;
  if (mark)
    text_add(page, bytes, (size_t)(mark - bytes));
  else
    say("%s: %s", path, bytes ? "this is no page that recsys wrote; use --html to replace it" : strerror(errno));
  free(bytes);
  return mark != NULL;
}

int html_write(const report *r, const char *path, bool add, const char *title) {
  textbuf page = {0};
  bool exists = false;
  if (add && !put_existing(&page, path, &exists)) {
    free(page.bytes);
    return FAILED;
  }
  if (!exists)
    put_beginning(&page, r, title ? title : "Ranked lists");
  for (size_t i = 0; i < r->n_lists; i++)
    put_section(&page, r, &r->lists[i]);
  text_printf(&page,
              "%s\n</main>\n<footer class=\"quiet\">Made by recsys, from pictures and ratings.</footer>\n"
              "</body>\n</html>\n",
              end_mark);
  int code = page_write(path, &page);
  free(page.bytes);
  return code;
}
