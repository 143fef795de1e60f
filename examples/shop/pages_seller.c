/* A seller's page: a product with its photograph, which is in search, in similar products and in lists at once. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "database.h"
#include "pages.h"

enum { MOST_LABEL = 63, MOST_DESCRIPTION = 2000 };

static bool may_sell(request *r) {
  if (r->seller)
    return true;
  refuse(r, MHD_HTTP_FORBIDDEN,
         "This page is for sellers. Log in with a seller's account (the shop's owner makes one with --make-seller).");
  return false;
}

static void add_label(request *r, size_t f) {
  const char *name = r->shop->options.fields[f];
  html_add(
      &r->page,
      "<p><label for=\"l%zu\">%s</label><input id=\"l%zu\" name=\"%s\" list=\"v%zu\" maxlength=\"%d\" value=\"%s\">"
      "<datalist id=\"v%zu\">",
      f, name, f, name, f, MOST_LABEL, field(r, name), f);
  for (sqlite3_stmt *row =
           db_ask(r->db, "SELECT DISTINCT value FROM label WHERE field = ? ORDER BY value LIMIT 200", "s", name);
       db_next(&row);)
    html_add(&r->page, "<option value=\"%s\">", db_text(row, 0));
  html_add(&r->page, "</datalist></p>");
}

static void show_form(request *r, const char *problem) {
  page_begin(r, "Sell a product");
  if (problem)
    html_add(&r->page, "<p class=\"notice\" role=\"alert\">%s</p>", problem);
  page_form(r, "/sell", true);
  html_add(&r->page,
           "<p><label for=\"title\">Name</label><input id=\"title\" name=\"title\" maxlength=\"200\" value=\"%s\" "
           "required></p>"
           "<p><label for=\"price\">Price</label><input id=\"price\" name=\"price\" inputmode=\"decimal\" "
           "pattern=\"[0-9]{1,6}([.][0-9]{1,2})?\" title=\"such as 12.50\" value=\"%s\" required></p>"
           "<p><label for=\"description\">Description</label><textarea id=\"description\" name=\"description\" "
           "maxlength=\"%d\" rows=\"4\">%s</textarea></p>",
           field(r, "title"), field(r, "price"), MOST_DESCRIPTION, field(r, "description"));
  for (size_t f = 0; f < r->shop->options.n_fields; f++)
    add_label(r, f);
  html_add(&r->page,
           "<p><label for=\"photograph\">Photograph (JPEG or PNG, at most 8 MB)</label><input id=\"photograph\" "
           "name=\"picture\" type=\"file\" accept=\"image/jpeg,image/png\" required></p>"
           "<button class=\"main\">Put it into the shop</button></form>");
  page_end(r);
}

void show_sell(request *r) {
  if (may_sell(r))
    show_form(r, NULL);
}

/* "12", "12.5" or "12.50", in cents; -1: something else. */
static int64_t read_price(const char *text) {
  size_t whole = strspn(text, "0123456789"), cents = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
  if (whole == 0 || whole > 6 || cents > 2 || (text[whole] == '.' && cents == 0) ||
      text[whole + (cents ? cents + 1 : 0)])
    return -1;
  int64_t price = 100 * strtoll(text, NULL, 10);
  if (cents)
    price += strtoll(text + whole + 1, NULL, 10) * (cents == 1 ? 10 : 1);
  return price;
}

static const char *read_product(request *r, advice_product *p) {
  *p = (advice_product){
      .title = field(r, "title"), .description = field(r, "description"), .price = read_price(field(r, "price"))};
  const part *picture = sent_picture(r);
  if (picture) {
    p->picture = picture->value;
    p->size = picture->size;
  }
  if (!p->title[strspn(p->title, " \t")] || text_length(p->title) > 200 || strpbrk(p->title, "\r\n"))
    return "The product needs a name of at most 200 characters.";
  if (p->price < 0)
    return "The price is a number such as 12.50.";
  if (text_length(p->description) > MOST_DESCRIPTION)
    return "The description may have 2000 characters.";
  for (size_t f = 0; f < r->shop->options.n_fields; f++) {
    p->values[f] = field(r, r->shop->options.fields[f]);
    if (text_length(p->values[f]) > MOST_LABEL)
      return "A label may have 63 characters.";
  }
  return p->size ? NULL : "The product needs a photograph.";
}

void add_product(request *r) {
  advice_product p;
  recsys_error error = {0};
  char path[4096];
  if (!may_sell(r))
    return;
  const char *problem = read_product(r, &p);
  int64_t id = problem ? -1 : advice_add(r->shop, &p, path, &error);
  if (id >= 0 && catalogue_add(r->shop, r->db, id, &p, path)) {
    go_to(r, "/product/%" PRId64, id);
    return;
  }
  r->status = MHD_HTTP_BAD_REQUEST;
  if (id >= 0)
    advice_remove(r->shop, id, path);
  else if (!problem)
    fprintf(stderr, "shop: %s\n", error.message);
  show_form(r, problem ? problem
               : error.status == RECSYS_EFORMAT
                   ? "The photograph is no picture that can be read here: a JPEG or PNG file is needed."
               : error.status == RECSYS_EUNSUPPORTED
                   ? "The photograph is of a kind that cannot be read here: a JPEG or PNG file is needed."
               : error.status == RECSYS_ELIMIT ? "The photograph is too large."
                                               : "The product could not be added just now. Please try again.");
}
