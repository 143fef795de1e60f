/* Algorithm strings: a name, then key=value pairs, values with spaces in double quotes. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"

enum { MAX_PARAMS = 256 };

/* Where the parser is: it reads `text` and writes unescaped words to `out`, which never overtakes it. */
typedef struct parser {
  const char *text, *at;
  char *out;
  recsys_error *error;
} parser;

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.' || c == ':';
}

static void skip_spaces(parser *p) {
  while (is_space(*p->at)) {
    p->at++;
  }
}

static recsys_status syntax(const parser *p, const char *problem) {
  recsys__fail(p->error, RECSYS_EINVAL, 0, "'%s': %s at byte %zu; write it as name key=value key=\"a value\"", p->text,
               problem, (size_t)(p->at - p->text) + 1);
  return RECSYS_EINVAL;
}

/* Letters, digits and _-.: to the output. */
static recsys_status read_word(parser *p, const char *problem, const char **word) {
  if (!is_word(*p->at)) {
    return syntax(p, problem);
  }
  *word = p->out;
  while (is_word(*p->at)) {
    *p->out++ = *p->at++;
  }
  return RECSYS_OK;
}

static recsys_status read_quoted(parser *p) {
  for (p->at++; *p->at != '"'; p->at++) {
    if (*p->at == '\\') {
      p->at++;
      if (*p->at != '"' && *p->at != '\\') {
        return syntax(p, "only \\\" and \\\\ can be escaped: wrong");
      }
    }
    if (*p->at == '\0') {
      return syntax(p, "the closing quote is missing");
    }
    *p->out++ = *p->at;
  }
  p->at++;
  return RECSYS_OK;
}

static recsys_status read_value(parser *p, const char **value) {
  *value = p->out;
  if (*p->at == '"') {
    return read_quoted(p);
  }
  while (*p->at != '\0' && !is_space(*p->at) && *p->at != '"' && *p->at != ';') {
    *p->out++ = *p->at++;
  }
  return *value == p->out ? syntax(p, "a value is missing") : RECSYS_OK;
}

static const struct recsys__param *find(const recsys__params *params, const char *key) {
  for (size_t i = 0; i < params->count; i++) {
    if (strcmp(params->list[i].key, key) == 0) {
      return &params->list[i];
    }
  }
  return NULL;
}

static recsys_status read_pair(parser *p, recsys__params *params, size_t *capacity) {
  struct recsys__param pair = {0};
  recsys_status status = read_word(
      p, *p->at == ';' ? "';' separates algorithms, only one is taken here:" : "a parameter's name was expected",
      &pair.key);
  if (status == RECSYS_OK && *p->at != '=') {
    status = syntax(p, "'=' was expected");
  }
  if (status != RECSYS_OK) {
    return status;
  }
  p->at++;
  *p->out++ = '\0';
  status = read_value(p, &pair.value);
  if (status == RECSYS_OK && *p->at != '\0' && !is_space(*p->at)) {
    status = syntax(p, *p->at == ';' ? "';' separates algorithms, only one is taken here:" : "a space was expected");
  }
  if (status != RECSYS_OK) {
    return status;
  }
  skip_spaces(p);
  *p->out++ = '\0';
  if (find(params, pair.key) != NULL) {
    return recsys__fail(p->error, RECSYS_EINVAL, 0, "'%s': %s is given twice (before byte %zu); give it once", p->text,
                        pair.key, (size_t)(p->at - p->text) + 1);
  }
  void *list = params->list;
  if (params->count == MAX_PARAMS) {
    return recsys__fail(p->error, RECSYS_EINVAL, 0, "an algorithm takes at most %d parameters", MAX_PARAMS);
  }
  if (!recsys__grow(&list, capacity, params->count + 1, sizeof *params->list)) {
    return recsys__no_memory(p->error, "an algorithm's parameters");
  }
  params->list = list;
  params->list[params->count++] = pair;
  return RECSYS_OK;
}

static recsys_status parse(parser *p, recsys__params *params) {
  skip_spaces(p);
  recsys_status status = read_word(p, "an algorithm's name was expected", &params->name);
  if (status == RECSYS_OK && *p->at != '\0' && !is_space(*p->at)) {
    status = syntax(p, *p->at == ';' ? "';' separates algorithms, only one is taken here:"
                                     : "a space was expected after the name");
  }
  if (status != RECSYS_OK) {
    return status;
  }
  skip_spaces(p);
  *p->out++ = '\0';
  size_t capacity = 0;
  while (status == RECSYS_OK && *p->at != '\0') {
    status = read_pair(p, params, &capacity);
  }
  return status;
}

recsys_status recsys__params_parse(recsys__params *params, const char *text, recsys_error *error) {
  *params = (recsys__params){0};
  if (text == NULL) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "the algorithm is NULL; give a string such as \"popular\"");
  }
  size_t n = strlen(text);
  if (!recsys__utf8_valid(text, n)) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "'%s': the algorithm is not UTF-8; write it in UTF-8", text);
  }
  /* Every word is followed by a byte that is not copied ('=', a space, the end), which leaves room for its NUL. */
  params->storage = recsys__alloc(n + 1, 1);
  if (params->storage == NULL) {
    return recsys__no_memory(error, "an algorithm's parameters");
  }
  parser p = {text, text, params->storage, error};
  recsys_status status = parse(&p, params);
  if (status != RECSYS_OK) {
    recsys__params_free(params);
  }
  return status;
}

void recsys__params_free(recsys__params *params) {
  recsys__free(params->list);
  recsys__free(params->storage);
  *params = (recsys__params){0};
}

const char *recsys__params_text(recsys__params *params, const char *key) {
  for (size_t i = 0; i < params->count; i++) {
    if (strcmp(params->list[i].key, key) == 0) {
      params->list[i].used = true;
      return params->list[i].value;
    }
  }
  return NULL;
}

recsys_status recsys__params_int(recsys__params *params, const char *key, int64_t min, int64_t max, int64_t *value,
                                 recsys_error *error) {
  const char *text = recsys__params_text(params, key);
  int64_t parsed;
  if (text == NULL) {
    return RECSYS_OK;
  }
  if (!recsys__parse_int64(text, &parsed) || parsed < min || parsed > max) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s: %s=%s must be a whole number from %lld to %lld", params->name,
                        key, text, (long long)min, (long long)max);
  }
  *value = parsed;
  return RECSYS_OK;
}

recsys_status recsys__params_double(recsys__params *params, const char *key, double min, double max, double *value,
                                    recsys_error *error) {
  const char *text = recsys__params_text(params, key);
  double parsed;
  if (text == NULL) {
    return RECSYS_OK;
  }
  if (!recsys__parse_double(text, false, &parsed) || parsed < min || parsed > max) {
    return recsys__fail(error, RECSYS_EINVAL, 0, "%s: %s=%s must be a number from %g to %g", params->name, key, text,
                        min, max);
  }
  *value = parsed;
  return RECSYS_OK;
}

recsys_status recsys__params_choice(recsys__params *params, const char *key, const char *const *words, int *value,
                                    recsys_error *error) {
  const char *text = recsys__params_text(params, key);
  if (text == NULL) {
    return RECSYS_OK;
  }
  recsys__string list = {0};
  for (int i = 0; words[i] != NULL; i++) {
    if (strcmp(words[i], text) == 0) {
      *value = i;
      recsys__string_free(&list);
      return RECSYS_OK;
    }
    recsys__string_printf(&list, "%s%s", i > 0 ? ", " : "", words[i]);
  }
  recsys_status status = recsys__fail(error, RECSYS_EINVAL, 0, "%s: %s=%s must be one of: %s", params->name, key, text,
                                      list.failed || list.data == NULL ? "(no memory to list them)" : list.data);
  recsys__string_free(&list);
  return status;
}

recsys_status recsys__params_finish(recsys__params *params, const char *known, recsys_error *error) {
  for (size_t i = 0; i < params->count; i++) {
    if (!params->list[i].used) {
      bool none = known == NULL || *known == '\0';
      return recsys__fail(error, RECSYS_EINVAL, 0, "%s: there is no parameter %s; it takes %s", params->name,
                          params->list[i].key, none ? "none" : known);
    }
  }
  return RECSYS_OK;
}
