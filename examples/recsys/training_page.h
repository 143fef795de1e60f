/* A training's report as one HTML page: loss curves and the table of labels. */
#ifndef TRAINING_PAGE_H
#define TRAINING_PAGE_H

#include <jansson.h>

/* report: recsys_model_get_report's object. Returns an exit code (said already). */
int training_page_write(const json_t *report, const char *path, const char *title);

#endif
