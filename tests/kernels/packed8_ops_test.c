/* What integer plans do besides layers against plain loops, bit for bit: pools, maps, gates and curves, images
 * normalised by themselves, pixels and flattening; every instruction set of this machine. */
#include "kernels/curve.h"
#include "tests/kernels/packed8_values.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(pools), cmocka_unit_test(maps),
                                     cmocka_unit_test(gates), cmocka_unit_test(norms),
                                     cmocka_unit_test(ways_in)};
  return cmocka_run_group_tests(tests, find_isas, NULL);
}
