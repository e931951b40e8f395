/* Integer layers against plain integer loops, bit for bit: every form, every instruction set of this
 * machine, odd shapes, codes and floats in and out, 1 to 130 images. */
#include "kernels/packed8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/curve.h"
#include "tests/kernels/packed_cases.h"

static const char *const isa_names[] = {"plain", "avx2", "avx512"};
enum { N_ISAS = 3, LANES = AP_PACKED8_LANES };
static const ap_packed8_isa *isas[N_ISAS]; /* NULL: this machine lacks it, or it is left out */
static const ap_packed8_isa *plain;        /* where one is enough */

static int find_isas(void **state) {
  (void)state;
  for (size_t i = 0; i < N_ISAS; ++i) {
    if (!vectors_wanted(isa_names[i])) continue;
    const ap_status st = ap_packed8_isa_find(isa_names[i], &isas[i], NULL);
    if (st && st != AP_ERR_UNSUPPORTED) return -1;
    print_message("integer vectors %s: %s\n", isa_names[i],
                  isas[i] ? "tested" : "not on this machine");
  }
  return ap_packed8_isa_find("plain", &plain, NULL) ? -1 : 0;
}

static void *room(size_t n, size_t size) {
  void *p = ap_calloc(n, size);
  assert_non_null(p);
  return p;
}

/* ---- tensors from and to plain arrays --------------------------------------------------------- */
typedef struct {
  ap_packed_shape shape;
  ap_packed8_tensor tensor; /* its shape is set by use() */
  size_t n, blocks;
  uint8_t *data;
} packed;

static void open_packed(packed *p, size_t n, bool codes, uint8_t zero) {
  p->tensor = (ap_packed8_tensor){&p->shape, codes, zero};
  p->n = n;
  p->blocks = (n + LANES - 1) / LANES;
  p->data = room(p->blocks, ap_packed8_tensor_bytes(&p->tensor));
  ap_packed8_clear(&p->tensor, p->blocks, p->data);
}

/* Of value i in [image, c, h, w]. */
static uint8_t *at(const packed *p, size_t i) {
  const ap_packed_shape *s = &p->shape;
  const size_t x = i % s->w, y = i / s->w % s->h, c = i / s->w / s->h % s->c;
  const size_t image = i / s->w / s->h / s->c, lane = image % LANES;
  const size_t floats = c * s->channel + s->origin + y * s->row + x * AP_PACKED_LANES;
  uint8_t *block = p->data + image / LANES * ap_packed8_tensor_bytes(&p->tensor);
  if (p->tensor.codes) return block + floats * 4 + lane;
  return block + (ap_packed8_part(lane) * s->block + floats + ap_packed8_lane(lane)) * 4;
}
static size_t count_of(const packed *p) { return p->n * p->shape.c * p->shape.h * p->shape.w; }
static void put_value(const packed *p, size_t i, float v) {
  if (p->tensor.codes)
    *at(p, i) = (uint8_t)((int)v + p->tensor.zero);
  else
    memcpy(at(p, i), &v, sizeof v);
}
static float value(const packed *p, size_t i) {
  float v;
  if (p->tensor.codes) return (float)(*at(p, i) - p->tensor.zero);
  memcpy(&v, at(p, i), sizeof v);
  return v;
}

static float draw_value(ap_rng *rng, const ap_packed8_tensor *t) {
  if (t->codes) return (float)((int)ap_rng_below(rng, 256) - t->zero);
  return (float)(ap_rng_uniform(rng) * 500 - 250);
}
static void fill(ap_rng *rng, const packed *p) {
  for (size_t i = 0; i < count_of(p); ++i) put_value(p, i, draw_value(rng, &p->tensor));
}

/* Everything but the values must be as ap_packed8_clear left it. */
static void check_border(packed *p) {
  const size_t bytes = p->blocks * ap_packed8_tensor_bytes(&p->tensor);
  for (size_t i = 0; i < (p->n + LANES - 1) / LANES * LANES * p->shape.c * p->shape.h * p->shape.w;
       ++i)
    put_value(p, i, 0);
  for (size_t i = 0; i < bytes; ++i)
    assert_int_equal(p->data[i], p->tensor.codes ? p->tensor.zero : 0);
}

static float expected(float v, const ap_packed8_target *to, float low, float high) {
  v = v > low ? v : low;
  v = v < high ? v : high;
  if (!to->tensor.codes) return v;
  const float least = -(float)to->tensor.zero, most = (float)to->most + least;
  v = rintf(v);
  return v < least ? least : v > most ? most : v;
}

/* ---- layers ------------------------------------------------------------------------------------ */
/* kind 0: all kept; 1: nothing; 2: single weights; 3: whole kernels; 4: rows of 8 columns; 5: rows of
 * 2; extremes are frequent */
enum { KINDS = 6 };
static int8_t *sparse_matrix(ap_rng *rng, size_t k, size_t n, size_t taps, int kind) {
  int8_t *m = room(k * n, 1);
  const size_t unit_h = kind == 3 ? taps : 1, unit_w = kind == 4 ? 8 : kind == 5 ? 2 : 1;
  for (size_t r = 0; r < k; r += unit_h)
    for (size_t c = 0; c < n; c += unit_w) {
      const bool kept = kind == 0 || (kind > 1 && ap_rng_below(rng, 3) == 0);
      for (size_t i = r; i < r + unit_h && i < k && kept; ++i)
        for (size_t j = c; j < c + unit_w && j < n; ++j) {
          const int w = (int)ap_rng_below(rng, 400) - 200;
          m[i * n + j] = (int8_t)(w < -127 ? -127 : w > 127 ? 127 : w);
        }
    }
  return m;
}

/* The sum of output i of [image, c, h, w] over the values of x. */
static int64_t sum_of(const conv_case *k, const packed *x, const int8_t *matrix, size_t i) {
  const size_t oh = conv_case_oh(k), ow = conv_case_ow(k);
  const size_t ox = i % ow, oy = i / ow % oh, channel = i / ow / oh % k->c_out;
  const size_t image = i / ow / oh / k->c_out, depth = k->c_in / k->groups;
  const size_t first = channel / (k->c_out / k->groups) * depth;
  int64_t sum = 0;
  for (size_t r = 0; r < depth * k->kh * k->kw; ++r) {
    const size_t c = first + r / (k->kh * k->kw);
    const size_t y = oy * k->stride_h + r / k->kw % k->kh * k->dilation_h - k->pad_top;
    const size_t xx = ox * k->stride_w + r % k->kw * k->dilation_w - k->pad_left;
    if (y >= k->h || xx >= k->w) continue; /* padding is 0 */
    sum += (int64_t)value(x, ((image * k->c_in + c) * k->h + y) * k->w + xx) *
           matrix[r * k->c_out + channel];
  }
  return sum;
}

typedef struct {
  bool in_zero, out_codes, residual, residual_codes, clipped, extreme, residual_zero, part;
  int activation; /* 1 to 3: of activation_of() */
} mode;
static mode mode_of(int bits) {
  const int some = bits % 11;
  return (mode){bits & 1,      !(bits & 2),   bits & 4,      bits & 8,           bits & 16,
                bits % 7 == 0, bits % 3 == 0, bits % 5 == 0, some < 4 ? some : 0};
}

/* scale, shift: of a clipped one. */
static ap_packed8_activation activation_of(int kind, const float *scale, const float *shift) {
  if (kind == 1)
    return (ap_packed8_activation){AP_CURVE_LOGISTIC, 0.04F, 30, NULL, NULL, 0, 0, 0.04F};
  if (kind == 2)
    return (ap_packed8_activation){AP_CURVE_NORMAL, 0.03F, 20, NULL, NULL, 0, 0, 0.05F};
  return (ap_packed8_activation){AP_CURVE_NONE, 0, 0, scale, shift, -3, 6.5F, 0.3F};
}
static float activated(const ap_packed8_activation *a, size_t channel, float v) {
  float g = fmaf(v, a->scale ? a->scale[channel] : 0, a->shift ? a->shift[channel] : 0);
  g = g > a->low ? g : a->low;
  g = g < a->high ? g : a->high;
  if (a->curve) g = ap_curve_value(a->curve, v * a->by) * a->per_unit;
  return v * g * a->factor;
}

/* Value i of [image, c, h, w], k->c_out channels, of a residual that has those from `first` on. */
static float residual_of(const conv_case *k, const packed *r, size_t first, size_t i) {
  const size_t plane = r->shape.h * r->shape.w, c = i / plane % k->c_out;
  const size_t image = i / plane / k->c_out;
  if (c - first >= r->shape.c) return 0; /* wraps below `first` */
  return value(r, (image * r->shape.c + c - first) * plane + i % plane);
}

static void run_case(const conv_case *k, ap_rng *rng, const ap_packed8_isa *isa,
                     ap_packed_form form, int kind, mode m) {
  const size_t taps = k->kh * k->kw, depth = k->c_in / k->groups * taps;
  const ap_packed_conv g = packed_geometry(k, m.in_zero ? 1 : 0);
  packed x = {.shape = g.in}, y = {.shape = g.out}, r = {.shape = g.out};
  open_packed(&x, k->n, true, m.in_zero ? (uint8_t)(1 + ap_rng_below(rng, 255)) : 0);
  open_packed(&y, k->n, m.out_codes, m.out_codes && m.in_zero ? 77 : 0);
  const size_t first = m.part ? k->c_out / 4 : 0, added = m.part ? (k->c_out + 1) / 2 : k->c_out;
  assert_int_equal(ap_packed_shape_init(added, g.out.h, g.out.w, 0, 2, 1, 1, &r.shape, NULL), 0);
  open_packed(&r, k->n, m.residual_codes, m.residual_codes && m.residual_zero ? 9 : 0);
  fill(rng, &x);
  fill(rng, &r);
  int8_t *matrix = sparse_matrix(rng, depth, k->c_out, taps, kind);
  float *factor = room(k->c_out, sizeof *factor), *shift = room(k->c_out, sizeof *shift);
  for (size_t i = 0; i < k->c_out; ++i) {
    factor[i] = (float)((m.extreme ? 1e6 : 0.02) * (ap_rng_uniform(rng) + 0.01) / (double)depth);
    shift[i] = (float)(ap_rng_uniform(rng) * 60 - 30);
  }
  ap_packed8_weights *w = NULL;
  ap_error err = {0};
  if (ap_packed8_weights_create(isa, &g, matrix, x.tensor.zero, factor, shift, form, &w, &err))
    fail_msg("%s", err.text);
  const ap_packed8_target to = {y.data, y.tensor, m.clipped ? 200 : 255};
  ap_packed8_epilogue e = {.low = -INFINITY, .high = INFINITY};
  if (m.residual) e.residual = (ap_packed8_source){r.data, r.tensor, 0.37F, 1, 1, first, NULL};
  if (m.clipped) {
    e.low = 0;
    e.high = 97.3F;
  }
  const ap_packed8_activation act = activation_of(m.activation, factor, shift);
  if (m.activation) e.activation = &act;
  void *scratch = room(ap_packed8_scratch_bytes(&g) + 1, 1);
  const size_t plane = g.out.h * g.out.w;
  ap_packed8_conv_run(w, x.blocks, x.data, &to, &e, scratch);
  for (size_t i = 0, c = 0; i < count_of(&y); ++i) {
    if (i > 0 && i == plane * (c + 1)) ++c; /* c: channels before, of all images */
    float v = fmaf((float)sum_of(k, &x, matrix, i), factor[c % k->c_out], shift[c % k->c_out]);
    if (m.activation) v = activated(&act, c % k->c_out, v);
    if (m.residual) v = fmaf(residual_of(k, &r, first, i), 0.37F, v);
    v = expected(v, &to, e.low, e.high);
    if (!(value(&y, i) >= v && value(&y, i) <= v))
      fail_msg("%s %s kind %d, %zux%zux%zu: output %zu is %.9g, expected %.9g",
               ap_packed8_isa_name(isa), ap_packed_form_name(ap_packed8_weights_form(w)), kind,
               k->c_in, k->h, k->w, i, (double)value(&y, i), (double)v);
  }
  check_border(&y);
  ap_packed8_weights_destroy(w);
  void *const all[] = {x.data, y.data, r.data, matrix, factor, shift, scratch};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
}

static void every_form(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 20212, 0);
  int bits = 0;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i)
    for (int form = AP_PACKED_AUTO; form <= AP_PACKED_KERNEL3; ++form) {
      if (!possible(&cases[i], (ap_packed_form)form)) continue;
      for (int kind = 0; kind < KINDS; ++kind)
        for (size_t isa = 0; isa < N_ISAS; ++isa, ++bits)
          if (isas[isa])
            run_case(&cases[i], &rng, isas[isa], (ap_packed_form)form, kind, mode_of(bits));
    }
}

static void random_shapes(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 78, 1);
  for (int i = 0; i < 120; ++i) {
    const conv_case k = random_case(&rng, i % 10 ? 9 : 130, i % 2);
    const ap_packed_form form = (ap_packed_form)between(&rng, 0, AP_PACKED_KERNEL3);
    if (!possible(&k, form)) continue;
    for (size_t isa = 0; isa < N_ISAS; ++isa)
      if (isas[isa])
        run_case(&k, &rng, isas[isa], form, (int)between(&rng, 0, KINDS - 1),
                 mode_of((int)between(&rng, 0, 8 * 3 * 5 * 7)));
  }
}

/* The widest sums: all inputs and weights at their ends, as many as 31 bits hold. */
static void largest_sums(void **state) {
  (void)state;
  const conv_case k = {64, 16384, 1, 1, 8, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1};
  const ap_packed_conv g = packed_geometry(&k, 0);
  int8_t *matrix = room((size_t)16384 * 8, 1);
  float factor[8], shift[8] = {0};
  packed x = {.shape = g.in}, y = {.shape = g.out};
  open_packed(&x, 64, true, 255);
  open_packed(&y, 64, false, 0);
  for (size_t i = 0; i < count_of(&x); ++i) put_value(&x, i, -255);
  memset(matrix, 127, (size_t)16384 * 8);
  for (size_t i = 0; i < 8; ++i) factor[i] = 1;
  for (size_t isa = 0; isa < N_ISAS; ++isa) {
    ap_packed8_weights *w = NULL;
    const ap_packed8_target to = {y.data, y.tensor, 255};
    const ap_packed8_epilogue e = {.low = -INFINITY, .high = INFINITY};
    if (!isas[isa]) continue;
    assert_int_equal(ap_packed8_weights_create(isas[isa], &g, matrix, 255, factor, shift,
                                               AP_PACKED_AUTO, &w, NULL),
                     AP_OK);
    ap_packed8_conv_run(w, 1, x.data, &to, &e, NULL);
    for (size_t i = 0; i < count_of(&y); ++i)
      assert_true(value(&y, i) == (float)(-255LL * 127 * 16384));
    ap_packed8_weights_destroy(w);
  }
  ap_free(x.data);
  ap_free(y.data);
  ap_free(matrix);
}

static void form_chosen(void **state) {
  (void)state;
  const conv_case k = {1, 64, 8, 8, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const ap_packed_conv g = packed_geometry(&k, 0);
  float factor[64], shift[64] = {0};
  ap_rng rng;
  for (size_t i = 0; i < 64; ++i) factor[i] = 0.01F;
  for (int kind = 3; kind <= 4; ++kind) {
    ap_packed8_weights *w = NULL;
    ap_rng_seed(&rng, 5, 0);
    int8_t *m = sparse_matrix(&rng, (size_t)64 * 9, 64, 9, kind);
    assert_int_equal(
        ap_packed8_weights_create(plain, &g, m, 0, factor, shift, AP_PACKED_AUTO, &w, NULL), AP_OK);
    if (kind == 3) assert_int_equal(ap_packed8_weights_form(w), AP_PACKED_KERNEL3);
    if (kind == 4) assert_in_range(ap_packed8_weights_form(w), AP_PACKED_LIST2, AP_PACKED_LIST8);
    assert_true(ap_packed8_weights_bytes(w) > 1000);
    ap_packed8_weights_destroy(w);
    ap_free(m);
  }
}

/* ---- the other operations ---------------------------------------------------------------------- */
static void pools(void **state) {
  (void)state;
  static const ap_packed_pool kinds[] = {
      {.kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2, .maximum = true},
      {.kh = 3, .kw = 2, .stride_h = 1, .stride_w = 2, .pad_top = 1, .maximum = true},
      {.kh = 3, .kw = 3, .stride_h = 2, .stride_w = 1, .pad_left = 1, .count_padding = true},
      {.kh = 5, .kw = 7, .stride_h = 1, .stride_w = 1}};
  ap_rng rng;
  ap_rng_seed(&rng, 6, 0);
  for (int bits = 0; bits < 16 * 4 * N_ISAS; ++bits) {
    const ap_packed8_isa *isa = isas[bits % N_ISAS];
    ap_packed_pool p = kinds[bits / N_ISAS % 4];
    const bool in_codes = bits / 12 & 1, out_codes = bits / 12 & 2, equal = bits / 12 & 4;
    const double ratio = equal ? 1 : 0.7;
    packed x = {.n = 0}, y = {.n = 0};
    if (!isa) continue;
    assert_int_equal(ap_packed_shape_init(3, 5, 7, 1, 0, 0, 2, &x.shape, NULL), AP_OK);
    assert_int_equal(ap_packed_shape_init(3, (5 + 2 * p.pad_top - p.kh) / p.stride_h + 1,
                                          (7 + 2 * p.pad_left - p.kw) / p.stride_w + 1, 0, 1, 1, 0,
                                          &y.shape, NULL),
                     AP_OK);
    p.in = x.shape;
    p.out = y.shape;
    open_packed(&x, 67, in_codes, in_codes ? 30 : 0);
    open_packed(&y, 67, out_codes, out_codes ? 30 : 0);
    fill(&rng, &x);
    const ap_packed8_source from = {x.data, x.tensor, (float)ratio, 1, 1, 0, NULL};
    const ap_packed8_target to = {y.data, y.tensor, 255};
    const float low = bits / 12 & 8 ? 0 : -INFINITY, high = bits / 12 & 8 ? 50.5F : INFINITY;
    ap_packed8_pool_run(isa, &p, y.blocks, &from, ratio, &to, low, high);
    for (size_t i = 0; i < count_of(&y); ++i) {
      const size_t ox = i % y.shape.w, oy = i / y.shape.w % y.shape.h;
      const size_t plane = i / y.shape.w / y.shape.h * 35;
      float sum = 0, best = -INFINITY;
      size_t area = 0;
      for (size_t t = 0; t < p.kh * p.kw; ++t) {
        const size_t yy = oy * p.stride_h + t / p.kw - p.pad_top;
        const size_t xx = ox * p.stride_w + t % p.kw - p.pad_left;
        if (yy >= 5 || xx >= 7) continue;
        const float v = value(&x, plane + yy * 7 + xx);
        sum += v;
        best = v > best ? v : best;
        ++area;
      }
      if (p.count_padding) area = p.kh * p.kw;
      const float v = p.maximum ? best * (float)ratio : sum * (float)(ratio / (double)area);
      assert_true(value(&y, i) == expected(v, &to, low, high));
    }
    check_border(&y);
    ap_free(x.data);
    ap_free(y.data);
  }
}

static void maps(void **state) {
  (void)state;
  const float scale[] = {0.5F, -1.25F, 2}, shift[] = {3, -20, 0.125F};
  ap_rng rng;
  ap_rng_seed(&rng, 7, 0);
  for (int bits = 0; bits < 64 * N_ISAS; ++bits) {
    const ap_packed8_isa *isa = isas[bits / 64];
    if (!isa) continue;
    packed x = {.n = 0}, r = {.n = 0}, y = {.n = 0};
    assert_int_equal(ap_packed_shape_init(2, 5, 7, 1, 0, 0, 2, &x.shape, NULL), AP_OK);
    assert_int_equal(ap_packed_shape_init(3, 3, 4, 0, 0, 0, 0, &r.shape, NULL), AP_OK);
    assert_int_equal(ap_packed_shape_init(5, 3, 4, 1, 1, 1, 1, &y.shape, NULL), AP_OK);
    open_packed(&x, 3, bits & 1, bits & 1 ? 100 : 0);
    open_packed(&r, 3, bits & 2, bits & 2 ? 4 : 0);
    open_packed(&y, 3, bits & 4, bits & 4 ? 50 : 0);
    fill(&rng, &x);
    fill(&rng, &r);
    const ap_packed8_source from = {x.data, x.tensor, bits & 32 ? 0.3F : 1, 2, 2, 1, NULL};
    const ap_packed8_target to = {y.data, y.tensor, 220};
    ap_packed8_epilogue e = {.low = -9, .high = 120};
    if (bits & 8) e.residual = (ap_packed8_source){r.data, r.tensor, 1.5F, 1, 1, 0, NULL};
    const bool affine = bits & 16;
    ap_packed8_map_run(isa, &from, 3, affine ? scale : NULL, affine ? shift : NULL, &to, 1, 1, &e);
    for (size_t i = 0; i < (size_t)3 * 3 * 12; ++i) {
      const size_t image = i / 36, c = i / 12 % 3, py = i / 4 % 3, px = i % 4;
      float v = c > 0 ? value(&x, (image * 2 + c - 1) * 35 + 2 * py * 7 + 2 * px) : 0;
      const float other = bits & 8 ? value(&r, i) : 0;
      if (affine)
        v = fmaf(other, 1.5F, fmaf(v, scale[c], shift[c]));
      else if (bits & 32)
        v = fmaf(v, 0.3F, other * 1.5F);
      else
        v = fmaf(other, 1.5F, v);
      v = expected(v, &to, -9, 120);
      assert_true(value(&y, (image * 5 + 1 + c) * 12 + i % 12) == v);
    }
    ap_free(x.data);
    ap_free(r.data);
    ap_free(y.data);
  }
}

/* clip(in * gate + residual) with channels picked, a factor a pixel or a channel, of a curve or
 * not; and that curve alone. */
static void gates(void **state) {
  (void)state;
  const uint32_t picks[] = {3, 0, 0};
  ap_rng rng;
  ap_rng_seed(&rng, 9, 0);
  for (int bits = 0; bits < 128 * N_ISAS; ++bits) {
    const ap_packed8_isa *isa = isas[bits / 128];
    if (!isa) continue;
    const bool wide = bits & 64;
    packed x = {.n = 0}, g = {.n = 0}, r = {.n = 0}, y = {.n = 0};
    assert_int_equal(ap_packed_shape_init(4, 3, 5, 1, 0, 0, 2, &x.shape, NULL), AP_OK);
    assert_int_equal(
        ap_packed_shape_init(3, wide ? 3 : 1, wide ? 5 : 1, 0, 1, 0, 0, &g.shape, NULL), AP_OK);
    assert_int_equal(ap_packed_shape_init(3, 3, 5, 0, 0, 0, 0, &r.shape, NULL), AP_OK);
    assert_int_equal(ap_packed_shape_init(3, 3, 5, 1, 1, 1, 1, &y.shape, NULL), AP_OK);
    open_packed(&x, 66, bits & 1, bits & 1 ? 100 : 0);
    open_packed(&g, 66, bits & 2, bits & 2 ? 4 : 0);
    open_packed(&r, 66, bits & 1, bits & 1 ? 7 : 0);
    open_packed(&y, 66, bits & 4, bits & 4 ? 50 : 0);
    fill(&rng, &x);
    fill(&rng, &g);
    fill(&rng, &r);
    const ap_packed8_source from = {x.data, x.tensor, 0.3F, 1, 1, 0, picks};
    const ap_packed8_source gate = {g.data, g.tensor, 0.02F, wide, wide, 0, NULL};
    const ap_packed8_target to = {y.data, y.tensor, 220};
    const ap_curve some = (ap_curve)(AP_CURVE_LOGISTIC + bits % (AP_CURVES - 1));
    const ap_curve curve = bits & 32 ? some : AP_CURVE_NONE;
    ap_packed8_epilogue e = {.low = -9, .high = 120};
    if (bits & 8) e.residual = (ap_packed8_source){r.data, r.tensor, 1.5F, 1, 1, 0, NULL};
    ap_packed8_gate_run(isa, &from, &gate, curve, 12.5F, &to, y.blocks, &e);
    for (size_t i = 0; i < count_of(&y); ++i) {
      const size_t image = i / 45, c = i / 15 % 3, at = i % 15;
      float factor = value(&g, wide ? i : i / 15);
      if (curve) factor = ap_curve_value(curve, factor * 0.02F) * 12.5F;
      float v = value(&x, (image * 4 + picks[c]) * 15 + at) * factor * 0.3F;
      if (bits & 8) v = fmaf(value(&r, i), 1.5F, v);
      assert_true(value(&y, i) == expected(v, &to, -9, 120));
    }
    check_border(&y);
    const ap_packed8_source all = {r.data, r.tensor, 0.05F, 1, 1, 0, NULL};
    ap_packed8_curve_run(isa, some, &all, 40, &to, y.blocks);
    for (size_t i = 0; i < count_of(&y); ++i) {
      const float v = ap_curve_value(some, value(&r, i) * 0.05F) * 40;
      const float want = expected(v, &to, -INFINITY, INFINITY);
      if (!(value(&y, i) == want))
        fail_msg("%s: %s of %.9g is %.9g, expected %.9g", ap_packed8_isa_name(isa),
                 ap_curve_name(some), (double)value(&r, i), (double)value(&y, i), (double)want);
    }
    check_border(&y);
    ap_free(x.data);
    ap_free(g.data);
    ap_free(r.data);
    ap_free(y.data);
  }
}

/* An image normalised by itself: bit for bit what packed8.h says. */
static void norms(void **state) {
  (void)state;
  enum { C = 6, H = 3, W = 5, PIXELS = H * W, N = 66 };
  static const size_t groups[] = {1, 3, C, 1};
  const float scale[C] = {1.5F, -2, 0.3F, 7, 1, -0.01F}, shift[C] = {3, 0, -20, 1, 0.4F, 90};
  ap_rng rng;
  ap_rng_seed(&rng, 10, 0);
  for (int bits = 0; bits < 64 * N_ISAS; ++bits) {
    const ap_packed8_isa *isa = isas[bits / 64];
    if (!isa) continue;
    const size_t kind = (size_t)(bits / 16 % 4);
    const ap_packed_norm norm = {groups[kind], kind == 3, 0};
    packed x = {.n = 0}, r = {.n = 0}, y = {.n = 0};
    assert_int_equal(ap_packed_shape_init(C, H, W, 1, 0, 0, 2, &x.shape, NULL), AP_OK);
    assert_int_equal(ap_packed_shape_init(C, H, W, 0, 0, 0, 0, &r.shape, NULL), AP_OK);
    assert_int_equal(ap_packed_shape_init(C, H, W, 1, 1, 1, 1, &y.shape, NULL), AP_OK);
    open_packed(&x, N, bits & 1, bits & 1 ? 100 : 0);
    open_packed(&r, N, bits & 1, bits & 1 ? 7 : 0);
    open_packed(&y, N, bits & 2, bits & 2 ? 50 : 0);
    fill(&rng, &x);
    fill(&rng, &r);
    const ap_packed8_source from = {x.data, x.tensor, 0.3F, 1, 1, 0, NULL};
    const ap_packed8_target to = {y.data, y.tensor, 220};
    const bool affine = bits & 8;
    ap_packed8_epilogue e = {.low = -40, .high = 120};
    if (bits & 4) e.residual = (ap_packed8_source){r.data, r.tensor, 1.5F, 1, 1, 0, NULL};
    ap_packed8_norm_run(isa, &norm, 2.5, 30, &from, affine ? scale : NULL, affine ? shift : NULL,
                        &to, y.blocks, &e);
    for (size_t i = 0; i < count_of(&y); ++i) {
      const size_t image = i / (C * PIXELS), c = i / PIXELS % C, at = i % PIXELS;
      const size_t each = C / norm.groups, first = norm.each_pixel ? 0 : c / each * each;
      const size_t count = norm.each_pixel ? C : each * PIXELS;
      const size_t begin = image * C * PIXELS + first * PIXELS + (norm.each_pixel ? at : 0);
      const size_t step = norm.each_pixel ? PIXELS : 1;
      double sum = 0, squares = 0;
      for (size_t k = 0; k < count; ++k) sum += (double)value(&x, begin + k * step);
      const float mean = (float)(sum / (double)count);
      for (size_t k = 0; k < count; ++k) {
        const double d = (double)(value(&x, begin + k * step) - mean);
        squares += d * d;
      }
      float v = value(&x, i) - mean;
      v = v * (float)(30 / sqrt(squares / (double)count + 2.5));
      if (affine) v = fmaf(v, scale[c], shift[c]);
      if (bits & 4) v = fmaf(value(&r, i), 1.5F, v);
      assert_true(value(&y, i) == expected(v, &to, -40, 120));
    }
    check_border(&y);
    ap_free(x.data);
    ap_free(r.data);
    ap_free(y.data);
  }
}

static void ways_in(void **state) {
  (void)state;
  float table[2 * 256];
  uint8_t pixels[2 * 6 * LANES];
  ap_rng rng;
  ap_rng_seed(&rng, 8, 0);
  for (size_t i = 0; i < 512; ++i) table[i] = (float)((double)i * 0.7 - 100);
  for (size_t i = 0; i < sizeof pixels; ++i) pixels[i] = (uint8_t)ap_rng_below(&rng, 256);
  for (int bits = 0; bits < 2 * N_ISAS; ++bits) {
    const ap_packed8_isa *isa = isas[bits / 2];
    const bool codes = bits % 2;
    if (!isa) continue;
    packed x = {.n = 0}, flat = {.n = 0};
    assert_int_equal(ap_packed_shape_init(2, 2, 3, 1, 1, 1, 1, &x.shape, NULL), AP_OK);
    assert_int_equal(ap_packed_shape_init(12, 1, 1, 0, 0, 0, 0, &flat.shape, NULL), AP_OK);
    open_packed(&x, LANES, codes, codes ? 60 : 0);
    open_packed(&flat, LANES, codes, codes ? 60 : 0);
    const ap_packed8_target to = {x.data, x.tensor, 255};
    ap_packed8_pixels_run(isa, 1, pixels, table, &to);
    ap_packed8_flatten_run(&x.tensor, &flat.tensor, 1, x.data, flat.data);
    for (size_t i = 0; i < (size_t)12 * LANES; ++i) {
      const size_t image = i / 12, feature = i % 12;
      const float v = table[feature / 6 * 256 + pixels[feature * LANES + image]];
      assert_true(value(&x, i) == expected(v, &to, -INFINITY, INFINITY));
      assert_true(value(&flat, i) == value(&x, i));
    }
    check_border(&x);
    ap_free(x.data);
    ap_free(flat.data);
  }
}

/* ---- errors ------------------------------------------------------------------------------------ */
static void errors(void **state) {
  (void)state;
  const conv_case k = {1, 3, 5, 5, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const conv_case deep = {1, 40000, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1};
  ap_packed_conv g = packed_geometry(&k, 0);
  const ap_packed_conv d = packed_geometry(&deep, 0);
  const ap_packed8_isa *isa = NULL;
  int8_t *matrix = room(40000, 1);
  float factor[4] = {1, 1, 1, 1}, shift[4] = {0};
  ap_packed8_weights *w = NULL;
  ap_error err;
  assert_int_equal(ap_packed8_isa_find("mmx", &isa, &err), AP_ERR_ARG);
  assert_non_null(strstr(err.text, "avx512"));
  assert_int_equal(
      ap_packed8_weights_create(plain, &d, matrix, 0, factor, shift, AP_PACKED_AUTO, &w, &err),
      AP_OK); /* 255 * 127 * 40000 fits */
  ap_packed8_weights_destroy(w);
  assert_int_equal(
      ap_packed8_weights_create(plain, &d, matrix, 255, factor, shift, AP_PACKED_AUTO, &w, &err),
      AP_ERR_ARG);
  assert_null(w);
  assert_non_null(strstr(err.text, "40000"));
  factor[2] = INFINITY;
  assert_int_equal(
      ap_packed8_weights_create(plain, &g, matrix, 0, factor, shift, AP_PACKED_AUTO, &w, &err),
      AP_ERR_ARG);
  factor[2] = 1;
  for (size_t n = 0;; ++n) {
    ap_alloc_fail_after(n);
    const ap_status st =
        ap_packed8_weights_create(plain, &g, matrix, 0, factor, shift, AP_PACKED_LIST2, &w, &err);
    ap_alloc_fail_after(SIZE_MAX);
    if (st == AP_OK) break;
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(w);
  }
  ap_packed8_weights_destroy(w);
  g.pad_left = 2;
  assert_int_equal(
      ap_packed8_weights_create(plain, &g, matrix, 0, factor, shift, AP_PACKED_AUTO, &w, &err),
      AP_ERR_ARG);
  ap_free(matrix);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_form),   cmocka_unit_test(random_shapes),
      cmocka_unit_test(largest_sums), cmocka_unit_test(form_chosen),
      cmocka_unit_test(pools),        cmocka_unit_test(maps),
      cmocka_unit_test(gates),        cmocka_unit_test(norms),
      cmocka_unit_test(ways_in),      cmocka_unit_test(errors)};
  return cmocka_run_group_tests(tests, find_isas, NULL);
}
