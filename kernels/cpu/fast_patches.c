#include <string.h>

#include "kernels/cpu/fast_impl.h"
#include "kernels/cpu/patches_impl.h"

/* The outputs [first, end) along one axis whose tap k lies inside the input. */
typedef struct {
  size_t first, end;
} inside;

static inline inside inside_of(size_t in, size_t out, size_t k, size_t stride, size_t pad) {
  inside r;
  r.first = k >= pad ? 0 : ap_ceil_div(pad - k, stride);
  r.end = in + pad > k ? ap_ceil_div(in + pad - k, stride) : 0;
  r.end = ap_min_size(r.end, out);
  r.first = ap_min_size(r.first, r.end);
  return r;
}

/* Places of a small map's patches in its plane, SIZE_MAX in the padding: one table serves all channels. */
#define TABLE ((size_t)512)
#define LEAST_ROW ((size_t)8) /* longer rows are copied as such */

AP_CLONES
static void gather_by_table(const ap_conv_shape *s, const float *x, size_t channels, size_t stride,
                            float *patches) {
  const size_t oh = ap_conv_out_h(s), ow = ap_conv_out_w(s), taps = s->kh * s->kw, p = oh * ow;
  size_t table[TABLE];
  for (size_t t = 0; t < taps; t++) {
    for (size_t i = 0; i < p; i++) {
      const size_t ky = t / s->kw * s->dilation_h, kx = t % s->kw * s->dilation_w;
      const size_t y = i / ow * s->stride_h + ky - s->pad_top; /* wraps above the image */
      const size_t z = i % ow * s->stride_w + kx - s->pad_left;
      table[t * p + i] = y < s->h && z < s->w ? y * s->w + z : SIZE_MAX;
    }
  }
  for (size_t c = 0; c < channels; c++, x += s->h * s->w) {
    for (size_t t = 0; t < taps; t++, patches += stride) {
      const size_t *at = table + t * p;
      for (size_t i = 0; i < p; i++) patches[i] = at[i] == SIZE_MAX ? 0.0f : x[at[i]];
    }
  }
}

AP_CLONES
void ap_patches_gather(const ap_conv_shape *s, const float *x, size_t channels, size_t stride,
                       float *patches) {
  const size_t oh = ap_conv_out_h(s), ow = ap_conv_out_w(s);
  if (oh * ow <= TABLE / s->kh / s->kw && ow < LEAST_ROW) {
    gather_by_table(s, x, channels, stride, patches);
    return;
  }
  for (size_t k = 0; k < channels * s->kh * s->kw; k++, patches += stride) {
    const size_t kx = k % s->kw * s->dilation_w, ky = k / s->kw % s->kh * s->dilation_h;
    const float *plane = x + k / (s->kw * s->kh) * s->h * s->w;
    const inside rows = inside_of(s->h, oh, ky, s->stride_h, s->pad_top);
    const inside columns = inside_of(s->w, ow, kx, s->stride_w, s->pad_left);
    memset(patches, 0, rows.first * ow * sizeof *patches);
    memset(patches + rows.end * ow, 0, (oh - rows.end) * ow * sizeof *patches);
    for (size_t oy = rows.first; oy < rows.end; oy++) {
      /* Column 0 may lie in the padding, so the address is formed at the first one inside. */
      const float *from = plane + (oy * s->stride_h + ky - s->pad_top) * s->w;
      float *to = patches + oy * ow;
      if (columns.first < columns.end) from += columns.first * s->stride_w + kx - s->pad_left;
      for (size_t ox = 0; ox < columns.first; ox++) to[ox] = 0;
      for (size_t ox = columns.end; ox < ow; ox++) to[ox] = 0;
      to += columns.first;
      if (s->stride_w == 1) {
        for (size_t j = 0; j < columns.end - columns.first; j++) to[j] = from[j];
      } else {
        for (size_t j = 0; j < columns.end - columns.first; j++) to[j] = from[j * s->stride_w];
      }
    }
  }
}

AP_CLONES
void ap_patches_scatter(const ap_conv_shape *s, const float *patches, size_t stride,
                        size_t channels, float *x) {
  const size_t oh = ap_conv_out_h(s), ow = ap_conv_out_w(s);
  for (size_t k = 0; k < channels * s->kh * s->kw; k++, patches += stride) {
    const size_t kx = k % s->kw * s->dilation_w, ky = k / s->kw % s->kh * s->dilation_h;
    float *plane = x + k / (s->kw * s->kh) * s->h * s->w;
    const inside rows = inside_of(s->h, oh, ky, s->stride_h, s->pad_top);
    const inside columns = inside_of(s->w, ow, kx, s->stride_w, s->pad_left);
    if (columns.first == columns.end) continue;
    for (size_t oy = rows.first; oy < rows.end; oy++) {
      float *to = plane + (oy * s->stride_h + ky - s->pad_top) * s->w +
                  (columns.first * s->stride_w + kx - s->pad_left);
      const float *from = patches + oy * ow + columns.first;
      if (s->stride_w == 1) {
        for (size_t j = 0; j < columns.end - columns.first; j++) to[j] += from[j];
      } else {
        for (size_t j = 0; j < columns.end - columns.first; j++) to[j * s->stride_w] += from[j];
      }
    }
  }
}
