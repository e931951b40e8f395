/* kernels/cpu/packed8_ops.c - pooling, element by element operations and the way in, on lines of 64
 * images: of codes or floats alike, through floats; products and sums are rounded one by one. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/packed8_impl.h"
#include "kernels/curve.h"

enum { LANES = AP_PACKED8_LANES, PARTS = AP_PACKED8_LANES / AP_PACKED_LANES };

size_t ap_packed8_tensor_bytes(const ap_packed8_tensor *t) {
  return t->shape->block * sizeof(float) * (t->codes ? 1 : PARTS);
}

void ap_packed8_clear(const ap_packed8_tensor *t, size_t n_blocks, void *data) {
  memset(data, t->codes ? t->zero : 0, ap_packed8_tensor_bytes(t) * n_blocks);
}

/* Of channel c, pixel (y, x) in block b: its codes, or the first 16 floats; the next are
 * shape->block floats further. */
static size_t place(const ap_packed8_tensor *t, size_t b, size_t c, size_t y, size_t x) {
  const ap_packed_shape *s = t->shape;
  return ap_packed8_tensor_bytes(t) * b +
         (c * s->channel + s->origin + y * s->row) * sizeof(float) + x * P8_LINE;
}

/* A line of values stands in the order of floats, on 64 bytes. */
#define ON_LINE __attribute__((aligned(P8_LINE)))

/* Values, without the source's factor. */
static void get_line(const ap_packed8_isa *isa, const ap_packed8_tensor *t, const void *data,
                     size_t at, float *line) {
  const uint8_t *p = (const uint8_t *)data + at;
  if (t->codes) {
    isa->to_floats(p, t->zero, line);
    return;
  }
  for (size_t part = 0; part < PARTS; ++part)
    memcpy(line + part * AP_PACKED_LANES, p + part * t->shape->block * sizeof(float),
           AP_PACKED_LANES * sizeof *line);
}

/* Where lines go: values are limited, codes also to those that there are. */
typedef struct {
  const ap_packed8_isa *isa;
  const ap_packed8_target *to;
  float low, high;
} target;

static float clip(float v, float low, float high) {
  v = v > low ? v : low;
  return v < high ? v : high;
}

static target target_of(const ap_packed8_isa *isa, const ap_packed8_target *to, float low,
                        float high) {
  const float zero = (float)to->tensor.zero, most = (float)to->most - zero;
  if (!to->tensor.codes) return (target){isa, to, low, high};
  return (target){isa, to, clip(low, -zero, most), clip(high, -zero, most)};
}

static void put_line(const target *k, size_t at, const float *line) {
  const ap_packed8_tensor *t = &k->to->tensor;
  uint8_t *p = (uint8_t *)k->to->data + at;
  if (t->codes) {
    k->isa->to_codes(line, k->low, k->high, t->zero, p);
    return;
  }
  for (size_t part = 0; part < PARTS; ++part, line += AP_PACKED_LANES) {
    float *to = (float *)(void *)(p + part * t->shape->block * sizeof(float));
    for (size_t i = 0; i < AP_PACKED_LANES; ++i) to[i] = clip(line[i], k->low, k->high);
  }
}

/* ---- pooling ---------------------------------------------------------------------------------- */
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

static void reduce(const ap_packed8_isa *isa, const ap_packed_pool *p, const ap_packed8_source *in,
                   size_t b, size_t c, span rows, span columns, float *line) {
  float next[LANES] ON_LINE;
  for (size_t i = 0; i < LANES; ++i) line[i] = p->maximum ? -INFINITY : 0;
  for (size_t y = rows.first; y < rows.first + rows.count; ++y)
    for (size_t x = columns.first; x < columns.first + columns.count; ++x) {
      get_line(isa, &in->tensor, in->data, place(&in->tensor, b, c, y, x), next);
      if (p->maximum) {
        for (size_t i = 0; i < LANES; ++i) line[i] = next[i] > line[i] ? next[i] : line[i];
      } else {
        for (size_t i = 0; i < LANES; ++i) line[i] += next[i];
      }
    }
}

/* Codes to codes of the same scale stay bytes. */
static bool stays_bytes(const ap_packed_pool *p, const ap_packed8_source *in, double ratio,
                        const ap_packed8_target *out) {
  return p->maximum && in->tensor.codes && out->tensor.codes &&
         in->tensor.zero == out->tensor.zero && !(ratio < 1) && !(ratio > 1);
}

/* Windows from x on that are as wide and stand stride_w apart. */
static size_t alike(const ap_packed_pool *p, size_t x, span columns) {
  size_t n = 1;
  for (; x + n < p->out.w; ++n) {
    const span next = window_span(x + n, p->stride_w, p->pad_left, p->kw, p->in.w);
    if (next.count != columns.count || next.first != columns.first + n * p->stride_w) break;
  }
  return n;
}

/* One row of outputs, as bytes. */
static void largest_row(const ap_packed8_isa *isa, const ap_packed_pool *p,
                        const ap_packed8_source *in, const ap_packed8_target *out,
                        const uint8_t range[2], size_t b, size_t c, size_t y) {
  const span rows = window_span(y, p->stride_h, p->pad_top, p->kh, p->in.h);
  size_t n;
  for (size_t x = 0; x < p->out.w; x += n) {
    const span columns = window_span(x, p->stride_w, p->pad_left, p->kw, p->in.w);
    n = alike(p, x, columns);
    isa->largest((const uint8_t *)in->data + place(&in->tensor, b, c, rows.first, columns.first),
                 p->in.row * sizeof(float), p->stride_w * P8_LINE, n, rows.count, columns.count,
                 range[0], range[1], (uint8_t *)out->data + place(&out->tensor, b, c, y, x));
  }
}

void ap_packed8_pool_run(const ap_packed8_isa *isa, const ap_packed_pool *p, size_t n_blocks,
                         const ap_packed8_source *in, double ratio, const ap_packed8_target *out,
                         float low, float high) {
  const target k = target_of(isa, out, low, high);
  const bool bytes = stays_bytes(p, in, ratio, out);
  uint8_t range[2];
  float line[LANES] ON_LINE;
  packed8_code_limits(out, low, high, &range[0], &range[1]);
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < p->out.c; ++c)
      for (size_t y = 0; y < p->out.h; ++y) {
        const span rows = window_span(y, p->stride_h, p->pad_top, p->kh, p->in.h);
        if (bytes) largest_row(isa, p, in, out, range, b, c, y);
        for (size_t x = 0; x < p->out.w && !bytes; ++x) {
          const span columns = window_span(x, p->stride_w, p->pad_left, p->kw, p->in.w);
          const size_t area = p->count_padding ? p->kh * p->kw : rows.count * columns.count;
          const float factor = p->maximum ? in->factor : (float)(ratio / (double)area);
          reduce(isa, p, in, b, c, rows, columns, line);
          for (size_t i = 0; i < LANES; ++i) line[i] *= factor;
          put_line(&k, place(&out->tensor, b, c, y, x), line);
        }
      }
}

/* ---- element by element ----------------------------------------------------------------------- */
/* A row of a source: where its first line lies, NULL: all is 0; and how far the next. */
typedef struct {
  const ap_packed8_tensor *tensor;
  const uint8_t *at;
  size_t step;
} row;

static row row_of(const ap_packed8_source *s, size_t b, size_t c, size_t y) {
  const size_t channel = s->picks ? s->picks[c] : c - s->first; /* wraps below `first` */
  if (!s->data || channel >= s->tensor.shape->c) return (row){.at = NULL};
  const uint8_t *data = s->data;
  return (row){&s->tensor, data + place(&s->tensor, b, channel, y * s->stride_h, 0),
               s->stride_w * P8_LINE};
}
/* Its line x; false: there is none. */
static bool row_line(const ap_packed8_isa *isa, const row *r, size_t x, float *line) {
  if (!r->at) return false;
  get_line(isa, r->tensor, r->at, x * r->step, line);
  return true;
}

static bool is_one(float factor) { return !(factor < 1) && !(factor > 1); }

/* How a line becomes in[c] * factor (or scale, shift) + residual[c], by the rule of packed8.h. */
typedef struct {
  const ap_packed8_isa *isa;
  bool affine; /* scale and shift in place of the factor */
  float factor, shift, residual_factor;
} map_rule;

static void map_line(const map_rule *k, const row *in, const row *res, size_t x, float *line) {
  float value[LANES] ON_LINE, other[LANES] ON_LINE;
  const bool adds = row_line(k->isa, res, x, other);
  if (!k->affine && is_one(k->factor)) {
    if (!row_line(k->isa, in, x, line)) memset(line, 0, LANES * sizeof *line);
  } else {
    if (!row_line(k->isa, in, x, value)) memset(value, 0, sizeof value);
    for (size_t i = 0; i < LANES; ++i)
      line[i] = k->affine ? k->shift : adds ? other[i] * k->residual_factor : 0;
    k->isa->fused(value, k->factor, line);
    if (!k->affine) return;
  }
  if (adds) k->isa->fused(other, k->residual_factor, line);
}

void ap_packed8_map_run(const ap_packed8_isa *isa, const ap_packed8_source *in, size_t channels,
                        const float *scale, const float *shift, const ap_packed8_target *out,
                        size_t first_out, size_t n_blocks, const ap_packed8_epilogue *epilogue) {
  const target k = target_of(isa, out, epilogue->low, epilogue->high);
  const ap_packed_shape *s = out->tensor.shape;
  map_rule rule = {isa, scale != NULL, in->factor, 0, epilogue->residual.factor};
  float line[LANES] ON_LINE;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < channels; ++c) {
      if (scale) {
        rule.factor = scale[c];
        rule.shift = shift[c];
      }
      for (size_t y = 0; y < s->h; ++y) {
        const row from = row_of(in, b, c, y), res = row_of(&epilogue->residual, b, c, y);
        const size_t to = place(&out->tensor, b, first_out + c, y, 0);
        for (size_t x = 0; x < s->w; ++x) {
          map_line(&rule, &from, &res, x, line);
          put_line(&k, to + x * P8_LINE, line);
        }
      }
    }
}

/* ---- an image normalised by itself -------------------------------------------------------------- */
typedef struct {
  const ap_packed8_isa *isa;
  const ap_packed8_source *in;
  size_t block, first, channels, y, rows, x, columns; /* of a set */
} norm_set;

/* Sums in double of the lines, or (centre not NULL) of the squares of their deviations. */
static void norm_sums(const norm_set *s, const float *centre, double sums[LANES]) {
  const ap_packed8_tensor *t = &s->in->tensor;
  float line[LANES] ON_LINE;
  memset(sums, 0, LANES * sizeof *sums);
  for (size_t c = s->first; c < s->first + s->channels; ++c)
    for (size_t y = s->y; y < s->y + s->rows; ++y)
      for (size_t x = s->x; x < s->x + s->columns; ++x) {
        get_line(s->isa, t, s->in->data, place(t, s->block, c, y, x), line);
        for (size_t i = 0; i < LANES; ++i) {
          const double d = centre ? (double)(line[i] - centre[i]) : (double)line[i];
          sums[i] += centre ? d * d : d;
        }
      }
}

typedef struct {
  double epsilon, per_unit;
  const float *scale, *shift;
  const ap_packed8_source *residual;
} norm_rule;

static void norm_run_set(const norm_set *s, const norm_rule *r, const target *to) {
  const ap_packed8_tensor *t = &s->in->tensor;
  const size_t count = s->channels * s->rows * s->columns;
  float mean[LANES] ON_LINE, factor[LANES] ON_LINE, line[LANES] ON_LINE, other[LANES] ON_LINE;
  double sums[LANES];
  norm_sums(s, NULL, sums);
  for (size_t i = 0; i < LANES; ++i) mean[i] = (float)(sums[i] / (double)count);
  norm_sums(s, mean, sums);
  for (size_t i = 0; i < LANES; ++i)
    factor[i] = ap_packed8_norm_factor(sums[i], count, r->epsilon, r->per_unit);
  for (size_t c = s->first; c < s->first + s->channels; ++c)
    for (size_t y = s->y; y < s->y + s->rows; ++y) {
      const row plus = row_of(r->residual, s->block, c, y);
      for (size_t x = s->x; x < s->x + s->columns; ++x) {
        get_line(s->isa, t, s->in->data, place(t, s->block, c, y, x), line);
        for (size_t i = 0; i < LANES; ++i) line[i] = (line[i] - mean[i]) * factor[i];
        if (r->scale) {
          for (size_t i = 0; i < LANES; ++i) other[i] = r->shift[c];
          s->isa->fused(line, r->scale[c], other);
          memcpy(line, other, sizeof line);
        }
        if (row_line(s->isa, &plus, x, other)) s->isa->fused(other, r->residual->factor, line);
        put_line(to, place(&to->to->tensor, s->block, c, y, x), line);
      }
    }
}

void ap_packed8_norm_run(const ap_packed8_isa *isa, const ap_packed_norm *norm, double epsilon,
                         double per_unit, const ap_packed8_source *in, const float *scale,
                         const float *shift, const ap_packed8_target *out, size_t n_blocks,
                         const ap_packed8_epilogue *epilogue) {
  const target to = target_of(isa, out, epilogue->low, epilogue->high);
  const norm_rule rule = {epsilon, per_unit, scale, shift, &epilogue->residual};
  const ap_packed_shape *s = in->tensor.shape;
  const size_t each = s->c / norm->groups, pixels = norm->each_pixel ? s->h * s->w : 1;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t i = 0; i < norm->groups * pixels; ++i) {
      norm_set set = {isa, in, b, i * each, each, 0, s->h, 0, s->w};
      if (norm->each_pixel) set = (norm_set){isa, in, b, 0, s->c, i / s->w, 1, i % s->w, 1};
      norm_run_set(&set, &rule, &to);
    }
}

/* In place: curve(line * factor) * per_unit. */
static void curve_line(ap_curve curve, float factor, float per_unit, float *line, size_t n) {
  for (size_t i = 0; i < n; ++i) line[i] *= factor;
  ap_curve_row(curve, line, n, line);
  for (size_t i = 0; i < n; ++i) line[i] *= per_unit;
}

/* What becomes of each code: codes are few. */
enum { CODES = 256 };
typedef struct {
  const ap_packed8_isa *isa;
  ap_curve curve;
  const ap_packed8_source *in;
  float per_unit;
  float of_code[CODES];
} curve_rule;

static curve_rule curve_of(const ap_packed8_isa *isa, ap_curve curve, const ap_packed8_source *in,
                           float per_unit) {
  curve_rule k = {.isa = isa, .curve = curve, .in = in, .per_unit = per_unit};
  if (!curve || !in->tensor.codes) return k;
  for (int code = 0; code < CODES; ++code) k.of_code[code] = (float)(code - in->tensor.zero);
  curve_line(curve, in->factor, per_unit, k.of_code, CODES);
  return k;
}

/* Line x of a row, through the curve where there is one. */
static void curved_line(const curve_rule *k, const row *r, size_t x, float *line) {
  if (!k->curve || !k->in->tensor.codes || !r->at) {
    if (!row_line(k->isa, r, x, line)) memset(line, 0, LANES * sizeof *line);
    if (k->curve) curve_line(k->curve, k->in->factor, k->per_unit, line, LANES);
    return;
  }
  const uint8_t *codes = r->at + x * r->step;
  for (size_t lane = 0; lane < AP_PACKED_LANES; lane += P8_QUAD)
    for (size_t part = 0; part < PARTS; ++part, codes += P8_QUAD)
      for (size_t i = 0; i < P8_QUAD; ++i)
        line[part * AP_PACKED_LANES + lane + i] = k->of_code[codes[i]];
}

void ap_packed8_gate_run(const ap_packed8_isa *isa, const ap_packed8_source *in,
                         const ap_packed8_source *gate, ap_curve curve, float per_unit,
                         const ap_packed8_target *out, size_t n_blocks,
                         const ap_packed8_epilogue *epilogue) {
  const target k = target_of(isa, out, epilogue->low, epilogue->high);
  const curve_rule rule = curve_of(isa, curve, gate, per_unit);
  const ap_packed_shape *s = out->tensor.shape;
  const ap_packed8_source *res = &epilogue->residual;
  const bool per_channel = gate->stride_h == 0 && gate->stride_w == 0;
  float line[LANES] ON_LINE, factors[LANES] ON_LINE, other[LANES] ON_LINE;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y) {
        const row from = row_of(in, b, c, y), by = row_of(gate, b, c, y),
                  plus = row_of(res, b, c, y);
        const size_t to = place(&out->tensor, b, c, y, 0);
        for (size_t x = 0; x < s->w; ++x) {
          if (!per_channel || (x == 0 && y == 0)) curved_line(&rule, &by, x, factors);
          if (!row_line(isa, &from, x, line)) memset(line, 0, sizeof line);
          for (size_t i = 0; i < LANES; ++i) line[i] = line[i] * factors[i] * in->factor;
          if (row_line(isa, &plus, x, other)) isa->fused(other, res->factor, line);
          put_line(&k, to + x * P8_LINE, line);
        }
      }
}

void ap_packed8_curve_run(const ap_packed8_isa *isa, ap_curve curve, const ap_packed8_source *in,
                          float per_unit, const ap_packed8_target *out, size_t n_blocks) {
  const target k = target_of(isa, out, -INFINITY, INFINITY);
  const curve_rule rule = curve_of(isa, curve, in, per_unit);
  const ap_packed_shape *s = out->tensor.shape;
  float line[LANES] ON_LINE;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y) {
        const row from = row_of(in, b, c, y);
        const size_t to = place(&out->tensor, b, c, y, 0);
        for (size_t x = 0; x < s->w; ++x) {
          curved_line(&rule, &from, x, line);
          put_line(&k, to + x * P8_LINE, line);
        }
      }
}

/* ---- layout ----------------------------------------------------------------------------------- */
void ap_packed8_flatten_run(const ap_packed8_tensor *in_tensor, const ap_packed8_tensor *out_tensor,
                            size_t n_blocks, const void *in, void *out) {
  const ap_packed_shape *s = in_tensor->shape;
  const size_t parts = in_tensor->codes ? 1 : PARTS;
  for (size_t b = 0; b < n_blocks; ++b) {
    size_t feature = 0;
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y)
        for (size_t x = 0; x < s->w; ++x, ++feature)
          for (size_t part = 0; part < parts; ++part)
            memcpy((uint8_t *)out + place(out_tensor, b, feature, 0, 0) +
                       part * out_tensor->shape->block * sizeof(float),
                   (const uint8_t *)in + place(in_tensor, b, c, y, x) +
                       part * s->block * sizeof(float),
                   P8_LINE);
  }
}

/* Which image is number i of a line of floats? (The order is its own inverse.) */
static size_t image_of(size_t i) {
  return ap_packed8_part(i) * AP_PACKED_LANES + ap_packed8_lane(i);
}

void ap_packed8_pixels_run(const ap_packed8_isa *isa, size_t n_blocks, const uint8_t *pixels,
                           const float *table, const ap_packed8_target *out) {
  const ap_packed_shape *s = out->tensor.shape;
  const target k = target_of(isa, out, -INFINITY, INFINITY);
  float line[LANES] ON_LINE;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y)
        for (size_t x = 0; x < s->w; ++x, pixels += LANES) {
          for (size_t i = 0; i < LANES; ++i) line[i] = table[c * 256 + pixels[image_of(i)]];
          put_line(&k, place(&out->tensor, b, c, y, x), line);
        }
}
