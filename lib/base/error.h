/* Statuses and messages: the only way in which the library reports that something went wrong. */
#ifndef RECSYS_BASE_ERROR_H
#define RECSYS_BASE_ERROR_H

#include "recsys.h"

/* Clears `error` (NULL allowed) and returns RECSYS_OK. Every public function starts or ends with it. */
recsys_status recsys__ok(recsys_error *error);

/* Writes status, detail and a message (cut on a UTF-8 boundary) to `error` (NULL allowed) and returns the status.
 * The message says what, where, and what would mend it: "cannot read 'a.jpg': it is empty; write it again". */
recsys_status recsys__fail(recsys_error *error, recsys_status status, int32_t detail, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* recsys__fail with RECSYS_ENOMEM and a standard sentence. `what` is what the memory was for: "the row of 4096 floats".
 */
recsys_status recsys__no_memory(recsys_error *error, const char *what);

/* recsys__fail from errno: ENOENT -> RECSYS_ENOTFOUND, ENOSPC and EDQUOT -> RECSYS_EFULL, EROFS, EACCES and EPERM on
 * writing -> RECSYS_EREADONLY, ENOMEM -> RECSYS_ENOMEM, else RECSYS_EIO. `doing` reads like "write". */
recsys_status recsys__fail_errno(recsys_error *error, int errnum, const char *doing, const char *path);

/* A log callback with its user pointer, as handed to the parts of a handle; fn may be NULL. */
typedef struct recsys__log {
  recsys_log_fn fn;
  void *user;
} recsys__log;

/* Formats one message and hands it to the callback, on this thread. */
void recsys__log_write(const recsys__log *log, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
