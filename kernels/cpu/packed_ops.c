/* kernels/cpu/packed_ops.c - pooling, element by element operations, and the way into and out of
 * the packed layout. */
#include <string.h>

#include "kernels/cpu/packed_impl.h"
#include "kernels/curve.h"

/* ---- layout ---------------------------------------------------------------------------------- */
static float *pixel(const ap_packed_shape *s, float *data, size_t block, size_t c, size_t y,
                    size_t x) {
  return data + block * s->block + c * s->channel + s->origin + y * s->row + x * AP_PACKED_LANES;
}
static const float *pixel_const(const ap_packed_shape *s, const float *data, size_t block, size_t c,
                                size_t y, size_t x) {
  return data + block * s->block + c * s->channel + s->origin + y * s->row + x * AP_PACKED_LANES;
}

void ap_packed_from_nchw(const ap_packed_shape *s, size_t n, const float *nchw, float *packed) {
  for (size_t first = 0; first < n; first += AP_PACKED_LANES) {
    const size_t block = first / AP_PACKED_LANES;
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y)
        for (size_t x = 0; x < s->w; ++x) {
          float *to = pixel(s, packed, block, c, y, x);
          for (size_t lane = 0; lane < AP_PACKED_LANES; ++lane) {
            const size_t image = first + lane;
            to[lane] = image < n ? nchw[((image * s->c + c) * s->h + y) * s->w + x] : 0.0F;
          }
        }
  }
}

void ap_packed_to_nchw(const ap_packed_shape *s, size_t n, const float *packed, float *nchw) {
  for (size_t image = 0; image < n; ++image)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y)
        for (size_t x = 0; x < s->w; ++x)
          nchw[((image * s->c + c) * s->h + y) * s->w + x] =
              pixel_const(s, packed, image / AP_PACKED_LANES, c, y, x)[image % AP_PACKED_LANES];
}

void ap_packed_flatten_run(const ap_packed_shape *in_shape, const ap_packed_shape *out_shape,
                           size_t n_blocks, const float *in, float *out) {
  for (size_t b = 0; b < n_blocks; ++b) {
    size_t feature = 0;
    for (size_t c = 0; c < in_shape->c; ++c)
      for (size_t y = 0; y < in_shape->h; ++y)
        for (size_t x = 0; x < in_shape->w; ++x, ++feature)
          memcpy(pixel(out_shape, out, b, feature, 0, 0), pixel_const(in_shape, in, b, c, y, x),
                 AP_PACKED_LANES * sizeof *out);
  }
}

void ap_packed_pixels_run(const ap_packed_isa *isa, const ap_packed_shape *s, size_t n_blocks,
                          const uint8_t *pixels, const float *scale, const float *shift,
                          float *out) {
  const size_t row = s->w * AP_PACKED_LANES;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y)
        isa->pixels(pixels + ((b * s->c + c) * s->h + y) * row, s->w, scale[c], shift[c],
                    pixel(s, out, b, c, y, 0));
}

/* ---- pooling --------------------------------------------------------------------------------- */
/* The part of window `i` that lies in the image. */
typedef struct {
  size_t first, count;
} span;
static span window_span(size_t i, size_t stride, size_t pad, size_t kernel, size_t extent) {
  const size_t begin = i * stride, end = begin + kernel; /* with padding */
  const size_t lo = begin > pad ? begin - pad : 0;
  size_t hi = end > pad ? end - pad : 0;
  if (hi > extent) hi = extent;
  return (span){lo, hi > lo ? hi - lo : 0};
}

static void pool_channel(const ap_packed_isa *isa, const ap_packed_pool *p, size_t b, size_t c,
                         const float *in, float *out, float low, float high) {
  for (size_t y = 0; y < p->out.h; ++y) {
    const span rows = window_span(y, p->stride_h, p->pad_top, p->kh, p->in.h);
    for (size_t x = 0; x < p->out.w;) {
      const span columns = window_span(x, p->stride_w, p->pad_left, p->kw, p->in.w);
      size_t n = 1; /* windows of one size, stride_w apart, in one call */
      while (x + n < p->out.w) {
        const span next = window_span(x + n, p->stride_w, p->pad_left, p->kw, p->in.w);
        if (next.count != columns.count || next.first != columns.first + n * p->stride_w) break;
        ++n;
      }
      const size_t area = p->count_padding ? p->kh * p->kw : rows.count * columns.count;
      isa->window(pixel_const(&p->in, in, b, c, rows.first, columns.first), p->in.row,
                  p->stride_w * AP_PACKED_LANES, n, rows.count, columns.count, p->maximum,
                  area ? 1.0F / (float)area : 0.0F, low, high, pixel(&p->out, out, b, c, y, x));
      x += n;
    }
  }
}

void ap_packed_pool_run(const ap_packed_isa *isa, const ap_packed_pool *pool, size_t n_blocks,
                        const float *in, float *out, float low, float high) {
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < pool->out.c; ++c) pool_channel(isa, pool, b, c, in, out, low, high);
}

/* ---- element by element ---------------------------------------------------------------------- */
static const float *source_pixel(const ap_packed_source *s, size_t b, size_t c, size_t y) {
  const size_t channel = s->picks ? s->picks[c] : c - s->first; /* wraps below `first` */
  if (!s->data || channel >= s->shape->c) return NULL;
  return pixel_const(s->shape, s->data, b, channel, y * s->stride_h, 0);
}

/* Do all rows of a channel, as an output of that shape reads them, lie one behind the other? One value a channel does. */
static bool reads_in_a_row(const ap_packed_source *s, const ap_packed_shape *out) {
  if (!s->data || (s->stride_h == 0 && s->stride_w == 0)) return true;
  return s->stride_h == 1 && s->stride_w == 1 && s->shape->h == out->h && s->shape->w == out->w &&
         s->shape->row == s->shape->w * AP_PACKED_LANES;
}

/* Rows and columns to do: without borders all rows are one, which small maps have short ones of. */
typedef struct {
  size_t h, w;
} extent;
static extent extent_of(const ap_packed_shape *out, const ap_packed_source *const sources[3]) {
  bool one = out->row == out->w * AP_PACKED_LANES;
  for (size_t i = 0; i < 3; ++i) one = one && (!sources[i] || reads_in_a_row(sources[i], out));
  return one ? (extent){1, out->h * out->w} : (extent){out->h, out->w};
}

void ap_packed_map_run(const ap_packed_isa *isa, const ap_packed_source *in, size_t channels,
                       const float *scale, const float *shift, const ap_packed_shape *out_shape,
                       size_t first_out, size_t n_blocks, float *out,
                       const ap_packed_epilogue *epilogue) {
  static const float zeros[AP_PACKED_LANES] __attribute__((aligned(64))) = {0};
  const ap_packed_source *res = &epilogue->residual;
  const extent size = extent_of(out_shape, (const ap_packed_source *const[3]){in, res});
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < channels; ++c)
      for (size_t y = 0; y < size.h; ++y) {
        const float *from = source_pixel(in, b, c, y);
        isa->map_row(from ? from : zeros, from ? in->stride_w * AP_PACKED_LANES : 0,
                     scale ? scale[c] : 1.0F, shift ? shift[c] : 0.0F, source_pixel(res, b, c, y),
                     res->stride_w * AP_PACKED_LANES, size.w, epilogue->low, epilogue->high,
                     pixel(out_shape, out, b, first_out + c, y, 0));
      }
}

/* n: of whole blocks. */
static void curve_values(const ap_packed_isa *isa, ap_curve curve, const float *x, size_t n,
                         float *y) {
  if (curve == AP_CURVE_LOGISTIC)
    isa->logistic(x, n, y);
  else if (curve == AP_CURVE_NORMAL)
    isa->normal(x, n, y);
  else
    ap_curve_row(curve, x, n, y);
}

enum { GATED = 16 }; /* pixels whose gate is on the stack */

void ap_packed_gate_run(const ap_packed_isa *isa, const ap_packed_source *in,
                        const ap_packed_source *gate, ap_curve curve,
                        const ap_packed_shape *out_shape, size_t n_blocks, float *out,
                        const ap_packed_epilogue *epilogue) {
  const ap_packed_source *res = &epilogue->residual;
  const size_t in_column = in->stride_w * AP_PACKED_LANES;
  const extent size = extent_of(out_shape, (const ap_packed_source *const[3]){in, gate, res});
  const size_t res_column = res->stride_w * AP_PACKED_LANES, step = curve ? GATED : size.w;
  float gates[GATED * AP_PACKED_LANES] __attribute__((aligned(64)));
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < out_shape->c; ++c)
      for (size_t y = 0; y < size.h; ++y)
        for (size_t x = 0; x < size.w; x += step) {
          const size_t n = size.w - x < step ? size.w - x : step;
          const float *residual = source_pixel(res, b, c, y);
          const float *factors = source_pixel(gate, b, c, y);
          if (curve) {
            curve_values(isa, curve, factors + x * AP_PACKED_LANES, n * AP_PACKED_LANES, gates);
            factors = gates;
          }
          isa->gate_row(source_pixel(in, b, c, y) + x * in_column, in_column, factors,
                        gate->stride_w * AP_PACKED_LANES,
                        residual ? residual + x * res_column : NULL, res_column, n, epilogue->low,
                        epilogue->high, pixel(out_shape, out, b, c, y, x));
        }
}

void ap_packed_curve_run(const ap_packed_isa *isa, ap_curve curve, const ap_packed_shape *in_shape,
                         const ap_packed_shape *out_shape, size_t n_blocks, const float *in,
                         float *out) {
  const ap_packed_source from = {in, in_shape, 1, 1, 0, NULL};
  const extent size = extent_of(out_shape, (const ap_packed_source *const[3]){&from});
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < out_shape->c; ++c)
      for (size_t y = 0; y < size.h; ++y)
        curve_values(isa, curve, pixel_const(in_shape, in, b, c, y, 0), size.w * AP_PACKED_LANES,
                     pixel(out_shape, out, b, c, y, 0));
}
