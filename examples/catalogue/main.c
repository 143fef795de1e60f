/*
 * catalogue DIR [--items N] [--shoppers N] [--seed N]: draws a small shop, the same one for a seed. DIR/images/ gets
 * JPEG and PNG files, DIR/items.csv what they show, DIR/ratings.csv what simulated shoppers thought of them.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "paint.h"
#include "shapes.h"
#include "shoppers.h"
#include "write.h"

enum { COMBINATIONS = KINDS * COLOURS * PATTERNS };

typedef struct wish {
  const char *folder;
  unsigned long items, shoppers, seed;
} wish;

static int misuse(void) {
  fprintf(stderr, "usage: catalogue DIR [--items 1..%d] [--shoppers 1..100000] [--seed N]\n", COMBINATIONS);
  return 2;
}

static bool read_number(const char *text, unsigned long max, unsigned long *number) {
  char *end = NULL;
  *number = strtoul(text, &end, 10);
  return end != text && !*end && text[0] != '-' && *number <= max;
}

static bool parse(wish *w, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    unsigned long *number = !strcmp(argv[i], "--items")      ? &w->items
                            : !strcmp(argv[i], "--shoppers") ? &w->shoppers
                            : !strcmp(argv[i], "--seed")     ? &w->seed
                                                             : NULL;
    unsigned long max = number == &w->items ? COMBINATIONS : number == &w->shoppers ? 100000 : 4000000000u;
    if (!number && !w->folder && argv[i][0] != '-')
      w->folder = argv[i];
    else if (!number || ++i == argc || !read_number(argv[i], max, number))
      return false;
  }
  return w->folder && w->items && w->shoppers;
}

static bool make_folder(const char *path) {
  struct stat status;
  if (!mkdir(path, 0777) || (errno == EEXIST && !stat(path, &status) && S_ISDIR(status.st_mode)))
    return true;
  fprintf(stderr, "catalogue: %s: %s\n", path, strerror(errno));
  return false;
}

/* Every combination of kind, colour and pattern at most once, in random order. */
static void choose_products(product *products, size_t n, dice *d) {
  int order[COMBINATIONS];
  for (int i = 0; i < COMBINATIONS; i++) {
    int j = (int)dice_below(d, (unsigned)i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  for (size_t i = 0; i < n; i++) {
    product *p = &products[i];
    p->kind = order[i] % KINDS;
    p->colour = order[i] / KINDS % COLOURS;
    p->pattern = order[i] / KINDS / COLOURS;
    p->price = floor(shapes_kinds[p->kind].price * dice_real(d, 0.6, 1.7)) + 0.9;
    snprintf(p->key, sizeof p->key, "SKU-%04zu", i + 1);
  }
}

static picture_format choose_format(const product *p, dice *d) {
  static const picture_format formats[] = {JPEG_BASELINE,    JPEG_BASELINE,    JPEG_BASELINE, JPEG_BASELINE,
                                           JPEG_PROGRESSIVE, JPEG_PROGRESSIVE, PNG_RGB,       PNG_RGB,
                                           PNG_ALPHA,        PNG_PALETTE};
  picture_format format = formats[dice_below(d, 10)];
  /* A grey cup photographed in grey loses nothing. */
  return paint_is_grey(p->colour) && format == JPEG_BASELINE && dice_below(d, 2) ? JPEG_GREY : format;
}

static bool draw(const wish *w, const product *p, dice *d) {
  static const int sizes[] = {224, 256, 256, 288};
  char path[4096];
  picture_format format = choose_format(p, d);
  int size = sizes[dice_below(d, 4)];
  uint8_t *rgba = paint_product(p->kind, p->colour, p->pattern, size, format != PNG_ALPHA, d);
  int length = snprintf(path, sizeof path, "%s/images/%s.%s", w->folder, p->key, format <= JPEG_GREY ? "jpg" : "png");
  bool written = length < (int)sizeof path && write_picture(path, format, rgba, size);
  free(rgba);
  if (!written)
    fprintf(stderr, "catalogue: %s: could not be written\n", path);
  return written;
}

static bool write_items(const char *path, const product *products, size_t n) {
  FILE *file = fopen(path, "w");
  if (!file)
    return false;
  fputs("item,title,kind,colour,pattern,price\n", file);
  for (size_t i = 0; i < n; i++) {
    const product *p = &products[i];
    const char *colour = paint_colours[p->colour], *pattern = paint_patterns[p->pattern];
    const char *name = shapes_kinds[p->kind].name;
    char title[96];
    snprintf(title, sizeof title, "%c%s %s%s%s", colour[0] - 'a' + 'A', colour + 1, p->pattern ? pattern : "",
             p->pattern ? " " : "", name);
    fprintf(file, "%s,%s,%s,%s,%s,%.2f\n", p->key, title, name, colour, pattern, p->price);
  }
  bool written = !ferror(file);
  return !fclose(file) && written;
}

static bool make(const wish *w) {
  char images[4096], items[4096], ratings[4096];
  product products[COMBINATIONS];
  dice d = {w->seed};
  snprintf(images, sizeof images, "%s/images", w->folder);
  snprintf(items, sizeof items, "%s/items.csv", w->folder);
  snprintf(ratings, sizeof ratings, "%s/ratings.csv", w->folder);
  if (!make_folder(w->folder) || !make_folder(images))
    return false;
  choose_products(products, w->items, &d);
  for (size_t i = 0; i < w->items; i++) {
    dice own = {w->seed * 1000003 + i}; /* so that fewer items are the first of more */
    if (!draw(w, &products[i], &own))
      return false;
  }
  if (write_items(items, products, w->items) && shoppers_rate(ratings, products, w->items, (int)w->shoppers, &d))
    return true;
  fprintf(stderr, "catalogue: %s: %s\n", w->folder, strerror(errno));
  return false;
}

int main(int argc, char **argv) {
  wish w = {.items = 300, .shoppers = 200, .seed = 7};
  if (!parse(&w, argc, argv))
    return misuse();
  if (!make(&w))
    return 1;
  printf("%lu pictures and the ratings of %lu shoppers are in %s\n", w.items, w.shoppers, w.folder);
  return 0;
}
