/* --where, --without and the limits of likeness, as one filter of the library. */
#include "where.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "items.h"

const args_option where_options[] = {
    {"where", "CONDITION",
     "FIELD=VALUE[,VALUE...]: the item has one of these labels\n"
     "FIELD!=VALUE[,VALUE...]: it has none of them\n"
     "FIELD=FROM..TO: its number lies in this range; either end may be left out\n"
     "Given repeatedly, all conditions must hold. A backslash before a comma keeps it in the value.",
     "--where colour=red,blue --where price=10..50"},
    {"without", "ITEM[,ITEM...]", "leave these items out", "--without SKU-00123,SKU-00200"},
    {0},
};

/* One end of a range; an empty one is `otherwise`. */
static bool parse_end(const char *from, size_t length, double otherwise, double *out) {
  char number[64], *end = NULL;
  if (!length) {
    *out = otherwise;
    return true;
  }
  if (length >= sizeof number)
    return false;
  memcpy(number, from, length);
  number[length] = '\0';
  *out = strtod(number, &end);
  return !*end && !isnan(*out);
}

/* "10..50", "10..", "..50", or for a numeric field also "10". */
static bool parse_range(const char *value, bool numeric, recsys_clause *clause) {
  const char *dots = strstr(value, "..");
  if (!dots)
    return numeric && *value && parse_end(value, strlen(value), NAN, &clause->min) &&
           parse_end(value, strlen(value), NAN, &clause->max);
  return strlen(value) > 2 && parse_end(value, (size_t)(dots - value), -INFINITY, &clause->min) &&
         parse_end(dots + 2, strlen(dots + 2), INFINITY, &clause->max);
}

static int complain_field(const args *a, const store_facts *facts, const char *field) {
  textbuf known = {0};
  for (size_t i = 0; i < facts->n_labels + facts->n_numbers; i++)
    text_printf(&known, "%s%s", i ? ", " : "", facts->fields[i]);
  say("%s: no item of this store has the field \"%s\"; it has: %s", a->command->name, field,
      known.length ? known.bytes : "none");
  free(known.bytes);
  return FAILED;
}

/* The index of a field; n_fields: there is none. */
static size_t find_field(const store_facts *facts, const char *field) {
  size_t index = 0;
  while (index < facts->n_labels + facts->n_numbers && strcmp(facts->fields[index], field) != 0)
    index++;
  return index < facts->n_labels + facts->n_numbers ? index : facts->n_fields;
}

static int parse_values(const args *a, const char *condition, const char *value, const store_facts *facts, size_t field,
                        recsys_clause *clause, char ***values) {
  bool numeric = field >= facts->n_labels && field < facts->n_labels + facts->n_numbers;
  if (clause->op == RECSYS_CLAUSE_ANY && parse_range(value, numeric, clause)) {
    clause->op = RECSYS_CLAUSE_RANGE;
    if (clause->min > clause->max)
      return args_misuse(a, "--where %s: the range ends before it begins", condition);
    return 0;
  }
  if (numeric)
    return args_misuse(a, "--where %s: this field holds numbers; write FIELD=FROM..TO", condition);
  size_t n = 0;
  *values = args_list(value, &n);
  clause->values = (const char *const *)*values;
  clause->n_values = (uint32_t)n;
  return 0;
}

static int parse_condition(const args *a, const char *condition, const store_facts *facts, where *w, size_t i) {
  const char *equals = strchr(condition, '=');
  if (!equals || equals == condition || (equals == condition + 1 && *condition == '!') || !equals[1])
    return args_misuse(a, "--where is FIELD=VALUE, FIELD!=VALUE or FIELD=FROM..TO, not \"%s\"", condition);
  bool none = equals[-1] == '!';
  recsys_clause *clause = &w->clauses[i];
  w->fields[i] = need_text("%.*s", (int)(equals - condition - none), condition);
  *clause = (recsys_clause){.field = w->fields[i], .op = none ? RECSYS_CLAUSE_NONE : RECSYS_CLAUSE_ANY};
  w->filter.n_clauses = i + 1;
  size_t field = find_field(facts, w->fields[i]);
  return field == facts->n_fields ? complain_field(a, facts, w->fields[i])
                                  : parse_values(a, condition, equals + 1, facts, field, clause, &w->values[i]);
}

static int parse_conditions(where *w, const args *a, const store_facts *facts) {
  const char *condition;
  w->clauses = need(a->n_given, sizeof *w->clauses);
  w->fields = need(a->n_given, sizeof *w->fields);
  w->values = need(a->n_given, sizeof *w->values);
  for (size_t at = 0, i = 0; (condition = args_next(a, "where", &at)); i++) {
    int code = parse_condition(a, condition, facts, w, i);
    if (code)
      return code;
  }
  w->filter.clauses = w->clauses;
  return 0;
}

static int parse_without(where *w, const args *a, recsys_store *store) {
  const char *value;
  for (size_t at = 0; (value = args_next(a, "without", &at));) {
    size_t n = 0;
    char **words = args_list(value, &n);
    w->deny = need_more(w->deny, w->filter.n_deny + n, sizeof *w->deny);
    bool known = items_resolve_all(store, a, RECSYS_ITEMS, (const char *const *)words, n, w->deny + w->filter.n_deny);
    args_free_list(words, n);
    if (!known)
      return FAILED;
    w->filter.n_deny += n;
  }
  w->filter.deny = w->deny;
  return 0;
}

static int parse_limits(where *w, const args *a) {
  recsys_filter *f = &w->filter;
  if (!args_real(a, "min-similarity", -1, 1, &f->min_similarity) ||
      !args_real(a, "max-distance", 0, INFINITY, &f->max_distance))
    return MISUSED;
  f->flags |= args_has(a, "min-similarity") ? RECSYS_FILTER_MIN_SIMILARITY : 0;
  f->flags |= args_has(a, "max-distance") ? RECSYS_FILTER_MAX_DISTANCE : 0;
  f->flags |= args_has(a, "rated") ? RECSYS_FILTER_RATED : 0;
  return 0;
}

int where_parse(where *w, const args *a, recsys_store *store, const store_facts *facts) {
  *w = (where){.filter = {.struct_size = sizeof(recsys_filter)}};
  int code = parse_conditions(w, a, facts);
  if (!code)
    code = parse_without(w, a, store);
  if (!code)
    code = parse_limits(w, a);
  if (code)
    where_free(w);
  return code;
}

void where_free(where *w) {
  for (size_t i = 0; i < w->filter.n_clauses; i++) {
    free(w->fields[i]);
    args_free_list(w->values[i], w->clauses[i].n_values);
  }
  free(w->clauses);
  free(w->fields);
  free(w->values);
  free(w->deny);
  *w = (where){0};
}
