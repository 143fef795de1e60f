/* Pages as growing text. Whatever is not written in the source is escaped. */
#ifndef HTML_H
#define HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct html {
  char *bytes;
  size_t length, capacity;
  bool failed; /* there was no memory: the page is not whole */
} html;

/* As printf, for %s, %d, %zu, %PRId64, %.Nf and %%: the format is markup, and every %s is escaped text. */
__attribute__((format(printf, 2, 3))) void html_add(html *page, const char *format, ...);
/* The same without escaping, for text that is no HTML (mails, addresses with their own escaping). */
void html_bytes(html *page, const char *bytes, size_t n);
/* For the query part of an address: RFC 3986, everything that is not unreserved as %XX. */
void html_query(html *page, const char *text);
void html_free(html *page);

/* 1299 -> "12.99" */
const char *money(int64_t cents, char buffer[32]);
/* "Tuesday, 1 December 2026", of Unix time. */
const char *day(int64_t time, char buffer[64]);

#endif
