/* Elementwise operations, channel moves, images, loss and optimiser of "cpu". */
#include <math.h>
#include <string.h>

#include "kernels/cpu/fast_impl.h"
#include "kernels/cpu/ref_impl.h"

/* ---- elementwise: blocks of AP_FAST_BLOCK elements ------------------------------------------ */

typedef struct {
  size_t count;
  const float *a, *b, *mask;
  float *y, *v;
  float number;
  bool accumulate;
  const ap_sgd *sgd;
} element_task;

typedef struct {
  size_t first, end;
} span;

static span span_of(const element_task *t, size_t block) {
  const size_t first = block * AP_FAST_BLOCK;
  return (span){first, ap_min_size(first + AP_FAST_BLOCK, t->count)};
}

static void run(ap_backend *be, ap_pool_body *body, element_task *t) {
  ap_pool_run(ap_fast(be)->pool, ap_ceil_div(t->count, AP_FAST_BLOCK), body, t);
}

AP_CLONES
static void fill_body(void *context, size_t block, size_t worker) {
  const element_task *t = context;
  const span r = span_of(t, block);
  (void)worker;
  for (size_t i = r.first; i < r.end; i++) t->y[i] = t->number;
}

ap_status ap_fast_fill(ap_backend *be, float *to, float value, size_t count, ap_error *err) {
  element_task t = {.count = count, .y = to, .number = value};
  (void)err;
  run(be, fill_body, &t);
  return AP_OK;
}

AP_CLONES
static void relu_forward_body(void *context, size_t block, size_t worker) {
  const element_task *t = context;
  const span r = span_of(t, block);
  const float *x = t->a, ceiling = t->number;
  float *y = t->y;
  (void)worker;
  for (size_t i = r.first; i < r.end; i++) {
    const float low = x[i] < 0 ? 0 : x[i];
    y[i] = low > ceiling ? ceiling : low;
  }
}

ap_status ap_fast_relu_forward(ap_backend *be, size_t count, float ceiling, const float *x,
                               float *y, ap_error *err) {
  element_task t = {.count = count, .a = x, .y = y, .number = ceiling};
  (void)err;
  run(be, relu_forward_body, &t);
  return AP_OK;
}

AP_CLONES
static void relu_backward_body(void *context, size_t block, size_t worker) {
  const element_task *t = context;
  const span r = span_of(t, block);
  const float *y = t->a, *dy = t->b, ceiling = t->number;
  float *dx = t->y;
  (void)worker;
  if (t->accumulate) {
    for (size_t i = r.first; i < r.end; i++) {
      const float d = y[i] > 0 ? dy[i] : 0;
      dx[i] += y[i] < ceiling ? d : 0;
    }
  } else {
    for (size_t i = r.first; i < r.end; i++) {
      const float d = y[i] > 0 ? dy[i] : 0;
      dx[i] = y[i] < ceiling ? d : 0;
    }
  }
}

ap_status ap_fast_relu_backward(ap_backend *be, size_t count, float ceiling, const float *y,
                                const float *dy, float *dx, bool accumulate, ap_error *err) {
  element_task t = {
      .count = count, .a = y, .b = dy, .y = dx, .number = ceiling, .accumulate = accumulate};
  (void)err;
  run(be, relu_backward_body, &t);
  return AP_OK;
}

AP_CLONES
static void add_body(void *context, size_t block, size_t worker) {
  const element_task *t = context;
  const span r = span_of(t, block);
  const float *a = t->a, *b = t->b;
  float *y = t->y;
  (void)worker;
  for (size_t i = r.first; i < r.end; i++) y[i] = a[i] + b[i];
}

ap_status ap_fast_add(ap_backend *be, size_t count, const float *a, const float *b, float *y,
                      ap_error *err) {
  element_task t = {.count = count, .a = a, .b = b, .y = y};
  (void)err;
  run(be, add_body, &t);
  return AP_OK;
}

AP_CLONES
static void scale_body(void *context, size_t block, size_t worker) {
  const element_task *t = context;
  const span r = span_of(t, block);
  const float *x = t->a, alpha = t->number;
  float *y = t->y;
  (void)worker;
  if (t->accumulate) {
    for (size_t i = r.first; i < r.end; i++) y[i] += alpha * x[i];
  } else {
    for (size_t i = r.first; i < r.end; i++) y[i] = alpha * x[i];
  }
}

ap_status ap_fast_scale(ap_backend *be, size_t count, float alpha, const float *x, float *y,
                        bool accumulate, ap_error *err) {
  element_task t = {.count = count, .a = x, .y = y, .number = alpha, .accumulate = accumulate};
  (void)err;
  run(be, scale_body, &t);
  return AP_OK;
}

AP_CLONES
static void sgd_body(void *context, size_t block, size_t worker) {
  const element_task *t = context;
  const span r = span_of(t, block);
  const float lr = t->sgd->lr, momentum = t->sgd->momentum, decay = t->sgd->weight_decay;
  const float *g = t->a, *mask = t->mask;
  const bool nesterov = t->sgd->nesterov;
  float *w = t->y, *v = t->v;
  (void)worker;
  for (size_t i = r.first; i < r.end; i++) {
    const float gradient = g[i] + decay * w[i];
    const float velocity = momentum * v[i] + gradient;
    v[i] = velocity;
    w[i] -= lr * (nesterov ? gradient + momentum * velocity : velocity);
  }
  if (!mask) return;
  for (size_t i = r.first; i < r.end; i++) {
    v[i] *= mask[i];
    w[i] *= mask[i];
  }
}

ap_status ap_fast_sgd_step(ap_backend *be, size_t count, const ap_sgd *sgd, float *w, float *v,
                           const float *g, const float *mask, ap_error *err) {
  element_task t = {.count = count, .a = g, .mask = mask, .y = w, .v = v, .sgd = sgd};
  (void)err;
  run(be, sgd_body, &t);
  return AP_OK;
}

/* ---- channel moves: one block an image ------------------------------------------------------- */

typedef struct {
  const ap_move_shape *s;
  const float *in;
  float *out;
} move_task;

AP_CLONES
static void move_forward_body(void *context, size_t i, size_t worker) {
  const move_task *t = context;
  const ap_move_shape *s = t->s;
  (void)worker;
  for (size_t c = 0; c < s->c; c++) {
    const float *from = t->in + (i * s->c_from + s->c0_from + c) * s->h_from * s->w_from;
    float *to = t->out + (i * s->c_to + s->c0_to + c) * s->h_to * s->w_to;
    for (size_t y = 0; y < s->h_to; y++) {
      const float *row = from + y * s->step_h * s->w_from;
      for (size_t x = 0; x < s->w_to; x++) to[y * s->w_to + x] = row[x * s->step_w];
    }
  }
}

ap_status ap_fast_move_forward(ap_backend *be, const ap_move_shape *s, const float *from, float *to,
                               ap_error *err) {
  move_task t = {s, from, to};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, s->n, move_forward_body, &t);
  return AP_OK;
}

AP_CLONES
static void move_backward_body(void *context, size_t i, size_t worker) {
  const move_task *t = context;
  const ap_move_shape *s = t->s;
  (void)worker;
  for (size_t c = 0; c < s->c; c++) {
    const float *from = t->in + (i * s->c_to + s->c0_to + c) * s->h_to * s->w_to;
    float *to = t->out + (i * s->c_from + s->c0_from + c) * s->h_from * s->w_from;
    for (size_t y = 0; y < s->h_to; y++) {
      float *row = to + y * s->step_h * s->w_from;
      for (size_t x = 0; x < s->w_to; x++) row[x * s->step_w] += from[y * s->w_to + x];
    }
  }
}

ap_status ap_fast_move_backward(ap_backend *be, const ap_move_shape *s, const float *dto,
                                float *dfrom, ap_error *err) {
  move_task t = {s, dto, dfrom};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, s->n, move_backward_body, &t);
  return AP_OK;
}

/* ---- images and loss: one block an image, a fixed number of rows ----------------------------- */

typedef struct {
  const ap_image_shape *s;
  const uint8_t *source;
  const ap_image_pick *picks;
  const float *mean, *std;
  float *y;
} gather_task;

/* One row: source column of output column q is q + dx, or w - 1 - q + dx when mirrored. */
AP_CLONES
static void gather_row(const uint8_t *from, float *to, int64_t w, int64_t dx, bool flip,
                       float scale, float shift) {
  const int64_t first = dx < 0 ? -dx : 0, end = dx > 0 ? w - dx : w; /* before mirroring */
  for (int64_t q = 0; q < w; q++) to[q] = 0;
  if (flip) {
    for (int64_t q = first; q < end; q++) to[w - 1 - q] = (float)from[q + dx] * scale - shift;
  } else {
    for (int64_t q = first; q < end; q++) to[q] = (float)from[q + dx] * scale - shift;
  }
}

/* Clears the square of a pick in one channel. */
static void cut_square(const ap_image_shape *s, const ap_image_pick *pick, float *plane) {
  const int64_t h = (int64_t)s->h, w = (int64_t)s->w;
  const int64_t top = pick->cut_y > 0 ? pick->cut_y : 0, left = pick->cut_x > 0 ? pick->cut_x : 0;
  const int64_t below = (int64_t)pick->cut_y + pick->cut, right = (int64_t)pick->cut_x + pick->cut;
  const int64_t bottom = below < h ? below : h, end = right < w ? right : w;
  for (int64_t r = top; r < bottom && left < end; r++)
    memset(plane + r * w + left, 0, (size_t)(end - left) * sizeof *plane);
}

static void gather_body(void *context, size_t i, size_t worker) {
  const gather_task *t = context;
  const ap_image_shape *s = t->s;
  const ap_image_pick *pick = &t->picks[i];
  const size_t pixels = s->h * s->w;
  float *to = t->y + i * s->c * pixels;
  (void)worker;
  if (pick->index < 0 || (size_t)pick->index >= s->n_source) {
    for (size_t p = 0; p < s->c * pixels; p++) to[p] = NAN;
    return;
  }
  for (size_t c = 0; c < s->c; c++) {
    const uint8_t *plane = t->source + ((size_t)pick->index * s->c + c) * pixels;
    const float scale = 1 / (255 * t->std[c]), shift = t->mean[c] / t->std[c];
    for (size_t row = 0; row < s->h; row++, to += s->w) {
      const int64_t r = (int64_t)row + pick->dy;
      if (r < 0 || r >= (int64_t)s->h) {
        memset(to, 0, s->w * sizeof *to);
      } else {
        gather_row(plane + (size_t)r * s->w, to, (int64_t)s->w, pick->dx, pick->flip == 1, scale,
                   shift);
      }
    }
    if (pick->cut > 0) cut_square(s, pick, to - pixels);
  }
}

ap_status ap_fast_image_gather(ap_backend *be, const ap_image_shape *s, const uint8_t *source,
                               const ap_image_pick *picks, const float *mean, const float *std,
                               float *y, ap_error *err) {
  gather_task t = {s, source, picks, mean, std, y};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, s->n, gather_body, &t);
  return AP_OK;
}

typedef struct {
  ap_backend *be;
  size_t n, classes;
  const float *logits;
  const int32_t *labels;
  float smoothing, scale;
  float *loss, *correct, *dlogits;
} loss_task;

#define LOSS_ROWS ((size_t)32)

/* Rows are independent and few: the oracle's loop is the loop. It cannot fail. */
static void loss_body(void *context, size_t block, size_t worker) {
  const loss_task *t = context;
  const size_t first = block * LOSS_ROWS;
  (void)worker;
  (void)ap_ref_softmax_loss(t->be, ap_min_size(LOSS_ROWS, t->n - first), t->classes,
                            t->logits + first * t->classes, t->labels + first, t->smoothing,
                            t->scale, t->loss + first, t->correct + first,
                            t->dlogits ? t->dlogits + first * t->classes : NULL, NULL);
}

ap_status ap_fast_softmax_loss(ap_backend *be, size_t n, size_t classes, const float *logits,
                               const int32_t *labels, float smoothing, float scale, float *loss,
                               float *correct, float *dlogits, ap_error *err) {
  loss_task t = {be, n, classes, logits, labels, smoothing, scale, loss, correct, dlogits};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, ap_ceil_div(n, LOSS_ROWS), loss_body, &t);
  return AP_OK;
}
