/* What all pages share: the frame, forms, and products as cards. */
#include "pages.h"

#include <inttypes.h>
#include <stdio.h>

#include "database.h"
#include "shoppers.h"

enum { NOTE = CATALOGUE_TITLE + 64 };

static void add_navigation(request *r) {
  int64_t in_cart =
      r->shopper ? db_number(r->db, 0, "SELECT coalesce(sum(quantity), 0) FROM cart WHERE shopper = ?", "i", r->shopper)
                 : 0;
  html_add(&r->page,
           "<nav aria-label=\"Shop\"><a href=\"/products\">All products</a> <a href=\"/for-you\">For you</a> "
           "<a href=\"/cart\">Cart (%" PRId64 ")</a> <a href=\"/account\">%s</a>",
           in_cart, r->email[0] ? "Account" : "Log in");
  if (r->seller)
    html_add(&r->page, " <a href=\"/sell\">Sell</a>");
  html_add(&r->page, "</nav>");
}

static void add_searches(request *r) {
  html_add(&r->page,
           "<form class=\"find\" role=\"search\" action=\"/products\"><label for=\"q\">Search</label>"
           "<input id=\"q\" name=\"q\" type=\"search\" maxlength=\"200\" value=\"%s\"><button>Search</button></form>",
           asked(r, "q"));
  page_form(r, "/like-picture", true);
  html_add(&r->page,
           "<label for=\"picture\">Search with a picture <small>(or drop one anywhere on the page)</small></label>"
           "<input id=\"picture\" name=\"picture\" type=\"file\" accept=\"image/jpeg,image/png\" required>"
           "<button>Find</button></form>");
}

void page_begin(request *r, const char *title) {
  const char *shop_name = r->shop->options.name;
  html_add(&r->page,
           "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s – %s</title>"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
           "<link rel=\"icon\" href=\"/shop.svg\"><link rel=\"stylesheet\" href=\"/shop.css\"><script src=\"/shop.js\" "
           "defer></script></head><body>"
           "<a class=\"skip\" href=\"#main\">To the content</a><header><a class=\"name\" href=\"/\">%s</a>",
           title, shop_name, shop_name);
  add_navigation(r);
  html_add(&r->page, "<div class=\"searches\">");
  add_searches(r);
  html_add(&r->page, "</div></header><main id=\"main\"><h1>%s</h1>", title);
}

void page_end(request *r) {
  html_add(&r->page, "</main><footer>This shop is a demonstration of librecsys: nothing is charged, nothing is sent."
                     "</footer></body></html>");
}

void page_form(request *r, const char *action, bool picture) {
  char secret[65];
  shopper_form_secret(r, secret);
  html_add(&r->page,
           "<form method=\"post\" action=\"%s\" enctype=\"%s\"><input type=\"hidden\" name=\"form\" value=\"%s\">",
           action, picture ? "multipart/form-data" : "application/x-www-form-urlencoded", secret);
}

void page_card(request *r, const product *p, const char *note) {
  char price[32];
  html_add(&r->page,
           "<li><a href=\"/product/%" PRId64 "\"><img src=\"/picture/%" PRId64
           "\" alt=\"\" loading=\"lazy\" width=\"200\" height=\"200\"><span class=\"title\">%s</span></a>"
           "<span class=\"price\">%s</span>",
           p->id, p->id, p->title, money(p->price, price));
  if (note)
    html_add(&r->page, "<span class=\"note\">%s</span>", note);
  html_add(&r->page, "</li>");
}

/* What the shopper did with the product that speaks for another one. */
static const char *deed(request *r, int64_t item) {
  switch (db_number(r->db, 0,
                    "SELECT max(CASE kind WHEN 'purchase' THEN 3 WHEN 'cart' THEN 2 ELSE 1 END) FROM event "
                    "WHERE shopper = ? AND product = ?",
                    "ii", r->shopper, item)) {
  case 3:
    return "because you bought";
  case 2:
    return "because you put into your cart:";
  default:
    return "because you looked at";
  }
}

static void find_note(request *r, const advice *list, size_t i, card_note how, char note[NOTE]) {
  product other;
  note[0] = 0;
  if (how == NOTE_ALIKE)
    snprintf(note, NOTE, "%d %% alike", (int)(100 * list->scores[i] + 1e-4)); /* never rounded up */
  else if (how == NOTE_REASON && list->because[i] >= 0 && catalogue_get(r->db, list->because[i], &other))
    snprintf(note, NOTE, "%s %s", deed(r, other.id), other.title);
  else if (how == NOTE_REASON)
    snprintf(note, NOTE, list->sources[i] == RECSYS_SOURCE_FEATURES ? "new here" : "popular with other shoppers");
}

void page_cards(request *r, const advice *list, card_note how) {
  char note[NOTE];
  product p;
  html_add(&r->page, "<ul class=\"products\">");
  for (size_t i = 0; i < list->n; i++) {
    if (!catalogue_get(r->db, list->products[i], &p))
      continue;
    find_note(r, list, i, how, note);
    page_card(r, &p, note[0] ? note : NULL);
  }
  html_add(&r->page, "</ul>");
}
