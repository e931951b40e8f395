/* Packed layers against plain double loops: every form, every instruction set of this machine, odd
 * shapes, 1 to 33 images. Tolerance 1e-6 x (1 + sum of absolute terms): at most a few hundred
 * roundings of 6e-8 each. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "kernels/cpu/packed_impl.h"
#include "tests/kernels/packed_cases.h"
#include "tests/kernels/packed_cmocka.h"

static const char *const isa_names[] = {"plain", "avx2", "avx512"};
enum { N_ISAS = 3 };
static const ap_packed_isa *isas[N_ISAS]; /* NULL: this machine lacks it, or it is left out */
static const ap_packed_isa *plain;        /* where one is enough */

static int find_isas(void **state) {
  (void)state;
  for (size_t i = 0; i < N_ISAS; ++i) {
    if (!vectors_wanted(isa_names[i])) continue;
    const ap_status st = ap_packed_isa_find(isa_names[i], &isas[i], NULL);
    if (st && st != AP_ERR_UNSUPPORTED) return -1;
    print_message("vectors %s: %s\n", isa_names[i], isas[i] ? "tested" : "not on this machine");
  }
  return ap_packed_isa_find("plain", &plain, NULL) ? -1 : 0;
}

static float *numbers(ap_rng *rng, size_t n) {
  float *x = ap_calloc(n, sizeof *x);
  assert_non_null(x);
  for (size_t i = 0; i < n; ++i) x[i] = (float)(ap_rng_uniform(rng) * 2 - 1);
  return x;
}

/* kind 0: all kept; 1: nothing; 2: single weights; 3: whole kernels; 4: rows of 8 columns;
 * 5: columns */
enum { KINDS = 6 };
static float *sparse_matrix(ap_rng *rng, size_t k, size_t n, size_t taps, int kind, double keep) {
  float *m = numbers(rng, k * n);
  const double level = kind == 0 ? 1 : kind == 1 ? 0 : keep;
  const size_t unit_h = kind == 3 ? taps : kind == 5 ? k : 1, unit_w = kind == 4 ? 8 : 1;
  for (size_t r = 0; r < k; r += unit_h)
    for (size_t c = 0; c < n; c += unit_w) {
      const bool drop = ap_rng_uniform(rng) >= level;
      for (size_t i = r; i < r + unit_h && i < k; ++i)
        for (size_t j = c; j < c + unit_w && j < n; ++j)
          if (drop) m[i * n + j] = 0;
    }
  return m;
}

/* Every float that is not an output pixel must still be 0. */
static void check_border(const ap_packed_shape *s, size_t n_blocks, float *packed) {
  for (size_t b = 0; b < n_blocks; ++b)
    for (size_t c = 0; c < s->c; ++c)
      for (size_t y = 0; y < s->h; ++y)
        memset(packed + b * s->block + c * s->channel + s->origin + y * s->row, 0,
               s->w * AP_PACKED_LANES * sizeof *packed);
  for (size_t i = 0; i < n_blocks * s->block; ++i) assert_true(packed[i] == 0);
}

static void run_case(const conv_case *k, ap_rng *rng, const ap_packed_isa *isa, ap_packed_form form,
                     int kind, double keep, int mode) {
  const size_t taps = k->kh * k->kw, depth = k->c_in / k->groups * taps;
  const size_t oh = conv_case_oh(k), ow = conv_case_ow(k), blocks = (k->n + 15) / 16;
  const ap_packed_conv g = packed_geometry(k, (size_t)(mode & 1));
  float *x = numbers(rng, k->n * k->c_in * k->h * k->w), *bias = numbers(rng, k->c_out);
  float *residual = numbers(rng, k->n * k->c_out * oh * ow);
  float *matrix = sparse_matrix(rng, depth, k->c_out, taps, kind, keep);
  float *in = ap_calloc(blocks * g.in.block, sizeof *in);
  float *out = ap_calloc(blocks * g.out.block, sizeof *out);
  float *y = ap_calloc(k->n * k->c_out * oh * ow, sizeof *y);
  ap_packed_shape rs;
  assert_int_equal(ap_packed_shape_init(k->c_out, oh, ow, 0, 2, 1, 1, &rs, NULL), AP_OK);
  float *res = ap_calloc(blocks * rs.block, sizeof *res);
  void *scratch = ap_calloc(ap_packed_scratch_bytes(isa, &g), 1);
  assert_true(in && out && y && res && scratch);
  ap_packed_weights *w = NULL;
  ap_error err = {0};
  if (ap_packed_weights_create(isa, &g, matrix, mode & 2 ? bias : NULL, form, &w, &err))
    fail_msg("%s", err.text);
  ap_packed_from_nchw(&g.in, k->n, x, in);
  ap_packed_from_nchw(&rs, k->n, residual, res);
  ap_packed_epilogue e = ap_packed_epilogue_default();
  if (mode & 4) e.residual = (ap_packed_source){res, &rs, 1, 1, 0, NULL};
  if (mode & 8) e.low = 0;
  if (mode & 16) e.high = 0.5F;
  ap_packed_conv_run(w, blocks, in, out, &e, scratch);
  ap_free(scratch);
  ap_packed_to_nchw(&g.out, k->n, out, y);
  for (size_t i = 0; i < k->n * k->c_out * oh * ow; ++i) {
    const size_t ox = i % ow, oy = i / ow % oh, c = i / ow / oh % k->c_out;
    double size = 0;
    double want = conv_oracle(k, x, matrix, i / ow / oh / k->c_out, c, oy, ox, &size);
    if (mode & 2) want += (double)bias[c];
    if (mode & 4) want += (double)residual[i];
    if (mode & 8) want = fmax(want, 0);
    if (mode & 16) want = fmin(want, 0.5);
    if (!(fabs((double)y[i] - want) <= 1e-6 * (2 + size)))
      fail_msg("%s %s kind %d: output %zu is %.9g, oracle %.9g", ap_packed_isa_name(isa),
               ap_packed_form_name(ap_packed_weights_form(w)), kind, i, (double)y[i], want);
  }
  check_border(&g.out, blocks, out);
  ap_packed_weights_destroy(w);
  float *const all[] = {x, bias, residual, matrix, in, out, y, res};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
}

static void test_every_form(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 20211, 0);
  int mode = 0;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i)
    for (int form = AP_PACKED_AUTO; form < AP_PACKED_FORMS; ++form) {
      if (!possible(&cases[i], (ap_packed_form)form)) continue;
      for (int kind = 0; kind < KINDS; ++kind)
        for (size_t isa = 0; isa < N_ISAS; ++isa)
          if (isas[isa])
            run_case(&cases[i], &rng, isas[isa], (ap_packed_form)form, kind, 0.3, mode++ % 32);
    }
}

/* Lists as long as a chunk of entries (packed_kernels.h: 32), one less and more, and of several. */
static void test_long_lists(void **state) {
  static const size_t entries[] = {31, 32, 33, 63, 64, 65, 97};
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 32, 0);
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; ++i)
    for (int form = AP_PACKED_LIST1; form <= AP_PACKED_LIST8; ++form)
      for (size_t wide = 1; wide <= 7; ++wide) {
        const conv_case k = {17, entries[i], 2, wide, 9, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1};
        for (size_t isa = 0; isa < N_ISAS; ++isa)
          if (isas[isa])
            run_case(&k, &rng, isas[isa], (ap_packed_form)form, 0, 1, (int)(i + wide) % 32);
      }
}

static void test_random_shapes(void **state) {
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 77, 1);
  for (int i = 0; i < 150; ++i) {
    const conv_case k = random_case(&rng, 33, i % 2);
    const ap_packed_form form = (ap_packed_form)between(&rng, 0, AP_PACKED_FORMS - 1);
    if (!possible(&k, form)) continue;
    for (size_t isa = 0; isa < N_ISAS; ++isa)
      if (isas[isa])
        run_case(&k, &rng, isas[isa], form, (int)between(&rng, 0, KINDS - 1), 0.4,
                 (int)between(&rng, 0, 31));
  }
}

/* AUTO counts: whole kernels, rows of 8 and scattered weights each get their own form; many whole
 * kernels are worth the transform of their inputs. */
static void test_form_chosen(void **state) {
  (void)state;
  const conv_case k = {1, 16, 8, 8, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const ap_packed_conv g = packed_geometry(&k, 0);
  const ap_packed_form want[KINDS] = {AP_PACKED_WINOGRAD, AP_PACKED_AUTO,  AP_PACKED_LIST1,
                                      AP_PACKED_KERNEL3,  AP_PACKED_LIST8, AP_PACKED_AUTO};
  ap_rng rng;
  ap_rng_seed(&rng, 5, 0);
  for (int kind = 0; kind <= 4; ++kind) {
    if (kind == 1) continue;
    float *m = sparse_matrix(&rng, 144, 32, 9, kind, 0.1);
    size_t kept = 0;
    for (size_t i = 0; i < (size_t)144 * 32; ++i) kept += m[i] < 0 || m[i] > 0;
    ap_packed_weights *w = NULL;
    assert_int_equal(ap_packed_weights_create(plain, &g, m, NULL, AP_PACKED_AUTO, &w, NULL), AP_OK);
    assert_int_equal(ap_packed_weights_form(w), want[kind]);
    /* in proportion to what is kept; lists leave out a third of the upper and lower row's */
    const size_t macs = ap_packed_weights_macs(w), all = kept * 64;
    if (want[kind] == AP_PACKED_KERNEL3 || want[kind] == AP_PACKED_WINOGRAD)
      assert_int_equal(macs, all);
    else
      assert_in_range(macs, all * 22 / 24 * 97 / 100, all * 22 / 24 * 103 / 100);
    assert_true(ap_packed_weights_bytes(w) > kept * sizeof(float));
    ap_packed_weights_destroy(w);
    ap_free(m);
  }
}

static ap_packed_form chosen(const conv_case *k, int kind, double keep, size_t isa) {
  const ap_packed_conv g = packed_geometry(k, 0);
  ap_rng rng;
  ap_rng_seed(&rng, 9, 0);
  float *m = sparse_matrix(&rng, k->c_in / k->groups * k->kh * k->kw, k->c_out, 1, kind, keep);
  ap_packed_weights *w = NULL;
  assert_int_equal(ap_packed_weights_create(isas[isa], &g, m, NULL, AP_PACKED_AUTO, &w, NULL),
                   AP_OK);
  const ap_packed_form form = ap_packed_weights_form(w);
  ap_packed_weights_destroy(w);
  ap_free(m);
  return form;
}

/* Copies pay where nearly all is kept, channels alone where each has an input of its own. */
static void test_wide_and_deep(void **state) {
  static const conv_case pointwise = {1, 256, 8, 8, 256, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1};
  static const conv_case depthwise = {1, 32, 32, 32, 32, 3, 3, 1, 1, 1, 1, 1, 1, 32, 1, 1};
  static const conv_case five = {1, 32, 8, 8, 32, 5, 5, 2, 2, 2, 2, 2, 2, 32, 1, 1};
  (void)state;
  for (size_t isa = 0; isa < N_ISAS; ++isa) {
    if (!isas[isa]) continue;
    const bool timed = isas[isa]->pointwise;
    assert_true(packed_strips(chosen(&pointwise, 0, 1, isa)) == timed);
    assert_int_equal(chosen(&pointwise, 2, 0.1, isa), timed ? AP_PACKED_STRIP1 : AP_PACKED_LIST1);
    assert_false(packed_strips(chosen(&pointwise, 4, 0.1, isa)));
    assert_int_equal(chosen(&depthwise, 0, 1, isa), AP_PACKED_PLANE);
    assert_int_equal(chosen(&five, 0, 1, isa), AP_PACKED_PLANE);
    assert_int_equal(chosen(&five, 2, 0.5, isa), AP_PACKED_PLANE);
  }
}

/* Root mean square error of a layer of 64 whole kernels a channel. */
static double form_error(ap_packed_form form, const ap_packed_isa *isa) {
  const conv_case k = {16, 64, 8, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const ap_packed_conv g = packed_geometry(&k, 0);
  const size_t size = k.n * k.c_in * k.h * k.w, outputs = k.n * k.c_out * k.h * k.w;
  ap_rng rng;
  ap_rng_seed(&rng, 8, 0);
  float *x = numbers(&rng, size), *m = numbers(&rng, k.c_in * 9 * k.c_out);
  float *in = ap_calloc(g.in.block, sizeof *in), *out = ap_calloc(g.out.block, sizeof *out);
  float *y = ap_calloc(outputs, sizeof *y);
  void *scratch = ap_calloc(ap_packed_scratch_bytes(isa, &g), 1);
  ap_packed_weights *w = NULL;
  const ap_packed_epilogue e = ap_packed_epilogue_default();
  double sum = 0;
  assert_true(in && out && y && scratch);
  assert_int_equal(ap_packed_weights_create(isa, &g, m, NULL, form, &w, NULL), AP_OK);
  ap_packed_from_nchw(&g.in, k.n, x, in);
  ap_packed_conv_run(w, 1, in, out, &e, scratch);
  ap_packed_to_nchw(&g.out, k.n, out, y);
  for (size_t i = 0; i < outputs; ++i) {
    double magnitude = 0;
    const double want = conv_oracle(&k, x, m, i / k.w / k.h / k.c_out, i / k.w / k.h % k.c_out,
                                    i / k.w % k.h, i % k.w, &magnitude);
    sum += ((double)y[i] - want) * ((double)y[i] - want);
  }
  ap_packed_weights_destroy(w);
  float *const all[] = {x, m, in, out, y};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
  ap_free(scratch);
  return sqrt(sum / (double)outputs);
}

/* What packed.h says about the rounding errors of WINOGRAD. */
static void test_winograd_error(void **state) {
  (void)state;
  for (size_t isa = 0; isa < N_ISAS; ++isa) {
    if (!isas[isa]) continue;
    const double direct = form_error(AP_PACKED_KERNEL3, isas[isa]);
    const double halved = form_error(AP_PACKED_WINOGRAD, isas[isa]);
    print_message("vectors %s: error %.3g, winograd %.3g\n", isa_names[isa], direct, halved);
    assert_true(direct > 0 && halved < 2.5 * direct);
  }
}

/* An image's outputs do not depend on its lane, its block or how many blocks there are. */
static void test_bits_independent_of_batch(void **state) {
  (void)state;
  const conv_case shapes[] = {{80, 5, 2, 2, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                              {80, 33, 1, 1, 9, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1},
                              {80, 3, 5, 5, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
  ap_rng rng;
  ap_rng_seed(&rng, 6, 0);
  for (size_t c = 0; c < 3; ++c)
    for (size_t isa = 0; isa < N_ISAS; ++isa)
      for (int form = AP_PACKED_LIST1; form < AP_PACKED_FORMS; ++form) {
        if (!isas[isa] || !possible(&shapes[c], (ap_packed_form)form)) continue;
        const conv_case *k = &shapes[c];
        const ap_packed_conv g = packed_geometry(k, 0);
        float *m = sparse_matrix(&rng, k->c_in * k->kh * k->kw, k->c_out, 1, 2, 0.5);
        float *one = numbers(&rng, k->c_in * k->h * k->w);
        float *x = ap_calloc(k->n * k->c_in * k->h * k->w, sizeof *x);
        const size_t each_in = k->c_in * k->h * k->w, each_out = k->c_out * g.out.h * g.out.w;
        for (size_t i = 0; i < k->n; ++i) memcpy(x + i * each_in, one, each_in * sizeof *x);
        float *in = ap_calloc(5 * g.in.block, sizeof *in);
        float *out = ap_calloc(5 * g.out.block, sizeof *out);
        float *y = ap_calloc(k->n * each_out, sizeof *y);
        void *scratch = ap_calloc(ap_packed_scratch_bytes(isas[isa], &g), 1);
        assert_true(x && in && out && y && scratch);
        ap_packed_from_nchw(&g.in, k->n, x, in);
        ap_packed_weights *w = NULL;
        assert_int_equal(
            ap_packed_weights_create(isas[isa], &g, m, NULL, (ap_packed_form)form, &w, NULL),
            AP_OK);
        const ap_packed_epilogue e = ap_packed_epilogue_default();
        ap_packed_conv_run(w, 5, in, out, &e, scratch);
        ap_packed_conv_run(w, 1, in, out, &e, scratch); /* block 0 once more, alone */
        ap_packed_to_nchw(&g.out, k->n, out, y);
        for (size_t i = 1; i < k->n; ++i)
          assert_memory_equal(y, y + i * each_out, each_out * sizeof *y);
        ap_packed_weights_destroy(w);
        ap_free(scratch);
        float *const all[] = {m, one, x, in, out, y};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) ap_free(all[i]);
      }
}

static void test_bad_arguments(void **state) {
  (void)state;
  const conv_case k = {1, 4, 6, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const ap_packed_conv good = packed_geometry(&k, 0);
  float m[36 * 4] = {0}, bias[4] = {0};
  ap_packed_weights *w = NULL;
  ap_packed_conv g[8];
  for (size_t i = 0; i < 8; ++i) g[i] = good;
  g[0].pad_top = 2; /* the border is 1 wide */
  g[1].kh = 0;
  g[2].stride_w = 0;
  g[3].groups = 3;
  g[4].groups = 0;
  g[5].kw = 5; /* needs more columns than there are */
  g[6].stride_h = 2;
  g[7].pad_left = 9;
  for (size_t i = 0; i < 8; ++i) {
    assert_int_equal(ap_packed_weights_create(plain, &g[i], m, bias, AP_PACKED_AUTO, &w, NULL),
                     AP_ERR_ARG);
    assert_null(w);
  }
  ap_packed_conv wide = good;
  wide.kh = 2;
  wide.kw = 1;
  assert_int_equal(ap_packed_weights_create(plain, &wide, m, bias, AP_PACKED_KERNEL3, &w, NULL),
                   AP_ERR_ARG);
  ap_packed_conv grouped = good;
  grouped.groups = 4;
  assert_int_equal(ap_packed_weights_create(plain, &grouped, m, bias, AP_PACKED_LIST2, &w, NULL),
                   AP_ERR_ARG);
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t isa = 0; isa < N_ISAS; ++isa)
    for (size_t i = 0; isas[isa] && i < 3; ++i) {
      ap_error err = {0};
      m[143] = bad[i];
      assert_int_equal(
          ap_packed_weights_create(isas[isa], &good, m, bias, AP_PACKED_AUTO, &w, &err),
          AP_ERR_ARG);
      assert_non_null(strstr(err.text, "row 35"));
      m[143] = 0;
      bias[2] = bad[i];
      assert_int_equal(
          ap_packed_weights_create(isas[isa], &good, m, bias, AP_PACKED_AUTO, &w, NULL),
          AP_ERR_ARG);
      bias[2] = 0;
    }
  ap_packed_shape s;
  assert_int_equal(ap_packed_shape_init(0, 1, 1, 0, 0, 0, 0, &s, NULL), AP_ERR_ARG);
  assert_int_equal(ap_packed_shape_init(1, 1, (size_t)1 << 40, 0, 0, 0, 0, &s, NULL), AP_ERR_ARG);
  assert_int_equal(ap_packed_shape_init(4096, 4096, 4096, 0, 0, 0, 0, &s, NULL), AP_ERR_ARG);
  assert_int_equal(ap_packed_shape_init(1, 1, 1, SIZE_MAX, 0, 0, 0, &s, NULL), AP_ERR_ARG);
  const ap_packed_isa *isa = plain;
  assert_int_equal(ap_packed_isa_find("avx9", &isa, NULL), AP_ERR_ARG);
  assert_null(isa);
  assert_int_equal(ap_packed_isa_find(NULL, &isa, NULL), AP_OK);
  assert_non_null(isa);
}

/* Lists multiply the kernel rows inside the image, and of columns those that some output reads there. */
static void test_taps_inside(void **state) {
  static const struct {
    conv_case k;
    int taps; /* of a column of outputs */
  } layers[] = {{{1, 5, 1, 1, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 1},
                {{1, 5, 1, 4, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 3},
                {{1, 5, 2, 2, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, (2 + 2) * 3},
                {{1, 5, 4, 2, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, (2 + 3 + 3 + 2) * 3},
                {{1, 5, 4, 2, 3, 3, 3, 1, 1, 0, 1, 0, 1, 1, 1, 1}, (3 + 3) * 3},
                {{1, 5, 2, 2, 3, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1}, 2 * 2},
                {{1, 5, 2, 2, 3, 5, 5, 1, 1, 2, 2, 2, 2, 1, 1, 1}, (2 + 2) * 3},
                {{1, 5, 4, 4, 3, 3, 3, 1, 1, 4, 4, 4, 4, 1, 4, 4}, 4}};
  (void)state;
  ap_rng rng;
  ap_rng_seed(&rng, 9, 0);
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; ++i) {
    const conv_case *k = &layers[i].k;
    const ap_packed_conv g = packed_geometry(k, 0);
    float *m = numbers(&rng, k->c_in * k->kh * k->kw * k->c_out);
    ap_packed_weights *w = NULL;
    assert_int_equal(ap_packed_weights_create(plain, &g, m, NULL, AP_PACKED_LIST1, &w, NULL),
                     AP_OK);
    assert_int_equal(ap_packed_weights_macs(w),
                     k->c_in * k->c_out * (size_t)layers[i].taps * conv_case_ow(k));
    ap_packed_weights_destroy(w);
    ap_free(m);
  }
}

static void test_out_of_memory(void **state) {
  (void)state;
  const conv_case k = {1, 4, 6, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const ap_packed_conv g = packed_geometry(&k, 0);
  float m[36 * 4];
  for (size_t i = 0; i < sizeof m / sizeof m[0]; ++i) m[i] = 1;
  size_t failures = 0;
  for (size_t n = 0;; ++n) {
    ap_packed_weights *w = NULL;
    ap_alloc_fail_after(n);
    const ap_status st = ap_packed_weights_create(plain, &g, m, NULL, AP_PACKED_AUTO, &w, NULL);
    ap_alloc_fail_after(SIZE_MAX);
    if (st == AP_OK) {
      ap_packed_weights_destroy(w);
      break;
    }
    assert_int_equal(st, AP_ERR_MEMORY);
    assert_null(w);
    ++failures;
  }
  assert_int_equal(failures, 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_form),
      cmocka_unit_test(test_long_lists),
      cmocka_unit_test(test_random_shapes),
      cmocka_unit_test(test_form_chosen),
      cmocka_unit_test(test_wide_and_deep),
      cmocka_unit_test(test_winograd_error),
      cmocka_unit_test(test_bits_independent_of_batch),
      cmocka_unit_test(test_taps_inside),
      cmocka_unit_test(test_bad_arguments),
      cmocka_unit_test(test_out_of_memory),
  };
  return cmocka_run_group_tests(tests, find_isas, NULL);
}
