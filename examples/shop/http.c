#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"
#include "pages.h"
#include "shoppers.h"

/* -- what was asked */

/* UTF-8 without control characters other than tabs and ends of lines (RFC 3629). */
static bool is_plain_text(const char *text) {
  for (const uint8_t *c = (const uint8_t *)text; *c; c++) {
    if ((*c < 0x20 && *c != '\t' && *c != '\n' && *c != '\r') || *c == 0x7f)
      return false;
    if (*c < 0x80)
      continue;
    int more = *c >= 0xf0 ? 3 : *c >= 0xe0 ? 2 : 1;
    uint32_t code = *c & (0x3fu >> more), least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
    if (*c < 0xc2 || *c > 0xf4)
      return false;
    for (; more > 0; more--) {
      if ((*++c & 0xc0) != 0x80)
        return false;
      code = code << 6 | (*c & 0x3fu);
    }
    if (code < least || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
      return false;
  }
  return true;
}

const char *asked(request *r, const char *name) {
  const char *value = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
  return value && strlen(value) <= SHOP_TEXT && is_plain_text(value) ? value : "";
}

const char *field(request *r, const char *name) {
  for (size_t i = 0; i < r->n_parts; i++)
    if (!strcmp(r->parts[i].name, name))
      return r->parts[i].value;
  return "";
}

size_t text_length(const char *text) {
  size_t n = 0;
  for (; *text; text++)
    n += ((uint8_t)*text & 0xc0) != 0x80;
  return n;
}

const part *sent_picture(const request *r) {
  for (size_t i = 0; i < r->n_parts; i++)
    if (!strcmp(r->parts[i].name, "picture") && r->parts[i].size > 0)
      return &r->parts[i];
  return NULL;
}

int64_t number_of(const char *text, int64_t low, int64_t high, int64_t otherwise) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  return end == text || *end || errno || value < low || value > high ? otherwise : value;
}

static bool grow(part *p, const char *bytes, size_t n) {
  char *more = realloc(p->value, p->size + n + 1);
  if (!more)
    return false;
  if (n > 0)
    memcpy(more + p->size, bytes, n);
  p->value = more;
  p->size += n;
  more[p->size] = 0;
  return true;
}

static enum MHD_Result take_part(void *context, enum MHD_ValueKind kind, const char *name, const char *file,
                                 const char *type, const char *encoding, const char *bytes, uint64_t offset, size_t n) {
  request *r = context;
  (void)kind, (void)file, (void)type, (void)encoding;
  part *last = r->n_parts > 0 ? &r->parts[r->n_parts - 1] : NULL;
  /* A part whose head came alone is announced again with its first bytes. */
  bool again = last && last->size == 0 && name && !strcmp(last->name, name);
  if (offset == 0 && !again) {
    if (r->n_parts == HTTP_PARTS || !name)
      return MHD_NO;
    part *p = &r->parts[r->n_parts];
    *p = (part){.name = strdup(name)};
    if (!p->name)
      return MHD_NO;
    r->n_parts++;
  }
  return r->n_parts > 0 && grow(&r->parts[r->n_parts - 1], bytes, n) ? MHD_YES : MHD_NO;
}

/* Text fields are short, and text; only the picture is neither. */
static bool fields_are_sound(const request *r) {
  for (size_t i = 0; i < r->n_parts; i++) {
    const part *p = &r->parts[i];
    bool picture = r->upload && !strcmp(p->name, "picture");
    if (!picture && (p->size > SHOP_TEXT || strlen(p->value) != p->size || !is_plain_text(p->value)))
      return false;
  }
  return true;
}

/* -- what is answered */

void go_to(request *r, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(r->location, sizeof r->location, format, values);
  va_end(values);
  r->status = MHD_HTTP_SEE_OTHER;
}

void refuse(request *r, unsigned status, const char *sentence) {
  r->page.length = 0;
  r->status = status;
  page_begin(r, status == MHD_HTTP_NOT_FOUND ? "Not here" : "That did not work");
  html_add(&r->page, "<p class=\"notice\" role=\"alert\">%s</p><p><a href=\"/\">To the shop's first page</a></p>",
           sentence);
  page_end(r);
}

static struct MHD_Response *make_response(request *r) {
  struct stat about;
  if (r->file >= 0 && fstat(r->file, &about) == 0)
    return MHD_create_response_from_fd((size_t)about.st_size, r->file);
  if (!r->page.bytes)
    return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  struct MHD_Response *response = MHD_create_response_from_buffer(r->page.length, r->page.bytes, MHD_RESPMEM_MUST_FREE);
  if (response)
    r->page = (html){0};
  return response;
}

static void set_cookie(request *r, struct MHD_Response *response) {
  char hex[2 * HTTP_TOKEN + 1], cookie[256];
  shopper_cookie(r, hex);
  snprintf(cookie, sizeof cookie, "session=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s", hex, SHOP_SESSION,
           r->shop->options.url && !strncmp(r->shop->options.url, "https:", 6) ? "; Secure" : "");
  MHD_add_response_header(response, "Set-Cookie", cookie);
}

static enum MHD_Result answer(request *r) {
  static const char *const headers[][2] = {
      {"Content-Security-Policy", "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
                                  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "same-origin"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
  };
  if (r->page.failed) {
    html_free(&r->page);
    r->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
  }
  struct MHD_Response *response = make_response(r);
  if (!response)
    return MHD_NO;
  r->file = -1; /* the response closes it */
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
    MHD_add_response_header(response, headers[i][0], headers[i][1]);
  MHD_add_response_header(response, "Content-Type", r->type ? r->type : "text/html; charset=utf-8");
  MHD_add_response_header(response, "Cache-Control", r->keep ? "public, max-age=86400" : "no-store");
  if (r->location[0])
    MHD_add_response_header(response, "Location", r->location);
  if (r->status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, "Allow", "GET, HEAD, POST");
  /* A POST of another site comes without the cookie: the visitor keeps the one that there is. */
  if (r->new_cookie && !r->keep && !(r->post && !r->known))
    set_cookie(r, response);
  enum MHD_Result result = MHD_queue_response(r->connection, r->status, response);
  MHD_destroy_response(response);
  return result;
}

/* -- one request */

static void run_page(request *r, const route *found) {
  shopper_recognise(r);
  if (r->refused)
    refuse(r, r->refused,
           r->refused == MHD_HTTP_CONTENT_TOO_LARGE
               ? "That was too much for one request. A picture may have 8 MB: please send a smaller one."
               : "The form could not be read. Please go back, load the page again and send it once more.");
  else if (r->post && !shopper_sent_this(r))
    refuse(r, MHD_HTTP_FORBIDDEN,
           "This form is too old, or it came from another site. Please load the page again and send it once more "
           "(cookies have to be allowed).");
  else
    found->page(r);
}

static enum MHD_Result serve(request *r, const char *method) {
  bool wrong_method = false;
  const route *found = find_route(method, r->path, &wrong_method);
  r->db = db_take(r->shop);
  if (!r->db) {
    r->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    return answer(r);
  }
  if (found) {
    const char *last = strrchr(found->path, '/') + 1;
    r->rest = r->path + (last - found->path);
    if (*last == '#')
      r->id = number_of(r->rest, 0, INT64_MAX, -1);
    run_page(r, found);
  } else {
    shopper_recognise(r);
    if (wrong_method)
      refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "This page cannot be asked for in this way.");
    else
      refuse(r, MHD_HTTP_NOT_FOUND, "There is no such page.");
  }
  db_give_back(r->shop, r->db);
  r->db = NULL;
  return answer(r);
}

static enum MHD_Result begin(shop *s, struct MHD_Connection *connection, const char *method, const char *path,
                             void **context) {
  request *r = calloc(1, sizeof *r);
  if (!r)
    return MHD_NO;
  *context = r;
  bool wrong_method = false;
  const route *found = find_route(method, path, &wrong_method);
  *r = (request){.shop = s, .connection = connection, .path = path, .status = MHD_HTTP_OK, .file = -1};
  r->post = !strcmp(method, "POST");
  r->upload = found && found->upload;
  r->limit = r->upload ? SHOP_UPLOAD : SHOP_FORM;
  if (r->post && found)
    r->processor = MHD_create_post_processor(connection, 4096, take_part, r);
  if (r->post && found && !r->processor)
    r->refused = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
  return MHD_YES;
}

static void receive(request *r, const char *bytes, size_t n) {
  r->received += n;
  if (r->received > r->limit)
    r->refused = MHD_HTTP_CONTENT_TOO_LARGE;
  if (!r->refused && r->processor && MHD_post_process(r->processor, bytes, n) == MHD_NO)
    r->refused = MHD_HTTP_BAD_REQUEST;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *body, size_t *size, void **own) {
  (void)version;
  if (!*own)
    return begin(context, connection, method, path, own);
  request *r = *own;
  if (*size > 0) {
    receive(r, body, *size);
    *size = 0;
    /* Someone who sends without end is cut off; who sends a little too much gets a sentence. */
    return r->received > 4 * (size_t)SHOP_UPLOAD ? MHD_NO : MHD_YES;
  }
  if (r->processor && MHD_destroy_post_processor(r->processor) == MHD_NO && !r->refused)
    r->refused = MHD_HTTP_BAD_REQUEST;
  r->processor = NULL;
  if (!r->refused && !fields_are_sound(r))
    r->refused = MHD_HTTP_BAD_REQUEST;
  r->path = path;
  return serve(r, method);
}

static void finished(void *context, struct MHD_Connection *connection, void **own,
                     enum MHD_RequestTerminationCode code) {
  (void)context, (void)connection, (void)code;
  request *r = *own;
  if (!r)
    return;
  if (r->processor)
    MHD_destroy_post_processor(r->processor);
  for (size_t i = 0; i < r->n_parts; i++) {
    free(r->parts[i].name);
    free(r->parts[i].value);
  }
  if (r->file >= 0)
    close(r->file);
  html_free(&r->page);
  free(r);
  *own = NULL;
}

struct MHD_Daemon *http_start(shop *s) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(s->options.port)};
  address.sin_addr.s_addr = htonl(s->options.public ? INADDR_ANY : INADDR_LOOPBACK);
  struct MHD_Daemon *server = MHD_start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, s->options.port, NULL, NULL,
      handle, s, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, finished, NULL,
      MHD_OPTION_CONNECTION_LIMIT, 256U, MHD_OPTION_PER_IP_CONNECTION_LIMIT, s->options.public ? 64U : 0U,
      MHD_OPTION_CONNECTION_TIMEOUT, 20U, MHD_OPTION_END);
  if (!server)
    fprintf(stderr, "shop: port %u cannot be listened on: %s. Take another one with --port.\n", s->options.port,
            strerror(errno));
  return server;
}
