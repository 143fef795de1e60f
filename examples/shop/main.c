/* shop --store STORE --model FILE: the shop at http://127.0.0.1:8080. See docs/shop.md. */
#include <curl/curl.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "advice.h"
#include "background.h"
#include "catalogue.h"
#include "database.h"
#include "http.h"
#include "shoppers.h"

static const char usage[] =
    "Usage: shop --store STORE --model FILE [OPTION...]\n"
    "\n"
    "  --store STORE       a store with pictures (recsys add makes one)\n"
    "  --model FILE        the network that its embeddings were made with\n"
    "  --folder DIR        where the shop keeps what is its own: shop.sqlite, pictures/ and mail/ (default: .)\n"
    "  --fields A,B        up to 8 fields of labels to show and to filter by\n"
    "  --title-field NAME  the text that is a product's name (default: title)\n"
    "  --name TEXT         the shop's name\n"
    "  --ranker TEXT       how lists are made (default: auto)\n"
    "  --learn-every SEC   seconds between two times that the ranker learns from what has happened (default: 3600)\n"
    "  --port N            default 8080\n"
    "  --public            listen on all addresses, not on 127.0.0.1 alone\n"
    "  --url URL           how the shop is reached from outside, for mails; with https: cookies are sent over TLS "
    "alone\n"
    "  --smtp URL          the mail server, such as smtp://127.0.0.1:25 (user and password: SHOP_SMTP_USER,\n"
    "                      SHOP_SMTP_PASSWORD); without it, confirmations are files in DIR/mail\n"
    "  --sender ADDRESS    who confirmations are from (default: shop@localhost.localdomain)\n"
    "  --make-seller ADDRESS   makes this account one that may sell, and ends\n";

static _Noreturn void misuse(const char *what, const char *value) {
  fprintf(stderr, "shop: %s%s\nTry: shop --help\n", what, value);
  exit(2);
}

/* Cuts the list at its commas. */
static void read_fields(shop_options *o, char *list) {
  for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
    if (o->n_fields == SHOP_FIELDS)
      misuse("--fields takes 8 names at most", "");
    if (!strcmp(name, "q") || !strcmp(name, "order") || !strcmp(name, "page") || !strcmp(name, "form") ||
        !strcmp(name, "title") || !strcmp(name, "price") || !strcmp(name, "description") || !strcmp(name, "picture"))
      misuse("this name of a field has another use in the shop: ", name);
    o->fields[o->n_fields++] = name;
  }
}

static const char *read_options(shop_options *o, int argc, char **argv) {
  static const struct option known[] = {
      {"store", 1, NULL, 's'},  {"model", 1, NULL, 'm'},       {"folder", 1, NULL, 'd'}, {"fields", 1, NULL, 'f'},
      {"name", 1, NULL, 'n'},   {"title-field", 1, NULL, 't'}, {"ranker", 1, NULL, 'r'}, {"learn-every", 1, NULL, 'l'},
      {"port", 1, NULL, 'p'},   {"public", 0, NULL, 'a'},      {"url", 1, NULL, 'u'},    {"smtp", 1, NULL, 'e'},
      {"sender", 1, NULL, 'o'}, {"make-seller", 1, NULL, 'k'}, {"help", 0, NULL, 'h'},   {0}};
  const char *seller = NULL;
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    switch (c) {
    case 's':
      o->store = optarg;
      break;
    case 'm':
      o->model = optarg;
      break;
    case 'd':
      o->folder = optarg;
      break;
    case 'f':
      read_fields(o, optarg);
      break;
    case 'n':
      o->name = optarg;
      break;
    case 't':
      o->title_field = optarg;
      break;
    case 'r':
      o->ranker = optarg;
      break;
    case 'l':
      o->learn_every = (uint64_t)number_of(optarg, 1, 1 << 30, 0);
      break;
    case 'p':
      o->port = (uint16_t)number_of(optarg, 1, 65535, 0);
      break;
    case 'a':
      o->public = true;
      break;
    case 'u':
      o->url = optarg;
      break;
    case 'e':
      o->smtp = optarg;
      break;
    case 'o':
      o->sender = optarg;
      break;
    case 'k':
      seller = optarg;
      break;
    case 'h':
      fputs(usage, stdout);
      exit(0);
    default:
      misuse("this is no option of the shop", "");
    }
  }
  if (optind < argc)
    misuse("what is this? ", argv[optind]);
  if (!seller && (!o->store || !o->model))
    misuse("--store and --model are needed", "");
  if (o->port == 0 || o->learn_every == 0)
    misuse("--port is 1 to 65535, --learn-every a number of seconds", "");
  if (!is_email(o->sender))
    misuse("--sender is no address: ", o->sender);
  return seller;
}

static int make_seller(shop *s, const char *email) {
  sqlite3 *db = db_take(s);
  bool ok = db && db_do(db, "UPDATE shopper SET seller = 1 WHERE email = ?", "s", email) && sqlite3_changes(db) == 1;
  db_give_back(s, db);
  if (ok)
    printf("%s may sell now.\n", email);
  else
    fprintf(stderr, "shop: there is no account of %s: register it in the shop first\n", email);
  return ok ? 0 : 1;
}

static bool make_locks(shop *s) {
  pthread_condattr_t attributes;
  return pthread_mutex_init(&s->lock, NULL) == 0 && pthread_mutex_init(&s->password_lock, NULL) == 0 &&
         pthread_mutex_init(&s->refresh_lock, NULL) == 0 && pthread_mutex_init(&s->flush_lock, NULL) == 0 &&
         pthread_condattr_init(&attributes) == 0 && pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
         pthread_cond_init(&s->changed, &attributes) == 0;
}

/* Until a signal ends it. */
static int run(shop *s, const sigset_t *ends) {
  background beside = {.running = 0};
  struct MHD_Daemon *server = catalogue_import(s) && background_start(s, &beside) ? http_start(s) : NULL;
  int which = 0;
  if (server) {
    printf("The shop is open: http://127.0.0.1:%u\n", s->options.port);
    fflush(stdout);
    sigwait(ends, &which);
    background_stop(s);
    MHD_stop_daemon(server);
  }
  background_end(s, &beside);
  return server ? 0 : 1;
}

int main(int argc, char **argv) {
  static shop s = {.options = {.name = "The shop",
                               .folder = ".",
                               .title_field = "title",
                               .ranker = "auto",
                               .sender = "shop@localhost.localdomain",
                               .port = 8080,
                               .learn_every = 3600},
                   .mail_waits = true};
  const char *seller = read_options(&s.options, argc, argv);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);
  signal(SIGPIPE, SIG_IGN);
  umask(077); /* addresses and hashes are in it */
  mkdir(s.options.folder, 0700);
  char *folder = realpath(s.options.folder, NULL); /* the store holds pictures' paths */
  if (folder)
    s.options.folder = folder;
  if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) || !make_locks(&s) || !db_prepare(&s))
    return 1;
  int code = seller ? make_seller(&s, seller) : 1;
  if (!seller && advice_open(&s))
    code = run(&s, &ends);
  advice_close(&s);
  db_close_all(&s);
  curl_global_cleanup();
  free(folder);
  return code;
}
