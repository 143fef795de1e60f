/* Command lines: options described in tables, from which both the parser and --help work. */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct args_option {
  const char *name;    /* without dashes; one letter is a short option; NULL ends a table */
  const char *value;   /* what --help calls its value; NULL: a switch */
  const char *help;    /* one or more lines */
  const char *example; /* how it looks on a command line */
} args_option;

typedef struct args_command {
  const char *name;              /* "add" */
  const char *usage;             /* "STORE --images DIR [OPTION...]" */
  const char *about;             /* paragraphs */
  const char *examples;          /* lines */
  const args_option *options[6]; /* tables; NULL ends, so at most five */
} args_command;

typedef struct args {
  const args_command *command;
  struct args_given {
    const args_option *option;
    const char *value;
  } * given;
  size_t n_given;
  char **words; /* what is no option, in order */
  size_t n_words;
} args;

enum { ARGS_GO_ON = -1 };

/* ARGS_GO_ON, or the exit code when --help was printed or the command line is wrong (said already). Words may number
 * min_words..max_words. */
int args_parse(args *a, const args_command *command, int argc, char **argv, size_t min_words, size_t max_words);
void args_free(args *a);

bool args_has(const args *a, const char *name);
/* The value given last, or `otherwise`. */
const char *args_get(const args *a, const char *name, const char *otherwise);
/* The values given, one after the other: start with *at = 0; NULL at the end. */
const char *args_next(const args *a, const char *name, size_t *at);
/* Numbers in min..max; a wrong one is said, and false is returned. An option that was not given leaves *out alone. */
bool args_whole(const args *a, const char *name, uint64_t min, uint64_t max, uint64_t *out);
bool args_real(const args *a, const char *name, double min, double max, double *out);
/* Says what is wrong and how to get help; returns the exit code. */
__attribute__((format(printf, 2, 3))) int args_misuse(const args *a, const char *format, ...);

/* "a,b\,c" cut at commas, a backslash protecting the next character: n strings, freed with args_free_list. */
char **args_list(const char *value, size_t *n);
void args_free_list(char **list, size_t n);

extern const args_option args_general[]; /* --progress, --help: in every command */

#endif
