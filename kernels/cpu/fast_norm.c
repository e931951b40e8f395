/* Batch normalisation: one block a channel, so every sum has one order. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/fast_impl.h"

/* Sums run in 16 float lanes over one image's row and are then added to double lanes: a lane adds
 * hw / 16 numbers before it is widened. */
#define LANES 16
/* Two registers of AVX2: vectors wider than a machine's registers would live in memory. */
#define PARTS 2
typedef float part __attribute__((vector_size(LANES / PARTS * sizeof(float))));
#define INLINE static inline __attribute__((always_inline))

INLINE void widen(const part sum[PARTS], double wide[LANES]) {
  float lane[LANES];
  memcpy(lane, sum, sizeof lane);
  for (size_t i = 0; i < LANES; i++) wide[i] += (double)lane[i];
}

INLINE double sum_lanes(const double wide[LANES]) {
  double sum = 0;
  for (size_t i = 0; i < LANES; i++) sum += wide[i];
  return sum;
}

typedef struct {
  const ap_bn_shape *s;
  const float *x, *gamma, *beta;
  float *y, *save_mean, *save_inv_std, *running_mean, *running_var;
} forward_task;

/* Sum of (x - shift)^power over the channel, power 1 or 2. */
INLINE double moment(const ap_bn_shape *s, const float *x, size_t c, float shift, bool squared) {
  double wide[LANES] = {0}, tail = 0;
  for (size_t i = 0; i < s->n; i++) {
    const float *row = x + (i * s->c + c) * s->hw;
    part sum[PARTS] = {{0}};
    size_t j = 0;
    for (; j + LANES <= s->hw; j += LANES) {
#pragma GCC unroll 2
      for (size_t p = 0; p < PARTS; p++) {
        part v;
        memcpy(&v, row + j + p * (LANES / PARTS), sizeof v);
        v -= shift;
        sum[p] += squared ? v * v : v;
      }
    }
    widen(sum, wide);
    for (; j < s->hw; j++) {
      const double d = (double)(row[j] - shift);
      tail += squared ? d * d : d;
    }
  }
  return sum_lanes(wide) + tail;
}

AP_CLONES
static double sum_of(const ap_bn_shape *s, const float *x, size_t c) {
  return moment(s, x, c, 0, false);
}

AP_CLONES
static double squares_of(const ap_bn_shape *s, const float *x, size_t c, float mean) {
  return moment(s, x, c, mean, true);
}

/* y = x * scale + shift over the channel. */
AP_CLONES
static void affine(const ap_bn_shape *s, const float *x, float *y, size_t c, float mean,
                   float scale, float shift) {
  for (size_t i = 0; i < s->n; i++) {
    const size_t first = (i * s->c + c) * s->hw;
    for (size_t j = 0; j < s->hw; j++) y[first + j] = (x[first + j] - mean) * scale + shift;
  }
}

static void forward_body(void *context, size_t c, size_t worker) {
  const forward_task *t = context;
  const ap_bn_shape *s = t->s;
  const double m = (double)s->n * (double)s->hw, momentum = (double)s->momentum;
  const double mean = sum_of(s, t->x, c) / m;
  /* The mean as a float is off by a rounding; its effect on the squares is m times its square. */
  const double slip = mean - (double)(float)mean;
  double squares = squares_of(s, t->x, c, (float)mean) - m * slip * slip;
  double inv_std;
  (void)worker;
  if (squares < 0) squares = 0;
  inv_std = 1 / sqrt(squares / m + (double)s->epsilon);
  affine(s, t->x, t->y, c, (float)mean, (float)(inv_std * (double)t->gamma[c]),
         (float)((double)t->beta[c] - slip * inv_std * (double)t->gamma[c]));
  t->save_mean[c] = (float)mean;
  t->save_inv_std[c] = (float)inv_std;
  t->running_mean[c] = (float)((1 - momentum) * (double)t->running_mean[c] + momentum * mean);
  t->running_var[c] = (float)((1 - momentum) * (double)t->running_var[c] +
                              momentum * (m > 1 ? squares / (m - 1) : 0));
}

ap_status ap_fast_bn_forward_train(ap_backend *be, const ap_bn_shape *s, const float *x,
                                   const float *gamma, const float *beta, float *y,
                                   float *save_mean, float *save_inv_std, float *running_mean,
                                   float *running_var, ap_error *err) {
  forward_task t = {.s = s,
                    .x = x,
                    .gamma = gamma,
                    .beta = beta,
                    .y = y,
                    .save_mean = save_mean,
                    .save_inv_std = save_inv_std,
                    .running_mean = running_mean,
                    .running_var = running_var};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, s->c, forward_body, &t);
  return AP_OK;
}

typedef struct {
  const ap_bn_shape *s;
  const float *x, *gamma, *beta, *mean, *var;
  float *y;
} infer_task;

static void infer_body(void *context, size_t c, size_t worker) {
  const infer_task *t = context;
  const double inv_std = 1 / sqrt((double)t->var[c] + (double)t->s->epsilon);
  (void)worker;
  affine(t->s, t->x, t->y, c, t->mean[c], (float)(inv_std * (double)t->gamma[c]), t->beta[c]);
}

ap_status ap_fast_bn_forward_infer(ap_backend *be, const ap_bn_shape *s, const float *x,
                                   const float *gamma, const float *beta, const float *running_mean,
                                   const float *running_var, float *y, ap_error *err) {
  infer_task t = {s, x, gamma, beta, running_mean, running_var, y};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, s->c, infer_body, &t);
  return AP_OK;
}

/* sums[0] = sum of dy, sums[1] = sum of dy * (x - mean). */
AP_CLONES
static void backward_sums(const ap_bn_shape *s, const float *x, const float *dy, size_t c,
                          float mean, double *sums) {
  double wide[LANES] = {0}, wide_product[LANES] = {0};
  double tail = 0, tail_product = 0;
  for (size_t i = 0; i < s->n; i++) {
    const size_t first = (i * s->c + c) * s->hw;
    part sum[PARTS] = {{0}}, product[PARTS] = {{0}};
    size_t j = 0;
    for (; j + LANES <= s->hw; j += LANES) {
#pragma GCC unroll 2
      for (size_t p = 0; p < PARTS; p++) {
        part v, d;
        memcpy(&v, x + first + j + p * (LANES / PARTS), sizeof v);
        memcpy(&d, dy + first + j + p * (LANES / PARTS), sizeof d);
        sum[p] += d;
        product[p] += d * (v - mean);
      }
    }
    widen(sum, wide);
    widen(product, wide_product);
    for (; j < s->hw; j++) {
      tail += (double)dy[first + j];
      tail_product += (double)dy[first + j] * (double)(x[first + j] - mean);
    }
  }
  sums[0] = sum_lanes(wide) + tail;
  sums[1] = sum_lanes(wide_product) + tail_product;
}

/* dx = scale * (dy - even - slope * (x - mean)) */
AP_CLONES
static void backward_apply(const ap_bn_shape *s, const float *x, const float *dy, float *dx,
                           size_t c, float mean, float scale, float even, float slope) {
  for (size_t i = 0; i < s->n; i++) {
    const size_t first = (i * s->c + c) * s->hw;
    for (size_t j = 0; j < s->hw; j++) {
      dx[first + j] = scale * (dy[first + j] - even - slope * (x[first + j] - mean));
    }
  }
}

typedef struct {
  const ap_bn_shape *s;
  const float *x, *dy, *gamma, *mean, *inv_std;
  float *dx, *dgamma, *dbeta;
} backward_task;

static void backward_body(void *context, size_t c, size_t worker) {
  const backward_task *t = context;
  const double m = (double)t->s->n * (double)t->s->hw, inv_std = (double)t->inv_std[c];
  double sums[2];
  (void)worker;
  backward_sums(t->s, t->x, t->dy, c, t->mean[c], sums);
  backward_apply(t->s, t->x, t->dy, t->dx, c, t->mean[c], (float)((double)t->gamma[c] * inv_std),
                 (float)(sums[0] / m), (float)(sums[1] * inv_std * inv_std / m));
  t->dgamma[c] = (float)(sums[1] * inv_std);
  t->dbeta[c] = (float)sums[0];
}

ap_status ap_fast_bn_backward(ap_backend *be, const ap_bn_shape *s, const float *x, const float *dy,
                              const float *gamma, const float *save_mean, const float *save_inv_std,
                              float *dx, float *dgamma, float *dbeta, ap_error *err) {
  backward_task t = {s, x, dy, gamma, save_mean, save_inv_std, dx, dgamma, dbeta};
  (void)err;
  ap_pool_run(ap_fast(be)->pool, s->c, backward_body, &t);
  return AP_OK;
}
