/* Cart, check-out with a stand-in payment, and orders. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "database.h"
#include "events.h"
#include "pages.h"
#include "shoppers.h"

enum { MOST_OF_ONE = 99, MOST_IN_CART = 100, NUMBER = 16, DELIVERY_DAYS = 3, DAY = 86400 };

static const char in_cart[] =
    "SELECT p.id, p.title, p.price, c.quantity FROM cart c JOIN product p ON p.id = c.product "
    "WHERE c.shopper = ? ORDER BY p.id";

static int64_t total_of(request *r) {
  return db_number(r->db, 0,
                   "SELECT coalesce(sum(p.price * c.quantity), 0) FROM cart c JOIN product p ON p.id = c.product "
                   "WHERE c.shopper = ?",
                   "i", r->shopper);
}

/* -- the cart */

static void add_row(request *r, sqlite3_stmt *row) {
  char each[32], all[32];
  int64_t id = db_integer(row, 0), quantity = db_integer(row, 3);
  html_add(&r->page,
           "<tr><td><a href=\"/product/%" PRId64 "\"><img src=\"/picture/%" PRId64
           "\" alt=\"\" width=\"60\" height=\"60\"> %s</a></td><td>%s</td><td>",
           id, id, db_text(row, 1), money(db_integer(row, 2), each));
  page_form(r, "/cart", false);
  html_add(&r->page,
           "<input type=\"hidden\" name=\"product\" value=\"%" PRId64 "\"><label class=\"hidden\" for=\"n%" PRId64
           "\">Quantity of %s</label><input id=\"n%" PRId64 "\" name=\"quantity\" type=\"number\" min=\"0\" max=\"%d\" "
           "value=\"%" PRId64 "\" required> <button>Change</button></form></td><td>%s</td></tr>",
           id, id, db_text(row, 1), id, MOST_OF_ONE, quantity, money(db_integer(row, 2) * quantity, all));
}

void show_cart(request *r) {
  char total[32];
  int64_t rows = 0;
  page_begin(r, "Cart");
  html_add(&r->page, "<div class=\"scroll\"><table><thead><tr><th>Product<th>Price<th>Quantity (0: take "
                     "out)<th>Sum</tr></thead><tbody>");
  for (sqlite3_stmt *row = db_ask(r->db, in_cart, "i", r->shopper); db_next(&row); rows++)
    add_row(r, row);
  html_add(&r->page, "</tbody></table></div>");
  if (rows > 0)
    html_add(
        &r->page,
        "<p class=\"total\">Total: <strong>%s</strong></p><p><a class=\"main\" href=\"/checkout\">Check out</a></p>",
        money(total_of(r), total));
  else
    html_add(&r->page, "<p>Your cart is empty.</p>");
  page_end(r);
}

static bool put_into_cart(request *r, int64_t id, int64_t quantity, bool more) {
  if (quantity == 0)
    return db_do(r->db, "DELETE FROM cart WHERE shopper = ? AND product = ?", "ii", r->shopper, id);
  const char *sql = more ? "INSERT INTO cart VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET "
                           "quantity = min(99, quantity + excluded.quantity)"
                         : "INSERT INTO cart VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET quantity = excluded.quantity";
  return db_do(r->db, sql, "iii", r->shopper, id, quantity);
}

/* With "more", so many are added; with "quantity", so many there are then. */
void change_cart(request *r) {
  product p;
  bool more = field(r, "more")[0] != 0;
  int64_t quantity = number_of(field(r, more ? "more" : "quantity"), more ? 1 : 0, MOST_OF_ONE, -1);
  int64_t id = number_of(field(r, "product"), 0, INT64_MAX, -1);
  if (quantity < 0 || id < 0 || !catalogue_get(r->db, id, &p)) {
    refuse(r, MHD_HTTP_BAD_REQUEST, "There is no such product, or the quantity is not a number from 0 to 99.");
    return;
  }
  bool ok = shopper_remember(r);
  if (ok && quantity > 0 &&
      db_number(r->db, 0, "SELECT count(*) FROM cart WHERE shopper = ? AND product <> ?", "ii", r->shopper, id) >=
          MOST_IN_CART) {
    refuse(r, MHD_HTTP_BAD_REQUEST, "There are 100 different products in your cart: take something out first.");
    return;
  }
  if (!ok || !put_into_cart(r, id, quantity, more)) {
    refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, "The cart cannot be changed just now. Please try again.");
    return;
  }
  if (more)
    events_note(r->shop, r->shopper, id, "cart");
  go_to(r, "/cart");
}

/* -- check-out */

static void add_input(request *r, const char *name, const char *label, const char *type, const char *autocomplete) {
  html_add(
      &r->page,
      "<p><label for=\"%s\">%s</label><input id=\"%s\" name=\"%s\" type=\"%s\" autocomplete=\"%s\" maxlength=\"200\" "
      "value=\"%s\" required></p>",
      name, label, name, name, type, autocomplete,
      field(r, name)[0]        ? field(r, name)
      : !strcmp(name, "email") ? r->email
                               : "");
}

static void show_form(request *r, const char *problem) {
  char total[32];
  page_begin(r, "Check out");
  if (problem)
    html_add(&r->page, "<p class=\"notice\" role=\"alert\">%s</p>", problem);
  html_add(&r->page, "<p class=\"total\">To pay: <strong>%s</strong></p>", money(total_of(r), total));
  page_form(r, "/checkout", false);
  add_input(r, "email", "E-mail address for the confirmation", "email", "email");
  add_input(r, "name", "Name", "text", "name");
  add_input(r, "street", "Street and number", "text", "street-address");
  add_input(r, "place", "Postcode and place", "text", "postal-code");
  add_input(r, "country", "Country", "text", "country-name");
  html_add(
      &r->page,
      "<fieldset><legend>Payment</legend><p class=\"notice\">This payment is a stand-in: nothing is charged, and no "
      "card is asked for.</p><p><label><input type=\"radio\" name=\"payment\" value=\"stand-in\" required> "
      "Pretend to pay</label></p></fieldset><button class=\"main\">Order</button></form>");
  page_end(r);
}

static bool cart_is_empty(request *r) {
  return db_number(r->db, 0, "SELECT count(*) FROM cart WHERE shopper = ?", "i", r->shopper) == 0;
}

void show_checkout(request *r) {
  if (cart_is_empty(r))
    go_to(r, "/cart");
  else
    show_form(r, NULL);
}

static const char *find_problem(request *r) {
  static const char *const needed[] = {"name", "street", "place", "country"};
  if (!is_email(field(r, "email")))
    return "The confirmation needs an e-mail address.";
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
    const char *text = field(r, needed[i]);
    if (!text[strspn(text, " \t")] || text_length(text) > 200 || strpbrk(text, "\r\n"))
      return "Please fill in name and address, each in one line of at most 200 characters.";
  }
  return strcmp(field(r, "payment"), "stand-in") ? "Please choose the (stand-in) payment." : NULL;
}

/* Working days on. */
static int64_t delivery_day(int64_t now) {
  for (int left = DELIVERY_DAYS; left > 0;) {
    now += DAY;
    int64_t weekday = (now / DAY + 4) % 7; /* 1 January 1970 was a Thursday; 0 is Sunday */
    left -= weekday != 0 && weekday != 6;
  }
  return now;
}

/* Everything that an order is, in one transaction: afterwards the cart is empty, and the confirmation waits. */
static bool write_order(request *r, const char *number) {
  int64_t now = time(NULL);
  html address = {0};
  const char *const lines[] = {field(r, "street"), "\n", field(r, "place"), "\n", field(r, "country")};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    html_bytes(&address, lines[i], strlen(lines[i]));
  bool ok = !address.failed && db_begin(r->db);
  if (ok) {
    ok = db_do(r->db,
               "INSERT INTO purchase(number, shopper, email, name, address, total, time, delivery) VALUES(?, ?, ?, ?, "
               "?, ?, ?, ?)",
               "sisssiii", number, r->shopper, field(r, "email"), field(r, "name"), address.bytes, total_of(r), now,
               delivery_day(now));
    int64_t order = sqlite3_last_insert_rowid(r->db);
    ok =
        ok &&
        db_do(r->db,
              "INSERT INTO purchased SELECT ?, p.id, p.title, p.price, c.quantity FROM cart c JOIN product p ON p.id = "
              "c.product WHERE c.shopper = ?",
              "ii", order, r->shopper) &&
        sqlite3_changes(r->db) > 0 && db_do(r->db, "DELETE FROM cart WHERE shopper = ?", "i", r->shopper) &&
        db_do(r->db,
              "INSERT INTO event(shopper, product, kind, time) SELECT ?, product, 'purchase', ? FROM purchased WHERE "
              "purchase = ?",
              "iii", r->shopper, now, order) &&
        db_do(r->db, "INSERT INTO mail VALUES(?, 0, ?)", "ii", order, now);
    ok = db_finish(r->db, ok);
  }
  html_free(&address);
  return ok;
}

void place_order(request *r) {
  char number[NUMBER + 1];
  uint8_t random[NUMBER / 2];
  if (cart_is_empty(r)) {
    go_to(r, "/account"); /* sent twice: the order is there already */
    return;
  }
  const char *problem = find_problem(r);
  if (problem) {
    r->status = MHD_HTTP_BAD_REQUEST;
    show_form(r, problem);
    return;
  }
  randombytes_buf(random, sizeof random);
  sodium_bin2hex(number, sizeof number, random, sizeof random);
  if (!write_order(r, number) && cart_is_empty(r)) {
    go_to(r, "/account"); /* sent twice, at the same time */
    return;
  }
  if (!cart_is_empty(r)) {
    refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE,
           "The order could not be taken just now. Your cart is as it was: please try again.");
    return;
  }
  pthread_mutex_lock(&r->shop->lock);
  r->shop->mail_waits = true;
  pthread_cond_broadcast(&r->shop->changed);
  pthread_mutex_unlock(&r->shop->lock);
  go_to(r, "/order/%s", number);
}

/* -- orders */

static void add_order(request *r, sqlite3_stmt *order) {
  char text[64], sum[32];
  html_add(
      &r->page,
      "<p>A confirmation goes to %s. Estimated delivery: <strong>%s</strong>.</p><p class=\"notice\">The payment was a "
      "stand-in: nothing was charged, and nothing will be sent.</p><ul>",
      db_text(order, 1), day(db_integer(order, 2), text));
  for (sqlite3_stmt *row =
           db_ask(r->db, "SELECT title, price, quantity FROM purchased WHERE purchase = ?", "i", db_integer(order, 0));
       db_next(&row);)
    html_add(&r->page, "<li>%" PRId64 " × %s, %s each</li>", db_integer(row, 2), db_text(row, 0),
             money(db_integer(row, 1), sum));
  html_add(&r->page, "</ul><p class=\"total\">Total: <strong>%s</strong></p>", money(db_integer(order, 3), sum));
}

void show_order(request *r) {
  sqlite3_stmt *order =
      db_ask(r->db, "SELECT id, email, delivery, total FROM purchase WHERE number = ? AND shopper = ?", "si", r->rest,
             r->shopper);
  if (!db_next(&order)) {
    refuse(r, MHD_HTTP_NOT_FOUND, "There is no such order of yours. Are you logged in with the account that made it?");
    return;
  }
  page_begin(r, "Thank you for your order");
  html_add(&r->page, "<p>Its number is <strong>%s</strong>.</p>", r->rest);
  add_order(r, order);
  db_end(&order);
  html_add(&r->page, "<p><a href=\"/for-you\">What else may suit you</a></p>");
  page_end(r);
}
