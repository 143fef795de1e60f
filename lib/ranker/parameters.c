/* Parsing and describing settings by their table. */
#include "ranker/parameters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static recsys_status parse_number(recsys__setting *setting, const recsys__parameter *p, recsys__params *params,
                                  recsys_error *error) {
  int64_t whole = 0;
  const char *text = recsys__params_text(params, p->key);
  if (!text || (p->words && !strcmp(text, p->words[0])))
    return RECSYS_OK;
  if (p->kind == RECSYS__NUMBER)
    return recsys__params_double(params, p->key, p->min, p->max, &setting->value, error);
  recsys_status status = recsys__params_int(params, p->key, (int64_t)p->min, (int64_t)p->max, &whole, error);
  if (!status)
    setting->value = (double)whole;
  return status;
}

static recsys_status parse_text(recsys__setting *setting, const recsys__parameter *p, recsys__params *params,
                                recsys_error *error) {
  const char *text = recsys__params_text(params, p->key);
  if (!text)
    return p->min == 0 ? RECSYS_OK : recsys__fail(error, RECSYS_EINVAL, 0, "'%s' needs %s=...", params->name, p->key);
  setting->text = recsys__strdup(text);
  return setting->text ? RECSYS_OK : recsys__no_memory(error, "the parameters");
}

static recsys_status parse_word(recsys__setting *setting, const recsys__parameter *p, recsys__params *params,
                                recsys_error *error) {
  int index = (int)setting->value;
  recsys_status status = recsys__params_choice(params, p->key, p->words, &index, error);
  setting->value = index;
  return status;
}

static void add_keys(char *known, size_t size, const recsys__parameter *table) {
  size_t length = strlen(known);
  for (size_t i = 0; table[i].key && length + strlen(table[i].key) + 3 < size; i++)
    length += (size_t)snprintf(known + length, size - length, "%s%s", length ? ", " : "", table[i].key);
}

recsys_status recsys__settings_finish(const recsys__parameter *table, const recsys__parameter *shared,
                                      recsys__params *params, recsys_error *error) {
  char known[1024] = "";
  add_keys(known, sizeof known, table);
  add_keys(known, sizeof known, shared);
  return recsys__params_finish(params, known, error);
}

recsys_status recsys__settings_parse(recsys__setting **out, const recsys__parameter *table, recsys__params *params,
                                     recsys_error *error) {
  size_t n = 0;
  recsys_status status = RECSYS_OK;
  while (table[n].key)
    n++;
  recsys__setting *settings = *out = recsys__calloc(n + 1, sizeof *settings);
  if (!settings)
    return recsys__no_memory(error, "the parameters");
  for (size_t i = 0; i < n; i++)
    settings[i].value = table[i].value;
  for (size_t i = 0; i < n && !status; i++) {
    if (table[i].kind == RECSYS__NUMBER || table[i].kind == RECSYS__INTEGER)
      status = parse_number(&settings[i], &table[i], params, error);
    else if (table[i].kind == RECSYS__WORD)
      status = parse_word(&settings[i], &table[i], params, error);
    else
      status = parse_text(&settings[i], &table[i], params, error);
  }
  return status;
}

static recsys_status restore(recsys__setting *s, const recsys__parameter *p, const json_t *json, recsys_error *error) {
  const char *word = json_string_value(json);
  double value = json_number_value(json);
  bool ok = true;
  if (!json || json_is_null(json))
    return RECSYS_OK;
  if (p->kind == RECSYS__TEXT || p->kind == RECSYS__TEXTS) {
    if (word && !(s->text = recsys__strdup(word)))
      return recsys__no_memory(error, "the parameters");
    ok = word != NULL;
  } else if (p->kind == RECSYS__WORD) {
    size_t i = 0;
    while (word && p->words[i] && strcmp(p->words[i], word) != 0)
      i++;
    ok = word && p->words[i];
    s->value = (double)i;
  } else if (word) {
    ok = p->words && !strcmp(word, p->words[0]);
  } else {
    ok = json_is_number(json) && value >= p->min && value <= p->max;
    s->value = value;
  }
  return ok ? RECSYS_OK : recsys__fail(error, RECSYS_EFORMAT, 0, "the file's parameter %s is impossible", p->key);
}

recsys_status recsys__settings_restore(recsys__setting **out, const recsys__parameter *table, const json_t *json,
                                       recsys_error *error) {
  size_t n = 0;
  recsys_status status = RECSYS_OK;
  while (table[n].key)
    n++;
  recsys__setting *settings = *out = recsys__calloc(n + 1, sizeof *settings);
  if (!settings)
    return recsys__no_memory(error, "the parameters");
  for (size_t i = 0; i < n && !status; i++) {
    settings[i].value = table[i].value;
    status = restore(&settings[i], &table[i], json_object_get(json, table[i].key), error);
    if (!status && table[i].kind == RECSYS__TEXT && table[i].min > 0 && !settings[i].text)
      status = recsys__fail(error, RECSYS_EFORMAT, 0, "the file lacks the parameter %s", table[i].key);
  }
  return status;
}

void recsys__settings_free(recsys__setting *settings, const recsys__parameter *table) {
  for (size_t i = 0; settings && table[i].key; i++)
    recsys__free(settings[i].text);
  recsys__free(settings);
}

static json_t *describe(const recsys__setting *s, const recsys__parameter *p) {
  if (p->kind == RECSYS__TEXT || p->kind == RECSYS__TEXTS)
    return s->text ? json_string(s->text) : json_null();
  if (p->kind == RECSYS__WORD)
    return json_string(p->words[(int)s->value]);
  if (isnan(s->value))
    return json_string(p->words[0]);
  return p->kind == RECSYS__INTEGER ? json_integer((json_int_t)s->value) : json_real(s->value);
}

bool recsys__settings_describe(const recsys__setting *settings, const recsys__parameter *table, json_t *json) {
  for (size_t i = 0; table[i].key; i++)
    if (json_object_set_new(json, table[i].key, describe(&settings[i], &table[i])))
      return false;
  return true;
}

bool recsys__list_has(const char *list, const char *word) {
  size_t length = strlen(word);
  if (!list)
    return true;
  for (const char *at = list; *at;) {
    size_t n = strcspn(at, ",");
    if (n == length && !memcmp(at, word, n))
      return true;
    at += n + (at[n] == ',');
  }
  return false;
}
