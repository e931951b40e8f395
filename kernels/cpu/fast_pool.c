/* Pooling: a block is a fixed number of planes (one channel of one image). */
#include <string.h>

#include "kernels/cpu/fast_impl.h"

typedef struct {
  const ap_pool_shape *s;
  size_t oh, ow, planes, planes_per_block;
  const float *x, *dy;
  float *y; /* dx of the backward call */
  bool accumulate;
} pool_task;

static void plan(pool_task *t, const ap_pool_shape *s) {
  t->s = s;
  t->oh = ap_pool_out_h(s);
  t->ow = ap_pool_out_w(s);
  t->planes = s->n * s->c;
  t->planes_per_block = AP_FAST_BLOCK / (s->h * s->w) + 1;
}

typedef struct {
  size_t y0, y1, x0, x1;
} window;

static inline window window_of(const ap_pool_shape *s, size_t oy, size_t ox) {
  const size_t y0 = oy * s->stride_h, x0 = ox * s->stride_w;
  window r;
  r.y0 = y0 > s->pad_top ? y0 - s->pad_top : 0;
  r.x0 = x0 > s->pad_left ? x0 - s->pad_left : 0;
  r.y1 = ap_min_size(y0 + s->kh - s->pad_top, s->h);
  r.x1 = ap_min_size(x0 + s->kw - s->pad_left, s->w);
  return r;
}

static inline double divisor(const ap_pool_shape *s, const window *r) {
  return s->count_padding ? (double)(s->kh * s->kw) : (double)((r->y1 - r->y0) * (r->x1 - r->x0));
}

static size_t argmax(const ap_pool_shape *s, const float *plane, const window *r) {
  size_t best = r->y0 * s->w + r->x0;
  for (size_t y = r->y0; y < r->y1; y++) {
    for (size_t x = r->x0; x < r->x1; x++) {
      if (plane[y * s->w + x] > plane[best]) best = y * s->w + x;
    }
  }
  return best;
}

static bool no_padding(const ap_pool_shape *s) {
  return s->pad_top == 0 && s->pad_left == 0 && s->pad_bottom == 0 && s->pad_right == 0;
}

/* 2 x 2 windows in steps of 2: the usual case. */
static bool is_halving(const ap_pool_shape *s) {
  return s->kh == 2 && s->kw == 2 && s->stride_h == 2 && s->stride_w == 2 && no_padding(s);
}

static bool is_global(const ap_pool_shape *s) {
  return s->kh == s->h && s->kw == s->w && no_padding(s);
}

AP_CLONES
static void max_halving(const float *x, float *y, size_t w, size_t oh, size_t ow) {
  for (size_t oy = 0; oy < oh; oy++) {
    const float *a = x + 2 * oy * w, *b = a + w;
    for (size_t ox = 0; ox < ow; ox++) {
      const float top = a[2 * ox + 1] > a[2 * ox] ? a[2 * ox + 1] : a[2 * ox];
      const float low = b[2 * ox + 1] > b[2 * ox] ? b[2 * ox + 1] : b[2 * ox];
      y[oy * ow + ox] = low > top ? low : top;
    }
  }
}

/* Sum in 16 double lanes: one order for every instruction set. */
AP_CLONES
static double sum_plane(const float *x, size_t count) {
  double lanes[16] = {0}, sum = 0;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (size_t j = 0; j < 16; j++) lanes[j] += (double)x[i + j];
  }
  for (; i < count; i++) sum += (double)x[i];
  for (size_t j = 0; j < 16; j++) sum += lanes[j];
  return sum;
}

static void forward_plane(const pool_task *t, const float *x, float *y) {
  const ap_pool_shape *s = t->s;
  if (s->kind == AP_POOL_MAX && is_halving(s)) {
    max_halving(x, y, s->w, t->oh, t->ow);
    return;
  }
  if (s->kind == AP_POOL_AVERAGE && is_global(s)) {
    y[0] = (float)(sum_plane(x, s->h * s->w) / (double)(s->h * s->w));
    return;
  }
  for (size_t oy = 0; oy < t->oh; oy++) {
    for (size_t ox = 0; ox < t->ow; ox++) {
      const window r = window_of(s, oy, ox);
      double sum = 0;
      if (s->kind == AP_POOL_MAX) {
        y[oy * t->ow + ox] = x[argmax(s, x, &r)];
        continue;
      }
      for (size_t row = r.y0; row < r.y1; row++) {
        for (size_t q = r.x0; q < r.x1; q++) sum += (double)x[row * s->w + q];
      }
      y[oy * t->ow + ox] = (float)(sum / divisor(s, &r));
    }
  }
}

static void forward_body(void *context, size_t block, size_t worker) {
  const pool_task *t = context;
  const size_t first = block * t->planes_per_block;
  const size_t end = ap_min_size(first + t->planes_per_block, t->planes);
  (void)worker;
  for (size_t i = first; i < end; i++) {
    forward_plane(t, t->x + i * t->s->h * t->s->w, t->y + i * t->oh * t->ow);
  }
}

ap_status ap_fast_pool_forward(ap_backend *be, const ap_pool_shape *s, const float *x, float *y,
                               ap_error *err) {
  pool_task t = {.x = x, .y = y};
  (void)err;
  plan(&t, s);
  ap_pool_run(ap_fast(be)->pool, ap_ceil_div(t.planes, t.planes_per_block), forward_body, &t);
  return AP_OK;
}

/* Adds to dx; without branches, so that the compiler can vectorise. */
AP_CLONES
static void max_halving_backward(const float *x, const float *dy, float *dx, size_t w, size_t oh,
                                 size_t ow) {
  for (size_t oy = 0; oy < oh; oy++) {
    const float *a = x + 2 * oy * w, *b = a + w, *d = dy + oy * ow;
    float *da = dx + 2 * oy * w, *db = da + w;
    for (size_t ox = 0; ox < ow; ox++) {
      const float a0 = a[2 * ox], a1 = a[2 * ox + 1], b0 = b[2 * ox], b1 = b[2 * ox + 1];
      const float top = a1 > a0 ? a1 : a0, low = b1 > b0 ? b1 : b0, g = d[ox];
      const float upper = low > top ? 0 : g, lower = low > top ? g : 0;
      da[2 * ox] += a1 > a0 ? 0 : upper;
      da[2 * ox + 1] += a1 > a0 ? upper : 0;
      db[2 * ox] += b1 > b0 ? 0 : lower;
      db[2 * ox + 1] += b1 > b0 ? lower : 0;
    }
  }
}

static void backward_plane(const pool_task *t, const float *x, const float *dy, float *dx) {
  const ap_pool_shape *s = t->s;
  if (!t->accumulate) memset(dx, 0, s->h * s->w * sizeof *dx);
  if (s->kind == AP_POOL_MAX && is_halving(s)) {
    max_halving_backward(x, dy, dx, s->w, t->oh, t->ow);
    return;
  }
  for (size_t oy = 0; oy < t->oh; oy++) {
    for (size_t ox = 0; ox < t->ow; ox++) {
      const window r = window_of(s, oy, ox);
      const float g = dy[oy * t->ow + ox];
      if (s->kind == AP_POOL_MAX) {
        dx[argmax(s, x, &r)] += g;
        continue;
      }
      const float share = (float)((double)g / divisor(s, &r));
      for (size_t row = r.y0; row < r.y1; row++) {
        for (size_t q = r.x0; q < r.x1; q++) dx[row * s->w + q] += share;
      }
    }
  }
}

static void backward_body(void *context, size_t block, size_t worker) {
  const pool_task *t = context;
  const size_t pixels = t->s->h * t->s->w, first = block * t->planes_per_block;
  const size_t end = ap_min_size(first + t->planes_per_block, t->planes);
  (void)worker;
  for (size_t i = first; i < end; i++) {
    backward_plane(t, t->x ? t->x + i * pixels : NULL, t->dy + i * t->oh * t->ow,
                   t->y + i * pixels);
  }
}

ap_status ap_fast_pool_backward(ap_backend *be, const ap_pool_shape *s, const float *x,
                                const float *y, const float *dy, float *dx, bool accumulate,
                                ap_error *err) {
  pool_task t = {.x = x, .dy = dy, .y = dx, .accumulate = accumulate};
  (void)err;
  (void)y;
  plan(&t, s);
  ap_pool_run(ap_fast(be)->pool, ap_ceil_div(t.planes, t.planes_per_block), backward_body, &t);
  return AP_OK;
}
