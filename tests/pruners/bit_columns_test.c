/* Bit-columns of weights: scores, and rounding that survives being quantised again. */
#include <float.h>
#include <math.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "pruners/baselines/baselines_impl.h"
#include "pruners/pruner.h"
#include "pruners/quantised_layer.h"
#include "tests/base/testing.h"

static ap_error failure;

static void must(ap_status st) {
  if (st) fail_msg("%s", failure.text);
}

enum { K = 31, N = 6 };

typedef struct {
  ap_array_spec spec;
  ap_partition p;
  float w[K * N];
} layer;

static void make(layer *l, int encoding, int slices, unsigned weight_bits, unsigned cell_bits,
                 ap_rng *rng) {
  l->spec = ap_array_spec_default();
  l->spec.encoding = (ap_encoding)encoding;
  l->spec.slices = (ap_slices)slices;
  l->spec.weight_bits = weight_bits;
  l->spec.cell_bits = cell_bits;
  must(ap_partition_init((ap_granularity){AP_GRANULARITY_BIT_COLUMN, 0, 0}, &l->spec, K, N, &l->p,
                         &failure));
  for (size_t i = 0; i < (size_t)K * N; i++) l->w[i] = (float)ap_rng_normal(rng);
  for (size_t k = 0; k < K; k++) l->w[k * N + 2] = 0; /* a filter of nothing */
  for (size_t k = 0; k < K; k++) l->w[k * N + 3] = fabsf(l->w[k * N + 3]);
}

/* Slices of a vector by rising value of their digit. */
static size_t line(const layer *l, size_t band, size_t column, size_t slice) {
  size_t s = l->p.slices;
  return band * N * s +
         (l->spec.slices == AP_SLICES_SEPARATE ? slice * N + column : column * s + slice);
}

static void scores_rise_with_the_slice(void **state) {
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 8, 0);
  for (int i = 0; i < 12; i++) {
    layer l;
    double *score;
    size_t digits, pinned = 0;
    make(&l, i % 3, i / 3 % 2, i < 6 ? 8 : 5, i < 6 ? 2 : 3, &rng);
    digits = l.spec.encoding == AP_ENCODING_OFFSET            ? l.p.slices
             : l.spec.encoding == AP_ENCODING_TWOS_COMPLEMENT ? l.p.slices - 1
                                                              : l.p.slices / 2;
    score = ap_calloc(l.p.count, sizeof *score);
    must(ap_bit_column_scores(&l.p, l.w, score, &failure));
    for (size_t band = 0; band < l.p.lines; band++) {
      for (size_t j = 0; j < N; j++) {
        bool pin = score[line(&l, band, j, 0)] > DBL_MAX / 4;
        pinned += pin;
        assert_false(pin && j == 2);
        for (size_t d = 0; d < l.p.slices; d++) {
          assert_true(isfinite(score[line(&l, band, j, d)]) && score[line(&l, band, j, d)] >= 0);
          if (j == 2) assert_true(score[line(&l, band, j, d)] == 0);
          if (d > 0 && d < digits && !pin && j != 2) {
            assert_true(score[line(&l, band, j, d)] > score[line(&l, band, j, d - 1)]);
          }
          if (l.spec.encoding == AP_ENCODING_DIFFERENTIAL) {
            assert_true(score[line(&l, band, j, d)] == score[line(&l, band, j, d % digits)]);
          }
        }
      }
    }
    assert_int_equal(pinned, N - 1); /* one vector of every filter that has any weight */
    ap_free(score);
  }
}

/* All prefixes of the order: what is rounded has only kept bit-columns (and pinned vectors), stays within
 * half a step of the quantised weights, and is on the grid that quantising it again finds. */
static void rounding_is_on_the_grid(void **state) {
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 9, 0);
  for (int i = 0; i < 12; i++) {
    layer l;
    ap_pruner pruner;
    uint32_t *order;
    uint8_t *kept, *found;
    int32_t dense[K * N], q[K * N];
    float scale[N], again[N], w[K * N];
    size_t last = SIZE_MAX;
    make(&l, i % 3, i / 3 % 2, i < 6 ? 8 : 5, i < 6 ? 2 : 3, &rng);
    must(ap_pruner_parse("bit-column", &pruner, &failure));
    order = ap_calloc(l.p.count, sizeof *order);
    kept = ap_calloc(l.p.count, 1);
    found = ap_calloc(l.p.count, 1);
    must(ap_pruner_order(&l.p, pruner.criterion, l.w, order, &failure));
    must(ap_quantise_columns(l.w, K, N, l.spec.weight_bits, dense, scale, &failure));
    for (size_t m = l.p.count; m > 0; m -= m < 17 ? m : 17) {
      size_t held = 0;
      ap_pruner_keep_first(order, l.p.count, m, kept);
      memcpy(w, l.w, sizeof w);
      must(ap_bit_columns_round(&l.p, kept, w, &failure));
      must(ap_quantise_columns(w, K, N, l.spec.weight_bits, q, again, &failure));
      ap_partition_kept(&l.p, q, found);
      for (size_t v = 0; v < l.p.count; v++) {
        ap_extent e = ap_partition_vector(&l.p, v);
        bool pinned = false; /* its column's largest integer is here */
        for (size_t k = e.k0; k < e.k1; k++) {
          pinned = pinned || abs(dense[k * N + e.n0]) == ap_array_weight_max(&l.spec);
        }
        if (!kept[v] && !pinned) assert_int_equal(found[v], 0);
        held += found[v];
      }
      for (size_t k = 0; k < (size_t)K * N; k++) {
        double value = (double)q[k] * (double)again[k % N];
        assert_true(fabs(value - (double)w[k]) <= 1e-6 * fabs(value)); /* nothing moved */
      }
      if (m == l.p.count) assert_memory_equal(q, dense, sizeof q);
      assert_true(held <= last); /* fewer and fewer */
      last = held;
    }
    ap_free(order);
    ap_free(kept);
    ap_free(found);
  }
}

/* One filter of 2 bands of 9 rows (offset, 8 bits of 2 a cell). The first holds 127, which pins it. The
 * second loses its lowest slice: multiples of 4, at most 124. */
static void by_hand(void **state) {
  float w[18] = {127, 3, -1, 0, 0, 0, 0, 0, 0, 5, 6, -7, 126, -125, 1, 2, -2, 0};
  const float expected[18] = {127, 3, -1, 0, 0, 0, 0, 0, 0, 4, 8, -8, 124, -124, 0, 4, -4, 0};
  const uint8_t kept[8] = {0, 0, 0, 0, 0, 1, 1, 1};
  ap_array_spec spec = ap_array_spec_default();
  ap_partition p;
  (void)state;
  must(ap_partition_init((ap_granularity){AP_GRANULARITY_BIT_COLUMN, 0, 0}, &spec, 18, 1, &p,
                         &failure));
  must(ap_bit_columns_round(&p, kept, w, &failure));
  for (size_t i = 0; i < 18; i++) assert_true(w[i] == expected[i]);
}

static void misuse(void **state) {
  float w[9] = {1, NAN};
  double score[4];
  uint8_t kept[4] = {0};
  ap_array_spec spec = ap_array_spec_default();
  ap_partition p;
  ap_pruner pruner;
  (void)state;
  must(ap_partition_init((ap_granularity){AP_GRANULARITY_BIT_COLUMN, 0, 0}, &spec, 9, 1, &p,
                         &failure));
  assert_int_equal(ap_bit_column_scores(&p, w, score, &failure), AP_ERR_FORMAT);
  assert_int_equal(ap_bit_columns_round(&p, kept, w, &failure), AP_ERR_FORMAT);
  assert_int_equal(ap_pruner_parse("bit-column+lamp", &pruner, &failure), AP_ERR_ARG);
  assert_int_equal(ap_pruner_parse("bit-column+l1", &pruner, &failure), AP_ERR_ARG);
  must(ap_pruner_parse("bit-column:4", &pruner, &failure));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(scores_rise_with_the_slice),
                                     cmocka_unit_test(rounding_is_on_the_grid),
                                     cmocka_unit_test(by_hand), cmocka_unit_test(misuse)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
