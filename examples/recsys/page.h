/* What all HTML pages share. A page needs no other file, and has no script. */
#ifndef PAGE_H
#define PAGE_H

#include "command.h"

/* From the doctype to the heading; the <header> is still open. */
void page_begin(textbuf *page, const char *title);
/* Text with &, <, > and " as entities, up to the first byte that is not UTF-8. */
void page_escaped(textbuf *page, const char *string);
/* Through a temporary file and a rename, so that the page is the old one or the new one, whole. */
int page_write(const char *path, const textbuf *page);

#endif
