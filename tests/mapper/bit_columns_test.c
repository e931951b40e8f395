/* Bit-columns against a plain reading of docs/MAPPING.md: bits taken from numbers written out in base two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "mapper/datapath.h"
#include "mapper/mapping.h"

enum { K = 29, N = 7, MAX_BITS = 40 };

/* bits[b]: bit b of what a weight's cells hold in a row, slice 0 first; returns how many. */
static size_t write_bits(const ap_array_spec *a, int32_t w, int *bits) {
  size_t payload = a->encoding == AP_ENCODING_OFFSET ? a->weight_bits : a->weight_bits - 1;
  size_t digits = (payload + a->cell_bits - 1) / a->cell_bits, width = digits * a->cell_bits;
  size_t n = 0;
  long long value = w;
  if (a->encoding == AP_ENCODING_OFFSET) value += 1LL << (a->weight_bits - 1);
  if (a->encoding == AP_ENCODING_TWOS_COMPLEMENT && w < 0) value += 1LL << payload;
  if (a->encoding == AP_ENCODING_DIFFERENTIAL && w < 0) value = 0;
  for (size_t b = 0; b < width; b++) bits[n++] = (int)(value / (1LL << b) % 2);
  if (a->encoding == AP_ENCODING_DIFFERENTIAL) {
    long long negative = w < 0 ? -(long long)w : 0;
    for (size_t b = 0; b < width; b++) bits[n++] = (int)(negative / (1LL << b) % 2);
  }
  if (a->encoding == AP_ENCODING_TWOS_COMPLEMENT) { /* a bitline of its own */
    for (size_t b = 0; b < a->cell_bits; b++) bits[n++] = b == 0 && w < 0;
  }
  return n;
}

/* Does a slice of these weights hold what a 0's does, in rows k0..k1-1? */
static int trivial(const ap_array_spec *a, const int32_t *w, size_t k0, size_t k1, size_t column,
                   size_t slice) {
  int zero[MAX_BITS], bits[MAX_BITS];
  write_bits(a, 0, zero);
  for (size_t k = k0; k < k1; k++) {
    write_bits(a, w[k * N + column], bits);
    for (size_t b = slice * a->cell_bits; b < (slice + 1) * a->cell_bits; b++) {
      if (bits[b] != zero[b]) return 0;
    }
  }
  return 1;
}

typedef struct {
  uint64_t ous, lines, cells, weights, columns;
} numbers;

static numbers count_plainly(const ap_array_spec *a, size_t h, const int32_t *w) {
  int bits[MAX_BITS];
  size_t s = write_bits(a, 0, bits) / a->cell_bits;
  numbers out = {0};
  for (size_t k0 = 0; k0 < K; k0 += h) {
    size_t k1 = k0 + h < K ? k0 + h : K, lines = 0;
    for (size_t j = 0; j < N; j++) {
      size_t before = lines;
      for (size_t slice = 0; slice < s; slice++) lines += !trivial(a, w, k0, k1, j, slice);
      out.columns += lines > before;
      out.weights += lines > before ? k1 - k0 : 0;
    }
    out.lines += lines;
    out.cells += lines * (k1 - k0);
    for (size_t r = k0; r < k1; r += a->ou_rows) out.ous += (lines + a->ou_cols - 1) / a->ou_cols;
  }
  return out;
}

static void counts_are_the_plain_ones(void **state) {
  static const unsigned formats[][2] = {{8, 2}, {8, 1}, {7, 2}, {6, 4}, {5, 3}, {16, 2}};
  ap_rng rng;
  (void)state;
  ap_rng_seed(&rng, 4, 0);
  for (size_t i = 0; i < (size_t)36 * 3; i++) { /* encodings x slices x formats x heights */
    ap_array_spec a = ap_array_spec_default();
    ap_granularity g = {AP_GRANULARITY_BIT_COLUMN, 0, 0};
    ap_mapping *m = NULL;
    ap_map_summary s;
    ap_events e;
    ap_needs needs;
    numbers plain;
    int32_t w[K * N], most;
    a.encoding = (ap_encoding)(i % 3);
    a.slices = (ap_slices)(i / 3 % 2);
    a.weight_bits = formats[i / 6 % 6][0];
    a.cell_bits = formats[i / 6 % 6][1];
    most = ap_array_weight_max(&a);
    if (i / 36 == 1) g.h = 4;
    if (i / 36 == 2) g.h = 13;       /* taller than an OU */
    for (size_t k = 0; k < K; k++) { /* vectors of coarse, small, positive and no weights */
      for (size_t j = 0; j < N; j++) {
        int32_t v = (int32_t)ap_rng_below(&rng, 2 * (size_t)most + 1) - most;
        size_t kind = (k / 9 + j) % 5;
        w[k * N + j] = kind == 0   ? v
                       : kind == 1 ? v / 4 * 4
                       : kind == 2 ? v / 8
                       : kind == 3 ? abs(v)
                                   : 0;
      }
    }
    plain = count_plainly(&a, g.h ? g.h : a.ou_rows, w);
    assert_int_equal(ap_mapping_create(&a, g, w, K, N, &m, NULL), AP_OK);
    assert_int_equal(ap_mapping_summary(m, 1, &s, NULL), AP_OK);
    assert_int_equal(ap_mapping_events(m, 1, &e, &needs, NULL), AP_OK);
    assert_int_equal(s.ous, plain.ous);
    assert_int_equal(s.vectors_kept, plain.lines);
    assert_int_equal(s.weights_kept, plain.weights);
    assert_int_equal(needs.cells_written, plain.cells);
    assert_int_equal(s.crossbars, (plain.ous + ap_array_ous(&a) - 1) / ap_array_ous(&a));
    if (!g.h &&
        a.encoding == AP_ENCODING_OFFSET) { /* one correction a column with anything stored */
      assert_int_equal(e.shift_adds, e.adc_conversions + plain.columns * a.activation_bits);
    }
    ap_mapping_destroy(m);
  }
}

/* 8-bit weights, 2-bit cells, offset: 0 is 10 00 00 00. 64 = 11 00 00 00, 4 = 10 00 01 00, -128 = 00 00 00
 * 00, 3 = 10 00 00 11. Columns of 2 rows: (64, -128): slice 3 alone; (4, 0): slice 1; (3, 4): 0 and 1;
 * (0, 0): none. 4 bitlines of 16, one OU of 8. */
static void by_hand(void **state) {
  const int32_t w[8] = {64, 4, 3, 0, -128, 0, 4, 0};
  const uint8_t expected[16] = {0, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0};
  const int32_t x[2] = {7, 200};
  ap_array_spec a = ap_array_spec_default();
  ap_granularity g = {AP_GRANULARITY_BIT_COLUMN, 0, 0};
  ap_partition p;
  ap_mapping *m = NULL;
  ap_map_summary s;
  uint8_t kept[16];
  int64_t y[4];
  int32_t masked[8];
  (void)state;
  assert_int_equal(ap_partition_init(g, &a, 2, 4, &p, NULL), AP_OK);
  assert_int_equal(p.count, 16);
  ap_partition_kept(&p, w, kept);
  assert_memory_equal(kept, expected, 16);
  assert_int_equal(ap_partition_weights_kept(&p, kept), 6);
  assert_int_equal(ap_mapping_create(&a, g, w, 2, 4, &m, NULL), AP_OK);
  assert_int_equal(ap_mapping_summary(m, 1, &s, NULL), AP_OK);
  assert_int_equal(s.ous, 1);
  assert_int_equal(s.ous_dense, 2);
  assert_int_equal(s.vectors_kept, 4);
  assert_int_equal(ap_datapath_run(m, x, 1, y, NULL, NULL), AP_OK);
  assert_true(y[0] == 7 * 64 - 200 * 128 && y[1] == 28 && y[2] == 7 * 3 + 200 * 4 && y[3] == 0);
  ap_mapping_destroy(m);
  memset(kept, 0, 16); /* slices 3 and 2 of column 0, 3 of column 2 */
  kept[2] = kept[3] = kept[11] = 1;
  memcpy(masked, w, sizeof w);
  ap_partition_mask_i32(&p, kept, masked);
  assert_true(masked[0] == 64 && masked[4] == -128 && masked[1] == 0 && masked[2] == 0);
  assert_true(masked[6] == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(counts_are_the_plain_ones),
                                     cmocka_unit_test(by_hand)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
