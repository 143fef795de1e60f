/* Everything that the shop asks of librecsys: similar products, lists for a shopper with their reasons, products like a
 * picture, and new products. */
#ifndef ADVICE_H
#define ADVICE_H

#include "shop.h"

enum { ADVICE_MOST = 48 };

/* A list of products. */
typedef struct advice {
  size_t n;
  int64_t products[ADVICE_MOST];
  double scores[ADVICE_MOST];
  int64_t because[ADVICE_MOST]; /* a product of the shopper's own history; -1: none */
  uint8_t sources[ADVICE_MOST]; /* RECSYS_SOURCE_... */
  bool popular;                 /* nothing personal is known: what others like */
} advice;

/* Opens the store, the network (in a process of its own) and the ranker; false, with a message on stderr, when one of
 * them cannot be had. */
bool advice_open(shop *s);
void advice_close(shop *s);

/* At most n products whose pictures are at least `least` alike (a cosine), the most alike first. */
bool advice_similar(shop *s, int64_t product, double least, size_t n, advice *list, recsys_error *error);
/* At most n products for a shopper, with reasons; shopper 0: what is popular. */
bool advice_for(shop *s, int64_t shopper, size_t n, advice *list, recsys_error *error);
/* Products like a picture: a JPEG or PNG of `size` bytes. */
bool advice_like_picture(shop *s, const void *picture, size_t size, size_t n, advice *list, recsys_error *error);

/* A new product. */
typedef struct advice_product {
  const char *title, *description, *values[SHOP_FIELDS]; /* values: by the shop's fields, "": none */
  int64_t price;                                         /* cents */
  const void *picture;
  size_t size;
} advice_product;

/* Puts it into the store, under a picture file in the shop's folder, and into the lists; its id, or -1. */
int64_t advice_add(shop *s, const advice_product *product, char path[4096], recsys_error *error);

/* Takes it out again. */
void advice_remove(shop *s, int64_t id, const char *path);

/* Learns from everything that has happened so far; false when it failed. */
bool advice_learn(shop *s);

#endif
