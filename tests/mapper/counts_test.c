/* Counts against cases worked by hand, and the properties that any fair model has. */
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
#include "mapper/mapping.h"

typedef struct {
  ap_map_summary s;
  ap_events e;
  ap_needs n;
} counted;

static counted count(const ap_array_spec *spec, const char *name, const uint8_t *kept, size_t k,
                     size_t n, uint64_t positions) {
  counted c;
  ap_granularity g;
  assert_int_equal(ap_granularity_parse(name, &g, NULL), AP_OK);
  assert_int_equal(ap_map_count(spec, g, kept, NULL, k, n, positions, &c.s, &c.e, &c.n, NULL),
                   AP_OK);
  return c;
}

/* Default array (128 x 128, OU 9 x 8, s = 4, 224 OUs a crossbar), K = 20, N = 6, P = 3.
 * Bands of 9, 9, 2 rows. Kept: band 0 columns 0, 2, 5; band 1 none; band 2 column 4.
 *   OUs: ceil(12/8) + 0 + ceil(4/8) = 3; dense: 3 * ceil(24/8) = 9. One crossbar.
 *   per input bit: drives 2*9 + 1*2 = 20; cells 12*9 + 4*2 = 116; conversions 12 + 4 = 16;
 *   corrections 4; input sums 9 + 2 = 11. 8 bits x 3 positions = 24 reads.
 *   partial sums 4 a position, 8 + 8 + 5 = 21 bits = 3 bytes, read and written: 4*3*2*3 = 72 bytes.
 *   index over 6 columns, 3 lists: counts 3*3; absolute 9 + 4*3 = 21; bitmap 18; delta with 1-bit
 *   fields: gaps 0,1,2 | 4 -> 4 + 7 escapes = 11 fields, 9 + 11 = 20; 2 bits: 4 + 1 = 5 fields,
 *   9 + 10 = 19; so the bitmap, 18 bits. */
static void column_vectors_by_hand(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  const uint8_t kept[18] = {1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
  counted c = count(&spec, "column-vector", kept, 20, 6, 3);
  (void)state;
  assert_int_equal(c.s.vectors, 18);
  assert_int_equal(c.s.vectors_kept, 4);
  assert_int_equal(c.s.weights, 120);
  assert_int_equal(c.s.weights_kept, 3 * 9 + 2);
  assert_int_equal(c.s.macs_kept, 3 * 29);
  assert_int_equal(c.s.ous, 3);
  assert_int_equal(c.s.ous_dense, 9);
  assert_int_equal(c.s.crossbars, 1);
  assert_int_equal(c.s.crossbars_dense, 1);
  assert_int_equal(c.s.index_bits, 18);
  assert_int_equal(c.s.column_index, AP_INDEX_BITMAP);
  assert_int_equal(c.e.ou_reads, 3 * 24);
  assert_int_equal(c.e.row_drives, 20 * 24);
  assert_int_equal(c.e.cell_reads, 116 * 24);
  assert_int_equal(c.e.adc_conversions, 16 * 24);
  assert_int_equal(c.e.sample_holds, 16 * 24);
  assert_int_equal(c.e.shift_adds, (16 + 4) * 24);
  assert_int_equal(c.e.input_sum_adds, 11 * 24);
  assert_int_equal(c.e.partial_sum_adds, 4 * 3);
  assert_int_equal(c.e.index_fetch_bits, 18 * 3);
  assert_int_equal(c.e.index_decodes, 4 * 3);
  assert_int_equal(c.e.input_register_bytes, 20 * 24 / 8);
  assert_int_equal(c.e.output_register_bytes, 72);
  assert_int_equal(c.e.router_bytes, 6 * 3);
  assert_int_equal(c.e.edram_bytes, 11 * 3 + 6 * 3);
  assert_int_equal(c.e.bus_bytes, 11 * 3 + 6 * 3);
  assert_int_equal(c.e.activations, 18);
  assert_int_equal(c.e.cycles, 3 * 24);
  assert_int_equal(c.n.cells_written, 116);
  assert_int_equal(c.n.input_sums, 1);
  assert_int_equal(c.n.crossbars, 1);
}

/* Row-vectors of 2 columns, K = 20, N = 3: groups of columns 0-1 and 2. Kept rows: 10 in group 0, 1 in
 * group 1. OUs ceil(10/9)*ceil(8/8) + 1*ceil(4/8) = 3; cells 10*8 + 4; conversions 2*8 + 4. */
static void row_vectors_by_hand(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  uint8_t kept[40] = {0};
  counted c;
  (void)state;
  for (size_t i = 0; i < 10; i++) kept[(size_t)2 * i] = 1;
  kept[39] = 1;
  c = count(&spec, "row-vector", kept, 20, 3, 1);
  assert_int_equal(c.s.ous, 3);
  assert_int_equal(c.s.ous_dense, 3 + 3);
  assert_int_equal(c.s.weights_kept, 21);
  assert_int_equal(c.n.cells_written, 84);
  assert_int_equal(c.e.adc_conversions, 20 * 8);
  assert_int_equal(c.e.row_drives, 11 * 8);
  /* counts 2*5; delta, 1-bit fields: gaps 0, 1 x 9 and 19 -> 11 + 9 + 19 = 39, 49 bits; bitmap 40;
   * 2-bit: 11 + 6 = 17 fields, 44 bits; 3-bit: 11 + 2, 49. absolute 10 + 55. */
  assert_int_equal(c.s.index_bits, 40);
  assert_int_equal(c.s.row_index, AP_INDEX_BITMAP);
  assert_int_equal(c.s.column_index, AP_INDEX_NONE);
}

/* Input channels of 3 rows, K = 10 (the last has 1), N = 6, 16 x 16 crossbars: 6 * 4 = 24 bitlines. Kept:
 * channels 0, 2, 3 (3 + 3 + 1 rows), columns 1, 2, 4, 5 read: 16 bitlines. One crossbar; OUs of 9 x 8:
 * 1 * 2. Index: 4 channels, count 3 bits; bitmap 4, absolute 3 + 3*2 = 9; delta of 1-bit fields, gaps 0,
 * 1, 0: 3 + 4. 6 columns: bitmap 6. */
static void channels_by_hand(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  const uint8_t kept[4] = {1, 0, 1, 1}, live[6] = {0, 1, 1, 0, 1, 1};
  ap_granularity g = {AP_GRANULARITY_CHANNEL, 3, 0};
  ap_map_summary s;
  ap_events e;
  ap_needs needs;
  (void)state;
  spec.rows = spec.cols = 16;
  assert_int_equal(ap_map_count(&spec, g, kept, live, 10, 6, 1, &s, &e, &needs, NULL), AP_OK);
  assert_int_equal(s.vectors, 4);
  assert_int_equal(s.vectors_kept, 3);
  assert_int_equal(s.weights_kept, 7 * 4);
  assert_int_equal(s.crossbars, 1);
  assert_int_equal(s.crossbars_dense, 2);
  assert_int_equal(s.ous, 2);
  assert_int_equal(s.row_index_bits, 4);
  assert_int_equal(s.column_index_bits, 6);
  assert_int_equal(needs.cells_written, 7 * 16);
  assert_int_equal(e.index_decodes, 3 + 4);
  assert_int_equal(ap_map_count(&spec, g, kept, NULL, 10, 6, 1, &s, NULL, NULL, NULL), AP_OK);
  assert_int_equal(s.crossbars, 2);
  assert_int_equal(s.weights_kept, 7 * 6);
  assert_int_equal(s.column_index_bits, 0);
}

/* Separate slices: an OU holds one slice of 8 weights. K = 9, N = 10: 4 * ceil(10/8) = 8 OUs, where
 * adjacent slices take ceil(40/8) = 5. */
static void separate_slices(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  (void)state;
  assert_int_equal(count(&spec, "column-vector", NULL, 9, 10, 1).s.ous, 5);
  spec.slices = AP_SLICES_SEPARATE;
  assert_int_equal(count(&spec, "column-vector", NULL, 9, 10, 1).s.ous, 8);
}

/* Dense floorplan: ResNet-18's widest 3x3 layer, 4608 x 512: 36 * 16 = 576 crossbars of 128 x 128, each
 * covered by ceil(128/9)*16 = 240 OUs. */
static void dense_floorplan(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  counted c = count(&spec, "dense", NULL, 4608, 512, 49);
  (void)state;
  assert_int_equal(c.s.crossbars, 576);
  assert_int_equal(c.s.crossbars_dense, 576);
  assert_int_equal(c.s.ous, 576 * 240);
  assert_int_equal(c.s.ous, c.s.ous_dense);
  assert_int_equal(c.s.index_bits, 0);
  assert_int_equal(c.e.index_decodes, 0);
  assert_int_equal(c.e.cycles, 240 * 8 * 49);
  /* packed as OUs: 512 bands of 9 rows, 256 OUs each, 14*16 = 224 a crossbar */
  c = count(&spec, "column-vector", NULL, 4608, 512, 49);
  assert_int_equal(c.s.ous, 512 * 256);
  assert_int_equal(c.s.crossbars, (512 * 256 + 223) / 224);
  assert_int_equal(c.s.index_bits, 0);
}

/* Published: ISAAC converts once for each 16-bit multiply-accumulate (8 bitlines x 16 input bits over
 * 128 rows). */
static void isaac_conversions(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  counted c;
  (void)state;
  spec.ou_rows = spec.ou_cols = 128;
  spec.weight_bits = spec.activation_bits = 16;
  c = count(&spec, "dense", NULL, 1280, 160, 10);
  assert_int_equal(c.e.adc_conversions, c.s.macs);
}

/* Every price-relevant count is monotone: keeping one more vector never lowers any. */
static void monotone(void **state) {
  static const char *const names[] = {"column-vector",   "row-vector",   "filter",
                                      "block:16x8",      "unstructured", "channel:9",
                                      "column-vector:R", "bit-column:5"};
  enum { K = 37, N = 19 };
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    for (int encoding = 0; encoding < 3; encoding++) {
      ap_array_spec spec = ap_array_spec_default();
      uint8_t kept[8 * K * N] = {0};
      uint32_t order[8 * K * N];
      ap_rng rng;
      ap_partition p;
      ap_granularity g;
      counted before;
      spec.encoding = (ap_encoding)encoding;
      spec.rows = spec.cols = 32;
      assert_int_equal(ap_granularity_parse(names[i], &g, NULL), AP_OK);
      assert_int_equal(ap_partition_init(g, &spec, K, N, &p, NULL), AP_OK);
      assert_true(p.count <= sizeof kept);
      for (size_t v = 0; v < p.count; v++) order[v] = (uint32_t)v;
      ap_rng_seed(&rng, 99, i);
      ap_rng_shuffle(&rng, order, p.count);
      before = count(&spec, names[i], kept, K, N, 5);
      assert_int_equal(before.s.ous, 0);
      assert_int_equal(before.s.crossbars, 0);
      assert_int_equal(before.s.index_bits, 0);
      for (size_t v = 0; v < p.count; v++) {
        counted after;
        kept[order[v]] = 1;
        after = count(&spec, names[i], kept, K, N, 5);
        assert_true(after.s.ous >= before.s.ous && after.s.crossbars >= before.s.crossbars);
        assert_true(after.s.weights_stored >= before.s.weights_stored);
        /* bit-columns store less than all of a weight */
        assert_true(after.s.weights_stored >= after.s.weights_kept ||
                    g.kind == AP_GRANULARITY_BIT_COLUMN);
        assert_true(after.e.row_drives >= before.e.row_drives);
        assert_true(after.e.cell_reads >= before.e.cell_reads);
        assert_true(after.e.adc_conversions >= before.e.adc_conversions);
        assert_true(after.e.shift_adds >= before.e.shift_adds);
        assert_true(after.e.input_sum_adds >= before.e.input_sum_adds);
        assert_true(after.e.edram_bytes >= before.e.edram_bytes);
        assert_true(after.e.bus_bytes >= before.e.bus_bytes);
        assert_true(after.e.cycles >= before.e.cycles);
        assert_true(after.s.ous <= after.s.ous_dense);
        before = after;
      }
      assert_int_equal(before.s.ous, before.s.ous_dense);
      assert_int_equal(before.s.weights_kept, K * N);
    }
  }
}

/* With whole-array reads and no index, 90 % random zeros save nothing; whole columns or rows do. With
 * OU packing the saving follows the kept vectors. */
static void negative_control(void **state) {
  enum { K = 256, N = 64 };
  ap_array_spec whole = ap_array_spec_default();
  ap_array_spec ou = ap_array_spec_default();
  static uint8_t single[K * N], vectors[K * N];
  uint8_t columns[N];
  ap_rng rng;
  counted dense, zeros, removed, packed;
  ap_partition p;
  (void)state;
  whole.ou_rows = whole.ou_cols = 128;
  ap_rng_seed(&rng, 5, 0);
  for (size_t i = 0; i < (size_t)K * N; i++) single[i] = ap_rng_uniform(&rng) < 0.1;
  for (size_t i = 0; i < N; i++) columns[i] = i % 10 == 0;
  dense = count(&whole, "dense", NULL, K, N, 1);
  zeros = count(&whole, "unstructured", single, K, N, 1);
  assert_int_equal(zeros.s.crossbars, dense.s.crossbars);
  assert_int_equal(zeros.e.cycles, dense.e.cycles);
  assert_int_equal(zeros.e.adc_conversions, dense.e.adc_conversions);
  assert_int_equal(zeros.s.index_bits, 0);
  removed = count(&whole, "filter", columns, K, N, 1);
  assert_int_equal(dense.s.crossbars, 4);
  assert_int_equal(removed.s.crossbars, 2);
  assert_true(removed.e.adc_conversions * 9 < dense.e.adc_conversions);
  /* OU packing: random single zeros leave 1 - 0.9^9 = 61 % of the columns of 9; vectors leave 10 % */
  dense = count(&ou, "column-vector", NULL, K, N, 1);
  zeros = count(&ou, "unstructured", single, K, N, 1);
  assert_true(zeros.e.adc_conversions * 2 > dense.e.adc_conversions);
  assert_int_equal(
      ap_partition_init((ap_granularity){AP_GRANULARITY_COLUMN_VECTOR, 0, 0}, &ou, K, N, &p, NULL),
      AP_OK);
  for (size_t i = 0; i < p.count; i++) vectors[i] = i % 10 == 0;
  packed = count(&ou, "column-vector", vectors, K, N, 1);
  assert_true(packed.e.adc_conversions * 9 < dense.e.adc_conversions);
}

/* 512 groups of 9 x 1 (a depthwise 3 x 3 layer), 10 positions of 8 bits: one OU of 9 x 4 cells each; 224
 * places a crossbar: 3 crossbars, the fullest reads 224 OUs. In place: 14 x 32 whole groups a crossbar:
 * 2, the fuller reads 448. Groups of 200 x 40 (160 bitlines) do not fit one crossbar: 2 * 2 each, which
 * work in parallel. */
static void groups_share_crossbars(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  static const struct {
    const char *name;
    size_t groups, k, n;
    uint64_t crossbars, dense, cycles;
  } cases[] = {
      {"column-vector", 512, 9, 1, 3, 2, 224 * 80}, {"column-vector", 100, 9, 1, 1, 1, 100 * 80},
      {"pattern", 512, 9, 1, 3, 2, 224 * 80},       {"bit-column", 512, 9, 1, 3, 2, 224 * 80},
      {"dense", 512, 9, 1, 2, 2, 448 * 80},         {"dense", 1, 9, 1, 1, 1, 80},
      {"dense", 3, 200, 40, 12, 12, 15 * 16 * 80},  {"column-vector", 3, 200, 40, 7, 12, 224 * 80}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    counted one = count(&spec, cases[i].name, NULL, cases[i].k, cases[i].n, 10), all = one;
    ap_granularity g;
    for (size_t j = 1; j < cases[i].groups; j++) {
      ap_map_summary_add(&all.s, &one.s);
      ap_events_add(&all.e, &one.e);
      ap_needs_add(&all.n, &one.n);
    }
    assert_int_equal(ap_granularity_parse(cases[i].name, &g, NULL), AP_OK);
    assert_int_equal(ap_map_join_groups(&spec, g, cases[i].groups, cases[i].groups, cases[i].k,
                                        cases[i].n, &all.s, &all.e, &all.n, NULL),
                     AP_OK);
    if (all.s.crossbars != cases[i].crossbars || all.s.crossbars_dense != cases[i].dense ||
        all.e.cycles != cases[i].cycles || all.n.crossbars != cases[i].crossbars) {
      fail_msg("case %zu: %d crossbars, %d dense, %d cycles", i, (int)all.s.crossbars,
               (int)all.s.crossbars_dense, (int)all.e.cycles);
    }
    assert_int_equal(all.e.ou_reads, cases[i].groups * one.e.ou_reads);
    assert_int_equal(all.s.positions, 10);
  }
}

/* 64 groups of which 5 hold anything: a bit says of each whether it does, read and decoded at every position. */
static void absent_groups_are_named(void **state) {
  ap_array_spec spec = ap_array_spec_default();
  counted one = count(&spec, "column-vector", NULL, 9, 1, 10), all = one;
  ap_granularity g;
  (void)state;
  assert_int_equal(ap_granularity_parse("column-vector", &g, NULL), AP_OK);
  for (size_t j = 1; j < 5; j++) {
    ap_map_summary_add(&all.s, &one.s);
    ap_events_add(&all.e, &one.e);
    ap_needs_add(&all.n, &one.n);
  }
  assert_int_equal(all.s.index_bits, 0);
  assert_int_equal(ap_map_join_groups(&spec, g, 64, 5, 9, 1, &all.s, &all.e, &all.n, NULL), AP_OK);
  assert_int_equal(all.s.index_bits, 64);
  assert_int_equal(all.s.column_index_bits, 64);
  assert_int_equal(all.n.index_bits, 64);
  assert_int_equal(all.e.index_fetch_bits, 640);
  assert_int_equal(all.e.index_decodes, 50);
  assert_int_equal(all.s.crossbars, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(column_vectors_by_hand),
                                     cmocka_unit_test(row_vectors_by_hand),
                                     cmocka_unit_test(separate_slices),
                                     cmocka_unit_test(channels_by_hand),
                                     cmocka_unit_test(dense_floorplan),
                                     cmocka_unit_test(isaac_conversions),
                                     cmocka_unit_test(monotone),
                                     cmocka_unit_test(negative_control),
                                     cmocka_unit_test(groups_share_crossbars),
                                     cmocka_unit_test(absent_groups_are_named)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
