/* shop.css, shop.js and shop.svg, which CMake puts into the program. */
#ifndef ASSETS_H
#define ASSETS_H

#include <stddef.h>

extern const unsigned char asset_style[], asset_script[], asset_icon[];
extern const size_t asset_style_size, asset_script_size, asset_icon_size;

#endif
