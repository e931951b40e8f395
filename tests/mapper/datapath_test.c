/* The data path against a plain walk over OUs, bits and cells: narrow converters, all readers, imperfect
 * devices. (That exact widths give the integer product is tested in mapping_test.c.) */
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
#include "mapper/datapath.h"

enum { K = 40, N = 11, COUNT = 72, SINGLES = 6 };

typedef struct {
  ap_array_spec spec;
  ap_mapping *mapping;
  int32_t w[K * N], x[COUNT * K];
  bool is_signed;
} problem;

static void make(problem *p, ap_array_spec spec, const char *name, bool is_signed, uint64_t seed) {
  ap_granularity g;
  ap_rng rng;
  int32_t lo = is_signed ? -(1 << (spec.activation_bits - 1)) : 0;
  ap_rng_seed(&rng, seed, 1);
  p->spec = spec;
  p->is_signed = is_signed;
  for (size_t i = 0; i < (size_t)K * N; i++) {
    int32_t range = ap_array_weight_max(&spec);
    p->w[i] = (int32_t)ap_rng_below(&rng, (size_t)(2 * range) + 1) - range;
  }
  for (size_t i = 0; i < (size_t)COUNT * K; i++) {
    p->x[i] = lo + (int32_t)ap_rng_below(&rng, (size_t)1 << spec.activation_bits);
  }
  if (is_signed) p->x[0] = lo; /* at least one negative input */
  assert_int_equal(ap_granularity_parse(name, &g, NULL), AP_OK);
  assert_int_equal(ap_mapping_create(&spec, g, p->w, K, N, &p->mapping, NULL), AP_OK);
}

/* One input through every OU, bit and bitline, as docs/MAPPING.md says; cells may be overruled by
 * `every` (>= 0). Returns the number of saturated conversions. */
static uint64_t walk(const problem *p, const int32_t *x, int every, int64_t *y) {
  const ap_array_spec *a = &p->spec;
  int64_t adc_max = ((int64_t)1 << ap_array_adc_bits(a)) - 1;
  unsigned payload = a->encoding == AP_ENCODING_OFFSET ? a->weight_bits : a->weight_bits - 1;
  int64_t cell_max = (1 << (a->cell_bits < payload ? a->cell_bits : payload)) - 1;
  size_t s = ap_array_slices(a);
  uint64_t saturated = 0;
  memset(y, 0, N * sizeof *y);
  for (size_t o = 0; o < ap_mapping_ou_count(p->mapping); o++) {
    ap_ou ou;
    ap_mapping_ou(p->mapping, o, &ou);
    for (size_t j = 0; j < ou.n_cols; j++) {
      size_t column = 0, slice = 0;
      bool flip = ap_mapping_bitline(p->mapping, &ou, j, &column, &slice);
      int64_t weight = (int64_t)1 << (slice * a->cell_bits);
      if (a->encoding == AP_ENCODING_TWOS_COMPLEMENT && slice == s - 1) {
        weight = -((int64_t)1 << (a->weight_bits - 1));
      }
      if (a->encoding == AP_ENCODING_DIFFERENTIAL && slice >= s / 2) {
        weight = -((int64_t)1 << ((slice - s / 2) * a->cell_bits));
      }
      for (unsigned t = 0; t < a->activation_bits; t++) {
        int64_t sum = 0, driven = 0, bit = (int64_t)1 << t;
        if (p->is_signed && t == a->activation_bits - 1) bit = -bit;
        for (size_t i = 0; i < ou.n_rows; i++) {
          if (!((uint32_t)x[ou.inputs[i]] >> t & 1U)) continue;
          driven++;
          sum += every >= 0 ? every : (int64_t)ap_mapping_cell(p->mapping, &ou, i, j);
        }
        if (sum > adc_max) {
          sum = adc_max;
          saturated++;
        }
        if (flip) sum = cell_max * driven - sum;
        y[column] += bit * weight * sum;
        if (a->encoding == AP_ENCODING_OFFSET && slice == 0) {
          y[column] -= bit * ((int64_t)1 << (a->weight_bits - 1)) * driven;
        }
      }
    }
  }
  return saturated;
}

/* Batches of one (population counts), of all (tables), and the noisy reader with next to no noise. */
static void check_readers(const problem *p, uint64_t *saturated) {
  const ap_device whisper = {.read_noise = 1e-9};
  int64_t *expected = ap_calloc((size_t)COUNT * N, sizeof *expected);
  int64_t *y = ap_calloc((size_t)COUNT * N, sizeof *y);
  ap_datapath_stats stats;
  *saturated = 0;
  for (size_t v = 0; v < COUNT; v++) {
    *saturated += walk(p, p->x + v * K, -1, expected + v * N);
  }
  memset(y, 0x55, (size_t)COUNT * N * sizeof *y);
  assert_int_equal(ap_datapath_run(p->mapping, p->x, COUNT, y, &stats, NULL), AP_OK);
  assert_memory_equal(y, expected, (size_t)COUNT * N * sizeof *y);
  assert_int_equal(stats.saturated, *saturated);
  memset(y, 0x55, (size_t)COUNT * N * sizeof *y);
  assert_int_equal(ap_datapath_run_device(p->mapping, &whisper, p->x, COUNT, y, &stats, NULL),
                   AP_OK);
  assert_memory_equal(y, expected, (size_t)COUNT * N * sizeof *y);
  assert_int_equal(stats.saturated, *saturated);
  for (size_t v = 0; v < SINGLES && !p->is_signed; v++) {
    /* (a batch of one without a negative value would read as unsigned) */
    uint64_t alone = walk(p, p->x + v * K, -1, expected);
    assert_int_equal(ap_datapath_run(p->mapping, p->x + v * K, 1, y, &stats, NULL), AP_OK);
    assert_memory_equal(y, expected, N * sizeof *y);
    assert_int_equal(stats.saturated, alone);
  }
  ap_free(expected);
  ap_free(y);
}

static void narrow_converters(void **state) {
  static const char *const names[] = {"column-vector", "row-vector", "dense"};
  static problem p;
  (void)state;
  for (int e = 0; e < 12; e++) {
    for (size_t g = 0; g < 3; g++) {
      uint64_t last = UINT64_MAX;
      for (unsigned missing = 3; missing <= 3;
           missing -= missing > 1 ? 2 : 1) { /* 3, 1, 0 bits short */
        ap_array_spec spec = ap_array_spec_default();
        uint64_t saturated = 0;
        spec.encoding = (ap_encoding)(e % 3);
        spec.slices = (ap_slices)(e / 3 % 2);
        spec.flip = e >= 6;
        spec.adc_bits = ap_array_exact_adc_bits(&spec) - missing;
        make(&p, spec, names[g], e % 2, (uint64_t)e);
        check_readers(&p, &saturated);
        assert_true(saturated <= last);
        if (missing == 0) assert_int_equal(saturated, 0);
        if (missing == 3) assert_true(saturated > 0);
        last = saturated;
        ap_mapping_destroy(p.mapping);
      }
    }
  }
}

/* OUs too tall for tables, and of more than one mask word. */
static void tall_units(void **state) {
  static problem p;
  (void)state;
  for (size_t rows = 10; rows <= 70; rows += 15) {
    ap_array_spec spec = ap_array_spec_default();
    uint64_t saturated = 0;
    spec.ou_rows = rows;
    spec.adc_bits = ap_array_exact_adc_bits(&spec) - 2;
    make(&p, spec, "column-vector", true, rows);
    check_readers(&p, &saturated);
    ap_mapping_destroy(p.mapping);
  }
}

/* All cells stuck: the result does not depend on the weights. */
static void stuck_cells(void **state) {
  static problem p;
  (void)state;
  for (int e = 0; e < 3; e++) {
    ap_array_spec spec = ap_array_spec_default();
    ap_device low = {.stuck_low = 1, .seed = 4}, high = {.stuck_high = 1, .seed = 4};
    int64_t y[N], expected[N];
    spec.encoding = (ap_encoding)e;
    make(&p, spec, "column-vector", false, 3);
    assert_int_equal(ap_datapath_run_device(p.mapping, &low, p.x, 1, y, NULL, NULL), AP_OK);
    (void)walk(&p, p.x, 0, expected);
    assert_memory_equal(y, expected, sizeof y);
    assert_int_equal(ap_datapath_run_device(p.mapping, &high, p.x, 1, y, NULL, NULL), AP_OK);
    (void)walk(&p, p.x, 3, expected);
    assert_memory_equal(y, expected, sizeof y);
    ap_mapping_destroy(p.mapping);
  }
}

static double error_of(const problem *p, const ap_device *device) {
  static int64_t y[COUNT * N], exact[COUNT * N];
  double sum = 0;
  ap_integer_product(p->x, p->w, COUNT, K, N, exact);
  assert_int_equal(ap_datapath_run_device(p->mapping, device, p->x, COUNT, y, NULL, NULL), AP_OK);
  for (size_t i = 0; i < (size_t)COUNT * N; i++) {
    double d = (double)(y[i] - exact[i]);
    sum += d * d;
  }
  return sqrt(sum / (COUNT * N));
}

/* Errors grow with each kind of imperfection, for tables (9 rows) and cell by cell (32 rows). */
static void worse_devices_err_more(void **state) {
  static problem p;
  (void)state;
  for (size_t rows = 9; rows <= 32; rows += 23) {
    ap_array_spec spec = ap_array_spec_default();
    ap_device d = {.seed = 11};
    double before = 0;
    spec.ou_rows = rows;
    make(&p, spec, "column-vector", false, 8);
    assert_true(error_of(&p, &d) == 0);
    for (d.sigma = 0.06; d.sigma < 0.6; d.sigma *= 3) {
      double now = error_of(&p, &d);
      assert_true(now > before);
      before = now;
    }
    before = d.sigma = 0;
    for (d.stuck_low = 0.01; d.stuck_low < 0.5; d.stuck_low *= 4) {
      double now = error_of(&p, &d);
      assert_true(now > before);
      before = now;
    }
    before = d.stuck_low = 0;
    for (d.read_noise = 0.2; d.read_noise < 5; d.read_noise *= 3) {
      double now = error_of(&p, &d);
      assert_true(now > before);
      before = now;
    }
    ap_mapping_destroy(p.mapping);
  }
}

/* A device is the same device in any batch; its seed names it. */
static void devices_are_reproducible(void **state) {
  static problem p;
  static int64_t whole[COUNT * N], parts[COUNT * N], other[COUNT * N];
  const ap_device devices[] = {{.sigma = 0.2, .seed = 1},
                               {.stuck_low = 0.1, .stuck_high = 0.02, .seed = 1},
                               {.sigma = 0.1, .read_noise = 0.5, .seed = 1}};
  (void)state;
  make(&p, ap_array_spec_default(), "row-vector", false, 21);
  for (size_t i = 0; i < 3; i++) {
    ap_device d = devices[i];
    assert_int_equal(ap_datapath_run_device(p.mapping, &d, p.x, COUNT, whole, NULL, NULL), AP_OK);
    for (size_t first = 0; first < COUNT; first += 24) {
      d.first_input = first;
      assert_int_equal(
          ap_datapath_run_device(p.mapping, &d, p.x + first * K, 24, parts + first * N, NULL, NULL),
          AP_OK);
    }
    assert_memory_equal(whole, parts, sizeof whole);
    d.first_input = 0;
    d.seed = 2;
    assert_int_equal(ap_datapath_run_device(p.mapping, &d, p.x, COUNT, other, NULL, NULL), AP_OK);
    assert_true(memcmp(whole, other, sizeof whole) != 0);
  }
  ap_mapping_destroy(p.mapping);
}

/* Cells drawn once serve any number of runs: a large one (tables), small ones (cell by cell), taller OUs. */
static void drawn_cells_serve_many_runs(void **state) {
  static problem p;
  static int64_t expected[COUNT * N], y[COUNT * N];
  static const size_t units[] = {9, 40};
  const ap_device devices[] = {{.sigma = 0.2, .seed = 1},
                               {.stuck_low = 0.1, .stuck_high = 0.02, .seed = 3},
                               {.sigma = 0.1, .read_noise = 0.5, .seed = 1},
                               {.read_noise = 0.5, .seed = 2},
                               {.sigma = 0}};
  (void)state;
  for (size_t u = 0; u < 2; u++) {
    ap_array_spec spec = ap_array_spec_default();
    spec.ou_rows = units[u];
    make(&p, spec, "column-vector", false, 33);
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
      ap_device_cells *cells = NULL;
      ap_datapath_stats one, sum = {0, 0}, all;
      assert_int_equal(
          ap_datapath_run_device(p.mapping, &devices[i], p.x, COUNT, expected, &all, NULL), AP_OK);
      assert_int_equal(ap_device_cells_create(p.mapping, &devices[i], &cells, NULL), AP_OK);
      for (size_t first = 0; first < COUNT; first += 7) {
        size_t n = COUNT - first < 7 ? COUNT - first : 7;
        assert_int_equal(
            ap_datapath_run_cells(cells, first, p.x + first * K, n, y + first * N, &one, NULL),
            AP_OK);
        sum.conversions += one.conversions;
        sum.saturated += one.saturated;
      }
      assert_memory_equal(y, expected, sizeof y);
      assert_int_equal(sum.conversions, all.conversions);
      assert_int_equal(sum.saturated, all.saturated);
      ap_device_cells_destroy(cells);
    }
    ap_mapping_destroy(p.mapping);
  }
}

static void bad_devices(void **state) {
  static problem p;
  int64_t y[N];
  const ap_device bad[] = {{.sigma = -0.1},      {.sigma = NAN},
                           {.sigma = 3},         {.stuck_low = 1.1},
                           {.stuck_high = -0.1}, {.read_noise = INFINITY},
                           {.read_noise = -1},   {.stuck_low = 0.6, .stuck_high = 0.6}};
  (void)state;
  make(&p, ap_array_spec_default(), "dense", false, 2);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(ap_datapath_run_device(p.mapping, &bad[i], p.x, 1, y, NULL, NULL), AP_ERR_ARG);
  }
  assert_int_equal(ap_datapath_run(p.mapping, p.x, 0, y, NULL, NULL), AP_OK); /* no inputs */
  ap_mapping_destroy(p.mapping);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(narrow_converters),
                                     cmocka_unit_test(tall_units),
                                     cmocka_unit_test(stuck_cells),
                                     cmocka_unit_test(worse_devices_err_more),
                                     cmocka_unit_test(devices_are_reproducible),
                                     cmocka_unit_test(drawn_cells_serve_many_runs),
                                     cmocka_unit_test(bad_devices)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
