/* Convolution by matrix products (CBLAS, called with one thread from blocks of our pool).
 *
 * Maps: one group of channels of one image at a time, or of several where maps are small, patches [K, P] beside
 * filters [M, K], with M = c_out / groups, K = c_in / groups * kh * kw, P = output pixels. Fully connected (P = 1 and the
 * patch is the whole image): one product over a block of images, or of outputs. The gradient of the
 * filters is summed per fixed block of images and the blocks are added in their order. */
#include <cblas.h>
#include <string.h>

#include "kernels/cpu/direct_impl.h"
#include "kernels/cpu/patches_impl.h"
#include "kernels/cpu/ref_impl.h"

/* Partial sums of the filters' gradient: their number bounds the threads that can help, their size
 * the memory (floats). */
#define MAX_PARTIALS ((size_t)8)
#define MIN_PARTIALS ((size_t)4)
#define PARTIAL_FLOATS ((size_t)8 << 20)
/* Images, or outputs, of one block of a fully connected layer. */
#define DENSE_ROWS ((size_t)32)
#define DENSE_OUTPUTS ((size_t)64)
/* Maps of fewer pixels share a product of about so many columns: it would read all filters for one image. */
#define FEW_PIXELS ((size_t)32)
#define SHARED_COLUMNS ((size_t)128)

typedef struct {
  const ap_conv_shape *s;
  size_t m, k, p;          /* per group */
  size_t x_image, y_image; /* floats of one image */
  size_t together;         /* images of one product */
  bool direct;             /* the patches are the image itself (1 x 1, stride 1, no padding) */
  const float *x, *w, *bias, *dy;
  float *y, *dx, *dw, *dbias;
  bool accumulate;
  float **scratch; /* per worker: patches [k, together * p], then outputs [m, together * p] */
  float *partials;
  size_t n_partials;
  bool by_vectors; /* the filters' gradient follows this plan (direct_impl.h) */
  ap_direct_plan vectors;
} conv_task;

static bool no_padding(const ap_conv_shape *s) {
  return s->pad_top == 0 && s->pad_left == 0 && s->pad_bottom == 0 && s->pad_right == 0;
}

static bool is_dense(const ap_conv_shape *s) {
  return s->groups == 1 && s->kh == s->h && s->kw == s->w && no_padding(s) && s->c_in > 0 &&
         !ap_is_dilated(s);
}

static void plan(conv_task *t, const ap_conv_shape *s) {
  t->s = s;
  t->m = s->c_out / s->groups;
  t->k = s->c_in / s->groups * s->kh * s->kw;
  t->p = ap_conv_out_h(s) * ap_conv_out_w(s);
  t->x_image = s->c_in * s->h * s->w;
  t->y_image = s->c_out * t->p;
  t->together = t->p > 0 && t->p < FEW_PIXELS
                    ? ap_min_size(ap_ceil_div(SHARED_COLUMNS, t->p), s->n ? s->n : 1)
                    : 1;
  t->direct = s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 && no_padding(s);
}

static void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, size_t m, size_t n, size_t k,
                 const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                 size_t ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, (blasint)m, (blasint)n, (blasint)k, 1, a, (blasint)lda, b,
              (blasint)ldb, beta, c, (blasint)ldc);
}

static ap_status reserve(ap_backend *be, conv_task *t, size_t partials, ap_error *err) {
  const size_t floats = t->by_vectors     ? ap_direct_filter_floats(&t->vectors)
                        : t->together > 1 ? (t->k + t->m) * t->together * t->p
                        : t->direct       ? 0
                                          : t->k * t->p;
  ap_status st = ap_fast_reserve(ap_fast(be), floats, partials, err);
  t->scratch = ap_fast(be)->scratch;
  t->partials = ap_fast(be)->shared;
  return st;
}

/* ---- several images in one product ------------------------------------------------------------ */

/* Images first .. first + n - 1 of one group side by side: patches [k, n * p] of x. */
static void gather_patches(const conv_task *t, size_t group, size_t first, size_t n,
                           float *patches) {
  const ap_conv_shape *s = t->s;
  const size_t c_group = s->c_in / s->groups;
  for (size_t i = 0; i < n; i++) {
    const float *x = t->x + (first + i) * t->x_image + group * c_group * s->h * s->w;
    ap_patches_gather(s, x, c_group, n * t->p, patches + i * t->p);
  }
}

/* Their maps [m, p] from y (or dy) to rows of n * p, and back. */
static void gather_maps(const conv_task *t, const float *y, size_t group, size_t first, size_t n,
                        float *rows) {
  for (size_t i = 0; i < n; i++) {
    const float *from = y + (first + i) * t->y_image + group * t->m * t->p;
    for (size_t c = 0; c < t->m; c++) {
      memcpy(rows + (c * n + i) * t->p, from + c * t->p, t->p * sizeof *rows);
    }
  }
}

static void scatter_maps(const conv_task *t, const float *rows, size_t group, size_t first,
                         size_t n, float *y) {
  for (size_t i = 0; i < n; i++) {
    float *to = y + (first + i) * t->y_image + group * t->m * t->p;
    for (size_t c = 0; c < t->m; c++) {
      memcpy(to + c * t->p, rows + (c * n + i) * t->p, t->p * sizeof *rows);
    }
  }
}

/* ---- forward --------------------------------------------------------------------------------- */

static void forward_dense(void *context, size_t block, size_t worker) {
  const conv_task *t = context;
  const size_t first = block * DENSE_ROWS, n = ap_min_size(DENSE_ROWS, t->s->n - first);
  float *y = t->y + first * t->m;
  (void)worker;
  for (size_t i = 0; t->bias && i < n; i++) memcpy(y + i * t->m, t->bias, t->m * sizeof *y);
  gemm(CblasNoTrans, CblasTrans, n, t->m, t->k, t->x + first * t->k, t->k, t->w, t->k,
       t->bias ? 1 : 0, y, t->m);
}

static void forward_image(void *context, size_t i, size_t worker) {
  const conv_task *t = context;
  const ap_conv_shape *s = t->s;
  const size_t c_group = s->c_in / s->groups;
  for (size_t group = 0; group < s->groups; group++) {
    const float *x = t->x + i * t->x_image + group * c_group * s->h * s->w;
    const float *patches = t->direct ? x : t->scratch[worker];
    float *y = t->y + i * t->y_image + group * t->m * t->p;
    for (size_t c = 0; t->bias && c < t->m; c++) {
      for (size_t p = 0; p < t->p; p++) y[c * t->p + p] = t->bias[group * t->m + c];
    }
    if (!t->direct) ap_patches_gather(s, x, c_group, t->p, t->scratch[worker]);
    gemm(CblasNoTrans, CblasNoTrans, t->m, t->p, t->k, t->w + group * t->m * t->k, t->k, patches,
         t->p, t->bias ? 1 : 0, y, t->p);
  }
}

static void forward_together(void *context, size_t block, size_t worker) {
  const conv_task *t = context;
  const size_t first = block * t->together, n = ap_min_size(t->together, t->s->n - first);
  const size_t columns = n * t->p;
  float *patches = t->scratch[worker], *rows = patches + t->k * t->together * t->p;
  for (size_t group = 0; group < t->s->groups; group++) {
    gather_patches(t, group, first, n, patches);
    for (size_t c = 0; t->bias && c < t->m; c++) {
      for (size_t j = 0; j < columns; j++) rows[c * columns + j] = t->bias[group * t->m + c];
    }
    gemm(CblasNoTrans, CblasNoTrans, t->m, columns, t->k, t->w + group * t->m * t->k, t->k, patches,
         columns, t->bias ? 1 : 0, rows, columns);
    scatter_maps(t, rows, group, first, n, t->y);
  }
}

ap_status ap_fast_conv_forward(ap_backend *be, const ap_conv_shape *s, const float *x,
                               const float *w, const float *bias, float *y, ap_error *err) {
  conv_task t = {.x = x, .w = w, .bias = bias, .y = y};
  ap_status st;
  if (s->c_in == 0 || s->h == 0 || s->w == 0) {
    return ap_ref_conv_forward(be, s, x, w, bias, y, err);
  }
  plan(&t, s);
  if (is_dense(s)) {
    ap_pool_run(ap_fast(be)->pool, ap_ceil_div(s->n, DENSE_ROWS), forward_dense, &t);
    return AP_OK;
  }
  if (ap_direct_suits(s)) return ap_direct_forward(ap_fast(be), s, x, w, bias, y, err);
  st = reserve(be, &t, 0, err);
  if (st) return st;
  if (t.together > 1) {
    ap_pool_run(ap_fast(be)->pool, ap_ceil_div(s->n, t.together), forward_together, &t);
  } else {
    ap_pool_run(ap_fast(be)->pool, s->n, forward_image, &t);
  }
  return AP_OK;
}

/* ---- gradient of the input ------------------------------------------------------------------- */

static void data_dense(void *context, size_t block, size_t worker) {
  const conv_task *t = context;
  const size_t first = block * DENSE_ROWS, n = ap_min_size(DENSE_ROWS, t->s->n - first);
  (void)worker;
  gemm(CblasNoTrans, CblasNoTrans, n, t->k, t->m, t->dy + first * t->m, t->m, t->w, t->k,
       t->accumulate ? 1 : 0, t->dx + first * t->k, t->k);
}

static void data_image(void *context, size_t i, size_t worker) {
  const conv_task *t = context;
  const ap_conv_shape *s = t->s;
  const size_t c_group = s->c_in / s->groups, pixels = s->h * s->w;
  for (size_t group = 0; group < s->groups; group++) {
    const float *dy = t->dy + i * t->y_image + group * t->m * t->p;
    const float *w = t->w + group * t->m * t->k;
    float *dx = t->dx + i * t->x_image + group * c_group * pixels;
    if (t->direct) {
      gemm(CblasTrans, CblasNoTrans, t->k, t->p, t->m, w, t->k, dy, t->p, t->accumulate ? 1 : 0, dx,
           t->p);
      continue;
    }
    gemm(CblasTrans, CblasNoTrans, t->k, t->p, t->m, w, t->k, dy, t->p, 0, t->scratch[worker],
         t->p);
    if (!t->accumulate) memset(dx, 0, c_group * pixels * sizeof *dx);
    ap_patches_scatter(s, t->scratch[worker], t->p, c_group, dx);
  }
}

static void data_together(void *context, size_t block, size_t worker) {
  const conv_task *t = context;
  const ap_conv_shape *s = t->s;
  const size_t first = block * t->together, n = ap_min_size(t->together, s->n - first);
  const size_t columns = n * t->p, size = s->c_in / s->groups * s->h * s->w;
  float *patches = t->scratch[worker], *rows = patches + t->k * t->together * t->p;
  for (size_t group = 0; group < s->groups; group++) {
    gather_maps(t, t->dy, group, first, n, rows);
    gemm(CblasTrans, CblasNoTrans, t->k, columns, t->m, t->w + group * t->m * t->k, t->k, rows,
         columns, 0, patches, columns);
    for (size_t i = 0; i < n; i++) {
      float *dx = t->dx + (first + i) * t->x_image + group * size;
      if (!t->accumulate) memset(dx, 0, size * sizeof *dx);
      ap_patches_scatter(s, patches + i * t->p, columns, s->c_in / s->groups, dx);
    }
  }
}

ap_status ap_fast_conv_backward_data(ap_backend *be, const ap_conv_shape *s, const float *dy,
                                     const float *w, float *dx, bool accumulate, ap_error *err) {
  conv_task t = {.dy = dy, .w = w, .dx = dx, .accumulate = accumulate};
  ap_status st;
  plan(&t, s);
  if (is_dense(s)) {
    ap_pool_run(ap_fast(be)->pool, ap_ceil_div(s->n, DENSE_ROWS), data_dense, &t);
    return AP_OK;
  }
  if (ap_direct_suits_data(s)) {
    return ap_direct_backward_data(ap_fast(be), s, dy, w, dx, accumulate, err);
  }
  st = reserve(be, &t, 0, err);
  if (st) return st;
  if (t.together > 1) {
    ap_pool_run(ap_fast(be)->pool, ap_ceil_div(s->n, t.together), data_together, &t);
  } else {
    ap_pool_run(ap_fast(be)->pool, s->n, data_image, &t);
  }
  return AP_OK;
}

/* ---- gradient of the filters ----------------------------------------------------------------- */

/* Some outputs over all images. */
static void filter_dense(void *context, size_t block, size_t worker) {
  const conv_task *t = context;
  const size_t first = block * DENSE_OUTPUTS, m = ap_min_size(DENSE_OUTPUTS, t->m - first);
  (void)worker;
  gemm(CblasTrans, CblasNoTrans, m, t->k, t->s->n, t->dy + first, t->m, t->x, t->k, 0,
       t->dw + first * t->k, t->k);
}

static void filter_together(const conv_task *t, size_t first, size_t end, float *scratch,
                            float *partial) {
  float *rows = scratch + t->k * t->together * t->p;
  for (size_t i = first; i < end; i += t->together) {
    const size_t n = ap_min_size(t->together, end - i), columns = n * t->p;
    for (size_t group = 0; group < t->s->groups; group++) {
      gather_patches(t, group, i, n, scratch);
      gather_maps(t, t->dy, group, i, n, rows);
      gemm(CblasNoTrans, CblasTrans, t->m, t->k, columns, rows, columns, scratch, columns,
           i > first ? 1 : 0, partial + group * t->m * t->k, t->k);
    }
  }
}

/* The block's images into its partial sum. */
static void filter_images(void *context, size_t block, size_t worker) {
  const conv_task *t = context;
  const ap_conv_shape *s = t->s;
  const size_t c_group = s->c_in / s->groups, per_block = ap_ceil_div(s->n, t->n_partials);
  const size_t first = block * per_block, end = ap_min_size(first + per_block, s->n);
  float *partial = t->partials + block * s->c_out * t->k;
  if (t->by_vectors) {
    ap_direct_filter_images(&t->vectors, t->x, t->dy, first, end, t->scratch[worker], partial);
    return;
  }
  if (t->together > 1) {
    filter_together(t, first, end, t->scratch[worker], partial);
    return;
  }
  for (size_t i = first; i < end; i++) {
    for (size_t group = 0; group < s->groups; group++) {
      const float *x = t->x + i * t->x_image + group * c_group * s->h * s->w;
      const float *patches = t->direct ? x : t->scratch[worker];
      if (!t->direct) ap_patches_gather(s, x, c_group, t->p, t->scratch[worker]);
      gemm(CblasNoTrans, CblasTrans, t->m, t->k, t->p, t->dy + i * t->y_image + group * t->m * t->p,
           t->p, patches, t->p, i > first ? 1 : 0, partial + group * t->m * t->k, t->k);
    }
  }
}

AP_CLONES
static void add_partials(void *context, size_t block, size_t worker) {
  const conv_task *t = context;
  const size_t count = t->s->c_out * t->k, first = block * AP_FAST_BLOCK;
  const size_t end = ap_min_size(first + AP_FAST_BLOCK, count);
  float *dw = t->dw;
  (void)worker;
  memcpy(dw + first, t->partials + first, (end - first) * sizeof *dw);
  for (size_t j = 1; j < t->n_partials; j++) {
    const float *partial = t->partials + j * count;
    for (size_t i = first; i < end; i++) dw[i] += partial[i];
  }
}

AP_CLONES
static void bias_channel(void *context, size_t c, size_t worker) {
  const conv_task *t = context;
  double sum = 0, lanes[16] = {0};
  (void)worker;
  for (size_t i = 0; i < t->s->n; i++) {
    const float *dy = t->dy + i * t->y_image + c * t->p;
    size_t p = 0;
    for (; p + 16 <= t->p; p += 16) {
      for (size_t j = 0; j < 16; j++) lanes[j] += (double)dy[p + j];
    }
    for (; p < t->p; p++) sum += (double)dy[p];
  }
  for (size_t j = 0; j < 16; j++) sum += lanes[j];
  t->dbias[c] = (float)sum;
}

ap_status ap_fast_conv_backward_filter(ap_backend *be, const ap_conv_shape *s, const float *x,
                                       const float *dy, float *dw, float *dbias, ap_error *err) {
  conv_task t = {.x = x, .dy = dy, .dw = dw, .dbias = dbias};
  ap_pool *pool = ap_fast(be)->pool;
  size_t count;
  ap_status st;
  if (s->c_in == 0 || s->h == 0 || s->w == 0) {
    return ap_ref_conv_backward_filter(be, s, x, dy, dw, dbias, err);
  }
  plan(&t, s);
  if (dbias) ap_pool_run(pool, s->c_out, bias_channel, &t);
  if (is_dense(s)) {
    ap_pool_run(pool, ap_ceil_div(t.m, DENSE_OUTPUTS), filter_dense, &t);
    return AP_OK;
  }
  count = s->c_out * t.k;
  t.n_partials = ap_min_size(MAX_PARTIALS, PARTIAL_FLOATS / count);
  if (t.n_partials < MIN_PARTIALS) t.n_partials = MIN_PARTIALS;
  if (t.n_partials > s->n) t.n_partials = s->n;
  /* No block without images. */
  t.n_partials = ap_ceil_div(s->n, ap_ceil_div(s->n, t.n_partials));
  t.by_vectors = ap_direct_suits_filter(s);
  if (t.by_vectors) {
    st = ap_direct_plan_make(ap_fast(be), s, &t.vectors, err);
    if (st) return st;
  }
  st = reserve(be, &t, t.n_partials * count, err);
  if (st) return st;
  ap_pool_run(pool, t.n_partials, filter_images, &t);
  ap_pool_run(pool, ap_ceil_div(count, AP_FAST_BLOCK), add_partials, &t);
  return AP_OK;
}
