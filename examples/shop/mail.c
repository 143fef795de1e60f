#include "mail.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "database.h"
#include "html.h"

enum { MOST_TRIES = 11, MOST_AT_ONCE = 20 };

typedef struct message {
  int64_t order, time;
  char number[64], to[256];
  html text;
} message;

__attribute__((format(printf, 2, 3))) static void add_line(html *text, const char *format, ...) {
  char line[1024];
  va_list values;
  va_start(values, format);
  int n = vsnprintf(line, sizeof line - 2, format, values);
  va_end(values);
  if (n < 0)
    return;
  html_bytes(text, line, strlen(line));
  html_bytes(text, "\r\n", 2);
}

/* An address of several lines, each ended as a mail's lines are. */
static void add_lines(html *text, const char *lines) {
  while (*lines) {
    size_t n = strcspn(lines, "\n");
    html_bytes(text, lines, n);
    html_bytes(text, "\r\n", 2);
    lines += n + (lines[n] != 0);
  }
}

static bool write_message(shop *s, sqlite3 *db, message *m) {
  char sum[32], date[64];
  sqlite3_stmt *order = db_ask(
      db, "SELECT number, email, name, address, total, time, delivery FROM purchase WHERE id = ?", "i", m->order);
  if (!db_next(&order))
    return false;
  snprintf(m->number, sizeof m->number, "%s", db_text(order, 0));
  snprintf(m->to, sizeof m->to, "%s", db_text(order, 1));
  m->time = db_integer(order, 5);
  add_line(&m->text, "Thank you for your order %s at %s.", m->number, s->options.name);
  add_line(&m->text, "%s", "");
  for (sqlite3_stmt *row = db_ask(db, "SELECT quantity, title, price FROM purchased WHERE purchase = ?", "i", m->order);
       db_next(&row);)
    add_line(&m->text, "%" PRId64 " x %s, %s each", db_integer(row, 0), db_text(row, 1),
             money(db_integer(row, 2), sum));
  add_line(&m->text, "%s", "");
  add_line(&m->text, "Total: %s", money(db_integer(order, 4), sum));
  add_line(&m->text, "Estimated delivery: %s", day(db_integer(order, 6), date));
  add_line(&m->text, "%s", "");
  add_line(&m->text, "To:");
  add_lines(&m->text, db_text(order, 2));
  add_lines(&m->text, db_text(order, 3));
  add_line(&m->text, "%s", "");
  if (s->options.url)
    add_line(&m->text, "%s/order/%s", s->options.url, m->number);
  add_line(&m->text, "This shop is a demonstration: nothing was charged, and nothing will be sent.");
  db_end(&order);
  return !m->text.failed;
}

static bool keep_as_file(shop *s, const message *m) {
  char path[4096];
  snprintf(path, sizeof path, "%s/mail", s->options.folder);
  mkdir(path, 0700);
  snprintf(path, sizeof path, "%s/mail/%s.txt", s->options.folder, m->number);
  FILE *file = fopen(path, "w");
  bool ok = file && fprintf(file, "To: %s\r\n\r\n%s", m->to, m->text.bytes) > 0;
  return file && fclose(file) == 0 && ok;
}

static struct curl_slist *head_lines(shop *s, const message *m) {
  char line[1024], date[64];
  time_t seconds = (time_t)m->time;
  struct tm t;
  gmtime_r(&seconds, &t);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &t);
  struct curl_slist *lines = NULL;
  snprintf(line, sizeof line, "Date: %s", date);
  lines = curl_slist_append(lines, line);
  snprintf(line, sizeof line, "From: <%s>", s->options.sender);
  lines = curl_slist_append(lines, line);
  snprintf(line, sizeof line, "To: <%s>", m->to);
  lines = curl_slist_append(lines, line);
  snprintf(line, sizeof line, "Message-ID: <order-%s@%s>", m->number, strchr(s->options.sender, '@') + 1);
  lines = curl_slist_append(lines, line);
  snprintf(line, sizeof line, "Subject: Your order %s", m->number);
  return curl_slist_append(lines, line);
}

static bool is_stopping(shop *s) {
  pthread_mutex_lock(&s->lock);
  bool stopping = s->stopping;
  pthread_mutex_unlock(&s->lock);
  return stopping;
}

static int stop_sending(void *s, curl_off_t down, curl_off_t downloaded, curl_off_t up, curl_off_t uploaded) {
  (void)down, (void)downloaded, (void)up, (void)uploaded;
  return is_stopping(s);
}

static bool send_message(shop *s, const message *m) {
  char from[300], to[300], problem[CURL_ERROR_SIZE] = "";
  CURL *curl = curl_easy_init();
  if (!curl)
    return false;
  snprintf(from, sizeof from, "<%s>", s->options.sender);
  snprintf(to, sizeof to, "<%s>", m->to);
  struct curl_slist *receivers = curl_slist_append(NULL, to), *head = head_lines(s, m);
  curl_mime *body = curl_mime_init(curl);
  curl_mimepart *text = curl_mime_addpart(body);
  curl_mime_data(text, m->text.bytes, m->text.length);
  curl_mime_type(text, "text/plain; charset=utf-8");
  curl_mime_encoder(text, "quoted-printable");
  curl_easy_setopt(curl, CURLOPT_URL, s->options.smtp);
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, receivers);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, head);
  curl_easy_setopt(curl, CURLOPT_MIMEPOST, body);
  curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
  curl_easy_setopt(curl, CURLOPT_USERNAME, getenv("SHOP_SMTP_USER"));
  curl_easy_setopt(curl, CURLOPT_PASSWORD, getenv("SHOP_SMTP_PASSWORD"));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop_sending);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, s);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
  CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK)
    fprintf(stderr, "shop: the confirmation of %s waits: %s\n", m->number,
            problem[0] ? problem : curl_easy_strerror(code));
  curl_mime_free(body);
  curl_slist_free_all(head);
  curl_slist_free_all(receivers);
  curl_easy_cleanup(curl);
  return code == CURLE_OK;
}

static void send_one(shop *s, sqlite3 *db, int64_t order) {
  message m = {.order = order};
  bool sent = write_message(s, db, &m) && (s->options.smtp ? send_message(s, &m) : keep_as_file(s, &m));
  int64_t tries = db_number(db, 0, "SELECT tries FROM mail WHERE purchase = ?", "i", order) + 1;
  if (sent || tries >= MOST_TRIES)
    db_do(db, "DELETE FROM mail WHERE purchase = ?", "i", order);
  else
    db_do(db, "UPDATE mail SET tries = ?, due = ? WHERE purchase = ?", "iii", tries,
          time(NULL) + ((int64_t)30 << tries), order);
  if (!sent && tries >= MOST_TRIES)
    fprintf(stderr, "shop: the confirmation of order %s was given up\n", m.number);
  html_free(&m.text);
}

void mail_send_due(shop *s, sqlite3 *db) {
  int64_t orders[MOST_AT_ONCE];
  size_t n = 0;
  for (sqlite3_stmt *row = db_ask(db, "SELECT purchase FROM mail WHERE due <= ? ORDER BY due LIMIT ?", "ii",
                                  (int64_t)time(NULL), (int64_t)MOST_AT_ONCE);
       db_next(&row);)
    orders[n++] = db_integer(row, 0);
  for (size_t i = 0; i < n && !is_stopping(s); i++)
    send_one(s, db, orders[i]);
}
