/* The packed operations without weights against plain loops, on every instruction set here. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/packed.h"
#include "tests/kernels/packed_cmocka.h"

static const ap_packed_isa *isas[3];

static int find_isas(void **state) {
  (void)state;
  static const char *const names[] = {"plain", "avx2", "avx512"};
  for (size_t i = 0; i < 3; ++i) {
    if (!vectors_wanted(names[i])) continue;
    const ap_status st = ap_packed_isa_find(names[i], &isas[i], NULL);
    if (st && st != AP_ERR_UNSUPPORTED) return -1;
  }
  return 0;
}

static ap_packed_shape shape(size_t c, size_t h, size_t w, size_t border) {
  ap_packed_shape s;
  assert_int_equal(ap_packed_shape_init(c, h, w, border, border, border, border, &s, NULL), AP_OK);
  return s;
}
static size_t blocks_of(size_t n) { return (n + AP_PACKED_LANES - 1) / AP_PACKED_LANES; }
static float *room(size_t n) {
  float *p = ap_calloc(n, sizeof *p);
  assert_non_null(p);
  return p;
}
static float *numbers(ap_rng *rng, size_t n) {
  float *x = room(n);
  for (size_t i = 0; i < n; ++i) x[i] = (float)(ap_rng_uniform(rng) * 4 - 2);
  return x;
}
static float *packed(const ap_packed_shape *s, size_t n, const float *nchw) {
  float *p = room(blocks_of(n) * s->block);
  ap_packed_from_nchw(s, n, nchw, p);
  return p;
}

static void test_there_and_back(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 1, 0);
  const size_t counts[] = {0, 1, 15, 16, 17, 33};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i) {
    const size_t n = counts[i];
    const ap_packed_shape s = shape(3, 5, 4, i % 3);
    assert_true(s.channel / AP_PACKED_LANES % 2 == 1);
    float *x = numbers(&rng, n * 60), *p = packed(&s, n, x), *y = room(n * 60);
    ap_packed_to_nchw(&s, n, p, y);
    assert_memory_equal(x, y, n * 60 * sizeof *x);
    for (size_t lane = n % 16; n % 16 && lane < 16; ++lane)
      assert_true(p[(blocks_of(n) - 1) * s.block + s.origin + lane] == 0);
    ap_free(x);
    ap_free(p);
    ap_free(y);
  }
}

static double pool_oracle(const ap_packed_pool *p, const float *plane, size_t oy, size_t ox) {
  double best = -HUGE_VAL, sum = 0;
  size_t count = 0;
  for (size_t ky = 0; ky < p->kh; ++ky)
    for (size_t kx = 0; kx < p->kw; ++kx) {
      const size_t y = oy * p->stride_h + ky - p->pad_top, x = ox * p->stride_w + kx - p->pad_left;
      if (y >= p->in.h || x >= p->in.w) continue;
      const double v = (double)plane[y * p->in.w + x];
      best = fmax(best, v);
      sum += v;
      ++count;
    }
  return p->maximum ? best : sum / (double)(p->count_padding ? p->kh * p->kw : count);
}

static void test_pool(void **state) {
  (void)state;
  static const size_t geometry[][9] = {
      /* n, c, h, w, kernel, kernel, stride, stride, pad */
      {17, 3, 8, 8, 2, 2, 2, 2, 0}, {2, 2, 9, 7, 3, 3, 2, 2, 1}, {5, 4, 7, 7, 7, 7, 7, 7, 0},
      {1, 1, 1, 1, 1, 1, 1, 1, 0},  {3, 2, 6, 5, 3, 2, 1, 3, 1}, {33, 5, 2, 2, 2, 2, 2, 2, 0},
  };
  ap_rng rng;
  ap_rng_seed(&rng, 2, 0);
  for (size_t i = 0; i < sizeof geometry / sizeof geometry[0]; ++i)
    for (size_t isa = 0; isa < 3; ++isa)
      for (int kind = 0; kind < 3; ++kind) {
        if (!isas[isa]) continue;
        const size_t *g = geometry[i], n = g[0], pad = g[8];
        const size_t oh = (g[2] + 2 * pad - g[4]) / g[6] + 1,
                     ow = (g[3] + 2 * pad - g[5]) / g[7] + 1;
        const ap_packed_pool p = {shape(g[1], g[2], g[3], (size_t)kind),
                                  shape(g[1], oh, ow, 1),
                                  g[4],
                                  g[5],
                                  g[6],
                                  g[7],
                                  pad,
                                  pad,
                                  kind == 0,
                                  kind == 1};
        float *x = numbers(&rng, n * g[1] * g[2] * g[3]), *in = packed(&p.in, n, x);
        float *out = room(blocks_of(n) * p.out.block), *y = room(n * g[1] * oh * ow);
        ap_packed_pool_run(isas[isa], &p, blocks_of(n), in, out, kind ? 0 : -INFINITY,
                           kind ? 0.25F : INFINITY);
        ap_packed_to_nchw(&p.out, n, out, y);
        for (size_t j = 0; j < n * g[1] * oh * ow; ++j) {
          double want = pool_oracle(&p, x + j / (oh * ow) * g[2] * g[3], j / ow % oh, j % ow);
          if (kind) want = fmin(fmax(want, 0), 0.25);
          assert_true(fabs((double)y[j] - want) < 1e-5);
        }
        ap_free(x);
        ap_free(in);
        ap_free(out);
        ap_free(y);
      }
}

/* out[2 + c] = clip(shortcut(in) * scale + shift + residual): every part of map at once. */
static void test_map(void **state) {
  (void)state;
  enum { N = 19, C = 7, H = 3, W = 4 };
  const ap_packed_shape in = shape(3, 6, 7, 1), res = shape(C, H, W, 0),
                        out = shape(C + 4, H, W, 2);
  ap_rng rng;
  ap_rng_seed(&rng, 3, 0);
  float *x = numbers(&rng, N * 3 * 6 * 7), *r = numbers(&rng, N * C * H * W);
  float *scale = numbers(&rng, C), *shift = numbers(&rng, C);
  float *px = packed(&in, N, x), *pr = packed(&res, N, r);
  for (size_t isa = 0; isa < 3; ++isa) {
    if (!isas[isa]) continue;
    float *po = room(blocks_of(N) * out.block), *y = room(N * (C + 4) * H * W);
    const ap_packed_source source = {px, &in, 2,
                                     2,  2,   NULL}; /* channels 2..4 come from the input */
    ap_packed_epilogue e = {{pr, &res, 1, 1, 0, NULL}, -1, 1};
    ap_packed_map_run(isas[isa], &source, C, scale, shift, &out, 2, blocks_of(N), po, &e);
    ap_packed_to_nchw(&out, N, po, y);
    for (size_t n = 0; n < N; ++n)
      for (size_t c = 0; c < C + 4; ++c)
        for (size_t i = 0; i < H * W; ++i) {
          double want = 0;
          if (c >= 2 && c < 2 + C) {
            const size_t k = c - 2;
            const double v =
                k >= 2 && k < 5 ? (double)x[((n * 3 + k - 2) * 6 + i / W * 2) * 7 + i % W * 2] : 0;
            want = v * (double)scale[k] + (double)shift[k] + (double)r[(n * C + k) * H * W + i];
            want = fmin(fmax(want, -1), 1);
          }
          assert_true(fabs((double)y[(n * (C + 4) + c) * H * W + i] - want) < 1e-5);
        }
    ap_free(po);
    ap_free(y);
  }
  float *const all[] = {x, r, scale, shift, px, pr};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
}

/* out = clip(in * gate + residual): picked channels, a factor a pixel or a channel, plain or of a curve. */
static void test_gate(void **state) {
  (void)state;
  enum { N = 18, C = 4, FROM = 3, H = 2, WIDEST = 35 };
  static const size_t widths[] = {1, 3, 15, 16, 17, WIDEST};
  static const uint32_t picks[C] = {2, 0, 0, 1};
  ap_rng rng;
  ap_rng_seed(&rng, 4, 0);
  for (size_t bits = 0; bits < sizeof widths / sizeof *widths * 3 * 4; ++bits) {
    const size_t w = widths[bits / 12], isa = bits / 4 % 3, pixels = H * w;
    const ap_curve some = (ap_curve)(AP_CURVE_LOGISTIC + bits / 2 % (AP_CURVES - 1));
    const ap_curve curve = bits & 1 ? some : AP_CURVE_NONE;
    const bool whole = curve || bits & 2;
    if (!isas[isa]) continue;
    const size_t border = w % 2; /* without one all rows are done as one */
    const ap_packed_shape in = shape(FROM, H, w, border), out = shape(C, H, w, 2 * border),
                          gs = shape(C, whole ? H : 1, whole ? w : 1, 0);
    float *x = numbers(&rng, N * FROM * pixels), *r = numbers(&rng, N * C * pixels);
    float *g = numbers(&rng, N * C * pixels), *px = packed(&in, N, x), *pr = packed(&out, N, r);
    float *pg = packed(&gs, N, g), *po = room(blocks_of(N) * out.block), *y = room(N * C * pixels);
    const ap_packed_source source = {px, &in, 1, 1, 0, picks};
    const ap_packed_source gate = {pg, &gs, whole, whole, 0, NULL};
    const ap_packed_epilogue e = {{bits & 2 ? pr : NULL, &out, 1, 1, 0, NULL}, -1, 1};
    ap_packed_gate_run(isas[isa], &source, &gate, curve, &out, blocks_of(N), po, &e);
    ap_packed_to_nchw(&out, N, po, y);
    for (size_t i = 0; i < N * C * pixels; ++i) {
      const size_t n = i / pixels / C, c = i / pixels % C;
      double factor = (double)g[whole ? i : i / pixels];
      if (curve) factor = ap_curve_exact(curve, factor);
      double want = (double)x[(n * FROM + picks[c]) * pixels + i % pixels] * factor;
      if (bits & 2) want += (double)r[i];
      assert_true(fabs((double)y[i] - fmin(fmax(want, -1), 1)) < 1e-5);
    }
    ap_packed_curve_run(isas[isa], some, &out, &out, blocks_of(N), pr, po);
    ap_packed_to_nchw(&out, N, po, y);
    for (size_t i = 0; i < N * C * pixels; ++i)
      assert_true(fabs((double)y[i] - ap_curve_exact(some, (double)r[i])) < 1e-6);
    float *const all[] = {x, r, g, px, pr, pg, po, y};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
  }
}

/* The logistic function over its range, at its ends and of NaN. */
/* Which set value (c, at) of an image belongs to: of all that have its number. */
static size_t set_of(const ap_packed_norm *norm, size_t channels, size_t c, size_t at) {
  return norm->each_pixel ? at : c / (channels / norm->groups);
}

static double normalised(const ap_packed_norm *norm, const float *x, size_t channels, size_t pixels,
                         size_t c, size_t at) {
  const size_t set = set_of(norm, channels, c, at);
  double sum = 0, squares = 0, n = 0;
  for (size_t i = 0; i < channels * pixels; ++i) {
    if (set_of(norm, channels, i / pixels, i % pixels) != set) continue;
    sum += (double)x[i];
    squares += (double)x[i] * (double)x[i];
    n += 1;
  }
  const double mean = sum / n, variance = squares / n - mean * mean;
  return ((double)x[c * pixels + at] - mean) / sqrt(variance + (double)norm->epsilon);
}

/* out = clip((in - mean) / sqrt(variance + epsilon) * scale + shift + residual), in all kinds of sets. */
static void test_norm(void **state) {
  (void)state;
  enum { N = 18, C = 12, H = 2 };
  static const size_t widths[] = {1, 3, 4, 15, 16, 17, 35};
  static const size_t groups[] = {1, 3, C, 1};
  ap_rng rng;
  ap_rng_seed(&rng, 5, 0);
  for (size_t bits = 0; bits < sizeof widths / sizeof *widths * 3 * 4 * 2; ++bits) {
    const size_t w = widths[bits / 24], isa = bits / 8 % 3, kind = bits / 2 % 4, pixels = H * w;
    const ap_packed_norm norm = {groups[kind], kind == 3, 0.1F};
    if (!isas[isa]) continue;
    const ap_packed_shape in = shape(C, H, w, 1), out = shape(C, H, w, 2),
                          rs = shape(C - 3, H, w, 0);
    float *x = numbers(&rng, N * C * pixels), *r = numbers(&rng, N * (C - 3) * pixels);
    float *scale = numbers(&rng, C), *shift = numbers(&rng, C);
    float *px = packed(&in, N, x), *pr = packed(&rs, N, r);
    float *po = room(blocks_of(N) * out.block), *y = room(N * C * pixels);
    ap_packed_epilogue e = ap_packed_epilogue_default();
    if (bits & 1) e = (ap_packed_epilogue){{pr, &rs, 1, 1, 2, NULL}, -1, 1}; /* for channels 2.. */
    ap_packed_norm_run(isas[isa], &norm, &in, px, bits & 1 ? scale : NULL, bits & 1 ? shift : NULL,
                       &out, blocks_of(N), po, &e);
    ap_packed_to_nchw(&out, N, po, y);
    for (size_t i = 0; i < N * C * pixels; ++i) {
      const size_t n = i / pixels / C, c = i / pixels % C, at = i % pixels;
      double want = normalised(&norm, x + n * C * pixels, C, pixels, c, at);
      if (bits & 1) {
        want = want * (double)scale[c] + (double)shift[c];
        if (c >= 2 && c < C - 1) want += (double)r[(n * (C - 3) + c - 2) * pixels + at];
        want = fmin(fmax(want, -1), 1);
      }
      assert_true(fabs((double)y[i] - want) < 1e-5);
    }
    float *const all[] = {x, r, scale, shift, px, pr, po, y};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
  }
}

/* The functions of the instruction set's own are right to 2e-7 of 1 (not of themselves), also far out. */
static void test_own_curves(void **state) {
  (void)state;
  enum { W = 4001 };
  static const ap_curve curves[] = {AP_CURVE_LOGISTIC, AP_CURVE_NORMAL};
  const ap_packed_shape s = shape(1, 1, W, 0);
  float *x = room(s.block), *y = room(s.block);
  for (size_t i = 0; i < (size_t)W * AP_PACKED_LANES; ++i)
    x[s.origin + i] = (float)(-25 + 50.0 * (double)i / (W * AP_PACKED_LANES - 1));
  const float ends[] = {NAN, -NAN, INFINITY, -INFINITY, 0, -0.0F, 3e38F, -3e38F};
  memcpy(x + s.origin, ends, sizeof ends);
  for (size_t k = 0; k < 2 * 3; ++k) {
    if (!isas[k / 2]) continue;
    ap_packed_curve_run(isas[k / 2], curves[k % 2], &s, &s, 1, x, y);
    const float *v = x + s.origin, *got = y + s.origin;
    assert_true(isnan(got[0]) && isnan(got[1]) && got[4] == 0.5F && got[5] == 0.5F);
    for (size_t i = 2; i < (size_t)W * AP_PACKED_LANES; ++i)
      if (!(fabs((double)got[i] - ap_curve_exact(curves[k % 2], (double)v[i])) < 2e-7))
        fail_msg("isa %zu, curve %zu: %.9g at %.9g", k / 2, k % 2, (double)got[i], (double)v[i]);
  }
  ap_free(x);
  ap_free(y);
}

static void test_flatten_and_pixels(void **state) {
  (void)state;
  enum { N = 18, C = 2, H = 3, W = 5 };
  const ap_packed_shape in = shape(C, H, W, 1), flat = shape(C * H * W, 1, 1, 0);
  uint8_t bytes[2 * C * H * W * AP_PACKED_LANES]; /* 2 blocks */
  float x[N * C * H * W], y[N * C * H * W];
  for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = (uint8_t)(i * 37 % 256);
  const float scale[C] = {0.5F, -0.25F}, shift[C] = {1, 2}; /* exact in float */
  for (size_t isa = 0; isa < 3; ++isa) {
    if (!isas[isa]) continue;
    float *p = room(2 * in.block), *q = room(2 * flat.block);
    ap_packed_pixels_run(isas[isa], &in, 2, bytes, scale, shift, p);
    ap_packed_to_nchw(&in, N, p, x);
    for (size_t n = 0; n < N; ++n)
      for (size_t i = 0; i < C * H * W; ++i) {
        const size_t c = i / (H * W);
        const float byte = (float)bytes[(n / 16 * C * H * W + i) * 16 + n % 16];
        assert_true(x[n * C * H * W + i] == byte * scale[c] + shift[c]);
      }
    ap_packed_flatten_run(&in, &flat, 2, p, q);
    ap_packed_to_nchw(&flat, N, q, y);
    assert_memory_equal(x, y, sizeof x);
    ap_free(p);
    ap_free(q);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_there_and_back),
      cmocka_unit_test(test_pool),
      cmocka_unit_test(test_map),
      cmocka_unit_test(test_gate),
      cmocka_unit_test(test_norm),
      cmocka_unit_test(test_own_curves),
      cmocka_unit_test(test_flatten_and_pixels),
  };
  return cmocka_run_group_tests(tests, find_isas, NULL);
}
