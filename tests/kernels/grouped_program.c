#include "tests/kernels/grouped_program.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/simt.h"

/* ---- building --------------------------------------------------------------------------------- */
static size_t add(subject *s, ap_engine_op op, size_t c, size_t h, size_t w) {
  ap_engine_program *p = &s->program;
  assert_true(p->n_ops + 1 < MOST_OPS);
  op.out = p->n_tensors;
  if (op.kind != AP_ENGINE_INPUT && op.in.stride_h == 0) op.in.stride_h = op.in.stride_w = 1;
  op.residual = op.gate = (ap_engine_source){AP_ENGINE_NONE, 1, 1, 0};
  op.low = -INFINITY;
  op.high = INFINITY;
  s->ops[p->n_ops++] = op;
  s->tensors[p->n_tensors] = (ap_engine_tensor){.c = c, .h = h, .w = w};
  return p->n_tensors++;
}

size_t subject_input(subject *s, size_t c, size_t h, size_t w) {
  assert_true(c <= MOST_SCALED);
  for (size_t i = 0; i < MOST_SCALED;
       i++) { /* pixels 0..6 become -3..3; maps: 2 x - 1, -2 x + 0, ... */
    s->scale[i] = i % 2 ? -2 : 2;
    s->shift[i] = (float)(i % 3) - 1;
  }
  s->image = c * h * w;
  return add(s, (ap_engine_op){.kind = AP_ENGINE_INPUT, .in.tensor = AP_ENGINE_NONE}, c, h, w);
}

size_t subject_dilated(subject *s, size_t in, size_t c_out, size_t kh, size_t kw, size_t stride,
                       size_t pad, size_t groups, size_t dilation) {
  const size_t rows = (kh - 1) * dilation + 1, columns = (kw - 1) * dilation + 1;
  const ap_engine_tensor *t = &s->tensors[in];
  const size_t layer = s->program.n_layers++;
  assert_true(layer < MOST_LAYERS);
  s->k[layer] = t->c / groups * kh * kw;
  s->n[layer] = c_out;
  return add(s,
             (ap_engine_op){.kind = AP_ENGINE_LAYER,
                            .in.tensor = in,
                            .layer = layer,
                            .kh = kh,
                            .kw = kw,
                            .stride_h = stride,
                            .stride_w = stride,
                            .pad_top = pad,
                            .pad_left = pad,
                            .groups = groups,
                            .dilation_h = dilation,
                            .dilation_w = dilation},
             c_out, (t->h + 2 * pad - rows) / stride + 1, (t->w + 2 * pad - columns) / stride + 1);
}

size_t subject_layer(subject *s, size_t in, size_t c_out, size_t kh, size_t kw, size_t stride,
                     size_t pad, size_t groups) {
  return subject_dilated(s, in, c_out, kh, kw, stride, pad, groups, 1);
}

size_t subject_pool(subject *s, size_t in, size_t size, size_t stride, size_t pad, bool maximum,
                    bool count_padding) {
  const ap_engine_tensor *t = &s->tensors[in];
  return add(s,
             (ap_engine_op){.kind = AP_ENGINE_POOL,
                            .in.tensor = in,
                            .kh = size,
                            .kw = size,
                            .stride_h = stride,
                            .stride_w = stride,
                            .pad_top = pad,
                            .pad_left = pad,
                            .maximum = maximum,
                            .count_padding = count_padding},
             t->c, (t->h + 2 * pad - size) / stride + 1, (t->w + 2 * pad - size) / stride + 1);
}

size_t subject_map(subject *s, size_t in, size_t channels, size_t stride, size_t first,
                   bool scaled) {
  const ap_engine_tensor *t = &s->tensors[in];
  assert_true(!scaled || channels <= MOST_SCALED);
  return add(s,
             (ap_engine_op){.kind = AP_ENGINE_MAP,
                            .in = {in, stride, stride, first},
                            .channels = channels,
                            .scale = scaled ? s->scale : NULL,
                            .shift = scaled ? s->shift : NULL},
             channels, (t->h - 1) / stride + 1, (t->w - 1) / stride + 1);
}

size_t subject_norm(subject *s, size_t in, size_t groups, bool each_pixel, bool scaled) {
  const ap_engine_tensor *t = &s->tensors[in];
  assert_true(!scaled || t->c <= MOST_SCALED);
  return add(s,
             (ap_engine_op){.kind = AP_ENGINE_NORM,
                            .in.tensor = in,
                            .groups = groups,
                            .each_pixel = each_pixel,
                            .epsilon = 0.5f,
                            .channels = t->c,
                            .scale = scaled ? s->scale : NULL,
                            .shift = scaled ? s->shift : NULL},
             t->c, t->h, t->w);
}

size_t subject_concat(subject *s, size_t a, size_t b) {
  const ap_engine_tensor *left = &s->tensors[a], *right = &s->tensors[b];
  const size_t c = left->c + right->c;
  const size_t out =
      add(s, (ap_engine_op){.kind = AP_ENGINE_MAP, .in.tensor = a, .channels = left->c}, c, left->h,
          left->w);
  s->ops[s->program.n_ops] = s->ops[s->program.n_ops - 1];
  ap_engine_op *second = &s->ops[s->program.n_ops++];
  assert_true(s->program.n_ops < MOST_OPS);
  second->in.tensor = b;
  second->channels = right->c;
  second->first_out = left->c;
  return out;
}

ap_engine_op *subject_last(subject *s) { return &s->ops[s->program.n_ops - 1]; }

uint32_t *subject_picks(subject *s) {
  uint32_t *picks = s->picks[s->program.n_ops - 1];
  subject_last(s)->picks = picks;
  return picks;
}

static void live(ap_engine_tensor *t, size_t op) {
  if (op > t->last_op) t->last_op = op;
}

void subject_finish(subject *s, size_t n_images, ap_rng *rng) {
  ap_engine_program *p = &s->program;
  static float ones[MOST_SCALED], shifts[MOST_SCALED];
  const size_t last = p->n_tensors - 1;
  const size_t classes = s->tensors[last].c * s->tensors[last].h * s->tensors[last].w;
  size_t part = 0;
  if (s->tensors[last].h * s->tensors[last].w > 1)
    (void)add(s, (ap_engine_op){.kind = AP_ENGINE_FLATTEN, .in.tensor = last}, classes, 1, 1);
  for (size_t i = 0; i < MOST_SCALED; i++) {
    ones[i] = 1;
    shifts[i] = -3;
  }
  s->ops[0].scale = ones;
  s->ops[0].shift = shifts;
  for (size_t i = 0; i < p->n_ops; i++) {
    const ap_engine_op *o = &s->ops[i];
    if (o->kind == AP_ENGINE_LAYER) s->part_start[++part] = i;
    if (i == 0 || s->ops[i - 1].out != o->out) { /* a concatenation writes twice */
      s->tensors[o->out].first_op = i;
      s->tensors[o->out].part = part;
    }
    live(&s->tensors[o->out], i);
    if (o->in.tensor != AP_ENGINE_NONE) live(&s->tensors[o->in.tensor], i);
    if (o->residual.tensor != AP_ENGINE_NONE) live(&s->tensors[o->residual.tensor], i);
    if (o->gate.tensor != AP_ENGINE_NONE) live(&s->tensors[o->gate.tensor], i);
  }
  s->part_start[part + 1] = p->n_ops;
  p->ops = s->ops;
  p->tensors = s->tensors;
  p->part_start = s->part_start;
  p->logits = p->n_tensors - 1;
  p->classes = classes;
  s->tensors[p->logits].last_op = AP_ENGINE_NONE;
  s->n_images = n_images;
  s->pixels = ap_calloc(n_images, s->image);
  s->labels = ap_calloc(n_images, sizeof *s->labels);
  assert_true(s->pixels && s->labels);
  for (size_t i = 0; i < n_images * s->image; i++) s->pixels[i] = (uint8_t)ap_rng_below(rng, 7);
  for (size_t i = 0; i < n_images; i++)
    s->labels[i] = (int32_t)ap_rng_below(rng, (uint32_t)classes);
}

void subject_level(subject *s, pattern p, double keep, ap_rng *rng) {
  for (size_t layer = 0; layer < s->program.n_layers; layer++) {
    const size_t k = s->k[layer], n = s->n[layer], level = s->n_levels[layer]++;
    const ap_engine_op *o = &s->ops[s->part_start[layer + 1]];
    size_t rows = 1, columns = 1;
    if (p == PATTERN_COLUMN) rows = o->kh * o->kw;
    if (p == PATTERN_ROW8) columns = 8;
    if (p == PATTERN_ROW16) columns = 16;
    if (p == PATTERN_ROW32) columns = 32;
    if (p == PATTERN_DENSE) keep = 2;
    if (p == PATTERN_EMPTY) keep = -1;
    assert_true(level < MOST_LEVELS);
    float *matrix = ap_calloc(k * n, sizeof *matrix), *bias = ap_calloc(n, sizeof *bias);
    assert_true(matrix && bias);
    for (size_t r = 0; r < k; r += rows)
      for (size_t c = 0; c < n; c += columns) {
        const bool kept = ap_rng_uniform(rng) < keep;
        for (size_t i = r; i < r + rows && i < k; i++)
          for (size_t j = c; j < c + columns && j < n; j++) {
            const int weight = (int)ap_rng_below(rng, 6) - 3;
            matrix[i * n + j] = kept ? (float)(weight + (weight >= 0)) : 0; /* -3..3 without 0 */
          }
      }
    for (size_t j = 0; j < n; j++) bias[j] = (float)((int)ap_rng_below(rng, 11) - 5);
    s->matrix[layer][level] = matrix;
    s->bias[layer][level] = bias;
  }
}

void subject_release(subject *s) {
  for (size_t i = 0; i < MOST_LAYERS; i++)
    for (size_t j = 0; j < MOST_LEVELS; j++) {
      ap_free(s->matrix[i][j]);
      ap_free(s->bias[i][j]);
    }
  ap_free(s->pixels);
  ap_free(s->labels);
}

ap_engine *subject_engine(const subject *s, const char *name, const ap_engine_options *options) {
  ap_engine *e = NULL;
  ap_error err = {0};
  if (ap_engine_create(name, &s->program, s->n_images, s->pixels, s->labels, options, &e, &err))
    fail_msg("%s", err.text);
  for (size_t i = 0; i < s->program.n_layers; i++)
    for (size_t j = 0; j < s->n_levels[i]; j++)
      if (ap_engine_add_level(e, i, s->matrix[i][j], s->bias[i][j], &err)) fail_msg("%s", err.text);
  return e;
}

/* ---- the oracle ------------------------------------------------------------------------------- */
typedef struct {
  const subject *s;
  double *values[MOST_OPS]; /* [c][h][w] of one image */
} machine;

static double read(const machine *m, const ap_engine_source *from, size_t c, size_t y, size_t x) {
  if (from->tensor == AP_ENGINE_NONE) return 0;
  const ap_engine_tensor *t = &m->s->tensors[from->tensor];
  if (c < from->first || c - from->first >= t->c) return 0;
  return m->values[from->tensor]
                  [((c - from->first) * t->h + y * from->stride_h) * t->w + x * from->stride_w];
}

static double layer(const machine *m, const ap_engine_op *o, size_t level, size_t c, size_t y,
                    size_t x) {
  const ap_engine_tensor *in = &m->s->tensors[o->in.tensor];
  const size_t n = m->s->n[o->layer], depth = in->c / o->groups, group = c / (n / o->groups);
  const float *matrix = m->s->matrix[o->layer][level];
  double sum = (double)m->s->bias[o->layer][level][c];
  for (size_t i = 0; i < depth; i++)
    for (size_t ky = 0; ky < o->kh; ky++)
      for (size_t kx = 0; kx < o->kw; kx++) {
        const size_t iy = y * o->stride_h + ky * o->dilation_h - o->pad_top;
        const size_t ix = x * o->stride_w + kx * o->dilation_w - o->pad_left;
        if (iy >= in->h || ix >= in->w) continue; /* wraps: padding */
        sum += m->values[o->in.tensor][((group * depth + i) * in->h + iy) * in->w + ix] *
               (double)matrix[((i * o->kh + ky) * o->kw + kx) * n + c];
      }
  return sum;
}

static double pool(const machine *m, const ap_engine_op *o, size_t c, size_t y, size_t x) {
  const ap_engine_tensor *in = &m->s->tensors[o->in.tensor];
  double best = -HUGE_VAL, sum = 0;
  size_t count = 0;
  for (size_t ky = 0; ky < o->kh; ky++)
    for (size_t kx = 0; kx < o->kw; kx++) {
      const size_t iy = y * o->stride_h + ky - o->pad_top;
      const size_t ix = x * o->stride_w + kx - o->pad_left;
      if (iy >= in->h || ix >= in->w) continue;
      const double v = m->values[o->in.tensor][(c * in->h + iy) * in->w + ix];
      best = fmax(best, v);
      sum += v;
      count++;
    }
  return o->maximum ? best : sum / (double)(o->count_padding ? o->kh * o->kw : count);
}

static double map(const machine *m, const ap_engine_op *o, size_t c, size_t y, size_t x) {
  const ap_engine_source picked = {o->in.tensor, o->in.stride_h, o->in.stride_w, 0};
  double v = o->picks ? read(m, &picked, o->picks[c], y, x) : read(m, &o->in, c, y, x);
  if (o->scale) v = v * (double)o->scale[c] + (double)o->shift[c];
  if (o->curve) v = ap_curve_exact(o->curve, v);
  if (o->gate.tensor == AP_ENGINE_NONE) return v;
  const double gate = read(m, &o->gate, c, y, x);
  return v * (o->gate_curve ? ap_curve_exact(o->gate_curve, gate) : gate);
}

static double norm(const machine *m, const ap_engine_op *o, size_t c, size_t y, size_t x) {
  const ap_engine_tensor *t = &m->s->tensors[o->in.tensor];
  const double *v = m->values[o->in.tensor], at = v[(c * t->h + y) * t->w + x];
  const size_t each = t->c / o->groups, first = c / each * each, pixels = t->h * t->w;
  double sum = 0, squares = 0, n = 0;
  for (size_t i = first * pixels; i < (first + each) * pixels; i++) {
    if (o->each_pixel && i % pixels != y * t->w + x) continue;
    sum += v[i];
    squares += v[i] * v[i];
    n++;
  }
  const double variance = squares / n - sum / n * (sum / n);
  const double z = (at - sum / n) / sqrt(variance + (double)o->epsilon);
  return o->scale ? z * (double)o->scale[c] + (double)o->shift[c] : z;
}

static double value(const machine *m, const ap_engine_op *o, const uint32_t *levels, size_t image,
                    size_t c, size_t y, size_t x) {
  const subject *s = m->s;
  const ap_engine_tensor *out = &s->tensors[o->out];
  double v = 0;
  switch (o->kind) {
    case AP_ENGINE_INPUT:
      return (double)s->pixels[image * s->image + (c * out->h + y) * out->w + x] *
                 (double)o->scale[c] +
             (double)o->shift[c];
    case AP_ENGINE_LAYER:
      v = layer(m, o, levels[o->layer], c, y, x);
      break;
    case AP_ENGINE_POOL:
      v = pool(m, o, c, y, x);
      break;
    case AP_ENGINE_MAP:
      v = map(m, o, c, y, x);
      break;
    case AP_ENGINE_NORM:
      v = norm(m, o, c, y, x);
      break;
    case AP_ENGINE_FLATTEN:
      v = m->values[o->in.tensor][c];
      break;
  }
  if (o->kind == AP_ENGINE_LAYER || o->kind == AP_ENGINE_MAP || o->kind == AP_ENGINE_NORM)
    v += read(m, &o->residual, c, y, x);
  return fmin(fmax(v, (double)o->low), (double)o->high);
}

void subject_oracle(const subject *s, const uint32_t *levels, bool bf16, float *outputs) {
  const ap_engine_program *p = &s->program;
  machine m = {.s = s};
  for (size_t t = 0; t < p->n_tensors; t++) {
    m.values[t] =
        ap_calloc(s->tensors[t].c * s->tensors[t].h * s->tensors[t].w, sizeof *m.values[t]);
    assert_non_null(m.values[t]);
  }
  for (size_t image = 0; image < s->n_images; image++) {
    for (size_t i = 0; i < p->n_ops; i++) {
      const ap_engine_op *o = &s->ops[i];
      const ap_engine_tensor *t = &s->tensors[o->out];
      const size_t channels = o->kind == AP_ENGINE_MAP ? o->channels : t->c;
      for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < t->h; y++)
          for (size_t x = 0; x < t->w; x++) {
            const float v = (float)value(&m, o, levels, image, c, y, x);
            const bool rounded = bf16 && o->out != p->logits && !s->unstored[o->out];
            m.values[o->out][((o->first_out + c) * t->h + y) * t->w + x] =
                (double)(rounded ? simt_from_bf16(simt_to_bf16(v, 0)) : v);
          }
    }
    for (size_t c = 0; c < p->classes; c++)
      outputs[image * p->classes + c] = (float)m.values[p->logits][c];
  }
  for (size_t t = 0; t < p->n_tensors; t++) ap_free(m.values[t]);
}
