/* Looking around: the first page, collections with filters and search, a product, lists for the shopper. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assets.h"
#include "database.h"
#include "events.h"
#include "pages.h"
#include "shoppers.h"

enum { PER_PAGE = 24, SIMILAR = 12, FOR_YOU = 24, STRIP = 6, VALUES = 30, TILES = 12, MOST_PAGES = 1000000 };

static const double alike = 0.8;

/* -- products by words and labels */

/* Where the same selection is, but for one field's value or the page; all of it escaped for addresses. */
static void add_link(request *r, const selection *what, size_t field_changed, const char *value, int64_t page) {
  html *p = &r->page;
  html_add(p, "/products?q=");
  html_query(p, asked(r, "q"));
  for (size_t f = 0; f < r->shop->options.n_fields; f++) {
    const char *chosen = f == field_changed ? value : what->values[f];
    if (!chosen[0])
      continue;
    html_add(p, "&amp;");
    html_query(p, r->shop->options.fields[f]);
    html_add(p, "=");
    html_query(p, chosen);
  }
  if (what->order[0])
    html_add(p, "&amp;order=%s", what->order);
  if (page > 1)
    html_add(p, "&amp;page=%" PRId64, page);
}

static selection read_selection(request *r) {
  selection what = {.order = ""};
  catalogue_words(asked(r, "q"), what.words);
  for (size_t f = 0; f < r->shop->options.n_fields; f++)
    what.values[f] = asked(r, r->shop->options.fields[f]);
  if (!strcmp(asked(r, "order"), "cheap") || !strcmp(asked(r, "order"), "dear"))
    what.order = asked(r, "order");
  return what;
}

static void add_values(request *r, const selection *what, size_t f) {
  html_add(&r->page, "<section><h2>%s</h2><ul>", r->shop->options.fields[f]);
  if (what->values[f][0]) {
    html_add(&r->page, "<li><a href=\"");
    add_link(r, what, f, "", 1);
    html_add(&r->page, "\">Any</a></li>");
  }
  for (sqlite3_stmt *row = catalogue_values(r, what, f, VALUES); db_next(&row);) {
    bool chosen = !strcmp(db_text(row, 0), what->values[f]);
    html_add(&r->page, "<li><a href=\"");
    add_link(r, what, f, db_text(row, 0), 1);
    if (chosen)
      html_add(&r->page, "\" aria-current=\"true");
    html_add(&r->page, "\">%s</a> <small>%" PRId64 "</small></li>", db_text(row, 0), db_integer(row, 1));
  }
  html_add(&r->page, "</ul></section>");
}

static void add_orders(request *r, selection *what) {
  static const char *const orders[][2] = {{"", "Newest"}, {"cheap", "Price, low first"}, {"dear", "Price, high first"}};
  const char *now = what->order;
  html_add(&r->page, "<p class=\"orders\">Order:");
  for (size_t i = 0; i < 3; i++) {
    what->order = orders[i][0];
    html_add(&r->page, " <a href=\"");
    add_link(r, what, SHOP_FIELDS, "", 1);
    if (!strcmp(now, what->order))
      html_add(&r->page, "\" aria-current=\"true");
    html_add(&r->page, "\">%s</a>", orders[i][1]);
  }
  what->order = now;
  html_add(&r->page, "</p>");
}

static void add_pages(request *r, const selection *what, int64_t page, int64_t pages) {
  if (pages <= 1)
    return;
  html_add(&r->page, "<nav class=\"pages\" aria-label=\"Pages\">");
  if (page > 1) {
    html_add(&r->page, "<a rel=\"prev\" href=\"");
    add_link(r, what, SHOP_FIELDS, "", page - 1);
    html_add(&r->page, "\">Before</a> ");
  }
  html_add(&r->page, "<span>Page %" PRId64 " of %" PRId64 "</span>", page, pages);
  if (page < pages) {
    html_add(&r->page, " <a rel=\"next\" href=\"");
    add_link(r, what, SHOP_FIELDS, "", page + 1);
    html_add(&r->page, "\">Next</a>");
  }
  html_add(&r->page, "</nav>");
}

static void add_products(request *r, sqlite3_stmt *row) {
  html_add(&r->page, "<ul class=\"products\">");
  while (db_next(&row)) {
    product p = {.id = db_integer(row, 0), .price = db_integer(row, 2)};
    strncpy(p.title, db_text(row, 1), sizeof p.title - 1);
    page_card(r, &p, NULL);
  }
  html_add(&r->page, "</ul>");
}

void show_products(request *r) {
  selection what = read_selection(r);
  int64_t count = catalogue_count(r, &what), pages = (count + PER_PAGE - 1) / PER_PAGE;
  int64_t page = number_of(asked(r, "page"), 1, MOST_PAGES, 1);
  page_begin(r, asked(r, "q")[0] ? "Found" : "Products");
  html_add(&r->page,
           "<p>%" PRId64
           " product%s</p><div class=\"columns\"><details class=\"filters\" open><summary>Filters</summary>",
           count, count == 1 ? "" : "s");
  for (size_t f = 0; f < r->shop->options.n_fields; f++)
    add_values(r, &what, f);
  html_add(&r->page, "</details><div>");
  add_orders(r, &what);
  add_products(r, catalogue_list(r, &what, (page - 1) * PER_PAGE, PER_PAGE));
  add_pages(r, &what, page, pages);
  html_add(&r->page, "</div></div>");
  page_end(r);
}

/* -- lists of librecsys */

static bool find_for_you(request *r, size_t n, advice *list) {
  recsys_error error = {0};
  if (r->shopper)
    events_flush(r->shop, r->db);
  if (advice_for(r->shop, r->shopper, n, list, &error))
    return true;
  fprintf(stderr, "shop: %s\n", error.message);
  return false;
}

void show_for_you(request *r) {
  advice list;
  page_begin(r, "For you");
  if (!find_for_you(r, FOR_YOU, &list))
    html_add(&r->page, "<p class=\"notice\">The list cannot be made just now.</p>");
  else if (list.popular || !r->shopper)
    html_add(&r->page, "<p>Look at some products first: until then, this is what others like.</p>");
  else
    html_add(&r->page, "<p>Chosen by what you looked at and bought here.</p>");
  page_cards(r, &list, NOTE_REASON);
  page_end(r);
}

/* The largest collections by one field, each with the picture of its newest product. */
static void add_tiles(request *r, size_t f) {
  selection all = {.order = ""};
  for (size_t i = 0; i < SHOP_FIELDS; i++)
    all.values[i] = "";
  html_add(&r->page, "<section><h2>By %s</h2><ul class=\"tiles\">", r->shop->options.fields[f]);
  for (sqlite3_stmt *row = catalogue_values(r, &all, f, TILES); db_next(&row);) {
    int64_t picture = db_number(r->db, 0, "SELECT max(product) FROM label WHERE field = ? AND value = ?", "ss",
                                r->shop->options.fields[f], db_text(row, 0));
    html_add(&r->page, "<li><a href=\"");
    add_link(r, &all, f, db_text(row, 0), 1);
    html_add(&r->page,
             "\"><img src=\"/picture/%" PRId64 "\" alt=\"\" loading=\"lazy\" width=\"120\" height=\"120\">"
             "<span class=\"title\">%s</span></a> <small>%" PRId64 "</small></li>",
             picture, db_text(row, 0), db_integer(row, 1));
  }
  html_add(&r->page, "</ul></section>");
}

void show_home(request *r) {
  advice list;
  page_begin(r, "Welcome");
  if (find_for_you(r, STRIP, &list)) {
    html_add(&r->page, "<section><h2>%s</h2>", list.popular || !r->shopper ? "Popular" : "For you");
    page_cards(r, &list, NOTE_REASON);
    html_add(&r->page, "<p><a href=\"/for-you\">More of these</a></p></section>");
  }
  for (size_t f = 0; f < r->shop->options.n_fields && f < 3; f++)
    add_tiles(r, f);
  page_end(r);
}

/* -- one product */

static void add_details(request *r, const product *p) {
  char price[32];
  html_add(&r->page,
           "<div class=\"product\"><img src=\"/picture/%" PRId64 "\" alt=\"%s\" width=\"400\" height=\"400\"><div>"
           "<p class=\"price\">%s</p>",
           p->id, p->title, money(p->price, price));
  sqlite3_stmt *row = db_ask(r->db, "SELECT description FROM product WHERE id = ?", "i", p->id);
  if (db_next(&row) && db_text(row, 0)[0])
    html_add(&r->page, "<p class=\"description\">%s</p>", db_text(row, 0));
  db_end(&row);
  html_add(&r->page, "<dl>");
  for (row = db_ask(r->db, "SELECT field, value FROM label WHERE product = ?", "i", p->id); db_next(&row);)
    html_add(&r->page, "<dt>%s</dt><dd>%s</dd>", db_text(row, 0), db_text(row, 1));
  html_add(&r->page, "</dl>");
  page_form(r, "/cart", false);
  html_add(&r->page,
           "<input type=\"hidden\" name=\"product\" value=\"%" PRId64
           "\"><input type=\"hidden\" name=\"more\" value=\"1\">"
           "<button class=\"main\">Put into the cart</button></form></div></div>",
           p->id);
}

/* Only browsers that keep the session are remembered, so that robots do not become shoppers. */
static void note_view(request *r, const product *p) {
  if (r->known && shopper_remember(r))
    events_note(r->shop, r->shopper, p->id, "view");
}

void show_product(request *r) {
  product p;
  advice list;
  recsys_error error = {0};
  if (r->id < 0 || !catalogue_get(r->db, r->id, &p)) {
    refuse(r, MHD_HTTP_NOT_FOUND, "There is no such product, or no longer.");
    return;
  }
  page_begin(r, p.title);
  add_details(r, &p);
  html_add(&r->page, "<section><h2>Similar products</h2>");
  if (!advice_similar(r->shop, p.id, alike, SIMILAR, &list, &error))
    fprintf(stderr, "shop: %s\n", error.message);
  if (list.n > 0)
    page_cards(r, &list, NOTE_ALIKE);
  else
    html_add(&r->page, "<p>Nothing else here is at least %d %% alike.</p>", (int)(100 * alike));
  html_add(&r->page, "</section>");
  page_end(r);
  note_view(r, &p);
}

void show_like_picture(request *r) {
  advice list;
  recsys_error error = {0};
  const part *picture = sent_picture(r);
  if (!picture) {
    refuse(r, MHD_HTTP_BAD_REQUEST, "Please choose a picture first: a JPEG or PNG file.");
    return;
  }
  if (!advice_like_picture(r->shop, picture->value, picture->size, FOR_YOU, &list, &error)) {
    bool theirs =
        error.status == RECSYS_EFORMAT || error.status == RECSYS_EUNSUPPORTED || error.status == RECSYS_ELIMIT;
    fprintf(stderr, "shop: %s\n", error.message);
    refuse(r, theirs ? MHD_HTTP_UNSUPPORTED_MEDIA_TYPE : MHD_HTTP_SERVICE_UNAVAILABLE,
           theirs ? "This is no picture that can be read here. Please send a JPEG or PNG file."
                  : "The picture cannot be looked at just now. Please try again.");
    return;
  }
  page_begin(r, "Like your picture");
  page_cards(r, &list, NOTE_ALIKE);
  page_end(r);
}

/* -- files */

static const char *picture_type(int file) {
  unsigned char head[8] = {0};
  if (pread(file, head, sizeof head, 0) < 4)
    return NULL;
  return !memcmp(head, "\x89PNG", 4) ? "image/png" : !memcmp(head, "\xff\xd8\xff", 3) ? "image/jpeg" : NULL;
}

void show_picture(request *r) {
  char path[4096];
  struct stat about;
  if (r->id >= 0 && catalogue_picture(r->db, r->id, path))
    r->file = open(path, O_RDONLY | O_CLOEXEC);
  if (r->file >= 0 && fstat(r->file, &about) == 0 && S_ISREG(about.st_mode) && (r->type = picture_type(r->file))) {
    r->keep = true;
    return;
  }
  if (r->file >= 0)
    close(r->file);
  r->file = -1;
  refuse(r, MHD_HTTP_NOT_FOUND, "There is no such picture.");
}

static void show_asset(request *r, const char *bytes, size_t n, const char *type) {
  html_bytes(&r->page, bytes, n);
  r->type = type;
  r->keep = true;
}

void show_style(request *r) {
  show_asset(r, (const char *)asset_style, asset_style_size, "text/css; charset=utf-8");
}

void show_script(request *r) {
  show_asset(r, (const char *)asset_script, asset_script_size, "text/javascript; charset=utf-8");
}

void show_icon(request *r) {
  show_asset(r, (const char *)asset_icon, asset_icon_size, "image/svg+xml");
}
