/* What all subcommands share: their entries, exit codes, messages, and memory that is there or ends the program. */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recsys.h"

enum { DONE = 0, FAILED = 1, MISUSED = 2 }; /* exit codes */

int cmd_add(int argc, char **argv);
int cmd_rate(int argc, char **argv);
int cmd_similar(int argc, char **argv);
int cmd_index(int argc, char **argv);
int cmd_recommend(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);
int cmd_tune(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_label(int argc, char **argv);
int cmd_evaluate_model(int argc, char **argv);
int cmd_combine(int argc, char **argv);
int cmd_distill(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_fetch(int argc, char **argv);
int cmd_classify(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_check(int argc, char **argv);

/* One line to stderr, after "recsys: ". */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/* The same with the library's message; returns FAILED. */
int say_error(const recsys_error *error);

/* These end the program with a message when there is no memory. */
void *need(size_t count, size_t size);                    /* zeroed */
void *need_more(void *memory, size_t count, size_t size); /* realloc; new bytes are not zeroed */
char *need_copy(const char *string);                      /* NULL stays NULL */
__attribute__((format(printf, 1, 2))) char *need_text(const char *format, ...);

/* A growing text. */
typedef struct textbuf {
  char *bytes; /* NUL-terminated when length > 0 */
  size_t length, capacity;
} textbuf;
void text_add(textbuf *t, const char *bytes, size_t n);
void text_puts(textbuf *t, const char *string);
__attribute__((format(printf, 2, 3))) void text_printf(textbuf *t, const char *format, ...);
/* How many of n bytes are UTF-8 without a zero byte, from the first on: n when all are. */
size_t text_utf8_part(const char *bytes, size_t n);

/* Reads a whole regular file of at most `limit` bytes; NULL with errno set otherwise. */
char *read_whole_file(const char *path, size_t limit, size_t *size);

#endif
