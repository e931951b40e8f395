#include "kernels/cpu/ref_impl.h"

/* The input pixel that filter tap (ky, kx) of output pixel (oy, ox) sees; false in the padding. */
static bool tap(const ap_conv_shape *s, size_t oy, size_t ox, size_t ky, size_t kx, size_t *pixel) {
  size_t iy = oy * s->stride_h + ky * s->dilation_h, ix = ox * s->stride_w + kx * s->dilation_w;
  if (iy < s->pad_top || ix < s->pad_left) return false;
  iy -= s->pad_top;
  ix -= s->pad_left;
  *pixel = iy * s->w + ix;
  return iy < s->h && ix < s->w;
}

static double forward_at(const ap_conv_shape *s, const float *x, const float *w, size_t image,
                         size_t co, size_t oy, size_t ox) {
  const size_t c_group = s->c_in / s->groups, first = co / (s->c_out / s->groups) * c_group;
  double sum = 0;
  for (size_t c = 0; c < c_group; c++) {
    const float *plane = x + (image * s->c_in + first + c) * s->h * s->w;
    const float *filter = w + (co * c_group + c) * s->kh * s->kw;
    for (size_t ky = 0; ky < s->kh; ky++) {
      for (size_t kx = 0; kx < s->kw; kx++) {
        size_t pixel;
        if (!tap(s, oy, ox, ky, kx, &pixel)) continue;
        sum += (double)plane[pixel] * (double)filter[ky * s->kw + kx];
      }
    }
  }
  return sum;
}

ap_status ap_ref_conv_forward(ap_backend *be, const ap_conv_shape *s, const float *x,
                              const float *w, const float *bias, float *y, ap_error *err) {
  const size_t oh = ap_conv_out_h(s), ow = ap_conv_out_w(s);
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->n; i++) {
    for (size_t co = 0; co < s->c_out; co++) {
      for (size_t p = 0; p < oh * ow; p++) {
        double sum = forward_at(s, x, w, i, co, p / ow, p % ow);
        y[(i * s->c_out + co) * oh * ow + p] = (float)(sum + (bias ? (double)bias[co] : 0));
      }
    }
  }
  return AP_OK;
}

/* Sum over the output pixels that saw input pixel (iy, ix) of channel c. */
static double data_at(const ap_conv_shape *s, const float *dy, const float *w, size_t image,
                      size_t c, size_t iy, size_t ix) {
  const size_t c_group = s->c_in / s->groups, k_group = s->c_out / s->groups;
  const size_t oh = ap_conv_out_h(s), ow = ap_conv_out_w(s), group = c / c_group;
  double sum = 0;
  for (size_t co = group * k_group; co < (group + 1) * k_group; co++) {
    const float *plane = dy + (image * s->c_out + co) * oh * ow;
    const float *filter = w + (co * c_group + c % c_group) * s->kh * s->kw;
    for (size_t ky = 0; ky < s->kh; ky++) {
      for (size_t kx = 0; kx < s->kw; kx++) {
        const size_t py = iy + s->pad_top, px = ix + s->pad_left;
        const size_t ty = ky * s->dilation_h, tx = kx * s->dilation_w;
        if (py < ty || px < tx || (py - ty) % s->stride_h || (px - tx) % s->stride_w) continue;
        const size_t oy = (py - ty) / s->stride_h, ox = (px - tx) / s->stride_w;
        if (oy < oh && ox < ow)
          sum += (double)plane[oy * ow + ox] * (double)filter[ky * s->kw + kx];
      }
    }
  }
  return sum;
}

ap_status ap_ref_conv_backward_data(ap_backend *be, const ap_conv_shape *s, const float *dy,
                                    const float *w, float *dx, bool accumulate, ap_error *err) {
  (void)be;
  (void)err;
  for (size_t i = 0; i < s->n; i++) {
    for (size_t c = 0; c < s->c_in; c++) {
      for (size_t p = 0; p < s->h * s->w; p++) {
        float *to = &dx[(i * s->c_in + c) * s->h * s->w + p];
        double sum = data_at(s, dy, w, i, c, p / s->w, p % s->w);
        *to = (float)(sum + (accumulate ? (double)*to : 0));
      }
    }
  }
  return AP_OK;
}

static double filter_at(const ap_conv_shape *s, const float *x, const float *dy, size_t co,
                        size_t c, size_t ky, size_t kx) {
  const size_t c_group = s->c_in / s->groups, first = co / (s->c_out / s->groups) * c_group;
  const size_t oh = ap_conv_out_h(s), ow = ap_conv_out_w(s);
  double sum = 0;
  for (size_t i = 0; i < s->n; i++) {
    const float *plane = x + (i * s->c_in + first + c) * s->h * s->w;
    const float *gradient = dy + (i * s->c_out + co) * oh * ow;
    for (size_t p = 0; p < oh * ow; p++) {
      size_t pixel;
      if (tap(s, p / ow, p % ow, ky, kx, &pixel)) sum += (double)plane[pixel] * (double)gradient[p];
    }
  }
  return sum;
}

ap_status ap_ref_conv_backward_filter(ap_backend *be, const ap_conv_shape *s, const float *x,
                                      const float *dy, float *dw, float *dbias, ap_error *err) {
  const size_t taps = s->kh * s->kw, c_group = s->c_in / s->groups;
  const size_t pixels = ap_conv_out_h(s) * ap_conv_out_w(s);
  (void)be;
  (void)err;
  for (size_t co = 0; co < s->c_out; co++) {
    double sum = 0;
    for (size_t k = 0; k < c_group * taps; k++) {
      const size_t t = k % taps;
      dw[co * c_group * taps + k] = (float)filter_at(s, x, dy, co, k / taps, t / s->kw, t % s->kw);
    }
    if (!dbias) continue;
    for (size_t i = 0; i < s->n; i++) {
      const float *gradient = dy + (i * s->c_out + co) * pixels;
      for (size_t p = 0; p < pixels; p++) sum += (double)gradient[p];
    }
    dbias[co] = (float)sum;
  }
  return AP_OK;
}
