/* Downloads with libcurl: resumed, bounded, verified. */
#include "fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "command.h"

char *fetch_folder(void) {
  const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
  if (data && *data == '/')
    return need_text("%s/recsys", data);
  return home && *home ? need_text("%s/.local/share/recsys", home) : NULL;
}

static char *find_in(const char *folder, const char *name) {
  char *path = folder ? need_text("%s/%s.safetensors", folder, name) : NULL;
  struct stat status;
  if (path && !stat(path, &status) && S_ISREG(status.st_mode))
    return path;
  free(path);
  return NULL;
}

char *fetch_find(const char *name) {
  if (strchr(name, '/'))
    return NULL;
  char *folder = fetch_folder(), *path = find_in(folder, name);
  free(folder);
  return path ? path : find_in(RECSYS_DATADIR, name);
}

#ifdef RECSYS_WITH_CURL
#include <curl/curl.h>

typedef struct download {
  FILE *file;
  fetch_progress progress;
  void *user;
  uint64_t before; /* bytes of an earlier try */
} download;

static const curl_off_t MOST = (curl_off_t)4 << 30; /* no published weights are larger */

static int report(void *user, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up) {
  const download *d = user;
  (void)up_total, (void)up;
  if (done + (curl_off_t)d->before > MOST)
    return 1;
  return d->progress ? d->progress(d->user, d->before + (uint64_t)done, total ? d->before + (uint64_t)total : 0) : 0;
}

/* CURLE_OK, and the answer's code in *code. */
static CURLcode transfer(const char *url, download *d, long *code) {
  CURL *curl = curl_easy_init();
  if (!curl)
    return CURLE_FAILED_INIT;
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "recsys");
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, d->file);
  curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)d->before);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, report);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, d);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  CURLcode result = curl_easy_perform(curl);
  *code = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, code);
  curl_easy_cleanup(curl);
  return result;
}

static bool digest_fits(const char *path, const char *digest) {
  unsigned char bytes[1 << 16];
  recsys__sha256 sha;
  char hex[65];
  FILE *file = fopen(path, "rb");
  if (!file)
    return false;
  recsys__sha256_init(&sha);
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
    recsys__sha256_update(&sha, bytes, n);
  bool whole = !ferror(file);
  fclose(file);
  recsys__sha256_hex(&sha, hex);
  return whole && strncmp(hex, digest, strlen(digest)) == 0;
}

/* One try from where the part ends; from its beginning where the server cannot go on there. */
static CURLcode get_part(const char *url, const char *part, download *d, long *code) {
  for (int again = 0;; again++) {
    d->file = fopen(part, again ? "wb" : "ab");
    if (!d->file)
      return CURLE_WRITE_ERROR;
    fseeko(d->file, 0, SEEK_END);
    d->before = (uint64_t)ftello(d->file);
    CURLcode result = transfer(url, d, code);
    if (fclose(d->file) && result == CURLE_OK)
      result = CURLE_WRITE_ERROR;
    /* 416: nothing is left to send, or the part is longer than the file. */
    bool cannot = result == CURLE_RANGE_ERROR || (result == CURLE_HTTP_RETURNED_ERROR && *code == 416);
    if (!cannot || d->before == 0 || again)
      return result;
  }
}

bool fetch_download(const char *url, const char *digest, const char *path, fetch_progress progress, void *user) {
  char *part = need_text("%s.part", path);
  download d = {.progress = progress, .user = user};
  long code = 0;
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLcode result = get_part(url, part, &d, &code);
  bool good = false;
  if (result == CURLE_HTTP_RETURNED_ERROR) {
    say("%s: the server answers %ld", url, code);
    if (d.before == 0)
      unlink(part);
  } else if (result != CURLE_OK) {
    say("%s: %s; what has come so far is kept: run the command again to go on", url, curl_easy_strerror(result));
  } else if (!digest_fits(part, digest)) {
    say("%s: this is not the published file (its SHA-256 does not begin with %s); nothing was kept", url, digest);
    unlink(part);
  } else if (rename(part, path)) {
    say("%s: %s", path, strerror(errno));
  } else {
    good = true;
  }
  free(part);
  return good;
}
#else
bool fetch_download(const char *url, const char *digest, const char *path, fetch_progress progress, void *user) {
  (void)digest, (void)path, (void)progress, (void)user;
  say("%s: this recsys was built without libcurl, so it cannot download; get the file by hand, and use recsys convert",
      url);
  return false;
}
#endif
