/* recsys info and recsys check: what a store or a model holds, and whether a store is sound. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "command.h"
#include "json.h"
#include "opening.h"

static const args_option info_options[] = {
    {"json", NULL, "print the library's own description as one JSON object (docs/formats-json.md)", "--json"},
    {0},
};

static const args_command info_command = {
    "info",
    "STORE | --model MODEL [OPTION...]",
    "Prints what a store holds, or what a model is.",
    "recsys info shop.recsys\n"
    "recsys info --model resnet50.safetensors --json",
    {info_options, opening_model_options, args_general},
};

static const args_command check_command = {
    "check",
    "STORE [OPTION...]",
    "Verifies a whole store: SQLite's integrity, references between tables, the length and finiteness of every "
    "embedding,\n"
    "and that memory agrees with the file. The exit code is 0 when all is well; else one line for each finding.",
    "recsys check shop.recsys",
    {info_options, args_general},
};

static void print_fields(const store_facts *f, size_t from, size_t to, const char *heading) {
  printf("%-12s", heading);
  for (size_t i = from; i < to; i++)
    printf("%s%s", i > from ? ", " : "", f->fields[i]);
  puts(from == to ? "none" : "");
}

static void print_store(const char *path, const store_facts *f) {
  const recsys_store_info *i = &f->info;
  printf("store       %s (schema %u)\n", path, i->schema_version);
  printf("items       %llu\n", (unsigned long long)i->items);
  printf("users       %llu\n", (unsigned long long)i->users);
  printf("ratings     %llu\n", (unsigned long long)i->ratings);
  printf("events      %llu\n", (unsigned long long)i->events);
  printf("embeddings  %llu in %llu space%s\n", (unsigned long long)i->embeddings, (unsigned long long)i->spaces,
         i->spaces == 1 ? "" : "s");
  printf("labels      %llu\n", (unsigned long long)i->labels);
  print_fields(f, 0, f->n_labels, "fields");
  print_fields(f, f->n_labels, f->n_labels + f->n_numbers, "numbers");
  print_fields(f, f->n_labels + f->n_numbers, f->n_fields, "texts");
  if (!i->spaces)
    return;
  printf("space       %llu floats a picture, fingerprint %.16s\n", (unsigned long long)i->dim, i->fingerprint);
  if (f->model)
    printf("model       %s, layer %s, recipe %s%s\n", f->model, f->layer, f->recipe,
           f->untrained ? " (UNTRAINED: random weights)" : "");
}

/* The library's JSON, indented, with the command and the store in front. */
static int print_description(const char *description, const char *subject, const char *name) {
  json_t *object = json_pack("{ss ss}", "command", "info", subject, name);
  json_t *said = json_loads(description, 0, NULL);
  if (!object || !said) {
    say("the library's description is no JSON: %s", description);
    json_decref(object);
    json_decref(said);
    return FAILED;
  }
  json_object_update(object, said);
  json_decref(said);
  json_print(object);
  return DONE;
}

static int info_store(const args *a) {
  recsys_error error;
  store_facts facts;
  recsys_store *store = opening_store(a, a->words[0], RECSYS_STORE_MUST_EXIST | RECSYS_STORE_READ_ONLY);
  int code = FAILED;
  if (store && opening_facts(store, &facts)) {
    code = DONE;
    if (args_has(a, "json")) {
      char *description = opening_describe(store, &error);
      if (!description)
        say_error(&error);
      code = description ? print_description(description, "store", a->words[0]) : FAILED;
      free(description);
    } else {
      print_store(a->words[0], &facts);
    }
    opening_free_facts(&facts);
  }
  recsys_store_close(store);
  return code;
}

static int show_model(const args *a, recsys_model *model, const recsys_model_info *info) {
  char *description = NULL;
  size_t length = 0;
  recsys_error error = {0};
  int code = DONE;
  if (!args_has(a, "json")) {
    printf("network     %s, %llu parameters%s\n", info->architecture, (unsigned long long)info->parameters,
           info->trained ? "" : " (UNTRAINED: random weights)");
    printf("embedding   layer %s, %llu floats a picture\n", info->layer, (unsigned long long)info->dim);
    printf("recipe      %s\n", info->recipe);
    printf("classes     %llu\n", (unsigned long long)info->classes);
    printf("precision   %s\n", opening_precision(info->precision));
    printf("fingerprint %s\n", info->fingerprint);
    return DONE;
  }
  if (recsys_model_describe(model, NULL, 0, &length, &error) ||
      recsys_model_describe(model, description = need(length + 1, 1), length + 1, NULL, &error))
    code = say_error(&error);
  else
    code = print_description(description, "model", args_get(a, "model", ""));
  free(description);
  return code;
}

static int info_model(const args *a) {
  recsys_model_info info;
  int code = FAILED;
  recsys_model *model = opening_model(a, NULL, &info, &code);
  if (model)
    code = show_model(a, model, &info);
  recsys_model_close(model);
  return code;
}

int cmd_info(int argc, char **argv) {
  args a;
  int code = args_parse(&a, &info_command, argc, argv, 0, 1);
  if (code != ARGS_GO_ON)
    return code;
  if (args_has(&a, "model") == (a.n_words > 0))
    code = args_misuse(&a, "about what? Give a store or --model");
  else
    code = a.n_words ? info_store(&a) : info_model(&a);
  args_free(&a);
  return code;
}

static void print_findings(const args *a, bool sound, const char *report) {
  if (!args_has(a, "json")) {
    fputs(report, stdout);
    if (sound)
      printf("%s: all is well\n", a->words[0]);
    return;
  }
  json_t *findings = json_array();
  for (const char *at = report; *at;) {
    size_t length = strcspn(at, "\n");
    json_array_append_new(findings, json_stringn(at, length));
    at += length + (at[length] == '\n');
  }
  json_print(
      json_pack("{ss ss sb so}", "command", "check", "store", a->words[0], "sound", (int)sound, "findings", findings));
}

int cmd_check(int argc, char **argv) {
  enum { ROOM = 1 << 16 };
  args a;
  recsys_error error = {0};
  int code = args_parse(&a, &check_command, argc, argv, 1, 1);
  if (code != ARGS_GO_ON)
    return code;
  recsys_store *store = opening_store(&a, a.words[0], RECSYS_STORE_MUST_EXIST | RECSYS_STORE_READ_ONLY);
  code = FAILED;
  if (store) {
    char *report = need(ROOM, 1);
    recsys_status status = recsys_store_check(store, report, ROOM, NULL, &error);
    if (!status || status == RECSYS_EFORMAT)
      print_findings(&a, !status, report);
    code = status ? say_error(&error) : DONE;
    free(report);
  }
  recsys_store_close(store);
  args_free(&a);
  return code;
}
