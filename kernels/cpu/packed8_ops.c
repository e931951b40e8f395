/* kernels/cpu/packed8_ops.c - pooling, element by element operations and the way in, on lines of 64
 * images: of codes or floats alike, through floats; products and sums are rounded one by one. What is done
 * with a row of lines: packed8_rows.h. */
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

/* A line of values: four parts of 16 (ap_packed8_part), on 64 bytes. */
#define ON_LINE __attribute__((aligned(P8_LINE)))
enum { PART_BYTES = P8_LINE };
static packed8_row line_row(const float *line) { /* and those behind it */
  return (packed8_row){(const uint8_t *)line, LANES * sizeof *line, PART_BYTES, false, 0};
}
static packed8_row_out line_to(float *line) {
  return (packed8_row_out){(uint8_t *)line, PART_BYTES, false, 0, -INFINITY, INFINITY};
}

/* Where lines go: values are limited, codes also to those that there are. */
typedef struct {
  const ap_packed8_isa *isa;
  const ap_packed8_target *to;
  float low, high;
} target;

static target target_of(const ap_packed8_isa *isa, const ap_packed8_target *to, float low,
                        float high) {
  packed8_value_limits(to, &low, &high);
  return (target){isa, to, low, high};
}

/* ---- rows ------------------------------------------------------------------------------------- */
static size_t part_of(const ap_packed8_tensor *t) { return t->shape->block * sizeof(float); }

/* Of a source, as an output's channel and row reads it. */
static packed8_row row_of(const ap_packed8_source *s, size_t b, size_t c, size_t y) {
  const size_t channel = s->picks ? s->picks[c] : c - s->first; /* wraps below `first` */
  if (!s->data || channel >= s->tensor.shape->c) return (packed8_row){.at = NULL};
  return (packed8_row){(const uint8_t *)s->data + place(&s->tensor, b, channel, y * s->stride_h, 0),
                       s->stride_w * P8_LINE, part_of(&s->tensor), s->tensor.codes, s->tensor.zero};
}

static packed8_row_out row_to(const target *k, size_t b, size_t c, size_t y, size_t x) {
  const ap_packed8_tensor *t = &k->to->tensor;
  return (packed8_row_out){(uint8_t *)k->to->data + place(t, b, c, y, x),
                           part_of(t),
                           t->codes,
                           t->zero,
                           k->low,
                           k->high};
}

/* Do all rows of a channel, as an output of that shape reads them, lie one behind the other? One value a channel does. */
static bool reads_in_a_row(const ap_packed8_source *s, const ap_packed_shape *out) {
  const ap_packed_shape *in = s->tensor.shape;
  if (!s->data || (s->stride_h == 0 && s->stride_w == 0)) return true;
  return s->stride_h == 1 && s->stride_w == 1 && in->h == out->h && in->w == out->w &&
         in->row == in->w * AP_PACKED_LANES;
}

/* Rows and columns to do: without borders all rows are one, which small maps have short ones of. */
typedef struct {
  size_t h, w;
} extent;
static extent extent_of(const ap_packed_shape *out, const ap_packed8_source *const sources[3]) {
  bool one = out->row == out->w * AP_PACKED_LANES;
  for (size_t i = 0; i < 3; ++i) one = one && (!sources[i] || reads_in_a_row(sources[i], out));
  return one ? (extent){1, out->h * out->w} : (extent){out->h, out->w};
}

/* ---- pooling ---------------------------------------------------------------------------------- */
/* The part of window `i` that lies in the image. */
typedef struct {
  size_t first, count;
} span;
static span window_span(size_t i, size_t stride, size_t pad, size_t kernel, size_t size) {
  const size_t begin = i * stride, end = begin + kernel; /* with padding */
  const size_t lo = begin > pad ? begin - pad : 0;
  size_t hi = end > pad ? end - pad : 0;
  if (hi > size) hi = size;
  return (span){lo, hi > lo ? hi - lo : 0};
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

typedef struct {
  const ap_packed_pool *pool;
  const ap_packed8_source *in;
  target to;
  double ratio;
  bool bytes;
  uint8_t least, most;
} pool_job;

/* n windows of rows x columns pixels, which begin with input pixel (rows.first, columns.first). */
static void pool_windows(const pool_job *j, size_t b, size_t c, span rows, span columns, size_t n,
                         size_t y, size_t x) {
  const ap_packed_pool *p = j->pool;
  const ap_packed8_tensor *t = &j->in->tensor;
  const size_t in_row = p->in.row * sizeof(float), step = p->stride_w * P8_LINE;
  const size_t area = p->count_padding ? p->kh * p->kw : rows.count * columns.count;
  const uint8_t *from = (const uint8_t *)j->in->data + place(t, b, c, rows.first, columns.first);
  const packed8_row in = {from, step, part_of(t), t->codes, t->zero};
  const packed8_row_out out = row_to(&j->to, b, c, y, x);
  if (j->bytes)
    j->to.isa->largest(from, in_row, step, n, rows.count, columns.count, j->least, j->most, out.at);
  else
    j->to.isa->window(&in, in_row, rows.count, columns.count, p->maximum,
                      p->maximum ? j->in->factor : (float)(j->ratio / (double)area), n, &out);
}

void ap_packed8_pool_run(const ap_packed8_isa *isa, const ap_packed_pool *p, size_t n_blocks,
                         const ap_packed8_source *in, double ratio, const ap_packed8_target *out,
                         float low, float high) {
  pool_job j = {p, in, target_of(isa, out, low, high), ratio, stays_bytes(p, in, ratio, out), 0, 0};
  packed8_code_limits(out, low, high, &j.least, &j.most);
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < p->out.c; ++c)
      for (size_t y = 0; y < p->out.h; ++y) {
        const span rows = window_span(y, p->stride_h, p->pad_top, p->kh, p->in.h);
        size_t n;
        for (size_t x = 0; x < p->out.w; x += n) {
          const span columns = window_span(x, p->stride_w, p->pad_left, p->kw, p->in.w);
          n = alike(p, x, columns);
          pool_windows(&j, b, c, rows, columns, n, y, x);
        }
      }
}

/* ---- element by element ----------------------------------------------------------------------- */
/* Codes of one scale that only move, limited by [low, high]. */
static bool moves_codes(const ap_packed8_source *in, const float *scale,
                        const ap_packed8_target *out, const ap_packed8_source *residual) {
  return !scale && !residual->data && !(in->factor < 1) && !(in->factor > 1) && in->tensor.codes &&
         out->tensor.codes && in->tensor.zero == out->tensor.zero;
}

void ap_packed8_map_run(const ap_packed8_isa *isa, const ap_packed8_source *in, size_t channels,
                        const float *scale, const float *shift, const ap_packed8_target *out,
                        size_t first_out, size_t n_blocks, const ap_packed8_epilogue *epilogue) {
  const ap_packed8_source *res = &epilogue->residual;
  const target k = target_of(isa, out, epilogue->low, epilogue->high);
  const extent size = extent_of(out->tensor.shape, (const ap_packed8_source *const[3]){in, res});
  const bool bytes = moves_codes(in, scale, out, res);
  packed8_map map = {scale != NULL, in->factor, 0, res->factor};
  uint8_t least, most;
  packed8_code_limits(out, epilogue->low, epilogue->high, &least, &most);
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < channels; ++c) {
      if (scale) {
        map.factor = scale[c];
        map.shift = shift[c];
      }
      for (size_t y = 0; y < size.h; ++y) {
        const packed8_row from = row_of(in, b, c, y), plus = row_of(res, b, c, y);
        const packed8_row_out to = row_to(&k, b, first_out + c, y, 0);
        if (bytes && from.at)
          isa->largest(from.at, 0, from.step, size.w, 1, 1, least, most, to.at);
        else
          isa->map_row(&from, &plus, &map, size.w, &to);
      }
    }
}

/* ---- products and curves ------------------------------------------------------------------------ */
/* Curves that are not computed in registers: values of some pixels are on the stack. */
enum { CURVED = 16 };
typedef struct {
  float value[CURVED * LANES] ON_LINE;
} curved_lines;

static packed8_row skip(const packed8_row *r, size_t pixels) {
  packed8_row to = *r;
  if (to.at) to.at += pixels * to.step;
  return to;
}

/* Of n pixels of a row times `by`. */
static packed8_row curved_row(const ap_packed8_isa *isa, ap_curve curve, float by,
                              const packed8_row *in, size_t n, curved_lines *lines) {
  const packed8_row none = {.at = NULL};
  const packed8_map times = {false, by, 0, 1};
  for (size_t x = 0; x < n; ++x) {
    const packed8_row from = skip(in, x);
    const packed8_row_out to = line_to(lines->value + x * LANES);
    isa->map_row(&from, &none, &times, 1, &to);
  }
  ap_curve_row(curve, lines->value, n * LANES, lines->value);
  return line_row(lines->value);
}

static packed8_gate_kind gate_kind(ap_curve curve) {
  if (curve == AP_CURVE_NONE) return P8_GATE_AS_IS;
  if (curve == AP_CURVE_LOGISTIC) return P8_GATE_LOGISTIC;
  return curve == AP_CURVE_NORMAL ? P8_GATE_NORMAL : P8_GATE_SCALED;
}

typedef struct {
  const ap_packed8_isa *isa;
  const ap_packed8_source *in, *gate, *residual;
  ap_curve curve;
  packed8_gate_kind kind;
  packed8_gate rule;
  target to;
  extent size;
  curved_lines *lines;
} gate_job;

/* A factor for all pixels of a channel: computed once. */
static void gate_channel(const gate_job *j, size_t b, size_t c) {
  packed8_row by = row_of(j->gate, b, c, 0);
  const packed8_row_out once = line_to(j->lines->value);
  if (j->kind == P8_GATE_SCALED) by = curved_row(j->isa, j->curve, j->rule.by, &by, 1, j->lines);
  j->isa->curve_row[j->kind](&by, &j->rule, 1, &once);
  by = line_row(j->lines->value);
  by.step = 0;
  for (size_t y = 0; y < j->size.h; ++y) {
    const packed8_row from = row_of(j->in, b, c, y), plus = row_of(j->residual, b, c, y);
    const packed8_row_out to = row_to(&j->to, b, c, y, 0);
    j->isa->gate_row[P8_GATE_AS_IS](&from, &by, &plus, &j->rule, j->size.w, &to);
  }
}

static void gate_pixels(const gate_job *j, size_t b, size_t c, size_t y) {
  const packed8_row from = row_of(j->in, b, c, y), plus = row_of(j->residual, b, c, y);
  const packed8_row by = row_of(j->gate, b, c, y);
  const size_t w = j->size.w;
  packed8_row_out to = row_to(&j->to, b, c, y, 0);
  if (j->kind != P8_GATE_SCALED) {
    j->isa->gate_row[j->kind](&from, &by, &plus, &j->rule, w, &to);
    return;
  }
  for (size_t x = 0; x < w; x += CURVED, to.at += (size_t)CURVED * P8_LINE) {
    const size_t n = w - x < CURVED ? w - x : CURVED;
    const packed8_row some = skip(&from, x), others = skip(&plus, x), gates = skip(&by, x);
    const packed8_row values = curved_row(j->isa, j->curve, j->rule.by, &gates, n, j->lines);
    j->isa->gate_row[P8_GATE_SCALED](&some, &values, &others, &j->rule, n, &to);
  }
}

void ap_packed8_gate_run(const ap_packed8_isa *isa, const ap_packed8_source *in,
                         const ap_packed8_source *gate, ap_curve curve, float per_unit,
                         const ap_packed8_target *out, size_t n_blocks,
                         const ap_packed8_epilogue *epilogue) {
  const ap_packed8_source *res = &epilogue->residual;
  const ap_packed_shape *s = out->tensor.shape;
  curved_lines lines;
  const gate_job j = {isa,
                      in,
                      gate,
                      res,
                      curve,
                      gate_kind(curve),
                      {gate->factor, per_unit, in->factor, res->factor},
                      target_of(isa, out, epilogue->low, epilogue->high),
                      extent_of(s, (const ap_packed8_source *const[3]){in, gate, res}),
                      &lines};
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < s->c; ++c) {
      if (gate->stride_h == 0 && gate->stride_w == 0) {
        gate_channel(&j, b, c);
        continue;
      }
      for (size_t y = 0; y < j.size.h; ++y) gate_pixels(&j, b, c, y);
    }
}

void ap_packed8_curve_run(const ap_packed8_isa *isa, ap_curve curve, const ap_packed8_source *in,
                          float per_unit, const ap_packed8_target *out, size_t n_blocks) {
  const ap_packed_shape *s = out->tensor.shape;
  const target k = target_of(isa, out, -INFINITY, INFINITY);
  const packed8_gate rule = {in->factor, per_unit, 1, 1};
  const packed8_gate_kind kind = gate_kind(curve);
  const extent size = extent_of(s, (const ap_packed8_source *const[3]){in});
  const size_t step = kind == P8_GATE_SCALED ? CURVED : size.w;
  curved_lines lines;
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < size.h; ++y)
        for (size_t x = 0; x < size.w; x += step) {
          const size_t n = size.w - x < step ? size.w - x : step;
          const packed8_row all = row_of(in, b, c, y);
          const packed8_row_out to = row_to(&k, b, c, y, x);
          packed8_row from = skip(&all, x);
          if (kind == P8_GATE_SCALED) from = curved_row(isa, curve, rule.by, &from, n, &lines);
          isa->curve_row[kind](&from, &rule, n, &to);
        }
}

/* ---- an image normalised by itself -------------------------------------------------------------- */
typedef struct {
  const ap_packed8_isa *isa;
  const ap_packed8_source *in;
  size_t block, first, channels, y, rows, x, columns; /* of a set */
} norm_set;

static void norm_line(const norm_set *s, size_t c, size_t y, size_t x, float *line) {
  const ap_packed8_tensor *t = &s->in->tensor;
  const packed8_row from = {(const uint8_t *)s->in->data + place(t, s->block, c, y, x), P8_LINE,
                            part_of(t), t->codes, t->zero};
  const packed8_gate as_is = {1, 1, 1, 1};
  const packed8_row_out to = line_to(line);
  s->isa->curve_row[P8_GATE_AS_IS](&from, &as_is, 1, &to);
}

/* Sums in double of the lines, or (centre not NULL) of the squares of their deviations. */
static void norm_sums(const norm_set *s, const float *centre, double sums[LANES]) {
  float line[LANES] ON_LINE;
  memset(sums, 0, LANES * sizeof *sums);
  for (size_t c = s->first; c < s->first + s->channels; ++c)
    for (size_t y = s->y; y < s->y + s->rows; ++y)
      for (size_t x = s->x; x < s->x + s->columns; ++x) {
        norm_line(s, c, y, x, line);
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
  const size_t count = s->channels * s->rows * s->columns;
  float mean[LANES] ON_LINE, factor[LANES] ON_LINE, line[LANES] ON_LINE;
  double sums[LANES];
  norm_sums(s, NULL, sums);
  for (size_t i = 0; i < LANES; ++i) mean[i] = (float)(sums[i] / (double)count);
  norm_sums(s, mean, sums);
  for (size_t i = 0; i < LANES; ++i)
    factor[i] = ap_packed8_norm_factor(sums[i], count, r->epsilon, r->per_unit);
  const packed8_row normed = line_row(line);
  packed8_map map = {r->scale != NULL, 1, 0, r->residual->factor};
  for (size_t c = s->first; c < s->first + s->channels; ++c) {
    if (r->scale) {
      map.factor = r->scale[c];
      map.shift = r->shift[c];
    }
    for (size_t y = s->y; y < s->y + s->rows; ++y)
      for (size_t x = s->x; x < s->x + s->columns; ++x) {
        const packed8_row all = row_of(r->residual, s->block, c, y), plus = skip(&all, x);
        const packed8_row_out out = row_to(to, s->block, c, y, x);
        norm_line(s, c, y, x, line);
        for (size_t i = 0; i < LANES; ++i) line[i] = (line[i] - mean[i]) * factor[i];
        s->isa->map_row(&normed, &plus, &map, 1, &out);
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
  const packed8_gate as_is = {1, 1, 1, 1};
  float line[LANES] ON_LINE;
  const packed8_row from = line_row(line);
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y)
        for (size_t x = 0; x < s->w; ++x, pixels += LANES) {
          for (size_t i = 0; i < LANES; ++i) line[i] = table[c * 256 + pixels[image_of(i)]];
          const packed8_row_out to = row_to(&k, b, c, y, x);
          isa->curve_row[P8_GATE_AS_IS](&from, &as_is, 1, &to);
        }
}
