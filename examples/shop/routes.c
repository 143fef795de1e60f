/* Which address is which page. */
#include <string.h>

#include "pages.h"

static const route routes[] = {
    {"GET", "/", show_home, false},
    {"GET", "/products", show_products, false},
    {"GET", "/product/#", show_product, false},
    {"GET", "/for-you", show_for_you, false},
    {"POST", "/like-picture", show_like_picture, true},
    {"GET", "/picture/#", show_picture, false},
    {"GET", "/cart", show_cart, false},
    {"POST", "/cart", change_cart, false},
    {"GET", "/checkout", show_checkout, false},
    {"POST", "/checkout", place_order, false},
    {"GET", "/order/*", show_order, false},
    {"GET", "/account", show_account, false},
    {"POST", "/log-in", log_in, false},
    {"POST", "/register", make_account, false},
    {"POST", "/log-out", log_out, false},
    {"GET", "/sell", show_sell, false},
    {"POST", "/sell", add_product, true},
    {"GET", "/shop.css", show_style, false},
    {"GET", "/shop.js", show_script, false},
    {"GET", "/shop.svg", show_icon, false},
};

static bool fits(const char *pattern, const char *path) {
  size_t n = strlen(pattern);
  if (pattern[n - 1] != '#' && pattern[n - 1] != '*')
    return !strcmp(pattern, path);
  return !strncmp(pattern, path, n - 1) && path[n - 1] && !strchr(path + n - 1, '/');
}

const route *find_route(const char *method, const char *path, bool *wrong_method) {
  const char *wanted = strcmp(method, "HEAD") ? method : "GET";
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    if (!fits(routes[i].path, path))
      continue;
    if (!strcmp(routes[i].method, wanted))
      return &routes[i];
    *wrong_method = true;
  }
  return NULL;
}
