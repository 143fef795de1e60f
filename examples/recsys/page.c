/* What all pages share: the head with its style, escaping, and writing a file whole or not at all. */
#include "page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    ".subject{max-width:11rem}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid var(--line)}\n"
    "th:first-child,td:first-child,th.text,td.text{text-align:left;overflow-wrap:anywhere}\n"
    "tr.mean td{font-weight:600}\n"
    "svg{max-width:100%;height:auto;background:var(--card);border:1px solid var(--line);border-radius:.6rem}\n"
    "svg text{fill:var(--ink);font-size:12px}svg .axis{stroke:var(--quiet)}svg .grid{stroke:var(--line)}\n";

void page_escaped(textbuf *page, const char *string) {
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

void page_begin(textbuf *page, const char *title) {
  text_puts(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
  page_escaped(page, title);
  text_printf(page, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>", style);
  page_escaped(page, title);
  text_puts(page, "</h1>\n");
}

int page_write(const char *path, const textbuf *page) {
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
