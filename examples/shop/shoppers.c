#include "shoppers.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "database.h"
#include "events.h"

enum { RANDOM = HTTP_TOKEN / 2, TRIES = 10, TRIES_WITHIN = 15 * 60, LEAST_PASSWORD = 8, MOST_PASSWORD = 200 };

/* -- sessions: a token is 16 random bytes and the first 16 of their keyed digest, so that one that the shop did not
 *    make is told without asking the database */

static void sign(const request *r, const uint8_t *message, size_t n, uint8_t digest[32]) {
  crypto_generichash(digest, 32, message, n, r->shop->key, SHOP_KEY);
}

static void make_token(request *r) {
  uint8_t digest[32];
  randombytes_buf(r->token, RANDOM);
  sign(r, r->token, RANDOM, digest);
  memcpy(r->token + RANDOM, digest, RANDOM);
  r->new_cookie = true;
}

static bool read_token(request *r) {
  const char *cookie = MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, "session");
  uint8_t digest[32];
  size_t n;
  if (!cookie || strlen(cookie) != (size_t)2 * HTTP_TOKEN ||
      sodium_hex2bin(r->token, HTTP_TOKEN, cookie, (size_t)2 * HTTP_TOKEN, NULL, &n, NULL) || n != HTTP_TOKEN)
    return false;
  sign(r, r->token, RANDOM, digest);
  return sodium_memcmp(digest, r->token + RANDOM, RANDOM) == 0;
}

/* What the database knows a token by: who reads the database cannot take over a session. */
static void token_digest(const request *r, uint8_t digest[32]) {
  crypto_generichash(digest, 32, r->token, HTTP_TOKEN, NULL, 0);
}

void shopper_recognise(request *r) {
  r->known = read_token(r);
  if (!r->known) {
    make_token(r);
    return;
  }
  uint8_t digest[32];
  token_digest(r, digest);
  int64_t seen = 0, now = time(NULL);
  sqlite3_stmt *row = db_ask(r->db,
                             "SELECT shopper, seen, email, seller FROM session JOIN shopper ON shopper.id = shopper "
                             "WHERE token = ? AND seen > ?",
                             "bi", (const void *)digest, sizeof digest, now - SHOP_SESSION);
  if (db_next(&row)) {
    r->shopper = db_integer(row, 0);
    seen = db_integer(row, 1);
    strncpy(r->email, db_text(row, 2), sizeof r->email - 1);
    r->seller = sqlite3_column_int(row, 3) != 0;
  }
  db_end(&row);
  if (r->shopper && seen < now - 86400) {
    db_do(r->db, "UPDATE session SET seen = ? WHERE token = ?", "ib", now, (const void *)digest, sizeof digest);
    r->new_cookie = true; /* lives on for as long again */
  }
}

void shopper_cookie(const request *r, char hex[2 * HTTP_TOKEN + 1]) {
  sodium_bin2hex(hex, (size_t)2 * HTTP_TOKEN + 1, r->token, HTTP_TOKEN);
}

void shopper_form_secret(const request *r, char hex[65]) {
  uint8_t message[HTTP_TOKEN + 4] = "form", digest[32];
  memcpy(message + 4, r->token, HTTP_TOKEN);
  sign(r, message, sizeof message, digest);
  sodium_bin2hex(hex, 65, digest, sizeof digest);
}

bool shopper_sent_this(request *r) {
  char hex[65];
  shopper_form_secret(r, hex);
  const char *sent = field(r, "form");
  return r->known && strlen(sent) == 64 && sodium_memcmp(sent, hex, 64) == 0;
}

/* -- guests and accounts */

static bool insert_session(request *r) {
  uint8_t digest[32];
  token_digest(r, digest);
  return db_do(r->db, "INSERT OR REPLACE INTO session VALUES(?, ?, ?)", "bii", (const void *)digest, sizeof digest,
               r->shopper, (int64_t)time(NULL));
}

static bool end_session(request *r) {
  uint8_t digest[32];
  token_digest(r, digest);
  return db_do(r->db, "DELETE FROM session WHERE token = ?", "b", (const void *)digest, sizeof digest);
}

/* Who else than the same session, in another request at the same time, may have been quicker. */
static int64_t session_shopper(request *r) {
  uint8_t digest[32];
  token_digest(r, digest);
  return db_number(r->db, 0, "SELECT shopper FROM session WHERE token = ?", "b", (const void *)digest, sizeof digest);
}

bool shopper_remember(request *r) {
  if (r->shopper)
    return true;
  if (!db_begin(r->db))
    return false;
  bool ok = true;
  r->shopper = session_shopper(r);
  if (!r->shopper) {
    ok = db_do(r->db, "INSERT INTO shopper DEFAULT VALUES", "");
    r->shopper = ok ? sqlite3_last_insert_rowid(r->db) : 0;
    ok = ok && insert_session(r);
  }
  ok = db_finish(r->db, ok);
  if (!ok)
    r->shopper = 0;
  return ok;
}

/* A mailbox as shops take them: no quoting, no spaces, nothing that could end a line of a mail's head. */
bool is_email(const char *text) {
  size_t n = strlen(text), at = strcspn(text, "@");
  if (n > 254 || at == 0 || at > 64 || at + 3 > n || strchr(text + at + 1, '@'))
    return false;
  for (const char *c = text; *c; c++)
    if (*c <= ' ' || *c >= 127 || strchr("<>()[],;:\\\"", *c))
      return false;
  return strchr(text + at, '.') && text[n - 1] != '.';
}

/* The session goes on, for r->shopper, under a token that nobody could have planted. Ends the transaction. */
static bool move_session(request *r, bool ok) {
  uint8_t before[HTTP_TOKEN];
  bool cookie = r->new_cookie;
  memcpy(before, r->token, sizeof before);
  ok = ok && end_session(r);
  make_token(r);
  ok = db_finish(r->db, ok && insert_session(r));
  if (!ok) {
    memcpy(r->token, before, sizeof before);
    r->new_cookie = cookie;
  }
  return ok;
}

static bool hash_password(shop *s, const char *password, char hash[crypto_pwhash_STRBYTES]) {
  pthread_mutex_lock(&s->password_lock);
  int failed = crypto_pwhash_str(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                 crypto_pwhash_MEMLIMIT_INTERACTIVE);
  pthread_mutex_unlock(&s->password_lock);
  return failed == 0;
}

const char *shopper_register(request *r, const char *email, const char *password) {
  char hash[crypto_pwhash_STRBYTES];
  if (!is_email(email))
    return "This is not an e-mail address.";
  if (strlen(password) < LEAST_PASSWORD || strlen(password) > MOST_PASSWORD)
    return "A password has 8 to 200 characters.";
  if (r->email[0])
    return "You are logged in already. Log out first.";
  if (!hash_password(r->shop, password, hash) || !shopper_remember(r))
    return "The account could not be made just now. Please try again.";
  if (!db_begin(r->db))
    return "The account could not be made just now. Please try again.";
  bool taken = db_number(r->db, 0, "SELECT count(*) FROM shopper WHERE email = ?", "s", email) > 0;
  bool ok = !taken &&
            db_do(r->db, "UPDATE shopper SET email = ?, password = ? WHERE id = ? AND email IS NULL", "ssi", email,
                  hash, r->shopper) &&
            sqlite3_changes(r->db) == 1;
  if (move_session(r, ok)) {
    strncpy(r->email, email, sizeof r->email - 1);
    return NULL;
  }
  return taken ? "There is an account with this address. Log in instead."
               : "The account could not be made just now. Please try again.";
}

/* The account whose password it is; 0: none. As slow for addresses without an account. */
static int64_t check_password(request *r, const char *email, const char *password) {
  static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
                               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  char hash[crypto_pwhash_STRBYTES] = {0};
  int64_t account = 0;
  strncpy(hash, nobody, sizeof hash - 1);
  sqlite3_stmt *row =
      db_ask(r->db, "SELECT id, password FROM shopper WHERE email = ? AND password IS NOT NULL", "s", email);
  if (db_next(&row)) {
    account = db_integer(row, 0);
    memset(hash, 0, sizeof hash);
    strncpy(hash, db_text(row, 1), sizeof hash - 1);
  }
  db_end(&row);
  pthread_mutex_lock(&r->shop->password_lock);
  bool right = crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
  pthread_mutex_unlock(&r->shop->password_lock);
  return right ? account : 0;
}

/* What a guest did before logging in belongs to the account. */
static bool merge(request *r, int64_t guest, int64_t account) {
  return db_do(r->db, "UPDATE event SET shopper = ? WHERE shopper = ?", "ii", account, guest) &&
         db_do(r->db,
               "INSERT INTO cart SELECT ?, product, quantity FROM cart WHERE shopper = ? "
               "ON CONFLICT DO UPDATE SET quantity = min(99, quantity + excluded.quantity)",
               "ii", account, guest) &&
         db_do(r->db, "DELETE FROM cart WHERE shopper = ?", "i", guest) &&
         db_do(r->db, "UPDATE purchase SET shopper = ? WHERE shopper = ?", "ii", account, guest) &&
         db_do(r->db, "DELETE FROM session WHERE shopper = ?", "i", guest) &&
         db_do(r->db, "DELETE FROM shopper WHERE id = ?", "i", guest);
}

/* Makes the session the account's; with a guest, all that was theirs, too. */
static bool become(request *r, int64_t guest, int64_t account) {
  events_list seen = {0};
  int64_t before = r->shopper;
  if (guest)
    events_flush(r->shop, r->db);
  events_hold(r->shop);
  bool ok = (!guest || events_read(r->db, guest, &seen)) && db_begin(r->db);
  if (ok) {
    ok = !guest || merge(r, guest, account);
    r->shopper = account;
    ok = move_session(r, ok);
  }
  if (!ok)
    r->shopper = before;
  else if (guest)
    events_move(r->shop, guest, account, &seen);
  events_release(r->shop);
  events_free(&seen);
  return ok;
}

/* Every attempt counts until it was right, so that many at once are no more than one after the other. */
static bool may_try(request *r, const char *email) {
  int64_t now = time(NULL);
  if (!db_begin(r->db))
    return false;
  int64_t tries = db_number(r->db, TRIES, "SELECT count(*) FROM attempt WHERE email = ? AND time > ?", "si", email,
                            now - TRIES_WITHIN);
  bool ok = tries < TRIES && db_do(r->db, "INSERT INTO attempt VALUES(?, ?)", "si", email, now);
  return db_finish(r->db, ok);
}

const char *shopper_log_in(request *r, const char *email, const char *password) {
  if (strlen(password) > MOST_PASSWORD || !is_email(email))
    return "Address and password do not belong together.";
  if (!may_try(r, email))
    return "There were too many attempts with this address. Please wait a quarter of an hour.";
  int64_t account = check_password(r, email, password);
  if (!account)
    return "Address and password do not belong together.";
  db_do(r->db, "DELETE FROM attempt WHERE email = ?", "s", email);
  if (!become(r, r->email[0] ? 0 : r->shopper, account))
    return "Logging in did not work just now. Please try again.";
  strncpy(r->email, email, sizeof r->email - 1);
  return NULL;
}

void shopper_log_out(request *r) {
  end_session(r);
  make_token(r);
  r->shopper = 0;
  r->email[0] = 0;
  r->seller = false;
}
