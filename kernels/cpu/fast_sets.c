/* Normalisation of an image by itself: a block has some sets that lie side by side, or one that lies in a row, so
 * every sum has one order. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/fast_impl.h"

enum { LANES = 32 }; /* sets side by side, or partial sums of one in a row */

typedef struct {
  const ap_norm_shape *s;
  const float *x, *dy; /* dy: backward */
  float *to;
  bool accumulate;
  size_t across; /* blocks of one `outer` */
} sets_task;

/* Of d = x - origin: sums of d and d * d, and backward of dy and dy * d. */
typedef struct {
  double d[LANES], squares[LANES], dy[LANES], products[LANES];
} sums;

/* Rows of n <= LANES values, `step` apart, one sum a column. */
AP_CLONES
static void add_forward(const float *x, size_t rows, size_t step, size_t n, const float *origin,
                        sums *s) {
  for (size_t k = 0; k < rows; k++, x += step) {
    for (size_t j = 0; j < n; j++) {
      const double d = (double)x[j] - (double)origin[j];
      s->d[j] += d;
      s->squares[j] += d * d;
    }
  }
}
AP_CLONES
static void add_backward(const float *x, const float *dy, size_t rows, size_t step, size_t n,
                         const float *origin, sums *s) {
  for (size_t k = 0; k < rows; k++, x += step, dy += step) {
    for (size_t j = 0; j < n; j++) {
      const double d = (double)x[j] - (double)origin[j], g = (double)dy[j];
      s->dy[j] += g;
      s->products[j] += g * d;
    }
  }
}

static void add(const sets_task *t, size_t at, size_t rows, size_t step, size_t n,
                const float *origin, sums *s) {
  add_forward(t->x + at, rows, step, n, origin, s);
  if (t->dy) add_backward(t->x + at, t->dy + at, rows, step, n, origin, s);
}

/* With d = (x - origin) - slip, the deviation from the mean: y = d * a, or dx (+)= dy * a + d * b + c. */
typedef struct {
  float origin[LANES], slip[LANES], a[LANES], b[LANES], c[LANES];
} rule;

static void make_rule(const sets_task *t, const sums *s, const float *origin, size_t n, rule *r) {
  const double m = (double)t->s->count;
  for (size_t j = 0; j < n; j++) {
    const double slip = s->d[j] / m, squares = s->squares[j] - s->d[j] * slip;
    const double inverse = 1 / sqrt((squares < 0 ? 0 : squares) / m + (double)t->s->epsilon);
    const double product = (s->products[j] - slip * s->dy[j]) / m;
    r->origin[j] = origin[j];
    r->slip[j] = (float)slip;
    r->a[j] = (float)inverse;
    r->b[j] = (float)(-inverse * inverse * inverse * product);
    r->c[j] = (float)(-inverse * s->dy[j] / m);
  }
}

AP_CLONES
static void write_forward(const float *x, size_t rows, size_t step, size_t n, const rule *r,
                          float *y) {
  for (size_t k = 0; k < rows; k++, x += step, y += step)
    for (size_t j = 0; j < n; j++) y[j] = (x[j] - r->origin[j] - r->slip[j]) * r->a[j];
}
AP_CLONES
static void write_backward(const float *x, const float *dy, size_t rows, size_t step, size_t n,
                           const rule *r, bool accumulate, float *dx) {
  for (size_t k = 0; k < rows; k++, x += step, dy += step, dx += step) {
    for (size_t j = 0; j < n; j++) {
      const float d = dy[j] * r->a[j] + ((x[j] - r->origin[j] - r->slip[j]) * r->b[j] + r->c[j]);
      dx[j] = accumulate ? dx[j] + d : d;
    }
  }
}

static void write(const sets_task *t, size_t at, size_t rows, size_t step, size_t n,
                  const rule *r) {
  if (t->dy)
    write_backward(t->x + at, t->dy + at, rows, step, n, r, t->accumulate, t->to + at);
  else
    write_forward(t->x + at, rows, step, n, r, t->to + at);
}

/* A set in a row: LANES partial sums, which are then added, and what is left. */
static void in_row(const sets_task *t, size_t set) {
  const size_t count = t->s->count, first = set * count;
  const size_t rows = count / LANES, tail = rows * LANES, left = count - tail;
  float origin[LANES];
  sums s = {{0}, {0}, {0}, {0}};
  rule r;
  for (size_t j = 0; j < LANES; j++) origin[j] = t->x[first];
  add(t, first, rows, LANES, LANES, origin, &s);
  add(t, first + tail, 1, 0, left, origin, &s);
  for (size_t j = 1; j < LANES; j++) {
    s.d[0] += s.d[j];
    s.squares[0] += s.squares[j];
    s.dy[0] += s.dy[j];
    s.products[0] += s.products[j];
  }
  make_rule(t, &s, origin, 1, &r);
  for (size_t j = 1; j < LANES; j++) {
    r.origin[j] = r.origin[0];
    r.slip[j] = r.slip[0];
    r.a[j] = r.a[0];
    r.b[j] = r.b[0];
    r.c[j] = r.c[0];
  }
  write(t, first, rows, LANES, LANES, &r);
  write(t, first + tail, 1, 0, left, &r);
}

static void body(void *context, size_t block, size_t worker) {
  const sets_task *t = context;
  const size_t inner = t->s->inner, column = block % t->across * LANES;
  const size_t first = block / t->across * t->s->count * inner + column;
  const size_t n = ap_min_size(LANES, inner - column);
  sums s = {{0}, {0}, {0}, {0}};
  rule r;
  (void)worker;
  if (inner == 1) {
    in_row(t, block);
    return;
  }
  float origin[LANES];
  memcpy(origin, t->x + first, n * sizeof *origin);
  add(t, first, t->s->count, inner, n, origin, &s);
  make_rule(t, &s, origin, n, &r);
  write(t, first, t->s->count, inner, n, &r);
}

static ap_status run(ap_backend *be, sets_task *t) {
  t->across = ap_ceil_div(t->s->inner, LANES);
  ap_pool_run(ap_fast(be)->pool, t->s->outer * t->across, body, t);
  return AP_OK;
}

ap_status ap_fast_norm_forward(ap_backend *be, const ap_norm_shape *s, const float *x, float *y,
                               ap_error *err) {
  sets_task t = {.s = s, .x = x, .to = y};
  (void)err;
  return run(be, &t);
}

ap_status ap_fast_norm_backward(ap_backend *be, const ap_norm_shape *s, const float *x,
                                const float *dy, float *dx, bool accumulate, ap_error *err) {
  sets_task t = {.s = s, .x = x, .dy = dy, .to = dx, .accumulate = accumulate};
  (void)err;
  return run(be, &t);
}
