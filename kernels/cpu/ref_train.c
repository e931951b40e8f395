/* Elementwise operations, channel moves, images, loss and optimiser of "cpu-ref". */
#include <math.h>

#include "kernels/cpu/ref_impl.h"

ap_status ap_ref_relu_forward(ap_backend *be, size_t count, float ceiling, const float *x, float *y,
                              ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < count; i++) y[i] = x[i] < 0 ? 0 : x[i] > ceiling ? ceiling : x[i];
  return AP_OK;
}

ap_status ap_ref_relu_backward(ap_backend *be, size_t count, float ceiling, const float *y,
                               const float *dy, float *dx, bool accumulate, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < count; i++) {
    const float d = y[i] > 0 && y[i] < ceiling ? dy[i] : 0;
    dx[i] = accumulate ? dx[i] + d : d;
  }
  return AP_OK;
}

ap_status ap_ref_add(ap_backend *be, size_t count, const float *a, const float *b, float *y,
                     ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < count; i++) y[i] = a[i] + b[i];
  return AP_OK;
}

ap_status ap_ref_scale(ap_backend *be, size_t count, float alpha, const float *x, float *y,
                       bool accumulate, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < count; i++) {
    y[i] = (float)((double)alpha * (double)x[i] + (accumulate ? (double)y[i] : 0));
  }
  return AP_OK;
}

/* Addresses of the pixels that belong together, for image i, moved channel c, destination (y, x). */
static size_t move_from(const ap_move_shape *s, size_t i, size_t c, size_t y, size_t x) {
  return ((i * s->c_from + s->c0_from + c) * s->h_from + y * s->step_h) * s->w_from + x * s->step_w;
}

static size_t move_to(const ap_move_shape *s, size_t i, size_t c, size_t y, size_t x) {
  return ((i * s->c_to + s->c0_to + c) * s->h_to + y) * s->w_to + x;
}

ap_status ap_ref_move_forward(ap_backend *be, const ap_move_shape *s, const float *from, float *to,
                              ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->n; i++) {
    for (size_t c = 0; c < s->c; c++) {
      for (size_t y = 0; y < s->h_to; y++) {
        for (size_t x = 0; x < s->w_to; x++) {
          to[move_to(s, i, c, y, x)] = from[move_from(s, i, c, y, x)];
        }
      }
    }
  }
  return AP_OK;
}

ap_status ap_ref_move_backward(ap_backend *be, const ap_move_shape *s, const float *dto,
                               float *dfrom, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->n; i++) {
    for (size_t c = 0; c < s->c; c++) {
      for (size_t y = 0; y < s->h_to; y++) {
        for (size_t x = 0; x < s->w_to; x++) {
          dfrom[move_from(s, i, c, y, x)] += dto[move_to(s, i, c, y, x)];
        }
      }
    }
  }
  return AP_OK;
}

static float pixel_of(const ap_image_shape *s, const uint8_t *plane, const ap_image_pick *pick,
                      double mean, double std, size_t row, size_t column) {
  /* The crop is cut first, then mirrored. */
  const int64_t q = (int64_t)(pick->flip == 1 ? s->w - 1 - column : column) + pick->dx;
  const int64_t r = (int64_t)row + pick->dy;
  const int64_t below = (int64_t)row - pick->cut_y, right = (int64_t)column - pick->cut_x;
  if (below >= 0 && right >= 0 && below < pick->cut && right < pick->cut) return 0;
  if (r < 0 || q < 0 || r >= (int64_t)s->h || q >= (int64_t)s->w) return 0;
  return (float)(((double)plane[(size_t)r * s->w + (size_t)q] / 255 - mean) / std);
}

ap_status ap_ref_image_gather(ap_backend *be, const ap_image_shape *s, const uint8_t *source,
                              const ap_image_pick *picks, const float *mean, const float *std,
                              float *y, ap_error *err) {
  const size_t pixels = s->h * s->w;
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->n; i++) {
    const ap_image_pick *pick = &picks[i];
    const bool exists = pick->index >= 0 && (size_t)pick->index < s->n_source;
    for (size_t c = 0; c < s->c; c++) {
      const uint8_t *plane = exists ? source + ((size_t)pick->index * s->c + c) * pixels : NULL;
      for (size_t p = 0; p < pixels; p++) {
        y[(i * s->c + c) * pixels + p] =
            exists ? pixel_of(s, plane, pick, (double)mean[c], (double)std[c], p / s->w, p % s->w)
                   : NAN;
      }
    }
  }
  return AP_OK;
}

static void softmax_row(size_t classes, const float *z, int32_t label, double smoothing,
                        double scale, float *loss, float *correct, float *dz) {
  const bool known = label >= 0 && (size_t)label < classes;
  const double even = smoothing / (double)classes;
  double sum = 0, mean = 0, log_sum;
  size_t best = 0;
  for (size_t c = 1; c < classes; c++) {
    if (z[c] > z[best]) best = c;
  }
  for (size_t c = 0; c < classes; c++) {
    sum += exp((double)z[c] - (double)z[best]);
    mean += (double)z[c] / (double)classes;
  }
  log_sum = (double)z[best] + log(sum);
  *correct = known && best == (size_t)label ? 1 : 0;
  *loss = known ? (float)(log_sum - (1 - smoothing) * (double)z[label] - smoothing * mean) : NAN;
  for (size_t c = 0; dz && c < classes; c++) {
    const double target = even + (known && c == (size_t)label ? 1 - smoothing : 0);
    dz[c] = known ? (float)(scale * (exp((double)z[c] - log_sum) - target)) : NAN;
  }
}

ap_status ap_ref_softmax_loss(ap_backend *be, size_t n, size_t classes, const float *logits,
                              const int32_t *labels, float smoothing, float scale, float *loss,
                              float *correct, float *dlogits, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < n; i++) {
    softmax_row(classes, logits + i * classes, labels[i], (double)smoothing, (double)scale,
                &loss[i], &correct[i], dlogits ? dlogits + i * classes : NULL);
  }
  return AP_OK;
}

ap_status ap_ref_sgd_step(ap_backend *be, size_t count, const ap_sgd *sgd, float *w, float *v,
                          const float *g, const float *mask, ap_error *err) {
  const double lr = (double)sgd->lr, momentum = (double)sgd->momentum;
  const double decay = (double)sgd->weight_decay;
  (void)be;
  (void)err;
  for (size_t i = 0; i < count; i++) {
    const double gradient = (double)g[i] + decay * (double)w[i];
    const double velocity = momentum * (double)v[i] + gradient;
    const double step = sgd->nesterov ? gradient + momentum * velocity : velocity;
    const double keep = mask ? (double)mask[i] : 1;
    v[i] = (float)(velocity * keep);
    w[i] = (float)(((double)w[i] - lr * step) * keep);
  }
  return AP_OK;
}
