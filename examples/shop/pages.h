/* The pages, and what they all share. */
#ifndef PAGES_H
#define PAGES_H

#include "catalogue.h"

/* pages.c */
void page_begin(request *r, const char *title);
void page_end(request *r);
void page_form(request *r, const char *action, bool picture); /* <form> with the session's secret in it */
/* One product in a list; note: a line beneath (NULL: none). */
void page_card(request *r, const product *p, const char *note);
/* A list as cards; how: what stands beneath each. */
typedef enum card_note { NOTE_NONE, NOTE_ALIKE, NOTE_REASON } card_note;
void page_cards(request *r, const advice *list, card_note how);

/* pages_browse.c */
void show_home(request *r);
void show_products(request *r);
void show_product(request *r);
void show_for_you(request *r);
void show_like_picture(request *r);
void show_picture(request *r);
void show_style(request *r);
void show_script(request *r);
void show_icon(request *r);

/* pages_cart.c */
void show_cart(request *r);
void change_cart(request *r);
void show_checkout(request *r);
void place_order(request *r);
void show_order(request *r);

/* pages_account.c */
void show_account(request *r);
void log_in(request *r);
void make_account(request *r);
void log_out(request *r);

/* pages_seller.c */
void show_sell(request *r);
void add_product(request *r);

#endif
