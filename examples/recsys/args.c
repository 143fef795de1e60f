/* Command lines: options described in tables, from which both the parser and --help work. */
#include "args.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "progress.h"

const args_option args_general[] = {
    {"progress", "HOW",
     "bar, lines or none on stderr for what lasts over a second; auto: a bar on a terminal, else lines",
     "--progress none"},
    {"help", NULL, "print this and exit", NULL},
    {0},
};

static const args_option *find(const args_command *command, const char *name, size_t length) {
  for (size_t table = 0; command->options[table]; table++) {
    for (const args_option *o = command->options[table]; o->name; o++) {
      if (strlen(o->name) == length && !strncmp(o->name, name, length))
        return o;
    }
  }
  return NULL;
}

static void print_lines(const char *lines, int indent) {
  while (*lines) {
    size_t length = strcspn(lines, "\n");
    printf("%*s%.*s\n", length ? indent : 0, "", (int)length, lines);
    lines += length + (lines[length] == '\n');
  }
}

static void print_help(const args_command *command) {
  printf("Usage: recsys %s %s\n\n", command->name, command->usage);
  print_lines(command->about, 0);
  printf("\nOptions:\n");
  for (size_t table = 0; command->options[table]; table++) {
    for (const args_option *o = command->options[table]; o->name; o++) {
      printf("  %s%s%s%s\n", o->name[1] ? "--" : "-", o->name, o->value ? " " : "", o->value ? o->value : "");
      print_lines(o->help, 6);
      if (o->example)
        printf("      e.g. %s\n", o->example);
    }
  }
  printf("\nExamples:\n");
  print_lines(command->examples, 2);
}

int args_misuse(const args *a, const char *format, ...) {
  va_list arguments;
  char *message = NULL;
  va_start(arguments, format);
  int length = vasprintf(&message, format, arguments);
  va_end(arguments);
  say("%s: %s", a->command->name, length < 0 ? "wrong use" : message);
  fprintf(stderr, "Usage: recsys %s %s\nTry: recsys %s --help\n", a->command->name, a->command->usage,
          a->command->name);
  free(message);
  return MISUSED;
}

static void keep(args *a, const args_option *option, const char *value) {
  a->given = need_more(a->given, a->n_given + 1, sizeof *a->given);
  a->given[a->n_given++] = (struct args_given){option, value};
}

/* One argument that begins with a dash, at argv[*at]. */
static int parse_option(args *a, int argc, char **argv, int *at) {
  const char *word = argv[*at];
  bool is_long = word[1] == '-';
  const char *name = word + 1 + is_long;
  size_t length = is_long ? strcspn(name, "=") : 1;
  const char *value = name[length] ? name + length + is_long : NULL;
  const args_option *option = is_long && length == 1 ? NULL : find(a->command, name, length);
  if (!option || (is_long && !option->name[1]))
    return args_misuse(a, "there is no option %s", word);
  if (!option->value && value)
    return args_misuse(a, "%.*s takes no value", (int)(name - word + (ptrdiff_t)length), word);
  if (option->value && !value) {
    if (*at + 1 >= argc)
      return args_misuse(a, "%s needs a value: %s", word, option->value);
    value = argv[++*at];
  }
  keep(a, option, value);
  return ARGS_GO_ON;
}

static int check_words(const args *a, size_t min_words, size_t max_words) {
  if (a->n_words < min_words)
    return args_misuse(a, "too few arguments");
  if (a->n_words > max_words)
    return args_misuse(a, "what is \"%s\" for? There are too many arguments", a->words[max_words]);
  if (!progress_choose(args_get(a, "progress", "auto")))
    return args_misuse(a, "--progress is auto, bar, lines or none");
  return ARGS_GO_ON;
}

int args_parse(args *a, const args_command *command, int argc, char **argv, size_t min_words, size_t max_words) {
  bool only_words = false;
  int code = ARGS_GO_ON;
  *a = (args){.command = command, .words = need((size_t)argc + 1, sizeof *a->words)};
  for (int at = 1; at < argc && code == ARGS_GO_ON; at++) {
    if (only_words || argv[at][0] != '-' || !argv[at][1])
      a->words[a->n_words++] = argv[at];
    else if (!strcmp(argv[at], "--"))
      only_words = true;
    else
      code = parse_option(a, argc, argv, &at);
  }
  if (code == ARGS_GO_ON && args_has(a, "help")) {
    print_help(command);
    code = DONE;
  }
  if (code == ARGS_GO_ON)
    code = check_words(a, min_words, max_words);
  if (code != ARGS_GO_ON)
    args_free(a);
  return code;
}

void args_free(args *a) {
  free(a->given);
  free(a->words);
  *a = (args){0};
}

const char *args_next(const args *a, const char *name, size_t *at) {
  while (*at < a->n_given) {
    const struct args_given *given = &a->given[(*at)++];
    if (!strcmp(given->option->name, name))
      return given->value ? given->value : "";
  }
  return NULL;
}

const char *args_get(const args *a, const char *name, const char *otherwise) {
  const char *value;
  for (size_t at = 0; (value = args_next(a, name, &at));)
    otherwise = value;
  return otherwise;
}

bool args_has(const args *a, const char *name) {
  return args_get(a, name, NULL) != NULL;
}

static const char *dashes(const char *name) {
  return name[1] ? "--" : "-";
}

bool args_whole(const args *a, const char *name, uint64_t min, uint64_t max, uint64_t *out) {
  const char *value = args_get(a, name, NULL);
  if (!value)
    return true;
  char *end = NULL;
  errno = 0;
  uint64_t number = strtoull(value, &end, 10);
  if (value[0] < '0' || value[0] > '9' || *end || errno || number < min || number > max) {
    args_misuse(a, "%s%s is a whole number from %llu to %llu, not \"%s\"", dashes(name), name, (unsigned long long)min,
                (unsigned long long)max, value);
    return false;
  }
  *out = number;
  return true;
}

bool args_real(const args *a, const char *name, double min, double max, double *out) {
  const char *value = args_get(a, name, NULL);
  if (!value)
    return true;
  char *end = NULL;
  double number = strtod(value, &end);
  if (end == value || *end || !(number >= min && number <= max)) {
    args_misuse(a, "%s%s is a number from %g to %g, not \"%s\"", dashes(name), name, min, max, value);
    return false;
  }
  *out = number;
  return true;
}

char **args_list(const char *value, size_t *n) {
  char **list = need(1, sizeof *list);
  textbuf piece = {0};
  *n = 0;
  for (const char *at = value;; at++) {
    if (*at == ',' || !*at) {
      list = need_more(list, *n + 1, sizeof *list);
      list[(*n)++] = need_copy(piece.bytes ? piece.bytes : "");
      piece.length = 0;
      text_add(&piece, "", 0);
      if (!*at)
        break;
      continue;
    }
    if (*at == '\\' && at[1])
      at++;
    text_add(&piece, at, 1);
  }
  free(piece.bytes);
  return list;
}

void args_free_list(char **list, size_t n) {
  for (size_t i = 0; i < n; i++)
    free(list[i]);
  free(list);
}
