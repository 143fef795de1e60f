/*
 * Lists as one page that needs no other file: pictures are data URIs, styles stand in the page, there is no script.
 * Sections can be added later: they go before the mark that ends the page's content.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "lists.h"

enum { MAX_PICTURE = 8 << 20, MAX_PAGE = 1 << 30 };

static const char end_mark[] = "<!-- recsys: more lists go here -->";

static const char style[] =
    ":root{color-scheme:light dark;--ground:#f6f5f2;--card:#fff;--ink:#1d1c1a;--quiet:#66635d;--line:#dedbd4;"
    "--accent:#7a3e12;--warn:#fff1cc;--warn-ink:#5a3d00}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#181715;--card:#23221f;--ink:#f0eee9;--quiet:#a9a59c;"
    "--line:#3a3833;--accent:#f0a868;--warn:#3d3210;--warn-ink:#ffe3a1}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.45 system-ui,sans-serif}\n"
    "header,main,footer{max-width:80rem;margin:0 auto;padding:1rem 1.25rem}\n"
    "h1{font-size:1.7rem;margin:.6rem 0 .2rem}\n"
    "h2{font-size:1.2rem;margin:0 0 .75rem}\n"
    "h3{font-size:.9rem;margin:1rem 0 .4rem;color:var(--quiet);font-weight:600}\n"
    "section{border-top:1px solid var(--line);padding:1.5rem 0}\n"
    ".warn{background:var(--warn);color:var(--warn-ink);padding:.75rem 1rem;border-radius:.5rem}\n"
    ".quiet{color:var(--quiet)}\n"
    "ol,ul{list-style:none;margin:0;padding:0;display:grid;gap:.75rem}\n"
    "ol{grid-template-columns:repeat(auto-fill,minmax(8.25rem,1fr))}\n"
    "ul{grid-template-columns:repeat(auto-fill,minmax(6.5rem,1fr));font-size:.8rem}\n"
    "li{background:var(--card);border:1px solid var(--line);border-radius:.6rem;overflow:hidden;display:flex;"
    "flex-direction:column}\n"
    "li img,li .none{width:100%;aspect-ratio:1;object-fit:contain;background:#fff;display:block}\n"
    ".none{display:grid!important;place-items:center;color:#66635d;font-size:.8rem}\n"
    ".words{padding:.5rem .65rem .65rem}\n"
    ".name{font-weight:600;overflow-wrap:anywhere}\n"
    ".score{color:var(--accent);font-variant-numeric:tabular-nums}\n"
    ".why{font-size:.8rem;color:var(--quiet);margin:.3rem 0 0;overflow-wrap:anywhere}\n"
    ".subject{max-width:11rem}\n";

static void put_escaped(textbuf *page, const char *string) {
  size_t n = text_utf8_part(string, strlen(string));
  for (size_t i = 0; i < n; i++) {
    switch (string[i]) {
    case '&':
      text_puts(page, "&amp;");
      break;
    case '<':
      text_puts(page, "&lt;");
      break;
    case '>':
      text_puts(page, "&gt;");
      break;
    case '"':
      text_puts(page, "&quot;");
      break;
    default:
      text_add(page, string + i, 1);
    }
  }
}

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
    put_escaped(page, item->title ? item->title : item->key);
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
    put_escaped(page, reason->item.title ? reason->item.title : reason->item.key);
    if (reason->seen)
      text_puts(page, " (seen)");
    else if (reason->similarity != 0)
      text_printf(page, " (%.*f alike, rated %g)", lists_reason_digits(reason), reason->similarity, reason->rating);
    else
      text_printf(page, " (rated %g)", reason->rating);
    if (reason->shared) {
      text_puts(page, ": both ");
      put_escaped(page, reason->shared);
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
  put_escaped(page, entry->item.title ? entry->item.title : entry->item.key);
  text_puts(page, "</div><div class=\"quiet\">");
  if (entry->item.title)
    put_escaped(page, entry->item.key);
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
  put_escaped(page, heading);
  text_puts(page, "</h2>\n");
  put_subject(page, l);
  put_history(page, l);
  text_puts(page, "<ol>\n");
  for (size_t i = 0; i < l->n_entries; i++)
    put_card(page, &l->entries[i], i + 1, r->measure, lists_digits(l));
  text_puts(page, "</ol>\n");
  if (lists_note(l)) {
    text_puts(page, "<p class=\"quiet\">");
    put_escaped(page, lists_note(l));
    text_puts(page, "</p>\n");
  }
  text_puts(page, "</section>\n");
  free(heading);
}

static void put_beginning(textbuf *page, const report *r, const char *title) {
  text_puts(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
  put_escaped(page, title);
  text_printf(page, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>", style);
  put_escaped(page, title);
  text_printf(page, "</h1>\n<p class=\"quiet\">%llu items, %llu users, %llu ratings",
              (unsigned long long)r->facts->info.items, (unsigned long long)r->facts->info.users,
              (unsigned long long)r->facts->info.ratings);
  if (r->facts->model) {
    text_puts(page, "; pictures seen by ");
    put_escaped(page, r->facts->model);
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

/* Through a temporary file and a rename, so that the page is the old one or the new one, whole. */
static int write_page(const char *path, const textbuf *page) {
  char *temporary = need_text("%s.%ld.tmp", path, (long)getpid());
  FILE *file = fopen(temporary, "wb");
  bool written = file && fwrite(page->bytes, 1, page->length, file) == page->length;
  if (file && fclose(file))
    written = false;
  if (!written || rename(temporary, path)) {
    say("%s: the page could not be written: %s", path, strerror(errno));
    written = false;
    if (file)
      unlink(temporary);
  }
  free(temporary);
  return written ? DONE : FAILED;
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
  int code = write_page(path, &page);
  free(page.bytes);
  return code;
}
