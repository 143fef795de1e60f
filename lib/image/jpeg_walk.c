/* Walks over the markers of a JPEG (ITU-T T.81, annex B) before anything is decoded: how many scans there are, which
 * bounds the work, and the EXIF orientation. Damage only ends the walk: the decoder reports it. */
#include <string.h>

#include "image/decode.h"

enum { SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, APP1 = 0xE1, TEM = 0x01, RST0 = 0xD0, RST7 = 0xD7 };

static uint32_t read16(const uint8_t *p, bool little) {
  return little ? (uint32_t)p[0] | (uint32_t)p[1] << 8 : (uint32_t)p[0] << 8 | (uint32_t)p[1];
}

static uint32_t read32(const uint8_t *p, bool little) {
  return little ? read16(p, true) | read16(p + 2, true) << 16 : read16(p, false) << 16 | read16(p + 2, false);
}

/* The orientation in the first directory of a TIFF block (EXIF 2.3, 4.6.2); 0 if it is not there. */
static uint32_t tiff_orientation(const uint8_t *tiff, size_t size) {
  if (size < 8 || (memcmp(tiff, "II*", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0)) {
    return 0;
  }
  bool little = tiff[0] == 'I';
  size_t at = read32(tiff + 4, little);
  if (at > size - 2) {
    return 0;
  }
  uint32_t count = read16(tiff + at, little);
  at += 2;
  for (uint32_t i = 0; i < count && at + 12 <= size; i++, at += 12) {
    if (read16(tiff + at, little) != 0x0112) {
      continue;
    }
    uint32_t type = read16(tiff + at + 2, little);
    uint32_t value = type == 3 ? read16(tiff + at + 8, little) : type == 4 ? read32(tiff + at + 8, little) : 0;
    return value >= 1 && value <= 8 ? value : 0;
  }
  return 0;
}

/* Entropy-coded data: up to the next 0xFF that is neither a stuffed byte (FF 00) nor a restart marker nor a fill. */
static size_t skip_entropy(const uint8_t *data, size_t size, size_t at) {
  while (at + 1 < size) {
    const uint8_t *hit = memchr(data + at, 0xFF, size - 1 - at);
    if (!hit) {
      return size;
    }
    at = (size_t)(hit - data);
    uint8_t next = data[at + 1];
    if (next != 0 && next != 0xFF && !(next >= RST0 && next <= RST7)) {
      return at;
    }
    at += next == 0xFF ? 1 : 2;
  }
  return size;
}

recsys__jpeg_survey recsys__jpeg_walk(const uint8_t *data, size_t size) {
  recsys__jpeg_survey survey = {0, 1};
  bool exif = false;
  size_t at = 2;
  while ((at = skip_entropy(data, size, at)) + 4 <= size) {
    uint8_t marker = data[at + 1];
    if (marker == EOI) {
      break;
    }
    at += 2;
    if (marker == SOI || marker == TEM) {
      continue;
    }
    size_t length = read16(data + at, false);
    if (marker == SOS) {
      survey.scans++;
    } else if (marker == APP1 && !exif && length >= 8 && length <= size - at &&
               memcmp(data + at + 2, "Exif\0", 6) == 0) {
      uint32_t orientation = tiff_orientation(data + at + 8, length - 8);
      survey.orientation = orientation ? orientation : 1;
      exif = true;
    }
    at += length < 2 ? 2 : length;
  }
  return survey;
}
