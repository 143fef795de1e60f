/* Logging in, registering, and what somebody has ordered. */
#include <inttypes.h>

#include "database.h"
#include "pages.h"
#include "shoppers.h"

static void add_form(request *r, const char *action, const char *button, const char *autocomplete) {
  page_form(r, action, false);
  html_add(&r->page,
           "<h2>%s</h2><p><label for=\"e%s\">E-mail address</label><input id=\"e%s\" name=\"email\" type=\"email\" "
           "autocomplete=\"username\" maxlength=\"254\" value=\"%s\" required></p><p><label for=\"p%s\">Password (8 "
           "characters or more)</label><input id=\"p%s\" name=\"password\" type=\"password\" autocomplete=\"%s\" "
           "minlength=\"8\" maxlength=\"200\" required></p><button>%s</button></form>",
           button, action, action, field(r, "email"), action, action, autocomplete, button);
}

static void show_forms(request *r, const char *problem) {
  page_begin(r, "Your account");
  if (problem)
    html_add(&r->page, "<p class=\"notice\" role=\"alert\">%s</p>", problem);
  html_add(&r->page, "<p>You can buy without an account. With one, your cart and your lists follow you to other "
                     "devices.</p><div class=\"forms\">");
  add_form(r, "/log-in", "Log in", "current-password");
  add_form(r, "/register", "Register", "new-password");
  html_add(&r->page, "</div>");
}

static void add_orders(request *r) {
  char text[64], sum[32];
  int64_t orders = 0;
  html_add(&r->page, "<h2>Orders</h2><ul>");
  for (sqlite3_stmt *row =
           db_ask(r->db, "SELECT number, time, total FROM purchase WHERE shopper = ? ORDER BY id DESC LIMIT 100", "i",
                  r->shopper);
       db_next(&row); orders++)
    html_add(&r->page, "<li><a href=\"/order/%s\">%s</a>, %s, %s</li>", db_text(row, 0), db_text(row, 0),
             day(db_integer(row, 1), text), money(db_integer(row, 2), sum));
  html_add(&r->page, "</ul>%s", orders ? "" : "None yet.");
}

void show_account(request *r) {
  if (!r->email[0]) {
    show_forms(r, NULL);
    if (r->shopper)
      add_orders(r);
    page_end(r);
    return;
  }
  page_begin(r, "Your account");
  html_add(&r->page, "<p>You are logged in as <strong>%s</strong>.</p>", r->email);
  add_orders(r);
  page_form(r, "/log-out", false);
  html_add(&r->page, "<button>Log out</button></form>");
  page_end(r);
}

static void finish(request *r, const char *problem) {
  if (!problem) {
    go_to(r, "/account");
    return;
  }
  r->status = MHD_HTTP_BAD_REQUEST;
  show_forms(r, problem);
  page_end(r);
}

void log_in(request *r) {
  finish(r, shopper_log_in(r, field(r, "email"), field(r, "password")));
}

void make_account(request *r) {
  finish(r, shopper_register(r, field(r, "email"), field(r, "password")));
}

void log_out(request *r) {
  shopper_log_out(r);
  go_to(r, "/");
}
