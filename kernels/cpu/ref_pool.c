#include "kernels/cpu/ref_impl.h"

/* The rows and columns inside the map that output pixel (oy, ox) covers. */
typedef struct {
  size_t y0, y1, x0, x1;
} window;

static window window_of(const ap_pool_shape *s, size_t oy, size_t ox) {
  const size_t y0 = oy * s->stride_h, x0 = ox * s->stride_w;
  const size_t y1 = y0 + s->kh, x1 = x0 + s->kw;
  window r;
  r.y0 = y0 > s->pad_top ? y0 - s->pad_top : 0;
  r.x0 = x0 > s->pad_left ? x0 - s->pad_left : 0;
  r.y1 = y1 - s->pad_top < s->h ? y1 - s->pad_top : s->h;
  r.x1 = x1 - s->pad_left < s->w ? x1 - s->pad_left : s->w;
  return r;
}

static double divisor(const ap_pool_shape *s, const window *r) {
  return s->count_padding ? (double)(s->kh * s->kw) : (double)((r->y1 - r->y0) * (r->x1 - r->x0));
}

/* Index of the first maximal pixel. */
static size_t argmax(const ap_pool_shape *s, const float *plane, const window *r) {
  size_t best = r->y0 * s->w + r->x0;
  for (size_t y = r->y0; y < r->y1; y++) {
    for (size_t x = r->x0; x < r->x1; x++) {
      if (plane[y * s->w + x] > plane[best]) best = y * s->w + x;
    }
  }
  return best;
}

static double average(const ap_pool_shape *s, const float *plane, const window *r) {
  double sum = 0;
  for (size_t y = r->y0; y < r->y1; y++) {
    for (size_t x = r->x0; x < r->x1; x++) sum += (double)plane[y * s->w + x];
  }
  return sum / divisor(s, r);
}

ap_status ap_ref_pool_forward(ap_backend *be, const ap_pool_shape *s, const float *x, float *y,
                              ap_error *err) {
  const size_t oh = ap_pool_out_h(s), ow = ap_pool_out_w(s);
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->n * s->c; i++) {
    const float *plane = x + i * s->h * s->w;
    for (size_t p = 0; p < oh * ow; p++) {
      const window r = window_of(s, p / ow, p % ow);
      y[i * oh * ow + p] =
          s->kind == AP_POOL_MAX ? plane[argmax(s, plane, &r)] : (float)average(s, plane, &r);
    }
  }
  return AP_OK;
}

/* Gradient that input pixel (iy, ix) receives, summed in double over the windows that hold it. */
static double gradient_at(const ap_pool_shape *s, const float *x, const float *dy, size_t iy,
                          size_t ix) {
  const size_t oh = ap_pool_out_h(s), ow = ap_pool_out_w(s);
  double sum = 0;
  for (size_t p = 0; p < oh * ow; p++) {
    const window r = window_of(s, p / ow, p % ow);
    if (iy < r.y0 || iy >= r.y1 || ix < r.x0 || ix >= r.x1) continue;
    if (s->kind == AP_POOL_AVERAGE) {
      sum += (double)dy[p] / divisor(s, &r);
    } else if (argmax(s, x, &r) == iy * s->w + ix) {
      sum += (double)dy[p];
    }
  }
  return sum;
}

ap_status ap_ref_pool_backward(ap_backend *be, const ap_pool_shape *s, const float *x,
                               const float *y, const float *dy, float *dx, bool accumulate,
                               ap_error *err) {
  const size_t pixels = s->h * s->w, out_pixels = ap_pool_out_h(s) * ap_pool_out_w(s);
  (void)be;
  (void)err;
  (void)y;
  for (size_t i = 0; i < s->n * s->c; i++) {
    for (size_t p = 0; p < pixels; p++) {
      float *to = &dx[i * pixels + p];
      const double sum =
          gradient_at(s, x ? x + i * pixels : NULL, dy + i * out_pixels, p / s->w, p % s->w);
      *to = (float)(sum + (accumulate ? (double)*to : 0));
    }
  }
  return AP_OK;
}
