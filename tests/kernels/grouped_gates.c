/* Products, squares, factors a channel, curves and channels by number: gates from earlier
 * and from later parts than what they multiply, against plain loops. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/kernels/grouped_checks.h"

/* ---- programs ----------------------------------------------------------------------------------- */
static ap_engine_source whole(size_t tensor) { return (ap_engine_source){tensor, 1, 1, 0}; }
static ap_engine_source per_channel(size_t tensor) { return (ap_engine_source){tensor, 0, 0, 0}; }

/* A layer of 3 x 3 whose sums are clipped: products of two stay exact, and curves of them vary. */
static size_t layer(subject *s, size_t in, size_t c_out, size_t groups) {
  const size_t out = subject_layer(s, in, c_out, 3, 3, 1, 1, groups);
  subject_last(s)->low = -4;
  subject_last(s)->high = 5;
  return out;
}

/* The n-th of them, or none. */
static ap_curve curve_of(bool curved, size_t n) {
  return curved ? (ap_curve)(AP_CURVE_LOGISTIC + n % (AP_CURVES - 1)) : AP_CURVE_NONE;
}

static void build_gated(subject *s, size_t n_images, bool curved) {
  static const uint32_t some[] = {13, 0, 0, 7, 5, 13};
  uint32_t *picks;
  const size_t in = subject_input(s, 3, 8, 8);
  const size_t a = layer(s, in, 10, 1);
  const size_t factors = subject_pool(s, a, 8, 1, 0, true, false); /* one a channel */
  const size_t shuffled = subject_map(s, a, 10, 1, 0, true);
  picks = subject_picks(s);
  for (uint32_t c = 0; c < 10; c++) picks[c] = c * 7 % 10;
  subject_last(s)->curve = curve_of(curved, 0);
  const size_t b = layer(s, shuffled, 10, 2);
  const size_t product = subject_map(s, a, 10, 1, 0, false); /* the gate is the later one */
  subject_last(s)->gate = whole(b);
  subject_last(s)->gate_curve = curve_of(curved, 1);
  subject_last(s)->residual = whole(a);
  const size_t scaled = subject_map(s, b, 10, 1, 0, false); /* and here the earlier one */
  subject_last(s)->gate = per_channel(factors);
  subject_last(s)->gate_curve = curve_of(curved, 2);
  const size_t c = layer(s, scaled, 14, 2);
  const size_t picked = subject_map(s, c, 6, 2, 0, true);
  picks = subject_picks(s);
  for (size_t i = 0; i < 6; i++) picks[i] = some[i];
  subject_last(s)->gate = (ap_engine_source){a, 2, 2, 1}; /* channel 0 is times nothing */
  const size_t square = subject_map(s, product, 7, 2, 0, false);
  picks = subject_picks(s);
  for (uint32_t i = 0; i < 7; i++) picks[i] = 3 + i; /* a slice */
  subject_last(s)->gate = (ap_engine_source){product, 2, 2, 0};
  subject_last(s)->gate_curve = curve_of(curved, 3);
  subject_last(s)->low = -3;
  const size_t joined = subject_concat(s, picked, square);
  subject_last(s)->gate = per_channel(factors); /* of the second half */
  (void)subject_layer(s, joined, 9, 4, 4, 1, 0, 1);
  subject_finish(s, n_images, &rng);
}

/* ---- random ----------------------------------------------------------------------------------- */
/* Every second time none, else one of the first n tensors. */
static size_t some_tensor(size_t n) {
  return ap_rng_below(&rng, 2) ? AP_ENGINE_NONE : ap_rng_below(&rng, n);
}

static size_t random_map(subject *s, size_t n_tensors, bool curved) {
  const size_t in = ap_rng_below(&rng, n_tensors), channels = 1 + ap_rng_below(&rng, 12);
  const size_t out = subject_map(s, in, channels, 1, ap_rng_below(&rng, 3), ap_rng_below(&rng, 2));
  ap_engine_op *o = subject_last(s);
  if (ap_rng_below(&rng, 2)) {
    uint32_t *picks = subject_picks(s);
    for (size_t c = 0; c < channels; c++) picks[c] = (uint32_t)ap_rng_below(&rng, s->tensors[in].c);
  }
  o->residual.tensor = some_tensor(n_tensors);
  o->gate.tensor = some_tensor(n_tensors);
  o->gate.first = ap_rng_below(&rng, 3);
  if (ap_rng_below(&rng, 2)) o->gate.stride_h = o->gate.stride_w = 0;
  o->curve = curve_of(curved && ap_rng_below(&rng, 2), ap_rng_below(&rng, 4));
  o->gate_curve = curve_of(curved && ap_rng_below(&rng, 2), ap_rng_below(&rng, 4));
  o->low = ap_rng_below(&rng, 2) ? -9 : -INFINITY;
  return out;
}

static void build_random(subject *s, bool curved) {
  const size_t in = subject_input(s, 1 + ap_rng_below(&rng, 9), 1 + ap_rng_below(&rng, 9),
                                  1 + ap_rng_below(&rng, 9));
  const size_t a = layer(s, in, 1 + ap_rng_below(&rng, 12), 1);
  (void)layer(s, a, 1 + ap_rng_below(&rng, 12), 1);
  (void)layer(s, random_map(s, 3, curved), 1 + ap_rng_below(&rng, 12), 1);
  (void)random_map(s, 5, curved);
  subject_finish(s, 1 + ap_rng_below(&rng, 40), &rng);
}

/* ---- tests -------------------------------------------------------------------------------------- */
/* Behind a curve numbers are no integers: see test_average of grouped_test.c. */
static double gate_tolerance(bool curved) { return !curved ? 0 : engine_bf16 ? 1.0 / 64 : 1e-5; }

static void test_gates(void **state) {
  (void)state;
  for (int curved = 0; curved < 2; curved++) {
    subject s = {.n_images = 0};
    build_gated(&s, 37, curved);
    add_levels(&s);
    const ap_engine_options options = options_with(0, 0);
    ap_engine *e = subject_engine(&s, engine_name, &options);
    for (uint32_t level = 0; level < 9; level++) {
      const uint32_t levels[MOST_LAYERS] = {level % 3, level / 3, (level + 1) % 3, level % 2};
      compare("gates", &s, e, levels, gate_tolerance(curved));
    }
    ap_engine_destroy(e);
    subject_release(&s);
  }
}

/* Groups, channels, all and each pixel's channels; alone, scaled, with a shortcut and clipped. */
static void build_norms(subject *s, size_t h, size_t w) {
  const size_t in = subject_input(s, 3, h, w);
  const size_t a = layer(s, in, 12, 1);
  const size_t groups = subject_norm(s, a, 3, false, true);
  subject_last(s)->residual = whole(a);
  const size_t b = layer(s, groups, 12, 2);
  const size_t pixels = subject_norm(s, b, 1, true, true);
  subject_last(s)->residual = whole(groups);
  subject_last(s)->low = 0;
  subject_last(s)->high = 3;
  const size_t all = subject_norm(s, pixels, 1, false, false);
  const size_t c = layer(s, all, 5, 1);
  const size_t each = subject_norm(s, c, 5, false, false);
  const size_t bare = subject_norm(s, each, 1, true, false);
  (void)subject_layer(s, bare, 9, h, w, 1, 0, 1);
  subject_finish(s, 37, &rng);
}

static void test_norms(void **state) {
  static const size_t sizes[][2] = {{4, 6}, {1, 5}, {7, 7}};
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    subject s = {.n_images = 0};
    build_norms(&s, sizes[i][0], sizes[i][1]);
    add_levels(&s);
    const ap_engine_options options = options_with(0, 0);
    ap_engine *e = subject_engine(&s, engine_name, &options);
    for (uint32_t level = 0; level < 3; level++) {
      const uint32_t levels[MOST_LAYERS] = {level, 0, (level + 1) % 3, level % 2};
      compare("norms", &s, e, levels, engine_bf16 ? 1.0 / 32 : 2e-5);
    }
    ap_engine_destroy(e);
    subject_release(&s);
  }
}

/* What the program pointed to may be gone before the first batch. */
static void test_program_is_copied(void **state) {
  (void)state;
  const uint32_t levels[MOST_LAYERS] = {0, 1, 2, 0};
  subject s = {.n_images = 0};
  build_gated(&s, 16, false);
  add_levels(&s);
  const ap_engine_options options = options_with(0, 0);
  ap_engine *e = subject_engine(&s, engine_name, &options);
  const size_t n = s.n_images * s.program.classes;
  float *want = ap_calloc(n, sizeof *want), *got = ap_calloc(n, sizeof *got);
  assert_true(want && got);
  subject_oracle(&s, levels, engine_bf16, want);
  memset(s.picks, 0, sizeof s.picks);
  memset(s.scale, 0, sizeof s.scale);
  memset(s.ops, 0, sizeof s.ops);
  must(ap_engine_logits(e, levels, got, &failure));
  assert_memory_equal(want, got, n * sizeof *want);
  ap_free(want);
  ap_free(got);
  ap_engine_destroy(e);
  subject_release(&s);
}

static void test_random_gates(void **state) {
  (void)state;
  candidates c = {.n = 0};
  char what[64];
  draw(&c, 9, 3);
  for (size_t i = 0; i < (engine_is_device ? 60 : 24); i++) {
    const bool curved = i % 2;
    subject s = {.n_images = 0};
    build_random(&s, curved);
    add_levels(&s);
    const ap_engine_options options = options_with(0, i % 3 ? 0 : 48 << 10);
    ap_engine *e = subject_engine(&s, engine_name, &options);
    (void)snprintf(what, sizeof what, "random gates %zu", i);
    for (size_t j = 0; j < c.n; j += 2)
      compare(what, &s, e, c.levels + 3 * j, gate_tolerance(curved));
    compare_batch(e, &c);
    ap_engine_destroy(e);
    subject_release(&s);
  }
}

/* The subject with its i-th operation, `o`, changed in one way. */
#define REFUSE_WITH(s, i, change)           \
  do {                                      \
    ap_engine_op *const o = &(s)->ops[(i)]; \
    const ap_engine_op kept = *o;           \
    change;                                 \
    refuse((s), AP_ERR_ARG);                \
    *o = kept;                              \
  } while (0)

static void test_gate_misuse(void **state) {
  (void)state;
  enum { LAYER = 1, POOL, SHUFFLE, PRODUCT = 5, SCALED }; /* of build_gated */
  subject s = {.n_images = 0};
  build_gated(&s, 16, false);
  s.picks[SHUFFLE][9] = 10; /* of 10 */
  refuse(&s, AP_ERR_ARG);
  s.picks[SHUFFLE][9] = UINT32_MAX;
  refuse(&s, AP_ERR_ARG);
  s.picks[SHUFFLE][9] = 3;
  REFUSE_WITH(&s, PRODUCT, o->gate.tensor = 99);
  REFUSE_WITH(&s, PRODUCT, o->gate.stride_w = 2);
  REFUSE_WITH(&s, PRODUCT, o->gate.stride_h = 0); /* neither a factor a channel nor one a pixel */
  REFUSE_WITH(&s, PRODUCT, o->gate.first = SIZE_MAX);
  REFUSE_WITH(&s, SCALED, o->gate.stride_h = o->gate.stride_w = 1); /* of one pixel */
  REFUSE_WITH(&s, PRODUCT, o->in.stride_h = o->in.stride_w = 0);
  REFUSE_WITH(&s, PRODUCT, o->residual.stride_h = o->residual.stride_w = 0);
  REFUSE_WITH(&s, LAYER, o->gate = s.ops[PRODUCT].gate);
  REFUSE_WITH(&s, LAYER, o->picks = s.picks[SHUFFLE]);
  REFUSE_WITH(&s, POOL, o->curve = AP_CURVE_MISH);
  REFUSE_WITH(&s, PRODUCT, o->gate_curve = AP_CURVES);
  REFUSE_WITH(&s, PRODUCT, o->curve = AP_CURVES);
  REFUSE_WITH(&s, POOL, o->gate_curve = AP_CURVE_DECAY);
  s.ops[SHUFFLE].in.first = SIZE_MAX; /* not looked at */
  const ap_engine_options options = options_with(0, 0);
  ap_engine_destroy(subject_engine(&s, engine_name, &options));
  subject_release(&s);
}

static void test_gate_batches(void **state) {
  (void)state;
  subject s = {.n_images = 0};
  build_gated(&s, 35, true);
  add_levels(&s);
  compare_batches(&s, false);
  compare_batches(&s, true);
  subject_release(&s);
}

int run_grouped_gates(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gates),
      cmocka_unit_test(test_norms),
      cmocka_unit_test(test_program_is_copied),
      cmocka_unit_test(test_random_gates),
      cmocka_unit_test(test_gate_batches),
      cmocka_unit_test(test_gate_misuse),
  };
  return cmocka_run_group_tests_name("gates", tests, NULL, NULL);
}
