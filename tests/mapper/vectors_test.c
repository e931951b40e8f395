#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "mapper/quantise.h"
#include "mapper/vectors.h"

static void names_round_trip(void **state) {
  static const char *const good[] = {
      "dense",      "unstructured",    "filter",        "column-vector", "row-vector",
      "block",      "column-vector:9", "row-vector:16", "block:128x32",  "channel",
      "channel:25", "column-vector:R", "pattern",       "pattern:9",     "pattern:9x4",
      "bit-column", "bit-column:4"};
  static const char *const bad[] = {
      "",         "row",           "row-vector:",      "row-vector:0",
      "filter:3", "block:3",       "block:3x",         "block:3x4x5",
      "dense ",   "row-vector:-1", "row-vector:1a",    "row-vector:99999999999999999999",
      "channel:", "row-vector:R",  "column-vector:R9", "column-vector:r"};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    ap_granularity g;
    char text[64];
    assert_int_equal(ap_granularity_parse(good[i], &g, NULL), AP_OK);
    ap_granularity_print(g, text);
    assert_string_equal(text, good[i]);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    ap_granularity g;
    ap_error err;
    assert_int_equal(ap_granularity_parse(bad[i], &g, &err), AP_ERR_ARG);
    assert_non_null(strstr(err.text, bad[i]));
  }
}

/* 20 x 10 with the default array: bands of 9, 9, 2 rows; groups of 8/4 = 2 columns. */
static void partition_by_hand(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_partition p;
  ap_extent e;
  (void)state;
  assert_int_equal(ap_partition_init((ap_granularity){AP_GRANULARITY_COLUMN_VECTOR, 0, 0}, &spec,
                                     20, 10, &p, NULL),
                   AP_OK);
  assert_int_equal(p.count, 30);
  assert_int_equal(p.lines, 3);
  e = ap_partition_vector(&p, 23);
  assert_true(e.k0 == 18 && e.k1 == 20 && e.n0 == 3 && e.n1 == 4);
  assert_int_equal(
      ap_partition_init((ap_granularity){AP_GRANULARITY_ROW_VECTOR, 0, 0}, &spec, 20, 9, &p, NULL),
      AP_OK);
  assert_int_equal(p.count, 5 * 20);
  assert_int_equal(p.granularity.w, 2);
  e = ap_partition_vector(&p, 4 * 20 + 7);
  assert_true(e.k0 == 7 && e.k1 == 8 && e.n0 == 8 && e.n1 == 9);
  /* blocks 12 x 4 over 20 x 9: block rows of 12, 8; block columns of 4, 4, 1.
   * First block row: (12+4) + (12+4) + (12+1) = 45 units; second: (8+4)*2 + 9 = 33. */
  assert_int_equal(
      ap_partition_init((ap_granularity){AP_GRANULARITY_BLOCK, 12, 4}, &spec, 20, 9, &p, NULL),
      AP_OK);
  assert_int_equal(p.count, 78);
  e = ap_partition_vector(&p, 44);
  assert_true(e.k0 == 0 && e.k1 == 12 && e.n0 == 8 && e.n1 == 9);
  e = ap_partition_vector(&p, 45 + 12 + 7);
  assert_true(e.k0 == 19 && e.k1 == 20 && e.n0 == 4 && e.n1 == 8);
  e = ap_partition_vector(&p, 77);
  assert_true(e.k0 == 12 && e.k1 == 20 && e.n0 == 8 && e.n1 == 9);
}

/* Without overlap, vectors cover every weight once; blocks cover it twice. */
static void vectors_cover(void **state) {
  static const char *const names[] = {"dense",           "unstructured", "column-vector",
                                      "row-vector:3",    "filter",       "block:5x4",
                                      "column-vector:7", "channel:9",    "column-vector:R"};
  ap_array_spec spec = ap_array_spec_default();
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    enum { K = 23, N = 11 };
    ap_granularity g;
    ap_partition p;
    int seen[K * N] = {0}, times = strncmp(names[i], "block", 5) == 0 ? 2 : 1;
    assert_int_equal(ap_granularity_parse(names[i], &g, NULL), AP_OK);
    assert_int_equal(ap_partition_init(g, &spec, K, N, &p, NULL), AP_OK);
    for (size_t v = 0; v < p.count; v++) {
      ap_extent e = ap_partition_vector(&p, v);
      assert_true(e.k0 < e.k1 && e.k1 <= K && e.n0 < e.n1 && e.n1 <= N);
      for (size_t k = e.k0; k < e.k1; k++) {
        for (size_t n = e.n0; n < e.n1; n++) seen[k * N + n]++;
      }
    }
    for (size_t w = 0; w < (size_t)K * N; w++) assert_int_equal(seen[w], times);
  }
}

/* kept(mask(w)) is the mask; weights_kept counts what mask leaves; squares add up. */
static void masks_agree(void **state) {
  static const char *const names[] = {"unstructured", "column-vector", "row-vector", "filter",
                                      "block:5x4",    "dense",         "channel:4",  "pattern:4"};
  ap_array_spec spec = ap_array_spec_default();
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 7, 0);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    enum { K = 29, N = 13 };
    float w[K * N];
    ap_granularity g;
    ap_partition p;
    uint8_t *kept = NULL, *found = NULL;
    double *score = NULL, total = 0.0, sum = 0.0;
    uint64_t left = 0;
    bool is_block = strncmp(names[i], "block", 5) == 0;
    assert_int_equal(ap_granularity_parse(names[i], &g, NULL), AP_OK);
    assert_int_equal(ap_partition_init(g, &spec, K, N, &p, NULL), AP_OK);
    kept = ap_calloc(p.count, 1);
    found = ap_calloc(p.count, 1);
    score = ap_calloc(p.count, sizeof *score);
    for (size_t j = 0; j < (size_t)K * N; j++) {
      w[j] = (float)(1 + ap_rng_below(&rng, 5));
      total += (double)w[j] * (double)w[j];
    }
    ap_partition_squares(&p, w, score);
    for (size_t v = 0; v < p.count; v++) sum += score[v];
    assert_true(sum == (is_block ? 2 : 1) * total);
    for (size_t v = 0; v < p.count; v++) kept[v] = ap_rng_uniform(&rng) < 0.6;
    if (g.kind == AP_GRANULARITY_DENSE) kept[0] = 1;
    ap_partition_mask_f32(&p, kept, w);
    for (size_t j = 0; j < (size_t)K * N; j++) left += w[j] != 0.0F;
    assert_int_equal(left, ap_partition_weights_kept(&p, kept));
    ap_partition_kept_f32(&p, w, found);
    if (!is_block) assert_memory_equal(kept, found, p.count);
    assert_int_equal(left, ap_partition_weights_kept(&p, found));
    ap_free(kept);
    ap_free(found);
    ap_free(score);
  }
}

static void sizes_refused(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  ap_granularity g = {AP_GRANULARITY_FILTER, 0, 0};
  ap_partition p;
  (void)state;
  assert_int_equal(ap_partition_init(g, &spec, 0, 4, &p, NULL), AP_ERR_ARG);
  assert_int_equal(ap_partition_init(g, &spec, 4, 0, &p, NULL), AP_ERR_ARG);
  assert_int_equal(ap_partition_init(g, &spec, SIZE_MAX, 2, &p, NULL), AP_ERR_ARG);
  assert_int_equal(ap_partition_init(g, &spec, (size_t)1 << 21, (size_t)1 << 20, &p, NULL),
                   AP_ERR_ARG);
}

static void quantisation(void **state) {
  const float w[] = {0.0F, 1.27F, -1.27F, 0.01F, 0.015F, -0.004F, 0.005F};
  const float zeros[3] = {0}, bad[2] = {0.0F, NAN}, tiny[2] = {1e-45F, -1e-45F};
  int32_t q[7];
  float scale = 0;
  ap_error err;
  (void)state;
  assert_int_equal(ap_quantise_weights(w, 7, 8, q, &scale, NULL), AP_OK);
  assert_true(fabsf(scale - 0.01F) < 1e-8F);
  assert_int_equal(q[0], 0);
  assert_int_equal(q[1], 127);
  assert_int_equal(q[2], -127);
  assert_int_equal(q[3], 1);
  assert_int_equal(q[5], 0);
  assert_int_equal(ap_quantise_weights(zeros, 3, 8, q, &scale, NULL), AP_OK);
  assert_true(scale == 1.0F && q[0] == 0 && q[2] == 0);
  assert_int_equal(ap_quantise_weights(tiny, 2, 8, q, &scale, NULL), AP_OK);
  assert_true(scale > 0.0F && q[0] == 1 && q[1] == -1);
  assert_int_equal(ap_quantise_weights(bad, 2, 8, q, &scale, &err), AP_ERR_FORMAT);
  assert_non_null(strstr(err.text, "weight 1"));
  assert_int_equal(ap_quantise_weights(w, 7, 1, q, &scale, NULL), AP_ERR_ARG);
  assert_int_equal(ap_quantise_weights(w, 7, 17, q, &scale, NULL), AP_ERR_ARG);
  for (unsigned bits = 2; bits <= 16; bits++) { /* error at most half a level */
    assert_int_equal(ap_quantise_weights(w, 7, bits, q, &scale, NULL), AP_OK);
    for (int i = 0; i < 7; i++) {
      assert_true(fabs((double)q[i] * (double)scale - (double)w[i]) <= 0.5001 * (double)scale);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_round_trip), cmocka_unit_test(partition_by_hand),
      cmocka_unit_test(vectors_cover),    cmocka_unit_test(masks_agree),
      cmocka_unit_test(sizes_refused),    cmocka_unit_test(quantisation)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
