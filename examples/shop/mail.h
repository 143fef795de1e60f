/* Confirmations of orders, by SMTP (RFC 5321) or, without a server, into files. */
#ifndef MAIL_H
#define MAIL_H

#include "shop.h"

/* Sends what is due, until the shop stops. A server that does not answer is tried again later, after
 * 1, 2, 4, ... minutes, for a day. */
void mail_send_due(shop *s, sqlite3 *db);

#endif
