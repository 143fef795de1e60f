/* JPEG through libjpeg-turbo: baseline and progressive; grey, YCbCr, RGB, CMYK and YCCK; straight into the caller's
 * rows. Scans, pixels and memory are checked before anything of the picture's size is allocated. */
#include <limits.h>
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decode.h"

/* Everything that must outlive a longjmp lies here, so that no local variable has to. */
typedef struct decoder {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  const recsys__encoded *encoded;
  const recsys__image_limits *limits;
  recsys__pixels *pixels;
  recsys_error *error;
  recsys_status status;
  uint8_t *inks; /* one row of CMYK */
} decoder;

static decoder *decoder_of(j_common_ptr jpeg) {
  return jpeg->client_data;
}

_Noreturn static void give_up(decoder *d, recsys_status status) {
  d->status = status;
  longjmp(d->escape, 1);
}

static recsys_status status_of(int code) {
  switch (code) {
  case JERR_OUT_OF_MEMORY:
  case JERR_NO_BACKING_STORE:
    return RECSYS_ENOMEM;
  case JERR_ARITH_NOTIMPL:
  case JERR_BAD_PRECISION:
  case JERR_CONVERSION_NOTIMPL:
  case JERR_NOT_COMPILED:
  case JERR_SOF_UNSUPPORTED:
    return RECSYS_EUNSUPPORTED;
  default:
    return RECSYS_EFORMAT;
  }
}

static void on_error(j_common_ptr jpeg) {
  decoder *d = decoder_of(jpeg);
  char text[JMSG_LENGTH_MAX];
  recsys_status status = status_of(jpeg->err->msg_code);
  jpeg->err->format_message(jpeg, text);
  const char *mend = status == RECSYS_ENOMEM    ? "raise max_decode_bytes, or store it smaller"
                     : status == RECSYS_EFORMAT ? "replace it by a sound copy"
                                                : /* RECSYS_EUNSUPPORTED */ "store it as a baseline JPEG";
  give_up(
      d, recsys__fail(d->error, status, jpeg->err->msg_code, "cannot decode %s: %s; %s", d->encoded->name, text, mend));
}

/* Warnings mean damage inside that libjpeg-turbo steps over, as every browser does. */
static void on_message(j_common_ptr jpeg, int level) {
  (void)jpeg;
  (void)level;
}

static void on_output(j_common_ptr jpeg) {
  (void)jpeg;
}

_Noreturn static void ended(decoder *d) {
  give_up(d, recsys__fail(d->error, RECSYS_EFORMAT, 0,
                          "cannot decode %s: it is truncated: the JPEG ends after %zu bytes, before its end marker; "
                          "replace it by a whole copy",
                          d->encoded->name, d->encoded->size));
}

static boolean on_source_end(j_decompress_ptr jpeg) {
  ended(decoder_of((j_common_ptr)jpeg));
}

static void on_skip(j_decompress_ptr jpeg, long n) {
  if (n <= 0) {
    return;
  }
  if ((unsigned long)n > jpeg->src->bytes_in_buffer) {
    ended(decoder_of((j_common_ptr)jpeg));
  }
  jpeg->src->next_input_byte += n;
  jpeg->src->bytes_in_buffer -= (size_t)n;
}

static void on_source(j_decompress_ptr jpeg) {
  (void)jpeg;
}

static recsys_status too_many_scans(decoder *d, uint32_t scans) {
  return recsys__fail(d->error, RECSYS_ELIMIT, 0,
                      "%s has %u scans or more, %u are allowed; raise max_scans or store it anew", d->encoded->name,
                      scans, d->limits->max_scans);
}

/* The walk over the markers has counted the scans; this stands behind it, should the two ever read a file
 * differently. */
static void on_progress(j_common_ptr jpeg) {
  decoder *d = decoder_of(jpeg);
  if (d->jpeg.input_scan_number > 0 && (uint32_t)d->jpeg.input_scan_number > d->limits->max_scans) {
    give_up(d, too_many_scans(d, (uint32_t)d->jpeg.input_scan_number));
  }
}

static void open_decoder(decoder *d) {
  d->jpeg.err = jpeg_std_error(&d->errors);
  d->errors.error_exit = on_error;
  d->errors.emit_message = on_message;
  d->errors.output_message = on_output;
  d->jpeg.client_data = d;
  jpeg_create_decompress(&d->jpeg);
  uint64_t memory = d->limits->max_decode_bytes;
  d->jpeg.mem->max_memory_to_use = memory < LONG_MAX ? (long)memory : LONG_MAX;
  d->progress.progress_monitor = on_progress;
  d->jpeg.progress = &d->progress;
  d->source.init_source = on_source;
  d->source.fill_input_buffer = on_source_end;
  d->source.skip_input_data = on_skip;
  d->source.resync_to_restart = jpeg_resync_to_restart;
  d->source.term_source = on_source;
  d->source.next_input_byte = d->encoded->data;
  d->source.bytes_in_buffer = d->encoded->size;
  d->jpeg.src = &d->source;
}

/* Coefficients of a progressive or multi-scan picture are held whole: 64 of two bytes for every block. */
static uint64_t coefficient_bytes(const struct jpeg_decompress_struct *jpeg) {
  uint64_t blocks = 0;
  for (int i = 0; i < jpeg->num_components; i++) {
    const jpeg_component_info *c = &jpeg->comp_info[i];
    uint64_t across = c->width_in_blocks + (uint64_t)c->h_samp_factor - 1;
    blocks += across * (c->height_in_blocks + (uint64_t)c->v_samp_factor - 1);
  }
  return blocks * sizeof(JBLOCK);
}

/* The largest of 1/1, 1/2, 1/4, 1/8 that leaves the shorter side at twice what is needed (and 1/1 if none does). */
static unsigned scale_denominator(const struct jpeg_decompress_struct *jpeg, uint32_t side) {
  uint64_t shorter = jpeg->image_width < jpeg->image_height ? jpeg->image_width : jpeg->image_height;
  unsigned denominator = 8;
  while (side > 0 && denominator > 1 && shorter / denominator < 2 * (uint64_t)side) {
    denominator /= 2;
  }
  return side > 0 ? denominator : 1;
}

static recsys_status check_header(decoder *d) {
  struct jpeg_decompress_struct *jpeg = &d->jpeg;
  const char *name = d->encoded->name;
  recsys_status status = recsys__check_pixels(jpeg->image_width, jpeg->image_height, name, d->limits, d->error);
  if (status != RECSYS_OK) {
    return status;
  }
  if (jpeg->num_components != 1 && jpeg->num_components != 3 && jpeg->num_components != 4) {
    return recsys__fail(d->error, RECSYS_EUNSUPPORTED, jpeg->num_components,
                        "cannot decode %s: a JPEG of %d colour components; store it as RGB", name,
                        jpeg->num_components);
  }
  jpeg->scale_num = 1;
  jpeg->scale_denom = scale_denominator(jpeg, d->limits->scaled_side);
  jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_calc_output_dimensions(jpeg);
  uint64_t bytes = (uint64_t)jpeg->output_width * jpeg->output_height * 3;
  if (jpeg_has_multiple_scans(jpeg)) {
    bytes += coefficient_bytes(jpeg);
  }
  return recsys__check_memory(bytes, name, d->limits, d->error);
}

/* round(a x b / 255), exactly. */
static inline uint32_t scale255(uint32_t a, uint32_t b) {
  uint32_t product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

/* CMYK in JPEG is stored inverted, as Adobe's programs do (255: no ink). red = black x (1 - cyan), and so on:
 * Pillow's convert("RGB") to the bit. */
static void inks_to_rgb(uint8_t *rgb, const uint8_t *inks, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t black = inks[4 * i + 3];
    for (size_t c = 0; c < 3; c++) {
      rgb[3 * i + c] = (uint8_t)(black - scale255(255 - inks[4 * i + c], black));
    }
  }
}

static void read_rgb(decoder *d) {
  enum { ROWS = 16 };
  JSAMPROW rows[ROWS];
  struct jpeg_decompress_struct *jpeg = &d->jpeg;
  size_t row = (size_t)jpeg->output_width * 3;
  while (jpeg->output_scanline < jpeg->output_height) {
    JDIMENSION left = jpeg->output_height - jpeg->output_scanline, n = left < ROWS ? left : ROWS;
    for (JDIMENSION i = 0; i < n; i++) {
      rows[i] = d->pixels->data + (jpeg->output_scanline + (size_t)i) * row;
    }
    jpeg_read_scanlines(jpeg, rows, n);
  }
}

static void read_inks(decoder *d) {
  struct jpeg_decompress_struct *jpeg = &d->jpeg;
  size_t row = (size_t)jpeg->output_width * 3;
  d->inks = recsys__alloc(jpeg->output_width, 4);
  if (!d->inks) {
    give_up(d, recsys__no_memory(d->error, "a row of a CMYK picture"));
  }
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *out = d->pixels->data + jpeg->output_scanline * row;
    jpeg_read_scanlines(jpeg, &d->inks, 1);
    inks_to_rgb(out, d->inks, jpeg->output_width);
  }
}

static recsys_status decode(decoder *d) {
  jpeg_read_header(&d->jpeg, TRUE);
  recsys_status status = check_header(d);
  if (status == RECSYS_OK) {
    status = recsys__pixels_alloc(d->pixels, d->jpeg.output_width, d->jpeg.output_height, d->error);
  }
  if (status != RECSYS_OK) {
    return status;
  }
  jpeg_start_decompress(&d->jpeg);
  if (d->jpeg.out_color_space == JCS_CMYK) {
    read_inks(d);
  } else {
    read_rgb(d);
  }
  jpeg_finish_decompress(&d->jpeg);
  return RECSYS_OK;
}

/* The only function that a longjmp returns to: it has no locals of its own. */
static recsys_status run(decoder *d) {
  if (setjmp(d->escape) == 0) {
    open_decoder(d);
    d->status = decode(d);
  }
  return d->status;
}

recsys_status recsys__jpeg_decode(recsys__pixels *pixels, const recsys__encoded *encoded, uint32_t *orientation,
                                  const recsys__image_limits *limits, recsys_error *error) {
  decoder d = {.encoded = encoded, .limits = limits, .pixels = pixels, .error = error};
  *pixels = (recsys__pixels){0};
  recsys__jpeg_survey survey = recsys__jpeg_walk(encoded->data, encoded->size);
  if (survey.scans > limits->max_scans) {
    return too_many_scans(&d, survey.scans);
  }
  *orientation = survey.orientation;
  recsys_status status = run(&d);
  jpeg_destroy_decompress(&d.jpeg);
  recsys__free(d.inks);
  if (status != RECSYS_OK) {
    recsys__pixels_free(pixels);
  }
  return status;
}
