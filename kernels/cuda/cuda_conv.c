/* Convolution as matrix products over patches.
 *
 * Large maps: one product per image, [outputs, depth] x [depth, pixels], straight into the image's
 * part of y. Small maps (and all filter gradients): the images of a chunk side by side, one wide
 * product. 1 x 1 filters over large maps need no patches; filters that cover the map are one product
 * over all images. The cut into chunks and slices, and so the order of sums, depends on the shape
 * alone. */
#include "kernels/checks_impl.h"
#include "kernels/cuda/cuda_gemm_impl.h"

/* Floats of workspace that a chunk of images may take (256 MiB); one image may take more. */
#define CHUNK_FLOATS ((size_t)64 << 20)
/* Maps with fewer pixels stand side by side: a product per image would be too narrow. */
#define WIDE_BELOW ((size_t)64)
/* Filter gradients are summed over slices of this many columns or more, at most so many slices, each
 * by a product of its own: more of the device is busy, and long sums lose less. */
#define SLICE_COLUMNS ((size_t)512)
#define MAX_SLICES ((size_t)128)

typedef struct {
  ap_cuda_window window;
  size_t groups, outputs, depth; /* per group: filters, and channels * taps */
  size_t rows;                   /* depth of all groups */
  size_t pixels;                 /* of the output */
  size_t x_image, y_image, w_count;
} plan;

static ap_status plan_init(plan *p, const ap_conv_shape *s, ap_error *err) {
  p->groups = s->groups;
  p->outputs = s->c_out / s->groups;
  p->depth = s->c_in / s->groups * s->kh * s->kw;
  p->rows = p->depth * s->groups;
  p->pixels = ap_conv_out_h(s) * ap_conv_out_w(s);
  p->x_image = s->c_in * s->h * s->w;
  p->y_image = s->c_out * p->pixels;
  p->w_count = s->c_out * p->depth;
  return ap_cuda_window_of_conv(s, &p->window, err);
}

static bool no_padding(const ap_conv_shape *s) {
  return s->pad_top == 0 && s->pad_left == 0 && s->pad_bottom == 0 && s->pad_right == 0;
}

/* The filter covers the map: x is a matrix [n, depth] and y a matrix [n, outputs]. */
static bool covers(const ap_conv_shape *s) {
  return s->groups == 1 && s->kh == s->h && s->kw == s->w && no_padding(s) && !ap_is_dilated(s);
}

/* The patches of an image are the image. */
static bool is_own_patches(const ap_conv_shape *s) {
  return s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 && no_padding(s);
}

/* Images of one chunk: as many as fit, at least one. */
static size_t chunk_of(const ap_conv_shape *s, size_t floats_per_image) {
  const size_t fit = floats_per_image > 0 ? CHUNK_FLOATS / floats_per_image : s->n;
  return fit < 1 ? 1 : fit < s->n ? fit : s->n;
}

static ap_status reserve_floats(ap_cuda *cu, size_t count, float **out, ap_error *err) {
  void *memory = NULL;
  ap_status st = ap_cuda_reserve(cu, ap_saturating_mul(count, sizeof(float)), &memory, err);
  *out = memory;
  return st;
}

/* Patches of `images` images, side by side or image after image. */
static ap_cuda_patches patches_of(const plan *p, const ap_conv_shape *s, size_t images, bool wide) {
  ap_cuda_patches r = {.window = p->window, .images = images, .channels = s->c_in};
  r.row = wide ? images * p->pixels : p->pixels;
  r.image = wide ? p->pixels : p->rows * p->pixels;
  return r;
}

/* ---- forward ------------------------------------------------------------------------------- */

static ap_status add_bias(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *bias,
                          float *y, ap_error *err) {
  if (!bias) return AP_OK;
  return ap_cuda_check(
      "conv_forward", ap_cuda_launch_bias_f32(cu->stream, s->n, s->c_out, p->pixels, bias, y), err);
}

static ap_status forward_covering(ap_cuda *cu, const plan *p, const ap_conv_shape *s,
                                  const float *x, const float *w, float *y, ap_error *err) {
  const ap_cuda_product product = {.trans_b = true,
                                   .m = s->n,
                                   .n = s->c_out,
                                   .k = p->depth,
                                   .a = x,
                                   .b = w,
                                   .c = y,
                                   .lda = p->depth,
                                   .ldb = p->depth,
                                   .ldc = s->c_out,
                                   .batch = {{.count = 1}, {.count = 1}}};
  return ap_cuda_multiply(cu, &product, err);
}

/* out[outputs, columns] of every group (and image) = w times patches; `at` says where they lie. */
static ap_status forward_product(ap_cuda *cu, const plan *p, const ap_cuda_patches *at,
                                 const float *w, const float *patches, float *out, bool wide,
                                 ap_error *err) {
  const ap_cuda_product product = {
      .m = p->outputs,
      .n = at->row,
      .k = p->depth,
      .a = w,
      .b = patches,
      .c = out,
      .lda = p->depth,
      .ldb = at->row,
      .ldc = at->row,
      .batch = {{p->groups, p->outputs * p->depth, p->depth * at->row, p->outputs * at->row},
                {wide ? 1 : at->images, 0, at->image, p->y_image}}};
  return ap_cuda_multiply(cu, &product, err);
}

static ap_status forward_images(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *x,
                                const float *w, float *y, ap_error *err) {
  const bool own = is_own_patches(s);
  const size_t chunk = chunk_of(s, own ? 0 : ap_saturating_mul(p->rows, p->pixels));
  float *patches = NULL;
  ap_status st = AP_OK;
  if (!own) {
    st = reserve_floats(cu, ap_saturating_mul(chunk, ap_saturating_mul(p->rows, p->pixels)),
                        &patches, err);
  }
  for (size_t i = 0; !st && i < s->n; i += chunk) {
    const size_t images = s->n - i < chunk ? s->n - i : chunk;
    const ap_cuda_patches at = patches_of(p, s, images, false);
    const float *from = x + i * p->x_image;
    if (!own) {
      st = ap_cuda_check("conv_forward", ap_cuda_launch_im2col_f32(cu->stream, &at, from, patches),
                         err);
    }
    if (!st) {
      st = forward_product(cu, p, &at, w, own ? from : patches, y + i * p->y_image, false, err);
    }
  }
  return st;
}

static ap_status forward_wide(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *x,
                              const float *w, const float *bias, float *y, ap_error *err) {
  const size_t per_image = ap_saturating_mul(p->rows + s->c_out, p->pixels);
  const size_t chunk = chunk_of(s, per_image);
  float *patches = NULL;
  ap_status st = reserve_floats(cu, ap_saturating_mul(chunk, per_image), &patches, err);
  for (size_t i = 0; !st && i < s->n; i += chunk) {
    const size_t images = s->n - i < chunk ? s->n - i : chunk;
    const ap_cuda_patches at = patches_of(p, s, images, true);
    float *wide = patches + p->rows * at.row;
    st =
        ap_cuda_check("conv_forward",
                      ap_cuda_launch_im2col_f32(cu->stream, &at, x + i * p->x_image, patches), err);
    if (!st) st = forward_product(cu, p, &at, w, patches, wide, true, err);
    if (!st) {
      st = ap_cuda_check("conv_forward",
                         ap_cuda_launch_narrow_f32(cu->stream, images, s->c_out, p->pixels, wide,
                                                   bias, y + i * p->y_image),
                         err);
    }
  }
  return st;
}

ap_status ap_cuda_conv_forward(ap_backend *be, const ap_conv_shape *s, const float *x,
                               const float *w, const float *bias, float *y, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  plan p;
  ap_status st = plan_init(&p, s, err);
  if (st) return st;
  if (p.x_image == 0) { /* nothing but padding, or no channels */
    st = ap_cuda_check("conv_forward", ap_cuda_launch_fill_f32(cu->stream, y, 0, s->n * p.y_image),
                       err);
    if (!st) st = add_bias(cu, &p, s, bias, y, err);
  } else if (covers(s)) {
    st = forward_covering(cu, &p, s, x, w, y, err);
    if (!st) st = add_bias(cu, &p, s, bias, y, err);
  } else if (p.pixels < WIDE_BELOW) {
    st = forward_wide(cu, &p, s, x, w, bias, y, err);
  } else {
    st = forward_images(cu, &p, s, x, w, y, err);
    if (!st) st = add_bias(cu, &p, s, bias, y, err);
  }
  return st ? st : ap_cuda_end(cu, "conv_forward", cudaSuccess, err);
}

/* ---- gradient of the input ------------------------------------------------------------------- */

static ap_status data_covering(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *dy,
                               const float *w, float *dx, bool accumulate, ap_error *err) {
  const ap_cuda_product product = {.m = s->n,
                                   .n = p->depth,
                                   .k = s->c_out,
                                   .a = dy,
                                   .b = w,
                                   .c = dx,
                                   .lda = s->c_out,
                                   .ldb = p->depth,
                                   .ldc = p->depth,
                                   .batch = {{.count = 1}, {.count = 1}},
                                   .accumulate = accumulate};
  return ap_cuda_multiply(cu, &product, err);
}

/* Gradients of the patches: [depth, columns] of every group (and image) = w' times dy. */
static ap_status data_product(ap_cuda *cu, const plan *p, const ap_cuda_patches *at, const float *w,
                              const float *dy, float *patches, bool wide, bool accumulate,
                              ap_error *err) {
  const ap_cuda_product product = {
      .trans_a = true,
      .m = p->depth,
      .n = at->row,
      .k = p->outputs,
      .a = w,
      .b = dy,
      .c = patches,
      .lda = p->depth,
      .ldb = at->row,
      .ldc = at->row,
      .batch = {{p->groups, p->outputs * p->depth, p->outputs * at->row, p->depth * at->row},
                {wide ? 1 : at->images, 0, p->y_image, at->image}},
      .accumulate = accumulate};
  return ap_cuda_multiply(cu, &product, err);
}

/* Patches are their images: straight into dx. */
static ap_status data_own(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *dy,
                          const float *w, float *dx, bool accumulate, ap_error *err) {
  const ap_cuda_patches at = patches_of(p, s, s->n, false);
  return data_product(cu, p, &at, w, dy, dx, false, accumulate, err);
}

static ap_status data_patches(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *dy,
                              const float *w, float *dx, bool accumulate, ap_error *err) {
  const bool wide = p->pixels < WIDE_BELOW;
  const size_t per_image = ap_saturating_mul(p->rows + (wide ? s->c_out : 0), p->pixels);
  const size_t chunk = chunk_of(s, per_image);
  float *patches = NULL;
  ap_status st = reserve_floats(cu, ap_saturating_mul(chunk, per_image), &patches, err);
  for (size_t i = 0; !st && i < s->n; i += chunk) {
    const size_t images = s->n - i < chunk ? s->n - i : chunk;
    const ap_cuda_patches at = patches_of(p, s, images, wide);
    const float *from = dy + i * p->y_image;
    if (wide) {
      float *side_by_side = patches + p->rows * at.row;
      st = ap_cuda_check(
          "conv_backward_data",
          ap_cuda_launch_widen_f32(cu->stream, images, s->c_out, p->pixels, from, side_by_side),
          err);
      from = side_by_side;
    }
    if (!st) st = data_product(cu, p, &at, w, from, patches, wide, false, err);
    if (!st) {
      st = ap_cuda_check(
          "conv_backward_data",
          ap_cuda_launch_col2im_f32(cu->stream, &at, patches, dx + i * p->x_image, accumulate),
          err);
    }
  }
  return st;
}

ap_status ap_cuda_conv_backward_data(ap_backend *be, const ap_conv_shape *s, const float *dy,
                                     const float *w, float *dx, bool accumulate, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  plan p;
  ap_status st = plan_init(&p, s, err);
  if (st) return st;
  if (covers(s)) {
    st = data_covering(cu, &p, s, dy, w, dx, accumulate, err);
  } else if (is_own_patches(s) && p.pixels >= WIDE_BELOW) {
    st = data_own(cu, &p, s, dy, w, dx, accumulate, err);
  } else {
    st = data_patches(cu, &p, s, dy, w, dx, accumulate, err);
  }
  return st ? st : ap_cuda_end(cu, "conv_backward_data", cudaSuccess, err);
}

/* ---- gradient of the filters ------------------------------------------------------------------- */

static ap_status filter_covering(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *x,
                                 const float *dy, float *dw, ap_error *err) {
  const ap_cuda_product product = {.trans_a = true,
                                   .m = s->c_out,
                                   .n = p->depth,
                                   .k = s->n,
                                   .a = dy,
                                   .b = x,
                                   .c = dw,
                                   .lda = s->c_out,
                                   .ldb = p->depth,
                                   .ldc = p->depth,
                                   .batch = {{.count = 1}, {.count = 1}}};
  return ap_cuda_multiply(cu, &product, err);
}

/* Columns of a slice for a chunk of `columns`. */
static size_t slice_of(const plan *p, size_t columns) {
  const size_t fit = CHUNK_FLOATS / p->w_count;
  const size_t most = fit < 1 ? 1 : fit < MAX_SLICES ? fit : MAX_SLICES;
  const size_t even = ((columns + most - 1) / most + 31) / 32 * 32;
  return even > SLICE_COLUMNS ? even : SLICE_COLUMNS;
}

/* parts[i] = filters' gradient from slice first + i, for `count` slices of `size` columns each that
 * begin at column `begin`. */
static ap_status filter_slices(ap_cuda *cu, const plan *p, size_t row, const float *patches,
                               const float *dy, float *parts, size_t begin, size_t size,
                               size_t count, ap_error *err) {
  const ap_cuda_product product = {
      .trans_b = true,
      .m = p->outputs,
      .n = p->depth,
      .k = size,
      .a = dy + begin,
      .b = patches + begin,
      .c = parts,
      .lda = row,
      .ldb = row,
      .ldc = p->depth,
      .batch = {{p->groups, p->outputs * row, p->depth * row, p->outputs * p->depth},
                {count, size, size, p->w_count}}};
  if (size == 0 || count == 0) return AP_OK;
  return ap_cuda_multiply(cu, &product, err);
}

/* One chunk: patches and dy side by side, slices of columns, their sum into dw. */
static ap_status filter_chunk(ap_cuda *cu, const plan *p, const ap_conv_shape *s, size_t images,
                              size_t slice, const float *x, const float *dy, float *workspace,
                              float *dw, bool accumulate, ap_error *err) {
  const ap_cuda_patches at = patches_of(p, s, images, true);
  const size_t columns = at.row;
  const size_t full = columns / slice, rest = columns % slice;
  float *patches = workspace, *wide = patches + p->rows * columns;
  float *parts = wide + s->c_out * columns;
  ap_status st = ap_cuda_check("conv_backward_filter",
                               ap_cuda_launch_im2col_f32(cu->stream, &at, x, patches), err);
  if (!st) {
    st = ap_cuda_check("conv_backward_filter",
                       ap_cuda_launch_widen_f32(cu->stream, images, s->c_out, p->pixels, dy, wide),
                       err);
  }
  if (!st) st = filter_slices(cu, p, columns, patches, wide, parts, 0, slice, full, err);
  if (!st) {
    st = filter_slices(cu, p, columns, patches, wide, parts + full * p->w_count, full * slice, rest,
                       1, err);
  }
  if (st) return st;
  return ap_cuda_check("conv_backward_filter",
                       ap_cuda_launch_sum_parts_f32(cu->stream, full + (rest > 0), p->w_count,
                                                    parts, dw, accumulate),
                       err);
}

static ap_status filter_wide(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *x,
                             const float *dy, float *dw, ap_error *err) {
  const size_t per_image = ap_saturating_mul(p->rows + s->c_out, p->pixels);
  const size_t chunk = chunk_of(s, per_image);
  const size_t columns = chunk * p->pixels, slice = slice_of(p, columns);
  const size_t parts = ap_saturating_mul((columns + slice - 1) / slice, p->w_count);
  size_t floats = ap_saturating_mul(chunk, per_image);
  float *workspace = NULL;
  floats = floats > SIZE_MAX - parts ? SIZE_MAX : floats + parts;
  ap_status st = reserve_floats(cu, floats, &workspace, err);
  for (size_t i = 0; !st && i < s->n; i += chunk) {
    const size_t images = s->n - i < chunk ? s->n - i : chunk;
    st = filter_chunk(cu, p, s, images, slice, x + i * p->x_image, dy + i * p->y_image, workspace,
                      dw, i > 0, err);
  }
  return st;
}

static ap_status bias_gradient(ap_cuda *cu, const plan *p, const ap_conv_shape *s, const float *dy,
                               float *dbias, ap_error *err) {
  void *scratch = NULL;
  ap_status st =
      ap_cuda_reserve(cu, ap_cuda_channel_scratch(s->n, s->c_out, p->pixels), &scratch, err);
  if (st) return st;
  return ap_cuda_check(
      "conv_backward_filter",
      ap_cuda_launch_channel_sum_f32(cu->stream, s->n, s->c_out, p->pixels, dy, scratch, dbias),
      err);
}

ap_status ap_cuda_conv_backward_filter(ap_backend *be, const ap_conv_shape *s, const float *x,
                                       const float *dy, float *dw, float *dbias, ap_error *err) {
  ap_cuda *cu = ap_cuda_of(be);
  plan p;
  ap_status st = plan_init(&p, s, err);
  if (st) return st;
  if (p.x_image == 0) { /* no input to correlate with */
    st = ap_cuda_check("conv_backward_filter",
                       ap_cuda_launch_fill_f32(cu->stream, dw, 0, p.w_count), err);
  } else if (covers(s)) {
    st = filter_covering(cu, &p, s, x, dy, dw, err);
  } else {
    st = filter_wide(cu, &p, s, x, dy, dw, err);
  }
  if (!st && dbias) st = bias_gradient(cu, &p, s, dy, dbias, err);
  return st ? st : ap_cuda_end(cu, "conv_backward_filter", cudaSuccess, err);
}
