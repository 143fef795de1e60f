/* Reports as JSON: docs/formats-json.md says what every member means. */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "lists.h"

json_t *json_text(const char *string) {
  return string ? json_stringn(string, text_utf8_part(string, strlen(string))) : json_null();
}

void json_print(json_t *object) {
  if (!object || json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)))
    say("out of memory for the JSON output");
  putchar('\n');
  json_decref(object);
}

static void set_item(json_t *object, const shown_item *item) {
  if (item->id >= 0)
    json_object_set_new(object, "id", json_integer(item->id));
  json_object_set_new(object, "key", json_text(item->key));
  if (item->title)
    json_object_set_new(object, "title", json_text(item->title));
  if (item->picture)
    json_object_set_new(object, "image", json_text(item->picture));
}

static json_t *reasons(const shown_entry *entry) {
  json_t *array = json_array();
  for (size_t i = 0; i < entry->n_reasons; i++) {
    const shown_reason *reason = &entry->reasons[i];
    json_t *object = json_object();
    set_item(object, &reason->item);
    json_object_set_new(object, "contribution", json_real(reason->contribution));
    json_object_set_new(object, "similarity", json_real(reason->similarity));
    json_object_set_new(object, "rating", json_real(reason->rating));
    if (reason->seen)
      json_object_set_new(object, "seen", json_true());
    if (reason->shared)
      json_object_set_new(object, "both", json_text(reason->shared));
    json_array_append_new(array, object);
  }
  return array;
}

static json_t *entries(const shown_entry *shown, size_t n, const char *measure, bool with_reasons) {
  json_t *array = json_array();
  for (size_t i = 0; i < n; i++) {
    json_t *object = json_object();
    set_item(object, &shown[i].item);
    json_object_set_new(object, measure, json_real(shown[i].value));
    if (with_reasons) {
      json_object_set_new(object, "source", json_text(lists_source(&shown[i])));
      json_object_set_new(object, "reasons", reasons(&shown[i]));
    }
    json_array_append_new(array, object);
  }
  return array;
}

static const char *note_name(const list *l) {
  if (l->status == RECSYS_NOTE_FALLBACK_POPULAR)
    return "fallback_popular";
  if (l->status == RECSYS_NOTE_SHORT)
    return "short";
  return l->status < 0 ? "no_embedding" : NULL;
}

static json_t *one_list(const report *r, const list *l) {
  static const char *const kinds[] = {"item", "picture", "user", "guest"};
  json_t *object = json_object(), *subject = json_object();
  json_object_set_new(subject, "kind", json_string(kinds[l->kind]));
  set_item(subject, &l->subject);
  json_object_set_new(object, "for", subject);
  json_object_set_new(object, "note", json_text(note_name(l)));
  if (l->kind == LIST_USER || l->kind == LIST_GUEST) {
    json_object_set_new(object, "rated", json_integer((json_int_t)l->n_rated));
    json_object_set_new(object, "history", entries(l->history, l->n_history, "rating", false));
  }
  json_object_set_new(object, "entries", entries(l->entries, l->n_entries, r->measure, r->ranker != NULL));
  return object;
}

void json_print_report(const report *r) {
  json_t *object = json_object(), *lists = json_array();
  json_object_set_new(object, "command", json_string(r->command));
  json_object_set_new(object, "store", json_text(r->store));
  json_object_set_new(object, "ranker", json_text(r->ranker));
  json_object_set_new(object, "model", json_text(r->facts->model));
  json_object_set_new(object, "untrained", json_boolean(r->facts->untrained));
  for (size_t i = 0; i < r->n_lists; i++)
    json_array_append_new(lists, one_list(r, &r->lists[i]));
  json_object_set_new(object, "lists", lists);
  json_print(object);
}
