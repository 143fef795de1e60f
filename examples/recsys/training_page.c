/* The page of a training. Curves are SVG in the page itself. */
#include "training_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "page.h"

enum { WIDTH = 640, HEIGHT = 280, LEFT = 52, RIGHT = 12, TOP = 14, BOTTOM = 36 };

typedef struct chart {
  size_t epochs;
  double most; /* of the losses */
} chart;

static double across(const chart *c, double epoch) {
  return LEFT + (epoch - 1) / fmax(1, (double)c->epochs - 1) * (WIDTH - LEFT - RIGHT);
}

static double down(const chart *c, double loss) {
  return TOP + (1 - loss / c->most) * (HEIGHT - TOP - BOTTOM);
}

static double loss_at(const json_t *epochs, size_t i, const char *which) {
  const json_t *value = json_object_get(json_array_get(epochs, i), which);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

static chart measure_chart(const json_t *epochs) {
  chart c = {json_array_size(epochs), 0};
  for (size_t i = 0; i < c.epochs; i++) {
    c.most = fmax(c.most, loss_at(epochs, i, "training"));
    c.most = fmax(c.most, loss_at(epochs, i, "validation"));
  }
  c.most = c.most > 0 ? c.most * 1.05 : 1;
  return c;
}

static void put_axes(textbuf *page, const chart *c) {
  for (int i = 0; i <= 4; i++) {
    double loss = c->most * i / 4, y = down(c, loss);
    text_printf(page, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT, y, y);
    text_printf(page, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n", LEFT - 6, y + 4, loss);
  }
  size_t step = c->epochs > 10 ? (c->epochs + 9) / 10 : 1;
  for (size_t e = 1; e <= c->epochs; e += step)
    text_printf(page, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%zu</text>", across(c, (double)e), HEIGHT - 18,
                e);
  text_printf(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n", (LEFT + WIDTH - RIGHT) / 2,
              HEIGHT - 4);
}

static void put_curve(textbuf *page, const chart *c, const json_t *epochs, const char *which, const char *colour) {
  text_printf(page, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", colour);
  for (size_t i = 0; i < c->epochs; i++)
    if (isfinite(loss_at(epochs, i, which)))
      text_printf(page, "%.1f,%.1f ", across(c, (double)i + 1), down(c, loss_at(epochs, i, which)));
  text_printf(page, "\"><title>%s loss</title></polyline>\n", which);
}

static void put_course(textbuf *page, const json_t *course, const char *heading) {
  const json_t *epochs = json_object_get(course, "epochs");
  json_int_t best = json_integer_value(json_object_get(course, "best_epoch"));
  chart c = measure_chart(epochs);
  if (!c.epochs)
    return;
  text_puts(page, "<h3>");
  page_escaped(page, heading);
  text_printf(page, ": best epoch %lld of %zu</h3>\n", (long long)best, c.epochs);
  text_printf(page,
              "<svg role=\"img\" aria-label=\"losses by epoch\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n",
              WIDTH, HEIGHT, WIDTH, HEIGHT);
  put_axes(page, &c);
  put_curve(page, &c, epochs, "training", "#2f7ed8");
  put_curve(page, &c, epochs, "validation", "#d8602f");
  if (best > 0)
    text_printf(page, "<line class=\"axis\" stroke-dasharray=\"4 4\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
                across(&c, (double)best), across(&c, (double)best), TOP, HEIGHT - BOTTOM);
  text_printf(page,
              "<text x=\"%d\" y=\"%d\" style=\"fill:#2f7ed8\">training</text><text x=\"%d\" y=\"%d\" "
              "style=\"fill:#d8602f\">validation</text>\n</svg>\n",
              WIDTH - 160, TOP + 12, WIDTH - 90, TOP + 12);
}

static void put_row(textbuf *page, const json_t *m, const char *field, const char *value, bool mean) {
  static const char *const columns[] = {"threshold", "accuracy", "precision", "recall", "f1", "average_precision"};
  text_puts(page, mean ? "<tr class=\"mean\"><td>" : "<tr><td>");
  page_escaped(page, field);
  text_puts(page, "</td><td class=\"text\">");
  page_escaped(page, value);
  text_printf(page, "</td><td>%lld</td>", (long long)json_integer_value(json_object_get(m, "support")));
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
    text_printf(page, mean && i == 0 ? "<td></td>" : "<td>%.3f</td>",
                json_number_value(json_object_get(m, columns[i])));
  text_puts(page, "</tr>\n");
}

static void put_table(textbuf *page, const json_t *report) {
  const json_t *labels = json_object_get(report, "labels");
  text_puts(page,
            "<section>\n<h2>Labels, on pictures that were held out</h2>\n<div class=\"scroll\"><table>\n<tr><th>field"
            "</th><th class=\"text\">label</th><th>pictures</th><th>threshold</th><th>accuracy</th><th>precision"
            "</th><th>recall</th><th>F1</th><th>average precision</th></tr>\n");
  for (size_t i = 0; i < json_array_size(labels); i++) {
    const json_t *m = json_array_get(labels, i);
    const char *field = json_string_value(json_object_get(m, "field")),
               *value = json_string_value(json_object_get(m, "value"));
    put_row(page, m, field ? field : "", value ? value : "", false);
  }
  put_row(page, json_object_get(report, "micro"), "all", "mean over decisions (micro)", true);
  put_row(page, json_object_get(report, "macro"), "all", "mean over labels (macro)", true);
  text_puts(page,
            "</table></div>\n<p class=\"quiet\">Thresholds maximise F1 on held-out pictures; the other columns use "
            "thresholds from other pictures than they measure. In an exclusive field the highest score decides, "
            "and there is no threshold.</p>\n</section>\n");
}

static void put_courses(textbuf *page, const json_t *report) {
  const json_t *folds = json_object_get(report, "folds");
  text_puts(page, "<section>\n<h2>Losses</h2>\n");
  for (size_t f = 0; f < json_array_size(folds); f++) {
    char *heading = need_text("Fold %zu", f + 1);
    put_course(page, json_array_get(folds, f), heading);
    free(heading);
  }
  put_course(page, json_object_get(report, "head"), "Stage one, the head");
  put_course(page, json_object_get(report, "fine_tune"), "Stage two, with the last blocks");
  text_puts(page, "</section>\n");
}

int training_page_write(const json_t *report, const char *path, const char *title) {
  textbuf page = {0};
  const json_t *base = json_object_get(report, "base"), *data = json_object_get(report, "data");
  page_begin(&page, title);
  text_printf(&page, "<p class=\"quiet\">%lld labels from %lld pictures (%lld were used); features of layer ",
              (long long)json_integer_value(json_object_get(data, "labels")),
              (long long)json_integer_value(json_object_get(data, "pictures")),
              (long long)json_integer_value(json_object_get(data, "used")));
  const char *layer = json_string_value(json_object_get(base, "layer")),
             *architecture = json_string_value(json_object_get(base, "architecture"));
  page_escaped(&page, layer ? layer : "");
  text_puts(&page, " of ");
  page_escaped(&page, architecture ? architecture : "");
  text_puts(&page, ".</p>\n</header>\n<main>\n");
  put_courses(&page, report);
  put_table(&page, report);
  text_puts(&page, "</main>\n<footer class=\"quiet\">Made by recsys train.</footer>\n</body>\n</html>\n");
  int code = page_write(path, &page);
  free(page.bytes);
  return code;
}
