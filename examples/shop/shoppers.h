/* Who is asking: sessions, guests, accounts, passwords. */
#ifndef SHOPPERS_H
#define SHOPPERS_H

#include "http.h"

/* Reads the cookie; r->token is a fresh one where there is none or a forged one. */
void shopper_recognise(request *r);
/* The token as the cookie holds it. */
void shopper_cookie(const request *r, char hex[2 * HTTP_TOKEN + 1]);
/* What every form of this session carries in the field "form", against requests that other sites make a browser send
 * (OWASP's signed double submit). */
void shopper_form_secret(const request *r, char hex[65]);
bool shopper_sent_this(request *r);

/* Makes the session one that is remembered, with a guest when there is nobody yet. */
bool shopper_remember(request *r);

/* NULL, or the sentence why not. The session's cookie changes; a guest's views and cart go over to the account. */
const char *shopper_register(request *r, const char *email, const char *password);
const char *shopper_log_in(request *r, const char *email, const char *password);
void shopper_log_out(request *r);

bool is_email(const char *text);

#endif
