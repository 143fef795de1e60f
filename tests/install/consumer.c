#include <recsys.h>
int main(void) {
  recsys_store *store;
  recsys_status status = recsys_store_open(&store, ":memory:", NULL, NULL);
  recsys_store_close(store);
  return status != RECSYS_OK || recsys_version() / 1000 != RECSYS_VERSION_MAJOR * 1000 + RECSYS_VERSION_MINOR;
}
