/* Small helpers over Jansson for the command's JSON output. */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>

/* Strings that are not UTF-8 (file names can be anything) are cut where they stop being so; NULL becomes null. */
json_t *json_text(const char *string);
/* Prints the object, indented, with a line break, and releases it. */
void json_print(json_t *object);

#endif
