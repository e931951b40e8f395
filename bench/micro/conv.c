/* bench/micro/conv.c - convolution of the "cpu" backend against patches and one matrix product. */
#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/benchmark.h"
#include "bench/micro/micro_impl.h"
#include "kernels/backend.h"

typedef struct {
  ap_conv_shape s; /* square filters, stride 1, padding that keeps the size, one group */
  size_t k, pixels, n_x, n_w, n_y;
  ap_backend *be;
  ap_buffer *bx, *bw, *by;
  float *x, *w;   /* [n, c_in, h, w], [c_out, k] */
  float *y;       /* read back from the backend */
  float *patches; /* [k, n * pixels] */
  float *product; /* [c_out, n * pixels] */
} conv_problem;

/* Buffers of one backend with x and w in them. */
static ap_status fill(ap_backend *be, const conv_problem *p, const float *x, const float *w,
                      ap_buffer *buffers[3], ap_error *err) {
  ap_status st = ap_buffer_create(be, p->n_x * sizeof *x, &buffers[0], err);
  if (!st) st = ap_buffer_create(be, p->n_w * sizeof *w, &buffers[1], err);
  if (!st) st = ap_buffer_create(be, p->n_y * sizeof *x, &buffers[2], err);
  if (!st) st = ap_buffer_write(buffers[0], 0, x, p->n_x * sizeof *x, err);
  if (!st) st = ap_buffer_write(buffers[1], 0, w, p->n_w * sizeof *w, err);
  return st;
}

static void teardown(void *problem) {
  conv_problem *p = problem;
  ap_buffer_destroy(p->bx);
  ap_buffer_destroy(p->bw);
  ap_buffer_destroy(p->by);
  ap_backend_close(p->be);
  ap_free(p->x);
  ap_free(p->w);
  ap_free(p->y);
  ap_free(p->patches);
  ap_free(p->product);
  ap_free(p);
}

/* point: channels in and out, side of the map, side of the filter, images. */
static ap_status setup(const void *context, const int64_t *point, void **problem, ap_error *err) {
  const size_t c = (size_t)point[0], side = (size_t)point[1], f = (size_t)point[2],
               n = (size_t)point[3], pad = f / 2;
  conv_problem *p = ap_calloc(1, sizeof *p);
  ap_buffer *buffers[3] = {NULL};
  ap_status st = AP_OK;
  ap_rng rng;
  (void)context;
  *problem = NULL;
  if (!p) return ap_fail(err, AP_ERR_MEMORY, "problem");
  p->s = (ap_conv_shape){n, c, side, side, c, f, f, 1, 1, pad, pad, pad, pad, 1, 1, 1};
  p->k = c * f * f;
  p->pixels = side * side;
  p->n_x = p->n_y = n * c * p->pixels;
  p->n_w = c * p->k;
  p->x = ap_calloc(p->n_x, sizeof *p->x);
  p->w = ap_calloc(p->n_w, sizeof *p->w);
  p->y = ap_calloc(p->n_y, sizeof *p->y);
  p->patches = ap_calloc(p->k * n * p->pixels, sizeof *p->patches);
  p->product = ap_calloc(p->n_y, sizeof *p->product);
  if (!p->x || !p->w || !p->y || !p->patches || !p->product) {
    st = ap_fail(err, AP_ERR_MEMORY, "%zu images of %zu channels", n, c);
  }
  ap_rng_seed(&rng, 3, c);
  for (size_t i = 0; !st && i < p->n_x; i++) p->x[i] = (float)ap_rng_normal(&rng);
  for (size_t i = 0; !st && i < p->n_w; i++) p->w[i] = (float)ap_rng_normal(&rng);
  if (!st) st = ap_backend_open("cpu", 1, &p->be, err);
  if (!st) st = fill(p->be, p, p->x, p->w, buffers, err);
  p->bx = buffers[0];
  p->bw = buffers[1];
  p->by = buffers[2];
  if (st) {
    teardown(p);
    return st;
  }
  *problem = p;
  return AP_OK;
}

/* patches[(channel, r, q)][(image, row, column)] = x at (row + r - pad, column + q - pad), or 0. */
static void take_patches(const conv_problem *p) {
  const ap_conv_shape *s = &p->s;
  float *out = p->patches;
  for (size_t k = 0; k < p->k; k++) {
    const size_t q = k % s->kw, r = k / s->kw % s->kh, channel = k / (s->kw * s->kh);
    const size_t left = q < s->pad_left ? s->pad_left - q : 0;
    const size_t end = s->w + s->pad_left - q < s->w ? s->w + s->pad_left - q : s->w;
    for (size_t i = 0; i < s->n; i++) {
      const float *map = p->x + (i * s->c_in + channel) * p->pixels;
      for (size_t row = 0; row < s->h; row++, out += s->w) {
        const bool inside = row + r >= s->pad_top && row + r - s->pad_top < s->h;
        if (!inside) {
          memset(out, 0, s->w * sizeof *out);
          continue;
        }
        memset(out, 0, left * sizeof *out);
        memcpy(out + left, map + (row + r - s->pad_top) * s->w + left + q - s->pad_left,
               (end - left) * sizeof *out);
        memset(out + end, 0, (s->w - end) * sizeof *out);
      }
    }
  }
}

/* OpenBLAS runs on one thread here: opening the backend set that. */
static ap_status patches_sgemm(void *problem, ap_error *err) {
  const conv_problem *p = problem;
  const int m = (int)p->s.c_out, n = (int)(p->s.n * p->pixels), k = (int)p->k;
  (void)err;
  take_patches(p);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0F, p->w, k, p->patches, n,
              0.0F, p->product, n);
  return AP_OK;
}

static ap_status backend(void *problem, ap_error *err) {
  conv_problem *p = problem;
  ap_status st = ap_conv_forward(p->be, &p->s, p->bx, p->bw, NULL, p->by, err);
  return st ? st : ap_backend_sync(p->be, err);
}

/* The oracle's convolution of any x and w. */
static ap_status oracle(const conv_problem *p, const float *x, const float *w, float *y,
                        ap_error *err) {
  ap_backend *be = NULL;
  ap_buffer *b[3] = {NULL};
  ap_status st = ap_backend_open("cpu-ref", 1, &be, err);
  if (!st) st = fill(be, p, x, w, b, err);
  if (!st) st = ap_conv_forward(be, &p->s, b[0], b[1], NULL, b[2], err);
  if (!st) st = ap_buffer_read(b[2], 0, y, p->n_y * sizeof *y, err);
  for (size_t i = 0; i < 3; i++) ap_buffer_destroy(b[i]);
  ap_backend_close(be);
  return st;
}

/* Both ways against the oracle: each sum of k products is within 2 k eps sum |x||w|. */
static ap_status verify(void *problem, ap_error *err) {
  conv_problem *p = problem;
  float *truth = ap_calloc(p->n_y, sizeof *truth), *bound = ap_calloc(p->n_y, sizeof *bound);
  float *x = ap_calloc(p->n_x, sizeof *x), *w = ap_calloc(p->n_w, sizeof *w);
  ap_status st = AP_OK;
  if (!truth || !bound || !x || !w) {
    st = ap_fail(err, AP_ERR_MEMORY, "verification");
    goto done;
  }
  for (size_t i = 0; i < p->n_x; i++) x[i] = fabsf(p->x[i]);
  for (size_t i = 0; i < p->n_w; i++) w[i] = fabsf(p->w[i]);
  st = oracle(p, p->x, p->w, truth, err);
  if (!st) st = oracle(p, x, w, bound, err);
  for (size_t i = 0; i < p->n_y; i++) p->product[i] = NAN;
  if (!st) st = ap_buffer_fill(p->by, NAN, p->n_y, err);
  if (!st) st = patches_sgemm(p, err);
  if (!st) st = backend(p, err);
  if (!st) st = ap_buffer_read(p->by, 0, p->y, p->n_y * sizeof *p->y, err);
  for (size_t i = 0; i < p->n_y && !st; i++) {
    const size_t image = i / (p->s.c_out * p->pixels), channel = i / p->pixels % p->s.c_out;
    const double limit = 2.0 * (double)p->k * (double)FLT_EPSILON * (double)bound[i];
    const double a = (double)p->y[i], t = (double)truth[i];
    const double b =
        (double)p->product[channel * p->s.n * p->pixels + image * p->pixels + i % p->pixels];
    if (!(fabs(a - t) <= limit && fabs(b - t) <= limit)) {
      st = ap_fail(err, AP_ERR_INTERNAL, "output %zu: backend %.9g, sgemm %.9g, oracle %.9g", i, a,
                   b, t);
    }
  }
done:
  ap_free(truth);
  ap_free(bound);
  ap_free(x);
  ap_free(w);
  return st;
}

static void report(void *problem, size_t way, ap_bench_meter *meter) {
  const conv_problem *p = problem;
  (void)way;
  ap_bench_counter(meter, "images", (double)p->s.n, AP_BENCH_RATE);
  ap_bench_counter(meter, "flops", 2.0 * (double)p->n_y * (double)p->k, AP_BENCH_RATE);
}

ap_status ap_micro_conv(ap_error *err) {
  static const char *const axes[] = {"channels", "side", "filter", "images"};
  static const int64_t points[] = {
      16,  32, 3, 16, /* resnet8, resnet20: the three groups */
      32,  16, 3, 16, /**/
      64,  8,  3, 16, /**/
      128, 8,  3, 16, /* vgg16 */
      64,  8,  1, 16, /* a 1 x 1 layer */
      4,   5,  3, 3   /* small and odd: for a quick check */
  };
  static const ap_bench_way ways[] = {{"im2col_sgemm", patches_sgemm}, {"backend", backend}};
  return ap_bench_register(&(ap_bench_case){.name = "conv_forward",
                                            .n_axes = 4,
                                            .axes = axes,
                                            .n_points = sizeof points / sizeof points[0] / 4,
                                            .points = points,
                                            .n_ways = 2,
                                            .ways = ways,
                                            .setup = setup,
                                            .verify = verify,
                                            .report = report,
                                            .teardown = teardown},
                           err);
}
