/* Curves, products of images and channels by number of "cpu". */
#include <math.h>
#include <string.h>

#include "kernels/cpu/fast_impl.h"
#include "kernels/curve.h"

/* ---- elementwise: blocks of AP_FAST_BLOCK elements ------------------------------------------ */
typedef struct {
  ap_curve curve;
  size_t count;
  const float *from, *dy; /* forward: x; backward: what is kept */
  float *to;
  bool accumulate;
} curve_task;

static void curve_body(void *context, size_t block, size_t worker) {
  const curve_task *t = context;
  const size_t first = block * AP_FAST_BLOCK, end = ap_min_size(first + AP_FAST_BLOCK, t->count);
  (void)worker;
  ap_curve_row(t->curve, t->from + first, end - first, t->to + first);
}

ap_status ap_fast_curve_forward(ap_backend *be, ap_curve curve, size_t count, const float *x,
                                float *y, ap_error *err) {
  curve_task t = {.curve = curve, .count = count, .from = x, .to = y};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, ap_ceil_div(count, AP_FAST_BLOCK), curve_body, &t);
  return AP_OK;
}

enum { SLOPES = 512 }; /* on the stack */

static void curve_backward_body(void *context, size_t block, size_t worker) {
  const curve_task *t = context;
  const size_t end = ap_min_size((block + 1) * AP_FAST_BLOCK, t->count);
  float slopes[SLOPES];
  (void)worker;
  for (size_t first = block * AP_FAST_BLOCK; first < end; first += SLOPES) {
    const size_t n = ap_min_size(SLOPES, end - first);
    const float *dy = t->dy + first;
    float *dx = t->to + first;
    ap_curve_slope_row(t->curve, t->from + first, n, slopes);
    if (t->accumulate) {
      for (size_t i = 0; i < n; i++) dx[i] += dy[i] * slopes[i];
    } else {
      for (size_t i = 0; i < n; i++) dx[i] = dy[i] * slopes[i];
    }
  }
}

ap_status ap_fast_curve_backward(ap_backend *be, ap_curve curve, size_t count, const float *kept,
                                 const float *dy, float *dx, bool accumulate, ap_error *err) {
  curve_task t = {
      .curve = curve, .count = count, .from = kept, .dy = dy, .to = dx, .accumulate = accumulate};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, ap_ceil_div(count, AP_FAST_BLOCK), curve_backward_body, &t);
  return AP_OK;
}

/* ---- products: blocks of whole planes -------------------------------------------------------- */
typedef struct {
  size_t planes, pixels, per_block;
  bool per_plane, accumulate;
  const float *a, *b;
  float *y;
} gate_task;

static gate_task gate_of(const ap_gate_shape *s, const float *a, const float *b, float *y,
                         bool accumulate) {
  const size_t per_block = AP_FAST_BLOCK / s->pixels;
  return (gate_task){.planes = s->planes,
                     .pixels = s->pixels,
                     .per_block = per_block ? per_block : 1,
                     .per_plane = s->per_plane,
                     .accumulate = accumulate,
                     .a = a,
                     .b = b,
                     .y = y};
}

/* y may be a or b: no other element is touched. */
AP_CLONES
static void scale_plane(const float *a, float factor, size_t n, bool accumulate, float *y) {
  if (accumulate) {
    for (size_t i = 0; i < n; i++) y[i] += a[i] * factor;
  } else {
    for (size_t i = 0; i < n; i++) y[i] = a[i] * factor;
  }
}

AP_CLONES
static void multiply_all(const float *a, const float *b, size_t n, bool accumulate, float *y) {
  if (accumulate) {
    for (size_t i = 0; i < n; i++) y[i] += a[i] * b[i];
  } else {
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
  }
}

static void multiply_body(void *context, size_t block, size_t worker) {
  const gate_task *t = context;
  const size_t first = block * t->per_block, end = ap_min_size(first + t->per_block, t->planes);
  (void)worker;
  if (!t->per_plane) {
    const size_t at = first * t->pixels;
    multiply_all(t->a + at, t->b + at, (end - first) * t->pixels, t->accumulate, t->y + at);
    return;
  }
  for (size_t p = first; p < end; p++) {
    scale_plane(t->a + p * t->pixels, t->b[p], t->pixels, t->accumulate, t->y + p * t->pixels);
  }
}

ap_status ap_fast_multiply(ap_backend *be, const ap_gate_shape *s, const float *a, const float *b,
                           float *y, bool accumulate, ap_error *err) {
  gate_task t = gate_of(s, a, b, y, accumulate);
  (void)err;
  ap_pool_run(ap_fast(be)->pool, ap_ceil_div(t.planes, t.per_block), multiply_body, &t);
  return AP_OK;
}

AP_CLONES
static double dot(const float *a, const float *b, size_t n) {
  double lanes[16] = {0}, sum = 0;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (size_t j = 0; j < 16; j++) lanes[j] += (double)a[i + j] * (double)b[i + j];
  }
  for (; i < n; i++) sum += (double)a[i] * (double)b[i];
  for (size_t j = 0; j < 16; j++) sum += lanes[j];
  return sum;
}

static void multiply_sum_body(void *context, size_t block, size_t worker) {
  const gate_task *t = context;
  const size_t first = block * t->per_block, end = ap_min_size(first + t->per_block, t->planes);
  (void)worker;
  for (size_t p = first; p < end; p++) {
    const double sum = dot(t->a + p * t->pixels, t->b + p * t->pixels, t->pixels);
    t->y[p] = (float)(sum + (t->accumulate ? (double)t->y[p] : 0));
  }
}

ap_status ap_fast_multiply_sum(ap_backend *be, const ap_gate_shape *s, const float *a,
                               const float *b, float *y, bool accumulate, ap_error *err) {
  gate_task t = gate_of(s, a, b, y, accumulate);
  (void)err;
  ap_pool_run(ap_fast(be)->pool, ap_ceil_div(t.planes, t.per_block), multiply_sum_body, &t);
  return AP_OK;
}

/* ---- channels by number: an image a call ------------------------------------------------------ */
typedef struct {
  const ap_gather_shape *s;
  const int32_t *starts, *users; /* forward: users are the picks */
  const float *from;
  float *to;
  bool accumulate;
} gather_task;

static void gather_body(void *context, size_t i, size_t worker) {
  const gather_task *t = context;
  const ap_gather_shape *s = t->s;
  (void)worker;
  for (size_t c = 0; c < s->c_to; c++) {
    float *to = t->to + (i * s->c_to + c) * s->hw;
    const int32_t pick = t->users[c];
    if (pick >= 0 && (size_t)pick < s->c_from) {
      memcpy(to, t->from + (i * s->c_from + (size_t)pick) * s->hw, s->hw * sizeof *to);
    } else {
      for (size_t p = 0; p < s->hw; p++) to[p] = NAN;
    }
  }
}

ap_status ap_fast_gather_forward(ap_backend *be, const ap_gather_shape *s, const int32_t *picks,
                                 const float *x, float *y, ap_error *err) {
  gather_task t = {.s = s, .users = picks, .from = x, .to = y};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, s->n, gather_body, &t);
  return AP_OK;
}

static void gather_backward_body(void *context, size_t i, size_t worker) {
  const gather_task *t = context;
  const ap_gather_shape *s = t->s;
  (void)worker;
  for (size_t f = 0; f < s->c_from; f++) {
    float *to = t->to + (i * s->c_from + f) * s->hw;
    if (!t->accumulate) memset(to, 0, s->hw * sizeof *to);
    for (int32_t k = t->starts[f]; k < t->starts[f + 1]; k++) {
      if (k < 0 || (size_t)k >= s->c_to) continue;
      if (t->users[k] < 0 || (size_t)t->users[k] >= s->c_to) continue;
      const float *from = t->from + (i * s->c_to + (size_t)t->users[k]) * s->hw;
      for (size_t p = 0; p < s->hw; p++) to[p] += from[p];
    }
  }
}

ap_status ap_fast_gather_backward(ap_backend *be, const ap_gather_shape *s, const int32_t *starts,
                                  const int32_t *users, const float *dy, float *dx, bool accumulate,
                                  ap_error *err) {
  gather_task t = {
      .s = s, .starts = starts, .users = users, .from = dy, .to = dx, .accumulate = accumulate};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, s->n, gather_backward_body, &t);
  return AP_OK;
}
