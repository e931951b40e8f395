/* The engine of many candidates against plain loops, exactly: odd shapes, every pattern of weights,
 * every operation, classes and images around the tiles' sizes; and a candidate's result is the same
 * bits in every batch. Usage: grouped_test ENGINE fp32|bf16; exit 77 when the engine is not here.
 * cuda-emulated-threads runs what its threads can change: layers, and batches of several. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/grouped/engine_impl.h"
#include "tests/kernels/grouped_checks.h"

#define SEED 20210614u

/* ---- layers ----------------------------------------------------------------------------------- */
typedef struct {
  size_t n, c, h, w, out, kh, kw, stride, pad, groups;
  size_t shared; /* KiB of a block; 0: all */
  size_t dilation;
} layer_case;

/* Around blocks of 16 images, tiles of 8 to 128 output channels and 1 to 128 positions. */
static const layer_case layers[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1},     {15, 3, 5, 4, 7, 3, 3, 1, 1, 1, 0, 1},
    {16, 5, 8, 8, 8, 3, 3, 1, 1, 1, 0, 1},    {17, 4, 9, 7, 9, 3, 3, 2, 1, 1, 0, 1},
    {3, 16, 11, 13, 16, 3, 3, 1, 1, 1, 0, 1}, {33, 7, 4, 4, 17, 3, 3, 1, 1, 1, 48, 1},
    {5, 13, 2, 2, 31, 3, 3, 1, 1, 1, 42, 1},  {2, 33, 3, 3, 64, 3, 3, 1, 1, 1, 48, 1},
    {18, 11, 1, 1, 127, 1, 1, 1, 0, 1, 0, 1}, {4, 6, 6, 5, 128, 1, 1, 1, 0, 1, 0, 1},
    {2, 19, 5, 5, 129, 3, 3, 1, 1, 1, 48, 1}, {1, 8, 17, 16, 65, 5, 3, 2, 2, 1, 64, 1},
    {2, 8, 7, 6, 24, 3, 3, 1, 1, 8, 0, 1},    {3, 6, 6, 6, 10, 2, 3, 1, 0, 2, 0, 1},
    {19, 50, 4, 4, 37, 4, 4, 1, 0, 1, 0, 1},  {40, 3, 12, 10, 6, 7, 5, 3, 3, 1, 0, 1},
    {257, 2, 3, 2, 5, 3, 2, 1, 1, 1, 0, 1},   {1, 130, 2, 2, 200, 3, 3, 1, 1, 1, 48, 1},
    {6, 1, 20, 31, 3, 20, 31, 1, 0, 1, 0, 1}, {17, 4, 9, 7, 9, 3, 3, 2, 3, 1, 0, 3},
    {3, 6, 8, 8, 24, 3, 3, 1, 2, 2, 0, 2},    {5, 13, 4, 4, 31, 3, 2, 1, 2, 1, 42, 2},
};

static void compare_layer(const char *kind, size_t i, const layer_case *k) {
  static const double keep[PATTERNS] = {1, 0.1, 0.15, 0.2, 0.3, 0.2, 0};
  char what[64];
  subject s = {.n_images = 0};
  const size_t in = subject_input(&s, k->c, k->h, k->w);
  (void)subject_dilated(&s, in, k->out, k->kh, k->kw, k->stride, k->pad, k->groups, k->dilation);
  subject_last(&s)->low = i % 2 ? 0 : -INFINITY;
  subject_last(&s)->high = i % 3 ? INFINITY : 40;
  subject_finish(&s, k->n, &rng);
  for (pattern p = 0; p < PATTERNS; p++) subject_level(&s, p, keep[p], &rng);
  const ap_engine_options options = options_with(0, k->shared << 10);
  ap_engine *e = subject_engine(&s, engine_name, &options);
  for (uint32_t level = 0; level < PATTERNS; level++) {
    (void)snprintf(what, sizeof what, "%s layer %zu pattern %u", kind, i, level);
    compare(what, &s, e, &level, 0);
  }
  ap_engine_destroy(e);
  subject_release(&s);
}

static void test_layers(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
    compare_layer("listed", i, &layers[i]);
}

static void test_random_layers(void **state) {
  (void)state;
  for (size_t i = 0; i < 40; i++) {
    layer_case k = {.n = 1 + ap_rng_below(&rng, 40),
                    .groups = ap_rng_below(&rng, 3) ? 1 : 1 + ap_rng_below(&rng, 3),
                    .h = 1 + ap_rng_below(&rng, 9),
                    .w = 1 + ap_rng_below(&rng, 9),
                    .stride = 1 + ap_rng_below(&rng, 3),
                    .pad = ap_rng_below(&rng, 3),
                    .shared = ap_rng_below(&rng, 2) ? 0 : 42 + ap_rng_below(&rng, 40)};
    k.c = k.groups * (1 + ap_rng_below(&rng, 12));
    k.out = k.groups * (1 + ap_rng_below(&rng, 40));
    k.kh = 1 + ap_rng_below(&rng, k.h < 4 ? k.h : 4);
    k.kw = 1 + ap_rng_below(&rng, k.w < 4 ? k.w : 4);
    k.dilation = (k.kh - 1) * 2 < k.h && (k.kw - 1) * 2 < k.w ? 1 + ap_rng_below(&rng, 2) : 1;
    compare_layer("random", i, &k);
  }
}

/* ---- pooling in a layer ------------------------------------------------------------------------ */
/* A layer and the largest of every 2 x 2; between: something else reads the layer's output, too; fits: a
 * window of windows does. */
static void compare_pooled(size_t i, const layer_case *k, bool between, bool fits) {
  char what[64];
  subject s = {.n_images = 0};
  const size_t in = subject_input(&s, k->c, k->h, k->w);
  const size_t full =
      subject_dilated(&s, in, k->out, k->kh, k->kw, k->stride, k->pad, k->groups, k->dilation);
  subject_last(&s)->low = i % 2 ? 0 : -100; /* what bfloat16 has exactly */
  subject_last(&s)->high = 100;
  const size_t pool = s.program.n_ops, half = subject_pool(&s, full, 2, 2, 0, true, false);
  if (i % 3 == 0) subject_last(&s)->high = 50;
  if (between) (void)subject_concat(&s, half, subject_pool(&s, full, 2, 2, 0, true, false));
  subject_finish(&s, k->n, &rng);
  for (pattern p = 0; p < PATTERNS; p++) subject_level(&s, p, 0.2, &rng);
  const ap_engine_options options = options_with(0, k->shared << 10);
  ap_engine *e = subject_engine(&s, engine_name, &options);
  /* outputs of the network are float32, and kept */
  assert_true(e->fused[pool] == (engine_bf16 && !between && fits && s.program.logits != half));
  for (uint32_t level = 0; level < PATTERNS; level++) {
    (void)snprintf(what, sizeof what, "pooled layer %zu pattern %u", i, level);
    compare(what, &s, e, &level, 0);
  }
  ap_engine_destroy(e);
  subject_release(&s);
}

static void test_pooled_layers(void **state) {
  (void)state;
  static const layer_case some[] = {
      {1, 1, 2, 2, 1, 1, 1, 1, 0, 1, 0, 1},     {17, 3, 5, 4, 7, 3, 3, 1, 1, 1, 0, 1},
      {16, 5, 8, 8, 8, 3, 3, 1, 1, 1, 0, 1},    {33, 4, 9, 7, 19, 3, 3, 1, 1, 1, 0, 1},
      {3, 16, 11, 13, 16, 3, 3, 1, 1, 1, 0, 1}, {18, 7, 4, 4, 33, 3, 3, 1, 1, 1, 64, 1},
      {5, 13, 2, 2, 129, 3, 3, 1, 1, 1, 64, 1}, {2, 19, 16, 16, 65, 3, 3, 1, 1, 1, 0, 1},
      {2, 8, 17, 16, 24, 5, 3, 2, 2, 1, 64, 1}, {19, 6, 6, 6, 10, 2, 3, 1, 0, 2, 0, 1},
  };
  for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
    compare_pooled(i, &some[i], i % 5 == 4, true);
  const layer_case large = {2, 1, 20, 21, 3, 18, 18, 1, 0, 1, 64, 1};
  if (engine_bf16) compare_pooled(50, &large, false, false); /* of float32 it never fits */
  for (size_t i = 0; i < 20; i++) {
    layer_case k = {.n = 1 + ap_rng_below(&rng, 40),
                    .groups = 1 + ap_rng_below(&rng, 2),
                    .h = 2 + ap_rng_below(&rng, 11),
                    .w = 2 + ap_rng_below(&rng, 11),
                    .stride = 1,
                    .pad = 1,
                    .dilation = 1,
                    .shared = ap_rng_below(&rng, 2) ? 0 : 64 + ap_rng_below(&rng, 40)};
    k.c = k.groups * (1 + ap_rng_below(&rng, 12));
    k.out = k.groups * (1 + ap_rng_below(&rng, 40));
    k.kh = 1 + ap_rng_below(&rng, 3);
    k.kw = 1 + ap_rng_below(&rng, 3);
    compare_pooled(100 + i, &k, i % 4 == 3, true);
  }
}

/* ---- all operations ---------------------------------------------------------------------------- */
/* Every operation, residuals with strides and offsets, a concatenation, a tensor that lives long. */
static void build_mixed(subject *s, size_t n_images) {
  const size_t in = subject_input(s, 3, 9, 8);
  const size_t a = subject_layer(s, in, 10, 3, 3, 1, 1, 1);
  subject_last(s)->low = 0;
  const size_t b = subject_map(s, a, 10, 1, 0, true);
  const size_t c = subject_layer(s, b, 14, 3, 3, 2, 1, 2);
  subject_last(s)->residual = (ap_engine_source){a, 2, 2, 2}; /* channels 2..11 of 14 */
  subject_last(s)->high = 60;
  const size_t d = subject_pool(s, c, 3, 1, 1, true, false);
  const size_t f = subject_map(s, a, 14, 2, 3, false);
  subject_last(s)->residual = (ap_engine_source){d, 1, 1, 0};
  subject_last(s)->low = -20;
  const size_t g = subject_concat(s, subject_layer(s, f, 5, 1, 1, 1, 0, 1), c);
  (void)subject_layer(s, g, 9, 5, 4, 1, 0, 1);
  subject_finish(s, n_images, &rng);
  add_levels(s);
}

static void test_every_operation(void **state) {
  (void)state;
  static const size_t images[] = {1, 16, 50};
  for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
    subject s = {.n_images = 0};
    build_mixed(&s, images[i]);
    const ap_engine_options options = options_with(0, i == 1 ? 48 << 10 : 0);
    ap_engine *e = subject_engine(&s, engine_name, &options);
    for (uint32_t level = 0; level < 3; level++) {
      const uint32_t levels[MOST_LAYERS] = {level, (level + 1) % 3, (uint32_t)(level + i) % 3,
                                            level};
      compare("mixed", &s, e, levels, 0);
    }
    ap_engine_destroy(e);
    subject_release(&s);
  }
}

/* Means are no integers: what bfloat16 rounds may fall on the other side. */
static void test_average(void **state) {
  (void)state;
  for (int kind = 0; kind < 3; kind++) { /* uncounted, counted padding; zeros around the image */
    subject s = {.n_images = 0};
    const size_t in = subject_input(&s, 5, 7, 6);
    (void)subject_pool(&s, in, kind < 2 ? 3 : 1, kind < 2 ? 2 : 1, 1, false, kind > 0);
    subject_finish(&s, 21, &rng);
    const ap_engine_options options = options_with(0, 0);
    ap_engine *e = subject_engine(&s, engine_name, &options);
    compare("average", &s, e, NULL, engine_bf16 ? 1.0 / 128 : 1e-6);
    ap_engine_destroy(e);
    subject_release(&s);
  }
}

/* ---- scores ----------------------------------------------------------------------------------- */
/* Loss and prediction in double from the engine's own outputs. */
static void score_oracle(const subject *s, const float *z, ap_engine_result *out) {
  const size_t classes = s->program.classes;
  *out = (ap_engine_result){0, 0};
  for (size_t i = 0; i < s->n_images; i++, z += classes) {
    size_t best = 0;
    double sum = 0;
    for (size_t c = 1; c < classes; c++)
      if (z[c] > z[best]) best = c;
    for (size_t c = 0; c < classes; c++) sum += exp((double)z[c] - (double)z[best]);
    out->loss += log(sum) + (double)z[best] - (double)z[s->labels[i]];
    out->correct += best == (size_t)s->labels[i];
  }
}

static void test_scores(void **state) {
  (void)state;
  static const size_t cases[][2] = {{1, 3},   {2, 17},  {7, 1},   {8, 15},   {9, 16},   {10, 257},
                                    {63, 31}, {64, 33}, {97, 40}, {127, 16}, {129, 15}, {1000, 18}};
  const size_t first = 0;
  const uint32_t level = 0;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    subject s = {.n_images = 0};
    /* one input: outputs of a class repeat, the first of equal ones counts */
    (void)subject_layer(&s, subject_input(&s, 1, 1, 1), cases[i][0], 1, 1, 1, 0, 1);
    subject_finish(&s, cases[i][1], &rng);
    subject_level(&s, PATTERN_SINGLE, 0.8, &rng);
    const ap_engine_options options = options_with(0, 0);
    ap_engine *e = subject_engine(&s, engine_name, &options);
    float *z = ap_calloc(s.n_images * s.program.classes, sizeof *z);
    ap_engine_result want, got = {NAN, 0};
    assert_non_null(z);
    must(ap_engine_logits(e, &level, z, &failure));
    score_oracle(&s, z, &want);
    must(ap_engine_submit(e, 1, &level, &first, &first, &failure));
    must(ap_engine_collect(e, &got, &failure));
    assert_int_equal(got.correct, want.correct);
    if (!(fabs(got.loss - want.loss) <= 1e-11 * (1 + want.loss)))
      fail_msg("%zu classes, %zu images: loss %.17g, expected %.17g", cases[i][0], cases[i][1],
               got.loss, want.loss);
    ap_free(z);
    ap_engine_destroy(e);
    subject_release(&s);
  }
}

/* ---- batches ---------------------------------------------------------------------------------- */
static void test_batches(void **state) {
  (void)state;
  subject s = {.n_images = 0};
  build_mixed(&s, 35);
  compare_batches(&s, false);
  compare_batches(&s, true);
  subject_release(&s);
}

static void test_times(void **state) {
  (void)state;
  const size_t first = 0;
  const uint32_t levels[MOST_LAYERS] = {0};
  double seconds = -1;
  ap_engine_result result;
  subject s = {.n_images = 0};
  build_mixed(&s, 16);
  const ap_engine_options options = options_with(0, 0);
  ap_engine *e = subject_engine(&s, engine_name, &options);
  assert_int_equal(ap_engine_measure(e, false, &seconds, &failure), AP_ERR_ARG);
  must(ap_engine_submit(e, 1, levels, &first, &first, &failure));
  assert_int_equal(ap_engine_measure(e, false, &seconds, &failure), AP_ERR_ARG);
  must(ap_engine_collect(e, &result, &failure));
  for (int cold = 0; cold < 2; cold++) {
    must(ap_engine_measure(e, cold, &seconds, &failure));
    assert_true(seconds > 0);
    const ap_status st = ap_engine_measure_products(e, cold, &seconds, &failure);
    assert_int_equal(st, strcmp(engine_name, "cuda") == 0 ? AP_OK : AP_ERR_UNSUPPORTED);
    assert_true(seconds > 0);
  }
  ap_engine_destroy(e);
  subject_release(&s);
}

static void test_destroyed_under_way(void **state) {
  (void)state;
  const size_t first = 0;
  const uint32_t levels[MOST_LAYERS] = {0};
  subject s = {.n_images = 0};
  build_mixed(&s, 16);
  const ap_engine_options options = options_with(0, 0);
  ap_engine *e = subject_engine(&s, engine_name, &options);
  must(ap_engine_submit(e, 1, levels, &first, &first, &failure));
  ap_engine_destroy(e);
  subject_release(&s);
}

/* ---- misuse ----------------------------------------------------------------------------------- */
static void test_misuse(void **state) {
  (void)state;
  const size_t first = 0, late = 1;
  const uint32_t levels[MOST_LAYERS] = {0, 0, 3, 0};
  ap_engine_result result;
  subject s = {.n_images = 0};
  build_mixed(&s, 16);
  const ap_engine_op layer = s.ops[1];
  s.ops[1].layer = 7;
  refuse(&s, AP_ERR_ARG);
  s.ops[1] = layer;
  s.ops[1].groups = 2; /* of 3 channels */
  refuse(&s, AP_ERR_ARG);
  s.ops[1] = layer;
  s.ops[1].in.tensor = 99;
  refuse(&s, AP_ERR_ARG);
  s.ops[1] = layer;
  s.ops[3].residual.stride_h = 9;
  refuse(&s, AP_ERR_ARG);
  s.ops[3].residual.stride_h = 2;
  s.labels[3] = 9;
  refuse(&s, AP_ERR_ARG);
  s.labels[3] = 8;
  const size_t images = s.n_images;
  s.n_images = 0;
  refuse(&s, AP_ERR_ARG);
  s.n_images = images;
  assert_int_equal(ap_engine_available("abacus", &failure), AP_ERR_ARG);

  const ap_engine_options options = options_with(0, 0);
  ap_engine *e = subject_engine(&s, engine_name, &options);
  assert_true(ap_engine_level_bytes(e) > 0 && ap_engine_describe(e)[0]);
  assert_int_equal(ap_engine_submit(e, 1, levels, &first, &first, &failure), AP_ERR_ARG);
  assert_int_equal(ap_engine_logits(e, levels, NULL, &failure), AP_ERR_ARG);
  assert_int_equal(ap_engine_submit(e, 1, levels, &first, &late, &failure), AP_ERR_ARG);
  assert_int_equal(ap_engine_submit(e, 0, levels, &first, &first, &failure), AP_ERR_ARG);
  assert_int_equal(ap_engine_collect(e, &result, &failure), AP_ERR_ARG);
  assert_int_equal(ap_engine_add_level(e, 4, s.matrix[0][0], NULL, &failure), AP_ERR_ARG);
  s.matrix[0][0][5] = NAN;
  assert_int_equal(ap_engine_add_level(e, 0, s.matrix[0][0], NULL, &failure), AP_ERR_ARG);
  ap_engine_destroy(e);
  const ap_engine_options tiny = options_with(1000, 0);
  assert_int_equal(ap_engine_create(engine_name, &s.program, s.n_images, s.pixels, s.labels, &tiny,
                                    &e, &failure),
                   AP_ERR_MEMORY);
  subject_release(&s);

  subject wide = {.n_images = 0}; /* a window that no shared memory holds */
  (void)subject_layer(&wide, subject_input(&wide, 1, 80, 80), 2, 80, 80, 1, 0, 1);
  subject_finish(&wide, 2, &rng);
  refuse(&wide, AP_ERR_UNSUPPORTED);
  subject_release(&wide);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layers),
      cmocka_unit_test(test_random_layers),
      cmocka_unit_test(test_pooled_layers),
      cmocka_unit_test(test_every_operation),
      cmocka_unit_test(test_average),
      cmocka_unit_test(test_scores),
      cmocka_unit_test(test_batches),
      cmocka_unit_test(test_times),
      cmocka_unit_test(test_destroyed_under_way),
      cmocka_unit_test(test_misuse),
  };
  const struct CMUnitTest crew_tests[] = {
      cmocka_unit_test(test_layers),
      cmocka_unit_test(test_pooled_layers),
      cmocka_unit_test(test_every_operation),
      cmocka_unit_test(test_batches),
  };
  if (argc != 3) {
    (void)fprintf(stderr, "usage: %s cuda|cuda-emulated|cuda-emulated-threads fp32|bf16\n",
                  argv[0]);
    return 2;
  }
  engine_name = argv[1];
  engine_is_device = strcmp(engine_name, "cuda") == 0;
  engine_bf16 = strcmp(argv[2], "bf16") == 0;
  const ap_status st = ap_engine_available(engine_name, &failure);
  if (st) (void)printf("%s: %s\n", st == AP_ERR_UNSUPPORTED ? "skipped" : "failed", failure.text);
  if (st) return st == AP_ERR_UNSUPPORTED ? 77 : 1;
  (void)printf("seed %u\n", SEED);
  ap_rng_seed(&rng, SEED, 0);
  if (strcmp(engine_name, "cuda-emulated-threads") == 0)
    return cmocka_run_group_tests(crew_tests, NULL, NULL) + run_grouped_joins(true) ? 1 : 0;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  return failed + run_grouped_gates() + run_grouped_joins(false) ? 1 : 0;
}
