/* Integer layers against plain integer loops, bit for bit: every form, every instruction set of this
 * machine, odd shapes, codes and floats in and out, 1 to 130 images. */
#include "kernels/curve.h"
#include "tests/kernels/packed8_values.h"

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
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_form), cmocka_unit_test(random_shapes),
                                     cmocka_unit_test(largest_sums), cmocka_unit_test(form_chosen),
                                     cmocka_unit_test(errors)};
  return cmocka_run_group_tests(tests, find_isas, NULL);
}
