/* kernels/cpu/direct_impl.h - convolution without a patch matrix, for maps wide enough for vectors.
 *
 * One group of one image is copied into padded planes such that every filter tap sees the outputs'
 * 16 neighbours at a fixed distance: tap k of the vector that begins at position p reads 16 floats at
 * p + offset[k]. Two forms:
 *   shared columns  where the output's width is a multiple of 16: one plane for each residue of
 *                   (row, column) modulo the strides; taps of one row read one plane, shifted;
 *   own columns     otherwise: one plane for each residue of the row and each kx, as wide as the
 *                   output, so that rows follow each other and vectors run across their ends.
 * Only the last vector of a map may hold lanes that are no outputs. */
#ifndef AP_KERNELS_DIRECT_IMPL_H
#define AP_KERNELS_DIRECT_IMPL_H
#include "kernels/cpu/fast_impl.h"

#define AP_LANES ((size_t)16)
/* Output channels of a packed panel of filters: panel b holds [k][AP_PANEL], zeros past the end. */
#define AP_PANEL ((size_t)8)
/* Tile of the filters' gradient. */
#define AP_TILE_ROWS ((size_t)4)
#define AP_TILE_TAPS ((size_t)6)

/* True where this way beats patches and matrix products (docs/decisions/001-dense-algebra.md). */
bool ap_direct_suits(const ap_conv_shape *s);
/* As the operations of the same name, for shapes that suit. Error: MEMORY. */
AP_NODISCARD ap_status ap_direct_forward(ap_fast_backend *fast, const ap_conv_shape *s,
                                         const float *x, const float *w, const float *bias,
                                         float *y, ap_error *err);
/* The gradient of the input is a convolution of dy where the stride is 1 and no padding is larger
 * than the filter's size less 1; suits says whether that is so and pays. */
bool ap_direct_suits_data(const ap_conv_shape *s);
AP_NODISCARD ap_status ap_direct_backward_data(ap_fast_backend *fast, const ap_conv_shape *s,
                                               const float *dy, const float *w, float *dx,
                                               bool accumulate, ap_error *err);

/* The gradient of the filters, see below. */
bool ap_direct_suits_filter(const ap_conv_shape *s);

typedef struct ap_direct_plan {
  const ap_conv_shape *s;
  size_t c_group, m, k;      /* per group: input channels, outputs, taps */
  size_t pixels, ow;         /* of the output */
  size_t pitch, rows, plane; /* of one plane, floats */
  bool shared_columns;
  size_t planes;      /* per channel: one for each row residue that a tap reads, times columns */
  size_t columns;     /* column residues that a tap reads, or kw */
  size_t image;       /* floats of one image's planes, one group, with slack */
  bool exact;         /* pixels is a multiple of 16: vectors are read and stored in place */
  size_t vectors;     /* per image */
  size_t out_row;     /* floats from one output channel to the next where vectors are stored */
  size_t block;       /* images of one block of the forward call */
  uint32_t *offset;   /* [k rounded up to AP_TILE_TAPS] */
  uint32_t *in, *out; /* [block * vectors]: position of a vector in the planes, in the output */
} ap_direct_plan;
/* The tables lie in the backend, valid until the next plan. Error: MEMORY. */
AP_NODISCARD ap_status ap_direct_plan_make(ap_fast_backend *fast, const ap_conv_shape *s,
                                           ap_direct_plan *plan, ap_error *err);
/* Sums over the images [first, end) into partial[c_out * k], with scratch of that many floats. */
size_t ap_direct_filter_floats(const ap_direct_plan *plan);
void ap_direct_filter_images(const ap_direct_plan *plan, const float *x, const float *dy,
                             size_t first, size_t end, float *scratch, float *partial);

/* ---- tiles, chosen for the instruction set --------------------------------------------------- */

/* One panel of outputs over some vectors: out[r * out_row + position] = sum over k of
 * w[k * AP_PANEL + r] * planes[position + offset[k]] + bias[r] (+ what is there). */
typedef struct {
  const float *planes, *w, *bias; /* bias: AP_PANEL floats */
  const uint32_t *offset, *in, *at;
  size_t k, n_vectors, out_row, n_rows; /* n_rows <= AP_PANEL are stored */
  float *out;
  bool accumulate;
} ap_direct_panel;

/* sums[r * AP_TILE_TAPS + j] = sum over images and vectors of dy row r * planes at tap j. */
typedef struct {
  const float *planes, *dy[4];
  const uint32_t *offset, *in, *at; /* offset: AP_TILE_TAPS of them */
  size_t n_images, n_vectors, image, dy_image;
} ap_direct_filter_tile;

typedef struct {
  const char *name; /* instruction set */
  void (*panel)(const ap_direct_panel *panel);
  void (*filter)(const ap_direct_filter_tile *tile, float *sums);
} ap_direct_tiles;
/* The i-th variant that this machine can run, the fastest first; NULL past the last. */
const ap_direct_tiles *ap_direct_tiles_get(size_t i);

#endif
