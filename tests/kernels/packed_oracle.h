/* tests/kernels/packed_oracle.h - plain double loops on NCHW that the packed layers are compared
 * with. */
#ifndef AP_TESTS_KERNELS_PACKED_ORACLE_H
#define AP_TESTS_KERNELS_PACKED_ORACLE_H
#include <stdbool.h>
#include <stddef.h>

typedef struct {
  size_t n, c_in, h, w, c_out, kh, kw, stride_h, stride_w;
  size_t pad_top, pad_left, pad_bottom, pad_right, groups, dilation_h, dilation_w;
} conv_case;

static inline size_t conv_case_oh(const conv_case *k) {
  return (k->h + k->pad_top + k->pad_bottom - (k->kh - 1) * k->dilation_h - 1) / k->stride_h + 1;
}
static inline size_t conv_case_ow(const conv_case *k) {
  return (k->w + k->pad_left + k->pad_right - (k->kw - 1) * k->dilation_w - 1) / k->stride_w + 1;
}

/* One output; *magnitude: the sum of the absolute terms, for the tolerance. matrix: K x N. */
static inline double conv_oracle(const conv_case *k, const float *x, const float *matrix,
                                 size_t image, size_t channel, size_t oy, size_t ox,
                                 double *magnitude) {
  const size_t per_group = k->c_in / k->groups, group = channel / (k->c_out / k->groups);
  double sum = 0;
  *magnitude = 0;
  for (size_t c = 0; c < per_group; ++c)
    for (size_t ky = 0; ky < k->kh; ++ky)
      for (size_t kx = 0; kx < k->kw; ++kx) {
        const size_t y = oy * k->stride_h + ky * k->dilation_h - k->pad_top;
        const size_t xx = ox * k->stride_w + kx * k->dilation_w - k->pad_left;
        if (y >= k->h || xx >= k->w) continue; /* wraps: padding */
        const double a =
            (double)x[((image * k->c_in + group * per_group + c) * k->h + y) * k->w + xx];
        const double b = (double)matrix[((c * k->kh + ky) * k->kw + kx) * k->c_out + channel];
        sum += a * b;
        *magnitude += a * b < 0 ? -a * b : a * b;
      }
  return sum;
}
#endif
