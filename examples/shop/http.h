/* Requests and answers over libmicrohttpd. A page's function reads a request and fills in its answer. */
#ifndef HTTP_H
#define HTTP_H

#include <microhttpd.h>

#include "html.h"
#include "shop.h"

enum { HTTP_PARTS = 32, HTTP_TOKEN = 32 };

/* A field of a form, or a file. */
typedef struct part {
  char *name, *value; /* value: `size` bytes and a NUL */
  size_t size;
} part;

typedef struct request {
  shop *shop;
  sqlite3 *db;
  struct MHD_Connection *connection;
  const char *path;
  int64_t id;       /* the number at the path's end, where the route has one */
  const char *rest; /* the text there */
  bool post, upload;

  /* The body while it arrives. */
  struct MHD_PostProcessor *processor;
  part parts[HTTP_PARTS];
  size_t n_parts, received, limit;
  unsigned refused; /* the status when the body cannot be taken */

  /* Who asks (shoppers.c). */
  uint8_t token[HTTP_TOKEN];
  bool known;      /* the cookie was sent back: it is a browser that keeps a session */
  bool new_cookie; /* the answer sets one */
  int64_t shopper; /* 0: nobody who has done anything yet */
  char email[256]; /* empty: a guest */
  bool seller;

  /* The answer: a page, or where to go, or a file. */
  html page;
  unsigned status;
  char location[512];
  int file; /* -1: none */
  const char *type;
  bool keep; /* may be kept by the browser for a day */
} request;

typedef void (*page_fn)(request *r);

typedef struct route {
  const char *method, *path; /* a path that ends with # takes a number there, one with * any text */
  page_fn page;
  bool upload; /* a picture may be in it */
} route;

/* routes.c; NULL: there is none for this path. *wrong_method: there is one, for another method. */
const route *find_route(const char *method, const char *path, bool *wrong_method);

/* The server; NULL: it cannot be started (said on stderr). */
struct MHD_Daemon *http_start(shop *s);

/* A value of the query or of the form; "" where it is missing. */
const char *asked(request *r, const char *name);
const char *field(request *r, const char *name);
/* In characters. */
size_t text_length(const char *text);
/* The picture of the form; NULL: none was chosen. */
const part *sent_picture(const request *r);
/* A number in low..high; `otherwise` when it is anything else. */
int64_t number_of(const char *text, int64_t low, int64_t high, int64_t otherwise);

/* 303: the browser gets that page next. */
__attribute__((format(printf, 2, 3))) void go_to(request *r, const char *format, ...);
/* A page that says what went wrong and what would mend it. */
void refuse(request *r, unsigned status, const char *sentence);

#endif
